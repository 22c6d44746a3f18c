"""Conditions that are floats, and the kinds of what is given back: as eager code has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tests.program.comparing import BACKENDS, assert_compiles

Array = Any
X = np.linspace(-1.0, 1.0, 7)
WITH_NAN = np.where(np.arange(7) == 3, np.nan, np.where(np.arange(7) % 2, 0.0, X))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("condition", [X, WITH_NAN, WITH_NAN * (1 + 1j), np.array(0.0), X.astype(np.float32)])
def test_float_conditions_compile(backend: Any, condition: Array) -> None:
    def f(c: Array, x: Array) -> Any:
        y = tnp.where(c, x**2, x)
        return y, tn.grad(lambda x: tnp.sum(tnp.where(c, x**2, 3 * x)))(x)

    assert_compiles(f, (condition, X), (condition * 0, X), (condition, -X), backend=backend)


def test_a_float_condition_of_what_is_differentiated_has_no_derivative() -> None:
    f = tn.grad(lambda x: tnp.sum(tnp.where(tnp.maximum(x, 0), x**2, -x)))
    np.testing.assert_array_equal(f(X), np.where(X > 0, 2 * X, -1))
    assert_compiles(f, (X,), (-X,), (X + 0.5,))
    assert_compiles(tn.vmap(f), (np.stack([X, -X]),), (np.stack([-X, X]),))


def test_positions_that_are_floats_compile() -> None:
    x, positions = np.arange(24.0).reshape(1, 3, 2, 4), np.array([[0.0], [1.5], [2.0]])

    def f(positions: Array) -> Array:
        return tn.nn.rotary(x, positions=positions)

    assert_compiles(f, (positions,), (positions + 1,), scale=4.0)


KINDS = [np.array(0.5), np.float64(0.5), 0.5, np.float32(0.5), np.array(0.5, np.float32), np.array(0.5 + 0.1j)]
TRANSFORMS = {
    "gradient": lambda f: tn.grad(lambda x: tnp.real(f(x))),
    "gradient of gradient": lambda f: tn.grad(lambda x: tnp.real(tn.grad(lambda x: tnp.real(f(x)))(x))),
    "tangent": lambda f: lambda x: tn.jvp(f, (x,), (x,))[1],
    "jacobian": lambda f: tn.jacobian(lambda x: tnp.real(f(x))),
    "product": lambda f: lambda x: tn.hvp(lambda x: tnp.real(f(x)))(x, x),
    "vjp": lambda f: lambda x: tn.vjp(lambda x: tnp.real(f(x)), x)[1](1.0),
}


@pytest.mark.parametrize("transform", sorted(TRANSFORMS))
@pytest.mark.parametrize("x", KINDS, ids=lambda x: f"{type(x).__name__}-{np.asarray(x).dtype}")
@pytest.mark.parametrize("f", [tnp.exp, tnp.positive, lambda x: x * x, lambda x: x + 0, tnp.sum])
def test_derivatives_by_what_has_no_axes_are_of_its_kind(transform: str, x: Any, f: Any) -> None:
    if isinstance(x, float) and transform == "jacobian":
        x = np.float64(x)
    assert_compiles(TRANSFORMS[transform](f), (x,), (x,), (2 * x,))
