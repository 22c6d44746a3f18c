"""Reductions that leave out NaN."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.arguments import ABSENT, given, numpy_function
from tapenet.core.batch_rules import leading, shifted
from tapenet.core.families import general
from tapenet.core.nondifferentiable import plain
from tapenet.core.primitive import Array
from tapenet.ops.elementwise.arithmetic import maximum, minimum, where as choose
from tapenet.ops.elementwise.comparison import isnan, logical_and, logical_not
from tapenet.ops.reductions.cumulative import cumprod, cumsum
from tapenet.ops.reductions.reduction import (
    Axes,
    Axis,
    mean as mean_of,
    normalized_axes,
    prod,
    spread,
    std,
    sum,
    var,
)


def valid(a: Array, where: Array = ABSENT) -> Array:
    """Tell where a is not NaN and a mask holds."""
    numbers = logical_not(isnan(a))
    return numbers if where is ABSENT else logical_and(numbers, where)


# ---- sums and products ----


@numpy_function(np.nansum)
def nansum(
    a: Array,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Array = ABSENT,
    where: Array = ABSENT,
) -> Array:
    """Add up elements along axes, NaN counted as 0.

    Derivative: 1 for each element that is added, and 0 at NaN.

    >>> tn.grad(tnp.nansum)(np.array([1.0, np.nan]))
    array([1., 0.])
    """
    return sum(a, axis, dtype, None, keepdims, where=valid(a, where), **given(initial=initial))


@numpy_function(np.nanprod)
def nanprod(
    a: Array,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Array = ABSENT,
    where: Array = ABSENT,
) -> Array:
    """Multiply elements along axes, NaN counted as 1.

    Derivative: the product of the others, exact with zeros, and 0 at NaN.

    >>> tn.grad(tnp.nanprod)(np.array([2.0, 3.0, np.nan]))
    array([3., 2., 0.])
    """
    return prod(a, axis, dtype, None, keepdims, where=valid(a, where), **given(initial=initial))


@numpy_function(np.nancumsum)
def nancumsum(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
    """Compute running sums along an axis, NaN counted as 0.

    Derivative: that of `cumsum`, and 0 at NaN.

    >>> tnp.nancumsum(np.array([1.0, np.nan, 2.0]))
    array([1., 1., 3.])
    """
    return cumsum(choose(isnan(a), 0, a), axis, dtype)


@numpy_function(np.nancumprod)
def nancumprod(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
    """Compute running products along an axis, NaN counted as 1.

    Derivative: that of `cumprod`, and 0 at NaN.

    >>> tnp.nancumprod(np.array([2.0, np.nan, 3.0]))
    array([2., 2., 6.])
    """
    return cumprod(choose(isnan(a), 1, a), axis, dtype)


# ---- moments ----


@numpy_function(np.nanmean)
def nanmean(
    a: Array, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False, *, where: Array = ABSENT
) -> Array:
    """Compute the mean of the elements that are not NaN, along axes; NaN where there is none.

    Derivative: 1 / n for each of the n elements that count, and 0 at NaN.

    >>> tn.grad(tnp.nanmean)(np.array([1.0, np.nan, 3.0]))
    array([0.5, 0. , 0.5])
    """
    return mean_of(a, axis, dtype, None, keepdims, where=valid(a, where))


@numpy_function(np.nanvar)
def nanvar(
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
    """Compute the variance of the elements that are not NaN, along axes.

    Derivative: that of `var`, and 0 at NaN.

    >>> float(tnp.nanvar(np.array([1.0, np.nan, 3.0])))
    1.0
    """
    more = given(mean=mean, correction=correction)
    return var(a, axis, dtype, None, ddof, keepdims, where=valid(a, where), **more)


@numpy_function(np.nanstd)
def nanstd(
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
    """Compute the standard deviation of the elements that are not NaN, along axes.

    Derivative: that of `std`, 0 where the result is 0, and 0 at NaN.

    >>> float(tnp.nanstd(np.array([1.0, np.nan, 3.0])))
    1.0
    """
    more = given(mean=mean, correction=correction)
    return std(a, axis, dtype, None, ddof, keepdims, where=valid(a, where), **more)


# ---- extrema ----


def _find_shares(x: Array, out: Array, *, axis: Axes) -> Array:
    """Compute the share of each element in the extremum: evenly among those equal to it; NaN has none."""
    won = x == out
    return (won / np.maximum(np.add.reduce(won, axis=axis, keepdims=True), 1)).astype(x.dtype)


_shares = plain(_find_shares, name="shares", batch=leading(axis=shifted))


_EXTREMUM_RULES: dict[str, Any] = {
    "batch": leading(axis=shifted),
    "pulls": [
        lambda t, x, out, x_shape, axis, keepdims: (
            spread(t, x_shape, axis, keepdims) * _shares(x, spread(out, x_shape, axis, keepdims), axis=axis)
        )
    ],
    "pushes": [
        lambda t, x, out, axis, keepdims: sum(
            t * _shares(x, spread(out, x.shape, axis, keepdims), axis=axis), axis, keepdims=keepdims
        )
    ],
}


@general(**_EXTREMUM_RULES, name="nanmax")
def _nanmax(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    return np.fmax.reduce(x, axis=axis, keepdims=keepdims)


@general(**_EXTREMUM_RULES, name="nanmin")
def _nanmin(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    return np.fmin.reduce(x, axis=axis, keepdims=keepdims)


@numpy_function(np.nanmax)
def nanmax(
    a: Array,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: Array = ABSENT,
    where: Array = ABSENT,
) -> Array:
    """Find the largest element that is not NaN, along axes; NaN where there is none.

    Derivative: 1, split evenly among equal elements.

    >>> tn.grad(tnp.nanmax)(np.array([1.0, np.nan, 1.0]))
    array([0.5, 0. , 0.5])
    """
    x = a if where is ABSENT else choose(where, a, np.nan)
    found = _nanmax(x, axis=normalized_axes("nanmax", axis, x.ndim), keepdims=keepdims)
    return found if initial is ABSENT else maximum(choose(isnan(found), initial, found), initial)


@numpy_function(np.nanmin)
def nanmin(
    a: Array,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: Array = ABSENT,
    where: Array = ABSENT,
) -> Array:
    """Find the smallest element that is not NaN, along axes; NaN where there is none.

    Derivative: 1, split evenly among equal elements.

    >>> tn.grad(tnp.nanmin)(np.array([1.0, np.nan, 1.0]))
    array([0.5, 0. , 0.5])
    """
    x = a if where is ABSENT else choose(where, a, np.nan)
    found = _nanmin(x, axis=normalized_axes("nanmin", axis, x.ndim), keepdims=keepdims)
    return found if initial is ABSENT else minimum(choose(isnan(found), initial, found), initial)
