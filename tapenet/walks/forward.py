"""The forward walk: from tangents of sources to tangents of targets (Jacobian-vector product)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tapenet.core.primitive import Array, Primitive, missing_rule
from tapenet.core.record import SHAPE, Entry, Kept, Parameters, Slots, operand_shapes
from tapenet.errors import RuleError
from tapenet.walks.lifting import Lift
from tapenet.walks.projection import project_tangent
from tapenet.walks.reachability import ancestors


def forward(
    entries: Sequence[Entry],
    tangents: Mapping[int, Array],
    targets: Collection[int],
    *,
    lift: Lift | None = None,
    spans: Sequence[tuple[int, int]] = (),
) -> dict[int, Array]:
    """Walk from sources to targets.

    Args:
        entries: the tape's records; one's place is its slot.
        tangents: of the sources, by slot.
        targets: the slots whose tangents are wanted.
        lift: gives what a record keeps as Tensors of their tape, where the walk itself is recorded.
        spans: the records that recorded backward walks made. A rule for reverse mode alone serves a forward walk to
            what such a walk computed from it, and no other.

    Returns:
        The tangent of each target that depends on a source, by slot.
    """
    if not tangents or not targets:
        return {}
    dots: dict[int, Array] = dict(tangents)
    first = min(tangents)
    needed = ancestors(entries, targets, first)
    for slot in range(first, first + len(needed)):
        primitive, slots, kept, parameters, shape, dtype = entries[slot]
        # A source that is computed from another one keeps the tangent that it was given.
        if not needed[slot - first] or slot in dots or not any(operand in dots for operand in slots):
            continue
        if lift is not None:
            kept = lift(kept, slots, slot)
        joint_pushforward = primitive.joint_pushforward
        if primitive.joint_pushforward_over_reverse is not None and leads_through(spans, slot, needed, first):
            joint_pushforward = primitive.joint_pushforward_over_reverse
        if joint_pushforward is not None:
            each = [None if operand is None else dots.get(operand) for operand in slots]
            dot = joint_pushforward(each, slots, kept, parameters, operand_shapes(entries, slots, kept))
        else:
            dot = _output_tangent(entries, primitive, slots, kept, parameters, dots)
        if dot is None:
            continue
        if type(dot) is tuple and shape is not None:
            raise RuleError(f"{primitive.name}: the rule's tangent must be one array, as the output; got a tuple.")
        if shape is not None and (dot.shape != shape or dot.dtype is not dtype):
            dot = project_tangent(dot, shape, dtype, primitive.name)
        dots[slot] = dot
    return {slot: dots[slot] for slot in targets if slot in dots}


def leads_through(spans: Sequence[tuple[int, int]], slot: int, needed: bytearray, first: int) -> bool:
    """Return whether a target depends on what a recorded walk made after the record at `slot`."""
    return any(any(needed[max(start - first, 0) : stop - first]) for start, stop in spans if start > slot)


def _output_tangent(
    entries: Sequence[Entry],
    primitive: Primitive,
    slots: Slots,
    kept: Kept,
    parameters: Parameters,
    dots: Mapping[int, Array],
) -> Array | None:
    """Return the tangent of a record's output: the sum of the pushforwards of each operand's tangent."""
    total = None
    for index, slot in enumerate(slots):
        if slot is None or slot not in dots:
            continue
        pushforward = primitive.pushforwards[index]
        if pushforward is None:
            raise missing_rule(primitive, index, "forward mode")
        dot = pushforward(dots[slot], kept, parameters, entries[slot][SHAPE])
        total = dot if total is None else _added(total, dot)
    return total


def _added(x: Array, y: Array) -> Array:
    """Return the sum of two tangents; of a tuple that of each part."""
    if type(x) is not tuple or type(y) is not tuple:
        return x + y
    return tuple([own if other is None else other if own is None else own + other for own, other in zip(x, y)])
