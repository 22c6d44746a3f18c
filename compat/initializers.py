"""Starting values, from NumPy's global generator: `numpy.random.seed` repeats a run, as it did."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.errors import ArgumentError

Shape = int | Sequence[int | float]


def UniformInit(shape: Shape, low: float = -0.5, high: float = 0.5) -> np.ndarray[Any, Any]:
    """Draw float64 values uniformly from [low, high).

    Args:
        shape: whole numbers; 16.0 counts as one, for scripts whose `W / 2` was an int in Python 2.

    >>> UniformInit([2, 3]).shape
    (2, 3)
    """
    return np.random.uniform(low, high, _sizes("UniformInit", shape))  # noqa: NPY002  scripts seed the global one


def NormalInit(shape: Shape, loc: float = 0, scale: float = 1.0) -> np.ndarray[Any, Any]:
    """Draw float64 values from the normal distribution.

    Args:
        shape: whole numbers, as for `UniformInit`.
        loc, scale: mean and standard deviation.

    >>> NormalInit([2, 4 / 2]).shape
    (2, 2)
    """
    return np.random.normal(loc, scale, _sizes("NormalInit", shape))  # noqa: NPY002  scripts seed the global one


def _sizes(function: str, shape: Shape) -> tuple[int, ...]:
    sizes: Any = shape if np.iterable(shape) else (shape,)
    try:
        return tuple(int(n) if isinstance(n, float) and n.is_integer() else operator.index(n) for n in sizes)
    except TypeError:
        raise ArgumentError(f"{function}: shape must be whole numbers; got {shape!r}.") from None
