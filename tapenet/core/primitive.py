"""Primitives, and how they are recorded.

One object holds an operation's name, its forward function and its derivative, and everything else follows from
it: the public function, the record, every walk, the generated tests. A primitive's *operands* are its forward
function's positional parameters and are arrays; its *parameters* are keyword-only, and describe (an axis, a
shape). `tapenet.core.families` is where primitives are declared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import attrs
import numpy as np

from tapenet.core.foreign import as_constant, check_labels, has_labels
from tapenet.core.record import Entry, Kept, Parameters, Shape, Slots
from tapenet.core.tensor import Tensor, made_tensor, note_read, under
from tapenet.errors import ArgumentError, ArgumentTypeError, IndexingError, LinAlgError, MissingRuleError, TapenetError

Array = Any  # whatever implements NumPy's dispatch protocols: ndarray, NumPy scalar, Tensor
Shapes = Sequence[Shape | None]  # of a record's operands; None for a tuple
JointReads = Literal["none", "others", "all"]
CompiledRule = Callable[[Array, Kept, Parameters, Shape], Array]  # of t, what the record holds, the operand's shape
JointRule = Callable[[Any, Slots, Kept, Parameters, Shapes], Any]
BatchRule = Callable[..., Array]  # see `tapenet.core.batching`

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
        joint_pullback: instead of `pullbacks`, `(t, slots, kept, parameters, shapes) -> one cotangent for each
            operand`.
        joint_push: instead of `pushes`, `(tangents, slots, kept, parameters, shapes) -> tangent of the output`.
        joint_reads: which operands the joint rules read: none, for each operand the others, or all.
        with_residual: where rules read a residual, computes (out, residual) instead of `forward`; the residual
            is piecewise constant, and itself never differentiated.
        residual: the residual alone, of Tensors too.
        batch: evaluates it over a batch (see `tapenet.core.batching`); None to go through the batch one by one.
        hidden: of a plain function, whether the library alone sees what it gives; see `tapenet.core.nondifferentiable`.
        is_users: whether `forward` is a user's own function, whose exceptions pass unchanged.
    """

    name: str
    family: str
    forward: Callable[..., Array]
    operands: tuple[str, ...] = ()
    pullbacks: tuple[CompiledRule | None, ...] = ()
    pushes: tuple[CompiledRule | None, ...] = ()
    reads: tuple[frozenset[int], ...] = ()
    joint_pullback: JointRule | None = None
    joint_push: JointRule | None = None
    joint_reads: JointReads = "all"
    with_residual: Callable[..., tuple[Array, Array]] | None = None
    residual: Callable[..., Array] | None = None
    batch: BatchRule | None = None
    hidden: bool = False
    is_users: bool = False
    _keeps: dict[tuple[bool, ...], tuple[bool, ...]] = attrs.field(factory=dict, init=False)

    def __call__(self, *operands: Array, **parameters: Any) -> Array:
        """Compute, and record on every open tape that an operand belongs to."""
        return bind(self, operands, parameters)

    def __repr__(self) -> str:
        return f"<{self.family} primitive {self.name}>"

    def keeps(self, constant: tuple[bool, ...]) -> tuple[bool, ...]:
        """Which operands a record keeps, and last whether it keeps the output, given which are constants.

        It keeps the constants, and of the rest only what the rules of the operands on the tape read.
        """
        known = self._keeps.get(constant)
        if known is None:
            known = self._keeps[constant] = self._find_keeps(constant)
        return known

    def _find_keeps(self, constant: tuple[bool, ...]) -> tuple[bool, ...]:
        if self.joint_pullback is not None:
            all_read = self.joint_reads == "all" or (self.joint_reads == "others" and constant.count(False) > 1)
            return (*(all_read or is_constant for is_constant in constant), False)
        read = frozenset[int]().union(*(reads for reads, off in zip(self.reads, constant, strict=True) if not off))
        return (*(off or place in read for place, off in enumerate(constant)), len(constant) in read)


def register(primitive: Primitive) -> Primitive:
    """Enter a primitive of the library's own into the registry, from which its tests are generated.

    The same definition takes its own place again: an import that was interrupted may be tried once more.
    """
    known = REGISTRY.get(primitive.name)
    if known is not None and _definition(known) != _definition(primitive):
        raise ArgumentError(f"register: a primitive's name must be new; got {primitive.name!r}.")
    REGISTRY[primitive.name] = primitive
    return primitive


def _definition(primitive: Primitive) -> object:
    """What tells definitions apart: a ufunc, or where a function is written and what it does."""
    return getattr(primitive.forward, "__code__", primitive.forward)


def missing_rule(primitive: Primitive, place: int, mode: str) -> MissingRuleError:
    """The error of a walk that needs a rule for the operand at `place` and finds none."""
    operand = primitive.operands[place] if primitive.operands else f"number {place}"
    return MissingRuleError(f"{primitive.name}: {mode} needs a rule for operand {operand}, which has none.")


# ---- recording ----


def bind(primitive: Primitive, operands: Sequence[Array], parameters: Parameters) -> Array:
    """Apply `primitive`, recording on the innermost open tape, then on its values' tape, and so on outward."""
    if primitive.family == "plain":
        return bind_plain(primitive, operands, parameters)
    tape = None
    for operand in operands:
        if type(operand) is Tensor:
            if not operand.tape.is_open:
                return bind(primitive, [past_closed_tapes(x) for x in operands], parameters)
            if tape is None or operand.tape.level > tape.level:
                tape = operand.tape
    if tape is None:
        return evaluate(primitive, primitive.forward, operands, parameters)
    if tape.is_map:
        return tape.apply(primitive, operands, parameters)
    slots: list[int | None] = []
    values: list[Array] = []
    nested = False
    for operand in operands:
        if type(operand) is Tensor and operand.tape is tape:
            slots.append(operand.slot)
            operand = as_operand(primitive, operand._value)
        else:
            slots.append(None)
            if type(operand) not in CONSTANTS and type(operand) is not Tensor:
                operand = as_constant(primitive.name, operand)
            if has_labels():
                check_labels(tape, primitive.name, operand)
        values.append(operand)
        nested = nested or type(operand) is Tensor
    if tape.checker is None:
        out, residual = _computed(primitive, values, parameters, nested)
    else:
        with tape.checker.quiet():
            out, residual = _computed(primitive, values, parameters, nested)
        tape.checker.check_output(primitive, values, out)
    if type(out) is tuple:
        made = _record_parts(tape, primitive, tuple(slots), values, parameters, out, residual)
        for index, part in enumerate(out):
            if part.dtype.kind not in "fc":
                note_read(primitive.name, _part_of(primitive, index), operands, parameters, part)
        return made
    kind = out.dtype.kind if hasattr(out, "dtype") else "O"
    if kind not in "fc":
        if kind not in "biu":
            raise ArgumentTypeError(_not_numeric(primitive.name, values, out))
        note_read(primitive.name, primitive.forward, operands, parameters, out)
        return out
    keeps = primitive.keeps(tuple([slot is None for slot in slots]))
    values.append(out)
    kept = (*[value if keep else None for value, keep in zip(values, keeps, strict=True)], *residual)
    return record(tape, (primitive, tuple(slots), kept, parameters, out.shape, out.dtype), out)


def as_operand(primitive: Primitive, value: Any) -> Any:
    """A value on a tape as an operand: a Python number that was watched is one of NumPy's, but element by element.

    There the result of a Python number and an array has the dtype of the array.
    """
    if type(value) not in (float, complex) or primitive.family == "elementwise":
        return value
    if isinstance(primitive.forward, np.ufunc):
        return value
    return np.float64(value) if type(value) is float else np.complex128(value)


def _part_of(primitive: Primitive, index: int) -> Callable[..., Array]:
    """The function of one part of what a primitive gives."""
    return lambda *operands, **parameters: primitive.forward(*operands, **parameters)[index]


def bind_plain(primitive: Primitive, operands: Sequence[Array], parameters: Parameters) -> Any:
    """Apply a primitive without derivative: to what is under Tensors, giving plain values or mapped ones."""
    values = [as_operand(primitive, under(x)) if type(x) is Tensor else x for x in operands]
    keywords = {name: as_operand(primitive, under(x)) if type(x) is Tensor else x for name, x in parameters.items()}
    maps = [x.tape for x in (*values, *keywords.values()) if type(x) is Tensor]
    if maps:
        result = max(maps, key=lambda mapping: mapping.level).apply(primitive, values, keywords)
    else:
        result = primitive.forward(*values, **keywords)
    if primitive.hidden and isinstance(result, np.generic):
        result = np.array(result)  # a replay knows it by its identity, and there is only one np.True_
    note_read(primitive.name, primitive, operands, parameters, result, primitive.hidden)
    return result


def _computed(
    primitive: Primitive, values: Sequence[Array], parameters: Parameters, nested: bool
) -> tuple[Array, tuple[Array, ...]]:
    """The value of a primitive, and its residual in a tuple where it has one."""
    if nested:
        residual = () if primitive.residual is None else (primitive.residual(*values, **parameters),)
        return bind(primitive, values, parameters), residual
    if primitive.with_residual is None:
        return evaluate(primitive, primitive.forward, values, parameters), ()
    out, found = evaluate(primitive, primitive.with_residual, values, parameters)
    return out, (found,)


def evaluate(
    primitive: Primitive, forward: Callable[..., Array], values: Sequence[Array], parameters: Mapping[str, Any]
) -> Array:
    """A forward function on plain values; what NumPy finds wrong with them is told under the primitive's name."""
    try:
        return forward(*values, **parameters)
    except (ValueError, TypeError, IndexError) as error:
        if primitive.is_users:
            raise
        raise named_error(primitive.name, error) from error


def named_error(name: str, error: Exception) -> Exception:
    """An error of NumPy's as one of the library's that names the operation."""
    if isinstance(error, TapenetError):
        return error
    kinds: dict[type[Exception], type[TapenetError]] = {
        np.linalg.LinAlgError: LinAlgError,  # before ValueError, which it derives from
        ValueError: ArgumentError,
        IndexError: IndexingError,
        TypeError: ArgumentTypeError,
    }
    kind = next(ours for theirs, ours in kinds.items() if isinstance(error, theirs))
    text = str(error)
    return kind(text if text.startswith(f"{name}:") else f"{name}: {text}")


def record(tape: Any, entry: Entry, out: Array) -> Tensor:
    """Put an entry on a tape: the Tensor of its output."""
    slot = len(tape.entries)
    if tape.checker is not None:
        tape.checker.note(slot, entry)
    tape.append(entry)
    return made_tensor(out, tape, slot)


def _record_parts(
    tape: Any,
    primitive: Primitive,
    slots: Slots,
    values: Sequence[Array],
    parameters: Parameters,
    out: tuple[Array, ...],
    residual: tuple[Any, ...],
) -> tuple[Array, ...]:
    """Record an operation with several outputs: one record for the tuple, then one for each part of it.

    So each slot has one record, and walks need not know of several outputs. A part that is neither float nor
    complex has its record too, and is itself given as it is.
    """
    whole = len(tape.entries)
    keeps = primitive.keeps(tuple([slot is None for slot in slots]))
    kept = (*[value if keep else None for value, keep in zip((*values, out), keeps, strict=True)], *residual)
    entry = (primitive, slots, kept, parameters, None, None)
    if tape.checker is not None:
        tape.checker.note(whole, entry)
    tape.append(entry)
    parts = [
        record(tape, (PART, (whole,), (None, None), {"index": i}, part.shape, part.dtype), part)
        for i, part in enumerate(out)
    ]
    return tuple(made if part.dtype.kind in "fc" else part for made, part in zip(parts, out, strict=True))


def past_closed_tapes(x: Array) -> Array:
    """`x` as a value on open tapes only; closed tapes it belonged to learn that it was used after they closed."""
    while type(x) is Tensor and not x.tape.is_open:
        x = x.tape.outlived_by(x)
    return x


def _not_numeric(name: str, values: Sequence[Any], out: Any) -> str:
    dtypes = ", ".join(str(getattr(x, "dtype", type(x).__name__)) for x in values)
    if any(getattr(x, "dtype", np.dtype(float)).kind not in "biufc" for x in values):
        return f"{name}: operands must be numeric; got {dtypes}."
    return f"{name}: the result must be numeric; got dtype {getattr(out, 'dtype', type(out).__name__)} from {dtypes}."


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
        pullbacks=(lambda t, kept, parameters, shape: Parts({parameters["index"]: t}),),
        pushes=(lambda t, kept, parameters, shape: t[parameters["index"]],),
        reads=(frozenset(),),
    )
)
