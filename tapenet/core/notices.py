"""Whether warnings about how a model is used are shown: not where a program is only looked at or tested."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_SHOWN: ContextVar[bool] = ContextVar("tapenet.notices", default=True)


def are_shown() -> bool:
    """Return whether they are shown in this context."""
    return _SHOWN.get()


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Show none inside the block."""
    token = _SHOWN.set(False)
    try:
        yield
    finally:
        _SHOWN.reset(token)
