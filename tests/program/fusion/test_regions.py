"""Regions of long programs: of bounded length, done before too many operands wait, called with any number of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program.backends.llvm import fusing, step_calls
from tapenet.program.backends.llvm.kernel_code import kernel_of
from tapenet.program.fusion import regions
from tapenet.program.fusion.regions import Region, in_regions
from tapenet.program.instructions import Program
from tests.program.comparing import BACKENDS, assert_same, compiled_quietly

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
@given(
    seed=st.integers(0, 2**32 - 1),
    longest=st.integers(1, 9),
    wait=st.integers(1, 9),
    streams=st.sampled_from([0, 2, 99]),
)
def test_random_programs_are_split_in_an_order_that_computes(seed: int, longest: int, wait: int, streams: int) -> None:
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
        patch.setattr(regions, "MOST_STREAMS", streams)
        patch.setattr(regions, "CACHED", 0)
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


def momentum(gradients: list[Array], velocities: list[Array], params: list[Array]) -> Any:
    velocities = [0.9 * v + g for v, g in zip(velocities, gradients, strict=True)]
    return velocities, [p - 0.1 * v for p, v in zip(params, velocities, strict=True)]


def large_arrays(count: int, size: int) -> list[list[Array]]:
    rng = np.random.default_rng(0)
    return [[rng.standard_normal(size) for _ in range(count)] for _ in range(3)]


@pytest.mark.parametrize(("count", "size", "expected"), [(6, 2**18, [4] * 6), (6, 2**10, [24]), (2, 2**18, [8])])
def test_large_arrays_that_have_nothing_to_do_with_each_other_are_apart(
    count: int, size: int, expected: list[int]
) -> None:
    program = tn.compile(momentum).lower(*large_arrays(count, size))
    found = [len(step.instructions) for step in ufuncs_in_regions(program) if isinstance(step, Region)]
    assert found == expected


def test_what_reads_one_large_array_stays_together() -> None:
    def f(x: Array, ys: list[Array]) -> list[Array]:
        return [x * y for y in ys]

    xs, *_ = large_arrays(13, 2**18)
    steps = ufuncs_in_regions(tn.compile(f).lower(xs[0], xs[1:]))
    assert [len(step.instructions) for step in steps if isinstance(step, Region)] == [12]


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_of_parts_are_those_of_the_whole(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = large_arrays(7, 2**16 + 3)
    monkeypatch.setattr(regions, "CACHED", 0)
    for found in compiled_quietly(momentum, *[given] * 3, backend=backend)[1]:
        assert_same(found, momentum(*given))


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
        found = [kernel_of(x, program) for x in fusing.steps_of(program) if isinstance(x, Region)]
        return len({kernel.text for kernel in found if kernel is not None})

    assert kernels(240) == kernels(60)
