"""Small functions of a user's as straight code on numbers, with their derivatives: what solvers call many times.

A function of a few numbers, called on arrays, spends its time on NumPy's calls and not on arithmetic. It is recorded
once; where the record has no reads (branches, conversions) and only arithmetic and elementary functions of elements,
each element becomes a node of a graph. The graph is written as Python source in two forms: of Python's floats, for a
solver's calls, and of NumPy's arrays, for all points of a mesh at once, with the partial derivatives by the chain rule.

Everything else, and a point where Python raises and NumPy gives inf or NaN, is left to the function itself.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from types import CodeType
from typing import Any

import attrs
import numpy as np

from tapenet.core.primitive import Array
from tapenet.core.recorder import WATCHED, new_recorder
from tapenet.core.tensor import Tensor

Function = Callable[..., Any]

_LARGEST = 400  # nodes: beyond it arrays are the better form
_DERIVATIVES = 10  # times as many for derivatives
_INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}
_CALLED = ("sqrt", "exp", "log", "sin", "cos", "tan", "tanh", "sinh", "cosh", "arctan", "log1p", "expm1")
_IN_MATH = {"power": math.pow, **{name: getattr(math, name.replace("arc", "a")) for name in _CALLED}}
_IN_NUMPY = {"power": np.power, **{name: getattr(np, name) for name in _CALLED}}
FUNCTIONS = frozenset(_IN_MATH)  # what is called by name


class _UnsupportedError(Exception):
    """What straight code does not do."""


# ---- graphs ----


@attrs.define(eq=False)
class _Graph:
    """Nodes, each made once: an operation and its operands, or an input. It holds no `Node`, which holds the graph.

    Attributes:
        nodes: (operation, operands); operands are nodes' numbers, or constants as they are written.
        known: the number of each.
        largest: how many nodes there may be.
    """

    nodes: list[tuple[str, tuple[int | str, ...]]] = attrs.field(factory=list)
    known: dict[Any, int] = attrs.field(factory=dict)
    largest: int = _LARGEST

    def node(self, operation: str, *operands: int | str) -> Node:
        key = (operation, operands)
        number = self.known.get(key)
        if number is None:
            if len(self.nodes) >= self.largest:
                raise _UnsupportedError
            number = self.known[key] = len(self.nodes)
            self.nodes.append(key)
        return Node(self, number)

    def inputs(self, name: str, shape: tuple[int, ...]) -> Array:
        """Return an array of inputs."""
        made = np.empty(shape, object)
        for place in np.ndindex(shape):
            made[place] = self.node(name, *place)
        return made

    def operand(self, x: int | str) -> Any:
        """Return an operand as a node or a number."""
        return Node(self, x) if type(x) is int else float(x)


def _operand(x: Any) -> Any:
    """Return what a function gave as a node or a number."""
    if type(x) is Node:
        return x
    if isinstance(x, int | float | np.floating | np.integer) and math.isfinite(x):
        return float(x)
    raise _UnsupportedError


def _kept(x: Any) -> int | str:
    """Return how an operand is kept in a graph."""
    return x.number if type(x) is Node else repr(_operand(x))


@attrs.frozen(eq=False)
class Node:
    """A number that is computed. NumPy's functions of arrays of objects call its operators and methods."""

    graph: _Graph
    number: int

    def _with(self, operation: str, x: Any, y: Any) -> Any:
        return self.graph.node(operation, _kept(x), _kept(y))

    def __add__(self, other: Any) -> Any:
        return self if _is(other, 0) else self._with("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return self if _is(other, 0) else self._with("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return self if _is(other, 0) else self._with("subtract", self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._with("subtract", other, self)

    def __mul__(self, other: Any) -> Any:
        return self if _is(other, 1) else self._with("multiply", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self if _is(other, 1) else self._with("multiply", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self._with("divide", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._with("divide", other, self)

    def __pow__(self, other: Any) -> Any:
        return self * self if _is(other, 2) else self._with("power", self, other)

    def __neg__(self) -> Any:
        return self.graph.node("negative", self.number)


def _method(name: str) -> Function:
    def method(self: Node) -> Node:
        return self.graph.node(name, self.number)

    return method


for _name in _CALLED:
    setattr(Node, _name, _method(_name))


def _is(x: Any, number: int) -> bool:
    return type(x) is not Node and x == number


# ---- derivatives, as nodes ----


def _by_power(x: Any, y: Any, out: Any) -> Iterator[tuple[Any, Any]]:
    if type(x) is Node:
        if type(y) is Node:
            raise _UnsupportedError
        yield x, y * x ** (y - 1)


_PARTIALS: dict[str, Function] = {
    "add": lambda x, y, out: [(x, 1.0), (y, 1.0)],
    "subtract": lambda x, y, out: [(x, 1.0), (y, -1.0)],
    "multiply": lambda x, y, out: [(x, y), (y, x)],
    "divide": lambda x, y, out: [(x, 1.0 / y), (y, -out / y)],
    "power": _by_power,
    "negative": lambda x, out: [(x, -1.0)],
    "sqrt": lambda x, out: [(x, 0.5 / out)],
    "exp": lambda x, out: [(x, out)],
    "log": lambda x, out: [(x, 1.0 / x)],
    "sin": lambda x, out: [(x, x.cos())],
    "cos": lambda x, out: [(x, -x.sin())],
    "tan": lambda x, out: [(x, 1.0 + out * out)],
    "tanh": lambda x, out: [(x, 1.0 - out * out)],
    "sinh": lambda x, out: [(x, x.cosh())],
    "cosh": lambda x, out: [(x, x.sinh())],
    "arctan": lambda x, out: [(x, 1.0 / (1.0 + x * x))],
    "log1p": lambda x, out: [(x, 1.0 / (1.0 + x))],
    "expm1": lambda x, out: [(x, out + 1.0)],
}


def _derivatives(graph: _Graph, seeds: Sequence[tuple[Any, Any]], wanted: Sequence[Node]) -> list[Any]:
    """Return the derivatives of a sum of seed times node by some inputs, by reverse mode on the graph."""
    bars: dict[int, Any] = {}

    def add(node: Any, bar: Any) -> None:
        if type(node) is Node:
            bars[node.number] = bar if node.number not in bars else bars[node.number] + bar

    for node, seed in seeds:
        add(node, seed)
    for number in range(max(bars, default=-1), -1, -1):
        operation, operands = graph.nodes[number]
        if number in bars and operation in _PARTIALS:
            for operand, partial in _PARTIALS[operation](*map(graph.operand, operands), Node(graph, number)):
                if type(operand) is Node:
                    add(operand, bars[number] if _is(partial, 1) else partial * bars[number])
    return [bars.get(node.number, 0.0) for node in wanted]


# ---- source ----


@attrs.frozen
class Steps:
    """What computes some outputs, in order.

    Attributes:
        operations: for each node its number, operation and operands, as a graph holds them.
        outputs: the number of each output, or a constant as it is written.
    """

    operations: tuple[tuple[int, str, tuple[int | str, ...]], ...]
    outputs: tuple[int | str, ...]

    @classmethod
    def of(cls, graph: _Graph, outputs: Sequence[Any]) -> Steps:
        needed, waiting = set[int](), [x.number for x in outputs if type(x) is Node]
        while waiting:
            number = waiting.pop()
            operation, operands = graph.nodes[number]
            if number not in needed:
                needed.add(number)
                waiting += [x for x in operands if type(x) is int] if operation in _PARTIALS else []
        return cls(tuple([(n, *graph.nodes[n]) for n in sorted(needed)]), tuple([_kept(x) for x in outputs]))


def _written(graph: _Graph, outputs: Sequence[Any]) -> list[str]:
    """Return the lines that compute what outputs need, and last the outputs."""
    steps = Steps.of(graph, outputs)
    lines = [f"v{number} = {_expression(operation, operands)}" for number, operation, operands in steps.operations]
    return [*lines, f"return [{', '.join(map(_named, steps.outputs))}]"]


def _named(x: int | str) -> str:
    return f"v{x}" if type(x) is int else f"({x})"


def _expression(operation: str, operands: tuple[Any, ...]) -> str:
    if operation not in _PARTIALS:  # an input
        return "_".join((operation, *map(str, operands)))
    names = [*map(_named, operands)]
    if operation in _INFIX:
        return f" {_INFIX[operation]} ".join(names)
    return f"-{names[0]}" if operation == "negative" else f"{operation}({', '.join(names)})"


@functools.lru_cache(maxsize=256)
def _compiled(source: str) -> CodeType:
    return compile(source, "<straight code>", "exec")


def _function(parameters: str, lines: Sequence[str], functions: dict[str, Function]) -> Function:
    body = "\n".join(f"    {line}" for line in lines)
    names: dict[str, Any] = dict(functions)
    exec(_compiled(f"def straight({parameters}):\n{body}\n"), names)
    found: Function = names.pop("straight")  # so that it and its names are not in a circle
    return found


# ---- functions of a user's ----

_KNOWN: dict[Any, StraightField] = {}  # by what was recorded: users give a new lambda for each fit
_MOST_KNOWN = 128
_WRITING = threading.Lock()  # graphs grow with derivatives, and are shared


@attrs.frozen(eq=False)
class StraightField:
    """A right-hand side f(t, y, *arrays) as straight code.

    Attributes:
        size: of y.
        shapes: of the arrays.
        graph: of all nodes.
        outputs: the elements of f.
        functions: those that were written, by what they give.
        calls: how often solvers called it, in a list of one.
    """

    size: int
    shapes: tuple[tuple[int, ...], ...]
    graph: _Graph
    outputs: tuple[Any, ...]
    functions: dict[str, Function | None] = attrs.field(factory=dict)
    calls: list[int] = attrs.field(factory=lambda: [0])

    @classmethod
    def of(cls, f: Function, t: float, y: Array, arrays: Sequence[Array]) -> StraightField | None:
        """Return f(t, y, arrays) as straight code, from one call; None where it cannot be written so."""
        if not np.size(y) or sum(np.size(x) for x in (y, *arrays)) > _LARGEST // 4:
            return None
        try:
            return cls._of(f, t, y, arrays)
        except Exception:  # whatever does not go this way: the solver's own calls raise what there is to raise
            return None

    @classmethod
    def _of(cls, f: Function, t: float, y: Array, arrays: Sequence[Array]) -> StraightField:
        with new_recorder(replayable=True) as tape:
            watched = [tape.watch(x if np.ndim(x) else np.float64(x)) for x in (t, y, *arrays)]
            value = f(watched[0], watched[1], watched[2:])
            values = list(value) if isinstance(value, list | tuple) else [value]
            if tape.guards:
                raise _UnsupportedError
            found = [x.slot if type(x) is Tensor else _Constant.of(x) for x in values]
        shapes = tuple(np.shape(x) for x in (t, y, *arrays))
        entries = [
            (primitive, slots, _constants(slots, kept), parameters, shape, dtype)
            for primitive, slots, kept, parameters, shape, dtype in tape.entries[len(watched) :]
        ]
        key = shapes, tuple(found), tuple([(*entry[:3], _typed(entry[3]), *entry[4:]) for entry in entries])
        known = _KNOWN.get(key)
        if known is None:
            if len(_KNOWN) >= _MOST_KNOWN:
                _KNOWN.clear()
            known = _KNOWN[key] = cls._lifted(shapes, entries, found)
        return known

    @classmethod
    def _lifted(
        cls, shapes: tuple[tuple[int, ...], ...], entries: Sequence[Any], found: Sequence[int | _Constant]
    ) -> StraightField:
        graph = _Graph()
        names = ["t", "y", *(f"p{i}" for i in range(len(shapes) - 2))]
        lifted: list[Array] = [graph.inputs(name, shape) for name, shape in zip(names, shapes, strict=True)]
        for primitive, slots, constants, parameters, shape, dtype in entries:
            if primitive is WATCHED or shape is None or dtype != np.dtype(float):
                raise _UnsupportedError
            fixed = iter(constants)
            operands = [next(fixed).as_objects() if slot is None else lifted[slot] for slot in slots]
            made = np.empty(shape, object)
            made[...] = primitive.forward(*operands, **parameters)
            lifted.append(made)
        arrays = [lifted[x] if isinstance(x, int) else x.as_objects() for x in found]
        outputs = tuple(_operand(x) for one in arrays for x in np.ravel(one))
        size = math.prod(shapes[1])
        if len(outputs) != size:
            raise _UnsupportedError
        graph.largest *= _DERIVATIVES
        return cls(size, shapes[2:], graph, outputs)

    # ---- as functions ----

    def _unpacked(self) -> list[str]:
        """Return the lines that give each element of the arrays p a name."""
        lines = []
        for i, shape in enumerate(self.shapes):
            names = ["_".join((f"p{i}", *map(str, place))) for place in np.ndindex(shape)]
            lines.append(f"{', '.join(names)}, = p[{i}]" if names else "")
        return [line for line in lines if line]

    @property
    def _states(self) -> str:
        return ", ".join(f"y_{i}" for i in range(self.size))

    def _made(self, name: str, make: Callable[[], Any]) -> Any:
        """Return a function that is written at its first use; None where it would be too large."""
        if name not in self.functions:
            with _WRITING:
                try:
                    self.functions[name] = make()
                except _UnsupportedError:
                    self.functions[name] = None
        return self.functions[name]

    def of_numbers(self, arrays: Sequence[Array], otherwise: Function) -> Function:
        """Return f(t, y) of a number and an array, as a list; of another function where Python raises."""
        make = self._made("numbers", lambda: self._of_numbers(f"return [{', '.join(self._named_outputs)}]"))
        assert make is not None
        field: Function = make(elements_of(arrays), otherwise, None, None)
        return field

    def of_calls(self, arrays: Sequence[Array], otherwise: Function, seen: Function) -> Function:
        """Return the same for a solver that copies what f gives: it is one array, written into each time.

        Args:
            arrays, otherwise: as for `of_numbers`.
            seen: called with the time and the elements of y in a tuple, before.
        """
        before = f"seen((t, {self._states}))"
        after = [f"out[{i}] = {x}" for i, x in enumerate(self._named_outputs)]
        make = self._made("calls", lambda: self._of_numbers("return out", before, after))
        assert make is not None
        field: Function = make(elements_of(arrays), otherwise, seen, np.empty(self.size))
        return field

    @property
    def _named_outputs(self) -> list[str]:
        return [_named(_kept(x)) for x in self.outputs]

    def _of_numbers(self, last: str, before: str = "", after: Sequence[str] = ()) -> Function:
        written = _written(self.graph, self.outputs)[:-1]
        reads_time = any(line.endswith("= t") for line in written)
        body = ["t = float(t)"] * reads_time + [f"{self._states}, = y.tolist()"] + [before] * bool(before)
        lines = ["def field(t, y):", "    try:", *(f"        {line}" for line in (*body, *written, *after, last))]
        lines += ["    except (ArithmeticError, ValueError):", "        return otherwise(t, y)", "return field"]
        return _function("p, otherwise, seen, out", [*self._unpacked(), *lines], _IN_MATH)

    def of_one_number(self, elements: Sequence[Sequence[float]], otherwise: Function) -> Function:
        """Return f(x, ...) of a number x, the one element of y, as a number; of another function where Python raises.

        Args:
            elements: of each array.
            otherwise: `(x, ...)`.
        """

        def make() -> Function:
            body = [*_written(self.graph, self.outputs)[:-1], f"return {self._named_outputs[0]}"]
            lines = ["def one(x, *others):", "    try:", "        y_0 = float(x)", *(f"        {x}" for x in body)]
            lines += ["    except (ArithmeticError, ValueError, TypeError):", "        return otherwise(x, *others)"]
            return _function("p, otherwise", [*self._unpacked(), *lines, "return one"], _IN_MATH)

        found: Function = self._made("number", make)(elements, otherwise)
        return found

    def slopes_of_one_number(self, x: float, elements: Sequence[Sequence[float]]) -> list[float] | None:
        """Return f, and its derivatives by x and by all elements of arrays; None where that is a large function.

        Raises:
            ArithmeticError, ValueError: where Python does.
        """

        def make() -> Function:
            nodes = [self.graph.node("y", 0), *(self.graph.node(name, *place) for name, place in self.parameters)]
            written = _written(self.graph, [*self.outputs, *_derivatives(self.graph, [(self.outputs[0], 1.0)], nodes)])
            return _function("y_0, p", [*self._unpacked(), *written], _IN_MATH)

        made = self._made("slopes of a number", make)
        found: list[float] | None = None if made is None else made(x, elements)
        return found

    def of_lines(
        self, name: str, parameters: str, lines: Function, copies: int, arrays: Sequence[Array]
    ) -> Function | None:
        """Return a function of numbers whose source has that of f in several places; None where it would be large.

        Args:
            name: of it, which it is known by.
            parameters: of the function.
            lines: `(lines of f, its outputs) -> lines`; those of f read t and y_0, y_1, ..., and may not be changed.
            copies: how often f is in it.
            arrays: the arguments of f.
        """

        def make() -> Function:
            body = _written(self.graph, self.outputs)[:-1]
            if copies * (len(body) + self.size * copies) > _LARGEST * _DERIVATIVES:
                raise _UnsupportedError
            inner = lines(body, self._named_outputs)
            inner = [f"def attempt({parameters}):", *(f"    {line}" for line in inner), "return attempt"]
            return _function("p", [*self._unpacked(), *inner], _IN_MATH)

        made = self._made(name, make)
        return None if made is None else made(elements_of(arrays))

    def values(self, t: Array, y: Array, arrays: Sequence[Array]) -> Array:
        """Return f at points, shape (points, d)."""
        return self.rows(t, y.T, arrays).T

    def rows(self, t: Array, y: Array, arrays: Sequence[Array]) -> Array:
        """Return f at points, from y of shape (d, points) and in that shape."""
        run = self._made("values", lambda: self._of_arrays(self.outputs, False))
        assert run is not None
        return _rows(run(t, y, elements_of(arrays), ()), len(t))

    def slopes(self, t: Array, y: Array, arrays: Sequence[Array]) -> Array | None:
        """Return the Jacobians by y at points, shape (points, d, d); None where that would be a large function."""

        run = self._made("slopes", lambda: self._of_arrays(self._slopes, False))
        if run is None:
            return None
        found = _rows(run(t, y.T, elements_of(arrays), ()), len(t))
        return np.ascontiguousarray(found.T).reshape(len(t), self.size, self.size)

    def pulled(self, t: Array, y: Array, arrays: Sequence[Array], bars: Array) -> list[Array] | None:
        """Return the cotangents of the arrays, from those of f at points, shape (points, d); None as for `slopes`."""

        run = self._made("pulled", lambda: self._of_arrays(self._pulled, True))
        if run is None:
            return None
        found = run(t, y.T, elements_of(arrays), bars.T)
        sums = np.array([x.sum() if type(x) is np.ndarray else x * len(t) for x in found])
        parts = np.split(sums, np.cumsum([math.prod(shape) for shape in self.shapes]))
        return [part.reshape(shape)[()] for part, shape in zip(parts, self.shapes, strict=False)]

    @property
    def _slopes(self) -> list[Any]:
        """The derivatives of all outputs by all of y, as nodes and numbers."""
        states = [self.graph.node("y", i) for i in range(self.size)]
        return [x for out in self.outputs for x in _derivatives(self.graph, [(out, 1.0)], states)]

    @property
    def parameters(self) -> list[tuple[str, tuple[int, ...]]]:
        """The nodes of all elements of the arrays."""
        return [(f"p{i}", place) for i, shape in enumerate(self.shapes) for place in np.ndindex(shape)]

    @property
    def _pulled(self) -> list[Any]:
        """The cotangents of all elements of the arrays, as nodes and numbers."""
        seeds = [(x, self.graph.node("bar", i)) for i, x in enumerate(self.outputs)]
        return _derivatives(self.graph, seeds, [self.graph.node(name, *place) for name, place in self.parameters])

    def lowered(self, name: str, make: Callable[[Sequence[Steps]], Any]) -> Any:
        """Return what is made once of the code of f, of its Jacobian by y and of the cotangents of its arrays.

        None where that would be too large, or `make` gives None.
        """
        if name in self.functions:
            return self.functions[name]
        return self._made(
            name, lambda: make([Steps.of(self.graph, x) for x in (self.outputs, self._slopes, self._pulled)])
        )

    def _of_arrays(self, outputs: Sequence[Any], has_bars: bool) -> Function:
        lines = [*self._unpacked(), f"{self._states}, = y"]
        if has_bars:
            lines.append(f"{', '.join(f'bar_{i}' for i in range(self.size))}, = bars")
        return _function("t, y, p, bars", [*lines, *_written(self.graph, outputs)], _IN_NUMPY)


def _rows(found: Sequence[Any], count: int) -> Array:
    """Return arrays and numbers as the rows of one array."""
    out = np.empty((len(found), count))
    for i, x in enumerate(found):
        out[i] = x
    return out


def beside(x: Any) -> Any:
    """Return numbers near others, where straight code is compared with what it was written from."""
    return x + 1e-3 * (1 + abs(x))


def agrees(found: float, expected: float) -> bool:
    """Return whether straight code gives a number, but for rounding errors."""
    return bool(found == expected or abs(found - expected) <= 1e-10 * abs(expected))


def elements_of(arrays: Sequence[Array]) -> list[list[float]]:
    """Return the elements of each array."""
    return [[float(x)] if type(x) in _SCALARS else np.ravel(np.asarray(x, float)).tolist() for x in arrays]


_SCALARS = (float, np.float64)


@attrs.frozen
class _Constant:
    """A constant operand, as a key.

    Attributes:
        shape: of it.
        elements: as bytes of float64, which tell -0.0 from 0.0.
    """

    shape: tuple[int, ...]
    elements: bytes

    @classmethod
    def of(cls, x: Any) -> _Constant:
        array = np.asarray(x) if type(x) is not Tensor else None
        if array is None or array.dtype.kind not in "biuf":
            raise _UnsupportedError
        return cls(array.shape, array.astype(float).tobytes())

    def as_objects(self) -> Array:
        """Return it as an array of objects."""
        made = np.empty(self.shape, object)
        made[...] = np.frombuffer(self.elements).reshape(self.shape).tolist()
        return made


def _constants(slots: Sequence[int | None], kept: Sequence[Any]) -> tuple[_Constant, ...]:
    return tuple([_Constant.of(x) for slot, x in zip(slots, kept) if slot is None])  # kept has the output, too


def _typed(parameters: Any) -> Any:
    """Return parameters as a key that tells 1 from True."""
    return (*parameters.items(), repr(dict(parameters))) if parameters else ()
