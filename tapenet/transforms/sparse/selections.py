"""Links of operations that move elements: found by running the operation on the elements' numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core.primitive import REGISTRY, Array
from tapenet.core.record import Shape
from tapenet.errors import ArgumentError
from tapenet.ops.arrays.indices import ARRAY
from tapenet.transforms.sparse.links import Groups, Link, Pairs, Rows, Same
from tapenet.transforms.sparse.steps import UNKNOWN, Step, dense, numbers


def selection(step: Step, index: int) -> Link:
    """Return the index map of an operation that puts elements of its operands, or zeros, in new places."""
    counted = [np.zeros(shape, np.intp) for shape in step.shapes]
    counted[index] = numbers(step.shapes[index]) + 1
    moved = step.primitive.forward(*counted, **step.parameters)
    return Rows(np.asarray(moved).ravel() - 1)


def reading(step: Step, index: int) -> Link | None:
    """Return the link of `x[arrays]`; along an axis whose index may be another in the next call, of all elements."""
    if index:
        return None
    structure, arrays, shape = step.parameters["index"], step.constants[1:], step.shapes[0]
    if step.knows(1):
        return Rows(_read(numbers(shape), arrays, structure).ravel())
    if any(array is UNKNOWN and step.masks[i] for i, array in enumerate(arrays, 1)):
        raise ArgumentError(
            "sparsity: the shape of f's result must not depend on x for a pattern of all values; got x[mask], with a "
            "mask that does. Write np.where in place of it, or pass scope='local'."
        )
    axes = _axes_of_arrays(structure, arrays, len(shape))
    unknown = [axis for axis, array in zip(axes, arrays, strict=True) if array is UNKNOWN]
    group = numbers(tuple(1 if i in unknown else n for i, n in enumerate(shape)))
    known = zip(arrays, step.shapes[1:], strict=True)
    first = [np.zeros(of, np.intp) if array is UNKNOWN else array for array, of in known]
    return Groups(np.broadcast_to(group, shape).ravel(), _read(group, first, structure).ravel(), group.size)


def writing(step: Step, index: int) -> Link | None:
    """Return the link of `x.at[arrays].set(value)`."""
    if index > 1:
        return None
    if not step.knows(2):
        return Same() if index == 0 else dense(step, index)
    counted = [np.zeros(shape, np.intp) for shape in step.shapes[:2]]
    counted[index] = numbers(step.shapes[index]) + 1
    return Rows(step.primitive.forward(*counted, *step.constants[2:], **step.parameters).ravel() - 1)


def adding(step: Step, index: int) -> Link | None:
    """Return the link of what adds pieces into zeros, each at an index of its own."""
    indices = step.parameters.get("indices") or ((step.parameters["index"], len(step.shapes) - 1),)
    place = 0
    for structure, count in indices:
        if place == index:
            arrays = step.constants[place + 1 : place + 1 + count]
            return dense(step, index) if UNKNOWN in arrays_known(arrays) else _added(step, index, arrays, structure)
        place += 1 + count
    return None


def arrays_known(arrays: Sequence[Any]) -> list[Any]:
    """Return UNKNOWN for each array that is not known, and None for the others."""
    return [UNKNOWN if array is UNKNOWN else None for array in arrays]


def _added(step: Step, index: int, arrays: Sequence[Any], structure: Any) -> Link:
    places = _read(numbers(step.parameters["shape"]), arrays, structure)
    source = np.broadcast_to(numbers(step.shapes[index]), places.shape)
    return Pairs(places.ravel(), source.ravel(), step.size)


def _read(x: Array, arrays: Sequence[Any], structure: Any) -> Array:
    """Return what an index reads."""
    name, operands = ("gather", (x, *arrays)) if len(arrays) else ("getitem", (x,))
    return np.asarray(REGISTRY[name].forward(*operands, index=structure))


def _axes_of_arrays(structure: Any, arrays: Sequence[Any], ndim: int) -> list[int]:
    """Return the axis of x that each array of an index reads, the first where it is a mask of several."""
    given = iter(arrays)
    widths = [_width(next(given) if part is ARRAY else part) for part in structure]
    axes, axis = [], 0
    for part, width in zip(structure, widths, strict=True):
        if part is ARRAY:
            axes.append(axis)
        axis += ndim - sum(widths) if part is Ellipsis else width
    return axes


def _width(part: Any) -> int:
    """Return how many axes of x a part of an index stands for, an ellipsis aside."""
    if part is None or part is Ellipsis:
        return 0
    if isinstance(part, np.ndarray) and part.dtype.kind == "b":
        return part.ndim
    return 1


# ---- windows over images ----


def _along(places: int, window: int, stride: int, before: int, dilation: int, length: int) -> tuple[Any, Any]:
    """Return for each window along an axis and each of its taps the place in the input, and whether it is inside."""
    place = np.arange(places)[:, None] * stride - before + np.arange(window) * dilation
    return place, (place >= 0) & (place < length)


def windows(
    x_shape: Shape, y_shape: Shape, window: Shape, stride: Shape, padding: Any, dilation: Shape = (1, 1)
) -> tuple[Any, Any]:
    """Return for each window (OH, OW, kh, kw) and tap the place (h * W + w) in the image, and whether it is inside."""
    (_, height, width, _), (_, rows, columns, _) = x_shape, y_shape
    row, row_inside = _along(rows, window[0], stride[0], padding[0][0], dilation[0], height)
    column, column_inside = _along(columns, window[1], stride[1], padding[1][0], dilation[1], width)
    place = row[:, None, :, None] * width + column[None, :, None, :]
    return place, row_inside[:, None, :, None] & column_inside[None, :, None, :]


def pool_pairs(step: Step, x_shape: Shape, y_shape: Shape) -> tuple[Any, Any]:
    """Return the numbers of the elements of x and of y for each window and each tap inside the image."""
    of = step.parameters
    place, inside = windows(x_shape, y_shape, of["window"], of["stride"], of["padding"])
    count, height, width, channels = x_shape
    y = numbers(y_shape)[:, :, :, None, None, :]
    image = numbers((count, height * width, channels))
    x = image[:, np.where(inside, place, 0), :]
    keep = np.broadcast_to(inside[None, ..., None], x.shape)
    return x[keep], np.broadcast_to(y, x.shape)[keep]


def pooling(step: Step, index: int) -> Link | None:
    """Return the link of what each window reads: all of it, or at fixed winners the element that won."""
    if index:
        return None
    if step.primitive.name == "pool_gather" and step.knows(1):
        return _won(step, step.shapes[0], step.out_shape)
    if step.primitive.name == "max_pool" and step.is_local:
        return Rows(_winners(step, step.shapes[0], step.kept[-1]))
    x, y = pool_pairs(step, step.shapes[0], step.out_shape)
    return Pairs(y, x, step.size)


def unpooling(step: Step, index: int) -> Link | None:
    """Return the link of the transposes of what windows read."""
    if index:
        return None
    if step.primitive.name == "pool_scatter" and step.knows(1):
        return Pairs(_winners(step, step.out_shape, step.constants[1]), numbers(step.shapes[0]).ravel(), step.size)
    x, y = pool_pairs(step, step.out_shape, step.shapes[0])
    return Pairs(x, y, step.size)


def _won(step: Step, x_shape: Shape, y_shape: Shape) -> Link:
    return Rows(_winners(step, x_shape, step.constants[1]))


def _winners(step: Step, x_shape: Shape, winners: Any) -> Any:
    """Return for each window the number of the element that won; float64 holds them exactly."""
    geometry = {name: step.parameters[name] for name in ("window", "stride", "padding")}
    found = REGISTRY["pool_gather"].forward(numbers(x_shape).astype(float), winners, **geometry)
    return np.asarray(found).astype(np.intp).ravel()
