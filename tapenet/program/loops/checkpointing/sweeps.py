"""The two sweeps of a long loop: forward, which keeps some carries, and backward, which computes the others again.

Where the number of steps is known before, both go by the library's schedule (`plans`). Where it is not, for which the
library has no schedule of limited memory, the forward sweep keeps carries as in Wang, Moin and Iaccarino, "Minimal
repetition dynamic checkpointing algorithm for unsteady adjoint calculation", SIAM J. Sci. Comput. 31 (2009), and the
steps between two of them are then gone through in the library's order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.leaf_checks import zeros_of
from tapenet.core.primitive import Array
from tapenet.core.record import Entry
from tapenet.core.recorder import Recorder, new_recorder
from tapenet.core.tensor import Tensor, resolve
from tapenet.errors import ReplayError
from tapenet.program.loops.checkpointing.carries import (
    Carries,
    Folder,
    bytes_of_leaves,
    copied,
    set_states,
    states_of,
)
from tapenet.program.loops.checkpointing.leaves import Loop, check_plain
from tapenet.program.loops.checkpointing.plans import schedule_of
from tapenet.program.loops.leaf_places import float_places, is_float
from tapenet.transforms.mapping import vmap
from tapenet.views.sizes import kept_arrays, output_bytes
from tapenet.walks.products import vjp_walk

_RECORD_BYTES = 1000  # of a record and its Tensor, about


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
                dropped = next(reversed(levels))
                level = levels[dropped] + 1
            if dropped == 0:  # there is room for the first alone
                return
            del levels[dropped]
            self.carries.discard(dropped)
        if self.carries.folder is not None:
            held = [k for k in self.carries.in_memory if k]
            if held and len(held) + 1 >= self.slots:
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

    @property
    def arrays(self) -> list[Array]:
        """What a tape keeps: the carries in memory but the first, which is an argument, and the last step's values."""
        carries = (kept.leaves or [] for step, kept in self.carries.kept.items() if step)
        values = (kept_arrays(entry[2]) for entry in (self.last.trace.entries if self.last is not None else ()))
        return [*itertools.chain.from_iterable((*carries, *values)), *self.carry]

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
            if start in self.carries:  # of a single step, whose schedule keeps none
                self.carries.discard(start)
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
    """Return the last carry, of levels in the order of steps, that a later one of a higher level makes dispensable."""
    highest = -1.0
    for step in reversed(levels):
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
