"""`checks`: recorders and walks that check for NaN, infinity and arrays that change."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import attrs

from tapenet.core.argument_checks import checked_flag, checked_number
from tapenet.core.guards import Guard
from tapenet.core.primitive import Array, Primitive
from tapenet.core.record import Entry, Parameters
from tapenet.core.recorder import INSTRUMENTS, GradientCheck, Recorder, compute, partition, put_group, record_output
from tapenet.diagnostics.checked_walks import check_not_constant, checked_entries
from tapenet.diagnostics.checker import Checker, Checks
from tapenet.diagnostics.sizes import size_check


@contextlib.contextmanager
def checks(
    *,
    nan: bool = True,
    mutation: bool = True,
    constant: bool = False,
    dead: bool = False,
    exploding: float | None = None,
) -> Iterator[None]:
    """Watch what is recorded and walked inside the block, of this thread and task alone.

    The errors name the operation as NumPy does, shapes, and the line of the user's that recorded it. A tape that was
    opened in the block stays watched after it, in its walks. On what no tape records nothing is watched.

    Args:
        nan: an operation, or its derivative in either walk, that gives NaN where nothing that went into it held
            NaN, or infinity where nothing held infinity or NaN. What comes out of operands that hold them already
            is not reported again: data may be meant to hold them.
        mutation: an element of an array that a tape holds (watched, or an operand or output that a rule reads) that
            changes between recording and walking.
        constant: a backward walk to a source from which every path to the target goes through an operation that is
            piecewise constant there (`floor`, `round`, `sign`), so that its cotangent can only be zero. Not watched
            for by default: a program may mean to round.
        dead: a gradient (`tape.gradient`, `grad`, `value_and_grad`, a pullback) by a leaf that y depends on, all zeros
            though the cotangent of y is not. The error says which operation it dies at, as `tape.explain` does. Not
            watched for by default: parameters that start at zero make such gradients.
        exploding: a number, such as 1e6. A gradient with an element of more than so many times the largest of the
            cotangent of y, or one that is not finite, is an error that says where it grows. None for no limit.

    Rules of yours (`custom_vjp`, `custom_jvp`, `primitive`) run twice in a watched walk, which finds those that are not
    linear in their cotangents or tangents: of these the walk would give a number that is not a derivative.

    Raises:
        NumericalError: NaN or infinity appears; suggests how to write the expression. A gradient is dead or explodes.
        RuleError: a rule of yours is not linear.
        MutationError: from a walk or replay, an array has changed.
        UnconnectedError: every path is piecewise constant.
        ArgumentError: `exploding` is not positive.

    >>> try:
    ...     with checks():
    ...         tn.grad(tnp.sqrt)(0.0)
    ... except tn.NumericalError as error:
    ...     print(str(error).partition(";")[0])
    sqrt: in the backward walk the cotangent by x must be finite for finite operands
    """
    for name, flag in (("nan", nan), ("mutation", mutation), ("constant", constant), ("dead", dead)):
        checked_flag("checks", name, flag)
    if exploding is not None:
        exploding = checked_number("checks", "exploding", exploding, "(0, inf)")
    wanted = Checks(nan, mutation, constant, dead, exploding)
    instruments = _Checking(wanted) if nan or mutation or constant or dead or exploding is not None else None
    token = INSTRUMENTS.set(instruments)
    try:
        yield
    finally:
        INSTRUMENTS.reset(token)


@attrs.frozen
class _Checking:
    """What `checks` installs in its context."""

    checks: Checks

    def new_recorder(self, guards: list[Guard] | None) -> Recorder:
        """Return a recorder that watches."""
        return CheckedRecorder(guards, Checker(self.checks))

    def entries_to_walk(self, trace: Recorder, targets: Collection[int], sources: Collection[int]) -> Sequence[Entry]:
        """Return the entries of a tape that was opened unwatched, for a walk that is watched."""
        return _watched(trace, Checker(self.checks), targets, sources)

    def gradient_check(self, trace: Recorder) -> GradientCheck | None:
        """Return what checks the gradients of a tape that was opened unwatched."""
        return size_check(trace, self.checks)


@attrs.define(eq=False)
class CheckedRecorder(Recorder):
    """The recorder of a tape that was opened inside `checks`, and stays watched after it."""

    checker: Checker

    def __attrs_post_init__(self) -> None:
        self.locations = self.checker.locations

    def apply(self, primitive: Primitive, operands: Sequence[Array], parameters: Parameters) -> Any:
        """Compute an operation, check what it gives, and record it."""
        slots, values = partition(self, primitive, operands)
        with self.checker.quiet():
            out, residual = compute(primitive, values, parameters)
        self.checker.check_output(primitive, values, out)
        return record_output(self, primitive, operands, slots, values, parameters, out, residual)

    def write(self, entry: Entry, value: Array | None = None) -> int:
        """Put down a record, its place in the user's code and what its arrays look like."""
        slot = self.put(entry)
        self.checker.note(slot, entry, value)
        return slot

    def write_group(self, group: Callable[[int], list[Entry]]) -> int:
        """Put down records that follow each other, as `write` does each."""
        first = put_group(self.entries, group)
        for i, entry in enumerate(group(first)):
            self.checker.note(first + i, entry)
        return first

    def entries_to_walk(self, targets: Collection[int] = (), sources: Collection[int] = ()) -> Sequence[Entry]:
        """Return the entries with rules that are watched, after a look at the arrays they hold."""
        return _watched(self, self.checker, targets, sources)

    def gradient_check(self) -> GradientCheck | None:
        """Return what finds gradients that are dead or explode."""
        return size_check(self, self.checker.checks)


def _watched(trace: Recorder, checker: Checker, targets: Collection[int], sources: Collection[int]) -> Sequence[Entry]:
    checker.check_unchanged(trace.entries)
    if checker.checks.constant:
        check_not_constant(trace.entries, targets, sources, checker)
    return checked_entries(trace.entries, checker) if checker.checks.nan else trace.entries
