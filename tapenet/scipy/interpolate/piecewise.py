"""Piecewise polynomials in the power basis, and cubic ones through given points.

On an interval the polynomial is a sum of powers of the distance from its left end, so that the derivatives by the
point, by the ends and by the coefficients are those of Horner's rule; the coefficients are formulas of the data.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import scipy.interpolate

import tapenet.numpy as tnp
from tapenet.core.arguments import axis_of
from tapenet.core.nondifferentiable import branch_condition, choice
from tapenet.core.primitive import Array
from tapenet.core.pytrees import static_field
from tapenet.errors import ArgumentError
from tapenet.scipy.interpolate.checks import (
    across,
    double,
    in_place,
    interval,
    is_increasing,
    nan_at_nan,
    nan_outside,
    on_tape,
    periodic,
    samples,
)
from tapenet.scipy.linalg import solve_banded
from tapenet.scipy.solutions import moved, solved


@attrs.frozen(eq=False, init=False)
class PPoly:
    """Piecewise polynomial by its coefficients and breakpoints, as scipy.interpolate.PPoly.

    Derivatives: by the points, the coefficients and the breakpoints; at a breakpoint those of the piece on the right.

    Args:
        c: coefficients, shape (degree + 1, pieces, ...), of the highest power first.
        x: breakpoints, increasing, shape (pieces + 1,).
        extrapolate: whether the first and last piece go on beyond the ends; else NaN is there; or "periodic".
        axis: of the results, at which the points' axes are.

    >>> p = tn.scipy.interpolate.PPoly([[1.0], [0.0], [2.0]], [0.0, 4.0])
    >>> tn.grad(p)(3.0)
    np.float64(6.0)
    """

    c: Array
    x: Array
    extrapolate: Any = static_field()
    axis: int = static_field()

    def __init__(self, c: Any, x: Any, extrapolate: Any = None, axis: int = 0) -> None:
        if not on_tape(c, x):
            theirs = scipy.interpolate.PPoly(c, x, extrapolate, axis)
            self.__attrs_init__(theirs.c, theirs.x, theirs.extrapolate, theirs.axis)
            return
        c, x, axis = checked_pieces("interpolate.PPoly", c, x, axis)
        self.__attrs_init__(c, x, True if extrapolate is None else extrapolate, axis)

    def _theirs(self) -> Any:
        return scipy.interpolate.PPoly.construct_fast(self.c, self.x, self.extrapolate, self.axis)

    def _made(self, c: Array, x: Array) -> PPoly:
        made = object.__new__(PPoly)
        made.__attrs_init__(c, x, self.extrapolate, self.axis)
        return made

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Array:
        """Evaluate the polynomial, or its derivative of order nu, at points of any shape."""
        if not on_tape(self.c, self.x, x):
            return self._theirs()(x, nu, extrapolate)
        extrapolate = self.extrapolate if extrapolate is None else extrapolate
        x = double(x)
        at = tnp.ravel(x)
        if extrapolate == "periodic":
            at = periodic(at, self.x[0], self.x[-1])
        if nu < 0:
            return self.antiderivative(-nu)(x, 0, extrapolate)
        out = self._evaluated(at, nu)
        if not extrapolate:
            out = nan_outside(out, at, self.x[0], self.x[-1])
        return in_place(tnp.reshape(out, (*x.shape, *self.c.shape[2:])), x.ndim, self.axis)

    def _evaluated(self, at: Array, nu: int) -> Array:
        piece = interval(self.x, at, 0, self.c.shape[1] - 1)
        distance = across(at - tnp.take(self.x, piece, 0), self.c.ndim - 1)
        degree = self.c.shape[0] - 1
        total: Array = np.zeros((at.shape[0], *self.c.shape[2:]))
        for power in range(degree, nu - 1, -1):
            factor = float(np.prod(np.arange(power - nu + 1, power + 1)))
            total = total * distance + factor * tnp.take(self.c[degree - power], piece, 0)
        return total if degree > nu else nan_at_nan(tnp.broadcast_to(total, (at.shape[0], *self.c.shape[2:])), at)

    def derivative(self, nu: int = 1) -> PPoly:
        """Return the derivative of order nu."""
        if nu < 0:
            return self.antiderivative(-nu)
        degree = self.c.shape[0] - 1
        if nu > degree:
            return self._made(tnp.zeros_like(self.c[:1]), self.x)
        powers = np.arange(degree, nu - 1, -1)
        factors = np.prod(powers[:, None] - np.arange(nu), axis=1).astype(float)
        return self._made(across(factors, self.c.ndim) * self.c[: degree - nu + 1], self.x)

    def antiderivative(self, nu: int = 1) -> PPoly:
        """Return the antiderivative of order nu that is continuous, and 0 at the first breakpoint."""
        if nu < 0:
            return self.derivative(-nu)
        c = self.c
        for _ in range(nu):
            c = integrated_pieces(c, self.x)
        return self._made(c, self.x)

    def integrate(self, a: Any, b: Any, extrapolate: Any = None) -> Array:
        """Integrate from a to b."""
        if not on_tape(self.c, self.x, a, b):
            return self._theirs().integrate(a, b, extrapolate)
        return area_between(self, a, b, self.extrapolate if extrapolate is None else extrapolate)

    def solve(self, y: Any = 0.0, discontinuity: bool = True, extrapolate: Any = None) -> Any:
        """Find where the polynomial is y.

        Derivatives: by y, the coefficients and the breakpoints, (y_dot - p_dot(r)) / p'(r) at each place r. On a tape
        the polynomial has one component, and does not jump over y.
        """
        if not on_tape(self.c, self.x, y):
            return self._theirs().solve(y, discontinuity, extrapolate)
        name = f"interpolate.{type(self).__name__}.solve"
        y = double(y)
        if self.c.ndim != 2 or y.ndim:
            raise ArgumentError(f"{name}: c must have two axes on a tape, and y be a number; got shape {self.c.shape}.")

        def solve(c: Array, x: Array, y: Array) -> Array:
            theirs = scipy.interpolate.PPoly.construct_fast(c, x, self.extrapolate)
            found = np.asarray(theirs.solve(y, discontinuity, extrapolate))
            if not np.allclose(theirs(found), y, 0, 1e-6 * max(np.max(np.abs(c)), 1e-300)):
                raise ArgumentError(f"{name}: the polynomial must not jump over y, or stay there. Move y.")
            return found

        return solved(name, solve, _place_tangent, self.c, self.x, y)

    def roots(self, discontinuity: bool = True, extrapolate: Any = None) -> Any:
        """Find where the polynomial is 0, with the derivatives of `solve`."""
        return self.solve(0.0, discontinuity, extrapolate)


def checked_pieces(name: str, c: Any, x: Any, axis: int) -> tuple[Array, Array, int]:
    """Return checked coefficients and breakpoints of a piecewise polynomial, and the axis of its results."""
    c, x = double(c), double(x)
    if c.ndim < 2 or x.ndim != 1 or c.shape[1] != x.shape[0] - 1:
        raise ArgumentError(
            f"{name}: c must have shape (degree + 1, pieces, ...), and x one breakpoint more than there are pieces; "
            f"got shapes {c.shape} and {x.shape}."
        )
    if not is_increasing(x):
        raise ArgumentError(f"{name}: `x` must be strictly increasing on a tape. Reverse x, and c with it.")
    return c, x, axis_of(name, axis, c.ndim - 1)


def integrated_pieces(c: Array, x: Array) -> Array:
    """Return the coefficients of the antiderivative, each piece of which goes on from the one before."""
    raised = c / across(np.arange(c.shape[0], 0, -1.0), c.ndim)
    width = across(tnp.diff(x), c.ndim - 1)
    areas = tnp.zeros_like(c[0])
    for row in raised:
        areas = (areas + row) * width
    starts = tnp.concatenate([tnp.zeros_like(areas[:1]), tnp.cumsum(areas[:-1], 0)], 0)
    return tnp.concatenate([raised, starts[None]], 0)


def area_between(polynomial: Any, a: Any, b: Any, extrapolate: Any) -> Array:
    """Integrate a piecewise polynomial from a to b by its antiderivative."""
    area, first, last = polynomial.antiderivative(), polynomial.x[0], polynomial.x[-1]
    if extrapolate == "periodic":
        period, turns = area(last, 0, True), [tnp.floor((double(t) - first) / (last - first)) for t in (a, b)]
        ends = [area(periodic(double(t), first, last), 0, True) for t in (a, b)]
        return ends[1] - ends[0] + (turns[1] - turns[0]) * period
    return area(b, 0, extrapolate) - area(a, 0, extrapolate)


def _place_tangent(out: Array, args: Any, dots: Any) -> Array:
    c, x, _ = args
    value = moved(lambda at, c, x, y: PPoly(c, x)(at) - y, out, args, dots)
    return -value / PPoly(c, x)(out, 1)


# ---- cubic ones ----


def _coefficients(x: Array, y: Array, slopes: Array) -> Array:
    """Return the coefficients of the cubic pieces with given values and slopes at the breakpoints."""
    width = across(tnp.diff(x), y.ndim)
    secant = tnp.diff(y, axis=0) / width
    bend = (slopes[:-1] + slopes[1:] - 2 * secant) / width
    return tnp.stack([bend / width, (secant - slopes[:-1]) / width - bend, slopes[:-1], y[:-1]])


@attrs.frozen(eq=False, init=False)
class CubicHermiteSpline(PPoly):
    """Piecewise cubic polynomial of given values and derivatives, as scipy.interpolate.CubicHermiteSpline.

    Derivatives: of its values by the points, and by the places, values and derivatives that it goes through.
    """

    def __init__(self, x: Any, y: Any, dydx: Any, axis: int = 0, extrapolate: Any = None) -> None:
        if not on_tape(x, y, dydx):
            theirs = scipy.interpolate.CubicHermiteSpline(x, y, dydx, axis, extrapolate)
            self.__attrs_init__(theirs.c, theirs.x, theirs.extrapolate, theirs.axis)
            return
        name = "interpolate.CubicHermiteSpline"
        x, y, axis = samples(name, x, y, axis)
        slopes = tnp.moveaxis(double(dydx), axis, 0)
        if slopes.shape != y.shape:
            raise ArgumentError(f"{name}: the shapes of `y` and `dydx` must be identical.")
        extrapolate = True if extrapolate is None else extrapolate
        self.__attrs_init__(_coefficients(x, y, slopes), x, extrapolate, axis)


_opposed = choice(
    lambda m: (np.sign(m[1:]) != np.sign(m[:-1])) | (m[1:] == 0) | (m[:-1] == 0), name="interpolate.opposed"
)
_unlike = choice(lambda d, m: np.sign(d) != np.sign(m), name="interpolate.unlike")
_steep = choice(lambda d, m, n: (np.sign(m) != np.sign(n)) & (np.abs(d) > 3 * np.abs(m)), name="interpolate.steep")


def _end_slope(h: Array, further: Array, m: Array, next_m: Array) -> Array:
    """Return the slope at an end of three points, changed where it would overshoot."""
    d = ((2 * h + further) * m - h * next_m) / (h + further)
    return tnp.where(_unlike(d, m), 0.0, tnp.where(_steep(d, m, next_m), 3 * m, d))


def _pchip_slopes(x: Array, y: Array) -> Array:
    """Return slopes that keep the data's monotonicity: weighted harmonic means of the secants' (Fritsch, Butland)."""
    h = across(tnp.diff(x), y.ndim)
    m = tnp.diff(y, axis=0) / h
    if y.shape[0] == 2:
        return tnp.concatenate([m, m], 0)
    flat = _opposed(m)
    before, after = tnp.where(flat, 1.0, m[:-1]), tnp.where(flat, 1.0, m[1:])
    first, second = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    inner = tnp.where(flat, 0.0, (first + second) / (first / before + second / after))
    left, right = _end_slope(h[0], h[1], m[0], m[1]), _end_slope(h[-1], h[-2], m[-1], m[-2])
    return tnp.concatenate([left[None], inner, right[None]], 0)


@attrs.frozen(eq=False, init=False)
class PchipInterpolator(PPoly):
    """Piecewise cubic polynomial that is monotonic where the data are, as scipy.interpolate.PchipInterpolator.

    Derivatives: of the slopes where they are harmonic means, 0 where a slope is set to 0, and of its values by the
    points, the data and the places, through the coefficients.
    """

    def __init__(self, x: Any, y: Any, axis: int = 0, extrapolate: Any = None) -> None:
        if not on_tape(x, y):
            theirs = scipy.interpolate.PchipInterpolator(x, y, axis, extrapolate)
            self.__attrs_init__(theirs.c, theirs.x, theirs.extrapolate, theirs.axis)
            return
        x, y, axis = samples("interpolate.PchipInterpolator", x, y, axis)
        if y.dtype.kind == "c":
            raise ArgumentError(
                "interpolate.PchipInterpolator: `PchipInterpolator` only works with real values for `y`."
            )
        extrapolate = True if extrapolate is None else extrapolate
        self.__attrs_init__(_coefficients(x, y, _pchip_slopes(x, y)), x, extrapolate, axis)


_weighty = choice(
    lambda f: f > 1e-9 * np.max(f, initial=-np.inf), name="interpolate.weighty"
)  # below, both weights are rounding errors


def _akima_slopes(x: Array, y: Array, method: str) -> Array:
    """Return the slopes of Akima (1970), or of the modified ones of Moler and Ionita (2019)."""
    m = tnp.diff(y, axis=0) / across(tnp.diff(x), y.ndim)
    if y.shape[0] == 2:
        return tnp.concatenate([m, m], 0)
    near, last = 2 * m[0] - m[1], 2 * m[-1] - m[-2]
    m = tnp.concatenate([(2 * near - m[0])[None], near[None], m, last[None], (2 * last - m[-1])[None]], 0)
    weights = tnp.abs(tnp.diff(m, axis=0))
    if method == "makima":
        weights = weights + 0.5 * tnp.abs(m[1:] + m[:-1])
    before, both = weights[:-2], weights[:-2] + weights[2:]
    chosen = _weighty(both)
    share = before / tnp.where(chosen, both, 1.0)
    return tnp.where(chosen, m[1:-2] + share * (m[2:-1] - m[1:-2]), 0.5 * (m[3:] + m[:-3]))


@attrs.frozen(eq=False, init=False)
class Akima1DInterpolator(PPoly):
    """Piecewise cubic polynomial through points, with slopes by Akima, as scipy.interpolate.Akima1DInterpolator.

    Derivatives: of the slopes' weights, absolute values of which the derivative at 0 is 0, and of its values by the
    points, the data and the places, through the coefficients.
    """

    def __init__(self, x: Any, y: Any, axis: int = 0, *, method: str = "akima", extrapolate: Any = None) -> None:
        name = "interpolate.Akima1DInterpolator"
        if not on_tape(x, y):
            options = {} if method == "akima" else {"method": method}  # from SciPy 1.13 on
            theirs = scipy.interpolate.Akima1DInterpolator(x, y, axis, **options)
            extrapolate = theirs.extrapolate if extrapolate is None else extrapolate
            self.__attrs_init__(theirs.c, theirs.x, extrapolate, theirs.axis)
            return
        if method not in ("akima", "makima"):
            raise ArgumentError(f"{name}: `method`={method} is unsupported. Write 'akima' or 'makima'.")
        x, y, axis = samples(name, x, y, axis)
        if y.dtype.kind == "c":
            raise ArgumentError(f"{name}: `Akima1DInterpolator` only works with real values for `y`.")
        extrapolate = False if extrapolate is None else extrapolate
        slopes = _akima_slopes(x, y, method)
        self.__attrs_init__(_coefficients(x, y, slopes), x, extrapolate, axis)


# ---- cubic splines ----


@branch_condition
def _closes(first: Array, last: Array) -> bool:
    return bool(np.allclose(first, last, rtol=1e-15, atol=1e-15))


def _conditions(bc_type: Any, y: Array) -> list[Any]:
    """Return what holds at each end: "not-a-knot", "periodic", or the order of a derivative and its value."""
    name = "interpolate.CubicSpline"
    if isinstance(bc_type, str):
        if bc_type == "periodic" and not _closes(y[0], y[-1]):
            raise ArgumentError(
                f"{name}: the first and last `y` must be identical (within machine precision) when bc_type='periodic'."
            )
        bc_type = (bc_type, bc_type)
    elif len(bc_type) != 2:
        raise ArgumentError(f"{name}: `bc_type` must contain 2 elements to specify start and end conditions.")
    elif any(isinstance(bc, str) and bc == "periodic" for bc in bc_type):
        raise ArgumentError(
            f"{name}: 'periodic' `bc_type` is defined for both curve ends and cannot be used with other boundary "
            "conditions."
        )
    return [_condition(name, bc, y) for bc in bc_type]


def _condition(name: str, bc: Any, y: Array) -> Any:
    if isinstance(bc, str):
        orders = {"clamped": 1, "natural": 2}
        if bc in orders:
            return orders[bc], np.zeros(y.shape[1:])
        if bc not in ("not-a-knot", "periodic"):
            raise ArgumentError(f"{name}: bc_type={bc} is not allowed.")
        return bc
    if len(bc) != 2 or bc[0] not in (1, 2):
        raise ArgumentError(f"{name}: the specified derivative order must be 1 or 2, in the form (order, value).")
    value = double(bc[1])
    if value.shape != y.shape[1:]:
        raise ArgumentError(f"{name}: `deriv_value` shape {value.shape} is not the expected one {y.shape[1:]}.")
    return bc[0], value


def _end_row(bc: Any, h: Array, further: Array, rise: Array, secant: Array, next_secant: Array, sign: float) -> Any:
    """Return the equation of the slopes at an end: the end's factor, its neighbour's, and the right-hand side."""
    if bc == "not-a-knot":
        d = h + further
        return further, d, ((h + 2 * d) * further * secant + h * h * next_secant) / d
    order, value = bc
    if order == 1:
        return np.ones_like(h), np.zeros_like(h), value
    return 2 * h, h, 3 * rise - sign * 0.5 * value * h * h


def _spline_slopes(x: Array, y: Array, ends: list[Any]) -> Array:
    """Return the slopes at the breakpoints for which the second derivative is continuous; y has two axes."""
    h = tnp.diff(x)
    width = across(h, 2)
    secant = tnp.diff(y, axis=0) / width
    n = x.shape[0]
    if n == 2:
        ends = [(1, secant[0]) if isinstance(bc, str) else bc for bc in ends]
    if n == 3 and ends[0] == ends[1] == "periodic":
        slope = tnp.sum(secant / width, 0) / tnp.sum(1.0 / width, 0)
        return tnp.broadcast_to(slope, y.shape)
    inner = 3 * (width[1:] * secant[:-1] + width[:-1] * secant[1:])
    if isinstance(ends[0], str) and ends[0] == "periodic":
        return _periodic_slopes(h, secant, inner)
    if n == 3 and isinstance(ends[0], str) and isinstance(ends[1], str):
        # a parabola through the three points: two conditions say the same, and one of them holds for it
        first = secant[0] - h[0] * (secant[1] - secant[0]) / (h[0] + h[1])
        ends = [(1, first), ends[1]]
    return _by_ends(h, y, secant, inner, ends)


def _by_ends(h: Array, y: Array, secant: Array, inner: Array, ends: list[Any]) -> Array:
    last = y.shape[0] - 2
    other = min(1, last)
    first_row = _end_row(ends[0], h[0], h[other], y[1] - y[0], secant[0], secant[other], 1.0)
    last_row = _end_row(ends[1], h[last], h[last - other], y[-1] - y[-2], secant[last], secant[last - other], -1.0)
    zero = np.zeros(1)
    ab = tnp.stack(
        [
            tnp.concatenate([zero, first_row[1][None], h[:-1]]),
            tnp.concatenate([first_row[0][None], 2 * (h[:-1] + h[1:]), last_row[0][None]]),
            tnp.concatenate([h[1:], last_row[1][None], zero]),
        ]
    )
    return solve_banded((1, 1), ab, tnp.concatenate([first_row[2][None], inner, last_row[2][None]], 0))


def _periodic_slopes(h: Array, secant: Array, inner: Array) -> Array:
    """Solve the cyclic system of n - 1 slopes: a banded one for all but the last, as a function of the last."""
    start = 3 * (h[0] * secant[-1] + h[-1] * secant[0])
    b = tnp.concatenate([start[None], inner], 0)
    zero = np.zeros(1)
    ab = tnp.stack(
        [
            tnp.concatenate([zero, h[-1:], h[:-3]]),
            tnp.concatenate([2 * (h[-1:] + h[:1]), 2 * (h[:-2] + h[1:-1])]),
            tnp.concatenate([h[1:-1], zero]),
        ]
    )
    by_last = tnp.concatenate([-h[:1], np.zeros(h.shape[0] - 3), -h[-3:-2]])
    both = solve_banded((1, 1), ab, tnp.concatenate([b[:-1], across(by_last, 2)], 1))
    given, factor = both[:, :-1], both[:, -1:]
    last = (b[-1] - h[-2] * given[0] - h[-1] * given[-1]) / (
        2 * (h[-1] + h[-2]) + h[-2] * factor[0] + h[-1] * factor[-1]
    )
    most = given + factor * last
    return tnp.concatenate([most, last[None], most[:1]], 0)


@attrs.frozen(eq=False, init=False)
class CubicSpline(PPoly):
    """Cubic spline with a continuous second derivative through points, as scipy.interpolate.CubicSpline.

    Derivatives: of its values by the points, and by the places, the data and the boundary values, through the banded
    system of its slopes.

    Args:
        x: places, increasing, shape (n,).
        y: data, with n of them along `axis`.
        axis: of the places.
        bc_type: "not-a-knot", "periodic", "clamped", "natural", or for each end one of these or (order, value).
        extrapolate: whether the first and last piece go on beyond the ends; else NaN is there; or "periodic".

    >>> x = np.arange(4.0)
    >>> tn.grad(tn.scipy.interpolate.CubicSpline(x, x**3))(1.5).round(6)
    np.float64(6.75)
    """

    def __init__(self, x: Any, y: Any, axis: int = 0, bc_type: Any = "not-a-knot", extrapolate: Any = None) -> None:
        if not on_tape(x, y, bc_type):
            theirs = scipy.interpolate.CubicSpline(x, y, axis, bc_type, extrapolate)
            self.__attrs_init__(theirs.c, theirs.x, theirs.extrapolate, theirs.axis)
            return
        x, y, axis = samples("interpolate.CubicSpline", x, y, axis)
        ends = _conditions(bc_type, y)
        if extrapolate is None:
            extrapolate = "periodic" if isinstance(ends[0], str) and ends[0] == "periodic" else True
        flat = tnp.reshape(y, (y.shape[0], -1))
        ends = [bc if isinstance(bc, str) else (bc[0], tnp.reshape(bc[1], (-1,))) for bc in ends]
        slopes = tnp.reshape(_spline_slopes(x, flat, ends), y.shape)
        self.__attrs_init__(_coefficients(x, y, slopes), x, extrapolate, axis)


def pchip_interpolate(xi: Any, yi: Any, x: Any, der: Any = 0, axis: int = 0) -> Any:
    """Interpolate by piecewise cubic polynomials that are monotonic where the data are.

    Derivatives: those of PchipInterpolator.
    """
    if not on_tape(xi, yi, x):
        return scipy.interpolate.pchip_interpolate(xi, yi, x, der, axis)
    p = PchipInterpolator(xi, yi, axis)
    return p(x, der) if np.ndim(der) == 0 else [p(x, nu) for nu in der]
