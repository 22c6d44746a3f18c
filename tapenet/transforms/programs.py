"""Programs: the operations of a function without their values, which can be run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from tapenet.core.guards import Guard, bitwise_equal
from tapenet.core.primitive import Array, Primitive
from tapenet.core.record import Entry
from tapenet.core.tensor import Tensor
from tapenet.walks.reachability import needed_slots
from tapenet.walks.replay import guard_failed, read_again, read_slots


@attrs.frozen
class Operand:
    """An operand of a step: the number of a value."""

    number: int


@attrs.frozen(eq=False)
class Reading:
    """A read of a value by the program: it is repeated, and its guard must hold."""

    guard: Guard

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        answer = read_again(self.guard, arguments, keywords)
        if type(answer) is not Tensor and not bitwise_equal(self.guard.answer, answer):
            raise guard_failed(self.guard, answer)
        return answer


@attrs.frozen(eq=False)
class Step:
    """One operation.

    Attributes:
        primitive: the operation.
        operands: each a `Operand` or a constant.
        parameters: each a `Operand` or a constant.
        out: the number of its value.
        last_uses: the numbers of values that no later step needs.
    """

    primitive: Primitive | Reading
    operands: tuple[Any, ...]
    parameters: Mapping[str, Any]
    out: int
    last_uses: tuple[int, ...]


@attrs.frozen(eq=False)
class Program:
    """Steps from inputs to outputs, each a number of a value."""

    steps: tuple[Step, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def run(self, *operands: Array) -> tuple[Array, ...]:
        """Compute the outputs for inputs, recorded where these are on tapes; free values after their last use."""
        values: dict[int, Any] = dict(zip(self.inputs, operands, strict=True))

        def known(x: Any) -> Any:
            return values[x.number] if type(x) is Operand else x

        for step in self.steps:
            parameters = {name: known(x) for name, x in step.parameters.items()}
            values[step.out] = step.primitive(*map(known, step.operands), **parameters)
            for number in step.last_uses:
                del values[number]
        return tuple(values[number] for number in self.outputs)


def without_values(entry: Entry) -> Entry:
    """Return a tape's entry that keeps the constants alone."""
    primitive, slots, kept, parameters, shape, dtype = entry
    constants = tuple(None if slot is not None else value for value, slot in zip(kept, slots, strict=False))
    return primitive, slots, constants, parameters, shape, dtype


def program_of(
    entries: Sequence[Entry], inputs: Sequence[int], outputs: Sequence[int], guards: Sequence[Guard] = ()
) -> tuple[Program, tuple[Tensor, ...]]:
    """Return the program of a tape's entries, and the Tensors among its constants, which are its last inputs.

    Args:
        entries: with or without values.
        inputs: the slots of watched values.
        outputs: the slots of what is wanted; what it does not need is left out.
        guards: what was read off the tape, which the program reads again.
    """
    needed = needed_slots(entries, [*outputs, *(slot for guard in guards for slot in read_slots(guard))])
    constants: dict[int, tuple[int, Tensor]] = {}  # by identity, each with its number

    def place(x: Any) -> Any:
        if type(x) is not Tensor:
            return x
        number, _ = constants.setdefault(id(x), (len(entries) + len(constants), x))
        return Operand(number)

    def placed(slots: Sequence[int | None], values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(place(x) if slot is None else Operand(slot) for slot, x in zip(slots, values, strict=True))

    def reading(i: int) -> Step:
        guard = guards[i]
        keywords = {name: place(x) for name, x in guard.keywords.items()}
        keywords |= {name: Operand(slot) for name, slot in guard.keyword_slots.items()}
        return Step(Reading(guard), placed(guard.slots, guard.constants), keywords, -1 - i, ())

    steps: list[Step] = []
    read = 0
    for slot in needed:
        if slot in inputs:
            continue
        while read < len(guards) and guards[read].position <= slot:
            steps.append(reading(read))
            read += 1
        primitive, slots, kept, parameters, _, _ = entries[slot]
        operands = placed(slots, kept[: len(slots)])
        steps.append(Step(primitive, operands, {name: place(x) for name, x in parameters.items()}, slot, ()))
    steps += map(reading, range(read, len(guards)))
    tensors = tuple(constants.values())
    numbers = (*inputs, *(number for number, _ in tensors))
    return Program(_with_last_uses(steps, outputs), numbers, tuple(outputs)), tuple(x for _, x in tensors)


def _with_last_uses(steps: Sequence[Step], outputs: Sequence[int]) -> tuple[Step, ...]:
    seen = set(outputs)
    placed = []
    for step in reversed(steps):
        uses = {x.number for x in (*step.operands, *step.parameters.values()) if type(x) is Operand}
        placed.append(attrs.evolve(step, last_uses=tuple(uses - seen)))
        seen |= uses
    return tuple(reversed(placed))
