"""Further continuous distributions of elementary functions: wrapped, folded, skewed, truncated, and with two tails."""

from __future__ import annotations

import math

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.primitive import Array
from tapenet.scipy import special
from tapenet.scipy.special.basic import exprel_by_order, log1p_over_x
from tapenet.scipy.special.helpers import cospi, guarded, sinpi
from tapenet.scipy.stats.continuous import integral_of_decay, inverse_of_decay
from tapenet.scipy.stats.distribution import continuous
from tapenet.scipy.stats.expectations import Formula, exists, over_interval, over_probabilities

_LOG_2 = math.log(2)
_LOG_PI = math.log(math.pi)


# ---- on a circle ----

cosine = continuous(
    "cosine",
    lower=-math.pi,
    upper=math.pi,
    logpdf=lambda z: 2 * tnp.log(tnp.cos(z / 2)) - _LOG_PI,
    pdf=lambda z: tnp.cos(z / 2) ** 2 / math.pi,
    cdf=lambda z: _cosine_mass(z + math.pi),
    sf=lambda z: _cosine_mass(math.pi - z),
)


def _cosine_mass(y: Array) -> Array:
    """Compute (y - sin(y)) / (2 pi), by its series where it cancels."""
    near = tnp.asarray(tnp.abs(y) < 1)
    square = guarded(near, y, 0.5) ** 2
    total: Array = 0.0
    for k in range(9, 0, -1):
        total = (1 - total) * square / ((2 * k) * (2 * k + 1))
    return tnp.where(near, y * total, y - tnp.sin(y)) / (2 * math.pi)


def _half_turns(z: Array, c: Array) -> tuple[Array, Array]:
    return (1 + c) * tnp.sin(z / 2), (1 - c) * tnp.cos(z / 2)


wrapcauchy = continuous(
    "wrapcauchy",
    "c",
    lower=0.0,
    upper=2 * math.pi,
    valid=lambda c: tnp.asarray((c > 0) & (c < 1)),
    logpdf=lambda z, c: tnp.log1p(-c * c) - math.log(2 * math.pi) - tnp.log((1 - c) ** 2 + 4 * c * tnp.sin(z / 2) ** 2),
    cdf=lambda z, c: tnp.arctan2(*_half_turns(z, c)) / math.pi,
    sf=lambda z, c: tnp.arctan2(*_half_turns(2 * math.pi - z, c)) / math.pi,
    ppf=lambda q, c: 2 * tnp.arctan2((1 - c) * sinpi(q), (1 + c) * cospi(q)),
    isf=lambda q, c: 2 * math.pi - 2 * tnp.arctan2((1 - c) * sinpi(q), (1 + c) * cospi(q)),
    mean=lambda c: math.pi + 0 * c,
    var=lambda c: math.pi**2 / 3 + 4 * special.spence(1 - c),
    entropy=lambda c: math.log(2 * math.pi) + tnp.log1p(-c * c),
)

# ---- Cauchy's, folded and skewed ----


def _folded_root(cotangent: Array, c: Array) -> Array:
    """Solve x^2 + 2 k x = 1 + c^2 for x > 0."""
    total = 1 + c * c
    size = tnp.abs(cotangent) + tnp.sqrt(cotangent * cotangent + total)
    return tnp.where(tnp.asarray(cotangent > 0), total / size, size)


foldcauchy = continuous(
    "foldcauchy",
    "c",
    lower=0.0,
    valid=lambda c: tnp.asarray(c >= 0),
    logpdf=lambda z, c: tnp.log1p(z * z + c * c) + _LOG_2 - _LOG_PI - tnp.log1p((z - c) ** 2) - tnp.log1p((z + c) ** 2),
    cdf=lambda z, c: tnp.arctan2(2 * z, 1 + c * c - z * z) / math.pi,
    sf=lambda z, c: tnp.arctan2(2 * z, z * z - c * c - 1) / math.pi,
    ppf=lambda q, c: _folded_root(1 / tnp.tan(math.pi * q), c),
    isf=lambda q, c: _folded_root(-1 / tnp.tan(math.pi * q), c),
    mean=lambda c: np.inf + 0 * c,
    var=lambda c: np.inf + 0 * c,
)


def _skewed_half(z: Array, a: Array) -> Array:
    """Compute the mass beyond z on its side of 0."""
    size = tnp.where(tnp.asarray(z < 0), -z, z)  # not abs(z), whose derivative at 0 is 0
    side = tnp.where(tnp.asarray(z < 0), 1 - a, 1 + a)
    return side / math.pi * tnp.arctan2(side, size)


def _skewed_tail(q: Array, side: Array) -> Array:
    return side / tnp.tan(math.pi * q / side)


def _skewed_quantile(left: Array, right: Array, a: Array) -> Array:
    low = tnp.asarray(left < (1 - a) / 2)
    below = -_skewed_tail(guarded(low, left, (1 - a) / 4), 1 - a)
    return tnp.where(low, below, _skewed_tail(guarded(~low, right, (1 + a) / 4), 1 + a))


skewcauchy = continuous(
    "skewcauchy",
    "a",
    valid=lambda a: tnp.asarray(tnp.abs(a) < 1),
    logpdf=lambda z, a: -_LOG_PI - tnp.log1p((z / tnp.where(tnp.asarray(z < 0), 1 - a, 1 + a)) ** 2),
    cdf=lambda z, a: tnp.where(tnp.asarray(z < 0), _skewed_half(z, a), 1 - _skewed_half(z, a)),
    sf=lambda z, a: tnp.where(tnp.asarray(z < 0), 1 - _skewed_half(z, a), _skewed_half(z, a)),
    ppf=lambda q, a: _skewed_quantile(q, 1 - q, a),
    isf=lambda q, a: _skewed_quantile(1 - q, q, a),
    mean=lambda a: np.nan + 0 * a,
    var=lambda a: np.nan + 0 * a,
    entropy=lambda a: math.log(4 * math.pi) + 0 * a,
)

# ---- exponential and logistic ----


def _genexpon_exponent(z: Array, a: Array, b: Array, c: Array) -> Array:
    """Compute a z + b z + b (e^(-c z) - 1) / c."""
    return a * z + b * z * (1 - exprel_by_order(-c * z, 0))


def _genexpon_logpdf(z: Array, a: Array, b: Array, c: Array) -> Array:
    return tnp.log(a - b * tnp.expm1(-c * z)) - _genexpon_exponent(z, a, b, c)


def _genexpon_ends(a: Array, b: Array, c: Array) -> tuple[Array, Array]:
    return 0 * a, np.minimum(45 / a, (45 + b / c) / (a + b))


_genexpon_mean = over_interval(_genexpon_ends, lambda z, a, b, c: tnp.exp(-_genexpon_exponent(z, a, b, c)))
_genexpon_square = over_interval(_genexpon_ends, lambda z, a, b, c: 2 * z * tnp.exp(-_genexpon_exponent(z, a, b, c)))
genexpon = continuous(
    "genexpon",
    "a b c",
    lower=0.0,
    logpdf=_genexpon_logpdf,
    cdf=lambda z, a, b, c: -tnp.expm1(-_genexpon_exponent(z, a, b, c)),
    sf=lambda z, a, b, c: tnp.exp(-_genexpon_exponent(z, a, b, c)),
    logsf=lambda z, a, b, c: -_genexpon_exponent(z, a, b, c),
    mean=_genexpon_mean,
    var=lambda a, b, c: _genexpon_square(a, b, c) - _genexpon_mean(a, b, c) ** 2,
    entropy=over_interval(
        _genexpon_ends,
        lambda z, a, b, c: -tnp.exp(_genexpon_logpdf(z, a, b, c)) * _genexpon_logpdf(z, a, b, c),
    ),
)


genhalflogistic = continuous(
    "genhalflogistic",
    "c",
    lower=0.0,
    upper=lambda c: 1 / c,
    logpdf=lambda z, c: _LOG_2 - (1 - c) * inverse_of_decay(z, c) + 2 * special.log_expit(inverse_of_decay(z, c)),
    cdf=lambda z, c: tnp.tanh(inverse_of_decay(z, c) / 2),
    sf=lambda z, c: 2 * special.expit(-inverse_of_decay(z, c)),
    ppf=lambda q, c: integral_of_decay(2 * tnp.arctanh(q), c),
    isf=lambda q, c: integral_of_decay(tnp.log(2 - q) - tnp.log(q), c),
    entropy=lambda c: 2 - (2 * c + 1) * _LOG_2,
)

# ---- kappa ----


def _kappa3_logcdf(z: Array, a: Array) -> Array:
    return -tnp.log1p(a * tnp.power(z, -a)) / a


def _kappa3_moment(a: Array, n: float) -> Array:
    """Compute the mean of z^n, NaN where a is n at most, as SciPy has it."""
    usual = guarded(a > n, a, 2 * n)
    found = tnp.power(usual, n / usual - 1) * special.beta((1 + n) / usual, 1 - n / usual)
    return exists(a > n, found, a, np.nan)


kappa3 = continuous(
    "kappa3",
    "a",
    lower=0.0,
    logpdf=lambda z, a: -tnp.log(a) / a - (1 / a + 1) * tnp.log1p(tnp.power(z, a) / a),
    cdf=lambda z, a: tnp.exp(_kappa3_logcdf(z, a)),
    logcdf=_kappa3_logcdf,
    sf=lambda z, a: -tnp.expm1(_kappa3_logcdf(z, a)),
    ppf=lambda q, a: tnp.power(a / tnp.expm1(-a * tnp.log(q)), 1 / a),
    isf=lambda q, a: tnp.power(a / tnp.expm1(-a * tnp.log1p(-q)), 1 / a),
    mean=lambda a: _kappa3_moment(a, 1.0),
    var=lambda a: _kappa3_moment(a, 2.0) - guarded(a > 2, _kappa3_moment(a, 1.0), 0.0) ** 2,
)


def _kappa4_logcdf(z: Array, h: Array, k: Array) -> Array:
    """Compute log(1 - h e^(-w)) / h, also for h = 0."""
    left = tnp.exp(-inverse_of_decay(z, k))
    return -left * log1p_over_x(-h * left)


def _kappa4_of(logq: Array, h: Array, k: Array) -> Array:
    return integral_of_decay(-tnp.log(integral_of_decay(-logq, h)), k)


def _kappa4_lower(h: Array, k: Array) -> Array:
    cut = tnp.log(guarded(h > 0, h, 1.0))
    below = tnp.where(k < 0, 1 / guarded(k < 0, k, -1.0), -np.inf)
    return tnp.where(h > 0, integral_of_decay(cut, k), below)


def _kappa4_moments(h: Array, k: Array, n: int) -> Array:
    """Return where SciPy has a moment of order n."""
    left, right = guarded(h < 0, h, -1.0), guarded(k < 0, k, -1.0)
    below = tnp.trunc(tnp.where((h < 0) & (k >= 0), -k / left, 5.0))
    return tnp.asarray(n < tnp.where(k < 0, tnp.trunc(-1 / right), below))


def _kappa4_expectation(power: int) -> Formula:
    return over_probabilities(
        lambda q, h, k: _kappa4_of(tnp.log(q), h, k),
        lambda q, h, k: _kappa4_of(tnp.log1p(-q), h, k),
        lambda z, h, k: z**power,
    )


_kappa4_mean, _kappa4_square = _kappa4_expectation(1), _kappa4_expectation(2)
kappa4 = continuous(
    "kappa4",
    "h k",
    mean=lambda h, k: tnp.where(_kappa4_moments(h, k, 1), _kappa4_mean(h, k), np.nan),
    var=lambda h, k: tnp.where(_kappa4_moments(h, k, 2), _kappa4_square(h, k) - _kappa4_mean(h, k) ** 2, np.nan),
    lower=_kappa4_lower,
    upper=lambda h, k: tnp.where(k > 0, 1 / guarded(k > 0, k, 1.0), np.inf) + 0 * h,
    valid=lambda h, k: tnp.isfinite(h) & tnp.isfinite(k),
    logpdf=lambda z, h, k: (1 - h) * _kappa4_logcdf(z, h, k) - (1 - k) * inverse_of_decay(z, k),
    cdf=lambda z, h, k: tnp.exp(_kappa4_logcdf(z, h, k)),
    logcdf=_kappa4_logcdf,
    sf=lambda z, h, k: -tnp.expm1(_kappa4_logcdf(z, h, k)),
    ppf=lambda q, h, k: _kappa4_of(tnp.log(q), h, k),
    isf=lambda q, h, k: _kappa4_of(tnp.log1p(-q), h, k),
)

# ---- truncated ----


def _trapezoid_piece(z: Array, c: Array, d: Array, below: Array, middle: Array, above: Array) -> Array:
    return tnp.where(tnp.asarray(z < c), below, tnp.where(tnp.asarray(z > d), above, middle))


def _sides(c: Array, d: Array) -> tuple[Array, Array, Array]:
    """Return the widths of the slopes, harmless where there is none, and twice the area."""
    return guarded(c > 0, c, 1.0), guarded(d < 1, 1 - d, 1.0), 1 + d - c


def _trapezoid_logpdf(z: Array, c: Array, d: Array) -> Array:
    up, down, area = _sides(c, d)
    rise = tnp.log(guarded(tnp.asarray(z < c), z, 1.0)) - tnp.log(up)
    fall = tnp.log(guarded(tnp.asarray(z > d), 1 - z, 1.0)) - tnp.log(down)
    return _LOG_2 - tnp.log(area) + _trapezoid_piece(z, c, d, rise, 0.0, fall)


def _trapezoid_cdf(z: Array, c: Array, d: Array) -> Array:
    up, down, area = _sides(c, d)
    return _trapezoid_piece(z, c, d, z * z / up, 2 * z - c, area - (1 - z) ** 2 / down) / area


def _trapezoid_quantile(left: Array, right: Array, c: Array, d: Array) -> Array:
    """Return the place of the probability `left`, which is 1 - right."""
    area = 1 + d - c
    low, high = tnp.asarray(left * area < c), tnp.asarray(right * area < 1 - d)
    rise = tnp.sqrt(guarded(low, left * c * area, 1.0))
    fall = 1 - tnp.sqrt(guarded(high, right * (1 - d) * area, 1.0))
    return tnp.where(low, rise, tnp.where(high, fall, (left * area + c) / 2))


def _trapezoid_moment(c: Array, d: Array, n: int) -> Array:
    powers = sum(d**i for i in range(n + 2)) - c ** (n + 1)
    return 2 * powers / ((1 + d - c) * ((n + 1) * (n + 2)))


trapezoid = continuous(
    "trapezoid",
    "c d",
    lower=0.0,
    upper=1.0,
    valid=lambda c, d: tnp.asarray((c >= 0) & (c <= d) & (d <= 1)),
    logpdf=_trapezoid_logpdf,
    cdf=_trapezoid_cdf,
    sf=lambda z, c, d: _trapezoid_cdf(1 - z, 1 - d, 1 - c),
    ppf=lambda q, c, d: _trapezoid_quantile(q, 1 - q, c, d),
    isf=lambda q, c, d: _trapezoid_quantile(1 - q, q, c, d),
    mean=lambda c, d: _trapezoid_moment(c, d, 1),
    var=lambda c, d: _trapezoid_moment(c, d, 2) - _trapezoid_moment(c, d, 1) ** 2,
    entropy=lambda c, d: (1 - d + c) / (2 * (1 + d - c)) + tnp.log((1 + d - c) / 2),
)


def _log_mixed(share: Array, rest: Array, x: Array) -> Array:
    """Compute log(rest + share e^x) for x <= 0, where share and rest have the sum 1: with all digits of the smaller."""
    few = tnp.asarray(share < 0.5)
    near = tnp.log1p(guarded(few, share, 0.0) * tnp.expm1(x))
    return tnp.where(few, near, tnp.log(guarded(~few, rest + share * tnp.exp(x), 1.0)))


def _pareto_upper(q: Array, b: Array, c: Array) -> Array:
    """Return the quantile of the upper tail, for b above 0 without e^(b log(c)), which overflows."""
    high = tnp.asarray(b > 0)
    size = b * tnp.log(c)
    above = -_log_mixed(1 - q, q, -guarded(high, size, 1.0)) / b
    below = tnp.log(c) - tnp.log1p(q * tnp.expm1(guarded(~high, size, -1.0))) / b
    return tnp.exp(tnp.where(high, above, below))


truncpareto = continuous(
    "truncpareto",
    "b c",
    lower=1.0,
    upper=lambda b, c: c + 0 * b,
    valid=lambda b, c: tnp.asarray((b != 0) & (c > 1)),
    logpdf=lambda z, b, c: -(b + 1) * tnp.log(z) - tnp.log(integral_of_decay(tnp.log(c), b)),
    cdf=lambda z, b, c: integral_of_decay(tnp.log(z), b) / integral_of_decay(tnp.log(c), b),
    sf=lambda z, b, c: tnp.power(z, -b) * integral_of_decay(tnp.log(c / z), b) / integral_of_decay(tnp.log(c), b),
    ppf=lambda q, b, c: tnp.exp(-tnp.log1p(q * tnp.expm1(-b * tnp.log(c))) / b),
    isf=_pareto_upper,
    mean=lambda b, c: integral_of_decay(tnp.log(c), b - 1) / integral_of_decay(tnp.log(c), b),
    var=lambda b, c: (
        integral_of_decay(tnp.log(c), b - 2) / integral_of_decay(tnp.log(c), b)
        - (integral_of_decay(tnp.log(c), b - 1) / integral_of_decay(tnp.log(c), b)) ** 2
    ),
    entropy=lambda b, c: (
        tnp.log(integral_of_decay(tnp.log(c), b)) + (b + 1) * (1 / b - tnp.log(c) / tnp.expm1(b * tnp.log(c)))
    ),
)


def _weibull_quantile(share: Array, rest: Array, c: Array, a: Array, b: Array) -> Array:
    start = tnp.power(a, c)
    return tnp.power(start - _log_mixed(share, rest, start - tnp.power(b, c)), 1 / c)


truncweibull_min = continuous(
    "truncweibull_min",
    "c a b",
    lower=lambda c, a, b: a + 0 * (b + c),
    upper=lambda c, a, b: b + 0 * (a + c),
    valid=lambda c, a, b: tnp.asarray((a >= 0) & (b > a) & (c > 0)),
    logpdf=lambda z, c, a, b: (
        tnp.log(c)
        + special.xlogy(c - 1, z)
        + tnp.power(a, c)
        - tnp.power(z, c)
        - tnp.log(-tnp.expm1(tnp.power(a, c) - tnp.power(b, c)))
    ),
    cdf=lambda z, c, a, b: tnp.expm1(tnp.power(a, c) - tnp.power(z, c)) / tnp.expm1(tnp.power(a, c) - tnp.power(b, c)),
    sf=lambda z, c, a, b: (
        tnp.exp(tnp.power(a, c) - tnp.power(z, c))
        * tnp.expm1(tnp.power(z, c) - tnp.power(b, c))
        / tnp.expm1(tnp.power(a, c) - tnp.power(b, c))
    ),
    ppf=lambda q, c, a, b: _weibull_quantile(q, 1 - q, c, a, b),
    isf=lambda q, c, a, b: _weibull_quantile(1 - q, q, c, a, b),
)

# ---- relativistic Breit and Wigner's ----


def _breitwigner_root(rho: Array) -> Array:
    return tnp.sqrt(1 + 1 / (rho * rho))


def _breitwigner_parts(rho: Array) -> tuple[Array, Array]:
    """Return the factor and the complex root of the distribution function."""
    return 2 / math.pi * tnp.sqrt(2 / (1 + _breitwigner_root(rho))), tnp.sqrt(-1 + 1j / rho)


def _breitwigner_cdf(z: Array, rho: Array) -> Array:
    factor, root = _breitwigner_parts(rho)
    return factor * tnp.imag(root * tnp.arctan(z / tnp.sqrt(-rho * (rho + 1j))))


def _breitwigner_sf(z: Array, rho: Array) -> Array:
    factor, root = _breitwigner_parts(rho)
    away = tnp.asarray(z > 0)
    found = factor * tnp.imag(root * tnp.arctan(tnp.sqrt(-rho * (rho + 1j)) / guarded(away, z, 1.0)))
    return tnp.where(away, found, 1.0)


def _breitwigner_factor(rho: Array) -> Array:
    root = _breitwigner_root(rho)
    return 2 / math.pi * root * tnp.sqrt(2 / (1 + root))


def _breitwigner_mean(rho: Array) -> Array:
    return _breitwigner_factor(rho) * rho / 2 * (math.pi / 2 + tnp.arctan(rho))


def _breitwigner_var(rho: Array) -> Array:
    """Compute the variance from the mean of the squares."""
    root = _breitwigner_root(rho)
    scale = 2 * rho * tnp.sqrt(root * root / (2 * (1 + root)))
    return scale * tnp.real((1 - 1j * rho) / tnp.sqrt(-1 - 1j / rho)) - _breitwigner_mean(rho) ** 2


rel_breitwigner = continuous(
    "rel_breitwigner",
    "rho",
    lower=0.0,
    logpdf=lambda z, rho: tnp.log(_breitwigner_factor(rho)) - tnp.log1p(((z - rho) * (z + rho) / rho) ** 2),
    cdf=_breitwigner_cdf,
    sf=_breitwigner_sf,
    mean=_breitwigner_mean,
    var=_breitwigner_var,
)
