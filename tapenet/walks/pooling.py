"""Walks over large arrays: elementwise rules compute in memory that is used again."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

import attrs

from tapenet.core.primitive import Primitive
from tapenet.core.record import Entry
from tapenet.core.recorder import Recorder
from tapenet.kernels.pooled import pooled_rule

_POOLED: weakref.WeakKeyDictionary[Primitive, Primitive] = weakref.WeakKeyDictionary()


def pooled_entries(trace: Recorder, entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return the entries for a walk; of a tape of large arrays with rules whose results lie in pooled memory."""
    if not trace.holds_large or entries is not trace.entries:
        return entries
    # The rules of others are given plain arrays alone.
    return [(_pooled(entry[0]), *entry[1:]) if entry[0].is_own_elementwise else entry for entry in entries]


def _pooled(primitive: Primitive) -> Primitive:
    made = _POOLED.get(primitive)
    if made is None:
        rules = primitive.pullbacks, primitive.pushforwards
        pullbacks, pushforwards = (tuple(map(pooled_rule, own)) for own in rules)
        made = _POOLED[primitive] = attrs.evolve(primitive, pullbacks=pullbacks, pushforwards=pushforwards)
    return made
