"""`x.at[index]` and `x.flat`: each method over all kinds of indices against NumPy's assignments, in both modes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.errors import IndexingError
from tapenet.ops.arrays import indexing
from tapenet.testing import check_grads
from tests.samples.drawing import distinct, numbers

Array = Any

SHAPE = (4, 3)
INDICES: dict[str, Any] = {
    "a number": 1,
    "a negative number": (-1, 2),
    "a slice": slice(1, None, 2),
    "slices": (slice(None, None, -1), slice(0, 2)),
    "an ellipsis": (..., 1),
    "everything": ...,
    "nothing": slice(0, 0),
    "a new axis": (None, 2),
    "a list": [2, 0],
    "a repeated list": [1, 3, 1, 1],
    "repeated and negative": [1, -3, 1],
    "pairs": ([0, 1, 3], [2, 1, 0]),
    "repeated pairs": ([0, 1, 0, 0], [2, 1, 2, 2]),
    "a repeated column": (slice(None), [1, 1]),
    "arrays apart": (slice(1, 3), None, [0, 2, 0]),
    "an array of two axes": [[0, 1], [1, 0]],
    "a mask": [True, False, True, True],
    "a mask of elements": np.arange(12).reshape(SHAPE) % 5 == 0,
    "an empty mask": [False] * 4,
    "an empty list": [],
}
UFUNCS: dict[str, Any] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "mul": np.multiply,
    "divide": np.divide,
    "power": np.power,
    "min": np.minimum,
    "max": np.maximum,
}


def place(index: Any) -> Any:
    """An index as `ufunc.at` takes it: lists are arrays, an empty one is of integers."""
    return np.array(index, None if index else int) if type(index) is list else index


def expected(method: str, x: Array, index: Any, value: Array) -> Array:
    """What NumPy's assignment, or its ufunc applied once for each time that an element is named, makes of a copy."""
    changed = np.array(x)
    if method == "set":
        changed[place(index)] = value
    else:
        UFUNCS[method].at(changed, place(index), value)
    return changed


def changed(method: str, index: Any) -> Callable[[Array, Array], Array]:
    return lambda x, value: getattr(tn.at(x)[index], method)(value)


def drawn(data: st.DataObject, read: tuple[int, ...]) -> tuple[Array, Array]:
    """An array and a value for what an index reads, without ties between them."""
    shape = data.draw(st.sampled_from([read, read[1:], (), (1, *read), (1, 1, *read[1:])]))
    x = 1 + (distinct(data.draw, SHAPE) + 1) / 12
    return x, np.asarray(0.51 + 2 * distinct(data.draw, shape) / 11 + numbers(data.draw, (), 0.0, 0.05))


over_indices = pytest.mark.parametrize("name", INDICES)
over_methods = pytest.mark.parametrize("method", ["set", *UFUNCS])


@over_methods
@over_indices
@given(data=st.data())
def test_values_and_derivatives_are_those_of_an_assignment(name: str, method: str, data: st.DataObject) -> None:
    index = INDICES[name]
    x, value = drawn(data, np.zeros(SHAPE)[place(index)].shape)
    squeezed = value.reshape(value.shape[np.ndim(value) - min(np.ndim(value), np.zeros(SHAPE)[place(index)].ndim) :])
    kept = x.copy(), value.copy()
    np.testing.assert_allclose(
        changed(method, index)(x, value), expected(method, x, index, squeezed), rtol=1e-14, atol=1e-14, strict=True
    )
    with tn.GradientTape() as tape:
        y = changed(method, index)(*tape.watch((x, value)))
    np.testing.assert_array_equal(y.value, changed(method, index)(x, value))
    check_grads(changed(method, index), (x, value), order=2)
    np.testing.assert_array_equal(x, kept[0])
    np.testing.assert_array_equal(value, kept[1])


@over_methods
@over_indices
def test_each_operand_alone(name: str, method: str, rng: np.random.Generator) -> None:
    index = INDICES[name]
    x = rng.uniform(1, 2, SHAPE)
    value = rng.uniform(2.5, 3, np.zeros(SHAPE)[place(index)].shape)
    f = changed(method, index)
    both = tn.jacobian(f, (0, 1))(x, value)
    for argnum, jacobian in enumerate(both):
        np.testing.assert_allclose(tn.jacobian(f, argnum)(x, value), jacobian, rtol=1e-13)
        np.testing.assert_allclose(tn.jacfwd(f, argnum)(x, value), jacobian, rtol=1e-13)


def test_of_a_repeated_index_set_leaves_the_last_value_with_its_derivative() -> None:
    x, value = np.zeros(3), np.array([5.0, 6.0, 7.0])
    f = changed("set", [1, 0, 1])
    np.testing.assert_array_equal(f(x, value), [6, 7, 0])
    y_bar = np.array([1.0, 10.0, 100.0])
    x_bar, value_bar = tn.vjp(f, x, value)[1](y_bar)
    np.testing.assert_array_equal(x_bar, [0, 0, 100])
    np.testing.assert_array_equal(value_bar, [0, 1, 10])
    np.testing.assert_array_equal(tn.jvp(f, (x, value), (x, value))[1], [6, 7, 0])


def test_min_and_max_split_the_derivative_where_values_are_equal() -> None:
    for method in ("min", "max"):
        x_bar, value_bar = tn.grad(lambda x, v, m=method: changed(m, 1)(x, v)[1], (0, 1))(np.ones(3), 1.0)
        np.testing.assert_array_equal(x_bar, [0, 0.5, 0])
        assert value_bar == 0.5


@over_methods
@pytest.mark.parametrize("dtype", [int, bool, np.uint8])
@pytest.mark.parametrize("value", [2.5, np.float32(2), np.ones(1), 1j], ids=repr)
def test_floats_do_not_go_into_integers(method: str, dtype: Any, value: Any) -> None:
    x = np.zeros(3, dtype)
    got = np.asarray(value).dtype
    text = (
        rf"at\[\.\.\.\]\.{'multiply' if method == 'mul' else method}: value must be integer, as x is of {x.dtype}; "
        rf"got {got}\. Cast x first, x\.astype\('{got}'\)"
    )
    with pytest.raises(tn.ArgumentTypeError, match=text):
        getattr(tn.at(x)[1], method)(value)
    with pytest.raises(tn.ArgumentTypeError, match=text):
        tn.grad(lambda v: getattr(tn.at(x)[1], method)(v).sum())(np.asarray(value))


@over_methods
def test_complex_numbers_do_not_go_into_real_ones(method: str) -> None:
    with pytest.raises(tn.ArgumentTypeError, match=r"value must be real, as x is; got complex128\."):
        getattr(tn.at(np.zeros(3))[1], method)(1j)


def test_integers_divided_are_floats_and_refused() -> None:
    for index in (1, [1, 1]):
        with pytest.raises(tn.ArgumentTypeError, match=r"at\[\.\.\.\]\.divide: value must be integer"):
            tn.at(np.arange(3))[index].divide(2)


@over_methods
@pytest.mark.parametrize("index", [1, slice(2), [1, 1]], ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.longdouble])
def test_the_dtype_of_x_stays(method: str, index: Any, dtype: Any) -> None:
    if dtype is np.complex64 and method in ("min", "max", "power"):
        return  # complex numbers have no order, and a power of a branch
    x = np.array([1, 2, 3], dtype)
    for value in (2, 2.0, np.float64(2), np.float32(2), np.full(2, 2.0) if index != 1 else np.full((), 2.0)):
        assert getattr(tn.at(x)[index], method)(value).dtype == dtype
        y, pullback = tn.vjp(lambda x, v: getattr(tn.at(x)[index], method)(v), x, np.asarray(value, float))
        assert y.dtype == dtype
        x_bar, value_bar = pullback(np.ones_like(y))
        assert x_bar.dtype == dtype
        assert value_bar.dtype == float


def test_values_that_do_not_broadcast_are_refused() -> None:
    for method in ("set", *UFUNCS):
        for shape in [(2, 3), (2,), (2, 1, 3)]:
            with pytest.raises(
                tn.ArgumentError, match=r"value must broadcast to what the index reads, of shape \(3,\)"
            ):
                getattr(tn.at(np.zeros((4, 3)))[1], method)(np.ones(shape))
        with pytest.raises(tn.errors.IndexingError, match="index 7 is out of bounds"):
            getattr(tn.at(np.zeros((4, 3)))[7], method)(np.ones(3))


# ---- flat ----

FLAT_INDICES = {"a number": 3, "negative": -1, "a slice": slice(1, 9, 3), "a list": [0, 5, 5], "everything": ...}


@pytest.mark.parametrize("name", FLAT_INDICES)
def test_flat_takes_indices(name: str, rng: np.random.Generator) -> None:
    index = FLAT_INDICES[name]
    x = rng.normal(size=SHAPE)
    f: Callable[[Array], Array] = lambda x: tnp.sin(x.T.flat[index])  # noqa: E731
    np.testing.assert_array_equal(f(x), np.sin(x.T.flat[index]))
    np.testing.assert_array_equal(tn.jvp(f, (x,), (x,))[0], np.sin(x.T.flat[index]))
    check_grads(f, (x,), order=2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize(
    ("shape", "index"),
    [
        ((5, 7), ((40,), (40,))),
        ((5, 7), ((8, 1), (1, 9))),
        ((6, 3), ((50,),)),
        ((4, 3, 2), ((50,),)),
        ((4, 3, 2), ((7, 5), (5,))),
        ((300, 2), ((4,),)),
        ((9,), ((30,),)),
        ((2, 2), ((), (6,))),
    ],
)
def test_repeated_places_are_added_up_in_their_order(shape: Any, index: Any, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    arrays = tuple(rng.integers(-n, n, size) for n, size in zip(shape, index, strict=False))
    x, t = rng.normal(size=shape).astype(dtype), rng.normal(size=np.empty(shape)[arrays].shape).astype(dtype)
    expected = np.zeros(shape, dtype)
    np.add.at(expected, arrays, t)
    found = tn.grad(lambda x: tnp.sum(x[arrays] * t).real)(x)
    np.testing.assert_array_equal(found, expected)


def test_an_empty_list_is_an_index_and_an_empty_array_of_floats_is_not() -> None:
    x = np.arange(3.0)
    assert tn.grad(lambda x: tnp.sum(x[[]]) + tnp.sum(x[[], None]) + x[0])(x).tolist() == [1, 0, 0]
    with pytest.raises(tn.ArgumentTypeError, match=r"^getitem: an index must be integer or boolean; got float64\.$"):
        tn.grad(lambda x: tnp.sum(x[np.zeros(0)]))(x)


TRUTHS = np.array([True, False, True])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.take(x, TRUTHS, axis=0),
        lambda x: np.take(x, TRUTHS[:2], axis=-1, mode="wrap"),
        lambda x: x.take(TRUTHS[:, None]),
        lambda x: np.take(x, []),
        lambda x: np.choose(TRUTHS, (x, 2 * x)),
        lambda x: np.choose(TRUTHS, (x, 2 * x), mode="clip"),
    ],
)
def test_truth_values_are_the_numbers_0_and_1_where_numpy_reads_them_so(f: Callable[[Array], Array]) -> None:
    x = np.arange(1.0, 10.0).reshape(3, 3)
    value, tangent = tn.jvp(f, (x,), (x,))
    np.testing.assert_array_equal(value, f(x))
    np.testing.assert_array_equal(tangent, f(x))
    check_grads(f, (x,), order=1)


def test_indices_that_are_not_integers_are_refused() -> None:
    x = np.arange(3.0)
    for indices in (TRUTHS, [1.0]):
        with pytest.raises(IndexingError, match=r"^take_along_axis: indices must be integers; got"):
            tn.grad(lambda x, i=indices: tnp.sum(tnp.take_along_axis(x, i, None)))(x)
    with pytest.raises(tn.ArgumentTypeError, match=r"^getitem: an index must be integer or boolean; got float64\.$"):
        tn.grad(lambda x: tnp.sum(tnp.take(x, [1.0])))(x)


@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 4), (1,) * 33 + (3, 2)])
def test_places_are_added_into_arrays_of_any_memory_order(shape, rng):
    index = tuple(rng.integers(0, n, (5,)) for n in shape[:32])
    x, placed = rng.standard_normal((5, *shape[32:])), rng.standard_normal(shape)
    for order in (placed.copy(), np.asfortranarray(placed), np.repeat(placed, 2, -1)[..., ::2]):
        indexing._add_at(order, index, x)
        expected = placed.copy()
        for k, places in enumerate(zip(*index, strict=True)):
            expected[places] += x[k]
        terms = np.abs(placed).max() + np.abs(x).sum()  # a sum may cancel: its rounding is that of its terms
        np.testing.assert_allclose(order, expected, rtol=0, atol=1e-15 * terms)
