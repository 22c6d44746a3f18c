"""Writing operations on vectors in LLVM's intermediate representation, line by line."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import numpy as np

Value = str


class Code:
    """Lines of vector operations of one element type and length.

    Attributes:
        char: NumPy's character of the element, "f" or "d".
        lanes: how many elements a vector has.
        lines: what was written.
        needed: the functions that were called.
        prefix: of the names of values.
        known: values by their texts, of code without loops and without stores before loads, in which none is written
            twice; None for other code.
        functions: of `vector_math`, with their numbers of arguments, to be written out rather than called: what several
            have in common (the reduced argument of sin(x) and cos(x)) is then written once.
    """

    def __init__(
        self,
        char: str,
        lanes: int,
        prefix: str = "t",
        known: dict[str, Value] | None = None,
        functions: Mapping[str, tuple[Callable[..., Value], int]] | None = None,
    ) -> None:
        self.char, self.lanes, self.prefix, self.known, self.functions = char, lanes, prefix, known, functions or {}
        self.lines: list[str] = []
        self.needed: dict[str, None] = {}
        self.intrinsics: dict[str, None] = {}
        self.element, self.bits = ("float", 32) if char == "f" else ("double", 64)
        self.type = f"<{lanes} x {self.element}>"
        self.integer = f"<{lanes} x i{self.bits}>"
        self.truth = f"<{lanes} x i1>"
        self.suffix = f"v{lanes}f{self.bits}"
        self.mantissa = 23 if char == "f" else 52
        self.bias = 127 if char == "f" else 1023

    def add(self, text: str) -> Value:
        """Write a line that makes a value."""
        if self.known is not None and text in self.known:
            return self.known[text]
        name = f"%{self.prefix}{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        if self.known is not None:
            self.known[text] = name
        return name

    def number(self, x: float) -> Value:
        """Return the vector of a constant, rounded to the element's precision."""
        exact = float(np.float32(x)) if self.char == "f" else float(x)
        return f"splat ({self.element} 0x{struct.pack('>d', exact).hex().upper()})"

    def whole(self, x: int) -> Value:
        """Return the vector of a constant integer."""
        return f"splat (i{self.bits} {x})"

    def two(self, operation: str, x: Value, y: Value) -> Value:
        """Apply an operation of two vectors of numbers."""
        return self.add(f"{operation} {self.type} {x}, {y}")

    def integers(self, operation: str, x: Value, y: Value) -> Value:
        """Apply an operation of two vectors of integers."""
        return self.add(f"{operation} {self.integer} {x}, {y}")

    def compare(self, relation: str, x: Value, y: Value) -> Value:
        """Compare numbers."""
        return self.add(f"fcmp {relation} {self.type} {x}, {y}")

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        """Choose by lanes."""
        return self.add(f"select {self.truth} {condition}, {self.type} {x}, {self.type} {y}")

    def intrinsic(self, name: str, *operands: Value) -> Value:
        """Call one of LLVM's own functions."""
        kinds = ", ".join([self.type] * len(operands))
        self.intrinsics[f"declare {self.type} @llvm.{name}.{self.suffix}({kinds})"] = None
        given = ", ".join(f"{self.type} {x}" for x in operands)
        return self.add(f"call {self.type} @llvm.{name}.{self.suffix}({given})")

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        """Return x * y + z, rounded once."""
        return self.intrinsic("fma", x, y, z)

    def negative(self, x: Value) -> Value:
        """Return -x."""
        return self.add(f"fneg {self.type} {x}")

    def to_bits(self, x: Value) -> Value:
        """Return the bits of numbers as integers."""
        return self.add(f"bitcast {self.type} {x} to {self.integer}")

    def to_numbers(self, x: Value) -> Value:
        """Return integers as the numbers that have these bits."""
        return self.add(f"bitcast {self.integer} {x} to {self.type}")

    def polynomial(self, x: Value, coefficients: Sequence[float | Fraction]) -> Value:
        """Return the sum of coefficients times powers of x, lowest first."""
        *rest, last = [self.number(float(c)) for c in coefficients]
        total = last
        for c in reversed(rest):
            total = self.fma(total, x, c)
        return total

    def both(self, x: Value, y: Value) -> Value:
        """Return where both of two truth values hold."""
        return self.add(f"and {self.truth} {x}, {y}")

    def either(self, x: Value, y: Value) -> Value:
        """Return where one of two truth values holds."""
        return self.add(f"or {self.truth} {x}, {y}")

    def opposite(self, x: Value) -> Value:
        """Return where a truth value does not hold."""
        return self.add(f"xor {self.truth} {x}, splat (i1 true)")

    def function(self, name: str, *operands: Value) -> Value:
        """Call one of the functions of `vector_math`, or write it out."""
        if name in self.functions:
            return self.functions[name][0](self, *operands)
        self.needed[name] = None
        given = ", ".join(f"{self.type} {x}" for x in operands)
        return self.add(f"call {self.type} @{name}_{self.suffix}({given})")
