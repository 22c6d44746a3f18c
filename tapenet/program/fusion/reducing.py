"""Reducing: sums, means, products and extrema of what a region computes are made in its pass, which need not write it.

Over all axes, over the last ones, or over others that follow each other. A reduction of what no region computes is
made in the same way, as that of a region without operations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.program.fusion.cells import Cells
from tapenet.program.fusion.closing import Closed
from tapenet.program.fusion.panels import Panels
from tapenet.program.fusion.regions import Region, read_by
from tapenet.program.fusion.stretches import Stretch
from tapenet.program.instructions import Instruction, Program, readers_of

# Vectors, or rows, of a chunk: those of which are added one after the other.
CHUNK = 64

# Reductions, with the relation that an extremum is kept by.
REDUCTIONS = {"sum": "", "mean": "", "prod": "", "max": "uge", "min": "ule"}

# Elements of a region from which on its pass is longer than the calls that join the chunks; those that are reduced to
# one; and columns.
SMALLEST, SHORTEST, FEWEST_COLUMNS = 2**12, 2**3, 2**3

# Elements of a row that NumPy reduces as fast, where nothing else is done in their pass.
LONG_ROW = 2**7

# Elements of a row in memory that short rows are joined to, and how many of these are left.
JOINED_ROWS, FEWEST_ROWS = 2**9, 2**3

AnyStep = Instruction | Region | Cells | Stretch | Closed | Panels


@attrs.frozen(eq=False)
class Reduction:
    """A reduction of what a region computes.

    Attributes:
        instruction: the operation.
        split: how many first axes make the rows: it is along these where it is over the others, and down the columns
            where it is over the last of them; None where it is over all axes.
        height: how many rows are reduced to one; 0 where it is along them.
    """

    instruction: Instruction
    split: int | None
    height: int

    @property
    def is_down(self) -> bool:
        """Whether it is down the columns."""
        return self.height > 0


@attrs.frozen(eq=False)
class Reduced:
    """A region and reductions of what it computes.

    Attributes:
        region: with the results that are needed elsewhere as they are.
        reductions: of one split, and over all axes.
        instructions: of both, in order.
        inputs: the numbers of the values that they read from elsewhere.
        outputs: the numbers of the values that are needed elsewhere.
        joined: how many rows are one to the kernel, which reduces them together, and NumPy those of them.
    """

    region: Region
    reductions: tuple[Reduction, ...]
    instructions: tuple[Instruction, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    joined: int

    @property
    def reduced(self) -> tuple[tuple[int, str, int], ...]:
        """The values that are reduced, each with the name of its reduction, and how many rows are reduced to one."""
        return tuple(
            [(x.instruction.operands[0], x.instruction.name, x.height // self.joined) for x in self.reductions]
        )

    @property
    def height(self) -> int:
        """How many rows of the kernel are reduced to one; 0 where none are."""
        return max(x.height for x in self.reductions) // self.joined

    @property
    def split(self) -> int | None:
        """How many first axes make the rows; None for any number."""
        return next((x.split for x in self.reductions if x.split is not None), None)


def with_reductions(
    steps: Sequence[AnyStep], program: Program, can_reduce: Callable[[Reduced], bool]
) -> list[AnyStep | Reduced]:
    """Return the steps of a program with the reductions that regions close with in these.

    Args:
        can_reduce: whether machine code computes both.
    """
    readers = readers_of(map(read_by, steps))
    taken: set[int] = set()
    found: dict[int, Reduced] = {}
    for i, step in enumerate(steps):
        if isinstance(step, Region):
            members = _reductions_of(step, steps, readers, program)
            reduced = _reduced(step, members, readers, program) if members else None
            if reduced is not None and _is_wide(reduced, program) and can_reduce(reduced):
                found[i] = reduced
                taken |= {*members}
    for i, step in enumerate(steps):
        if i in taken or not isinstance(step, Instruction) or not _is_made_alone(step, program):
            continue
        region = Region((), step.operands, step.operands)
        members = _reductions_of(region, steps, readers, program)
        members = {k: x for k, x in members.items() if k >= i and k not in taken}
        if i not in members:
            continue
        reduced = _reduced(attrs.evolve(region, outputs=()), members, readers, program)
        if _is_wide(reduced, program) and can_reduce(reduced):
            found[i] = reduced
            taken |= {*members} - {i}
    return [found.get(i, step) for i, step in enumerate(steps) if i not in taken]


def _reductions_of(
    region: Region, steps: Sequence[AnyStep], readers: dict[int, list[int]], program: Program
) -> dict[int, Reduction]:
    """Return the reductions that a region can close with, by their places: those over all axes, and of one split."""
    found: dict[int, Reduction] = {}
    for k in [k for n in region.outputs for k in readers.get(n, [])]:
        step = steps[k]
        reduction = reduction_of(step, program) if isinstance(step, Instruction) else None
        if reduction is not None:
            found[k] = reduction
    split = next((x.split for x in found.values() if x.split is not None), None)
    height = next((x.height for x in found.values() if x.split == split and x.is_down), 0)
    return {k: x for k, x in found.items() if x.split in (split, None) and x.height in (height, 0)}


def _is_made_alone(instruction: Instruction, program: Program) -> bool:
    """Return whether a reduction is worth machine code where no region is before it."""
    reduction = reduction_of(instruction, program)
    shape = program.shape_of(instruction.operands[0])
    return reduction is not None and (instruction.name == "prod" or math.prod(shape[reduction.split or 0 :]) < LONG_ROW)


def reduction_of(instruction: Instruction, program: Program) -> Reduction | None:
    """Return an operation as one that a region can close with; None for another, and where it is not worth it."""
    if instruction.name not in REDUCTIONS or len(instruction.operands) != 1:
        return None
    out, own = program.spaces[instruction.out], program.spaces[instruction.operands[0]]
    shape, parameters = own.shape, instruction.parameters
    if not shape or math.prod(shape) < SMALLEST or out.dtype != own.dtype or own.dtype is None:
        return None
    if own.dtype.char not in "fd" or set(parameters) - {"axis", "keepdims"}:
        return None
    axis, count = parameters.get("axis"), len(shape)
    axes = range(count) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    places = {place % count for place in axes}
    if len(places) == count:
        return Reduction(instruction, None, 0)
    first, last = min(places, default=0), max(places, default=0)
    size = math.prod([shape[k] for k in places])
    if size < SHORTEST or len(places) != last - first + 1:
        return None
    split, height = (first, 0) if last == count - 1 else (last + 1, size)
    is_wide = height > 0 or math.prod(shape[split:]) >= FEWEST_COLUMNS  # rows may be joined
    return Reduction(instruction, split, height) if is_wide else None


def can_wait(instruction: Instruction, program: Program) -> bool:
    """Return whether an operation may be done later; those down the columns belong to the products before them."""
    found = reduction_of(instruction, program)
    return found is not None and not found.is_down


def _reduced(region: Region, members: dict[int, Reduction], readers: dict[int, list[int]], program: Program) -> Reduced:
    outputs = {*program.outputs}
    kept = [n for n in region.outputs if n in outputs or {*readers.get(n, [])} - {*members}]
    reductions = tuple(members.values())
    added = [x.instruction for x in reductions]
    made = (*kept, *(x.out for x in added))
    instructions = (*region.instructions, *added)
    joined = _joined_rows(region, reductions, program)
    return Reduced(attrs.evolve(region, outputs=tuple(kept)), reductions, instructions, region.inputs, made, joined)


def _is_wide(reduced: Reduced, program: Program) -> bool:
    """Return whether rows are long enough for vectors."""
    shape = program.shape_of(reduced.reduced[0][0])
    return math.prod(shape[reduced.split or 0 :]) * reduced.joined >= FEWEST_COLUMNS


def _joined_rows(region: Region, reductions: Sequence[Reduction], program: Program) -> int:
    """Return how many short rows can be one: where all reductions are down the columns, and nothing is broadcast."""
    shape = program.shape_of(reductions[0].instruction.operands[0])
    height = reductions[0].height
    if not height or any(x.height != height for x in reductions):
        return 1
    if any(program.spaces[n].shape not in (shape, (), None) for n in region.inputs):
        return 1
    most = min(height // FEWEST_ROWS, JOINED_ROWS // math.prod(shape[reductions[0].split :]))
    return max([k for k in range(2, most + 1) if height % k == 0], default=1)


# ---- chunks ----


def shape_of_chunks(reduction: Reduction, rows: int, columns: int, lanes: int, joined: int = 1) -> tuple[int, int, int]:
    """Return the shape of the results of the chunks of a reduction, of which axis 1 is that of chunks."""
    if reduction.is_down:
        height = reduction.height // joined
        return rows // height, -(-height // CHUNK) * joined, columns // joined
    return rows, -(-columns // (CHUNK * lanes)), 1


def finisher(reduction: Reduction, program: Program) -> Callable[[Any], Any]:
    """Return the function that joins the chunks of a reduction."""
    instruction = reduction.instruction
    own, out = (program.shape_of(n) for n in (instruction.operands[0], instruction.out))
    join = {"max": np.maximum, "min": np.minimum, "prod": np.multiply}.get(instruction.name, np.add).reduce
    count = math.prod(own) // max(1, math.prod(out)) if instruction.name == "mean" else 1
    axis = None if reduction.split is None else 1

    def finished(chunks: Any) -> Any:
        is_one = axis is not None and chunks.shape[axis] == 1
        found = chunks.reshape(-1) if is_one else join(chunks, axis=axis)
        found = found / count if count > 1 else found
        return found if not out else np.reshape(found, out)

    return finished
