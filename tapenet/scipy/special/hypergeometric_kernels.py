"""Derivatives of hypergeometric functions by their parameters, on plain arrays: power series and integrals.

A series is summed with each term a Taylor polynomial in the steps of the parameters: a factor a + k becomes a + k + e.
So no digamma function has a pole where a parameter is a negative integer.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.special

from tapenet.scipy.special.incomplete_kernels import Series, exponential, polygamma_term, product

Index = tuple[int, ...]

_TERMS = 6000  # after which a series that has not converged gives NaN
_TINY = 1e-18


def series(numerators: Sequence[Any], denominators: Sequence[Any], z: Any, orders: Index) -> Any:
    """Sum the derivative of a hypergeometric series.

    Args:
        numerators: the parameters a of the factors (a)_k.
        denominators: the parameters b of the divisors (b)_k.
        z: the argument.
        orders: of the derivative by each parameter, and last by z.
    """
    *parameters, z = np.broadcast_arrays(*numerators, *denominators, z)
    dtype = np.result_type(*parameters, z, np.float32)
    wide = np.complex128 if dtype.kind == "c" else np.float64
    parameters, z = [p.astype(np.float64 if p.dtype.kind != "c" else wide) for p in parameters], z.astype(wide)
    *wanted, by_z = orders
    indices = list(itertools.product(*(range(order + 1) for order in wanted)))
    zero = tuple(0 for _ in wanted)
    terms: dict[Index, Any] = {each: np.zeros(z.shape, wide) for each in indices}
    terms[zero] = np.ones(z.shape, wide)
    total, power, quiet = np.zeros(z.shape, wide), np.ones(z.shape, wide), 0
    converged = np.zeros(z.shape, bool)
    for k in range(_TERMS):
        if k >= by_z:
            own = terms[tuple(wanted)] * (power * (math.factorial(k) // math.factorial(k - by_z)))
            total = total + np.where(converged, 0, own)
            power = power * z
            small = np.abs(own) <= _TINY * np.abs(total)
            done = small & (np.max([np.abs(t * power) for t in terms.values()], axis=0) <= np.abs(total))
            quiet = quiet + 1 if np.all(done | converged) else 0
            if quiet > 3:
                converged = converged | done
                break
        for place, parameter in enumerate(parameters):
            _step(terms, indices, place, parameter + k, place < len(numerators))
        for each in indices:
            terms[each] = terms[each] / (k + 1)
    found = total * math.prod(math.factorial(order) for order in wanted)
    return np.where(converged, found, np.nan).astype(dtype)[()]


def _step(terms: dict[Index, Any], indices: list[Index], place: int, value: Any, multiplies: bool) -> None:
    """Multiply or divide the Taylor polynomial of a term by value + e, e the step of the parameter at `place`."""

    def below(each: Index) -> Index:
        return (*each[:place], each[place] - 1, *each[place + 1 :])

    for each in sorted(indices, reverse=multiplies):
        lower = terms[below(each)] if each[place] else 0.0
        terms[each] = value * terms[each] + lower if multiplies else (terms[each] - lower) / value


# ---- U ----

_STEP = 0.3  # of the trapezoidal rule in log t


def hyperu_by_orders(a: Any, b: Any, z: Any, *, orders: tuple[int, int]) -> Any:
    """Compute the derivative of U(a, b, z) of these orders by a and b, for z > 0, and a > 0 or a - b + 1 > 0.

    U is 1 / gamma(a) int_0^inf e^(-z t) t^(a - 1) (1 + t)^(b - a - 1) dt for a > 0.
    """
    a, b, z = np.broadcast_arrays(a, b, z)
    dtype = np.result_type(a, b, z, np.float32)
    a, b, z = a.astype(np.float64), b.astype(np.float64), z.astype(np.float64)
    inside = (z > 0) & (a > 0.01)
    high, low, place = np.where(inside, a, 1.0), np.where(inside, b, 1.0), np.where(inside, z, 1.0)
    moments: Series = {(i, j): np.zeros(a.shape) for i in range(orders[0] + 1) for j in range(orders[1] + 1)}
    start = -(45 + np.max(np.abs(low), initial=0)) / float(np.min(high, initial=1.0))
    stop = math.log(60 + 4 * float(np.max(np.abs(low) + high, initial=1.0))) - float(np.min(np.log(place), initial=0.0))
    peak = np.full(a.shape, -np.inf)
    places = np.arange(start, stop + 2, _STEP)

    def exponent(s: float) -> Any:
        return high * s - place * math.exp(s) + (low - high - 1) * np.logaddexp(0, s)

    for s in places:
        peak = np.maximum(peak, exponent(s))
    for s in places:
        share, growth = np.exp(exponent(s) - peak), np.logaddexp(0, s)
        for i, j in moments:
            moments[i, j] += share * (s - growth) ** i * growth**j / (math.factorial(i) * math.factorial(j))
    ratio = {power: moment / moments[0, 0] for power, moment in moments.items()}
    logarithm: Series = {each: np.zeros(a.shape) for each in moments if any(each)}
    for i in range(1, orders[0] + 1):
        logarithm[i, 0] = -polygamma_term(i, high)
    mean = product(exponential(logarithm, orders), ratio, orders)
    factor = math.factorial(orders[0]) * math.factorial(orders[1])
    value = scipy.special.hyperu(high, low, place)
    return np.where(inside, value * mean * factor, np.nan).astype(dtype)[()]


def wright_bessel(a: Any, b: Any, x: Any, *, orders: tuple[int, int, int]) -> Any:
    """Sum the derivative of x^k / (k! gamma(a k + b)) over k, of these orders by a, b and x."""
    a, b, x = np.broadcast_arrays(a, b, x)
    dtype = np.result_type(a, b, x, np.float32)
    a, b, x = a.astype(np.float64), b.astype(np.float64), x.astype(np.float64)
    inside = (a >= 0) & (b > 0) & (x >= 0) & np.isfinite(x)
    high, low, place = np.where(inside, a, 1.0), np.where(inside, b, 1.0), np.where(inside, x, 1.0)
    by_a, by_b, by_x = orders
    count, total, power = by_a + by_b, np.zeros(a.shape), np.ones(a.shape)
    converged = np.zeros(a.shape, bool)
    for k in range(by_x, _TERMS):
        argument = high * k + low
        logarithm: Series = {(n, 0): -polygamma_term(n, argument) for n in range(1, count + 1)}
        factor = scipy.special.rgamma(argument) * exponential(logarithm, (count, 0))[count, 0] * math.factorial(count)
        own = power * factor * float(k) ** by_a
        total = total + own
        power = power * place / (k - by_x + 1)
        converged = (np.abs(own) <= _TINY * np.abs(total)) & (k > place)
        if k > by_x + 3 and converged.all():
            break
    return np.where(inside & converged, total, np.nan).astype(dtype)[()]
