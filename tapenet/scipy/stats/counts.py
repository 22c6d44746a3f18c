"""Further discrete distributions: of urns, mixtures, differences, powers; by the parameters that are not counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special

import tapenet.numpy as tnp
from tapenet.core.families import elementwise
from tapenet.core.primitive import Array
from tapenet.scipy import special
from tapenet.scipy.special.helpers import as_columns, guarded
from tapenet.scipy.stats.discrete import largest, log_choose, sum_of_surprise
from tapenet.scipy.stats.distribution import Formula, discrete
from tapenet.scipy.stats.expectations import exists, surprise
from tapenet.scipy.stats.integrals import in_double
from tapenet.scipy.stats.noncentral import ncx2_cdf, ncx2_logpdf, ncx2_sf

_LOG_2 = math.log(2)


def _sums(logpmf: Formula, upper: Formula, first: int = 0) -> tuple[Formula, Formula, Formula]:
    """Return the distribution function, 1 less it and the entropy, as sums over a support from `first` to `upper`."""

    def of(is_lower: bool) -> Formula:
        def total(k: Array, *shapes: Array) -> Array:
            place, last, *columns = as_columns(k, upper(*shapes), *shapes)
            each = np.arange(first, largest(last) + 1.0)
            wanted = ((each <= place) == is_lower) & (each <= last)
            logarithm = logpmf(guarded(wanted, each + 0 * last, float(first)), *columns)
            return tnp.sum(tnp.where(wanted, tnp.exp(logarithm), 0.0), axis=-1)

        return total

    return of(True), of(False), sum_of_surprise(logpmf, upper, first)


# ---- coins, dice and urns ----


def _bernoulli(k: Array, zero: Array, one: Array) -> Array:
    return tnp.where(tnp.asarray(k < 1), zero, one)


bernoulli = discrete(
    "bernoulli",
    "p",
    lower=0.0,
    upper=1.0,
    valid=lambda p: tnp.asarray((p >= 0) & (p <= 1)),
    logpmf=lambda k, p: _bernoulli(k, tnp.log1p(-p), tnp.log(p)),
    pmf=lambda k, p: _bernoulli(k, 1 - p, p),
    cdf=lambda k, p: _bernoulli(k, 1 - p, 1.0 + 0 * p),
    sf=lambda k, p: _bernoulli(k, p, 0 * p),
    mean=lambda p: p,
    var=lambda p: p * (1 - p),
    entropy=lambda p: special.entr(p) + special.entr(1 - p),
)


def _uniform_share(k: Array, low: Array, high: Array) -> Array:
    return (k - low + 1.0) / (high - low)


randint = discrete(
    "randint",
    "low high",
    integers=("low", "high"),
    lower=lambda low, high: low,
    upper=lambda low, high: high - 1,
    valid=lambda low, high: tnp.asarray((high > low) & (low == tnp.floor(low)) & (high == tnp.floor(high))),
    logpmf=lambda k, low, high: -tnp.log(high - low + 0 * k),
    cdf=_uniform_share,
    sf=lambda k, low, high: (high - 1.0 - k) / (high - low),
    mean=lambda low, high: (low + high - 1) / 2,
    var=lambda low, high: ((high - low) ** 2 - 1) / 12,
    entropy=lambda low, high: tnp.log(high - low),
)


def _nhypergeom_logpmf(k: Array, total: Array, good: Array, bad: Array) -> Array:
    drawn = tnp.asarray((k > 0) | (bad > 0))
    before = -special.betaln(guarded(drawn, bad, 1.0) * 1.0, k + 1.0) - tnp.log(guarded(drawn, k + bad, 1.0))
    found = before + log_choose(total - bad - k, good - k) - log_choose(total, good)
    return tnp.where(tnp.asarray(bad > 0), found, tnp.where(tnp.asarray(k > 0), -np.inf, 0.0))


_nhypergeom_cdf, _nhypergeom_sf, _nhypergeom_entropy = _sums(
    _nhypergeom_logpmf, lambda total, good, bad: good + 0 * (total + bad)
)
nhypergeom = discrete(
    "nhypergeom",
    "M n r",
    integers=("M", "n", "r"),
    lower=0.0,
    upper=lambda total, good, bad: good,
    valid=lambda total, good, bad: tnp.asarray((good >= 0) & (good <= total) & (bad >= 0) & (bad <= total - good)),
    logpmf=_nhypergeom_logpmf,
    cdf=_nhypergeom_cdf,
    sf=_nhypergeom_sf,
    mean=lambda total, good, bad: bad * good / (total - good + 1),
    var=lambda total, good, bad: (
        bad * (total + 1) * good / ((total - good + 1) * (total - good + 2)) * (1 - bad / (total - good + 1))
    ),
    entropy=_nhypergeom_entropy,
)


def _urn_weight(k: Array, total: Array, good: Array, draws: Array, odds: Array) -> Array:
    """Compute the logarithm of a weight of Fisher's distribution, minus infinity where there are no such draws."""
    bad = total - good
    possible = tnp.asarray((k <= good) & (k <= draws) & (draws - k <= bad))
    k = guarded(possible, k + 0 * (good + draws), 0.0)
    rest = guarded(possible, draws - k, 0.0)
    found = log_choose(good, k) + log_choose(bad, rest) + k * tnp.log(odds)
    return tnp.where(possible, found, -np.inf)


def _fisher_logpmf(k: Array, total: Array, good: Array, draws: Array, odds: Array) -> Array:
    columns = as_columns(total, good, draws, odds)
    each = np.arange(largest(tnp.minimum(good, draws)) + 1.0)
    weights = special.logsumexp(_urn_weight(each, *columns), axis=-1)
    return _urn_weight(k, total, good, draws, odds) - weights


def _fisher_moment(power: int) -> Formula:
    def moment(total: Array, good: Array, draws: Array, odds: Array) -> Array:
        each = np.arange(largest(tnp.minimum(good, draws)) + 1.0)
        logarithm = _fisher_logpmf(each, *as_columns(total, good, draws, odds))
        return tnp.sum(each**power * tnp.exp(logarithm), axis=-1)

    return moment


_fisher_mean, _fisher_square = _fisher_moment(1), _fisher_moment(2)
_fisher_cdf, _fisher_sf, _fisher_entropy = _sums(
    _fisher_logpmf, lambda total, good, draws, odds: tnp.minimum(good, draws) + 0 * (total + odds)
)
nchypergeom_fisher = discrete(
    "nchypergeom_fisher",
    "M n N odds",
    integers=("M", "n", "N"),
    lower=lambda total, good, draws, odds: tnp.maximum(draws - (total - good), 0.0),
    upper=lambda total, good, draws, odds: tnp.minimum(good, draws),
    valid=lambda total, good, draws, odds: tnp.asarray(
        (good >= 0) & (good <= total) & (draws >= 0) & (draws <= total) & (odds > 0)
    ),
    logpmf=_fisher_logpmf,
    cdf=_fisher_cdf,
    sf=_fisher_sf,
    mean=_fisher_mean,
    var=lambda *shapes: _fisher_square(*shapes) - _fisher_mean(*shapes) ** 2,
    entropy=_fisher_entropy,
)

# ---- mixed over the beta distribution ----


def _betabinom_logpmf(k: Array, n: Array, a: Array, b: Array) -> Array:
    inside = tnp.asarray(k <= n)
    k = guarded(inside, k + 0 * n, 0.0)
    found = log_choose(n, k) + special.betaln(k + a, n - k + b) - special.betaln(a, b)
    return tnp.where(inside, found, -np.inf)


_betabinom_cdf, _betabinom_sf, _betabinom_entropy = _sums(_betabinom_logpmf, lambda n, a, b: n + 0 * (a + b))
betabinom = discrete(
    "betabinom",
    "n a b",
    integers=("n",),
    lower=0.0,
    upper=lambda n, a, b: n,
    valid=lambda n, a, b: tnp.asarray((n >= 0) & (n == tnp.floor(n)) & (a > 0) & (b > 0)),
    logpmf=_betabinom_logpmf,
    cdf=_betabinom_cdf,
    sf=_betabinom_sf,
    mean=lambda n, a, b: n * a / (a + b),
    var=lambda n, a, b: n * (a + b + n) * a * b / ((a + b) ** 2 * (a + b + 1)),
    entropy=_betabinom_entropy,
)


def _betanbinom_logpmf(k: Array, n: Array, a: Array, b: Array) -> Array:
    counted = -tnp.log(n + k) - special.betaln(n * 1.0, k + 1.0)
    return counted + special.betaln(a + n, b + k) - special.betaln(a, b)


def _betanbinom_cdf(k: Array, n: Array, a: Array, b: Array) -> Array:
    place, *columns = as_columns(k, n, a, b)
    each = np.arange(largest(k) + 1.0)
    return tnp.sum(tnp.where(each <= place, tnp.exp(_betanbinom_logpmf(each, *columns)), 0.0), axis=-1)


def _betanbinom_sf(k: Array, n: Array, a: Array, b: Array) -> Array:
    """Sum the probabilities of less than n successes among n + k draws, mixed over the beta distribution."""
    place, last, *columns = as_columns(k, n, a, b)
    each = np.arange(largest(last))
    wanted = each < last
    logarithm = _betabinom_logpmf(guarded(wanted, each + 0 * last, 0.0), place + last, *columns)
    return tnp.sum(tnp.where(wanted, tnp.exp(logarithm), 0.0), axis=-1)


def _betanbinom_var(n: Array, a: Array, b: Array) -> Array:
    high = guarded(a > 2, a, 3.0)
    return exists(a > 2, n * b * (n + high - 1) * (high + b - 1) / ((high - 2) * (high - 1) ** 2), a + b + n)


betanbinom = discrete(
    "betanbinom",
    "n a b",
    integers=("n",),
    lower=0.0,
    valid=lambda n, a, b: tnp.asarray((n >= 0) & (n == tnp.floor(n)) & (a > 0) & (b > 0)),
    logpmf=_betanbinom_logpmf,
    cdf=_betanbinom_cdf,
    sf=_betanbinom_sf,
    mean=lambda n, a, b: exists(a > 1, n * b / (guarded(a > 1, a, 2.0) - 1), a + b + n),
    var=_betanbinom_var,
)

# ---- geometric on a part of the integers ----

planck = discrete(
    "planck",
    "lambda_",
    lower=0.0,
    logpmf=lambda k, rate: tnp.log(-tnp.expm1(-rate)) - rate * k,
    cdf=lambda k, rate: -tnp.expm1(-rate * (k + 1)),
    sf=lambda k, rate: tnp.exp(-rate * (k + 1)),
    logsf=lambda k, rate: -rate * (k + 1),
    mean=lambda rate: 1 / tnp.expm1(rate),
    var=lambda rate: 1 / (4 * tnp.sinh(rate / 2) ** 2),
    entropy=lambda rate: rate / tnp.expm1(rate) - tnp.log(-tnp.expm1(-rate)),
)
boltzmann = discrete(
    "boltzmann",
    "lambda_ N",
    integers=("N",),
    lower=0.0,
    upper=lambda rate, n: n - 1,
    valid=lambda rate, n: tnp.asarray((rate > 0) & (n > 0) & (n == tnp.floor(n))),
    logpmf=lambda k, rate, n: tnp.log(tnp.expm1(-rate) / tnp.expm1(-rate * n)) - rate * k,
    cdf=lambda k, rate, n: tnp.expm1(-rate * (k + 1)) / tnp.expm1(-rate * n),
    sf=lambda k, rate, n: tnp.exp(-rate * (k + 1)) * tnp.expm1(-rate * (n - 1 - k)) / tnp.expm1(-rate * n),
    mean=lambda rate, n: 1 / tnp.expm1(rate) - n / tnp.expm1(rate * n),
    var=lambda rate, n: 1 / (4 * tnp.sinh(rate / 2) ** 2) - (n / (2 * tnp.sinh(rate * n / 2))) ** 2,
    entropy=lambda rate, n: (
        rate * (1 / tnp.expm1(rate) - n / tnp.expm1(rate * n)) - tnp.log(tnp.expm1(-rate) / tnp.expm1(-rate * n))
    ),
)
dlaplace = discrete(
    "dlaplace",
    "a",
    logpmf=lambda k, a: tnp.log(tnp.tanh(a / 2)) - a * tnp.abs(k),
    cdf=lambda k, a: _dlaplace_mass(k, a),
    sf=lambda k, a: _dlaplace_mass(-k - 1, a),
    mean=lambda a: 0 * a,
    var=lambda a: 1 / (2 * tnp.sinh(a / 2) ** 2),
    entropy=lambda a: a / tnp.sinh(a) - tnp.log(tnp.tanh(a / 2)),
)


def _dlaplace_mass(k: Array, a: Array) -> Array:
    """Compute the probability of k at most, from the tail beyond it where k is 0 at least."""
    low = tnp.asarray(k < 0)
    tail = tnp.exp(-a * tnp.where(low, -k, k + 1)) * special.expit(a)
    return tnp.where(low, tail, 1 - tail)


# ---- powers and logarithms ----


def _log_tail(k: Any, p: Any) -> Any:
    """Compute the sum of p^j / j over j above k."""
    return scipy.special.betainc(k + 1, 1e-100, p) * scipy.special.beta(k + 1, 1e-100)


_logser_tail: Any = elementwise(
    in_double(_log_tail),
    None,
    lambda t, k, p: t * (tnp.power(p, k) / (1 - p)),
    name="stats.logser.tail",
    operands=("k", "p"),
)


def _logser_cdf(k: Array, p: Array) -> Array:
    place, column = as_columns(k, p)
    each = np.arange(1.0, largest(k) + 1.0)
    return tnp.sum(tnp.where(each <= place, tnp.power(column, each) / each, 0.0), axis=-1) / -tnp.log1p(-p)


def _logser_logpmf(k: Array, p: Array) -> Array:
    return k * tnp.log(p) - tnp.log(k) - tnp.log(-tnp.log1p(-p))


def _logser_mean(p: Array) -> Array:
    return -p / ((1 - p) * tnp.log1p(-p))


logser = discrete(
    "logser",
    "p",
    lower=1.0,
    valid=lambda p: tnp.asarray((p > 0) & (p < 1)),
    logpmf=_logser_logpmf,
    cdf=_logser_cdf,
    sf=lambda k, p: _logser_tail(k, p) / -tnp.log1p(-p),
    mean=_logser_mean,
    var=lambda p: _logser_mean(p) / (1 - p) - _logser_mean(p) ** 2,
    entropy=sum_of_surprise(_logser_logpmf, lambda p: 45 / -tnp.log(p) + 30, first=1),
)


def _yulesimon_var(alpha: Array) -> Array:
    high = guarded(alpha > 2, alpha, 3.0)
    found = high * high / ((high - 2) * (high - 1) ** 2)
    return exists(alpha > 2, found, alpha, tnp.where(alpha > 1, np.inf, np.nan))


yulesimon = discrete(
    "yulesimon",
    "alpha",
    lower=1.0,
    logpmf=lambda k, alpha: tnp.log(alpha) + special.betaln(k, alpha + 1),
    cdf=lambda k, alpha: 1 - k * special.beta(k, alpha + 1),
    sf=lambda k, alpha: k * special.beta(k, alpha + 1),
    logsf=lambda k, alpha: tnp.log(k) + special.betaln(k, alpha + 1),
    mean=lambda alpha: exists(alpha > 1, 1 + 1 / (guarded(alpha > 1, alpha, 2.0) - 1), alpha),
    var=_yulesimon_var,
)


def _zipf_moment(a: Array, n: int) -> Array:
    usual = guarded(a > n + 1, a, n + 2.0)
    return exists(a > n + 1, special.zeta(usual - n, 1.0) / special.zeta(usual, 1.0), a)


zipf = discrete(
    "zipf",
    "a",
    lower=1.0,
    valid=lambda a: tnp.asarray(a > 1),
    logpmf=lambda k, a: -a * tnp.log(k) - tnp.log(special.zeta(a, 1.0)),
    cdf=lambda k, a: 1 - special.zeta(a, k + 1.0) / special.zeta(a, 1.0),
    sf=lambda k, a: special.zeta(a, k + 1.0) / special.zeta(a, 1.0),
    mean=lambda a: _zipf_moment(a, 1),
    var=lambda a: _zipf_moment(a, 2) - guarded(a > 3, _zipf_moment(a, 1), 0.0) ** 2,
)


def _harmonic(a: Array, n: Array) -> Array:
    """Compute the sum of k^-a from 1 to n."""
    power, last = as_columns(a, n)
    each = np.arange(1.0, largest(n) + 1.0)
    return tnp.sum(tnp.where(each <= last, tnp.power(each, -power), 0.0), axis=-1)


def _zipfian_logpmf(k: Array, a: Array, n: Array) -> Array:
    return -a * tnp.log(k) - tnp.log(_harmonic(a, n))


_zipfian_cdf, _zipfian_sf, _zipfian_entropy = _sums(_zipfian_logpmf, lambda a, n: n + 0 * a, first=1)
zipfian = discrete(
    "zipfian",
    "a n",
    integers=("n",),
    lower=1.0,
    upper=lambda a, n: n,
    valid=lambda a, n: tnp.asarray((a >= 0) & (n >= 1) & (n == tnp.floor(n))),
    logpmf=_zipfian_logpmf,
    cdf=_zipfian_cdf,
    sf=_zipfian_sf,
    mean=lambda a, n: _harmonic(a - 1, n) / _harmonic(a, n),
    var=lambda a, n: _harmonic(a - 2, n) / _harmonic(a, n) - (_harmonic(a - 1, n) / _harmonic(a, n)) ** 2,
    entropy=_zipfian_entropy,
)

# ---- Skellam ----


def _skellam_logpmf(k: Array, first: Array, second: Array) -> Array:
    low = tnp.asarray(k < 0)
    place, mean = tnp.where(low, second, first), tnp.where(low, first, second)
    return _LOG_2 + ncx2_logpdf(2 * place, 2 * (1 + tnp.abs(k)), 2 * mean)


def _skellam_mass(k: Array, first: Array, second: Array, below: Formula, above: Formula) -> Array:
    low = tnp.asarray(k < 0)
    left = below(2 * second, tnp.where(low, -2 * k, 2.0), 2 * first)
    return tnp.where(low, left, above(2 * first, tnp.where(low, 2.0, 2 * (k + 1)), 2 * second))


def _skellam_entropy(first: Array, second: Array) -> Array:
    end = math.ceil(largest(tnp.abs(first - second) + 12 * tnp.sqrt(first + second) + 30))
    return tnp.sum(surprise(tnp.exp(_skellam_logpmf(np.arange(-end, end + 1.0), *as_columns(first, second)))), axis=-1)


skellam = discrete(
    "skellam",
    "mu1 mu2",
    logpmf=_skellam_logpmf,
    cdf=lambda k, first, second: _skellam_mass(k, first, second, ncx2_cdf, ncx2_sf),
    sf=lambda k, first, second: _skellam_mass(k, first, second, ncx2_sf, ncx2_cdf),
    mean=lambda first, second: first - second,
    var=lambda first, second: first + second,
    entropy=_skellam_entropy,
)
