"""Arithmetic: sums, products, squares, roots, remainders, and choices between values."""

# mypy: disable-error-code="has-type"
# Rules name the primitives whose rules they are, which mypy reads too late.

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.arguments import ABSENT, given, numpy_function, refuse
from tapenet.core.batching import elementwise_rule
from tapenet.core.families import elementwise, identity, piecewise_constant
from tapenet.core.nondifferentiable import choice
from tapenet.core.primitive import Array, bind
from tapenet.core.record import NO_PARAMETERS
from tapenet.core.tensor import NUMBERS, Tensor
from tapenet.errors import ArgumentError
from tapenet.kernels import elementwise as kernels
from tapenet.ops.elementwise.choices import equal, greater, isnan, less, not_equal
from tapenet.ops.elementwise.rounding import floor, trunc

# ---- sums and products ----

add = elementwise(
    np.add,
    identity,
    identity,
    doc="""Add: x1 + x2.

    Derivatives: 1 and 1.

    >>> tnp.add(1.0, np.array([1.0, 2.0]))
    array([2., 3.])
    """,
)
subtract = elementwise(
    np.subtract,
    identity,
    lambda t: -t,
    doc="""Subtract: x1 - x2.

    Derivatives: 1 and -1.

    >>> tnp.subtract(1.0, np.array([1.0, 2.0]))
    array([ 0., -1.])
    """,
)
multiply = elementwise(
    np.multiply,
    lambda t, y: t * y,
    lambda t, x: t * x,
    doc="""Multiply: x1 x2.

    Derivatives: x2 and x1.

    >>> float(tn.grad(tnp.multiply)(2.0, 3.0))
    3.0
    """,
)
divide = elementwise(
    np.divide,
    lambda t, y: t / y,
    lambda t, out, y: -t * out / y,  # by the quotient: the square of the divisor may overflow or vanish
    name="divide",
    doc="""Divide: x1 / x2.

    Derivatives: 1 / x2 and -x1 / x2^2.

    >>> float(tn.grad(tnp.divide, argnums=1)(1.0, 2.0))
    -0.25
    """,
)
true_divide = divide
negative = elementwise(
    np.negative,
    lambda t: -t,
    doc="""Negate: -x.

    Derivative: -1.

    >>> float(tn.grad(tnp.negative)(2.0))
    -1.0
    """,
)
positive = elementwise(
    np.positive,
    identity,
    doc="""Return the operand: +x.

    Derivative: 1.

    >>> float(tn.grad(tnp.positive)(2.0))
    1.0
    """,
)
reciprocal = elementwise(
    np.reciprocal,
    lambda t, out: -t * out * out,  # in this order: the square of the output may overflow by itself
    doc="""Invert: 1 / x.

    Derivative: -1 / x^2.

    >>> float(tn.grad(tnp.reciprocal)(2.0))
    -0.25
    """,
)

# ---- squares and roots ----

square = elementwise(
    np.square,
    lambda t, x: t * (2 * x),
    doc="""Square: x^2.

    Derivative: 2 x.

    >>> float(tn.grad(tnp.square)(3.0))
    6.0
    """,
)
sqrt = elementwise(
    np.sqrt,
    lambda t, out: 0.5 * t / out,
    doc="""Take the square root.

    Derivative: 1 / (2 sqrt(x)), which is inf at 0; `tn.checks()` names it. Write tnp.sqrt(tnp.where(x > 0, x, 1))
    inside of another tnp.where to leave 0 out.

    >>> float(tn.grad(tnp.sqrt)(4.0))
    0.25
    """,
)
cbrt = elementwise(
    np.cbrt,
    lambda t, out: t / (3 * out * out),
    doc="""Take the cube root.

    Derivative: 1 / (3 cbrt(x)^2), which is inf at 0.

    >>> f"{tn.grad(tnp.cbrt)(8.0):.4f}"
    '0.0833'
    """,
)


# ---- remainders ----

remainder = elementwise(
    np.remainder,
    identity,
    lambda t, x, y: -t * floor(x / y),
    doc="""Compute the remainder of a division that rounds down: x1 - x2 floor(x1 / x2). It has the sign of x2.

    Derivatives: 1 and -floor(x1 / x2). They are those of the piece, also at a jump.

    >>> float(tn.grad(tnp.remainder, argnums=1)(7.0, 2.0))
    -3.0
    """,
)
fmod = elementwise(
    np.fmod,
    identity,
    lambda t, x, y: -t * trunc(x / y),
    doc="""Compute the remainder of a division that rounds towards 0: x1 - x2 trunc(x1 / x2). It has the sign of x1.

    Derivatives: 1 and -trunc(x1 / x2). They are those of the piece, also at a jump.

    >>> float(tnp.fmod(-7.0, 2.0)), float(tn.grad(tnp.fmod, argnums=1)(-7.0, 2.0))
    (-1.0, 3.0)
    """,
)
floor_divide = elementwise(
    np.floor_divide,
    piecewise_constant,
    piecewise_constant,
    doc="""Divide and round down: floor(x1 / x2).

    Derivatives: 0 and 0, also at a jump. The function is piecewise constant.

    >>> float(tnp.floor_divide(7.0, 2.0)), float(tn.grad(tnp.floor_divide)(7.0, 2.0))
    (3.0, 0.0)
    """,
)

mod = remainder


@numpy_function(np.divmod)
def divmod(x1: Array, x2: Array, /, **keywords: Array) -> tuple[Array, Array]:
    """Compute the pair of floor(x1 / x2) and the remainder of x1.

    Derivatives: those of `floor_divide` and of `remainder`.

    >>> tnp.divmod(7.0, 2.0)
    (np.float64(3.0), np.float64(1.0))
    """
    return floor_divide(x1, x2, **keywords), remainder(x1, x2, **keywords)


# ---- choices ----


# Half for each where both are equal: so maximum(x, x) has the derivative 1.
def _share(t: Array, won: Array, tied: Array) -> Array:
    """Give all of `t` where the operand won, half where both are equal, else 0."""
    return where(won, t, where(tied, 0.5 * t, 0))


maximum = elementwise(
    np.maximum,
    # An operand that is NaN is the result, and so gets the cotangent: a 0 would hide where the NaN came from.
    lambda t, x, y: _share(t, greater(x, y) | isnan(x), equal(x, y)),
    lambda t, x, y: _share(t, greater(y, x) | (isnan(y) & ~isnan(x)), equal(x, y)),
    doc="""Take the larger of x1 and x2; NaN where one of them is NaN.

    Derivatives: 1 for the larger operand and 0 for the other; 0.5 for both where they are equal; 1 for an operand that
    is NaN, for x1 where both are.

    >>> float(tn.grad(tnp.maximum)(2.0, 1.0)), float(tn.grad(tnp.maximum)(0.0, 0.0))
    (1.0, 0.5)
    """,
)
minimum = elementwise(
    np.minimum,
    lambda t, x, y: _share(t, less(x, y) | isnan(x), equal(x, y)),
    lambda t, x, y: _share(t, less(y, x) | (isnan(y) & ~isnan(x)), equal(x, y)),
    doc="""Take the smaller of x1 and x2; NaN where one of them is NaN.

    Derivatives: 1 for the smaller operand and 0 for the other; 0.5 for both where they are equal; 1 for an operand that
    is NaN, for x1 where both are.

    >>> float(tn.grad(tnp.minimum)(2.0, 1.0)), float(tn.grad(tnp.minimum)(0.0, 0.0))
    (0.0, 0.5)
    """,
)
fmax = elementwise(
    np.fmax,
    lambda t, x, y: _share(t, greater(x, y) | isnan(y), equal(x, y)),
    lambda t, x, y: _share(t, greater(y, x) | (isnan(x) & ~isnan(y)), equal(x, y)),
    doc="""Take the larger of x1 and x2; the other one where one of them is NaN.

    Derivatives: 1 for the operand that is taken and 0 for the other; 0.5 for both where they are equal.

    >>> float(tnp.fmax(1.0, np.nan)), float(tn.grad(tnp.fmax)(1.0, np.nan))
    (1.0, 1.0)
    """,
)
fmin = elementwise(
    np.fmin,
    lambda t, x, y: _share(t, less(x, y) | isnan(y), equal(x, y)),
    lambda t, x, y: _share(t, less(y, x) | (isnan(x) & ~isnan(y)), equal(x, y)),
    doc="""Take the smaller of x1 and x2; the other one where one of them is NaN.

    Derivatives: 1 for the operand that is taken and 0 for the other; 0.5 for both where they are equal.

    >>> float(tnp.fmin(1.0, np.nan)), float(tn.grad(tnp.fmin)(1.0, np.nan))
    (1.0, 1.0)
    """,
)


def _outside(x: Array, mask: Array) -> Array:
    return np.where(mask & ~np.isnan(x), 0, x)  # NaN comes of a second derivative, and stays


# 0, the smallest subgradient, where the mask holds. That is a convention and not a derivative, and has none: NaN.
subgradient = elementwise(
    _outside,
    lambda t, mask: where(mask, np.nan, t),
    None,
    name="subgradient",
    doc="x, and 0 where the mask holds: at points where a derivative is a convention. Derivative: 1; NaN there.",
)

_where: Any = elementwise(
    kernels.where,
    None,
    lambda t, condition: where(condition, t, 0),
    lambda t, condition: where(condition, 0, t),
    name="where",
    operands=("condition", "x", "y"),
)


@numpy_function(kernels.where)
def where(condition: Array, x: Array = ABSENT, y: Array = ABSENT) -> Array:
    """Choose x where the condition holds, else y; with the condition alone, return `nonzero` of it.

    Derivatives: 1 for the chosen side and 0 for the other; none for the condition. An infinite derivative of the side
    that is not chosen still meets that 0, as 0 * inf = NaN. Keep it finite with a second `where` inside, as in
    tnp.where(x > 0, tnp.log(tnp.where(x > 0, x, 1)), 0).

    >>> tnp.where(np.array([True, False]), 1.0, 2.0)
    array([1., 2.])
    """
    if type(condition) is Tensor and condition.dtype.kind in "fc":
        condition = not_equal(condition, 0)  # a mask that replays and compiled functions compute again
    if x is ABSENT or y is ABSENT:
        if x is y:
            return np.nonzero(condition)
        raise ArgumentError("where: x and y must be given both or neither; got one of them.")
    return bind(_where.primitive, (condition, x, y), NO_PARAMETERS)


# NumPy takes the minimum last, so that the upper bound is the result also where it lies below the lower one.
_exceeds = choice(lambda x, low, high: np.maximum(x, low) > high, name="exceeds", batch=elementwise_rule)

_clip = elementwise(
    np.clip,
    lambda t, x, low, high: where(greater(x, low) & less(x, high) | isnan(x), t, 0),
    lambda t, x, low, high: where(less(x, low) & less(low, high), t, 0),
    lambda t, x, low, high: where(_exceeds(x, low, high), t, 0),
    name="clip",
    operands=("x", "low", "high"),
)


@numpy_function(np.clip)
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
    """Limit values to [a_min, a_max]; None means no limit.

    Derivatives: for a, 1 between the bounds and 0 at and beyond them; for a bound, 1 where it is the result.

    >>> tnp.clip(np.array([-1.0, 0.5, 2.0]), 0, 1)
    array([0. , 0.5, 1. ])
    >>> tn.elementwise_grad(tnp.clip)(np.array([0.0, 0.5, 2.0]), 0, 1)
    array([0., 1., 0.])
    """
    bounds = given(a_min=a_min, a_max=a_max, min=min, max=max)
    refuse("clip", keywords)
    low, high = (bounds.get("min", bounds.get("a_min")), bounds.get("max", bounds.get("a_max")))
    # A bound that no number lies beyond is never the result: a missing one needs no primitive of its own.
    if low is None or high is None:
        least, most = _limits(a, low, high)
        low, high = least if low is None else low, most if high is None else high
    return _clip(a, low, high)


def _limits(*operands: Array | None) -> tuple[Any, Any]:
    """Return the least and the largest number of the dtype that the operands have together."""
    parts = [x if type(x) in NUMBERS or hasattr(x, "dtype") else np.asarray(x) for x in operands if x is not None]
    dtype = np.result_type(*(getattr(x, "dtype", x) for x in parts))
    if dtype.kind == "b":
        return False, True
    return (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)) if dtype.kind in "iu" else (-np.inf, np.inf)
