"""Snapshots of what was read, and which guards travel to another process."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tapenet.core.guards import Guard, as_picklable, bitwise_equal, snapshot

SHORT = np.arange(128.0)  # 1024 bytes: the longest that is kept whole
LONG = np.arange(129.0)


def guard(answer: Any) -> Guard:
    return Guard("bool", np.any, (0,), (None,), {}, {}, 1, snapshot(answer), "program.py:1")


@pytest.mark.parametrize("answer", [True, 2.5, SHORT, (SHORT, 1), (1, (2, SHORT))])
def test_guards_of_short_answers_can_be_pickled(answer: Any) -> None:
    assert as_picklable([guard(answer)]) is not None


@pytest.mark.parametrize("answer", [LONG, (LONG, 1), (1, (2, LONG))])
def test_guards_of_hashed_answers_cannot(answer: Any) -> None:
    assert as_picklable([guard(True), guard(answer)]) is None
    assert as_picklable(None) is None


@pytest.mark.parametrize("answer", [SHORT, LONG, (LONG, 1)])
def test_a_snapshot_keeps_what_is_written_later(answer: Any) -> None:
    before = snapshot(answer)
    assert bitwise_equal(before, answer)
    array = answer[0] if isinstance(answer, tuple) else answer
    changed = array.copy()
    changed[-1] += 1
    assert not bitwise_equal(before, (changed, 1) if isinstance(answer, tuple) else changed)
    assert not bitwise_equal(before, array.astype(np.float32))
    assert not bitwise_equal(before, array.reshape(-1, 1))
