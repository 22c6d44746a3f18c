"""Augmentation: each image against one that is shifted, cut, mirrored or covered by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tapenet.data import cutout, random_crop, random_flip, random_shift
from tapenet.errors import ArgumentError

SEEDS = st.integers(0, 2**32 - 1)
DTYPES = st.sampled_from(["float32", "float64", "uint8", "int64", "bool"])


def images(rng, count, height, width, dtype="float64"):
    """Images without a zero, whose pixels are all different where the dtype has so many."""
    return (1 + np.arange(count * height * width * 2).reshape(count, height, width, 2)).astype(dtype)


def windows(padded, height, width):
    rows, columns = padded.shape[0] - height + 1, padded.shape[1] - width + 1
    return [padded[i : i + height, j : j + width] for i in range(rows) for j in range(columns)]


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS, most=st.tuples(st.integers(0, 2), st.integers(0, 2)), dtype=DTYPES, count=st.integers(0, 4))
def test_shifts(seed, most, dtype, count):
    x = images(None, count, 3, 4, dtype)
    kept = x.copy()
    shifted = random_shift(x, np.random.default_rng(seed), most)
    assert shifted.dtype == x.dtype
    assert shifted.shape == x.shape
    for image, new in zip(x, shifted, strict=True):
        padded = np.pad(image, ((most[0],) * 2, (most[1],) * 2, (0, 0)))
        assert any(np.array_equal(new, window) for window in windows(padded, 3, 4))
    np.testing.assert_array_equal(x, kept)
    assert not np.shares_memory(x, shifted)


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS, size=st.tuples(st.integers(1, 5), st.integers(1, 6)), dtype=DTYPES)
def test_crops(seed, size, dtype):
    x = images(None, 3, 3, 4, dtype)
    cropped = random_crop(x, np.random.default_rng(seed), size, padding=1, fill=1)
    assert cropped.shape == (3, *size, 2)
    assert cropped.dtype == x.dtype
    for image, new in zip(x, cropped, strict=True):
        padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), constant_values=1)
        assert any(np.array_equal(new, window) for window in windows(padded, *size))


@pytest.mark.parametrize(("axis", "place"), [("horizontal", 1), ("vertical", 0)])
def test_flips(rng, axis, place):
    x = images(rng, 50, 3, 4)
    flipped = random_flip(x, rng, axis)
    turned = [np.array_equal(new, np.flip(image, place)) for image, new in zip(x, flipped, strict=True)]
    same = [np.array_equal(new, image) for image, new in zip(x, flipped, strict=True)]
    assert all(a != b for a, b in zip(turned, same, strict=True))
    assert any(turned)
    assert any(same)
    np.testing.assert_array_equal(random_flip(x, rng, axis, rate=0.0), x)
    np.testing.assert_array_equal(random_flip(x, rng, axis, rate=1.0), np.flip(x, 1 + place))


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS, size=st.tuples(st.integers(1, 5), st.integers(1, 6)))
def test_cutouts_are_rectangles(seed, size):
    x = images(None, 4, 4, 5)
    covered = cutout(x, np.random.default_rng(seed), size)
    for image, new in zip(x, covered, strict=True):
        rows, columns = np.nonzero((new == 0).all(axis=-1))
        assert len(rows) > 0  # the centre is in the image
        inside = np.zeros((4, 5), bool)
        inside[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
        assert inside.sum() == len(rows)
        assert np.ptp(rows) < size[0]
        assert np.ptp(columns) < size[1]
        np.testing.assert_array_equal(new[~inside], image[~inside])


def test_each_place_is_drawn(rng):
    """Shifts, uniformly: 9 places in 4,500 images, each 500 +- 6 standard deviations."""
    x = np.zeros((4500, 3, 3, 1))
    x[:, 1, 1] = 1
    counts = random_shift(x, rng, 1).sum(axis=(0, 3))
    assert np.all(np.abs(counts - 500) < 6 * np.sqrt(500 * 8 / 9))


def test_the_same_seed_gives_the_same_images():
    x = images(None, 5, 6, 6)
    for change in (random_shift, random_flip, lambda x, rng: random_crop(x, rng, 3), lambda x, rng: cutout(x, rng, 2)):
        first, again = (change(x, np.random.default_rng(7)) for _ in range(2))
        np.testing.assert_array_equal(first, again)


def test_errors(rng):
    with pytest.raises(ArgumentError) as caught:
        random_crop(np.ones((1, 2, 2, 1)), rng, (2, 3))
    assert str(caught.value) == "random_crop: size must fit into the padded images, (2, 2); got (2, 3)."
    with pytest.raises(ArgumentError) as caught:
        random_flip(np.ones((2, 2, 1)), rng)
    assert (
        str(caught.value)
        == "random_flip: images must have shape (N, H, W, C); got a ndarray of shape (2, 2, 1), float64."
    )
