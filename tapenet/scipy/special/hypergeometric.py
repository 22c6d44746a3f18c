"""Hypergeometric functions, by argument and parameters."""

from __future__ import annotations

from typing import Any

import scipy.special

import tapenet.numpy as tnp
from tapenet.core.primitive import Array, bind
from tapenet.scipy.special import hypergeometric_kernels as kernels
from tapenet.scipy.special.bessel import jv
from tapenet.scipy.special.declaring import primitive, rule_of, ufunc
from tapenet.scipy.special.gamma import gamma
from tapenet.scipy.special.helpers import guarded, is_complex

Orders = tuple[int, ...]


def _raised(orders: Orders, place: int) -> Orders:
    return tuple(order + (i == place) for i, order in enumerate(orders))


def _by_orders(name: str, operands: str, forward: Any) -> Any:
    """Declare the derivatives of a function: `(*operands, orders)` is that of these orders by each operand."""
    names = operands.split()

    def rule(place: int) -> Any:
        listed = ", ".join(names)
        return eval(
            f"lambda t, {listed}, orders: t * of_orders({listed}, orders=raised(orders, {place}))",
            {"of_orders": of_orders, "raised": _raised},
        )

    def of_orders(*xs: Array, orders: Orders) -> Array:
        return bind(declared.primitive, xs, {"orders": orders})

    declared: Any = primitive(name, operands, forward, *(rule(i) for i in range(len(names))))
    return of_orders


# ---- power series ----


def _series(theirs: Any, numerators: int) -> Any:
    """Return SciPy's function where nothing is differentiated, and else the series."""

    def forward(*operands: Any, orders: Orders) -> Any:
        if not any(orders):
            return theirs(*operands)
        *parameters, z = operands
        return kernels.series(parameters[:numerators], parameters[numerators:], z, orders)

    return forward


_0f1 = _by_orders(
    "hyp0f1_by_orders", "b z", lambda b, z, *, orders: _series(scipy.special.hyp0f1, 0)(b, z, orders=orders)
)
_1f1 = _by_orders(
    "hyp1f1_by_orders", "a b z", lambda a, b, z, *, orders: _series(scipy.special.hyp1f1, 1)(a, b, z, orders=orders)
)
_2f1 = _by_orders(
    "hyp2f1_by_orders",
    "a b c z",
    lambda a, b, c, z, *, orders: _series(scipy.special.hyp2f1, 2)(a, b, c, z, orders=orders),
)


def _negative(z: Array, bound: float = 0.0) -> Array:
    return tnp.asarray(tnp.real(z) < bound)


def _of_0f1(b: Array, z: Array) -> Array:
    """Compute 0F1: far below 0 a Bessel function, as its series would cancel."""
    if is_complex(z):
        return _0f1(b, z, orders=(0, 0))
    below = _negative(z, -4.0)
    root = tnp.sqrt(-guarded(below, z, -1.0))
    bessel = gamma(b) * tnp.power(root, 1.0 - b) * jv(b - 1.0, 2 * root)
    return tnp.where(below, bessel, _0f1(b, guarded(~below, z, 0.0), orders=(0, 0)))


def _of_1f1(a: Array, b: Array, z: Array) -> Array:
    """Compute 1F1: below 0 by Kummer's transformation."""
    below = _negative(z)
    left, right = guarded(below, z, -1.0), guarded(~below, z, 0.0)
    transformed = tnp.exp(left) * _1f1(b - a, b, -left, orders=(0, 0, 0))
    return tnp.where(below, transformed, _1f1(a, b, right, orders=(0, 0, 0)))


def _of_2f1(a: Array, b: Array, c: Array, z: Array) -> Array:
    """Compute 2F1: below 0 by Pfaff's transformation."""
    below = _negative(z)
    left, right = guarded(below, z, -1.0), guarded(~below, z, 0.0)
    transformed = tnp.power(1 - left, -a) * _2f1(a, c - b, c, left / (left - 1), orders=(0, 0, 0, 0))
    return tnp.where(below, transformed, _2f1(a, b, c, right, orders=(0, 0, 0, 0)))


hyp0f1 = ufunc(
    "hyp0f1",
    "v z",
    rule_of(_of_0f1, ("v", "z"), 0),
    lambda t, v, z: t * (hyp0f1(v + 1, z) / v),
    note="0F1(v + 1; z) / v by z; by v that of the series, or for z < -4 of the Bessel function.",
)
hyp1f1 = ufunc(
    "hyp1f1",
    "a b z",
    rule_of(_of_1f1, ("a", "b", "z"), 0),
    rule_of(_of_1f1, ("a", "b", "z"), 1),
    lambda t, a, b, z: t * (a / b * hyp1f1(a + 1, b + 1, z)),
    note="a / b 1F1(a + 1; b + 1; z) by z; by a and b that of the series, for z < 0 after Kummer's transformation. NaN "
    "where 6,000 terms do not suffice, or overflow (|z| about 700).",
)
hyp2f1 = ufunc(
    "hyp2f1",
    "a b c z",
    rule_of(_of_2f1, ("a", "b", "c", "z"), 0),
    rule_of(_of_2f1, ("a", "b", "c", "z"), 1),
    rule_of(_of_2f1, ("a", "b", "c", "z"), 2),
    lambda t, a, b, c, z: t * (a * b / c * hyp2f1(a + 1, b + 1, c + 1, z)),
    note="a b / c 2F1(a + 1, b + 1; c + 1; z) by z; by a, b and c that of the series, for z < 0 after Pfaff's "
    "transformation. NaN where 6,000 terms do not suffice, for z in about (0.99, 1) and below -150.",
)

# ---- U ----

_hyperu: Any = primitive(
    "hyperu_by_orders",
    "a b z",
    kernels.hyperu_by_orders,
    lambda t, a, b, z, orders: t * _hyperu_by_orders(a, b, z, (orders[0] + 1, orders[1])),
    lambda t, a, b, z, orders: t * _hyperu_by_orders(a, b, z, (orders[0], orders[1] + 1)),
    lambda t, a, b, z, orders: t * _hyperu_by_argument(a, b, z, orders),
)


def _hyperu_by_orders(a: Array, b: Array, z: Array, orders: tuple[int, int]) -> Array:
    return hyperu(a, b, z) if orders == (0, 0) else bind(_hyperu.primitive, (a, b, z), {"orders": orders})


def _hyperu_by_argument(a: Array, b: Array, z: Array, orders: tuple[int, int]) -> Array:
    """Return the derivative by z, -a U(a + 1, b + 1, z), differentiated by a and b."""
    i, j = orders
    first = a * _hyperu_by_orders(a + 1, b + 1, z, orders)
    return -(first + i * _hyperu_by_orders(a + 1, b + 1, z, (i - 1, j))) if i else -first


def _of_u(a: Array, b: Array, z: Array) -> Array:
    """Compute U from values with a > 0: else z^(1 - b) U(a - b + 1, 2 - b, z)."""
    usual = tnp.asarray(a > 0.01)

    def value(a: Array, b: Array, z: Array) -> Array:
        return _hyperu_first(a, b, z)

    shape = tnp.shape(a * b * z)
    a, b = tnp.broadcast_to(tnp.asarray(a), shape), tnp.broadcast_to(tnp.asarray(b), shape)
    usual = tnp.broadcast_to(usual, shape)
    left = value(guarded(usual, a, 1.0), guarded(usual, b, 1.0), z)
    other = tnp.power(z, 1 - b) * value(guarded(~usual, a - b + 1, 1.0), guarded(~usual, 2 - b, 1.0), z)
    return tnp.where(usual, left, other)


_hyperu_first = primitive(
    "hyperu",
    "a b z",
    scipy.special.hyperu,
    lambda t, a, b, z: t * _hyperu_by_orders(a, b, z, (1, 0)),
    lambda t, a, b, z: t * _hyperu_by_orders(a, b, z, (0, 1)),
    lambda t, a, b, z: -t * (a * hyperu(a + 1, b + 1, z)),
)
hyperu = ufunc(
    "hyperu",
    "a b x",
    rule_of(_of_u, ("a", "b", "x"), 0),
    rule_of(_of_u, ("a", "b", "x"), 1),
    lambda t, a, b, x: -t * (a * hyperu(a + 1, b + 1, x)),
    note="-a U(a + 1, b + 1, x) by x; by a and b that of the integral, for x > 0, and a > 0.01 or a - b + 1 > 0.01; "
    "NaN elsewhere.",
)

# ---- Wright's ----

_wright = _by_orders("wright_bessel_by_orders", "a b x", kernels.wright_bessel)
wright_bessel = ufunc(
    "wright_bessel",
    "a b x",
    lambda t, a, b, x: t * _wright(a, b, x, orders=(1, 0, 0)),
    lambda t, a, b, x: t * _wright(a, b, x, orders=(0, 1, 0)),
    lambda t, a, b, x: t * wright_bessel(a, a + b, x),
    note="wright_bessel(a, a + b, x) by x; by a and b that of the series, for b > 0.",
)
log_wright_bessel = ufunc(
    "log_wright_bessel",
    "a b x",
    lambda t, a, b, x, out: t * (_wright(a, b, x, orders=(1, 0, 0)) * tnp.exp(-out)),
    lambda t, a, b, x, out: t * (_wright(a, b, x, orders=(0, 1, 0)) * tnp.exp(-out)),
    lambda t, a, b, x, out: t * tnp.exp(log_wright_bessel(a, a + b, x) - out),
    note="that of log(wright_bessel(a, b, x)).",
)
