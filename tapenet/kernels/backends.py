"""Back ends of kernels: NumPy's functions, and code that LLVM or Numba compiles.

NumPy makes one pass over memory for each function; a compiled loop makes one for all of them. The loops are in a module
of their own, `loops`, which is imported when they are asked for, and compiled when they are first called; so is the
code of products, `gemm`. Compiled code is cached on disk, so that this happens once on each machine.
"""

from __future__ import annotations

import importlib
import os
import warnings
from types import ModuleType
from typing import Any

import attrs
import numpy as np

from tapenet.core.packages import import_package
from tapenet.errors import ArgumentError, CompileWarning, MissingPackageError
from tapenet.kernels.forks import compiling

BACKENDS = ("numpy", "llvm", "numba")

# The first llvmlite whose pointers have no types.
FIRST_LLVMLITE = (0, 45)


@attrs.define
class _Choice:
    """What is chosen so far: nothing until it is asked for; llvmlite is loaded when code is first needed."""

    name: str | None = None
    loops: ModuleType | None = None
    has_machine_code: bool = False
    is_loaded: bool = False


_choice = _Choice()


def use_backend(name: str) -> str:
    """Choose what computes large products, convolutions, norms, attention and the like, in this process from now on.

    "llvm" makes large products of float32 and float64 matrices, transforms tiles of images, takes steps of optimizers,
    and computes recurrent networks, attention, norms, softmax, and gelu and the like of large arrays, by code that LLVM
    compiles for this processor; "numba" does so too, and takes loops that Numba compiles in place of
    NumPy's passes where these read and write memory more often than need be. Results agree to rounding. Code is
    compiled at its first use, products in some 0.2 seconds and a loop in a second or two, and cached on disk for the
    next process. At the start the environment variable TAPENET_BACKEND chooses, or else it is "llvm" where llvmlite is
    installed, and "numpy" where it is not.

    Args:
        name: "numpy"; "llvm", which needs llvmlite: `pip install llvmlite`; or "numba", which needs Numba: `pip install
            numba`.

    Returns:
        The name of the backend so far.

    Raises:
        ArgumentError: another name.
        MissingPackageError: what the backend needs is not installed.

    >>> before = use_backend("numpy")
    >>> use_backend(before)
    'numpy'
    """
    if name not in BACKENDS:
        raise ArgumentError(f"use_backend: name must be one of {', '.join(map(repr, BACKENDS))}; got {name!r}.")
    before = current_backend()
    _choose(name)
    return before


def _choose(name: str) -> None:
    has_llvm = name != "numpy" and _has_llvm()
    if name == "llvm" and not has_llvm:
        import_package("llvmlite", "use_backend")
        wanted = ".".join(map(str, FIRST_LLVMLITE))
        raise MissingPackageError(
            f"use_backend: llvmlite must be of version {wanted} or newer. Install it: pip install --upgrade llvmlite."
        )
    loops = None
    if name == "numba":
        import_package("numba", "use_backend")
        loops = importlib.import_module("tapenet.kernels.loops")
    _choice.name, _choice.loops, _choice.has_machine_code, _choice.is_loaded = name, loops, has_llvm, False


def current_backend() -> str:
    """Name the backend that is chosen."""
    if _choice.name is None:
        with compiling:
            _choose("llvm" if _has_llvm() else "numpy")
    return str(_choice.name)


def _has_llvm() -> bool:
    """Return whether a version of llvmlite that works is installed, without importing it."""
    metadata = importlib.import_module("importlib.metadata")
    try:
        version = metadata.version("llvmlite")
    except metadata.PackageNotFoundError:
        return False
    return tuple(int(part) for part in version.split(".")[:2]) >= FIRST_LLVMLITE


def has_machine_code() -> bool:
    """Return whether LLVM compiles the kernels that have code for it."""
    if _choice.name is None:
        current_backend()
    if _choice.has_machine_code and not _choice.is_loaded:
        with compiling:
            _load()
    return _choice.has_machine_code


def _load() -> None:
    """Import llvmlite at its first use; where it is installed and cannot be loaded, leave its work to NumPy."""
    try:
        importlib.import_module("llvmlite.binding")
        importlib.import_module("tapenet.kernels.machine_code")
    except (ImportError, OSError) as error:
        _choice.has_machine_code = False
        if _choice.name == "llvm":
            _choice.name = "numpy"
        warnings.warn(
            f"tapenet: llvmlite is installed and cannot be loaded, and NumPy computes in its place; got {error}. "
            "Install it again: pip install --force-reinstall llvmlite.",
            CompileWarning,
            stacklevel=2,
        )
    _choice.is_loaded = True


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
