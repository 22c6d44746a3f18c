"""Recorders: the traces that record what is computed, each on one tape.

An operation on a recorder's Tensors takes three steps: `partition` its operands into slots and values, `compute` its
output, and `record_output`. `TapeRecorder` does only that; other recorders, which check what is computed or keep no
values, are made of the same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self

import attrs
import numpy as np

from tapenet.core.foreign import as_constant, check_labels, has_labels
from tapenet.core.guards import Guard
from tapenet.core.leaf_checks import dtype_of
from tapenet.core.primitive import CONSTANTS, PART, Array, Primitive, Whole, as_numpy_number, bind, evaluate, register
from tapenet.core.provided import provided
from tapenet.core.record import NO_PARAMETERS, Entry, Parameters, Slots
from tapenet.core.source_lines import CodeLocation
from tapenet.core.tensor import PYTHONS, Tensor, is_chosen, made_tensor, record_guard, resolve
from tapenet.core.trace import STAND_INS, next_level
from tapenet.errors import ArgumentTypeError, TapeStateError

WATCHED = register(Primitive("watch", "leaf", lambda x: x))
_FLOAT64 = np.dtype(np.float64)

# Takes the function that a user called, the trees of the sources by name, targets and their cotangents, sources and
# theirs, None without a path; raises for what is wrong.
GradientCheck = Callable[
    [
        str,
        Sequence[tuple[str, Any]],
        Sequence[Any],
        Sequence[Array],
        Sequence[Tensor],
        Sequence[Array | None],
    ],
    None,
]


@attrs.define(eq=False)
class Recorder:
    """The trace of one tape; abstract in `apply`, `write` and `entries_to_walk`.

    Attributes:
        entries: the records, in order; an entry's index is its slot.
        leaves: the slots of watched values.
        outlived: whether operations used its Tensors after it closed, for errors.
        holds_large: whether a watched array is so large that results are put into memory that is used again. The fast
            path leaves such tapes alone: it has no time to ask for sizes.
        pauses: the regions of `checkpoint` that pause it, each in a context of its own.
        spans: for each walk that was recorded the first slot of its records, and the first after them.
        watches: the calls of `GradientTape.watch`, for replays.
        locations: by slot, where in the user's code a record was made; None outside `checks`.
        tape_reference: gives the tape, as long as there is one. The trace does not hold it: a tape and its arrays are
            to be freed at once, without a reference cycle.
        guards: the reads of its values while it was open; None where it is not replayable.
    """

    holds_batch: ClassVar[bool] = False
    keeps_choices: ClassVar[bool] = False
    records_alone: ClassVar[bool] = False  # whether `apply` does nothing but record, as the fast path does

    entries: list[Entry] = attrs.field(factory=list, init=False)
    is_open: bool = attrs.field(default=False, init=False)
    is_fast: bool = attrs.field(default=False, init=False)
    level: int = attrs.field(default=-1, init=False)
    leaves: set[int] = attrs.field(factory=set, init=False)
    outlived: bool = attrs.field(default=False, init=False)
    holds_large: bool = attrs.field(default=False, init=False)
    pauses: set[Any] = attrs.field(factory=set, init=False)
    spans: list[tuple[int, int]] = attrs.field(factory=list, init=False)
    watches: list[Any] = attrs.field(factory=list, init=False)
    locations: dict[int, CodeLocation] | None = attrs.field(default=None, init=False)
    tape_reference: Callable[[], Any] | None = attrs.field(default=None, init=False)
    guards: list[Guard] | None = attrs.field()

    # ---- abstract ----

    def apply(self, primitive: Primitive, operands: Sequence[Array], parameters: Parameters) -> Any:
        """Compute an operation and record it."""
        raise NotImplementedError

    def write(self, entry: Entry, value: Array | None = None) -> int:
        """Append a record, and return its slot; `value` is that of a watched leaf."""
        raise NotImplementedError

    def write_group(self, group: Callable[[int], list[Entry]]) -> int:
        """Append records that follow each other, made from the slot of the first; return that slot."""
        raise NotImplementedError

    def put(self, entry: Entry, value: Array | None = None) -> int:
        """Append a record, and return its slot."""
        # Threads may record at the same time. `list.append` is atomic, so that a look afterwards shows whether another
        # record came between; a lock would slow each record down.
        slot = len(self.entries)
        self.entries.append(entry)
        return slot if self.entries[slot] is entry else slot_of(self.entries, entry, slot)

    def entries_to_walk(self, targets: Collection[int] = (), sources: Collection[int] = ()) -> Sequence[Entry]:
        """Return the entries for a walk between these slots."""
        raise NotImplementedError

    def gradient_check(self) -> GradientCheck | None:
        """Return what checks the gradients that a user asks for; None where nothing does."""
        return None

    # ---- opening, closing, pausing ----

    def __enter__(self) -> Self:
        self.level = next_level()
        self.is_open = True
        self.refresh()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_open = self.is_fast = False

    def refresh(self) -> None:
        """Set whether the fast path may record on it."""
        self.is_fast = self.is_open and self.records_alone and not self.pauses and not self.holds_large
        if self.pauses:  # a region that began meanwhile, in another thread
            self.is_fast = False

    def check_not_paused(self, function: str) -> None:
        """Raise where a checkpointed function of this context has the tape paused."""
        if self.pauses and self in STAND_INS.get():
            raise TapeStateError(
                f"{function}: the tape must record; got one that is paused by tn.checkpoint. Inside a checkpointed "
                "function take derivatives by tn.grad, tn.vjp or a tape of its own."
            )

    # ---- as a trace ----

    def resolve(self, x: Tensor) -> Any:
        """Return the Tensor itself, what stands in for it where the tape is paused, or its value."""
        if not self.is_open:
            self.outlived = True
            return x._value
        if self.pauses:
            stand_in = STAND_INS.get().get(self)
            return x if stand_in is None else stand_in(x)
        return x

    def inner(self, x: Tensor) -> Any:
        """Return the Tensor's value."""
        return x._value

    def position(self) -> int:
        """Return how many records there are."""
        return len(self.entries)

    def refuse_write(self, x: Tensor, written: str) -> None:
        """Do nothing: a Tensor that is differentiated by is given a new value by `x += 1`."""

    def watch(self, leaf: Any) -> Tensor:
        """Return a leaf as a value on the tape."""
        if type(leaf) is float or type(leaf) is np.float64:
            slot = self.write((WATCHED, (), (None,), NO_PARAMETERS, (), _FLOAT64), leaf)
            self.leaves.add(slot)
            return made_tensor(leaf, self, slot)
        leaf = resolve(leaf)
        if isinstance(leaf, np.ndarray):
            leaf = np.asarray(leaf)  # of a subclass the plain array
        if type(leaf) is Tensor and leaf.owner is self:
            return leaf
        entry = (WATCHED, (), (None,), NO_PARAMETERS, getattr(leaf, "shape", ()), dtype_of(leaf))
        slot = self.write(entry, leaf)
        self.leaves.add(slot)
        if not self.holds_large and provided.is_large(leaf):
            self.holds_large = True
            self.refresh()
        return made_tensor(leaf, self, slot)


@attrs.define(eq=False)
class TapeRecorder(Recorder):
    """The recorder of an ordinary tape."""

    records_alone: ClassVar[bool] = True

    def apply(self, primitive: Primitive, operands: Sequence[Array], parameters: Parameters) -> Any:
        """Compute an operation and record it."""
        slots, values = partition(self, primitive, operands)
        out, residual = compute(primitive, values, parameters)
        return record_output(self, primitive, operands, slots, values, parameters, out, residual)

    write = Recorder.put

    def write_group(self, group: Callable[[int], list[Entry]]) -> int:
        """Append records that follow each other, and return the slot of the first."""
        return put_group(self.entries, group)

    def entries_to_walk(self, targets: Collection[int] = (), sources: Collection[int] = ()) -> Sequence[Entry]:
        """Return the entries; inside `checks` with rules that are checked."""
        instruments = INSTRUMENTS.get()
        return self.entries if instruments is None else instruments.entries_to_walk(self, targets, sources)

    def gradient_check(self) -> GradientCheck | None:
        """Return what checks gradients, inside `checks` alone."""
        instruments = INSTRUMENTS.get()
        return None if instruments is None else instruments.gradient_check(self)


def slot_of(entries: Sequence[Entry], entry: Entry, first: int) -> int:
    """Return the slot of an entry that other threads came between, from the slot it would have had on."""
    slot = first
    while entries[slot] is not entry:
        slot += 1
    return slot


def put_group(entries: list[Entry], group: Callable[[int], list[Entry]]) -> int:
    """Append entries that follow each other, made from the slot of the first, and return that slot."""
    first = len(entries)
    made = group(first)
    entries.extend(made)  # one call, so that no other thread's record comes between
    if entries[first] is not made[0]:
        first = slot_of(entries, made[0], first)
        # The parts name the slot of the whole, which is another one now.
        entries[first + 1 : first + len(made)] = group(first)[1:]
    return first


# ---- the three steps of an operation ----


def partition(trace: Recorder, primitive: Primitive, operands: Sequence[Array]) -> tuple[Slots, list[Array]]:
    """Return for each operand its slot, None for a constant, and its value one trace further out."""
    slots: list[int | None] = []
    values: list[Array] = []
    for x in operands:
        if type(x) is Tensor and x.owner is trace:
            slots.append(x.slot)
            value = x._value
            # A watched Python number stays one in elementwise operations, as NEP 50 has it: times a float32 array it
            # must give float32. Other functions expect the attributes of an array.
            if type(value) in PYTHONS and not primitive.takes_numbers:
                value = as_numpy_number(value)
            values.append(value)
        else:
            slots.append(None)
            value = x if type(x) in CONSTANTS or type(x) is Tensor else as_constant(primitive.name, x)
            values.append(value)
            if type(value) is np.ndarray and has_labels():
                check_labels(trace, primitive.name, value)
    return tuple(slots), values


def compute(primitive: Primitive, values: Sequence[Array], parameters: Parameters) -> tuple[Any, tuple[Any, ...]]:
    """Return the output of a primitive, and its residual in a tuple where it has one."""
    for x in values:
        if type(x) is Tensor:  # of a trace further out, which has its own record of it
            residual = () if primitive.residual is None else (primitive.residual(*values, **parameters),)
            return bind(primitive.further_out or primitive, values, parameters), residual
    if primitive.with_residual is None:
        forward = primitive.forward
        if type(forward) is np.ufunc and primitive.is_elementwise and not parameters:
            forward = provided.pooled(forward)
        return evaluate(primitive, forward, values, parameters), ()
    out, found = evaluate(primitive, primitive.with_residual, values, parameters)
    return out, (found,)


def record_output(
    trace: Recorder,
    primitive: Primitive,
    operands: Sequence[Array],
    slots: Slots,
    values: Sequence[Array],
    parameters: Parameters,
    out: Any,
    residual: tuple[Any, ...],
) -> Any:
    """Record an operation and return its output as Tensors; an output without derivative leaves the tape, guarded."""
    kept = primitive.kept(slots, values, out)
    if residual:
        kept = (*kept, *residual)
    if type(out) is tuple and (not primitive.is_discrete or all(hasattr(x, "dtype") for x in out)):
        return _record_parts(trace, primitive, operands, (primitive, slots, kept, parameters, None, None), out)
    dtype = getattr(out, "dtype", None)
    if dtype is None and primitive.is_discrete:  # a text, a Python number, a list: read off
        record_guard(primitive.name, primitive.forward, operands, parameters, out)
        return out
    kind = "O" if dtype is None else dtype.kind
    if kind not in "fc" and not _stays(trace, primitive, operands):
        if kind not in "biu":
            raise ArgumentTypeError(_not_numeric(primitive.name, values, out))
        record_guard(primitive.name, primitive.forward, operands, parameters, out)
        return out
    return made_tensor(out, trace, trace.write((primitive, slots, kept, parameters, out.shape, dtype)))


def _stays(trace: Recorder, primitive: Primitive, operands: Sequence[Array]) -> bool:
    """Return whether a result without derivative stays on a trace."""
    return trace.keeps_choices or primitive.is_discrete or any(map(is_chosen, operands))


def _not_numeric(name: str, values: Sequence[Any], out: Any) -> str:
    dtypes = ", ".join(str(getattr(x, "dtype", type(x).__name__)) for x in values)
    if any(getattr(x, "dtype", np.dtype(float)).kind not in "biufc" for x in values):
        return f"{name}: operands must be numeric; got {dtypes}."
    return f"{name}: the result must be numeric; got dtype {getattr(out, 'dtype', type(out).__name__)} from {dtypes}."


def _record_parts(
    trace: Recorder, primitive: Primitive, operands: Sequence[Array], entry: Entry, out: tuple[Array, ...]
) -> tuple[Array, ...]:
    """Record an operation with several outputs: one record for the tuple, then one for each part of it.

    So each slot has one record, and walks have no case for several outputs. A part that is neither float nor complex
    has a record too, and is returned as a plain array.
    """

    def group(whole: int) -> list[Entry]:
        parts = enumerate(out)
        return [entry, *((PART, (whole,), (None, None, of), {"index": i}, x.shape, x.dtype) for i, x in parts)]

    of = Whole(primitive.name, tuple([(x.shape, x.dtype) for x in out]))
    whole = trace.write_group(group)
    outputs: list[Array] = []
    stays = _stays(trace, primitive, operands)
    for i, part in enumerate(out):
        if stays or part.dtype.kind in "fc":
            outputs.append(made_tensor(part, trace, whole + 1 + i))
        else:
            record_guard(primitive.name, _part_of(primitive, i), operands, entry[3], part)
            outputs.append(part)
    return tuple(outputs)


def _part_of(primitive: Primitive, index: int) -> Callable[..., Array]:
    """Return the function of one part of what a primitive gives."""
    return lambda *operands, **parameters: primitive.forward(*operands, **parameters)[index]


# ---- instruments: what `tn.checks` replaces ----


class Instruments(Protocol):
    """Replacements for ordinary recorders and walks, which `tn.checks` sets in its context."""

    def new_recorder(self, guards: list[Guard] | None) -> Recorder:
        """Return the recorder of a tape that is opened now."""

    def entries_to_walk(self, trace: Recorder, targets: Collection[int], sources: Collection[int]) -> Sequence[Entry]:
        """Return the entries of a tape that was opened before, for a walk between these slots."""

    def gradient_check(self, trace: Recorder) -> GradientCheck | None:
        """Return what checks the gradients of a tape that was opened before."""


INSTRUMENTS: ContextVar[Instruments | None] = ContextVar("tapenet.instruments", default=None)


def renewed(trace: Recorder) -> Recorder:
    """Return a recorder that has not been opened, or one in its place where instruments are there that were not."""
    is_ordinary = type(trace) is TapeRecorder and INSTRUMENTS.get() is None
    return trace if is_ordinary else new_recorder(replayable=trace.guards is not None)


def new_recorder(*, replayable: bool) -> Recorder:
    """Return the recorder of a tape that is about to open."""
    guards: list[Guard] | None = [] if replayable else None
    instruments = INSTRUMENTS.get()
    return TapeRecorder(guards) if instruments is None else instruments.new_recorder(guards)
