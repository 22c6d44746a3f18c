"""Recurrent networks by machine code: what NumPy's passes give, in any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
from tapenet.kernels import recurrent

pytest.importorskip("llvmlite")
machine_code = pytest.importorskip("tapenet.kernels.machine_code")
pytestmark = pytest.mark.skipif(not machine_code.processor().vector_size, reason="a processor without vectors")

Array = Any
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
FORWARD = {"rnn": recurrent.rnn, "lstm": recurrent.lstm, "gru": recurrent.gru}
BACKWARD = {"rnn": recurrent.rnn_backward, "lstm": recurrent.lstm_backward, "gru": recurrent.gru_backward}
KINDS = sorted(GATES)


def operands(kind: str, steps: int, examples: int, width: int, dtype: Any, masked: bool) -> list[Array]:
    rng = np.random.default_rng(steps + 10 * examples + 100 * width)

    def drawn(*shape: int) -> Array:
        return rng.uniform(-1, 1, shape).astype(dtype)

    columns = GATES[kind] * width
    states = [drawn(examples, width) for _ in range(2 if kind == "lstm" else 1)]
    weights = [drawn(3, columns), drawn(width, columns), drawn(columns)]
    others = [drawn(width)] if kind == "gru" else []
    mask = rng.random((steps, examples)) < 0.6 if masked else None
    return [drawn(steps, examples, 3), *states, *weights, *others, mask]


def all_of(kind: str, arrays: list[Array], bars: list[Array | None]) -> list[Array]:
    """The states after each step, and the cotangents of all operands."""
    given = FORWARD[kind](*arrays)
    pulled = BACKWARD[kind](arrays, given, (True,) * (len(arrays) - 1), *bars)
    return [*given[: len(bars)], *pulled]


@given(
    kind=st.sampled_from(KINDS),
    steps=st.integers(1, 5),
    examples=st.integers(1, 9),
    width=st.integers(1, 37),
    dtype=st.sampled_from([np.float32, np.float64]),
    masked=st.booleans(),
    unread=st.integers(0, 2),
)
def test_machine_code_does_what_numpy_does(
    kind: str, steps: int, examples: int, width: int, dtype: Any, masked: bool, unread: int
) -> None:
    arrays = operands(kind, steps, examples, width, dtype, masked)
    rng = np.random.default_rng(unread)
    # Of batches first, as they come from layers: not in C order.
    bars: list[Array | None] = [
        rng.standard_normal((examples, steps, width)).astype(dtype).swapaxes(0, 1)
        for _ in range(2 if kind == "lstm" else 1)
    ]
    if unread < len(bars):
        bars[unread] = None
    before, least, threads = tn.use_backend("numpy"), recurrent.FEWEST, tn.num_threads()
    try:
        expected = all_of(kind, arrays, bars)
        tn.use_backend("llvm")
        recurrent.FEWEST = 0
        found = all_of(kind, arrays, bars)
        tn.set_num_threads(3)
        shared = all_of(kind, arrays, bars)
    finally:
        tn.use_backend(before)
        tn.set_num_threads(threads)
        recurrent.FEWEST = least
    for mine, theirs, other in zip(found, expected, shared, strict=True):
        assert mine.dtype == dtype
        np.testing.assert_allclose(
            mine, theirs, rtol=2e-4 if dtype == np.float32 else 1e-11, atol=2e-5 if dtype == np.float32 else 1e-13
        )
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("kind", KINDS)
def test_many_examples_are_shared_by_threads(kind: str, llvm_backend: None) -> None:
    arrays = operands(kind, 3, 66, 70, np.float32, masked=True)
    bars = [np.ones((3, 66, 70), np.float32)] * (2 if kind == "lstm" else 1)
    before = tn.num_threads()
    try:
        found = []
        for threads in (1, 2, 5):
            tn.set_num_threads(threads)
            found.append(all_of(kind, arrays, bars))
    finally:
        tn.set_num_threads(before)
    for alone, *others in zip(*found, strict=True):
        for other in others:
            np.testing.assert_array_equal(other, alone)


def test_exceptions_of_products_are_reported(llvm_backend: None) -> None:
    arrays = operands("lstm", 4, 8, 16, np.float32, masked=False)
    arrays[1] = np.full_like(arrays[1], 3e38)
    arrays[4] = np.full_like(arrays[4], 3e38)
    with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow"):
        recurrent.lstm(*arrays)
