"""Reductions: one number from many, along axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.batch_rules import leading, shifted
from tapenet.families import elementwise, general, linear
from tapenet.kernels.elementwise import add_up
from tapenet.ops.arguments import axes_of, refuse
from tapenet.ops.arithmetic import divide, multiply, square, subtract, where
from tapenet.ops.casting import astype
from tapenet.ops.comparison import equal
from tapenet.ops.complex import absolute
from tapenet.ops.shaping import broadcast_to, concatenate, moveaxis, reshape
from tapenet.plain import plain
from tapenet.primitive import Array
from tapenet.tensor import Tensor

Axis = int | Sequence[int] | None
Axes = tuple[int, ...] | None


def _spread(t: Array, shape: tuple[int, ...], axis: Axes, keepdims: bool) -> Array:
    """`t`, a reduction's result, broadcast back over the reduced axes."""
    return broadcast_to(_with_reduced_axes(t, shape, axis, keepdims), shape)


def _with_reduced_axes(t: Array, shape: tuple[int, ...], axis: Axes, keepdims: bool) -> Array:
    """`t`, a reduction's result, with length 1 along the reduced axes, as keepdims leaves it."""
    if keepdims:
        return t
    if axis is None:
        return reshape(t, (1,) * len(shape))
    return reshape(t, tuple(1 if i in axis else length for i, length in enumerate(shape)))


def _count(shape: tuple[int, ...], axis: Axes) -> int:
    """How many elements go into one result."""
    return math.prod(shape if axis is None else [shape[i] for i in axis])


def _axes(function: str, axis: Axis, ndim: int) -> Axes:
    return None if axis is None else axes_of(function, axis, ndim)


# ---- sums ----


@linear(
    lambda t, x_shape, axis, keepdims: _spread(t, x_shape, axis, keepdims),
    name="sum",
    batch=leading(axis=shifted),
)
def _sum(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    return add_up(x, axis, keepdims)


def sum(
    a: Array, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False, **keywords: Any
) -> Array:
    """Add up elements along axes, or all of them. Derivative: 1 for each.

    Args:
        a: array of any shape.
        axis: an axis, or a tuple of them; None for all.
        dtype: of the sum; as the array's by default.
        keepdims: leave the reduced axes in place, with length 1.

    Raises:
        numpy.exceptions.AxisError: an axis that the array does not have.

    >>> float(sum(np.ones((2, 3))))
    6.0
    """
    if type(a) is not Tensor:
        if type(a) is np.ndarray and dtype is None and out is None and not keywords:
            return add_up(a, axis, keepdims)
        return np.sum(a, axis, dtype, out, keepdims, **keywords)
    refuse("sum", {"out": out} | keywords)
    return _sum(a if dtype is None else astype(a, dtype), axis=_axes("sum", axis, a.ndim), keepdims=keepdims)


@linear(
    lambda t, x_shape, axis, keepdims: _spread(t / _count(x_shape, axis), x_shape, axis, keepdims),
    name="mean",
    batch=leading(axis=shifted),
)
def _mean(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    if type(x) is np.ndarray and x.dtype.char in "fd" and x.size:
        return add_up(x, axis, keepdims) / _count(x.shape, axis)  # as np.mean, at half its overhead
    return np.mean(x, axis=axis, keepdims=keepdims)


def mean(
    a: Array, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False, **keywords: Any
) -> Array:
    """The arithmetic mean along axes, or of all elements. Derivative: 1 / n for each of n.

    >>> float(mean(np.array([1.0, 3.0])))
    2.0
    """
    if type(a) is not Tensor:
        return np.mean(a, axis, dtype, out, keepdims, **keywords)
    refuse("mean", {"out": out} | keywords)
    return _mean(a if dtype is None else astype(a, dtype), axis=_axes("mean", axis, a.ndim), keepdims=keepdims)


@linear(
    lambda t, axis: _cumsum(t[_reversed(axis)], axis=axis)[_reversed(axis)],
    name="cumsum",
    batch=leading(axis=shifted),
)
def _cumsum(x: Array, *, axis: int) -> Array:
    return np.cumsum(x, axis)


def _reversed(axis: int) -> tuple[slice, ...]:
    return (slice(None),) * axis + (slice(None, None, -1),)


def cumsum(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
    """Running sums along an axis, or over all elements in C order.

    >>> cumsum(np.ones(3))
    array([1., 2., 3.])
    """
    if type(a) is not Tensor:
        return np.cumsum(a, axis, dtype, out)
    refuse("cumsum", {"out": out})
    x = a if dtype is None else astype(a, dtype)
    if axis is None:
        x, axis = reshape(x, -1), 0
    return _cumsum(x, axis=axes_of("cumsum", axis, x.ndim)[0])


# ---- moments ----


def var(
    a: Array,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    **keywords: Any,
) -> Array:
    """The variance: the mean of |x - mean x|^2, with n - ddof in place of n.

    Derivative: 2 (x - mean x) / (n - ddof).

    >>> float(var(np.array([1.0, 3.0])))
    1.0
    """
    if type(a) is not Tensor:
        return np.var(a, axis, dtype, out, ddof, keepdims, **keywords)
    ddof = keywords.pop("correction", ddof)
    refuse("var", {"out": out} | keywords)
    x = a if dtype is None else astype(a, dtype)
    axes = _axes("var", axis, a.ndim)
    deviation = subtract(x, mean(x, axes, keepdims=True))
    magnitude = absolute(deviation) if x.dtype.kind == "c" else deviation
    degrees = _count(a.shape, axes) - ddof
    return divide(sum(square(magnitude), axes, keepdims=keepdims), degrees if degrees > 0 else 0.0)


# The derivative of a root whose argument vanishes only where it is smallest: the minimum-norm subgradient.
_root_of_squares = elementwise(
    np.sqrt,
    lambda t, out: where(equal(out, 0), 0, t) / (2 * where(equal(out, 0), 1, out)),
    name="root_of_squares",
)


def std(
    a: Array,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    **keywords: Any,
) -> Array:
    """The standard deviation: the root of `var`. Derivative: (x - mean x) / ((n - ddof) std x); 0 where std is 0.

    >>> float(std(np.array([1.0, 3.0])))
    1.0
    """
    if type(a) is not Tensor:
        return np.std(a, axis, dtype, out, ddof, keepdims, **keywords)
    return _root_of_squares(var(a, axis, dtype, out, ddof, keepdims, **keywords))


# ---- extrema ----


def _find_winners(x: Array, out: Array, *, axis: Axes, keepdims: bool) -> Array:
    """The share of each element in the extremum: evenly among those equal to it; NaN wins over all."""
    best = _with_reduced_axes(np.asarray(out), np.shape(x), axis, keepdims)
    won = (x == best) | (x != x)
    return (won / np.add.reduce(won, axis=axis, keepdims=True)).astype(np.asarray(x).dtype)


_winners = plain(_find_winners, name="winners", batch=leading(axis=shifted))


_EXTREMUM_RULES: dict[str, Any] = {
    "batch": leading(axis=shifted),
    "pulls": [
        lambda t, x, out, x_shape, axis, keepdims: (
            _with_reduced_axes(t, x_shape, axis, keepdims) * _winners(x, out, axis=axis, keepdims=keepdims)
        )
    ],
    "pushes": [
        lambda t, x, out, axis, keepdims: sum(
            t * _winners(x, out, axis=axis, keepdims=keepdims), axis, keepdims=keepdims
        )
    ],
}


@general(**_EXTREMUM_RULES, name="max")
def _max(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    return np.maximum.reduce(x, axis=axis, keepdims=keepdims)


@general(**_EXTREMUM_RULES, name="min")
def _min(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    return np.minimum.reduce(x, axis=axis, keepdims=keepdims)


def max(a: Array, axis: Axis = None, out: None = None, keepdims: bool = False, **keywords: Any) -> Array:
    """The largest element along axes, or of all; NaN wins. Derivative: 1, split evenly among equal ones.

    >>> float(max(np.array([1.0, 3.0])))
    3.0
    """
    if type(a) is not Tensor:
        return np.max(a, axis, out, keepdims, **keywords)
    refuse("max", {"out": out} | keywords)
    return _max(a, axis=_axes("max", axis, a.ndim), keepdims=keepdims)


def min(a: Array, axis: Axis = None, out: None = None, keepdims: bool = False, **keywords: Any) -> Array:
    """The smallest element along axes, or of all; NaN wins. Derivative: 1, split evenly among equal ones.

    >>> float(min(np.array([1.0, 3.0])))
    1.0
    """
    if type(a) is not Tensor:
        return np.min(a, axis, out, keepdims, **keywords)
    refuse("min", {"out": out} | keywords)
    return _min(a, axis=_axes("min", axis, a.ndim), keepdims=keepdims)


amax, amin = max, min


def ptp(a: Array, axis: Axis = None, out: None = None, keepdims: bool = False) -> Array:
    """The largest element less the smallest. Derivative: that of `max` less that of `min`.

    >>> float(ptp(np.array([1.0, 3.0])))
    2.0
    """
    if type(a) is not Tensor:
        return np.ptp(a, axis, out, keepdims)
    return subtract(max(a, axis, out, keepdims), min(a, axis, out, keepdims))


# ---- products ----


def prod(
    a: Array, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False, **keywords: Any
) -> Array:
    """Multiply elements along axes, or all of them. Derivative: the product of the others, exact with zeros.

    Halves are multiplied pairwise until one is left, so that nothing ever divides, at any order.

    >>> float(prod(np.array([2.0, 3.0])))
    6.0
    """
    if type(a) is not Tensor:
        return np.prod(a, axis, dtype, out, keepdims, **keywords)
    refuse("prod", {"out": out} | keywords)
    x = a if dtype is None else astype(a, dtype)
    axes = tuple(range(x.ndim)) if axis is None else axes_of("prod", axis, x.ndim)
    rest = tuple(length for i, length in enumerate(x.shape) if i not in axes)
    factors = reshape(moveaxis(x, axes, range(len(axes))), (_count(x.shape, axes), *rest))
    if len(factors) == 0:
        return np.ones(_reduced_shape(x.shape, axes, keepdims), x.dtype)[()]
    while (count := len(factors)) > 1:
        half = count // 2
        paired = multiply(factors[:half], factors[half : 2 * half])
        factors = concatenate([paired, factors[2 * half :]]) if count % 2 else paired
    return reshape(factors, _reduced_shape(x.shape, axes, keepdims))


def _reduced_shape(shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    if keepdims:
        return tuple(1 if i in axes else length for i, length in enumerate(shape))
    return tuple(length for i, length in enumerate(shape) if i not in axes)
