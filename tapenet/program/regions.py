"""Regions: elementwise operations of one shape that are computed together, in one pass over memory.

Operations that are not elementwise keep their order. Elementwise ones have no effects, so that each is done when its
value is first needed, together with the others that can be done then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from tapenet.program.instructions import Instruction, Program

CanJoin = Callable[[Instruction], bool]


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
    for instruction in program.instructions:
        if instruction.out in joinable and instruction.out >= 0:
            continue
        groups += _groups(program, _needed(instruction.reads, joinable, done), done)
        groups.append([instruction])
    groups += _groups(program, _needed(program.outputs, joinable, done), done)
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


def _needed(numbers: tuple[int, ...], joinable: dict[int, Instruction], done: set[int]) -> list[Instruction]:
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


def _groups(program: Program, instructions: list[Instruction], done: set[int]) -> Iterator[list[Instruction]]:
    """Split operations into groups of one shape, each as large as the order in which they depend allows."""
    waiting = list(instructions)
    while waiting:
        shape = program.spaces[waiting[0].out].shape
        group: list[Instruction] = []
        later: list[Instruction] = []
        blocked: set[int] = set()
        made: set[int] = set()
        for instruction in waiting:
            is_ready = not blocked.intersection(instruction.reads) and made.isdisjoint(whole_reads(instruction))
            if program.spaces[instruction.out].shape == shape and is_ready:
                group.append(instruction)
                made.add(instruction.out)
            else:
                later.append(instruction)
                blocked.add(instruction.out)
        yield group
        waiting = later


def _region(group: list[Instruction], place: int, readers: dict[int, set[int]], outputs: set[int]) -> Region:
    made = {instruction.out for instruction in group}
    reads = dict.fromkeys(n for instruction in group for n in instruction.reads if n not in made)
    needed = [n for n in made if n in outputs or readers.get(n, set()) - {place}]
    order = {instruction.out: i for i, instruction in enumerate(group)}
    return Region(tuple(group), tuple(reads), tuple(sorted(needed, key=order.__getitem__)))
