"""Passes: each makes of a program one that gives the same answers, with less work."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tapenet.program.instructions import Program
from tapenet.program.passes.algebra import simplified
from tapenet.program.passes.common_factors import with_common_factors
from tapenet.program.passes.dead_code import without_dead_code
from tapenet.program.passes.folding import folded
from tapenet.program.passes.places import with_places
from tapenet.program.passes.pooling import with_relu_after_pool
from tapenet.program.passes.residuals import with_joined_residuals
from tapenet.program.passes.subexpressions import without_repetition
from tapenet.program.passes.sums_of_products import with_sums_of_products
from tapenet.program.passes.triangles import with_triangular_matrices

TIDYING = (folded, simplified, without_repetition, without_dead_code)
PASSES = (
    folded,
    simplified,
    without_repetition,
    with_triangular_matrices,
    with_relu_after_pool,
    with_joined_residuals,
    with_sums_of_products,
    with_common_factors,
    with_places,
    without_repetition,
    without_dead_code,
)


def optimized(program: Program) -> Program:
    """Return a program after all passes, each of which finds what those before it left.

    It is to be run, not differentiated: operations that passes put in the place of others have no derivatives.
    """
    return _after(program, PASSES)


def tidied(program: Program) -> Program:
    """Return a program after the passes that leave its operations as they are: it can be differentiated."""
    return _after(program, TIDYING)


def _after(program: Program, passes: Sequence[Callable[[Program], Program]]) -> Program:
    for apply in passes:
        program = apply(program)
    return program
