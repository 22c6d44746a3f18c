"""Layers as functions: dense, convolution, pooling, normalization, dropout, embedding. Channels come last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tapenet.core.argument_checks import (
    check_real,
    checked_array,
    checked_count,
    checked_dtype,
    checked_number,
    checked_pair,
    checked_rng,
)
from tapenet.core.arguments import axes_of
from tapenet.core.array_types import Array
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.source_lines import warn_at_user_line
from tapenet.core.tensor import Tensor, read_value
from tapenet.errors import ArgumentError, ArgumentTypeError, PrecisionWarning
from tapenet.nn.floats import as_floating
from tapenet.nn.fused_norms import can_fuse, normalized_channels, normalized_rows
from tapenet.nn.geometry import (
    Padding,
    Window,
    channels_in_front,
    check_fit,
    checked_images,
    kernel_channels,
    pool_geometry,
    sides,
)
from tapenet.ops.arrays.indexing import take
from tapenet.ops.arrays.shaping import reshape
from tapenet.ops.elementwise.arithmetic import add, divide, multiply, sqrt, square, subtract
from tapenet.ops.elementwise.casting import astype
from tapenet.ops.elementwise.complex import imag, real
from tapenet.ops.linalg.products import matmul, matrix_product
from tapenet.ops.nn import convolution, pooling
from tapenet.ops.nn.affine import affine
from tapenet.ops.reductions.reduction import mean


def shaped(function: str, name: str, x: Any, shape: tuple[int, ...], why: str) -> Any:
    """Check an array of a certain shape, or None."""
    if x is None:
        return None
    x = checked_array(function, name, x)
    if x.shape != shape:
        raise ArgumentError(f"{function}: {name} must have shape {shape}, {why}; got {x.shape}.")
    return x


def _broadcastable(function: str, name: str, y: Any, x: Array) -> Any:
    """Check an array that broadcasts to x; return a Python number, which has no dtype, as it is."""
    if type(y) is float or type(y) is int:
        return y
    y = checked_array(function, name, y)
    try:
        fits = np.broadcast_shapes(x.shape, y.shape) == x.shape
    except ValueError:
        fits = False
    if not fits:
        raise ArgumentError(f"{function}: {name} must broadcast to the shape of x, {x.shape}; got {y.shape}.")
    return y


def note_precision(function: str, x: Array, kernel: Array) -> None:
    """Warn where single precision was meant, most likely: NumPy computes in double precision, at its cost."""
    if x.dtype != kernel.dtype and x.dtype == np.float64 and kernel.dtype == np.float32:
        warn_at_user_line(
            f"{function}: x should have the precision of the parameters, float32; got float64, in which all that "
            "follows is computed, at two to three times the cost. Write x.astype(numpy.float32), or make the layers "
            "with dtype=numpy.float64.",
            PrecisionWarning,
        )


# ---- products ----

# What passes without checks: arrays and Tensors of floats. Each operation on a small array costs less than a check.
_QUICK = frozenset({np.ndarray, Tensor})
_FLOATING = frozenset(map(np.dtype, "efdgFDG"))


def dense(x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """Compute the affine map x kernel + bias.

    Derivatives: t kernel^T for x, x^T t summed over the leading axes for the kernel, t summed over them for the bias,
    with t the cotangent.

    Args:
        x: float array, shape (..., inputs).
        kernel: float array, shape (inputs, outputs).
        bias: float array, shape (outputs,), or None for none.

    Returns:
        An array, shape (..., outputs).

    Raises:
        ArgumentError: shapes that do not fit.
        ArgumentTypeError: an argument that is not numeric.

    >>> tn.nn.dense(np.ones((1, 2)), np.ones((2, 3)))
    array([[2., 2., 2.]])
    """
    dtype = x.dtype if type(x) in _QUICK else None
    if dtype not in _FLOATING or type(kernel) not in _QUICK or kernel.dtype is not dtype:
        x, kernel = checked_array("dense", "x", x), checked_array("dense", "kernel", kernel)
        note_precision("dense", x, kernel)
    x_shape, kernel_shape = x.shape, kernel.shape
    if len(kernel_shape) != 2 or not x_shape or x_shape[-1] != kernel_shape[0]:
        raise _not_a_dense_layer(x_shape, kernel_shape)
    if len(x_shape) > 2:  # all leading axes as one: one product of matrices
        y = dense(reshape(x, (math.prod(x_shape[:-1]), x_shape[-1])), kernel, bias)
        return reshape(y, (*x_shape[:-1], kernel_shape[1]))
    if bias is None:
        is_recorded = type(x) is Tensor or type(kernel) is Tensor
        return matrix_product(x, kernel) if is_recorded and len(x_shape) == 2 else matmul(x, kernel)
    if type(bias) not in _QUICK or bias.dtype is not dtype or bias.shape != kernel_shape[1:]:
        bias = shaped("dense", "bias", bias, kernel_shape[1:], "one number for each output")
    if len(x_shape) != 2:
        return add(matmul(x, kernel), bias)
    is_plain = type(x) is np.ndarray and type(kernel) is np.ndarray and type(bias) is np.ndarray
    return affine.forward(x, kernel, bias) if is_plain else affine(x, kernel, bias)


def _not_a_dense_layer(x: tuple[int, ...], kernel: tuple[int, ...]) -> ArgumentError:
    """Return the error of shapes that do not fit."""
    if len(kernel) != 2:
        return ArgumentError(f"dense: kernel must have shape (inputs, outputs); got {kernel}.")
    hint = " Flatten images first: x.reshape(len(x), -1)." if len(x) == 4 else ""
    return ArgumentError(f"dense: x must have shape (..., {kernel[0]}), for a kernel of {kernel}; got {x}.{hint}")


def conv(
    x: Array,
    kernel: Array,
    bias: Array | None = None,
    *,
    stride: Window = 1,
    padding: Padding = "valid",
    dilation: Window = 1,
    groups: int = 1,
) -> Array:
    """Convolve images with a kernel, and add a bias.

    y[n, i, j, o] = bias[o] + sum over a, b, c of x[n, i s + a d, j s + b d, c] kernel[a, b, c, o], with stride s
    and dilation d.

    As everywhere in this field, the kernel is not flipped (a cross-correlation).

    Derivatives: linear in x, in the kernel and in the bias; for x, the transposed convolution of the cotangent.

    Args:
        x: images, float array, shape (N, H, W, C).
        kernel: float array, shape (kh, kw, C // groups, O).
        bias: float array, shape (O,), or None for none.
        stride: steps between windows; an int or (vertical, horizontal).
        padding: zeros around the images: "valid" for none; "same" for ceil(H / stride) rows of output, the odd
            row at the bottom and the odd column at the right; an int; (rows, columns); or ((top, bottom),
            (left, right)).
        dilation: steps between the elements of a window; an int or a pair.
        groups: the number of blocks that channels and outputs are cut into, each convolved by itself.

    Returns:
        An array, shape (N, OH, OW, O), of the operands' common dtype.

    Raises:
        ArgumentError: shapes that do not fit; a padding that is none of these.
        ArgumentTypeError: an argument that is not numeric; a stride, dilation or groups that are not integers.

    >>> tn.nn.conv(np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1)))[0, :, :, 0]
    array([[4., 4.],
           [4., 4.]])
    """
    x, kernel = checked_array("conv", "x", x), checked_array("conv", "kernel", kernel)
    checked_images("conv", x, 2, kernel_channels(kernel, 2, -2, groups))
    if kernel.ndim != 4 or 0 in kernel.shape[:2]:
        raise ArgumentError(f"conv: kernel must have shape (kh, kw, C // groups, O); got {kernel.shape}.")
    channels, outputs = x.shape[3], kernel.shape[3]
    groups = checked_count("conv", "groups", groups)
    if channels % groups or outputs % groups:
        raise ArgumentError(
            f"conv: groups must divide the channels, {channels}, and the outputs, {outputs}; got {groups}."
        )
    if kernel.shape[2] != channels // groups:
        raise ArgumentError(
            f"conv: kernel must have shape (kh, kw, {channels // groups}, O) for x of {channels} channels in "
            f"{groups} groups; got {kernel.shape}.{channels_in_front(x, kernel.shape[2] * groups)}"
        )
    note_precision("conv", x, kernel)
    bias = shaped("conv", "bias", bias, (outputs,), "one number for each output")
    window, size = kernel.shape[:2], x.shape[1:3]
    steps, holes = checked_pair("conv", "stride", stride), checked_pair("conv", "dilation", dilation)
    around = sides("conv", padding, size, window, steps, holes)
    check_fit("conv", size, window, steps, around, holes)
    geometry = {"stride": steps, "padding": around, "dilation": holes, "groups": groups}
    if bias is None:
        return convolution.conv(x, kernel, **geometry)
    return convolution.conv_bias(x, kernel, bias, **geometry)


# ---- pooling ----


def max_pool(x: Array, window: Window, stride: Window | None = None, padding: Padding = "valid") -> Array:
    """Find the largest element of each window.

    Derivative: 1 for the largest element; of equal ones, for the first in row-major order.

    Args:
        x: images, real array, shape (N, H, W, C).
        window: an int or (height, width).
        stride: an int or a pair; the window by default.
        padding: as for `conv`; padded places never win.

    Returns:
        An array, shape (N, OH, OW, C).

    Raises:
        ArgumentError: x that is not a batch of images; a window that does not fit.
        ArgumentTypeError: a window or stride that is not an integer or a pair of them.

    >>> float(tn.nn.max_pool(np.arange(4.0).reshape(1, 2, 2, 1), 2)[0, 0, 0, 0])
    3.0
    """
    x = checked_array("max_pool", "x", x)
    check_real("max_pool", "x", x)
    return pooling.max_pool(x, **pool_geometry("max_pool", x, window, stride, padding))


def avg_pool(x: Array, window: Window, stride: Window | None = None, padding: Padding = "valid") -> Array:
    """Compute the mean of each window; padding is not counted.

    Derivative: linear; 1 / n for each of the n elements of a window.

    Args:
        x: images, float array, shape (N, H, W, C).
        window: an int or (height, width).
        stride: an int or a pair; the window by default.
        padding: as for `conv`.

    Returns:
        An array, shape (N, OH, OW, C).

    Raises:
        ArgumentError: x that is not a batch of images; a window that does not fit.
        ArgumentTypeError: a window or stride that is not an integer or a pair of them.

    >>> float(tn.nn.avg_pool(np.arange(4.0).reshape(1, 2, 2, 1), 2)[0, 0, 0, 0])
    1.5
    """
    x = checked_array("avg_pool", "x", x)
    return pooling.avg_pool(x, **pool_geometry("avg_pool", x, window, stride, padding))


# ---- normalization ----


class BatchStatistics(NamedTuple):
    """Mean and (biased) variance of each channel."""

    mean: Array
    var: Array


def widened(x: Array) -> Array:
    """float16 as float32: its squares would overflow from 256 on. PyTorch and JAX do so too. Integers as floats."""
    return astype(x, np.float32) if x.dtype == np.float16 else as_floating(x)


def as_result(y: Array, x: Array, *others: Array | None) -> Array:
    """Return what was computed of float16 in float32, in the dtype that NumPy gives to x and the others."""
    if x.dtype != np.float16:
        return y
    return astype(y, np.result_type(*(getattr(z, "dtype", z) for z in (x, *others) if z is not None)))


def moments(x: Array, axes: tuple[int, ...]) -> tuple[Array, BatchStatistics]:
    """Subtract from x its mean; give its mean and variance over axes too, which stay in place."""
    center = mean(x, axes, keepdims=True)
    deviation = subtract(x, center)
    squares = square(deviation)
    if x.dtype.kind == "c":
        squares = add(square(real(deviation)), square(imag(deviation)))
    return deviation, BatchStatistics(center, mean(squares, axes, keepdims=True))


def scale_and_offset(function: str, x: Array, scale: Array | None, offset: Array | None) -> tuple[Any, Any]:
    """Check arrays that broadcast to x, or None."""
    scale = None if scale is None else _broadcastable(function, "scale", scale, x)
    return scale, None if offset is None else _broadcastable(function, "offset", offset, x)


def scaled(y: Array, scale: Array | None, offset: Array | None) -> Array:
    y = y if scale is None else multiply(y, scale)
    return y if offset is None else add(y, offset)


def batch_norm(
    x: Array, scale: Array | None = None, offset: Array | None = None, *, eps: float = 1e-5
) -> tuple[Array, BatchStatistics]:
    """Normalize each channel by the batch's own mean and variance: scale (x - mean) / sqrt(var + eps) + offset.

    Derivatives: those of the formula, through the mean and the variance too; for the statistics those of `mean` and
    `var`.

    Args:
        x: float array, shape (..., C), of at least two axes; mean and variance are over all axes but the last.
        scale, offset: float arrays, shape (C,), or None for none.
        eps: added to the variance; not negative.

    Returns:
        y of the shape of x, and `BatchStatistics(mean, var)` of shape (C,) each, the variance biased (divided by n)
        and real; of float16 the statistics are float32, as a variance may be too large for it.

    Raises:
        ArgumentError: shapes that do not fit; a batch without elements; a negative eps.
        ArgumentTypeError: an argument that is not numeric.

    Source: Ioffe and Szegedy, "Batch normalization", arXiv:1502.03167, algorithm 1.

    >>> y, stats = tn.nn.batch_norm(np.array([[1.0], [3.0]]))
    >>> float(stats.mean[0]), float(stats.var[0])
    (2.0, 1.0)
    """
    x, eps = checked_array("batch_norm", "x", x), checked_number("batch_norm", "eps", eps, "[0, inf)")
    if x.ndim < 2:
        raise ArgumentError(f"batch_norm: x must have shape (..., C), of two axes or more; got {x.shape}.")
    if x.size == 0:
        raise ArgumentError(f"batch_norm: x must have elements to take the mean of; got shape {x.shape}.")
    scale = shaped("batch_norm", "scale", scale, x.shape[-1:], "one number for each channel")
    offset = shaped("batch_norm", "offset", offset, x.shape[-1:], "one number for each channel")
    if type(eps) is float and can_fuse(x, scale, offset):
        y, center, var = normalized_channels(x, scale, offset, eps)
        return as_result(y, x, scale, offset), BatchStatistics(center, var)
    deviation, stats = moments(widened(x), tuple(range(x.ndim - 1)))
    y = scaled(divide(deviation, sqrt(add(stats.var, eps))), scale, offset)
    y = as_result(y, x, scale, offset)
    channels = x.shape[-1:]
    return y, BatchStatistics(stats.mean.reshape(channels), stats.var.reshape(channels))


def normalize(
    x: Array, mean: Array, var: Array, scale: Array | None = None, offset: Array | None = None, *, eps: float = 1e-5
) -> Array:
    """Normalize by a given mean and variance, for inference: scale (x - mean) / sqrt(var + eps) + offset.

    Derivatives: those of the formula, for every array.

    Args:
        x: float array, shape (..., C).
        mean, var: arrays or numbers that broadcast to the shape of x.
        scale, offset: arrays or numbers that broadcast to the shape of x, or None for none.
        eps: added to the variance; not negative.

    Returns:
        An array of the shape of x.

    Raises:
        ArgumentError: an array that does not broadcast to x; a negative eps.
        ArgumentTypeError: an argument that is not numeric.

    >>> tn.nn.normalize(np.array([3.0]), 1.0, 4.0, eps=0.0)
    array([1.])
    """
    x, eps = checked_array("normalize", "x", x), checked_number("normalize", "eps", eps, "[0, inf)")
    mean, var = _broadcastable("normalize", "mean", mean, x), _broadcastable("normalize", "var", var, x)
    scale, offset = scale_and_offset("normalize", x, scale, offset)
    if isinstance(var, int | float) and not isinstance(var, np.generic):
        # The square root would be a float64 scalar otherwise.
        var = np.asarray(var, np.result_type(widened(x).dtype.type(0).real, 1.0))
    y = scaled(divide(subtract(widened(x), mean), sqrt(add(var, eps))), scale, offset)
    return as_result(y, x, scale, offset)


def layer_norm(
    x: Array,
    scale: Array | None = None,
    offset: Array | None = None,
    *,
    axis: int | Sequence[int] = -1,
    eps: float = 1e-5,
) -> Array:
    """Normalize each example by its own mean and variance over `axis`: scale (x - mean) / sqrt(var + eps) + offset.

    Derivatives: those of the formula, through the mean and the variance too.

    Args:
        x: float array of any shape with at least one axis.
        scale, offset: arrays or numbers that broadcast to the shape of x, or None for none.
        axis: an axis or several.
        eps: added to the variance; not negative.

    Returns:
        An array of the shape of x.

    Raises:
        ArgumentError: an x without axes; an array that does not broadcast to x; a negative eps.
        AxisError: an axis that x does not have.
        ArgumentTypeError: an argument that is not numeric.

    Source: Ba, Kiros and Hinton, "Layer normalization", arXiv:1607.06450.

    >>> tn.nn.layer_norm(np.array([1.0, 3.0]), eps=0.0)
    array([-1.,  1.])
    """
    x, eps = checked_array("layer_norm", "x", x), checked_number("layer_norm", "eps", eps, "[0, inf)")
    if x.ndim == 0:
        raise ArgumentError("layer_norm: x must have at least one axis; got shape ().")
    axes = axes_of("layer_norm", axis, x.ndim)
    scale, offset = scale_and_offset("layer_norm", x, scale, offset)
    if type(eps) is float and axes == (x.ndim - 1,) and can_fuse(x, scale, offset):
        return as_result(normalized_rows(x, scale, offset, eps), x, scale, offset)
    deviation, stats = moments(widened(x), axes)
    return as_result(scaled(divide(deviation, sqrt(add(stats.var, eps))), scale, offset), x, scale, offset)


# ---- regularization, embedding ----


def dropout(x: Array, rate: float, rng: np.random.Generator) -> Array:
    """Set each element to 0 with probability `rate`, and divide the others by 1 - rate.

    Under `vmap` all examples share one mask, as the function runs once. For a mask of each example apply dropout
    to the batch, outside of `vmap`, or map over masks.

    Derivative: linear; 1 / (1 - rate) for elements that are kept, else 0. None for the rate.

    Args:
        x: float array of any shape.
        rate: a number in [0, 1).
        rng: the generator to draw from, one number for each element.

    Returns:
        An array of the shape of x.

    Raises:
        ArgumentError: a rate outside of [0, 1).
        ArgumentTypeError: an x or rate that is not numeric; an rng that is not a generator.

    Source: Srivastava et al., "Dropout", JMLR 15 (2014), with the scaling at training time.

    >>> tn.nn.dropout(np.ones(4), 0.5, np.random.default_rng(0))
    array([2., 2., 2., 0.])
    """
    rate = checked_number("dropout", "rate", rate, "[0, 1)")
    x, rng = checked_array("dropout", "x", x), checked_rng("dropout", rng)
    return dropped(x, rate, rng, x.shape)


def spatial_dropout(x: Array, rate: float, rng: np.random.Generator) -> Array:
    """Set each channel of each example to 0 with probability `rate`, and divide the others by 1 - rate.

    Neighbours of a channel are alike, so that `dropout` of single elements takes little away.

    Derivative: linear; 1 / (1 - rate) for channels that are kept, else 0. None for the rate.

    Args:
        x: float array, shape (N, ..., C), such as images.
        rate: a number in [0, 1).
        rng: the generator to draw from, one number for each channel of each example.

    Returns:
        An array of the shape of x.

    Raises:
        ArgumentError: a rate outside of [0, 1); fewer than two axes.
        ArgumentTypeError: an x or rate that is not numeric; an rng that is not a generator.

    Source: Tompson et al., "Efficient object localization using convolutional networks", arXiv:1411.4280.

    >>> tn.nn.spatial_dropout(np.ones((1, 2, 3)), 0.5, np.random.default_rng(0))
    array([[[2., 2., 2.],
            [2., 2., 2.]]])
    """
    rate = checked_number("spatial_dropout", "rate", rate, "[0, 1)")
    x, rng = checked_array("spatial_dropout", "x", x), checked_rng("spatial_dropout", rng)
    if x.ndim < 2:
        raise ArgumentError(f"spatial_dropout: x must have shape (N, ..., C); got {x.shape}.")
    return dropped(x, rate, rng, (len(x), *(1,) * (x.ndim - 2), x.shape[-1]))


def stochastic_depth(x: Array, rate: float, rng: np.random.Generator) -> Array:
    """Set whole examples to 0 with probability `rate`, and divide the others by 1 - rate.

    Applied to a branch that is added to its input, it leaves out the branch, for each example by itself.

    Derivative: linear; 1 / (1 - rate) for examples that are kept, else 0. None for the rate.

    Args:
        x: float array, shape (N, ...).
        rate: a number in [0, 1).
        rng: the generator to draw from, one number for each example.

    Returns:
        An array of the shape of x.

    Raises:
        ArgumentError: a rate outside of [0, 1); an x without axes.
        ArgumentTypeError: an x or rate that is not numeric; an rng that is not a generator.

    Source: Huang, Sun, Liu, Sedra and Weinberger, "Deep networks with stochastic depth", arXiv:1603.09382.

    >>> tn.nn.stochastic_depth(np.ones((4, 1)), 0.5, np.random.default_rng(0)).ravel()
    array([2., 2., 2., 0.])
    """
    rate = checked_number("stochastic_depth", "rate", rate, "[0, 1)")
    x, rng = checked_array("stochastic_depth", "x", x), checked_rng("stochastic_depth", rng)
    if x.ndim == 0:
        raise ArgumentError("stochastic_depth: x must have shape (N, ...); got ().")
    return dropped(x, rate, rng, (len(x), *(1,) * (x.ndim - 1)))


def dropped(x: Array, rate: float, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Multiply x by 0 or 1 / (1 - rate), drawn for each element of a shape that broadcasts against that of x."""
    if rate == 0:
        return x
    kept = np.greater_equal(rng.random(shape, np.float32), rate)
    dtype = np.result_type(x.dtype, 1.0)
    return multiply(x, kept.astype(dtype) / dtype.type(1 - rate))


def embedding(table: Array, indices: Array) -> Array:
    """Look up rows: table[indices].

    Derivative: linear; a row receives the sum of the cotangents of all its uses. None for the indices.

    Args:
        table: float array, shape (rows, features).
        indices: integers in [0, rows), of any shape.

    Returns:
        An array, shape (*indices.shape, features).

    Raises:
        ArgumentError: a table without two axes; an index out of range.
        ArgumentTypeError: indices that are not integers.

    >>> tn.nn.embedding(np.eye(3), [2])
    array([[0., 0., 1.]])
    """
    table = checked_array("embedding", "table", table)
    places = checked_array("embedding", "indices", read_value(indices))
    if table.ndim != 2:
        raise ArgumentError(f"embedding: table must have shape (rows, features); got {table.shape}.")
    check_labels("embedding", "indices", places, table.shape[0])
    return table[places] if type(places) is not Tensor else take(table, places, 0)


def one_hot(labels: Array, num_classes: int, dtype: Any = np.float32) -> Array:
    """Make rows with 1 at the place of each label, else 0.

    No derivative: the labels are integers, and the result is a plain array.

    Args:
        labels: integers in [0, num_classes), of any shape.
        num_classes: the length of a row; positive.
        dtype: a numeric dtype.

    Returns:
        An array, shape (*labels.shape, num_classes).

    Raises:
        ArgumentError: a label out of range; a num_classes that is not positive.
        ArgumentTypeError: labels or a num_classes that are not integers; another dtype.

    >>> tn.nn.one_hot([1], 3)
    array([[0., 1., 0.]], dtype=float32)
    """
    num_classes = checked_count("one_hot", "num_classes", num_classes)
    dtype = checked_dtype("one_hot", "dtype", dtype, "biufc", "a numeric dtype")
    places = checked_array("one_hot", "labels", read_value(labels))
    check_labels("one_hot", "labels", places, num_classes)
    return (places[..., None] == np.arange(num_classes)).astype(dtype)


def check_labels(function: str, name: str, labels: Array, count: int) -> None:
    """Raise unless labels are integers in [0, count)."""
    if labels.dtype.kind not in "iu":
        raise ArgumentTypeError(f"{function}: {name} must be integers; got {labels.dtype}.")
    wrong = _label_out_of_range(labels, count)
    if wrong is not None:
        raise ArgumentError(f"{function}: {name} must be in [0, {count}); got {wrong}.")


@branch_condition
def _label_out_of_range(labels: Array, count: int) -> Any:
    """Find a label outside of [0, count), or None."""
    if labels.size and labels.min() < 0:
        return labels.min()
    return labels.max() if labels.size and labels.max() >= count else None
