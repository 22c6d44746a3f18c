"""Sizes of records: bytes that they keep, and operations on numbers that they stand for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from tapenet.core.record import Entry, Kept
from tapenet.core.tensor import unwrap_batches

# ---- bytes ----


def kept_arrays(kept: Kept) -> list[Any]:
    """Return the arrays and NumPy scalars that a record keeps, also as `arrays` of a residual."""
    parts = [part for x in kept for part in (x if type(x) is tuple else getattr(x, "arrays", None) or (x,))]
    return [array for part in parts if isinstance(array := unwrap_batches(part), np.ndarray | np.generic)]


def bytes_of(arrays: Iterable[Any]) -> int:
    """Return the bytes of arrays, each counted once."""
    return sum(array.nbytes for array in {id(array): array for array in arrays}.values())


def output_bytes(entry: Entry) -> int:
    """Return the bytes of what a record computed; 0 for a tuple, whose parts are records."""
    *_, shape, dtype = entry
    return 0 if shape is None else math.prod(shape) * np.dtype(dtype).itemsize


def readable(count: float, unit: str = "B") -> str:
    """Format a number of bytes, or of something else, in three digits and a unit."""
    thousands = 0
    while count >= 999.5 and thousands < 4:
        count /= 1000
        thousands += 1
    return f"{count:.3g} {('', 'k', 'M', 'G', 'T')[thousands]}{unit}".rstrip()
