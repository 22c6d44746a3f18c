"""Kept values as Tensors of the tape that they were recorded on, so that a walk over it is itself recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapenet.core.record import Kept, Slots
from tapenet.core.tensor import Tensor, note_read

Lift = Callable[[Kept, Slots, int], Kept]


def lift_onto(tape: Any) -> Lift:
    """A function from what a record of `tape` keeps, its slots and its slot, to the same values on the tape."""

    def value(kept: Any, slot: int | None) -> Any:
        if kept is None or slot is None:
            return kept
        if type(kept) is tuple:  # the parts of a tuple are the records that follow it
            return tuple(Tensor(part, tape, slot + 1 + i) for i, part in enumerate(kept))
        return Tensor(kept, tape, slot)

    def lift(kept: Kept, slots: Slots, slot: int) -> Kept:
        own = (*slots, slot)
        if len(kept) > len(own) and tape.guards is not None:
            _note_residual(tape, kept, slots, slot)
        return (*map(value, kept, own), *kept[len(own) :])

    return lift


def _note_residual(tape: Any, kept: Kept, slots: Slots, slot: int) -> None:
    """Note that a walk read a record's residual: it stays as it is, where a replay may find another one."""
    primitive, _, _, parameters, _, _ = tape.entries[slot]
    if primitive.is_users:
        return  # its rules compute what they need anew, from the values on the tape
    operands = [value if at is None else Tensor(None, tape, at) for value, at in zip(kept, slots, strict=False)]
    note_read(f"the derivative of {primitive.name}", primitive.residual, operands, parameters, kept[-1])
