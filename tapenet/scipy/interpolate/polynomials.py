"""One polynomial through points, and piecewise polynomials in Bernstein's basis."""

from __future__ import annotations

import itertools
import math
from typing import Any

import attrs
import numpy as np
import scipy.interpolate

import tapenet.numpy as tnp
from tapenet.core.arguments import axis_of
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array
from tapenet.core.pytrees import static_field
from tapenet.errors import ArgumentError
from tapenet.scipy.interpolate.checks import (
    Theirs,
    across,
    double,
    in_place,
    interval,
    nan_at_nan,
    nan_outside,
    on_tape,
    periodic,
)
from tapenet.scipy.interpolate.piecewise import area_between, checked_pieces


@branch_condition
def _is_equal(a: Array, b: Array) -> bool:
    return bool(np.all(np.asarray(a) == np.asarray(b)))


@branch_condition
def _has_equal(x: Array) -> bool:
    return bool(np.any(np.diff(np.sort(x, -1), axis=-1) == 0))


def _given(name: str, xi: Any, yi: Any, axis: int) -> tuple[Array, Array, int]:
    """Return places, and values with the axis of the places in front."""
    xi, yi = double(xi), double(yi)
    axis = axis_of(name, axis, yi.ndim)
    yi = tnp.moveaxis(yi, axis, 0)
    if xi.ndim != 1 or xi.shape[0] != yi.shape[0] or not xi.shape[0]:
        raise ArgumentError(f"{name}: x and y arrays must be equal in length; got shapes {xi.shape} and {yi.shape}.")
    return xi, yi, axis


def _repeats(xi: Array) -> Any:
    """Return for each place how many before it are the same."""
    counts = np.zeros(xi.shape[0], int)
    for i in range(1, len(counts)):
        counts[i] = counts[i - 1] + 1 if _is_equal(xi[i], xi[i - 1]) else 0
    return counts


def _divided_differences(xi: Array, yi: Array) -> Array:
    """Return the coefficients of Newton's form; at places that repeat values are derivatives."""
    counts, n = _repeats(xi), xi.shape[0]
    first = np.arange(n) - counts
    level = tnp.take(yi, first, 0)
    found = [level[0]]
    for k in range(1, n):
        same = counts[k:] >= k
        spans = tnp.where(same, 1.0, xi[k:] - xi[:-k])
        steps = tnp.diff(level, axis=0) / across(spans, level.ndim)
        given = tnp.take(yi, np.where(same, first[k:] + k, 0), 0) / math.factorial(k)
        level = tnp.where(across(same, level.ndim), given, steps)
        found.append(level[0])
    return tnp.stack(found)


@attrs.frozen(eq=False, init=False)
class KroghInterpolator:
    """Polynomial through points, with derivatives at places that repeat, as scipy.interpolate.KroghInterpolator.

    Derivatives: by the points, the places and the data, through the divided differences.

    >>> p = tn.scipy.interpolate.KroghInterpolator([0.0, 0.0, 1.0], [0.0, 0.0, 1.0])
    >>> tn.grad(p)(3.0)
    np.float64(6.0)
    """

    xi: Array
    yi: Array
    c: Array
    axis: int = static_field()
    theirs: Theirs = static_field()

    def __init__(self, xi: Any, yi: Any, axis: int = 0) -> None:
        made = None if on_tape(xi, yi) else scipy.interpolate.KroghInterpolator(xi, yi, axis)
        xi, yi, axis = _given("interpolate.KroghInterpolator", xi, yi, axis)
        self.__attrs_init__(xi, yi, _divided_differences(xi, yi), axis, Theirs(made, yi))

    def __call__(self, x: Any) -> Array:
        """Evaluate the polynomial at points of any shape."""
        if self.theirs.stands_for(self.yi, x):
            return self.theirs.made(x)
        return self._orders(x, 1)[0]

    def derivatives(self, x: Any, der: int | None = None) -> Array:
        """Evaluate the polynomial and its derivatives of the orders below `der`, along a new axis in front."""
        if self.theirs.stands_for(self.yi, x):
            return self.theirs.made.derivatives(x, der)
        return tnp.stack(self._orders(x, self.xi.shape[0] if der is None else der))

    def derivative(self, x: Any, der: int = 1) -> Array:
        """Evaluate a derivative of the polynomial."""
        if self.theirs.stands_for(self.yi, x):
            return self.theirs.made.derivative(x, der)
        return self._orders(x, der + 1)[der]

    def _orders(self, x: Any, count: int) -> list[Array]:
        x = double(x)
        at = tnp.ravel(x)
        shape = (at.shape[0], *self.c.shape[1:])
        orders: list[Array] = [np.zeros(shape) for _ in range(count)]
        for i in range(self.xi.shape[0] - 1, -1, -1):
            distance = across(at - self.xi[i], len(shape))
            for order in range(count - 1, 0, -1):
                orders[order] = orders[order] * distance + order * orders[order - 1]
            orders[0] = orders[0] * distance + self.c[i]
        orders = [nan_at_nan(tnp.broadcast_to(one, shape), at) for one in orders]
        return [in_place(tnp.reshape(one, (*x.shape, *shape[1:])), x.ndim, self.axis) for one in orders]


def krogh_interpolate(xi: Any, yi: Any, x: Any, der: Any = 0, axis: int = 0) -> Any:
    """Interpolate by one polynomial, or evaluate its derivatives.

    Derivatives: those of KroghInterpolator.

    Parameters and results are those of scipy.interpolate.krogh_interpolate.
    """
    if not on_tape(xi, yi, x):
        return scipy.interpolate.krogh_interpolate(xi, yi, x, der, axis)
    return _of_orders(KroghInterpolator(xi, yi, axis), x, der)


def _of_orders(made: Any, x: Any, der: Any) -> Any:
    """Return the values of a polynomial, one of its derivatives, or several."""
    if np.ndim(der):
        return made.derivatives(x, max(der) + 1)[np.asarray(der)]
    return made.derivative(x, der) if der else made(x)


@attrs.frozen(eq=False, init=False)
class BarycentricInterpolator:
    """Polynomial through points, as scipy.interpolate.BarycentricInterpolator.

    Derivatives: by the points, the places and the data, those of Lagrange's basis, also at the places themselves.
    """

    xi: Array
    yi: Array
    axis: int = static_field()
    theirs: Theirs = static_field()

    def __init__(self, xi: Any, yi: Any, axis: int = 0, **settings: Any) -> None:
        made = None if on_tape(xi, yi) else scipy.interpolate.BarycentricInterpolator(xi, yi, axis, **settings)
        name = "interpolate.BarycentricInterpolator"
        xi, yi, axis = _given(name, xi, yi, axis)
        if _has_equal(xi):
            raise ArgumentError(f"{name}: Interpolation points xi must be distinct.")
        self.__attrs_init__(xi, yi, axis, Theirs(made, yi))

    def __call__(self, x: Any) -> Array:
        """Evaluate the polynomial at points of any shape."""
        if self.theirs.stands_for(self.yi, x):
            return self.theirs.made(x)
        x = double(x)
        at = tnp.ravel(x)
        same = np.eye(self.xi.shape[0], dtype=bool)
        spans = tnp.where(same, 1.0, self.xi[:, None] - self.xi)
        shares = tnp.where(same, 1.0, (at[:, None, None] - self.xi) / spans)
        values = tnp.reshape(self.yi, (self.yi.shape[0], -1))
        out = tnp.matmul(tnp.prod(shares, -1), values)
        return in_place(tnp.reshape(out, (*x.shape, *self.yi.shape[1:])), x.ndim, self.axis)

    def derivatives(self, x: Any, der: int | None = None) -> Array:
        """Evaluate the polynomial and its derivatives of the orders below `der`, along a new axis in front."""
        return self._by_newton().derivatives(x, der)

    def derivative(self, x: Any, der: int = 1) -> Array:
        """Evaluate a derivative of the polynomial."""
        return self._by_newton().derivative(x, der)

    def _by_newton(self) -> KroghInterpolator:
        return KroghInterpolator(self.xi, tnp.moveaxis(self.yi, 0, self.axis), self.axis)


def barycentric_interpolate(xi: Any, yi: Any, x: Any, axis: int = 0, *, der: Any = 0, **settings: Any) -> Any:
    """Interpolate by one polynomial, or evaluate its derivatives.

    Derivatives: those of BarycentricInterpolator.

    Parameters and results are those of scipy.interpolate.barycentric_interpolate.
    """
    if not on_tape(xi, yi, x):
        return scipy.interpolate.barycentric_interpolate(xi, yi, x, axis, der=der, **settings)
    return _of_orders(BarycentricInterpolator(xi, yi, axis), x, der)


# ---- Bernstein's basis ----


@attrs.frozen(eq=False, init=False)
class BPoly:
    """Piecewise polynomial in Bernstein's basis, as scipy.interpolate.BPoly.

    Derivatives: by the points, the coefficients and the breakpoints; at a breakpoint those of the piece on the right.

    Args:
        c: coefficients, shape (degree + 1, pieces, ...).
        x: breakpoints, increasing, shape (pieces + 1,).
        extrapolate: whether the first and last piece go on beyond the ends; else NaN is there; or "periodic".
        axis: of the results, at which the points' axes are.
    """

    c: Array
    x: Array
    extrapolate: Any = static_field()
    axis: int = static_field()

    def __init__(self, c: Any, x: Any, extrapolate: Any = None, axis: int = 0) -> None:
        if not on_tape(c, x):
            theirs = scipy.interpolate.BPoly(c, x, extrapolate, axis)
            self.__attrs_init__(theirs.c, theirs.x, theirs.extrapolate, theirs.axis)
            return
        c, x, axis = checked_pieces("interpolate.BPoly", c, x, axis)
        self.__attrs_init__(c, x, True if extrapolate is None else extrapolate, axis)

    @classmethod
    def from_derivatives(cls, xi: Any, yi: Any, orders: Any = None, extrapolate: Any = None) -> BPoly:
        """Return the polynomial of given values and derivatives at the breakpoints.

        Args:
            xi: breakpoints, increasing.
            yi: for each breakpoint its value and derivatives.
            orders: of the pieces, which may leave the last derivatives out.
            extrapolate: as for the class.
        """
        if not on_tape(xi, yi):
            made = scipy.interpolate.BPoly.from_derivatives(xi, yi, orders, extrapolate)
            return cls(made.c, made.x, made.extrapolate)
        name = "interpolate.BPoly.from_derivatives"
        xi, rows = double(xi), [double(row) for row in yi]
        if len(rows) != xi.shape[0]:
            raise ArgumentError(f"{name}: xi and yi need to have the same length; got {xi.shape[0]} and {len(rows)}.")
        listed = [orders] * (len(rows) - 1) if orders is None or np.ndim(orders) == 0 else list(orders)
        ends = list(itertools.pairwise(rows))
        pieces = [
            _from_ends(name, xi[i + 1] - xi[i], *pair, order)
            for i, (pair, order) in enumerate(zip(ends, listed, strict=True))
        ]
        most = max([left.shape[0] + right.shape[0] for left, right in ends] + [order or 0 for order in listed])
        return cls(tnp.stack([_raised(piece, most - 1) for piece in pieces], 1), xi, extrapolate)

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Array:
        """Evaluate the polynomial, or its derivative of order nu, at points of any shape."""
        if not on_tape(self.c, self.x, x):
            theirs = scipy.interpolate.BPoly.construct_fast(self.c, self.x, self.extrapolate, self.axis)
            return theirs(x, nu, extrapolate)
        if nu:
            made = self.derivative(nu)
            return made(x, 0, extrapolate)
        extrapolate = self.extrapolate if extrapolate is None else extrapolate
        x = double(x)
        at = tnp.ravel(x)
        if extrapolate == "periodic":
            at = periodic(at, self.x[0], self.x[-1])
        piece = interval(self.x, at, 0, self.c.shape[1] - 1)
        low = tnp.take(self.x, piece, 0)
        share = across((at - low) / (tnp.take(self.x, piece + 1, 0) - low), self.c.ndim - 1)
        control = tnp.take(self.c, piece, 1)
        while control.shape[0] > 1:
            control = (1 - share) * control[:-1] + share * control[1:]
        out = nan_at_nan(control[0], at) if self.c.shape[0] == 1 else control[0]
        if not extrapolate:
            out = nan_outside(out, at, self.x[0], self.x[-1])
        return in_place(tnp.reshape(out, (*x.shape, *self.c.shape[2:])), x.ndim, self.axis)

    def _made(self, c: Array, extrapolate: Any) -> BPoly:
        made = object.__new__(BPoly)
        made.__attrs_init__(c, self.x, extrapolate, self.axis)
        return made

    def derivative(self, nu: int = 1) -> BPoly:
        """Return the derivative of order nu."""
        if nu < 0:
            return self.antiderivative(-nu)
        c = self.c
        for _ in range(nu):
            degree = c.shape[0] - 1
            steps = degree * tnp.diff(c, axis=0) / across(tnp.diff(self.x), c.ndim - 1)
            c = steps if degree else tnp.zeros_like(c)
        return self._made(c, self.extrapolate)

    def antiderivative(self, nu: int = 1) -> BPoly:
        """Return the antiderivative of order nu that is continuous, and 0 at the first breakpoint."""
        if nu < 0:
            return self.derivative(-nu)
        c = self.c
        for _ in range(nu):
            sums = tnp.cumsum(c, 0) / c.shape[0] * across(tnp.diff(self.x), c.ndim - 1)
            start = tnp.cumsum(sums[-1], 0) - sums[-1]
            c = tnp.concatenate([tnp.zeros_like(sums[:1]), sums], 0) + start[None]
        return self._made(c, False if self.extrapolate == "periodic" else self.extrapolate)

    def integrate(self, a: Any, b: Any, extrapolate: Any = None) -> Array:
        """Integrate from a to b."""
        if not on_tape(self.c, self.x, a, b):
            theirs = scipy.interpolate.BPoly.construct_fast(self.c, self.x, self.extrapolate, self.axis)
            return theirs.integrate(a, b, extrapolate)
        return area_between(self, a, b, self.extrapolate if extrapolate is None else extrapolate)


def _from_ends(name: str, h: Array, left: Array, right: Array, order: int | None) -> Array:
    """Return the coefficients of a piece of width h by values and derivatives at both ends."""
    a, b = left.shape[0], right.shape[0]
    if order is not None:
        count, most = int(order) + 1, a
        a = min(count // 2, most)
        b = min(count - a, b)
        a = min(count - b, most)
        if a + b != count:
            raise ArgumentError(f"{name}: yi must have {count} values for a piece of order {order}; got {a + b}.")
    n = a + b - 1
    ends = [_differences(h, left[:a], n), _differences(-h, right[:b], n)]
    return tnp.concatenate([tnp.stack(ends[0]), tnp.stack(ends[1][::-1])], 0)


def _differences(h: Array, values: Array, n: int) -> list[Array]:
    """Return the first coefficients from an end: their differences of order q are (n - q)! / n! h^q times values."""
    found: list[Array] = []
    for q in range(values.shape[0]):
        step = values[q] * h**q * (math.factorial(n - q) / math.factorial(n))
        rest = [(-1.0) ** (q - j) * math.comb(q, j) * found[j] for j in range(q)]
        found.append(step - sum(rest, start=0 * step))
    return found


def _raised(c: Array, degree: int) -> Array:
    """Return the same polynomial as one of a higher degree."""
    while c.shape[0] - 1 < degree:
        n = c.shape[0]
        share = across(np.arange(n + 1.0) / n, c.ndim)
        zero = tnp.zeros_like(c[:1])
        c = share * tnp.concatenate([zero, c], 0) + (1 - share) * tnp.concatenate([c, zero], 0)
    return c
