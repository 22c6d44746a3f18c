"""A decoder-only transformer, which predicts the next symbol."""

from __future__ import annotations

from typing import Self

import attrs
import numpy as np
from numpy.typing import DTypeLike

from tapenet.core.argument_checks import (
    checked_array,
    checked_count,
    checked_dtype,
    checked_number,
    checked_rng,
)
from tapenet.core.array_types import Array
from tapenet.core.pytrees import evolve
from tapenet.errors import ArgumentError
from tapenet.nn.activations import softmax
from tapenet.nn.attention_layers import TransformerBlock
from tapenet.nn.layers import Dense, Dropout, Embedding, Layer, LayerNorm, Sequential


@attrs.frozen(init=False, eq=False)
class Transformer(Layer):
    """Embedded symbols, causal transformer blocks with rotary positions, a norm, and a dense layer to the symbols.

    From symbols, integers (N, L), to the logits of the symbol that follows each, (N, L, symbols).

    Args:
        symbols: how many there are.
        rng: draws the parameters.
        features: of each place.
        layers: the number of blocks.
        heads: of each block; they divide features into an even number for each.
        dropout: the rate of dropout behind the embedding and in the blocks, in [0, 1).
        dtype: of the parameters.

    Raises:
        ArgumentError: heads that do not divide features into an even number for each.

    Source: Radford et al., "Language models are unsupervised multitask learners" (2019), with rotary positions.

    >>> model = Transformer(10, rng=np.random.default_rng(0), features=16, layers=1, heads=2)
    >>> model(np.array([[1, 2, 3]])).shape
    (1, 3, 10)
    """

    embedding: Embedding
    dropout: Dropout
    blocks: Sequential
    norm: LayerNorm
    output: Dense

    def __init__(
        self,
        symbols: int,
        *,
        rng: np.random.Generator,
        features: int = 128,
        layers: int = 4,
        heads: int = 4,
        dropout: float = 0.0,
        dtype: DTypeLike = np.float32,
    ) -> None:
        symbols, features, layers, heads = (
            checked_count("Transformer", name, value)
            for name, value in (("symbols", symbols), ("features", features), ("layers", layers), ("heads", heads))
        )
        if features % (2 * heads):
            raise ArgumentError(
                f"Transformer: heads must divide features, {features}, into an even number for each; got {heads}."
            )
        dropout = checked_number("Transformer", "dropout", dropout, "[0, 1)")
        rng, dtype = checked_rng("Transformer", rng), checked_dtype("Transformer", "dtype", dtype)
        blocks = [
            TransformerBlock(features, heads, causal=True, rotary=True, dropout=dropout, rng=rng, dtype=dtype)
            for _ in range(layers)
        ]
        self.__attrs_init__(
            Embedding(symbols, features, rng=rng, dtype=dtype),
            Dropout(dropout),
            Sequential(*blocks),
            LayerNorm(features, dtype=dtype),
            Dense(features, symbols, rng=rng, dtype=dtype),
        )

    def __call__(self, x: Array) -> Array:
        """Logits for inference, without dropout."""
        return self.output(self.norm(self.blocks(self.embedding(x))))

    def train(self, x: Array, rng: np.random.Generator) -> tuple[Array, Self]:
        """Logits for training, with dropout, and the network."""
        h, _ = self.dropout.train(self.embedding(x), rng)
        h, blocks = self.blocks.train(h, rng)
        return self.output(self.norm(h)), evolve(self, blocks=blocks)

    def generate(
        self, x: Array, count: int, *, rng: np.random.Generator | None = None, temperature: float = 1.0
    ) -> Array:
        """Continue sequences by `count` symbols: each the most probable one, or one that is drawn.

        Args:
            x: the beginnings, integers, shape (N, L), of at least one symbol.
            count: how many symbols to add; at least 0.
            rng: draws each symbol by its probability; None takes the most probable one.
            temperature: by which logits are divided before a draw; positive.

        Returns:
            Integers, shape (N, L + count).
        """
        x = checked_array("Transformer.generate", "x", x)
        if x.ndim != 2 or x.shape[1] == 0 or x.dtype.kind not in "iu":
            raise ArgumentError(
                f"Transformer.generate: x must be integers, shape (N, L), L > 0; got {x.shape}, {x.dtype}."
            )
        count = checked_count("Transformer.generate", "count", count, low=0)
        temperature = checked_number("Transformer.generate", "temperature", temperature, "(0, inf)")
        for _ in range(count):
            logits = self(x)[:, -1]
            if rng is None:
                following = logits.argmax(-1)
            else:
                reached = np.cumsum(softmax(logits.astype(np.float64) / temperature), -1)
                drawn = checked_rng("Transformer.generate", rng).random((len(x), 1)) * reached[:, -1:]
                following = np.sum(reached <= drawn, -1)
            x = np.concatenate([x, following[:, None].astype(x.dtype)], 1)
        return x
