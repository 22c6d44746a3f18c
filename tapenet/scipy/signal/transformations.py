"""Lowpass filters moved to other bands, and analog filters made digital: substitutions for s, by all parameters.

Of zeros and poles those are formulas of each of them; of coefficients, matrices whose elements are powers of the
parameters.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.signal

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, collected
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.placing import counterpart
from tapenet.scipy.signal.filters import floating
from tapenet.scipy.signal.forms import normalize, roots_of
from tapenet.scipy.signal.rows import without_zeros_in_front

_BY_FORMULA = "Derivatives: by zeros, poles, the gain and the frequencies, those of the formulas."
_BY_POWERS = "Derivatives: by the coefficients and the frequencies, those of the substitution for s."
ZerosPolesGain = tuple[Array, Array, Array]


def _parameter(x: Any) -> Array:
    """Return a frequency as a real number."""
    x = floating(x)
    if x.dtype.kind == "c" or x.size != 1:
        raise ArgumentError(f"signal: frequencies must be real numbers; got shape {x.shape}, {x.dtype}.")
    return x if x.ndim == 0 else tnp.reshape(x, ())


def _given(name: str, z: Any, p: Any, k: Any) -> tuple[Array, Array, Array, int]:
    """Return zeros, poles and the gain, and how many zeros are at infinity."""
    z, p = roots_of(name, "z", z), roots_of(name, "p", p)
    degree = p.shape[0] - z.shape[0]
    if degree < 0:
        raise ArgumentError(f"{name}: Improper transfer function. Must have at least as many poles as zeros.")
    return z, p, k if isinstance(k, int | float) else as_array(collected(k)), degree


def _product(x: Array) -> Array:
    return tnp.prod(x) if x.shape[0] else np.ones((), x.dtype)


def _ratio(above: Array, below: Array) -> Array:
    return tnp.real(_product(above) / _product(below))


# ---- zeros and poles ----


@counterpart(scipy.signal, _BY_FORMULA)
def lp2lp_zpk(z: Any, p: Any, k: Any, wo: Any = 1.0) -> ZerosPolesGain:
    z, p, k, degree = _given("signal.lp2lp_zpk", z, p, k)
    wo = _parameter(wo)
    return wo * z, wo * p, k * wo**degree


@counterpart(scipy.signal, _BY_FORMULA)
def lp2hp_zpk(z: Any, p: Any, k: Any, wo: Any = 1.0) -> ZerosPolesGain:
    z, p, k, degree = _given("signal.lp2hp_zpk", z, p, k)
    wo = _parameter(wo)
    zeros = tnp.concatenate([wo / z, np.zeros(degree, z.dtype)])
    return zeros, wo / p, k * _ratio(-z, -p)


def _both_sides(roots: Array, wo: Array) -> Array:
    """Return the roots of s^2 - 2 r s + wo^2 for each r."""
    roots = roots.astype(complex)
    shift = tnp.sqrt(roots**2 - wo**2)
    return tnp.concatenate([roots + shift, roots - shift])


@counterpart(scipy.signal, _BY_FORMULA)
def lp2bp_zpk(z: Any, p: Any, k: Any, wo: Any = 1.0, bw: Any = 1.0) -> ZerosPolesGain:
    z, p, k, degree = _given("signal.lp2bp_zpk", z, p, k)
    wo, bw = _parameter(wo), _parameter(bw)
    zeros = tnp.concatenate([_both_sides(z * bw / 2, wo), np.zeros(degree, complex)])
    return zeros, _both_sides(p * bw / 2, wo), k * bw**degree


@counterpart(scipy.signal, _BY_FORMULA)
def lp2bs_zpk(z: Any, p: Any, k: Any, wo: Any = 1.0, bw: Any = 1.0) -> ZerosPolesGain:
    z, p, k, degree = _given("signal.lp2bs_zpk", z, p, k)
    wo, bw = _parameter(wo), _parameter(bw)
    at_center = np.repeat([1j, -1j], degree) * wo
    zeros = tnp.concatenate([_both_sides((bw / 2) / z, wo), at_center])
    return zeros, _both_sides((bw / 2) / p, wo), k * _ratio(-z, -p)


@counterpart(scipy.signal, "Derivatives: by zeros, poles, the gain and fs, those of (2 fs + s) / (2 fs - s).")
def bilinear_zpk(z: Any, p: Any, k: Any, fs: Any) -> ZerosPolesGain:
    z, p, k, degree = _given("signal.bilinear_zpk", z, p, k)
    twice = 2.0 * _parameter(fs)
    zeros = tnp.concatenate([(twice + z) / (twice - z), -np.ones(degree)])
    return zeros, (twice + p) / (twice - p), k * _ratio(twice - z, twice - p)


# ---- coefficients ----


def _rows(name: str, b: Any, a: Any) -> tuple[Array, Array]:
    b, a = tnp.atleast_1d(floating(b)), tnp.atleast_1d(floating(a))
    if b.ndim != 1 or a.ndim != 1:
        raise ArgumentError(f"{name}: b and a must be vectors; got shapes {b.shape} and {a.shape}.")
    return b, a


@counterpart(scipy.signal, _BY_POWERS)
def lp2lp(b: Any, a: Any, wo: Any = 1.0) -> tuple[Array, Array]:
    b, a = _rows("signal.lp2lp", b, a)
    wo, most = _parameter(wo), a.shape[0] - 1
    b, a = (c * wo ** (most - np.arange(c.shape[0] - 1, -1, -1, dtype=wo.dtype)) for c in (b, a))
    return normalize(b, a)


@counterpart(scipy.signal, _BY_POWERS)
def lp2hp(b: Any, a: Any, wo: Any = 1.0) -> tuple[Array, Array]:
    b, a = _rows("signal.lp2hp", b, a)
    wo, most = _parameter(wo), max(b.shape[0], a.shape[0])
    b, a = (
        tnp.concatenate([c[::-1] * wo ** np.arange(c.shape[0], dtype=wo.dtype), np.zeros(most - c.shape[0], c.dtype)])
        for c in (b, a)
    )
    return normalize(b, a)


def _binomials(n: Array, k: Array, is_term: Array) -> Array:
    """Return n over k where there is a term, else 0; n broadcasts to the matrix k."""
    places = zip(np.broadcast_to(n, k.shape).flat, k.flat, is_term.flat, strict=True)
    return np.array([math.comb(*pair) if yes else 0 for *pair, yes in places], float).reshape(k.shape)


def _to_band(c: Array, most: int, wo: Array, bw: Array) -> Array:
    """Substitute (s^2 + wo^2) / (bw s) for s, and multiply by s^most."""
    degree = c.shape[0] - 1
    j, i = np.arange(degree + most, -1, -1)[:, None], np.arange(degree, -1, -1)[None, :]
    k = (j - most + i) // 2
    is_term = ((j - most + i) % 2 == 0) & (k >= 0) & (k <= i)
    counts = _binomials(i, k, is_term)
    powers = np.where(is_term, i - k, 0).astype(float)
    return tnp.matmul(counts * (wo * wo) ** powers * bw ** -i.astype(float), c).astype(c.dtype)


@counterpart(scipy.signal, _BY_POWERS)
def lp2bp(b: Any, a: Any, wo: Any = 1.0, bw: Any = 1.0) -> tuple[Array, Array]:
    b, a = _rows("signal.lp2bp", b, a)
    wo, bw, most = _parameter(wo), _parameter(bw), max(b.shape[0], a.shape[0]) - 1
    return normalize(_to_band(b, most, wo, bw), _to_band(a, most, wo, bw))


def _to_stop(c: Array, most: int, wo: Array, bw: Array) -> Array:
    """Substitute bw s / (s^2 + wo^2) for s, and multiply by (s^2 + wo^2)^most."""
    degree = c.shape[0] - 1
    j, i = np.arange(2 * most, -1, -1)[:, None], np.arange(degree, -1, -1)[None, :]
    k = (j - i) // 2
    is_term = ((j - i) % 2 == 0) & (k >= 0) & (k <= most - i)
    counts = _binomials(most - i, k, is_term)
    powers = np.where(is_term, most - i - k, 0).astype(float)
    return tnp.matmul(counts * (wo * wo) ** powers * bw ** i.astype(float), c).astype(c.dtype)


@counterpart(scipy.signal, _BY_POWERS)
def lp2bs(b: Any, a: Any, wo: Any = 1.0, bw: Any = 1.0) -> tuple[Array, Array]:
    b, a = _rows("signal.lp2bs", b, a)
    wo, bw, most = _parameter(wo), _parameter(bw), max(b.shape[0], a.shape[0]) - 1
    return normalize(_to_stop(b, most, wo, bw), _to_stop(a, most, wo, bw))


def _on_circle(c: Array, most: int, fs: Array) -> Array:
    """Substitute 2 fs (z - 1) / (z + 1) for s, and multiply by (z + 1)^most, over the middle power of 2 fs."""
    degree = c.shape[0] - 1
    powers = np.arange(degree, -1, -1)
    plus, minus = np.array([1.0, 1.0]), np.array([1.0, -1.0])
    columns = [
        np.convolve(_power(plus, most - q), _power(minus, q))
        for q in powers.tolist()
    ]  # fmt: skip
    return tnp.matmul(np.stack(columns, -1) * (2.0 * fs) ** (powers - most / 2), c).astype(c.dtype)


def _power(c: Array, exponent: int) -> Array:
    out = np.ones(1)
    for _ in range(exponent):
        out = np.convolve(out, c)
    return out


@counterpart(scipy.signal, "Derivatives: by the coefficients and fs, those of the substitution 2 fs (z - 1) / (z + 1).")
def bilinear(b: Any, a: Any, fs: Any = 1.0) -> tuple[Array, Array]:
    b, a = map(without_zeros_in_front, _rows("signal.bilinear", b, a))
    if not (b.shape[0] and a.shape[0]):
        raise ArgumentError("signal.bilinear: b and a must have a nonzero element each; got none.")
    fs, most = _parameter(fs), max(b.shape[0], a.shape[0]) - 1
    return normalize(_on_circle(b, most, fs), _on_circle(a, most, fs))
