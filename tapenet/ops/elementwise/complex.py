"""Parts of complex numbers. Pullbacks are plain transposes, without conjugation: d|z|^2 at 1 + 2i is 2 - 4i.

The walk keeps what is real real, so that one rule serves for the cotangent and for the tangent.
"""

from __future__ import annotations

import numpy as np

from tapenet.core.arguments import numpy_function
from tapenet.core.families import elementwise
from tapenet.core.nondifferentiable import plain
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor
from tapenet.ops.elementwise.arithmetic import where
from tapenet.ops.elementwise.comparison import equal
from tapenet.ops.elementwise.rounding import sign
from tapenet.ops.elementwise.trigonometric import arctan2, rad2deg


def _real(x: Array) -> Array:
    part = np.real(x)
    return np.float64(part) if type(part) is float else part  # of a Python scalar; a record needs its shape


def _imag(x: Array) -> Array:
    part = np.imag(x)
    return np.float64(part) if type(part) is float else part


real = elementwise(_real, lambda t: t, name="real", doc="The real part. Derivative: the real part of t.")
imag = elementwise(
    _imag,
    lambda t: t * -1j,  # in this order: Python's complex times a numpy.float64 is a Python complex
    name="imag",
    doc="The imaginary part. Derivative: the imaginary part of t.",
)
conjugate = conj = elementwise(
    np.conjugate, lambda t: conjugate(t), doc="The complex conjugate. Derivative: the conjugate of t."
)


def _slope_of_magnitude(t: Array, x: Array, out: Array) -> Array:
    if getattr(x, "dtype", np.dtype(type(x))).kind != "c":
        return t * sign(x)
    return t * (conjugate(x) / where(equal(out, 0), 1, out))


absolute = abs = elementwise(
    np.absolute,
    _slope_of_magnitude,
    doc="|x|. Derivative: sign x, 0 at 0; for complex x, Re(conj(x) t) / |x|, 0 at 0.",
)
fabs = elementwise(np.fabs, lambda t, x: t * sign(x), doc="|x| for real x. Derivative: sign x, 0 at 0.")


def angle(z: Array, deg: bool = False) -> Array:
    """The argument of a complex number, in (-pi, pi]. Derivative: that of arctan2; 0 at 0.

    >>> float(angle(1j))
    1.5707963267948966
    """
    if type(z) is not Tensor:
        return np.angle(z, deg)
    radians = arctan2(imag(z), real(z))
    return rad2deg(radians) if deg else radians


@numpy_function(np.real_if_close)
def real_if_close(a: Array, tol: float = 100) -> Array:
    """The real part of a complex array whose imaginary parts are all within `tol` epsilons of 0; else the array.

    >>> real_if_close(np.array([1 + 1e-18j]))
    array([1.])
    """
    return real(a) if _is_close_to_real(a, tol) else a


@plain
def _is_close_to_real(a: Array, tol: float) -> bool:
    return a.dtype.kind == "c" and not np.iscomplexobj(np.real_if_close(a, tol))
