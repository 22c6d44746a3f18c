"""Pools of sequences and volumes, by the pools of images, and pools to a size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.argument_checks import check_real, checked_array, checked_sizes
from tapenet.core.array_types import Array
from tapenet.errors import ArgumentError
from tapenet.nn.convolutions import squeezed, unsqueezed
from tapenet.nn.functions import as_result, widened
from tapenet.nn.geometry import Block, BlockPadding, LinePadding, pool_geometry
from tapenet.ops.arrays.shaping import moveaxis, reshape
from tapenet.ops.linalg.products import tensordot
from tapenet.ops.nn import pooling
from tapenet.ops.reductions.reduction import mean


def max_pool1d(x: Array, window: int, stride: int | None = None, padding: LinePadding = "valid") -> Array:
    """Find the largest element of each window of sequences.

    Derivative: 1 for the largest element; of equal ones, for the first.

    Args:
        x: sequences, real array, shape (N, L, C).
        window: a length.
        stride: steps between windows; the window by default.
        padding: as for `conv1d`; padded places never win.

    Returns:
        An array, shape (N, OL, C).

    Raises:
        ArgumentError: x that is not a batch of sequences; a window that does not fit.
        ArgumentTypeError: a window or stride that is not an integer.

    >>> tn.nn.max_pool1d(np.array([[[1.0], [3.0], [2.0], [0.0]]]), 2)[0, :, 0]
    array([3., 2.])
    """
    x = check_real("max_pool1d", "x", checked_array("max_pool1d", "x", x))
    return _along_lines(pooling.max_pool, x, pool_geometry("max_pool1d", x, window, stride, padding, 1))


def avg_pool1d(x: Array, window: int, stride: int | None = None, padding: LinePadding = "valid") -> Array:
    """Compute the mean of each window of sequences; padding is not counted.

    Derivative: linear; 1 / n for each of the n elements of a window.

    Args:
        x: sequences, float array, shape (N, L, C).
        window: a length.
        stride: steps between windows; the window by default.
        padding: as for `conv1d`.

    Returns:
        An array, shape (N, OL, C).

    Raises:
        ArgumentError: x that is not a batch of sequences; a window that does not fit.
        ArgumentTypeError: a window or stride that is not an integer.

    >>> tn.nn.avg_pool1d(np.array([[[1.0], [3.0], [2.0], [0.0]]]), 2)[0, :, 0]
    array([2., 1.])
    """
    x = checked_array("avg_pool1d", "x", x)
    return _along_lines(pooling.avg_pool, x, pool_geometry("avg_pool1d", x, window, stride, padding, 1))


def max_pool3d(x: Array, window: Block, stride: Block | None = None, padding: BlockPadding = "valid") -> Array:
    """Find the largest element of each window of volumes.

    Derivative: 1 for the largest element; of equal ones, for the first in row-major order.

    Args:
        x: volumes, real array, shape (N, D, H, W, C).
        window: an int or (depth, height, width).
        stride: an int or three; the window by default.
        padding: as for `conv3d`; padded places never win.

    Returns:
        An array, shape (N, OD, OH, OW, C).

    Raises:
        ArgumentError: x that is not a batch of volumes; a window that does not fit.
        ArgumentTypeError: a window or stride that is not an integer or three of them.

    >>> float(tn.nn.max_pool3d(np.arange(8.0).reshape(1, 2, 2, 2, 1), 2)[0, 0, 0, 0, 0])
    7.0
    """
    x = check_real("max_pool3d", "x", checked_array("max_pool3d", "x", x))
    return _in_planes(pooling.max_pool, x, pool_geometry("max_pool3d", x, window, stride, padding, 3))


def avg_pool3d(x: Array, window: Block, stride: Block | None = None, padding: BlockPadding = "valid") -> Array:
    """Compute the mean of each window of volumes; padding is not counted.

    Derivative: linear; 1 / n for each of the n elements of a window.

    Args:
        x: volumes, float array, shape (N, D, H, W, C).
        window: an int or (depth, height, width).
        stride: an int or three; the window by default.
        padding: as for `conv3d`.

    Returns:
        An array, shape (N, OD, OH, OW, C).

    Raises:
        ArgumentError: x that is not a batch of volumes; a window that does not fit.
        ArgumentTypeError: a window or stride that is not an integer or three of them.

    >>> float(tn.nn.avg_pool3d(np.arange(8.0).reshape(1, 2, 2, 2, 1), 2)[0, 0, 0, 0, 0])
    3.5
    """
    x = checked_array("avg_pool3d", "x", x)
    return _in_planes(pooling.avg_pool, x, pool_geometry("avg_pool3d", x, window, stride, padding, 3))


def _along_lines(pool: Callable[..., Array], x: Array, geometry: dict[str, Any]) -> Array:
    """Pool sequences as images of one column."""
    (window,), (stride,), (padding,) = (geometry[name] for name in ("window", "stride", "padding"))
    return squeezed(pool(unsqueezed(x), window=(window, 1), stride=(stride, 1), padding=(padding, (0, 0))))


def _in_planes(pool: Callable[..., Array], x: Array, geometry: dict[str, Any]) -> Array:
    """Pool each plane, and then the planes: the first winner of the first plane is the first in row-major order."""
    n, depth, height, width, channels = x.shape
    within = {name: value[1:] for name, value in geometry.items()}
    y = pool(reshape(x, (n * depth, height, width, channels)), **within)
    rows, columns = y.shape[1:3]
    y = reshape(y, (n, depth, rows * columns, channels))
    (window, *_), (stride, *_), (padding, *_) = (geometry[name] for name in ("window", "stride", "padding"))
    y = pool(y, window=(window, 1), stride=(stride, 1), padding=(padding, (0, 0)))
    return reshape(y, (n, y.shape[1], rows, columns, channels))


# ---- to a size ----


def global_avg_pool(x: Array) -> Array:
    """Compute the mean of each channel of each example, over all axes between: from (N, ..., C) to (N, C).

    Derivative: linear; 1 / n for each of the n elements of a channel.

    Args:
        x: float array, shape (N, ..., C), such as images.

    Returns:
        An array, shape (N, C).

    Raises:
        ArgumentError: fewer than three axes; none of its places.

    >>> tn.nn.global_avg_pool(np.arange(8.0).reshape(1, 2, 2, 2))
    array([[3., 4.]])
    """
    x = checked_array("global_avg_pool", "x", x)
    if x.ndim < 3 or 0 in x.shape[1:-1]:
        raise ArgumentError(f"global_avg_pool: x must have shape (N, ..., C), with places between; got {x.shape}.")
    return mean(x, tuple(range(1, x.ndim - 1)))


def adaptive_avg_pool(x: Array, size: Block) -> Array:
    """Compute means over as many windows as the result is to have places, whatever the size of x.

    Window i of n, over an axis of L places, goes from floor(i L / n) up to but without ceil((i + 1) L / n), as in
    PyTorch: windows differ by one place, and overlap, where n does not divide L.

    Derivative: linear; 1 / n for each of the n elements of a window.

    Args:
        x: float array, shape (N, L, C), (N, H, W, C) or (N, D, H, W, C).
        size: of the result; an int, or one for each axis between.

    Returns:
        An array, shape (N, *size, C).

    Raises:
        ArgumentError: an x of other axes, or without places; a size that is not positive.
        ArgumentTypeError: a size that is not an int or one for each axis.

    >>> tn.nn.adaptive_avg_pool(np.arange(5.0).reshape(1, 5, 1), 2)[0, :, 0]
    array([1., 3.])
    """
    x = checked_array("adaptive_avg_pool", "x", x)
    if x.ndim not in (3, 4, 5) or 0 in x.shape[1:-1]:
        raise ArgumentError(f"adaptive_avg_pool: x must have shape (N, L, C) up to (N, D, H, W, C); got {x.shape}.")
    sizes = checked_sizes("adaptive_avg_pool", "size", size, x.ndim - 2)
    y = widened(x)
    for axis, count in enumerate(sizes, 1):
        weights = _averaging(y.shape[axis], count).astype(np.result_type(y.dtype.type(0).real, np.float32))
        y = moveaxis(tensordot(weights, y, (1, axis)), 0, axis)
    return as_result(y, x)


def _averaging(length: int, count: int) -> Array:
    """Make the matrix of means over windows, shape (count, length)."""
    begin = np.arange(count) * length // count
    end = -(-np.arange(1, count + 1) * length // count)
    inside = (np.arange(length) >= begin[:, None]) & (np.arange(length) < end[:, None])
    weights: Array = inside / inside.sum(1, keepdims=True)
    return weights
