"""Masks that a compiled function computes are values of its program: another mask is not another program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tests.program.comparing import BACKENDS, assert_same

Array = Any
METHODS = ["set", "add", "subtract", "multiply", "divide", "power", "min", "max"]

# Of an array of shape (4, 3): an index with a mask that is computed from it, and the shapes of values that broadcast.
INDICES: dict[str, tuple[Callable[[Array], Any], list[tuple[int, ...]]]] = {
    "elements": (lambda x: x > 1.5, [(), (1,)]),
    "rows": (lambda x: x[:, 0] > 1.5, [(), (3,), (1, 3), (1, 1)]),
    "rows, with an ellipsis": (lambda x: (x[:, 0] > 1.5, ...), [(3,)]),
    "columns": (lambda x: (slice(None), x[0] > 1.5), [(), (1,)]),
    "columns, behind an ellipsis": (lambda x: (..., x[0] > 1.5), [()]),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize("method", METHODS)
def test_updates_at_masks_are_one_program(method: str, name: str, backend: Any, rng: np.random.Generator) -> None:
    index, shapes = INDICES[name]

    def f(x: Array, value: Array) -> Array:
        return getattr(tn.at(x)[index(x)], method)(value)

    def both(x: Array, value: Array) -> Any:
        return f(x, value), tn.grad(lambda x, v: tnp.sum(f(x, v) ** 2), (0, 1))(x, value)

    for shape in shapes:
        compiled: Any = tn.compile(both, backend=backend, fullgraph=True)
        for _ in range(4):
            call = rng.uniform(1, 2, (4, 3)), rng.uniform(1.2, 1.7, shape)
            assert_same(compiled(*call), both(*call))
        assert len(compiled.programs) == 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "index",
    [
        lambda x: (0, x[0] > 1.5),
        lambda x: (x[:, 0] > 1.5, 0),
        lambda x: (None, x > 1.5),
        lambda x: (slice(0, 4, 2), x[0] > 1.5),
    ],
)
def test_masks_beside_other_indices_are_recorded(index: Any, method: str, rng: np.random.Generator) -> None:
    def f(x: Array) -> Array:
        return getattr(tn.at(x)[index(x)], method)(1.7)

    compiled: Any = tn.compile(f, fullgraph=True)
    for _ in range(4):
        x = rng.uniform(1, 2, (4, 3))
        assert_same(compiled(x), f(x))


@pytest.mark.parametrize("method", METHODS)
def test_updates_at_masks_are_mapped(method: str, rng: np.random.Generator) -> None:
    def f(x: Array, value: Array) -> Array:
        return getattr(tn.at(x)[x > 1.5], method)(value)

    x, value = rng.uniform(1, 2, (5, 3)), rng.uniform(1, 2, 5)
    expected = np.stack([f(row, v) for row, v in zip(x, value, strict=True)])
    np.testing.assert_allclose(tn.vmap(f)(x, value), expected, rtol=1e-15)
    gradients = tn.vmap(tn.grad(lambda x, v: tnp.sum(f(x, v))))(x, value)
    for row, v, gradient in zip(x, value, gradients, strict=True):
        np.testing.assert_allclose(gradient, tn.grad(lambda x, v: tnp.sum(f(x, v)))(row, v), rtol=1e-15)


@pytest.mark.parametrize("method", ["multiply", "divide", "power"])
def test_what_a_mask_leaves_out_raises_no_error_and_has_no_derivative(method: str) -> None:
    def f(x: Array, value: Array) -> Array:
        return getattr(tn.at(x)[x > 0], method)(value)

    compiled: Any = tn.compile(tn.value_and_grad(lambda x, v: tnp.sum(f(x, v)), (0, 1)))
    x = np.array([1.0, -np.inf, -0.0])
    with np.errstate(all="raise"):
        for value in (2.0, 3.0, 0.5):
            found, (by_x, by_value) = compiled(x, np.float64(value))
            assert found == -np.inf
            np.testing.assert_array_equal(by_x[1:], 1)
            assert np.isfinite(by_value)
        np.testing.assert_array_equal(compiled(-abs(x), np.float64(0))[1][0], 1)


def test_of_values_for_each_element_their_number_alone_is_read(rng: np.random.Generator) -> None:
    def f(x: Array, y: Array) -> Array:
        mask = x > 0
        return tn.at(x)[mask].add(y[mask])

    compiled: Any = tn.compile(f, fullgraph=True)
    for _ in range(10):
        x = rng.permutation([-1.0, -2.0, 3.0, 4.0, 5.0])
        assert_same(compiled(x, x + 10), f(x, x + 10))
    assert len(compiled.programs) == 1


def test_a_walk_through_what_a_mask_reads_is_a_program_for_each_number_of_elements() -> None:
    gradient = tn.grad(lambda x: tnp.sum(x[x > 0] ** 2))
    compiled: Any = tn.compile(gradient, fullgraph=True)
    for x in ([1.0, 2.0, -1.0], [1.0, -2.0, -1.0], [-1.0, 2.0, -1.0], [3.0, -2.0, 5.0], [3.0, -2.0, 5.0]):
        assert_same(compiled(np.array(x)), gradient(np.array(x)))
    assert len(compiled.programs) == 2


def test_counts_and_their_edges_are_values(rng: np.random.Generator) -> None:
    def f(x: Array) -> Array:
        return tnp.histogram(x, bins=np.linspace(-3, 3, 5))

    compiled: Any = tn.compile(f, fullgraph=True)
    for _ in range(4):
        x = rng.normal(size=9)
        assert_same(compiled(x), f(x))
    assert len(compiled.programs) == 1
