"""Solutions of SciPy's solvers, by the implicit function theorem: F_x x_dot = -F_p p_dot where F(x, p) = 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array
from tapenet.core.pytrees import tree_leaves
from tapenet.core.tensor import Tensor
from tapenet.errors import ConvergenceError
from tapenet.scipy.solutions import moved, solved
from tapenet.transforms.calls import check_no_capture
from tapenet.transforms.mapping import vmap
from tapenet.transforms.products import linearize

Function = Callable[..., Any]


def on_tape(*values: Any) -> bool:
    """Return whether a pytree holds a Tensor."""
    return any(type(x) is Tensor for x in tree_leaves(values))


def checked(name: str, f: Function) -> Function:
    """Return a function of plain values, which raises where it depends on a Tensor that is not an argument."""

    def plain(*arguments: Any) -> Any:
        value = f(*arguments)
        check_no_capture(name, tree_leaves(value))
        return value

    return plain


@branch_condition
def _is_singular(a: Array) -> bool:
    a = np.asarray(a)
    if not np.all(np.isfinite(a)):
        return True
    sizes = np.linalg.svd(a, compute_uv=False)
    return bool(np.any(sizes[..., -1] <= a.shape[-1] * np.finfo(a.dtype).eps * sizes[..., 0]))


def implicit(name: str, solve: Function, equation: Function, *args: Any, free: Function | None = None) -> Array:
    """Return the vector solve(*args), which makes equation(x, *args) zero.

    Args:
        name: the function, for errors.
        solve: of plain values.
        equation: written with differentiable functions.
        free: `free(x) -> mask` of the elements of a solution that the equation holds for; the others do not move.
    """

    def tangent(x: Array, args: Any, dots: Any) -> Array:
        rest = moved(equation, x, args, dots)
        _, push = linearize(lambda x: equation(x, *args), x)
        n = x.shape[0]
        a = vmap(push)(np.eye(n)).T
        if free is not None:
            mask = free(x)
            a = tnp.where(mask[:, None] & mask, a, np.eye(n))
            rest = tnp.where(mask, rest, 0.0)
        if _is_singular(a):
            raise ConvergenceError(
                f"{name}: the Jacobian must be regular at the solution to have a derivative; got a singular one."
            )
        return -tnp.linalg.solve(a, rest)

    return solved(name, solve, tangent, *args, is_users=True)
