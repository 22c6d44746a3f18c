"""Normalization of each example by itself: in groups of channels, by channels, and by the root of the mean square."""

from __future__ import annotations

from typing import Any

from tapenet.core.argument_checks import checked_array, checked_count, checked_number
from tapenet.core.array_types import Array
from tapenet.errors import ArgumentError
from tapenet.nn.floats import as_floating
from tapenet.nn.functions import as_result, moments, scaled, shaped, widened
from tapenet.ops.arrays.shaping import reshape
from tapenet.ops.elementwise.arithmetic import add, divide, sqrt, square
from tapenet.ops.elementwise.complex import imag, real
from tapenet.ops.reductions.reduction import mean


def group_norm(
    x: Array, groups: int, scale: Array | None = None, offset: Array | None = None, *, eps: float = 1e-5
) -> Array:
    """Normalize groups of channels of each example: scale (x - mean) / sqrt(var + eps) + offset.

    Mean and variance are over a group of C // groups channels and over all axes between, of one example.

    Derivatives: those of the formula, through the mean and the variance too.

    Args:
        x: float array, shape (N, ..., C).
        groups: the number of groups, which divides C.
        scale, offset: float arrays, shape (C,), or None for none.
        eps: added to the variance; not negative.

    Returns:
        An array of the shape of x.

    Raises:
        ArgumentError: shapes that do not fit; groups that do not divide C; a negative eps.
        ArgumentTypeError: an argument that is not numeric.

    Source: Wu and He, "Group normalization", arXiv:1803.08494.

    >>> tn.nn.group_norm(np.array([[1.0, 3.0, 10.0, 30.0]]), 2, eps=0.0)
    array([[-1.,  1., -1.,  1.]])
    """
    x = _checked("group_norm", x)
    groups = checked_count("group_norm", "groups", groups)
    channels = x.shape[-1]
    if channels % groups:
        raise ArgumentError(f"group_norm: groups must divide the channels, {channels}; got {groups}.")
    return _grouped("group_norm", x, groups, scale, offset, eps)


def instance_norm(x: Array, scale: Array | None = None, offset: Array | None = None, *, eps: float = 1e-5) -> Array:
    """Normalize each channel of each example over all axes between: scale (x - mean) / sqrt(var + eps) + offset.

    Derivatives: those of the formula, through the mean and the variance too.

    Args:
        x: float array, shape (N, ..., C).
        scale, offset: float arrays, shape (C,), or None for none.
        eps: added to the variance; not negative.

    Returns:
        An array of the shape of x.

    Raises:
        ArgumentError: shapes that do not fit; fewer than three axes; a negative eps.
        ArgumentTypeError: an argument that is not numeric.

    Source: Ulyanov, Vedaldi and Lempitsky, "Instance normalization", arXiv:1607.08022.

    >>> tn.nn.instance_norm(np.array([[[1.0], [3.0]]]), eps=0.0)[0, :, 0]
    array([-1.,  1.])
    """
    x = _checked("instance_norm", x)
    if x.ndim < 3:
        raise ArgumentError(f"instance_norm: x must have shape (N, ..., C), of three axes or more; got {x.shape}.")
    return _grouped("instance_norm", x, x.shape[-1], scale, offset, eps)


def _checked(function: str, x: Any) -> Array:
    x = checked_array(function, "x", x)
    if x.ndim < 2 or x.size == 0:
        raise ArgumentError(f"{function}: x must have shape (N, ..., C), and elements; got {x.shape}.")
    return x


def _grouped(function: str, x: Array, groups: int, scale: Any, offset: Any, eps: float) -> Array:
    eps = checked_number(function, "eps", eps, "[0, inf)")
    scale = shaped(function, "scale", scale, x.shape[-1:], "one number for each channel")
    offset = shaped(function, "offset", offset, x.shape[-1:], "one number for each channel")
    parts = reshape(widened(x), (*x.shape[:-1], groups, x.shape[-1] // groups))
    deviation, stats = moments(parts, (*range(1, x.ndim - 1), x.ndim))
    y = reshape(divide(deviation, sqrt(add(stats.var, eps))), x.shape)
    return as_result(scaled(y, scale, offset), x, scale, offset)


def rms_norm(x: Array, scale: Array | None = None, *, eps: float = 1e-6) -> Array:
    """Divide each example by the root of its mean square: scale x / sqrt(mean(x^2) + eps), over the last axis.

    Derivatives: those of the formula, through the mean too.

    Args:
        x: float array, shape (..., features); of complex numbers the mean is of |x|^2.
        scale: float array, shape (features,), or None for none.
        eps: added to the mean square; not negative.

    Returns:
        An array of the shape of x.

    Raises:
        ArgumentError: shapes that do not fit; an x without axes or features; a negative eps.
        ArgumentTypeError: an argument that is not numeric.

    Source: Zhang and Sennrich, "Root mean square layer normalization", arXiv:1910.07467.

    >>> tn.nn.rms_norm(np.array([3.0, 4.0]), np.array([1.0, 2.0])).round(3)
    array([0.849, 2.263])
    """
    x, eps = as_floating(checked_array("rms_norm", "x", x)), checked_number("rms_norm", "eps", eps, "[0, inf)")
    if x.ndim == 0 or x.shape[-1] == 0:
        raise ArgumentError(f"rms_norm: x must have shape (..., features); got {x.shape}.")
    scale = shaped("rms_norm", "scale", scale, x.shape[-1:], "one number for each feature")
    wide = widened(x)
    squares = square(wide) if x.dtype.kind != "c" else add(square(real(wide)), square(imag(wide)))
    y = divide(wide, sqrt(add(mean(squares, -1, keepdims=True), eps)))
    return as_result(scaled(y, scale, None), x, scale)
