"""Right-hand sides as straight code: what they give, their derivatives, and what is left to the function itself."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.integrate

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.scipy import integrate
from tapenet.scipy.straight import StraightField

Y, P, Q = np.array([0.7, 0.4]), np.array([[1.0, 0.5], [0.3, 1.2]]), np.float64(0.6)


def arithmetic(t: Any, y: Any, p: Any) -> Any:
    return [p[0][0, 0] * y[0] - y[1] / p[0][0, 1] + 2 - t, -(y[0] ** 3) * p[1] + 1 / y[1] + y[0] ** 2 + y[1] ** 0.5]


def elementary(t: Any, y: Any, p: Any) -> Any:
    x, z = y
    first = np.sin(x) * np.cos(z) + np.tan(x * z) + np.tanh(p[1] * x) + np.sinh(x) - np.cosh(z)
    second = np.exp(-p[0][0, 1] * x) + np.log(z) + np.sqrt(x) + np.arctan(z) + np.log1p(x) + np.expm1(z * t)
    return np.stack([first, second])


def of_matrices(t: Any, y: Any, p: Any) -> Any:
    return tnp.tanh(p[0] @ y) - tnp.sum(y) * p[1] + tnp.concatenate([y[1:], y[:1]]) * np.array([1.0, -2.0])


FIELDS = pytest.mark.parametrize("f", [arithmetic, elementary, of_matrices])


def straight(f: Callable[..., Any]) -> StraightField:
    found = StraightField.of(f, 0.3, Y, [P, Q])
    assert found is not None
    return found


@FIELDS
def test_straight_code_gives_what_the_function_does(f: Callable[..., Any]) -> None:
    field = straight(f).of_numbers([P, Q], pytest.fail)
    for t, y in ((0.3, Y), (-0.2, 1.3 * Y)):
        np.testing.assert_allclose(field(t, y), np.stack(list(f(t, y, [P, Q]))), rtol=1e-14)


@FIELDS
def test_its_derivatives_are_those_of_the_tape(f: Callable[..., Any]) -> None:
    t, y, bars = np.linspace(0.1, 0.5, 4), Y + 0.1 * np.arange(8).reshape(4, 2), np.arange(1.0, 9).reshape(4, 2)
    slopes = straight(f).slopes(t, y, [P, Q])
    found = straight(f).pulled(t, y, [P, Q], bars)

    def whole(p: Any) -> Any:
        return sum(tnp.sum(tnp.stack(list(f(t[i], y[i], p))) * bars[i]) for i in range(4))

    for i in range(4):
        expected = tn.jacobian(lambda y, i=i: tnp.stack(list(f(t[i], y, [P, Q]))))(y[i])
        np.testing.assert_allclose(slopes[i], expected, rtol=1e-12, atol=1e-14)
    for one, other in zip(found, tn.grad(whole)([P, Q]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "f",
    [
        lambda t, y, p: y * 2 if y[0] > 0 else y,
        lambda t, y, p: np.where(y > 0, y, p[1]),
        lambda t, y, p: np.interp(y, [0.0, 1.0], [0.0, 2.0]),
        lambda t, y, p: np.maximum(y, p[1]),
        lambda t, y, p: y[0],
        lambda t, y, p: tnp.asarray(y, np.float32),
        lambda t, y, p: y * (1 + 1j),
        lambda t, y, p: y * float(t),
        lambda t, y, p: 1 / 0,
    ],
)
def test_what_is_more_than_elementary_is_left_to_the_function(f: Callable[..., Any]) -> None:
    with np.errstate(all="ignore"):
        assert StraightField.of(f, 0.3, Y, [P, Q]) is None


def test_large_functions_are_left_to_arrays() -> None:
    assert StraightField.of(lambda t, y, p: -y, 0.0, np.ones(200), []) is None
    assert StraightField.of(lambda t, y, p: tnp.outer(y, y) @ y, 0.0, np.ones(40), []) is None


def test_where_python_raises_the_function_is_called() -> None:
    field = StraightField.of(lambda t, y, p: [1 / y[0], np.log(y[1])], 0.0, Y, [])
    assert field is not None
    fast = field.of_numbers([], lambda t, y: "itself")
    assert fast(0.0, np.array([0.0, 1.0])) == "itself"
    assert fast(0.0, np.array([1.0, -1.0])) == "itself"
    assert fast(0.0, np.array([2.0, 1.0])) == [0.5, 0.0]


def of_rates(f: Callable[..., Any], **options: Any) -> Any:
    def misfit(y0: Any, p: Any) -> Any:
        return tnp.sum(integrate.odeint(f, y0, np.linspace(0, 2, 5), (p,), **options) ** 2)

    return tn.grad(misfit, argnums=(0, 1))


def test_gradients_of_solutions_are_those_of_the_general_rule() -> None:
    def pendulum(y: Any, t: Any, p: Any) -> Any:
        return np.stack([y[1], -p[0] * np.sin(y[0]) - p[1] * y[1] + 0.1 * t])

    def branching(y: Any, t: Any, p: Any) -> Any:
        return pendulum(y, t, p) if y[0] < 100 else y

    p, options = np.array([2.0, 0.3]), {"rtol": 1e-12, "atol": 1e-12}
    for fast, general in zip(of_rates(pendulum, **options)(Y, p), of_rates(branching, **options)(Y, p), strict=True):
        np.testing.assert_allclose(fast, general, rtol=1e-10)


def test_functions_of_more_than_their_arguments_are_called_each_time() -> None:
    calls: list[float] = []

    def counting(y: Any, t: Any, p: Any) -> Any:
        calls.append(t)
        return -p * y * (1 if len(calls) < 3 else 2)

    def reading(y: Any, t: Any, p: Any) -> Any:
        return -p * tn.stop_gradient(y) * y

    of_rates(counting)(Y, 0.5)
    assert len(calls) > 20
    frozen = tn.grad(lambda p: integrate.odeint(reading, [1.0], [0.0, 1.0], (p,))[1, 0])(1.0)
    assert np.isfinite(frozen)
    found = tn.vjp(lambda p: integrate.odeint(reading, [1.0], [0.0, 1.0], (p,))[1, 0], 1.0)[0]
    assert found == pytest.approx(0.5, abs=1e-6)  # y' = -y^2


def swing(t: Any, y: Any, p: Any) -> Any:
    return np.stack([y[1], -p[0] * np.sin(y[0]) - p[1] * y[1] + 0.1 * np.cos(3 * t)])


def blow_up(t: Any, y: Any, p: Any) -> Any:
    return [y[0] ** 2 * p[0], y[1] * p[1]]


def of_roots(t: Any, y: Any, p: Any) -> Any:
    return [-np.sqrt(y[0]) * p[0], -p[1] * y[0] * y[1]]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"t_span": (2.0, -3.0), "rtol": 1e-8},
        {"t_eval": [0.5, 1.0, 7.5], "rtol": 1e-9, "atol": [1e-9, 1e-12]},
        {"first_step": 2.0, "rtol": 1e-6},
        {"max_step": 0.3},
        {"rtol": 1e-7, "atol": 1e-9, "dense_output": True, "t_span": (0.0, 2.0), "t_eval": [0.3, 2.0]},
    ],
)
@pytest.mark.parametrize("method", ["RK23", "RK45", "DOP853"])
def test_explicit_solvers_give_the_values_of_scipys(method: str, options: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"t_span": (0.0, 8.0), "y0": Y, **options, "method": method}
    p = np.array([2.0, 0.3])
    expected = scipy.integrate.solve_ivp(swing, args=(p,), **settings)
    with tn.GradientTape() as tape:
        found = integrate.solve_ivp(swing, args=(tape.watch(p),), **settings)
    assert found.t.shape == expected.t.shape
    np.testing.assert_allclose(found.t, expected.t, rtol=1e-9)
    np.testing.assert_allclose(found.y.value, expected.y, rtol=1e-9, atol=1e-12)
    if method != "DOP853":
        assert (found.nfev, found.status, found.message) == (expected.nfev, expected.status, expected.message)
    if found.sol is not None:
        points = np.linspace(0.01, 1.97, 9)
        np.testing.assert_allclose(np.asarray(found.sol(points)), expected.sol(points), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["RK23", "RK45", "DOP853"])
def test_explicit_solvers_fail_where_scipys_do(method: str) -> None:
    message = scipy.integrate.solve_ivp(blow_up, (0.0, 3.0), Y, method, args=(P[0],)).message
    with pytest.raises(tn.ConvergenceError, match=message):
        tn.jacobian(lambda p: integrate.solve_ivp(blow_up, (0.0, 3.0), Y, method, args=(p,)).y[:, -1])(P[0])


@pytest.mark.parametrize("method", ["RK23", "RK45", "DOP853"])
def test_steps_where_python_raises_are_scipys(method: str) -> None:
    def last(p: Any, y0: Any) -> Any:
        return integrate.solve_ivp(of_roots, (0.0, 1.0), y0, method, args=(p,), first_step=1.0, rtol=1e-9, atol=1e-9).y[
            :, -1
        ]

    y0 = np.array([0.4, 0.7])
    with np.errstate(invalid="ignore"):
        slopes = tn.jacobian(last)(P[0], y0)
    root, (p, q) = np.sqrt(y0[0]), P[0]
    integral = root**2 - root * p / 2 + p**2 / 12
    y = y0[1] * np.exp(-q * integral)
    np.testing.assert_allclose(slopes, [[p / 2 - root, 0], [q * y * (root / 2 - p / 6), -integral * y]], rtol=1e-6)


@pytest.mark.parametrize("method", ["RK45", "DOP853"])
def test_second_derivatives_of_explicit_solvers(method: str) -> None:
    def energy(p: Any) -> Any:
        found = integrate.solve_ivp(swing, (0.0, 2.0), Y, method, args=(p,), rtol=1e-10, atol=1e-10)
        return tnp.sum(found.y[:, -1] ** 2)

    p, step = np.array([2.0, 0.3]), 1e-5
    differences = [(tn.grad(energy)(p + d) - tn.grad(energy)(p - d)) / (2 * step) for d in np.eye(2) * step]
    np.testing.assert_allclose(tn.hessian(energy)(p), differences, rtol=1e-6, atol=1e-8)


def as_odeint(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda p: integrate.odeint(f, Y, [0.0, 0.4, 1.0], (p,), tfirst=True)


def as_solve_ivp(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda p: integrate.solve_ivp(f, (0.0, 1.0), Y, t_eval=[0.4, 1.0], args=(p,), rtol=1e-8).y


def left(t: Any, y: Any, p: Any) -> Any:
    return swing(t, y, p) if y[0] < 100 else y


@pytest.mark.parametrize("f", [swing, left])
@pytest.mark.parametrize("way", [as_odeint, as_solve_ivp])
def test_examples_have_solutions_of_their_own(f: Callable[..., Any], way: Callable[..., Any]) -> None:
    examples = np.array([[2.0, 0.3], [30.0, 0.1], [0.1, 4.0]])

    def loss(p: Any) -> Any:
        return tnp.sum(way(f)(p) ** 2)

    found = {
        "gradients": tn.vmap(tn.grad(loss))(examples),
        "pushed": tn.vmap(lambda p: tn.jvp(way(f), (p,), (p,))[1])(examples),
        "of the sum": tn.grad(lambda ps: tnp.sum(tn.vmap(loss)(ps)))(examples),
        "jacobians": tn.vmap(tn.jacobian(way(f)))(examples),
    }
    expected = {
        "gradients": [tn.grad(loss)(p) for p in examples],
        "pushed": [tn.jvp(way(f), (p,), (p,))[1] for p in examples],
        "of the sum": [tn.grad(loss)(p) for p in examples],
        "jacobians": [tn.jacobian(way(f))(p) for p in examples],
    }
    for name, own in expected.items():
        np.testing.assert_allclose(found[name], np.stack(own), rtol=1e-10, atol=1e-12, err_msg=name)


def test_a_solution_is_replayed_for_other_parameters() -> None:
    p = np.array([2.0, 0.3])
    with tn.GradientTape() as tape:
        y = as_odeint(swing)(tape.watch(p))
    np.testing.assert_array_equal(tape.replay(1.1 * p, y), as_odeint(swing)(1.1 * p))
    np.testing.assert_array_equal(y.value, as_odeint(swing)(p))


def test_a_vector_without_elements_is_a_solution() -> None:
    def total(p: Any) -> Any:
        return tnp.sum(integrate.solve_ivp(lambda t, y, p: p * y, (0.0, 1.0), np.zeros(0), args=(p,)).y) + p

    assert tn.grad(total)(2.0) == 1.0


def test_functions_are_written_once_for_all_that_record_the_same() -> None:
    def made(factor: float) -> Callable[..., Any]:
        return lambda t, y, p: [factor * y[0] * p[0][1], y[1] ** 2]

    def field(factor: Any) -> StraightField:
        found = StraightField.of(made(factor), 0.0, Y, [P[0]])
        assert found is not None
        return found

    assert field(2.0) is field(2.0)
    assert field(2.0) is not field(3.0)
    assert field(0.0) is not field(-0.0)
    other = StraightField.of(made(2.0), 0.0, Y, [P])
    assert other is not field(2.0)


def test_derivatives_that_are_large_functions_are_left_to_arrays() -> None:
    weights = np.random.default_rng(0).normal(size=(14, 14))

    def coupled(t: Any, y: Any, p: Any) -> Any:
        return tnp.tanh(weights @ y * p) - y * tnp.sum(y)

    def last(p: Any) -> Any:
        return tnp.sum(integrate.odeint(coupled, np.ones(14), [0.0, 0.5], (p,), tfirst=True)[-1] ** 2)

    step = 1e-5
    assert tn.grad(last)(0.3) == pytest.approx((last(0.3 + step) - last(0.3 - step)) / (2 * step), rel=1e-5)


def test_nothing_is_left_for_the_garbage_collector() -> None:
    def pendulum(y: Any, t: Any, p: Any) -> Any:
        return [y[1], -p[0] * np.sin(y[0]) - p[1] * y[1]]

    gradient = of_rates(pendulum)
    gradient(Y, P[0])
    gc.collect()
    gc.disable()
    try:
        gradient(Y, P[0])
        assert gc.collect() == 0
    finally:
        gc.enable()
