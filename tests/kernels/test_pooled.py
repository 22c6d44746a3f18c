"""Elementwise results of large arrays in memory that is used again: the same bits, and ordinary arrays."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.primitive import REGISTRY
from tapenet.kernels import memory
from tapenet.kernels.pooled import PooledArray, with_pooled_result
from tests.samples import SAMPLES

ELEMENTWISE = sorted(name for name in SAMPLES if REGISTRY[name].is_elementwise)


@pytest.fixture
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LARGE", 1)


def everything(f: Any, arrays: tuple[Any, ...]) -> list[Any]:
    """Value, gradients and derivative of a function, and derivatives of its gradients in both modes."""
    weights = lambda y: np.cos(np.arange(1.0, y.size + 1)).reshape(y.shape)  # noqa: E731  # one line says it
    scalar = lambda *xs: tnp.sum(tnp.real(f(*xs)) * weights(f(*xs)))  # noqa: E731
    places = tuple(range(len(arrays)))
    second = tn.grad(lambda *xs: sum(tnp.sum(tnp.real(g)) for g in tn.grad(scalar, places)(*xs)), places)
    gradients = tn.grad(scalar, places)
    first = f(*arrays), *gradients(*arrays), tn.jvp(f, arrays, arrays)[1]
    return [*first, *second(*arrays), *tn.jvp(gradients, arrays, arrays)[1]]


@pytest.mark.parametrize("name", ELEMENTWISE)
@settings(max_examples=5)
@given(data=st.data())
def test_values_and_derivatives_have_the_same_bits(name: str, data: st.DataObject) -> None:
    sample = data.draw(SAMPLES[name])
    with np.errstate(all="ignore"):
        expected = everything(sample.function, sample.arrays)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(memory, "LARGE", 1)
            found = everything(sample.function, sample.arrays)
    for ours, theirs in zip(found, expected, strict=True):
        assert type(ours) is type(theirs)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.usefixtures("all_are_large")
def test_gradients_are_ordinary_arrays_of_their_own() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(np.linspace(0.1, 1.0, 1000))
        y = tnp.sin(x) * x + 0.5
        z = tnp.exp(y) / x
    first, second = tape.gradient(z, x, np.ones(1000)), tape.gradient(z, x, np.ones(1000))
    assert type(first) is np.ndarray
    assert first.flags.writeable
    assert not np.shares_memory(first, second)
    first[:] = 0.0
    np.testing.assert_array_equal(tape.gradient(z, x, np.ones(1000)), second)
    np.testing.assert_array_equal(y.value, np.sin(x.value) * x.value + 0.5)


@pytest.mark.usefixtures("all_are_large")
@pytest.mark.parametrize("u", [tnp.tanh, tnp.sin, lambda x: x * x, lambda x: x / (1 + x * x)])
def test_plain_cotangents_meet_values_of_an_outer_trace(u: Any) -> None:
    x, weights = np.linspace(0.1, 1.0, 6), np.linspace(2.0, 1.0, 6)
    f = lambda x: tnp.sum(u(x) * weights)  # noqa: E731  # one line says it
    second = weights * tn.elementwise_grad(tn.elementwise_grad(u))(x)
    np.testing.assert_allclose(tn.hvp(f)(x, np.ones(6)), second, rtol=1e-13)
    np.testing.assert_allclose(tn.jacfwd(tn.grad(f))(x), np.diag(second), rtol=1e-13)
    mapped = tn.vmap(lambda shift: tn.grad(lambda x: tnp.sum(u(x * shift) * weights))(x))(np.ones(2))
    np.testing.assert_allclose(mapped[0], tn.grad(f)(x), rtol=1e-13)


@pytest.mark.usefixtures("all_are_large")
def test_rules_of_users_get_plain_arrays() -> None:
    seen: set[type] = set()

    def rule(t: Any, x: Any) -> Any:
        seen.update(map(type, (t, x)))
        return 2 * x * t

    square = tn.primitive(lambda x: x * x, rule, family="elementwise", name="noting square")
    x = np.linspace(0.1, 1.0, 6)
    np.testing.assert_allclose(tn.grad(lambda x: tnp.sum(square(x) * x))(x), 3 * x * x)
    np.testing.assert_allclose(tn.jvp(square, (x,), (x,))[1], 2 * x * x)
    assert seen == {np.ndarray}


@pytest.mark.usefixtures("all_are_large")
def test_memory_is_used_again() -> None:
    def step() -> None:
        tn.grad(lambda x: tnp.sum(tnp.tanh(x) * x + tnp.sin(x)))(np.ones(100_003))

    tn.empty_cache()
    step()
    gc.collect()
    kept = memory.cached_bytes()
    assert kept >= 3 * 100_003 * 8
    for _ in range(5):
        step()
    assert memory.cached_bytes() <= kept + 100_003 * 8
    tn.empty_cache()
    assert memory.cached_bytes() == 0


@pytest.mark.usefixtures("all_are_large")
@pytest.mark.parametrize(
    "operands",
    [
        (np.ones(3, np.float32), 2.0),
        (np.ones(3, np.float32), np.float64(2.0)),
        (np.ones((2, 3)), np.ones(3)),
        (np.ones((2, 1)), np.ones((1, 3))),
        (np.asfortranarray(np.ones((2, 3))), np.ones((2, 3))),
        (np.ones(3, complex), 1j),
        (np.ones(3, np.float16), np.ones(3, np.int8)),
    ],
)
def test_results_have_numpys_dtype_and_shape_or_are_numpys(operands: tuple[Any, ...]) -> None:
    for ufunc in (np.add, np.multiply, np.arctan2, np.greater):
        try:
            expected = ufunc(*operands)
        except TypeError:
            continue
        found = with_pooled_result(ufunc, operands)
        if found is not None:
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("all_are_large")
def test_shapes_that_do_not_broadcast_are_numpys_error() -> None:
    with pytest.raises(tn.ArgumentError, match=r"multiply: operands could not be broadcast together.*\(4,\) \(3,\)"):
        tn.grad(lambda x: tnp.sum(x * np.ones(3)))(np.ones(4))


@pytest.mark.usefixtures("all_are_large")
def test_ufuncs_methods_and_out_of_pooled_arrays_are_numpys() -> None:
    x = np.arange(4.0).view(PooledArray)
    assert np.add.reduce(x) == 6.0
    out = np.zeros(4)
    assert np.sin(x, out=out) is out
    np.testing.assert_array_equal(out, np.sin(np.arange(4.0)))
    x += 1.0
    np.testing.assert_array_equal(x, np.arange(1.0, 5.0))


@pytest.fixture
def two_threads() -> Any:
    before = tn.set_num_threads(2)
    yield
    tn.set_num_threads(before)


@pytest.mark.parametrize(
    "shapes",
    [
        [(2**20 + 1,), ()],
        [(3, 2**19), (3, 2**19)],
        [(3, 2**19), (2**19,)],
        [(3, 2**19), (3, 1)],
        [(1, 2**20), (1, 2**20)],
        [(2**19, 3), (1, 3)],
        [(2, 3, 2**18), (3, 2**18)],
    ],
)
def test_threads_share_large_functions(two_threads, shapes, rng):
    x, y = (rng.standard_normal(shape) for shape in shapes)
    for operands in ((x, y), (y, x), (x, 3.0), (np.float64(2.0), x)):
        result = with_pooled_result(np.subtract, operands)
        np.testing.assert_array_equal(result, np.subtract(*operands))


def test_threads_report_exceptions_as_numpy_does(two_threads):
    x = np.ones(2**20)
    x[-1] = 0
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        with_pooled_result(np.divide, (1.0, x))
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError, match="divide by zero"):
        with_pooled_result(np.divide, (1.0, x))
    with np.errstate(divide="ignore"):
        assert np.isinf(with_pooled_result(np.divide, (1.0, x))[-1])
