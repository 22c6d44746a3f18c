"""A right-hand side as machine code: for SciPy's `odeint` to call, and with the collocation along its solution.

`odeint` calls a Python function some hundred times for each solve, and spends most of its time there. Where the
right-hand side is straight code, LLVM compiles a function that CPython calls as one of C's: it reads the elements of y
where they lie, and writes into one array, which the solver copies. The stages of the collocation and the cotangents are
loops over the steps. There both systems of equations are solved by iteration, which converges fast where the solution
is not stiff on the mesh; elsewhere, and where a value is not finite, the functions on arrays and lists are used.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.primitive import Array
from tapenet.kernels import backends
from tapenet.kernels.memory import address
from tapenet.scipy.integrate.source import HEAD, Box, Source
from tapenet.scipy.straight import Steps, StraightField
from tapenet.scipy.straight_code import functions_of_c, table_of

Function = Callable[..., Any]

# Elements of y up to which code is compiled: it grows with their square, and larger systems gain less.
_LARGEST = 10
# Nodes of a field and its derivatives up to which it is compiled, in some 50 ms.
_MOST_NODES = 1000


# ---- CPython ----

_FASTCALL = 0x80  # its flag of functions that take their arguments as an array


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
    """Return what `Box.CALL` to `Box.ARRAY` hold; None where objects do not lie in memory as expected."""
    if sys.implementation.name != "cpython" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    x, y = np.empty(1), 0.5
    kinds = [ctypes.c_void_p.from_address(id(one) + HEAD - 8).value for one in (x, y)]
    lies = ctypes.c_void_p.from_address(id(x) + HEAD).value == address(x)
    if not lies or kinds != [id(np.ndarray), id(float)] or ctypes.c_double.from_address(id(y) + HEAD).value != y:
        return None
    names = ("PyObject_CallFunctionObjArgs", "Py_IncRef")
    found = [ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0 for name in names]
    return (*found, id(float), id(np.ndarray))


@functools.cache
def _maker() -> Function:
    """Return CPython's function that makes one of a method, with a prototype of its own: others may give it another."""
    kind = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    return kind(("PyCFunction_NewEx", ctypes.pythonapi))


def _made_function(method: _Method, own: Any) -> Function:
    function: Function = _maker()(ctypes.addressof(method), own, None)
    return function


# ---- what a solve uses ----


@attrs.define(eq=False)
class Calls:
    """The right-hand side as a function (t, y) of CPython's, and what it was called with in one solve.

    Attributes:
        method: the code.
        table: the addresses of C's functions.
        out: what the function gives each time.
        rows: time and y of each call, and room for more.
        box: what the code reads and counts.
        parameters: the elements of all arrays.
        otherwise: f of plain values, for where the code gives inf or NaN.
    """

    method: _Method
    table: Array
    out: Array
    rows: Array
    box: Array
    parameters: Array | None = None
    otherwise: Function | None = None

    @classmethod
    def of(cls, size: int, method: _Method, table: Array, interpreter: tuple[int, ...]) -> Calls:
        rows, out = np.empty((_ROWS, 1 + size)), np.empty(size)
        box = np.array([id(out), address(out), 0, address(table), address(rows), 0, _ROWS, 0, *interpreter])
        return cls(method, table, out, rows, box)

    def solved(self, parameters: Array, otherwise: Function, solve: Callable[[Function], Any]) -> Any:
        """Return what a solver gives that calls the function, and copies what that gives."""
        self.parameters, self.otherwise, box = parameters, otherwise, self.box
        called = self.called  # held here: the box has its address only
        box[Box.PARAMETERS], box[Box.COUNT], box[Box.OTHERWISE] = address(parameters), 0, id(called)
        try:
            return solve(_made_function(self.method, box))
        finally:
            box[Box.OTHERWISE] = 0
            self.parameters = self.otherwise = None

    def called(self, t: float, y: Array) -> Any:
        """Call f itself, and note it; make room for more calls."""
        count = int(self.box[Box.COUNT])
        if count == len(self.rows):
            self.rows = np.concatenate([self.rows, np.empty_like(self.rows)])
            self.box[Box.SEEN], self.box[Box.MOST] = address(self.rows), len(self.rows)
        self.rows[count, 0], self.rows[count, 1:] = t, y
        self.box[Box.COUNT] += 1
        assert self.otherwise is not None
        return self.otherwise(t, y)

    @property
    def seen(self) -> Array:
        """Time and y of each call so far."""
        return self.rows[: int(self.box[Box.COUNT])]


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
        arrange, find_stages, pull: the loops over calls and steps.
        library: what holds the code.
        spare: what solves use, one at a time.
    """

    size: int
    stages: int
    table: Array
    interpreter: tuple[int, ...]
    method: _Method
    arrange: Callable[..., int]
    find_stages: Callable[..., int]
    pull: Callable[..., int]
    library: Any
    spare: list[Calls] = attrs.field(factory=list)

    @contextlib.contextmanager
    def calls(self) -> Iterator[Calls]:
        """Lend what a solve uses."""
        try:
            calls = self.spare.pop()
        except IndexError:
            calls = Calls.of(self.size, self.method, self.table, self.interpreter)
        yield calls
        if len(calls.rows) <= _MOST_ROWS:
            self.spare.append(calls)

    def mesh(self, seen: Array, times: Array, y: Array) -> Mesh:
        """Return the output times, and between them every second time that f was called at last.

        Those of steps that were rejected are not among these. What the solver calls f with last is beside the solution
        by less than the tolerance.

        Args:
            seen: rows of time and y of each call.
            times, y: the output times, and the solution there.
        """
        times, y = np.ascontiguousarray(times), np.ascontiguousarray(y)
        most = len(times) + (len(seen) + 1) // 2
        numbers, places = np.empty((self.size + 2) * most), np.empty(most + len(times) + len(seen), np.int64)
        at, first = address(numbers), address(places)
        given = (address(seen), len(seen), address(times), len(times), address(y), most)
        count = self.arrange(*given, at, at + 16 * most, at + 8 * most, first)
        values = numbers[2 * most : 2 * most + count * self.size].reshape(count, self.size)
        ends = places[most : most + len(times)]
        return Mesh(numbers[:count], values, places[:count], numbers[most : most + count], ends)

    def stages_between(self, mesh: Array, y: Array, parameters: Array, errors: Array) -> Array | None:
        """Return the stages between the points of a mesh; None where the iteration does not converge.

        Args:
            mesh, y: the times, and the solution there.
            parameters: the elements of the arguments of the right-hand side.
            errors: those that stages may have, relative to them and absolute, for each element of y; shape (2, d).
        """
        found = np.empty((len(mesh) - 1, self.stages, self.size))
        places = map(address, (self.table, parameters, mesh, y, errors, found))
        return found if self.find_stages(*places, len(found)) else None

    def pulled(
        self, mesh: Array, stages: Array, bar: Array, arrays: Sequence[Array]
    ) -> tuple[Array, list[Array]] | None:
        """Return the cotangents of the initial value and of the arrays; None as above.

        Args:
            mesh, stages: as above.
            bar: the cotangents of y on the mesh.
            arrays: the arguments of the right-hand side.
        """
        parameters, stages = flat(arrays), np.ascontiguousarray(stages)
        out = np.empty(self.size + len(parameters))
        if not self.pull(*map(address, (self.table, parameters, mesh, stages, bar, out)), len(stages)):
            return None
        found, first = [], self.size
        for x in arrays:
            last = first + np.size(x)
            found.append(out[first:last].reshape(np.shape(x))[()])
            first = last
        return out[: self.size], found


@attrs.frozen(eq=False)
class Mesh:
    """The points along a solution.

    Attributes:
        times: of the points.
        y: the solution there.
        interval, fraction: of the output times that a point is in, and the fraction of it.
        ends: which points are output times.
    """

    times: Array
    y: Array
    interval: Array
    fraction: Array
    ends: Array


_MOST_ROWS = 2**16


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
    text = Source(field, codes, functions, nodes.tolist(), weights.tolist()).module()
    # Imported here: it needs llvmlite.
    machine_code = importlib.import_module("tapenet.kernels.machine_code")
    library = machine_code.compile_module(lambda: text, text)
    method = _Method(b"right_hand_side", library.address("called"), _FASTCALL, None)
    pointer, length = ctypes.c_void_p, ctypes.c_int64
    arrange = ctypes.PYFUNCTYPE(length, *[pointer, length] * 3, *[pointer] * 4)(library.address("arrange"))
    loop = ctypes.PYFUNCTYPE(length, *[pointer] * 6, length)
    loops = [loop(library.address(name)) for name in ("find_stages", "pull")]
    return Machine(field.size, len(nodes), table, interpreter, method, arrange, loops[0], loops[1], library)
