"""Further summaries of samples: of quantiles and angles, distances between samples, transforms to normality."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.stats

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, holds_tensor, numpy_function
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy import special
from tapenet.scipy.placing import published
from tapenet.scipy.stats.descriptive import central_moment, check_policy, size_along


def without_elements(x: Array, axis: Any, keepdims: bool) -> Array:
    """Return NaN, as SciPy does for a sample of too few elements; its derivative is NaN as well."""
    return tnp.sum(x, axis=axis, keepdims=keepdims) * math.nan


# ---- of order ----


@numpy_function(scipy.stats.iqr)
def iqr(
    x: Array,
    axis: Any = None,
    rng: tuple[float, float] = (25, 75),
    scale: Any = 1.0,
    nan_policy: str = "propagate",
    interpolation: str = "linear",
    keepdims: bool = False,
) -> Array:
    check_policy("iqr", nan_policy)
    if isinstance(scale, str):
        if scale.lower() != "normal":
            raise ArgumentError(f"stats.iqr: scale must be a number or 'normal'; got {scale!r}.")
        scale = 2 * math.sqrt(2) * float(special.erfinv(0.5))
    x = as_array(x)
    if not size_along(x, axis):
        return without_elements(x, axis, keepdims)
    low, high = sorted(rng)
    ends = (tnp.percentile(x, q, axis=axis, method=interpolation, keepdims=keepdims) for q in (high, low))
    upper, lower = ends
    return (upper - lower) / scale


@numpy_function(scipy.stats.trim_mean)
def trim_mean(
    a: Array, proportiontocut: float, axis: Any = 0, *, nan_policy: str = "propagate", keepdims: bool = False
) -> Array:
    check_policy("trim_mean", nan_policy)
    a = as_array(a)
    if axis is None:
        a, axis = tnp.ravel(a), 0
    n = a.shape[axis]
    if not n:
        return without_elements(a, axis, keepdims)
    cut = int(proportiontocut * n)
    if 2 * cut >= n:
        raise ArgumentError(f"stats.trim_mean: proportiontocut must leave some values; got {proportiontocut!r}.")
    kept = tnp.take(tnp.sort(a, axis=axis), np.arange(cut, n - cut), axis=axis)
    return tnp.mean(kept, axis=axis, keepdims=keepdims)


@numpy_function(scipy.stats.median_abs_deviation)
def median_abs_deviation(
    x: Array,
    axis: Any = 0,
    center: Any = None,
    scale: Any = 1.0,
    nan_policy: str = "propagate",
    *,
    keepdims: bool = False,
) -> Array:
    check_policy("median_abs_deviation", nan_policy)
    if isinstance(scale, str):
        if scale.lower() != "normal":
            raise ArgumentError(f"stats.median_abs_deviation: scale must be a number or 'normal'; got {scale!r}.")
        scale = float(special.ndtri(0.75))
    middle = (tnp.median if center is None else center)(x, axis=axis)
    middle = middle if axis is None else tnp.expand_dims(middle, axis)
    return tnp.median(tnp.abs(x - middle), axis=axis, keepdims=keepdims) / scale


# ---- of powers and logarithms ----


@numpy_function(scipy.stats.gstd)
def gstd(a: Array, axis: Any = 0, ddof: int = 1, *, keepdims: bool = False, nan_policy: str = "propagate") -> Array:
    check_policy("gstd", nan_policy)
    return tnp.exp(tnp.std(tnp.log(a), axis=axis, ddof=ddof, keepdims=keepdims))


@numpy_function(scipy.stats.kstat)
def kstat(data: Array, n: int = 2, *, axis: Any = None, nan_policy: str = "propagate", keepdims: bool = False) -> Array:
    check_policy("kstat", nan_policy)
    if n not in (1, 2, 3, 4):
        raise ArgumentError(f"stats.kstat: n must be 1, 2, 3 or 4; got {n!r}.")
    data = as_array(data)
    count = float(size_along(data, axis))
    if count < n:  # NaN, as SciPy's
        count = math.nan
    second, third, fourth = (central_moment(data, order, axis) for order in (2, 3, 4))
    found: Array = tnp.mean(data, axis=axis)
    if n == 2:
        found = count / (count - 1) * second
    elif n == 3:
        found = count**2 / ((count - 1) * (count - 2)) * third
    elif n == 4:
        spread = count**2 * ((count + 1) * fourth - 3 * (count - 1) * second**2)
        found = spread / ((count - 1) * (count - 2) * (count - 3))
    return tnp.expand_dims(found, tuple(range(data.ndim)) if axis is None else axis) if keepdims else found


@numpy_function(scipy.stats.boxcox_llf)
def boxcox_llf(
    lmb: Array, data: Array, *, axis: Any = 0, keepdims: bool = False, nan_policy: str = "propagate"
) -> Array:
    check_policy("boxcox_llf", nan_policy)
    data = as_array(data)
    logs = tnp.sum(tnp.log(data), axis=axis, keepdims=keepdims)
    variance = tnp.var(special.boxcox(data, lmb), axis=axis, keepdims=keepdims)
    return (lmb - 1) * logs - size_along(data, axis) / 2 * tnp.log(variance)


@numpy_function(scipy.stats.boxcox)
def boxcox(x: Array, lmbda: Any = None, alpha: Any = None, optimizer: Any = None) -> Array:
    if lmbda is None or alpha is not None:
        raise ArgumentError(
            "stats.boxcox: lmbda must be given on a tape, and alpha must not. For the lmbda that is most likely write "
            "tapenet.scipy.optimize.minimize_scalar of -stats.boxcox_llf."
        )
    return special.boxcox(x, lmbda)


@numpy_function(scipy.stats.differential_entropy)
def differential_entropy(
    values: Array,
    *,
    window_length: Any = None,
    base: Any = None,
    axis: int = 0,
    method: str = "auto",
    nan_policy: str = "propagate",
    keepdims: bool = False,
) -> Array:
    """Compute Vasicek's estimate and its relatives: the mean logarithm of distances of order statistics."""
    check_policy("differential_entropy", nan_policy)
    x = tnp.sort(tnp.moveaxis(as_array(values), axis, -1), axis=-1)
    n = x.shape[-1]
    window = math.floor(math.sqrt(n) + 0.5) if window_length is None else window_length
    if not 2 <= 2 * window < n and (window_length is None or n < 3):
        return without_elements(as_array(values), axis, keepdims)
    if not 2 <= 2 * window < n:
        raise ArgumentError(f"stats.differential_entropy: 2 * window_length must be from 2 to {n - 1}; got {window!r}.")
    if method == "auto":
        method = "van es" if n <= 10 else "ebrahimi" if n <= 1000 else "vasicek"
    if method not in ("vasicek", "van es", "ebrahimi"):
        raise ArgumentError(
            f"stats.differential_entropy: method must be 'auto', 'vasicek', 'van es' or 'ebrahimi'; got {method!r}."
        )
    found = _van_es(x, window) if method == "van es" else _vasicek(x, window, method == "ebrahimi")
    found = found if base is None else found / (tnp.log(base) if holds_tensor(base) else math.log(base))
    return tnp.expand_dims(found, axis) if keepdims else found


def _vasicek(x: Array, m: int, is_weighted: bool) -> Array:
    n = x.shape[-1]
    places = np.arange(n)
    apart = x[..., np.minimum(places + m, n - 1)] - x[..., np.maximum(places - m, 0)]
    near = np.minimum(np.minimum(places, n - 1 - places), m)  # of the order statistics at the ends
    weights = 1 + near / m if is_weighted else np.full(n, 2.0)
    factors = np.asarray(n / (weights * m), x.dtype)
    return tnp.mean(tnp.log(factors * apart), axis=-1)


def _van_es(x: Array, m: int) -> Array:
    n = x.shape[-1]
    apart = x[..., m:] - x[..., :-m]
    terms = tnp.mean(tnp.log((n + 1) / m * apart), axis=-1)
    return terms + (sum(1 / k for k in range(m, n + 1)) + math.log(m) - math.log(n + 1))


# ---- angles ----


def _turned(samples: Array, high: float, low: float) -> Array:
    return (as_array(samples) - low) * (2 * math.pi / (high - low))


def _resultant(angles: Array, axis: Any, keepdims: bool) -> tuple[Array, Array]:
    """Return the mean sine and the mean cosine."""
    sine, cosine = (tnp.mean(x, axis=axis, keepdims=keepdims) for x in (tnp.sin(angles), tnp.cos(angles)))
    return sine, cosine


@numpy_function(scipy.stats.circmean)
def circmean(
    samples: Array,
    high: float = 2 * math.pi,
    low: float = 0,
    axis: Any = None,
    nan_policy: str = "propagate",
    *,
    keepdims: bool = False,
) -> Array:
    check_policy("circmean", nan_policy)
    angle = tnp.arctan2(*_resultant(_turned(samples, high, low), axis, keepdims))
    return tnp.mod(angle, 2 * math.pi) * ((high - low) / (2 * math.pi)) + low


@numpy_function(scipy.stats.circvar)
def circvar(
    samples: Array,
    high: float = 2 * math.pi,
    low: float = 0,
    axis: Any = None,
    nan_policy: str = "propagate",
    *,
    keepdims: bool = False,
) -> Array:
    check_policy("circvar", nan_policy)
    return 1 - tnp.hypot(*_resultant(_turned(samples, high, low), axis, keepdims))


@numpy_function(scipy.stats.circstd)
def circstd(
    samples: Array,
    high: float = 2 * math.pi,
    low: float = 0,
    axis: Any = None,
    nan_policy: str = "propagate",
    *,
    normalize: bool = False,
    keepdims: bool = False,
) -> Array:
    check_policy("circstd", nan_policy)
    length = tnp.hypot(*_resultant(_turned(samples, high, low), axis, keepdims))
    spread = tnp.sqrt(-2 * tnp.log(length))
    return spread if normalize else spread * ((high - low) / (2 * math.pi))


# ---- distances between samples ----


def _steps(u: Array, v: Array, u_weights: Any, v_weights: Any) -> tuple[Array, Array]:
    """Return the distances of all values in their order, and the difference of the distribution functions there."""
    both = tnp.concatenate([tnp.ravel(u), tnp.ravel(v)])
    order = tnp.argsort(both, stable=True)

    def signed(values: Array, weights: Any, sign: float) -> Array:
        weights = tnp.ones(values.size) if weights is None else as_array(weights) * 1.0
        return sign * weights / tnp.sum(weights)

    masses = tnp.concatenate([signed(u, u_weights, 1.0), signed(v, v_weights, -1.0)])
    return tnp.diff(tnp.take(both, order)), tnp.cumsum(tnp.take(masses, order))[:-1]


@numpy_function(scipy.stats.wasserstein_distance)
def wasserstein_distance(u_values: Array, v_values: Array, u_weights: Any = None, v_weights: Any = None) -> Array:
    lengths, apart = _steps(as_array(u_values), as_array(v_values), u_weights, v_weights)
    return tnp.sum(lengths * tnp.abs(apart))


@numpy_function(scipy.stats.energy_distance)
def energy_distance(u_values: Array, v_values: Array, u_weights: Any = None, v_weights: Any = None) -> Array:
    lengths, apart = _steps(as_array(u_values), as_array(v_values), u_weights, v_weights)
    return tnp.sqrt(2 * tnp.sum(lengths * apart * apart))


for _function, _note in (
    (iqr, "Derivative: that of the difference of two quantiles."),
    (trim_mean, "Derivative: 1 over the count of values that are kept; 0 for the others."),
    (median_abs_deviation, "Derivative: that of the medians."),
    (gstd, "Derivative: that of the exponential of the standard deviation of the logarithms."),
    (kstat, "Derivative: that of the central moments."),
    (boxcox_llf, "Derivatives: by lmb and the data, those of the log-likelihood."),
    (boxcox, "Derivatives: by x and lmbda, that of (x^lmbda - 1) / lmbda; lmbda must be given."),
    (differential_entropy, "Derivative: that of the mean logarithm of the distances of order statistics."),
    (circmean, "Derivative: that of the angle of the mean direction."),
    (circvar, "Derivative: that of 1 less the length of the mean direction."),
    (circstd, "Derivative: that of the root of -2 log(length of the mean direction)."),
    (wasserstein_distance, "Derivatives: by values and weights, at fixed order."),
    (energy_distance, "Derivatives: by values and weights, at fixed order."),
):
    published(_function, scipy.stats, _function.__name__, _note)
