"""Covariance and correlation."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, numpy_function
from tapenet.core.nondifferentiable import choice
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.ops.arrays.joining import atleast_2d
from tapenet.ops.arrays.shaping import concatenate, reshape, transpose
from tapenet.ops.elementwise.arithmetic import add, divide, multiply, sqrt, subtract
from tapenet.ops.elementwise.casting import astype
from tapenet.ops.elementwise.complex import conjugate, real
from tapenet.ops.linalg.diagonals import diag
from tapenet.ops.linalg.products import matmul
from tapenet.ops.reductions.reduction import mean, sum


@numpy_function(np.cov)
def cov(
    m: Array,
    y: Array = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Array = None,
    aweights: Array = None,
    *,
    dtype: Any = None,
) -> Array:
    """Compute the covariance matrix of variables: the sum of (x_i - mean(x_i)) conj(x_j - mean(x_j)) over n - 1.

    Derivatives: those of the formula, for the observations and for `aweights`; none for `fweights`, which count.

    >>> float(tnp.cov(np.array([1.0, 3.0])))
    2.0
    """
    x = _variables(as_array(m), rowvar)
    if y is not None:
        x = concatenate([x, _variables(as_array(y), rowvar)], 0)
    x = astype(x, np.result_type(x.dtype, np.float64) if dtype is None else dtype)
    if not x.shape[0]:
        return np.zeros((0, 0))  # as NumPy, whatever the dtype is
    weights = _observation_weights(fweights, aweights)
    ddof = (0 if bias else 1) if ddof is None else ddof
    if weights is None:
        center, n = mean(x, 1, keepdims=True), max(x.shape[1] - ddof, 0)
    else:
        total = sum(weights)
        center = divide(sum(multiply(x, weights), 1, keepdims=True), total)
        over = 0 if ddof == 0 else ddof if aweights is None else divide(ddof * sum(weights * aweights), total)
        n = subtract(total, over)
    deviation = subtract(x, center)
    weighted = deviation if weights is None else multiply(deviation, weights)
    found = divide(matmul(weighted, conjugate(transpose(deviation))), n)
    return reshape(found, ()) if found.shape == (1, 1) else found


def _variables(m: Array, rowvar: bool) -> Array:
    if m.ndim > 2:
        raise ArgumentError(f"cov: observations must have one or two axes; got shape {m.shape}.")
    x = atleast_2d(m)
    return transpose(x) if not rowvar and m.ndim == 2 else x


def _observation_weights(fweights: Array, aweights: Array) -> Array:
    if fweights is None:
        return aweights if aweights is None else as_array(aweights)
    counts = as_array(fweights)
    return counts if aweights is None else multiply(counts, as_array(aweights))


@numpy_function(np.corrcoef)
def corrcoef(x: Array, y: Array = None, rowvar: bool = True, *, dtype: Any = None) -> Array:
    """Compute the correlation coefficients of variables: their covariance over the product of deviations.

    Derivative: that of the formula, to any order, also where a coefficient is 1 or -1, its extrema. On a Tensor NumPy's
    deprecated `bias` and `ddof` are refused.

    >>> float(tnp.corrcoef([1.0, 2.0, 3.0], [2.0, 4.0, 6.5])[0, 1]) > 0.99
    True
    """
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return divide(c, c)  # 1, or NaN of a constant, as NumPy
    deviation = sqrt(real(diag(c)))
    # One after the other, as NumPy: the product of two deviations may overflow or vanish.
    c = divide(divide(c, deviation[:, None]), deviation[None, :])
    return add(c, _past_the_ends(c))


def _find_past_the_ends(c: Array) -> Array:
    """Compute the correction that takes coefficients beyond [-1, 1] back; it only removes rounding errors."""
    clipped = np.clip(c.real, -1, 1)
    return (clipped + 1j * np.clip(c.imag, -1, 1) if c.dtype.kind == "c" else clipped).astype(c.dtype) - c


_past_the_ends = choice(_find_past_the_ends, name="past_the_ends")
