"""Moments: variances, standard deviations and norms as sums of squares, which regions close with.

NumPy takes five passes over memory for a variance, three of which write. As a mean, a difference, a square and a sum it
takes two passes, that write nothing. The formulas are NumPy's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import attrs

from tapenet.core import shapes
from tapenet.core.arguments import axes_of
from tapenet.core.primitive import REGISTRY
from tapenet.program.fusion.reducing import reduction_of
from tapenet.program.instructions import Instruction, Program, Space
from tapenet.program.passes.rewriting import new_numbers
from tapenet.program.passes.subexpressions import without_repetition

MOMENTS = frozenset({"var", "std", "norm"})


def with_sums_of_squares(program: Program) -> Program:
    """Return a program in which sums of squares stand for moments of many elements."""
    writer = _Writer(program, iter(new_numbers(program)))
    for instruction in program.instructions:
        if instruction.name in MOMENTS and _is_summed(instruction, program):
            writer.moment(instruction)
        else:
            writer.made.append(instruction)
    if not writer.spaces:
        return program
    constants, spaces = {**program.constants, **writer.constants}, {**program.spaces, **writer.spaces}
    return without_repetition(
        attrs.evolve(program, instructions=tuple(writer.made), constants=constants, spaces=spaces)
    )


def _is_summed(instruction: Instruction, program: Program) -> bool:
    """Return whether a region can close with the sum of a moment, and it has degrees of freedom."""
    if set(instruction.parameters) - {"axis", "keepdims", "ddof"}:
        return False
    as_sum = attrs.evolve(instruction, primitive=REGISTRY["sum"], parameters=_along(instruction))
    return reduction_of(as_sum, program) is not None and _degrees(instruction, program) > 0


def _along(instruction: Instruction) -> dict[str, Any]:
    return {name: instruction.parameters[name] for name in ("axis", "keepdims") if name in instruction.parameters}


def _degrees(instruction: Instruction, program: Program) -> float:
    own, out = (program.spaces[n].shape or () for n in (instruction.operands[0], instruction.out))
    degrees: float = math.prod(own) / math.prod(out) - instruction.parameters.get("ddof", 0)
    return degrees


@attrs.define(eq=False)
class _Writer:
    """Writes the instructions of moments.

    Attributes:
        program: that the moments are of.
        numbers: for new values.
        made: the instructions so far.
        constants, spaces: of new values.
    """

    program: Program
    numbers: Iterator[int]
    made: list[Instruction] = attrs.field(factory=list)
    constants: dict[int, Any] = attrs.field(factory=dict)
    spaces: dict[int, Space] = attrs.field(factory=dict)

    def moment(self, moment: Instruction) -> None:
        """Write a moment."""
        (x,), along = moment.operands, _along(moment)
        own, out = self.program.spaces[x], self.program.spaces[moment.out]
        is_root, is_central = moment.name != "var", moment.name != "norm"
        if is_central:
            axis, shape = along["axis"], own.shape or ()
            shape = shapes.kept(shape, None if axis is None else axes_of(moment.name, axis, len(shape)))
            mean = self._new(moment, "mean", (x,), attrs.evolve(own, shape=shape), axis=axis, keepdims=True)
            x = self._new(moment, "subtract", (x, mean), own)
        total = self._new(moment, "sum", (self._new(moment, "square", (x,), own),), out, **along)
        if is_central:
            total = self._new(moment, "divide", (total, self._constant(_degrees(moment, self.program))), out)
        if is_root:
            self._new(moment, "sqrt", (total,), out)
        self.made[-1] = attrs.evolve(self.made[-1], out=moment.out)

    def _new(self, of: Instruction, name: str, operands: tuple[int, ...], space: Space, /, **parameters: Any) -> int:
        number = next(self.numbers)
        self.spaces[number] = space
        self.made.append(Instruction(REGISTRY[name], operands, parameters, number, location=of.location))
        return number

    def _constant(self, x: float) -> int:
        number = next(self.numbers)
        self.constants[number], self.spaces[number] = x, Space.of_constant(x)
        return number
