"""Complex numbers as pairs of vectors, in LLVM's intermediate representation; by NumPy's formulas."""

from __future__ import annotations

from collections.abc import Callable

from tapenet.kernels.vector_code import Code, Value
from tapenet.kernels.vector_math import FARTHEST

Pair = tuple[Value, Value]


def _each(operation: str) -> Callable[[Code, Pair, Pair], Pair]:
    return lambda c, x, y: (c.two(operation, x[0], y[0]), c.two(operation, x[1], y[1]))


def _product(c: Code, x: Pair, y: Pair) -> Pair:
    real = c.two("fsub", c.two("fmul", x[0], y[0]), c.two("fmul", x[1], y[1]))
    return real, c.two("fadd", c.two("fmul", x[0], y[1]), c.two("fmul", x[1], y[0]))


def _quotient(c: Code, x: Pair, y: Pair) -> Pair:
    """Return x / y without overflow where the quotient has none: Smith, 1962, Algorithm 116."""
    sizes = [c.intrinsic("fabs", part) for part in y]
    is_wide = c.compare("oge", *sizes)
    large, small = c.select(is_wide, y[0], y[1]), c.select(is_wide, y[1], y[0])
    ratio = c.two("fdiv", small, large)
    scale = c.two("fdiv", c.number(1.0), c.two("fadd", large, c.two("fmul", small, ratio)))
    a, b = c.select(is_wide, x[0], x[1]), c.select(is_wide, x[1], x[0])
    # (a + b r) s and (b - a r) s, or (a r + b) s and (b r - a) s where the imaginary part is larger.
    real = c.two("fadd", a, c.two("fmul", b, ratio))
    first, second = c.two("fmul", a, ratio), c.two("fsub", b, c.two("fmul", a, ratio))
    imaginary = c.select(is_wide, second, c.two("fsub", first, b))
    is_zero = c.compare("oeq", sizes[0], c.number(0.0))
    is_zero = c.add(f"and {c.truth} {is_zero}, {c.compare('oeq', sizes[1], c.number(0.0))}")
    parts = (c.two("fmul", part, scale) for part in (real, imaginary))
    pairs = zip(x, parts, strict=True)
    re, im = (c.select(is_zero, c.two("fdiv", own, sizes[0]), part) for own, part in pairs)
    return re, im


def _square(c: Code, x: Pair) -> Pair:
    cross = c.two("fmul", x[0], x[1])
    real = c.two("fsub", c.two("fmul", x[0], x[0]), c.two("fmul", x[1], x[1]))
    return real, c.two("fadd", cross, cross)


def _exp(c: Code, x: Pair) -> Pair:
    size = c.function("exp", x[0])
    return c.two("fmul", size, c.function("cos", x[1])), c.two("fmul", size, c.function("sin", x[1]))


def outside_of_exp(c: Code, x: Pair) -> Value:
    """Return where the exponential is left to NumPy: a part is not finite, its angle far, or its size out of range."""
    sizes = zip(x, (_LARGEST_EXPONENT[c.char], FARTHEST[c.char]), strict=True)
    # Unordered: NaN is outside, too.
    parts = [c.compare("uge", c.intrinsic("fabs", part), c.number(limit)) for part, limit in sizes]
    return c.add(f"or {c.truth} {parts[0]}, {parts[1]}")


# Real parts up to which an exponential, and its product with a sine, is a normal number.
_LARGEST_EXPONENT = {"f": 60.0, "d": 650.0}

OPERATIONS: dict[str, Callable[..., Pair]] = {
    "add": _each("fadd"),
    "subtract": _each("fsub"),
    "multiply": _product,
    "divide": _quotient,
    "square": _square,
    "exp": _exp,
    "negative": lambda c, x: (c.negative(x[0]), c.negative(x[1])),
    "conjugate": lambda c, x: (x[0], c.negative(x[1])),
    "positive": lambda c, x: x,
    "stop_gradient": lambda c, x: x,
}
