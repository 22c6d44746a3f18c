"""What tells functions of a user's apart by what they compute: users give a new lambda for each call of a solver."""

from __future__ import annotations

import builtins
import dis
import functools
import sys
import types
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import attrs
import numpy as np

from tapenet.transforms.calls import is_array, is_differentiable

Function = Callable[..., Any]

_LIBRARIES = ("numpy", "math", "tapenet.numpy")
_BUILTINS = frozenset(
    "abs all any bool dict divmod enumerate filter float frozenset int isinstance len list map max min pow range "
    "reversed round set slice sorted str sum tuple type zip".split()
)
_NUMBERS = (bool, int, float, complex, str, bytes, type(None))
_LARGEST = 400  # elements of arrays that are compared
_DEPTH = 8  # of functions and containers within each other


class _HiddenError(Exception):
    """What a function reads cannot be told."""


def identity_of(f: Function) -> Hashable | None:
    """Return a key, equal for two functions only if they compute the same from the same arguments.

    It holds the code, and what the code reads from around it: modules of NumPy, `math` and `tapenet.numpy`, numbers,
    small arrays by their elements, containers of these, and other such functions. None where anything else is read.
    """
    try:
        return _of_function(f, _DEPTH)
    except _HiddenError:
        return None


def identity_of_value(x: Any) -> Hashable | None:
    """Return a key of a value that is equal only for values that are; None where that cannot be told."""
    try:
        return _of_value(x, _DEPTH)
    except _HiddenError:
        return None


def form_of(args: Any, depth: int = _DEPTH) -> Hashable | None:
    """Return what tells arguments apart but for their differentiable arrays; None where that cannot be told."""
    if is_array(args) and is_differentiable(args):
        return "array"
    if depth and type(args) in (tuple, list, dict):
        parts = [form_of(x, depth - 1) for x in (args.values() if type(args) is dict else args)]
        names = tuple(map(identity_of_value, args)) if type(args) is dict else ()
        return None if None in parts or None in names else (type(args), names, tuple(parts))
    return identity_of_value(args)


def space_of(x: Any) -> Any:
    """Return what tells arrays and numbers apart but for their elements."""
    return type(x) if type(x) in _SCALARS else (type(x), np.shape(x), getattr(x, "dtype", None))


_SCALARS = (float, np.float64)


def _of_function(f: Any, depth: int) -> Hashable:
    code = _read(f.__code__) if type(f) is types.FunctionType and depth else None
    if code is None:
        raise _HiddenError
    given, depth = f.__globals__, depth - 1
    around = [_of_value(cell.cell_contents, depth) for cell in _bound(f.__closure__)] if f.__closure__ else []
    for name in code.names:
        if name in given:
            around.append(_of_value(given[name], depth))
        elif name not in _BUILTINS:
            raise _HiddenError
    for defaults in (f.__defaults__, f.__kwdefaults__):
        around.append(None if defaults is None else _of_value(defaults, depth))
    if code.changes and any(map(_holds_mutable, (f.__defaults__, f.__kwdefaults__, *_values_around(f, code)))):
        raise _HiddenError
    return f.__code__, *around


def _bound(cells: tuple[types.CellType, ...]) -> tuple[types.CellType, ...]:
    for cell in cells:
        try:
            _ = cell.cell_contents
        except ValueError as error:
            raise _HiddenError from error
    return cells


def _values_around(f: types.FunctionType, code: _Code) -> Iterator[Any]:
    yield from (cell.cell_contents for cell in f.__closure__ or ())
    yield from (f.__globals__[name] for name in code.names if name in f.__globals__)


def _holds_mutable(x: Any) -> bool:
    return type(x) in (list, dict, np.ndarray) or (type(x) is tuple and any(map(_holds_mutable, x)))


def _of_value(x: Any, depth: int) -> Hashable:
    kind = type(x)
    if isinstance(x, types.ModuleType) and x.__name__ in _LIBRARIES:
        return x
    if kind in _NUMBERS:
        return kind, x, repr(x)  # which tells -0.0 from 0.0
    if isinstance(x, np.generic) or kind is np.ndarray:
        if x.dtype.kind not in "biufc" or x.size > _LARGEST:
            raise _HiddenError
        return kind, x.dtype, x.shape, x.tobytes()
    if kind is types.FunctionType and not _is_of_library(x):
        return _of_function(x, depth)
    if kind in _FUNCTIONS and _is_of_library(x):
        found: Hashable = x  # which the key keeps, so that no other takes its place in memory
        return found
    if depth and kind in (tuple, list, dict):
        parts = x.items() if kind is dict else x
        return kind, tuple([_of_value(part, depth - 1) for part in parts])
    raise _HiddenError


_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, type, type(np.sin), type(np.stack))


def _is_of_library(f: Any) -> bool:
    if type(f) is np.ufunc:  # some versions of NumPy do not name their module; others may call functions of Python
        return getattr(np, f.__name__, None) is f
    module = getattr(f, "__module__", None) or ""
    if module == "builtins":
        return f.__name__ in _BUILTINS and getattr(builtins, f.__name__) is f
    if module.partition(".")[0] not in ("numpy", "math") and not module.startswith(("tapenet.numpy", "tapenet.ops.")):
        return False
    # A user's function may state the module of a library's: functools.wraps gives it that.
    return getattr(sys.modules.get(module), f.__name__, None) is f


# Code that reads or writes beyond its variables, or reads a value past the tape.
_BEYOND = frozenset(("IMPORT_NAME", "STORE_GLOBAL", "DELETE_GLOBAL", "STORE_ATTR", "DELETE_ATTR", "LOAD_NAME"))
_PAST = frozenset(("value", "_value", "tape", "owner", "random"))
_WRITES = frozenset(("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE"))
_CHANGING = frozenset("append extend insert pop remove clear update setdefault popitem sort reverse fill put".split())


@attrs.frozen
class _Code:
    """What code reads.

    Attributes:
        names: of globals.
        changes: whether it may write into containers.
    """

    names: tuple[str, ...]
    changes: bool


@functools.lru_cache(maxsize=1024)
def _read(code: types.CodeType) -> _Code | None:
    """Return what code reads; None where it may read or write anything else."""
    names, changes = list[str](), False
    for part in _codes(code):
        for x in dis.get_instructions(part):
            is_attribute = x.opname in ("LOAD_ATTR", "LOAD_METHOD")
            if x.opname in _BEYOND or (is_attribute and x.argval in _PAST):
                return None
            if x.opname in ("STORE_DEREF", "DELETE_DEREF") and x.argval in code.co_freevars:
                return None
            if x.opname == "LOAD_GLOBAL":
                names.append(str(x.argval))
            changes = changes or x.opname in _WRITES or (is_attribute and x.argval in _CHANGING)
    return _Code(tuple(dict.fromkeys(names)), changes)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Return a function's code and that of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)
