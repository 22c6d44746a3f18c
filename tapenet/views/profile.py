"""Times of a tape by operation, of a replay and of a backward walk."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from tapenet.core.argument_checks import checked_count
from tapenet.core.guards import Guard
from tapenet.core.primitive import Array, Primitive
from tapenet.core.record import Entry
from tapenet.views.html import html_table
from tapenet.views.sizes import bytes_of, kept_arrays, output_bytes, readable
from tapenet.views.tables import aligned
from tapenet.walks.backward import backward
from tapenet.walks.replay import replay
from tapenet.walks.substituted import SubstitutedEntries, with_rules


@attrs.frozen
class OperationProfile:
    """One operation.

    Attributes:
        name: of the operation.
        count: how many records.
        forward: seconds to compute them once.
        backward: seconds in their rules, in one walk back.
        output_bytes: what they computed.
        kept_bytes: the arrays they keep for walks.
    """

    name: str
    count: int
    forward: float
    backward: float
    output_bytes: int
    kept_bytes: int


@attrs.frozen
class Profile:
    """Times and bytes by operation; `str` gives a table.

    Attributes:
        operations: the slowest first.
        forward: seconds to compute all records once, without what it costs to go from one to the next.
        backward: seconds in rules, in one walk back.
    """

    operations: tuple[OperationProfile, ...]
    forward: float
    backward: float

    def __str__(self) -> str:
        return aligned([_HEAD, *self._rows], [False] + [True] * 6)

    def _repr_html_(self) -> str:
        return html_table(_HEAD, self._rows)

    @property
    def _rows(self) -> list[tuple[str, ...]]:
        whole = (self.forward + self.backward) or 1.0
        rows = [
            (
                x.name,
                str(x.count),
                _milliseconds(x.forward),
                _milliseconds(x.backward),
                f"{(x.forward + x.backward) / whole:.1%}",
                readable(x.output_bytes),
                readable(x.kept_bytes),
            )
            for x in self.operations
        ]
        count = str(sum(x.count for x in self.operations))
        total = ("all", count, _milliseconds(self.forward), _milliseconds(self.backward), "", "", "")
        return [*rows, total]


_HEAD = ("operation", "records", "forward", "backward", "share", "computed", "kept")


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.3f} ms"


class _Stopwatch:
    """Seconds by name: of one round, and the least of all rounds."""

    def __init__(self) -> None:
        self.round: dict[str, float] = {}
        self.least: dict[str, float] = {}

    def timed(self, name: str, run: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = run()
        self.round[name] = self.round.get(name, 0.0) + time.perf_counter() - start
        return result

    def next_round(self) -> None:
        self.least = {name: min(seconds, self.least.get(name, seconds)) for name, seconds in self.round.items()}
        self.round = {}


def profile(
    entries: Sequence[Entry],
    guards: Sequence[Guard],
    inputs: Mapping[int, Array],
    cotangents: Mapping[int, Array],
    sources: set[int],
    rounds: int,
) -> Profile:
    """Time a replay, and a walk back from cotangents; of each operation the fastest of several rounds."""
    rounds = checked_count("tape.profile", "rounds", rounds)
    forward, back = _Stopwatch(), _Stopwatch()
    timed_entries = SubstitutedEntries(entries, lambda primitive, slot: _with_timed_rules(primitive, back))

    def apply(primitive: Primitive, compute: Callable[[], Array]) -> Array:
        computed: Array = forward.timed(primitive.name, compute)
        return computed

    for _ in range(rounds):
        replay(entries, guards, inputs, range(len(entries)), apply=apply)
        backward(timed_entries, dict(cotangents), sources)
        forward.next_round()
        back.next_round()
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        by_name.setdefault(entry[0].name, []).append(entry)
    operations = [
        OperationProfile(
            name,
            len(group),
            forward.least.get(name, 0.0),
            back.least.get(name, 0.0),
            sum(map(output_bytes, group)),
            bytes_of(array for entry in group for array in kept_arrays(entry[2])),
        )
        for name, group in by_name.items()
    ]
    operations.sort(key=lambda operation: -(operation.forward + operation.backward))
    return Profile(
        tuple(operations),
        sum(operation.forward for operation in operations),
        sum(operation.backward for operation in operations),
    )


def _with_timed_rules(primitive: Primitive, watch: _Stopwatch) -> Primitive:
    def timed(rule: Callable[..., Any], place: int | None) -> Callable[..., Any]:
        return lambda *given: watch.timed(primitive.name, lambda: rule(*given))

    return with_rules(primitive, pullback=timed)
