"""Guards: what was read off a tape while it was open, so that a replay can see whether it would come out alike.

A Python branch, a mask or an index that was found from values is no record: it went into the user's program. A replay
on other inputs reads again what was read, and stops where the answer is another one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tapenet.core.source_lines import CodeLocation

_SMALL = 1024  # bytes that are kept as they are; of longer arrays a hash of 64 bits is kept


class Guard(NamedTuple):
    """One read. A named tuple, as it is made in a fraction of the time of an attrs object, while a program records.

    Attributes:
        name: the function that read, as the user knows it.
        function: computes what was read, from plain values; a primitive without derivative from any.
        slots: for each argument the slot of its value, or None for a constant.
        constants: for each argument its value where it is a constant, else None.
        keywords: the function's keyword arguments that are constants.
        keyword_slots: those that are on the tape, as slots.
        position: how many records there were before it.
        answer: what it gave, of an array an `ArraySnapshot`.
        location: where in the user's code.
    """

    name: str
    function: Callable[..., Any]
    slots: tuple[int | None, ...]
    constants: tuple[Any, ...]
    keywords: Mapping[str, Any]
    keyword_slots: Mapping[str, int]
    position: int
    answer: Any
    location: CodeLocation


class ArraySnapshot(NamedTuple):
    """An array as it was: the user may write into it afterwards."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    elements: bytes | int


def snapshot(x: Any) -> Any:
    """What is equal, by `bitwise_equal`, to what equals `x` to the last bit, whatever becomes of `x` later."""
    if isinstance(x, np.ndarray):
        data = x.tobytes()
        return ArraySnapshot(x.shape, x.dtype, data if len(data) <= _SMALL else hash(data))
    if type(x) is tuple or type(x) is list:
        return tuple(map(snapshot, x))
    return x


def bitwise_equal(seen: Any, now: Any) -> bool:
    """Whether a value is what was seen, to the last bit. What cannot be compared is not."""
    if type(seen) is tuple:
        return (
            isinstance(now, tuple | list)
            and len(now) == len(seen)
            and all(bitwise_equal(x, y) for x, y in zip(seen, now, strict=True))
        )
    if type(seen) is ArraySnapshot:
        return isinstance(now, np.ndarray) and seen == snapshot(now)
    if isinstance(seen, np.generic | float | complex):
        return type(seen) is type(now) and np.asarray(seen).tobytes() == np.asarray(now).tobytes()
    return type(seen) in (bool, int, str, type(None)) and type(seen) is type(now) and bool(seen == now)


def shown(seen: Any) -> str:
    """What was seen, in a few words."""
    if type(seen) is ArraySnapshot:
        return f"an array of shape {seen.shape}, {seen.dtype}"
    text = str(seen)
    return text if len(text) <= 60 else type(seen).__name__
