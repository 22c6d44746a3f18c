"""Functions that are one operation: compiled and recorded derivatives, and what these cost."""

import numpy as np
import pytest

import tapenet as tn
from tapenet import nn
from tapenet.kernels import recurrent as kernels

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 4))
WEIGHTS = [RNG.normal(size=shape) for shape in ((4, 12), (3, 12), (12,))]

FUNCTIONS = {
    "lstm_sequence": lambda x: nn.lstm(x, *WEIGHTS)[0],
    "attention": lambda x: nn.scaled_dot_product_attention(x, x, x, causal=True),
    "batch_norm": lambda x: nn.batch_norm(x)[0],
    "layer_norm": nn.layer_norm,
}

over_functions = pytest.mark.parametrize("name", FUNCTIONS)


def loss_of(name):
    return lambda x: (FUNCTIONS[name](x) ** 3).sum()


@over_functions
def test_a_compiled_gradient_agrees(name):
    compiled, expected = tn.compile(tn.grad(loss_of(name))), tn.grad(loss_of(name))
    for x in (X, 2 * X, X - 1):
        np.testing.assert_allclose(compiled(x), expected(x), rtol=1e-10, atol=1e-12)


@over_functions
def test_derivatives_of_a_recorded_derivative(name, check_derivatives):
    check_derivatives(tn.grad(loss_of(name)), X)


@over_functions
def test_a_recorded_derivative_does_not_run_forward_again(name):
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        tape.gradient(loss_of(name)(x), x)
    names = [record.primitive.name for record in tape.records]
    assert names.count(name) == names.count(f"{name}_pullback") == 1


def test_cotangents_that_are_not_wanted_are_left_out():
    given = kernels.lstm(X.swapaxes(0, 1), *np.zeros((2, 2, 3)), *WEIGHTS, None)
    operands = (X.swapaxes(0, 1), *np.zeros((2, 2, 3)), *WEIGHTS, None)
    bar = np.ones_like(given[0])
    without = kernels.lstm_backward(operands, given, [False] * 6, bar, None)
    whole = kernels.lstm_backward(operands, given, [True] * 6, bar, None)
    assert without[0] is None
    for one, other in zip(without[1:], whole[1:], strict=True):
        np.testing.assert_array_equal(one, other)
