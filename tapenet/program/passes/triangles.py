"""Triangular matrices: what is known to be one is not masked, inverted or solved as a general matrix.

A user solves with a Cholesky factor by `linalg.solve`, and SciPy's functions mask the triangle that they do not read.
The factors of a general matrix take a third of n^3 multiplications, its inverse three times as many; a triangular
solution takes half of n^2.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

from tapenet.core.primitive import Array, FlopCount, Primitive, Shapes
from tapenet.core.record import Parameters, Shape
from tapenet.kernels import triangles
from tapenet.program.instructions import Instruction, Program, is_pure
from tapenet.program.passes.rewriting import rewritten

LOWER, UPPER = "lower triangular", "upper triangular"
_TURNED = {LOWER: UPPER, UPPER: LOWER}
Known = Mapping[int, str]  # of values, which triangle they fill


def with_triangular_matrices(program: Program) -> Program:
    """Return a program that uses that matrices are triangular."""
    known: dict[int, str] = {}

    def rule(instruction: Instruction) -> Instruction | int:
        if not is_pure(instruction):
            return instruction
        if _is_mask_of_itself(instruction, program, known):
            return instruction.operands[1]
        triangle = _triangle(instruction, program, known)
        if triangle is not None:
            known[instruction.out] = triangle
        rewrite = _REWRITES.get(instruction.name)
        if rewrite is None or instruction.primitive is None or not _is_of_one_matrix(instruction, program):
            return instruction
        return rewrite(instruction, instruction.primitive, program, known)

    return rewritten(program, rule)


# ---- what is known ----


def _triangle(instruction: Instruction, program: Program, known: Known) -> str | None:
    """Return which triangle a value fills; None where that is not known."""
    find = _TRIANGLES.get(instruction.name)
    return None if find is None else find(instruction, program, known)


def _of_transpose(instruction: Instruction, program: Program, known: Known) -> str | None:
    axes = tuple(instruction.parameters["axes"])
    last = (len(axes) - 1, len(axes) - 2)
    is_swap = len(axes) > 1 and axes == (*range(len(axes) - 2), *last)
    return _TURNED.get(known.get(instruction.operands[0], "")) if is_swap else None


def _of_where(instruction: Instruction, program: Program, known: Known) -> str | None:
    mask = _mask_of_triangle(instruction, program)
    if mask is None:
        return None
    if not np.any(np.triu(mask, 1)):
        return LOWER
    return None if np.any(np.tril(mask, -1)) else UPPER


def _mask_of_triangle(instruction: Instruction, program: Program) -> Array | None:
    """Return the constant mask of a matrix that is 0 where it does not hold; None where an operation is another."""
    condition, _, other = instruction.operands
    mask, zero = program.constants.get(condition), program.constants.get(other)
    shape = program.spaces[instruction.out].shape
    if not isinstance(mask, np.ndarray) or mask.dtype != bool or mask.ndim != 2 or shape is None:
        return None
    is_square = len(shape) > 1 and shape[-2:] == mask.shape and len(mask) == mask.shape[1]
    return mask if is_square and zero is not None and np.size(zero) == 1 and not np.any(zero) else None


def _is_mask_of_itself(instruction: Instruction, program: Program, known: Known) -> bool:
    """Return whether an operation sets to 0 what is 0."""
    if instruction.name != "where":
        return False
    source = instruction.operands[1]
    mask = _mask_of_triangle(instruction, program) if source in known else None
    same = attrs.astuple(program.spaces[source]) == attrs.astuple(program.spaces[instruction.out])
    if mask is None or not same:
        return False
    filled = np.tri(len(mask), dtype=bool)
    return bool(np.all(mask | ~(filled if known[source] == LOWER else filled.T)))


_TRIANGLES: dict[str, Callable[[Instruction, Program, Known], str | None]] = {
    "cholesky": lambda x, program, known: UPPER if x.parameters["upper"] else LOWER,
    "cholesky_pullback": lambda x, program, known: LOWER,
    "inv": lambda x, program, known: known.get(x.operands[0]),
    "transpose": _of_transpose,
    "where": _of_where,
}


# ---- what is done with it ----


def _is_of_one_matrix(instruction: Instruction, program: Program) -> bool:
    numbers = *instruction.operands, instruction.out
    return all(program.spaces[n].is_array and len(program.shape_of(n)) == 2 for n in numbers)


@functools.cache
def _by(primitive: Primitive, forward: Callable[..., Array], flops: FlopCount) -> Primitive:
    """Return an operation that is computed by another function, which is also given the operation's own."""
    return attrs.evolve(primitive, forward=functools.partial(forward, primitive.forward), flops=flops)


def _inverse(general: Callable[..., Array], a: Array, *, triangle: str) -> Array:
    if not np.all(np.diagonal(a)):
        return general(a)
    return triangles.inverse_of_lower(a) if triangle == LOWER else triangles.inverse_of_lower(a.T).T


def _flops_of_inverse(shapes: Shapes, out: Shape | None, parameters: Parameters) -> float:
    return (shapes[0] or (0,))[0] ** 3 / 3


def _with_inverse(instruction: Instruction, primitive: Primitive, program: Program, known: Known) -> Instruction:
    triangle = known.get(instruction.operands[0])
    if triangle is None:
        return instruction
    return attrs.evolve(
        instruction, primitive=_by(primitive, _inverse, _flops_of_inverse), parameters={"triangle": triangle}
    )


def _solution(general: Callable[..., Array], a: Array, b: Array, *, triangle: str, **parameters: Any) -> Array:
    found = triangles.solution(a, b, triangle == LOWER)
    return general(a, b, **parameters) if found is None else found


def _flops_of_solution(shapes: Shapes, out: Shape | None, parameters: Parameters) -> float:
    return (shapes[0] or (0,))[0] * math.prod(out or ())


def _with_solution(instruction: Instruction, primitive: Primitive, program: Program, known: Known) -> Instruction:
    assume = instruction.parameters.get("assume")
    triangle = assume if assume in _TURNED else known.get(instruction.operands[0])
    has_columns = program.spaces[instruction.operands[1]].shape[1:] != (1,)  # type: ignore[index]  # a matrix
    if triangle is None or assume not in (None, triangle) or has_columns:
        return instruction
    parameters = {**instruction.parameters, "triangle": triangle}
    return attrs.evolve(instruction, primitive=_by(primitive, _solution, _flops_of_solution), parameters=parameters)


_REWRITES = {
    "inv": _with_inverse,
    "solve": _with_solution,
    "linalg.solve": _with_solution,
}
