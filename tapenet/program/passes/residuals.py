"""Residuals: a primitive and what its derivative reads beside (the places of maxima, say) are computed at once."""

from __future__ import annotations

from typing import Any

import attrs

from tapenet.core.nondifferentiable import choice
from tapenet.core.primitive import PART, Primitive
from tapenet.program.instructions import Instruction, Program, Space
from tapenet.program.passes.rewriting import new_numbers

_JOINED: dict[Primitive, Primitive] = {}


def _joined(primitive: Primitive) -> Primitive:
    """Return the operation that gives a primitive's output and its residual."""
    if primitive not in _JOINED:
        assert primitive.with_residual is not None
        name = f"{primitive.name} with residual"
        _JOINED[primitive] = choice(primitive.with_residual, name=name, shape_depends_on="shapes")
    return _JOINED[primitive]


def with_joined_residuals(program: Program) -> Program:
    """Return a program that computes residuals beside what they are of."""
    places: dict[Any, list[int]] = {}
    for i, instruction in enumerate(program.instructions):
        primitive = instruction.primitive
        if primitive is not None and (primitive.with_residual is not None or primitive.name.startswith("residual of ")):
            places.setdefault((instruction.operands, repr(sorted(instruction.parameters.items()))), []).append(i)
    pairs = dict(pair for found in places.values() if (pair := _pair(program, found)) is not None)
    if not pairs:
        return program
    numbers = iter(new_numbers(program))
    spaces = dict(program.spaces)
    made: list[Instruction] = []
    moved = set(pairs.values())
    for i, instruction in enumerate(program.instructions):
        if i in moved:
            continue
        if i not in pairs:
            made.append(instruction)
            continue
        residual = program.instructions[pairs[i]]
        whole, parts = next(numbers), (instruction, residual)
        output, by_product = parts if instruction.primitive.with_residual is not None else parts[::-1]  # type: ignore[union-attr]
        spaces[whole] = Space(None, None, False, False)
        made.append(attrs.evolve(output, primitive=_joined(output.primitive), out=whole))  # type: ignore[arg-type]
        made += [
            Instruction(PART, (whole,), {"index": j}, part.out, location=part.location)
            for j, part in enumerate((output, by_product))
        ]
    return attrs.evolve(program, instructions=tuple(made), spaces=spaces)


def _pair(program: Program, found: list[int]) -> tuple[int, int] | None:
    """Return the places of a primitive and its residual among operations on the same values, the first first."""
    for i in found:
        for j in found:
            primitive, residual = program.instructions[i].primitive, program.instructions[j].primitive
            if primitive is not None and primitive.with_residual is not None and primitive.residual is residual:
                return min(i, j), max(i, j)
    return None
