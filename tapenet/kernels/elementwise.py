"""Elementwise kernels that NumPy computes slowly or on one thread: `where`, relu, biases, sums of rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from tapenet.core.argument_checks import check_real, checked_operand
from tapenet.core.array_types import Array
from tapenet.kernels.memory import empty
from tapenet.kernels.pooled import PooledArray

# Elements of a row to which biases are repeated: NumPy's inner loops run over one row.
LONG_ROW = 1024

# Elements below which NumPy's own function is called, as it has less overhead.
MANY = 2**13

# Elements that are worked on at a time, where several passes are made.
BLOCK = 2**14

# Elements of a row below which `sum_rows` is faster than NumPy's sum.
SHORT_ROW = 256


def share(work: Callable[[slice], Any], count: int, size: int) -> None:
    """Share work among threads, as `threads.share` does; only large arrays need that, so that it is imported here."""
    from tapenet.kernels import threads

    threads.share(work, count, size)


def where(condition: Any, /, *choices: Any) -> Any:
    """Compute `np.where`, bit for bit, and faster for large arrays, where its branches would not be predicted."""
    if len(choices) != 2:
        return np.where(condition, *choices)
    x, y = choices
    # A Python int alone: a 0 of NumPy's may widen the result, and a float may be -0.0.
    if type(y) is int and y == 0 and _can_keep(condition, x):
        return _keep(condition, x)
    if type(x) is int and x == 0 and _can_keep(condition, y):
        return _keep(~condition, y)
    if _can_keep(condition, x) and _can_keep(condition, y) and x.dtype == y.dtype:
        return _chosen(condition, x, y)
    return np.where(condition, x, y)


def _can_keep(mask: Array, x: Array) -> bool:
    return (
        type(mask) is np.ndarray
        and isinstance(x, np.ndarray)
        and x.shape == mask.shape
        and x.size >= MANY
        and x.dtype.char in "efd"
        and mask.dtype == bool
        and x.flags.c_contiguous
        and mask.flags.c_contiguous
        and type(x) in (np.ndarray, PooledArray)
    )


def _keep(mask: Array, x: Array) -> Array:
    """Return x where the mask holds, else zero."""
    out = empty(x.shape, x.dtype)
    flat, flat_mask, flat_out = np.asarray(x).reshape(-1), mask.reshape(-1), out.reshape(-1)
    loops = import_module("tapenet.kernels.backends").loops_for(flat)
    write = keep if loops is None else loops.keep
    share(lambda part: write(flat_mask[part], flat[part], flat_out[part]), x.size, 2 * x.nbytes + mask.nbytes)
    return out.view(type(x))


def _chosen(mask: Array, x: Array, y: Array) -> Array:
    """Return x where the mask holds, else y: each kept, and joined bit by bit, as the bits of zero are 0."""
    out = empty(x.shape, x.dtype)
    bits = np.dtype(f"i{x.dtype.itemsize}")
    flat_x, flat_y, flat_mask, flat_out = (np.asarray(a).reshape(-1) for a in (x, y, mask, out))

    def work(part: slice) -> None:
        for begin in range(part.start, part.stop, BLOCK):
            own = slice(begin, min(begin + BLOCK, part.stop))
            other = np.empty(own.stop - own.start, x.dtype)
            keep(flat_mask[own], flat_x[own], flat_out[own])
            keep(~flat_mask[own], flat_y[own], other)
            joined = flat_out[own].view(bits)
            np.bitwise_or(joined, other.view(bits), out=joined)

    share(work, x.size, 3 * x.nbytes + mask.nbytes)
    return out.view(PooledArray) if PooledArray in (type(x), type(y)) else out


def keep(mask: Array, x: Array, out: Array) -> None:
    """Write into `out` x where the mask holds, and zero elsewhere; all of one shape.

    Multiplies bit patterns by 0 and 1: `x * mask` makes NaN of infinity, and `np.where` branches at each element,
    which takes fifteen times as long where branches cannot be predicted.
    """
    if x.dtype.itemsize in (2, 4, 8):
        bits = np.dtype(f"i{x.dtype.itemsize}")
        np.multiply(x.view(bits), mask.view(np.int8), out=out.view(bits), dtype=bits)
    else:
        out[...] = np.where(mask, x, x.dtype.type(0))


# An array of the dtype is taken in half the time that a Python 0 takes; what has no order is not among them.
_ZEROS = {dtype: np.zeros((), dtype) for dtype in map(np.dtype, "bhilqBHILQefdg")}


def relu(x: Any) -> Any:
    """Compute max(x, 0)."""
    try:
        zero = _ZEROS[x.dtype]
    except (AttributeError, KeyError):
        return np.maximum(check_real("relu", "x", checked_operand("relu", "x", x)), 0)
    if type(x) is not np.ndarray:
        return np.maximum(checked_operand("relu", "x", x), 0)
    if x.size < MANY or not x.flags.c_contiguous:
        return np.maximum(x, zero)
    out = empty(x.shape, x.dtype)
    flat, flat_out = x.reshape(-1), out.reshape(-1)
    share(lambda part: np.maximum(flat[part], 0, out=flat_out[part]), x.size, 2 * x.nbytes)
    return out


def add_bias(y: Array, bias: Array) -> Array:
    """Compute y + bias, one number for each index of the last axis, in the memory of y if that can hold it."""
    dtype = y.dtype
    if type(y) is not np.ndarray or (bias.dtype is not dtype and np.result_type(y, bias) != dtype):
        return y + bias
    if y.size < MANY or not y.flags.c_contiguous:
        return np.add(y, bias, out=y)
    rows = y.reshape(-1, len(bias))
    # Biases repeated: NumPy's inner loops run over one row.
    repeats = next((n for n in range(LONG_ROW // len(bias), 1, -1) if len(rows) % n == 0), 1)
    row, rows = np.tile(bias, repeats), rows.reshape(-1, repeats * len(bias))
    share(lambda part: np.add(rows[part], row, out=rows[part]), len(rows), 2 * y.nbytes)
    return y


def add_up(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute `np.sum`, at a fifth of its overhead, and faster over leading axes with short rows.

    NumPy adds row by row, each with an overhead of its own. So many short rows are added as one long row first.
    """
    reduce: Any = np.add.reduce
    if type(axis) is tuple and _has_short_rows(x, axis):
        shape = x.shape[len(axis) :]
        total = _sum_of_rows(x.reshape(-1, math.prod(shape)))
        return total.reshape((1,) * len(axis) + shape if keepdims else shape)
    return reduce(x, axis=axis, keepdims=keepdims)


def _sum_of_rows(rows: Array) -> Array:
    """Add up short rows: first as long ones of many each, then the parts of the sum, and what was left."""
    length = rows.shape[1]
    fold = LONG_ROW // length
    whole = len(rows) - len(rows) % fold
    total: Array = np.add.reduce(rows[:whole].reshape(-1, fold * length), axis=0)
    total = np.add.reduce(total.reshape(fold, length), axis=0)
    return total + np.add.reduce(rows[whole:], axis=0) if whole < len(rows) else total


def _has_short_rows(x: Array, axes: tuple[int, ...]) -> bool:
    return (
        type(x) is np.ndarray
        and x.size >= MANY
        and x.dtype.char in "fdFD"
        and axes == tuple(range(len(axes)))
        and 0 < math.prod(x.shape[len(axes) :]) < SHORT_ROW
        and len(axes) < x.ndim
        and x.flags.c_contiguous
    )
