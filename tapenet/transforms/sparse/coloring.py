"""`color`: which columns and rows of a sparse matrix one product each can carry together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_choice, checked_shape
from tapenet.core.foreign import is_sparse
from tapenet.core.leaf_checks import described
from tapenet.errors import ArgumentError, ArgumentTypeError, TapenetError
from tapenet.transforms.sparse.links import Dependence, Indices
from tapenet.transforms.sparse.orderings import column_colors
from tapenet.transforms.sparse.required import sparse
from tapenet.transforms.sparse.stars import reads_of, star_colors

Kind = Literal["auto", "columns", "rows", "bidirectional", "star"]
KINDS = ("auto", "columns", "rows", "bidirectional", "star")


@attrs.frozen(eq=False)
class Coloring:
    """A colouring of the columns and rows of a pattern; made by `color`.

    Attributes:
        kind: "columns", "rows", "bidirectional" or "star".
        columns: int array, for each column its colour, -1 for none; empty for "rows".
        rows: int array, for each row its colour, -1 for none; empty for "columns" and "star".
        count: the number of colours, which is that of the products that give the matrix.
    """

    kind: str
    columns: Indices
    rows: Indices

    @property
    def column_count(self) -> int:
        """The number of colours of columns: of forward products."""
        return int(self.columns.max(initial=-1)) + 1

    @property
    def row_count(self) -> int:
        """The number of colours of rows: of reverse products."""
        return int(self.rows.max(initial=-1)) + 1

    @property
    def count(self) -> int:
        """The number of colours."""
        return self.column_count + self.row_count

    def __repr__(self) -> str:
        return f"<{self.kind} colouring, {self.count} colours>"


def color(pattern: Any, kind: Kind = "auto", *, shape: Sequence[int] = ()) -> Coloring:
    """Colour the columns or rows of a sparse matrix, such that few products give all of its entries.

    Columns of one colour have no row in common, so that one product with the sum of their unit vectors gives the
    entries of all. "rows" does the same for rows and products from the left. "bidirectional" takes rows with many
    entries out, and colours the columns of what is left: an arrow takes three. "star" is for symmetric matrices,
    whose entries may be read off on either side of the diagonal: an arrow takes two.

    Args:
        pattern: matrix of scipy.sparse, or a 2-d array, whose nonzero elements are the entries.
        kind: "columns", "rows", "bidirectional", "star", or "auto": columns, unless rows or both take fewer.
        shape: of the array whose elements the columns are (for "rows" the rows), where it has several axes: stencils
            on grids have regular colourings, the best there are.

    Returns:
        A `Coloring`: `columns`, `rows`, and `count`, the number of products.

    Raises:
        ArgumentTypeError: a pattern that is not a matrix.
        ArgumentError: an unknown kind; "star" for a pattern that is not symmetric.

    Source: Gebremedhin, Manne, Pothen, SIAM Review 47 (2005).

    >>> color(np.eye(4) + np.eye(4, k=1) + np.eye(4, k=-1)).count
    3
    """
    checked_choice("color", "kind", kind, KINDS)
    entries = checked_pattern("color", pattern)
    grid = checked_shape("color", "shape", shape)
    size = entries.shape[0 if kind == "rows" else 1]
    if grid and math.prod(grid) != size:
        raise ArgumentError(f"color: shape must be that of {size} elements; got {grid}. Leave it out for a vector.")
    return colored(entries, kind, grid, grid if kind == "rows" else ())


def colored(
    pattern: Dependence, kind: str, column_shape: Sequence[int] = (), row_shape: Sequence[int] = ()
) -> Coloring:
    """Colour a canonical pattern; the shapes are those of the arrays whose elements columns and rows are."""
    none = np.zeros(0, np.intp)
    if kind == "star":
        return _star(pattern, column_shape)
    if kind == "rows":
        return Coloring("rows", none, column_colors(_transposed(pattern), row_shape))
    by_columns = Coloring("columns", column_colors(pattern, column_shape), none)
    if kind == "columns":
        return by_columns
    best = by_columns
    # Row colours do not go below the longest column, and of a symmetric pattern they are those of the columns.
    if kind == "auto" and by_columns.count > _most_in_a_column(pattern) and not _is_symmetric(pattern):
        by_rows = Coloring("rows", none, column_colors(_transposed(pattern), row_shape))
        best = by_rows if by_rows.count < by_columns.count else by_columns
    both = _bidirectional(pattern, best.count, column_shape)
    if kind == "bidirectional":
        return both or Coloring(kind, by_columns.columns, np.full(pattern.shape[0], -1, np.intp))
    return best if both is None else both


def _most_in_a_column(pattern: Dependence) -> int:
    return int(np.bincount(pattern.indices, minlength=1).max(initial=0))


def _is_symmetric(pattern: Dependence) -> bool:
    return pattern.shape[0] == pattern.shape[1] and not (pattern != pattern.T).nnz


def _transposed(pattern: Dependence) -> Dependence:
    other = sparse.csr_array(pattern.T)
    other.sum_duplicates()
    return other


def _star(pattern: Dependence, shape: Sequence[int]) -> Coloring:
    if not _is_symmetric(pattern):
        raise ArgumentError(
            f"color: a pattern must be symmetric for a star colouring; got one of shape {pattern.shape} that is not. "
            "Pass pattern + pattern.T, or kind='columns'."
        )
    colors = star_colors(pattern, shape)
    reads_of(pattern, colors)  # proves that every entry can be read off
    return Coloring("star", colors, np.zeros(0, np.intp))


def _bidirectional(pattern: Dependence, most: int, shape: Sequence[int]) -> Coloring | None:
    """Return a colouring of the rows with most entries, and of the columns of the others; None without a gain."""
    lengths = np.diff(pattern.indptr)
    order = np.argsort(-lengths, kind="stable")
    cuts = np.unique(np.flatnonzero(np.diff(lengths[order])) + 1)  # only where rows get shorter
    bounds = [(_bound_of_cut(pattern, order, lengths, int(cut)), int(cut)) for cut in cuts[:_MOST_CUTS]]
    best = None
    for bound, cut in sorted(bounds)[:_TRIED_CUTS]:
        if bound >= most:
            break
        made = _cut(pattern, order[:cut], shape)
        if made.count < most:
            best, most = made, made.count
    return best


_MOST_CUTS = 64
_TRIED_CUTS = 3


def _bound_of_cut(pattern: Dependence, order: Indices, lengths: Indices, cut: int) -> int:
    """Return a lower bound of the colours that a cut takes: of its rows together, and of the longest that is left."""
    of_columns = np.bincount(pattern[np.sort(order[:cut])].indices, minlength=1)
    return int(of_columns.max(initial=0)) + int(lengths[order[cut]])


def _cut(pattern: Dependence, rows: Indices, shape: Sequence[int]) -> Coloring:
    """Colour these rows, and the columns of the others."""
    is_cut = np.zeros(pattern.shape[0], bool)
    is_cut[rows] = True
    own = column_colors(_transposed(pattern[is_cut]))
    row_colors = np.full(pattern.shape[0], -1, np.intp)
    row_colors[is_cut] = own
    return Coloring("bidirectional", column_colors(pattern[~is_cut], shape), row_colors)


def checked_pattern(function: str, pattern: Any) -> Dependence:
    """Return the user's pattern as a canonical boolean CSR matrix: explicit zeros are not entries."""
    try:
        given = pattern if is_sparse(type(pattern)) else np.asarray(pattern)
    except (ValueError, TypeError, TapenetError):  # ragged lists; values on a tape
        given = np.asarray(None)
    if len(given.shape) != 2 or given.dtype.kind not in "biufc":
        raise ArgumentTypeError(
            f"{function}: pattern must be a matrix of scipy.sparse or a 2-d array of numbers; got {described(pattern)}."
        )
    made = sparse.csr_array(sparse.csr_array(given) != 0)
    made.sum_duplicates()
    return made
