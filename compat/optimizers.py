"""Optimizers: each moves one Variable at a time along its gradient, by the original's rules.

They differ from `tapenet.optim` in that the learning rate belongs to the Variable, that 1e-6 is added to roots,
and that Adam and Momentum are not corrected for their start at zero.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from compat.symbols import Array, Variable

EPSILON = 1e-6  # added to roots, as in the original
BLOCK_BYTES = 1 << 17  # what a rule works on at a time, so that what it makes on the way stays in cache


class Optimizer:
    """What the optimizers have in common.

    Attributes:
        kept: the attributes of a Variable that the rule carries from step to step.
    """

    kept: ClassVar[tuple[str, ...]] = ()

    def rule(self, v: Array, D: Array, lr: float, *kept: Array) -> tuple[Array, ...]:
        """The value after the step, and what is kept: elementwise, of blocks of the Variable."""
        raise NotImplementedError

    def update(self, var: Variable) -> None:
        """Take one step: give `var` a new value, and what is to be kept."""
        value = np.asarray(var.value)
        kept = [_array_like(value, getattr(var, name)) for name in self.kept]
        moved = np.empty(value.shape, np.result_type(value, np.float16))
        inputs = [np.ravel(array) for array in (value, var.D, *kept)]
        outputs = [np.reshape(array, -1) for array in (moved, *kept)]
        length = max(1, BLOCK_BYTES // value.itemsize)
        for start in range(0, value.size, length):
            block = slice(start, start + length)
            v, D, *rest = (array[block] for array in inputs)
            for output, result in zip(outputs, self.rule(v, D, var.lr, *rest), strict=True):
                output[block] = result
        var.value = moved if isinstance(var.value, np.ndarray) else moved[()]
        for name, array in zip(self.kept, kept, strict=True):
            setattr(var, name, array)


def _array_like(value: Array, kept: Array) -> Array:
    """What is kept, in C order; zeros before the first step."""
    if np.shape(kept) == value.shape and isinstance(kept, np.ndarray):
        return np.ascontiguousarray(kept).reshape(value.shape)
    return np.broadcast_to(kept, value.shape).astype(np.result_type(value, np.float16), order="C")


class SGDOptimizer(Optimizer):
    """v -= lr D."""

    name = "SGDOptimizer"

    def rule(self, v: Array, D: Array, lr: float, *kept: Array) -> tuple[Array, ...]:
        """See the class."""
        return (v - lr * D,)


class MomentumOptimizer(Optimizer):
    """m = beta1 m + (1 - beta1) D, v -= lr m."""

    name = "MomentumOptimizer"
    kept = ("m",)

    def __init__(self, beta1: float = 0.9) -> None:
        self.beta1 = beta1

    def rule(self, v: Array, D: Array, lr: float, *kept: Array) -> tuple[Array, ...]:
        """See the class."""
        m = self.beta1 * kept[0] + (1 - self.beta1) * D
        return v - lr * m, m


class AdaGramOptimizer(Optimizer):
    """V = sum of D^2, v -= lr D / (sqrt V + 1e-6). Known as AdaGrad."""

    name = "AdaGramOptimizer"
    kept = ("V",)

    def rule(self, v: Array, D: Array, lr: float, *kept: Array) -> tuple[Array, ...]:
        """See the class."""
        V = kept[0] + D * D
        return v - lr * D / (np.sqrt(V) + EPSILON), V


class AdaDeltaOptimizer(Optimizer):
    """V = beta2 V + (1 - beta2) D^2, v -= lr D / (sqrt V + 1e-6).

    This is the rule known as RMSProp, as the original had it; for Zeiler's see `tapenet.optim.adadelta`.
    """

    name = "AdaDeltaOptimizer"
    kept = ("V",)

    def __init__(self, beta2: float = 0.999) -> None:
        self.beta2 = beta2

    def rule(self, v: Array, D: Array, lr: float, *kept: Array) -> tuple[Array, ...]:
        """See the class."""
        V = self.beta2 * kept[0] + (1 - self.beta2) * (D * D)
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
        self.beta1 = beta1
        self.beta2 = beta2

    def rule(self, v: Array, D: Array, lr: float, *kept: Array) -> tuple[Array, ...]:
        """See the class."""
        m = self.beta1 * kept[0] + (1 - self.beta1) * D
        V = self.beta2 * kept[1] + (1 - self.beta2) * (D * D)
        return v - lr * m / (np.sqrt(V) + EPSILON), m, V
