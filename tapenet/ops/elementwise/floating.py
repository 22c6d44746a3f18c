"""The parts of floating-point numbers: sign, fraction and exponent, neighbours, and NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, numpy_function
from tapenet.core.batching import elementwise_rule
from tapenet.core.families import elementwise, piecewise_constant
from tapenet.core.nondifferentiable import nondifferentiable, numpys_of_integers
from tapenet.core.primitive import Array
from tapenet.ops.elementwise.arithmetic import add, multiply, negative, where
from tapenet.ops.elementwise.casting import as_scalar
from tapenet.ops.elementwise.choices import isnan, isneginf, isposinf
from tapenet.ops.elementwise.complex import imag, real
from tapenet.ops.elementwise.rounding import sign, trunc

# ---- sign and neighbours ----

copysign: Callable[..., Array] = elementwise(
    np.copysign,
    lambda t, x, y: t * (sign(x) * copysign(1, y)),  # sign(y) is 0 at 0, and does not tell -0.0 from 0.0
    piecewise_constant,
    doc="""Give x1 the sign of x2: |x1| sign(x2).

    Derivatives: sign(x1) times the sign of x2, 0 at x1 = 0; 0 for x2.

    >>> float(tnp.copysign(2.0, -1.0)), float(tn.grad(tnp.copysign)(2.0, -1.0))
    (-2.0, -1.0)
    """,
)
nextafter = elementwise(
    np.nextafter,
    lambda t: t,
    piecewise_constant,
    doc="""Give the next number after x1 in the direction of x2.

    Derivatives: 1, as the step is constant almost everywhere; 0 for x2.

    >>> float(tnp.nextafter(1.0, 2.0)) - 1, float(tn.grad(tnp.nextafter)(1.0, 2.0))
    (2.220446049250313e-16, 1.0)
    """,
)
spacing = elementwise(
    np.spacing,
    piecewise_constant,
    doc="""Give the distance to the next number farther from 0.

    Derivative: 0, also at a jump. The function is piecewise constant.

    >>> float(tnp.spacing(1.0)), float(tn.grad(tnp.spacing)(1.0))
    (2.220446049250313e-16, 0.0)
    """,
)

# ---- fraction and exponent ----

ldexp: Callable[..., Array] = elementwise(
    np.ldexp,
    lambda t, y: ldexp(t, y),
    None,
    doc="""Scale by a power of 2: x1 2^x2, with an integer x2.

    Derivatives: 2^x2 for x1; none for the integer x2.

    >>> float(tnp.ldexp(3.0, 2)), float(tn.grad(tnp.ldexp)(3.0, 2))
    (12.0, 4.0)
    """,
)


_exponent = nondifferentiable(lambda x: np.frexp(x)[1], name="frexp", batch=elementwise_rule)


@numpy_function(np.frexp)
def frexp(x: Array, /, **keywords: Any) -> tuple[Array, Array]:
    """Split x into a fraction in [0.5, 1) and an integer exponent: x = fraction 2^exponent.

    Derivatives: 2^-exponent for the fraction, also at a jump; none for the exponent, a plain array.

    >>> tnp.frexp(6.0)
    (np.float64(0.75), np.int32(3))
    """
    exponent = _exponent(x)
    # Not x * 2^-exponent: that power overflows for a subnormal x.
    return ldexp(x, negative(exponent), **keywords), exponent


def _fractional_part(x: Array) -> Array:
    return np.modf(x)[0]


_fraction = elementwise(_fractional_part, lambda t: t, name="fractional_part")


@numpy_function(np.modf)
@numpys_of_integers(np.modf)
def modf(x: Array, /, **keywords: Any) -> tuple[Array, Array]:
    """Split x into its fractional and its integer part, both of the sign of x.

    Derivatives: 1 and 0, also at a jump.

    >>> tnp.modf(-1.5)
    (np.float64(-0.5), np.float64(-1.0))
    """
    return _fraction(x, **keywords), trunc(x, **keywords)


# ---- NaN and infinity ----


@numpy_function(np.nan_to_num)
@numpys_of_integers(np.nan_to_num)
def nan_to_num(x: Array, copy: bool = True, nan: Array = 0.0, posinf: Array = None, neginf: Array = None) -> Array:
    """Replace NaN and the infinities, by 0 and the largest finite numbers unless others are given.

    Derivatives: for x, 1 where it is finite and 0 elsewhere; for a replacement, 1 where it is put. On a Tensor `copy`
    has no effect.

    >>> tnp.nan_to_num(np.array([1.0, np.nan]), nan=7.0)
    array([1., 7.])
    """
    x = as_array(x)
    if x.dtype.kind == "c":
        # Part by part: in NaN + 2i the 2 stays, where a test of the whole number would lose it.
        parts = (nan_to_num(part, copy, nan, posinf, neginf) for part in (real(x), imag(x)))
        return add(next(parts), multiply(next(parts), np.asarray(1j, x.dtype)[()]))
    largest = np.finfo(x.dtype).max
    finite = where(isnan(x), nan, x)
    finite = where(isposinf(x), largest if posinf is None else posinf, finite)
    # The tests read x and not what was replaced so far: a replacement may itself be infinite.
    return as_scalar(where(isneginf(x), -largest if neginf is None else neginf, finite))
