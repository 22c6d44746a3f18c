"""Kept values as Tensors of the tape that they were recorded on, so that a walk over it is itself recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from tapenet.record import Record
from tapenet.tensor import Tensor

Lift = Callable[[Record, int], Record]


def lift_onto(tape: Any) -> Lift:
    """A function from a record of `tape` and its slot to the same record, with its kept values on the tape."""

    def value(kept: Any, slot: int | None) -> Any:
        if kept is None or slot is None:
            return kept
        if type(kept) is tuple:  # the parts of a tuple are the records that follow it
            return tuple(Tensor(part, tape, slot + 1 + i) for i, part in enumerate(kept))
        return Tensor(kept, tape, slot)

    def lift(record: Record, slot: int) -> Record:
        slots = (*record.slots, slot)
        kept = map(value, record.kept, slots)
        return attrs.evolve(record, kept=(*kept, *record.kept[len(slots) :]))

    return lift
