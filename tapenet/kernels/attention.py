"""Scaled dot-product attention, softmax(q k^T / sqrt(features)) v, forward and backward, without its weights in memory.

Arrays are (N, heads, length, features), in any order in memory: heads that lie side by side in rows of features are not
copied. Results lie as queries, keys and values do. A mask, shape (N, heads, queries, keys), or None, says which keys a
query may look at; `causal` says that query i may look at the keys up to i. A query that may look at none gets zeros.

The weights of a few heads at a time, or by machine code (`attention_code`) of some queries of a head, are computed,
used while they are in cache, and dropped. What is kept of them is for each query the logarithm of the sum of
exponentials, by which the backward function computes them again.

Source: Dao, Fu, Ermon, Rudra and Re, "FlashAttention", arXiv:2205.14135, of which this is the part that suits caches
that hold the weights of a head.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tapenet.kernels.gemm import gemm_for
from tapenet.kernels.memory import address, empty
from tapenet.kernels.products import multiply_stack, share_with_products
from tapenet.kernels.threads import share
from tapenet.kernels.vector_functions import functions_for
from tapenet.kernels.windows import Array, computing_dtype

Mask = Array | None

# Bytes of weights that are computed at a time.
WEIGHTS_SIZE = 2**18

# Weights from which on they are computed by machine code, and then how many bytes and queries at a time.
FEWEST = 2**9
BLOCK_SIZE, BLOCK = 2**17, 64

# What the exponential of a score and the passes over it take, in multiplications.
WEIGHT_COST = 32


def attention(q: Array, k: Array, v: Array, mask: Mask, *, causal: bool) -> tuple[Array, Array]:
    """Compute the values that queries gather, and the logarithms of the sums of exponentials."""
    (q, k, v), dtype = _operands(q, k, v)
    out = _like(q, v.shape[3])
    sums = empty(q.shape[:3], q.dtype)

    def work(n: int, heads: slice) -> None:
        weights = _scores(q[n, heads], k[n, heads], None if mask is None else mask[n, heads], causal)
        largest = weights.max(2, keepdims=True)
        largest[largest == -np.inf] = 0  # -inf less -inf is NaN, where a query may look at no key
        weights -= largest
        np.exp(weights, out=weights)
        total = weights.sum(2, keepdims=True)
        total[total == 0] = 1  # a query that may look at no key
        multiply_stack(weights, v[n, heads], out[n, heads])
        out[n, heads] /= total
        np.log(total, out=total)
        total += largest
        sums[n, heads] = total[..., 0]

    if not _at_once("attention", (q, k, v, out), (sums,), mask, causal=causal):
        _by_heads(work, q, k)
    return out.astype(dtype, copy=False), sums


def attention_backward(
    operands: Sequence[Array], given: Sequence[Array], wanted: Sequence[bool], out_bar: Array | None, *, causal: bool
) -> tuple[Array, ...]:
    """Compute the cotangents of queries, keys and values."""
    *arrays, mask = operands
    (q, k, v, out), _ = _operands(*arrays, given[0])
    sums = np.ascontiguousarray(given[1], q.dtype)
    if out_bar is None:
        return tuple(np.zeros(x.shape, q.dtype) for x in (q, k, v))
    (t,) = (_side_by_side(np.asarray(out_bar, q.dtype)),)
    q_bar, k_bar, v_bar = bars = tuple(_like(x, x.shape[3]) for x in (q, k, v))
    scale = q.dtype.type(1 / math.sqrt(q.shape[3]))

    def work(n: int, heads: slice) -> None:
        weights = _scores(q[n, heads], k[n, heads], None if mask is None else mask[n, heads], causal)
        # The logarithm of the sum is subtracted: the exponentials are the normalized weights, and none overflows.
        weights -= sums[n, heads, :, None]
        np.exp(weights, out=weights)
        multiply_stack(weights.swapaxes(1, 2), t[n, heads], v_bar[n, heads])
        slopes = np.empty_like(weights)
        multiply_stack(t[n, heads], v[n, heads].swapaxes(1, 2), slopes)
        # The sum over keys of weights times slopes, from the output, as in appendix B.2 of the paper.
        slopes -= np.einsum("bqf,bqf->bq", t[n, heads], out[n, heads])[..., None]
        slopes *= weights
        slopes *= scale
        multiply_stack(slopes, k[n, heads], q_bar[n, heads])
        multiply_stack(slopes.swapaxes(1, 2), q[n, heads], k_bar[n, heads])

    if not _at_once("attention_backward", (q, k, v, out, t, *bars), (sums,), mask, causal=causal):
        _by_heads(work, q, k)
    return bars


def _operands(*arrays: Array) -> tuple[list[Array], np.dtype[Any]]:
    """Return arrays with features side by side and in the dtype to compute in, and the dtype of the result."""
    dtype = np.result_type(*arrays)
    return [_side_by_side(np.asarray(x, computing_dtype(dtype))) for x in arrays], dtype


def _side_by_side(x: Array) -> Array:
    """Return x, or a copy where its features do not lie side by side, or elements not at whole places."""
    is_fit = x.strides[3] == x.itemsize and not any(step % x.itemsize for step in x.strides)
    return x if is_fit else np.ascontiguousarray(x)


def _like(x: Array, features: int) -> Array:
    """Make an array (N, heads, length, features) whose axes lie in the order of those of x."""
    n, heads, length = x.shape[:3]
    if x.strides[1] < x.strides[2]:
        return empty((n, length, heads, features), x.dtype).swapaxes(1, 2)
    return empty((n, heads, length, features), x.dtype)


def _scores(q: Array, k: Array, mask: Mask, causal: bool) -> Array:
    """Compute q k^T / sqrt(features) of some heads, minus infinity where a query may not look."""
    scores = np.empty((len(q), q.shape[1], k.shape[1]), q.dtype)
    # The queries are scaled: mostly fewer numbers than the scores.
    multiply_stack(q * q.dtype.type(1 / math.sqrt(q.shape[2])), k.swapaxes(1, 2), scores)
    if causal:
        # Overwritten, and not added to: a score of infinity or NaN that is hidden must not count.
        np.copyto(scores, -np.inf, where=~lower_triangle(*scores.shape[1:]))
    if mask is not None:
        np.copyto(scores, -np.inf, where=~mask)
    return scores


@functools.lru_cache(maxsize=4)
def lower_triangle(rows: int, columns: int) -> Array:
    """Make the truth values of column <= row, read-only."""
    triangle: Array = np.arange(columns) <= np.arange(rows)[:, None]
    triangle.flags.writeable = False
    return triangle


def _by_heads(work: Callable[[int, slice], None], q: Array, k: Array) -> None:
    """Call `work` on so many heads that their weights stay in cache, on several threads if they are many."""
    n, heads, queries, _ = q.shape
    size = queries * k.shape[2] * q.itemsize
    step = max(1, WEIGHTS_SIZE // max(1, size))
    pieces = [(i, slice(j, min(j + step, heads))) for i in range(n) for j in range(0, heads, step)]

    def mine(part: slice) -> None:
        for piece in pieces[part]:
            work(*piece)

    share(mine, len(pieces), 4 * n * heads * size)


def _at_once(name: str, strided: Sequence[Array], others: Sequence[Array], mask: Mask, *, causal: bool) -> bool:
    """Compute all heads by machine code, and return whether there is code for it.

    Args:
        name: of the function, whose arguments are `strided`, mask, memory for blocks of weights, and `others`.
    """
    q, k, v = strided[:3]
    n, heads, queries, features = q.shape
    keys, outputs, dtype = k.shape[2], v.shape[3], q.dtype
    if n * heads * queries * keys < FEWEST:
        return False
    functions, gemm = functions_for(dtype, "tapenet.kernels.attention_code"), gemm_for(dtype)
    if functions is None or gemm is None:
        return False
    function, block = functions.by_name[name], max(8, min(BLOCK, queries, BLOCK_SIZE // (keys * dtype.itemsize)))
    if mask is not None and mask.strides[3] != 1:
        mask = np.ascontiguousarray(mask)
    places = [address(x) for x in strided] + [0 if mask is None else address(mask)]
    distances = [step // dtype.itemsize for x in strided for step in x.strides[:3]]
    distances += [0, 0, 0] if mask is None else mask.strides[:3]
    buffers = 2 if name == "attention_backward" else 1

    def work(part: slice) -> int:
        memory = np.empty((buffers, block, keys), dtype)
        own = (*map(address, memory), *map(address, others), gemm.address, *gemm.packed.addresses)
        lengths = (part.start, part.stop - part.start, heads, queries, keys, features, outputs, int(causal), block)
        return int(function(*places, *own, *lengths, *distances, 1 / math.sqrt(features)))

    share_with_products(gemm, work, n * heads, n * heads * queries * keys * (features + outputs + WEIGHT_COST))
    return True
