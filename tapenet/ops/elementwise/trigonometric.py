"""Trigonometric and hyperbolic functions, and their inverses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.arguments import numpy_function
from tapenet.core.batching import elementwise_rule
from tapenet.core.families import elementwise
from tapenet.core.nondifferentiable import choice
from tapenet.core.primitive import Array, bind
from tapenet.core.tensor import Tensor
from tapenet.kernels import slopes
from tapenet.ops.elementwise.arithmetic import sqrt, where
from tapenet.ops.elementwise.choices import equal, isinf

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
cos: Callable[..., Array] = elementwise(
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
    lambda t, out: t + t * out * out,  # by the output; two terms of one sign, so that nothing cancels
    doc="""Compute the tangent.

    Derivative: 1 + tan(x)^2.

    >>> float(tn.grad(tnp.tan)(0.0))
    1.0
    """,
)


def _one_less_square(x: Array) -> Array:
    if np.iscomplexobj(x):  # 1 - x and 1 + x lose the sign of an imaginary part 0, which tells the side of a branch cut
        return np.multiply(-(x - 1), x - (-1))
    # Near 1 the difference 1 - x is exact (Sterbenz), where 1 - x^2 has the rounding error of the square.
    return np.multiply(1 - x, 1 + x)


one_less_square = elementwise(
    _one_less_square,
    lambda t, x: t * (-2 * x),  # of the two factors, one by one, the derivatives would cancel near 0
    name="one_less_square",
    doc="1 - x^2, exact near 1 and -1. Derivative: -2 x.",
)
arcsin = elementwise(
    np.arcsin,
    lambda t, x: t / sqrt(one_less_square(x)),
    doc="""Compute the inverse sine, in [-pi/2, pi/2].

    Derivative: 1 / sqrt(1 - x^2), which is inf at -1 and 1.

    >>> float(tn.grad(tnp.arcsin)(0.0))
    1.0
    """,
)
arccos = elementwise(
    np.arccos,
    lambda t, x: -t / sqrt(one_less_square(x)),
    doc="""Compute the inverse cosine, in [0, pi].

    Derivative: -1 / sqrt(1 - x^2), which is -inf at -1 and 1.

    >>> float(tn.grad(tnp.arccos)(0.0))
    -1.0
    """,
)

# ---- directions: quotients by sqrt(x^2 + y^2), of which no square overflows and no difference cancels ----


def _direction_forward(x: Array, y: Array) -> Array:
    radius = np.hypot(x, y)
    return x / np.where(radius == 0, 1, radius)  # 0 / 1 at the origin, without the warning of 0 / 0


def _reciprocal_of_radius(x: Array, y: Array) -> Array:
    """Compute 1 / hypot(x, y); NaN at (0, 0), where what is divided by it has no derivative."""
    radius = hypot(x, y)
    vanishes = equal(radius, 0)
    return where(vanishes, np.nan, 1 / where(vanishes, 1, radius))


_direction: Callable[..., Array] = elementwise(
    _direction_forward,
    # In this order: the square of a direction may underflow where its quotient by the radius does not.
    lambda t, x, y: t * (_direction(y, x) * (_direction(y, x) * _reciprocal_of_radius(x, y))),
    lambda t, x, y: -t * (_direction(x, y) * (_direction(y, x) * _reciprocal_of_radius(x, y))),
    name="direction",
    doc="x / hypot(x, y); 0 at (0, 0), which is a convention: its derivative is NaN there.",
)


def _inverse_forward(x: Array, y: Array) -> Array:
    radius = np.hypot(x, y)
    radius = np.where(radius == 0, 1, radius)
    # Divided twice: the square of the radius overflows or vanishes long before the quotient does.
    return x / radius / radius


def _radius(x: Array, y: Array) -> Array:
    """Compute hypot(x, y); NaN at (0, 0), where a convention has no derivative."""
    radius = hypot(x, y)
    return where(equal(radius, 0), np.nan, radius)


def _over_square(x: Array, radius: Array) -> Array:
    return x / radius / radius


# The derivatives of x / r^2 are (y^2 - x^2) / r^4 and -2 x y / r^4, as products in which nothing overflows or cancels.
_inverse: Callable[..., Array] = elementwise(
    _inverse_forward,
    lambda t, x, y: t * (_over_square(y - x, _radius(x, y)) * _over_square(y + x, _radius(x, y))),
    lambda t, x, y: -t * (2 * _over_square(x, _radius(x, y)) * _over_square(y, _radius(x, y))),
    name="inverse",
    doc="x / (x^2 + y^2); 0 at (0, 0), which is a convention: its derivative is NaN there.",
)


over_one_more_square: Callable[..., Array] = elementwise(
    slopes.over_one_more_square,
    lambda t, x: over_one_more_square(t, x),
    lambda t, x, out: over_one_more_square(t * (where(isinf(x), 0, x) * out * -2), x),  # 0 also at infinity
    name="over_one_more_square",
    doc="t / (1 + x^2), also where the square overflows. Derivatives: 1 / (1 + x^2), -2 t x / (1 + x^2)^2.",
)
arctan = elementwise(
    np.arctan,
    lambda t, x: over_one_more_square(t, x),
    doc="""Compute the inverse tangent, in (-pi/2, pi/2).

    Derivative: 1 / (1 + x^2).

    >>> float(tn.grad(tnp.arctan)(1.0))
    0.5
    """,
)


arctan2 = elementwise(
    np.arctan2,
    lambda t, x, y: t * _inverse(y, x),
    lambda t, x, y: -t * _inverse(x, y),
    doc="""Compute the angle of the point (x2, x1), in [-pi, pi]: the argument of x2 + i x1.

    Derivatives: x2 / (x1^2 + x2^2) and -x1 / (x1^2 + x2^2); 0 at (0, 0), where second derivatives are
    NaN.

    >>> float(tn.grad(tnp.arctan2)(0.0, 2.0)), float(tn.grad(tnp.arctan2)(0.0, 0.0))
    (0.5, 0.0)
    """,
)
hypot = elementwise(
    np.hypot,
    # A primitive of its own: the derivative of the plain quotient x / out, (1 - (x / out)^2) / out, cancels at small y.
    lambda t, x, y: t * _direction(x, y),
    lambda t, x, y: t * _direction(y, x),
    doc="""Compute sqrt(x1^2 + x2^2), without overflow.

    Derivatives: x1 / hypot(x1, x2) and x2 / hypot(x1, x2); 0 at (0, 0), where second derivatives
    are NaN.

    >>> float(tn.grad(tnp.hypot)(3.0, 4.0)), float(tn.grad(tnp.hypot)(0.0, 0.0))
    (0.6, 0.0)
    """,
)
deg2rad: Callable[..., Array] = elementwise(
    np.deg2rad,
    lambda t: deg2rad(t),
    doc="""Convert degrees to radians: x pi / 180.

    Derivative: pi / 180.

    >>> float(tnp.deg2rad(180.0)), f"{tn.grad(tnp.deg2rad)(180.0):.4f}"
    (3.141592653589793, '0.0175')
    """,
)
rad2deg: Callable[..., Array] = elementwise(
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


_sinc: Any = elementwise(
    slopes.sinc, lambda t, x, order: t * bind(_sinc.primitive, (x,), {"order": order + 1}), name="sinc"
)


@numpy_function(np.sinc)
def sinc(x: Array) -> Array:
    """Compute sin(pi x) / (pi x), which is 1 at 0.

    Derivative: (cos(pi x) - sinc(x)) / x, 0 at 0.

    >>> float(tnp.sinc(0.0)), float(tn.grad(tnp.sinc)(1.0))
    (1.0, -1.0)
    """
    return bind(_sinc.primitive, (x,), {"order": 0})


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
cosh: Callable[..., Array] = elementwise(
    np.cosh,
    lambda t, x: t * sinh(x),
    doc="""Compute the hyperbolic cosine.

    Derivative: sinh(x).

    >>> float(tn.grad(tnp.cosh)(0.0))
    0.0
    """,
)

# From the output, as 1 - tanh^2, half of the digits would be lost at x = 9 and all at 19.
over_square_of_cosh: Callable[..., Array] = elementwise(
    slopes.over_square_of_cosh,
    lambda u, x: over_square_of_cosh(u, x),
    lambda u, x, out: u * (-2 * out * tanh(x)),
    name="over_square_of_cosh",
    doc="t / cosh^2 x. Derivatives: 1 / cosh^2 x, -2 t tanh x / cosh^2 x.",
)


def _tanh_slope(t: Array, x: Array) -> Array:
    if type(t) is not Tensor and type(x) is not Tensor:  # hot: one call less
        return slopes.over_square_of_cosh(t, x)
    return over_square_of_cosh(t, x)


tanh: Callable[..., Array] = elementwise(
    np.tanh,
    _tanh_slope,
    doc="""Compute the hyperbolic tangent.

    Derivative: 1 - tanh(x)^2, computed as 1 / cosh(x)^2.

    >>> float(tn.grad(tnp.tanh)(0.0))
    1.0
    """,
)


_is_above = choice(lambda x: np.imag(x) > 0, name="is_above", batch=elementwise_rule)


def _arcsinh_slope(t: Array, x: Array) -> Array:
    if np.iscomplexobj(x):
        turned = 1j * where(_is_above(x), -x, x)  # the slope is even; in the lower half-plane no sign of a 0 is lost
        return t / (sqrt(turned - (-1)) * sqrt(-(turned - 1)))
    return t / hypot(x, 1)  # the square may overflow


arcsinh = elementwise(
    np.arcsinh,
    _arcsinh_slope,
    doc="""Compute the inverse hyperbolic sine.

    Derivative: 1 / sqrt(x^2 + 1).

    >>> float(tn.grad(tnp.arcsinh)(0.0))
    1.0
    """,
)
arccosh = elementwise(
    np.arccosh,
    # Two roots: the square would overflow, and sqrt(z^2 - 1) has another branch cut than arccosh in the complex plane.
    lambda t, x: t / (sqrt(x - 1) * sqrt(x - (-1))),  # x + 1 loses the sign of an imaginary part 0
    doc="""Compute the inverse hyperbolic cosine.

    Derivative: 1 / sqrt(x^2 - 1), which is inf at 1.

    >>> f"{tn.grad(tnp.arccosh)(2.0):.4f}"
    '0.5774'
    """,
)
arctanh = elementwise(
    np.arctanh,
    lambda t, x: t / one_less_square(x),
    doc="""Compute the inverse hyperbolic tangent.

    Derivative: 1 / (1 - x^2), which is infinite at -1 and 1.

    >>> float(tn.grad(tnp.arctanh)(0.5))
    1.3333333333333333
    """,
)

acosh, asinh, atanh = arccosh, arcsinh, arctanh
