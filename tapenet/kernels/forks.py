"""Locks that make a fork wait until no other thread is inside a matrix product.

A child process gets a copy of every lock as it is, and OpenBLAS does not reinitialize its own. If another thread was
inside a product when the process was forked, the child's first product may deadlock. (Of 300 forks beside two
threads that multiply matrices of 32x32 with NumPy alone, four hung.) So each thread holds a lock of its own while it
multiplies, and a fork takes the locks of all others first. It waits for pieces of products, which take microseconds.

This covers the products of tapenet's kernels. Those that a program makes with NumPy itself are as safe as NumPy is.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

Lock = Any  # a threading.RLock: a signal's handler may multiply, too


class _Forks:
    """The locks of all threads that have multiplied, and those that a fork in progress holds."""

    def __init__(self) -> None:
        self.locks: weakref.WeakSet[Lock] = weakref.WeakSet()
        self.adding: Lock = threading.RLock()
        self.held: list[Lock] = []

    def new_lock(self) -> Lock:
        """Return a lock for a thread that has none."""
        lock = threading.RLock()
        with self.adding:
            self.locks.add(lock)
        return lock

    def begin(self) -> None:
        """Wait until all other threads are outside of products, and keep them there."""
        mine = this_thread.lock
        self.take(self.adding)
        for lock in list(self.locks):  # a copy that is complete: no thread adds its lock while `adding` is held
            if lock is not mine:
                self.take(lock)

    def take(self, lock: Lock) -> None:
        """Hold a lock until the end of the fork."""
        lock.acquire()
        self.held.append(lock)

    def end(self) -> None:
        """Let the other threads go on."""
        while self.held:
            self.held.pop().release()


class _Own(threading.local):
    def __init__(self) -> None:
        self.lock = _forks.new_lock()


_forks = _Forks()
# `with this_thread.lock:` around a product: no other thread forks the process meanwhile.
this_thread = _Own()


def _begin() -> None:
    _forks.begin()


def _end() -> None:
    _forks.end()


def _restart_in_child() -> None:
    """Drop the locks of threads that the child does not have."""
    global _forks
    _forks = _Forks()
    _forks.locks.add(this_thread.lock)


# `with compiling:` around what compiles, and imports what that needs: llvmlite has a lock of its own, and Python one
# for each module that is imported. A child would never get them if another thread held them.
compiling: Lock = threading.RLock()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_begin, after_in_parent=_end, after_in_child=_restart_in_child)
    os.register_at_fork(before=compiling.acquire, after_in_parent=compiling.release, after_in_child=compiling.release)
