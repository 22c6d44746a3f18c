"""From what was recorded to a `Program`: constants get numbers, guards their places among the operations."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import attrs

from tapenet.core.guards import Guard
from tapenet.core.primitive import PART
from tapenet.core.record import NO_PARAMETERS, SHAPE, Entry
from tapenet.ops.arrays.shaping import memory_order
from tapenet.program.instructions import Instruction, Program, Space
from tapenet.program.recording.recorder import ProgramRecorder
from tapenet.walks.reachability import needed_slots
from tapenet.walks.replay import read_slots


def program_of(trace: ProgramRecorder, inputs: Sequence[int], outputs: Sequence[Any]) -> Program:
    """Return the program of what was recorded.

    Args:
        trace: what was recorded.
        inputs: the slots of the inputs.
        outputs: for each output its slot, or in a list of one the array that it is.
    """
    build = _Build(trace, len(trace.entries))
    numbers = [build.constant(x[0]) if type(x) is list else x for x in outputs]
    guards = [guard for guard in trace.guards or [] if guard.function is not memory_order]  # see `Recorded`
    lasting = [slot for slot, entry in enumerate(trace.entries) if _must_stay(trace.entries, entry)]
    wanted = [n for n in numbers if n < len(trace.entries)]
    needed = needed_slots(trace.entries, [*wanted, *lasting, *(slot for guard in guards for slot in read_slots(guard))])
    known = set(inputs)
    pending = list(reversed(guards))
    for slot in needed:
        while pending and pending[-1].position <= slot:
            build.guard(pending.pop())
        if slot not in known:
            build.operation(slot, trace.entries[slot])
    while pending:
        build.guard(pending.pop())
    spaces = {slot: build.space_of(slot) for slot in (*needed, *inputs)}
    return Program(tuple(build.instructions), tuple(inputs), build.constants, tuple(numbers), spaces | build.spaces)


def _must_stay(entries: Sequence[Entry], entry: Entry) -> bool:
    """Return whether a recorded operation stays in a program though nothing needs its value."""
    primitive, slots, *_ = entry
    return primitive.has_effects or primitive.may_vary_in_shape([entries[at][-1] for at in slots if at is not None])


@attrs.define(eq=False)
class _Build:
    trace: ProgramRecorder
    next_number: int
    instructions: list[Instruction] = attrs.field(factory=list)
    constants: dict[int, Any] = attrs.field(factory=dict)
    spaces: dict[int, Space] = attrs.field(factory=dict)
    numbers: dict[Any, int] = attrs.field(factory=dict)  # of constants, by identity or by type and value

    def constant(self, x: Any) -> int:
        """Return the number of a constant."""
        key = (type(x), repr(x)) if type(x) in (int, float, complex, bool, str, type(None)) else id(x)
        if key not in self.numbers:
            number = self.numbers[key] = self.next_number
            self.next_number += 1
            self.constants[number] = x
            self.spaces[number] = Space.of_constant(x)
        return self.numbers[key]

    def operation(self, slot: int, entry: Entry) -> None:
        """Add the instruction of a record."""
        primitive, slots, kept, parameters, _, _ = entry
        operands = tuple([self.constant(x) if at is None else at for at, x in zip(slots, kept, strict=False)])
        location = self.trace.sites.get(slot)
        parameters = dict(parameters) if parameters else NO_PARAMETERS
        errors = self.trace.errors.get(slot, ())
        self.instructions.append(Instruction(primitive, operands, parameters, slot, location=location, errors=errors))

    def guard(self, guard: Guard) -> None:
        """Add the instruction of a guard."""
        pairs = zip(guard.slots, guard.constants, strict=True)
        operands = tuple([self.constant(x) if at is None else at for at, x in pairs])
        keywords = {name: self.constant(x) for name, x in guard.keywords.items()} | dict(guard.keyword_slots)
        self.instructions.append(
            Instruction(None, operands, {}, -1, guard=guard, keywords=keywords, location=guard.location)
        )

    def space_of(self, slot: int) -> Space:
        """Return what is known of a recorded value."""
        shape, dtype = self.trace.entries[slot][SHAPE:]
        is_number = slot in self.trace.numbers
        parts = _parts(self.trace.entries, slot) if shape is None else ()
        return Space(shape, dtype, is_number, not is_number and slot not in self.trace.scalars, parts)


def _parts(entries: Sequence[Entry], slot: int) -> tuple[tuple[Any, Any], ...]:
    """Return the shapes and dtypes of the parts of a tuple, whose records follow its own."""
    following = itertools.islice(entries, slot + 1, None)
    parts = itertools.takewhile(lambda entry: entry[0] is PART and entry[1] == (slot,), following)
    return tuple([entry[SHAPE:] for entry in parts])
