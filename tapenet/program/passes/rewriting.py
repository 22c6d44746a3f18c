"""What passes share: a walk that rewrites one instruction after the other, and new values of a program."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs

from tapenet.core.primitive import Primitive
from tapenet.core.record import Parameters
from tapenet.program.instructions import Instruction, Program, Space


def rewritten(program: Program, rule: Callable[[Instruction], Instruction | int]) -> Program:
    """Return a program whose instructions are what a rule makes of each, one after the other.

    Args:
        program: to change.
        rule: gives an instruction with the same value, or the number of an earlier value that stands for it. It is
            given the instruction with what stands for its operands.
    """
    replaced: dict[int, int] = {}
    kept = []
    for instruction in program.instructions:
        made = rule(_reading(instruction, replaced) if replaced else instruction)
        if isinstance(made, int):
            replaced[instruction.out] = made
        else:
            kept.append(made)
    outputs = tuple([replaced.get(n, n) for n in program.outputs])
    return attrs.evolve(program, instructions=tuple(kept), outputs=outputs)


def with_values_replaced(program: Program, instructions: Iterable[Instruction], replaced: Mapping[int, int]) -> Program:
    """Return a program of these instructions, in which a value stands for each that is replaced."""

    def final(number: int) -> int:
        while number in replaced:
            number = replaced[number]
        return number

    whole = {number: final(number) for number in replaced}
    outputs = tuple([whole.get(n, n) for n in program.outputs])
    return attrs.evolve(program, instructions=tuple([_reading(x, whole) for x in instructions]), outputs=outputs)


def _reading(instruction: Instruction, replaced: Mapping[int, int]) -> Instruction:
    operands = tuple([replaced.get(n, n) for n in instruction.operands])
    return instruction.reading(operands, {name: replaced.get(n, n) for name, n in instruction.keywords.items()})


def new_numbers(program: Program) -> Iterator[int]:
    """Return numbers that no value of a program has."""
    return itertools.count(max((*program.spaces, *program.constants, 0)) + 1)


@attrs.define(eq=False)
class Rewriter:
    """A program that gets further values.

    Attributes:
        program: as it was.
        spaces, constants: with those of new values.
        numbers: of new values.
    """

    program: Program
    spaces: dict[int, Space]
    constants: dict[int, Any]
    numbers: Iterator[int]

    @classmethod
    def of(cls, program: Program) -> Rewriter:
        """Begin to rewrite a program."""
        return cls(program, dict(program.spaces), dict(program.constants), new_numbers(program))

    def new(
        self, origin: Instruction, primitive: Primitive, operands: tuple[int, ...], space: Space, parameters: Parameters
    ) -> Instruction:
        """Return an operation with a value of its own, which errors name as of the line of another."""
        number = next(self.numbers)
        self.spaces[number] = space
        return Instruction(primitive, operands, parameters, number, location=origin.location, errors=origin.errors)

    def constant(self, x: Any) -> int:
        """Return the number of a new constant."""
        number = next(self.numbers)
        self.constants[number] = x
        self.spaces[number] = Space.of_constant(x)
        return number

    def after(self, instructions: Iterable[Instruction]) -> Program:
        """Return the program of these instructions."""
        return attrs.evolve(
            self.program, instructions=tuple(instructions), spaces=self.spaces, constants=self.constants
        )
