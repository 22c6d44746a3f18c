"""The recording of one call of a function: what it computes, from which inputs, to which results."""

from __future__ import annotations

import contextlib
import enum
import operator
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.deferred import Deferred, as_read
from tapenet.core.guards import bitwise_equal, snapshot
from tapenet.core.ones import is_repeated_one
from tapenet.core.primitive import REGISTRY
from tapenet.core.pytrees import TreeSpec, leaf_paths_with_static, tree_flatten_with_static, tree_unflatten
from tapenet.core.tensor import NUMBERS, Tensor, unwrap_closed
from tapenet.errors import AssignmentError
from tapenet.kernels.layouts import MANY, are_whole
from tapenet.kernels.memory import address, is_own
from tapenet.ops.arrays.shaping import memory_order
from tapenet.program.instructions import Instruction, Program
from tapenet.program.recording.building import program_of
from tapenet.program.recording.containers import holds_still, parts_of
from tapenet.program.recording.copies import with_values
from tapenet.program.recording.deferring import may_defer
from tapenet.program.recording.environment import Environment
from tapenet.program.recording.generators import SharedStreams, TracedGenerator, state_of
from tapenet.program.recording.orders import Order, copied, has_order, order_of
from tapenet.program.recording.recorder import (
    RECORDING,
    Constant,
    ProgramRecorder,
    RefusedError,
    UnsupportedError,
    owner_of,
)


class RepeatedEffectError(UnsupportedError):
    """The function writes into what is around it; the results of the recorded call are right, as it ran eagerly."""

    def __init__(self, text: str, result: Any) -> None:
        super().__init__(text)
        self.result = result


@attrs.frozen(eq=False)
class Recorded:
    """One recorded call.

    Attributes:
        program: what it computed.
        inputs: the places, among the leaves of arguments and environment, of the program's inputs.
        spec: the structure of the result.
        leaves: of the result, None in the places of the program's outputs.
        places: of the program's outputs, among the leaves of the result.
        generators: the places of results that are generators, each with the place of the argument that it is.
        values: the leaves of what the call gave.
        given: the arrays that it was given, which its result does not share memory with.
        orders: of the program's outputs, in memory.
        constants: the arrays that the program holds.
        live: the arrays that are further inputs of the program, the same at each call.
        reads_order: whether it depends on how arrays lie in memory, as by order "K".
    """

    program: Program
    inputs: tuple[int, ...]
    spec: TreeSpec
    leaves: tuple[Any, ...]
    places: tuple[int, ...]
    generators: tuple[tuple[int, int], ...]
    values: tuple[Any, ...]
    given: tuple[Any, ...]
    orders: tuple[Order, ...]
    constants: tuple[Constant, ...]
    live: tuple[Any, ...] = ()
    reads_order: bool = False

    def owned(self, outputs: Sequence[Any], given: Sequence[Any]) -> list[Any]:
        """Return the program's outputs as the caller's own: copies where they share memory with what was given."""
        if len(outputs) >= MANY and not any(self.orders):
            numbers = {*map(id, outputs)}
            if len(numbers) == len(outputs) and numbers.isdisjoint(map(id, given)) and are_whole(outputs):
                return list(outputs)
        seen = {*map(id, given)}
        made = []
        for x, order in zip(outputs, self.orders, strict=True):
            if type(x) is np.ndarray:
                flags = x.flags  # another object at each access
                is_ordered = flags.c_contiguous if order is None else has_order(x, order)
                if not (is_ordered and flags.writeable and is_own(x)) or id(x) in seen:
                    x = copied(x, order)
                seen.add(id(x))
            made.append(x)
        return made

    @property
    def is_deferred(self) -> bool:
        """Whether some of what the call gave is not computed yet."""
        return any(type(x) is Deferred for x in self.values)

    @property
    def result(self) -> Any:
        """What the call gave."""
        return tree_unflatten(self.spec, owned([as_read(x) for x in self.values], self.given))

    def filled(self, outputs: Sequence[Any], given: Sequence[Any]) -> Any:
        """Return the result of another call, from the outputs of the program and the leaves of the call."""
        leaves = list(self.leaves)
        for place, out in zip(self.places, outputs, strict=True):
            leaves[place] = out
        for place, argument in self.generators:
            leaves[place] = given[argument]
        return tree_unflatten(self.spec, leaves)


def record(
    f: Callable[..., Any],
    environment: Environment,
    leaves: Sequence[Any],
    spec: TreeSpec,
    streams: SharedStreams,
    varying: frozenset[int],
    merge: Callable[[Any, Any], tuple[Any, Any]] | None = None,
    *,
    defers: bool = False,
) -> Recorded:
    """Run a function on values of a new trace, and return what it computed.

    Args:
        f: the function.
        environment: what it takes from around it.
        leaves: of (args, kwargs, values of the environment), of structure `spec`.
        streams: as they are now.
        varying: the places of Python numbers that are inputs; others are constants.
        merge: puts static arguments in among args and kwargs.
        defers: whether values that the function does not read may be left to the program.

    Raises:
        UnsupportedError: what it does cannot be a program.
        ArgumentError: it draws random numbers in a way that could not be repeated, or writes into an argument.
    """
    call = _Call(leaves, varying, defers and may_defer())
    call.trace.held.update({id(x): x for own in environment.recordings for x in map(owner_of, own.arrays())})
    with call.trace, _recording(call.trace):
        given = call.watched()
        args, kwargs, values = tree_unflatten(spec, given)
        function = _in_environment(f, environment, values)
        copies = [tree_flatten_with_static(value, none_is_leaf=True) for value in values]
        containers = [(container, parts_of(container)) for container, _ in environment.containers]
        arrays = [(x, x.tobytes()) for x in environment.arrays]
        others = [(g, state_of(g)) for g in environment.generators]
        own = [*enumerate(args), *kwargs.items()]
        before = [tree_flatten_with_static(x, none_is_leaf=True, in_order=True) for _, x in own]
        if merge is not None:
            args, kwargs = merge(args, kwargs)
        around = sum(len(kept) for kept, _ in copies)
        result = _called(function, args, kwargs, call.trace, call.slots_before(len(leaves) - around))
        _check_arguments(own, before)
        made = call.results(result)
    _check_streams(streams, others, call.generators)
    for value, (kept, kept_spec) in zip(values, copies, strict=True):
        now, now_spec = tree_flatten_with_static(value, none_is_leaf=True)
        if now_spec != kept_spec or any(x is not y for x, y in zip(kept, now, strict=True)):
            raise UnsupportedError("it writes into a container around it")
    if not all(holds_still(container, parts) for container, parts in containers):
        raise RepeatedEffectError("it writes into a container around it", made.result)
    if any(x.tobytes() != elements for x, elements in arrays):
        raise RepeatedEffectError("it writes into an array around it", made.result)
    return made


def _called(
    function: Callable[..., Any], args: Any, kwargs: Any, trace: ProgramRecorder, slots: Collection[int]
) -> Any:
    """Call the function; a write into an argument, which has one of these slots, is refused."""
    try:
        return function(*args, **kwargs)
    except AssignmentError as error:
        if trace.written.isdisjoint(slots):
            raise
        raise RefusedError(f"compile: an argument must not be written into; got {error}") from error


def _check_arguments(arguments: Sequence[tuple[Any, Any]], before: Sequence[tuple[list[Any], TreeSpec]]) -> None:
    """Raise where the function put something into a container that is an argument, or took something out."""
    for (key, x), (leaves, spec) in zip(arguments, before, strict=True):
        now, now_spec = tree_flatten_with_static(x, none_is_leaf=True, in_order=True)
        if now_spec != spec or not all(map(operator.is_, now, leaves)):
            name = f"argument number {key}" if isinstance(key, int) else key
            raise RefusedError(
                f"compile: an argument must not be written into; got a write into {name}. Return what is new, as "
                "{**old, key: value} or [*old, value]."
            )


# What a result may hold that is not computed: it is the same in each call of a program.
_STATIC = (bool, int, float, complex, str, bytes, np.generic, np.dtype, type, slice, range, enum.Enum)


class _Call:
    """The values of one recording."""

    def __init__(self, leaves: Sequence[Any], varying: frozenset[int], defers: bool) -> None:
        self.leaves = leaves
        self.trace = ProgramRecorder([], defers=defers)
        self.inputs: list[int] = []
        self.slots: list[int] = []
        self.generators: dict[int, tuple[TracedGenerator, int]] = {}
        self.varying = varying

    def slots_before(self, count: int) -> list[int]:
        """Return the slots of the inputs among the first leaves."""
        return [slot for place, slot in zip(self.inputs, self.slots, strict=True) if place < count]

    def watched(self) -> list[Any]:
        """Return the leaves with values of the trace in the places of arrays."""
        return [self._watched(i, leaf) for i, leaf in enumerate(self.leaves)]

    def _watched(self, place: int, leaf: Any) -> Any:
        of = type(leaf)
        if of is np.random.Generator:
            known = self.generators.get(id(leaf))
            if known is None:
                known = self.generators[id(leaf)] = TracedGenerator(leaf, self.trace), place
                self.inputs.append(place)
                self.slots.append(known[0].slot)
            return known[0]
        if of in NUMBERS and place not in self.varying:
            return leaf
        if not isinstance(leaf, np.ndarray | np.generic) and of not in NUMBERS:
            return leaf
        if of not in NUMBERS and leaf.dtype.kind not in "biufc":
            return leaf
        made = self.trace.watch(leaf)
        self.inputs.append(place)
        self.slots.append(made.slot)
        return made

    def results(self, result: Any) -> Recorded:
        """Return what was recorded, from the function's result."""
        found, spec = tree_flatten_with_static(result, none_is_leaf=True)
        if any(type(key) is Tensor for path in spec.paths() for key in path):
            raise UnsupportedError("a key of a dict in the result is a value that it computes")
        outputs: list[Any] = []
        places: list[int] = []
        generators: list[tuple[int, int]] = []
        orders: list[Order] = []
        static: list[Any] = []
        plain: list[Any] = []
        for i, x in enumerate(found):
            kept, value = None, x
            x = unwrap_closed(self.trace, x)
            if type(x) is Tensor and x.owner is self.trace:
                outputs.append(x.slot)
                places.append(i)
                value = x._value
            elif isinstance(x, TracedGenerator):
                generator = next(own for own in self.generators.values() if own[0] is x)
                generators.append((i, generator[1]))
                value = self.leaves[generator[1]]
            elif type(x) is np.ndarray and x.dtype.kind in "biufc":
                outputs.append([self.trace.frozen(x)])
                places.append(i)
            elif x is None or isinstance(x, _STATIC):
                kept = x
            else:
                path = leaf_paths_with_static(result, "result", none_is_leaf=True)[i]
                raise UnsupportedError(f"{path} is of class {type(x).__name__}")
            if len(outputs) > len(orders):
                orders.append(order_of(value) if type(value) is np.ndarray else None)
            static.append(kept)
            plain.append(value)
        around = [x for constant in self.trace.constants.values() for x in (constant.original, constant.frozen)]
        given = (*self.leaves, *around, *self.trace.live.values())
        program, live = _with_live(program_of(self.trace, self.slots, outputs), self.trace.live)
        kept_arrays = {id(x) for x in program.constants.values()}
        constants = tuple(c for key, c in self.trace.constants.items() if key in kept_arrays)
        return Recorded(
            program,
            tuple(self.inputs),
            spec,
            tuple(static),
            tuple(places),
            tuple(generators),
            tuple(plain),
            given,
            tuple(orders),
            constants,
            live,
            any(guard.function is memory_order for guard in self.trace.guards or ()),
        )


def _with_live(program: Program, live: Mapping[int, Any]) -> tuple[Program, tuple[Any, ...]]:
    """Return a program in which some constants are inputs, or transposes of others, and these inputs."""
    numbers = {n: x for n, x in program.constants.items() if id(x) in live}
    if not numbers:
        return program, ()
    constants = {n: x for n, x in program.constants.items() if n not in numbers}
    turned = {n: k for n, x in numbers.items() for k, y in numbers.items() if k != n and _is_turned(x, y)}
    turned = {n: k for n, k in turned.items() if k not in turned or k < n}
    first = [Instruction(REGISTRY["transpose"], (k,), {"axes": (1, 0)}, n) for n, k in turned.items()]
    inputs = [n for n in numbers if n not in turned]
    made = attrs.evolve(
        program,
        instructions=(*first, *program.instructions),
        inputs=(*program.inputs, *inputs),
        constants=constants,
    )
    return made, tuple([numbers[n] for n in inputs])


def _is_turned(x: Any, y: Any) -> bool:
    """Return whether a matrix is the transpose of another, in the same memory."""
    is_same = address(x) == address(y) and x.dtype == y.dtype
    return is_same and x.ndim == 2 and (x.shape, x.strides) == (y.shape[::-1], y.strides[::-1])


def owned(results: Sequence[Any], given: Sequence[Any]) -> list[Any]:
    """Copy arrays that share memory with each other or with what was given."""
    seen = {id(x) for x in given}
    made = []
    for x in results:
        if type(x) is np.ndarray:
            if id(x) in seen or not _is_whole(x):
                x = copied(x, order_of(x))
            seen.add(id(x))
        made.append(x)
    return made


def owned_result(call: Callable[[], Any]) -> Any:
    """Return the result of a call, with copies of arrays that are views, or that something else refers to."""
    box = [call()]  # so that nothing but the result itself refers to its arrays
    leaves, spec = tree_flatten_with_static(box, none_is_leaf=True)
    counts = _reference_counts(leaves)
    shared = [i for i, x in enumerate(leaves) if type(x) is np.ndarray and (counts[i] > _ALONE or not _is_whole(x))]
    if not shared:
        return box[0]
    for i in shared:
        leaves[i] = copied(leaves[i], order_of(leaves[i]))
    return tree_unflatten(spec, leaves)[0]


def _is_whole(x: Any) -> bool:
    return is_own(x) and bool(x.flags.writeable)


def _reference_counts(leaves: Sequence[Any]) -> list[int]:
    return [sys.getrefcount(x) for x in leaves]


def _count_alone() -> int:
    """Return the count of an array of a result that nothing else refers to."""
    box = [np.empty(0)]
    return _reference_counts(tree_flatten_with_static(box, none_is_leaf=True)[0])[0]


_ALONE = _count_alone()


@contextlib.contextmanager
def _recording(trace: ProgramRecorder) -> Iterator[None]:
    token = RECORDING.set(trace)
    try:
        yield
    finally:
        RECORDING.reset(token)


def _in_environment(f: Callable[..., Any], environment: Environment, values: Sequence[Any]) -> Callable[..., Any]:
    """Return the function with values of the trace around it."""
    changed = [
        (place, value)
        for place, value in zip(environment.places, values, strict=True)
        if any(type(x) is Tensor for x in tree_flatten_with_static(value, none_is_leaf=True)[0])
    ]
    return with_values(f, [place for place, _ in changed], [value for _, value in changed]) if changed else f


# ---- what the function did beside computing ----


def _check_streams(
    streams: SharedStreams, others: Sequence[tuple[Any, Any]], generators: dict[int, tuple[Any, int]]
) -> None:
    """Raise where random numbers were drawn that a later call could not draw again."""
    for generator, _ in generators.values():
        generator.check()
    if streams.have_moved():
        raise RefusedError(
            "compile: random numbers must be drawn from a numpy.random.Generator that is an argument; got draws from "
            "NumPy's or Python's own stream. Pass rng = numpy.random.default_rng(seed)."
        )
    for generator, state in others:
        if state_of(generator) != state:
            raise RefusedError(
                "compile: a generator that is drawn from must be an argument; got one that the function takes from "
                "around it. Pass it as rng."
            )


def same_constants(first: Recorded, second: Recorded) -> str:
    """Return why two recordings of the same call do not hold the same constants; empty where they do."""
    ours, theirs = first.program, second.program
    if len(ours) != len(theirs) or len(ours.constants) != len(theirs.constants):
        return "it computes something else at each call"
    for own, other in zip(ours, theirs, strict=True):
        if own.name != other.name or len(own.reads) != len(other.reads):
            return "it computes something else at each call"
    pairs = zip(ours.constants.values(), theirs.constants.values(), strict=True)
    if not all(_same(x, y) for x, y in pairs):
        return (
            "it uses an array or a number that differs at each call though its arguments do not. Make that an argument"
        )
    held = {id(owner_of(c.original)) for c in first.constants if _is_writable(c.original)}
    if any(id(owner_of(c.original)) in held for c in second.constants):
        return "it takes an array from where tn.compile does not see it change. Make that an argument"
    return ""


def _same(x: Any, y: Any) -> bool:
    if isinstance(x, np.ndarray | np.generic | bool | int | float | complex | str | None.__class__):
        return type(x) is type(y) and bitwise_equal(snapshot(x), y)
    return True


def _is_writable(x: Any) -> bool:
    return bool(owner_of(x).flags.writeable)


def needs_confirmation(recorded: Recorded, literals: Collection[tuple[type, object]]) -> bool:
    """Return whether a program holds constants that another recording might find to be others.

    Args:
        recorded: the recorded call.
        literals: the numbers that are written in the function's code, each with its class.
    """
    return any(
        (isinstance(x, np.ndarray | np.generic) and not is_repeated_one(x))
        or (type(x) is float and _is_computed(x, literals))
        for x in recorded.program.constants.values()
    )


def _is_computed(x: float, literals: Collection[tuple[type, object]]) -> bool:
    """Return whether a number has more digits than people write, and is not written in the code."""
    return (float, abs(x)) not in literals and float(f"{x:.8g}") != x and x == x
