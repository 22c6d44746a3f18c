"""Operations for `Op`. Images are (N, C, H, W), as in the original; filters are (kh, kw, C, outputs).

tapenet's own images are channels last. A transpose is a view, and elementwise functions keep the order in
memory: between convolutions, activators and poolings the transposes cancel, and nothing is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import tapenet as tn
import tapenet.numpy as tnp
from compat.symbols import Array, Variable
from tapenet.errors import ArgumentError

EPSILON = 1e-7  # of BatchNorm, as in the original
MOMENTUM = 0.9  # how much of its running statistics BatchNorm keeps at each training step


class Add:
    """The sum of two inputs, which may broadcast; the original did not differentiate broadcasting."""

    name = "Add"

    def forward(self, X1: Variable, X2: Variable, if_train: bool = True) -> Variable:
        """X1 + X2."""
        return Variable(tnp.add(X1.value, X2.value))


class Identity:
    """The input itself."""

    name = "Identity"

    def forward(self, X1: Variable, if_train: bool = True) -> Variable:
        """The input."""
        return X1


class Dot:
    """A matrix product: X W, or X W + b^T.

    The original averaged the gradient of b over the batch, while it summed that of W; ours is summed.
    """

    name = "Dot"

    def forward(self, X1: Variable, X2: Any, if_train: bool = True) -> Variable:
        """X1 of shape (N, inputs) by X2: W of shape (inputs, outputs), or [W, b] with b (outputs, 1)."""
        W, b = _weight_and_bias(X2)
        y = tnp.dot(X1.value, W.value)
        return Variable(y if b is None else tnp.add(y, _flat_bias(b, y.shape[-1])))


class Flatten:
    """Each example as one row, in the order of (C, H, W)."""

    name = "Flatten"

    def forward(self, X1: Variable, if_train: bool = True) -> Variable:
        """From (N, ...) to (N, features)."""
        x = X1.value
        return Variable(tnp.reshape(x, (x.shape[0], -1)))


class Conv2d:
    """A convolution of images (the filter is not flipped).

    The original divided the gradient by X, where windows overlap, by how many do; ours is exact. It took the
    filter's height for its width in the backward pass; so ours holds for filters that are not square, too.

    Args:
        padding: "same" keeps height and width for odd filters, at any stride: at stride 1 it pads (k - 1) // 2
            on each side. "valid" pads `pad`.
        stride: steps between windows.
        pad: for "valid", zeros on each side.
    """

    name = "Conv2d"

    def __init__(self, padding: str = "same", stride: int = 1, pad: int = 0) -> None:
        if padding not in ("same", "valid"):
            raise ArgumentError(f"Conv2d: padding must be 'same' or 'valid'; got {padding!r}.")
        self.padding = padding
        self.stride = stride
        self.pad = pad

    def forward(self, X1: Variable, X2: Any, if_train: bool = True) -> Variable:
        """X1 (N, C, H, W) by X2: filters (kh, kw, C, outputs), or [filters, b] with b (outputs, 1)."""
        W, b = _weight_and_bias(X2)
        x, kernel = _images("Conv2d", X1), W.value
        if len(kernel.shape) != 4:
            raise ArgumentError(f"Conv2d: X2 must have shape (kh, kw, C, outputs); got {kernel.shape}.")
        around = [(pad, pad) for pad in map(self._pad_along, x.shape[1:3], kernel.shape[:2])]
        bias = None if b is None else _flat_bias(b, kernel.shape[3])
        y = tn.nn.conv(x, kernel, bias, stride=self.stride, padding=around)
        return Variable(tnp.transpose(y, (0, 3, 1, 2)))

    def _pad_along(self, size: int, window: int) -> int:
        if self.padding == "valid":
            return self.pad
        return ((size - 1) * (self.stride - 1) + window - 1) // 2


class MaxPooling:
    """The largest element of each window; its gradient goes to the first of the largest.

    As in the original, padding is zeros that take part in the maximum. The original read a window's height for
    its width, and divided the gradient by how many windows overlap; ours does neither.

    Args:
        filter_h, filter_w: the window.
        stride: steps between windows.
        pad: zeros on each side.
    """

    name = "Maxpooling"

    def __init__(self, filter_h: int, filter_w: int, stride: int = 2, pad: int = 0) -> None:
        self.filter_h = filter_h
        self.filter_w = filter_w
        self.stride = stride
        self.pad = pad

    def forward(self, X1: Variable, if_train: bool = True) -> Variable:
        """From (N, C, H, W) to (N, C, OH, OW)."""
        x = _images("MaxPooling", X1)
        if self.pad:
            x = tnp.pad(x, ((0, 0), (self.pad, self.pad), (self.pad, self.pad), (0, 0)))
        y = tn.nn.max_pool(x, (self.filter_h, self.filter_w), self.stride)
        return Variable(tnp.transpose(y, (0, 3, 1, 2)))


class Dropout:
    """Keep each value with probability p and divide it by p; in `Graph.predict`, the identity.

    Draws from NumPy's global generator, so that `numpy.random.seed` repeats a run, as it did.

    Args:
        p: the probability of keeping, in (0, 1].
    """

    name = "Dropout"

    def __init__(self, p: float) -> None:
        if not 0 < p <= 1:
            raise ArgumentError(f"Dropout: p must be in (0, 1], the probability of keeping a value; got {p}.")
        self.p = p

    def forward(self, X1: Variable, if_train: bool = True) -> Variable:
        """The input with some values at 0."""
        if not if_train:
            return X1
        return Variable(tn.nn.dropout(X1.value, 1 - self.p, global_generator()))


class BatchNorm:
    """Normalize over the batch axis alone, per position: gamma (x - mean) / sqrt(var + 1e-7) + beta.

    In `Graph.predict` by running statistics: those of the first training batch, moved a tenth of the way to
    each later one's. The original mixed nine parts of the mean over all training batches, those before any
    training included, with one part of the batch that is predicted, so that an example's prediction depended
    on what stood beside it. Without any training batch both have only the batch itself to go by. The
    gradient of gamma was wrong by a factor of gamma; ours is exact.

    Args:
        gamma, beta: Variables, of a number or of an array that broadcasts, such as (1, C, H, W).
    """

    name = "BatchNorm"

    def __init__(self, gamma: Variable, beta: Variable) -> None:
        self.gamma = gamma
        self.beta = beta
        self.bn_mu: Array = None
        self.bn_var: Array = None

    def forward(self, X1: Variable, if_train: bool = True) -> Variable:
        """The normalized input, of its shape."""
        x = X1.value
        if if_train or self.bn_mu is None:
            mean = tnp.mean(x, axis=0, keepdims=True)
            deviation = tnp.subtract(x, mean)
            var = tnp.mean(tnp.square(deviation), axis=0, keepdims=True)
            if if_train:
                self._remember(tn.stop_gradient(mean), tn.stop_gradient(var))
        else:
            deviation, var = tnp.subtract(x, self.bn_mu), self.bn_var
        normalized = tnp.divide(deviation, tnp.sqrt(tnp.add(var, EPSILON)))
        return Variable(tnp.add(tnp.multiply(self.gamma.value, normalized), self.beta.value))

    def _remember(self, mean: Array, var: Array) -> None:
        if self.bn_mu is None or self.bn_mu.shape != mean.shape:
            self.bn_mu, self.bn_var = mean, var
            return
        self.bn_mu = MOMENTUM * self.bn_mu + (1 - MOMENTUM) * mean
        self.bn_var = MOMENTUM * self.bn_var + (1 - MOMENTUM) * var


def global_generator() -> np.random.Generator:
    """A generator over the state that `numpy.random.seed` sets."""
    return np.random.Generator(np.random.get_bit_generator())  # type: ignore[attr-defined]  # missing in NumPy's stubs


def _images(operation: str, X1: Variable) -> Array:
    """Images (N, C, H, W) as a view with channels last."""
    if len(X1.shape) != 4:
        raise ArgumentError(f"{operation}: X1 must have shape (N, C, H, W); got {X1.shape}.")
    return tnp.transpose(X1.value, (0, 2, 3, 1))


def _weight_and_bias(X2: Variable | Sequence[Variable]) -> tuple[Variable, Variable | None]:
    if isinstance(X2, Variable):
        return X2, None
    if len(X2) not in (1, 2):
        raise ArgumentError(f"X2 must be a Variable, or a list [W, b]; got a list of {len(X2)}.")
    return X2[0], X2[1] if len(X2) == 2 else None


def _flat_bias(b: Variable, outputs: int) -> Array:
    """A bias (outputs, 1) as (outputs,)."""
    if b.shape not in ((outputs, 1), (outputs,), (1, outputs)):
        raise ArgumentError(f"b must have shape ({outputs}, 1), one number for each output; got {b.shape}.")
    return tnp.reshape(b.value, (outputs,))
