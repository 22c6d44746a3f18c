"""`Primitive`, an operation with its derivative, and `bind`, which applies it.

One object holds an operation's name, its forward function and its derivative. Everything else is derived from it:
the public function, the record, every walk, the generated tests. A primitive's *operands* are its forward
function's positional parameters and are arrays; its *parameters* are keyword-only, and describe (an axis, a
shape). `tapenet.core.families` is where primitives are declared.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, ClassVar, Literal, Protocol

import attrs
import numpy as np

from tapenet.core.record import Kept, Parameters, Shape, Slots
from tapenet.core.tensor import Tensor, resolve
from tapenet.errors import (
    ArgumentError,
    ArgumentTypeError,
    IndexingError,
    LinAlgError,
    MissingRuleError,
    PicklingError,
    RuleError,
    TapenetError,
)

Array = Any  # whatever implements NumPy's dispatch protocols: ndarray, NumPy scalar, Tensor
Shapes = Sequence[Shape | None]  # of a record's operands; None for a tuple
JointReads = Literal["none", "others", "all"] | int  # an int for the operands from that index on
CompiledRule = Callable[[Array, Kept, Parameters, Shape], Array]  # of t, what the record holds, the operand's shape
JointRule = Callable[[Any, Slots, Kept, Parameters, Shapes], Any]
FlopCount = Callable[[Shapes, "Shape | None", Parameters], float]  # of operands and output
ShapeSource = Literal["shapes", "masks", "integers", "values"]
BatchRule = Callable[..., Array]  # see `tapenet.core.batching`

REGISTRY: dict[str, Primitive] = {}


class Named(Protocol):
    """What `evaluate` needs for errors."""

    @property
    def name(self) -> str: ...
    @property
    def is_users(self) -> bool: ...


# Types of operands that are constants without conversion; anything else is converted to an array first.
CONSTANTS = frozenset({np.ndarray, float, int, bool, complex, type(None)} | set(np.sctypeDict.values()))


@attrs.frozen(eq=False, repr=False)
class Primitive:
    """One operation with its derivative.

    Attributes:
        name: as NumPy, or the field, calls it; unique.
        family: which of the families declared it.
        forward: computes the value, on plain arrays.
        operands: the operands' names; empty where their number varies.
        pullbacks: for each operand the rule of its cotangent, or None where it has no derivative.
        pushforwards: for each operand the rule of the output's tangent, or None.
        reads: for each operand the indices in `Record.kept` that its rules read.
        joint_pullback: instead of `pullbacks`, `(t, slots, kept, parameters, shapes) -> one cotangent for each
            operand`.
        joint_pushforward: instead of `pushforwards`, `(tangents, slots, kept, parameters, shapes) -> tangent of the
            output`.
        joint_pushforward_over_reverse: instead of `joint_pushforward`, in a forward walk to what a recorded backward
            walk computed.
        joint_reads: which operands the joint rules read: none, for each operand the others, all, or those from an
            index on.
        joint_reads_out: whether the joint rules read the output.
        with_residual: where rules read a residual, computes (out, residual) instead of `forward`; the library's own
            residuals are piecewise constant.
        residual: the residual alone, of Tensors too.
        batch: evaluates it over a batch (see `tapenet.core.batching`); None to go through the batch one by one.
        further_out: what is applied to values that are Tensors themselves, where that is another primitive.
        written_out: the same as several operations, where `forward` is a kernel: for a program that is written in
            another language. It may leave out what it alone reads of a tuple.
        is_elementwise: whether it goes element by element, so that a watched Python number stays one as an operand: its
            result with an array has the dtype of the array (NEP 50).
        is_discrete: whether it gives integers, truth values or what else has no derivative, and is recorded all the
            same: for the library's own choices, which a replay computes again.
        is_users: whether `forward` is a user's own function, whose exceptions pass unchanged.
        users_rules: which rules are a user's own, so that checked walks hold them to be linear: each, or the
            pushforward alone where the pullback is its transpose.
        recomputes: whether its rules compute again what the forward function did, so that several rows of a Jacobian
            are to go back together.
        has_effects: whether it does more than compute its value: a draw moves its generator on.
        shape_depends_on: what the shape of the output depends on beside parameters: on the "shapes" of operands alone;
            on the elements of operands that are "masks", or of those that are "integers" or masks; on all "values".
            None for what follows from its kind.
        takes_donations: whether it takes `donate=True`, and then writes into the operands that its parameter `written`
            names, which the caller gives up: an optimizer's update.
        flops: counts its operations on numbers; None for the formula that `tapenet.views.flops` has for its name.
        is_own_elementwise: whether it is elementwise and the library's own, so that its rules may be trusted: of `t` of
            the output's shape they give that shape. Those of users and of other packages are checked.
        module: of a user's operation that of the function it is made of, where pickle looks for it.
    """

    name: str
    family: str
    forward: Callable[..., Array]
    operands: tuple[str, ...] = ()
    pullbacks: tuple[CompiledRule | None, ...] = ()
    pushforwards: tuple[CompiledRule | None, ...] = ()
    reads: tuple[frozenset[int], ...] = ()
    joint_pullback: JointRule | None = None
    joint_pushforward: JointRule | None = None
    joint_pushforward_over_reverse: JointRule | None = None
    joint_reads: JointReads = "all"
    joint_reads_out: bool = False
    with_residual: Callable[..., tuple[Array, Array]] | None = None
    residual: Callable[..., Array] | None = None
    batch: BatchRule | None = None
    further_out: Primitive | None = None
    written_out: Callable[..., Any] | None = None
    is_elementwise: bool = False
    is_discrete: bool = False
    is_users: bool = False
    users_rules: Literal["none", "each", "pushforward"] = "none"
    recomputes: bool = False
    has_effects: bool = False
    shape_depends_on: ShapeSource | None = None
    takes_donations: bool = False
    flops: FlopCount | None = None
    module: str = ""
    is_own_elementwise: bool = attrs.field(init=False)
    _pickers: dict[int, Callable[[tuple[Any, ...]], Kept]] = attrs.field(factory=dict, init=False)

    @is_own_elementwise.default
    def _is_own_elementwise(self) -> bool:
        return self.is_elementwise and not self.is_users and "." not in self.name

    @property
    def takes_numbers(self) -> bool:
        """Whether a watched Python number stays one as an operand; other functions expect an array's attributes."""
        return self.is_elementwise or isinstance(self.forward, np.ufunc)

    def may_vary_in_shape(self, dtypes: Sequence[Any]) -> bool:
        """Return whether other values of operands of the same shapes, and of these dtypes, may give another shape."""
        kinds = _KINDS[self.shape_depends_on or self._shape_source]
        if not kinds:
            return kinds is None
        return any(dtype is not None and dtype.kind in kinds for dtype in dtypes)

    @property
    def _shape_source(self) -> ShapeSource:
        if self.takes_numbers or self.family in ("leaf", "number"):
            return "shapes"
        return "values" if self.is_users or self.is_discrete else "integers"

    def __call__(self, *operands: Array, **parameters: Any) -> Array:
        """Compute, and record on every open tape that an operand belongs to."""
        return bind(self, operands, parameters)

    def __repr__(self) -> str:
        return f"<{self.family} primitive {self.name}>"

    def __copy__(self) -> Primitive:
        return self

    def __deepcopy__(self, memo: Any) -> Primitive:
        return self

    def __reduce__(self) -> Any:
        if self.family in ("choice", "number") and not self.is_users:  # of module-level functions, and in no registry
            return type(self), tuple(getattr(self, field.name) for field in attrs.fields(type(self)) if field.init)
        if REGISTRY.get(self.name) is self:
            return _registered, (self.name, self.defined_in)
        found = _name_in_module(self)
        if found is None:
            raise PicklingError(
                f"pickle: {self.name} must be an operation of tapenet's own, or have a name at the top of the module "
                f"{self.module or 'of its function'}; got one made of functions, which do not travel. Give it a name "
                "there, or pickle values (x.value, or x once the tape has closed) and gradients instead."
            )
        return _in_module, found

    def named(self, module: str) -> Primitive:
        """Return a user's operation, with what is applied in its place, as one that pickle finds in a module."""
        found = {name: getattr(self, name) for name in _PARTS}
        parts: dict[str, Any] = {name: x.named(module) for name, x in found.items() if isinstance(x, Primitive)}
        return attrs.evolve(self, module=module, **parts)

    @property
    def defined_in(self) -> str:
        """The module that enters it into the registry, as far as its functions tell."""
        return next((module for module in self._modules if module.startswith("tapenet.ops.")), __name__)

    @property
    def _modules(self) -> list[str]:
        """The modules that its functions are of."""
        rules = (*self.pullbacks, *self.pushforwards, self.joint_pullback, self.forward)
        return [getattr(rule, "__module__", None) or "" for rule in rules]

    @property
    def homes(self) -> list[str]:
        """The modules in which it may have a name: a user's; else the library's, those of its functions first."""
        if self.module:
            return [self.module]
        own = [module for module in self._modules if module.startswith("tapenet.")]
        return list(dict.fromkeys([*own, *(module for module in list(sys.modules) if module.startswith("tapenet."))]))

    def keeps(self, constant: tuple[bool, ...]) -> tuple[bool, ...]:
        """Return which operands a record keeps, and last whether it keeps the output, given which are constants.

        It keeps the constants, and of the rest only what the rules of the operands on the tape read.
        """
        if self.joint_pullback is not None:  # of any number of operands, so of any number of patterns
            reads = self.joint_reads
            if reads == "all":
                return (*[True] * len(constant), self.joint_reads_out)
            all_read = reads == "others" and constant.count(False) > 1
            first = 0 if all_read else reads if isinstance(reads, int) else len(constant)
            return (*(index >= first or is_off for index, is_off in enumerate(constant)), self.joint_reads_out)
        read = frozenset[int]().union(*(reads for reads, off in zip(self.reads, constant, strict=True) if not off))
        return (*(off or index in read for index, off in enumerate(constant)), len(constant) in read)

    def kept(self, slots: Slots, values: Sequence[Any], out: Any) -> Kept:
        """Return what a record keeps of the values of its operands, and last of its output; None for the others."""
        if self.joint_pullback is not None:
            if self.joint_reads == "all":
                return (*values, out if self.joint_reads_out else None)
            keeps = self.keeps(tuple([slot is None for slot in slots]))
            return tuple([value if keep else None for value, keep in zip((*values, out), keeps, strict=True)])
        pattern = 1  # which operands are constants, in binary digits behind a first 1
        for slot in slots:
            pattern += pattern if slot is not None else pattern + 1
        pick = self._pickers.get(pattern) or self._picker(pattern, slots)
        return pick((*values, out, None))

    def _picker(self, pattern: int, slots: Slots) -> Callable[[tuple[Any, ...]], Kept]:
        """Return the function that picks what a record keeps of operands, output and None."""
        keeps = self.keeps(tuple([slot is None for slot in slots]))
        picker = self._pickers[pattern] = itemgetter(*[i if keep else len(keeps) for i, keep in enumerate(keeps)])
        return picker


# The kinds of dtypes of which elements may decide about a shape; None for all.
_KINDS: Mapping[ShapeSource, str | None] = {"shapes": "", "masks": "b", "integers": "biu", "values": None}


def register(primitive: Primitive) -> Primitive:
    """Enter a primitive of the library's own into the registry, from which its tests are generated.

    A definition may be entered twice, as an import that was interrupted may be repeated. A name with a dot,
    "package.operation", is that of another package, and is not entered.
    """
    if "." in primitive.name:
        return primitive
    known = REGISTRY.get(primitive.name)
    if known is not None and _definition(known) != _definition(primitive):
        raise ArgumentError(f"register: a primitive's name must be new; got {primitive.name!r}.")
    REGISTRY[primitive.name] = primitive
    return primitive


def _registered(name: str, module: str) -> Primitive:
    """Return a primitive of the registry, after importing the module that enters it there."""
    if name not in REGISTRY:
        importlib.import_module(module)
    return REGISTRY[name]


_PARTS = ("further_out", "residual")  # primitives of a primitive


def _name_in_module(primitive: Primitive) -> tuple[str, str, str] | None:
    """Return in what module and by what name an operation is found, and which of that one's primitives it is."""
    for home in primitive.homes:
        module = sys.modules.get(home)
        for name, value in list(vars(module).items()) if module is not None else ():
            made = _primitive_of(value)
            if isinstance(made, Primitive):
                for part in ("", *_PARTS):
                    if (getattr(made, part) if part else made) is primitive:
                        return home, name, part
    return None


def _in_module(module: str, name: str, part: str) -> Primitive:
    """Return an operation by the name that it has in a module."""
    made: Any = _primitive_of(getattr(importlib.import_module(module), name))
    found: Primitive = getattr(made, part) if part else made
    return found


def _primitive_of(value: Any) -> Any:
    """Return a primitive as it is, and that of the public function of one; None of anything else."""
    return value if isinstance(value, Primitive) else getattr(value, "__dict__", {}).get("primitive")


def _definition(primitive: Primitive) -> object:
    """Return what tells definitions apart: a ufunc, or where a function is written and what it does."""
    return getattr(primitive.forward, "__code__", primitive.forward)


def missing_rule(primitive: Primitive, index: int, mode: str) -> MissingRuleError:
    """Return the error of a walk that needs a rule for the operand at `place` and finds none."""
    operand = primitive.operands[index] if primitive.operands else f"number {index}"
    return MissingRuleError(f"{primitive.name}: {mode} needs a rule for operand {operand}, which has none.")


class _NoPath:
    def __repr__(self) -> str:
        return "NO_PATH"


NO_PATH: Any = _NoPath()  # what a joint pullback answers for an operand that the output does not depend on


# ---- application ----


def bind(primitive: Primitive, operands: Sequence[Array], parameters: Parameters) -> Array:
    """Apply `primitive` as the innermost trace of its operands does; without one, compute it."""
    trace = None
    for x in operands:
        if type(x) is Tensor:
            owner = x.owner
            if not owner.is_fast and resolve(x) is not x:  # closed or paused: its value, or a stand-in, is applied
                return bind(primitive, [resolve(operand) for operand in operands], parameters)
            if trace is None or owner.level > trace.level:
                trace = owner
    if trace is None:
        return evaluate(primitive, primitive.forward, operands, parameters)
    return trace.apply(primitive, operands, parameters)


def evaluate(
    primitive: Named, forward: Callable[..., Array], values: Sequence[Array], parameters: Mapping[str, Any]
) -> Array:
    """Evaluate a forward function on plain values; NumPy's errors come back under the primitive's name."""
    try:
        return forward(*values, **parameters) if parameters else forward(*values)
    except (ValueError, TypeError, IndexError) as error:
        if primitive.is_users:
            raise
        raise named_error(primitive.name, error) from error


def named_error(name: str, error: Exception) -> Exception:
    """Return an error of NumPy's as one of the library's that names the operation."""
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


def as_numpy_number(x: Any) -> Any:
    """Return a number or truth value of Python's as NumPy's scalar; anything else as it is."""
    if type(x) is float:
        return np.float64(x)
    if type(x) is int or type(x) is bool:
        return np.asarray(x)[()]
    return np.complex128(x) if type(x) is complex else x


# ---- operations with several outputs ----


@attrs.frozen(eq=False)
class Whole:
    """A tuple that parts are of.

    Attributes:
        name: of the primitive that gave it, for errors.
        spaces: for each part its shape and dtype.
    """

    name: str
    spaces: tuple[tuple[Shape, Any], ...]


@attrs.frozen(eq=False)
class Parts:
    """The cotangent of a tuple: of some of its parts, by their index. Adds up like an array."""

    parts: Mapping[int, Array]
    whole: Whole
    shape: ClassVar[None] = None  # not that of an array
    dtype: ClassVar[None] = None

    def __add__(self, other: Parts) -> Parts:
        merged = dict(self.parts)
        for index, t in other.parts.items():
            merged[index] = merged[index] + t if index in merged else t
        return Parts(merged, self.whole)

    def filled(self) -> tuple[Array | None, ...]:
        """Return a cotangent for each part: zeros where there is none, None where it has no derivative."""
        return tuple(
            None if dtype.kind not in "fc" else self.parts[i] if i in self.parts else np.zeros(shape, dtype)[()]
            for i, (shape, dtype) in enumerate(self.whole.spaces)
        )


def _part_of_tangents(t: Any, kept: Kept, parameters: Parameters, shape: Shape) -> Array:
    """Return the tangent of a part of a tuple, from those of all."""
    whole: Whole = kept[2]
    if type(t) not in (tuple, list) or len(t) != len(whole.spaces):
        came = f"{len(t)}" if type(t) in (tuple, list) else f"a {type(t).__name__}"
        raise RuleError(
            f"{whole.name}: the rule's tangent must be a tuple of {len(whole.spaces)}, one for each output; got {came}."
        )
    return t[parameters["index"]]


PART = register(
    Primitive(
        "part",
        "general",
        lambda whole, *, index: whole[index],
        operands=("whole",),
        pullbacks=(lambda t, kept, parameters, shape: Parts({parameters["index"]: t}, kept[2]),),
        pushforwards=(_part_of_tangents,),
        reads=(frozenset(),),
    )
)
