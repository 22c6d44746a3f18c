"""Right-hand sides as straight code: what they give, their derivatives, and what is left to the function itself."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

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
