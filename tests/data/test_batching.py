"""Batches: every example once, in any kind of array and sequence; copies, lengths, generators and errors."""

from __future__ import annotations

from typing import NamedTuple

import attrs
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
from tapenet.data import batches, transformed
from tapenet.errors import ArgumentError, ArgumentTypeError


class Pair(NamedTuple):
    image: object
    label: object


@attrs.frozen
class Squares:
    """A sequence that computes its examples, and is an attrs class."""

    count: int

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        if not 0 <= i < self.count:
            raise IndexError(i)
        return {"root": float(i), "square": np.full(2, i * i)}


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 30),
    size=st.integers(1, 12),
    drop_last=st.booleans(),
    shuffle=st.booleans(),
    ahead=st.sampled_from([0, 1, 3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_example_comes_once(count, size, drop_last, shuffle, ahead, seed):
    arrays = Pair(np.arange(count * 2.0).reshape(count, 2), [*range(count)])
    rng = np.random.default_rng(seed)
    data = batches(arrays, size, rng=rng, shuffle=shuffle, drop_last=drop_last, prefetch=ahead)
    for _ in range(2):
        expected = np.random.Generator(type(rng.bit_generator)())
        expected.bit_generator.state = rng.bit_generator.state
        order = expected.permutation(count) if shuffle else np.arange(count)
        found = list(data)
        assert len(found) == len(data)
        assert all(type(batch) is Pair for batch in found)
        sizes = [len(batch.label) for batch in found]
        assert sizes == [size] * (count // size) + [count % size] * (not drop_last and count % size > 0)
        kept = order[: sum(sizes)]
        if sizes:
            np.testing.assert_array_equal(np.concatenate([batch.label for batch in found]), kept)
            np.testing.assert_array_equal(np.concatenate([batch.image for batch in found]), arrays.image[kept])
        assert rng.bit_generator.state == expected.bit_generator.state


def test_kinds_of_leaves(tmp_path):
    mapped = np.memmap(tmp_path / "x", np.int16, "w+", shape=(5, 2))
    mapped[:] = np.arange(10).reshape(5, 2)
    arrays = {
        "memory": np.arange(5, dtype=np.float32),
        "mapped": mapped,
        "listed": ["a", "b", "c", "d", "e"],
        "computed": Squares(5),
        "nothing": None,
        "pair": (np.arange(5), [(i, [i, -i]) for i in range(5)]),
    }
    first, *_, last = batches(arrays, 2)
    assert type(first["mapped"]) is np.ndarray
    assert first["mapped"].dtype == np.int16
    assert first["memory"].dtype == np.float32
    np.testing.assert_array_equal(first["listed"], ["a", "b"])
    np.testing.assert_array_equal(first["computed"]["square"], [[0, 0], [1, 1]])
    np.testing.assert_array_equal(last["computed"]["root"], [4.0])
    assert first["nothing"] is None
    np.testing.assert_array_equal(last["pair"][0], [4])
    np.testing.assert_array_equal(last["pair"][1][1], [[4], [-4]])


def test_batches_are_copies():
    x = np.zeros(4)
    for data in (batches(x, 2), batches(x, 2, rng=np.random.default_rng(0))):
        for batch in data:
            batch += 1
    np.testing.assert_array_equal(x, 0)


def test_pandas_and_lists_of_arrays():
    pandas = pytest.importorskip("pandas")
    series, images = pandas.Series([1.0, 2.0, 3.0]), [np.ones((2, 2)), np.zeros((2, 2)), np.ones((2, 2))]
    label, image = next(iter(batches((series, images), 2)))
    np.testing.assert_array_equal(label, [1.0, 2.0])
    assert image.shape == (2, 2, 2)


def test_batches_of_a_watched_array():
    with tn.GradientTape() as tape:
        x = tape.watch(np.arange(4.0))
        y = sum((batch**2).sum() for batch in batches(x, 3))
    np.testing.assert_array_equal(tape.gradient(y, x), [0, 2, 4, 6])


def test_a_function_of_each_batch():
    data = transformed(batches(np.arange(5.0), 2), np.negative)
    assert len(data) == 3
    for _ in range(2):
        np.testing.assert_array_equal(np.concatenate(list(data)), -np.arange(5.0))
    with pytest.raises(TypeError):
        len(transformed(iter([1]), abs))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: batches((np.ones(3), {"b": np.ones(2)}), 1),
            ArgumentError,
            "batches: arrays must have one length; got 3 for arrays[0], 2 for arrays[1]['b'].",
        ),
        (
            lambda: batches((np.ones(3), 2.0), 1),
            ArgumentTypeError,
            "batches: arrays[1] must be an array or a sequence of examples; got 2.0. Tuples and dicts hold arrays; a "
            "list holds examples.",
        ),
        (lambda: batches((), 1), ArgumentError, "batches: arrays must hold an array; got ()."),
        (
            lambda: batches(np.ones(3), 1, shuffle=True),
            ArgumentError,
            "batches: rng must be a numpy.random.Generator to shuffle; got None. "
            "Write rng = numpy.random.default_rng(0).",
        ),
        (
            lambda: list(batches([np.ones(2), np.ones(3)], 2)),
            ArgumentError,
            "batches: arrays must have examples of one structure and shape in each sequence; got all input arrays must "
            "have the same shape.",
        ),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == text
