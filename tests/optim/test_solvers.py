"""Newton-CG and Levenberg-Marquardt: published minima, SciPy's answers, and derivatives of the minimum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.testing import check_grads

newton_cg, levenberg_marquardt = tn.optim.newton_cg, tn.optim.levenberg_marquardt


def rosenbrock(x: Any, a: Any = 100.0) -> Any:
    return tnp.sum(a * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def quartic(x: Any, a: Any) -> Any:
    return tnp.sum((x["u"] - a) ** 4 + (x["u"] - a**2) ** 2)


# Misra1a of NIST's reference data sets for nonlinear regression, with certified parameters
PRESSURE = np.array([77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0])
VOLUME = np.array(
    [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78]
)  # fmt: skip


def misra(p: Any, volume: Any = VOLUME) -> Any:
    return p[0] * (1 - tnp.exp(-p[1] * PRESSURE)) - volume


# ---- minima ----


@pytest.mark.parametrize("n", [2, 10])
def test_rosenbrocks_function(n: int) -> None:
    found = newton_cg(rosenbrock, np.full(n, -1.2))
    np.testing.assert_allclose(found.x, np.ones(n))
    assert found.value < 1e-20
    assert found.steps < 100  # SciPy's trust-ncg takes 70 for n = 10


@pytest.mark.parametrize("start", [(500.0, 1e-4), (250.0, 5e-4)])
def test_a_certified_fit(start: tuple[float, float]) -> None:
    found = levenberg_marquardt(misra, start)
    np.testing.assert_allclose(found.x, (2.3894212918e2, 5.5015643181e-4), rtol=1e-9)
    np.testing.assert_allclose(2 * found.value, 1.2455138894e-1, rtol=1e-10)
    assert isinstance(found.x, tuple)


def test_least_squares_of_scipy() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    t = np.linspace(0, 3, 20)
    data = 2 * np.exp(-0.8 * t) + 0.5 + 0.05 * np.random.default_rng(0).standard_normal(20)

    def residuals(p: Any) -> Any:
        return p[0] * tnp.exp(-p[1] * t) + p[2] - data

    theirs = optimize.least_squares(residuals, np.array([1.0, 1.0, 0.0]), xtol=1e-15, ftol=1e-15, gtol=1e-15)
    ours = levenberg_marquardt(residuals, np.array([1.0, 1.0, 0.0]))
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-7)
    np.testing.assert_allclose(ours.value, theirs.cost)


def test_badly_scaled_parameters() -> None:
    found = levenberg_marquardt(lambda x: tnp.stack([x[0] ** 3 - 1, x[1] * 1e-8 - 3e-8]), np.array([3.0, 1.0]))
    np.testing.assert_allclose(found.x, [1.0, 3.0])


def test_many_parameters_go_without_matrices() -> None:
    n = 600
    b = np.linspace(-1, 1, n)

    def loss(x: Any, b: Any) -> Any:
        return tnp.sum(tnp.cosh(x) - b * x)

    found = newton_cg(loss, np.zeros(n), b)
    np.testing.assert_allclose(np.sinh(found.x), b, atol=1e-9)
    slope = tn.grad(lambda b: newton_cg(loss, np.zeros(n), b).x.sum())(b)
    np.testing.assert_allclose(slope, 1 / np.cosh(found.x), rtol=1e-8)
    fit = levenberg_marquardt(lambda x: tnp.exp(x) - (b + 1.5), np.zeros(n))
    np.testing.assert_allclose(np.exp(fit.x), b + 1.5)


def test_a_saddle_is_left_by_negative_curvature() -> None:
    found = newton_cg(lambda x: (x[0] ** 2 - 1) ** 2 + x[1] ** 2, np.array([1e-3, 1.0]))
    np.testing.assert_allclose(np.abs(found.x), [1.0, 0.0], atol=1e-9)


def test_single_precision_structures_and_scalars() -> None:
    x0 = {"w": np.zeros((2, 2), np.float32), "b": 0.5}
    found = newton_cg(lambda x: tnp.sum((x["w"] - 1) ** 2) + (x["b"] - 2) ** 2, x0)
    assert found.x["w"].dtype == np.float32
    np.testing.assert_allclose(found.x["w"], 1)
    assert isinstance(found.x["b"], np.float64)
    fit = levenberg_marquardt(lambda x: {"r": x - 2.0, "s": 3 * (x - 2.0)}, np.float32(0))
    np.testing.assert_allclose(fit.x, 2)
    assert newton_cg(lambda x: 1.0 + 0 * tnp.sum(x), np.zeros(0)).x.shape == (0,)


# ---- derivatives ----


def test_derivatives_of_minima() -> None:
    check_grads(lambda a: newton_cg(quartic, {"u": 0.9}, a, tolerance=1e-12).x["u"], (1.1,), order=2)
    a = np.array([1.0, 2.0])
    u = newton_cg(quartic, {"u": np.zeros(2)}, a).x["u"]
    curvature = 12 * (u - a) ** 2 + 2
    by_a = tn.jacobian(lambda a: newton_cg(quartic, {"u": np.zeros(2)}, a).x["u"])(a)
    np.testing.assert_allclose(by_a, np.diag((12 * (u - a) ** 2 + 4 * a) / curvature), rtol=1e-9, atol=1e-12)
    by_value = tn.grad(lambda a: newton_cg(quartic, {"u": np.zeros(2)}, a).value)(a)  # the envelope theorem
    np.testing.assert_allclose(by_value, -4 * (u - a) ** 3 - 4 * a * (u - a**2), rtol=1e-8, atol=1e-8)


def test_derivatives_of_fits_with_residuals() -> None:
    # by the whole Hessian: J^T J alone would be wrong by the residuals times the curvature
    t = np.arange(4.0)

    def fit(shift: Any) -> Any:
        y = np.exp(0.3 * t) + shift * np.array([0.3, -0.2, 0.1, 0.0])
        return levenberg_marquardt(lambda p, y: tnp.exp(p["a"] * t) - y, {"a": 0.1}, y, tolerance=1e-12).x["a"]

    check_grads(fit, (1.0,))


def test_the_covariance_of_a_fit_is_that_of_its_derivative() -> None:
    best = levenberg_marquardt(misra, (250.0, 5e-4)).x
    J = np.stack(tn.jacfwd(misra)(best), 1)
    variance = np.sum(misra(best) ** 2) / 12
    certified = [2.7070075241, 7.2668688436e-6]  # standard deviations of the parameters
    np.testing.assert_allclose(np.sqrt(np.diag(variance * np.linalg.inv(J.T @ J))), certified, rtol=1e-6)
    moved = tn.propagate(lambda y: levenberg_marquardt(misra, best, y).x, VOLUME, variance, diagonal=True)[1]
    np.testing.assert_allclose(np.sqrt(moved), certified, rtol=1e-2)  # residuals are small


def test_mapped_and_other_arguments() -> None:
    def minimum(a: Any) -> Any:
        return newton_cg(lambda x, a, options: (x - a) ** options["power"], 0.0, a, {"power": 2}).x

    np.testing.assert_allclose(tn.vmap(minimum)(np.array([1.0, 2.0])), [1.0, 2.0])
    np.testing.assert_allclose(tn.vmap(tn.grad(minimum))(np.array([1.0, 2.0])), [1.0, 1.0])


# ---- failures ----


def test_no_convergence() -> None:
    with pytest.raises(
        tn.ConvergenceError, match=r"newton_cg: x must converge .* max_steps=3; got a gradient of up to"
    ):
        newton_cg(rosenbrock, np.full(4, -1.2), max_steps=3)
    with pytest.raises(
        tn.ConvergenceError, match=r"levenberg_marquardt: x must converge .* max_steps=2; got half a sum"
    ):
        levenberg_marquardt(misra, (500.0, 1e-4), max_steps=2)
    with pytest.raises(tn.ConvergenceError, match="newton_cg: x must converge"):
        newton_cg(lambda x: x, 0.0, max_steps=50)
    for solver in (newton_cg, levenberg_marquardt):
        with np.errstate(all="ignore"), pytest.raises(tn.ConvergenceError, match="f must be finite at x0; got"):
            solver(lambda x: tnp.log(x), -1.0)


def test_a_minimum_that_is_not_isolated_has_no_derivative() -> None:
    def found(a: Any) -> Any:
        return newton_cg(lambda x, a: (x[0] + x[1] - a) ** 2, np.zeros(2), a).x.sum()

    np.testing.assert_allclose(found(3.0), 3.0)
    with pytest.raises(tn.ConvergenceError, match="the Hessian must be regular at the minimum"):
        tn.grad(found)(3.0)


def test_arguments_that_are_wrong() -> None:
    for solver in (newton_cg, levenberg_marquardt):
        with pytest.raises(tn.ArgumentTypeError, match=f"{solver.__name__}: x0 must be float"):
            solver(tnp.sum, np.arange(3))
        with pytest.raises(tn.ArgumentTypeError, match=f"{solver.__name__}: x0 must be real and floating"):
            solver(tnp.sum, np.ones(3, complex))
        with pytest.raises(tn.ArgumentError, match="x0 must not be a Tensor"):
            tn.grad(lambda x, solver=solver: solver(lambda y: y**2, x).x)(1.0)
        with pytest.raises(tn.ArgumentError, match=f"{solver.__name__}: .* every Tensor that it uses as an argument"):
            tn.grad(lambda a, solver=solver: solver(lambda x: (x - a) ** 2, 0.0).x)(1.0)
    with pytest.raises(tn.ArgumentError, match=r"newton_cg: y must be a scalar, of shape \(\)"):
        newton_cg(lambda x: x, np.ones(2))
    with pytest.raises(tn.ArgumentTypeError, match="levenberg_marquardt: y must be real and floating"):
        levenberg_marquardt(lambda x: x * 1j, np.ones(2))
