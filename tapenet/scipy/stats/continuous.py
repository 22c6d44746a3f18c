"""Continuous distributions: the formulas of scipy.stats, in the standard form."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.primitive import Array
from tapenet.ops.special.functions import normal_density
from tapenet.scipy import special
from tapenet.scipy.special.basic import exprel_by_order, log1p_over_x
from tapenet.scipy.special.distributions import t_density
from tapenet.scipy.special.gamma import digamma_difference
from tapenet.scipy.special.helpers import exp_capped, expm1_capped, guarded
from tapenet.scipy.special.incomplete import beta_density, gamma_density
from tapenet.scipy.stats.distribution import continuous
from tapenet.scipy.stats.expectations import exists, log1mexp, over_interval, over_probabilities
from tapenet.scipy.stats.tails import (
    invgauss_logcdf,
    invgauss_logsf,
    rice_cdf,
    rice_logpdf,
    rice_sf,
    skewnorm_cdf,
    skewnorm_logcdf,
    skewnorm_logpdf,
)

_LOG_2 = math.log(2)
_LOG_2_PI = math.log(2 * math.pi)
_EULER = float(np.euler_gamma)


# ---- normal ----

norm = continuous(
    "norm",
    logpdf=lambda z: -(z * z + _LOG_2_PI) / 2,
    pdf=lambda z: normal_density(z),
    cdf=lambda z: special.ndtr(z),
    sf=lambda z: special.ndtr(-z),
    logcdf=lambda z: special.log_ndtr(z),
    logsf=lambda z: special.log_ndtr(-z),
    ppf=lambda q: special.ndtri(q),
    isf=lambda q: -special.ndtri(q),
)
lognorm = continuous(
    "lognorm",
    "s",
    lower=0.0,
    logpdf=lambda z, s: -(tnp.log(z) ** 2) / (2 * s * s) - tnp.log(s * z) - _LOG_2_PI / 2,
    pdf=lambda z, s: normal_density(tnp.log(z) / s) / (s * z),
    cdf=lambda z, s: special.ndtr(tnp.log(z) / s),
    sf=lambda z, s: special.ndtr(-tnp.log(z) / s),
    logcdf=lambda z, s: special.log_ndtr(tnp.log(z) / s),
    logsf=lambda z, s: special.log_ndtr(-tnp.log(z) / s),
    ppf=lambda q, s: tnp.exp(s * special.ndtri(q)),
    isf=lambda q, s: tnp.exp(-s * special.ndtri(q)),
    mean=lambda s: tnp.exp(s * s / 2),
    var=lambda s: tnp.expm1(s * s) * tnp.exp(s * s),
    entropy=lambda s: 0.5 * (1 + _LOG_2_PI) + tnp.log(s),
)
halfnorm = continuous(
    "halfnorm",
    lower=0.0,
    logpdf=lambda z: 0.5 * math.log(2 / math.pi) - z * z / 2,
    pdf=lambda z: 2 * normal_density(z),
    cdf=lambda z: special.erf(z / math.sqrt(2)),
    sf=lambda z: 2 * special.ndtr(-z),
    logsf=lambda z: tnp.where(
        z < 0.5, tnp.log1p(-special.erf(tnp.minimum(z, 0.5) / math.sqrt(2))), _LOG_2 + special.log_ndtr(-z)
    ),
    ppf=lambda q: math.sqrt(2) * special.erfinv(q),
    isf=lambda q: -special.ndtri(q / 2),
)


def _log_mass(a: Array, b: Array) -> Array:
    """Compute the logarithm of the normal probability of an interval, from the tail that it is in."""
    right, left = tnp.asarray(a > 0), tnp.asarray(b < 0)
    across = ~(right | left)
    middle = tnp.log1p(-special.ndtr(guarded(across, a, -1.0)) - special.ndtr(-guarded(across, b, 1.0)))

    def in_tail(mask: Array, near: Array, far: Array) -> Array:
        inner = special.log_ndtr(guarded(mask, near, 0.0))
        return inner + tnp.log1p(-tnp.exp(special.log_ndtr(guarded(mask, far, -1.0)) - inner))

    return tnp.where(across, middle, tnp.where(right, in_tail(right, -a, -b), in_tail(left, b, a)))


def _density_times(x: Array) -> Array:
    """Compute x times the normal density, 0 at infinity."""
    finite = tnp.isfinite(x)
    inner = guarded(finite, x, 0.0)
    return inner * normal_density(inner)


def _truncated_mean(a: Array, b: Array) -> Array:
    return (normal_density(a) - normal_density(b)) / tnp.exp(_log_mass(a, b))


def _truncated_edges(a: Array, b: Array) -> Array:
    return (_density_times(a) - _density_times(b)) / tnp.exp(_log_mass(a, b))


truncnorm = continuous(
    "truncnorm",
    "a b",
    lower=lambda a, b: a,
    upper=lambda a, b: b,
    valid=lambda a, b: tnp.asarray(a < b),
    logpdf=lambda z, a, b: -(z * z + _LOG_2_PI) / 2 - _log_mass(a, b),
    cdf=lambda z, a, b: tnp.exp(_log_mass(a, z) - _log_mass(a, b)),
    sf=lambda z, a, b: tnp.exp(_log_mass(z, b) - _log_mass(a, b)),
    logcdf=lambda z, a, b: _log_mass(a, z) - _log_mass(a, b),
    logsf=lambda z, a, b: _log_mass(z, b) - _log_mass(a, b),
    mean=_truncated_mean,
    var=lambda a, b: 1 + _truncated_edges(a, b) - _truncated_mean(a, b) ** 2,
    entropy=lambda a, b: (_LOG_2_PI + 1) / 2 + _log_mass(a, b) + _truncated_edges(a, b) / 2,
)


def _skewness_slope(a: Array) -> Array:
    return math.sqrt(2 / math.pi) * a / tnp.sqrt(1 + a * a)


skewnorm = continuous(
    "skewnorm",
    "a",
    valid=lambda a: tnp.isfinite(a),
    logpdf=skewnorm_logpdf,
    cdf=lambda z, a: skewnorm_cdf(z, a),
    sf=lambda z, a: skewnorm_cdf(-z, -a),
    logcdf=lambda z, a: skewnorm_logcdf(z, a),
    logsf=lambda z, a: skewnorm_logcdf(-z, -a),
    mean=_skewness_slope,
    var=lambda a: 1 - _skewness_slope(a) ** 2,
    entropy=over_interval(
        lambda a: (-12.0 + 0 * a, 12.0 + 0 * a),
        lambda z, a: -tnp.exp(skewnorm_logpdf(z, a)) * skewnorm_logpdf(z, a),
    ),
)

# ---- gamma, beta and their relatives ----

gamma = continuous(
    "gamma",
    "a",
    lower=0.0,
    logpdf=lambda z, a: special.xlogy(a - 1, z) - z - special.gammaln(a),
    pdf=lambda z, a: gamma_density(a, z),
    cdf=lambda z, a: special.gammainc(a, z),
    sf=lambda z, a: special.gammaincc(a, z),
    ppf=lambda q, a: special.gammaincinv(a, q),
    isf=lambda q, a: special.gammainccinv(a, q),
    mean=lambda a: a,
    var=lambda a: a,
    entropy=lambda a: a + special.gammaln(a) + (1 - a) * special.digamma(a),
)
chi2 = continuous(
    "chi2",
    "df",
    lower=0.0,
    logpdf=lambda z, df: special.xlogy(df / 2 - 1, z) - z / 2 - special.gammaln(df / 2) - _LOG_2 * df / 2,
    pdf=lambda z, df: gamma_density(df / 2, z / 2) / 2,
    cdf=lambda z, df: special.chdtr(df, z),
    sf=lambda z, df: special.chdtrc(df, z),
    ppf=lambda q, df: 2 * special.gammaincinv(df / 2, q),
    isf=lambda q, df: special.chdtri(df, q),
    mean=lambda df: df,
    var=lambda df: 2 * df,
    entropy=lambda df: df / 2 + _LOG_2 + special.gammaln(df / 2) + (1 - df / 2) * special.digamma(df / 2),
)
expon = continuous(
    "expon",
    lower=0.0,
    logpdf=lambda z: -z,
    pdf=lambda z: tnp.exp(-z),
    cdf=lambda z: -tnp.expm1(-z),
    sf=lambda z: tnp.exp(-z),
    logsf=lambda z: -z,
    ppf=lambda q: -tnp.log1p(-q),
    isf=lambda q: -tnp.log(q),
)
invgamma = continuous(
    "invgamma",
    "a",
    lower=0.0,
    logpdf=lambda z, a: -(a + 1) * tnp.log(z) - special.gammaln(a) - 1 / z,
    cdf=lambda z, a: special.gammaincc(a, 1 / z),
    sf=lambda z, a: special.gammainc(a, 1 / z),
    ppf=lambda q, a: 1 / special.gammainccinv(a, q),
    isf=lambda q, a: 1 / special.gammaincinv(a, q),
    mean=lambda a: exists(a > 1, 1 / (guarded(a > 1, a, 2.0) - 1), a),
    var=lambda a: exists(a > 2, 1 / ((guarded(a > 2, a, 3.0) - 1) ** 2 * (guarded(a > 2, a, 3.0) - 2)), a),
    entropy=lambda a: a - (a + 1) * special.digamma(a) + special.gammaln(a),
)
beta = continuous(
    "beta",
    "a b",
    lower=0.0,
    upper=1.0,
    logpdf=lambda z, a, b: special.xlogy(a - 1, z) + special.xlog1py(b - 1, -z) - special.betaln(a, b),
    pdf=lambda z, a, b: beta_density(a, b, z),
    cdf=lambda z, a, b: special.betainc(a, b, z),
    sf=lambda z, a, b: special.betaincc(a, b, z),
    ppf=lambda q, a, b: special.betaincinv(a, b, q),
    isf=lambda q, a, b: special.betainccinv(a, b, q),
    mean=lambda a, b: a / (a + b),
    var=lambda a, b: a * b / ((a + b) ** 2 * (a + b + 1)),
    entropy=lambda a, b: special.betaln(a, b) + (a - 1) * digamma_difference(a, b) + (b - 1) * digamma_difference(b, a),
)


def _f_logpdf(z: Array, n: Array, d: Array) -> Array:
    ratio = n * z / d
    return (
        special.xlogy(n / 2 - 1, ratio) + tnp.log(n / d) - (n + d) / 2 * tnp.log1p(ratio) - special.betaln(n / 2, d / 2)
    )


def _f_var(n: Array, d: Array) -> Array:
    high = guarded(d > 4, d, 5.0)
    return exists(d > 4, 2 * high**2 * (n + high - 2) / (n * (high - 2) ** 2 * (high - 4)), d * n)


f = continuous(
    "f",
    "dfn dfd",
    lower=0.0,
    logpdf=_f_logpdf,
    cdf=lambda z, n, d: special.fdtr(n, d, z),
    sf=lambda z, n, d: special.fdtrc(n, d, z),
    ppf=lambda q, n, d: special.fdtri(n, d, q),
    mean=lambda n, d: exists(d > 2, guarded(d > 2, d, 3.0) / (guarded(d > 2, d, 3.0) - 2), d * n),
    var=_f_var,
    entropy=lambda n, d: (
        (1 - n / 2) * special.digamma(n / 2)
        - (1 + d / 2) * special.digamma(d / 2)
        + (n + d) / 2 * special.digamma((n + d) / 2)
        + special.betaln(n / 2, d / 2)
        + tnp.log(d / n)
    ),
)


def _t_var(df: Array) -> Array:
    usual = guarded(df > 2, df, 3.0)
    return exists(df > 2, usual / (usual - 2), df, tnp.where(df > 1, np.inf, np.nan))


t = continuous(
    "t",
    "df",
    logpdf=lambda z, df: -(df + 1) / 2 * tnp.log1p(z * z / df) - tnp.log(df) / 2 - special.betaln(0.5, df / 2),
    pdf=lambda z, df: t_density(df, z),
    cdf=lambda z, df: special.stdtr(df, z),
    sf=lambda z, df: special.stdtr(df, -z),
    ppf=lambda q, df: special.stdtrit(df, q),
    isf=lambda q, df: -special.stdtrit(df, q),
    mean=lambda df: exists(df > 1, 0.0 * df, df),
    var=_t_var,
    entropy=lambda df: (df + 1) / 2 * digamma_difference(df / 2, 0.5) + tnp.log(df) / 2 + special.betaln(df / 2, 0.5),
)

# ---- exponential tails ----


def _laplace_cdf(z: Array) -> Array:
    tail = tnp.exp(-tnp.where(z > 0, z, -z)) / 2  # not abs(z), whose derivative at 0 is 0
    return tnp.where(z > 0, 1 - tail, tail)


def _laplace_logcdf(z: Array) -> Array:
    return tnp.where(z > 0, tnp.log1p(-tnp.exp(-tnp.where(z > 0, z, -z)) / 2), z - _LOG_2)


def _laplace_ppf(q: Array) -> Array:
    return tnp.where(q > 0.5, -tnp.log(2 * (1 - q)), tnp.log(2 * q))


laplace = continuous(
    "laplace",
    logpdf=lambda z: -tnp.abs(z) - _LOG_2,
    cdf=_laplace_cdf,
    sf=lambda z: _laplace_cdf(-z),
    logcdf=_laplace_logcdf,
    logsf=lambda z: _laplace_logcdf(-z),
    ppf=_laplace_ppf,
    isf=lambda q: -_laplace_ppf(q),
)
logistic = continuous(
    "logistic",
    logpdf=lambda z: special.log_expit(z) + special.log_expit(-z),
    cdf=lambda z: special.expit(z),
    sf=lambda z: special.expit(-z),
    logcdf=lambda z: special.log_expit(z),
    logsf=lambda z: special.log_expit(-z),
    ppf=lambda q: special.logit(q),
    isf=lambda q: -special.logit(q),
)
gumbel_r = continuous(
    "gumbel_r",
    logpdf=lambda z: -z - tnp.exp(-z),
    pdf=lambda z: tnp.exp(-z - exp_capped(-z)),
    cdf=lambda z: tnp.exp(-exp_capped(-z)),
    logcdf=lambda z: -tnp.exp(-z),
    sf=lambda z: -tnp.expm1(-exp_capped(-z)),
    ppf=lambda q: -tnp.log(-tnp.log(q)),
    isf=lambda q: -tnp.log(-tnp.log1p(-q)),
)
gumbel_l = continuous(
    "gumbel_l",
    logpdf=lambda z: z - tnp.exp(z),
    pdf=lambda z: tnp.exp(z - exp_capped(z)),
    cdf=lambda z: -tnp.expm1(-exp_capped(z)),
    sf=lambda z: tnp.exp(-exp_capped(z)),
    logsf=lambda z: -tnp.exp(z),
    ppf=lambda q: tnp.log(-tnp.log1p(-q)),
    isf=lambda q: tnp.log(-tnp.log(q)),
)
gompertz = continuous(
    "gompertz",
    "c",
    lower=0.0,
    logpdf=lambda z, c: tnp.log(c) + z - c * tnp.expm1(z),
    pdf=lambda z, c: c * tnp.exp(z - c * expm1_capped(z)),
    cdf=lambda z, c: -tnp.expm1(-c * expm1_capped(z)),
    sf=lambda z, c: tnp.exp(-c * expm1_capped(z)),
    logsf=lambda z, c: -c * tnp.expm1(z),
    ppf=lambda q, c: tnp.log1p(-tnp.log1p(-q) / c),
    isf=lambda q, c: tnp.log1p(-tnp.log(q) / c),
    mean=lambda c: tnp.exp(c) * special.exp1(c),
    var=lambda c: _gompertz_square(c) - (tnp.exp(c) * special.exp1(c)) ** 2,
    entropy=lambda c: 1 - tnp.log(c) - tnp.exp(c) * special.exp1(c),
)
_gompertz_square = over_interval(lambda c: (0 * c, tnp.log1p(45 / c)), lambda z, c: 2 * z * tnp.exp(-c * tnp.expm1(z)))

# ---- powers ----


def _cauchy_of(q: Array) -> Array:
    low = tnp.asarray(q < 0.25)
    middle = tnp.tan(math.pi * (guarded(~low, q, 0.5) - 0.5))
    return tnp.where(low, -1 / tnp.tan(math.pi * guarded(low, q, 0.25)), middle)


cauchy = continuous(
    "cauchy",
    logpdf=lambda z: -math.log(math.pi) - tnp.log1p(z * z),
    pdf=lambda z: 1 / (math.pi * (1 + z * z)),
    cdf=lambda z: tnp.arctan2(1.0, -z) / math.pi,
    sf=lambda z: tnp.arctan2(1.0, z) / math.pi,
    ppf=_cauchy_of,
    isf=lambda q: -_cauchy_of(q),
)
uniform = continuous(
    "uniform",
    lower=0.0,
    upper=1.0,
    logpdf=lambda z: 0.0 * z,
    pdf=lambda z: 0.0 * z + 1.0,
    cdf=lambda z: z,
    ppf=lambda q: q,
    isf=lambda q: 1 - q,
)
pareto = continuous(
    "pareto",
    "b",
    lower=1.0,
    logpdf=lambda z, b: tnp.log(b) - (b + 1) * tnp.log(z),
    cdf=lambda z, b: -tnp.expm1(-b * tnp.log(z)),
    sf=lambda z, b: tnp.power(z, -b),
    logsf=lambda z, b: -b * tnp.log(z),
    ppf=lambda q, b: tnp.exp(-tnp.log1p(-q) / b),
    isf=lambda q, b: tnp.power(q, -1 / b),
    mean=lambda b: exists(b > 1, guarded(b > 1, b, 2.0) / (guarded(b > 1, b, 2.0) - 1), b),
    var=lambda b: exists(
        b > 2, guarded(b > 2, b, 3.0) / ((guarded(b > 2, b, 3.0) - 2) * (guarded(b > 2, b, 3.0) - 1) ** 2), b
    ),
    entropy=lambda b: 1 + 1 / b - tnp.log(b),
)


def _genpareto_exponent(z: Array, c: Array) -> Array:
    """Compute log(1 + c z) / c, also for c = 0."""
    return z * log1p_over_x(c * z)


def _genpareto_of(w: Array, c: Array) -> Array:
    return w * exprel_by_order(c * w, 0)


genpareto = continuous(
    "genpareto",
    "c",
    lower=0.0,
    upper=lambda c: tnp.where(c < 0, -1 / guarded(c < 0, c, -1.0), np.inf),
    valid=lambda c: tnp.isfinite(c),
    logpdf=lambda z, c: -(c + 1) * _genpareto_exponent(z, c),
    cdf=lambda z, c: -tnp.expm1(-_genpareto_exponent(z, c)),
    sf=lambda z, c: tnp.exp(-_genpareto_exponent(z, c)),
    logsf=lambda z, c: -_genpareto_exponent(z, c),
    ppf=lambda q, c: _genpareto_of(-tnp.log1p(-q), c),
    isf=lambda q, c: _genpareto_of(-tnp.log(q), c),
    mean=lambda c: exists(c < 1, 1 / (1 - guarded(c < 1, c, 0.0)), c),
    var=lambda c: exists(
        c < 0.5,
        1 / ((1 - guarded(c < 0.5, c, 0.0)) ** 2 * (1 - 2 * guarded(c < 0.5, c, 0.0))),
        c,
        np.nan,
    ),
    entropy=lambda c: 1 + c,
)

# (1 - gamma(1 + c)) / c and (gamma(1 + 2 c) - gamma(1 + c)^2) / c^2 around 0.
_MEAN_SERIES = [
    0.5772156649015329, -0.9890559953279725, 0.9074790760808863, -0.9817280868344002, 0.9819950689031453,
    -0.9931491146212762, 0.9960017604424315,
]  # fmt: skip
_VAR_SERIES = [
    1.6449340668482264, -4.303077228549151, 11.718339177218882, -26.53141916464012, 57.676112859609745,
    -120.6254077476928, 247.65840041981136,
]  # fmt: skip


def _near_zero(c: Array, series: list[float], formula: Any) -> Array:
    near = tnp.asarray(tnp.abs(c) < 4e-3)
    small = guarded(near, c, 0.0)
    total: Array = 0.0
    for coefficient in reversed(series):
        total = total * small + coefficient
    return tnp.where(near, total, formula(guarded(~near, c, 0.1)))


def inverse_of_decay(z: Array, c: Array) -> Array:
    """Compute -log(1 - c z) / c, the inverse of `integral_of_decay`, also for c = 0."""
    return z * log1p_over_x(-c * z)


def integral_of_decay(w: Array, c: Array) -> Array:
    """Compute (1 - e^(-c w)) / c, the integral of e^(-c s) from 0 to w, also for c = 0."""
    return w * exprel_by_order(-c * w, 0)


def _genextreme_var(c: Array) -> Array:
    usual = guarded(c > -0.5, c, 0.1)
    formula = _near_zero(usual, _VAR_SERIES, lambda c: (special.gamma(1 + 2 * c) - special.gamma(1 + c) ** 2) / (c * c))
    return exists(c > -0.5, formula, c)


genextreme = continuous(
    "genextreme",
    "c",
    lower=lambda c: tnp.where(c < 0, 1 / guarded(c < 0, c, -1.0), -np.inf),
    upper=lambda c: tnp.where(c > 0, 1 / guarded(c > 0, c, 1.0), np.inf),
    valid=lambda c: tnp.isfinite(c),
    logpdf=lambda z, c: -tnp.exp(-inverse_of_decay(z, c)) - (1 - c) * inverse_of_decay(z, c),
    cdf=lambda z, c: tnp.exp(-tnp.exp(-inverse_of_decay(z, c))),
    logcdf=lambda z, c: -tnp.exp(-inverse_of_decay(z, c)),
    sf=lambda z, c: -tnp.expm1(-tnp.exp(-inverse_of_decay(z, c))),
    ppf=lambda q, c: integral_of_decay(-tnp.log(-tnp.log(q)), c),
    isf=lambda q, c: integral_of_decay(-tnp.log(-tnp.log1p(-q)), c),
    mean=lambda c: exists(
        c > -1,
        _near_zero(guarded(c > -1, c, 0.1), _MEAN_SERIES, lambda c: -tnp.expm1(special.gammaln(1 + c)) / c),
        c,
    ),
    var=_genextreme_var,
    entropy=lambda c: _EULER * (1 - c) + 1,
)


def _weibull_mean(c: Array, power: float = 1.0) -> Array:
    return special.gamma(1 + power / c)


def _weibull_var(c: Array) -> Array:
    return _weibull_mean(c, 2.0) - _weibull_mean(c) ** 2


weibull_min = continuous(
    "weibull_min",
    "c",
    lower=0.0,
    logpdf=lambda z, c: tnp.log(c) + special.xlogy(c - 1, z) - tnp.power(z, c),
    cdf=lambda z, c: -tnp.expm1(-tnp.power(z, c)),
    sf=lambda z, c: tnp.exp(-tnp.power(z, c)),
    logsf=lambda z, c: -tnp.power(z, c),
    ppf=lambda q, c: tnp.power(-tnp.log1p(-q), 1 / c),
    isf=lambda q, c: tnp.power(-tnp.log(q), 1 / c),
    mean=_weibull_mean,
    var=_weibull_var,
    entropy=lambda c: -_EULER / c - tnp.log(c) + _EULER + 1,
)
weibull_max = continuous(
    "weibull_max",
    "c",
    upper=0.0,
    logpdf=lambda z, c: tnp.log(c) + special.xlogy(c - 1, -z) - tnp.power(-z, c),
    cdf=lambda z, c: tnp.exp(-tnp.power(-z, c)),
    logcdf=lambda z, c: -tnp.power(-z, c),
    sf=lambda z, c: -tnp.expm1(-tnp.power(-z, c)),
    ppf=lambda q, c: -tnp.power(-tnp.log(q), 1 / c),
    isf=lambda q, c: -tnp.power(-tnp.log1p(-q), 1 / c),
    mean=lambda c: -_weibull_mean(c),
    var=_weibull_var,
    entropy=lambda c: -_EULER / c - tnp.log(c) + _EULER + 1,
)


def _exponweib_logpdf(z: Array, a: Array, c: Array) -> Array:
    power = tnp.power(z, c)
    inner = special.xlogy(a - 1, -tnp.expm1(-power))
    return tnp.log(a) + tnp.log(c) + inner - power + special.xlogy(c - 1, z)


def _exponweib_ppf(q: Array, a: Array, c: Array) -> Array:
    return _exponweib_of(tnp.log(q) / a, c)


def _exponweib_of(logarithm: Array, c: Array) -> Array:
    """Invert 1 - e^(-z^c) = e^logarithm."""
    return tnp.power(-log1mexp(logarithm), 1 / c)


def _exponweib_isf(q: Array, a: Array, c: Array) -> Array:
    return _exponweib_of(tnp.log1p(-q) / a, c)


_exponweib_mean = over_probabilities(_exponweib_ppf, _exponweib_isf, lambda z, a, c: z)
_exponweib_square = over_probabilities(_exponweib_ppf, _exponweib_isf, lambda z, a, c: z * z)
exponweib = continuous(
    "exponweib",
    "a c",
    lower=0.0,
    logpdf=_exponweib_logpdf,
    cdf=lambda z, a, c: tnp.power(-tnp.expm1(-tnp.power(z, c)), a),
    sf=lambda z, a, c: -tnp.expm1(a * log1mexp(-tnp.power(z, c))),
    ppf=_exponweib_ppf,
    isf=_exponweib_isf,
    mean=_exponweib_mean,
    var=lambda a, c: _exponweib_square(a, c) - _exponweib_mean(a, c) ** 2,
    entropy=over_probabilities(_exponweib_ppf, _exponweib_isf, lambda z, a, c: -_exponweib_logpdf(z, a, c)),
)


def _burr_moment(c: Array, d: Array, n: float) -> Array:
    """Compute the mean of z^n, infinite where c d is n at most."""
    exists = tnp.asarray(c * d > n)
    c, d = guarded(exists, c, 2 * n), guarded(exists, d, 1.0)
    return tnp.where(exists, d * special.beta(d - n / c, 1 + n / c), np.inf)


burr12 = continuous(
    "burr12",
    "c d",
    lower=0.0,
    logpdf=lambda z, c, d: tnp.log(c) + tnp.log(d) + special.xlogy(c - 1, z) - (d + 1) * tnp.log1p(tnp.power(z, c)),
    cdf=lambda z, c, d: -tnp.expm1(-d * tnp.log1p(tnp.power(z, c))),
    sf=lambda z, c, d: tnp.exp(-d * tnp.log1p(tnp.power(z, c))),
    logsf=lambda z, c, d: -d * tnp.log1p(tnp.power(z, c)),
    ppf=lambda q, c, d: tnp.power(tnp.expm1(-tnp.log1p(-q) / d), 1 / c),
    isf=lambda q, c, d: tnp.power(tnp.expm1(-tnp.log(q) / d), 1 / c),
    mean=lambda c, d: _burr_moment(c, d, 1.0),
    var=lambda c, d: _burr_moment(c, d, 2.0) - guarded(c * d > 2, _burr_moment(c, d, 1.0), 0.0) ** 2,
    entropy=lambda c, d: (d + 1) / d - tnp.log(c) - tnp.log(d) + (c - 1) / c * (special.digamma(d) + _EULER),
)

# ---- others ----


invgauss = continuous(
    "invgauss",
    "mu",
    lower=0.0,
    logpdf=lambda z, mu: -_LOG_2_PI / 2 - 1.5 * tnp.log(z) - ((z - mu) / mu) ** 2 / (2 * z),
    cdf=lambda z, mu: tnp.exp(invgauss_logcdf(z, mu)),
    sf=lambda z, mu: tnp.exp(invgauss_logsf(z, mu)),
    logcdf=invgauss_logcdf,
    logsf=invgauss_logsf,
    mean=lambda mu: mu,
    var=lambda mu: tnp.power(mu, 3.0),
    entropy=lambda mu: (1 + _LOG_2_PI + 3 * tnp.log(mu)) / 2 - 1.5 * tnp.exp(2 / mu) * special.exp1(2 / mu),
)


def _by_side(z: Array, c: Array, below: Any, above: Any) -> Array:
    """Return one formula of (z, c) below the mode and another one above it."""
    left = tnp.asarray(z < c)
    low, high = tnp.where(left, z, 0.5 * c), tnp.where(left, 0.5 + 0.5 * c, z)
    left_c = guarded(left | tnp.asarray(c > 0), c, 0.5)
    right_c = guarded(~left | tnp.asarray(c < 1), c, 0.5)
    return tnp.where(left, below(low, left_c), above(high, right_c))


triang = continuous(
    "triang",
    "c",
    lower=0.0,
    upper=1.0,
    valid=lambda c: tnp.asarray((c >= 0) & (c <= 1)),
    logpdf=lambda z, c: _by_side(z, c, lambda z, c: tnp.log(2 * z / c), lambda z, c: tnp.log(2 * (1 - z) / (1 - c))),
    cdf=lambda z, c: _by_side(z, c, lambda z, c: z * z / c, lambda z, c: 1 - (1 - z) ** 2 / (1 - c)),
    sf=lambda z, c: _by_side(z, c, lambda z, c: 1 - z * z / c, lambda z, c: (1 - z) ** 2 / (1 - c)),
    ppf=lambda q, c: tnp.where(
        q < c,
        tnp.sqrt(c * q),
        1 - tnp.sqrt((1 - c) * (1 - q)),
    ),
    isf=lambda q, c: tnp.where(
        1 - q < c,
        tnp.sqrt(c * (1 - q)),
        1 - tnp.sqrt((1 - c) * q),
    ),
    mean=lambda c: (c + 1) / 3,
    var=lambda c: (1 - c + c * c) / 18,
    entropy=lambda c: 0.5 - _LOG_2 + 0 * c,
)
rayleigh = continuous(
    "rayleigh",
    lower=0.0,
    logpdf=lambda z: tnp.log(z) - z * z / 2,
    pdf=lambda z: z * tnp.exp(-z * z / 2),
    cdf=lambda z: -tnp.expm1(-z * z / 2),
    sf=lambda z: tnp.exp(-z * z / 2),
    logsf=lambda z: -z * z / 2,
    ppf=lambda q: tnp.sqrt(-2 * tnp.log1p(-q)),
    isf=lambda q: tnp.sqrt(-2 * tnp.log(q)),
)


def _rice_mean(b: Array) -> Array:
    """Compute sqrt(pi / 2) 1F1(-1/2; 1; -b^2 / 2), in scaled Bessel functions."""
    half = b * b / 4
    return math.sqrt(math.pi / 2) * ((1 + 2 * half) * special.i0e(half) + 2 * half * special.i1e(half))


rice = continuous(
    "rice",
    "b",
    lower=0.0,
    valid=lambda b: tnp.asarray(b >= 0),
    logpdf=rice_logpdf,
    cdf=lambda z, b: rice_cdf(z, b),
    sf=lambda z, b: rice_sf(z, b),
    ppf=lambda q, b: tnp.sqrt(special.chndtrix(q, 2.0, b * b)),
    mean=_rice_mean,
    var=lambda b: 2 + b * b - _rice_mean(b) ** 2,
    entropy=over_interval(
        lambda b: (-20 + 0 * b, tnp.log(b + 12)),
        lambda u, b: -tnp.exp(rice_logpdf(tnp.exp(u), b) + u) * rice_logpdf(tnp.exp(u), b),
    ),
)
