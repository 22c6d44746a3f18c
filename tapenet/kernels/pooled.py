"""Elementwise functions of large arrays, with results in memory that is used again.

The C library gives large freed memory back to the system, which clears each page of it at its next use: a chain of
elementwise operations took three times as long. So results of NumPy's ufuncs on large arrays of a tape, and what rules
compute of them, lie in blocks of `memory`. For rules, which are written with NumPy's operators, arrays are viewed as
`PooledArray`, which differs from an ndarray only in where the results of ufuncs lie.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tapenet.core.array_types import Array
from tapenet.core.primitive import CONSTANTS
from tapenet.kernels import memory
from tapenet.kernels.threads import WORTH_SHARING, share

_KINDS = frozenset("fc")
_dtypes: dict[Any, np.dtype[Any] | None] = {}  # of results, by ufunc and the kinds of its operands


def is_large(x: Any) -> bool:
    """Return whether an array's elementwise results are worth a block of memory that is used again."""
    return isinstance(x, np.ndarray) and x.nbytes >= memory.LARGE


def pooled(function: Callable[..., Array]) -> Callable[..., Array]:
    """Return an elementwise function with large results in memory that is used again."""

    def computed(*operands: Any) -> Array:
        result = with_pooled_result(function, operands)
        return function(*operands) if result is None else result

    return computed


def with_pooled_result(function: Callable[..., Array], operands: Sequence[Any]) -> Array | None:
    """Return a ufunc of operands, in memory that is used again; None where they are not plain, large and alike."""
    # With a signature it is not elementwise: the result of matmul has a shape of its own.
    if type(function) is not np.ufunc or function.nout != 1 or function.signature is not None:
        return None
    shape: tuple[int, ...] | None = None
    largest = 0
    for x in operands:
        if type(x) not in CONSTANTS:  # such as a Tensor of a trace further out
            return None
        if type(x) is np.ndarray and x.nbytes >= memory.LARGE and x.size > largest:
            if not x.flags.c_contiguous:  # whose memory order the result takes
                return None
            shape, largest = x.shape, x.size
    if not shape:  # none is large; of shape () NumPy returns a scalar
        return None
    for x in operands:
        own = getattr(x, "shape", ())
        if own != shape and own and not _broadcasts_to(own, shape):
            return None
    dtype = _result_dtype(function, operands)
    if dtype is None:
        return None
    out = memory.empty(shape, dtype)
    _write(function, operands, out)
    return out


def _write(function: np.ufunc, operands: Sequence[Any], out: Array) -> None:
    """Write a ufunc of operands to `out`, on several threads where these are large."""
    size = out.nbytes + sum(x.nbytes for x in operands if type(x) is np.ndarray)
    if size < 2 * WORTH_SHARING:
        function(*operands, out=out)
        return
    if all(
        type(x) is not np.ndarray or (x.shape == out.shape and x.flags.c_contiguous) or x.ndim == 0 for x in operands
    ):
        out = out.reshape(-1)
        operands = [x.reshape(-1) if type(x) is np.ndarray and x.ndim else x for x in operands]

    def work(part: slice) -> None:
        function(*(x[part] if _is_cut(x, out) else x for x in operands), out=out[part])

    share(work, len(out), size)


def _is_cut(x: Any, out: Array) -> bool:
    """Return whether an operand has the first axis of the result, along which threads cut it."""
    return type(x) is np.ndarray and x.ndim == out.ndim and len(x) == len(out)


def _broadcasts_to(own: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return len(own) <= len(shape) and all(n in (1, m) for n, m in zip(own[::-1], shape[::-1], strict=False))


def _result_dtype(function: np.ufunc, operands: Sequence[Any]) -> np.dtype[Any] | None:
    """Return the dtype of a ufunc's result; None for what is neither float nor complex."""
    kinds: list[Any] = [getattr(x, "dtype", type(x)) for x in operands]  # Python's types are weak (NEP 50)
    key = (function, *kinds)
    if key not in _dtypes:
        try:
            dtype = function.resolve_dtypes((*kinds, None))[-1]
        except TypeError:
            dtype = None
        _dtypes[key] = dtype if dtype is not None and dtype.kind in _KINDS and dtype.isnative else None
    return _dtypes[key]


class PooledArray(np.ndarray[Any, Any]):
    """An array whose results of ufuncs lie in memory that is used again, and are such arrays themselves."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **keywords: Any) -> Any:
        given = [_plain(x) for x in operands]
        if method == "__call__" and not keywords:
            result = with_pooled_result(ufunc, given)
            if result is not None:
                return result.view(PooledArray)
        if "out" in keywords:
            keywords["out"] = tuple(map(_plain, keywords["out"]))
        return getattr(ufunc, method)(*given, **keywords)


def _plain(x: Any) -> Any:
    """Return the array that a pooled one is a view of; anything else as it is."""
    if type(x) is not PooledArray:
        return x
    base = x.base
    if type(base) is np.ndarray and base.shape == x.shape and base.strides == x.strides and base.dtype == x.dtype:
        return base  # a result, which has the lease of its block: a view would not be known as its owner
    return x.view(np.ndarray)


def pooled_rule(rule: Callable[..., Array] | None) -> Callable[..., Array] | None:
    """Return a rule, of arrays of the walk, that computes on large plain ones in memory that is used again."""
    if rule is None:
        return None

    def pooled(t: Array, kept: Sequence[Any], parameters: Mapping[str, Any], shape: Any) -> Array:
        if type(t) is not np.ndarray or t.nbytes < memory.LARGE or any(type(x) not in CONSTANTS for x in kept):
            return rule(t, kept, parameters, shape)
        viewed = tuple([x.view(PooledArray) if type(x) is np.ndarray else x for x in kept])
        answer: Array = _plain(rule(t.view(PooledArray), viewed, parameters, shape))
        return answer

    return pooled
