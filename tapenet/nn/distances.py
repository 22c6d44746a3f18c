"""Losses of margins and of distances: hinge, cosine, triplet and contrastive."""

from __future__ import annotations

import numpy as np

from tapenet.core.argument_checks import check_real, checked_array, checked_choice, checked_number
from tapenet.core.array_types import Array
from tapenet.core.nondifferentiable import branch_condition
from tapenet.errors import ArgumentError
from tapenet.nn.activations import relu
from tapenet.nn.functions import as_result, widened
from tapenet.nn.losses import REDUCTIONS, Reduction, cross_entropy, paired, reduced
from tapenet.ops.arrays.shaping import matrix_transpose
from tapenet.ops.elementwise.arithmetic import add, divide, multiply, subtract, where
from tapenet.ops.elementwise.choices import detached, greater
from tapenet.ops.elementwise.complex import absolute
from tapenet.ops.linalg.norms import norm
from tapenet.ops.linalg.products import matmul
from tapenet.ops.reductions.reduction import max as largest, sum as sum_over


def hinge(predictions: Array, labels: Array, margin: float = 1.0, reduction: Reduction = "mean") -> Array:
    """Compute max(0, margin - label prediction), for labels -1 and 1.

    Derivative: for a prediction -label where the loss is positive, else 0, also at the kink, divided by their number
    for "mean"; none for the labels.

    Args:
        predictions: real array of any shape; its sign is the class.
        labels: -1 or 1, array of the same shape.
        margin: from which on a right prediction costs nothing; positive.
        reduction: over all elements: "mean", "sum", or "none".

    Returns:
        A scalar, or for "none" an array of the shape of predictions.

    Raises:
        ArgumentError: shapes that differ; labels other than -1 and 1; another reduction.

    Source: Cortes and Vapnik, "Support-vector networks", Machine Learning 20 (1995).

    >>> tn.nn.hinge(np.array([0.5, -2.0]), np.array([1, -1]), reduction="none")
    array([0.5, 0. ])
    """
    checked_choice("hinge", "reduction", reduction, REDUCTIONS)
    margin = checked_number("hinge", "margin", margin, "(0, inf)")
    x, y = paired("hinge", "predictions", predictions, "labels", labels)
    check_real("hinge", "predictions", x)
    _check_signs("hinge", check_real("hinge", "labels", y))
    losses = relu(subtract(margin, multiply(widened(x), _signs(y, x))))
    return reduced(losses, reduction, x)


def cosine(
    predictions: Array,
    targets: Array,
    labels: Array | None = None,
    margin: float = 0.0,
    reduction: Reduction = "mean",
) -> Array:
    """Compute 1 - cos of the angle between vectors; for pairs labeled -1, which are to differ, max(0, cos - margin).

    Derivatives: those of the formula; the cosine of a zero vector is 0, and so is its derivative.

    Args:
        predictions: real array, shape (..., features).
        targets: array of the same shape.
        labels: 1 for pairs that are to agree, -1 for those that are not, shape (...); None if all are to agree.
        margin: the cosine up to which pairs that are to differ cost nothing, in [-1, 1].
        reduction: over the pairs: "mean", "sum", or "none".

    Returns:
        A scalar, or for "none" an array, shape (...).

    Raises:
        ArgumentError: shapes that differ; labels other than -1 and 1; another reduction.

    >>> tn.nn.cosine(np.array([[1.0, 0.0]]), np.array([[3.0, 4.0]]), reduction="none")
    array([0.4])
    """
    checked_choice("cosine", "reduction", reduction, REDUCTIONS)
    margin = checked_number("cosine", "margin", margin, "[-1, 1]")
    x, y = paired("cosine", "predictions", predictions, "targets", targets)
    _check_vectors("cosine", "predictions", x)
    check_real("cosine", "targets", y)
    cosines = sum_over(multiply(_directions(x), _directions(y)), -1)
    losses = subtract(1, cosines)
    if labels is not None:
        labels = check_real("cosine", "labels", checked_array("cosine", "labels", labels))
        if labels.shape != x.shape[:-1]:
            raise ArgumentError(
                f"cosine: labels must have the shape of predictions, {x.shape}, without its last axis; "
                f"got {labels.shape}."
            )
        _check_signs("cosine", labels)
        losses = where(greater(labels, 0), losses, relu(subtract(cosines, margin)))
    return reduced(losses, reduction, x, y)


def triplet(
    anchors: Array, positives: Array, negatives: Array, margin: float = 1.0, reduction: Reduction = "mean"
) -> Array:
    """Compute max(0, |a - p| - |a - n| + margin): what is alike is to be nearer than what is not, by a margin.

    Derivatives: those of the formula; 0 for a distance of 0, and where the loss is 0.

    Args:
        anchors: a, real array, shape (..., features).
        positives: p, of the same shape: what each anchor is to be near to.
        negatives: n, of the same shape: what it is to be far from.
        margin: positive.
        reduction: over the triplets: "mean", "sum", or "none".

    Returns:
        A scalar, or for "none" an array, shape (...).

    Raises:
        ArgumentError: shapes that differ; a margin that is not positive; another reduction.

    Source: Schroff, Kalenichenko and Philbin, "FaceNet", arXiv:1503.03832, with distances that are not squared.

    >>> float(tn.nn.triplet(np.zeros((1, 2)), np.zeros((1, 2)), np.array([[0.0, 0.25]])))
    0.75
    """
    checked_choice("triplet", "reduction", reduction, REDUCTIONS)
    margin = checked_number("triplet", "margin", margin, "(0, inf)")
    a, p = paired("triplet", "anchors", anchors, "positives", positives)
    _, n = paired("triplet", "anchors", anchors, "negatives", negatives)
    _check_vectors("triplet", "anchors", a)
    check_real("triplet", "positives", p)
    check_real("triplet", "negatives", n)
    near, far = norm(subtract(widened(a), widened(p)), axis=-1), norm(subtract(widened(a), widened(n)), axis=-1)
    return reduced(relu(add(subtract(near, far), margin)), reduction, a, p, n)


def contrastive(x: Array, y: Array, temperature: float = 0.1, reduction: Reduction = "mean") -> Array:
    """Compute the cross-entropy of finding each row of x its own partner in y, by cosines over a temperature.

    Row i of x belongs to row i of y, and all other rows of y are what it is told from.

    Derivatives: those of the formula; the cosine of a zero vector is 0, and so is its derivative.

    Args:
        x: real array, shape (N, features).
        y: real array of the same shape.
        temperature: positive; less makes near misses cost more.
        reduction: over the rows of x: "mean", "sum", or "none".

    Returns:
        A scalar, or for "none" an array, shape (N,).

    Raises:
        ArgumentError: shapes that differ, or without two axes; a temperature that is not positive; another reduction.

    Source: van den Oord, Li and Vinyals, "Representation learning with contrastive predictive coding",
    arXiv:1807.03748, with the cosines of Chen et al., arXiv:2002.05709.

    >>> float(tn.nn.contrastive(np.eye(2), np.eye(2), temperature=0.5).round(4))
    0.1269
    """
    checked_choice("contrastive", "reduction", reduction, REDUCTIONS)
    temperature = checked_number("contrastive", "temperature", temperature, "(0, inf)")
    x, y = paired("contrastive", "x", x, "y", y)
    if x.ndim != 2:
        raise ArgumentError(f"contrastive: x must have shape (N, features); got {x.shape}.")
    check_real("contrastive", "x", x)
    check_real("contrastive", "y", y)
    if not len(x):
        return reduced(sum_over(multiply(x, y), -1), reduction, x, y)
    logits = divide(matmul(_directions(x), matrix_transpose(_directions(y))), temperature)
    return as_result(cross_entropy(logits, np.arange(len(x)), reduction), x, y)


def _directions(x: Array) -> Array:
    """Return vectors over their lengths; zeros for zeros."""
    x = widened(x)
    sizes = largest(
        absolute(detached(x)), -1, keepdims=True, initial=0
    )  # a constant, which directions do not depend on
    some = greater(sizes, 0)
    x = divide(x, where(some, sizes, 1))  # whose squares neither overflow nor vanish
    return divide(where(some, x, 0), where(some, norm(x, axis=-1, keepdims=True), 1))


def _check_vectors(function: str, name: str, x: Array) -> None:
    check_real(function, name, x)
    if x.ndim == 0:
        raise ArgumentError(f"{function}: {name} must have shape (..., features); got ().")


def _signs(labels: Array, x: Array) -> Array:
    """Return labels in a dtype that leaves float32 predictions float32."""
    return labels if labels.dtype.kind == "f" else labels.astype(np.result_type(x.dtype, 1.0))


def _check_signs(function: str, labels: Array) -> None:
    wrong = _no_sign(labels)
    if wrong is not None:
        raise ArgumentError(f"{function}: labels must be -1 or 1; got {wrong}.")


@branch_condition
def _no_sign(labels: Array) -> object:
    """Find an element that is neither -1 nor 1, or None."""
    wrong = np.ravel(labels)[np.abs(np.ravel(labels)) != 1]
    return wrong[0] if wrong.size else None
