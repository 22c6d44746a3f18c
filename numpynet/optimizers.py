"""Optimizers: each moves one Variable at a time along its gradient, by the original's rules.

They differ from `tapenet.optim` in that the learning rate belongs to the Variable, that 1e-6 is added to roots,
and that Momentum and Adam are not corrected for their start at zero.
"""

from __future__ import annotations

import abc
from typing import ClassVar

import numpy as np

from numpynet.symbols import Array, Variable, floating
from tapenet.core.argument_checks import checked_number

EPSILON = 1e-6  # added to roots, as in the original
BLOCK_BYTES = 1 << 17  # what a rule works on at a time, so that what it makes on the way stays in cache


class Optimizer(abc.ABC):
    """An elementwise rule, applied to a Variable.

    Attributes:
        kept: the attributes of a Variable that the rule carries from step to step: "m", "V".
    """

    name: ClassVar[str]
    kept: ClassVar[tuple[str, ...]] = ()

    @abc.abstractmethod
    def rule(self, lr: float, v: Array, D: Array, *kept: Array) -> tuple[Array, ...]:
        """Return the value after the step, and then what is kept."""

    def update(self, var: Variable) -> None:
        """Take one step: give `var` a new value, and what is to be kept, in new memory."""
        value = floating(var.value)
        dtype = value.dtype
        lr = checked_number(f"{self.name}.update", "lr", var.lr, "[0, inf)")
        kept = [getattr(var, name) for name in self.kept]
        kept = [x if isinstance(x, np.ndarray) else np.full(var.shape, x, dtype) for x in kept]  # 0 at first
        before = [np.reshape(x, -1) for x in (value, var.D, *kept)]
        after = [np.empty(var.shape, dtype) for _ in range(1 + len(kept))]
        length = BLOCK_BYTES // dtype.itemsize
        for start in range(0, var.value.size, length):
            block = slice(start, start + length)
            for array, new in zip(after, self.rule(lr, *(x[block] for x in before)), strict=True):
                array.reshape(-1)[block] = new
        for name, array in zip(("value", *self.kept), after, strict=True):
            setattr(var, name, array)


class SGDOptimizer(Optimizer):
    """v -= lr D."""

    name = "SGDOptimizer"

    def rule(self, lr: float, v: Array, D: Array, *kept: Array) -> tuple[Array, ...]:
        """See the class."""
        return (v - lr * D,)


class MomentumOptimizer(Optimizer):
    """m = beta1 m + (1 - beta1) D, v -= lr m."""

    name = "MomentumOptimizer"
    kept = ("m",)

    def __init__(self, beta1: float = 0.9) -> None:
        self.beta1 = checked_number(type(self).__name__, "beta1", beta1, "[0, 1]")

    def rule(self, lr: float, v: Array, D: Array, *kept: Array) -> tuple[Array, ...]:
        """See the class."""
        (m,) = kept
        m = self.beta1 * m + (1 - self.beta1) * D
        return v - lr * m, m


class AdaGramOptimizer(Optimizer):
    """V = sum of D^2, v -= lr D / (sqrt V + 1e-6). Known as AdaGrad."""

    name = "AdaGramOptimizer"
    kept = ("V",)

    def rule(self, lr: float, v: Array, D: Array, *kept: Array) -> tuple[Array, ...]:
        """See the class."""
        (V,) = kept
        V = V + D * D
        return v - lr * D / (np.sqrt(V) + EPSILON), V


class AdaDeltaOptimizer(Optimizer):
    """V = beta2 V + (1 - beta2) D^2, v -= lr D / (sqrt V + 1e-6).

    This is the rule known as RMSProp, as the original had it; for Zeiler's see `tapenet.optim.adadelta`.
    """

    name = "AdaDeltaOptimizer"
    kept = ("V",)

    def __init__(self, beta2: float = 0.999) -> None:
        self.beta2 = checked_number(type(self).__name__, "beta2", beta2, "[0, 1]")

    def rule(self, lr: float, v: Array, D: Array, *kept: Array) -> tuple[Array, ...]:
        """See the class."""
        (V,) = kept
        V = self.beta2 * V + (1 - self.beta2) * (D * D)
        return v - lr * D / (np.sqrt(V) + EPSILON), V


class RMSPropOptimizer(AdaDeltaOptimizer):
    """The same as `AdaDeltaOptimizer`."""

    name = "RMSPropOptimizer"


class AdamOptimizer(Optimizer):
    """m = beta1 m + (1 - beta1) D, V = beta2 V + (1 - beta2) D^2, v -= lr m / (sqrt V + 1e-6).

    Without bias correction, as in the original: the first steps are about three times lr.
    """

    name = "AdamOptimizer"
    kept = ("m", "V")

    def __init__(self, beta1: float = 0.9, beta2: float = 0.999) -> None:
        self.beta1 = checked_number(type(self).__name__, "beta1", beta1, "[0, 1]")
        self.beta2 = checked_number(type(self).__name__, "beta2", beta2, "[0, 1]")

    def rule(self, lr: float, v: Array, D: Array, *kept: Array) -> tuple[Array, ...]:
        """See the class."""
        m, V = kept
        m = self.beta1 * m + (1 - self.beta1) * D
        V = self.beta2 * V + (1 - self.beta2) * (D * D)
        return v - lr * m / (np.sqrt(V) + EPSILON), m, V
