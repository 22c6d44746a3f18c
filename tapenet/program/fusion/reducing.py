"""Reducing: sums, means, products and extrema of what a region computes are made in its pass, which need not write it.

Over all axes, over the last ones, or over the first ones.
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
SMALLEST, SHORTEST, FEWEST_COLUMNS = 2**12, 2**5, 2**5

AnyStep = Instruction | Region | Cells | Stretch | Closed | Panels


@attrs.frozen(eq=False)
class Reduction:
    """A reduction of what a region computes.

    Attributes:
        instruction: the operation.
        split: how many first axes make the rows: it is along these where it is over the others, and down the columns
            where it is over them; None where it is over all axes.
        is_down: whether it is down the columns.
    """

    instruction: Instruction
    split: int | None
    is_down: bool


@attrs.frozen(eq=False)
class Reduced:
    """A region and reductions of what it computes.

    Attributes:
        region: with the results that are needed elsewhere as they are.
        reductions: of one split, and over all axes.
        instructions: of both, in order.
        inputs: the numbers of the values that they read from elsewhere.
        outputs: the numbers of the values that are needed elsewhere.
    """

    region: Region
    reductions: tuple[Reduction, ...]
    instructions: tuple[Instruction, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def reduced(self) -> tuple[tuple[int, str, bool], ...]:
        """The values that are reduced, each with the name of its reduction, and whether it is down the columns."""
        return tuple([(x.instruction.operands[0], x.instruction.name, x.is_down) for x in self.reductions])

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
            if reduced is not None and can_reduce(reduced):
                found[i] = reduced
                taken |= {*members}
    return [found.get(i, step) for i, step in enumerate(steps) if i not in taken]


def _reductions_of(
    region: Region, steps: Sequence[AnyStep], readers: dict[int, list[int]], program: Program
) -> dict[int, Reduction]:
    """Return the reductions that a region can close with, by their places: those over all axes, and of one split."""
    found: dict[int, Reduction] = {}
    for n in region.outputs:
        for k in readers.get(n, []):
            step = steps[k]
            reduction = reduction_of(step, program) if isinstance(step, Instruction) else None
            if reduction is not None:
                found[k] = reduction
    wanted = next((x.split for x in found.values() if x.split is not None), None)
    return {k: x for k, x in found.items() if x.split in (wanted, None)}


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
        return Reduction(instruction, None, False)
    for split, is_down, own_places in (
        (count - len(places), False, range(count - len(places), count)),
        (len(places), True, range(len(places))),
    ):
        if places == {*own_places} and math.prod([shape[i] for i in places]) >= SHORTEST:
            is_wide = math.prod(shape[split:]) >= FEWEST_COLUMNS
            return Reduction(instruction, split, is_down) if places and is_wide else None
    return None


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
    return Reduced(attrs.evolve(region, outputs=tuple(kept)), reductions, instructions, region.inputs, made)


# ---- chunks ----


def shape_of_chunks(reduction: Reduction, rows: int, columns: int, lanes: int) -> tuple[int, int]:
    """Return how many rows and columns the results of the chunks of a reduction have."""
    if reduction.is_down:
        return -(-rows // CHUNK), columns
    return rows, -(-columns // (CHUNK * lanes))


def finisher(reduction: Reduction, program: Program) -> Callable[[Any], Any]:
    """Return the function that joins the chunks of a reduction."""
    instruction = reduction.instruction
    own, out = (program.spaces[n].shape or () for n in (instruction.operands[0], instruction.out))
    join = {"max": np.maximum, "min": np.minimum, "prod": np.multiply}.get(instruction.name, np.add).reduce
    count = math.prod(own) // max(1, math.prod(out)) if instruction.name == "mean" else 1
    axis = None if reduction.split is None else 0 if reduction.is_down else 1

    def finished(chunks: Any) -> Any:
        is_one = axis is not None and chunks.shape[axis] == 1
        found = chunks.reshape(-1) if is_one else join(chunks, axis=axis)
        found = found / count if count > 1 else found
        return found if not out else np.reshape(found, out)

    return finished
