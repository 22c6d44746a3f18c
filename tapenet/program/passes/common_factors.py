"""Common factors: small products of inputs by the same matrix become rows of one large product.

A recurrence multiplies its input by the same weights in each step. One product of stacked inputs takes a fraction of
the time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from tapenet.program.instructions import Instruction, Program, Space
from tapenet.program.passes.rewriting import Rewriter
from tapenet.program.passes.stacking import FEWEST, ROWS, is_small_matrix, stacked_rows


def with_common_factors(program: Program) -> Program:
    """Return a program in which products of inputs by the same matrix are rows of one product."""
    groups = [products for products in _groups(program) if len(products) >= FEWEST]
    if not groups:
        return program
    rewriter = Rewriter.of(program)
    wholes = {products[0].out: _one_product(rewriter, products) for products in groups}
    rows = {x.out: x for products in groups for x in _rows(program, products, wholes[products[0].out][-1])}
    made: list[Instruction] = []
    for instruction in program.instructions:
        made += wholes.get(instruction.out, ())
        made.append(rows.get(instruction.out, instruction))
    return rewriter.after(made)


def _groups(program: Program) -> Collection[list[Instruction]]:
    """Return the small products of what is there from the start, by the matrix on their right and its rows."""
    known = {*program.inputs, *program.constants}
    groups: dict[tuple[int, int], list[Instruction]] = {}
    for x in program.instructions:
        if x.name == "matmul" and not x.parameters and x.operands[0] in known:
            space = program.spaces[x.out]
            if all(is_small_matrix(program.spaces[n], space) for n in (x.out, *x.operands)):
                groups.setdefault((x.operands[1], program.shape_of(x.operands[0])[1]), []).append(x)
    return groups.values()


def _one_product(rewriter: Rewriter, products: Sequence[Instruction]) -> tuple[Instruction, Instruction]:
    """Return the instructions of stacked matrices, and of their product with the common factor."""
    first = products[0]
    assert first.primitive is not None
    stacked = stacked_rows(rewriter, first, tuple([x.operands[0] for x in products]))
    (height, _), (_, width) = rewriter.spaces[stacked.out].shape or (0, 0), rewriter.program.shape_of(first.out)
    space = Space((height, width), rewriter.spaces[first.out].dtype)
    return stacked, rewriter.new(first, first.primitive, (stacked.out, first.operands[1]), space, {})


def _rows(program: Program, products: Sequence[Instruction], whole: Instruction) -> Iterator[Instruction]:
    """Return the instructions that take each product from the rows of one."""
    start = 0
    for x in products:
        stop = start + program.shape_of(x.out)[0]
        yield Instruction(ROWS, (whole.out,), {"start": start, "stop": stop}, x.out, location=x.location)
        start = stop
