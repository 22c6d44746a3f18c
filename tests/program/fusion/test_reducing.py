"""Regions that close with sums, means and extrema: the same answers, for any number of threads, in one pass."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program.backends.llvm import fusing
from tapenet.program.fusion.reducing import Reduced, with_reductions
from tapenet.program.passes import optimized
from tests.program.comparing import assert_compiles, assert_same
from tests.program.passes.test_passes import recorded

pytest.importorskip("llvmlite")

Array = Any
RNG = np.random.default_rng(0)
REDUCTIONS: dict[str, Callable[..., Any]] = {"sum": tnp.sum, "mean": tnp.mean, "max": tnp.max, "min": tnp.min}


def reduced_in(f: Any, *args: Any) -> list[Reduced]:
    """The regions of a function's program that close with reductions."""
    program = optimized(recorded(f, *args)[0])
    steps = with_reductions(fusing.steps_of(program), program, lambda reduced: True)
    return [step for step in steps if isinstance(step, Reduced)]


@settings(max_examples=40)
@given(data=st.data())
def test_reductions_over_last_first_and_all_axes(data: st.DataObject) -> None:
    char = data.draw(st.sampled_from("fd"))
    shape = data.draw(
        st.sampled_from([(4096,), (5001,), (70, 101), (64, 64), (4, 33, 40), (3, 4099), (130, 32), (1, 4100)])
    )
    own = [data.draw(st.sampled_from([shape, shape[-1:], (*shape[:-1], 1), ()])) for _ in range(2)]
    x, y, z = (RNG.normal(size=s).astype(char) for s in (shape, *own))
    names = data.draw(st.lists(st.sampled_from(sorted(REDUCTIONS)), min_size=1, max_size=3))
    axes: list[Any] = [
        None,
        -1,
        tuple(range(len(shape))),
        tuple(range(1, len(shape))) or -1,
        0,
        tuple(range(len(shape) - 1)) or 0,
    ]
    picked = [(REDUCTIONS[name], data.draw(st.sampled_from(axes)), data.draw(st.booleans())) for name in names]
    is_kept = data.draw(st.booleans())

    def f(x: Array, y: Array, z: Array) -> Any:
        values = x * y + z, tnp.exp(x) - y
        pairs = zip(picked, itertools.cycle(values), strict=False)
        return [reduce(value, axis=axis, keepdims=kept) for (reduce, axis, kept), value in pairs], values[0] * is_kept

    assert_compiles(
        f, (x, y, z), (-x, y, z), (x[..., ::-1], y, -z), backend="llvm", scale=8, floor=float(x.size) ** 0.5
    )


@pytest.mark.parametrize("name", sorted(REDUCTIONS))
def test_a_reduction_is_part_of_the_pass_before_it(name: str) -> None:
    x = RNG.normal(size=(70, 80))
    (reduced,) = reduced_in(lambda x: REDUCTIONS[name](x * x + 1, axis=1), x)
    assert not reduced.region.outputs
    assert [(n, height) for _, n, height in reduced.reduced] == [(name, 0)]
    (reduced,) = reduced_in(lambda x: REDUCTIONS[name](x * x + 1, axis=0), x)
    assert not reduced.region.outputs
    assert (reduced.joined, reduced.height) == (5, 14)
    (reduced,) = reduced_in(lambda x: REDUCTIONS[name](x * x + 1, axis=1), RNG.normal(size=(20, 30, 40)))
    assert (reduced.split, reduced.joined, reduced.height) == (2, 3, 10)
    assert not reduced_in(lambda x: REDUCTIONS[name](x * x + 1), x[:8, :8].copy())
    assert not reduced_in(lambda x: REDUCTIONS[name](x * x + 1, axis=(0, 2)), RNG.normal(size=(20, 30, 40)))


def test_reductions_of_short_rows_are_made_alone() -> None:
    x = RNG.normal(size=(600, 30))

    def f(x: Array) -> Any:
        return tnp.max(x, axis=1), tnp.min(x, axis=1, keepdims=True), tnp.sum(x, axis=0), tnp.prod(x)

    (reduced,) = reduced_in(f, x)
    assert {r.instruction.name for r in reduced.reductions} == {"max", "min", "prod", "sum"}
    assert_compiles(f, (x,), (-x,), (x[::-1],), backend="llvm", scale=8, floor=30.0)
    assert not reduced_in(lambda x: (tnp.max(x), tnp.sum(x, axis=1)), RNG.normal(size=(20, 400)))


@pytest.mark.parametrize("shape", [(4100, 3), (4099, 2), (1024, 7), (600, 8), (2, 3000), (128, 1, 40)])
def test_short_rows_are_joined_where_nothing_is_broadcast(shape: tuple[int, ...]) -> None:
    x, row = RNG.normal(size=shape), RNG.normal(size=shape[-1])
    functions: list[Callable[..., Any]] = [
        lambda x, row: (tnp.sum(x * x, axis=0), tnp.max(x, axis=0, keepdims=True)),
        lambda x, row: tnp.mean(tnp.exp(x) * 2.0, axis=0),
        lambda x, row: tnp.min(x * row, axis=0),
        lambda x, row: tnp.var(x, axis=0),
    ]
    for f in functions:
        assert_compiles(f, (x, row), (-x, row), backend="llvm", scale=8, floor=float(len(x)) ** 0.5)


@settings(max_examples=15)
@given(data=st.data())
def test_reductions_over_axes_between_others(data: st.DataObject) -> None:
    shape = data.draw(
        st.sampled_from([(7, 70, 33), (3, 130, 64), (40, 9, 16), (2, 8, 20, 17), (1, 65, 70), (20, 80, 3), (9, 257, 2)])
    )
    x, y = (RNG.normal(size=own).astype(data.draw(st.sampled_from("fd"))) for own in (shape, shape[-1:]))
    names = data.draw(st.lists(st.sampled_from(sorted(REDUCTIONS)), min_size=1, max_size=2))
    axes: Any = data.draw(st.sampled_from([1, (1,), -2, tuple(range(1, len(shape) - 1)), 0]))
    kept = data.draw(st.booleans())

    def f(x: Array, y: Array) -> Any:
        apart = [REDUCTIONS[name](x * 0.5 + y, axis=axes, keepdims=kept) for name in names]
        return apart, [REDUCTIONS[name](x, axis=axes) for name in names], tnp.sum(x * x, axis=axes)

    assert_compiles(f, (x, y), (-x, y), backend="llvm", scale=8, floor=float(x.size) ** 0.5)


def test_one_region_closes_with_several() -> None:
    x, y = RNG.normal(size=(2, 64, 65))

    def loss(x: Array, y: Array) -> Array:
        return tnp.sum(tnp.tanh(x * y) ** 2) + tnp.max(x * y) * tnp.mean(x - y)

    assert len(reduced_in(loss, x, y)[0].reductions) == 3
    assert_compiles(tn.value_and_grad(loss, (0, 1)), (x, y), (y, x), (x, -y), backend="llvm", scale=64)


@pytest.mark.parametrize("name", sorted(REDUCTIONS))
@pytest.mark.parametrize("spoiled", [np.nan, np.inf, -np.inf])
def test_nan_and_infinities_are_numpys(name: str, spoiled: float) -> None:
    x = RNG.normal(size=(67, 70))
    for place in ((0, 0), (66, 69), (30, 68)):
        own = x.copy()
        own[place] = spoiled

        def f(x: Array) -> Any:
            return [REDUCTIONS[name](x * 2 + 1, axis=axis) for axis in (-1, None)], REDUCTIONS[name](x + x, axis=0)

        assert_compiles(f, (own,), (own,), backend="llvm", scale=16)


def test_arguments_out_of_range_are_numpys() -> None:
    x = RNG.normal(size=(64, 70))
    f = lambda x: (tnp.sum(tnp.sin(x) * 2, axis=1), tnp.max(tnp.cos(x)))  # noqa: E731
    assert_compiles(f, (x,), (x * 1e9,), (x,), backend="llvm", scale=64)


@pytest.mark.parametrize("axis", ["first", "last"])
@pytest.mark.parametrize("shape", [(10**6,), (1000, 1001), (3, 400_001), (20_000, 33), (300_000, 3)])
def test_results_do_not_depend_on_the_number_of_threads(shape: tuple[int, ...], axis: str) -> None:
    x = RNG.normal(size=shape)
    pick = {"last": -1, "first": 0}[axis]
    f = tn.compile(lambda x: (tnp.sum(tnp.exp(x) - 1), tnp.mean(x * x, axis=pick), tnp.max(x * 3)), backend="llvm")
    for _ in range(2):
        f(x)
    before = tn.set_num_threads(1)
    try:
        found = f(x)
        for threads in (2, 3, 5):
            tn.set_num_threads(threads)
            for mine, theirs in zip(f(x), found, strict=True):
                np.testing.assert_array_equal(mine, theirs)
    finally:
        tn.set_num_threads(before)
    assert_same(found, (np.sum(np.exp(x) - 1), np.mean(x * x, axis=pick), np.max(x * 3)), scale=64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_long_sums_keep_their_digits(dtype: Any) -> None:
    x = RNG.uniform(0.5, 1.5, 2**20).astype(dtype)
    f = tn.compile(lambda x: tnp.sum(x * x), backend="llvm")
    for _ in range(2):
        f(x)
    exact = float(np.sum((x * x).astype(np.longdouble)))
    assert abs(float(f(x)) - exact) <= 4 * np.finfo(dtype).eps * exact
