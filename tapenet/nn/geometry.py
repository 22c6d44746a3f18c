"""Windows over images as users write them, normalized and checked."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.kernels.windows import output_size, same_padding

Pair = tuple[int, int]
Sides = tuple[Pair, Pair]
Window = int | Sequence[int]
Padding = str | int | Sequence[Sequence[int]]


def checked_images(function: str, x: Array) -> None:
    """Raise unless x has the four axes of a batch of images."""
    shape = getattr(x, "shape", ())
    if len(shape) != 4:
        hint = " Add a channel axis: x[..., None]." if len(shape) == 3 else ""
        raise ArgumentError(f"{function}: x must have shape (N, H, W, C); got {shape}.{hint}")


def pair(function: str, name: str, value: Window) -> Pair:
    """An int for both axes, or one for each: positive."""
    try:
        first, second = value if isinstance(value, Sequence | np.ndarray) else (value, value)
        numbers = operator.index(first), operator.index(second)
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"{function}: {name} must be an int or a pair of ints; got {value!r}.") from None
    if min(numbers) < 1:
        raise ArgumentError(f"{function}: {name} must be positive; got {value!r}.")
    return numbers


def sides(function: str, padding: Padding, size: Pair, window: Pair, stride: Pair, dilation: Pair) -> Sides:
    """Padding as ((top, bottom), (left, right))."""
    if isinstance(padding, str):
        if padding == "valid":
            return (0, 0), (0, 0)
        if padding == "same":
            rows, columns = map(same_padding, size, window, stride, dilation)
            return rows, columns
        raise ArgumentError(
            f"{function}: padding must be 'valid', 'same', an int or ((top, bottom), (left, right)); got {padding!r}."
        )
    try:
        rows, columns = _sides(padding)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"{function}: padding must be 'valid', 'same', an int or ((top, bottom), (left, right)); got {padding!r}."
        ) from None
    if min(*rows, *columns) < 0:
        raise ArgumentError(f"{function}: padding must not be negative; got {padding!r}.")
    return rows, columns


def _sides(padding: Any) -> Sides:
    if isinstance(padding, Sequence):
        (top, bottom), (left, right) = padding
        index = operator.index
        return (index(top), index(bottom)), (index(left), index(right))
    n = operator.index(padding)
    return (n, n), (n, n)


def check_fit(function: str, size: Pair, window: Pair, stride: Pair, padding: Sides, dilation: Pair) -> None:
    """Raise unless at least one window fits into the padded image."""
    for axis in (0, 1):
        try:
            output_size(size[axis], window[axis], stride[axis], padding[axis], dilation[axis])
        except ValueError as error:
            raise ArgumentError(f"{function}: {error}.") from None
