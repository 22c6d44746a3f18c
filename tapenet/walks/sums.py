"""Sums of cotangents: in buffers that the walk owns, with float16 in float32, and pieces at the cost of their size."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from tapenet.core.pieces import Piece
from tapenet.core.primitive import Array
from tapenet.core.record import Shape
from tapenet.core.tensor import Tensor
from tapenet.walks.projection import as_dtype


@attrs.define(eq=False)
class Sums:
    """The cotangents that a backward walk adds up: which of them it owns, by slot.

    Attributes:
        owned: those that are arrays of the walk's own, so that it may add to them in place.
        unfinished: those that finish has to finish, with the pieces that are held back: sums of float16, which are
            added up in float32, since a sum of ones in float16 stops at 2048, and pieces of values that are
            recorded themselves, which become one operation.
    """

    owned: set[int] = attrs.field(factory=set, init=False)
    unfinished: dict[int, list[Piece]] = attrs.field(factory=dict, init=False)

    def add_float16(self, bar: Array, contribution: Array, slot: int) -> Array:
        """Return the sum of two cotangents in float16, one of which the walk does not own, in float32."""
        self.unfinished.setdefault(slot, [])
        total = as_dtype(bar, _WIDE) + contribution
        if type(total) is np.ndarray:
            self.owned.add(slot)
        return total

    def add_piece(self, bar: Array | None, piece: Piece, slot: int, shape: Shape, dtype: Any) -> Array | None:
        """Add a piece to the cotangent of the array at a slot, and return that; a recorded piece is held back."""
        if piece.values.dtype != dtype:
            piece = attrs.evolve(piece, values=as_dtype(piece.values, dtype))
        if type(bar) is Tensor or any(type(x) is Tensor for x in (piece.values, *piece.arrays)):
            self.unfinished.setdefault(slot, []).append(piece)
            return bar
        if bar is None or slot not in self.owned:
            bar = self._own_buffer(bar, slot, shape, dtype)
        piece.assembly.add_into(bar, piece)
        return bar

    def _own_buffer(self, bar: Array | None, slot: int, shape: Shape, dtype: Any) -> np.ndarray[Any, Any]:
        """Return an array of the walk's own that holds a cotangent so far."""
        self.owned.add(slot)
        if dtype.char == "e":
            self.unfinished.setdefault(slot, [])
            dtype = _WIDE
        # A copy: what came so far may be a view of another cotangent, and is not to be written to.
        return np.zeros(shape, dtype) if bar is None else np.array(bar, dtype, order="C")

    def finish(self, bar: Array | None, slot: int, shape: Shape, dtype: Any) -> Array | None:
        """Return the whole cotangent of a value, in its dtype."""
        pieces = self.unfinished.pop(slot)
        if pieces:
            total = pieces[0].assembly.assembled(pieces, shape)
            bar = total if bar is None else bar + total
        return None if bar is None else as_dtype(bar, dtype)


_WIDE = np.dtype(np.float32)
