"""Distribution functions that are differences of terms, which cancel in a tail, in forms that keep their digits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special
import scipy.stats

import tapenet.numpy as tnp
from tapenet.core.families import elementwise
from tapenet.core.primitive import Array
from tapenet.scipy import special
from tapenet.scipy.special.helpers import guarded

_LOG_PI = math.log(math.pi)
_LOG_2_OVER_PI = math.log(2 / math.pi)
_ROOT_2 = math.sqrt(2)

# ---- skew normal ----

_NODES, _SIZES = np.polynomial.legendre.leggauss(160)
_POINTS, _WEIGHTS = 20 * (_NODES + 1), 20 * _SIZES


def skewnorm_logpdf(z: Array, a: Array) -> Array:
    """Compute log(2 phi(z) ndtr(a z))."""
    return (_LOG_2_OVER_PI - z * z) / 2 + special.log_ndtr(a * z)


def _mills_inverse(x: Array) -> Array:
    """Compute phi(x) / ndtr(x)."""
    return math.sqrt(2 / math.pi) / scipy.special.erfcx(-x / _ROOT_2)


def _log_ratio(z: Array, a: Array, less: Array) -> Array:
    """Compute the logarithm of the density at z - less over that at z, without the difference of large logarithms."""
    normal, scaled, place = less * (z - less / 2), a * z, a * (z - less)
    below = (1 + a * a) * normal + np.log(
        scipy.special.erfcx(-np.minimum(place, 0) / _ROOT_2) / scipy.special.erfcx(-np.minimum(scaled, 0) / _ROOT_2)
    )
    above = normal + scipy.special.log_ndtr(place) - scipy.special.log_ndtr(scaled)
    return np.where((scaled < 0) & (place < 0), below, above)


def _rise(z: Array, a: Array) -> tuple[Array, Array]:
    """Compute the density over the distribution function in the lower tail, and where that is.

    The density's logarithm is concave: where its slope is above 2, the integral of the density below z, over it at z,
    is one of a function that falls at least as fast as exponentially. Beyond 40 of its lengths it is negligible.
    """
    ratio = _mills_inverse(a * z)
    slope = a * ratio - z
    tail = (slope > 2) & np.isfinite(slope)
    z, a, ratio = z[tail], a[tail], ratio[tail]
    bend = 1 + a * a * ratio * np.maximum(a * z + ratio, 0)
    scale = slope[tail] + np.sqrt(bend)
    found = np.ones(tail.shape)
    ratios = np.exp(_log_ratio(z[:, None], a[:, None], _POINTS / scale[:, None]))
    found[tail] = scale / (ratios @ _WEIGHTS)
    return found, tail


def _broadcast(z: Array, a: Array) -> tuple[Any, Array, Array]:
    wide = np.broadcast_arrays(np.asarray(z, np.float64), np.asarray(a, np.float64))
    return np.result_type(z, a, np.float32), wide[0], wide[1]


def _logpdf(z: Array, a: Array) -> Array:
    return (_LOG_2_OVER_PI - z * z) / 2 + scipy.special.log_ndtr(a * z)


@np.errstate(all="ignore")
def _logcdf(z: Array, a: Array) -> Array:
    kind, z, a = _broadcast(z, a)
    (lower, is_lower), (upper, is_upper) = _rise(z, a), _rise(-z, -a)
    less = np.where(is_upper, np.exp(_logpdf(z, a)) / upper, 0.0)
    middle = np.log(np.clip(scipy.special.ndtr(z) - 2 * scipy.special.owens_t(z, a), 0, 1))
    found = np.where(is_lower, _logpdf(z, a) - np.log(lower), np.where(is_upper, np.log1p(-less), middle))
    return found.astype(kind)[()]


@np.errstate(all="ignore")
def _cdf(z: Array, a: Array) -> Array:
    kind, wide, shape = _broadcast(z, a)
    lower, is_lower = _rise(wide, shape)
    found = np.where(is_lower, np.exp(_logpdf(wide, shape)) / lower, np.exp(_logcdf(wide, shape)))
    return found.astype(kind)[()]


@np.errstate(all="ignore")
def _log_slope(z: Array, a: Array) -> Array:
    kind, z, a = _broadcast(z, a)
    lower, is_lower = _rise(z, a)
    return np.where(is_lower, lower, np.exp(_logpdf(z, a) - _logcdf(z, a))).astype(kind)[()]


def _shape_over_density(z: Array, a: Array) -> Array:
    """Compute the derivative of the distribution function by the shape, over the density."""
    return -_mills(a * z) / (1 + a * a)


def _mills(x: Array) -> Array:
    return tnp.exp(-(x * x + math.log(2 * math.pi)) / 2 - special.log_ndtr(x))


skewnorm_cdf = elementwise(
    _cdf,
    lambda t, z, a: t * tnp.exp(skewnorm_logpdf(z, a)),
    lambda t, z, a: -t * tnp.exp(-z * z * (1 + a * a) / 2 - _LOG_PI - tnp.log1p(a * a)),
    name="stats.skewnorm.cdf",
    operands=("z", "a"),
)
_slope: Any = elementwise(
    _log_slope,
    lambda t, z, a, out: t * out * (a * _mills(a * z) - z - out),
    lambda t, z, a, out: t * out * (z * _mills(a * z) - out * _shape_over_density(z, a)),
    name="stats.skewnorm.logcdf_slope",
    operands=("z", "a"),
)
skewnorm_logcdf = elementwise(
    _logcdf,
    lambda t, z, a: t * _slope(z, a),
    lambda t, z, a: t * _slope(z, a) * _shape_over_density(z, a),
    name="stats.skewnorm.logcdf",
    operands=("z", "a"),
)

# ---- inverse Gaussian ----


def _invgauss_log_tail(z: Array, mu: Array, sign: float) -> tuple[Array, Array]:
    """Compute the logarithm of the tail on one side of mu, and where that is.

    The second term of a tail is e^(2 / mu) ndtr(-y), with phi(y) = e^(-2 / mu) phi(x) for the x of the first: what is
    left is a sum or difference of two scaled functions erfcx.
    """
    inside = tnp.asarray(z <= mu if sign > 0 else z > mu)
    place = tnp.where(inside, z, mu)
    root = 1 / tnp.sqrt(place)
    apart = place / mu - 1
    first = special.erfcx(-sign * root * apart / _ROOT_2)
    second = special.erfcx(root * (place / mu + 1) / _ROOT_2)
    return tnp.log((first + sign * second) / 2) - apart * apart / (2 * place), inside


def _invgauss_log(z: Array, mu: Array, sign: float) -> Array:
    (own, inside), (rest, _) = _invgauss_log_tail(z, mu, sign), _invgauss_log_tail(z, mu, -sign)
    return tnp.where(inside, own, tnp.log1p(-tnp.exp(guarded(~inside, rest, -1.0))))


def invgauss_logcdf(z: Array, mu: Array) -> Array:
    """Compute the logarithm of the distribution function."""
    return _invgauss_log(z, mu, 1.0)


def invgauss_logsf(z: Array, mu: Array) -> Array:
    """Compute the logarithm of 1 less the distribution function."""
    return _invgauss_log(z, mu, -1.0)


# ---- Rice ----


def rice_logpdf(z: Array, b: Array) -> Array:
    """Compute log(z e^(-(z^2 + b^2) / 2) I0(z b))."""
    return tnp.log(z) - (z - b) ** 2 / 2 + tnp.log(special.i0e(z * b))


def _rice_sf(z: Array, b: Array) -> Array:
    found = np.where(np.equal(b, 0), np.exp(-z * z / 2), scipy.stats.ncx2.sf(z * z, 2.0, np.where(b == 0, 1.0, b * b)))
    return found.astype(np.result_type(z, b, np.float32))[()]


def _rice_cdf(z: Array, b: Array) -> Array:
    found = np.asarray(scipy.special.chndtr(z * z, 2.0, b * b))
    return found.astype(np.result_type(z, b, np.float32))[()]


def _by_place(t: Array, z: Array, b: Array) -> Array:
    return t * (z * tnp.exp(-((z - b) ** 2) / 2) * special.i0e(z * b))


def _by_noncentrality(t: Array, z: Array, b: Array) -> Array:
    return t * (z * tnp.exp(-((z - b) ** 2) / 2) * special.i1e(z * b))


rice_cdf = elementwise(
    _rice_cdf,
    _by_place,
    lambda t, z, b: -_by_noncentrality(t, z, b),
    name="stats.rice.cdf",
    operands=("z", "b"),
)
rice_sf = elementwise(
    _rice_sf,
    lambda t, z, b: -_by_place(t, z, b),
    _by_noncentrality,
    name="stats.rice.sf",
    operands=("z", "b"),
)
