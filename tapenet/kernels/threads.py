"""A few threads for work on large arrays: NumPy lets other threads run while it computes.

Matrix products have threads of their own, inside BLAS; these are for copies, elementwise passes, and products too small
for BLAS's. Work is cut along one axis into independent parts, so that results do not depend on the number of threads,
beyond the rounding of sums over parts. `tapenet.kernels.processors` decides how many threads there are.

**A call owns its parts.** They wait in the call, and threads take them from there: the calling one, and helpers as soon
as they wake. So the call makes progress where no helper can be started or all are busy. Before it returns or raises, it
has cancelled the parts that no thread has begun and waited for those that one has: nothing is written afterwards.

Helpers are daemon threads, which wait in C code without the interpreter's lock: they serve threads that outlive the
main one, and handlers at exit, and hold nothing up. A forked child starts helpers of its own.
"""

from __future__ import annotations

import contextvars
import itertools
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import attrs

from tapenet.kernels.processors import num_threads

# Bytes read and written by each thread: with less, waking it costs more than it saves.
WORTH_SHARING = 2**21

Work = Callable[[slice], object]


class Helped(Protocol):
    """What helpers are asked to help with."""

    def help(self) -> None:
        """Do what is left to do."""


def share(work: Work, count: int, size: int, least: int | None = None) -> None:
    """Call `work` on slices that make up range(count), on several threads where that is worth it.

    Where a slice raises, those not begun are cancelled, and what it raised is raised here.

    Args:
        work: takes a slice; slices must be independent of each other. Never called with an empty one.
        count: the length of the axis that is cut.
        size: how many bytes all of the work reads and writes, about.
        least: how many of them are worth a thread.
    """
    parts = parts_of(count, size, least)
    if len(parts) > 1:
        Call.of(work, parts).run()
    elif count:
        work(slice(0, count))


def parts_of(count: int, size: int, least: int | None = None) -> list[slice]:
    """Return the slices of range(count) that `share` makes, one of all where work is not shared."""
    parts = min(num_threads(), count, size // (least or WORTH_SHARING))
    if parts < 2 or _current.call is not None:  # parts of a part are not shared again
        return [slice(0, count)]
    bounds = [count * i // parts for i in range(parts + 1)]
    return [slice(begin, end) for begin, end in itertools.pairwise(bounds)]


@attrs.define(eq=False)
class Call:
    """One shared piece of work.

    Attributes:
        work: what to do with a part.
        parts: those that no thread has taken.
        context: of the calling thread: NumPy's error settings hold in helpers too.
        running: for each helper that has come a lock, which it holds until it is done.
        errors: what helpers raised.
    """

    work: Work
    parts: deque[slice]
    context: contextvars.Context
    running: list[threading.Lock] = attrs.field(factory=list)
    errors: list[BaseException] = attrs.field(factory=list)

    @classmethod
    def of(cls, work: Work, parts: Sequence[slice]) -> Call:
        return cls(work, deque(parts), contextvars.copy_context())

    def run(self) -> None:
        """Do all parts, with as many helpers as there are other parts, if they come in time."""
        try:
            try:
                _current.call = self
                if _helpers.dismiss is not None:
                    _helpers.dismiss()
                _helpers.ask(self, len(self.parts) - 1)
                self.take()
            finally:
                self.close()
        finally:
            # Again: a signal's handler may have raised between the end of the work and the first.
            self.close()
            _current.call = None
        if self.errors:
            raise self.errors.pop(0)  # not kept: its traceback holds this call

    def take(self) -> None:
        """Do parts until none is left."""
        while self.parts:
            try:
                part = self.parts.popleft()
            except IndexError:  # another thread was faster
                return
            self.work(part)

    def help(self) -> None:
        """Do parts in a helper, which the call waits for: the lock is there before a part is taken."""
        done = threading.Lock()
        done.acquire()
        self.running.append(done)
        _current.call = self
        try:
            # One context cannot be entered by two threads.
            self.context.copy().run(self.take)
        except BaseException as error:
            self.parts.clear()
            self.errors.append(error)
        finally:
            _current.call = None
            done.release()

    def close(self) -> None:
        """Cancel the parts not begun, and wait for those begun, whatever signals' handlers raise meanwhile."""
        interrupt: BaseException | None = None
        while True:
            try:
                self.parts.clear()
                for done in self.running:
                    with done:
                        pass
                break
            except BaseException as error:
                interrupt = error
        self.work = _nothing  # a helper that comes late keeps no arrays
        if interrupt is not None:
            raise interrupt

    def forked(self) -> None:
        """Let the call end in a child process, which was forked inside of it and has no helpers."""
        for done in self.running:
            if done.locked():
                done.release()
                self.errors.append(RuntimeError("tapenet: a process must not be forked during shared work."))


def is_working() -> bool:
    """Return whether this thread does a part of shared work, which is not shared again."""
    return _current.call is not None


def ask_for_help(call: Helped, count: int) -> int:
    """Let as many helpers as can be started call `help`, as soon as they come; return how many were asked."""
    return _helpers.ask(call, count)


def before_asking(dismiss: Callable[[], None]) -> None:
    """Have a function called before helpers are asked for a call's help: it lets those that wait elsewhere come."""
    _helpers.dismiss = dismiss


def _nothing(part: slice) -> None:
    """Do nothing: the remaining work of a call that is over."""


class _Current(threading.local):
    """The call that this thread is working for."""

    call: Call | None = None


class Helpers:
    """Daemon threads, and the calls that ask for them."""

    def __init__(self) -> None:
        self.calls: queue.SimpleQueue[Helped] = queue.SimpleQueue()
        self.threads: list[threading.Thread] = []
        self.lock = threading.RLock()  # a signal's handler may share work, too
        self.dismiss: Callable[[], None] | None = None

    def ask(self, call: Helped, count: int) -> int:
        """Ask for the help of as many threads, or of those that can be started; return of how many."""
        if len(self.threads) < count:
            self.start(count)
        count = min(count, len(self.threads))
        for _ in range(count):
            self.calls.put(call)
        return count

    def start(self, count: int) -> None:
        """Start threads until there are `count`, or the system refuses one."""
        with self.lock:
            while len(self.threads) < count:
                name = f"tapenet-{len(self.threads)}"
                thread = threading.Thread(target=_serve, args=(self.calls,), name=name, daemon=True)
                try:
                    thread.start()
                except (
                    RuntimeError,
                    MemoryError,
                ):  # a limit of processes or memory, or the interpreter is shutting down
                    return
                self.threads.append(thread)


def _serve(calls: queue.SimpleQueue[Helped]) -> None:
    while True:
        calls.get().help()


_current = _Current()
_helpers = Helpers()


def _after_fork() -> None:
    """Start over in a child process: its parent's threads are gone, and locks that they held stay locked."""
    global _helpers
    _helpers = Helpers()
    if _current.call is not None:
        _current.call.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
