"""The namespace of `compat.autograd.numpy`, by autograd's other name of it, and what fills namespaces."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as np

from compat.autograd import numpy as _namespace
from compat.autograd.numpy import *  # noqa: F403  the same names
from compat.autograd.numpy import __all__ as __all__, __version__ as numpy_version
from compat.autograd.numpy.types import of_values
from compat.autograd.rules import primitive

globals().update({name: getattr(_namespace, name) for name in ("linalg", "fft", "random", "array_from_args")})


def wrap_namespace(old: Mapping[str, Any], new: MutableMapping[str, Any]) -> None:
    """Make a primitive of each function of a namespace, in another; types and numbers stay.

    A ufunc of SciPy's, and a function of NumPy's, has tapenet's derivatives already, and stays too.
    """
    wrapped: dict[int, Any] = {}
    for name, x in old.items():
        if isinstance(x, type):
            new[name] = of_values(x) if issubclass(x, np.integer) else x
        elif isinstance(x, np.ufunc) or (hasattr(np, name) and getattr(np, name) is x):
            new[name] = x
        elif callable(x):
            new[name] = wrapped.setdefault(id(x), primitive(x))
        elif isinstance(x, float | int | type(None)):
            new[name] = x


__all__ += ["numpy_version", "wrap_namespace"]
