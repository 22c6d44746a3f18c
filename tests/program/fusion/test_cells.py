"""Cells: what is computed on a few numbers at each place of a batch gives the same answers, in one pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program.backends.llvm import fusing
from tapenet.program.fusion.cells import Cells
from tapenet.program.passes import optimized
from tests.program.comparing import assert_compiles, assert_same
from tests.program.passes.test_passes import recorded

pytest.importorskip("llvmlite")

Array = Any
Function = Callable[..., Any]
RNG = np.random.default_rng(0)


def cells_in(f: Function, *args: Array) -> list[Cells]:
    """The cells of a function's program."""
    steps = fusing.steps_of(optimized(recorded(f, *args)[0]), lambda cells: True)
    return [step for step in steps if isinstance(step, Cells)]


def distances(x: Array, y: Array) -> Array:
    return tnp.sqrt(tnp.sum((x[:, None, :] - y[None, :, :]) ** 2, axis=-1) + 1e-3)


def mixture(means: Array, scales: Array, x: Array) -> Array:
    squares = tnp.sum((x[:, None, :] - means) ** 2, axis=-1)
    return tn.scipy.special.logsumexp(-0.5 * squares * tnp.exp(-scales) - scales, axis=1)


def moments(x: Array) -> Any:
    along = {"axis": -1, "keepdims": True}
    return tnp.mean(x, **along), tnp.var(x, **along), tnp.std(x, axis=-1, ddof=1), tnp.linalg.norm(x, axis=-1)


def edges(x: Array) -> Any:
    return tnp.max(x, axis=1), tnp.min(x, axis=1, keepdims=True), tnp.prod(x, axis=1), tnp.sum(x, axis=1) * 2


def rotated(a: Array, v: Array) -> Array:
    return tnp.tanh((a @ v[..., None])[..., 0]) + tnp.swapaxes(a, 1, 2)[:, 1]


def crossed(a: Array, b: Array) -> Array:
    return tnp.cross(a, b) + tnp.stack([a[:, 0] * b[:, 1], b[:, 2], a[:, 0] ** 2], axis=1)


CASES: dict[str, tuple[Function, list[tuple[int, ...]]]] = {
    "softmax": (lambda x: tn.nn.softmax(x * 3, axis=-1), [(67, 10)]),
    "softmax of a middle axis": (lambda x: tn.nn.softmax(x, axis=1), [(67, 3, 4)]),
    "log_softmax": (lambda x, y: tnp.sum(tn.nn.log_softmax(x, axis=1) * y, axis=1), [(67, 10), (67, 10)]),
    "layer norm": (lambda x: (x - tnp.mean(x, 1, keepdims=True)) / tnp.std(x, axis=1, keepdims=True), [(40, 7)]),
    "moments": (moments, [(67, 5)]),
    "edges": (edges, [(40, 6)]),
    "distances": (distances, [(21, 3), (34, 3)]),
    "mixture": (mixture, [(5, 2), (5,), (67, 2)]),
    "products": (lambda a, b: a @ b + tnp.swapaxes(b, -1, -2) @ a, [(40, 3, 3), (40, 3, 3)]),
    "product with one matrix": (lambda a, b: tnp.exp(a @ b), [(40, 2, 3), (3, 3)]),
    "products of two axes": (lambda a, b: a @ b, [(7, 9, 2, 2), (9, 2, 2)]),
    "products with vectors": (rotated, [(40, 3, 3), (40, 3)]),
    "outer products": (lambda x: tnp.einsum("bi,bj->bij", x, x), [(40, 4)]),
    "bilinear forms": (lambda x, w, y: tnp.einsum("bi,ij,bj->b", x, w, y), [(40, 4), (4, 3), (40, 3)]),
    "traces": (lambda x: tnp.einsum("bii->b", x) * tnp.einsum("bij->b", x), [(40, 3, 3)]),
    "cross products": (crossed, [(40, 3), (40, 3)]),
}


def arguments(name: str, char: str) -> list[Array]:
    return [RNG.uniform(0.2, 1.0, shape).astype(char) for shape in CASES[name][1]]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("char", "fd")
def test_values_and_gradients_are_those_of_numpy(name: str, char: str) -> None:
    f, args = CASES[name][0], arguments(name, char)

    def loss(*args: Array) -> Array:
        return sum(tnp.sum(tnp.sin(y)) for y in tn.tree.leaves(f(*args)))

    def both(*args: Array) -> Any:
        return f(*args), tn.grad(loss, argnums=tuple(range(len(args))))(*args)

    assert cells_in(f, *args)
    assert_compiles(both, args, [x[::-1] for x in args], backend="llvm", scale=16.0)


@pytest.mark.parametrize("name", ["softmax", "distances", "products with vectors"])
def test_derivatives_of_derivatives(name: str) -> None:
    f, args = CASES[name][0], arguments(name, "d")
    weights = RNG.normal(size=args[0].shape)

    def along(x: Array) -> Array:
        return tn.jvp(tn.grad(lambda x: tnp.sum(tnp.sin(f(x, *args[1:])))), (x,), (weights,))[1]

    assert_compiles(along, [args[0]], backend="llvm", scale=64.0)


@settings(max_examples=10)
@given(data=st.data())
def test_random_cells(data: st.DataObject) -> None:
    char = data.draw(st.sampled_from("fd"))
    batch = data.draw(st.sampled_from([(33,), (70,), (5, 9), (3, 1, 40)]))
    cell = data.draw(st.sampled_from([(1,), (3,), (16,), (2, 3), (4, 4), (3, 1, 2)]))
    others = [(*batch, *cell), cell, (*batch, *(1 for _ in cell)), ()]
    x, y, z = (
        RNG.normal(size=shape).astype(char)
        for shape in [(*batch, *cell), *(data.draw(st.sampled_from(others)) for _ in range(2))]
    )
    count, first = len(batch) + len(cell), len(batch)
    axes = tuple(data.draw(st.sets(st.integers(first, count - 1), min_size=1)))
    reduce = data.draw(st.sampled_from([tnp.sum, tnp.mean, tnp.max, tnp.min, tnp.prod, tnp.var]))
    kept = data.draw(st.booleans())

    def f(x: Array, y: Array, z: Array) -> Any:
        whole = tnp.tanh(x * y) + tnp.where(x > 0, z, x)
        found = reduce(whole, axis=axes, keepdims=kept)
        again = found if kept else tnp.expand_dims(found, axes)
        turned = tnp.swapaxes(whole - again, first, count - 1)
        return found, turned, tnp.sum(turned * turned, axis=-1), tnp.concatenate([whole, whole * 2], axis=first)

    assert_compiles(f, (x, y, z), backend="llvm", floor=1.0)


def test_values_at_the_edges() -> None:
    x = RNG.normal(size=(64, 3))
    x[::3, 1], x[1::3, 0], x[2::7] = np.inf, np.nan, -np.inf
    x[5] = 1.0

    def f(x: Array) -> Any:
        return tnp.max(x, axis=1), tnp.min(x, axis=1), tn.grad(lambda x: tnp.sum(tnp.max(x, axis=1)))(x)

    with np.errstate(all="ignore"):
        assert_compiles(f, [x], backend="llvm")
        assert_compiles(lambda x: (tn.nn.softmax(x), tn.nn.log_softmax(x)), [x], backend="llvm")


def test_results_are_the_same_for_any_number_of_threads() -> None:
    x = RNG.normal(size=(40_000, 10)).astype("f")
    f = tn.compile(lambda x: tn.nn.log_softmax(x * 2, axis=1), backend="llvm")
    f(x)
    before = tn.num_threads()
    try:
        tn.set_num_threads(1)
        alone = f(x)
    finally:
        tn.set_num_threads(before)
    np.testing.assert_array_equal(f(x), alone)


def test_operands_of_any_order_in_memory() -> None:
    x = RNG.normal(size=(10, 64))
    f = tn.compile(lambda x: tn.nn.softmax(x, axis=1), backend="llvm")
    assert_same(f(x.T), tn.nn.softmax(x.T, axis=1))
    assert_same(f(np.repeat(x.T, 2, axis=0)[::2]), tn.nn.softmax(x.T, axis=1))


@pytest.mark.parametrize(
    ("f", "shape"),
    [
        (lambda x: tnp.sum(x, axis=0), (40, 4)),  # of the batch
        (lambda x: tnp.sum(tnp.exp(x), axis=1), (40, 17)),  # of too many components
        (lambda x: tnp.sum(tnp.exp(x), axis=1), (8, 4)),  # a small batch
        (lambda x: tnp.exp(x) * 2, (40, 4)),  # elementwise
        (lambda x: tnp.sum(tnp.exp(x), axis=1), (0, 4)),
    ],
)
def test_other_operations_are_left_as_they_are(f: Function, shape: tuple[int, ...]) -> None:
    x = RNG.normal(size=shape)
    assert not cells_in(f, x)
    assert_compiles(f, [x], backend="llvm")


def test_integers_and_complex_numbers_are_left_as_they_are() -> None:
    for x in (RNG.integers(0, 9, (40, 4)), RNG.normal(size=(40, 4)) + 1j):
        assert not cells_in(lambda x: tnp.sum(x * 2, axis=1), x)
        assert_compiles(lambda x: tnp.sum(x * 2, axis=1), [x], backend="llvm")


def test_a_long_chain_is_one_pass_only_near_what_needs_it() -> None:
    def f(x: Array) -> Array:
        for _ in range(40):
            x = tnp.tanh(x) + 0.1
        return tn.nn.softmax(x, axis=1)

    x = RNG.normal(size=(64, 8))
    (cells,) = cells_in(f, x)
    assert len(cells.instructions) < 40
    assert_compiles(f, [x], backend="llvm", scale=4.0)


def test_elementwise_operations_between_cells_and_reductions_of_the_batch() -> None:
    def f(x: Array, w: Array) -> Any:
        weights = tn.nn.softmax(x @ w, axis=1)
        return tnp.sum(weights, axis=0), x.T @ weights, tnp.log(tnp.max(weights, axis=1))

    x, w = RNG.normal(size=(64, 8)), RNG.normal(size=(8, 5))
    assert_compiles(f, [x, w], backend="llvm", scale=4.0)


def test_regions_without_what_needs_cells_are_left_as_they_are() -> None:
    def f(x: Array) -> Array:
        shifted = x - tnp.max(x, axis=1, keepdims=True)
        moved = tnp.concatenate([shifted[1:], shifted[:1]])  # across the batch
        return moved * shifted + tnp.sin(moved)

    (cells,) = cells_in(f, np.ones((40, 4)))
    assert "sin" not in [x.name for x in cells.instructions]
    assert_compiles(f, (RNG.normal(size=(40, 4)),), backend="llvm")
