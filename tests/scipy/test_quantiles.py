"""Quantiles of small probabilities, of which the distribution function gives the probability again."""

from __future__ import annotations

import functools
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.stats

import tapenet as tn
from tapenet.scipy import stats


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("name", "method", "shapes", "probabilities"),
    [
        ("alpha", "isf", [2.57], [1e-12, 1e-8, 1e-7, 1e-6, 0.3]),
        ("alpha", "isf", [9.67], [1e-24, 1e-8, 0.3, 0.9]),
        ("betaprime", "ppf", [5.0, 6.0], [1e-100, 1e-20, 0.3, 0.9]),
        ("betaprime", "isf", [5.0, 6.0], [1e-100, 1e-20, 0.3, 0.9, 1 - 1e-9]),
        ("cauchy", "ppf", [], [1e-100, 1e-20, 0.2, 0.3, 0.9]),
        ("cauchy", "isf", [], [1e-100, 1e-20, 0.2, 0.3, 0.9]),
        ("loggamma", "ppf", [0.414], [1e-250, 1e-20, 0.3]),
        ("truncpareto", "isf", [80.0, 1e5], [1e-100, 1e-8, 0.3, 0.9]),
        ("truncpareto", "isf", [-2.0, 5.0], [1e-3, 0.3, 0.9]),
        ("truncweibull_min", "isf", [8.249, 0.099, 1.636], [1e-20, 1e-8, 0.3, 0.9]),
        ("truncweibull_min", "ppf", [8.249, 0.099, 1.636], [1e-8, 0.3, 0.9]),
        ("truncweibull_min", "isf", [12.3, 0.37, 4.8], [1e-100, 1e-8, 0.3, 0.9]),
    ],
)
def test_quantiles_keep_their_digits(name: str, method: str, shapes: list[float], probabilities: list[float]) -> None:
    made = getattr(stats, name)
    q = np.array(probabilities)

    def quantile(q: Any, *shapes: Any) -> Any:
        return getattr(made, method)(q, *shapes)

    z, slope = tn.jvp(lambda q: quantile(q, *shapes), (q,), (np.ones(len(q)),))
    logarithm = {"ppf": made.logcdf, "isf": made.logsf}[method]
    found, back = tn.jvp(lambda z: logarithm(z, *shapes), (z,), (slope,))
    np.testing.assert_allclose(np.exp(found), q, rtol=1e-9)
    np.testing.assert_allclose(back, 1 / q, rtol=1e-6)
    for i in range(len(shapes)):  # along a shape parameter at a fixed probability, the quantile stays one
        given = shapes.copy()

        def again(x: Any, i: int = i, given: list[Any] = given) -> Any:
            moved = [*given[:i], x, *given[i + 1 :]]
            return logarithm(quantile(q, *moved), *moved)

        np.testing.assert_allclose(tn.jvp(again, (shapes[i],), (1.0,))[1], 0.0, atol=1e-5)


def test_moments_where_the_upper_end_is_far_beyond_the_mass() -> None:
    """Of Weibull's distribution, Gamma(1 + 1 / c), as its ends cut nothing off."""
    shapes = (12.334, 1e-3, 4.8)
    mean = tn.jvp(stats.truncweibull_min.mean, shapes, (0.0, 0.0, 0.0))[0]
    assert mean == pytest.approx(stats.weibull_min.mean(shapes[0]), rel=1e-12)
    entropy = tn.grad(stats.alpha.entropy)(9.665)
    assert entropy == pytest.approx((stats.alpha.entropy(9.666) - stats.alpha.entropy(9.664)) / 0.002, rel=1e-4)


def test_entropies_of_parameters_that_are_not_valid_are_nan() -> None:
    with np.errstate(all="ignore"):
        assert np.isnan(tn.jvp(stats.nbinom.entropy, (0.27, 1.04), (0.0, 0.0))[0])


def poisson(k: Any, mu: Any) -> Any:
    return k * mpmath.log(mu) - mu - mpmath.loggamma(k + 1)


def binom(k: Any, p: Any) -> Any:
    return mpmath.log(mpmath.binomial(2000, k)) + k * mpmath.log(p) + (2000 - k) * mpmath.log(1 - p)


def logser(k: Any, p: Any) -> Any:
    return k * mpmath.log(p) - mpmath.log(k) - mpmath.log(-mpmath.log(1 - p))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("tail", "logpmf", "x", "counts"),
    [
        (lambda mu: stats.poisson.logcdf(0, mu), poisson, 1000.0, range(1)),
        (lambda mu: stats.poisson.logcdf(50, mu), poisson, 1000.0, range(51)),
        (lambda mu: stats.poisson.logsf(3000, mu), poisson, 1000.0, range(3001, 3300)),
        (lambda p: stats.binom.logsf(1990, 2000, p), binom, 0.1, range(1991, 2001)),
        (lambda p: stats.binom.logcdf(5, 2000, p), binom, 0.9, range(6)),
        (lambda p: stats.logser.logsf(9000, p), logser, 0.9, range(9001, 9600)),
    ],
)
def test_logarithms_of_tails_of_counts_that_underflow(tail: Any, logpmf: Any, x: float, counts: range) -> None:
    def expected(x: Any) -> Any:
        return mpmath.log(mpmath.fsum(mpmath.exp(logpmf(k, x)) for k in counts))

    with mpmath.workdps(40):
        orders = [float(mpmath.diff(expected, mpmath.mpf(x), order)) for order in range(3)]
    assert tn.value_and_grad(tail)(x) == pytest.approx(orders[:2], rel=1e-10)
    assert tn.grad(tn.grad(tail))(x) == pytest.approx(orders[2], rel=1e-8)
    assert tn.jvp(tail, (x,), (1.0,))[1] == pytest.approx(orders[1], rel=1e-10)
    np.testing.assert_allclose(tn.vmap(tn.grad(tail))(np.array([x, x])), orders[1], rtol=1e-10)


def at(made: Any, shapes: Any, k: Any) -> Any:
    return made(k, *shapes)


def test_counts_are_mapped() -> None:
    k = np.array([-900.0, -3.0, 0.0, 2.0, 900.0])
    for name, shapes in (("dlaplace", (0.8,)), ("skellam", (2.0, 3.0))):
        for method in ("pmf", "cdf", "sf"):
            made, theirs = (getattr(getattr(module, name), method) for module in (stats, scipy.stats))
            found = tn.vmap(functools.partial(at, made, shapes))(k)
            np.testing.assert_allclose(found, theirs(k, *shapes), atol=1e-15)
    slopes = tn.vmap(lambda k: tn.grad(lambda a: stats.dlaplace.logsf(k, a))(0.8))(k)
    np.testing.assert_allclose(slopes[-1], -901 + 1 / (1 + np.exp(0.8)), rtol=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("z", "df", "nc"), [(0.3, 1648.0, 1.2), (25.5, 677.6, 0.5), (1.0, 0.3, 2.0), (880.0, 800.0, 0.9)]
)
def test_the_density_of_the_noncentral_chi_squared_distribution_of_many_degrees(z: float, df: float, nc: float) -> None:
    def logpdf(z: Any, df: Any, nc: Any) -> Any:
        series = mpmath.log(mpmath.hyp0f1(df / 2, z * nc / 4)) - mpmath.loggamma(df / 2) - mpmath.log(2)
        return series + (df / 2 - 1) * mpmath.log(z / 2) - (z + nc) / 2

    value, slopes = tn.value_and_grad(stats.ncx2.logpdf, argnums=(0, 1, 2))(z, df, nc)
    with mpmath.workdps(30):
        given = tuple(map(mpmath.mpf, (z, df, nc)))
        orders = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
        assert value == pytest.approx(float(logpdf(*given)), rel=1e-12)
        assert slopes == pytest.approx([float(mpmath.diff(logpdf, given, n)) for n in orders], rel=1e-9)
