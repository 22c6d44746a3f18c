"""Struve functions as functions of their order too, for arguments above 0: formulas that are differentiated.

    H_v(x) = sum over k of (-1)^k (x / 2)^(2 k + v + 1) / (gamma(k + 3/2) gamma(k + v + 3/2))
           = Y_v(x) + 2 (x / 2)^v / (sqrt(pi) gamma(v + 1/2)) int_0^inf e^(-x t) (1 + t^2)^(v - 1/2) dt

The series is taken where its terms do not cancel; that of L_v, whose terms are positive, everywhere.

Source: NIST Digital Library of Mathematical Functions, 11.2.1, 11.2.2 and 11.5.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import branch_condition, constant
from tapenet.core.primitive import Array
from tapenet.scipy.special.gamma import gammaln, gammasgn, rgamma
from tapenet.scipy.special.helpers import ROOT_PI, as_columns, guarded

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(96)
_POINTS, _WEIGHTS = (_POINTS + 1) / 2, _WEIGHTS / 2
_DIRECT = 50.0  # of the argument: below, no power of it overflows


@branch_condition
def _count_of_terms(x: Array) -> int:
    """Return how many terms of the series matter."""
    largest = float(np.max(np.where(np.isfinite(x), np.abs(x), 0.0), initial=0.0))
    return int(0.7 * largest + 10 * math.sqrt(largest) + 24)


def _series(v: Array, x: Array, sign: int) -> Array:
    k = np.arange(float(_count_of_terms(x)))
    v, x = as_columns(v, x)
    direct = tnp.asarray(x < _DIRECT)
    power = 2 * k + v + 1
    low, high = guarded(direct, x, 1.0) / 2, guarded(~direct, x, _DIRECT) / 2
    near = tnp.power(low, power) * rgamma(k + 1.5) * rgamma(k + v + 1.5)
    far = gammasgn(k + v + 1.5) * tnp.exp(power * tnp.log(high) - gammaln(k + 1.5) - gammaln(k + v + 1.5))
    return tnp.sum(float(sign) ** k * tnp.where(direct, near, far), axis=-1)


def _end(v: Array, x: Array) -> Array:
    """Return where x t - (v - 1/2) log(1 + t^2) has grown by 42, from above."""
    end = 42 / x
    for _ in range(30):
        end = (42 + np.maximum(v - 0.5, 0) * np.log1p(end * end)) / x
    return end


def _integral(v: Array, x: Array) -> Array:
    end, order, column = as_columns(_end(*map(constant, (v, x))), v, x)
    place = end * _POINTS
    summed = tnp.sum(end * _WEIGHTS * tnp.exp((order - 0.5) * tnp.log1p(place * place) - column * place), axis=-1)
    return 2 * tnp.power(x / 2, v) * rgamma(v + 0.5) / ROOT_PI * summed


def struve_formula(yv: Callable[..., Array]) -> Callable[..., Array]:
    """Return Struve's function H of order and argument, NaN for arguments that are not above 0."""

    def formula(v: Array, x: Array) -> Array:
        v, x = tnp.asarray(v) * 1.0, tnp.asarray(x) * 1.0
        inside = tnp.asarray(x > 0)
        small = tnp.asarray(x * x < 4 * tnp.maximum(v, 0.0) + 36)
        near = _series(v, guarded(small & inside, x, 1.0), -1)
        outside = ~small & inside
        order, place = guarded(outside, v, 1.0), guarded(outside, x, 10.0)
        found = tnp.where(small, near, yv(order, place) + _integral(order, place))
        return tnp.where(inside, found, np.nan * v)

    return formula


def modstruve_formula(v: Array, x: Array) -> Array:
    """Compute the modified Struve function L of order and argument, NaN for arguments that are not above 0."""
    v = tnp.asarray(v) * 1.0
    inside = tnp.asarray(x > 0)
    return tnp.where(inside, _series(v, guarded(inside, x, 1.0), 1), np.nan * v)
