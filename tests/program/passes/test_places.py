"""Several arrays of indices become one, of places, where their ranges are known; and what ranges are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program.evaluating import evaluator
from tapenet.program.passes.places import with_places
from tapenet.program.ranges import ranges_of
from tests.program.comparing import BACKENDS, assert_compiles, assert_same

Array = Any
RNG = np.random.default_rng(0)


def indices_of(f: Any, *args: Array) -> list[int]:
    """How many arrays the indices of a function's program have, of each operation at indices."""
    program = tn.compile(f).lower(*args)
    return [len(x.operands) - 1 for x in program if x.name in ("gather", "scatter")]


def read(x: Array, i: Array, j: Array) -> Array:
    return x[i % x.shape[0], j % x.shape[1]] * 2


def test_indices_in_bounds_become_places() -> None:
    x, i, j = RNG.normal(size=(4, 5)), RNG.integers(-99, 99, (3, 1)), RNG.integers(-99, 99, 7)
    assert indices_of(read, x, i, j) == [1]
    assert indices_of(tn.grad(lambda x: tnp.sum(read(x, i, j))), x) == [1]
    both = lambda x, y: read(x, i, j) + read(y, i, j) + read(x, i, j + 1)  # noqa: E731
    program = tn.compile(both).lower(x, x)
    names = [step.name for step in program]
    assert names.count("gather") == 3
    assert names.count("reshape") == 2  # of each array once
    assert len({step.operands[1] for step in program if step.name == "gather"}) == 2


@pytest.mark.parametrize(
    "f",
    [
        lambda x, i, j: x[i, j],
        lambda x, i, j: x[i % 4, j],
        lambda x, i, j: x[i % 4 - 1, j % 5],
        lambda x, i, j: x[i % 4, j % 5 + (i < 2)],
        lambda x, i, j: x[i % 4][:, 1],
        lambda x, i, j: x[tnp.astype(i % 4, np.int8), tnp.astype(j % 5, np.int8)],
        lambda x, i, j: x[i % 4, tnp.astype(j % 5, np.int32)],
        lambda x, i, j: x[np.array([1, 2]), np.array([3, 4])],
        lambda x, i, j: x[i[:1] % 4, j[:1] % 5],
    ],
)
def test_other_indices_stay(f: Any) -> None:
    x, i, j = RNG.normal(size=(4, 5)), np.array([0, 1, 2]), np.array([1, 2, 3])
    program = tn.compile(f).lower(x, i, j)
    assert "multiply" not in [step.name for step in program]


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=15)
@given(data=st.data())
def test_the_answers_are_the_same(backend: Any, data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 5), min_size=2, max_size=4)))
    out = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)))
    kind = data.draw(st.sampled_from([np.int32, np.int64]))
    own = [tuple(n if data.draw(st.booleans()) else 1 for n in out) for _ in shape]
    places = [RNG.integers(-50, 50, own_shape).astype(kind) for own_shape in own]
    x = np.asarray(RNG.normal(size=shape), order=data.draw(st.sampled_from(["C", "F"])))

    def f(x: Array, *places: Array) -> Array:
        bounded = tuple(p % n for p, n in zip(places, shape, strict=True))
        other = (*bounded[:-1], tnp.minimum(bounded[-1] + 1, shape[-1] - 1))
        return tnp.sum(tnp.sin(x[bounded]) * x[other]) + tnp.sum(tn.at(x)[bounded].add(x[other]) ** 2)

    assert_compiles(f, (x, *places), (x, *places), backend=backend, scale=16, floor=1.0)
    assert_compiles(tn.grad(f), (x, *places), (x, *places), backend=backend, scale=16, floor=1.0)


def test_the_pass_alone() -> None:
    x, i, j = RNG.normal(size=(4, 5)), RNG.integers(-4, 4, 6), RNG.integers(-5, 5, 6)
    program = tn.compile(tn.grad(lambda x, i, j: tnp.sum(x[i, j] ** 2)), backend="numpy").lower(x, i, j)
    assert with_places(program) is program  # nothing is known of arguments
    bounded = tn.compile(lambda x, i, j: tn.at(x)[i % 4, j % 5].add(x[i % 4, j % 5])).lower(x, i, j)
    assert with_places(bounded) is bounded  # they are places already
    assert_same(evaluator(bounded)([x, i, j])[0], tn.at(x)[i % 4, j % 5].add(x[i % 4, j % 5]))


def test_ranges_of_a_program() -> None:
    def f(i: Array, x: Array) -> Any:
        k = i % 7
        return k, k * 2 - 3, -k, i % -4, i, tnp.where(x > 0, k, 9), tnp.reshape(k, (1, -1)) + np.array([0, 5, 1]), x > 0

    program = tn.compile(f).lower(np.arange(3)[:, None], np.ones((3, 1)))
    known = ranges_of(program)
    assert ranges_of(program) is known
    low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    wanted = [(0, 6), (-3, 9), (-6, 0), (-3, 0), (low, high), (0, 9), (0, 11), (0, 1)]
    assert [known.get(n, (low, high)) for n in program.outputs] == wanted
    program = tn.compile(lambda x: tnp.sort(x, axis=0)).lower(np.ones((3, 2)))
    (order,) = [step.out for step in program if step.name == "order"]
    assert ranges_of(program)[order] == (0, 2)
