"""Metrics: how good the outputs of a model are, as functions of outputs and targets.

Each takes all outputs at once, and their targets; scikit-learn's functions take the two the other way round. Any
function of both, such as `tn.nn.cross_entropy`, is a metric for `fit` and `evaluate`.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from tapenet.core.argument_checks import check_real, checked_array, checked_choice, checked_count, shown
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.nn.losses import cross_entropy

Array = np.ndarray[Any, Any]
Average = Literal["macro", "micro", "weighted", "none"]

AVERAGES = ("macro", "micro", "weighted", "none")


# ---- classes ----


def accuracy(outputs: Array, labels: Array) -> float:
    """Compute the share of examples whose class is right.

    Args:
        outputs: real array, shape (..., C), scores of the classes, such as logits or probabilities, of which the first
            largest counts; or an integer array of the shape of `labels`, the classes themselves.
        labels: integer array, shape (...), the true classes, from 0.

    Returns:
        A number from 0 to 1.

    Raises:
        ArgumentError: shapes that do not fit, no examples, NaN, or a label out of range.
        ArgumentTypeError: an argument that is not an array of numbers, or labels that are not integers.

    >>> accuracy(np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]]), np.array([1, 0, 0]))
    0.6666666666666666
    """
    read, true, _ = _classes("accuracy", outputs, labels)
    return float(np.mean(read == true))


def top_k(outputs: Array, labels: Array, k: int = 5) -> float:
    """Compute the share of examples whose class is among the k of the largest scores.

    Args:
        outputs: real array, shape (..., C), scores of the classes. Of equal ones the later counts as larger.
        labels: integer array, shape (...), the true classes, from 0.
        k: integer of at least 1.

    Returns:
        A number from 0 to 1.

    Raises:
        ArgumentError, ArgumentTypeError: as for `accuracy`.

    >>> top_k(np.array([[0.1, 0.3, 0.6], [0.5, 0.3, 0.2]]), np.array([1, 2]), k=2)
    0.5
    """
    k = checked_count("top_k", "k", k)
    scores = _scores("top_k", outputs)
    true = _labels("top_k", labels, scores.shape[:-1], scores.shape[-1])
    best = np.argsort(scores, axis=-1, kind="stable")[..., -k:]
    return float(np.mean(np.any(best == true[..., None], axis=-1)))


def confusion_matrix(outputs: Array, labels: Array, num_classes: int | None = None) -> Array:
    """Count how often each class was taken for each other one.

    Args:
        outputs, labels: as for `accuracy`.
        num_classes: integer of at least 1; by default the number of scores, or one more than the largest class.

    Returns:
        Integer array, shape (num_classes, num_classes): at [i, j] how many of class i were read as j.

    Raises:
        ArgumentError, ArgumentTypeError: as for `accuracy`.

    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 1, 0]))
    array([[1, 1],
           [0, 1]])
    """
    read, true, count = _classes("confusion_matrix", outputs, labels)
    if num_classes is not None:
        given = checked_count("confusion_matrix", "num_classes", num_classes, 1, 2**20)
        if given < count:
            raise ArgumentError(
                f"confusion_matrix: num_classes must be at least {count}, as many as came; got {given}."
            )
        count = given
    return np.bincount(true.reshape(-1) * count + read.reshape(-1), minlength=count * count).reshape(count, count)


def precision(outputs: Array, labels: Array, average: Average = "macro") -> Any:
    """Compute how many of those read as a class are of it: tp / (tp + fp), 0 where none was read as it.

    Args:
        outputs, labels: as for `accuracy`.
        average: over classes that came, as a label or as an output: "macro" for the mean, "weighted" for that weighted
            by how many examples each has, "micro" for the counts of all classes added up, "none" for each class.

    Returns:
        A number from 0 to 1; an array of them for "none".

    Raises:
        ArgumentError, ArgumentTypeError: as for `accuracy`, or another average.

    >>> precision(np.array([0, 1, 1, 1]), np.array([0, 1, 0, 1]), average="none")
    array([1.        , 0.66666667])
    """
    return _averaged("precision", outputs, labels, average, lambda hits, read, true: (hits, read))


def recall(outputs: Array, labels: Array, average: Average = "macro") -> Any:
    """Compute how many of a class are read as it: tp / (tp + fn), 0 where there is none.

    Args:
        outputs, labels, average: as for `precision`.

    Returns:
        A number from 0 to 1; an array of them for "none".

    Raises:
        ArgumentError, ArgumentTypeError: as for `precision`.

    >>> recall(np.array([0, 1, 1, 1]), np.array([0, 1, 0, 1]), average="none")
    array([0.5, 1. ])
    """
    return _averaged("recall", outputs, labels, average, lambda hits, read, true: (hits, true))


def f1(outputs: Array, labels: Array, average: Average = "macro") -> Any:
    """Compute the harmonic mean of precision and recall: 2 tp / (2 tp + fp + fn).

    Args:
        outputs, labels, average: as for `precision`.

    Returns:
        A number from 0 to 1; an array of them for "none".

    Raises:
        ArgumentError, ArgumentTypeError: as for `precision`.

    >>> f1(np.array([0, 1, 1, 1]), np.array([0, 1, 0, 1]), average="none")
    array([0.66666667, 0.8       ])
    """
    return _averaged("f1", outputs, labels, average, lambda hits, read, true: (2 * hits, read + true))


def _averaged(function: str, outputs: Any, labels: Any, average: Any, parts: Any) -> Any:
    """Average a quotient over classes, from the counts of hits, of outputs and of labels."""
    checked_choice(function, "average", average, AVERAGES)
    read, true, count = _classes(function, outputs, labels)
    hits, read, true = (np.bincount(x.reshape(-1), minlength=count) for x in (true[read == true], read, true))
    present = (read + true) > 0
    if average == "micro":
        numerator, denominator = (float(x.sum()) for x in parts(hits, read, true))
        return numerator / denominator
    numerators, denominators = parts(hits, read, true)
    quotients = numerators / np.maximum(denominators, 1)
    if average == "none":
        return quotients[present]
    return float(np.average(quotients[present], weights=true[present] if average == "weighted" else None))


# ---- scores ----


def auc(outputs: Array, labels: Array) -> float:
    """Compute the area under the ROC curve: how often an example of a class scores above one that is not of it.

    Pairs of equal scores count half. With scores of several classes it is the mean over classes, each against the
    rest.

    Args:
        outputs: real array, shape (N,), scores of class 1; or (N, C), those of all classes.
        labels: integer array, shape (N,); each class has to come, and not alone.

    Returns:
        A number from 0 to 1.

    Raises:
        ArgumentError: shapes that do not fit, a class without examples, NaN, or a label out of range.
        ArgumentTypeError: an argument that is not an array of numbers, or labels that are not integers.

    >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.75
    """
    array = _finite("auc", "outputs", outputs)
    if array.ndim not in (1, 2):
        raise ArgumentError(f"auc: outputs must have shape (N,) or (N, C); got {array.shape}.")
    columns = [array] if array.ndim == 1 else list(array.T)
    true = _labels("auc", labels, array.shape[:1], max(len(columns), 2))
    wanted = [1] if array.ndim == 1 else range(len(columns))
    return float(np.mean([_area(scores, true == kind, kind) for scores, kind in zip(columns, wanted, strict=True)]))


def _area(scores: Array, is_member: Array, kind: int) -> float:
    """Compute the area under the curve of one class, from the ranks of its members."""
    members, others = int(is_member.sum()), int((~is_member).sum())
    if not members or not others:
        raise ArgumentError(f"auc: labels must hold class {kind} and others; got {members} of it and {others} others.")
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return float((ranks[is_member].sum() - members * (members + 1) / 2) / members / others)


def perplexity(logits: Array, labels: Array) -> float:
    """Compute exp of the mean cross entropy: among how many equally probable classes a model seems to choose.

    Args:
        logits: real array, shape (..., C).
        labels: integer array, shape (...).

    Returns:
        A number of at least 1.

    Raises:
        ArgumentError, ArgumentTypeError: as for `accuracy`.

    >>> perplexity(np.zeros((3, 4)), np.array([0, 1, 3]))
    4.0
    """
    scores = _scores("perplexity", logits)
    true = _labels("perplexity", labels, scores.shape[:-1], scores.shape[-1])
    return float(np.exp(cross_entropy(np.asarray(scores, np.float64), true)))


def r2(outputs: Array, targets: Array) -> float:
    """Compute the share of the variance that is explained: 1 - sum (y - f)^2 / sum (y - mean y)^2.

    With several columns it is the mean over them. Where targets do not vary it is 1 for outputs that are exact, else 0.

    Args:
        outputs: real array, shape (N,) or (N, D).
        targets: real array of that shape, with N of at least 2.

    Returns:
        A number of at most 1.

    Raises:
        ArgumentError: shapes that do not fit, fewer than 2 examples, or NaN.
        ArgumentTypeError: an argument that is not an array of real numbers.

    >>> r2(np.array([2.5, 0.0, 2.0, 8.0]), np.array([3.0, -0.5, 2.0, 7.0]))
    0.9486081370449679
    """
    found, wanted = (_finite("r2", name, x).astype(float) for name, x in (("outputs", outputs), ("targets", targets)))
    if found.shape != wanted.shape or wanted.ndim not in (1, 2):
        raise ArgumentError(
            f"r2: outputs must have the shape of targets, (N,) or (N, D); got {found.shape} and {wanted.shape}."
        )
    if len(wanted) < 2:
        raise ArgumentError(f"r2: targets must hold at least 2 examples; got {len(wanted)}.")
    rest = np.atleast_1d(((wanted - found) ** 2).sum(axis=0))
    whole = np.atleast_1d(((wanted - wanted.mean(axis=0)) ** 2).sum(axis=0))
    return float(np.mean([1 - a / b if b else float(a == 0) for a, b in zip(rest, whole, strict=True)]))


# ---- checks ----


def _finite(function: str, name: str, value: Any) -> Array:
    """Check a plain array of real numbers without NaN, with at least one of them."""
    array = checked_array(function, name, value)
    if isinstance(array, Tensor):
        raise ArgumentTypeError(f"{function}: {name} must be a plain array; got a Tensor. Write {name}.value.")
    array = np.asarray(check_real(function, name, array))
    if array.size == 0:
        raise ArgumentError(f"{function}: {name} must hold at least one example; got shape {array.shape}.")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise ArgumentError(f"{function}: {name} must not hold NaN; got {int(np.isnan(array).sum())} of {array.size}.")
    return array


def _scores(function: str, outputs: Any) -> Array:
    """Check an array of scores with an axis of classes."""
    array = _finite(function, "logits" if function == "perplexity" else "outputs", outputs)
    if array.ndim < 2:
        raise ArgumentError(f"{function}: outputs must have shape (..., C), with scores of classes; got {array.shape}.")
    return array


def _labels(function: str, labels: Any, shape: tuple[int, ...], count: int, name: str = "labels") -> Array:
    """Check integers from 0 to below `count` of a shape."""
    array = checked_array(function, name, labels)
    if isinstance(array, Tensor) or array.dtype.kind not in "iub":
        raise ArgumentTypeError(f"{function}: {name} must be integers; got {shown(array)}.")
    if array.shape != shape:
        raise ArgumentError(f"{function}: {name} must have shape {shape}, as the outputs say; got {array.shape}.")
    if array.size and not 0 <= int(array.min()) <= int(array.max()) < count:
        wrong = array.min() if array.min() < 0 else array.max()
        raise ArgumentError(f"{function}: {name} must be from 0 to {count - 1}; got {wrong}.")
    return np.asarray(array).astype(np.int64)


def _classes(function: str, outputs: Any, labels: Any) -> tuple[Array, Array, int]:
    """Return the classes that were read and the true ones, and how many there are."""
    array = _finite(function, "outputs", outputs)
    if array.dtype.kind in "iub" and array.shape == np.shape(labels):
        highest = 2**20
        read, true = (
            _labels(function, x, array.shape, highest, name) for name, x in (("outputs", array), ("labels", labels))
        )
        return read, true, int(max(read.max(), true.max())) + 1
    scores = _scores(function, array)
    true = _labels(function, labels, scores.shape[:-1], scores.shape[-1])
    return scores.argmax(axis=-1), true, scores.shape[-1]
