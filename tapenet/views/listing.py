"""A tape as text: one line for each record."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.record import Entry
from tapenet.core.recorder import Recorder
from tapenet.core.source_lines import line_of
from tapenet.core.tensor import Tensor
from tapenet.views.sizes import bytes_of, kept_arrays, readable
from tapenet.views.tables import aligned

_ENDS = 20  # records that are listed at each end of a long tape
_HEAD = ("slot", "operation", "operands", "shape", "dtype", "kept")


def listing(title: str, trace: Recorder) -> str:
    """List the records of a tape, aligned; of a long one those at both ends."""
    rows, left_out = listed_rows(trace)
    table = [head(trace), *rows]
    lines = aligned(table, [True] + [False] * 4 + [True] + [False] * (len(table[0]) - 6)).split("\n")
    if left_out:
        lines.insert(1 + _ENDS, f"... {left_out} more records ...")
    return "\n".join([title, *lines])


def head(trace: Recorder) -> tuple[str, ...]:
    """Return the names of the columns; source lines are known to a tape that was opened under `checks`."""
    return _HEAD if trace.locations is None else (*_HEAD, "line")


def listed_rows(trace: Recorder) -> tuple[list[tuple[str, ...]], int]:
    """Return the rows of the records that are listed, and how many are left out after the first half of them."""
    count = len(trace.entries)
    left_out = max(count - 2 * _ENDS, 0)
    slots = range(count) if not left_out else [*range(_ENDS), *range(count - _ENDS, count)]
    return [_row(trace, slot) for slot in slots], left_out


def _row(trace: Recorder, slot: int) -> tuple[str, ...]:
    primitive, _, kept, _, shape, dtype = trace.entries[slot]
    cells = (
        str(slot),
        primitive.name,
        operands_of(trace.entries[slot]),
        "tuple" if shape is None else str(shape),
        "" if dtype is None else str(dtype),
        readable(bytes_of(kept_arrays(kept))),
    )
    if trace.locations is None:
        return cells
    return (*cells, line_of(trace.locations[slot]) if slot in trace.locations else "")


def operands_of(entry: Entry) -> str:
    """Operands and parameters as in a call: %3 is the value of record 3."""
    _, slots, kept, parameters, _, _ = entry
    operands = [f"%{slot}" if slot is not None else constant(x) for slot, x in zip(slots, kept, strict=False)]
    named = [f"{name}={_short(str(value))}" for name, value in parameters.items()]
    return ", ".join([*operands, *named])


def constant(x: Any) -> str:
    """Format a constant in a few characters."""
    if isinstance(x, np.ndarray | Tensor) and (x.ndim or type(x) is Tensor):
        return f"{x.dtype}{list(x.shape)}"
    return _short(str(x))


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:21]}..."
