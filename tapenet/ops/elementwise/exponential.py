"""Exponentials, logarithms and powers."""

from __future__ import annotations

import math

import numpy as np

from tapenet.core.families import elementwise, piecewise_constant
from tapenet.core.primitive import Array
from tapenet.ops.elementwise.arithmetic import where
from tapenet.ops.elementwise.comparison import equal

_LOG_2, _LOG_10 = math.log(2), math.log(10)

exp = elementwise(np.exp, lambda t, out: t * out, doc="e^x. Derivative: e^x.")
exp2 = elementwise(np.exp2, lambda t, out: t * (out * _LOG_2), doc="2^x. Derivative: 2^x log 2.")
expm1 = elementwise(np.expm1, lambda t, out: t * (out + 1), doc="e^x - 1, exact near 0. Derivative: e^x.")

log = elementwise(np.log, lambda t, x: t / x, doc="The natural logarithm. Derivative: 1 / x.")
log2 = elementwise(np.log2, lambda t, x: t / (x * _LOG_2), doc="log x / log 2. Derivative: 1 / (x log 2).")
log10 = elementwise(np.log10, lambda t, x: t / (x * _LOG_10), doc="log x / log 10. Derivative: 1 / (x log 10).")
log1p = elementwise(np.log1p, lambda t, x: t / (x + 1), doc="log(1 + x), exact near 0. Derivative: 1 / (1 + x).")


def _share_of(x: Array, y: Array) -> Array:
    with np.errstate(invalid="ignore", over="ignore"):  # an overflow gives the limit, 0
        share = 1 / (1 + np.exp(np.subtract(y, x)))
    undefined = np.isnan(share)
    return np.where(undefined & np.equal(x, y), 0.5, share) if undefined.any() else share


_share = elementwise(
    _share_of,
    lambda t, out: t * (out * (1 - out)),
    lambda t, out: -t * (out * (1 - out)),
    name="logaddexp_share",
    doc="e^x / (e^x + e^y); a half where both are the same infinity.",
)

logaddexp = elementwise(
    np.logaddexp,
    lambda t, x, y: t * _share(x, y),
    lambda t, x, y: t * _share(y, x),
    doc="log(e^x + e^y). Derivatives: e^x / (e^x + e^y), e^y / (e^x + e^y); 0.5 each at (-inf, -inf).",
)
logaddexp2 = elementwise(
    np.logaddexp2,
    lambda t, x, y: t * _share(x * _LOG_2, y * _LOG_2),
    lambda t, x, y: t * _share(y * _LOG_2, x * _LOG_2),
    doc="log2(2^x + 2^y). Derivatives: 2^x / (2^x + 2^y), 2^y / (2^x + 2^y); 0.5 each at (-inf, -inf).",
)

# ---- powers ----


def _power_in_base(t: Array, x: Array, y: Array) -> Array:
    if type(y) is int or type(y) is float:  # a scalar exponent needs no masks
        return t * (y * power(x, y - 1)) if y != 0 else piecewise_constant(t)
    return t * where(equal(y, 0), 0, y * power(x, where(equal(y, 0), 1, y - 1)))


def _power_in_exponent(t: Array, x: Array, out: Array) -> Array:
    # At x = 0 the product x^y log x tends to 0 for every y > 0.
    return t * out * log(where(equal(x, 0), 1, x))


power = elementwise(
    np.power,
    _power_in_base,
    _power_in_exponent,
    doc="x^y. Derivatives: y x^(y - 1), 0 where y = 0, also at x = 0; x^y log x, 0 where x = 0.",
)
pow = power
float_power = elementwise(
    np.float_power,
    _power_in_base,
    _power_in_exponent,
    doc="x^y in at least float64. Derivatives: as for `power`.",
)
