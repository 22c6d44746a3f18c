"""Losses: values against formulas, gradients against what they should be, large numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

import compat as nn

numbers = hnp.arrays(np.float64, (3, 4), elements=st.floats(-50, 50))


def loss_and_gradient(lossfunc: Any, output: np.ndarray, Y: np.ndarray) -> tuple[float, np.ndarray]:
    X = nn.Variable(output, lr=1)
    graph = nn.Graph()
    graph.add_layer(nn.Layer(nn.IdentityActivator(), X))
    graph.add_loss(nn.Loss(lossfunc))
    graph.forward()
    loss = graph.calc_loss(Y)
    assert loss == graph.lossvalue
    graph.backward()
    return float(loss), X.D


@given(numbers, numbers)
def test_mse_is_half_the_sum_of_squares(output: np.ndarray, Y: np.ndarray) -> None:
    loss, gradient = loss_and_gradient(nn.MSE(), output, Y)
    assert loss == pytest.approx(0.5 * np.sum((output - Y) ** 2))
    np.testing.assert_allclose(gradient, output - Y)


@given(numbers, st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_softmax_is_the_summed_cross_entropy(output: np.ndarray, labels: list[int]) -> None:
    Y = np.eye(4)[labels]
    loss, gradient = loss_and_gradient(nn.Softmax(), output, Y)
    weights = np.exp(output - output.max(axis=1, keepdims=True))
    p = weights / weights.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        expected = -np.sum(np.log(p[np.arange(3), labels]))
    assert loss == pytest.approx(expected, rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(gradient, p - Y, atol=1e-12)


def test_softmax_of_large_numbers_is_finite() -> None:
    output = np.array([[1e4, -1e4], [-1e4, -2e4]])
    loss, gradient = loss_and_gradient(nn.Softmax(), output, np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert loss == 2e4
    np.testing.assert_allclose(gradient, [[1.0, -1.0], [0.0, 0.0]])
    np.testing.assert_allclose(nn.Softmax().predict(nn.Variable(output)), [[1.0, 0.0], [1.0, 0.0]])


def test_printing_a_loss(capsys: pytest.CaptureFixture[str]) -> None:
    graph = nn.Graph()
    graph.add_op(nn.Op(nn.Identity(), nn.Placeholder()))
    graph.add_loss(nn.Loss(nn.MSE()))
    print(graph.loss)
    graph.forward([[3.0]])
    graph.calc_loss([[1.0]])
    print(graph.loss)
    assert capsys.readouterr().out == "MSE, loss:None\nMSE, loss:2.0\n"
