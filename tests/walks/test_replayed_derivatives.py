"""Replays of recorded derivatives: over the registry, a gradient that was recorded is right for other inputs too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tests.samples import SAMPLES, Sample

Array = Any

over_all_primitives = pytest.mark.parametrize("name", sorted(SAMPLES))


def scalar_of(f: Any) -> Any:
    def scalar(*arrays: Array) -> Array:
        y = f(*arrays)
        return tnp.sum(tnp.real(y) * np.cos(np.arange(1.0, y.size + 1)).reshape(y.shape))

    return scalar


def assert_replays(f: Any, arrays: tuple[Array, ...], others: tuple[Array, ...]) -> None:
    """A replay of value, gradient and derivative along the arrays is what they are at others, or names a guard."""
    with tn.GradientTape() as tape:
        watched = tape.watch(arrays)
        y = f(*watched)
        gradient = tape.gradient(y, watched, unconnected="zero")
        pushed = tape.jvp(y, watched, arrays)
    try:
        found = tape.replay(others, (y, gradient, pushed))
    except tn.ReplayError:
        return  # the program would take another way there, which is said
    places = tuple(range(len(arrays)))
    close(found[0], f(*others))
    for ours, expected in zip(found[1], tn.grad(f, places)(*others), strict=True):
        close(ours, expected)
    close(found[2], tn.jvp(f, others, arrays)[1])


def close(a: Array, b: Array) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-9, atol=1e-11)


@over_all_primitives
@given(data=st.data())
def test_replayed_derivatives_are_those_at_the_other_inputs(name: str, data: st.DataObject) -> None:
    sample: Sample = data.draw(SAMPLES[name])
    turned = tuple(np.asarray(x) * (1 + 2**-6) for x in sample.arrays)
    arrays = tuple(np.asarray(x) for x in sample.arrays)
    assert_replays(scalar_of(sample.function), arrays, turned)


ORDERED = np.array([1.0, 3.0, 2.0, -0.5]), np.array([2.0, 3.0, 1.0, 4.5])
WEIGHTS = np.array([1.0, 2.0, 3.0, 4.0])
CHOOSING = {
    "sort": lambda x: tnp.sum(tnp.sort(x) * WEIGHTS),
    "sort of a product": lambda x: tnp.sum(tnp.sort(x * x) * x),
    "partition": lambda x: tnp.sum(tnp.partition(x, 2)[:2]),
    "median": tnp.median,
    "nanmedian": tnp.nanmedian,
    "quantile": lambda x: tnp.quantile(x, 0.3),
    "percentile": lambda x: tnp.percentile(x, [20.0, 70.0]).sum(),
    "median of a pad": lambda x: tnp.sum(tnp.pad(x, 2, mode="median") ** 2),
    "max": lambda x: tnp.max(x) ** 2,
    "maximum": lambda x: tnp.sum(tnp.maximum(x, 1.5) ** 2),
    "abs": lambda x: tnp.sum(tnp.abs(x - 1.5) ** 3),
    "huber": lambda x: tn.nn.huber(x, np.zeros(4), delta=1.5),
    "binary cross-entropy": lambda x: tn.nn.binary_cross_entropy(x - 1.7, np.array([0.0, 1.0, 1.0, 0.0])),
    "root": lambda x: tnp.sum(tn.root(lambda y, a: y**3 + y - a, np.zeros(4), x) ** 2),
    "fixed point": lambda x: tnp.sum(tn.fixed_point(lambda y, a: 0.3 * tnp.cos(y) + a, np.zeros(4), x) ** 2),
    "max pool": lambda x: tnp.sum(tn.nn.max_pool(tnp.reshape(x, (1, 2, 2, 1)), 2) ** 2),
}


GUARDED = {"partition", "max", "maximum", "max pool"}  # a rule that asks about values leaves a guard


@pytest.mark.parametrize("name", CHOOSING)
def test_what_the_library_chose_is_chosen_anew(name: str) -> None:
    f = CHOOSING[name]
    for a, b in (ORDERED, ORDERED[::-1]):
        with tn.GradientTape() as tape:
            x = tape.watch(a)
            y = f(x)
            gradient = tape.gradient(y, x)
            hessian = tape.jacobian(gradient, x, unconnected="zero")
        try:
            found = tape.replay(b, (y, gradient, hessian))
        except tn.ReplayError:
            assert name in GUARDED
            continue
        for ours, expected in zip(found, (f(b), tn.grad(f)(b), tn.hessian(f)(b)), strict=True):
            close(ours, expected)
