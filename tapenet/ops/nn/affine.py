"""The affine map of dense layers, as one primitive: the bias is added to the product in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tapenet.core.families import general
from tapenet.core.primitive import Array, Primitive
from tapenet.kernels.elementwise import add_bias
from tapenet.kernels.products import matmul as product
from tapenet.ops.arrays.shaping import matrix_transpose, reshape
from tapenet.ops.elementwise.arithmetic import add
from tapenet.ops.linalg.products import matmul, matrix_product
from tapenet.ops.reductions.reduction import add_cotangents


def _affine_batched(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Mapping[str, Any]
) -> Array:
    """Multiply stacks of matrices, and add the bias."""
    x, kernel, bias = arrays
    return add(matmul(x, kernel), reshape(bias, (size, 1, -1)) if mapped[2] else bias)


@general(
    [
        lambda t, kernel: matrix_product(t, matrix_transpose(kernel)),
        lambda t, x: matrix_product(matrix_transpose(x), t),
        lambda t: add_cotangents(t, (0,)),
    ],
    [lambda t, kernel: matrix_product(t, kernel), lambda t, x: matrix_product(x, t), lambda t: t],
    name="affine",
    batch=_affine_batched,
)
def affine(x: Array, kernel: Array, bias: Array) -> Array:
    """Compute x kernel + bias, of shapes (n, k), (k, m) and (m,)."""
    return add_bias(product(x, kernel), bias)
