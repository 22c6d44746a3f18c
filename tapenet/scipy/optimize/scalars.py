"""Roots of functions of one number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize

import tapenet.numpy as tnp
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, ConvergenceError
from tapenet.scipy.optimize.implicit import checked, implicit, on_tape
from tapenet.scipy.placing import published
from tapenet.transforms.gradient import grad

Function = Callable[..., Any]

_NOTE = "Derivative: -f_p / f_x at the root, by args; not by the bracket or the start, which do not move it."


def _tupled(args: Any) -> tuple[Any, ...]:
    return args if isinstance(args, tuple) else (args,)


def _root(name: str, f: Function, args: tuple[Any, ...], solve: Function, info: dict[str, Any]) -> Array:
    """Return the root that `solve(plain f, plain args)` gives with its report."""

    def solution(*given: Any) -> Array:
        try:
            found, report = solve(checked(name, f), given)
        except ValueError as error:
            if "must have different signs" in str(error):
                raise ArgumentError(f"{name}: {error}.") from error
            raise
        if not report.converged:
            raise ConvergenceError(f"{name}: f must have a root that the solver finds; got {report.flag}.")
        info.update(report)
        return np.reshape(np.asarray(found, float), (1,))

    def equation(x: Array, *given: Any) -> Array:
        return tnp.reshape(tnp.asarray(f(x[0], *given)), (1,))

    return implicit(name, solution, equation, *args)[0]


def _bracketing(name: str) -> Function:
    theirs = getattr(scipy.optimize, name)

    def solver(
        f: Function,
        a: float,
        b: float,
        args: Any = (),
        xtol: float = 2e-12,
        rtol: float = 4 * np.finfo(float).eps,
        maxiter: int = 100,
        full_output: bool = False,
        disp: bool = True,
    ) -> Any:
        settings = {"xtol": xtol, "rtol": rtol, "maxiter": maxiter}
        if not on_tape(args):
            return theirs(f, a, b, args, full_output=full_output, disp=disp, **settings)
        info: dict[str, Any] = {}

        def solve(g: Function, given: Any) -> Any:
            return theirs(g, a, b, given, full_output=True, disp=False, **settings)

        root = _root(f"optimize.{name}", f, _tupled(args), solve, info)
        return (root, scipy.optimize.OptimizeResult({**info, "root": root})) if full_output else root

    return published(solver, scipy.optimize, name, _NOTE)


bisect = _bracketing("bisect")
brenth = _bracketing("brenth")
brentq = _bracketing("brentq")
ridder = _bracketing("ridder")


def newton(
    func: Function,
    x0: Any,
    fprime: Function | None = None,
    args: Any = (),
    tol: float = 1.48e-08,
    maxiter: int = 50,
    fprime2: Function | None = None,
    x1: float | None = None,
    rtol: float = 0.0,
    full_output: bool = False,
    disp: bool = True,
) -> Any:
    settings: dict[str, Any] = {"fprime": fprime, "tol": tol, "maxiter": maxiter, "fprime2": fprime2, "x1": x1}
    settings["rtol"] = rtol
    if not on_tape(args):
        return scipy.optimize.newton(func, x0, args=args, full_output=full_output, disp=disp, **settings)
    if np.ndim(x0):
        raise ArgumentError("optimize.newton: x0 must be one number on a tape. Write tn.vmap, or optimize.root.")
    info: dict[str, Any] = {}

    def solve(g: Function, given: Any) -> Any:
        return scipy.optimize.newton(g, x0, args=given, full_output=True, disp=False, **settings)

    root = _root("optimize.newton", func, _tupled(args), solve, info)
    return (root, scipy.optimize.OptimizeResult({**info, "root": root})) if full_output else root


published(newton, scipy.optimize, "newton", _NOTE)


def root_scalar(
    f: Function,
    args: Any = (),
    method: str | None = None,
    bracket: Any = None,
    fprime: Any = None,
    fprime2: Any = None,
    x0: float | None = None,
    x1: float | None = None,
    xtol: float | None = None,
    rtol: float | None = None,
    maxiter: int | None = None,
    options: Any = None,
) -> Any:
    settings: dict[str, Any] = {"bracket": bracket, "fprime2": fprime2, "x0": x0, "x1": x1, "xtol": xtol}
    settings |= {"rtol": rtol, "maxiter": maxiter, "options": options}
    if not on_tape(args):
        return scipy.optimize.root_scalar(f, args, method, fprime=fprime, **settings)
    if method == "newton" and fprime is None:
        fprime = grad(f)
    info: dict[str, Any] = {}

    def solve(g: Function, given: Any) -> Any:
        report = scipy.optimize.root_scalar(g, given, method, fprime=fprime, **settings)
        return report.root, report

    root = _root("optimize.root_scalar", f, _tupled(args), solve, info)
    return scipy.optimize.OptimizeResult({**info, "root": root})


published(root_scalar, scipy.optimize, "root_scalar", _NOTE)
