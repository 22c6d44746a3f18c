"""numpy.fft on Tensors: values as NumPy's over the arguments, transposes, and errors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.numpy.protocol import counterpart
from tapenet.testing import check_grads
from tests.samples.drawing import gaussian

Array = Any

NORMS = st.sampled_from([None, "backward", "ortho", "forward"])
FROM_REAL = {"rfft", "ihfft", "rfft2", "rfftn"}
ALONG_ONE = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
ALONG_TWO = ["fft2", "ifft2", "rfft2", "irfft2"]
ALONG_SEVERAL = ["fftn", "ifftn", "rfftn", "irfftn"]


def numbers(draw: Any, name: str, shape: tuple[int, ...]) -> Array:
    return gaussian(draw, shape, name not in FROM_REAL and draw(st.booleans()))


def check(name: str, x: Array, *arguments: Any, **keywords: Any) -> None:
    """Hold values, by name and by dispatch, against NumPy's, and derivatives against finite differences."""
    theirs, ours = getattr(np.fft, name), getattr(tnp.fft, name)
    expected = theirs(x, *arguments, **keywords)
    for function in (theirs, ours):
        with tn.GradientTape() as tape:
            found = function(tape.watch(x), *arguments, **keywords)
        assert type(found) is tn.Tensor
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-12, atol=1e-13)
    plain = ours(x, *arguments, **keywords)
    assert type(plain) is type(expected)
    np.testing.assert_array_equal(plain, expected)
    check_grads(lambda x: ours(x, *arguments, **keywords), (x,), order=2)


@pytest.mark.parametrize("name", ALONG_ONE)
@given(data=st.data())
def test_transforms_along_one_axis(name: str, data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(max_dims=3, max_side=4))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    n = data.draw(st.integers(1, 6))
    if name not in ("irfft", "hfft") or shape[axis] > 1:
        n = data.draw(st.sampled_from([None, n]))
    check(name, numbers(data.draw, name, shape), n, axis, norm=data.draw(NORMS))


@pytest.mark.parametrize("name", ALONG_TWO + ALONG_SEVERAL)
@given(data=st.data())
def test_transforms_along_several_axes(name: str, data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=4))
    count = 2 if name in ALONG_TWO else data.draw(st.integers(1, len(shape)))
    axes = tuple(data.draw(st.permutations(range(len(shape))))[:count])
    axes = tuple(axis - len(shape) if data.draw(st.booleans()) else axis for axis in axes)
    s = data.draw(st.none() | st.tuples(*[st.integers(1, 5)] * (count - 1), st.integers(1, 5)))
    check(name, numbers(data.draw, name, shape), s, axes, norm=data.draw(NORMS))


@pytest.mark.parametrize("name", ALONG_TWO + ALONG_SEVERAL)
def test_defaults_and_repeated_axes(name: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 3, 4))
    check(name, x)
    check(name, x, None, (1, 1))
    check(name, x, (-1, 5), (0, 2))


@pytest.mark.parametrize("name", ["fftshift", "ifftshift"])
@pytest.mark.parametrize("axes", [None, 0, -1, (0, 1)], ids=str)
def test_shifts(name: str, axes: Any, rng: np.random.Generator) -> None:
    check(name, rng.standard_normal((4, 3)), axes)


def test_a_transform_along_no_axis_is_the_array() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(np.ones((2, 2)))
        assert tnp.fft.fftn(x, axes=()) is x


def test_s_without_axes_is_for_the_last_axes(rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 3, 4))
    with pytest.warns(DeprecationWarning, match="axes"):
        expected = np.fft.fftn(x, (2, 5))
    with tn.GradientTape() as tape:
        found = tnp.fft.fftn(tape.watch(x), (2, 5))
    np.testing.assert_allclose(found.value, expected)


@pytest.mark.parametrize("name", ALONG_ONE + ALONG_TWO + ALONG_SEVERAL)
def test_mapping_over_a_batch_is_going_through_it(name: str, rng: np.random.Generator) -> None:
    batch = rng.standard_normal((2, 3, 4))
    function = getattr(tnp.fft, name)

    def value_and_gradient(x: Array) -> Any:
        y, pullback = tn.vjp(function, x)
        return y, pullback(np.ones(y.shape, y.dtype) * np.arange(y.shape[-1]))[0]

    mapped = tn.vmap(value_and_gradient)(batch)
    for got, each in zip(mapped, zip(*map(value_and_gradient, batch), strict=True), strict=True):
        np.testing.assert_allclose(got, np.stack(each), atol=1e-13)


@pytest.mark.parametrize("name", ["fftfreq", "rfftfreq"])
def test_frequencies(name: str) -> None:
    ours, theirs = getattr(tnp.fft, name), getattr(np.fft, name)
    np.testing.assert_array_equal(ours(5), theirs(5))
    np.testing.assert_array_equal(ours(4, 0.1), theirs(4, 0.1))
    np.testing.assert_array_equal(ours(4, d=0.5, device="cpu"), theirs(4, 0.5))
    check_grads(lambda d: ours(5, d), (0.3,))


@pytest.mark.parametrize("name", ALONG_ONE)
@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_single_precision_gives_what_numpy_gives(name: str, dtype: Any) -> None:
    if name in FROM_REAL and dtype is np.complex64:
        dtype = np.float32
    x = np.ones((3, 4), dtype)
    with tn.GradientTape() as tape:
        watched = tape.watch(x)
        y = getattr(tnp.fft, name)(watched)
    assert y.dtype == getattr(np.fft, name)(x).dtype
    gradient = tape.gradient(y, watched, np.ones(y.shape, y.dtype))
    assert gradient.dtype == dtype
    assert gradient.shape == x.shape


# ---- closed forms ----


def test_by_parseval_the_gradient_of_the_spectrums_energy_is_2_n_x(rng: np.random.Generator) -> None:
    x = rng.standard_normal(6)
    np.testing.assert_allclose(tn.grad(lambda x: tnp.sum(tnp.abs(tnp.fft.fft(x)) ** 2))(x), 12 * x)
    np.testing.assert_allclose(tn.grad(lambda x: tnp.sum(tnp.abs(tnp.fft.fft(x, norm="ortho")) ** 2))(x), 2 * x)


def test_a_cotangent_of_a_real_transform_counts_what_stands_for_two_once(rng: np.random.Generator) -> None:
    for n in (5, 6):
        x = rng.standard_normal(n)
        whole = tn.grad(lambda x: tnp.fft.fft(x)[1].imag + tnp.fft.fft(x)[0].real)(x)
        half = tn.grad(lambda x: tnp.fft.rfft(x)[1].imag + tnp.fft.rfft(x)[0].real)(x)
        np.testing.assert_allclose(half, whole, atol=1e-14)


def test_what_irfft_does_not_read_has_the_derivative_zero() -> None:
    spectrum = np.array([1 + 2j, 3 + 4j, 5 + 6j])
    gradient = tn.grad(lambda z: tnp.sum(tnp.fft.irfft(z) ** 2))(spectrum)
    assert gradient[0].imag == 0
    assert abs(gradient[2].imag) < 1e-15
    assert gradient[1].imag != 0


def test_the_derivative_of_a_circular_convolution_is_the_correlation(rng: np.random.Generator) -> None:
    x, kernel, t = rng.standard_normal((3, 7))

    def convolved(x: Array) -> Array:
        return np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(kernel), 7)

    expected = [sum(t[k] * kernel[(k - j) % 7] for k in range(7)) for j in range(7)]
    np.testing.assert_allclose(tn.vjp(convolved, x)[1](t)[0], expected)


# ---- the namespace, and errors ----


def test_every_public_function_of_numpys_is_there_and_is_found_by_dispatch() -> None:
    for name in dir(np.fft):
        theirs, ours = getattr(np.fft, name), getattr(tnp.fft, name, None)
        if name.startswith("_") or name == "test" or inspect.ismodule(theirs):
            continue
        assert counterpart(theirs) is ours
        if not name.endswith("freq"):
            assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)


ERRORS: list[tuple[Callable[..., Any], Array, type[Exception], str]] = [
    (lambda x: tnp.fft.fft(x, 0), np.ones(3), ValueError, "fft: n must be at least 1, the length to transform; got 0."),
    (tnp.fft.fft, np.ones((2, 0)), ValueError, "fft: n must be at least 1, the length to transform; got 0."),
    (tnp.fft.irfft, np.ones(1), ValueError, "irfft: n must be at least 1, the length to transform; got 0."),
    (
        lambda x: tnp.fft.rfft(x, norm="none"),
        np.ones(3),
        ValueError,
        "rfft: norm must be 'backward', 'ortho' or 'forward'; got 'none'.",
    ),
    (tnp.fft.rfft, np.ones(3, complex), TypeError, "rfft: a must be real; got complex128."),
    (tnp.fft.ihfft, np.ones(3, complex), TypeError, "ihfft: a must be real; got complex128."),
    (tnp.fft.rfft2, np.ones((3, 3), complex), TypeError, "rfft2: a must be real; got complex128."),
    (lambda x: tnp.fft.fft(x, axis=2), np.ones(3), np.exceptions.AxisError, "fft: axis must be in [-1, 1)"),
    (lambda x: tnp.fft.fftn(x, axes=(2,)), np.ones(3), np.exceptions.AxisError, "fftn: axes must be in [-1, 1)"),
    (
        lambda x: tnp.fft.fftn(x, (2, 3), (0,)),
        np.ones(3),
        ValueError,
        "fftn: s must have a length for each axis of (0,); got (2, 3).",
    ),
    (lambda x: tnp.fft.fftn(x, (0,), (0,)), np.ones(3), ValueError, "fftn: s must be at least 1"),
    (lambda x: tnp.fft.rfftn(x, axes=()), np.ones(3), ValueError, "rfftn: axes must name at least one axis; got none."),
    (
        lambda x: tnp.fft.irfftn(x, axes=()),
        np.ones(3),
        ValueError,
        "irfftn: axes must name at least one axis; got none.",
    ),
    (tnp.fft.irfft2, np.ones((2, 1)), ValueError, "irfft2: s must be at least 1, the length to transform; got 0."),
    (lambda x: tnp.fft.fft(x, out=np.ones(3, complex)), np.ones(3), TypeError, "fft: out= must not be given"),
    (lambda x: np.fft.irfftn(x, out=np.ones(4)), np.ones(3), TypeError, "irfftn: out= must not be given"),
]


@pytest.mark.parametrize(("function", "array", "kind", "text"), ERRORS)
def test_errors_name_the_function_and_what_came(
    function: Callable[..., Any], array: Array, kind: type[Exception], text: str
) -> None:
    with tn.GradientTape() as tape, pytest.raises(kind) as caught:
        function(tape.watch(array))
    assert text in str(caught.value)
    assert isinstance(caught.value, tn.TapenetError)
