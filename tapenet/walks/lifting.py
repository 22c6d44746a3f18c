"""Kept values as Tensors of the tape that they were recorded on, so that a walk over it is itself recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapenet.core.nondifferentiable import choice
from tapenet.core.primitive import Primitive
from tapenet.core.record import Kept, Slots
from tapenet.core.recorder import Recorder
from tapenet.core.tensor import made_tensor

Lift = Callable[[Kept, Slots, int], Kept]


def lift_onto(trace: Recorder) -> Lift:
    """Return a function from what a record keeps, its slots and its slot, to the same values on the tape."""

    def value(kept: Any, slot: int | None) -> Any:
        if kept is None or slot is None:
            return kept
        if type(kept) is tuple:  # the parts of a tuple are the records that follow it
            return tuple(made_tensor(part, trace, slot + 1 + i) for i, part in enumerate(kept))
        return made_tensor(kept, trace, slot)

    def lift(kept: Kept, slots: Slots, slot: int) -> Kept:
        own = (*slots, slot)
        lifted = tuple(map(value, kept, own))
        return lifted if len(kept) == len(lifted) else (*lifted, _lifted_residual(trace, kept, slots, slot))

    return lift


def _lifted_residual(trace: Recorder, kept: Kept, slots: Slots, slot: int) -> Any:
    """Return a record's residual as a value of its operands, which a replay computes again; else as it is."""
    primitive, _, _, parameters, _, _ = trace.entries[slot]
    residual = kept[-1]
    computes = primitive.residual
    if not isinstance(computes, Primitive):
        return residual  # custom_vjp computes what it needs again, from the values on the tape
    if residual.dtype.kind not in "fc" and not computes.is_discrete:
        computes = choice(computes.forward, name=computes.name)  # integers of a user's are piecewise constant
    constants = tuple([None if at is not None else x for x, at in zip(kept, slots, strict=False)])
    entry = (computes, slots, (*constants, None), parameters, residual.shape, residual.dtype)
    return made_tensor(residual, trace, trace.write(entry))
