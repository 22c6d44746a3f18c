"""`root` and `fixed_point`: solutions, and their derivatives by the implicit function theorem."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.testing import check_grads

A = np.array([4.0, 9.0, 2.0])


def square_root(a: Any, **options: Any) -> Any:
    return tn.root(lambda x, a: x * x - a, np.ones(3), a, **options)


def heron(a: Any, **options: Any) -> Any:
    return tn.fixed_point(lambda x, a: (x + a / x) / 2, np.ones(3), a, **options)


def damped(a: Any, **options: Any) -> Any:
    return tn.fixed_point(lambda x, a: x + 0.1 * (a - x * x), np.ones(3), a, **options)


@pytest.mark.parametrize("f", [square_root, heron, damped])
def test_value_and_derivatives_to_third_order(f: Any) -> None:
    np.testing.assert_allclose(f(A), np.sqrt(A), rtol=1e-9)
    np.testing.assert_allclose(tn.grad(lambda a: tnp.sum(f(a)))(A), 0.5 / np.sqrt(A), rtol=1e-9)
    check_grads(f, (A,), order=3)


@pytest.mark.parametrize("f", [square_root, damped])
def test_every_transform_agrees_with_the_closed_form(f: Any) -> None:
    def cubed(g: Any) -> Any:
        return lambda a: tnp.sum(g(a) ** 3)

    batch = np.stack([A, A + 1, A * 0.5])
    for transform in (
        lambda g: tn.hvp(cubed(g))(A, np.ones(3)),
        lambda g: tn.vmap(tn.grad(cubed(g)))(batch),
        lambda g: tn.grad(lambda b: tnp.sum(tn.vmap(cubed(g))(b) ** 2))(batch),
        lambda g: tn.jacobian(g)(A),
        lambda g: tn.jacfwd(g)(A),
        lambda g: tn.hessian(cubed(g))(A),
        lambda g: tn.vmap(tn.grad(lambda a: tnp.sum(tn.grad(cubed(g))(a) ** 2)))(batch),
    ):
        np.testing.assert_allclose(transform(f), transform(tnp.sqrt), rtol=1e-7, atol=1e-12)


def test_the_solver_is_not_recorded() -> None:
    with tn.GradientTape() as tape:
        damped(tape.watch(A))
    few = len(tape.records)
    with tn.GradientTape() as tape:
        damped(tape.watch(A), tolerance=1e-14)
    assert len(tape.records) == few < 10


def coupled(x: Any, p: Any, n: int, mode: str) -> Any:
    assert mode == "on"
    return {
        "u": x["u"] ** 3 + x["v"] @ p["w"] - p["c"] * n,
        "v": x["v"] * 2.0 + tnp.sin(x["u"]) * p["w"],
    }


def test_pytrees_with_static_arguments_beside_them() -> None:
    x0 = {"u": 1.0, "v": np.zeros(2)}
    p = {"w": np.array([0.3, -0.5]), "c": 1.5}

    def solution(p: Any) -> Any:
        return tn.root(coupled, x0, p, 2, "on")

    x = solution(p)
    assert x["u"].shape == ()
    for rest in coupled(x, p, 2, "on").values():
        np.testing.assert_allclose(rest, 0, atol=1e-12)
    check_grads(solution, (p,), order=2)


def test_integers_among_the_arguments() -> None:
    def solution(a: Any, n: Any) -> Any:
        return tn.root(lambda x, a, n: x**3 - a * n, np.ones(3), a, n)

    n = np.array([1, 2, 3])
    np.testing.assert_allclose(tn.grad(lambda a: tnp.sum(solution(a, n)))(A), (A * n) ** (-2 / 3) * n / 3, rtol=1e-10)


def test_the_start_has_no_gradient() -> None:
    gradient = tn.grad(lambda x0: tnp.sum(tn.root(lambda x, a: x * x - a, x0, A)))(np.ones(3))
    np.testing.assert_array_equal(gradient, np.zeros(3))


def test_a_solver_of_ones_own() -> None:
    seen = []

    def bisection(f: Any, x0: Any, a: Any) -> Any:
        seen.append((type(x0), type(a)))
        low, high = np.zeros(3), np.full(3, 10.0)
        for _ in range(80):
            middle = (low + high) / 2
            below = f(middle, a) < 0
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return low

    check_grads(lambda a: square_root(a, solver=bisection, tolerance=1e-10), (A,), order=2)
    assert set(seen) == {(np.ndarray, np.ndarray)}


def test_single_precision_stays_single() -> None:
    def solution(a: Any) -> Any:
        return tn.root(lambda x, a: x * x - a, np.ones(3, np.float32), a)

    a = A.astype(np.float32)
    assert solution(a).dtype == np.float32
    gradient = tn.grad(lambda a: tnp.sum(solution(a)))(a)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, 0.5 / np.sqrt(A), rtol=1e-4)


def test_an_empty_pytree_is_its_own_solution() -> None:
    assert tn.root(lambda x, a: x, [], A) == []


# ---- errors ----


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (
            lambda: tn.fixed_point(lambda x: x + 1.0, 0.0, max_steps=7, tolerance=1e-3),
            "fixed_point: x must converge to tolerance 0.001 within max_steps=7; got a change of x by 1 in the last "
            "one. A smaller step in f, x + h * (f(x) - x), may contract.",
        ),
        (
            lambda: tn.fixed_point(lambda x: x * x, 1e200, max_steps=7),
            "fixed_point: x must stay finite; got a change of x with NaN or inf at step 1 of at most 7.",
        ),
        (
            lambda: tn.root(lambda x: x * x + 1.0, 0.7, max_steps=5),
            "root: x must converge to tolerance 3.67e-11 within max_steps=5; got a step of ",
        ),
        (
            lambda: tn.root(lambda x: x * x - 4.0, 0.0),
            "root: the Jacobian of f must be regular; got a singular one at step 1, where max abs(f(x)) is 4. "
            "Begin elsewhere, or pass a solver.",
        ),
        (
            lambda: tn.root(lambda x: x - 1.0, 0.0, solver=lambda f, x0: 0.75, tolerance=1e-6),
            "root: solver must give max abs(f(x)) within tolerance 1e-06; got 0.25.",
        ),
        (
            lambda: tn.root(lambda x: x - 1.0, 0.0, solver=lambda f, x0: np.nan),
            "root: x must stay finite; got an x with NaN or inf from solver.",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_no_solution(use: Any, text: str) -> None:
    with pytest.raises(tn.ConvergenceError, match=f"^{re.escape(text)}"):
        use()


@pytest.mark.parametrize(
    ("use", "error", "text"),
    [
        (
            lambda: tn.root(lambda x: x, {"a": np.ones(2, int)}),
            tn.ArgumentTypeError,
            "root: x0['a'] must be real and floating; got a ndarray of shape (2,), int64.",
        ),
        (
            lambda: tn.root(lambda x: x[:2], A),
            tn.ArgumentError,
            "root: f must return the structure and shapes of x0, PyTreeSpec(*) of [(3,)]; got PyTreeSpec(*) of [(2,)].",
        ),
        (
            lambda: tn.fixed_point(lambda x: (x, x), A),
            tn.ArgumentError,
            "fixed_point: f must return the structure and shapes of x0, PyTreeSpec(*) of [(3,)]; "
            "got PyTreeSpec((*, *)) of [(3,), (3,)].",
        ),
        (
            lambda: tn.root(lambda x: x, A, solver=lambda f, x0: x0[:1]),
            tn.ArgumentError,
            "root: solver must return the structure and shapes of x0, PyTreeSpec(*) of [(3,)]; "
            "got PyTreeSpec(*) of [(1,)].",
        ),
        (
            lambda: tn.grad(lambda a: tn.root(lambda x: x * x - a, 1.0))(2.0),
            tn.ArgumentError,
            "root: a function with rules of its own must take every Tensor that it uses as an argument; got a result "
            "that depends on one from outside. Pass that as an argument, or tn.stop_gradient of it.",
        ),
    ],
)
def test_wrong_arguments(use: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        use()


class MyError(ValueError):
    pass


@pytest.mark.parametrize("solve", [tn.root, tn.fixed_point])
def test_what_f_raises_passes_unchanged(solve: Any) -> None:
    def fail(x: Any, a: Any) -> Any:
        raise MyError("mine")

    for use in (
        lambda: solve(fail, 1.0, 2.0),
        lambda: tn.grad(lambda a: solve(fail, 1.0, a))(2.0),
        lambda: tn.vmap(lambda a: solve(fail, 1.0, a))(A),
    ):
        with pytest.raises(MyError, match=r"^mine$") as caught:
            use()
        assert caught.value.__cause__ is None
