"""The normal distribution and its density at complex numbers, for complex64 to clongdouble.

Errors are relative to the magnitude; of a result with parts of very different size the small one has fewer digits. The
distribution has zeros where the real part is positive; near them its error is relative to 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.array_types import Array

_TERMS, _TERMS_WIDE = 11, 16  # of the sums below, whose error is e^(-pi (terms + 1))
_NEAR = 0.5  # below it the series of erf is summed: 1 - erfc would cancel
_SERIES, _SERIES_WIDE = 14, 19  # its last term


def normal_cdf(x: Array) -> Any:
    """Compute erfc(-x / sqrt(2)) / 2 of complex numbers."""
    given = np.asarray(x)
    z = _wide(given)
    scaled = z * np.sqrt(z.real.dtype.type(0.5))
    is_left, is_near = scaled.real < 0, np.abs(scaled) < _NEAR
    tail = 0.5 * _complement(np.where(is_left, -scaled, scaled), _exponential(z, 0.5))
    near = 0.5 + 0.5 * _erf_by_series(np.where(is_near, scaled, 0))
    return _narrowed(np.where(is_near, near, np.where(is_left, tail, 1 - tail)), given)


def normal_density(x: Array) -> Any:
    """Compute e^(-x^2 / 2) / sqrt(2 pi) of complex numbers."""
    given = np.asarray(x)
    z = _wide(given)
    two_pi = 8 * np.arctan(z.real.dtype.type(1))
    return _narrowed(_exponential(z, 0.5) / np.sqrt(two_pi), given)


def _narrowed(x: Any, given: Array) -> Any:
    with np.errstate(over="ignore"):
        return x.astype(given.dtype)[()]  # what is too large for complex64 is infinite


def _wide(x: Array) -> Any:
    return x.astype(np.result_type(x, np.complex128))


def _exponential(z: Any, factor: float) -> Any:
    """Compute e^(-factor z^2), corrected for the rounding of the parts of the square, which the result multiplies."""
    x, y = z.real, z.imag
    with np.errstate(over="ignore", invalid="ignore"):
        x1, y1 = (part.astype(np.float32).astype(part.dtype) for part in (x, y))  # their products are exact
        x1, y1 = np.where(np.isfinite(x1), x1, x), np.where(np.isfinite(y1), y1, y)
        difference = x1 * x1 - y1 * y1
        back = difference - x1 * x1
        lost = (x1 * x1 - (difference - back)) - (y1 * y1 + back)
        real = lost + (x - x1) * (x + x1) - (y - y1) * (y + y1)
        turn = x1 * (y - y1) + (x - x1) * y
        size = np.exp(-factor * difference) * np.exp(-factor * real)
        phase = -2 * factor
        return size * (np.exp(1j * (phase * (x1 * y1))) * np.exp(1j * (phase * turn)))


def _complement(x: Any, exponential: Any) -> Any:
    """Compute erfc x for a real part of at least 0, given e^(-x^2): that times w(ix), of Faddeeva's function w.

    Two trapezoidal rules for its integral, and the parts of their poles; each is taken far from its poles.

    Source: Al Azah and Chandler-Wilde, "Computation of the complex error function using modified trapezoidal rules",
    SIAM J. Numer. Anal. 59 (2021).
    """
    is_mirrored = x.imag > 0
    z = 1j * np.where(is_mirrored, np.conj(x), x)  # of no negative parts
    terms = _TERMS_WIDE if z.dtype.itemsize > 16 else _TERMS
    pi = 4 * np.arctan(z.real.dtype.type(1))
    step = np.sqrt(pi / (terms + 1))
    turns = z.real / step - np.floor(z.real / step)
    is_above = z.imag >= np.maximum(z.real, pi / step)
    at_middle = is_above | (turns < 0.25) | (turns > 0.75)  # nodes are halfway between multiples of the step
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        total = np.where(at_middle, 0, 0.5 / (z * z))
        for k in range(terms + 1):
            node = np.where(at_middle, (k + 0.5) * step, (k + 1) * step)
            total = total + np.where(at_middle | (k < terms), np.exp(-node * node) / (z * z - node * node), 0)
        rotated = np.exp(-2j * pi * z / step)
        pole = np.where(is_above, 0, 2 / (1 + np.where(at_middle, rotated, -rotated)))
        rule = (2j * step / pi) * z * total
    return np.where(is_mirrored, np.conj(pole), pole) + exponential * np.where(is_mirrored, np.conj(rule), rule)


def _erf_by_series(z: Any) -> Any:
    """Sum the Taylor series 2 / sqrt(pi) (-1)^n z^(2n + 1) / (n! (2n + 1)), by Horner."""
    square, total = z * z, np.zeros_like(z)
    factor = 1.0  # n!
    last = _SERIES_WIDE if z.dtype.itemsize > 16 else _SERIES
    factors = [factor := factor * max(n, 1) for n in range(last + 1)]
    for n in range(last, -1, -1):
        total = total * square + (-1) ** n / (z.real.dtype.type(factors[n]) * (2 * n + 1))
    return z * total / np.sqrt(np.arctan(z.real.dtype.type(1)))
