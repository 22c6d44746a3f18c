"""The loops of kernels: of any number of rows, and of columns of few vectors or many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program.backends.llvm import fusing
from tapenet.program.backends.llvm.kernel_code import Kernel, kernel_of
from tapenet.program.backends.llvm.kernel_loops import Loops
from tapenet.program.fusion.regions import Region
from tests.program.comparing import assert_same, compiled_quietly

pytest.importorskip("llvmlite")

Array = Any
RNG = np.random.default_rng(0)


def kernels_of(f: Any, *args: Array) -> list[Kernel | None]:
    """The kernels of a function's program."""
    program = tn.compile(f).lower(*args)
    return [kernel_of(step, program) for step in fusing.steps_of(program) if isinstance(step, Region)]


def wave(x: Array, y: Array) -> Array:
    return tnp.sin(x) * y + x


@settings(max_examples=30)
@given(
    rows=st.integers(1, 4),
    columns=st.one_of(st.integers(1, 40), st.sampled_from([64 * 16 - 1, 64 * 16, 64 * 16 + 1, 3000])),
    char=st.sampled_from("fd"),
    along=st.sampled_from(["all", "row", "column", "one"]),
    is_far=st.booleans(),
)
def test_all_shapes_of_loops(rows: int, columns: int, char: str, along: str, is_far: bool) -> None:
    x = RNG.normal(size=(rows, columns)).astype(char)
    if is_far:
        x[-1, -1] = 1e30  # NumPy computes the sine
    shape = {"all": (rows, columns), "row": (columns,), "column": (rows, 1), "one": (1, 1)}[along]
    y = RNG.normal(size=shape).astype(char)
    for f in (wave, lambda x, y: tnp.sum(wave(x, y), axis=1), lambda x, y: tnp.max(wave(x, y), axis=0)):
        expected = f(x, y)
        for found in compiled_quietly(f, *[(x, y)] * 2, backend="llvm")[1]:
            assert_same(found, expected, scale=2**6, floor=1.0)


def test_one_row_has_the_same_text_whatever_its_length() -> None:
    small, large = (kernels_of(wave, *RNG.normal(size=(2, n))) for n in (100, 10**5))
    assert [kernel.text for kernel in small if kernel] == [kernel.text for kernel in large if kernel]


@pytest.mark.parametrize(("rows", "columns", "blocks"), [(1, 8, 0), (1, 9, 1), (2, 8, 1), (2, 9, 2)])
def test_there_is_no_loop_over_one(rows: int, columns: int, blocks: int) -> None:
    loops = Loops(rows, columns, 8)
    text = loops.function("ptr %x, ", loops.over_vectors([], ""))
    assert text.count("br i1") == blocks
