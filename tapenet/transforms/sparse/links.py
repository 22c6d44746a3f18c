"""Links: which elements of a record's output depend on which elements of one operand.

A *dependence* is a boolean CSR matrix with one row for each element of a value, in C order, and one column for each
element of x: where an entry is absent, the derivative is zero. A link takes the dependence of an operand to what it
contributes to that of the output. It is an index map wherever it can be: a product of sparse matrices costs several
times as much.
"""

from __future__ import annotations

from typing import Any, Protocol

import attrs
import numpy as np

from tapenet.errors import ArgumentError
from tapenet.transforms.sparse.required import sparse

Dependence = Any  # scipy.sparse.csr_array of bool; SciPy's classes have no types here
Indices = np.ndarray[Any, np.dtype[np.intp]]

MOST_ENTRIES = 10**8  # of the dependence of one value, which take half a gigabyte


class Link(Protocol):
    """What takes the dependence of an operand to that of the output."""

    def apply(self, of: Dependence) -> Dependence:
        """Return the dependence of the output by this operand."""


@attrs.frozen(eq=False)
class Same:
    """Element i of the output depends on element i of the operand."""

    def apply(self, of: Dependence) -> Dependence:
        """Return the dependence itself."""
        return of


@attrs.frozen(eq=False)
class Rows:
    """Each element of the output depends on one element of the operand, or on none where its index is -1."""

    index: Indices

    def apply(self, of: Dependence) -> Dependence:
        """Return the rows of the dependence at the indices."""
        return rows_of(of, self.index)


@attrs.frozen(eq=False)
class Pairs:
    """Element `out[p]` of the output, of `size`, depends on element `source[p]` of the operand, for each p."""

    out: Indices
    source: Indices
    size: int

    def apply(self, of: Dependence) -> Dependence:
        """Return the product of the pairs' matrix and the dependence."""
        return matrix_of(self.out, self.source, (self.size, of.shape[0])) @ of


@attrs.frozen(eq=False)
class Groups:
    """Each element of the output depends on all elements of the operand in its group; group -1 is none.

    Attributes:
        of_source: the group of each element of the operand.
        of_out: the group of each element of the output.
        count: the number of groups.
    """

    of_source: Indices
    of_out: Indices
    count: int

    def apply(self, of: Dependence) -> Dependence:
        """Return the union of each group's rows, spread over the elements of the output."""
        return rows_of(union_of_groups(of, self.of_source, self.count), self.of_out)


def matrix_of(rows: Indices, columns: Indices, shape: tuple[int, int]) -> Dependence:
    """Return the boolean matrix with entries at these places."""
    return sparse.csr_array((np.ones(len(rows), bool), (rows, columns)), shape)


def union_of_groups(of: Dependence, groups: Indices, count: int) -> Dependence:
    """Return one row for each group, the union of its rows."""
    source = np.flatnonzero(groups >= 0)
    return matrix_of(groups[source], source, (count, of.shape[0])) @ of


def rows_of(of: Dependence, index: Indices) -> Dependence:
    """Return these rows of a dependence; an index of -1 gives an empty one."""
    lengths = np.diff(of.indptr)
    wanted = np.where(index >= 0, lengths[index], 0) if lengths.size else np.zeros(len(index), int)
    total = int(wanted.sum(dtype=np.int64))
    if total > MOST_ENTRIES:
        raise ArgumentError(
            f"sparsity: a pattern must have at most {MOST_ENTRIES} entries; got {total} for a value. Pass "
            "the pattern of the Jacobian as pattern=, or take tn.jvp and tn.vjp."
        )
    found = of[index[index >= 0]]
    if found.shape[0] == len(index):
        return found
    indptr = np.zeros(len(index) + 1, found.indptr.dtype)
    np.cumsum(wanted, out=indptr[1:])
    return sparse.csr_array((found.data, found.indices, indptr), (len(index), of.shape[1]))


def united(one: Dependence | None, other: Dependence) -> Dependence:
    """Return the union of two dependences, the first of which may be missing."""
    if one is None or one is other:
        return other
    return one + other
