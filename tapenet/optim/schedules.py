"""Schedules: learning rates that change during training.

A schedule is any function from the number of steps taken, 0 at first, to a number. Optimizers take one in
place of a fixed learning rate. Those made here can be pickled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from tapenet.core.argument_checks import checked_count, checked_number
from tapenet.optim.describing import schedule_html

Schedule = Callable[[int], Any]


class MadeSchedule(partial[Any]):
    """A schedule that is made here: a function of a module with its settings, named after what made it."""

    @property
    def name(self) -> str:
        """The function that makes it."""
        return str(self.func.__name__).removeprefix("_")

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.keywords.items())
        return f"{self.name}({settings})"

    def _repr_html_(self) -> str:
        return schedule_html(self.name, self.keywords, self)


def constant(value: float) -> Schedule:
    """Make the schedule that stays at `value`.

    Args:
        value: number of at least 0.

    Raises:
        ArgumentError: the number is out of its range.
        ArgumentTypeError: the argument is not a real number.

    >>> constant(0.1)(1000)
    0.1
    """
    return MadeSchedule(_constant, value=checked_number("constant", "value", value, "[0, inf)"))


def linear_decay(init: float, steps: int, final: float = 0.0) -> Schedule:
    """Make the schedule that falls from `init` to `final` in equal steps, and stays there.

        init + (final - init) * min(step / steps, 1)

    Args:
        init: number of at least 0, the first learning rate.
        steps: integer of at least 1, after how many steps `final` is reached.
        final: number of at least 0.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number, or `steps` that is not an integer.

    >>> schedule = linear_decay(1.0, steps=4)
    >>> [schedule(step) for step in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """
    return MadeSchedule(_linear_decay, **_decay("linear_decay", init, steps, final))


def cosine_decay(init: float, steps: int, final: float = 0.0) -> Schedule:
    """Make the schedule that falls from `init` to `final` along half a period of the cosine, and stays there.

        final + (init - final) * (1 + cos(pi * min(step / steps, 1))) / 2

    Args:
        init: number of at least 0, the first learning rate.
        steps: integer of at least 1, after how many steps `final` is reached.
        final: number of at least 0.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number, or `steps` that is not an integer.

    Source: Loshchilov and Hutter, 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts",
    arXiv:1608.03983, equation 5, without restarts.

    >>> schedule = cosine_decay(1.0, steps=4)
    >>> [round(schedule(step), 3) for step in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    return MadeSchedule(_cosine_decay, **_decay("cosine_decay", init, steps, final))


def exponential_decay(init: float, rate: float, steps: int = 1) -> Schedule:
    """Make the schedule that is multiplied by `rate` over every `steps` steps, continuously.

        init * rate ** (step / steps)

    Args:
        init: number of at least 0, the first learning rate.
        rate: number in [0, 1].
        steps: integer of at least 1, over how many steps one factor of `rate` is spread.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number, or `steps` that is not an integer.

    >>> schedule = exponential_decay(1.0, rate=0.25, steps=2)
    >>> [schedule(step) for step in range(5)]
    [1.0, 0.5, 0.25, 0.125, 0.0625]
    """
    steps = checked_count("exponential_decay", "steps", steps)
    init = checked_number("exponential_decay", "init", init, "[0, inf)")
    rate = checked_number("exponential_decay", "rate", rate, "[0, 1]")
    return MadeSchedule(_exponential_decay, init=init, rate=rate, steps=steps)


def warmup(schedule: float | Schedule, steps: int) -> Schedule:
    """Make the schedule that rises to another one in equal steps, and then follows it.

        schedule(step) * min((step + 1) / steps, 1)

    The other schedule is not put off: it goes on counting from the first step, so that its own length stays
    that of the training.

    Args:
        schedule: number of at least 0, or a schedule.
        steps: integer of at least 0; the full learning rate is reached in that step.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: `schedule` is neither a number nor a function, or `steps` no integer.

    Source: Goyal et al., 2017, "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour",
    arXiv:1706.02677, section 2.2 (gradual warmup).

    >>> schedule = warmup(1.0, steps=4)
    >>> [schedule(step) for step in range(6)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """
    steps = checked_count("warmup", "steps", steps, 0)
    if not callable(schedule):
        wanted = "a number or a schedule (step -> number)"
        schedule = MadeSchedule(_constant, value=checked_number("warmup", "schedule", schedule, "[0, inf)", wanted))
    return MadeSchedule(_warmup, schedule=schedule, steps=steps)


# ---- the schedules themselves: functions of this module, because closures cannot be pickled ----


def _constant(_step: int, *, value: float) -> float:
    return value


def _linear_decay(step: int, *, init: float, steps: int, final: float) -> float:
    return init + (final - init) * min(step / steps, 1)


def _cosine_decay(step: int, *, init: float, steps: int, final: float) -> float:
    return final + (init - final) * (1 + math.cos(math.pi * min(step / steps, 1))) / 2


def _exponential_decay(step: int, *, init: float, rate: float, steps: int) -> float:
    return float(init * rate ** (step / steps))


def _warmup(step: int, *, schedule: Schedule, steps: int) -> Any:
    return schedule(step) * (step + 1) / steps if step < steps else schedule(step)


def _decay(function: str, init: float, steps: int, final: float) -> dict[str, Any]:
    return {
        "init": checked_number(function, "init", init, "[0, inf)"),
        "steps": checked_count(function, "steps", steps),
        "final": checked_number(function, "final", final, "[0, inf)"),
    }
