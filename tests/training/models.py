"""A small model with dropout and running statistics, its loss, and data to train it on."""

from __future__ import annotations

import warnings

import numpy as np

import tapenet as tn


def small_model(seed=0):
    rng = np.random.default_rng(seed)
    return tn.nn.Sequential(
        tn.nn.Dense(3, 8, rng=rng),
        tn.nn.BatchNorm(8),
        np.tanh,
        tn.nn.Dropout(0.2),
        tn.nn.Dense(8, 2, rng=rng),
    )


def small_loss(model, x, labels, rng):
    logits, model = model.train(x, rng)
    return tn.nn.cross_entropy(logits, labels), model


def small_data(count=40, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 3)).astype(np.float32)
    return x, (x.sum(axis=1) > 0).astype(int)


def assert_same(tree, other):
    """That two pytrees hold the same bits, static arrays such as running statistics too."""
    mine, theirs = (tn.tree.leaves(x) for x in (tree, other))
    assert len(mine) == len(theirs)
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def assert_same_model(model, other, x=None):
    """That two models have the same weights, and the same outputs in inference."""
    assert_same(model, other)
    x = small_data(50, 7)[0] if x is None else x
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tn.errors.StatisticsWarning)  # also of models that were never trained
        np.testing.assert_array_equal(model(x), other(x))
