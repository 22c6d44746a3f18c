"""A convolutional autoencoder, for small images."""

from __future__ import annotations

from typing import Self

import attrs
import numpy as np
from numpy.typing import DTypeLike

from tapenet.core.argument_checks import checked_array, checked_count, checked_dtype, checked_pair, checked_rng
from tapenet.core.array_types import Array
from tapenet.core.pytrees import static_field
from tapenet.errors import ArgumentError
from tapenet.nn.activations import relu
from tapenet.nn.geometry import Window
from tapenet.nn.layers import Conv, Dense, Flatten, Layer, Sequential
from tapenet.nn.spatial_layers import ConvTranspose
from tapenet.ops.arrays.shaping import reshape


@attrs.frozen(init=False, eq=False)
class Autoencoder(Layer):
    """Two convolutions of stride 2 and a dense layer to a code, and the same back: images from a few numbers.

    From images (N, H, W, channels) to logits of their elements, (N, H, W, channels): `nn.sigmoid` of them are images
    of elements in [0, 1].

    Args:
        code: the length of the code of an image.
        rng: draws the parameters.
        image_size: (H, W), or an int for both; multiples of 4.
        channels: of the images.
        width: channels of the first convolution; the second has twice as many.
        dtype: of the parameters.

    Raises:
        ArgumentError: an image_size that is not a multiple of 4.

    Source: Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313 (2006).

    >>> model = Autoencoder(8, rng=np.random.default_rng(0))
    >>> x = np.zeros((2, 28, 28, 1), np.float32)
    >>> model.encode(x).shape, model(x).shape
    ((2, 8), (2, 28, 28, 1))
    """

    encoder: Sequential
    expansion: Dense
    decoder: Sequential
    size: tuple[int, int, int] = static_field()

    def __init__(
        self,
        code: int = 16,
        *,
        rng: np.random.Generator,
        image_size: Window = 28,
        channels: int = 1,
        width: int = 16,
        dtype: DTypeLike = np.float32,
    ) -> None:
        height, columns = checked_pair("Autoencoder", "image_size", image_size)
        if height % 4 or columns % 4:
            raise ArgumentError(f"Autoencoder: image_size must be a multiple of 4; got {image_size!r}.")
        code, channels, width = (
            checked_count("Autoencoder", name, value)
            for name, value in (("code", code), ("channels", channels), ("width", width))
        )
        rng, dtype = checked_rng("Autoencoder", rng), checked_dtype("Autoencoder", "dtype", dtype)
        size = (height // 4, columns // 4, 2 * width)
        features = size[0] * size[1] * size[2]
        encoder = Sequential(
            Conv(channels, width, 3, stride=2, padding="same", rng=rng, dtype=dtype),
            relu,
            Conv(width, 2 * width, 3, stride=2, padding="same", rng=rng, dtype=dtype),
            relu,
            Flatten(),
            Dense(features, code, rng=rng, dtype=dtype),
        )
        decoder = Sequential(
            relu,
            ConvTranspose(2 * width, width, 3, stride=2, padding="same", rng=rng, dtype=dtype),
            relu,
            ConvTranspose(width, channels, 3, stride=2, padding="same", rng=rng, dtype=dtype),
        )
        self.__attrs_init__(encoder, Dense(code, features, rng=rng, dtype=dtype), decoder, size)

    def encode(self, x: Array) -> Array:
        """Compute the codes of images, (N, code)."""
        return self.encoder(x)

    def decode(self, code: Array) -> Array:
        """Compute the logits of the elements of images from codes."""
        code = checked_array("Autoencoder.decode", "code", code)
        return self.decoder(reshape(self.expansion(code), (code.shape[0], *self.size)))

    def __call__(self, x: Array) -> Array:
        """Encode, and decode."""
        return self.decode(self.encode(x))

    def train(self, x: Array, rng: np.random.Generator) -> tuple[Array, Self]:
        """Encode, and decode; the network is unchanged."""
        return self(x), self
