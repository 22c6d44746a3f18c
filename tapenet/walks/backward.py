"""The backward walk: from the cotangent of a target to the cotangents of sources (vector-Jacobian product)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from tapenet.core.pieces import Piece
from tapenet.core.primitive import NO_PATH, Array, CompiledRule, Primitive, missing_rule
from tapenet.core.record import SHAPE, Entry, Kept, Parameters, Shape, Slots, operand_shapes
from tapenet.errors import RuleError
from tapenet.walks.lifting import Lift
from tapenet.walks.projection import project_cotangent
from tapenet.walks.reachability import descendants
from tapenet.walks.sums import Sums

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


def backward(
    entries: Sequence[Entry],
    cotangents: Mapping[int, Array],
    sources: Collection[int],
    *,
    covers_leaves: bool = False,
    lift: Lift | None = None,
    used_up: list[Any] | None = None,
) -> dict[int, Array]:
    """Walk from targets back to sources.

    Args:
        entries: the tape's records; one's place is its slot.
        cotangents: of the targets, by slot.
        sources: the slots whose cotangents are wanted.
        covers_leaves: whether every watched value is among the sources, so that every record lies on a path.
        lift: gives what a record keeps as Tensors of their tape, where the walk itself is recorded.
        used_up: the list of the entries, where nothing else reads it any more: the walk takes out each that it passes,
            so that what it keeps is freed.

    Returns:
        The cotangent of each source that a target depends on, by slot.
    """
    last = max(cotangents, default=-1)
    if max(sources, default=last + 1) > last:
        sources = {slot for slot in sources if slot <= last}
        if not sources:
            return {}
    on_path = None if covers_leaves else descendants(entries, sources, last)
    bars: list[Array] = [None] * (last + 1)
    for slot, cotangent in cotangents.items():
        bars[slot] = cotangent
    sums = Sums()
    owned, unfinished = sums.owned, sums.unfinished
    found: dict[int, Array] = {}
    # Records before the first source cannot depend on one.
    for slot in range(last, min(sources) - 1, -1):
        t = bars[slot]
        if unfinished and slot in unfinished:
            t = sums.finish(t, slot, *entries[slot][SHAPE:])
        if t is None:
            continue
        bars[slot] = None  # so that it is freed after its last use: memory holds only the cotangents still needed
        if slot in sources:
            found[slot] = t  # and on: a source may be computed from others
        primitive, slots, kept, parameters, own_shape, _ = entries[slot]
        if used_up is not None:
            used_up[slot] = None
        if lift is not None:
            kept = lift(kept, slots, slot)
        pullbacks: Sequence[CompiledRule | None] = primitive.pullbacks
        if not pullbacks and slots:  # one rule for all operands
            pullbacks = _joint_answers(entries, primitive, slots, kept, parameters, t)
        # The shape that contributions are known to have. To ask an array for its shape makes a tuple.
        known_shape = own_shape if primitive.is_own_elementwise else None
        index = -1  # counted here: to set up zip and enumerate takes longer than the few operands of a record
        for operand_slot in slots:
            index += 1
            if operand_slot is None or (on_path is not None and not on_path[operand_slot]):
                continue
            pullback = pullbacks[index]
            _, _, _, _, shape, dtype = entries[operand_slot]
            if pullback is None:
                if primitive.joint_pullback is None and (dtype is None or dtype.kind in "fc"):
                    raise missing_rule(primitive, index, "reverse mode")
                continue  # no path through this operand, or a choice
            contribution = pullback(t, kept, parameters, shape)
            # Builtin dtypes of native byte order are single objects: `is` costs less than `==`, and where it fails for
            # equal dtypes, the projection below returns the contribution as it is.
            if contribution.dtype is not dtype or (shape is not known_shape and contribution.shape != shape):
                if dtype is not None and dtype.kind in "biu":
                    continue  # a choice has no cotangent
                if type(contribution) is Piece:
                    bars[operand_slot] = sums.add_piece(bars[operand_slot], contribution, operand_slot, shape, dtype)
                    continue
                contribution = project_cotangent(contribution, shape, dtype, primitive.name)
            bar = bars[operand_slot]
            if bar is None:
                bars[operand_slot] = contribution  # perhaps the cotangent itself or a view, and so not owned
            elif operand_slot in owned and type(bar) is type(contribution) is np.ndarray:
                np.add(bar, contribution, out=bar)
            elif dtype is _FLOAT64 or dtype is _FLOAT32 or dtype is None or dtype.char != "e":
                bars[operand_slot] = bar = bar + contribution
                if type(bar) is np.ndarray:
                    owned.add(operand_slot)
            else:
                bars[operand_slot] = sums.add_float16(bar, contribution, operand_slot)
    return found


def _joint_answers(
    entries: Sequence[Entry], primitive: Primitive, slots: Slots, kept: Kept, parameters: Parameters, t: Array
) -> list[CompiledRule | None]:
    """Return the answers of a rule that serves all operands at once, each as a rule that returns its part."""
    assert primitive.joint_pullback is not None
    answers = primitive.joint_pullback(t, slots, kept, parameters, operand_shapes(entries, slots, kept))
    if len(answers) != len(slots):
        raise RuleError(
            f"{primitive.name}: its pullback must return {len(slots)} cotangents, "
            f"one for each operand; got {len(answers)}."
        )
    return [
        None if answer is NO_PATH or _is_choice(entries, slot) else _rule_that_returns(primitive, index, answer)
        for index, (slot, answer) in enumerate(zip(slots, answers, strict=True))
    ]


def _is_choice(entries: Sequence[Entry], slot: int | None) -> bool:
    """Return whether a value is a choice, which has no cotangent."""
    dtype = None if slot is None else entries[slot][-1]
    return dtype is not None and dtype.kind not in "fc"


def _rule_that_returns(primitive: Primitive, index: int, answer: Array | None) -> CompiledRule:
    """Return a rule that gives an answer which is there already; without one it raises."""

    def rule(t: Array, kept: Kept, parameters: Parameters, shape: Shape) -> Array:
        if answer is None:
            raise missing_rule(primitive, index, "reverse mode")
        return answer

    return rule
