"""Products of vectors with matrices: which operations are such products, and of which matrix as it lies in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

from tapenet.program.fusion.cells import AnyStep
from tapenet.program.instructions import Instruction, Program

# Elements of a matrix from which on its panels are worth a call: alone, and if it can be multiplied within a stretch,
# which panels would cut in two. And vectors of one product with it.
SMALLEST, SMALLEST_IN_STRETCH, MOST_VECTORS = 2**11, 2**15, 8


@attrs.frozen(eq=False)
class Product:
    """A product of vectors with a matrix.

    Attributes:
        instruction: the operation.
        matrix: the number of the matrix, as it lies in memory: not of its transpose.
        axis: of the matrix, which is summed over.
        vectors: the number of the value that they are in.
        count: of vectors.
        reports: whether it reports floating-point exceptions.
    """

    instruction: Instruction
    matrix: int
    axis: int
    vectors: int
    count: int
    reports: bool = True


def products_of(steps: Sequence[AnyStep], program: Program) -> dict[int, Product]:
    """Return the products of vectors with matrices among steps, by the identity of the step."""
    turned = {
        x.out: x.operands[0]
        for x in steps
        if isinstance(x, Instruction) and x.name == "transpose" and tuple(x.parameters["axes"]) == (1, 0)
    }
    found: dict[int, Product] = {}
    for step in steps:
        product = _product_of(step, program) if isinstance(step, Instruction) else None
        if product is not None:
            matrix, axis = product.matrix, product.axis
            while matrix in turned:
                matrix, axis = turned[matrix], 1 - axis
            found[id(step)] = attrs.evolve(product, matrix=matrix, axis=axis)
    return found


def _product_of(x: Instruction, program: Program) -> Product | None:
    if x.name not in ("matvec", "matmul", "einsum") or (x.parameters and x.name != "einsum"):
        return None
    own = [program.spaces[n] for n in (*x.operands, x.out)]
    dtype = own[-1].dtype
    if dtype is None or dtype.char not in "fd" or not dtype.isnative:
        return None
    if any(not space.is_array or not space.shape or 0 in space.shape or space.dtype != dtype for space in own):
        return None
    product = _product_of_einsum(x, program) if x.name == "einsum" else _product_of_matrices(x, program)
    shape = () if product is None else program.shape_of(product.matrix)
    least = SMALLEST_IN_STRETCH if x.name == "matmul" else SMALLEST
    return product if len(shape) == 2 and math.prod(shape) >= least else None


def _product_of_matrices(x: Instruction, program: Program) -> Product | None:
    first, second = (program.shape_of(n) for n in x.operands)
    if x.name == "matvec" or (len(second) == 2 and second[1] == 1 and len(first) == 2):
        return Product(x, x.operands[0], 1, x.operands[1], 1)
    if len(first) == len(second) == 2 and first[0] <= MOST_VECTORS:
        return Product(x, x.operands[1], 0, x.operands[0], first[0])
    return None


def _product_of_einsum(x: Instruction, program: Program) -> Product | None:
    """Return an einsum of a matrix and a vector, in any order, as a product."""
    labels, out = x.parameters.get("labels", ()), x.parameters.get("out", "")
    if len(x.operands) != 2 or sorted(map(len, labels)) != [1, 2]:
        return None
    of_matrix = 0 if len(labels[0]) == 2 else 1
    matrix, vector = labels[of_matrix], labels[1 - of_matrix]
    if sorted((vector, out)) != sorted(matrix) or vector == out:
        return None
    product = Product(x, x.operands[of_matrix], matrix.index(vector), x.operands[1 - of_matrix], 1, reports=False)
    shape = program.shape_of(product.matrix)
    is_broadcast = program.spaces[product.vectors].shape != (shape[product.axis],)
    return None if is_broadcast else product
