"""Elementary functions on vectors, in LLVM's intermediate representation: no table, no branch, no call.

Each reduces its argument to a short interval, sums a polynomial there by Horner's rule with fused multiply-add, and
puts the result back together. Arguments that are reduced by multiples of pi / 2 must not be too large: `in_range` says
which vectors hold such a one, and they are computed by NumPy.

Sources: Muller, "Elementary Functions", 3rd edition, chapters 3 and 11; for log and log1p the formulas of fdlibm.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from tapenet.kernels import vector_power
from tapenet.kernels.error_series import ERFC_SERIES, SINGLE_POWERS
from tapenet.kernels.vector_code import Code, Value

Function = Callable[..., Value]


@functools.cache
def definition(name: str, char: str, lanes: int, inline: bool) -> tuple[str, Code]:
    """Return the text of a function of this module, and what it needs."""
    function, count = FUNCTIONS[name]
    code = Code(char, lanes)
    names = [f"%x{i}" for i in range(count)]
    result = function(code, *names)
    given = ", ".join(f"{code.type} {x}" for x in names)
    attribute = "alwaysinline" if inline else "noinline"
    body = "\n  ".join(code.lines)
    head = f"define internal {code.type} @{name}_{code.suffix}({given}) {attribute}"
    return f"{head} {{\n  {body}\n  ret {code.type} {result}\n}}", code


def definitions(keys: Sequence[tuple[str, str, int]], *, inline: bool) -> tuple[list[str], dict[str, None]]:
    """Return the texts of functions, by name, character and lanes, with those that they call, and declarations."""
    texts: dict[tuple[str, str, int], str] = {}
    intrinsics: dict[str, None] = {}
    pending = list(keys)
    while pending:
        key = pending.pop()
        if key not in texts:
            texts[key], own = definition(*key, inline=inline)
            intrinsics |= own.intrinsics
            pending += [(name, key[1], key[2]) for name in own.needed]
    return list(texts.values()), intrinsics


# ---- exponentials ----

_LN2 = {"f": (0.693145751953125, 1.428606765330187e-06), "d": (6.93147180369123816490e-01, 1.90821492927058770002e-10)}


def _rounded(c: Code, x: Value, factor: float) -> tuple[Value, Value]:
    """Return the integer nearest to x * factor, as a number and as an integer: 1.5 * 2^mantissa plus it holds both."""
    magic = c.number(1.5 * 2.0**c.mantissa)
    shifted = c.fma(x, c.number(factor), magic)
    n = c.two("fsub", shifted, magic)
    bits = struct.unpack(">I" if c.char == "f" else ">Q", struct.pack(f">{c.char}", 1.5 * 2.0**c.mantissa))[0]
    return n, c.integers("sub", c.to_bits(shifted), c.whole(bits))


def _power_of_two(c: Code, n: Value) -> Value:
    return c.to_numbers(c.integers("shl", c.integers("add", n, c.whole(c.bias)), c.whole(c.mantissa)))


def _clamped(c: Code, x: Value, low: float, high: float) -> Value:
    """Return x within bounds; NaN stays."""
    x = c.select(c.compare("olt", x, c.number(low)), c.number(low), x)
    return c.select(c.compare("ogt", x, c.number(high)), c.number(high), x)


def _reduced_exponent(c: Code, x: Value) -> tuple[Value, Value]:
    """Return n and e^r - 1 for x = n ln 2 + r, |r| at most ln 2 / 2."""
    n, integer = _rounded(c, x, 1 / math.log(2))
    high, low = _LN2[c.char]
    first = c.fma(n, c.number(-high), x)  # exact
    r = c.fma(n, c.number(-low), first)
    lost = c.fma(n, c.number(-low), c.two("fsub", first, r))
    terms = 7 if c.char == "f" else 13
    q = c.polynomial(r, [Fraction(1, math.factorial(k)) for k in range(2, terms + 1)])
    return integer, c.two("fadd", r, c.fma(c.two("fmul", r, r), q, lost))


def _exp(c: Code, x: Value) -> Value:
    return _parts_of_exp(c, x)[0]


def _parts_of_exp(c: Code, x: Value) -> tuple[Value, Value]:
    """Return e^x, and what it lost by its last rounding."""
    low, high = (-105.0, 89.0) if c.char == "f" else (-746.0, 710.0)
    n, p = _reduced_exponent(c, _clamped(c, x, low, high))
    half = c.integers("ashr", n, c.whole(1))  # 2^n is not a number where e^x is subnormal or infinite
    rest = _power_of_two(c, c.integers("sub", n, half))
    scale = _power_of_two(c, half)
    first = c.fma(p, scale, scale)
    lost = c.fma(p, scale, c.two("fsub", scale, first))
    return c.two("fmul", first, rest), c.two("fmul", lost, rest)


def _expm1(c: Code, x: Value) -> Value:
    low, high = (-30.0, 89.0) if c.char == "f" else (-50.0, 710.0)
    n, p = _reduced_exponent(c, _clamped(c, x, low, high))
    scale = _power_of_two(c, c.integers("sub", n, c.whole(1)))
    half = c.fma(scale, p, c.two("fsub", scale, c.number(0.5)))
    return c.select(c.compare("oeq", x, c.number(0.0)), x, c.two("fadd", half, half))


# (tanh(x) / x - 1) / x^2 as a polynomial of x^2 up to 5/8 squared, through its values at the zeros of a Chebyshev
# polynomial; by mpmath, to 4e-10 and 2e-18.
_TANH = {
    "f": (
        *(-0.33333333172140361638, 0.13333303556915741766, -0.053959259577204542744),
        *(0.021768918651028210152, -0.008343945515839152048, 0.0022927448161781423431),
    ),
    "d": (
        *(-0.33333333333333332938, 0.13333333333333041602, -0.05396825396789699169, 0.021869488519008305756),
        *(-0.008863235103240877925, 0.0035921217511549622695, -0.0014557754120478055104, 0.0005896606577757043347),
        *(-0.00023759064960555619551, 9.2571161295567682707e-05, -3.1201101425797400033e-05, 6.48516348279311315e-06),
    ),
}


def _tanh(c: Code, x: Value) -> Value:
    size = c.intrinsic("fabs", x)
    z = c.two("fmul", size, size)
    near = c.fma(c.two("fmul", size, z), c.polynomial(z, _TANH[c.char]), size)
    # Beyond 40 the result is 1, and an overflow would set the processor's flag.
    bounded = c.select(c.compare("ogt", size, c.number(40.0)), c.number(40.0), size)
    grown = c.function("exp", c.two("fadd", bounded, bounded))
    one = c.number(1.0)
    far = c.two("fsub", one, c.two("fdiv", c.number(2.0), c.two("fadd", grown, one)))
    return c.intrinsic("copysign", c.select(c.compare("olt", size, c.number(0.625)), near, far), x)


def _sigmoid(c: Code, x: Value) -> Value:
    """Return top / (1 + e) with e = exp(-|x|), top = 1 or e; what roundings lost is added to the quotient."""
    e, lost = _parts_of_exp(c, c.negative(c.intrinsic("fabs", x)))
    one, is_above = c.number(1.0), c.compare("oge", x, c.number(0.0))
    top, lost_of_top = c.select(is_above, one, e), c.select(is_above, c.number(0.0), lost)
    root = c.two("fadd", e, one)
    lost_of_root = c.two("fadd", c.two("fadd", c.two("fsub", one, root), e), lost)
    inverse = c.two("fdiv", one, root)
    q = c.two("fmul", top, inverse)
    left = c.two("fadd", c.fma(c.negative(q), root, top), c.fma(c.negative(q), lost_of_root, lost_of_top))
    return c.fma(left, inverse, q)


def _over_square_of_cosh(c: Code, t: Value, x: Value) -> Value:
    """Return t / cosh^2 x = 4 t e / (1 + e)^2 with e = exp(-2 |x|)."""
    size = c.intrinsic("fabs", x)
    e = c.function("exp", c.negative(c.two("fadd", size, size)))
    root = c.two("fadd", e, c.number(1.0))
    four = c.two("fmul", e, c.number(4.0))
    return c.two("fmul", t, c.two("fdiv", four, c.two("fmul", root, root)))


# ---- logarithms ----


def _parts_of_log(c: Code, x: Value) -> tuple[Value, Value]:
    """Return k and f with x = 2^k (1 + f), 1 + f between the roots of 1/2 and 2; x is positive and normal."""
    bits = c.to_bits(x)
    root = np.array(math.sqrt(0.5), c.char)
    offset = int(root.view(f"i{root.itemsize}"))
    shifted = c.integers("sub", bits, c.whole(offset))
    k = c.integers("ashr", shifted, c.whole(c.mantissa))
    mantissa = c.integers("sub", bits, c.integers("shl", k, c.whole(c.mantissa)))
    number = c.add(f"sitofp {c.integer} {k} to {c.type}")
    return number, c.two("fsub", c.to_numbers(mantissa), c.number(1.0))


def _log_of_parts(c: Code, u: Value, k: Value, f: Value, correction: Value | None = None) -> Value:
    """Return the logarithm of u = 2^k (1 + f), which sets a flag of the processor by dividing by 0 unless u > 0."""
    is_outside = c.add(f"icmp sle {c.integer} {c.to_bits(u)}, {c.whole(0)}")
    s = c.two("fdiv", f, c.select(is_outside, c.number(0.0), c.two("fadd", f, c.number(2.0))))
    z = c.two("fmul", s, s)
    terms = 5 if c.char == "f" else 11
    r = c.two("fmul", z, c.polynomial(z, [Fraction(2, 2 * i + 1) for i in range(1, terms + 1)]))
    half = c.two("fmul", c.two("fmul", f, f), c.number(0.5))
    high, low = _LN2[c.char]
    small = c.two("fmul", k, c.number(low)) if correction is None else c.fma(k, c.number(low), correction)
    inner = c.fma(s, c.two("fadd", half, r), small)
    return c.fma(k, c.number(high), c.two("fsub", f, c.two("fsub", half, inner)))


def _log(c: Code, x: Value) -> Value:
    smallest = float(np.finfo(c.char).tiny)
    is_small = c.compare("olt", x, c.number(smallest))
    grown = c.two("fmul", x, c.number(2.0**c.mantissa))
    k, f = _parts_of_log(c, c.select(is_small, grown, x))
    k = c.select(is_small, c.two("fsub", k, c.number(c.mantissa)), k)
    return _with_ends(c, x, x, _log_of_parts(c, x, k, f))


def _with_ends(c: Code, x: Value, u: Value, y: Value) -> Value:
    """Return logarithms y, with those of zero, negative numbers, infinity and NaN; u is what the logarithm is of."""
    y = c.select(c.compare("oeq", u, c.number(math.inf)), x, y)
    y = c.select(c.compare("oeq", u, c.number(0.0)), c.number(-math.inf), y)
    y = c.select(c.compare("olt", u, c.number(0.0)), c.number(math.nan), y)
    return c.select(c.compare("uno", x, x), x, y)


def _log1p(c: Code, x: Value) -> Value:
    one = c.number(1.0)
    u = c.two("fadd", one, x)
    lost = c.two("fsub", x, c.two("fsub", u, one))
    k, f = _parts_of_log(c, u)
    y = _log_of_parts(c, u, k, f, c.two("fdiv", lost, u))
    y = c.select(c.compare("oeq", u, one), x, y)
    return _with_ends(c, x, u, y)


# ---- sine and cosine ----

# Beyond it x is not reduced to the last digit by three parts of pi / 2.
FARTHEST = {"f": 10_000.0, "d": 1_000_000.0}
LIMITED = frozenset({"sin", "cos", "tan"})


def _parts_of_half_pi(char: str) -> tuple[float, float, float]:
    """Return pi / 2 as a sum of three numbers of the precision."""
    half_pi = Fraction(314159265358979323846264338327950288419716939937510582097494, 10**59) / 2
    parts = []
    for _ in range(3):
        part = float(np.array(float(half_pi), char))
        parts.append(part)
        half_pi -= Fraction(part)
    return parts[0], parts[1], parts[2]


_HALF_PI = {char: _parts_of_half_pi(char) for char in "fd"}


def _with_lost(c: Code, n: Value, part: Value, x: Value) -> tuple[Value, Value]:
    """Return n * part + x, rounded, and what that lost: by the product and Knuth's TwoSum, of sizes in any order."""
    total = c.fma(n, part, x)
    product = c.two("fmul", n, part)
    first = c.two("fadd", x, product)
    added = c.two("fsub", first, x)
    lost = c.two("fsub", x, c.two("fsub", first, added))
    lost = c.two("fadd", lost, c.two("fsub", product, added))
    lost = c.two("fadd", lost, c.fma(n, part, c.negative(product)))
    return total, c.two("fadd", c.two("fsub", first, total), lost)


class _Angle:
    """The parts of sin x and cos x for x = n pi / 2 + r.

    Attributes:
        integer: n.
        sine, cosine: of r, rounded.
        sine_lost, cosine_lost: what they lost by their last roundings, and by that of r.
    """

    def __init__(self, c: Code, x: Value) -> None:
        n, self.integer = _rounded(c, x, 2 / math.pi)
        first, second, third = (c.number(-part) for part in _HALF_PI[c.char])
        exact = c.fma(n, first, x)
        middle, lost = _with_lost(c, n, second, exact)
        r, lost_last = _with_lost(c, n, third, middle)
        lost = c.two("fadd", lost, lost_last)
        z = c.two("fmul", r, r)
        sines, cosines = (4, 5) if c.char == "f" else (8, 8)
        odd = c.polynomial(z, [Fraction((-1) ** k, math.factorial(2 * k + 1)) for k in range(1, sines + 1)])
        cube = c.two("fmul", z, r)
        self.sine = c.fma(cube, odd, r)
        even = c.polynomial(z, [Fraction((-1) ** k, math.factorial(2 * k)) for k in range(2, cosines + 1)])
        half = c.fma(z, c.number(-0.5), c.number(1.0))
        # What 1 - z / 2 lost by rounding is added to the rest.
        rest = c.fma(z, c.number(-0.5), c.two("fsub", c.number(1.0), half))
        fourth = c.fma(c.two("fmul", z, z), even, rest)
        self.cosine = c.two("fadd", half, fourth)
        sine_lost = c.fma(cube, odd, c.two("fsub", r, self.sine))
        cosine_lost = c.two("fadd", c.two("fsub", half, self.cosine), fourth)
        self.sine_lost = c.fma(lost, self.cosine, sine_lost)
        self.cosine_lost = c.fma(c.negative(lost), self.sine, cosine_lost)


def _is_odd(c: Code, integer: Value) -> Value:
    return c.add(f"icmp ne {c.integer} {c.integers('and', integer, c.whole(1))}, zeroinitializer")


def _sine_or_cosine(c: Code, x: Value, quarter: int) -> Value:
    """Return sin(x + quarter * pi / 2)."""
    angle = _Angle(c, x)
    integer = angle.integer
    if quarter:
        integer = c.integers("add", integer, c.whole(quarter))
    chosen = c.select(_is_odd(c, integer), angle.cosine, angle.sine)
    sign = c.integers("shl", c.integers("and", integer, c.whole(2)), c.whole(c.bits - 2))
    return c.to_numbers(c.integers("xor", c.to_bits(chosen), sign))


def _sin(c: Code, x: Value) -> Value:
    # The sine of -0 is -0, and its reduction 0.
    return c.select(c.compare("oeq", x, c.number(0.0)), x, _sine_or_cosine(c, x, 0))


def _cos(c: Code, x: Value) -> Value:
    return _sine_or_cosine(c, x, 1)


def _tan(c: Code, x: Value) -> Value:
    """Return the quotient of sine and cosine, to which what they and it lost is added."""
    angle = _Angle(c, x)
    is_odd = _is_odd(c, angle.integer)
    top = c.select(is_odd, c.negative(angle.cosine), angle.sine)
    top_lost = c.select(is_odd, c.negative(angle.cosine_lost), angle.sine_lost)
    bottom = c.select(is_odd, angle.sine, angle.cosine)
    bottom_lost = c.select(is_odd, angle.sine_lost, angle.cosine_lost)
    quotient = c.two("fdiv", top, bottom)
    turned = c.negative(quotient)
    left = c.fma(turned, bottom_lost, c.two("fadd", c.fma(turned, bottom, top), top_lost))
    found = c.two("fadd", quotient, c.two("fdiv", left, bottom))
    return c.select(c.compare("oeq", x, c.number(0.0)), x, found)


# (arctan(x) / x - 1) / x^2 as a polynomial of x^2 up to tan^2(pi / 8), through its values at the zeros of a Chebyshev
# polynomial; by mpmath, to 3e-9 and 5e-18.
_ARCTAN = {
    "f": (
        *(-0.33333331753816968908, 0.19999538794771921465, -0.14263897112598675462),
        *(0.10743099667674570264, -0.06449835224591495918),
    ),
    "d": (
        *(-0.33333333333333330127, 0.19999999999995479198, -0.1428571428465789355, 0.111111110145610136),
        *(-0.090909045498846109542, 0.076921825351166482024, -0.066645022156714471037, 0.05858068756861510547),
        *(-0.050850304928109405433, 0.039219552532551294092, -0.019162068915902573948),
    ),
}


def _arctan(c: Code, x: Value) -> Value:
    """Return arctan |x| = pi / 4 + arctan((|x| - 1) / (|x| + 1)) = pi / 2 - arctan(1 / |x|), with the sign of x."""
    size, one = c.intrinsic("fabs", x), c.number(1.0)
    is_far = c.compare("ogt", size, c.number(1 + math.sqrt(2)))
    is_middle = c.compare("ogt", size, c.number(math.sqrt(2) - 1))
    top = c.select(is_far, c.number(-1.0), c.select(is_middle, c.two("fsub", size, one), size))
    bottom = c.select(is_far, size, c.select(is_middle, c.two("fadd", size, one), one))
    t = c.two("fdiv", top, bottom)
    z = c.two("fmul", t, t)
    rest = c.two("fmul", c.two("fmul", t, z), c.polynomial(z, _ARCTAN[c.char]))
    high, low, _ = _HALF_PI[c.char]
    zero = c.number(0.0)
    turned_low = c.select(is_far, c.number(low), c.select(is_middle, c.number(low / 2), zero))
    turned = c.select(is_far, c.number(high), c.select(is_middle, c.number(high / 2), zero))
    total = c.two("fadd", turned, c.two("fadd", t, c.two("fadd", rest, turned_low)))
    return c.intrinsic("copysign", total, x)


# ---- sums of exponentials ----


def _logaddexp(c: Code, x: Value, y: Value) -> Value:
    """Return the larger plus log(1 + e^-|x - y|)."""
    same = c.compare("oeq", x, y)  # also infinities
    distance = c.intrinsic("fabs", c.select(same, c.number(0.0), c.two("fsub", x, y)))
    rest = c.function("log1p", c.function("exp", c.negative(distance)))
    return c.two("fadd", _largest("uge")(c, x, y), rest)


def _logaddexp_share(c: Code, x: Value, y: Value) -> Value:
    """Return e^x / (e^x + e^y), the sigmoid of x - y, with what the difference lost by its rounding."""
    difference = c.two("fsub", x, y)
    back = c.two("fsub", difference, x)
    first = c.two("fsub", x, c.two("fsub", difference, back))
    lost = c.two("fsub", first, c.two("fadd", y, back))
    is_number = c.compare("olt", c.intrinsic("fabs", lost), c.number(math.inf))
    share = c.function("sigmoid", difference)
    other = c.function("sigmoid", c.negative(difference))
    found = c.fma(c.two("fmul", share, other), c.select(is_number, lost, c.number(0.0)), share)
    return c.select(c.compare("oeq", x, y), c.number(0.5), found)


# ---- the error function and the normal distribution, by the formulas of `kernels.error_function` ----


def _parts_of_gaussian(c: Code, size: Value, factor: float) -> tuple[Value, Value]:
    """Return e^(-factor size^2) for a factor that is a power of two, and what its parts lost by rounding."""
    square = c.two("fmul", size, size)
    lost_of_square = c.fma(size, size, c.negative(square))
    e, lost = _parts_of_exp(c, c.two("fmul", square, c.number(-factor)))
    return e, c.fma(e, c.two("fmul", lost_of_square, c.number(-factor)), lost)


def _complement(c: Code, x: Value, lost_of_x: Value, factor: Value, lost_of_factor: Value) -> Value:
    """Return factor e^(x^2) erfc x for x >= 0, with what x, quotients and products lost by rounding."""
    t = c.two("fdiv", c.two("fsub", x, c.number(3.75)), c.two("fadd", x, c.number(3.75)))
    if c.char == "f":
        total = c.polynomial(t, list(map(float, SINGLE_POWERS)))
    else:
        double = c.two("fadd", t, t)
        later, last = c.number(0.0), c.number(ERFC_SERIES[-1])
        for coefficient in ERFC_SERIES[-2:0:-1]:
            last, later = c.fma(double, last, c.two("fsub", c.number(coefficient), later)), last
        total = c.fma(t, last, c.two("fsub", c.number(ERFC_SERIES[0]), later))
    bottom = c.fma(x, c.number(2.0), c.number(1.0))
    is_large = c.compare("ogt", x, c.number(0.5))
    twice = c.two("fadd", x, x)
    large, small = c.select(is_large, twice, c.number(1.0)), c.select(is_large, c.number(1.0), twice)
    lost_of_bottom = c.two("fadd", c.two("fsub", large, bottom), small)
    quotient = c.two("fdiv", total, bottom)
    turned = c.negative(quotient)
    lost = c.two("fdiv", c.fma(turned, lost_of_bottom, c.fma(turned, bottom, total)), bottom)
    slope = c.fma(twice, quotient, c.number(-2 / math.sqrt(math.pi)))
    lost = c.fma(lost_of_x, slope, lost)
    product = c.two("fmul", factor, quotient)
    left = c.fma(factor, quotient, c.negative(product))
    return c.two("fadd", product, c.fma(factor, lost, c.fma(lost_of_factor, quotient, left)))


def _parts_of_erf(c: Code, x: Value) -> tuple[Value, Value]:
    """Return erf x for |x| up to 0.7, as the first term of the series and the rest with what that lost."""
    scale, terms = 2 / math.sqrt(math.pi), 9 if c.char == "f" else 17
    z = c.two("fmul", x, x)
    series = [(-1) ** n * scale / (math.factorial(n) * (2 * n + 1)) for n in range(1, terms)]
    rest = c.two("fmul", c.two("fmul", x, z), c.polynomial(z, series))
    high = float(np.float32(scale)) if c.char == "f" else scale
    low = 2 / math.sqrt(math.pi) - high if c.char == "f" else _SCALE_LOW
    product = c.two("fmul", x, c.number(high))
    lost = c.fma(x, c.number(high), c.negative(product))
    return product, c.two("fadd", c.fma(x, c.number(low), rest), lost)


_SCALE_LOW = 1.533545961316588e-17  # of 2 / sqrt(pi), beyond its float64
_ROOT_LOW = -4.833646656726457e-17  # of sqrt(1/2)
_LARGEST_SIZE = 120.0  # e^(-x^2 / 2) is 0 beyond it, and the square is a number


def _size(c: Code, x: Value) -> Value:
    return _clamped(c, c.intrinsic("fabs", x), 0.0, _LARGEST_SIZE)


def _erf(c: Code, x: Value) -> Value:
    size = _size(c, x)
    complement = _complement(c, size, c.number(0.0), *_parts_of_gaussian(c, size, 1.0))
    far = c.intrinsic("copysign", c.two("fsub", c.number(1.0), complement), x)
    # The rest of the series is 0 at -0, which the sum would turn into 0.
    near = c.intrinsic("copysign", c.two("fadd", *_parts_of_erf(c, x)), x)
    return c.select(c.compare("olt", size, c.number(0.7)), near, far)


def _normal_cdf(c: Code, x: Value) -> Value:
    """Return erfc(-x / sqrt 2) / 2."""
    return _normal_cdf_by(c, x, *_parts_of_gaussian(c, _size(c, x), 0.5))


def _normal_cdf_by(c: Code, x: Value, e: Value, lost_of_e: Value) -> Value:
    """Return it by e^(-x^2 / 2), and what that lost by rounding."""
    scaled, lost = _over_root_of_two(c, _size(c, x))
    tail = c.two("fmul", c.number(0.5), _complement(c, scaled, lost, e, lost_of_e))
    far = c.select(c.compare("olt", x, c.number(0.0)), tail, c.two("fsub", c.number(1.0), tail))
    return c.select(c.compare("olt", scaled, c.number(0.7)), _normal_cdf_near_zero(c, scaled, x), far)


def _over_root_of_two(c: Code, size: Value) -> tuple[Value, Value]:
    """Return size / sqrt 2, and what that lost by rounding."""
    high = float(np.array(math.sqrt(0.5), c.char))
    low = math.sqrt(0.5) - high if c.char == "f" else _ROOT_LOW
    scaled = c.two("fmul", size, c.number(high))
    return scaled, c.fma(size, c.number(low), c.fma(size, c.number(high), c.negative(scaled)))


def _normal_cdf_near_zero(c: Code, scaled: Value, x: Value) -> Value:
    """Return 1 / 2 + erf(x / sqrt 2) / 2, by |x| / sqrt 2 up to 0.7."""
    half = c.number(0.5)
    first, rest = (c.two("fmul", half, part) for part in _parts_of_erf(c, c.intrinsic("copysign", scaled, x)))
    total = c.two("fadd", half, first)
    return c.two("fadd", total, c.two("fadd", c.two("fadd", c.two("fsub", half, total), first), rest))


def _gaussian(c: Code, x: Value) -> Value:
    return c.two("fadd", *_parts_of_gaussian(c, _size(c, x), 1.0))


def _normal_density(c: Code, x: Value) -> Value:
    return _normal_density_by(c, *_parts_of_gaussian(c, _size(c, x), 0.5))


def _normal_density_by(c: Code, e: Value, lost: Value) -> Value:
    """Return it by e^(-x^2 / 2), and what that lost by rounding."""
    scale = 1 / math.sqrt(2 * math.pi)
    high = float(np.array(scale, c.char))
    rest = c.two("fmul", e, c.number(scale - high))
    return c.fma(e, c.number(high), c.fma(lost, c.number(high), rest))


def _gelu(c: Code, x: Value) -> Value:
    """Return x Phi(x); far from 0, where Phi(x) may be subnormal and x infinite, as max(x, 0) - |x| Phi(-|x|)."""
    size = _size(c, x)
    e, lost_of_e = _parts_of_gaussian(c, size, 0.5)
    factor = c.two("fmul", e, size)
    lost_of_factor = c.fma(lost_of_e, size, c.fma(e, size, c.negative(factor)))
    scaled, lost = _over_root_of_two(c, size)
    tail = c.two("fmul", c.number(0.5), _complement(c, scaled, lost, factor, lost_of_factor))
    far = c.select(c.compare("olt", x, c.number(0.0)), c.negative(tail), c.two("fsub", x, tail))
    near = c.two("fmul", x, _normal_cdf_near_zero(c, scaled, x))
    return c.select(c.compare("olt", scaled, c.number(0.7)), near, far)


def _gelu_slope(c: Code, t: Value, x: Value) -> Value:
    """Return t (Phi(x) + x phi(x))."""
    e, lost = _parts_of_gaussian(c, _size(c, x), 0.5)
    near = _clamped(c, x, -_LARGEST_SIZE, _LARGEST_SIZE)
    return c.two("fmul", t, c.fma(near, _normal_density_by(c, e, lost), _normal_cdf_by(c, x, e, lost)))


FUNCTIONS: dict[str, tuple[Function, int]] = {
    "exp": (_exp, 1),
    "expm1": (_expm1, 1),
    "log": (_log, 1),
    "log1p": (_log1p, 1),
    "sin": (_sin, 1),
    "cos": (_cos, 1),
    "tanh": (_tanh, 1),
    "sigmoid": (_sigmoid, 1),
    "over_square_of_cosh": (_over_square_of_cosh, 2),
    "tan": (_tan, 1),
    "arctan": (_arctan, 1),
    "logaddexp": (_logaddexp, 2),
    "logaddexp_share": (_logaddexp_share, 2),
    "erf": (_erf, 1),
    "gaussian": (_gaussian, 1),
    "normal_cdf": (_normal_cdf, 1),
    "normal_density": (_normal_density, 1),
    "gelu": (_gelu, 1),
    "gelu_slope": (_gelu_slope, 2),
    "power": (vector_power.power, 2),
}

# ---- operations of one line or a few ----


def _largest(relation: str) -> Function:
    def chosen(c: Code, x: Value, y: Value) -> Value:
        # As NumPy's: NaN where either is, and of equal ones the first.
        found = c.select(c.compare(relation, x, y), x, y)
        return c.select(c.compare("uno", y, y), y, found)

    return chosen


def _binary(operation: str) -> Function:
    return lambda c, x, y: c.two(operation, x, y)


def _compared(relation: str) -> Function:
    return lambda c, x, y: c.compare(relation, x, y)


def _sign(c: Code, x: Value) -> Value:
    zero = c.number(0.0)
    below = c.select(c.compare("olt", x, zero), c.number(-1.0), c.two("fadd", x, zero))
    return c.select(c.compare("ogt", x, zero), c.number(1.0), below)


def _over_one_more_square(c: Code, t: Value, x: Value) -> Value:
    square = c.two("fmul", x, x)
    near = c.two("fdiv", t, c.two("fadd", c.number(1.0), square))
    is_far = c.compare("oeq", square, c.number(math.inf))
    size = c.select(is_far, x, c.number(1.0))
    return c.select(is_far, c.two("fdiv", c.two("fdiv", t, size), size), near)


def _subgradient(c: Code, x: Value, mask: Value) -> Value:
    is_number = c.compare("ord", x, x)
    return c.select(c.add(f"and {c.truth} {mask}, {is_number}"), c.number(0.0), x)


def multiplied_out(c: Code, x: Value, exponent: int) -> Value:
    """Return a power by multiplications; a negative one is of the reciprocal, as its square may be too large."""
    base = x if exponent > 0 else c.two("fdiv", c.number(1.0), x)
    square = c.two("fmul", base, base)
    return {1: base, 2: square, 3: c.two("fmul", square, base), 4: c.two("fmul", square, square)}[abs(exponent)]


# Exponents that are written as multiplications.
EXPONENTS = frozenset({-2, -1, 2, 3, 4})

SIMPLE: dict[str, Function] = {
    "add": _binary("fadd"),
    "subtract": _binary("fsub"),
    "multiply": _binary("fmul"),
    "divide": _binary("fdiv"),
    "negative": lambda c, x: c.negative(x),
    "positive": lambda c, x: x,
    "square": lambda c, x: c.two("fmul", x, x),
    "sqrt": lambda c, x: c.intrinsic("sqrt", x),
    "root_of_squares": lambda c, x: c.intrinsic("sqrt", x),
    "reciprocal": lambda c, x: c.two("fdiv", c.number(1.0), x),
    "absolute": lambda c, x: c.intrinsic("fabs", x),
    "fabs": lambda c, x: c.intrinsic("fabs", x),
    "floor": lambda c, x: c.intrinsic("floor", x),
    "ceil": lambda c, x: c.intrinsic("ceil", x),
    "trunc": lambda c, x: c.intrinsic("trunc", x),
    "rint": lambda c, x: c.intrinsic("rint", x),
    "maximum": _largest("uge"),
    "minimum": _largest("ule"),
    "relu": lambda c, x: _largest("uge")(c, x, c.number(0.0)),
    "sign": _sign,
    "clip": lambda c, x, low, high: _largest("ule")(c, _largest("uge")(c, x, low), high),
    "copysign": lambda c, x, y: c.intrinsic("copysign", x, y),
    "stop_gradient": lambda c, x: x,
    "subgradient": _subgradient,
    "over_one_more_square": _over_one_more_square,
    "one_less_square": lambda c, x: c.two("fmul", c.two("fsub", c.number(1.0), x), c.two("fadd", c.number(1.0), x)),
}
TRUTHS: dict[str, Function] = {
    "greater": _compared("ogt"),
    "greater_equal": _compared("oge"),
    "less": _compared("olt"),
    "less_equal": _compared("ole"),
    "equal": _compared("oeq"),
    "not_equal": _compared("une"),
    "isnan": lambda c, x: c.compare("uno", x, x),
    "isinf": lambda c, x: c.compare("oeq", c.intrinsic("fabs", x), c.number(math.inf)),
    "isfinite": lambda c, x: c.compare("olt", c.intrinsic("fabs", x), c.number(math.inf)),
}
