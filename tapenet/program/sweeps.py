"""The two sweeps of a long loop: forward, which keeps some carries, and backward, which computes the others again.

The order of steps is that of the library `checkpoint-schedules`: Griewank and Walther, "Algorithm 799: Revolve", ACM
TOMS 26 (2000), with the carries in memory and on disk as in Stumm and Walther, "MultiStage approaches for optimal
offline checkpointing", SIAM J. Sci. Comput. 31 (2009). Where the number of steps is not known before, which the library
has no schedule of limited memory for, the forward sweep keeps carries as in Wang, Moin and Iaccarino, "Minimal
repetition dynamic checkpointing algorithm for unsteady adjoint calculation", SIAM J. Sci. Comput. 31 (2009), and the
steps between two of them are then gone through in the library's order.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from tapenet.core.leaf_checks import dtype_of, zeros_of
from tapenet.core.packages import import_package
from tapenet.core.primitive import Array
from tapenet.core.record import Entry
from tapenet.core.recorder import Recorder, new_recorder
from tapenet.core.tensor import Tensor, resolve
from tapenet.errors import ArgumentError, FileError, ReplayError
from tapenet.program.carries import (
    Carries,
    Folder,
    Generators,
    bytes_of_leaves,
    copied,
    set_states,
    states_of,
)
from tapenet.transforms.mapping import vmap
from tapenet.views.sizes import output_bytes, readable
from tapenet.walks.products import vjp_walk

Run = Callable[[Sequence[Array], int, Sequence[Array]], list[Array]]  # of a carry, the step's number and its x
_REPEATS = 3  # how often a step is computed again at most, where neither memory nor slots is given
_REPEATS_WITH_DISK = 2
_SLOTS_ONLINE = 100
_RECORD_BYTES = 1000  # of a record and its Tensor, about


def is_float(x: Any) -> bool:
    """Return whether a leaf has a derivative."""
    return np.dtype(dtype_of(x)).kind in "fc"


def float_places(leaves: Sequence[Array]) -> tuple[int, ...]:
    """Return the places of floats and complex numbers."""
    return tuple([i for i, x in enumerate(leaves) if is_float(x)])


def check_plain(leaves: Sequence[Array]) -> None:
    """Raise for a Tensor among what a step made of plain arrays."""
    if any(type(x) is Tensor for x in leaves):
        raise ArgumentError(
            "checkpointed_loop: step must take every Tensor as an argument or visibly, by a variable or a field of a "
            "dataclass; got a carry that depends on one that is held elsewhere. Pass it in the carry."
        )


# ---- plans ----


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


# ---- loops ----


@attrs.frozen(eq=False)
class Loop:
    """A loop on leaves.

    Attributes:
        bound: gives one step on leaves, from the leaves of what is around.
        carries, xs: how many leaves there are.
        steps: their number; None where `goes_on` tells.
        goes_on: whether there is a next step, from its number, the carry and what is around.
        generators, states: from which steps draw, and their states before the first.
        plan: what it may use.
        check: raises where a backward walk would compute other values than the loop did.
        runs: one entry for each time that it ran.
    """

    bound: Callable[[Sequence[Array]], Run]
    carries: int
    xs: int
    steps: int | None
    goes_on: Callable[[int, Sequence[Array], Sequence[Array]], bool]
    generators: Generators
    states: list[Any]
    plan: Plan
    check: Callable[[], None]
    runs: list[bool] = attrs.field(factory=list)

    @contextlib.contextmanager
    def replayed(self) -> Iterator[None]:
        """Draw from the states of the generators before the loop; where it ran before, leave them as they are now."""
        ran, now = bool(self.runs), states_of(self.generators)
        self.runs.append(True)
        set_states(self.generators, self.states)
        try:
            yield
        finally:
            if ran:
                set_states(self.generators, now)

    def split(self, operands: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """Return the parts of operands: those of the carry, of xs, and of what is around."""
        first, second = self.carries, self.carries + self.xs
        return list(operands[:first]), list(operands[first:second]), list(operands[second:])

    def advanced(self, carry: Sequence[Array], steps: range, xs: Sequence[Array], around: Sequence[Array]) -> list[Any]:
        """Return the carry after some steps."""
        run, leaves = self.bound(around), list(carry)
        for i in steps:
            leaves = run(leaves, i, [x[i] for x in xs])
            check_plain(leaves)
        return leaves

    def value(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        """Return the last carry, keeping none."""
        carry, xs, around = self.split(operands)
        carry = [copied(x) for x in carry]
        with self.replayed():
            if self.steps is not None:
                return tuple(self.advanced(carry, range(self.steps), xs, around))
            for i in itertools.count():
                if not self.goes_on(i, carry, around):
                    break
                carry = self.advanced(carry, range(i, i + 1), [], around)
            return tuple(carry)


@attrs.frozen(eq=False)
class _Recorded:
    """One step on a tape of its own.

    Attributes:
        watched: by the place among operands.
        outs: the leaves of the next carry.
    """

    trace: Recorder
    watched: dict[int, Tensor]
    outs: list[Any]

    @property
    def values(self) -> list[Array]:
        values = [resolve(x) for x in self.outs]
        check_plain(values)
        return values

    def pulled(self, bars: Sequence[Array], sources: Sequence[int]) -> list[Array | None]:
        """Pull cotangents of the float leaves back to operands."""
        targets = [x for x in self.outs if is_float(x)]
        return vjp_walk(self.trace, targets, bars, [self.watched[i] for i in sources])

    @property
    def work(self) -> int:
        """Bytes of a step at most: its values, their cotangents, and three carries: kept, given and compared with."""
        entries = self.trace.entries
        computed = sum(output_bytes(entry) + _RECORD_BYTES for entry in entries)
        return computed + _cotangent_bytes(entries) + 3 * bytes_of_leaves(self.values)


def _cotangent_bytes(entries: Sequence[Entry]) -> int:
    """Return the most bytes that the cotangents of a backward walk take at a time, with those that a rule makes."""
    sizes = [output_bytes(entry) for entry in entries]
    live, most = set[int](), 0
    for slot in range(len(entries) - 1, -1, -1):
        live.update(operand for operand in entries[slot][1] if operand is not None)
        most = max(most, sum(sizes[i] for i in live))
        live.discard(slot)
    return most + 2 * max(sizes, default=0)


# ---- sweeps ----


@attrs.define(eq=False)
class Sweep:
    """A loop whose forward sweep is done.

    Attributes:
        loop, operands: what it is of.
        carries: those that are kept.
        slots, disk_slots: how many may be.
        steps: how many there are.
        schedule: the actions that are left, where the number of steps was known before.
        last: the last step, recorded already.
        outs: the leaves of the last carry.
        fresh: whether the carries are there, True in a list until they are used up.
    """

    loop: Loop
    operands: tuple[Array, ...]
    carries: Carries
    slots: int
    disk_slots: int
    steps: int = 0
    schedule: Iterator[Any] | None = None
    carry: list[Array] = attrs.field(factory=list)
    last: _Recorded | None = None
    outs: list[Array] = attrs.field(factory=list)
    fresh: list[bool] = attrs.field(factory=lambda: [True])

    @classmethod
    def of(cls, loop: Loop, operands: Sequence[Array]) -> Sweep:
        """Do the forward sweep of a loop, and keep carries."""
        with loop.replayed():
            return cls._of(loop, operands)

    @classmethod
    def _of(cls, loop: Loop, operands: Sequence[Array]) -> Sweep:
        leaves, _, _ = loop.split(operands)
        work = _work(loop, operands) if loop.plan.memory is not None else 0
        slots, disk_slots = loop.plan.counts(loop.steps, leaves, work)
        folder = Folder.inside(loop.plan.parent) if loop.plan.parent is not None and disk_slots else None
        sweep = cls(loop, tuple(operands), Carries(slots, folder, loop.generators), slots, disk_slots)
        try:
            sweep._begin()
        except BaseException:
            sweep.carries.close()
            raise
        return sweep

    def _begin(self) -> None:
        carry, _, _ = self.loop.split(self.operands)
        self.carries.begin(carry)
        self.carry = [copied(x) for x in carry]
        if self.loop.steps is None:
            self._begin_online()
            return
        self.steps = self.loop.steps
        self.schedule = schedule_of(self.steps, self.slots, self.disk_slots)
        self._act(self.schedule, 0)
        places = range(len(self.operands))
        self.last = self._recorded(self.steps - 1, self.carry, places)
        self.outs = self.last.values

    def _begin_online(self) -> None:
        """Keep carries so that, whenever the loop ends, no step is computed again more often than it must."""
        loop, (_, _, around) = self.loop, self.loop.split(self.operands)
        levels: dict[int, float] = {0: math.inf}
        while loop.goes_on(self.steps, self.carry, around):
            self._keep(self.steps, levels)
            self.carry = loop.advanced(self.carry, range(self.steps, self.steps + 1), [], around)
            self.steps += 1
        self.outs = self.carry

    def _keep(self, step: int, levels: dict[int, float]) -> None:
        if step == 0:
            return
        level = 0.0
        if len(levels) >= self.slots + self.disk_slots:
            dropped = _dispensable(levels)
            if dropped is None:
                dropped = max(levels)
                level = levels[dropped] + 1
            if dropped == 0:  # there is room for the first alone
                return
            del levels[dropped]
            self.carries.discard(dropped)
        held = [k for k in self.carries.in_memory if k]
        if self.carries.folder is not None and len(held) + 1 >= self.slots and held:
            self.carries.spill(min(held))  # the older ones stay longer
        levels[step] = level
        self.carries.save(step, self.carry, on_disk=False)

    # ---- backward ----

    def reverse(self, bars: Sequence[Array], wanted: Sequence[int], rows: int | None = None) -> list[Array]:
        """Pull cotangents of the last carry back to operands; with rows, so many of each, along axis 0."""
        states = states_of(self.loop.generators)
        try:
            self.loop.check()
            walk = _Backward(self, list(bars), wanted, rows)
            if self.schedule is not None:
                self._act(self.schedule, 0, walk)
            elif self.steps:
                self._reverse_segments(walk)
            return walk.found()
        finally:
            self.carries.close()
            self.carry, self.last, self.schedule = [], None, None
            set_states(self.loop.generators, states)

    def take(self) -> bool:
        """Return whether the carries are there, for the one backward sweep that uses them up."""
        try:
            return self.fresh.pop()
        except IndexError:
            return False

    def _reverse_segments(self, walk: _Backward) -> None:
        end = self.steps
        for start in sorted(self.carries.kept, reverse=True):
            earlier = [k for k in self.carries.kept if k < start]
            in_memory = sum(k in earlier for k in self.carries.in_memory)
            slots = max(0, self.slots - in_memory)
            disk_slots = max(0, self.disk_slots - (len(earlier) - in_memory))
            self.carry = self.carries.load(start, drop=False)
            schedule = schedule_of(end - start, slots, disk_slots)
            self._act(schedule, start)
            self._act(schedule, start, walk)
            end = start

    def _act(self, schedule: Iterator[Any], start: int, walk: _Backward | None = None) -> None:
        """Do the actions of a schedule up to its turn, or with a walk those after it; it counts from `start`."""
        loop, (_, xs, around) = self.loop, self.loop.split(self.operands)
        for action in schedule:
            kind = type(action).__name__
            if kind == "Forward" and action.write_ics:
                self.carries.save(start + action.n0, self.carry, action.storage.name == "DISK")
            if kind == "Forward" and not action.write_adj_deps:
                self.carry = loop.advanced(self.carry, range(start + action.n0, start + action.n1), xs, around)
            elif kind in ("Copy", "Move"):
                self.carry = self.carries.load(start + action.n, drop=kind == "Move")
            elif kind == "Reverse" and walk is not None:
                walk.step_back(start + action.n0)
            elif kind in ("EndForward", "EndReverse"):
                return

    def _recorded(self, i: int, carry: Sequence[Array], wanted: Sequence[int]) -> _Recorded:
        """Record one step, by the float leaves of the carry and by those operands that are wanted."""
        loop = self.loop
        _, xs, around = loop.split(self.operands)
        leaves = [x if is_float(x) else copied(x) for x in carry]  # what is not watched may be written into
        given = [*leaves, *[x[i] for x in xs], *around]
        watched: dict[int, Tensor] = {}
        with new_recorder(replayable=False) as trace:
            for place in {*float_places(carry), *(place for place in wanted if is_float(given[place]))}:
                given[place] = watched[place] = trace.watch(given[place])
            parts = loop.split(given)
            outs = loop.bound(parts[2])(parts[0], i, parts[1])
        return _Recorded(trace, watched, outs)


def _check_same(i: int, outs: Sequence[Array], after: Sequence[Array]) -> None:
    """Raise where a step gave another carry than before, but for the rounding of what computes it on a tape."""
    for new, old in zip(outs, after, strict=False):
        if not _is_close(new, old):
            raise ReplayError(
                f"checkpointed_loop: step must compute the same when it is called again; got another carry from step "
                f"{i}. Draw from generators that are in the carry or variables around step, and carry what changes."
            )


def _is_close(new: Array, old: Array) -> bool:
    if not is_float(old):
        return bool(np.all(new == old))
    with np.errstate(all="ignore"):
        difference = np.max(np.abs(new - old), initial=0.0)
        return not difference > np.sqrt(np.finfo(old.dtype).eps) * np.max(np.abs(old), initial=0.0)  # NaN is none


def _dispensable(levels: dict[int, float]) -> int | None:
    """Return the last carry that a later one of a higher level makes dispensable."""
    highest = -1.0
    for step in sorted(levels, reverse=True):
        if levels[step] < highest:
            return step
        highest = max(highest, levels[step])
    return None


def _work(loop: Loop, operands: Sequence[Array]) -> int:
    """Return the bytes that one recorded step needs, by recording the first."""
    states = states_of(loop.generators)
    carry, _, around = loop.split(operands)
    if loop.steps is None and not loop.goes_on(0, carry, around):
        return 0
    probe = Sweep(loop, tuple(operands), Carries(0, None, ()), 0, 0)
    recorded = probe._recorded(0, [copied(x) for x in carry], range(len(operands)))
    set_states(loop.generators, states)
    return recorded.work + 2 * sum(int(x.nbytes) for x in around)


@attrs.define(eq=False)
class _Backward:
    """The cotangents of a backward sweep.

    Attributes:
        bars: of the float leaves of the carry.
        wanted: the places of operands.
        rows: how many cotangents of each there are, along axis 0; None for one.
        sums: by place, for operands that are not of the carry.
        after: the carry that the next step was given; empty before the last.
    """

    sweep: Sweep
    bars: list[Array]
    wanted: Sequence[int]
    rows: int | None
    sums: dict[int, Array] = attrs.field(factory=dict)
    after: list[Array] = attrs.field(factory=list)

    def step_back(self, i: int) -> None:
        """Pull the cotangents back through step i, from the carry that it is given."""
        sweep = self.sweep
        others = [place for place in self.wanted if place >= sweep.loop.carries]
        recorded = sweep.last
        if recorded is None:
            recorded = sweep._recorded(i, sweep.carry, others)
        sweep.last = None
        _check_same(i, recorded.values, self.after)
        self.after = sweep.carry
        carry = sweep.loop.split(sweep.operands)[0]
        own = float_places(carry)
        pulled = self._pulled(recorded, [*own, *others])
        self.bars = [self._zeros(carry[k]) if bar is None else bar for k, bar in zip(own, pulled, strict=False)]
        for place, bar in zip(others, pulled[len(own) :], strict=True):
            if bar is not None:
                self._add(i, place, bar)

    def _pulled(self, recorded: _Recorded, sources: Sequence[int]) -> list[Array | None]:
        if self.rows is None:
            return recorded.pulled(self.bars, sources)
        reached: list[bool] = []

        def pull(*bars: Array) -> tuple[Array, ...]:
            found = recorded.pulled(bars, sources)
            reached[:] = [bar is not None for bar in found]
            return tuple([bar for bar in found if bar is not None])

        found = iter(vmap(pull)(*self.bars))
        return [next(found) if is_reached else None for is_reached in reached]

    def _zeros(self, x: Array) -> Array:
        return zeros_of(x) if self.rows is None else np.zeros((self.rows, *x.shape), x.dtype)

    def _add(self, i: int, place: int, bar: Array) -> None:
        loop, operand = self.sweep.loop, self.sweep.operands[place]
        if place < loop.carries + loop.xs:
            if place not in self.sums:
                self.sums[place] = np.asarray(self._zeros(operand))
            row: Any = i if self.rows is None else (slice(None), i)
            self.sums[place][row] = bar
        elif place not in self.sums:
            self.sums[place] = copied(bar)
        elif isinstance(self.sums[place], np.ndarray):
            self.sums[place] += bar
        else:
            self.sums[place] = self.sums[place] + bar

    def found(self) -> list[Array]:
        """Return a cotangent for each operand that is wanted."""
        loop, operands = self.sweep.loop, self.sweep.operands
        own = dict(zip(float_places(loop.split(operands)[0]), self.bars, strict=True))
        sums = own | self.sums
        return [sums[place] if place in sums else self._zeros(operands[place]) for place in self.wanted]
