"""Starting values, from NumPy's global generator: `numpy.random.seed` repeats a run, as it did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import tapenet as tn

Shape = int | float | Sequence[int | float]


def UniformInit(shape: Shape, low: float = -0.5, high: float = 0.5) -> np.ndarray[Any, Any]:
    """Draw float64 values uniformly from [low, high).

    Args:
        shape: whole numbers; 16.0 counts as one, for scripts whose `W / 2` was an int in Python 2.
        low, high: the interval.

    >>> UniformInit([2, 3]).shape
    (2, 3)
    """
    return np.random.uniform(low, high, _sizes("UniformInit", shape))


def NormalInit(shape: Shape, loc: float = 0, scale: float = 1.0) -> np.ndarray[Any, Any]:
    """Draw float64 values from the normal distribution.

    Args:
        shape: whole numbers, as for `UniformInit`.
        loc, scale: mean and standard deviation.

    >>> NormalInit([2, 4 / 2]).shape
    (2, 2)
    """
    return np.random.normal(loc, scale, _sizes("NormalInit", shape))


def _sizes(function: str, shape: Shape) -> tuple[int, ...]:
    sizes = np.atleast_1d(shape)
    if sizes.ndim != 1 or np.any(sizes < 0) or np.any(sizes % 1 != 0):
        raise tn.ArgumentError(f"{function}: shape must be whole numbers, not negative; got {shape!r}.")
    return tuple(map(int, sizes))
