"""VGG16, for photographs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import attrs
import numpy as np
from numpy.typing import DTypeLike

from tapenet.core.argument_checks import (
    checked_count,
    checked_dtype,
    checked_number,
    checked_pair,
    checked_rng,
)
from tapenet.core.array_types import Array
from tapenet.core.pytrees import evolve
from tapenet.errors import ArgumentError
from tapenet.nn.activations import relu
from tapenet.nn.geometry import Window
from tapenet.nn.layers import Conv, Dense, Dropout, Flatten, Layer, MaxPool, Sequential

# Of each block the channels, as a multiple of the first block's, and the number of convolutions before its max-pool.
_BLOCKS = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))


@attrs.frozen(init=False, eq=False)
class VGG16(Layer):
    """Thirteen 3x3 convolutions in five blocks, each closed by a 2x2 max-pool, and three dense layers.

    From images (N, H, W, channels) to logits (N, num_classes). The convolutions keep the size of the images and have
    width, 2 width, 4 width, 8 width and 8 width channels; the dense layers have 64 width features, with dropout.

    Args:
        num_classes: the number of classes.
        rng: draws the parameters.
        image_size: (H, W), or an int for both; at least 32.
        channels: of the images.
        width: channels of the first block.
        dropout: the rate of dropout in the dense layers, in [0, 1).
        dtype: of the parameters.

    Raises:
        ArgumentError: an image_size below 32, or a width below 1.

    Source: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition",
    arXiv:1409.1556, configuration D.

    >>> VGG16(10, rng=np.random.default_rng(0), image_size=32, width=2)(np.zeros((1, 32, 32, 3), np.float32)).shape
    (1, 10)
    """

    layers: Sequential

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        rng: np.random.Generator,
        image_size: Window = 224,
        channels: int = 3,
        width: int = 64,
        dropout: float = 0.5,
        dtype: DTypeLike = np.float32,
    ) -> None:
        height, columns = checked_pair("VGG16", "image_size", image_size)
        if min(height, columns) < 32:
            raise ArgumentError(f"VGG16: image_size must be at least 32; got {image_size!r}.")
        num_classes, channels, width = (
            checked_count("VGG16", name, value)
            for name, value in (("num_classes", num_classes), ("channels", channels), ("width", width))
        )
        rng, dtype = checked_rng("VGG16", rng), checked_dtype("VGG16", "dtype", dtype)
        dropout = checked_number("VGG16", "dropout", dropout, "[0, 1)")
        layers: list[Layer | Callable[[Array], Array]] = []
        for multiple, count in _BLOCKS:
            for _ in range(count):
                layers += [Conv(channels, multiple * width, 3, rng=rng, padding="same", dtype=dtype), relu]
                channels = multiple * width
            layers.append(MaxPool(2))
        layers.append(Flatten())
        features = channels * (height // 32) * (columns // 32)
        for _ in range(2):
            layers += [Dense(features, 64 * width, rng=rng, dtype=dtype), relu, Dropout(dropout)]
            features = 64 * width
        self.__attrs_init__(Sequential(*layers, Dense(features, num_classes, rng=rng, dtype=dtype)))

    def __call__(self, x: Array) -> Array:
        """Logits for inference, without dropout."""
        return self.layers(x)

    def train(self, x: Array, rng: np.random.Generator) -> tuple[Array, Self]:
        """Logits for training, and the network."""
        logits, layers = self.layers.train(x, rng)
        return logits, evolve(self, layers=layers)
