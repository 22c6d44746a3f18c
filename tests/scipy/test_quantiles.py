"""Quantiles of small probabilities, of which the distribution function gives the probability again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

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
