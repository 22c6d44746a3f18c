"""Analog lowpass filters whose band ends at 1, as zeros, poles and a gain: by their ripples.

Source: S. J. Orfanidis, Lecture notes on elliptic filter design (2006), for the elliptic ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.signal

import tapenet.numpy as tnp
from tapenet.core.arguments import check_is_count
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy import special
from tapenet.scipy.placing import counterpart, passed_on
from tapenet.scipy.signal.filters import floating
from tapenet.scipy.signal.transformations import ZerosPolesGain

_LANDEN = 7  # steps, each of which squares the modulus over 4: enough from 1 - 1e-7 on
_TERMS = np.arange(8.0)  # of theta functions, whose nome is at most exp(-pi) to the power of 1 / N

buttap = passed_on(scipy.signal, "buttap", "a filter of no real parameter.")
besselap = passed_on(scipy.signal, "besselap", "a filter of no real parameter.")


@branch_condition
def has_at_most(x: Array, bound: float) -> bool:
    """Return whether one of the numbers is at most a bound; NaN is not."""
    return bool(np.any(np.asarray(x) <= bound))


def _order(name: str, N: Any) -> int:
    check_is_count(f"signal.{name}", "N", N)
    if int(N) != N or N < 0:
        raise ArgumentError(f"signal.{name}: Filter order must be a nonnegative integer; got {N}.")
    return int(N)


def _ripple(name: str, label: str, r: Any) -> Array:
    r = floating(r)
    if r.ndim or r.dtype.kind == "c":
        raise ArgumentError(f"signal.{name}: {label} must be a real number; got shape {r.shape}, {r.dtype}.")
    if has_at_most(r, 0.0):
        raise ArgumentError(f"signal.{name}: {label} must be positive, in decibels.")
    return r


def _without_roots(gain: Array) -> ZerosPolesGain:
    return np.zeros(0), np.zeros(0, complex), gain


def _excess(r: Array) -> Array:
    """Return 10^(r / 10) - 1, without cancellation."""
    return tnp.expm1(r * (np.log(10.0) / 10.0))


def _angles(n: int) -> Array:
    return np.pi * np.arange(1.0 - n, n, 2.0) / (2 * n)


@counterpart(scipy.signal, "Derivative: by rp, that of the ellipse of poles.")
def cheb1ap(N: int, rp: Any) -> ZerosPolesGain:
    n, rp = _order("cheb1ap", N), _ripple("cheb1ap", "rp", rp)
    if n == 0:
        return _without_roots(10 ** (-rp / 20))
    ripple = tnp.sqrt(_excess(rp))
    p = -tnp.sinh(tnp.arcsinh(1 / ripple) / n + 1j * _angles(n))
    gain = tnp.real(tnp.prod(-p))
    return np.zeros(0), p, gain if n % 2 else gain / tnp.sqrt(1 + ripple * ripple)


@counterpart(scipy.signal, "Derivative: by rs, that of the inverse of the ellipse of poles.")
def cheb2ap(N: int, rs: Any) -> ZerosPolesGain:
    n, rs = _order("cheb2ap", N), _ripple("cheb2ap", "rs", rs)
    if n == 0:
        return _without_roots(1.0 + 0 * rs)
    angles = _angles(n)
    p = -1 / tnp.sinh(tnp.arcsinh(tnp.sqrt(_excess(rs))) / n + 1j * angles)
    z = 1j / np.sin(np.delete(angles, n // 2) if n % 2 else angles)
    return z, p, tnp.real(tnp.prod(-p) / np.prod(-z))


def _modulus(n: int, m1: Array) -> tuple[Array, Array]:
    """Return the parameter m of the degree equation n K'(m) / K(m) = K'(m1) / K(m1), and 1 - m, by the nome."""
    q = tnp.exp(-np.pi * special.ellipkm1(m1) / special.ellipk(m1) / n)
    above = tnp.sum(q ** (_TERMS * (_TERMS + 1)))
    below = 1 + 2 * tnp.sum(q ** ((_TERMS + 1) ** 2))
    alternating = 1 + 2 * tnp.sum(-((-1) ** _TERMS) * q ** ((_TERMS + 1) ** 2))
    return 16 * q * (above / below) ** 4, (alternating / below) ** 4


def _share_of_height(y: Array, m: Array) -> Array:
    """Return u / K(m), of the u with sn(i u, m) = i y, by Landen's descending transformation."""
    k = tnp.sqrt(m)
    for _ in range(_LANDEN):
        smaller = (k / (1 + tnp.sqrt((1 - k) * (1 + k)))) ** 2
        y = 2 * y / ((1 + smaller) * (1 + tnp.sqrt(1 + (k * y) ** 2)))
        k = smaller
    return 2 / np.pi * tnp.arcsinh(y)


@counterpart(scipy.signal, "Derivatives: by rp and rs, those of Jacobi's functions by argument and modulus.")
def ellipap(N: int, rp: Any, rs: Any) -> ZerosPolesGain:
    n, rp, rs = _order("ellipap", N), _ripple("ellipap", "rp", rp), _ripple("ellipap", "rs", rs)
    pass_squared, stop_squared = _excess(rp), _excess(rs)
    if n == 0:
        return _without_roots(10 ** (-rp / 20) + 0 * rs)
    if n == 1:
        gain = 1 / tnp.sqrt(pass_squared) + 0 * rs
        return np.zeros(0, complex), tnp.reshape(-gain, (1,)) + 0j, gain
    m1 = pass_squared / stop_squared
    m, rest = _modulus(n, m1)
    quarter = special.ellipk(m)
    places = np.arange(1 - n % 2, n, 2.0)
    s, c, d, _ = special.ellipj(places * quarter / n, m)
    first = n % 2  # of an odd number of poles the first is real
    z = 1j / (tnp.sqrt(m) * s[first:])
    z = tnp.concatenate([z, tnp.conj(z)])
    sv, cv, dv, _ = special.ellipj(quarter * _share_of_height(1 / tnp.sqrt(pass_squared), m1) / n, rest)
    p = -(c * d * sv * cv + 1j * s * dv) / (1 - (d * sv) ** 2)
    p = tnp.concatenate([p, tnp.conj(p[first:])])
    gain = tnp.real(tnp.prod(-p) / tnp.prod(-z))
    return z, p, gain if n % 2 else gain / tnp.sqrt(1 + pass_squared)
