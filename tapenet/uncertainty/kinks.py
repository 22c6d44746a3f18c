"""Rules for bounds of errors, where those for gradients say something else.

At a kink the subgradient is between the slopes of the sides, such as 0 for |x| at 0. An error of x is one of |x| all
the same, so that a bound takes the steepest slope of each operand. And where a slope is infinite, elements of the
result that do not depend on it have finite bounds: 0 * infinity is 0 here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import attrs

from tapenet.core.families import Rule, built
from tapenet.core.primitive import Array, CompiledRule, Primitive
from tapenet.core.record import Kept, Parameters, Shape
from tapenet.core.shapes import Axes, kept
from tapenet.ops.arrays.shaping import reshape
from tapenet.ops.elementwise.arithmetic import where
from tapenet.ops.elementwise.choices import equal, greater_equal, less_equal
from tapenet.ops.elementwise.complex import sign
from tapenet.ops.elementwise.trigonometric import hypot


@cache
def at_kinks(primitive: Primitive) -> Primitive:
    """Return a primitive with the steepest slopes where its function has a kink, and with products of 0 that are 0."""
    rules = _RULES.get(primitive.name)
    if primitive.is_users or primitive.name in _LINEAR:
        return primitive
    if primitive.name in _LENGTHS:
        return _with_slope_at_zero(primitive)
    if rules is None:
        return _with_strong_zeros(primitive) if primitive.is_elementwise else primitive
    return built(
        primitive.name,
        primitive.family,
        primitive.forward,
        rules,
        rules,
        primitive.operands,
        primitive.batch,
        is_elementwise=primitive.is_elementwise,
    )


def _with_slope_at_zero(primitive: Primitive) -> Primitive:
    """Return that of a length, whose slope at 0 is 1 along any direction, and at most 1 by an element."""
    away = primitive.pullbacks[0]
    assert away is not None

    def pullback(t: Array, read: Kept, parameters: Parameters, shape: Shape) -> Array:
        x, out = read[:2]
        reduced = kept(x.shape, parameters["axis"])
        return where(equal(reshape(out, reduced), 0), reshape(t, reduced), away(t, read, parameters, shape))

    return attrs.evolve(primitive, pullbacks=(pullback,), reads=(frozenset((0, 1)),))


def _with_strong_zeros(primitive: Primitive) -> Primitive:
    """Return that of an elementwise function, whose cotangents are zero where that of the output is."""

    def strong(rule: CompiledRule) -> CompiledRule:
        def pullback(t: Array, read: Kept, parameters: Parameters, shape: Shape) -> Array:
            return where(equal(t, 0), 0, rule(t, read, parameters, shape))

        return pullback

    return attrs.evolve(primitive, pullbacks=tuple(rule and strong(rule) for rule in primitive.pullbacks))


def _magnitude(t: Array, x: Array) -> Array:
    return t * where(equal(x, 0), 1, sign(x))


def _where_equal(t: Array, x: Array, out: Array) -> Array:
    return where(equal(x, out), t, 0)


def _other_where_equal(t: Array, y: Array, out: Array) -> Array:
    return where(equal(y, out), t, 0)


def _within(t: Array, x: Array, low: Array, high: Array) -> Array:
    return where(greater_equal(x, low) & less_equal(x, high), t, 0)


def _low(t: Array, x: Array, low: Array, high: Array) -> Array:
    return where(less_equal(x, low) & less_equal(low, high), t, 0)


def _high(t: Array, x: Array, low: Array, high: Array) -> Array:
    return where(greater_equal(x, high) | less_equal(high, low), t, 0)


def _leg(t: Array, x: Array, y: Array) -> Array:
    length = hypot(x, y)
    return t * where(equal(length, 0), 1, x / where(equal(length, 0), 1, length))


def _other_leg(t: Array, x: Array, y: Array) -> Array:
    return _leg(t, y, x)


def _extreme(t: Array, x: Array, out: Array, axis: Axes, keepdims: bool) -> Array:
    reduced = kept(x.shape, axis)
    return where(equal(x, reshape(out, reduced)), reshape(t, reduced), 0)


_RULES: Mapping[str, tuple[Rule | None, ...]] = {
    "absolute": (_magnitude,),
    "fabs": (_magnitude,),
    "relu": (lambda t, x: where(greater_equal(x, 0), t, 0),),
    **dict.fromkeys(("maximum", "minimum", "fmax", "fmin"), (_where_equal, _other_where_equal)),
    "clip": (_within, _low, _high),
    "hypot": (_leg, _other_leg),
    **dict.fromkeys(("max", "min", "nanmax", "nanmin"), (_extreme,)),
}
_LENGTHS = frozenset(("norm", "power_norm", "std"))
_LINEAR = frozenset("add subtract negative positive where subgradient real imag conjugate astype".split())
