"""Small functions that rules of several families share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor
from tapenet.scipy.special.declaring import primitive

PI = math.pi
ROOT_PI = math.sqrt(math.pi)
ROOT_TWO = math.sqrt(2.0)
ROOT_TWO_PI = math.sqrt(2 * math.pi)


def is_complex(x: Array) -> bool:
    """Return whether an operand is complex."""
    return x.dtype.kind == "c" if hasattr(x, "dtype") else isinstance(x, complex)


def floating(x: Any) -> Any:
    """Return an operand as an array of float32, float64 or longdouble, or of their complex kinds."""
    x = np.asarray(x)
    return x if x.dtype.kind in "fc" and x.dtype.itemsize >= 4 else x.astype(np.result_type(x, np.float32))


def _split_turns(x: Any) -> tuple[Any, Any]:
    """Return the sign of sin(pi x) and cos(pi x) that whole turns give, and what is left, at most 1/2."""
    whole = np.rint(x.real)
    return np.where(np.remainder(whole, 2) == 1, -1, 1).astype(x.real.dtype), x - whole


def _sinpi(x: Any) -> Any:
    x = floating(x)
    sign, rest = _split_turns(x)
    return (sign * np.sin(np.pi * rest)).astype(x.dtype)[()]


def _cospi(x: Any) -> Any:
    x = floating(x)
    sign, rest = _split_turns(x)
    if x.dtype.kind == "c":
        return (sign * np.cos(np.pi * rest)).astype(x.dtype)[()]
    beyond = np.abs(rest) > 0.25  # where the cosine is small, it is the sine of what is left to a half
    cosine = np.where(beyond, np.sin(np.pi * (0.5 - np.abs(rest))), np.cos(np.pi * rest))
    return (sign * cosine).astype(x.dtype)[()]


sinpi = primitive("sinpi", "x", _sinpi, lambda t, x: t * (PI * cospi(x)))
cospi = primitive("cospi", "x", _cospi, lambda t, x: -t * (PI * sinpi(x)))


def guarded(condition: Array, x: Array, at: float) -> Array:
    """Return x where the condition holds and `at` elsewhere, so that a function of it has no NaN there."""
    if type(x) is Tensor and x.dtype.kind in "fc" and holds_everywhere(condition, x):
        return x
    return tnp.where(condition, x, at)


def holds_everywhere(condition: Array, x: Array) -> bool:
    """Return whether a condition of the shape of x, or a single one, holds and stays so: one that was read off a tape
    is guarded there by its elements, and one on a trace may turn out otherwise.
    """
    return type(condition) is not Tensor and np.shape(condition) in ((), x.shape) and bool(np.all(condition))


def holds_nowhere(condition: Array) -> bool:
    """Return whether a condition holds for no element and stays so, as above; under `vmap`, of no example."""
    while type(condition) is Tensor and condition.owner.holds_batch:
        condition = condition.owner.inner(condition)
    return type(condition) is not Tensor and not np.any(condition)


def as_columns(*xs: Array) -> list[Array]:
    """Return operands with an axis behind, along which an integral or a sum is taken."""
    return [tnp.expand_dims(tnp.asarray(x), -1) for x in xs]


def exp_capped(x: Array) -> Array:
    """Compute e^x, e^300 above 300: what decays like e^-(e^x) is 0 there, and no derivative is infinite."""
    return tnp.exp(tnp.minimum(x, 300.0))


def expm1_capped(x: Array) -> Array:
    """Compute e^x - 1, capped as `exp_capped` is."""
    return tnp.expm1(tnp.minimum(x, 300.0))
