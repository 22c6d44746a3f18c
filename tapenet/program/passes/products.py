"""Sums of products: many small products that are added up, or have one factor in common, become one large product.

A recurrence over steps has both: each step multiplies its input by the same weights, and the gradient of weights is the
sum over steps of x^T g. One product of stacked matrices takes a fraction of the time; the order of sums changes.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import attrs
import numpy as np

from tapenet.core.nondifferentiable import choice
from tapenet.core.primitive import Shapes
from tapenet.core.record import Parameters, Shape
from tapenet.kernels.products import matmul
from tapenet.program.instructions import Instruction, Program, Space
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


def with_joined_products(program: Program) -> Program:
    """Return a program with few large products in place of many small ones."""
    return _with_common_factors(_with_sums(program))


def _stacked(rewriter: Rewriter, origin: Instruction, numbers: tuple[int, ...]) -> Instruction:
    """Return the instruction that puts matrices below each other."""
    shapes = [rewriter.spaces[n].shape or () for n in numbers]
    rows = sum(shape[0] for shape in shapes)
    return rewriter.new(origin, STACK, numbers, Space((rows, shapes[0][1]), rewriter.spaces[numbers[0]].dtype), {})


def _is_small_matrix(space: Space, like: Space) -> bool:
    shape = space.shape
    is_matrix = space.is_array and shape is not None and len(shape) == 2 and 0 not in shape
    return is_matrix and math.prod(shape) <= SMALL and space.dtype == like.dtype and space.dtype.char in "fd"  # type: ignore[union-attr,arg-type]


# ---- sums of x^T y ----

_TERMS = frozenset({"matmul", "sum"})


def _with_sums(program: Program) -> Program:
    """Return a program in which a sum of products of transposed matrices is one product of stacked ones."""
    if sum(x.name in _TERMS for x in program.instructions) < FEWEST:
        return program
    makers = {x.out: x for x in program.instructions if x.out >= 0}
    uses = Counter(n for x in program.instructions for n in x.reads) + Counter(program.outputs)
    inner = {
        n
        for x in program.instructions
        if x.name == "add" and _is_sum(program, x)
        for n in x.operands
        if uses[n] == 1 and n in makers and makers[n].name == "add" and _is_sum(program, makers[n])
    }
    rewriter = Rewriter.of(program)
    dropped: set[int] = set()
    added: dict[int, list[Instruction]] = {}
    for root in program.instructions:
        if root.name != "add" or root.out in inner or not _is_sum(program, root):
            continue
        terms, sums = _terms(root, makers, inner)
        find = _factors if len(program.spaces[root.out].shape or ()) == 2 else _summed
        pairs = [(n, pair) for n in terms if uses[n] == 1 and (pair := find(program, makers, n)) is not None]
        if len(pairs) >= FEWEST and _fit(program, [pair for _, pair in pairs]):
            joined = {n for n, _ in pairs}
            added[root.out] = _joined_sum(
                rewriter, root, [pair for _, pair in pairs], [n for n in terms if n not in joined]
            )
            dropped |= sums | joined
    if not added:
        return program
    made: list[Instruction] = []
    for instruction in program.instructions:
        if instruction.out in added:
            made += added[instruction.out]
        elif instruction.out not in dropped:
            made.append(instruction)
    return rewriter.after(made)


def _is_sum(program: Program, instruction: Instruction) -> bool:
    """Return whether an addition is of two matrices of the shape and dtype of their sum."""
    space = program.spaces[instruction.out]
    if len(instruction.operands) != 2 or instruction.parameters or not space.is_array or space.dtype is None:
        return False
    if len(space.shape or ()) not in (1, 2) or space.dtype.char not in "fd":
        return False
    own = [program.spaces[n] for n in instruction.operands]
    return all(x.is_array and (x.shape, x.dtype) == (space.shape, space.dtype) for x in own)


def _terms(root: Instruction, makers: dict[int, Instruction], inner: set[int]) -> tuple[list[int], set[int]]:
    """Return what a sum of sums adds up, in order, and the sums inside it."""
    terms: list[int] = []
    sums: set[int] = set()
    pending = list(reversed(root.operands))
    while pending:
        number = pending.pop()
        if number in inner:
            sums.add(number)
            pending += reversed(makers[number].operands)
        else:
            terms.append(number)
    return terms, sums


def _summed(program: Program, makers: dict[int, Instruction], number: int) -> tuple[int, ...] | None:
    """Return x where a value is the sum of the rows of the matrix x; else None."""
    maker = makers.get(number)
    if maker is not None and maker.name == "reshape":
        maker = makers.get(maker.operands[0])
    if maker is None or maker.name != "sum" or maker.parameters.get("axis") not in (0, (0,)):
        return None
    is_small = _is_small_matrix(program.spaces[maker.operands[0]], program.spaces[number])
    return maker.operands[:1] if is_small and set(maker.parameters) <= {"axis", "keepdims"} else None


def _factors(program: Program, makers: dict[int, Instruction], number: int) -> tuple[int, ...] | None:
    """Return x and y where a value is the matrix product x^T y; else None."""
    product = makers.get(number)
    if product is None or product.name != "matmul" or product.parameters:
        return None
    turned = makers.get(product.operands[0])
    if turned is None or turned.name != "transpose" or tuple(turned.parameters["axes"]) != (1, 0):
        return None
    pair = turned.operands[0], product.operands[1]
    out = program.spaces[number]
    return pair if all(_is_small_matrix(program.spaces[n], out) for n in pair) else None


def _fit(program: Program, pairs: list[tuple[int, ...]]) -> bool:
    """Return whether all products can be one: their factors have the same numbers of columns."""
    return len({tuple(program.spaces[n].shape[1] for n in pair) for pair in pairs}) == 1  # type: ignore[index]


def _joined_sum(
    rewriter: Rewriter, root: Instruction, pairs: list[tuple[int, ...]], rest: list[int]
) -> list[Instruction]:
    """Return the instructions of a sum of products x^T y, or of sums of rows, and of other terms."""
    stacks = [_stacked(rewriter, root, tuple([pair[i] for pair in pairs])) for i in range(len(pairs[0]))]
    space = rewriter.spaces[root.out]
    primitive = TRANSPOSED if len(stacks) == 2 else SUMMED
    made = [*stacks, rewriter.new(root, primitive, tuple([stack.out for stack in stacks]), space, {})]
    for number in rest:
        made.append(rewriter.new(root, root.primitive, (made[-1].out, number), space, {}))  # type: ignore[arg-type]  # of an operation
    return [*made[:-1], attrs.evolve(made[-1], out=root.out)]


# ---- products with one factor in common ----


def _with_common_factors(program: Program) -> Program:
    """Return a program in which products of inputs by the same matrix are rows of one product."""
    known = {*program.inputs, *program.constants}
    groups: dict[tuple[int, int], list[Instruction]] = {}
    for x in program.instructions:
        if x.name == "matmul" and not x.parameters and x.operands[0] in known:
            space = program.spaces[x.out]
            if all(_is_small_matrix(program.spaces[n], space) for n in (x.out, *x.operands)):
                groups.setdefault((x.operands[1], program.spaces[x.operands[0]].shape[1]), []).append(x)  # type: ignore[index]
    rewriter = Rewriter.of(program)
    first: dict[int, list[Instruction]] = {}
    rows: dict[int, Instruction] = {}
    for (factor, _), products in groups.items():
        if len(products) < FEWEST:
            continue
        stacked = _stacked(rewriter, products[0], tuple([x.operands[0] for x in products]))
        height = rewriter.spaces[stacked.out].shape[0]  # type: ignore[index]
        out = program.spaces[products[0].out]
        space = Space((height, out.shape[1]), out.dtype)  # type: ignore[index]
        whole = rewriter.new(products[0], products[0].primitive, (stacked.out, factor), space, {})  # type: ignore[arg-type]
        first[products[0].out] = [stacked, whole]
        start = 0
        for x in products:
            stop = start + program.spaces[x.out].shape[0]  # type: ignore[index]
            rows[x.out] = Instruction(ROWS, (whole.out,), {"start": start, "stop": stop}, x.out, location=x.location)
            start = stop
    if not rows:
        return program
    made: list[Instruction] = []
    for instruction in program.instructions:
        made += first.get(instruction.out, [])
        made.append(rows.get(instruction.out, instruction))
    return rewriter.after(made)
