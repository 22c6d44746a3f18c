"""What is known of the calls of a function: the programs of each signature, one for each way that it goes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.random import Generator

from tapenet.core.guards import same_snapshots
from tapenet.core.pytrees import TreeSpec, tree_flatten_with_static
from tapenet.core.tensor import NUMBERS
from tapenet.errors import ReplayError
from tapenet.kernels.layouts import Layout
from tapenet.program.compiling.signatures import number_key
from tapenet.program.evaluating import GuardFailedError
from tapenet.program.instructions import Instruction, Program, must_run
from tapenet.program.recording.environment import Environment
from tapenet.program.recording.generators import saved
from tapenet.program.recording.tracing import Recorded, same_constants

MOST_PROGRAMS = 8  # for one signature; then it runs eagerly
MOST_FUNCTIONS = 64  # as arguments, where all else is the same; then they run eagerly
Run = Callable[[Sequence[Any]], tuple[Any, ...]]


@attrs.define(eq=False)
class Variant:
    """A program of a signature, for one way that the function goes.

    Attributes:
        recorded: the recorded call.
        numbers: the Python numbers that are constants of it, by place.
        run: computes it; None until a second recording has confirmed its constants.
        program: what is run, optimized.
        seconds: spent on recording and compiling.
        donated: the places of leaves whose memory results may lie in.
        held: constants that are outputs, which results must not share memory with.
    """

    recorded: Recorded
    numbers: tuple[tuple[int, Hashable], ...]
    run: Run | None
    program: Program
    seconds: float
    donated: frozenset[int]
    held: tuple[Any, ...] = attrs.field(init=False)

    @held.default
    def _outputs_that_are_constants(self) -> tuple[Any, ...]:
        return tuple([self.program.constants[n] for n in self.program.outputs if n in self.program.constants])

    def fits(self, leaves: Sequence[Any]) -> bool:
        """Return whether the numbers of a call are those of the program."""
        for place, key in self.numbers:  # at each call: without generators
            x = leaves[place]
            if x is not key and number_key(x) != key:
                return False
        return True

    def answer(self, leaves: Sequence[Any]) -> tuple[bool, Any]:
        """Return whether the program's guards hold for a call, and its result."""
        assert self.run is not None
        recorded = self.recorded
        given = [leaves[i] for i in recorded.inputs]
        given += recorded.live
        has_generators = Generator in map(type, given)
        restore = saved([x for x in given if type(x) is Generator]) if has_generators else None
        try:
            outputs = self.run(given)
        except (GuardFailedError, ReplayError):
            if restore is not None:
                restore()
            return False, None
        if self.donated:
            given = [*(leaves[i] for i in recorded.inputs if i not in self.donated), *recorded.live]
        return True, recorded.filled(recorded.owned(outputs, [*given, *self.held]), leaves)


@attrs.define(eq=False)
class Signature:
    """What is known of the calls of one signature.

    Attributes:
        variants: the programs.
        varying: the places of Python numbers that have been seen to vary, which are inputs.
        eager: why such calls run eagerly; empty where they do not.
        key, spec: of the signature itself, and the structure of its leaves, once it was met again.
        layout: of its leaves then, which finds the next call quickly; None where there are few, or the key holds more.
        surroundings: of functions and objects that are arguments; None where there are none.
        changes: how often these changed.
    """

    variants: list[Variant] = attrs.field(factory=list)
    varying: frozenset[int] = frozenset()
    eager: str = ""
    key: Hashable = None
    spec: TreeSpec | None = None
    layout: Layout | None = None
    surroundings: Environment | None = None
    changes: int = 0

    def are_surroundings_current(self) -> bool:
        """Return whether functions and objects that are arguments read what they read when a call was recorded."""
        own = self.surroundings
        return own is None or not own.watches or own.is_current()

    def is_of(self, leaves: Sequence[Any], spec: TreeSpec) -> bool:
        """Return whether a call is known to be of this signature, without making its key."""
        if self.layout is None or not self.are_surroundings_current():
            return False
        try:
            return self.layout.fits(leaves) and bool(self.spec == spec)
        except (TypeError, ValueError):  # of static fields that are not comparable
            return False

    def answer(self, leaves: Sequence[Any]) -> tuple[bool, Any]:
        """Return whether a program that is ready goes the way of a call, and its result."""
        for variant in self.variants:
            if variant.run is not None and (not variant.numbers or variant.fits(leaves)):
                found, result = variant.answer(leaves)
                if found:
                    return found, result
        return False, None


@attrs.define(eq=False)
class Around:
    """What is around the function, and what is known of its calls as long as that stays.

    Attributes:
        environment: what is around it.
        signatures: by their keys.
        functions: how many functions have been arguments, by all else of the signature.
        ran: whether a program of it has run.
        change: what changed at each of many calls before; empty where it is worth recording.
        last: the signature of the last call.
    """

    environment: Environment
    signatures: dict[Hashable, Signature] = attrs.field(factory=dict)
    functions: dict[Hashable, int] = attrs.field(factory=dict)
    ran: bool = False
    change: str = ""
    last: Signature | None = None


# ---- which numbers are inputs ----


def _varying(known: Signature, leaves: Sequence[Any]) -> frozenset[int]:
    """Return the places of Python numbers that differ from those of a recorded call."""
    seen = {place: key for variant in known.variants for place, key in variant.numbers}
    places = (place for place, key in seen.items() if number_key(leaves[place]) != key)
    return known.varying.union(places)


def choices_of_varying(known: Signature, leaves: Sequence[Any], environment: Environment) -> Collection[frozenset[int]]:
    """Return what to try as the places of numbers that are inputs: those seen to vary, and none.

    Where that has taken many programs, as of the counters in the state of a composed optimizer, first all numbers.
    Where the function may go by the class of a number, none: an input is of another class.
    """
    if environment.tests_numbers:
        return (frozenset(),)
    every = frozenset(i for i, leaf in enumerate(leaves) if type(leaf) in NUMBERS)
    first = [every] if len(known.variants) >= MOST_PROGRAMS // 2 else []
    return dict.fromkeys((*first, _varying(known, leaves), frozenset[int]()))


# ---- what changes at each call ----


def forget_containers(around: Around, known: Signature) -> None:
    """Watch no containers any longer, as the function changes them itself."""
    around.environment.containers.clear()
    if known.surroundings is not None:
        known.surroundings.containers.clear()


def changing(around: Around, known: Signature) -> str:
    """Return why it is not worth recording a call: something is another at each call; empty where it is."""
    if around.change:
        return f"{around.change}, which it reads around it, is another at each call. Make that an argument"
    if known.changes < MOST_PROGRAMS:
        return ""
    return "what a function that is an argument reads around it is another at each call. Make that an argument"


def too_many(around: Around, others: Hashable) -> str:
    """Count functions that are arguments; return why a further one is not recorded, empty where it is."""
    count = around.functions[others] = around.functions.get(others, 0) + 1
    if count <= MOST_FUNCTIONS:
        return ""
    return "an argument is another function at each call. Define it once, outside of the calls"


# ---- whether two calls are alike ----


def same_programs(first: Recorded, second: Recorded) -> bool:
    """Return whether two recorded calls are the same program."""
    ours, theirs = ([_described(x, made.program) for x in made.program] for made in (first, second))
    return ours == theirs and same_ways(first, second) and not same_constants(first, second)


def _described(instruction: Instruction, program: Program) -> tuple[Any, ...]:
    """Return the name of an instruction, and the shape and dtype of its value."""
    space = program.spaces.get(instruction.out)
    return instruction.name, space and (space.shape, space.dtype)


def same_ways(first: Recorded, second: Recorded) -> bool:
    """Return whether two recorded calls read the same off, and found as many elements where masks hold."""
    ours, theirs = ([x.guard.answer for x in made.program if x.guard is not None] for made in (first, second))
    if len(ours) != len(theirs) or not all(map(same_snapshots, ours, theirs)):
        return False
    own, others = (
        [(x.name, made.program.spaces[x.out].shape) for x in made.program if x.out >= 0 and must_run(x, made.program)]
        for made in (first, second)
    )
    return own == others


def are_alike(first: Any, second: Any) -> bool:
    """Return whether two results are of one structure, and equal but for rounding."""
    ours, spec = tree_flatten_with_static(first, none_is_leaf=True)
    theirs, other = tree_flatten_with_static(second, none_is_leaf=True)
    return bool(spec == other) and all(map(_are_leaves_alike, ours, theirs))


def _are_leaves_alike(x: Any, y: Any) -> bool:
    if not isinstance(x, np.ndarray | np.generic | bool | int | float | complex):
        return x is y or (type(x) is type(y) and bool(x == y))
    x, y = np.asarray(x), np.asarray(y)
    if (x.shape, x.dtype) != (y.shape, y.dtype):
        return False
    is_equal = np.array_equal(x, y)  # one pass over memory, where what follows takes many
    if is_equal or x.dtype.kind not in "fc":
        return is_equal
    size = np.max(np.abs(x[np.isfinite(x)]), initial=0)
    return bool(np.allclose(x, y, _ROUNDING, _ROUNDING * size, equal_nan=True))


# How far numbers of two formulas may differ, relative to the largest of them: another branch gives other numbers.
_ROUNDING = 1e-2
