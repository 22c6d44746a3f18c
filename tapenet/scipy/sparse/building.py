"""Sparse arrays made of diagonals, and of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import scipy.sparse

import tapenet.numpy as tnp
from tapenet.errors import ArgumentError
from tapenet.scipy.placing import published
from tapenet.scipy.sparse.arrays import SparseArray, as_sparse, collected, on_tape
from tapenet.scipy.sparse.patterns import Pattern


def diags_array(
    diagonals: Any, /, *, offsets: Any = 0, shape: Any = None, format: Any = None, dtype: Any = None
) -> Any:
    if not on_tape(diagonals):
        return scipy.sparse.diags_array(diagonals, offsets=offsets, shape=shape, format=format, dtype=dtype)
    listed = [diagonals] if np.ndim(offsets) == 0 else list(diagonals)
    places = np.atleast_1d(offsets).tolist()
    if len(places) != len(listed):
        raise ArgumentError(
            f"sparse.diags_array: diagonals must be as many as offsets; got {len(listed)} and {len(places)}."
        )
    listed = [tnp.asarray(one) for one in listed]
    if any(one.ndim != 1 for one in listed):
        raise ArgumentError(f"sparse.diags_array: diagonals must be vectors; got shapes {[x.shape for x in listed]}.")
    if shape is None:
        size = listed[0].shape[0] + abs(places[0])
        shape = size, size
    rows, columns, parts = [], [], []
    for one, offset in zip(listed, places, strict=True):
        length = min(shape[0] + min(offset, 0), shape[1] - max(offset, 0))
        if one.shape[0] not in (1, length):
            raise ArgumentError(
                f"sparse.diags_array: the diagonal at offset {offset} must have {length} elements, or 1; got shape "
                f"{one.shape}."
            )
        along = np.arange(length)
        rows.append(along - min(offset, 0))
        columns.append(along + max(offset, 0))
        parts.append(tnp.broadcast_to(one, (length,)))
    pattern = Pattern("coo", (np.concatenate(rows), np.concatenate(columns)), tuple(shape))
    found = SparseArray(tnp.concatenate(parts) if dtype is None else tnp.concatenate(parts).astype(dtype), pattern)
    return found.asformat(format)


published(diags_array, scipy.sparse, "diags_array", "Derivative: that of the elements of the diagonals.")


def diags(diagonals: Any, offsets: Any = 0, shape: Any = None, format: Any = None, dtype: Any = None) -> Any:
    if not on_tape(diagonals):
        return scipy.sparse.diags(diagonals, offsets, shape, format, dtype)
    return _as_matrix(diags_array(diagonals, offsets=offsets, shape=shape, format=format, dtype=dtype))


published(diags, scipy.sparse, "diags", "Derivative: that of the elements of the diagonals.")


def _as_matrix(made: SparseArray) -> SparseArray:
    return attrs.evolve(made, is_matrix=True)


# ---- of others ----


def _placed(name: str, parts: Sequence[tuple[SparseArray, int, int]], shape: tuple[int, int], format: Any) -> Any:
    """Return the array of others, each moved down and to the right."""
    rows = [part.pattern.coordinates[0] + down for part, down, _ in parts]
    columns = [part.pattern.coordinates[1] + right for part, _, right in parts]
    pattern = Pattern("coo", (np.concatenate(rows), np.concatenate(columns)), shape)
    is_matrix = all(part.is_matrix for part, _, _ in parts)
    made = SparseArray(tnp.concatenate([part.data for part, _, _ in parts]), pattern, is_matrix)
    if format not in (None, "coo", "csr", "csc"):
        raise ArgumentError(f"sparse.{name}: format must be 'coo', 'csr' or 'csc' on a tape; got {format!r}.")
    return made.asformat(format)


def _of_dtype(made: SparseArray, dtype: Any) -> SparseArray:
    return made if dtype is None else attrs.evolve(made, data=made.data.astype(dtype))


def _size(name: str, sizes: Sequence[int], label: str) -> int:
    if len(set(sizes)) != 1:
        raise ArgumentError(f"sparse.{name}: blocks beside each other must have as many {label}; got {sizes}.")
    return sizes[0]


def _blocks(name: str, blocks: Any, format: Any, dtype: Any) -> Any:
    table = [[None if one is None else as_sparse(f"sparse.{name}", one) for one in row] for row in blocks]
    if not table or len({len(row) for row in table}) != 1:
        raise ArgumentError(f"sparse.{name}: blocks must be rows of one length; got {[len(row) for row in table]}.")
    present = [[one for one in row if one is not None] for row in table]
    columns = [[row[j] for row in table if row[j] is not None] for j in range(len(table[0]))]
    if not all(present) or not all(columns):
        raise ArgumentError(f"sparse.{name}: each row and column of blocks must have a block that is not None.")
    heights = [_size(name, [one.shape[0] for one in row], "rows") for row in present]
    widths = [_size(name, [one.shape[1] for one in column if one is not None], "columns") for column in columns]
    down, right = np.cumsum([0, *heights]), np.cumsum([0, *widths])
    parts = [
        (one, int(down[i]), int(right[j]))
        for i, row in enumerate(table)
        for j, one in enumerate(row)
        if one is not None
    ]
    return _of_dtype(_placed(name, parts, (int(down[-1]), int(right[-1])), format), dtype)


def block_array(blocks: Any, *, format: Any = None, dtype: Any = None) -> Any:
    if not on_tape(blocks):
        return scipy.sparse.block_array(blocks, format=format, dtype=dtype)
    return _blocks("block_array", blocks, format, dtype)


def bmat(blocks: Any, format: Any = None, dtype: Any = None) -> Any:
    return _blocks("bmat", blocks, format, dtype) if on_tape(blocks) else scipy.sparse.bmat(blocks, format, dtype)


def hstack(blocks: Any, format: Any = None, dtype: Any = None) -> Any:
    if not on_tape(blocks):
        return scipy.sparse.hstack(blocks, format, dtype)
    return _blocks("hstack", [list(blocks)], format, dtype)


def vstack(blocks: Any, format: Any = None, dtype: Any = None) -> Any:
    if not on_tape(blocks):
        return scipy.sparse.vstack(blocks, format, dtype)
    return _blocks("vstack", [[one] for one in blocks], format, dtype)


def block_diag(mats: Any, format: Any = None, dtype: Any = None) -> Any:
    if not on_tape(mats):
        return scipy.sparse.block_diag(mats, format, dtype)
    parts = [as_sparse("sparse.block_diag", tnp.atleast_2d(one) if np.ndim(one) < 2 else one) for one in mats]
    down, right = (np.cumsum([0, *(part.shape[axis] for part in parts)]).tolist() for axis in (0, 1))
    placed = [(part, down[i], right[i]) for i, part in enumerate(parts)]
    return _of_dtype(_placed("block_diag", placed, (down[-1], right[-1]), format), dtype)


def kron(A: Any, B: Any, format: Any = None) -> Any:
    if not on_tape(A, B):
        return scipy.sparse.kron(A, B, format)
    return _kron(as_sparse("sparse.kron", A), as_sparse("sparse.kron", B)).asformat(format)


def _kron(a: SparseArray, b: SparseArray) -> SparseArray:
    pairs = zip(a.pattern.coordinates, b.pattern.coordinates, b.shape, strict=True)
    rows, columns = (np.ravel(mine[:, None] * size + theirs) for mine, theirs, size in pairs)
    shape = a.shape[0] * b.shape[0], a.shape[1] * b.shape[1]
    data = tnp.ravel(a.data[:, None] * b.data)
    return SparseArray(data, Pattern("coo", (rows, columns), shape), a.is_matrix and b.is_matrix)


def kronsum(A: Any, B: Any, format: Any = None) -> Any:
    if not on_tape(A, B):
        return scipy.sparse.kronsum(A, B, format)
    a, b = as_sparse("sparse.kronsum", A), as_sparse("sparse.kronsum", B)
    if a.shape[0] != a.shape[1] or b.shape[0] != b.shape[1]:
        raise ArgumentError(f"sparse.kronsum: A and B must be square; got shapes {a.shape} and {b.shape}.")
    first, second = (as_sparse("sparse.kronsum", scipy.sparse.identity(one.shape[0], format="coo")) for one in (b, a))
    return (_kron(first, a) + _kron(b, second)).asformat(format)


def _triangle(name: str, A: Any, k: int, format: Any, is_lower: bool) -> Any:
    a = as_sparse(f"sparse.{name}", A).tocoo()
    rows, columns = a.pattern.coordinates
    places = np.flatnonzero(columns - rows <= k if is_lower else columns - rows >= k)
    pattern = Pattern("coo", (rows[places], columns[places]), a.shape)
    return attrs.evolve(a, data=tnp.take(a.data, places, 0), pattern=pattern).asformat(format)


def tril(A: Any, k: int = 0, format: Any = None) -> Any:
    return _triangle("tril", A, k, format, True) if on_tape(A) else scipy.sparse.tril(A, k, format)


def triu(A: Any, k: int = 0, format: Any = None) -> Any:
    return _triangle("triu", A, k, format, False) if on_tape(A) else scipy.sparse.triu(A, k, format)


def find(A: Any) -> Any:
    if not on_tape(A):
        return scipy.sparse.find(A)
    a = as_sparse("sparse.find", A)
    a = collected(a.data, *a.pattern.coordinates, a.shape)
    rows, columns = a.pattern.coordinates
    return rows, columns, a.data


for _function in (block_array, bmat, hstack, vstack, block_diag, kron, kronsum, tril, triu):
    published(_function, scipy.sparse, _function.__name__, "Derivatives: by the data of all, which are placed.")
published(find, scipy.sparse, "find", "Derivative: by the data; those at one place add up, and zeros stay.")


def eye_array(m: int, n: int | None = None, *, k: int = 0, dtype: Any = float, format: Any = None) -> Any:
    return scipy.sparse.eye_array(m, n, k=k, dtype=dtype, format=format)


published(eye_array, scipy.sparse, "eye_array", "No derivative: a matrix of constants.")


def issparse(x: Any) -> bool:
    return isinstance(x, SparseArray) or bool(scipy.sparse.issparse(x))


published(issparse, scipy.sparse, "issparse", "No derivative: it looks at the type, and knows `SparseArray` too.")
