"""What a function takes from around it: the arrays and numbers of its closure, globals, defaults and fields.

A program must not freeze them: they are inputs that are read at each call. While the function is recorded a copy of it
runs in which they are values of the recording; it is the same code, with other cells and globals.
"""

from __future__ import annotations

import dis
import functools
import inspect
import operator
import os
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.nondifferentiable import NondifferentiableFunction
from tapenet.core.primitive import Primitive
from tapenet.core.pytrees import field_names, is_node, tree_flatten_with_none, tree_flatten_with_static
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError
from tapenet.program.instructions import Program
from tapenet.transforms.recording import Recording
from tapenet.transforms.transformed import Transformed

_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(__file__))) + os.sep
_LIBRARIES = tuple(sysconfig.get_path(name) + os.sep for name in ("purelib", "platlib", "stdlib"))
_DEPTH = 20  # of functions that hold functions
_GENERATORS = (np.random.Generator, np.random.RandomState)
_NUMBERS = (bool, int, float, complex, str, type(None))


@attrs.frozen(eq=False)
class Place:
    """Where a value around a function is held.

    Attributes:
        holder: a cell, the dictionary of a module, or an object.
        name: in the dictionary or of the field; for a cell that of the variable.
    """

    holder: Any
    name: str

    def read(self) -> Any:
        """Return what is held there now."""
        if type(self.holder) is types.CellType:
            return self.holder.cell_contents if _is_bound(self.holder) else None
        if type(self.holder) is dict:
            return self.holder.get(self.name)
        return getattr(self.holder, self.name, None)


@attrs.define(eq=False)
class Environment:
    """The values around a function.

    Attributes:
        places: of those that are arrays, numbers, or pytrees that hold arrays.
        others: what is held elsewhere: functions, None, objects. Where one is replaced, another environment holds.
        generators: of random numbers, which are not arguments.
        containers: mutable ones that hold no arrays, and what is in them.
        writes: what the function writes into around it, for errors; empty where it does not.
        namespaces: objects that are not pytrees, classes and modules, with the names of attributes that code reads.
        recordings: what pullbacks and pushforwards walk through; it stays as it is, its values are constants.
    """

    places: list[Place] = attrs.field(factory=list)
    others: list[tuple[Place, Any]] = attrs.field(factory=list)
    generators: list[np.random.Generator | np.random.RandomState] = attrs.field(factory=list)
    containers: list[tuple[Any, tuple[Any, ...]]] = attrs.field(factory=list)
    writes: list[str] = attrs.field(factory=list)
    namespaces: list[tuple[Any, tuple[str, ...]]] = attrs.field(factory=list)
    recordings: list[Recording] = attrs.field(factory=list)

    def values(self) -> tuple[Any, ...]:
        """Return what is held in each place now."""
        return tuple([place.read() for place in self.places])

    def is_current(self) -> bool:
        """Return whether everything else is what it was."""
        for place, value in self.others:  # at each call of a compiled function: without generators
            if place.read() is not value:
                return False
        for container, parts in self.containers:
            if not holds_still(container, parts):
                return False
        return True


def parts_of(container: Any) -> tuple[Any, ...]:
    """Return what is in a container; while that is held, another object does not take its place in memory."""
    return (*container, *container.values()) if isinstance(container, dict) else tuple(container)


def holds_still(container: Any, parts: tuple[Any, ...]) -> bool:
    """Return whether nothing was put into a container, or taken out."""
    now = parts_of(container)
    return len(now) == len(parts) and all(map(operator.is_, now, parts))


def environment_of(f: Callable[..., Any]) -> Environment:
    """Find what a function visibly takes from around it, also through other functions."""
    found, seen = Environment(), set[Any]()
    _visit(f, found, seen, _DEPTH)
    beyond = Environment(namespaces=found.namespaces)
    while beyond.namespaces:
        _visit_attributes(*beyond.namespaces.pop(), beyond, seen, _DEPTH)
    # Copies of functions do not reach what methods of such objects read, so it is watched rather than given.
    found.others += [*beyond.others, *[(place, place.read()) for place in beyond.places]]
    found.generators += beyond.generators
    found.containers += beyond.containers
    found.writes += beyond.writes
    return found


def _visit(f: Any, found: Environment, seen: set[Any], depth: int) -> None:
    f = _inlined(f)
    if id(f) in seen or depth == 0 or isinstance(f, Primitive | NondifferentiableFunction | Program):
        return
    seen.add(id(f))
    if isinstance(f, Recording):
        found.recordings.append(f)
        return
    for place in _places_of(f):
        key = (id(place.holder), place.name)
        if key in seen:
            continue
        seen.add(key)
        value = place.read()
        kept = is_kept(value)
        if isinstance(value, _GENERATORS):
            found.generators.append(value)
        elif kept:
            found.places.append(place)
        elif type(place.holder) in (types.CellType, dict) and not isinstance(value, _FIXED):
            found.others.append((place, value))
        if not kept and isinstance(value, tuple | list | dict):  # those of a partial function, among others
            found.generators += [x for x in tree_flatten_with_none(value)[0] if isinstance(x, _GENERATORS)]
        if not kept and _shows_containers(f):
            found.containers += [(x, parts_of(x)) for x in _containers_in(value, seen)]
        reader = f.__func__ if isinstance(f, types.MethodType) else f
        if not kept and isinstance(reader, types.FunctionType) and _is_users(reader):
            found.namespaces.append((value, _attributes_of(reader.__code__)))
        for part in _functions_below(value, depth) if kept else _functions_in(value):
            _visit(part, found, seen, depth - 1)
    if not isinstance(f, _FUNCTIONS):
        found.namespaces.append((f, ()))
    if isinstance(f, types.FunctionType) and _is_users(f):
        found.writes += [f"{f.__name__} {what}" for what in _writes(f.__code__, frozenset(f.__code__.co_freevars))]


def _shows_containers(f: Any) -> bool:
    """Return whether containers that are read through f are watched: not those of tapenet's own classes, its caches."""
    if isinstance(f, types.FunctionType):
        return True
    module = sys.modules.get(type(f).__module__)
    return not isinstance(f, functools.partial) and _is_users_file(getattr(module, "__file__", None) or "")


def _visit_attributes(x: Any, names: tuple[str, ...], found: Environment, seen: set[Any], depth: int) -> None:
    """Watch attributes that code reads of an object that is not a pytree, of a class or of a module of the user's."""
    if depth == 0 or (id(x), names) in seen:
        return
    seen.add((id(x), names))
    if isinstance(x, tuple | list | dict):
        for part in x.values() if isinstance(x, dict) else x:
            _visit_attributes(part, names, found, seen, depth - 1)
    elif _is_namespace(x):
        for name in (*names, "__call__"):
            _visit_attribute(Place(x, name), names, found, seen, depth)


def _visit_attribute(place: Place, names: tuple[str, ...], found: Environment, seen: set[Any], depth: int) -> None:
    value = inspect.getattr_static(place.holder, place.name, _MISSING)
    value = getattr(value, "fget", getattr(value, "__func__", value))  # of properties, static and class methods
    if isinstance(value, types.MemberDescriptorType):  # of slots
        value = place.read()
    if isinstance(value, types.FunctionType):  # a method, which reads others
        _visit(value, found, seen, depth)
        if _is_users(value):
            found.namespaces.append((place.holder, _attributes_of(value.__code__)))
    elif isinstance(value, _GENERATORS):
        found.generators.append(value)
    elif value is _MISSING or hasattr(type(value), "__get__"):  # reading it could run code
        return
    elif isinstance(value, _NUMBERS) or not _holds_arrays(value):
        found.others.append((place, value))
        found.containers += [(part, parts_of(part)) for part in _containers_in(value, seen)]
        _visit_attributes(value, names, found, seen, depth - 1)


def _holds_arrays(value: Any) -> bool:
    try:
        return is_kept(value)
    except ArgumentError:  # a container that holds itself, say
        return False


def _is_namespace(x: Any) -> bool:
    """Return whether what an object holds is the user's, and can be seen."""
    if isinstance(x, _HOLDS_NONE) or is_node(type(x)):
        return False
    module = x if isinstance(x, types.ModuleType) else sys.modules.get(getattr(x, "__module__", ""))
    return _is_users_file(getattr(module, "__file__", None) or "") or isinstance(x, types.SimpleNamespace)


def _containers_in(value: Any, seen: set[Any]) -> Iterator[Any]:
    """Return a mutable container and those inside it, once each."""
    if isinstance(value, tuple | list | dict | set) and id(value) not in seen:
        seen.add(id(value))
        if not isinstance(value, tuple):
            yield value
        for part in value.values() if isinstance(value, dict) else value:
            yield from _containers_in(part, seen)


def _inlined(f: Any) -> Any:
    """Return the function that a compiled or transformed function calls; anything else as it is."""
    while isinstance(f, Transformed) or hasattr(type(f), "inlined"):
        f = f.function if isinstance(f, Transformed) else f.inlined
    return f


def is_kept(value: Any) -> bool:
    """Return whether a value around a function is an input of its program."""
    if isinstance(value, _NUMBERS):
        return value is not None
    if isinstance(value, np.ndarray | np.generic) or type(value) is Tensor:
        return True
    if isinstance(value, Recording) or (callable(value) and not is_node(type(value))):
        return False
    if isinstance(value, types.ModuleType) or (not isinstance(value, tuple | list | dict) and not is_node(type(value))):
        return False
    leaves = tree_flatten_with_static(value, none_is_leaf=True)[0]
    arrays = [isinstance(x, np.ndarray | np.generic) or type(x) is Tensor for x in leaves]
    return any(arrays) and all(is_array or isinstance(x, _NUMBERS) for is_array, x in zip(arrays, leaves, strict=True))


_FIXED = (types.ModuleType, types.BuiltinFunctionType, type)  # what nobody gives another value
_ARRAYS = frozenset({Tensor, np.ndarray})
_FUNCTIONS = (types.FunctionType, types.MethodType, functools.partial)
_MISSING = object()
_HOLDS_NONE = (*_FUNCTIONS, *_NUMBERS, *_GENERATORS, np.ndarray, np.generic, Tensor)


def _functions_below(value: Any, depth: int) -> Iterator[Any]:
    """Return the functions in the fields of what a kept value is made of."""
    if type(value) in _ARRAYS:
        return
    value = _inlined(value)
    if isinstance(value, _FUNCTIONS):
        yield value
    elif depth and isinstance(value, tuple | list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _functions_below(part, depth - 1)
    elif depth and is_node(type(value)):
        for name in field_names(type(value)):
            yield from _functions_below(getattr(value, name, None), depth - 1)


def _functions_in(value: Any) -> Iterator[Any]:
    """Return the functions that a value is or holds."""
    value = _inlined(value)
    if isinstance(value, _FUNCTIONS) or is_node(type(value)):
        yield value
    elif isinstance(value, tuple | list | dict):
        yield from (x for x in (value.values() if isinstance(value, dict) else value) if callable(x))


def _places_of(f: Any) -> Iterator[Place]:
    """Return the places that a function, a partial function, a method or a callable object reads."""
    if isinstance(f, types.MethodType):
        yield Place(f, "__self__")
        yield Place(f, "__func__")
    elif isinstance(f, functools.partial):
        yield from (Place(f, name) for name in ("func", "args", "keywords"))
    elif isinstance(f, types.FunctionType):
        cells = zip(f.__code__.co_freevars, f.__closure__ or (), strict=True)
        yield from (Place(cell, name) for name, cell in cells if _is_bound(cell))
        if _is_users(f):
            yield from (Place(f.__globals__, name) for name in _globals_of(f.__code__) if name in f.__globals__)
        yield from (Place(f, name) for name in ("__defaults__", "__kwdefaults__") if getattr(f, name))
    elif is_node(type(f)):
        yield from (Place(f, name) for name in field_names(type(f)) if hasattr(f, name))


@functools.cache
def _is_users_file(path: str) -> bool:
    return not path.startswith(_PACKAGE) and not path.startswith(_LIBRARIES) and not path.startswith("<frozen")


def _is_users(f: types.FunctionType) -> bool:
    return _is_users_file(f.__code__.co_filename)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Return a function's code and that of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


@functools.lru_cache(maxsize=4096)
def _globals_of(code: types.CodeType) -> tuple[str, ...]:
    """Return the names of globals that code reads."""
    instructions = (instruction for part in _codes(code) for instruction in dis.get_instructions(part))
    return tuple(dict.fromkeys(str(x.argval) for x in instructions if x.opname in ("LOAD_GLOBAL", "LOAD_NAME")))


@functools.lru_cache(maxsize=4096)
def _attributes_of(code: types.CodeType) -> tuple[str, ...]:
    """Return the names of attributes that code reads."""
    instructions = (instruction for part in _codes(code) for instruction in dis.get_instructions(part))
    return tuple(dict.fromkeys(str(x.argval) for x in instructions if x.opname in ("LOAD_ATTR", "LOAD_METHOD")))


@functools.lru_cache(maxsize=4096)
def _writes(code: types.CodeType, free: frozenset[str]) -> tuple[str, ...]:
    """Return what code writes into around it: globals, variables of an enclosing function, attributes."""
    found = []
    for part in _codes(code):
        own = set(part.co_cellvars)
        for x in dis.get_instructions(part):
            if x.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                found.append(f"assigns to the global {x.argval}")
            elif x.opname in ("STORE_DEREF", "DELETE_DEREF") and x.argval in free and x.argval not in own:
                found.append(f"assigns to {x.argval} of the function around it")
            elif x.opname in ("STORE_ATTR", "DELETE_ATTR"):
                found.append(f"assigns to the attribute {x.argval}")
    return tuple(dict.fromkeys(found))


# ---- a copy of a function, with other values around it ----


def with_values(f: Callable[..., Any], places: Sequence[Place], values: Sequence[Any]) -> Callable[..., Any]:
    """Return a function of the same code that finds these values in these places."""
    changed = {(id(place.holder), place.name): value for place, value in zip(places, values, strict=True)}
    copied: Callable[..., Any] = _Copies(changed).of(f, _DEPTH)
    return copied


@attrs.define(eq=False)
class _Copies:
    """Copies of functions, by the identity of what they are of; `changed` is by holder and name."""

    changed: dict[tuple[int, str], Any]
    made: dict[int, Any] = attrs.field(factory=dict)
    modules: dict[int, dict[str, Any]] = attrs.field(factory=dict)
    needed: dict[int, bool] = attrs.field(factory=dict)

    def of(self, value: Any, depth: int) -> Any:
        """Return the copy of a value; itself where nothing in it changes."""
        value = _inlined(value)
        if id(value) in self.made:
            return self.made[id(value)]
        if isinstance(value, Recording) or not self._needs(value, set(), depth):
            return value
        if isinstance(value, types.FunctionType):
            return self._function(value, depth)
        if isinstance(value, types.MethodType):
            return types.MethodType(
                self._at(Place(value, "__func__"), depth), self._at(Place(value, "__self__"), depth)
            )
        if isinstance(value, functools.partial):
            args, keywords = (self._at(Place(value, name), depth) for name in ("args", "keywords"))
            return functools.partial(self._at(Place(value, "func"), depth), *args, **keywords)
        if isinstance(value, dict):
            return {key: self.of(x, depth) for key, x in value.items()}
        if isinstance(value, tuple | list):
            parts = [self.of(x, depth) for x in value]
            return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
        copy = object.__new__(type(value))
        self.made[id(value)] = copy
        for name in field_names(type(value)):
            object.__setattr__(copy, name, self._at(Place(value, name), depth))
        return copy

    def _at(self, place: Place, depth: int) -> Any:
        """Return what a copy finds at a place."""
        key = (id(place.holder), place.name)
        if key not in self.changed:
            return self.of(place.read(), depth - 1)
        self._fit_functions(self.changed[key], depth - 1)
        return self.changed[key]

    def _fit_functions(self, made: Any, depth: int) -> None:
        """Put copies of functions into the fields of a pytree that was made for the recording."""
        if type(made) in _ARRAYS:
            return
        if depth and isinstance(made, tuple | list | dict):
            for part in made.values() if isinstance(made, dict) else made:
                self._fit_functions(part, depth - 1)
        elif depth and is_node(type(made)):
            for name in field_names(type(made)):
                value = getattr(made, name, None)
                if isinstance(_inlined(value), _FUNCTIONS):
                    object.__setattr__(made, name, self.of(value, depth - 1))
                else:
                    self._fit_functions(value, depth - 1)

    def _needs(self, value: Any, open_: set[int], depth: int) -> bool:
        """Return whether anything that a value reaches changes."""
        value = _inlined(value)
        if id(value) in self.needed:
            return self.needed[id(value)]
        if id(value) in open_ or depth == 0:
            return False
        open_.add(id(value))
        if isinstance(value, tuple | list | dict):
            parts = value.values() if isinstance(value, dict) else value
            nested = (x for x in parts if callable(x) or isinstance(x, tuple | list | dict))
            return any(self._needs(x, open_, depth) for x in nested)
        needs = any(
            (id(place.holder), place.name) in self.changed or self._needs(place.read(), open_, depth - 1)
            for place in _places_of(value)
        )
        if needs:
            self.needed[id(value)] = True
        return needs

    def _function(self, f: types.FunctionType, depth: int) -> types.FunctionType:
        names = _globals_of(f.__code__) if _is_users(f) else ()
        cells = [types.CellType() for _ in f.__closure__ or ()]
        module = self._module(f.__globals__) if names else f.__globals__
        copy = types.FunctionType(f.__code__, module, f.__name__, f.__defaults__, tuple(cells) or None)
        self.made[id(f)] = copy
        copy.__kwdefaults__ = f.__kwdefaults__
        copy.__dict__.update(f.__dict__)
        copy.__module__, copy.__qualname__ = f.__module__, f.__qualname__
        for name, cell, own in zip(f.__code__.co_freevars, cells, f.__closure__ or (), strict=True):
            if _is_bound(own):
                cell.cell_contents = self._at(Place(own, name), depth)
        for name in names:
            if name in f.__globals__:
                module[name] = self._at(Place(f.__globals__, name), depth)
        for name in ("__defaults__", "__kwdefaults__"):
            if getattr(f, name):
                setattr(copy, name, self._at(Place(f, name), depth))
        return copy

    def _module(self, names: dict[str, Any]) -> dict[str, Any]:
        if id(names) not in self.modules:
            self.modules[id(names)] = dict(names)
        return self.modules[id(names)]


def _is_bound(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True
