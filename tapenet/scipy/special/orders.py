"""Derivatives of Bessel functions by their order, for real arguments above 0: integrals, as primitives of their own.

    J_v(x) = 1/pi int_0^pi cos(v s - x sin s) ds - sin(v pi)/pi int_0^inf e^(-x sinh s - v s) ds
    Y_v(x) = 1/pi int_0^pi sin(x sin s - v s) ds - 1/pi int_0^inf (e^(v s) + e^(-v s) cos(v pi)) e^(-x sinh s) ds
    I_v(x) = 1/pi int_0^pi e^(x cos s) cos(v s) ds - sin(v pi)/pi int_0^inf e^(-x cosh s - v s) ds
    K_v(x) = int_0^inf e^(-x cosh s) cosh(v s) ds

The integrands are differentiated, as often as the order of the derivative says, and by the argument too. The rules for
the argument go by the functions of neighbouring orders, v - 1 and v + 1.

Source: NIST Digital Library of Mathematical Functions, 10.9.6, 10.9.7, 10.32.4 and 10.32.9.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

import tapenet.numpy as tnp
from tapenet.core.primitive import Array, bind
from tapenet.scipy.special.declaring import primitive
from tapenet.scipy.special.helpers import is_complex
from tapenet.scipy.special.incomplete_kernels import Series, exponential, polygamma_term

_STEPS = 96  # of Gauss and Legendre's rule, on each of the pieces
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(_STEPS)
_POINTS, _WEIGHTS = (_POINTS + 1) / 2, _WEIGHTS / 2


def _integral(end: Any, integrand: Callable[[Any], Any], frequency: Any = 0.0) -> Any:
    """Integrate from 0 to `end`, in as many pieces as the largest frequency needs."""
    pieces = math.ceil(float(np.max(frequency, initial=1.0)) / 40)
    total: Any = 0.0
    for piece in range(pieces):
        for point, weight in zip(_POINTS, _WEIGHTS, strict=True):
            total = total + weight / pieces * integrand(end * (piece + point) / pieces)
    return end * total


def _end(v: Any, x: Any) -> Any:
    """Return where x cosh(s) - |v| s has grown by 42, from above."""
    end = np.arccosh(1 + 60 / x) + 1
    for _ in range(4):  # a fixed point from below, once the order counts
        end = np.arccosh(1 + (45 + np.abs(v) * end) / x) + 0.1
    return end


def _cycled(order: int) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return the derivatives of cos and sin of an order."""
    cycle = (np.cos, lambda a: -np.sin(a), lambda a: -np.cos(a), np.sin)
    return cycle[order % 4], cycle[(order + 3) % 4]


def _product_rule(order: int, v: Any, s: Any, of_phase: Callable[[int], Any]) -> Any:
    """Differentiate of_phase(0)(v) e^(-v s) by v: the sum over k of binom(n, k) of_phase(k) (-s)^(n-k)."""
    return sum(math.comb(order, k) * of_phase(k) * (-s) ** (order - k) for k in range(order + 1)) * np.exp(-v * s)


def _sine_of_pi(v: Any, order: int) -> Any:
    return math.pi**order * _cycled(order)[1](math.pi * v)


def _cosine_of_pi(v: Any, order: int) -> Any:
    return math.pi**order * _cycled(order)[0](math.pi * v)


def _j(v: Any, x: Any, order: int) -> Any:
    cosine, _ = _cycled(order)
    first = _integral(math.pi, lambda s: s**order * cosine(v * s - x * np.sin(s)), frequency=np.abs(v) + np.abs(x))
    second = _integral(
        _end(v, x),
        lambda s: np.exp(-x * np.sinh(s)) * _product_rule(order, v, s, lambda k: _sine_of_pi(v, k)),
    )
    return _where_small(v, x, order, (v > -0.9) & (x * x < 4 * (v + 1)), -1, (first - second) / math.pi)


def _y(v: Any, x: Any, order: int) -> Any:
    _, sine = _cycled(order)
    first = _integral(math.pi, lambda s: -(s**order) * sine(v * s - x * np.sin(s)), frequency=np.abs(v) + np.abs(x))
    second = _integral(
        _end(v, x),
        lambda s: (
            np.exp(-x * np.sinh(s))
            * (s**order * np.exp(v * s) + _product_rule(order, v, s, lambda k: _cosine_of_pi(v, k)))
        ),
    )
    return (first - second) / math.pi


def _ie(v: Any, x: Any, order: int) -> Any:
    """Compute e^-x times the derivative of I."""
    cosine, _ = _cycled(order)
    end = np.arccos(np.maximum(1 - 45 / x, -1.0))  # where e^(x (cos s - 1)) has vanished
    first = _integral(
        end, lambda s: s**order * cosine(v * s) * np.exp(-2 * x * np.sin(s / 2) ** 2), frequency=np.abs(v) * end
    )
    second = _integral(
        _end(v, x),
        lambda s: np.exp(-x * (np.cosh(s) + 1)) * _product_rule(order, v, s, lambda k: _sine_of_pi(v, k)),
    )
    found = (first - second) / math.pi
    small = (v > -0.9) & (x < 40) & ((v != 0) | (order % 2 == 0))  # at 0 the first integral vanishes exactly
    series = _by_series(np.where(small, v, 1.0), np.where(small, x, 1.0), order, 1)
    return np.where(small, series * np.exp(-x), found)


def _by_series(v: Any, x: Any, order: int, sign: int) -> Any:
    """Sum sign^k (x / 2)^(2 k + v) / (k! gamma(k + v + 1)), differentiated by v, over k."""
    total = np.zeros_like(x)
    half = x / 2
    for k in range(int(24 + 1.5 * np.max(x, initial=0.0))):
        logarithm: Series = {(n, 0): -polygamma_term(n, k + v + 1) for n in range(1, order + 1)}
        logarithm[1, 0] = np.log(half) + logarithm[1, 0]
        factor = exponential(logarithm, (order, 0))[order, 0] * math.factorial(order)
        total = total + sign**k * half ** (2 * k + v) * scipy.special.rgamma(k + v + 1) / math.factorial(k) * factor
    return total


def _where_small(v: Any, x: Any, order: int, small: Any, sign: int, found: Any) -> Any:
    """Replace what the integral gives by the series, where it does not cancel and the value is small."""
    return np.where(small, _by_series(np.where(small, v, 1.0), np.where(small, x, 1.0), order, sign), found)


def _ke(v: Any, x: Any, order: int) -> Any:
    """Compute e^x times the derivative of K."""
    sign = (-1) ** order

    def integrand(s: Any) -> Any:
        fall = -2 * x * np.sinh(s / 2) ** 2
        return s**order * (np.exp(v * s + fall) + sign * np.exp(-v * s + fall)) / 2

    return _integral(_end(v, x), integrand)


_KERNELS: dict[str, Callable[[Any, Any, int], Any]] = {
    "j": _j,
    "y": _y,
    "ie": _ie,
    "ke": _ke,
    "i": lambda v, x, order: np.exp(x) * _ie(v, x, order),
    "k": lambda v, x, order: np.exp(-x) * _ke(v, x, order),
}
# f' = a f_(v-1) + b f_(v+1) + c f
_NEIGHBOURS = {
    "j": (0.5, -0.5, 0),
    "y": (0.5, -0.5, 0),
    "i": (0.5, 0.5, 0),
    "k": (-0.5, -0.5, 0),
    "ie": (0.5, 0.5, -1),
    "ke": (-0.5, -0.5, 1),
}


def _forward(v: Any, x: Any, *, kind: str, order: int) -> Any:
    v, x = np.broadcast_arrays(v, x)
    dtype = np.result_type(v, x, np.float32)
    v, x = v.astype(np.float64), x.astype(np.float64)
    inside = (x > 0) & np.isfinite(x) & np.isfinite(v)
    found = _KERNELS[kind](np.where(inside, v, 1.0), np.where(inside, x, 1.0), order)
    return np.where(inside, found, np.nan).astype(dtype)[()]


def _by_argument(t: Array, v: Array, x: Array, kind: str, order: int) -> Array:
    a, b, c = _NEIGHBOURS[kind]
    found = a * _of_order(v - 1, x, kind, order) + b * _of_order(v + 1, x, kind, order)
    return t * (found + c * _of_order(v, x, kind, order) if c else found)


_bessel: Any = primitive(
    "bessel_by_order",
    "v x",
    _forward,
    lambda t, v, x, kind, order: t * _of_order(v, x, kind, order + 1),
    _by_argument,
)


def _of_order(v: Array, x: Array, kind: str, order: int) -> Array:
    return bind(_bessel.primitive, (v, x), {"kind": kind, "order": order})


def by_order(kind: str) -> Callable[..., Array]:
    """Return the rule of the order of a Bessel function: "j", "y", "i", "k", or "ie", "ke" with their scale."""

    def slope(t: Array, v: Array, z: Array) -> Array:
        if is_complex(z):
            return t * tnp.full(tnp.shape(z), np.nan)
        return t * _of_order(v, z, kind, 1)

    return slope


def hankel_by_order(sign: int, scaled: bool) -> Callable[..., Array]:
    """Return the rule of the order of J + i Y, or of J - i Y; scaled by e^(-i z), or e^(i z)."""

    def slope(t: Array, v: Array, z: Array) -> Array:
        if is_complex(z):
            return t * tnp.full(tnp.shape(z), np.nan)
        found = _of_order(v, z, "j", 1) + sign * 1j * _of_order(v, z, "y", 1)
        return t * (found * tnp.exp(-sign * 1j * z) if scaled else found)

    return slope
