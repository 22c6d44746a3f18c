"""`ProgramRecorder`: the trace of a function that is compiled.

It records what the function computes, walks included, as an outermost tape would; integers and masks stay on it as
values, too. What is read off it in another way (a branch, a conversion) is a guard of the program.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, ClassVar

import attrs
import numpy as np

from tapenet.core.deferred import Deferred, as_read
from tapenet.core.guards import bitwise_equal, snapshot
from tapenet.core.nondifferentiable import choice
from tapenet.core.ones import is_repeated_one
from tapenet.core.primitive import Array, Primitive
from tapenet.core.record import NO_PARAMETERS, Entry, Parameters
from tapenet.core.recorder import WATCHED, Recorder, compute, partition, put_group, record_output
from tapenet.core.source_lines import CodeLocation, user_location
from tapenet.core.tensor import PYTHONS, Tensor, made_tensor
from tapenet.errors import ArgumentError, AssignmentError, TapenetError
from tapenet.program.recording.deferring import are_large, deferred


class UnsupportedError(TapenetError):
    """What a function does that a program cannot do; it then runs eagerly. The text says what, and what to write."""


class RefusedError(ArgumentError):
    """What a compiled function must not do, since a program could not do it again."""


Errors = tuple[tuple[str, str], ...]  # keywords of `numpy.errstate`


@attrs.frozen(eq=False)
class Constant:
    """An array that a function takes from around it, or makes of other things than its arguments.

    Attributes:
        original: the array itself, so that it can be told whether it is there again at the next recording.
        frozen: its elements as they were when they were used; what is written into it later does not count.
    """

    original: Array
    frozen: Array


@attrs.define(eq=False)
class ProgramRecorder(Recorder):
    """The recorder of a function that is compiled; it keeps no values but constants.

    Attributes:
        sites: for each record where in the user's code it was made.
        around: how NumPy reports floating-point exceptions where the function is called.
        errors: how it does inside, by the slots of records for which that differs.
        constants: by the identity of the array.
        numbers: the slots of Python numbers.
        scalars: the slots of NumPy's scalars.
        written: the slots of inputs that the function tried to write into.
        held: arrays that are not frozen, by their identity: those of recordings that the function walks through.
        live: views of these that it used, by their identity.
        defers: whether values of large arrays are computed where they are read, rather than at once.
    """

    keeps_choices: ClassVar[bool] = True

    sites: dict[int, CodeLocation] = attrs.field(factory=dict, init=False)
    around: Mapping[str, str] = attrs.field(factory=np.geterr, init=False)
    errors: dict[int, Errors] = attrs.field(factory=dict, init=False)
    constants: dict[int, Constant] = attrs.field(factory=dict, init=False)
    numbers: set[int] = attrs.field(factory=set, init=False)
    scalars: set[int] = attrs.field(factory=set, init=False)
    written: set[int] = attrs.field(factory=set, init=False)
    held: dict[int, Array] = attrs.field(factory=dict, init=False)
    live: dict[int, Array] = attrs.field(factory=dict, init=False)
    defers: bool = attrs.field(default=False, kw_only=True)

    def apply(self, primitive: Primitive, operands: Sequence[Array], parameters: Parameters) -> Any:
        """Compute an operation and record it."""
        if parameters and any(type(x) is Tensor for x in parameters.values()):
            raise UnsupportedError(f"{primitive.name} takes a value as a keyword")
        slots, values = partition(self, primitive, operands)
        for slot, value in zip(slots, values, strict=True):
            if slot is None and type(value) is Tensor:
                raise UnsupportedError(f"{primitive.name} takes a Tensor of another tape from around the function")
        out: Any = None
        residual: tuple[Any, ...] = ()
        if self.defers and not parameters and are_large(values):
            out = deferred(primitive, [self.frozen(x) if slot is None else x for slot, x in zip(slots, values)])
        if out is None:
            values = [as_read(x) for x in values] if self.defers else values
            out, residual = compute(primitive, values, parameters)
        return self._noted(record_output(self, primitive, operands, slots, values, parameters, out, residual))

    def apply_to_numbers(self, function: Callable[..., Any], operands: Sequence[Any]) -> Tensor:
        """Record what Python computes of its own numbers: one that takes on the precision of arrays, or a truth."""
        slots = tuple([x.slot if type(x) is Tensor else None for x in operands])
        values = [x._value if type(x) is Tensor else x for x in operands]
        out = function(*values)
        if type(out) not in PYTHONS:
            raise UnsupportedError(f"{function.__name__} of numbers gives {type(out).__name__}")
        entry: Entry = (number_primitive(function), slots, (*values, None), NO_PARAMETERS, (), np.dtype(type(out)))
        made = made_tensor(out, self, self.write(entry))
        self.numbers.add(made.slot)
        return made

    def resolve(self, x: Tensor) -> Any:
        """Return the Tensor itself, what stands in for it, or its value."""
        return as_read(Recorder.resolve(self, x))

    def inner(self, x: Tensor) -> Any:
        """Return the Tensor's value."""
        return as_read(x._value)

    def watch(self, leaf: Any) -> Tensor:
        """Return an input as a value on the trace."""
        made = Recorder.watch(self, leaf)
        if type(leaf) in (int, float, complex):
            self.numbers.add(made.slot)
        self._noted(made)
        return made

    def watch_object(self) -> int:
        """Return the slot of an input that is not an array: a generator of random numbers."""
        return self.write((WATCHED, (), (None,), NO_PARAMETERS, None, None))

    def write(self, entry: Entry, value: Array | None = None) -> int:
        """Append a record without its values, and return its slot."""
        slot = self.put(self._without_values(entry))
        self._noted_site(slot)
        return slot

    def write_group(self, group: Callable[[int], list[Entry]]) -> int:
        """Append records that follow each other, without their values."""
        first = put_group(self.entries, lambda first: [self._without_values(entry) for entry in group(first)])
        self._noted_site(first)
        return first

    def _noted_site(self, slot: int) -> None:
        """Note where a record is made, and how floating-point exceptions are reported there."""
        self.sites[slot] = user_location()
        now = np.geterr()
        if now != self.around:
            self.errors[slot] = tuple((name, str(how)) for name, how in now.items())

    def entries_to_walk(self, targets: Collection[int] = (), sources: Collection[int] = ()) -> Sequence[Entry]:
        """Raise: no walk goes over the trace itself."""
        raise UnsupportedError("a walk over the arguments themselves (x.tape)")

    def refuse_write(self, x: Tensor, written: str) -> None:
        """Raise where an array is written into in place, which a program does not do."""
        if not self.is_open or type(x._value) not in (np.ndarray, Deferred):
            return
        self.written.add(x.slot)
        raise AssignmentError(f"{written} in place. Write x = x + ..., or x = tn.at(x)[...].set(...)")

    def _noted(self, out: Any) -> Any:
        """Note which values are scalars of NumPy's; return them."""
        for x in out if type(out) is tuple else (out,):
            if type(x) is Tensor and isinstance(x._value, np.generic):
                self.scalars.add(x.slot)
        return out

    def _without_values(self, entry: Entry) -> Entry:
        primitive, slots, kept, parameters, shape, dtype = entry
        constants = tuple([None if slot is not None else self.frozen(x) for x, slot in zip(kept, slots, strict=False)])
        return primitive, slots, constants, parameters, shape, dtype

    def frozen(self, x: Any) -> Any:
        """Return a constant as it is now."""
        if type(x) is not np.ndarray:
            return x
        if self.held and id(owner_of(x)) in self.held:
            self.live[id(x)] = x
            return x
        if is_repeated_one(x):
            return x
        known = self.constants.get(id(x))
        if known is not None and bitwise_equal(snapshot(known.frozen), x):
            return known.frozen
        copy = _copied(x)
        if known is None:
            self.constants[id(x)] = Constant(x, copy)
            self.constants[id(copy)] = Constant(x, copy)  # records may come twice
        return copy


def _copied(x: Any) -> Any:
    """Return a copy that nothing writes into; of one number that is repeated, that number alone is copied."""
    if x.size > 1 and not any(x.strides):
        return np.broadcast_to(np.array(x[(0,) * x.ndim], x.dtype), x.shape)
    copy = np.array(x, order="K")
    copy.flags.writeable = False
    return copy


def owner_of(x: Any) -> Any:
    """Return the array that owns the memory of a view."""
    while type(getattr(x, "base", None)) is np.ndarray:
        x = x.base
    return x


# The recording that a function is part of in this context: compiled functions that it calls are part of it, too.
RECORDING: ContextVar[ProgramRecorder | None] = ContextVar("tapenet.recording", default=None)

_NUMBER_PRIMITIVES: dict[Any, Primitive] = {}


def number_primitive(function: Callable[..., Any]) -> Primitive:
    """Return the operation of a function of Python numbers."""
    made = _NUMBER_PRIMITIVES.get(function)
    if made is None:
        name = f"python.{function.__name__}"
        made = attrs.evolve(choice(function, name=name), is_elementwise=True, family="number")
        _NUMBER_PRIMITIVES[function] = made
    return made
