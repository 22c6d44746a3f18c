"""Operations for `Op`. Images are (N, C, H, W), as in the original; filters are (kh, kw, C, outputs)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

import tapenet as tn
import tapenet.numpy as tnp
from numpynet.layout import channels_first, channels_last
from numpynet.symbols import Array, Variable, checked_variable, plain
from tapenet.core.argument_checks import checked_choice, checked_count, checked_number

Weights: TypeAlias = Variable | Sequence[Variable]  # W, or [W, b]

MOST_PADDING = 2**31  # more is a mistake, and overflows the sizes of arrays
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
        """Return the input."""
        return X1


class Dot:
    """A matrix product: X W, or X W + b^T.

    The original averaged the gradient of b over the batch, while it summed that of W; ours is summed.
    """

    name = "Dot"

    def forward(self, X1: Variable, X2: Weights, if_train: bool = True) -> Variable:
        """X1 of shape (N, inputs) by X2: W of shape (inputs, outputs), or [W, b] with b (outputs, 1)."""
        W, b = _weight_and_bias(X2)
        return Variable(tn.nn.dense(X1.value, W, None if b is None else _flat_bias(b, W.shape[-1])))


class Flatten:
    """Each example as one row, in the order of (C, H, W)."""

    name = "Flatten"

    def forward(self, X1: Variable, if_train: bool = True) -> Variable:
        """From (N, ...) to (N, features)."""
        return Variable(tnp.reshape(X1.value, (X1.shape[0], -1)))


class Conv2d:
    """A convolution of images (the filter is not flipped).

    The original divided the gradient by X, where windows overlap, by how many do, and took the filter's height
    for its width; ours is exact.

    Args:
        padding: "same" keeps height and width for odd filters: at stride 1 it pads (k - 1) // 2 on each side.
            "valid" pads `pad`.
        stride: steps between windows.
        pad: for "valid", zeros on each side.
    """

    name = "Conv2d"

    def __init__(self, padding: str = "same", stride: int = 1, pad: int = 0) -> None:
        self.padding = checked_choice("Conv2d", "padding", padding, ("same", "valid"))
        self.stride = checked_count("Conv2d", "stride", stride, 1, MOST_PADDING)
        self.pad = checked_count("Conv2d", "pad", pad, 0, MOST_PADDING)

    def forward(self, X1: Variable, X2: Weights, if_train: bool = True) -> Variable:
        """X1 (N, C, H, W) by X2: filters (kh, kw, C, outputs), or [filters, b] with b (outputs, 1)."""
        W, b = _weight_and_bias(X2)
        x = _images("Conv2d", X1)
        if W.ndim != 4:
            raise tn.ArgumentError(f"Conv2d: X2 must have shape (kh, kw, C, outputs); got {W.shape}.")
        vertical, horizontal = map(self._pad_along, x.shape[1:3], W.shape[:2])
        around = ((vertical, vertical), (horizontal, horizontal))
        y = tn.nn.conv(x, W, None if b is None else _flat_bias(b, W.shape[3]), stride=self.stride, padding=around)
        return Variable(channels_first(y))

    def _pad_along(self, size: int, window: int) -> int:
        return self.pad if self.padding == "valid" else ((size - 1) * (self.stride - 1) + window - 1) // 2


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
        self.filter_h = checked_count("MaxPooling", "filter_h", filter_h)
        self.filter_w = checked_count("MaxPooling", "filter_w", filter_w)
        self.stride = checked_count("MaxPooling", "stride", stride)
        self.pad = checked_count("MaxPooling", "pad", pad, 0, MOST_PADDING)

    def forward(self, X1: Variable, if_train: bool = True) -> Variable:
        """From (N, C, H, W) to (N, C, OH, OW)."""
        x = _images("MaxPooling", X1)
        if self.pad:
            x = tnp.pad(x, ((0, 0), (self.pad, self.pad), (self.pad, self.pad), (0, 0)))
        y = tn.nn.max_pool(x, (self.filter_h, self.filter_w), self.stride)
        return Variable(channels_first(y))


class Dropout:
    """Keep each value with probability p and divide it by p; in `Graph.predict`, the identity.

    Draws from NumPy's global generator: `numpy.random.seed` repeats a run, as it did.

    Args:
        p: the probability of keeping, in (0, 1].
    """

    name = "Dropout"

    def __init__(self, p: float) -> None:
        self.p = checked_number("Dropout", "p", p, "(0, 1]")

    def forward(self, X1: Variable, if_train: bool = True) -> Variable:
        """Return the input with some values at 0."""
        if not if_train:
            return X1
        kept = np.random.random(X1.shape) < self.p
        return Variable(tnp.where(kept, X1.value / self.p, 0))


class BatchNorm:
    """Normalize over the batch axis alone, per position: gamma (x - mean) / sqrt(var + 1e-7) + beta.

    In `Graph.predict` by running statistics: those of the first training batch, moved a tenth of the way to
    each later one's. (The original mixed nine parts of the mean over all training batches, those before any
    training included, with one part of the batch that is predicted, so that an example's prediction depended
    on what stood beside it.) Before any training batch by those of the batch itself. The original's gradient
    of gamma was wrong by a factor of gamma; ours is exact.

    Args:
        gamma, beta: Variables, of a number or of an array that broadcasts, such as (1, C, H, W).
    """

    name = "BatchNorm"

    def __init__(self, gamma: Variable, beta: Variable) -> None:
        self.gamma = checked_variable("BatchNorm", "gamma", gamma)
        self.beta = checked_variable("BatchNorm", "beta", beta)
        self.bn_mu: Array = None
        self.bn_var: Array = None

    def forward(self, X1: Variable, if_train: bool = True) -> Variable:
        """Return the normalized input, of its shape."""
        ndim = len(X1.shape)
        x, gamma, beta = (channels_last(v.value, ndim) for v in (X1, self.gamma, self.beta))
        mean, var = self.bn_mu, self.bn_var
        if if_train or mean is None:
            mean, var = tnp.mean(x, axis=0, keepdims=True), tnp.var(x, axis=0, keepdims=True)
        if if_train:
            self._remember(plain(mean), plain(var))
        normalized = (x - mean) / tnp.sqrt(var + EPSILON)
        return Variable(channels_first(gamma * normalized + beta))

    def _remember(self, mean: Array, var: Array) -> None:
        if self.bn_mu is None or self.bn_mu.shape != mean.shape:
            self.bn_mu, self.bn_var = mean, var
        else:
            self.bn_mu = MOMENTUM * self.bn_mu + (1 - MOMENTUM) * mean
            self.bn_var = MOMENTUM * self.bn_var + (1 - MOMENTUM) * var


def _images(operation: str, X1: Variable) -> Array:
    """Images (N, C, H, W) as a view (N, H, W, C)."""
    if len(X1.shape) != 4:
        raise tn.ArgumentError(f"{operation}: X1 must have shape (N, C, H, W); got {X1.shape}.")
    return channels_last(X1.value, 4)


def _weight_and_bias(X2: Weights) -> tuple[Array, Array]:
    """Return the arrays of W and b; None for a b that is not given."""
    given = [X2] if isinstance(X2, Variable) else X2
    if len(given) not in (1, 2):
        raise tn.ArgumentError(f"X2 must be a Variable, or a list [W, b]; got a list of {len(given)}.")
    return given[0].value, given[1].value if len(given) == 2 else None


def _flat_bias(b: Array, outputs: int) -> Array:
    """Return a bias (outputs, 1) as (outputs,)."""
    if b.shape not in ((outputs, 1), (outputs,), (1, outputs)):
        raise tn.ArgumentError(f"b must have shape ({outputs}, 1), one number for each output; got {b.shape}.")
    return tnp.reshape(b, (outputs,))
