"""Variants of Adam: another norm of the gradients, Nesterov's momentum, a rectified start."""

from __future__ import annotations

import math
from typing import Any, ClassVar, NamedTuple

import attrs
import numpy as np

from tapenet.core.pytrees import Tree
from tapenet.optim.adaptive import running_mean
from tapenet.optim.leafwise import Array
from tapenet.optim.moments import AdamState
from tapenet.optim.optimizer import Elementwise, Optimizer, number_field, with_decay
from tapenet.optim.schedules import Schedule

NEGLIGIBLE = 1e-20  # beside 1, in every precision


class AdamaxState(NamedTuple):
    """The number of steps taken, and for each parameter the mean of gradients and their decaying maximum."""

    step: int
    mean: Tree
    maximum: Tree


@attrs.frozen
class Adamax(Elementwise):
    """See `adamax`."""

    name: ClassVar[str] = "adamax"
    state_type: ClassVar[type[Any]] = AdamaxState

    b1: float = number_field("[0, 1)")
    b2: float = number_field("[0, 1)")
    eps: float = number_field()
    weight_decay: float = number_field()

    def rule(
        self, parameter: Array, gradient: Array, mean: Array, maximum: Array, *, rate: Any, step: int
    ) -> tuple[Array, ...]:
        gradient = with_decay(gradient, parameter, self.weight_decay)
        mean = running_mean(mean, gradient, self.b1)
        maximum = np.maximum(self.b2 * maximum, abs(gradient) + self.eps)
        return parameter - rate / (1 - self.b1 ** (step + 1)) * mean / maximum, mean, maximum


@attrs.frozen
class Nadam(Elementwise):
    """See `nadam`."""

    name: ClassVar[str] = "nadam"
    state_type: ClassVar[type[Any]] = AdamState

    b1: float = number_field("[0, 1)")
    b2: float = number_field("[0, 1)")
    eps: float = number_field()
    weight_decay: float = number_field()
    momentum_decay: float = number_field()

    def rule(
        self, parameter: Array, gradient: Array, mean: Array, square_mean: Array, *, rate: Any, step: int
    ) -> tuple[Array, ...]:
        gradient = with_decay(gradient, parameter, self.weight_decay)
        mean = running_mean(mean, gradient, self.b1)
        square_mean = running_mean(square_mean, gradient * gradient, self.b2)
        denominator = np.sqrt(square_mean / (1 - self.b2 ** (step + 1))) + self.eps
        now, following, product = self._momenta(step + 1)
        parameter = parameter - rate * (1 - now) / (1 - product) * gradient / denominator
        return parameter - rate * following / (1 - product * following) * mean / denominator, mean, square_mean

    def _momentum(self, step: Any) -> Any:
        """Return the momentum of a step, counted from 1."""
        return self.b1 * (1 - 0.5 * 0.96 ** (step * self.momentum_decay))

    def _momenta(self, step: int) -> tuple[Any, Any, Any]:
        """Return the momenta of this step and the next, and the product of all those up to this step."""
        product = 1.0
        for earlier in range(1, step + 1):
            product = product * self._momentum(earlier)
            if product < NEGLIGIBLE:  # after some hundred steps, whatever their number
                break
        return self._momentum(step), self._momentum(step + 1), product


@attrs.frozen
class Radam(Elementwise):
    """See `radam`."""

    name: ClassVar[str] = "radam"
    state_type: ClassVar[type[Any]] = AdamState

    b1: float = number_field("[0, 1)")
    b2: float = number_field("[0, 1)")
    eps: float = number_field()
    weight_decay: float = number_field()

    def rule(
        self, parameter: Array, gradient: Array, mean: Array, square_mean: Array, *, rate: Any, step: int
    ) -> tuple[Array, ...]:
        gradient = with_decay(gradient, parameter, self.weight_decay)
        mean = running_mean(mean, gradient, self.b1)
        square_mean = running_mean(square_mean, gradient * gradient, self.b2)
        rate = rate / (1 - self.b1 ** (step + 1))
        rectification = self._rectification(step + 1)
        if rectification is None:
            return parameter - rate * mean, mean, square_mean
        scale = rectification * _root(1 - self.b2 ** (step + 1))
        return parameter - rate * scale * mean / (np.sqrt(square_mean) + self.eps), mean, square_mean

    def _rectification(self, step: int) -> Any:
        """Return the factor of equation 4; None while too few squares were seen for one."""
        longest = 2 / (1 - self.b2) - 1
        power = self.b2**step
        length = longest - 2 * step * power / (1 - power)
        if length <= 5:
            return None
        return _root((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))


def _root(x: Any) -> Any:
    """Compute the square root of a number or a Tensor; of a float as a float, which does not widen arrays."""
    return math.sqrt(x) if isinstance(x, float) else np.sqrt(x)


def adamax(
    learning_rate: float | Schedule = 2e-3,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Make the optimizer that is `adam` with the largest recent gradient in the place of the root mean square.

        g <- g + weight_decay * p
        m <- b1 * m + (1 - b1) * g               m = u = 0 at first
        u <- max(b2 * u, |g| + eps)
        p <- p - learning_rate / (1 - b1^t) * m / u     t = 1 in the first step

    Args:
        learning_rate: number of at least 0, or a schedule from the number of steps taken to one.
        b1: number in [0, 1); how much of the mean of gradients is kept at each step.
        b2: number in [0, 1); how much of the maximum is kept at each step.
        eps: number of at least 0; keeps the quotient finite.
        weight_decay: number of at least 0; the weight of the penalty ||p||^2 / 2 in the loss.

    Returns:
        An `Optimizer`; its state is `AdamaxState(step, mean, maximum)`.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number.

    Source: Kingma and Ba, 2015, "Adam: A Method for Stochastic Optimization", arXiv:1412.6980, algorithm 2.

    >>> optimizer = adamax(0.1)
    >>> params, state = optimizer.update(2.0, optimizer.init(1.0), 1.0)
    >>> round(float(params), 6), round(float(state.maximum), 6)
    (0.9, 2.0)
    """
    return Adamax(learning_rate, b1, b2, eps, weight_decay)


def nadam(
    learning_rate: float | Schedule = 2e-3,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum_decay: float = 4e-3,
) -> Optimizer:
    """Make the optimizer that is `adam` with Nesterov's momentum, which grows during the training.

        g <- g + weight_decay * p
        m <- b1 * m + (1 - b1) * g               m = s = 0 at first
        s <- b2 * s + (1 - b2) * g^2
        c(t) = b1 * (1 - 0.96^(t * momentum_decay) / 2),  C(t) = c(1) * ... * c(t)     t = 1 in the first step
        u <- (1 - c(t)) / (1 - C(t)) * g + c(t + 1) / (1 - C(t + 1)) * m
        p <- p - learning_rate * u / (sqrt(s / (1 - b2^t)) + eps)

    Args:
        learning_rate: number of at least 0, or a schedule from the number of steps taken to one.
        b1: number in [0, 1); how much of the mean of gradients is kept at each step.
        b2: number in [0, 1); how much of the mean of squares is kept at each step.
        eps: number of at least 0; keeps the quotient finite.
        weight_decay: number of at least 0; the weight of the penalty ||p||^2 / 2 in the loss.
        momentum_decay: number of at least 0; how fast the momentum comes near to `b1`.

    Returns:
        An `Optimizer`; its state is `AdamState(step, mean, square_mean)`.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number.

    Source: Dozat, 2016, "Incorporating Nesterov Momentum into Adam", ICLR workshop, algorithm 2, with the schedule
    of momenta of its section 3.

    >>> optimizer = nadam(0.1)
    >>> params, state = optimizer.update(2.0, optimizer.init(1.0), 1.0)
    >>> round(float(params), 6), state.step
    (0.894355, 1)
    """
    return Nadam(learning_rate, b1, b2, eps, weight_decay, momentum_decay)


def radam(
    learning_rate: float | Schedule = 1e-3,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Make the optimizer that is `adam` with smaller steps while the mean of squares is of few gradients.

        g <- g + weight_decay * p
        m <- b1 * m + (1 - b1) * g               m = s = 0 at first
        s <- b2 * s + (1 - b2) * g^2
        l = 2 / (1 - b2) - 1,  l(t) = l - 2 * t * b2^t / (1 - b2^t)     t = 1 in the first step
        r = sqrt((l(t) - 4) (l(t) - 2) l / ((l - 4) (l - 2) l(t)))
        u <- r * sqrt(1 - b2^t) / (sqrt(s) + eps) if l(t) > 5 else 1
        p <- p - learning_rate * u * m / (1 - b1^t)

    Args:
        learning_rate: number of at least 0, or a schedule from the number of steps taken to one.
        b1: number in [0, 1); how much of the mean of gradients is kept at each step.
        b2: number in [0, 1); how much of the mean of squares is kept at each step.
        eps: number of at least 0; keeps the quotient finite.
        weight_decay: number of at least 0; the weight of the penalty ||p||^2 / 2 in the loss.

    Returns:
        An `Optimizer`; its state is `AdamState(step, mean, square_mean)`.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number.

    Source: Liu et al., 2020, "On the Variance of the Adaptive Learning Rate and Beyond", arXiv:1908.03265,
    algorithm 2.

    >>> optimizer = radam(0.1)
    >>> params, state = optimizer.update(2.0, optimizer.init(1.0), 1.0)
    >>> round(float(params), 6)
    0.8
    """
    return Radam(learning_rate, b1, b2, eps, weight_decay)
