"""Indexing: reading parts of an array, and values with parts of them replaced.

Reading is linear, and its transpose adds a cotangent into zeros where it was read from; an element that an
index repeats receives the sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.arguments import as_array, axis_of, numpy_function
from tapenet.core.batching import elementwise_rule
from tapenet.core.families import joint, linear
from tapenet.core.foreign import Kind, kind_of, refusal
from tapenet.core.nondifferentiable import choice
from tapenet.core.pieces import Piece
from tapenet.core.primitive import Array, Primitive, Shapes
from tapenet.core.record import Parameters
from tapenet.core.shapes import along, at as index_at
from tapenet.core.tensor import Tensor, read_single_value, read_value
from tapenet.errors import ArgumentError, ArgumentTypeError, IndexingError
from tapenet.ops.arrays.indices import (
    ALL,
    ARRAY,
    Slice,
    Structure,
    gather_rule,
    getitem_rule,
    lasting_rule,
    place_rule,
    scatter_rule,
    set_rule,
)
from tapenet.ops.arrays.shaping import broadcast_to, ravel, reshape
from tapenet.ops.elementwise.arithmetic import add, divide, maximum, minimum, multiply, subtract, where
from tapenet.ops.elementwise.casting import astype
from tapenet.ops.elementwise.exponential import power

# ---- index parsing: structure and arrays ----


def _split(index: Any) -> tuple[Structure, list[Array]]:
    """Split an index into a hashable structure, and the integer and boolean arrays that go into it."""
    structure: list[Any] = []
    arrays: list[Array] = []
    for part in index if type(index) is tuple else (index,):
        if type(part) is Tensor:
            part = read_value(part)
        if type(part) is int or part is None or part is Ellipsis:
            structure.append(part)
        elif type(part) is slice:
            structure.append(Slice(part.start, part.stop, part.step))
        elif isinstance(part, np.integer):
            structure.append(int(part))
        else:
            if kind_of(type(part)) is Kind.REFUSED:
                raise ArgumentTypeError(refusal("getitem", "an index", part))
            array = part if type(part) is Tensor else np.asarray(part)
            if array.size == 0 and not isinstance(part, np.ndarray | Tensor):
                array = array.astype(np.intp)  # x[[]]: an empty list has no dtype of its own
            if array.dtype.kind not in "biu":
                raise ArgumentTypeError(f"getitem: an index must be integer or boolean; got {array.dtype}.")
            structure.append(ARRAY)
            arrays.append(array)
    return tuple(structure), arrays


def _joined(structure: Structure, arrays: Sequence[Array]) -> Any:
    """Join a structure and its arrays to the index that NumPy takes."""
    remaining = iter(arrays)
    return tuple(
        next(remaining) if part is ARRAY else slice(part.start, part.stop, part.step) if type(part) is Slice else part
        for part in structure
    )


def _read_shape(structure: Structure, arrays: Sequence[Array], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Find the shape of what an index reads from an array of `shape`."""
    stand_ins = [_stand_in(array) if type(array) is Tensor else array for array in arrays]
    # An array of no memory of its own: a basic index into it costs nothing, however large x is.
    stand_in = np.broadcast_to(np.False_, shape)
    try:
        read: tuple[int, ...] = stand_in[_joined(structure, stand_ins)].shape
    except IndexError as error:
        raise IndexingError(f"at[...]: {error}") from error
    return read


def _stand_in(array: Tensor) -> Array:
    """Return an array that reads as many elements as one of an index; of a mask no more is read than their number."""
    if array.dtype.kind != "b":
        return np.zeros(array.shape, np.intp)
    count = int(read_single_value(_count(array), "a mask as an index"))
    return (np.arange(math.prod(array.shape)) < count).reshape(array.shape)


_count = choice(np.sum, name="count")


def _may_repeat(arrays: Sequence[Array]) -> bool:
    """Tell whether an index with these arrays can name an element twice."""
    return any(array.dtype.kind != "b" for array in arrays)


def _is_computed_mask(arrays: Sequence[Array]) -> bool:
    """Tell whether the arrays of an index are one mask that a trace keeps, or that differs between examples."""
    return len(arrays) == 1 and type(arrays[0]) is Tensor and arrays[0].dtype.kind == "b"


def _axes_behind(index: Structure, axes: int, ndim: int) -> int:
    """Count the axes of an array behind those that its index's mask covers; -1 for an index that has other parts."""
    place = index.index(ARRAY)
    if any(part not in (ARRAY, Ellipsis, ALL) for part in index) or index.count(Ellipsis) > 1:
        return -1
    behind = len(index) - 1 - place if Ellipsis in index[:place] else ndim - axes - place
    return behind if ndim - axes - behind >= index[:place].count(ALL) else -1


# ---- reading, and its transpose ----


@linear(lambda t, index: Piece(t, index, (), _ASSEMBLY), name="getitem", batch=getitem_rule)
def _getitem(x: Array, *, index: Structure) -> Array:
    return x[_joined(index, ())]


@linear(lambda t, index: _getitem(t, index=index), name="place", batch=place_rule)
def _place(x: Array, *, index: Structure, shape: tuple[int, ...]) -> Array:
    placed = np.zeros(shape, x.dtype)
    placed[_joined(index, ())] = x
    return placed


def _gather_pullback(
    t: Array, operands: Sequence[Array], shapes: Shapes, on_tape: Sequence[bool], index: Structure
) -> list[Array]:
    return [Piece(t, index, tuple(operands[1:]), _ASSEMBLY), *[None] * (len(operands) - 1)]


def _gather_pushforward(
    tangents: Sequence[Array], operands: Sequence[Array], shapes: Shapes, index: Structure
) -> Array:
    return _gather(tangents[0], *operands[1:], index=index)


@joint(_gather_pullback, _gather_pushforward, name="gather", reads=1, batch=gather_rule, shape_depends_on="masks")
def _gather(x: Array, *arrays: Array, index: Structure) -> Array:
    return x[_joined(index, arrays)]


def _scatter_pullback(
    t: Array,
    operands: Sequence[Array],
    shapes: Shapes,
    on_tape: Sequence[bool],
    index: Structure,
    shape: tuple[int, ...],
) -> list[Array]:
    return [_gather(t, *operands[1:], index=index)] + [None] * (len(operands) - 1)


def _scatter_pushforward(
    tangents: Sequence[Array],
    operands: Sequence[Array],
    shapes: Shapes,
    index: Structure,
    shape: tuple[int, ...],
) -> Array:
    return _scatter(tangents[0], *operands[1:], index=index, shape=shape)


_MOST_AXES = 32  # beyond them NumPy's add.at writes where it should not, and kills the process


@joint(_scatter_pullback, _scatter_pushforward, name="scatter", reads=1, batch=scatter_rule, shape_depends_on="masks")
def _scatter(x: Array, *arrays: Array, index: Structure, shape: tuple[int, ...]) -> Array:
    if not _may_repeat(arrays):
        placed = np.zeros(shape, x.dtype)
        placed[_joined(index, arrays)] = x
        return placed
    placed = np.zeros(shape, np.float32 if x.dtype.char == "e" else x.dtype)  # a sum in float16 stops at 2048
    _add_at(placed, _joined(index, arrays), x)
    return placed.astype(x.dtype, copy=False)


def _add_at(placed: np.ndarray[Any, Any], index: Any, x: Array) -> None:
    """Add into an array, of an index that repeats elements each time.

    NumPy does that two to five times faster for one array of places than for an index of several axes, or of rows.
    """
    if not placed.flags.c_contiguous:  # its flat form would be a copy, and what is added there lost
        sums = np.zeros(placed.shape, placed.dtype)
        _add_at(sums, index, x)
        placed += sums
        return
    places = _places_in(placed.shape, index, np.size(x))
    if places is None:
        np.add.at(placed, index, x)
    else:
        np.add.at(placed.reshape(-1), places.reshape(-1), np.broadcast_to(x, places.shape).reshape(-1))


def _places_in(shape: tuple[int, ...], index: Any, count: int) -> np.ndarray[Any, Any] | None:
    """Return the places in C order that an index names; None where it takes longer to find them than it saves."""
    if len(shape) > _MOST_AXES:
        every: np.ndarray[Any, Any] = np.arange(math.prod(shape)).reshape(shape)[index]
        return every
    if any(type(part) is not np.ndarray or part.dtype.kind not in "iu" for part in index) or not index:
        return None
    head, inner = shape[: len(index)], math.prod(shape[len(index) :])
    if math.prod(head) > 4 * count or len(shape) == 1:
        return None
    first = np.arange(math.prod(head)).reshape(head)[index]
    places: np.ndarray[Any, Any] = first if inner == 1 else first[..., None] * inner + np.arange(inner)
    return places.reshape(first.shape + shape[len(index) :])


@attrs.frozen
class _Indexed:
    """The assembly of pieces that an index reads."""

    def add_into(self, buffer: np.ndarray[Any, Any], piece: Piece) -> None:
        index = _joined(piece.index, piece.arrays)
        values = np.asarray(piece.values)
        if _may_repeat(piece.arrays):
            _add_at(buffer, index, values)  # += adds only once to an element that the index repeats
        else:
            buffer[index] += values

    def assembled(self, pieces: Sequence[Piece], shape: tuple[int, ...]) -> Array:
        if len(pieces) == 1:
            return _placed_piece(pieces[0].values, pieces[0].arrays, pieces[0].index, shape)
        operands = [x for piece in pieces for x in (piece.values, *piece.arrays)]
        indices = tuple((piece.index, len(piece.arrays)) for piece in pieces)
        return _assemble(*operands, indices=indices, shape=shape)


_ASSEMBLY: _Indexed = _Indexed()
_Indices = tuple[tuple[Structure, int], ...]  # of each piece the structure of its index, and the number of its arrays


def _placed_piece(values: Array, arrays: Sequence[Array], index: Structure, shape: tuple[int, ...]) -> Array:
    """Return a piece written out."""
    return _scatter(values, *arrays, index=index, shape=shape) if arrays else _place(values, index=index, shape=shape)


def _by_piece(operands: Sequence[Any], indices: _Indices) -> list[tuple[Any, list[Any], Structure]]:
    """Return of each piece its values, its index's arrays and structure."""
    remaining = iter(operands)
    return [(next(remaining), [next(remaining) for _ in range(count)], index) for index, count in indices]


def _assemble_pullback(
    t: Array,
    operands: Sequence[Array],
    shapes: Shapes,
    on_tape: Sequence[bool],
    indices: _Indices,
    shape: tuple[int, ...],
) -> list[Array]:
    answers: list[Array] = []
    for _, arrays, index in _by_piece(operands, indices):
        answers.append(_gather(t, *arrays, index=index) if arrays else _getitem(t, index=index))
        answers += [None] * len(arrays)
    return answers


def _assemble_pushforward(
    tangents: Sequence[Array], operands: Sequence[Array], shapes: Shapes, indices: _Indices, shape: tuple[int, ...]
) -> Array:
    pairs = zip(_by_piece(tangents, indices), _by_piece(operands, indices), strict=True)
    pieces = [
        Piece(dot, index, tuple(arrays), _ASSEMBLY) for (dot, _, index), (_, arrays, _) in pairs if dot is not None
    ]
    return _ASSEMBLY.assembled(pieces, shape)


def _assemble_rule(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
) -> Array:
    """Evaluate over a batch: each piece by its own rule, added up."""
    own = _by_piece(mapped, parameters["indices"])
    total = None
    for (values, places, index), (is_mapped, are_mapped, _) in zip(
        _by_piece(arrays, parameters["indices"]), own, strict=True
    ):
        rule, of = (scatter_rule, _scatter) if places else (place_rule, _place)
        keywords = {"index": index, "shape": parameters["shape"]}
        if not (is_mapped or any(are_mapped)):
            placed = of(values, *places, **keywords)
        else:
            placed = rule(of, [values, *places], [is_mapped, *are_mapped], size, keywords)
        total = placed if total is None else total + placed
    return total


@joint(
    _assemble_pullback,
    _assemble_pushforward,
    name="assemble",
    reads="all",
    batch=_assemble_rule,
    shape_depends_on="masks",
)
def _assemble(*operands: Array, indices: _Indices, shape: tuple[int, ...]) -> Array:
    total = np.zeros(shape, operands[0].dtype)
    for values, arrays, index in _by_piece(operands, indices):
        _ASSEMBLY.add_into(total, Piece(values, index, tuple(arrays), _ASSEMBLY))
    return total


def getitem(x: Array, index: Any) -> Array:
    """Read `x[index]`, for every index that NumPy takes.

    Derivative: the cotangent added into zeros; an element that the index repeats receives the sum.

    Raises:
        IndexingError: an index out of bounds, or of more axes than x has.
        ArgumentTypeError: an index of floats.
    """
    if type(x) is Tensor or any(type(part) is Tensor for part in (index if type(index) is tuple else (index,))):
        return _read(x, index)
    return x[index]


def _read(x: Array, index: Any) -> Array:
    """Read `x[index]`, where x or an array of the index is a Tensor."""
    structure, arrays = _split(index)
    if arrays:
        return _gather(x, *arrays, index=structure)
    return _getitem(x, index=structure)


# ---- writing, as a new value ----


def _find_lasting(*arrays: Array, index: Structure, shape: tuple[int, ...]) -> Array:
    """Find which elements of a value remain after it is set at an index: all that no later one overwrites."""
    place = _joined(index, arrays)
    order = np.arange(np.zeros(shape, bool)[place].size).reshape(np.zeros(shape, bool)[place].shape)
    last = np.full(shape, -1)
    last[place] = order  # of a place that is written several times the last number remains
    return last[place] == order


_lasting = choice(_find_lasting, name="lasting", batch=lasting_rule)


def _written(value: Array, index: Structure, arrays: Sequence[Array], shape: tuple[int, ...]) -> Array:
    """Give `value`, but 0 where a later element of a repeated index overwrites it."""
    return where(_lasting(*arrays, index=index, shape=shape), value, 0) if _may_repeat(arrays) else value


def _set_pullback(
    t: Array, operands: Sequence[Array], shapes: Shapes, on_tape: Sequence[bool], index: Structure
) -> list[Array]:
    x_shape = shapes[0]
    assert x_shape is not None
    arrays = operands[2:]
    read = _gather(t, *arrays, index=index) if arrays else _getitem(t, index=index)
    return [_set(t, np.zeros((), t.dtype), *arrays, index=index), _written(read, index, arrays, x_shape)] + [
        None
    ] * len(arrays)


def _set_pushforward(tangents: Sequence[Array], operands: Sequence[Array], shapes: Shapes, index: Structure) -> Array:
    x_dot, value_dot = tangents[:2]
    if x_dot is None:
        x_dot = np.zeros(shapes[0], value_dot.dtype)
    return _set(x_dot, np.zeros((), x_dot.dtype) if value_dot is None else value_dot, *operands[2:], index=index)


@joint(_set_pullback, _set_pushforward, name="set", reads=2, batch=set_rule, shape_depends_on="masks")
def _set(x: Array, value: Array, *arrays: Array, index: Structure) -> Array:
    changed = np.array(x)
    changed[_joined(index, arrays)] = value
    return changed


@attrs.frozen(eq=False)
class At:
    """`x.at`: after an index, the value that `x` would have after an assignment there."""

    _x: Array

    def __getitem__(self, index: Any) -> IndexedUpdate:
        return IndexedUpdate(self._x, index)

    def __repr__(self) -> str:
        return f"{self._x!r}.at"


@attrs.frozen(eq=False)
class IndexedUpdate:
    """`x.at[index]`: makes new values, each a copy of x with the elements there changed.

    They have the dtype and shape of x, as after an assignment to `x[index]`: values are broadcast to what the index
    reads, axes of length 1 in front are dropped, and floats are rounded to the precision of x. An element that the
    index names several times is changed as often, but `set` leaves the last value there.

    Raises:
        ArgumentTypeError: floats into integers or booleans, which would cut the derivative off with the digits;
            complex numbers into real ones.
    """

    _x: Array
    _index: Any

    def get(self) -> Array:
        """Read `x[index]`."""
        return getitem(self._x, self._index)

    def set(self, value: Array) -> Array:
        """Copy x, with `x[index] = value`; of an element that the index repeats, the last value remains."""
        return self._stored("set", value)

    def add(self, value: Array) -> Array:
        """Copy x, with `value` added there, as often as the index names an element."""
        return self._added("add", value)

    def subtract(self, value: Array) -> Array:
        """Copy x, with `value` subtracted there, as often as the index names an element."""
        return self._added("subtract", value)

    def multiply(self, value: Array) -> Array:
        """Copy x, with the elements there multiplied by `value`, as often as the index names them."""
        return self._applied("multiply", multiply, value)

    def divide(self, value: Array) -> Array:
        """Copy x, with the elements there divided by `value`, as often as the index names them."""
        return self._applied("divide", divide, value)

    def power(self, value: Array) -> Array:
        """Copy x, with the elements there raised to the power `value`, as often as the index names them."""
        return self._applied("power", power, value)

    def min(self, value: Array) -> Array:
        """Copy x, with the minimum of `value` and what is there; the derivative is split where they are equal."""
        return self._applied("min", minimum, value)

    def max(self, value: Array) -> Array:
        """Copy x, with the maximum of `value` and what is there; the derivative is split where they are equal."""
        return self._applied("max", maximum, value)

    mul = multiply

    def _fitted(self, method: str, value: Array, index: Structure, arrays: Sequence[Array]) -> Array:
        """Give the value the dtype of x, and no more axes than the index reads."""
        value = value if hasattr(value, "dtype") else np.asarray(value)
        _check_kinds(method, self._x.dtype, value.dtype)
        if value.ndim:
            shape = _read_shape(index, arrays, self._x.shape)
            extra = max(value.ndim - len(shape), 0)
            if any(n not in (1, m) for n, m in zip(value.shape[::-1], (*shape[::-1], *(1,) * extra), strict=False)):
                raise ArgumentError(
                    f"at[...].{method}: value must broadcast to what the index reads, of shape {shape}; "
                    f"got shape {value.shape}."
                )
            value = reshape(value, value.shape[extra:]) if extra else value
        return value if value.dtype == self._x.dtype else astype(value, self._x.dtype)

    def _spread(
        self, method: str, value: Array, index: Structure, arrays: Sequence[Array]
    ) -> tuple[Array, Array] | None:
        """Return where a computed mask holds, and a value that broadcasts to x; None where their number matters."""
        if not _is_computed_mask(arrays):
            return None
        mask, x = arrays[0], self._x
        behind = _axes_behind(index, mask.ndim, x.ndim)
        if behind < 0:
            return None
        value = value if hasattr(value, "dtype") else np.asarray(value)
        shape = value.shape
        while len(shape) > behind and shape[0] == 1:  # one value for all elements, or one row for all rows
            shape = shape[1:]
        fits = zip(shape[::-1], x.shape[::-1], strict=False)
        if len(shape) > behind or any(n not in (1, m) for n, m in fits):
            return None
        before = x.ndim - behind - mask.ndim
        if x.shape[before : before + mask.ndim] != mask.shape:
            return None  # NumPy has an error for it
        _check_kinds(method, x.dtype, value.dtype)
        value = value if shape == value.shape else reshape(value, shape)
        return reshape(mask, (*mask.shape, *(1,) * behind)), value if value.dtype == x.dtype else astype(value, x.dtype)

    def _chosen(self, operation: Callable[[Array, Array], Array], mask: Array, value: Array) -> Array:
        """Apply an operation where a mask holds; elsewhere it is of ones, as no other error or derivative may arise."""
        one = np.ones((), self._x.dtype)
        return where(mask, operation(where(mask, self._x, one), where(mask, value, one)), self._x)

    def _stored(self, method: str, value: Array) -> Array:
        index, arrays = _split(self._index)
        spread = self._spread(method, value, index, arrays)
        if spread is not None:
            return where(spread[0], spread[1], self._x)
        return _set(self._x, self._fitted(method, value, index, arrays), *arrays, index=index)

    def _added(self, method: str, value: Array) -> Array:
        index, arrays = _split(self._index)
        spread = self._spread(method, value, index, arrays)
        if spread is not None:
            return where(spread[0], (add if method == "add" else subtract)(self._x, spread[1]), self._x)
        shape = self._x.shape
        value = broadcast_to(self._fitted(method, value, index, arrays), _read_shape(index, arrays, shape))
        placed = _scatter if arrays else _place
        combine = add if method == "add" else subtract
        return combine(self._x, placed(value, *arrays, index=index, shape=shape))

    def _applied(self, method: str, operation: Callable[[Array, Array], Array], value: Array) -> Array:
        """Apply an operation to what is there and a value; of an element that the index repeats, one after another."""
        index, arrays = _split(self._index)
        spread = self._spread(method, value, index, arrays)
        if spread is not None:
            return self._chosen(operation, *spread)
        value = self._fitted(method, value, index, arrays)
        if not _may_repeat(arrays):
            return self._stored(method, operation(self.get(), value))
        shape = self._x.shape
        arrays = [read_single_value(array, f"at[...].{method} with repeated indices") for array in arrays]
        places = np.arange(math.prod(shape)).reshape(shape)[_joined(index, arrays)]
        values = ravel(broadcast_to(value, places.shape))
        flat = ravel(self._x)
        for turn in _turns(places.ravel()):
            here = places.ravel()[turn]
            flat = At(flat)[here]._stored(method, operation(getitem(flat, here), getitem(values, turn)))
        return reshape(flat, shape)


def _check_kinds(method: str, x: np.dtype[Any], value: np.dtype[Any]) -> None:
    """Check that values of a dtype keep their digits and imaginary parts in an array of another."""
    if x.kind in "biu" and value.kind in "fc":
        raise ArgumentTypeError(
            f"at[...].{method}: value must be integer, as x is of {x}; got {value}. Cast x first, "
            f"x.astype({value.name!r}).at[...].{method}(value), or value, if its digits and its derivative may be lost."
        )
    if x.kind != "c" and value.kind == "c":
        raise ArgumentTypeError(f"at[...].{method}: value must be real, as x is; got {value}.")


def _turns(places: Array) -> list[Array]:
    """Group positions in `places` such that within a group no place occurs twice."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    starts = np.searchsorted(ordered, ordered)
    turn = np.arange(len(places)) - starts
    return [order[turn == i] for i in range(int(turn.max(initial=-1)) + 1)]


def at(x: Array) -> At:
    """`x.at`, for arrays as for Tensors: `at(x)[index].set(value)`.

    Beside `set` there are `add`, `subtract`, `multiply` (`mul`), `divide`, `power`, `min`, `max`, and `get`. Each
    makes a new array, at the cost of the size of x: n updates in a loop cost n times that. Collect them, and make one
    update, `at(x)[indices].set(tnp.stack(values))`, or build the array by `tnp.stack` or `tnp.concatenate`.

    >>> at(np.zeros(3))[1].set(5.0)
    array([0., 5., 0.])
    """
    return At(x if hasattr(x, "dtype") else np.asarray(x))


# ---- NumPy's functions for reading ----

_wrapped = choice(np.remainder, batch=elementwise_rule)
_clipped = choice(np.clip, batch=elementwise_rule)


@numpy_function(np.take, method=np.ndarray.take)
def take(a: Array, indices: Array, axis: int | None = None, out: None = None, mode: str = "raise") -> Array:
    """Read the slices at integer `indices` along an axis, or elements of the flat array.

    Derivative: linear; a cotangent is added where its element was read, so that a repeated index receives the sum.

    >>> tnp.take(np.array([1.0, 2.0, 3.0]), [2, 0])
    array([3., 1.])
    >>> tn.grad(lambda x: tnp.take(x, [0, 0]).sum())(np.array([1.0, 2.0]))
    array([2., 0.])
    """
    indices = read_value(indices)
    a = as_array(a)
    if axis is None or a.ndim == 0:  # a scalar has the axes 0 and -1 here, as in NumPy
        a, axis = ravel(a), 0 if axis is None else axis
    axis = axis_of("take", axis, a.ndim)
    places = as_array(indices)
    if places.size == 0 or places.dtype.kind == "b":  # an empty list has no dtype of its own; numbers, not a mask
        places = places.astype(np.intp)
    length = a.shape[axis]
    if mode == "wrap":
        places = _wrapped(places, length)
    elif mode == "clip":
        places = _clipped(places, 0, length - 1)
    elif mode != "raise":
        raise ArgumentError(f"take: mode must be 'raise', 'wrap' or 'clip'; got {mode!r}.")
    return _read(a, index_at(axis, places))


@numpy_function(np.take_along_axis)
def take_along_axis(arr: Array, indices: Array, axis: int | None = -1) -> Array:
    """Read along an axis with an index array that differs from slice to slice, as `argsort` gives it.

    Derivative: linear; a cotangent is added where its element was read, so that a repeated index receives the sum.

    >>> tnp.take_along_axis(np.array([[3.0, 1.0]]), np.array([[1, 0]]), 1)
    array([[1., 3.]])
    """
    indices = as_array(read_value(indices))
    if indices.dtype.kind not in "iu":
        raise IndexingError(f"take_along_axis: indices must be integers; got {indices.dtype}.")
    if axis is None:
        if np.ndim(indices) != 1:
            raise ArgumentError(f"take_along_axis: indices must have one axis without axis=; got {np.ndim(indices)}.")
        return _read(ravel(arr), indices)
    axis = axis_of("take_along_axis", axis, arr.ndim)
    if np.ndim(indices) != arr.ndim:
        raise ArgumentError(
            f"take_along_axis: indices must have as many axes as the array, {arr.ndim}; got {np.ndim(indices)}."
        )
    grid = [
        indices if i == axis else np.arange(length).reshape(along(i, arr.ndim)) for i, length in enumerate(arr.shape)
    ]
    return _read(arr, tuple(grid))
