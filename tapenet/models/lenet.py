"""LeNet, for small images such as handwritten digits."""

from __future__ import annotations

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


@attrs.frozen(init=False, eq=False)
class LeNet(Layer):
    """Two 5x5 convolutions (32, 64), each with relu and 2x2 max-pool, dense 1024 with dropout, dense to the classes.

    From images (N, H, W, channels) to logits (N, num_classes).

    Args:
        num_classes: the number of classes.
        rng: draws the parameters.
        image_size: (H, W), or an int for both; at least 16.
        channels: of the images.
        dropout: the rate of dropout in the dense layer, in [0, 1).
        dtype: of the parameters.

    Source: after LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition",
    Proc. IEEE 86 (1998), with relu, max-pooling, dropout and more channels.

    >>> LeNet(10, rng=np.random.default_rng(0))(np.zeros((2, 28, 28, 1), np.float32)).shape
    (2, 10)
    """

    layers: Sequential

    def __init__(
        self,
        num_classes: int = 10,
        *,
        rng: np.random.Generator,
        image_size: Window = 28,
        channels: int = 1,
        dropout: float = 0.5,
        dtype: DTypeLike = np.float32,
    ) -> None:
        height, width = checked_pair("LeNet", "image_size", image_size)
        if min(height, width) < 16:
            raise ArgumentError(f"LeNet: image_size must be at least 16; got {image_size!r}.")
        num_classes = checked_count("LeNet", "num_classes", num_classes)
        channels = checked_count("LeNet", "channels", channels)
        rng, dtype = checked_rng("LeNet", rng), checked_dtype("LeNet", "dtype", dtype)
        dropout = checked_number("LeNet", "dropout", dropout, "[0, 1)")
        pooled = [((size - 4) // 2 - 4) // 2 for size in (height, width)]
        self.__attrs_init__(
            Sequential(
                Conv(channels, 32, 5, rng=rng, dtype=dtype),
                relu,
                MaxPool(2),
                Conv(32, 64, 5, rng=rng, dtype=dtype),
                relu,
                MaxPool(2),
                Flatten(),
                Dense(64 * pooled[0] * pooled[1], 1024, rng=rng, dtype=dtype),
                relu,
                Dropout(dropout),
                Dense(1024, num_classes, rng=rng, dtype=dtype),
            )
        )

    def __call__(self, x: Array) -> Array:
        """Logits for inference, without dropout."""
        return self.layers(x)

    def train(self, x: Array, rng: np.random.Generator) -> tuple[Array, Self]:
        """Logits for training, and the network."""
        logits, layers = self.layers.train(x, rng)
        return logits, evolve(self, layers=layers)
