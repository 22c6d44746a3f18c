"""Continuous distributions of elementary functions: density, distribution function and quantile are in closed form.

A mean, variance or entropy that is not stated is the integral over the quantiles.
"""

from __future__ import annotations

import math

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.primitive import Array
from tapenet.scipy import special
from tapenet.scipy.special.helpers import exp_capped, expm1_capped, guarded
from tapenet.scipy.stats.distribution import continuous, renamed
from tapenet.scipy.stats.expectations import exists, log1mexp

_LOG_2 = math.log(2)
_LOG_PI = math.log(math.pi)
_EULER = float(np.euler_gamma)


# ---- bounded ----

anglit = continuous(
    "anglit",
    lower=-math.pi / 4,
    upper=math.pi / 4,
    logpdf=lambda z: tnp.log(tnp.cos(2 * z)),
    pdf=lambda z: tnp.cos(2 * z),
    cdf=lambda z: tnp.sin(z + math.pi / 4) ** 2,
    sf=lambda z: tnp.cos(z + math.pi / 4) ** 2,
    ppf=lambda q: tnp.arcsin(tnp.sqrt(q)) - math.pi / 4,
    isf=lambda q: math.pi / 4 - tnp.arcsin(tnp.sqrt(q)),
)
arcsine = continuous(
    "arcsine",
    lower=0.0,
    upper=1.0,
    logpdf=lambda z: -_LOG_PI - (tnp.log(z) + tnp.log1p(-z)) / 2,
    cdf=lambda z: 2 / math.pi * tnp.arctan2(tnp.sqrt(z), tnp.sqrt(1 - z)),
    sf=lambda z: 2 / math.pi * tnp.arctan2(tnp.sqrt(1 - z), tnp.sqrt(z)),
    ppf=lambda q: tnp.sin(math.pi / 2 * q) ** 2,
    isf=lambda q: tnp.cos(math.pi / 2 * q) ** 2,
)


def _bradford_var(c: Array) -> Array:
    k = tnp.log1p(c)
    return ((c + 2) * k - 2 * c) / (2 * c * k * k)


bradford = continuous(
    "bradford",
    "c",
    lower=0.0,
    upper=1.0,
    logpdf=lambda z, c: tnp.log(c) - tnp.log1p(c * z) - tnp.log(tnp.log1p(c)),
    cdf=lambda z, c: tnp.log1p(c * z) / tnp.log1p(c),
    sf=lambda z, c: tnp.log1p(c * (1 - z) / (1 + c * z)) / tnp.log1p(c),
    ppf=lambda q, c: tnp.expm1(q * tnp.log1p(c)) / c,
    isf=lambda q, c: tnp.expm1((1 - q) * tnp.log1p(c)) / c,
    mean=lambda c: 1 / tnp.log1p(c) - 1 / c,
    var=_bradford_var,
    entropy=lambda c: tnp.log1p(c) / 2 - tnp.log(c / tnp.log1p(c)),
)


def _width(a: Array, b: Array) -> Array:
    return tnp.log(b) - tnp.log(a)


loguniform = continuous(
    "loguniform",
    "a b",
    lower=lambda a, b: a,
    upper=lambda a, b: b,
    valid=lambda a, b: tnp.asarray((a > 0) & (b > a)),
    logpdf=lambda z, a, b: -tnp.log(z) - tnp.log(_width(a, b)),
    cdf=lambda z, a, b: _width(a, z) / _width(a, b),
    sf=lambda z, a, b: _width(z, b) / _width(a, b),
    ppf=lambda q, a, b: a * tnp.exp(q * _width(a, b)),
    isf=lambda q, a, b: b * tnp.exp(-q * _width(a, b)),
    mean=lambda a, b: (b - a) / _width(a, b),
    var=lambda a, b: (b * b - a * a) / (2 * _width(a, b)) - ((b - a) / _width(a, b)) ** 2,
    entropy=lambda a, b: (tnp.log(a) + tnp.log(b)) / 2 + tnp.log(_width(a, b)),
)
reciprocal = renamed(loguniform, "reciprocal")
powerlaw = continuous(
    "powerlaw",
    "a",
    lower=0.0,
    upper=1.0,
    logpdf=lambda z, a: tnp.log(a) + special.xlogy(a - 1, z),
    cdf=lambda z, a: tnp.power(z, a),
    sf=lambda z, a: -special.powm1(z, a),
    logcdf=lambda z, a: special.xlogy(a, z),
    ppf=lambda q, a: tnp.power(q, 1 / a),
    isf=lambda q, a: tnp.exp(tnp.log1p(-q) / a),
    mean=lambda a: a / (a + 1),
    var=lambda a: a / ((a + 2) * (a + 1) ** 2),
    entropy=lambda a: 1 - 1 / a - tnp.log(a),
)
truncexpon = continuous(
    "truncexpon",
    "b",
    lower=0.0,
    upper=lambda b: b,
    logpdf=lambda z, b: -z - tnp.log(-tnp.expm1(-b)),
    cdf=lambda z, b: tnp.expm1(-z) / tnp.expm1(-b),
    sf=lambda z, b: tnp.exp(-z) * tnp.expm1(z - b) / tnp.expm1(-b),
    ppf=lambda q, b: -tnp.log1p(q * tnp.expm1(-b)),
    isf=lambda q, b: -tnp.log1p((1 - q) * tnp.expm1(-b)),
    mean=lambda b: 1 - b / tnp.expm1(b),
    var=lambda b: 1 - (b / (2 * tnp.sinh(b / 2))) ** 2,
    entropy=lambda b: 1 - b / tnp.expm1(b) + tnp.log(-tnp.expm1(-b)),
)

# ---- on both sides of a mode ----


def _hypsecant_ppf(q: Array) -> Array:
    return tnp.log(tnp.tan(math.pi / 2 * q))


hypsecant = continuous(
    "hypsecant",
    logpdf=lambda z: _LOG_2 - _LOG_PI - tnp.logaddexp(z, -z),
    cdf=lambda z: 2 / math.pi * tnp.arctan(exp_capped(z)),
    sf=lambda z: 2 / math.pi * tnp.arctan(exp_capped(-z)),
    ppf=_hypsecant_ppf,
    isf=lambda q: -_hypsecant_ppf(q),
)
genlogistic = continuous(
    "genlogistic",
    "c",
    logpdf=lambda z, c: tnp.log(c) + c * special.log_expit(z) + special.log_expit(-z),
    cdf=lambda z, c: tnp.exp(c * special.log_expit(z)),
    logcdf=lambda z, c: c * special.log_expit(z),
    sf=lambda z, c: -tnp.expm1(c * special.log_expit(z)),
    ppf=lambda q, c: -tnp.log(tnp.expm1(-tnp.log(q) / c)),
    isf=lambda q, c: -tnp.log(tnp.expm1(-tnp.log1p(-q) / c)),
    mean=lambda c: _EULER + special.digamma(c),
    var=lambda c: math.pi**2 / 6 + special.polygamma(1, c),
    entropy=lambda c: 1 + 1 / c - tnp.log(c) + _EULER + special.digamma(c),
)


def _sided(z: Array, below: Array, above: Array) -> Array:
    return tnp.where(tnp.asarray(z < 0), below, above)


def _asymmetric_logpdf(z: Array, kappa: Array) -> Array:
    return _sided(z, z / kappa, -z * kappa) - tnp.log(kappa + 1 / kappa)


def _asymmetric_tail(z: Array, kappa: Array) -> Array:
    """Compute the distribution function below 0 and 1 less it above."""
    scaled = _sided(z, z / kappa, -z * kappa)
    return _sided(z, kappa, 1 / kappa) / (kappa + 1 / kappa) * tnp.exp(scaled)


def _asymmetric_quantile(left: Array, right: Array, kappa: Array) -> Array:
    """Compute the quantile of the probability `left`, which is 1 - right."""
    share = kappa / (kappa + 1 / kappa)
    low = tnp.asarray(left < share)
    below = tnp.log(guarded(low, left / share, 1.0)) * kappa
    above = -tnp.log(guarded(~low, right * (1 + kappa * kappa), 1.0)) / kappa
    return tnp.where(low, below, above)


laplace_asymmetric = continuous(
    "laplace_asymmetric",
    "kappa",
    logpdf=_asymmetric_logpdf,
    cdf=lambda z, kappa: _sided(z, _asymmetric_tail(z, kappa), 1 - _asymmetric_tail(z, kappa)),
    sf=lambda z, kappa: _sided(z, 1 - _asymmetric_tail(z, kappa), _asymmetric_tail(z, kappa)),
    ppf=lambda q, kappa: _asymmetric_quantile(q, 1 - q, kappa),
    isf=lambda q, kappa: _asymmetric_quantile(1 - q, q, kappa),
    mean=lambda kappa: 1 / kappa - kappa,
    var=lambda kappa: 1 / (kappa * kappa) + kappa * kappa,
    entropy=lambda kappa: 1 + tnp.log(kappa + 1 / kappa),
)


def _halflogistic_isf(q: Array) -> Array:
    return tnp.log(2 - q) - tnp.log(q)


halflogistic = continuous(
    "halflogistic",
    lower=0.0,
    logpdf=lambda z: _LOG_2 - z - 2 * tnp.log1p(tnp.exp(-z)),
    cdf=lambda z: tnp.tanh(z / 2),
    sf=lambda z: 2 * special.expit(-z),
    ppf=lambda q: 2 * tnp.arctanh(q),
    isf=_halflogistic_isf,
)

# ---- powers ----


def _burr_moment(c: Array, d: Array, n: float) -> Array:
    """Compute the mean of z^n, infinite where c is n at most."""
    possible = tnp.asarray(c > n)
    c = guarded(possible, c, 2 * n)
    return tnp.where(possible, d * special.beta(d + n / c, 1 - n / c), np.inf)


burr = continuous(
    "burr",
    "c d",
    lower=0.0,
    logpdf=lambda z, c, d: tnp.log(c * d) - (c + 1) * tnp.log(z) + (d + 1) * special.log_expit(c * tnp.log(z)),
    cdf=lambda z, c, d: tnp.exp(d * special.log_expit(c * tnp.log(z))),
    logcdf=lambda z, c, d: d * special.log_expit(c * tnp.log(z)),
    sf=lambda z, c, d: -tnp.expm1(d * special.log_expit(c * tnp.log(z))),
    ppf=lambda q, c, d: tnp.power(tnp.expm1(-tnp.log(q) / d), -1 / c),
    isf=lambda q, c, d: tnp.power(tnp.expm1(-tnp.log1p(-q) / d), -1 / c),
    mean=lambda c, d: _burr_moment(c, d, 1.0),
    var=lambda c, d: _burr_moment(c, d, 2.0) - guarded(c > 2, _burr_moment(c, d, 1.0), 0.0) ** 2,
)


def _fisk_moment(c: Array, n: float) -> Array:
    turn = math.pi * n / guarded(c > n, c, 2 * n)
    return exists(c > n, turn / tnp.sin(turn), c)


fisk = continuous(
    "fisk",
    "c",
    lower=0.0,
    logpdf=lambda z, c: tnp.log(c) - (c + 1) * tnp.log(z) - 2 * tnp.log1p(tnp.power(z, -c)),
    cdf=lambda z, c: special.expit(c * tnp.log(z)),
    sf=lambda z, c: special.expit(-c * tnp.log(z)),
    logcdf=lambda z, c: special.log_expit(c * tnp.log(z)),
    logsf=lambda z, c: special.log_expit(-c * tnp.log(z)),
    ppf=lambda q, c: tnp.exp(special.logit(q) / c),
    isf=lambda q, c: tnp.exp(-special.logit(q) / c),
    mean=lambda c: _fisk_moment(c, 1.0),
    var=lambda c: _fisk_moment(c, 2.0) - guarded(c > 2, _fisk_moment(c, 1.0), 0.0) ** 2,
    entropy=lambda c: 2 - tnp.log(c),
)
lomax = continuous(
    "lomax",
    "c",
    lower=0.0,
    logpdf=lambda z, c: tnp.log(c) - (c + 1) * tnp.log1p(z),
    cdf=lambda z, c: -tnp.expm1(-c * tnp.log1p(z)),
    sf=lambda z, c: tnp.exp(-c * tnp.log1p(z)),
    logsf=lambda z, c: -c * tnp.log1p(z),
    ppf=lambda q, c: tnp.expm1(-tnp.log1p(-q) / c),
    isf=lambda q, c: tnp.expm1(-tnp.log(q) / c),
    mean=lambda c: exists(c > 1, 1 / (guarded(c > 1, c, 2.0) - 1), c),
    var=lambda c: exists(
        c > 2, guarded(c > 2, c, 3.0) / ((guarded(c > 2, c, 3.0) - 1) ** 2 * (guarded(c > 2, c, 3.0) - 2)), c
    ),
    entropy=lambda c: 1 + 1 / c - tnp.log(c),
)


def _mielke_power(logq: Array, k: Array, s: Array) -> Array:
    """Return z with F(z) = e^logq."""
    scaled = logq * s / k
    return tnp.exp((scaled - log1mexp(scaled)) / s)


def _mielke_moment(k: Array, s: Array, n: float) -> Array:
    possible = tnp.asarray(s > n)
    s = guarded(possible, s, 2 * n)
    found = special.gammaln((k + n) / s) + special.gammaln(1 - n / s) - special.gammaln(k / s)
    return tnp.where(possible, tnp.exp(found), np.inf)


mielke = continuous(
    "mielke",
    "k s",
    lower=0.0,
    logpdf=lambda z, k, s: tnp.log(k) + special.xlogy(k - 1, z) - (1 + k / s) * tnp.log1p(tnp.power(z, s)),
    cdf=lambda z, k, s: tnp.exp(k / s * special.log_expit(s * tnp.log(z))),
    logcdf=lambda z, k, s: k / s * special.log_expit(s * tnp.log(z)),
    sf=lambda z, k, s: -tnp.expm1(k / s * special.log_expit(s * tnp.log(z))),
    ppf=lambda q, k, s: _mielke_power(tnp.log(q), k, s),
    isf=lambda q, k, s: _mielke_power(tnp.log1p(-q), k, s),
    mean=lambda k, s: _mielke_moment(k, s, 1.0),
    var=lambda k, s: _mielke_moment(k, s, 2.0) - guarded(s > 2, _mielke_moment(k, s, 1.0), 0.0) ** 2,
)


def _inverse_moment(c: Array, n: float) -> Array:
    return exists(c > n, special.gamma(1 - n / guarded(c > n, c, 2 * n)), c)


invweibull = continuous(
    "invweibull",
    "c",
    lower=0.0,
    logpdf=lambda z, c: tnp.log(c) - (c + 1) * tnp.log(z) - tnp.power(z, -c),
    cdf=lambda z, c: tnp.exp(-tnp.power(z, -c)),
    logcdf=lambda z, c: -tnp.power(z, -c),
    sf=lambda z, c: -tnp.expm1(-tnp.power(z, -c)),
    ppf=lambda q, c: tnp.power(-tnp.log(q), -1 / c),
    isf=lambda q, c: tnp.power(-tnp.log1p(-q), -1 / c),
    mean=lambda c: _inverse_moment(c, 1.0),
    var=lambda c: _inverse_moment(c, 2.0) - guarded(c > 2, _inverse_moment(c, 1.0), 0.0) ** 2,
    entropy=lambda c: 1 + _EULER + _EULER / c - tnp.log(c),
)


def _dweibull_tail(z: Array, c: Array) -> Array:
    return tnp.exp(-tnp.power(_sided(z, -z, z), c)) / 2  # not abs(z), whose derivative at 0 is 0


dweibull = continuous(
    "dweibull",
    "c",
    logpdf=lambda z, c: tnp.log(c) - _LOG_2 + special.xlogy(c - 1, tnp.abs(z)) - tnp.power(tnp.abs(z), c),
    cdf=lambda z, c: _sided(z, _dweibull_tail(z, c), 1 - _dweibull_tail(z, c)),
    sf=lambda z, c: _sided(-z, _dweibull_tail(-z, c), 1 - _dweibull_tail(-z, c)),
    ppf=lambda q, c: _dweibull_quantile(q, 1 - q, c),
    isf=lambda q, c: -_dweibull_quantile(q, 1 - q, c),
    mean=lambda c: 0.0 * c,
    var=lambda c: special.gamma(1 + 2 / c),
    entropy=lambda c: 1 + _EULER - _EULER / c - tnp.log(c) + _LOG_2,
)


def _dweibull_quantile(left: Array, right: Array, c: Array) -> Array:
    tail = tnp.minimum(left, right)
    size = tnp.power(guarded(tail < 0.5, -tnp.log(2 * tail), 0.0), 1 / c)
    return tnp.where(tnp.asarray(left < right), -size, size)


exponpow = continuous(
    "exponpow",
    "b",
    lower=0.0,
    logpdf=lambda z, b: tnp.log(b) + special.xlogy(b - 1, z) + tnp.power(z, b) - tnp.expm1(tnp.power(z, b)),
    pdf=lambda z, b: tnp.exp(tnp.log(b) + special.xlogy(b - 1, z) + tnp.power(z, b) - expm1_capped(tnp.power(z, b))),
    cdf=lambda z, b: -tnp.expm1(-expm1_capped(tnp.power(z, b))),
    sf=lambda z, b: tnp.exp(-expm1_capped(tnp.power(z, b))),
    logsf=lambda z, b: -tnp.expm1(tnp.power(z, b)),
    ppf=lambda q, b: tnp.power(tnp.log1p(-tnp.log1p(-q)), 1 / b),
    isf=lambda q, b: tnp.power(tnp.log1p(-tnp.log(q)), 1 / b),
)


def _loglaplace_logpdf(z: Array, c: Array) -> Array:
    return tnp.log(c) - _LOG_2 - tnp.log(z) - c * tnp.abs(tnp.log(z))


def _loglaplace_tail(z: Array, c: Array) -> Array:
    logarithm = tnp.log(z)
    return tnp.exp(-c * tnp.where(z < 1, -logarithm, logarithm)) / 2


def _loglaplace_quantile(left: Array, right: Array, c: Array) -> Array:
    low = tnp.asarray(left < right)
    return tnp.exp(tnp.where(low, tnp.log(2 * left), -tnp.log(2 * right)) / c)


def _loglaplace_moment(c: Array, n: float) -> Array:
    high = guarded(c > n, c, 2 * n)
    return exists(c > n, high * high / (high * high - n * n), c)


loglaplace = continuous(
    "loglaplace",
    "c",
    lower=0.0,
    logpdf=_loglaplace_logpdf,
    cdf=lambda z, c: tnp.where(z < 1, _loglaplace_tail(z, c), 1 - _loglaplace_tail(z, c)),
    sf=lambda z, c: tnp.where(z < 1, 1 - _loglaplace_tail(z, c), _loglaplace_tail(z, c)),
    ppf=lambda q, c: _loglaplace_quantile(q, 1 - q, c),
    isf=lambda q, c: _loglaplace_quantile(1 - q, q, c),
    mean=lambda c: _loglaplace_moment(c, 1.0),
    var=lambda c: _loglaplace_moment(c, 2.0) - guarded(c > 2, _loglaplace_moment(c, 1.0), 0.0) ** 2,
    entropy=lambda c: 1 + _LOG_2 - tnp.log(c),
)


def _halfcauchy_ppf(q: Array) -> Array:
    return tnp.tan(math.pi / 2 * q)


halfcauchy = continuous(
    "halfcauchy",
    lower=0.0,
    logpdf=lambda z: _LOG_2 - _LOG_PI - tnp.log1p(z * z),
    cdf=lambda z: 2 / math.pi * tnp.arctan(z),
    sf=lambda z: 2 / math.pi * tnp.arctan2(1.0, z),
    ppf=_halfcauchy_ppf,
    isf=lambda q: 1 / _halfcauchy_ppf(q),
)
