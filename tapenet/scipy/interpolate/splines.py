"""Splines in the basis of B-splines: evaluation by de Boor's algorithm, interpolation by a banded system.

On the interval of a point there are degree + 1 control points; a step of the algorithm takes convex combinations of
neighbours, with weights by the knots. What it does is differentiable by the point, the knots and the coefficients.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import scipy.interpolate

import tapenet.numpy as tnp
from tapenet.core.arguments import axis_of
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array
from tapenet.core.pytrees import evolve, static_field
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.scipy.interpolate.checks import (
    across,
    double,
    in_place,
    interval,
    is_finite,
    is_increasing,
    is_sorted,
    nan_at_nan,
    nan_outside,
    on_tape,
    periodic,
)
from tapenet.scipy.linalg import solve_banded

# ---- evaluation ----


def _local(t: Array, at: Array, k: int, count: int) -> tuple[Array, Array]:
    """Return the intervals of points, and the 2 k knots around each."""
    piece = interval(t, at, k, count - 1)
    return piece, tnp.take(t, piece[None, :] + np.arange(1 - k, k + 1)[:, None], 0)


def _differences(c: Array, knots: Array, p: int, k: int) -> Array:
    """Return the control points, of degree p - 1, of the derivative of a spline of degree p."""
    spans = knots[k : k + p] - knots[k - p : k]
    return p * (c[1:] - c[:-1]) / across(spans, c.ndim)


def _de_boor(c: Array, knots: Array, at: Array, p: int, k: int) -> Array:
    """Combine p + 1 control points of each point, along the first axis, to the value there."""
    for step in range(1, p + 1):
        left, right = knots[k - 1 - p + step : k], knots[k : k + p - step + 1]
        share = across((at - left) / (right - left), c.ndim)
        c = (1 - share) * c[:-1] + share * c[1:]
    return c[0]


def _spline_at(t: Array, c: Array, k: int, at: Array, nu: int) -> Array:
    piece, knots = _local(t, at, k, c.shape[0])
    if nu > k:
        return nan_at_nan(tnp.zeros_like(tnp.take(c, piece, 0)), at)
    control = tnp.take(c, piece[None, :] + np.arange(-k, 1)[:, None], 0)
    for p in range(k, k - nu, -1):
        control = _differences(control, knots, p, k)
    value = _de_boor(control, knots, at, k - nu, k)
    return value if nu < k else nan_at_nan(value, at)


@attrs.frozen(eq=False, init=False)
class BSpline:
    """Spline by its knots and coefficients, as scipy.interpolate.BSpline.

    Derivatives: by the points, the coefficients and the knots; at a knot those of the piece on the right.

    Args:
        t: knots, sorted, shape (n + k + 1,).
        c: coefficients, at least n of them along `axis`.
        k: degree.
        extrapolate: whether the first and last piece go on beyond the ends; else NaN is there; or "periodic".
        axis: of the coefficients, at which the points' axes are in results.

    >>> s = tn.scipy.interpolate.BSpline(np.arange(6.0), np.array([1.0, 3.0, 2.0]), 2)
    >>> tn.grad(s)(2.5)
    np.float64(0.5)
    """

    t: Array
    c: Array  # along the first axis, whatever `axis` is
    k: int = static_field()
    extrapolate: Any = static_field()
    axis: int = static_field()

    def __init__(self, t: Any, c: Any, k: int, extrapolate: Any = True, axis: int = 0) -> None:
        k = operator.index(k)
        if not on_tape(t, c):
            theirs = scipy.interpolate.BSpline(t, c, k, extrapolate, axis)
            t, c, axis = theirs.t, theirs.c, theirs.axis
        else:
            t, c = double(t), double(c)
            axis = axis_of("interpolate.BSpline", axis, c.ndim)
            c = tnp.moveaxis(c, axis, 0)
            _check_knots(t, c, k)
        self.__attrs_init__(t, c, k, extrapolate, axis)

    @classmethod
    def basis_element(cls, t: Any, extrapolate: Any = True) -> BSpline:
        """Return the B-spline of degree len(t) - 2 on the knots t, which may be a Tensor."""
        if not on_tape(t):
            theirs = scipy.interpolate.BSpline.basis_element(t, extrapolate)
            return BSpline(theirs.t, theirs.c, theirs.k, theirs.extrapolate)
        t = double(t)
        k = t.shape[0] - 2
        t = tnp.concatenate([t[0] - 1.0 + np.zeros(k), t, t[-1] + 1.0 + np.zeros(k)])
        return BSpline(t, np.eye(1, t.shape[0], k)[0], k, extrapolate)

    @staticmethod
    def design_matrix(x: Any, t: Any, k: int, extrapolate: Any = False) -> Any:
        """Return the values of all B-splines at plain points, as a sparse array."""
        if on_tape(x, t):
            raise ArgumentTypeError(
                "interpolate.BSpline.design_matrix: not supported for a Tensor. Write BSpline(t, np.eye(n), k)(x)."
            )
        return scipy.interpolate.BSpline.design_matrix(x, t, k, extrapolate)

    @property
    def tck(self) -> tuple[Array, Array, int]:
        """Knots, coefficients and degree."""
        return self.t, self.c, self.k

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Array:
        """Evaluate the spline, or its derivative of order nu, at points of any shape."""
        if not on_tape(self.t, self.c, x):
            theirs = scipy.interpolate.BSpline.construct_fast(self.t, self.c, self.k, self.extrapolate, self.axis)
            return theirs(x, nu, extrapolate)
        if nu < 0:
            return self.antiderivative(-nu)(x, 0, extrapolate)
        extrapolate = self.extrapolate if extrapolate is None else extrapolate
        x = double(x)
        at = tnp.ravel(x)
        n = self.t.shape[0] - self.k - 1
        low, high = self.t[self.k], self.t[n]
        if extrapolate == "periodic":
            at = periodic(at, low, high)
        out = _spline_at(self.t, self.c[:n], self.k, at, nu)
        if not extrapolate:
            out = nan_outside(out, at, low, high)
        return in_place(tnp.reshape(out, (*x.shape, *self.c.shape[1:])), x.ndim, self.axis)

    def derivative(self, nu: int = 1) -> BSpline:
        """Return the derivative of order nu, at most the degree."""
        if nu < 0:
            return self.antiderivative(-nu)
        if nu > self.k:
            raise ArgumentError(f"interpolate.BSpline.derivative: nu must be at most the degree {self.k}; got {nu}.")
        t, c, k = self.t, self.c[: self.t.shape[0] - self.k - 1], self.k
        for _ in range(nu):
            c = k * tnp.diff(c, axis=0) / across(t[k + 1 : -1] - t[1 : -k - 1], c.ndim)
            t, k = t[1:-1], k - 1
        return evolve(self, t=t, c=c, k=k)

    def antiderivative(self, nu: int = 1) -> BSpline:
        """Return the antiderivative of order nu, 0 at the first knot."""
        if nu < 0:
            return self.derivative(-nu)
        t, c, k = self.t, self.c[: self.t.shape[0] - self.k - 1], self.k
        for _ in range(nu):
            areas = tnp.cumsum(c * across((t[k + 1 :] - t[: -k - 1]) / (k + 1), c.ndim), 0)
            c = tnp.concatenate([tnp.zeros_like(areas[:1]), areas], 0)
            t, k = tnp.concatenate([t[:1], t, t[-1:]]), k + 1
        return evolve(self, t=t, c=c, k=k)

    def integrate(self, a: Any, b: Any, extrapolate: Any = None) -> Array:
        """Integrate from a to b."""
        if not on_tape(self.t, self.c, a, b):
            theirs = scipy.interpolate.BSpline.construct_fast(self.t, self.c, self.k, self.extrapolate, self.axis)
            return theirs.integrate(a, b, extrapolate)
        extrapolate = self.extrapolate if extrapolate is None else extrapolate
        area, n = self.antiderivative(), self.t.shape[0] - self.k - 1
        low, high = self.t[self.k], self.t[n]
        if extrapolate == "periodic":
            turns = [tnp.floor((double(end) - low) / (high - low)) for end in (a, b)]
            ends = [area(periodic(double(end), low, high), 0, True) for end in (a, b)]
            period = area(high, 0, True) - area(low, 0, True)
            return ends[1] - ends[0] + (turns[1] - turns[0]) * period
        ends = [double(end) if extrapolate else tnp.clip(double(end), low, high) for end in (a, b)]
        return area(ends[1], 0, True) - area(ends[0], 0, True)


def _check_knots(t: Array, c: Array, k: int) -> None:
    name = "interpolate.BSpline"
    if k < 0:
        raise ArgumentError(f"{name}: spline order cannot be negative; got {k}.")
    if t.ndim != 1:
        raise ArgumentError(f"{name}: knot vector must be one-dimensional; got shape {t.shape}.")
    n = t.shape[0] - k - 1
    if n < k + 1:
        raise ArgumentError(f"{name}: need at least {2 * k + 2} knots for degree {k}; got {t.shape[0]}.")
    if not is_sorted(t):
        raise ArgumentError(f"{name}: knots must be in a non-decreasing order.")
    if not is_increasing(tnp.stack([t[k], t[n]])):
        raise ArgumentError(f"{name}: need at least two internal knots.")
    if not is_finite(t):
        raise ArgumentError(f"{name}: knots should not have nans or infs.")
    if c.shape[0] < n:
        raise ArgumentError(f"{name}: knots, coefficients and degree are inconsistent; got {c.shape[0]} of {n}.")


# ---- interpolation ----


def basis_at(t: Array, k: int, at: Array, nu: int = 0) -> tuple[Array, Array]:
    """Return the intervals of points, and the k + 1 B-splines that are not 0 there, along the last axis."""
    piece, knots = _local(t, at, k, t.shape[0] - k - 1)
    if nu > k:
        return piece, np.zeros((at.shape[0], k + 1))
    unit = np.broadcast_to(np.eye(k + 1)[:, None, :], (k + 1, at.shape[0], k + 1))
    for p in range(k, k - nu, -1):
        unit = _differences(unit, knots, p, k)
    return piece, _de_boor(unit, knots, at, k - nu, k)


def ends_of(x: Array, bounds: Sequence[Any]) -> Array:
    """Return both ends of an interval: the bounds that are given, else the first and the last place."""
    return tnp.stack([x[i] if end is None else double(end) for i, end in zip((0, -1), bounds, strict=True)])


def between_ends(ends: Array, inner: Array, count: int) -> Array:
    """Return inner knots between the first and the last of `ends`, which are repeated."""
    return tnp.concatenate([tnp.repeat(ends[:1], count), inner, tnp.repeat(ends[-1:], count)])


def free_knots(x: Array, ends: Array, k: int) -> Array:
    """Return knots for data without conditions at the ends: all places but some next to the ends."""
    inner = x if k % 2 else (x[1:] + x[:-1]) / 2
    cut = (k + 1) // 2
    return between_ends(ends, inner[cut:-cut] if cut else inner, k + 1)


def _periodic_knots(x: Array, k: int) -> Array:
    """Return knots that go on around the ends by the steps at the other one."""
    if k % 2 == 0:
        x = tnp.concatenate([x[:1], (x[1:-1] + x[:-2]) / 2, x[-1:]])
    steps = tnp.diff(x)
    n = steps.shape[0]
    before = x[0] - tnp.cumsum(tnp.take(steps, -1 - np.arange(k) % n, 0))
    after = x[-1] + tnp.cumsum(tnp.take(steps, np.arange(k) % n, 0))
    return tnp.concatenate([before[::-1], x, after])


def _end_conditions(name: str, given: Any, shape: tuple[int, ...], k: int) -> list[tuple[int, Array]]:
    """Return orders and values of derivatives at an end."""
    if given is None:
        return []
    if isinstance(given, str):
        orders = {"clamped": 1, "natural": 2}
        if given not in orders:
            raise ArgumentError(f"{name}: Unknown boundary condition : {given}")
        given = [(orders[given], np.zeros(shape))]
    try:
        pairs = [(operator.index(order), double(value)) for order, value in given]
    except (TypeError, ValueError):
        raise ArgumentError(
            f"{name}: Derivatives, `bc_type`, should be specified as a pair of iterables of pairs of (order, value)."
        ) from None
    if any(not 0 <= order <= k for order, _ in pairs):
        raise ArgumentError(f"{name}: Bad boundary conditions; got orders {[order for order, _ in pairs]}.")
    return pairs


def _banded(rows: list[tuple[Array, Array]], k: int, n: int) -> Array:
    """Return the diagonals of the matrix of which the rows are B-splines at points; k of them on each side."""
    pieces = tnp.concatenate([piece for piece, _ in rows])
    values = tnp.concatenate([basis for _, basis in rows], 0)
    # ab[k + i - j, j] = values[i, j - (piece[i] - k)]: found for each place of ab, where the row i is and reaches j.
    i = np.arange(n)[None, :] + np.arange(-k, k + 1)[:, None]
    inside = (i >= 0) & (i < n)
    i = np.clip(i, 0, n - 1)
    place = np.arange(n)[None, :] - tnp.take(pieces, i, 0) + k
    inside = inside & (place >= 0) & (place <= k)
    flat = tnp.take(tnp.ravel(values), i * (k + 1) + tnp.clip(place, 0, k), 0)
    return tnp.where(inside, flat, 0.0)


@branch_condition
def _agrees(first: Array, last: Array) -> bool:
    return bool(np.allclose(first, last, atol=1e-15))


@branch_condition
def _is_covered(x: Array, t: Array, low: int, high: int) -> bool:
    x, t = np.asarray(x), np.asarray(t)
    return bool(np.all(x[..., 0] >= t[..., low]) and np.all(x[..., -1] <= t[..., high]))


def _checked_data(name: str, x: Array, y: Array, check_finite: bool) -> None:
    if x.ndim != 1 or x.shape[0] != y.shape[0]:
        raise ArgumentError(f"{name}: Shapes of x {x.shape} and y {y.shape} are incompatible.")
    if check_finite and not (is_finite(x) and is_finite(y)):
        raise ArgumentError(f"{name}: Array must not contain infs or nans.")
    if not is_increasing(x):
        raise ArgumentError(f"{name}: Expect x to be a 1D strictly increasing sequence. Sort x, and y with it.")


def _checked_knots(name: str, x: Array, t: Array, k: int) -> Array:
    if k < 0:
        raise ArgumentError(f"{name}: Expect non-negative k; got {k}.")
    if t.ndim != 1 or not is_sorted(t):
        raise ArgumentError(f"{name}: Expect t to be a 1-D sorted array_like.")
    if t.shape[0] < x.shape[0] + k + 1:
        raise ArgumentError(f"{name}: Got {t.shape[0]} knots, need at least {x.shape[0] + k + 1}.")
    if not _is_covered(x, t, k, t.shape[0] - k - 1):
        raise ArgumentError(f"{name}: Out of bounds: x must be between the knots t[k] and t[-k - 1].")
    return t


def _solved(x: Array, y: Array, t: Array, k: int, left: Any, right: Any) -> Array:
    """Return the coefficients of the spline through the data with given derivatives at the ends."""
    n = t.shape[0] - k - 1
    rows = [
        *(basis_at(t, k, x[:1], nu) for nu, _ in left),
        basis_at(t, k, x),
        *(basis_at(t, k, x[-1:], nu) for nu, _ in right),
    ]
    b = tnp.concatenate([*(value[None] for _, value in left), y, *(value[None] for _, value in right)], 0)
    return tnp.reshape(solve_banded((k, k), _banded(rows, k, n), tnp.reshape(b, (n, -1))), b.shape)


def _solved_on_circle(x: Array, y: Array, t: Array, k: int) -> Array:
    """Return the coefficients of the periodic spline: those at the end are those at the start."""
    n = x.shape[0] - 1
    piece, basis = basis_at(t, k, x[:-1])
    columns = (piece[:, None] - k + np.arange(k + 1)) % n
    a = tnp.sum(tnp.where(columns[:, :, None] == np.arange(n), basis[:, :, None], 0.0), 1)
    c = tnp.reshape(tnp.linalg.solve(a, tnp.reshape(y[:-1], (n, -1))), (n, *y.shape[1:]))
    return tnp.take(c, np.arange(n + k) % n, 0)


def make_interp_spline(
    x: Any, y: Any, k: int = 3, t: Any = None, bc_type: Any = None, axis: int = 0, check_finite: bool = True
) -> BSpline:
    """Make the spline of degree k through points.

    Derivatives: of its values by the points, the data, the places, the knots and the boundary values, through the
    banded system of its coefficients.

    Parameters are those of scipy.interpolate.make_interp_spline; the result is a BSpline of this module.
    """
    if not on_tape(x, y, t, bc_type):
        theirs = scipy.interpolate.make_interp_spline(x, y, k, t, bc_type, axis, check_finite)
        return spline_of(theirs.t, theirs.c, theirs.k, theirs.axis)
    name = "interpolate.make_interp_spline"
    k = operator.index(k)
    x, y = double(x), double(y)
    axis = axis_of(name, axis, y.ndim)
    y = tnp.moveaxis(y, axis, 0)
    _checked_data(name, x, y, check_finite)
    is_circle = isinstance(bc_type, str) and bc_type == "periodic"
    if is_circle and not _agrees(y[0], y[-1]):
        raise ArgumentError(f"{name}: First and last points does not match while periodic case expected.")
    is_free = bc_type is None or is_circle or (isinstance(bc_type, str) and bc_type == "not-a-knot")
    left, right = (None, None) if is_free else (bc_type, bc_type) if isinstance(bc_type, str) else bc_type
    if k == 0 or (k == 1 and t is None):
        if not (left is None and right is None and t is None):
            raise ArgumentError(f"{name}: Too much info for k={k}: bc_type can only be None.")
        return spline_of(tnp.concatenate([x[:k], x, x[-1:]]), y, k, axis)
    if is_circle:
        if t is not None:
            raise ArgumentError(f"{name}: For periodic case t is constructed automatically and can not be passed.")
        t = _periodic_knots(x, k)
        return spline_of(t, _solved_on_circle(x, y, t, k), k, axis)
    if t is not None:
        t = double(t)
    elif left is None and right is None:
        t = free_knots(x, x, k)
    else:
        t = between_ends(x, x, k)
    t = _checked_knots(name, x, t, k)
    ends = [_end_conditions(name, end, y.shape[1:], k) for end in (left, right)]
    missing = t.shape[0] - k - 1 - x.shape[0]
    if missing != len(ends[0]) + len(ends[1]):
        raise ArgumentError(
            f"{name}: The number of derivatives at boundaries does not match: expected {missing}, "
            f"got {len(ends[0])}+{len(ends[1])}."
        )
    return spline_of(t, _solved(x, y, t, k, *ends), k, axis)


def spline_of(t: Array, c: Array, k: int, axis: int) -> BSpline:
    """Return the spline of checked knots and coefficients, these with the axis of the places in front."""
    made = object.__new__(BSpline)
    made.__attrs_init__(t, c, k, True, axis)
    return made
