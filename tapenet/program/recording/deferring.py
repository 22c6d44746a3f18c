"""What a recording leaves to the program: elementwise operations on large arrays, whose values may never be read.

A function is recorded by running it. A value that it does not look at need not be computed for that: the program
computes it, in one pass over memory in place of one for each operation. Of such an operation the shape and the dtype
of the result are known before; it is computed where the function reads it, or an operation of another kind takes it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core.deferred import Deferred
from tapenet.core.primitive import Primitive
from tapenet.core.record import NO_PARAMETERS
from tapenet.core.recorder import compute
from tapenet.kernels.memory import LARGE

_LARGEST_INTEGER = 2**53  # beyond it an integer may not be one of the array's floats, and NumPy raises


def may_defer() -> bool:
    """Return whether NumPy does no more than warn of overflow and the like, at whatever time."""
    return all(do in ("warn", "ignore") for do in np.geterr().values())


def are_large(values: Sequence[Any]) -> bool:
    """Return whether an array among operands is large enough to be worth it, asked of each operation."""
    for x in values:
        if (type(x) is np.ndarray or type(x) is Deferred) and x.nbytes >= LARGE:
            return True
    return False


def deferred(primitive: Primitive, values: Sequence[Any]) -> Deferred | None:
    """Return the result of an operation without parameters as a value that is computed later; None for others.

    Args:
        primitive: the operation.
        values: of its operands, a large one and deferred ones among them; arrays that nothing writes into.
    """
    if not _is_by_elements(primitive) or primitive.is_users or primitive.with_residual is not None:
        return None
    shape = max(values, key=_bytes_of).shape
    kinds = tuple([_kind_of(x, shape) for x in values])
    dtype = None if any(kind is None for kind in kinds) else _dtype_of(primitive, kinds)
    return None if dtype is None else Deferred(shape, dtype, tuple(values), functools.partial(_computed, primitive))


def _is_by_elements(primitive: Primitive) -> bool:
    forward = primitive.forward
    is_ufunc = isinstance(forward, np.ufunc) and forward.nout == 1 and forward.signature is None
    return primitive.is_elementwise or is_ufunc


def _bytes_of(x: Any) -> int:
    return x.nbytes if type(x) in (np.ndarray, Deferred) else 0


def _kind_of(x: Any, shape: tuple[int, ...]) -> str | type | None:
    """Return what the dtype of a result depends on: a dtype's character, or a Python number's type; None for others."""
    if type(x) in (float, int):
        return type(x) if abs(x) <= _LARGEST_INTEGER or type(x) is float else None
    if type(x) is np.ndarray and any(x.strides) and not x.flags.c_contiguous:  # whose memory order the result takes
        return None
    if type(x) not in (np.ndarray, Deferred) and not isinstance(x, np.floating):
        return None
    is_known = x.dtype.kind in "bf" and x.dtype.isnative
    return x.dtype.char if is_known and _broadcasts_to(x.shape, shape) else None


def _broadcasts_to(own: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return len(own) <= len(shape) and all(n in (1, m) for n, m in zip(own[::-1], shape[::-1], strict=False))


@functools.lru_cache(maxsize=4096)
def _dtype_of(primitive: Primitive, kinds: tuple[str | type | None, ...]) -> np.dtype[Any] | None:
    """Return the dtype of a result, from one element of each operand; None where that is not one of floats."""
    ones = [kind(1) if isinstance(kind, type) else np.ones(1, kind) for kind in kinds]
    with np.errstate(all="ignore"):
        try:
            made = primitive.forward(*ones)
        except (TypeError, ValueError):
            return None
    is_known = type(made) is np.ndarray and made.shape == (1,) and made.dtype.kind in "bf"
    return made.dtype if is_known else None


def _computed(primitive: Primitive, values: list[Any]) -> Any:
    return compute(primitive, values, NO_PARAMETERS)[0]
