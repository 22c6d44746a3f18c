"""`tn.tree`, on pytrees of every kind."""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.testing import check_grads

Point = namedtuple("Point", "x y")


@attrs.frozen(eq=False)
class Layer:
    kernel: Any
    function: Any = np.tanh
    stride: Any = tn.static_field(default=(1, 2))


@dataclasses.dataclass
class Pair:
    first: Any
    second: Any


def tree() -> Any:
    return {"a": [np.ones((2, 3)), None, 2.0], "b": Point(Layer(np.arange(3.0)), Pair((), np.array(4.0)))}


PATHS = ["a.0", "a.2", "b.x.kernel", "b.y.second"]

leaves = arrays.arrays(np.float64, arrays.array_shapes(min_dims=0, min_side=0, max_side=3), elements=st.floats(-9, 9))
trees = st.recursive(
    leaves | st.floats(-9, 9),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text("ab.", max_size=2), below, max_size=3),
    max_leaves=6,
)


def test_paths_are_fields_keys_and_indices() -> None:
    assert tn.tree.paths(tree()) == PATHS
    assert tn.tree.paths(1.0) == [""]
    assert tn.tree.paths({"a.b": 1, "a": {"b": 2}}) == ["a.b", "a.b#2"]


@given(trees)
def test_paths_are_unique(tree: Any) -> None:
    assert len(set(tn.tree.paths(tree))) == len(tn.tree.leaves(tree))


def test_files_and_paths_agree(tmp_path: Path) -> None:
    tn.save(tmp_path / "x", tree())
    assert list(tn.load(tmp_path / "x")) == PATHS


def test_map_and_map_with_path() -> None:
    doubled = tn.tree.map(np.multiply, tree(), tn.tree.map(lambda x: 2.0, tree()))
    np.testing.assert_array_equal(doubled["b"].x.kernel, 2 * np.arange(3.0))
    assert doubled["b"].x.function is np.tanh
    assert doubled["a"][1] is None
    named = tn.tree.map_with_path(lambda path, x, y: (path, np.shape(x), np.shape(y)), tree(), tree())
    assert named["a"][2] == ("a.2", (), ())
    with pytest.raises(
        ArgumentError, match=r"tree.map: rest\[0\] must have the structure .* got a.1, b in the place of noth"
    ):
        tn.tree.map(np.add, {"a": [1.0]}, {"a": [1.0, 2.0], "b": 3})


@given(trees)
def test_ravel_and_back(tree: Any) -> None:
    vector, unravel = tn.tree.ravel(tree)
    assert vector.shape == (tn.tree.size(tree),)
    back = unravel(vector)
    assert tn.tree.allclose(back, tree, rtol=0, atol=0)
    np.testing.assert_allclose(tn.tree.norm(tree), np.linalg.norm(vector), rtol=1e-12)
    for x in tn.tree.leaves(back):
        assert not np.shares_memory(x, vector)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex64, np.complex128])
def test_unravel_gives_the_dtypes_of_the_tree(dtype: Any) -> None:
    vector, unravel = tn.tree.ravel((np.ones(2, dtype), np.dtype(dtype).type(1)))
    assert vector.dtype == dtype
    pair = unravel(vector.astype(np.result_type(dtype, np.float64)))
    assert [x.dtype for x in pair] == [dtype, dtype]
    assert type(pair[1]) is np.dtype(dtype).type
    wide, unravel = tn.tree.ravel((np.ones(2, np.float32), np.ones(1)))
    assert wide.dtype == np.float64
    assert [x.dtype for x in unravel(wide)] == [np.float32, np.float64]


def test_ravel_norm_and_unravel_have_derivatives(rng: np.random.Generator) -> None:
    layer = Layer(rng.normal(size=(2, 2)))
    check_grads(lambda t: tn.tree.ravel(t)[0] ** 2, ([layer, 2.0],))
    check_grads(tn.tree.norm, ([layer, 2.0],))
    _, unravel = tn.tree.ravel([layer, 2.0])
    check_grads(lambda v: unravel(v)[0].kernel * unravel(v)[1], (rng.normal(size=5),))
    zero = tn.grad(tn.tree.norm)([np.zeros(2), 0.0])
    np.testing.assert_array_equal(zero[0], np.zeros(2))
    hessian = tn.hessian(lambda v: tnp.sum(unravel(v)[0].kernel ** 3))(np.ones(5))
    np.testing.assert_allclose(hessian, np.diag([6.0, 6, 6, 6, 0]))
    stacked = tn.vmap(lambda v: tn.tree.norm(unravel(v)))(np.eye(3, 5))
    np.testing.assert_allclose(stacked, np.ones(3))


def test_ravel_names_what_it_does_not_take() -> None:
    with pytest.raises(ArgumentTypeError, match=r"tree.ravel: tree\['a'\] must be float or complex; got int 3"):
        tn.tree.ravel({"a": 3})
    with pytest.raises(ArgumentTypeError, match="all real or all complex"):
        tn.tree.ravel([1.0, 1j])
    _, unravel = tn.tree.ravel([1.0, np.ones(2)])
    with pytest.raises(ArgumentError, match=r"unravel: vector must have shape \(3,\); got \(4,\)"):
        unravel(np.ones(4))
    with pytest.raises(ArgumentTypeError, match="unravel: vector must be real"):
        unravel(np.ones(3, complex))


def test_size_and_norm_of_numbers_and_integers() -> None:
    assert tn.tree.size([3, True, np.ones((0, 5)), None]) == 2
    assert tn.tree.norm([3, 4]) == 5.0
    assert tn.tree.norm({}) == 0.0
    assert tn.tree.norm([1j, 0.0]) == 1.0
    with pytest.raises(ArgumentTypeError, match=r"tree.size: tree.a.0 must be numeric; got 'x'.*static_field"):
        tn.tree.size({"a": ["x"]})


@pytest.mark.parametrize(
    ("dtype", "large"), [(np.float16, 300), (np.float32, 1e25), (np.complex64, 1e25j), (np.float64, 1e100)]
)
def test_norms_do_not_overflow_in_single_or_half_precision(dtype: Any, large: Any) -> None:
    x = np.full(4, large, dtype)
    norm = tn.tree.norm([x])
    assert norm.dtype == x.real.dtype
    np.testing.assert_allclose(norm, 2 * abs(large), rtol=1e-3)
    slope = tn.grad(tn.tree.norm)([x])[0]
    assert slope.dtype == dtype
    np.testing.assert_allclose(slope, np.conj(x / abs(x)) / 2, rtol=1e-3)
    assert tn.tree.norm([x, np.float64(1)]).dtype == np.float64
    assert tn.tree.norm([np.ones(2, np.float16), np.zeros(3, np.float32)]).dtype == np.float32
    assert tn.tree.norm([np.ones(2, np.float16), 3]).dtype == np.float64


def test_norms_of_what_is_not_finite() -> None:
    assert np.isnan(tn.tree.norm([np.nan, 1.0]))
    assert tn.tree.norm([np.inf, 1.0]) == np.inf
    assert tn.tree.norm([np.full(2, 1e200)]) == np.inf
    for x in (np.full(2, 6e4, np.float16), np.full(2, 3e38, np.float32)):
        assert tn.tree.norm([x]) == np.inf
        assert tn.value_and_grad(tn.tree.norm)([x])[0] == np.inf
    wide = tn.tree.norm([np.full(2, 3, np.longdouble), np.zeros((0, 2))])
    np.testing.assert_allclose(wide, np.sqrt(np.longdouble(18)), rtol=np.finfo(np.longdouble).eps)


def test_what_is_not_numeric_is_named() -> None:
    torch = pytest.importorskip("torch")
    for leaf in (10**400, "x", np.array(["x"]), torch.ones(2), np.ma.ones(2)):
        with pytest.raises(ArgumentTypeError, match=r"^tree.norm: tree"):
            tn.tree.norm([leaf])
    with pytest.raises(ArgumentTypeError, match=r"tree.allclose: tree must not be of class torch"):
        tn.tree.allclose(torch.ones(2), torch.ones(2))


def test_allclose() -> None:
    assert tn.tree.allclose({"a": "x", "b": np.ones(2)}, {"a": "x", "b": np.ones(2) + 1e-9})
    assert not tn.tree.allclose({"a": "x"}, {"a": "y"})
    assert not tn.tree.allclose([np.nan], [np.nan])
    assert tn.tree.allclose([np.nan], [np.nan], equal_nan=True)
    assert not tn.tree.allclose([1.0], [1.1], rtol=0.01)
    with pytest.raises(ArgumentError, match=r"tree.allclose: other must .* got b in the place of a"):
        tn.tree.allclose({"a": 1.0}, {"b": 1.0})
    with pytest.raises(ArgumentError, match=r"shapes of tree; got \(3,\) for \(2,\) at 'a'"):
        tn.tree.allclose({"a": np.ones(2)}, {"a": np.ones(3)})


@attrs.frozen(eq=False)
class WithTable:
    weight: Any
    table: Any = tn.static_field()


def test_allclose_compares_arrays_in_static_fields(rng: np.random.Generator) -> None:
    layer = tn.nn.BatchNorm(3)
    _, trained = layer.train(rng.normal(5, 1, (8, 3)).astype(np.float32), rng)
    assert not tn.tree.allclose(layer, trained)
    assert not tn.tree.allclose({"a": [layer]}, {"a": [trained]})
    assert tn.tree.allclose(trained, tn.tree.map(lambda x: x + 0, trained))
    assert tn.tree.allclose(layer, tn.nn.BatchNorm(3))
    first, second = WithTable(1.0, np.ones(2)), WithTable(1.0, (np.ones(2),))
    assert tn.tree.allclose(first, WithTable(1.0, np.ones(2)))
    assert not tn.tree.allclose(first, WithTable(1.0, np.zeros(2)))
    assert not tn.tree.allclose(second, WithTable(1.0, (np.zeros(2),)))
    with pytest.raises(ArgumentError, match=r"shapes of tree; got \(3,\) for \(2,\) at 'table'"):
        tn.tree.allclose(first, WithTable(1.0, np.ones(3)))
    with pytest.raises(ArgumentError, match="must have the structure of tree"):
        tn.tree.allclose(first, second)
    assert isinstance(tn.grad(lambda w: w * tn.tree.allclose(WithTable(w, w), WithTable(w, 1 * w)))(2.0), float)


def test_map_keeps_the_static_fields_of_the_first(rng: np.random.Generator) -> None:
    layer = tn.nn.BatchNorm(3)
    _, trained = layer.train(rng.normal(5, 1, (8, 3)).astype(np.float32), rng)
    mean = tn.tree.map(lambda x, y: (x + y) / 2, trained, layer)
    assert tn.tree.allclose(mean, trained)


# ---- replace ----


@pytest.mark.parametrize("path", [*PATHS, "a", "a.1", "b", "b.x", "b.y", "b.y.first", "b.x.function", "b.x.stride.1"])
def test_replace_changes_what_is_at_a_path_and_nothing_else(path: str) -> None:
    before = tree()
    after: Any = tn.tree.replace(before, path, "new")
    found: Any = after
    for name in path.split("."):
        found = (
            found[int(name)]
            if isinstance(found, list | tuple) and name.isdigit()
            else getattr(found, name, None) or found[name]
        )
    assert found == "new"
    assert repr(before) == repr(tree())
    assert type(after["b"]) is Point or path == "b"


def test_replace_finds_keys_with_dots_and_names_what_there_is() -> None:
    assert tn.tree.replace({"a.b": {"c": 1}, "a": {"c": 2}}, "a.b.c", 5) == {"a.b": {"c": 5}, "a": {"c": 2}}
    with pytest.raises(ArgumentError, match=r"tree.replace: .* got 'b.x.kernal'. There are b.x.kernel"):
        tn.tree.replace(tree(), "b.x.kernal", 1)
    with pytest.raises(ArgumentError, match=r"There are none"):
        tn.tree.replace([], "a", 1)


def test_a_layer_of_a_model_is_replaced(rng: np.random.Generator) -> None:
    model = tn.models.LeNet(rng=rng)
    head = tn.nn.Dense(1024, 3, rng=rng)
    changed = tn.tree.replace(model, "layers.layers.10", head)
    assert changed(np.zeros((1, 28, 28, 1), np.float32)).shape == (1, 3)
    assert tn.tree.replace(model, "layers.layers.9.rate", 0.1).layers[9].rate == 0.1
