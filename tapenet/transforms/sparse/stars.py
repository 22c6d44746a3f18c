"""Star colourings of symmetric patterns: each entry of the matrix can be read off its product with the colours.

Neighbours have two colours, and every path of four vertices has three. Then of an entry (i, j) either j is the only
neighbour of i with its colour, or i is the only one of j. So a symmetric matrix takes fewer products than another: an
arrow two, in place of as many as it has columns.

Source: Gebremedhin, Tarafdar, Manne, Pothen, "New acyclic and star coloring algorithms with application to computing
Hessians", SIAM J. Sci. Comput. 29 (2007), section 4.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.transforms.sparse.links import Dependence, Indices
from tapenet.transforms.sparse.orderings import column_colors, row_numbers
from tapenet.transforms.sparse.required import sparse


def symmetric(pattern: Dependence) -> Dependence:
    """Return the union of a pattern and its transpose, canonical."""
    both = sparse.csr_array(pattern + pattern.T)
    both.sum_duplicates()
    return both


def star_colors(pattern: Dependence, shape: Any = ()) -> Indices:
    """Return a colour for each row and column of a symmetric pattern; -1 where there is no entry."""
    degrees = np.diff(pattern.indptr)
    best = column_colors(pattern, shape)  # where every entry is alone in its row, too
    for order in (np.argsort(-degrees, kind="stable"), np.arange(len(degrees))):
        found = _greedy(pattern, order)
        best = min(best, found, key=lambda colors: int(colors.max(initial=-1)))
    return np.where(degrees > 0, best, -1)


def _greedy(pattern: Dependence, order: Indices) -> Indices:
    """Colour vertex by vertex; sets of colours are integers, bit by bit.

    Of vertex w: `around[w]` the colours of its neighbours; `centres[w]` those of neighbours that have two neighbours
    of the colour of w, and so are centres of a star; `only[w]` for each colour its neighbour of that colour, and None
    once there are several.
    """
    indptr, indices = pattern.indptr.tolist(), pattern.indices.tolist()
    size = pattern.shape[0]
    colors = [-1] * size
    around, centres = [0] * size, [0] * size
    only: list[dict[int, int | None]] = [{} for _ in range(size)]
    for v in order.tolist():
        own = [w for w in indices[indptr[v] : indptr[v + 1]] if w != v]
        colored = [w for w in own if colors[w] >= 0]
        forbidden = around[v]
        for w in colored:
            forbidden |= centres[w]
            if only[v][colors[w]] is None:  # one of several of its colour: no neighbour of theirs may be like v
                forbidden |= around[w]
        bit = ~forbidden & (forbidden + 1)
        c = colors[v] = bit.bit_length() - 1
        for w in own:
            around[w] |= bit
            _meet(only[w], c, v, 1 << colors[w] if colors[w] >= 0 else 0, centres)
        for w in colored:
            if only[v][colors[w]] is None:
                centres[w] |= bit
    return np.array(colors, np.intp)


def _meet(only: dict[int, int | None], color: int, v: int, own: int, centres: list[int]) -> None:
    """Note that a vertex, whose colour is the bit `own`, has v as a neighbour of this colour."""
    if color not in only:
        only[color] = v
        return
    first = only[color]
    if own:
        centres[v] |= own
        if first is not None:
            centres[first] |= own
    only[color] = None


def reads_of(pattern: Dependence, colors: Indices) -> tuple[Indices, Indices]:
    """Return for each entry, in CSR order, the row and the colour of the product that it is read off.

    Entries that none of the two products holds alone raise a LookupError.
    """
    rows, columns = row_numbers(pattern), pattern.indices.astype(np.intp)
    count = int(colors.max(initial=-1)) + 1
    here, there = rows * count + colors[columns], columns * count + colors[rows]
    counts = np.bincount(here, minlength=len(colors) * count) if here.size else np.zeros(0, np.intp)
    is_alone, is_alone_there = counts[here] == 1, counts[there] == 1
    if not np.all(is_alone | is_alone_there):
        raise LookupError("an entry of the matrix is in no product alone")
    return np.where(is_alone, rows, columns), np.where(is_alone, colors[columns], colors[rows])
