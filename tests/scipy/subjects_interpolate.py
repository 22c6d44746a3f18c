"""Subjects of scipy.interpolate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse.linalg

import tapenet.numpy as tnp
from tests.scipy.subjects import Strategy, between, subject


def declare(name: str, call: Callable[..., Any], *arrays: Strategy, **settings: Any) -> None:
    subject("interpolate", name, call, *arrays, **settings)


def places(count: int) -> Strategy:
    return between(-0.2, 0.2, count).map(lambda x: x + np.arange(float(count)))


# Data whose secants neither vanish nor are equal: formulas with signs and absolute values have kinks there.
RISES = np.array([0.0, 1.0, 6.0, 5.0, 7.5, 13.5])
CLOSE = between(-0.05, 0.05, 6).map(lambda x: x + np.arange(6.0))
BUMPY = between(-0.1, 0.1, 6, 2).map(lambda y: y + RISES[:, None])
DATA = between(-1, 1, 6, 2)
# Between places and outside, away from where pieces meet.
AT = between(-0.1, 0.1, 3).map(lambda x: x + np.array([1.5, 3.5, 5.5]))
INSIDE = between(-0.1, 0.1, 3).map(lambda x: x + np.array([1.5, 3.5, 2.5]))
MATRIX = between(-0.1, 0.1, 2, 1).map(lambda x: x + np.array([[1.5, 5.6]]))

# ---- one dimension ----

ONE = between(-1, 1, 5)


def cubic(name: str, *args: Any, **keywords: Any) -> Callable[..., Any]:
    return lambda xp, x, y, at: getattr(xp, name)(x, y, *args, **keywords)(at)


declare("CubicSpline", cubic("CubicSpline"), places(6), DATA, MATRIX)
declare("PchipInterpolator", cubic("PchipInterpolator"), CLOSE, BUMPY, AT)
declare("Akima1DInterpolator", cubic("Akima1DInterpolator", extrapolate=True), CLOSE, BUMPY, AT)
declare("Akima1DInterpolator", cubic("Akima1DInterpolator", method="makima"), CLOSE, BUMPY, INSIDE, order=1)
for each in ("CubicSpline", "PchipInterpolator", "Akima1DInterpolator"):
    for n in (2, 3):
        between_places = between(-0.1, 0.1, 2).map(lambda x: x + 0.5)
        steep = between(-0.1, 0.1, 2, n).map(lambda y, n=n: y + RISES[:n])
        declare(each, cubic(each, axis=1), CLOSE.map(lambda x, n=n: x[:n]), steep, between_places, order=1)
for ends in ("natural", "clamped", ("not-a-knot", "natural")):
    declare("CubicSpline", cubic("CubicSpline", bc_type=ends, extrapolate=False), places(5), ONE, INSIDE, order=1)
declare(
    "CubicSpline",
    lambda xp, x, y, at, a, b: xp.CubicSpline(x, y, bc_type=((1, a), (2, b)))(at),
    *(places(4), between(-1, 1, 4, 2), INSIDE, between(-1, 1, 2), between(-1, 1, 2)),
)
for n in (3, 4, 6):
    declare(
        "CubicSpline",
        lambda xp, x, y, at: xp.CubicSpline(x, tnp.concatenate([y, y[:1]]), bc_type="periodic")(at + 7.0),
        *(places(n), between(-1, 1, n - 1, 2), between(-0.1, 0.1, 3)),
        order=1,
        tolerance=1e-5,
    )
FIRST, SECOND = between(0.4, 0.6, 1), between(3.4, 3.6, 1)
declare("CubicSpline", lambda xp, x, y, a, b: xp.CubicSpline(x, y).integrate(a[0], b[0]), places(5), ONE, FIRST, SECOND)
HERMITE = places(6), DATA, between(-1, 1, 6, 2), AT
declare("CubicHermiteSpline", lambda xp, x, y, d, at: xp.CubicHermiteSpline(x, y, d)(at, 1), *HERMITE)
declare(
    "CubicHermiteSpline", lambda xp, x, y, d, at: xp.CubicHermiteSpline(x, y, d).antiderivative()(at), *HERMITE, order=1
)
declare("pchip_interpolate", lambda xp, x, y, at: xp.pchip_interpolate(x, y, at, [0, 1]), CLOSE, BUMPY, INSIDE, order=1)
declare("PPoly", lambda xp, c, x, at: xp.PPoly(c, x).derivative()(at), between(-1, 1, 3, 5), places(6), AT)
declare("CubicSpline", lambda xp, x, y: xp.CubicSpline(x, y + RISES[:5]).solve(3.2), places(5), ONE, order=2)

# ---- interp1d ----

for kind in ("linear", "cubic", 4):
    declare("interp1d", cubic("interp1d", kind, 0), places(6), DATA, INSIDE, order=2 if kind == "linear" else 1)
for kind in ("nearest", "nearest-up", "previous", "next", "zero", "slinear"):
    call = lambda xp, x, y, at, kind=kind: xp.interp1d(x, y, kind, 0)(at + 0.25)  # noqa: E731  # one for each kind
    declare("interp1d", call, CLOSE, DATA, INSIDE, order=1)  # no step is near the points
declare("interp1d", cubic("interp1d", fill_value="extrapolate"), places(6), between(-1, 1, 2, 6), MATRIX, order=1)
declare(
    "interp1d",
    lambda xp, x, y, at, low, high: xp.interp1d(x[::-1], y, bounds_error=False, fill_value=(low[0], high[0]))(at - 2),
    *(places(5), ONE, AT, between(1, 2, 1), between(1, 2, 1)),
)

# ---- splines ----

for k in (0, 1, 2, 3):
    call = lambda xp, x, y, at, k=k: xp.make_interp_spline(x, y, k)(at + 0.25)  # noqa: E731
    declare("make_interp_spline", call, places(6), DATA, INSIDE, order=2 if k == 3 else 1)
for k in (2, 3):
    declare(
        "make_interp_spline",
        lambda xp, x, y, at, k=k: xp.make_interp_spline(x, tnp.concatenate([y, y[:1]]), k, bc_type="periodic")(
            at + 0.25
        ),
        *(places(6), ONE, INSIDE),
        order=1,
    )
declare(
    "make_interp_spline",
    lambda xp, x, y, at: xp.make_interp_spline(x, y, bc_type="natural", axis=1)(at, 2),
    *(places(5), between(-1, 1, 2, 5), INSIDE),
    order=1,
)
declare(
    "make_interp_spline",
    lambda xp, x, y, at, a: xp.make_interp_spline(x, y, 4, None, ([(1, a[0])], [(1, a[1]), (2, a[2])]))(at),
    *(places(5), ONE, INSIDE, between(-1, 1, 3)),
    order=1,
)
declare(
    "make_interp_spline",
    lambda xp, x, y, at, t: xp.make_interp_spline(x, y, 2, tnp.concatenate([x[0] * np.ones(3), t, x[-1] * np.ones(3)]))(
        at
    ),
    *(places(5), ONE, INSIDE, between(-0.1, 0.1, 2).map(lambda t: t + np.array([1.8, 2.9]))),
    order=1,
)
KNOTS = between(-0.2, 0.2, 10).map(lambda t: t + np.arange(10.0) - 2.0)
for nu in (0, 1, 3):
    call = lambda xp, t, c, at, nu=nu: xp.BSpline(t, c, 3)(at, nu)  # noqa: E731
    declare("BSpline", call, KNOTS, DATA, MATRIX, order=2 if nu == 0 else 1)
declare("BSpline", lambda xp, t, c, at: xp.BSpline(t, c, 2, False, 1)(at), KNOTS, between(-1, 1, 2, 7), INSIDE, order=1)
for end, low, high in ((None, 1.5, 3.5), ("periodic", -7.3, 9.5)):
    declare(
        "BSpline",
        lambda xp, t, c, a, b, end=end: xp.BSpline(t, c, 3).integrate(a[0], b[0], end),
        *(KNOTS, DATA, between(low - 0.1, low + 0.1, 1), between(high - 0.1, high + 0.1, 1)),
        order=1,
        tolerance=1e-5,
    )
declare("BSpline", lambda xp, t, c, at: xp.BSpline(t, c, 3).derivative()(at), KNOTS, DATA, AT, order=1)
PADDED = between(-1, 1, 6).map(lambda c: np.concatenate([c, np.zeros(4)]))
declare("splev", lambda xp, at, t, c: xp.splev(at, (t, c, 3), 1), INSIDE, KNOTS, PADDED)
for ext in (1, 3):
    call = lambda xp, at, t, c, ext=ext: xp.splev(at - 3.0, (t, c, 3), 0, ext)  # noqa: E731
    declare("splev", call, INSIDE, KNOTS, PADDED, order=1)
declare(
    "splint",
    lambda xp, a, b, t, c: tnp.asarray(xp.splint(a[0], b[0], (t, c, 3))),
    *(FIRST.map(lambda a: a + 1), SECOND, KNOTS, PADDED),
    order=1,
)
for each in ("splder", "splantider"):
    call = lambda xp, at, t, c, each=each: xp.splev(at, getattr(xp, each)((t, c, 3)))  # noqa: E731
    declare(each, call, INSIDE, KNOTS, PADDED, order=1)

# ---- grids ----

GRID = places(4), places(5), between(-0.4, 0.4, 4, 5).map(lambda v: v + 2.0 * np.add.outer(np.arange(4), np.arange(5)))
POINTS = between(-0.1, 0.1, 3, 2).map(lambda x: x + np.array([[1.5, 2.5], [2.5, 0.5], [0.5, 3.5]]))
for method in ("linear", "slinear", "cubic", "pchip"):
    exact = {"solver": scipy.sparse.linalg.spsolve} if method in ("slinear", "cubic") else {}
    declare(
        "RegularGridInterpolator",
        lambda xp, x, y, v, at, method=method, exact=exact: xp.RegularGridInterpolator((x, y), v, method, **exact)(at),
        *(*GRID, POINTS),
        order=2 if method == "linear" else 1,
    )
declare(
    "RegularGridInterpolator",
    lambda xp, x, y, v, at: xp.RegularGridInterpolator((x, y), v, "nearest")(at + 0.25),
    *(CLOSE.map(lambda x: x[:4]), CLOSE.map(lambda x: x[:5]), GRID[2], POINTS),
    order=1,
)
declare(
    "RegularGridInterpolator",
    lambda xp, x, y, v, at, fill: xp.RegularGridInterpolator((x[::-1], y), v, "linear", False, fill[0])(at - 1.0),
    *(*GRID, POINTS, between(1, 2, 1)),
    order=1,
)
declare(
    "RegularGridInterpolator",
    lambda xp, x, v, at: xp.RegularGridInterpolator((x,), v, "linear", False, None)(at[:, None]),
    *(places(6), DATA, AT),
    order=1,
)
declare("interpn", lambda xp, x, y, v, at: xp.interpn((x, y), v, (at[:, 0], at[:, 1])), *GRID, POINTS, order=1)

# ---- fits ----

MANY = between(-0.1, 0.1, 9).map(lambda x: x + np.linspace(0, 5, 9))
HEIGHTS, WEIGHTS = between(-1, 1, 9), between(0.5, 1.5, 9)
TWO_KNOTS = between(-0.1, 0.1, 2).map(lambda t: t + np.array([1.8, 3.3]))


def all_knots(x: Any, t: Any, k: int) -> Any:
    return tnp.concatenate([x[0] * np.ones(k + 1), t, x[-1] * np.ones(k + 1)])


declare(
    "make_lsq_spline",
    lambda xp, x, y, t, w, at: xp.make_lsq_spline(x, y, all_knots(x, t, 3), 3, w, 1)(at),
    *(MANY, between(-1, 1, 2, 9), TWO_KNOTS, WEIGHTS, INSIDE),
)
declare("make_lsq_spline", lambda xp, x, y: xp.make_lsq_spline(x, y, all_knots(x, [], 2), 2).c, MANY, HEIGHTS, order=1)
declare(
    "make_smoothing_spline",
    lambda xp, x, y, w, lam, at: xp.make_smoothing_spline(x, y, w, lam[0])(at),
    *(MANY, HEIGHTS, WEIGHTS, between(0.1, 1, 1), INSIDE),
    order=1,
    closeness=1e-10,
)
for k in (3, 2):
    call = lambda xp, x, y, at, k=k: xp.splev(at + 0.25, xp.splrep(x, y, xb=x[0] - 0.5, k=k))  # noqa: E731
    declare("splrep", call, places(6), between(-1, 1, 6), INSIDE, order=1, in_single=False)
declare(
    "splrep",
    lambda xp, x, y, t, w, at: xp.splev(at, xp.splrep(x, y, w, t=t)),
    *(MANY, HEIGHTS, TWO_KNOTS, WEIGHTS, INSIDE),
    order=1,
    in_single=False,
)
declare("spalde", lambda xp, at, t, c: xp.spalde(at, (t, c, 3)), INSIDE, KNOTS, PADDED, order=1)
declare(
    "insert",
    lambda xp, at, t, c, new: xp.splev(at, xp.insert(new[0], (t, c, 3), 2)),
    *(INSIDE, KNOTS, PADDED, between(2.4, 2.6, 1)),
    order=1,
)
WAVES = between(-0.1, 0.1, 6).map(lambda y: y + np.array([1.0, -1, 1, -1, 1, -1]))
declare(
    "sproot",
    lambda xp, y: xp.sproot(xp.splrep(np.arange(6.0), y)),
    WAVES,
    closeness=1e-10,
    in_single=False,
)
declare(
    "UnivariateSpline",
    lambda xp, x, y, w, at: [xp.UnivariateSpline(x, y, w, s=99.0)(at, nu) for nu in (0, 2)],
    *(MANY, HEIGHTS, WEIGHTS, INSIDE),
    order=1,
    in_single=False,
)
declare(
    "InterpolatedUnivariateSpline",
    lambda xp, x, y, at: (
        xp.InterpolatedUnivariateSpline(x, y, k=2).derivative()(at + 0.25),
        tnp.asarray(xp.InterpolatedUnivariateSpline(x, y).integral(at[0], at[1])),
        xp.InterpolatedUnivariateSpline(x, y, ext="zeros")(at - 3),
    ),
    *(places(6), between(-1, 1, 6), INSIDE),
    order=1,
    in_single=False,
)
declare(
    "LSQUnivariateSpline",
    lambda xp, x, y, t, w, at: (
        xp.LSQUnivariateSpline(x, y, t, w, ext=3)(at - 2),
        xp.LSQUnivariateSpline(x, y, t, w).antiderivative()(at),
        tnp.asarray(xp.LSQUnivariateSpline(x, y, t, w).get_residual()),
        xp.LSQUnivariateSpline(x, y, t, w).derivatives(at[0]),
    ),
    *(MANY, HEIGHTS, TWO_KNOTS, WEIGHTS, INSIDE),
    order=1,
    in_single=False,
)

# ---- polynomials ----

FEW = places(4), between(-1, 1, 4, 2), INSIDE
declare("KroghInterpolator", lambda xp, x, y, at: xp.KroghInterpolator(x, y)(at), *FEW)
declare(
    "KroghInterpolator",
    lambda xp, x, y, at: xp.KroghInterpolator(tnp.take(x, np.array([0, 0, 0, 1, 2, 2])), y, 1).derivatives(at, 3),
    *(places(3), between(-1, 1, 2, 6), INSIDE),
    order=1,
)
declare("krogh_interpolate", lambda xp, x, y, at: xp.krogh_interpolate(x, y, at, 2), *FEW, order=1)
declare(
    "BarycentricInterpolator",
    lambda xp, x, y, at: xp.BarycentricInterpolator(x, y, 1)(tnp.concatenate([at, x[1:3]])),
    *(places(4), between(-1, 1, 2, 4), INSIDE),
    order=1,
)
declare(
    "barycentric_interpolate",
    lambda xp, x, y, at: [xp.barycentric_interpolate(x, y, at, der=der) for der in (0, 1, [0, 2])],
    *FEW,
    order=1,
)
BERNSTEIN = between(-1, 1, 3, 5), places(6), MATRIX
declare(
    "BPoly",
    lambda xp, c, x, at: (xp.BPoly(c, x)(at), xp.BPoly(c, x)(at, 1), xp.BPoly(c, x).antiderivative()(at)),
    *BERNSTEIN,
)
declare(
    "BPoly",
    lambda xp, c, x, at: (
        xp.BPoly(c, x, False).integrate(at[0, 0], at[0, 1]),
        xp.BPoly(c, x, "periodic").integrate(at[0, 0] - 6, at[0, 1]),
        xp.BPoly(c, x).derivative(3)(at),
    ),
    *(between(-1, 1, 3, 5, 2), places(6), between(-0.1, 0.1, 1, 2).map(lambda x: x + np.array([1.5, 3.6]))),
    order=1,
)
for orders in (None, 3, [4, 2]):
    declare(
        "BPoly",
        lambda xp, x, y, at, orders=orders: xp.BPoly.from_derivatives(x, [y[0], y[1], y[2, :2]], orders)(at - 2),
        *(places(3), between(-1, 1, 3, 3), INSIDE),
        order=1,
    )

# ---- several variables ----

SPOTS = between(-0.1, 0.1, 3, 2).map(lambda x: x + np.array([[1.5, 0.6], [2.4, 1.5], [1.6, 2.5]]))
SHORT_KNOTS = between(-0.1, 0.1, 7).map(lambda t: t + np.arange(7.0) - 2)
for nu in (None, (1, 2)):
    declare(
        "NdBSpline",
        lambda xp, t, s, c, at, nu=nu: xp.NdBSpline((t, s), c, (3, 2))(at, nu=nu),
        *(KNOTS, SHORT_KNOTS, between(-1, 1, 6, 4, 2), SPOTS),
        order=1,
    )
declare(
    "NdPPoly",
    lambda xp, c, x, y, at: (
        xp.NdPPoly(c, (x, y))(at, (1, 0)),
        xp.NdPPoly(c, (x, y)).antiderivative((0, 1))(at),
        xp.NdPPoly(c, (x, y)).derivative((0, 1))(at),
        xp.NdPPoly(c, (x, y)).integrate([(at[0, 0], at[1, 0]), (at[0, 1], at[1, 1])]),
    ),
    *(between(-1, 1, 3, 2, 4, 3, 2), places(5), places(4), SPOTS),
    order=1,
)
SHEET = places(5), places(4), between(-1, 1, 5, 4), SPOTS
declare(
    "RectBivariateSpline",
    lambda xp, x, y, z, at: xp.RectBivariateSpline(x, y, z).ev(at[:, 0], at[:, 1]),
    *SHEET,
    order=1,
)
declare(
    "RectBivariateSpline",
    lambda xp, x, y, z, at: (
        xp.RectBivariateSpline(x, y, z, [x[0] - 1, x[4], y[0], y[3]], 2, 1)(x[1:4] + 0.25, y[1:3] + 0.25, 1),
        tnp.asarray(xp.RectBivariateSpline(x, y, z).integral(at[0, 0], at[1, 0], at[0, 1], at[1, 1])),
        xp.RectBivariateSpline(x, y, z).partial_derivative(1, 1)(at[:1, 0], at[:1, 1]),
    ),
    *(places(5), places(4), between(-1, 1, 5, 4), SPOTS),
    order=1,
    in_single=False,
)
declare(
    "bisplev",
    lambda xp, t, s, c, x, y: xp.bisplev(x, y[:2], (t, s, c, 3, 2), 1),
    *(KNOTS, SHORT_KNOTS, between(-1, 1, 24), INSIDE.map(np.sort), INSIDE.map(np.sort)),
    order=1,
    in_single=False,
)

# ---- scattered data ----

CORNERS = np.array([[0.0, 0.0], [3.0, 0.5], [0.5, 3.0], [3.5, 3.5], [1.5, 1.4], [-1.0, 2.0], [4.5, 2.0]])
MIDDLES = np.array([[1.0, 0.6], [2.2, 2.4]])
SCATTER = between(-0.2, 0.2, 7, 2).map(lambda x: x + CORNERS)
AMONG = between(-0.1, 0.1, 2, 2).map(lambda x: x + MIDDLES)
# Of these neither the triangles nor the nearest neighbours change.
SETTLED = between(-0.05, 0.05, 7, 2).map(lambda x: x + CORNERS)
INNER = between(-0.05, 0.05, 2, 2).map(lambda x: x + MIDDLES)
KERNELS = ("thin_plate_spline", "linear", "cubic", "quintic", "multiquadric", "inverse_multiquadric", "gaussian")
for kernel in (*KERNELS, "inverse_quadratic"):
    declare(
        "RBFInterpolator",
        lambda xp, y, d, at, smoothing, kernel=kernel: xp.RBFInterpolator(
            y, d, smoothing=smoothing[0], kernel=kernel, epsilon=1.0
        )(at),
        *(SCATTER, between(-1, 1, 7, 2), AMONG, between(0.1, 0.2, 1)),
        order=2 if kernel == "cubic" else 1,
        tolerance=1e-4,
        closeness=1e-10,
    )
declare(
    "RBFInterpolator",
    lambda xp, y, d, at: xp.RBFInterpolator(y, d, neighbors=2, kernel="gaussian", epsilon=0.7, degree=-1)(
        at - MIDDLES + np.array([[0.3, 0.4], [3.9, 2.9]])
    ),
    *(SETTLED, between(-1, 1, 7), INNER),
    order=1,
    tolerance=1e-4,
    closeness=1e-10,
)
VALUES = between(-1, 1, 7, 2)
declare("LinearNDInterpolator", lambda xp, x, v, at: xp.LinearNDInterpolator(x, v)(at), SETTLED, VALUES, INNER)
declare(
    "NearestNDInterpolator", lambda xp, x, v, at: xp.NearestNDInterpolator(x, v)(at), SETTLED, VALUES, INNER, order=1
)
for method in ("linear", "nearest"):
    call = lambda xp, x, v, at, method=method: xp.griddata(x, v, at, method, rescale=method == "linear")  # noqa: E731
    declare("griddata", call, SETTLED, VALUES, INNER, order=1)
FINE = between(-0.05, 0.05, 3, 2).map(lambda x: x + np.array([*MIDDLES, [3.4, 1.6]]))
declare(
    "CloughTocher2DInterpolator",
    lambda xp, x, v, at: xp.CloughTocher2DInterpolator(x, v, tol=1e-12, rescale=True)(at),
    *(SETTLED, VALUES, FINE),
    order=1,
    closeness=1e-9,
)
declare("griddata", lambda xp, x, v, at: xp.griddata(x, v, at, "cubic"), places(6), between(-1, 1, 6), INSIDE, order=1)
