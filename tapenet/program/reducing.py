"""Reducing: sums, means and extrema of what a region computes are made in its own pass, which need not write it.

Over all axes, or over the last ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.program.closing import Closed
from tapenet.program.instructions import Instruction, Program
from tapenet.program.reduction_code import CHUNK, REDUCTIONS
from tapenet.program.regions import Region
from tapenet.program.stretches import Stretch

# Elements of a region from which on its pass is longer than the calls that join the chunks, and of a row.
SMALLEST, SHORTEST = 2**12, 2**5

AnyStep = Instruction | Region | Stretch | Closed


@attrs.frozen(eq=False)
class Reduced:
    """A region and reductions of what it computes.

    Attributes:
        region: with the results that are needed elsewhere as they are.
        reductions: each with the number of last axes that it is over.
        instructions: of both, in order.
        inputs: the numbers of the values that they read from elsewhere.
        outputs: the numbers of the values that are needed elsewhere.
    """

    region: Region
    reductions: tuple[tuple[Instruction, int], ...]
    instructions: tuple[Instruction, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def reduced(self) -> tuple[tuple[int, str], ...]:
        """The values that are reduced, each with the name of its reduction."""
        return tuple([(x.operands[0], x.name) for x, _ in self.reductions])

    def axes(self, program: Program) -> int | None:
        """Return how many last axes all reductions are over; None where they are over all axes."""
        count = len(program.spaces[self.region.instructions[0].out].shape or ())
        return next((axes for _, axes in self.reductions if axes < count), None)


def with_reductions(
    steps: Sequence[AnyStep], program: Program, can_reduce: Callable[[Reduced], bool]
) -> list[AnyStep | Reduced]:
    """Return the steps of a program with the reductions that regions close with in these.

    Args:
        can_reduce: whether machine code computes both.
    """
    readers: dict[int, set[int]] = {}
    for i, step in enumerate(steps):
        for n in step.reads if isinstance(step, Instruction) else step.inputs:
            readers.setdefault(n, set()).add(i)
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
    region: Region, steps: Sequence[AnyStep], readers: dict[int, set[int]], program: Program
) -> dict[int, tuple[Instruction, int]]:
    """Return the reductions that a region can close with, by their places: those over all axes, and one number more."""
    shape = program.spaces[region.outputs[0]].shape if region.outputs else None
    if not shape or math.prod(shape) < SMALLEST:
        return {}
    found: dict[int, tuple[Instruction, int]] = {}
    for n in region.outputs:
        for k in sorted(readers.get(n, ())):
            step = steps[k]
            axes = _last_axes(step, program) if isinstance(step, Instruction) and step.operands == (n,) else None
            if axes is not None:
                assert isinstance(step, Instruction)
                found[k] = (step, axes)
    wanted = next((axes for _, axes in found.values() if axes < len(shape)), len(shape))
    return {k: pair for k, pair in found.items() if pair[1] in (wanted, len(shape))}


def is_reduction(instruction: Instruction, program: Program) -> bool:
    """Return whether a region may close with an operation."""
    if instruction.name not in REDUCTIONS or len(instruction.operands) != 1:
        return False
    shape = program.spaces[instruction.operands[0]].shape
    return shape is not None and math.prod(shape) >= SMALLEST and _last_axes(instruction, program) is not None


def _last_axes(instruction: Instruction, program: Program) -> int | None:
    """Return how many last axes a reduction is over; None for another operation, and for other axes."""
    out, own = program.spaces[instruction.out], program.spaces[instruction.operands[0]]
    shape, parameters = own.shape, instruction.parameters
    if instruction.name not in REDUCTIONS or not shape or out.dtype != own.dtype or own.dtype is None:
        return None
    if own.dtype.char not in "fd" or set(parameters) - {"axis", "keepdims"}:
        return None
    axis, count = parameters.get("axis"), len(shape)
    axes = range(count) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    places = {place % count for place in axes}
    if not places or places != {*range(count - len(places), count)}:
        return None
    is_long = math.prod(shape[count - len(places) :]) >= SHORTEST
    return len(places) if is_long else None


def _reduced(
    region: Region, members: dict[int, tuple[Instruction, int]], readers: dict[int, set[int]], program: Program
) -> Reduced:
    outputs = {*program.outputs}
    kept = [n for n in region.outputs if n in outputs or readers.get(n, set()) - {*members}]
    reductions = tuple(members.values())
    instructions = (*region.instructions, *(x for x, _ in reductions))
    made = (*kept, *(x.out for x, _ in reductions))
    return Reduced(attrs.evolve(region, outputs=tuple(kept)), reductions, instructions, region.inputs, made)


# ---- chunks ----


def chunks_of(columns: int, lanes: int) -> int:
    """Return how many chunks a row has."""
    return -(-columns // (CHUNK * lanes))


def finisher(instruction: Instruction, axes: int, program: Program) -> Callable[[Any], Any]:
    """Return the function that joins the chunks of a reduction, of shape (rows, chunks)."""
    own, out = (program.spaces[n].shape or () for n in (instruction.operands[0], instruction.out))
    join = {"max": np.maximum, "min": np.minimum}.get(instruction.name, np.add).reduce
    count = math.prod(own[len(own) - axes :]) if instruction.name == "mean" else 1
    is_all = axes == len(own)

    def finished(chunks: Any) -> Any:
        if is_all:
            found = join(chunks, axis=None)
        else:
            found = chunks[:, 0] if chunks.shape[1] == 1 else join(chunks, axis=1)
        found = found / count if count > 1 else found
        return found if not out else np.reshape(found, out)

    return finished
