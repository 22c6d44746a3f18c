"""Which bounds and constraints hold at a minimum: the active set, by the signs of multipliers.

An active one whose multiplier is 0 would be left, or not, as the arguments move: there the solution has a kink, and no
derivative. That is an error.

Source: J. Nocedal, S. Wright, Numerical Optimization (2006), sections 12.3 and 12.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import scipy.optimize

import tapenet.numpy as tnp
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, ConvergenceError
from tapenet.scipy.optimize.implicit import checked
from tapenet.transforms.jacobian import jacobian

Function = Callable[..., Any]

_LOOSE = 1e-5  # a multiplier below it counts as 0, as solvers stop at gradients of this size
LOW, FREE, HIGH, EQUAL = -1, 0, 1, 2

# How near to its bound an active constraint is: interior methods and those without gradients stop beside it.
_NEAR = {"trust-constr": 1e-4, "cobyla": 1e-3, "cobyqa": 1e-4}


def nearness(method: Any) -> tuple[float, float]:
    """Return how near to its level an active bound is, and an active constraint, by the solver's method."""
    near = _NEAR.get(str(method).lower(), 0.0)
    return max(near, 1e-9), max(near, 1e-6)


def _at(values: Array, low: Array, high: Array, near: float) -> tuple[Array, Array]:
    """Return which values are at their lower and at their upper levels."""
    room = near * np.maximum(1.0, np.abs(values))
    return values <= low + room, values >= high - room


def side_of(name: str, x: Array, slope: Array, low: Array, high: Array, near: float = 1e-9) -> Array:
    """Return for each variable LOW or HIGH where its bound holds it against the gradient, and FREE elsewhere."""
    at_low, at_high = _at(x, low, high, near)
    _check_held(name, np.where(at_low, slope, np.where(at_high, -slope, np.inf)), "variable")
    return np.where(at_low, LOW, np.where(at_high, HIGH, FREE))


def _check_held(name: str, multipliers: Array, what: str) -> None:
    loose = np.flatnonzero(multipliers <= _LOOSE)
    if len(loose):
        subject = "a variable at its bound" if what == "variable" else "an active constraint"
        raise ConvergenceError(
            f"{name}: {subject} must be held there by a gradient other than 0 to have a derivative; got "
            f"{multipliers[loose[0]]:.3g} for {what} {loose[0]}, where the active "
            f"{'bounds' if what == 'variable' else 'constraints'} switch."
        )


# ---- bounds ----


def bounds_of(name: str, bounds: Any, size: int) -> tuple[Array, Array] | None:
    """Return the lower and upper bounds as vectors, of Tensors where some bounds are; None where there are none."""
    if bounds is None:
        return None
    if isinstance(bounds, scipy.optimize.Bounds):
        return np.broadcast_to(bounds.lb, size).astype(float), np.broadcast_to(bounds.ub, size).astype(float)
    pairs = [tuple(pair) for pair in bounds]
    if len(pairs) != size:
        raise ArgumentError(
            f"{name}: bounds must have one pair (low, high) for each of {size} variables; got {len(pairs)}."
        )
    low = [-np.inf if pair[0] is None else pair[0] for pair in pairs]
    high = [np.inf if pair[1] is None else pair[1] for pair in pairs]
    return tnp.stack([tnp.asarray(x) * 1.0 for x in low]), tnp.stack([tnp.asarray(x) * 1.0 for x in high])


# ---- constraints ----


@attrs.frozen(eq=False)
class Constraint:
    """A constraint low <= f(x, *args) <= high, of vectors.

    Attributes:
        f: gives a vector.
        args: of f, beside x.
        low, high: its levels, numbers or vectors.
        given: as SciPy takes it, with its Jacobian.
    """

    f: Function
    args: tuple[Any, ...]
    low: Any
    high: Any
    given: Function

    def levels(self, size: int) -> tuple[Array, Array]:
        return np.broadcast_to(self.low, size).astype(float), np.broadcast_to(self.high, size).astype(float)


def constraints_of(name: str, constraints: Any, back: Function) -> list[Constraint]:
    """Return the constraints of a problem; `back` gives the pytree of variables of their vector."""
    listed = [*constraints] if isinstance(constraints, list | tuple) else [constraints]
    return [_constraint(name, one, back) for one in listed]


def _constraint(name: str, one: Any, back: Function) -> Constraint:
    if isinstance(one, scipy.optimize.LinearConstraint):
        matrix = one.A if isinstance(one.A, np.ndarray) else one.A.toarray()
        return Constraint(lambda x: matrix @ x, (), one.lb, one.ub, lambda args: one)
    if isinstance(one, scipy.optimize.NonlinearConstraint):
        f = _vector(one.fun, back)
        slope = one.jac if callable(one.jac) else jacobian(f)
        settings = {key: getattr(one, key) for key in ("hess", "keep_feasible", "finite_diff_rel_step")}
        given = scipy.optimize.NonlinearConstraint(checked(name, f), one.lb, one.ub, slope, **settings)
        return Constraint(f, (), one.lb, one.ub, lambda args: given)
    if not isinstance(one, dict) or str(one.get("type")).lower() not in ("eq", "ineq") or "fun" not in one:
        raise ArgumentError(
            f'{name}: a constraint must be a dict {{"type": "eq" or "ineq", "fun": f}}, a LinearConstraint or a '
            f"NonlinearConstraint; got {type(one).__name__}."
        )
    f, args = _vector(one["fun"], back), one.get("args", ())
    slope = one["jac"] if callable(one.get("jac")) else jacobian(f)
    high = 0.0 if one["type"].lower() == "eq" else np.inf
    return Constraint(f, args, 0.0, high, lambda args: {**one, "fun": checked(name, f), "jac": slope, "args": args})


def _vector(f: Function, back: Function) -> Function:
    """Return a constraint as a function from vector to vector."""

    def values(x: Array, *args: Any) -> Array:
        return tnp.ravel(f(back(x), *args))

    return values


# ---- the conditions of Karush, Kuhn and Tucker ----


def multipliers(
    name: str,
    slope: Array,
    x: Array,
    limits: tuple[Array, Array],
    constraints: Sequence[tuple[Array, Array, Array, Array]],
    near: tuple[float, float],
) -> tuple[Array, Array, Array]:
    """Return the multipliers of constraints at a minimum, which bounds hold, and which constraints.

    Args:
        name: the function, for errors.
        slope: the gradient of the objective.
        x: the minimum.
        limits: the bounds of the variables, which are infinite where there are none.
        constraints: of each the values, their Jacobian, and the levels, lower and upper.
        near: how near to their levels active bounds and constraints are.
    """
    values = np.concatenate([one[0] for one in constraints]) if constraints else np.zeros(0)
    rows = np.concatenate([one[1] for one in constraints]) if constraints else np.zeros((0, len(x)))
    low = np.concatenate([one[2] for one in constraints]) if constraints else np.zeros(0)
    high = np.concatenate([one[3] for one in constraints]) if constraints else np.zeros(0)
    at_low, at_high = _at(values, low, high, near[1])
    held = np.where(low == high, EQUAL, np.where(at_low, LOW, np.where(at_high, HIGH, FREE)))
    x_low, x_high = _at(x, *limits, near[0])
    is_free = ~(x_low | x_high)
    active = np.flatnonzero(held)
    found = np.zeros(len(values))
    if len(active):
        found[active] = np.linalg.lstsq(rows[active][:, is_free].T, slope[is_free], rcond=None)[0]
    rest = slope - rows.T @ found
    _check_stationary(name, rest[is_free], slope)
    signed = np.where(held == LOW, found, np.where(held == HIGH, -found, np.inf))
    _check_held(name, signed, "constraint")
    return found, side_of(name, x, rest, *limits, near[0]), held


def _check_stationary(name: str, rest: Array, slope: Array) -> None:
    largest = np.max(np.abs(rest), initial=0.0)
    if not largest <= 1e-3 * max(1.0, np.max(np.abs(slope), initial=0.0)):
        raise ConvergenceError(
            f"{name}: the solution must satisfy the conditions of a minimum, gradient = sum of multipliers times "
            f"gradients of constraints; got a difference of {largest:.3g}. Pass a smaller tol."
        )
