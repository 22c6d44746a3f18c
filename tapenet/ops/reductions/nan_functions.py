"""Reductions that pass over NaN: those of `reduction`, with something neutral in place of NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.arguments import ABSENT, as_array, given, numpy_function
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentTypeError
from tapenet.ops.elementwise.arithmetic import maximum, minimum, square, subtract, where as choose
from tapenet.ops.elementwise.casting import as_scalar, astype
from tapenet.ops.elementwise.choices import isnan, less_equal, logical_and, logical_not
from tapenet.ops.elementwise.complex import absolute
from tapenet.ops.reductions.cumulative import cumprod, cumsum
from tapenet.ops.reductions.reduction import (
    Axis,
    extremum,
    extremum_primitive,
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


def _inexact(x: Array) -> Array:
    """Return integers and truth values as floats, which their moments are."""
    return astype(x, np.float64) if x.dtype.kind in "biu" else x


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
    x = _inexact(as_array(a))
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
    x = _inexact(as_array(a))
    numbers = valid(x, where)
    center = nanmean(x, axis, dtype, None, True, **given(where=where)) if mean is ABSENT else mean
    deviation = choose(numbers, astype(subtract(x, center), x.dtype), 0)  # before it is squared: 0 * NaN is NaN
    magnitude = absolute(deviation) if x.dtype.kind == "c" else deviation
    degrees = number_where(numbers, x.shape, axis, keepdims) - (ddof if correction is ABSENT else correction)
    found = over_count(sum(square(magnitude), axis, dtype, None, keepdims), degrees)
    return as_scalar(choose(less_equal(degrees, 0), np.nan, found))  # as NumPy, also where the quotient is finite


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

nanmax = extremum(
    np.nanmax,
    None,
    extremum_primitive(np.fmax, "nanmax", skips_nan=True),
    maximum,
    np.nan,
    """Find the largest element that is not NaN, along axes; NaN where there is none.

    Derivative: 1, split evenly among equal elements.

    >>> tn.grad(tnp.nanmax)(np.array([1.0, np.nan, 1.0]))
    array([0.5, 0. , 0.5])
    """,
)
nanmin = extremum(
    np.nanmin,
    None,
    extremum_primitive(np.fmin, "nanmin", skips_nan=True),
    minimum,
    np.nan,
    """Find the smallest element that is not NaN, along axes; NaN where there is none.

    Derivative: 1, split evenly among equal elements.

    >>> tn.grad(tnp.nanmin)(np.array([1.0, np.nan, 1.0]))
    array([0.5, 0. , 0.5])
    """,
)
