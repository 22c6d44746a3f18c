"""Adaptive optimizers: each element has its own step size, from the size of its gradients so far."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import attrs
import numpy as np

from tapenet.core.pytrees import Tree
from tapenet.optim.leafwise import Array
from tapenet.optim.optimizer import Elementwise, Optimizer, number_field, with_decay
from tapenet.optim.schedules import Schedule


class AdagradState(NamedTuple):
    """The number of steps taken, and for each parameter the sum of its squared gradients."""

    step: int
    square_sum: Tree


class AdadeltaState(NamedTuple):
    """The number of steps taken, and for each parameter the running means of squared gradients and steps."""

    step: int
    square_mean: Tree
    delta_square_mean: Tree


class RmspropState(NamedTuple):
    """The number of steps taken, and for each parameter the running mean of its squared gradients."""

    step: int
    square_mean: Tree


class RmspropMomentumState(NamedTuple):
    """As `RmspropState`, and for each parameter the decaying sum of its steps."""

    step: int
    square_mean: Tree
    velocity: Tree


def running_mean(mean: Array, value: Array, decay: Any) -> Array:
    """Update the exponentially weighted mean of a sequence by one value."""
    return decay * mean + (1 - decay) * value


@attrs.frozen
class Adagrad(Elementwise):
    """See `adagrad`."""

    name: ClassVar[str] = "adagrad"
    state_type: ClassVar[type[Any]] = AdagradState

    eps: float = number_field()
    weight_decay: float = number_field()
    learning_rate_decay: float = number_field()

    def rule(self, parameter: Array, gradient: Array, square_sum: Array, *, rate: Any, step: int) -> tuple[Array, ...]:
        gradient = with_decay(gradient, parameter, self.weight_decay)
        square_sum = square_sum + gradient * gradient
        rate = rate / (1 + step * self.learning_rate_decay)
        return parameter - rate * gradient / (np.sqrt(square_sum) + self.eps), square_sum


@attrs.frozen
class Adadelta(Elementwise):
    """See `adadelta`."""

    name: ClassVar[str] = "adadelta"
    state_type: ClassVar[type[Any]] = AdadeltaState

    rho: float = number_field("[0, 1]")
    eps: float = number_field()
    weight_decay: float = number_field()

    def rule(
        self,
        parameter: Array,
        gradient: Array,
        square_mean: Array,
        delta_square_mean: Array,
        *,
        rate: Any,
        step: int,
    ) -> tuple[Array, ...]:
        gradient = with_decay(gradient, parameter, self.weight_decay)
        square_mean = running_mean(square_mean, gradient * gradient, self.rho)
        delta = np.sqrt((delta_square_mean + self.eps) / (square_mean + self.eps)) * gradient
        delta_square_mean = running_mean(delta_square_mean, delta * delta, self.rho)
        return parameter - rate * delta, square_mean, delta_square_mean


@attrs.frozen
class Rmsprop(Elementwise):
    """See `rmsprop`."""

    name: ClassVar[str] = "rmsprop"
    state_type: ClassVar[type[Any]] = RmspropState

    decay: float = number_field("[0, 1]")
    eps: float = number_field()
    weight_decay: float = number_field()

    def rule(self, parameter: Array, gradient: Array, square_mean: Array, *, rate: Any, step: int) -> tuple[Array, ...]:
        gradient = with_decay(gradient, parameter, self.weight_decay)
        square_mean = running_mean(square_mean, gradient * gradient, self.decay)
        return parameter - rate * gradient / (np.sqrt(square_mean) + self.eps), square_mean


@attrs.frozen
class RmspropMomentum(Elementwise):
    """See `rmsprop`; apart from `Rmsprop` so that no velocity is kept where none is used."""

    name: ClassVar[str] = "rmsprop"
    state_type: ClassVar[type[Any]] = RmspropMomentumState

    decay: float = number_field("[0, 1]")
    eps: float = number_field()
    momentum: float = number_field("[0, 1]")
    weight_decay: float = number_field()

    def rule(
        self, parameter: Array, gradient: Array, square_mean: Array, velocity: Array, *, rate: Any, step: int
    ) -> tuple[Array, ...]:
        gradient = with_decay(gradient, parameter, self.weight_decay)
        square_mean = running_mean(square_mean, gradient * gradient, self.decay)
        velocity = self.momentum * velocity + gradient / (np.sqrt(square_mean) + self.eps)
        return parameter - rate * velocity, square_mean, velocity


def adagrad(
    learning_rate: float | Schedule = 1e-2,
    eps: float = 1e-10,
    weight_decay: float = 0.0,
    learning_rate_decay: float = 0.0,
) -> Optimizer:
    """Make the optimizer that divides by the root of the sum of all squared gradients.

        g <- g + weight_decay * p
        s <- s + g^2                             s = 0 at first
        p <- p - learning_rate / (1 + t * learning_rate_decay) * g / (sqrt(s) + eps)     t steps taken

    Args:
        learning_rate: number of at least 0, or a schedule from the number of steps taken to one.
        eps: number of at least 0; keeps the quotient finite.
        weight_decay: number of at least 0; the weight of the penalty ||p||^2 / 2 in the loss.
        learning_rate_decay: number of at least 0; how fast the learning rate falls by itself.

    Returns:
        An `Optimizer`; its state is `AdagradState(step, square_sum)`.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number.

    Source: Duchi, Hazan and Singer, 2011, "Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization", Journal of Machine Learning Research 12, section 1.1 (diagonal matrices).

    >>> optimizer = adagrad(0.25)
    >>> optimizer.update(2.0, optimizer.init(1.0), 1.0)
    (np.float64(0.7500000000125), AdagradState(step=1, square_sum=array(4.)))
    """
    return Adagrad(learning_rate, eps, weight_decay, learning_rate_decay)


def adadelta(
    learning_rate: float | Schedule = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0
) -> Optimizer:
    """Make the optimizer that scales the gradient to the size of the last steps, so that units agree.

        g <- g + weight_decay * p
        s <- rho * s + (1 - rho) * g^2           s = d = 0 at first
        u <- sqrt(d + eps) / sqrt(s + eps) * g
        d <- rho * d + (1 - rho) * u^2
        p <- p - learning_rate * u

    Args:
        learning_rate: number of at least 0, or a schedule from the number of steps taken to one.
        rho: number in [0, 1]; how much of the running means is kept at each step.
        eps: number of at least 0; starts the steps off, and keeps the quotient finite.
        weight_decay: number of at least 0; the weight of the penalty ||p||^2 / 2 in the loss.

    Returns:
        An `Optimizer`; its state is `AdadeltaState(step, square_mean, delta_square_mean)`.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number.

    Source: Zeiler, 2012, "ADADELTA: An Adaptive Learning Rate Method", arXiv:1212.5701, algorithm 1.

    >>> optimizer = adadelta(rho=0.5, eps=1.0)
    >>> params, state = optimizer.update(4.0, optimizer.init(1.0), 1.0)
    >>> round(float(params), 6), state.square_mean
    (-0.333333, array(8.))
    """
    return Adadelta(learning_rate, rho, eps, weight_decay)


def rmsprop(
    learning_rate: float | Schedule = 1e-2,
    decay: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Make the optimizer that divides by the root of the running mean of squared gradients.

        g <- g + weight_decay * p
        s <- decay * s + (1 - decay) * g^2       s = v = 0 at first
        v <- momentum * v + g / (sqrt(s) + eps)
        p <- p - learning_rate * v

    Args:
        learning_rate: number of at least 0, or a schedule from the number of steps taken to one.
        decay: number in [0, 1]; how much of the running mean is kept at each step (PyTorch's `alpha`).
        eps: number of at least 0; keeps the quotient finite.
        momentum: number in [0, 1]; how much of the last steps is kept at each step.
        weight_decay: number of at least 0; the weight of the penalty ||p||^2 / 2 in the loss.

    Returns:
        An `Optimizer`; its state is `RmspropState(step, square_mean)`, or with momentum
        `RmspropMomentumState(step, square_mean, velocity)`.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number.

    Source: Tieleman and Hinton, 2012, "Lecture 6.5 - rmsprop: Divide the gradient by a running average of its
    recent magnitude", Coursera: Neural Networks for Machine Learning.

    >>> optimizer = rmsprop(0.25, decay=0.75)
    >>> params, state = optimizer.update(2.0, optimizer.init(1.0), 1.0)
    >>> round(float(params), 6), state
    (0.5, RmspropState(step=1, square_mean=array(1.)))
    """
    if isinstance(momentum, int | float) and momentum == 0:
        return Rmsprop(learning_rate, decay, eps, weight_decay)
    return RmspropMomentum(learning_rate, decay, eps, momentum, weight_decay)
