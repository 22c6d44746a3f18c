"""Which records lie between sources and targets."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tapenet.core.record import SLOTS, Entry


def descendants(entries: Sequence[Entry], sources: Collection[int], last: int) -> bytearray:
    """Return for each slot up to `last` whether it is a source or depends on one."""
    reached = bytearray(last + 1)
    for slot in sources:
        reached[slot] = 1
    for slot in range(min(sources) + 1, last + 1):
        for operand in entries[slot][SLOTS]:
            if operand is not None and reached[operand]:
                reached[slot] = 1
                break
    return reached


def ancestors(entries: Sequence[Entry], targets: Collection[int], first: int = 0) -> bytearray:
    """Return for each slot from `first` to the last target whether it is a target or one depends on it."""
    needed = bytearray(max(0, max(targets, default=-1) + 1 - first))
    for slot in targets:
        if slot >= first:
            needed[slot - first] = 1
    for offset in range(len(needed) - 1, -1, -1):
        if needed[offset]:
            for operand in entries[first + offset][SLOTS]:
                if operand is not None and operand >= first:
                    needed[operand - first] = 1
    return needed


def needed_slots(entries: Sequence[Entry], targets: Collection[int]) -> list[int]:
    """Return these slots and all that they depend on, in order."""
    return [slot for slot, is_needed in enumerate(ancestors(entries, targets)) if is_needed]
