"""Primitives, and how they are recorded.

One object holds an operation's name, its forward function and its derivative, and everything else follows from
it: the public function, the record, every walk, the generated tests. A primitive's *operands* are its forward
function's positional parameters and are arrays; its *parameters* are keyword-only, and describe (an axis, a
shape). `tapenet.families` is where primitives are declared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import attrs
import numpy as np

from tapenet.errors import ArgumentError, ArgumentTypeError, IndexingError, MissingRuleError, TapenetError
from tapenet.record import Record, UnsealedRecord
from tapenet.tensor import Tensor, UnsealedTensor, off_every_tape

Array = Any  # whatever implements NumPy's dispatch protocols: ndarray, NumPy scalar, Tensor
Shapes = Sequence[tuple[int, ...] | None]  # of a record's operands; None for a tuple
JointReads = Literal["none", "others", "all"]
CompiledRule = Callable[[Array, Record, Record], Array]  # of t, the record, and the operand's own record

REGISTRY: dict[str, Primitive] = {}

# Types that are taken as constants as they are; anything else is turned into an array first.
CONSTANTS = frozenset({np.ndarray, float, int, bool, complex, type(None)} | set(np.sctypeDict.values()))


@attrs.frozen(eq=False, repr=False)
class Primitive:
    """One operation with its derivative.

    Attributes:
        name: as NumPy, or the field, calls it; unique.
        family: which of the families declared it.
        forward: computes the value, on plain arrays.
        operands: the operands' names; empty where their number varies.
        pullbacks: for each operand its cotangent's rule, or None where it has no derivative.
        pushes: for each operand its tangent's rule, or None.
        reads: for each operand the places in `Record.kept` that its rules read.
        joint_pullback: `(t, record, shapes) -> one cotangent for each operand`, instead of `pullbacks`.
        joint_push: `(tangents, record, shapes) -> tangent of the output`, instead of `pushes`.
        joint_reads: which operands the joint rules read: none, for each operand the others, or all.
        with_residual: where rules read a residual, computes (out, residual) instead of `forward`; the residual
            is piecewise constant, and itself never differentiated.
    """

    name: str
    family: str
    forward: Callable[..., Array]
    operands: tuple[str, ...] = ()
    pullbacks: tuple[CompiledRule | None, ...] = ()
    pushes: tuple[CompiledRule | None, ...] = ()
    reads: tuple[frozenset[int], ...] = ()
    joint_pullback: Callable[[Array, Record, Shapes], Sequence[Array]] | None = None
    joint_push: Callable[[Sequence[Array], Record, Shapes], Array] | None = None
    joint_reads: JointReads = "all"
    with_residual: Callable[..., tuple[Array, Array]] | None = None

    def __call__(self, *operands: Array, **parameters: Any) -> Array:
        """Compute, and record on every open tape that an operand belongs to."""
        return bind(self, operands, parameters)

    def __repr__(self) -> str:
        return f"<{self.family} primitive {self.name}>"

    def kept(self, slots: Sequence[int | None], values: Sequence[Array], out: Array) -> tuple[Array, ...]:
        """What a record keeps: the constants, and of the rest only what the rules of its slots read."""
        if self.joint_pullback is not None:
            on_tape = len(slots) - slots.count(None)
            keep = self.joint_reads == "all" or (self.joint_reads == "others" and on_tape > 1)
            return (*(v if keep or slot is None else None for v, slot in zip(values, slots, strict=True)), None)
        read = frozenset[int]().union(*(self.reads[i] for i, slot in enumerate(slots) if slot is not None))
        kept = [value if slots[i] is None or i in read else None for i, value in enumerate(values)]
        return (*kept, out if len(values) in read else None)


def register(primitive: Primitive) -> Primitive:
    """Enter a primitive of the library's own into the registry, from which its tests are generated."""
    if primitive.name in REGISTRY:
        raise ArgumentError(f"register: a primitive's name must be new; got {primitive.name!r}.")
    REGISTRY[primitive.name] = primitive
    return primitive


def missing_rule(record: Record, slot: int, mode: str) -> MissingRuleError:
    """The error of a walk that needs a rule for the operand at `slot` and finds none."""
    names, place = record.primitive.operands, record.slots.index(slot)
    operand = names[place] if names else f"number {place}"
    return MissingRuleError(f"{record.primitive.name}: {mode} needs a rule for operand {operand}, which has none.")


# ---- recording ----


def bind(primitive: Primitive, operands: Sequence[Array], parameters: Mapping[str, Any]) -> Array:
    """Apply `primitive`, recording on the innermost open tape, then on its values' tape, and so on outward."""
    tape = None
    for operand in operands:
        if type(operand) is Tensor:
            if not operand.tape.is_open:
                return bind(primitive, [past_closed_tapes(x) for x in operands], parameters)
            if tape is None or operand.tape.level > tape.level:
                tape = operand.tape
    if tape is None:
        return evaluate(primitive, primitive.forward, operands, parameters)
    slots: list[int | None] = []
    values: list[Array] = []
    nested = False
    for operand in operands:
        if type(operand) is Tensor and operand.tape is tape:
            slots.append(operand.slot)
            operand = operand._value
        else:
            slots.append(None)
            if type(operand) not in CONSTANTS and type(operand) is not Tensor:
                operand = as_constant(primitive.name, operand)
        values.append(operand)
        nested = nested or type(operand) is Tensor
    residual = ()
    if primitive.with_residual is not None:
        plain = [off_every_tape(value) for value in values] if nested else values
        out, *residual = evaluate(primitive, primitive.with_residual, plain, parameters)
    if nested:
        out = bind(primitive, values, parameters)
    elif not residual:
        out = evaluate(primitive, primitive.forward, values, parameters)
    if type(out) is tuple:
        return _record_parts(tape, primitive, tuple(slots), values, parameters, out)
    if out.dtype.kind not in "fc":
        return out
    kept = (*primitive.kept(slots, values, out), *residual)
    return _record(tape, primitive, tuple(slots), kept, MappingProxyType(dict(parameters)), out)


def evaluate(
    primitive: Primitive, forward: Callable[..., Array], values: Sequence[Array], parameters: Mapping[str, Any]
) -> Array:
    """A forward function on plain values; what NumPy finds wrong with them is told under the primitive's name."""
    try:
        return forward(*values, **parameters)
    except (ValueError, TypeError, IndexError) as error:
        raise named_error(primitive.name, error) from error


def named_error(name: str, error: Exception) -> Exception:
    """An error of NumPy's as one of the library's that names the operation."""
    if isinstance(error, TapenetError):
        return error
    kinds = {ValueError: ArgumentError, IndexError: IndexingError, TypeError: ArgumentTypeError}
    kind = next(ours for theirs, ours in kinds.items() if isinstance(error, theirs))
    text = str(error)
    return kind(text if text.startswith(f"{name}:") else f"{name}: {text}")


def _record(
    tape: Any,
    primitive: Primitive,
    slots: tuple[int | None, ...],
    kept: tuple[Array, ...],
    parameters: Mapping[str, Any],
    out: Array,
) -> Array:
    slot = len(tape.entries)
    record: Any = UnsealedRecord(primitive, slots, kept, parameters, out.shape, out.dtype)
    record.__class__ = Record
    tape.append(record)
    made: Any = UnsealedTensor(out, tape, slot)
    made.__class__ = Tensor
    return made


def _record_parts(
    tape: Any,
    primitive: Primitive,
    slots: tuple[int | None, ...],
    values: Sequence[Array],
    parameters: Mapping[str, Any],
    out: tuple[Array, ...],
) -> tuple[Array, ...]:
    """Record an operation with several outputs: one record for the tuple, then one for each part of it.

    So each slot has one record, and walks need not know of several outputs.
    """
    whole = len(tape.entries)
    kept = primitive.kept(slots, values, out)
    tape.append(Record(primitive, slots, kept, MappingProxyType(dict(parameters)), None, None))
    return tuple(
        _record(tape, PART, (whole,), (None, None), MappingProxyType({"index": i}), part) for i, part in enumerate(out)
    )


def past_closed_tapes(x: Array) -> Array:
    """`x` as a value on open tapes only; closed tapes it belonged to learn that it was used after they closed."""
    while type(x) is Tensor and not x.tape.is_open:
        x.tape.outlived = True
        x = x._value
    return x


def as_constant(function: str, x: Any) -> Array:
    """An operand that is on no tape, as an array."""
    if hasattr(type(x), "__array_ufunc__") or hasattr(type(x), "__array_function__"):
        return x
    array = np.asarray(x)
    if array.dtype.kind not in "biufc":
        raise ArgumentTypeError(f"{function}: operands must be numeric; got {type(x).__name__} {x!r}.")
    return array


# ---- operations with several outputs ----


@attrs.frozen(eq=False)
class Parts:
    """The cotangent of a tuple: of some of its parts, by their index. Adds up like an array."""

    parts: Mapping[int, Array]
    shape: None = None
    dtype: None = None

    def __add__(self, other: Parts) -> Parts:
        merged = dict(self.parts)
        for index, t in other.parts.items():
            merged[index] = merged[index] + t if index in merged else t
        return Parts(merged)


PART = register(
    Primitive(
        "part",
        "general",
        lambda whole, *, index: whole[index],
        operands=("whole",),
        pullbacks=(lambda t, record, operand: Parts({record.parameters["index"]: t}),),
        pushes=(lambda t, record, operand: t[record.parameters["index"]],),
        reads=(frozenset(),),
    )
)
