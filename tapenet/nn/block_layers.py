"""Layers that normalize each example by itself, that drop parts in training, and that go around others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import attrs
import numpy as np
from numpy.typing import DTypeLike

from tapenet.core.argument_checks import checked_count, checked_dtype, checked_function, checked_number
from tapenet.core.array_types import Array
from tapenet.core.pytrees import evolve, static_field
from tapenet.errors import ArgumentError
from tapenet.nn import functions, linear_units, norms
from tapenet.nn.layers import Function, Layer, Stateless, check_has_fields, check_instance, checked_by
from tapenet.ops.elementwise.arithmetic import add

# ---- norms ----


@attrs.frozen(init=False, eq=False)
class GroupNorm(Stateless):
    """Normalize groups of channels of each example of (N, ..., C), by `nn.group_norm`.

    Args:
        channels: C.
        groups: their number, which divides C.
        eps: added to the variance.
        dtype: of the parameters.

    >>> GroupNorm(4, 2)(np.ones((2, 3, 3, 4))).shape
    (2, 3, 3, 4)
    """

    scale: Array
    offset: Array
    groups: int = static_field()
    eps: float = static_field()

    def __init__(self, channels: int, groups: int, *, eps: float = 1e-5, dtype: DTypeLike = np.float32) -> None:
        n, groups = checked_count("GroupNorm", "channels", channels), checked_count("GroupNorm", "groups", groups)
        if n % groups:
            raise ArgumentError(f"GroupNorm: groups must divide the channels, {n}; got {groups}.")
        eps = checked_number("GroupNorm", "eps", eps, "[0, inf)")
        dtype = checked_dtype("GroupNorm", "dtype", dtype)
        self.__attrs_init__(np.ones(n, dtype), np.zeros(n, dtype), groups, eps)

    def __call__(self, x: Array) -> Array:
        """Apply `nn.group_norm` with the layer's parameters."""
        return norms.group_norm(x, self.groups, self.scale, self.offset, eps=self.eps)


@attrs.frozen(init=False, eq=False)
class InstanceNorm(Stateless):
    """Normalize each channel of each example of (N, ..., C), by `nn.instance_norm`.

    Args:
        channels: C.
        eps: added to the variance.
        dtype: of the parameters.

    >>> InstanceNorm(4)(np.ones((2, 3, 3, 4))).shape
    (2, 3, 3, 4)
    """

    scale: Array
    offset: Array
    eps: float = static_field()

    def __init__(self, channels: int, *, eps: float = 1e-5, dtype: DTypeLike = np.float32) -> None:
        n = checked_count("InstanceNorm", "channels", channels)
        eps = checked_number("InstanceNorm", "eps", eps, "[0, inf)")
        dtype = checked_dtype("InstanceNorm", "dtype", dtype)
        self.__attrs_init__(np.ones(n, dtype), np.zeros(n, dtype), eps)

    def __call__(self, x: Array) -> Array:
        """Apply `nn.instance_norm` with the layer's parameters."""
        return norms.instance_norm(x, self.scale, self.offset, eps=self.eps)


@attrs.frozen(init=False, eq=False)
class RMSNorm(Stateless):
    """Divide each example by the root of its mean square over its last axis, by `nn.rms_norm`.

    Args:
        features: the length of the last axis.
        eps: added to the mean square.
        dtype: of the parameter.

    >>> RMSNorm(4)(np.ones((2, 4))).shape
    (2, 4)
    """

    scale: Array
    eps: float = static_field()

    def __init__(self, features: int, *, eps: float = 1e-6, dtype: DTypeLike = np.float32) -> None:
        n = checked_count("RMSNorm", "features", features)
        eps = checked_number("RMSNorm", "eps", eps, "[0, inf)")
        self.__attrs_init__(np.ones(n, checked_dtype("RMSNorm", "dtype", dtype)), eps)

    def __call__(self, x: Array) -> Array:
        """Apply `nn.rms_norm` with the layer's parameter."""
        return norms.rms_norm(x, self.scale, eps=self.eps)


# ---- activations and dropout ----


@attrs.frozen(init=False, eq=False)
class PReLU(Stateless):
    """Rectify with a learned slope for negative values, by `nn.prelu`.

    Args:
        channels: the number of slopes, one for each channel; 1 for one slope for all.
        slope: to begin with.
        dtype: of the parameter.

    >>> PReLU()(np.array([-4.0, 4.0]))
    array([-1.,  4.])
    """

    slope: Array

    def __init__(self, channels: int = 1, slope: float = 0.25, *, dtype: DTypeLike = np.float32) -> None:
        n, slope = checked_count("PReLU", "channels", channels), checked_number("PReLU", "slope", slope)
        self.__attrs_init__(np.full(n if n > 1 else (), slope, checked_dtype("PReLU", "dtype", dtype)))

    def __call__(self, x: Array) -> Array:
        """Apply `nn.prelu` with the layer's slopes."""
        return linear_units.prelu(x, self.slope)


@attrs.frozen
class SpatialDropout(Layer):
    """`nn.spatial_dropout` in training; in inference nothing.

    Args:
        rate: the probability of setting a channel of an example to 0, in [0, 1).

    >>> SpatialDropout(0.5)(np.ones((1, 2)))
    array([[1., 1.]])
    """

    rate: float = static_field(validator=checked_by(checked_number, "[0, 1)"))

    def __call__(self, x: Array) -> Array:
        """Return x itself."""
        return x

    def train(self, x: Array, rng: np.random.Generator) -> tuple[Array, Self]:
        """Set channels of x to 0."""
        return functions.spatial_dropout(x, self.rate, rng), self


@attrs.frozen
class StochasticDepth(Layer):
    """`nn.stochastic_depth` in training; in inference nothing. The last layer of the inside of a `Residual`.

    Args:
        rate: the probability of setting an example to 0, in [0, 1).

    >>> StochasticDepth(0.5)(np.ones((1, 2)))
    array([[1., 1.]])
    """

    rate: float = static_field(validator=checked_by(checked_number, "[0, 1)"))

    def __call__(self, x: Array) -> Array:
        """Return x itself."""
        return x

    def train(self, x: Array, rng: np.random.Generator) -> tuple[Array, Self]:
        """Set examples of x to 0."""
        return functions.stochastic_depth(x, self.rate, rng), self


# ---- around ----


@attrs.frozen(init=False, eq=False)
class Residual(Layer):
    """shortcut(x) + inside(x).

    Args:
        inside: a layer, or a function of one array.
        shortcut: a layer or a function that gives x the shape of what is inside, or None for x itself.

    Source: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", arXiv:1512.03385.

    >>> Residual(np.square)(np.array([3.0]))
    array([12.])
    """

    inside: Layer
    shortcut: Layer | None

    def __init__(
        self, inside: Layer | Callable[[Array], Array], shortcut: Layer | Callable[[Array], Array] | None = None
    ) -> None:
        self.__attrs_init__(_layer("inside", inside), None if shortcut is None else _layer("shortcut", shortcut))

    def __call__(self, x: Array) -> Array:
        """Add both for inference."""
        return self._sum(x if self.shortcut is None else self.shortcut(x), self.inside(x))

    def train(self, x: Array, rng: np.random.Generator) -> tuple[Array, Self]:
        """Add both for training, and return the layer as the pass leaves it."""
        y, inside = self.inside.train(x, rng)
        shortcut = self.shortcut
        if shortcut is not None:
            x, shortcut = shortcut.train(x, rng)
        return self._sum(x, y), evolve(self, inside=inside, shortcut=shortcut)

    def _sum(self, x: Array, y: Array) -> Array:
        if x.shape != y.shape:
            raise ArgumentError(
                f"Residual: inside must give the shape of x, {x.shape}; got {y.shape}. "
                "Give a shortcut that changes the shape, such as a Conv of window 1."
            )
        return add(x, y)


def _layer(name: str, given: Layer | Callable[[Array], Array]) -> Layer:
    if isinstance(given, Layer):
        return check_has_fields("Residual", name, given)
    check_instance("Residual", name, given)
    return Function(checked_function("Residual", name, given))
