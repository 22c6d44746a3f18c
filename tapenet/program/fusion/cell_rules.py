"""What operations do inside cells: each becomes operations on single components, of which each is an array of a batch.

A component is a number like that of any value. What an operation moves is a matter of these numbers, and no work; what
it reduces or multiplies becomes sums, by halves, and products of components.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.arguments import axes_of
from tapenet.core.primitive import REGISTRY, Primitive
from tapenet.core.record import Shape
from tapenet.ops.arrays.indices import ALL, ARRAY, Slice
from tapenet.ops.elementwise import choices
from tapenet.program.instructions import Instruction, Program, Space
from tapenet.program.passes.rewriting import new_numbers

# Components of a value at most: what is done with each is written out.
MOST_COMPONENTS = 16

# Terms of a product at most.
MOST_TERMS = 2**8

Numbers = Any  # an array of integers: the components of a value


class NotInCellsError(Exception):
    """An operation mixes the elements of a batch, or has too many components."""


@attrs.frozen
class Component:
    """Where a component of an array in C order lies.

    Attributes:
        array: the number of the array.
        offset: of the first of its elements.
        step: elements from one of them to the next.
    """

    array: int
    offset: int = 0
    step: int = 1


NO_COMPONENTS: Mapping[int, Component] = types.MappingProxyType({})


@attrs.define(eq=False)
class Writer:
    """Writes operations on components.

    Attributes:
        program: that the operations are of.
        batch: the shape of each component.
        char: of the precision of floats.
        is_own: whether a value is computed in the same cells.
        is_elementwise: whether kernels know an operation, which is elementwise.
        made: the operations on components, in order.
        values: the components of values, by their numbers; of those read from elsewhere also by their batch axes.
        sources: the components that are read.
        constants, spaces: of all these.
    """

    program: Program
    batch: Shape
    char: str
    is_own: Callable[[int], bool]
    is_elementwise: Callable[[Instruction], bool]
    made: list[Instruction] = attrs.field(factory=list)
    values: dict[Any, Numbers] = attrs.field(factory=dict)
    sources: dict[int, Component] = attrs.field(factory=dict)
    constants: dict[int, Any] = attrs.field(factory=dict)
    spaces: dict[int, Space] = attrs.field(factory=dict)
    numbers: Iterator[int] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.numbers = new_numbers(self.program)

    # ---- values ----

    def shape(self, number: int) -> Shape:
        return self.program.shape_of(number)

    def cell(self, number: int, axes: int | None = None) -> Numbers:
        """Return the components of a value, of which so many first axes are those of the batch; by default all."""
        axes = len(self.batch) if axes is None else axes
        shape = self.shape(number)
        if self.is_own(number) and axes != len(self.batch):
            raise NotInCellsError
        key = number if self.is_own(number) else (number, axes)
        if key not in self.values:
            self.values[key] = self._read(number, axes, shape)
        return self.values[key]

    def _read(self, number: int, axes: int, shape: Shape) -> Numbers:
        own = shape[:axes]
        fits = all(a in (1, b) for a, b in zip(own, self.batch[len(self.batch) - axes :], strict=True))
        if not fits or math.prod(shape[axes:]) > MOST_COMPONENTS:
            raise NotInCellsError
        space = self.program.spaces[number]
        if not shape:
            self.spaces[number] = space
            if number in self.program.constants:
                self.constants[number] = self.program.constants[number]
            return np.array(number)
        if space.dtype is None or space.dtype.char not in (self.char, "?") or not space.is_array:
            raise NotInCellsError
        count = math.prod(shape[axes:])
        found = np.array([next(self.numbers) for _ in range(count)], int).reshape(shape[axes:])
        for offset, component in enumerate(found.ravel().tolist()):
            self.sources[component] = Component(number, offset, count)
            self.spaces[component] = Space(own or (1,), space.dtype)
        return found

    def operand(self, number: int, count: int) -> Numbers:
        """Return the components of an operand that is broadcast to so many axes."""
        return self.cell(number, max(0, len(self.batch) - (count - len(self.shape(number)))))

    def constant(self, x: float) -> int:
        """Return the number of a Python number."""
        key = ("constant", x)
        if key not in self.values:
            number = self.values[key] = next(self.numbers)
            self.constants[number], self.spaces[number] = x, Space.of_constant(x)
        return int(self.values[key])

    # ---- operations ----

    def new(self, operation: str | Primitive, *operands: int, char: str = "", **parameters: Any) -> int:
        """Write an operation on components, and return the number of its value."""
        primitive = REGISTRY[operation] if isinstance(operation, str) else operation
        number = next(self.numbers)
        self.spaces[number] = Space(self.batch, np.dtype(char or self.char))
        self.made.append(Instruction(primitive, operands, parameters, number))
        return number

    def each(self, operation: str | Primitive, *operands: Numbers, char: str = "", **parameters: Any) -> Numbers:
        """Write an elementwise operation on all components, which are broadcast."""
        arrays = np.broadcast_arrays(*operands)
        rows = zip(*(x.ravel().tolist() for x in arrays), strict=True)
        made = [self.new(operation, *row, char=char, **parameters) for row in rows]
        return np.array(made, int).reshape(arrays[0].shape)

    def folded(self, name: str, terms: Sequence[int]) -> int:
        """Write a sum, product or extremum of components, by halves: errors grow with the logarithm of their count."""
        while len(terms) > 1:
            pairs = [self.new(name, a, b) for a, b in zip(terms[::2], terms[1::2], strict=False)]
            terms = [*pairs, *terms[2 * len(pairs) :]]
        return terms[0]

    def reduced(self, name: str, cell: Numbers, axes: Sequence[int]) -> Numbers:
        """Write a reduction along axes of a cell, which are kept with length 1."""
        kept = [axis for axis in range(cell.ndim) if axis not in axes]
        shape = tuple([1 if axis in axes else n for axis, n in enumerate(cell.shape)])
        rows = cell.transpose(*kept, *axes).reshape(math.prod(shape), -1).tolist()
        return np.array([self.folded(name, row) for row in rows], int).reshape(shape)

    def product(self, cells: Sequence[Numbers], labels: Sequence[str], out: str) -> Numbers:
        """Write the sum of products of components over labelled axes, in Einstein's notation."""
        pairs = [x for cell, own in zip(cells, labels, strict=True) for x in zip(own, cell.shape, strict=True)]
        sizes = dict(pairs)
        summed = [label for label in sizes if label not in out]
        if any(sizes[label] != n for label, n in pairs) or math.prod(sizes.values()) > MOST_TERMS:
            raise NotInCellsError
        found = np.zeros([sizes[label] for label in out], int)
        for place in np.ndindex(found.shape):
            at = dict(zip(out, place, strict=True))
            terms = []
            for rest in np.ndindex(*(sizes[label] for label in summed)):
                at |= dict(zip(summed, rest, strict=True))
                factors = [int(x[tuple([at[i] for i in own])]) for x, own in zip(cells, labels, strict=True)]
                terms.append(self.folded("multiply", factors))
            found[place] = self.folded("add", terms)
        return found

    def write(self, instruction: Instruction) -> None:
        """Write an operation.

        Raises:
            NotInCellsError: it is not one of cells.
        """
        out, axes = self.program.spaces[instruction.out], len(self.batch)
        shape = out.shape or ()
        fits = shape[:axes] == self.batch and math.prod(shape[axes:]) <= MOST_COMPONENTS
        if not fits or out.dtype is None or not out.is_array or out.dtype.char not in (self.char, "?"):
            raise NotInCellsError
        rule = RULES.get(instruction.name, _elementwise)
        self.values[instruction.out] = np.reshape(rule(self, instruction), shape[axes:])

    def result(self, number: int) -> int:
        """Return a component that is to be written: one that was only moved, as an operation of its own."""
        if number in self.sources or number in self.constants or self.spaces[number].shape != self.batch:
            if self.spaces[number].dtype == np.bool_:
                raise NotInCellsError
            return self.new("positive", number)
        return number


# ---- rules: the components of what an operation gives ----


def _elementwise(w: Writer, instruction: Instruction) -> Numbers:
    if not w.is_elementwise(instruction):
        raise NotInCellsError
    assert instruction.primitive is not None
    count = len(w.shape(instruction.out))
    cells = [w.operand(n, count) for n in instruction.operands]
    dtype = w.program.spaces[instruction.out].dtype
    assert dtype is not None
    return w.each(instruction.primitive, *cells, char=dtype.char, **instruction.parameters)


def _reduced_axes(w: Writer, instruction: Instruction, known: Sequence[str] = ("axis", "keepdims")) -> tuple[int, ...]:
    """Return the axes of a cell that an operation reduces."""
    axis, count = instruction.parameters.get("axis"), len(w.shape(instruction.operands[0]))
    if axis is None or set(instruction.parameters) - {*known}:
        raise NotInCellsError
    axes = axes_of(instruction.name, axis, count)
    spaces = w.program.spaces
    if min(axes, default=0) < len(w.batch) or spaces[instruction.operands[0]].dtype != np.dtype(w.char):
        raise NotInCellsError
    return tuple([axis - len(w.batch) for axis in axes])


_FOLDS = {"sum": "add", "mean": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}


def _reduction(w: Writer, instruction: Instruction) -> Numbers:
    axes, cell = _reduced_axes(w, instruction), w.cell(instruction.operands[0])
    found = w.reduced(_FOLDS[instruction.name], cell, axes)
    return w.each("divide", found, w.constant(cell.size // found.size)) if instruction.name == "mean" else found


def _moment(w: Writer, instruction: Instruction) -> Numbers:
    axes, cell = _reduced_axes(w, instruction, ("axis", "keepdims", "ddof")), w.cell(instruction.operands[0])
    count: float = math.prod([cell.shape[axis] for axis in axes])
    if instruction.name != "norm":
        mean = w.each("divide", w.reduced("add", cell, axes), w.constant(count))
        cell = w.each("subtract", cell, mean)
        count -= instruction.parameters.get("ddof", 0)
    total = w.reduced("add", w.each("square", cell), axes)
    if count <= 0:
        raise NotInCellsError
    total = total if instruction.name == "norm" else w.each("divide", total, w.constant(count))
    return total if instruction.name == "var" else w.each("sqrt", total)


def _less_largest(w: Writer, instruction: Instruction, axes: Sequence[int]) -> Numbers:
    cell = w.cell(instruction.operands[0])
    largest = w.reduced("maximum", cell, axes)
    is_above = w.each(choices.greater, largest, w.constant(-math.inf), char="?")
    return w.each("subtract", cell, w.each("where", is_above, largest, w.constant(0.0)))


def _softmax(w: Writer, instruction: Instruction) -> Numbers:
    axes = _reduced_axes(w, instruction)
    weights = w.each("exp", _less_largest(w, instruction, axes))
    return w.each("divide", weights, w.reduced("add", weights, axes))


def _log_softmax(w: Writer, instruction: Instruction) -> Numbers:
    axes = _reduced_axes(w, instruction)
    less = _less_largest(w, instruction, axes)
    zero, one = w.constant(0.0), w.constant(1.0)
    is_largest = w.each(choices.equal, less, zero, char="?")
    others = w.reduced("add", w.each("where", is_largest, zero, w.each("exp", less)), axes)
    count = w.reduced("add", w.each("where", is_largest, one, zero), axes)
    return w.each("subtract", less, w.each("log1p", w.each("add", others, w.each("subtract", count, one))))


def _winners(w: Writer, instruction: Instruction) -> Numbers:
    axes = _reduced_axes(w, instruction, ("axis", "keepdims", "skips_nan"))
    cell, best = (w.cell(n) for n in instruction.operands)
    best = best.reshape([1 if axis in axes else n for axis, n in enumerate(cell.shape)])
    one = w.constant(1.0)
    shares = w.each("where", w.each(choices.equal, cell, best, char="?"), one, w.constant(0.0))
    if not instruction.parameters["skips_nan"]:
        shares = w.each("where", w.each(choices.isnan, cell, char="?"), one, shares)
    return w.each("divide", shares, w.each("maximum", w.reduced("add", shares, axes), one))


def _matmul(w: Writer, instruction: Instruction) -> Numbers:
    counts = [len(w.shape(n)) for n in instruction.operands]
    if min(counts) < 2 or len(w.shape(instruction.out)) != len(w.batch) + 2 or instruction.parameters:
        raise NotInCellsError
    cells = [w.cell(n, count - 2) for n, count in zip(instruction.operands, counts, strict=True)]
    return w.product(cells, ("ij", "jk"), "ik")


def _einsum(w: Writer, instruction: Instruction) -> Numbers:
    labels, out, axes = instruction.parameters["labels"], instruction.parameters["out"], len(w.batch)
    batch, cells, rest = out[:axes], [], []
    for n, own in zip(instruction.operands, labels, strict=True):
        is_batched = own[:axes] == batch
        rest.append(own[axes:] if is_batched else own)
        if not "".join(labels).isalpha() or set(rest[-1]) & set(batch):
            raise NotInCellsError
        cells.append(w.cell(n, axes if is_batched else 0))
    return w.product(cells, rest, out[axes:])


def _getitem(w: Writer, instruction: Instruction) -> Numbers:
    (x,) = instruction.operands
    return w.cell(x)[_inside(w, instruction.parameters["index"], w.shape(x))]


def _inside(w: Writer, index: Sequence[Any], shape: Shape) -> tuple[Any, ...]:
    """Return an index of an array as one of its cells, which must read all of the batch."""
    hidden = len(shape) - sum(part is not None and part is not Ellipsis for part in index)
    parts = [part for x in (index if Ellipsis in index else (*index, ...)) for part in _expanded(x, hidden)]
    axes = len(w.batch)
    if any(part is ARRAY for part in parts) or shape[:axes] != w.batch:
        raise NotInCellsError
    if not all(_is_whole(part, n) for part, n in zip(parts[:axes], w.batch, strict=True)):
        raise NotInCellsError
    own = (slice(x.start, x.stop, x.step) if type(x) is Slice else x for x in parts[axes:])
    return (*own, ...)


def _expanded(part: Any, hidden: int) -> Sequence[Any]:
    return (ALL,) * hidden if part is Ellipsis else (part,)


def _is_whole(part: Any, length: int) -> bool:
    """Return whether a part of an index reads all places along an axis, in order."""
    return type(part) is Slice and slice(part.start, part.stop, part.step).indices(length) == (0, length, 1)


def _place(w: Writer, instruction: Instruction) -> Numbers:
    return _placed(w, instruction.operands, [instruction.parameters["index"]], instruction.parameters["shape"])


def _assemble(w: Writer, instruction: Instruction) -> Numbers:
    indices = instruction.parameters["indices"]
    if any(count for _, count in indices):
        raise NotInCellsError
    return _placed(w, instruction.operands, [index for index, _ in indices], instruction.parameters["shape"])


def _placed(w: Writer, operands: Sequence[int], indices: Sequence[Any], shape: Shape) -> Numbers:
    zero = w.constant(0.0)
    found = np.full(shape[len(w.batch) :], zero)
    for n, index in zip(operands, indices, strict=True):
        inside = _inside(w, index, shape)
        before, cell = found[inside], np.broadcast_to(w.cell(n), found[inside].shape)
        pairs = zip(before.ravel().tolist(), cell.ravel().tolist(), strict=True)
        found[inside] = np.reshape([b if a == zero else w.new("add", a, b) for a, b in pairs], before.shape)
    return found


def _reshape(w: Writer, instruction: Instruction) -> Numbers:
    (x,), axes = instruction.operands, len(w.batch)
    if w.shape(x)[:axes] != w.batch:
        raise NotInCellsError
    return w.cell(x)


def _transpose(w: Writer, instruction: Instruction) -> Numbers:
    order, axes = instruction.parameters["axes"], len(w.batch)
    if tuple(order[:axes]) != tuple(range(axes)):
        raise NotInCellsError
    return w.cell(instruction.operands[0]).transpose([axis - axes for axis in order[axes:]])


def _concatenate(w: Writer, instruction: Instruction) -> Numbers:
    axis = instruction.parameters["axis"] - len(w.batch)
    if axis < 0:
        raise NotInCellsError
    return np.concatenate([w.cell(n) for n in instruction.operands], axis)


def _broadcast_to(w: Writer, instruction: Instruction) -> Numbers:
    shape = w.shape(instruction.out)
    return np.broadcast_to(w.operand(instruction.operands[0], len(shape)), shape[len(w.batch) :])


Rule = Callable[[Writer, Instruction], Numbers]

RULES: dict[str, Rule] = {
    **dict.fromkeys(_FOLDS, _reduction),
    **dict.fromkeys(("var", "std", "norm"), _moment),
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "winners": _winners,
    "matmul": _matmul,
    "einsum": _einsum,
    "getitem": _getitem,
    "place": _place,
    "assemble": _assemble,
    "reshape": _reshape,
    "transpose": _transpose,
    "concatenate": _concatenate,
    "broadcast_to": _broadcast_to,
}
