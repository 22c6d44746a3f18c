"""Least squares: fits of functions, of lines, and of what increases."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import scipy.optimize

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import choice
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, ArgumentTypeError, ConvergenceError
from tapenet.scipy.optimize.active import FREE, HIGH, side_of
from tapenet.scipy.optimize.implicit import checked, implicit_marked, on_tape, solution_of, start_of, tupled
from tapenet.scipy.placing import published
from tapenet.transforms.gradient import grad
from tapenet.transforms.jacobian import jacobian

Function = Callable[..., Any]


@attrs.frozen(eq=False)
class _Fit:
    """A sum of squares whose minimum is differentiated.

    Attributes:
        name: the function, for errors.
        cost: `cost(x, *args)`, of a vector of parameters.
        solve: `solve(bounds, *args)`, the minimum, of plain values.
        near: how near to its bound an active parameter is: interior methods stop beside it.
    """

    name: str
    cost: Function
    solve: Function
    near: float = 1e-9

    def minimum(self, bounds: Any, *args: Any) -> Array:
        """Return the minimum as a function of the bounds, None where there are none, and of the arguments."""
        slope = grad(self.cost)

        def solution(bounds: Any, *args: Any) -> tuple[Array, Array]:
            x = np.asarray(self.solve(bounds, *args), float)
            if bounds is None:
                return x, np.zeros(len(x), int)
            low, high = (np.broadcast_to(np.asarray(level, float), x.shape) for level in bounds)
            return x, side_of(self.name, x, np.asarray(slope(x, *args)), low, high, self.near)

        def conditions(x: Array, marks: Any, bounds: Any, *args: Any) -> Array:
            steep = slope(x, *args)
            if bounds is None:
                return steep
            low, high = (tnp.broadcast_to(tnp.asarray(level), x.shape) for level in bounds)
            level = tnp.where(marks[0] == FREE, 0.0, tnp.where(marks[0] == HIGH, high, low))
            return tnp.where(marks[0] == FREE, steep, x - level)

        return implicit_marked(self.name, solution, conditions, bounds, *args)[0]


def _limits(bounds: Any) -> Any:
    """Return the lower and upper bounds, None where nothing is bounded."""
    if isinstance(bounds, scipy.optimize.Bounds):
        bounds = bounds.lb, bounds.ub
    low, high = bounds
    is_plain = not on_tape(low, high)
    return None if is_plain and np.all(np.isneginf(low)) and np.all(np.isposinf(high)) else (low, high)


def _given(bounds: Any) -> Any:
    return (-np.inf, np.inf) if bounds is None else tuple(np.asarray(level, float) for level in bounds)


_BY_COST = "those of the zero of the cost's gradient; parameters at a bound move with it alone"

# ---- functions ----

# Of the squares z of residuals; SciPy's.
_LOSSES: dict[str, Function] = {
    "linear": lambda z: z,
    "soft_l1": lambda z: 2 * (tnp.sqrt(1 + z) - 1),
    "huber": lambda z: tnp.where(z <= 1, z, 2 * tnp.sqrt(tnp.maximum(z, 1.0)) - 1),
    "cauchy": tnp.log1p,
    "arctan": tnp.arctan,
}


def least_squares(
    fun: Function,
    x0: Any,
    jac: Any = "2-point",
    bounds: Any = (-np.inf, np.inf),
    method: str = "trf",
    ftol: float | None = 1e-8,
    xtol: float | None = 1e-8,
    gtol: float | None = 1e-8,
    x_scale: Any = 1.0,
    loss: Any = "linear",
    f_scale: Any = 1.0,
    *further: Any,
    args: Any = (),
    kwargs: Any = None,
    **settings: Any,
) -> Any:
    kwargs = kwargs or {}
    tolerances = {"ftol": ftol, "xtol": xtol, "gtol": gtol}
    if not on_tape(x0, bounds, f_scale, args, kwargs):
        given = method, *tolerances.values(), x_scale, loss, f_scale, *further
        fun = checked("optimize.least_squares", fun)
        return scipy.optimize.least_squares(fun, x0, jac, bounds, *given, args=args, kwargs=kwargs, **settings)
    name, info = "optimize.least_squares", dict[str, Any]()
    if further or loss not in _LOSSES:
        what = "further arguments must be given by name" if further else f"loss must be one of {', '.join(_LOSSES)}"
        raise ArgumentError(f"{name}: {what} on a tape; got {further[0] if further else loss!r}.")
    start, shape = start_of(name, x0).ravel(), np.shape(np.atleast_1d(x0))

    def residuals(x: Array, args: Any, kwargs: Any) -> Array:
        return tnp.ravel(fun(tnp.reshape(x, shape), *args, **kwargs))

    slope = (lambda x, args, kwargs: jac(x, *args, **kwargs)) if callable(jac) else jacobian(residuals)

    def solve(bounds: Any, args: Any, kwargs: Any, f_scale: Any) -> Array:
        found = scipy.optimize.least_squares(
            checked(name, residuals),
            start,
            slope,
            _given(bounds),
            method,
            x_scale=x_scale,
            loss=loss,
            f_scale=f_scale,
            args=(args, kwargs),
            **tolerances,
            **settings,
        )
        return solution_of(name, found, info)

    def cost(x: Array, args: Any, kwargs: Any, f_scale: Any) -> Array:
        return 0.5 * f_scale**2 * tnp.sum(_LOSSES[loss]((residuals(x, args, kwargs) / f_scale) ** 2))

    given = tupled(args), kwargs, f_scale
    x = _Fit(name, cost, solve, 1e-5).minimum(_limits(bounds), *given)
    kept = {key: info[key] for key in ("active_mask", "nfev", "njev", "status", "message", "success")}
    return scipy.optimize.OptimizeResult(
        x=tnp.reshape(x, shape), fun=residuals(x, *given[:2]), cost=cost(x, *given), **kept
    )


published(
    least_squares,
    scipy.optimize,
    "least_squares",
    f"Derivatives: by args, kwargs, f_scale and bounds {_BY_COST}. The Jacobian is supplied to the solver.",
)


def curve_fit(
    f: Function,
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    check_finite: bool | None = None,
    bounds: Any = (-np.inf, np.inf),
    method: str | None = None,
    jac: Any = None,
    *,
    full_output: bool = False,
    **settings: Any,
) -> Any:
    options: dict[str, Any] = {"check_finite": check_finite, "method": method, "jac": jac, **settings}
    if not on_tape(xdata, ydata, sigma, bounds):
        return scipy.optimize.curve_fit(
            f, xdata, ydata, p0, sigma, absolute_sigma, bounds=bounds, full_output=full_output, **options
        )
    name = "optimize.curve_fit"
    if full_output or "loss" in settings:
        what = "full_output must be False" if full_output else "loss must be left out"
        raise ArgumentError(f"{name}: {what} on a tape. Write optimize.least_squares.")
    ydata = tnp.asarray(ydata)
    sigma = np.ones(ydata.shape) if sigma is None else tnp.asarray(sigma)

    def residuals(p: Array, xdata: Any, ydata: Any, sigma: Any) -> Array:
        misfit = f(xdata, *(p[i] for i in range(p.shape[0]))) - ydata
        return misfit / sigma if sigma.ndim == 1 else tnp.linalg.solve(tnp.linalg.cholesky(sigma), misfit)

    def cost(p: Array, *given: Any) -> Array:
        return 0.5 * tnp.sum(residuals(p, *given) ** 2)

    plain = functools.wraps(f)(checked(name, f))  # SciPy counts the parameters of f

    def solve(bounds: Any, xdata: Any, ydata: Any, sigma: Any) -> Array:
        try:
            found = scipy.optimize.curve_fit(plain, xdata, ydata, p0, sigma, bounds=_given(bounds), **options)
        except RuntimeError as error:
            if "Optimal parameters not found" in str(error):
                raise ConvergenceError(f"{name}: {error}") from error
            raise
        return np.asarray(found[0])

    given = xdata, ydata, sigma
    p = _Fit(name, cost, solve, 1e-5).minimum(_limits(bounds), *given)
    slopes = jacobian(residuals)(p, *given)
    covariance = tnp.linalg.inv(slopes.T @ slopes)
    free = ydata.shape[0] - p.shape[0]
    if not absolute_sigma and free == 0:  # nothing is left over that would say how large errors are
        return p, np.full(covariance.shape, np.inf)
    return p, covariance if absolute_sigma else covariance * (2 * cost(p, *given) / free)


published(
    curve_fit,
    scipy.optimize,
    "curve_fit",
    f"Derivatives: by xdata, ydata, sigma and bounds {_BY_COST}; and those of the covariance there.",
)


def leastsq(
    func: Function, x0: Any, args: Any = (), Dfun: Any = None, full_output: Any = False, **settings: Any
) -> Any:
    name, args = "optimize.leastsq", tupled(args)
    if not on_tape(x0, args):
        return scipy.optimize.leastsq(checked(name, func), x0, args, Dfun, full_output, **settings)
    if full_output or Dfun is not None:
        raise ArgumentError(
            f"{name}: full_output must be False and Dfun None on a tape, where gradients are supplied. "
            "Write optimize.least_squares, whose result holds the Jacobian."
        )
    tolerances = {key: settings.pop(key, 1.49012e-8) for key in ("ftol", "xtol")}
    if settings.keys() - {"maxfev", "gtol", "col_deriv", "epsfcn", "factor", "diag"}:
        raise ArgumentTypeError(f"{name}: unexpected arguments {', '.join(sorted(settings))}.")
    most = {"max_nfev": settings["maxfev"]} if settings.get("maxfev") else {}
    return least_squares(func, x0, method="lm", args=args, **tolerances, **most).x, 1


published(leastsq, scipy.optimize, "leastsq", f"Derivatives: by args, {_BY_COST}.")

# ---- linear ----


def _half_square(x: Array, a: Array, b: Array) -> Array:
    return 0.5 * tnp.sum((a @ x - b) ** 2)


def nnls(A: Any, b: Any, *, maxiter: int | None = None, **settings: Any) -> Any:
    if not on_tape(A, b):
        return scipy.optimize.nnls(A, b, maxiter=maxiter, **settings)
    name = "optimize.nnls"

    def solve(bounds: Any, a: Array, b: Array) -> Array:
        try:
            return np.asarray(scipy.optimize.nnls(a, b, maxiter=maxiter, **settings)[0])
        except RuntimeError as error:
            raise ConvergenceError(f"{name}: {error}") from error

    a, b = tnp.asarray(A) * 1.0, tnp.asarray(b) * 1.0
    x = _Fit(name, _half_square, solve).minimum((0.0, np.inf), a, b)
    return x, tnp.linalg.norm(a @ x - b)


published(nnls, scipy.optimize, "nnls", f"Derivatives: by A and b {_BY_COST}, 0. The norm has 0 where it is 0.")


def lsq_linear(A: Any, b: Any, bounds: Any = (-np.inf, np.inf), *further: Any, **settings: Any) -> Any:
    if not on_tape(A, b, bounds):
        return scipy.optimize.lsq_linear(A, b, bounds, *further, **settings)
    name, info = "optimize.lsq_linear", dict[str, Any]()

    def solve(bounds: Any, a: Array, b: Array) -> Array:
        return solution_of(name, scipy.optimize.lsq_linear(a, b, _given(bounds), *further, **settings), info)

    a, b = tnp.asarray(A) * 1.0, tnp.asarray(b) * 1.0
    x = _Fit(name, _half_square, solve, 1e-5).minimum(_limits(bounds), a, b)
    kept = {key: info[key] for key in ("active_mask", "nit", "status", "message", "success")}
    return scipy.optimize.OptimizeResult(x=x, fun=a @ x - b, cost=_half_square(x, a, b), **kept)


published(lsq_linear, scipy.optimize, "lsq_linear", f"Derivatives: by A, b and bounds {_BY_COST}.")

# ---- what increases ----


def _blocks(y: Array, weights: Array, increasing: bool) -> Array:
    """Return for each place the number of its block of equal values."""
    found = scipy.optimize.isotonic_regression(y, weights=weights, increasing=increasing)
    return np.repeat(np.arange(len(found.blocks) - 1), np.diff(found.blocks))


_block_numbers = choice(_blocks, name="optimize.isotonic_regression's blocks")


def isotonic_regression(y: Any, *, weights: Any = None, increasing: bool = True) -> Any:
    if not on_tape(y, weights):
        return scipy.optimize.isotonic_regression(y, weights=weights, increasing=increasing)
    y = tnp.asarray(y) * 1.0
    if y.ndim != 1:
        raise ArgumentError(f"optimize.isotonic_regression: y must be a vector on a tape; got shape {y.shape}.")
    w = np.ones(y.shape) if weights is None else tnp.asarray(weights) * 1.0
    block = _block_numbers(y, w, increasing=increasing)
    same = tnp.where(block[:, None] == block, 1.0, 0.0)
    return scipy.optimize.OptimizeResult(x=(same @ (w * y)) / (same @ w))


published(
    isotonic_regression,
    scipy.optimize,
    "isotonic_regression",
    "Derivatives: those of the means of the blocks, by y and weights; the blocks stay as they are. On a tape the "
    "result has x alone.",
)
