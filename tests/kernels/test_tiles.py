"""Winograd's transforms by code of our own compute what NumPy's passes do, and write nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
from tapenet.kernels import tiles, winograd

pytest.importorskip("llvmlite")
machine_code = pytest.importorskip("tapenet.kernels.machine_code")

Array = Any

pytestmark = [
    pytest.mark.skipif(not machine_code.processor().vector_size, reason="a processor without vectors"),
    pytest.mark.usefixtures("llvm_backend"),
]


@st.composite
def images(draw: st.DrawFn) -> Array:
    """Images of any sizes, of small integers, of which sums are exact, and a few elements that are not finite."""
    shape = tuple(draw(st.integers(1, most)) for most in (3, 7, 7, 70))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = rng.integers(-9, 10, shape).astype(draw(st.sampled_from([np.float32, np.float64])))
    x.flat[rng.integers(0, x.size, 3)] = draw(st.sampled_from([0.0, -0.0, np.inf, np.nan]))
    return x


BEFORE = st.tuples(st.integers(0, 2), st.integers(0, 2))


def by_numpy(function: Any, *arguments: Any) -> Array:
    """What a function computes where NumPy makes the passes."""
    before = tn.use_backend("numpy")
    try:
        with np.errstate(invalid="ignore"):
            return function(*arguments)
    finally:
        tn.use_backend(before)


@given(images(), BEFORE, st.tuples(st.integers(0, 1), st.integers(0, 1)))
def test_images_are_transformed_as_by_numpy(x: Array, before: tuple[int, int], beyond: tuple[int, int]) -> None:
    sizes = zip(x.shape[1:3], before, beyond, strict=True)
    counts = tuple(max(1, (size + first + last) // 2) for size, first, last in sizes)
    assert tiles.transforms_for(x) is not None
    with np.errstate(invalid="ignore"):
        found = winograd._transformed_images(x, before, counts)
    np.testing.assert_array_equal(found, by_numpy(winograd._transformed_images, x, before, counts))


@given(images())
def test_cotangents_are_transformed_as_by_numpy(t: Array) -> None:
    counts = -(-t.shape[1] // 2), -(-t.shape[2] // 2)
    found = winograd._transformed_cotangents(t, counts)
    np.testing.assert_array_equal(found, by_numpy(winograd._transformed_cotangents, t, counts))


@given(images(), st.integers(0, 1), st.integers(0, 1))
def test_outputs_are_written_as_by_numpy_and_nothing_else(x: Array, row: int, column: int) -> None:
    count, rows, columns, channels = x.shape
    rng = np.random.default_rng(0)
    planes = rng.integers(-9, 10, (4, 4, *x.shape)).astype(x.dtype)
    shape = (count, 2 * rows - row, 2 * columns - column, channels)
    frame = np.full((count + 2, *shape[1:]), 7, x.dtype)
    winograd._write_outputs(planes, frame[1:-1])
    expected = np.empty(shape, x.dtype)
    by_numpy(winograd._write_outputs, planes, expected)
    np.testing.assert_array_equal(frame[1:-1], expected)
    assert (frame[[0, -1]] == 7).all()


@given(
    st.sampled_from(["kernel", "turned", "kernel_cotangent"]),
    st.integers(0, 5),
    st.integers(1, 90),
    st.integers(0, 9),
    st.integers(0, 2**32),
)
def test_kernels_are_transformed_as_by_numpy(name: str, rows: int, columns: int, more: int, seed: int) -> None:
    places, mapped = (16, 9) if name == "kernel_cotangent" else (9, 16)
    x = np.random.default_rng(seed).integers(-9, 10, (places, rows, columns + more)).astype(np.float32)
    whole = np.full((2, mapped, rows, columns + more), 7, np.float32)
    found, expected = whole[:, :, :, :columns]
    winograd._map_columns(name, x[:, :, more:], found)
    by_numpy(winograd._map_columns, name, x[:, :, more:], expected)
    np.testing.assert_array_equal(found, expected)
    assert (whole[:, :, :, columns:] == 7).all()


@pytest.mark.parametrize("backend", ["llvm", "numpy"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_some_outputs_at_a_time_give_the_bits_of_all_at_once(
    backend: Any, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(2, 5, 4, 60)).astype(dtype), rng.normal(size=(2, 5, 4, 130)).astype(dtype)
    kernel = rng.normal(size=(3, 3, 60, 130)).astype(dtype)
    found: dict[int, Any] = {}
    for size in (2**12, 2**30):
        monkeypatch.setattr(winograd, "KERNEL_SIZE", size)
        y, x_bar = np.empty_like(t), np.empty_like(x)
        before = tn.use_backend(backend)
        try:
            winograd.convolve(x, kernel, (1, 1), y)
            winograd.convolve(t, kernel, (1, 1), x_bar, turned=True)
            found[size] = y, x_bar, winograd.convolve_kernel(x, t, (1, 1))
        finally:
            tn.use_backend(before)
    assert len(winograd._slabs(60, t.shape, 130 * t.itemsize)) == 1
    monkeypatch.setattr(winograd, "KERNEL_SIZE", 2**12)
    assert len(winograd._slabs(60, t.shape, 130 * t.itemsize)) == 2
    for ours, theirs in zip(*found.values(), strict=True):
        # BLAS may add up in another order in the columns of another piece.
        tolerance = 0 if backend == "llvm" else 64 * np.finfo(dtype).eps
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * np.abs(theirs).max())


def test_numpy_computes_what_the_code_is_not_for() -> None:
    x = np.zeros((1, 4, 4, 2))
    assert tiles.transforms_for(x.astype(np.float16)) is None
    assert tiles.transforms_for(x.astype(">f8")) is None
    assert tiles.transforms_for(x.swapaxes(1, 2)[:, ::2]) is None
    tn.use_backend("numpy")
    assert tiles.transforms_for(x) is None
    tn.use_backend("llvm")
