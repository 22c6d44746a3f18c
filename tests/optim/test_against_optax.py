"""Rules that PyTorch lacks against optax', over several steps."""

from __future__ import annotations

import numpy as np
import pytest

from tapenet import optim
from tapenet.core.pytrees import tree_leaves

ROWS = [
    (optim.lion(1e-2), lambda optax: optax.lion(1e-2, weight_decay=0.0)),
    (optim.lion(0.03, 0.7, 0.8, 0.1), lambda optax: optax.lion(0.03, 0.7, 0.8, weight_decay=0.1)),
    (optim.lamb(), lambda optax: optax.lamb(1e-3)),
    (optim.lamb(0.03, 0.7, 0.8, 0.1, 0.1), lambda optax: optax.lamb(0.03, 0.7, 0.8, 0.1, weight_decay=0.1)),
    (
        optim.chain(optim.clip_by_value(0.5), optim.clip_by_global_norm(1.0), optim.adam(0.1)),
        lambda optax: optax.chain(optax.clip(0.5), optax.clip_by_global_norm(1.0), optax.adam(0.1)),
    ),
    (
        optim.chain(optim.add_decayed_weights(0.1, lambda path, leaf: leaf.ndim > 1), optim.adam(0.1)),
        lambda optax: optax.chain(
            optax.add_decayed_weights(0.1, {"kernel": True, "bias": False}),
            optax.adam(0.1),
        ),
    ),
    (
        optim.chain(optim.scale(0.5), optim.sgd(0.1), optim.scale_by_schedule(optim.exponential_decay(1.0, 0.5))),
        lambda optax: optax.chain(
            optax.scale(0.5), optax.sgd(0.1), optax.scale_by_schedule(optax.exponential_decay(1.0, 1, 0.5))
        ),
    ),
    (
        optim.chain(optim.ema(0.9), optim.sgd(0.1)),
        lambda optax: optax.chain(optax.ema(0.9), optax.sgd(0.1)),
    ),
    (
        optim.chain(optim.sgd(0.1), optim.ema(0.5, debias=False)),
        lambda optax: optax.chain(optax.sgd(0.1), optax.ema(0.5, debias=False)),
    ),
    (
        optim.partition({"kernel": "a", "bias": "b"}, {"a": optim.adam(0.1), "b": optim.freeze()}),
        lambda optax: optax.multi_transform(
            {"a": optax.adam(0.1), "b": optax.set_to_zero()}, {"kernel": "a", "bias": "b"}
        ),
    ),
]


@pytest.fixture
def optax():
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    with jax.enable_x64(True):
        yield optax


@pytest.mark.parametrize(("optimizer", "make"), ROWS, ids=lambda value: getattr(value, "name", ""))
def test_eight_steps(optax, optimizer, make, rng):
    theirs = make(optax)
    params = {"bias": rng.normal(size=3), "kernel": rng.normal(size=(4, 3))}
    state, their_params, their_state = optimizer.init(params), params, theirs.init(params)
    for _ in range(8):
        gradients = {"bias": rng.normal(size=3), "kernel": rng.normal(size=(4, 3))}
        params, state = optimizer.update(gradients, state, params)
        updates, their_state = theirs.update(gradients, their_state, their_params)
        their_params = optax.apply_updates(their_params, updates)
        for mine, other in zip(tree_leaves(params), tree_leaves(their_params), strict=True):
            np.testing.assert_allclose(mine, np.asarray(other), rtol=1e-11, atol=1e-12)


def test_accumulated_gradients_are_those_of_optax(optax, rng):
    mine, theirs = optim.chain(optim.accumulate(3), optim.adam(0.1)), optax.MultiSteps(optax.adam(0.1), 3)
    params = their_params = rng.normal(size=3)
    state, their_state = mine.init(params), theirs.init(params)
    for _ in range(8):
        gradient = rng.normal(size=3)
        params, state = mine.update(gradient, state, params)
        updates, their_state = theirs.update(gradient, their_state, their_params)
        their_params = optax.apply_updates(their_params, updates)
        # optax divides in single precision.
        np.testing.assert_allclose(params, np.asarray(their_params), rtol=4 * float(np.finfo(np.float32).eps))


def test_nonfinite_gradients_are_skipped_as_by_optax(optax, rng):
    mine, theirs = (
        optim.chain(optim.skip_nonfinite(), optim.adam(0.1)),
        optax.apply_if_finite(optax.adam(0.1), 100),
    )
    params = their_params = rng.normal(size=3)
    state, their_state = mine.init(params), theirs.init(params)
    for bad in (0.0, np.nan, 0.0, np.inf, -np.inf, 0.0):
        gradient = rng.normal(size=3) + [0.0, bad, 0.0]
        params, state = mine.update(gradient, state, params)
        updates, their_state = theirs.update(gradient, their_state, their_params)
        their_params = optax.apply_updates(their_params, updates)
        np.testing.assert_allclose(params, np.asarray(their_params), rtol=1e-12)
    assert state.parts[0].skipped == 3
