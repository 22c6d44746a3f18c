"""Tests of hypotheses: statistics and p-values as functions of the samples, and what depends on ranks alone."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import scipy.stats

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, numpy_function
from tapenet.core.nondifferentiable import nondifferentiable
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy import special
from tapenet.scipy.placing import published
from tapenet.scipy.stats.descriptive import check_policy, kurtosis, size_along, skew

Function = Callable[..., Any]


class HypothesisResult(NamedTuple):
    """The result of a test: its statistic and p-value."""

    statistic: Array
    pvalue: Array


class TtestResult(HypothesisResult):
    """The result of a t-test: its statistic and p-value; `df` has the degrees of freedom."""

    df: Array

    @classmethod
    def of(cls, statistic: Array, df: Array, alternative: str) -> TtestResult:
        """Return the result of a statistic with Student's distribution."""
        made = cls(statistic, of_tails(functools.partial(special.stdtr, df), statistic, alternative))
        made.df = df
        return made


def of_tails(cdf: Function, z: Array, alternative: str) -> Array:
    """Return the p-value of a statistic with a symmetric distribution."""
    if alternative == "two-sided":
        return 2 * cdf(-tnp.abs(z))
    if alternative == "less":
        return cdf(z)
    if alternative == "greater":
        return cdf(-z)
    raise ArgumentError(f"stats: alternative must be 'two-sided', 'less' or 'greater'; got {alternative!r}.")


def _mean(x: Array, axis: Any, keepdims: bool) -> Array:
    return tnp.mean(x, axis=axis, keepdims=keepdims)


# ---- t ----


@numpy_function(scipy.stats.ttest_1samp)
def ttest_1samp(
    a: Array,
    popmean: Array,
    axis: Any = 0,
    nan_policy: str = "propagate",
    alternative: str = "two-sided",
    *,
    keepdims: bool = False,
) -> TtestResult:
    check_policy("ttest_1samp", nan_policy)
    a = as_array(a)
    n = size_along(a, axis)
    spread = tnp.sqrt(tnp.var(a, axis=axis, ddof=1, keepdims=keepdims) / n)
    return TtestResult.of((_mean(a, axis, keepdims) - popmean) / spread, n - 1.0, alternative)


@numpy_function(scipy.stats.ttest_rel)
def ttest_rel(
    a: Array,
    b: Array,
    axis: Any = 0,
    nan_policy: str = "propagate",
    alternative: str = "two-sided",
    *,
    keepdims: bool = False,
) -> TtestResult:
    check_policy("ttest_rel", nan_policy)
    return ttest_1samp(as_array(a) - as_array(b), 0.0, axis, alternative=alternative, keepdims=keepdims)


@numpy_function(scipy.stats.ttest_ind)
def ttest_ind(
    a: Array,
    b: Array,
    *,
    axis: Any = 0,
    equal_var: bool = True,
    nan_policy: str = "propagate",
    alternative: str = "two-sided",
    trim: float = 0,
    method: Any = None,
    keepdims: bool = False,
) -> TtestResult:
    check_policy("ttest_ind", nan_policy)
    if trim or method is not None:
        raise ArgumentError(f"stats.ttest_ind: trim must be 0 and method None on a tape; got {trim!r}, {method!r}.")
    a, b = as_array(a), as_array(b)
    n, m = (size_along(x, axis) or math.nan for x in (a, b))  # NaN without elements, as SciPy's
    of_a, of_b = (tnp.var(x, axis=axis, ddof=1, keepdims=keepdims) for x in (a, b))
    if equal_var:
        df: Array = n + m - 2.0
        variance = ((n - 1) * of_a + (m - 1) * of_b) / df * (1 / n + 1 / m)
    else:
        variance = of_a / n + of_b / m
        df = variance**2 / ((of_a / n) ** 2 / (n - 1) + (of_b / m) ** 2 / (m - 1))
    apart = _mean(a, axis, keepdims) - _mean(b, axis, keepdims)
    return TtestResult.of(apart / tnp.sqrt(variance), df, alternative)


# ---- F and chi squared ----


@numpy_function(scipy.stats.f_oneway)
def f_oneway(*samples: Array, axis: Any = 0, equal_var: bool = True, nan_policy: str = "propagate") -> HypothesisResult:
    check_policy("f_oneway", nan_policy)
    if not equal_var or len(samples) < 2:
        raise ArgumentError("stats.f_oneway: equal_var must be True on a tape, and samples at least two.")
    arrays = [as_array(x) for x in samples]
    counts = [size_along(x, axis) for x in arrays]
    means = [tnp.mean(x, axis=axis, keepdims=True) for x in arrays]
    total = sum(n * mean for n, mean in zip(counts, means, strict=True)) / sum(counts)
    between = sum(n * (mean - total) ** 2 for n, mean in zip(counts, means, strict=True))
    within = sum(tnp.sum((x - mean) ** 2, axis=axis) for x, mean in zip(arrays, means, strict=True))
    first, second = len(arrays) - 1, sum(counts) - len(arrays)
    statistic = tnp.squeeze(between, axis) / first / (within / second)
    return HypothesisResult(statistic, special.fdtrc(first, second, statistic))


_POWERS = {
    "pearson": 1.0,
    "log-likelihood": 0.0,
    "freeman-tukey": -0.5,
    "mod-log-likelihood": -1.0,
    "neyman": -2.0,
    "cressie-read": 2 / 3,
}


@numpy_function(scipy.stats.power_divergence)
def power_divergence(
    f_obs: Array,
    f_exp: Array = None,
    ddof: Any = 0,
    axis: Any = 0,
    lambda_: Any = None,
    *,
    nan_policy: str = "propagate",
    keepdims: bool = False,
) -> HypothesisResult:
    check_policy("power_divergence", nan_policy)
    power = 1.0 if lambda_ is None else _POWERS.get(lambda_, lambda_) if isinstance(lambda_, str) else lambda_
    if isinstance(power, str):
        raise ArgumentError(f"stats.power_divergence: lambda_ must be one of {', '.join(_POWERS)}; got {power!r}.")
    observed = as_array(f_obs) * 1.0
    expected = tnp.mean(observed, axis=axis, keepdims=True) if f_exp is None else as_array(f_exp) * 1.0
    terms = _divergences(observed, expected, power)
    statistic = tnp.sum(terms, axis=axis, keepdims=keepdims)
    return HypothesisResult(statistic, special.chdtrc(size_along(terms, axis) - 1.0 - ddof, statistic))


def _divergences(observed: Array, expected: Array, power: Any) -> Array:
    if power == 1:
        return (observed - expected) ** 2 / expected
    if power == 0:
        return 2 * special.xlogy(observed, observed / expected)
    if power == -1:
        return 2 * special.xlogy(expected, expected / observed)
    return observed * ((observed / expected) ** power - 1) / (power * (power + 1) / 2)


@numpy_function(scipy.stats.chisquare)
def chisquare(
    f_obs: Array,
    f_exp: Array = None,
    ddof: Any = 0,
    axis: Any = 0,
    *,
    sum_check: bool = True,
    nan_policy: str = "propagate",
    keepdims: bool = False,
) -> HypothesisResult:
    return power_divergence(f_obs, f_exp, ddof, axis, nan_policy=nan_policy, keepdims=keepdims)


@numpy_function(scipy.stats.jarque_bera)
def jarque_bera(
    x: Array, *, axis: Any = None, nan_policy: str = "propagate", keepdims: bool = False
) -> HypothesisResult:
    check_policy("jarque_bera", nan_policy)
    x = as_array(x)
    tails = skew(x, axis, keepdims=keepdims) ** 2 + kurtosis(x, axis, keepdims=keepdims) ** 2 / 4
    statistic = size_along(x, axis) / 6 * tails
    return HypothesisResult(statistic, special.chdtrc(2.0, statistic))


# ---- regression ----


class Line(NamedTuple):
    """A line that is fitted, with the correlation, its p-value and the standard error of the slope."""

    slope: Array
    intercept: Array
    rvalue: Array
    pvalue: Array
    stderr: Array


class LinregressResult(Line):
    """The result of `linregress`: a line; `intercept_stderr` has the standard error of the intercept."""

    intercept_stderr: Array


@numpy_function(scipy.stats.linregress)
def linregress(x: Array, y: Array, alternative: str = "two-sided") -> LinregressResult:
    x, y = as_array(x) * 1.0, as_array(y) * 1.0
    if x.ndim != 1 or x.shape != y.shape:
        raise ArgumentError(f"stats.linregress: x and y must be of one length on a tape; got {x.shape} and {y.shape}.")
    n = x.shape[0]
    if n < 2:  # NaN, as SciPy's
        none = (tnp.sum(x) + tnp.sum(y)) * math.nan
        made = LinregressResult(*[none] * 5)
        made.intercept_stderr = none
        return made
    if n == 2:
        return _through_two(x, y)
    across, up = tnp.mean(x), tnp.mean(y)
    squares, products, others = (
        tnp.mean(a * b) for a, b in ((x - across, x - across), (x - across, y - up), (y - up, y - up))
    )
    slope, r = products / squares, products / tnp.sqrt(squares * others)
    spare = (1 - r) * (1 + r)
    result = TtestResult.of(r * tnp.sqrt((n - 2) / spare), n - 2.0, alternative)
    error = tnp.sqrt(spare * others / squares / (n - 2))
    of_intercept = error * tnp.sqrt(squares + across * across)
    made = LinregressResult(slope, up - slope * across, r, result.pvalue, error)
    made.intercept_stderr = of_intercept
    return made


def _through_two(x: Array, y: Array) -> LinregressResult:
    """Return the line through two points, which it fits exactly: the correlation is 1 or -1, or NaN of a level line."""
    slope = (y[1] - y[0]) / (x[1] - x[0])
    nothing = slope * 0.0
    level = tnp.asarray(slope == 0)
    side, pvalue = tnp.where(level, math.nan, tnp.sign(slope)), tnp.where(level, 1.0, nothing)
    made = LinregressResult(slope, y[0] - slope * x[0], side, pvalue, nothing)
    made.intercept_stderr = nothing
    return made


_OF_SAMPLES = "Derivatives: of the statistic and the p-value by the samples{}."
for _function, _beside in (
    (ttest_1samp, " and the mean that is tested"),
    (ttest_rel, ""),
    (ttest_ind, ""),
    (f_oneway, ""),
    (jarque_bera, ""),
):
    published(_function, scipy.stats, _function.__name__, _OF_SAMPLES.format(_beside))
_OF_FREQUENCIES = "Derivatives: of the statistic and the p-value by the frequencies, observed and expected."
published(power_divergence, scipy.stats, "power_divergence", _OF_FREQUENCIES)
published(chisquare, scipy.stats, "chisquare", _OF_FREQUENCIES)
published(linregress, scipy.stats, "linregress", "Derivatives: of all that it gives, by x and y.")


# ---- of ranks ----


def _of_ranks(name: str) -> Function:
    """Declare a function that depends on the order of values alone: SciPy's of the values."""
    function = nondifferentiable(getattr(scipy.stats, name), name=f"stats.{name}")
    note = "No derivative: it depends on the order of the values alone, and gives plain numbers."
    return published(function, scipy.stats, name, note)


ansari = _of_ranks("ansari")
brunnermunzel = _of_ranks("brunnermunzel")
cramervonmises_2samp = _of_ranks("cramervonmises_2samp")
friedmanchisquare = _of_ranks("friedmanchisquare")
kendalltau = _of_ranks("kendalltau")
kruskal = _of_ranks("kruskal")
ks_2samp = _of_ranks("ks_2samp")
mannwhitneyu = _of_ranks("mannwhitneyu")
median_test = _of_ranks("median_test")
mood = _of_ranks("mood")
page_trend_test = _of_ranks("page_trend_test")
rankdata = _of_ranks("rankdata")
ranksums = _of_ranks("ranksums")
somersd = _of_ranks("somersd")
spearmanr = _of_ranks("spearmanr")
tiecorrect = _of_ranks("tiecorrect")
weightedtau = _of_ranks("weightedtau")
wilcoxon = _of_ranks("wilcoxon")
