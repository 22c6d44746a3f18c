"""Integrals over three variables: Gauss' rule in each, of all points at once, with as many nodes as agree."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.integrate

import tapenet.numpy as tnp
from tapenet.core.argument_checks import checked_function
from tapenet.core.nondifferentiable import branch_condition, constant
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentTypeError, ConvergenceError
from tapenet.scipy.integrate.checking import is_on_tape
from tapenet.scipy.placing import published
from tapenet.transforms.mapping import vmap

Function = Callable[..., Any]

_COUNTS = (8, 16, 32, 64)  # nodes of each variable; the last are 260,000 points


@functools.cache
def _rule(count: int) -> tuple[Array, Array]:
    """Return the nodes and weights of Gauss' rule on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


@branch_condition
def _is_infinite(x: Array) -> bool:
    return bool(np.all(np.isinf(x)))


@branch_condition
def _agree(one: Array, other: Array, epsabs: float, epsrel: float) -> bool:
    return bool(np.all(np.abs(one - other) <= np.maximum(epsabs, epsrel * np.abs(other))))


def _span(low: Array, high: Array, count: int) -> tuple[Array, Array]:
    """Return nodes and weights from low to high, along a new last axis; infinite limits by a substitution."""
    nodes, weights = _rule(count)
    low, high = low[..., None], high[..., None]
    below, above = _is_infinite(low), _is_infinite(high)
    if not (below or above):
        return low + (high - low) * nodes, (high - low) * weights
    if below and above:
        u = 2 * nodes - 1
        sign = tnp.sign(high - tnp.zeros_like(high))
        return sign * u / (1 - u * u), sign * 2 * (1 + u * u) / (1 - u * u) ** 2 * weights
    out, size = nodes / (1 - nodes), weights / (1 - nodes) ** 2
    if above:
        return low + tnp.sign(high) * out, tnp.sign(high) * size
    return high + tnp.sign(low) * out, -tnp.sign(low) * size


def _limit(given: Any, *at: Array) -> Array:
    """Return a limit at points: a number, or a function of the outer variables."""
    if not callable(given):
        return tnp.asarray(given) * 1.0 + tnp.zeros_like(at[0])
    return vmap(lambda *one: tnp.asarray(given(*one)) * 1.0)(*at)


def _integrated(func: Function, outer: tuple[Any, Any], inner: tuple[Any, ...], args: Any, count: int) -> Array:
    low, high = (tnp.asarray(end) * 1.0 for end in outer)
    x, weights = _span(low, high, count)
    y, more = _span(_limit(inner[0], x), _limit(inner[1], x), count)
    weights = tnp.ravel(weights[:, None] * more)
    x, y = tnp.repeat(x, count), tnp.ravel(y)
    z, more = _span(_limit(inner[2], x, y), _limit(inner[3], x, y), count)
    weights = tnp.ravel(weights[:, None] * more)
    x, y, z = tnp.repeat(x, count), tnp.repeat(y, count), tnp.ravel(z)
    return tnp.sum(weights * vmap(lambda z, y, x: tnp.asarray(func(z, y, x, *args)) * 1.0)(z, y, x))


def tplquad(
    func: Function,
    a: Any,
    b: Any,
    gfun: Any,
    hfun: Any,
    qfun: Any,
    rfun: Any,
    args: Any = (),
    epsabs: float = 1.49e-8,
    epsrel: float = 1.49e-8,
) -> Any:
    inner = gfun, hfun, qfun, rfun
    if not is_on_tape(a, b, inner, args):
        return scipy.integrate.tplquad(func, a, b, *inner, args, epsabs, epsrel)
    name = "integrate.tplquad"
    checked_function(name, "func", func)
    if tnp.ndim(a) or tnp.ndim(b):
        raise ArgumentTypeError(f"{name}: a and b must be numbers; got shapes {tnp.shape(a)} and {tnp.shape(b)}.")
    args = args if isinstance(args, tuple) else (args,)
    before = _integrated(func, (a, b), inner, args, _COUNTS[0])
    for count in _COUNTS[1:]:
        value = _integrated(func, (a, b), inner, args, count)
        if _agree(before, value, epsabs, epsrel):
            return value, constant(tnp.abs(value - before))
        before = value
    raise ConvergenceError(
        f"{name}: Gauss' rule of {_COUNTS[-1]} nodes in each variable must agree with that of half as many; it does "
        "not. Write integrate.nquad, or a larger epsrel, or split the integral where func is not smooth."
    )


published(
    tplquad,
    scipy.integrate,
    "tplquad",
    "Derivatives: by all limits, which may be functions, and by args: those of Gauss' rule of as many nodes as agree "
    "to the tolerances; func is called once for all points, mapped.",
)
