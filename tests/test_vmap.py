"""Every primitive over a batch: `vmap` gives what a loop gives, property tests over the registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
from tests.samples import SAMPLES, Sample

Array = Any
Data = st.DataObject

SIZE = 3

over_all_primitives = pytest.mark.parametrize("name", sorted(SAMPLES))


def batch_of(x: Array) -> Array:
    """Examples that differ by a little, so that all lie where the function is smooth, and matrices keep their kind."""
    return np.stack([x * (1 + i / 64) for i in range(SIZE)])


def mappings(count: int) -> list[tuple[bool, ...]]:
    """Which operands are mapped: all, and each alone."""
    return list(dict.fromkeys([(True,) * count, *(tuple(i == j for j in range(count)) for i in range(count))]))


def examples(arrays: Sequence[Array], mapped: Sequence[bool]) -> list[tuple[Array, ...]]:
    return [tuple(x[i] if own else x for x, own in zip(arrays, mapped, strict=True)) for i in range(SIZE)]


def assert_maps(f: Callable[..., Array], sample: Sample, mapped: Sequence[bool]) -> None:
    arrays = [batch_of(x) if own else x for x, own in zip(sample.arrays, mapped, strict=True)]
    at_once = tn.vmap(f, tuple(0 if own else None for own in mapped))(*arrays)
    looped = [f(*example) for example in examples(arrays, mapped)]
    np.testing.assert_allclose(at_once, np.stack(looped), rtol=1e-10, atol=1e-12)
    assert at_once.dtype == np.asarray(looped[0]).dtype


def gradient_of(f: Callable[..., Array], count: int) -> Callable[..., Array]:
    """A function's gradients by all operands, of a weighted sum of its real part, as one array."""

    def scalar(*arrays: Array) -> Array:
        y = f(*arrays)
        return (y.real * np.cos(np.arange(1.0, y.size + 1)).reshape(y.shape)).sum()

    def gradients(*arrays: Array) -> Array:
        return np.concatenate([np.ravel(g) for g in tn.grad(scalar, tuple(range(count)))(*arrays)])

    return gradients


@over_all_primitives
@given(data=st.data())
def test_vmap_gives_what_a_loop_gives(name: str, data: Data) -> None:
    sample = data.draw(SAMPLES[name])
    for mapped in mappings(len(sample.arrays)):
        assert_maps(sample.function, sample, mapped)


@over_all_primitives
@given(data=st.data())
def test_vmap_of_the_gradient_gives_what_a_loop_gives(name: str, data: Data) -> None:
    sample = data.draw(SAMPLES[name])
    for mapped in mappings(len(sample.arrays)):
        assert_maps(gradient_of(sample.function, len(sample.arrays)), sample, mapped)


@over_all_primitives
@given(data=st.data())
def test_the_gradient_of_vmap_is_the_gradient_of_a_loop(name: str, data: Data) -> None:
    sample = data.draw(SAMPLES[name])
    arrays = tuple(map(batch_of, sample.arrays))
    by_all = tuple(range(len(arrays)))

    def mapped(*arrays: Array) -> Array:
        return tn.vmap(sample.function)(*arrays)

    def looped(*arrays: Array) -> Array:
        return np.stack([sample.function(*(x[i] for x in arrays)) for i in range(SIZE)])

    np.testing.assert_allclose(
        gradient_of(mapped, len(by_all))(*arrays), gradient_of(looped, len(by_all))(*arrays), rtol=1e-10, atol=1e-12
    )


@over_all_primitives
@given(data=st.data())
def test_vmap_of_vmap_gives_what_two_loops_give(name: str, data: Data) -> None:
    sample = data.draw(SAMPLES[name])
    arrays = [batch_of(batch_of(x)) for x in sample.arrays]
    count = len(arrays)
    at_once = tn.vmap(tn.vmap(sample.function), (1,) * count)(*arrays)
    looped = np.stack(
        [np.stack([sample.function(*(x[i, j] for x in arrays)) for i in range(SIZE)]) for j in range(SIZE)]
    )
    np.testing.assert_allclose(at_once, looped, rtol=1e-10, atol=1e-12)


@over_all_primitives
@given(data=st.data())
def test_jvp_along_mapped_tangents_gives_what_a_loop_gives(name: str, data: Data) -> None:
    sample = data.draw(SAMPLES[name])
    tangents = [np.cos(batch_of(x)) for x in sample.arrays]

    def pushed(*tangents: Array) -> Array:
        tangents = tuple(t.astype(x.dtype) for t, x in zip(tangents, sample.arrays, strict=True))
        return tn.jvp(sample.function, sample.arrays, tangents)[1]

    looped = np.stack([pushed(*(t[i] for t in tangents)) for i in range(SIZE)])
    np.testing.assert_allclose(tn.vmap(pushed)(*tangents), looped, rtol=1e-10, atol=1e-12)
