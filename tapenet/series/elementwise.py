"""Series rules of elementwise functions: each by the differential equation that it solves.

What a rule names by an operation's name is computed with that operation, so that the value is the one that f itself
computes.
"""

from __future__ import annotations

import math

import numpy as np

from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor
from tapenet.ops.elementwise import arithmetic, exponential, rounding, trigonometric
from tapenet.ops.elementwise.arithmetic import negative
from tapenet.ops.elementwise.choices import equal, greater, logical_and
from tapenet.ops.elementwise.complex import absolute, imag, real
from tapenet.ops.elementwise.constants import LOG2_E, LOG10_E, LOG_2
from tapenet.series.arithmetic import (
    Coefficient,
    Series,
    composed,
    convolved,
    derivative,
    divided,
    exponential as exponential_of,
    integral,
    is_complex,
    is_constant,
    mapped,
    minus,
    multiply,
    over,
    over_constant,
    plus,
    power as power_of,
    scaled,
    shifted,
    square,
    square_root,
    square_term,
    times,
    whole_power,
)
from tapenet.series.rules import apply, rule

# ---- where rules divide by zero ----


def _is_zero(x: Series) -> Array:
    return equal(x[0], 0)


def _is_one_in_size(x: Series) -> Array:
    return equal(absolute(x[0]), 1)


def _is_large(*operands: Series) -> Array:
    """Find where powers of the last operand are near to overflowing."""
    x = operands[-1][0]
    dtype = np.dtype(getattr(x, "dtype", float))
    return greater(absolute(x), float(np.finfo(dtype).max) ** 0.25 if dtype.char not in "gG" else 1e77)


# ---- products and quotients ----


@rule("multiply")
def _multiply(x: Series, y: Series) -> Series:
    return times(x, y)


@rule("divide", edge=lambda x, y: None if is_constant(y) else _is_zero(y))
def _divide(x: Series, y: Series) -> Series:
    return over(x, y, arithmetic.divide(x[0], y[0]))


@rule("reciprocal", edge=_is_zero)
def _reciprocal(x: Series) -> Series:
    out: list[Coefficient] = [arithmetic.reciprocal(x[0])]
    for k in range(1, len(x)):
        inner = convolved(multiply, x, out, k, 1)
        out.append(None if inner is None else -inner * out[0])
    return out


@rule("square")
def _square(x: Series) -> Series:
    return square(x)


@rule("sqrt", edge=_is_zero)
def _sqrt(x: Series) -> Series:
    return square_root(arithmetic.sqrt(x[0]), x)


@rule("root_of_squares", edge=_is_zero)
def _root_of_squares(x: Series) -> Series:
    return square_root(arithmetic.sqrt(x[0]), x)


@rule("cbrt", edge=_is_zero)
def _cbrt(x: Series) -> Series:
    return power_of(arithmetic.cbrt(x[0]), x, 1 / 3)


# ---- powers ----

_MOST_SQUARINGS = 64


def _whole_exponent(y: Series) -> int | None:
    """Return an exponent that is a constant whole number from 1 on, and not too large."""
    value = y[0]
    if type(value) is Tensor or np.ndim(value) or not is_constant(y) or np.iscomplexobj(value):
        return None
    is_whole = 1 <= value <= _MOST_SQUARINGS and float(value).is_integer()
    return int(value) if is_whole else None


def _edge_of_power(x: Series, y: Series) -> Array | None:
    return None if _whole_exponent(y) is not None or is_constant(x) else _is_zero(x)


@rule("power", "float_power", edge=_edge_of_power)
def _power(x: Series, y: Series) -> Series:
    first = exponential.power(x[0], y[0])
    whole = _whole_exponent(y)
    if whole is not None:
        return [first, *whole_power(x, whole)[1:]]
    if is_constant(y):
        return power_of(first, x, y[0])
    if is_constant(x):  # with the limits of x^y log(x) at x = 0
        return exponential_of(first, scaled(y, _logarithm_of_base(x[0], first)))
    return exponential_of(first, times(y, log_of(x)))


def _logarithm_of_base(x: Array, out: Array) -> Array:
    at_zero = equal(x, 0)
    is_constant_there = logical_and(at_zero, equal(out, 0)) | logical_and(at_zero, equal(out, 1))
    return exponential.log(arithmetic.where(is_constant_there, 1, arithmetic.where(at_zero, 0.5, x)))


def log_of(x: Series) -> Series:
    """Compute the logarithm of a series."""
    return integral(exponential.log(x[0]), over(derivative(x), x[:-1]))


# ---- exponentials and logarithms ----


@rule("exp")
def _exp(x: Series) -> Series:
    return exponential_of(exponential.exp(x[0]), x)


@rule("exp2")
def _exp2(x: Series) -> Series:
    return exponential_of(exponential.exp2(x[0]), scaled(x, LOG_2.of(x[0])))


@rule("expm1")
def _expm1(x: Series) -> Series:
    return [exponential.expm1(x[0]), *exponential_of(exponential.exp(x[0]), x)[1:]]


@rule("log", edge=_is_zero)
def _log(x: Series) -> Series:
    return log_of(x)


@rule("log2", edge=_is_zero)
def _log2(x: Series) -> Series:
    return [exponential.log2(x[0]), *scaled(log_of(x), LOG2_E.of(x[0]))[1:]]


@rule("log10", edge=_is_zero)
def _log10(x: Series) -> Series:
    return [exponential.log10(x[0]), *scaled(log_of(x), LOG10_E.of(x[0]))[1:]]


@rule("log1p", edge=lambda x: equal(x[0], -1), inside=0.0)
def _log1p(x: Series) -> Series:
    return integral(exponential.log1p(x[0]), over(derivative(x), shifted(x, 1)[:-1]))


def logistic(share: Array, other: Array, x: Series) -> list[Coefficient]:
    """Solve s' = s (1 - s) x', from s and 1 - s at t = 0: both, so that no difference loses their digits."""
    y, _ = hyperbolic(share - other, 4 * share * other, scaled(x, 0.5))
    return [share, *scaled(y, 0.5)[1:]]


def _log_of_sum(name: str, x: Series, y: Series, base: float) -> Series:
    share = f"{name}_share"
    ours = logistic(apply(share, x[0], y[0]), apply(share, y[0], x[0]), scaled(_difference(x, y), base))
    theirs = [apply(share, y[0], x[0]), *mapped(negative, ours[1:])]
    moved = plus(times(ours[:-1], derivative(x)), times(theirs[:-1], derivative(y)))
    return integral(apply(name, x[0], y[0]), moved)


def _difference(x: Series, y: Series) -> Series:
    """Subtract series; the first coefficient, which may be a difference of infinities, is not read."""
    return [x[0], *minus([None, *x[1:]], [None, *y[1:]])[1:]]


@rule("logaddexp")
def _logaddexp(x: Series, y: Series) -> Series:
    return _log_of_sum("logaddexp", x, y, 1.0)


@rule("logaddexp2")
def _logaddexp2(x: Series, y: Series) -> Series:
    return _log_of_sum("logaddexp2", x, y, LOG_2.of(x[0]))


@rule("logaddexp_share")
def _logaddexp_share(x: Series, y: Series) -> Series:
    name = "logaddexp_share"
    return logistic(apply(name, x[0], y[0]), apply(name, y[0], x[0]), _difference(x, y))


@rule("logaddexp2_share")
def _logaddexp2_share(x: Series, y: Series) -> Series:
    name = "logaddexp2_share"
    step = scaled(_difference(x, y), LOG_2.of(x[0]))
    return logistic(apply(name, x[0], y[0]), apply(name, y[0], x[0]), step)


@rule("sigmoid")
def _sigmoid(x: Series) -> Series:
    return logistic(apply("sigmoid", x[0]), apply("sigmoid", -x[0]), x)


# ---- trigonometric ----


def _sine_and_cosine(sine: Array, cosine: Array, x: Series, sign: int) -> tuple[list[Coefficient], list[Coefficient]]:
    """Solve s' = c x', c' = sign s x'."""
    slope = derivative(x)
    s: list[Coefficient] = [sine]
    c: list[Coefficient] = [cosine]
    for k in range(1, len(x)):
        of_s, of_c = convolved(multiply, slope, c, k - 1), convolved(multiply, slope, s, k - 1)
        s.append(divided(of_s, k))
        c.append(divided(of_c, sign * k))
    return s, c


@rule("sin")
def _sin(x: Series) -> Series:
    return _sine_and_cosine(trigonometric.sin(x[0]), trigonometric.cos(x[0]), x, -1)[0]


@rule("cos")
def _cos(x: Series) -> Series:
    return _sine_and_cosine(trigonometric.sin(x[0]), trigonometric.cos(x[0]), x, -1)[1]


@rule("sinh")
def _sinh(x: Series) -> Series:
    return _sine_and_cosine(trigonometric.sinh(x[0]), trigonometric.cosh(x[0]), x, 1)[0]


@rule("cosh")
def _cosh(x: Series) -> Series:
    return _sine_and_cosine(trigonometric.sinh(x[0]), trigonometric.cosh(x[0]), x, 1)[1]


@rule("tan")
def _tan(x: Series) -> Series:
    """Solve y' = (1 + y^2) x'."""
    slope = derivative(x)
    out: list[Coefficient] = [trigonometric.tan(x[0])]
    factor: list[Coefficient] = [1 + out[0] * out[0]]
    for k in range(1, len(x)):
        out.append(divided(convolved(multiply, slope, factor, k - 1), k))
        factor.append(square_term(out, k))
    return out


def hyperbolic(value: Array, density: Array, x: Series) -> tuple[list[Coefficient], list[Coefficient]]:
    """Solve y' = g x', g' = -2 y y', from y = tanh(x) and g = 1 / cosh(x)^2 at t = 0; return both."""
    slope = derivative(x)
    y: list[Coefficient] = [value]
    g: list[Coefficient] = [density]
    for k in range(1, len(x)):
        y.append(divided(convolved(multiply, slope, g, k - 1), k))
        inner = square_term(y, k)
        g.append(None if inner is None else -inner)
    return y, g


@rule("tanh")
def _tanh(x: Series) -> Series:
    return hyperbolic(trigonometric.tanh(x[0]), _density(x[0]), x)[0]


def _density(x: Array) -> Array:
    """Compute 1 / cosh(x)^2, also where the square overflows."""
    return trigonometric.over_square_of_cosh(np.ones((), getattr(x, "dtype", float))[()], x)


@rule("over_square_of_cosh")
def _over_square_of_cosh(t: Series, x: Series) -> Series:
    density = hyperbolic(trigonometric.tanh(x[0]), _density(x[0]), x)[1]
    return [trigonometric.over_square_of_cosh(t[0], x[0]), *times(t, density)[1:]]


@rule("one_less_square")
def _one_less_square(x: Series) -> Series:
    return [trigonometric.one_less_square(x[0]), *mapped(negative, square(x)[1:])]


@rule("arcsin", edge=_is_one_in_size, inside=0.0)
def _arcsin(x: Series) -> Series:
    return _by_root(trigonometric.arcsin(x[0]), x)


@rule("arccos", edge=_is_one_in_size, inside=0.0)
def _arccos(x: Series) -> Series:
    return [trigonometric.arccos(x[0]), *mapped(negative, _by_root(x[0], x)[1:])]


def _by_root(first: Array, x: Series) -> list[Coefficient]:
    """Solve y' = x' / sqrt(1 - x^2)."""
    inside = _one_less_square(x)
    return integral(first, over(derivative(x), square_root(arithmetic.sqrt(inside[0]), inside)[:-1]))


@rule("arctan", edge=_is_large, inside=0.0)
def _arctan(x: Series) -> Series:
    return integral(trigonometric.arctan(x[0]), over(derivative(x), shifted(square(x), 1)[:-1]))


@rule("over_one_more_square", edge=_is_large, inside=0.0)
def _over_one_more_square(t: Series, x: Series) -> Series:
    return over(t, shifted(square(x), 1), trigonometric.over_one_more_square(t[0], x[0]))


@rule("arcsinh", of_real=True)
def _arcsinh(x: Series) -> Series:
    root = square_root(trigonometric.hypot(x[0], 1), square(x))
    return integral(trigonometric.arcsinh(x[0]), over(derivative(x), root[:-1]))


@rule("arccosh", edge=_is_one_in_size, inside=2.0)
def _arccosh(x: Series) -> Series:
    below, above = shifted(x, -1), [x[0] - (-1), *x[1:]]  # x + 1 loses the sign of an imaginary part 0
    root = times(square_root(arithmetic.sqrt(below[0]), below), square_root(arithmetic.sqrt(above[0]), above))
    return integral(trigonometric.arccosh(x[0]), over(derivative(x), root[:-1]))


@rule("arctanh", edge=_is_one_in_size, inside=0.0)
def _arctanh(x: Series) -> Series:
    return integral(trigonometric.arctanh(x[0]), over(derivative(x), _one_less_square(x)[:-1]))


@rule("sinc")
def _sinc(x: Series, order: int) -> Series:
    derivatives = [apply("sinc", x[0], order=order + k) / math.factorial(k) for k in range(len(x))]
    return composed(derivatives, x)


# ---- directions ----


def _is_origin(x: Series, y: Series) -> Array:
    return logical_and(equal(x[0], 0), equal(y[0], 0))


def _scaled_radius(x: Series, y: Series) -> tuple[Array, Series, Series, list[Coefficient]]:
    """Return |(x, y)| at t = 0, and the series of x, y and |(x, y)| over it, of which no square overflows."""
    radius = trigonometric.hypot(x[0], y[0])
    x, y = over_constant(x, radius), over_constant(y, radius)
    return radius, x, y, square_root(radius / radius, plus(square(x), square(y)))


@rule("hypot", edge=_is_origin)
def _hypot(x: Series, y: Series) -> Series:
    radius, _, _, scaled_radius = _scaled_radius(x, y)
    return [radius, *scaled(scaled_radius, radius)[1:]]


@rule("direction", edge=_is_origin)
def _direction(x: Series, y: Series) -> Series:
    _, x_over, _, scaled_radius = _scaled_radius(x, y)
    return over(x_over, scaled_radius, apply("direction", x[0], y[0]))


@rule("inverse", edge=_is_origin)
def _inverse(x: Series, y: Series) -> Series:
    radius, x_over, y_over, _ = _scaled_radius(x, y)
    out = over_constant(over(x_over, plus(square(x_over), square(y_over))), radius)
    return [apply("inverse", x[0], y[0]), *out[1:]]


@rule("arctan2", edge=_is_origin)
def _arctan2(y: Series, x: Series) -> Series:
    _, y, x, _ = _scaled_radius(y, x)
    moved = minus(times(x[:-1], derivative(y)), times(y[:-1], derivative(x)))
    return integral(trigonometric.arctan2(y[0], x[0]), over(moved, plus(square(x), square(y))[:-1]))


def _is_plain_or_zero(x: Series) -> Array | None:
    return _is_zero(x) if is_complex(x[0]) else None


@rule("absolute", edge=_is_plain_or_zero)
def _absolute(x: Series) -> Series:
    if not is_complex(x[0]):
        turn = rounding.sign(x[0])
        return [absolute(x[0]), *scaled(x, turn)[1:]]
    return _hypot(mapped(real, x), mapped(imag, x))


@rule("complex_sign", edge=_is_zero)
def _complex_sign(x: Series) -> Series:
    return [apply("complex_sign", x[0]), *over(x, _absolute(x))[1:]]
