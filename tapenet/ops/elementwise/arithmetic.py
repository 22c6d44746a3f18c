"""Arithmetic: sums, products, squares, roots, remainders, and choices between values."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.arguments import ABSENT, collected, given, holds_tensor, refuse
from tapenet.core.batching import elementwise_rule
from tapenet.core.families import elementwise, piecewise_constant
from tapenet.core.nondifferentiable import plain
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor, off_tapes
from tapenet.errors import ArgumentError
from tapenet.kernels import elementwise as kernels
from tapenet.ops.elementwise.comparison import equal, greater, isnan, less
from tapenet.ops.elementwise.rounding import floor, trunc

# ---- sums and products ----

add = elementwise(np.add, lambda t: t, lambda t: t, doc="x + y. Derivatives: 1, 1.")
subtract = elementwise(np.subtract, lambda t: t, lambda t: -t, doc="x - y. Derivatives: 1, -1.")
multiply = elementwise(np.multiply, lambda t, y: t * y, lambda t, x: t * x, doc="x * y. Derivatives: y, x.")
divide = elementwise(
    np.divide,
    lambda t, y: t / y,
    lambda t, out, y: -t * out / y,
    name="divide",
    doc="x / y. Derivatives: 1 / y, -x / y^2.",
)
true_divide = divide
negative = elementwise(np.negative, lambda t: -t, doc="-x. Derivative: -1.")
positive = elementwise(np.positive, lambda t: t, doc="+x. Derivative: 1.")
reciprocal = elementwise(np.reciprocal, lambda t, out: -t * out * out, doc="1 / x. Derivative: -1 / x^2.")

# ---- squares and roots ----

square = elementwise(np.square, lambda t, x: t * (2 * x), doc="x^2. Derivative: 2 x.")
sqrt = elementwise(np.sqrt, lambda t, out: 0.5 * t / out, doc="The square root. Derivative: 1 / (2 sqrt x), inf at 0.")
cbrt = elementwise(
    np.cbrt, lambda t, out: t / (3 * out * out), doc="The cube root. Derivative: 1 / (3 cbrt(x)^2), inf at 0."
)


# ---- remainders ----

remainder = elementwise(
    np.remainder,
    lambda t: t,
    lambda t, x, y: -t * floor(x / y),
    doc="x - y floor(x / y), of the sign of y. Derivatives: 1, -floor(x / y), also at a jump.",
)
fmod = elementwise(
    np.fmod,
    lambda t: t,
    lambda t, x, y: -t * trunc(x / y),
    doc="x - y trunc(x / y), of the sign of x. Derivatives: 1, -trunc(x / y), also at a jump.",
)
floor_divide = elementwise(
    np.floor_divide,
    piecewise_constant,
    piecewise_constant,
    doc="floor(x / y). Derivatives: 0, 0, also at a jump.",
)

mod = remainder


def divmod(x1: Array, x2: Array, /, **keywords: Array) -> tuple[Array, Array]:
    """floor(x1 / x2) and what remains of x1. Derivatives: those of `floor_divide` and of `remainder`.

    >>> divmod(7.0, 2.0)
    (np.float64(3.0), np.float64(1.0))
    """
    if type(x1) is not Tensor and type(x2) is not Tensor:
        return np.divmod(x1, x2, **keywords)
    return floor_divide(x1, x2, **keywords), remainder(x1, x2, **keywords)


# ---- choices ----


def _share(t: Array, won: Array, tied: Array) -> Array:
    """Of `t`, all where the operand won, half where both are equal, else nothing."""
    return where(won, t, where(tied, 0.5 * t, 0))


maximum = elementwise(
    np.maximum,
    lambda t, x, y: _share(t, greater(x, y) | isnan(x), equal(x, y)),
    lambda t, x, y: _share(t, greater(y, x) | (isnan(y) & ~isnan(x)), equal(x, y)),
    doc="The larger of x and y; NaN wins. Derivatives: 1 for the larger, 0.5 for both where they are equal.",
)
minimum = elementwise(
    np.minimum,
    lambda t, x, y: _share(t, less(x, y) | isnan(x), equal(x, y)),
    lambda t, x, y: _share(t, less(y, x) | (isnan(y) & ~isnan(x)), equal(x, y)),
    doc="The smaller of x and y; NaN wins. Derivatives: 1 for the smaller, 0.5 for both where they are equal.",
)
fmax = elementwise(
    np.fmax,
    lambda t, x, y: _share(t, greater(x, y) | isnan(y), equal(x, y)),
    lambda t, x, y: _share(t, greater(y, x) | (isnan(x) & ~isnan(y)), equal(x, y)),
    doc="The larger of x and y; NaN loses. Derivatives: 1 for the larger, 0.5 for both where they are equal.",
)
fmin = elementwise(
    np.fmin,
    lambda t, x, y: _share(t, less(x, y) | isnan(y), equal(x, y)),
    lambda t, x, y: _share(t, less(y, x) | (isnan(x) & ~isnan(y)), equal(x, y)),
    doc="The smaller of x and y; NaN loses. Derivatives: 1 for the smaller, 0.5 for both where they are equal.",
)

_where = elementwise(
    kernels.where,
    None,
    lambda t, condition: where(condition, t, 0),
    lambda t, condition: where(condition, 0, t),
    name="where",
    operands=("condition", "x", "y"),
)


def where(condition: Array, x: Array = ABSENT, y: Array = ABSENT) -> Array:
    """Choose x where the condition holds, else y; with the condition alone, `nonzero`.

    Derivatives: 1 for the chosen side, 0 for the other. An infinite or undefined derivative of the side not
    chosen still meets that 0 as 0 * inf = NaN: keep it finite with a second `where` inside, as in
    `where(x > 0, log(where(x > 0, x, 1)), 0)`.

    >>> where(np.array([True, False]), 1.0, 2.0)
    array([1., 2.])
    """
    condition = off_tapes(condition)
    if x is ABSENT and y is ABSENT:
        return np.nonzero(condition)
    if x is ABSENT or y is ABSENT:
        raise ArgumentError("where: x and y must be given both or neither; got one of them.")
    if type(x) is not Tensor and type(y) is not Tensor and type(condition) is not Tensor:
        x, y = (z if hasattr(z, "dtype") else collected(z) for z in (x, y))
        if type(x) is not Tensor and type(y) is not Tensor:
            return kernels.where(condition, x, y)
    return _where(condition, x, y)


_larger = plain(np.maximum, batch=elementwise_rule)

_clip = elementwise(
    np.clip,
    lambda t, x, low, high: where(greater(x, low) & less(x, high) | isnan(x), t, 0),
    lambda t, x, low, high: where(less(x, low) & less(low, high), t, 0),
    lambda t, x, low, high: where(greater(_larger(x, low), high), t, 0),
    name="clip",
    operands=("x", "low", "high"),
)


def clip(
    a: Array,
    a_min: Array = ABSENT,
    a_max: Array = ABSENT,
    out: None = None,
    *,
    min: Array = ABSENT,
    max: Array = ABSENT,
    **keywords: Any,
) -> Array:
    """Limit values to [a_min, a_max]; None is no limit.

    Derivatives: 1 between the bounds and 0 at and beyond them; for a bound 1 where it is what comes out.

    Args:
        a: array of any shape; a_min and a_max broadcast against it.
        min, max: other names of a_min and a_max.

    >>> clip(np.array([-1.0, 0.5, 2.0]), 0, 1)
    array([0. , 0.5, 1. ])
    """
    bounds = given(a_min=a_min, a_max=a_max, min=min, max=max)
    if not holds_tensor((a, *bounds.values())):
        return np.clip(a, **bounds, out=out, **keywords)
    refuse("clip", {"out": out} | keywords)
    low, high = (bounds.get("min", bounds.get("a_min")), bounds.get("max", bounds.get("a_max")))
    return _clip(collected(a), -np.inf if low is None else collected(low), np.inf if high is None else collected(high))
