"""Attention as layers: several heads, and the block of a transformer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import attrs
import numpy as np
from numpy.typing import DTypeLike

from tapenet.core.argument_checks import (
    check_real,
    checked_array,
    checked_count,
    checked_dtype,
    checked_flag,
    checked_function,
    checked_number,
    checked_rng,
)
from tapenet.core.array_types import Array
from tapenet.core.pytrees import static_field
from tapenet.errors import ArgumentError
from tapenet.nn.activations import gelu
from tapenet.nn.attention import rotary, scaled_dot_product_attention
from tapenet.nn.functions import dense
from tapenet.nn.layers import Dense, Dropout, Function, Layer, LayerNorm, Sequential, Stateless
from tapenet.ops.arrays.shaping import moveaxis, reshape
from tapenet.ops.elementwise.arithmetic import add


@attrs.frozen(init=False, eq=False)
class MultiHeadAttention(Stateless):
    """Attention by several heads, from (N, L, features) to the same shape.

    Each head has queries, keys and values of features / heads features, which are projections of x; what the heads
    gather is joined and projected once more. With a context, keys and values are projections of that.

    Args:
        features: of x and of the result.
        heads: their number, which divides features.
        rng: draws the kernels, He-uniform; the biases start at zero.
        causal: whether a place may look at itself and those before it alone.
        rotary: whether queries and keys are turned by their positions, by `nn.rotary`.
        bias: whether the projections have one.
        dtype: of the parameters.

    Source: Vaswani et al., "Attention is all you need", arXiv:1706.03762.

    >>> layer = MultiHeadAttention(8, 2, rng=np.random.default_rng(0))
    >>> layer(np.ones((3, 5, 8), np.float32)).shape
    (3, 5, 8)
    """

    inputs: Dense
    output: Dense
    heads: int = static_field()
    causal: bool = static_field()
    rotary: bool = static_field()

    def __init__(
        self,
        features: int,
        heads: int,
        *,
        rng: np.random.Generator,
        causal: bool = False,
        rotary: bool = False,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        name = "MultiHeadAttention"
        features, heads = _checked_heads(name, features, heads)
        rng, dtype = checked_rng(name, rng), checked_dtype(name, "dtype", dtype)
        causal, rotary, bias = (
            checked_flag(name, n, flag) for n, flag in (("causal", causal), ("rotary", rotary), ("bias", bias))
        )
        if rotary and features // heads % 2:
            raise ArgumentError(f"{name}: heads must have an even number of features for rotary; got {heads} heads.")
        inputs = Dense(features, 3 * features, rng=rng, bias=bias, dtype=dtype)
        output = Dense(features, features, rng=rng, bias=bias, dtype=dtype)
        self.__attrs_init__(inputs, output, heads, causal, rotary)

    def __call__(self, x: Array, context: Array | None = None, mask: Array | None = None) -> Array:
        """Gather from x, or from a context (N, K, features), what each place of x asks for.

        The mask is as for `nn.scaled_dot_product_attention`, with shapes that broadcast to (N, heads, L, K). A mask of
        two axes is (L, K), one for all examples, also where N is L: for sequences of several lengths pass
        `nn.length_mask(lengths, K)[:, None, None, :]`.
        """
        x = self._checked("x", x)
        q, k, v = self._projected(x) if context is None else self._crossed(x, self._checked("context", context))
        if self.rotary:
            q, k = rotary(q), rotary(k)
        y = scaled_dot_product_attention(q, k, v, mask, causal=self.causal)
        return self.output(reshape(moveaxis(y, 1, 2), x.shape))

    def _checked(self, name: str, x: Array) -> Array:
        x = check_real("MultiHeadAttention", name, checked_array("MultiHeadAttention", name, x))
        features = self.output.kernel.shape[0]
        if x.ndim != 3 or x.shape[2] != features:
            hint = f" Add a batch axis: {name}[None]." if x.ndim == 2 and x.shape[1] == features else ""
            raise ArgumentError(f"MultiHeadAttention: {name} must have shape (N, L, {features}); got {x.shape}.{hint}")
        return x

    def _projected(self, x: Array) -> tuple[Array, Array, Array]:
        q, k, v = self._split(self.inputs(x), 3)
        return q, k, v

    def _crossed(self, x: Array, context: Array) -> tuple[Array, Array, Array]:
        kernel, bias = self.inputs.kernel, self.inputs.bias
        features = kernel.shape[0]
        of_x, of_context = (None, None) if bias is None else (bias[:features], bias[features:])
        (q,) = self._split(dense(x, kernel[:, :features], of_x), 1)
        k, v = self._split(dense(context, kernel[:, features:], of_context), 2)
        return q, k, v

    def _split(self, z: Array, parts: int) -> list[Array]:
        """Cut the last axis into parts, of heads each: shapes (N, heads, L, features of a head)."""
        n, length, features = z.shape
        z = reshape(z, (n, length, parts, self.heads, features // parts // self.heads))
        # Each by itself, so that their cotangents are joined as they lie in rows.
        return [moveaxis(z[:, :, i], 1, 2) for i in range(parts)]


def _checked_heads(layer: str, features: int, heads: int) -> tuple[int, int]:
    features, heads = checked_count(layer, "features", features), checked_count(layer, "heads", heads)
    if features % heads:
        raise ArgumentError(f"{layer}: heads must divide features, {features}; got {heads}.")
    return features, heads


@attrs.frozen(init=False, eq=False)
class TransformerBlock(Layer):
    """x + attention(norm(x)), and to that y + mlp(norm(y)): a block of a transformer, with its norms in front.

    The mlp is a dense layer to `hidden` features, an activation, and a dense layer back.

    Args:
        features: of x and of the result.
        heads: the number of heads, which divides features.
        rng: draws the kernels; the biases start at zero.
        hidden: features inside of the mlp; 4 features by default.
        causal, rotary: as for `MultiHeadAttention`.
        activation: of the mlp.
        dropout: the rate of dropout of both branches, in [0, 1).
        dtype: of the parameters.

    Source: Vaswani et al., "Attention is all you need", arXiv:1706.03762, with the norms of Xiong et al., "On layer
    normalization in the transformer architecture", arXiv:2002.04745.

    >>> block = TransformerBlock(8, 2, rng=np.random.default_rng(0))
    >>> block(np.ones((3, 5, 8), np.float32)).shape
    (3, 5, 8)
    """

    first_norm: LayerNorm
    attention: MultiHeadAttention
    second_norm: LayerNorm
    mlp: Sequential
    dropout: Dropout

    def __init__(
        self,
        features: int,
        heads: int,
        *,
        rng: np.random.Generator,
        hidden: int | None = None,
        causal: bool = False,
        rotary: bool = False,
        activation: Callable[[Array], Array] = gelu,
        dropout: float = 0.0,
        dtype: DTypeLike = np.float32,
    ) -> None:
        name = "TransformerBlock"
        features, heads = _checked_heads(name, features, heads)
        hidden = 4 * features if hidden is None else checked_count(name, "hidden", hidden)
        causal, rotary = checked_flag(name, "causal", causal), checked_flag(name, "rotary", rotary)
        checked_function(name, "activation", activation)
        dropout = checked_number(name, "dropout", dropout, "[0, 1)")
        rng, dtype = checked_rng(name, rng), checked_dtype(name, "dtype", dtype)
        self.__attrs_init__(
            LayerNorm(features, dtype=dtype),
            MultiHeadAttention(features, heads, rng=rng, causal=causal, rotary=rotary, dtype=dtype),
            LayerNorm(features, dtype=dtype),
            Sequential(
                Dense(features, hidden, rng=rng, dtype=dtype),
                Function(activation),
                Dense(hidden, features, rng=rng, dtype=dtype),
            ),
            Dropout(dropout),
        )

    def __call__(self, x: Array, mask: Array | None = None) -> Array:
        """Compute the output for inference; the mask is as for `MultiHeadAttention`."""
        x = add(x, self.attention(self.first_norm(x), mask=mask))
        return add(x, self.mlp(self.second_norm(x)))

    def train(self, x: Array, rng: np.random.Generator, mask: Array | None = None) -> tuple[Array, Self]:
        """Compute the output for training, with dropout, and return the block."""
        gathered, _ = self.dropout.train(self.attention(self.first_norm(x), mask=mask), rng)
        x = add(x, gathered)
        computed, _ = self.dropout.train(self.mlp(self.second_norm(x)), rng)
        return add(x, computed), self
