"""Plans: how many carries are kept, and the order in which the steps between them are computed again.

The order is that of the library `checkpoint-schedules`: Griewank and Walther, "Algorithm 799: Revolve", ACM TOMS 26
(2000), with the carries in memory and on disk as in Stumm and Walther, "MultiStage approaches for optimal offline
checkpointing", SIAM J. Sci. Comput. 31 (2009).
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from tapenet.core.packages import import_package
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, FileError
from tapenet.program.loops.checkpointing.carries import bytes_of_leaves
from tapenet.views.sizes import readable

_REPEATS = 3  # how often a step is computed again at most, where neither memory nor slots is given
_REPEATS_WITH_DISK = 2
_SLOTS_ONLINE = 100


@attrs.frozen
class Plan:
    """What a loop may use.

    Attributes:
        memory: bytes; None for no bound.
        slots: carries in memory; None to find the number.
        parent: the folder for files; None for none.
        disk_slots: carries on disk; None to find the number.
    """

    memory: int | None = None
    slots: int | None = None
    parent: Path | None = None
    disk_slots: int | None = None

    def counts(self, steps: int | None, leaves: Sequence[Array], work: int) -> tuple[int, int]:
        """Return how many carries are kept in memory and on disk, the first one counted."""
        slots = self.slots
        if slots is None and self.memory is None:
            slots = _SLOTS_ONLINE if steps is None else least_slots(steps, _REPEATS)
        if self.memory is not None:
            fitting = 1 + (self.memory - work) // bytes_of_leaves(leaves)  # the first is an argument
            if fitting < 1:
                raise ArgumentError(
                    f"checkpointed_loop: memory must hold the values and cotangents of one step, about "
                    f"{readable(work)} for a carry of {readable(bytes_of_leaves(leaves))}; got {readable(self.memory)}."
                    f" Pass memory={work} or more."
                )
            slots = fitting if slots is None else min(slots, fitting)
        assert slots is not None
        return slots, self._on_disk(steps, slots, leaves)

    def _on_disk(self, steps: int | None, slots: int, leaves: Sequence[Array]) -> int:
        if self.parent is None:
            return 0
        count = self.disk_slots
        if count is None:
            if steps is None:
                raise ArgumentError(
                    "checkpointed_loop: disk must be a pair (folder, number of carries) where the number of steps is "
                    "not known before; got a folder. Write disk=(folder, 1000)."
                )
            count = max(0, least_slots(steps, _REPEATS_WITH_DISK) - slots)
        needed, free = count * bytes_of_leaves(leaves), shutil.disk_usage(self.parent).free
        if needed > free:
            raise FileError(
                f"checkpointed_loop: disk must have room for {count} carries, {readable(needed)}; got "
                f"{readable(free)} in {str(self.parent)!r}. Pass a smaller number, disk=(folder, number)."
            )
        return count


def least_slots(steps: int, repeats: int) -> int:
    """Return the least number of carries with which no step is computed again more than `repeats` times."""
    slots = 1
    while math.comb(slots + repeats, repeats) < steps:
        slots += 1
    return slots


def schedule_of(steps: int, slots: int, disk_slots: int) -> Iterator[Any]:
    """Return the actions for a number of steps."""
    library = import_package("checkpoint_schedules", "checkpointed_loop", "schedules")
    schedule: Iterator[Any] = library.MultistageCheckpointSchedule(steps, slots, disk_slots)
    return schedule
