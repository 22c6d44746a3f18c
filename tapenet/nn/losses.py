"""Losses: one number for how far predictions are from what was wanted."""

from __future__ import annotations

import math
import operator
from typing import Any, Literal, get_args

import numpy as np

from tapenet.core.argument_checks import check_real, checked_array, checked_choice, checked_number, shown
from tapenet.core.array_types import Array
from tapenet.core.batching import elementwise_rule
from tapenet.core.nondifferentiable import branch_condition, choice
from tapenet.core.tensor import read_value
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.nn.activations import log_softmax, softplus
from tapenet.nn.floats import as_floating
from tapenet.nn.functions import as_result, check_labels, widened
from tapenet.ops.arrays.indexing import take, take_along_axis
from tapenet.ops.arrays.shaping import squeeze
from tapenet.ops.elementwise.arithmetic import add, divide, minimum, multiply, negative, square, subtract, where
from tapenet.ops.elementwise.casting import astype
from tapenet.ops.elementwise.choices import detached, greater, greater_equal, less_equal, not_equal
from tapenet.ops.elementwise.complex import absolute, imag, real
from tapenet.ops.elementwise.exponential import exp, log
from tapenet.ops.reductions.reduction import mean, sum as sum_over

Reduction = Literal["mean", "sum", "none"]
REDUCTIONS = get_args(Reduction)


def reduced(losses: Array, reduction: Reduction, x: Array, *others: Array | None) -> Array:
    """Return the losses of x and the others, reduced. Of float16 they come as float32, which counts beyond 65,504."""
    if reduction != "none":
        losses = mean(losses) if reduction == "mean" else sum_over(losses)
    return as_result(losses, x, *others)


def paired(function: str, first: str, x: Array, second: str, y: Array) -> tuple[Array, Array]:
    """Check that both have one shape: broadcasting predictions against targets is mostly a mistake."""
    x, y = checked_array(function, first, x), checked_array(function, second, y)
    if x.shape != y.shape:
        raise ArgumentError(f"{function}: {second} must have the shape of {first}, {x.shape}; got {y.shape}.")
    return (x, y) if x.dtype.kind in "fc" else (as_floating(x), as_floating(y))


def _in_dtype_of(logits: Array, labels: Array) -> Array:
    """Cast integer and boolean labels to floats, which leave float32 logits float32."""
    return labels if labels.dtype.kind in "fc" else labels.astype(np.result_type(logits.dtype, 1.0))


def cross_entropy(
    logits: Array,
    labels: Array,
    reduction: Reduction = "mean",
    *,
    smoothing: float = 0.0,
    weights: Array | None = None,
    ignored: int | None = None,
) -> Array:
    """Compute the cross-entropy -sum_k w_k p_k log softmax(logits)_k, in nats.

    Derivatives: for the logits of each example, softmax(logits) - p if the p_k add up to 1 and all w_k are 1; for
    labels that are probabilities and for weights, those of the formula, 0 where p_k is 0; none for integer labels.

    Args:
        logits: unnormalized log-probabilities, float array, shape (..., classes).
        labels: integers in [0, classes), shape (...); or rows of probabilities, such as one-hot ones, of the
            shape of logits.
        reduction: over the examples: "mean", "sum", or "none". The mean over integer labels is weighted: the sum
            divided by the weights of the labels, of those that are not ignored; 0 if there are none.
        smoothing: the part of each p that is spread evenly over all classes, in [0, 1].
        weights: w, one number for each class, or None for 1.
        ignored: an integer label that says that its example does not count, such as that of padding, or None.

    Returns:
        A scalar, or for "none" an array, shape (...).

    Raises:
        ArgumentError: labels of another shape, or out of range; weights of another shape; another reduction; ignored
            with labels that are probabilities.
        ArgumentTypeError: labels of shape (...) that are not integers.

    >>> float(tn.nn.cross_entropy(np.zeros((1, 2)), np.array([0])))
    0.6931471805599453
    """
    logits = as_floating(checked_array("cross_entropy", "logits", logits))
    labels = checked_array("cross_entropy", "labels", labels)
    checked_choice("cross_entropy", "reduction", reduction, REDUCTIONS)
    check_real("cross_entropy", "logits", logits)
    check_real("cross_entropy", "labels", labels)
    smoothing = checked_number("cross_entropy", "smoothing", smoothing, "[0, 1]")
    if logits.ndim == 0 or not logits.shape[-1]:
        raise ArgumentError(
            f"cross_entropy: logits must have shape (..., classes), of a class at least; got {logits.shape}."
        )
    weights = _class_weights("cross_entropy", weights, logits.shape[-1])
    if labels.shape not in (logits.shape, logits.shape[:-1]):
        hint = " Write labels[..., 0]." if labels.shape == (*logits.shape[:-1], 1) else ""
        raise ArgumentError(
            f"cross_entropy: labels must have shape {logits.shape[:-1]}, or {logits.shape} as probabilities; "
            f"got {labels.shape}.{hint}"
        )
    log_p = log_softmax(widened(logits))
    if labels.shape != logits.shape:
        return _of_labels("cross_entropy", log_p, labels, reduction, weights, ignored, smoothing, logits)
    if ignored is not None:
        raise ArgumentError("cross_entropy: ignored must be None where labels are probabilities; got them and a label.")
    labels = _in_dtype_of(logits, labels)
    p = add(multiply(labels, 1 - smoothing), smoothing / logits.shape[-1]) if smoothing else labels
    possible = not_equal(p, 0)  # 0 log 0 is 0, though the logit be -inf
    terms = multiply(p, where(possible, log_p, 0))
    losses = -sum_over(terms if weights is None else multiply(terms, weights), -1)
    return reduced(losses, reduction, logits, labels, weights)


def nll(
    log_probabilities: Array,
    labels: Array,
    reduction: Reduction = "mean",
    *,
    weights: Array | None = None,
    ignored: int | None = None,
) -> Array:
    """Compute the negative log-likelihood -w_k log p_k of the labels k: `cross_entropy` of what is normalized already.

    Derivatives: linear; for log p_k of each example's label -w_k, else 0, divided by the weights of all labels for
    "mean"; for the weights, that of the formula.

    Args:
        log_probabilities: float array, shape (..., classes), such as of `log_softmax`.
        labels: integers in [0, classes), shape (...).
        reduction: as for `cross_entropy`.
        weights: w, one number for each class, or None for 1.
        ignored: a label that says that its example does not count, or None.

    Returns:
        A scalar, or for "none" an array, shape (...).

    Raises:
        ArgumentError: labels of another shape, or out of range; weights of another shape; another reduction.
        ArgumentTypeError: labels that are not integers.

    >>> float(tn.nn.nll(np.log([[0.25, 0.75]]), [1], weights=[1.0, 2.0]))
    0.2876820724517809
    """
    x = as_floating(
        check_real("nll", "log_probabilities", checked_array("nll", "log_probabilities", log_probabilities))
    )
    labels = checked_array("nll", "labels", labels)
    checked_choice("nll", "reduction", reduction, REDUCTIONS)
    if x.ndim == 0 or labels.shape != x.shape[:-1]:
        raise ArgumentError(
            f"nll: labels must have the shape of log_probabilities, {x.shape}, without its last axis; "
            f"got {labels.shape}."
        )
    weights = _class_weights("nll", weights, x.shape[-1])
    return _of_labels("nll", widened(x), labels, reduction, weights, ignored, 0.0, x)


def _class_weights(function: str, weights: Array | None, classes: int) -> Array | None:
    if weights is None:
        return None
    weights = check_real(function, "weights", checked_array(function, "weights", weights))
    if weights.shape != (classes,):
        raise ArgumentError(
            f"{function}: weights must have shape ({classes},), one number for each class; got {weights.shape}."
        )
    return weights


def _of_labels(
    function: str,
    log_p: Array,
    labels: Array,
    reduction: Reduction,
    weights: Array | None,
    ignored: int | None,
    smoothing: float,
    given: Array,
) -> Array:
    """Reduce the losses of integer labels."""
    places = read_value(labels)
    counted = None
    if ignored is not None:
        ignored = _checked_label(function, ignored)
        counted = not_equal(places, ignored)
        places = where(counted, places, 0)
    check_labels(function, "labels", places, log_p.shape[-1])
    chosen = take_along_axis(log_p, places[..., None], -1)
    if weights is None and counted is None and not smoothing:
        return negative(reduced(chosen if reduction != "none" else squeeze(chosen, -1), reduction, given))
    own = None if weights is None else take(weights, places, 0)
    losses = _weighted(squeeze(chosen, -1), own)
    if smoothing:
        spread = sum_over(log_p if weights is None else multiply(log_p, weights), -1)
        losses = add(multiply(losses, 1 - smoothing), multiply(spread, smoothing / log_p.shape[-1]))
    if counted is not None:
        losses, own = where(counted, losses, 0), where(counted, 1 if own is None else own, 0)
    losses = negative(losses)
    if reduction != "mean" or own is None:
        return reduced(losses, reduction, given, weights)
    total = sum_over(own)
    losses = divide(sum_over(losses), where(not_equal(total, 0), total, 1))
    return as_result(astype(losses, log_p.dtype) if weights is None else losses, given, weights)


def _checked_label(function: str, value: Any) -> int:
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise ArgumentTypeError(f"{function}: ignored must be an integer label or None; got {shown(value)}.")


def _weighted(losses: Array, own: Array | None) -> Array:
    return losses if own is None else multiply(losses, own)


def kl_div(log_predictions: Array, targets: Array, reduction: Reduction = "mean") -> Array:
    """Compute the Kullback-Leibler divergence sum_k p_k (log p_k - log q_k) of predictions q from targets p, in nats.

    PyTorch's `kl_div` takes the mean over all elements; this one sums over the classes, as its "batchmean" does.

    Derivatives: -p for log q; log p - log q + 1 for p, by convention 0 where p is 0; divided by the number of examples
    for "mean".

    Args:
        log_predictions: log q, float array, shape (..., classes), such as of `log_softmax`.
        targets: p, probabilities of the same shape; 0 log 0 is 0.
        reduction: over the examples: "mean", "sum", or "none".

    Returns:
        A scalar, or for "none" an array, shape (...).

    Raises:
        ArgumentError: shapes that differ; targets outside of [0, 1]; another reduction.

    Source: Kullback and Leibler, "On information and sufficiency", Ann. Math. Statist. 22 (1951).

    >>> float(tn.nn.kl_div(np.log([[0.5, 0.5]]), np.array([[1.0, 0.0]])))
    0.6931471805599453
    """
    checked_choice("kl_div", "reduction", reduction, REDUCTIONS)
    log_q, p = paired("kl_div", "log_predictions", log_predictions, "targets", targets)
    check_real("kl_div", "log_predictions", log_q)
    _check_probabilities("kl_div", "targets", check_real("kl_div", "targets", p))
    if log_q.ndim == 0:
        raise ArgumentError("kl_div: log_predictions must have shape (..., classes); got ().")
    p = _in_dtype_of(log_q, p)
    given, log_q, p = (log_q, p), widened(log_q), widened(p)
    possible = not_equal(p, 0)
    losses = multiply(p, subtract(log(where(possible, p, 1)), where(possible, log_q, 0)))
    return reduced(sum_over(losses, -1), reduction, *given)


def focal(
    logits: Array, labels: Array, gamma: float = 2.0, alpha: float | None = None, reduction: Reduction = "mean"
) -> Array:
    """Compute the focal loss of yes-or-no events: their cross-entropy times (1 - p_t)^gamma.

    p_t is the probability that is given to the truth. What is surely right weighs little, so that many easy
    examples do not drown the few hard ones. With `alpha`, yes weighs alpha and no 1 - alpha.

    Derivatives: those of the formula, for the logits and for labels that are probabilities; for logits that are
    surely right 0, whatever gamma is.

    Args:
        logits: log-odds, float array of any shape.
        labels: probabilities in [0, 1], of the same shape; booleans and integers 0, 1 too.
        gamma: how little easy examples weigh; at least 0, where it is `binary_cross_entropy`.
        alpha: the weight of yes, in [0, 1], or None for no weights.
        reduction: over all elements: "mean", "sum", or "none".

    Returns:
        A scalar, or for "none" an array of the shape of logits.

    Raises:
        ArgumentError: shapes that differ; labels outside of [0, 1]; a negative gamma; another reduction.

    Source: Lin, Goyal, Girshick, He and Dollar, "Focal loss for dense object detection", arXiv:1708.02002.

    >>> float(tn.nn.focal(np.zeros(1), np.ones(1)))
    0.17328679513998632
    """
    checked_choice("focal", "reduction", reduction, REDUCTIONS)
    gamma = checked_number("focal", "gamma", gamma, "[0, inf)")
    x, y = paired("focal", "logits", logits, "labels", labels)
    check_real("focal", "logits", x)
    _check_probabilities("focal", "labels", check_real("focal", "labels", y))
    y = _in_dtype_of(x, y)
    given, x = (x, y), widened(x)
    losses = multiply(_yes_or_no(x, y), exp(multiply(gamma, _log_wrong(x, y))))
    if alpha is not None:
        alpha = checked_number("focal", "alpha", alpha, "[0, 1]")
        losses = multiply(losses, add(multiply(alpha, y), multiply(1 - alpha, subtract(1, y))))
    return reduced(losses, reduction, *given)


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
    x, y = paired("mean_squared_error", "predictions", predictions, "targets", targets)
    error = subtract(x, y)
    return reduced(_square_of_size(widened(error)), reduction, x, y)


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
    x, y = paired("binary_cross_entropy", "logits", logits, "labels", labels)
    check_real("binary_cross_entropy", "logits", x)
    check_real("binary_cross_entropy", "labels", y)
    _check_probabilities("binary_cross_entropy", "labels", y)
    y = _in_dtype_of(x, y)
    return reduced(_yes_or_no(widened(x), y), reduction, x, y)


def _check_probabilities(function: str, name: str, y: Array) -> None:
    wrong = _no_probability(y)
    if wrong is not None:
        raise ArgumentError(f"{function}: {name} must be in [0, 1]; got {wrong}.")


def _yes_or_no(x: Array, y: Array) -> Array:
    """Compute the cross-entropy of log-odds x and probabilities y."""
    # log(1 + e^-|x|) and what it lacks, which is exactly 0 for a sure and right answer: no digit cancels.
    lacking = where(greater(x, 0), multiply(x, subtract(1, y)), multiply(x, negative(y)))
    return add(softplus(multiply(_opposite_sign(x), x)), lacking)


def _log_wrong(x: Array, y: Array) -> Array:
    """Compute log(y sigmoid(-x) + (1 - y) sigmoid(x)), the logarithm of the probability that is not given to the truth.

    It is -softplus(z) + log(a + b e^z) with a the larger part and z = x or -x, whose derivatives of any order are
    finite where the probability itself is 0.
    """
    small = exp(negative(absolute(detached(x))))
    # Products that are both 0 by underflow: the part that is surely 0 is not the larger one.
    is_first = where(greater(x, 0), greater_equal(multiply(y, small), 1 - y), greater(y, multiply(1 - y, small)))
    z = where(is_first, x, negative(x))
    larger, smaller = where(is_first, y, subtract(1, y)), where(is_first, subtract(1, y), y)
    most = 0.99 * math.log(np.finfo(x.dtype).max)  # beyond, `smaller` is 0, or e^-most at most
    return subtract(log(add(larger, multiply(smaller, exp(minimum(z, most))))), softplus(z))


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
    x, y = paired("huber", "predictions", predictions, "targets", targets)
    error = widened(subtract(x, y))
    size = absolute(error)
    near = less_equal(size, delta)
    # The square of an error that is not near is not used, and could overflow.
    losses = where(near, 0.5 * _square_of_size(where(near, error, 0)), delta * (size - 0.5 * delta))
    return reduced(losses, reduction, x, y)
