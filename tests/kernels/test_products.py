"""Products of plain arrays are NumPy's, whatever makes them: by shapes at the borders between what does."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import tapenet as tn
from tapenet.kernels import products

LENGTHS = (0, 1, 2, 65)


@pytest.mark.parametrize("dtype", ["bool", "int64", "float16", "float32", "float64", "complex64", "object"])
@pytest.mark.parametrize(("rows", "inner", "columns"), list(itertools.product(LENGTHS, repeat=3)))
def test_products_of_small_matrices(rows: int, inner: int, columns: int, dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.integers(-3, 4, shape).astype(dtype) for shape in ((rows, inner), (inner, columns)))
    check(x, y)
    check(np.asfortranarray(x), y[:, ::-1])


# Next to the most multiplications that BLAS makes in the thread that asks, and to those worth a thread.
@pytest.mark.parametrize(
    ("rows", "inner", "columns"),
    [(1, 64, 128), (1, 64, 129), (129, 64, 1), (32, 128, 127), (32, 128, 128), (128, 256, 64), (1024, 1, 512)],
)
def test_products_at_the_borders_of_what_makes_them(rows: int, inner: int, columns: int) -> None:
    rng = np.random.default_rng(0)
    check(*(rng.integers(-3, 4, shape).astype(np.float32) for shape in ((rows, inner), (inner, columns))))


def check(x: Any, y: Any) -> None:
    found, expected = products.matmul(x, y), np.matmul(x, y)
    np.testing.assert_array_equal(found, expected)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)


@pytest.mark.parametrize("shapes", [((2, 1), (2, 3)), ((0, 3), (1, 3)), ((2, 3), (1, 2)), ((3, 1), (0, 2))])
def test_lengths_that_differ_are_refused(shapes: Any) -> None:
    with pytest.raises(ValueError, match="mismatch"):
        products.matmul(*map(np.ones, shapes))


def test_a_product_of_one_column_by_one_row_takes_up_what_is_not_finite() -> None:
    x = np.array([[np.inf], [np.nan], [0.0]])
    y = np.array([[0.0, 1.0, -np.inf]])
    with np.errstate(invalid="ignore"):
        check(x, y)


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize("shape", [(3, 5, 7, 2), (16, 60, 70, 80), (5, 300, 40, 300), (2, 1, 20_000, 3)])
def test_products_of_stacks_are_added(shape: tuple[int, int, int, int], backend: Any) -> None:
    rng = np.random.default_rng(0)
    count, rows, inner, columns = shape
    x, y = (rng.integers(-3, 4, own).astype(np.float32) for own in ((count, rows, inner), (count, inner, columns)))
    before = tn.use_backend(backend)
    try:
        out = np.full((count, rows, columns), 5, np.float32)
        products.multiply_stack(x, y, out, adds=True)
        np.testing.assert_array_equal(out, x @ y + 5)
        products.multiply_stack(x, y, out)
        np.testing.assert_array_equal(out, x @ y)
    finally:
        tn.use_backend(before)
