"""Reductions where a convention or the precision of a sum decides: NaN, masks, starting values, float16."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp

X = np.array([[1.0, 4.0], [3.0, 2.0]])


def on_tape(f: Any, x: Any) -> Any:
    with tn.GradientTape() as tape:
        return f(tape.watch(x))


@pytest.mark.parametrize("name", ["max", "min", "nanmax", "nanmin"])
def test_a_mask_of_true_needs_no_starting_value(name: str) -> None:
    found = on_tape(lambda x: getattr(tnp, name)(x, axis=0, where=True).value, X)
    np.testing.assert_array_equal(found, getattr(np, name)(X, axis=0, where=True))


@pytest.mark.parametrize("name", ["nanmax", "nanmin"])
def test_the_starting_value_stands_for_rows_of_nan_alone(name: str) -> None:
    x = np.array([[np.nan, np.nan], [1.0, np.nan]])
    found = on_tape(lambda x: getattr(tnp, name)(x, axis=1, initial=2.5).value, x)
    np.testing.assert_array_equal(found, getattr(np, name)(x, axis=1, initial=2.5))


@pytest.mark.parametrize("name", ["max", "min"])
def test_nans_share_the_derivative_of_an_extremum_that_they_are(name: str) -> None:
    gradient = tn.grad(getattr(tnp, name))(np.array([1.0, np.nan, np.nan]))
    np.testing.assert_array_equal(gradient, [0.0, 0.5, 0.5])


def test_cotangents_of_float16_are_counted_beyond_2048() -> None:
    gradient = tn.grad(lambda x: tnp.sum(x + np.zeros(4096, np.float16), dtype=np.float32))(np.ones(1, np.float16))
    assert gradient.dtype == np.float16
    np.testing.assert_array_equal(gradient, [4096.0])


def test_the_mean_of_more_float16_than_float16_counts_has_a_derivative() -> None:
    gradient = tn.grad(tnp.mean)(np.ones(70_000, np.float16))
    np.testing.assert_array_equal(gradient, np.float16(1 / 70_000))
