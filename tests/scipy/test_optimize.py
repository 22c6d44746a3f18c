"""scipy.optimize on a tape: minima, fits, drivers over pytrees, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.scipy import optimize
from tapenet.testing import check_grads
from tests.scipy.subjects_optimize import waves

A = np.array([0.8, -0.5])


def bowl(x: Any, a: Any) -> Any:
    return tnp.sum((x - a) ** 2 + 0.1 * x**4) + 0.3 * x[0] * x[1]


def minimum(a: Any, **settings: Any) -> Any:
    return optimize.minimize(bowl, np.zeros(2), (a,), tol=1e-10, **settings).x


def assert_moves_as_differences(call: Callable[[Any], Any], a: Any) -> None:
    found = tn.jacobian(call)(a)
    differences = [(call(a + 1e-4 * e) - call(a - 1e-4 * e)) / 2e-4 for e in np.eye(len(a))]
    np.testing.assert_allclose(found, np.stack(differences, -1), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(tn.jacfwd(call)(a), found, atol=1e-9)


def test_minima_move_by_the_implicit_function_theorem() -> None:
    assert_moves_as_differences(lambda a: minimum(a, method="Newton-CG"), A)
    second = tn.hessian(lambda a: tnp.sum(minimum(a, method="Newton-CG") ** 2))(A)
    gradient = tn.grad(lambda a: tnp.sum(minimum(a, method="Newton-CG") ** 2))
    differences = [(gradient(A + 1e-4 * e) - gradient(A - 1e-4 * e)) / 2e-4 for e in np.eye(2)]
    np.testing.assert_allclose(second, differences, rtol=1e-5)


def test_variables_at_a_bound_do_not_move() -> None:
    bounds = [(0.0, None), (0.0, 1.0)]
    found = tn.jacobian(lambda a: minimum(a, method="L-BFGS-B", bounds=bounds))(A)
    np.testing.assert_array_equal(found[1], 0)
    assert found[0, 0] == pytest.approx(2 / (2 + 1.2 * minimum(A, method="L-BFGS-B", bounds=bounds)[0] ** 2), rel=1e-5)


def test_bounds_that_are_about_to_switch_are_a_named_error() -> None:
    def best(a: Any) -> Any:
        return optimize.minimize(lambda x, a: tnp.sum((x - a) ** 2), [1.0], (a,), "L-BFGS-B", bounds=[(0, None)]).x[0]

    assert tn.grad(best)(0.5) == pytest.approx(1)
    assert tn.grad(best)(-0.5) == 0
    with pytest.raises(tn.ConvergenceError, match="where the active bounds switch"):
        tn.grad(best)(0.0)


def test_minimize_drives_pytrees_and_supplies_derivatives() -> None:
    start = {"x": np.array([-1.0, 2.0]), "y": 0.5}

    def loss(p: Any) -> Any:
        return tnp.sum((p["x"] - 1) ** 2) + (p["y"] - p["x"][0]) ** 2

    for method in ("BFGS", "Newton-CG", "trust-krylov"):
        result = optimize.minimize(loss, start, method=method)
        np.testing.assert_allclose(result.x["x"], [1, 1], atol=1e-5)
        assert result.x["y"] == pytest.approx(1, abs=1e-5)
    ring = {"type": "eq", "fun": lambda p: tnp.sum(p["x"] ** 2) - 1}
    result = optimize.minimize(loss, start, method="SLSQP", constraints=ring)
    np.testing.assert_allclose(result.x["x"], np.sqrt([0.5, 0.5]), atol=1e-4)


CLOSE = {"ftol": 1e-14}


def test_minima_under_constraints_move_along_them() -> None:
    def on_a_line(a: Any) -> Any:
        line = {"type": "eq", "fun": lambda x, a: x[0] + x[1] - a[0], "args": (a,)}
        return optimize.minimize(bowl, np.zeros(2), (a,), constraints=line, options=CLOSE).x

    def in_a_disc(a: Any) -> Any:
        disc = {"type": "ineq", "fun": lambda x, a: a[0] ** 2 / 4 - np.sum(x**2), "args": (a,)}
        far = {"type": "ineq", "fun": lambda x: x[0] + 9}
        return optimize.minimize(bowl, np.zeros(2), (a,), constraints=[disc, far], options=CLOSE).x

    def between_hyperbolas(a: Any) -> Any:
        within = optimize.NonlinearConstraint(lambda x: x[0] * x[1], 0.1, 2)
        close = {"gtol": 1e-10, "xtol": 1e-12, "barrier_tol": 1e-10}
        return optimize.minimize(bowl, np.zeros(2), (a,), "trust-constr", constraints=within, options=close).x

    def on_a_plane(a: Any) -> Any:
        plane = optimize.LinearConstraint([[1.0, 1.0]], -np.inf, 0.1)
        return optimize.minimize(bowl, np.zeros(2), (a,), constraints=plane, options=CLOSE).x

    for best in (on_a_line, in_a_disc, between_hyperbolas, on_a_plane):
        assert_moves_as_differences(best, A)
    gradient = tn.grad(lambda a: tnp.sum(in_a_disc(a) ** 3))
    differences = [(gradient(A + 1e-4 * e) - gradient(A - 1e-4 * e)) / 2e-4 for e in np.eye(2)]
    np.testing.assert_allclose(tn.hessian(lambda a: tnp.sum(in_a_disc(a) ** 3))(A), differences, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(tn.vmap(in_a_disc)(np.stack([A, 1.1 * A]))[1], in_a_disc(1.1 * A), rtol=1e-12)


def test_minima_move_with_the_bounds_that_hold_them() -> None:
    def best(low: Any) -> Any:
        return optimize.minimize(bowl, np.zeros(2), (A,), bounds=[(0, None), (low, None)], tol=1e-12).x

    assert_moves_as_differences(lambda low: best(low[0]), np.array([0.8]))
    assert tn.grad(lambda low: best(low)[1])(0.8) == 1


def test_constraints_that_are_about_to_switch_are_a_named_error() -> None:
    def best(a: Any) -> Any:
        wall = {"type": "ineq", "fun": lambda x: 1 - x[0]}
        return optimize.minimize(lambda x, a: (x[0] - a) ** 2, [0.5], (a,), constraints=wall).x[0]

    assert tn.grad(best)(2.0) == pytest.approx(0, abs=1e-9)
    assert tn.grad(best)(0.3) == pytest.approx(1)
    with pytest.raises(tn.ConvergenceError, match="where the active constraints switch"):
        tn.grad(best)(1.0)


def test_what_is_no_minimum_has_no_derivative() -> None:
    def best(a: Any) -> Any:
        return optimize.minimize(lambda x, a: tnp.sum((x - a) ** 4), np.zeros(2), (a,), "COBYLA", tol=0.5).x

    with pytest.raises(tn.ConvergenceError, match="must satisfy the conditions of a minimum"):
        tn.jacobian(best)(3 * A)


def test_methods_get_the_derivatives_that_they_take() -> None:
    def loss(x: Any) -> Any:
        return tnp.sum((x - A) ** 2 + 0.1 * x**4)

    exact = optimize.minimize(loss, np.zeros(2), method="Newton-CG", tol=1e-12).x
    for method in ("Nelder-Mead", "Powell", "COBYLA", "CG", "TNC", "SLSQP", "dogleg", "trust-exact", "trust-constr"):
        np.testing.assert_allclose(optimize.minimize(loss, np.zeros(2), method=method).x, exact, atol=1e-3)
    assert optimize.minimize(lambda x: x**2, 1.0).x.shape == (1,)
    assert optimize.minimize(loss, np.array([1, 2])).success


def test_pytrees_have_bounds_of_pairs_and_callbacks_of_pytrees() -> None:
    seen: list[Any] = []
    start = {"x": np.ones((2, 2)), "y": 0.5}
    result = optimize.minimize(
        lambda p: tnp.sum(p["x"] ** 2) + p["y"] ** 2,
        start,
        bounds={"x": (0.2, None), "y": (None, -0.5)},
        callback=lambda p: seen.append(p["x"].shape),
    )
    np.testing.assert_allclose(result.x["x"], np.full((2, 2), 0.2))
    assert result.x["y"] == -0.5
    assert set(seen) == {(2, 2)}
    with pytest.raises(tn.ArgumentError, match="bounds must have the structure of x0"):
        optimize.minimize(lambda p: p["y"] ** 2, {"y": 0.5}, bounds={"z": (0, 1)})


def decay(t: Any, p: Any, q: Any) -> Any:
    return p * np.exp(-q * t)


DECAY = np.linspace(0, 1, 6), np.array([1, 0.8, 0.5, 0.45, 0.3, 0.9])
EXACT = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15}


def slopes(t: Any, p: Any, q: Any) -> Any:
    return tnp.stack([np.exp(-q * t), -p * t * np.exp(-q * t)], -1)


LOSSES: dict[str, Callable[[Any], Any]] = {
    "linear": lambda r: r**2 / 2,
    "soft_l1": lambda r: np.sqrt(1 + r**2) - 1,
    "huber": lambda r: tnp.where(np.abs(r) <= 1, r**2 / 2, np.abs(r) - 0.5),
    "cauchy": lambda r: np.log(1 + r**2) / 2,
    "arctan": lambda r: np.arctan(r**2) / 2,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_robust_fits_move_with_the_data(loss: str) -> None:
    t, y = DECAY

    def fit(given: Any) -> Any:
        scale, spread = given[0], given[1]
        return optimize.least_squares(
            lambda p, y: decay(t, *p) - y, [1.0, 1.0], loss=loss, f_scale=spread, args=(scale * y,), **EXACT
        )

    def cost(p: Any, given: Any) -> Any:
        scale, spread = given
        return tnp.sum(spread**2 * LOSSES[loss]((decay(t, p[0], p[1]) - scale * y) / spread))

    given = np.array([1.0, 0.1])
    begin = fit(given).x  # SciPy stops where the cost does not change, a little beside the minimum

    def minimum(given: Any) -> Any:
        return tn.root(tn.grad(cost), begin, given)

    differences = [(minimum(given + 1e-4 * e) - minimum(given - 1e-4 * e)) / 2e-4 for e in np.eye(2)]
    found = tn.jacobian(lambda given: fit(given).x)(given)
    np.testing.assert_allclose(found, np.stack(differences, -1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(tn.jacfwd(lambda given: fit(given).x)(given), found, atol=1e-9)
    with tn.GradientTape() as tape:
        np.testing.assert_allclose(fit(tape.watch(given)).cost.value, cost(begin, given), rtol=1e-9)


def test_fits_in_bounds_move_with_them() -> None:
    t, y = DECAY

    def fit(s: Any) -> Any:
        return optimize.least_squares(
            lambda p, y: decay(t, *p) - y, [0.5, 2.0], bounds=([0, s], [3, 3]), args=(s * y,), **EXACT
        ).x

    assert tn.jacobian(fit)(1.5)[1] == 1
    assert tn.jacobian(fit)(1.5)[0] == pytest.approx((fit(1.501)[0] - fit(1.499)[0]) / 2e-3, rel=1e-4)
    held = tn.jacobian(lambda y: optimize.curve_fit(decay, t, y, [0.5, 2.0], bounds=([0, 1.5], [3, 3]))[0])(y)
    np.testing.assert_array_equal(held[1], 0)
    decays = np.exp(-1.5 * t)
    np.testing.assert_allclose(held[0], decays / np.sum(decays**2), rtol=1e-6)


def test_fits_take_covariances_of_the_data() -> None:
    t, y = DECAY
    sigma = np.diag(np.full(6, 0.1)) + 0.05

    def fit(y: Any) -> Any:
        return optimize.curve_fit(decay, t, y, [1.0, 1.0], sigma, absolute_sigma=True)

    with tn.GradientTape() as tape:
        found = fit(tape.watch(y))
    expected = scipy.optimize.curve_fit(decay, t, y, [1.0, 1.0], sigma, absolute_sigma=True)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.value, other, rtol=1e-4)  # SciPy's Jacobian is one of differences
    exactly = {"jac": slopes, **EXACT}
    assert_moves_as_differences(
        lambda s: optimize.curve_fit(decay, t, s[0] * y, [1.0, 1.0], sigma, **exactly)[0], np.array([1.0])
    )


def test_vertices_move_with_the_constraints_that_meet_there() -> None:
    def vertex(s: Any) -> Any:
        equal = {"A_eq": [[1.0, 0.0, 1.0]], "b_eq": tnp.stack([s])}
        bounds = [(0, None), (None, 2 * s), (-5, 5)]
        return optimize.linprog([-1.0, -2.0, 0.0], [[1.0, 1.0, 0.0]], tnp.stack([4 * s]), **equal, bounds=bounds)

    np.testing.assert_allclose(tn.jacobian(lambda s: vertex(s).x)(1.0), [2, 2, -1])
    np.testing.assert_allclose(tn.jacobian(lambda s: vertex(s).slack)(1.0), [0], atol=1e-12)
    assert tn.grad(lambda s: vertex(s).fun)(1.0) == pytest.approx(-6)
    costs = tn.grad(lambda c: optimize.linprog(c, [[1.0, 1.0]], [4.0], bounds=(0, 3)).fun)(np.array([-1.0, -2.0]))
    np.testing.assert_allclose(costs, [1, 3])


def test_degenerate_and_ambiguous_vertices_are_named_errors() -> None:
    with pytest.raises(tn.ConvergenceError, match="got 3 for 2, a degenerate one"):
        tn.grad(lambda s: optimize.linprog([-1.0, -2.0], [[s, 1.0], [1.0, 3.0]], [4.0, 6.0], bounds=(0, 3)).fun)(1.0)
    with pytest.raises(tn.ConvergenceError, match="must be the only one"):
        tn.grad(lambda s: optimize.linprog([-1.0, -1.0], [[s, 1.0]], [4.0], bounds=(0, 3)).fun)(1.0)
    with pytest.raises(tn.ConvergenceError, match=r"optimize\.linprog: .*infeasible"):
        tn.grad(lambda s: optimize.linprog([s], [[1.0]], [-1.0]).fun)(1.0)


def test_assigned_costs_have_derivatives() -> None:
    cost = np.array([[1.0, 2.0], [3.0, 1.0]])
    np.testing.assert_array_equal(tn.grad(lambda c: c[optimize.linear_sum_assignment(c)].sum())(cost), np.eye(2))


def test_fits_move_with_the_data_and_so_does_their_covariance() -> None:
    x = np.linspace(0, 2, 8)

    def model(x: Any, a: Any, b: Any) -> Any:
        return a * np.exp(-b * x)

    y = model(x, 2.0, 0.7) + 0.05 * np.cos(9 * x)
    p, covariance = scipy.optimize.curve_fit(model, x, y, [1.0, 1.0])
    with tn.GradientTape() as tape:
        found = optimize.curve_fit(model, x, tape.watch(y), [1.0, 1.0])
    np.testing.assert_allclose(found[0].value, p, rtol=1e-12)
    np.testing.assert_allclose(found[1].value, covariance, rtol=1e-5)

    def fit(y: Any, sigma: Any) -> Any:
        return optimize.curve_fit(model, x, y, [1.0, 1.0], sigma)[0]

    check_grads(fit, (y, 1 + 0.1 * x), order=1, tolerance=1e-4)


def test_the_covariance_of_a_straight_line_moves_with_sigma() -> None:
    x, sigma = np.array([1.0, 2.0, 3.0]), np.array([0.5, 1.0, 2.0])

    def variance(sigma: Any) -> Any:
        return optimize.curve_fit(lambda x, a: a * x, x, 2 * x, [1.0], sigma, absolute_sigma=True)[1][0, 0]

    exact = 2 * x**2 / sigma**3 / np.sum((x / sigma) ** 2) ** 2
    np.testing.assert_allclose(tn.grad(variance)(sigma), exact, rtol=1e-7)


def test_solvers_take_what_scipys_do() -> None:
    def both(x: Any, a: Any) -> Any:
        return tnp.sum((x - a) ** 2), 2 * (x - a)

    assert tn.grad(lambda a: optimize.minimize(both, np.zeros(2), (a,), jac=True).x[0])(1.0) == pytest.approx(1)
    rows = scipy.sparse.csr_array([[-1.0, 0], [0, -1.0]])
    least = tn.grad(lambda b: optimize.linprog([1.0, 1.0], rows, b, bounds=(None, None)).fun)(np.array([1.0, 2.0]))
    np.testing.assert_allclose(least, [-1, -1])
    x = np.arange(3.0), np.ones(3)
    slope = tn.grad(lambda y: optimize.curve_fit(lambda x, a: a * x[0] + x[1], x, y)[0][0])(np.array([1.0, 2, 3]))
    np.testing.assert_allclose(slope, x[0] / 5)
    assert tn.grad(lambda a: optimize.brentq(lambda x, a: np.reshape(x * x - a, (1,))[0], 0, 3, (a,)))(1.0) == 0.5


def test_a_solver_that_fails_gives_no_derivative() -> None:
    with pytest.raises(tn.ConvergenceError, match=r"optimize\.brentq: f must have a root that the solver finds"):
        tn.grad(lambda a: optimize.brentq(lambda x, a: x**3 - a, 0, 4, (a,), maxiter=2))(3.0)
    with pytest.raises(tn.ConvergenceError, match=r"optimize\.root: "):
        tn.grad(lambda a: optimize.root(lambda x, a: x**2 + a, [1.0], (a,)).x[0])(1.0)
    with pytest.raises(tn.ConvergenceError, match=r"optimize\.fixed_point: Failed to converge"):
        tn.grad(lambda a: optimize.fixed_point(lambda x, a: x + a, 1.0, (a,), maxiter=5, method="iteration"))(1.0)
    with pytest.raises(tn.ConvergenceError, match=r"optimize\.minimize: Maximum number of iterations"):
        tn.grad(lambda a: tnp.sum(minimum(a, method="BFGS", options={"maxiter": 1})))(A)
    with pytest.raises(tn.ConvergenceError, match="the Jacobian must be regular at the solution"):
        tn.grad(lambda a: optimize.brentq(lambda x, a: x**3 - a, -1, 1, (a,)))(0.0)
    with (
        np.errstate(all="ignore"),
        pytest.raises(tn.ConvergenceError, match=r"optimize\.minimize_scalar: No valid bracket was found"),
    ):
        tn.grad(lambda a: optimize.minimize_scalar(lambda x, a: a * x, args=(a,)).x)(1.0)


def test_a_fit_through_all_points_has_a_covariance_without_bounds() -> None:
    def fit(y: Any) -> Any:
        return optimize.curve_fit(lambda x, a, b: a * x + b, np.arange(2.0), y)

    with pytest.warns(scipy.optimize.OptimizeWarning, match="Covariance of the parameters could not be estimated"):
        slopes, none = tn.jacobian(fit)(np.array([1.0, 0.5]))
    np.testing.assert_allclose(slopes, [[-1, 1], [1, 0]], atol=1e-7)
    np.testing.assert_array_equal(none, np.zeros((2, 2, 2)))


def jump(x: Any, a: Any) -> Any:
    return a * tnp.where(x > 0.5, 1.0, -1.0) + 0.1 * x


def pole(x: Any, a: Any) -> Any:
    return tnp.tan(x) - a


@pytest.mark.parametrize("name", ["bisect", "brenth", "brentq", "ridder"])
def test_a_solver_calls_f_on_numbers_as_often_as_scipy_and_the_derivative_once_more(name: str) -> None:
    called: list[type] = []

    def f(x: Any, a: Any) -> Any:
        called.append(type(x))
        return x**3 - a

    expected = getattr(scipy.optimize, name)(f, 0.0, 3.0, (2.0,))
    count = len(called)
    root, slope = tn.value_and_grad(lambda a: getattr(optimize, name)(f, 0.0, 3.0, (a,)))(2.0)
    assert root == expected
    assert called[count:] == [*called[:count], tn.Tensor]
    np.testing.assert_allclose(slope, 2.0 ** (-2 / 3) / 3, rtol=1e-11)  # xtol is 2e-12


@pytest.mark.parametrize("name", ["bisect", "brenth", "brentq", "ridder", "toms748"])
@pytest.mark.parametrize("error", [ValueError("mine"), RuntimeError("mine"), KeyError("mine")])
def test_exceptions_of_f_pass_a_solver_unchanged(name: str, error: Exception) -> None:
    called: list[Any] = []

    def f(x: Any, a: Any) -> Any:
        called.append(x)
        raise error

    with pytest.raises(type(error)) as raised:
        tn.grad(lambda a: getattr(optimize, name)(f, 0.0, 3.0, (a,)))(2.0)
    assert raised.value is error
    assert len(called) == 1
    assert error.__cause__ is None


@pytest.mark.parametrize("f", [jump, pole])
@pytest.mark.parametrize("name", ["bisect", "brenth", "brentq", "ridder", "root_scalar", "toms748"])
def test_where_a_function_leaps_over_zero_there_is_no_derivative(name: str, f: Callable[..., Any]) -> None:
    def root(a: Any) -> Any:
        if name == "root_scalar":
            return optimize.root_scalar(f, (a,), bracket=(0.2, 2.0)).root
        return getattr(optimize, name)(f, 0.2, 2.0, (a,))

    message = rf"optimize\.{name}: f must be zero at the root to have a derivative; got .* where f leaps"
    with pytest.raises(tn.ConvergenceError, match=message):
        tn.grad(root)(0.9 if f is jump else 0.05)
    with pytest.raises(tn.ConvergenceError, match=message):
        tn.vmap(tn.grad(root))(np.array([0.9, 0.8]) if f is jump else np.array([0.05, 0.04]))


@pytest.mark.parametrize("transform", [tn.grad, tn.jacfwd, lambda f: tn.vmap(tn.grad(f))])
@pytest.mark.parametrize("start", [[1.0], [1.0, 2.0]])
def test_minima_of_the_norm_are_not_roots(start: Any, transform: Callable[..., Any]) -> None:
    def root(a: Any, shift: float) -> Any:
        return optimize.root(lambda x, a: x**2 - a + shift, start, (a,), method="lm").x[0]

    a = np.array([0.7, 0.8]) if transform not in (tn.grad, tn.jacfwd) else 0.7
    with pytest.raises(tn.ConvergenceError, match=r"optimize\.root: f must be zero at the root"):
        transform(lambda a: root(a, 2.0))(a)
    np.testing.assert_allclose(transform(lambda a: root(a, 0.0))(a), 0.5 / np.sqrt(a), rtol=1e-7)


def test_newton_takes_an_array_of_one_number() -> None:
    def root(a: Any) -> Any:
        return optimize.newton(lambda x, a: x**2 - a, np.array([1.0]), args=(a,))

    np.testing.assert_allclose(tn.jacobian(root)(0.7), [0.5 / np.sqrt(0.7)], rtol=1e-7)


def test_large_values_and_loose_tolerances_are_roots_still() -> None:
    def root(a: Any, **settings: Any) -> Any:
        return optimize.brentq(lambda x, a: 1e9 * (x**3 + a * x - 2), 0.0, 2.0, (a,), **settings)

    x = root(1.3)
    np.testing.assert_allclose(tn.grad(root)(1.3), -x / (3 * x**2 + 1.3), rtol=1e-12)
    np.testing.assert_allclose(tn.grad(lambda a: root(a, xtol=0.1, rtol=0.1))(1.3), -x / (3 * x**2 + 1.3), rtol=0.1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: optimize.brentq(lambda x, a: x - a, 5, 6, (a,)), r"optimize\.brentq: f\(a\) and f\(b\) must have"),
        (lambda a: optimize.brentq(lambda x, b: x - a, 0, 6, (a,)), "must take every Tensor that it uses"),
        (lambda a: optimize.brentq(lambda x, a: x - a, a, 6, (1.0,)), r"optimize\.brentq: a must not be a Tensor"),
        (lambda a: optimize.newton(lambda x: x, a), r"optimize\.newton: x0 must not be a Tensor"),
        (lambda a: optimize.root_scalar(lambda x: x, bracket=(0, a)), r"optimize\.root_scalar: bracket must not be"),
        (
            lambda a: optimize.root(lambda x: x - a, [1.0]),
            r"optimize\.root: a function with rules of its own",
        ),
        (
            lambda a: optimize.minimize(bowl, np.zeros(2), (A,), constraints={"type": "eq", "fun": lambda x: x[0] - a}),
            r"optimize\.minimize: a function with rules of its own must take every Tensor",
        ),
        (
            lambda a: optimize.newton(lambda x, a: x - a, [1.0, 2.0], args=(a,), full_output=True),
            r"optimize\.newton: full_output must be False",
        ),
        (lambda a: optimize.root(lambda x: x, a), r"optimize\.root: x0 must not be a Tensor"),
        (lambda a: optimize.minimize(lambda x: x * x, a), r"optimize\.minimize: x0 must not be a Tensor"),
        (
            lambda a: optimize.minimize(bowl, np.zeros(2), (a,), constraints={"type": "equal", "fun": np.sum}),
            r"optimize\.minimize: a constraint must be a dict",
        ),
        (
            lambda a: optimize.minimize(bowl, np.zeros(2), (a,), bounds=[(0, 1)]),
            r"optimize\.minimize: bounds must have one pair",
        ),
        (
            lambda a: optimize.least_squares(lambda x, a: x - a, [1.0], args=(a,), loss=np.sin),
            r"optimize\.least_squares: loss must be one of linear, soft_l1",
        ),
        (
            lambda a: optimize.curve_fit(lambda x, p: p * x, [1, 2], [a, a], loss="huber", method="trf"),
            r"optimize\.curve_fit: loss must be left out",
        ),
        (lambda a: optimize.fsolve(lambda x, a: x - a, 1.0, (a,), full_output=True), r"optimize\.fsolve: full_output"),
        (lambda a: optimize.linprog([a], integrality=1), r"optimize\.linprog: integrality must be left out"),
        (lambda a: optimize.isotonic_regression([[a]]), r"optimize\.isotonic_regression: y must be a vector"),
        (lambda a: optimize.rosen_der([[a]]), r"optimize\.rosen_der: x must be a vector"),
        (
            lambda a: optimize.minimize_scalar(lambda x: x, bounds=(0, a)),
            r"optimize\.minimize_scalar: bounds must not be",
        ),
        (lambda a: optimize.leastsq(lambda x, a: x - a, [1.0], (a,), full_output=True), r"full_output must be False"),
        (
            lambda a: optimize.shgo(lambda x, a: x[0] - a, [(0, 1)], (a,), constraints=[1]),
            r"constraints must be left out",
        ),
    ],
)
def test_bad_arguments_are_refused_under_our_name(call: Callable[..., Any], message: str) -> None:
    with tn.GradientTape() as tape, pytest.raises(tn.TapenetError, match=message):
        call(tape.watch(2.0))


@pytest.mark.parametrize(
    "name", ["differential_evolution", "dual_annealing", "shgo", "direct", "brute", "basinhopping"]
)
def test_searches_find_what_scipy_finds_and_its_derivative(name: str) -> None:
    a, box = np.array([0.8, 1.1]), [(-3.0, 3.0), (-3.0, 3.0)]
    seeded = {"rng": 0} if name in ("differential_evolution", "dual_annealing", "basinhopping") else {}

    def found(xp: Any, a: Any) -> Any:
        if name == "basinhopping":
            return xp.basinhopping(waves, [0.7, 1.0], 2, minimizer_kwargs={"args": (a,)}, **seeded).x
        result = getattr(xp, name)(waves, box, args=(a,), **seeded)
        return result if name == "brute" else result.x

    y, pullback = tn.vjp(lambda a: found(optimize, a), a)
    np.testing.assert_allclose(y, found(scipy.optimize, a), atol=2e-4)

    def nearby(a: Any) -> Any:
        return optimize.minimize(waves, y, (a,), tol=1e-12).x

    np.testing.assert_allclose(pullback(np.array([1.0, 2.0]))[0], tn.jacobian(nearby)(a).T @ [1.0, 2.0], rtol=1e-5)


def test_searches_move_with_a_bound_that_is_a_tensor() -> None:
    slope = tn.grad(lambda low: optimize.shgo(lambda x, a: (x[0] - a) ** 2, [(low, 3.0)], args=(0.5,)).x[0])(1.0)
    np.testing.assert_allclose(slope, 1.0)


def test_what_scipy_refuses_of_the_values_is_refused_under_our_name_and_a_users_error_is_not() -> None:
    with pytest.raises(tn.ArgumentError, match=r"^optimize\.nnls: array must not contain infs or NaNs\.$"):
        tn.grad(lambda b: tnp.sum(optimize.nnls(np.eye(2), b)[0]))(np.array([1.0, np.nan]))
    with pytest.raises(tn.ArgumentError, match=r"^optimize\.linprog: Invalid input for linprog: b_ub"):
        tn.grad(lambda b: optimize.linprog([1.0, 1.0], np.eye(2), b).fun)(np.ones(3))

    def users(x: Any, a: Any) -> Any:
        raise ValueError("a user's")

    with pytest.raises(ValueError, match=r"^a user's$"):
        tn.grad(lambda a: optimize.least_squares(users, np.ones(2), args=(a,)).x[0])(1.0)


def test_functions_of_one_method_give_the_solution_alone() -> None:
    with tn.GradientTape() as tape, pytest.raises(tn.ArgumentError, match=r"optimize\.fmin: full_output and retall"):
        optimize.fmin(lambda x, a: np.sum((x - a) ** 2), np.ones(2), (tape.watch(np.ones(2)),), full_output=True)
    slope = tn.grad(lambda a: optimize.brent(lambda x, a: (x - a * a) ** 2, (a,), (-9.0, 9.0)))(1.5)
    np.testing.assert_allclose(slope, 3.0)
