"""Elementwise formulas: what a function of arrays computes for each element, recorded by calling it once on symbols.

A formula is data, which code is generated of. The numbers that it is computed with are not part of it: they differ from
call to call, and the code does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

# NumPy's functions that formulas consist of.
FUNCTIONS = {
    np.add: "add",
    np.subtract: "subtract",
    np.multiply: "multiply",
    np.divide: "divide",
    np.sqrt: "sqrt",
    np.negative: "negative",
    np.absolute: "absolute",
    np.sign: "sign",
    np.maximum: "maximum",
    np.minimum: "minimum",
}

# Arrays that a writer may use for what comes between.
SCRATCH = 2


@attrs.frozen(cache_hash=True)
class Formula:
    """What is computed for each element, in the order in which NumPy would.

    Attributes:
        inputs: how many arrays are read.
        steps: a function's name and its operands. At least 0 is a value: the inputs come first, then what each step
            gives. Below 0, -1 is the first number, -2 the second.
        outputs: the values that are written.
    """

    inputs: int
    steps: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[int, ...]


Recorded = tuple[Formula, tuple[float, ...]]  # and the numbers


def recorded(write: Callable[..., Any], inputs: int, outputs: int) -> Recorded | None:
    """Record what a writer computes; return None where it is not such a formula.

    Args:
        write: `(outputs, scratch, *inputs)`, writes to arrays, elementwise.
        inputs, outputs: how many arrays there are.
    """
    record = _Record(inputs)
    arrays = [Symbol(record, i) for i in range(inputs)]
    written, scratch = ([Symbol(record, None) for _ in range(count)] for count in (outputs, SCRATCH))
    try:
        write(written, scratch, *arrays)
        results = tuple([record.operand(x) for x in written])
    except (TypeError, AttributeError, ValueError):  # it asks a symbol for what only an array has
        return None
    return Formula(inputs, tuple(record.steps), results), tuple(record.numbers)


class _Record:
    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self.steps: list[tuple[str, tuple[int, ...]]] = []
        self.numbers: list[float] = []

    def operand(self, x: Any) -> int:
        """Return the place of a value, or that of a number of Python's, which does not widen arrays."""
        if type(x) is Symbol:
            if x.record is self and x.value is not None:
                return x.value
        elif type(x) is float or type(x) is int:
            self.numbers.append(float(x))
            return -len(self.numbers)
        raise TypeError(f"not an operand of a formula: {x!r}")

    def apply(self, name: str, *operands: Any) -> Symbol:
        """Add a step."""
        self.steps.append((name, tuple(map(self.operand, operands))))
        return Symbol(self, self.inputs + len(self.steps) - 1)


class Symbol:
    """An array of which only that is known which value it holds."""

    __slots__ = ("record", "value")

    dtype = np.dtype(object)  # not one that there are loops for

    def __init__(self, record: _Record, value: int | None) -> None:
        self.record, self.value = record, value

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = (None,), **options: Any) -> Any:
        if ufunc not in FUNCTIONS or method != "__call__" or options or len(out) != 1:
            return NotImplemented
        result = self.record.apply(FUNCTIONS[ufunc], *inputs)
        target = out[0]
        if target is None:
            return result
        target[...] = result
        return target

    def __array_function__(self, function: Any, kinds: Any, args: Any, kwargs: Any) -> Any:
        return NotImplemented

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("a symbol is not an array")

    def __bool__(self) -> bool:
        raise TypeError("a symbol has no value")

    def __setitem__(self, key: Any, value: Any) -> None:
        if key is not ... or type(value) is not Symbol:
            raise TypeError("a symbol is written as a whole")
        self.value = self.record.operand(value)

    def __add__(self, other: Any) -> Symbol:
        return self.record.apply("add", self, other)

    def __radd__(self, other: Any) -> Symbol:
        return self.record.apply("add", other, self)

    def __sub__(self, other: Any) -> Symbol:
        return self.record.apply("subtract", self, other)

    def __rsub__(self, other: Any) -> Symbol:
        return self.record.apply("subtract", other, self)

    def __mul__(self, other: Any) -> Symbol:
        return self.record.apply("multiply", self, other)

    def __rmul__(self, other: Any) -> Symbol:
        return self.record.apply("multiply", other, self)

    def __truediv__(self, other: Any) -> Symbol:
        return self.record.apply("divide", self, other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return self.record.apply("divide", other, self)

    def __neg__(self) -> Symbol:
        return self.record.apply("negative", self)

    def __abs__(self) -> Symbol:
        return self.record.apply("absolute", self)
