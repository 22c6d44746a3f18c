"""The value on a tape."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from tapenet.core.guards import Guard, as_seen
from tapenet.core.source_lines import user_line, user_place
from tapenet.errors import ArgumentTypeError, AssignmentError, ConversionError, MappedValueError, PicklingError


@attrs.define(eq=False, repr=False, weakref_slot=False)
class UnsealedTensor:
    """A `Tensor` while it is filled in; see `made_tensor`."""

    _value: Any
    tape: Any  # a GradientTape, or under `vmap` a Map
    slot: int


@attrs.frozen(eq=False, repr=False, weakref_slot=False)
class Tensor(UnsealedTensor):
    """A value on a tape: an immutable stand-in for the array it holds.

    Made by `GradientTape.watch` and by operations on other Tensors; never by hand. It behaves as a NumPy
    array of its value does: operators, methods, `tapenet.numpy` and plain `numpy` functions, of which each
    is recorded on the tape. Its value may be a Tensor of an outer tape: that is how tapes nest.

    Comparisons and other functions without a derivative give plain arrays, so `if x > 0:` works. What would
    drop the value off an open tape unseen (`float(x)`, `numpy.asarray(x)`, pickling, `x[0] = 1`) raises
    `ConversionError`, `PicklingError` or `AssignmentError` with the line to write instead. After its tape has
    closed, a Tensor converts freely.

    Attributes:
        tape: the tape that it is a value on.
        slot: the place in `tape.records` of the record that made it.
    """

    @property
    def value(self) -> Any:
        """The array or scalar it holds, read-only; for nested tapes, a Tensor of the next tape outward.

        Raises:
            MappedValueError: under `vmap`, where it holds one value for each example.
        """
        value = self._value
        if self.tape.is_map:
            raise mapped_value_error("x.value")
        own = inside(self)
        if own.tape.is_open and own.tape.guards is not None:
            note_on(own.tape, "x.value", _same, (own,), {}, under(own))
        return read_only(value)

    # ---- what it looks like ----

    @property
    def shape(self) -> tuple[int, ...]:
        """The value's shape."""
        value = self._value
        return () if isinstance(value, (float, complex)) else value.shape  # a Python scalar has no `shape`

    @property
    def dtype(self) -> np.dtype[Any]:
        """The value's dtype; float64 or complex128 for a Python scalar."""
        value = self._value
        return np.dtype(type(value)) if type(value) in (float, complex) else value.dtype

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

    # ---- conversions: silent nowhere ----

    def __bool__(self) -> bool:
        answer = bool(_one_value(self, "if x:"))
        note_read("if x:", bool, (self,), {}, answer)
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
        """The value as a Python scalar, once the tape has closed."""
        return np.asarray(_converted(self, "x.item()")).item(*index)

    def tolist(self) -> Any:
        """The value as nested lists of Python scalars, once the tape has closed."""
        return np.asarray(_converted(self, "x.tolist()")).tolist()

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

    def __setitem__(self, index: Any, value: Any) -> None:
        written = _as_written(index)
        raise AssignmentError(
            f"x[{written}] = ...: a Tensor is a value and never changes. "
            f"Write x = x.at[{written}].set(...), or .add(...) or .multiply(...)."
        )

    def __delitem__(self, index: Any) -> None:
        raise AssignmentError(f"del x[{_as_written(index)}]: a Tensor is a value and never changes.")

    if TYPE_CHECKING:
        # Given to the class by `tapenet.numpy.methods.give_methods`, which knows the operations.
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __pos__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __getattr__(self, name: str) -> Any: ...


new_object: Callable[[type[UnsealedTensor]], Any] = object.__new__


def made_tensor(value: Any, tape: Any, slot: int) -> Tensor:
    """A Tensor, for the recording path: in a third of the time that a frozen class takes to set its fields."""
    made = new_object(UnsealedTensor)
    made._value = value
    made.tape = tape
    made.slot = slot
    made.__class__ = Tensor
    sealed: Tensor = made
    return sealed


def under(x: Any) -> Any:
    """What is under a Tensor, however many tapes deep: a plain value, or a Tensor that is mapped over a batch.

    For what a computation does not depend on (its kind, a picture of it); `off_tapes` is for what it does.
    """
    while type(x) is Tensor and not x.tape.is_map:
        x = x._value
    return x


def off_tapes(x: Any) -> Any:
    """What is under a Tensor, as `under`, read: open tapes note it, so that a replay does not take it for granted."""
    if type(x) is not Tensor:
        return x
    value = under(x)
    note_read("a value", _same, (x,), {}, value)
    return value


def all_under(x: Any) -> Any:
    """What is under a Tensor, under `vmap` of all examples; no tape notes it."""
    while type(x) is Tensor:
        x = _next_under(x)
    return x


def _next_under(x: Tensor) -> Any:
    return x._value.array if x.tape.is_map else x._value


def plain_value(x: Any, needed_by: str) -> Any:
    """The plain value under a Tensor, read as by `off_tapes`; under `vmap`, where there is not one, an error."""
    if type(x) is not Tensor:
        return x
    value = _one_value(x, needed_by)
    note_read(needed_by, _same, (x,), {}, value)
    return value


def _one_value(x: Any, needed_by: str) -> Any:
    x = under(x)
    if type(x) is Tensor:
        raise mapped_value_error(needed_by)
    return x


def read_only(value: Any) -> Any:
    """A value of a tape, for a user to look at: an array cannot be written into."""
    if type(value) is np.ndarray:
        value = value.view()
        value.flags.writeable = False
    return value


# ---- reads, which a replay repeats ----


def _same(x: Any) -> Any:
    return x


def note_read(
    name: str,
    function: Callable[..., Any],
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    result: Any,
    hidden: bool = False,
    through_maps: bool = False,
) -> None:
    """Tell every open tape that an argument belongs to what was computed from it and left it.

    Args:
        name: of the function, for errors.
        function: of plain values.
        arguments, keywords: what it was called with, Tensors among them.
        result: what it gave.
        hidden: whether the result is seen by the library alone; see `Guard`.
        through_maps: whether the function takes the examples of mapped values all at once, so that tapes further out
            than the map are told too.
    """
    arguments = [inside(x) for x in arguments]
    part = result[0] if type(result) is tuple and result else result
    level = part.tape.level if type(part) is Tensor else -1  # tapes further out than a map are told by the map
    for tape in _open_tapes((*arguments, *keywords.values()) if keywords else arguments, through_maps):
        if tape.level > level:
            note_on(tape, name, function, arguments, keywords, result, hidden, through_maps)


def inside(x: Any) -> Any:
    """What stands for a value of a tape that `checkpoint` has paused; anything else as it is."""
    if type(x) is Tensor and x.tape.region is not None:
        return x.tape.region.read(x)
    return x


def _open_tapes(arguments: Sequence[Any], through_maps: bool) -> list[Any]:
    """The open tapes, to be told of reads, that arguments belong to."""
    tapes: list[Any] = []
    for x in arguments:
        while type(x) is Tensor:
            tape = x.tape
            if tape.is_map:
                if not through_maps:
                    break
            elif tape.guards is not None and tape.is_open and tape not in tapes:
                tapes.append(tape)
            x = _next_under(x)
    return tapes


def note_on(
    tape: Any,
    name: str,
    function: Callable[..., Any],
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    result: Any,
    hidden: bool = False,
    through_maps: bool = False,
) -> None:
    """Tell one tape; see `note_read`."""
    plain = all_under if through_maps else under
    slots: list[int | None] = []
    constants: list[Any] = []
    for x in arguments:
        own = on_tape(tape, x)
        slots.append(None if own is None else own.slot)
        constants.append(plain(x) if own is None else None)
    keyword_slots = {}
    if keywords:
        keyword_slots = {key: own.slot for key, x in keywords.items() if (own := on_tape(tape, x)) is not None}
        keywords = {key: plain(x) for key, x in keywords.items() if key not in keyword_slots}
    tape.guards.append(
        Guard(
            name,
            function,
            tuple(slots),
            tuple(constants),
            keywords,
            keyword_slots,
            len(tape.entries),
            None if hidden else as_seen(result),
            user_place(),
            result if hidden else None,
        )
    )


def on_tape(tape: Any, x: Any) -> Tensor | None:
    """`x` as a value on `tape`, which may lie under tapes, and maps, further inward."""
    while type(x) is Tensor:
        if x.tape is tape:
            return x
        x = _next_under(x)
    return None


def _shown(x: Any) -> Any:
    """What a Tensor looks like: its plain value, or under `vmap` the values of all examples."""
    x = under(x)
    return x._value if type(x) is Tensor else x


def mapped_value_error(needed_by: str) -> MappedValueError:
    return MappedValueError(
        f"vmap: {needed_by} needs one value, at {user_line()}; got x of a mapped function, which has one for each "
        "example. Write tnp.where(condition, a, b) for a branch, tn.at(a)[x].get() for an element of an array a, "
        "and functions of tapenet.numpy for the rest."
    )


def _is_on_open_tape(x: Any) -> bool:
    """Whether a tape of `x`, or one further outward, is open, be it paused."""
    while type(x) is Tensor and not x.tape.is_map:
        if x.tape.is_open or x.tape.region is not None:
            return True
        x = x._value
    return False


def _converted(x: Tensor, conversion: str) -> Any:
    """The plain value of `x`, or an error where one of its tapes is open."""
    if _is_on_open_tape(x):
        raise ConversionError(
            f"{conversion}: x is a Tensor of an open tape, and the conversion would drop it off the tape. "
            "Write x.value for the number alone, tn.stop_gradient(x) for a constant in the computation, "
            "or a function of tapenet.numpy (tnp.sin(x), tnp.stack([x, y])) to stay on the tape."
        )
    return _one_value(x, conversion)


def _unpickled(value: Any) -> Any:
    return value


def _as_written(index: Any) -> str:
    """An index as the user wrote it between the brackets, near enough to paste."""
    if isinstance(index, tuple) and index:
        return ", ".join(map(_as_written, index))
    if isinstance(index, slice):
        parts = ["" if part is None else repr(part) for part in (index.start, index.stop)]
        return ":".join([*parts, repr(index.step)] if index.step is not None else parts)
    return "..." if index is Ellipsis else repr(index)
