"""Plans: how the entries of one pattern are read off products with a few vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor
from tapenet.kernels.memory import empty
from tapenet.transforms.sparse.coloring import Coloring
from tapenet.transforms.sparse.links import Dependence, Indices
from tapenet.transforms.sparse.orderings import row_numbers
from tapenet.transforms.sparse.required import sparse
from tapenet.transforms.sparse.stars import reads_of

Products = Callable[[Array], Array]  # from seeds (k, elements) to products (k, elements of the other end)

MOST_ELEMENTS = 1 << 22  # of the seeds of one walk, and of its products: 32 MB each
# The same for walks that are not compiled: each operation goes through memory then, and what the cache holds takes a
# third of the time (measured at 10^5 elements).
MOST_IN_CACHE = 1 << 17


@attrs.frozen(eq=False)
class Chunk:
    """One walk, and what is read off its products.

    Attributes:
        shape: of the seeds: the number of colours, and of elements.
        colors: of the elements that are in a seed, counted from the chunk's first.
        elements: their numbers.
        places: for each entry its place among the elements of all products.
        entries: the numbers of the entries, in CSR order of the matrix.
        seeds: by dtype, those that were made: one read-only array for all calls, which a program takes as a constant.
    """

    shape: tuple[int, int]
    colors: Indices
    elements: Indices
    places: Indices
    entries: Indices
    seeds: dict[Any, Array] = attrs.field(factory=dict, init=False)

    def values(self, products: Products, dtype: Any) -> Array:
        """Return the entries, from what computes products."""
        return taken(self.products(products, dtype), self.places)

    def products(self, products: Products, dtype: Any) -> Array:
        """Return the products, one after the other, from what computes them."""
        seeds = self.seeds.get(dtype)
        if seeds is None:
            seeds = np.zeros(self.shape, dtype)
            seeds[self.colors, self.elements] = 1
            self.seeds[dtype] = constant(seeds)
        return products(seeds).reshape(-1)


def copied(x: Indices) -> Indices:
    """Return a copy, in memory that is used again once no matrix holds it."""
    made: Indices = empty(x.shape, x.dtype)
    np.copyto(made, x)
    return made


def constant(x: Indices) -> Indices:
    """Return an array as one that is not written to."""
    x.flags.writeable = False
    return x


def taken(x: Array, places: Indices) -> Array:
    """Return elements of a vector."""
    if type(x) is Tensor:
        return x[places]
    return np.take(x, places, out=empty(places.shape, x.dtype), mode="clip")  # as "raise" copies its `out`


@attrs.frozen(eq=False)
class Plan:
    """How the entries of a pattern are computed.

    Attributes:
        pattern: canonical boolean CSR matrix.
        coloring: of it.
        forward: the walks forward.
        reverse: the walks backward.
        is_stacked: whether all products are kept and the entries read off them at once: each product is read as a
            stream then. Not where they are much larger than the matrix.
        order: the place of each entry among all products, or among what is read off one after the other.
    """

    pattern: Dependence
    coloring: Coloring
    forward: tuple[Chunk, ...]
    reverse: tuple[Chunk, ...]
    is_stacked: bool
    order: Indices

    def matrix(self, data: Any) -> Any:
        """Return the matrix of these entries, which shares nothing with the plan."""
        made = sparse.csr_array((data, copied(self.pattern.indices), copied(self.pattern.indptr)), self.pattern.shape)
        made.has_canonical_format = True
        return made

    def values(self, push: Products, pull: Products, push_dtype: Any, pull_dtype: Any) -> Array:
        """Return the entries, from what computes products forward and backward of seeds of these dtypes."""
        read = Chunk.products if self.is_stacked else Chunk.values
        pieces = [read(chunk, push, push_dtype) for chunk in self.forward]
        pieces += [read(chunk, pull, pull_dtype) for chunk in self.reverse]
        if not pieces:
            return np.zeros(0, np.result_type(push_dtype, pull_dtype))
        return taken(pieces[0] if len(pieces) == 1 else _joined(pieces), self.order)


def _joined(pieces: Sequence[Array]) -> Array:
    """Return vectors as one."""
    if any(type(piece) is Tensor for piece in pieces):
        return np.concatenate(pieces)
    return np.concatenate(pieces, out=empty((sum(map(len, pieces)),), np.result_type(*pieces)))


def plan_of(pattern: Dependence, coloring: Coloring, step: Callable[[int], int]) -> Plan:
    """Return the plan of a coloured pattern; `step` gives how many colours one walk carries, for a size."""
    rows, columns = row_numbers(pattern), pattern.indices.astype(np.intp)
    entries = np.arange(len(rows))
    if coloring.kind == "star":
        places, groups = reads_of(pattern, coloring.columns)
        products = _chunks(coloring.columns, pattern.shape[0], groups, places, entries, step)
        return _ordered(pattern, coloring, products, ())
    is_reverse = coloring.rows[rows] >= 0 if coloring.rows.size else np.zeros(len(rows), bool)
    forward: tuple[Chunk, ...] = ()
    reverse: tuple[Chunk, ...] = ()
    if coloring.column_count:
        own = entries[~is_reverse]
        groups = coloring.columns[columns[own]]
        forward = _chunks(coloring.columns, pattern.shape[0], groups, rows[own], own, step)
    if coloring.row_count:
        own = entries[is_reverse]
        reverse = _chunks(coloring.rows, pattern.shape[1], coloring.rows[rows[own]], columns[own], own, step)
    return _ordered(pattern, coloring, forward, reverse)


_MOST_STACKED = 4  # times the size of the matrix's data


def _ordered(pattern: Dependence, coloring: Coloring, forward: tuple[Chunk, ...], reverse: tuple[Chunk, ...]) -> Plan:
    """Return the plan of these walks."""
    sizes = [chunk.shape[0] * pattern.shape[0] for chunk in forward]
    sizes += [chunk.shape[0] * pattern.shape[1] for chunk in reverse]
    is_stacked = sum(sizes) <= _MOST_STACKED * pattern.nnz
    order = np.empty(pattern.nnz, np.intp)
    first = 0
    for chunk, size in zip((*forward, *reverse), sizes, strict=True):
        order[chunk.entries] = first + (chunk.places if is_stacked else np.arange(len(chunk.entries)))
        first += size if is_stacked else len(chunk.entries)
    return Plan(pattern, coloring, forward, reverse, is_stacked, constant(order))


def _chunks(
    colors: Indices, size: int, groups: Indices, places: Indices, entries: Indices, step_for: Callable[[int], int]
) -> tuple[Chunk, ...]:
    """Return the walks of one direction.

    Args:
        colors: of the elements that seeds are of.
        size: the number of elements of a product.
        groups: for each entry the colour whose product it is read off.
        places: for each entry its element of the product.
        entries: the numbers of the entries.
        step_for: how many colours one walk carries, of seeds or products of a size.
    """
    count = int(colors.max(initial=-1)) + 1
    step = step_for(max(size, len(colors)))
    made = []
    for start in range(0, count, step):
        stop = min(start + step, count)
        elements = np.flatnonzero((colors >= start) & (colors < stop))
        own = np.flatnonzero((groups >= start) & (groups < stop))
        read = (groups[own] - start) * size + places[own]
        seeds = colors[elements] - start
        made.append(Chunk((stop - start, len(colors)), seeds, elements, constant(read), entries[own]))
    return tuple(made)
