"""Windows over sequences, images and volumes as users write them, normalized and checked."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeVar

from tapenet.core.argument_checks import checked_sizes
from tapenet.core.array_types import Array
from tapenet.errors import ArgumentError
from tapenet.kernels.windows import output_size, same_padding

Pair = tuple[int, int]
Sizes = TypeVar("Sizes", bound=tuple[int, ...])
Window = int | Sequence[int]
Padding = str | int | Sequence[int] | Sequence[Sequence[int]]
LinePadding = str | int | Sequence[int]  # along one axis
Block = int | Sequence[int]  # of three axes
BlockPadding = str | int | Sequence[int] | Sequence[Sequence[int]]

MOST_PADDING = 2**31  # along a side; more is a mistake, and overflows the sizes of arrays

# By the number of axes: shapes of batches, and what a padding may be.
_BATCHES = {1: "(N, L, C)", 2: "(N, H, W, C)", 3: "(N, D, H, W, C)"}
_PADDINGS = {
    1: "an int or (before, after)",
    2: "an int, (rows, columns) or ((top, bottom), (left, right))",
    3: "an int, one for each axis, or (before, after) for each",
}


def checked_images(function: str, x: Array, axes: int = 2, channels: int | None = None) -> None:
    """Raise unless x has the axes of a batch of images, or of sequences or volumes, of so many channels if known."""
    shape = getattr(x, "shape", ())
    if len(shape) != axes + 2:
        hint = missing_axis(shape, channels, "a channel axis") if len(shape) == axes + 1 else ""
        raise ArgumentError(f"{function}: x must have shape {_BATCHES[axes]}; got {shape}.{hint}")


def missing_axis(shape: Sequence[int], channels: int | None, last: str) -> str:
    """Return what to write for an x that lacks an axis, of examples or the last; "" where neither would fit."""
    if channels is None:
        return f" Add a batch axis, x[None], or {last}, x[..., None]."
    if shape[-1] == channels:
        return " Add a batch axis: x[None]."
    return f" Add {last}: x[..., None]." if channels == 1 else ""


def channels_in_front(x: Array, channels: int | None) -> str:
    """Return what to write for an x whose channels are where PyTorch has them; "" where they are not there."""
    is_in_front = x.ndim > 2 and x.shape[-1] != channels and x.shape[1] == channels
    return " Channels come last: np.moveaxis(x, 1, -1)." if is_in_front else ""


def kernel_channels(kernel: Array, axes: int, place: int, groups: Any = 1) -> int | None:
    """Return the channels of x that a kernel of windows is for; None for what is not such a kernel."""
    known = kernel.ndim == axes + 2 and isinstance(groups, int)
    return kernel.shape[place] * groups if known else None


def sides(
    function: str,
    padding: Padding,
    size: tuple[int, ...],
    window: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[Pair, ...]:
    """Turn a padding into (before, after) for each axis: ((top, bottom), (left, right)) of images."""
    found = checked_padding(function, padding, len(size))
    if found == "valid":
        return ((0, 0),) * len(size)
    if found == "same":
        return tuple(map(same_padding, size, window, stride, dilation))
    assert not isinstance(found, str)
    return found


def checked_padding(function: str, padding: Padding, axes: int = 2) -> str | tuple[Pair, ...]:
    """Check a padding, and give it one form: the word, or (before, after) for each axis."""
    if isinstance(padding, str) and padding in ("valid", "same"):
        return padding
    try:
        several: Any = padding if isinstance(padding, Sequence) else (padding,) * axes
        if axes == 1:
            several = (padding,)
        found = tuple(_side(x) for x in several)
        if len(found) != axes:
            raise ValueError
    except (TypeError, ValueError):
        raise ArgumentError(
            f"{function}: padding must be 'valid', 'same', {_PADDINGS[axes]}; got {padding!r}."
        ) from None
    least, most = min(map(min, found)), max(map(max, found))
    if not 0 <= least <= most <= MOST_PADDING:
        bound = "not be negative" if least < 0 else f"be at most {MOST_PADDING}"
        raise ArgumentError(f"{function}: padding must {bound}; got {padding!r}.")
    return found


def _side(padding: Any) -> Pair:
    """Give the padding along one axis as (before, after)."""
    before, after = padding if isinstance(padding, Sequence) else (padding, padding)
    if isinstance(before, bool) or isinstance(after, bool):
        raise TypeError
    return operator.index(before), operator.index(after)


def check_fit(
    function: str,
    size: tuple[int, ...],
    window: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[Pair, ...],
    dilation: tuple[int, ...],
) -> None:
    """Raise unless at least one window fits into the padded image."""
    for geometry in zip(size, window, stride, padding, dilation, strict=True):
        try:
            output_size(*geometry)
        except ValueError as error:
            raise ArgumentError(f"{function}: {error}.") from None


def pool_geometry(
    function: str, x: Array, window: Window, stride: Window | None, padding: Padding, axes: int = 2
) -> dict[str, Any]:
    """Check what a pool is given, and give it one form."""
    checked_images(function, x, axes)
    size = x.shape[1:-1]
    over = checked_sizes(function, "window", window, axes)
    steps = over if stride is None else checked_sizes(function, "stride", stride, axes)
    around = sides(function, padding, size, over, steps, (1,) * axes)
    check_fit(function, size, over, steps, around, (1,) * axes)
    for axis in zip(size, over, steps, around, strict=True):
        _check_none_in_padding(function, *axis)
    return {"window": over, "stride": steps, "padding": around}


def _check_none_in_padding(function: str, size: int, window: int, stride: int, padding: Pair) -> None:
    last = (output_size(size, window, stride, padding) - 1) * stride - padding[0]
    if padding[0] >= window or last >= size:
        raise ArgumentError(
            f"{function}: no window may lie wholly in the padding; got windows of {window} that begin from "
            f"place {-padding[0]} to place {last} of an input of {size} places."
        )
