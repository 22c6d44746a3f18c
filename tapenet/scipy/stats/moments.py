"""Descriptive functions with limits, and tests of skewness and kurtosis."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import scipy.stats

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, numpy_function
from tapenet.core.nondifferentiable import constant
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy import special
from tapenet.scipy.placing import published
from tapenet.scipy.stats.descriptive import check_policy, kurtosis, size_along, skew, zscore
from tapenet.scipy.stats.hypotheses import HypothesisResult, of_tails

# ---- within limits ----


def _within(a: Array, limits: Any, inclusive: tuple[bool, bool]) -> Array:
    """Return where values are between limits, which are None, or one of which is."""
    low, high = (None, None) if limits is None else limits
    values = constant(a)
    kept = np.ones(np.shape(values), bool)
    if low is not None:
        kept = kept & tnp.asarray(values >= low if inclusive[0] else values > low)
    if high is not None:
        kept = kept & tnp.asarray(values <= high if inclusive[1] else values < high)
    return kept


def _counted(function: str, a: Any, limits: Any, inclusive: Any, axis: Any, policy: str) -> tuple[Array, Array, Array]:
    """Return the array, where it is kept, and the count of what is, NaN where there is none."""
    check_policy(function, policy)
    a = as_array(a) * 1.0
    kept = _within(a, limits, inclusive)
    count = tnp.sum((kept * 1.0).astype(a.dtype), axis=axis, keepdims=True)
    return a, kept, tnp.where(count > 0, count, math.nan)


def _squeezed(found: Array, axis: Any, keepdims: bool) -> Array:
    return found if keepdims else tnp.squeeze(found, axis=axis)


def _mean_within(a: Array, kept: Array, count: Array, axis: Any) -> Array:
    return tnp.sum(tnp.where(kept, a, 0.0), axis=axis, keepdims=True) / count


def _var_within(a: Array, kept: Array, count: Array, axis: Any, ddof: int) -> Array:
    apart = tnp.where(kept, a - _mean_within(a, kept, count, axis), 0.0)
    return tnp.sum(apart * apart, axis=axis, keepdims=True) / tnp.where(count > ddof, count - ddof, math.nan)


@numpy_function(scipy.stats.tmean)
def tmean(
    a: Array,
    limits: Any = None,
    inclusive: tuple[bool, bool] = (True, True),
    axis: Any = None,
    *,
    nan_policy: str = "propagate",
    keepdims: bool = False,
) -> Array:
    a, kept, count = _counted("tmean", a, limits, inclusive, axis, nan_policy)
    return _squeezed(_mean_within(a, kept, count, axis), axis, keepdims)


@numpy_function(scipy.stats.tvar)
def tvar(
    a: Array,
    limits: Any = None,
    inclusive: tuple[bool, bool] = (True, True),
    axis: Any = 0,
    ddof: int = 1,
    *,
    nan_policy: str = "propagate",
    keepdims: bool = False,
) -> Array:
    a, kept, count = _counted("tvar", a, limits, inclusive, axis, nan_policy)
    return _squeezed(_var_within(a, kept, count, axis, ddof), axis, keepdims)


@numpy_function(scipy.stats.tstd)
def tstd(
    a: Array,
    limits: Any = None,
    inclusive: tuple[bool, bool] = (True, True),
    axis: Any = 0,
    ddof: int = 1,
    *,
    nan_policy: str = "propagate",
    keepdims: bool = False,
) -> Array:
    return tnp.sqrt(tvar(as_array(a), limits, inclusive, axis, ddof, nan_policy=nan_policy, keepdims=keepdims))


@numpy_function(scipy.stats.tsem)
def tsem(
    a: Array,
    limits: Any = None,
    inclusive: tuple[bool, bool] = (True, True),
    axis: Any = 0,
    ddof: int = 1,
    *,
    nan_policy: str = "propagate",
    keepdims: bool = False,
) -> Array:
    a, kept, count = _counted("tsem", a, limits, inclusive, axis, nan_policy)
    return _squeezed(tnp.sqrt(_var_within(a, kept, count, axis, ddof) / count), axis, keepdims)


# ---- summaries ----


class DescribeResult(NamedTuple):
    """What `describe` finds."""

    nobs: int
    minmax: tuple[Array, Array]
    mean: Array
    variance: Array
    skewness: Array
    kurtosis: Array


@numpy_function(scipy.stats.describe)
def describe(
    a: Array, axis: Any = 0, ddof: int = 1, bias: bool = True, nan_policy: str = "propagate"
) -> DescribeResult:
    check_policy("describe", nan_policy)
    a = as_array(a) * 1.0
    if not a.size:
        raise ArgumentError("stats.describe: a must have elements; got none.")
    ends = tnp.min(a, axis=axis), tnp.max(a, axis=axis)
    tails = skew(a, axis, bias), kurtosis(a, axis, bias=bias)
    return DescribeResult(size_along(a, axis), ends, tnp.mean(a, axis=axis), tnp.var(a, axis=axis, ddof=ddof), *tails)


@numpy_function(scipy.stats.gzscore)
def gzscore(a: Array, *, axis: Any = 0, ddof: int = 0, nan_policy: str = "propagate") -> Array:
    check_policy("gzscore", nan_policy)
    return zscore(tnp.log(as_array(a)), axis, ddof)


# ---- tests of the normal distribution ----


def _skew_score(x: Array, axis: Any, keepdims: bool) -> Array:
    """Transform the skewness to a normal score. Source: D'Agostino, Biometrika 57 (1970)."""
    n = float(size_along(x, axis))
    if n < 8:
        raise ArgumentError(f"stats.skewtest: samples must have 8 elements at least; got {n:.0f}.")
    y = skew(x, axis, keepdims=keepdims) * math.sqrt((n + 1) * (n + 3) / (6 * (n - 2)))
    beta = 3 * (n * n + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2) * (n + 5) * (n + 7) * (n + 9))
    square = math.sqrt(2 * (beta - 1)) - 1
    return tnp.arcsinh(y * math.sqrt((square - 1) / 2)) / math.sqrt(math.log(square) / 2)


def _kurtosis_score(x: Array, axis: Any, keepdims: bool) -> Array:
    """Transform the kurtosis to a normal score. Source: Anscombe and Glynn, Biometrika 70 (1983)."""
    n = float(size_along(x, axis))
    if n < 5:
        raise ArgumentError(f"stats.kurtosistest: samples must have 5 elements at least; got {n:.0f}.")
    mean = 3 * (n - 1) / (n + 1)
    spread = 24 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    standard = (kurtosis(x, axis, fisher=False, keepdims=keepdims) - mean) / math.sqrt(spread)
    third = 6 * (n * n - 5 * n + 2) / ((n + 7) * (n + 9)) * math.sqrt(6 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3)))
    a = 6 + 8 / third * (2 / third + math.sqrt(1 + 4 / third**2))
    scale = 1 + standard * math.sqrt(2 / (a - 4))
    root = tnp.sign(scale) * special.cbrt((1 - 2 / a) / tnp.abs(scale))
    return (1 - 2 / (9 * a) - root) / math.sqrt(2 / (9 * a))


@numpy_function(scipy.stats.skewtest)
def skewtest(
    a: Array,
    axis: Any = 0,
    nan_policy: str = "propagate",
    alternative: str = "two-sided",
    *,
    keepdims: bool = False,
) -> HypothesisResult:
    check_policy("skewtest", nan_policy)
    score = _skew_score(as_array(a), axis, keepdims)
    return HypothesisResult(score, of_tails(special.ndtr, score, alternative))


@numpy_function(scipy.stats.kurtosistest)
def kurtosistest(
    a: Array,
    axis: Any = 0,
    nan_policy: str = "propagate",
    alternative: str = "two-sided",
    *,
    keepdims: bool = False,
) -> HypothesisResult:
    check_policy("kurtosistest", nan_policy)
    score = _kurtosis_score(as_array(a), axis, keepdims)
    return HypothesisResult(score, of_tails(special.ndtr, score, alternative))


@numpy_function(scipy.stats.normaltest)
def normaltest(a: Array, axis: Any = 0, nan_policy: str = "propagate", *, keepdims: bool = False) -> HypothesisResult:
    check_policy("normaltest", nan_policy)
    a = as_array(a)
    statistic = _skew_score(a, axis, keepdims) ** 2 + _kurtosis_score(a, axis, keepdims) ** 2
    return HypothesisResult(statistic, tnp.exp(-statistic / 2))


_WITHIN = "Derivative: that of the {} of the values within the limits; 0 for the others."
for _function, _note in (
    (tmean, _WITHIN.format("mean")),
    (tvar, _WITHIN.format("variance")),
    (tstd, _WITHIN.format("standard deviation")),
    (tsem, _WITHIN.format("standard error of the mean")),
    (describe, "Derivatives: of all that it gives but the count."),
    (gzscore, "Derivative: that of zscore of the logarithms."),
    (skewtest, "Derivatives: of the statistic and the p-value by the samples."),
    (kurtosistest, "Derivatives: of the statistic and the p-value by the samples."),
    (normaltest, "Derivatives: of the statistic and the p-value by the samples."),
):
    published(_function, scipy.stats, _function.__name__, _note)
