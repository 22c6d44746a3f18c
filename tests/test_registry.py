"""Every primitive's derivative, in both modes: property tests over the registry."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
from tapenet.testing import check_grads
from tests.comparing import assert_same
from tests.samples import SAMPLES, Sample

Data = st.DataObject

over_all_primitives = pytest.mark.parametrize("name", sorted(SAMPLES))


def drawn(data: Data, name: str) -> Sample:
    return data.draw(SAMPLES[name])


@over_all_primitives
@given(data=st.data())
def test_both_modes_agree_with_finite_differences_to_second_order(name: str, data: Data) -> None:
    sample = drawn(data, name)
    check_grads(sample.function, sample.arrays, order=2)


@over_all_primitives
@given(data=st.data())
def test_recording_gives_the_value_that_plain_arrays_give_in_records_that_are_recipes(name: str, data: Data) -> None:
    sample = drawn(data, name)
    with tn.GradientTape() as tape:
        recorded = sample.function(*tape.watch(sample.arrays))
    plain = sample.function(*sample.arrays)
    assert recorded.shape == plain.shape
    assert recorded.dtype == plain.dtype
    assert_same(recorded, plain)
    for record in tape.records:
        hash(tuple(record.parameters.items()))
        assert not any(isinstance(kept, tn.Tensor) for kept in record.kept)


def as_single(x: Any) -> Any:
    return x.astype(np.complex64 if x.dtype.kind == "c" else np.float32)


@over_all_primitives
@given(data=st.data())
def test_single_precision_stays_single_and_agrees_with_double(name: str, data: Data) -> None:
    sample = drawn(data, name)
    double, pullback = tn.vjp(sample.function, *sample.arrays)
    y_bar = np.ones(double.shape, double.dtype)
    expected = pullback(y_bar)
    arrays = tuple(as_single(np.asarray(x)) for x in sample.arrays)
    single, pullback = tn.vjp(sample.function, *arrays)
    for gradient, array, reference in zip(pullback(y_bar.astype(single.dtype)), arrays, expected, strict=True):
        assert gradient.dtype == array.dtype
        assert gradient.shape == array.shape
        np.testing.assert_allclose(gradient, reference, rtol=5e-3, atol=5e-3)


@over_all_primitives
@given(data=st.data())
def test_a_gradient_recorded_inside_the_tape_equals_one_taken_after_it(name: str, data: Data) -> None:
    sample = drawn(data, name)
    with tn.GradientTape() as tape:
        arrays = tape.watch(sample.arrays)
        y = sample.function(*arrays)
        y_bar = np.ones(y.shape, y.dtype)
        inside = tape.gradient(y, arrays, y_bar, unconnected="zero")
    after = tape.gradient(y, arrays, y_bar, unconnected="zero")
    for recorded, plain in zip(inside, after, strict=True):
        np.testing.assert_allclose(np.asarray(recorded), plain, rtol=1e-12, atol=1e-12)


@over_all_primitives
@given(data=st.data())
def test_nothing_outlives_the_tape_with_the_garbage_collector_off(name: str, data: Data) -> None:
    sample = drawn(data, name)
    gc.disable()
    try:
        with tn.GradientTape() as tape:
            arrays = tape.watch(tuple(np.array(x) for x in sample.arrays))
            y = sample.function(*arrays)
        tape.gradient(y, arrays, np.ones(y.shape, y.dtype), unconnected="zero")
        watched = weakref.ref(arrays[0]._value)
        del tape, arrays, y
        assert watched() is None
    finally:
        gc.enable()
