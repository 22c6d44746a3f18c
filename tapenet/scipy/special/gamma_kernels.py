"""Derivatives of the gamma family that SciPy lacks, on plain arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special

# Bernoulli numbers B_2, B_4, ...
_BERNOULLI = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330]
_BERNOULLI += [854513 / 138, -236364091 / 2730, 8553103 / 6]
_SHIFT = 12.0  # from where on the asymptotic series below are good to rounding


def digamma_difference(a: Any, b: Any) -> Any:
    """Compute digamma(a + b) - digamma(a), with all digits also where the two are nearly the same."""
    a, b = np.broadcast_arrays(a, b)
    dtype = np.result_type(a, b, np.float32)
    a, b = a.astype(np.float64), b.astype(np.float64)
    found = np.asarray(scipy.special.psi(a + b) - scipy.special.psi(a))
    near = (a > 0) & (a + b > 0) & (np.abs(b) < 0.5 * a)  # elsewhere the difference is as large as its terms
    if near.any():
        found[near] = _near_difference(a[near], b[near])
    return found.astype(dtype)[()]


def _near_difference(a: Any, b: Any) -> Any:
    """Move both up by recurrence, which adds b / ((a + k) (a + b + k)), and subtract the asymptotic series."""
    total = np.zeros_like(a)
    for _ in range(int(_SHIFT)):
        small = (a < _SHIFT) | (a + b < _SHIFT)
        if not small.any():
            break
        total += np.where(small, b / (a * (a + b)), 0)
        a = np.where(small, a + 1, a)
    ratio = np.log1p(b / a)
    total += ratio + b / (2 * a * (a + b))
    step = np.expm1(-2 * ratio)  # (1 + b / a)^-2 - 1, and by products that of each even power
    square, power, less = 1 / (a * a), np.ones_like(a), np.zeros_like(a)
    for j, number in enumerate(_BERNOULLI, 1):
        power, less = power * square, less + step + less * step
        total -= number / (2 * j) * power * less
    return total


def polygamma(n: Any, x: Any) -> Any:
    """Compute the derivative of digamma of order n: SciPy's of real numbers, and of complex ones."""
    if not np.iscomplexobj(x):
        return scipy.special.polygamma(n, x)
    order, z = np.broadcast_arrays(np.asarray(n), np.asarray(x))
    z = z.astype(np.complex128)
    power = order + 1.0
    sign, factorial = np.where(order % 2 == 0, -1.0, 1.0), scipy.special.gamma(power)
    total = np.zeros_like(z)
    for _ in range(int(max(0, min(2000, np.max(20 - z.real, initial=0))))):
        small = z.real < 20
        total += np.where(small, z**-power, 0)
        z = np.where(small, z + 1, z)
    rest = z ** -np.maximum(order, 1) / np.maximum(order, 1) + z**-power / 2
    for j, number in enumerate(_BERNOULLI, 1):
        rest = rest + number / math.factorial(2 * j) * scipy.special.poch(power, 2 * j - 1) * z ** (1 - power - 2 * j)
    found = np.where(order == 0, scipy.special.psi(np.asarray(x, np.complex128)), sign * factorial * (total + rest))
    return found.astype(np.result_type(np.asarray(x), np.complex64))[()]


def zeta_by_order(s: Any, q: Any, *, order: int) -> Any:
    """Compute the derivative of the Hurwitz zeta function by s of an order, by the Euler-Maclaurin formula.

    Each factor is a Taylor polynomial in the step of s, as a list of its coefficients.
    """
    s, q = np.broadcast_arrays(np.asarray(s), np.asarray(q))
    dtype = np.result_type(s, q, np.float32)
    s, q = s.astype(np.float64), q.astype(np.float64)
    count = order + 1

    def power(base: Any) -> list[Any]:
        logarithm = -np.log(base)
        return [base**-s * logarithm**k / math.factorial(k) for k in range(count)]

    def product(a: list[Any], b: list[Any]) -> list[Any]:
        return [sum(a[i] * b[k - i] for i in range(k + 1)) for k in range(count)]

    first, terms = 16, len(_BERNOULLI)
    total = [sum(parts) for parts in zip(*[power(q + n) for n in range(first)], strict=True)]
    last = q + first
    end = power(last)
    pole = [(-1) ** k / (s - 1) ** (k + 1) for k in range(count)]
    total = [x + last * y + z / 2 for x, y, z in zip(total, product(end, pole), end, strict=True)]
    rising = [s, *([np.ones_like(s)] if count > 1 else []), *[np.zeros_like(s)] * (count - 2)]
    for j in range(1, terms + 1):
        factor = _BERNOULLI[j - 1] / math.factorial(2 * j) * last ** (1.0 - 2 * j)
        total = [x + factor * y for x, y in zip(total, product(rising, end), strict=True)]
        for shift in (2 * j - 1, 2 * j):
            rising = product(rising, [s + shift, *[np.ones_like(s)] * (count > 1), *[np.zeros_like(s)] * (count - 2)])
    return (total[order] * math.factorial(order)).astype(dtype)[()]
