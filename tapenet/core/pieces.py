"""Cotangents that are zero but for a piece, so that reading an array piece by piece is pulled back in linear time.

The pullback of `x[i]` is a cotangent of x that is zero except at i. As an array it would cost the size of x for
each piece. A rule returns a `Piece` instead, and the backward walk adds it into the buffer of x; where the
walk is itself recorded, all pieces of one array become one operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import attrs
import numpy as np

from tapenet.core.primitive import Array
from tapenet.core.record import Shape


class Assembly(Protocol):
    """How the pieces of one operation are added up."""

    def add_into(self, buffer: np.ndarray[Any, Any], piece: Piece) -> None:
        """Add a piece of plain values into an array."""

    def assembled(self, pieces: Sequence[Piece], shape: Shape) -> Array:
        """Return the sum of pieces as one operation."""


@attrs.frozen(eq=False)
class Piece:
    """A cotangent of an array that is zero but for the elements that an index names.

    Attributes:
        values: the cotangents of these elements; an index that repeats one adds up.
        index: the structure of the index.
        arrays: its arrays.
        assembly: adds pieces up.
    """

    shape: ClassVar[None] = None  # not that of an array, so that the walk treats it apart

    values: Array
    index: Any
    arrays: tuple[Array, ...]
    assembly: Assembly

    @property
    def dtype(self) -> Any:
        """Of the values."""
        return self.values.dtype
