"""Gradient descent, plain and with momentum."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import attrs

from tapenet.core.pytrees import Tree
from tapenet.optim.leafwise import Array
from tapenet.optim.optimizer import Elementwise, Optimizer, number_field, with_decay
from tapenet.optim.schedules import Schedule


class SgdState(NamedTuple):
    """The number of steps taken."""

    step: int


class MomentumState(NamedTuple):
    """The number of steps taken, and for each parameter the decaying sum of its gradients."""

    step: int
    velocity: Tree


@attrs.frozen
class Sgd(Elementwise):
    """See `sgd`."""

    name: ClassVar[str] = "sgd"
    state_type: ClassVar[type[Any]] = SgdState

    weight_decay: float = number_field()

    def rule(self, parameter: Array, gradient: Array, *, rate: Any, step: int) -> tuple[Array, ...]:
        gradient = with_decay(gradient, parameter, self.weight_decay)
        return (parameter - rate * gradient,)


@attrs.frozen
class Momentum(Elementwise):
    """See `momentum`."""

    name: ClassVar[str] = "momentum"
    state_type: ClassVar[type[Any]] = MomentumState

    momentum: float = number_field("[0, 1]")
    weight_decay: float = number_field()

    def rule(self, parameter: Array, gradient: Array, velocity: Array, *, rate: Any, step: int) -> tuple[Array, ...]:
        gradient = with_decay(gradient, parameter, self.weight_decay)
        velocity = self.momentum * velocity + gradient
        return parameter - rate * velocity, velocity


@attrs.frozen
class Nesterov(Elementwise):
    """See `nesterov`."""

    name: ClassVar[str] = "nesterov"
    state_type: ClassVar[type[Any]] = MomentumState

    momentum: float = number_field("[0, 1]")
    weight_decay: float = number_field()

    def rule(self, parameter: Array, gradient: Array, velocity: Array, *, rate: Any, step: int) -> tuple[Array, ...]:
        gradient = with_decay(gradient, parameter, self.weight_decay)
        velocity = self.momentum * velocity + gradient
        return parameter - rate * (gradient + self.momentum * velocity), velocity


def sgd(learning_rate: float | Schedule = 1e-3, weight_decay: float = 0.0) -> Optimizer:
    """Make the optimizer that steps against the gradient (stochastic gradient descent).

        g <- g + weight_decay * p
        p <- p - learning_rate * g

    Args:
        learning_rate: number of at least 0, or a schedule from the number of steps taken to one.
        weight_decay: number of at least 0; the weight of the penalty ||p||^2 / 2 in the loss.

    Returns:
        An `Optimizer`; its state is `SgdState(step)`.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number.

    Source: Robbins and Monro, 1951, "A Stochastic Approximation Method", Annals of Mathematical Statistics
    22(3), section 1.

    >>> optimizer = sgd(0.1)
    >>> optimizer.update(2.0, optimizer.init(1.0), 1.0)
    (np.float64(0.8), SgdState(step=1))
    """
    return Sgd(learning_rate, weight_decay)


def momentum(learning_rate: float | Schedule = 1e-3, momentum: float = 0.9, weight_decay: float = 0.0) -> Optimizer:
    """Make the optimizer that steps against a decaying sum of the gradients.

        g <- g + weight_decay * p
        v <- momentum * v + g                    v = 0 at first
        p <- p - learning_rate * v

    The learning rate is outside the sum, as in PyTorch; inside, as in the papers, it would count at each
    gradient's own time.

    Args:
        learning_rate: number of at least 0, or a schedule from the number of steps taken to one.
        momentum: number in [0, 1]; how much of the sum is kept at each step.
        weight_decay: number of at least 0; the weight of the penalty ||p||^2 / 2 in the loss.

    Returns:
        An `Optimizer`; its state is `MomentumState(step, velocity)`.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number.

    Source: Polyak, 1964, "Some methods of speeding up the convergence of iteration methods", USSR
    Computational Mathematics and Mathematical Physics 4(5); Sutskever et al., 2013, "On the importance of
    initialization and momentum in deep learning", ICML, section 2.

    >>> optimizer = momentum(0.1)
    >>> optimizer.update(2.0, optimizer.init(1.0), 1.0)
    (np.float64(0.8), MomentumState(step=1, velocity=array(2.)))
    """
    return Momentum(learning_rate, momentum, weight_decay)


def nesterov(learning_rate: float | Schedule = 1e-3, momentum: float = 0.9, weight_decay: float = 0.0) -> Optimizer:
    """Make the optimizer that steps as `momentum` will step next, were the gradient to stay.

        g <- g + weight_decay * p
        v <- momentum * v + g                    v = 0 at first
        p <- p - learning_rate * (g + momentum * v)

    Args:
        learning_rate: number of at least 0, or a schedule from the number of steps taken to one.
        momentum: number in [0, 1]; how much of the sum is kept at each step.
        weight_decay: number of at least 0; the weight of the penalty ||p||^2 / 2 in the loss.

    Returns:
        An `Optimizer`; its state is `MomentumState(step, velocity)`.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number.

    Source: Nesterov, 1983, "A method for solving the convex programming problem with convergence rate
    O(1/k^2)", Soviet Mathematics Doklady 27(2); Sutskever et al., 2013, "On the importance of initialization
    and momentum in deep learning", ICML, section 2.1, here with the learning rate outside the sum.

    >>> optimizer = nesterov(0.1, momentum=0.5)
    >>> optimizer.update(2.0, optimizer.init(1.0), 1.0)
    (np.float64(0.7), MomentumState(step=1, velocity=array(2.)))
    """
    return Nesterov(learning_rate, momentum, weight_decay)
