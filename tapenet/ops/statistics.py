"""Averages, correlations and counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.ops.arguments import as_array, axes_of, numpy_function
from tapenet.ops.arithmetic import add, divide, multiply, sqrt, subtract
from tapenet.ops.casting import astype
from tapenet.ops.comparison import equal
from tapenet.ops.complex import conjugate, real
from tapenet.ops.diagonals import diag
from tapenet.ops.indexing import at
from tapenet.ops.joining import atleast_2d
from tapenet.ops.order_statistics import holds_anywhere
from tapenet.ops.products import matmul
from tapenet.ops.reduction import Axis, mean, sum
from tapenet.ops.shaping import broadcast_to, concatenate, reshape, transpose
from tapenet.plain import decision, plain
from tapenet.primitive import Array

# ---- averages ----


@numpy_function(np.average)
def average(
    a: Array, axis: Axis = None, weights: Array = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    """The weighted mean: sum(w a) / sum(w). Derivatives: w / sum(w); (a - average) / sum(w).

    Args:
        weights: of the shape of a, or of its lengths along axis; all 1 without.
        returned: also give the sums of weights.

    Raises:
        ArgumentError: weights of another shape, or that add up to 0.

    >>> float(average(np.array([1.0, 4.0]), weights=[2.0, 1.0]))
    2.0
    """
    a = as_array(a)
    if weights is None:
        found = mean(a, axis, keepdims=keepdims)
        total = np.full(found.shape, a.size / max(found.size, 1), found.dtype)[()]
        return (found, total) if returned else found
    weights = _broadcast_weights(a, as_array(weights), axis)
    total = sum(weights, axis, keepdims=keepdims)
    if holds_anywhere(equal(total, 0)):
        raise ArgumentError("average: weights must not add up to 0; got such a sum. Leave out that slice.")
    found = divide(sum(multiply(a, weights), axis, keepdims=keepdims), total)
    return (found, broadcast_to(total, found.shape)) if returned else found


def _broadcast_weights(a: Array, weights: Array, axis: Axis) -> Array:
    if weights.shape == a.shape:
        return weights
    if axis is None:
        raise ArgumentTypeError(
            f"average: axis must be given where weights differ in shape; got shapes {weights.shape}, {a.shape}."
        )
    axes = axes_of("average", axis, a.ndim)
    if weights.shape != tuple(a.shape[i] for i in axes):
        raise ArgumentError(
            f"average: weights must have shape {tuple(a.shape[i] for i in axes)}, as a along axis; got {weights.shape}."
        )
    lengths = tuple(length if i in axes else 1 for i, length in enumerate(a.shape))
    return broadcast_to(reshape(transpose(weights, np.argsort(axes)), lengths), a.shape)


# ---- covariance ----


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
    """The covariance matrix of variables: the mean of (x_i - mean x_i) conj(x_j - mean x_j), over n - 1.

    Differentiable in the observations and in aweights.

    Args:
        m: variables in rows (columns, without rowvar), observations in the others; 1-d is one variable.
        y: more variables in the same form.
        bias: divide by n; ddof: by n - ddof.
        fweights: how often each observation occurs, integers.
        aweights: weights of the observations.

    >>> float(cov(np.array([1.0, 3.0])))
    2.0
    """
    x = _variables(as_array(m), rowvar)
    if y is not None:
        x = concatenate([x, _variables(as_array(y), rowvar)], 0)
    x = astype(x, np.result_type(x.dtype, np.float64) if dtype is None else dtype)
    weights = _observation_weights(fweights, aweights)
    ddof = (0 if bias else 1) if ddof is None else ddof
    if weights is None:
        center, n = mean(x, 1, keepdims=True), x.shape[1] - ddof
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
    """The correlation coefficients of variables: their covariance over the product of their deviations.

    Derivative: that of the formula, to any order also where a coefficient is 1 or -1, its extrema.

    >>> float(corrcoef([1.0, 2.0, 3.0], [2.0, 4.0, 6.5])[0, 1]) > 0.99
    True
    """
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return divide(c, c)
    deviation = sqrt(real(diag(c)))
    c = divide(divide(c, deviation[:, None]), deviation[None, :])
    return add(c, _past_the_ends(c))


@plain
def _past_the_ends(c: Array) -> Array:
    """What takes rounding errors off coefficients whose parts are beyond [-1, 1]: no part of the formula."""
    clipped = np.clip(c.real, -1, 1)
    return (clipped + 1j * np.clip(c.imag, -1, 1) if c.dtype.kind == "c" else clipped).astype(c.dtype) - c


# ---- counts ----


@numpy_function(np.bincount)
def bincount(x: Array, /, weights: Array = None, minlength: int = 0) -> Array:
    """How often each of 0, 1, 2 ... occurs in x; with weights, the sum of those of its places.

    Under `vmap` with as many places as the example that needs most.

    Derivative by the weights: 1 for each that was added.

    >>> bincount(np.array([0, 2, 2]), weights=[1.0, 2.0, 3.0])
    array([1., 0., 5.])
    """
    places = as_array(x)
    added = np.ones(places.shape, np.intp) if weights is None else as_array(weights)
    if places.ndim != 1 or added.shape != places.shape:
        raise ArgumentError(f"bincount: x and weights must have one shape (n,); got {places.shape} and {added.shape}.")
    added = added if weights is None else astype(added, np.float64)
    return at(np.zeros(_number_of_bins(places, minlength), added.dtype))[places].add(added)


@decision
def _number_of_bins(places: Array, minlength: Array) -> int:
    return len(np.bincount(np.ravel(places), minlength=minlength))
