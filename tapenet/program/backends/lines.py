"""The code of a program's function with the lines of the user's code that was recorded.

So a traceback shows them, and Python reports and counts warnings there, as it does for the function itself.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from types import CodeType

# Kinds of entries in the table of a code's lines (PEP 626 and 657): of code without columns, and without a line.
_NO_COLUMNS, _NO_LINE = 13, 15
_MOST_UNITS = 8  # of two bytes of code that an entry is of


def with_lines(code: CodeType, file: str, lines: Sequence[int]) -> CodeType:
    """Return the code with lines of another file, of which `lines[i]` is that of line i + 1."""
    table = bytearray()
    before = first = lines[0]
    for start, end, line in code.co_lines():
        now = before if line is None else lines[line - 1]
        table += _entries((end - start) // 2, None if line is None else now - before)
        before = now
    return code.replace(co_filename=file, co_firstlineno=first, co_linetable=bytes(table))


def line_at(code: CodeType, instruction: int) -> int:
    """Return the line of an instruction of code."""
    return next(line for start, end, line in code.co_lines() if start <= instruction < end and line is not None)


@functools.lru_cache(maxsize=1024)
def _entries(units: int, step: int | None) -> bytes:
    """Return the entries of a range of code, whose line is so many after that of the one before."""
    kind = _NO_LINE if step is None else _NO_COLUMNS
    made = bytearray()
    while units > 0:
        count = min(units, _MOST_UNITS)
        made.append(0x80 | kind << 3 | count - 1)
        if step is not None:
            made += _signed(step)
            step = 0
        units -= count
    return bytes(made)


def _signed(x: int) -> bytes:
    """Return an integer as the table has it: six bits to a byte, the lowest first, after the sign."""
    x = -x << 1 | 1 if x < 0 else x << 1
    made = bytearray()
    while x > 63:
        made.append(x & 63 | 64)
        x >>= 6
    made.append(x)
    return bytes(made)
