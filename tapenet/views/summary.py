"""Summary of a tape: records, bytes and operations on numbers, by operation."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from tapenet.core.record import Entry
from tapenet.views.flops import flops
from tapenet.views.html import html_table
from tapenet.views.sizes import bytes_of, kept_arrays, output_bytes, readable
from tapenet.views.tables import aligned


@attrs.frozen
class OperationSummary:
    """The records of one operation.

    Attributes:
        name: of the operation.
        count: how many records.
        output_bytes: what they computed.
        kept_bytes: the arrays they keep for walks; one that several operations keep counts for each.
        flops: estimated operations on numbers.
    """

    name: str
    count: int
    output_bytes: int
    kept_bytes: int
    flops: int


@attrs.frozen
class Summary:
    """What a tape holds; `str` gives a table.

    Attributes:
        records: how many.
        operations: by operation, the commonest first.
        output_bytes: what all records computed.
        kept_bytes: the arrays that the tape keeps for walks, each counted once.
        flops: estimated operations on numbers.
    """

    records: int
    operations: tuple[OperationSummary, ...]
    output_bytes: int
    kept_bytes: int
    flops: int

    def __str__(self) -> str:
        return aligned([_HEAD, *self._rows], [False, True, True, True, True])

    def _repr_html_(self) -> str:
        return html_table(_HEAD, self._rows)

    @property
    def _rows(self) -> list[tuple[str, ...]]:
        rows = [_cells(x.name, x.count, x.output_bytes, x.kept_bytes, x.flops) for x in self.operations]
        return [*rows, _cells("all", self.records, self.output_bytes, self.kept_bytes, self.flops)]


_HEAD = ("operation", "records", "computed", "kept", "flops")


def _cells(name: str, count: int, computed: int, kept: int, operations: int) -> tuple[str, ...]:
    return name, str(count), readable(computed), readable(kept), readable(operations, "")


def summarize(entries: Sequence[Entry]) -> Summary:
    """Count a tape's records."""
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        by_name.setdefault(entry[0].name, []).append(entry)
    operations = [
        OperationSummary(
            name,
            len(group),
            sum(map(output_bytes, group)),
            bytes_of(array for entry in group for array in kept_arrays(entry[2])),
            sum(flops(entries, entry) for entry in group),
        )
        for name, group in by_name.items()
    ]
    return Summary(
        len(entries),
        tuple(sorted(operations, key=lambda operation: (-operation.count, operation.name))),
        sum(operation.output_bytes for operation in operations),
        bytes_of(array for entry in entries for array in kept_arrays(entry[2])),
        sum(operation.flops for operation in operations),
    )
