"""Roots by SciPy's solvers of C, of functions that are machine code.

SciPy declares its bracketing solvers for Cython, `scipy.optimize.cython_optimize`, and gives their addresses where
Cython's `cimport` finds them. They are those that its functions of Python call, so that roots are the same to the last
bit.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.primitive import Array
from tapenet.kernels import backends
from tapenet.scipy.straight import Steps, StraightField
from tapenet.scipy.straight_code import DECLARED, Code, Node, functions_of_c, table_of

_MOST_NODES = 1000


class _Report(ctypes.Structure):
    """SciPy's `zeros_full_output`."""

    _fields_ = (
        ("calls", ctypes.c_int),
        ("iterations", ctypes.c_int),
        ("error", ctypes.c_int),
        ("root", ctypes.c_double),
    )


@functools.cache
def _solver(name: str) -> Any:
    """Return a solver of SciPy's; None where this SciPy does not give it."""
    # With prototypes of their own: others may give the functions of `pythonapi` another.
    name_of = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", ctypes.pythonapi))
    kind = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    address_of = kind(("PyCapsule_GetPointer", ctypes.pythonapi))
    try:
        capsule = importlib.import_module("scipy.optimize.cython_optimize._zeros").__pyx_capi__[name]
    except (ImportError, AttributeError, KeyError):
        return None
    declared = name_of(capsule)
    if not declared.startswith(b"double (") or not declared.endswith(_ARGUMENTS):
        return None
    found = address_of(capsule, declared)
    pointer, number = ctypes.c_void_p, ctypes.c_double
    return ctypes.PYFUNCTYPE(number, pointer, number, number, pointer, number, number, ctypes.c_int, pointer)(found)


_ARGUMENTS = (
    b", double, double, void *, double, double, int, "
    b"__pyx_t_5scipy_8optimize_15cython_optimize_6_zeros_zeros_full_output *)"
)


@attrs.frozen(eq=False)
class Bracketed:
    """A call of a bracketing solver.

    Attributes:
        name: of SciPy's function.
        low, high, xtol, rtol, maxiter: its arguments.
    """

    name: str
    low: float
    high: float
    xtol: float
    rtol: float
    maxiter: int

    @classmethod
    def of(cls, name: str, low: Any, high: Any, xtol: Any, rtol: Any, maxiter: Any) -> Bracketed | None:
        """Return the call; None where the arguments are not such as SciPy's function of Python takes."""
        if type(low) not in _NUMBERS or type(high) not in _NUMBERS or type(maxiter) is not int:
            return None
        is_valid = xtol > 0 and rtol >= _LEAST and 0 <= maxiter < 2**31
        return cls(name, low, high, xtol, rtol, maxiter) if is_valid else None

    def root(self, level: Level, arrays: Sequence[Array]) -> float | None:
        """Return the root; None where there is none, or a value of f is not finite."""
        solver = _solver(self.name)
        if solver is None:
            return None
        given, report = level.arguments(arrays), _Report()
        at, told = ctypes.addressof(given), ctypes.addressof(report)
        root: float = solver(level.place, self.low, self.high, at, self.xtol, self.rtol, self.maxiter, told)
        return None if report.error or given[0] != 0 else root


_NUMBERS = frozenset((int, float, np.float64))
_LEAST = 4 * float(np.finfo(float).eps)


@attrs.frozen(eq=False)
class Level:
    """A function of one number as machine code.

    Attributes:
        place: its address.
        table: the addresses of C's functions, as numbers of the same bits.
        kind: of the array that the code reads.
        library: what holds the code.
    """

    place: int
    table: tuple[float, ...]
    kind: Any
    library: Any

    def arguments(self, arrays: Sequence[Array]) -> Any:
        """Return what the code reads: a number that is 0 until a value is not finite, addresses, and the elements."""
        if len(arrays) != 1 or type(arrays[0]) not in _NUMBERS:
            arrays = [element for x in arrays for element in np.ravel(x).tolist()]
        return self.kind(0.0, *self.table, *arrays)


def level_of(field: StraightField) -> Level | None:
    """Return a function of one number as machine code; None where there is none."""
    if not (_HAS_LONG_ADDRESSES and backends.has_machine_code()):
        return None
    found: Level | None = field.lowered("level", lambda codes: _compiled(field, codes[0]))
    return found


_HAS_LONG_ADDRESSES = ctypes.sizeof(ctypes.c_void_p) == 8


def _compiled(field: StraightField, steps: Steps) -> Level | None:
    functions = functions_of_c([steps])
    table = table_of(functions)
    if table is None or len(steps.operations) > _MOST_NODES:
        return None
    code = Code()
    callees = {name: code.load("%arguments", 1 + i, "ptr") for i, name in enumerate(functions)}
    first = 1 + len(table)
    inputs: dict[Node, str] = {node: code.load("%arguments", first + i) for i, node in enumerate(field.parameters)}
    (found,), trouble = code.straight(steps, inputs | {("y", (0,)): "%x"}, callees)
    trouble = code.add(trouble, code.subtract(found, found))
    code.store(code.add(code.load("%arguments"), trouble), "%arguments")
    code.do(f"ret double {found}")
    text = DECLARED + code.written("define double @level(double %x, ptr %arguments)")
    # Imported here: it needs llvmlite.
    library = importlib.import_module("tapenet.kernels.machine_code").compile_module(lambda: text, text)
    kind = ctypes.c_double * (first + len(field.parameters))
    return Level(library.address("level"), tuple(table.view(float).tolist()), kind, library)
