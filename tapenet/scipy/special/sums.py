"""Sums of exponentials: logsumexp, softmax and log_softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, numpy_function
from tapenet.core.nondifferentiable import constant
from tapenet.core.primitive import Array
from tapenet.scipy.placing import published


def _largest(a: Array, axis: Any) -> Array:
    """Return the largest exponents, as constants; 0 where they are infinite."""
    largest = tnp.max(tnp.real(constant(a)), axis=axis, keepdims=True)
    return tnp.where(tnp.isfinite(largest), largest, 0.0)


@numpy_function(scipy.special.logsumexp)
def logsumexp(a: Array, axis: Any = None, b: Array = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    a = as_array(a)
    if b is not None:
        a, b = tnp.broadcast_arrays(a, as_array(b))
        a = tnp.where(tnp.not_equal(b, 0), a, -np.inf)
    largest = _largest(a, axis)
    terms = tnp.exp(a - largest)
    total = tnp.sum(terms if b is None else b * terms, axis=axis, keepdims=keepdims)
    largest = largest if keepdims else tnp.reshape(largest, total.shape)
    if return_sign:
        sign = tnp.sign(constant(total))
        return tnp.log(tnp.abs(total)) + largest, sign
    return tnp.log(total) + largest


published(
    logsumexp,
    scipy.special,
    "logsumexp",
    "Derivative: softmax(a), times the sign of the sum where there are weights b; by b the exponentials over the sum.",
)


@numpy_function(scipy.special.softmax)
def softmax(x: Array, axis: Any = None) -> Array:
    largest = tnp.max(tnp.real(constant(x)), axis=axis, keepdims=True)
    # Infinity less itself is NaN, in the whole row, as SciPy's.
    powers = tnp.exp(x - largest)
    return powers / tnp.sum(powers, axis=axis, keepdims=True)


published(softmax, scipy.special, "softmax", "Derivative: s_i (delta_ij - s_j), s the result.")


@numpy_function(scipy.special.log_softmax)
def log_softmax(x: Array, axis: Any = None) -> Array:
    shifted = x - _largest(x, axis)
    return shifted - tnp.log(tnp.sum(tnp.exp(shifted), axis=axis, keepdims=True))


published(log_softmax, scipy.special, "log_softmax", "Derivative: delta_ij - softmax(x)_j.")
