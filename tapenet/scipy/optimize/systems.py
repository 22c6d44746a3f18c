"""Roots of systems, fixed points, least squares and minima."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import nondifferentiable
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, ConvergenceError
from tapenet.scipy.optimize.implicit import checked, implicit, on_tape
from tapenet.scipy.placing import passed_on, published
from tapenet.transforms.gradient import grad, value_and_grad
from tapenet.transforms.jacobian import hvp, jacobian
from tapenet.tree import ravel

Function = Callable[..., Any]

linear_sum_assignment = passed_on(
    scipy.optimize, "linear_sum_assignment", "it gives indices, which are piecewise constant: pass the costs' values."
)


def _tupled(args: Any) -> tuple[Any, ...]:
    return args if isinstance(args, tuple) else (args,)


def _start(name: str, x0: Any) -> Array:
    """Return the start of a solver, a plain vector."""
    if on_tape(x0):
        raise ArgumentError(
            f"{name}: x0 must not be a Tensor, as the solution does not depend on it. Write tn.stop_gradient(x0)."
        )
    return np.atleast_1d(np.asarray(x0, float))


def _result(name: str, found: Any, info: dict[str, Any]) -> Array:
    """Return the vector of a result, unless the solver failed."""
    if not found.success:
        raise ConvergenceError(f"{name}: {' '.join(str(found.message).split())}")
    info.update(found)
    return np.asarray(found.x, float)


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
    if not on_tape(x0, args):
        return scipy.optimize.root(fun, x0, args, method, jac, tol, callback, options)
    name, info = "optimize.root", dict[str, Any]()
    start = _start(name, x0)
    slope = jacobian(lambda x, *given: tnp.asarray(fun(x, *given))) if jac is None and method in ("hybr", "lm") else jac

    def solve(*given: Any) -> Array:
        found = scipy.optimize.root(checked(name, fun), start, given, method, slope, tol, callback, options)
        return _result(name, found, info)

    x = implicit(name, solve, lambda x, *given: tnp.asarray(fun(x, *given)), *_tupled(args))
    return scipy.optimize.OptimizeResult({**info, "x": x})


published(
    root,
    scipy.optimize,
    "root",
    "Derivative: -J^-1 f_p at the root, by args. On a tape J is supplied to the solver where it takes one.",
)


def fixed_point(
    func: Function, x0: Any, args: Any = (), xtol: float = 1e-8, maxiter: int = 500, method: str = "del2"
) -> Any:
    if not on_tape(x0, args):
        return scipy.optimize.fixed_point(func, x0, args, xtol, maxiter, method)
    name = "optimize.fixed_point"
    shape, start = np.shape(x0), _start(name, x0)

    def step(x: Array, *given: Any) -> Array:
        return tnp.reshape(tnp.asarray(func(tnp.reshape(x, shape)[()], *given)), (-1,))

    def solve(*given: Any) -> Array:
        try:
            return np.asarray(scipy.optimize.fixed_point(checked(name, step), start, given, xtol, maxiter, method))
        except RuntimeError as error:
            if "Failed to converge" in str(error):
                raise ConvergenceError(f"{name}: {error}") from error
            raise

    return tnp.reshape(implicit(name, solve, lambda x, *given: step(x, *given) - x, *_tupled(args)), shape)


published(fixed_point, scipy.optimize, "fixed_point", "Derivative: (1 - J)^-1 f_p at the fixed point, by args.")


def least_squares(fun: Function, x0: Any, jac: Any = "2-point", *, args: Any = (), **settings: Any) -> Any:
    if not on_tape(x0, args, settings):
        return scipy.optimize.least_squares(fun, x0, jac, args=args, **settings)
    name, info = "optimize.least_squares", dict[str, Any]()
    if settings.get("loss", "linear") != "linear" or "bounds" in settings or on_tape(settings):
        raise ArgumentError(f"{name}: loss and bounds must be left out on a tape. Write optimize.minimize.")
    start = _start(name, x0)
    slope = jac if callable(jac) else jacobian(lambda x, *given: tnp.asarray(fun(x, *given)))

    def solve(*given: Any) -> Array:
        found = scipy.optimize.least_squares(checked(name, fun), start, slope, args=given, **settings)
        return _result(name, found, info)

    def cost(x: Array, *given: Any) -> Array:
        return 0.5 * tnp.sum(tnp.asarray(fun(x, *given)) ** 2)

    x = implicit(name, solve, grad(cost), *_tupled(args))
    kept = {key: info[key] for key in ("nfev", "njev", "status", "message", "success")}
    return scipy.optimize.OptimizeResult(x=x, fun=tnp.asarray(fun(x, *_tupled(args))), cost=cost(x, *args), **kept)


published(
    least_squares,
    scipy.optimize,
    "least_squares",
    "Derivative: that of the zero of the cost's gradient, by args. The Jacobian is supplied to the solver.",
)


def curve_fit(
    f: Function,
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    **settings: Any,
) -> Any:
    if not on_tape(xdata, ydata, sigma):
        return scipy.optimize.curve_fit(f, xdata, ydata, p0, sigma, absolute_sigma, **settings)
    name = "optimize.curve_fit"
    if settings or np.ndim(sigma) == 2:
        raise ArgumentError(f"{name}: sigma must be a vector, and further settings be left out, on a tape.")
    ydata = tnp.asarray(ydata)
    sigma = np.ones(ydata.shape) if sigma is None else sigma

    def residuals(p: Array, xdata: Any, ydata: Any, sigma: Any) -> Array:
        return (f(xdata, *(p[i] for i in range(p.shape[0]))) - ydata) / sigma

    def cost(p: Array, *given: Any) -> Array:
        return 0.5 * tnp.sum(residuals(p, *given) ** 2)

    def solve(xdata: Any, ydata: Any, sigma: Any) -> Array:
        try:
            found, _ = scipy.optimize.curve_fit(checked(name, f), xdata, ydata, p0, sigma)
        except RuntimeError as error:
            if "Optimal parameters not found" in str(error):
                raise ConvergenceError(f"{name}: {error}") from error
            raise
        return np.asarray(found)

    given = xdata, ydata, sigma
    p = implicit(name, solve, grad(cost), *given)
    slopes = jacobian(residuals)(p, *given)
    covariance = tnp.linalg.inv(slopes.T @ slopes)
    freedom = ydata.shape[0] - p.shape[0]
    if not absolute_sigma:
        covariance = covariance * (2 * cost(p, *given) / freedom)
    return p, covariance


published(
    curve_fit,
    scipy.optimize,
    "curve_fit",
    "Derivatives: those of the zero of the cost's gradient, by xdata, ydata and sigma, and of the covariance there.",
)

# ---- minima ----


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
    args = _tupled(args)
    is_plain = isinstance(x0, int | float | np.ndarray | list) and jac is not None
    if is_plain and not on_tape(x0, args):
        return scipy.optimize.minimize(
            fun, x0, args, method, jac, hess, hessp, bounds, constraints, tol, callback, options
        )
    name, info = "optimize.minimize", dict[str, Any]()
    if on_tape(x0):
        _start(name, x0)
    if constraints and on_tape(args):
        raise ArgumentError(
            f"{name}: constraints must be left out where args are on a tape. Write the conditions of the minimum, and "
            "solve them by optimize.root."
        )
    vector, back = ravel(x0 if not isinstance(x0, list) else np.asarray(x0, float))
    vector = np.asarray(vector, float)

    def objective(x: Array, *given: Any) -> Any:
        return fun(back(x), *given)

    settings: dict[str, Any] = {"bounds": bounds, "tol": tol, "callback": callback, "options": options}
    settings["constraints"] = [_with_jacobian(one, back) for one in _listed(constraints)]
    if method in ("Newton-CG", "trust-ncg", "trust-krylov", "trust-constr") and hess is None and hessp is None:
        settings["hessp"] = lambda x, v, *given: hvp(lambda x: objective(x, *given))(x, v)
    elif hess is not None or hessp is not None:
        settings |= {"hess": hess, "hessp": hessp}

    def found(*given: Any) -> Any:
        slope = checked(name, value_and_grad(objective))
        return scipy.optimize.minimize(slope, vector, given, method, jac=True, **settings)

    if not on_tape(args):
        result = found(*args)
        result.x = back(result.x)
        return result

    def solve(*given: Any) -> Array:
        x = _result(name, found(*given), info)
        if bounds is not None:
            _check_held(name, x, np.asarray(grad(objective)(x, *given)), _inside(x, bounds))
        return x

    free = None if bounds is None else nondifferentiable(lambda x: _inside(x, bounds), name="free_variables")
    x = implicit(name, solve, grad(objective), *args, free=free)
    kept = {key: info.get(key) for key in ("nit", "nfev", "njev", "status", "message", "success")}
    return scipy.optimize.OptimizeResult(x=back(x), fun=objective(x, *args), **kept)


published(
    minimize,
    scipy.optimize,
    "minimize",
    "Derivative: -H^-1 g_p at the minimum, by args, with the gradient g and its Jacobian H; variables at a bound do "
    "not move, and where active bounds switch ConvergenceError is raised. With constraints it is refused. Without "
    "`jac`, x0 is any pytree, and gradients, products with the Hessian and Jacobians of constraints are supplied to "
    "the solver.",
)


def _check_held(name: str, x: Array, slope: Array, inside: Array) -> None:
    """Raise where a variable is at its bound with a gradient of 0: it would leave it, or not, as args move."""
    loose = np.flatnonzero(~inside & (np.abs(slope) <= 1e-5))
    if len(loose):
        raise ConvergenceError(
            f"{name}: a variable at its bound must be held there by a gradient other than 0 to have a derivative; got "
            f"{slope[loose[0]]:.3g} for variable {loose[0]}, where the active bounds switch."
        )


def _listed(constraints: Any) -> list[Any]:
    return [*constraints] if isinstance(constraints, list | tuple) else [constraints]


def _with_jacobian(constraint: Any, back: Function) -> Any:
    """Return a constraint of vectors, with its Jacobian."""
    if not isinstance(constraint, dict) or "jac" in constraint:
        return constraint
    f = constraint["fun"]

    def values(x: Array, *given: Any) -> Array:
        return tnp.atleast_1d(tnp.asarray(f(back(x), *given)))

    return {**constraint, "fun": values, "jac": jacobian(values)}


def _inside(x: Array, bounds: Any) -> Array:
    """Return which variables are at no bound."""
    if not isinstance(bounds, scipy.optimize.Bounds):
        pairs = [(-np.inf if low is None else low, np.inf if high is None else high) for low, high in bounds]
        low, high = np.transpose(pairs)
    else:
        low, high = bounds.lb, bounds.ub
    room = 1e-9 * np.maximum(1.0, np.abs(x))
    return (x > low + room) & (x < high - room)
