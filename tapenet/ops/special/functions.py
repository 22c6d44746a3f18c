"""Special functions: the error function, which NumPy lacks, and the modified Bessel functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapenet.core.arguments import as_array
from tapenet.core.families import elementwise
from tapenet.core.primitive import Array, bind
from tapenet.core.tensor import Tensor
from tapenet.ops.elementwise.exponential import exp

# (1 + 2x) e^(x^2) erfc x for x >= 0 as a Chebyshev series in (x - 3.75) / (x + 3.75): the form of Shepherd and
# Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < inf", Math. Comp. 36 (1981).
# The coefficients are computed in 40 digits and cut where they fall below the precision of float64.
_ERFC_SERIES = (
    1.1775789345674018,
    -0.0045900545806464773,
    -0.084249133366517916,
    0.05920993999819189,
    -0.026658668435305752,
    0.0090749976707052651,
    -0.0024131635404176082,
    0.00049077583652580863,
    -6.9169733025012064e-5,
    4.1390279860730103e-6,
    7.7403830661984918e-7,
    -2.1886401049234385e-7,
    1.0764999465671004e-8,
    4.5219598112183722e-9,
    -7.7544002088305891e-10,
    -6.31808834088002e-11,
    2.8687950109363423e-11,
    1.9455868550426972e-13,
    -9.654696748073275e-13,
    3.2525481506828756e-14,
    3.3478119497397052e-14,
    -1.8645628767814072e-15,
    -1.2507950603417643e-15,
    7.4182334421949088e-17,
    5.0681460130604585e-17,
)
_SMALL = 0.5  # below it erf is summed as a Taylor series: 1 - erfc would cancel


def _erf(x: Array) -> Array:
    x = np.asarray(x)
    out = np.asarray(x, np.result_type(x, np.float32))
    magnitude = np.minimum(np.abs(out), 30)  # beyond it, erfc is 0 and the square must not overflow
    t = (magnitude - 3.75) / (magnitude + 3.75)
    # Clenshaw's recurrence.
    later, last = np.zeros_like(t), np.zeros_like(t)
    for coefficient in _ERFC_SERIES[:0:-1]:
        last, later = coefficient + 2 * t * last - later, last
    series = _ERFC_SERIES[0] + t * last - later
    large = np.sign(out) * (1 - np.exp(-magnitude * magnitude) * series / (1 + 2 * magnitude))
    square = np.where(magnitude < _SMALL, out, 0) ** 2
    taylor = np.zeros_like(square)  # sum of (-1)^n x^(2n) / (n! (2n + 1)), by Horner
    for n in range(14, -1, -1):
        taylor = taylor * square + (-1.0) ** n / (math.factorial(n) * (2 * n + 1))
    small = out * taylor * (2 / math.sqrt(math.pi))
    return np.where(magnitude < _SMALL, small, large).astype(x.dtype if x.dtype.kind == "f" else out.dtype)[()]


erf = elementwise(
    _erf,
    lambda t, x: t * exp(-(x * x)) * (2 / math.sqrt(math.pi)),
    name="erf",
    doc="""Compute the error function: 2 / sqrt(pi) times the integral of exp(-s^2) from 0 to x.

    Derivative: 2 / sqrt(pi) exp(-x^2).

    >>> float(erf(0.0)), f"{tn.grad(erf)(0.0):.4f}"
    (0.0, '1.1284')
    """,
)


# ---- modified Bessel functions of the first kind ----

_NODES = 160  # of the rule below; I_2n(x) / I_0(x), its relative error, is below 1e-17 as long as I_0 is finite


def _bessel_forward(x: Array, *, order: int) -> Array:
    """Compute I_n(x) = x^n / (1 3 5 ... (2n - 1) pi) * integral of exp(x cos a) sin^2n(a) da from 0 to pi.

    The integrand is periodic and nowhere negative: the trapezoidal rule converges geometrically, and nothing cancels.
    """
    x = np.asarray(x)
    if order == 0:
        return np.i0(x).astype(x.dtype)[()]
    wide = x.astype(np.result_type(x, np.float64))
    total, size = np.zeros_like(wide), np.abs(wide)
    for k in range(1, _NODES):
        angle = math.pi * k / _NODES
        total += np.exp(size * math.cos(angle)) * math.sin(angle) ** (2 * order)
    odd_numbers = math.prod(range(1, 2 * order, 2))
    return (wide**order * total / (odd_numbers * _NODES)).astype(x.dtype)[()]


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


def i0(x: Array) -> Array:
    """Compute the modified Bessel function of the first kind of order 0.

    Derivative: the modified Bessel function of order 1.

    >>> float(tnp.i0(0.0)), float(tn.grad(tnp.i0)(0.0))
    (1.0, 0.0)
    """
    x = as_array(x)
    return np.i0(x) if type(x) is not Tensor else _of_order(x, 0)
