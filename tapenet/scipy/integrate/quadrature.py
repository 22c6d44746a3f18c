"""Integrals of functions: SciPy's value, and derivatives by limits and parameters as integrals of derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.integrate

import tapenet.numpy as tnp
from tapenet.core.argument_checks import checked_function
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError, ConvergenceError
from tapenet.scipy.integrate.checking import is_finite, is_on_tape
from tapenet.scipy.placing import published
from tapenet.transforms.calls import check_no_capture, is_differentiable, split_arrays
from tapenet.transforms.custom import custom_vjp
from tapenet.transforms.products import jvp, vjp

Function = Callable[..., Any]
Solver = Callable[[Function, Any, Any], Any]

# ---- the rule ----
#
# I = int_a^b f(x, p) dx moves by f(b) b_dot - f(a) a_dot + int f_p p_dot dx, and its pullback by p is the integral of
# that of f: an integral of a vector. Both are integrals again, and so are derivatives of higher order.


def _integral(name: str, f: Function, a: Array, b: Array, args: Sequence[Array], solver: Solver, vector: Solver) -> Any:
    """Return the integral of f(x, *args), with its derivatives by the limits and the arguments, which are floats.

    Args:
        solver: `(g, a, b) -> value` of plain values, or a tuple of the value and numbers without derivative.
        vector: the solver of the integrals that derivatives are.
    """

    def plain(*given: Any) -> Function:
        def integrand(x: Any) -> Any:
            value = f(x, *given)
            check_no_capture(name, [value])
            return value

        return integrand

    def value(a: Array, b: Array, *args: Array) -> Any:
        return solver(plain(*args), a, b)

    def forward(a: Array, b: Array, *args: Array) -> tuple[Any, Any]:
        is_plain = not is_on_tape(a, b, args)
        return (value if is_plain else integral)(a, b, *args), (a, b, args)

    def backward(residuals: Any, bar: Any) -> tuple[Any, ...]:
        a, b, args = residuals
        t = bar[0] if isinstance(bar, tuple) else bar
        ends = [sign * tnp.sum(t * _at(f, x, args)) for sign, x in ((-1.0, a), (1.0, b))]
        if not args:
            return (*ends,)
        sizes = [int(np.prod(np.shape(x))) for x in args]

        def pulled(x: Any, t: Array, *args: Array) -> Array:
            _, pullback = vjp(lambda *args: f(x, *args), *args)
            return tnp.concatenate([tnp.ravel(part) for part in pullback(t)])

        whole = _integral(name, pulled, a, b, [t, *args], vector, vector)
        parts = tnp.split(whole, np.cumsum(sizes)[:-1].tolist())
        return (*ends, *(tnp.reshape(part, np.shape(x)) for part, x in zip(parts, args, strict=True)))

    def rule(primals: Any, dots: Any) -> tuple[Any, Any]:
        (a, b, *args), (a_dot, b_dot, *args_dot) = primals, dots
        out = integral(*primals)
        moved = b_dot * _at(f, b, args) - a_dot * _at(f, a, args)
        if args:
            count = len(args)

            def pushed(x: Any, *both: Array) -> Array:
                return jvp(lambda *args: f(x, *args), both[:count], both[count:])[1]

            moved = moved + _integral(name, pushed, a, b, [*args, *args_dot], vector, vector)
        return out, (moved, *map(tnp.zeros_like, out[1:])) if isinstance(out, tuple) else moved

    integral = custom_vjp(value, forward, backward, jvp=rule)
    return integral(a, b, *args)


def _at(f: Function, x: Array, args: Sequence[Array]) -> Array:
    """Return f at a limit; 0 where that is infinite, for an integral that exists."""
    return tnp.asarray(f(x, *args)) if is_finite(x) else np.float64(0.0)


def _flat(f: Function, args: Any) -> tuple[Function, list[Array]]:
    """Return f as a function of x and of the differentiable Tensors among its arguments, and these."""
    arrays, structure = split_arrays(args)
    places = [i for i, x in enumerate(arrays) if type(x) is Tensor and is_differentiable(x)]

    def flat(x: Any, *given: Array) -> Any:
        filled = list(arrays)
        for place, array in zip(places, given, strict=True):
            filled[place] = array
        return f(x, *structure.filled(filled))

    return flat, [_double(arrays[i]) for i in places]


def _double(x: Any) -> Array:
    """Return an argument in double precision, which the tolerances ask for."""
    x = tnp.asarray(x)
    return x if x.dtype.kind == "c" else x.astype(float)


def _limit(function: str, name: str, x: Any) -> Array:
    x = tnp.asarray(x)
    if x.ndim or x.dtype.kind == "c":
        raise ArgumentTypeError(f"{function}: {name} must be one real number; got shape {x.shape}, {x.dtype}.")
    return x.astype(float)


# ---- quad ----


def _message_of(name: str, found: Sequence[Any]) -> None:
    if len(found) > 3:
        raise ConvergenceError(f"{name}: {' '.join(str(found[3]).split())}")


def _quad_solver(name: str, options: dict[str, Any]) -> Solver:
    def solver(g: Function, a: Any, b: Any) -> tuple[Any, Any]:
        found = scipy.integrate.quad(g, a, b, full_output=1, **options)
        _message_of(name, found)
        return np.asarray(found[0])[()], np.asarray(np.abs(found[1]))[()]

    return solver


def _vector_solver(name: str, options: dict[str, Any]) -> Solver:
    """Return the solver of vectors, with the tolerances of quad; with a weight component by component."""
    if options.get("weight") is not None:
        scalar = _quad_solver(name, options)

        def by_component(g: Function, a: Any, b: Any) -> Array:
            like = np.asarray(g((a + b) / 2))
            parts = [scalar(lambda x, i=i: np.ravel(g(x))[i], a, b)[0] for i in range(like.size)]
            return np.reshape(parts, like.shape)[()]

        return by_component
    chosen = {"epsabs": options["epsabs"], "epsrel": options["epsrel"], "norm": "max", "points": options["points"]}
    chosen["limit"] = 10 * options["limit"]

    def solver(g: Function, a: Any, b: Any) -> Array:
        found, _, info = scipy.integrate.quad_vec(lambda x: np.asarray(g(x)), a, b, full_output=True, **chosen)
        if not info.success and info.status == 1:
            raise ConvergenceError(f"{name}: the integral of the derivative: {info.message}")
        return np.asarray(found)[()]

    return solver


def quad(
    func: Function,
    a: Any,
    b: Any,
    args: Any = (),
    full_output: int = 0,
    epsabs: float = 1.49e-08,
    epsrel: float = 1.49e-08,
    limit: int = 50,
    points: Any = None,
    weight: str | None = None,
    wvar: Any = None,
    wopts: Any = None,
    maxp1: int = 50,
    limlst: int = 50,
    complex_func: bool = False,
) -> Any:
    options: dict[str, Any] = {"epsabs": epsabs, "epsrel": epsrel, "limit": limit, "points": points, "weight": weight}
    options |= {"wvar": wvar, "wopts": wopts, "maxp1": maxp1, "limlst": limlst}
    if not is_on_tape(a, b, args, points, wvar):
        return scipy.integrate.quad(func, a, b, args, full_output, complex_func=complex_func, **options)
    name = "integrate.quad"
    checked_function(name, "func", func)
    if full_output or complex_func or is_on_tape(points, wvar):
        raise ArgumentError(
            f"{name}: full_output, complex_func, and Tensors as points and wvar must be left out on a tape."
        )
    if weight is not None and is_on_tape(a, b):
        raise ArgumentError(f"{name}: a and b must not be Tensors beside a weight, which may be singular there.")
    f, arrays = _flat(func, args if isinstance(args, tuple) else (args,))
    limits = _limit(name, "a", a), _limit(name, "b", b)
    return _integral(name, f, *limits, arrays, _quad_solver(name, options), _vector_solver(name, options))


_BY_LIMITS = (
    "Derivatives: by b that of the integrand f(b), by a -f(a), by args the integral of the integrand's derivative, to "
    "the same tolerances. Parameters that func captures are refused: pass them as args."
)
published(quad, scipy.integrate, "quad", _BY_LIMITS)


def quad_vec(
    f: Function,
    a: Any,
    b: Any,
    epsabs: float = 1e-200,
    epsrel: float = 1e-08,
    norm: str = "2",
    cache_size: float = 100e6,
    limit: int = 10000,
    workers: Any = 1,
    points: Any = None,
    quadrature: str | None = None,
    full_output: bool = False,
    *,
    args: Any = (),
) -> Any:
    options: dict[str, Any] = {"epsabs": epsabs, "epsrel": epsrel, "norm": norm, "cache_size": cache_size}
    options |= {"limit": limit, "points": points, "quadrature": quadrature}
    if not is_on_tape(a, b, args):
        return scipy.integrate.quad_vec(f, a, b, workers=workers, full_output=full_output, args=args, **options)
    name = "integrate.quad_vec"
    checked_function(name, "f", f)
    if full_output:
        raise ArgumentError(f"{name}: full_output must be False on a tape; got True.")

    def solver(g: Function, a: Any, b: Any) -> tuple[Any, Any]:
        found, error, info = scipy.integrate.quad_vec(lambda x: np.asarray(g(x)), a, b, full_output=True, **options)
        if not info.success and info.status == 1:
            raise ConvergenceError(f"{name}: {info.message}")
        return np.asarray(found)[()], np.float64(error)

    flat, arrays = _flat(f, args if isinstance(args, tuple) else (args,))
    limits = _limit(name, "a", a), _limit(name, "b", b)
    return _integral(name, flat, *limits, arrays, solver, lambda g, a, b: solver(g, a, b)[0])


published(quad_vec, scipy.integrate, "quad_vec", _BY_LIMITS)

# ---- several variables: an integral of integrals ----


def _nested(func: Function, ranges: Any, args: Any, options: Sequence[dict[str, Any]]) -> Any:
    """Integrate over the last variable an integral over the others."""
    *inner, last = ranges

    def integrand(x: Any, inner: Any, args: Any) -> Any:
        if not inner:
            return func(x, *args)
        outer = (x, *args)
        limits = [r(*outer) if callable(r) else r for r in inner[-1:]]
        return _nested(func, [*inner[:-1], *limits], outer, options[:-1])[0]

    a, b = last(*args) if callable(last) else last
    return quad(integrand, a, b, (list(inner), args), **options[-1])


def nquad(func: Function, ranges: Any, args: Any = None, opts: Any = None, full_output: bool = False) -> Any:
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    if not is_on_tape(ranges, args):
        return scipy.integrate.nquad(func, ranges, args, opts, full_output)
    name = "integrate.nquad"
    checked_function(name, "func", func)
    if full_output or any(map(callable, opts if isinstance(opts, list | tuple) else [opts])):
        raise ArgumentError(f"{name}: full_output and functions in opts must be left out on a tape.")
    given = opts if isinstance(opts, list | tuple) else [opts] * len(ranges)
    if len(given) != len(ranges):
        raise ArgumentError(f"{name}: opts must have one entry for each range; got {len(given)} for {len(ranges)}.")
    return _nested(func, list(ranges), args, [dict(one or {}) for one in given])


published(nquad, scipy.integrate, "nquad", "Derivatives: those of quad in each variable, by limits and args.")


def dblquad(
    func: Function,
    a: Any,
    b: Any,
    gfun: Any,
    hfun: Any,
    args: Any = (),
    epsabs: float = 1.49e-8,
    epsrel: float = 1.49e-8,
) -> Any:
    if not is_on_tape(a, b, gfun, hfun, args):
        return scipy.integrate.dblquad(func, a, b, gfun, hfun, args, epsabs, epsrel)

    def limits(x: Any, *_: Any) -> Any:
        return [g(x) if callable(g) else g for g in (gfun, hfun)]

    within = limits if callable(gfun) or callable(hfun) else [gfun, hfun]
    return nquad(func, [within, [a, b]], args, {"epsabs": epsabs, "epsrel": epsrel})


published(
    dblquad,
    scipy.integrate,
    "dblquad",
    "Derivatives: those of quad in both variables, by limits that are numbers, and by args.",
)


# ---- a fixed rule ----


def fixed_quad(func: Function, a: Any, b: Any, args: Any = (), n: int = 5) -> Any:
    if not is_on_tape(a, b, args):
        return scipy.integrate.fixed_quad(func, a, b, args, n)
    checked_function("integrate.fixed_quad", "func", func)
    a, b = _limit("integrate.fixed_quad", "a", a), _limit("integrate.fixed_quad", "b", b)
    if not (is_finite(a) and is_finite(b)):
        raise ArgumentError("integrate.fixed_quad: Gaussian quadrature is only available for finite limits.")
    nodes, weights = np.polynomial.legendre.leggauss(n)
    x = (b - a) * (nodes + 1) / 2.0 + a
    return (b - a) / 2.0 * tnp.sum(weights * func(x, *args), axis=-1), None


published(fixed_quad, scipy.integrate, "fixed_quad", "Derivatives: those of the sum, by limits and args.")
