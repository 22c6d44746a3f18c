"""Walks that carry many seeds at once: whole Jacobians, by mapping a walk over all unit vectors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.batching import Map
from tapenet.core.primitive import Array
from tapenet.core.record import Shape
from tapenet.core.tensor import Tensor
from tapenet.core.trace import next_level
from tapenet.walks.results import copy_shared

Walk = Callable[[Sequence[Array]], Sequence[Array | None]]


@attrs.frozen
class End:
    """A leaf from which a walk starts.

    Attributes:
        shape: of the leaf.
        dtype: of the leaf.
        batch_axis: an axis along which one seed is 1 everywhere; None for none.
    """

    shape: Shape
    dtype: np.dtype[Any]
    batch_axis: int | None = None

    @property
    def seeded(self) -> Shape:
        """The shape of what the seeds tell apart."""
        if self.batch_axis is None:
            return self.shape
        return tuple(length for i, length in enumerate(self.shape) if i != self.batch_axis)

    @property
    def size(self) -> int:
        """The number of its seeds."""
        return math.prod(self.seeded)


def rows(walk: Walk, ends: Sequence[End], chunk_size: int | None = None, scale: complex = 1) -> list[Array | None]:
    """Walk from each unit vector of all ends together, and stack what is found along axis 0.

    Args:
        walk: from one seed for each end to its answers, None for one that no end reaches.
        ends: where it starts.
        chunk_size: how many unit vectors one walk carries; None for all, or of many large ones for some at a time.
        scale: the length of the unit vectors.

    Returns:
        For each answer an array of shape (number of unit vectors, *answer.shape) that shares no memory, or None.
    """
    total = sum(end.size for end in ends)
    step = chunk_size or _step(ends, total)
    if step == 1 and 1 < total <= FEW_SEEDS and all(end.batch_axis is None for end in ends):
        return _one_by_one(walk, _seeds(ends, 0, total, scale), total)
    # Without any unit vector one walk is made all the same: it tells the shapes of the answers.
    chunks = (_chunk(walk, ends, start, min(start + step, total), scale) for start in range(0, max(total, 1), step))
    first = next(chunks)
    if step >= total:
        return first
    if any(x is not None and type(x) is not np.ndarray for x in first):
        parts = zip(first, *chunks, strict=True)
        return [None if own[0] is None else np.concatenate(own) for own in parts]
    return _filled(first, chunks, total)


# Bytes of unit vectors beyond which one walk does not carry all, and about how many it then carries: the memory of what
# a walk computes is used again by the next. Measured: a Jacobian of 200 MB in a third of the time and of the memory.
LARGE_ROWS = 2**26
ROWS_AT_ONCE = 2**22


def _step(ends: Sequence[End], total: int) -> int:
    size = max((math.prod(end.shape) * end.dtype.itemsize for end in ends), default=0)
    return max(total, 1) if size * total <= LARGE_ROWS else max(1, ROWS_AT_ONCE // size)


FEW_SEEDS = 64  # so few that their unit vectors are made together


def _one_by_one(walk: Walk, seeds: Sequence[Array], total: int) -> list[Array | None]:
    """Return the rows of one walk for each seed."""
    answers = [walk([seed[i] for seed in seeds]) for i in range(total)]
    found: list[Array | None] = []
    for own in zip(*answers, strict=True):
        like = own[0]
        if like is None:
            found.append(None)
            continue
        row = [np.zeros_like(like) if x is None else x for x in own]
        found.append(np.concatenate([np.reshape(x, (1, *like.shape)) for x in row]))
    return found


def _filled(first: list[Array | None], chunks: Iterable[list[Array | None]], total: int) -> list[Array | None]:
    """Return the rows of all chunks, each put into its place as it comes."""
    outs = [None if x is None else np.zeros((total, *x.shape[1:]), x.dtype) for x in first]
    start = 0
    for chunk in itertools.chain([first], chunks):
        stop = start
        for out, x in zip(outs, chunk, strict=True):
            if out is not None and x is not None:
                stop = start + len(x)
                out[start:stop] = x
        start = stop
    return outs


def _chunk(walk: Walk, ends: Sequence[End], start: int, stop: int, scale: complex) -> list[Array | None]:
    """Return the rows from `start` to `stop`."""
    return carried(walk, _seeds(ends, start, stop, scale), stop - start)


def carried(walk: Walk, seeds: Sequence[Array], size: int) -> list[Array | None]:
    """Walk once from `size` seeds of each end, along axis 0, and return what is found from each, likewise."""
    if size == 1:  # one row needs no map
        answers = walk([seed[0] for seed in seeds])
        return [None if answer is None else np.reshape(answer, (1, *answer.shape)) for answer in answers]
    mapping = Map(size, next_level())  # a level further in than whatever the walk reads
    try:
        answers = walk([mapping.mapped(seed) for seed in seeds])
    finally:
        mapping.is_open = False
    found = [None if answer is None else _all_rows(answer, mapping) for answer in answers]
    return copy_shared(found, seeds)


def _all_rows(answer: Array, mapping: Map) -> Array:
    if type(answer) is Tensor and answer.owner is mapping:
        return answer._value.array
    return np.broadcast_to(answer, (mapping.size, *np.shape(answer)))


def _seeds(ends: Sequence[End], start: int, stop: int, scale: complex) -> list[Array]:
    """Return for each end the part of the unit vectors from `start` to `stop` that lies in it."""
    seeds = []
    first = 0
    for end in ends:
        seed = np.zeros((stop - start, end.size), end.dtype)
        own = np.arange(max(start, first), min(stop, first + end.size))
        seed[own - start, own - first] = scale
        seed = seed.reshape(stop - start, *end.seeded)
        if end.batch_axis is not None:
            seed = np.broadcast_to(np.expand_dims(seed, 1 + end.batch_axis), (stop - start, *end.shape))
        seeds.append(seed)
        first += end.size
    return seeds
