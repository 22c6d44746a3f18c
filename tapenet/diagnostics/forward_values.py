"""Values of records, as far as a tape keeps them or they follow from what it keeps: for explanations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from tapenet.core.primitive import Primitive, as_numpy_number
from tapenet.core.record import Entry
from tapenet.diagnostics.advice import numerical_advice
from tapenet.diagnostics.checker import first_nonfinite
from tapenet.diagnostics.magnitudes import off_tapes, plain
from tapenet.walks.reachability import needed_slots


def known_values(entries: Sequence[Entry], given: Mapping[int, Any], targets: Collection[int]) -> dict[int, Any]:
    """Return the values of records that targets depend on, by slot: kept, given, or computed from these.

    What a function of the user's computes is not computed again.
    """
    needed = needed_slots(entries, targets)
    values = dict(given)
    for slot in needed:
        _, slots, kept, _, _, _ = entries[slot]
        for operand, x in zip((*slots, slot), kept, strict=False):
            if operand is not None and x is not None:
                values.setdefault(operand, off_tapes(x))
    with np.errstate(all="ignore"):
        for slot in needed:
            if slot not in values:
                _compute(entries[slot], slot, values)
    return values


def _compute(entry: Entry, slot: int, values: dict[int, Any]) -> None:
    primitive, slots, kept, parameters, _, _ = entry
    if primitive.is_users or primitive.users_rules != "none" or not slots:
        return
    if any(operand is not None and operand not in values for operand in slots):
        return
    operands = [off_tapes(x) if at is None else values[at] for at, x in zip(slots, kept, strict=False)]
    if not primitive.takes_numbers:
        operands = [x if at is None else as_numpy_number(x) for at, x in zip(slots, operands, strict=True)]
    values[slot] = primitive.forward(*operands, **parameters)


def first_nonfinite_record(entries: Sequence[Entry], values: Mapping[int, Any]) -> tuple[int, str] | None:
    """Return the first record whose value is not finite though those of its operands are, and what it is."""
    for slot in sorted(values):
        primitive, slots, kept, _, shape, dtype = entries[slot]
        if shape is None or dtype.kind not in "fc":
            continue
        bad = first_nonfinite(plain(values[slot]), [values[at] for at in slots if at is not None and at in values])
        if bad:
            constants = [off_tapes(x) for at, x in zip(slots, kept, strict=False) if at is None]
            return slot, f"{bad}{_origin(primitive, constants)}"
    return None


def _origin(primitive: Primitive, constants: Sequence[Any]) -> str:
    """Return where a value that is not finite comes from, or what to write instead."""
    if primitive.family == "leaf":
        return ", as it was watched."
    arrays = [plain(x) for x in constants if x is not None and not isinstance(x, str | tuple)]
    is_given = any(array.dtype.kind in "fc" and not np.isfinite(array).all() for array in arrays)
    return ", as it is in a constant operand." if is_given else f". {numerical_advice(primitive.name)}"
