"""Products by code of our own equal NumPy's, on all shapes, layouts and numbers of threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
from tapenet.kernels import backends, gemm, products
from tapenet.kernels.blocking import Blocking

pytest.importorskip("llvmlite")
machine_code = pytest.importorskip("tapenet.kernels.machine_code")

Array = Any
DTYPES = st.sampled_from([np.float32, np.float64])

pytestmark = [
    pytest.mark.skipif(not machine_code.processor().vector_size, reason="a processor without vectors"),
    pytest.mark.usefixtures("llvm_backend"),
]


def code_for(dtype: Any) -> gemm.Gemm:
    code = gemm.gemm_for(np.dtype(dtype))
    assert code is not None
    return code


@st.composite
def matrices(draw: st.DrawFn, rows: int, columns: int, dtype: Any) -> Array:
    """A matrix of small integers, of which sums are exact, in some order in memory."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    layout = draw(st.sampled_from(["C", "F", "rows", "columns", "reversed", "both"]))
    steps = {"rows": (2, 1), "columns": (1, 3), "both": (3, 2)}.get(layout, (1, 1))
    x = rng.integers(-4, 5, (rows * steps[0], columns * steps[1])).astype(dtype)
    x = np.asfortranarray(x) if layout == "F" else x
    return (x[::-1, ::-1] if layout == "reversed" else x)[:: steps[0], :: steps[1]]


SIZES = st.one_of(st.integers(1, 70), st.sampled_from([192, 193, 240, 241, 479, 480, 481, 700]))


@given(SIZES, SIZES, SIZES, DTYPES, st.data())
def test_products_are_exact_on_integers(rows: int, inner: int, columns: int, dtype: Any, data: st.DataObject) -> None:
    x, y = data.draw(matrices(rows, inner, dtype)), data.draw(matrices(inner, columns, dtype))
    step = data.draw(st.integers(0, 5))
    frame = np.full((rows, columns + step), 7, dtype)
    out = frame[:, :columns]
    code = code_for(dtype)
    assert code.fits(x, y, out)
    code(x, y, out)
    np.testing.assert_array_equal(out, x.astype(np.int64) @ y.astype(np.int64))
    assert (frame[:, columns:] == 7).all()  # nothing beside the result is written


@given(st.integers(1, 5), SIZES, st.integers(1, 70), st.integers(1, 70), DTYPES, st.integers(0, 2**32))
def test_stacks_are_products_of_each(count: int, rows: int, inner: int, columns: int, dtype: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-4, 5, (rows, count, inner)).astype(dtype).swapaxes(0, 1)
    y = rng.integers(-4, 5, (count, columns, inner)).astype(dtype).swapaxes(1, 2)
    for second in (y, np.broadcast_to(y[:1], y.shape), y[::-1]):
        out = np.empty((count, rows, columns), dtype)
        code_for(dtype).stack(x, second, out)
        np.testing.assert_array_equal(out, x @ second)
        products.multiply_stack(x, second, out)
        np.testing.assert_array_equal(out, x @ second)
        code_for(dtype).stack(x, second, out, adds=True)
        np.testing.assert_array_equal(out, 2 * (x @ second))


@pytest.mark.parametrize("vector_size", [32, 64])
@pytest.mark.parametrize("char", "fd")
def test_every_width_of_vectors_is_right(char: str, vector_size: int) -> None:
    if vector_size > machine_code.processor().vector_size:
        pytest.skip("wider than this processor's")
    code = gemm.compiled(np.dtype(char), Blocking.of(char, vector_size))
    rng = np.random.default_rng(0)
    for rows, inner, columns in ((1, 1, 1), (13, 200, 75), (250, 3, 500), (8, 384, 48)):
        x, y = (rng.integers(-4, 5, shape).astype(char) for shape in ((rows, inner), (inner, columns)))
        for first in (x, np.asfortranarray(x)):
            for second in (y, np.asfortranarray(y)):
                out = np.empty((rows, columns), char)
                code(first, second, out)
                np.testing.assert_array_equal(out, x @ y)


@given(DTYPES, st.integers(1, 300), st.integers(0, 2**32))
def test_rounding_is_that_of_a_sum(dtype: Any, inner: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((9, inner)).astype(dtype), rng.standard_normal((inner, 50)).astype(dtype)
    out = np.empty((9, 50), dtype)
    code_for(dtype)(x, y, out)
    error = np.abs(out.astype(np.longdouble) - x.astype(np.longdouble) @ y.astype(np.longdouble))
    # Higham, Accuracy and Stability of Numerical Algorithms, section 3.1: inner * eps * |x| |y|.
    assert (error <= inner * np.finfo(dtype).eps * (np.abs(x) @ np.abs(y))).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=5)
@given(seed=st.integers(0, 2**32))
def test_large_products_do_not_depend_on_the_number_of_threads(dtype: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((211, 300)).astype(dtype), rng.standard_normal((300, 170)).astype(dtype)
    before = tn.num_threads()
    try:
        answers = []
        for number in (1, 2, 3, 7):
            tn.set_num_threads(number)
            answers.append(products.matmul(x, y))
    finally:
        tn.set_num_threads(before)
    for answer in answers[1:]:
        np.testing.assert_array_equal(answer, answers[0])
    np.testing.assert_allclose(answers[0], x @ y, rtol=1e-3 if dtype is np.float32 else 1e-11, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_not_a_number_and_infinity_go_through(dtype: Any) -> None:
    x, y = np.ones((100, 90), dtype), np.ones((90, 120), dtype)
    x[3, 5], x[4, 5], y[7, 11] = np.nan, np.inf, -np.inf
    x[5, 7] = 0
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(products.matmul(x, y), x @ y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exceptions_are_reported_as_numpy_does(dtype: Any) -> None:
    x, y = np.ones((100, 90), dtype), np.ones((90, 120), dtype)
    largest = np.finfo(dtype).max
    with np.errstate(all="raise"):
        products.matmul(x, y)
        with pytest.raises(FloatingPointError, match="overflow encountered in matmul"):
            products.matmul(x * largest, y * 2)
        with pytest.raises(FloatingPointError, match="underflow encountered in matmul"):
            products.matmul(x * np.finfo(dtype).tiny, y * np.finfo(dtype).tiny)
        y[0] = 0
        with pytest.raises(FloatingPointError, match="invalid value encountered in matmul"):
            products.matmul(np.where(x, dtype(np.inf), x), y)
    with np.errstate(all="ignore"):
        assert np.isnan(products.matmul(np.where(x, dtype(np.inf), x), y)).all()


def test_threads_multiply_at_once() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((150, 140)), rng.standard_normal((140, 130))
    expected, wrong = products.matmul(x, y), []

    def work() -> None:
        wrong.extend(i for i in range(50) if not np.array_equal(products.matmul(x, y), expected))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_arrays_that_do_not_fit_are_left_to_blas() -> None:
    code = code_for(np.float64)
    x, y, out = np.ones((4, 3)), np.ones((3, 2)), np.ones((4, 2))
    odd = np.frombuffer(bytearray(4 * 25 + 8), np.uint8)[: 4 * 25].reshape(4, 25)[:, :24].view(np.float64)
    assert code.fits(x, y, out)
    assert not code.fits(odd, y, out)  # rows are not whole elements apart
    assert not code.fits(x, y, np.asfortranarray(out))
    assert not code.fits(x[:, :0], y[:0], out)
    assert gemm.gemm_for(np.dtype(np.complex128)) is None
    assert gemm.gemm_for(np.dtype(">f8")) is None
    tn.use_backend("numpy")
    assert gemm.gemm_for(np.dtype(np.float64)) is None
    assert backends.current_backend() == "numpy"


def test_importing_and_small_products_compile_nothing() -> None:
    lines = """
import sys, numpy as np, tapenet as tn
tn.grad(lambda x: (x @ x).sum())(np.ones((20, 20)))
assert not [name for name in sys.modules if name.startswith("llvmlite")]
tn.grad(lambda x: (x @ x).sum())(np.ones((200, 200)))
assert "llvmlite" in sys.modules
"""
    environment = os.environ | {"TAPENET_BACKEND": "llvm"}
    subprocess.run([sys.executable, "-c", lines], check=True, timeout=120, env=environment)
