"""Convolution along some axes, products along others: autograd's own `scipy.signal`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.errors import ArgumentError
from tapenet.scipy import signal

Axes = Sequence[Sequence[int]]


def convolve(A: Any, B: Any, axes: Axes | None = None, dot_axes: Axes = ((), ()), mode: str = "full") -> Any:
    """Convolve two arrays along axes, add up products along others, and combine all elements along the rest.

    Args:
        A, B: arrays.
        axes: of A, and in the same order of B, to convolve along; all by default.
        dot_axes: of A and of B, to add products along.
        mode: "full", "valid" or "same", as scipy.signal.convolve's.

    Returns:
        An array with the other axes of A, the other axes of B, and the axes of the convolution.

    Raises:
        ArgumentError: another mode; in mode "valid", arrays of which neither is larger along all axes.
    """
    if mode not in ("full", "valid", "same"):
        raise ArgumentError(f"convolve: mode must be 'full', 'valid' or 'same'; got {mode!r}.")
    A, B = tnp.asarray(A), tnp.asarray(B)
    if axes is None and not any(dot_axes) and A.ndim == B.ndim and all(A.shape) and all(B.shape):
        return _along_all(A, B, mode)
    of_a, of_b = axes if axes is not None else (range(A.ndim), range(A.ndim))
    lengths = [(A.shape[i], B.shape[j]) for i, j in zip(of_a, of_b, strict=True)]
    if mode == "valid" and any(a < b for a, b in lengths):
        if any(a > b for a, b in lengths):
            raise ArgumentError("convolve: with mode='valid' one array must be larger along all convolved axes.")
        first, second = A.ndim - len(of_a) - len(dot_axes[0]), B.ndim - len(of_b) - len(dot_axes[1])
        swapped = convolve(B, A, (of_b, of_a), (dot_axes[1], dot_axes[0]), mode)
        order = [*range(second, second + first), *range(second), *range(first + second, first + second + len(lengths))]
        return tnp.transpose(swapped, order)
    for axis, (_, b) in zip(of_a, lengths, strict=True):
        before, after = {"valid": (0, 0), "full": (b - 1, b - 1), "same": (b - 1 - (b - 1) // 2, (b - 1) // 2)}[mode]
        widths = [(0, 0)] * A.ndim
        widths[axis] = (before, after)
        A = _windows(tnp.pad(A, widths), axis, b)
    return _combined(A, tnp.flip(B, tuple(of_b)), (of_a, of_b), dot_axes)


def _along_all(A: Any, B: Any, mode: str) -> Any:
    """Convolve along all axes, which takes no memory for windows."""
    try:
        return signal.convolve(A, B, mode, "direct")
    except ValueError:  # in mode "valid"
        raise ArgumentError("convolve: with mode='valid' one array must be larger along all convolved axes.") from None


def _windows(x: Any, axis: int, width: int) -> Any:
    """Return x with all windows of a width along an axis, whose elements are along a new last axis."""
    places = np.arange(x.shape[axis] - width + 1)[:, None] + np.arange(width)
    return tnp.moveaxis(tnp.take(x, places, axis), axis + 1, -1)


def _combined(windows: Any, B: Any, axes: Axes, dot_axes: Axes) -> Any:
    """Add up the products of windows and of B; the windows' elements are along the last axes."""
    labels = count()
    first = [next(labels) for _ in range(windows.ndim)]
    second = [next(labels) for _ in range(B.ndim)]
    for i, axis in enumerate(axes[1]):
        second[axis] = first[windows.ndim - len(axes[1]) + i]
    for i, j in zip(*dot_axes, strict=True):
        second[j] = first[i]
    added = set(second) & set(first)
    convolved = [first[i] for i in axes[0]]
    rest = [label for label in first if label not in added and label not in convolved]
    others = [label for label in second if label not in added]
    return tnp.einsum(windows, first, B, second, [*rest, *others, *convolved])
