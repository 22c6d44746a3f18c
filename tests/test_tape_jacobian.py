"""`tape.jacobian`, whole and one for each example of a batch."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import tapenet as tn

Array = Any

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3))
W = RNG.normal(size=(3, 2))


def test_pytrees_of_targets_and_sources_intermediates_too() -> None:
    with tn.GradientTape() as tape:
        x, s = tape.watch((X[0], 2.0))
        h = np.tanh(x)
        y = {"a": h @ W * s, "b": h.sum()}
    jacobian = tape.jacobian(y, [h, s])
    np.testing.assert_allclose(jacobian["a"][0], 2 * W.T)
    np.testing.assert_allclose(jacobian["a"][1], np.tanh(X[0]) @ W)
    np.testing.assert_allclose(jacobian["b"][0], np.ones(3))
    assert jacobian["b"][1] == 0
    np.testing.assert_allclose(tape.jacobian(y, x, chunk_size=2)["a"], (2 * W.T) / np.cosh(X[0]) ** 2)
    np.testing.assert_allclose(tape.jacobian(h, h), np.eye(3))


def test_inside_of_its_block_it_is_recorded() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(X[0])
        jacobian = tape.jacobian(x**3, x)
        trace = np.trace(jacobian)
    np.testing.assert_allclose(tape.gradient(trace, x), 6 * X[0])


def test_unconnected_sources() -> None:
    with tn.GradientTape() as tape:
        x, z, u = tape.watch((X[0], 1.0, 2.0))
        y = (x * x, z * x[0])
    with pytest.raises(
        tn.UnconnectedError, match=re.escape("tape.jacobian: there is no differentiable path from x['u'] to y.")
    ):
        tape.jacobian(y, {"x": x, "u": u})
    zeros = tape.jacobian(y, (z, u), unconnected="zero")
    np.testing.assert_array_equal(zeros[0][0], np.zeros(3))
    assert zeros[1][1] == 0
    assert zeros[1][0] == X[0, 0]
    nones = tape.jacobian(y, (x, z, u), unconnected="none")
    assert nones[0][1] is nones[0][2] is nones[1][2] is None
    np.testing.assert_allclose(nones[0][0], np.diag(2 * X[0]))
    with pytest.raises(tn.UnconnectedError, match=re.escape("tape.jacobian: y was never watched: it is float 1.0")):
        tape.jacobian(1.0, x)
    with pytest.raises(tn.ArgumentError, match=re.escape("tape.jacobian: unconnected must be 'error', 'zero'")):
        tape.jacobian(y, x, unconnected="None")


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_one_jacobian_for_each_example(axis: int) -> None:
    x0 = np.moveaxis(X, 0, axis)
    weights = np.hstack([W, 2 * W + 1])
    with tn.GradientTape() as tape:
        x = tape.watch(x0)
        y = np.moveaxis(np.sin(np.moveaxis(x, axis, 0)) @ weights, 0, axis)
    jacobian = tape.jacobian(y, x, batch_axis=axis)
    assert jacobian.shape == (4, 4, 3)
    np.testing.assert_allclose(jacobian, weights.T * np.cos(X)[:, None, :])
    for chunk_size in (1, 2, 3):
        np.testing.assert_allclose(tape.jacobian(y, x, batch_axis=axis, chunk_size=chunk_size), jacobian)


def test_batched_pytrees_scalars_and_zeros() -> None:
    with tn.GradientTape() as tape:
        x, s, u = tape.watch((X, np.ones(4), np.ones(4)))
        y = ((x**2).sum(1) * s, x * 1j)
    jacobian = tape.jacobian(y, (x, s, u), unconnected="zero", batch_axis=0)
    np.testing.assert_allclose(jacobian[0][0], 2 * X)
    np.testing.assert_allclose(jacobian[0][1], (X**2).sum(1))
    np.testing.assert_allclose(jacobian[1][0], np.broadcast_to(1j * np.eye(3), (4, 3, 3)))
    assert jacobian[0][2].shape == (4,)
    assert jacobian[1][2].shape == (4, 3)


def test_examples_that_mix_are_refused() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        y = x - x.mean(0)
    with pytest.raises(tn.ArgumentError) as caught:
        tape.jacobian(y, x, batch_axis=0)
    assert str(caught.value) == (
        "tape.jacobian: with batch_axis each example of y must depend on the same example of x alone; got a "
        "derivative of example 0 of y by another example of x, of shape (4, 3). Leave batch_axis out."
    )


def test_batches_that_differ_are_refused() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        y = x[:2]
    with pytest.raises(tn.ArgumentError) as caught:
        tape.jacobian(y, x, batch_axis=0)
    assert str(caught.value) == (
        "tape.jacobian: batch_axis must be one axis, of one length, of all y and x; got 0 for shapes (2, 3), (4, 3)."
    )
