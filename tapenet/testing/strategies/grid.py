"""Simple numbers in an interval: what the strategies draw from."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.errors import ArgumentError

POINTS = 64  # about as many numbers lie in an interval
PARTS = 16  # and as many for each part of a complex number


def real_grid(
    function: str, low: float, high: float, away_from: Sequence[complex], margin: float, *, gap: float = 0.0
) -> list[float]:
    """Numbers of the interval and its ends, the simplest first: few binary digits, then small, then positive.

    With a `gap` they are that far from each other, and the ends are among them only where they fit.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ArgumentError(f"{function}: low must be at most high, both finite; got {low} and {high}.")
    return _sorted(
        _away(function, [x + 0.0 for x in _points(low, high, POINTS, gap)], low, high, away_from, margin), _digits
    )


def complex_grid(
    function: str,
    low: float,
    high: float,
    away_from: Sequence[complex],
    margin: float,
    *,
    off_axes: bool,
    gap: float = 0.0,
) -> list[complex]:
    """Complex numbers with parts in the interval, the simplest first."""
    axes = [0.0] if off_axes else []
    parts = _away(function, [x + 0.0 for x in _points(low, high, PARTS, gap)], low, high, axes, margin)
    pool = [complex(a, b) for a in parts for b in parts]
    return _sorted(_away(function, pool, low, high, away_from, margin), lambda z: _digits(z.real) + _digits(z.imag))


@functools.cache
def grid(
    function: str,
    dtype: np.dtype[Any],
    low: float,
    high: float,
    away_from: tuple[complex, ...],
    margin: float,
    *,
    off_axes: bool = False,
    gap: float = 0.0,
) -> Sequence[Any]:
    """Return the numbers for a dtype."""
    if dtype.kind == "c":
        return complex_grid(function, low, high, away_from, margin, off_axes=off_axes, gap=gap)
    if dtype.kind == "f":
        return real_grid(function, low, high, away_from, margin, gap=gap)
    raise ArgumentError(f"{function}: dtype must be float or complex; got {dtype}.")


def _points(low: float, high: float, count: int, gap: float) -> set[float]:
    if low == high:
        return {low}
    spacing = 2.0 ** max(math.floor(math.log2((high - low) / count)), math.ceil(math.log2(gap)) if gap else -1000)
    inside = {k * spacing for k in range(math.ceil(low / spacing), math.floor(high / spacing) + 1)}
    return inside if gap else inside | {low, high}


def _away(
    function: str, pool: list[Any], low: float, high: float, points: Sequence[complex], margin: float
) -> list[Any]:
    kept = [x for x in pool if all(abs(x - point) >= margin for point in points)]
    if not kept:
        raise ArgumentError(
            f"{function}: there must be numbers from {low} to {high} that are {margin} away from {list(points)}; "
            "got none. Choose a smaller margin or a wider interval."
        )
    return kept


def _sorted(pool: list[Any], digits: Any) -> list[Any]:
    return sorted(pool, key=lambda x: (digits(x), abs(x), x.real < 0, x.imag < 0))


def _digits(x: float) -> int:
    """Return how many binary digits a number has behind its point."""
    return x.as_integer_ratio()[1].bit_length()
