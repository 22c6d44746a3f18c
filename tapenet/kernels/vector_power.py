"""Powers with any exponent, on vectors: |x|^y = e^(y log |x|), with the logarithm as the sum of two numbers.

An exponent multiplies the error of the logarithm by up to 745, so that float64 needs 64 bits of it, and float32 32.
Zeros, infinities, NaN and negative bases are as in C99, and so as in NumPy.

Source: Muller, "Elementary Functions", 3rd edition, sections 2.2 (sums and products of pairs) and 11.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from tapenet.kernels.vector_code import Code, Value

# ln 2 as a sum; an exponent times the first part is exact.
_LN2 = {"f": (0.693145751953125, 1.428606765330187e-06), "d": (6.93147180369123816490e-01, 1.90821492927058770002e-10)}

# Terms of the series of log and of exp.
_TERMS = {"f": (6, 7), "d": (13, 13)}

# Beyond it e^x is 0 or infinite.
_FARTHEST = {"f": 110.0, "d": 750.0}


def power(c: Code, x: Value, y: Value) -> Value:
    """Return x^y."""
    size = c.intrinsic("fabs", x)
    high, low = _product(c, y, *_log(c, size))
    found = _exp(c, high, low)
    one, zero, infinity = c.number(1.0), c.number(0.0), c.number(math.inf)
    # 1 to an infinite power, where the logarithm of 0 times infinity is NaN.
    is_endless = c.compare("oeq", c.intrinsic("fabs", y), infinity)
    found = c.select(c.both(c.compare("oeq", size, one), is_endless), one, found)
    half = c.two("fmul", y, c.number(0.5))
    is_whole = c.compare("oeq", c.intrinsic("rint", y), y)
    is_odd = c.both(is_whole, c.compare("une", c.intrinsic("rint", half), half))
    turned = c.select(is_odd, c.intrinsic("copysign", found, x), found)
    is_between = c.both(c.compare("olt", x, zero), c.compare("ogt", x, c.number(-math.inf)))
    is_number = c.compare("oeq", y, y)
    has_none = c.both(c.both(is_between, is_number), c.opposite(is_whole))
    turned = c.select(has_none, c.number(math.nan), turned)
    return c.select(c.either(c.compare("oeq", y, zero), c.compare("oeq", x, one)), one, turned)


def _log(c: Code, size: Value) -> tuple[Value, Value]:
    """Return log x as a sum, for x >= 0; minus infinity of 0.

    log(2^k m) = k log 2 + 2 (s + s^3 / 3 + s^5 / 5 + ...) with s = (m - 1) / (m + 1).
    """
    root = np.array(math.sqrt(0.5), c.char)
    offset = c.whole(int(root.view(f"i{root.itemsize}")))
    is_small = c.compare("olt", size, c.number(float(np.finfo(c.char).tiny)))
    bits = c.to_bits(c.select(is_small, c.two("fmul", size, c.number(2.0**c.mantissa)), size))
    k = c.integers("ashr", c.integers("sub", bits, offset), c.whole(c.mantissa))
    m = c.to_numbers(c.integers("sub", bits, c.integers("shl", k, c.whole(c.mantissa))))
    number = c.add(f"sitofp {c.integer} {k} to {c.type}")
    number = c.select(is_small, c.two("fsub", number, c.number(c.mantissa)), number)
    high, low = _log_of_mantissa(c, c.two("fsub", m, c.number(1.0)))
    whole = c.two("fmul", number, c.number(_LN2[c.char][0]))  # exact
    total, lost = _sum(c, whole, high)
    lost = c.two("fadd", lost, c.fma(number, c.number(_LN2[c.char][1]), low))
    high, low = _ordered_sum(c, total, lost)
    is_end = c.either(c.compare("oeq", size, c.number(0.0)), c.compare("oeq", size, c.number(math.inf)))
    end = c.select(c.compare("oeq", size, c.number(0.0)), c.number(-math.inf), size)
    high = c.select(c.either(is_end, c.compare("uno", size, size)), end, high)
    return high, c.select(is_end, c.number(0.0), low)


def _log_of_mantissa(c: Code, f: Value) -> tuple[Value, Value]:
    """Return log(1 + f) as a sum, for 1 + f between the roots of 1/2 and 2."""
    bottom = c.two("fadd", f, c.number(2.0))
    lost_of_bottom = c.two("fsub", f, c.two("fsub", bottom, c.number(2.0)))
    inverse = c.two("fdiv", c.number(1.0), bottom)
    s = c.two("fmul", f, inverse)
    turned = c.negative(s)
    s_low = c.two("fmul", c.fma(turned, lost_of_bottom, c.fma(turned, bottom, f)), inverse)
    z = c.two("fmul", s, s)
    z_low = c.fma(c.two("fadd", s, s), s_low, c.fma(s, s, c.negative(z)))
    # z / 3 as a sum, and the rest of the series.
    third = float(np.array(1 / 3, c.char))
    third_low = float(Fraction(1, 3) - Fraction(third))
    first = c.two("fmul", z, c.number(third))
    first_low = c.fma(z, c.number(third), c.negative(first))
    first_low = c.fma(z_low, c.number(third), c.fma(z, c.number(third_low), first_low))
    rest = _polynomial(c, z, [Fraction(1, 2 * i + 1) for i in range(2, _TERMS[c.char][0] + 1)])
    rest = c.two("fmul", c.two("fmul", z, z), rest)
    factor, factor_low = _ordered_sum(c, first, rest)
    factor_low = c.two("fadd", factor_low, first_low)
    moved = c.two("fmul", s, factor)
    moved_low = c.fma(s, factor, c.negative(moved))
    moved_low = c.fma(s_low, factor, c.fma(s, factor_low, moved_low))
    high, low = _ordered_sum(c, s, moved)
    low = c.two("fadd", low, c.two("fadd", moved_low, s_low))
    return c.two("fadd", high, high), c.two("fadd", low, low)


def _sum(c: Code, x: Value, y: Value) -> tuple[Value, Value]:
    """Return the sum of two numbers, and what it lost by rounding: Knuth's TwoSum."""
    total = c.two("fadd", x, y)
    added = c.two("fsub", total, x)
    lost = c.two("fsub", x, c.two("fsub", total, added))
    return total, c.two("fadd", lost, c.two("fsub", y, added))


def _ordered_sum(c: Code, x: Value, y: Value) -> tuple[Value, Value]:
    """Return the sum of two numbers of which the first is the larger or 0, and what it lost."""
    total = c.two("fadd", x, y)
    return total, c.two("fadd", c.two("fsub", x, total), y)


def _product(c: Code, y: Value, high: Value, low: Value) -> tuple[Value, Value]:
    """Return y times a sum as a sum; beyond the range of exp its second part is 0."""
    product = c.two("fmul", y, high)
    lost = c.fma(y, low, c.fma(y, high, c.negative(product)))
    is_inside = c.compare("olt", c.intrinsic("fabs", product), c.number(2 * _FARTHEST[c.char]))
    return product, c.select(is_inside, lost, c.number(0.0))


def _polynomial(c: Code, x: Value, coefficients: Sequence[Fraction]) -> Value:
    """Return the sum of coefficients times powers of x, by pairs: Horner's rule waits for each of its steps."""
    sums = [c.number(float(coefficient)) for coefficient in coefficients]
    while len(sums) > 1:
        pairs = [c.fma(x, sums[i + 1], sums[i]) for i in range(0, len(sums) - 1, 2)]
        sums = pairs + sums[2 * len(pairs) :]
        x = c.two("fmul", x, x) if len(sums) > 1 else x
    return sums[0]


def _exp(c: Code, high: Value, low: Value) -> Value:
    """Return e^(high + low)."""
    farthest, magic = _FARTHEST[c.char], np.array(1.5 * 2.0**c.mantissa, c.char)
    high = c.select(c.compare("olt", high, c.number(-farthest)), c.number(-farthest), high)
    high = c.select(c.compare("ogt", high, c.number(farthest)), c.number(farthest), high)
    # Added to a number, it leaves the nearest integer in the last bits.
    shifted = c.fma(high, c.number(1 / math.log(2)), c.number(float(magic)))
    n = c.two("fsub", shifted, c.number(float(magic)))
    integer = c.integers("sub", c.to_bits(shifted), c.whole(int(magic.view(f"i{magic.itemsize}"))))
    first = c.fma(n, c.number(-_LN2[c.char][0]), high)  # exact
    rest = c.fma(n, c.number(-_LN2[c.char][1]), low)
    r, lost = _ordered_sum(c, first, rest)
    series = _polynomial(c, r, [Fraction(1, math.factorial(k)) for k in range(2, _TERMS[c.char][1] + 1)])
    p = c.two("fadd", r, c.fma(c.two("fmul", r, r), series, lost))
    half = c.integers("ashr", integer, c.whole(1))  # 2^n is not a number where the power is subnormal or infinite
    scales = [
        c.to_numbers(c.integers("shl", c.integers("add", part, c.whole(c.bias)), c.whole(c.mantissa)))
        for part in (half, c.integers("sub", integer, half))
    ]
    return c.two("fmul", c.fma(p, scales[0], scales[0]), scales[1])
