"""Comparisons and tests, element by element, and functions of integers. They give plain arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.batching import elementwise_rule
from tapenet.core.nondifferentiable import nondifferentiable


def _elementwise(function: Callable[..., Any], doc: str) -> Callable[..., Any]:
    return nondifferentiable(function, doc=doc, batch=elementwise_rule)


# ---- truths ----

equal = _elementwise(
    np.equal,
    doc="""Tell where x1 == x2.

    No derivative: the result is a plain array of truths.

    >>> tnp.equal(np.array([1.0, 2.0]), 1.0)
    array([ True, False])
    """,
)
not_equal = _elementwise(
    np.not_equal,
    doc="""Tell where x1 != x2.

    No derivative: the result is a plain array of truths.

    >>> tnp.not_equal(np.array([1.0, 2.0]), 1.0)
    array([False,  True])
    """,
)
less = _elementwise(
    np.less,
    doc="""Tell where x1 < x2.

    No derivative: the result is a plain array of truths.

    >>> tnp.less(np.array([1.0, 2.0]), 2.0)
    array([ True, False])
    """,
)
less_equal = _elementwise(
    np.less_equal,
    doc="""Tell where x1 <= x2.

    No derivative: the result is a plain array of truths.

    >>> tnp.less_equal(np.array([1.0, 2.0]), 1.0)
    array([ True, False])
    """,
)
greater = _elementwise(
    np.greater,
    doc="""Tell where x1 > x2.

    No derivative: the result is a plain array of truths.

    >>> tnp.greater(np.array([1.0, 2.0]), 1.0)
    array([False,  True])
    """,
)
greater_equal = _elementwise(
    np.greater_equal,
    doc="""Tell where x1 >= x2.

    No derivative: the result is a plain array of truths.

    >>> tnp.greater_equal(np.array([1.0, 2.0]), 2.0)
    array([False,  True])
    """,
)
isclose = _elementwise(
    np.isclose,
    doc="""Tell where |a - b| <= atol + rtol |b|.

    No derivative: the result is a plain array of truths.

    >>> tnp.isclose(np.array([1.0, 2.0]), 1.0 + 1e-12)
    array([ True, False])
    """,
)

isnan = _elementwise(
    np.isnan,
    doc="""Tell where x is NaN.

    No derivative: the result is a plain array of truths.

    >>> tnp.isnan(np.array([1.0, np.nan]))
    array([False,  True])
    """,
)
isinf = _elementwise(
    np.isinf,
    doc="""Tell where x is infinite.

    No derivative: the result is a plain array of truths.

    >>> tnp.isinf(np.array([1.0, -np.inf]))
    array([False,  True])
    """,
)
isfinite = _elementwise(
    np.isfinite,
    doc="""Tell where x is neither infinite nor NaN.

    No derivative: the result is a plain array of truths.

    >>> tnp.isfinite(np.array([1.0, np.inf, np.nan]))
    array([ True, False, False])
    """,
)
isposinf = _elementwise(
    np.isposinf,
    doc="""Tell where x is positive infinity.

    No derivative: the result is a plain array of truths.

    >>> tnp.isposinf(np.array([np.inf, -np.inf]))
    array([ True, False])
    """,
)
isneginf = _elementwise(
    np.isneginf,
    doc="""Tell where x is negative infinity.

    No derivative: the result is a plain array of truths.

    >>> tnp.isneginf(np.array([np.inf, -np.inf]))
    array([False,  True])
    """,
)
isreal = _elementwise(
    np.isreal,
    doc="""Tell where the imaginary part of x is 0.

    No derivative: the result is a plain array of truths.

    >>> tnp.isreal(np.array([1.0, 1j]))
    array([ True, False])
    """,
)
iscomplex = _elementwise(
    np.iscomplex,
    doc="""Tell where the imaginary part of x is not 0.

    No derivative: the result is a plain array of truths.

    >>> tnp.iscomplex(np.array([1.0, 1j]))
    array([False,  True])
    """,
)
signbit = _elementwise(
    np.signbit,
    doc="""Tell where the sign bit of x is set, as it is for -0.0.

    No derivative: the result is a plain array of truths.

    >>> tnp.signbit(np.array([-0.0, 0.0]))
    array([ True, False])
    """,
)

logical_and = _elementwise(
    np.logical_and,
    doc="""Tell where x1 and x2 are both nonzero.

    No derivative: the result is a plain array of truths.

    >>> tnp.logical_and(np.array([1.0, 1.0]), np.array([1.0, 0.0]))
    array([ True, False])
    """,
)
logical_or = _elementwise(
    np.logical_or,
    doc="""Tell where x1 or x2 is nonzero.

    No derivative: the result is a plain array of truths.

    >>> tnp.logical_or(np.array([1.0, 0.0]), 0.0)
    array([ True, False])
    """,
)
logical_xor = _elementwise(
    np.logical_xor,
    doc="""Tell where exactly one of x1 and x2 is nonzero.

    No derivative: the result is a plain array of truths.

    >>> tnp.logical_xor(np.array([1.0, 0.0]), 1.0)
    array([False,  True])
    """,
)
logical_not = _elementwise(
    np.logical_not,
    doc="""Tell where x is 0.

    No derivative: the result is a plain array of truths.

    >>> tnp.logical_not(np.array([1.0, 0.0]))
    array([False,  True])
    """,
)

# ---- integers and their bits ----

gcd = _elementwise(
    np.gcd,
    doc="""Compute the greatest common divisor of integers.

    No derivative: a function of integers, with a plain result.

    >>> int(tnp.gcd(12, 18))
    6
    """,
)
lcm = _elementwise(
    np.lcm,
    doc="""Compute the least common multiple of integers.

    No derivative: a function of integers, with a plain result.

    >>> int(tnp.lcm(4, 6))
    12
    """,
)
bitwise_and = _elementwise(
    np.bitwise_and,
    doc="""Compute x1 & x2, bit by bit.

    No derivative: a function of integers and truths, with a plain result.

    >>> int(tnp.bitwise_and(6, 3))
    2
    """,
)
bitwise_or = _elementwise(
    np.bitwise_or,
    doc="""Compute x1 | x2, bit by bit.

    No derivative: a function of integers and truths, with a plain result.

    >>> int(tnp.bitwise_or(6, 3))
    7
    """,
)
bitwise_xor = _elementwise(
    np.bitwise_xor,
    doc="""Compute x1 ^ x2, bit by bit.

    No derivative: a function of integers and truths, with a plain result.

    >>> int(tnp.bitwise_xor(6, 3))
    5
    """,
)
invert = bitwise_not = bitwise_invert = _elementwise(
    np.invert,
    doc="""Compute ~x: each bit inverted, and each truth.

    No derivative: a function of integers and truths, with a plain result.

    >>> tnp.invert(np.array([True, False]))
    array([False,  True])
    """,
)
left_shift = bitwise_left_shift = _elementwise(
    np.left_shift,
    doc="""Shift the bits of x1 to the left by x2 places: x1 2^x2.

    No derivative: a function of integers, with a plain result. Write x * 2.0**n, or tnp.ldexp(x, n), for a float x.

    >>> int(tnp.left_shift(3, 2))
    12
    """,
)
right_shift = bitwise_right_shift = _elementwise(
    np.right_shift,
    doc="""Shift the bits of x1 to the right by x2 places: floor(x1 / 2^x2).

    No derivative: a function of integers, with a plain result.

    >>> int(tnp.right_shift(12, 2))
    3
    """,
)
bitwise_count = _elementwise(
    np.bitwise_count,
    doc="""Count the bits of |x| that are 1.

    No derivative: a function of integers, with a plain result.

    >>> int(tnp.bitwise_count(7))
    3
    """,
)
