"""Parts of complex numbers. Pullbacks are plain transposes, without conjugation: d|z|^2 at 1 + 2i is 2 - 4i.

The walk keeps what is real real, so that one rule serves for the cotangent and for the tangent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.arguments import numpy_function
from tapenet.core.batching import elementwise_rule
from tapenet.core.families import elementwise, general
from tapenet.core.nondifferentiable import nondifferentiable, numpys_of_integers
from tapenet.core.primitive import Array
from tapenet.core.provided import provided
from tapenet.core.tensor import Tensor, numbers_trace
from tapenet.ops.elementwise.arithmetic import where
from tapenet.ops.elementwise.choices import equal
from tapenet.ops.elementwise.rounding import sign as _sign_of_real
from tapenet.ops.elementwise.trigonometric import arctan2, rad2deg


def _forward_real(x: Array) -> Array:
    part = np.real(x)
    return np.float64(part) if type(part) is float else part  # of a Python scalar; a record needs its shape


def _forward_imag(x: Array) -> Array:
    part = np.imag(x)
    return np.float64(part) if type(part) is float else part


_real = elementwise(_forward_real, lambda t: t, name="real")
_imag = elementwise(
    _forward_imag,
    lambda t: t * -1j,  # in this order: Python's complex times a numpy.float64 is a Python complex
    name="imag",
)


@numpy_function(np.real)
def real(val: Array) -> Array:
    """Take the real part.

    Derivative: the real part of the tangent. The cotangent of a complex operand is complex, with imaginary part 0.

    >>> float(tnp.real(1 + 2j)), float(tn.grad(tnp.real)(2.0))
    (1.0, 1.0)
    """
    trace = numbers_trace(val, val)
    return _real(val) if trace is None else trace.apply_to_numbers(real_part, (val,))


@numpy_function(np.imag)
def imag(val: Array) -> Array:
    """Take the imaginary part.

    Derivative: the imaginary part of the tangent; for a real operand 0.

    >>> float(tnp.imag(1 + 2j)), float(tn.grad(tnp.imag)(2.0))
    (2.0, 0.0)
    """
    trace = numbers_trace(val, val)
    return _imag(val) if trace is None else trace.apply_to_numbers(imaginary_part, (val,))


def real_part(x: Any) -> Any:
    """Return the real part of a number of Python's."""
    return x.real


def imaginary_part(x: Any) -> Any:
    """Return the imaginary part of a number of Python's."""
    return x.imag


conjugate: Callable[..., Array]
conjugate = conj = elementwise(
    np.conjugate,
    lambda t: conjugate(t),
    doc="""Take the complex conjugate.

    Derivative: the conjugate of the tangent, and of the cotangent; 1 for real x.

    >>> complex(tnp.conjugate(1 + 2j))
    (1-2j)
    """,
)


def _turned(t: Array, square: Array, x: Array) -> Array:
    """Return the part of t / |z| that turns z, where `square` is that of z / |z|: (t - square conj(t)) / (2 |z|)."""
    size = absolute(x)
    vanishes = equal(size, 0)
    return (t - square * conjugate(t)) * where(vanishes, np.nan, 0.5 / where(vanishes, 1, size))


# z / |z| is not holomorphic: the transpose of its derivative has the conjugate of the square.
@general(
    [lambda t, x, out: _turned(t, conjugate(out * out), x)],
    [lambda t, x, out: _turned(t, out * out, x)],
    name="complex_sign",
    batch=elementwise_rule,
)
def _complex_sign(x: Array) -> Array:
    return np.sign(x)


def sign(x: Array, /, **keywords: Any) -> Array:
    """Give the sign of x: -1, 0 or 1; for complex x the number x / |x|, 0 at 0.

    Derivative: 0 for real x, also at 0, as the function is piecewise constant; for complex x that of x / |x|, NaN at 0.

    >>> float(tnp.sign(-2.0)), float(tn.grad(tnp.sign)(-2.0))
    (-1.0, 0.0)
    """
    if type(x) is Tensor and x.dtype.kind == "c":
        if keywords:
            return provided.with_ufunc_keywords("sign", sign, (x,), keywords)
        return _complex_sign(x)
    return _sign_of_real(x, **keywords)


def _slope_of_magnitude(t: Array, x: Array) -> Array:
    if getattr(x, "dtype", np.dtype(type(x))).kind != "c":  # a Python number has no dtype
        return t * _sign_of_real(x)
    return t * conjugate(sign(x))


absolute = abs = elementwise(
    np.absolute,
    _slope_of_magnitude,
    doc="""Take the magnitude |x|.

    Derivative: sign(x), 0 at 0; for complex x the tangent is Re(conj(x) t) / |x|, 0 at 0,
    where its second derivative is NaN.

    >>> tn.elementwise_grad(tnp.abs)(np.array([-2.0, 0.0, 3.0]))
    array([-1.,  0.,  1.])
    >>> complex(tn.grad(lambda z: tnp.square(tnp.abs(z)))(1 + 2j))
    (2-4j)
    """,
)
fabs = elementwise(
    np.fabs,
    lambda t, x: t * _sign_of_real(x),
    doc="""Take the magnitude |x| of real numbers, as floats.

    Derivative: sign(x), 0 at 0.

    >>> tn.elementwise_grad(tnp.fabs)(np.array([-2.0, 0.0, 3.0]))
    array([-1.,  0.,  1.])
    """,
)


@numpy_function(np.angle)
@numpys_of_integers(np.angle)
def angle(z: Array, deg: bool = False) -> Array:
    """Compute the argument of a complex number, in (-pi, pi], or in degrees.

    Derivative: that of `arctan2` of its parts, 0 at 0.

    >>> float(tnp.angle(1j))
    1.5707963267948966
    """
    radians = arctan2(imag(z) if z.dtype.kind == "c" else 0, real(z))
    return rad2deg(radians) if deg else radians


@numpy_function(np.real_if_close)
def real_if_close(a: Array, tol: float = 100) -> Array:
    """Take the real part of a complex array if all its imaginary parts are within `tol` epsilons of 0.

    Derivative: that of `real`, or 1.

    >>> tnp.real_if_close(np.array([1 + 1e-18j]))
    array([1.])
    """
    return real(a) if _is_close_to_real(a, tol) else a


@nondifferentiable
def _is_close_to_real(a: Array, tol: float) -> bool:
    return np.iscomplexobj(a) and not np.iscomplexobj(np.real_if_close(a, tol))
