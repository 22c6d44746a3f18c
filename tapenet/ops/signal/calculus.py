"""Differences, slopes, integrals, interpolation and convolution of sampled functions."""

# mypy: disable-error-code="has-type"
# Rules name the primitives whose rules they are, which mypy reads too late.

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core import shapes
from tapenet.core.arguments import as_array, axes_of, axis_of, numpy_function
from tapenet.core.batch_rules import leading, over_operand, shifted
from tapenet.core.families import general, multilinear
from tapenet.core.nondifferentiable import choice, numpys_of_integers
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.ops.arrays.indexing import take
from tapenet.ops.arrays.shaping import broadcast_to, concatenate, ravel, reshape
from tapenet.ops.elementwise.arithmetic import add, divide, multiply, negative, remainder, subtract, where
from tapenet.ops.elementwise.casting import as_scalar, astype
from tapenet.ops.elementwise.choices import equal, greater, isnan, less
from tapenet.ops.elementwise.complex import absolute, conjugate
from tapenet.ops.reductions.cumulative import cumsum, reversed_along
from tapenet.ops.reductions.reduction import sum


def _along(axis: int, *bounds: int | None) -> tuple[slice, ...]:
    return shapes.at(axis, slice(*bounds))


# ---- differences ----


def _differences(a: Array, n: int = 1, axis: int = -1, prepend: Array = None, append: Array = None) -> Array:
    """Return `np.diff`, which has another default than None for what the array API standard leaves out by None."""
    ends = {"prepend": prepend, "append": append}
    return np.diff(a, n, axis, **{name: value for name, value in ends.items() if value is not None})


@numpy_function(_differences)
def diff(a: Array, n: int = 1, axis: int = -1, prepend: Array = None, append: Array = None) -> Array:
    """Compute the n-th differences x_(k+1) - x_k along an axis, after joining values in front and behind.

    Derivative: linear; -1 and 1 for the two elements of a difference.

    >>> tnp.diff(np.array([1.0, 4.0, 9.0]))
    array([3., 5.])
    """
    x = as_array(a)
    if n < 0:
        raise ArgumentError(f"diff: n must not be negative; got {n}.")
    if n == 0:
        return x
    if x.ndim == 0:
        raise ArgumentError("diff: a must have at least one axis; got shape ().")
    axis = axis_of("diff", axis, x.ndim)
    ends = [_as_slice(value, x, axis) for value in (prepend, append)]
    x = concatenate([part for part in (ends[0], x, ends[1]) if part is not None], axis)
    for _ in range(min(n, x.shape[axis])):
        x = subtract(x[_along(axis, 1, None)], x[_along(axis, None, max(x.shape[axis] - 1, 0))])
    return x


def _as_slice(value: Array, x: Array, axis: int) -> Array:
    """Broadcast what is joined to x along an axis: a scalar once for each row."""
    if value is None:
        return None
    value = as_array(value)
    return broadcast_to(value, shapes.resized(x.shape, axis, 1)) if value.ndim == 0 else value


@numpy_function(np.ediff1d)
def ediff1d(ary: Array, to_end: Array = None, to_begin: Array = None) -> Array:
    """Compute the differences of the flat array, with values put in front and behind.

    Derivative: linear; -1 and 1 for the two elements of a difference, 1 for the values.

    >>> tnp.ediff1d(np.array([1.0, 4.0]), to_begin=0.0)
    array([0., 3.])
    """
    flat = ravel(as_array(ary))
    parts = [to_begin, diff(flat) if flat.size else flat, to_end]
    return concatenate([astype(ravel(as_array(part)), flat.dtype) for part in parts if part is not None])


@numpy_function(np.gradient)
def gradient(f: Array, *varargs: Array, axis: int | Sequence[int] | None = None, edge_order: int = 1) -> Any:
    """Compute the slopes of a sampled function along axes: central differences inside, one-sided ones at the ends.

    Derivatives: those of the formula, for the samples and for the spacings. This is not `tn.grad`, which differentiates
    a Python function.

    >>> tnp.gradient(np.array([1.0, 2.0, 4.0]))
    array([1. , 1.5, 2. ])
    """
    f = as_array(f)
    f = astype(f, np.float64) if f.dtype.kind in "biu" else f  # differences of unsigned ones wrap around
    axes = tuple(range(f.ndim)) if axis is None else axes_of("gradient", axis, f.ndim)
    if edge_order not in (1, 2):
        raise ArgumentError(f"gradient: edge_order must be 1 or 2; got {edge_order}.")
    if len(varargs) not in (0, 1, len(axes)):
        raise ArgumentError(f"gradient: there must be 0, 1 or {len(axes)} spacings; got {len(varargs)}.")
    spacings = [as_array(h) for h in (varargs or (1.0,))]
    spacings = [astype(h, np.float64) if h.dtype.kind in "biu" else h for h in spacings]  # differences wrap around
    if len(spacings) == 1:
        if spacings[0].ndim and len(axes) > 1:
            raise ArgumentError(f"gradient: coordinates must be given for each of {len(axes)} axes; got one.")
        spacings *= len(axes)
    slopes = tuple(_slope(f, h, i, edge_order) for h, i in zip(spacings, axes, strict=True))
    return slopes[0] if len(slopes) == 1 else slopes


def _slope(f: Array, spacing: Array, axis: int, edge_order: int) -> Array:
    n = f.shape[axis]
    if n < edge_order + 1:
        raise ArgumentError(f"gradient: f must have at least {edge_order + 1} elements along axis {axis}; got {n}.")
    if spacing.ndim:
        if spacing.shape != (n,):
            raise ArgumentError(f"gradient: coordinates must have shape ({n},); got {spacing.shape}.")
        steps = diff(spacing)
        if type(steps) is np.ndarray and np.all(steps == steps[0]):  # as NumPy, which takes them for one number
            return _slope(f, steps[0], axis, edge_order)
        steps = reshape(steps, shapes.along(axis, f.ndim))
    else:
        steps = broadcast_to(spacing, shapes.along(axis, f.ndim, n - 1))
    slopes = divide(diff(f, axis=axis), steps)
    ahead, behind = steps[_along(axis, 1, None)], steps[_along(axis, None, n - 2)]
    if spacing.ndim:
        before, middle, after = (f[_along(axis, k, n - 2 + k)] for k in range(3))
        terms = (
            multiply(negative(divide(ahead, multiply(behind, add(behind, ahead)))), before),
            multiply(divide(subtract(ahead, behind), multiply(behind, ahead)), middle),
            multiply(divide(behind, multiply(ahead, add(behind, ahead))), after),
        )
        inner = add(add(terms[0], terms[1]), terms[2])
    else:  # the element in the middle, which may be NaN, plays no part
        inner = divide(subtract(f[_along(axis, 2, None)], f[_along(axis, None, n - 2)]), 2 * spacing)
    first, last = slopes[_along(axis, None, 1)], slopes[_along(axis, n - 2, None)]
    if edge_order == 2:
        first = _end_slope(slopes, steps, axis, 0, 1)
        last = _end_slope(slopes, steps, axis, n - 2, n - 3)
    return astype(concatenate([first, inner, last], axis), np.result_type(f.dtype, np.float16))


def _end_slope(slopes: Array, steps: Array, axis: int, near: int, next: int) -> Array:
    """Compute the slope at an end of the parabola through three points, from the slopes between them."""
    s1, s2 = (slopes[_along(axis, i, i + 1)] for i in (near, next))
    h1, h2 = (steps[_along(axis, i, i + 1)] for i in (near, next))
    return add(s1, multiply(divide(h1, add(h1, h2)), subtract(s1, s2)))


# ---- integrals ----


@numpy_function(np.trapezoid)
def trapezoid(y: Array, x: Array = None, dx: Array = 1.0, axis: int = -1) -> Array:
    """Integrate a sampled function by the trapezoidal rule: the sum of h_k (y_k + y_(k+1)) / 2.

    Derivatives: those of the formula, for y and for x or dx.

    >>> float(tnp.trapezoid(np.array([1.0, 2.0, 3.0])))
    4.0
    """
    y = as_array(y)
    place, axis = axis, axis_of("trapezoid", axis, y.ndim)  # a place from behind may be another axis of x
    if x is None:
        steps = dx
    else:
        x = as_array(x)
        steps = diff(x, axis=place if x.ndim > 1 else 0)
        if x.ndim == 1:
            steps = reshape(steps, shapes.along(axis, y.ndim))
    middles = add(y[_along(axis, 1, None)], y[_along(axis, None, max(y.shape[axis] - 1, 0))])
    return sum(divide(multiply(steps, middles), 2.0), place)


# ---- interpolation and angles ----

_places_among = choice(np.searchsorted, name="places_among", batch=over_operand(1))
_order = choice(np.argsort, name="order")


@numpy_function(np.interp)
def interp(
    x: Array, xp: Array, fp: Array, left: Array = None, right: Array = None, period: float | None = None
) -> Array:
    """Interpolate linearly at x between the points (xp, fp), with xp ascending.

    Derivatives: those of the formula, for x, xp, fp, left and right. For x it is the slope of the piece, at a point
    that of the piece to its right, at the last point that of the last piece, and 0 beyond the ends. None for the
    period.

    >>> float(tnp.interp(1.5, [1.0, 2.0], [10.0, 20.0]))
    15.0
    >>> float(tn.grad(tnp.interp)(1.5, np.array([1.0, 2.0]), np.array([10.0, 20.0])))
    10.0
    """
    x, xp = (astype(as_array(z), np.float64) for z in (x, xp))
    fp = astype(as_array(fp), np.complex128 if as_array(fp).dtype.kind == "c" else np.float64)
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.size:
        raise ArgumentError(f"interp: xp and fp must have one shape (n,), n > 0; got {xp.shape}, {fp.shape}.")
    if period is not None:
        x, xp, fp = _one_period(x, xp, fp, abs(period))
        left = right = None
    n = len(xp)
    if n == 1:
        inside = broadcast_to(fp[0], x.shape)
    else:
        behind = np.clip(_places_among(xp, x, side="right"), 1, n - 1)
        x0, f0 = take(xp, behind - 1), take(fp, behind - 1)
        slope = divide(subtract(take(fp, behind), f0), subtract(take(xp, behind), x0))
        inside = add(multiply(slope, subtract(x, x0)), f0)
    found = where(less(x, xp[0]), fp[0] if left is None else left, inside)
    found = where(greater(x, xp[-1]), fp[-1] if right is None else right, found)
    return as_scalar(where(isnan(x), np.nan, found))


def _one_period(x: Array, xp: Array, fp: Array, period: float) -> tuple[Array, Array, Array]:
    """Move x and the points into [0, period), in order, with one more point at each end."""
    if period == 0:
        raise ArgumentError("interp: period must not be 0; got 0.")
    x, xp = remainder(x, period), remainder(xp, period)
    order = _order(xp)
    xp, fp = take(xp, order), take(fp, order)
    xp = concatenate([subtract(xp[-1:], period), xp, add(xp[:1], period)])
    return x, xp, concatenate([fp[-1:], fp, fp[:1]])


def _unwrap_written_out(x: Array, *, discont: float | None, axis: int, period: float) -> Array:
    """Compute what NumPy's function does, by its steps."""
    high, step = period / 2, diff(x, axis=axis)
    within = subtract(remainder(add(step, high), period), high)
    within = where(equal(within, -high) & greater(step, 0), high, within)
    moved = where(less(absolute(step), high if discont is None else discont), 0, subtract(within, step))
    first = x[_along(axis, 1)]
    return concatenate([first, add(x[_along(axis, 1, None)], cumsum(moved, axis))], axis)


@general([lambda t: t], [lambda t: t], name="unwrap", batch=leading(axis=shifted), written_out=_unwrap_written_out)
def _unwrap(x: Array, *, discont: float | None, axis: int, period: float) -> Array:
    return np.unwrap(x, discont, axis, period=period)


@numpy_function(np.unwrap)
def unwrap(p: Array, discont: float | None = None, axis: int = -1, *, period: float = 2 * np.pi) -> Array:
    """Add whole periods to angles, such that no step is longer than half a period.

    Derivative: 1, also at a jump.

    >>> tnp.unwrap(np.array([0.0, 2.0 * np.pi]))
    array([0., 0.])
    """
    x = as_array(p)
    return _unwrap(x, discont=discont, axis=axis_of("unwrap", axis, x.ndim), period=period)


# ---- convolution ----


@multilinear(lambda t, y: _slide(t, y), lambda t, x: _slide(t, x), name="convolve")
def _convolve(x: Array, y: Array) -> Array:
    """Compute z_k = sum of x_i y_(k - i), wherever there is a term."""
    return np.convolve(x, y)


@multilinear(lambda t, y: _convolve(t, y), lambda t, x: _slide(x, t), name="slide")
def _slide(x: Array, y: Array) -> Array:
    """Compute z_i = sum of x_(i + j) y_j over all of y, which is not longer than x."""
    return np.correlate(x, np.conjugate(y), "valid")


@numpy_function(np.convolve)
def convolve(a: Array, v: Array, mode: str = "full") -> Array:
    """Convolve two vectors: z_k = sum_i a_i v_(k-i).

    Derivatives: the correlations of the cotangent with the other vector.

    >>> tnp.convolve(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([1., 3., 2.])
    """
    x, y = ravel(as_array(a)), ravel(as_array(v))
    if not x.size or not y.size:
        raise ArgumentError(f"convolve: a and v must not be empty; got shapes {x.shape}, {y.shape}.")
    long, short = max(len(x), len(y)), min(len(x), len(y))
    if mode not in ("full", "same", "valid"):
        raise ArgumentError(f"convolve: mode must be 'full', 'same' or 'valid'; got {mode!r}.")
    z = _convolve(x, y)
    if mode == "same":
        return z[(short - 1) // 2 : (short - 1) // 2 + long]
    return z[short - 1 : long] if mode == "valid" else z


@numpy_function(np.correlate)
@numpys_of_integers(np.correlate)
def correlate(a: Array, v: Array, mode: str = "valid") -> Array:
    """Correlate two vectors: z_k = sum_i a_(i+k) conj(v_i).

    Derivatives: the convolution of the cotangent with v, and its correlation with a.

    >>> tnp.correlate(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0]))
    array([2., 3.])
    """
    x, y = ravel(as_array(a)), ravel(as_array(v))
    if not x.size or not y.size:
        raise ArgumentError(f"correlate: a and v must not be empty; got shapes {x.shape}, {y.shape}.")
    if mode != "same" or len(x) >= len(y):
        return convolve(x, conjugate(reversed_along(y, 0)), mode)
    # NumPy puts the shorter vector second, and reverses the result.
    return reversed_along(convolve(conjugate(y), reversed_along(x, 0), mode), 0)
