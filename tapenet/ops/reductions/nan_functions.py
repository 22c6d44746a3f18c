"""Reductions that pass over NaN: those of `reduction`, with something neutral in place of NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core import shapes
from tapenet.core.arguments import ABSENT, as_array, given, numpy_function
from tapenet.core.batch_rules import leading, shifted
from tapenet.core.families import general
from tapenet.core.nondifferentiable import choice
from tapenet.core.primitive import Array, Primitive
from tapenet.core.shapes import Axes
from tapenet.errors import ArgumentTypeError
from tapenet.ops.elementwise.arithmetic import add, maximum, minimum, square, subtract, where as choose
from tapenet.ops.elementwise.casting import as_scalar, astype
from tapenet.ops.elementwise.choices import isnan, less_equal, logical_and, logical_not
from tapenet.ops.elementwise.complex import absolute
from tapenet.ops.reductions.cumulative import cumprod, cumsum
from tapenet.ops.reductions.reduction import (
    Axis,
    broadcast_back,
    in_dtype_of,
    normalized_axes,
    number_where,
    over_count,
    prod,
    published,
    root_of_squares,
    root_of_variance,
    sum,
)


def valid(a: Array, where: Array = ABSENT) -> Array:
    """Tell where a is not NaN and a mask holds."""
    numbers = logical_not(isnan(a))
    return numbers if where is ABSENT else logical_and(numbers, where)


# ---- sums and products ----


def ignoring_nan(
    theirs: Callable[..., Array], reduce: Callable[..., Array], neutral: float, doc: str
) -> Callable[..., Array]:
    """Return the public function of a reduction, with something neutral in place of NaN."""

    def function(
        a: Array,
        axis: Axis = None,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        initial: Array = ABSENT,
        where: Array = ABSENT,
    ) -> Array:
        numbers = choose(isnan(a), neutral, a)
        return reduce(numbers, axis, dtype, None, keepdims, **given(initial=initial, where=where))

    return published(function, theirs, doc)


def running_past_nan(
    theirs: Callable[..., Array], run: Callable[..., Array], neutral: float, doc: str
) -> Callable[..., Array]:
    """Return the public function of running totals, with something neutral in place of NaN."""

    def function(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
        return run(choose(isnan(a), neutral, a), axis, dtype)

    return published(function, theirs, doc)


nansum = ignoring_nan(
    np.nansum,
    sum,
    0,
    """Add up elements along axes, NaN counted as 0.

    Derivative: 1 for each element that is added, and 0 at NaN.

    >>> tn.grad(tnp.nansum)(np.array([1.0, np.nan]))
    array([1., 0.])
    """,
)
nanprod = ignoring_nan(
    np.nanprod,
    prod,
    1,
    """Multiply elements along axes, NaN counted as 1.

    Derivative: the product of the others, exact with zeros, and 0 at NaN.

    >>> tn.grad(tnp.nanprod)(np.array([2.0, 3.0, np.nan]))
    array([3., 2., 0.])
    """,
)
nancumsum = running_past_nan(
    np.nancumsum,
    cumsum,
    0,
    """Compute running sums along an axis, NaN counted as 0.

    Derivative: that of `cumsum`, and 0 at NaN.

    >>> tnp.nancumsum(np.array([1.0, np.nan, 2.0]))
    array([1., 1., 3.])
    """,
)
nancumprod = running_past_nan(
    np.nancumprod,
    cumprod,
    1,
    """Compute running products along an axis, NaN counted as 1.

    Derivative: that of `cumprod`, and 0 at NaN.

    >>> tnp.nancumprod(np.array([2.0, np.nan, 3.0]))
    array([2., 2., 6.])
    """,
)


# ---- moments ----


def _check_dtype(function: str, dtype: Any) -> None:
    if dtype is not None and np.dtype(dtype).kind not in "fc":
        raise ArgumentTypeError(f"{function}: dtype must be float or complex, as NaN is; got {np.dtype(dtype)}.")


@numpy_function(np.nanmean)
def nanmean(
    a: Array, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False, *, where: Array = ABSENT
) -> Array:
    """Compute the mean of the elements that are not NaN, along axes; NaN where there is none.

    Derivative: 1 / n for each of the n elements that count, and 0 at NaN.

    >>> tn.grad(tnp.nanmean)(np.array([1.0, np.nan, 3.0]))
    array([0.5, 0. , 0.5])
    """
    _check_dtype("nanmean", dtype)
    x = as_array(a)
    total = nansum(x, axis, dtype, None, keepdims, **given(where=where))
    return over_count(total, number_where(valid(x, where), x.shape, axis, keepdims))


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
    _check_dtype("nanvar", dtype)
    x = as_array(a)
    numbers = valid(x, where)
    center = nanmean(x, axis, dtype, None, True, **given(where=where)) if mean is ABSENT else mean
    deviation = choose(numbers, astype(subtract(x, center), x.dtype), 0)  # before it is squared: 0 * NaN is NaN
    magnitude = absolute(deviation) if x.dtype.kind == "c" else deviation
    degrees = number_where(numbers, x.shape, axis, keepdims) - (ddof if correction is ABSENT else correction)
    found = over_count(sum(square(magnitude), axis, dtype, None, keepdims), degrees)
    return as_scalar(choose(less_equal(degrees, 0), np.nan, found))


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
    more = given(where=where, mean=mean, correction=correction)
    variance = nanvar(a, axis, dtype, None, ddof, keepdims, **more)
    if mean is not ABSENT:
        return root_of_squares(variance)
    x = as_array(a)
    return root_of_variance(variance, number_where(valid(x, where), x.shape, axis, keepdims))


# ---- extrema ----


def _find_shares(x: Array, out: Array, *, axis: Axes) -> Array:
    """Compute the share of each element in the extremum: evenly among those equal to it; NaN has none."""
    won = x == out
    return (won / np.maximum(np.add.reduce(won, axis=axis, keepdims=True), 1)).astype(x.dtype)


_shares = choice(_find_shares, name="shares", batch=leading(axis=shifted))


_EXTREMUM_RULES: dict[str, Any] = {
    "batch": leading(axis=shifted),
    "pullbacks": [
        lambda t, x, out, x_shape, axis, keepdims: (
            broadcast_back(t, x_shape, axis, keepdims)
            * _shares(x, broadcast_back(out, x_shape, axis, keepdims), axis=axis)
        )
    ],
    "pushforwards": [
        lambda t, x, out, axis, keepdims: sum(
            t * _shares(x, broadcast_back(out, x.shape, axis, keepdims), axis=axis), axis, keepdims=keepdims
        )
    ],
}


@general(**_EXTREMUM_RULES, name="nanmax")
def _nanmax(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    return np.fmax.reduce(x, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]  # NumPy names literals


@general(**_EXTREMUM_RULES, name="nanmin")
def _nanmin(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    return np.fmin.reduce(x, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]  # NumPy names literals


def past_nan(
    theirs: Callable[..., Array], primitive: Primitive, larger: Callable[..., Array], doc: str
) -> Callable[..., Array]:
    """Return the public function of an extremum that passes over NaN."""
    name = theirs.__name__

    def function(
        a: Array,
        axis: Axis = None,
        out: None = None,
        keepdims: bool = False,
        initial: Array = ABSENT,
        where: Array = ABSENT,
    ) -> Array:
        x = as_array(a) if where is ABSENT else choose(where, as_array(a), np.nan)
        axes = normalized_axes(name, axis, x.ndim)
        if initial is not ABSENT and shapes.count(x.shape, axes) == 0:
            return add(np.zeros(shapes.reduced(x.shape, axes, keepdims), x.dtype), in_dtype_of(x, initial))
        found = primitive(x, axis=axes, keepdims=keepdims)
        return found if initial is ABSENT else larger(choose(isnan(found), initial, found), initial)

    return published(function, theirs, doc)


nanmax = past_nan(
    np.nanmax,
    _nanmax,
    maximum,
    """Find the largest element that is not NaN, along axes; NaN where there is none.

    Derivative: 1, split evenly among equal elements.

    >>> tn.grad(tnp.nanmax)(np.array([1.0, np.nan, 1.0]))
    array([0.5, 0. , 0.5])
    """,
)
nanmin = past_nan(
    np.nanmin,
    _nanmin,
    minimum,
    """Find the smallest element that is not NaN, along axes; NaN where there is none.

    Derivative: 1, split evenly among equal elements.

    >>> tn.grad(tnp.nanmin)(np.array([1.0, np.nan, 1.0]))
    array([0.5, 0. , 0.5])
    """,
)
