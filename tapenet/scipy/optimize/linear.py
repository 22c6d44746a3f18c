"""Linear programs, and assignments."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize

import tapenet.numpy as tnp
from tapenet.core.foreign import is_sparse
from tapenet.core.nondifferentiable import nondifferentiable
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, ConvergenceError
from tapenet.scipy.optimize.implicit import implicit_marked, on_tape
from tapenet.scipy.placing import published

linear_sum_assignment = published(
    nondifferentiable(scipy.optimize.linear_sum_assignment, name="optimize.linear_sum_assignment"),
    scipy.optimize,
    "linear_sum_assignment",
    "No derivative: it gives indices, which are piecewise constant, of Tensors too: cost[rows, columns].sum() has one.",
)

# A vertex is where as many of the constraints hold as there are variables. It moves with these alone:
# G x = h of the rows that hold, and the multipliers of the objective solve G^T y = c.


def _rows(size: int, limits: tuple[Array, Array], *pairs: tuple[Any, Any]) -> tuple[Array, Array]:
    """Return all rows and levels: those of the pairs, then those of lower and of upper bounds."""
    given = [pair for pair in pairs if pair[0] is not None]
    rows = [*(a for a, _ in given), np.eye(size), np.eye(size)]
    return tnp.concatenate(rows), tnp.concatenate([*(b for _, b in given), *limits])


def _vertex(name: str, rows: Array, levels: Array, equal: int, x: Array, c: Array) -> Array:
    """Return the numbers of the rows that hold at a solution, as many as there are variables, unless it has a kink."""
    with np.errstate(invalid="ignore"):
        distance = np.abs(rows @ x - levels)
    holds = distance <= 1e-9 * np.maximum(1.0, np.abs(np.where(np.isfinite(levels), levels, 0.0)))
    holds[:equal] = True
    fixed = np.flatnonzero(holds[-2 * len(x) : -len(x)] & holds[-len(x) :])
    holds[len(holds) - len(x) + fixed] = False  # a variable with equal bounds is held once
    active = np.flatnonzero(holds)
    if len(active) != len(x) or np.linalg.matrix_rank(rows[active]) < len(x):
        raise ConvergenceError(
            f"{name}: the solution must be a vertex where as many constraints hold as there are variables; got "
            f"{len(active)} for {len(x)}, a degenerate one, which has no derivative."
        )
    multipliers = np.linalg.solve(rows[active].T, c)
    is_free = (active >= equal) & ~np.isin(active, len(holds) - 2 * len(x) + fixed)
    loose = is_free & (np.abs(multipliers) <= 1e-9 * max(1.0, np.max(np.abs(c), initial=0.0)))
    if np.any(loose):
        raise ConvergenceError(
            f"{name}: the solution must be the only one; got a multiplier of 0, where it leaps to another vertex."
        )
    return active


def _limits(bounds: Any, size: int) -> tuple[Array, Array]:
    """Return the bounds of the variables, which are one pair for all or a pair for each."""
    if isinstance(bounds, np.ndarray):
        bounds = bounds.tolist()
    bounds = (0, None) if bounds is None else bounds
    if len(bounds) == 0:
        bounds = (0, None)
    is_one = len(bounds) == 2 and not any(isinstance(one, list | tuple | np.ndarray) for one in bounds)
    pairs = [bounds] * size if is_one else list(bounds) * (size if len(bounds) == 1 else 1)
    low = [-np.inf if pair[0] is None else pair[0] for pair in pairs]
    high = [np.inf if pair[1] is None else pair[1] for pair in pairs]
    return tnp.stack([tnp.asarray(x) * 1.0 for x in low]), tnp.stack([tnp.asarray(x) * 1.0 for x in high])


def linprog(
    c: Any,
    A_ub: Any = None,
    b_ub: Any = None,
    A_eq: Any = None,
    b_eq: Any = None,
    bounds: Any = (0, None),
    method: str = "highs",
    callback: Any = None,
    options: Any = None,
    x0: Any = None,
    integrality: Any = None,
) -> Any:
    if not on_tape(c, A_ub, b_ub, A_eq, b_eq, bounds):
        return scipy.optimize.linprog(c, A_ub, b_ub, A_eq, b_eq, bounds, method, callback, options, x0, integrality)
    name, info = "optimize.linprog", dict[str, Any]()
    if integrality is not None:
        raise ArgumentError(f"{name}: integrality must be left out on a tape, as a solution of integers jumps.")
    c, a_ub, a_eq = _floats(c, 1), _floats(A_ub, 2), _floats(A_eq, 2)
    b_ub, b_eq = _floats(b_ub, 1), _floats(b_eq, 1)
    equal = 0 if a_eq is None else a_eq.shape[0]

    def solve(c: Array, a_ub: Any, b_ub: Any, a_eq: Any, b_eq: Any, limits: Any) -> tuple[Array, Array]:
        pairs = np.stack(limits, -1)
        found = scipy.optimize.linprog(c, a_ub, b_ub, a_eq, b_eq, pairs, method, callback, options, x0)
        if not found.success:
            raise ConvergenceError(f"{name}: {found.message}")
        info.update(found)
        rows, levels = _rows(len(c), limits, (a_eq, b_eq), (a_ub, b_ub))
        return np.asarray(found.x), _vertex(name, rows, levels, equal, found.x, c)

    def conditions(x: Array, marks: Any, c: Array, a_ub: Any, b_ub: Any, a_eq: Any, b_eq: Any, limits: Any) -> Array:
        rows, levels = _rows(x.shape[0], limits, (a_eq, b_eq), (a_ub, b_ub))
        return tnp.take(rows, marks[0], 0) @ x - tnp.take(levels, marks[0], 0)

    given = c, a_ub, b_ub, a_eq, b_eq, _limits(bounds, c.shape[0])
    x, _ = implicit_marked(name, solve, conditions, *given)
    kept = {key: info.get(key) for key in ("nit", "status", "message", "success")}
    slack = None if a_ub is None else b_ub - a_ub @ x
    con = None if a_eq is None else b_eq - a_eq @ x
    return scipy.optimize.OptimizeResult(x=x, fun=c @ x, slack=slack, con=con, **kept)


def _floats(x: Any, ndim: int) -> Any:
    """Return an array of floats with as many axes, or None for None."""
    if x is None:
        return None
    x = tnp.asarray(x.toarray() if is_sparse(type(x)) else x) * 1.0
    return tnp.reshape(x, (-1,)) if ndim == 1 else tnp.atleast_2d(x)


published(
    linprog,
    scipy.optimize,
    "linprog",
    "Derivatives: by A_ub, b_ub, A_eq, b_eq and bounds those of the vertex, where the constraints that hold meet; by c "
    "0 of x, and x of fun. A degenerate vertex and a solution that is not the only one raise ConvergenceError. On a "
    "tape the result has x, fun, slack and con.",
)
