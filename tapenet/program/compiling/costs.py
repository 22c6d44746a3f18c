"""`Cost`: the operations on numbers and the bytes that a program stands for."""

from __future__ import annotations

import attrs

from tapenet.program.instructions import Instruction, Program
from tapenet.views.flops import flops_of_operation

# Operations that write nothing: their results lie in the memory of an operand.
VIEWS = frozenset({"transpose", "reshape", "getitem", "broadcast_to", "rows", "stop_gradient"})


@attrs.frozen
class Cost:
    """What a program costs.

    Attributes:
        instructions: how many operations and guards it has.
        flops: operations on numbers, estimated as `tape.summary()` does.
        bytes: of all arrays that its instructions write; those of views are not written.
        seconds: spent on recording and compiling it.
    """

    instructions: int
    flops: int
    bytes: int
    seconds: float


def cost_of(program: Program, seconds: float) -> Cost:
    """Estimate what a program costs."""
    flops = sum(_flops(program, x) for x in program)
    return Cost(len(program), flops, sum(_written(program, x) for x in program), seconds)


def _flops(program: Program, instruction: Instruction) -> int:
    if instruction.primitive is None:
        return 0
    shapes = [program.spaces[n].shape for n in instruction.operands]
    space = program.spaces[instruction.out]
    out = space.parts[0][0] if space.parts else space.shape
    return flops_of_operation(instruction.primitive, shapes, out, instruction.parameters)


def _written(program: Program, instruction: Instruction) -> int:
    """Return the bytes that an operation writes; those of a tuple are counted with its parts."""
    if instruction.primitive is None or instruction.name in VIEWS:
        return 0
    return program.spaces[instruction.out].nbytes
