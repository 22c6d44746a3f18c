"""Constant folding: what depends on constants alone is computed once, when the program is made."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from tapenet.core.primitive import as_numpy_number
from tapenet.program.instructions import Program, is_pure

# Bytes of an array beyond which it is computed at each run: a broadcast constant would fill memory.
LARGEST = 2**16


def folded(program: Program) -> Program:
    """Return a program whose operations depend on inputs."""
    constants: dict[int, Any] = dict(program.constants)
    kept = []
    for instruction in program.instructions:
        primitive = instruction.primitive
        is_constant = all(map(constants.__contains__, instruction.operands))
        if not is_constant or primitive is None or not is_pure(instruction) or not _is_small(program, instruction.out):
            kept.append(instruction)
            continue
        operands = [constants[n] for n in instruction.operands]
        if not primitive.takes_numbers:
            numbers = (program.spaces[n].is_number for n in instruction.operands)
            operands = [as_numpy_number(x) if own else x for x, own in zip(operands, numbers, strict=True)]
        constants[instruction.out] = _computed(primitive, operands, instruction.parameters)
    return attrs.evolve(program, instructions=tuple(kept), constants=constants)


def _is_small(program: Program, number: int) -> bool:
    space = program.spaces.get(number)
    return space is not None and space.shape is not None and space.nbytes <= LARGEST


def _computed(primitive: Any, operands: list[Any], parameters: Any) -> Any:
    with np.errstate(all="ignore"):
        out = primitive.forward(*operands, **parameters)
    if type(out) is np.ndarray:
        out = out.copy()
        out.flags.writeable = False
    return out
