"""Optimizers that read the signs of the gradients, and not their sizes."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import attrs
import numpy as np

from tapenet.core.pytrees import Tree
from tapenet.errors import ArgumentError
from tapenet.optim.adaptive import running_mean
from tapenet.optim.leafwise import Array
from tapenet.optim.optimizer import Elementwise, Optimizer, number_field
from tapenet.optim.schedules import Schedule


class LionState(NamedTuple):
    """The number of steps taken, and for each parameter the running mean of its gradients."""

    step: int
    mean: Tree


class RpropState(NamedTuple):
    """The number of steps taken, and for each parameter its last gradient and the size of its step."""

    step: int
    gradient: Tree
    size: Tree


@attrs.frozen
class Lion(Elementwise):
    """See `lion`."""

    name: ClassVar[str] = "lion"
    state_type: ClassVar[type[Any]] = LionState

    b1: float = number_field("[0, 1)")
    b2: float = number_field("[0, 1)")
    weight_decay: float = number_field()

    def rule(self, parameter: Array, gradient: Array, mean: Array, *, rate: Any, step: int) -> tuple[Array, ...]:
        direction = np.sign(running_mean(mean, gradient, self.b1))
        parameter = parameter * (1 - rate * self.weight_decay)
        return parameter - rate * direction, running_mean(mean, gradient, self.b2)


@attrs.frozen
class Rprop(Elementwise):
    """See `rprop`."""

    name: ClassVar[str] = "rprop"
    state_type: ClassVar[type[Any]] = RpropState

    shrink: float = number_field("(0, 1)")
    grow: float = number_field("(1, inf)")
    min_size: float = number_field()
    max_size: float = number_field()

    def rule(
        self, parameter: Array, gradient: Array, last: Array, size: Array, *, rate: Any, step: int
    ) -> tuple[Array, ...]:
        agreement = np.sign(gradient) * np.sign(last)  # not of the product, which may underflow
        kept, turned = np.maximum(agreement, 0), np.maximum(-agreement, 0)
        size = size + rate if step == 0 else size * (1 + (self.grow - 1) * kept + (self.shrink - 1) * turned)
        size = np.minimum(np.maximum(size, self.min_size), self.max_size)
        gradient = gradient * (1 - turned)
        return parameter - np.sign(gradient) * size, gradient, size


def lion(
    learning_rate: float | Schedule = 1e-4, b1: float = 0.9, b2: float = 0.99, weight_decay: float = 0.0
) -> Optimizer:
    """Make the optimizer that steps by the sign of a mean of the gradients (evolved sign momentum).

        u <- sign(b1 * m + (1 - b1) * g)         m = 0 at first
        p <- (1 - learning_rate * weight_decay) * p - learning_rate * u
        m <- b2 * m + (1 - b2) * g

    All elements move by the learning rate, so that it is to be 3 to 10 times smaller than that of `adamw`, and
    `weight_decay` larger by as much.

    Args:
        learning_rate: number of at least 0, or a schedule from the number of steps taken to one.
        b1: number in [0, 1); the weight of the mean in the direction of a step.
        b2: number in [0, 1); how much of the mean is kept at each step.
        weight_decay: number of at least 0; the part of a parameter that a learning rate of 1 takes away.

    Returns:
        An `Optimizer`; its state is `LionState(step, mean)`.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number.

    Source: Chen et al., 2023, "Symbolic Discovery of Optimization Algorithms", arXiv:2302.06675, program 1.

    >>> optimizer = lion(0.1, b2=0.5)
    >>> params, state = optimizer.update(2.0, optimizer.init(1.0), 1.0)
    >>> round(float(params), 6), state.mean
    (0.9, array(1.))
    """
    return Lion(learning_rate, b1, b2, weight_decay)


def rprop(
    learning_rate: float | Schedule = 1e-2,
    shrink: float = 0.5,
    grow: float = 1.2,
    min_size: float = 1e-6,
    max_size: float = 50.0,
) -> Optimizer:
    """Make the optimizer that has a step size for each element, which grows while the gradient keeps its sign.

        d <- d * grow    where g has the sign of the last gradient, d = learning_rate at first
        d <- d * shrink, g <- 0    where it has the other sign
        d <- min(max(d, min_size), max_size)
        p <- p - sign(g) * d

    It is for gradients of all the data: the signs of those of small batches are noise.

    Args:
        learning_rate: number of at least 0, or a schedule, of which the first number counts; the first step size.
        shrink: number in (0, 1).
        grow: number above 1.
        min_size, max_size: numbers of at least 0; the bounds of step sizes.

    Returns:
        An `Optimizer`; its state is `RpropState(step, gradient, size)`.

    Raises:
        ArgumentError: a number out of its range, or `min_size` above `max_size`.
        ArgumentTypeError: an argument that is not a real number.

    Source: Riedmiller and Braun, 1993, "A Direct Adaptive Method for Faster Backpropagation Learning: The RPROP
    Algorithm", IEEE International Conference on Neural Networks; here without the way back after a change of sign,
    as in PyTorch.

    >>> optimizer = rprop(0.1)
    >>> params, state = optimizer.update(2.0, optimizer.init(1.0), 1.0)
    >>> params, state = optimizer.update(0.5, state, params)
    >>> round(float(params), 6), round(float(state.size), 6)
    (0.78, 0.12)
    """
    made = Rprop(learning_rate, shrink, grow, min_size, max_size)
    if made.min_size > made.max_size:
        raise ArgumentError(f"rprop: min_size must be at most max_size, {max_size}; got {min_size}.")
    return made
