"""What an index with arrays of integers names, in numbers: places along the axes of what it reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.record import Shape
from tapenet.kernels.memory import address
from tapenet.ops.arrays.indices import ALL, ARRAY, layout_of


@attrs.frozen
class Selection:
    """The elements of an array in C order that an index names.

    Attributes:
        shape: of what is read.
        start: the first place.
        steps: of the places along the axes; 0 for those of arrays.
        before: how many axes come before those of arrays.
        count: how many axes arrays have together.
        arrays: of each the length of the axis that it is an index of, and the distance between two places there.
    """

    shape: Shape
    start: int
    steps: tuple[int, ...]
    before: int
    count: int
    arrays: tuple[tuple[int, int], ...]

    def steps_of(self, shape: Shape) -> tuple[int, ...]:
        """Return the steps of an array of the index along the axes of what is read."""
        own = broadcast_steps(shape, self.shape[self.before : self.before + self.count])
        return (*(0,) * self.before, *own, *(0,) * (len(self.shape) - self.before - self.count))


def selection_of(index: Sequence[Any], arrays: Sequence[Shape], shape: Shape) -> Selection | None:
    """Return what an index with arrays of shapes names in an array of a shape; None where NumPy raises."""
    joint = np.broadcast_shapes(*arrays)
    dummies = [np.broadcast_to(np.int64(0), own) for own in arrays]
    before = layout_of(tuple(index), dummies, len(shape)).before
    hidden = len(shape) - sum(part is not None and part is not Ellipsis for part in index)
    whole = [part for x in (index if Ellipsis in index else (*index, ...)) for part in _expanded(x, hidden)]
    distances = steps_of(shape)
    axis, start = 0, 0
    found: list[tuple[int, int]] = []
    made: list[tuple[int, int]] = []
    for part in whole:
        if part is None:
            made.append((1, 0))
            continue
        length, distance = shape[axis], distances[axis]
        axis += 1
        if part is ARRAY:
            found.append((length, distance))
        elif type(part) is int:
            if not -length <= part < length:
                return None
            start += part % length * distance
        else:
            first, stop, step = slice(part.start, part.stop, part.step).indices(length)
            made.append((len(range(first, stop, step)), step * distance))
            start += first * distance if made[-1][0] else 0
    rows = [*made[:before], *((n, 0) for n in joint), *made[before:]]
    lengths, steps = tuple([n for n, _ in rows]), tuple([step for _, step in rows])
    return Selection(lengths, start, steps, before, len(joint), tuple(found))


def _expanded(part: Any, hidden: int) -> Sequence[Any]:
    return (ALL,) * hidden if part is Ellipsis else (part,)


# ---- distances along axes ----


def steps_of(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the distances along the axes of an array in C order."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


def broadcast_steps(shape: Shape, to: Shape) -> tuple[int, ...]:
    """Return the distances along the axes of an array in C order that is broadcast."""
    return tuple(np.broadcast_to(dummy(shape), to).strides)


def dummy(shape: Shape) -> Any:
    """Return an array of a shape that takes no memory, whose strides count elements."""
    return np.lib.stride_tricks.as_strided(np.zeros(1, np.int8), shape, steps_of(shape))


def distance(whole: Any, part: Any) -> int:
    """Return how many elements after an array its view begins."""
    return address(part) - address(whole)


def index_of(structure: Sequence[Any]) -> tuple[Any, ...]:
    """Return the index of a view, also where that has no axes."""
    parts = tuple(slice(x.start, x.stop, x.step) if hasattr(x, "start") else x for x in structure)
    return parts if any(x is Ellipsis for x in parts) else (*parts, ...)
