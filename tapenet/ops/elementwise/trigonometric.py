"""Trigonometric and hyperbolic functions, and their inverses."""

from __future__ import annotations

import numpy as np

from tapenet.core.families import elementwise
from tapenet.core.primitive import Array
from tapenet.ops.elementwise.arithmetic import sqrt, where
from tapenet.ops.elementwise.comparison import equal, less

# ---- trigonometric; angles in radians ----

sin = elementwise(
    np.sin,
    lambda t, x: t * cos(x),
    doc="""Compute the sine.

    Derivative: cos(x).

    >>> float(tn.grad(tnp.sin)(0.0))
    1.0
    """,
)
cos = elementwise(
    np.cos,
    lambda t, x: -t * sin(x),
    doc="""Compute the cosine.

    Derivative: -sin(x).

    >>> float(tnp.cos(0.0)), float(tn.grad(tnp.cos)(np.pi / 2))
    (1.0, -1.0)
    """,
)
tan = elementwise(
    np.tan,
    lambda t, out: t + t * out * out,
    doc="""Compute the tangent.

    Derivative: 1 + tan(x)^2.

    >>> float(tn.grad(tnp.tan)(0.0))
    1.0
    """,
)
arcsin = elementwise(
    np.arcsin,
    lambda t, x: t / sqrt((1 - x) * (1 + x)),
    doc="""Compute the inverse sine, in [-pi/2, pi/2].

    Derivative: 1 / sqrt(1 - x^2), which is inf at -1 and 1.

    >>> float(tn.grad(tnp.arcsin)(0.0))
    1.0
    """,
)
arccos = elementwise(
    np.arccos,
    lambda t, x: -t / sqrt((1 - x) * (1 + x)),
    doc="""Compute the inverse cosine, in [0, pi].

    Derivative: -1 / sqrt(1 - x^2), which is -inf at -1 and 1.

    >>> float(tn.grad(tnp.arccos)(0.0))
    -1.0
    """,
)
arctan = elementwise(
    np.arctan,
    lambda t, x: t / (1 + x * x),
    doc="""Compute the inverse tangent, in (-pi/2, pi/2).

    Derivative: 1 / (1 + x^2).

    >>> float(tn.grad(tnp.arctan)(1.0))
    0.5
    """,
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
    doc="""Compute the angle of the point (x2, x1), in [-pi, pi]: the argument of x2 + i x1.

    Derivatives: x2 / (x1^2 + x2^2) and -x1 / (x1^2 + x2^2); 0 at (0, 0).

    >>> float(tn.grad(tnp.arctan2)(0.0, 2.0)), float(tn.grad(tnp.arctan2)(0.0, 0.0))
    (0.5, 0.0)
    """,
)
hypot = elementwise(
    np.hypot,
    lambda t, x, out: t * (x / where(equal(out, 0), 1, out)),
    lambda t, y, out: t * (y / where(equal(out, 0), 1, out)),
    doc="""Compute sqrt(x1^2 + x2^2), without overflow.

    Derivatives: x1 / hypot(x1, x2) and x2 / hypot(x1, x2); 0 at (0, 0).

    >>> float(tn.grad(tnp.hypot)(3.0, 4.0)), float(tn.grad(tnp.hypot)(0.0, 0.0))
    (0.6, 0.0)
    """,
)
deg2rad = elementwise(
    np.deg2rad,
    lambda t: deg2rad(t),
    doc="""Convert degrees to radians: x pi / 180.

    Derivative: pi / 180.

    >>> float(tnp.deg2rad(180.0)), f"{tn.grad(tnp.deg2rad)(180.0):.4f}"
    (3.141592653589793, '0.0175')
    """,
)
rad2deg = elementwise(
    np.rad2deg,
    lambda t: rad2deg(t),
    doc="""Convert radians to degrees: x 180 / pi.

    Derivative: 180 / pi.

    >>> float(tnp.rad2deg(np.pi)), f"{tn.grad(tnp.rad2deg)(0.0):.4f}"
    (180.0, '57.2958')
    """,
)
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


_sinc = elementwise(_sinc_forward, lambda t, x: t * _sinc_slope(x), name="sinc")


def sinc(x: Array) -> Array:
    """Compute sin(pi x) / (pi x), which is 1 at 0.

    Derivative: (cos(pi x) - sinc(x)) / x, 0 at 0.

    >>> float(tnp.sinc(0.0)), float(tn.grad(tnp.sinc)(1.0))
    (1.0, -1.0)
    """
    return _sinc(x)


acos, asin, atan, atan2 = arccos, arcsin, arctan, arctan2  # the names of the array API standard

# ---- hyperbolic ----

sinh = elementwise(
    np.sinh,
    lambda t, x: t * cosh(x),
    doc="""Compute the hyperbolic sine.

    Derivative: cosh(x).

    >>> float(tn.grad(tnp.sinh)(0.0))
    1.0
    """,
)
cosh = elementwise(
    np.cosh,
    lambda t, x: t * sinh(x),
    doc="""Compute the hyperbolic cosine.

    Derivative: sinh(x).

    >>> float(tn.grad(tnp.cosh)(0.0))
    0.0
    """,
)
tanh = elementwise(
    np.tanh,
    lambda t, out: t - t * out * out,
    doc="""Compute the hyperbolic tangent.

    Derivative: 1 - tanh(x)^2.

    >>> float(tn.grad(tnp.tanh)(0.0))
    1.0
    """,
)
arcsinh = elementwise(
    np.arcsinh,
    lambda t, x: t / sqrt(x * x + 1),
    doc="""Compute the inverse hyperbolic sine.

    Derivative: 1 / sqrt(x^2 + 1).

    >>> float(tn.grad(tnp.arcsinh)(0.0))
    1.0
    """,
)
arccosh = elementwise(
    np.arccosh,
    lambda t, x: t / (sqrt(x - 1) * sqrt(x + 1)),
    doc="""Compute the inverse hyperbolic cosine.

    Derivative: 1 / sqrt(x^2 - 1), which is inf at 1.

    >>> f"{tn.grad(tnp.arccosh)(2.0):.4f}"
    '0.5774'
    """,
)
arctanh = elementwise(
    np.arctanh,
    lambda t, x: t / ((1 - x) * (1 + x)),
    doc="""Compute the inverse hyperbolic tangent.

    Derivative: 1 / (1 - x^2), which is infinite at -1 and 1.

    >>> float(tn.grad(tnp.arctanh)(0.5))
    1.3333333333333333
    """,
)

acosh, asinh, atanh = arccosh, arcsinh, arctanh
