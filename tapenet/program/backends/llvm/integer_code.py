"""Integers in LLVM's intermediate representation: operations as NumPy's."""

from __future__ import annotations

import numpy as np

from tapenet.kernels.vector_code import Code, Value
from tapenet.program.ranges import Range

NAMES = frozenset(
    {
        "add",
        "subtract",
        "multiply",
        "negative",
        "positive",
        "stop_gradient",
        "maximum",
        "minimum",
        "remainder",
        "square",
    }
)
_SIGNS = {"add": "add", "subtract": "sub", "multiply": "mul"}
NAMES = frozenset({*_SIGNS, "negative", "positive", "stop_gradient", "maximum", "minimum", "remainder", "square"})
RELATIONS = {
    "greater": "sgt",
    "greater_equal": "sge",
    "less": "slt",
    "less_equal": "sle",
    "equal": "eq",
    "not_equal": "ne",
}


def vector_of(code: Code, bits: int) -> str:
    """Return the type of a vector of integers."""
    return f"<{code.lanes} x i{bits}>"


def compare(code: Code, bits: int, relation: str, x: Value, y: Value) -> Value:
    """Compare integers."""
    return code.add(f"icmp {relation} {vector_of(code, bits)} {x}, {y}")


def select(code: Code, bits: int, condition: Value, x: Value, y: Value) -> Value:
    """Choose by lanes."""
    return code.add(f"select {code.truth} {condition}, {vector_of(code, bits)} {x}, {vector_of(code, bits)} {y}")


def number(bits: int, x: int) -> Value:
    """Return the vector of a constant."""
    return f"splat (i{bits} {x})"


def computed(code: Code, name: str, bits: int, operands: list[Value], ranges: list[Range]) -> Value:
    """Write an operation of integers; a remainder's second operand is a constant above 0, which its range tells."""
    kind = vector_of(code, bits)
    x, y = operands[0], operands[-1]
    if name == "square":
        return code.add(f"mul {kind} {x}, {x}")
    if name in _SIGNS:
        return code.add(f"{_SIGNS[name]} {kind} {x}, {y}")
    if name == "negative":
        return code.add(f"sub {kind} zeroinitializer, {x}")
    if name in ("maximum", "minimum"):
        return select(code, bits, compare(code, bits, "sgt" if name == "maximum" else "slt", x, y), x, y)
    if name == "remainder":
        return remainder(code, bits, x, ranges[0], ranges[1][0])
    return x


def remainder(code: Code, bits: int, x: Value, own: Range, divisor: int) -> Value:
    """Return x modulo a constant, between 0 and it."""
    low, high = own
    if bits == 64 and (low < -divisor or high >= 2 * divisor):
        # By floats, which a processor divides many of at once: each step leaves a rest that is smaller by 2^51.
        for _ in range(1 if max(-low, high) < 2**51 else 2):
            x, (low, high) = _rest(code, x, divisor), (-divisor, 2 * divisor - 1)
    elif low < -divisor or high >= 2 * divisor:
        x, (low, high) = (
            code.add(f"srem {vector_of(code, bits)} {x}, {number(bits, divisor)}"),
            (-divisor + 1, divisor - 1),
        )
    kind, whole = vector_of(code, bits), number(bits, divisor)
    if high >= divisor:
        less = code.add(f"sub {kind} {x}, {whole}")
        x = select(code, bits, compare(code, bits, "sge", x, whole), less, x)
    if low < 0:
        more = code.add(f"add {kind} {x}, {whole}")
        x = select(code, bits, compare(code, bits, "slt", x, number(bits, 0)), more, x)
    return x


def _rest(code: Code, x: Value, divisor: int) -> Value:
    """Return x less a multiple of a divisor, the quotient being rounded as float64."""
    kind, real = vector_of(code, 64), f"<{code.lanes} x double>"
    as_real = code.add(f"sitofp {kind} {x} to {real}")
    inverse = f"splat (double {_bits(1 / divisor)})"
    quotient = code.add(f"fmul {real} {as_real}, {inverse}")
    suffix = f"v{code.lanes}f64"
    code.intrinsics[f"declare {real} @llvm.floor.{suffix}({real})"] = None
    whole = code.add(f"fptosi {real} {code.add(f'call {real} @llvm.floor.{suffix}({real} {quotient})')} to {kind}")
    return code.add(f"sub {kind} {x}, {code.add(f'mul {kind} {whole}, {number(64, divisor)}')}")


def _bits(x: float) -> str:
    return f"0x{np.float64(x).view(np.uint64):016X}"
