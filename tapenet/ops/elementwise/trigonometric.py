"""Trigonometric and hyperbolic functions, and their inverses."""

from __future__ import annotations

import numpy as np

from tapenet.core.families import elementwise
from tapenet.core.primitive import Array
from tapenet.ops.elementwise.arithmetic import sqrt, where
from tapenet.ops.elementwise.comparison import equal, less

# ---- trigonometric; angles in radians ----

sin = elementwise(np.sin, lambda t, x: t * cos(x), doc="The sine. Derivative: cos x.")
cos = elementwise(np.cos, lambda t, x: -t * sin(x), doc="The cosine. Derivative: -sin x.")
tan = elementwise(np.tan, lambda t, out: t + t * out * out, doc="The tangent. Derivative: 1 + tan^2 x.")
arcsin = elementwise(
    np.arcsin,
    lambda t, x: t / sqrt((1 - x) * (1 + x)),
    doc="The inverse sine, in [-pi/2, pi/2]. Derivative: 1 / sqrt(1 - x^2).",
)
arccos = elementwise(
    np.arccos,
    lambda t, x: -t / sqrt((1 - x) * (1 + x)),
    doc="The inverse cosine, in [0, pi]. Derivative: -1 / sqrt(1 - x^2).",
)
arctan = elementwise(
    np.arctan, lambda t, x: t / (1 + x * x), doc="The inverse tangent, in (-pi/2, pi/2). Derivative: 1 / (1 + x^2)."
)


def _quotient_by_square(t: Array, part: Array, x: Array, y: Array) -> Array:
    """t part / (x^2 + y^2), and 0 at x = y = 0; scaled, so that no square overflows."""
    radius = hypot(x, y)
    radius = where(equal(radius, 0), 1, radius)
    return t * (part / radius) / radius


arctan2 = elementwise(
    np.arctan2,
    lambda t, x, y: _quotient_by_square(t, y, x, y),
    lambda t, x, y: -_quotient_by_square(t, x, x, y),
    doc="The angle of the point (y, x), in (-pi, pi]: arctan2(x, y) = arg(y + i x). "
    "Derivatives: y / (x^2 + y^2), -x / (x^2 + y^2); 0 at (0, 0).",
)
hypot = elementwise(
    np.hypot,
    lambda t, x, out: t * (x / where(equal(out, 0), 1, out)),
    lambda t, y, out: t * (y / where(equal(out, 0), 1, out)),
    doc="sqrt(x^2 + y^2) without overflow. Derivatives: x / hypot, y / hypot; 0 at (0, 0).",
)
deg2rad = elementwise(np.deg2rad, lambda t: deg2rad(t), doc="Degrees to radians. Derivative: pi / 180.")
rad2deg = elementwise(np.rad2deg, lambda t: rad2deg(t), doc="Radians to degrees. Derivative: 180 / pi.")
radians = deg2rad
degrees = rad2deg


def _sinc_forward(x: Array) -> Array:
    return np.sinc(x)


def _sinc_slope(x: Array) -> Array:
    """(cos(pi x) - sinc x) / x, by its Taylor series near 0, where the difference cancels."""
    small = less(x * x, 4e-4)
    safe = where(small, 1, x)
    z = (np.pi * x) ** 2
    series = -(np.pi**2) / 3 * x * (1 - z / 10 * (1 - z / 28 * (1 - z / 54)))
    return where(small, series, (cos(np.pi * safe) - sinc(safe)) / safe)


sinc = elementwise(
    _sinc_forward,
    lambda t, x: t * _sinc_slope(x),
    name="sinc",
    doc="sin(pi x) / (pi x), 1 at 0. Derivative: (cos(pi x) - sinc x) / x, 0 at 0.",
)

acos, asin, atan, atan2 = arccos, arcsin, arctan, arctan2  # the names of the array API standard

# ---- hyperbolic ----

sinh = elementwise(np.sinh, lambda t, x: t * cosh(x), doc="The hyperbolic sine. Derivative: cosh x.")
cosh = elementwise(np.cosh, lambda t, x: t * sinh(x), doc="The hyperbolic cosine. Derivative: sinh x.")
tanh = elementwise(np.tanh, lambda t, out: t - t * out * out, doc="The hyperbolic tangent. Derivative: 1 - tanh^2 x.")
arcsinh = elementwise(
    np.arcsinh, lambda t, x: t / sqrt(x * x + 1), doc="The inverse hyperbolic sine. Derivative: 1 / sqrt(x^2 + 1)."
)
arccosh = elementwise(
    np.arccosh,
    lambda t, x: t / (sqrt(x - 1) * sqrt(x + 1)),
    doc="The inverse hyperbolic cosine. Derivative: 1 / sqrt(x^2 - 1).",
)
arctanh = elementwise(
    np.arctanh,
    lambda t, x: t / ((1 - x) * (1 + x)),
    doc="The inverse hyperbolic tangent. Derivative: 1 / (1 - x^2).",
)

acosh, asinh, atanh = arccosh, arcsinh, arctanh
