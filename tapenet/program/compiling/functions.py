"""`compile`: a function becomes programs, one for each signature and each way that it goes."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import time
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Any, Generic, ParamSpec, TypeVar

import attrs
import numpy as np

from tapenet.core.argument_checks import check_transform, checked_choice, checked_flag, shown
from tapenet.core.guards import same_snapshots
from tapenet.core.pytrees import TreeSpec, told_apart, tree_flatten_with_static, tree_unflatten
from tapenet.core.recorder import INSTRUMENTS
from tapenet.core.source_lines import warn_at_user_line
from tapenet.core.tensor import NUMBERS, Tensor, resolve
from tapenet.errors import ArgumentError, ArgumentTypeError, CompileWarning, ReplayError
from tapenet.kernels.layouts import Layout
from tapenet.kernels.memory import sparing
from tapenet.program.backends import llvm_code, numpy_code
from tapenet.program.compiling.bound import BoundFunction
from tapenet.program.compiling.costs import Cost, cost_of
from tapenet.program.compiling.lowered import Lowered, argument_paths
from tapenet.program.compiling.signatures import Same, leaf_key, number_key, shared_places, static_value
from tapenet.program.evaluating import GuardFailedError
from tapenet.program.instructions import Program, must_run
from tapenet.program.passes import optimized
from tapenet.program.recording.environment import (
    Environment,
    environment_of,
    surroundings_of,
    with_surroundings,
)
from tapenet.program.recording.generators import saved
from tapenet.program.recording.recorder import RECORDING, RefusedError, UnsupportedError
from tapenet.program.recording.tracing import (
    Recorded,
    RepeatedEffectError,
    needs_confirmation,
    owned_result,
    record,
    same_constants,
)
from tapenet.transforms.calls import name_of
from tapenet.transforms.transformed import is_found_by_name

P = ParamSpec("P")
Value = TypeVar("Value")

MOST_PROGRAMS = 8  # for one signature; then it runs eagerly
MOST_FUNCTIONS = 64  # as arguments, where all else is the same; then they run eagerly
Run = Callable[[Sequence[Any]], tuple[Any, ...]]


@attrs.define(eq=False)
class Entry:
    """A program of a signature.

    Attributes:
        recorded: the recorded call.
        numbers: the Python numbers that are constants of it, by place.
        run: computes it; None until a second recording has confirmed its constants.
        program: what is run, optimized.
        seconds: spent on recording and compiling.
        donated: the places of leaves whose memory results may lie in.
    """

    recorded: Recorded
    numbers: tuple[tuple[int, Hashable], ...]
    run: Run | None
    program: Program
    seconds: float
    donated: frozenset[int]

    def fits(self, leaves: Sequence[Any]) -> bool:
        """Return whether the numbers of a call are those of the program."""
        return all(number_key(leaves[place]) == key for place, key in self.numbers)


@attrs.define(eq=False)
class Signature:
    """What is known of the calls of one signature.

    Attributes:
        entries: the programs.
        varying: the places of Python numbers that have been seen to vary, which are inputs.
        eager: why such calls run eagerly; empty where they do not.
        key, spec: of the signature itself, and the structure of its leaves, once it was met again.
        layout: of its leaves then, which finds the next call quickly; None where there are few, or the key holds more.
        surroundings: of functions and objects that are arguments; None where there are none.
        changes: how often these changed.
    """

    entries: list[Entry] = attrs.field(factory=list)
    varying: frozenset[int] = frozenset()
    eager: str = ""
    key: Hashable = None
    spec: TreeSpec | None = None
    layout: Layout | None = None
    surroundings: Environment | None = None
    changes: int = 0

    def is_of(self, leaves: Sequence[Any], spec: TreeSpec) -> bool:
        """Return whether a call is known to be of this signature, without making its key."""
        if self.layout is None or not (self.surroundings is None or self.surroundings.is_current()):
            return False
        try:
            return self.layout.fits(leaves) and bool(self.spec == spec)
        except (TypeError, ValueError):  # of static fields that are not comparable
            return False


@attrs.define(eq=False)
class _Around:
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


class CompiledFunction(Generic[P, Value]):
    """A function that records and runs programs; made by `compile`.

    Attributes:
        programs: those recorded so far.
    """

    __qualname__: str

    def __init__(
        self,
        f: Callable[P, Value],
        backend: Callable[[Program, frozenset[int]], Run],
        static_argnames: frozenset[str],
        donate: tuple[int, ...],
        fullgraph: bool,
        options: dict[str, Any],
        ahead: bool = False,
    ) -> None:
        if hasattr(f, "__name__"):
            functools.update_wrapper(self, f, updated=())
        self._f: Callable[..., Any] = f
        self._static = static_argnames
        self._donate = donate
        self._fullgraph = fullgraph
        self._backend = backend
        self._options = options
        self._ahead = ahead
        self._positions = _positions(f, static_argnames) if static_argnames else {}
        self._around: _Around | None = None
        self._arounds: tuple[_Around, ...] = ()  # the last ones, the latest first
        self._said_that_it_changes = False
        self._changes = 0  # of what is around it, without a run of a program between
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<compiled function {name_of(self._f)}, {len(self.programs)} programs>"

    def __copy__(self) -> CompiledFunction[P, Value]:
        return self

    def __deepcopy__(self, memo: Any) -> CompiledFunction[P, Value]:
        return self  # as functions are

    def __reduce__(self) -> Any:
        if is_found_by_name(self):  # as behind a decorator
            return self.__qualname__
        return (compile_ahead, (self._f,)) if self._ahead else (_made_again, (self._f, self._options))

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Return the compiled method of an instance, where the function is one of a class."""
        if instance is None or isinstance(self._f, staticmethod):
            return self
        return BoundFunction(self, instance)

    @property
    def inlined(self) -> Callable[..., Any]:
        """The function itself, which runs where the call is part of another recording."""
        return self._f

    @property
    def programs(self) -> tuple[Program, ...]:
        """The programs recorded so far."""
        known = [known for around in self._arounds for known in around.signatures.values()]
        return tuple([entry.program for own in known for entry in own.entries])

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Value:
        """Run the program of these arguments; record it where there is none."""
        if RECORDING.get() is not None:
            return self._f(*args, **kwargs)
        if INSTRUMENTS.get() is not None or _is_debugged():
            return self._eagerly(*args, **kwargs)
        call = self._call(args, kwargs)
        if call is None:
            return self._f(*args, **kwargs)
        known = call.known
        if known is not None:
            if known.eager:
                return self._eagerly(*args, **kwargs)
            for entry in known.entries:
                if entry.run is not None and entry.fits(call.leaves):
                    found, result = _run(entry, entry.run, call.leaves)
                    if found:
                        call.around.ran = True
                        return result
        return self._by_program(call) if self._ahead else self._recorded(call)

    def _eagerly(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the function itself gives, in arrays of the caller's."""
        return owned_result(functools.partial(self._f, *args, **kwargs))

    def _by_program(self, call: _Call) -> Any:
        """Record a call as often as its program needs, and return what the program gives."""
        for _ in range(2):
            restore = saved(call.generators)
            result = self._recorded(call)
            known = call.around.signatures[call.key]
            if known.eager:
                return result
            restore()
            for entry in known.entries:
                if entry.run is not None and entry.fits(call.leaves):
                    found, result = _run(entry, entry.run, call.leaves)
                    if found:
                        return result
        return self._recorded(call)

    def lower(self, *args: P.args, **kwargs: P.kwargs) -> Lowered:
        """Return the program of these arguments, recorded now where there is none; `print` it, or write it in C.

        Raises:
            ArgumentError: the function runs eagerly for them; says why.
        """
        entry, call = self._entry_for("lower", args, kwargs)
        places = call.around.environment.places
        paths = argument_paths(self._f, tree_unflatten(call.spec, call.leaves), places)
        pairs = zip(entry.program.inputs, entry.recorded.inputs, strict=False)  # what is live comes last
        return Lowered.of(entry.program, {number: paths[place] for number, place in pairs})

    def cost(self, *args: P.args, **kwargs: P.kwargs) -> Cost:
        """Return what the program of these arguments costs."""
        entry, _ = self._entry_for("cost", args, kwargs)
        return cost_of(entry.program, entry.seconds)

    # ---- recording ----

    def _entry_for(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Entry, _Call]:
        call = self._call(args, kwargs)
        if call is None:
            raise ArgumentError(f"{name_of(self._f)}.{method}: arguments must be arrays off any open tape.")
        for _ in range(2):
            known = call.around.signatures.get(call.key)
            if known is None or not known.eager:
                entry = None if known is None else next((x for x in known.entries if x.fits(call.leaves)), None)
                if entry is not None:
                    return entry, call
                restore = saved(call.generators)
                self._recorded(call)
                restore()
        known = call.around.signatures[call.key]
        raise ArgumentError(
            f"{name_of(self._f)}.{method}: the function must be one that compiles; it runs eagerly: {known.eager}."
        )

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Call | None:
        """Return a call split into leaves; None for one that a surrounding recording handles."""
        own = self._around
        if own is None or not own.environment.is_current():
            own = self._now_around()
        else:
            own.change = ""
        around = own.environment
        if around.recordings and any(recording.is_open for recording in around.recordings):
            return None
        static, args, kwargs = self._split(args, kwargs)
        leaves, spec = tree_flatten_with_static((args, kwargs, around.values()), none_is_leaf=True, in_order=True)
        last = own.last
        if last is not None and last.is_of(leaves, spec):
            return _Call(last.key, own, last, len(last.entries), leaves, spec, static, [], args, kwargs, "")
        kinds = {*map(type, leaves)}
        for i, leaf in enumerate(leaves) if Tensor in kinds else ():
            if type(leaf) is Tensor:
                leaves[i] = resolve(leaf)
                if type(leaves[i]) is Tensor:
                    return None
        key: Any = None
        known: Signature | None = None
        reason = ""
        try:
            keys: Any = tuple([leaf_key(leaf) for leaf in leaves])
            key = (spec, keys, static, told_apart(static))
            known = own.signatures.get(key)  # compares it with those of equal hash
        except UnsupportedError as error:
            reason = str(error)
        except (TypeError, ValueError):
            reason = "a static argument, or a static field of one, must be hashable, and comparable by =="
        if not reason and known is None and (functions := [i for i, x in enumerate(keys) if type(x) is Same]):
            reason = _too_many(own, (spec, tuple([None if i in functions else x for i, x in enumerate(keys)]), static))
        if reason:
            key = ("unsupported", reason)
        has_generators = np.random.Generator in kinds
        generators = [i for i, leaf in enumerate(leaves) if type(leaf) is np.random.Generator] if has_generators else []
        if len(generators) > 1:
            key = (key, shared_places(leaves, generators))
        if known is None:
            known = own.signatures.get(key)
        if known is not None and known.surroundings is not None and not known.surroundings.is_current():
            known = own.signatures[key] = Signature(changes=known.changes + 1, eager=known.eager)
        elif known is not None and not self._static:
            own.last = known
            if known.spec is None:
                known.key, known.spec, known.layout = key, spec, Layout.of(leaves)
        count = 0 if known is None else len(known.entries)
        return _Call(
            key, own, known, count, leaves, spec, static, [leaves[i] for i in generators], args, kwargs, reason
        )

    def _now_around(self) -> _Around:
        """Return what is around the function now, which may have been there before."""
        found = next((x for x in self._arounds if x.environment.is_current()), None)
        if found is None:
            found = _Around(environment_of(self._f))
            last = self._around
            if last is not None:
                self._changes = 0 if last.ran else self._changes + 1
                found.change = last.environment.changed() if self._changes >= MOST_PROGRAMS else ""
        with self._lock:
            self._arounds = (found, *[x for x in self._arounds if x is not found][: MOST_PROGRAMS - 1])
            self._around = found
        return found

    def _split(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        """Return the static arguments, by place and by name, and the others with None in their places."""
        if not self._static:
            return (), args, kwargs
        by_place = tuple([(i, static_value(args[i])) for i in self._positions if i < len(args)])
        by_name = tuple([(name, static_value(kwargs[name])) for name in sorted(kwargs) if name in self._static])
        others = tuple([None if i in self._positions else x for i, x in enumerate(args)])
        return (by_place, by_name), others, {k: x for k, x in kwargs.items() if k not in self._static}

    def _recorded(self, call: _Call) -> Any:
        """Record a call, keep its program, and return its result; run it eagerly where that cannot be."""
        count = len(call.args)
        named = [place % count for place in self._donate if -count <= place < count]
        if len({*named}) < len(self._donate):
            raise ArgumentError(
                f"compile: donate_argnums must name positional arguments, of which there are {count}, once each; "
                f"got {', '.join(map(str, self._donate))}."
            )
        known = call.around.signatures.setdefault(call.key, Signature())
        environment = call.around.environment
        if known.surroundings is None:
            known.surroundings = surroundings_of((call.args, call.kwargs), call.static, environment.names)
        reasons = (call.reason, *environment.writes, *known.surroundings.writes, _changing(call.around, known))
        reason = next(filter(None, reasons), "")
        if not reason and len(known.entries) >= MOST_PROGRAMS:
            reason = (
                f"it went more than {MOST_PROGRAMS} ways for arguments of one signature. Write tnp.where for a branch, "
                "and pass numbers that vary as arrays"
            )
        environment = with_surroundings(environment, known.surroundings)
        restore = _saved(call, environment)
        if not reason:
            for numbers in _choices_of_varying(known, call.leaves, environment):
                try:
                    trouble, result = self._attempt(known, call, numbers, environment, restore)
                except RepeatedEffectError as error:
                    trouble, result = str(error), error.result
                    _forget_containers(call.around, known)
                except RefusedError:
                    raise
                except Exception as error:
                    reason = _reason(error)
                    restore()
                    continue
                if trouble:
                    self._set_eager(known, trouble)
                return result
        if self._fullgraph:
            self._set_eager(known, reason)
        result = self._eagerly(*call.whole_args(), **call.whole_kwargs())  # raises where the function itself does
        if not call.around.environment.is_current():
            _forget_containers(call.around, known)
        self._set_eager(known, reason, lasting=not call.around.change)
        return result

    def _attempt(
        self,
        known: Signature,
        call: _Call,
        varying: frozenset[int],
        environment: Environment,
        restore: Callable[[], None],
    ) -> tuple[str, Any]:
        """Record a call; return why such calls are to run eagerly, empty where they are not, and its result."""
        start = time.perf_counter()
        with sparing():
            made = record(
                self._f,
                environment,
                call.leaves,
                call.spec,
                varying,
                call.merge,
                defers=not call.generators and not self._donate,
            )
            if varying:
                self._check_numbers(call, made, environment, restore)
        numbers = tuple(
            [
                (place, number_key(leaf))
                for place, leaf in enumerate(call.leaves)
                if type(leaf) in NUMBERS and place not in varying
            ]
        )
        with self._lock:
            known.varying = varying
            waiting = (x for x in known.entries if x.run is None and x.numbers == numbers)
            entry = next((x for x in waiting if _same_ways(x.recorded, made)), None)
            later = known.entries[call.count :]  # recorded since this call looked for one
            if entry is not None:
                trouble = same_constants(entry.recorded, made)
                if trouble:
                    return trouble, made.result
                entry.run = self._compiled(entry.program, entry.recorded, entry.donated)
                entry.recorded = attrs.evolve(entry.recorded, constants=())  # no array is held longer than needed
            elif any(x.numbers == numbers and _same_programs(x.recorded, made) for x in later):
                return "", made.result  # another thread was faster
            else:
                program = optimized(made.program)
                given_up = self._given_up(call)
                is_open = needs_confirmation(made, environment.known_numbers(call.leaves))
                run = None if is_open else self._compiled(program, made, given_up)
                kept = attrs.evolve(made, values=(), given=(), constants=() if run is not None else made.constants)
                entry = Entry(kept, numbers, run, program, 0.0, given_up)
                known.entries.append(entry)
            entry.seconds += time.perf_counter() - start
        return "", _result_of(made, entry, call.leaves)

    def _check_numbers(
        self, call: _Call, made: Recorded, environment: Environment, restore: Callable[[], None]
    ) -> None:
        """Raise where numbers that are inputs change the function: it may ask for their class, or hash them."""
        drawn = _saved(call, environment)
        restore()
        try:
            expected = self._f(*call.whole_args(), **call.whole_kwargs())
        finally:
            drawn()
        if not _are_alike(expected, made.result):
            raise UnsupportedError("a number that varies decides in a way that cannot be seen; make it static")

    def _compiled(self, program: Program, recorded: Recorded, donated: frozenset[int]) -> Run:
        """Return the function of a program's inputs."""
        numbers = zip(recorded.inputs, program.inputs, strict=False)  # what is live comes last, and is not given up
        return self._backend(program, frozenset(number for place, number in numbers if place in donated))

    def _given_up(self, call: _Call) -> frozenset[int]:
        """Return the places of leaves whose memory results may lie in."""
        if not self._donate:
            return frozenset()
        counts = [len(tree_flatten_with_static(x, none_is_leaf=True)[0]) for x in call.args]
        named = {place % len(counts) for place in self._donate}
        return frozenset(n for i in named for n in range(sum(counts[:i]), sum(counts[: i + 1])))

    def _set_eager(self, known: Signature, reason: str, lasting: bool = True) -> None:
        """Note that calls run eagerly, for good or this one alone, and say so once."""
        text = f"compile: {name_of(self._f)} runs eagerly for arguments of this signature: {reason}."
        if self._fullgraph:
            raise ArgumentError(text)
        if lasting:
            known.eager = reason
        elif self._said_that_it_changes:
            return
        else:
            self._said_that_it_changes = True
        warn_at_user_line(text, CompileWarning)


@attrs.frozen(eq=False)
class _Call:
    """One call, split into leaves.

    Attributes:
        key: of its signature.
        around: what is around the function.
        known: what is known of the signature, None where it is met for the first time.
        count: of the programs that were known.
        leaves, spec: of (args, kwargs, values of the environment).
        static: the static arguments, by place and by name.
        generators: of random numbers among the leaves.
        args, kwargs: the arguments but for the static ones.
        reason: why it is to run eagerly, empty where it is not.
    """

    key: Hashable
    around: _Around
    known: Signature | None
    count: int
    leaves: list[Any]
    spec: TreeSpec
    static: Any
    generators: list[np.random.Generator]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    reason: str

    @property
    def merge(self) -> Callable[[Any, Any], tuple[Any, Any]] | None:
        """What puts static arguments back; None without any."""
        return self._merged if self.static else None

    def _merged(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        by_place, by_name = self.static
        whole = list(args)
        for place, value in by_place:
            whole[place] = value
        return whole, {**kwargs, **dict(by_name)}

    def whole_args(self) -> Sequence[Any]:
        """All positional arguments."""
        return self._merged(self.args, self.kwargs)[0] if self.static else self.args

    def whole_kwargs(self) -> dict[str, Any]:
        """All keyword arguments."""
        whole: dict[str, Any] = self._merged(self.args, self.kwargs)[1] if self.static else self.kwargs
        return whole


def _result_of(made: Recorded, entry: Entry, leaves: Sequence[Any]) -> Any:
    """Return the result of a recorded call; by its program where that is there, and has values left to compute."""
    if made.is_deferred and entry.run is not None:
        found, result = _run(entry, entry.run, leaves)
        if found:
            return result
    return made.result


def _run(entry: Entry, run: Run, leaves: Sequence[Any]) -> tuple[bool, Any]:
    """Return whether a program's guards hold for a call, and its result."""
    recorded = entry.recorded
    given = [*(leaves[i] for i in recorded.inputs), *recorded.live]
    generators = [x for x in given if type(x) is np.random.Generator]
    restore = saved(generators) if generators else None
    try:
        outputs = run(given)
    except (GuardFailedError, ReplayError):
        if restore is not None:
            restore()
        return False, None
    constants = [entry.program.constants[n] for n in entry.program.outputs if n in entry.program.constants]
    kept = [leaves[i] for i in recorded.inputs if i not in entry.donated] + [*recorded.live] if entry.donated else given
    return True, recorded.filled(recorded.owned(outputs, [*kept, *constants]), leaves)


def _varying(known: Signature, leaves: Sequence[Any]) -> frozenset[int]:
    """Return the places of Python numbers that differ from those of a recorded call."""
    seen = {place: key for entry in known.entries for place, key in entry.numbers}
    places = (place for place, key in seen.items() if number_key(leaves[place]) != key)
    return known.varying.union(places)


def _choices_of_varying(
    known: Signature, leaves: Sequence[Any], environment: Environment
) -> Collection[frozenset[int]]:
    """Return what to try as the places of numbers that are inputs: those seen to vary, and none.

    Where that has taken many programs, as of the counters in the state of a composed optimizer, first all numbers.
    Where the function may go by the class of a number, none: an input is of another class.
    """
    if environment.tests_numbers:
        return (frozenset(),)
    every = frozenset(i for i, leaf in enumerate(leaves) if type(leaf) in NUMBERS)
    first = [every] if len(known.entries) >= MOST_PROGRAMS // 2 else []
    return dict.fromkeys((*first, _varying(known, leaves), frozenset[int]()))


def _are_alike(first: Any, second: Any) -> bool:
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
    if x.dtype.kind not in "fc":
        return bool(np.array_equal(x, y))
    size = np.max(np.abs(x[np.isfinite(x)]), initial=0)
    return bool(np.allclose(x, y, _ROUNDING, _ROUNDING * size, equal_nan=True))


# How far numbers of two formulas may differ, relative to the largest of them: another branch gives other numbers.
_ROUNDING = 1e-2


def _saved(call: _Call, environment: Environment) -> Callable[[], None]:
    """Return a function that undoes what is drawn and put into containers from now on."""
    restores = saved(call.generators), environment.saved()

    def restore() -> None:
        for undo in restores:
            undo()

    return restore


def _forget_containers(around: _Around, known: Signature) -> None:
    """Watch no containers any longer, as the function changes them itself."""
    around.environment.containers.clear()
    if known.surroundings is not None:
        known.surroundings.containers.clear()


def _changing(around: _Around, known: Signature) -> str:
    """Return why it is not worth recording a call: something is another at each call; empty where it is."""
    if around.change:
        return f"{around.change}, which it reads around it, is another at each call. Make that an argument"
    if known.changes < MOST_PROGRAMS:
        return ""
    return "what a function that is an argument reads around it is another at each call. Make that an argument"


def _too_many(around: _Around, others: Hashable) -> str:
    """Count functions that are arguments; return why a further one is not recorded, empty where it is."""
    count = around.functions[others] = around.functions.get(others, 0) + 1
    if count <= MOST_FUNCTIONS:
        return ""
    return "an argument is another function at each call. Define it once, outside of the calls"


def _same_programs(first: Recorded, second: Recorded) -> bool:
    """Return whether two recorded calls are the same program."""
    ours, theirs = ([(x.name, made.program.spaces.get(x.out)) for x in made.program] for made in (first, second))
    alike = [(name, space and (space.shape, space.dtype)) for name, space in ours] == [
        (name, space and (space.shape, space.dtype)) for name, space in theirs
    ]
    return alike and _same_ways(first, second) and not same_constants(first, second)


def _same_ways(first: Recorded, second: Recorded) -> bool:
    """Return whether two recorded calls read the same off, and found as many elements where masks hold."""
    ours, theirs = ([x.guard.answer for x in made.program if x.guard is not None] for made in (first, second))
    if len(ours) != len(theirs) or not all(map(same_snapshots, ours, theirs)):
        return False
    own, others = (
        [(x.name, made.program.spaces[x.out].shape) for x in made.program if x.out >= 0 and must_run(x, made.program)]
        for made in (first, second)
    )
    return own == others


def _reason(error: Exception) -> str:
    text = str(error).rstrip(".")
    return text if isinstance(error, UnsupportedError) else f"{type(error).__name__}: {text}"


def _is_debugged() -> bool:
    """Return whether a debugger steps through this thread."""
    trace = sys.gettrace()
    if trace is None:
        return False
    module = str(getattr(type(getattr(trace, "__self__", trace)), "__module__", ""))
    return module.partition(".")[0] in ("bdb", "pdb", "pydevd", "_pydevd_bundle", "debugpy", "IPython")


def _positions(f: Callable[..., Any], names: frozenset[str]) -> dict[int, str]:
    """Return the positions of parameters."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        return {}
    unknown = names - {p.name for p in parameters}
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        raise ArgumentError(
            f"compile: static_argnames must name parameters of {name_of(f)}; got {', '.join(sorted(unknown))}."
        )
    return {i: p.name for i, p in enumerate(parameters) if p.name in names and p.kind is not p.KEYWORD_ONLY}


# ---- the transform ----


def _several(name: str, given: Any, kind: type, wanted: str) -> tuple[Any, ...]:
    """Return one thing, or several, as a tuple."""
    several = (given,) if isinstance(given, kind) else given
    if not isinstance(several, Collection) or not all(isinstance(x, kind) and type(x) is not bool for x in several):
        raise ArgumentTypeError(f"compile: {name} must be {wanted}; got {shown(given)}.")
    return tuple(several)


BACKENDS: dict[str, Callable[[Program, frozenset[int]], Run]] = {
    "numpy": numpy_code.compiled,
    "llvm": llvm_code.compiled,
}


def compile(
    f: Callable[P, Value],
    *,
    backend: str = "numpy",
    static_argnames: str | Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
    fullgraph: bool = False,
) -> CompiledFunction[P, Value]:
    """Make a function that records what f computes, and runs the recorded program in later calls.

    A program belongs to a *signature*: the structure, shapes and dtypes of the arguments. Branches and conversions that
    depend on values are *guards* of it; a call for which one fails records another program. Arrays that f takes from
    around it are read at each call. f may be anything that is made of arrays: `tn.value_and_grad(loss)`, a whole
    training step with its optimizer.

    Args:
        f: a function of pytrees of arrays, numbers and generators of random numbers.
        backend: what runs programs: "numpy", or "llvm", which compiles elementwise operations to machine code and
            needs llvmlite: `pip install "tapenet[compile]"`.
        static_argnames: parameters that are given to f as they are; their values are hashable and belong to the
            signature. Strings, None and booleans are static in any case. A Python number is, until it is seen to vary.
        donate_argnums: positions of arguments whose memory the program may use for its results. The caller must not
            use them afterwards.
        fullgraph: whether to raise where the function would run eagerly.

    Returns:
        The compiled function. Its `programs` are those recorded so far; `lower(*args)` gives the program of these
        arguments, to print, and `cost(*args)` its operations on numbers, bytes and the seconds it took to compile.
        Results are equal to f's to rounding, and share no memory with each other or the arguments. On Tensors of an
        open tape, inside another compiled function, under `tn.checks()` and in a debugger f itself runs.

    Raises:
        MissingPackageError: the package that a backend needs is not installed.
        ArgumentError: f writes into an argument, or draws random numbers in a way that could not be repeated: from a
            generator that is not an argument.

    Warns:
        CompileWarning: f runs eagerly for arguments of a signature; says why, once. It does where it writes into what
            is around it, returns something other than arrays, numbers and text, or went more than 8 ways.

    >>> step = compile(tn.grad(lambda w, x: tnp.sum(tnp.tanh(x @ w))))
    >>> step(np.zeros(2), np.ones((3, 2)))
    array([3., 3.])
    """
    check_transform("compile", f)
    checked_choice("compile", "backend", backend, BACKENDS)
    if backend == "llvm":
        llvm_code.check_installed()
    names = _several("static_argnames", static_argnames, str, "names")
    places = _several("donate_argnums", donate_argnums, int, "positions")
    fullgraph = checked_flag("compile", "fullgraph", fullgraph)
    options = {"backend": backend, "static_argnames": names, "donate_argnums": places, "fullgraph": fullgraph}
    return CompiledFunction(f, BACKENDS[backend], frozenset(names), places, fullgraph, options)


def _made_again(f: Callable[..., Any], options: dict[str, Any]) -> Any:
    return compile(f, **options)


def compile_ahead(f: Callable[P, Value]) -> CompiledFunction[P, Value]:
    """Compile a function whose results are always those of its program, the first one too, to the last bit.

    So they do not depend on which calls came before. The first call of a signature records f, twice where it keeps
    constants that must be confirmed, and then runs the program.
    """
    return CompiledFunction(f, BACKENDS["numpy"], frozenset(), (), False, {}, ahead=True)
