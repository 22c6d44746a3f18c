"""Kernels of more than one kind of elements: integers, complex numbers, and gathers at computed places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program import ranges
from tests.program.backends.test_llvm import compiled, kernels_of
from tests.program.comparing import assert_same

pytest.importorskip("llvmlite")

Array = Any
RNG = np.random.default_rng(0)
INTEGERS = [np.int32, np.int64]


# ---- integers ----


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_are_numpys_to_the_bit(dtype: Any) -> None:
    info = np.iinfo(dtype)
    special = np.array([0, 1, -1, 7, -7, 49, 1000, info.max, info.min, info.max - 1, info.min + 1], dtype)
    x, y = (part.ravel() for part in np.meshgrid(special, special))

    def f(x: Array, y: Array) -> Any:
        return (
            *(x + y, x - y, x * y, -x, tnp.maximum(x, y), tnp.minimum(x, y), x + 5, 3 - y, tnp.square(x)),
            *(x > y, x >= y, x < y, x <= y, x == y, x != 0, tnp.where(x > y, x, y), tnp.where(x, y, 7)),
            *(tnp.astype(x > y, dtype) + x, x * 0.5, tnp.astype(y, np.float64) - 0.25, (x > 2.5) & (y < 1)),
        )

    assert kernels_of(f, x, y) == 1
    for ours, expected in zip(compiled(f, (x, y))(x, y), f(x, y), strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("divisor", [1, 2, 3, 49, 4096, 2**31 - 1])
def test_remainders_by_constants(dtype: Any, divisor: int) -> None:
    info = np.iinfo(dtype)
    near = [int(info.max) // divisor * divisor, -(int(info.max) // divisor) * divisor, divisor, -divisor, 0]
    values = [n + k for n in near for k in (-2, -1, 0, 1, 2)]
    x = np.array([n for n in values if info.min <= n <= info.max] + [info.max, info.min], dtype)
    x = np.concatenate([x, RNG.integers(info.min, info.max, 60, dtype, endpoint=True)])
    f = lambda x: (x % divisor, (x % divisor + 1) % divisor, (x % divisor - 1) % divisor, x + 0)  # noqa: E731
    assert kernels_of(f, x) == 1
    for ours, expected in zip(compiled(f, (x,))(x), f(x), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_other_remainders_are_numpys() -> None:
    x = np.arange(-9, 9)
    compiled(lambda x, k: (x % -3, x % k, tnp.remainder(x * 0.5, 3) + x, x // 4 + 1), (x, np.int64(4)))
    with np.errstate(all="ignore"):
        compiled(lambda x: x % 0 + 1, (x,))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_floats_beyond_integers_are_numpys_and_warn(dtype: Any) -> None:
    x = np.array([0.5, -3.7, 1e5, -0.0, 8.0])
    f = lambda x: tnp.astype(x * 2, dtype) + 1  # noqa: E731
    made = compiled(f, (x,), (-x,))
    with pytest.warns(RuntimeWarning, match="invalid value"):
        made(np.array([np.nan, 1, 2, 3, 1e300]))


def test_ranges_hold_every_value() -> None:
    x = np.arange(-6, 7)
    rules = {
        "add": np.add,
        "subtract": np.subtract,
        "multiply": np.multiply,
        "maximum": np.maximum,
        "minimum": np.minimum,
    }
    for name, function in rules.items():
        for low, high in ((-6, -2), (-3, 4), (1, 6)):
            parts = x[(x >= -6) & (x <= 1)], x[(x >= low) & (x <= high)]
            found = ranges.range_of(name, np.dtype(np.int64), [(-6, 1), (low, high)])
            values = function(parts[0][:, None], parts[1])
            assert found == (values.min(), values.max())
    small = np.dtype(np.int32)
    assert ranges.range_of("add", small, [(2**31 - 1, 2**31 - 1), (1, 1)]) == ranges.full_range(small)


# ---- complex numbers ----


def of_complex(x: Array, y: Array, r: Array) -> Any:
    return (
        *(x + y, x - y, x * y, x / y, -x, tnp.conj(x), tnp.square(x), x * r, r / y, x / r, x * 2 + 1j, r - x),
        *(tnp.real(x * y), tnp.imag(x) + r, tnp.astype(r, x.dtype) * y, tnp.where(r > 0, x, y), tnp.where(r > 0, x, 1)),
    )


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("shape", [(1,), (3,), (7, 5), (2, 33)])
def test_complex_numbers(dtype: Any, shape: tuple[int, ...]) -> None:
    real = np.zeros((), dtype).real.dtype
    x, y = ((RNG.normal(size=shape) + 1j * RNG.normal(size=shape)).astype(dtype) for _ in range(2))
    r = RNG.normal(size=shape).astype(real)
    assert kernels_of(of_complex, x, y, r) == 1
    compiled(of_complex, (x, y, r), (y, x[::-1], r))
    row = r if len(shape) == 1 else r[:1]
    column = y if len(shape) == 1 else y[:, :1]
    assert kernels_of(of_complex, x, y, row) >= 1
    compiled(of_complex, (np.asfortranarray(x), y, row), (x, y, -row))
    compiled(lambda x, y: (x * y, x / y + x), (x, column))


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_exponentials_of_complex_numbers(dtype: Any) -> None:
    x = (RNG.normal(size=(2, 301)) * 9).view(np.float64)
    z = (x[0] + 1j * x[1]).astype(dtype)

    def f(z: Array) -> Any:
        return (
            tnp.exp(z) * 2,
            tnp.real(tnp.exp(1j * tnp.imag(z)) * z),
            tn.grad(lambda z: tnp.sum(tnp.real(tnp.exp(z))))(z),
        )

    assert kernels_of(lambda z: tnp.exp(z) * 2, z) == 1
    edges = np.array([1e3, -1e3, 1e3j, 1e7j, np.inf, -np.inf, np.nan, 1j * np.inf, 0, -0.0, 88.5 + 1.5707963j], dtype)
    with np.errstate(all="ignore"):
        compiled(f, (z,), (-z,), (np.resize(edges, z.shape),))


@np.errstate(all="ignore")
def test_complex_infinities_zeros_and_nan_are_numpys() -> None:
    special = np.array([0.0, -0.0, 1.5, -2.0, np.inf, -np.inf, np.nan, 1e-310, 1e300])
    numbers = np.array([complex(a, b) for a in special for b in special])
    x, y = (part.ravel() for part in np.meshgrid(numbers, numbers))
    compiled(lambda x, y: (x + y, x / y, -x, tnp.conj(y), tnp.real(x) - tnp.imag(y)), (x, y))
    x, y = (part[np.abs(x) != 1e300] for part in (y, x))  # NumPy's products overflow in one step or in two
    compiled(lambda x, y: (x * 2.0, x * 1j), (x, y))
    compiled(lambda x, y: (x * y, x * x), tuple(np.where(np.abs(part) > 1e299, 1.0, part) for part in (x, y)))


def test_gradients_through_complex_numbers() -> None:
    k = np.linspace(-1, 1, 6)

    def loss(x: Array) -> Array:
        z = tnp.fft.fft(x)
        return tnp.sum(tnp.abs(tnp.fft.ifft(z * k - z / (1 + k * k) * 1j)) ** 2) + tnp.sum(tnp.real(z * tnp.conj(z)))

    x = RNG.normal(size=6)
    compiled(tn.value_and_grad(loss), (x,), (2 * x,), scale=64)
    compiled(tn.hvp(loss), (x, x[::-1]), scale=64)


def test_numbers_as_arguments() -> None:
    z, r, n = RNG.normal(size=5) + 1j, RNG.normal(size=5), np.arange(5)
    f = lambda z, r, n, a, b, c: (z * a, r * a + n, n * b + 1, z + c, n + c, r * b)  # noqa: E731
    compiled(f, (z, r, n, 0.5, 3, 1 + 2j), (z, r, n, 0.25, 4, 2j))
    compiled(f, (z, r, n, np.float64(0.5), np.int64(2**62 + 1), np.complex128(2j)))
    compiled(lambda n: (n + 2**40, n * np.int64(2**62 + 1), n > 2**62), (n,))


# ---- gathers ----


@settings(max_examples=25)
@given(data=st.data())
def test_gathers(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(1, 3))
    shape = tuple(data.draw(st.integers(1, 6)) for _ in range(ndim))
    dtype = data.draw(st.sampled_from([np.float32, np.float64, np.complex64, np.complex128, np.int64, np.int32]))
    out = tuple(data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)))
    kind = data.draw(st.sampled_from(INTEGERS))
    places = []
    for length in shape:
        own = tuple(n if data.draw(st.booleans()) else 1 for n in out)
        places.append(RNG.integers(-length, length, own).astype(kind))
    places[0] = np.broadcast_to(places[0], out).copy()
    x = (RNG.normal(size=shape) * 9 + (1j if np.dtype(dtype).kind == "c" else 0)).astype(dtype)
    x = np.asfortranarray(x) if data.draw(st.booleans()) else x

    def f(x: Array, *places: Array) -> Any:
        taken = x[tuple(places)]
        return taken * 2 + 1, x[(*[p * 0 + 0 for p in places[:-1]], places[-1])], places[0] + 1

    assert kernels_of(f, x, *places) >= 1
    made = compiled(f, (x, *places), (x, *places))
    wrong = [*places]
    axis = data.draw(st.integers(0, ndim - 1))
    wrong[axis] = places[axis].copy()
    wrong[axis].flat[data.draw(st.integers(0, wrong[axis].size - 1))] = data.draw(
        st.sampled_from([shape[axis], -shape[axis] - 1, 2**31 - 1, -(2**31)])
    )
    with pytest.raises(IndexError, match="out of bounds"):
        f(x, *wrong)
    with pytest.raises(IndexError, match="out of bounds"):
        made(x, *wrong)


def bilinear(field: Array, y: Array, x: Array) -> Array:
    size = field.shape
    top, left = tnp.floor(y), tnp.floor(x)
    i, j = tnp.astype(top, int) % size[0], tnp.astype(left, int) % size[1]
    below, right = (i + 1) % size[0], (j + 1) % size[1]
    a, b = y - top, x - left
    above = (1 - b) * field[i, j] + b * field[i, right]
    return (1 - a) * above + a * ((1 - b) * field[below, j] + b * field[below, right])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_interpolation_is_one_kernel(dtype: Any) -> None:
    field, y, x = ((RNG.normal(size=(9, 7)) * 30).astype(dtype) for _ in range(3))
    assert kernels_of(bilinear, field, y, x) == 1
    compiled(bilinear, (field, y, x), (x.T.copy().T, x, y))
    f = lambda *args: tnp.sum(tnp.sin(bilinear(*args)))  # noqa: E731
    compiled(tn.value_and_grad(f, (0, 1, 2)), (field, y, x), scale=2**6, floor=1.0)
    compiled(tn.hvp(lambda field: f(field, y, x)), (field, field * 0.5), scale=2**6, floor=1.0)


def test_a_gather_of_what_its_own_shape_computes() -> None:
    def f(x: Array, i: Array) -> Any:
        y = tnp.tanh(x) * 2
        z = y[i] + x
        return z[(i + 1) % len(x)] * y, z[i, ...] - y[-1]

    x, i = RNG.normal(size=11), RNG.integers(-11, 11, 11)
    compiled(f, (x, i), (-x, i[::-1]))


def test_other_gathers_are_numpys() -> None:
    large = RNG.normal(size=(300, 300)).T
    assert kernels_of(lambda x: x[np.arange(9), np.arange(9)] * 2, large) == 1  # of the product alone
    compiled(lambda x, i: (x[i, i] * 2, tnp.sum(x[i % 300, i] ** 2)), (large, np.arange(-9, 0)))
    x = RNG.normal(size=(6, 5))
    i = np.array([1, -2, 0])
    f = lambda x, i: (x[i] * 2, x[:, i] + 1, x[i, 2] - 1, x[i, -1:] * 3, x[i[:, None], i] + i)  # noqa: E731
    compiled(f, (x, i))
    compiled(lambda x, i: (tnp.take(x, i, 1) * 2, tnp.take_along_axis(x, i[:, None], 0) + 1), (x, i))
    compiled(lambda x, i: (x[i] + 1, x[i, i]), (x, np.zeros((0, 2), int)))
    compiled(lambda x, i: x[tnp.astype(i, np.uint8)] * 2, (x[0], np.array([1, 2])))


def test_gathers_do_not_depend_on_the_number_of_threads() -> None:
    field = RNG.normal(size=(90, 70))
    y, x = (RNG.normal(size=(500, 600)) * 90 for _ in range(2))
    made: Any = tn.compile(bilinear, backend="llvm")
    before = tn.num_threads()
    try:
        found = []
        for count in (1, 2, 3):
            tn.set_num_threads(count)
            found += [made(field, y, x) for _ in range(3)]
    finally:
        tn.set_num_threads(before)
    for other in found:
        np.testing.assert_array_equal(other, found[-1])
    assert_same(found[-1], bilinear(field, y, x))
