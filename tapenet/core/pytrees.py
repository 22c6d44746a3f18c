"""Pytrees: nested tuples, lists, dicts, named tuples, attrs classes and dataclasses, with arrays as leaves (by optree).

None is an empty subtree. Every attrs class and every dataclass is a pytree of its fields, in their order. A field
declared with `static_field()`, or in a dataclass with `dataclasses.field(metadata={"static": True})`, is not a child
but part of the structure, and is compared by `==` where structures are. So is a function in any field.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
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
_WITH_STATIC = "tapenet.with_static"  # where static fields that hold arrays are children, too
_IN_ORDER = "tapenet.in_order"  # the same, with dicts in the order of their keys
_KEEPING_ORDER = optree.dict_insertion_ordered(True, namespace=_IN_ORDER)
_KEEPING_ORDER.__enter__()  # for good: the namespace is the library's own
_STATIC = "tapenet.static"
_STATIC_IN_DATACLASS = "static"  # JAX's word, so that one declaration does for both
_REGISTERING = threading.Lock()  # threads may meet a class for the first time at once
_CONTAINERS: set[type] = set()  # types among them that may hold a Tensor, and then stand for it
_BARE = frozenset({Tensor, np.ndarray, np.float64, np.float32, float})  # the usual ones, which need no looking into
_LEAVES: set[type] = {*_BARE}  # types known to be no pytrees

Tree = Any
Node = TypeVar("Node")
TreeSpec = optree.PyTreeSpec

_BARE_LEAF: Tree = 0.0
LEAF: TreeSpec = optree.tree_flatten(_BARE_LEAF, namespace=NAMESPACE)[1]  # the structure of a leaf alone


def static_field(**options: Any) -> Any:
    """Declare an attrs field that belongs to the structure of a pytree and is not one of its children.

    In a dataclass write `dataclasses.field(metadata={"static": True})`.
    """
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
        return [tree], LEAF
    if type(tree) is list and tree and _BARE.issuperset(map(type, tree)):  # optree takes five times as long
        return tree[:], _spec_of_list(len(tree))
    try:
        leaves, spec = optree.tree_flatten(tree, namespace=NAMESPACE)
    except RecursionError as error:
        raise ArgumentError(
            "pytrees: containers must be nested less than 1,000 deep, and not hold themselves; "
            f"got a {type(tree).__name__} that is, or does."
        ) from error
    unknown = {type(leaf) for leaf in leaves} - _LEAVES
    nodes = [kind for kind in unknown if is_node(kind)]
    _CONTAINERS.update(kind for kind in unknown if kind_of(kind) is Kind.CONTAINER)
    _LEAVES.update(unknown.difference(nodes))
    if not nodes:
        return (list(map(unwrap_container, leaves)) if _CONTAINERS else leaves), spec
    with _REGISTERING:
        for kind in nodes:
            if optree.register_pytree_node.get(kind, namespace=NAMESPACE) is None:
                _register(kind)
    return tree_flatten(tree)


@functools.lru_cache(256)
def _spec_of_list(length: int) -> TreeSpec:
    """Return the structure of a list of leaves."""
    leaves: Tree = [_BARE_LEAF] * length
    return optree.tree_flatten(leaves, namespace=NAMESPACE)[1]


def tree_flatten_with_static(
    tree: Tree, none_is_leaf: bool = False, in_order: bool = False
) -> tuple[list[Any], TreeSpec]:
    """Return the leaves of a pytree, and its structure; arrays in static fields are leaves.

    Other values of static fields belong to the structure, as everywhere.

    Args:
        tree: a pytree.
        none_is_leaf: whether None is a leaf, or an empty subtree.
        in_order: whether the order of the keys of a dict belongs to the structure.
    """
    namespace = _IN_ORDER if in_order else _WITH_STATIC
    while True:
        try:
            leaves, spec = optree.tree_flatten(tree, none_is_leaf=none_is_leaf, namespace=namespace)
        except RecursionError:
            tree_flatten(tree)  # says what is wrong
            raise
        unknown = [leaf for leaf in leaves if type(leaf) not in _LEAVES]
        if unknown:
            tree_flatten(unknown)  # registers classes met for the first time
        if not unknown or not any(is_node(type(leaf)) for leaf in unknown):
            return (list(map(unwrap_container, leaves)) if _CONTAINERS else leaves), spec


def tree_flatten_with_none(tree: Tree) -> tuple[list[Any], TreeSpec]:
    """Return the leaves of a pytree, None among them, and its structure."""
    tree_flatten(tree)  # registers attrs classes met for the first time
    leaves, spec = optree.tree_flatten(tree, none_is_leaf=True, namespace=NAMESPACE)
    return (list(map(unwrap_container, leaves)) if _CONTAINERS else leaves), spec


def tree_flatten_to(
    tree: Tree, is_leaf: Callable[[Any], bool]
) -> tuple[list[Any], TreeSpec, list[Callable[[str], str]]]:
    """Return the leaves of a pytree, its structure, and for each leaf the function from a name to its path.

    Args:
        tree: a pytree.
        is_leaf: of a node, whether it is a leaf whatever its class is.
    """
    while True:
        leaves, spec = optree.tree_flatten(tree, is_leaf, namespace=NAMESPACE)
        unknown = {type(leaf) for leaf in leaves if type(leaf) not in _LEAVES and not is_leaf(leaf)}
        nodes = [kind for kind in unknown if is_node(kind)]
        if not nodes:
            accessors = optree.tree_accessors(tree, is_leaf, namespace=NAMESPACE)
            return leaves, spec, [accessor.codify for accessor in accessors]
        with _REGISTERING:
            for kind in nodes:
                if optree.register_pytree_node.get(kind, namespace=NAMESPACE) is None:
                    _register(kind)


def tree_unflatten(spec: TreeSpec, leaves: Sequence[Any]) -> Tree:
    """Return the pytree of a structure with these leaves."""
    if spec is LEAF:
        (tree,) = leaves
        return tree
    return optree.tree_unflatten(spec, leaves)


def tree_leaves(tree: Tree) -> list[Any]:
    """Return the leaves of a pytree, from left to right."""
    return tree_flatten(tree)[0]


def tree_map(function: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
    """Apply `function` leaf by leaf; further trees have the structure of the first."""
    leaves, spec = tree_flatten(tree)
    if not rest:
        return tree_unflatten(spec, [function(leaf) for leaf in leaves])
    others = [spec.flatten_up_to(other) for other in rest]
    return tree_unflatten(spec, [function(*group) for group in zip(leaves, *others, strict=True)])


def broadcast_prefix(prefix: Tree, tree: Tree) -> list[Any]:
    """Return for each leaf of `tree` the leaf of `prefix` that stands for it, or for a subtree that holds it.

    Raises:
        ValueError: the one is not a prefix of the other.
    """
    tree_flatten(prefix)  # registers attrs classes met for the first time
    tree_flatten(tree)
    return optree.broadcast_prefix(prefix, tree, namespace=NAMESPACE)


def leaf_paths(tree: Tree, name: str, none_is_leaf: bool = False) -> list[str]:
    """Return for each leaf the expression that reaches it from `name`, such as `params['dense'].weight[0]`."""
    tree_flatten(tree)  # registers attrs classes met for the first time
    accessors = optree.tree_accessors(tree, none_is_leaf=none_is_leaf, namespace=NAMESPACE)
    return [accessor.codify(name) for accessor in accessors]


def leaf_paths_with_static(tree: Tree, name: str, none_is_leaf: bool = False, in_order: bool = False) -> list[str]:
    """Return the expressions that reach the leaves of `tree_flatten_with_static`."""
    tree_flatten_with_static(tree)  # registers classes met for the first time
    namespace = _IN_ORDER if in_order else _WITH_STATIC
    accessors = optree.tree_accessors(tree, none_is_leaf=none_is_leaf, namespace=namespace)
    return [accessor.codify(name) for accessor in accessors]


# ---- paths and levels ----


class Paths:
    """Makes the paths of one tree unique: a path that comes again gets a number."""

    def __init__(self, reserved: Sequence[str] = ()) -> None:
        self._counts = dict.fromkeys(reserved, 1)

    def unique(self, path: str) -> str:
        """Return the path, or if it has been given before, with a number behind it."""
        count = self._counts[path] = self._counts.get(path, 0) + 1
        return path if count == 1 else self.unique(f"{path}#{count}")


def joined(path: str, name: str) -> str:
    """Return the path of a child: names of fields, keys and indices, with dots between them."""
    return f"{path}.{name}" if path else name


def dotted_paths(tree: Tree) -> list[str]:
    """Return the path of each leaf, such as `layers.0.kernel`; that of a tree which is a leaf itself is empty."""
    tree_flatten(tree)  # registers classes met for the first time
    accessors = optree.tree_accessors(tree, namespace=NAMESPACE)
    paths = Paths()
    return [paths.unique(".".join(str(getattr(x, "field", x.entry)) for x in accessor)) for accessor in accessors]


@attrs.frozen(eq=False)
class Level:
    """One node of a pytree and its children.

    Attributes:
        names: of the children: fields, keys and indices.
        children: what it holds, None included.
        spec: its structure above the children.
    """

    names: tuple[str, ...]
    children: list[Any]
    spec: TreeSpec

    def rebuilt(self, children: Sequence[Any]) -> Any:
        """Return the node with other children."""
        return optree.tree_unflatten(self.spec, children)


def one_level(node: Tree) -> Level | None:
    """Return a node with its children; None for a leaf, and for None."""
    if node is None or type(node) in _BARE:
        return None

    def is_below(x: Any) -> bool:
        return x is not node

    if is_node(type(node)):
        tree_flatten(node)  # registers its class
    children, spec = optree.tree_flatten(node, is_leaf=is_below, none_is_leaf=True, namespace=NAMESPACE)
    if spec.is_leaf():
        return None
    fields = node._fields if isinstance(node, tuple) and hasattr(node, "_fields") else spec.entries()
    return Level(tuple(map(str, fields)), children, spec)


def static_values(node: Tree) -> dict[str, Any]:
    """Return what belongs to the structure of an attrs class or dataclass, by the names of the fields."""
    if not is_node(type(node)):
        return {}
    children, static = _fields(type(node))
    functions = [name for name in children if _is_static(getattr(node, name))]
    return {name: getattr(node, name) for name in (*static, *functions)}


# ---- attrs classes and dataclasses ----


def is_node(kind: type) -> bool:
    """Return whether a class is one whose fields are children."""
    return attrs.has(kind) or (dataclasses.is_dataclass(kind) and kind_of(kind) is Kind.OTHER)


def is_tree_class(kind: type) -> bool:
    """Return whether objects of a class have children: by its fields, or by functions that were registered for it."""
    return is_node(kind) or optree.register_pytree_node.get(kind, namespace=NAMESPACE) is not None


def field_names(kind: type) -> tuple[str, ...]:
    """Return the names of all fields of such a class."""
    return tuple(name for names in _fields(kind) for name in names)


def _fields(kind: type) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the fields that may be children, and those of the static ones."""
    fields: Sequence[Any] = attrs.fields(kind) if attrs.has(kind) else dataclasses.fields(kind)
    key = _STATIC if attrs.has(kind) else _STATIC_IN_DATACLASS
    if not attrs.has(kind):
        _check_defaults(kind, fields)
    static = tuple(field.name for field in fields if field.metadata.get(key))
    return tuple(field.name for field in fields if field.name not in static), static


def _check_defaults(kind: type, fields: Sequence[Any]) -> None:
    for field in fields:
        if _STATIC in getattr(field.default, "metadata", ()):
            raise ArgumentError(
                f"static_field: {kind.__name__}.{field.name} must be a field of an attrs class; got a dataclass. "
                f'Write {field.name}: ... = dataclasses.field(metadata={{"static": True}}).'
            )


_FUNCTIONS: dict[type, bool] = {np.ndarray: False, Tensor: False, type(None): False, tuple: False}


def _is_static(value: Any) -> bool:
    """Return whether the value of a field is a function, or a class: part of the structure."""
    known = _FUNCTIONS.get(type(value))
    return _is_kind_of_function(value) if known is None else known


def _is_kind_of_function(value: Any) -> bool:
    kind = type(value)
    is_array = hasattr(kind, "dtype") or kind_of(kind) is not Kind.OTHER
    is_layer = hasattr(kind, "train")  # of a plain class: as a leaf it is refused, not left untrained
    answer = callable(value) and not is_array and not is_layer and not is_tree_class(kind)
    _FUNCTIONS[kind] = answer
    return answer


def _holds_arrays(value: Any, in_node: bool = False) -> bool:
    """Return whether the value of a static field is a numeric array, a Tensor, or a pytree that holds one.

    A scalar of NumPy's is compared by value, as Python's numbers are; but a class may compare as it likes.
    """
    kind = type(value)
    if kind in _NO_ARRAYS:
        return False
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in "biufc" and (in_node or isinstance(value, np.ndarray))
    if kind is Tensor:
        return True
    if isinstance(value, tuple | list | dict):
        return any(_holds_arrays(x, in_node) for x in (value.values() if isinstance(value, dict) else value))
    return is_node(kind) and any(_holds_arrays(getattr(value, name, None), True) for name in field_names(kind))


_NO_ARRAYS = frozenset({type(None), bool, int, float, complex, str, bytes})


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """Return the function that reads attributes into a tuple."""
    if len(names) > 1:
        return operator.attrgetter(*names)
    return lambda node: tuple([getattr(node, name) for name in names])


@attrs.frozen
class _WithFunctions:
    """What belongs to the structure of a node with functions in its fields."""

    static: tuple[Any, ...]
    functions: tuple[tuple[str, Any], ...]


@attrs.frozen
class _WithArrays:
    """What belongs to the structure of a node with arrays in its static fields.

    Attributes:
        names: of the fields that are children, those with arrays among them.
        fixed: the other fields, each with what tells its value apart.
    """

    names: tuple[str, ...]
    fixed: tuple[tuple[str, Any, Any], ...]


def told_apart(value: Any) -> Any:
    """Return what differs for equal values that computations tell apart: 1, 1.0 and True, or 0.0 and -0.0."""
    of = type(value)
    if of is tuple:
        return (of, *map(told_apart, value))
    return (of, repr(value)) if isinstance(value, float | complex | np.inexact) else of


def _register(kind: type) -> None:
    """Make a class a pytree of its fields, but for the static ones."""
    children, static = _fields(kind)
    values_of, metadata_of = _getter(children), _getter(static)
    known = _FUNCTIONS

    def flatten(node: Any) -> tuple[tuple[Any, ...], Any, tuple[str, ...]]:
        values, metadata = values_of(node), metadata_of(node)
        for value in values:  # a look at a dict for each: this is the hot path of training
            if known.get(type(value), True) and _is_static(value):
                break
        else:
            return values, metadata, children
        functions = tuple(pair for pair in zip(children, values, strict=True) if _is_static(pair[1]))
        left = tuple(name for name, value in zip(children, values, strict=True) if not _is_static(value))
        return tuple(getattr(node, name) for name in left), _WithFunctions(metadata, functions), left

    def unflatten(metadata: Any, leaves: Any) -> Any:
        # Past __init__, whose validators and converters are for arrays and would refuse Tensors.
        node: Any = object.__new__(kind)
        names: Sequence[str] = children
        if type(metadata) is _WithFunctions:
            functions, metadata = metadata.functions, metadata.static
            names = [name for name in children if name not in dict(functions)]
            for name, value in functions:
                object.__setattr__(node, name, value)
        for name, value in (*zip(names, leaves, strict=True), *zip(static, metadata, strict=True)):
            object.__setattr__(node, name, value)
        return node

    def flatten_with_static(node: Any) -> tuple[tuple[Any, ...], Any, tuple[str, ...]]:
        values, metadata, names = flatten(node)
        for value in metadata_of(node):
            if type(value) not in _NO_ARRAYS and _holds_arrays(value):
                break
        else:
            return values, (metadata, told_apart(metadata_of(node))) if static else metadata, names
        pairs = list(zip(static, metadata_of(node), strict=True))
        names = (*names, *[name for name, value in pairs if _holds_arrays(value)])
        others = [(name, getattr(node, name)) for name in (*children, *static) if name not in names]
        fixed = tuple([(name, value, told_apart(value)) for name, value in others])
        return tuple([getattr(node, name) for name in names]), _WithArrays(names, fixed), names

    def unflatten_with_static(metadata: Any, leaves: Any) -> Any:
        if type(metadata) is not _WithArrays:
            return unflatten(metadata[0] if static else metadata, leaves)
        node: Any = object.__new__(kind)
        for name, value in (*zip(metadata.names, leaves, strict=True), *[pair[:2] for pair in metadata.fixed]):
            object.__setattr__(node, name, value)
        return node

    entry = optree.GetAttrEntry
    for namespace in (_WITH_STATIC, _IN_ORDER):
        optree.register_pytree_node(
            kind, flatten_with_static, unflatten_with_static, path_entry_type=entry, namespace=namespace
        )
    # Last, as a class counts as registered once it is here.
    optree.register_pytree_node(kind, flatten, unflatten, path_entry_type=entry, namespace=NAMESPACE)
