"""FITPACK's splines under SciPy's names: of knots, coefficients and degree, and fitted to data."""

from __future__ import annotations

import operator
from typing import Any

import attrs
import numpy as np
import scipy.interpolate

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array
from tapenet.core.pytrees import evolve, static_field
from tapenet.errors import ArgumentError
from tapenet.scipy.interpolate.checks import (
    double,
    interval,
    is_finite,
    is_increasing,
    is_negative,
    is_sorted,
    is_zero,
    on_tape,
)
from tapenet.scipy.interpolate.fits import Fit, fitted, make_lsq_spline, whole_knots
from tapenet.scipy.interpolate.splines import BSpline, between_ends, ends_of
from tapenet.scipy.solutions import moved, solved

Tck = tuple[Array, Array, int]

# ---- evaluation ----


def _from_tck(tck: Any) -> BSpline:
    if isinstance(tck, BSpline):
        return tck
    if isinstance(tck, scipy.interpolate.BSpline):
        return BSpline(tck.t, np.moveaxis(tck.c, 0, tck.axis), tck.k, tck.extrapolate, tck.axis)
    t, c, k = tck
    return BSpline(t, c, k)


def _plain(tck: Any) -> Any:
    """Return a spline of plain data as SciPy's functions take it."""
    return tck.tck if isinstance(tck, BSpline) else tck


def _padded(t: Array, c: Array, k: int) -> Tck:
    """Return knots, coefficients and degree as FITPACK does: zeros follow the coefficients, up to as many as knots."""
    return t, tnp.concatenate([c, np.zeros((t.shape[0] - c.shape[0], *c.shape[1:]))]), k


def _like(tck: Any, spline: BSpline) -> Any:
    """Return a spline in the form in which one was given."""
    return spline if isinstance(tck, BSpline) else _padded(*spline.tck)


def splev(x: Any, tck: Any, der: int = 0, ext: int = 0) -> Array:
    """Evaluate a spline, given by knots, coefficients and degree, or its derivative.

    Derivatives: those of BSpline, by the points, the knots and the coefficients.

    Parameters and results are those of scipy.interpolate.splev, for one dimension.
    """
    if not on_tape(x, tck):
        return scipy.interpolate.splev(x, _plain(tck), der, ext)
    if ext not in (0, 1, 2, 3):
        raise ArgumentError(f"interpolate.splev: ext = {ext} not in (0, 1, 2, 3).")
    spline, x = _from_tck(tck), double(x)
    low, high = spline.t[spline.k], spline.t[-spline.k - 1]
    inside = interval(tnp.stack([low, high]), x, -1, 1, "left")
    is_inside = (inside == 0) | (x == low)
    if ext == 2 and not _all(is_inside):
        raise ArgumentError("interpolate.splev: x must be between the first and the last knot with ext=2.")
    out = spline(tnp.clip(x, low, high) if ext == 3 else x, der, True)
    return tnp.where(is_inside, out, 0.0) if ext == 1 else out


@branch_condition
def _all(x: Array) -> bool:
    return bool(np.all(x))


def splint(a: Any, b: Any, tck: Any, full_output: int = 0) -> Array:
    """Integrate a spline, given by knots, coefficients and degree; it is 0 outside its knots.

    Derivatives: those of BSpline, by the limits, the knots and the coefficients.

    Parameters and results are those of scipy.interpolate.splint, for one dimension.
    """
    if not on_tape(a, b, tck):
        return scipy.interpolate.splint(a, b, _plain(tck), full_output)
    if full_output:
        raise ArgumentError("interpolate.splint: full_output must be 0 on a tape.")
    return _from_tck(tck).integrate(a, b, extrapolate=False)


def splder(tck: Any, n: int = 1) -> Any:
    """Return knots, coefficients and degree of the derivative of a spline.

    Derivatives: those of BSpline, by the knots and the coefficients.

    Parameters and results are those of scipy.interpolate.splder.
    """
    if not on_tape(tck) and not isinstance(tck, BSpline):
        return scipy.interpolate.splder(tck, n)
    return _like(tck, _from_tck(tck).derivative(n))


def splantider(tck: Any, n: int = 1) -> Any:
    """Return knots, coefficients and degree of the antiderivative of a spline.

    Derivatives: those of BSpline, by the knots and the coefficients.

    Parameters and results are those of scipy.interpolate.splantider.
    """
    if not on_tape(tck) and not isinstance(tck, BSpline):
        return scipy.interpolate.splantider(tck, n)
    return _like(tck, _from_tck(tck).antiderivative(n))


def spalde(x: Any, tck: Any) -> Any:
    """Evaluate a spline and all of its derivatives at points.

    Derivatives: those of BSpline, by the points, the knots and the coefficients.

    Parameters and results are those of scipy.interpolate.spalde, for one dimension.
    """
    if not on_tape(x, tck):
        return scipy.interpolate.spalde(x, _plain(tck))
    spline, x = _from_tck(tck), double(x)
    rows = tnp.stack([splev(x, spline, order) for order in range(spline.k + 1)], -1)
    return [rows[i] for i in range(x.shape[0])] if x.ndim else rows


def insert(x: Any, tck: Any, m: int = 1, per: int = 0) -> Any:
    """Insert a knot m times into a spline, which stays the same function.

    Derivatives: by the knot, the knots and the coefficients, those of Boehm's convex combinations.

    Parameters and results are those of scipy.interpolate.insert, for one dimension.
    """
    if not on_tape(x, tck):
        return scipy.interpolate.insert(x, _plain(tck), m, per)
    if per:
        raise ArgumentError("interpolate.insert: per must be 0 on a tape; got a periodic spline.")
    given, x = _from_tck(tck), double(x)
    t, c, k = given.t, given.c[: given.t.shape[0] - given.k - 1], given.k
    if x.ndim:
        raise ArgumentError(f"interpolate.insert: x must be a number; got shape {x.shape}.")
    if not _is_between(x, t[k], t[-k - 1]):
        raise ArgumentError("interpolate.insert: x must be between the first and the last knot.")
    for _ in range(m):
        t, c = _with_knot(t, c, k, x)
    return _like(tck, evolve(given, t=t, c=c))


def _with_knot(t: Array, c: Array, k: int, x: Array) -> tuple[Array, Array]:
    piece = interval(t, x[None], k, c.shape[0] - 1)
    n = c.shape[0] + 1
    i = np.arange(n)
    low, high = (tnp.take(t, np.clip(i + shift, 0, t.shape[0] - 1), 0) for shift in (0, k))
    is_before, is_behind = i <= piece - k, i > piece
    is_inner = ~(is_before | is_behind)
    share = tnp.where(is_before, 1.0, tnp.where(is_inner, (x - low) / tnp.where(is_inner, high - low, 1.0), 0.0))
    first, second = tnp.take(c, np.clip(i, 0, n - 2), 0), tnp.take(c, np.clip(i - 1, 0, n - 2), 0)
    share = tnp.reshape(share, (-1, *(1,) * (c.ndim - 1)))
    is_left = np.arange(t.shape[0] + 1) <= piece
    at = np.arange(t.shape[0] + 1)
    moved_knots = tnp.where(
        is_left,
        tnp.take(t, np.clip(at, 0, t.shape[0] - 1), 0),
        tnp.where(at == piece + 1, x, tnp.take(t, np.clip(at - 1, 0, t.shape[0] - 1), 0)),
    )
    return moved_knots, share * first + (1 - share) * second


@branch_condition
def _is_between(x: Array, low: Array, high: Array) -> bool:
    return bool(np.all((np.asarray(x) >= low) & (np.asarray(x) <= high)))


# ---- roots ----


def _root_tangent(out: Array, args: Any, dots: Any) -> Array:
    """Solve s'(r) r_dot = -s_dot(r) for roots of a cubic spline."""
    t, c = args
    value = moved(lambda at, t, c: BSpline(t, c, 3)(at), out, args, dots)
    return -value / BSpline(t, c, 3)(out, 1)


def sproot(tck: Any, mest: int = 10) -> Any:
    """Find the roots of a cubic spline.

    Derivatives: by the knots and the coefficients, -s_dot(r) / s'(r) at each root r; how many there are is piecewise
    constant.

    Parameters and results are those of scipy.interpolate.sproot, for one dimension.
    """
    if not on_tape(tck):
        return scipy.interpolate.sproot(_plain(tck), mest)
    spline = _from_tck(tck)
    if spline.k != 3 or spline.c.ndim != 1:
        raise ArgumentError(f"interpolate.sproot: the spline must be cubic and of one dimension; got k={spline.k}.")

    def solve(t: Array, c: Array) -> Array:
        return np.asarray(scipy.interpolate.sproot(_padded(t, c, 3), mest))

    return solved("interpolate.sproot", solve, _root_tangent, spline.t, spline.c)


# ---- fits ----


def _data(name: str, x: Any, y: Any, w: Any, k: Any, bounds: Any) -> tuple[Array, Array, Array, Array, int]:
    """Return checked places, values, weights, both ends and the degree."""
    k = operator.index(k)
    x, y = double(x), double(y)
    w = np.ones(x.shape) if w is None else double(w)
    if x.ndim != 1 or y.shape != x.shape or w.shape != x.shape:
        raise ArgumentError(f"{name}: x, y and w should be vectors of a same length; got {x.shape}, {y.shape}.")
    if not 1 <= k <= 5:
        raise ArgumentError(f"{name}: k should be 1 <= k <= 5; got {k}.")
    if x.shape[0] <= k:
        raise ArgumentError(f"{name}: x must have more than k = {k} places; got {x.shape[0]}.")
    if y.dtype.kind == "c" or x.dtype.kind == "c":
        raise ArgumentError(f"{name}: x and y must be real; got {x.dtype} and {y.dtype}.")
    if not (is_finite(x) and is_finite(y) and is_finite(w)):
        raise ArgumentError(f"{name}: x, y and w must not contain NaNs or infs.")
    return x, y, w, ends_of(x, bounds), k


def _smoothing(name: str, x: Array, s: Any) -> Array:
    s = double(s)
    if s.ndim or is_negative(s):
        raise ArgumentError(f"{name}: s should be a number with s >= 0.0.")
    if not is_sorted(x):
        raise ArgumentError(f"{name}: x must be increasing. Sort x, and y with it.")
    return s


def splrep(
    x: Any,
    y: Any,
    w: Any = None,
    xb: Any = None,
    xe: Any = None,
    k: int = 3,
    task: int = 0,
    s: Any = None,
    t: Any = None,
    full_output: int = 0,
    per: int = 0,
    quiet: int = 1,
) -> Any:
    """Find the spline through data, or one that smooths them, as knots, coefficients and degree.

    Derivatives: by the data, the places, the weights, xb and xe, given knots and s. Where FITPACK chooses the knots,
    which of the places they are is piecewise constant. As in SciPy k + 1 zeros follow the coefficients.

    Parameters are those of scipy.interpolate.splrep; on a tape `per` and `full_output` are not supported.
    """
    if not on_tape(x, y, w, xb, xe, s, t):
        return scipy.interpolate.splrep(x, y, w, xb, xe, k, task, s, t, full_output, per, quiet)
    name = "interpolate.splrep"
    if per or full_output or task == 1:
        raise ArgumentError(f"{name}: per, full_output and task=1 are not supported for a Tensor. Leave them out.")
    is_weighted = w is not None
    x, y, w, ends, k = _data(name, x, y, w, k, (xb, xe))
    if t is not None:
        return _padded(*_on_knots(name, x, y, w, ends, t, k))
    m = x.shape[0]
    s = _smoothing(name, x, (m - np.sqrt(2 * m) if is_weighted else 0.0) if s is None else s)
    if is_zero(s) and not is_increasing(x):
        raise ArgumentError(f"{name}: x must be strictly increasing if s = 0. Sort x, and y with it.")
    return _padded(*fitted(name, x, y, w, ends, Fit(k, "splrep"), s), k)


def _on_knots(name: str, x: Array, y: Array, w: Array, ends: Array, t: Any, k: int) -> Tck:
    t = between_ends(ends, double(t), k + 1)
    try:
        made = make_lsq_spline(x, y, t, k, w)
    except ArgumentError as error:
        raise ArgumentError(f"{name}: {str(error).partition(': ')[2]}") from None
    return made.t, made.c, k


_MODES: dict[Any, int] = {mode: code for code, name in enumerate(("extrapolate", "zeros", "raise", "const"))
                          for mode in (code, name)}  # fmt: skip


def _mode(name: str, ext: Any) -> int:
    if ext not in _MODES:
        raise ArgumentError(f"{name}: Unknown extrapolation mode {ext!r}.")
    return _MODES[ext]


@attrs.frozen(eq=False, init=False)
class UnivariateSpline:
    """Spline that smooths data, as scipy.interpolate.UnivariateSpline.

    Derivatives: of its values by the points, the data, the places, the weights, the bounds and s, through the
    coefficients; which places FITPACK takes for knots is piecewise constant.

    Args:
        x: places, increasing, shape (m,).
        y: data, shape (m,).
        w: weights of the residuals; ones by default.
        bbox: both ends; those of x by default.
        k: the degree, 1 to 5.
        s: the sum of squared residuals to reach; m by default, and 0 for a spline through the data.
        ext: outside: "extrapolate", "zeros", "raise" or "const", or their numbers 0 to 3.

    >>> x = np.arange(8.0)
    >>> tn.grad(lambda s: tn.scipy.interpolate.UnivariateSpline(x, np.sin(x), s=s)(2.5))(0.05) < 0
    np.True_
    """

    t: Array
    c: Array
    residual: Any
    k: int = static_field()
    ext: int = static_field()

    def __init__(
        self,
        x: Any,
        y: Any,
        w: Any = None,
        bbox: Any = (None, None),
        k: int = 3,
        s: Any = None,
        ext: Any = 0,
        check_finite: bool = False,
    ) -> None:
        name = f"interpolate.{type(self).__name__}"
        mode = _mode(name, ext)
        if not on_tape(x, y, w, bbox, s):
            self._of(scipy.interpolate.UnivariateSpline(x, y, w, list(bbox), k, s, ext, check_finite), k, mode)
            return
        x, y, w, ends, k = _data(name, x, y, w, k, bbox)
        s = _smoothing(name, x, float(x.shape[0]) if s is None else s)
        t, c = fitted(name, x, y, w, ends, Fit(k, "UnivariateSpline"), s)
        self._set(x, y, w, t, c, k, mode)

    def _of(self, theirs: Any, k: int, mode: int) -> None:
        residual = np.float64(theirs.get_residual())
        self.__attrs_init__(whole_knots(theirs, k), theirs.get_coeffs(), residual, k, mode)

    def _set(self, x: Array, y: Array, w: Array, t: Array, c: Array, k: int, mode: int) -> None:
        rest = w * (y - BSpline(t, c, k)(x))
        self.__attrs_init__(t, c, tnp.sum(rest * rest), k, mode)

    def __call__(self, x: Any, nu: int = 0, ext: Any = None) -> Array:
        """Evaluate the spline, or its derivative of order nu, at points of any shape."""
        name = f"interpolate.{type(self).__name__}"
        if nu > self.k:
            raise ArgumentError(f"{name}: nu must be at most the degree {self.k}; got {nu}.")
        if not on_tape(self.t, self.c, x) and np.size(x) == 0:
            return np.zeros(np.shape(x))
        return splev(x, BSpline(self.t, self.c, self.k), nu, self.ext if ext is None else _mode(name, ext))

    def get_knots(self) -> Array:
        """Return the inner knots and both ends."""
        return self.t[self.k : self.t.shape[0] - self.k]

    def get_coeffs(self) -> Array:
        """Return the coefficients."""
        return self.c

    def get_residual(self) -> Array:
        """Return the weighted sum of squared residuals."""
        return self.residual

    def integral(self, a: Any, b: Any) -> Array:
        """Integrate from a to b; the spline is 0 outside its knots."""
        return splint(a, b, BSpline(self.t, self.c, self.k))

    def derivatives(self, x: Any) -> Array:
        """Return all derivatives at a point."""
        return tnp.stack([self(x, nu) for nu in range(self.k + 1)])

    def roots(self) -> Array:
        """Return the zeros of a cubic spline."""
        return sproot((self.t, self.c, self.k)) if on_tape(self.t, self.c) else self._plain_roots()

    def _plain_roots(self) -> Array:
        return np.asarray(scipy.interpolate.sproot(_padded(self.t, self.c, self.k), 3 * len(self.t)))

    def derivative(self, n: int = 1) -> UnivariateSpline:
        """Return the derivative of order n, a spline."""
        return self._made(BSpline(self.t, self.c, self.k).derivative(n), 1 if self.ext == 3 else self.ext)

    def antiderivative(self, n: int = 1) -> UnivariateSpline:
        """Return the antiderivative of order n, a spline."""
        return self._made(BSpline(self.t, self.c, self.k).antiderivative(n), self.ext)

    def _made(self, spline: BSpline, ext: int) -> UnivariateSpline:
        made = object.__new__(UnivariateSpline)
        made.__attrs_init__(spline.t, spline.c, self.residual, spline.k, ext)
        return made


@attrs.frozen(eq=False, init=False)
class InterpolatedUnivariateSpline(UnivariateSpline):
    """Spline through data, as scipy.interpolate.InterpolatedUnivariateSpline.

    Derivatives: of its values by the points, the data, the places and the bounds, through the banded system of the
    coefficients.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        w: Any = None,
        bbox: Any = (None, None),
        k: int = 3,
        ext: Any = 0,
        check_finite: bool = False,
    ) -> None:
        name = "interpolate.InterpolatedUnivariateSpline"
        mode = _mode(name, ext)
        if not on_tape(x, y, w, bbox):
            self._of(scipy.interpolate.InterpolatedUnivariateSpline(x, y, w, list(bbox), k, ext, check_finite), k, mode)
            return
        x, y, w, ends, k = _data(name, x, y, w, k, bbox)
        if not is_increasing(x):
            raise ArgumentError(f"{name}: x must be strictly increasing. Sort x, and y with it.")
        t, c = fitted(name, x, y, w, ends, Fit(k, "splrep"), np.zeros(()))
        self._set(x, y, w, t, c, k, mode)


@attrs.frozen(eq=False, init=False)
class LSQUnivariateSpline(UnivariateSpline):
    """Spline on given knots by least squares, as scipy.interpolate.LSQUnivariateSpline.

    Derivatives: of its values by the points, the data, the places, the knots, the weights and the bounds, through the
    normal equations of the coefficients.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        t: Any,
        w: Any = None,
        bbox: Any = (None, None),
        k: int = 3,
        ext: Any = 0,
        check_finite: bool = False,
    ) -> None:
        name = "interpolate.LSQUnivariateSpline"
        mode = _mode(name, ext)
        if not on_tape(x, y, t, w, bbox):
            self._of(scipy.interpolate.LSQUnivariateSpline(x, y, t, w, list(bbox), k, ext, check_finite), k, mode)
            return
        x, y, w, ends, k = _data(name, x, y, w, k, bbox)
        knots, c, _ = _on_knots(name, x, y, w, ends, t, k)
        self._set(x, y, w, knots, c, k, mode)
