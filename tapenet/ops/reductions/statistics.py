"""Averages, correlations and counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, axes_of, numpy_function
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.ops.arrays.indexing import at
from tapenet.ops.arrays.shaping import broadcast_to, reshape, transpose
from tapenet.ops.elementwise.arithmetic import divide, multiply
from tapenet.ops.elementwise.casting import as_scalar, astype
from tapenet.ops.elementwise.comparison import equal
from tapenet.ops.reductions.order_statistics import holds_anywhere
from tapenet.ops.reductions.reduction import Axis, mean, sum

# ---- averages ----


@numpy_function(np.average)
def average(
    a: Array, axis: Axis = None, weights: Array = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    """Compute the weighted mean along axes: sum(w a) / sum(w).

    Derivatives: w / sum(w) for a; (a - average) / sum(w) for the weights.

    Raises:
        ArgumentError: weights of another shape, or that add up to 0.

    >>> float(tnp.average(np.array([1.0, 4.0]), weights=[2.0, 1.0]))
    2.0
    """
    a = as_array(a)
    if weights is None:
        found = mean(a, axis, keepdims=keepdims)
        if not returned:
            return found
        return found, np.full(found.shape, a.size / max(found.size, 1), found.dtype)[()]
    weights = _broadcast_weights(a, as_array(weights), axis)
    total = sum(weights, axis, np.result_type(a.dtype, weights.dtype), keepdims=keepdims)
    if holds_anywhere(equal(total, 0)):
        raise ArgumentError("average: weights must not add up to 0; got such a sum. Leave out that slice.")
    found = divide(sum(multiply(a, weights), axis, keepdims=keepdims), total)
    return (found, as_scalar(broadcast_to(total, found.shape))) if returned else found


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
    return broadcast_to(reshape(transpose(weights, np.argsort(axes)), lengths), a.shape)  # type: ignore[arg-type]  # an array of ints does


# ---- counts ----


@numpy_function(np.bincount)
def bincount(x: Array, /, weights: Array = None, minlength: int = 0) -> Array:
    """Count how often each of 0, 1, 2, ... occurs in x; with weights, sum the weights of its places.

    Derivative: for the weights, 1 for each that is added; none for x. Under `vmap` the result has as many places as the
    example that needs most.

    >>> tnp.bincount(np.array([0, 2, 2]), weights=[1.0, 2.0, 3.0])
    array([1., 0., 5.])
    """
    places = as_array(x)
    added = np.ones(places.shape, np.intp) if weights is None else as_array(weights)
    if places.ndim != 1 or added.shape != places.shape:
        raise ArgumentError(f"bincount: x and weights must have one shape (n,); got {places.shape} and {added.shape}.")
    added = added if weights is None else astype(added, np.float64)
    return at(np.zeros(_number_of_bins(places, minlength), added.dtype))[places].add(added)


@branch_condition
def _number_of_bins(places: Array, minlength: Array) -> int:
    return len(np.bincount(np.ravel(places), minlength=minlength))
