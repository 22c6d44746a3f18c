"""Starting values, from NumPy's global generator: `numpy.random.seed` repeats a run, as it did."""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

import tapenet as tn
from tapenet.core.argument_checks import checked_number, shown

Shape = int | float | Sequence[int | float]


def UniformInit(shape: Shape, low: float = -0.5, high: float = 0.5) -> np.ndarray[Any, Any]:
    """Draw float64 values uniformly from [low, high).

    Args:
        shape: whole numbers; 16.0 counts as one, for scripts whose `W / 2` was an int in Python 2.
        low, high: the interval.

    >>> UniformInit([2, 3]).shape
    (2, 3)
    """
    low, high = checked_number("UniformInit", "low", low), checked_number("UniformInit", "high", high)
    return np.random.uniform(low, high, _sizes("UniformInit", shape))


def NormalInit(shape: Shape, loc: float = 0, scale: float = 1.0) -> np.ndarray[Any, Any]:
    """Draw float64 values from the normal distribution.

    Args:
        shape: whole numbers, as for `UniformInit`.
        loc, scale: mean and standard deviation.

    >>> NormalInit([2, 4 / 2]).shape
    (2, 2)
    """
    loc, scale = checked_number("NormalInit", "loc", loc), checked_number("NormalInit", "scale", scale, "[0, inf)")
    return np.random.normal(loc, scale, _sizes("NormalInit", shape))


def _sizes(function: str, shape: Shape) -> tuple[int, ...]:
    whole = [_whole(size) for size in (shape if np.iterable(shape) and not isinstance(shape, str) else (shape,))]
    sizes = [size for size in whole if size is not None and size >= 0]
    if len(sizes) != len(whole) or math.prod(sizes) * 8 > sys.maxsize:
        raise tn.ArgumentError(f"{function}: shape must be whole numbers, not negative; got {shown(shape)}.")
    return tuple(sizes)


def _whole(size: Any) -> int | None:
    """Return a whole number as an int; None for anything else."""
    is_number = isinstance(size, numbers.Real) and not isinstance(size, bool)
    return int(size) if is_number and size % 1 == 0 else None
