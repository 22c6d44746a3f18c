"""Prefetching: how far it goes ahead, its end, errors in their place, and no thread that is left."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

import tapenet as tn
from tapenet.data import batches, prefetch

WAIT = 60  # seconds: only a fault lasts so long


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "tapenet-prefetch"]


class Source:
    """Counts what it has made; `made` is released for each."""

    def __init__(self, count, error=None):
        self.count, self.error, self.started = count, error, 0
        self.made = threading.Semaphore(0)

    def __len__(self):
        return self.count

    def __iter__(self):
        for i in range(self.count):
            self.started += 1
            self.made.release()
            yield i
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_items_are_those_of_the_source(size):
    data = prefetch(Source(7), size)
    assert len(data) == 7
    for _ in range(2):
        assert list(data) == [*range(7)]
    assert list(prefetch([])) == []
    assert threads() == []


@pytest.mark.parametrize("size", [1, 3])
def test_it_goes_ahead_while_an_item_is_used_and_no_further(size):
    source = Source(20)
    items = iter(prefetch(source, size))
    for i in range(10):
        assert next(items) == i
        for _ in range(size + (1 if i == 0 else 0)) if i == 0 else range(1):
            assert source.made.acquire(timeout=WAIT)  # those ahead are made although none is asked for
        assert source.started == i + 1 + size
    items.close()
    assert threads() == []


def test_an_error_comes_in_its_place():
    items = iter(prefetch(Source(2, ValueError("lost")), 5))
    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(ValueError, match="lost"):
        next(items)
    with pytest.raises(StopIteration):
        next(items)
    assert threads() == []


def test_a_loop_that_is_left_ends_the_thread():
    closed = threading.Event()

    def source():
        try:
            yield from range(100)
        finally:
            closed.set()

    for item in prefetch(source()):
        if item == 3:
            break
    gc.collect()
    assert closed.wait(WAIT)
    assert threads() == []


def test_an_iteration_that_is_never_begun_starts_no_thread():
    iter(prefetch(range(3)))
    assert threads() == []


def test_checks_hold_in_the_thread():
    """What is set for the thread that iterates is set for the one that makes."""
    with tn.checks(), np.errstate(all="ignore"):
        items = prefetch(tn.grad(lambda x: np.sqrt(x * 0))(x) for x in [1.0])
        with pytest.raises(tn.NumericalError):
            list(items)


def test_shuffled_batches_draw_before_the_thread_starts():
    """So that a step that draws from the same generator finds the same numbers with and without a thread."""
    drawn = []
    for ahead in (0, 2):
        rng = np.random.default_rng(0)
        drawn.append([(batch.tolist(), rng.random()) for batch in batches(np.arange(6), 2, rng=rng, prefetch=ahead)])
    assert drawn[0] == drawn[1]
