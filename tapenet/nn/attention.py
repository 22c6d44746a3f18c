"""Attention, and the positions that it is told, as functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tapenet.core.argument_checks import (
    check_real,
    checked_array,
    checked_count,
    checked_dtype,
    checked_flag,
    checked_number,
)
from tapenet.core.array_types import Array
from tapenet.core.batch_rules import broadcast_examples
from tapenet.core.primitive import Primitive
from tapenet.core.tensor import read_value
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.kernels import attention as kernels
from tapenet.nn.activations import softmax
from tapenet.nn.functions import as_result, widened
from tapenet.nn.fused import Fused
from tapenet.ops.arrays.shaping import broadcast_to, concatenate, reshape, swapaxes
from tapenet.ops.elementwise.arithmetic import add, multiply, subtract, where
from tapenet.ops.elementwise.choices import detached, logical_and
from tapenet.ops.linalg.products import matmul

_FAR = -1e30  # beside a score, what has a weight of 0 in every dtype but float16


def _written_out(q: Array, k: Array, v: Array, mask: Array | None, *, causal: bool) -> tuple[Array, ...]:
    scores = matmul(multiply(q, 1 / math.sqrt(q.shape[-1])), swapaxes(k, -1, -2))
    allowed = mask
    if causal:
        triangle = kernels.lower_triangle(*scores.shape[-2:])
        allowed = triangle if mask is None else logical_and(mask, triangle)
    if allowed is None:
        return (matmul(softmax(scores), v),)
    weights = softmax(where(allowed, scores, _FAR))
    return (matmul(where(allowed, weights, 0), v),)  # a query that may look at no key gets zeros


def _by_heads(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Mapping[str, Any]
) -> Any:
    """Evaluate attention over a batch, whose examples are heads like others."""

    def merged(x: Array, is_mapped: bool) -> Array:
        x = broadcast_examples(x, is_mapped, size)
        return reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:]))

    heads = [None if x is None else merged(x, own) for x, own in zip(arrays, mapped, strict=True)]
    return tuple(reshape(y, (size, y.shape[0] // size, *y.shape[1:])) for y in primitive(*heads, **parameters))


_attention = Fused(
    "attention", 3, 1, kernels.attention, kernels.attention_backward, _written_out, _by_heads
).primitive()


def scaled_dot_product_attention(
    q: Array, k: Array, v: Array, mask: Array | None = None, *, causal: bool = False
) -> Array:
    """Let queries gather values, by how their keys fit: softmax(q k^T / sqrt(features)) v.

    Derivatives: those of the formula; for a mask of numbers too. A query that may look at no key gets zeros, and has
    derivative 0.

    Args:
        q: queries, float array, shape (..., heads, length, features).
        k: keys, float array, shape (..., heads, keys, features).
        v: values, float array, shape (..., heads, keys, outputs).
        mask: truth values that broadcast to (..., heads, length, keys), True where a query may look at a key; or
            numbers, which are added to q k^T / sqrt(features); or None. Two axes are always (length, keys): of
            `length_mask(lengths, keys)`, shape (N, keys), pass `length_mask(lengths, keys)[:, None, None, :]`.
        causal: whether query i may look at the keys 0 up to i alone.

    Returns:
        An array, shape (..., heads, length, outputs).

    Raises:
        ArgumentError: shapes that do not fit; a mask that does not broadcast.
        ArgumentTypeError: an argument that is not numeric, or complex.

    Source: Vaswani et al., "Attention is all you need", arXiv:1706.03762, section 3.2.1.

    >>> q = np.zeros((1, 2, 4))
    >>> tn.nn.scaled_dot_product_attention(q, q, np.array([[[1.0], [3.0]]]), causal=True)[0, :, 0]
    array([1., 2.])
    """
    name = "scaled_dot_product_attention"
    q, k, v = (check_real(name, n, checked_array(name, n, x)) for n, x in (("q", q), ("k", k), ("v", v)))
    causal = checked_flag(name, "causal", causal)
    leading = _leading(name, q, k, v)
    if mask is not None:
        shape = (*leading, q.shape[-2], k.shape[-2])
        mask = _checked_mask(name, mask, shape)
        if mask.dtype.kind != "b":
            return _with_numbers(q, k, v, mask, causal)
        mask = broadcast_to(mask, shape)
    given = (q, k, v)
    q, k, v = (_heads(widened(x), leading) for x in given)
    y, _ = _attention(q, k, v, None if mask is None else _heads(mask, leading), causal=causal)
    return as_result(y if len(leading) == 2 else reshape(y, (*leading, *y.shape[2:])), *given)


def _leading(name: str, q: Array, k: Array, v: Array) -> tuple[int, ...]:
    """Check shapes, and return the axes in front of length and features."""
    for letter, x in (("q", q), ("k", k), ("v", v)):
        if x.ndim < 2:
            raise ArgumentError(f"{name}: {letter} must have shape (..., heads, length, features); got {x.shape}.")
        if 0 in x.shape[-2:]:
            raise ArgumentError(
                f"{name}: {letter} must have shape (..., heads, length, features), length and features at least 1; "
                f"got {x.shape}."
            )
    if k.shape[-1] != q.shape[-1]:
        raise ArgumentError(f"{name}: k must have as many features as q, {q.shape[-1]}; got shape {k.shape}.")
    if v.shape[-2] != k.shape[-2]:
        raise ArgumentError(f"{name}: v must be as long as k, {k.shape[-2]}; got shape {v.shape}.")
    try:
        return np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    except ValueError:
        shapes = f"{q.shape}, {k.shape} and {v.shape}"
        raise ArgumentError(f"{name}: q, k and v must have leading axes that broadcast; got {shapes}.") from None


def _checked_mask(name: str, mask: Array, shape: tuple[int, ...]) -> Array:
    mask = check_real(name, "mask", checked_array(name, "mask", mask))
    if mask.dtype.kind in "iu":
        raise ArgumentTypeError(f"{name}: mask must be of truth values, or of floats to add; got {mask.dtype}.")
    mask = read_value(mask) if mask.dtype.kind == "b" else mask
    try:
        fits = np.broadcast_shapes(mask.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        of_keys = len(shape) == 4 and mask.shape == (shape[0], shape[-1])
        hint = " Of a mask of each example's keys, such as `length_mask` makes, pass mask[:, None, None, :]."
        raise ArgumentError(f"{name}: mask must broadcast to {shape}; got {mask.shape}.{hint if of_keys else ''}")
    return mask


def _heads(x: Array, leading: tuple[int, ...]) -> Array:
    """Give x all leading axes, as two."""
    shape = (*leading, *x.shape[-2:])
    x = x if x.shape == shape else broadcast_to(x, shape)
    if len(leading) == 2:
        return x
    return reshape(x, (math.prod(leading[:-1]), *leading[-1:], *x.shape[-2:]) if leading else (1, 1, *x.shape))


def _with_numbers(q: Array, k: Array, v: Array, mask: Array, causal: bool) -> Array:
    """Add a mask of numbers to the scores, by which there is a derivative."""
    wide_q, wide_k, wide_v = widened(q), widened(k), widened(v)
    scores = add(matmul(multiply(wide_q, 1 / math.sqrt(q.shape[-1])), swapaxes(wide_k, -1, -2)), widened(mask))
    if causal:
        scores = where(kernels.lower_triangle(*scores.shape[-2:]), scores, -np.inf)
    return as_result(matmul(softmax(scores), wide_v), q, k, v, mask)


# ---- positions ----


def rotary(x: Array, positions: Array | None = None, *, base: float = 10000.0) -> Array:
    """Turn pairs of features by angles in proportion to their positions: rotary positions, for queries and keys.

    Features j and j + features / 2, as a complex number, are multiplied by e^(i p base^(-2 j / features)) at position
    p. The product of a query and a key so depends on the distance of their positions.

    Derivative: linear; that of a rotation back.

    Args:
        x: float array, shape (..., length, features), of an even number of features.
        positions: numbers that broadcast to (..., length), or None for 0, 1, 2 ...
        base: what the slowest angle's period is about 2 pi times; positive.

    Returns:
        An array of the shape of x.

    Raises:
        ArgumentError: an odd number of features; positions that do not broadcast; a base that is not positive.
        ArgumentTypeError: an argument that is not numeric, or complex.

    Source: Su et al., "RoFormer: enhanced transformer with rotary position embedding", arXiv:2104.09864, with halves
    in place of neighbours, as in GPT-NeoX.

    >>> tn.nn.rotary(np.array([[1.0, 0.0], [1.0, 0.0]])).round(3)
    array([[1.   , 0.   ],
           [0.54 , 0.841]])
    """
    x = check_real("rotary", "x", checked_array("rotary", "x", x))
    base = checked_number("rotary", "base", base, "(0, inf)")
    if x.ndim < 2 or x.shape[-1] % 2:
        raise ArgumentError(f"rotary: x must have shape (..., length, features), the features even; got {x.shape}.")
    length, half = x.shape[-2], x.shape[-1] // 2
    positions = np.arange(length) if positions is None else checked_array("rotary", "positions", positions)
    check_real("rotary", "positions", positions)
    try:
        fits = np.broadcast_shapes(positions.shape, x.shape[:-1]) == x.shape[:-1]
    except ValueError:
        fits = False
    if not fits:
        raise ArgumentError(f"rotary: positions must broadcast to {x.shape[:-1]}; got {positions.shape}.")
    dtype = np.result_type(widened(x).dtype, np.float32)
    angles = detached(positions)[..., None] * base ** (-np.arange(half) / half)
    cosines, sines = np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)
    wide = widened(x)
    a, b = wide[..., :half], wide[..., half:]
    turned = (subtract(multiply(a, cosines), multiply(b, sines)), add(multiply(a, sines), multiply(b, cosines)))
    return as_result(concatenate(turned, -1), x)


def sinusoidal_positions(length: int, features: int, *, base: float = 10000.0, dtype: DTypeLike = np.float32) -> Array:
    """Make rows that tell positions apart, to add to the features of a sequence: sines and cosines in turn.

    Row p has sin(p w_j) at 2 j and cos(p w_j) at 2 j + 1, with w_j = base^(-2 j / features).

    No derivative: the result is a plain array.

    Args:
        length: the number of positions.
        features: the length of a row.
        base: what the slowest angle's period is about 2 pi times; positive.
        dtype: a real floating dtype.

    Returns:
        An array, shape (length, features).

    Raises:
        ArgumentError: a length, features or base that are not positive.
        ArgumentTypeError: a length or features that are not integers; another dtype.

    Source: Vaswani et al., "Attention is all you need", arXiv:1706.03762, section 3.5.

    >>> tn.nn.sinusoidal_positions(2, 2).round(3)
    array([[0.   , 1.   ],
           [0.841, 0.54 ]], dtype=float32)
    """
    length = checked_count("sinusoidal_positions", "length", length)
    features = checked_count("sinusoidal_positions", "features", features)
    base = checked_number("sinusoidal_positions", "base", base, "(0, inf)")
    kind = checked_dtype("sinusoidal_positions", "dtype", dtype)
    angles = np.arange(length)[:, None] * base ** (-2 * (np.arange(features) // 2) / features)
    rows: Array = np.where(np.arange(features) % 2, np.cos(angles), np.sin(angles)).astype(kind)
    return rows
