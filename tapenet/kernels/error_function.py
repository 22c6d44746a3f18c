"""The error function and the normal distribution, to the last digits also in the tails, from float16 to longdouble."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.array_types import Array
from tapenet.kernels import complex_error_function
from tapenet.kernels.elementwise import BLOCK, MANY
from tapenet.kernels.error_series import ERFC_SERIES, SINGLE_POWERS
from tapenet.kernels.memory import empty
from tapenet.kernels.threads import share
from tapenet.kernels.vector_functions import elementwise

_SMALL = 0.7  # below it erf is summed as a Taylor series: 1 - erfc would cancel
_NEAR = 0.5  # below it the normal distribution is summed from erf, above it from erfc
_TAYLOR, _TAYLOR_WIDE = 16, 21  # its last term, and that for longdouble
_LARGEST = 120  # e^(-x^2) is 0 beyond it in every dtype, and the square must not overflow
_HIGH_BITS = np.int32(-(2**12))  # of a single's 24 bits the first 12
_STEP, _STEPS = 0.4, 18  # of the sum for longdouble: an error of e^(-(pi / step)^2) = 1e-27


def erf(x: Array) -> Any:
    """Compute erf x: 2 / sqrt(pi) times the integral of e^(-s^2) from 0 to x."""
    out = elementwise("erf", x)
    if out is not None:
        return out
    given = _floating(x)
    size = np.minimum(np.abs(given), _LARGEST)
    large = np.sign(given) * (1 - _gaussian(size, 1) * _scaled_complement(size))
    return np.where(size < _SMALL, _erf_by_series(given), large)[()]


def normal_cdf(x: Array) -> Any:
    """Compute the normal distribution function, erfc(-x / sqrt(2)) / 2."""
    out = elementwise("normal_cdf", x)
    if out is not None:
        return out
    if np.iscomplexobj(x):
        return complex_error_function.normal_cdf(x)
    if _is_large_single(x):
        return _in_blocks(_single_normal_cdf, x)
    given = _floating(x)
    scaled = given * np.sqrt(given.dtype.type(0.5))
    size = np.minimum(np.abs(scaled), _LARGEST)
    # The exponential of x itself: of x / sqrt(2), that quotient's rounding error would count x^2 times.
    tail = 0.5 * _gaussian(given, 0.5) * _scaled_complement(size)
    near = 0.5 + 0.5 * _erf_by_series(scaled)
    return np.where(size < _NEAR, near, np.where(given < 0, tail, 1 - tail))[()]


def gaussian(x: Array) -> Any:
    """Compute e^(-x^2)."""
    out = elementwise("gaussian", x)
    return _gaussian(_floating(x), 1)[()] if out is None else out


def normal_density(x: Array) -> Any:
    """Compute e^(-x^2 / 2) / sqrt(2 pi)."""
    out = elementwise("normal_density", x)
    if out is not None:
        return out
    if np.iscomplexobj(x):
        return complex_error_function.normal_density(x)
    if _is_large_single(x):
        return _in_blocks(_single_normal_density, x)
    given = _floating(x)
    two_pi = 8 * np.arctan(given.dtype.type(1))
    return (_gaussian(given, 0.5) / np.sqrt(two_pi))[()]


def gelu(x: Array) -> Any:
    """Compute x Phi(x), with the normal distribution function Phi; 0 at minus infinity."""
    out = elementwise("gelu", x)
    return _above(x) * normal_cdf(x) if out is None else out


def gelu_slope(t: Array, x: Array) -> Any:
    """Compute t (Phi(x) + x phi(x)), with the normal density phi."""
    out = elementwise("gelu_slope", t, x)
    if out is not None:
        return out
    near = _above(x) if np.iscomplexobj(x) else np.minimum(_above(x), _LARGEST)
    return t * (normal_cdf(x) + near * normal_density(x))


def _above(x: Array) -> Any:
    """Return x, or what is not smaller where the distribution is 0: infinity times 0 is NaN."""
    return x if np.iscomplexobj(x) else np.maximum(_floating(x), -_LARGEST)


def _floating(x: Array) -> Any:
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(np.result_type(x, np.float32))


def _gaussian(x: Any, factor: float) -> Any:
    """Compute e^(-factor x^2), corrected for the rounding error of the square, x^2 times as large in the result."""
    if x.dtype.itemsize < 8:
        wide = x.astype(np.float64)
        return np.exp(-factor * wide * wide).astype(x.dtype)
    x = np.clip(x, -_LARGEST, _LARGEST)
    high = x.astype(np.float32).astype(x.dtype)  # its square is exact
    return np.exp(-factor * high * high) * np.exp(-factor * (x - high) * (x + high))


def _erf_by_series(x: Any) -> Any:
    """Sum the Taylor series 2 / sqrt(pi) (-1)^n x^(2n + 1) / (n! (2n + 1)), by Horner."""
    near = np.where(np.abs(x) < _SMALL, x, 0)
    square, total = near * near, np.zeros_like(near)
    is_wide = x.dtype.itemsize > 8
    scale = 1 / np.sqrt(np.arctan(np.longdouble(1))) if is_wide else 2 / math.sqrt(math.pi)
    for n in range(_TAYLOR_WIDE if is_wide else _TAYLOR, -1, -1):
        total = total * square + (-1) ** n * scale / (math.factorial(n) * (2 * n + 1))
    return near * total


def _scaled_complement(x: Any) -> Any:
    """Compute e^(x^2) erfc x for x >= 0."""
    if x.dtype.itemsize > 8:
        return _scaled_complement_by_sum(np.maximum(x, _NEAR))
    t = (x - 3.75) / (x + 3.75)
    # Clenshaw's recurrence.
    later, last = np.zeros_like(t), np.zeros_like(t)
    for coefficient in ERFC_SERIES[:0:-1]:
        last, later = coefficient + 2 * t * last - later, last
    return (ERFC_SERIES[0] + t * last - later) / (1 + 2 * x)


def _scaled_complement_by_sum(x: Any) -> Any:
    """Apply the trapezoidal rule to x / pi times the integral of e^(-s^2) / (x^2 + s^2), less the pole's part.

    Source: Matta and Reichel, "Uniform computation of the error function and other related functions", Math. Comp. 25
    (1971).
    """
    pi, step = 4 * np.arctan(x.dtype.type(1)), x.dtype.type(_STEP)
    total = 0.5 / (x * x)
    for n in range(1, _STEPS + 1):
        total = total + np.exp(-((n * step) ** 2)) / (x * x + (n * step) ** 2)
    turns = np.minimum(x, pi / step) * (2 * pi / step)
    pole = np.where(x < pi / step, 2 * np.exp(np.minimum(x, pi / step) ** 2 - turns) / -np.expm1(-turns), 0)
    return 2 * step * x / pi * total - pole


# ---- large arrays in single precision: few passes, over blocks that stay in cache ----


def _is_large_single(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype == np.float32 and x.size >= MANY and x.flags.c_contiguous


def _in_blocks(function: Callable[[Array, Array], None], x: Array) -> Array:
    """Apply a function of x and of the array for its result, block by block, on several threads if they are many."""
    out = empty(x.shape, x.dtype)
    given, result = np.asarray(x).reshape(-1), out.reshape(-1)

    def work(part: slice) -> None:
        for begin in range(part.start, part.stop, BLOCK):
            own = slice(begin, min(begin + BLOCK, part.stop))
            function(given[own], result[own])

    share(work, x.size, 16 * x.nbytes)
    return out


def _single_gaussian(size: Array, out: Array) -> None:
    """Write e^(-x^2 / 2) of sizes up to `_LARGEST`, corrected for the rounding error of the square."""
    high = (size.view(np.int32) & _HIGH_BITS).view(np.float32)  # its square is exact
    low = size - high
    np.add(size, high, out=out)
    low *= out
    low *= np.float32(-0.5)
    np.exp(low, out=low)
    np.square(high, out=out)
    out *= np.float32(-0.5)
    np.exp(out, out=out)
    out *= low


def _single_normal_density(x: Array, out: Array) -> None:
    size = np.minimum(np.abs(x), np.float32(_LARGEST))
    _single_gaussian(size, out)
    out *= np.float32(1 / math.sqrt(2 * math.pi))


def _single_normal_cdf(x: Array, out: Array) -> None:
    size = np.minimum(np.abs(x), np.float32(_LARGEST))
    _single_gaussian(size, out)
    size *= np.float32(math.sqrt(0.5))
    t, total = size - np.float32(3.75), size + np.float32(3.75)
    t /= total
    *others, first = map(np.float32, SINGLE_POWERS)
    total.fill(first)
    for coefficient in reversed(others):
        total *= t
        total += coefficient
    size += size
    size += 1
    total /= size  # e^(x^2 / 2) erfc(|x| / sqrt(2))
    total *= np.float32(0.5)
    out *= total
    # The tail for negative x, and 1 less the tail for others, by their signs.
    np.negative(x, out=t)
    np.copysign(out, t, out=out)
    out += ~np.signbit(x)
