"""Moves between cells in memory and vectors of their components."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program.backends.llvm.kernel_code import kernel_of
from tests.program.comparing import assert_compiles
from tests.program.fusion.test_cells import cells_in

pytest.importorskip("llvmlite")

RNG = np.random.default_rng(0)


def centred(x: Any) -> Any:
    return x * 3 - tnp.max(x, axis=1, keepdims=True)


def most(x: Any) -> Any:
    """It reads all components of x but one."""
    return tnp.sum(x[:, 1:] * x[:, :-1], axis=1) + tnp.max(x[:, 1:], axis=1)


@pytest.mark.parametrize("count", [2, 3, 5, 8, 11, 16])
@pytest.mark.parametrize("char", "fd")
def test_cells_of_any_number_of_components(count: int, char: str) -> None:
    for rows in (32, 45):
        x = RNG.normal(size=(rows, count)).astype(char)
        assert cells_in(centred, x)
        assert_compiles(centred, (x,), (x,), backend="llvm")
    assert_compiles(most, (x,), (x,), backend="llvm")
    assert_compiles(tn.grad(lambda x: tnp.sum(centred(x) ** 2)), (x,), (x,), backend="llvm", scale=4.0)


def test_cells_are_read_by_loads_of_rows() -> None:
    (cells,) = cells_in(centred, RNG.normal(size=(64, 16)))
    kernel = kernel_of(cells.region, cells.program, sources=cells.sources, results=cells.results)
    assert kernel is not None
    assert "shufflevector" in kernel.text
    assert "insertelement" not in kernel.text
    assert "extractelement" not in kernel.text
    assert kernel.text.count(" = load ") * kernel.lanes <= 2 * 16 * max(kernel.lanes, 2)


def test_two_arrays_of_one_cell_and_truth_values() -> None:
    def f(x: Any, y: Any) -> Any:
        mask = x > tnp.mean(y, axis=1, keepdims=True)
        return mask, tnp.where(mask, x, y), tnp.sum(x * y, axis=1)

    x, y = RNG.normal(size=(2, 50, 5))
    assert_compiles(f, (x, y), (x, y), backend="llvm")
