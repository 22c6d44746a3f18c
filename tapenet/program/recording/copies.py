"""Copies of functions, with other values around them: those of a recording.

While a function is recorded a copy of it runs in which what is around it are values of the recording; it is the same
code, with other cells and globals.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from tapenet.core.pytrees import field_names, is_node
from tapenet.program.recording.code_reading import globals_of
from tapenet.program.recording.environment import (
    ARRAYS,
    DEPTH,
    FUNCTIONS,
    Place,
    inlined,
    is_bound,
    is_users,
    places_of,
)
from tapenet.transforms.recording import Recording


def with_values(f: Callable[..., Any], places: Sequence[Place], values: Sequence[Any]) -> Callable[..., Any]:
    """Return a function of the same code that finds these values in these places."""
    changed = {(id(place.holder), place.name): value for place, value in zip(places, values, strict=True)}
    copied: Callable[..., Any] = _Copies(changed).of(f, DEPTH)
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
        value = inlined(value)
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
        if type(made) in ARRAYS:
            return
        if depth and isinstance(made, tuple | list | dict):
            for part in made.values() if isinstance(made, dict) else made:
                self._fit_functions(part, depth - 1)
        elif depth and is_node(type(made)):
            for name in field_names(type(made)):
                value = getattr(made, name, None)
                if isinstance(inlined(value), FUNCTIONS):
                    object.__setattr__(made, name, self.of(value, depth - 1))
                else:
                    self._fit_functions(value, depth - 1)

    def _needs(self, value: Any, open_: set[int], depth: int) -> bool:
        """Return whether anything that a value reaches changes."""
        value = inlined(value)
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
            for place in places_of(value)
        )
        if needs:
            self.needed[id(value)] = True
        return needs

    def _function(self, f: types.FunctionType, depth: int) -> types.FunctionType:
        names = globals_of(f.__code__) if is_users(f) else ()
        cells = [types.CellType() for _ in f.__closure__ or ()]
        module = self._module(f.__globals__) if names else f.__globals__
        copy = types.FunctionType(f.__code__, module, f.__name__, f.__defaults__, tuple(cells) or None)
        self.made[id(f)] = copy
        copy.__kwdefaults__ = f.__kwdefaults__
        copy.__dict__.update(f.__dict__)
        copy.__module__, copy.__qualname__ = f.__module__, f.__qualname__
        for name, cell, own in zip(f.__code__.co_freevars, cells, f.__closure__ or (), strict=True):
            if is_bound(own):
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
