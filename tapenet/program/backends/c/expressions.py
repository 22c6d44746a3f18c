"""Types, numbers, elementwise operations and places in arrays, as C has them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.errors import ArgumentError

TYPES = {
    "f": "float",
    "d": "double",
    "?": "uint8_t",
    "b": "int8_t",
    "h": "int16_t",
    "i": "int32_t",
    "B": "uint8_t",
    "H": "uint16_t",
    "I": "uint32_t",
    "l": "int64_t",
    "q": "int64_t",
    "L": "uint64_t",
    "F": "float complex",
    "D": "double complex",
}

# Of elementwise operations: {0}, {1} and {2} are the operands, and {f} is "f" where the result is a float.
_FUNCTIONS = (
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "cbrt", "sin", "cos", "tan", "sinh", "cosh"),
    *("tanh", "floor", "ceil", "trunc", "rint", "fabs", "erf"),
)
_OTHER_NAMES = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh"}
_OTHER_NAMES |= {"arctanh": "atanh", "root_of_squares": "sqrt", "absolute": "fabs"}
_OF_TWO = {"arctan2": "atan2", "power": "pow", "float_power": "pow", "hypot": "hypot", "copysign": "copysign"}
_OF_TWO |= {"fmax": "fmax", "fmin": "fmin", "fmod": "fmod"}
_SYMBOLS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "python.add": "+", "python.sub": "-"}
_SYMBOLS |= {"python.mul": "*", "python.truediv": "/"}
_RELATIONS = {"greater": ">", "greater_equal": ">=", "less": "<", "less_equal": "<=", "equal": "==", "not_equal": "!="}
_LOGICAL = {"logical_and": "&&", "logical_or": "||"}
_BITWISE = {"bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^"}
_OF_INTEGERS = ("add", "subtract", "multiply")

# Of SciPy's functions those that C99 has, or that are a line of others.
_SPECIAL = {
    "special.gammaln": "lgamma{f}({0})",
    "special.gamma": "tgamma{f}({0})",
    **{f"special.{name}": f"{name}{{f}}({{0}})" for name in ("erf", "erfc", "cbrt", "exp2", "expm1", "log1p")},
    "special.exp10": "pow{f}(10, {0})",
    "special.ndtr": "erfc{f}({0} * -0.70710678118654752440{f}) / 2",
    "special.expit": "1 / (1 + exp{f}(-{0}))",
    "special.logit": "{0} > 0.3{f} && {0} < 0.7{f} ? 2 * atanh{f}(2 * {0} - 1) : log{f}({0} / (1 - {0}))",
    "special.log_expit": "{0} < 0 ? {0} - log1p{f}(exp{f}({0})) : -log1p{f}(exp{f}(-{0}))",
    "special.xlogy": "{0} == 0 && {1} == {1} ? 0 : {0} * log{f}({1})",
    "special.xlog1py": "{0} == 0 && {1} == {1} ? 0 : {0} * log1p{f}({1})",
    "special.entr": "{0} > 0 ? -{0} * log{f}({0}) : {0} == 0 ? 0 : {0} - INFINITY",
    "special.rel_entr": "{0} != {0} || {1} != {1} ? NAN : {0} > 0 && {1} > 0 ? {0} * log{f}({0} / {1}) : "
    "{0} == 0 && {1} >= 0 ? 0 : INFINITY",
    "special.kl_div": "{0} != {0} || {1} != {1} ? NAN : {0} > 0 && {1} > 0 ? {0} * log{f}({0} / {1}) - {0} + {1} : "
    "{0} == 0 && {1} >= 0 ? {1} : INFINITY",
    "special.exprel": "{0} == 0 ? 1 : {0} == INFINITY ? {0} : expm1{f}({0}) / {0}",
}

EXPRESSIONS: dict[str, str] = {
    **{name: f"{name}{{f}}({{0}})" for name in _FUNCTIONS},
    **{name: f"{other}{{f}}({{0}})" for name, other in _OTHER_NAMES.items()},
    **{name: f"{other}{{f}}({{0}}, {{1}})" for name, other in _OF_TWO.items()},
    **{name: f"{{0}} {symbol} {{1}}" for name, symbol in (_SYMBOLS | _RELATIONS).items()},
    **{name: f"({{0}} != 0) {symbol} ({{1}} != 0)" for name, symbol in _LOGICAL.items()},
    **{name: f"{{0}} {symbol} {{1}}" for name, symbol in _BITWISE.items()},
    **{f"{name} of b": f"({{0}} != 0) {symbol} ({{1}} != 0)" for name, symbol in _BITWISE.items()},
    "logical_not": "{0} == 0",
    "logical_xor": "({0} != 0) != ({1} != 0)",
    "invert": "~{0}",
    "invert of b": "{0} == 0",
    "negative": "-{0}",
    "python.neg": "-{0}",
    "positive": "{0}",
    "stop_gradient": "{0}",
    "astype": "{0}",
    "square": "{0} * {0}",
    "reciprocal": "1 / {0}",
    "maximum": "{0} >= {1} || {0} != {0} ? {0} : {1}",
    "minimum": "{0} <= {1} || {0} != {0} ? {0} : {1}",
    "relu": "{0} < 0 ? 0 : {0}",
    "where": "{0} ? {1} : {2}",
    "isnan": "{0} != {0}",
    "isinf": "{0} == {0} && {0} - {0} != 0",
    "isfinite": "{0} - {0} == 0",
    "sign": "{0} != {0} ? {0} : ({0} > 0) - ({0} < 0)",
    "one_less_square": "(1 - {0}) * (1 + {0})",
    "sigmoid": "1 / (1 + exp{f}(-{0}))",
    "over_square_of_cosh": "{0} / (cosh{f}({1}) * cosh{f}({1}))",
    "clip": "{0} < {1} ? ({1} < {2} ? {1} : {2}) : {0} > {2} ? {2} : {0}",
    "normal_cdf": "erfc{f}({0} * -0.70710678118654752440{f}) / 2",
    "logaddexp": "{0} == {1} ? {0} + log{f}(2) : fmax{f}({0}, {1}) + log1p{f}(exp{f}(-fabs{f}({0} - {1})))",
    "logaddexp_share": "1 / (1 + exp{f}({1} - {0}))",
    "gaussian": "exp{f}(-{0} * {0})",
    "normal_density": "exp{f}({0} * {0} / -2) * 0.39894228040143267794{f}",
    "gelu": "{0} * erfc{f}({0} * -0.70710678118654752440{f}) / 2",
    "gelu_slope": "{0} * (erfc{f}({1} * -0.70710678118654752440{f}) / 2"
    " + {1} * exp{f}({1} * {1} / -2) * 0.39894228040143267794{f})",
    "over_one_more_square": "{0} / (1 + {1} * {1})",
    "subgradient": "{1} ? 0 : {0}",
    "conjugate": "{0}",
    "detached": "{0}",
    "real": "{0}",
    "imag": "((void){0}, 0)",
    "deg2rad": "{0} * 0.017453292519943295{f}",
    "rad2deg": "{0} * 57.295779513082321{f}",
    "heaviside": "{0} != {0} ? {0} : {0} == 0 ? {1} : {0} > 0",
    "isposinf": "{0} == INFINITY",
    "isneginf": "{0} == -INFINITY",
    "signbit": "signbit({0}) != 0",
    "nextafter": "nextafter{f}({0}, {1})",
    "spacing": "nextafter{f}({0}, copysign{f}(INFINITY, {0})) - {0}",
    "ldexp": "ldexp{f}({0}, (int){1})",
    "fractional_part": "isinf({0}) ? copysign{f}(0, {0}) : copysign{f}({0} - trunc{f}({0}), {0})",
    "logaddexp2": "{0} == {1} ? {0} + 1 : fmax{f}({0}, {1}) + log1p{f}(exp2{f}(-fabs{f}({0} - {1})))"
    " * 1.4426950408889634{f}",
    "logaddexp2_share": "1 / (1 + exp2{f}({1} - {0}))",
    **_SPECIAL,
    # Of signed integers nothing overflows: what does wraps around, as NumPy's does.
    **{f"{name} of i": f"(uint64_t){{0}} {_SYMBOLS[name]} (uint64_t){{1}}" for name in _OF_INTEGERS},
    **{f"{name} of u": f"(uint64_t){{0}} {_SYMBOLS[name]} (uint64_t){{1}}" for name in _OF_INTEGERS},
    "negative of i": "0 - (uint64_t){0}",
    "square of i": "(uint64_t){0} * (uint64_t){0}",
    "square of u": "(uint64_t){0} * (uint64_t){0}",
    "absolute of i": "{0} < 0 ? 0 - (uint64_t){0} : (uint64_t){0}",
    "absolute of u": "{0}",
    "absolute of b": "{0}",
    "reciprocal of i": "{0} == 0 ? 0 : 1 / {0}",
    "fmod of i": "{1} == 0 || {1} == -1 ? 0 : {0} % {1}",
    **{f"{name} of {kind}": "{0}" for name in ("floor", "ceil", "trunc", "rint") for kind in "iu"},
    "left_shift": "(uint64_t){1} < 8 * sizeof({0}) ? (uint64_t){0} << {1} : 0",
    "right_shift": "{0} >> ((uint64_t){1} < 8 * sizeof({0}) ? (int){1} : 8 * (int)sizeof({0}) - 1)",
    "right_shift of u": "(uint64_t){1} < 8 * sizeof({0}) ? {0} >> {1} : 0",
    "remainder of i": "{1} == 0 || {1} == -1 ? 0 : ({0} % {1} + {1}) % {1}",
    "remainder of u": "{1} == 0 ? 0 : {0} % {1}",
    "floor_divide of i": "{1} == 0 ? 0 : {1} == -1 ? (int64_t)(0 - (uint64_t){0}) : "
    "{0} / {1} - ({0} % {1} != 0 && ({0} < 0) != ({1} < 0))",
    "floor_divide of u": "{1} == 0 ? 0 : {0} / {1}",
}


# Of complex numbers; those of `FROM_COMPLEX` give real ones.
_COMPLEX_FUNCTIONS = ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh")
FROM_COMPLEX = {"real": "creal{f}({0})", "imag": "cimag{f}({0})", "absolute": "cabs{f}({0})"}
COMPLEX: dict[str, str] = {
    **{name: f"c{name}{{f}}({{0}})" for name in _COMPLEX_FUNCTIONS},
    **{name: f"c{other}{{f}}({{0}})" for name, other in _OTHER_NAMES.items() if name.startswith("arc")},
    **{name: f"{{0}} {symbol} {{1}}" for name, symbol in _SYMBOLS.items()},
    **{name: EXPRESSIONS[name] for name in ("negative", "positive", "square", "reciprocal", "where", "astype")},
    **{name: EXPRESSIONS[name] for name in ("stop_gradient", "subgradient", "detached", "equal", "not_equal")},
    **FROM_COMPLEX,
    "power": "cpow{f}({0}, {1})",
    "conjugate": "conj{f}({0})",
    "expm1": "expm1{f}(creal{f}({0})) * cos{f}(cimag{f}({0})) - 2 * sin{f}(cimag{f}({0}) / 2) * "
    "sin{f}(cimag{f}({0}) / 2) + exp{f}(creal{f}({0})) * sin{f}(cimag{f}({0})) * I",
    "log1p": "clog{f}(1 + {0})",
    "log2": "clog{f}({0}) * 1.4426950408889634{f}",
    "log10": "clog{f}({0}) * 0.43429448190325183{f}",
    "isnan": "isnan(creal{f}({0})) || isnan(cimag{f}({0}))",
    "isinf": "isinf(creal{f}({0})) || isinf(cimag{f}({0}))",
    "isfinite": "isfinite(creal{f}({0})) && isfinite(cimag{f}({0}))",
    "complex_sign": "{0} == 0 ? {0} : {0} / cabs{f}({0})",
}

# Words of C99, and functions and names that the text uses.
RESERVED = frozenset(
    """auto break case char const continue default do double else enum extern float for goto if inline int long register
    restrict return short signed sizeof static struct switch typedef union unsigned void volatile while main memcpy
    size_t ptrdiff_t top total work all mean best winner count last row column found complex I""".split()
) | {
    name
    for text in (*EXPRESSIONS.values(), *COMPLEX.values())
    for name in re.findall(r"[a-z][a-z0-9]*", text.replace("{f}", ""))
}


def literal(x: Any) -> str:
    """Return a number in C."""
    if isinstance(x, bool | int | np.bool_ | np.integer):
        return f"({int(x)}LL)" if int(x) < 0 or int(x) >= 2**31 else str(int(x))
    if isinstance(x, complex | np.complexfloating):
        if not np.isfinite(x):
            raise ArgumentError(f"to_c: complex constants must be finite; got {x}. Pass it as an argument.")
        parts = [literal(np.float32(part) if isinstance(x, np.complex64) else float(part)) for part in (x.real, x.imag)]
        return f"({parts[0]} + {parts[1]} * I)"
    value, suffix = float(x), "f" if isinstance(x, np.float32) else ""
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "(-INFINITY)"
    text = f"{value!r}{suffix}"
    return f"({text})" if text.startswith("-") else text


def in_comment(text: str) -> str:
    """Return a text that does not end the comment that it is in."""
    return text.replace("*/", "* /").replace("\n", " ")


# ---- places in arrays ----


def times(counter: str, step: int) -> str:
    return counter if step == 1 else f"{counter} * {step}"


def place_of(start: int, counters: Sequence[str], steps: Sequence[int]) -> str:
    terms = [times(i, step) for i, step in zip(counters, steps, strict=True) if step]
    return " + ".join(([str(start)] if start or not terms else []) + terms)
