"""Colouring vertices greedily, in one order after another.

A *column* colouring of a pattern gives two columns one colour only where no row has an entry in both: a colouring at
distance 2 of the bipartite graph of rows and columns. A vertex here is a column, and its colour goes into the set of
colours of each of its rows. Those sets are Python integers, bit by bit, so that a colouring costs one operation for
each entry of the pattern, whatever the number of neighbours.

Source: Gebremedhin, Manne, Pothen, "What color is your Jacobian?", SIAM Review 47 (2005), sections 3 and 7.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tapenet.transforms.sparse.links import Dependence, Indices
from tapenet.transforms.sparse.required import csgraph, sparse

_PASSES = 4  # over the classes of a colouring, each of which may save colours
_MOST_WORK = 2_000_000  # entries that greedy colourings go through, about a second; one goes through all in any case
_MOST_GREEDY = 10_000  # colours at least: beyond it the sets of colours take more memory than the matrix
_MORE_REGULAR = 3  # colours above the lower bound up to which a regular colouring is looked for
_MOST_REGULAR = 32  # colours: the number of regular colourings grows with its power
_SAMPLE = 1000  # rows that a regular colouring is tried on first


def column_colors(pattern: Dependence, shape: Sequence[int] = ()) -> Indices:
    """Return a colour for each column, from 0 on; -1 for a column without an entry.

    Args:
        pattern: boolean CSR matrix, canonical.
        shape: that of the array whose elements the columns are, for regular colourings.
    """
    columns = sparse.csc_array(pattern)
    colors = np.full(pattern.shape[1], -1, np.intp)
    used = np.flatnonzero(np.diff(columns.indptr))
    if not used.size:
        return colors
    bound = int(np.diff(pattern.indptr).max())  # the entries of a row have colours of their own
    if bound > _MOST_GREEDY:
        colors[used] = np.arange(used.size)
        return colors
    best = regular_colors(pattern, shape, bound, bound + _MORE_REGULAR)
    if best is not None:
        best = np.where(np.diff(columns.indptr) > 0, best, -1)
        if best.max() + 1 == bound:
            return best
    work = 0
    for order in _orders(pattern, columns, used):
        found = _greedy(columns, order, pattern.shape[0])
        for _ in range(_PASSES):
            work += pattern.nnz
            if found.max() + 1 == bound or work > _MOST_WORK:
                break
            found = _again(columns, found)
        if best is None or found.max() < best.max():
            best = found
        if best.max() + 1 == bound or work > _MOST_WORK:
            break
    assert best is not None
    return best


def _greedy(columns: Dependence, order: Indices, rows: int) -> Indices:
    """Give each column, in order, the smallest colour that no row of it has."""
    indptr, indices = columns.indptr.tolist(), columns.indices.tolist()
    taken = [0] * rows
    colors = [-1] * columns.shape[1]
    for column in order.tolist():
        own = indices[indptr[column] : indptr[column + 1]]
        forbidden = 0
        for row in own:
            forbidden |= taken[row]
        bit = ~forbidden & (forbidden + 1)
        colors[column] = bit.bit_length() - 1
        for row in own:
            taken[row] |= bit
    return np.array(colors, np.intp)


def _orders(pattern: Dependence, columns: Dependence, used: Indices) -> Iterator[Indices]:
    """Yield orders of the columns: as they are, those with most conflicts first, and along a narrow band."""
    yield used
    conflicts = _conflicts(columns, np.diff(pattern.indptr))
    yield used[np.argsort(-conflicts[used], kind="stable")]
    if pattern.shape[0] == pattern.shape[1]:
        band = np.asarray(csgraph.reverse_cuthill_mckee(sparse.csr_matrix(pattern)), np.intp)
        yield band[np.isin(band, used)]


def _conflicts(columns: Dependence, lengths: Indices) -> Indices:
    """Return for each column how many entries its rows have beside it."""
    others = np.concatenate([[0], np.cumsum(lengths[columns.indices] - 1)])
    found: Indices = others[columns.indptr[1:]] - others[columns.indptr[:-1]]
    return found


def _again(columns: Dependence, colors: Indices) -> Indices:
    """Colour again class by class, the last colour first, which never takes more colours.

    Source: Culberson, "Iterated greedy graph coloring and the difficulty landscape" (1992).
    """
    order = np.argsort(-colors, kind="stable")[: np.count_nonzero(colors >= 0)]
    return _greedy(columns, order, columns.shape[0])


# ---- regular colourings, of stencils ----


def regular_colors(pattern: Dependence, shape: Sequence[int], least: int, most: int) -> Indices | None:
    """Return a colouring of the grid of x that repeats along each axis; None where none of few colours is found.

    The colour of element (i, j, ...) is i + a j + ... modulo the number of colours: for a stencil on a grid the best,
    where greedy colourings take a few more.
    """
    sample = pattern[_sampled(pattern.shape[0])]
    rows = row_numbers(sample)
    grids = [np.indices(grid, np.int32).reshape(len(grid), -1) for grid in _grids(sample, pattern.shape[1], shape)]
    for count in range(least, min(most, _MOST_REGULAR) + 1):
        for indices in grids:
            places = indices[:, sample.indices]
            for steps in itertools.product(range(1, count), repeat=len(indices) - 1):
                if not _is_valid(rows, _modular(places, (*steps, 1), count), sample.shape[0], count):
                    continue
                colors = _modular(indices, (*steps, 1), count)
                if _is_valid(row_numbers(pattern), colors[pattern.indices], pattern.shape[0], count):
                    return colors
    return None


def _sampled(size: int) -> Indices:
    """Return some of the rows: the first, the last, and others from all over."""
    if size <= _SAMPLE:
        return np.arange(size)
    ends = np.arange(_SAMPLE // 4)
    return np.unique(np.concatenate([ends, size - 1 - ends, np.linspace(0, size - 1, _SAMPLE // 2).astype(int)]))


def _grids(sample: Dependence, size: int, shape: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the grids that x may be: its shape, or for a vector what distances of a row's entries tell."""
    grid = tuple(n for n in shape if n > 1)
    if len(grid) in (2, 3) and math.prod(grid) == size:
        return [grid]
    lines = sorted(d for d in _distances(sample) if size % d == 0)
    planes = [(size // d, d) for d in lines]
    boxes = [(size // d, d // e, e) for e, d in itertools.combinations(lines, 2) if d % e == 0]
    fields = [(k, size // (k * d), d) for d in lines for k in _FIELDS if size % (k * d) == 0]
    return [(size,), *planes, *dict.fromkeys(boxes + fields)]


_FIELDS = (2, 3)  # how many arrays of one shape may be joined to a vector, as those of a system of equations are
_LONG_ROW = 32  # entries, of a row whose distances tell nothing
_MOST_DISTANCES = 4


def _distances(sample: Dependence) -> list[int]:
    """Return the most frequent distances above 1 between two entries of a row."""
    lengths = np.diff(sample.indptr)
    counts: Counter[int] = Counter()
    for row in np.flatnonzero((lengths > 1) & (lengths <= _LONG_ROW))[:: max(1, len(lengths) // 200)]:
        own = sample.indices[sample.indptr[row] : sample.indptr[row + 1]]
        counts.update((own[:, None] - own)[np.tril_indices(len(own), -1)].tolist())
    return [distance for distance, _ in counts.most_common(2 * _MOST_DISTANCES) if distance > 1][:_MOST_DISTANCES]


def _modular(indices: Any, steps: Sequence[int], count: int) -> Indices:
    total = sum(step * index for step, index in zip(steps, indices, strict=True))
    return np.asarray(total % count, np.intp)


def row_numbers(pattern: Dependence) -> Indices:
    return np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))


def _is_valid(rows: Indices, colors: Indices, height: int, count: int) -> bool:
    """Return whether no row has two entries of one colour."""
    seen = np.zeros(height * count, bool)
    seen[rows * count + colors] = True
    return int(np.count_nonzero(seen)) == len(rows)
