"""Residuals: a primitive and what its derivative reads beside (the places of maxima, say) are computed at once."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import attrs

from tapenet.core.nondifferentiable import choice
from tapenet.core.primitive import PART, Primitive
from tapenet.program.instructions import Instruction, Program, Space
from tapenet.program.passes.rewriting import Rewriter
from tapenet.views.flops import flops_of_operation

_JOINED: dict[Primitive, Primitive] = {}


def _joined(primitive: Primitive) -> Primitive:
    """Return the operation that gives a primitive's output and its residual."""
    if primitive not in _JOINED:
        assert primitive.with_residual is not None
        name = f"{primitive.name} with residual"
        joined = choice(primitive.with_residual, name=name, shape_depends_on="shapes")
        _JOINED[primitive] = attrs.evolve(joined, flops=functools.partial(flops_of_operation, primitive))
    return _JOINED[primitive]


def with_joined_residuals(program: Program) -> Program:
    """Return a program that computes residuals beside what they are of."""
    outputs = {
        _key(x, x.primitive.residual): i
        for i, x in enumerate(program.instructions)
        if x.primitive is not None and x.primitive.with_residual is not None
    }
    residuals = {primitive for primitive, *_ in outputs}
    found = {
        outputs[key]: i
        for i, x in enumerate(program.instructions)
        if x.primitive in residuals and (key := _key(x, x.primitive)) in outputs
    }
    if not found:
        return program
    rewriter = Rewriter.of(program)
    pairs = {min(pair): [program.instructions[i] for i in pair] for pair in found.items()}
    later = {max(pair) for pair in found.items()}
    made: list[Instruction] = []
    for i, instruction in enumerate(program.instructions):
        if i in pairs:
            made += _both(rewriter, *pairs[i])
        elif i not in later:
            made.append(instruction)
    return rewriter.after(made)


def _key(instruction: Instruction, primitive: Any) -> tuple[Any, Any, str]:
    """Return what is equal for an operation and for its residual, which is another primitive of the same values."""
    return primitive, instruction.operands, repr(sorted(instruction.parameters.items()))


def _both(rewriter: Rewriter, output: Instruction, residual: Instruction) -> Iterator[Instruction]:
    """Return the operation that gives an output and a residual, and the two parts of what it gives."""
    assert output.primitive is not None
    spaces = [rewriter.spaces[x.out] for x in (output, residual)]
    space = Space(None, None, False, False, tuple([(own.shape, own.dtype) for own in spaces]))
    whole = rewriter.new(output, _joined(output.primitive), output.operands, space, output.parameters)
    yield whole
    for i, part in enumerate((output, residual)):
        yield Instruction(PART, (whole.out,), {"index": i}, part.out, location=part.location)
