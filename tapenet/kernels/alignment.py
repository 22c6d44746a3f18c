"""Connectionist temporal classification: the sum over all paths that spell labels, and its derivative.

A place is a label or a blank between labels, before or behind them: 2 L + 1 places for L labels. A path stays at its
place from one step to the next, moves to the next place, or skips a blank between two different labels. Arrays are
(steps, N, places) and hold logarithms, which no number of steps makes underflow; a step is a few passes over the
places of all examples, and what does not depend on the step before is computed for all steps at once.

Source: Graves, Fernandez, Gomez and Schmidhuber, "Connectionist temporal classification", ICML 2006, equations 6 to 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.kernels.memory import empty

Array = np.ndarray[Any, Any]

# The logarithm of an impossible path. Its exponential is 0 beside any other, and unlike that of minus infinity its
# difference from itself is a number.
IMPOSSIBLE = -1e30
NONE_POSSIBLE = 0.1 * IMPOSSIBLE  # sums below are those of impossible paths


@attrs.frozen(eq=False)
class Spelling:
    """What examples spell.

    Attributes:
        labels: shape (N, L), with blanks behind those of each example.
        ends: the steps of each example, shape (N,).
        sizes: the labels of each example, shape (N,).
        blank: the class of the blank.
        penalty: 0 where a path may come to a place over a blank, else `IMPOSSIBLE`; shape (N, places + 2).
    """

    labels: Array
    ends: Array
    sizes: Array
    blank: int
    penalty: Array

    @classmethod
    def of(cls, targets: Array, blank: int, dtype: np.dtype[Any]) -> Spelling:
        """Read it from integers (N, L + 2): labels, and behind them the numbers of steps and of labels."""
        targets = np.asarray(targets, np.intp)
        labels, ends, sizes = targets[:, :-2], targets[:, -2], targets[:, -1]
        penalty = np.full((len(labels), 2 * labels.shape[1] + 3), IMPOSSIBLE, dtype)
        may_skip = (labels[:, 1:] != labels[:, :-1]) & (labels[:, 1:] != blank)
        penalty[:, 3:-2:2][may_skip] = 0
        return cls(labels, ends, sizes, blank, penalty)

    @property
    def last(self) -> tuple[Array, Array, Array]:
        """The places where a path may end, as indices (examples, places), and whether the second is one."""
        examples = np.arange(len(self.labels))
        places = np.stack([2 * self.sizes, np.maximum(2 * self.sizes - 1, 0)])
        return np.stack([examples, examples]), places, np.stack([self.sizes >= 0, self.sizes > 0])


def ctc(logits: Array, targets: Array, *, blank: int) -> tuple[Array, ...]:
    """Compute losses (N,) of logits (N, steps, classes); infinite where no path is possible.

    Behind them is what the derivative reads: the log-sum-exp of the logits of each step, the log-probabilities of the
    places, and those of all paths to them.
    """
    spelling = Spelling.of(targets, blank, logits.dtype)
    largest = logits.max(-1, keepdims=True)
    # A row of -inf alone is NaN, as its softmax is.
    norms = (largest + np.log(np.exp(logits - largest).sum(-1, keepdims=True)))[..., 0]
    emitted = _emitted(logits, norms, spelling)
    paths = _paths_to(emitted, spelling)
    totals = _totals(paths, spelling)
    return np.where(totals < NONE_POSSIBLE, np.inf, -totals).astype(logits.dtype), norms, emitted, paths


def ctc_backward(
    operands: Sequence[Array], given: Sequence[Array], wanted: Sequence[bool], bar: Array | None, *, blank: int
) -> list[Array | None]:
    """Pull the cotangents of the losses back to the logits."""
    logits, targets = operands
    if bar is None:
        return [None]
    _, norms, emitted, paths = given
    spelling = Spelling.of(targets, blank, logits.dtype)
    totals = _totals(paths, spelling)
    shares = _paths_from(emitted, spelling)
    shares += paths[:, :, 2:]
    shares -= emitted
    shares -= totals[:, None]
    np.exp(shares, out=shares)  # of all paths, those through each place
    slopes = empty(logits.shape, logits.dtype)
    np.subtract(logits, norms[..., None], out=slopes)
    np.exp(slopes, out=slopes)
    _take_off(slopes, shares, spelling)
    beyond = np.arange(logits.shape[1]) >= spelling.ends[:, None]
    slopes[beyond | (totals < NONE_POSSIBLE)[:, None]] = 0
    slopes *= bar[:, None, None]
    return [slopes]


def _emitted(logits: Array, norms: Array, spelling: Spelling) -> Array:
    """Return the log-probability of each place at each step."""
    count, steps, _ = logits.shape
    made = empty((steps, count, 2 * spelling.labels.shape[1] + 1), logits.dtype)
    made[:, :, ::2] = (logits[:, :, spelling.blank] - norms).T[:, :, None]
    own = logits[np.arange(count)[:, None], :, spelling.labels]  # (N, L, steps)
    made[:, :, 1::2] = (own - norms[:, None]).transpose(2, 0, 1)
    return np.maximum(made, IMPOSSIBLE, out=made)


def _paths_to(emitted: Array, spelling: Spelling) -> Array:
    """Add up the paths from the first step to each place at each step; shape (steps, N, 2 + places)."""
    paths, windows = _padded(emitted)
    paths[:, :, :2] = IMPOSSIBLE
    paths[0, :, 4:] = IMPOSSIBLE
    paths[0, :, 2:4] = emitted[0, :, :2]
    penalty = np.zeros(windows.shape[1:], emitted.dtype)
    penalty[0] = spelling.penalty[:, :-2]
    scratch = np.empty_like(penalty)
    for step in range(1, len(emitted)):
        _step(windows[step - 1], penalty, emitted[step], scratch, paths[step, :, 2:])
    return paths


def _paths_from(emitted: Array, spelling: Spelling) -> Array:
    """Add up the paths from each place at each step to the end of its example; shape (steps, N, places)."""
    paths, windows = _padded(emitted)
    paths[:, :, -2:] = IMPOSSIBLE
    penalty = np.zeros(windows.shape[1:], emitted.dtype)
    penalty[2] = spelling.penalty[:, 2:]
    scratch = np.empty_like(penalty)
    examples, places, is_end = spelling.last
    ends = np.full(emitted.shape[1:], IMPOSSIBLE, emitted.dtype)
    ends[examples[is_end], places[is_end]] = 0
    paths[-1, :, :-2] = IMPOSSIBLE
    for step in reversed(range(len(emitted))):
        if step + 1 < len(emitted):
            _step(windows[step + 1], penalty, emitted[step], scratch, paths[step, :, :-2])
        here = spelling.ends == step + 1
        if here.any():
            paths[step, here, :-2] = ends[here] + emitted[step, here]
    return paths[:, :, :-2]


def _padded(emitted: Array) -> tuple[Array, Array]:
    """Make an array for paths with two more places, and views (steps, 3, N, places) of three neighbours of each."""
    steps, count, places = emitted.shape
    paths = empty((steps, count, places + 2), emitted.dtype)
    of_step, of_example, of_place = paths.strides
    strides = (of_step, of_place, of_example, of_place)
    return paths, np.lib.stride_tricks.as_strided(paths, (steps, 3, count, places), strides)


def _step(neighbours: Array, penalty: Array, emitted: Array, scratch: Array, out: Array) -> None:
    """Add three kinds of paths up, and what is emitted."""
    np.add(neighbours, penalty, out=scratch)
    largest = scratch.max(0)
    np.subtract(scratch, largest, out=scratch)
    np.exp(scratch, out=scratch)
    total = np.add.reduce(scratch, 0)
    np.log(total, out=total)
    total += largest
    np.add(total, emitted, out=out)


def _totals(paths: Array, spelling: Spelling) -> Array:
    """Return the sums of all paths, shape (N,)."""
    examples, places, is_end = spelling.last
    found = np.where(is_end, paths[spelling.ends - 1, examples, 2 + places], IMPOSSIBLE)
    largest = found.max(0)
    totals: Array = largest + np.log(np.exp(found - largest).sum(0))
    return totals


def _take_off(slopes: Array, shares: Array, spelling: Spelling) -> None:
    """Take the shares of places off the slopes of their classes, in place."""
    count, steps, classes = slopes.shape
    slopes[:, :, spelling.blank] -= shares[:, :, ::2].sum(-1).T
    rows = (np.arange(count) * steps + np.arange(steps)[:, None]) * classes  # (steps, N)
    places = rows[:, :, None] + spelling.labels
    np.subtract.at(slopes.reshape(-1), places.reshape(-1), shares[:, :, 1::2].reshape(-1))
