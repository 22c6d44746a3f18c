"""The geometry of sliding windows: which places of the input the taps of a window fall on.

Along one axis, tap i of window o falls on the place `o * stride + i * dilation - before`. Kernels run over
the taps that fall on the input, and leave out those that fall on padding.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

import attrs
import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
Pair: TypeAlias = tuple[int, int]
Padding: TypeAlias = tuple[Pair, Pair]
Index: TypeAlias = tuple[slice, ...]


def output_size(size: int, window: int, stride: int, padding: Pair, dilation: int = 1) -> int:
    """Count the windows that fit into `size` places with `padding` (before, after) around them.

    Raises:
        ValueError: not one window fits.
    """
    reach = (window - 1) * dilation + 1
    padded = size + padding[0] + padding[1]
    if reach > padded:
        raise ValueError(
            f"the window must fit into the padded input; got a window that reaches over {reach} places "
            f"(window {window}, dilation {dilation}), an input of {padded} (size {size}, padding {padding})"
        )
    return (padded - reach) // stride + 1


def same_padding(size: int, window: int, stride: int, dilation: int = 1) -> Pair:
    """Return the padding (before, after) for `ceil(size / stride)` windows; the odd place goes after."""
    count = -(-size // stride)
    total = max(0, (count - 1) * stride + (window - 1) * dilation + 1 - size)
    return total // 2, total - total // 2


def cache_sized(x: Array, size: int = 2**20) -> Iterator[slice]:
    """Cut the leading axis of x into slices of about `size` bytes, whose by-products stay in cache."""
    step = max(1, size * x.shape[0] // max(1, x.nbytes))
    for begin in range(0, x.shape[0], step):
        yield slice(begin, begin + step)


def computing_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype to add up in: float16 sums lose digits (and NumPy's float16 loops are slow)."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def inside(*, start: int, step: int, count: int, size: int) -> tuple[slice, slice]:
    """Find those of the indices `start + k * step` for k in range(count) that lie in range(size).

    Returns:
        The slice of those k, and the slice of their places (both may be empty).
    """
    first = min(count, max(0, -(start // step)))
    last = min(count, max(first, (size - 1 - start) // step + 1))
    begin = max(0, start + first * step)
    return slice(first, last), slice(begin, begin + (last - first) * step, step)


@attrs.frozen
class Axis:
    """How `count` windows lie along one axis of the input."""

    size: int
    window: int
    stride: int
    before: int
    count: int
    dilation: int = 1

    @property
    def starts(self) -> Array:
        """The place where each window begins, negative for windows that begin in the padding."""
        starts: Array = np.arange(self.count) * self.stride - self.before
        return starts

    @property
    def end(self) -> int:
        """The place behind the last window."""
        return (self.count - 1) * self.stride + (self.window - 1) * self.dilation + 1 - self.before

    @property
    def padded(self) -> bool:
        """Whether some window reaches into the padding."""
        return self.before > 0 or self.end > self.size

    @property
    def disjoint(self) -> bool:
        """Whether no two windows overlap (without dilation)."""
        return self.stride >= self.window or self.count == 1

    @property
    def halves(self) -> bool:
        """Whether windows are pairs of places side by side, from the first on."""
        return self.window == self.stride == 2 and not self.padded and self.dilation == 1

    @property
    def covered(self) -> bool:
        """Whether every place lies in some window (without dilation)."""
        return self.stride <= self.window and self.end >= self.size

    @property
    def trivial(self) -> bool:
        """Whether each window is one place: window o is place o."""
        return self.window == self.stride == 1 and not self.before and self.count == self.size

    def taps(self) -> Iterator[tuple[int, slice, slice]]:
        """Yield each tap with the windows in which it falls on the input, and the places it falls on."""
        for tap in range(self.window):
            start = tap * self.dilation - self.before
            outputs, places = inside(start=start, step=self.stride, count=self.count, size=self.size)
            yield tap, outputs, places

    def taps_of(self, output: int) -> tuple[slice, slice]:
        """Return the taps of one window that fall on the input, and the places they fall on."""
        start = output * self.stride - self.before
        return inside(start=start, step=self.dilation, count=self.window, size=self.size)

    def taps_on(self, place: int) -> tuple[slice, slice]:
        """Return the taps that fall on one place, counted from the last, and the windows they belong to."""
        flipped_taps, outputs = [], []
        for flipped_tap in range(self.window):
            distance = place + self.before - (self.window - 1 - flipped_tap) * self.dilation
            if distance % self.stride == 0 and 0 <= distance // self.stride < self.count:
                flipped_taps.append(flipped_tap)
                outputs.append(distance // self.stride)
        return _as_slice(flipped_taps), _as_slice(outputs)


def lay(size: int, window: int, stride: int, padding: Pair, dilation: int = 1) -> Axis:
    """Lay as many windows as fit along an axis of `size` places (ValueError if not one does)."""
    count = output_size(size, window, stride, padding, dilation)
    return Axis(size, window, stride, padding[0], count, dilation)


def positions(rows: Axis, columns: Axis) -> Iterator[tuple[Pair, Index, Index]]:
    """Yield, in row-major order, the taps (i, j) of a window, and as indices what `Axis.taps` yields."""
    for i, row_outputs, row_places in rows.taps():
        for j, column_outputs, column_places in columns.taps():
            yield (i, j), (slice(None), row_outputs, column_outputs), (slice(None), row_places, column_places)


def _as_slice(indices: list[int]) -> slice:
    """Return the slice of equally spaced indices."""
    if not indices:
        return slice(0, 0)
    step = indices[1] - indices[0] if len(indices) > 1 else 1
    return slice(indices[0], indices[-1] + 1, step)
