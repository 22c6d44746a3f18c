"""Schedules in stages: learning rates that fall at given steps, start over, or rise before they fall."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Sequence
from typing import Any, Literal

from tapenet.core.argument_checks import checked_choice, checked_count, checked_number, shown
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.optim.schedules import MadeSchedule, Schedule

Shape = Literal["cosine", "linear"]


def step_decay(init: float, rate: float, steps: int) -> Schedule:
    """Make the schedule that is multiplied by `rate` after every `steps` steps.

        init * rate ** (step // steps)

    Args:
        init: number of at least 0, the first learning rate.
        rate: number in [0, 1].
        steps: integer of at least 1, how long each learning rate lasts.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number, or `steps` that is not an integer.

    >>> schedule = step_decay(1.0, rate=0.5, steps=2)
    >>> [schedule(step) for step in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """
    steps = checked_count("step_decay", "steps", steps)
    return MadeSchedule(_step_decay, **_fall("step_decay", init, rate), steps=steps)


def multistep_decay(init: float, rate: float, at: Sequence[int]) -> Schedule:
    """Make the schedule that is multiplied by `rate` at each of the steps `at`.

        init * rate ** (how many of `at` are <= step)

    Args:
        init: number of at least 0, the first learning rate.
        rate: number in [0, 1].
        at: integers of at least 0, in any order; one that comes twice counts twice.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number, or `at` that is not a sequence of integers.

    >>> schedule = multistep_decay(1.0, rate=0.5, at=[2, 5])
    >>> [schedule(step) for step in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.5, 0.25]
    """
    if not isinstance(at, Sequence) or isinstance(at, str):
        raise ArgumentTypeError(f"multistep_decay: at must be a sequence of ints; got {shown(at)}.")
    steps = sorted(checked_count("multistep_decay", f"at[{i}]", step, 0) for i, step in enumerate(at))
    return MadeSchedule(_multistep_decay, **_fall("multistep_decay", init, rate), at=tuple(steps))


def polynomial_decay(init: float, steps: int, power: float = 1.0, final: float = 0.0) -> Schedule:
    """Make the schedule that falls from `init` to `final` along a power, and stays there.

        final + (init - final) * (1 - min(step / steps, 1)) ** power

    Args:
        init: number of at least 0, the first learning rate.
        steps: integer of at least 1, after how many steps `final` is reached.
        power: number above 0; 1 is `linear_decay`.
        final: number of at least 0.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number, or `steps` that is not an integer.

    >>> schedule = polynomial_decay(1.0, steps=4, power=2.0)
    >>> [schedule(step) for step in range(6)]
    [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    """
    return MadeSchedule(
        _polynomial_decay,
        init=checked_number("polynomial_decay", "init", init, "[0, inf)"),
        steps=checked_count("polynomial_decay", "steps", steps),
        power=checked_number("polynomial_decay", "power", power, "(0, inf)"),
        final=checked_number("polynomial_decay", "final", final, "[0, inf)"),
    )


def cosine_restarts(init: float, steps: int, growth: int = 1, final: float = 0.0) -> Schedule:
    """Make the schedule that falls along half a period of the cosine, and starts over (warm restarts).

        final + (init - final) * (1 + cos(pi * t / n)) / 2     t steps since the last start, n steps to the next

    Args:
        init: number of at least 0, the learning rate after each start.
        steps: integer of at least 1, how long the first fall lasts.
        growth: integer of at least 1; each fall lasts longer than the one before by this factor.
        final: number of at least 0.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number, or `steps` or `growth` that is not an integer.

    Source: Loshchilov and Hutter, 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts",
    arXiv:1608.03983, equation 5.

    >>> schedule = cosine_restarts(1.0, steps=2, growth=2)
    >>> [round(schedule(step), 3) for step in range(7)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """
    return MadeSchedule(
        _cosine_restarts,
        init=checked_number("cosine_restarts", "init", init, "[0, inf)"),
        steps=checked_count("cosine_restarts", "steps", steps),
        growth=checked_count("cosine_restarts", "growth", growth),
        final=checked_number("cosine_restarts", "final", final, "[0, inf)"),
    )


def one_cycle(
    peak: float,
    steps: int,
    rise: float = 0.3,
    start_factor: float = 25.0,
    final_factor: float = 1e4,
    shape: Shape = "cosine",
) -> Schedule:
    """Make the schedule that rises from a small learning rate to `peak`, and falls to a much smaller one.

        from peak / start_factor to peak in the first rise * steps, then to peak / start_factor / final_factor

    PyTorch's lets the momentum fall and rise against it; here the momentum stays.

    Args:
        peak: number of at least 0, the largest learning rate.
        steps: integer of at least 1, those of the whole training; after them the last learning rate stays.
        rise: number in [0, 1], the part of the steps in which it rises.
        start_factor, final_factor: numbers of at least 1.
        shape: "cosine" for halves of its period, or "linear".

    Raises:
        ArgumentError: a number out of its range, or another shape.
        ArgumentTypeError: an argument that is not a real number, or `steps` that is not an integer.

    Source: Smith and Topin, 2018, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning
    Rates", arXiv:1708.07120; with the shape and the defaults of PyTorch.

    >>> schedule = one_cycle(1.0, steps=6, rise=0.5, start_factor=2.0, final_factor=5.0, shape="linear")
    >>> [round(schedule(step), 3) for step in range(7)]
    [0.5, 0.75, 1.0, 0.7, 0.4, 0.1, 0.1]
    """
    peak = checked_number("one_cycle", "peak", peak, "[0, inf)")
    steps = checked_count("one_cycle", "steps", steps)
    start = peak / checked_number("one_cycle", "start_factor", start_factor, "[1, inf)")
    return MadeSchedule(
        _one_cycle,
        peak=peak,
        steps=steps,
        rise=checked_number("one_cycle", "rise", rise, "[0, 1]"),
        start=start,
        final=start / checked_number("one_cycle", "final_factor", final_factor, "[1, inf)"),
        shape=checked_choice("one_cycle", "shape", shape, ("cosine", "linear")),
    )


def joined(schedules: Sequence[Schedule], at: Sequence[int]) -> Schedule:
    """Make the schedule that follows one schedule after the other; each counts from its own start.

    Args:
        schedules: functions from steps to numbers.
        at: integers of at least 0 that rise, one less than schedules: where the second and the others start.

    Raises:
        ArgumentError: steps that do not rise, or too many or too few of them.
        ArgumentTypeError: a schedule that is not a function, or a step that is not an integer.

    >>> schedule = joined([step_decay(1.0, 0.5, 1), polynomial_decay(1.0, 2)], at=[2])
    >>> [schedule(step) for step in range(5)]
    [1.0, 0.5, 1.0, 0.5, 0.0]
    """
    if not isinstance(schedules, Sequence) or not schedules or not all(map(callable, schedules)):
        raise ArgumentTypeError(f"joined: schedules must be a sequence of functions; got {shown(schedules)}.")
    if not isinstance(at, Sequence) or isinstance(at, str):
        raise ArgumentTypeError(f"joined: at must be a sequence of ints; got {shown(at)}.")
    steps = tuple(checked_count("joined", f"at[{i}]", step, 0) for i, step in enumerate(at))
    if len(steps) != len(schedules) - 1 or any(a >= b for a, b in itertools.pairwise(steps)):
        raise ArgumentError(
            f"joined: at must be ints that rise, one less than schedules, {len(schedules) - 1}; got {at!r}."
        )
    return MadeSchedule(_joined, schedules=tuple(schedules), at=steps)


# ---- the schedules themselves: functions of this module, because closures cannot be pickled ----


def _fall(function: str, init: float, rate: float) -> dict[str, Any]:
    return {
        "init": checked_number(function, "init", init, "[0, inf)"),
        "rate": checked_number(function, "rate", rate, "[0, 1]"),
    }


def _step_decay(step: int, *, init: float, rate: float, steps: int) -> float:
    return init * rate ** (step // steps)


def _multistep_decay(step: int, *, init: float, rate: float, at: tuple[int, ...]) -> float:
    return init * rate ** bisect.bisect_right(at, step)


def _polynomial_decay(step: int, *, init: float, steps: int, power: float, final: float) -> float:
    return float(final + (init - final) * (1 - min(step / steps, 1)) ** power)


def _cosine_restarts(step: int, *, init: float, steps: int, growth: int, final: float) -> float:
    if growth == 1:
        step %= steps
    while step >= steps:
        step, steps = step - steps, steps * growth
    return _between(init, final, step / steps, "cosine")


def _one_cycle(step: int, *, peak: float, steps: int, rise: float, start: float, final: float, shape: Shape) -> float:
    top, end = rise * steps - 1, steps - 1
    if step <= top:
        return _between(start, peak, step / top if top else 1.0, shape)
    top = max(top, 0.0)
    return _between(peak, final, min((step - top) / (end - top), 1.0) if end > top else 1.0, shape)


def _between(begin: float, end: float, part: float, shape: Shape) -> float:
    """Return the value at a part of the way, from 0 to 1."""
    if shape == "linear":
        return begin + (end - begin) * part
    return end + (begin - end) * (1 + math.cos(math.pi * part)) / 2


def _joined(step: int, *, schedules: tuple[Schedule, ...], at: tuple[int, ...]) -> Any:
    index = bisect.bisect_right(at, step)
    return schedules[index](step - at[index - 1] if index else step)
