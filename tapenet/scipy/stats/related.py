"""Continuous distributions of the normal, gamma and beta families: transforms of one of them, or sums with another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import constant
from tapenet.core.primitive import Array
from tapenet.ops.special.functions import normal_density
from tapenet.scipy import special
from tapenet.scipy.special.gamma import digamma_difference
from tapenet.scipy.special.helpers import exp_capped, guarded
from tapenet.scipy.stats.continuous import gamma
from tapenet.scipy.stats.distribution import continuous, renamed
from tapenet.scipy.stats.expectations import exists, over_interval
from tapenet.scipy.stats.tails import invgauss_logcdf, invgauss_logsf

_LOG_2 = math.log(2)
_LOG_2_PI = math.log(2 * math.pi)
_GAUSS = np.polynomial.legendre.leggauss(12)


def normal_logpdf(z: Array) -> Array:
    """Compute the logarithm of the normal density."""
    return -(z * z + _LOG_2_PI) / 2


# ---- normal ----


def _normal_mass(low: Array, high: Array, half: Array) -> Array:
    """Compute the normal probability of low to high = low + 2 half; of a narrow interval by Gauss's rule."""
    narrow = tnp.asarray(half < 0.5)
    near, start = guarded(narrow, half, 0.5), guarded(narrow, low, 0.0)
    summed: Array = 0.0
    for point, weight in zip(*_GAUSS, strict=True):
        summed = summed + float(weight) * normal_density(start + near * float(1 + point))
    side = tnp.where(tnp.asarray(low + high > 0), -1.0, 1.0)  # of the smaller tail
    apart = side * (special.ndtr(side * high) - special.ndtr(side * low))
    return tnp.where(narrow, near * summed, apart)


gibrat = continuous(
    "gibrat",
    lower=0.0,
    logpdf=lambda z: normal_logpdf(tnp.log(z)) - tnp.log(z),
    cdf=lambda z: special.ndtr(tnp.log(z)),
    sf=lambda z: special.ndtr(-tnp.log(z)),
    logcdf=lambda z: special.log_ndtr(tnp.log(z)),
    logsf=lambda z: special.log_ndtr(-tnp.log(z)),
    ppf=lambda q: tnp.exp(special.ndtri(q)),
    isf=lambda q: tnp.exp(-special.ndtri(q)),
)


def _below_alpha(q: Array, a: Array) -> Array:
    """Return d where ndtr(a - d) is (1 - q) ndtr(a), for small q from the first terms of its series."""
    whole = special.ndtr(a)
    first = q * whole / tnp.maximum(normal_density(a), 1e-300)
    near = tnp.asarray(first * (1 + tnp.abs(a)) < 1e-4)
    place = special.ndtri(guarded(~near, special.ndtr(-a) + q * whole, 0.5))
    small = guarded(near, first, 0.0)
    return tnp.where(near, small * (1 - small * (a / 2 - (2 * a * a + 1) / 6 * small)), a + place)


alpha = continuous(
    "alpha",
    "a",
    lower=0.0,
    logpdf=lambda z, a: -2 * tnp.log(z) + normal_logpdf(a - 1 / z) - special.log_ndtr(a),
    cdf=lambda z, a: special.ndtr(a - 1 / z) / special.ndtr(a),
    sf=lambda z, a: _normal_mass(a - 1 / z, a, 0.5 / z) / special.ndtr(a),
    logcdf=lambda z, a: special.log_ndtr(a - 1 / z) - special.log_ndtr(a),
    ppf=lambda q, a: 1 / (a - special.ndtri(q * special.ndtr(a))),
    isf=lambda q, a: 1 / _below_alpha(q, a),
    mean=lambda a: np.inf + 0 * a,
    var=lambda a: np.inf + 0 * a,
)


def _fatigue_place(z: Array, c: Array) -> Array:
    root = tnp.sqrt(z)
    return (root - 1 / root) / c


def _fatigue_of(x: Array, c: Array) -> Array:
    """Return the positive z with `_fatigue_place(z, c) == x`; without cancellation on either side."""
    half = tnp.abs(c * x) / 2
    large = (half + tnp.sqrt(half * half + 1)) ** 2
    return tnp.where(tnp.asarray(x < 0), 1 / large, large)


fatiguelife = continuous(
    "fatiguelife",
    "c",
    lower=0.0,
    logpdf=lambda z, c: tnp.log1p(z) - tnp.log(2 * c) - 1.5 * tnp.log(z) + normal_logpdf(_fatigue_place(z, c)),
    cdf=lambda z, c: special.ndtr(_fatigue_place(z, c)),
    sf=lambda z, c: special.ndtr(-_fatigue_place(z, c)),
    logcdf=lambda z, c: special.log_ndtr(_fatigue_place(z, c)),
    logsf=lambda z, c: special.log_ndtr(-_fatigue_place(z, c)),
    ppf=lambda q, c: _fatigue_of(special.ndtri(q), c),
    isf=lambda q, c: _fatigue_of(-special.ndtri(q), c),
    mean=lambda c: 1 + c * c / 2,
    var=lambda c: c * c * (1 + 1.25 * c * c),
)


def _foldnorm_logpdf(z: Array, c: Array) -> Array:
    return normal_logpdf(z - c) + tnp.log1p(tnp.exp(-2 * c * z))


def _foldnorm_mean(c: Array) -> Array:
    return 2 * normal_density(c) + c * special.erf(c / math.sqrt(2))


foldnorm = continuous(
    "foldnorm",
    "c",
    lower=0.0,
    valid=lambda c: tnp.asarray(c >= 0),
    logpdf=_foldnorm_logpdf,
    cdf=lambda z, c: _normal_mass(c - z, c + z, z),
    sf=lambda z, c: special.ndtr(c - z) + special.ndtr(-z - c),
    mean=_foldnorm_mean,
    var=lambda c: c * c + 1 - _foldnorm_mean(c) ** 2,
    entropy=over_interval(
        lambda c: (0 * c, c + 12), lambda z, c: -tnp.exp(_foldnorm_logpdf(z, c)) * _foldnorm_logpdf(z, c)
    ),
)
johnsonsb = continuous(
    "johnsonsb",
    "a b",
    lower=0.0,
    upper=1.0,
    valid=lambda a, b: tnp.asarray((b > 0) & (a == a)),
    logpdf=lambda z, a, b: tnp.log(b) - tnp.log(z) - tnp.log1p(-z) + normal_logpdf(a + b * special.logit(z)),
    cdf=lambda z, a, b: special.ndtr(a + b * special.logit(z)),
    sf=lambda z, a, b: special.ndtr(-a - b * special.logit(z)),
    logcdf=lambda z, a, b: special.log_ndtr(a + b * special.logit(z)),
    logsf=lambda z, a, b: special.log_ndtr(-a - b * special.logit(z)),
    ppf=lambda q, a, b: special.expit((special.ndtri(q) - a) / b),
    isf=lambda q, a, b: special.expit((-special.ndtri(q) - a) / b),
)


def _johnsonsu_var(a: Array, b: Array) -> Array:
    squared = 1 / (b * b)
    return tnp.expm1(squared) * (tnp.exp(squared) * tnp.cosh(2 * a / b) + 1) / 2


johnsonsu = continuous(
    "johnsonsu",
    "a b",
    valid=lambda a, b: tnp.asarray((b > 0) & (a == a)),
    logpdf=lambda z, a, b: tnp.log(b) - tnp.log1p(z * z) / 2 + normal_logpdf(a + b * tnp.arcsinh(z)),
    cdf=lambda z, a, b: special.ndtr(a + b * tnp.arcsinh(z)),
    sf=lambda z, a, b: special.ndtr(-a - b * tnp.arcsinh(z)),
    logcdf=lambda z, a, b: special.log_ndtr(a + b * tnp.arcsinh(z)),
    logsf=lambda z, a, b: special.log_ndtr(-a - b * tnp.arcsinh(z)),
    ppf=lambda q, a, b: tnp.sinh((special.ndtri(q) - a) / b),
    isf=lambda q, a, b: tnp.sinh((-special.ndtri(q) - a) / b),
    mean=lambda a, b: -tnp.exp(1 / (2 * b * b)) * tnp.sinh(a / b),
    var=_johnsonsu_var,
)
levy = continuous(
    "levy",
    lower=0.0,
    logpdf=lambda z: -(_LOG_2_PI + 1 / z) / 2 - 1.5 * tnp.log(z),
    cdf=lambda z: special.erfc(1 / tnp.sqrt(2 * z)),
    sf=lambda z: special.erf(1 / tnp.sqrt(2 * z)),
    ppf=lambda q: 1 / special.ndtri(q / 2) ** 2,
    isf=lambda q: 1 / (2 * special.erfinv(q) ** 2),
)


def _moyal_tail(z: Array) -> Array:
    return exp_capped(-z / 2)


moyal = continuous(
    "moyal",
    logpdf=lambda z: -(z + tnp.exp(-z) + _LOG_2_PI) / 2,
    pdf=lambda z: tnp.exp(-(z + exp_capped(-z) + _LOG_2_PI) / 2),
    cdf=lambda z: 2 * special.ndtr(-_moyal_tail(z)),
    logcdf=lambda z: _LOG_2 + special.log_ndtr(-tnp.exp(-z / 2)),
    sf=lambda z: special.erf(_moyal_tail(z) / math.sqrt(2)),
    ppf=lambda q: -2 * tnp.log(-special.ndtri(q / 2)),
    isf=lambda q: -2 * tnp.log(math.sqrt(2) * special.erfinv(q)),
)


def powernorm_quantile(logarithm: Array) -> Array:
    """Return z where ndtr(-z) is e^logarithm, from the smaller tail."""
    left = tnp.asarray(logarithm > -_LOG_2)
    lower = special.ndtri(-tnp.expm1(guarded(left, logarithm, -_LOG_2)))
    return tnp.where(left, lower, -special.ndtri(tnp.exp(guarded(~left, logarithm, -_LOG_2))))


powernorm = continuous(
    "powernorm",
    "c",
    logpdf=lambda z, c: tnp.log(c) + normal_logpdf(z) + (c - 1) * special.log_ndtr(-z),
    cdf=lambda z, c: -tnp.expm1(c * special.log_ndtr(-z)),
    sf=lambda z, c: tnp.exp(c * special.log_ndtr(-z)),
    logsf=lambda z, c: c * special.log_ndtr(-z),
    ppf=lambda q, c: powernorm_quantile(tnp.log1p(-q) / c),
    isf=lambda q, c: powernorm_quantile(tnp.log(q) / c),
)


wald = continuous(
    "wald",
    lower=0.0,
    logpdf=lambda z: -_LOG_2_PI / 2 - 1.5 * tnp.log(z) - (z - 1) ** 2 / (2 * z),
    cdf=lambda z: tnp.exp(invgauss_logcdf(z, 1.0)),
    sf=lambda z: tnp.exp(invgauss_logsf(z, 1.0)),
    logcdf=lambda z: invgauss_logcdf(z, 1.0),
    logsf=lambda z: invgauss_logsf(z, 1.0),
)


def _exponnorm_logpdf(z: Array, k: Array) -> Array:
    return 1 / (2 * k * k) - z / k - tnp.log(k) + special.log_ndtr(z - 1 / k)


def _exponnorm_part(z: Array, k: Array) -> Array:
    return tnp.exp(1 / (2 * k * k) - z / k + special.log_ndtr(z - 1 / k))


exponnorm = continuous(
    "exponnorm",
    "K",
    logpdf=_exponnorm_logpdf,
    cdf=lambda z, k: special.ndtr(z) - _exponnorm_part(z, k),
    sf=lambda z, k: special.ndtr(-z) + _exponnorm_part(z, k),
    mean=lambda k: k,
    var=lambda k: 1 + k * k,
    entropy=over_interval(
        lambda k: (-10 + 0 * k, 10 + 40 * k), lambda z, k: -tnp.exp(_exponnorm_logpdf(z, k)) * _exponnorm_logpdf(z, k)
    ),
)


def _crystal_parts(beta: Array, m: Array) -> tuple[Array, Array, Array]:
    """Return the mass of the power's tail, that of the normal part, and the logarithm of the tail's factor."""
    tail = m / beta / (m - 1) * tnp.exp(-beta * beta / 2)
    return tail, math.sqrt(2 * math.pi) * special.ndtr(beta), m * tnp.log(m / beta) - beta * beta / 2


def _crystal_logpdf(z: Array, beta: Array, m: Array) -> Array:
    tail, middle, factor = _crystal_parts(beta, m)
    normal = tnp.asarray(z > -beta)
    powers = factor - m * tnp.log(m / beta - beta - guarded(~normal, z, -2 * beta))
    return tnp.where(normal, -z * z / 2, powers) - tnp.log(tail + middle)


def _crystal_cdf(z: Array, beta: Array, m: Array) -> Array:
    tail, middle, _ = _crystal_parts(beta, m)
    normal = tnp.asarray(z > -beta)
    apart = 1 - (guarded(~normal, z, -beta) + beta) * beta / m
    inner = math.sqrt(2 * math.pi) * (special.ndtr(guarded(normal, z, 0.0)) - special.ndtr(-beta))
    return tnp.where(normal, tail + inner, tail * tnp.power(apart, 1 - m)) / (tail + middle)


def _crystal_sf(z: Array, beta: Array, m: Array) -> Array:
    tail, middle, _ = _crystal_parts(beta, m)
    normal = tnp.asarray(z > -beta)
    above = math.sqrt(2 * math.pi) * special.ndtr(-guarded(normal, z, 0.0)) / (tail + middle)
    return tnp.where(normal, above, 1 - _crystal_cdf(guarded(~normal, z, -beta), beta, m))


def _crystal_logsf(z: Array, beta: Array, m: Array) -> Array:
    tail, middle, _ = _crystal_parts(beta, m)
    normal = tnp.asarray(z > -beta)
    above = math.log(2 * math.pi) / 2 + special.log_ndtr(-guarded(normal, z, 0.0)) - tnp.log(tail + middle)
    return tnp.where(normal, above, tnp.log1p(-_crystal_cdf(guarded(~normal, z, -beta), beta, m)))


def _crystal_ppf(q: Array, beta: Array, m: Array) -> Array:
    tail, middle, _ = _crystal_parts(beta, m)
    mass = q * (tail + middle)
    normal = tnp.asarray(mass > tail)
    powers = -beta + (1 - tnp.power(guarded(~normal, mass, tail) / tail, 1 / (1 - m))) * m / beta
    inner = special.ndtr(-beta) + guarded(normal, mass - tail, 0.0) / math.sqrt(2 * math.pi)
    return tnp.where(normal, special.ndtri(guarded(normal, inner, 0.5)), powers)


def _crystal_isf(q: Array, beta: Array, m: Array) -> Array:
    tail, middle, _ = _crystal_parts(beta, m)
    above = q * (tail + middle) / math.sqrt(2 * math.pi)
    normal = tnp.asarray(above < special.ndtr(beta))
    powers = _crystal_ppf(1 - guarded(~normal, q, 0.5), beta, m)
    return tnp.where(normal, -special.ndtri(guarded(normal, above, 0.5)), powers)


def _crystal_mean(beta: Array, m: Array) -> Array:
    """Compute the mean: of the normal part, and of the power's, u = m / beta where they meet."""
    tail, middle, _ = _crystal_parts(beta, m)
    high, edge, meet = guarded(m > 2, m, 3.0), tnp.exp(-beta * beta / 2), m / beta
    found = (edge + tail * (meet - beta) - edge * meet * meet / (high - 2)) / (tail + middle)
    return exists(m > 2, found, m)


def _crystal_var(beta: Array, m: Array) -> Array:
    tail, middle, _ = _crystal_parts(beta, m)
    high, edge, meet = guarded(m > 3, m, 4.0), tnp.exp(-beta * beta / 2), m / beta
    apart = meet - beta
    powers = tail * apart * apart + edge * meet * meet * (meet / (high - 3) - 2 * apart / (high - 2))
    found = (middle - beta * edge + powers) / (tail + middle)
    return exists(m > 3, found - guarded(m > 2, _crystal_mean(beta, m), 0.0) ** 2, m)


def _crystal_entropy(beta: Array, m: Array) -> Array:
    tail, middle, _ = _crystal_parts(beta, m)
    inner = (middle - beta * tnp.exp(-beta * beta / 2) + tail * beta * beta) / 2 + tail * m / (m - 1)
    return tnp.log(tail + middle) + inner / (tail + middle)


crystalball = continuous(
    "crystalball",
    "beta m",
    valid=lambda beta, m: tnp.asarray((beta > 0) & (m > 1)),
    logpdf=_crystal_logpdf,
    cdf=_crystal_cdf,
    sf=_crystal_sf,
    logsf=_crystal_logsf,
    ppf=_crystal_ppf,
    isf=_crystal_isf,
    mean=_crystal_mean,
    var=_crystal_var,
    entropy=_crystal_entropy,
)

# ---- gamma ----

erlang = renamed(gamma, "erlang")


def _ratio_of_gammas(x: Array, step: Array) -> Array:
    return tnp.exp(special.gammaln(x + step) - special.gammaln(x))


def _chi_mean(df: Array) -> Array:
    return math.sqrt(2) * _ratio_of_gammas(df / 2, 0.5)


chi = continuous(
    "chi",
    "df",
    lower=0.0,
    logpdf=lambda z, df: (1 - df / 2) * _LOG_2 - special.gammaln(df / 2) + special.xlogy(df - 1, z) - z * z / 2,
    cdf=lambda z, df: special.gammainc(df / 2, z * z / 2),
    sf=lambda z, df: special.gammaincc(df / 2, z * z / 2),
    ppf=lambda q, df: tnp.sqrt(2 * special.gammaincinv(df / 2, q)),
    isf=lambda q, df: tnp.sqrt(2 * special.gammainccinv(df / 2, q)),
    mean=_chi_mean,
    var=lambda df: df - _chi_mean(df) ** 2,
    entropy=lambda df: special.gammaln(df / 2) + (df - _LOG_2 - (df - 1) * special.digamma(df / 2)) / 2,
)
maxwell = continuous(
    "maxwell",
    lower=0.0,
    logpdf=lambda z: math.log(2 / math.pi) / 2 + 2 * tnp.log(z) - z * z / 2,
    cdf=lambda z: special.gammainc(1.5, z * z / 2),
    sf=lambda z: special.gammaincc(1.5, z * z / 2),
    ppf=lambda q: tnp.sqrt(2 * special.gammaincinv(1.5, q)),
    isf=lambda q: tnp.sqrt(2 * special.gammainccinv(1.5, q)),
)
nakagami = continuous(
    "nakagami",
    "nu",
    lower=0.0,
    logpdf=lambda z, nu: (
        _LOG_2 + special.xlogy(nu, nu) - special.gammaln(nu) + special.xlogy(2 * nu - 1, z) - nu * z * z
    ),
    cdf=lambda z, nu: special.gammainc(nu, nu * z * z),
    sf=lambda z, nu: special.gammaincc(nu, nu * z * z),
    ppf=lambda q, nu: tnp.sqrt(special.gammaincinv(nu, q) / nu),
    isf=lambda q, nu: tnp.sqrt(special.gammainccinv(nu, q) / nu),
    mean=lambda nu: _ratio_of_gammas(nu, 0.5) / tnp.sqrt(nu),
    var=lambda nu: 1 - _ratio_of_gammas(nu, 0.5) ** 2 / nu,
    entropy=lambda nu: special.gammaln(nu) + nu - (nu - 0.5) * special.digamma(nu) - tnp.log(nu) / 2 - _LOG_2,
)


def _by_sign(c: Array, first: Array, second: Array) -> Array:
    return tnp.where(tnp.asarray(c > 0), first, second)


def _gengamma_var(a: Array, c: Array) -> Array:
    return _ratio_of_gammas(a, 2 / c) - _ratio_of_gammas(a, 1 / c) ** 2


gengamma = continuous(
    "gengamma",
    "a c",
    lower=0.0,
    valid=lambda a, c: tnp.asarray((a > 0) & (c != 0)),
    logpdf=lambda z, a, c: tnp.log(tnp.abs(c)) - special.gammaln(a) + special.xlogy(c * a - 1, z) - tnp.power(z, c),
    cdf=lambda z, a, c: _by_sign(c, special.gammainc(a, tnp.power(z, c)), special.gammaincc(a, tnp.power(z, c))),
    sf=lambda z, a, c: _by_sign(c, special.gammaincc(a, tnp.power(z, c)), special.gammainc(a, tnp.power(z, c))),
    ppf=lambda q, a, c: tnp.power(_by_sign(c, special.gammaincinv(a, q), special.gammainccinv(a, q)), 1 / c),
    isf=lambda q, a, c: tnp.power(_by_sign(c, special.gammainccinv(a, q), special.gammaincinv(a, q)), 1 / c),
    mean=lambda a, c: _ratio_of_gammas(a, 1 / c),
    var=_gengamma_var,
    entropy=lambda a, c: special.gammaln(a) - tnp.log(tnp.abs(c)) + a - a * special.digamma(a) + special.digamma(a) / c,
)


def _loggamma_of(q: Array, c: Array) -> Array:
    """Compute log(gammaincinv(c, q)), where that underflows from q Gamma(c + 1) = z^c."""
    least = (tnp.log(q) + special.gammaln(c + 1)) / c
    some = tnp.asarray(least > -650)
    return tnp.where(some, tnp.log(special.gammaincinv(c, guarded(some, q, 0.5))), least)


loggamma = continuous(
    "loggamma",
    "c",
    logpdf=lambda z, c: c * z - tnp.exp(z) - special.gammaln(c),
    pdf=lambda z, c: tnp.exp(c * z - exp_capped(z) - special.gammaln(c)),
    cdf=lambda z, c: special.gammainc(c, exp_capped(z)),
    sf=lambda z, c: special.gammaincc(c, exp_capped(z)),
    ppf=_loggamma_of,
    isf=lambda q, c: tnp.log(special.gammainccinv(c, q)),
    mean=lambda c: special.digamma(c),
    var=lambda c: special.polygamma(1, c),
    entropy=lambda c: special.gammaln(c) - c * special.digamma(c) + c,
)


def _size(z: Array) -> Array:
    """Compute |z|, at 0 with the derivative from below, as `_two_sided_cdf` takes it."""
    return tnp.where(tnp.asarray(z > 0), z, -z)


def _two_sided_cdf(z: Array, tail: Array) -> Array:
    """Return the distribution function of a symmetric distribution from half of its tail beyond |z|."""
    return tnp.where(tnp.asarray(z > 0), 1 - tail, tail)


def _two_sided_ppf(q: Array, isf: Array) -> Array:
    return tnp.where(tnp.asarray(q > 0.5), isf, -isf)


def _less_of(q: Array) -> Array:
    """Return twice the probability of the nearer tail."""
    return 2 * tnp.minimum(q, 1 - q)


def _dgamma_tail(z: Array, a: Array) -> Array:
    return special.gammaincc(a, _size(z)) / 2


def _dgamma_ppf(q: Array, a: Array) -> Array:
    return _two_sided_ppf(q, special.gammainccinv(a, _less_of(q)))


dgamma = continuous(
    "dgamma",
    "a",
    logpdf=lambda z, a: special.xlogy(a - 1, tnp.abs(z)) - tnp.abs(z) - _LOG_2 - special.gammaln(a),
    cdf=lambda z, a: _two_sided_cdf(z, _dgamma_tail(z, a)),
    sf=lambda z, a: _two_sided_cdf(-z, _dgamma_tail(-z, a)),
    ppf=_dgamma_ppf,
    isf=lambda q, a: -_dgamma_ppf(q, a),
    mean=lambda a: 0.0 * a,
    var=lambda a: a * (a + 1),
    entropy=lambda a: a + special.gammaln(a) + (1 - a) * special.digamma(a) + _LOG_2,
)


def _gennorm_tail(z: Array, beta: Array) -> Array:
    """Compute half of the mass beyond |z|; at 0 from the first term of its series."""
    away = tnp.not_equal(z, 0)
    found = special.gammaincc(1 / beta, tnp.power(guarded(away, _size(z), 1.0), beta)) / 2
    return tnp.where(away, found, 0.5 - _size(z) * beta / (2 * special.gamma(1 / beta)))


def _gennorm_ppf(q: Array, beta: Array) -> Array:
    return _two_sided_ppf(q, tnp.power(special.gammainccinv(1 / beta, _less_of(q)), 1 / beta))


gennorm = continuous(
    "gennorm",
    "beta",
    logpdf=lambda z, beta: tnp.log(beta / 2) - special.gammaln(1 / beta) - tnp.power(tnp.abs(z), beta),
    cdf=lambda z, beta: _two_sided_cdf(z, _gennorm_tail(z, beta)),
    sf=lambda z, beta: _two_sided_cdf(-z, _gennorm_tail(-z, beta)),
    ppf=_gennorm_ppf,
    isf=lambda q, beta: -_gennorm_ppf(q, beta),
    mean=lambda beta: 0.0 * beta,
    var=lambda beta: tnp.exp(special.gammaln(3 / beta) - special.gammaln(1 / beta)),
    entropy=lambda beta: 1 / beta - tnp.log(beta / 2) + special.gammaln(1 / beta),
)
halfgennorm = continuous(
    "halfgennorm",
    "beta",
    lower=0.0,
    logpdf=lambda z, beta: tnp.log(beta) - special.gammaln(1 / beta) - tnp.power(z, beta),
    cdf=lambda z, beta: special.gammainc(1 / beta, tnp.power(z, beta)),
    sf=lambda z, beta: special.gammaincc(1 / beta, tnp.power(z, beta)),
    ppf=lambda q, beta: tnp.power(special.gammaincinv(1 / beta, q), 1 / beta),
    isf=lambda q, beta: tnp.power(special.gammainccinv(1 / beta, q), 1 / beta),
    mean=lambda beta: _ratio_of_gammas(1 / beta, 1 / beta),
    var=lambda beta: _ratio_of_gammas(1 / beta, 2 / beta) - _ratio_of_gammas(1 / beta, 1 / beta) ** 2,
    entropy=lambda beta: 1 / beta - tnp.log(beta) + special.gammaln(1 / beta),
)

# ---- beta ----


def _odds_mass(z: Array, a: Array, b: Array, below: Any, above: Any) -> Array:
    """Return one formula of z / (1 + z) where z is small, and another one of 1 / (1 + z)."""
    small = tnp.asarray(z < 1)
    low, high = guarded(small, z, 1.0), guarded(~small, z, 1.0)
    return tnp.where(small, below(a, b, low / (1 + low)), above(b, a, 1 / (1 + high)))


def _betaprime_var(a: Array, b: Array) -> Array:
    high = guarded(b > 2, b, 3.0)
    return exists(b > 2, a * (a + high - 1) / ((high - 2) * (high - 1) ** 2), b)


betaprime = continuous(
    "betaprime",
    "a b",
    lower=0.0,
    logpdf=lambda z, a, b: special.xlogy(a - 1, z) - (a + b) * tnp.log1p(z) - special.betaln(a, b),
    cdf=lambda z, a, b: _odds_mass(z, a, b, special.betainc, special.betaincc),
    sf=lambda z, a, b: _odds_mass(z, a, b, special.betaincc, special.betainc),
    ppf=lambda q, a, b: _odds_of(q, a, b, special.betaincinv, special.betainccinv),
    isf=lambda q, a, b: _odds_of(q, a, b, special.betainccinv, special.betaincinv),
    mean=lambda a, b: exists(b > 1, a / (guarded(b > 1, b, 2.0) - 1), b),
    var=_betaprime_var,
    entropy=lambda a, b: (
        special.betaln(a, b) - (a - 1) * (special.digamma(a) - special.digamma(b)) + (a + b) * digamma_difference(b, a)
    ),
)


def _odds_of(q: Array, a: Array, b: Array, share: Any, less: Any) -> Array:
    """Return z from an inverse of z / (1 + z) where that is small, and from one of 1 / (1 + z) elsewhere."""
    small = tnp.asarray(share(*map(constant, (a, b, q))) < 0.5)
    low, high = share(a, b, guarded(small, q, 0.5)), less(b, a, guarded(~small, q, 0.5))
    return tnp.where(small, low / (1 - low), (1 - high) / high)


rdist = continuous(
    "rdist",
    "c",
    lower=-1.0,
    upper=1.0,
    logpdf=lambda z, c: special.xlog1py(c / 2 - 1, -z * z) - special.betaln(c / 2, 0.5),
    cdf=lambda z, c: special.betainc(c / 2, c / 2, (1 + z) / 2),
    sf=lambda z, c: special.betainc(c / 2, c / 2, (1 - z) / 2),
    ppf=lambda q, c: 2 * special.betaincinv(c / 2, c / 2, q) - 1,
    isf=lambda q, c: 1 - 2 * special.betaincinv(c / 2, c / 2, q),
    mean=lambda c: 0.0 * c,
    var=lambda c: 1 / (c + 1),
    entropy=lambda c: special.betaln(c / 2, c / 2) + (c - 2) * digamma_difference(c / 2, c / 2) + _LOG_2,
)
semicircular = continuous(
    "semicircular",
    lower=-1.0,
    upper=1.0,
    logpdf=lambda z: _LOG_2 - math.log(math.pi) + special.log1p(-z * z) / 2,
    cdf=lambda z: special.betainc(1.5, 1.5, (1 + z) / 2),
    sf=lambda z: special.betainc(1.5, 1.5, (1 - z) / 2),
    ppf=lambda q: 2 * special.betaincinv(1.5, 1.5, q) - 1,
    isf=lambda q: 1 - 2 * special.betaincinv(1.5, 1.5, q),
)
