"""Roots of systems, and fixed points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize

import tapenet.numpy as tnp
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, ConvergenceError
from tapenet.scipy.optimize.implicit import checked, implicit, on_tape, solution_of, start_of, tupled
from tapenet.scipy.placing import published
from tapenet.transforms.jacobian import jacobian

Function = Callable[..., Any]


def root(
    fun: Function,
    x0: Any,
    args: Any = (),
    method: str = "hybr",
    jac: Any = None,
    tol: float | None = None,
    callback: Any = None,
    options: Any = None,
) -> Any:
    name, info = "optimize.root", dict[str, Any]()
    if not on_tape(x0, args):
        return scipy.optimize.root(checked(name, fun), x0, args, method, jac, tol, callback, options)
    start, shape = start_of(name, x0), np.shape(np.atleast_1d(x0))

    def equation(x: Array, *given: Any) -> Array:
        return tnp.ravel(fun(tnp.reshape(x, shape), *given))

    slope = jacobian(equation) if jac is None and method in ("hybr", "lm") else jac

    def solve(*given: Any) -> Array:
        found = scipy.optimize.root(
            checked(name, equation), start.ravel(), given, method, slope, tol, callback, options
        )
        return solution_of(name, found, info)

    # Minpack stops where steps are short, at a minimum of the norm as well as at a root; the others look at f.
    loosest = max([tol or 0.0, *((options or {}).get(key) or 0.0 for key in ("xtol", "ftol", "gtol"))])
    near = 1e-3 + 4 * loosest if method in ("hybr", "lm") else np.inf
    x = tnp.reshape(implicit(name, solve, equation, *tupled(args), near=near), shape)
    return scipy.optimize.OptimizeResult({**info, "x": x})


_BY_ROOT = "Derivative: -J^-1 f_p at the root, by args. On a tape J is supplied to the solver where it takes one."
published(root, scipy.optimize, "root", _BY_ROOT)


def fsolve(
    func: Function,
    x0: Any,
    args: Any = (),
    fprime: Any = None,
    full_output: bool = False,
    col_deriv: bool = False,
    xtol: float = 1.49012e-8,
    maxfev: int = 0,
    band: Any = None,
    epsfcn: float | None = None,
    factor: float = 100,
    diag: Any = None,
) -> Any:
    settings: dict[str, Any] = {"col_deriv": col_deriv, "xtol": xtol, "maxfev": maxfev, "band": band}
    settings |= {"factor": factor, "diag": diag}
    if not on_tape(x0, args):
        return scipy.optimize.fsolve(
            checked("optimize.fsolve", func), x0, args, fprime, full_output, epsfcn=epsfcn, **settings
        )
    if full_output:
        raise ArgumentError("optimize.fsolve: full_output must be False on a tape; got True. Write optimize.root.")
    return root(func, x0, args, jac=fprime, options={**settings, "eps": epsfcn}).x


published(fsolve, scipy.optimize, "fsolve", _BY_ROOT)


def fixed_point(
    func: Function, x0: Any, args: Any = (), xtol: float = 1e-8, maxiter: int = 500, method: str = "del2"
) -> Any:
    if not on_tape(x0, args):
        return scipy.optimize.fixed_point(func, x0, args, xtol, maxiter, method)
    name = "optimize.fixed_point"
    shape, start = np.shape(x0), start_of(name, x0)

    def step(x: Array, *given: Any) -> Array:
        return tnp.ravel(func(tnp.reshape(x, shape)[()], *given))

    def solve(*given: Any) -> Array:
        try:
            found = scipy.optimize.fixed_point(checked(name, step), start.ravel(), given, xtol, maxiter, method)
        except RuntimeError as error:
            if "Failed to converge" in str(error):
                raise ConvergenceError(f"{name}: {error}") from error
            raise
        return np.asarray(found)

    return tnp.reshape(implicit(name, solve, lambda x, *given: step(x, *given) - x, *tupled(args)), shape)


published(fixed_point, scipy.optimize, "fixed_point", "Derivative: (1 - J)^-1 f_p at the fixed point, by args.")
