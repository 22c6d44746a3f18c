"""Further continuous distributions whose distribution functions are special functions, in closed form."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.stats

import tapenet.numpy as tnp
from tapenet.core.families import elementwise
from tapenet.core.nondifferentiable import constant
from tapenet.core.primitive import Array
from tapenet.ops.special.functions import normal_density
from tapenet.scipy import special
from tapenet.scipy.special.basic import exprel_by_order, log1p_over_x
from tapenet.scipy.special.distributions import kolmogorov_below
from tapenet.scipy.special.helpers import as_columns, guarded
from tapenet.scipy.stats.distribution import continuous
from tapenet.scipy.stats.expectations import exists, over_interval, over_unit
from tapenet.scipy.stats.integrals import tails
from tapenet.scipy.stats.related import normal_logpdf, powernorm_quantile
from tapenet.scipy.stats.tails import invgauss_logcdf, invgauss_logsf

_LOG_2 = math.log(2)
_LOG_2_PI = math.log(2 * math.pi)
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(12)


# ---- normal ----

levy_l = continuous(
    "levy_l",
    upper=0.0,
    logpdf=lambda z: -(_LOG_2_PI + 1 / (0.0 - z)) / 2 - 1.5 * tnp.log(0.0 - z),
    cdf=lambda z: special.erf(1 / tnp.sqrt(-2 * z)),
    sf=lambda z: special.erfc(1 / tnp.sqrt(-2 * z)),
    ppf=lambda q: -1 / (2 * special.erfinv(q) ** 2),
    isf=lambda q: -1 / special.ndtri(q / 2) ** 2,
)


def _powerlognorm_logsf(z: Array, c: Array, s: Array) -> Array:
    return c * special.log_ndtr(-tnp.log(z) / s)


powerlognorm = continuous(
    "powerlognorm",
    "c s",
    lower=0.0,
    logpdf=lambda z, c, s: (
        tnp.log(c)
        - tnp.log(z)
        - tnp.log(s)
        + normal_logpdf(tnp.log(z) / s)
        + (c - 1) * special.log_ndtr(-tnp.log(z) / s)
    ),
    cdf=lambda z, c, s: -tnp.expm1(_powerlognorm_logsf(z, c, s)),
    sf=lambda z, c, s: tnp.exp(_powerlognorm_logsf(z, c, s)),
    logsf=_powerlognorm_logsf,
    ppf=lambda q, c, s: tnp.exp(s * powernorm_quantile(tnp.log1p(-q) / c)),
    isf=lambda q, c, s: tnp.exp(s * powernorm_quantile(tnp.log(q) / c)),
)


def _recipinvgauss_logpdf(z: Array, mu: Array) -> Array:
    return -((1 - mu * z) ** 2) / (2 * z * mu * mu) - (_LOG_2_PI + tnp.log(z)) / 2


def _recipinvgauss_ends(mu: Array) -> tuple[Array, Array]:
    apart = np.arccosh(1 + 60 * mu)
    return -np.log(mu) - apart, -np.log(mu) + apart


recipinvgauss = continuous(
    "recipinvgauss",
    "mu",
    lower=0.0,
    logpdf=_recipinvgauss_logpdf,
    cdf=lambda z, mu: tnp.exp(invgauss_logsf(1 / z, mu)),
    sf=lambda z, mu: tnp.exp(invgauss_logcdf(1 / z, mu)),
    logcdf=lambda z, mu: invgauss_logsf(1 / z, mu),
    logsf=lambda z, mu: invgauss_logcdf(1 / z, mu),
    mean=lambda mu: 1 + 1 / mu,
    var=lambda mu: 2 + 1 / mu,
    entropy=over_interval(
        _recipinvgauss_ends,
        lambda u, mu: -tnp.exp(_recipinvgauss_logpdf(tnp.exp(u), mu) + u) * _recipinvgauss_logpdf(tnp.exp(u), mu),
    ),
)


def _pareto_side(z: Array, s: Array, a: Array) -> Array:
    """Compute the logarithm of phi(z) times Mills' ratio at a s - z."""
    return special.log_ndtr(z - a * s) + a * s * (a * s / 2 - z)


def _pareto_place(y: Array, u: Array, s: Array) -> Array:
    return (tnp.log(y) - u) / s


def _pareto_logpdf(y: Array, u: Array, s: Array, a: Array, b: Array) -> Array:
    z = _pareto_place(y, u, s)
    both = tnp.logaddexp(_pareto_side(z, s, a), _pareto_side(-z, s, b))
    return tnp.log(a) + tnp.log(b) - tnp.log(a + b) - tnp.log(y) + both


def _pareto_mass(z: Array, s: Array, a: Array, b: Array) -> Array:
    """Compute the probability below z: that of the normal part, and what the tails add to it and take from it."""
    own, other = tnp.exp(_pareto_side(z, s, a)), tnp.exp(_pareto_side(-z, s, b))
    return special.ndtr(z) - (b * own - a * other) / (a + b)


def _pareto_moment(u: Array, s: Array, a: Array, b: Array, n: float) -> Array:
    """Compute the mean of y^n, NaN where a is n at most, as SciPy has it."""
    high = guarded(a > n, a, 2 * n)
    found = high * b / ((high - n) * (b + n)) * tnp.exp(n * u + n * n * s * s / 2)
    return exists(a > n, found, a + b + s + u, np.nan)


def _pareto_ends(u: Array, s: Array, a: Array, b: Array) -> tuple[Array, Array]:
    return -12 * s - 45 / b, 12 * s + 45 / a


def _pareto_term(x: Array, u: Array, s: Array, a: Array, b: Array) -> Array:
    """Compute -p log p of the logarithm's density p, at a distance from u."""
    logarithm = _pareto_logpdf(tnp.exp(x), 0.0, s, a, b) + x
    return -tnp.exp(logarithm) * (logarithm - x - u)


dpareto_lognorm = continuous(
    "dpareto_lognorm",
    "u s a b",
    entropy=over_interval(_pareto_ends, _pareto_term),
    lower=0.0,
    valid=lambda u, s, a, b: tnp.asarray((s > 0) & (a > 0) & (b > 0) & (u == u)),
    logpdf=_pareto_logpdf,
    cdf=lambda y, u, s, a, b: _pareto_mass(_pareto_place(y, u, s), s, a, b),
    sf=lambda y, u, s, a, b: _pareto_mass(-_pareto_place(y, u, s), s, b, a),
    mean=lambda u, s, a, b: _pareto_moment(u, s, a, b, 1.0),
    var=lambda u, s, a, b: _pareto_moment(u, s, a, b, 2.0) - guarded(a > 2, _pareto_moment(u, s, a, b, 1.0), 0.0) ** 2,
)

# ---- gamma ----

_STIRLING = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400]
_SMALL = 0.6  # of the skewness: below, Stirling's series has all digits, and the distribution is near a normal one


def _small(skew: Array) -> tuple[Array, Array]:
    """Return where the skewness is small, and it there."""
    small = tnp.asarray(tnp.abs(skew) < _SMALL)
    return small, guarded(small, skew, 0.1)


def _stirling(inverse: Array) -> Array:
    """Compute what gammaln(1 / inverse) has beyond Stirling's formula."""
    total: Array = 0.0
    for coefficient in reversed(_STIRLING):
        total = total * inverse * inverse + coefficient
    return total * inverse


def _gamma_of(z: Array, skew: Array) -> tuple[Array, Array]:
    """Return shape and place in the gamma distribution, of skewness that is not small."""
    skew = guarded(tnp.abs(skew) >= _SMALL, skew, 1.0)
    return 4 / (skew * skew), guarded(z * skew > -2, 2 * z / skew + 4 / (skew * skew), 1.0)


def _near_normal_logpdf(z: Array, skew: Array) -> Array:
    """Compute -1/2 log(2 pi) + z^2 (log(1 + u) - u) / u^2 - log(1 + u) less Stirling's series, u = skew z / 2."""
    inside = tnp.asarray(z * skew > -2)
    u = guarded(inside, z * skew / 2, 0.0)
    bend = -1 / (1 + u) - log1p_over_x(u, 1)
    found = z * z * bend - tnp.log1p(u) - _LOG_2_PI / 2 - _stirling(skew * skew / 4)
    return tnp.where(inside, found, -np.inf)


def _pearson3_logpdf(z: Array, skew: Array) -> Array:
    small, least = _small(skew)
    shape, place = _gamma_of(z, skew)
    size = tnp.log(2 / tnp.abs(guarded(~small, skew, 1.0)))
    found = size + special.xlogy(shape - 1, place) - place - special.gammaln(shape)
    return tnp.where(small, _near_normal_logpdf(guarded(small, z, 0.0), least), found)


def _near_normal_place(z: Array, skew: Array) -> tuple[Array, Array]:
    """Return the place as log(1 + u) 2 / skew, in which the density falls on both sides, and skewness."""
    u = skew * z / 2
    return z * log1p_over_x(guarded(u > -1, u, 0.0)), skew


def _near_normal_density(w: Array, skew: Array) -> Array:
    z = w * exprel_by_order(skew * w / 2, 0)
    return _near_normal_logpdf(z, skew) + skew * w / 2


_near_normal_cdf, _near_normal_sf = tails("stats.pearson3", "skew", _near_normal_density, lambda skew: -skew / 6)


def _pearson3_mass(z: Array, skew: Array, lower: bool) -> Array:
    small, least = _small(skew)
    shape, place = _gamma_of(z, skew)
    is_lower = tnp.asarray(skew > 0) == lower
    found = tnp.where(is_lower, special.gammainc(shape, place), special.gammaincc(shape, place))
    near = _near_normal_place(guarded(small, z, 0.0), least)
    return tnp.where(small, (_near_normal_cdf if lower else _near_normal_sf)(*near), found)


def _pearson3_entropy(skew: Array) -> Array:
    """Compute that of the gamma distribution, with its scale; by Stirling's series for small skewness."""
    small, least = _small(skew)
    inverse = least * least / 4
    series: Array = 0.0
    for k in range(len(_STIRLING), 0, -1):
        order = 2 * k - 1
        series = series * inverse * inverse + _STIRLING[k - 1] * (1 + order - order * inverse)
    near = (1 + _LOG_2_PI - inverse) / 2 + series * inverse
    shape = 4 / guarded(~small, skew, 1.0) ** 2
    found = shape + special.gammaln(shape) + (1 - shape) * special.digamma(shape) - tnp.log(shape) / 2
    return tnp.where(small, near, found)


pearson3 = continuous(
    "pearson3",
    "skew",
    lower=lambda skew: tnp.where(skew > 0, -2 / guarded(skew > 0, skew, 1.0), -np.inf),
    upper=lambda skew: tnp.where(skew < 0, -2 / guarded(skew < 0, skew, -1.0), np.inf),
    valid=lambda skew: tnp.isfinite(skew),
    logpdf=_pearson3_logpdf,
    cdf=lambda z, skew: _pearson3_mass(z, skew, True),
    sf=lambda z, skew: _pearson3_mass(z, skew, False),
    mean=lambda skew: 0 * skew,
    var=lambda skew: 1 + 0 * skew,
    entropy=_pearson3_entropy,
)


def _argus_mass(chi: Array) -> Array:
    return special.gammainc(1.5, chi * chi / 2)


def _argus_logpdf(z: Array, chi: Array, rest: Array | None = None) -> Array:
    rest = (1 - z) * (1 + z) if rest is None else rest
    size = 3 * tnp.log(chi) + _LOG_2 - _LOG_2_PI / 2 - tnp.log(_argus_mass(chi))
    return size + tnp.log(z) + tnp.log(rest) / 2 - chi * chi * rest / 2


def _argus_cdf(z: Array, chi: Array) -> Array:
    """Integrate the density by z^2 where that is small, by Gauss's rule."""
    near = tnp.asarray((z < 0.5) & (chi * z < 2.5))
    square, total = guarded(near, z, 0.25) ** 2, _argus_mass(chi)
    summed: Array = 0.0
    for point, weight in zip(_POINTS, _WEIGHTS, strict=True):
        y = square * float(1 + point) / 2
        summed = summed + float(weight) * tnp.sqrt(1 - y) * tnp.exp(-chi * chi * (1 - y) / 2)
    small = chi**3 / math.sqrt(2 * math.pi) / total * square / 2 * summed
    return tnp.where(near, small, 1 - _argus_sf(z, chi))


def _argus_sf(z: Array, chi: Array) -> Array:
    return special.gammainc(1.5, chi * chi * (1 - z) * (1 + z) / 2) / _argus_mass(chi)


def _argus_mean(chi: Array) -> Array:
    return math.sqrt(math.pi / 2) * chi * special.ive(1, chi * chi / 4) / _argus_mass(chi)


_ARGUS_SQUARE = [-358 / 65690625, 0, -94 / 1010625, 0, 2 / 2625, 0, 6 / 175, 0, 0.4]  # of chi, highest power first


def _argus_var(chi: Array) -> Array:
    usual = tnp.asarray(chi > 0.1)
    large, small = guarded(usual, chi, 1.0), guarded(~usual, chi, 0.05)
    series: Array = 0.0
    for coefficient in _ARGUS_SQUARE:
        series = series * small + coefficient
    square = 1 - 3 / (large * large) + 2 * large * normal_density(large) / _argus_mass(large)
    return tnp.where(usual, square, series) - _argus_mean(chi) ** 2


argus = continuous(
    "argus",
    "chi",
    lower=0.0,
    upper=1.0,
    logpdf=_argus_logpdf,
    cdf=_argus_cdf,
    sf=_argus_sf,
    mean=_argus_mean,
    var=_argus_var,
    entropy=over_unit(
        lambda z, rest, chi: -tnp.exp(_argus_logpdf(z, chi, rest * (1 + z))) * _argus_logpdf(z, chi, rest * (1 + z))
    ),
)

# ---- beta ----


def _shares(z: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Return (1 + x / r) / 2 and (1 - x / r) / 2, r^2 = a + b + x^2, neither by a difference."""
    total = a + b
    r = tnp.sqrt(total + z * z)
    size = tnp.where(tnp.asarray(z < 0), -z, z)
    large, small = (1 + size / r) / 2, total / (2 * r * (r + size))
    low = tnp.asarray(z < 0)
    return tnp.where(low, small, large), tnp.where(low, large, small)


def _skew_t_logpdf(z: Array, a: Array, b: Array) -> Array:
    left, right = _shares(z, a, b)
    size = special.betaln(a, b) + tnp.log(a + b) / 2
    return (a + 0.5) * tnp.log(left) + (b + 0.5) * tnp.log(right) + 2 * _LOG_2 - size


def _skew_t_cdf(z: Array, a: Array, b: Array) -> Array:
    left, right = _shares(z, a, b)
    low = tnp.asarray(z < 0)
    below = special.betainc(a, b, guarded(low, left, 0.5))
    return tnp.where(low, below, special.betaincc(b, a, guarded(~low, right, 0.5)))


def _skew_t_of(left: Array, right: Array, a: Array, b: Array) -> Array:
    return (left - right) * tnp.sqrt(a + b) / (2 * tnp.sqrt(left * right))


def _skew_t_mean(a: Array, b: Array) -> Array:
    usual = tnp.asarray((a > 0.5) & (b > 0.5))
    p, q = guarded(usual, a, 1.0), guarded(usual, b, 1.0)
    found = (p - q) * tnp.sqrt(p + q) / 2 * special.beta(p - 0.5, q - 0.5) / special.beta(p, q) / (p + q - 1)
    return exists(usual, found, a + b, np.nan)


def _skew_t_square(a: Array, b: Array) -> Array:
    usual = tnp.asarray((a > 1) & (b > 1))
    p, q = guarded(usual, a, 2.0), guarded(usual, b, 2.0)
    return exists(usual, (p + q) / 4 * ((p - q) ** 2 + p + q - 2) / ((p - 1) * (q - 1)), a + b, np.nan)


jf_skew_t = continuous(
    "jf_skew_t",
    "a b",
    logpdf=_skew_t_logpdf,
    cdf=_skew_t_cdf,
    sf=lambda z, a, b: _skew_t_cdf(-z, b, a),
    ppf=lambda q, a, b: _skew_t_of(special.betaincinv(a, b, q), special.betainccinv(b, a, q), a, b),
    isf=lambda q, a, b: _skew_t_of(special.betainccinv(a, b, q), special.betaincinv(b, a, q), a, b),
    mean=_skew_t_mean,
    var=lambda a, b: _skew_t_square(a, b) - _skew_t_mean(a, b) ** 2,
)

# ---- others ----


def _tukey_end(lam: Array) -> Array:
    return tnp.where(lam > 0, 1 / guarded(lam > 0, lam, 1.0), np.inf)


def _tukey_logpdf(z: Array, lam: Array) -> Array:
    left, right = special.tklmbda(z, lam), special.tklmbda(-z, lam)
    return -tnp.logaddexp(special.xlogy(lam - 1, left), special.xlogy(lam - 1, right))


tukeylambda = continuous(
    "tukeylambda",
    "lam",
    lower=lambda lam: -_tukey_end(lam),
    upper=_tukey_end,
    valid=lambda lam: tnp.isfinite(lam),
    logpdf=_tukey_logpdf,
    cdf=lambda z, lam: special.tklmbda(z, lam),
    sf=lambda z, lam: special.tklmbda(-z, lam),
    ppf=lambda q, lam: special.boxcox(q, lam) - special.boxcox1p(-q, lam),
    isf=lambda q, lam: special.boxcox1p(-q, lam) - special.boxcox(q, lam),
    mean=lambda lam: 0 * lam,
    entropy=over_unit(lambda q, rest, lam: tnp.logaddexp((lam - 1) * tnp.log(q), (lam - 1) * tnp.log(rest))),
)


def _kolmogorov_logpdf(z: Array) -> Array:
    """Differentiate the two series of Kolmogorov's distribution, each where it converges, over their first terms."""
    far = tnp.asarray(z > 0.8)
    high, low = guarded(far, z, 1.0), guarded(~far, z, 0.5)
    wide, narrow = as_columns(high, low)
    k = np.arange(1.0, 9.0)
    odd = ((2 * k - 1) * math.pi) ** 2 / 8
    tail = tnp.sum((-1) ** (k - 1) * k * k * tnp.exp(-2 * (k * k - 1) * wide * wide), axis=-1)
    square = narrow * narrow
    head = tnp.sum(tnp.exp((odd[0] - odd) / square) * (2 * odd - square), axis=-1)
    above = 3 * _LOG_2 + tnp.log(high) - 2 * high * high + tnp.log(tail)
    below = _LOG_2_PI / 2 - odd[0] / (low * low) - 4 * tnp.log(low) + tnp.log(head)
    return tnp.where(far, above, below)


def _kolmogorov_cdf(z: Array) -> Array:
    far = tnp.asarray(z > 0.8)
    head = kolmogorov_below(guarded(~far, z, 0.5))
    return tnp.where(far, 1 - special.kolmogorov(guarded(far, z, 1.0)), head)


kstwobign = continuous(
    "kstwobign",
    lower=0.0,
    logpdf=_kolmogorov_logpdf,
    cdf=_kolmogorov_cdf,
    sf=lambda z: special.kolmogorov(z),
    isf=lambda q: special.kolmogi(q),
)


def _spline(z: Array, n: Array) -> Array:
    """Compute the cardinal spline of order n, 0 outside of its support."""
    inside = (z >= 0) & (z <= n) & (n > 0)
    return np.where(inside, scipy.stats.irwinhall.pdf(np.where(inside, z, 0.5), np.where(n > 0, n, 1)), 0.0)


def _by_lower_order(t: Array, z: Array, n: Array) -> Array:
    return t * (_irwinhall_pdf(z, n - 1) - _irwinhall_pdf(z - 1, n - 1))


_irwinhall_pdf: Any = elementwise(_spline, _by_lower_order, None, name="stats.irwinhall.pdf", operands=("z", "n"))
_irwinhall_cdf: Any = elementwise(
    lambda z, n: scipy.stats.irwinhall.cdf(z, n),
    lambda t, z, n: t * _irwinhall_pdf(z, n),
    None,
    name="stats.irwinhall.cdf",
    operands=("z", "n"),
)
irwinhall = continuous(
    "irwinhall",
    "n",
    lower=0.0,
    upper=lambda n: n,
    valid=lambda n: tnp.asarray((n > 0) & (n == tnp.floor(n))),
    logpdf=lambda z, n: tnp.log(_irwinhall_pdf(z, constant(n))),
    pdf=lambda z, n: _irwinhall_pdf(z, constant(n)),
    cdf=lambda z, n: _irwinhall_cdf(z, constant(n)),
    sf=lambda z, n: _irwinhall_cdf(constant(n) - z, constant(n)),
    mean=lambda n: constant(n) / 2,
    var=lambda n: constant(n) / 12,
)
