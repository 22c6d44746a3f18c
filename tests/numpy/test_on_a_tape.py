"""What NumPy's reductions, orders and fills give on a tape: its values, dtypes and types; derivatives at the edges."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp

Array = Any

WITH_DTYPE = "sum prod mean var std nansum nanprod nanmean nanvar nanstd cumsum cumprod nancumsum nancumprod".split()
DTYPES = "bool int64 float16 float32 float64 longdouble complex64 complex128".split()


def on_tape(f: Any, *arrays: Array) -> Any:
    """The plain value of a function of watched arrays."""
    with tn.GradientTape() as tape:
        y = f(*tape.watch(arrays))
        return y.value if type(y) is tn.Tensor else y


@pytest.mark.parametrize("name", WITH_DTYPE)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("of", ["float16", "float32", "float64", "complex128"])
def test_a_dtype_gives_what_it_gives_in_numpy(name: str, dtype: str, of: str) -> None:
    x = np.array([[0.5, 2.0, -1.25], [0.0, 0.75, 1.5]]).astype(of)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = getattr(np, name)(x, axis=0, dtype=dtype)
        except TypeError:
            with pytest.raises(TypeError):
                on_tape(lambda x: getattr(tnp, name)(x, axis=0, dtype=dtype), x)
            return
        found = on_tape(lambda x: getattr(tnp, name)(x, axis=0, dtype=dtype), x)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(
        found, expected, rtol=4 * np.finfo(expected.dtype).eps if found.dtype.kind in "fc" else 0
    )


LAYOUTS = [np.ascontiguousarray, np.asfortranarray, lambda x: x.transpose(1, 2, 0), lambda x: x[::-1, :, ::2]]


@pytest.mark.parametrize("order", "CFAK")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_orders_are_those_of_memory(order: Any, layout: Any) -> None:
    x = layout(np.arange(24.0).reshape(2, 3, 4))
    np.testing.assert_array_equal(on_tape(lambda x: tnp.ravel(x, order), x), x.ravel(order))
    np.testing.assert_array_equal(on_tape(lambda x: x.flatten(order), x), x.flatten(order))
    if order != "K":
        np.testing.assert_array_equal(
            on_tape(lambda x: x.reshape((-1, 2), order=order), x), x.reshape((-1, 2), order=order)
        )
    weights = np.arange(x.size)
    gradient = tn.grad(lambda x: tnp.sum(tnp.ravel(x, order) * weights))(x)
    np.testing.assert_array_equal(gradient, _places(x, order))


def _places(x: Array, order: Any) -> Array:
    """For each element, all of them distinct, where it stands when raveled."""
    raveled = x.ravel(order).tolist()
    return np.array([raveled.index(value) for value in x.ravel().tolist()]).reshape(x.shape)


H = np.linspace(0, 1, 70_000).astype(np.float16)


@pytest.mark.parametrize("name", ["mean", "var", "std", "nanmean", "nanvar", "nanstd", "median", "average"])
def test_float16_counts_beyond_its_largest_number(name: str) -> None:
    value, gradient = tn.value_and_grad(getattr(tnp, name))(H)
    with np.errstate(over="ignore"):  # NumPy's average casts the count
        assert value == getattr(np, name)(H)
    wide = tn.grad(getattr(tnp, name))(H.astype(np.float64))
    assert gradient.dtype == np.float16
    np.testing.assert_allclose(gradient.astype(float), wide, atol=6e-8, rtol=2e-2)


def test_float16_cotangents_are_added_up_beyond_2048() -> None:
    rows = np.zeros((20_000, 4), np.float16)
    places = np.zeros(20_000, int)
    for f in (
        lambda b: tnp.sum(tnp.astype(rows + b, np.float32)),
        lambda b: tnp.sum(tnp.astype(tnp.tile(b, (20_000, 1)), np.float32)),
        lambda b: tnp.sum(tnp.astype(tnp.broadcast_to(b, (20_000, 4)), np.float32)),
        lambda b: tnp.sum(tnp.astype(tnp.take(b[None], places, 0), np.float32)),
        lambda b: tnp.sum(tnp.astype(tn.nn.embedding(b[None], places), np.float32)),
    ):
        np.testing.assert_array_equal(tn.grad(f)(np.zeros(4, np.float16)), 20_000)


@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
def test_quantiles_find_their_place_among_a_million_floats(name: str) -> None:
    n = 1_234_567
    k = int((n - 1) * 0.3)
    steps = (np.arange(n) > k).astype(np.float32)
    value, gradient = tn.value_and_grad(lambda x: getattr(tnp, name)(x, 0.3))(steps)
    np.testing.assert_allclose(value, 0.8, rtol=1e-6)
    np.testing.assert_allclose(gradient[k : k + 2], [0.2, 0.8], rtol=1e-6)


@pytest.mark.parametrize("name", ["percentile", "nanpercentile"])
def test_percentiles_of_float16(name: str) -> None:
    gradient = tn.grad(lambda x: getattr(tnp, name)(x, 30))(H)
    np.testing.assert_allclose(gradient.astype(float).sum(), 1, rtol=1e-3)


@pytest.mark.parametrize("scale", [1e-200, 1e200, 1e-300, 1.0])
def test_the_slope_of_std_where_squares_overflow_or_underflow(scale: float) -> None:
    x = np.array([1.0, 2.0, 4.0, -3.0])
    with np.errstate(over="ignore"):
        gradient = tn.grad(lambda x: tnp.std(x, ddof=1))(x * scale)
        tangent = tn.jvp(lambda x: tnp.std(x, ddof=1), (x * scale,), (x,))[1]
    np.testing.assert_allclose(gradient, tn.grad(lambda x: tnp.std(x, ddof=1))(x), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(tangent, np.std(x, ddof=1), rtol=1e-12)


def test_std_of_equal_values_has_a_convention_for_a_first_derivative_and_no_second() -> None:
    for f in (
        tnp.std,
        tnp.nanstd,
        lambda x: tnp.std(x) ** 2,
        lambda x: tnp.std(x, where=np.array([True, True, False])),
    ):
        x = np.ones(3)
        np.testing.assert_array_equal(tn.grad(f)(x), 0)
        assert np.isnan(tn.hessian(f)(x)).any()
    assert tn.hessian(tnp.std)(np.ones(1)) == 0  # of one number it is constant


def test_initial_and_where_of_tensors_over_plain_data() -> None:
    data = np.arange(3.0)
    assert tn.grad(lambda v: tnp.sum(data, initial=v))(2.0) == 1
    assert tn.grad(lambda v: tnp.prod(data + 1, initial=v))(2.0) == 6
    assert tn.grad(lambda v: tnp.max(data, initial=v))(5.0) == 1
    assert tn.grad(lambda v: tnp.nansum([1.0, np.nan], initial=v))(2.0) == 1
    masks = np.array([[True, False, True], [False, True, True]])
    np.testing.assert_array_equal(tn.vmap(lambda m: tnp.sum(data, where=m))(masks), [2, 3])
    np.testing.assert_allclose(tn.vmap(lambda m: tnp.where(m, np.sin(data, where=m), 0))(masks), np.sin(data) * masks)


def test_a_plain_fill_is_a_plain_array_of_its_own() -> None:
    filled = on_tape(lambda x: tnp.full_like(x, -1, dtype=np.int32), np.ones(3))
    filled[0] = 0
    np.testing.assert_array_equal(filled, [0, -1, -1])


def test_functions_have_the_methods_of_ufuncs() -> None:
    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(tnp.add.outer(x, x), np.add.outer(x, x))
    assert tnp.multiply.reduce(x) == 6
    np.testing.assert_array_equal(tn.grad(lambda x: tnp.sum(tnp.multiply.outer(x, x)))(x), 12)
    np.testing.assert_array_equal(tn.grad(lambda x: tnp.sum(tnp.add.accumulate(x)))(x), [3, 2, 1])
    y = x.copy()
    tnp.add.at(y, [0, 0], 1)
    assert y[0] == 3
    with pytest.raises(tn.errors.AssignmentError, match=r"add\.at: it writes into an array"):
        on_tape(lambda x: tnp.add.at(x, [0], 1), x)


LIKE_NUMPY = {
    "an initial value in the dtype": lambda xp, x: xp.sum(x, initial=0.5, dtype="int64"),
    "an initial float64 of a float32 maximum": lambda xp, x: xp.max(x.astype("float32"), initial=np.float64(0.5)),
    "a maximum where all counts": lambda xp, x: xp.max(x, where=True),
    "the covariance of nothing": lambda xp, x: xp.cov(x[:0]),
    "nan_to_num of a scalar": lambda xp, x: xp.nan_to_num(x[0].astype("float16")),
    "inner of vectors": lambda xp, x: xp.inner(x.astype("longdouble"), x),
    "what vectors of two dtypes share": lambda xp, x: xp.intersect1d(x.astype("float16"), x),
    "a remainder of polynomials of two dtypes": lambda xp, x: xp.polydiv(x[:1].astype("float16"), x)[1],
    "a NaN-percentile with its axes": lambda xp, x: xp.nanpercentile(x[0], 50, keepdims=True),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", LIKE_NUMPY)
def test_values_are_of_numpys_types(name: str) -> None:
    x = np.array([0.5, 2.0, -1.25])
    found, expected = on_tape(lambda x: LIKE_NUMPY[name](tnp, x), x), LIKE_NUMPY[name](np, x)
    assert type(found) is type(expected)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["sort", "argsort", "partition"])
def test_an_order_of_fields_is_refused(name: str) -> None:
    arguments = (1,) if name == "partition" else ()
    with tn.GradientTape() as tape, pytest.raises(tn.ArgumentError, match=f"{name}: order must be None"):
        getattr(tnp, name)(tape.watch(np.ones(3)), *arguments, order="field")
