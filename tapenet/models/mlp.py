"""A multilayer perceptron: dense layers, with an activation between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

import attrs
import numpy as np
from numpy.typing import DTypeLike

from tapenet.core.argument_checks import (
    checked_count,
    checked_dtype,
    checked_function,
    checked_number,
    checked_rng,
    checked_shape,
)
from tapenet.core.array_types import Array
from tapenet.core.pytrees import evolve
from tapenet.errors import ArgumentError
from tapenet.nn.activations import relu
from tapenet.nn.layers import Dense, Dropout, Function, Layer, Sequential


@attrs.frozen(init=False, eq=False)
class MLP(Layer):
    """Dense layers, each but the last with an activation and dropout: from (..., inputs) to (..., outputs).

    Args:
        inputs, outputs: numbers of features.
        hidden: the features of the layers between; an int for one layer.
        rng: draws the kernels.
        activation: between the layers.
        dropout: the rate of dropout behind each activation, in [0, 1).
        dtype: of the parameters.

    Source: Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", Nature 323 (1986).

    >>> MLP(2, (16, 16), 3, rng=np.random.default_rng(0))(np.zeros((5, 2), np.float32)).shape
    (5, 3)
    """

    layers: Sequential

    def __init__(
        self,
        inputs: int,
        hidden: int | Sequence[int],
        outputs: int,
        *,
        rng: np.random.Generator,
        activation: Callable[[Array], Array] = relu,
        dropout: float = 0.0,
        dtype: DTypeLike = np.float32,
    ) -> None:
        inputs, outputs = checked_count("MLP", "inputs", inputs), checked_count("MLP", "outputs", outputs)
        widths = checked_shape("MLP", "hidden", hidden)
        if 0 in widths:
            raise ArgumentError(f"MLP: hidden must have positive widths; got {widths}.")
        rng, dtype = checked_rng("MLP", rng), checked_dtype("MLP", "dtype", dtype)
        rate = checked_number("MLP", "dropout", dropout, "[0, 1)")
        checked_function("MLP", "activation", activation)
        layers: list[Layer] = []
        for width in widths:
            layers += [Dense(inputs, width, rng=rng, dtype=dtype), Function(activation)]
            layers += [Dropout(rate)] if rate else []
            inputs = width
        self.__attrs_init__(Sequential(*layers, Dense(inputs, outputs, rng=rng, dtype=dtype)))

    def __call__(self, x: Array) -> Array:
        """Compute the outputs for inference, without dropout."""
        return self.layers(x)

    def train(self, x: Array, rng: np.random.Generator) -> tuple[Array, Self]:
        """Compute the outputs for training, and return the network."""
        y, layers = self.layers.train(x, rng)
        return y, evolve(self, layers=layers)
