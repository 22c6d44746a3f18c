"""Reductions: one number from many, along axes.

A reduction is a primitive, which is a line and its derivative, and the public function that `reduction` or `extremum`
makes of it. Values on a tape are NumPy's, bit for bit, but for these, which differ by rounding: the sum of float32 and
float64 over leading axes with short rows, which a matrix product adds up in a third of the time; whatever has
`initial=` or `where=`, which are operations of their own.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tapenet.core import ones, shapes
from tapenet.core.arguments import ABSENT, as_array, axes_of, given, numpy_function
from tapenet.core.batch_rules import leading, shifted as with_batch_axis
from tapenet.core.families import elementwise, general, linear
from tapenet.core.nondifferentiable import branch_condition, choice
from tapenet.core.primitive import Array, Primitive, bind
from tapenet.core.record import Parameters
from tapenet.core.shapes import Axes
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
from tapenet.ops.elementwise.casting import as_scalar, astype
from tapenet.ops.elementwise.choices import detached, equal, isnan, logical_and
from tapenet.ops.elementwise.complex import absolute, conjugate
from tapenet.ops.reductions.cumulative import cumprod, reversed_along, shifted

Axis = int | Sequence[int] | None

_batched = leading(axis=with_batch_axis)


def broadcast_back(t: Array, shape: tuple[int, ...], axis: Axes, keepdims: bool) -> Array:
    """Return `t`, a reduction's result, broadcast back over the reduced axes."""
    known = ones.repeated(t, shape)
    if known is not None:
        return known
    return broadcast_to(t if axis is None else with_reduced_axes(t, shape, axis, keepdims), shape)


def with_reduced_axes(t: Array, shape: tuple[int, ...], axis: Axes, keepdims: bool) -> Array:
    """Return `t`, a reduction's result, with length 1 along the reduced axes, as keepdims leaves it."""
    return t if keepdims else reshape(t, shapes.kept(shape, axis))


def normalized_axes(function: str, axis: Axis, ndim: int) -> Axes:
    """Axes as distinct numbers in [0, ndim); None for all."""
    if axis is None or (ndim == 0 and axis in (0, -1)):  # which ufuncs take for the elements of a scalar
        return None
    return axes_of(function, axis, ndim)


def _parameters(
    function: str, x: Array, axis: Axis, keepdims: bool, dtype: Any, normalize: Callable[..., Axes] = normalized_axes
) -> Parameters:
    """Return the parameters of a primitive, `dtype` among them where it is given."""
    axes = None if axis is None else normalize(function, axis, x.ndim)
    if dtype is None:
        return {"axis": axes, "keepdims": keepdims}
    return {"axis": axes, "keepdims": keepdims, "dtype": np.dtype(dtype)}


def over_count(total: Array, count: Any) -> Array:
    """Divide a total by a count, in a dtype that holds the count, and rounded once to that of the total."""
    is_number = type(count) is int or type(count) is float  # of Python: a scalar of NumPy has a dtype
    if is_number and total.dtype.char != "e":
        return divide(total, count)
    return astype(divide(total, np.float64(count) if is_number else count), total.dtype)


# ---- public functions from primitives ----


def reduction(
    theirs: Callable[..., Array],
    method: Callable[..., Array],
    primitive: Primitive,
    combine: Callable[..., Array],
    neutral: float,
    doc: str,
) -> Callable[..., Array]:
    """Return the public function of a reduction with a dtype, such as `sum`.

    Args:
        theirs, method: NumPy's function, and ndarray's method.
        primitive: of an array and the parameters `axis`, `keepdims` and, where it is given, `dtype`.
        combine: joins a result with `initial`.
        neutral: what stands in for elements that `where` leaves out.
        doc: the docstring.
    """
    name = theirs.__name__

    def reduce(
        a: Array,
        axis: Axis = None,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        initial: Array = ABSENT,
        where: Array = ABSENT,
    ) -> Array:
        x = as_array(a) if where is ABSENT else choose(where, as_array(a), neutral)
        if neutral == 1 and dtype is not None:
            x = astype(x, dtype)  # the rules read the factors as they are multiplied
        found = bind(primitive, (x,), _parameters(name, x, axis, keepdims, dtype))
        return found if initial is ABSENT else combine(found, in_dtype_of(found, initial))

    return published(reduce, theirs, doc, method)


def extremum(
    theirs: Callable[..., Array],
    method: Callable[..., Array] | None,
    primitive: Primitive,
    larger: Callable[..., Array],
    left_out: float,
    doc: str,
) -> Callable[..., Array]:
    """Return the public function of an extremum, such as `max`; the arguments as for `reduction`.

    Args:
        left_out: what stands in for elements that `where` leaves out; NaN where the extremum passes over NaN.
    """
    name, skips_nan = theirs.__name__, np.isnan(left_out)

    def reduce(
        a: Array,
        axis: Axis = None,
        out: None = None,
        keepdims: bool = False,
        initial: Array = ABSENT,
        where: Array = ABSENT,
    ) -> Array:
        x = as_array(a)
        axes = normalized_axes(name, axis, x.ndim)
        if where is not ABSENT and where is not True:
            if initial is ABSENT and not skips_nan:
                raise ArgumentError(f"{name}: initial must be given with where=, for where nothing is left; got none.")
            x = choose(where, x, left_out)
        if initial is ABSENT:
            return primitive(x, axis=axes, keepdims=keepdims)
        initial = in_dtype_of(x, initial)
        if shapes.count(x.shape, axes) == 0:
            return add(np.zeros(shapes.reduced(x.shape, axes, keepdims), x.dtype), initial)
        found = primitive(x, axis=axes, keepdims=keepdims)
        return larger(choose(isnan(found), initial, found) if skips_nan else found, initial)

    return published(reduce, theirs, doc, method)


def in_dtype_of(found: Array, initial: Array) -> Array:
    """`initial` as a reduction takes it: cast to the dtype of the result."""
    return astype(as_array(initial), found.dtype)


def published(
    function: Callable[..., Array],
    theirs: Callable[..., Array],
    doc: str,
    method: Callable[..., Array] | None = None,
) -> Callable[..., Array]:
    """Return a function of Tensors as the counterpart of one of NumPy's, under its name; see `numpy_function`."""
    function.__name__ = function.__qualname__ = theirs.__name__
    function.__doc__ = doc
    return numpy_function(theirs, method=method)(function)


# ---- sums ----


@linear(lambda t, x_shape, axis, keepdims: broadcast_back(t, x_shape, axis, keepdims), name="sum", batch=_batched)
def _sum(x: Array, *, axis: Axes, keepdims: bool, dtype: Any = None) -> Array:
    return add_up(x, axis, keepdims) if dtype is None else np.add.reduce(x, axis, dtype, None, keepdims)  # type: ignore[call-overload]  # NumPy names literals


sum = reduction(
    np.sum,
    np.ndarray.sum,
    _sum,
    add,
    0,
    """Add up elements along axes, or all of them.

    Derivative: 1 for each element that is added.

    >>> float(tnp.sum(np.ones((2, 3))))
    6.0
    """,
)


def add_cotangents(t: Array, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """Sum a cotangent over axes; float16 in float32, rounded once, where NumPy's would stop at 2048."""
    if t.dtype.char == "e":
        return astype(_sum(t, axis=axes, keepdims=keepdims, dtype=np.dtype(np.float32)), t.dtype)
    return add_up(t, axes, keepdims) if type(t) is np.ndarray else _sum(t, axis=axes, keepdims=keepdims)


@linear(
    lambda t, x_shape, axis, keepdims: broadcast_back(
        over_count(t, shapes.count(x_shape, axis)), x_shape, axis, keepdims
    ),
    name="mean",
    batch=_batched,
)
def _mean(x: Array, *, axis: Axes, keepdims: bool, dtype: Any = None) -> Array:
    if type(x) is np.ndarray and x.dtype.char in "fd" and x.size and dtype is None:
        return add_up(x, axis, keepdims) / shapes.count(x.shape, axis)  # as np.mean, at half its overhead
    return np.mean(x, axis, dtype, keepdims=keepdims)


@numpy_function(np.mean, method=np.ndarray.mean)
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
    x = as_array(a)
    if where is ABSENT:
        return bind(_mean, (x,), _parameters("mean", x, axis, keepdims, dtype, axes_of))
    wide = np.float32 if x.dtype.char == "e" and dtype is None else dtype  # as NumPy adds up float16
    found = over_count(
        sum(x, axis, wide, None, keepdims, where=where),
        number_where(where, x.shape, axis, keepdims),
    )
    return found if wide is dtype else astype(found, x.dtype)


def _count_where(where: Array, *, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Array:
    return np.sum(np.broadcast_to(where, shape), axis, np.intp, keepdims=keepdims)


_number_where = choice(_count_where, name="number_where")


def number_where(where: Array, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Array:
    """Count the elements that a mask names along axes, in an array of a shape."""
    return _number_where(where, shape=shape, axis=axis, keepdims=keepdims)


# ---- moments ----


def _deviation(x: Array, axis: Axes, dtype: Any = None) -> Array:
    return subtract(x, bind(_mean, (x,), _parameters("mean", x, axis, True, dtype)))


def _slope_of_var(t: Array, x: Array, axis: Axes, ddof: float, dtype: Any) -> Array:
    """Compute t times the derivative of the variance by each element; t with the reduced axes in place."""
    # As np.var, which divides by 0 where there are too few elements.
    degrees = builtins.max(shapes.count(x.shape, axis) - ddof, 0.0)
    return over_count(multiply(t, 2 * conjugate(_deviation(x, axis, dtype))), degrees)


@general(
    [
        lambda t, x, axis, keepdims, ddof, **rest: _slope_of_var(
            with_reduced_axes(t, x.shape, axis, keepdims), x, axis, ddof, rest.get("dtype")
        )
    ],
    [
        lambda t, x, axis, keepdims, ddof, **rest: sum(
            _slope_of_var(t, x, axis, ddof, rest.get("dtype")), axis, keepdims=keepdims
        )
    ],
    name="var",
    batch=_batched,
)
def _var(x: Array, *, axis: Axes, keepdims: bool, ddof: float, dtype: Any = None) -> Array:
    return np.var(x, axis, dtype, None, ddof, keepdims)


@numpy_function(np.var, method=np.ndarray.var)
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
    x, ddof = as_array(a), ddof if correction is ABSENT else correction
    where = ABSENT if where is True else where
    if where is ABSENT and mean is ABSENT:
        if x.dtype.kind == "c" and dtype is not None and np.dtype(dtype).kind == "c":  # it is real, in a complex dtype
            return astype(var(astype(x, dtype), axis, None, None, ddof, keepdims), dtype)
        return bind(_var, (x,), {"ddof": ddof, **_parameters("var", x, axis, keepdims, dtype, axes_of)})
    axes = normalized_axes("var", axis, x.ndim)
    center = _mean_of(x, axes, dtype, keepdims=True, **given(where=where)) if mean is ABSENT else mean
    count = shapes.count(x.shape, axes) if where is ABSENT else number_where(where, x.shape, axes, keepdims)
    deviation = subtract(reshape(x, ()) if x.ndim == 0 else x, center)  # a Python number has a dtype here
    if where is not ABSENT:
        deviation = choose(where, deviation, 0)  # before it is squared: 0 * NaN must not arise behind a mask
    magnitude = absolute(deviation) if x.dtype.kind in "cb" else deviation  # NumPy conjugates what is not int or float
    return over_count(sum(square(magnitude), axes, dtype, keepdims=keepdims), np.maximum(count - ddof, 0))


_mean_of = mean  # `var` has a parameter of the name `mean`


def quotient_or_zero(x: Array, y: Array) -> Array:
    """Compute x / y, and 0 where y is 0: a derivative that is a convention there, so that there is no second one."""
    vanishes = equal(y, 0)
    return subgradient(divide(x, add(subgradient(y, vanishes), vanishes)), vanishes)


# The derivative of a root whose argument vanishes only where it is smallest: the minimum-norm subgradient.
root_of_squares = elementwise(np.sqrt, lambda t, out: quotient_or_zero(0.5 * t, out), name="root_of_squares")


@branch_condition
def _needs_scale(out: Array) -> bool:
    """Return whether squares overflowed or underflowed on the way to a standard deviation."""
    limits = np.finfo(out.dtype)
    # Squares below tiny lose digits. In a root above this bound their sum is too small to count.
    return not bool(np.all((np.abs(out) > np.sqrt(limits.tiny / limits.eps)) & np.isfinite(out)))


def _slope_of_std(t: Array, x: Array, out: Array, axis: Axes, ddof: float, dtype: Any) -> Array:
    """Multiply t by the derivative of the standard deviation by each element; t and out have the reduced axes."""
    degrees = builtins.max(shapes.count(x.shape, axis) - ddof, 0.0)
    deviation = _deviation(x, axis, dtype)
    if shapes.count(x.shape, axis) == 1:  # the standard deviation of one number is constant
        return multiply(t, conjugate(deviation))
    if x.size and _needs_scale(out):
        # The slope is the same for deviations of another scale, and so has no derivative by the scale.
        deviation, out = _scaled(deviation, axis, shapes.count(x.shape, axis) / degrees if degrees else np.inf)
    return over_count(multiply(t, quotient_or_zero(conjugate(deviation), out)), degrees)


def _scaled(deviation: Array, axis: Axes, factor: float) -> tuple[Array, Array]:
    """Deviations of magnitude 1 at most, and the root of their mean square times a factor."""
    scale = detached(max(absolute(deviation), axis, keepdims=True))
    scaled = divide(deviation, choose(equal(scale, 0), 1, scale))
    return scaled, root_of_squares(multiply(_mean(square(absolute(scaled)), axis=axis, keepdims=True), factor))


def _std_pullback(t: Array, x: Array, out: Array, axis: Axes, keepdims: bool, ddof: float, **rest: Any) -> Array:
    t, out = (with_reduced_axes(part, x.shape, axis, keepdims) for part in (t, out))
    return _slope_of_std(t, x, out, axis, ddof, rest.get("dtype"))


def _std_pushforward(t: Array, x: Array, out: Array, axis: Axes, keepdims: bool, ddof: float, **rest: Any) -> Array:
    out = with_reduced_axes(out, x.shape, axis, keepdims)
    return sum(_slope_of_std(t, x, out, axis, ddof, rest.get("dtype")), axis, keepdims=keepdims)


@general([_std_pullback], [_std_pushforward], name="std", batch=_batched)
def _std(x: Array, *, axis: Axes, keepdims: bool, ddof: float, dtype: Any = None) -> Array:
    return np.std(x, axis, dtype, None, ddof, keepdims)


@numpy_function(np.std, method=np.ndarray.std)
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
    x, ddof = as_array(a), ddof if correction is ABSENT else correction
    where = ABSENT if where is True else where
    if where is ABSENT and mean is ABSENT:
        if x.dtype.kind == "c" and dtype is not None and np.dtype(dtype).kind == "c":
            return astype(std(astype(x, dtype), axis, None, None, ddof, keepdims), dtype)
        return bind(_std, (x,), {"ddof": ddof, **_parameters("std", x, axis, keepdims, dtype, axes_of)})
    variance = var(x, axis, dtype, None, ddof, keepdims, **given(where=where, mean=mean))
    if mean is not ABSENT:
        return astype(root_of_squares(variance), variance.dtype)
    return astype(root_of_variance(variance, number_where(where, x.shape, axis, keepdims)), variance.dtype)


def root_of_variance(variance: Array, counts: Array) -> Array:
    """Return the standard deviation; of one number, the mean, it is constant, with derivatives of all orders."""
    is_alone = logical_and(equal(counts, 1), equal(variance, 0))  # with a dtype the mean may be rounded
    return as_scalar(choose(is_alone, variance, root_of_squares(choose(is_alone, 1, variance))))


# ---- extrema ----


def _find_winners(x: Array, out: Array, *, axis: Axes, keepdims: bool, skips_nan: bool) -> Array:
    """Return the share of each element in the extremum: evenly among those equal to it.

    NaN wins over all, or where the extremum passes over it has no share.
    """
    best = with_reduced_axes(out, np.shape(x), axis, keepdims)
    won = (x == best) if skips_nan else (x == best) | (x != x)
    # Nothing wins in a row of NaN alone.
    return (won / np.maximum(np.add.reduce(won, axis=axis, keepdims=True), 1)).astype(x.dtype)


_winners = choice(_find_winners, name="winners", batch=_batched)


def extremum_primitive(ufunc: np.ufunc, name: str, skips_nan: bool = False) -> Primitive:
    """Declare the primitive of an extremum, which a ufunc's reduction finds; equal elements share the derivative."""

    def find(x: Array, *, axis: Axes, keepdims: bool) -> Array:
        return ufunc.reduce(x, axis=axis, keepdims=keepdims)

    def pullback(t: Array, x: Array, out: Array, axis: Axes, keepdims: bool) -> Array:
        shares = _winners(x, out, axis=axis, keepdims=keepdims, skips_nan=skips_nan)
        return with_reduced_axes(t, x.shape, axis, keepdims) * shares

    def pushforward(t: Array, x: Array, out: Array, axis: Axes, keepdims: bool) -> Array:
        shares = _winners(x, out, axis=axis, keepdims=keepdims, skips_nan=skips_nan)
        return sum(t * shares, axis, keepdims=keepdims)

    return general([pullback], [pushforward], name=name, batch=_batched)(find)


max = amax = extremum(
    np.max,
    np.ndarray.max,
    extremum_primitive(np.maximum, "max"),
    maximum,
    -np.inf,
    """Find the largest element along axes, or of all; NaN where there is one.

    Derivative: 1, split evenly among equal elements, and among NaNs.

    >>> tn.grad(tnp.max)(np.array([1.0, 3.0, 3.0]))
    array([0. , 0.5, 0.5])
    """,
)
min = amin = extremum(
    np.min,
    np.ndarray.min,
    extremum_primitive(np.minimum, "min"),
    minimum,
    np.inf,
    """Find the smallest element along axes, or of all; NaN where there is one.

    Derivative: 1, split evenly among equal elements, and among NaNs.

    >>> tn.grad(tnp.min)(np.array([1.0, 1.0, 3.0]))
    array([0.5, 0.5, 0. ])
    """,
)


@numpy_function(np.ptp)
def ptp(a: Array, axis: Axis = None, out: None = None, keepdims: bool = False) -> Array:
    """Compute the largest element less the smallest, along axes or of all.

    Derivative: that of `max` less that of `min`.

    >>> tn.grad(tnp.ptp)(np.array([1.0, 2.0, 3.0]))
    array([-1.,  0.,  1.])
    """
    return subtract(max(a, axis, None, keepdims), min(a, axis, None, keepdims))


# ---- products ----


def _product_of_others(x: Array, axis: Axes) -> Array:
    """Multiply for each element the others; nothing is divided, so that zeros are exact."""
    axes = tuple(range(x.ndim)) if axis is None else axis
    moved = moveaxis(x, axes, range(len(axes)))
    factors = reshape(moved, (shapes.count(x.shape, axes), *shapes.without(x.shape, axes)))
    before = shifted(cumprod(factors, 0), 0, 1)
    after = reversed_along(shifted(cumprod(reversed_along(factors, 0), 0), 0, 1), 0)
    return moveaxis(reshape(multiply(before, after), moved.shape), range(len(axes)), axes)


@general(
    [lambda t, x, axis, keepdims: with_reduced_axes(t, x.shape, axis, keepdims) * _product_of_others(x, axis)],
    [lambda t, x, axis, keepdims: sum(t * _product_of_others(x, axis), axis, keepdims=keepdims)],
    name="prod",
    batch=_batched,
)
def _prod(x: Array, *, axis: Axes, keepdims: bool, dtype: Any = None) -> Array:
    return np.multiply.reduce(x, axis, dtype, None, keepdims)  # type: ignore[call-overload]  # NumPy names literals


prod = reduction(
    np.prod,
    np.ndarray.prod,
    _prod,
    multiply,
    1,
    """Multiply elements along axes, or all of them.

    Derivative: the product of the others. It is exact with zeros, to any order: it is the product of the elements
    before times that of the elements behind, and nothing is divided.

    >>> tn.grad(tnp.prod)(np.array([2.0, 3.0, 0.0]))
    array([0., 0., 6.])
    """,
)
