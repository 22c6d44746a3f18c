"""Stacking: the operations of small products that are done as one, of matrices below each other."""

from __future__ import annotations

import math
from typing import Any

import attrs
import numpy as np

from tapenet.core.nondifferentiable import choice
from tapenet.core.primitive import Shapes
from tapenet.core.record import Parameters, Shape
from tapenet.kernels.products import matmul
from tapenet.program.instructions import Instruction, Space
from tapenet.program.passes.rewriting import Rewriter

# Products from which on they are joined.
FEWEST = 4

# Elements of a factor up to which a product is small.
SMALL = 2**16


def _stack(*arrays: Any) -> Any:
    return np.concatenate(arrays)


def _product_of_transposed(x: Any, y: Any) -> Any:
    return matmul(x.T, y)


def _rows(x: Any, *, start: int, stop: int) -> Any:
    return x[start:stop]


def _sum_of_rows(x: Any) -> Any:
    return np.add.reduce(x, axis=0)


def _no_flops(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
    return 0


def _multiply_adds(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
    return 2 * math.prod(shapes[0] or ()) * (out or (0,))[-1]


STACK = attrs.evolve(choice(_stack, name="stacked rows", shape_depends_on="shapes"), flops=_no_flops)
TRANSPOSED = attrs.evolve(
    choice(_product_of_transposed, name="product of transposed", shape_depends_on="shapes"), flops=_multiply_adds
)
SUMMED = choice(_sum_of_rows, name="sum of rows", shape_depends_on="shapes")
ROWS = attrs.evolve(choice(_rows, name="rows", shape_depends_on="shapes"), flops=_no_flops)


def stacked_rows(rewriter: Rewriter, origin: Instruction, numbers: tuple[int, ...]) -> Instruction:
    """Return the instruction that puts matrices below each other."""
    shapes = [rewriter.spaces[n].shape or () for n in numbers]
    rows = sum(shape[0] for shape in shapes)
    return rewriter.new(origin, STACK, numbers, Space((rows, shapes[0][1]), rewriter.spaces[numbers[0]].dtype), {})


def is_small_matrix(space: Space, like: Space) -> bool:
    """Return whether a value is a small matrix of the floating dtype of another."""
    if space.shape is None or space.dtype is None or not space.is_array or space.dtype != like.dtype:
        return False
    return len(space.shape) == 2 and 0 < math.prod(space.shape) <= SMALL and space.dtype.char in "fd"
