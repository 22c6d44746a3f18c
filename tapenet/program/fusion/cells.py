"""Cells: a few numbers at each place of a batch, that are computed together, in vectors along the batch.

A softmax over ten classes, distances of all pairs of points, products of 3 x 3 matrices: NumPy's functions take their
time for each row, and kernels of rows are no longer than a vector. In cells each of the few numbers is a component,
which is an array of the batch, so that reductions, small products and moves inside the cell are elementwise.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping

import attrs
import numpy as np

from tapenet.core.arguments import axes_of
from tapenet.core.record import Shape
from tapenet.program.fusion.cell_rules import MOST_COMPONENTS, RULES, Component, NotInCellsError, Writer
from tapenet.program.fusion.regions import CanJoin, Region, Step, in_regions, inputs_of
from tapenet.program.instructions import Instruction, Program, is_pure, readers_of

# Places of a batch from which on the pass over it is longer than its call.
SMALLEST_BATCH = 2**5

# Operations from one that only cells do fast, within which others are computed with it; operations on components that
# are compiled together, and in all of a program.
REACH, MOST_OPERATIONS, MOST_WRITTEN = 12, 2**11, 2**13

_ALONG = frozenset({"sum", "mean", "prod", "max", "min", "var", "std", "norm", "softmax", "log_softmax", "winners"})


@attrs.frozen
class Batch:
    """What cells that are computed together have in common.

    Attributes:
        shape: the first axes of all values.
        char: of the precision of floats.
    """

    shape: Shape
    char: str


@attrs.frozen(eq=False)
class Cells:
    """Operations on cells.

    Attributes:
        instructions: in order.
        inputs: the numbers of the values that they read from elsewhere.
        outputs: the numbers of the values that are needed elsewhere.
        region: the same on components.
        program: that the region is of.
        sources: where components that it reads lie.
        results: the components that it writes, and where.
    """

    instructions: tuple[Instruction, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    region: Region
    program: Program
    sources: Mapping[int, Component]
    results: tuple[tuple[int, Component], ...]


AnyStep = Step | Cells


def with_cells(
    program: Program,
    can_join: CanJoin,
    can_wait: CanJoin,
    is_elementwise: CanJoin,
    can_compute: Callable[[Cells], bool],
) -> list[AnyStep]:
    """Return the instructions of a program, with those that are elementwise in regions, and those of cells in these.

    Args:
        can_join, can_wait: as for `in_regions`.
        is_elementwise: whether kernels know an operation, which is elementwise.
        can_compute: whether machine code computes cells; others are left to regions.
    """
    batches = _Search(program, is_elementwise).batches()
    if not batches:
        return [*in_regions(program, can_join, can_wait)]
    steps = in_regions(program, lambda x: x.out in batches or can_join(x), can_wait, batches)
    found: list[AnyStep] = []
    for step in steps:
        batch = batches.get(step.instructions[0].out) if isinstance(step, Region) else None
        if not isinstance(step, Region) or batch is None:
            found.append(step)
            continue
        needs_cells = any(_batch_of(x, program) is not None for x in step.instructions)
        cells = _cells(step, program, batch, is_elementwise) if needs_cells else None
        if cells is not None and can_compute(cells):
            found.append(cells)
        else:
            alone = attrs.evolve(program, instructions=step.instructions, inputs=step.inputs, outputs=step.outputs)
            found += in_regions(alone, can_join, can_wait)
    return found


# ---- which operations are of cells ----


@attrs.frozen(eq=False)
class _Search:
    """Looks for operations of cells.

    Attributes:
        program: that they are of.
        is_elementwise: whether kernels know an operation, which is elementwise.
        found: their batches, by what they make.
    """

    program: Program
    is_elementwise: CanJoin
    found: dict[int, Batch] = attrs.field(factory=dict)

    def batches(self) -> dict[int, Batch]:
        """Return the batches of operations that cells alone do fast, and of those around them, by what they make."""
        instructions, pending, written = self.program.instructions, deque[tuple[Instruction, int]](), 0
        for x in instructions:
            batch = _batch_of(x, self.program)
            if batch is not None and self.size(x, batch) is not None:
                self.found[x.out] = batch
                pending.append((x, 0))
        makers = {x.out: x for x in instructions} if pending else {}
        readers = readers_of(x.reads for x in instructions) if pending else {}
        while pending and written < MOST_WRITTEN:
            x, distance = pending.popleft()
            around = [makers[n] for n in x.operands if n in makers] + [instructions[i] for i in readers.get(x.out, ())]
            for other in around if distance < REACH else []:
                size = self.size(other, self.found[x.out]) if other.out not in self.found else None
                if size is not None:
                    self.found[other.out] = self.found[x.out]
                    written += size
                    pending.append((other, distance + 1))
        return self.found if written < MOST_WRITTEN else {}

    def size(self, instruction: Instruction, batch: Batch) -> int | None:
        """Return how many operations on components an operation becomes; None for one that is not of cells."""
        space = self.program.spaces.get(instruction.out)
        shape = () if space is None else space.shape or ()
        if not is_pure(instruction) or shape[: len(batch.shape)] != batch.shape:
            return None
        writer = Writer(
            self.program, batch.shape, batch.char, lambda n: self.found.get(n) == batch, self.is_elementwise
        )
        try:
            for n in instruction.operands:
                if writer.is_own(n):
                    writer.values[n] = np.zeros(writer.shape(n)[len(batch.shape) :], int)
            writer.write(instruction)
        except NotInCellsError:
            return None
        return len(writer.made)


def _batch_of(instruction: Instruction, program: Program) -> Batch | None:
    """Return the batch of an operation that is fast in cells alone; None for another."""
    space = program.spaces.get(instruction.out)
    if instruction.name not in RULES or space is None or space.dtype is None or space.dtype.char not in "fd":
        return None
    whole = program.spaces[instruction.operands[0]].shape if instruction.name in _ALONG else space.shape
    if not whole or 0 in whole:
        return None
    count = _count_of_axes(instruction, whole)
    if count < 1 or math.prod(whole[:count]) < SMALLEST_BATCH:
        return None
    return Batch(tuple(whole[:count]), space.dtype.char)


def _count_of_axes(instruction: Instruction, shape: Shape) -> int:
    """Return how many first axes make the batch: as few as can be; 0 where an operation needs no cells."""
    name, count = instruction.name, len(shape)
    if name == "matmul":
        return count - 2
    if name in _ALONG and _length_along(instruction, shape) < 2:
        return 0
    least = next(k for k in range(1, count + 1) if math.prod(shape[k:]) <= MOST_COMPONENTS)
    if name == "einsum":
        return least
    axis = instruction.parameters.get("axis")
    if axis is None or (name not in _ALONG and name != "concatenate"):
        return 0
    return least if least <= min(axes_of(name, axis, count), default=0) else 0


def _length_along(instruction: Instruction, shape: Shape) -> int:
    """Return how many elements are reduced together."""
    axis = instruction.parameters.get("axis")
    axes = range(len(shape)) if axis is None else axes_of(instruction.name, axis, len(shape))
    return math.prod([shape[k] for k in axes])


# ---- operations on components ----


def _cells(region: Region, program: Program, batch: Batch, is_elementwise: CanJoin) -> Cells | None:
    """Return the operations of a region on components; None where there are too many, or one is not of cells."""
    own = {x.out for x in region.instructions}
    writer = Writer(program, batch.shape, batch.char, own.__contains__, is_elementwise)
    results: list[tuple[int, Component]] = []
    try:
        for instruction in region.instructions:
            writer.write(instruction)
            if len(writer.made) > MOST_OPERATIONS:
                return None
        for number in region.outputs:
            parts = writer.values[number].ravel().tolist()
            results += [(writer.result(n), Component(number, i, len(parts))) for i, n in enumerate(parts)]
    except NotInCellsError:
        return None
    made = tuple(writer.made)
    written = tuple(dict.fromkeys(n for n, _ in results))
    inner = Region(made, tuple(n for n in inputs_of(made) if n not in writer.constants), written)
    spaces = {**writer.spaces, **{n: program.spaces[n] for n in (*region.inputs, *region.outputs)}}
    components = Program(made, inner.inputs, writer.constants, written, spaces)
    return Cells(region.instructions, region.inputs, region.outputs, inner, components, writer.sources, tuple(results))
