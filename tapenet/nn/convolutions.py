"""Convolutions of sequences and volumes, and transposed ones, by the convolution of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from tapenet.core.argument_checks import checked_array, checked_count, checked_sizes
from tapenet.core.array_types import Array
from tapenet.errors import ArgumentError
from tapenet.nn.functions import note_precision, shaped
from tapenet.nn.geometry import (
    Block,
    BlockPadding,
    LinePadding,
    Padding,
    Pair,
    Window,
    channels_in_front,
    check_fit,
    checked_images,
    checked_padding,
    kernel_channels,
    sides,
)
from tapenet.ops.arrays.shaping import concatenate, moveaxis, reshape
from tapenet.ops.elementwise.arithmetic import add
from tapenet.ops.nn import convolution
from tapenet.ops.signal.padding import pad

_KERNELS = {1: "(k, {})", 2: "(kh, kw, {})", 3: "(kd, kh, kw, {})"}


@attrs.frozen
class _Geometry:
    """How windows lie, for each axis."""

    stride: tuple[int, ...]
    padding: tuple[Pair, ...]
    dilation: tuple[int, ...]
    groups: int


def conv1d(
    x: Array,
    kernel: Array,
    bias: Array | None = None,
    *,
    stride: int = 1,
    padding: LinePadding = "valid",
    dilation: int = 1,
    groups: int = 1,
) -> Array:
    """Convolve sequences with a kernel, and add a bias.

    y[n, i, o] = bias[o] + sum over a, c of x[n, i s + a d, c] kernel[a, c, o], with stride s and dilation d. A causal
    convolution, in which y[n, i] depends on x[n, :i + 1] alone, has padding ((k - 1) d, 0).

    Derivatives: linear in x, in the kernel and in the bias.

    Args:
        x: sequences, float array, shape (N, L, C).
        kernel: float array, shape (k, C // groups, O).
        bias: float array, shape (O,), or None for none.
        stride: steps between windows.
        padding: zeros around the sequences: "valid" for none; "same" for ceil(L / stride) places of output, the odd
            one at the end; an int; or (before, after).
        dilation: steps between the elements of a window.
        groups: the number of blocks that channels and outputs are cut into, each convolved by itself.

    Returns:
        An array, shape (N, OL, O), of the operands' common dtype.

    Raises:
        ArgumentError: shapes that do not fit; a padding that is none of these.
        ArgumentTypeError: an argument that is not numeric; a stride, dilation or groups that are not integers.

    >>> tn.nn.conv1d(np.ones((1, 4, 1)), np.ones((3, 1, 1)), padding=(2, 0))[0, :, 0]
    array([1., 2., 3., 3.])
    """
    x, kernel, bias, g = _checked("conv1d", x, kernel, bias, 1, stride, padding, dilation, groups)
    # As images of one column: all windows are one matrix.
    return squeezed(_images(unsqueezed(x), reshape(kernel, (len(kernel), 1, *kernel.shape[1:])), bias, _column(g)))


def conv3d(
    x: Array,
    kernel: Array,
    bias: Array | None = None,
    *,
    stride: Block = 1,
    padding: BlockPadding = "valid",
    dilation: Block = 1,
    groups: int = 1,
) -> Array:
    """Convolve volumes with a kernel, and add a bias.

    y[n, h, i, j, o] = bias[o] + sum over a, b, e, c of x[n, h s + a d, i s + b d, j s + e d, c] kernel[a, b, e, c, o],
    with stride s and dilation d, which may differ between the axes.

    Derivatives: linear in x, in the kernel and in the bias.

    Args:
        x: volumes, float array, shape (N, D, H, W, C).
        kernel: float array, shape (kd, kh, kw, C // groups, O).
        bias: float array, shape (O,), or None for none.
        stride: steps between windows; an int or three.
        padding: zeros around the volumes: "valid" for none; "same" for ceil(D / stride) planes of output, and so on,
            the odd one at the end; an int; three; or (before, after) for each axis.
        dilation: steps between the elements of a window; an int or three.
        groups: the number of blocks that channels and outputs are cut into, each convolved by itself.

    Returns:
        An array, shape (N, OD, OH, OW, O), of the operands' common dtype.

    Raises:
        ArgumentError: shapes that do not fit; a padding that is none of these.
        ArgumentTypeError: an argument that is not numeric; a stride, dilation or groups that are not integers.

    >>> tn.nn.conv3d(np.ones((1, 2, 3, 3, 1)), np.ones((2, 2, 2, 1, 1)))[0, 0, :, :, 0]
    array([[8., 8.],
           [8., 8.]])
    """
    x, kernel, bias, g = _checked("conv3d", x, kernel, bias, 3, stride, padding, dilation, groups)
    images, count = _stacked_planes(x, len(kernel), g)
    stacked = moveaxis(kernel, 0, 2)
    stacked = reshape(stacked, (*stacked.shape[:2], stacked.shape[2] * stacked.shape[3], stacked.shape[4]))
    y = _images(images, stacked, bias, attrs.evolve(g, **{name: getattr(g, name)[1:] for name in _BY_AXIS}))
    return reshape(y, (x.shape[0], count, *y.shape[1:]))


_BY_AXIS = ("stride", "padding", "dilation")


def _stacked_planes(x: Array, window: int, g: _Geometry) -> tuple[Array, int]:
    """Join the planes that a window looks at as channels of one image: (N, D, ...) to (N OD, H, W, kd C), and OD."""
    x = pad(x, ((0, 0), g.padding[0], *((0, 0),) * 3)) if any(g.padding[0]) else x
    step, hole = g.stride[0], g.dilation[0]
    count = (x.shape[1] - (window - 1) * hole - 1) // step + 1
    x = reshape(x, (*x.shape[:4], g.groups, 1, x.shape[4] // g.groups))
    taps = [x[:, tap * hole : tap * hole + (count - 1) * step + 1 : step] for tap in range(window)]
    planes = concatenate(taps, 5)  # the channels of a group stay together
    n, _, height, width, *channels = planes.shape
    return reshape(planes, (n * count, height, width, channels[0] * channels[1] * channels[2])), count


def _checked(
    function: str,
    x: Array,
    kernel: Array,
    bias: Array | None,
    axes: int,
    stride: Block,
    padding: BlockPadding,
    dilation: Block,
    groups: int,
) -> tuple[Array, Array, Array | None, _Geometry]:
    x, kernel = checked_array(function, "x", x), checked_array(function, "kernel", kernel)
    checked_images(function, x, axes, kernel_channels(kernel, axes, -2, groups))
    expected = _KERNELS[axes]
    if kernel.ndim != axes + 2 or 0 in kernel.shape[:axes]:
        raise ArgumentError(
            f"{function}: kernel must have shape {expected.format('C // groups, O')}; got {kernel.shape}."
        )
    channels, outputs = x.shape[-1], kernel.shape[-1]
    groups = checked_count(function, "groups", groups)
    if channels % groups or outputs % groups:
        raise ArgumentError(
            f"{function}: groups must divide the channels, {channels}, and the outputs, {outputs}; got {groups}."
        )
    if kernel.shape[-2] != channels // groups:
        raise ArgumentError(
            f"{function}: kernel must have shape {expected.format(f'{channels // groups}, O')} for x of {channels} "
            f"channels in {groups} groups; got {kernel.shape}.{channels_in_front(x, kernel.shape[-2] * groups)}"
        )
    note_precision(function, x, kernel)
    bias = shaped(function, "bias", bias, (outputs,), "one number for each output")
    window, size = kernel.shape[:axes], x.shape[1:-1]
    steps, holes = checked_sizes(function, "stride", stride, axes), checked_sizes(function, "dilation", dilation, axes)
    around = sides(function, padding, size, window, steps, holes)
    check_fit(function, size, window, steps, around, holes)
    return x, kernel, bias, _Geometry(steps, around, holes, groups)


def _images(x: Array, kernel: Array, bias: Array | None, g: _Geometry) -> Array:
    geometry: dict[str, Any] = attrs.asdict(g, recurse=False)
    if bias is None:
        return convolution.conv(x, kernel, **geometry)
    return convolution.conv_bias(x, kernel, bias, **geometry)


def _column(g: _Geometry) -> _Geometry:
    """Return the geometry of an image of one column."""
    return _Geometry((*g.stride, 1), (*g.padding, (0, 0)), (*g.dilation, 1), g.groups)


def unsqueezed(x: Array) -> Array:
    """Return sequences (N, L, C) as images of one column."""
    return reshape(x, (*x.shape[:2], 1, x.shape[2]))


def squeezed(x: Array) -> Array:
    """Return images of one column as sequences."""
    return reshape(x, (*x.shape[:2], x.shape[3]))


# ---- transposed ----


def conv_transpose(
    x: Array,
    kernel: Array,
    bias: Array | None = None,
    *,
    stride: Window = 1,
    padding: Padding = "valid",
    output_padding: Window = 0,
    dilation: Window = 1,
    groups: int = 1,
) -> Array:
    """Apply the transpose of `conv` to images, and add a bias: each place of x writes a window of y.

    y[n, i s + a d - top, j s + b d - left, o] gets x[n, i, j, c] kernel[a, b, o, c], with stride s and dilation d. With
    a stride of 2 it makes images of twice the size. The arguments mean what they mean in PyTorch's ConvTranspose2d,
    and the height of y is (H - 1) s - top - bottom + d (kh - 1) + output_padding + 1.

    Derivatives: linear in x, in the kernel and in the bias; for x, the convolution of the cotangent.

    Args:
        x: images, float array, shape (N, H, W, C).
        kernel: float array, shape (kh, kw, O // groups, C): that of the convolution which this is the transpose of.
        bias: float array, shape (O,), or None for none.
        stride: steps between windows; an int or (vertical, horizontal).
        padding: places of y that are cut off: "valid" for none; "same" for images of H s rows and W s columns; an
            int; (rows, columns); or ((top, bottom), (left, right)).
        output_padding: rows and columns added at the bottom and at the right, as several sizes of y have an x of one
            size; below the stride or the dilation; an int or a pair.
        dilation: steps between the elements of a window; an int or a pair.
        groups: the number of blocks that channels and outputs are cut into, each by itself.

    Returns:
        An array, shape (N, OH, OW, O), of the operands' common dtype.

    Raises:
        ArgumentError: shapes that do not fit; a padding that leaves nothing; an output_padding that is too large.
        ArgumentTypeError: an argument that is not numeric; a stride, dilation or groups that are not integers.

    Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.

    >>> tn.nn.conv_transpose(np.ones((1, 2, 2, 1)), np.ones((2, 2, 1, 1)), stride=2).shape
    (1, 4, 4, 1)
    """
    return _transposed("conv_transpose", x, kernel, bias, 2, stride, padding, output_padding, dilation, groups)


def conv_transpose1d(
    x: Array,
    kernel: Array,
    bias: Array | None = None,
    *,
    stride: int = 1,
    padding: LinePadding = "valid",
    output_padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Array:
    """Apply the transpose of `conv1d` to sequences, and add a bias: each place of x writes a window of y.

    y[n, i s + a d - before, o] gets x[n, i, c] kernel[a, o, c], with stride s and dilation d. The length of y is
    (L - 1) s - before - after + d (k - 1) + output_padding + 1.

    Derivatives: linear in x, in the kernel and in the bias; for x, the convolution of the cotangent.

    Args:
        x: sequences, float array, shape (N, L, C).
        kernel: float array, shape (k, O // groups, C): that of the convolution which this is the transpose of.
        bias: float array, shape (O,), or None for none.
        stride: steps between windows.
        padding: places of y that are cut off: "valid" for none; "same" for sequences of L s places; an int; or
            (before, after).
        output_padding: places added at the end; below the stride or the dilation.
        dilation: steps between the elements of a window.
        groups: the number of blocks that channels and outputs are cut into, each by itself.

    Returns:
        An array, shape (N, OL, O), of the operands' common dtype.

    Raises:
        ArgumentError: shapes that do not fit; a padding that leaves nothing; an output_padding that is too large.
        ArgumentTypeError: an argument that is not numeric; a stride, dilation or groups that are not integers.

    >>> tn.nn.conv_transpose1d(np.ones((1, 2, 1)), np.ones((3, 1, 1)), stride=2)[0, :, 0]
    array([1., 1., 2., 1., 1.])
    """
    return _transposed("conv_transpose1d", x, kernel, bias, 1, stride, padding, output_padding, dilation, groups)


def _transposed(
    function: str,
    x: Array,
    kernel: Array,
    bias: Array | None,
    axes: int,
    stride: Window,
    padding: Padding,
    output_padding: Window,
    dilation: Window,
    groups: int,
) -> Array:
    x, kernel = checked_array(function, "x", x), checked_array(function, "kernel", kernel)
    checked_images(function, x, axes, kernel_channels(kernel, axes, -1))
    expected = _KERNELS[axes]
    if kernel.ndim != axes + 2 or 0 in kernel.shape[:axes]:
        raise ArgumentError(
            f"{function}: kernel must have shape {expected.format('O // groups, C')}; got {kernel.shape}."
        )
    channels = x.shape[-1]
    groups = checked_count(function, "groups", groups)
    if channels % groups:
        raise ArgumentError(f"{function}: groups must divide the channels, {channels}; got {groups}.")
    if kernel.shape[-1] != channels:
        raise ArgumentError(
            f"{function}: kernel must have shape {expected.format(f'O // groups, {channels}')} for x of {channels} "
            f"channels; got {kernel.shape}.{channels_in_front(x, kernel.shape[-1])}"
        )
    note_precision(function, x, kernel)
    outputs = kernel.shape[-2] * groups
    bias = shaped(function, "bias", bias, (outputs,), "one number for each output")
    steps, holes = checked_sizes(function, "stride", stride, axes), checked_sizes(function, "dilation", dilation, axes)
    added = checked_sizes(function, "output_padding", output_padding, axes, low=0)
    if any(n and n >= max(step, hole) for n, step, hole in zip(added, steps, holes, strict=True)):
        raise ArgumentError(
            f"{function}: output_padding must be below the stride or the dilation; got {output_padding}."
        )
    sizes, around = _output_sizes(function, x.shape[1:-1], kernel.shape[:axes], steps, padding, added, holes)
    g = _Geometry(steps, around, holes, groups)
    if axes == 1:
        x, kernel, g, sizes = (
            unsqueezed(x),
            reshape(kernel, (len(kernel), 1, *kernel.shape[1:])),
            _column(g),
            (*sizes, 1),
        )
    y = convolution.conv_input(x, kernel, input_size=sizes, **attrs.asdict(g, recurse=False))
    y = squeezed(y) if axes == 1 else y
    return y if bias is None else add(y, bias)


def _output_sizes(
    function: str,
    size: Sequence[int],
    window: Sequence[int],
    stride: Sequence[int],
    padding: Padding,
    added: Sequence[int],
    dilation: Sequence[int],
) -> tuple[tuple[int, ...], tuple[Pair, ...]]:
    """Return the size of a transposed convolution's result, and the padding of the convolution that it transposes."""
    form = checked_padding(function, padding, len(size))
    if form == "same":
        if any(added):
            raise ArgumentError(f"{function}: output_padding must be 0 where padding is 'same'; got {tuple(added)}.")
        whole = tuple(n * step for n, step in zip(size, stride, strict=True))
        return whole, sides(function, padding, whole, tuple(window), tuple(stride), tuple(dilation))
    around = ((0, 0),) * len(size) if form == "valid" else form
    assert not isinstance(around, str)
    sizes = tuple(
        (n - 1) * step - sum(cut) + hole * (k - 1) + more + 1
        for n, step, cut, hole, k, more in zip(size, stride, around, dilation, window, added, strict=True)
    )
    if min(sizes) < 1:
        raise ArgumentError(
            f"{function}: padding must leave places of the result; got {padding!r}, which leaves {sizes}."
        )
    # The convolution does not look at the places that are added, but for those that a window reaches all the same.
    return sizes, tuple((before, after - more) for (before, after), more in zip(around, added, strict=True))
