"""Derivatives of the error function's relatives whose textbook formulas cancel, on plain arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special

from tapenet.scipy.special.helpers import ROOT_PI, floating
from tapenet.scipy.special.quadrature import end_of, nodes

_NEAR = 0.5  # below which the recurrence cancels nothing to speak of
_FAR = 6.3  # beyond which the asymptotic series of Dawson's integral is good to the last digit
_TERMS = 40


def scaled_integral_of_erfc(x: Any, *, order: int) -> Any:
    """Compute e^(x^2) times the repeated integral of erfc of an order from x to infinity.

    Of order n it is 2 / (sqrt(pi) n!) times the integral of s^n e^(-s^2 - 2 x s) from 0 on. For x below 0.5 it follows
    from lower orders: 2 n w_n = w_(n-2) - 2 x w_(n-1), from 2 / sqrt(pi) and erfcx(x).

    Source: NIST Digital Library of Mathematical Functions, section 7.18.
    """
    given = floating(x)
    x = given.astype(np.float64)
    if order == 0:
        return scipy.special.erfcx(given)[()]
    far = x > _NEAR
    low = np.where(far, 0.0, x)
    before, last = np.full_like(x, 2 / ROOT_PI), scipy.special.erfcx(low)
    for n in range(1, order + 1):
        before, last = last, (before - 2 * low * last) / (2 * n)
    high = np.where(far, x, 1.0)
    if not far.any():
        return last.astype(given.dtype)[()]
    # s^n reaches its largest share later: the end allows for it.
    end = end_of(lambda s: (s * s + 2 * high * s, 2 * s + 2 * high), np.sqrt(64.0)) * (1 + order / 8)
    total = np.zeros_like(x)
    for s, weight in nodes(end):
        total += weight * s**order * np.exp(-s * (s + 2 * high))
    far_value = 2 / (ROOT_PI * math.factorial(order)) * total
    return np.where(far, far_value, last).astype(given.dtype)[()]


def dawsn(x: Any, *, order: int) -> Any:
    """Compute the derivative of Dawson's integral of an order: by recurrence, far from 0 by the asymptotic series."""
    given = floating(x)
    x = given.astype(np.float64)
    far = np.abs(x) > _FAR
    near = np.where(far, 0.0, x)
    before, last = scipy.special.dawsn(near), 1 - 2 * near * scipy.special.dawsn(near)
    if order == 0:
        return scipy.special.dawsn(given)[()]
    for n in range(1, order):
        before, last = last, -2 * near * last - 2 * n * before
    if not far.any():
        return last.astype(given.dtype)[()]
    high = np.where(far, x, 10.0)
    # The sum of (2 k - 1)!! / (2^(k + 1) x^(2 k + 1)), each term differentiated; the smallest term is the last.
    term = 0.5 / high
    total = np.zeros_like(high)
    least = np.full_like(high, np.inf)
    for k in range(_TERMS):
        own = (-1) ** order * math.prod(range(2 * k + 1, 2 * k + 1 + order)) * term / high**order
        total += np.where(np.abs(own) < least, own, 0)
        least = np.minimum(least, np.abs(own))
        term = term * (2 * k + 1) / (2 * high * high)
    return np.where(far, total, last).astype(given.dtype)[()]


def _quarter_turns(x: Any) -> Any:
    """Return x^2 / 2 less whole turns of 2; the high part's square is exact."""
    high = x.astype(np.float32).astype(x.dtype)
    return np.remainder(high * high / 2, 2) + (x - high) * (x + high) / 2


def sine_of_square(x: Any) -> Any:
    """Compute sin(pi x^2 / 2)."""
    x = floating(x)
    if x.dtype.kind == "c":
        return np.sin(np.pi / 2 * x * x)[()]
    return np.sin(np.pi * _quarter_turns(x.astype(np.float64))).astype(x.dtype)[()]


def cosine_of_square(x: Any) -> Any:
    """Compute cos(pi x^2 / 2)."""
    x = floating(x)
    if x.dtype.kind == "c":
        return np.cos(np.pi / 2 * x * x)[()]
    return np.cos(np.pi * _quarter_turns(x.astype(np.float64))).astype(x.dtype)[()]
