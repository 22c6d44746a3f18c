"""Common subexpressions: an operation on the same values with the same parameters is done once."""

from __future__ import annotations

from collections.abc import Hashable

from tapenet.program.instructions import Instruction, Program, is_pure
from tapenet.program.passes.rewriting import with_values_replaced


def without_repetition(program: Program) -> Program:
    """Return a program that computes each value once."""
    first: dict[Hashable, int] = {}
    replaced: dict[int, int] = {}
    kept = []
    for instruction in program.instructions:
        key = _key(instruction, replaced)
        if key is not None and key in first:
            replaced[instruction.out] = first[key]
            continue
        if key is not None:
            first[key] = instruction.out
        kept.append(instruction)
    return with_values_replaced(program, kept, replaced) if replaced else program


def _key(instruction: Instruction, replaced: dict[int, int]) -> Hashable | None:
    """Return what is equal for operations that give the same; None where that is not known."""
    if not is_pure(instruction):
        return None
    operands = tuple([replaced.get(n, n) for n in instruction.operands])
    key = instruction.primitive, operands, tuple(sorted(instruction.parameters.items()))
    try:
        hash(key)
    except TypeError:  # parameters that are not hashable
        return None
    return key
