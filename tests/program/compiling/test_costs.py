"""Costs of programs, against counts by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp

Array = Any
RNG = np.random.default_rng(0)


def normal(*shape: int) -> Array:
    return RNG.normal(size=shape)


def summed(carry: Array, x: Array) -> tuple[Array, None]:
    return carry + x * 2.0, None


A = normal(9, 9)
ADAM = tn.optim.adam(0.1)
STATE = ADAM.init(np.zeros(100))

# A function, its arguments, and the operations on numbers and the bytes written that its program stands for.
COSTS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], int, int]] = {
    "a layer": (lambda x, w, b: tnp.tanh(x @ w + b), (normal(5, 3), normal(3, 4), normal(4)), 120 + 20 + 20, 3 * 160),
    "a mean": (lambda x: tnp.mean(x * x), (normal(10, 10),), 100 + 100, 800 + 8),
    "views": (lambda x: tnp.reshape(x[1:].T, -1) * 2.0, (normal(5, 4),), 16, 128),
    "a part of single precision": (lambda x: x[:3] + np.float32(1), (np.ones(8, np.float32),), 3, 12),
    "a loop": (lambda c, xs: tn.scan(summed, c, xs)[0], (normal(7), normal(20, 7)), 20 * 14, 56),
    "an update": (
        lambda p, state, x: ADAM.update(x, state, p),
        (normal(100), STATE, normal(100)),
        12 * 100,
        3 * 800,
    ),
    "four sums of products": (
        lambda xs, ys: sum(x.T @ y for x, y in zip(xs, ys, strict=True)),
        ([normal(3, 4) for _ in range(5)], [normal(3, 2) for _ in range(5)]),
        2 * 15 * 4 * 2 + 8 + 8,  # with the sums of 0 and the first product, and of that and the others
        64 + 64 + 12 * 4 * 8 + 12 * 2 * 8 + 64 + 64,
    ),
    "a pool and the places of its maxima": (
        tn.value_and_grad(lambda x: tnp.sum(tn.nn.max_pool(x, 2))),
        (normal(2, 6, 6, 3),),
        216 + 54 + 216,
        432 + 54 + 8 + 1728,
    ),
    "a factor of a product": (lambda a: tnp.linalg.cholesky(a @ a.T), (A,), 2 * 9**3 + 9**3 // 3, 2 * 648),
    "a solution with a factor": (
        lambda a, b: tnp.linalg.solve(tnp.linalg.cholesky(a), b),
        (A @ A.T + np.eye(9), normal(9, 1)),
        9**3 // 3 + 9**2,
        648 + 72,
    ),
}


@pytest.mark.parametrize("name", sorted(COSTS))
def test_costs_are_those_counted_by_hand(name: str) -> None:
    f, args, flops, size = COSTS[name]
    made: Any = tn.compile(f)
    cost = made.cost(*args)
    assert (cost.flops, cost.bytes) == (flops, size)
