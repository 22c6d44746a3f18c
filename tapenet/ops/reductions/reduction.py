"""Reductions: one number from many, along axes."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core.arguments import ABSENT, as_array, axes_of, given, off_tape, refuse
from tapenet.core.batch_rules import leading, shifted as with_batch_axis
from tapenet.core.families import elementwise, general, linear
from tapenet.core.nondifferentiable import plain
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError
from tapenet.kernels.elementwise import add_up
from tapenet.ops.arrays.shaping import broadcast_to, moveaxis, reshape
from tapenet.ops.elementwise.arithmetic import (
    add,
    divide,
    maximum,
    minimum,
    multiply,
    square,
    subgradient,
    subtract,
    where as choose,
)
from tapenet.ops.elementwise.casting import astype
from tapenet.ops.elementwise.comparison import equal
from tapenet.ops.elementwise.complex import absolute
from tapenet.ops.reductions.cumulative import cumprod, reversed_along, shifted

Axis = int | Sequence[int] | None
Axes = tuple[int, ...] | None


def spread(t: Array, shape: tuple[int, ...], axis: Axes, keepdims: bool) -> Array:
    """Broadcast `t`, a reduction's result, back over the reduced axes."""
    return broadcast_to(t if axis is None else _with_reduced_axes(t, shape, axis, keepdims), shape)


def _with_reduced_axes(t: Array, shape: tuple[int, ...], axis: Axes, keepdims: bool) -> Array:
    """Give `t`, a reduction's result, length 1 along the reduced axes, as keepdims does."""
    if keepdims:
        return t
    if axis is None:
        return reshape(t, (1,) * len(shape))
    return reshape(t, tuple(1 if i in axis else length for i, length in enumerate(shape)))


def _count(shape: tuple[int, ...], axis: Axes) -> int:
    """Count the elements that go into one result."""
    return math.prod(shape if axis is None else [shape[i] for i in axis])


def normalized_axes(function: str, axis: Axis, ndim: int) -> Axes:
    if axis is None or (ndim == 0 and axis in (0, -1)):  # which ufuncs accept for a scalar
        return None
    return axes_of(function, axis, ndim)


# ---- sums ----


@linear(
    lambda t, x_shape, axis, keepdims: spread(t, x_shape, axis, keepdims),
    name="sum",
    batch=leading(axis=with_batch_axis),
)
def _sum(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    return add_up(x, axis, keepdims)


def sum(
    a: Array,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Array = ABSENT,
    where: Array = ABSENT,
) -> Array:
    """Add up elements along axes, or all of them.

    Derivative: 1 for each element that is added.

    >>> float(tnp.sum(np.ones((2, 3))))
    6.0
    """
    if type(a) is not Tensor:
        if type(a) is np.ndarray and dtype is None and out is None and initial is ABSENT and where is ABSENT:
            return add_up(a, axis, keepdims)
        return off_tape(sum, np.sum, a, axis, dtype, out, keepdims, **given(initial=initial, where=where))
    if out is not None:
        refuse("sum", {"out": out})
    x = a if dtype is None else astype(a, dtype)
    if where is not ABSENT:
        x = choose(where, x, 0)
    total = _sum(x, axis=normalized_axes("sum", axis, x.ndim), keepdims=keepdims)
    return total if initial is ABSENT else add(total, initial)


@linear(
    lambda t, x_shape, axis, keepdims: spread(t / _count(x_shape, axis), x_shape, axis, keepdims),
    name="mean",
    batch=leading(axis=with_batch_axis),
)
def _mean(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    if type(x) is np.ndarray and x.dtype.char in "fd" and x.size:
        return add_up(x, axis, keepdims) / _count(x.shape, axis)  # as np.mean, at half its overhead
    return np.mean(x, axis=axis, keepdims=keepdims)


def mean(
    a: Array,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    *,
    where: Array = ABSENT,
) -> Array:
    """Compute the arithmetic mean along axes, or of all elements.

    Derivative: 1 / n for each of n elements.

    >>> float(tnp.mean(np.array([1.0, 3.0])))
    2.0
    """
    if type(a) is not Tensor:
        return off_tape(mean, np.mean, a, axis, dtype, out, keepdims, **given(where=where))
    if out is not None:
        refuse("mean", {"out": out})
    x = a if dtype is None else astype(a, dtype)
    if where is not ABSENT:
        return divide(sum(x, axis, keepdims=keepdims, where=where), number_where(where, x, axis, keepdims))
    return _mean(x, axis=normalized_axes("mean", axis, x.ndim), keepdims=keepdims)


@plain
def number_where(where: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    """Count the elements of x along axes where a mask holds, in the real dtype of x."""
    return np.sum(np.broadcast_to(where, x.shape), axis, x.real.dtype, keepdims=keepdims)


# ---- moments ----


def var(
    a: Array,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Array = ABSENT,
    mean: Array = ABSENT,
    correction: float = ABSENT,
) -> Array:
    """Compute the variance along axes: the sum of |x - mean(x)|^2 over n - ddof.

    Derivatives: 2 (x - mean(x)) / (n - ddof) for x; a `mean` that is given is an operand like any other.

    >>> float(tnp.var(np.array([1.0, 3.0])))
    1.0
    >>> tn.grad(tnp.var)(np.array([1.0, 3.0]))
    array([-1.,  1.])
    """
    more = given(where=where, mean=mean, correction=correction)
    if type(a) is not Tensor and type(mean) is not Tensor:
        return off_tape(var, np.var, a, axis, dtype, out, ddof, keepdims, **more)
    if out is not None:
        refuse("var", {"out": out})
    x = as_array(a) if dtype is None else astype(a, dtype)
    axes = normalized_axes("var", axis, x.ndim)
    center = _mean_of(x, axes, keepdims=True, **given(where=where)) if mean is ABSENT else mean
    deviation = subtract(x, center)
    if where is not ABSENT:
        deviation = choose(where, deviation, 0)  # before it is squared: 0 * NaN must not arise behind a mask
    magnitude = absolute(deviation) if x.dtype.kind == "c" else deviation
    total = sum(square(magnitude), axes, keepdims=keepdims)
    return divide(total, _degrees(where, x, axes, keepdims, ddof if correction is ABSENT else correction))


_mean_of = mean  # `var` has a parameter of the name `mean`


def _degrees(where: Array, x: Array, axes: Axes, keepdims: bool, ddof: float) -> Array:
    """Compute n - ddof, and 0 where that is negative."""
    if where is ABSENT:
        return builtins.max(_count(x.shape, axes) - ddof, 0.0)
    return maximum(number_where(where, x, axes, keepdims) - ddof, 0)


# The derivative of a root whose argument vanishes only where it is smallest: the minimum-norm subgradient, whose own
# derivative is NaN.
root_of_squares = elementwise(
    np.sqrt,
    lambda t, out: subgradient(t / (2 * choose(equal(out, 0), 1, out)), equal(out, 0)),
    name="root_of_squares",
)


def std(
    a: Array,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Array = ABSENT,
    mean: Array = ABSENT,
    correction: float = ABSENT,
) -> Array:
    """Compute the standard deviation along axes: the root of `var`.

    Derivative: (x - mean(x)) / ((n - ddof) std(x)), and 0 where the result is 0.

    >>> tn.grad(tnp.std)(np.array([1.0, 3.0])), tn.grad(tnp.std)(np.array([2.0, 2.0]))
    (array([-0.5,  0.5]), array([0., 0.]))
    """
    more = given(where=where, mean=mean, correction=correction)
    if type(a) is not Tensor and type(mean) is not Tensor:
        return off_tape(std, np.std, a, axis, dtype, out, ddof, keepdims, **more)
    if out is not None:
        refuse("std", {"out": out})
    return root_of_squares(var(a, axis, dtype, out, ddof, keepdims, **more))


# ---- extrema ----


def _find_winners(x: Array, out: Array, *, axis: Axes, keepdims: bool) -> Array:
    """Compute the share of each element in the extremum: evenly among those equal to it; NaN wins over all."""
    best = _with_reduced_axes(np.asarray(out), np.shape(x), axis, keepdims)
    won = (x == best) | (x != x)
    return (won / np.add.reduce(won, axis=axis, keepdims=True)).astype(np.asarray(x).dtype)


_winners = plain(_find_winners, name="winners", batch=leading(axis=with_batch_axis))


_EXTREMUM_RULES: dict[str, Any] = {
    "batch": leading(axis=with_batch_axis),
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


def _extremum(
    name: str,
    a: Array,
    axis: Axis,
    keepdims: bool,
    initial: Array,
    where: Array,
) -> Array:
    """Compute max or min, with a value to start from and a mask of the elements that count."""
    reduce, choice, last = (_max, maximum, -np.inf) if name == "max" else (_min, minimum, np.inf)
    axes = normalized_axes(name, axis, a.ndim)
    if where is not ABSENT:
        if initial is ABSENT:
            raise ArgumentError(f"{name}: initial must be given with where=, for where nothing is left; got none.")
        a = choose(where, a, last)
    if initial is not ABSENT and _count(a.shape, axes) == 0:
        shape = _reduced_shape(a.shape, tuple(range(a.ndim)) if axes is None else axes, keepdims)
        return add(np.zeros(shape, a.dtype), initial)
    found = reduce(a, axis=axes, keepdims=keepdims)
    return found if initial is ABSENT else choice(found, initial)


def max(
    a: Array,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: Array = ABSENT,
    where: Array = ABSENT,
) -> Array:
    """Find the largest element along axes, or of all; NaN where there is one.

    Derivative: 1, split evenly among equal elements, and among NaNs.

    >>> tn.grad(tnp.max)(np.array([1.0, 3.0, 3.0]))
    array([0. , 0.5, 0.5])
    """
    if type(a) is not Tensor:
        return off_tape(max, np.max, a, axis, out, keepdims, **given(initial=initial, where=where))
    if out is not None:
        refuse("max", {"out": out})
    return _extremum("max", a, axis, keepdims, initial, where)


def min(
    a: Array,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: Array = ABSENT,
    where: Array = ABSENT,
) -> Array:
    """Find the smallest element along axes, or of all; NaN where there is one.

    Derivative: 1, split evenly among equal elements, and among NaNs.

    >>> tn.grad(tnp.min)(np.array([1.0, 1.0, 3.0]))
    array([0.5, 0.5, 0. ])
    """
    if type(a) is not Tensor:
        return off_tape(min, np.min, a, axis, out, keepdims, **given(initial=initial, where=where))
    if out is not None:
        refuse("min", {"out": out})
    return _extremum("min", a, axis, keepdims, initial, where)


amax, amin = max, min


def ptp(a: Array, axis: Axis = None, out: None = None, keepdims: bool = False) -> Array:
    """Compute the largest element less the smallest, along axes or of all.

    Derivative: that of `max` less that of `min`.

    >>> tn.grad(tnp.ptp)(np.array([1.0, 2.0, 3.0]))
    array([-1.,  0.,  1.])
    """
    if type(a) is not Tensor:
        return off_tape(ptp, np.ptp, a, axis, out, keepdims)
    return subtract(max(a, axis, out, keepdims), min(a, axis, out, keepdims))


# ---- products ----


def _product_of_others(x: Array, axis: Axes) -> Array:
    """Multiply for each element the others; nothing is divided, so that zeros are exact."""
    axes = tuple(range(x.ndim)) if axis is None else axis
    rest = tuple(length for i, length in enumerate(x.shape) if i not in axes)
    front = tuple(x.shape[i] for i in axes)
    moved = moveaxis(x, axes, range(len(axes)))
    factors = reshape(moved, (_count(x.shape, axes), *rest))
    before = shifted(cumprod(factors, 0), 0, 1)
    after = reversed_along(shifted(cumprod(reversed_along(factors, 0), 0), 0, 1), 0)
    return moveaxis(reshape(multiply(before, after), front + rest), range(len(axes)), axes)


@general(
    [lambda t, x, axis, keepdims: _with_reduced_axes(t, x.shape, axis, keepdims) * _product_of_others(x, axis)],
    [lambda t, x, axis, keepdims: sum(t * _product_of_others(x, axis), axis, keepdims=keepdims)],
    name="prod",
    batch=leading(axis=with_batch_axis),
)
def _prod(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    return np.multiply.reduce(x, axis=axis, keepdims=keepdims)


def prod(
    a: Array,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Array = ABSENT,
    where: Array = ABSENT,
) -> Array:
    """Multiply elements along axes, or all of them.

    Derivative: the product of the others. It is exact with zeros, to any order: it is the product of the elements
    before times that of the elements behind, and nothing is divided.

    >>> tn.grad(tnp.prod)(np.array([2.0, 3.0, 0.0]))
    array([0., 0., 6.])
    """
    if type(a) is not Tensor:
        return off_tape(prod, np.prod, a, axis, dtype, out, keepdims, **given(initial=initial, where=where))
    if out is not None:
        refuse("prod", {"out": out})
    x = a if dtype is None else astype(a, dtype)
    if where is not ABSENT:
        x = choose(where, x, 1)
    product = _prod(x, axis=normalized_axes("prod", axis, x.ndim), keepdims=keepdims)
    return product if initial is ABSENT else multiply(product, initial)


def _reduced_shape(shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    if keepdims:
        return tuple(1 if i in axes else length for i, length in enumerate(shape))
    return tuple(length for i, length in enumerate(shape) if i not in axes)
