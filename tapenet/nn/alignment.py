"""The loss of sequences whose labels have no places: connectionist temporal classification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tapenet.core.argument_checks import check_real, checked_array, checked_choice, checked_count
from tapenet.core.array_types import Array
from tapenet.core.batch_rules import broadcast_examples
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Primitive
from tapenet.core.tensor import read_value
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.kernels import alignment as kernels
from tapenet.kernels.alignment import IMPOSSIBLE, NONE_POSSIBLE
from tapenet.nn.activations import log_softmax
from tapenet.nn.floats import as_floating
from tapenet.nn.functions import check_labels, widened
from tapenet.nn.fused import Fused
from tapenet.nn.losses import REDUCTIONS, Reduction, reduced
from tapenet.ops.arrays.indexing import take_along_axis
from tapenet.ops.arrays.shaping import concatenate, moveaxis, reshape, squeeze, stack
from tapenet.ops.elementwise.arithmetic import add, divide, negative, where
from tapenet.ops.elementwise.choices import greater, less, logical_and, not_equal
from tapenet.ops.elementwise.exponential import logaddexp


def ctc(
    logits: Array,
    labels: Array,
    lengths: Array | None = None,
    label_lengths: Array | None = None,
    blank: int = 0,
    reduction: Reduction = "mean",
) -> Array:
    """Compute -log of the probability that a sequence spells its labels: connectionist temporal classification.

    A path names a class or the blank at each step. It spells what is left when equal neighbours are merged and
    blanks are dropped; the probabilities of all paths that spell the labels are added, as logarithms.

    Where no path is possible, as with fewer steps than labels, the loss is infinite and its derivative 0, as with
    PyTorch's zero_infinity=True: the example does not change the gradient, and only the loss shows it. By default
    PyTorch's derivative is NaN. To find such examples take `np.isfinite` of the losses with reduction="none".

    Derivative: that of the sum over all paths; 0 where no path is possible.

    Args:
        logits: unnormalized log-probabilities at each step, float array, shape (N, steps, classes).
        labels: integers in [0, classes) other than the blank, shape (N, most labels); those behind an example's own
            number of labels are not read.
        lengths: the steps of each example, integers in [1, steps], shape (N,), or None for all.
        label_lengths: the labels of each example, integers in [0, most labels], shape (N,), or None for all.
        blank: the class of the blank.
        reduction: over the examples: "mean", of each loss divided by its number of labels; "sum", or "none".

    Returns:
        A scalar, or for "none" an array, shape (N,); infinite where no path is possible.

    Raises:
        ArgumentError: shapes that do not fit; a label, length or blank out of range; another reduction.
        ArgumentTypeError: labels or lengths that are not integers.

    Source: Graves, Fernandez, Gomez and Schmidhuber, "Connectionist temporal classification", ICML 2006.

    >>> float(tn.nn.ctc(np.zeros((1, 2, 2)), [[1]]))  # of four paths -1, 1- and 11 spell 1
    0.2876820724517809
    """
    checked_choice("ctc", "reduction", reduction, REDUCTIONS)
    given = logits = as_floating(check_real("ctc", "logits", checked_array("ctc", "logits", logits)))
    labels = read_value(checked_array("ctc", "labels", labels))
    if logits.ndim != 3 or 0 in logits.shape[1:]:
        raise ArgumentError(f"ctc: logits must have shape (N, steps, classes); got {logits.shape}.")
    count, steps, classes = logits.shape
    if labels.ndim != 2 or len(labels) != count:
        raise ArgumentError(f"ctc: labels must have shape ({count}, most labels); got {labels.shape}.")
    blank = checked_count("ctc", "blank", blank, low=0, high=classes - 1)
    ends = _lengths("lengths", lengths, count, 1, steps)
    sizes = _lengths("label_lengths", label_lengths, count, 0, labels.shape[1])
    labels = _known_labels(labels, sizes, blank)
    check_labels("ctc", "labels", labels, classes)
    targets = concatenate([labels, ends[:, None], sizes[:, None]], 1)
    losses, *_ = _ctc(widened(logits), targets, blank=blank)
    if reduction == "mean":
        losses = divide(losses, where(greater(sizes, 0), sizes, 1).astype(losses.dtype))
    return reduced(losses, reduction, given)


def _known_labels(labels: Array, sizes: Array, blank: int) -> Array:
    """Return the labels, with blanks behind those of each example."""
    if labels.dtype.kind not in "iu":
        raise ArgumentTypeError(f"ctc: labels must be integers; got {labels.dtype}.")
    is_own = less(np.arange(labels.shape[1]), sizes[:, None])
    if _names_blank(labels, is_own, blank):
        raise ArgumentError(f"ctc: labels must not be the blank, {blank}; got it among them.")
    return where(is_own, labels, blank)


@branch_condition
def _names_blank(labels: Array, is_own: Array, blank: int) -> bool:
    return bool(np.any(is_own & (labels == blank)))


def _lengths(name: str, lengths: Array | None, count: int, low: int, high: int) -> Array:
    """Check one integer for each example; None is the highest."""
    if lengths is None:
        return np.full(count, high)
    lengths = read_value(checked_array("ctc", name, lengths))
    if lengths.dtype.kind not in "iu":
        raise ArgumentTypeError(f"ctc: {name} must be integers; got {lengths.dtype}.")
    if lengths.shape != (count,):
        raise ArgumentError(f"ctc: {name} must have shape ({count},), one for each example; got {lengths.shape}.")
    wrong = _out_of_range(lengths, low, high)
    if wrong is not None:
        raise ArgumentError(f"ctc: {name} must be in [{low}, {high}]; got {wrong}.")
    return lengths


@branch_condition
def _out_of_range(lengths: Array, low: int, high: int) -> Any:
    wrong = lengths[(lengths < low) | (lengths > high)]
    return wrong[0] if wrong.size else None


# ---- the loss, written out and as one operation ----


def _written_out(logits: Array, targets: Array, *, blank: int) -> tuple[Array]:
    """Add up all paths forward: at each step, for each place between and on labels, the paths that have come so far."""
    labels, ends, sizes = targets[:, :-2], targets[:, -2], targets[:, -1]
    log_p = log_softmax(logits)
    count, steps, _ = log_p.shape
    blanks = np.full((count, labels.shape[1]), blank, labels.dtype)
    spelled = stack([labels, blanks], 2).reshape(count, 2 * labels.shape[1])
    spelled = concatenate([np.full((count, 1), blank, labels.dtype), spelled], 1)
    at_each = np.broadcast_to(spelled[:, None], (count, steps, spelled.shape[1]))
    emitted = take_along_axis(log_p, at_each, 2)
    emitted = where(less(emitted, IMPOSSIBLE), IMPOSSIBLE, emitted)
    may_skip = logical_and(not_equal(spelled[:, 2:], blank), not_equal(spelled[:, 2:], spelled[:, :-2]))
    nothing = np.full((count, 2), IMPOSSIBLE, log_p.dtype)
    begun = np.where(np.arange(spelled.shape[1]) < 2, 0, IMPOSSIBLE).astype(log_p.dtype)
    paths = add(emitted[:, 0], begun)
    for step in range(1, steps):
        paths = where(less(step, ends)[:, None], _advanced(paths, emitted[:, step], may_skip, nothing), paths)
    last = take_along_axis(paths, 2 * sizes[:, None], 1)
    before = take_along_axis(paths, where(greater(sizes, 0), 2 * sizes - 1, 0)[:, None], 1)
    both = logaddexp(last, where(greater(sizes, 0)[:, None], before, IMPOSSIBLE))
    total = squeeze(both, 1)
    return (where(less(total, NONE_POSSIBLE), np.inf, negative(total)),)


def _advanced(paths: Array, emitted: Array, may_skip: Array, nothing: Array) -> Array:
    """Take each path one step on: it stays, moves to the next place, or skips a blank between different labels."""
    places = paths.shape[1]
    moved = concatenate([nothing[:, :1], paths], 1)[:, :places]
    skipped = where(may_skip, paths[:, : max(0, places - 2)], IMPOSSIBLE)
    skipped = concatenate([nothing, skipped], 1)[:, :places]
    return add(logaddexp(logaddexp(paths, moved), skipped), emitted)


def _batched(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Mapping[str, Any]
) -> Any:
    """Compute losses of a batch of batches, whose examples are examples like others."""
    whole = [broadcast_examples(x, is_mapped, size) for x, is_mapped in zip(arrays, mapped, strict=True)]
    count = whole[0].shape[1]
    joined = (reshape(x, (size * count, *x.shape[2:])) for x in whole)
    losses, norms, emitted, paths = primitive(*joined, **parameters)

    def split(x: Array, axis: int) -> Array:
        return moveaxis(reshape(x, (*x.shape[:axis], size, count, *x.shape[axis + 1 :])), axis, 0)

    return split(losses, 0), split(norms, 0), split(emitted, 1), split(paths, 1)


_ctc = Fused("ctc", 1, 1, kernels.ctc, kernels.ctc_backward, _written_out, _batched).primitive()
