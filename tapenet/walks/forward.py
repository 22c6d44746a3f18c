"""The forward walk: from tangents of sources to tangents of targets (Jacobian-vector product)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tapenet.core.primitive import Array, Primitive, missing_rule
from tapenet.core.record import SHAPE, SLOTS, Entry, Kept, Parameters, Slots, operand_shapes
from tapenet.walks.lifting import Lift
from tapenet.walks.projection import up_to


def forward(
    entries: Sequence[Entry],
    tangents: Mapping[int, Array],
    targets: Collection[int],
    *,
    lift: Lift | None = None,
) -> dict[int, Array]:
    """Walk from sources to targets.

    Args:
        entries: the tape's records; one's place is its slot.
        tangents: of the sources, by slot.
        targets: the slots whose tangents are wanted.
        lift: gives what a record keeps as Tensors of their tape, where the walk itself is recorded.

    Returns:
        The tangent of each target that depends on a source, by slot.
    """
    if not tangents or not targets:
        return {}
    dots: dict[int, Array] = dict(tangents)
    first = min(tangents)
    needed = _ancestors(entries, targets, first)
    for slot in range(first, first + len(needed)):
        primitive, slots, kept, parameters, shape, dtype = entries[slot]
        if not needed[slot - first] or slot in dots or not any(operand in dots for operand in slots):
            continue
        if lift is not None:
            kept = lift(kept, slots, slot)
        if primitive.joint_push is not None:
            each = [None if operand is None else dots.get(operand) for operand in slots]
            dot = primitive.joint_push(each, slots, kept, parameters, operand_shapes(entries, slots, kept))
        else:
            dot = _pushed(entries, primitive, slots, kept, parameters, dots)
        if dot is None:
            continue
        if shape is not None and (dot.shape != shape or dot.dtype is not dtype):
            dot = up_to(dot, shape, dtype, primitive.name)
        dots[slot] = dot
    return {slot: dots[slot] for slot in targets if slot in dots}


def _ancestors(entries: Sequence[Entry], targets: Collection[int], first: int) -> bytearray:
    """For each slot from `first` to the last target, whether it is a target or one depends on it."""
    needed = bytearray(max(0, max(targets) + 1 - first))
    for slot in targets:
        if slot >= first:
            needed[slot - first] = 1
    for place in range(len(needed) - 1, -1, -1):
        if needed[place]:
            for operand in entries[first + place][SLOTS]:
                if operand is not None and operand >= first:
                    needed[operand - first] = 1
    return needed


def _pushed(
    entries: Sequence[Entry],
    primitive: Primitive,
    slots: Slots,
    kept: Kept,
    parameters: Parameters,
    dots: Mapping[int, Array],
) -> Array | None:
    """The tangent of a record's output: the sum of what each operand's tangent is pushed to."""
    total = None
    for place, slot in enumerate(slots):
        if slot is None or slot not in dots:
            continue
        push = primitive.pushes[place]
        if push is None:
            raise missing_rule(primitive, place, "forward mode")
        dot = push(dots[slot], kept, parameters, entries[slot][SHAPE])
        total = dot if total is None else total + dot
    return total
