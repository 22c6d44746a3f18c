"""Formulas: softmax and the shares of extrema as elementwise operations and reductions, which regions close with.

NumPy takes eight passes over memory for a softmax over other axes than the last, and six to share a cotangent among
equal elements. The formulas are those of the operations themselves. Functions of SciPy's that kernels know by another
name get that: SciPy's are loops over single numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from tapenet.core import shapes
from tapenet.core.arguments import axes_of
from tapenet.core.primitive import REGISTRY, Primitive
from tapenet.ops.elementwise import choices
from tapenet.program.fusion.reducing import reduction_of
from tapenet.program.instructions import Instruction, Program, Space
from tapenet.program.passes.rewriting import Rewriter
from tapenet.program.passes.subexpressions import without_repetition


def with_formulas(program: Program) -> Program:
    """Return a program in which softmax over first or middle axes, and shares of extrema, are written out."""
    program = _with_known_names(program)
    rewriter = Rewriter.of(program)
    made: list[Instruction] = []
    for instruction in program.instructions:
        if instruction.name in _FORMULAS and _is_written_out(instruction, program):
            formula = _Formula(rewriter, instruction)
            _FORMULAS[instruction.name](formula, *instruction.operands)
            made += [*formula.made[:-1], attrs.evolve(formula.made[-1], out=instruction.out)]
        else:
            made.append(instruction)
    return program if len(made) == len(program.instructions) else without_repetition(rewriter.after(made))


# Names that kernels know, and the dtypes in which these are as accurate.
_KNOWN = {
    "special.erf": ("erf", "fd"),
    "special.expit": ("sigmoid", "fd"),
    "special.expm1": ("expm1", "fd"),
    "special.log1p": ("log1p", "fd"),
    "special.ndtr": ("normal_cdf", "f"),  # that of float64 is 0 where the result is subnormal
}


def _with_known_names(program: Program) -> Program:
    if not any(x.name in _KNOWN for x in program.instructions):
        return program
    return attrs.evolve(program, instructions=tuple([_known(x, program) for x in program.instructions]))


def _known(x: Instruction, program: Program) -> Instruction:
    name, chars = _KNOWN.get(x.name, ("", ""))
    if name not in REGISTRY or x.parameters:
        return x
    spaces = [program.spaces[n] for n in (*x.operands, x.out)]
    fits = all(space.is_array and space.dtype is not None and space.dtype.char in chars for space in spaces)
    return attrs.evolve(x, primitive=REGISTRY[name]) if fits else x


def _is_written_out(instruction: Instruction, program: Program) -> bool:
    """Return whether regions close with the sums of a formula; softmax along the last axis is machine code already."""
    shape, axis = program.shape_of(instruction.operands[0]), instruction.parameters["axis"]
    if not shape or program.spaces[instruction.out].dtype != program.spaces[instruction.operands[0]].dtype:
        return False
    is_last = axis is not None and len(shape) - 1 in axes_of(instruction.name, axis, len(shape))
    if is_last and instruction.name != "winners":
        return False
    x, along = instruction.operands[0], {"axis": axis, "keepdims": True}
    as_sum = attrs.evolve(instruction, primitive=REGISTRY["sum"], operands=(x,), parameters=along)
    return reduction_of(as_sum, program) is not None


@attrs.define(eq=False)
class _Formula:
    """The instructions that stand for one.

    Attributes:
        rewriter: of the program.
        origin: that they stand for.
        made: the instructions so far.
    """

    rewriter: Rewriter
    origin: Instruction
    made: list[Instruction] = attrs.field(factory=list)

    @property
    def whole(self) -> Space:
        """What is known of the operand, and of the result."""
        return self.rewriter.spaces[self.origin.operands[0]]

    @property
    def kept(self) -> Space:
        """The same of what is reduced, with axes of length 1."""
        shape, axis = self.whole.shape or (), self.origin.parameters["axis"]
        axes = None if axis is None else axes_of(self.origin.name, axis, len(shape))
        return attrs.evolve(self.whole, shape=shapes.kept(shape, axes))

    def new(self, operation: str | Primitive, *operands: Any, **parameters: Any) -> int:
        """Write an operation on values and Python numbers."""
        numbers = tuple([self.rewriter.constant(x) if type(x) is float else x for x in operands])
        spaces = [self.rewriter.spaces[n] for n in numbers]
        is_whole = any(space.shape == self.whole.shape for space in spaces)
        space = self.whole if is_whole else self.kept
        if not isinstance(operation, str):
            space = attrs.evolve(space, dtype=np.dtype(bool))
        primitive = REGISTRY[operation] if isinstance(operation, str) else operation
        self.made.append(self.rewriter.new(self.origin, primitive, numbers, space, parameters))
        return self.made[-1].out

    def reduced(self, name: str, x: int) -> int:
        """Write a reduction, whose axes are kept."""
        given = {"axis": self.origin.parameters["axis"], "keepdims": True}
        self.made.append(self.rewriter.new(self.origin, REGISTRY[name], (x,), self.kept, given))
        return self.made[-1].out


def _less_largest(f: _Formula, x: int) -> int:
    largest = f.reduced("max", x)
    return f.new("subtract", x, f.new("where", f.new(choices.greater, largest, -math.inf), largest, 0.0))


def _softmax(f: _Formula, x: int) -> None:
    weights = f.new("exp", _less_largest(f, x))
    f.new("divide", weights, f.reduced("sum", weights))


def _log_softmax(f: _Formula, x: int) -> None:
    less = _less_largest(f, x)
    is_largest = f.new(choices.equal, less, 0.0)
    others = f.reduced("sum", f.new("where", is_largest, 0.0, f.new("exp", less)))
    count = f.reduced("sum", f.new("astype", is_largest, dtype=f.whole.dtype))
    f.new("subtract", less, f.new("log1p", f.new("add", others, f.new("subtract", count, 1.0))))


def _winners(f: _Formula, x: int, best: int) -> None:
    if f.rewriter.spaces[best].shape != f.kept.shape:
        f.made.append(f.rewriter.new(f.origin, REGISTRY["reshape"], (best,), f.kept, {"shape": f.kept.shape}))
        best = f.made[-1].out
    won = f.new(choices.equal, x, best)
    shares = f.new("astype", won, dtype=f.whole.dtype)
    if not f.origin.parameters["skips_nan"]:
        shares = f.new("where", f.new(choices.isnan, x), 1.0, shares)
    f.new("divide", shares, f.new("maximum", f.reduced("sum", shares), 1.0))


_FORMULAS: dict[str, Callable[..., None]] = {"softmax": _softmax, "log_softmax": _log_softmax, "winners": _winners}
