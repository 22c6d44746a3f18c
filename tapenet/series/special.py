"""Series rules of special functions: each by the differential equation that it solves."""

from __future__ import annotations

import math

from tapenet.ops.elementwise.constants import TWO_OVER_ROOT_PI
from tapenet.series.arithmetic import (
    Coefficient,
    Series,
    composed,
    exponential,
    integrated,
    plus,
    scaled,
    square,
    times,
)
from tapenet.series.rules import apply, rule


@rule("gaussian")
def gaussian(x: Series) -> list[Coefficient]:
    """Compute e^(-x^2), by y' = y (-x^2)'."""
    return exponential(apply("gaussian", x[0]), scaled(square(x), -1))


@rule("erf")
def _erf(x: Series) -> Series:
    return integrated(apply("erf", x[0]), scaled(gaussian(x), TWO_OVER_ROOT_PI.of(x[0])), x)


@rule("normal_density")
def _normal_density(x: Series) -> list[Coefficient]:
    return exponential(apply("normal_density", x[0]), scaled(square(x), -0.5))


@rule("normal_cdf")
def _normal_cdf(x: Series) -> Series:
    return integrated(apply("normal_cdf", x[0]), _normal_density(x), x)


@rule("gelu")
def _gelu(x: Series) -> Series:
    return times(x, _normal_cdf(x))


@rule("gelu_slope")
def _gelu_slope(t: Series, x: Series) -> Series:
    return times(t, plus(_normal_cdf(x), times(x, _normal_density(x))))


@rule("bessel")
def _bessel(x: Series, order: int) -> Series:
    """Compose the k-th derivatives of I_n: the sum of C(k, j) I_(n - k + 2j) over 2^k, with I_-n = I_n."""
    highest = len(x) - 1
    values = {n: apply("bessel", x[0], order=n) for n in {abs(order + i) for i in range(-highest, highest + 1)}}

    def derivative(k: int) -> Coefficient:
        terms = (math.comb(k, j) * values[abs(order - k + 2 * j)] for j in range(k + 1))
        return sum(terms) / (2.0**k * math.factorial(k))

    return composed([derivative(k) for k in range(highest + 1)], x)
