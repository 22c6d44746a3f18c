"""Running sums and products along an axis."""

# mypy: disable-error-code="has-type"
# Rules name the primitives whose rules they are, which mypy reads too late.

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core import shapes
from tapenet.core.arguments import as_array, axis_of, numpy_function
from tapenet.core.batch_rules import leading, shifted as with_batch_axis
from tapenet.core.families import general, linear
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.ops.arrays.shaping import concatenate, reshape
from tapenet.ops.elementwise.casting import astype


def reversed_along(x: Array, axis: int) -> Array:
    """Return x, backwards along a non-negative axis."""
    return x[shapes.at(axis, slice(None, None, -1))]


def shifted(x: Array, axis: int, fill: float = 0.0) -> Array:
    """Move x on by one along a non-negative axis: the last slice is dropped, a constant comes first."""
    length = x.shape[axis]
    if length == 0:
        return x
    front = np.full(shapes.resized(x.shape, axis, 1), fill, x.dtype)
    return concatenate([front, x[shapes.at(axis, slice(0, length - 1))]], axis)


# ---- sums ----


def _sums_from_the_end(t: Array, axis: int) -> Array:
    """Compute running sums of a cotangent from the end; float16 in float32, rounded once, where they stop at 2048."""
    if t.dtype.char == "e":
        return astype(_sums_from_the_end(astype(t, np.float32), axis), t.dtype)
    return reversed_along(_cumsum(reversed_along(t, axis), axis=axis), axis)


@linear(
    lambda t, axis: _sums_from_the_end(t, axis),
    name="cumsum",
    batch=leading(axis=with_batch_axis),
)
def _cumsum(x: Array, *, axis: int, dtype: Any = None) -> Array:
    return np.cumsum(x, axis, dtype)


@numpy_function(np.cumsum, method=np.ndarray.cumsum)
def cumsum(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
    """Compute running sums along an axis, or over all elements in C order.

    Derivative: 1 for each element that is added.

    >>> tnp.cumsum(np.ones(3))
    array([1., 2., 3.])
    >>> tn.grad(lambda x: tnp.cumsum(x).sum())(np.ones(3))
    array([3., 2., 1.])
    """
    x, place = _along("cumsum", a, axis)
    return _cumsum(x, axis=place) if dtype is None else _cumsum(x, axis=place, dtype=np.dtype(dtype))


def _along(function: str, a: Array, axis: int | None) -> tuple[Array, int]:
    """Return the array and a non-negative axis to run along; all elements as one axis where none is named."""
    x = as_array(a)
    if axis is None or (x.ndim == 0 and axis in (0, -1)):
        return reshape(x, -1), 0
    return x, axis_of(function, axis, x.ndim)


# ---- products ----


def _recurrence_back(a: Array, t: Array, axis: int) -> Array:
    """Apply the transpose of `_recurrence`: r_k = t_k + a_(k+1) r_(k+1)."""
    following = shifted(reversed_along(a, axis), axis)
    return reversed_along(_recurrence(following, reversed_along(t, axis), axis=axis), axis)


@general(
    [
        lambda t, a, out, axis: _recurrence_back(a, t, axis) * shifted(out, axis),
        lambda t, a, axis: _recurrence_back(a, t, axis),
    ],
    [
        lambda t, a, out, axis: _recurrence(a, t * shifted(out, axis), axis=axis),
        lambda t, a, axis: _recurrence(a, t, axis=axis),
    ],
    name="recurrence",
    batch=leading(axis=with_batch_axis),
)
def _recurrence(a: Array, b: Array, *, axis: int) -> Array:
    """Compute s_k = a_k s_(k-1) + b_k along an axis, from s_(-1) = 0."""
    s = np.array(b, np.result_type(a, b))
    factors, sums = np.moveaxis(a, axis, 0), np.moveaxis(s, axis, 0)
    # A loop, since the closed form divides by the factors, which may be 0; each step goes over all other axes.
    for k in range(1, len(sums)):
        sums[k] += factors[k] * sums[k - 1]
    return s


# y_k = x_k y_(k-1). The derivative is the product of the factors before, times a recurrence in x: zeros are
# exact, and derivatives of derivatives have the same form.
@general(
    [lambda t, x, out, axis: shifted(out, axis, 1) * _recurrence_back(x, t, axis)],
    [lambda t, x, out, axis: _recurrence(x, shifted(out, axis, 1) * t, axis=axis)],
    name="cumprod",
    batch=leading(axis=with_batch_axis),
)
def _cumprod(x: Array, *, axis: int, dtype: Any = None) -> Array:
    return np.cumprod(x, axis, dtype)


@numpy_function(np.cumprod, method=np.ndarray.cumprod)
def cumprod(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
    """Compute running products along an axis, or over all elements in C order.

    Derivative: the product of the other factors. It is exact with zeros, as nothing is divided, and takes time linear
    in the length.

    >>> tnp.cumprod(np.array([2.0, 3.0, 4.0]))
    array([ 2.,  6., 24.])
    """
    x, place = _along("cumprod", a, axis)
    if dtype is None:
        return _cumprod(x, axis=place)
    return _cumprod(astype(x, dtype), axis=place, dtype=np.dtype(dtype))  # the rules read what is multiplied


# ---- the names of the array API standard ----


def _with_initial(function: str, x: Array, axis: int | None, dtype: Any, include_initial: bool) -> Array:
    x = as_array(x)
    x = reshape(x, (1,)) if x.ndim == 0 else x
    run, initial = (cumsum, 0) if function == "cumulative_sum" else (cumprod, 1)
    if axis is None and x.ndim != 1:
        raise ArgumentError(f"{function}: axis must be given for an array of {x.ndim} axes; got None.")
    alone = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis  # NumPy takes (0,) for 0 here
    place = axis_of(function, 0 if axis is None else alone, x.ndim)
    totals = run(x, place, dtype)
    if not include_initial:
        return totals
    front = np.full(shapes.resized(x.shape, place, 1), initial, totals.dtype)
    return concatenate([front, totals], place)


@numpy_function(getattr(np, "cumulative_sum", None))
def cumulative_sum(
    x: Array, /, *, axis: int | None = None, dtype: Any = None, out: None = None, include_initial: bool = False
) -> Array:
    """Compute running sums along an axis, after a zero where `include_initial` is true.

    Derivative: 1 for each element that is added.

    Args:
        x: array of at least one axis.
        axis: the axis to run along; may be left out for an array of one axis.
        dtype: of the sums; that of x by default.
        include_initial: whether a zero comes first.

    Returns:
        An array of the shape of x, longer by 1 along the axis where `include_initial` is true.

    Raises:
        ArgumentError: no axis for an array of several.

    >>> tnp.cumulative_sum(np.ones(2), include_initial=True)
    array([0., 1., 2.])
    """
    return _with_initial("cumulative_sum", x, axis, dtype, include_initial)


@numpy_function(getattr(np, "cumulative_prod", None))
def cumulative_prod(
    x: Array, /, *, axis: int | None = None, dtype: Any = None, out: None = None, include_initial: bool = False
) -> Array:
    """Compute running products along an axis, after a one where `include_initial` is true.

    Derivative: that of `cumprod`.

    Args:
        x: array of at least one axis.
        axis: the axis to run along; may be left out for an array of one axis.
        dtype: of the products; that of x by default.
        include_initial: whether a one comes first.

    Returns:
        An array of the shape of x, longer by 1 along the axis where `include_initial` is true.

    Raises:
        ArgumentError: no axis for an array of several.

    >>> tnp.cumulative_prod(np.array([2.0, 3.0]), include_initial=True)
    array([1., 2., 6.])
    """
    return _with_initial("cumulative_prod", x, axis, dtype, include_initial)
