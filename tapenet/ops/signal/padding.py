"""Padding: an array with a frame around it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core import shapes
from tapenet.core.arguments import as_array, axis_of, numpy_function, refuse
from tapenet.core.batch_rules import leading, untouched
from tapenet.core.families import linear
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError
from tapenet.ops.arrays.ranges import linspace
from tapenet.ops.arrays.shaping import broadcast_to, concatenate, flip
from tapenet.ops.elementwise.arithmetic import add, multiply, where
from tapenet.ops.elementwise.casting import astype
from tapenet.ops.reductions.order_statistics import median
from tapenet.ops.reductions.reduction import max as max_over, mean, min as min_over

Widths = tuple[tuple[int, int], ...]


@linear(
    lambda t, x_shape, width: t[
        tuple(slice(before, before + n) for (before, _), n in zip(width, x_shape, strict=True))
    ],
    name="pad_zeros",
    batch=leading(width=untouched),
)
def _pad_zeros(x: Array, *, width: Widths) -> Array:
    return np.pad(x, width) if width else np.array(x)  # np.pad refuses an array without axes


_STATISTICS: dict[str, Callable[..., Array]] = {
    "maximum": max_over,
    "minimum": min_over,
    "mean": mean,
    "median": median,
}
_COPIES = ("edge", "reflect", "symmetric", "wrap")


@numpy_function(np.pad)
def pad(array: Array, pad_width: Any, mode: str = "constant", **kwargs: Any) -> Array:
    """Surround an array with a frame.

    Derivative: linear; for the array, 1 at its own places and where the frame repeats it; for `constant_values`, the
    sum over the frame. "maximum", "minimum", "mean" and "median" have the derivatives of these functions. On a Tensor
    mode "empty" gives zeros, and a function as mode is refused, as it would write into the array: write
    tnp.concatenate.

    Raises:
        ArgumentError: a negative width; for a Tensor, a mode that is a function.

    >>> tnp.pad(np.ones(2), 1)
    array([0., 1., 1., 0.])
    """
    x = as_array(array)
    width = _pairs("pad_width", pad_width, x.ndim)
    if any(n < 0 for pair in width for n in pair):
        raise ArgumentError(f"pad: pad_width must not be negative; got {pad_width!r}.")
    if mode == "constant":
        return _constant(x, width, **kwargs)
    if mode == "empty":
        refuse("pad", kwargs)
        return _pad_zeros(x, width=width)
    if x.ndim == 0:
        x = _pad_zeros(x, width=width)  # an array, as NumPy gives it
    if mode in _STATISTICS:
        return _with_statistic(x, width, _STATISTICS[mode], **kwargs)
    if mode == "linear_ramp":
        return _with_ramps(x, width, **kwargs)
    if mode in ("reflect", "symmetric") and kwargs.get("reflect_type") == "odd":
        return _by_matrices(x, width, mode, **kwargs)
    if mode not in _COPIES:
        raise ArgumentError(
            f"pad: mode must be one of NumPy's names for a Tensor; got {mode!r}. Join the frame by tnp.concatenate."
        )
    for axis, pair in enumerate(width):
        if any(pair):
            source = np.pad(np.arange(x.shape[axis]), pair, mode, **kwargs)  # type: ignore[call-overload]  # NumPy names literals
            x = x[shapes.at(axis, source)]
    return x


def _pairs(name: str, given: Any, ndim: int) -> Widths:
    """Give a pair of ints for each axis, from any form that NumPy takes."""
    if isinstance(given, dict):
        pairs = [(0, 0)] * ndim
        for axis, width in given.items():
            place = axis_of("pad", axis, ndim)
            pairs[place] = (width, width) if isinstance(width, int | np.integer) else tuple(width)
        given = pairs
    try:
        return tuple((operator.index(b), operator.index(a)) for b, a in np.broadcast_to(np.asarray(given), (ndim, 2)))
    except (TypeError, ValueError):
        raise ArgumentError(
            f"pad: {name} must be an int, a pair, or a pair for each of {ndim} axes; got {given!r}."
        ) from None


def _constant(x: Array, width: Widths, constant_values: Any = 0) -> Array:
    fill = astype(as_array(constant_values), x.dtype)
    padded = _pad_zeros(x, width=width)
    if type(fill) is not Tensor and not np.any(fill):
        return padded
    inside = np.pad(np.ones(x.shape, bool), width) if width else np.ones((), bool)
    if fill.ndim == 0:
        return where(inside, padded, fill)
    # An axis that is padded later covers the corners.
    values, frame = broadcast_to(fill, (x.ndim, 2)), padded
    for axis, (before, after) in enumerate(width):
        place = np.arange(padded.shape[axis]).reshape(shapes.along(axis, x.ndim))
        frame = where(place < before, values[axis, 0], frame)
        frame = where(place >= padded.shape[axis] - after, values[axis, 1], frame)
    return where(inside, padded, frame)


def _with_statistic(x: Array, width: Widths, statistic: Callable[..., Array], stat_length: Any = None) -> Array:
    lengths = None if stat_length is None else np.broadcast_to(np.asarray(stat_length), (x.ndim, 2))
    for axis, (before, after) in enumerate(width):
        if not before and not after:
            continue
        n = x.shape[axis]
        first, last = (n, n) if lengths is None else (min(int(length), n) for length in lengths[axis])
        front = statistic(x[shapes.at(axis, slice(0, first))], axis, keepdims=True)
        back = statistic(x[shapes.at(axis, slice(n - last, n))], axis, keepdims=True)
        frames = [broadcast_to(f, shapes.resized(f.shape, axis, k)) for f, k in ((front, before), (back, after))]
        x = concatenate([frames[0], x, frames[1]], axis)
    return x


def _with_ramps(x: Array, width: Widths, end_values: Any = 0) -> Array:
    """Pad along each axis by steps from a value at the end to the edge."""
    ends = np.broadcast_to(np.asarray(end_values), (x.ndim, 2))
    for axis, (before, after) in enumerate(width):
        if not before and not after:
            continue
        first, last = x[shapes.at(axis, 0)], x[shapes.at(axis, -1)]
        front = linspace(ends[axis, 0], first, before, endpoint=False, dtype=x.dtype, axis=axis)
        back = linspace(ends[axis, 1], last, after, endpoint=False, dtype=x.dtype, axis=axis)
        x = concatenate([front, x, flip(back, axis)], axis)
    return x


def _by_matrices(x: Array, width: Widths, mode: str, **kwargs: Any) -> Array:
    """Pad along each axis by a matrix, which is the padded identity matrix."""
    for axis, pair in enumerate(width):
        if any(pair):
            matrix = np.pad(np.eye(x.shape[axis]), (pair, (0, 0)), mode, **kwargs)  # type: ignore[call-overload]  # NumPy names literals
            x = _multiplied(matrix, x, axis)
    return x


def _multiplied(matrix: Array, x: Array, axis: int) -> Array:
    """Multiply a sparse matrix with x along an axis; what it does not hold meets no element, which may be infinite."""
    order = np.argsort(matrix == 0, 1, kind="stable")  # elements that are not 0 first
    total = None
    for places in order[:, : np.max(np.count_nonzero(matrix, 1), initial=0)].T:
        factors = np.take_along_axis(matrix, places[:, None], 1).astype(x.dtype)
        factors = factors.reshape(shapes.along(axis, x.ndim))
        elements = x[shapes.at(axis, places)]
        term = where(factors == 0, 0, multiply(where(factors == 0, 1, elements), factors))
        total = term if total is None else add(total, term)
    return total
