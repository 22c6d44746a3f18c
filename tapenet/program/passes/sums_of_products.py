"""Sums of products: x^T y, and sums of rows, that are added up become one large product of stacked matrices.

The gradient of the weights of a recurrence is the sum over its steps of x^T g. One product takes a fraction of the
time; the order of sums changes.
"""

from __future__ import annotations

from collections import Counter

import attrs

from tapenet.program.instructions import Instruction, Program
from tapenet.program.passes.rewriting import Rewriter
from tapenet.program.passes.stacking import FEWEST, SUMMED, TRANSPOSED, is_small_matrix, stacked_rows

_TERMS = frozenset({"matmul", "sum"})


def with_sums_of_products(program: Program) -> Program:
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
        find = _factors if len(program.shape_of(root.out)) == 2 else _summed
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
    is_small = is_small_matrix(program.spaces[maker.operands[0]], program.spaces[number])
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
    return pair if all(is_small_matrix(program.spaces[n], out) for n in pair) else None


def _fit(program: Program, pairs: list[tuple[int, ...]]) -> bool:
    """Return whether all products can be one: their factors have the same numbers of columns."""
    return len({tuple(program.shape_of(n)[1] for n in pair) for pair in pairs}) == 1


def _joined_sum(
    rewriter: Rewriter, root: Instruction, pairs: list[tuple[int, ...]], rest: list[int]
) -> list[Instruction]:
    """Return the instructions of a sum of products x^T y, or of sums of rows, and of other terms."""
    stacks = [stacked_rows(rewriter, root, tuple([pair[i] for pair in pairs])) for i in range(len(pairs[0]))]
    space = rewriter.spaces[root.out]
    primitive = TRANSPOSED if len(stacks) == 2 else SUMMED
    made = [*stacks, rewriter.new(root, primitive, tuple([stack.out for stack in stacks]), space, {})]
    for number in rest:
        made.append(rewriter.new(root, root.primitive, (made[-1].out, number), space, {}))  # type: ignore[arg-type]  # of an operation
    return [*made[:-1], attrs.evolve(made[-1], out=root.out)]
