"""The ranges that integers of a program lie in, as far as they can be told without running it.

A range saves work: what lies between 0 and twice a divisor is reduced by one subtraction, and an index that lies in an
array needs no check.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from tapenet.program.instructions import Instruction, Program

Range = tuple[int, int]

_known: WeakKeyDictionary[Program, Mapping[int, Range]] = WeakKeyDictionary()


def full_range(dtype: np.dtype[Any]) -> Range:
    """Return the range of all integers of a dtype, or of truth values."""
    return (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))


def ranges_of(program: Program) -> Mapping[int, Range]:
    """Return the ranges of a program's integers and truth values, by number; both ends may be taken."""
    found = _known.get(program)
    if found is None:
        found = _known[program] = _found(program)
    return found


def _found(program: Program) -> dict[int, Range]:
    found: dict[int, Range] = {}
    for number, x in program.constants.items():
        if isinstance(x, int | np.integer | np.ndarray) and np.size(x) and np.asarray(x).dtype.kind in "biu":
            found[number] = int(np.min(x)), int(np.max(x))
    for instruction in program.instructions:
        dtype = program.spaces[instruction.out].dtype if instruction.out >= 0 else None
        if dtype is not None and dtype.kind in "biu":
            found[instruction.out] = _of_instruction(program, instruction, dtype, found)
    return found


def _of_instruction(
    program: Program, instruction: Instruction, dtype: np.dtype[Any], found: Mapping[int, Range]
) -> Range:
    name, operands = instruction.name, instruction.operands
    if name == "order" and isinstance(instruction.parameters.get("axis"), int):
        shape = program.spaces[instruction.out].shape or (1,)
        return 0, max(shape[instruction.parameters["axis"]] - 1, 0)
    if name == "gather":  # the others are indices
        operands = operands[:1]
    elif name == "where":
        operands = operands[1:]
    own = [_of_operand(program, n, found) for n in operands]
    known = [x for x in own if x is not None]
    return range_of(name, dtype, known) if len(known) == len(own) and known else full_range(dtype)


def _of_operand(program: Program, number: int, found: Mapping[int, Range]) -> Range | None:
    dtype = program.spaces[number].dtype
    is_integer = dtype is not None and dtype.kind in "biu" and not program.spaces[number].is_number
    return found.get(number) or (full_range(dtype) if is_integer and dtype is not None else None)


def range_of(name: str, dtype: np.dtype[Any], ranges: Sequence[Range]) -> Range:
    """Return the range of what an operation gives, from those of its operands."""
    rule = _RULES.get(name) or (_hull if name in _MOVES else None)
    if rule is None or dtype.kind == "b":
        return full_range(dtype)
    ends = rule(ranges)
    low, high = full_range(dtype)
    found = (min(ends), max(ends)) if ends else (low, high)
    return found if low <= found[0] and found[1] <= high else (low, high)


def _hull(ranges: Sequence[Range]) -> list[int]:
    return [x for own in ranges for x in own]


def _remainders(ranges: Sequence[Range]) -> list[int]:
    low, high = ranges[1]
    return [0, high - 1] if low > 0 else [low + 1, 0] if high < 0 else []


_RULES: dict[str, Callable[[Sequence[Range]], list[int]]] = {
    "add": lambda r: [r[0][0] + r[1][0], r[0][1] + r[1][1]],
    "subtract": lambda r: [r[0][0] - r[1][1], r[0][1] - r[1][0]],
    "multiply": lambda r: [x * y for x in r[0] for y in r[1]],
    "negative": lambda r: [-x for x in r[0]],
    "maximum": lambda r: [max(r[0][0], r[1][0]), max(r[0][1], r[1][1])],
    "minimum": lambda r: [min(r[0][0], r[1][0]), min(r[0][1], r[1][1])],
    "remainder": _remainders,
    "where": _hull,
}
_MOVES = frozenset(
    {"positive", "stop_gradient", "astype", "reshape", "getitem", "gather", "broadcast_to", "transpose", "roll", "rows"}
) | {"concatenate", "stacked rows"}


def lie_within(program: Program, numbers: Sequence[int], lengths: Sequence[int]) -> bool:
    """Return whether indices are known to be at least 0 and below lengths."""
    ranges = ranges_of(program)
    pairs = zip(numbers, lengths, strict=True)
    return all(0 <= own[0] and own[1] < n for own, n in ((ranges.get(k, (-1, 0)), n) for k, n in pairs))


def size_fits(dtype: np.dtype[Any], shape: Sequence[int]) -> bool:
    """Return whether all places of an array are integers of a dtype."""
    return math.prod(shape) <= full_range(dtype)[1]
