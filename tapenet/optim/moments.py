"""Descent along a running mean of the gradients, scaled by the running mean of their squares."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import attrs
import numpy as np

from tapenet.core.pytrees import Tree
from tapenet.kernels.backends import loops_for
from tapenet.kernels.formulas import Formula, Recorded
from tapenet.optim.adaptive import running_mean
from tapenet.optim.leafwise import Array
from tapenet.optim.optimizer import Elementwise, Optimizer, number_field, with_decay
from tapenet.optim.schedules import Schedule


class AdamState(NamedTuple):
    """The number of steps taken, and for each parameter the running means of gradients and their squares."""

    step: int
    mean: Tree
    square_mean: Tree


@attrs.frozen
class _MomentEstimates(Elementwise):
    """What `adam` and `adamw` share: all but how weights decay."""

    b1: float = number_field("[0, 1)")
    b2: float = number_field("[0, 1)")
    eps: float = number_field()
    weight_decay: float = number_field()

    def moments(self, gradient: Array, mean: Array, square_mean: Array) -> tuple[Array, Array]:
        """Update the two running means by one gradient."""
        return running_mean(mean, gradient, self.b1), running_mean(square_mean, gradient * gradient, self.b2)

    def change(self, mean: Array, square_mean: Array, rate: Any, step: int) -> Array:
        """Compute what to subtract from the parameter; the bias of the means towards zero is corrected."""
        rate = rate / (1 - self.b1 ** (step + 1))
        return rate * mean / (np.sqrt(square_mean / (1 - self.b2 ** (step + 1))) + self.eps)

    def write_moments(self, outputs: Sequence[Array], scratch: Array, gradient: Array, *means: Array) -> None:
        """Compute `moments`, in place."""
        (mean, square_mean), (new_mean, new_square_mean) = means, outputs
        np.multiply(gradient, 1 - self.b1, out=scratch)
        np.multiply(mean, self.b1, out=new_mean)
        np.add(new_mean, scratch, out=new_mean)
        np.multiply(gradient, gradient, out=scratch)
        np.multiply(scratch, 1 - self.b2, out=scratch)
        np.multiply(square_mean, self.b2, out=new_square_mean)
        np.add(new_square_mean, scratch, out=new_square_mean)

    def write_change(self, scratch: Array, mean: Array, square_mean: Array, rate: Any, step: int) -> None:
        """Compute `change` in place, its fraction extended by the root that corrects square_mean."""
        rate, eps = self.corrected(rate, step)
        np.sqrt(square_mean, out=scratch)
        np.add(scratch, eps, out=scratch)
        np.divide(mean, scratch, out=scratch)
        np.multiply(scratch, rate, out=scratch)

    def corrected(self, rate: Any, step: int) -> tuple[Any, float]:
        """Return the rate and the eps with which uncorrected means give `change`."""
        root = math.sqrt(1 - self.b2 ** (step + 1))
        return rate * root / (1 - self.b1 ** (step + 1)), self.eps * root

    def recorded(self, rate: Any, step: int) -> Recorded | None:
        """See `Elementwise`; in a third of the time, which is felt where there are few parameters."""
        kind = type(self)
        if kind not in _AS_WRITTEN:
            return super().recorded(rate, step)
        corrected, eps = self.corrected(rate, step)
        numbers = (1 - self.b1, self.b1, 1 - self.b2, self.b2, eps, corrected)
        if kind is AdamW:
            return _formula(kind, 0.0), (*numbers, 1 - rate * self.weight_decay)
        if self.weight_decay:
            return _formula(kind, 1.0), (self.weight_decay, *numbers)
        return _formula(kind, 0.0), numbers

    def write_in_loop(self, outputs: Sequence[Array], decays: tuple[Any, Any], *arrays: Array, now: Any) -> bool:
        """Apply `rule` in place by the loop that Numba compiles; return whether it is chosen."""
        loops = loops_for(*outputs, *arrays) if type(self) in _AS_WRITTEN else None
        if loops is None:
            return False
        parameter, gradient, *means = arrays
        for output, array in zip(outputs, (parameter, *means), strict=True):
            if not np.may_share_memory(output, array):
                np.copyto(output, array)
        new, mean, square_mean = outputs
        rate, eps = self.corrected(*now)
        numbers = (*decays, self.b1, 1 - self.b1, self.b2, 1 - self.b2, eps, rate)
        loops.adam(new, gradient, mean, square_mean, *map(new.dtype.type, numbers))
        return True


@attrs.frozen
class Adam(_MomentEstimates):
    """See `adam`."""

    name: ClassVar[str] = "adam"
    state_type: ClassVar[type[Any]] = AdamState

    def rule(
        self, parameter: Array, gradient: Array, mean: Array, square_mean: Array, *, rate: Any, step: int
    ) -> tuple[Array, ...]:
        gradient = with_decay(gradient, parameter, self.weight_decay)
        mean, square_mean = self.moments(gradient, mean, square_mean)
        return parameter - self.change(mean, square_mean, rate, step), mean, square_mean

    def write(self, outputs: Sequence[Array], scratch: Sequence[Array], *arrays: Array, rate: Any, step: int) -> None:
        """Apply `rule`, in place."""
        if self.write_in_loop(outputs, (self.weight_decay, 1.0), *arrays, now=(rate, step)):
            return
        (parameter, gradient, *means), (change, decayed) = arrays, scratch
        if self.weight_decay:
            np.multiply(parameter, self.weight_decay, out=decayed)
            gradient = np.add(gradient, decayed, out=decayed)
        _, mean, square_mean = outputs
        self.write_moments((mean, square_mean), change, gradient, *means)
        self.write_change(change, mean, square_mean, rate, step)
        np.subtract(parameter, change, out=outputs[0])


@attrs.frozen
class AdamW(_MomentEstimates):
    """See `adamw`."""

    name: ClassVar[str] = "adamw"
    state_type: ClassVar[type[Any]] = AdamState

    def rule(
        self, parameter: Array, gradient: Array, mean: Array, square_mean: Array, *, rate: Any, step: int
    ) -> tuple[Array, ...]:
        mean, square_mean = self.moments(gradient, mean, square_mean)
        parameter = parameter * (1 - rate * self.weight_decay)
        return parameter - self.change(mean, square_mean, rate, step), mean, square_mean

    def write(self, outputs: Sequence[Array], scratch: Sequence[Array], *arrays: Array, rate: Any, step: int) -> None:
        """Apply `rule`, in place."""
        if self.write_in_loop(outputs, (0.0, 1 - rate * self.weight_decay), *arrays, now=(rate, step)):
            return
        (parameter, gradient, *means), (change, decayed) = arrays, scratch
        _, mean, square_mean = outputs
        self.write_moments((mean, square_mean), change, gradient, *means)
        self.write_change(change, mean, square_mean, rate, step)
        np.multiply(parameter, 1 - rate * self.weight_decay, out=decayed)
        np.subtract(decayed, change, out=outputs[0])


_AS_WRITTEN = (Adam, AdamW)  # a class made of them may compute something else


@functools.cache
def _formula(kind: type[Adam | AdamW], weight_decay: float) -> Formula:
    """Return the formula of a step, which settings other than the decay of weights do not change."""
    found = Elementwise.recorded(kind(0.5, 0.5, 0.5, 0.5, weight_decay), 0.5, 0)
    assert found is not None
    return found[0]


def adam(
    learning_rate: float | Schedule = 1e-3,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Make the optimizer that divides the mean of the gradients by the root of the mean of their squares.

        g <- g + weight_decay * p
        m <- b1 * m + (1 - b1) * g               m = s = 0 at first
        s <- b2 * s + (1 - b2) * g^2
        p <- p - learning_rate * (m / (1 - b1^t)) / (sqrt(s / (1 - b2^t)) + eps)     t = 1 in the first step

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

    Source: Kingma and Ba, 2015, "Adam: A Method for Stochastic Optimization", arXiv:1412.6980, algorithm 1.

    >>> optimizer = adam(0.1)
    >>> params, state = optimizer.update(2.0, optimizer.init(1.0), 1.0)
    >>> round(float(params), 6), round(float(state.mean), 6), round(float(state.square_mean), 6)
    (0.9, 0.2, 0.004)
    """
    return Adam(learning_rate, b1, b2, eps, weight_decay)


def adamw(
    learning_rate: float | Schedule = 1e-3,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
) -> Optimizer:
    """Make the optimizer that is `adam` with weights that decay by themselves, not through the gradient.

        m <- b1 * m + (1 - b1) * g               m = s = 0 at first
        s <- b2 * s + (1 - b2) * g^2
        p <- (1 - learning_rate * weight_decay) * p
        p <- p - learning_rate * (m / (1 - b1^t)) / (sqrt(s / (1 - b2^t)) + eps)     t = 1 in the first step

    Args:
        learning_rate: number of at least 0, or a schedule from the number of steps taken to one.
        b1: number in [0, 1); how much of the mean of gradients is kept at each step.
        b2: number in [0, 1); how much of the mean of squares is kept at each step.
        eps: number of at least 0; keeps the quotient finite.
        weight_decay: number of at least 0; the part of a parameter that a learning rate of 1 takes away.

    Returns:
        An `Optimizer`; its state is `AdamState(step, mean, square_mean)`.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number.

    Source: Loshchilov and Hutter, 2019, "Decoupled Weight Decay Regularization", arXiv:1711.05101, algorithm
    2; as in PyTorch the learning rate scales the decay.

    >>> optimizer = adamw(0.1, weight_decay=0.5)
    >>> params, state = optimizer.update(2.0, optimizer.init(1.0), 1.0)
    >>> round(float(params), 6)
    0.85
    """
    return AdamW(learning_rate, b1, b2, eps, weight_decay)
