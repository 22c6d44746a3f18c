"""How a matrix product is cut for registers and caches."""

from __future__ import annotations

import attrs
import numpy as np


@attrs.frozen
class Blocking:
    """How a product is cut.

    Attributes:
        lanes: elements of a vector.
        rows, vectors: of a tile. Its sums, one row of the second factor and one element take all registers.
        depth: terms of the sum in a block. A tile's columns of the second factor, so many deep, fit the first cache.
        height: rows in a block; with `depth` it fits a part of the second cache.
        width: columns in a block; with `depth` it fits most of the second cache.
    """

    lanes: int
    rows: int
    vectors: int
    depth: int
    height: int
    width: int

    @classmethod
    def of(cls, char: str, vector_size: int) -> Blocking:
        """Return the cut for elements of a dtype and for vectors of `vector_size` bytes."""
        lanes = vector_size // np.dtype(char).itemsize
        rows, vectors = (8, 3) if vector_size == 64 else (4, 3)  # of 32 registers, and of 16
        return cls(lanes, rows, vectors, depth=192, height=15 * lanes, width=10 * vectors * lanes)

    @property
    def columns(self) -> int:
        """Columns of a tile."""
        return self.vectors * self.lanes

    @property
    def packed_sizes(self) -> tuple[int, int]:
        """Return how many elements are packed of the first and of the second factor at a time."""
        return (self.height + self.rows) * self.depth, (self.width + self.columns) * self.depth
