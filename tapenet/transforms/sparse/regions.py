"""The inside of checkpointed functions, which a tape does not keep: it is recorded again for its pattern."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from tapenet.core.record import Entry
from tapenet.core.recorder import new_recorder
from tapenet.core.tensor import Tensor
from tapenet.transforms.checkpoint import CHECKPOINT


@attrs.frozen(eq=False)
class Region:
    """The records inside of a region.

    Attributes:
        entries: the records.
        sources: for each operand on the tape around its slot inside; None for a constant.
        targets: for each part of the result its slot inside; None for one that depends on no operand.
    """

    entries: Sequence[Entry]
    sources: tuple[int | None, ...]
    targets: tuple[int | None, ...]


def region_of(entry: Entry) -> Region:
    """Run a checkpointed function again on a tape of its own."""
    _, slots, kept, parameters, _, _ = entry
    with new_recorder(replayable=False) as trace:
        operands = [x if slot is None else trace.watch(x) for x, slot in zip(kept, slots, strict=False)]
        outs = parameters["run"](*operands)

    def inside(x: object) -> int | None:
        return x.slot if type(x) is Tensor and x.owner is trace else None

    return Region(trace.entries, tuple(map(inside, operands)), tuple(map(inside, outs)))


def is_region(entry: Entry) -> bool:
    """Return whether a record is that of a checkpointed function."""
    return entry[0] is CHECKPOINT
