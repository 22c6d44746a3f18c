"""A tape's entry: what was computed, from what, and what its derivative will read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

if TYPE_CHECKING:
    from tapenet.primitive import Primitive

NO_PARAMETERS: Mapping[str, Any] = MappingProxyType({})


@attrs.define(eq=False, weakref_slot=False)
class UnsealedRecord:
    """A `Record` while it is filled in; see `Record` for the fields.

    A frozen attrs class sets each field through `object.__setattr__`, at four times the price of a plain
    store. On the recording path an object is filled as this class and sealed by `made.__class__ = Record`.
    """

    primitive: Primitive
    slots: tuple[int | None, ...]
    kept: tuple[Any, ...]
    parameters: Mapping[str, Any]
    shape: tuple[int, ...] | None
    dtype: Any


@attrs.frozen(eq=False, weakref_slot=False)
class Record(UnsealedRecord):
    """One recorded operation: a recipe, from which any walk can be made.

    A record's place in its tape is its slot, the number by which later records name its value.

    Attributes:
        primitive: the operation.
        slots: for each operand the slot of its value, or None for a constant.
        kept: for each operand its value where it is a constant or a rule reads it, else None; then, last,
            the output where a rule reads it, else None; after that a residual, for a primitive that has one.
        parameters: the operation's keyword parameters.
        shape: of the output; None where the output is a tuple, whose parts are the records that follow.
        dtype: of the output; None where the output is a tuple.
    """


def operand_shapes(entries: Sequence[Record], record: Record) -> list[tuple[int, ...] | None]:
    """The shapes of a record's operands; None for one that is a tuple."""
    return [
        np.shape(value) if slot is None else entries[slot].shape
        for slot, value in zip(record.slots, record.kept, strict=False)
    ]
