"""Replays of recorded derivatives: over the registry, a gradient that was recorded is right for other inputs too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves
from tests.numpy import subjects_arrangement, subjects_elementwise, subjects_formulas, subjects_reductions  # noqa: F401
from tests.numpy.subjects import SUBJECTS, Subject, named
from tests.samples import SAMPLES, Sample

Array = Any

# Primitives whose rules take another way for some values: for matrices that are badly conditioned, say.
DECIDING = {"det", "lstsq", "norm", "pinv", "std"}

over_all_primitives = pytest.mark.parametrize("name", sorted(SAMPLES))


def scalar_of(f: Any) -> Any:
    def scalar(*arrays: Array) -> Array:
        y = f(*arrays)
        return tnp.sum(tnp.real(y) * np.cos(np.arange(1.0, y.size + 1)).reshape(y.shape))

    return scalar


def assert_replays(f: Any, arrays: tuple[Array, ...], others: tuple[Array, ...]) -> None:
    """A replay of value, gradient and derivative along the arrays is what they are at others."""
    with tn.GradientTape() as tape:
        watched = tape.watch(arrays)
        y = f(*watched)
        gradient = tape.gradient(y, watched, unconnected="zero")
        pushed = tape.jvp(y, watched, arrays)
    found = tape.replay(others, (y, gradient, pushed))
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
    try:
        assert_replays(scalar_of(sample.function), arrays, turned)
    except tn.ReplayError:  # another way of computing suits the other inputs, which is said
        if name not in DECIDING:
            raise


# What depends on values in another way than a choice does: how to compute, how many elements there are, what is an
# error. The functions of sets find values at places; `piecewise` is given what the user compared.
READS = {
    *("is well conditioned", "small singular values", "cuts off", "is in range", "needs scale", "rank", "is zero"),
    *("number of bins", "_length", "nonzero", "flatnonzero", "_come_in_pairs", "_is_close_to_real"),
    *("allclose", "isfinite", "less", "greater", "greater_equal", "equal", "logical_or", "if x:"),
    *("unique", "unique_all", "unique_counts", "unique_inverse", "unique_values"),
    *("intersect1d", "setdiff1d", "setxor1d", "frexp"),
}


@pytest.mark.parametrize("subject", named(SUBJECTS))
@settings(max_examples=2)
@given(data=st.data())
def test_functions_leave_no_guard_for_a_choice(subject: Subject, data: st.DataObject) -> None:
    arrays = tuple(np.asarray(x) for x in data.draw(subject.arrays))
    with np.errstate(all="ignore"), tn.GradientTape() as tape:
        watched = [tape.watch(x) if x.dtype.kind in "fc" else x for x in arrays]
        sources = [x for x in watched if type(x) is tn.Tensor]
        results = [y for y in tree_leaves(subject.call(tnp, *watched)) if type(y) is tn.Tensor]
        assert all(y.dtype.kind in "fc" for y in results)
        for y in results:
            tape.gradient(tnp.sum(tnp.real(y)), sources, unconnected="zero")
            tape.jvp(y, sources, sources)
    if sources:
        assert {guard.name for guard in sources[0].owner.guards} <= READS


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
    "sort, the largest first": lambda x: tnp.sum(tnp.sort(x, descending=True) * WEIGHTS),
    "max": lambda x: tnp.max(x) ** 2,
    "nanmax": lambda x: tnp.nanmax(x) ** 2,
    "ptp": lambda x: tnp.ptp(x) ** 2,
    "nanstd": lambda x: tnp.nanstd(tnp.where(tnp.arange(4) > 1, x, np.nan) + x),
    "quantile by its fraction": lambda x: tnp.quantile(x, tn.nn.sigmoid(x[0])),
    "quantile by weight": lambda x: tnp.quantile(x, 0.6, weights=WEIGHTS, method="inverted_cdf") ** 2,
    "clip": lambda x: tnp.sum(tnp.clip(x, 0.5, x[0]) ** 2),
    "power": lambda x: tnp.sum(tnp.power(x * x, x)),
    "norm of order 3": lambda x: tnp.linalg.norm(x, 3),
    "norm of order inf": lambda x: tnp.linalg.norm(x, np.inf) ** 2,
    "singular values": lambda x: tnp.sum(tnp.linalg.svdvals(tnp.reshape(x, (2, 2))) ** 3),
    "interp": lambda x: tnp.sum(tnp.interp(x, [0.0, 1.2, 2.5, 4.0], WEIGHTS**2) ** 2),
    "leaky ReLU": lambda x: tnp.sum(tn.nn.leaky_relu(x - 1.5) ** 2),
    "ELU": lambda x: tnp.sum(tn.nn.elu(x - 1.5) ** 2),
    "maximum": lambda x: tnp.sum(tnp.maximum(x, 1.5) ** 2),
    "abs": lambda x: tnp.sum(tnp.abs(x - 1.5) ** 3),
    "huber": lambda x: tn.nn.huber(x, np.zeros(4), delta=1.5),
    "binary cross-entropy": lambda x: tn.nn.binary_cross_entropy(x - 1.7, np.array([0.0, 1.0, 1.0, 0.0])),
    "root": lambda x: tnp.sum(tn.root(lambda y, a: y**3 + y - a, np.zeros(4), x) ** 2),
    "fixed point": lambda x: tnp.sum(tn.fixed_point(lambda y, a: 0.3 * tnp.cos(y) + a, np.zeros(4), x) ** 2),
    "max pool": lambda x: tnp.sum(tn.nn.max_pool(tnp.reshape(x, (1, 2, 2, 1)), 2) ** 2),
}


@pytest.mark.parametrize("name", CHOOSING)
def test_what_the_library_chose_is_chosen_anew(name: str) -> None:
    f = CHOOSING[name]
    for a, b in (ORDERED, ORDERED[::-1]):
        with tn.GradientTape() as tape:
            x = tape.watch(a)
            y = f(x)
            gradient = tape.gradient(y, x)
            hessian = tape.jacobian(gradient, x, unconnected="zero")
        found = tape.replay(b, (y, gradient, hessian))
        for ours, expected in zip(found, (f(b), tn.grad(f)(b), tn.hessian(f)(b)), strict=True):
            close(ours, expected)


@pytest.mark.parametrize("name", CHOOSING)
def test_choices_of_examples_are_chosen_anew(name: str) -> None:
    gradients = tn.vmap(tn.grad(CHOOSING[name]))
    rows, others = np.stack(ORDERED), np.stack(ORDERED[::-1])
    with tn.GradientTape() as tape:
        g = gradients(tape.watch(rows))
    close(tape.replay(others, g), gradients(others))
