"""Layers: frozen classes that are pytrees of their parameters.

A layer is called for inference, `y = layer(x)`, and trained by `y, layer = layer.train(x, rng)`, which returns
the layer with what the pass has changed beside its parameters (running statistics). Parameters change only by
making new layers, as optimizers do: a gradient by a layer is a layer too, with gradients in the place of arrays.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator
from typing import Any, Self

import attrs
import numpy as np
from numpy.typing import DTypeLike

from tapenet.core.argument_checks import (
    checked_array,
    checked_count,
    checked_dtype,
    checked_flag,
    checked_function,
    checked_number,
    checked_pair,
    checked_rng,
)
from tapenet.core.array_types import Array
from tapenet.core.leaf_checks import advice_on_fields
from tapenet.core.pytrees import evolve, is_tree_class, static_field
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.nn import functions, init
from tapenet.nn.describing import Described
from tapenet.nn.geometry import Padding, Window, channels_in_front, checked_padding
from tapenet.nn.notices import note_dropped, note_unused
from tapenet.ops.arrays.shaping import reshape
from tapenet.transforms.gradient import stop_gradient


class Layer(Described, abc.ABC):
    """What a network is made of.

    Layers of one's own are frozen attrs classes, or frozen dataclasses, that derive from it: `@attrs.frozen(eq=False)`
    stands above the class, and its arrays and layers are fields. `repr` shows a layer in a
    line, and a model as a tree.
    """

    @abc.abstractmethod
    def __call__(self, x: Array) -> Array:
        """Compute the output for inference."""

    @abc.abstractmethod
    def train(self, x: Array, rng: np.random.Generator) -> tuple[Array, Self]:
        """Compute the output for training, and the layer as this pass leaves it."""


class Stateless(Layer):
    """A layer that does the same in training as in inference."""

    def train(self, x: Array, rng: np.random.Generator) -> tuple[Array, Self]:
        """Compute the output; the layer is unchanged."""
        return self(x), self


def checked_by(check: Callable[..., Any], *given: Any) -> Callable[..., None]:
    """Make the validator of an attrs field from one of the checks of arguments."""

    def validate(layer: Any, field: attrs.Attribute[Any], value: Any) -> None:
        check(type(layer).__name__, field.name, value, *given)

    return validate


def zero_bias(layer: str, bias: bool, outputs: int, dtype: Any) -> Array | None:
    """Make zeros to begin with; None for no bias."""
    return np.zeros(outputs, dtype) if checked_flag(layer, "bias", bias) else None


def check_has_fields(function: str, name: str, layer: Layer) -> Layer:
    """Raise for a layer of a plain class, whose arrays a gradient would not see."""
    kind = type(layer)
    if not is_tree_class(kind):
        raise ArgumentTypeError(
            f"{function}: {name} must be an attrs class or a dataclass; got {kind.__name__}. {advice_on_fields(kind)}"
        )
    return layer


def check_instance(function: str, name: str, given: Any) -> None:
    """Raise for a class of layers in the place of a layer."""
    if isinstance(given, type) and issubclass(given, Layer):
        raise ArgumentTypeError(
            f"{function}: {name} must be an instance; got the class {given.__name__}. Write {given.__name__}(...)."
        )


def _checked_channels(layer: str, x: Array, parameter: Array | None) -> Array:
    """Check that the last axis of x is as long as a parameter, which would broadcast if either were of length 1."""
    x = checked_array(layer, "x", x)
    if parameter is not None and x.shape[-1:] != parameter.shape:
        raise ArgumentError(
            f"{layer}: x must have shape (..., {len(parameter)}); got {x.shape}.{channels_in_front(x, len(parameter))}"
        )
    return x


# ---- with parameters ----


@attrs.frozen(init=False, eq=False)
class Dense(Stateless):
    """The affine map x kernel + bias, from (..., inputs) to (..., outputs).

    Args:
        inputs, outputs: numbers of features.
        rng: draws the kernel, He-uniform; the bias starts at zero.
        bias: whether there is one.
        dtype: of the parameters.

    >>> Dense(2, 3, rng=np.random.default_rng(0))(np.ones((5, 2), np.float32)).shape
    (5, 3)
    """

    kernel: Array
    bias: Array | None

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        rng: np.random.Generator,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        shape = (checked_count("Dense", "inputs", inputs), checked_count("Dense", "outputs", outputs))
        rng, dtype = checked_rng("Dense", rng), checked_dtype("Dense", "dtype", dtype)
        self.__attrs_init__(init.he_uniform(rng, shape, dtype), zero_bias("Dense", bias, outputs, dtype))

    def __call__(self, x: Array) -> Array:
        """Apply `nn.dense` with the layer's parameters."""
        return functions.dense(x, self.kernel, self.bias)


@attrs.frozen(init=False, eq=False)
class Conv(Stateless):
    """A convolution of images, from (N, H, W, inputs) to (N, OH, OW, outputs).

    Args:
        inputs, outputs: numbers of channels.
        window: the kernel's (height, width), or an int for both.
        rng: draws the kernel, He-uniform; the bias starts at zero.
        stride, padding, dilation, groups: as for `nn.conv`.
        bias: whether there is one.
        dtype: of the parameters.

    >>> Conv(1, 4, 3, rng=np.random.default_rng(0))(np.ones((2, 8, 8, 1), np.float32)).shape
    (2, 6, 6, 4)
    """

    kernel: Array
    bias: Array | None
    stride: Window = static_field()
    padding: Padding = static_field()
    dilation: Window = static_field()
    groups: int = static_field()

    def __init__(
        self,
        inputs: int,
        outputs: int,
        window: Window,
        *,
        rng: np.random.Generator,
        stride: Window = 1,
        padding: Padding = "valid",
        dilation: Window = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        inputs, outputs = checked_count("Conv", "inputs", inputs), checked_count("Conv", "outputs", outputs)
        groups = checked_count("Conv", "groups", groups)
        if inputs % groups or outputs % groups:
            raise ArgumentError(f"Conv: groups must divide inputs, {inputs}, and outputs, {outputs}; got {groups}.")
        shape = (*checked_pair("Conv", "window", window), inputs // groups, outputs)
        checked_pair("Conv", "stride", stride)
        checked_pair("Conv", "dilation", dilation)
        checked_padding("Conv", padding)
        rng, dtype = checked_rng("Conv", rng), checked_dtype("Conv", "dtype", dtype)
        kernel, zeros = init.he_uniform(rng, shape, dtype), zero_bias("Conv", bias, outputs, dtype)
        self.__attrs_init__(kernel, zeros, stride, padding, dilation, groups)

    def __call__(self, x: Array) -> Array:
        """Apply `nn.conv` with the layer's parameters."""
        return functions.conv(
            x,
            self.kernel,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )


@attrs.frozen(init=False, eq=False)
class Embedding(Stateless):
    """A table of rows to look up by integer: from (...) to (..., features).

    Args:
        rows, features: the shape of the table.
        rng: draws it from the standard normal distribution.
        dtype: of the table.

    >>> Embedding(10, 4, rng=np.random.default_rng(0))(np.array([1, 2])).shape
    (2, 4)
    """

    table: Array

    def __init__(self, rows: int, features: int, *, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> None:
        shape = (checked_count("Embedding", "rows", rows), checked_count("Embedding", "features", features))
        rng, dtype = checked_rng("Embedding", rng), checked_dtype("Embedding", "dtype", dtype)
        self.__attrs_init__(init.normal(rng, shape, dtype=dtype))

    def __call__(self, x: Array) -> Array:
        """Apply `nn.embedding` with the layer's table."""
        return functions.embedding(self.table, x)


@attrs.frozen(eq=False)
class Running:
    """Running statistics, which are not parameters: pytrees that differ in them alone have one structure."""

    mean: Array
    var: Array

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Running)

    def __hash__(self) -> int:
        return hash(Running)


@attrs.frozen(init=False, eq=False)
class BatchNorm(Layer):
    """Normalize each channel of (..., C): by the batch in training, by running statistics in inference.

    The running variance is the mean of the batches' biased variances, divided by n; PyTorch's is that of the unbiased
    ones, divided by n - 1, so that after training on small batches the two predict a little differently.

    Args:
        channels: C.
        momentum: of a training batch's statistics in the running ones: running + momentum * (batch - running).
        eps: added to the variance.
        dtype: of the parameters.

    >>> layer = BatchNorm(3)
    >>> y, layer = layer.train(np.random.default_rng(0).normal(size=(8, 3)), np.random.default_rng(0))
    """

    scale: Array
    offset: Array
    running: Running = static_field()
    momentum: float = static_field()
    eps: float = static_field()

    def __init__(
        self, channels: int, *, momentum: float = 0.1, eps: float = 1e-5, dtype: DTypeLike = np.float32
    ) -> None:
        n = checked_count("BatchNorm", "channels", channels)
        momentum = checked_number("BatchNorm", "momentum", momentum, "[0, 1]")
        eps = checked_number("BatchNorm", "eps", eps, "[0, inf)")
        dtype = checked_dtype("BatchNorm", "dtype", dtype)
        of_statistics = np.promote_types(dtype, np.float32)  # a variance may be too large for float16
        running = Running(np.zeros(n, of_statistics), np.ones(n, of_statistics))
        self.__attrs_init__(np.ones(n, dtype), np.zeros(n, dtype), running, momentum, eps)

    def __call__(self, x: Array) -> Array:
        """Apply `nn.normalize` with the running statistics."""
        running = self.running
        x = _checked_channels("BatchNorm", x, self.scale)
        note_unused("BatchNorm", running.mean, running.var)
        return functions.normalize(x, running.mean, running.var, self.scale, self.offset, eps=self.eps)

    def train(self, x: Array, rng: np.random.Generator) -> tuple[Array, Self]:
        """Apply `nn.batch_norm`, and move the layer's running statistics towards the batch's."""
        x = _checked_channels("BatchNorm", x, self.scale)
        y, batch = functions.batch_norm(x, self.scale, self.offset, eps=self.eps)
        old = self.running

        def moved(running: Array, new: Array) -> Array:
            return (running + self.momentum * (stop_gradient(new) - running)).astype(running.dtype)

        new = Running(moved(old.mean, batch.mean), moved(old.var, batch.var))
        note_dropped("BatchNorm", old, new)
        return y, evolve(self, running=new)


@attrs.frozen(init=False, eq=False)
class LayerNorm(Stateless):
    """Normalize each example over its last axis, of `features`.

    Args:
        features: the length of the last axis.
        eps: added to the variance.
        dtype: of the parameters.

    >>> LayerNorm(4)(np.ones((2, 4))).shape
    (2, 4)
    """

    scale: Array
    offset: Array
    eps: float = static_field()

    def __init__(self, features: int, *, eps: float = 1e-5, dtype: DTypeLike = np.float32) -> None:
        n = checked_count("LayerNorm", "features", features)
        eps = checked_number("LayerNorm", "eps", eps, "[0, inf)")
        dtype = checked_dtype("LayerNorm", "dtype", dtype)
        self.__attrs_init__(np.ones(n, dtype), np.zeros(n, dtype), eps)

    def __call__(self, x: Array) -> Array:
        """Apply `nn.layer_norm` with the layer's parameters."""
        x = _checked_channels("LayerNorm", x, self.scale)
        return functions.layer_norm(x, self.scale, self.offset, eps=self.eps)


# ---- without ----


def check_padding(layer: Any, field: attrs.Attribute[Any], value: Any) -> None:
    checked_padding(type(layer).__name__, value)


@attrs.frozen
class MaxPool(Stateless):
    """`nn.max_pool`.

    >>> MaxPool(2)(np.ones((1, 4, 4, 3))).shape
    (1, 2, 2, 3)
    """

    window: Window = static_field(validator=checked_by(checked_pair))
    stride: Window | None = static_field(default=None, validator=attrs.validators.optional(checked_by(checked_pair)))
    padding: Padding = static_field(default="valid", validator=check_padding)

    def __call__(self, x: Array) -> Array:
        """Find the largest element of each window."""
        return functions.max_pool(x, self.window, self.stride, self.padding)


@attrs.frozen
class AvgPool(Stateless):
    """`nn.avg_pool`.

    >>> AvgPool(2)(np.ones((1, 4, 4, 3))).shape
    (1, 2, 2, 3)
    """

    window: Window = static_field(validator=checked_by(checked_pair))
    stride: Window | None = static_field(default=None, validator=attrs.validators.optional(checked_by(checked_pair)))
    padding: Padding = static_field(default="valid", validator=check_padding)

    def __call__(self, x: Array) -> Array:
        """Compute the mean of each window."""
        return functions.avg_pool(x, self.window, self.stride, self.padding)


@attrs.frozen
class Dropout(Layer):
    """`nn.dropout` in training; in inference nothing.

    Args:
        rate: the probability of setting an element to 0, in [0, 1).

    >>> Dropout(0.5)(np.ones(2))
    array([1., 1.])
    """

    rate: float = static_field(validator=checked_by(checked_number, "[0, 1)"))

    def __call__(self, x: Array) -> Array:
        """Return x itself."""
        return x

    def train(self, x: Array, rng: np.random.Generator) -> tuple[Array, Self]:
        """Set elements of x to 0."""
        return functions.dropout(x, self.rate, rng), self


@attrs.frozen
class Flatten(Stateless):
    """Each example's elements as one axis: from (N, ...) to (N, features).

    >>> Flatten()(np.ones((2, 3, 4))).shape
    (2, 12)
    """

    def __call__(self, x: Array) -> Array:
        """Give x the shape (N, features)."""
        x = checked_array("Flatten", "x", x)
        shape = x.shape
        if not shape:
            raise ArgumentError("Flatten: x must have a batch axis; got shape ().")
        return reshape(x, (shape[0], int(np.prod(shape[1:]))))


def _no_class_of_layers(layer: Any, field: attrs.Attribute[Any], value: Any) -> None:
    check_instance("Function", field.name, value)


@attrs.frozen
class Function(Stateless):
    """A function of one array, such as an activation, as a layer.

    >>> Function(np.abs)(np.array([-1.0]))
    array([1.])
    """

    function: Callable[[Array], Array] = static_field(validator=[checked_by(checked_function), _no_class_of_layers])

    def __call__(self, x: Array) -> Array:
        """Apply the function to x."""
        return self.function(x)


# ---- together ----


@attrs.frozen(init=False, eq=False)
class Sequential(Layer):
    """Layers one after the other. Functions of one array may be among them.

    >>> rng = np.random.default_rng(0)
    >>> Sequential(Dense(2, 3, rng=rng), np.tanh, Dense(3, 1, rng=rng))(np.ones((5, 2), np.float32)).shape
    (5, 1)
    """

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer | Callable[[Array], Array]) -> None:
        for i, layer in enumerate(layers):
            check_instance("Sequential", f"layers[{i}]", layer)
            if isinstance(layer, Layer):
                check_has_fields("Sequential", f"layers[{i}]", layer)
            if not callable(layer):
                hint = " Write Sequential(*layers)." if isinstance(layer, list | tuple) else ""
                raise ArgumentTypeError(
                    f"Sequential: layers must be layers or functions; got {type(layer).__name__} at {i}.{hint}"
                )
        self.__attrs_init__(tuple(x if isinstance(x, Layer) else Function(x) for x in layers))

    def __call__(self, x: Array) -> Array:
        """Compute the last layer's output."""
        for layer in self.layers:
            x = layer(x)
        return x

    def train(self, x: Array, rng: np.random.Generator) -> tuple[Array, Self]:
        """Compute the last layer's output, and the layers as the pass leaves them."""
        trained: list[Layer] = []
        for layer in self.layers:
            x, layer = layer.train(x, rng)
            trained.append(layer)
        return x, type(self)(*trained)

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __getitem__(self, index: int) -> Layer:
        return self.layers[index]
