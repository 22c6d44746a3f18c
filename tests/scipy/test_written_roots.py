"""Roots of functions that are met again, as straight code and by SciPy's solvers of C."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.special

import tapenet as tn
from tapenet.errors import ArgumentTypeError, ConvergenceError
from tapenet.scipy import optimize

BRACKETING = ("brentq", "brenth", "bisect", "ridder")


def level(x: Any, a: Any) -> Any:
    return np.exp(x) * x - a


def of_vector(x: Any, p: Any) -> Any:
    return p[1] * x**3 - p[0]


def root_by(name: str, f: Callable[..., Any] = level, low: float = 0.0, high: float = 4.0) -> Callable[..., Any]:
    return lambda *args: getattr(optimize, name)(f, low, high, args)


def again(f: Callable[..., Any], *args: Any) -> Any:
    """Call a function several times, so that what it finds roots of is written; return the last result."""
    return [f(*args) for _ in range(4)][-1]


@pytest.mark.parametrize("transform", [again, lambda f, *args: again(tn.compile(f), *args)], ids=["eager", "compiled"])
@pytest.mark.parametrize("name", [*BRACKETING, "toms748"])
def test_roots_and_derivatives(name: str, transform: Callable[..., Any]) -> None:
    a = np.float64(3.0)
    value, slope = transform(tn.value_and_grad(root_by(name)), a)
    assert value == pytest.approx(scipy.special.lambertw(3.0).real, rel=1e-11)
    assert slope == pytest.approx(1 / (np.exp(value) * (1 + value)), rel=1e-12)
    second = -(2 + value) / (np.exp(value) * (1 + value)) * slope / (1 + value)
    assert transform(tn.grad(tn.grad(root_by(name))), a) == pytest.approx(second, rel=1e-11)
    assert transform(lambda a: tn.jvp(root_by(name), (a,), (2.0,))[1], a) == pytest.approx(2 * slope, rel=1e-12)
    mapped = transform(tn.vmap(tn.grad(root_by(name))), np.array([3.0, 1.0]))
    np.testing.assert_allclose(mapped, [slope, tn.grad(root_by(name))(1.0)], rtol=1e-12)


@pytest.mark.parametrize("name", BRACKETING)
def test_solvers_of_c_give_the_roots_of_those_of_python(name: str) -> None:
    pytest.importorskip("llvmlite")
    compiled = tn.compile(root_by(name, lambda x, a: x**3 + np.tanh(x) / a - a))
    for a in (0.5, 1.0, 3.0, 7.0):
        expected = getattr(scipy.optimize, name)(lambda x, a: x * x * x + np.tanh(x) / a - a, 0.0, 4.0, (a,))
        assert compiled(np.float64(a)) == pytest.approx(expected, abs=1e-15)


def test_arrays_and_several_arguments() -> None:
    p = np.array([3.0, 2.0])
    x = np.cbrt(1.5)
    expected = np.array([x / (3 * 3.0), -x / (3 * 2.0)])
    np.testing.assert_allclose(again(tn.grad(root_by("brentq", of_vector)), p), expected, rtol=1e-11)
    np.testing.assert_allclose(again(tn.compile(tn.grad(root_by("brentq", of_vector))), p), expected, rtol=1e-11)

    def apart(x: Any, a: Any, b: Any) -> Any:
        return b * x**3 - a

    found = again(tn.grad(root_by("brentq", apart), argnums=(0, 1)), 3.0, 2.0)
    np.testing.assert_allclose(found, expected, rtol=1e-11)
    assert again(tn.grad(lambda a: optimize.brentq(apart, 0.0, 4.0, (a, 2.0))), 3.0) == pytest.approx(expected[0])


@pytest.mark.parametrize(
    ("f", "options", "error", "message"),
    [
        (lambda x, a: x + a + 10, {}, tn.ArgumentError, "must have different signs"),
        (level, {"maxiter": 2}, tn.ConvergenceError, "f must have a root that the solver finds"),
        (level, {"xtol": -1.0}, ValueError, "xtol too small"),
        (lambda x, a: np.log(x - 1) - a, {}, ValueError, "is NaN"),
        (lambda x, a: 1 / (x - a), {}, tn.ConvergenceError, "must be zero at the root"),
        (lambda x, a: a * (x - 2.0) ** 3, {}, tn.ConvergenceError, "the Jacobian must be regular"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:divide by zero:RuntimeWarning")
def test_what_is_raised_is_raised_each_time(
    f: Callable[..., Any], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    gradient = tn.grad(lambda a: optimize.brentq(f, 0.0, 4.0, (a,), **options))
    for function in (gradient, tn.compile(gradient)):
        for _ in range(4):
            with pytest.raises(error, match=message):
                function(np.float64(1.3))


def test_what_a_function_reads_is_read_for_each_root() -> None:
    arrays = np.array([1.0])
    k = 1.0

    def by_number(x: Any, a: Any) -> Any:
        return k * x - a

    def by_array(x: Any, a: Any) -> Any:
        return arrays[0] * x - a

    gradients = [tn.grad(root_by("brentq", f, 0.0, 8.0)) for f in (by_number, by_array)]
    gradients += [tn.compile(gradient) for gradient in gradients[:1]]
    for value in (1.0, 1.0, 1.0, 2.0, 0.5):
        k = arrays[0] = value
        for gradient in gradients:
            assert gradient(np.float64(3.0)) == pytest.approx(1 / value)


def test_a_function_with_an_effect_is_called_each_time() -> None:
    seen: list[float] = []

    def counted(x: Any, a: Any) -> Any:
        seen.append(x)
        return level(x, a)

    counts = []
    for _ in range(4):
        tn.grad(root_by("brentq", counted))(3.0)
        counts.append(len(seen))
    assert counts == [counts[0] * i for i in range(1, 5)]


def test_what_changes_between_a_root_and_its_derivative_is_not_kept() -> None:
    k = [1.0]

    def f(x: Any, a: Any) -> Any:
        return k[0] * x - a

    for _ in range(3):
        k[0] = 1.0
        _, pullback = tn.vjp(root_by("brentq", f, 0.0, 9.0), 2.0)
        k[0] = 3.0
        with pytest.raises(ConvergenceError, match="leaps"):
            pullback(1.0)
    k[0] = 1.0
    assert tn.value_and_grad(root_by("brentq", f, 0.0, 9.0))(2.0) == (2.0, 1.0)


def test_functions_that_only_state_a_librarys_module_are_read() -> None:
    k = 1.0

    @functools.wraps(tn.numpy.exp)
    def scaled(x: Any) -> Any:
        return k * tn.numpy.exp(x)

    for value in (1.0, 1.0, 1.0, 2.0, 0.5):
        k = value
        found = tn.value_and_grad(root_by("brentq", lambda x, a: scaled(x) - a))(np.float64(3.0))
        assert found == pytest.approx((np.log(3 / value), 1 / 3))


def test_complex_roots_are_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="must give real numbers"):
        tn.grad(lambda a: optimize.newton(lambda x, a: x * 1j - a, 1.0, args=(a,)))(2.0)
