"""Softmax and its logarithm along rows by machine code: what NumPy's passes give, with the same derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
from tapenet import nn
from tapenet.kernels import vector_functions

pytest.importorskip("llvmlite")
machine_code = pytest.importorskip("tapenet.kernels.machine_code")
pytestmark = pytest.mark.skipif(not machine_code.processor().vector_size, reason="a processor without vectors")

Array = Any
FUNCTIONS = {"softmax": nn.softmax, "log_softmax": nn.log_softmax}


def all_of(function: Any, x: Array, t: Array) -> list[Array]:
    """Values, and derivatives in both modes."""
    y, pullback = tn.vjp(function, x)
    return [y, pullback(t)[0], tn.jvp(function, (x,), (t,))[1]]


@given(
    name=st.sampled_from(sorted(FUNCTIONS)),
    rows=st.integers(1, 5),
    columns=st.integers(1, 40),
    dtype=st.sampled_from([np.float32, np.float64]),
    spread=st.sampled_from([0.0, 1.0, 30.0, 1000.0]),
    ends=st.lists(st.sampled_from([np.inf, -np.inf, np.nan]), max_size=2),
)
@np.errstate(all="ignore")
def test_machine_code_does_what_numpy_does(
    name: str, rows: int, columns: int, dtype: Any, spread: float, ends: list[float]
) -> None:
    rng = np.random.default_rng(rows + 10 * columns)
    x, t = (factor * rng.standard_normal((rows, columns)).astype(dtype) for factor in (dtype(spread), dtype(1)))
    x.reshape(-1)[: len(ends)] = ends[: x.size]
    before, least, threads = tn.use_backend("numpy"), vector_functions.FEWEST_IN_ROWS, tn.num_threads()
    try:
        expected = all_of(FUNCTIONS[name], x, t)
        tn.use_backend("llvm")
        vector_functions.FEWEST_IN_ROWS = 0
        found = all_of(FUNCTIONS[name], x, t)
        tn.set_num_threads(3)
        shared = all_of(FUNCTIONS[name], x, t)
    finally:
        tn.use_backend(before)
        tn.set_num_threads(threads)
        vector_functions.FEWEST_IN_ROWS = least
    for mine, theirs, other in zip(found, expected, shared, strict=True):
        assert mine.dtype == dtype
        np.testing.assert_allclose(
            mine, theirs, rtol=2e-5 if dtype == np.float32 else 1e-13, atol=np.finfo(dtype).eps * 99
        )
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_second_derivatives_are_those_of_numpy(name: str, llvm_backend: None) -> None:
    x = np.random.default_rng(0).standard_normal((40, 30))

    def second() -> Any:
        return tn.hvp(lambda x: (FUNCTIONS[name](x) ** 3).sum())(x, np.cos(x))

    found = second()
    tn.use_backend("numpy")
    np.testing.assert_allclose(found, second(), rtol=1e-10, atol=1e-13)


def test_digits_of_what_is_nearly_sure_are_kept(llvm_backend: None) -> None:
    x = np.zeros((64, 20))
    x[:, 3] = 45.0
    rest = 19 * np.exp(-45.0)
    np.testing.assert_allclose(nn.log_softmax(x)[:, 3], -rest, rtol=1e-12)
    slope = tn.elementwise_grad(lambda x: nn.log_softmax(x)[:, 3])(x)[:, 3]
    np.testing.assert_allclose(slope, rest, rtol=1e-12)
