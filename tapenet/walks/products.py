"""Walks of a tape between Tensors: vector-Jacobian products backward, Jacobian-vector products forward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core.primitive import Array
from tapenet.core.record import Entry
from tapenet.core.recorder import Recorder
from tapenet.core.tensor import Tensor, unwrap_closed
from tapenet.walks.backward import backward
from tapenet.walks.forward import forward
from tapenet.walks.lifting import lift_onto
from tapenet.walks.pooling import pooled_entries
from tapenet.walks.results import as_kind_of, copy_shared


def vjp_walk(
    trace: Recorder,
    targets: Sequence[Any],
    cotangents: Sequence[Array],
    sources: Sequence[Tensor],
    *,
    is_last: bool = False,
) -> list[Array | None]:
    """Walk backward from cotangents of targets: one for each source, None for one that no target depends on.

    Targets that are not values on this tape are passed over; nothing is checked. On an open tape the walk is recorded.
    The last walk of a closed tape empties it: what a record keeps is freed when the walk has passed it.
    """
    trace.check_not_paused("tape.gradient")
    seeds = _summed(targets, cotangents, trace)
    slots = {source.slot for source in sources}
    entries = pooled_entries(trace, trace.entries_to_walk(seeds, slots))
    start = trace.position()  # behind it lies what the walk records itself
    lift = lift_onto(trace) if trace.is_open else None
    used_up = _used_up(trace, entries) if is_last else None
    found = backward(entries, seeds, slots, covers_leaves=slots >= trace.leaves, lift=lift, used_up=used_up)
    if trace.position() > start:
        trace.spans.append((start, trace.position()))
    pulled = copy_shared([found.get(source.slot) for source in sources], cotangents)
    return list(map(as_kind_of, sources, pulled))


def _used_up(trace: Recorder, entries: Sequence[Entry]) -> list[Any] | None:
    """Return the list of entries for a walk to use up, and leave the tape without; None where others need them."""
    if type(entries) is not list or trace.is_open:
        return None
    trace.entries = []
    return entries


def gradient_walk(
    trace: Recorder, target: Tensor, sources: Sequence[Tensor], one: Array, *, is_last: bool = False
) -> list[Array | None]:
    """Walk backward from one target to all leaves of a closed tape: what `vjp_walk` gives for a cotangent of ones."""
    slots = [source.slot for source in sources]
    entries = pooled_entries(trace, trace.entries_to_walk((target.slot,), slots))
    used_up = _used_up(trace, entries) if is_last else None
    found = backward(entries, {target.slot: one}, set(slots), covers_leaves=True, used_up=used_up)
    pulled: list[Array | None] = []
    for source in sources:
        bar = found.get(source.slot)
        if type(bar) is not np.float64 or type(source._value) not in _NUMBERS:
            break
        pulled.append(bar)
    else:  # of scalars, which share no memory
        return pulled
    return list(map(as_kind_of, sources, copy_shared([found.get(slot) for slot in slots], [one])))


_NUMBERS = frozenset({float, np.float64})


def jvp_walk(
    trace: Recorder, sources: Sequence[Tensor], tangents: Sequence[Array], targets: Sequence[Any]
) -> list[Array | None]:
    """Walk forward from tangents of sources: one for each target, None for one that depends on no source.

    Of a source that comes more than once the tangents add up; nothing is checked.
    """
    trace.check_not_paused("tape.jvp")
    dots = _summed(sources, tangents, trace)
    seen = [unwrap_closed(trace, target) for target in targets]
    here = [target.slot if type(target) is Tensor and target.owner is trace else None for target in seen]
    lift = lift_onto(trace) if trace.is_open else None
    wanted = {slot for slot in here if slot is not None}
    found = forward(pooled_entries(trace, trace.entries_to_walk()), dots, wanted, lift=lift, spans=trace.spans)
    pushed = copy_shared([None if slot is None else found.get(slot) for slot in here], tangents)
    return list(map(as_kind_of, targets, pushed))


def _summed(ends: Sequence[Any], seeds: Sequence[Array], trace: Recorder) -> dict[int, Array]:
    """Return seeds by slot, of an end that comes more than once their sum; ends off the tape are passed over."""
    found: dict[int, Array] = {}
    for end, seed in zip(ends, seeds, strict=True):
        if type(end) is Tensor and end.owner is not trace:
            end = unwrap_closed(trace, end)
        if type(end) is Tensor and end.owner is trace:
            found[end.slot] = found[end.slot] + seed if end.slot in found else seed
    return found
