"""Projection of a rule's answer onto the space of the value that it is for: its shape, realness and dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.primitive import Array
from tapenet.core.record import Shape
from tapenet.errors import RuleError
from tapenet.ops.arrays.shaping import broadcast_to, reshape
from tapenet.ops.elementwise.casting import astype
from tapenet.ops.elementwise.complex import real
from tapenet.ops.reductions.reduction import add_cotangents


def project_cotangent(cotangent: Array, shape: Shape | None, dtype: Any, primitive: str) -> Array:
    """Project a cotangent onto the space of an operand: sum over broadcast axes, take the real part, cast."""
    if cotangent.shape != shape:
        cotangent = _unbroadcast(cotangent, shape, primitive)
    return as_dtype(cotangent, dtype)


def project_tangent(tangent: Array, shape: Shape, dtype: Any, primitive: str) -> Array:
    """Project a tangent onto the space of an output: broadcast to its shape, take the real part, cast."""
    if tangent.shape != shape:
        if not _broadcasts(tangent.shape, shape):
            raise RuleError(
                f"{primitive}: the rule's tangent must have shape {shape}, as its output, "
                f"or one that broadcasts to it; got {tangent.shape}."
            )
        tangent = broadcast_to(tangent, shape)
    return as_dtype(tangent, dtype)


def _broadcasts(shape: Shape, to: Shape) -> bool:
    lengths = zip(reversed(shape), reversed(to), strict=False)
    return len(shape) <= len(to) and all(length in (1, other) for length, other in lengths)


def as_dtype(x: Array, dtype: np.dtype[Any]) -> Array:
    """Return `x` real where it is to be real, and of a dtype."""
    if x.dtype == dtype:
        return x
    if x.dtype.kind == "c" and dtype.kind == "f":  # a cast alone would warn of the part that it drops
        x = real(x)
    return x if x.dtype == dtype else astype(x, dtype)


def _unbroadcast(x: Array, shape: Shape | None, primitive: str) -> Array:
    """Sum over the axes along which an operand of `shape` was broadcast to the shape of `x`."""
    assert shape is not None
    leading = x.ndim - len(shape)
    if leading > 0 and x.shape[leading:] == shape:  # hot: a bias, of which no axis was stretched
        return add_cotangents(x, tuple(range(leading)))
    stretched = [
        leading + axis
        for axis, length in enumerate(shape)
        if length == 1 and leading >= 0 and x.shape[leading + axis] != 1
    ]
    summed = add_cotangents(x, (*range(leading), *stretched), keepdims=True)
    if leading < 0 or summed.shape[leading:] != shape:
        raise RuleError(
            f"{primitive}: the rule's cotangent must have shape {shape}, as its operand, "
            f"or one that it broadcasts to; got {x.shape}."
        )
    if not leading:
        return summed
    return summed.reshape(shape) if type(summed) is np.ndarray else reshape(summed, shape)
