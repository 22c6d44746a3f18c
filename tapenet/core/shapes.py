"""Shapes and indices along some axes: those of a reduction, or one of several."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from tapenet.core.record import Shape

Axes = tuple[int, ...] | None  # as distinct numbers in [0, ndim); None for all


def kept(shape: Sequence[int], axes: Collection[int] | None) -> Shape:
    """Return a shape with length 1 along axes."""
    if axes is None:
        return (1,) * len(shape)
    return tuple([1 if i in axes else length for i, length in enumerate(shape)])


def without(shape: Sequence[int], axes: Collection[int] | None) -> Shape:
    """Remove some axes from a shape."""
    return () if axes is None else tuple([length for i, length in enumerate(shape) if i not in axes])


def reduced(shape: Sequence[int], axes: Collection[int] | None, keepdims: bool) -> Shape:
    """Return the shape of a reduction over axes."""
    return kept(shape, axes) if keepdims else without(shape, axes)


def count(shape: Sequence[int], axes: Collection[int] | None) -> int:
    """Return how many elements go into one result of a reduction over axes."""
    return math.prod(shape if axes is None else [shape[i] for i in axes])


def resized(shape: Sequence[int], axis: int, length: int) -> Shape:
    """Return a shape with another length along one axis."""
    return (*shape[:axis], length, *shape[axis + 1 :])


def along(axis: int, ndim: int, length: int = -1) -> Shape:
    """Return the shape of a vector that lies along one of `ndim` axes."""
    return tuple([length if i == axis else 1 for i in range(ndim)])


def at(axis: int, part: Any) -> tuple[Any, ...]:
    """Return the index that takes a part along one axis, and all of the others."""
    return (slice(None),) * axis + (part,)


def zeros_where_none(parts: Sequence[Any], shapes: Sequence[Shape | None], dtype: Any = None) -> list[Any]:
    """Tangents or cotangents with zeros in place of those that are missing; of the others' dtype by default."""
    if dtype is None:
        dtype = next(part.dtype for part in parts if part is not None)
    return [np.zeros(shape or (), dtype) if part is None else part for part, shape in zip(parts, shapes, strict=True)]
