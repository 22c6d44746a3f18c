"""Windows over images as users write them, normalized and checked."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from tapenet.core.array_types import Array
from tapenet.errors import ArgumentError
from tapenet.kernels.windows import output_size, same_padding

Pair = tuple[int, int]
Sides = tuple[Pair, Pair]
Window = int | Sequence[int]
Padding = str | int | Sequence[int] | Sequence[Sequence[int]]

MOST_PADDING = 2**31  # along a side; more is a mistake, and overflows the sizes of arrays


def checked_images(function: str, x: Array) -> None:
    """Raise unless x has the four axes of a batch of images."""
    shape = getattr(x, "shape", ())
    if len(shape) != 4:
        hint = " Add a channel axis: x[..., None]." if len(shape) == 3 else ""
        raise ArgumentError(f"{function}: x must have shape (N, H, W, C); got {shape}.{hint}")


def sides(function: str, padding: Padding, size: Pair, window: Pair, stride: Pair, dilation: Pair) -> Sides:
    """Turn a padding into ((top, bottom), (left, right))."""
    found = checked_padding(function, padding)
    if found == "valid":
        return (0, 0), (0, 0)
    if found == "same":
        rows, columns = map(same_padding, size, window, stride, dilation)
        return rows, columns
    assert not isinstance(found, str)
    return found


def checked_padding(function: str, padding: Padding) -> str | Sides:
    """Check a padding, and give it one form: the word, or ((top, bottom), (left, right))."""
    if isinstance(padding, str) and padding in ("valid", "same"):
        return padding
    try:
        rows, columns = (_side(x) for x in (padding if isinstance(padding, Sequence) else (padding, padding)))
    except (TypeError, ValueError):
        raise ArgumentError(
            f"{function}: padding must be 'valid', 'same', an int, (rows, columns) or ((top, bottom), (left, right)); "
            f"got {padding!r}."
        ) from None
    if not 0 <= min(*rows, *columns) <= max(*rows, *columns) <= MOST_PADDING:
        bound = "not be negative" if min(*rows, *columns) < 0 else f"be at most {MOST_PADDING}"
        raise ArgumentError(f"{function}: padding must {bound}; got {padding!r}.")
    return rows, columns


def _side(padding: Any) -> Pair:
    """Give the padding along one axis as (before, after)."""
    before, after = padding if isinstance(padding, Sequence) else (padding, padding)
    if isinstance(before, bool) or isinstance(after, bool):
        raise TypeError
    return operator.index(before), operator.index(after)


def check_fit(function: str, size: Pair, window: Pair, stride: Pair, padding: Sides, dilation: Pair) -> None:
    """Raise unless at least one window fits into the padded image."""
    for axis in (0, 1):
        try:
            output_size(size[axis], window[axis], stride[axis], padding[axis], dilation[axis])
        except ValueError as error:
            raise ArgumentError(f"{function}: {error}.") from None
