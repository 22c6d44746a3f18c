"""Special functions: the error function, which NumPy lacks, and the modified Bessel functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, numpy_function
from tapenet.core.families import elementwise
from tapenet.core.nondifferentiable import numpys_of_integers
from tapenet.core.primitive import Array, bind
from tapenet.errors import ArgumentTypeError
from tapenet.kernels import error_function
from tapenet.ops.elementwise.constants import TWO_OVER_ROOT_PI

# ---- the error function, and the normal distribution ----

gaussian = elementwise(
    error_function.gaussian,
    lambda t, x, out: t * (x * out * -2),
    name="gaussian",
    doc="e^(-x^2). Derivative: -2 x e^(-x^2).",
)
erf = elementwise(
    error_function.erf,
    lambda t, x: t * gaussian(x) * TWO_OVER_ROOT_PI.of(x),
    name="erf",
    doc="""Compute the error function: 2 / sqrt(pi) times the integral of exp(-s^2) from 0 to x.

    Derivative: 2 / sqrt(pi) exp(-x^2).

    >>> float(erf(0.0)), f"{tn.grad(erf)(0.0):.4f}"
    (0.0, '1.1284')
    """,
)
normal_density = elementwise(
    error_function.normal_density,
    lambda t, x, out: -t * (x * out),
    name="normal_density",
    doc="e^(-x^2 / 2) / sqrt(2 pi). Derivative: -x times that.",
)
normal_cdf = elementwise(
    error_function.normal_cdf,
    lambda t, x: t * normal_density(x),
    name="normal_cdf",
    doc="The normal distribution function, erfc(-x / sqrt(2)) / 2. Derivative: e^(-x^2 / 2) / sqrt(2 pi).",
)
gelu_slope: Callable[..., Array] = elementwise(
    error_function.gelu_slope,
    lambda u, x: gelu_slope(u, x),
    lambda u, t, x: u * t * _gelu_curvature(x),
    name="gelu_slope",
    doc="t (Phi(x) + x phi(x)). Derivatives: Phi(x) + x phi(x), t (2 - x^2) phi(x).",
)
gelu = elementwise(
    error_function.gelu,
    lambda t, x: gelu_slope(t, x),
    name="gelu",
    doc="x Phi(x), in one pass over x. Derivative: Phi(x) + x phi(x).",
)


def _gelu_curvature(x: Array) -> Array:
    density = normal_density(x)
    return 2 * density - x * (x * density)  # the square would overflow


# ---- modified Bessel functions of the first kind ----

_NODES = 160  # of the rule below; I_2n(x) / I_0(x), its relative error, is below 1e-17 as long as I_0 is finite
_NODES_WIDE = 600  # of longdouble, which goes on to x = 11,000


def _bessel_forward(x: Array, *, order: int) -> Array:
    """Compute I_n(x) = x^n / (1 3 5 ... (2n - 1) pi) * integral of exp(x cos a) sin^2n(a) da from 0 to pi.

    The integrand is periodic and nowhere negative: the trapezoidal rule converges geometrically, and nothing cancels.
    """
    x = np.asarray(x)
    if x.dtype.kind == "c":
        raise ArgumentTypeError(f"i0: x must be real; got {x.dtype}. Use tapenet.scipy.special.iv(0, x).")
    if order == 0:
        return np.i0(x).astype(x.dtype if x.dtype.kind in "fc" else np.float64)[()]
    wide = x.astype(np.result_type(x, np.float64))
    nodes = _NODES if wide.dtype.itemsize == 8 else _NODES_WIDE
    pi = 4 * np.arctan(wide.dtype.type(1))
    total, size = np.zeros_like(wide), np.abs(wide)
    for k in range(1, nodes):
        half = pi * k / (2 * nodes)
        # Less the largest exponent, of which the rounding error would be multiplied by it.
        total += np.exp(-2 * size * np.sin(half) ** 2) * np.sin(2 * half) ** (2 * order)
    odd_numbers = math.prod(range(1, 2 * order, 2))
    root = np.exp(0.5 * size)  # whose square may overflow where the product does not
    return (wide**order * (total / (odd_numbers * nodes) * root) * root).astype(x.dtype)[()]


_bessel: Any = elementwise(
    _bessel_forward,
    lambda t, x, order: t * _bessel_slope(x, order),
    name="bessel",
    doc="The modified Bessel function I_n of the first kind, of integer order n.",
)


def _bessel_slope(x: Array, order: int) -> Array:
    """Compute the derivative: I_0' = I_1, and I_n' = (I_(n-1) + I_(n+1)) / 2."""
    if order == 0:
        return _of_order(x, 1)
    return 0.5 * (_of_order(x, order - 1) + _of_order(x, order + 1))


def _of_order(x: Array, order: int) -> Array:
    return bind(_bessel.primitive, (x,), {"order": order})


@numpy_function(np.i0)
@numpys_of_integers(np.i0)
def i0(x: Array) -> Array:
    """Compute the modified Bessel function of the first kind of order 0.

    Derivative: the modified Bessel function of order 1.

    >>> float(tnp.i0(0.0)), float(tn.grad(tnp.i0)(0.0))
    (1.0, 0.0)
    """
    return _of_order(as_array(x), 0)
