"""Derivatives whose textbook formula loses digits by cancellation or overflow, in stable forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapenet.core.array_types import Array
from tapenet.kernels.quiet import quiet, quietly
from tapenet.kernels.vector_functions import FEWEST_OF, elementwise

# Real part beyond which cosh z is e^|z| / 2, to the last digit of any dtype.
_FAR = 25.0

_LARGE = FEWEST_OF["over_square_of_cosh"]
_FLOAT64 = np.dtype(np.float64)

_TERMS = 20  # of the series of sinc: enough for longdouble


def over_square_of_cosh(t: Array, x: Array) -> Array:
    """Compute t / cosh^2 x."""
    try:
        if x.size >= _LARGE:
            out = elementwise("over_square_of_cosh", t, x)
            if out is not None:
                return out
        if x.dtype is not _FLOAT64 and x.dtype.kind == "c":
            return _over_square_of_complex_cosh(t, x)
        root = quiet.run(np.cosh, x)  # by infinity, where it is too large: the quotient is right
    except AttributeError:  # of a Python number
        return over_square_of_cosh(t, np.asarray(x)[()])
    except RuntimeError:  # one call in the middle of another
        root = quietly(np.cosh, x)
    return t / root / root  # and not by the square, which overflows long before the quotient is zero


def _over_square_of_complex_cosh(t: Array, z: Array) -> Array:
    far = np.abs(z.real) > _FAR
    root = np.cosh(np.where(far, 0, z))
    # Far out 1 / cosh^2 z is 4 e^(-2 |z|), also where cosh z overflows.
    decayed = np.exp(np.where(z.real > 0, -2, 2) * np.where(far, z, 0)).astype(z.dtype)
    return t * np.where(far, 4 * decayed, 1 / (root * root))


def over_one_more_square(t: Array, x: Array) -> Any:
    """Compute t / (1 + x^2)."""
    if np.iscomplexobj(x):
        # In factors: near the poles i and -i the sum 1 + x^2 cancels, and one of the factors is exact.
        return t / (1 + 1j * x) / (1 - 1j * x)
    square = quietly(np.multiply, x, x)
    infinite = np.isinf(square)
    near = t / (1 + square)
    return np.where(infinite, quietly(_over_square, t, x), near) if infinite.any() else near


def _over_square(t: Array, x: Array) -> Any:
    return t / x / x


def sinc(x: Array, *, order: int) -> Any:
    """Compute the derivative of sin(pi x) / (pi x) of an order."""
    if order == 0:
        return np.sinc(x)
    given = np.asarray(x)
    x = given.astype(np.result_type(given, np.float64))
    pi = 4 * np.arctan(x.dtype.type(1).real)  # np.pi has the digits of float64 only, also where x is longdouble
    # The recurrence divides by x, and cancels below this place; the series converges fast there.
    near = np.abs(x) * pi < order + 0.5
    far = _sinc_by_recurrence(np.where(near, 1, x), order, pi)
    return np.where(near, _sinc_by_series(np.where(near, x, 0), order, pi), far).astype(given.dtype)[()]


def _sinc_by_series(x: Array, order: int, pi: Any) -> Any:
    """Its Taylor series: pi^n times the sum of (-1)^m u^(2m - n) / ((2m + 1) (2m - n)!), with u = pi x."""
    u, first = pi * x, (order + 1) // 2
    total = np.zeros_like(u)
    for m in range(first + _TERMS, first - 1, -1):
        total = total * (u * u) + (-1) ** m / (pi.dtype.type(2 * m + 1) * math.factorial(2 * m - order))
    return pi**order * (total * u if order % 2 else total)


def _sinc_by_recurrence(x: Array, order: int, pi: Any) -> Any:
    """Use x f_k + k f_(k-1) = pi^(k-1) sin(pi x + k pi / 2), upward from f_0; stable for pi |x| > k."""
    sine, cosine = _sine_and_cosine_of_pi(x, pi)
    found = sine / (pi * x)
    for k in range(1, order + 1):
        shifted = (sine, cosine, -sine, -cosine)[k % 4]
        found = (pi ** (k - 1) * shifted - k * found) / x
    return found


def _sine_and_cosine_of_pi(x: Array, pi: Any) -> tuple[Array, Array]:
    """Compute sin(pi x) and cos(pi x). The integer part is removed before the product with pi, which would round it."""
    whole = np.rint(x.real)
    rest = x - whole
    flips = np.where(np.remainder(whole, 2) == 1, -1, 1)
    if x.dtype.kind == "c":
        return flips * np.sin(pi * rest), flips * np.cos(pi * rest)
    beyond = np.abs(rest) > 0.25  # where the cosine is small, it is the sine of what is left to a half
    cosine = np.where(beyond, np.sin(pi * (0.5 - np.abs(rest))), np.cos(pi * rest))
    return flips * np.sin(pi * rest), flips * cosine
