"""The strategies: what they draw has the property that they promise, and shrinks to what can be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings, strategies as st
from hypothesis.errors import NoSuchExample

import tapenet as tn
from tapenet.core.pytrees import tree_leaves
from tapenet.testing import strategies

Data = st.DataObject
# All health checks on, those that the suite's profile turns off too.
strict = settings(max_examples=50, suppress_health_check=(), deadline=None)
without_explanation = settings(max_examples=200, phases=[Phase.generate, Phase.shrink])
dtypes = st.sampled_from([np.float16, np.float32, np.float64, np.longdouble, np.complex64, np.complex128])


def simplest(strategy: Any, condition: Callable[[Any], bool]) -> Any:
    """What an example that fulfils the condition shrinks to."""
    return find(strategy, condition, settings=settings(without_explanation, max_examples=2000))


# ---- numbers and arrays ----


@strict
@given(strategies.numbers(-3, 5, away_from=[0.0, 1.0], margin=0.25))
def test_numbers_keep_away_from_kinks(x: float) -> None:
    assert -3 <= x <= 5
    assert abs(x) >= 0.25
    assert abs(x - 1) >= 0.25


@strict
@given(st.data())
def test_numbers_of_any_interval(data: Data) -> None:
    low, high = sorted(data.draw(st.tuples(*[st.floats(-1e6, 1e6)] * 2)))
    assert low <= data.draw(strategies.numbers(low, high)) <= high


def test_numbers_shrink_to_simple_ones() -> None:
    assert simplest(strategies.numbers(), lambda x: True) == 0
    assert simplest(strategies.numbers(0.3, 3), lambda x: True) == 1
    assert simplest(strategies.numbers(), lambda x: x > 0) == 1
    assert simplest(strategies.numbers(), lambda x: x < 0) == -1
    assert len(str(simplest(strategies.numbers(), lambda x: x > 1))) <= len("1.0625")
    assert simplest(strategies.numbers(0.1, 0.4), lambda x: True) == 0.25
    assert simplest(strategies.numbers(100, 900), lambda x: True) == 100


@strict
@given(st.data())
def test_arrays_have_the_shape_dtype_and_interval_asked_for(data: Data) -> None:
    dtype = np.dtype(data.draw(dtypes))
    shape = data.draw(strategies.shapes(min_side=0))
    x = data.draw(strategies.arrays(shape, dtype, low=0.3, high=3))
    assert x.shape == shape
    assert x.dtype == dtype
    assert np.all((x.real > 0.299) & (x.real <= 3))


@strict
@given(strategies.arrays(strategies.shapes(0, 2), dtypes))
def test_shapes_and_dtypes_may_be_strategies(x: Any) -> None:
    assert x.ndim <= 2
    assert x.dtype.kind in "fc"


@strict
@given(strategies.arrays((3, 3), distinct=True, low=-1, high=1))
def test_distinct_elements_keep_away_from_each_other(x: Any) -> None:
    assert np.diff(np.sort(x, axis=None)).min() >= 0.1


@strict
@given(strategies.arrays(4, np.complex128, off_axes=True, away_from=[1 + 1j], distinct=True))
def test_complex_numbers_keep_off_the_axes(z: Any) -> None:
    assert np.abs(z.real).min() >= 0.1
    assert np.abs(z.imag).min() >= 0.1
    assert np.abs(z - (1 + 1j)).min() >= 0.1
    assert len(set(z.tolist())) == 4


@strict
@given(strategies.broadcastable_arrays(3, np.float32, away_from=[0.0]))
def test_broadcastable_arrays_broadcast(arrays: Any) -> None:
    np.broadcast_shapes(*(x.shape for x in arrays))
    assert all(x.dtype == np.float32 and np.all(x != 0) for x in arrays)


def test_arrays_shrink_to_simple_ones() -> None:
    assert simplest(strategies.arrays((2,)), lambda x: x.min() > 0).tolist() == [1, 1]
    assert simplest(strategies.arrays(), lambda x: x.ndim == 2).tolist() == [[0]]
    assert simplest(strategies.arrays((), np.complex128, off_axes=True), lambda z: True) == 1 + 1j


def test_impossible_arrays_are_refused() -> None:
    with pytest.raises(tn.ArgumentError, match=r"low must be at most high, both finite; got 2\.0 and 1\.0"):
        strategies.arrays(low=2, high=1)
    with pytest.raises(
        tn.ArgumentError,
        match=r"numbers from -1\.0 to 1\.0 that are 5\.0 away from \[0\.0\]; got none\. Choose a smaller margin",
    ):
        strategies.numbers(-1, 1, away_from=[0.0], margin=5)
    with pytest.raises(tn.ArgumentTypeError, match=r"dtype must be a float or complex dtype, .*; got int64"):
        strategies.arrays(dtype=np.int64)
    crowded = strategies.arrays(100, distinct=True)
    with pytest.raises(
        tn.ArgumentError,
        match=r"there must be 100 numbers away from each other, for .* of shape \(100,\); got 33\. Choose",
    ):
        simplest(crowded, lambda x: True)


# ---- matrices ----

matrices = [strategies.well_conditioned, strategies.positive_definite, strategies.orthogonal, strategies.symmetric]


@pytest.mark.parametrize("strategy", matrices)
@strict
@given(data=st.data())
def test_matrices_have_the_order_batch_and_dtype_asked_for(strategy: Any, data: Data) -> None:
    dtype = np.dtype(data.draw(dtypes))
    n = data.draw(st.integers(0, 4))
    batch = data.draw(strategies.shapes(0, 2, min_side=0, max_side=2))
    a = data.draw(strategy(n, dtype, batch=batch))
    assert a.shape == (*batch, n, n)
    assert a.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@strict
@given(data=st.data())
def test_matrices_have_their_property(dtype: Any, data: Data) -> None:
    n = data.draw(st.integers(1, 5))
    identity = np.eye(n)
    assert np.linalg.cond(data.draw(strategies.well_conditioned(n, dtype))) < 10
    q = data.draw(strategies.orthogonal(n, dtype))
    np.testing.assert_allclose(q.conj().T @ q, identity, atol=1e-14)
    a = data.draw(strategies.positive_definite(n, dtype))
    np.testing.assert_array_equal(a, a.conj().T)
    assert np.linalg.eigvalsh(a).min() > 0.01
    s = data.draw(strategies.symmetric(n, dtype, gap=0.25))
    np.testing.assert_array_equal(s, s.conj().T)
    assert np.diff(np.linalg.eigvalsh(s)).min(initial=0.25) >= 0.25 - 1e-12


@pytest.mark.parametrize("strategy", matrices[:3])
def test_matrices_shrink_to_the_identity(strategy: Any) -> None:
    np.testing.assert_array_equal(simplest(strategy(3), lambda a: True), np.eye(3))


def test_eigenvalues_may_repeat_only_without_a_gap() -> None:
    repeated = simplest(strategies.symmetric(2, gap=0), lambda a: True)
    np.testing.assert_array_equal(repeated, np.zeros((2, 2)))
    with pytest.raises(tn.ArgumentError, match="gap must be in \\[0, inf\\); got -1"):
        strategies.symmetric(gap=-1)


def test_matrices_are_of_floats() -> None:
    with pytest.raises(tn.ArgumentTypeError, match=r"dtype must be a float or complex dtype, .*; got int64"):
        simplest(strategies.orthogonal(2, np.int64), lambda a: True)


# ---- pytrees, axes, indices ----


@strict
@given(strategies.pytrees())
def test_pytrees_are_differentiable(tree: Any) -> None:
    def f(tree: Any) -> Any:
        return sum(((x * x).sum() for x in tree_leaves(tree)), start=0.0 * tn.numpy.ones(()))

    gradient = tn.grad(f)(tree)
    for x, x_bar in zip(tree_leaves(tree), tree_leaves(gradient), strict=True):
        np.testing.assert_array_equal(x_bar, 2 * x)


def test_pytrees_are_of_every_kind() -> None:
    for kind in (tuple, list, dict):
        tree = simplest(strategies.pytrees(), lambda tree, kind=kind: isinstance(tree, kind) and len(tree) == 2)
        assert len(tree_leaves(tree)) <= 2


@strict
@given(st.data())
def test_axes_fit_the_array(data: Data) -> None:
    x = data.draw(strategies.arrays())
    axis = data.draw(strategies.axes(x.shape))
    np.sum(x, axis=axis)
    if x.ndim:
        assert isinstance(data.draw(strategies.axes(x.ndim, none=False, several=False)), int)


@strict
@given(st.data())
def test_indices_fit_the_array(data: Data) -> None:
    x = data.draw(strategies.arrays(strategies.shapes(min_side=0)))
    index = data.draw(strategies.indices(x.shape))
    expected = x[index]
    with tn.GradientTape() as tape:
        y = tape.watch(x)[index]
    np.testing.assert_array_equal(np.asarray(y), expected)


def test_indices_may_be_arrays_and_masks() -> None:
    drawn = strategies.indices((3, 2))
    simplest(drawn, lambda index: isinstance(index, np.ndarray) and index.dtype == bool and index.ndim == 2)
    simplest(drawn, lambda index: isinstance(index, tuple) and all(isinstance(i, np.ndarray) for i in index))
    with pytest.raises(NoSuchExample):
        simplest(strategies.indices((3, 2), fancy=False), lambda index: isinstance(index, np.ndarray))
