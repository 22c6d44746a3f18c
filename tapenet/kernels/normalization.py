"""Normalization by mean and variance, forward and backward: of channels over all rows, or of rows over their features.

Arrays are of shape (rows, channels). What is normalized is read piece by piece, and all passes over a piece are made
while it is in cache. Rows of few channels are joined to long ones, over which NumPy's inner loops run.

Source: Ioffe and Szegedy, "Batch normalization", arXiv:1502.03167, section 3, for the cotangents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tapenet.kernels.memory import empty
from tapenet.kernels.products import matmul
from tapenet.kernels.threads import share
from tapenet.kernels.windows import Array, computing_dtype

# Bytes of a piece, of which several are used at a time, and elements of a joined row.
PIECE_SIZE = 2**17
LONG_ROW = 1024

# What the passes over a piece cost, in reads of its memory: so much smaller arrays are worth a thread.
FORWARD_COST, BACKWARD_COST = 4, 8


def batch_norm(x: Array, scale: Array, offset: Array, unused: None, *, eps: float) -> tuple[Array, ...]:
    """Compute scale (x - mean) / sqrt(var + eps) + offset of channels, mean, var and 1 / sqrt(var + eps)."""
    (x, scale, offset), dtype = _operands(x, scale, offset)
    rows, repeats = _long_rows(x)
    count = len(x)
    mean = _summed(rows, repeats, lambda piece: [rows[piece]])[0] / count
    tiled = np.tile(mean, repeats).astype(x.dtype)
    # In a second pass: mean(x^2) - mean(x)^2 cancels where the mean is large.
    var = _summed(rows, repeats, lambda piece: [np.square(rows[piece] - tiled)])[0] / count
    inverse = 1 / np.sqrt(var + eps)
    slope, added = (np.tile(v, repeats).astype(x.dtype) for v in (scale * inverse, offset))
    y = empty(rows.shape, x.dtype)

    def work(part: slice) -> None:
        for piece in _pieces(part, rows):
            # The mean first: x slope + (offset - mean slope) takes a pass less, and cancels where the mean is large.
            np.subtract(rows[piece], tiled, out=y[piece])
            y[piece] *= slope
            y[piece] += added

    share(work, len(rows), FORWARD_COST * x.nbytes)
    return tuple(v.astype(dtype, copy=False) for v in (y.reshape(x.shape), mean, var, inverse))


def batch_norm_backward(
    operands: Sequence[Array],
    given: Sequence[Array],
    wanted: Sequence[bool],
    y_bar: Array | None,
    mean_bar: Array | None,
    var_bar: Array | None,
    *,
    eps: float,
) -> tuple[Array, ...]:
    """Compute the cotangents of x, scale and offset."""
    (x, scale), _ = _operands(*operands[:2])
    _, mean, _, inverse = given
    rows, repeats = _long_rows(x)
    count = len(x)
    t = np.zeros(rows.shape, x.dtype) if y_bar is None else np.ascontiguousarray(y_bar, x.dtype).reshape(rows.shape)
    tiled = np.tile(mean, repeats).astype(x.dtype)
    offset_bar, moment = _summed(rows, repeats, lambda piece: [t[piece], t[piece] * (rows[piece] - tiled)])
    slope = scale * inverse
    # x_bar = slope t + (x - mean) along + shift
    along, shift = -slope * inverse**2 * moment / count, -slope * offset_bar / count
    if var_bar is not None:
        along = along + 2 * np.asarray(var_bar) / count
    if mean_bar is not None:
        shift = shift + np.asarray(mean_bar) / count
    by_t, by_x, by_none = (np.tile(v, repeats).astype(x.dtype) for v in (slope, along, shift))
    x_bar = empty(rows.shape, x.dtype)

    def work(part: slice) -> None:
        for piece in _pieces(part, rows):
            deviation = rows[piece] - tiled
            deviation *= by_x
            np.multiply(t[piece], by_t, out=x_bar[piece])
            x_bar[piece] += deviation
            x_bar[piece] += by_none

    share(work, len(rows), BACKWARD_COST * x.nbytes)
    return x_bar.reshape(x.shape), moment * inverse, offset_bar


def layer_norm(x: Array, scale: Array, offset: Array, unused: None, *, eps: float) -> tuple[Array, ...]:
    """Compute scale (x - mean) / sqrt(var + eps) + offset of rows, mean and 1 / sqrt(var + eps)."""
    (x, scale, offset), dtype = _operands(x, scale, offset)
    y, mean, inverse = empty(x.shape, x.dtype), np.empty((len(x), 1), x.dtype), np.empty((len(x), 1), x.dtype)
    features = x.dtype.type(x.shape[1])

    def work(part: slice) -> None:
        for piece in _pieces(part, x):
            own = y[piece]
            mean[piece] = np.add.reduce(x[piece], axis=1, keepdims=True) / features
            np.subtract(x[piece], mean[piece], out=own)
            var = np.einsum("rf,rf->r", own, own)[:, None] / features  # einsum makes no array of squares
            inverse[piece] = 1 / np.sqrt(var + x.dtype.type(eps))
            own *= inverse[piece]
            own *= scale
            own += offset

    share(work, len(x), FORWARD_COST * x.nbytes)
    return y.astype(dtype, copy=False), mean, inverse


def layer_norm_backward(
    operands: Sequence[Array], given: Sequence[Array], wanted: Sequence[bool], y_bar: Array | None, *, eps: float
) -> tuple[Array, ...]:
    """Compute the cotangents of x, scale and offset."""
    (x, scale), _ = _operands(*operands[:2])
    _, mean, inverse = given
    t = np.zeros(x.shape, x.dtype) if y_bar is None else np.ascontiguousarray(y_bar, x.dtype)
    x_bar = empty(x.shape, x.dtype)
    sums: dict[int, Array] = {}
    weights = scale / x.dtype.type(x.shape[1])  # of a mean

    def work(part: slice) -> None:
        total = sums.setdefault(part.start, np.zeros((2, x.shape[1]), np.result_type(x.dtype, np.float64)))
        for piece in _pieces(part, x):
            normal, own = x[piece] - mean[piece], x_bar[piece]
            normal *= inverse[piece]
            product = t[piece] * normal
            total[0] += np.add.reduce(product, axis=0)
            total[1] += np.add.reduce(t[piece], axis=0)
            normal *= matmul(product, weights)[:, None]
            normal += matmul(t[piece], weights)[:, None]
            np.multiply(t[piece], scale, out=own)
            own -= normal
            own *= inverse[piece]

    share(work, len(x), BACKWARD_COST * x.nbytes)
    # In the order of the parts, whichever thread was done first: sums are rounded alike in each run.
    scale_bar, offset_bar = sum((sums[start] for start in sorted(sums)), np.zeros((2, x.shape[1])))
    return x_bar, scale_bar, offset_bar


def _operands(*arrays: Array) -> tuple[list[Array], np.dtype[Any]]:
    """Return arrays in C order and in the dtype to compute in, and the dtype of the result."""
    dtype = np.result_type(*arrays)
    return [np.ascontiguousarray(x, computing_dtype(dtype)) for x in arrays], dtype


def _long_rows(x: Array) -> tuple[Array, int]:
    """Join as many rows as divide their number, up to a long one; return the rows, and how many are joined in each."""
    # A divisor, so that joining is a view.
    repeats = next((n for n in range(LONG_ROW // x.shape[1], 1, -1) if len(x) % n == 0), 1)
    return x.reshape(-1, repeats * x.shape[1]), repeats


def _pieces(part: slice, x: Array) -> Iterator[slice]:
    step = max(1, PIECE_SIZE // max(1, x.itemsize * x.shape[1]))
    for begin in range(part.start, part.stop, step):
        yield slice(begin, min(begin + step, part.stop))


def _summed(rows: Array, repeats: int, terms: Callable[[slice], list[Array]]) -> list[Array]:
    """Add up terms over all rows, channel by channel, in double precision from piece to piece."""
    found: dict[int, list[Array]] = {}
    wide = np.result_type(rows.dtype, np.float64)

    def work(part: slice) -> None:
        own: list[Array] = []
        for piece in _pieces(part, rows):
            sums = [np.add.reduce(term, axis=0).astype(wide) for term in terms(piece)]
            own = [a + b for a, b in zip(own, sums, strict=True)] if own else sums
        found[part.start] = own

    share(work, len(rows), FORWARD_COST * rows.nbytes)
    totals = [sum(parts) for parts in zip(*(found[start] for start in sorted(found)), strict=True)]
    return [np.asarray(total).reshape(repeats, -1).sum(0) for total in totals]
