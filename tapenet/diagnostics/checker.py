"""`Checker`: checks a tape for NaN and infinity as they appear, and for arrays that change."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.guards import ArraySnapshot, snapshot
from tapenet.core.primitive import Array, Primitive
from tapenet.core.record import Entry
from tapenet.core.source_lines import CodeLocation, line_of, user_location
from tapenet.core.tensor import unwrap_batches
from tapenet.diagnostics.advice import numerical_advice
from tapenet.errors import MutationError, NumericalError


@attrs.frozen
class Checks:
    """Which checks are made.

    Attributes:
        nan: for NaN and infinity.
        mutation: for arrays that change.
        constant: for gradients that can only be zero.
        dead: for gradients of zeros.
        exploding: for gradients of so many times the cotangent of the target; None for none.
    """

    nan: bool = True
    mutation: bool = True
    constant: bool = False
    dead: bool = False
    exploding: float | None = None


@attrs.frozen(eq=False)
class HeldArray:
    """An array that a tape holds, with a snapshot of the time when it was recorded."""

    array: np.ndarray[Any, Any]
    snapshot: ArraySnapshot
    slot: int
    role: str


@attrs.frozen(eq=False)
class Checker:
    """The checks of one tape.

    Attributes:
        checks: which ones are made.
        locations: by slot, where in the user's code a record was made.
        held: the arrays that the tape holds, by id.
    """

    checks: Checks
    locations: dict[int, CodeLocation] = attrs.field(factory=dict, init=False)
    held: dict[int, HeldArray] = attrs.field(factory=dict, init=False)

    def line(self, slot: int) -> str | None:
        """Return the user's line that made a record; None where it was not watched."""
        place = self.locations.get(slot)
        return None if place is None else line_of(place)

    # ---- while it records ----

    def quiet(self) -> contextlib.AbstractContextManager[Any]:
        """Silence the NumPy warnings of what is checked for: the error says more."""
        return np.errstate(all="ignore") if self.checks.nan else contextlib.nullcontext()

    def check_output(self, primitive: Primitive, operands: Sequence[Array], out: Array) -> None:
        """Raise where NaN or infinity appears in what an operation gives."""
        if not self.checks.nan:
            return
        for part in out if type(out) is tuple else (out,):
            bad = first_nonfinite(part, operands)
            if bad:
                names = primitive.operands or tuple(f"operand {i}" for i in range(len(operands)))
                shapes = ", ".join(f"{name} {_shape(x)}" for name, x in zip(names, operands, strict=False))
                raise NumericalError(
                    f"{primitive.name}: the output must be finite for finite operands; got {bad} from {shapes}, "
                    f"at {line_of(user_location())}. {numerical_advice(primitive.name)}"
                )

    def note(self, slot: int, entry: Entry, value: Array | None = None) -> None:
        """Keep the line of a record and snapshots of the arrays that it holds; for a leaf of its value."""
        self.locations[slot] = user_location()
        if not self.checks.mutation:
            return
        primitive, slots, kept, _, _, _ = entry
        names = (*(primitive.operands or [f"operand {i}" for i in range(len(slots))]), "the output", "its residual")
        if value is not None:
            kept, names = (value,), ("x",)
        for name, x in zip(names, kept, strict=False):
            for part in x if type(x) is tuple else (x,):
                if isinstance(part, np.ndarray) and id(part) not in self.held:
                    self.held[id(part)] = HeldArray(part, snapshot(part), slot, name)

    # ---- before it is walked ----

    def check_unchanged(self, entries: Sequence[Entry]) -> None:
        """Raise where an array that the tape holds has changed since it was recorded."""
        for held in self.held.values():
            if snapshot(held.array) != held.snapshot:
                primitive = entries[held.slot][0]
                line = self.line(held.slot)
                raise MutationError(
                    f"{primitive.name}: {held.role}, of shape {held.array.shape}, must not change between recording "
                    f"and walking; it was recorded at {line} and has changed since. Write into a copy instead, or "
                    "record after the last change."
                )


def first_nonfinite(out: Any, inputs: Sequence[Any]) -> str:
    """Describe the first NaN or infinity of an array whose inputs held none; return "" where there is not one."""
    out = unwrap_batches(out)
    if _holds_only_finite(out):
        return ""
    plain = [unwrap_batches(x) for x in inputs]
    parts = [part for x in plain for part in (x if type(x) is tuple else (x,))]
    isnan, isinf = np.isnan(out), np.isinf(out)
    if any(_holds(np.isnan, x) for x in parts):
        return ""
    wrong = isnan if isnan.any() else isinf
    if wrong is isinf and any(_holds(np.isinf, x) for x in parts):
        return ""
    array = np.asarray(out)
    place = tuple(int(i) for i in np.argwhere(wrong)[0]) if array.ndim else ()
    where = f" at index {place}" if place else ""
    return f"{array[place]}{where} of shape {array.shape}, {array.dtype}"


def _holds_only_finite(x: Any) -> bool:
    return not _holds(lambda array: ~np.isfinite(array), x)


def _holds(test: Any, x: Any) -> bool:
    kind = getattr(getattr(x, "dtype", None), "kind", None)
    if kind in ("f", "c") or type(x) in (float, complex):
        return bool(np.any(test(x)))
    return False


def _shape(x: Any) -> str:
    return f"of shape {getattr(x, 'shape', ())}"
