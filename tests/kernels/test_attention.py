"""Attention by machine code: what NumPy's passes give, in any layout and any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
from tapenet.kernels import attention

pytest.importorskip("llvmlite")
machine_code = pytest.importorskip("tapenet.kernels.machine_code")
pytestmark = pytest.mark.skipif(not machine_code.processor().vector_size, reason="a processor without vectors")

Array = Any


def laid_out(x: Array, layout: str) -> Array:
    """The same numbers in another order in memory: heads in rows, which are parts of others, or features apart."""
    if layout == "rows":
        return np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2)
    if layout == "parts":
        return np.ascontiguousarray(np.stack([x.swapaxes(1, 2)] * 2, 2))[:, :, 1].swapaxes(1, 2)
    return np.asfortranarray(x) if layout == "apart" else x


def all_of(arrays: list[Array], mask: Array, t: Array, causal: bool) -> list[Array]:
    given = attention.attention(*arrays, mask, causal=causal)
    bars = attention.attention_backward([*arrays, mask], given, (True,) * 3, t, causal=causal)
    return [*given, *bars]


@given(
    counts=st.tuples(*(st.integers(1, most) for most in (3, 3, 90, 90, 20, 20))),
    layout=st.sampled_from(["C", "rows", "parts", "apart"]),
    dtype=st.sampled_from([np.float32, np.float64]),
    causal=st.booleans(),
    masked=st.sampled_from(["no", "whole", "of keys", "of queries"]),
)
def test_machine_code_does_what_numpy_does(
    counts: tuple[int, ...], layout: str, dtype: Any, causal: bool, masked: str
) -> None:
    n, heads, queries, keys, features, outputs = counts
    rng = np.random.default_rng(sum(counts))
    shapes = [(queries, features), (keys, features), (keys, outputs), (queries, outputs)]
    *arrays, t = (laid_out(rng.standard_normal((n, heads, *shape)).astype(dtype), layout) for shape in shapes)
    own = {"whole": (n, heads, queries, keys), "of keys": (n, 1, 1, keys), "of queries": (queries, 1)}.get(masked)
    mask = None if own is None else np.broadcast_to(rng.random(own) < 0.7, (n, heads, queries, keys))
    before, least, threads = tn.use_backend("numpy"), attention.FEWEST, tn.num_threads()
    try:
        expected = all_of(arrays, mask, t, causal)
        tn.use_backend("llvm")
        attention.FEWEST = 0
        found = all_of(arrays, mask, t, causal)
        tn.set_num_threads(3)
        shared = all_of(arrays, mask, t, causal)
    finally:
        tn.use_backend(before)
        tn.set_num_threads(threads)
        attention.FEWEST = least
    for mine, theirs, other in zip(found, expected, shared, strict=True):
        assert mine.dtype == dtype
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-4 if dtype == np.float32 else 1e-12)
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize("layout", ["rows", "parts"])
def test_heads_side_by_side_are_not_copied(backend: str, layout: str, llvm_backend: None) -> None:
    tn.use_backend(backend)
    rng = np.random.default_rng(0)
    q, k, v, t = (laid_out(rng.standard_normal((2, 3, 80, 8)), layout) for _ in range(4))
    out, sums = attention.attention(q, k, v, None, causal=True)
    for x in (out, *attention.attention_backward([q, k, v, None], (out, sums), (True,) * 3, t, causal=True)):
        assert x.swapaxes(1, 2).flags.c_contiguous


def test_scores_that_are_hidden_do_not_count(llvm_backend: None) -> None:
    q, k, v = (np.ones((1, 2, 80, 4)) for _ in range(3))
    k[:, :, 40:], mask = np.nan, np.arange(80) < 40
    mask = np.broadcast_to(mask, (1, 2, 80, 80))
    out, sums = attention.attention(q, k, v, mask, causal=False)
    np.testing.assert_allclose(out, 1)
    np.testing.assert_allclose(sums, 2 + np.log(40))
    nothing, _ = attention.attention(q, k, v, np.zeros_like(mask), causal=False)
    np.testing.assert_array_equal(nothing, 0)
