"""ResBlock: against its parts, its gradients, and as an input to later operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import compat as nn
import tapenet as tn

SIZE = (4, 3)


def parameters(rng: np.random.Generator, inputs: int, outputs: int, *suffixes: str) -> dict[str, nn.Variable]:
    """Filters, bias, gamma and beta for each suffix."""
    made = {}
    for suffix in suffixes:
        made["w" + suffix] = nn.Variable(rng.normal(size=(3, 3, inputs, outputs)), lr=0.1)
        made["b" + suffix] = nn.Variable(rng.normal(size=(outputs, 1)), lr=0.1)
        made["gamma" + suffix] = nn.Variable(rng.normal(size=(1, outputs, *SIZE)), lr=0.1)
        made["beta" + suffix] = nn.Variable(rng.normal(size=()), lr=0.1)
        inputs = outputs
    return made


def conv_norm(x: Any, p: dict[str, nn.Variable], suffix: str, graph: nn.Graph) -> nn.Op:
    conv = nn.Op(nn.Conv2d(), x, [p["w" + suffix], p["b" + suffix]])
    norm = nn.Op(nn.BatchNorm(p["gamma" + suffix], p["beta" + suffix]), conv)
    graph.add_ops([conv, norm])
    return norm


@pytest.mark.parametrize("with_shortcut", [False, True])
def test_a_block_is_its_parts(with_shortcut: bool, rng: np.random.Generator) -> None:
    outputs = 3 if with_shortcut else 2
    p = parameters(rng, 2, outputs, "1", "2")
    s = parameters(rng, 2, outputs, "") if with_shortcut else None
    X, Y = rng.normal(size=(3, 2, *SIZE)), rng.normal(size=(3, outputs, *SIZE))
    variables = [*p.values(), *(s or {}).values()]

    block, parts = nn.Graph(), nn.Graph()
    block.add_block(nn.ResBlock(nn.Placeholder(), p, s))
    x = nn.Placeholder()
    act = nn.Layer(nn.ReluActivator(), conv_norm(x, p, "1", parts))
    parts.add_layer(act)
    end = conv_norm(act, p, "2", parts)
    parts.add_op(nn.Op(nn.Add(), end, x if s is None else conv_norm(x, s, "", parts)))

    gradients = []
    for graph in (block, parts):
        graph.add_vars(variables)
        graph.add_loss(nn.Loss(nn.MSE()))
        graph.forward(X)
        graph.calc_loss(Y)
        graph.backward()
        gradients.append([variable.D for variable in variables])
    np.testing.assert_allclose(block.output.value, parts.output.value)
    for ours, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(block.predict(X), parts.predict(X))


@pytest.mark.parametrize("with_shortcut", [False, True])
def test_the_gradients_of_a_block(with_shortcut: bool, check_gradients: Any, rng: np.random.Generator) -> None:
    p = parameters(rng, 2, 2, "1", "2")
    s = parameters(rng, 2, 2, "") if with_shortcut else None
    X = nn.Variable(rng.normal(size=(3, 2, *SIZE)), lr=0.1)
    block = nn.ResBlock(X, p, s)
    # Biases before a batch norm have gradient 0 and tell nothing.
    variables = [X, p["w1"], p["gamma1"], p["beta1"], p["w2"], p["gamma2"], p["beta2"], *(s or {}).values()]
    check_gradients(block, variables, tolerance=2e-5)


def test_a_block_feeds_later_operations(rng: np.random.Generator) -> None:
    p = parameters(rng, 2, 2, "1", "2")
    first = nn.ResBlock(nn.Placeholder(), p)
    second = nn.ResBlock(first, parameters(rng, 2, 2, "1", "2"))
    graph = nn.Graph()
    graph.add_blocks([first, second])
    graph.add_op(nn.Op(nn.Flatten(), second))
    graph.forward(rng.normal(size=(3, 2, *SIZE)))
    assert graph.output.shape == (3, 24)
    assert repr(first) == "ResBlock"
    assert graph.layers == [first, second]


def test_parameters_that_are_missing(rng: np.random.Generator) -> None:
    p = parameters(rng, 2, 2, "1", "2")
    del p["gamma2"]
    text = r"^ResBlock: X2s must hold Variables under w2, b2, gamma2, beta2; got none under gamma2\.$"
    with pytest.raises(tn.ArgumentError, match=text):
        nn.ResBlock(nn.Placeholder(), p)


def test_a_block_that_does_not_fit_names_itself(rng: np.random.Generator) -> None:
    graph = nn.Graph()
    graph.add_block(nn.ResBlock(nn.Placeholder(), parameters(rng, 2, 3, "1", "2")))
    with pytest.raises(tn.ArgumentError, match=r"^forward: node 0, ResBlock, of \(5, 2, 4, 3\): .*\(5,3,4,3\)"):
        graph.forward(np.ones((5, 2, *SIZE)))
