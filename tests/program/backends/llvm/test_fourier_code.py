"""Discrete Fourier transforms in machine code, against NumPy's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program.fusion import transforms
from tests.program.backends.test_llvm import compiled
from tests.program.comparing import assert_same
from tests.program.fusion.test_stretches import stretches_of

pytest.importorskip("llvmlite")

Array = Any
RNG = np.random.default_rng(0)


def array(shape: tuple[int, ...], char: str) -> Array:
    x = RNG.normal(size=shape) + (1j * RNG.normal(size=shape) if char in "FD" else 0)
    return x.astype(char)


@settings(max_examples=12)
@given(data=st.data())
def test_transforms_of_real_arrays(data: st.DataObject) -> None:
    shape = [data.draw(st.sampled_from(LENGTHS)) for _ in range(data.draw(st.integers(1, 3)))]
    axis, char = data.draw(st.integers(-len(shape), len(shape) - 1)), data.draw(st.sampled_from("fd"))
    n, norm = shape[axis], data.draw(st.sampled_from(["backward", "ortho", "forward"]))
    x = array(tuple(shape), char)
    shape[axis] = n // 2 + 1
    half = array(tuple(shape), char.upper())  # also with imaginary parts where they are not read

    def f(x: Array, half: Array) -> Any:
        return tnp.fft.rfft(x * 2, axis=axis, norm=norm), tnp.fft.irfft(half * 2, n, axis, norm)

    is_known = x.size // n >= transforms.FEWEST_LINES
    # Two large transforms share no array: a stretch for each of them.
    assert any(stretch.steps for stretch in stretches_of(f, x, half)) == is_known
    compiled(f, (x, half), scale=4, floor=4.0)


LENGTHS = [2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 16, 21, 30, 49]


@settings(max_examples=25)
@given(data=st.data())
def test_transforms(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(1, 3))
    axes = data.draw(st.lists(st.integers(-ndim, ndim - 1), min_size=1, max_size=ndim, unique_by=lambda x: x % ndim))
    shape = [
        data.draw(st.sampled_from(LENGTHS[:9])) if ndim > 2 else data.draw(st.sampled_from(LENGTHS))
        for _ in range(ndim)
    ]
    x = array(tuple(shape), data.draw(st.sampled_from("fdFD")))
    x = np.asfortranarray(x) if data.draw(st.booleans()) else x
    norm = data.draw(st.sampled_from(["backward", "ortho", "forward"]))
    transform = data.draw(st.sampled_from([tnp.fft.fftn, tnp.fft.ifftn]))
    f = lambda x: transform(x * 2, axes=axes, norm=norm)  # noqa: E731
    every = math.prod(shape)
    found = stretches_of(f, x)
    assert bool(found) == all(every // x.shape[axis] >= transforms.FEWEST_LINES for axis in axes)
    compiled(f, (x,), (x[::-1],), scale=4, floor=4.0)


@pytest.mark.parametrize("n", [1, 2, 64, 243, 713, 1024])
@pytest.mark.parametrize("axis", [0, 1])
def test_lengths(n: int, axis: int) -> None:
    x = array((5, n) if axis else (n, 5), "D")
    for transform in (tnp.fft.fft, tnp.fft.ifft):
        f = lambda x: transform(x, axis=axis) * 2  # noqa: B023, E731
        assert len(stretches_of(f, x)) == (n > 1)
        compiled(f, (x,), scale=4, floor=4.0)


@pytest.mark.parametrize(("shape", "axes"), [((37, 6), (0,)), ((2048, 4), (0,)), ((3, 8), (1,)), ((8,), (0,))])
def test_other_transforms_are_numpys(shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    x = array(shape, "D")
    f = lambda x: tnp.fft.fftn(x, axes=axes) + 1  # noqa: E731
    assert stretches_of(f, x) == []
    compiled(f, (x,), scale=16, floor=4.0)


def test_integers_and_halves_are_numpys() -> None:
    compiled(lambda x: tnp.fft.fft2(x) + 1, (np.arange(36).reshape(6, 6),), scale=16)
    compiled(lambda x: tnp.fft.irfft(tnp.fft.rfft(x) * 2, 5) + 1, (RNG.normal(size=(6, 8)),), scale=16, floor=4.0)
    compiled(lambda x: tnp.fft.fft(x, 9) + tnp.fft.fft(x, 4)[:, :1], (RNG.normal(size=(6, 8)),), scale=16, floor=4.0)


def without_divergence(v: Array) -> Array:
    size = v.shape[-1]
    kx, ky = np.fft.fftfreq(size)[None], np.fft.fftfreq(size)[:, None]
    squared = kx**2 + ky**2 + (kx**2 + ky**2 == 0)
    x, y = tnp.fft.fft2(v[0]), tnp.fft.fft2(v[1])
    along = (kx * x + ky * y) / squared
    return tnp.real(tnp.fft.ifft2(x - kx * along)), tnp.real(tnp.fft.ifft2(y - ky * along))


def test_a_filter_and_its_gradient_are_one_call() -> None:
    def loss(v: Array) -> Array:
        x, y = without_divergence(v)
        return tnp.sum(tnp.sin(x) * y)

    v = RNG.normal(size=(2, 15, 15))
    assert len(stretches_of(tn.value_and_grad(loss), v)) == 1
    compiled(tn.value_and_grad(loss), (v,), (-v,), scale=16, floor=1.0)
    compiled(tn.hvp(loss), (v, v[::-1]), scale=16, floor=1.0)
    compiled(lambda v: tn.jvp(loss, (v,), (v,)), (v,), scale=16, floor=1.0)


@pytest.mark.parametrize("n", [6, 7])
def test_gradients_of_transforms_of_real_arrays(n: int) -> None:
    def loss(x: Array, half: Array) -> Array:
        y = tnp.fft.irfft(half * tnp.fft.rfft(x, axis=0), n, axis=0)
        return tnp.sum(y**2) + tnp.sum(tnp.abs(tnp.fft.rfft2(y)) ** 2)

    x, half = array((n, 5), "d"), array((n // 2 + 1, 5), "D")
    compiled(tn.value_and_grad(loss, (0, 1)), (x, half), scale=64, floor=1.0)
    compiled(tn.hvp(lambda x: loss(x, half)), (x, -x), scale=64, floor=1.0)


def test_values_that_are_not_finite() -> None:
    x = array((6, 6), "D")
    x[2, 3] = np.nan
    made: Any = tn.compile(lambda x: tnp.fft.fft(x) * 2, backend="llvm")
    for _ in range(3):
        found = made(x)
    assert np.isnan(found[2]).all()
    assert_same(np.delete(found, 2, 0), np.delete(np.fft.fft(x) * 2, 2, 0), scale=4, floor=4.0)


@pytest.mark.parametrize(
    ("shape", "axes", "char"), [((320, 250), (0, 1), "D"), ((350, 7, 64), (2, 0), "f"), ((2**18, 4), (1,), "F")]
)
def test_threads_share_the_lines_of_large_arrays(shape: tuple[int, ...], axes: tuple[int, ...], char: str) -> None:
    x = array(shape, char)
    f = lambda x: tnp.fft.ifftn(tnp.fft.fftn(x, axes=axes) * 2, axes=axes[:1])  # noqa: E731
    assert [len(stretch.steps) for stretch in stretches_of(f, x)] == [1, 1]
    made: Any = tn.compile(f, backend="llvm")
    before = tn.num_threads()
    found = []
    try:
        for count in (1, 2, 3):
            tn.set_num_threads(count)
            found += [made(x) for _ in range(2)]
    finally:
        tn.set_num_threads(before)
    assert_same(found[-1], f(x), scale=4, floor=4.0)
    for other in found[1:]:
        np.testing.assert_array_equal(found[1], other)
    assert_same(made(np.asfortranarray(x)), f(x), scale=4, floor=4.0)
