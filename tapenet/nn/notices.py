"""Warnings about running statistics: used before they were ever updated, and updated for nothing."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from tapenet.core.notices import are_shown
from tapenet.core.source_lines import warn_at_user_line
from tapenet.errors import StatisticsWarning

_MOST_DROPPED = 10  # passes whose statistics may be dropped: fewer are a test, or a look at the output

# By the id of running statistics: how often passes started from them, and what the last made of them.
_STARTED: dict[int, tuple[Any, int, Any]] = {}


def note_unused(layer: str, mean: Any, var: Any) -> None:
    """Warn of inference by statistics that are what they are at first: zeros and ones."""
    if not are_shown() or not _is_first(mean, 0) or not _is_first(var, 1):
        return
    warn_at_user_line(
        f"{layer}: model(x) normalizes by running statistics that were never updated, a mean of 0 and a variance of "
        "1. Train the model first, and keep what it returns: y, model = model.train(x, rng). Or load a trained one.",
        StatisticsWarning,
    )


def _is_first(array: Any, value: int) -> bool:
    if type(array) is not np.ndarray or not array.size or array.flat[0] != value:
        return False
    return bool(np.all(array == value))


def note_dropped(layer: str, before: Any, after: Any) -> None:
    """Warn where pass after pass updates the same statistics, and what each made of them is gone at the next."""
    key = id(before)
    _, count, last = _STARTED.get(key, (None, 0, None))
    count = count + 1 if last is None or last() is None else 1
    _STARTED[key] = (weakref.ref(before, lambda _: _STARTED.pop(key, None)), count, weakref.ref(after))
    if count > _MOST_DROPPED and are_shown():
        _STARTED[key] = (weakref.ref(before, lambda _: _STARTED.pop(key, None)), 0, weakref.ref(after))
        warn_at_user_line(
            f"{layer}: {count} passes of model.train(x, rng) updated the same running statistics, and the model that "
            "each returned was dropped, so that model(x) never sees them. Keep it: y, model = model.train(x, rng); in "
            "a loss return it beside the loss, and pass has_aux=True to tn.value_and_grad.",
            StatisticsWarning,
        )
