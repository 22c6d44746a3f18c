"""The replay: runs the recorded program again, on other inputs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from tapenet.core.guards import Guard, bitwise_equal, shown, snapshot
from tapenet.core.nondifferentiable import NondifferentiableFunction
from tapenet.core.primitive import Array, Primitive, as_numpy_number, bind
from tapenet.core.record import Entry
from tapenet.core.source_lines import line_of
from tapenet.core.tensor import record_guard, unwrap
from tapenet.errors import ReplayError
from tapenet.walks.reachability import needed_slots

Apply = Callable[[Primitive, Callable[[], Array]], Array]


def _apply(primitive: Primitive, compute: Callable[[], Array]) -> Array:
    return compute()


def replay(
    entries: Sequence[Entry],
    guards: Sequence[Guard],
    inputs: Mapping[int, Array],
    targets: Collection[int],
    *,
    apply: Apply = _apply,
) -> dict[int, Array]:
    """Run records again: those that targets depend on, and those that the program read from.

    Args:
        entries: the tape's records; one's place is its slot.
        guards: what was read off the tape, in order.
        inputs: the values of all watched slots that are needed.
        targets: the slots whose values are wanted.
        apply: called with each primitive and what computes it; to time it, say.

    Returns:
        The values of the targets, by slot.

    Raises:
        ReplayError: a guard failed.
    """
    read = {slot for guard in guards for slot in read_slots(guard)}
    needed = needed_slots(entries, read.union(targets))
    values: dict[int, Array] = dict(inputs)
    pending = list(reversed(guards))
    for slot in needed:
        # Before the record: so the guard that fails is the error, and not an operation on values that it rules out.
        while pending and pending[-1].position <= slot:
            _check_guard(pending.pop(), values)
        if slot not in values:
            values[slot] = _recomputed(entries[slot], values, apply)
    while pending:
        _check_guard(pending.pop(), values)
    return {slot: values[slot] for slot in targets}


def read_slots(guard: Guard) -> list[int]:
    """Return the slots that a guard reads."""
    return [*(slot for slot in guard.slots if slot is not None), *guard.keyword_slots.values()]


def _recomputed(entry: Entry, values: Mapping[int, Array], apply: Apply) -> Array:
    primitive: Primitive
    primitive, slots, kept, parameters, _, _ = entry
    operands = [constant if slot is None else values[slot] for slot, constant in zip(slots, kept, strict=False)]
    if not primitive.takes_numbers:  # as when it was recorded
        operands = [x if slot is None else as_numpy_number(x) for slot, x in zip(slots, operands, strict=True)]
    return apply(primitive, lambda: bind(primitive, operands, parameters))


def _check_guard(guard: Guard, values: Mapping[int, Array]) -> None:
    """Repeat the read of a guard; raise where it fails."""
    as_read = guard.function.plain if isinstance(guard.function, NondifferentiableFunction) else _as_it_is
    arguments = [
        constant if slot is None else as_read(values[slot])
        for slot, constant in zip(guard.slots, guard.constants, strict=True)
    ]
    keywords = {**guard.keywords, **{name: as_read(values[slot]) for name, slot in guard.keyword_slots.items()}}
    answer = read_again(guard, arguments, keywords)
    if not bitwise_equal(guard.answer, answer):
        raise guard_failed(guard, answer)


def _as_it_is(x: Any) -> Any:
    return x


def read_again(guard: Guard, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """Evaluate the function of a guard for these arguments; open tapes that they belong to record a guard."""
    if isinstance(guard.function, NondifferentiableFunction):
        return guard.function(*arguments, **keywords)
    answer = guard.function(*map(unwrap, arguments), **{name: unwrap(x) for name, x in keywords.items()})
    record_guard(guard.name, guard.function, arguments, keywords, answer)
    return answer


def guard_failed(guard: Guard, answer: Any) -> ReplayError:
    """Return the error for a guard that does not hold."""
    before, now = shown(guard.answer), shown(snapshot(answer))
    came = f"got other elements in {before}" if before == now else f"got {now} in place of {before}"
    return ReplayError(
        f"tape.replay: {guard.name} at {line_of(guard.location)} must give what it gave when it was recorded; {came}. "
        "The program may go another way for these inputs: record it again, or pass otherwise=f to run f on them."
    )
