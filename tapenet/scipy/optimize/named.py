"""SciPy's functions for one method of minimization each: the solution alone, differentiated as that of `minimize`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import scipy.optimize

from tapenet.errors import ArgumentError
from tapenet.scipy.optimize.implicit import on_tape
from tapenet.scipy.optimize.minima import minimize
from tapenet.scipy.optimize.scalars import minimize_scalar
from tapenet.scipy.placing import published

Function = Callable[..., Any]

# The method, and what its options are called that the function has parameters for.
_OF_VECTORS: dict[str, tuple[str, dict[str, str]]] = {
    "fmin": ("Nelder-Mead", {"xtol": "xatol", "ftol": "fatol", "maxiter": "maxiter", "maxfun": "maxfev"}),
    "fmin_bfgs": ("BFGS", {"gtol": "gtol", "maxiter": "maxiter"}),
    "fmin_cg": ("CG", {"gtol": "gtol", "maxiter": "maxiter"}),
    "fmin_ncg": ("Newton-CG", {"avextol": "xtol", "maxiter": "maxiter"}),
    "fmin_powell": ("Powell", {"xtol": "xtol", "ftol": "ftol", "maxiter": "maxiter", "maxfun": "maxfev"}),
}
_OF_NUMBERS: dict[str, tuple[str, dict[str, str]]] = {
    "brent": ("brent", {"tol": "xtol", "maxiter": "maxiter"}),
    "golden": ("golden", {"tol": "xtol", "maxiter": "maxiter"}),
    "fminbound": ("bounded", {"xtol": "xatol", "maxfun": "maxiter"}),
}


def _minimum(method: str, given: dict[str, Any], options: dict[str, Any]) -> Any:
    func = given["f" if "f" in given else "func"]
    return minimize(func, given["x0"], given.get("args", ()), method, options=options).x


def _lowest(method: str, given: dict[str, Any], options: dict[str, Any]) -> Any:
    bounds = (given["x1"], given["x2"]) if method == "bounded" else None
    args = given.get("args", ())
    return minimize_scalar(given["func"], given.get("brack"), bounds, args, method, options=options).x


def _of_method(name: str, method: str, options: dict[str, str], solve: Function, of: str) -> Function:
    theirs = getattr(scipy.optimize, name)
    signature = inspect.signature(theirs)

    def function(*positional: Any, **keywords: Any) -> Any:
        if not on_tape(positional, keywords):
            return theirs(*positional, **keywords)
        given = dict(signature.bind(*positional, **keywords).arguments)
        if given.get("full_output") or given.get("retall"):
            raise ArgumentError(f"optimize.{name}: full_output and retall must be left out on a tape.")
        chosen = {ours: given[key] for key, ours in options.items() if given.get(key) is not None}
        return solve(method, given, chosen)

    note = f'Derivatives: of the solution by args, those of {of} with method="{method}", which gets exact gradients.'
    return published(function, scipy.optimize, name, note)


fmin, fmin_bfgs, fmin_cg, fmin_ncg, fmin_powell = (
    _of_method(name, method, options, _minimum, "minimize") for name, (method, options) in _OF_VECTORS.items()
)
brent, golden, fminbound = (
    _of_method(name, method, options, _lowest, "minimize_scalar") for name, (method, options) in _OF_NUMBERS.items()
)
