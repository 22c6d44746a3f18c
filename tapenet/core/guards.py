"""Guards: the reads of values of an open tape, so that a replay can check that they give the same again.

A Python branch, a mask or an index that was computed from values is not a record: it went into the user's program. A
replay on other inputs repeats each read in order, and stops where a guard fails.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tapenet.core.source_lines import CodeLocation, line_of
from tapenet.errors import PicklingError

# Bytes of an array that are kept as they are. Of a longer one its 64-bit hash is kept: a copy of each mask that a
# program reads would double its memory, and two arrays share a hash once in 2**64.
_SMALL = 1024


class Guard(NamedTuple):
    """One read, and what it gave.

    A named tuple: recording is the hot path, and an attrs object takes several times as long to make.

    Attributes:
        name: of the function that read, as the user knows it.
        function: computes what was read, from plain values; a nondifferentiable function from Tensors too.
        slots: for each argument the slot of its value, or None for a constant.
        constants: for each argument its value where it is a constant, else None.
        keywords: the function's keyword arguments that are constants.
        keyword_slots: those that are on the tape, as slots.
        position: the number of records before it.
        answer: what it gave, as `snapshot` returns it.
        location: of the read in the user's code.
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

    def __reduce__(self) -> Any:
        if _is_hashed(self.answer):
            raise PicklingError(
                f"pickle: {self.name} must have read few numbers; got a read of a long array. Its hash is kept, which "
                "differs between processes. Choose by tnp.where, so that nothing is read."
            )
        keywords, location = dict(self.keywords), line_of(self.location)
        return Guard, (*self._replace(keywords=keywords, location=location),)


class ArraySnapshot(NamedTuple):
    """An array at one time: the user may write into it afterwards."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    elements: bytes | int


def snapshot(x: Any) -> Any:
    """Return what stays equal to `x` as it is now, whatever is written into `x` later; see `bitwise_equal`."""
    if isinstance(x, np.ndarray):
        data = x.tobytes()
        return ArraySnapshot(x.shape, x.dtype, data if len(data) <= _SMALL else hash(data))
    if isinstance(x, tuple | list):
        return tuple(map(snapshot, x))
    return x


def bitwise_equal(before: Any, now: Any) -> bool:
    """Return whether a value is that of a snapshot, to the last bit; False where they cannot be compared."""
    if type(before) is tuple:
        return (
            isinstance(now, tuple | list)
            and len(now) == len(before)
            and all(bitwise_equal(x, y) for x, y in zip(before, now, strict=True))
        )
    if type(before) is ArraySnapshot:
        return isinstance(now, np.ndarray) and before == snapshot(now)
    if isinstance(before, np.generic | float | complex):
        # By bits: NaN differs from itself by ==, and -0.0 does not differ from 0.0, though 1 / x does.
        return type(before) is type(now) and np.asarray(before).tobytes() == np.asarray(now).tobytes()
    return type(before) in (bool, int, str, type(None)) and type(before) is type(now) and bool(before == now)


def same_snapshots(first: Any, second: Any) -> bool:
    """Return whether two snapshots are of values that are equal to the last bit."""
    if type(first) is tuple:
        is_long = type(second) is tuple and len(second) == len(first)
        return is_long and all(map(same_snapshots, first, second))
    if type(first) is ArraySnapshot:
        return type(second) is ArraySnapshot and first == second
    return bitwise_equal(first, second)


def as_picklable(guards: list[Guard] | None) -> list[Guard] | None:
    """Return guards that can be pickled; None where they cannot.

    Functions within functions cannot, nor what is kept of a long array: its hash, which differs between processes.
    """
    try:
        pickle.dumps(guards)
    except Exception:  # of several classes, by what the functions hold
        return None
    return guards


def _is_hashed(answer: Any) -> bool:
    if type(answer) is tuple:
        return any(map(_is_hashed, answer))
    return type(answer) is ArraySnapshot and type(answer.elements) is int


def shown(before: Any) -> str:
    """Describe a snapshot in a few words, for errors."""
    if type(before) is ArraySnapshot:
        return f"an array of shape {before.shape}, {before.dtype}"
    text = str(before)
    return text if len(text) <= 60 else type(before).__name__
