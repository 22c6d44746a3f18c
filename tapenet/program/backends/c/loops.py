"""Loops in C: `scan`, whose body is written once, however many steps there are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from tapenet.program.backends.c.writer import Writer
from tapenet.program.instructions import Instruction, Program
from tapenet.program.passes.rewriting import new_numbers

Body = Callable[[Writer, Program], None]


def renumbered(program: Program, numbers: Iterator[int]) -> Program:
    """Return a program whose values have new numbers."""
    old = (*program.inputs, *program.constants, *program.outputs, *program.spaces)
    new = {n: next(numbers) for n in dict.fromkeys(old)}
    return Program(
        tuple([_moved(x, new) for x in program.instructions]),
        tuple([new[n] for n in program.inputs]),
        {new[n]: x for n, x in program.constants.items()},
        tuple([new[n] for n in program.outputs]),
        {new[n]: x for n, x in program.spaces.items()},
    )


def _moved(instruction: Instruction, new: Mapping[int, int]) -> Instruction:
    keywords = {name: new[n] for name, n in instruction.keywords.items()}
    operands = tuple([new[n] for n in instruction.operands])
    return attrs.evolve(instruction, operands=operands, keywords=keywords, out=new.get(instruction.out, -1))


def with_bodies(program: Program, prepared: Callable[[Program], Program]) -> tuple[Program, dict[int, Program]]:
    """Return a program that knows the values of its loops' bodies too, and these bodies.

    Args:
        prepared: what is done with each body before.
    """
    bodies: dict[int, Program] = {}
    pending = [program]
    while pending:
        for instruction in pending.pop().instructions:
            if instruction.name == "scan" and "step" in instruction.parameters:
                body = renumbered(prepared(instruction.parameters["step"].program), new_numbers(program))
                constants, spaces = {**program.constants, **body.constants}, {**program.spaces, **body.spaces}
                program = attrs.evolve(program, constants=constants, spaces=spaces)
                bodies[instruction.out] = body
                pending.append(body)
    return program, bodies


# ---- the loop ----


@attrs.frozen(eq=False)
class _Carry:
    """A value that steps hand on.

    Attributes:
        place: where it lies: the name of an array, or of a number.
        count: of elements; None of a number.
    """

    place: str
    count: int | None


def scan(w: Writer, instruction: Instruction, write_body: Body) -> None:
    """Write a loop over steps."""
    step, body = instruction.parameters["step"], w.bodies[instruction.out]
    parts = w.parts.get(instruction.out, {})
    made = {index: w.make(n) for index, n in parts.items()}
    ends = step.carries, step.carries + step.xs
    sizes = [w.bytes(n) for i, n in enumerate(body.inputs[: ends[0]]) if not w.is_number(n) and i not in made]
    memory = [w.arena.take(size) for size in sizes]
    places = iter(memory)
    with w.block():
        carries = []
        for i, (n, start) in enumerate(zip(body.inputs[: ends[0]], instruction.operands, strict=False)):
            carries.append(_carry(w, n, start, made.get(i), places))
        for n, outer in zip(body.inputs[ends[1] :], instruction.operands[ends[1] :], strict=True):
            w.names[n] = w.value(outer)
        with w.block(f"for (size_t step{w.level} = 0; step{w.level} < {step.count}; step{w.level}++)"):
            counter = f"step{w.level - 1}"
            at = f"({step.count - 1} - {counter})" if step.reverse else counter
            for n, outer in zip(body.inputs[ends[0] : ends[1]], instruction.operands[ends[0] : ends[1]], strict=True):
                _element(w, n, outer, at)
            for i, carry in enumerate(carries, ends[0] + step.ys):
                if i in made:
                    _write(w, made[i], carry.place, carry.count, at)
            write_body(w, body)
            for i, n in enumerate(body.outputs[ends[0] :], ends[0]):
                if i in made:
                    _write(w, made[i], w.value(n), None if w.is_number(n) else math.prod(w.shape(n)), at)
            _hand_on(w, carries, body.outputs[: ends[0]])
    for place, size in zip(memory, sizes, strict=True):
        w.arena.give(place, size)


def _carry(w: Writer, number: int, start: int, made: str | None, places: Iterator[int]) -> _Carry:
    """Write what a value begins as, where the result lies if it is needed."""
    kind = w.type(number)
    if w.is_number(number):
        w.names[number] = made or f"v{number}"
        w.add(f"{w.names[number]} = {w.value(start)};" if made else f"{kind} v{number} = {w.value(start)};")
        return _Carry(w.names[number], None)
    if made is None:
        w.add(f"{kind} *const v{number} = ({kind} *)(void *)(work + {next(places)});")
    w.names[number] = made or f"v{number}"
    count = math.prod(w.shape(number))
    _write(w, w.names[number], w.value(start), count, "0")
    return _Carry(w.names[number], count)


def _element(w: Writer, number: int, stack: int, at: str) -> None:
    """Write the name of the part of a stack that a step reads."""
    kind, count = w.type(number), math.prod(w.shape(number))
    w.names[number] = f"v{number}"
    if w.is_number(number):
        w.add(f"const {kind} v{number} = {w.value(stack)}[{at}];")
    else:
        w.add(f"const {kind} *const v{number} = {w.value(stack)} + {at} * {count};")
    w.add(f"(void)v{number};")


def _write(w: Writer, stack: str, value: str, count: int | None, at: str) -> None:
    """Write one value into a stack."""
    if count is None:
        w.add(f"{stack}[{at}] = {value};")
    elif count:
        to = stack if at == "0" else f"{stack} + {at} * {count}"
        w.add(f"memcpy({to}, {value}, {count} * sizeof(*{stack}));")


def _hand_on(w: Writer, carries: Sequence[_Carry], outputs: Sequence[int]) -> None:
    """Write the next carry over the last one; what is part of that is kept aside meanwhile."""
    own = {carry.place for carry in carries}
    moves: list[tuple[_Carry, str]] = []
    kept: list[tuple[int, int]] = []
    with w.block():
        for i, (carry, n) in enumerate(zip(carries, outputs, strict=True)):
            value = w.value(n)
            if value == carry.place:
                continue
            if value in own:
                value = _kept_aside(w, n, i, value, carry.count, kept)
            moves.append((carry, value))
        for carry, value in moves:
            if carry.count is None:
                w.add(f"{carry.place} = {value};")
            else:
                _write(w, carry.place, value, carry.count, "0")
    for place, size in kept:
        w.arena.give(place, size)


def _kept_aside(w: Writer, number: int, i: int, value: str, count: int | None, kept: list[tuple[int, int]]) -> str:
    kind = w.type(number)
    if count is None:
        w.add(f"const {kind} kept{i} = {value};")
        return f"kept{i}"
    place, size = w.arena.take(w.bytes(number)), w.bytes(number)
    kept.append((place, size))
    w.add(f"{kind} *const kept{i} = ({kind} *)(void *)(work + {place});")
    _write(w, f"kept{i}", value, count, "0")
    return f"kept{i}"


def parts_of(*programs: Program) -> dict[int, dict[int, int]]:
    """Return for each tuple the numbers of its parts that are read, by index."""
    found: dict[int, dict[int, int]] = {}
    for program in programs:
        for instruction in program.instructions:
            if instruction.name == "part":
                own: Any = found.setdefault(instruction.operands[0], {})
                own.setdefault(instruction.parameters["index"], instruction.out)
    return found
