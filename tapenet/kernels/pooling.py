"""Pooling of images, channels last: the largest and the mean element of each window.

Windows lie over the input as in `convolution`. Padding takes no part: it never wins, and is not counted in a
mean. A window may reach into the padding but must not lie wholly in it (ValueError).

A window is the product of a vertical and a horizontal one, so the axes are pooled one after the other, which
takes wh + ww passes in place of wh * ww.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tapenet.kernels.backends import loops_for
from tapenet.kernels.elementwise import keep
from tapenet.kernels.memory import empty, zeros
from tapenet.kernels.threads import share
from tapenet.kernels.windows import (
    Array,
    Axis,
    Padding,
    Pair,
    cache_sized,
    computing_dtype,
    inside,
    lay,
    positions,
)


def max_pool(x: Array, *, window: Pair, stride: Pair, padding: Padding) -> Array:
    """Return the largest element of each window, or NaN where a window holds one.

    Args:
        x: array, shape (N, H, W, C).
        window: (height, width).
        stride: distances (vertical, horizontal) between windows.
        padding: numbers of places around each image, ((top, bottom), (left, right)).

    Returns:
        Array, shape (N, OH, OW, C).
    """
    rows, columns = _axes(x.shape[1:3], window, stride, padding)
    y = empty((x.shape[0], rows.count, columns.count, x.shape[3]), x.dtype)

    def work(images: slice) -> None:
        y[images] = _combine(np.maximum, x[images], rows, columns)

    _by_images(work, x)
    return y


def max_pool_with_winners(x: Array, *, window: Pair, stride: Pair, padding: Padding) -> tuple[Array, Array]:
    """Return `max_pool(x)` and `max_pool_winners(x)`, in the time of the second alone."""
    rows, columns = _axes(x.shape[1:3], window, stride, padding)
    y = empty((x.shape[0], rows.count, columns.count, x.shape[3]), x.dtype)
    winners = empty(y.shape, np.min_scalar_type(window[0] * window[1] - 1))  # a byte for most: kept until the walk
    find = _find_in_pairs if rows.halves and columns.halves else _find_winners
    loops = loops_for(x)

    def work(images: slice) -> None:
        if loops is not None:
            before = rows.before, columns.before
            loops.find_winners(x[images], y[images], winners[images], window, stride, before)
            return
        find(x[images], y[images], winners[images], rows, columns)
        # np.maximum lets NaN win and np.greater does not: y shows a NaN that the winners have missed.
        if np.isnan(y[images]).any():
            _let_nan_win(x[images], winners[images], rows, columns)

    _by_images(work, x)
    return y, winners


def _find_winners(x: Array, y: Array, winners: Array, rows: Axis, columns: Axis) -> None:
    # Columns first, and then rows, so that of equal elements the first in row-major order wins.
    largest, taps = _largest(_along_columns(x), columns, winners.dtype)
    largest, taps = (a.reshape(len(x), rows.size, columns.count * x.shape[3]) for a in (largest, taps))
    largest, taps = _largest(largest, rows, winners.dtype, taps, step=columns.window)
    y[...], winners[...] = largest.reshape(y.shape), taps.reshape(y.shape)


def _find_in_pairs(x: Array, y: Array, winners: Array, rows: Axis, columns: Axis) -> None:
    """Find the winners of windows of 2x2, side by side, with four comparisons and three maxima, two in each row."""
    (a, b), (c, d) = ([x[:, i : 2 * rows.count : 2, j : 2 * columns.count : 2] for j in (0, 1)] for i in (0, 1))
    upper, lower = np.maximum(a, b), np.maximum(c, d)
    # Strictly greater: of equal elements the first wins.
    in_upper, in_lower = np.greater(b, a).view(np.uint8), np.greater(d, c).view(np.uint8)
    below = np.greater(lower, upper).view(np.uint8)
    np.maximum(upper, lower, out=y)
    # 2 + in_lower - in_upper is at least 1, so that unsigned bytes hold it; no choice between two labels is needed.
    in_lower += 2
    in_lower -= in_upper
    np.multiply(in_lower, below, out=winners)
    winners += in_upper


def max_pool_winners(x: Array, *, window: Pair, stride: Pair, padding: Padding) -> Array:
    """Find the position of the largest element in each window: of equal ones, the first in row-major order.

    In a window that holds NaN, the first NaN wins.

    Args:
        x: array, shape (N, H, W, C).
        window: as for `max_pool`.
        stride: as for `max_pool`.
        padding: as for `max_pool`.

    Returns:
        Array of the smallest unsigned integers that hold wh * ww - 1, shape (N, OH, OW, C): i * ww + j where
        row i and column j of the window wins.
    """
    return max_pool_with_winners(x, window=window, stride=stride, padding=padding)[1]


def pool_gather(x: Array, winners: Array, *, window: Pair, stride: Pair, padding: Padding) -> Array:
    """Pick from x the element that won each window: linear in x, and the derivative of `max_pool`.

    Args:
        x: array, shape (N, H, W, C).
        winners: array, shape (N, OH, OW, C), of `max_pool_winners`.
        window: as for `max_pool`.
        stride: as for `max_pool`.
        padding: as for `max_pool`.

    Returns:
        Array, shape (N, OH, OW, C).
    """
    rows, columns = _axes(x.shape[1:3], window, stride, padding)
    y = zeros(winners.shape, x.dtype)

    def work(images: slice) -> None:
        for (i, j), outputs, places in positions(rows, columns):
            wins = winners[images][outputs] == i * columns.window + j
            # One place wins each window: of these sums one term alone is not 0.
            y[images][outputs] += _kept(wins, x[images][places])

    _by_images(work, x)
    return y


def pool_scatter(t: Array, winners: Array, *, input_size: Pair, window: Pair, stride: Pair, padding: Padding) -> Array:
    """Transpose `pool_gather`: add each element of t to the place that won its window.

    Args:
        t: array, shape (N, OH, OW, C).
        winners: array, shape (N, OH, OW, C), of `max_pool_winners`.
        input_size: (H, W).
        window: as for `max_pool`.
        stride: as for `max_pool`.
        padding: as for `max_pool`.

    Returns:
        Array, shape (N, H, W, C).
    """
    rows, columns = _axes(input_size, window, stride, padding)
    written_once = rows.disjoint and columns.disjoint
    loops = loops_for(t)
    # Windows that tile the input write every place, so that nothing has to be cleared; compiled loops add.
    create = empty if loops is None and written_once and rows.covered and columns.covered else zeros
    x = create((t.shape[0], *input_size, t.shape[3]), t.dtype)

    def work(images: slice) -> None:
        if loops is not None:
            loops.scatter(t[images], winners[images], x[images], window, stride, (rows.before, columns.before))
            return
        for (i, j), outputs, places in positions(rows, columns):
            wins = winners[images][outputs] == i * columns.window + j
            if written_once:
                keep(wins, t[images][outputs], x[images][places])
            else:
                x[images][places] += _kept(wins, t[images][outputs])

    _by_images(work, x)
    return x


def avg_pool(x: Array, *, window: Pair, stride: Pair, padding: Padding) -> Array:
    """Return the mean of each window, in which padding is not counted.

    Args:
        x: array, shape (N, H, W, C).
        window: as for `max_pool`.
        stride: as for `max_pool`.
        padding: as for `max_pool`.

    Returns:
        Array, shape (N, OH, OW, C); of integers the means are float64.
    """
    rows, columns = _axes(x.shape[1:3], window, stride, padding)
    dtype = x.dtype if np.issubdtype(x.dtype, np.inexact) else np.dtype(np.float64)
    y = empty((x.shape[0], rows.count, columns.count, x.shape[3]), dtype)

    def work(images: slice) -> None:
        # float16 is added up in float32 and rounded once, with the division.
        total = _combine(np.add, x[images].astype(computing_dtype(dtype), copy=False), rows, columns)
        np.divide(total, _sizes(rows, columns, total.dtype), out=y[images], casting="same_kind")

    _by_images(work, x)
    return y


def avg_pool_input(t: Array, *, input_size: Pair, window: Pair, stride: Pair, padding: Padding) -> Array:
    """Transpose `avg_pool`: distribute each element of t over its window in equal parts.

    Args:
        t: array, shape (N, OH, OW, C).
        input_size: (H, W).
        window: as for `max_pool`.
        stride: as for `max_pool`.
        padding: as for `max_pool`.

    Returns:
        Array, shape (N, H, W, C).
    """
    rows, columns = _axes(input_size, window, stride, padding)
    dtype = computing_dtype(t.dtype)
    x = zeros((t.shape[0], *input_size, t.shape[3]), dtype)

    def work(images: slice) -> None:
        part = t[images] / _sizes(rows, columns, dtype)
        row = zeros((part.shape[0] * rows.count, columns.size, x.shape[3]), dtype)
        _add_to_windows(_along_columns(part), columns, row)
        _add_to_windows(row.reshape(part.shape[0], rows.count, columns.size * x.shape[3]), rows, _along_rows(x[images]))

    _by_images(work, x)
    return x.astype(t.dtype, copy=False)


def _by_images(work: Callable[[slice], None], x: Array) -> None:
    """Call `work` on slices of the images x whose by-products stay in cache, on several threads if they are many."""

    def mine(part: slice) -> None:
        for images in cache_sized(x[part]):
            work(slice(part.start + images.start, min(part.start + images.stop, part.stop)))

    share(mine, len(x), 2 * x.nbytes)


def _combine(ufunc: np.ufunc, x: Array, rows: Axis, columns: Axis) -> Array:
    """Combine the elements of each window of (N, H, W, C) by an associative function."""
    combined = _combine_along(ufunc, _along_rows(x), rows)
    combined = _combine_along(ufunc, combined.reshape(x.shape[0] * rows.count, columns.size, x.shape[3]), columns)
    return combined.reshape(x.shape[0], rows.count, columns.count, x.shape[3])


def _combine_along(ufunc: np.ufunc, x: Array, axis: Axis) -> Array:
    """Combine the elements of each window: (batch, size, inner) to (batch, count, inner)."""
    y, combined = _begin(x, axis)
    for _, outputs, places in _later_taps(axis):
        ufunc(combined[:, outputs], x[:, places], out=y[:, outputs])
        combined = y
    return y


def _largest(
    x: Array, axis: Axis, dtype: np.dtype[Any], labels: Array | None = None, step: int = 1
) -> tuple[Array, Array]:
    """Find the largest element of each window, and its label: its tap times `step`, plus its own label.

    Args:
        x: array, shape (batch, size, inner).
        axis: how the windows lie along the second axis.
        dtype: of the labels.
        labels: integers below `step`, of x's shape; or None for zeros.
        step: a positive number.

    Returns:
        Two arrays, shape (batch, count, inner).
    """
    y, largest = _begin(x, axis)
    winners = zeros(y.shape, dtype) if labels is None else _first(labels, axis).copy()
    if axis.before:
        winners += (np.maximum(-axis.starts, 0) * step).astype(dtype)[:, None]  # first taps inside, behind padding
    for tap, outputs, places in _later_taps(axis):
        wins = np.greater(x[:, places], largest[:, outputs]).view(np.uint8)
        np.maximum(largest[:, outputs], x[:, places], out=y[:, outputs])
        largest = y
        # Labels grow from tap to tap, so the largest is that of the latest winner.
        label = dtype.type(tap * step) if labels is None else labels[:, places] + dtype.type(tap * step)
        np.maximum(winners[:, outputs], wins * label, out=winners[:, outputs])
    return y, winners


def _begin(x: Array, axis: Axis) -> tuple[Array, Array]:
    """Return an array for the result, and the first elements to begin with: in it, or still in x."""
    first = _first(x, axis)
    y = empty(first.shape, x.dtype)
    # Unpadded, the second tap meets every window, and takes the first elements from where they are.
    if axis.window == 1 or axis.padded:
        y[...] = first
        first = y
    return y, first


def _first(x: Array, axis: Axis) -> Array:
    """Return each window's first element (a view where no window begins in the padding)."""
    if axis.before:
        return x.take(np.maximum(axis.starts, 0), axis=1)
    return x[:, : (axis.count - 1) * axis.stride + 1 : axis.stride]


def _later_taps(axis: Axis) -> Iterator[tuple[int, slice, slice]]:
    """Yield what `Axis.taps` does, without each window's first element.

    If a window holds the first place of the input, that is its first element; otherwise tap 0 is. So the
    others are the taps behind 0 on the places behind the first.
    """
    for tap in range(1, axis.window):
        start = tap - axis.before - 1
        outputs, places = inside(start=start, step=axis.stride, count=axis.count, size=axis.size - 1)
        yield tap, outputs, slice(places.start + 1, places.stop + 1, places.step)


def _let_nan_win(x: Array, winners: Array, rows: Axis, columns: Axis) -> None:
    """Overwrite the winner of each window that holds a NaN by the first of them."""
    # Backwards, so that the first NaN of a window is written last.
    for (i, j), outputs, places in reversed(list(positions(rows, columns))):
        winners[outputs][np.isnan(x[places])] = i * columns.window + j


def _add_to_windows(t: Array, axis: Axis, x: Array) -> None:
    """Add each element of t, shape (batch, count, inner), to its window in x, shape (batch, size, inner)."""
    for _, outputs, places in axis.taps():
        if axis.disjoint:
            x[:, places] = t[:, outputs]
        else:
            x[:, places] += t[:, outputs]


def _kept(wins: Array, x: Array) -> Array:
    """Return x where it wins, and zero elsewhere."""
    out = empty(x.shape, x.dtype)
    keep(wins, x, out)  # and not x * wins: 0 times infinity is NaN
    return out


def _along_rows(x: Array) -> Array:
    """Bring images (N, H, W, C) into the shape (batch, size, inner) to work along their height."""
    return x.reshape(x.shape[0], x.shape[1], x.shape[2] * x.shape[3])


def _along_columns(x: Array) -> Array:
    """Bring images (N, H, W, C) into the shape (batch, size, inner) to work along their width."""
    return x.reshape(x.shape[0] * x.shape[1], x.shape[2], x.shape[3])


def _sizes(rows: Axis, columns: Axis, dtype: np.dtype[Any]) -> Array:
    """Count the elements of each window: shape (OH, OW, 1), or () where all are alike."""
    if not (rows.padded or columns.padded):
        return np.asarray(rows.window * columns.window, dtype)
    heights, widths = (
        np.minimum(axis.starts + axis.window, axis.size) - np.maximum(axis.starts, 0) for axis in (rows, columns)
    )
    sizes: Array = (heights[:, None, None] * widths[:, None]).astype(dtype)
    return sizes


def _axes(size: Pair, window: Pair, stride: Pair, padding: Padding) -> tuple[Axis, Axis]:
    """Lay the windows along the height and the width.

    Raises:
        ValueError: not one window fits, or one lies wholly in the padding.
    """
    axes = tuple(lay(*geometry) for geometry in zip(size, window, stride, padding))
    for axis in axes:
        last = (axis.count - 1) * axis.stride - axis.before
        if axis.before >= axis.window or last >= axis.size:
            raise ValueError(
                f"no window may lie wholly in the padding; got windows of {axis.window} that begin from "
                f"place {-axis.before} to place {last} of an input of {axis.size} places"
            )
    return axes[0], axes[1]
