"""Contractions as stacks of matrix products are NumPy's einsum, and others are left to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tapenet.kernels.contractions import stacked_products

RNG = np.random.default_rng(0)
SIZES = {"b": 3, "h": 2, "q": 17, "k": 19, "d": 16, "e": 5}


def array(labels: str, dtype: Any = np.float64) -> Any:
    return RNG.normal(size=[SIZES[i] for i in labels]).astype(dtype)


@pytest.mark.parametrize(
    "formula",
    ["bqhd,bkhd->bhqk", "bhqk,bkhd->bqhd", "bqhd,bkhd->qbkh", "bqd,bdk->bqk", "hqde,hedk->hqk", "qbd,kbd->bkq"],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_stacks_of_products_are_numpys(formula: str, dtype: Any) -> None:
    labels, out = formula.split("->")
    a, b = labels.split(",")
    x, y = array(a, dtype), array(b, dtype)
    for first in (x, np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2]):
        found = stacked_products(first, y, (a, b), out)
        expected = np.einsum(formula, first, y)
        assert found.flags.c_contiguous
        np.testing.assert_allclose(found, expected, rtol=1e-4 if dtype == np.float32 else 1e-12, atol=1e-4)
        assert found.dtype == expected.dtype


@pytest.mark.parametrize(
    "formula",
    [
        "qd,kd->qk",
        "bqd,bqd->bq",
        "bqd,bkd->bq",
        "bqq,bkd->bq",
        "bqd,bd->bq",
        "bqd,bke->bqk",
        "bq,bk->bqk",
        "bqdd,bkd->bqk",
    ],
)
def test_other_formulas_are_left_to_numpy(formula: str) -> None:
    labels, out = formula.split("->")
    a, b = labels.split(",")
    assert stacked_products(array(a), array(b), (a, b), out) is None


def test_other_arrays_are_left_to_numpy() -> None:
    x, y = array("bqd"), array("bkd")
    for first, second in ((x.astype("f"), y), (x.astype(int), y.astype(int)), (x[:1], y), (x[:, :1, :4], y[:, :2, :4])):
        assert stacked_products(first, second, ("bqd", "bkd"), "bqk") is None
