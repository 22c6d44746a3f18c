"""Shapes: the same elements in another arrangement. All linear: the transpose puts them back."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, axes_of, axis_of, holds_tensor, off_tape, refuse
from tapenet.core.batch_rules import broadcast_rule, leading, reordered, shifted, with_examples
from tapenet.core.families import joint, linear
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError, AxisError
from tapenet.ops.elementwise.casting import astype

# ---- one array ----


@linear(lambda t, x_shape: reshape(t, x_shape), name="reshape", batch=leading(shape=with_examples))
def _reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    return np.reshape(x, shape)


def reshape(a: Array, shape: int | Sequence[int], order: str = "C", **keywords: Any) -> Array:
    """Give the elements, in C order, another shape; one length may be -1.

    Derivative: linear; the cotangent gets the shape of a.

    On a Tensor `order` "A" is as "C", as a value has no layout, and `copy` has no effect.

    >>> tnp.reshape(np.arange(4.0), (2, -1)).shape
    (2, 2)
    """
    if type(a) is not Tensor:
        if type(a) is np.ndarray and order == "C" and not keywords:
            return a.reshape(shape)
        return off_tape(reshape, np.reshape, a, shape, order, **keywords)
    refuse("reshape", {name: value for name, value in keywords.items() if name != "copy"})
    lengths = (operator.index(shape),) if not isinstance(shape, Sequence | np.ndarray) else shape
    lengths = tuple(operator.index(length) for length in lengths)
    if order == "F":
        return transpose(_reshape(transpose(a), shape=lengths[::-1]))
    if order not in ("C", "A"):
        raise ArgumentError(f"reshape: order must be 'C', 'F' or 'A'; got {order!r}.")
    return _reshape(a, shape=lengths)


def ravel(a: Array, order: str = "C") -> Array:
    """Give the elements as one axis.

    Derivative: linear; the cotangent gets the shape of a.

    On a Tensor `order` is "C" or "F"; "A" and "K" are as "C", as a value has no layout.

    >>> tnp.ravel(np.ones((2, 3))).shape
    (6,)
    """
    if type(a) is not Tensor:
        return off_tape(ravel, np.ravel, a, order)
    return reshape(a, -1, "C" if order == "K" else order)


@linear(
    lambda t, axes: _transpose(t, axes=tuple(np.argsort(axes).tolist())),
    name="transpose",
    batch=leading(axes=reordered),
)
def _transpose(x: Array, *, axes: tuple[int, ...]) -> Array:
    return np.transpose(x, axes)


def transpose(a: Array, axes: Sequence[int] | None = None) -> Array:
    """Reorder the axes; without `axes`, reverse them.

    Derivative: linear; the cotangent's axes are put back.

    >>> tnp.transpose(np.ones((2, 3))).shape
    (3, 2)
    """
    if type(a) is not Tensor:
        return off_tape(transpose, np.transpose, a, axes)
    order = tuple(range(a.ndim))[::-1] if axes is None else axes_of("transpose", axes, a.ndim, "axes")
    return _transpose(a, axes=order)


permute_dims = transpose


def swapaxes(a: Array, axis1: int, axis2: int) -> Array:
    """Exchange two axes.

    Derivative: linear; the cotangent's axes are put back.

    >>> tnp.swapaxes(np.ones((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    if type(a) is np.ndarray:
        return a.swapaxes(axis1, axis2)
    if type(a) is not Tensor:
        return off_tape(swapaxes, np.swapaxes, a, axis1, axis2)
    order = list(range(a.ndim))
    first, second = axis_of("swapaxes", axis1, a.ndim), axis_of("swapaxes", axis2, a.ndim)
    order[first], order[second] = second, first
    return _transpose(a, axes=tuple(order))


def matrix_transpose(x: Array, /) -> Array:
    """Exchange the last two axes.

    Derivative: linear; the cotangent's axes are put back.

    >>> tnp.matrix_transpose(np.ones((5, 2, 3))).shape
    (5, 3, 2)
    """
    return swapaxes(x, -1, -2)


def moveaxis(a: Array, source: int | Sequence[int], destination: int | Sequence[int]) -> Array:
    """Move axes to other places; the rest keep their order.

    Derivative: linear; the cotangent's axes are put back.

    >>> tnp.moveaxis(np.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    if type(a) is not Tensor:
        return off_tape(moveaxis, np.moveaxis, a, source, destination)
    sources = axes_of("moveaxis", source, a.ndim, "source")
    places = axes_of("moveaxis", destination, a.ndim, "destination")
    if len(sources) != len(places):
        raise ArgumentError(
            f"moveaxis: source and destination must be of equal length; got {len(sources)} and {len(places)}."
        )
    order = [axis for axis in range(a.ndim) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return _transpose(a, axes=tuple(order))


def expand_dims(a: Array, axis: int | Sequence[int]) -> Array:
    """Insert axes of length 1 at the given places of the result.

    Derivative: linear; the cotangent gets the shape of a.

    >>> tnp.expand_dims(np.ones(3), 0).shape
    (1, 3)
    """
    if type(a) is not Tensor:
        return off_tape(expand_dims, np.expand_dims, a, axis)
    count = 1 if isinstance(axis, int | np.integer) else len(axis)
    places = axes_of("expand_dims", axis, a.ndim + count)
    lengths = iter(a.shape)
    return _reshape(a, shape=tuple(1 if i in places else next(lengths) for i in range(a.ndim + count)))


def squeeze(a: Array, axis: int | Sequence[int] | None = None) -> Array:
    """Remove axes of length 1: all of them, or those given.

    Derivative: linear; the cotangent gets the shape of a.

    >>> tnp.squeeze(np.ones((1, 3, 1))).shape
    (3,)
    """
    if type(a) is not Tensor:
        return off_tape(squeeze, np.squeeze, a, axis)
    if axis is None:
        return _reshape(a, shape=tuple(length for length in a.shape if length != 1))
    places = axes_of("squeeze", axis, a.ndim)
    wrong = [place for place in places if a.shape[place] != 1]
    if wrong:
        raise ArgumentError(f"squeeze: axis {wrong[0]} must have length 1; got shape {a.shape}.")
    return _reshape(a, shape=tuple(length for i, length in enumerate(a.shape) if i not in places))


@linear(lambda t: t, name="broadcast_to", batch=broadcast_rule)  # the walk sums over the broadcast axes
def _broadcast_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    return _spread(x, shape)


def _spread(x: Array, shape: tuple[int, ...]) -> Array:
    if isinstance(x, np.generic) and type(shape) is tuple:  # what np.broadcast_to does, at a sixth of its overhead
        return np.ndarray(shape, x.dtype, x, 0, (0,) * len(shape))
    return np.broadcast_to(x, shape)


def broadcast_to(array: Array, shape: int | Sequence[int], subok: bool = False) -> Array:
    """Repeat along new leading axes and axes of length 1, without copying.

    Derivative: linear; the cotangent is summed over the repeated axes. On a Tensor `subok` has no effect.

    >>> tnp.broadcast_to(np.ones(3), (2, 3)).shape
    (2, 3)
    >>> tn.grad(lambda x: tnp.broadcast_to(x, (2, 3)).sum())(np.ones(3))
    array([2., 2., 2.])
    """
    if type(array) is not Tensor:
        if isinstance(array, np.generic) and not subok:
            return _spread(array, shape)
        return off_tape(broadcast_to, np.broadcast_to, array, shape, subok)
    lengths = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    return _broadcast_to(array, shape=tuple(map(int, lengths)))


def broadcast_arrays(*args: Array, subok: bool = False) -> tuple[Array, ...]:
    """Broadcast arrays against one another.

    Derivative: linear; each cotangent is summed over the repeated axes.

    On a Tensor `subok` has no effect.

    >>> [x.shape for x in tnp.broadcast_arrays(np.ones(3), np.ones((2, 1)))]
    [(2, 3), (2, 3)]
    """
    arrays = [as_array(x) for x in args]
    if not any(type(x) is Tensor for x in arrays):
        return np.broadcast_arrays(*arrays, subok=subok)
    shape = np.broadcast_shapes(*(x.shape for x in arrays))
    return tuple(broadcast_to(x, shape) for x in arrays)


@linear(
    lambda t, shift, axis: _roll(t, shift=tuple(-n for n in shift), axis=axis),
    name="roll",
    batch=leading(axis=shifted),
)
def _roll(x: Array, *, shift: tuple[int, ...], axis: tuple[int, ...]) -> Array:
    return np.roll(x, shift, axis) if axis else np.array(x)  # np.roll refuses to roll along no axis


def roll(a: Array, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> Array:
    """Shift elements along axes, those pushed out coming back at the other end; without axis, over all.

    Derivative: linear; the cotangent is rolled back.

    >>> tnp.roll(np.arange(3.0), 1)
    array([2., 0., 1.])
    """
    if type(a) is not Tensor:
        return off_tape(roll, np.roll, a, shift, axis)
    if axis is None:
        return reshape(roll(ravel(a), shift, 0), a.shape)
    shifts, axes = np.broadcast_arrays(shift, axis)
    places = tuple(axis_of("roll", int(place), a.ndim) for place in axes.ravel())
    return _roll(a, shift=tuple(map(int, shifts.ravel())), axis=places)


def flip(m: Array, axis: int | Sequence[int] | None = None) -> Array:
    """Reverse the order along axes; without axis, along all.

    Derivative: linear; the cotangent is flipped back.

    >>> tnp.flip(np.arange(3.0))
    array([2., 1., 0.])
    """
    if type(m) is not Tensor:
        return off_tape(flip, np.flip, m, axis)
    axes = range(m.ndim) if axis is None else axes_of("flip", axis, m.ndim)
    return m[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(m.ndim))]


def fliplr(m: Array) -> Array:
    """Reverse the order along axis 1.

    Derivative: linear; the cotangent is flipped back.

    >>> tnp.fliplr(np.array([[1.0, 2.0]]))
    array([[2., 1.]])
    """
    return flip(m, 1)


def flipud(m: Array) -> Array:
    """Reverse the order along axis 0.

    Derivative: linear; the cotangent is flipped back.

    >>> tnp.flipud(np.array([1.0, 2.0]))
    array([2., 1.])
    """
    return flip(m, 0)


def rot90(m: Array, k: int = 1, axes: Sequence[int] = (0, 1)) -> Array:
    """Turn by k right angles in the plane of two axes, from the first towards the second.

    Derivative: linear; the cotangent is turned back.

    >>> tnp.rot90(np.array([[1.0, 2.0]]))
    array([[2.],
           [1.]])
    """
    if type(m) is not Tensor:
        return off_tape(rot90, np.rot90, m, k, axes)
    first, second = axes_of("rot90", tuple(axes), m.ndim, "axes")
    match k % 4:
        case 1:
            return swapaxes(flip(m, second), first, second)
        case 2:
            return flip(m, (first, second))
        case 3:
            return flip(swapaxes(m, first, second), second)
    return m


def rollaxis(a: Array, axis: int, start: int = 0) -> Array:
    """Move an axis before another one; `moveaxis` is easier to read.

    Derivative: linear; the cotangent's axes are put back.

    Args:
        a: array of any shape.
        axis: the axis to move.
        start: the axis that it is moved before, up to a.ndim for behind the last; negative ones count from the end.

    Returns:
        An array with the axes in that order.

    Raises:
        AxisError: an axis or a start out of range.

    >>> tnp.rollaxis(np.ones((2, 3, 4)), 2).shape
    (4, 2, 3)
    """
    if type(a) is not Tensor:
        return off_tape(rollaxis, np.rollaxis, a, axis, start)
    axis = axis_of("rollaxis", axis, a.ndim)
    place = start + a.ndim if start < 0 else start
    if not 0 <= place <= a.ndim:
        raise AxisError(f"rollaxis: start must be in [{-a.ndim}, {a.ndim}] for {a.ndim} axes; got {start}.")
    return moveaxis(a, axis, place - 1 if axis < place else place)


# ---- several arrays ----


def _cut(
    t: Array, operands: Sequence[Array], shapes: Sequence[tuple[int, ...]], on_tape: Sequence[bool], axis: int
) -> list[Array]:
    ends = np.cumsum([shape[axis] for shape in shapes]).tolist()
    before = (slice(None),) * axis
    return [t[(*before, slice(end - shape[axis], end))] for end, shape in zip(ends, shapes, strict=True)]


def _join(tangents: Sequence[Array], operands: Sequence[Array], shapes: Sequence[tuple[int, ...]], axis: int) -> Array:
    dtype = next(t.dtype for t in tangents if t is not None)
    parts = [np.zeros(shape, dtype) if t is None else t for t, shape in zip(tangents, shapes, strict=True)]
    return concatenate(parts, axis)


@joint(_cut, _join, name="concatenate", reads="none", batch=leading(axis=shifted))
def _concatenate(*arrays: Array, axis: int) -> Array:
    return np.concatenate(arrays, axis)


def concatenate(
    arrays: Sequence[Array], /, axis: int | None = 0, out: None = None, *, dtype: Any = None, **keywords: Any
) -> Array:
    """Join arrays along an axis they have; with axis None, join all their elements.

    Derivative: linear; each array receives its part of the cotangent.

    >>> tnp.concatenate([np.zeros(1), np.ones(2)])
    array([0., 1., 1.])
    """
    if not any(type(x) is Tensor or (type(x) is list and holds_tensor(x)) for x in arrays):
        return np.concatenate(arrays, axis, out, dtype=dtype, **keywords)
    casting = keywords.pop("casting", "same_kind")
    refuse("concatenate", {"out": out} | keywords)
    parts = [x if hasattr(x, "ndim") else as_array(x) for x in arrays]
    if axis is None:
        parts, axis = [ravel(x) for x in parts], 0
    if any(x.ndim == 0 for x in parts):
        raise ArgumentError("concatenate: arrays must have at least one axis; got one of shape (). Use stack.")
    joined = _concatenate(*parts, axis=axis_of("concatenate", axis, parts[0].ndim))
    if dtype is not None and not np.can_cast(joined.dtype, dtype, casting):
        raise ArgumentTypeError(
            f"concatenate: dtype must be one that {joined.dtype} casts to by {casting!r}; got {np.dtype(dtype)}."
        )
    return joined if dtype is None else astype(joined, dtype)


concat = concatenate


def stack(arrays: Sequence[Array], axis: int = 0, out: None = None, *, dtype: Any = None, **keywords: Any) -> Array:
    """Join arrays of one shape along a new axis.

    Derivative: linear; each array receives its part of the cotangent.

    >>> tnp.stack([np.zeros(2), np.ones(2)]).shape
    (2, 2)
    """
    arrays = list(arrays)
    if not holds_tensor(arrays):
        return np.stack(arrays, axis, out, dtype=dtype, **keywords)
    refuse("stack", {"out": out})
    parts = [x if hasattr(x, "shape") else as_array(x) for x in arrays]
    shapes = sorted({x.shape for x in parts})
    if len(shapes) > 1:
        raise ArgumentError(f"stack: arrays must have one shape; got {', '.join(map(str, shapes))}.")
    return concatenate([expand_dims(x, axis) for x in parts], axis, dtype=dtype, **keywords)


def _at_least(x: Array, ndim: int) -> Array:
    """Add axes of length 1 in front, as vstack and hstack do."""
    x = as_array(x)
    return reshape(x, (1,) * (ndim - x.ndim) + x.shape) if x.ndim < ndim else x


def vstack(tup: Sequence[Array], *, dtype: Any = None, casting: str = "same_kind") -> Array:
    """Join arrays along axis 0, after giving 1-d ones a leading axis.

    Derivative: linear; each array receives its part of the cotangent.

    >>> tnp.vstack([np.zeros(2), np.ones(2)]).shape
    (2, 2)
    """
    return concatenate([_at_least(x, 2) for x in tup], 0, dtype=dtype, casting=casting)


row_stack = vstack


def hstack(tup: Sequence[Array], *, dtype: Any = None, casting: str = "same_kind") -> Array:
    """Join arrays along axis 1, or along axis 0 where they are 1-d.

    Derivative: linear; each array receives its part of the cotangent.

    >>> tnp.hstack([np.zeros(2), np.ones(2)]).shape
    (4,)
    """
    parts = [_at_least(x, 1) for x in tup]
    return concatenate(parts, 0 if parts and parts[0].ndim == 1 else 1, dtype=dtype, casting=casting)


def array_split(ary: Array, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Array]:
    """Cut along an axis into nearly equal parts, or before the given indices.

    Derivative: linear; the cotangent of a part goes to its place, zeros to the rest.

    Args:
        ary: array of at least one axis.
        indices_or_sections: the number of parts, the first ones longer by 1 where they are unequal; or
            the indices before which to cut.
        axis: the axis to cut.

    Returns:
        A list of arrays.

    >>> [x.tolist() for x in tnp.array_split(np.arange(3.0), 2)]
    [[0.0, 1.0], [2.0]]
    """
    if type(ary) is not Tensor:
        return list(np.array_split(ary, indices_or_sections, axis))
    axis = axis_of("array_split", axis, ary.ndim)
    if isinstance(indices_or_sections, int | np.integer):
        parts = np.array_split(np.arange(ary.shape[axis]), indices_or_sections)
        ends = np.cumsum([len(part) for part in parts]).tolist()
        bounds = [0, *ends]
    else:
        bounds = [0, *indices_or_sections, ary.shape[axis]]
    before = (slice(None),) * axis
    return [ary[(*before, slice(start, stop))] for start, stop in itertools.pairwise(bounds)]


def split(ary: Array, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Array]:
    """Cut along an axis into equal parts, or before the given indices.

    Derivative: linear; the cotangent of a part goes to its place, zeros to the rest.

    >>> [x.tolist() for x in tnp.split(np.arange(4.0), 2)]
    [[0.0, 1.0], [2.0, 3.0]]
    """
    if type(ary) is not Tensor:
        return list(np.split(ary, indices_or_sections, axis))
    axis = axis_of("split", axis, ary.ndim)
    if isinstance(indices_or_sections, int | np.integer) and ary.shape[axis] % indices_or_sections:
        raise ArgumentError(
            f"split: axis {axis} must divide into {indices_or_sections} equal parts; "
            f"got length {ary.shape[axis]}. Use array_split for unequal ones."
        )
    return array_split(ary, indices_or_sections, axis)


# ---- repetition ----


def repeat(a: Array, repeats: int | Sequence[int], axis: int | None = None) -> Array:
    """Repeat each element, or each slice along an axis.

    Derivative: linear; an element receives the sum of the cotangents of its copies. None for `repeats`.

    >>> tnp.repeat(np.array([1.0, 2.0]), 2)
    array([1., 1., 2., 2.])
    """
    if type(a) is not Tensor:
        return off_tape(repeat, np.repeat, a, repeats, axis)
    if axis is None or (a.ndim == 0 and axis in (0, -1)):
        a, axis = ravel(a), 0
    axis = axis_of("repeat", axis, a.ndim)
    return a[(slice(None),) * axis + (np.repeat(np.arange(a.shape[axis]), repeats),)]


def tile(A: Array, reps: int | Sequence[int]) -> Array:
    """Lay copies side by side, `reps` of them along each axis.

    Derivative: linear; an element receives the sum of the cotangents of its copies.

    >>> tnp.tile(np.array([1.0, 2.0]), 2)
    array([1., 2., 1., 2.])
    """
    if type(A) is not Tensor:
        return off_tape(tile, np.tile, A, reps)
    counts = (reps,) if isinstance(reps, int | np.integer) else tuple(reps)
    ndim = max(A.ndim, len(counts))
    counts = (1,) * (ndim - len(counts)) + tuple(map(int, counts))
    x = _at_least(A, ndim)
    spread = reshape(x, [n for length in x.shape for n in (1, length)])
    laid = broadcast_to(spread, [n for pair in zip(counts, x.shape, strict=True) for n in pair])
    return reshape(laid, [count * length for count, length in zip(counts, x.shape, strict=True)])
