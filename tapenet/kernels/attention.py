"""Scaled dot-product attention, softmax(q k^T / sqrt(features)) v, forward and backward, without its weights in memory.

Arrays are (B, length, features), where B counts heads of examples. A mask, shape (B, queries, keys), or None, says
which keys a query may look at; `causal` says that query i may look at the keys up to i. A query that may look at none
gets zeros.

The weights of a few heads at a time are computed, used while they are in cache, and dropped. What is kept of them is
for each query the logarithm of the sum of exponentials, by which the backward function computes them again.

Source: Dao, Fu, Ermon, Rudra and Re, "FlashAttention", arXiv:2205.14135, of which this is the part that suits caches
that hold the weights of a head.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tapenet.kernels.memory import empty, zeros
from tapenet.kernels.products import multiply_stack
from tapenet.kernels.threads import share
from tapenet.kernels.windows import Array, computing_dtype

Mask = Array | None

# Bytes of weights that are computed at a time.
WEIGHTS_SIZE = 2**18


def attention(q: Array, k: Array, v: Array, mask: Mask, *, causal: bool) -> tuple[Array, Array]:
    """Compute the values that queries gather, and the logarithms of the sums of exponentials."""
    (q, k, v), dtype = _operands(q, k, v)
    out = empty((*q.shape[:2], v.shape[2]), q.dtype)
    sums = empty(q.shape[:2], q.dtype)

    def work(heads: slice) -> None:
        weights = _scores(q, k, mask, heads, causal)
        largest = weights.max(2, keepdims=True)
        largest[largest == -np.inf] = 0  # -inf less -inf is NaN, where a query may look at no key
        weights -= largest
        np.exp(weights, out=weights)
        total = weights.sum(2, keepdims=True)
        total[total == 0] = 1  # a query that may look at no key
        multiply_stack(weights, v[heads], out[heads])
        out[heads] /= total
        np.log(total, out=total)
        total += largest
        sums[heads] = total[..., 0]

    _by_heads(work, q, k)
    return out.astype(dtype, copy=False), sums


def attention_backward(
    operands: Sequence[Array], given: Sequence[Array], wanted: Sequence[bool], out_bar: Array | None, *, causal: bool
) -> tuple[Array, ...]:
    """Compute the cotangents of queries, keys and values."""
    *arrays, mask = operands
    (q, k, v, out), _ = _operands(*arrays, given[0])
    sums = given[1]
    bars = tuple(empty(x.shape, q.dtype) for x in (q, k, v))
    if out_bar is None:
        return tuple(zeros(x.shape, q.dtype) for x in (q, k, v))
    t = np.ascontiguousarray(out_bar, q.dtype)
    q_bar, k_bar, v_bar = bars
    scale = q.dtype.type(1 / math.sqrt(q.shape[2]))

    def work(heads: slice) -> None:
        weights = _scores(q, k, mask, heads, causal)
        # The logarithm of the sum is subtracted: the exponentials are the normalized weights, and none overflows.
        weights -= sums[heads, :, None]
        np.exp(weights, out=weights)
        multiply_stack(weights.swapaxes(1, 2), t[heads], v_bar[heads])
        slopes = np.empty_like(weights)
        multiply_stack(t[heads], v[heads].swapaxes(1, 2), slopes)
        # The sum over keys of weights times slopes, from the output, as in appendix B.2 of the paper.
        slopes -= np.einsum("bqf,bqf->bq", t[heads], out[heads])[..., None]
        slopes *= weights
        slopes *= scale
        multiply_stack(slopes, k[heads], q_bar[heads])
        multiply_stack(slopes.swapaxes(1, 2), q[heads], k_bar[heads])

    _by_heads(work, q, k)
    return bars


def _operands(*arrays: Array) -> tuple[list[Array], np.dtype[Any]]:
    """Return arrays in C order and in the dtype to compute in, and the dtype of the result."""
    dtype = np.result_type(*arrays)
    return [np.ascontiguousarray(x, computing_dtype(dtype)) for x in arrays], dtype


def _scores(q: Array, k: Array, mask: Mask, heads: slice, causal: bool) -> Array:
    """Compute q k^T / sqrt(features) of some heads, minus infinity where a query may not look."""
    queries = q[heads]
    scores = np.empty((len(queries), q.shape[1], k.shape[1]), q.dtype)
    # The queries are scaled: mostly fewer numbers than the scores.
    multiply_stack(queries * q.dtype.type(1 / math.sqrt(q.shape[2])), k[heads].swapaxes(1, 2), scores)
    if causal:
        # Overwritten, and not added to: a score of infinity or NaN that is hidden must not count.
        np.copyto(scores, -np.inf, where=~lower_triangle(*scores.shape[1:]))
    if mask is not None:
        np.copyto(scores, -np.inf, where=~mask[heads])
    return scores


@functools.lru_cache(maxsize=4)
def lower_triangle(rows: int, columns: int) -> Array:
    """Make the truth values of column <= row, read-only."""
    triangle: Array = np.arange(columns) <= np.arange(rows)[:, None]
    triangle.flags.writeable = False
    return triangle


def _by_heads(work: Callable[[slice], None], q: Array, k: Array) -> None:
    """Call `work` on so many heads that their weights stay in cache, on several threads if they are many."""
    size = q.shape[1] * k.shape[1] * q.itemsize

    def mine(part: slice) -> None:
        for heads in _pieces(part, max(1, WEIGHTS_SIZE // max(1, size))):
            work(heads)

    share(mine, len(q), 4 * len(q) * size)


def _pieces(part: slice, step: int) -> Iterator[slice]:
    for begin in range(part.start, part.stop, step):
        yield slice(begin, min(begin + step, part.stop))
