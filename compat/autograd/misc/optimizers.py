"""Stochastic optimizers of functions of containers: `grad(x, i)` gives the gradient at step i.

Each has `optimizer(grad, x0, callback=None, num_iters=..., step_size=..., ...)`, and calls `callback(x, i, g)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from compat.autograd.misc.flatten import flatten
from compat.autograd.wrap_util import wraps

Function = Callable[..., Any]


def unflatten_optimizer(optimize: Function) -> Function:
    """Return an optimizer of containers for one of vectors."""

    @wraps(optimize)
    def of_containers(grad: Function, x0: Any, callback: Function | None = None, *args: Any, **kwargs: Any) -> Any:
        x, unflatten = flatten(x0)

        def told(x: Any, i: int, g: Any) -> None:
            if callback is not None:
                callback(unflatten(x), i, unflatten(g))

        return unflatten(optimize(lambda x, i: flatten(grad(unflatten(x), i))[0], x, told, *args, **kwargs))

    return of_containers


@unflatten_optimizer
def sgd(
    grad: Function, x: Any, callback: Function, num_iters: int = 200, step_size: float = 0.1, mass: float = 0.9
) -> Any:
    """Descend with momentum: v = mass v - (1 - mass) g; x = x + step_size v."""
    velocity = np.zeros_like(x)
    for i in range(num_iters):
        g = grad(x, i)
        callback(x, i, g)
        velocity = mass * velocity - (1.0 - mass) * g
        x = x + step_size * velocity
    return x


@unflatten_optimizer
def rmsprop(
    grad: Function,
    x: Any,
    callback: Function,
    num_iters: int = 100,
    step_size: float = 0.1,
    gamma: float = 0.9,
    eps: float = 1e-8,
) -> Any:
    """Divide by the root of the mean square: s = gamma s + (1 - gamma) g^2; x = x - step_size g / (sqrt(s) + eps)."""
    square = np.ones_like(x)
    for i in range(num_iters):
        g = grad(x, i)
        callback(x, i, g)
        square = gamma * square + (1.0 - gamma) * g**2
        x = x - step_size * g / (np.sqrt(square) + eps)
    return x


@unflatten_optimizer
def adam(
    grad: Function,
    x: Any,
    callback: Function,
    num_iters: int = 100,
    step_size: float = 0.001,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> Any:
    """Divide the mean by the root of the mean square, both corrected for their start (Kingma and Ba, 2015)."""
    mean, square = np.zeros_like(x), np.zeros_like(x)
    for i in range(num_iters):
        g = grad(x, i)
        callback(x, i, g)
        mean = b1 * mean + (1.0 - b1) * g
        square = b2 * square + (1.0 - b2) * g**2
        x = x - step_size * (mean / (1.0 - b1 ** (i + 1))) / (np.sqrt(square / (1.0 - b2 ** (i + 1))) + eps)
    return x
