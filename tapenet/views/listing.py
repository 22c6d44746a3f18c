"""A tape as text: one line for each record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core.record import Entry
from tapenet.core.tensor import Tensor
from tapenet.diagnostics.checks import Checker
from tapenet.views.sizes import bytes_of, kept_arrays, readable
from tapenet.views.tables import aligned

_ENDS = 20  # records that are listed at each end of a long tape
_HEAD = ("slot", "operation", "operands", "shape", "dtype", "kept")


def listing(title: str, entries: Sequence[Entry], checker: Checker | None) -> str:
    """The records of a tape, aligned; of a long one those at both ends."""
    rows, left_out = listed_rows(entries, checker)
    table = [head(checker), *rows]
    lines = aligned(table, [True] + [False] * 4 + [True] + [False] * (len(table[0]) - 6)).split("\n")
    if left_out:
        lines.insert(1 + _ENDS, f"... {left_out} more records ...")
    return "\n".join([title, *lines])


def head(checker: Checker | None) -> tuple[str, ...]:
    """The names of the columns; source lines are known to a tape that was opened under `checks`."""
    return _HEAD if checker is None else (*_HEAD, "line")


def listed_rows(entries: Sequence[Entry], checker: Checker | None) -> tuple[list[tuple[str, ...]], int]:
    """The rows of the records that are listed, and how many are left out after the first half of them."""
    count = len(entries)
    left_out = max(count - 2 * _ENDS, 0)
    slots = range(count) if not left_out else [*range(_ENDS), *range(count - _ENDS, count)]
    return [_row(entries, slot, checker) for slot in slots], left_out


def _row(entries: Sequence[Entry], slot: int, checker: Checker | None) -> tuple[str, ...]:
    primitive, _, kept, _, shape, dtype = entries[slot]
    cells = (
        str(slot),
        primitive.name,
        operands_of(entries[slot]),
        "tuple" if shape is None else str(shape),
        "" if dtype is None else str(dtype),
        readable(bytes_of(kept_arrays(kept))),
    )
    return cells if checker is None else (*cells, checker.line(slot) or "")


def operands_of(entry: Entry) -> str:
    """Operands and parameters as in a call: %3 is the value of record 3."""
    _, slots, kept, parameters, _, _ = entry
    operands = [f"%{slot}" if slot is not None else constant(x) for slot, x in zip(slots, kept, strict=False)]
    named = [f"{name}={_short(str(value))}" for name, value in parameters.items()]
    return ", ".join([*operands, *named])


def constant(x: Any) -> str:
    """A constant, in a few characters."""
    if isinstance(x, np.ndarray | Tensor) and (x.ndim or type(x) is Tensor):
        return f"{x.dtype}{list(x.shape)}"
    return _short(str(x))


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:21]}..."
