"""Losses: one number for how far predictions are from what was wanted."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from tapenet.core.argument_checks import check_real, checked_array, checked_choice, checked_number
from tapenet.core.array_types import Array
from tapenet.core.batching import elementwise_rule
from tapenet.core.nondifferentiable import branch_condition, choice
from tapenet.core.tensor import read_value
from tapenet.errors import ArgumentError
from tapenet.nn.activations import log_softmax, softplus
from tapenet.nn.functions import as_result, check_labels, widened
from tapenet.ops.arrays.indexing import take_along_axis
from tapenet.ops.arrays.shaping import squeeze
from tapenet.ops.elementwise.arithmetic import add, multiply, negative, square, subtract, where
from tapenet.ops.elementwise.choices import greater, less_equal, not_equal
from tapenet.ops.elementwise.complex import absolute, imag, real
from tapenet.ops.reductions.reduction import mean, sum as sum_over

Reduction = Literal["mean", "sum", "none"]
REDUCTIONS = get_args(Reduction)


def _reduced(losses: Array, reduction: Reduction, x: Array, *others: Array) -> Array:
    """Return the losses of x and the others, reduced. Of float16 they come as float32, which counts beyond 65,504."""
    if reduction != "none":
        losses = mean(losses) if reduction == "mean" else sum_over(losses)
    return as_result(losses, x, *others)


def _paired(function: str, first: str, x: Array, second: str, y: Array) -> tuple[Array, Array]:
    """Check that both have one shape: broadcasting predictions against targets is mostly a mistake."""
    x, y = checked_array(function, first, x), checked_array(function, second, y)
    if x.shape != y.shape:
        raise ArgumentError(f"{function}: {second} must have the shape of {first}, {x.shape}; got {y.shape}.")
    return x, y


def _in_dtype_of(logits: Array, labels: Array) -> Array:
    """Cast integer and boolean labels to floats, which leave float32 logits float32."""
    return labels if labels.dtype.kind in "fc" else labels.astype(np.result_type(logits.dtype, 1.0))


def cross_entropy(logits: Array, labels: Array, reduction: Reduction = "mean") -> Array:
    """Compute the cross-entropy -sum_k p_k log softmax(logits)_k, in nats.

    Derivatives: for the logits of each example, softmax(logits) - p if the p_k add up to 1; for labels that are
    probabilities, -log softmax(logits), 0 where p_k is 0; none for integer labels.

    Args:
        logits: unnormalized log-probabilities, float array, shape (..., classes).
        labels: integers in [0, classes), shape (...); or rows of probabilities, such as one-hot ones, of the
            shape of logits.
        reduction: over the examples: "mean", "sum", or "none".

    Returns:
        A scalar, or for "none" an array, shape (...).

    Raises:
        ArgumentError: labels of another shape, or out of range; another reduction.
        ArgumentTypeError: labels of shape (...) that are not integers.

    >>> float(tn.nn.cross_entropy(np.zeros((1, 2)), np.array([0])))
    0.6931471805599453
    """
    logits = checked_array("cross_entropy", "logits", logits)
    labels = checked_array("cross_entropy", "labels", labels)
    checked_choice("cross_entropy", "reduction", reduction, REDUCTIONS)
    check_real("cross_entropy", "logits", logits)
    check_real("cross_entropy", "labels", labels)
    if logits.ndim == 0:
        raise ArgumentError("cross_entropy: logits must have shape (..., classes); got ().")
    log_p = log_softmax(widened(logits))
    if labels.shape == logits.shape:
        labels = _in_dtype_of(logits, labels)
        possible = not_equal(labels, 0)  # 0 log 0 is 0, though the logit be -inf
        losses = -sum_over(multiply(labels, where(possible, log_p, 0)), -1)
        return _reduced(losses, reduction, logits, labels)
    if labels.shape != logits.shape[:-1]:
        raise ArgumentError(
            f"cross_entropy: labels must have shape {logits.shape[:-1]}, or {logits.shape} as probabilities; "
            f"got {labels.shape}."
        )
    places = read_value(labels)
    check_labels("cross_entropy", "labels", places, logits.shape[-1])
    chosen = take_along_axis(log_p, places[..., None], -1)
    if reduction == "none":
        chosen = squeeze(chosen, -1)
    return negative(_reduced(chosen, reduction, logits))


def mean_squared_error(predictions: Array, targets: Array, reduction: Reduction = "mean") -> Array:
    """Compute the squared error (prediction - target)^2; of complex numbers |prediction - target|^2.

    Derivatives: 2 (prediction - target) and its negative for each element, divided by their number for "mean".

    Args:
        predictions: float or complex array of any shape.
        targets: array of the same shape.
        reduction: over all elements: "mean", "sum", or "none".

    Returns:
        A scalar, or for "none" an array of the shape of predictions.

    Raises:
        ArgumentError: shapes that differ; another reduction.

    >>> float(tn.nn.mean_squared_error(np.array([1.0, 3.0]), np.array([0.0, 3.0])))
    0.5
    """
    checked_choice("mean_squared_error", "reduction", reduction, REDUCTIONS)
    x, y = _paired("mean_squared_error", "predictions", predictions, "targets", targets)
    error = subtract(x, y)
    return _reduced(_square_of_size(widened(error)), reduction, x, y)


def _square_of_size(x: Array) -> Array:
    """Compute |x|^2, smooth also at 0."""
    return add(square(real(x)), square(imag(x))) if x.dtype.kind == "c" else square(x)


def _find_opposite_sign(x: Array) -> Array:
    return np.where(x > 0, -1, 1).astype(np.result_type(x.dtype, 1.0))


_opposite_sign = choice(_find_opposite_sign, name="opposite_sign", batch=elementwise_rule)


@branch_condition
def _no_probability(y: Array) -> Any:
    """Find an element outside of [0, 1], or None."""
    if y.size and not y.min() >= 0:
        return y.min()
    return y.max() if y.size and not y.max() <= 1 else None


def binary_cross_entropy(logits: Array, labels: Array, reduction: Reduction = "mean") -> Array:
    """Compute the cross-entropy of yes-or-no events: -y log sigmoid(x) - (1 - y) log(1 - sigmoid(x)), without overflow.

    Derivatives: sigmoid(x) - y for the logits x, and -x for the labels y, divided by their number for "mean".

    Args:
        logits: log-odds, float array of any shape.
        labels: probabilities in [0, 1], of the same shape; booleans and integers 0, 1 too.
        reduction: over all elements: "mean", "sum", or "none".

    Returns:
        A scalar, or for "none" an array of the shape of logits.

    Raises:
        ArgumentError: shapes that differ; labels outside of [0, 1]; another reduction.

    >>> float(tn.nn.binary_cross_entropy(np.zeros(1), np.ones(1)))
    0.6931471805599453
    """
    checked_choice("binary_cross_entropy", "reduction", reduction, REDUCTIONS)
    x, y = _paired("binary_cross_entropy", "logits", logits, "labels", labels)
    check_real("binary_cross_entropy", "logits", x)
    check_real("binary_cross_entropy", "labels", y)
    wrong = _no_probability(y)
    if wrong is not None:
        raise ArgumentError(f"binary_cross_entropy: labels must be in [0, 1]; got {wrong}.")
    y = _in_dtype_of(x, y)
    given, x = x, widened(x)
    # log(1 + e^-|x|) and what it lacks, which is exactly 0 for a sure and right answer: no digit cancels.
    lacking = where(greater(x, 0), multiply(x, subtract(1, y)), multiply(x, negative(y)))
    losses = add(softplus(multiply(_opposite_sign(x), x)), lacking)
    return _reduced(losses, reduction, given, y)


def huber(predictions: Array, targets: Array, delta: float = 1.0, reduction: Reduction = "mean") -> Array:
    """Compute the Huber loss of an error e: e^2 / 2 for |e| <= delta, else delta (|e| - delta / 2).

    Derivatives: e limited to [-delta, delta] for the predictions, its negative for the targets, divided by their number
    for "mean".

    Args:
        predictions: float array of any shape.
        targets: array of the same shape.
        delta: where the loss changes from quadratic to linear; positive.
        reduction: over all elements: "mean", "sum", or "none".

    Returns:
        A scalar, or for "none" an array of the shape of predictions.

    Raises:
        ArgumentError: shapes that differ; a delta that is not positive; another reduction.

    Source: Huber, "Robust estimation of a location parameter", Ann. Math. Statist. 35 (1964).

    >>> float(tn.nn.huber(np.array([3.0]), np.array([0.0])))
    2.5
    """
    delta = checked_number("huber", "delta", delta, "(0, inf)")
    checked_choice("huber", "reduction", reduction, REDUCTIONS)
    x, y = _paired("huber", "predictions", predictions, "targets", targets)
    error = widened(subtract(x, y))
    size = absolute(error)
    near = less_equal(size, delta)
    # The square of an error that is not near is not used, and could overflow.
    losses = where(near, 0.5 * _square_of_size(where(near, error, 0)), delta * (size - 0.5 * delta))
    return _reduced(losses, reduction, x, y)
