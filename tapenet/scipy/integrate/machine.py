"""A right-hand side as machine code: for SciPy's `odeint` to call, and with the collocation along its solution.

`odeint` calls a Python function some hundred times for each solve, and spends most of its time there. Where the
right-hand side is straight code, LLVM compiles a function that CPython calls as one of C's: it reads the elements of y
where they lie, and writes into one array, which the solver copies. The stages of the collocation and the cotangents are
loops over the steps. There both systems of equations are solved by iteration, which converges fast where the solution
is not stiff on the mesh; elsewhere, and where a value is not finite, the functions on arrays and lists are used.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import itertools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.primitive import Array
from tapenet.kernels import backends
from tapenet.kernels.memory import address
from tapenet.scipy.straight import Steps, StraightField
from tapenet.scipy.straight_code import DECLARED, Code, Value, functions_of_c, number, table_of

Function = Callable[..., Any]

# Elements of y up to which code is compiled: it grows with their square, and larger systems gain less.
_LARGEST = 10
# Nodes of a field and its derivatives up to which it is compiled, in some 50 ms.
_MOST_NODES = 1000


# ---- objects of CPython's, as machine code sees them ----

_HEAD = object.__basicsize__  # bytes before the value of a float, and the address of an array's elements
_OUT, _ELEMENTS, _PARAMETERS, _TABLE, _SEEN, _COUNT, _MOST, _OTHERWISE, _CALL, _KEEP, _FLOAT, _ARRAY = range(12)
_FASTCALL = 0x80


class _Method(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("text", ctypes.c_char_p),
    )


@functools.cache
def _interpreter() -> tuple[int, ...] | None:
    """Return what `_CALL` to `_ARRAY` hold; None where objects do not lie in memory as expected."""
    if sys.implementation.name != "cpython":
        return None
    x, y = np.empty(1), 0.5
    lies = ctypes.c_void_p.from_address(id(x) + _HEAD).value == address(x)
    if not lies or ctypes.c_double.from_address(id(y) + _HEAD).value != y:
        return None
    names = ("PyObject_CallFunctionObjArgs", "Py_IncRef")
    found = [ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0 for name in names]
    return (*found, id(float), id(np.ndarray))


def _made_function(method: _Method, own: Any) -> Function:
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    function: Function = make(ctypes.addressof(method), own, None)
    return function


# ---- what a solve uses ----


@attrs.define(eq=False)
class Calls:
    """The right-hand side of one solve as a function (t, y) of CPython's, and what it was called with.

    Attributes:
        machine: the code.
        otherwise: f of plain values, for where the code gives inf or NaN.
        parameters: the elements of all arrays.
        out: what the function gives each time.
        rows: time and y of each call, and room for more.
        box: what the code reads and counts.
    """

    machine: Machine
    otherwise: Function
    parameters: Array
    out: Array
    rows: Array
    box: Array

    @classmethod
    def of(cls, machine: Machine, arrays: Sequence[Array], otherwise: Function) -> Calls:
        rows, out, parameters = np.empty((_ROWS, 1 + machine.size)), np.empty(machine.size), flat(arrays)
        places = (id(out), address(out), address(parameters), address(machine.table), address(rows))
        return cls(machine, otherwise, parameters, out, rows, np.array([*places, 0, _ROWS, 0, *machine.interpreter]))

    def solved(self, solve: Callable[[Function], Any]) -> Any:
        """Return what a solver gives that calls the function, and copies what that gives."""
        called = self.called  # held here: the box has its address only
        self.box[_OTHERWISE] = id(called)
        return solve(_made_function(self.machine.method, self.box))

    def called(self, t: float, y: Array) -> Any:
        """Call f itself, and note it; make room for more calls."""
        count = int(self.box[_COUNT])
        if count == len(self.rows):
            self.rows = np.concatenate([self.rows, np.empty_like(self.rows)])
            self.box[_SEEN], self.box[_MOST] = address(self.rows), len(self.rows)
        self.rows[count, 0], self.rows[count, 1:] = t, y
        self.box[_COUNT] += 1
        return self.otherwise(t, y)

    @property
    def seen(self) -> Array:
        """Time and y of each call so far."""
        return self.rows[: int(self.box[_COUNT])]


_ROWS = 1024


def flat(arrays: Sequence[Array]) -> Array:
    """Return the elements of all arrays."""
    return np.concatenate([np.ravel(np.asarray(x, float)) for x in (*arrays, 0.0)])


@attrs.frozen(eq=False)
class Machine:
    """The code of a field, with a collocation.

    Attributes:
        size: of y.
        stages: of the collocation.
        table: the addresses of C's functions.
        interpreter: what the boxes of calls hold of CPython.
        method: the function that CPython calls.
        find_stages, pull: the loops over steps.
        library: what holds the code.
    """

    size: int
    stages: int
    table: Array
    interpreter: tuple[int, ...]
    method: _Method
    find_stages: Callable[..., int]
    pull: Callable[..., int]
    library: Any

    def stages_between(self, mesh: Array, y: Array, arrays: Sequence[Array], errors: Array) -> Array | None:
        """Return the stages between the points of a mesh; None where the iteration does not converge.

        Args:
            mesh, y: the times, and the solution there.
            arrays: the arguments of the right-hand side.
            errors: those that stages may have, relative to them and absolute, for each element of y; shape (2, d).
        """
        found = np.empty((len(mesh) - 1, self.stages, self.size))
        given = [np.ascontiguousarray(x) for x in (self.table, flat(arrays), mesh, y, errors)]
        return found if self.find_stages(*map(address, given), address(found), len(found)) else None

    def pulled(
        self, mesh: Array, stages: Array, bar: Array, arrays: Sequence[Array]
    ) -> tuple[Array, list[Array]] | None:
        """Return the cotangents of the initial value and of the arrays; None as above.

        Args:
            mesh, stages, arrays: as above.
            bar: the cotangents of y on the mesh.
        """
        parameters = flat(arrays)
        out = np.empty(self.size + len(parameters))
        given = [np.ascontiguousarray(x) for x in (self.table, parameters, mesh, stages, bar)]
        if not self.pull(*map(address, given), address(out), len(stages)):
            return None
        found, first = [], self.size
        for x in map(np.asarray, arrays):
            found.append(out[first : first + x.size].reshape(x.shape)[()])
            first += x.size
        return out[: self.size], found


def machine_of(field: StraightField, nodes: Array, weights: Array) -> Machine | None:
    """Return the code of a field with the collocation of these coefficients; None where there is none."""
    if field.size > _LARGEST or not backends.has_machine_code():
        return None
    made: Machine | None = field.lowered(
        f"machine code {len(nodes)}", lambda codes: _compiled(field, codes, nodes, weights)
    )
    return made


def _compiled(field: StraightField, codes: Sequence[Steps], nodes: Array, weights: Array) -> Machine | None:
    functions = functions_of_c(codes)
    table, interpreter = table_of(functions), _interpreter()
    if table is None or interpreter is None or sum(len(code.operations) for code in codes) > _MOST_NODES:
        return None
    written = _Written(field, codes, functions, nodes.tolist(), weights.tolist())
    text = DECLARED + written.called() + written.find_stages() + written.pull()
    # Imported here: it needs llvmlite.
    machine_code = importlib.import_module("tapenet.kernels.machine_code")
    library = machine_code.compile_module(lambda: text, text)
    method = _Method(b"right_hand_side", library.address("called"), _FASTCALL, None)
    loop = ctypes.PYFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 6, ctypes.c_int64)
    loops = [loop(library.address(name)) for name in ("find_stages", "pull")]
    return Machine(field.size, len(nodes), table, interpreter, method, *loops, library)


# ---- source ----


@attrs.frozen(eq=False)
class _Written:
    """The functions of a module, as LLVM's intermediate representation.

    Attributes:
        field: the right-hand side.
        codes: of it, its Jacobian by y and the cotangents of its arrays.
        functions: the operations that are functions of C, in the order of the table.
        nodes, weights: the coefficients of the collocation.
    """

    field: StraightField
    codes: Sequence[Steps]
    functions: Sequence[str]
    nodes: list[float]
    weights: list[list[float]]

    def _begun(self, code: Code, table: Value, parameters: Value) -> Function:
        """Read what all points share; return a function that computes one of the codes at a point."""
        callees = {name: code.load(table, i, "ptr") for i, name in enumerate(self.functions)}
        of_arrays = {node: code.load(parameters, i) for i, node in enumerate(self.field.parameters)}

        def at(which: int, t: Value, y: Sequence[Value], bars: Sequence[Value] = ()) -> tuple[list[Value], Value]:
            inputs = {("t", ()): t, **{("y", (i,)): x for i, x in enumerate(y)}, **of_arrays}
            return code.straight(self.codes[which], inputs | {("bar", (i,)): x for i, x in enumerate(bars)}, callees)

        return at

    def called(self) -> str:
        """Return the function that CPython calls with a time and an array."""
        code, size = Code(), self.field.size
        box = code.load(code.address("%self", _HEAD, "i8"), kind="ptr")
        t, y = (code.load("%args", i, "ptr") for i in range(2))
        itself, fast, noted = (code.label() for _ in range(3))
        count = code.load(box, _COUNT, "i64")
        fits = [code.value(f"icmp ult i64 {count}, {code.load(box, _MOST, 'i64')}")]
        for x, kind in ((t, _FLOAT), (y, _ARRAY)):
            own = code.load(code.address(x, _HEAD - 8, "i8"), kind="ptr")
            fits.append(code.value(f"icmp eq ptr {own}, {code.load(box, kind, 'ptr')}"))
        code.branch(functools.reduce(lambda a, b: code.value(f"and i1 {a}, {b}"), fits), fast, itself)
        code.do(f"{fast}:")
        at = self._begun(code, code.load(box, _TABLE, "ptr"), code.load(box, _PARAMETERS, "ptr"))
        time = code.load(code.address(t, _HEAD, "i8"))
        elements = code.loads(code.load(code.address(y, _HEAD, "i8"), kind="ptr"), size)
        found, trouble = at(0, time, elements)
        code.branch(code.value(f"fcmp oeq double {trouble}, {number(0.0)}"), noted, itself)
        code.do(f"{noted}:")
        row, out = code.place(count, 1 + size, code.load(box, _SEEN, "ptr")), code.load(box, _ELEMENTS, "ptr")
        for i, x in enumerate((time, *elements)):
            code.store(x, row, i)
        for i, x in enumerate(found):
            code.store(x, out, i)
        code.store(code.value(f"add i64 {count}, 1"), box, _COUNT, "i64")
        given = code.load(box, _OUT, "ptr")
        code.do(f"call void {code.load(box, _KEEP, 'ptr')}(ptr {given})")
        code.do(f"ret ptr {given}")
        code.do(f"{itself}:")
        f, call = code.load(box, _OTHERWISE, "ptr"), code.load(box, _CALL, "ptr")
        code.do(f"ret ptr {code.value(f'call ptr (ptr, ...) {call}(ptr {f}, ptr {t}, ptr {y}, ptr null)')}")
        return code.written("define ptr @called(ptr %self, ptr %args, i64 %count)")

    def _times(self, code: Code) -> Value:
        """Return the address of the nodes."""
        nodes = code.variable(f"[{len(self.nodes)} x double]")
        for j, node in enumerate(self.nodes):
            code.store(number(node), nodes, j)
        return nodes

    def find_stages(self) -> str:
        """Return the loop that finds stages: from the cubic polynomials through y and f at both ends of a step."""
        code, size, count = Code(), self.field.size, len(self.nodes)
        at, nodes = self._begun(code, "%table", "%parameters"), self._times(code)
        slopes, most = (code.variable(f"[{count * size} x double]") for _ in range(2))
        before, turns = [code.variable() for _ in range(size)], code.variable("i64")
        errors = code.loads("%errors", 2 * size)
        for x, variable in zip(at(0, code.load("%mesh"), code.loads("%y", size))[0], before, strict=True):
            code.store(x, variable)
        with code.loop("%count") as n:
            step, y = code.address("%mesh", n), code.place(n, size, "%y")
            t, next_t = code.loads(step, 2)
            h, first, last = code.subtract(next_t, t), code.loads(y, size), code.loads(y, 2 * size)[size:]
            stages = code.place(n, count * size, "%stages")
            after = at(0, next_t, last)[0]
            for i, own in enumerate(before):
                a, b = (code.multiply(h, x) for x in (code.load(own), after[i]))
                code.store(after[i], own)
                across = code.subtract(last[i], first[i])
                for j, c in enumerate(self.nodes):
                    # y + c a + c^2 (3 across - 2 a - b) + c^3 (a + b - 2 across)
                    parts = [1.0, c - 2 * c**2 + c**3, c**3 - c**2, 3 * c**2 - 2 * c**3]
                    guess = code.weighted(parts, [first[i], a, b, across])
                    code.store(guess, stages, j * size + i)
                    relative = code.multiply(errors[i], code.size(guess))
                    code.store(code.add(relative, errors[size + i]), most, j * size + i)
            again, done, failed = (code.label() for _ in range(3))
            code.store("0", turns, kind="i64")
            code.begin(again)
            with code.loop(count) as j:
                point = code.place(j, size, stages)
                time = code.add(t, code.multiply(h, code.load(nodes, j)))
                own = code.place(j, size, slopes)
                for i, x in enumerate(at(0, time, code.loads(point, size))[0]):
                    code.store(x, own, i)
            all_slopes, near = code.loads(slopes, count * size), "true"
            for place, (j, i) in enumerate(itertools.product(range(count), range(size))):
                moved = code.weighted(self.weights[j], all_slopes[i::size])
                x = code.add(first[i], code.multiply(h, moved))
                error = code.size(code.subtract(x, code.load(stages, place)))
                is_near = code.value(f"fcmp ole double {error}, {code.load(most, place)}")
                near = code.value(f"and i1 {near}, {is_near}")
                code.store(x, stages, place)
            turn = code.value(f"add i64 {code.load(turns, kind='i64')}, 1")
            code.store(turn, turns, kind="i64")
            check = code.label()
            code.branch(near, done, check)
            code.do(f"{check}:")
            code.branch(code.value(f"icmp slt i64 {turn}, {ITERATIONS}"), again, failed)
            code.do(f"{failed}:")
            code.do("ret i64 0")
            code.do(f"{done}:")
        code.do("ret i64 1")
        return code.written(f"define i64 @find_stages({_POINTERS} %y, ptr %errors, ptr %stages, i64 %count)")

    def pull(self) -> str:
        """Return the loop that pulls cotangents back: see `collocation.pulled`, whose systems it solves by iteration."""
        code, size, count = Code(), self.field.size, len(self.nodes)
        at, nodes = self._begun(code, "%table", "%parameters"), self._times(code)
        whole, jacobian = count * size, self.codes[1].outputs
        moved, weighted = (code.variable(f"[{k} x double]") for k in (whole * size, whole))
        turns, ends = code.variable("i64"), [code.variable() for _ in range(size)]
        bars = [code.variable() for _ in range(whole)]
        sums = [code.variable() for _ in self.field.parameters]
        for x in sums:
            code.store(number(0.0), x)
        for i, x in enumerate(ends):
            code.store(code.load(code.place("%count", size, "%bar"), i), x)
        with code.loop("%count", down=True) as n:
            t, next_t = code.loads(code.address("%mesh", n), 2)
            h, stages = code.subtract(next_t, t), code.place(n, whole, "%stages")

            def point(j: Value) -> tuple[Value, list[Value]]:
                time = code.add(t, code.multiply(h, code.load(nodes, j)))
                return time, code.loads(code.place(j, size, stages), size)

            with code.loop(count) as j:
                own = code.place(j, size * size, moved)
                for i, x in enumerate(at(1, *point(j))[0]):
                    code.store(code.multiply(h, x), own, i)
            last = [code.load(x) for x in ends]
            enough = code.multiply(number(_ROUNDING), code.largest([code.size(x) for x in last]))
            for place, x in enumerate(bars):
                code.store(last[place - whole + size] if place >= whole - size else number(0.0), x)
            again, done, failed, check = (code.label() for _ in range(4))
            code.store("0", turns, kind="i64")
            code.begin(again)
            now = [code.load(x) for x in bars]
            spread = self._spread(code, now)
            changes = []
            for place, (j, b) in enumerate(itertools.product(range(count), range(size))):
                terms = [last[b]] if j == count - 1 else []
                for a in range(size):
                    if jacobian[a * size + b] != "0.0":
                        entry = code.load(moved, j * size * size + a * size + b)
                        terms.append(code.multiply(entry, spread[j * size + a]))
                x = functools.reduce(code.add, terms) if terms else number(0.0)
                code.store(x, bars[place])
                changes.append(code.size(code.subtract(x, now[place])))
            turn = code.value(f"add i64 {code.load(turns, kind='i64')}, 1")
            code.store(turn, turns, kind="i64")
            near = "true"
            for x in changes:
                near = code.value(f"and i1 {near}, {code.value(f'fcmp ole double {x}, {enough}')}")
            code.branch(near, done, check)
            code.do(f"{check}:")
            code.branch(code.value(f"icmp slt i64 {turn}, {_TURNS}"), again, failed)
            code.do(f"{failed}:")
            code.do("ret i64 0")
            code.do(f"{done}:")
            now = [code.load(x) for x in bars]
            for place, x in enumerate(self._spread(code, now)):
                code.store(code.multiply(h, x), weighted, place)
            with code.loop(count) as j:
                found, _ = at(2, *point(j), code.loads(code.place(j, size, weighted), size))
                for x, total in zip(found, sums, strict=True):
                    code.store(code.add(code.load(total), x), total)
            bar = code.place(n, size, "%bar")
            for i, x in enumerate(ends):
                code.store(functools.reduce(code.add, now[i::size], code.load(bar, i)), x)
        for i, x in enumerate((*ends, *sums)):
            code.store(code.load(x), "%out", i)
        code.do("ret i64 1")
        return code.written(f"define i64 @pull({_POINTERS} %stages, ptr %bar, ptr %out, i64 %count)")

    def _spread(self, code: Code, bars: Sequence[Value]) -> list[Value]:
        """Return for each stage the sum of all stages' cotangents, with the weights of its slope in them."""
        size = self.field.size
        columns = zip(*self.weights, strict=True)
        return [code.weighted(column, bars[i::size]) for column in columns for i in range(size)]


_POINTERS = "ptr %table, ptr %parameters, ptr %mesh, ptr"
ITERATIONS = 8  # of the equations of stages
_TURNS = 60  # of those of cotangents, which are found to rounding
_ROUNDING = 2.0**-50
