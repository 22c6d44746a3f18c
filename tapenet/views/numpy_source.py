"""The source of a function of plain NumPy, from records: simplified, named, and written a line for each operation."""

from __future__ import annotations

import ast
import builtins
import inspect
import keyword
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.guards import ArraySnapshot, Guard, snapshot
from tapenet.core.nondifferentiable import NondifferentiableFunction
from tapenet.core.primitive import Primitive
from tapenet.core.record import Entry, Parameters
from tapenet.core.source_lines import line_of
from tapenet.core.tensor import unwrap
from tapenet.errors import MissingRuleError
from tapenet.views import numpy_helpers
from tapenet.views.spellings import Call, dtype_literal, literal, spelled
from tapenet.walks.replay import read_slots

_INLINE = 4  # elements of an array that is written within a line
_WRITTEN = 64  # elements of an array that is written in a line of its own; a larger one the source only names
_WIDTH = 116

Output = int | list[Any]  # a slot, or in a list of one a constant
Operand = int | list[Any]


@attrs.frozen(eq=False)
class Recorded:
    """What is written down.

    Attributes:
        entries: the records, the watched leaves first.
        guards: what was read off them, in order.
        paths: of the leaves in what was watched.
        outputs: of the function.
        bars: of each record that is a cotangent, the record that it is of.
        answers: the arrays that guards gave, by their snapshots.
    """

    entries: Sequence[Entry]
    guards: Sequence[Guard]
    paths: Sequence[str]
    outputs: tuple[Output, ...]
    bars: Mapping[int, int]
    answers: Mapping[ArraySnapshot, np.ndarray[Any, Any]]


@attrs.frozen(eq=False)
class Line:
    """One operation: its primitive, operands and parameters."""

    primitive: Primitive
    operands: tuple[Operand, ...]
    parameters: Parameters
    shape: Any
    dtype: Any


def source_of(recorded: Recorded) -> tuple[str, tuple[str, ...], dict[str, np.ndarray[Any, Any]]]:
    """Return a module's source with the function `gradient`, its parameters, and the large arrays that it names."""
    lines, outputs, guards = _simplified(recorded)
    writer = _Writer(recorded, lines)
    return writer.module(outputs, guards), writer.parameters, writer.large


# ---- what is needed of the records ----


def _simplified(recorded: Recorded) -> tuple[dict[int, Line], list[Output], list[Guard]]:
    """Return the operations that are needed, each once and without those that change nothing."""
    lines: dict[int, Line] = {}
    same: dict[int, Operand] = {}
    first: dict[Hashable, int] = {}
    for slot, (primitive, slots, kept, parameters, shape, dtype) in enumerate(recorded.entries):
        operands = tuple(
            [same.get(at, at) if at is not None else [_plain(x)] for at, x in zip(slots, kept, strict=False)]
        )
        line = Line(primitive, operands, parameters, shape, dtype)
        if primitive.family != "leaf":
            line = _without_kept_axes(_without_broadcasts(line, lines), lines)
            given = _given_back(line, recorded.entries)
            key = _key(line)
            if given is not None:
                same[slot] = given
                continue
            if key in first:
                same[slot] = first[key]
                continue
            first[key] = slot
        lines[slot] = line
    outputs = [same.get(x, x) if isinstance(x, int) else x for x in recorded.outputs]
    guards = [_with_slots(guard, same) for guard in recorded.guards]
    return _needed(lines, [*outputs, *(slot for guard in guards for slot in read_slots(guard))]), outputs, guards


def _with_slots(guard: Guard, same: Mapping[int, Operand]) -> Guard:
    """Return a guard that reads what stands for what it read."""

    def at(slot: Any) -> Any:
        found = same.get(slot, slot)
        return found if isinstance(found, int) else slot

    keywords = {name: at(slot) for name, slot in guard.keyword_slots.items()}
    return guard._replace(slots=tuple(map(at, guard.slots)), keyword_slots=keywords)


def _needed(lines: Mapping[int, Line], wanted: Sequence[Output]) -> dict[int, Line]:
    needed = {slot for slot in wanted if isinstance(slot, int)}
    for slot in sorted(lines, reverse=True):
        if slot in needed:
            needed.update(x for x in lines[slot].operands if isinstance(x, int))
    return {slot: line for slot, line in lines.items() if slot in needed or line.primitive.family == "leaf"}


def _plain(x: Any) -> Any:
    return tuple([unwrap(part) for part in x]) if type(x) is tuple else unwrap(x)


def _key(line: Line) -> Hashable:
    """Return what is equal for operations that give the same."""
    operands = tuple([x if isinstance(x, int) else (type(x[0]), repr(snapshot(x[0]))) for x in line.operands])
    return line.primitive, operands, repr(sorted(line.parameters.items()))


def _given_back(line: Line, entries: Sequence[Entry]) -> Operand | None:
    """Return the operand that an operation gives back as it is; None for others."""
    name, operands = line.primitive.name, line.operands

    def is_whole(x: Operand) -> bool:
        return isinstance(x, int) and entries[x][4:] == (line.shape, line.dtype)

    if name in ("multiply", "divide", "add", "subtract") and len(operands) == 2:
        x, y = operands
        neutral = 1 if name in ("multiply", "divide") else 0
        if _is_all(y, neutral) and is_whole(x):
            return x
        return y if name in ("multiply", "add") and _is_all(x, neutral) and is_whole(y) else None
    if name in ("broadcast_to", "reshape", "astype", "positive", "detached") and is_whole(operands[0]):
        return operands[0]
    is_in_order = name == "transpose" and line.parameters["axes"] == tuple(range(len(line.parameters["axes"])))
    return operands[0] if is_in_order else None


def _is_all(x: Operand, number: int) -> bool:
    return isinstance(x, list) and isinstance(x[0], _NUMBERS) and bool(np.all(np.equal(x[0], number)))


_NUMBERS = (int, float, complex, np.number, np.ndarray)


def _without_broadcasts(line: Line, lines: Mapping[int, Line]) -> Line:
    """Return an operation of what was broadcast for it, where its other operands give the shape."""
    if not isinstance(line.primitive.forward, np.ufunc) or line.parameters:
        return line
    operands = list(line.operands)
    for place, x in enumerate(operands):
        maker = lines.get(x) if isinstance(x, int) else None
        others = [y for i, y in enumerate(operands) if i != place]
        is_given = any(_shape(y, lines) == line.shape for y in others)
        if maker is not None and maker.primitive.name == "broadcast_to" and is_given:
            operands[place] = maker.operands[0]
    return attrs.evolve(line, operands=tuple(operands))


def _without_kept_axes(line: Line, lines: Mapping[int, Line]) -> Line:
    """Return a reduction that keeps its axes, and a reshape that takes them away, as one that does not keep them."""
    (x, *_) = line.operands or (None,)
    maker = lines.get(x) if line.primitive.name == "reshape" and isinstance(x, int) else None
    if maker is None or not maker.parameters.get("keepdims") or maker.parameters.get("axis") is None:
        return line
    axes = {axis % len(maker.shape) for axis in maker.parameters["axis"]}
    if tuple([n for axis, n in enumerate(maker.shape) if axis not in axes]) != line.shape:
        return line
    return attrs.evolve(maker, parameters={**maker.parameters, "keepdims": False}, shape=line.shape)


def _shape(x: Operand, lines: Mapping[int, Line]) -> Any:
    return np.shape(x[0]) if isinstance(x, list) else lines[x].shape if x in lines else None


# ---- writing ----


class _Writer:
    """Writes operations down."""

    def __init__(self, recorded: Recorded, lines: Mapping[int, Line]) -> None:
        self.recorded = recorded
        self.lines = lines
        self.large: dict[str, np.ndarray[Any, Any]] = {}
        self.helpers: dict[str, None] = {}
        self.modules: dict[str, None] = {}
        self.before: list[str] = []  # lines for constants
        self.constants: dict[Hashable, str] = {}
        self.taken = {"np", "gradient", *dir(builtins), *keyword.kwlist, *dir(numpy_helpers)}
        self.counts: dict[str, int] = {}  # the number of each name that was given last
        self.names: dict[int, str] = {}
        self.parameters: tuple[str, ...] = ()

    def module(self, outputs: Sequence[Output], guards: Sequence[Guard]) -> str:
        """Return the whole source."""
        leaves = [slot for slot, line in self.lines.items() if line.primitive.family == "leaf"]
        for slot, path in zip(leaves, self.recorded.paths, strict=True):
            self.names[slot] = self._unique(_identifier(path))
        self.parameters = tuple([self.names[slot] for slot in leaves])
        pending = list(reversed(guards))
        body: list[str] = []
        for slot, line in self.lines.items():
            while pending and pending[-1].position <= slot:
                body += self._check(pending.pop())
            if line.primitive.family != "leaf":
                body.append(self._written(slot, line))
        for guard in reversed(pending):
            body += self._check(guard)
        results = [self._operand(x) for x in outputs]
        body.append(f"return {', '.join(results)}")
        shown = [f"{name}: {x.dtype} array of shape {x.shape}" for name, x in self.large.items()]
        head = ["import numpy as np", *(f"import {module}" for module in self.modules)]
        if shown:
            head += ["", "# Arrays that are not written out:", *(f"#     {text}" for text in shown)]
        function = [f"def gradient({', '.join(self.parameters)}):", *(f"    {text}" for text in (*self.before, *body))]
        return "\n".join(["\n".join(head), *self._helper_sources(), "\n".join(function)]).replace("\n\n\n\n", "\n\n\n")

    def _helper_sources(self) -> list[str]:
        return [f"\n\n{text}" for text in sources_of(self.helpers)] + ["\n"]

    # ---- names ----

    def _unique(self, name: str) -> str:
        found, count = name, self.counts.get(name, 1)
        while found in self.taken:
            count += 1
            found = f"{name}_{count}"
        self.taken.add(found)
        self.counts[name] = count
        return found

    def _name(self, slot: int, line: Line) -> str:
        of = self.recorded.bars.get(slot)
        if of in self.names:
            return self._unique(f"{self.names[of]}_bar")
        return self._unique(_identifier(_NAMES.get(line.primitive.name, line.primitive.name.split(".")[-1])))

    # ---- lines ----

    def _written(self, slot: int, line: Line) -> str:
        operands = [self._operand(x, line) for x in line.operands]
        text = self._spelled(line.primitive, operands, line.parameters, [self._dtype(x) for x in line.operands])
        if text is None:
            raise MissingRuleError(
                f"tape.derivation: {line.primitive.name} must be an operation that is written in NumPy; got one "
                "without such a spelling. Write what it computes with other functions of tapenet.numpy."
            )
        self.names[slot] = self._name(slot, line)
        return f"{self.names[slot]} = {text}"

    def _spelled(
        self, primitive: Primitive, operands: Sequence[str], parameters: Parameters, dtypes: Sequence[Any]
    ) -> str | None:
        return spelled(primitive, Call(operands, parameters, self._helper, self._module, dtypes))

    def _helper(self, name: str) -> str:
        self.helpers[name] = None
        return name

    def _module(self, name: str) -> str:
        self.modules[name] = None
        return name

    def _dtype(self, x: Operand) -> Any:
        return getattr(x[0], "dtype", None) if isinstance(x, list) else self.lines[x].dtype

    def _operand(self, x: Operand, line: Line | None = None) -> str:
        if isinstance(x, int):
            return self.names[x]
        value = x[0]
        if isinstance(value, np.ndarray) and line is not None and self._may_be_number(value, line):
            value = value.flat[0].item()
        return self._constant(value)

    def _may_be_number(self, x: np.ndarray[Any, Any], line: Line) -> bool:
        """Return whether an operand of equal elements may be written as a number: another gives shape and dtype."""
        if not isinstance(line.primitive.forward, np.ufunc) or not x.size or not _are_equal(x):
            return False
        others = [self.lines[y] for y in line.operands if isinstance(y, int)]
        return any((own.shape, own.dtype) == (line.shape, x.dtype) for own in others) and x.dtype.char in "fd"

    def _constant(self, x: Any) -> str:
        if x is None or isinstance(x, str):
            return repr(x)
        if type(x) in (bool, int, float, complex):
            text = literal(x)
            return f"({text})" if text.startswith("-") else text
        if not isinstance(x, np.ndarray | np.generic):
            return repr(x)
        key = repr(snapshot(np.asarray(x))), isinstance(x, np.generic)
        if key not in self.constants:
            self.constants[key] = self._array(x)
        return self.constants[key]

    def _array(self, x: Any) -> str:
        """Return how an array is written: in a few characters, or by the name of a line of its own."""
        dtype = dtype_literal(x.dtype)
        is_plain = x.dtype.char in "?bhilqBHILQfdFD" and (x.dtype.kind not in "fc" or np.isfinite(x).all())
        if isinstance(x, np.generic) and (is_plain or x.dtype.char in "fd"):
            return f"np.{x.dtype.type.__name__}({literal(x)})" if x.dtype.char != "?" else f"np.{bool(x)}_"
        if is_plain and not x.size:
            return f"np.zeros({literal(x.shape)}, {dtype})"
        if is_plain and _are_equal(x):
            value = x.flat[0]
            if value in (0, 1) and not np.signbit(np.real(value)):
                own = "" if x.dtype == np.float64 else f", {dtype}"
                return f"np.{'ones' if value else 'zeros'}({literal(x.shape)}{own})"
            return f"np.full({literal(x.shape)}, {literal(value)}, {dtype})"
        if is_plain and x.size <= _INLINE:
            return _array_literal(x, dtype)
        if is_plain and x.size <= _WRITTEN:
            name = self._unique("mask" if x.dtype.kind == "b" else "places" if x.dtype.kind in "iu" else "constant")
            self.before.append(f"{name} = {_array_literal(x, dtype)}")
            return name
        name = self._unique("data")
        self.large[name] = np.asarray(x)
        return name

    # ---- what was read ----

    def _check(self, guard: Guard) -> list[str]:
        """Return the lines that check a read: that it gives what it gave."""
        place = line_of(guard.location)
        what = f"{guard.name} at {place}"
        text = self._read_again(guard)
        answer = self._answer(guard)
        if text is None or answer is None:
            return [f"# {what} is taken to give what it gave."]
        if guard.answer is True or (isinstance(guard.answer, np.bool_) and guard.answer):
            holds = text
        elif isinstance(guard.answer, bool | np.bool_):
            holds = f"not ({text})"
        elif isinstance(guard.answer, ArraySnapshot):
            holds = f"np.array_equal({text}, {answer})"
        else:
            holds = f"({text}) == {answer}"
        return [f"{self._helper('check')}({holds}, {what!r})"]

    def _read_again(self, guard: Guard) -> str | None:
        operands = [
            self.names[slot] if slot is not None else self._constant(x)
            for slot, x in zip(guard.slots, guard.constants, strict=True)
        ]
        function = guard.function
        if isinstance(function, NondifferentiableFunction):
            if guard.keyword_slots:
                return None
            return self._spelled(function.as_choice, operands, guard.keywords, [None] * len(operands))
        is_value = len(operands) == 1 and getattr(function, "__name__", "") == "_identity"
        return operands[0] if is_value or function is bool else None

    def _answer(self, guard: Guard) -> str | None:
        """Return what a read gave as it is written; None where that is not known."""
        answer = guard.answer
        if isinstance(answer, ArraySnapshot):
            known = self.recorded.answers.get(guard.answer)
            return None if known is None else self._constant(known)
        is_known = isinstance(answer, bool | int | float | complex | np.generic) and answer == answer
        return self._constant(answer) if is_known else None


_NAMES = {
    "matmul": "product",
    "matvec": "product",
    "affine": "layer",
    "add": "total",
    "subtract": "difference",
    "multiply": "product",
    "divide": "quotient",
    "negative": "minus",
    "where": "chosen",
    "getitem": "part",
    "gather": "taken",
    "scatter": "spread",
    "place": "spread",
    "assemble": "spread",
    "reshape": "reshaped",
    "transpose": "transposed",
    "broadcast_to": "repeated",
    "part": "part",
    "sum": "total",
    "max": "largest",
    "min": "smallest",
    **dict.fromkeys(("conv", "conv_bias"), "features"),
    **dict.fromkeys(("max_pool", "avg_pool"), "pooled"),
    **dict.fromkeys(("softmax", "log_softmax"), "scores"),
    "winners": "shares",
    "residual of max_pool": "taken",
    "batch_norm": "normalized",
    "layer_norm": "normalized",
    "batch_norm_pullback": "bars",
    "layer_norm_pullback": "bars",
    "attention_pullback": "bars",
    "cholesky_pullback": "bars",
    "attention": "attended",
    "power": "powered",
}


def _identifier(text: str) -> str:
    """Return a name that is like a text: of a path, or of an operation."""
    name = re.sub(r"\W+", "_", text).strip("_")
    return name if name.isidentifier() else f"x{name}"


def _are_equal(x: Any) -> bool:
    array = np.asarray(x)
    first = array.flat[0]
    return bool(np.all(array == first)) and not (first == 0 and np.any(np.signbit(np.real(array))))


def _array_literal(x: Any, dtype: str) -> str:
    text = re.sub(r"\s+", " ", repr(x.tolist()))
    return f"np.array({text})" if x.size and x.dtype.char in "?d" else f"np.array({text}, {dtype})"


# ---- helpers ----


def sources_of(names: Sequence[str] | Mapping[str, None]) -> list[str]:
    """Return the sources of helpers, and of those that they call, without annotations."""
    wanted: dict[str, ast.FunctionDef] = {}

    def add(name: str) -> None:
        tree = ast.parse(inspect.getsource(getattr(numpy_helpers, name))).body[0]
        assert isinstance(tree, ast.FunctionDef)
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id != name and node.id in _HELPERS and node.id not in wanted:
                add(node.id)
        wanted[name] = _Unannotated().visit(tree)

    for name in names:
        if name not in wanted:
            add(name)
    return [ast.unparse(tree) for tree in wanted.values()]


_HELPERS = {name for name, x in vars(numpy_helpers).items() if inspect.isfunction(x)}


class _Unannotated(ast.NodeTransformer):
    """Takes annotations off a function."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.returns = None
        for argument in node.args.args:
            argument.annotation = None
        return node
