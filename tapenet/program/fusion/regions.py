"""Regions: elementwise operations of one shape that are computed together, in one pass over memory.

Operations that are not elementwise keep their order. Elementwise ones have no effects, so that each is done when its
value is first needed, or after some time, together with the others that can be done then.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import attrs

from tapenet.program.instructions import Instruction, Program, readers_of

CanJoin = Callable[[Instruction], bool]

# Operations of a region: the time to compile a longer one grows faster than its length.
MOST_JOINED = 1024

# Arrays that a region reads, and their bytes, beyond which it is split into parts that share none: a processor fetches
# ahead of a few streams, and what the caches do not hold is waited for. A step of momentum on 30 arrays of 1.3 MB, 90
# streams in and 60 out, took 10 ms in one pass, and 3.8 in 30; on arrays of 0.4 MB, in the caches, less in one pass.
MOST_STREAMS, CACHED = 8, 3 * 2**23

# Other operations after which those that nothing has needed yet are done: their operands fill memory.
LONGEST_WAIT = 64


@attrs.frozen(eq=False)
class Region:
    """Elementwise operations of one shape.

    Attributes:
        instructions: in order.
        inputs: the numbers of the values that they read from elsewhere.
        outputs: the numbers of the values that are needed elsewhere.
    """

    instructions: tuple[Instruction, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


Step = Instruction | Region


class Joined(Protocol):
    """Operations that are computed together."""

    @property
    def inputs(self) -> tuple[int, ...]:
        """The numbers of the values that they read from elsewhere."""

    @property
    def outputs(self) -> tuple[int, ...]:
        """The numbers of the values that are needed elsewhere."""


def read_by(step: Instruction | Joined) -> tuple[int, ...]:
    """Return the numbers of the values that a step reads."""
    return step.reads if isinstance(step, Instruction) else step.inputs


def made_by(step: Instruction | Joined) -> tuple[int, ...]:
    """Return the numbers of the values that others read of a step."""
    return (step.out,) if isinstance(step, Instruction) else step.outputs


def inputs_of(instructions: Sequence[Instruction]) -> tuple[int, ...]:
    """Return the numbers of the values that operations read and none of them makes, in order."""
    made = {x.out for x in instructions}
    return tuple(dict.fromkeys(n for x in instructions for n in x.reads if n not in made))


def whole_reads(instruction: Instruction) -> tuple[int, ...]:
    """Return the operands that an operation of a region does not read element by element, but anywhere."""
    return instruction.operands[:1] if instruction.name == "gather" else ()


def in_regions(
    program: Program,
    can_join: CanJoin,
    can_wait: CanJoin = lambda instruction: False,
    kinds: Mapping[int, Hashable] | None = None,
) -> list[Step]:
    """Return the instructions of a program in an order, with those that can be joined in regions.

    Args:
        can_join: whether an operation may be part of a region; it is elementwise, and has no effects.
        can_wait: whether another operation, a reduction, is done as late as can be, at once with others: regions that
            they read become one.
        kinds: of operations of which only those of one kind are joined, by what they make; all others are by shape.
    """
    joinable = {x.out: x for x in program.instructions if x.primitive is not None and can_join(x)}
    groups = _Order(program, joinable, can_wait, kinds or {}).groups()
    if not kinds:
        groups = [part for group in groups for part in _apart(group, program)]
    readers = readers_of([n for x in group for n in x.reads] for group in groups)
    outputs = set(program.outputs)
    return [
        group[0] if len(group) == 1 and group[0].out not in joinable else _region(group, i, readers, outputs)
        for i, group in enumerate(groups)
    ]


@attrs.define(eq=False)
class _Order:
    """Puts the instructions of a program in groups.

    Attributes:
        program: that they are of.
        joinable: those that may be part of a region, by what they make.
        can_wait: whether another one may be done later.
        kinds: by what is made, where only operations of one kind are joined.
        made: the groups so far.
        done: what was made of joinable ones.
        put_off: those that nothing has needed yet.
        waiting: others that wait.
        latest: of values, the last of those that waited which they depend on, by its number from 1 on.
        count, past: how many have waited, and how many of them are done.
    """

    program: Program
    joinable: dict[int, Instruction]
    can_wait: CanJoin
    kinds: Mapping[int, Hashable]
    made: list[list[Instruction]] = attrs.field(factory=list)
    done: set[int] = attrs.field(factory=set)
    put_off: list[int] = attrs.field(factory=list)
    waiting: list[Instruction] = attrs.field(factory=list)
    latest: dict[int, int] = attrs.field(factory=dict)
    count: int = 0
    past: int = 0

    def groups(self) -> list[list[Instruction]]:
        """Return all groups, in order."""
        others = 0
        for instruction in self.program.instructions:
            latest = max([self.latest.get(n, 0) for n in instruction.reads], default=0)
            if instruction.out in self.joinable and instruction.out >= 0:
                self.put_off.append(instruction.out)
                self.latest[instruction.out] = latest
                continue
            if latest > self.past:
                self._end_waiting()
            if instruction.primitive is not None and self.can_wait(instruction):
                self.waiting.append(instruction)
                self.count += 1
                self.latest[instruction.out] = self.count
            else:
                self._need(instruction.reads)
                self.made.append([instruction])
            others += 1
            if others % LONGEST_WAIT == 0:
                self._end_waiting()
                self._need(self.put_off)
                self.put_off.clear()
        self._end_waiting()
        self._need(self.program.outputs)
        return self.made

    def _need(self, numbers: Sequence[int]) -> None:
        """Do the joinable operations that values depend on."""
        needed = _needed(numbers, self.joinable, self.done)
        if needed:
            self.made += _groups(needed, [self.kinds.get(x.out) or self.program.spaces[x.out].shape for x in needed])

    def _end_waiting(self) -> None:
        """Do all that wait: none of them depends on another."""
        self._need([n for instruction in self.waiting for n in instruction.reads])
        self.made += [[instruction] for instruction in self.waiting]
        self.waiting.clear()
        self.past = self.count


def _needed(numbers: Sequence[int], joinable: dict[int, Instruction], done: set[int]) -> list[Instruction]:
    """Return the joinable operations that values depend on and that are not done, in order; marks them as done."""
    found: list[Instruction] = []
    pending: list[tuple[int, bool]] = [(n, False) for n in reversed(numbers)]
    while pending:
        number, is_last = pending.pop()
        if is_last:
            found.append(joinable[number])
        elif number in joinable and number not in done:
            done.add(number)
            pending.append((number, True))
            pending += [(n, False) for n in reversed(joinable[number].reads)]
    return found


def _groups(instructions: list[Instruction], kinds: Sequence[Any]) -> Iterator[list[Instruction]]:
    """Split operations into groups of one kind, each as large as the order in which they depend allows."""
    makers = {x.out: i for i, x in enumerate(instructions)}
    missing = [len({n for n in x.reads if n in makers}) for x in instructions]
    readers = readers_of([n for n in x.reads if n in makers] for x in instructions)
    ready: dict[Any, list[int]] = {}  # by kind, the places of those that can be done now
    for i, kind in enumerate(kinds):
        if not missing[i]:
            ready.setdefault(kind, []).append(i)
    while ready:
        kind = min(ready, key=lambda kind: ready[kind][0])
        yield _taken(instructions, kinds, ready, kind, missing, readers)


def _taken(
    instructions: Sequence[Instruction],
    kinds: Sequence[Any],
    ready: dict[Any, list[int]],
    kind: Any,
    missing: list[int],
    readers: dict[int, list[int]],
) -> list[Instruction]:
    """Return the next group, of a kind: what can be done now, and then what that makes possible."""
    now, group, later = ready.pop(kind), list[Instruction](), list[int]()
    made: set[int] = set()
    while now and len(group) < MOST_JOINED:
        x = instructions[heapq.heappop(now)]
        group.append(x)
        made.add(x.out)
        for i in readers.get(x.out, ()):
            missing[i] -= 1
            if missing[i]:
                continue
            if kinds[i] != kind:
                heapq.heappush(ready.setdefault(kinds[i], []), i)
            elif made.isdisjoint(whole_reads(instructions[i])):
                heapq.heappush(now, i)
            else:
                later.append(i)
    rest = now + later
    if rest:
        heapq.heapify(rest)
        ready[kind] = rest
    return group


def _apart(group: list[Instruction], program: Program) -> list[list[Instruction]]:
    """Split operations on more large arrays than the caches hold into those that share none of them."""
    if len(group) == 1:
        return [group]
    shape, made = program.spaces[group[0].out].shape, {x.out for x in group}
    inputs = {n for n in inputs_of(group) if program.spaces[n].shape == shape}
    if len(inputs) <= MOST_STREAMS or sum(program.spaces[n].nbytes for n in inputs) < CACHED:
        return [group]
    linked: dict[int, int] = {}  # each value with another of its part, or the one that stands for it with itself

    def part_of(n: int) -> int:
        while linked.setdefault(n, n) != n:
            linked[n] = linked[linked[n]]
            n = linked[n]
        return n

    for x in group:
        for n in x.reads:
            if n in made or n in inputs:
                linked[part_of(n)] = part_of(x.out)
    parts: dict[int, list[Instruction]] = {}
    for x in group:
        parts.setdefault(part_of(x.out), []).append(x)
    return list(parts.values())


def _region(group: list[Instruction], place: int, readers: dict[int, list[int]], outputs: set[int]) -> Region:
    made = {instruction.out for instruction in group}
    needed = [n for n in made if n in outputs or {*readers.get(n, [])} - {place}]
    order = {instruction.out: i for i, instruction in enumerate(group)}
    return Region(tuple(group), inputs_of(group), tuple(sorted(needed, key=order.__getitem__)))
