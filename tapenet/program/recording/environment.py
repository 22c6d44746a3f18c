"""What a function takes from around it: the arrays and numbers of its closure, globals, defaults and fields.

A program must not freeze them: they are inputs that are read at each call, or watched.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import io
import itertools
import os
import random
import sys
import sysconfig
import threading
import types
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import attrs
import numpy as np

from tapenet.core.nondifferentiable import NondifferentiableFunction
from tapenet.core.primitive import Primitive
from tapenet.core.pytrees import field_names, is_node, tree_flatten_with_static
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError
from tapenet.program.instructions import Program
from tapenet.program.recording.code_reading import (
    EVERY,
    attributes_of,
    globals_of,
    imports_of,
    literals_of,
    reads_namespace,
    tests_classes,
    tests_numbers,
    writes_of,
)
from tapenet.program.recording.containers import (
    containers_in,
    holds_still,
    inside,
    is_container,
    parts_of,
    saved_arrays,
    saved_containers,
)
from tapenet.program.recording.generators import SharedStreams, saved, state_of
from tapenet.tape import GradientTape
from tapenet.transforms.custom import custom_jvp, custom_vjp
from tapenet.transforms.recording import Recording
from tapenet.transforms.transformed import Transformed

_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(__file__))) + os.sep
_LIBRARIES = tuple(sysconfig.get_path(name) + os.sep for name in ("purelib", "platlib", "stdlib"))
# Functions of these take Tensors for arrays, take no numbers, or call what is read.
_READ = (
    "numpy",
    "attr",
    "attrs",
    "functools.py",
    "collections",
    "dataclasses.py",
    "typing.py",
    "enum.py",
    "lib-dynload",
)
_OF_ARRAYS = tuple(os.path.join(folder, name) for folder in _LIBRARIES for name in _READ)
_SMALL = 2**20  # bytes of an array that is copied lest a recording write into it
_WATCHED = 2**16  # bytes of an array that is compared at each call, as its numbers may be read off
_PLAIN = frozenset({("types", "SimpleNamespace"), ("argparse", "Namespace")})
DEPTH = 20  # of functions that hold functions
_MOST_OBJECTS = 1000  # that are watched, of a program that reaches more
_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)
_DICTS = (dict, types.MappingProxyType)
_NUMBERS = (bool, int, float, complex, str, type(None))


@attrs.frozen(eq=False)
class Place:
    """Where a value around a function is held.

    Attributes:
        holder: a cell, the dictionary of a module or a class, or an object.
        name: in the dictionary or of the field; for a cell that of the variable.
    """

    holder: Any
    name: str

    def read(self) -> Any:
        """Return what is held there now."""
        if type(self.holder) is types.CellType:
            return self.holder.cell_contents if is_bound(self.holder) else None
        if type(self.holder) in _DICTS:
            return self.holder.get(self.name)
        return getattr(self.holder, self.name, None)


@attrs.define(eq=False)
class Environment:
    """The values around a function.

    Attributes:
        places: of those that are arrays, numbers, or pytrees that hold arrays.
        others: what is held elsewhere: functions, None, objects. Where one is replaced, another environment holds.
        generators: of random numbers, which are not arguments.
        containers: mutable ones that hold no arrays, small arrays beside those of `places`, and what is in them.
        arrays: in attributes and in containers with other things, which a recording writes into itself; small ones.
        items: the numbers in containers that hold arrays, too: the container, the key, the number.
        contexts: variables of the context, and their values.
        sizes: the dictionaries of objects, and how many attributes there were.
        writes: what the function writes into around it, for errors; empty where it does not.
        namespaces: objects that are not pytrees, classes, modules and containers of them.
        names: of the attributes that the code reads, of whatever object.
        recordings: what pullbacks and pushforwards walk through; it stays as it is, its values are constants.
        literals: the numbers that are written in the code, each with its class.
        tests_numbers: whether the code may go by whether a value is a number of Python's.
        tests_classes: whether the code may go by the class of some value, or calls functions that are not read.
        watches: whether it may be no longer current.
    """

    places: list[Place] = attrs.field(factory=list)
    others: list[tuple[Place, Any]] = attrs.field(factory=list)
    generators: list[Any] = attrs.field(factory=list)
    containers: list[tuple[Any, tuple[Any, ...]]] = attrs.field(factory=list)
    arrays: list[Any] = attrs.field(factory=list)
    items: list[tuple[Any, Any, Any]] = attrs.field(factory=list)
    contexts: list[tuple[ContextVar[Any], Any]] = attrs.field(factory=list)
    sizes: list[tuple[Mapping[str, Any], int]] = attrs.field(factory=list)
    writes: list[str] = attrs.field(factory=list)
    namespaces: list[Any] = attrs.field(factory=list)
    names: set[str] = attrs.field(factory=set)
    recordings: list[Recording] = attrs.field(factory=list)
    literals: set[tuple[type, object]] = attrs.field(factory=set)
    tests_numbers: bool = False
    tests_classes: bool = False
    watches: bool = True
    _of_modules: list[tuple[Any, str, Any]] = attrs.field(factory=list)
    _attributes: list[tuple[Any, str, Any]] = attrs.field(factory=list)

    def values(self) -> tuple[Any, ...]:
        """Return what is held in each place now."""
        return tuple([place.read() for place in self.places])

    def is_current(self) -> bool:
        """Return whether everything else is what it was; where the function writes into it, nothing depends on that."""
        if self.writes:
            return True
        for names, name, value in self._of_modules:  # at each call of a compiled function: without generators
            if names.get(name) is not value:
                return False
        try:
            for holder, name, value in self._attributes:
                if getattr(holder, name) is not value:
                    return False
            for container, key, value in self.items:
                if container[key] is not value:
                    return False
        except (AttributeError, LookupError, ValueError):  # what is no longer there; an empty cell
            return False
        if not (self.sizes or self.containers or self.contexts):
            return True
        for names, size in self.sizes:
            if len(names) != size:
                return False
        for container, parts in self.containers:
            if not holds_still(container, parts):
                return False
        for variable, value in self.contexts:
            if variable.get(_MISSING) is not value:
                return False
        return True

    def changed(self) -> str:
        """Return the name of something that is no longer what it was."""
        names = (place.name for place, value in self.others if place.read() is not value)
        return next(names, "a container, an array or a number of attributes")

    def saved(self, streams: SharedStreams) -> Callable[[], None]:
        """Return a function that undoes what a recording that is given up has drawn and put into containers.

        Args:
            streams: as they are now.
        """
        restores = (
            saved(self.generators),
            streams.restore,
            saved_containers([container for container, _ in self.containers]),
            saved_arrays(self.arrays),
        )

        def restore() -> None:
            for undo in restores:
                undo()

        return restore

    def watched(self) -> Callable[[], bool]:
        """Return a function that tells whether its own streams, containers and arrays are what they are now."""
        before = self._state()
        containers = [(container, parts_of(container)) for container, _ in self.containers]
        return lambda: self._state() == before and all(holds_still(*pair) for pair in containers)

    def _state(self) -> tuple[Any, ...]:
        streams = [state_of(generator) for generator in self.generators]
        return streams, [x.tobytes() for x in self.arrays]

    def known_numbers(self, leaves: Sequence[Any]) -> set[tuple[type, object]]:
        """Return the numbers that are known to be the same at the next call, each with its class."""
        numbers = [x for x in (*leaves, *(value for _, value in self.others)) if type(x) is float]
        return {*self.literals, *[(float, abs(x)) for x in numbers]}

    def add(self, beyond: Environment) -> None:
        """Add what copies of functions do not reach: it is watched rather than given."""
        self.others += [*beyond.others, *[(place, place.read()) for place in beyond.places]]
        self.generators += beyond.generators
        self.containers += [*beyond.containers, *_numbers(x for place in beyond.places for x in inside(place.read()))]
        self.arrays += beyond.arrays
        self.items += beyond.items
        self.contexts += beyond.contexts
        self.sizes += beyond.sizes
        self.writes += beyond.writes
        self.literals |= beyond.literals
        self.tests_numbers = self.tests_numbers or beyond.tests_numbers
        self.tests_classes = self.tests_classes or beyond.tests_classes

    def prepared(self) -> Environment:
        """Return itself, ready for `is_current`."""
        for place, value in self.others:
            name = "cell_contents" if type(place.holder) is types.CellType else place.name
            kept = self._of_modules if type(place.holder) in _DICTS else self._attributes
            kept.append((place.holder, name, value))
        self.watches = bool(self.others or self.items or self.sizes or self.containers or self.contexts)
        return self


def environment_of(f: Callable[..., Any]) -> Environment:
    """Find what a function visibly takes from around it, also through other functions."""
    found, seen = Environment(), set[Any]()
    _visit(f, found, seen, DEPTH)
    beyond = _beyond(found.namespaces, found.names, seen)
    found.add(beyond)
    found.names = beyond.names
    return found.prepared()


def surroundings_of(arguments: Any, static: Any, names: Collection[str]) -> Environment:
    """Find what functions and objects among arguments take from around them: all of it is watched.

    Args:
        arguments: what they are, or are fields of.
        static: the arguments that are given as they are.
        names: of the attributes that the function reads.
    """
    found = Environment()
    found.generators += [x for x in inside(static) if isinstance(x, _GENERATORS)]
    found.add(_beyond([static, *_functions_below(arguments, DEPTH)], {*names}, set()))
    return found.prepared()


def with_surroundings(environment: Environment, others: Environment) -> Environment:
    """Return an environment with the streams and containers of another."""
    return attrs.evolve(
        environment,
        generators=[*environment.generators, *others.generators],
        arrays=[*environment.arrays, *others.arrays],
        containers=[*environment.containers, *others.containers],
        literals=environment.literals | others.literals,
        tests_numbers=environment.tests_numbers or others.tests_numbers,
        tests_classes=environment.tests_classes or others.tests_classes,
    )


def _beyond(namespaces: list[Any], names: set[str], seen: set[Any]) -> Environment:
    """Find what code reads of objects: it may be any object, as that may be an argument of another function."""
    found = Environment(namespaces=namespaces, names=names)
    reached: dict[int, Any] = {}
    count = -1
    while found.namespaces or len(found.names) > count:
        count = len(found.names)
        while found.namespaces:
            _reach(found.namespaces.pop(), reached, found, seen)
        for x in reached.values():
            for name in _names_in(x, found):
                if (id(x), name) not in seen:
                    seen.add((id(x), name))
                    for function in _definitions(x, name, found):
                        _visit(function, found, seen, DEPTH)
                    _visit_attribute(Place(x, name), found, seen)
    return found


def _reach(value: Any, reached: dict[int, Any], found: Environment, seen: set[Any]) -> None:
    """Visit functions, and note objects whose attributes may be read."""
    for x in inside(value):
        x = x() if isinstance(x, weakref.ref) else x
        if isinstance(x, (*FUNCTIONS, Primitive, Transformed)) or is_node(type(x)):
            _visit(x, found, seen, DEPTH)
        if len(reached) < _MOST_OBJECTS and ((isinstance(x, types.FunctionType) and x.__dict__) or _is_namespace(x)):
            if id(x) not in reached and not isinstance(x, types.ModuleType | types.FunctionType):
                found.sizes += [(names, len(names)) for names in _dictionaries(x)]
            reached.setdefault(id(x), x)


def _dictionaries(x: Any) -> Iterator[Mapping[str, Any]]:
    """Return where the attributes of an object or a class are held, of classes those of the user's."""
    own = getattr(x, "__dict__", None)
    if type(own) is dict:
        yield own
    yield from (vars(kind) for kind in _kinds_of(x) if _is_namespace(kind))


def _kinds_of(x: Any) -> tuple[type, ...]:
    """Return the classes that attributes of an object are looked up in, of a class itself and its bases."""
    return x.__mro__ if isinstance(x, type) else type(x).__mro__


def _names_in(x: Any, found: Environment) -> list[str]:
    """Return the names of attributes of an object that the code may read."""
    own = getattr(x, "__dict__", {})
    if isinstance(x, types.FunctionType):
        return [name for name in own if name in found.names]
    held = dict.fromkeys(itertools.chain(own, *map(vars, _kinds_of(x))))
    if EVERY in found.names and not isinstance(x, types.ModuleType | type) and _is_users_or_plain(type(x)):
        return [name for name in held if not name.startswith("__")] + [EVERY, *_methods_of_operators(x)]
    by_thread = found.names if isinstance(x, threading.local) else ()
    called = ("__call__", "__wrapped__", *_methods_of_operators(x))
    return [*dict.fromkeys((*[name for name in held if name in found.names], *by_thread, *called))]


def _is_users_or_plain(kind: type) -> bool:
    """Return whether a class is the user's, or one of the library's that only hold what users put there."""
    return _is_namespace(kind) or (kind.__module__, kind.__name__) in _PLAIN


def _numbers(values: Iterable[Any]) -> list[tuple[Any, tuple[Any, ...]]]:
    """Return the arrays among values of which code may read off numbers, and these; without large ones."""
    return [(x, parts_of(x)) for x in values if type(x) is np.ndarray and (x.ndim == 0 or _is_watched(x))]


def _is_watched(x: Any) -> bool:
    return x.dtype.kind in "biufc" and x.flags.writeable and x.nbytes <= _WATCHED


def _visit(f: Any, found: Environment, seen: set[Any], depth: int) -> None:
    f = inlined(f)
    if id(f) in seen or depth == 0 or isinstance(f, NondifferentiableFunction | Program):
        return
    seen.add(id(f))
    if isinstance(f, GradientTape):
        return
    if isinstance(f, Recording):
        found.recordings.append(f)
    elif isinstance(f, Primitive | Transformed):
        found.namespaces += _rules_of(f)
    else:
        for place in places_of(f):
            if (id(place.holder), place.name) not in seen:
                seen.add((id(place.holder), place.name))
                _visit_place(place, f, found, seen, depth)
        if not isinstance(f, FUNCTIONS):
            found.namespaces.append(f)
        if isinstance(f, types.FunctionType) and is_users(f):
            _visit_code(f, found)
        elif isinstance(f, types.FunctionType):
            found.tests_classes = found.tests_classes or _is_not_read(f.__code__.co_filename)


def _visit_place(place: Place, f: Any, found: Environment, seen: set[Any], depth: int) -> None:
    value = place.read()
    kept = is_kept(value)
    if kept:
        found.places.append(place)
    elif _may_change(place, f, value):
        found.others.append((place, value))
    reader = f.__func__ if isinstance(f, types.MethodType) else f
    is_read = isinstance(reader, types.FunctionType) and is_users(reader)
    if not kept:
        _visit_parts(value, place.name, f, found, seen)
        found.arrays += _small_arrays_in(value)
        if _shows_containers(f):
            found.containers += [(x, parts_of(x)) for x in containers_in(value, seen)]
            found.containers += _numbers(inside(value))
        elif isinstance(f, functools.partial) and isinstance(value, dict):
            found.containers.append((value, parts_of(value)))
        if is_read:
            found.namespaces.append(value)
            if isinstance(value, types.ModuleType):
                found.tests_classes = found.tests_classes or _is_not_read(_file_of(value))
    for part in _functions_below(value, depth) if kept else _functions_in(value):
        _visit(part, found, seen, depth - 1)


def _visit_parts(value: Any, name: str, f: Any, found: Environment, seen: set[Any]) -> None:
    """Find generators, variables of the context, iterators and tapes."""
    for x in inside(value) if is_container(value) else (value,):
        if isinstance(x, (*_GENERATORS, ContextVar)) and id(x) not in seen:
            seen.add(id(x))
            if isinstance(x, ContextVar):
                found.contexts.append((x, x.get(_MISSING)))
            elif not isinstance(x, random.SystemRandom):
                found.generators.append(x)
        elif isinstance(x, Iterator) and not isinstance(x, io.IOBase):
            found.writes.append(f"{getattr(f, '__name__', type(f).__name__)} advances the iterator {name}")
        elif isinstance(x, GradientTape):  # which knows its own Tensors alone
            found.writes.append(f"{getattr(f, '__name__', type(f).__name__)} walks over the tape {name}")


def _visit_code(f: types.FunctionType, found: Environment) -> None:
    code = f.__code__
    found.others.append((Place(f, "__code__"), code))
    found.writes += [f"{f.__name__} {what}" for what in writes_of(code, frozenset(code.co_freevars))]
    found.names.update(attributes_of(code))
    found.literals |= literals_of(code)
    found.tests_numbers = found.tests_numbers or tests_numbers(code)
    found.tests_classes = found.tests_classes or tests_classes(code)
    found.namespaces += [sys.modules[name] for name in imports_of(code) if name in sys.modules]
    absent = (name for name in globals_of(code) if name not in f.__globals__ and not hasattr(builtins, name))
    found.others += [(Place(f.__globals__, name), None) for name in absent]
    if reads_namespace(code):
        found.containers.append((f.__globals__, parts_of(f.__globals__)))


def _may_change(place: Place, f: Any, value: Any) -> bool:
    """Return whether another value may be put in a place: not where it was found in tapenet's own functions."""
    if isinstance(f, types.MethodType | functools.partial) or isinstance(value, types.ModuleType):
        return False
    return not isinstance(f, types.FunctionType) or not f.__code__.co_filename.startswith(_PACKAGE)


def _rules_of(f: Any) -> list[Any]:
    """Return the functions of a user's operation that are recorded; its own function runs with each program."""
    if isinstance(f, Transformed):
        held: list[Any] = list(f.made_by[2:] if f.made_by[0] is custom_jvp else f.made_by[3:])
    else:
        held = [f.pullbacks, f.pushforwards, f.joint_pullback, f.joint_pushforward] if f.is_users else []
    return [x for x in inside(held) if isinstance(x, FUNCTIONS) or is_node(type(x))]


def _shows_containers(f: Any) -> bool:
    """Return whether containers that are read through f are watched: not those of tapenet's own classes, its caches."""
    if isinstance(f, types.FunctionType):
        return True
    if isinstance(f, functools.partial):
        return isinstance(f.func, types.FunctionType) and is_users(f.func)
    return _is_users_file(_file_of(sys.modules.get(type(f).__module__)))


def _methods_of_operators(x: Any) -> list[str]:
    """Return the names of methods of the user's that operators and NumPy call, which read attributes of themselves."""
    own = (name for kind in type(x).__mro__ for name, value in vars(kind).items() if _is_method(value))
    return [name for name in dict.fromkeys(own) if name.startswith("__") and name not in _NOT_BY_OPERATORS]


def _is_method(x: Any) -> bool:
    return isinstance(x, types.FunctionType) and not x.__code__.co_filename.startswith("<") and is_users(x)


def _definitions(x: Any, name: str, found: Environment) -> Iterator[Any]:
    """Watch what is called by a name on an object or a class, and return the functions; `super` reaches them all."""
    own = getattr(x, "__dict__", None)
    for names in (*([own] if type(own) is dict else []), *map(vars, _kinds_of(x))):
        if name not in names:
            continue
        kept = names[name]
        value = getattr(kept, "fget", getattr(kept, "__func__", kept))  # of properties, static and class methods
        if isinstance(kept, functools.cached_property | functools.partialmethod):
            value = kept.func
        if not isinstance(value, types.FunctionType) and callable(value):  # of a decorator such as `lru_cache`
            value = getattr(value, "__wrapped__", value)
        if isinstance(value, types.FunctionType):
            found.others.append((Place(names, name), kept))
            yield value


def _visit_attribute(place: Place, found: Environment, seen: set[Any]) -> None:
    """Watch an attribute of an object that is not a pytree, of a class or of a module of the user's."""
    if place.name == EVERY:
        own = getattr(place.holder, "__dict__", {})
        found.containers.append((own, parts_of(own)))
        return
    value = inspect.getattr_static(place.holder, place.name, _MISSING)
    if isinstance(value, types.MemberDescriptorType) or isinstance(place.holder, threading.local):  # of slots
        value = place.read()
    _visit_parts(value, place.name, place.holder, found, seen)
    if value is _MISSING or hasattr(type(value), "__get__"):  # reading it could run code
        return
    if _is_constant(value) or not _holds_arrays(value):
        found.others.append((place, value))
        found.containers += [(part, parts_of(part)) for part in containers_in(value, seen)]
        found.containers += _numbers(inside(value) if is_container(value) else ())
    else:
        found.arrays += _small_arrays_in(value)
        found.items += _constants_in(value)
        found.containers += _numbers(inside(value))
    found.namespaces.append(value)


def _small_arrays_in(value: Any) -> list[Any]:
    """Return the arrays in a value that can be written into, and that it takes little to copy."""
    held = (x for x in inside(value) if type(x) is np.ndarray and x.ndim and x.dtype.kind in "biufc")
    return [x for x in held if x.flags.writeable and x.nbytes <= _SMALL]


def _is_constant(value: Any) -> bool:
    """Return whether a value can be replaced and not be written into: a number, or an array that is read-only."""
    if type(value) is np.ndarray:
        return not value.flags.writeable
    return isinstance(value, (*_NUMBERS, np.generic))


def _constants_in(value: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Return the constants in a container that holds arrays, each with where it is."""
    if not isinstance(value, dict | list | tuple):
        return
    for key, x in value.items() if isinstance(value, dict) else enumerate(value):
        if _is_constant(x):
            yield value, key, x
        yield from _constants_in(x)


def _holds_arrays(value: Any) -> bool:
    try:
        return is_kept(value)
    except ArgumentError:  # a container that holds itself, say
        return False


def _is_namespace(x: Any) -> bool:
    """Return whether what an object holds is the user's, and can be seen."""
    if isinstance(x, _HOLDS_NONE) or is_node(type(x)):
        return False
    name = x.__name__ if isinstance(x, types.ModuleType) else (x if isinstance(x, type) else type(x)).__module__
    module = x if isinstance(x, types.ModuleType) else sys.modules.get(name)
    if isinstance(x, types.ModuleType | type) or type(getattr(x, "__dict__", None)) is not dict:
        path = _file_of(module)
        return _is_users_file(path) and (name not in sys.builtin_module_names or name in ("__main__", "sys"))
    return not name.startswith(("tapenet.", "numpy"))  # also one of another package, such as argparse's


def inlined(f: Any) -> Any:
    """Return the function that a compiled or transformed function calls; anything else as it is."""
    while (isinstance(f, Transformed) and not _has_rules(f)) or hasattr(type(f), "inlined"):
        f = f.function if isinstance(f, Transformed) else f.inlined
    return f


def _has_rules(f: Transformed) -> bool:
    """Return whether a function is one operation with rules of the user's, which is not copied."""
    return f.made_by[0] in (custom_jvp, custom_vjp)


def is_kept(value: Any) -> bool:
    """Return whether a value around a function is an input of its program."""
    if isinstance(value, _NUMBERS):
        return value is not None
    if isinstance(value, np.ndarray | np.generic) or type(value) is Tensor:
        return True
    if isinstance(value, Recording | GradientTape) or (callable(value) and not is_node(type(value))):
        return False
    if isinstance(value, types.ModuleType) or (not isinstance(value, tuple | list | dict) and not is_node(type(value))):
        return False
    leaves = tree_flatten_with_static(value, none_is_leaf=True)[0]
    arrays = [isinstance(x, np.ndarray | np.generic) or type(x) is Tensor for x in leaves]
    return any(arrays) and all(is_array or isinstance(x, _NUMBERS) for is_array, x in zip(arrays, leaves, strict=True))


ARRAYS = frozenset({Tensor, np.ndarray})
FUNCTIONS = (types.FunctionType, types.MethodType, functools.partial)
_MISSING = object()
# Methods with names of two underscores that no operator calls, or that are called where code writes.
_NOT_BY_OPERATORS = frozenset(
    f"__{name}__"
    for name in (
        *("new", "init", "post_init", "del", "call", "set_name", "init_subclass", "class_getitem"),
        *("attrs_init", "attrs_pre_init", "attrs_post_init", "setattr", "delattr", "setitem", "delitem"),
        *("enter", "exit", "repr", "str", "dir", "sizeof"),
        *("reduce", "reduce_ex", "getstate", "setstate", "copy", "deepcopy"),
    )
)
_HOLDS_NONE = (*FUNCTIONS, *_NUMBERS, *_GENERATORS, np.ndarray, np.generic, Tensor)


def _functions_below(value: Any, depth: int) -> Iterator[Any]:
    """Return the functions in the fields of what a kept value is made of."""
    if type(value) in ARRAYS:
        return
    value = inlined(value)
    if isinstance(value, FUNCTIONS):
        yield value
    elif depth and isinstance(value, tuple | list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _functions_below(part, depth - 1)
    elif depth and is_node(type(value)):
        for name in field_names(type(value)):
            yield from _functions_below(getattr(value, name, None), depth - 1)


def _functions_in(value: Any) -> Iterator[Any]:
    """Return the functions that a value is or holds, where copies of it can hold others."""
    for x in map(inlined, inside(value, (tuple, list, dict))):
        if isinstance(x, (*FUNCTIONS, Primitive, Transformed)) or is_node(type(x)):
            yield x


def places_of(f: Any) -> Iterator[Place]:
    """Return the places that a function, a partial function, a method or a callable object reads."""
    if isinstance(f, types.MethodType):
        yield Place(f, "__self__")
        yield Place(f, "__func__")
    elif isinstance(f, functools.partial):
        yield from (Place(f, name) for name in ("func", "args", "keywords"))
    elif isinstance(f, types.FunctionType):
        cells = zip(f.__code__.co_freevars, f.__closure__ or (), strict=True)
        yield from (Place(cell, name) for name, cell in cells if is_bound(cell))
        if is_users(f):
            yield from (Place(f.__globals__, name) for name in globals_of(f.__code__) if name in f.__globals__)
        yield from (Place(f, name) for name in ("__defaults__", "__kwdefaults__") if getattr(f, name))
    elif is_node(type(f)):
        yield from (Place(f, name) for name in field_names(type(f)) if hasattr(f, name))


def _file_of(module: Any) -> str:
    """Return the path of a module; empty where it is of no file, or is not there."""
    return getattr(module, "__file__", None) or ""


@functools.cache
def _is_users_file(path: str) -> bool:
    return not path.startswith(_PACKAGE) and not path.startswith(_LIBRARIES) and not path.startswith("<frozen")


@functools.cache
def _is_not_read(path: str) -> bool:
    """Return whether code of a file, of another library, may go by the class of a Tensor without this being seen."""
    return path.startswith(_LIBRARIES) and not path.startswith(_OF_ARRAYS)


def is_users(f: types.FunctionType) -> bool:
    return _is_users_file(f.__code__.co_filename)


def is_bound(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True
