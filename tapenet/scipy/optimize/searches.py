"""Searches for the lowest of several minima: SciPy's on plain values, and the derivative of what is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize

from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.optimize.active import bounds_of
from tapenet.scipy.optimize.implicit import checked, on_tape, start_of, tupled
from tapenet.scipy.optimize.minima import Problem
from tapenet.scipy.placing import published
from tapenet.transforms.gradient import grad
from tapenet.transforms.jacobian import hessian

Function = Callable[..., Any]

# The minimum that a search finds is made exact by a local solver, as its derivative is that of a stationary point.
_LOCAL = {"tol": 1e-12, "callback": None, "options": None, "hess": None, "hessp": None}


def _found(name: str, fun: Function, args: Any, bounds: Any, size: int, search: Function) -> Any:
    """Return the minimum as a function of args and bounds, None where there are none."""

    def sharp(args: Any, limits: Any) -> Array:
        return _sharpened(fun, np.asarray(search(args, limits), float), args, limits)

    problem = Problem(name, fun, lambda x: x, np.zeros(size), [], "L-BFGS-B", dict(_LOCAL), sharp)
    return problem.result(args, [], bounds_of(name, bounds, size))


def _sharpened(fun: Function, x: Array, args: Any, limits: Any) -> Array:
    """Return a minimum after a few of Newton's steps, as long as the gradient by variables off their bounds shrinks."""
    low, high = (-np.inf, np.inf) if limits is None else (limits.lb, limits.ub)
    inside = (x > low) & (x < high)
    slope, curvature = grad(fun), hessian(fun)
    steep = np.asarray(slope(x, *args))[inside]
    for _ in range(4):
        try:
            root = np.linalg.cholesky(np.asarray(curvature(x, *args))[np.ix_(inside, inside)])
        except np.linalg.LinAlgError:
            return x
        moved = x.copy()
        moved[inside] -= np.linalg.solve(root.T, np.linalg.solve(root, steep))
        next_steep = np.asarray(slope(moved, *args))[inside]
        if np.any(moved < low) or np.any(moved > high) or not np.sum(next_steep**2) < np.sum(steep**2):
            return x
        x, steep = moved, next_steep
    return x


def _check_unconstrained(name: str, settings: dict[str, Any]) -> None:
    if settings.get("constraints"):
        raise ArgumentError(
            f"{name}: constraints must be left out on a tape. Search plain values, and write optimize.minimize with "
            "constraints, from the point that is found."
        )


def _bounded(name: str) -> Function:
    """Declare a search `(func, bounds, args=(), **settings)`."""
    theirs, ours = getattr(scipy.optimize, name), f"optimize.{name}"

    def function(func: Function, bounds: Any, args: Any = (), **settings: Any) -> Any:
        if not on_tape(bounds, args):
            return theirs(checked(ours, func), bounds, args=args, **settings)
        _check_unconstrained(ours, settings)
        pairs = bounds if isinstance(bounds, scipy.optimize.Bounds) else [tuple(pair) for pair in bounds]
        size = np.size(pairs.lb) if isinstance(pairs, scipy.optimize.Bounds) else len(pairs)

        def search(args: Any, limits: Any) -> Array:
            both = [*zip(limits.lb.tolist(), limits.ub.tolist(), strict=True)]
            return theirs(checked(ours, func), both, args=args, **settings).x

        return _found(ours, func, tupled(args), pairs, size, search)

    return published(
        function,
        scipy.optimize,
        name,
        "Derivatives: by args and by bounds that are Tensors, those of optimize.minimize at the minimum that is found, "
        "which a local solver makes exact first.",
    )


differential_evolution, direct, dual_annealing, shgo = map(
    _bounded, ("differential_evolution", "direct", "dual_annealing", "shgo")
)


def basinhopping(func: Function, x0: Any, *further: Any, minimizer_kwargs: Any = None, **settings: Any) -> Any:
    name, given = "optimize.basinhopping", dict(minimizer_kwargs or {})
    args, bounds = tupled(given.pop("args", ())), given.pop("bounds", None)
    if not on_tape(x0, args, bounds):
        func = checked(name, func)
        return scipy.optimize.basinhopping(func, x0, *further, minimizer_kwargs=minimizer_kwargs, **settings)
    _check_unconstrained(name, given)
    start = start_of(name, x0)

    def search(args: Any, limits: Any) -> Array:
        local = {**given, "args": args, **({} if limits is None else {"bounds": limits})}
        return scipy.optimize.basinhopping(checked(name, func), start, *further, minimizer_kwargs=local, **settings).x

    return _found(name, func, args, bounds, len(start), search)


published(
    basinhopping,
    scipy.optimize,
    "basinhopping",
    "Derivatives: by the args and bounds of `minimizer_kwargs`, those of optimize.minimize at the minimum that is "
    "found, which a local solver makes exact first.",
)


def brute(
    func: Function, ranges: Any, args: Any = (), Ns: int = 20, full_output: Any = 0, *further: Any, **settings: Any
) -> Any:
    name = "optimize.brute"
    if not on_tape(ranges, args):
        return scipy.optimize.brute(checked(name, func), ranges, args, Ns, full_output, *further, **settings)
    if full_output:
        raise ArgumentError(f"{name}: full_output must be False on a tape.")
    if on_tape(ranges):
        raise ArgumentError(
            f"{name}: ranges must not be Tensors, as the minimum does not depend on them. Write x.value."
        )

    def search(args: Any, limits: Any) -> Array:
        return scipy.optimize.brute(checked(name, func), ranges, args, Ns, 0, *further, **settings)

    return _found(name, func, tupled(args), None, len(ranges), search).x


published(
    brute,
    scipy.optimize,
    "brute",
    "Derivatives: by args, those of optimize.minimize at the minimum that is found, which a local solver makes exact.",
)
