"""scipy.optimize on a tape: minima, fits, drivers over pytrees, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.optimize

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.scipy import optimize
from tapenet.testing import check_grads

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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: optimize.brentq(lambda x, a: x - a, 5, 6, (a,)), r"optimize\.brentq: f\(a\) and f\(b\) must have"),
        (lambda a: optimize.brentq(lambda x, b: x - a, 0, 6, (a,)), "must take every Tensor that it uses"),
        (lambda a: optimize.newton(lambda x, a: x - a, [1.0, 2.0], args=(a,)), r"optimize\.newton: x0 must be one"),
        (lambda a: optimize.root(lambda x: x, a), r"optimize\.root: x0 must not be a Tensor"),
        (lambda a: optimize.minimize(lambda x: x * x, a), r"optimize\.minimize: x0 must not be a Tensor"),
        (
            lambda a: optimize.minimize(bowl, np.zeros(2), (a,), constraints={"type": "eq", "fun": np.sum}),
            r"optimize\.minimize: constraints must be left out",
        ),
        (
            lambda a: optimize.least_squares(lambda x, a: x - a, [1.0], args=(a,), loss="huber"),
            r"optimize\.least_squares: loss and bounds",
        ),
        (lambda a: optimize.curve_fit(lambda x, p: p * x, [1, 2], [a, a], maxfev=5), r"curve_fit: sigma must be a"),
        (lambda a: optimize.linear_sum_assignment([[a]]), r"optimize\.linear_sum_assignment: not supported"),
    ],
)
def test_bad_arguments_are_refused_under_our_name(call: Callable[..., Any], message: str) -> None:
    with tn.GradientTape() as tape, pytest.raises(tn.TapenetError, match=message):
        call(tape.watch(2.0))
