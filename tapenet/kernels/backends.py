"""Back ends of kernels: NumPy's functions, or loops that Numba compiles.

NumPy makes one pass over memory for each function; a compiled loop makes one for all of them. The loops are in a module
of their own, `loops`, which is imported when they are asked for, and compiled when they are first called. Compiled code
is cached on disk, so that this happens once on each machine.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType
from typing import Any

import attrs
import numpy as np

from tapenet.core.packages import import_package
from tapenet.errors import ArgumentError

BACKENDS = ("numpy", "numba")


@attrs.define
class _Choice:
    """The compiled loops, where they are asked for."""

    loops: ModuleType | None = None

    @property
    def name(self) -> str:
        """The backend's name."""
        return "numpy" if self.loops is None else "numba"


_choice = _Choice()


def use_backend(name: str) -> str:
    """Choose what computes large convolutions, pools, masks and steps of Adam, in this process from now on.

    Results agree to rounding. Matrix products are BLAS's either way. A loop is compiled at its first call, which takes
    a second or two, and cached on disk for the next process. At the start the environment variable TAPENET_BACKEND
    chooses, or else it is "numpy".

    Args:
        name: "numpy", the default, or "numba", which needs Numba: `pip install numba`.

    Returns:
        The name of the backend so far.

    Raises:
        ArgumentError: another name.
        MissingPackageError: Numba is not installed.

    >>> use_backend("numpy")
    'numpy'
    """
    if name not in BACKENDS:
        raise ArgumentError(f"use_backend: name must be one of {', '.join(map(repr, BACKENDS))}; got {name!r}.")
    before = _choice.name
    if name == "numba":
        import_package("numba", "use_backend")
        _choice.loops = importlib.import_module("tapenet.kernels.loops")
    else:
        _choice.loops = None
    return before


def current_backend() -> str:
    """Name the backend that is chosen."""
    return _choice.name


def loops_for(*arrays: Any) -> Any:
    """Return the compiled loops, if they are chosen and fit: arrays of one dtype, float32 or float64, in C order."""
    if _choice.loops is None:
        return None
    dtype = arrays[0].dtype
    fits = (
        dtype.char in "fd"
        and dtype.isnative
        and all(type(x) is np.ndarray and x.dtype == dtype and x.flags.c_contiguous for x in arrays)
    )
    return _choice.loops if fits else None


if os.environ.get("TAPENET_BACKEND"):
    use_backend(os.environ["TAPENET_BACKEND"])
