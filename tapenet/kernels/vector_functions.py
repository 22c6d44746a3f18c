"""Functions of loops over vectors, compiled for this processor at their first use, and elementary ones among them.

They compute in one pass over memory, and without the interpreter's lock, what takes NumPy several. They are for float32
and float64, on processors with AVX2 or AVX-512, where llvmlite is installed.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.array_types import Array
from tapenet.kernels import backends
from tapenet.kernels.memory import address, empty
from tapenet.kernels.pooled import PooledArray
from tapenet.kernels.threads import share

# Elements from which on an elementary function is compiled and called, and those of functions that NumPy computes by
# some hundred passes, or by a few fast ones.
FEWEST = 2**12
FEWEST_OF = dict.fromkeys(("erf", "gaussian", "gelu", "gelu_slope", "normal_cdf", "normal_density"), 2**11)
FEWEST_OF["over_square_of_cosh"] = 2**16

# What an element takes, in reads of its memory: about a nanosecond.
_COST = 4

_ARRAYS = frozenset({np.ndarray, PooledArray})


@attrs.frozen(eq=False)
class Functions:
    """The compiled functions of one dtype.

    Attributes:
        by_name: take addresses, lengths and numbers.
        library: what holds their code.
    """

    by_name: dict[str, Callable[..., Any]]
    library: Any


_compiled: dict[tuple[str, str, str], Functions | None] = {}


def functions_for(dtype: np.dtype[Any], generator: str, name: str = "") -> Functions | None:
    """Return the functions that a module generates for a dtype; None where NumPy computes.

    Args:
        dtype: of all arrays.
        generator: the module; its `functions(char, lanes, name)` returns them as `loop_code.Function`.
        name: tells the module which.
    """
    if not backends.has_machine_code() or dtype.char not in "fd" or not dtype.isnative:
        return None
    key = (generator, dtype.char, name)
    if key not in _compiled:
        # Imported here: it needs llvmlite, and modules that importing tapenet does not.
        machine_code = importlib.import_module("tapenet.kernels.machine_code")
        size = machine_code.processor().vector_size
        _compiled[key] = _of(machine_code, *key, size // dtype.itemsize) if size else None
    return _compiled[key]


def _of(machine_code: Any, generator: str, char: str, name: str, lanes: int) -> Functions:
    written = importlib.import_module(generator).functions(char, lanes, name)
    text = importlib.import_module("tapenet.kernels.loop_code").module_of(written)
    library = machine_code.compile_module(lambda: text, text)
    return Functions({f.name: _called(library.address(f.name), f) for f in written}, library)


def _called(address: int, function: Any) -> Callable[..., Any]:
    kinds: tuple[Any, ...] = (ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_double)
    given = [kind for kind, count in zip(kinds, function.counts, strict=True) for _ in range(count)]
    return ctypes.CFUNCTYPE(None if function.returns is None else ctypes.c_int32, *given)(address)


def _fit(arrays: Sequence[Any]) -> bool:
    """Return whether arrays are plain, in C order, and of one dtype and shape."""
    x = arrays[0]
    return all(
        type(a) in _ARRAYS and a.dtype is x.dtype and a.shape == x.shape and a.flags.c_contiguous for a in arrays
    )


def _in_parts(function: Callable[..., Any], arrays: Sequence[Array], width: int, *lengths: int) -> Array:
    """Return what a function writes, given addresses, how many rows of `width` elements there are, and lengths."""
    x = arrays[0]
    out, row = empty(x.shape, x.dtype), width * x.itemsize
    places = [address(a) for a in (*arrays, out)]

    def work(part: slice) -> None:
        first = part.start * row
        function(*(place + first for place in places), part.stop - part.start, *lengths)

    share(work, x.size // width, _COST * x.nbytes)
    return out


# ---- functions of rows ----

# Elements from which on they are called.
FEWEST_IN_ROWS = 2**10


def along_rows(generator: str, name: str, *arrays: Any) -> Array | None:
    """Return a function of each row of arrays (..., columns) of one shape; None where NumPy computes it.

    Args:
        generator: the module that writes the function; see `functions_for`.
        name: of the function.
    """
    x = arrays[0]
    if type(x) not in _ARRAYS or x.size < FEWEST_IN_ROWS or not _fit(arrays):
        return None
    functions = functions_for(x.dtype, generator)
    if functions is None:
        return None
    return _in_parts(functions.by_name[name], arrays, x.shape[-1], x.shape[-1])


# ---- elementary functions ----


def elementwise(name: str, *arrays: Any) -> Array | None:
    """Return an elementary function of large arrays of one shape; None where NumPy computes it."""
    x = arrays[0]
    if type(x) not in _ARRAYS or x.size < FEWEST_OF.get(name, FEWEST) or not _fit(arrays):
        return None
    functions = functions_for(x.dtype, "tapenet.kernels.elementwise_code", name)
    return None if functions is None else _in_parts(functions.by_name[name], arrays, 1)
