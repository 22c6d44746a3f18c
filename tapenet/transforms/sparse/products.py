"""Recordings as sparse matrices see them: x and y are vectors, of the elements of all their leaves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.leaf_checks import described, dtype_of
from tapenet.core.primitive import Array
from tapenet.core.pytrees import leaf_paths, tree_leaves
from tapenet.core.record import Entry, Shape
from tapenet.core.recorder import Recorder
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentTypeError
from tapenet.transforms.recording import Recording
from tapenet.transforms.sparse.detection import Ends
from tapenet.walks.products import jvp_walk, vjp_walk
from tapenet.walks.rows import Walk, carried


@attrs.frozen(eq=False)
class Vectors:
    """One recording, with the leaves of x as one vector, and those of y as another.

    Attributes:
        trace: of the recording.
        sources: the leaves of x.
        targets: the leaves of y.
    """

    trace: Recorder
    sources: tuple[Tensor, ...]
    targets: tuple[Any, ...]

    @property
    def entries(self) -> Sequence[Entry]:
        """The records."""
        return self.trace.entries

    @property
    def source_dtypes(self) -> list[np.dtype[Any]]:
        """The dtype of each leaf of x."""
        return [np.dtype(dtype_of(leaf)) for leaf in self.sources]

    @property
    def target_dtypes(self) -> list[np.dtype[Any]]:
        """The dtype of each leaf of y."""
        return [np.dtype(dtype_of(leaf)) for leaf in self.targets]

    @property
    def source_dtype(self) -> np.dtype[Any]:
        """That of seeds for x, which are real."""
        return _seed_dtype(self.source_dtypes)

    @property
    def target_dtype(self) -> np.dtype[Any]:
        """That of seeds for y, which are real."""
        return _seed_dtype(self.target_dtypes)

    def ends(self) -> Ends:
        """Return where the rows and columns of the Jacobian are."""
        here = [x.slot if type(x) is Tensor and x.owner is self.trace else None for x in self.targets]
        return Ends(tuple(x.slot for x in self.sources), tuple(here), _shapes(self.sources), _shapes(self.targets))

    def push(self, seeds: Array) -> Array:
        """Return the products of the Jacobian with vectors, one in each row."""
        return _products(self._pushed, seeds, self.sources, self.targets)

    def pull(self, seeds: Array) -> Array:
        """Return the products of vectors, one in each row, with the Jacobian."""
        return _products(self._pulled, seeds, self.targets, self.sources)

    def _pushed(self, tangents: Sequence[Array]) -> list[Array | None]:
        return jvp_walk(self.trace, self.sources, tangents, self.targets)

    def _pulled(self, cotangents: Sequence[Array]) -> list[Array | None]:
        return vjp_walk(self.trace, self.targets, cotangents, self.sources)


def vectors_of(function: str, recording: Recording) -> Vectors:
    """Return a recording as vectors; y must be float or complex."""
    targets = tree_leaves(recording.y)
    for i, target in enumerate(targets):
        dtype = dtype_of(target)
        if dtype is None or np.dtype(dtype).kind not in "fc":
            path = leaf_paths(recording.y, "y")[i]
            raise ArgumentTypeError(f"{function}: {path} must be float or complex; got {described(target)}.")
    return Vectors(recording.trace, recording.sources, tuple(targets))


def _seed_dtype(dtypes: Sequence[np.dtype[Any]]) -> np.dtype[Any]:
    """Return the common dtype of the real parts."""
    return np.result_type(*[np.zeros((), dtype).real.dtype for dtype in dtypes]) if dtypes else np.dtype(float)


def _shapes(leaves: Sequence[Any]) -> tuple[Shape, ...]:
    return tuple(getattr(leaf, "shape", ()) for leaf in leaves)


def _products(walk: Walk, seeds: Array, starts: Sequence[Any], ends: Sequence[Any]) -> Array:
    """Walk from seeds (k, elements of starts), and return what is found: (k, elements of ends)."""
    count = len(seeds)
    stops = list(itertools.accumulate(math.prod(shape) for shape in _shapes(starts)))
    parts = [
        seeds[:, stop - math.prod(shape) : stop].reshape(count, *shape).astype(dtype_of(leaf), copy=False)
        for stop, shape, leaf in zip(stops, _shapes(starts), starts, strict=True)
    ]
    found = carried(walk, parts, count)
    rows = [
        np.zeros((count, math.prod(shape)), dtype_of(leaf)) if x is None else x.reshape(count, math.prod(shape))
        for x, shape, leaf in zip(found, _shapes(ends), ends, strict=True)
    ]
    return rows[0] if len(rows) == 1 else np.concatenate(rows, 1)
