"""The text of kernels: functions are called or written out, and what calls a kernel is written out with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program.backends.llvm.kernel_code import INLINED, entry_of, module_of, panel_of, step_of
from tapenet.program.backends.llvm.stretch_runner import FAR
from tests.program.backends.llvm.test_kernel_loops import kernels_of
from tests.program.comparing import assert_compiles

pytest.importorskip("llvmlite")

X = np.linspace(-2.0, 2.0, 100)


def _rotation(x: Any) -> Any:
    return tnp.sin(x) * x + tnp.cos(x)


def _lines(text: str) -> int:
    return text.count("\n")


def test_functions_of_one_argument_share_what_they_have_in_common_where_they_are_written_out() -> None:
    (both,) = kernels_of(_rotation, X)
    (one,) = kernels_of(lambda x: tnp.sin(x) * x + x, X)
    assert both is not None
    assert one is not None
    assert "@sin_" in both.text
    text = both.written_out().text
    assert "@sin_" not in text
    assert "@cos_" not in text
    assert both.written_out().functions == ()
    assert _lines(text) < 1.5 * _lines(one.written_out().text)


def test_many_calls_are_calls_of_functions() -> None:
    def many(x: Any) -> Any:
        for _ in range(INLINED):
            x = tnp.tanh(x) + tnp.exp(-x * x)
        return x

    (kernel,) = kernels_of(many, X)
    assert kernel is not None
    assert "noinline" in module_of({kernel.text: "kernel0"}, [kernel])
    (few,) = kernels_of(_rotation, X)
    assert few is not None
    assert "noinline" not in module_of({few.text: "kernel0"}, [few])
    assert_compiles(many, (X,), (X,), backend="llvm")


def test_what_calls_a_kernel_is_one_function_with_it() -> None:
    (kernel,) = kernels_of(_rotation, X.reshape(4, 25))
    assert kernel is not None
    for write in (entry_of, step_of, panel_of):
        text = write(kernel, "kernel0")
        assert text.count("define ") == 1
        assert "@kernel0(" not in text
    assert f"mul i32 %met.any, {FAR}" in panel_of(kernel, "kernel0")
    for bound in ("%row0", "%row1", "%column0", "%column1"):
        assert bound not in step_of(kernel, "kernel0")


@pytest.mark.parametrize("far", [0.0, 1e9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arguments_out_of_range_are_told_by_a_kernel_of_its_own_and_inside_a_stretch(far: float, dtype: Any) -> None:
    x = np.linspace(-2.0, 2.0, 64, dtype=dtype).reshape(8, 8)
    x[3, 5] += far
    weights = np.eye(8, dtype=dtype)

    def stretch(x: Any) -> Any:
        return tnp.sum(_rotation(_rotation(x) @ weights), axis=0)

    with np.errstate(all="ignore"):
        for f in (_rotation, stretch, tn.grad(lambda x: tnp.sum(stretch(x)))):
            assert_compiles(f, (x,), (x,), backend="llvm")
