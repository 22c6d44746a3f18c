"""Roots of functions of one number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize

import tapenet.numpy as tnp
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ConvergenceError
from tapenet.scipy.optimize.active import side_of
from tapenet.scipy.optimize.implicit import checked, implicit, implicit_marked, on_tape, tupled
from tapenet.scipy.optimize.native import Bracketed
from tapenet.scipy.optimize.roots import scalar_root
from tapenet.scipy.placing import published
from tapenet.transforms.gradient import grad

Function = Callable[..., Any]

_NOTE = "Derivative: -f_p / f_x at the root, by args; not by the bracket or the start, which do not move it."


def _root(
    name: str,
    f: Function,
    args: tuple[Any, ...],
    solve: Function,
    info: dict[str, Any],
    tolerance: Any = 0.0,
    bracket: Any = (),
) -> Array:
    """Return the root that `solve(plain f, plain args)` gives with its report."""

    def solution(g: Function, given: Any) -> Any:
        try:
            found, report = solve(g, given)
        except ValueError as error:
            _raise_named(name, error)
            raise
        if not report.converged:
            raise _not_converged(name, report.flag)
        info.update(report)
        return found

    return scalar_root(name, f, solution, args, 4 * (tolerance or 0.0), tuple(bracket or ()))


def _raise_named(name: str, error: Exception) -> None:
    """Raise for an error of SciPy's one that names the function; do nothing for a user's."""
    text = str(error)
    if "must have different signs" in text:
        raise ArgumentError(f"{name}: {text}.") from error
    if text.startswith("Failed to converge after "):
        raise _not_converged(name, "convergence error") from error


def _not_converged(name: str, flag: str) -> ConvergenceError:
    return ConvergenceError(f"{name}: f must have a root that the solver finds; got {flag}.")


def _check_start(name: str, **given: Any) -> None:
    """Raise for a Tensor among what a solver begins with."""
    for key, value in given.items():
        if on_tape(value):
            raise ArgumentError(
                f"{name}: {key} must not be a Tensor, as the root does not depend on it. Write tn.stop_gradient({key})."
            )


def _with_report(root: Array, info: dict[str, Any], full_output: bool) -> Any:
    return (root, scipy.optimize.OptimizeResult({**info, "root": root})) if full_output else root


def _bracketing(name: str) -> Function:
    theirs, ours = getattr(scipy.optimize, name), f"optimize.{name}"

    def solver(
        f: Function,
        a: Any,
        b: Any,
        args: Any = (),
        xtol: float = 2e-12,
        rtol: float = 4 * np.finfo(float).eps,
        maxiter: int = 100,
        full_output: bool = False,
        disp: bool = True,
    ) -> Any:
        if type(a) is Tensor or type(b) is Tensor:
            _check_start(ours, a=a, b=b)
        if not on_tape(args):
            return theirs(f, a, b, args, xtol, rtol, maxiter, full_output, disp)
        if full_output:
            info: dict[str, Any] = {}

            def solve(g: Function, given: Any) -> Any:
                return theirs(g, a, b, given, xtol, rtol, maxiter, True, False)

            return _with_report(_root(ours, f, tupled(args), solve, info, xtol, (a, b)), info, full_output)

        def root(g: Function, given: Any) -> Any:  # without a report, which takes a good part of the time of a solve
            try:
                return theirs(g, a, b, given, xtol, rtol, maxiter)
            except (ValueError, RuntimeError) as error:
                _raise_named(ours, error)
                raise

        bracketed = Bracketed.of(name, a, b, xtol, rtol, maxiter)
        return scalar_root(ours, f, root, tupled(args), 4 * xtol, (a, b), bracketed)

    return published(solver, scipy.optimize, name, _NOTE)


bisect = _bracketing("bisect")
brenth = _bracketing("brenth")
brentq = _bracketing("brentq")
ridder = _bracketing("ridder")


def toms748(
    f: Function,
    a: float,
    b: float,
    args: Any = (),
    k: int = 1,
    xtol: float = 2e-12,
    rtol: float = 4 * np.finfo(float).eps,
    maxiter: int = 100,
    full_output: bool = False,
    disp: bool = True,
) -> Any:
    settings = {"k": k, "xtol": xtol, "rtol": rtol, "maxiter": maxiter}
    _check_start("optimize.toms748", a=a, b=b)
    if not on_tape(args):
        return scipy.optimize.toms748(f, a, b, args, full_output=full_output, disp=disp, **settings)
    info: dict[str, Any] = {}

    def solve(g: Function, given: Any) -> Any:
        return scipy.optimize.toms748(g, a, b, given, full_output=True, disp=False, **settings)

    return _with_report(_root("optimize.toms748", f, tupled(args), solve, info, xtol, (a, b)), info, full_output)


published(toms748, scipy.optimize, "toms748", _NOTE)


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
    _check_start("optimize.newton", x0=x0, x1=x1)
    if not on_tape(args):
        return scipy.optimize.newton(func, x0, args=args, full_output=full_output, disp=disp, **settings)
    info: dict[str, Any] = {}
    if np.ndim(x0):
        if full_output:
            raise ArgumentError("optimize.newton: full_output must be False for arrays on a tape; got True.")
        return _newton_of_arrays(func, np.asarray(x0, float), tupled(args), settings)

    def solve(g: Function, given: Any) -> Any:
        return scipy.optimize.newton(g, x0, args=given, full_output=True, disp=False, **settings)

    return _with_report(_root("optimize.newton", func, tupled(args), solve, info, tol), info, full_output)


def _newton_of_arrays(f: Function, x0: Array, args: tuple[Any, ...], settings: dict[str, Any]) -> Array:
    """Return the roots of a function that goes element by element."""
    name = "optimize.newton"

    def solve(*given: Any) -> Array:
        found, report, *_ = scipy.optimize.newton(
            checked(name, f), x0, args=given, full_output=True, disp=False, **settings
        )
        converged = np.asarray(getattr(report, "converged", report))  # SciPy takes one element for a number
        if not np.all(converged):
            raise ConvergenceError(
                f"{name}: f must have roots that the solver finds; got no convergence for {np.sum(~converged)} of "
                f"{x0.size}."
            )
        return np.ravel(found)

    def equation(x: Array, *given: Any) -> Array:
        return tnp.ravel(f(tnp.reshape(x, x0.shape), *given))

    near = 1e-3 + 4 * (settings["tol"] + settings["rtol"])
    return tnp.reshape(implicit(name, solve, equation, *args, near=near), x0.shape)


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
    _check_start("optimize.root_scalar", bracket=bracket, x0=x0, x1=x1)
    if not on_tape(args):
        return scipy.optimize.root_scalar(f, args, method, fprime=fprime, **settings)
    if method == "newton" and fprime is None:
        fprime = grad(f)
    info: dict[str, Any] = {}

    def solve(g: Function, given: Any) -> Any:
        report = scipy.optimize.root_scalar(g, given, method, fprime=fprime, **settings)
        return report.root, report

    root = _root("optimize.root_scalar", f, tupled(args), solve, info, xtol, bracket)
    return scipy.optimize.OptimizeResult({**info, "root": root})


published(root_scalar, scipy.optimize, "root_scalar", _NOTE)


# ---- minima ----


def minimize_scalar(
    fun: Function,
    bracket: Any = None,
    bounds: Any = None,
    args: Any = (),
    method: str | None = None,
    tol: float | None = None,
    options: Any = None,
) -> Any:
    if not on_tape(bounds, args):
        return scipy.optimize.minimize_scalar(fun, bracket, bounds, args, method, tol, options)
    name, info = "optimize.minimize_scalar", dict[str, Any]()
    if on_tape(bounds):
        raise ArgumentError(f"{name}: bounds must not be Tensors. Write optimize.minimize, which takes such bounds.")
    slope = grad(fun)

    def solve(*given: Any) -> tuple[Array, Array]:
        try:
            found = scipy.optimize.minimize_scalar(checked(name, fun), bracket, bounds, given, method, tol, options)
        except RuntimeError as error:
            if "No valid bracket" in str(error):
                raise ConvergenceError(f"{name}: {error}") from error
            raise
        if not found.success:
            raise ConvergenceError(f"{name}: {' '.join(str(found.message).split())}")
        info.update(found)
        x = np.array([found.x], float)
        low, high = (-np.inf, np.inf) if bounds is None else bounds
        near = 1e-5 * (1.0 if bounds is None else abs(high - low))
        return x, side_of(name, x, np.array([slope(found.x, *given)]), np.array([low]), np.array([high]), near)

    def equation(x: Array, marks: Any, *given: Any) -> Array:
        return tnp.where(marks[0] != 0, x, tnp.reshape(slope(x[0], *given), (1,)))

    x = implicit_marked(name, solve, equation, *tupled(args))[0][0]
    kept = {key: info.get(key) for key in ("nit", "nfev", "message", "success")}
    return scipy.optimize.OptimizeResult(x=x, fun=fun(x, *tupled(args)), **kept)


published(
    minimize_scalar,
    scipy.optimize,
    "minimize_scalar",
    "Derivative: -f_xp / f_xx at the minimum, by args; 0 at a bound.",
)
