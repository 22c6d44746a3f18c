"""Mutable containers around a function: what is in them, and whether that is still so."""

from __future__ import annotations

import array
import collections
import operator
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

_BUFFERS = (bytearray, array.array)
_BY_VALUE = (*_BUFFERS, np.ndarray)
_MAPPINGS = (dict, types.MappingProxyType, collections.UserDict, collections.ChainMap)
_ATOMS = frozenset({bool, int, float, complex, str, bytes, type(None)})
_CONTAINERS = (tuple, list, set, collections.deque, collections.UserList, *_MAPPINGS, *_BUFFERS)


def is_container(x: Any) -> bool:
    """Return whether what is in a value is watched."""
    return isinstance(x, _CONTAINERS)


def parts_of(container: Any) -> tuple[Any, ...]:
    """Return what is in a container, or in an array.

    While that is held, another object does not take its place in memory.
    """
    if isinstance(container, _MAPPINGS):
        return (*container, *container.values())
    if isinstance(container, _BY_VALUE):
        return (bytes(container) if isinstance(container, bytearray) else container.tobytes(),)
    return tuple(container)


def below(container: Any) -> list[Any]:
    """Return what a container holds, of a mapping its values, but for numbers and text."""
    if isinstance(container, _BUFFERS):
        return []
    parts = container.values() if isinstance(container, _MAPPINGS) else container
    return [x for x in parts if type(x) not in _ATOMS]


def holds_still(container: Any, parts: tuple[Any, ...]) -> bool:
    """Return whether nothing was put into a container, or taken out."""
    now = parts_of(container)
    if isinstance(container, _BY_VALUE):
        return now == parts
    return len(now) == len(parts) and all(map(operator.is_, now, parts))


def containers_in(value: Any, seen: set[Any]) -> Iterator[Any]:
    """Return a mutable container and those inside it, once each."""
    if is_container(value) and id(value) not in seen:
        seen.add(id(value))
        if not isinstance(value, tuple):
            yield value
        for part in below(value):
            yield from containers_in(part, seen)


def inside(value: Any, kinds: tuple[type, ...] = _CONTAINERS) -> list[Any]:
    """Return what a value holds at any depth, but for containers, numbers and text; itself if it is not a container."""
    found, seen, open_ = [], set[int](), [value]
    while open_:
        x = open_.pop()
        if not isinstance(x, kinds):
            found.append(x)
        elif id(x) not in seen:
            seen.add(id(x))
            open_ += reversed(below(x))
    return found


def saved_containers(containers: Sequence[Any]) -> Callable[[], None]:
    """Return a function that puts back into containers what is in them now."""
    before = [(x, _copied(x)) for x in containers if isinstance(x, (list, dict, set, collections.deque, *_BUFFERS))]

    def restore() -> None:
        for container, copy in before:
            _refill(container, copy)

    return restore


def _copied(container: Any) -> Any:
    return list(container.items()) if isinstance(container, dict) else list(container)


def _refill(container: Any, copy: list[Any]) -> None:
    if isinstance(container, dict | set | collections.deque):
        container.clear()
    else:
        del container[:]
    if isinstance(container, dict):
        for key, value in copy:  # `update` of a Counter counts
            container[key] = value
    elif isinstance(container, set):
        container.update(copy)
    else:
        container.extend(copy)


def saved_arrays(arrays: Sequence[Any]) -> Callable[[], None]:
    """Return a function that puts back into arrays what is in them now."""
    before = [(x, x.copy()) for x in arrays]

    def restore() -> None:
        for x, copy in before:
            if x.tobytes() != copy.tobytes():
                x[...] = copy

    return restore
