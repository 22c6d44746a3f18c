"""Functions of networks where a textbook's formula fails: far out, in float16, of complex numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp

E40 = 4.248354255291589e-18  # e^-40
Z = np.array([0.3 + 0.4j, 0.5 - 2j, -1.5 + 0.2j])

# ---- far out ----

TAILS: dict[str, tuple[Any, float, float]] = {
    "sigmoid at 40": (tn.nn.sigmoid, 40.0, E40),
    "sigmoid at -40": (tn.nn.sigmoid, -40.0, E40),
    "elu": (tn.nn.elu, -40.0, E40),
    "softplus, second": (tn.grad(tn.nn.softplus), 40.0, E40),
    "silu, second": (tn.grad(tn.nn.silu), 40.0, -38 * E40),
    "softmax": (lambda x: tn.nn.softmax(tnp.stack([x, 0 * x]))[0], 40.0, E40),
    "log_softmax": (lambda x: tn.nn.log_softmax(tnp.stack([x, 0 * x]))[0], 40.0, E40),
    "gelu": (tn.nn.gelu, -20.0, -1.1014360483133464e-86),  # Phi(-20) - 20 phi(20), by mpmath
    "cross_entropy": (lambda x: tn.nn.cross_entropy(tnp.stack([x, 0 * x]), np.array(0)), 40.0, -E40),
}


@pytest.mark.parametrize("name", TAILS)
def test_derivatives_far_out_in_both_modes(name: str) -> None:
    function, x, right = TAILS[name]
    np.testing.assert_allclose(tn.grad(function)(x), right, rtol=1e-13)
    np.testing.assert_allclose(tn.jvp(function, (x,), (1.0,))[1], right, rtol=1e-13)


def test_log_softmax_keeps_the_digits_of_a_sure_answer() -> None:
    np.testing.assert_allclose(tn.nn.log_softmax(np.array([40.0, 0.0])), [-E40, -40], rtol=1e-15)
    np.testing.assert_allclose(tn.nn.log_softmax(np.array([3.0, 3.0])), -np.log([2, 2]), rtol=1e-15)


@pytest.mark.parametrize("logits", [[40.0, 0.0, -3.0], [0.1, 0.2, 0.3], [0.0, 800.0, 799.0], [2.0, 2.0, -500.0]])
@pytest.mark.parametrize("function", [tn.nn.softmax, tn.nn.log_softmax])
def test_jacobians_of_softmax_to_the_last_digits(function: Any, logits: list[float]) -> None:
    x = np.array(logits)
    with np.errstate(under="ignore"):
        y = tn.nn.softmax(x.astype(np.longdouble))
        off = -y[None, :] * (y[:, None] if function is tn.nn.softmax else 1)
        right = np.where(np.eye(3, dtype=bool), 0, off)
        right -= np.diag(right.sum(1))
    for jacobian in (tn.jacobian(function)(x), tn.jacfwd(function)(x)):
        np.testing.assert_allclose(jacobian, right.astype(float), rtol=3e-15, atol=1e-300)


# ---- float16 ----

WIDE = np.array([[-800, 0, 800, 1200]], np.float16)
NORMALIZED = [-1.4316, -0.3906, 0.6509, 1.1719]  # PyTorch's


def test_normalization_of_float16_beyond_what_it_can_square() -> None:
    for y in (tn.nn.layer_norm(WIDE), tn.nn.batch_norm(WIDE.T)[0].T):
        assert y.dtype == np.float16
        np.testing.assert_allclose(y, [NORMALIZED], rtol=1e-3)
    y, stats = tn.nn.batch_norm(WIDE.T)
    np.testing.assert_allclose(stats.var, np.var(WIDE.astype(float)), rtol=1e-6)
    again = tn.nn.normalize(WIDE.T, stats.mean, stats.var)
    assert again.dtype == np.float16
    np.testing.assert_array_equal(again, y)


def test_gradients_of_normalized_float16() -> None:
    def f(x: Any) -> Any:
        return tnp.sum(tn.nn.layer_norm(x) * np.arange(4, dtype=np.float32))

    found, right = tn.grad(f)(WIDE), tn.grad(f)(WIDE.astype(float))
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, right, atol=1e-6)


@pytest.mark.parametrize("loss", [tn.nn.mean_squared_error, tn.nn.huber, tn.nn.binary_cross_entropy])
def test_losses_of_more_elements_than_float16_counts(loss: Any) -> None:
    x = np.linspace(0, 1, 70_000).astype(np.float16)
    value, gradient = tn.value_and_grad(lambda x: loss(x, np.zeros_like(x)))(x)
    right, slope = tn.value_and_grad(lambda x: loss(x, np.zeros_like(x)))(x.astype(float))
    assert value.dtype == gradient.dtype == np.float16
    np.testing.assert_allclose(value, right, rtol=1e-3)
    np.testing.assert_allclose(gradient, slope, atol=6e-8)  # the smallest float16


# ---- complex numbers ----


def _normalized(z: Any) -> Any:
    return (z - z.mean()) / np.sqrt(np.var(z) + 1e-5)


def _normal_cdf(z: Any) -> Any:
    """Sum its Taylor series, which converges everywhere."""
    terms = [(-1) ** n * z ** (2 * n + 1) / (2.0**n * math.factorial(n) * (2 * n + 1)) for n in range(40)]
    return 0.5 + sum(terms) / math.sqrt(2 * math.pi)


RIGHT = {
    "gelu": (tn.nn.gelu, lambda z: z * _normal_cdf(z)),
    "gelu, approximate": (
        lambda z: tn.nn.gelu(z, approximate=True),
        lambda z: z / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
    ),
    "sigmoid": (tn.nn.sigmoid, lambda z: 1 / (1 + np.exp(-z))),
    "silu": (tn.nn.silu, lambda z: z / (1 + np.exp(-z))),
    "tanh": (tn.nn.tanh, np.tanh),
    "softmax": (tn.nn.softmax, lambda z: np.exp(z) / np.exp(z).sum()),
    "layer_norm": (tn.nn.layer_norm, lambda z: (z - z.mean()) / np.sqrt(np.var(z) + 1e-5)),
    "batch_norm": (
        lambda z: tn.nn.batch_norm(z[:, None])[0][:, 0],
        lambda z: (z - z.mean()) / np.sqrt(np.var(z) + 1e-5),
    ),
    "mean_squared_error": (lambda z: tn.nn.mean_squared_error(z, 0 * z), lambda z: np.mean(np.abs(z) ** 2)),
    "huber": (
        lambda z: tn.nn.huber(z, 0 * z, 1.0),
        lambda z: np.mean(np.where(np.abs(z) <= 1, np.abs(z) ** 2 / 2, np.abs(z) - 0.5)),
    ),
    "dense": (lambda z: tn.nn.dense(z[None], np.eye(3) * 1j), lambda z: (1j * z)[None]),
    "avg_pool": (lambda z: tn.nn.avg_pool(z.reshape(1, 3, 1, 1), (3, 1)).ravel(), lambda z: np.mean(z)),
    "conv": (lambda z: tn.nn.conv(z.reshape(1, 3, 1, 1), np.full((3, 1, 1, 1), 1j)).ravel(), lambda z: 1j * np.sum(z)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_complex_values_and_derivatives_are_the_formula_s(name: str) -> None:
    function, formula = RIGHT[name]
    np.testing.assert_allclose(function(Z), formula(Z), rtol=1e-14)
    t = np.array([0.2 - 0.1j, 0.3 + 0.5j, -0.4j])
    step = 1e-6
    right = (formula(Z + step * t) - formula(Z - step * t)) / (2 * step)
    np.testing.assert_allclose(tn.jvp(function, (Z,), (t,))[1], right, atol=1e-8)
    weights = np.exp(1j * np.arange(np.size(right))).reshape(np.shape(right))
    gradient = tn.grad(lambda z: tnp.real(tnp.sum(function(z) * weights)))(Z)
    np.testing.assert_allclose(np.sum(gradient * t).real, np.sum(right * weights).real, atol=1e-8)


REFUSED = {
    "relu": tn.nn.relu,
    "leaky_relu": tn.nn.leaky_relu,
    "elu": tn.nn.elu,
    "softplus": tn.nn.softplus,
    "log_softmax": tn.nn.log_softmax,
    "max_pool": lambda z: tn.nn.max_pool(z.reshape(1, 3, 1, 1), (3, 1)),
    "cross_entropy": lambda z: tn.nn.cross_entropy(z, np.array(0)),
    "binary_cross_entropy": lambda z: tn.nn.binary_cross_entropy(z, np.zeros(3)),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("on_tape", [False, True])
def test_complex_numbers_are_refused_where_the_function_compares(name: str, on_tape: bool) -> None:
    function = REFUSED[name]
    called = (lambda: tn.jvp(function, (Z,), (Z,))) if on_tape else (lambda: function(Z))
    with pytest.raises(tn.errors.ArgumentTypeError, match=rf"^{name}: (x|logits) must be real; got complex128\. \w+"):
        called()
