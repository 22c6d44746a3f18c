"""Algebra: operations that give back what they are given, and broadcasts that an operation does by itself.

Only identities that hold to the last bit, also for infinities and NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tapenet.program.instructions import Instruction, Program, is_pure
from tapenet.program.passes.rewriting import rewritten

Makers = Mapping[int, Instruction]  # by the number of what they make


def simplified(program: Program) -> Program:
    """Return a program without operations that change nothing."""
    makers: dict[int, Instruction] = {}

    def rule(instruction: Instruction) -> Instruction | int:
        if not is_pure(instruction):
            return instruction
        same = _same_as(instruction, program, makers)
        if same is not None and _is_alike(program, same, instruction.out):
            return same
        made = makers[instruction.out] = _without_broadcasts(instruction, program, makers)
        return made

    return rewritten(program, rule)


def _is_alike(program: Program, a: int, b: int) -> bool:
    """Return whether two values are of one shape, dtype and kind."""
    x, y = program.spaces[a], program.spaces[b]
    return (x.shape, x.dtype, x.is_number, x.is_array, x.parts) == (y.shape, y.dtype, y.is_number, y.is_array, y.parts)


def _same_as(instruction: Instruction, program: Program, makers: Makers) -> int | None:
    """Return the number of the value that an operation gives back; None where it gives another."""
    rule = _RULES.get(instruction.name)
    return None if rule is None else rule(instruction, program, makers)


def _is_one(program: Program, number: int) -> bool:
    x = program.constants.get(number)
    return isinstance(x, int | float | np.number) and bool(x == 1)


def _times_one(instruction: Instruction, program: Program, makers: Makers) -> int | None:
    x, y = instruction.operands
    return x if _is_one(program, y) else y if _is_one(program, x) else None


def _over_one(instruction: Instruction, program: Program, makers: Makers) -> int | None:
    x, y = instruction.operands
    return x if _is_one(program, y) else None


def _twice(instruction: Instruction, program: Program, makers: Makers) -> int | None:
    maker = makers.get(instruction.operands[0])
    return maker.operands[0] if maker is not None and maker.primitive is instruction.primitive else None


def _conjugated(instruction: Instruction, program: Program, makers: Makers) -> int | None:
    (x,) = instruction.operands
    dtype = program.spaces[x].dtype
    return x if dtype is not None and dtype.kind in "biuf" else _twice(instruction, program, makers)


def _itself(instruction: Instruction, program: Program, makers: Makers) -> int | None:
    return instruction.operands[0]


def _same_order(instruction: Instruction, program: Program, makers: Makers) -> int | None:
    (x,) = instruction.operands
    axes = tuple(instruction.parameters["axes"])
    maker = makers.get(x)
    if maker is not None and maker.primitive is instruction.primitive:
        inner = tuple(maker.parameters["axes"])
        if tuple([inner[axis] for axis in axes]) == tuple(range(len(axes))):
            return maker.operands[0]
    return x if axes == tuple(range(len(axes))) else None


def _same_shape(instruction: Instruction, program: Program, makers: Makers) -> int | None:
    (x,) = instruction.operands
    out = program.spaces[instruction.out].shape
    maker = makers.get(x)
    if maker is not None and maker.primitive is instruction.primitive:
        inner = maker.operands[0]
        return inner if program.spaces[inner].shape == out else None
    return x if program.spaces[x].shape == out else None


_RULES: dict[str, Callable[[Instruction, Program, Makers], int | None]] = {
    "multiply": _times_one,
    "divide": _over_one,
    "negative": _twice,
    "conjugate": _conjugated,
    "real": _itself,
    "positive": _itself,
    "astype": _itself,
    "broadcast_to": _itself,
    "transpose": _same_order,
    "reshape": _same_shape,
}


def _without_broadcasts(instruction: Instruction, program: Program, makers: Makers) -> Instruction:
    """Return an elementwise operation of what was broadcast for it, where its other operands give the shape."""
    primitive = instruction.primitive
    if primitive is None or not isinstance(primitive.forward, np.ufunc) or instruction.parameters:
        return instruction
    operands, out = list(instruction.operands), program.spaces[instruction.out].shape
    for place, number in enumerate(operands):
        maker = makers.get(number)
        if maker is None or maker.name != "broadcast_to":
            continue
        if out not in [program.spaces[n].shape for i, n in enumerate(operands) if i != place]:
            continue
        source = program.spaces[maker.operands[0]]
        if not source.is_number:
            operands[place] = maker.operands[0]
    return instruction.reading(tuple(operands), instruction.keywords)
