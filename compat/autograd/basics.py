"""Small functions that the package is built with, and users of autograd import from its `util`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any


def subvals(x: Sequence[Any], ivs: Iterable[tuple[int, Any]]) -> tuple[Any, ...]:
    """Return a tuple with the values at some indices replaced."""
    replaced = list(x)
    for i, value in ivs:
        replaced[i] = value
    return tuple(replaced)


def subval(x: Sequence[Any], i: int, v: Any) -> tuple[Any, ...]:
    """Return a tuple with the value at one index replaced."""
    return subvals(x, [(i, v)])


def func(f: Any) -> Any:
    """Return the function of a method, as classes give it."""
    return getattr(f, "__func__", f)


def toposort(end_node: Any, parents: Callable[[Any], Iterable[Any]] = attrgetter("parents")) -> Iterator[Any]:
    """Walk a graph from its end, each node after all those that have it as a parent."""
    uses: dict[Any, int] = {}
    stack = [end_node]
    while stack:
        node = stack.pop()
        if node in uses:
            uses[node] += 1
        else:
            uses[node] = 1
            stack.extend(parents(node))
    ready = [end_node]
    while ready:
        node = ready.pop()
        yield node
        for parent in parents(node):
            if uses[parent] == 1:
                ready.append(parent)
            else:
                uses[parent] -= 1
