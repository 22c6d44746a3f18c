"""Series rules of softmax and its logarithm."""

from __future__ import annotations

from typing import Any

from tapenet.core.primitive import Array
from tapenet.ops.elementwise.arithmetic import where
from tapenet.ops.elementwise.choices import greater
from tapenet.ops.elementwise.exponential import exp
from tapenet.ops.reductions.reduction import sum as sum_over
from tapenet.series.arithmetic import (
    Coefficient,
    Series,
    convolved,
    derivative,
    divided,
    integral,
    minus,
    minus_coefficient,
    multiply,
)
from tapenet.series.rules import apply, rule


@rule("softmax", of_real=True)
def _softmax(x: Series, axis: Any) -> Series:
    return _weights(apply("softmax", x[0], axis=axis), x, axis)[0]


@rule("log_softmax", of_real=True)
def _log_softmax(x: Series, axis: Any) -> Series:
    """Solve y' = x' - sum of e^y x'."""
    first = apply("log_softmax", x[0], axis=axis)
    _, slopes, expected = _weights(exp(first), x, axis)
    return [first, *integral(first, minus(slopes, expected))[1:]]


def _weights(first: Array, x: Series, axis: Any) -> tuple[list[Coefficient], list[Coefficient], list[Coefficient]]:
    """Solve y' = y (x' - m), m = sum of y x', from y at t = 0; return y, x' and m.

    x' of a weight above a half is subtracted from all, which changes nothing: else m would cancel it, and its digits.
    """
    largest = greater(first, 0.5)
    slopes = [None if c is None else c - sum_over(where(largest, c, 0), axis, keepdims=True) for c in derivative(x)]
    out: list[Coefficient] = [first]
    expected: list[Coefficient] = []
    moves: list[Coefficient] = []
    for k in range(1, len(x)):
        products = convolved(multiply, slopes, out, k - 1)
        expected.append(None if products is None else sum_over(products, axis, keepdims=True))
        moves.append(minus_coefficient(slopes[k - 1], expected[-1]))
        out.append(divided(convolved(multiply, moves, out, k - 1), k))
    return out, slopes, expected
