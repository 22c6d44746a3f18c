"""A backward walk that is followed: what came to each record, and what went on to each of its operands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.primitive import NO_PATH, Array, Primitive
from tapenet.core.record import Entry
from tapenet.core.tensor import unwrap
from tapenet.diagnostics.causes import Cause, cause_of
from tapenet.diagnostics.magnitudes import Magnitude, magnitude, off_tapes
from tapenet.walks.backward import backward
from tapenet.walks.reachability import ancestors, descendants
from tapenet.walks.substituted import EntriesView, with_rules


@attrs.frozen(eq=False)
class Flow:
    """What one operand of a record got.

    Attributes:
        slot: of the record.
        operand: the operand's slot.
        came: the magnitude of the record's cotangent.
        went: the magnitude of what it adds to the operand's.
        cause: why it is zero, small or not finite; None where there is nothing to say.
    """

    slot: int
    operand: int
    came: Magnitude
    went: Magnitude
    cause: Cause | None

    @property
    def factor(self) -> float:
        """The norm of what went on, in that of what came; NaN where nothing came, or not finite numbers did."""
        is_told = self.came.norm > 0 and self.came.is_finite and self.went.is_finite
        return self.went.norm / self.came.norm if is_told else np.nan


@attrs.frozen(eq=False)
class Followed:
    """What was seen in a walk.

    Attributes:
        entries: the tape's records.
        slots: those between sources and targets, from the last to the first.
        flows: by the slot of the record.
        cotangents: the magnitude of each record's cotangent, of those that one came to.
        found: the cotangents of the sources.
    """

    entries: Sequence[Entry]
    slots: tuple[int, ...]
    flows: Mapping[int, Sequence[Flow]]
    cotangents: Mapping[int, Magnitude]
    found: Mapping[int, Array]

    def below(self, source: int) -> list[int]:
        """Return the records between a source and the targets, from the last to the first."""
        if not self.slots:
            return []
        reached = descendants(self.entries, {source}, self.slots[0]) if source <= self.slots[0] else b""
        return [slot for slot in self.slots if slot < len(reached) and reached[slot]]


def follow(entries: Sequence[Entry], seeds: Mapping[int, Array], sources: Collection[int]) -> Followed:
    """Walk back from cotangents by slot, and note what flows.

    Args:
        entries: the tape's records.
        seeds: the cotangents of the targets, by slot.
        sources: the slots that are walked to.
    """
    last = max(seeds, default=-1)
    sources = {slot for slot in sources if slot <= last}
    flows: dict[int, list[Flow]] = {}
    noted = {slot: magnitude(seed) for slot, seed in seeds.items()}
    if not seeds or not sources:
        return Followed(entries, (), flows, noted, {})
    with np.errstate(all="ignore"):
        found = backward(_Noting(entries, flows), {slot: unwrap(seed) for slot, seed in seeds.items()}, sources)
    noted |= {slot: own[0].came for slot, own in flows.items()}
    noted |= {slot: magnitude(t) for slot, t in found.items()}
    reached, needed = descendants(entries, sources, last), ancestors(entries, seeds)
    slots = tuple(slot for slot in range(last, -1, -1) if reached[slot] and needed[slot])
    on_path = set(slots)
    kept = {slot: [flow for flow in own if flow.operand in on_path] for slot, own in flows.items()}
    return Followed(entries, slots, kept, noted, found)


@attrs.frozen(eq=False)
class _Noting(EntriesView):
    """A tape's entries off all tapes, with rules that note what flows."""

    flows: dict[int, list[Flow]]

    def entry_at(self, slot: int) -> Entry:
        """Return the entry with rules that note."""
        primitive, slots, kept, parameters, shape, dtype = self.entries[slot]
        noting = with_rules(primitive, pullback=self._wrapper(primitive, slot))
        return noting, slots, tuple(map(off_tapes, kept)), parameters, shape, dtype

    def _wrapper(self, primitive: Primitive, slot: int) -> Callable[..., Callable[..., Any]]:
        slots = self.entries[slot][1]

        def wrapped(rule: Callable[..., Any], place: int | None) -> Callable[..., Any]:
            def noting(t: Any, *rest: Any) -> Any:
                answer = rule(t, *rest)
                if place is None:
                    _, kept, _, shapes = rest
                    for own, part in enumerate(answer):
                        if slots[own] is not None and part is not None and part is not NO_PATH:
                            self._note(primitive, slot, own, t, part, kept, shapes[own], None)
                else:
                    kept, parameters, shape = rest

                    def partial(ones: Any) -> Any:
                        return rule(ones, kept, parameters, shape)

                    self._note(primitive, slot, place, t, answer, kept, shape, partial)
                return answer

            return noting

        return wrapped

    def _note(
        self,
        primitive: Primitive,
        slot: int,
        place: int,
        t: Any,
        answer: Any,
        kept: Sequence[Any],
        shape: Any,
        partial: Callable[[Any], Any] | None,
    ) -> None:
        own = self.flows.setdefault(slot, [])
        came = own[0].came if own else magnitude(t)
        went = magnitude(answer)
        operand = self.entries[slot][1][place]
        assert operand is not None
        cause = cause_of(primitive, place, (t, answer), (came, went), kept, partial)
        own.append(Flow(slot, operand, came, went, cause))
