"""Warnings about running statistics: they come once, show the line to write, and not where all is well."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import tapenet as tn
from tapenet import nn
from tapenet.errors import StatisticsWarning


def model() -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm(3, dtype=np.float64), np.tanh)


X = np.random.default_rng(0).normal(2.0, 3.0, size=(8, 3))


def test_inference_before_training_is_noted_once_for_each_line() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        untrained = model()
        for _ in range(3):
            untrained(X)
    assert [w.category for w in caught] == [StatisticsWarning]
    assert "y, model = model.train(x, rng)" in str(caught[0].message)
    assert caught[0].filename == __file__


def test_after_one_pass_it_is_not(rng: np.random.Generator) -> None:
    _, trained = model().train(X, rng)
    trained(X)
    tn.grad(lambda m: m(X).sum())(trained)
    nn.summary(model(), X)
    tn.testing.check_grads(lambda m: m(X), (model(),))


def dropping(rng: np.random.Generator, steps: int) -> None:
    network, optimizer = model(), tn.optim.sgd(0.1)
    state = optimizer.init(network)

    def loss(network: Any) -> Any:
        y, _ = network.train(X, rng)
        return (y**2).sum()

    for _ in range(steps):
        network, state = optimizer.update(tn.grad(loss)(network), state, network)


def test_models_that_are_dropped_again_and_again_are_noted(rng: np.random.Generator) -> None:
    dropping(rng, 10)
    with pytest.warns(StatisticsWarning, match=r"was dropped.*y, model = model.train\(x, rng\).*has_aux=True"):
        dropping(rng, 11)


def test_models_that_are_kept_are_not(rng: np.random.Generator) -> None:
    network, optimizer = model(), tn.optim.sgd(0.1)
    state = optimizer.init(network)

    def loss(network: Any) -> Any:
        y, network = network.train(X, rng)
        return (y**2).sum(), network

    for _ in range(30):
        gradient, network = tn.grad(loss, has_aux=True)(network)
        network, state = optimizer.update(gradient, state, network)
    first = network
    for _ in range(30):  # of which the last is kept
        _, network = first.train(X, rng)
    tn.testing.check_grads(lambda m: m.train(X, rng)[0], (network,), directions=20)
