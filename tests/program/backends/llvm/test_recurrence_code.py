"""Loops whose body is elementwise are one kernel, and give what the steps one by one give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program.loops import scan as scan_module
from tests.program.comparing import assert_compiles, assert_same

pytest.importorskip("llvmlite")

Array = Any
RNG = np.random.default_rng(0)
COUNT = 70


def autoregression(carry: Array, x: Array) -> Any:
    following = 0.9 * carry + tnp.sin(x)
    return following, following * 2


def oscillator(carry: Any, x: Any) -> Any:
    place, speed = carry
    speed = speed - 0.1 * place + x["push"] * x["gain"]
    place = place + 0.1 * speed
    return (place, speed), (place, tnp.where(speed > 0, speed, carry[1]))


def kept(carry: Array, x: Array) -> Any:
    return x, carry


def turned(carry: Array, x: Array) -> Any:
    following = tnp.conj(carry) * 0.9j + x
    return following, (carry * x, tnp.real(following))


def complex_numbers(*shape: int) -> Array:
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


CASES: dict[str, tuple[Callable[..., Any], Any, Any]] = {
    "numbers": (autoregression, np.float64(0.3), RNG.normal(size=COUNT)),
    "vectors": (autoregression, RNG.normal(size=5), RNG.normal(size=(COUNT, 5))),
    "matrices of float32": (autoregression, np.ones((2, 9), "f"), RNG.normal(size=(COUNT, 2, 9)).astype("f")),
    "two carries": (
        oscillator,
        (np.ones(4), np.zeros(4)),
        {"push": RNG.normal(size=(COUNT, 4)), "gain": RNG.normal(size=COUNT)},
    ),
    "moves": (kept, np.ones(3), RNG.normal(size=(COUNT, 3))),
    "complex numbers": (turned, np.complex128(0.3 + 1j), complex_numbers(COUNT)),
    "complex vectors of complex64": (turned, complex_numbers(17).astype("F"), complex_numbers(COUNT, 17).astype("F")),
    "complex and real carries": (
        lambda c, x: ((c[0] * x, c[1] + tnp.imag(c[0])), c[0]),
        (complex_numbers(3), RNG.normal(size=3)),
        np.exp(1j * RNG.normal(size=(COUNT, 3))),
    ),
}


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each scan that ran as an operation was one kernel."""
    made: list[bool] = []
    recurrence = scan_module.recurrence_for

    def noted(step: Any) -> Any:
        found = recurrence(step)
        made.append(found is not None)
        return found

    monkeypatch.setattr(scan_module, "recurrence_for", noted)
    return made


def one_by_one(body: Any, carry: Any, xs: Any, reverse: bool) -> Any:
    """The same as Python's loop, whose steps are recorded."""
    rows: dict[int, Any] = {}
    for i in range(COUNT)[:: -1 if reverse else 1]:
        carry, rows[i] = body(carry, tn.tree.map(lambda x, i=i: x[i], xs))
    return carry, tn.tree.map(lambda *ys: tnp.stack(ys), *(rows[i] for i in range(COUNT)))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("reverse", [False, True])
def test_values_and_derivatives_are_those_of_the_steps(name: str, reverse: bool, kernels: list[bool]) -> None:
    body, carry, xs = CASES[name]

    def loss(loop: Any, carry: Any, xs: Any) -> Array:
        leaves = tn.tree.leaves(loop(body, carry, xs))
        return sum(tnp.sum(tnp.cos(tnp.real(y)) + 0.5 * tnp.sin(tnp.imag(y))) for y in leaves)

    def by_scan(carry: Any, xs: Any) -> Array:
        return loss(lambda *given: tn.scan(*given, reverse=reverse), carry, xs)

    def by_steps(carry: Any, xs: Any) -> Array:
        return loss(lambda *given: one_by_one(*given, reverse), carry, xs)

    found = tn.value_and_grad(by_scan, (0, 1))(carry, xs)
    assert not any(kernels)  # it is recorded anew at each call
    assert_same(found, tn.value_and_grad(by_steps, (0, 1))(carry, xs), scale=64.0, types=False)
    calls = [(carry, xs)] * 3
    assert_compiles(tn.value_and_grad(by_scan, (0, 1)), *calls, backend="llvm", scale=64.0, types=False)
    assert any(kernels)


@pytest.mark.parametrize(
    "body",
    [
        lambda c, x: (c, x),
        lambda c, x: ((c[0] + x, tnp.where(x > 0, c[1], x)), c[0]),
        lambda c, x: ((c[1], c[0]), x),
        lambda c, x: ((c[1], c[0] * x), x),
    ],
)
def test_carries_of_no_axes_are_arrays_where_those_of_the_steps_are(
    body: Callable[..., Any], kernels: list[bool]
) -> None:
    for count in (COUNT, COUNT + 1):
        calls = [((np.array(0.5), np.float64(0.25)), np.ones(count))] * 3
        assert_compiles(lambda c, xs: tn.scan(body, c, xs)[0], *calls)
    assert any(kernels)


def test_derivatives_of_derivatives() -> None:
    body, carry, xs = CASES["vectors"]
    hessian = tn.hessian(lambda c: tnp.sum(tnp.sin(tn.scan(body, c, xs)[0]) ** 2))(carry)
    expected = tn.hessian(lambda c: tnp.sum(tnp.sin(one_by_one(body, c, xs, False)[0]) ** 2))(carry)
    assert_same(hessian, expected, scale=64.0)


def test_values_around_the_body_are_read_at_each_call(kernels: list[bool]) -> None:
    xs, row, number = RNG.normal(size=(COUNT, 4)), np.ones(4), np.float64(2.0)

    def loss(row: Array, number: Array, c: Array) -> Array:
        def body(carry: Array, x: Array) -> Any:
            return tnp.tanh(carry * row + x * number), carry

        return tnp.sum(tn.scan(body, c, xs)[1])

    carry, gradient = np.zeros(4), tn.compile(tn.value_and_grad(loss, argnums=2), backend="llvm")
    for scale in (1.0, 0.5, 1.0, 0.75):
        value = gradient(row * scale, number * scale, carry)
        total, following = 0.0, carry
        for x in xs:
            total, following = total + following.sum(), np.tanh(following * row * scale + x * number * scale)
        np.testing.assert_allclose(value[0], total, rtol=1e-12)
    assert any(kernels)


def test_arguments_out_of_range_are_numpys(kernels: list[bool]) -> None:
    carry, xs = np.zeros(3), RNG.normal(size=(COUNT, 3))
    xs[40] = 1e12

    def last(carry: Array) -> Array:
        return tnp.sum(tn.scan(autoregression, carry, xs)[0])

    expected = carry
    for x in xs:
        expected = 0.9 * expected + np.sin(x)
    gradient = tn.compile(tn.value_and_grad(last), backend="llvm")
    for _ in range(3):
        np.testing.assert_allclose(gradient(carry)[0], expected.sum(), rtol=1e-12)
    assert any(kernels)


@pytest.mark.parametrize(
    ("body", "carry", "xs"),
    [
        (lambda c, x: (tnp.cumsum(c) + x, x), np.ones(3), np.ones((COUNT, 3))),  # not elementwise
        (lambda c, x: (c + tnp.sum(x), x), np.ones(3), np.ones((COUNT, 3))),
        (lambda c, x: (c + x, x), np.ones(3), np.ones((8, 3))),  # few steps
        (lambda c, x: (c + x, x[0]), np.ones(3), np.ones((COUNT, 3))),  # of another shape
    ],
)
def test_other_bodies_go_step_by_step(body: Any, carry: Array, xs: Array, kernels: list[bool]) -> None:
    f = tn.compile(lambda c: tnp.sum(tn.scan(body, c, xs)[0]), backend="llvm")
    for _ in range(3):
        assert f(carry).shape == ()
    assert kernels
    assert not any(kernels)
