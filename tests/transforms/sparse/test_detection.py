"""Patterns: none lacks an element that is not zero, over the whole registry and over random programs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.transforms.sparse import links
from tapenet.transforms.sparse.rules import RULES
from tests.samples import SAMPLES
from tests.transforms.programs import VOCABULARY, program_of

Array = Any
Data = st.DataObject

# Operations whose pattern is that of the derivative at any values: linear maps and products, of factors without zeros.
EXACT = """
    add affine assemble astype avg_pool avg_pool_input broadcast_to concatenate conv conv_bias conv_input conv_kernel
    convolve cumsum divide einsum exp fft gather getitem matmul matvec mean multiply negative pad_zeros place
    pool_gather pool_scatter recurrence reshape rfft roll scatter set slide solve sparse_matmul subtract sum transpose
""".split()


def nonzero(f: Callable[..., Array], arrays: tuple[Array, ...]) -> Array:
    """Where the dense Jacobian is not zero, by all arrays as one vector."""
    size = math.prod(np.shape(f(*arrays)))
    blocks = tn.jacobian(f, tuple(range(len(arrays))))(*arrays)
    return (
        np.concatenate([np.reshape(block, (size, np.size(x))) for block, x in zip(blocks, arrays, strict=True)], 1) != 0
    )


def pattern(f: Callable[..., Array], arrays: tuple[Array, ...], scope: str) -> Array:
    return tn.sparsity(f, tuple(range(len(arrays))), scope=scope)(*arrays).toarray()


@pytest.mark.parametrize("name", sorted(SAMPLES))
@given(data=st.data())
def test_a_pattern_holds_every_element_that_is_not_zero(name: str, data: Data) -> None:
    sample = data.draw(SAMPLES[name])
    arrays = tuple(np.asarray(x) for x in sample.arrays)
    there = nonzero(sample.function, arrays)
    local = pattern(sample.function, arrays, "local")
    assert not (there & ~local).any()
    if name in EXACT:
        assert (there == local).all()
    if name in ("eigh", "qr", "svd", "roots", "unwrap"):  # their samples, or their rules, read values
        return
    everywhere = pattern(sample.function, arrays, "global")
    assert not (local & ~everywhere).any()


def test_every_rule_is_of_an_operation() -> None:
    assert RULES.keys() - SAMPLES.keys() == {"fft.trigonometric"}


def values_of(seed: int) -> tuple[Callable[[Array], Array], Array]:
    """A random program that returns its last values one after the other, and a vector."""
    program, x = program_of(seed)

    def run(x: Array) -> Array:
        values = [x, x[0] * x[1], np.outer(x, np.sin(x))]
        for name, places in program.steps[:12]:
            values.append(VOCABULARY[name].apply(tnp, program.constants, *(values[place] for place in places)))
        return tnp.concatenate([tnp.ravel(value) for value in values[1:]])

    return run, x


@given(seed=st.integers(0, 10**6))
def test_patterns_of_random_programs_hold_their_jacobians(seed: int) -> None:
    f, x = values_of(seed)
    there = nonzero(f, (x,))
    for scope in ("local", "global"):
        assert not (there & ~pattern(f, (x,), scope)).any()
    np.testing.assert_allclose(tn.sparse_jacobian(f)(x).toarray(), tn.jacobian(f)(x), rtol=1e-12, atol=1e-12)


@given(seed=st.integers(0, 10**6))
def test_a_pattern_of_all_values_holds_at_other_values(seed: int) -> None:
    f, x = values_of(seed)
    everywhere = pattern(f, (x,), "global")
    other = np.random.default_rng(seed).uniform(-1, 1, x.shape)
    assert not (nonzero(f, (other,)) & ~everywhere).any()


# ---- scopes ----

X = np.array([0.3, -1.2, 2.0, 0.7])
MASK = np.array([True, False, True, False])

CHOICES: dict[str, tuple[Callable[[Array], Array], Array, Array]] = {
    "where": (lambda x: np.where(x > 0, x, x[::-1]), [[0], [1, 2], [1, 2], [3]], [[0, 3], [1, 2], [1, 2], [0, 3]]),
    "maximum": (lambda x: np.maximum(x, x[::-1]), [[3], [2], [2], [3]], [[0, 3], [1, 2], [1, 2], [0, 3]]),
    "max": (lambda x: np.max(x.reshape(2, 2), 1), [[0], [2]], [[0, 1], [2, 3]]),
    "sort": (lambda x: np.sort(x.reshape(2, 2), 1)[:, 0], [[1], [3]], [[0, 1], [2, 3]]),
    "a zero factor": (lambda x: x * np.array([1.0, 0.0, 1.0, 0.0]), [[0], [], [2], []], [[0], [], [2], []]),
    "a zero value": (lambda x: x * (x - 2.0)[::-1], [[0, 3], [2], [1, 2], [0, 3]], [[0, 3], [1, 2], [1, 2], [0, 3]]),
    "a constant mask": (lambda x: np.where(MASK, x, x[::-1]), [[0], [2], [2], [0]], [[0], [2], [2], [0]]),
    "a triangle": (lambda x: np.triu(x.reshape(2, 2)), [[0], [1], [], [3]], [[0], [1], [], [3]]),
    "relu": (lambda x: tn.nn.relu(x), [[0], [], [2], [3]], [[0], [1], [2], [3]]),
    "clip": (lambda x: np.clip(x, -1, 1), [[0], [], [], [3]], [[0], [1], [2], [3]]),
    "take": (lambda x: x[np.argsort(x)], [[1], [0], [3], [2]], [[0, 1, 2, 3]] * 4),
    "median": (lambda x: np.median(x, keepdims=True), [[0, 3]], [[0, 1, 2, 3]]),
}


@pytest.mark.parametrize("name", CHOICES)
def test_local_patterns_follow_the_chosen_side_and_global_ones_both(name: str) -> None:
    f, local, everywhere = CHOICES[name]
    if name == "where":
        local = [[0], [2], [2], [3]]
    for scope, rows in (("local", local), ("global", everywhere)):
        found = tn.sparsity(f, scope=scope)(X).toarray()
        assert [list(np.flatnonzero(row)) for row in found] == rows, scope


def test_zeros_of_constant_factors_count_in_jacobians_and_masks_do_not() -> None:
    def f(x: Array, factor: Array) -> Array:
        return x * factor

    make = tn.sparse_jacobian(f)
    for factor in (
        np.array([1.0, 0.0, 2.0, 0.0]),
        np.ones(4),
        np.array([0.0, 1.0, 2.0, 0.0]),
        np.array([5.0, 0.0, 2.0, 0.0]),
    ):
        found = make(X, factor)
        assert found.nnz == np.count_nonzero(factor)
        np.testing.assert_array_equal(found.toarray(), np.diag(factor))
    assert make(X, MASK).nnz == 4
    assert tn.sparse_jacobian(lambda x: np.where(x > 0, x, 0.0))(X).nnz == 4


def test_a_branch_has_no_pattern_of_all_values() -> None:
    def f(x: Array) -> Array:
        return x if x[0] > 0 else x[::-1]

    with pytest.raises(tn.ArgumentError, match=r"sparsity: f must not read values .* got if x: at .*test_detection"):
        tn.sparsity(f)(X)
    assert (tn.sparsity(f, scope="local")(X).toarray() == np.eye(4)).all()
    assert (tn.sparsity(f, scope="local")(-X).toarray() == np.eye(4)[::-1]).all()


def test_a_result_whose_shape_depends_on_values_has_no_pattern_of_all_values() -> None:
    with pytest.raises(
        tn.ArgumentError, match=r"sparsity: the shape of f's result must not depend on x .* got x\[mask\]"
    ):
        tn.sparsity(lambda x: x[x > 0])(X)
    assert (tn.sparsity(lambda x: x[x > 0], scope="local")(X).toarray() == np.eye(4)[X > 0]).all()
    assert tn.sparsity(lambda x: x.at[x > 0].set(0.0))(X).nnz == 4


def test_local_patterns_under_other_transforms_follow_the_values() -> None:
    def count(x: Array) -> Array:
        return x * tn.sparsity(lambda y: np.maximum(y, 0.0), scope="local")(x).nnz

    for call in (tn.compile(count), tn.compile(count)):
        for x in (X, -X, X, -X):
            np.testing.assert_array_equal(call(x), x * np.count_nonzero(x > 0))
    assert (tn.grad(lambda x: count(x).sum())(X) == 3).all()


def test_a_dependence_that_memory_does_not_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "MOST_ENTRIES", 10)
    with pytest.raises(tn.ArgumentError, match="sparsity: a pattern must have at most 10 entries; got 16 for a value"):
        tn.sparsity(lambda x: np.linalg.inv(x))(np.eye(2))


def test_stopped_gradients_and_piecewise_constant_functions_leave_no_entry() -> None:
    for f in (np.floor, np.sign, lambda x: x * 0 + tn.stop_gradient(x) - x * 0, np.round):
        assert tn.sparsity(f, scope="local")(X).nnz == 0
    assert tn.sparsity(np.floor)(X).nnz == 0


def test_a_user_operation_with_the_name_of_another_is_taken_to_combine_all() -> None:
    def sum(x: Array) -> Array:
        return x[::-1] * 1.0

    own = tn.custom_jvp(sum, lambda primals, tangents: (sum(primals[0]), sum(tangents[0])))
    assert tn.sparsity(own)(X).toarray().all()


def test_the_inside_of_a_checkpointed_function_is_recorded_again() -> None:
    scale = np.array([1.0, 0.0, 2.0, 3.0])

    def f(x: Array, y: Array) -> Any:
        return np.sin(x) * scale, {"sum": (x * y).reshape(2, 2).sum(axis=1), "order": np.sort(y)[:1]}

    for g in (tn.checkpoint(f), tn.checkpoint(lambda x, y: tn.checkpoint(f)(x, y))):
        make = tn.sparse_jacobian(g, (0, 1))
        for y in (X[::-1], X, X[::-1]):
            inside, around = make(X, y), tn.sparse_jacobian(f, (0, 1))(X, y)
            np.testing.assert_array_equal(inside.toarray(), around.toarray())
            assert inside.nnz == around.nnz
        local = tn.sparsity(g, (0, 1), scope="local")(X, y)
        assert (local.toarray() == tn.sparsity(f, (0, 1), scope="local")(X, y).toarray()).all()
        assert tn.sparsity(g, (0, 1))(X, y).toarray().all()  # its masks are constants
    expected = tn.hessian(lambda x: np.sum(x[1:] * x[:-1] ** 2))(X)
    found = tn.sparse_hessian(tn.checkpoint(lambda x: np.sum(x[1:] * x[:-1] ** 2)))(X)
    np.testing.assert_allclose(found.toarray(), expected)
    compiled = tn.sparse_jacobian(tn.checkpoint(lambda x: np.sin(x[1:]) * x[:-1]), compile=True)
    for x in (X, 2 * X, X[::-1]):
        np.testing.assert_allclose(compiled(x).toarray(), tn.jacobian(lambda x: np.sin(x[1:]) * x[:-1])(x))


# ---- pytrees, shapes, dtypes ----


def test_leaves_of_pytrees_are_side_by_side() -> None:
    def f(tree: Any, scale: Array) -> Any:
        return {"a": tree["v"] * scale, "b": tree["w"].sum(axis=0)}

    tree = {"v": np.ones(2), "w": np.ones((3, 2))}
    found = tn.sparsity(f, (0, 1))(tree, 2.0).toarray().astype(int)
    expected = np.array(
        [
            [1, 0, 0, 0, 0, 0, 0, 0, 1],
            [0, 1, 0, 0, 0, 0, 0, 0, 1],
            [0, 0, 1, 0, 1, 0, 1, 0, 0],
            [0, 0, 0, 1, 0, 1, 0, 1, 0],
        ]
    )
    assert (found == expected).all()
    pattern, aux = tn.sparsity(lambda x: (x, "more"), has_aux=True)(X)
    assert pattern.nnz == 4
    assert aux == "more"


@pytest.mark.parametrize("x", [2.0, np.float32(2), np.zeros(0), np.ones((2, 0)), np.ones(1), np.ones((1, 1)), 1j])
def test_every_shape_has_a_pattern(x: Any) -> None:
    size = np.size(x)
    for scope in ("local", "global"):
        found = tn.sparsity(lambda x: x * 3, scope=scope)(x)
        assert found.shape == (size, size)
        assert found.nnz == size
    assert tn.sparsity(lambda x: np.ones(2))(x).shape == (2, size)
    assert tn.sparsity(lambda x: [])(x).shape == (0, size)


def test_fortran_order_is_read_in_c_order() -> None:
    x = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    found = tn.sparsity(lambda x: x.T)(x).toarray()
    assert (found == (tn.jacobian(lambda x: x.T)(x).reshape(6, 6) != 0)).all()
