"""Floating-point numbers taken apart: sign, fraction and exponent, neighbours, and what is no number."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, numpy_function
from tapenet.core.batching import elementwise_rule
from tapenet.core.families import elementwise, piecewise_constant
from tapenet.core.nondifferentiable import plain
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor
from tapenet.ops.elementwise.arithmetic import add, multiply, negative, where
from tapenet.ops.elementwise.comparison import isnan, isneginf, isposinf
from tapenet.ops.elementwise.complex import imag, real
from tapenet.ops.elementwise.rounding import sign, trunc

# ---- sign and neighbours ----

copysign = elementwise(
    np.copysign,
    lambda t, x, y: t * (sign(x) * copysign(1, y)),
    piecewise_constant,
    doc="|x| with the sign of y. Derivatives: sign(x) times that sign, 0 at x = 0; 0.",
)
nextafter = elementwise(
    np.nextafter,
    lambda t: t,
    piecewise_constant,
    doc="The number after x on the way to y. Derivatives: 1, as a step is constant nearly everywhere; 0.",
)
spacing = elementwise(
    np.spacing, piecewise_constant, doc="The distance to the next number farther from 0. Derivative: 0."
)

# ---- fraction and exponent ----

ldexp = elementwise(np.ldexp, lambda t, y: ldexp(t, y), None, doc="x 2^y for integer y. Derivative by x: 2^y.")


_exponent = plain(lambda x: np.frexp(x)[1], name="frexp", batch=elementwise_rule)


def frexp(x: Array, /, **keywords: Any) -> tuple[Array, Array]:
    """x = fraction 2^exponent, with the fraction in [0.5, 1) and an integer exponent, a plain array.

    Derivative of the fraction: 2^-exponent, also at a jump.

    >>> frexp(6.0)
    (np.float64(0.75), np.int32(3))
    """
    if type(x) is not Tensor:
        return np.frexp(x, **keywords)
    exponent = _exponent(x)
    return ldexp(x, negative(exponent), **keywords), exponent


def _fractional_part(x: Array) -> Array:
    return np.modf(x)[0]


_fraction = elementwise(_fractional_part, lambda t: t, name="fractional_part")


def modf(x: Array, /, **keywords: Any) -> tuple[Array, Array]:
    """The fractional and the integer part of x, both of its sign. Derivatives: 1 and 0, also at a jump.

    >>> modf(-1.5)
    (np.float64(-0.5), np.float64(-1.0))
    """
    if type(x) is not Tensor:
        return np.modf(x, **keywords)
    return _fraction(x, **keywords), trunc(x, **keywords)


# ---- what is no number ----


@numpy_function(np.nan_to_num)
def nan_to_num(x: Array, copy: bool = True, nan: Array = 0.0, posinf: Array = None, neginf: Array = None) -> Array:
    """x with NaN and the infinities replaced, by 0 and the largest finite numbers unless told.

    Derivatives: 1 for x where it is finite, 0 elsewhere; for a replacement 1 where it is put.

    >>> nan_to_num(np.array([1.0, np.nan]), nan=7.0)
    array([1., 7.])
    """
    x = as_array(x)
    if x.dtype.kind == "c":
        parts = (nan_to_num(part, copy, nan, posinf, neginf) for part in (real(x), imag(x)))
        return add(next(parts), multiply(next(parts), np.asarray(1j, x.dtype)[()]))
    largest = np.finfo(x.dtype).max
    finite = where(isnan(x), nan, x)
    finite = where(isposinf(x), largest if posinf is None else posinf, finite)
    return where(isneginf(x), -largest if neginf is None else neginf, finite)
