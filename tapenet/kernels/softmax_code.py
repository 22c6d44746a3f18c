"""The text of softmax and its logarithm along rows, and of their derivatives, for LLVM.

Formulas are those of `nn.activations`. Arrays are matrices in C order, of `rows` and `columns`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tapenet.kernels.loop_code import Function
from tapenet.kernels.vector_code import Value

_LOG_HALF = -math.log(2)


def functions(char: str, lanes: int, name: str) -> list[Function]:
    """Return all functions."""
    written = (_softmax, _log_softmax, _softmax_slope, _log_softmax_pullback, _log_softmax_slope)
    return [write(char, lanes) for write in written]


class _Row:
    """The current row, while a function is written.

    Attributes:
        f: the function.
        places: addresses of the row in each array.
    """

    def __init__(self, f: Function, places: Sequence[Value]) -> None:
        self.f, self.places = f, places

    @contextmanager
    def vectors(self, *arrays: int) -> Iterator[tuple[Value, Value, list[Value]]]:
        """Write a loop over the row; give the place, the mask and the vectors of some arrays."""
        with self.f.vectors("%columns") as (at, mask):
            yield at, mask, [self.f.load(self.places[i], at, mask) for i in arrays]

    def sum(self, term: Callable[..., Value], *arrays: int) -> Value:
        """Return the sum over the row of a term of vectors, in each lane."""
        f, kind = self.f, self.f.code.type
        total = f.variable(kind, f.code.number(0.0))
        with self.vectors(*arrays) as (_, mask, given):
            f.set(kind, total, f.code.two("fadd", f.get(kind, total), f.kept(mask, term(*given))))
        return f.spread(f.sum(f.get(kind, total)))

    def write(self, value: Callable[..., Value], *arrays: int) -> None:
        """Write a function of vectors to the last array."""
        with self.vectors(*arrays) as (at, mask, given):
            self.f.store(value(*given), self.places[-1], at, mask)

    def largest(self) -> Value:
        """Return the largest element of the first array in each lane; 0 in place of -infinity."""
        f, c = self.f, self.f.code
        found = f.variable(c.type, c.number(float("-inf")))
        with self.vectors(0) as (_, mask, (x,)):
            before = f.get(c.type, found)
            is_larger = c.add(f"and {c.truth} {mask}, {c.compare('ogt', x, before)}")
            f.set(c.type, found, c.select(is_larger, x, before))
        largest = f.spread(f.largest(f.get(c.type, found)))
        # Infinity stays: less itself it is NaN, in the whole row.
        return c.select(c.compare("ogt", largest, c.number(float("-inf"))), largest, c.number(0.0))


def _function(name: str, char: str, lanes: int, pointers: Sequence[str], write: Callable[[_Row], None]) -> Function:
    f = Function(name, char, lanes, pointers, ["rows", "columns"], [])
    with f.loop("%rows") as row:
        first = f.whole("mul", row, "%columns")
        write(_Row(f, [f.at(f"%{x}", first) for x in pointers]))
    return f


def _softmax(char: str, lanes: int) -> Function:
    def write(row: _Row) -> None:
        f, c = row.f, row.f.code
        largest, total = row.largest(), f.variable(c.type, c.number(0.0))
        with row.vectors(0) as (at, mask, (x,)):
            weight = c.function("exp", c.two("fsub", x, largest))
            f.set(c.type, total, c.two("fadd", f.get(c.type, total), f.kept(mask, weight)))
            f.store(weight, row.places[1], at, mask)
        inverse = c.two("fdiv", c.number(1.0), f.spread(f.sum(f.get(c.type, total))))
        row.write(lambda weight: c.two("fmul", weight, inverse), 1)

    return _function("softmax", char, lanes, ["x", "y"], write)


def _log_softmax(char: str, lanes: int) -> Function:
    def write(row: _Row) -> None:
        f, c = row.f, row.f.code
        largest, zero, one = row.largest(), c.number(0.0), c.number(1.0)
        others, count = (f.variable(c.type, zero) for _ in range(2))
        with row.vectors(0) as (at, mask, (x,)):
            less = c.two("fsub", x, largest)
            f.store(less, row.places[1], at, mask)
            # The weights of the largest are 1, and hide the digits of the others.
            is_largest = c.compare("oeq", less, zero)
            weight = f.kept(mask, c.select(is_largest, zero, c.function("exp", less)))
            f.set(c.type, others, c.two("fadd", f.get(c.type, others), weight))
            f.set(c.type, count, c.two("fadd", f.get(c.type, count), f.kept(mask, c.select(is_largest, one, zero))))
        total, number = (f.spread(f.sum(f.get(c.type, x))) for x in (others, count))
        rest = c.function("log1p", c.two("fadd", total, c.two("fsub", number, one)))
        row.write(lambda less: c.two("fsub", less, rest), 1)

    return _function("log_softmax", char, lanes, ["x", "y"], write)


def _less_expected(row: _Row, half: float, probability: Callable[[Value], Value]) -> tuple[Value, Value]:
    """Return what is subtracted from t first, that of the largest probability, and then, the mean of what is left.

    Args:
        half: beyond which y says that it is the largest.
        probability: of y.
    """
    c = row.f.code
    first = row.sum(lambda t, y: c.select(c.compare("ogt", y, c.number(half)), t, c.number(0.0)), 0, 1)
    return first, row.sum(lambda t, y: c.two("fmul", probability(y), c.two("fsub", t, first)), 0, 1)


def _softmax_slope(char: str, lanes: int) -> Function:
    def write(row: _Row) -> None:
        c = row.f.code
        first, mean = _less_expected(row, 0.5, lambda y: y)
        row.write(lambda t, y: c.two("fmul", y, c.two("fsub", c.two("fsub", t, first), mean)), 0, 1)

    return _function("softmax_slope", char, lanes, ["t", "y", "out"], write)


def _log_softmax_slope(char: str, lanes: int) -> Function:
    def write(row: _Row) -> None:
        c = row.f.code
        first, mean = _less_expected(row, _LOG_HALF, lambda y: c.function("exp", y))
        row.write(lambda t: c.two("fsub", c.two("fsub", t, first), mean), 0)

    return _function("log_softmax_slope", char, lanes, ["t", "y", "out"], write)


def _log_softmax_pullback(char: str, lanes: int) -> Function:
    def write(row: _Row) -> None:
        f, c = row.f, row.f.code
        zero, half = c.number(0.0), c.number(_LOG_HALF)
        total, others = row.sum(lambda t: t, 0), f.variable(c.type, zero)
        with row.vectors(0, 1) as (at, mask, (t, y)):
            pulled = c.two("fsub", t, c.two("fmul", c.function("exp", y), total))
            is_other = c.add(f"and {c.truth} {mask}, {c.compare('ule', y, half)}")
            f.set(c.type, others, c.two("fadd", f.get(c.type, others), f.kept(is_other, pulled)))
            f.store(pulled, row.places[2], at, mask)
        # They add up to 0, so that that of the largest probability is minus the sum of the others.
        rest = c.negative(f.spread(f.sum(f.get(c.type, others))))
        row.write(lambda y, pulled: c.select(c.compare("ogt", y, half), rest, pulled), 1, 2)

    return _function("log_softmax_pullback", char, lanes, ["t", "y", "out"], write)
