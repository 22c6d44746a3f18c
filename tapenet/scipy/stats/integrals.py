"""Distribution functions that are integrals of the density: by Gauss's rule over the tail that a point is in.

The tail ends where the density has fallen by e^-45. The density is that of a coordinate in which it is smooth and falls
at least exponentially on both sides: the logarithm of a positive variable, say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.families import elementwise
from tapenet.core.nondifferentiable import constant
from tapenet.core.primitive import Array
from tapenet.scipy.special.declaring import rule_of
from tapenet.scipy.special.helpers import as_columns

Formula = Callable[..., Array]

DROP = 45.0  # of the logarithm of a density, beyond which what is left has no digit
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(96)
_POINTS, _WEIGHTS = (_POINTS + 1) / 2, _WEIGHTS / 2


def fallen(logarithm: Callable[[Any], Any], start: Any, sign: Any) -> Any:
    """Find where a function, on plain arrays, is `DROP` below its value at the start, on the side of a sign."""
    least = logarithm(start) - DROP
    far = np.full_like(start, 1e-3)
    for _ in range(60):  # of a steep function, the place is nearer
        short = logarithm(start + sign * far / 2) > least
        if short.all():
            break
        far = np.where(short, far, far / 2)
    for _ in range(60):
        short = logarithm(start + sign * far) > least
        if not short.any():
            break
        far = np.where(short, 2 * far, far)
    near = far / 2
    for _ in range(6):  # the integral does not need the place exactly
        middle = (near + far) / 2
        short = logarithm(start + sign * middle) > least
        near, far = np.where(short, middle, near), np.where(short, far, middle)
    return start + sign * far


def over_nodes(low: Array, high: Array, integrand: Formula, *shapes: Array) -> Array:
    """Integrate a smooth function of the place and shape parameters between two ends."""
    low, high, *columns = as_columns(low, high, *shapes)
    return tnp.sum(integrand(low + (high - low) * _POINTS, *columns) * (_WEIGHTS * (high - low)), axis=-1)


def in_double(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of plain arrays that computes on float64 and gives the dtype that NumPy's arithmetic gives."""

    @np.errstate(all="ignore")
    def computed(*operands: Any) -> Any:
        kind = np.result_type(*operands, np.float32)
        wide = np.broadcast_arrays(*(np.asarray(x, np.float64) for x in operands))
        return np.asarray(function(*wide)).astype(kind)[()]

    return computed


def tails(name: str, shapes: str, logdensity: Formula, middle: Formula) -> tuple[Formula, Formula]:
    """Declare a distribution function and 1 less it.

    Args:
        name: "stats.NAME".
        shapes: the names of the shape parameters.
        logdensity: of the coordinate and the shape parameters.
        middle: a place near the middle, of plain shape parameters.
    """
    names = ("u", *shapes.split())

    @in_double
    def end(u: Any, *parameters: Any) -> Any:
        inside = np.isfinite(u)
        u = np.where(inside, u, 0.0)
        side = np.where(u < middle(*parameters), -1.0, 1.0)
        found = fallen(lambda u: logdensity(u, *parameters), u, side)
        return np.where(inside, found, np.nan)

    last = elementwise(end, *[None] * len(names), name=f"{name}.end", operands=names)

    def masses(u: Array, *parameters: Array) -> tuple[Array, Array]:
        far = last(*map(constant, (u, *parameters)))
        mass = over_nodes(u, far, lambda u, *xs: tnp.exp(logdensity(u, *xs)), *parameters)
        return mass, tnp.asarray(far < u)

    def of(part: str, is_lower: bool) -> Formula:
        def formula(u: Array, *parameters: Array) -> Array:
            mass, is_below = masses(u, *parameters)
            own = is_below if is_lower else ~is_below
            size = tnp.where(is_below, -mass, mass)
            return tnp.where(own, size, 1 - size)

        sign = 1.0 if is_lower else -1.0
        return elementwise(
            in_double(formula),
            _by_place(logdensity, names, sign),
            *(rule_of(formula, names, i) for i in range(1, len(names))),
            name=f"{name}.{part}",
            operands=names,
        )

    return of("cdf", True), of("sf", False)


def _by_place(logdensity: Formula, names: tuple[str, ...], sign: float) -> Formula:
    """Return the rule of the coordinate: the density."""
    listed = ", ".join(names)

    def slope(t: Array, *operands: Array) -> Array:
        return t * (sign * tnp.exp(logdensity(*operands)))

    rule: Formula = eval(f"lambda tangent, {listed}: slope(tangent, {listed})", {"slope": slope})
    return rule
