"""Passes: each makes of a program one that gives the same answers, with less work."""

from __future__ import annotations

from tapenet.program.instructions import Program
from tapenet.program.passes.algebra import simplified
from tapenet.program.passes.dead_code import without_dead_code
from tapenet.program.passes.folding import folded
from tapenet.program.passes.pooling import with_relu_after_pool
from tapenet.program.passes.products import with_joined_products
from tapenet.program.passes.residuals import with_joined_residuals
from tapenet.program.passes.subexpressions import without_repetition

PASSES = (
    folded,
    simplified,
    without_repetition,
    with_relu_after_pool,
    with_joined_residuals,
    with_joined_products,
    without_repetition,
    without_dead_code,
)


def optimized(program: Program) -> Program:
    """Return a program after all passes, each of which finds what those before it left."""
    for apply in PASSES:
        program = apply(program)
    return program
