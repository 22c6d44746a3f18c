"""Update rules against the formulas, written out once more by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import compat as nn
import tapenet as tn

LR = 0.1


def sgd(v: Any, gradients: Any) -> Iterator[Any]:
    for D in gradients:
        v = v - LR * D
        yield v


def momentum(v: Any, gradients: Any, beta1: float = 0.9) -> Iterator[Any]:
    m = 0
    for D in gradients:
        m = beta1 * m + (1 - beta1) * D
        v = v - LR * m
        yield v


def adagram(v: Any, gradients: Any) -> Iterator[Any]:
    for i, D in enumerate(gradients):
        V = sum(g**2 for g in gradients[: i + 1])
        v = v - LR * D / (np.sqrt(V) + 1e-6)
        yield v


def adadelta(v: Any, gradients: Any, beta2: float = 0.999) -> Iterator[Any]:
    V = 0
    for D in gradients:
        V = beta2 * V + (1 - beta2) * D**2
        v = v - LR * D / (np.sqrt(V) + 1e-6)
        yield v


def adam(v: Any, gradients: Any, beta1: float = 0.9, beta2: float = 0.999) -> Iterator[Any]:
    m = V = 0
    for D in gradients:
        m = beta1 * m + (1 - beta1) * D
        V = beta2 * V + (1 - beta2) * D**2
        v = v - LR * m / (np.sqrt(V) + 1e-6)
        yield v


RULES = [
    (nn.SGDOptimizer(), sgd, {}),
    (nn.MomentumOptimizer(), momentum, {}),
    (nn.MomentumOptimizer(beta1=0.5), momentum, {"beta1": 0.5}),
    (nn.AdaGramOptimizer(), adagram, {}),
    (nn.AdaDeltaOptimizer(), adadelta, {}),
    (nn.AdaDeltaOptimizer(beta2=0.9), adadelta, {"beta2": 0.9}),
    (nn.RMSPropOptimizer(), adadelta, {}),
    (nn.RMSPropOptimizer(beta2=0.9), adadelta, {"beta2": 0.9}),
    (nn.AdamOptimizer(), adam, {}),
    (nn.AdamOptimizer(beta1=0.5, beta2=0.9), adam, {"beta1": 0.5, "beta2": 0.9}),
]


@pytest.mark.parametrize("shape", [(), (3, 2), (200, 300)])
@pytest.mark.parametrize(("optimizer", "rule", "settings"), RULES, ids=lambda x: getattr(x, "name", ""))
def test_the_rule(optimizer: Any, rule: Any, settings: Any, shape: Any, rng: np.random.Generator) -> None:
    start, gradients = rng.normal(size=shape), [rng.normal(size=shape) for _ in range(4)]
    v, other = nn.Variable(start.copy(), lr=LR), nn.Variable(start.copy(), lr=LR)
    for D, expected in zip(gradients, rule(start, gradients, **settings), strict=True):
        v.D, other.D = D.copy(), -D
        optimizer.update(v)
        optimizer.update(other)  # what is kept is kept for each Variable
        np.testing.assert_allclose(v.value, expected, rtol=1e-12)
        np.testing.assert_array_equal(v.D, D)
        assert v.value.shape == shape


def test_gradients_and_values_in_any_order_of_memory(rng: np.random.Generator) -> None:
    start, D = rng.normal(size=(200, 300)), rng.normal(size=(200, 300))
    v = nn.Variable(np.asfortranarray(start), lr=LR)
    for _ in range(2):
        v.D = np.asfortranarray(D)
        nn.AdamOptimizer().update(v)
    np.testing.assert_allclose(v.value, list(adam(start, [D, D]))[-1])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_stays(dtype: Any) -> None:
    v = nn.Variable(np.ones(3, dtype), lr=LR)
    v.D = np.ones(3, dtype)
    nn.AdamOptimizer().update(v)
    assert v.value.dtype == v.m.dtype == v.V.dtype == dtype


@pytest.mark.parametrize(
    "optimizer", list(dict.fromkeys(type(optimizer) for optimizer, *_ in RULES)), ids=lambda x: x.__name__
)
def test_a_graph_learns_with_each(optimizer: Any, rng: np.random.Generator) -> None:
    # So near to where it starts that AdaGrad gets there: its hundred steps add up to about 20 * lr.
    X, target = rng.normal(size=(20, 3)), rng.uniform(-0.4, 0.4, size=(3, 2))
    W = nn.Variable(np.zeros((3, 2)), lr=0.02)
    graph = nn.Graph()
    graph.add_var(W)
    graph.add_op(nn.Op(nn.Dot(), nn.Placeholder(), W))
    graph.add_loss(nn.Loss(nn.MSE()))
    graph.add_optimizer(optimizer())
    losses = []
    for _ in range(100):
        graph.forward(X)
        losses.append(graph.calc_loss(X @ target))
        graph.backward()
        graph.update()
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.bool_, np.uint16])
@pytest.mark.parametrize("optimizer", [nn.SGD(), nn.Momentum(), nn.AdaGram(), nn.AdaDelta(), nn.RMSprop(), nn.Adam()])
def test_integers_become_float64_at_their_first_step(dtype: Any, optimizer: Any) -> None:
    variable = nn.Variable(np.ones((2, 3), dtype), lr=LR)
    variable.D = np.full((2, 3), 0.5)
    exact = nn.Variable(np.ones((2, 3)), lr=LR)
    exact.D = variable.D
    optimizer.update(variable)
    optimizer.update(exact)
    assert variable.value.dtype == np.float64
    np.testing.assert_array_equal(variable.value, exact.value)


@pytest.mark.parametrize("lr", [float("nan"), float("inf"), -1.0, None, "0.1", 1j, True, np.ones(2)])
def test_a_learning_rate_that_is_none(lr: Any) -> None:
    with pytest.raises(tn.TapenetError, match=r"^Variable: lr must be "):
        nn.Variable(np.ones(2), lr=lr)
    variable = nn.Variable(np.ones(2), lr=LR)
    variable.lr, variable.D = lr, np.ones(2)
    with pytest.raises(tn.TapenetError, match=r"^SGDOptimizer\.update: lr must be "):
        nn.SGD().update(variable)
    np.testing.assert_array_equal(variable.value, 1.0)
