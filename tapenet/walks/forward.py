"""The forward walk: from tangents of sources to tangents of targets (Jacobian-vector product)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tapenet.primitive import Array, missing_rule
from tapenet.record import Record, operand_shapes
from tapenet.walks.lifting import Lift
from tapenet.walks.projection import up_to


def forward(
    entries: Sequence[Record],
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
        lift: gives a record's kept values as Tensors of their tape, where the walk itself is recorded.

    Returns:
        The tangent of each target that depends on a source, by slot.
    """
    if not tangents or not targets:
        return {}
    dots: dict[int, Array] = dict(tangents)
    for slot in range(min(tangents), max(targets) + 1):
        record = entries[slot]
        if slot in dots or not any(operand in dots for operand in record.slots):
            continue
        dot = _pushed(entries, record if lift is None else lift(record, slot), dots)
        if dot is None:
            continue
        if record.shape is not None and (dot.shape != record.shape or dot.dtype is not record.dtype):
            dot = up_to(dot, record, record.primitive.name)
        dots[slot] = dot
    return {slot: dots[slot] for slot in targets if slot in dots}


def _pushed(entries: Sequence[Record], record: Record, dots: Mapping[int, Array]) -> Array | None:
    """The tangent of a record's output: the sum of what each operand's tangent is pushed to."""
    if record.primitive.joint_push is not None:
        tangents = [None if slot is None else dots.get(slot) for slot in record.slots]
        return record.primitive.joint_push(tangents, record, operand_shapes(entries, record))
    total = None
    for slot, push in zip(record.slots, record.primitive.pushes, strict=True):
        if slot is None or slot not in dots:
            continue
        if push is None:
            raise missing_rule(record, slot, "forward mode")
        dot = push(dots[slot], record, entries[slot])
        total = dot if total is None else total + dot
    return total
