"""Layers of sequences and volumes: convolutions, transposed ones, and pools."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import DTypeLike

from tapenet.core.argument_checks import checked_count, checked_dtype, checked_rng, checked_sizes
from tapenet.core.array_types import Array
from tapenet.core.pytrees import static_field
from tapenet.errors import ArgumentError
from tapenet.nn import convolutions, init, pools
from tapenet.nn.geometry import Block, BlockPadding, LinePadding, Padding, Window, checked_padding
from tapenet.nn.layers import Stateless, checked_by, zero_bias


def _window_parameters(
    layer: str,
    axes: int,
    inputs: int,
    outputs: int,
    window: Window,
    rng: np.random.Generator,
    stride: Window,
    padding: Padding,
    dilation: Window,
    groups: int,
    bias: bool,
    dtype: DTypeLike,
    *,
    transposed: bool = False,
) -> tuple[Array, Array | None]:
    """Check what a convolution is given, and make its kernel, with the channels swapped if transposed, and its bias."""
    inputs, outputs = checked_count(layer, "inputs", inputs), checked_count(layer, "outputs", outputs)
    groups = checked_count(layer, "groups", groups)
    if inputs % groups or outputs % groups:
        raise ArgumentError(f"{layer}: groups must divide inputs, {inputs}, and outputs, {outputs}; got {groups}.")
    sizes = checked_sizes(layer, "window", window, axes)
    checked_sizes(layer, "stride", stride, axes)
    checked_sizes(layer, "dilation", dilation, axes)
    checked_padding(layer, padding, axes)
    rng, dtype = checked_rng(layer, rng), checked_dtype(layer, "dtype", dtype)
    shape = (*sizes, inputs, outputs // groups) if transposed else (*sizes, inputs // groups, outputs)
    kernel = init.he_uniform(rng, shape, dtype)
    if transposed:
        kernel = np.ascontiguousarray(kernel.swapaxes(-1, -2))
    return kernel, zero_bias(layer, bias, outputs, dtype)


@attrs.frozen(init=False, eq=False)
class Conv1d(Stateless):
    """A convolution of sequences, from (N, L, inputs) to (N, OL, outputs).

    Args:
        inputs, outputs: numbers of channels.
        window: the kernel's length.
        rng: draws the kernel, He-uniform; the bias starts at zero.
        stride, padding, dilation, groups: as for `nn.conv1d`.
        bias: whether there is one.
        dtype: of the parameters.

    >>> Conv1d(1, 4, 3, rng=np.random.default_rng(0))(np.ones((2, 8, 1), np.float32)).shape
    (2, 6, 4)
    """

    kernel: Array
    bias: Array | None
    stride: int = static_field()
    padding: LinePadding = static_field()
    dilation: int = static_field()
    groups: int = static_field()

    def __init__(
        self,
        inputs: int,
        outputs: int,
        window: int,
        *,
        rng: np.random.Generator,
        stride: int = 1,
        padding: LinePadding = "valid",
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        made = _window_parameters(
            "Conv1d", 1, inputs, outputs, window, rng, stride, padding, dilation, groups, bias, dtype
        )
        self.__attrs_init__(*made, stride, padding, dilation, groups)

    def __call__(self, x: Array) -> Array:
        """Apply `nn.conv1d` with the layer's parameters."""
        return convolutions.conv1d(x, self.kernel, self.bias, **_static(self))


@attrs.frozen(init=False, eq=False)
class Conv3d(Stateless):
    """A convolution of volumes, from (N, D, H, W, inputs) to (N, OD, OH, OW, outputs).

    Args:
        inputs, outputs: numbers of channels.
        window: the kernel's (depth, height, width), or an int for all.
        rng: draws the kernel, He-uniform; the bias starts at zero.
        stride, padding, dilation, groups: as for `nn.conv3d`.
        bias: whether there is one.
        dtype: of the parameters.

    >>> Conv3d(1, 4, 3, rng=np.random.default_rng(0))(np.ones((2, 4, 8, 8, 1), np.float32)).shape
    (2, 2, 6, 6, 4)
    """

    kernel: Array
    bias: Array | None
    stride: Block = static_field()
    padding: BlockPadding = static_field()
    dilation: Block = static_field()
    groups: int = static_field()

    def __init__(
        self,
        inputs: int,
        outputs: int,
        window: Block,
        *,
        rng: np.random.Generator,
        stride: Block = 1,
        padding: BlockPadding = "valid",
        dilation: Block = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        made = _window_parameters(
            "Conv3d", 3, inputs, outputs, window, rng, stride, padding, dilation, groups, bias, dtype
        )
        self.__attrs_init__(*made, stride, padding, dilation, groups)

    def __call__(self, x: Array) -> Array:
        """Apply `nn.conv3d` with the layer's parameters."""
        return convolutions.conv3d(x, self.kernel, self.bias, **_static(self))


@attrs.frozen(init=False, eq=False)
class ConvTranspose(Stateless):
    """A transposed convolution of images, from (N, H, W, inputs) to (N, OH, OW, outputs).

    Args:
        inputs, outputs: numbers of channels.
        window: the kernel's (height, width), or an int for both.
        rng: draws the kernel, He-uniform; the bias starts at zero.
        stride, padding, output_padding, dilation, groups: as for `nn.conv_transpose`.
        bias: whether there is one.
        dtype: of the parameters.

    >>> ConvTranspose(4, 1, 2, stride=2, rng=np.random.default_rng(0))(np.ones((2, 8, 8, 4), np.float32)).shape
    (2, 16, 16, 1)
    """

    kernel: Array
    bias: Array | None
    stride: Window = static_field()
    padding: Padding = static_field()
    output_padding: Window = static_field()
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
        output_padding: Window = 0,
        dilation: Window = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        given = (inputs, outputs, window, rng, stride, padding, dilation, groups, bias, dtype)
        made = _window_parameters("ConvTranspose", 2, *given, transposed=True)
        checked_sizes("ConvTranspose", "output_padding", output_padding, 2, low=0)
        self.__attrs_init__(*made, stride, padding, output_padding, dilation, groups)

    def __call__(self, x: Array) -> Array:
        """Apply `nn.conv_transpose` with the layer's parameters."""
        return convolutions.conv_transpose(x, self.kernel, self.bias, **_static(self))


@attrs.frozen(init=False, eq=False)
class ConvTranspose1d(Stateless):
    """A transposed convolution of sequences, from (N, L, inputs) to (N, OL, outputs).

    Args:
        inputs, outputs: numbers of channels.
        window: the kernel's length.
        rng: draws the kernel, He-uniform; the bias starts at zero.
        stride, padding, output_padding, dilation, groups: as for `nn.conv_transpose1d`.
        bias: whether there is one.
        dtype: of the parameters.

    >>> ConvTranspose1d(4, 1, 2, stride=2, rng=np.random.default_rng(0))(np.ones((2, 8, 4), np.float32)).shape
    (2, 16, 1)
    """

    kernel: Array
    bias: Array | None
    stride: int = static_field()
    padding: LinePadding = static_field()
    output_padding: int = static_field()
    dilation: int = static_field()
    groups: int = static_field()

    def __init__(
        self,
        inputs: int,
        outputs: int,
        window: int,
        *,
        rng: np.random.Generator,
        stride: int = 1,
        padding: LinePadding = "valid",
        output_padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        given = (inputs, outputs, window, rng, stride, padding, dilation, groups, bias, dtype)
        made = _window_parameters("ConvTranspose1d", 1, *given, transposed=True)
        checked_sizes("ConvTranspose1d", "output_padding", output_padding, 1, low=0)
        self.__attrs_init__(*made, stride, padding, output_padding, dilation, groups)

    def __call__(self, x: Array) -> Array:
        """Apply `nn.conv_transpose1d` with the layer's parameters."""
        return convolutions.conv_transpose1d(x, self.kernel, self.bias, **_static(self))


def _static(layer: Any) -> dict[str, Any]:
    """Return what a layer's function is given beside arrays."""
    return {field.name: getattr(layer, field.name) for field in attrs.fields(type(layer))[2:]}


# ---- pools ----


def _padding_of(axes: int) -> Any:
    def validate(layer: Any, field: attrs.Attribute[Any], value: Any) -> None:
        checked_padding(type(layer).__name__, value, axes)

    return validate


def _sizes(axes: int) -> Any:
    return checked_by(checked_sizes, axes)


@attrs.frozen
class MaxPool1d(Stateless):
    """`nn.max_pool1d`.

    >>> MaxPool1d(2)(np.ones((1, 4, 3))).shape
    (1, 2, 3)
    """

    window: int = static_field(validator=_sizes(1))
    stride: int | None = static_field(default=None, validator=attrs.validators.optional(_sizes(1)))
    padding: LinePadding = static_field(default="valid", validator=_padding_of(1))

    def __call__(self, x: Array) -> Array:
        """Find the largest element of each window."""
        return pools.max_pool1d(x, self.window, self.stride, self.padding)


@attrs.frozen
class AvgPool1d(Stateless):
    """`nn.avg_pool1d`.

    >>> AvgPool1d(2)(np.ones((1, 4, 3))).shape
    (1, 2, 3)
    """

    window: int = static_field(validator=_sizes(1))
    stride: int | None = static_field(default=None, validator=attrs.validators.optional(_sizes(1)))
    padding: LinePadding = static_field(default="valid", validator=_padding_of(1))

    def __call__(self, x: Array) -> Array:
        """Compute the mean of each window."""
        return pools.avg_pool1d(x, self.window, self.stride, self.padding)


@attrs.frozen
class MaxPool3d(Stateless):
    """`nn.max_pool3d`.

    >>> MaxPool3d(2)(np.ones((1, 4, 4, 4, 3))).shape
    (1, 2, 2, 2, 3)
    """

    window: Block = static_field(validator=_sizes(3))
    stride: Block | None = static_field(default=None, validator=attrs.validators.optional(_sizes(3)))
    padding: BlockPadding = static_field(default="valid", validator=_padding_of(3))

    def __call__(self, x: Array) -> Array:
        """Find the largest element of each window."""
        return pools.max_pool3d(x, self.window, self.stride, self.padding)


@attrs.frozen
class AvgPool3d(Stateless):
    """`nn.avg_pool3d`.

    >>> AvgPool3d(2)(np.ones((1, 4, 4, 4, 3))).shape
    (1, 2, 2, 2, 3)
    """

    window: Block = static_field(validator=_sizes(3))
    stride: Block | None = static_field(default=None, validator=attrs.validators.optional(_sizes(3)))
    padding: BlockPadding = static_field(default="valid", validator=_padding_of(3))

    def __call__(self, x: Array) -> Array:
        """Compute the mean of each window."""
        return pools.avg_pool3d(x, self.window, self.stride, self.padding)


@attrs.frozen
class GlobalAvgPool(Stateless):
    """`nn.global_avg_pool`: from (N, ..., C) to (N, C).

    >>> GlobalAvgPool()(np.ones((1, 4, 4, 3))).shape
    (1, 3)
    """

    def __call__(self, x: Array) -> Array:
        """Compute the mean of each channel."""
        return pools.global_avg_pool(x)


@attrs.frozen
class AdaptiveAvgPool(Stateless):
    """`nn.adaptive_avg_pool`, to a size.

    >>> AdaptiveAvgPool((2, 3))(np.ones((1, 7, 7, 3))).shape
    (1, 2, 3, 3)
    """

    size: Block = static_field()

    def __attrs_post_init__(self) -> None:
        axes = len(self.size) if isinstance(self.size, tuple | list) else 1
        checked_sizes("AdaptiveAvgPool", "size", self.size, min(max(axes, 1), 3))

    def __call__(self, x: Array) -> Array:
        """Compute the means."""
        return pools.adaptive_avg_pool(x, self.size)
