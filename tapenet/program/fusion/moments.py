"""Moments: variances, standard deviations and norms as sums of squares, which regions close with.

NumPy takes five passes over memory for a variance, three of which write. As a mean, a difference, a square and a sum it
takes two passes, that write nothing. The formulas are NumPy's own.
"""

from __future__ import annotations

import math
from typing import Any

import attrs

from tapenet.core import shapes
from tapenet.core.arguments import axes_of
from tapenet.core.primitive import REGISTRY
from tapenet.program.fusion.reducing import reduction_of
from tapenet.program.instructions import Instruction, Program, Space
from tapenet.program.passes.rewriting import Rewriter
from tapenet.program.passes.subexpressions import without_repetition

MOMENTS = frozenset({"var", "std", "norm"})


def with_sums_of_squares(program: Program) -> Program:
    """Return a program in which sums of squares stand for moments of many elements."""
    rewriter = Rewriter.of(program)
    made: list[Instruction] = []
    for instruction in program.instructions:
        if instruction.name in MOMENTS and _is_summed(instruction, program):
            made += _Formula(rewriter, instruction).instructions()
        else:
            made.append(instruction)
    return program if len(made) == len(program.instructions) else without_repetition(rewriter.after(made))


def _is_summed(instruction: Instruction, program: Program) -> bool:
    """Return whether a region can close with the sum of a moment, and it has degrees of freedom."""
    if set(instruction.parameters) - {"axis", "keepdims", "ddof"}:
        return False
    as_sum = attrs.evolve(instruction, primitive=REGISTRY["sum"], parameters=_along(instruction))
    return reduction_of(as_sum, program) is not None and _degrees(instruction, program) > 0


def _along(instruction: Instruction) -> dict[str, Any]:
    return {name: instruction.parameters[name] for name in ("axis", "keepdims") if name in instruction.parameters}


def _degrees(instruction: Instruction, program: Program) -> float:
    own, out = (program.shape_of(n) for n in (instruction.operands[0], instruction.out))
    degrees: float = math.prod(own) / math.prod(out) - instruction.parameters.get("ddof", 0)
    return degrees


@attrs.define(eq=False)
class _Formula:
    """The instructions of a moment.

    Attributes:
        rewriter: of the program.
        moment: that stands for them.
        made: the instructions so far.
    """

    rewriter: Rewriter
    moment: Instruction
    made: list[Instruction] = attrs.field(factory=list)

    def instructions(self) -> list[Instruction]:
        """Return the instructions, the last of which gives the moment."""
        moment, spaces = self.moment, self.rewriter.spaces
        (x,), along = moment.operands, _along(moment)
        own, out = spaces[x], spaces[moment.out]
        is_root, is_central = moment.name != "var", moment.name != "norm"
        if is_central:
            axis, shape = along["axis"], own.shape or ()
            shape = shapes.kept(shape, None if axis is None else axes_of(moment.name, axis, len(shape)))
            mean = self._new("mean", (x,), attrs.evolve(own, shape=shape), axis=axis, keepdims=True)
            x = self._new("subtract", (x, mean), own)
        total = self._new("sum", (self._new("square", (x,), own),), out, **along)
        if is_central:
            count = self.rewriter.constant(_degrees(moment, self.rewriter.program))
            total = self._new("divide", (total, count), out)
        if is_root:
            self._new("sqrt", (total,), out)
        return [*self.made[:-1], attrs.evolve(self.made[-1], out=moment.out)]

    def _new(self, name: str, operands: tuple[int, ...], space: Space, **parameters: Any) -> int:
        self.made.append(self.rewriter.new(self.moment, REGISTRY[name], operands, space, parameters))
        return self.made[-1].out
