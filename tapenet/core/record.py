"""`Record`, one operation on a tape: what was computed, from what, and what its derivative reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, overload

import attrs
import numpy as np

if TYPE_CHECKING:
    from tapenet.core.primitive import Primitive

Shape = tuple[int, ...]
Slots = tuple[int | None, ...]
Kept = tuple[Any, ...]
Parameters = Mapping[str, Any]

NO_PARAMETERS: Parameters = MappingProxyType({})

# The fields of a `Record`, in its order, as the tape keeps them: a plain tuple is made in a tenth of the time of an
# attrs object, is a third of its size, and unpacks at once in a walk. SLOTS and SHAPE are indices of it.
Entry = tuple["Primitive", Slots, Kept, Parameters, Any, Any]
SLOTS: Final = 1
SHAPE: Final = 4


def _read_only(parameters: Parameters) -> Parameters:
    return MappingProxyType(dict(parameters))


@attrs.frozen(eq=False)
class Record:
    """One recorded operation, as data and not as a closure, so that it can be walked, replayed and drawn.

    A record's index in its tape is its slot, the number by which later records refer to its value.

    Attributes:
        primitive: the operation.
        slots: for each operand the slot of its value, or None for a constant.
        kept: for each operand its value where it is a constant or a rule reads it, else None; then, last,
            the output where a rule reads it, else None; after that a residual, for a primitive that has one.
        parameters: the operation's keyword parameters.
        shape: of the output; None where the output is a tuple, whose parts are the records that follow.
        dtype: of the output; None where the output is a tuple.
    """

    primitive: Primitive
    slots: Slots
    kept: Kept
    parameters: Parameters = attrs.field(converter=_read_only)
    shape: Shape | None
    dtype: Any


@attrs.frozen(eq=False, repr=False)
class Records(Sequence[Record]):
    """A tape's records: an immutable sequence that makes each `Record` at access."""

    _entries: Sequence[Entry]
    _length: int

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Record, ...]: ...
    def __getitem__(self, index: int | slice) -> Record | tuple[Record, ...]:
        slots = range(self._length)[index]
        if isinstance(slots, range):
            return tuple(Record(*self._entries[slot]) for slot in slots)
        return Record(*self._entries[slots])

    def __iter__(self) -> Iterator[Record]:
        return (Record(*self._entries[slot]) for slot in range(self._length))

    def __repr__(self) -> str:
        return f"<{self._length} records>"


def operand_shapes(entries: Sequence[Entry], slots: Slots, kept: Kept) -> list[Shape | None]:
    """Return the shapes of a record's operands; None for one that is a tuple."""
    return [
        np.shape(value) if slot is None else entries[slot][SHAPE] for slot, value in zip(slots, kept)
    ]  # hot: no strict=
