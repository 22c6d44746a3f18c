"""What passes share: which operations they may touch, and a program with some values replaced by others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from tapenet.program.instructions import Instruction, Program


def with_values_replaced(program: Program, instructions: Iterable[Instruction], replaced: Mapping[int, int]) -> Program:
    """Return a program of these instructions, in which a value stands for each that is replaced."""

    if not replaced:
        return attrs.evolve(program, instructions=tuple(instructions))

    def final(number: int) -> int:
        while number in replaced:
            number = replaced[number]
        return number

    changed = [
        instruction.reading(
            tuple([final(n) for n in instruction.operands]),
            {name: final(n) for name, n in instruction.keywords.items()},
        )
        for instruction in instructions
    ]
    outputs = tuple([final(n) for n in program.outputs])
    return attrs.evolve(program, instructions=tuple(changed), outputs=outputs)


def new_numbers(program: Program) -> Iterable[int]:
    """Return numbers that no value of a program has."""
    first = max((*program.spaces, *program.constants, 0)) + 1
    return iter(range(first, first + 10**9))
