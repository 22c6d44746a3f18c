"""Index parsing: an index as parameter and operands; and how an index reads from a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.batch_rules import aligned, broadcast_examples, depends_on_values, leading, with_examples
from tapenet.core.primitive import Array, Primitive
from tapenet.core.record import Parameters, Shape


@attrs.frozen
class Slice:
    """A slice that can be hashed."""

    start: int | None
    stop: int | None
    step: int | None


class _ArrayHere:
    def __repr__(self) -> str:
        return "array"

    def __reduce__(self) -> str:
        return "ARRAY"


ARRAY = _ArrayHere()  # in an index's structure, where one of its arrays goes
ALL = Slice(None, None, None)

Structure = tuple[Any, ...]

# ---- without arrays ----


def after_all(index: Structure, size: int, shape: Shape) -> Structure:
    """Extend an index to one that takes all examples."""
    return (ALL, *index)


getitem_rule = leading(index=after_all)
place_rule = leading(index=after_all, shape=with_examples)

# ---- with arrays ----


@attrs.frozen
class Layout:
    """The places of the axes of an index's arrays in what it reads.

    Attributes:
        before: the number of axes in front of them.
        count: how many they are.
        ndim: of what is read.
        is_front: whether NumPy puts them in front of all, because something is between the arrays.
    """

    before: int
    count: int
    ndim: int
    is_front: bool


def layout_of(index: Structure, arrays: Sequence[Array], ndim: int) -> Layout:
    """Find the layout of what an index reads from an array of `ndim` axes."""
    remaining = iter(arrays)
    used = [_axes_used(part, remaining) for part in index]
    hidden = ndim - sum(used)  # axes of an ellipsis, or behind the index
    made = [hidden if part is Ellipsis else int(type(part) is Slice or part is None) for part in index]
    if Ellipsis not in index:
        made.append(hidden)
    count = max([1 if x.dtype.kind == "b" else x.ndim for x in arrays], default=0)
    # With arrays in an index, its numbers are arrays too.
    places = [i for i, part in enumerate(index) if part is ARRAY or (arrays and type(part) is int)]
    is_front = bool(places) and places[-1] - places[0] >= len(places)
    before = 0 if is_front or not places else sum(made[: places[0]])
    return Layout(before, count, count + sum(made), is_front)


def _axes_used(part: Any, arrays: Any) -> int:
    """Count the axes of the array that a part of an index covers; those of an ellipsis are not counted."""
    if part is ARRAY:
        array = next(arrays)
        return array.ndim if array.dtype.kind == "b" else 1
    return 0 if part is None or part is Ellipsis else 1


def _batched_places(arrays: Sequence[Array], mapped: Sequence[bool], layout: Layout) -> list[Array]:
    """Give the arrays of an index, those that are mapped with all their examples; refuse masks among these."""
    for array, own in zip(arrays, mapped, strict=True):
        if own and array.dtype.kind == "b":
            raise depends_on_values(
                "x[mask]",
                "Write tnp.where(mask, x, other), which keeps the shape, and in place of x.at[mask].set(v) "
                "tnp.where(mask, v, x).",
            )
    return [aligned(array, own, layout.count) for array, own in zip(arrays, mapped, strict=True)]


def _moved(x: Array, source: int, destination: int, count: int) -> Array:
    """Move `count` neighbouring axes of x."""
    if source == destination or not count:
        return x
    return np.moveaxis(x, range(source, source + count), range(destination, destination + count))


@attrs.frozen(eq=False)
class BatchedIndex:
    """An index into all examples at once, and the order of axes that NumPy reads by it.

    Attributes:
        index: its structure.
        arrays: its arrays.
        layout: of what the index reads from one example.
        by_array: whether an array names the examples, so that it and the others' axes come in front; else they
            are taken by a slice.
    """

    index: Structure
    arrays: list[Array]
    layout: Layout
    by_array: bool

    def read(self, x: Array) -> Array:
        """Put the axes of what NumPy read in the order of one example, with the examples in front."""
        layout = self.layout
        if self.by_array:
            return _moved(x, 1, 1 + layout.before, layout.count)
        return _moved(x, layout.count, 0, 1) if layout.is_front else x

    def written(self, x: Array) -> Array:
        """Undo `read`."""
        layout = self.layout
        if self.by_array:
            return _moved(x, 1 + layout.before, 1, layout.count)
        return _moved(x, 0, layout.count, 1) if layout.is_front else x


def batched_index(
    index: Structure, arrays: Sequence[Array], mapped: Sequence[bool], size: int, ndim: int
) -> BatchedIndex:
    """Make the index into an array with examples in front, from one into each example of `ndim` axes."""
    examples = [np.broadcast_to(np.zeros((), x.dtype), x.shape[own:]) for x, own in zip(arrays, mapped, strict=True)]
    layout = layout_of(index, examples, ndim)
    places = _batched_places(arrays, mapped, layout)
    if not any(mapped):
        return BatchedIndex((ALL, *index), places, layout, False)
    rows = np.reshape(np.arange(size), (size, *(1,) * layout.count))
    return BatchedIndex((ARRAY, *index), [rows, *places], layout, True)


def gather_rule(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
) -> Any:
    """Evaluate `gather` over a batch."""
    x, *places = arrays
    index = parameters["index"]
    batched = batched_index(index, places, mapped[1:], size, np.ndim(x) - mapped[0])
    if mapped[0]:
        return batched.read(primitive(x, *batched.arrays, index=batched.index))
    # The same array for all examples: the arrays' axes are the examples' axis and then theirs.
    return _moved(primitive(x, *batched.arrays[1:], index=index), batched.layout.before, 0, 1)


def scatter_rule(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
) -> Any:
    """Evaluate `scatter` over a batch."""
    x, *places = arrays
    shape = parameters["shape"]
    batched = batched_index(parameters["index"], places, mapped[1:], size, len(shape))
    x = batched.written(broadcast_examples(x, mapped[0], size))
    return primitive(x, *batched.arrays, index=batched.index, shape=(size, *shape))


def set_rule(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
) -> Any:
    """Evaluate `set` over a batch."""
    x, value, *places = arrays
    x = broadcast_examples(x, mapped[0], size)
    batched = batched_index(parameters["index"], places, mapped[2:], size, np.ndim(x) - 1)
    ndim = batched.layout.ndim
    shape = np.shape(value)[mapped[1] :]
    shape = (*(1,) * (ndim - len(shape)), *shape[max(len(shape) - ndim, 0) :])  # of a value, further axes are of 1
    value = batched.written(np.reshape(value, (size if mapped[1] else 1, *shape)))
    return primitive(x, value, *batched.arrays, index=batched.index)


def lasting_rule(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
) -> Any:
    """Evaluate the mask of elements that remain after a setting over a batch."""
    shape = parameters["shape"]
    batched = batched_index(parameters["index"], arrays, mapped, size, len(shape))
    return batched.read(primitive(*batched.arrays, index=batched.index, shape=(size, *shape)))
