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
