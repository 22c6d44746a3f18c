"""Splines and piecewise polynomials of several variables: products of those of one variable."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import scipy.interpolate

import tapenet.numpy as tnp
from tapenet.core.primitive import Array
from tapenet.core.pytrees import static_field
from tapenet.errors import ArgumentError
from tapenet.scipy.interpolate.checks import (
    across,
    double,
    interval,
    is_finite,
    is_increasing,
    is_sorted,
    nan_where,
    on_tape,
    outside_of,
)
from tapenet.scipy.interpolate.piecewise import integrated_pieces
from tapenet.scipy.interpolate.places import at_places, points_of
from tapenet.scipy.interpolate.splines import BSpline, basis_at, ends_of, free_knots, make_interp_spline


def product_spline_at(
    knots: Sequence[Array], degrees: Sequence[int], c: Array, at: Sequence[Array], nu: Sequence[int]
) -> Array:
    """Return sums of products of B-splines, or of their derivatives of orders nu, at points.

    Args:
        knots, degrees: of each variable.
        c: coefficients, shape (n_1, ..., n_d, ...).
        at: the coordinates of the points, d vectors.
        nu: orders of derivatives.
    """
    found = [basis_at(t, k, x, order) for t, k, x, order in zip(knots, degrees, at, nu, strict=True)]
    total: Array = 0.0
    trailing = c.ndim - len(at) + 1
    for offsets in itertools.product(*(range(k + 1) for k in degrees)):
        weight = 1.0
        for (_, basis), offset in zip(found, offsets, strict=True):
            weight = weight * basis[:, offset]
        places = [piece - k + offset for (piece, _), k, offset in zip(found, degrees, offsets, strict=True)]
        total = total + at_places(c, places) * across(weight, trailing)
    return total


def _orders(name: str, nu: Any, ndim: int) -> list[int]:
    orders = [0] * ndim if nu is None else [operator.index(order) for order in np.atleast_1d(nu)]
    if len(orders) != ndim or min(orders) < 0:
        raise ArgumentError(f"{name}: nu must be {ndim} orders of derivatives, not negative; got {nu}.")
    return orders


@attrs.frozen(eq=False, init=False)
class NdBSpline:
    """Product of splines by knots, coefficients and degrees, as scipy.interpolate.NdBSpline.

    Derivatives: by the points, the coefficients and the knots.

    Args:
        t: a tuple of the knots of each variable.
        c: coefficients, shape (n_1, ..., n_d, ...).
        k: the degree, or that of each variable.
        extrapolate: whether the outer pieces go on beyond the ends; else NaN is there.
    """

    t: tuple[Array, ...]
    c: Array
    k: tuple[int, ...] = static_field()
    extrapolate: bool = static_field()

    def __init__(self, t: Any, c: Any, k: Any, *, extrapolate: Any = None) -> None:
        name = "interpolate.NdBSpline"
        knots, c = tuple(double(one) for one in t), double(c)
        degrees = (operator.index(k),) * len(knots) if np.ndim(k) == 0 else tuple(map(operator.index, k))
        if len(degrees) != len(knots) or c.ndim < len(knots):
            raise ArgumentError(f"{name}: t, k and c must be of one number of dimensions; got {len(knots)} knots.")
        for i, (one, degree) in enumerate(zip(knots, degrees, strict=True)):
            n = one.shape[0] - degree - 1
            if degree < 0 or one.ndim != 1 or n < degree + 1 or not is_sorted(one) or not is_finite(one):
                raise ArgumentError(
                    f"{name}: knots in dimension {i} must be finite, sorted and at least {2 * degree + 2}; got "
                    f"{one.shape[0]}."
                )
            if not is_increasing(tnp.stack([one[degree], one[n]])):
                raise ArgumentError(f"{name}: Need at least two internal knots in dimension {i}.")
            if c.shape[i] != n:
                raise ArgumentError(
                    f"{name}: Knots, coefficients and degree in dimension {i} are inconsistent: got {c.shape[i]} "
                    f"coefficients for {one.shape[0]} knots, need {n} for k={degree}."
                )
        self.__attrs_init__(knots, c, degrees, True if extrapolate is None else bool(extrapolate))

    def __call__(self, xi: Any, *, nu: Any = None, extrapolate: Any = None) -> Array:
        """Evaluate at points, with the coordinates along the last axis."""
        name, ndim = "interpolate.NdBSpline", len(self.t)
        goes_on = self.extrapolate if extrapolate is None else bool(extrapolate)
        if not on_tape(self.t, self.c, xi):
            theirs = scipy.interpolate.NdBSpline(self.t, self.c, self.k, extrapolate=goes_on)
            return theirs(xi, nu=nu)
        xi, orders = double(xi), _orders(name, nu, ndim)
        if xi.ndim == 0 or xi.shape[-1] != ndim:
            raise ArgumentError(f"{name}: xi must have {ndim} coordinates along its last axis; got shape {xi.shape}.")
        flat = tnp.reshape(xi, (-1, ndim))
        at = [flat[:, i] for i in range(ndim)]
        out = product_spline_at(self.t, self.k, self.c, at, orders)
        if not goes_on:
            ends = [(t[k], t[-k - 1]) for t, k in zip(self.t, self.k, strict=True)]
            out = nan_where(outside_of(at, ends), out)
        return tnp.reshape(out, (*xi.shape[:-1], *self.c.shape[ndim:]))


# ---- FITPACK's surfaces ----


def _clamped(x: Array, t: Array, k: int) -> Array:
    """Move points to the ends of the knots, where FITPACK evaluates what is outside."""
    return tnp.clip(x, t[k], t[-k - 1])


def _grid_values(t: Sequence[Array], c: Array, k: Sequence[int], x: Array, y: Array, nu: Sequence[int]) -> Array:
    """Return the values on a grid: of splines along the first axis, then along the second."""
    along = BSpline(t[0], c, k[0])(_clamped(x, t[0], k[0]), nu[0])
    return tnp.swapaxes(BSpline(t[1], along.T, k[1])(_clamped(y, t[1], k[1]), nu[1]), 0, 1)


@attrs.frozen(eq=False, init=False)
class RectBivariateSpline:
    """Spline through data on a grid, as scipy.interpolate.RectBivariateSpline.

    Derivatives: by the points, the data, the places and the bounds, through the systems of the coefficients. On a tape
    s must be 0.

    Args:
        x: places along the first axis, increasing, shape (m,).
        y: places along the second axis, increasing, shape (n,).
        z: data, shape (m, n).
        bbox: the ends along x and along y; those of the places by default.
        kx: the degree along x.
        ky: the degree along y.
        s: the sum of squared residuals to reach.

    >>> z = np.outer(np.arange(4.0), np.ones(4))
    >>> s = tn.scipy.interpolate.RectBivariateSpline(np.arange(4.0), np.arange(4.0), z)
    >>> tn.grad(lambda x: s.ev(x, 1.5))(1.2).round(9)
    np.float64(1.0)
    """

    t: tuple[Array, Array]
    c: Array
    residual: Any
    degrees: tuple[int, int] = static_field()

    def __init__(
        self,
        x: Any,
        y: Any,
        z: Any,
        bbox: Any = (None, None, None, None),
        kx: int = 3,
        ky: int = 3,
        s: Any = 0,
        maxit: int = 20,
    ) -> None:
        name = "interpolate.RectBivariateSpline"
        if not on_tape(x, y, z, bbox, s):
            options = {} if maxit == 20 else {"maxit": maxit}  # from SciPy 1.14 on
            theirs = scipy.interpolate.RectBivariateSpline(x, y, z, list(bbox), kx, ky, s, **options)
            tx, ty, c = theirs.tck
            shape = len(tx) - kx - 1, len(ty) - ky - 1
            self.__attrs_init__((tx, ty), np.reshape(c, shape), theirs.get_residual(), (kx, ky))
            return
        if on_tape(s) or s != 0:
            raise ArgumentError(
                f"{name}: s must be 0 on a tape; got {s}. Write interpolate.make_lsq_spline along x, y."
            )
        x, y, z = tnp.ravel(double(x)), tnp.ravel(double(y)), double(z)
        if z.shape != (x.shape[0], y.shape[0]):
            raise ArgumentError(f"{name}: z must have shape ({x.shape[0]}, {y.shape[0]}), that of x, y; got {z.shape}.")
        if not (is_increasing(x) and is_increasing(y)):
            raise ArgumentError(f"{name}: x and y must be strictly increasing. Sort them, and z with them.")
        if not (0 < kx < x.shape[0] and 0 < ky < y.shape[0]):
            raise ArgumentError(
                f"{name}: kx and ky must be at least 1 and below the numbers of places; got {kx}, {ky}."
            )
        tx, ty = free_knots(x, ends_of(x, bbox[:2]), kx), free_knots(y, ends_of(y, bbox[2:]), ky)
        c = make_interp_spline(x, z, kx, tx).c
        c = make_interp_spline(y, c.T, ky, ty).c.T
        self.__attrs_init__((tx, ty), c, np.float64(0.0), (kx, ky))

    @property
    def tck(self) -> tuple[Array, Array, Array]:
        """Knots along both axes, and the coefficients."""
        return (*self.t, tnp.ravel(self.c))

    def get_knots(self) -> tuple[Array, Array]:
        """Return the knots along x and along y."""
        return self.t

    def get_coeffs(self) -> Array:
        """Return the coefficients, a vector."""
        return tnp.ravel(self.c)

    def get_residual(self) -> Any:
        """Return the sum of squared residuals."""
        return self.residual

    def __call__(self, x: Any, y: Any, dx: int = 0, dy: int = 0, grid: bool = True) -> Array:
        """Evaluate the spline, or a derivative of it, on a grid or at points."""
        name = "interpolate.RectBivariateSpline"
        x, y = double(x), double(y)
        if not (0 <= dx < self.degrees[0] + 1 and 0 <= dy < self.degrees[1] + 1):
            raise ArgumentError(f"{name}: dx and dy must be orders up to the degrees; got {dx} and {dy}.")
        if grid:
            if x.ndim > 1 or y.ndim > 1 or not (is_sorted(tnp.ravel(x)) and is_sorted(tnp.ravel(y))):
                raise ArgumentError(f"{name}: x and y must be sorted vectors when `grid` is True.")
            return _grid_values(self.t, self.c, self.degrees, tnp.ravel(x), tnp.ravel(y), (dx, dy))
        shape = np.broadcast_shapes(x.shape, y.shape)
        at = [tnp.ravel(tnp.broadcast_to(one, shape)) for one in (x, y)]
        at = [_clamped(one, t, k) for one, t, k in zip(at, self.t, self.degrees, strict=True)]
        return tnp.reshape(product_spline_at(self.t, self.degrees, self.c, at, (dx, dy)), shape)

    def ev(self, xi: Any, yi: Any, dx: int = 0, dy: int = 0) -> Array:
        """Evaluate the spline, or a derivative of it, at points."""
        return self(xi, yi, dx, dy, grid=False)

    def integral(self, xa: Any, xb: Any, ya: Any, yb: Any) -> Array:
        """Integrate over a rectangle; the spline is 0 outside its knots."""
        along = BSpline(self.t[0], self.c, self.degrees[0]).integrate(xa, xb, False)
        return BSpline(self.t[1], along, self.degrees[1]).integrate(ya, yb, False)

    def partial_derivative(self, dx: int, dy: int) -> RectBivariateSpline:
        """Return a derivative of the spline, a spline."""
        if not (0 <= dx < self.degrees[0] and 0 <= dy < self.degrees[1]):
            raise ArgumentError(
                "interpolate.RectBivariateSpline.partial_derivative: order of derivative must be positive or zero, and "
                f"less than degree of spline; got {dx} and {dy}."
            )
        first = BSpline(self.t[0], self.c, self.degrees[0]).derivative(dx)
        second = BSpline(self.t[1], first.c.T, self.degrees[1]).derivative(dy)
        made = object.__new__(RectBivariateSpline)
        made.__attrs_init__((first.t, second.t), second.c.T, self.residual, (first.k, second.k))
        return made


def bisplev(x: Any, y: Any, tck: Any, dx: int = 0, dy: int = 0) -> Array:
    """Evaluate a bivariate spline, given by knots, coefficients and degrees, on a grid.

    Derivatives: those of BSpline along both axes, by the points, the knots and the coefficients.

    Parameters and results are those of scipy.interpolate.bisplev.
    """
    if not on_tape(x, y, tck):
        return scipy.interpolate.bisplev(x, y, tck, dx, dy)
    tx, ty, c, kx, ky = tck
    if not (0 <= dx < kx and 0 <= dy < ky):
        raise ArgumentError(f"interpolate.bisplev: 0 <= dx < kx and 0 <= dy < ky must hold; got {dx} and {dy}.")
    tx, ty, x, y = double(tx), double(ty), tnp.atleast_1d(double(x)), tnp.atleast_1d(double(y))
    if x.ndim != 1 or y.ndim != 1 or not (is_sorted(x) and is_sorted(y)):
        raise ArgumentError("interpolate.bisplev: x and y must be sorted vectors, or numbers.")
    c = tnp.reshape(double(c), (tx.shape[0] - kx - 1, ty.shape[0] - ky - 1))
    z = _grid_values((tx, ty), c, (kx, ky), x, y, (dx, dy))
    if z.shape[0] > 1:
        return z
    return z[0] if z.shape[1] > 1 else z[0, 0]


# ---- piecewise polynomials ----


@attrs.frozen(eq=False, init=False)
class NdPPoly:
    """Piecewise polynomial of several variables, as scipy.interpolate.NdPPoly.

    Derivatives: by the points, the coefficients and the breakpoints.

    Args:
        c: coefficients, shape (k_1, ..., k_d, m_1, ..., m_d, ...), of the highest powers first.
        x: a tuple of the breakpoints of each variable, m_i + 1 of them.
        extrapolate: whether the outer pieces go on beyond the ends; else NaN is there.
    """

    c: Array
    x: tuple[Array, ...]
    extrapolate: bool = static_field()

    def __init__(self, c: Any, x: Any, extrapolate: Any = None) -> None:
        name = "interpolate.NdPPoly"
        c, breaks = double(c), tuple(double(one) for one in x)
        ndim = len(breaks)
        if c.ndim < 2 * ndim:
            raise ArgumentError(f"{name}: c must have at least 2*len(x) dimensions; got {c.ndim} for {ndim}.")
        if any(one.ndim != 1 or one.shape[0] < 2 or not is_sorted(one) for one in breaks):
            raise ArgumentError(f"{name}: x arrays must be 1-dimensional, increasing and contain at least 2 points.")
        if any(count != one.shape[0] - 1 for count, one in zip(c.shape[ndim : 2 * ndim], breaks, strict=True)):
            raise ArgumentError(f"{name}: x and c do not agree on the number of intervals; got c of shape {c.shape}.")
        self.__attrs_init__(c, breaks, True if extrapolate is None else bool(extrapolate))

    def __call__(self, x: Any, nu: Any = None, extrapolate: Any = None) -> Array:
        """Evaluate the polynomial, or a derivative of it, at points with the coordinates along the last axis."""
        goes_on = self.extrapolate if extrapolate is None else bool(extrapolate)
        ndim = len(self.x)
        if not on_tape(self.c, self.x, x):
            return scipy.interpolate.NdPPoly(self.c, self.x, goes_on)(x, nu)
        orders = _orders("interpolate.NdPPoly", nu, ndim)
        x = points_of(x, ndim)
        flat = tnp.reshape(x, (-1, ndim))
        at = [flat[:, i] for i in range(ndim)]
        pieces = [interval(breaks, one, 0, breaks.shape[0] - 2) for breaks, one in zip(self.x, at, strict=True)]
        inner = tnp.moveaxis(self.c, tuple(range(ndim)), tuple(range(ndim, 2 * ndim)))
        total = at_places(inner, pieces)  # the points, then the powers of each variable
        for breaks, piece, one, order in zip(self.x, pieces, at, orders, strict=True):
            total = _summed_powers(total, one - tnp.take(breaks, piece, 0), order)
        if not goes_on:
            total = nan_where(outside_of(at, [(breaks[0], breaks[-1]) for breaks in self.x]), total)
        return tnp.reshape(total, (*x.shape[:-1], *self.c.shape[2 * ndim :]))

    def _made(self, c: Array) -> NdPPoly:
        made = object.__new__(NdPPoly)
        made.__attrs_init__(c, self.x, self.extrapolate)
        return made

    def derivative(self, nu: Any) -> NdPPoly:
        """Return the derivative of these orders; negative ones are those of antiderivatives."""
        c = self.c
        for axis, order in enumerate(np.atleast_1d(nu).tolist()):
            for _ in range(order):
                c = self._differentiated(c, axis)
            for _ in range(-order):
                c = self._integrated(c, axis)
        return self._made(c)

    def antiderivative(self, nu: Any) -> NdPPoly:
        """Return the antiderivative of these orders that is continuous, and 0 at the first breakpoints."""
        return self.derivative([-order for order in np.atleast_1d(nu).tolist()])

    def _differentiated(self, c: Array, axis: int) -> Array:
        c = tnp.moveaxis(c, axis, 0)
        powers = np.arange(c.shape[0] - 1.0, 0, -1)
        c = across(powers, c.ndim) * c[:-1] if c.shape[0] > 1 else tnp.zeros_like(c)
        return tnp.moveaxis(c, 0, axis)

    def _integrated(self, c: Array, axis: int) -> Array:
        """Integrate along an axis."""
        ndim = len(self.x)
        c = tnp.moveaxis(c, (axis, ndim + axis), (0, 1))
        return tnp.moveaxis(integrated_pieces(c, self.x[axis]), (0, 1), (axis, ndim + axis))

    def integrate(self, ranges: Any, extrapolate: Any = None) -> Array:
        """Integrate over a box, given by the limits of each variable."""
        area, ndim = self.antiderivative([1] * len(self.x)), len(self.x)
        if len(ranges) != ndim:
            raise ArgumentError(f"interpolate.NdPPoly.integrate: ranges must be {ndim} pairs; got {len(ranges)}.")
        total: Array = 0.0
        for sides in itertools.product((0, 1), repeat=ndim):
            corner = tnp.stack([double(pair[side]) for pair, side in zip(ranges, sides, strict=True)])
            total = total + (-1.0) ** (ndim - sum(sides)) * area(corner[None], None, extrapolate)[0]
        return total


def _summed_powers(c: Array, distance: Array, order: int) -> Array:
    """Sum a polynomial along the second axis, or its derivative: coefficients for each point, highest power first."""
    degree = c.shape[1] - 1
    total = tnp.zeros_like(c[:, 0])
    for power in range(degree, order - 1, -1):
        total = total * across(distance, total.ndim) + math.perm(power, order) * c[:, degree - power]
    return total
