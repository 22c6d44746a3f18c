"""Batches that a thread prepares ahead, while the last one is used."""

from __future__ import annotations

import contextlib
import contextvars
import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from tapenet.core.argument_checks import checked_count, shown
from tapenet.errors import ArgumentTypeError
from tapenet.views.html import html_table


@attrs.frozen
class _End:
    """The end of the items, or what ended them."""

    error: BaseException | None


@attrs.frozen(eq=False)
class _Ahead:
    """What passes between a thread that makes items and one that takes them.

    Attributes:
        room: for items that are not taken yet, those being made counted.
        items: that are made.
        stopped: set when no more are wanted.
    """

    room: threading.Semaphore
    items: queue.SimpleQueue[Any] = attrs.field(factory=queue.SimpleQueue)
    stopped: threading.Event = attrs.field(factory=threading.Event)

    def fill(self, source: Iterator[Any]) -> None:
        """Make items until they end, or no more are wanted."""
        try:
            self._make(source)
            end = _End(None)
        except BaseException as error:
            end = _End(error)
        self.items.put(end)

    def _make(self, source: Any) -> None:
        with contextlib.closing(source) if hasattr(source, "close") else contextlib.nullcontext():
            while self.room.acquire() and not self.stopped.is_set():
                try:
                    item = next(source)
                except StopIteration:
                    return
                self.items.put(item)


def prefetched(source: Iterator[Any], size: int) -> Iterator[Any]:
    """Yield the items of an iterator, which a thread takes from it ahead."""
    ahead = _Ahead(threading.Semaphore(size))
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(ahead.fill, source), name="tapenet-prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(item := ahead.items.get(), _End):
            ahead.room.release()
            yield item
        if item.error is not None:
            raise item.error
    finally:
        ahead.stopped.set()
        ahead.room.release()
        thread.join()


@attrs.frozen(eq=False)
class Prefetched:
    """What `prefetch` makes.

    Attributes:
        data: the iterable.
        size: how many items are made ahead.
    """

    data: Iterable[Any]
    size: int

    def _repr_html_(self) -> str:
        inner = getattr(self.data, "_repr_html_", None)
        rows = [("prepared ahead", str(self.size)), ("data", type(self.data).__name__)]
        return html_table(("prefetch", "value"), rows) + (inner() if inner is not None else "")

    def __len__(self) -> int:
        """Return the number of items, where the data have one."""
        return len(self.data)  # type: ignore[arg-type]  # raises as len does, where there is none

    def __iter__(self) -> Iterator[Any]:
        """Start over, with a thread of its own, which ends with the iteration."""
        return prefetched(iter(self.data), self.size)


def prefetch(data: Iterable[Any], size: int = 2) -> Prefetched:
    """Make items ahead in a thread, while the last one is used.

    What reads files, waits for a network or computes in NumPy on large arrays then costs no time, as far as it takes no
    longer than a step. Python code in the thread takes turns with the step. A generator of random numbers must not be
    used by both threads: give the data one of their own, or draw before, as `batches` does.

    Args:
        data: an iterable.
        size: integer of at least 1, how many items are made ahead.

    Returns:
        An iterable of the same items, with the length of `data`. What `data` raises, it raises in its place.

    Raises:
        ArgumentError: the number is out of its range.
        ArgumentTypeError: `data` is not an iterable, or `size` not an integer.

    >>> list(prefetch(range(4)))
    [0, 1, 2, 3]
    """
    return Prefetched(checked_iterable("prefetch", "data", data), checked_count("prefetch", "size", size))


def checked_iterable(function: str, name: str, data: Any) -> Any:
    """Check an iterable of batches."""
    if not isinstance(data, Iterable) or isinstance(data, str):
        raise ArgumentTypeError(f"{function}: {name} must be an iterable of batches; got {shown(data)}.")
    return data
