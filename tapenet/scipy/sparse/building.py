"""Sparse arrays of diagonals."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

import tapenet.numpy as tnp
from tapenet.errors import ArgumentError
from tapenet.scipy.placing import published
from tapenet.scipy.sparse.arrays import SparseArray, on_tape
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
    if shape is None:
        size = max(one.shape[0] + abs(offset) for one, offset in zip(listed, places, strict=True))
        shape = size, size
    rows, columns, parts = [], [], []
    for one, offset in zip(listed, places, strict=True):
        length = min(shape[0] + min(offset, 0), shape[1] - max(offset, 0))
        if one.ndim != 1 or one.shape[0] not in (1, length):
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


def eye_array(m: int, n: int | None = None, *, k: int = 0, dtype: Any = float, format: Any = None) -> Any:
    return scipy.sparse.eye_array(m, n, k=k, dtype=dtype, format=format)


published(eye_array, scipy.sparse, "eye_array", "No derivative: a matrix of constants.")


def issparse(x: Any) -> bool:
    return isinstance(x, SparseArray) or bool(scipy.sparse.issparse(x))


published(issparse, scipy.sparse, "issparse", "No derivative: it looks at the type, and knows `SparseArray` too.")
