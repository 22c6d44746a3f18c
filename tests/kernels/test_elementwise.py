"""Elementwise kernels for large arrays: the answers of small ones."""

import math

import numpy as np
import pytest

import tapenet as tn
from tapenet import nn
from tapenet.kernels.elementwise import MANY, where
from tapenet.kernels.error_function import normal_cdf, normal_density
from tapenet.kernels.pooled import PooledArray

SHAPE = (3, MANY)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("kind", [np.ndarray, PooledArray])
def test_a_choice_of_large_arrays_is_numpy_s_bit_for_bit(dtype, kind, rng):
    x, y = rng.normal(size=(2, *SHAPE)).astype(dtype)
    x[0, :4], y[0, :4] = (np.inf, np.nan, -0.0, 1), (np.nan, -np.inf, 1, -0.0)
    mask = rng.random(SHAPE) < 0.5
    for choices in ((x, y), (x, 0), (0, y)):
        given = [z.view(kind) if isinstance(z, np.ndarray) else z for z in choices]
        found, expected = where(mask, *given), np.where(mask, *choices)
        assert found.dtype == expected.dtype
        assert np.asarray(found).tobytes() == expected.astype(dtype).tobytes()


def test_the_slope_of_a_large_relu(rng):
    x = rng.normal(size=SHAPE).astype(np.float32)
    np.testing.assert_array_equal(tn.grad(lambda x: nn.relu(x).sum())(x), x > 0)


def test_large_sigmoids_keep_their_digits(rng):
    x = rng.uniform(-80, 80, SHAPE)
    np.testing.assert_allclose(nn.sigmoid(x), 1 / (1 + np.exp(-x)), rtol=1e-14)
    assert nn.sigmoid(-0.0) == 0.5
    assert np.isnan(nn.sigmoid(np.nan))


def test_the_normal_distribution_in_single_precision(rng):
    x = np.concatenate([np.linspace(-14, 14, 2 * MANY), rng.normal(size=MANY)]).astype(np.float32)
    for function in (normal_cdf, normal_density):
        exact = function(x.astype(np.float64))
        smallest = np.finfo(np.float32).tiny
        units = np.abs(function(x) - exact) / np.spacing(np.maximum(exact, smallest).astype(np.float32))
        assert np.median(units) < 0.7
        assert units.max() < 8


def test_the_normal_distribution_far_out_in_single_precision():
    x = np.zeros(MANY, np.float32)
    x[:5] = np.inf, -np.inf, np.nan, 1e30, -1e30
    np.testing.assert_array_equal(normal_cdf(x)[:5], [1, 0, np.nan, 1, 0])
    np.testing.assert_array_equal(normal_density(x)[:5], [0, 0, np.nan, 0, 0])
    np.testing.assert_allclose(normal_cdf(x)[5:], 0.5, rtol=1e-7)
    np.testing.assert_allclose(normal_density(x)[5:], 1 / math.sqrt(2 * math.pi), rtol=1e-7)
