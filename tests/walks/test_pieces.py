"""Reading an array piece by piece: the pieces are pulled back into one buffer, at the cost of what is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.testing import check_grads

Array = Any

SIZE = 40
WAYS: dict[str, Callable[[Array], list[Array]]] = {
    "integers": lambda x: [x[i] for i in range(SIZE)],
    "from the end": lambda x: [x[-i] for i in range(1, SIZE + 1)],
    "slices": lambda x: [x[i : i + 3] for i in range(0, SIZE, 3)],
    "overlapping slices": lambda x: [x[i : i + 5] for i in range(SIZE - 5)],
    "columns": lambda x: [x[:, 1], x[:, 0], x[..., 2]],
    "arrays": lambda x: [x[np.array([i, i, (i + 1) % SIZE])] for i in range(SIZE)],
    "masks": lambda x: [x[np.arange(SIZE) % 7 == i] for i in range(7)],
    "take": lambda x: [tnp.take(x, [i, i], 0) for i in range(SIZE)],
    "iteration": list,
    "split": lambda x: tnp.split(x, 8),
    "array_split": lambda x: tnp.array_split(x, 7),
    "unstack": lambda x: list(tnp.unstack(x)),
    "beside the whole": lambda x: [x, x[3], x[3:5], 2.0 * x, x[::-1]],
}
over_all_ways = pytest.mark.parametrize("way", WAYS)


def total_of(way: str) -> Callable[[Array], Array]:
    return lambda x: sum(tnp.sum(tnp.sin((1.0 + i / SIZE) * part)) for i, part in enumerate(WAYS[way](x)))


def points() -> Array:
    return np.linspace(0.1, 1.3, SIZE * 3).reshape(SIZE, 3)


@over_all_ways
def test_both_modes_to_second_order(way: str) -> None:
    check_grads(total_of(way), (points(),), order=2)


@over_all_ways
def test_gradients_of_gradients_and_of_mapped_functions_agree_with_whole_arrays(way: str) -> None:
    x, v = points(), points()[::-1].copy()
    second = tn.grad(lambda x: tnp.sum(tn.grad(total_of(way))(x) * v))(x)
    np.testing.assert_allclose(second, tn.hvp(total_of(way))(x, v), rtol=1e-12, atol=1e-12)
    batch = np.stack([x, 2 * x])
    at_once = tn.vmap(tn.grad(total_of(way)))(batch)
    np.testing.assert_allclose(at_once, np.stack([tn.grad(total_of(way))(x) for x in batch]), rtol=1e-12)


@over_all_ways
@pytest.mark.parametrize("dtype", [np.float32, np.complex128, np.longdouble])
def test_the_gradient_has_the_dtype_of_its_source(way: str, dtype: Any) -> None:
    x = points().astype(dtype)
    g = tn.grad(lambda x: tnp.sum(tnp.real(total_of(way)(x))))(x)
    assert g.dtype == x.dtype
    expected = tn.grad(lambda x: tnp.sum(tnp.real(total_of(way)(x))))(x.astype(np.result_type(dtype, np.float64)))
    np.testing.assert_allclose(g, expected, rtol=1e-4)


def elements_written(monkeypatch: pytest.MonkeyPatch, run: Callable[[], Any]) -> int:
    """How many elements of zeros are made."""
    count = 0
    zeros = np.zeros

    def counting(shape: Any, *arguments: Any, **keywords: Any) -> Array:
        nonlocal count
        made = zeros(shape, *arguments, **keywords)
        count += made.size
        return made

    with monkeypatch.context() as patch:
        patch.setattr(np, "zeros", counting)
        run()
    return count


@pytest.mark.parametrize("order", [1, 2])
def test_the_cost_is_that_of_what_is_read(monkeypatch: pytest.MonkeyPatch, order: int) -> None:
    def gradient(x: Array) -> Array:
        return tn.grad(lambda x: sum(tnp.sum(row**2) for row in x))(x)

    def run(rows: int) -> Any:
        x = np.ones((rows, 4))
        return gradient(x) if order == 1 else tn.grad(lambda x: tnp.sum(gradient(x) ** 2))(x)

    few, many = (elements_written(monkeypatch, lambda rows=rows: run(rows)) for rows in (50, 400))
    assert many <= 10 * few


def test_gradients_share_no_memory_and_are_not_what_was_given() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(points())
        y = x[1]
    seed = np.ones(3)
    g = tape.gradient(y, x, seed)
    assert not np.shares_memory(g, seed)
    g[1] = 7.0
    np.testing.assert_array_equal(tape.gradient(y, x, seed)[1], 1.0)
    np.testing.assert_array_equal(seed, 1.0)
