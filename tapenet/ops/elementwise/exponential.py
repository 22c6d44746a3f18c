"""Exponentials, logarithms and powers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.families import elementwise, piecewise_constant
from tapenet.core.primitive import Array
from tapenet.ops.elementwise.arithmetic import where
from tapenet.ops.elementwise.choices import equal, isinf
from tapenet.ops.elementwise.constants import LOG2_E, LOG10_E, LOG_2

exp = elementwise(
    np.exp,
    lambda t, out: t * out,
    doc="""Compute the exponential e^x.

    Derivative: e^x.

    >>> float(tn.grad(tnp.exp)(0.0))
    1.0
    """,
)


def _exp2_slope(t: Array, x: Array, out: Array) -> Array:
    """Compute t 2^x log(2), finite also where 2^x is too large by a little."""
    beyond = isinf(out)
    return t * exp2(x - where(beyond, 1, 0)) * (where(beyond, 2, 1) * LOG_2.of(x))


exp2 = elementwise(
    np.exp2,
    _exp2_slope,
    doc="""Compute 2^x.

    Derivative: 2^x log(2).

    >>> float(tnp.exp2(3.0)), f"{tn.grad(tnp.exp2)(0.0):.4f}"
    (8.0, '0.6931')
    """,
)
expm1 = elementwise(
    np.expm1,
    lambda t, x: t * exp(x),  # from the output, as 1 + out, nothing would be left for x < -37
    doc="""Compute e^x - 1, without cancellation near 0.

    Derivative: e^x.

    >>> float(tnp.expm1(1e-20)), float(tn.grad(tnp.expm1)(0.0))
    (1e-20, 1.0)
    """,
)

log = elementwise(
    np.log,
    lambda t, x: t / x,
    doc="""Compute the natural logarithm.

    Derivative: 1 / x, which is inf at 0.

    >>> float(tn.grad(tnp.log)(2.0))
    0.5
    """,
)
log2 = elementwise(
    np.log2,
    lambda t, x: t * LOG2_E.of(x) / x,
    doc="""Compute the logarithm to base 2.

    Derivative: 1 / (x log(2)), which is inf at 0.

    >>> float(tnp.log2(8.0)), f"{tn.grad(tnp.log2)(1.0):.4f}"
    (3.0, '1.4427')
    """,
)
log10 = elementwise(
    np.log10,
    lambda t, x: t * LOG10_E.of(x) / x,
    doc="""Compute the logarithm to base 10.

    Derivative: 1 / (x log(10)), which is inf at 0.

    >>> float(tnp.log10(100.0)), f"{tn.grad(tnp.log10)(1.0):.4f}"
    (2.0, '0.4343')
    """,
)
log1p = elementwise(
    np.log1p,
    lambda t, x: t / (x + 1),  # the sum is exact where it is small: in [-2, -1/2] nothing is rounded
    doc="""Compute log(1 + x), without cancellation near 0.

    Derivative: 1 / (1 + x), which is inf at -1.

    >>> float(tnp.log1p(1e-20)), float(tn.grad(tnp.log1p)(1.0))
    (1e-20, 0.5)
    """,
)


def _share_of(exponential: Callable[[Array], Array], x: Array, y: Array) -> Array:
    with np.errstate(invalid="ignore"):  # inf - inf, which is a half below
        less = np.subtract(x, y)
    decayed = exponential(-np.abs(less))  # at most 1: the smaller share keeps its digits, down to subnormal ones
    if not _is_zero(x) and not _is_zero(y):
        # What the difference lost by rounding, which its exponential multiplies by up to 700.
        lost = _lost_in_difference(x, y, less)
        lost = np.where(less < 0, lost, -lost)
        decayed = decayed * (1 + lost if exponential is np.exp else 1 + lost * math.log(2))
    share = np.where(np.less(less, 0), decayed, 1) / (1 + decayed)
    undefined = np.isnan(share)
    return np.where(undefined & np.equal(x, y), 0.5, share) if undefined.any() else share


def _is_zero(x: Any) -> bool:
    return type(x) in (int, float) and x == 0


def _lost_in_difference(x: Array, y: Array, difference: Array) -> Array:
    """Compute x - y less the difference that was rounded, exactly: Knuth's TwoSum; 0 where something is infinite."""
    with np.errstate(invalid="ignore", over="ignore"):
        back = difference - x
        lost = (x - (difference - back)) - (y + back)
    return np.where(np.isfinite(lost), lost, 0)


def _share_of_e(x: Array, y: Array) -> Array:
    return _share_of(np.exp, x, y)


def _share_of_2(x: Array, y: Array) -> Array:
    return _share_of(np.exp2, x, y)


# The other's share is 1 less this one, but with all its digits where this one is nearly 1.
_share: Callable[..., Array] = elementwise(
    _share_of_e,
    lambda t, x, y, out: t * (out * _share(y, x)),
    lambda t, x, y, out: -t * (out * _share(y, x)),
    name="logaddexp_share",
    doc="e^x / (e^x + e^y); a half where both are the same infinity.",
)
_share2: Callable[..., Array] = elementwise(
    _share_of_2,
    lambda t, x, y, out: t * (out * _share2(y, x) * LOG_2.of(out)),
    lambda t, x, y, out: -t * (out * _share2(y, x) * LOG_2.of(out)),
    name="logaddexp2_share",
    doc="2^x / (2^x + 2^y); a half where both are the same infinity.",
)

logaddexp = elementwise(
    np.logaddexp,
    lambda t, x, y: t * _share(x, y),
    lambda t, x, y: t * _share(y, x),
    doc="""Compute log(e^x1 + e^x2), without overflow.

    Derivatives: e^x1 / (e^x1 + e^x2) and e^x2 / (e^x1 + e^x2); 0.5 each where both are the same infinity.

    >>> float(tn.grad(tnp.logaddexp)(1000.0, 1000.0))
    0.5
    """,
)
logaddexp2 = elementwise(
    np.logaddexp2,
    lambda t, x, y: t * _share2(x, y),
    lambda t, x, y: t * _share2(y, x),
    doc="""Compute log2(2^x1 + 2^x2), without overflow.

    Derivatives: 2^x1 / (2^x1 + 2^x2) and 2^x2 / (2^x1 + 2^x2); 0.5 each where both are the same infinity.

    >>> float(tn.grad(tnp.logaddexp2)(1000.0, 1000.0))
    0.5
    """,
)

# ---- powers ----


def _power_in_base(t: Array, x: Array, y: Array) -> Array:
    if type(y) is int or type(y) is float:  # a scalar exponent needs no masks
        # Not y out / x: NaN at x = 0, and infinite where the power overflows but its derivative does not.
        return t * (y * power(x, y - 1)) if y != 0 else piecewise_constant(t)
    # The exponent 1 where y = 0: x^-1 at x = 0 is infinite, and would warn.
    return t * where(equal(y, 0), 0, y * power(x, where(equal(y, 0), 1, y - 1)))


def _power_in_exponent(t: Array, x: Array, y: Array, out: Array) -> Array:
    # Where one of the factors of x^y log x is 0 and the other infinite, the product has a limit: 0 where the power
    # vanishes, and minus infinity for 0^y with y < 0, which any logarithm below 0 gives.
    at_zero = equal(x, 0)
    is_constant = equal(out, 0) | (at_zero & equal(y, 0))
    return t * (out * log(where(is_constant, 1, where(at_zero, 0.5, x))))


power = elementwise(
    np.power,
    _power_in_base,
    _power_in_exponent,
    doc="""Raise to a power: x1^x2.

    Derivatives: x2 x1^(x2 - 1), and 0 where x2 = 0, also at x1 = 0; x1^x2 log(x1), and where x1 = 0
    0 for x2 >= 0, -inf for x2 < 0.

    >>> float(tn.grad(tnp.power)(3.0, 2.0)), float(tn.grad(tnp.power)(0.0, 0.0))
    (6.0, 0.0)
    """,
)
pow = power
float_power = elementwise(
    np.float_power,
    _power_in_base,
    _power_in_exponent,
    doc="""Raise to a power in at least float64: x1^x2.

    Derivatives: those of `power`.

    >>> float(tnp.float_power(2, -1)), float(tn.grad(tnp.float_power)(3.0, 2.0))
    (0.5, 6.0)
    """,
)
