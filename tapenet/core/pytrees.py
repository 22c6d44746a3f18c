"""Pytrees: nested tuples, lists, dicts, named tuples and attrs classes, with arrays as leaves (through optree).

None is an empty subtree. Every attrs class is a pytree of its fields, in their order; a field declared with
`static_field()` is not a child but part of the structure, and is compared by `==` where structures are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import attrs
import numpy as np
import optree

from tapenet.core.foreign import Kind, kind_of, unwrap_container
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError

NAMESPACE = "tapenet"
_STATIC = "tapenet.static"
_REGISTERING = threading.Lock()  # threads may meet a class for the first time at once
_LEAVES: set[type] = {Tensor}  # types known to be no pytrees
_CONTAINERS: set[type] = set()  # types among them that may hold a Tensor, and then stand for it
_BARE = frozenset({Tensor, np.ndarray, np.float64, np.float32, float})  # the usual ones, which need no looking into

Tree = Any
Node = TypeVar("Node")
TreeSpec = optree.PyTreeSpec

_BARE_LEAF: Tree = 0.0
_LEAF = optree.tree_flatten(_BARE_LEAF, namespace=NAMESPACE)[1]


def static_field(**options: Any) -> Any:
    """Declare an attrs field that belongs to the structure of a pytree and is not one of its children."""
    return attrs.field(metadata={_STATIC: True}, **options)


def evolve(node: Node, **changes: Any) -> Node:
    """Copy an attrs instance with some fields changed, without calling `__init__`, as pytrees are rebuilt."""
    copy = object.__new__(type(node))
    kind: Any = type(node)
    for field in attrs.fields(kind):
        object.__setattr__(copy, field.name, changes.get(field.name, getattr(node, field.name)))
    return copy


def tree_flatten(tree: Tree) -> tuple[list[Any], TreeSpec]:
    """Return the leaves of a pytree, and its structure."""
    if type(tree) in _BARE:
        return [tree], _LEAF
    try:
        leaves, spec = optree.tree_flatten(tree, namespace=NAMESPACE)
    except RecursionError as error:
        raise ArgumentError(
            "pytrees: containers must be nested less than 1,000 deep, and not hold themselves; "
            f"got a {type(tree).__name__} that is, or does."
        ) from error
    unknown = {type(leaf) for leaf in leaves} - _LEAVES
    nodes = [kind for kind in unknown if attrs.has(kind)]
    _CONTAINERS.update(kind for kind in unknown if kind_of(kind) is Kind.CONTAINER)
    _LEAVES.update(unknown.difference(nodes))
    if not nodes:
        return (list(map(unwrap_container, leaves)) if _CONTAINERS else leaves), spec
    with _REGISTERING:
        for kind in nodes:
            if optree.register_pytree_node.get(kind, namespace=NAMESPACE) is None:
                _register(kind)
    return tree_flatten(tree)


def tree_flatten_with_none(tree: Tree) -> tuple[list[Any], TreeSpec]:
    """Return the leaves of a pytree, None among them, and its structure."""
    tree_flatten(tree)  # registers attrs classes met for the first time
    leaves, spec = optree.tree_flatten(tree, none_is_leaf=True, namespace=NAMESPACE)
    return (list(map(unwrap_container, leaves)) if _CONTAINERS else leaves), spec


def tree_unflatten(spec: TreeSpec, leaves: Sequence[Any]) -> Tree:
    """Return the pytree of a structure with these leaves."""
    if spec is _LEAF:
        (tree,) = leaves
        return tree
    return optree.tree_unflatten(spec, leaves)


def tree_leaves(tree: Tree) -> list[Any]:
    """Return the leaves of a pytree, from left to right."""
    return tree_flatten(tree)[0]


def tree_map(function: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
    """Apply `function` leaf by leaf; further trees have the structure of the first."""
    leaves, spec = tree_flatten(tree)
    others = [spec.flatten_up_to(other) for other in rest]
    return tree_unflatten(spec, [function(*group) for group in zip(leaves, *others, strict=True)])


def leaf_paths(tree: Tree, name: str, none_is_leaf: bool = False) -> list[str]:
    """Return for each leaf the expression that reaches it from `name`, such as `params['dense'].weight[0]`."""
    tree_flatten(tree)  # registers attrs classes met for the first time
    accessors = optree.tree_accessors(tree, none_is_leaf=none_is_leaf, namespace=NAMESPACE)
    return [accessor.codify(name) for accessor in accessors]


def _register(kind: type) -> None:
    """Make an attrs class a pytree of its fields, but for the static ones."""
    fields = attrs.fields(kind)
    children = [field.name for field in fields if not field.metadata.get(_STATIC)]
    static = [field.name for field in fields if field.metadata.get(_STATIC)]

    def flatten(node: Any) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[str, ...]]:
        return (
            tuple(getattr(node, name) for name in children),
            tuple(getattr(node, name) for name in static),
            tuple(children),
        )

    def unflatten(metadata: Any, leaves: Any) -> Any:
        # Past __init__, whose validators and converters are for arrays and would refuse Tensors.
        node: Any = object.__new__(kind)
        for name, value in (*zip(children, leaves, strict=True), *zip(static, metadata, strict=True)):
            object.__setattr__(node, name, value)
        return node

    optree.register_pytree_node(
        kind,
        flatten,
        unflatten,
        path_entry_type=optree.GetAttrEntry,
        namespace=NAMESPACE,
    )
