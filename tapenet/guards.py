"""Guards: what was read off a tape while it was open, so that a replay can see whether it would come out alike.

A Python branch, a mask or an index that was found from values is no record: it went into the user's program. A replay
on other inputs reads again what was read, and stops where the answer is another one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

from tapenet.location import Place

_SMALL = 1024  # bytes that are kept as they are; of longer arrays a hash of 64 bits is kept
UNKNOWN: Any = object()  # the snapshot of what cannot be compared, equal to no other


@attrs.frozen(eq=False)
class Guard:
    """One read.

    Attributes:
        name: the function that read, as the user knows it.
        function: computes what was read, from plain values.
        slots: for each argument the slot of its value, or None for a constant.
        constants: for each argument its value where it is a constant, else None.
        keywords: the function's keyword arguments; those that are on the tape are in `keyword_slots`.
        keyword_slots: slots of keyword arguments, by name.
        position: how many records there were before it.
        snapshot: of what it gave.
        answer: what it gave, for errors: a scalar, or of an array the shape and dtype.
        place: where in the user's code.
        hidden: what it gave, where only the library saw it, and used it as an operand and in no other way: a
            replay then computes it anew instead of comparing it. None for all others.
    """

    name: str
    function: Callable[..., Any]
    slots: tuple[int | None, ...]
    constants: tuple[Any, ...]
    keywords: Mapping[str, Any]
    keyword_slots: Mapping[str, int]
    position: int
    snapshot: Any
    answer: Any
    place: Place
    hidden: Any = None


def snapshot(x: Any) -> Any:
    """What equals the snapshot of another value just where both are the same to the last bit."""
    if isinstance(x, np.ndarray):
        return ("array", x.shape, x.dtype.str, _elements(x))
    if isinstance(x, np.generic):
        return (type(x), x.tobytes())
    if type(x) is float:
        return (float, x.hex())
    if type(x) is complex:
        return (complex, x.real.hex(), x.imag.hex())
    if type(x) in (bool, int, str) or x is None:
        return (type(x), x)
    if isinstance(x, tuple | list):
        return (type(x), *map(snapshot, x))
    return UNKNOWN


def _elements(x: np.ndarray[Any, Any]) -> bytes | int:
    if x.dtype == bool:
        return np.packbits(x).tobytes()
    data = x.tobytes()
    return data if len(data) <= _SMALL else hash(data)


def answer_of(x: Any) -> Any:
    """What a guard keeps of what was read, to show it."""
    return (x.shape, x.dtype) if isinstance(x, np.ndarray) else x


def shown(answer: Any) -> str:
    """What was read, in a few words."""
    if type(answer) is tuple and len(answer) == 2 and isinstance(answer[1], np.dtype):
        return f"an array of shape {answer[0]}, {answer[1]}"
    text = str(answer)
    return text if len(text) <= 60 else f"{type(answer).__name__}"
