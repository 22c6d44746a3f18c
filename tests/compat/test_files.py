"""`graph.save` and `graph.load`: a graph that is loaded goes on as the one that was saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import compat as nn
import tapenet as tn


def made(channels: int = 2) -> nn.Graph:
    np.random.seed(0)
    graph, X = nn.Graph(), nn.Placeholder()
    shapes = {"w1": (3, 3, 1, 2), "w2": (3, 3, 2, 2), "w": (1, 1, 1, 2)}
    block = {key: nn.Variable(nn.UniformInit(list(shape)), lr=0.1) for key, shape in shapes.items()}
    block |= {key: nn.Variable(np.zeros((2, 1)), lr=0.1) for key in ("b1", "b2", "b")}
    for key in ("gamma1", "beta1", "gamma2", "beta2", "gamma", "beta"):
        block[key] = nn.Variable(np.ones((1, 2, 1, 1)), lr=0.1)
    graph.add_vars(block.values())
    blocks = nn.ResBlock(X, block, {key: block[key] for key in ("w", "b", "gamma", "beta")})
    graph.add_block(blocks)
    flat = nn.Op(nn.Flatten(), blocks)
    W = nn.Variable(nn.UniformInit([32, channels]), lr=0.1)
    graph.add_var(W)
    out = nn.Op(nn.Dot(), flat, W)
    graph.add_ops([flat, out])
    gamma, beta = nn.Variable(np.ones((1, channels)), lr=0.1), nn.Variable(np.zeros((1, channels)), lr=0.1)
    graph.add_vars([gamma, beta])
    graph.add_op(nn.Op(nn.BatchNorm(gamma, beta), out))
    graph.add_loss(nn.Loss(nn.Softmax()))
    graph.add_optimizer(nn.AdamOptimizer())
    return graph


DATA = np.random.default_rng(1)
X = DATA.normal(size=(6, 1, 4, 4))
Y = np.eye(2)[DATA.integers(2, size=6)]


def step(graph: Any) -> float:
    graph.forward(X)
    loss = graph.calc_loss(Y)
    graph.backward()
    graph.update()
    return float(loss)


def test_a_graph_that_is_loaded_goes_on_as_the_one_that_was_saved(tmp_path: Path) -> None:
    graph = made()
    for _ in range(3):
        step(graph)
    graph.save(tmp_path / "graph.safetensors")
    other = made()
    other.load(tmp_path / "graph.safetensors")
    np.testing.assert_array_equal(other.predict(X), graph.predict(X))
    assert [step(other) for _ in range(3)] == [step(graph) for _ in range(3)]


def test_one_that_was_not_trained_is_saved_too(tmp_path: Path) -> None:
    graph = made()
    graph.save(tmp_path / "graph")
    other = made()
    step(other)
    other.load(tmp_path / "graph")
    assert step(other) == step(graph)


def test_a_file_of_another_graph_is_named_and_changes_nothing(tmp_path: Path) -> None:
    made().save(tmp_path / "graph")
    wider = made(3)
    before = wider.variable[12].value
    with pytest.raises(tn.ArgumentError, match=r"Graph.load: Variable 12 must .* \(32, 3\); got \(32, 2\)"):
        wider.load(tmp_path / "graph")
    assert wider.variable[12].value is before
    tn.save(tmp_path / "graph", [1.0])
    with pytest.raises(tn.ArgumentError, match="must be of a graph with 15 Variables; got one with 0"):
        wider.load(tmp_path / "graph")
