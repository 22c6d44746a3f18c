"""The backward walk: from the cotangent of a target to the cotangents of sources (vector-Jacobian product)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from tapenet.errors import RuleError
from tapenet.primitive import Array, CompiledRule, missing_rule
from tapenet.record import Record, operand_shapes
from tapenet.walks.lifting import Lift
from tapenet.walks.projection import onto


def backward(
    entries: Sequence[Record],
    cotangents: Mapping[int, Array],
    sources: Collection[int],
    *,
    covers_leaves: bool = False,
    lift: Lift | None = None,
) -> dict[int, Array]:
    """Walk from targets back to sources.

    Args:
        entries: the tape's records; one's place is its slot.
        cotangents: of the targets, by slot.
        sources: the slots whose cotangents are wanted.
        covers_leaves: whether every watched value is among the sources, so that every record lies on a path.
        lift: gives a record's kept values as Tensors of their tape, where the walk itself is recorded.

    Returns:
        The cotangent of each source that a target depends on, by slot.
    """
    if not cotangents:
        return {}
    last = max(cotangents)
    sources = {slot for slot in sources if slot <= last}
    if not sources:
        return {}
    on_path = None if covers_leaves else _descendants(entries, sources, last)
    bars: list[Array] = [None] * (last + 1)
    for slot, cotangent in cotangents.items():
        bars[slot] = cotangent
    owned: set[int] = set()  # slots whose bar is a sum that this walk made, and so may add to in place
    found: dict[int, Array] = {}
    for slot in range(last, min(sources) - 1, -1):
        t = bars[slot]
        if t is None:
            continue
        bars[slot] = None
        if slot in sources:
            found[slot] = t
        record = entries[slot]
        primitive = record.primitive
        if lift is not None:
            record = lift(record, slot)
        if primitive.joint_pullback is None:
            pullbacks: Sequence[CompiledRule | None] = primitive.pullbacks
        else:
            pullbacks = _joint_answers(entries, record, t)
        for operand_slot, pullback in zip(record.slots, pullbacks, strict=True):
            if operand_slot is None or (on_path is not None and not on_path[operand_slot]):
                continue
            if pullback is None:
                raise missing_rule(record, operand_slot, "reverse mode")
            operand = entries[operand_slot]
            contribution = pullback(t, record, operand)
            if contribution.shape != operand.shape or contribution.dtype is not operand.dtype:
                contribution = onto(contribution, operand, primitive.name)
            bar = bars[operand_slot]
            if bar is None:
                bars[operand_slot] = contribution
            elif operand_slot in owned and type(bar) is type(contribution) is np.ndarray:
                np.add(bar, contribution, out=bar)
            else:
                bars[operand_slot] = bar = bar + contribution
                if type(bar) is np.ndarray:
                    owned.add(operand_slot)
    return found


def _descendants(entries: Sequence[Record], sources: Collection[int], last: int) -> bytearray:
    """For each slot up to `last`, whether it is a source or depends on one."""
    on_path = bytearray(last + 1)
    for slot in sources:
        on_path[slot] = 1
    for slot in range(min(sources) + 1, last + 1):
        for operand in entries[slot].slots:
            if operand is not None and on_path[operand]:
                on_path[slot] = 1
                break
    return on_path


def _joint_answers(entries: Sequence[Record], record: Record, t: Array) -> list[CompiledRule | None]:
    """The answers of a rule that serves all operands at once, each as a rule that returns its share."""
    pull = record.primitive.joint_pullback
    assert pull is not None
    answers = pull(t, record, operand_shapes(entries, record))
    if len(answers) != len(record.slots):
        raise RuleError(
            f"{record.primitive.name}: its pullback must return {len(record.slots)} cotangents, "
            f"one for each operand; got {len(answers)}."
        )
    return [None if answer is None else (lambda *_, share=answer: share) for answer in answers]
