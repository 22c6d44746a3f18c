"""A long loop on leaves: arrays, without the structure of the carry and of what is around the step."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import attrs

from tapenet.core.primitive import Array
from tapenet.core.recorder import INSTRUMENTS, new_recorder
from tapenet.core.tensor import Tensor, resolve
from tapenet.errors import ArgumentError, PicklingError
from tapenet.program.loops.checkpointing.carries import (
    Generators,
    copied,
    set_states,
    states_of,
)
from tapenet.program.loops.checkpointing.plans import Plan
from tapenet.program.loops.leaf_places import is_float

Run = Callable[[Sequence[Array], int, Sequence[Array]], list[Array]]  # of a carry, the step's number and its x


def check_plain(leaves: Sequence[Array]) -> None:
    """Raise for a Tensor among what a step made of plain arrays."""
    if any(type(x) is Tensor for x in leaves):
        raise ArgumentError(
            "checkpointed_loop: step must take every Tensor as an argument or visibly, by a variable or a field of a "
            "dataclass; got a carry that depends on one that is held elsewhere. Pass it in the carry."
        )


@attrs.frozen(eq=False, repr=False)
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

    def __repr__(self) -> str:
        return "as many steps as there are" if self.steps is None else f"{self.steps:,} steps"

    def __reduce__(self) -> NoReturn:
        raise PicklingError(
            "pickle: a tape must hold no checkpointed_loop; got one, which has its step as a function and its carries "
            "in this process. Write tn.scan(..., checkpoint=True), or pickle values (x.value) and gradients instead."
        )

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
        if INSTRUMENTS.get() is not None:  # so that checks name the operation inside the step
            run = _watched(run)
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


def _watched(run: Run) -> Run:
    """Return a step that is recorded as it is computed."""

    def step(carry: Sequence[Array], i: int, x: Sequence[Array]) -> list[Array]:
        with new_recorder(replayable=False) as trace:
            outs = run([trace.watch(x) if is_float(x) else x for x in carry], i, x)
        return [resolve(x) for x in outs]

    return step
