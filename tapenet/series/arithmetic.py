"""Arithmetic of truncated power series.

A *series* is the list of its coefficients, x(t) = x[0] + x[1] t + x[2] t^2 + ..., up to an order that all series of a
walk share. A coefficient is an array, or None where it is zero. Series are never written into.

Source: Griewank and Walther, Evaluating Derivatives, 2nd edition, chapter 13.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tapenet.core.leaf_checks import dtype_of
from tapenet.core.primitive import Array
from tapenet.ops.elementwise import arithmetic

Coefficient = Any  # an array, or None for zero; of an operation with several results a tuple of these
Series = Sequence[Coefficient]
Product = Callable[[Array, Array], Array]


def is_complex(x: Array) -> bool:
    """Return whether a value is complex."""
    kind: str = dtype_of(x).kind
    return kind == "c"


def is_constant(x: Series) -> bool:
    """Return whether all coefficients but the first are zero."""
    return all(c is None for c in x[1:])


def constant(value: Array, like: Series) -> list[Coefficient]:
    """Return the series of a value that does not change."""
    return [value, *[None] * (len(like) - 1)]


def mapped(function: Callable[[Array], Array], x: Series) -> list[Coefficient]:
    """Apply a linear function to each coefficient."""
    return [None if c is None else function(c) for c in x]


def total(terms: Iterable[Coefficient]) -> Coefficient:
    """Add up terms, of which those that are arrays were made for it: the first is written into."""
    found = None
    for term in terms:
        if term is None:
            continue
        if found is None:
            found = term
        elif type(found) is type(term) is np.ndarray and found.shape == term.shape and found.dtype == term.dtype:
            np.add(found, term, out=found)
        else:
            found = found + term
    return found


def multiply(x: Array, y: Array) -> Array:
    """Multiply two coefficients; a Python complex times a numpy.float64 would be a Python complex."""
    return arithmetic.multiply(x, y)


def convolved(product: Product, x: Series, y: Series, k: int, first: int = 0, last: int | None = None) -> Coefficient:
    """Compute the sum of x[i] y[k - i], over i from `first` to `last`, which is k by default."""
    stop = k if last is None else last
    return total(product(x[i], y[k - i]) for i in range(first, stop + 1) if x[i] is not None and y[k - i] is not None)


def product_of(product: Product, x: Series, y: Series) -> list[Coefficient]:
    """Apply a bilinear function to two series: Cauchy's rule."""
    return [convolved(product, x, y, k) for k in range(len(x))]


def times(x: Series, y: Series) -> list[Coefficient]:
    """Multiply two series, element by element."""
    if x is y:
        return square(x)
    return product_of(multiply, x, y)


def square(x: Series) -> list[Coefficient]:
    """Square a series."""
    return [square_term(x, k) for k in range(len(x))]


def square_term(x: Series, k: int) -> Coefficient:
    """Compute a coefficient of the square of a series."""
    twice = convolved(multiply, x, x, k, 0, (k - 1) // 2)
    middle = x[k // 2] if k % 2 == 0 else None
    return total([None if twice is None else 2 * twice, None if middle is None else middle * middle])


def plus(x: Series, y: Series) -> list[Coefficient]:
    """Add two series."""
    return [plus_coefficient(a, b) for a, b in zip(x, y, strict=True)]


def plus_coefficient(a: Coefficient, b: Coefficient) -> Coefficient:
    """Add two coefficients."""
    return b if a is None else a if b is None else a + b


def minus(x: Series, y: Series) -> list[Coefficient]:
    """Subtract one series from another."""
    return [minus_coefficient(a, b) for a, b in zip(x, y, strict=True)]


def minus_coefficient(a: Coefficient, b: Coefficient) -> Coefficient:
    """Subtract one coefficient from another."""
    if b is None:
        return a
    return -b if a is None else a - b


def scaled(x: Series, factor: Any) -> list[Coefficient]:
    """Multiply a series by a constant."""
    return mapped(lambda c: multiply(c, factor), x)


def over_constant(x: Series, divisor: Array) -> list[Coefficient]:
    """Divide a series by a constant."""
    return mapped(lambda c: c / divisor, x)


def shifted(x: Series, number: Any) -> list[Coefficient]:
    """Add a constant to a series."""
    return [x[0] + number, *x[1:]]


def over(x: Series, y: Series, first: Coefficient = None) -> list[Coefficient]:
    """Divide one series by another; the first coefficient may be given."""
    if is_constant(y):
        return over_constant(x, y[0])
    out: list[Coefficient] = [x[0] / y[0] if first is None else first]
    for k in range(1, len(x)):
        out.append(_less(x[k], convolved(multiply, out, y, k, 0, k - 1)) / y[0])
    return out


def _less(x: Coefficient, y: Coefficient) -> Array:
    """Subtract coefficients; 0 where both are None, so that a division by 0 shows."""
    if y is None:
        return 0.0 if x is None else x
    return -y if x is None else x - y


def derivative(x: Series) -> list[Coefficient]:
    """Differentiate a series by t: one coefficient less."""
    return [None if c is None else c * k if k > 1 else c for k, c in enumerate(x[1:], 1)]


def integral(first: Array, slope: Series) -> list[Coefficient]:
    """Integrate a series from its value at t = 0: one coefficient more."""
    return [first, *(None if c is None else c / k if k > 1 else c for k, c in enumerate(slope, 1))]


def integrated(first: Array, factor: Series, x: Series) -> list[Coefficient]:
    """Solve y' = factor x'."""
    return integral(first, times(factor[:-1], derivative(x)))


def exponential(first: Array, x: Series) -> list[Coefficient]:
    """Solve y' = y x'."""
    slope = derivative(x)
    out: list[Coefficient] = [first]
    for k in range(1, len(x)):
        out.append(divided(convolved(multiply, slope, out, k - 1), k))
    return out


def divided(x: Coefficient, k: int) -> Coefficient:
    """Divide a coefficient by a number."""
    return x if x is None or k == 1 else x / k


def square_root(first: Array, x: Series) -> list[Coefficient]:
    """Solve y^2 = x."""
    out: list[Coefficient] = [first]
    for k in range(1, len(x)):
        inner = convolved(multiply, out, out, k, 1, k - 1)
        out.append(_less(x[k], inner) / (2 * first))
    return out


def power(first: Array, x: Series, exponent: Any) -> list[Coefficient]:
    """Solve x y' = exponent y x', for a constant exponent and x that is not 0."""
    slope = derivative(x)
    out: list[Coefficient] = [first]
    slopes: list[Coefficient] = []  # of out
    for k in range(1, len(x)):
        driven = convolved(multiply, slope, out, k - 1)
        held = total(
            x[i] * slopes[k - 1 - i] for i in range(1, k) if x[i] is not None and slopes[k - 1 - i] is not None
        )
        slopes.append(_less(None if driven is None else multiply(exponent, driven), held) / x[0])
        out.append(divided(slopes[-1], k))
    return out


def whole_power(x: Series, exponent: int) -> list[Coefficient]:
    """Raise a series to a power of at least 1, by multiplications: also where x is 0."""
    out: list[Coefficient] | None = None
    base = list(x)
    while exponent:
        if exponent & 1:
            out = base if out is None else times(out, base)
        exponent >>= 1
        if exponent:
            base = square(base)
    assert out is not None
    return out


def solution(
    solve: Callable[[Array], Array], right: Series, products: Callable[[int, Sequence[Coefficient]], Coefficient]
) -> list[Coefficient]:
    """Solve a x = b order by order, for b in `right`.

    Args:
        solve: a_0 x = b, for x.
        products: the sum of a_i x_(k-i) over i from 1 on, of k and the coefficients of x so far.
    """
    out: list[Coefficient] = [solve(right[0])]
    for k in range(1, len(right)):
        rest = minus_coefficient(right[k], products(k, [*out, None]))
        out.append(None if rest is None else solve(rest))
    return out


def composed(derivatives: Sequence[Array], x: Series) -> list[Coefficient]:
    """Compute f(x) from the derivatives of f at x[0], divided by k!: a polynomial in x - x[0], by Horner's rule."""
    step: list[Coefficient] = [None, *x[1:]]
    out = constant(derivatives[-1], x)
    for c in reversed(derivatives[:-1]):
        out = times(out, step)
        out[0] = c
    return out
