"""U-Net, which labels each place of an image."""

from __future__ import annotations

from typing import Self

import attrs
import numpy as np
from numpy.typing import DTypeLike

from tapenet.core.argument_checks import checked_array, checked_count, checked_dtype, checked_rng
from tapenet.core.array_types import Array
from tapenet.core.pytrees import evolve
from tapenet.errors import ArgumentError
from tapenet.nn.activations import relu
from tapenet.nn.geometry import checked_images
from tapenet.nn.layers import BatchNorm, Conv, Layer, MaxPool, Sequential
from tapenet.nn.spatial_layers import ConvTranspose
from tapenet.ops.arrays.shaping import concatenate


@attrs.frozen(init=False, eq=False)
class UNet(Layer):
    """Pairs of convolutions on the way down, from size to half the size, and on the way up again, with what was there.

    From images (N, H, W, channels) to logits (N, H, W, num_classes), H and W multiples of 2^depth. Way down: two 3x3
    convolutions, each with a norm and relu, and a 2x2 max-pool. Way up: a transposed convolution of stride 2, joined
    with the images of that size from the way down, and two convolutions.

    Args:
        num_classes: the number of classes.
        rng: draws the parameters.
        channels: of the images.
        depth: how often the size is halved.
        width: channels at the full size; each half has twice as many.
        dtype: of the parameters.

    Source: Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image segmentation",
    arXiv:1505.04597, with norms, and with padding that keeps the size.

    >>> UNet(2, rng=np.random.default_rng(0), width=4, depth=2).train(
    ...     np.zeros((1, 8, 8, 1), np.float32), np.random.default_rng(0))[0].shape
    (1, 8, 8, 2)
    """

    down: tuple[Sequential, ...]
    bottom: Sequential
    rising: tuple[ConvTranspose, ...]
    up: tuple[Sequential, ...]
    output: Conv

    def __init__(
        self,
        num_classes: int = 2,
        *,
        rng: np.random.Generator,
        channels: int = 1,
        depth: int = 3,
        width: int = 16,
        dtype: DTypeLike = np.float32,
    ) -> None:
        num_classes, channels, depth, width = (
            checked_count("UNet", name, value)
            for name, value in (
                ("num_classes", num_classes),
                ("channels", channels),
                ("depth", depth),
                ("width", width),
            )
        )
        rng, dtype = checked_rng("UNet", rng), checked_dtype("UNet", "dtype", dtype)
        widths = [width * 2**i for i in range(depth)]
        down = tuple(_pair(inputs, outputs, rng, dtype) for inputs, outputs in zip([channels, *widths], widths))
        bottom = _pair(widths[-1], 2 * widths[-1], rng, dtype)
        rising = tuple(ConvTranspose(2 * n, n, 2, stride=2, rng=rng, dtype=dtype) for n in reversed(widths))
        up = tuple(_pair(2 * n, n, rng, dtype) for n in reversed(widths))
        self.__attrs_init__(down, bottom, rising, up, Conv(width, num_classes, 1, rng=rng, dtype=dtype))

    def __call__(self, x: Array) -> Array:
        """Logits for inference, by the running statistics."""
        x, seen = self._checked(x), []
        for layer in self.down:
            x = layer(x)
            seen.append(x)
            x = MaxPool(2)(x)
        x = self.bottom(x)
        for rise, layer, beside in zip(self.rising, self.up, reversed(seen), strict=True):
            x = layer(concatenate([rise(x), beside], 3))
        return self.output(x)

    def train(self, x: Array, rng: np.random.Generator) -> tuple[Array, Self]:
        """Logits for training, and the network with its running statistics moved."""
        x, seen, down, up = self._checked(x), [], [], []
        for layer in self.down:
            x, layer = layer.train(x, rng)
            down.append(layer)
            seen.append(x)
            x = MaxPool(2)(x)
        x, bottom = self.bottom.train(x, rng)
        for rise, layer, beside in zip(self.rising, self.up, reversed(seen), strict=True):
            x, layer = layer.train(concatenate([rise(x), beside], 3), rng)
            up.append(layer)
        return self.output(x), evolve(self, down=tuple(down), bottom=bottom, up=tuple(up))

    def _checked(self, x: Array) -> Array:
        x = checked_array("UNet", "x", x)
        checked_images("UNet", x)
        multiple = 2 ** len(self.down)
        if x.shape[1] % multiple or x.shape[2] % multiple:
            raise ArgumentError(
                f"UNet: x must have a height and a width that are multiples of {multiple}; got {x.shape}."
            )
        return x


def _pair(inputs: int, outputs: int, rng: np.random.Generator, dtype: DTypeLike) -> Sequential:
    """Return two convolutions that keep the size, each with a norm and relu."""
    return Sequential(
        Conv(inputs, outputs, 3, padding="same", bias=False, rng=rng, dtype=dtype),
        BatchNorm(outputs, dtype=dtype),
        relu,
        Conv(outputs, outputs, 3, padding="same", bias=False, rng=rng, dtype=dtype),
        BatchNorm(outputs, dtype=dtype),
        relu,
    )
