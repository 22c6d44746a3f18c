"""ResNet, for photographs and for small images."""

from __future__ import annotations

from typing import Literal, Self, get_args

import attrs
import numpy as np
from numpy.typing import DTypeLike

from tapenet.core.argument_checks import checked_choice, checked_count, checked_dtype, checked_rng
from tapenet.core.array_types import Array
from tapenet.core.pytrees import evolve
from tapenet.errors import ArgumentError
from tapenet.nn.activations import relu
from tapenet.nn.block_layers import Residual
from tapenet.nn.layers import BatchNorm, Conv, Dense, Function, Layer, MaxPool, Sequential
from tapenet.nn.spatial_layers import GlobalAvgPool

Stem = Literal["imagenet", "cifar"]

# By depth: the blocks of each stage, and whether a block is a bottleneck of three convolutions, to 4 times its width.
_STAGES = {18: ((2, 2, 2, 2), False), 34: ((3, 4, 6, 3), False), 50: ((3, 4, 6, 3), True)}


@attrs.frozen(init=False, eq=False)
class ResNet(Layer):
    """Residual blocks in four stages, of width, 2 width, 4 width and 8 width channels, and a dense layer.

    From images (N, H, W, channels) to logits (N, num_classes). Each stage but the first halves the size of the images.
    Blocks are two 3x3 convolutions, or, from depth 50 on, 1x1, 3x3 and 1x1 to four times the width.

    Args:
        depth: 18, 34 or 50, the number of layers with kernels.
        num_classes: the number of classes.
        rng: draws the parameters.
        stem: "imagenet" begins with a 7x7 convolution of stride 2 and a max-pool; "cifar", for images of some 32x32,
            with a 3x3 convolution that keeps their size.
        channels: of the images.
        width: channels of the first stage.
        dtype: of the parameters.

    Raises:
        ArgumentError: another depth or stem.

    Source: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", arXiv:1512.03385, with the stride of
    bottlenecks in the 3x3 convolution, as in PyTorch's torchvision.

    >>> model = ResNet(18, 10, rng=np.random.default_rng(0), stem="cifar", width=4)
    >>> model.train(np.zeros((1, 16, 16, 3), np.float32), np.random.default_rng(0))[0].shape
    (1, 10)
    """

    layers: Sequential

    def __init__(
        self,
        depth: int = 18,
        num_classes: int = 1000,
        *,
        rng: np.random.Generator,
        stem: Stem = "imagenet",
        channels: int = 3,
        width: int = 64,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if checked_count("ResNet", "depth", depth) not in _STAGES:
            raise ArgumentError(f"ResNet: depth must be {', '.join(map(str, _STAGES))}; got {depth}.")
        num_classes, channels, width = (
            checked_count("ResNet", name, value)
            for name, value in (("num_classes", num_classes), ("channels", channels), ("width", width))
        )
        checked_choice("ResNet", "stem", stem, get_args(Stem))
        make = _Maker(checked_rng("ResNet", rng), checked_dtype("ResNet", "dtype", dtype))
        counts, is_bottleneck = _STAGES[depth]
        layers = make.stem(channels, width, stem)
        inputs = width
        for stage, count in enumerate(counts):
            for i in range(count):
                stride = 2 if stage and not i else 1
                inside, outputs = make.inside(inputs, width * 2**stage, stride, is_bottleneck)
                layers += [make.block(inside, inputs, outputs, stride), Function(relu)]
                inputs = outputs
        dense = Dense(inputs, num_classes, rng=make.rng, dtype=make.dtype)
        self.__attrs_init__(Sequential(*layers, GlobalAvgPool(), dense))

    def __call__(self, x: Array) -> Array:
        """Logits for inference, by the running statistics."""
        return self.layers(x)

    def train(self, x: Array, rng: np.random.Generator) -> tuple[Array, Self]:
        """Logits for training, and the network with its running statistics moved."""
        logits, layers = self.layers.train(x, rng)
        return logits, evolve(self, layers=layers)


@attrs.frozen
class _Maker:
    """Makes the parts of a ResNet."""

    rng: np.random.Generator
    dtype: DTypeLike

    def conv(self, inputs: int, outputs: int, window: int, stride: int = 1) -> list[Layer]:
        """Return a convolution without bias, which the norm behind it would take away."""
        padding = window // 2
        conv = Conv(inputs, outputs, window, rng=self.rng, stride=stride, padding=padding, bias=False, dtype=self.dtype)
        return [conv, BatchNorm(outputs, dtype=self.dtype)]

    def stem(self, channels: int, width: int, stem: Stem) -> list[Layer]:
        """Return the layers before the first stage."""
        if stem == "cifar":
            return [*self.conv(channels, width, 3), Function(relu)]
        return [*self.conv(channels, width, 7, 2), Function(relu), MaxPool(3, 2, 1)]

    def inside(self, inputs: int, width: int, stride: int, is_bottleneck: bool) -> tuple[Sequential, int]:
        """Return the convolutions of a block, and how many channels they give."""
        if not is_bottleneck:
            first, second = self.conv(inputs, width, 3, stride), self.conv(width, width, 3)
            return Sequential(*first, Function(relu), *second), width
        first, second = self.conv(inputs, width, 1), self.conv(width, width, 3, stride)
        third = self.conv(width, 4 * width, 1)
        return Sequential(*first, Function(relu), *second, Function(relu), *third), 4 * width

    def block(self, inside: Sequential, inputs: int, outputs: int, stride: int) -> Residual:
        """Return a block, with a projection as its shortcut where the shape changes."""
        shortcut = Sequential(*self.conv(inputs, outputs, 1, stride)) if stride > 1 or inputs != outputs else None
        return Residual(inside, shortcut)
