"""Continuous distributions whose distribution functions have no closed form: integrals of the density over a tail."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import constant
from tapenet.core.primitive import Array
from tapenet.scipy import special
from tapenet.scipy.special.helpers import guarded
from tapenet.scipy.stats.distribution import continuous
from tapenet.scipy.stats.expectations import over_interval, over_unit
from tapenet.scipy.stats.integrals import over_nodes, tails

_LOG_2 = math.log(2)
_LOG_PI = math.log(math.pi)
_LOG_2_PI = math.log(2 * math.pi)

# ---- normal with a mixed variance: in u = arcsinh(z) both tails fall exponentially ----


def _gamma_of(a: Array, b: Array) -> Array:
    return tnp.sqrt((a - b) * (a + b))


def _nig_logpdf(z: Array, a: Array, b: Array) -> Array:
    q = tnp.sqrt(1 + z * z)
    return tnp.log(a) - _LOG_PI + _gamma_of(a, b) + b * z - a * q + tnp.log(special.k1e(a * q)) - tnp.log(q)


def _nig_logdensity(u: Array, a: Array, b: Array) -> Array:
    return _nig_logpdf(tnp.sinh(u), a, b) + tnp.log(tnp.cosh(u))


def _sinh_ends(a: Array, b: Array) -> tuple[Array, Array]:
    """Return where a cosh(u) - b sinh(u) has grown by 60 and more."""
    return -np.arcsinh(1 + 60 / (a + b)), np.arcsinh(1 + 60 / (a - b))


_nig_cdf, _nig_sf = tails(
    "stats.norminvgauss", "a b", _nig_logdensity, lambda a, b: np.arcsinh(b / np.sqrt(a * a - b * b))
)
norminvgauss = continuous(
    "norminvgauss",
    "a b",
    valid=lambda a, b: tnp.asarray((a > 0) & (tnp.abs(b) < a)),
    logpdf=_nig_logpdf,
    cdf=lambda z, a, b: _nig_cdf(tnp.arcsinh(z), a, b),
    sf=lambda z, a, b: _nig_sf(tnp.arcsinh(z), a, b),
    mean=lambda a, b: b / _gamma_of(a, b),
    var=lambda a, b: a * a / _gamma_of(a, b) ** 3,
    entropy=over_interval(
        _sinh_ends, lambda u, a, b: -tnp.exp(_nig_logdensity(u, a, b)) * _nig_logpdf(tnp.sinh(u), a, b)
    ),
)


def _log_kv(v: Array, z: Array) -> Array:
    return tnp.log(special.kve(v, z)) - z


def _hyperbolic_logpdf(z: Array, p: Array, a: Array, b: Array) -> Array:
    g, q = _gamma_of(a, b), tnp.sqrt(1 + z * z)
    size = p * tnp.log(g) - (p - 0.5) * tnp.log(a) - _LOG_2_PI / 2 - _log_kv(p, g)
    return size + _log_kv(p - 0.5, a * q) + (p - 0.5) * tnp.log(q) + b * z


def _hyperbolic_logdensity(u: Array, p: Array, a: Array, b: Array) -> Array:
    return _hyperbolic_logpdf(tnp.sinh(u), p, a, b) + tnp.log(tnp.cosh(u))


def _hyperbolic_mean(p: Array, a: Array, b: Array) -> Array:
    g = _gamma_of(a, b)
    return b / g * special.kve(p + 1, g) / special.kve(p, g)


def _hyperbolic_var(p: Array, a: Array, b: Array) -> Array:
    g = _gamma_of(a, b)
    first, second = (special.kve(p + k, g) / special.kve(p, g) for k in (1, 2))
    return first / g + (b / g) ** 2 * (second - first * first)


def _hyperbolic_middle(p: Array, a: Array, b: Array) -> Array:
    g = np.sqrt(a * a - b * b)
    return np.arcsinh(b / g * scipy.special.kve(p + 1, g) / scipy.special.kve(p, g))


def _hyperbolic_ends(p: Array, a: Array, b: Array) -> tuple[Array, Array]:
    wide = 60 + 8 * np.abs(p)
    return -np.arcsinh(1 + wide / (a + b)), np.arcsinh(1 + wide / (a - b))


_hyperbolic_cdf, _hyperbolic_sf = tails("stats.genhyperbolic", "p a b", _hyperbolic_logdensity, _hyperbolic_middle)
genhyperbolic = continuous(
    "genhyperbolic",
    "p a b",
    valid=lambda p, a, b: tnp.asarray((tnp.abs(b) < a) & (p == p)),
    logpdf=_hyperbolic_logpdf,
    cdf=lambda z, p, a, b: _hyperbolic_cdf(tnp.arcsinh(z), p, a, b),
    sf=lambda z, p, a, b: _hyperbolic_sf(tnp.arcsinh(z), p, a, b),
    mean=_hyperbolic_mean,
    var=_hyperbolic_var,
    entropy=over_interval(
        _hyperbolic_ends,
        lambda u, p, a, b: -tnp.exp(_hyperbolic_logdensity(u, p, a, b)) * _hyperbolic_logpdf(tnp.sinh(u), p, a, b),
    ),
)

# ---- generalized inverse Gaussian: in u = log(z) ----


def _gig_logdensity(u: Array, p: Array, b: Array) -> Array:
    return p * u - 2 * b * tnp.sinh(u / 2) ** 2 - _LOG_2 - tnp.log(special.kve(p, b))


def _gig_ratio(p: Array, b: Array, n: int) -> Array:
    return special.kve(p + n, b) / special.kve(p, b)


def _gig_ends(p: Array, b: Array) -> tuple[Array, Array]:
    middle = np.arcsinh(p / b)
    apart = np.arccosh(1 + 50 / np.sqrt(p * p + b * b))
    return middle - apart, middle + apart


_gig_cdf, _gig_sf = tails("stats.geninvgauss", "p b", _gig_logdensity, lambda p, b: np.arcsinh(p / b))
geninvgauss = continuous(
    "geninvgauss",
    "p b",
    lower=0.0,
    valid=lambda p, b: tnp.asarray((p == p) & (b > 0)),
    logpdf=lambda z, p, b: _gig_logdensity(tnp.log(z), p, b) - tnp.log(z),
    cdf=lambda z, p, b: _gig_cdf(tnp.log(z), p, b),
    sf=lambda z, p, b: _gig_sf(tnp.log(z), p, b),
    mean=lambda p, b: _gig_ratio(p, b, 1),
    var=lambda p, b: _gig_ratio(p, b, 2) - _gig_ratio(p, b, 1) ** 2,
    entropy=over_interval(
        _gig_ends, lambda u, p, b: tnp.exp(_gig_logdensity(u, p, b)) * (u - _gig_logdensity(u, p, b))
    ),
)

# ---- Gauss's hypergeometric: in u = logit(z) ----


def _gauss_size(a: Array, b: Array, c: Array, z: Array) -> Array:
    return special.betaln(a, b) + tnp.log(special.hyp2f1(c, a, a + b, -z))


def _gauss_logpdf(x: Array, a: Array, b: Array, c: Array, z: Array, rest: Array | None = None) -> Array:
    lower = special.xlog1py(b - 1, -x) if rest is None else (b - 1) * tnp.log(rest)
    return special.xlogy(a - 1, x) + lower - c * tnp.log1p(z * x) - _gauss_size(a, b, c, z)


def _gauss_logdensity(u: Array, a: Array, b: Array, c: Array, z: Array) -> Array:
    both = a * special.log_expit(u) + b * special.log_expit(-u)
    return both - c * tnp.log1p(z * special.expit(u)) - _gauss_size(a, b, c, z)


def _gauss_moment(a: Array, b: Array, c: Array, z: Array, n: int) -> Array:
    ratio = special.hyp2f1(c, a + n, a + b + n, -z) / special.hyp2f1(c, a, a + b, -z)
    return special.beta(a + n, b) / special.beta(a, b) * ratio


_gauss_cdf, _gauss_sf = tails("stats.gausshyper", "a b c z", _gauss_logdensity, lambda a, b, c, z: np.log(a / b))
gausshyper = continuous(
    "gausshyper",
    "a b c z",
    lower=0.0,
    upper=1.0,
    valid=lambda a, b, c, z: tnp.asarray((a > 0) & (b > 0) & (c == c) & (z > -1)),
    logpdf=_gauss_logpdf,
    cdf=lambda x, a, b, c, z: _gauss_cdf(special.logit(x), a, b, c, z),
    sf=lambda x, a, b, c, z: _gauss_sf(special.logit(x), a, b, c, z),
    mean=lambda a, b, c, z: _gauss_moment(a, b, c, z, 1),
    var=lambda a, b, c, z: _gauss_moment(a, b, c, z, 2) - _gauss_moment(a, b, c, z, 1) ** 2,
    entropy=over_unit(
        lambda x, rest, a, b, c, z: -tnp.exp(_gauss_logpdf(x, a, b, c, z, rest)) * _gauss_logpdf(x, a, b, c, z, rest)
    ),
)

# ---- von Mises ----


def _vonmises_logpdf(z: Array, kappa: Array) -> Array:
    return -2 * kappa * tnp.sin(z / 2) ** 2 - _LOG_2_PI - tnp.log(special.i0e(kappa))


def _vonmises_end(z: Array, kappa: Array) -> Array:
    """Return where the density has fallen by e^-45 from that at z, pi at most."""
    fixed, size = constant(z), constant(kappa)
    wide = tnp.sin(fixed / 2) ** 2 + 22.5 / guarded(size > 0, size, 1.0)
    return tnp.where((size > 0) & (wide < 1), 2 * tnp.arcsin(tnp.sqrt(guarded(wide < 1, wide, 1.0))), math.pi)


def _vonmises_tail(z: Array, kappa: Array) -> Array:
    """Integrate the density from z, which is 0 to pi, to pi, or to where it has fallen by e^-45."""
    return over_nodes(z, _vonmises_end(z, kappa), lambda y, kappa: tnp.exp(_vonmises_logpdf(y, kappa)), kappa)


def _vonmises_cdf(z: Array, kappa: Array) -> Array:
    """Compute the tail on the side of z, with as many turns as z has more."""
    turns = tnp.round(constant(z) / (2 * math.pi))
    place = z - 2 * math.pi * turns
    low = tnp.asarray(place < 0)
    tail = _vonmises_tail(tnp.where(low, -place, place), kappa)
    return tnp.where(low, tail, 1 - tail) + turns


def _vonmises_sf(z: Array, kappa: Array) -> Array:
    return _vonmises_cdf(-z, kappa)


def _vonmises_var(kappa: Array) -> Array:
    """Integrate z^2 times the density."""
    start = 0 * kappa
    end = _vonmises_end(start, kappa)
    return 2 * over_nodes(start, end, lambda y, kappa: y * y * tnp.exp(_vonmises_logpdf(y, kappa)), kappa)


def _vonmises_entropy(kappa: Array) -> Array:
    return kappa * (1 - special.i1e(kappa) / special.i0e(kappa)) + _LOG_2_PI + tnp.log(special.i0e(kappa))


_VONMISES: dict[str, Any] = {
    "valid": lambda kappa: tnp.asarray(kappa >= 0),
    "logpdf": _vonmises_logpdf,
    "cdf": _vonmises_cdf,
    "sf": _vonmises_sf,
    "mean": lambda kappa: 0.0 * kappa,
    "var": _vonmises_var,
    "entropy": _vonmises_entropy,
}
vonmises = continuous("vonmises", "kappa", **_VONMISES)
vonmises_line = continuous("vonmises_line", "kappa", lower=-math.pi, upper=math.pi, **_VONMISES)
