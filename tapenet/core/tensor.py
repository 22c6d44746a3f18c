"""`Tensor`, a value on a tape, and how values are read from it."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Never

import attrs
import numpy as np

from tapenet.core.deferred import Deferred, as_read
from tapenet.core.guards import Guard, snapshot
from tapenet.core.provided import provided
from tapenet.core.source_lines import user_line, user_location
from tapenet.core.trace import Trace
from tapenet.errors import ArgumentTypeError, AssignmentError, ConversionError, MappedValueError, PicklingError

if TYPE_CHECKING:
    from tapenet.core.array_interface import ArrayInterface
else:
    ArrayInterface = object


@attrs.define(init=False, eq=False, repr=False, weakref_slot=False)
class UnsealedTensor(ArrayInterface):
    """A `Tensor` while it is filled in; see `made_tensor`."""

    _value: Any
    owner: Trace
    slot: int


@attrs.frozen(eq=False, repr=False, weakref_slot=False)
class Tensor(UnsealedTensor):
    """A value on a tape: an immutable stand-in for the array it holds.

    `GradientTape.watch` and operations on other Tensors make Tensors; users do not construct them. A Tensor behaves
    as a NumPy array of its value does: operators, methods, `tapenet.numpy` and plain `numpy` functions, each of
    which is recorded on the tape. Its value may be a Tensor of an outer tape: that is how tapes nest.

    Comparisons and other functions without a derivative return plain arrays, so that `if x > 0:` works. What would
    silently take the value off an open tape (`float(x)`, `numpy.asarray(x)`, pickling, `x[0] = 1`) raises
    `ConversionError`, `PicklingError` or `AssignmentError` with the line to write instead. After its tape has
    closed, a Tensor converts freely.

    Attributes:
        owner: the trace that records or evaluates operations on it.
        slot: the index in `tape.records` of the record that made it.
    """

    @property
    def tape(self) -> Any:
        """The GradientTape that it is a value on; under `vmap` None."""
        return provided.tape_of(self.owner)

    @property
    def value(self) -> Any:
        """The array or scalar it holds, read-only; for nested tapes, a Tensor of the next tape outward.

        Raises:
            MappedValueError: under `vmap`, where it holds one value for each example.
        """
        if self.owner.holds_batch:
            raise mapped_value_error("x.value")
        x = resolve(self) if self.owner.is_open else self
        if x.owner.is_open and x.owner.guards is not None:
            record_guard_on(x.owner, "x.value", value_itself, (x,), {}, unwrap(x))
        return read_only(as_read(self._value))

    # ---- shape and text ----

    @property  # type: ignore[misc]  # ndarray's can be assigned to
    def shape(self) -> tuple[int, ...]:
        """The value's shape."""
        try:
            shape: tuple[int, ...] = self._value.shape
        except AttributeError:  # of a Python number
            return ()
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The value's dtype; float64 or complex128 for a Python scalar."""
        value = self._value
        return np.dtype(type(value)) if type(value) in PYTHONS else value.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        if not self.shape:
            raise ArgumentTypeError("len: x must have at least one axis; got a Tensor of shape ().")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise ArgumentTypeError("iter: x must have at least one axis; got a Tensor of shape ().")
        return (self[i] for i in range(self.shape[0]))

    def __repr__(self) -> str:
        return f"Tensor({_shown(self)!r}, slot={self.slot})"

    def __str__(self) -> str:
        return str(_shown(self))

    def __format__(self, specification: str) -> str:
        return format(_shown(self), specification)

    # ---- conversions, which raise on an open tape ----

    def __bool__(self) -> bool:
        answer = bool(_one_value(self, "if x:"))
        record_guard("if x:", bool, (self,), {}, answer)
        return answer

    def __float__(self) -> float:
        return float(_converted(self, "float(x)"))

    def __int__(self) -> int:
        return int(_converted(self, "int(x)"))

    def __index__(self) -> int:
        return operator.index(_converted(self, "using x as an index"))

    def __complex__(self) -> complex:
        return complex(_converted(self, "complex(x)"))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(_converted(self, "numpy.asarray(x)"), dtype=dtype, copy=copy)

    def item(self, *index: Any) -> Any:
        """Return the value as a Python scalar, once the tape has closed."""
        return np.asarray(_converted(self, "x.item()")).item(*index)

    def tolist(self) -> Any:
        """Return the value as nested lists of Python scalars, once the tape has closed."""
        return np.asarray(_converted(self, "x.tolist()")).tolist()

    def __hash__(self) -> int:  # type: ignore[override]  # arrays are not hashable, values on a tape are by identity
        number, owner = self._value, self.owner
        is_number = type(number) in PYTHONS or isinstance(number, np.generic)
        if not (is_number and owner.keeps_choices and owner.is_open):
            return object.__hash__(self)
        record_guard("a number as a key", value_itself, (self,), {}, number)
        return hash(number)

    def __copy__(self) -> Tensor:
        return self

    def __deepcopy__(self, memo: Any) -> Tensor:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        if _is_on_open_tape(self):
            raise PicklingError(
                "pickle: x is a Tensor of an open tape, and a tape does not travel. "
                "Pickle x.value, or leave the tape's block first."
            )
        return _unpickled, (_one_value(self, "pickling"),)

    def __setitem__(self, index: Never, value: Never) -> None:  # type: ignore[override]  # ndarray's may be called
        written = _as_written(index)
        self.owner.refuse_write(self, f"x[{written}] = ...")
        raise AssignmentError(
            f"x[{written}] = ...: a Tensor is a value and never changes. "
            f"Write x = x.at[{written}].set(...), or .add(...) or .multiply(...)."
        )

    def __delitem__(self, index: Any) -> None:
        raise AssignmentError(f"del x[{_as_written(index)}]: a Tensor is a value and never changes.")


def made_tensor(value: Any, trace: Trace, slot: int) -> Tensor:
    """Return a Tensor, for the recording path: in a third of the time that a frozen class takes to set its fields."""
    made: Any = UnsealedTensor()  # type: ignore[call-arg]  # to type checkers it is an ndarray
    made._value = value
    made.owner = trace
    made.slot = slot
    made.__class__ = Tensor
    sealed: Tensor = made
    return sealed


def resolve(x: Any) -> Any:
    """Return what `x` is for an operation of this thread and task.

    A Tensor of a closed tape is its value; one of a tape that is paused in this context is its stand-in.
    """
    while type(x) is Tensor:
        resolved = x.owner.resolve(x)
        if resolved is x:
            return x
        x = resolved
    return x


def innermost(operands: Iterable[Any]) -> Trace | None:
    """Return the innermost trace of resolved operands; None where none is a Tensor."""
    trace = None
    for x in operands:
        if type(x) is Tensor and (trace is None or x.owner.level > trace.level):
            trace = x.owner
    return trace


def unwrap(x: Any) -> Any:
    """Return what is under a Tensor, however many tapes deep: a plain value, or a Tensor of a batch.

    No guard is recorded: it is for types, text and pictures. A value that a computation depends on is taken by
    `read_value`.
    """
    return as_read(_under(x))


def type_under(x: Any) -> type[Any]:
    """Return the type of what is under a Tensor, as `unwrap` gives it; a deferred value is not computed for it."""
    under = _under(x)
    return np.ndarray if type(under) is Deferred else type(under)


def _under(x: Any) -> Any:
    while type(x) is Tensor and not x.owner.holds_batch:
        x = x._value
    return x


def read_value(x: Any) -> Any:
    """Return what is under a Tensor, as `unwrap`, and record a guard on open tapes.

    A Tensor of integers or truth values stays as it is; see `is_chosen`.
    """
    if type(x) is not Tensor or x.dtype.kind not in "fc":
        return x
    value = unwrap(x)
    record_guard("a value", value_itself, (x,), {}, value)
    return value


def is_chosen(x: Any) -> bool:
    """Return whether a value is a choice of the library's own on a tape, which a replay computes again."""
    while type(x) is Tensor and x.owner.holds_batch:
        x = x.owner.inner(x)
    return type(x) is Tensor and x.dtype.kind in "biu"


def unwrap_to_choices(x: Any) -> Any:
    """Return what is under a Tensor, as `unwrap`, but for a Tensor of an open trace that keeps choices."""
    while type(x) is Tensor and not x.owner.holds_batch and not (x.owner.keeps_choices and x.owner.is_open):
        x = x._value
    return as_read(x)


def is_kept(x: Any) -> bool:
    """Return whether `x` is a value of an open trace that keeps choices, and on no tape further in."""
    return type(x) is Tensor and x.owner.keeps_choices and x.owner.is_open


NUMBERS = frozenset({int, float, complex})  # Python's own, which take on the precision of arrays (NEP 50)
PYTHONS = NUMBERS | {bool}  # and the truth values that comparisons of them give


def numbers_trace(x: Any, y: Any) -> Any:
    """Return the trace that keeps choices of operands that are all Python's numbers and truth values; else None."""
    trace = None
    for operand in (x, y):
        if type(operand) is Tensor:
            trace = operand.owner
            if not trace.keeps_choices or type(operand._value) not in PYTHONS or not trace.is_open:
                return None
        elif type(operand) not in PYTHONS:
            return None
    return trace


def unwrap_batches(x: Any) -> Any:
    """Return what is under a Tensor, under `vmap` of all examples, without recording a guard."""
    while type(x) is Tensor:
        x = x.owner.inner(x)
    return x


def read_single_value(x: Any, needed_by: str) -> Any:
    """Return the plain value under a Tensor and record a guard; under `vmap`, where there is not one value, raise."""
    if type(x) is not Tensor:
        return x
    value = _one_value(x, needed_by)
    record_guard(needed_by, value_itself, (x,), {}, value)
    return value


def _one_value(x: Any, needed_by: str) -> Any:
    x = unwrap(x)
    if type(x) is Tensor:
        raise mapped_value_error(needed_by)
    return x


def read_only(value: Any) -> Any:
    """Return a value of a tape as users get it: an array as a read-only view."""
    if type(value) is np.ndarray:
        value = value.view()
        value.flags.writeable = False
    return value


# ---- guards ----


def value_itself(x: Any) -> Any:
    return x


def record_guard(
    name: str,
    function: Callable[..., Any],
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    result: Any,
    through_batches: bool = False,
) -> None:
    """Record a guard on every open tape that an argument belongs to: a value was computed from it and left the tape.

    Args:
        name: of the function, for errors.
        function: of plain values.
        arguments, keywords: what it was called with, Tensors among them.
        result: what it gave.
        through_batches: whether the function takes all examples of mapped values at once, so that tapes further out
            than the map record it too.
    """
    arguments = [resolve(x) for x in arguments]
    part = result[0] if type(result) is tuple and result else result
    # Of a mapped result, tapes further out than the map have recorded a guard when the map evaluated it.
    level = part.owner.level if type(part) is Tensor else -1
    for trace in _open_tapes((*arguments, *keywords.values()) if keywords else arguments, through_batches):
        if trace.level > level:
            record_guard_on(trace, name, function, arguments, keywords, result, through_batches)


def _open_tapes(arguments: Sequence[Any], through_batches: bool) -> list[Trace]:
    """Return the open traces with guards that arguments belong to."""
    traces: list[Trace] = []
    for x in arguments:
        while type(x) is Tensor:
            trace = x.owner
            if trace.holds_batch and not through_batches:
                break
            if trace.guards is not None and trace.is_open and trace not in traces:
                traces.append(trace)
            x = trace.inner(x) if trace.holds_batch else x._value  # which is not to be computed for this
    return traces


def record_guard_on(
    trace: Trace,
    name: str,
    function: Callable[..., Any],
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    result: Any,
    through_batches: bool = False,
) -> None:
    """Record a guard on one trace; see `record_guard`."""
    assert trace.guards is not None
    unwrapped = unwrap_batches if through_batches else unwrap
    slots: list[int | None] = []
    constants: list[Any] = []
    for x in arguments:
        value = on_trace(trace, x)
        slots.append(None if value is None else value.slot)
        constants.append(unwrapped(x) if value is None else None)
    keyword_slots = {}
    if keywords:
        keyword_slots = {key: value.slot for key, x in keywords.items() if (value := on_trace(trace, x)) is not None}
        keywords = {key: unwrapped(x) for key, x in keywords.items() if key not in keyword_slots}
    trace.guards.append(
        Guard(
            name,
            function,
            tuple(slots),
            tuple(constants),
            keywords,
            keyword_slots,
            trace.position(),
            snapshot(result),
            user_location(),
        )
    )


def on_trace(trace: Trace, x: Any) -> Tensor | None:
    """Return `x` as a value on `trace`, which may lie under traces further inward; None where it is not one."""
    while type(x) is Tensor:
        if x.owner is trace:
            return x
        x = x.owner.inner(x)
    return None


def unwrap_closed(trace: Trace, x: Any) -> Any:
    """Return a value on `trace` that lies under traces which have closed since; anything else as it is."""
    inside = x
    while type(inside) is Tensor and inside.owner is not trace and not inside.owner.is_open:
        inside = inside.owner.inner(inside)
    return inside if type(inside) is Tensor and inside.owner is trace else x


def _shown(x: Any) -> Any:
    """Return a Tensor as it is printed: its plain value, or under `vmap` the values of all examples."""
    x = unwrap(x)
    return x.owner.inner(x) if type(x) is Tensor else x


def mapped_value_error(needed_by: str) -> MappedValueError:
    return MappedValueError(
        f"vmap: {needed_by} needs one value, at {user_line()}; got x of a mapped function, which has one for each "
        "example. Write tnp.where(condition, a, b) for a branch, tn.at(a)[x].get() for an element of an array a, "
        "and functions of tapenet.numpy for the rest."
    )


def _is_on_open_tape(x: Any) -> bool:
    """Return whether a tape of `x`, or one further outward, is open; one that keeps choices guards its values."""
    while type(x) is Tensor and not x.owner.holds_batch:
        if x.owner.is_open and not x.owner.keeps_choices:
            return True
        x = x._value
    return False


def _converted(x: Tensor, conversion: str) -> Any:
    """Return the plain value of `x`, or raise where one of its tapes is open."""
    if _is_on_open_tape(x):
        raise ConversionError(
            f"{conversion}: x is a Tensor of an open tape, and the conversion would drop it off the tape. "
            "Write x.value for the number alone, tn.stop_gradient(x) for a constant in the computation, "
            "or a function of tapenet.numpy (tnp.sin(x), tnp.stack([x, y])) to stay on the tape."
        )
    return read_only(read_single_value(x, conversion))


def _unpickled(value: Any) -> Any:
    return value


def _as_written(index: Any) -> str:
    """Format an index as the user wrote it in `x[...]`, near enough to paste."""
    if isinstance(index, tuple) and index:
        return ", ".join(map(_as_written, index))
    if isinstance(index, slice):
        parts = ["" if part is None else repr(part) for part in (index.start, index.stop)]
        return ":".join([*parts, repr(index.step)] if index.step is not None else parts)
    return "..." if index is Ellipsis else repr(index)
