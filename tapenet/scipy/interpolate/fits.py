"""Splines fitted to data: by least squares on given knots, and smoothed.

Coefficients satisfy normal equations, through which they are differentiated. A smoothing spline of FITPACK's has the
knots that it chose, places of data, and a weight of its jumps that makes the sum of squared residuals s: both
equations together determine how coefficients and weight move. Source: P. Dierckx, Curve and surface fitting with
splines (1993), chapters 4 and 5; C. H. Reinsch, Smoothing by spline functions, Numer. Math. 10 (1967).
"""

from __future__ import annotations

import operator
from typing import Any

import attrs
import numpy as np
import scipy.interpolate

import tapenet.numpy as tnp
from tapenet.core.arguments import axis_of
from tapenet.core.nondifferentiable import branch_condition, constant, nondifferentiable
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.ops.arrays.indexing import at
from tapenet.scipy.interpolate.checks import (
    across,
    double,
    is_finite,
    is_increasing,
    is_negative,
    is_sorted,
    is_zero,
    on_tape,
)
from tapenet.scipy.interpolate.splines import (
    BSpline,
    basis_at,
    between_ends,
    free_knots,
    make_interp_spline,
    spline_of,
)
from tapenet.scipy.linalg import solveh_banded
from tapenet.scipy.solutions import moved, solved

# ---- normal equations ----


def _summed(places: Array, values: Array, count: int) -> Array:
    """Return the sums of the rows of values that have the same place."""
    return at(np.zeros((count, *values.shape[1:]), values.dtype))[places].add(values)


def _normal_equations(x: Array, y: Array, t: Array, k: int, w: Array) -> tuple[Array, Array]:
    """Return the diagonals from the main one down of A^T W^2 A, and A^T W^2 y, of the B-splines A at places x."""
    n = t.shape[0] - k - 1
    piece, basis = basis_at(t, k, x)
    weighted = basis * (w * w)[:, None]
    rows = [
        _summed(tnp.ravel(piece[:, None] + np.arange(-k, 1 - d)), tnp.ravel(weighted[:, : k + 1 - d] * basis[:, d:]), n)
        for d in range(k + 1)
    ]
    products = weighted[:, :, None] * y[:, None, :]
    places = tnp.ravel(piece[:, None] + np.arange(-k, 1))
    return tnp.stack(rows), _summed(places, tnp.reshape(products, (-1, y.shape[1])), n)


def least_squares(x: Array, y: Array, t: Array, k: int, w: Array) -> Array:
    """Return the coefficients of the spline on knots t that is closest to the data, y of two axes."""
    return solveh_banded(*_normal_equations(x, y, t, k, w), lower=True)


@branch_condition
def _determines(x: Array, t: Array, k: int) -> bool:
    """Return whether data determine a spline: Schoenberg and Whitney's condition."""
    x, t = (np.asarray(a) for a in (x, t))
    rows = np.broadcast_shapes(x.shape[:-1], t.shape[:-1])
    pairs = zip(
        np.broadcast_to(x, (*rows, x.shape[-1])).reshape(-1, x.shape[-1]),
        np.broadcast_to(t, (*rows, t.shape[-1])).reshape(-1, t.shape[-1]),
        strict=True,
    )
    return all(_has_points(places, knots, k) for places, knots in pairs)


def _has_points(x: Array, t: Array, k: int) -> bool:
    """Return whether increasing points can be given to the B-splines so that each is inside its own."""
    i = 0
    for low, high in zip(t[: -k - 1], t[k + 1 :], strict=True):
        while i < len(x) and not low < x[i] and not (x[i] == low == t[0]):
            i += 1
        if i == len(x) or not (x[i] < high or x[i] == high == t[-1]):
            return False
        i += 1
    return True


def make_lsq_spline(
    x: Any, y: Any, t: Any, k: int = 3, w: Any = None, axis: int = 0, check_finite: bool = True, *, method: str = "qr"
) -> BSpline:
    """Make the spline of degree k on given knots that is closest to data by least squares.

    Derivatives: of its values by the points, the data, the places, the knots and the weights, through the normal
    equations of its coefficients.

    Parameters are those of scipy.interpolate.make_lsq_spline; the result is a BSpline of this module.
    """
    if not on_tape(x, y, t, w):
        options = {} if method == "qr" else {"method": method}  # from SciPy 1.15 on
        theirs = scipy.interpolate.make_lsq_spline(x, y, t, k, w, axis, check_finite, **options)
        return spline_of(theirs.t, theirs.c, theirs.k, theirs.axis)
    name, k = "interpolate.make_lsq_spline", operator.index(k)
    x, y, t = double(x), double(y), double(t)
    axis = axis_of(name, axis, y.ndim)
    y = tnp.moveaxis(y, axis, 0)
    w = np.ones(x.shape) if w is None else double(w)
    if x.ndim != 1 or x.shape[0] != y.shape[0] or w.shape != x.shape:
        raise ArgumentError(f"{name}: Shapes of x {x.shape}, y {y.shape} and w {w.shape} are incompatible.")
    if check_finite and not (is_finite(x) and is_finite(y) and is_finite(w)):
        raise ArgumentError(f"{name}: Array must not contain infs or nans.")
    if not is_sorted(x) or t.ndim != 1 or not is_sorted(t):
        raise ArgumentError(f"{name}: Expect x and t to be 1-D sorted array_likes. Sort x, and y with it.")
    if k < 0 or t.shape[0] < 2 * k + 2:
        raise ArgumentError(f"{name}: Expect non-negative k and at least {2 * k + 2} knots; got {k} and {t.shape[0]}.")
    if not _determines(x, t, k):
        raise ArgumentError(f"{name}: x must have places inside of the support of each B-spline; got too few.")
    c = least_squares(x, tnp.reshape(y, (y.shape[0], -1)), t, k, w)
    return spline_of(t, tnp.reshape(c, (c.shape[0], *y.shape[1:])), k, axis)


# ---- smoothing by an integral of the second derivative ----


@branch_condition
def _is_positive(x: Array) -> bool:
    return bool(np.all(np.asarray(x) > 0))


def _reinsch(x: Array, y: Array, w: Array, lam: Array) -> Array:
    """Return the values at x of the natural cubic spline that minimizes the sum of w (y - f)^2 + lam int f''^2."""
    h = tnp.diff(x)
    inner, into = 1 / h, 1 / w
    # The columns of Q have three elements: 1 / h_i, -(1 / h_i + 1 / h_(i+1)), 1 / h_(i+1).
    a, c = inner[:-1], inner[1:]
    b = -(a + c)
    zero = np.zeros(1)
    main = (h[:-1] + h[1:]) / 3 + lam * (a * a * into[:-2] + b * b * into[1:-1] + c * c * into[2:])
    first = h[1:-1] / 6 + lam * (b[:-1] * a[1:] * into[1:-2] + c[:-1] * b[1:] * into[2:-1])
    second = lam * c[:-2] * a[2:] * into[2:-2]
    ab = tnp.stack([main, tnp.concatenate([first, zero]), tnp.concatenate([second, zero, zero])])
    bends = solveh_banded(ab, _second_differences(y, a, b, c), lower=True)
    a, b, c = (across(row, y.ndim) for row in (a, b, c))
    rows = [tnp.pad(part * bends, ((i, 2 - i), (0, 0))) for i, part in enumerate((a, b, c))]
    return y - lam * across(into, y.ndim) * (rows[0] + rows[1] + rows[2])


def _second_differences(y: Array, a: Array, b: Array, c: Array) -> Array:
    a, b, c = (across(row, y.ndim) for row in (a, b, c))
    return a * y[:-2] + b * y[1:-1] + c * y[2:]


def make_smoothing_spline(x: Any, y: Any, w: Any = None, lam: Any = None, *, axis: int = 0) -> BSpline:
    """Make the cubic spline that minimizes the weighted sum of squares plus lam times the integral of f''^2.

    Derivatives: of its values by the points, the data, the places, the weights and lam, through the banded system of
    Reinsch. On a tape lam must be given: the one that SciPy finds by cross-validation has no derivative here.

    Parameters are those of scipy.interpolate.make_smoothing_spline; the result is a BSpline of this module.
    """
    if not on_tape(x, y, w, lam):
        options = {"axis": axis} if axis else {}  # from SciPy 1.15 on
        theirs = scipy.interpolate.make_smoothing_spline(x, y, w, lam, **options)
        return spline_of(theirs.t, theirs.c, theirs.k, theirs.axis)
    name = "interpolate.make_smoothing_spline"
    if lam is None:
        raise ArgumentError(
            f"{name}: lam must be given on a tape; got None, which asks for cross-validation. Write lam=1.0, say."
        )
    x, y, lam = double(x), double(y), double(lam)
    axis = axis_of(name, axis, y.ndim)
    y = tnp.moveaxis(y, axis, 0)
    w = np.ones(x.shape) if w is None else double(w)
    if x.ndim != 1 or x.shape[0] != y.shape[0] or w.shape != x.shape or lam.ndim:
        raise ArgumentError(f"{name}: Shapes of x {x.shape}, y {y.shape}, w {w.shape} and lam {lam.shape} do not fit.")
    if x.shape[0] < 5:
        raise ArgumentError(f"{name}: `x` and `y` length must be at least 5; got {x.shape[0]}.")
    if not is_increasing(x):
        raise ArgumentError(f"{name}: `x` should be an ascending array. Sort x, and y with it.")
    if not _is_positive(w) or is_negative(lam):
        raise ArgumentError(f"{name}: `w` must be positive, and lam not negative.")
    flat = tnp.reshape(y, (y.shape[0], -1))
    made = make_interp_spline(x, _reinsch(x, flat, w, lam), bc_type="natural")
    return spline_of(made.t, tnp.reshape(made.c, (made.c.shape[0], *y.shape[1:])), 3, axis)


# ---- FITPACK's ----


def whole_knots(theirs: Any, k: int) -> Array:
    """Return the knots of a UnivariateSpline of SciPy's, with the repeated ones at the ends."""
    inner = theirs.get_knots()
    return between_ends(inner, inner, k)


@attrs.frozen
class Fit:
    """What FITPACK is asked for beside the data.

    Attributes:
        k: the degree.
        by: "splrep" or "UnivariateSpline", which FITPACK is called by.
    """

    k: int
    by: str

    def found(self, x: Array, y: Array, w: Array, ends: Array, s: Array) -> tuple[Array, Array]:
        """Return SciPy's knots and coefficients."""
        if self.by == "splrep":
            t, c, _ = scipy.interpolate.splrep(x, y, w, ends[0], ends[1], self.k, s=s)
        else:
            made = scipy.interpolate.UnivariateSpline(x, y, w, ends, self.k, s)
            t, c = whole_knots(made, self.k), made.get_coeffs()
        return np.asarray(t), np.asarray(c)[: len(t) - self.k - 1]

    def places(self, x: Array, y: Array, w: Array, ends: Array, s: Array) -> Array:
        """Return which of the places each inner knot is."""
        t, _ = self.found(x, y, w, ends, s)
        return np.searchsorted(x, t[self.k + 1 : -self.k - 1])

    def weight(self, x: Array, y: Array, w: Array, ends: Array, s: Array) -> Array:
        """Return the weight of the jumps, 0 where it is so small that the fit is that of least squares."""
        t, c = self.found(x, y, w, ends, s)
        left = _pulled(x, y, t, self.k, w, c)
        jumps = _jump_matrix(t, self.k)
        right = jumps.T @ (jumps @ c)
        size = np.linalg.norm(_pulled(x, y, t, self.k, w, 0 * c))
        weight = left @ right / (right @ right) if np.any(right) else 0.0
        return np.float64(weight if weight * np.linalg.norm(right) > 1e-10 * size else 0.0)


def _jump_matrix(t: Array, k: int) -> Array:
    """Return the matrix from coefficients to the jumps of the derivative of order k at the inner knots."""
    n = t.shape[0] - k - 1
    made: Array = np.eye(n)
    for order in range(k, 0, -1):
        made = order * tnp.diff(made, axis=0) / (t[k + 1 : n + order] - t[k + 1 - order : n])[:, None]
    return tnp.diff(made, axis=0)


def _pulled(x: Array, y: Array, t: Array, k: int, w: Array, c: Array) -> Array:
    """Return A^T W^2 (y - A c)."""
    piece, basis = basis_at(t, k, x)
    places = piece[:, None] + np.arange(-k, 1)
    rest = w * w * (y - tnp.sum(basis * tnp.take(c, places, 0), -1))
    return _summed(tnp.ravel(places), tnp.ravel(basis * rest[:, None]), t.shape[0] - k - 1)


def _balance(unknowns: Array, x: Array, y: Array, t: Array, w: Array, s: Array, *, k: int) -> Array:
    """Return what is 0 where coefficients c and the weight of jumps are those of a smoothing spline: its normal
    equations, and the sum of squared residuals less s.
    """
    c, weight = unknowns[:-1], unknowns[-1]
    jumps = _jump_matrix(t, k)
    piece, basis = basis_at(t, k, x)
    rest = w * (y - tnp.sum(basis * tnp.take(c, piece[:, None] + np.arange(-k, 1), 0), -1))
    normal = weight * (jumps.T @ (jumps @ c)) - _pulled(x, y, t, k, w, c)
    return tnp.concatenate([normal, tnp.reshape(tnp.sum(rest * rest) - s, (1,))])


def _smoothing_tangent(out: Array, args: Any, dots: Any, *, k: int) -> Array:
    x, _, t, w, *_ = args
    side = moved(lambda u, *given: _balance(u, *given[:5], k=k), out, args, dots)
    c, weight = out[:-1], out[-1]
    jumps = _jump_matrix(t, k)
    bent = jumps.T @ (jumps @ c)
    piece, basis = basis_at(t, k, x)
    n = c.shape[0]
    places = (piece[:, None] + np.arange(-k, 1))[:, :, None] == np.arange(n)
    a = w[:, None] * tnp.sum(tnp.where(places, basis[:, :, None], 0.0), 1)
    system = a.T @ a + weight * (jumps.T @ jumps)
    both = tnp.linalg.solve(system, tnp.stack([side[:-1], bent], 1))
    # By the normal equations the sum of squares moves with c by -2 weight bent.
    weight_dot = -(side[-1] / (2 * weight) + bent @ both[:, 0]) / (bent @ both[:, 1])
    return tnp.concatenate([-both[:, 0] - both[:, 1] * weight_dot, tnp.reshape(weight_dot, (1,))])


def fitted(name: str, x: Array, y: Array, w: Array, ends: Array, fit: Fit, s: Array) -> tuple[Array, Array]:
    """Return knots and coefficients of FITPACK's spline, as functions of the data, the ends, the weights and s."""
    k = fit.k
    if is_zero(s):
        return _interpolating(x, y, ends, k)
    given = x, y, w, ends, s
    places = nondifferentiable(fit.places, name="places of knots")(*given)
    t = between_ends(ends, tnp.take(x, places, 0), k + 1)
    if t.shape[0] == x.shape[0] + k + 1:
        return _interpolating(x, y, ends, k)
    weight = nondifferentiable(fit.weight, name="weight of jumps")(*given)
    if is_zero(weight):
        return t, least_squares(x, y[:, None], t, k, w)[:, 0]

    def solve(x: Array, y: Array, t: Array, w: Array, s: Array, ends: Array, weight: Array) -> Array:
        return np.append(fit.found(x, y, w, ends, s)[1], weight)

    def tangent(out: Array, args: Any, dots: Any) -> Array:
        return _smoothing_tangent(out, args, dots, k=k)

    return t, solved(name, solve, tangent, x, y, t, w, s, constant(ends), weight)[:-1]


def _interpolating(x: Array, y: Array, ends: Array, k: int) -> tuple[Array, Array]:
    made = make_interp_spline(x, y, k, free_knots(x, ends, k))
    return made.t, made.c
