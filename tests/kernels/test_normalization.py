"""Normalization by machine code: what NumPy's passes give, in any number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
from tapenet.kernels import normalization, threads

pytest.importorskip("llvmlite")
machine_code = pytest.importorskip("tapenet.kernels.machine_code")
pytestmark = pytest.mark.skipif(not machine_code.processor().vector_size, reason="a processor without vectors")

Array = Any


@contextmanager
def pieces(size: int, least: int) -> Iterator[None]:
    """Cut into pieces of so many bytes, and share among threads from `least` bytes on; all by machine code."""
    before = (
        normalization.PIECE_SIZE,
        normalization.FEWEST,
        threads.WORTH_SHARING,
        tn.num_threads(),
        tn.use_backend("llvm"),
    )
    normalization.PIECE_SIZE, normalization.FEWEST, threads.WORTH_SHARING = size, 0, least
    try:
        yield
    finally:
        normalization.PIECE_SIZE, normalization.FEWEST, threads.WORTH_SHARING = before[:3]
        tn.set_num_threads(before[3])
        tn.use_backend(before[4])


def all_of(kind: str, x: Array, scale: Array, offset: Array, bars: list[Array | None]) -> list[Array]:
    """What a norm gives, and the cotangents of its operands."""
    forward, backward = {
        "rows": (normalization.layer_norm, normalization.layer_norm_backward),
        "channels": (normalization.batch_norm, normalization.batch_norm_backward),
    }[kind]
    out = forward(x, scale, offset, None, eps=0.01)
    return [*out, *backward((x, scale, offset), out, (True,) * 3, *bars, eps=0.01)]


@given(
    kind=st.sampled_from(["rows", "channels"]),
    rows=st.integers(1, 40),
    features=st.integers(1, 70),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 7),
)
def test_machine_code_does_what_numpy_does(kind: str, rows: int, features: int, dtype: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(3, 2, (rows, features)).astype(dtype)
    scale, offset = (rng.standard_normal(features).astype(dtype) for _ in range(2))
    bars: list[Array | None] = [rng.standard_normal((features, rows)).astype(dtype).T]
    bars += [rng.standard_normal(features), rng.standard_normal(features)] if kind == "channels" else []
    bars = [None if seed >> i & 1 else bar for i, bar in enumerate(bars)]
    before = tn.use_backend("numpy")
    try:
        expected = all_of(kind, x, scale, offset, bars)
    finally:
        tn.use_backend(before)
    with pieces(1024, 64):
        tn.set_num_threads(1)
        found = all_of(kind, x, scale, offset, bars)
        tn.set_num_threads(3)
        shared = all_of(kind, x, scale, offset, bars)
    for mine, theirs, other in zip(found, expected, shared, strict=True):
        assert mine.dtype == theirs.dtype
        size = max(1.0, float(np.abs(theirs).max()))
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=size * (2e-5 if dtype == np.float32 else 1e-12))
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("kind", ["rows", "channels"])
def test_infinities_and_nan_stay_in_their_row_or_channel(kind: str, llvm_backend: None) -> None:
    x = np.random.default_rng(0).standard_normal((1030, 33))
    x[3, 4], x[5, 6] = np.nan, np.inf
    touched = np.zeros(x.shape, bool)
    if kind == "rows":
        touched[[3, 5]] = True
    else:
        touched[:, [4, 6]] = True
    with np.errstate(all="ignore"):
        y, *_, x_bar, _, _ = all_of(
            kind, x, np.ones(33), np.zeros(33), [np.ones_like(x)] + [None] * (kind != "rows") * 2
        )
    np.testing.assert_array_equal(np.isnan(y), touched)
    np.testing.assert_array_equal(np.isnan(x_bar), touched)
