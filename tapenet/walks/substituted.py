"""Entries with other primitives in place of the recorded ones, for walks whose rules are checked or timed.

So the walks themselves have no code for it, and are not slower.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

import attrs

from tapenet.core.primitive import CompiledRule, Primitive
from tapenet.core.record import Entry

Wrapper = Callable[[Callable[..., Any], int | None], Callable[..., Any]]  # of a rule and its operand's place


@attrs.frozen(eq=False)
class EntriesView(Sequence[Entry]):
    """A tape's entries, each made when it is asked for; abstract in `entry_at`.

    Attributes:
        entries: the tape's own.
    """

    entries: Sequence[Entry]

    def __len__(self) -> int:
        return len(self.entries)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | Sequence[Entry]:
        if isinstance(index, slice):
            return [self.entry_at(i) for i in range(len(self))[index]]
        return self.entry_at(index)

    def entry_at(self, slot: int) -> Entry:
        """Return what stands in the place of an entry."""
        raise NotImplementedError


@attrs.frozen(eq=False)
class SubstitutedEntries(EntriesView):
    """A tape's entries, with `substitute(primitive, slot)` in the place of each primitive.

    Attributes:
        check_series: called by a series walk with a slot, and the series of the operands and of the output.
    """

    _substitute: Callable[[Primitive, int], Primitive]
    check_series: Callable[[int, Sequence[Any], Any], None] | None = None

    def entry_at(self, slot: int) -> Entry:
        """Return the entry with the other primitive."""
        primitive, slots, kept, parameters, shape, dtype = self.entries[slot]
        return self._substitute(primitive, slot), slots, kept, parameters, shape, dtype


def with_rules(
    primitive: Primitive, *, pullback: Wrapper | None = None, pushforward: Wrapper | None = None
) -> Primitive:
    """Return the primitive with its rules wrapped; the index is None for a rule that serves all operands."""
    changes: dict[str, Any] = {}
    if pullback is not None:
        changes["pullbacks"] = _each(primitive.pullbacks, pullback)
        changes["joint_pullback"] = primitive.joint_pullback and pullback(primitive.joint_pullback, None)
    if pushforward is not None:
        changes["pushforwards"] = _each(primitive.pushforwards, pushforward)
        changes["joint_pushforward"] = primitive.joint_pushforward and pushforward(primitive.joint_pushforward, None)
    return attrs.evolve(primitive, **changes)


def _each(rules: Sequence[CompiledRule | None], wrapper: Wrapper) -> tuple[CompiledRule | None, ...]:
    return tuple(rule and wrapper(rule, place) for place, rule in enumerate(rules))
