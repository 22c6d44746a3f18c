"""Convolution of images, channels last: three primitives, each the transpose of the others.

They are the partial maps of one trilinear form <t, conv(x, kernel)>: each is bilinear, and its transposes are
the other two. With a bias, the first has a form that saves a pass. Geometry comes normalized: pairs for stride and
dilation, pairs of pairs for padding.
"""

# mypy: disable-error-code="has-type"
# Rules name the primitives whose rules they are, which mypy reads too late.

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tapenet.core.batch_rules import into_images, into_outputs
from tapenet.core.batching import one_by_one
from tapenet.core.families import general, multilinear
from tapenet.core.primitive import Array, Primitive
from tapenet.kernels.convolution import convolve, convolve_input, convolve_kernel
from tapenet.ops.arrays.shaping import reshape
from tapenet.ops.elementwise.arithmetic import add
from tapenet.ops.reductions.reduction import add_cotangents

Pair = tuple[int, int]


@multilinear(
    lambda t, kernel, x_shape, **geometry: conv_input(t, kernel, input_size=x_shape[1:3], **geometry),
    lambda t, x, kernel_shape, **geometry: conv_kernel(x, t, kernel_size=kernel_shape[:2], **geometry),
    name="conv",
    batch=into_outputs(1, fallback=into_images(0)),
)
def conv(x: Array, kernel: Array, **geometry: Any) -> Array:
    """Compute the cross-correlation (N, OH, OW, O) of x (N, H, W, C) with kernel (kh, kw, C // groups, O)."""
    return convolve(x, kernel, **geometry)


def _conv_bias_batched(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Mapping[str, Any]
) -> Array:
    """Convolve by the rule of `conv`, and add the bias."""
    x, kernel, bias = arrays
    if any(mapped[:2]):
        y = (conv.batch or one_by_one)(conv, (x, kernel), mapped[:2], size, parameters)
    else:
        y = conv(x, kernel, **parameters)
    return add(y, reshape(bias, (size, 1, 1, 1, -1)) if mapped[2] else bias)


@general(
    [
        lambda t, kernel, x_shape, **geometry: conv_input(t, kernel, input_size=x_shape[1:3], **geometry),
        lambda t, x, kernel_shape, **geometry: conv_kernel(x, t, kernel_size=kernel_shape[:2], **geometry),
        lambda t: add_cotangents(t, (0, 1, 2)),
    ],
    [
        lambda t, kernel, **geometry: conv(t, kernel, **geometry),
        lambda t, x, **geometry: conv(x, t, **geometry),
        lambda t: t,
    ],
    name="conv_bias",
    batch=_conv_bias_batched,
)
def conv_bias(x: Array, kernel: Array, bias: Array, **geometry: Any) -> Array:
    """Compute `conv` plus a bias (O,), which costs no pass of its own."""
    return convolve(x, kernel, bias, **geometry)


@multilinear(
    lambda t, kernel, input_size, **geometry: conv(t, kernel, **geometry),
    lambda t, y_bar, kernel_shape, input_size, **geometry: conv_kernel(
        t, y_bar, kernel_size=kernel_shape[:2], **geometry
    ),
    name="conv_input",
    batch=into_images(0),
)
def conv_input(y_bar: Array, kernel: Array, *, input_size: Pair, **geometry: Any) -> Array:
    """Apply the transpose of `conv` in x: (N, H, W, C) from (N, OH, OW, O)."""
    return convolve_input(y_bar, kernel, input_size=input_size, **geometry)


@multilinear(
    lambda t, y_bar, x_shape, kernel_size, **geometry: conv_input(y_bar, t, input_size=x_shape[1:3], **geometry),
    lambda t, x, kernel_size, **geometry: conv(x, t, **geometry),
    name="conv_kernel",
    batch=into_outputs(1),
)
def conv_kernel(x: Array, y_bar: Array, *, kernel_size: Pair, **geometry: Any) -> Array:
    """Apply the transpose of `conv` in the kernel: (kh, kw, C // groups, O) from x and (N, OH, OW, O)."""
    return convolve_kernel(x, y_bar, kernel_size=kernel_size, **geometry)
