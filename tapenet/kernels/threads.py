"""A few threads for work on large arrays: NumPy lets other threads run while it computes.

Matrix products have threads of their own, inside BLAS; these are for copies and elementwise passes, and for work that
mixes such with many products of middling size. Work is cut along one axis into independent slices, so that results do
not depend on the number of threads, beyond the rounding of sums over slices. That number is the first of

    TAPENET_NUM_THREADS, OMP_NUM_THREADS, OPENBLAS_NUM_THREADS    environment variables, when work is first shared
    the number of processors that the process may run on
"""

from __future__ import annotations

import contextlib
import contextvars
import ctypes
import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import cast

import attrs

from tapenet.kernels import blas

# Bytes read and written by each thread: with less, waking it costs more than it saves.
WORTH_SHARING = 2**21

_inside = threading.local()  # whether this thread is working on a share: shares are not shared again


def share(work: Callable[[slice], object], count: int, size: int, least: int | None = None) -> None:
    """Call `work` on slices that make up range(count), on several threads where that is worth it.

    Args:
        work: takes a slice; slices must be independent of each other. Never called with an empty one.
        count: the length of the axis that is cut.
        size: how many bytes all of the work reads and writes, about.
        least: how many of them are worth a thread.
    """
    parts = min(thread_count(), count, size // (least or WORTH_SHARING))
    if parts < 2 or _inside_share():
        if count:
            work(slice(0, count))
        return
    bounds = [count * i // parts for i in range(parts + 1)]
    slices = [slice(begin, end) for begin, end in itertools.pairwise(bounds)]
    _placement.move_away()
    # Contexts carry NumPy's error settings over; one context cannot run in two threads.
    others = [_pool().submit(contextvars.copy_context().run, _share, work, part) for part in slices[1:]]
    try:
        _share(work, slices[0])
    finally:
        _wait(others)


def share_products(work: Callable[[slice], object], count: int, size: int, least: int | None = None) -> None:
    """`share` work that is mostly matrix products: each thread makes its own, by a BLAS without threads.

    Where the work cannot be cut, or BLAS cannot be told so, BLAS keeps its threads, and the work is not shared.
    """
    if count < 2 or _inside_share() or not blas.is_controllable():
        if count:
            work(slice(0, count))
        return
    with blas.single_threaded:
        share(work, count, size, least)


def _inside_share() -> bool:
    return getattr(_inside, "share", False)


def _share(work: Callable[[slice], object], part: slice) -> None:
    _inside.share = True
    try:
        work(part)
    finally:
        _inside.share = False


def _wait(others: list[Future[None]]) -> None:
    """Wait until all are done, whatever becomes of them, then raise what the first one raised."""
    errors = [other.exception() for other in others]
    for error in errors:
        if error is not None:
            raise error


@cache
def thread_count() -> int:
    """How many threads work is shared among."""
    for name in ("TAPENET_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        setting = os.environ.get(name, "").split(",")[0].strip()
        if setting.isdecimal() and int(setting) > 0:
            return int(setting)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_count() - 1, thread_name_prefix="tapenet", initializer=_placement.add_thread)


@attrs.define
class _Placement:
    """The processors that the pool's threads may run on: all but that of the thread whose work they share.

    Linux may wake a thread on the processor of the thread that wakes it, there to wait until that one is done with its
    own share. On virtual machines that is the rule after a pause, and stays so for many wakings.
    """

    threads: dict[int, set[int]] = attrs.field(factory=dict)  # with the processors that each started with
    avoided: int | None = None  # the processor

    def add_thread(self) -> None:
        """Place the calling thread, which is the pool's."""
        if hasattr(os, "sched_getaffinity"):
            thread = threading.get_native_id()
            self.threads[thread] = os.sched_getaffinity(0)
            self._place(thread)

    def move_away(self) -> None:
        """Place the pool's threads away from the calling one."""
        processor = _processor()
        if processor != self.avoided:
            self.avoided = processor
            for thread in list(self.threads):
                self._place(thread)

    def _place(self, thread: int) -> None:
        allowed = self.threads[thread]
        others = allowed - {self.avoided}
        if others and self.avoided is not None:
            with contextlib.suppress(OSError):  # it has ended, or the system does not allow it
                os.sched_setaffinity(thread, others)


def _find_processor() -> Callable[[], int | None]:
    """Make the function that tells which processor the calling thread runs on; it says None where none can tell."""
    if hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(AttributeError, OSError):
            return cast(Callable[[], int], ctypes.CDLL(None).sched_getcpu)
    return lambda: None


_processor = _find_processor()
_placement = _Placement()


def _forget_threads() -> None:
    """A child process has none of its parent's threads."""
    _pool.cache_clear()
    _placement.threads.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
