"""scipy.interpolate on a tape: closed forms, points outside, pytrees, complex data, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.interpolate
import scipy.optimize
import scipy.spatial

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.scipy import interpolate

X = np.arange(6.0)
Y = np.array([0.0, 1.0, 3.0, 2.0, 4.5, 5.2])


@pytest.mark.parametrize("k", [3, 4, 5])
def test_splines_of_a_polynomial_are_the_polynomial_and_its_derivatives(k: int) -> None:
    def f(x: Any) -> Any:
        return x**3 - 2 * x

    at = np.array([0.3, 2.7, 4.9])
    spline = interpolate.make_interp_spline(X, f(X), k)
    np.testing.assert_allclose(tn.elementwise_grad(spline)(at), 3 * at**2 - 2, rtol=1e-11)
    np.testing.assert_allclose(tn.elementwise_grad(tn.elementwise_grad(spline))(at), 6 * at, rtol=1e-9)
    by_data = tn.jacobian(lambda y: interpolate.make_interp_spline(X, y, k)(at))(f(X))
    np.testing.assert_allclose(by_data @ f(X), f(at), rtol=1e-11)


def test_moving_all_places_and_the_point_changes_nothing() -> None:
    def moved(shift: Any) -> Any:
        return interpolate.CubicSpline(X + shift, Y)(2.2 + shift)

    assert abs(tn.grad(moved)(0.0)) < 1e-12


@pytest.mark.parametrize(
    "made",
    [
        lambda x, y: interpolate.CubicSpline(x, y, extrapolate=False),
        lambda x, y: interpolate.BSpline(np.arange(10.0) - 2, y, 3, extrapolate=False),
        lambda x, y: interpolate.Akima1DInterpolator(x, y),
        lambda x, y: interpolate.interp1d(x, y, bounds_error=False),
        lambda x, y: interpolate.interp1d(x, y, "next", fill_value="extrapolate"),
    ],
)
def test_what_is_outside_is_nan_and_has_derivative_zero(made: Callable[..., Any]) -> None:
    at = np.array([9.0, 2.5])
    with tn.GradientTape() as tape:
        y = tape.watch(Y)
        out = made(X, y)(at)
        total = out[1] + tnp.where(np.isnan(out), 0.0, out)[0]
    expected = made(X, Y)(at)
    np.testing.assert_array_equal(np.isnan(out.value), [True, False])
    np.testing.assert_allclose(out.value, expected, rtol=1e-12)
    assert np.all(np.isfinite(tape.gradient(total, y)))


def test_points_that_are_nan_or_lie_on_constant_pieces() -> None:
    at = np.array([np.nan, 2.5])
    for spline in (interpolate.CubicSpline(X, Y), interpolate.BSpline(np.arange(10.0) - 2, Y, 3)):
        for nu in (0, 3, 4):
            with tn.GradientTape() as tape:
                found = spline(tape.watch(at), nu)
            np.testing.assert_allclose(found.value, spline(at, nu), atol=1e-12)


def test_nan_among_data_and_points() -> None:
    lost = np.where(X == 2, np.nan, Y)
    for kind in ("linear", "cubic"):
        with tn.GradientTape() as tape:
            found = interpolate.interp1d(X, tape.watch(lost), kind)(np.array([1.5, 4.5]))
        np.testing.assert_allclose(found.value, scipy.interpolate.interp1d(X, lost, kind)([1.5, 4.5]))
    corners, at = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array([[np.nan, 0.2], [0.2, 0.2]])
    gradient = tn.grad(lambda v: tnp.sum(interpolate.LinearNDInterpolator(corners, v, 0.0)(at)))(np.ones(3))
    np.testing.assert_allclose(gradient, [0.6, 0.2, 0.2])


def test_an_element_of_the_basis_by_its_knots() -> None:
    t = np.array([0.0, 1.0, 2.5, 3.0])
    expected = scipy.interpolate.BSpline.basis_element(t)(1.2)
    with tn.GradientTape() as tape:
        found = interpolate.BSpline.basis_element(tape.watch(t))(1.2)
    np.testing.assert_allclose(found.value, expected)
    gradient = tn.grad(lambda t: interpolate.BSpline.basis_element(t)(1.2))(t)
    np.testing.assert_allclose(np.sum(gradient), -tn.grad(interpolate.BSpline.basis_element(t))(1.2))
    assert interpolate.BSpline.design_matrix([3.2], np.arange(8.0), 3).shape == (1, 4)


def test_interpolants_are_pytrees_of_their_data() -> None:
    spline = interpolate.CubicSpline(X, Y)
    gradient = tn.grad(lambda s: s(2.5))(spline)
    assert type(gradient) is interpolate.CubicSpline
    np.testing.assert_allclose(gradient.c[:, 2], 0.5 ** np.array([3, 2, 1, 0]))
    grid = interpolate.RegularGridInterpolator((X, X), np.add.outer(Y, Y))
    weights = tn.grad(lambda g: g(np.array([[1.5, 2.5]]))[0])(grid).values
    np.testing.assert_allclose(weights[1:3, 2:4], np.full((2, 2), 0.25))
    at = np.array([[3.2, 4.7]])
    np.testing.assert_allclose(tn.tree.map(lambda x: x * 1.0, grid)(at), grid(at), rtol=1e-14)
    (_, returned), _ = tn.value_and_grad(
        lambda y: (interpolate.CubicSpline(X, y)(1.5), interpolate.CubicSpline(X, y)), has_aux=True
    )(Y)
    np.testing.assert_allclose(returned(2.2), spline(2.2), rtol=1e-12)


def test_complex_data_have_complex_interpolants() -> None:
    y, at = Y + 1j * Y[::-1], np.array([1.3, 3.9])
    for name in ("CubicSpline", "make_interp_spline", "interp1d"):
        expected = getattr(scipy.interpolate, name)(X, y)(at)
        out, push = tn.linearize(lambda y, name=name: getattr(interpolate, name)(X, y)(at), y)
        np.testing.assert_allclose(out, expected, rtol=1e-12)
        np.testing.assert_allclose(push(y), expected, rtol=1e-12)  # linear in the data
    points = np.array([[0.0, 0.0], [1.0, 0.1], [0.2, 1.0], [1.1, 1.2], [0.4, 0.3]])
    values = np.arange(5.0) * (1 + 2j)
    for kind in (interpolate.RBFInterpolator, interpolate.LinearNDInterpolator):
        out, push = tn.linearize(lambda v, kind=kind: kind(points, v)(np.array([[0.5, 0.5]])), values)
        np.testing.assert_allclose(push(values), out, rtol=1e-9)


def test_plain_data_and_places_of_integers_and_lists() -> None:
    assert interpolate.interp1d([0, 1, 2], [0, 10, 20])(1.5) == 15.0
    gradient = tn.grad(interpolate.interp1d([0, 1, 2], [0, 10, 20]))
    assert gradient(1.5) == 10.0
    assert tn.grad(interpolate.CubicSpline([0, 1, 2, 3], [0, 1, 8, 27]))(2.0) == pytest.approx(12.0)
    empty = tn.grad(lambda y: tnp.sum(interpolate.CubicSpline(X, y)(np.zeros(0))))(Y)
    np.testing.assert_array_equal(empty, np.zeros(6))


def test_a_triangulation_is_made_of_the_points_whatever_holds_them() -> None:
    points = np.array([[0.0, 0.0], [1.0, 0.1], [0.2, 1.0], [1.1, 1.2]])
    values = np.arange(4.0)
    at = np.array([[0.4, 0.5], [9.0, 9.0]])
    made = scipy.spatial.Delaunay(points)
    gradient = tn.grad(lambda v: interpolate.LinearNDInterpolator(made, v, fill_value=0.0)(at)[0])(values)
    expected = scipy.interpolate.LinearNDInterpolator(points, np.eye(4))(at)[0]
    np.testing.assert_allclose(gradient, expected, atol=1e-14)
    by_fill = tn.grad(lambda fill: tnp.sum(interpolate.LinearNDInterpolator(points, values, fill)(at)))(3.0)
    assert by_fill == 1.0


NOT_INCREASING = np.array([0.0, 2.0, 1.0, 3.0, 4.0, 5.0])


def smoothed(x: Any, y: Any, w: Any, s: float, knots: Any, at: Any) -> Any:
    """The cubic spline with these places for knots whose jumps are weighted so that the squares add up to s."""
    t = np.concatenate([[x[0]] * 4, x[knots], [x[-1]] * 4])
    a = w[:, None] * scipy.interpolate.BSpline.design_matrix(x, t, 3).toarray()
    pieces = [scipy.interpolate.PPoly.from_spline(scipy.interpolate.BSpline(t, e, 3)) for e in np.eye(a.shape[1])]
    jumps = np.array([np.diff(p.c[0][np.diff(p.x) > 0]) for p in pieces]).T

    def coefficients(weight: float) -> Any:
        return np.linalg.solve(a.T @ a + np.exp(weight) * jumps.T @ jumps, a.T @ (w * y))

    weight = scipy.optimize.brentq(lambda v: np.sum((a @ coefficients(v) - w * y) ** 2) - s, -30, 20, xtol=1e-14)
    return scipy.interpolate.BSpline(t, coefficients(weight), 3)(at)


@pytest.mark.parametrize("by", ["splrep", "UnivariateSpline"])
def test_a_smoothing_spline_moves_as_the_one_of_the_same_knots_and_sum_of_squares(by: str) -> None:
    x, at, s = np.linspace(0, 6, 20), np.array([0.7, 2.9, 5.1]), 0.3
    y, w = np.sin(x) + 0.2 * np.cos(9 * x), 1 + 0.3 * np.cos(x)

    def ours(x: Any, y: Any, w: Any, s: Any) -> Any:
        if by == "splrep":
            return interpolate.splev(at, interpolate.splrep(x, y, w, s=s))
        return interpolate.UnivariateSpline(x, y, w, s=s)(at)

    given, direction = (x, y, w, s), (0.1 * np.sin(7 * x), np.cos(3 * x), 0.2 * np.sin(5 * x), 0.6)
    tck = scipy.interpolate.splrep(x, y, w, s=s)
    knots, step = np.searchsorted(x, tck[0][4:-4]), 1e-5
    reached = np.sum((w * (scipy.interpolate.splev(x, tck) - y)) ** 2)  # 0.1% from s is near enough for FITPACK
    assert len(knots) > 0

    def expected(size: float) -> Any:
        return smoothed(*(a + size * d for a, d in zip((x, y, w, reached), direction, strict=True)), knots, at)

    value, slope = tn.jvp(ours, given, direction)
    np.testing.assert_allclose(value, expected(0), rtol=1e-10)
    np.testing.assert_allclose(slope, (expected(step) - expected(-step)) / (2 * step), rtol=1e-6)
    pulled = tn.vjp(ours, *given)[1](np.ones(3))
    total = sum(np.sum(bar * d) for bar, d in zip(pulled, direction, strict=True))
    np.testing.assert_allclose(total, np.sum(slope), rtol=1e-9)
    bend = tn.jvp(lambda *xs: tn.jvp(ours, xs, direction)[1], given, direction)[1]
    step = 1e-4
    np.testing.assert_allclose(bend, (expected(step) - 2 * expected(0) + expected(-step)) / step**2, rtol=1e-5)


@pytest.mark.parametrize("change", ["splrep", "splder", "splantider", "insert"])
def test_splines_in_fitpacks_form_have_as_many_coefficients_as_scipys(change: str) -> None:
    def made(xp: Any, y: Any) -> Any:
        tck = xp.splrep(X, y, s=0)
        return tck if change == "splrep" else xp.insert(0.7, tck) if change == "insert" else getattr(xp, change)(tck)

    with tn.GradientTape() as tape:
        t, c, k = made(interpolate, tape.watch(Y))
    expected_t, expected_c, expected_k = made(scipy.interpolate, Y)
    count = len(expected_t) - expected_k - 1  # what follows is not read
    assert k == expected_k
    assert c.shape == expected_c.shape
    np.testing.assert_array_equal(t, expected_t)
    np.testing.assert_allclose(c.value[:count], expected_c[:count], atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("change", ["splder", "splantider", "insert"])
def test_splines_keep_the_axis_of_their_data(change: str, axis: int) -> None:
    y = np.stack([Y, Y**2], 1 - axis)

    def value(xp: Any, y: Any) -> Any:
        spline = xp.make_interp_spline(X, y, axis=axis)
        return (xp.insert(0.7, spline) if change == "insert" else getattr(xp, change)(spline))(0.9)

    np.testing.assert_allclose(tn.jvp(lambda y: value(interpolate, y), (y,), (y,))[0], value(scipy.interpolate, y))
    square = scipy.interpolate.make_interp_spline(X, np.outer(Y, X), axis=axis)  # a wrong axis has the right length
    slope = tn.jvp(lambda at: interpolate.splev(at, square), (0.9,), (1.0,))[1]
    np.testing.assert_allclose(slope, square(0.9, 1))


def test_a_smoothing_spline_without_inner_knots_does_not_depend_on_s() -> None:
    for fit in (lambda s: interpolate.splrep(X, Y, s=s)[1], lambda s: interpolate.UnivariateSpline(X, Y, s=s)(2.5)):
        assert np.all(tn.jacobian(fit)(99.0) == 0)


def test_splines_that_fit_are_those_of_scipy_on_plain_data_and_off_the_tape() -> None:
    theirs, made = (xp.UnivariateSpline(X, Y, k=2, s=0.5, ext=3) for xp in (scipy.interpolate, interpolate))
    for name, arguments in {
        "get_knots": (),
        "get_coeffs": (),
        "get_residual": (),
        "integral": (0.5, 9.0),
        "derivatives": (2.5,),
        "__call__": (np.array([[1.5], [9.0]]), 1, "zeros"),
    }.items():
        np.testing.assert_allclose(getattr(made, name)(*arguments), getattr(theirs, name)(*arguments), rtol=1e-12)
    for one, other in ((made.derivative(), theirs.derivative()), (made.antiderivative(), theirs.antiderivative())):
        np.testing.assert_allclose(one([2.5, 9.0]), other([2.5, 9.0]), rtol=1e-12)
    assert made(np.zeros((0, 2))).shape == (0, 2)
    cubic = interpolate.InterpolatedUnivariateSpline(X, Y - 2)
    np.testing.assert_allclose(cubic.roots(), scipy.interpolate.InterpolatedUnivariateSpline(X, Y - 2).roots())
    surfaces = [xp.RectBivariateSpline(X, X[:4], np.outer(Y, X[:4])) for xp in (scipy.interpolate, interpolate)]
    assert surfaces[1].get_residual() == surfaces[0].get_residual()
    for one, other in zip(surfaces[1].get_knots(), surfaces[0].get_knots(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(surfaces[1].get_coeffs(), surfaces[0].get_coeffs())
    np.testing.assert_allclose(surfaces[1](2.5, [1.5, 9.0], dy=1), surfaces[0](2.5, [1.5, 9.0], dy=1))


def test_the_slope_of_the_place_where_a_spline_is_zero() -> None:
    def root(shift: Any) -> Any:
        return interpolate.CubicSpline(X, (X - shift) * (X + 9)).roots()[-1]

    value, slope = tn.value_and_grad(root)(2.2)
    np.testing.assert_allclose([value, slope, tn.grad(tn.grad(root))(2.2)], [2.2, 1, 0], atol=1e-9)


def test_a_polynomial_has_a_slope_at_its_own_places_too() -> None:
    for kind in (interpolate.KroghInterpolator, interpolate.BarycentricInterpolator):
        np.testing.assert_allclose(tn.grad(kind(X, X**3))(2.0), 12)
    with tn.GradientTape() as tape:
        p = interpolate.BarycentricInterpolator(X, tape.watch(X**3))
        np.testing.assert_allclose([p(2.0).value, p.derivative(2.0, 2).value], [8, 12])


def test_pieces_of_several_variables_end_where_they_end() -> None:
    at = np.array([[0.5, 0.5], [9.0, 0.5]])
    knots, ones = np.arange(-3.0, 6.0), np.ones((5, 5))
    pieces = np.ones((1, 1, 1, 1)), ([0.0, 1.0], [0.0, 1.0])
    with tn.GradientTape() as tape:
        for out in (
            interpolate.NdBSpline((knots, knots), tape.watch(ones), 3, extrapolate=False)(at),
            interpolate.NdPPoly(tape.watch(pieces[0]), pieces[1], extrapolate=False)(at),
        ):
            np.testing.assert_allclose(out.value, [1, np.nan])
    np.testing.assert_allclose(interpolate.NdBSpline((knots, knots), ones, 3)(at), [1, 1])
    np.testing.assert_allclose(interpolate.NdPPoly(*pieces)(at), [1, 1])


def test_smooth_patches_are_a_plane_of_a_plane_and_have_no_kinks() -> None:
    points = np.random.default_rng(5).random((20, 2))
    plane = points @ np.array([2.0, -3.0]) + 1
    at = np.array([[0.5, 0.5], [0.4, 0.6], [9.0, 9.0]])
    with tn.GradientTape() as tape:
        x = tape.watch(at)
        out = interpolate.griddata(points, plane, x, "cubic", fill_value=7.0)
    np.testing.assert_allclose(out.value, [*(at[:2] @ np.array([2.0, -3.0]) + 1), 7.0], atol=1e-9)
    np.testing.assert_allclose(
        tn.grad(lambda x: interpolate.griddata(points, plane, x, "cubic")[0])(at)[0], [2, -3], rtol=1e-7
    )
    triangles = scipy.spatial.Delaunay(points)
    place, side = np.argwhere(triangles.neighbors >= 0)[0]
    edge = points[np.delete(triangles.simplices[place], side)].mean(0)
    inward = points[triangles.simplices[place, side]] - edge
    bumpy = interpolate.CloughTocher2DInterpolator(points, np.sin(7 * points[:, 0]) * points[:, 1])
    slopes = [tn.grad(lambda x: bumpy(x)[0])(edge + shift) for shift in (1e-7 * inward, -1e-7 * inward)]
    np.testing.assert_allclose(slopes[0], slopes[1], atol=1e-4)
    by_data = tn.jacobian(lambda v: interpolate.griddata(points, v, points[:2], "cubic"))(plane)
    np.testing.assert_allclose(by_data, np.eye(20)[:2], atol=1e-9)


REFUSALS = [
    (lambda y: interpolate.splrep(X, y, per=1), "per, full_output and task=1 are not supported"),
    (lambda y: interpolate.splrep(X, y, k=7), "k should be 1 <= k <= 5"),
    (lambda y: interpolate.splrep(X[:3], y[:3]), "x must have more than k = 3 places"),
    (lambda y: interpolate.splrep(X, y[:4]), "x, y and w should be vectors of a same length"),
    (lambda y: interpolate.splrep(X, y * np.nan), "must not contain NaNs or infs"),
    (lambda y: interpolate.splrep(X, y * 1j), "x and y must be real"),
    (lambda y: interpolate.splrep(X, y, s=-1.0), "s should be a number with s >= 0.0"),
    (lambda y: interpolate.splrep(X[::-1], y, s=1.0), "x must be increasing"),
    (lambda y: interpolate.splrep(X // 2, y), "x must be strictly increasing if s = 0"),
    (lambda y: interpolate.splrep(X, y, t=[1.0, 1.1, 1.2]), "x must have places inside of the support"),
    (lambda y: interpolate.UnivariateSpline(X, y, ext="wrap"), "Unknown extrapolation mode 'wrap'"),
    (lambda y: interpolate.UnivariateSpline(X, y)(2.0, 4), "nu must be at most the degree 3"),
    (lambda y: interpolate.InterpolatedUnivariateSpline(X // 2, y), "x must be strictly increasing"),
    (lambda y: interpolate.sproot((np.arange(9.0), y, 2)), "the spline must be cubic"),
    (lambda y: interpolate.insert(9.0, (np.arange(10.0), y, 3)), "x must be between the first and the last knot"),
    (lambda y: interpolate.insert(X, (np.arange(10.0), y, 3)), "x must be a number"),
    (lambda y: interpolate.insert(4.5, (np.arange(10.0), y, 3), per=1), "per must be 0"),
    (lambda y: interpolate.CubicSpline(X, y[:, None]).roots(), "c must have two axes"),
    (lambda y: interpolate.PPoly(y[None, :2] - 1, X[:3]).roots(), "the polynomial must not jump over y"),
    (lambda y: interpolate.make_lsq_spline(X, y[:4], X), "Shapes of x (6,), y (4,) and w (6,) are incompatible"),
    (lambda y: interpolate.make_lsq_spline(X, y * np.nan, np.repeat([0.0, 5.0], 4)), "must not contain infs or nans"),
    (lambda y: interpolate.make_lsq_spline(X[::-1], y, X), "Expect x and t to be 1-D sorted"),
    (lambda y: interpolate.make_lsq_spline(X, y, X), "at least 8 knots; got 3 and 6"),
    (lambda y: interpolate.make_smoothing_spline(X, y), "lam must be given on a tape"),
    (lambda y: interpolate.make_smoothing_spline(X, y, lam=-1.0), "lam not negative"),
    (lambda y: interpolate.make_smoothing_spline(X[::-1], y, lam=1.0), "`x` should be an ascending array"),
    (lambda y: interpolate.make_smoothing_spline(X[:4], y[:4], lam=1.0), "length must be at least 5"),
    (lambda y: interpolate.make_smoothing_spline(X, y, lam=y), "and lam (6,) do not fit"),
    (lambda y: interpolate.KroghInterpolator(X, y[:4]), "x and y arrays must be equal in length"),
    (lambda y: interpolate.BarycentricInterpolator(X // 2, y), "Interpolation points xi must be distinct"),
    (lambda y: interpolate.BPoly(y[None], X), "c must have shape (degree + 1, pieces, ...)"),
    (lambda y: interpolate.BPoly(y[None, :5], X[::-1]), "`x` must be strictly increasing"),
    (lambda y: interpolate.BPoly.from_derivatives(X, [y]), "xi and yi need to have the same length"),
    (lambda y: interpolate.BPoly.from_derivatives(X[:2], [y, y], 20), "yi must have 21 values"),
    (lambda y: interpolate.RectBivariateSpline(X, X, y[:, None] * X, s=1), "s must be 0 on a tape"),
    (lambda y: interpolate.RectBivariateSpline(X, X, y[:, None]), "z must have shape (6, 6)"),
    (lambda y: interpolate.RectBivariateSpline(X[::-1], X, y[:, None] * X), "x and y must be strictly increasing"),
    (lambda y: interpolate.RectBivariateSpline(X, X, y[:, None] * X, kx=6), "kx and ky must be at least 1"),
    (lambda y: interpolate.RectBivariateSpline(X, X, y[:, None] * X)(X[::-1], X), "must be sorted vectors"),
    (lambda y: interpolate.RectBivariateSpline(X, X, y[:, None] * X)(X, X, 4), "dx and dy must be orders"),
    (lambda y: interpolate.RectBivariateSpline(X, X, y[:, None] * X).partial_derivative(3, 0), "less than degree"),
    (lambda y: interpolate.bisplev(y, y, (X, X, X, 3, 3), 3), "0 <= dx < kx"),
    (lambda y: interpolate.bisplev(y, y[::-1], (X, X, X[:4], 3, 3)), "x and y must be sorted vectors"),
    (lambda y: interpolate.NdBSpline((X, X), y, 1), "must be of one number of dimensions"),
    (lambda y: interpolate.NdBSpline((X,), y, 3), "at least 8; got 6"),
    (lambda y: interpolate.NdBSpline((X,), y, 1), "got 6 coefficients for 6 knots, need 4"),
    (lambda y: interpolate.NdBSpline((X,), y[:4], 1)(X), "xi must have 1 coordinates"),
    (lambda y: interpolate.NdBSpline((X,), y[:4], 1)(X[:, None], nu=(-1,)), "nu must be 1 orders"),
    (lambda y: interpolate.NdPPoly(y, (X,)), "c must have at least 2*len(x) dimensions"),
    (lambda y: interpolate.NdPPoly(y[None], (X[::-1],)), "x arrays must be 1-dimensional, increasing"),
    (lambda y: interpolate.NdPPoly(y[None], (X,)), "do not agree on the number of intervals"),
    (lambda y: interpolate.NdPPoly(y[None, :5], (X,)).integrate([]), "ranges must be 1 pairs"),
    (lambda y: interpolate.CubicSpline(NOT_INCREASING, y), "`x` must be strictly increasing sequence"),
    (lambda y: interpolate.CubicSpline(X[:4], y), "must match the length of `x`"),
    (lambda y: interpolate.CubicSpline(X, y * np.nan), "must contain only finite values"),
    (lambda y: interpolate.CubicSpline(X, y, bc_type="periodic"), "must be identical"),
    (lambda y: interpolate.CubicSpline(X, y, bc_type="free"), "bc_type=free is not allowed"),
    (lambda y: interpolate.CubicSpline(X, y, bc_type=("natural",)), "must contain 2 elements"),
    (lambda y: interpolate.CubicSpline(X, y, bc_type=("natural", "periodic")), "cannot be used with other"),
    (lambda y: interpolate.CubicSpline(X, y, bc_type=((3, 0.0), "natural")), "derivative order must be 1 or 2"),
    (lambda y: interpolate.CubicSpline(X, y, bc_type=((1, [0.0]), "natural")), "is not the expected one"),
    (lambda y: interpolate.PchipInterpolator(X, y * 1j), "only works with real values"),
    (lambda y: interpolate.Akima1DInterpolator(X, y * 1j), "only works with real values"),
    (lambda y: interpolate.Akima1DInterpolator(X, y, method="x"), "`method`=x is unsupported"),
    (lambda y: interpolate.CubicHermiteSpline(X, y, y[:2]), "shapes of `y` and `dydx` must be identical"),
    (lambda y: interpolate.PPoly(y, X), "c must have shape"),
    (lambda y: interpolate.PPoly(y[None], [6, 5, 4, 3, 2, 1, 0]), "strictly increasing on a tape"),
    (lambda y: interpolate.LinearNDInterpolator(np.outer(X, [1, 2]), y)([[0, 0]]), "must not lie in a line"),
    (lambda y: interpolate.BSpline(X[::-1], y, 1), "knots must be in a non-decreasing order"),
    (lambda y: interpolate.BSpline(X, y, 3), "need at least 8 knots"),
    (lambda y: interpolate.BSpline(X, y[:2], 1), "are inconsistent"),
    (lambda y: interpolate.make_interp_spline(NOT_INCREASING, y), "strictly increasing sequence"),
    (lambda y: interpolate.make_interp_spline(X, y, bc_type="x"), "Unknown boundary condition : x"),
    (lambda y: interpolate.make_interp_spline(X, y, t=X), "knots, need at least 10"),
    (lambda y: interpolate.make_interp_spline(X, y, bc_type=([(1, 0.0)], None)), "number of derivatives at boundaries"),
    (lambda y: interpolate.make_interp_spline(X, y, bc_type="periodic"), "First and last points does not match"),
    (lambda y: interpolate.interp1d(X, y)(9.0), "within the interpolation range"),
    (lambda y: interpolate.interp1d(X, y, "x"), "x is unsupported"),
    (lambda y: interpolate.interp1d(X, y[:3]), "must be equal in length"),
    (lambda y: interpolate.interp1d(X[:2], y[:2], "cubic"), "must have at least 4 entries"),
    (lambda y: interpolate.interp1d(X, y, fill_value="extrapolate", bounds_error=True), "Cannot extrapolate and raise"),
    (lambda y: interpolate.interp1d(X, y, fill_value=np.ones(3)), "fill_value must broadcast"),
    (lambda y: interpolate.RegularGridInterpolator((X,), y, "x"), "Method 'x' is not defined"),
    (lambda y: interpolate.RegularGridInterpolator((X,), y)([[9.0]]), "out of bounds in dimension 0"),
    (lambda y: interpolate.RegularGridInterpolator((X[:3],), y), "There are 3 points and 6 values on axis 0"),
    (lambda y: interpolate.RegularGridInterpolator((NOT_INCREASING,), y), "strictly ascending or descending"),
    (lambda y: interpolate.RegularGridInterpolator((X[:3],), y[:3], "cubic"), "requires at least 4 points"),
    (lambda y: interpolate.RBFInterpolator(X, y), "`y` must be a 2-dimensional array"),
    (lambda y: interpolate.RBFInterpolator(X[:, None], y, kernel="x"), "`kernel` must be one of"),
    (lambda y: interpolate.RBFInterpolator(X[:, None], y, kernel="gaussian"), "`epsilon` must be specified"),
    (lambda y: interpolate.RBFInterpolator(X[:1, None], y[:1]), "At least 2 data points are required"),
    (lambda y: interpolate.RBFInterpolator(X[:, None], y)(X), "`x` must be a 2-dimensional array"),
    (lambda y: interpolate.LinearNDInterpolator(np.ones((3, 2)), y), "different number of values and points"),
    (lambda y: interpolate.griddata(np.ones((6, 3)), y, np.ones((1, 3)), "cubic"), "Unknown interpolation method"),
    (lambda y: interpolate.CloughTocher2DInterpolator(np.eye(2), y[:2])(0.5, 0.5), "the points must be at least 3"),
    (lambda y: interpolate.CloughTocher2DInterpolator(np.ones((6, 3)), y), "points must be of two dimensions"),
]


@pytest.mark.parametrize(("call", "words"), REFUSALS, ids=[words for _, words in REFUSALS])
def test_what_scipy_refuses_is_refused_on_a_tape(call: Callable[..., Any], words: str) -> None:
    with tn.GradientTape() as tape, pytest.raises(tn.errors.ArgumentError, match=re.escape(words)) as caught:
        call(tape.watch(Y))
    assert str(caught.value).startswith("interpolate.")


def test_what_has_no_derivative_names_what_to_write() -> None:
    with tn.GradientTape() as tape:
        y = tape.watch(Y)
        with pytest.raises(tn.errors.ArgumentTypeError, match=r"Write interpolate\.make_interp_spline"):
            interpolate.make_splrep(X, y)  # type: ignore[attr-defined]  # by name
    np.testing.assert_allclose(
        interpolate.CubicSpline(X, Y - 1).roots(), scipy.interpolate.CubicSpline(X, Y - 1).roots()
    )


@pytest.mark.parametrize("count", [3, 5])
def test_grids_of_examples_have_points_of_their_own_or_together(count: int) -> None:
    at, scales = np.array([0.31, 1.1, 1.9, 2.0, 3.1]), np.linspace(0.8, 1.2, count)
    grids, points = scales[:, None] * X, scales[:, None] * at
    for f in (
        lambda x, at: interpolate.interp1d(x, Y)(at),
        lambda x, at: interpolate.interp1d(x, Y, "cubic")(at),
        lambda x, at: interpolate.RegularGridInterpolator((x,), Y)(at),
    ):
        together = tn.vmap(lambda x, f=f: f(x, at))(grids)
        np.testing.assert_allclose(together, [f(x, at) for x in grids], rtol=1e-12)
        np.testing.assert_allclose(tn.vmap(f)(grids, points), [f(x, p) for x, p in zip(grids, points)], rtol=1e-12)
        with pytest.raises(tn.ArgumentError, match=r"range|out of bounds"):
            tn.vmap(lambda x, f=f: f(x, at + 1.5))(grids)
