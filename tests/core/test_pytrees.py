"""Classes as pytrees: attrs classes and dataclasses, static fields, functions in fields, and single levels."""

from __future__ import annotations

import dataclasses
import functools
from collections import deque, namedtuple
from typing import Any

import attrs
import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import (
    leaf_paths_with_static,
    one_level,
    static_values,
    tree_flatten,
    tree_flatten_to,
    tree_flatten_with_static,
    tree_leaves,
    tree_map,
    tree_unflatten,
)


@dataclasses.dataclass(frozen=True)
class Frozen:
    kernel: Any
    activation: Any
    power: int = dataclasses.field(default=2, metadata={"static": True})


@dataclasses.dataclass(slots=True)
class Slotted:
    kernel: Any
    activation: Any
    power: int = dataclasses.field(default=2, metadata={"static": True})


@attrs.frozen
class Attrs:
    kernel: Any
    activation: Any
    power: int = tn.static_field(default=2)


@attrs.define
class Open:
    kernel: Any
    activation: Any
    power: int = tn.static_field(default=2)


CLASSES = [Frozen, Slotted, Attrs, Open]
FUNCTIONS = [np.tanh, tnp.tanh, tn.nn.relu, lambda x: 2 * x, functools.partial(np.power, 2), np.ndarray.sum, abs, float]
over_classes = pytest.mark.parametrize("kind", CLASSES)


@over_classes
@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_in_fields_are_static(kind: Any, function: Any) -> None:
    node = kind(np.ones(3), function)
    assert len(tree_leaves(node)) == 1
    gradient = tn.grad(lambda node: tnp.sum(node.kernel**node.power))(node)
    assert type(gradient) is kind
    assert gradient.activation is function
    assert gradient.power == 2
    np.testing.assert_array_equal(gradient.kernel, 2 * np.ones(3))
    assert static_values(node) == {"power": 2, "activation": function}


@over_classes
def test_a_layer_in_the_same_field_is_a_child(kind: Any, rng: np.random.Generator) -> None:
    node = kind(np.ones(3), tn.nn.Dense(2, 3, rng=rng))
    assert len(tree_leaves(node)) == 3
    assert tree_flatten(node)[1] != tree_flatten(kind(np.ones(3), np.tanh))[1]


@over_classes
def test_structures_with_other_functions_differ(kind: Any) -> None:
    same, other = (tree_flatten(kind(1.0, function))[1] for function in (np.tanh, np.sin))
    assert tree_flatten(kind(2.0, np.tanh))[1] == same != other
    state = tn.optim.sgd(0.1).init(kind(1.0, np.tanh))
    with pytest.raises(tn.ArgumentError, match="structure"):
        tn.optim.sgd(0.1).update(kind(1.0, np.sin), state, kind(1.0, np.tanh))


@over_classes
def test_optimizers_and_vmap_take_them(kind: Any) -> None:
    node = kind(np.ones(3), np.tanh)
    updated, _ = tn.optim.sgd(0.5).update(node, tn.optim.sgd(0.5).init(node), node)
    np.testing.assert_array_equal(updated.kernel, 0.5 * np.ones(3))
    assert updated.activation is np.tanh
    mapped = tn.vmap(lambda node: tree_map(lambda x: 2 * x, node))(node)
    np.testing.assert_array_equal(mapped.kernel, 2 * np.ones(3))


def test_a_static_field_of_attrs_in_a_dataclass_says_what_to_write() -> None:
    @dataclasses.dataclass
    class Wrong:
        kernel: Any
        power: int = tn.static_field(default=2)

    with pytest.raises(tn.ArgumentError, match=r"static_field: Wrong.power .* dataclasses.field\(metadata="):
        tn.grad(lambda node: node.kernel)(Wrong(1.0))


# ---- one level ----

Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("node", "names"),
    [
        ((1.0, None), ("0", "1")),
        ([], ()),
        ({"b": 1, "a": [2]}, ("a", "b")),
        (Point(1, 2), ("x", "y")),
        (deque([1]), ("0",)),
        (Attrs(np.ones(2), np.tanh), ("kernel",)),
        (Frozen(np.ones(2), [np.tanh]), ("kernel", "activation")),
    ],
    ids=repr,
)
def test_one_level_names_the_children_and_is_rebuilt(node: Any, names: tuple[str, ...]) -> None:
    level = one_level(node)
    assert level is not None
    assert level.names == names
    assert type(level.rebuilt(level.children)) is type(node)
    assert repr(level.rebuilt(level.children)) == repr(node)


@pytest.mark.parametrize("leaf", [None, 1.0, np.ones(2), "a", object()])
def test_a_leaf_has_no_level(leaf: Any) -> None:
    assert one_level(leaf) is None


def test_arrays_in_static_fields_are_leaves_where_asked_for() -> None:
    @attrs.frozen(eq=False)
    class Moments:
        mean: Any
        count: Any

    @attrs.frozen
    class Node:
        weight: Any
        function: Any
        name: str = tn.static_field()
        moments: Any = tn.static_field()
        scale: Any = tn.static_field()

    node = Node(np.ones(2), np.tanh, "a", [Moments(np.zeros(3), np.float64(1.0))], np.float32(2.0))
    leaves, spec = tree_flatten_with_static((node, None))
    assert [np.shape(x) for x in leaves] == [(2,), (3,), ()]
    assert [x is y for x, y in zip(leaves, (node.weight, node.moments[0].mean, node.moments[0].count))] == [True] * 3
    assert leaf_paths_with_static((node, None), "x") == ["x[0].weight", "x[0].moments[0].mean", "x[0].moments[0].count"]
    assert len(tree_flatten_with_static((node, None), none_is_leaf=True)[0]) == 4
    again, nothing = tree_unflatten(spec, [1, 2, 3])
    assert nothing is None
    assert (again.weight, again.moments[0].mean, again.moments[0].count) == (1, 2, 3)
    assert (again.function, again.name, again.scale) == (np.tanh, "a", np.float32(2.0))
    assert tree_leaves(node) == [node.weight]
    nested: Any = []
    nested.append(nested)
    with pytest.raises(tn.ArgumentError, match="containers must be nested"):
        tree_flatten_with_static(nested)


def test_flatten_to_registers_classes_it_meets_and_stops_at_leaves_of_the_callers() -> None:
    @attrs.frozen
    class Pair:
        left: Any
        right: Any

    @attrs.frozen
    class Held:
        inside: Any

    held = Held([1.0, 2.0])
    leaves, _, paths = tree_flatten_to({"a": Pair(held, 3.0), "b": held}, lambda node: isinstance(node, Held))
    assert leaves == [held, 3.0, held]
    assert [path("x") for path in paths] == ["x['a'].left", "x['a'].right", "x['b']"]


@pytest.mark.parametrize("count", [1, 2, 30])
def test_a_list_of_leaves_has_the_structure_of_any_list(count: int) -> None:
    xs: list[Any] = [np.ones(2) for _ in range(count)]
    leaves, spec = tree_flatten(xs)
    assert leaves is not xs
    assert all(x is y for x, y in zip(leaves, xs, strict=True))
    assert spec == tree_flatten([1, *xs[1:]])[1]
    assert spec != tree_flatten(tuple(xs))[1]
    assert spec != tree_flatten([*xs, 1.0])[1]
    assert type(tree_unflatten(spec, leaves)) is list
    assert len(tree_flatten([*xs, None, [2.0]])[0]) == count + 1
