"""Loops that Numba compiles, in place of NumPy's passes where these read and write memory more often than need be.

Imported by `backends` only, as it needs Numba. Each function writes into arrays that its caller made, on a range of
images that its caller chose, and holds no lock of the interpreter. All arrays are contiguous and of one floating dtype.

The inner loops run over channels, which lie side by side, without a branch: LLVM then uses vector instructions. It
does so only where it can tell that what is written is not read, for which it compares at most a few pairs of arrays;
hence the short functions with many offsets into few arrays. Offsets are unsigned: signed ones might be negative, which
counts from the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from tapenet.core.array_types import Array


def _compiled(function: Any) -> Any:
    options: Any = {"nogil": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # no folder can be written to: compiled again in each process
        return njit(**options)(function)


# ---- Winograd's transforms, for tiles of 2x2; see `winograd` for the matrices ----


@_compiled
def transform_tiles(x: Array, reach: int, top: int, left: int, transformed: Array, first: int, last: int) -> None:
    """Write the transform of each tile of x (N, H, W, C) to an array of shape (4, 4, N, rows, columns, C).

    Tiles are two places apart, the first behind `top` and `left` zeros. It is B^T d B of tiles of 4x4
    places (`reach` 4), and A t A^T of those of 2x2.
    """
    height, channels = x.shape[1], x.shape[3]
    count, rows, columns = transformed.shape[2:5]
    places = 2 * columns + reach - 2
    width = min(x.shape[2], places - left)
    padded = np.zeros((reach, places, channels), x.dtype)
    halfway = np.empty((4, places, channels), x.dtype)
    line, plane = padded[0].size, count * rows * columns * channels
    flat_padded, flat_halfway, flat = padded.reshape(-1), halfway.reshape(-1), transformed.reshape(-1)
    for n in range(first, last):
        for row in range(rows):
            for i in range(reach):
                place = 2 * row + i - top
                if 0 <= place < height:
                    padded[i, left : left + width] = x[n, place, :width]
                else:
                    padded[i] = 0
            _map(reach, flat_padded, 0, line, flat_halfway, 0, line, line)
            for i in range(4):
                for column in range(columns):
                    begin = i * line + 2 * column * channels
                    end = 4 * i * plane + ((n * rows + row) * columns + column) * channels
                    _map(reach, flat_halfway, begin, channels, flat, end, plane, channels)


@_compiled
def write_outputs(products: Array, y: Array, first: int, last: int) -> None:
    """Write A^T p A of each tile of products p (4, 4, N, rows, columns, O) to y (N, OH, OW, O)."""
    count, rows, columns, channels = products.shape[2:]
    height, width = y.shape[1:3]
    halfway = np.empty((2, 4, columns, channels), y.dtype)
    outputs = np.empty((2, columns, channels), y.dtype)
    line, plane = columns * channels, count * rows * columns * channels
    flat, flat_halfway, flat_outputs = products.reshape(-1), halfway.reshape(-1), outputs.reshape(-1)
    for n in range(first, last):
        for row in range(rows):
            for j in range(4):
                begin = j * plane + (n * rows + row) * line
                _gather(flat, begin, 4 * plane, flat_halfway, j * line, 4 * line, line)
            for i in range(min(2, height - 2 * row)):
                _gather(flat_halfway, 4 * i * line, line, flat_outputs, 0, line, line)
                y[n, 2 * row + i, 0::2] = outputs[0]
                y[n, 2 * row + i, 1::2] = outputs[1, : width // 2]


@_compiled
def _map(reach: int, x: Array, begin: int, step: int, out: Array, out_begin: int, out_step: int, size: int) -> None:
    """Write B^T x of four stretches, or A x of two."""
    if reach == 4:
        _combine(x, begin, step, out, out_begin, out_step, size)
    else:
        _transform_cotangents(x, begin, step, out, out_begin, out_step, size)


@_compiled
def _combine(d: Array, begin: int, step: int, out: Array, out_begin: int, out_step: int, size: int) -> None:
    """Write B^T d: d0, .. d3 and the four results are stretches of `size` elements, `step` apart."""
    d0, d1 = np.uintp(begin), np.uintp(begin + step)
    d2, d3 = np.uintp(begin + 2 * step), np.uintp(begin + 3 * step)
    out0, out1 = np.uintp(out_begin), np.uintp(out_begin + out_step)
    out2, out3 = np.uintp(out_begin + 2 * out_step), np.uintp(out_begin + 3 * out_step)
    for k in range(np.uintp(size)):
        out[out0 + k] = d[d0 + k] - d[d2 + k]
        out[out1 + k] = d[d1 + k] + d[d2 + k]
        out[out2 + k] = d[d2 + k] - d[d1 + k]
        out[out3 + k] = d[d1 + k] - d[d3 + k]


@_compiled
def _transform_cotangents(
    t: Array, begin: int, step: int, out: Array, out_begin: int, out_step: int, size: int
) -> None:
    """Write A t, as `_combine` does B^T d."""
    t0, t1 = np.uintp(begin), np.uintp(begin + step)
    out0, out1 = np.uintp(out_begin), np.uintp(out_begin + out_step)
    out2, out3 = np.uintp(out_begin + 2 * out_step), np.uintp(out_begin + 3 * out_step)
    for k in range(np.uintp(size)):
        out[out0 + k] = t[t0 + k]
        out[out1 + k] = t[t0 + k] + t[t1 + k]
        out[out2 + k] = t[t0 + k] - t[t1 + k]
        out[out3 + k] = -t[t1 + k]


@_compiled
def _gather(p: Array, begin: int, step: int, out: Array, out_begin: int, out_step: int, size: int) -> None:
    """Write A^T p, as `_combine` does B^T d."""
    p0, p1 = np.uintp(begin), np.uintp(begin + step)
    p2, p3 = np.uintp(begin + 2 * step), np.uintp(begin + 3 * step)
    out0, out1 = np.uintp(out_begin), np.uintp(out_begin + out_step)
    for k in range(np.uintp(size)):
        out[out0 + k] = p[p0 + k] + p[p1 + k] + p[p2 + k]
        out[out1 + k] = p[p1 + k] - p[p2 + k] - p[p3 + k]


# ---- sliding windows ----


@_compiled
def stack(x: Array, stacked: Array, stride: int, dilation: int, before: int) -> None:
    """Write what windows along the second axis of x (batch, size, inner, features) look at, zeros for padding.

    `stacked` has the shape (batch, count, inner, window, features).
    """
    size, (count, inner, window, features) = x.shape[1], stacked.shape[1:]
    for n in range(len(x)):
        for output in range(count):
            for tap in range(window):
                place = output * stride + tap * dilation - before
                if 0 <= place < size:
                    for k in range(inner):
                        for f in range(features):
                            stacked[n, output, k, tap, f] = x[n, place, k, f]
                else:
                    stacked[n, output, :, tap] = 0


@_compiled
def unstack(stacked: Array, x: Array, stride: int, dilation: int, before: int) -> None:
    """Transpose `stack`: add to x what was stacked of it."""
    size, (count, inner, window, features) = x.shape[1], stacked.shape[1:]
    for n in range(len(x)):
        for output in range(count):
            for tap in range(window):
                place = output * stride + tap * dilation - before
                if 0 <= place < size:
                    for k in range(inner):
                        for f in range(features):
                            x[n, place, k, f] += stacked[n, output, k, tap, f]


@_compiled
def find_winners(x: Array, y: Array, winners: Array, window: Any, stride: Any, before: Any) -> None:
    """Write the largest element of each window of x (N, H, W, C), and its tap: see `pooling.max_pool_winners`."""
    height, width, channels = x.shape[1:]
    for n in range(len(y)):
        for oh in range(y.shape[1]):
            top = oh * stride[0] - before[0]
            for ow in range(y.shape[2]):
                left = ow * stride[1] - before[1]
                first_row, first_column = max(0, -top), max(0, -left)
                for c in range(channels):
                    y[n, oh, ow, c] = x[n, top + first_row, left + first_column, c]
                    winners[n, oh, ow, c] = first_row * window[1] + first_column
                for i in range(first_row, min(window[0], height - top)):
                    for j in range(first_column, min(window[1], width - left)):
                        tap = i * window[1] + j
                        for c in range(channels):
                            challenger, champion = x[n, top + i, left + j, c], y[n, oh, ow, c]
                            is_nan = (challenger != challenger) & (champion == champion)
                            wins = (challenger > champion) | is_nan
                            y[n, oh, ow, c] = challenger if wins else champion
                            winners[n, oh, ow, c] = tap if wins else winners[n, oh, ow, c]


@_compiled
def scatter(t: Array, winners: Array, x: Array, window: Any, stride: Any, before: Any) -> None:
    """Add each element of t (N, OH, OW, C) to the place of x (N, H, W, C) that won its window."""
    height, width, channels = x.shape[1:]
    for n in range(len(t)):
        for oh in range(t.shape[1]):
            top = oh * stride[0] - before[0]
            for ow in range(t.shape[2]):
                left = ow * stride[1] - before[1]
                for i in range(max(0, -top), min(window[0], height - top)):
                    for j in range(max(0, -left), min(window[1], width - left)):
                        tap = i * window[1] + j
                        for c in range(channels):
                            share = t[n, oh, ow, c] if winners[n, oh, ow, c] == tap else 0
                            x[n, top + i, left + j, c] += share


# ---- elementwise ----


@_compiled
def keep(mask: Array, x: Array, out: Array) -> None:
    """Write x where the mask holds, and zero elsewhere; all flat."""
    for k in range(x.size):
        out[k] = x[k] if mask[k] else 0


@_compiled
def adam(
    parameter: Array, gradient: Array, mean: Array, square_mean: Array,
    decay: Any, shrink: Any, b1: Any, c1: Any, b2: Any, c2: Any, eps: Any, rate: Any
) -> None:  # fmt: skip
    """Take one step of Adam in place, on flat arrays, in one pass.

    g = gradient + decay * parameter
    mean <- b1 mean + c1 g
    square_mean <- b2 square_mean + c2 g^2
    parameter <- shrink * parameter - rate * mean / (sqrt(square_mean) + eps)
    """
    for k in range(parameter.size):
        g = gradient[k] + decay * parameter[k] if decay != 0 else gradient[k]  # 0 times infinity is NaN
        mean[k] = b1 * mean[k] + c1 * g
        square_mean[k] = b2 * square_mean[k] + c2 * g * g
        parameter[k] = shrink * parameter[k] - rate * mean[k] / (np.sqrt(square_mean[k]) + eps)
