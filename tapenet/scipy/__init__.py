"""SciPy's functions on Tensors and arrays alike: `tapenet.scipy.special`, `tapenet.scipy.stats` and so on.

    import tapenet.scipy as tsp      # or tn.scipy; SciPy is the extra `scipy`: pip install "tapenet[scipy]"

Names, signatures and defaults are SciPy's. Plain arrays go straight to SciPy; values on a tape are SciPy's too, and the
derivatives are ours. Plain `scipy.special` works on Tensors as well, as its functions are ufuncs.
`docs/guides/scipy.md` says of every function what becomes of it.

How a module is added, for authors:

1. `tapenet/scipy/NAME/__init__.py`, or `NAME.py` where it is short, imports its functions `as` themselves and lists
   them in `__all__`; `NAME` goes into `MODULES` and `__all__` below. Files import `scipy.NAME` at the top:
   they are imported when first used.
2. A function is a composition of `tapenet.numpy` and other functions wherever that is accurate, under
   `@numpy_function(scipy.NAME.function)`, which passes plain arrays on. A primitive has a name with a dot,
   "NAME.function": it is not in the core's registry, so it needs neither samples nor a formula of its cost. A function
   that cannot be differentiated is declared by `tapenet.scipy.placing.refused` or `passed_on`.
3. Its docstring has a paragraph that begins with "Derivative:", "Derivatives:", "Piecewise constant:", "No derivative:"
   or "Refused:". From it `docs/generate_scipy.py` writes the table of the guide; it fails for a function of SciPy's
   that has no place, of the modules in its `COMPLETE`.
4. `tests/scipy/subjects_NAME.py` adds subjects to `tests.scipy.subjects`: a call and what draws its arrays;
   `test_functions.py` imports it. The generated tests then hold its value, both modes to second order, vmap and single
   precision. A differentiable function without a subject fails the collection.
5. The module goes into the lists of `tests/test_surface.py` and `docs/reference_pages.py`.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from tapenet.core.packages import import_package

import_package("scipy", "tapenet.scipy", extra="scipy")

MODULES = (
    "fft",
    "integrate",
    "interpolate",
    "linalg",
    "ndimage",
    "optimize",
    "signal",
    "sparse",
    "spatial",
    "special",
    "stats",
)

__all__ = [
    "fft",
    "integrate",
    "interpolate",
    "linalg",
    "ndimage",
    "optimize",
    "signal",
    "sparse",
    "spatial",
    "special",
    "stats",
]

if TYPE_CHECKING:
    from tapenet.scipy import (
        fft as fft,
        integrate as integrate,
        interpolate as interpolate,
        linalg as linalg,
        ndimage as ndimage,
        optimize as optimize,
        signal as signal,
        sparse as sparse,
        spatial as spatial,
        special as special,
        stats as stats,
    )
else:

    def __getattr__(name: str) -> ModuleType:
        """Import a module when it is first used."""
        if name in MODULES:
            return importlib.import_module(f"tapenet.scipy.{name}")
        raise AttributeError(f"module 'tapenet.scipy' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
