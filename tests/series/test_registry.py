"""Taylor series of every operation: against nested forward mode, and to order 8 against series of series."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

import tapenet as tn
from tests.comparing import nested_derivatives
from tests.samples import SAMPLES, Sample

Array = Any
Function = Callable[[Array], Array]

several = settings(max_examples=4, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck))
over_all_primitives = pytest.mark.parametrize("name", sorted(SAMPLES))
RELATIVE = 1e-10
LOW, HIGH = 3, 8


def along_a_curve(sample: Sample, rng: np.random.Generator) -> Function:
    """The sample's function along a parabola through its arrays, of one real number."""

    def direction(x: Array) -> Array:
        v = rng.uniform(-0.7, 0.7, np.shape(x))
        return v + 1j * rng.uniform(-0.7, 0.7, np.shape(x)) if x.dtype.kind == "c" else v

    arrays = [np.asarray(x) for x in sample.arrays]
    moves = [(direction(x), 0.5 * direction(x)) if x.dtype.kind in "fc" else None for x in arrays]

    def curve(t: Array) -> Array:
        moved = [x if v is None else x + t * v[0] + t * t * v[1] for x, v in zip(arrays, moves, strict=True)]
        return sample.function(*moved)

    return curve


def series_of(f: Function, t: Array, order: int) -> list[Array]:
    return tn.jet(f, (t,), ([1.0] + [None] * (order - 1),))[1]


def assert_agree(actual: Sequence[Array], expected: Sequence[Array]) -> None:
    scale = 1e-3
    for k, (ours, theirs) in enumerate(zip(actual, expected, strict=True), 1):
        ours, theirs = np.asarray(ours) / math.factorial(k), np.asarray(theirs) / math.factorial(k)
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        scale = max(scale, np.abs(theirs).max(initial=0.0))
        np.testing.assert_allclose(ours, theirs, rtol=RELATIVE, atol=RELATIVE * scale)


@over_all_primitives
@several
@given(data=st.data())
def test_series_agree_with_nested_forward_mode(name: str, data: st.DataObject) -> None:
    curve = along_a_curve(data.draw(SAMPLES[name]), np.random.default_rng(0))
    assert_agree(series_of(curve, 0.0, LOW), nested_derivatives(curve, LOW))


@over_all_primitives
@several
@given(data=st.data())
def test_high_orders_are_those_of_series_of_series(name: str, data: st.DataObject) -> None:
    curve = along_a_curve(data.draw(SAMPLES[name]), np.random.default_rng(0))
    half = HIGH // 2
    of_series = series_of(lambda t: series_of(curve, t, half)[-1], 0.0, half)
    actual = series_of(curve, 0.0, HIGH)
    assert_agree(actual, [*actual[:half], *of_series])
