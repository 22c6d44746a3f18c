"""Pytrees leaf by leaf, with static fields, each by its path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from tapenet.core.pytrees import Paths, Tree, joined, one_level, static_values
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError

_RESERVED = ("__metadata__",)  # of safetensors, where a tensor of that name would stand


@attrs.frozen(eq=False)
class Item:
    """A leaf of a pytree, or of the value of a static field.

    Attributes:
        path: fields, keys and indices from the root, joined by dots; unique in its tree.
        value: the leaf.
        is_data: whether it is stored and loaded; what else belongs to the structure is compared.
    """

    path: str
    value: Any
    is_data: bool


def is_state(value: Any) -> bool:
    """Return whether a value changes as a program runs, also in a static field: arrays, generators."""
    return isinstance(value, np.ndarray | Tensor | np.random.Generator)


def mapped_tree(function: str, tree: Tree, visit: Callable[[Item], Any], nodes: dict[str, str] | None = None) -> Tree:
    """Rebuild a pytree with what `visit` returns for each of its items, those of static fields among them.

    Args:
        function: for errors.
        tree: any pytree.
        visit: gives the new value.
        nodes: is filled with the class of each node, by path.
    """
    walk = _Walk(visit, {} if nodes is None else nodes)
    try:
        return walk.mapped(tree, "", False)
    except RecursionError as error:
        raise ArgumentError(f"{function}: tree must be nested less deep; got one that Python cannot walk.") from error


class _Walk:
    """One pass over a pytree."""

    def __init__(self, visit: Callable[[Item], Any], nodes: dict[str, str]) -> None:
        self._visit = visit
        self._nodes = nodes
        self._paths = Paths(_RESERVED)

    def mapped(self, node: Any, path: str, is_static: bool) -> Any:
        level = one_level(node)
        if level is None:
            if node is None and not is_static:
                return None
            return self._visit(Item(self._paths.unique(path), node, not is_static or is_state(node)))
        self._nodes[path] = f"{type(node).__module__}.{type(node).__qualname__}"
        children = [
            self.mapped(child, joined(path, name), is_static)
            for name, child in zip(level.names, level.children, strict=True)
        ]
        made = level.rebuilt(children)
        for name, value in static_values(node).items():
            new = self.mapped(value, joined(path, name), True)
            if new is not value:
                object.__setattr__(made, name, new)
        return made
