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
from tapenet.errors import ArgumentError, ConvergenceError
from tapenet.scipy.solutions import Differentiable, moved, solved
from tapenet.transforms.calls import check_no_capture
from tapenet.transforms.mapping import vmap
from tapenet.transforms.products import linearize, vjp

Function = Callable[..., Any]

_PLAIN = frozenset((float, np.float64, np.ndarray))


def on_tape(*values: Any) -> bool:
    """Return whether a pytree holds a Tensor."""
    flat = values[0] if len(values) == 1 and type(values[0]) is tuple else values
    return any(type(x) is Tensor for x in flat) or any(type(x) is Tensor for x in tree_leaves(values))


def tupled(args: Any) -> tuple[Any, ...]:
    """Return the arguments as SciPy takes them: one that is not a tuple stands for itself."""
    return args if isinstance(args, tuple) else (args,)


def checked(name: str, f: Function) -> Function:
    """Return a function of plain values, which raises where it depends on a Tensor that is not an argument."""

    def plain(*arguments: Any, **keywords: Any) -> Any:
        value = f(*arguments, **keywords)
        if type(value) not in _PLAIN:
            check_no_capture(name, tree_leaves(value))
        return value

    return plain


def start_of(name: str, x0: Any) -> Array:
    """Return the start of a solver, a plain vector."""
    if on_tape(x0):
        raise ArgumentError(
            f"{name}: x0 must not be a Tensor, as the solution does not depend on it. Write tn.stop_gradient(x0)."
        )
    return np.atleast_1d(np.asarray(x0, float))


def solution_of(name: str, found: Any, info: dict[str, Any]) -> Array:
    """Return the vector of a result, unless the solver failed."""
    if not found.success:
        raise ConvergenceError(f"{name}: {' '.join(str(found.message).split())}")
    info.update(found)
    return np.asarray(found.x, float)


# ---- regular systems ----


@branch_condition
def _is_singular(a: Array) -> bool:
    a = np.asarray(a)
    if not np.all(np.isfinite(a)):
        return True
    if a.shape[-1] == 1:
        return bool(np.any(a == 0))
    sizes = np.linalg.svd(a, compute_uv=False)
    return bool(np.any(sizes[..., -1] <= a.shape[-1] * np.finfo(a.dtype).eps * sizes[..., 0]))


def _solve(name: str, a: Array, b: Array) -> Array:
    """Return the solution of a linear system, by division where it is of one number."""
    if _is_singular(a):
        raise ConvergenceError(
            f"{name}: the Jacobian must be regular at the solution to have a derivative; got a singular one."
        )
    return b / a[0] if a.shape == (1, 1) else tnp.linalg.solve(a, b)


@branch_condition
def _newton_step(a: Array, x: Array, y: Array) -> float:
    """Return how long Newton's step is, relative to the solution; of examples the longest."""
    step = np.linalg.solve(a, np.asarray(y)[..., None])
    return float(np.max(np.abs(step) / (1 + np.max(np.abs(x), -1))[..., None, None], initial=0.0))


def _check_root(name: str, a: Array, x: Array, y: Array, near: float) -> None:
    """Raise where a solver stopped at what is not a root, such as a minimum of the norm."""
    if near < np.inf and _newton_step(a, x, y) > near:
        raise ConvergenceError(
            f"{name}: f must be zero at the root to have a derivative, but the solver stopped beside a root, or where "
            "there is none. Pass another start, or a smaller tol."
        )


# ---- solutions ----


def implicit(name: str, solve: Function, equation: Function, *args: Any, near: float = np.inf) -> Array:
    """Return the vector solve(*args), which makes equation(x, *args) zero.

    Args:
        name: the function, for errors.
        solve: of plain values.
        equation: written with differentiable functions.
        near: how long Newton's step may be there, relative to the solution.
    """
    return implicit_marked(
        name, lambda *args: (solve(*args),), lambda x, marks, *args: equation(x, *args), *args, near=near
    )[0]


def implicit_marked(
    name: str, solve: Function, equation: Function, *args: Any, near: float = np.inf
) -> tuple[Array, ...]:
    """Return a vector and marks, (x, *marks) = solve(*args), which make equation(x, marks, *args) zero.

    Args:
        name: the function, for errors.
        solve: of plain values; the marks are arrays of integers or truth values, such as the set of constraints that
            hold, which are piecewise constant.
        equation: written with differentiable functions.
        near: how long Newton's step may be there, relative to the solution.
    """

    def tangent(out: tuple[Array, ...], args: Any, dots: Any) -> tuple[Any, ...]:
        x, *marks = out
        rest = moved(lambda x, *args: equation(x, marks, *args), x, args, dots)
        y, push = linearize(lambda x: equation(x, marks, *args), x)
        a = vmap(push)(np.eye(x.shape[0])).T
        moved_by = -_solve(name, a, rest)
        _check_root(name, a, x, y, near)
        return (moved_by, *(None for _ in marks))

    def pullback(out: tuple[Array, ...], args: Differentiable, bars: Any) -> list[Array]:
        x, *marks = out

        def by_both(x: Array, *arrays: Array) -> Array:
            return equation(x, marks, *args.filled(arrays))

        if x.shape[0] == 1:  # one walk gives both derivatives
            y, pull = vjp(by_both, x, *args.arrays)
            slope, *slopes = pull(np.ones(1))
            a = tnp.reshape(slope, (1, 1))
            factor = -_solve(name, a, bars[0])[0]
            _check_root(name, a, x, y, near)
            return [factor * each for each in slopes]
        y, pull = vjp(lambda x: by_both(x, *args.arrays), x)
        (a,) = vmap(pull)(np.eye(x.shape[0]))
        solved_for = -_solve(name, a.T, bars[0])
        _check_root(name, a, x, y, near)
        _, pull = vjp(lambda *arrays: by_both(x, *arrays), *args.arrays)
        return list(pull(solved_for))

    found: tuple[Array, ...] = solved(name, solve, tangent, *args, is_users=True, pullback=pullback)
    return found
