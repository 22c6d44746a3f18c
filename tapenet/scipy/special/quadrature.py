"""Integrals of positive functions that decay, by Gauss and Legendre's rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

NODES = 56
DECAY = 42.0  # exponents are followed down to e^-42, beyond the last digit
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(NODES)
_POINTS, _WEIGHTS = (_POINTS + 1) / 2, _WEIGHTS / 2

Exponent = Callable[[Any], tuple[Any, Any]]  # the exponent at a place, and its slope


def end_of(exponent: Exponent, start: Any, steps: int = 12) -> Any:
    """Find where a convex, increasing exponent reaches DECAY, by Newton's steps from a place beyond that."""
    place = start
    for _ in range(steps):
        value, slope = exponent(place)
        place = np.maximum(place - np.maximum(value - DECAY, 0) / slope, 0)
    return place


def nodes(end: Any) -> Iterator[tuple[Any, Any]]:
    """Give places from 0 to `end` and their weights."""
    for point, weight in zip(_POINTS, _WEIGHTS, strict=True):
        yield end * point, end * weight
