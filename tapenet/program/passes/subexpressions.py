"""Common subexpressions: an operation on the same values with the same parameters is done once."""

from __future__ import annotations

from collections.abc import Hashable

from tapenet.program.instructions import Instruction, Program, is_pure
from tapenet.program.passes.rewriting import rewritten


def without_repetition(program: Program) -> Program:
    """Return a program that computes each value once."""
    first: dict[Hashable, int] = {}

    def rule(instruction: Instruction) -> Instruction | int:
        key = _key(instruction)
        if key is None:
            return instruction
        known = first.setdefault(key, instruction.out)
        return instruction if known == instruction.out else known

    return rewritten(program, rule)


def _key(instruction: Instruction) -> Hashable | None:
    """Return what is equal for operations that give the same; None where that is not known."""
    if not is_pure(instruction):
        return None
    parameters = tuple(sorted(instruction.parameters.items()))
    key = instruction.primitive, instruction.operands, parameters, instruction.errors
    try:
        hash(key)
    except TypeError:  # parameters that are not hashable
        return None
    return key
