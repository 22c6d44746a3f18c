"""How large an array is, in a few numbers: of cotangents, for explanations."""

from __future__ import annotations

import math
from typing import Any

import attrs
import numpy as np

from tapenet.core.pieces import Piece
from tapenet.core.primitive import Parts
from tapenet.core.tensor import unwrap, unwrap_batches


@attrs.frozen
class Magnitude:
    """Numbers about an array.

    Attributes:
        size: how many elements.
        zeros: how many of them are zero.
        nans: how many are NaN.
        infinities: how many are infinite.
        largest: the largest absolute value of the finite ones.
        norm: the Euclidean norm of the finite ones.
    """

    size: int
    zeros: int
    nans: int
    infinities: int
    largest: float
    norm: float

    @property
    def is_finite(self) -> bool:
        """Whether no element is NaN or infinite."""
        return not self.nans and not self.infinities

    @property
    def is_zero(self) -> bool:
        """Whether every element is zero."""
        return self.zeros == self.size


def magnitude(x: Any) -> Magnitude:
    """Return the magnitude of a cotangent: an array, a piece of one, or the parts of a tuple."""
    if type(x) is Parts:
        return _together([magnitude(part) for part in x.parts.values()])
    array = plain(x)
    absolute = np.abs(array).ravel()
    absolute = absolute.astype(np.float64) if absolute.dtype.itemsize < 8 else absolute
    nans, infinities = np.isnan(absolute), np.isinf(absolute)
    finite = absolute[~(nans | infinities)]
    largest = finite.max(initial=0)
    # scaled, so that squares neither overflow nor vanish
    norm = largest * np.sqrt(np.sum((finite / largest) ** 2)) if largest > 0 else 0.0
    zeros = absolute.size - np.count_nonzero(absolute)
    return Magnitude(absolute.size, zeros, int(nans.sum()), int(infinities.sum()), float(largest), float(norm))


def plain(x: Any) -> np.ndarray[Any, Any]:
    """Return the array of a cotangent; of a piece its elements."""
    return np.asarray(unwrap_batches(x.values if type(x) is Piece else x))


def off_tapes(x: Any) -> Any:
    """Return what a record keeps without the tapes further out that it may be on."""
    return tuple([unwrap(part) for part in x]) if type(x) is tuple else unwrap(x)


def _together(parts: list[Magnitude]) -> Magnitude:
    return Magnitude(
        sum(x.size for x in parts),
        sum(x.zeros for x in parts),
        sum(x.nans for x in parts),
        sum(x.infinities for x in parts),
        max((x.largest for x in parts), default=0.0),
        math.hypot(*(x.norm for x in parts)),
    )
