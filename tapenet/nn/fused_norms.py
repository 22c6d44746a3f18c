"""Normalization of matrices by mean and variance, each as one operation: of channels, and of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tapenet.core.array_types import Array
from tapenet.core.batch_rules import broadcast_examples
from tapenet.core.batching import one_by_one
from tapenet.core.primitive import Primitive
from tapenet.kernels import normalization as kernels
from tapenet.nn.fused import Fused
from tapenet.ops.arrays.shaping import moveaxis, reshape
from tapenet.ops.elementwise.arithmetic import add, divide, multiply, sqrt, square, subtract
from tapenet.ops.elementwise.casting import astype
from tapenet.ops.reductions.reduction import mean


def _normalized(x: Array, axis: int, eps: float) -> tuple[Array, Array, Array]:
    center = mean(x, axis, keepdims=True)
    deviation = subtract(x, center)
    var = mean(square(deviation), axis, keepdims=True)
    return divide(deviation, sqrt(add(var, eps))), center, var


def _batch_norm(x: Array, scale: Array, offset: Array, unused: None, *, eps: float) -> tuple[Array, ...]:
    y, center, var = _normalized(x, 0, eps)
    return add(multiply(y, scale), offset), center[0], var[0]


def _layer_norm(x: Array, scale: Array, offset: Array, unused: None, *, eps: float) -> tuple[Array, ...]:
    return (add(multiply(_normalized(x, 1, eps)[0], scale), offset),)


def _as_channels(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Mapping[str, Any]
) -> Any:
    """Normalize channels of a batch: each example has channels of its own."""
    x, scale, offset = (broadcast_examples(a, own, size) for a, own in zip(arrays[:3], mapped, strict=False))
    _, rows, channels = x.shape
    x = reshape(moveaxis(x, 0, 1), (rows, size * channels))
    y, *others = primitive(x, reshape(scale, (-1,)), reshape(offset, (-1,)), None, **parameters)
    y = moveaxis(reshape(y, (rows, size, channels)), 1, 0)
    return (y, *(reshape(z, (size, channels)) for z in others))


def _as_rows(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Mapping[str, Any]
) -> Any:
    """Normalize rows of a batch, which are rows like others, where all have the same scale and offset."""
    if any(mapped[1:]):
        return one_by_one(primitive, arrays, mapped, size, parameters)
    x = arrays[0]
    given = primitive(reshape(x, (size * x.shape[1], x.shape[2])), *arrays[1:], **parameters)
    return tuple(reshape(y, (size, x.shape[1], y.shape[1])) for y in given)


_of_channels = Fused(
    "batch_norm", 3, 3, kernels.batch_norm, kernels.batch_norm_backward, _batch_norm, _as_channels
).primitive()
_of_rows = Fused("layer_norm", 3, 1, kernels.layer_norm, kernels.layer_norm_backward, _layer_norm, _as_rows).primitive()


def can_fuse(x: Array, *others: Array | None) -> bool:
    """Return whether the kernels take these arrays: real floats, the others one number for each of x's last axis."""
    return (
        x.dtype.kind == "f"
        and x.size > 0
        and all(a is None or (getattr(a, "shape", None) == x.shape[-1:] and a.dtype.kind == "f") for a in others)
    )


def normalized_channels(x: Array, scale: Array | None, offset: Array | None, eps: Any) -> tuple[Array, Array, Array]:
    """Normalize (..., C) over all axes but the last; return that, mean and var, in float32 of float16."""
    y, center, var, _ = _of_channels(*_matrices(x, scale, offset), None, eps=eps)
    return reshape(y, x.shape), center, var


def normalized_rows(x: Array, scale: Array | None, offset: Array | None, eps: Any) -> Array:
    """Normalize (..., features) over the last axis, in float32 of float16."""
    y, *_ = _of_rows(*_matrices(x, scale, offset), None, eps=eps)
    return reshape(y, x.shape)


def _matrices(x: Array, scale: Array | None, offset: Array | None) -> tuple[Array, Array, Array]:
    features = x.shape[-1]
    scale = np.ones(features, x.dtype) if scale is None else scale
    offset = np.zeros(features, x.dtype) if offset is None else offset
    return reshape(_wide(x), (x.size // features, features)), _wide(scale), _wide(offset)


def _wide(x: Array) -> Array:
    return astype(x, np.float32) if x.dtype == np.float16 else x
