"""Derivatives of elementary functions at removable singularities, on plain arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special

from tapenet.scipy.special.helpers import floating

_TERMS = 26


def integral_of_power(x: Any, *, order: int) -> Any:
    """Compute the integral of s^n e^(x s) from 0 to 1: n! / (-x)^(n + 1) gammainc(n + 1, -x) below 0.

    Above 0 it follows by recurrence, n f_(n-1) + x f_n = e^x, where that does not cancel, and else by its power series.
    """
    given = floating(x)
    x = given.astype(np.float64)
    below, beyond = x < -1, x > order + 1
    negative, positive = np.where(below, -x, 2.0), np.where(beyond, x, order + 2.0)
    decaying = math.factorial(order) / negative ** (order + 1.0) * scipy.special.gammainc(order + 1, negative)
    with np.errstate(over="ignore", invalid="ignore"):
        growing = np.expm1(positive) / positive
        for n in range(1, order + 1):
            growing = (np.exp(positive) - n * growing) / positive
    near = np.where(below | beyond, 0.0, x)
    total, power = np.zeros_like(x), np.ones_like(x)
    for k in range(_TERMS + 6 * order):
        total += power / (math.factorial(k) * (order + k + 1))
        power = power * near
    return np.where(below, decaying, np.where(beyond, growing, total)).astype(given.dtype)[()]


def log1p_over_x(x: Any, *, order: int) -> Any:
    """Compute the derivative of log(1 + x) / x of an order: (-1)^n n! / (n + 1) F(n + 1, n + 1; n + 2; -x).

    For large x it follows by recurrence, n f_(n-1) + x f_n = d^n log(1 + x).
    """
    given = floating(x)
    wide = given.astype(np.float64)
    factor = (-1.0) ** order * math.factorial(order) / (order + 1)
    n = float(order)
    large = wide > 10
    high = np.where(large, wide, 10.0)
    far = np.log1p(high) / high
    for k in range(1, order + 1):
        far = (-((-1.0) ** k) * math.factorial(k - 1) / (1 + high) ** k - k * far) / high
    near = factor * scipy.special.hyp2f1(n + 1, n + 1, n + 2, -np.where(large, 0.0, wide))
    return np.where(large, far, near).astype(given.dtype)[()]
