"""Regions of long programs: of bounded length, done before too many operands wait, called with any number of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program.backends import llvm_code
from tapenet.program.backends.llvm import step_calls
from tapenet.program.backends.llvm.kernel_code import kernel_of
from tapenet.program.fusion import regions
from tapenet.program.fusion.regions import Region, in_regions
from tapenet.program.instructions import Program
from tests.program.comparing import assert_same, compiled_quietly

Array = Any


def ufuncs_in_regions(program: Program) -> list[Any]:
    return in_regions(program, lambda x: isinstance(x.primitive.forward, np.ufunc))


def check_order(program: Program, steps: list[Any]) -> None:
    """Each step reads what those before it made, and each instruction is done once."""
    seen = {*program.inputs, *program.constants}
    done = 0
    for step in steps:
        assert set(step.inputs if isinstance(step, Region) else step.reads) <= seen
        seen |= set(step.outputs) if isinstance(step, Region) else {step.out}
        done += len(step.instructions) if isinstance(step, Region) else 1
    assert set(program.outputs) <= seen
    assert done == len(program)


OPERATIONS: list[Any] = [
    lambda a, b: a + b,
    lambda a, b: tnp.sin(a) * b,
    lambda a, b: tnp.sum(a * b, 0),
    lambda a, b: a - tnp.exp(-b),
]


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), longest=st.integers(1, 9), wait=st.integers(1, 9))
def test_random_programs_are_split_in_an_order_that_computes(seed: int, longest: int, wait: int) -> None:
    choices = np.random.default_rng(seed).integers(0, [4, 40, 40], (30, 3))

    def f(x: Array, y: Array) -> Any:
        values = [x, y, x[0]]
        for kind, i, j in choices:
            values.append(OPERATIONS[kind](values[i % len(values)], values[j % len(values)]))
        return tuple(values[3:])

    program = tn.compile(f).lower(np.ones((3, 3)), np.ones((3, 3)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regions, "MOST_JOINED", longest)
        patch.setattr(regions, "LONGEST_WAIT", wait)
        steps = ufuncs_in_regions(program)
    check_order(program, steps)
    found = [step for step in steps if isinstance(step, Region)]
    assert all(len(step.instructions) <= longest for step in found)
    assert all(len({program.spaces[x.out].shape for x in step.instructions}) == 1 for step in found)


def test_operands_of_a_long_sum_do_not_wait_for_its_end() -> None:
    program = tn.compile(lambda xs: sum(tnp.cumsum(x) for x in xs)).lower([np.ones(3)] * 300)
    steps = ufuncs_in_regions(program)
    check_order(program, steps)
    assert max(len(step.inputs) for step in steps if isinstance(step, Region)) <= regions.LONGEST_WAIT + 2


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_more_arrays_than_a_foreign_function_takes(backend: str) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    xs = [np.full(3, i / 7) for i in range(1200)]

    def f(xs: list[Array], factor: float) -> list[Array]:
        return [x * factor - 1.0 for x in xs]

    for found in compiled_quietly(f, *[(xs, 2.5)] * 3, backend=backend)[1]:
        assert_same(found, f(xs, 2.5))


def test_steps_that_are_alike_share_their_code() -> None:
    pytest.importorskip("llvmlite")

    def f(x: Array) -> Array:
        for _ in range(20):
            x = tnp.tanh(x) * tnp.sum(x) + 0.5
        return x

    before = step_calls.compiled_text.cache_info().currsize
    tn.compile(f, backend="llvm", fullgraph=True)(np.ones(5))
    assert step_calls.compiled_text.cache_info().currsize <= before + 2


def test_a_longer_recurrence_has_no_more_kernels() -> None:
    pytest.importorskip("llvmlite")

    def f(x: Array, w: Array, steps: int) -> Array:
        for _ in range(steps):
            x = tnp.tanh(x @ w) * x
        return tnp.sum(x)

    def kernels(steps: int) -> int:
        gradient = tn.grad(lambda w: f(np.ones((2, 4)), w, steps))
        program = tn.compile(gradient).lower(np.ones((4, 4)))
        found = [kernel_of(x, program) for x in llvm_code.steps_of(program) if isinstance(x, Region)]
        return len({kernel.text for kernel in found if kernel is not None})

    assert kernels(240) == kernels(60)
