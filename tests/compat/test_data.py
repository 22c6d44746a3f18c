"""Labels, batches, images and starting values."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import compat as nn
import tapenet as tn


def test_onehot_sorts_the_classes() -> None:
    assert nn.onehot(np.array([["b"], ["a"], ["c"], ["b"]])).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert nn.onehot(nn.Variable([[7], [-2]])).tolist() == [[0, 1], [1, 0]]
    assert nn.onehot(np.array([True, False])).tolist() == [[0, 1], [1, 0]]
    assert nn.onehot([[0.5]]).dtype == np.float64


@pytest.mark.parametrize("label", [np.zeros((2, 3)), np.zeros(())])
def test_labels_that_are_no_column(label: Any) -> None:
    text = rf"^onehot: label must be a column, of shape \(N, 1\); got \({', '.join(map(str, label.shape))}\)\.$"
    with pytest.raises(tn.ArgumentError, match=text):
        nn.onehot(label)


@given(st.integers(1, 30), st.integers(1, 12))
def test_batches_hold_every_row_once_in_order(rows: int, size: int) -> None:
    X, Y = np.arange(rows * 2).reshape(rows, 2), np.arange(rows).reshape(rows, 1)
    batches = nn.miniBatch(nn.Variable(X), nn.Variable(Y), batch_size=size)
    assert all(isinstance(batch, list) and len(batch[0].value) == len(batch[1].value) for batch in batches)
    assert {len(x.value) for x, _ in batches[:-1]} <= {size}
    np.testing.assert_array_equal(np.concatenate([x.value for x, _ in batches]), X)
    np.testing.assert_array_equal(np.concatenate([y.value for _, y in batches]), Y)


def test_batches_have_ten_rows_by_default_and_errors() -> None:
    X, Y = np.zeros((25, 1)), np.zeros((25, 2))
    assert [len(x.value) for x, _ in nn.miniBatch(X, Y)] == [10, 10, 5]
    with pytest.raises(tn.ArgumentError, match=r"^miniBatch: batch_size must be a positive int; got 0\.$"):
        nn.miniBatch(X, Y, 0)
    with pytest.raises(tn.ArgumentError, match=r"^miniBatch: X and Y must have as many rows; got 25 and 24\.$"):
        nn.miniBatch(X, Y[1:])


def test_randomshuffle_keeps_the_pairs_together() -> None:
    X = np.arange(50)
    np.random.seed(0)
    x, y = nn.randomshuffle(nn.Variable(X[:, None]), X * 10)
    assert isinstance(x, nn.Variable)
    assert isinstance(y, np.ndarray)
    np.testing.assert_array_equal(x.value[:, 0] * 10, y)
    assert sorted(y) == sorted(X * 10)
    assert np.any(y != X * 10)


def test_scaleallimage_resizes_each_plane() -> None:
    pytest.importorskip("PIL")
    images = np.zeros((2, 3, 4, 6), np.float32)
    images[1, 2] = 7
    scaled = nn.scaleallimage(nn.Variable(images), (8, 3))
    assert scaled.value.shape == (2, 3, 8, 3)
    assert scaled.value.dtype == np.float32
    np.testing.assert_allclose(scaled.value[1, 2], 7)
    np.testing.assert_allclose(scaled.value[0], 0)
    ramp = np.broadcast_to(np.arange(8.0), (1, 1, 8, 8))
    halved = nn.scaleallimage(ramp, (4, 4))
    assert np.all(np.diff(halved, axis=3) > 0)
    np.testing.assert_allclose(halved.mean(), ramp.mean())
    assert nn.scaleallimage(np.full((1, 1, 2, 2), 200, np.uint8), (4, 4)).tolist() == [[[[200] * 4] * 4]]
    with pytest.raises(tn.ArgumentError, match=r"^scaleallimage: X must have shape \(N, C, H, W\); got \(4, 6\)\.$"):
        nn.scaleallimage(images[0, 0], (2, 2))


def test_scaleallimage_without_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_pillow(name: str, *rest: Any) -> Any:
        if name.startswith("PIL"):
            raise ImportError(name)
        return imported(name, *rest)

    imported = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", no_pillow)
    message = r"^scaleallimage: pillow must be installed; got .*\. Install it: pip install pillow\.$"
    with pytest.raises(ImportError, match=message):
        nn.scaleallimage(np.zeros((1, 1, 2, 2)), (4, 4))


def test_starting_values() -> None:
    np.random.seed(0)
    uniform, normal = nn.UniformInit([100, 50]), nn.NormalInit((100, 50), loc=2, scale=0.5)
    assert uniform.min() >= -0.5
    assert uniform.max() < 0.5
    assert uniform.std() == pytest.approx(1 / np.sqrt(12), rel=0.05)
    assert normal.mean() == pytest.approx(2, abs=0.05)
    assert normal.std() == pytest.approx(0.5, rel=0.05)
    assert nn.Uniform(3, low=5, high=6).shape == (3,)
    assert nn.Normal([2, 8 / 4]).shape == (2, 2)


@pytest.mark.parametrize("shape", [[2, 1.5], [-1]])
def test_a_shape_that_is_none(shape: Any) -> None:
    with pytest.raises(tn.ArgumentError, match=r"^UniformInit: shape must be whole numbers, not negative; got \["):
        nn.UniformInit(shape)
