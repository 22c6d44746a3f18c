"""Joining arrays, and splitting them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, axes_of, axis_of, collected, numpy_function
from tapenet.core.primitive import Array
from tapenet.core.shapes import along, resized
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.ops.arrays.indexing import take
from tapenet.ops.arrays.searching import nonzero
from tapenet.ops.arrays.shaping import (
    broadcast_to,
    concatenate,
    moveaxis,
    ravel,
    reshape,
    split,
    tile,
)
from tapenet.ops.arrays.structure import result_type
from tapenet.ops.elementwise.casting import astype

# ---- axes in front ----


def _at_least(function: str, arys: Sequence[Array], ndim: int) -> Any:
    found = tuple(_with_axes(as_array(x), ndim) for x in arys)
    return found[0] if len(found) == 1 else found


def _with_axes(x: Array, ndim: int) -> Array:
    """Add axes as NumPy does: in front, and a third one behind."""
    if x.ndim >= ndim:
        return x
    shape = (1,) * (2 - x.ndim) + x.shape if ndim >= 2 else (1,)
    return reshape(x, (*shape, 1) if ndim == 3 else shape)


@numpy_function(np.atleast_1d)
def atleast_1d(*arys: Array) -> Any:
    """Give each array at least one axis.

    Derivative: linear; the cotangent gets the shape of the array.

    >>> tnp.atleast_1d(1.0)
    array([1.])
    """
    return _at_least("atleast_1d", arys, 1)


@numpy_function(np.atleast_2d)
def atleast_2d(*arys: Array) -> Any:
    """Give each array at least two axes, added in front.

    Derivative: linear; the cotangent gets the shape of the array.

    >>> tnp.atleast_2d([1.0, 2.0])
    array([[1., 2.]])
    """
    return _at_least("atleast_2d", arys, 2)


@numpy_function(np.atleast_3d)
def atleast_3d(*arys: Array) -> Any:
    """Give each array at least three axes: (n,) becomes (1, n, 1), and (n, m) becomes (n, m, 1).

    Derivative: linear; the cotangent gets the shape of the array.

    >>> tnp.atleast_3d([1.0, 2.0]).shape
    (1, 2, 1)
    """
    return _at_least("atleast_3d", arys, 3)


# ---- joining ----


@numpy_function(np.dstack)
def dstack(tup: Sequence[Array]) -> Array:
    """Join arrays along a third axis.

    Derivative: linear; each array receives its part of the cotangent.

    >>> tnp.dstack([[1.0, 2.0], [3.0, 4.0]]).shape
    (1, 2, 2)
    """
    return concatenate([atleast_3d(as_array(x)) for x in tup], 2)


@numpy_function(np.column_stack)
def column_stack(tup: Sequence[Array]) -> Array:
    """Join vectors as columns, and matrices side by side.

    Derivative: linear; each array receives its part of the cotangent.

    >>> tnp.column_stack([[1.0, 2.0], [3.0, 4.0]])
    array([[1., 3.],
           [2., 4.]])
    """
    arrays = [as_array(x) for x in tup]
    return concatenate([x if x.ndim >= 2 else reshape(x, (-1, 1)) for x in arrays], 1)


@numpy_function(np.append)
def append(arr: Array, values: Array, axis: int | None = None) -> Array:
    """Join values behind an array; without axis, the elements of both.

    Derivative: linear; each array receives its part of the cotangent.

    >>> tnp.append([1.0, 2.0], 3.0)
    array([1., 2., 3.])
    """
    if axis is None:
        return concatenate([ravel(as_array(arr)), ravel(as_array(values))])
    return concatenate([as_array(arr), as_array(values)], axis)


@numpy_function(np.block)
def block(arrays: Any) -> Array:
    """Join nested lists of blocks: the innermost lists along the last axis, those around them along the one before.

    Derivative: linear; each block receives its part of the cotangent.

    >>> tnp.block([[np.eye(1), np.zeros((1, 1))], [np.ones((1, 2))]])
    array([[1., 0.],
           [1., 1.]])
    """
    depth = _depth(arrays, "arrays")
    return _joined_blocks(arrays, depth, max(depth, _most_axes(arrays)))


def _depth(blocks: Any, path: str) -> int:
    """Find how deep the lists are nested; the depth must be the same everywhere."""
    if isinstance(blocks, tuple):
        raise ArgumentError(f"block: {path} must be a list or an array; got a tuple. Write a list.")
    if not isinstance(blocks, list):
        return 0
    if not blocks:
        raise ArgumentError(f"block: {path} must not be empty; got [].")
    depths = [_depth(part, f"{path}[{i}]") for i, part in enumerate(blocks)]
    if len(set(depths)) > 1:
        raise ArgumentError(f"block: lists must be nested to one depth; got depths {depths} in {path}.")
    return depths[0] + 1


def _most_axes(blocks: Any) -> int:
    return max(map(_most_axes, blocks)) if isinstance(blocks, list) else as_array(blocks).ndim


def _joined_blocks(blocks: Any, depth: int, ndim: int) -> Array:
    if depth == 0:
        x = as_array(blocks)
        return reshape(x, (1,) * (ndim - x.ndim) + x.shape)
    return concatenate([_joined_blocks(part, depth - 1, ndim) for part in blocks], -depth)


@numpy_function(np.meshgrid)
def meshgrid(*xi: Array, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Array, ...]:
    """Make the coordinates of a grid from those along its axes.

    Derivative: linear; a coordinate receives the sum of the cotangents of its places in the grid. On a Tensor `copy`
    has no effect.

    >>> [x.shape for x in tnp.meshgrid([1.0, 2.0], [1.0, 2.0, 3.0])]
    [(3, 2), (3, 2)]
    """
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid: indexing must be 'xy' or 'ij'; got {indexing!r}.")
    lines = [ravel(as_array(x)) for x in xi]
    order = list(range(len(lines)))
    if indexing == "xy" and len(lines) > 1:
        order[:2] = [1, 0]
    grids = [reshape(x, along(place, len(lines))) for x, place in zip(lines, order)]
    if sparse:
        return tuple(grids)
    shape = np.broadcast_shapes(*(x.shape for x in grids))
    return tuple(broadcast_to(x, shape) for x in grids)


# ---- taking apart ----


@numpy_function(np.hsplit)
def hsplit(ary: Array, indices_or_sections: int | Sequence[int]) -> list[Array]:
    """Cut along axis 1, or along the only axis, into equal parts or before the given indices.

    Derivative: linear; the cotangent of a part goes to its place, zeros to the rest.

    Args:
        ary: array of at least one axis.
        indices_or_sections: the number of equal parts, or the indices before which to cut.

    Returns:
        A list of arrays.

    Raises:
        ArgumentError: a length that does not divide into that many parts.

    >>> tnp.hsplit(np.array([1.0, 2.0, 3.0]), [1])
    [array([1.]), array([2., 3.])]
    """
    return _cut("hsplit", as_array(ary), indices_or_sections, 1 if as_array(ary).ndim > 1 else 0, 1)


@numpy_function(np.vsplit)
def vsplit(ary: Array, indices_or_sections: int | Sequence[int]) -> list[Array]:
    """Cut along axis 0 of an array of at least two axes, into equal parts or before the given indices.

    Derivative: linear; the cotangent of a part goes to its place, zeros to the rest.

    Args:
        ary: array of at least two axes.
        indices_or_sections: the number of equal parts, or the indices before which to cut.

    Returns:
        A list of arrays.

    Raises:
        ArgumentError: fewer than two axes; a length that does not divide into that many parts.

    >>> len(tnp.vsplit(np.ones((4, 1)), 2))
    2
    """
    return _cut("vsplit", as_array(ary), indices_or_sections, 0, 2)


@numpy_function(np.dsplit)
def dsplit(ary: Array, indices_or_sections: int | Sequence[int]) -> list[Array]:
    """Cut along axis 2, into equal parts or before the given indices.

    Derivative: linear; the cotangent of a part goes to its place, zeros to the rest.

    Args:
        ary: array of at least three axes.
        indices_or_sections: the number of equal parts, or the indices before which to cut.

    Returns:
        A list of arrays.

    Raises:
        ArgumentError: fewer than three axes; a length that does not divide into that many parts.

    >>> len(tnp.dsplit(np.ones((1, 1, 4)), 2))
    2
    """
    return _cut("dsplit", as_array(ary), indices_or_sections, 2, 3)


def _cut(function: str, x: Array, where: int | Sequence[int], axis: int, ndim: int) -> list[Array]:
    if x.ndim < ndim:
        raise ArgumentError(f"{function}: ary must have at least {ndim} axes; got shape {x.shape}.")
    return split(x, where, axis)


@numpy_function(getattr(np, "unstack", None))
def unstack(x: Array, /, *, axis: int = 0) -> tuple[Array, ...]:
    """Give the slices along an axis, without that axis.

    Derivative: linear; the cotangent of a slice goes to its place, zeros to the rest.

    Args:
        x: array of at least one axis.
        axis: the axis to take apart.

    Returns:
        A tuple of arrays.

    Raises:
        ArgumentError: an array without axes.

    >>> tnp.unstack(np.array([1.0, 2.0]))
    (np.float64(1.0), np.float64(2.0))
    """
    x = as_array(x)
    if x.ndim == 0:
        raise ArgumentError("unstack: x must have at least one axis; got shape ().")
    first = moveaxis(x, axis, 0)
    return tuple(first[i] for i in range(len(first)))


# ---- elements put in and left out ----


@numpy_function(np.insert)
def insert(arr: Array, obj: Any, values: Array, axis: int | None = None) -> Array:
    """Put values in before the places obj along an axis; without axis, into the flat array.

    Derivatives: linear; the array and the values receive the cotangents of their places; a value that was broadcast
    receives the sum. None for obj.

    >>> tnp.insert(np.array([1.0, 2.0]), 1, 5.0)
    array([1., 5., 2.])
    """
    x, values = as_array(arr), as_array(values)
    if axis is None:
        x, axis = ravel(x), 0
    axis = axis_of("insert", axis, x.ndim)
    n = x.shape[axis]
    places = _places("insert", obj, n)
    spare = values.ndim - x.ndim
    if spare > 0 and set(values.shape[:spare]) == {1}:
        values = reshape(values, values.shape[spare:])  # as where NumPy writes into an array
    if places.size == 1:  # then all values go there
        values = reshape(values, (1,) * (x.ndim - values.ndim) + values.shape)
        values = moveaxis(values, 0, axis) if places.ndim == 0 else values
        count = values.shape[axis]
    else:
        count = places.size
    # NumPy inserts places for elements: so it tells, by its own rules, where each element of the result comes from.
    source = np.insert(np.arange(n), places, np.arange(n, n + count))
    put_in = broadcast_to(astype(values, x.dtype), resized(x.shape, axis, count))
    return take(concatenate([x, put_in], axis), source, axis)


def _places(function: str, obj: Any, n: int) -> Array:
    """Turn a slice, a mask, one number or several into places along an axis of length n."""
    if isinstance(obj, slice):
        return np.arange(n)[obj]
    places = np.asarray(obj)
    if places.dtype == bool:
        return np.flatnonzero(places)
    if places.size and places.dtype.kind not in "iu":
        raise ArgumentTypeError(f"{function}: obj must be integers, a mask or a slice; got {places.dtype}.")
    return places.astype(np.intp)


@numpy_function(np.delete)
def delete(arr: Array, obj: Any, axis: int | None = None) -> Array:
    """Leave out the slices at obj along an axis; without axis, of the flat array.

    Derivative: linear; elements that are left out receive 0. None for obj.

    >>> tnp.delete(np.array([1.0, 2.0, 3.0]), 1)
    array([1., 3.])
    """
    x = as_array(arr)
    if axis is None:
        x, axis = ravel(x), 0
    return take(x, np.delete(np.arange(x.shape[axis]), obj), axis)


@numpy_function(np.resize)
def resize(a: Array, new_shape: int | Sequence[int]) -> Array:
    """Fill a shape with the elements in C order, from the start again as often as it takes.

    Derivative: linear; an element receives the sum of the cotangents of its copies.

    >>> tnp.resize([1.0, 2.0], (1, 3))
    array([[1., 2., 1.]])
    """
    lengths = (new_shape,) if isinstance(new_shape, int | np.integer) else tuple(new_shape)
    if any(length < 0 for length in lengths):
        raise ArgumentError(f"resize: new_shape must not be negative; got {new_shape!r}.")
    flat, size = ravel(as_array(a)), int(np.prod(lengths))
    if flat.size == 0:
        return np.zeros(lengths, flat.dtype)
    return reshape(tile(flat, -(-size // flat.size))[:size], lengths)


@numpy_function(np.trim_zeros)
def trim_zeros(filt: Array, trim: str = "fb", axis: int | Sequence[int] | None = None) -> Array:
    """Leave out the zeros around an array: in front ("f"), behind ("b") or both, along axes.

    Derivative: linear; elements that are left out receive 0.

    >>> tnp.trim_zeros(np.array([0.0, 1.0, 0.0]))
    array([1.])
    """
    x, sides = as_array(filt), trim.lower()
    if sides not in ("f", "b", "fb", "bf"):
        raise ArgumentError(f"trim_zeros: trim must be 'f', 'b' or 'fb'; got {trim!r}.")
    axes = range(x.ndim) if axis is None else axes_of("trim_zeros", axis, x.ndim)
    if x.ndim == 0:
        return x
    places = nonzero(x)
    bounds = [slice(None)] * x.ndim
    for i in axes:
        first, last = (places[i].min(), places[i].max() + 1) if len(places[i]) else (x.shape[i], 0)
        start = int(first) if "f" in sides else None
        stop = int(last) if "b" in sides and len(places[i]) else 0 if "b" in sides and "f" not in sides else None
        bounds[i] = slice(start, stop)
    return x[tuple(bounds)]


# ---- indexing that joins ----


class _Joiner:
    """`r_` and `c_`, which join the parts of an index: numbers, slices and arrays, along the first or the last axis.

    Derivative: linear; each part receives its part of the cotangent. With a Tensor a string must be numbers,
    "axis,ndim,first".

    >>> tnp.r_[1.0, np.array([2.0, 3.0])]
    array([1., 2., 3.])
    >>> tnp.c_[np.array([1.0, 2.0]), np.array([3.0, 4.0])]
    array([[1., 3.],
           [2., 4.]])
    """

    def __init__(self, theirs: Any, axis: int, ndim: int, first: int) -> None:
        self._theirs, self._axis, self._ndim, self._first = theirs, axis, ndim, first

    def __getitem__(self, key: Any) -> Array:
        parts = key if isinstance(key, tuple) else (key,)
        if not any(hasattr(type(collected(part)), "tape") for part in parts):
            return self._theirs[key]
        axis, ndim, first = self._axis, self._ndim, self._first
        if isinstance(parts[0], str):
            axis, ndim, first = _directive(parts[0])
            parts = parts[1:]
        arrays = [self._part(part, ndim, first) for part in parts]
        scalars = (int, float, complex)  # which have no dtype of their own
        dtype = result_type(*(part if type(part) in scalars else x for part, x in zip(parts, arrays, strict=True)))
        return concatenate([astype(x, dtype) for x in arrays], axis)

    def _part(self, part: Any, ndim: int, first: int) -> Array:
        x = np.r_[part] if isinstance(part, slice) else as_array(part)
        if x.ndim == 0 and ndim <= 1:
            return reshape(x, (1,))
        if x.ndim >= ndim:
            return x
        # The axes of x go to places from `first` on (-1: the last ones), the others get length 1.
        missing = ndim - x.ndim
        start = first + missing + 1 if first < 0 else min(first, missing)
        return reshape(x, (1,) * start + x.shape + (1,) * (missing - start))

    def __len__(self) -> int:
        return 0


def _directive(text: str) -> tuple[int, int, int]:
    """Read "axis,ndim,first" of NumPy's r_: the axis, the least number of axes, and where the axes of an operand go."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise ArgumentError(
            f"r_: a string must be numbers 'axis,ndim,first' with a Tensor; got {text!r}. Write tnp.concatenate."
        ) from None
    defaults = [0, 1, -1]
    axis, ndim, first = numbers + defaults[len(numbers) :]
    return axis, ndim, first


r_ = _Joiner(np.r_, 0, 1, -1)
c_ = _Joiner(np.c_, -1, 2, 0)
