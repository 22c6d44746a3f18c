"""Minima of functions of pytrees, with bounds and constraints."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import scipy.optimize

import tapenet.numpy as tnp
from tapenet.core.primitive import Array
from tapenet.core.pytrees import tree_flatten, tree_leaves
from tapenet.errors import ArgumentError
from tapenet.scipy.optimize.active import (
    FREE,
    HIGH,
    Constraint,
    bounds_of,
    constraints_of,
    multipliers,
    nearness,
)
from tapenet.scipy.optimize.implicit import checked, implicit_marked, on_tape, solution_of, start_of, tupled
from tapenet.scipy.placing import published
from tapenet.transforms.gradient import grad, value_and_grad
from tapenet.transforms.jacobian import hessian, hvp, jacobian
from tapenet.tree import ravel

Function = Callable[..., Any]

_WITHOUT_GRADIENT = ("nelder-mead", "powell", "cobyla", "cobyqa")
_WITH_PRODUCTS = ("newton-cg", "trust-ncg", "trust-krylov", "trust-constr")
_WITH_HESSIAN = ("dogleg", "trust-exact")


@attrs.frozen(eq=False)
class Problem:
    """A problem of vectors.

    Attributes:
        name: the function, for errors.
        fun: the objective, of pytrees.
        back: gives the pytree of a vector.
        start: the vector that the solver begins at.
        constraints: these.
        method: the solver's.
        settings: the rest of what SciPy's function takes.
        search: `search(args, bounds)` gives where the solver begins, of plain values, in place of `start`.
    """

    name: str
    fun: Function
    back: Function
    start: Array
    constraints: Sequence[Constraint]
    method: Any
    settings: dict[str, Any]
    search: Function | None = None

    def objective(self, x: Array, *args: Any) -> Array:
        value = self.fun(self.back(x), *args)
        return tnp.reshape(value, ()) if np.size(value) == 1 else value

    def found(self, args: Any, constraint_args: Any, bounds: Any) -> Any:
        """Return SciPy's result for plain values."""
        given = [one.given(own) for one, own in zip(self.constraints, constraint_args, strict=True)]
        limits = None if bounds is None else scipy.optimize.Bounds(*bounds)
        settings = {**self.settings, "bounds": limits, "constraints": given or ()}
        method = str(self.method).lower()
        if method in _WITHOUT_GRADIENT:
            f, slope = checked(self.name, self.objective), None
        else:
            f, slope = checked(self.name, value_and_grad(self.objective)), True
        if settings["hess"] is None and settings["hessp"] is None:
            if method in _WITH_PRODUCTS:
                settings["hessp"] = lambda x, v, *args: hvp(lambda x: self.objective(x, *args))(x, v)
            elif method in _WITH_HESSIAN:
                settings["hess"] = hessian(self.objective)
        start = self.start if self.search is None else self.search(args, limits)
        return scipy.optimize.minimize(f, start, args, self.method, jac=slope, **settings)

    def at(self, x: Array, constraint_args: Any) -> list[tuple[Array, Array, Array]]:
        """Return for each constraint its values, and its lower and upper levels."""
        found = []
        for one, own in zip(self.constraints, constraint_args, strict=True):
            values = one.f(x, *own)
            found.append((values, *one.levels(values.shape[0])))
        return found

    def solve(self, info: dict[str, Any]) -> Function:
        """Return what gives a minimum, its multipliers and its active set, of plain values."""

        def solution(args: Any, constraint_args: Any, bounds: Any) -> tuple[Array, ...]:
            x = solution_of(self.name, self.found(args, constraint_args, bounds), info)
            infinite = np.full(len(x), np.inf)
            low, high = (-infinite, infinite) if bounds is None else map(np.asarray, bounds)
            slope = np.asarray(grad(self.objective)(x, *args))
            pairs = zip(self.constraints, constraint_args, self.at(x, constraint_args), strict=True)
            rows = [(values, jacobian(one.f)(x, *own), *levels) for one, own, (values, *levels) in pairs]
            found, side, held = multipliers(self.name, slope, x, (low, high), rows, nearness(self.method))
            return np.concatenate([x, found]), side, held

        return solution

    def conditions(self, z: Array, marks: Any, args: Any, constraint_args: Any, bounds: Any) -> Array:
        """Return what is zero at a minimum x with multipliers l, z = (x, l), where marks say what is active."""
        n = len(self.start)
        x, factors, (side, held) = z[:n], z[n:], marks

        def lagrangian(x: Array) -> Array:
            value = self.objective(x, *args)
            if not self.constraints:
                return value
            return value - tnp.sum(factors * tnp.concatenate([one[0] for one in self.at(x, constraint_args)]))

        slope = grad(lagrangian)(x)
        if bounds is not None:
            level = tnp.where(side == FREE, 0.0, tnp.where(side == HIGH, bounds[1], bounds[0]))
            slope = tnp.where(side == FREE, slope, x - level)
        if not self.constraints:
            return slope
        values, low, high = (tnp.concatenate(parts) for parts in zip(*self.at(x, constraint_args), strict=True))
        level = tnp.where(held == FREE, 0.0, tnp.where(held == HIGH, high, low))
        return tnp.concatenate([slope, tnp.where(held == FREE, factors, values - level)])

    def result(self, args: Any, constraint_args: Any, bounds: Any) -> Any:
        """Return the result whose solution is a function of these."""
        info = dict[str, Any]()
        z, _, _ = implicit_marked(self.name, self.solve(info), self.conditions, args, constraint_args, bounds)
        x = z[: len(self.start)]
        kept = {key: info.get(key) for key in ("nit", "nfev", "njev", "status", "message", "success")}
        return scipy.optimize.OptimizeResult(x=self.back(x), fun=self.objective(x, *args), **kept)


def _variables(x0: Any) -> tuple[Array, Function]:
    """Return the vector of variables, and what gives their pytree."""
    if isinstance(x0, int | float | np.ndarray | np.generic | list) and all(np.ndim(x) == 0 for x in tree_leaves(x0)):
        return np.atleast_1d(np.asarray(x0, float)).ravel(), lambda x: x
    if isinstance(x0, np.ndarray):
        return np.asarray(x0, float).ravel(), lambda x: x
    vector, back = ravel(x0)
    return np.asarray(vector, float), back


def _pairs(name: str, x0: Any, bounds: Any) -> Any:
    """Return bounds as SciPy takes them: of a pytree of variables, a pair for each leaf of a pytree of pairs."""
    if bounds is None or isinstance(bounds, scipy.optimize.Bounds | list | np.ndarray):
        return bounds
    leaves, spec = tree_flatten(x0)
    if isinstance(bounds, tuple) and not isinstance(x0, tuple):
        return bounds
    try:
        pairs = spec.flatten_up_to(bounds)
    except ValueError as error:
        raise ArgumentError(f"{name}: bounds must have the structure of x0, with a pair for each leaf.") from error
    return [pair for leaf, pair in zip(leaves, pairs, strict=True) for _ in range(np.size(leaf))]


def _called_back(callback: Function | None, back: Function) -> Function | None:
    """Return a callback that takes the pytree of variables."""
    if callback is None or set(inspect.signature(callback).parameters) == {"intermediate_result"}:
        return callback
    return lambda x, *rest: callback(back(x), *rest)


def minimize(
    fun: Function,
    x0: Any,
    args: Any = (),
    method: str | None = None,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    callback: Any = None,
    options: Any = None,
) -> Any:
    name, args = "optimize.minimize", tupled(args)
    is_on_tape = on_tape(x0, args, bounds, constraints)
    if not is_on_tape and jac is not None:
        return scipy.optimize.minimize(
            fun, x0, args, method, jac, hess, hessp, bounds, constraints, tol, callback, options
        )
    if on_tape(x0):
        start_of(name, x0)
    start, back = _variables(x0)
    settings = {"tol": tol, "callback": _called_back(callback, back), "options": options, "hess": hess, "hessp": hessp}
    if jac is True:  # the function gives its gradient too
        both, fun = fun, lambda x, *given: both(x, *given)[0]
    listed = constraints_of(name, constraints, back)
    problem = Problem(name, fun, back, start, listed, method or ("SLSQP" if listed else None), settings)
    given = args, [one.args for one in listed], bounds_of(name, _pairs(name, x0, bounds), len(start))
    if not is_on_tape:
        result = problem.found(*given)
        result.x = back(result.x)
        return result
    return problem.result(*given)


published(
    minimize,
    scipy.optimize,
    "minimize",
    "Derivative: by args, by the args of constraints and by bounds that are Tensors, that of the solution of the "
    "conditions of Karush, Kuhn and Tucker, whose active constraints stay as they are; a variable at its bound moves "
    "with it alone. Where a multiplier is 0 the active set switches, and ConvergenceError is raised. Without `jac`, x0 "
    "is any pytree (and bounds one of pairs), and gradients, products with the Hessian and Jacobians of constraints "
    'are supplied to the solver; `jac="2-point"` leaves them to it.',
)
