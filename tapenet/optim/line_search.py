"""The search for a point along a line that satisfies the strong Wolfe conditions.

Source: Nocedal and Wright, 2006, "Numerical Optimization", second edition, algorithms 3.5 and 3.6, equation 3.59.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import attrs

DECREASE, CURVATURE = 1e-4, 0.9  # c1 and c2 of the conditions, as is usual for quasi-Newton directions
LARGEST_GROWTH = 10.0  # of a step from one trial to the next
MARGIN = 0.1  # of an interval: nearer to its ends an interpolated point is not tried


@attrs.frozen
class Trial:
    """What was found at a distance along the line.

    Attributes:
        distance: along the direction.
        value, slope: of the function, and its derivative along the direction.
        payload: what the caller needs of this point later.
    """

    distance: float
    value: float
    slope: float
    payload: Any

    @property
    def is_finite(self) -> bool:
        """Whether the function could be evaluated."""
        return math.isfinite(self.value) and math.isfinite(self.slope)


@attrs.frozen
class Search:
    """A search along a line.

    Attributes:
        evaluate: from a distance to the trial at it.
        start: at distance 0, with a slope below 0.
        limit: the largest number of evaluations of each of the two phases.
    """

    evaluate: Callable[[float], Trial]
    start: Trial
    limit: int

    def run(self, distance: float) -> Trial:
        """Return a trial with both conditions; else the best that was found, perhaps the start."""
        last = self.start
        for _ in range(self.limit):
            trial = self.evaluate(distance)
            if not self._falls_enough(trial) or (last is not self.start and trial.value >= last.value):
                return self._between(last, trial)
            if self._is_flat(trial):
                return trial
            if trial.slope >= 0:
                return self._between(trial, last)
            last, distance = trial, distance * LARGEST_GROWTH
        return last

    def _between(self, low: Trial, high: Trial) -> Trial:
        """Narrow an interval. `low` falls enough, and is the lowest such; between it and `high` lies a solution."""
        for _ in range(self.limit):
            distance = _inside(low, high)
            if distance in (low.distance, high.distance):
                return low  # no number lies between them
            trial = self.evaluate(distance)
            if not self._falls_enough(trial) or trial.value >= low.value:
                high = trial
                continue
            if self._is_flat(trial):
                return trial
            low, high = trial, low if trial.slope * (high.distance - low.distance) >= 0 else high
        return low

    def _falls_enough(self, trial: Trial) -> bool:
        bound = self.start.value + DECREASE * trial.distance * self.start.slope
        return trial.is_finite and trial.value <= bound

    def _is_flat(self, trial: Trial) -> bool:
        return abs(trial.slope) <= -CURVATURE * self.start.slope


def _inside(low: Trial, high: Trial) -> float:
    """Return where the cubic through both ends has its minimum, kept away from the ends; else the middle."""
    width = high.distance - low.distance
    middle = low.distance + width / 2
    if not high.is_finite:
        return middle
    first = low.slope + high.slope - 3 * (low.value - high.value) / (low.distance - high.distance)
    square = first * first - low.slope * high.slope
    if square < 0:
        return middle
    second = math.copysign(math.sqrt(square), width)
    denominator = high.slope - low.slope + 2 * second
    if denominator == 0:
        return middle
    part = 1 - (high.slope + second - first) / denominator
    return low.distance + width * min(max(part, MARGIN), 1 - MARGIN)
