"""Discrete distributions: the formulas of scipy.stats, by the parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array
from tapenet.scipy import special
from tapenet.scipy.special.helpers import as_columns
from tapenet.scipy.special.incomplete import gamma_density
from tapenet.scipy.stats.distribution import discrete


@branch_condition
def largest(x: Array) -> float:
    return float(np.max(np.where(np.isfinite(x), x, 0.0), initial=0.0))  # others are of parameters that are not valid


def sum_of_surprise(logpmf: Callable[..., Array], last: Callable[..., Array], first: int = 0) -> Callable[..., Array]:
    """Return the sum of -p log p over what has a probability: up to `last`."""

    def entropy(*shapes: Array) -> Array:
        k = np.arange(first, math.ceil(largest(last(*shapes))) + 1.0)
        logarithm = logpmf(k, *as_columns(*shapes))
        possible = logarithm > -np.inf
        inner = tnp.where(possible, logarithm, 0.0)
        return -tnp.sum(tnp.where(possible, tnp.exp(inner) * inner, 0.0), axis=-1)

    return entropy


def _poisson_logpmf(k: Array, mu: Array) -> Array:
    return special.xlogy(k, mu) - special.gammaln(k + 1.0) - mu


poisson = discrete(
    "poisson",
    "mu",
    lower=0.0,
    valid=lambda mu: tnp.asarray(mu >= 0),
    logpmf=_poisson_logpmf,
    pmf=lambda k, mu: gamma_density(k + 1.0, mu),
    cdf=lambda k, mu: special.pdtr(k, mu),
    sf=lambda k, mu: special.pdtrc(k, mu),
    mean=lambda mu: mu,
    var=lambda mu: mu,
    entropy=sum_of_surprise(_poisson_logpmf, lambda mu: mu + 12 * tnp.sqrt(mu) + 30),
)


def _binom_logpmf(k: Array, n: Array, p: Array) -> Array:
    inside = tnp.asarray(k <= n)
    k = tnp.where(inside, k, 0.0)
    combinations = -special.betaln(1 + n - k, 1.0 + k) - tnp.log(n + 1)
    return tnp.where(inside, combinations + special.xlogy(k, p) + special.xlog1py(n - k, -p), -np.inf)


def _binom_cdf(k: Array, n: Array, p: Array, tail: Any = None) -> Array:
    inside = tnp.asarray(k < n)
    k = tnp.where(inside, k, 0.0)
    found = (tail or special.betaincc)(k + 1.0, tnp.where(inside, n - k, 1.0), p)
    return tnp.where(inside, found, 1.0 if tail is None else 0.0)


binom = discrete(
    "binom",
    "n p",
    integers=("n",),
    lower=0.0,
    upper=lambda n, p: n,
    valid=lambda n, p: tnp.asarray((n >= 0) & (p >= 0) & (p <= 1)),
    logpmf=_binom_logpmf,
    cdf=_binom_cdf,
    sf=lambda k, n, p: _binom_cdf(k, n, p, special.betainc),
    mean=lambda n, p: n * p,
    var=lambda n, p: n * p * (1 - p),
    entropy=sum_of_surprise(_binom_logpmf, lambda n, p: n + 0 * p),
)


def _nbinom_logpmf(k: Array, n: Array, p: Array) -> Array:
    combinations = special.gammaln(n + k) - special.gammaln(k + 1.0) - special.gammaln(n)
    return combinations + n * tnp.log(p) + special.xlog1py(k, -p)


nbinom = discrete(
    "nbinom",
    "n p",
    lower=0.0,
    valid=lambda n, p: tnp.asarray((n > 0) & (p > 0) & (p <= 1)),
    logpmf=_nbinom_logpmf,
    cdf=lambda k, n, p: special.betainc(n, k + 1.0, p),
    sf=lambda k, n, p: special.betaincc(n, k + 1.0, p),
    mean=lambda n, p: n * (1 - p) / p,
    var=lambda n, p: n * (1 - p) / (p * p),
    entropy=sum_of_surprise(
        _nbinom_logpmf, lambda n, p: n * (1 - p) / p + 14 * tnp.sqrt(n * (1 - p)) / p + 45 / -tnp.log1p(-p) + 30
    ),
)
geom = discrete(
    "geom",
    "p",
    lower=1.0,
    valid=lambda p: tnp.asarray((p > 0) & (p <= 1)),
    logpmf=lambda k, p: special.xlog1py(k - 1.0, -p) + tnp.log(p),
    cdf=lambda k, p: -tnp.expm1(tnp.log1p(-p) * k),
    sf=lambda k, p: tnp.exp(tnp.log1p(-p) * k),
    logsf=lambda k, p: tnp.log1p(-p) * k,
    mean=lambda p: 1 / p,
    var=lambda p: (1 - p) / (p * p),
    entropy=lambda p: -tnp.log(p) - tnp.log1p(-p) * (1 - p) / p,
)


def log_choose(n: Array, k: Array) -> Array:
    """Compute the logarithm of the binomial coefficient."""
    return -special.betaln(n - k + 1.0, k + 1.0) - tnp.log(n + 1.0)


def _hypergeom_logpmf(k: Array, total: Array, good: Array, draws: Array) -> Array:
    bad = total - good
    inside = tnp.asarray((k <= good) & (k <= draws) & (draws - k <= bad) & (k >= 0))
    k = tnp.where(inside, k, tnp.maximum(draws - bad, 0.0))
    found = log_choose(good, k) + log_choose(bad, draws - k) - log_choose(total, draws)
    return tnp.where(inside, found, -np.inf)


def _hypergeom_cdf(k: Array, total: Array, good: Array, draws: Array) -> Array:
    place, *columns = as_columns(k, total, good, draws)
    each = np.arange(largest(draws) + 1.0)
    logarithm = _hypergeom_logpmf(each, *columns)
    wanted = (each <= place) & (logarithm > -np.inf)
    return tnp.sum(tnp.where(wanted, tnp.exp(tnp.where(wanted, logarithm, 0.0)), 0.0), axis=-1)


hypergeom = discrete(
    "hypergeom",
    "M n N",
    integers=("M", "n", "N"),
    lower=0.0,
    upper=lambda total, good, draws: tnp.minimum(good, draws),
    valid=lambda total, good, draws: tnp.asarray((good >= 0) & (good <= total) & (draws >= 0) & (draws <= total)),
    logpmf=_hypergeom_logpmf,
    cdf=_hypergeom_cdf,
    mean=lambda total, good, draws: draws * good / total,
    var=lambda total, good, draws: draws * good / total * ((total - good) / total) * ((total - draws) / (total - 1)),
    entropy=sum_of_surprise(_hypergeom_logpmf, lambda total, good, draws: draws + 0 * total),
)
