"""Shapes: the same elements in another arrangement. All linear: the transpose puts them back."""

# mypy: disable-error-code="has-type"
# Rules name the primitives whose rules they are, which mypy reads too late.

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, axes_of, axis_of, check_is_count, numpy_function, refuse
from tapenet.core.batch_rules import broadcast_rule, leading, reordered, shifted, with_examples
from tapenet.core.families import joint, linear
from tapenet.core.primitive import Array
from tapenet.core.shapes import at, without, zeros_where_none
from tapenet.core.tensor import NUMBERS, PYTHONS, Tensor, is_kept, record_guard, unwrap, unwrap_batches
from tapenet.errors import ArgumentError, ArgumentTypeError, AxisError
from tapenet.ops.elementwise.casting import astype

# ---- one array ----


@linear(lambda t, x_shape: reshape(t, x_shape), name="reshape", batch=leading(shape=with_examples))
def _reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    # Here and below methods for ndarrays: NumPy's functions take five times as long to call them.
    return x.reshape(shape) if type(x) is np.ndarray else np.reshape(x, shape)


@numpy_function(np.reshape, method=np.ndarray.reshape, shares=2)
def reshape(a: Array, shape: int | Sequence[int], order: str = "C", **keywords: Any) -> Array:
    """Give the elements, in C order, another shape; one length may be -1.

    Derivative: linear; the cotangent gets the shape of a.

    On a Tensor `copy` has no effect, and "A" goes by the place of its value in memory, which a guard reads.

    >>> tnp.reshape(np.arange(4.0), (2, -1)).shape
    (2, 2)
    """
    refuse("reshape", {name: value for name, value in keywords.items() if name != "copy"})
    lengths = shape if isinstance(shape, (tuple, list, np.ndarray, Sequence)) else (shape,)
    lengths = tuple([operator.index(length) for length in lengths])
    if order not in ("C", "F", "A"):
        raise ArgumentError(f"reshape: order must be 'C', 'F' or 'A'; got {order!r}.")
    if order == "F" or (order == "A" and np.isfortran(_read_in_memory(a))):
        return transpose(_reshape(transpose(a), shape=lengths[::-1]))
    return _reshape(a, shape=lengths)


@numpy_function(np.ravel, method=np.ndarray.ravel)
def ravel(a: Array, order: str = "C") -> Array:
    """Give the elements as one axis.

    Derivative: linear; the cotangent gets the shape of a.

    On a Tensor "A" and "K" go by the place of its value in memory, which a guard reads.

    >>> tnp.ravel(np.ones((2, 3))).shape
    (6,)
    """
    if order != "K":
        return reshape(a, -1, order)
    return reshape(transpose(a, _axes_in_memory(_read_in_memory(a))), -1)


def _axes_in_memory(x: Array) -> list[int]:
    """Return the axes of an array, that with the longest steps in memory first."""
    strides = x.strides
    return sorted(range(x.ndim), key=lambda axis: -abs(strides[axis]))


def memory_order(x: Array) -> tuple[Any, ...]:
    """Return what operations by order "A" and "K" depend on: the axes by their strides, and how the array lies."""
    x = np.asarray(x)
    return (*_axes_in_memory(x), x.flags.c_contiguous, x.flags.f_contiguous)


def _read_in_memory(x: Array) -> Array:
    """Return the array under a Tensor, or under `vmap` that of one example, for its place in memory alone."""
    if type(x) is Tensor:
        record_guard("order", memory_order, (x,), {}, memory_order(unwrap_batches(x)), through_batches=True)
    x = unwrap(x)
    return np.asarray(x._value.array[:1])[0] if type(x) is Tensor else np.asarray(x)


@linear(
    lambda t, axes: _transpose(t, axes=tuple(np.argsort(axes).tolist())),
    name="transpose",
    batch=leading(axes=reordered),
)
def _transpose(x: Array, *, axes: tuple[int, ...]) -> Array:
    return x.transpose(axes) if type(x) is np.ndarray else np.transpose(x, axes)


def in_an_array(x: Array, kinds: frozenset[type] | None = None) -> Array:
    """Return a scalar of a program, or one of some types, as the array of no axes that NumPy makes of it."""
    if type(x) is not Tensor or x.shape or not is_kept(x) or type(x._value) is np.ndarray:
        return x
    return _broadcast_to(x, shape=()) if kinds is None or type(x._value) in kinds else x


@numpy_function(np.transpose, method=np.ndarray.transpose)
def transpose(a: Array, axes: Sequence[int] | None = None) -> Array:
    """Reorder the axes; without `axes`, reverse them.

    Derivative: linear; the cotangent's axes are put back.

    >>> tnp.transpose(np.ones((2, 3))).shape
    (3, 2)
    """
    order = tuple(range(a.ndim))[::-1] if axes is None else axes_of("transpose", axes, a.ndim, "axes")
    return _transpose(in_an_array(a, PYTHONS), axes=order)


permute_dims = transpose


@numpy_function(np.swapaxes, method=np.ndarray.swapaxes)
def swapaxes(a: Array, axis1: int, axis2: int) -> Array:
    """Exchange two axes.

    Derivative: linear; the cotangent's axes are put back.

    >>> tnp.swapaxes(np.ones((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    order = list(range(a.ndim))
    first, second = axis_of("swapaxes", axis1, a.ndim), axis_of("swapaxes", axis2, a.ndim)
    order[first], order[second] = second, first
    return _transpose(a, axes=tuple(order))


@numpy_function(np.matrix_transpose, method=operator.attrgetter("mT"))
def matrix_transpose(x: Array, /) -> Array:
    """Exchange the last two axes.

    Derivative: linear; the cotangent's axes are put back.

    >>> tnp.matrix_transpose(np.ones((5, 2, 3))).shape
    (5, 3, 2)
    """
    return swapaxes(x, -1, -2)


@numpy_function(np.moveaxis)
def moveaxis(a: Array, source: int | Sequence[int], destination: int | Sequence[int]) -> Array:
    """Move axes to other places; the rest keep their order.

    Derivative: linear; the cotangent's axes are put back.

    >>> tnp.moveaxis(np.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
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


def _expanded(a: Array, axis: int | Sequence[int] = 0) -> Array:
    """Return `np.expand_dims`, in front by default."""
    return np.expand_dims(a, axis)


@numpy_function(_expanded)
def expand_dims(a: Array, axis: int | Sequence[int] = 0) -> Array:
    """Insert axes of length 1 at the given places of the result; in front by default, as in the array API standard.

    Derivative: linear; the cotangent gets the shape of a.

    >>> tnp.expand_dims(np.ones(3), 0).shape
    (1, 3)
    """
    count = 1 if isinstance(axis, int | np.integer) else len(axis)
    places = axes_of("expand_dims", axis, a.ndim + count)
    lengths = iter(a.shape)
    return _reshape(a, shape=tuple(1 if i in places else next(lengths) for i in range(a.ndim + count)))


@numpy_function(np.squeeze, method=np.ndarray.squeeze)
def squeeze(a: Array, axis: int | Sequence[int] | None = None) -> Array:
    """Remove axes of length 1: all of them, or those given.

    Derivative: linear; the cotangent gets the shape of a.

    >>> tnp.squeeze(np.ones((1, 3, 1))).shape
    (3,)
    """
    a = in_an_array(a, PYTHONS)
    if axis is None:
        return _reshape(a, shape=tuple(length for length in a.shape if length != 1))
    if a.ndim == 0 and axis in (0, -1):  # which NumPy takes for the elements of a scalar
        return _reshape(a, shape=())
    places = axes_of("squeeze", axis, a.ndim)
    wrong = [place for place in places if a.shape[place] != 1]
    if wrong:
        raise ArgumentError(f"squeeze: axis {wrong[0]} must have length 1; got shape {a.shape}.")
    return _reshape(a, shape=without(a.shape, places))


@linear(lambda t: t, name="broadcast_to", batch=broadcast_rule)  # the walk sums over the broadcast axes
def _broadcast_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    return _repeated(x, shape)


def _repeated(array: Array, shape: int | Sequence[int], subok: bool = False) -> Array:
    """Return `np.broadcast_to`, bit for bit; of a scalar at a sixth of its overhead."""
    if isinstance(array, np.generic) and type(shape) is tuple:
        return np.ndarray(shape, array.dtype, array, 0, (0,) * len(shape))
    return np.broadcast_to(array, shape, subok)


@numpy_function(_repeated, method=np.broadcast_to)
def broadcast_to(array: Array, shape: int | Sequence[int], subok: bool = False) -> Array:
    """Repeat along new leading axes and axes of length 1, without copying.

    Derivative: linear; the cotangent is summed over the repeated axes. On a Tensor `subok` has no effect.

    >>> tnp.broadcast_to(np.ones(3), (2, 3)).shape
    (2, 3)
    >>> tn.grad(lambda x: tnp.broadcast_to(x, (2, 3)).sum())(np.ones(3))
    array([2., 2., 2.])
    """
    lengths = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    return _broadcast_to(array, shape=tuple(map(int, lengths)))


@numpy_function(np.broadcast_arrays)
def broadcast_arrays(*args: Array, subok: bool = False) -> tuple[Array, ...]:
    """Broadcast arrays against one another.

    Derivative: linear; each cotangent is summed over the repeated axes.

    On a Tensor `subok` has no effect.

    >>> [x.shape for x in tnp.broadcast_arrays(np.ones(3), np.ones((2, 1)))]
    [(2, 3), (2, 3)]
    """
    arrays = [as_array(x) for x in args]
    shape = np.broadcast_shapes(*(x.shape for x in arrays))
    return tuple(broadcast_to(x, shape) for x in arrays)


@linear(
    lambda t, shift, axis: _roll(t, shift=tuple(-n for n in shift), axis=axis),
    name="roll",
    batch=leading(axis=shifted),
)
def _roll(x: Array, *, shift: tuple[int, ...], axis: tuple[int, ...]) -> Array:
    return np.roll(x, shift, axis) if axis else np.array(x)  # np.roll refuses to roll along no axis


@numpy_function(np.roll)
def roll(a: Array, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> Array:
    """Shift elements along axes, those pushed out coming back at the other end; without axis, over all.

    Derivative: linear; the cotangent is rolled back.

    >>> tnp.roll(np.arange(3.0), 1)
    array([2., 0., 1.])
    """
    if axis is None:
        return reshape(roll(ravel(a), shift, 0), a.shape)
    shifts, axes = np.broadcast_arrays(shift, axis)
    places = tuple(axis_of("roll", int(place), a.ndim) for place in axes.ravel())
    return _roll(a, shift=tuple(map(int, shifts.ravel())), axis=places)


@numpy_function(np.flip)
def flip(m: Array, axis: int | Sequence[int] | None = None) -> Array:
    """Reverse the order along axes; without axis, along all.

    Derivative: linear; the cotangent is flipped back.

    >>> tnp.flip(np.arange(3.0))
    array([2., 1., 0.])
    """
    axes = range(m.ndim) if axis is None else axes_of("flip", axis, m.ndim)
    return m[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(m.ndim))]


@numpy_function(np.fliplr)
def fliplr(m: Array) -> Array:
    """Reverse the order along axis 1.

    Derivative: linear; the cotangent is flipped back.

    >>> tnp.fliplr(np.array([[1.0, 2.0]]))
    array([[2., 1.]])
    """
    return flip(m, 1)


@numpy_function(np.flipud)
def flipud(m: Array) -> Array:
    """Reverse the order along axis 0.

    Derivative: linear; the cotangent is flipped back.

    >>> tnp.flipud(np.array([1.0, 2.0]))
    array([2., 1.])
    """
    return flip(m, 0)


@numpy_function(np.rot90)
def rot90(m: Array, k: int = 1, axes: Sequence[int] = (0, 1)) -> Array:
    """Turn by k right angles in the plane of two axes, from the first towards the second.

    Derivative: linear; the cotangent is turned back.

    >>> tnp.rot90(np.array([[1.0, 2.0]]))
    array([[2.],
           [1.]])
    """
    first, second = axes_of("rot90", tuple(axes), m.ndim, "axes")
    match k % 4:
        case 1:
            return swapaxes(flip(m, second), first, second)
        case 2:
            return flip(m, (first, second))
        case 3:
            return flip(swapaxes(m, first, second), second)
    return m


@numpy_function(np.rollaxis)
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
    return [t[at(axis, slice(end - shape[axis], end))] for end, shape in zip(ends, shapes, strict=True)]


def _join(tangents: Sequence[Array], operands: Sequence[Array], shapes: Sequence[tuple[int, ...]], axis: int) -> Array:
    return concatenate(zeros_where_none(tangents, shapes), axis)


@joint(_cut, _join, name="concatenate", reads="none", batch=leading(axis=shifted))
def _concatenate(*arrays: Array, axis: int) -> Array:
    return np.concatenate(arrays, axis)


@numpy_function(np.concatenate)
def concatenate(
    arrays: Sequence[Array], /, axis: int | None = 0, out: None = None, *, dtype: Any = None, **keywords: Any
) -> Array:
    """Join arrays along an axis they have; with axis None, join all their elements.

    Derivative: linear; each array receives its part of the cotangent.

    >>> tnp.concatenate([np.zeros(1), np.ones(2)])
    array([0., 1., 1.])
    """
    casting = keywords.pop("casting", "same_kind")
    refuse("concatenate", keywords)
    parts = [x if hasattr(x, "ndim") else as_array(x) for x in arrays]
    if axis is None:
        plain = [unwrap(x) for x in arrays]
        if any(type(x) in NUMBERS for x in plain):  # which take on the precision of the arrays here
            kind = np.result_type(
                *(x if type(x) in NUMBERS else part.dtype for x, part in zip(plain, parts, strict=True))
            )
            parts = [astype(x, kind) for x in parts]
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


@numpy_function(np.stack)
def stack(arrays: Sequence[Array], axis: int = 0, out: None = None, *, dtype: Any = None, **keywords: Any) -> Array:
    """Join arrays of one shape along a new axis.

    Derivative: linear; each array receives its part of the cotangent.

    >>> tnp.stack([np.zeros(2), np.ones(2)]).shape
    (2, 2)
    """
    parts = [x if hasattr(x, "shape") else as_array(x) for x in arrays]
    shapes = sorted({x.shape for x in parts})
    if len(shapes) > 1:
        raise ArgumentError(f"stack: arrays must have one shape; got {', '.join(map(str, shapes))}.")
    if not shapes or dtype is not None or keywords:
        return concatenate([expand_dims(x, axis) for x in parts], axis, dtype=dtype, **keywords)
    (shape,) = shapes
    place = axis_of("stack", axis, len(shape) + 1)
    return _concatenate(*[_reshape(x, shape=(*shape[:place], 1, *shape[place:])) for x in parts], axis=place)


def _at_least(x: Array, ndim: int) -> Array:
    """Add axes of length 1 in front, as vstack and hstack do."""
    x = as_array(x)
    return reshape(x, (1,) * (ndim - x.ndim) + x.shape) if x.ndim < ndim else x


@numpy_function(np.vstack)
def vstack(tup: Sequence[Array], *, dtype: Any = None, casting: str = "same_kind") -> Array:
    """Join arrays along axis 0, after giving 1-d ones a leading axis.

    Derivative: linear; each array receives its part of the cotangent.

    >>> tnp.vstack([np.zeros(2), np.ones(2)]).shape
    (2, 2)
    """
    return concatenate([_at_least(x, 2) for x in tup], 0, dtype=dtype, casting=casting)


row_stack = vstack


@numpy_function(np.hstack)
def hstack(tup: Sequence[Array], *, dtype: Any = None, casting: str = "same_kind") -> Array:
    """Join arrays along axis 1, or along axis 0 where they are 1-d.

    Derivative: linear; each array receives its part of the cotangent.

    >>> tnp.hstack([np.zeros(2), np.ones(2)]).shape
    (4,)
    """
    parts = [_at_least(x, 1) for x in tup]
    return concatenate(parts, 0 if parts and parts[0].ndim == 1 else 1, dtype=dtype, casting=casting)


@numpy_function(np.array_split)
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
    check_is_count("array_split", "indices_or_sections", indices_or_sections)
    axis = axis_of("array_split", axis, ary.ndim)
    if isinstance(indices_or_sections, int | np.integer):
        parts = np.array_split(np.arange(ary.shape[axis]), indices_or_sections)
        ends = np.cumsum([len(part) for part in parts]).tolist()
        bounds = [0, *ends]
    else:
        bounds = [0, *indices_or_sections, ary.shape[axis]]
    return [ary[at(axis, slice(start, stop))] for start, stop in itertools.pairwise(bounds)]


@numpy_function(np.split)
def split(ary: Array, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Array]:
    """Cut along an axis into equal parts, or before the given indices.

    Derivative: linear; the cotangent of a part goes to its place, zeros to the rest.

    >>> [x.tolist() for x in tnp.split(np.arange(4.0), 2)]
    [[0.0, 1.0], [2.0, 3.0]]
    """
    check_is_count("split", "indices_or_sections", indices_or_sections)
    axis = axis_of("split", axis, ary.ndim)
    if isinstance(indices_or_sections, int | np.integer) and ary.shape[axis] % indices_or_sections:
        raise ArgumentError(
            f"split: axis {axis} must divide into {indices_or_sections} equal parts; "
            f"got length {ary.shape[axis]}. Use array_split for unequal ones."
        )
    return array_split(ary, indices_or_sections, axis)


# ---- repetition ----


@numpy_function(np.repeat, method=np.ndarray.repeat)
def repeat(a: Array, repeats: int | Sequence[int], axis: int | None = None) -> Array:
    """Repeat each element, or each slice along an axis.

    Derivative: linear; an element receives the sum of the cotangents of its copies. None for `repeats`.

    >>> tnp.repeat(np.array([1.0, 2.0]), 2)
    array([1., 1., 2., 2.])
    """
    if axis is None or (a.ndim == 0 and axis in (0, -1)):
        a, axis = ravel(a), 0
    axis = axis_of("repeat", axis, a.ndim)
    return a[at(axis, np.repeat(np.arange(a.shape[axis]), repeats))]


@numpy_function(np.tile)
def tile(A: Array, reps: int | Sequence[int]) -> Array:
    """Lay copies side by side, `reps` of them along each axis.

    Derivative: linear; an element receives the sum of the cotangents of its copies.

    >>> tnp.tile(np.array([1.0, 2.0]), 2)
    array([1., 2., 1., 2.])
    """
    check_is_count("tile", "reps", reps)
    counts = (reps,) if isinstance(reps, int | np.integer) else tuple(reps)
    ndim = max(A.ndim, len(counts))
    counts = (1,) * (ndim - len(counts)) + tuple(map(int, counts))
    x = _at_least(A, ndim)
    spread = reshape(x, [n for length in x.shape for n in (1, length)])
    laid = broadcast_to(spread, [n for pair in zip(counts, x.shape, strict=True) for n in pair])
    return reshape(laid, [count * length for count, length in zip(counts, x.shape, strict=True)])
