"""Regions: elementwise operations of one shape that are computed together, in one pass over memory.

Operations that are not elementwise keep their order. Elementwise ones have no effects, so that each is done when its
value is first needed, or after some time, together with the others that can be done then.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from tapenet.program.instructions import Instruction, Program

CanJoin = Callable[[Instruction], bool]

# Operations of a region: the time to compile a longer one grows faster than its length.
MOST_JOINED = 1024

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


def whole_reads(instruction: Instruction) -> tuple[int, ...]:
    """Return the operands that an operation of a region does not read element by element, but anywhere."""
    return instruction.operands[:1] if instruction.name == "gather" else ()


def in_regions(program: Program, can_join: CanJoin) -> list[Step]:
    """Return the instructions of a program in an order, with those that can be joined in regions.

    Args:
        can_join: whether an operation may be part of a region; it is elementwise, and has no effects.
    """
    joinable = {x.out: x for x in program.instructions if x.primitive is not None and can_join(x)}
    done: set[int] = set()
    groups: list[list[Instruction]] = []
    put_off: list[int] = []
    others = 0
    for instruction in program.instructions:
        if instruction.out in joinable and instruction.out >= 0:
            put_off.append(instruction.out)
            continue
        groups += _groups(program, _needed(instruction.reads, joinable, done))
        groups.append([instruction])
        others += 1
        if others % LONGEST_WAIT == 0:
            groups += _groups(program, _needed(put_off, joinable, done))
            put_off.clear()
    groups += _groups(program, _needed(program.outputs, joinable, done))
    readers: dict[int, set[int]] = {}
    for i, group in enumerate(groups):
        for instruction in group:
            for number in instruction.reads:
                readers.setdefault(number, set()).add(i)
    outputs = set(program.outputs)
    return [
        group[0] if len(group) == 1 and group[0].out not in joinable else _region(group, i, readers, outputs)
        for i, group in enumerate(groups)
    ]


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


def _groups(program: Program, instructions: list[Instruction]) -> Iterator[list[Instruction]]:
    """Split operations into groups of one shape, each as large as the order in which they depend allows."""
    makers = {x.out: i for i, x in enumerate(instructions)}
    missing = [len({n for n in x.reads if n in makers}) for x in instructions]
    readers: dict[int, list[int]] = {}
    for i, x in enumerate(instructions):
        for n in {n for n in x.reads if n in makers}:
            readers.setdefault(n, []).append(i)
    ready: dict[Any, list[int]] = {}  # by shape, the places of those that can be done now
    for i, x in enumerate(instructions):
        if not missing[i]:
            ready.setdefault(program.spaces[x.out].shape, []).append(i)
    while ready:
        shape = min(ready, key=lambda shape: ready[shape][0])
        yield _taken(program, instructions, ready, shape, missing, readers)


def _taken(
    program: Program,
    instructions: Sequence[Instruction],
    ready: dict[Any, list[int]],
    shape: Any,
    missing: list[int],
    readers: dict[int, list[int]],
) -> list[Instruction]:
    """Return the next group, of a shape: what can be done now, and then what that makes possible."""
    now, group, later = ready.pop(shape), list[Instruction](), list[int]()
    made: set[int] = set()
    while now and len(group) < MOST_JOINED:
        x = instructions[heapq.heappop(now)]
        group.append(x)
        made.add(x.out)
        for i in readers.get(x.out, ()):
            missing[i] -= 1
            if missing[i]:
                continue
            own = program.spaces[instructions[i].out].shape
            if own != shape:
                heapq.heappush(ready.setdefault(own, []), i)
            elif made.isdisjoint(whole_reads(instructions[i])):
                heapq.heappush(now, i)
            else:
                later.append(i)
    rest = now + later
    if rest:
        heapq.heapify(rest)
        ready[shape] = rest
    return group


def _region(group: list[Instruction], place: int, readers: dict[int, set[int]], outputs: set[int]) -> Region:
    made = {instruction.out for instruction in group}
    reads = dict.fromkeys(n for instruction in group for n in instruction.reads if n not in made)
    needed = [n for n in made if n in outputs or readers.get(n, set()) - {place}]
    order = {instruction.out: i for i, instruction in enumerate(group)}
    return Region(tuple(group), tuple(reads), tuple(sorted(needed, key=order.__getitem__)))
