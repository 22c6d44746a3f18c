"""Convolution of images, channels last, and its two transposes.

The three kernels are the partial maps of one trilinear form, a sum over all indices,

    <t, convolve(x, kernel)> = sum of t[n, oh, ow, o] * x[n, h, w, c] * kernel[i, j, c, o]

    h = oh * stride[0] + i * dilation[0] - top
    w = ow * stride[1] + j * dilation[1] - left

where places (h, w) outside of the input count as zero. Nothing is conjugated: for complex arrays these are
plain transposes. Shapes are

    x       (N, H, W, C)
    kernel  (kh, kw, C // groups, O)
    t, y    (N, OH, OW, O)

How: where LLVM compiles code for it, images are read where they lie: see `direct`. By NumPy and BLAS, the rows
that a row of windows looks at are stacked, column by column, to (N * OH, W, kh * C). There the windows of one
output *column* are a matrix with a constant row stride, which BLAS multiplies where it lies. So kh copies of x are
made where im2col makes kh * kw; padding takes no multiplications left and right; and each product is written
straight to its place. Where these matrices would be small, the columns are stacked too, which is im2col. Kernels of
3x3 have a module of their own, `winograd`, whose tiles would spread a NaN or an infinity to outputs that do not look
at it: where one comes out, all is computed again in the direct way.
"""

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import numpy as np

from tapenet.kernels import direct, winograd
from tapenet.kernels.backends import loops_for
from tapenet.kernels.elementwise import add_bias
from tapenet.kernels.memory import empty, zeros
from tapenet.kernels.products import multiply_shared, product, shared_product
from tapenet.kernels.teams import Following
from tapenet.kernels.threads import share
from tapenet.kernels.windows import Array, Axis, Padding, Pair, cache_sized, computing_dtype, lay, positions

Followed = Callable[[Array], Following]

# Bytes of stacked rows made at a time: less makes small matrices, more leaves the cache.
STACK_SIZE = 2**24

# Bytes of windows below which they are multiplied at once.
AT_ONCE_SIZE = 2**17

# Outputs of an image that are few, and bytes of a kernel that are many: see `_algorithm`.
FEW_PLACES = 4
LARGE_KERNEL_SIZE = 2**18

# Elements that are looked at at a time for what is not finite.
FINITE_AT_ONCE = 2**16

# Bytes of images that a depthwise convolution works on at a time.
DEPTHWISE_SIZE = 2**18


def convolve(
    x: Array,
    kernel: Array,
    bias: Array | None = None,
    *,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    following: Followed | None = None,
) -> Array:
    """Cross-correlate images with a kernel.

    Args:
        x: array, shape (N, H, W, C).
        kernel: array, shape (kh, kw, C // groups, O).
        bias: array, shape (O,), that is added; None for zeros.
        stride: distances (vertical, horizontal) between windows.
        padding: numbers of zeros around each image, ((top, bottom), (left, right)).
        dilation: distances (vertical, horizontal) between the taps of a window.
        groups: number of blocks into which C and O are cut; block g of y depends on block g of x only.
        following: returns for the result what is done with its rows, of (N * OH * OW, O), as they are written.

    Returns:
        Array, shape (N, OH, OW, O), of the operands' common dtype.
    """
    rows, columns = _axes(x.shape, kernel.shape[:2], stride, padding, dilation)
    dtype = np.result_type(x, kernel)
    x, kernel = _operand(x, dtype), _operand(kernel, dtype)
    if bias is not None and not _joins(bias, x, kernel, dtype, groups):
        y = convolve(x, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups)
        return _done(add_bias(y.astype(dtype, copy=False), bias), following)
    y = empty((x.shape[0], rows.count, columns.count, kernel.shape[3]), x.dtype)
    if _is_plain(stride, dilation, groups) and winograd.suits(kernel.shape, y.shape, y.dtype):
        # What is not finite is computed again below, and warns there.
        with np.errstate(over="ignore", invalid="ignore"):
            winograd.convolve(x, kernel, (rows.before, columns.before), y)
        if _is_finite(y):
            return _done(y.astype(dtype, copy=False) if bias is None else add_bias(y, bias), following)
    code = direct.direct_for(kernel.shape, y.dtype, groups) if y.size else None
    if code is not None and (following is None or y.dtype == dtype):
        windows = direct.Windows.on(direct.padded(x, rows, columns), rows, columns, groups)
        direct.convolve(code, windows, kernel, y, bias, None if following is None else following(y))
        return y.astype(dtype, copy=False)
    way = _algorithm(kernel, groups, rows, columns)

    def work(images: slice) -> None:
        for parts in _parts(x[images], kernel, y[images], groups):
            way.forward(*parts, rows, columns)

    share(work, len(x), _work_size(x, kernel, y))
    return _done(y.astype(dtype, copy=False), following)


def _is_finite(x: Array) -> bool:
    """Return whether all elements of an array in C order are finite, with no mask of its size."""
    flat = x.reshape(-1)
    return all(np.isfinite(flat[first : first + FINITE_AT_ONCE]).all() for first in range(0, x.size, FINITE_AT_ONCE))


def _done(y: Array, following: Followed | None) -> Array:
    """Do what follows a result on all of its rows, and return it."""
    if following is not None:
        following(y).after(y.size // y.shape[-1], 2 * y.nbytes)
    return y


def _joins(bias: Array, x: Array, kernel: Array, dtype: np.dtype[Any], groups: int) -> bool:
    """Return whether sums can begin with a bias."""
    is_plain = type(bias) is np.ndarray and bias.dtype == x.dtype == dtype and bias.flags.c_contiguous
    return is_plain and x.size > 0 and direct.direct_for(kernel.shape, dtype, groups) is not None


def convolve_input(
    t: Array,
    kernel: Array,
    *,
    input_size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    following: Followed | None = None,
) -> Array:
    """Transpose `convolve` in x: the cotangent of the images ("transposed convolution").

    Args:
        t: array, shape (N, OH, OW, O).
        kernel: array, shape (kh, kw, C // groups, O).
        input_size: (H, W).
        stride: as for `convolve`.
        padding: as for `convolve`.
        dilation: as for `convolve`.
        groups: as for `convolve`.
        following: as for `convolve`, of rows of (N * H * W, C).

    Returns:
        Array, shape (N, H, W, C).
    """
    shape = (t.shape[0], *input_size, kernel.shape[2] * groups)
    rows, columns = _axes(shape, kernel.shape[:2], stride, padding, dilation)
    dtype = np.result_type(t, kernel)
    t, kernel = _operand(t, dtype), _operand(kernel, dtype)
    # Padding of this transposed convolution; where it is negative places are cropped, which the tiles cannot do.
    before = 2 - rows.before, 2 - columns.before
    if _is_plain(stride, dilation, groups) and min(before) >= 0 and winograd.suits(kernel.shape, shape, t.dtype):
        x = empty(shape, t.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            winograd.convolve(t, kernel, before, x, turned=True)
        if _is_finite(x):
            return _done(x.astype(dtype, copy=False), following)
    code = direct.direct_for(kernel.shape, t.dtype, groups) if t.size and direct.shares_input(t, kernel) else None
    if code is not None:
        frame = zeros(direct.padded_shape(shape, rows, columns), t.dtype)
        at_once = following(frame) if following is not None and frame.shape == shape and t.dtype == dtype else None
        direct.convolve_input(code, direct.Windows.on(frame, rows, columns, groups), kernel, t, at_once)
        x = direct.unpadded(frame, shape, rows, columns).astype(dtype, copy=False)
        return x if at_once is not None else _done(x, following)
    x = zeros(shape, t.dtype)
    way = _algorithm(kernel, groups, rows, columns)

    def work(images: slice) -> None:
        for parts in _parts(x[images], kernel, t[images], groups):
            way.input(*parts, rows, columns)

    share(work, len(x), _work_size(x, kernel, t))
    return _done(x.astype(dtype, copy=False), following)


def convolve_kernel(
    x: Array, t: Array, *, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> Array:
    """Transpose `convolve` in the kernel: the cotangent of the kernel.

    Args:
        x: array, shape (N, H, W, C).
        t: array, shape (N, OH, OW, O).
        kernel_size: (kh, kw).
        stride: as for `convolve`.
        padding: as for `convolve`.
        dilation: as for `convolve`.
        groups: as for `convolve`.

    Returns:
        Array, shape (kh, kw, C // groups, O).
    """
    rows, columns = _axes(x.shape, kernel_size, stride, padding, dilation)
    dtype = np.result_type(x, t)
    x, t = _operand(x, dtype), _operand(t, dtype)
    shape = (*kernel_size, x.shape[3] // groups, t.shape[3])
    if _is_plain(stride, dilation, groups) and winograd.suits(shape, t.shape, t.dtype):
        with np.errstate(over="ignore", invalid="ignore"):
            kernel = winograd.convolve_kernel(x, t, (rows.before, columns.before))
        if _is_finite(kernel):
            return kernel.astype(dtype, copy=False)
    kernel = zeros(shape, x.dtype)
    code = direct.direct_for(shape, x.dtype, groups) if t.size else None
    if code is not None:
        windows = direct.Windows.on(direct.padded(x, rows, columns), rows, columns, groups)
        direct.convolve_kernel(code, windows, t, kernel)
        return kernel.astype(dtype, copy=False)
    way = _algorithm(kernel, groups, rows, columns)
    terms = {0: kernel}

    def work(images: slice) -> None:
        # Each thread adds to an array of its own, the first to the result.
        term = terms.setdefault(images.start, zeros(shape, x.dtype) if images.start else kernel)
        for parts in _parts(x[images], term, t[images], groups):
            way.kernel(*parts, rows, columns)

    share(work, len(x), _work_size(x, kernel, t))
    for start in sorted(terms.keys() - {0}):  # in the order of the parts, whichever thread was done first
        kernel += terms[start]
    return kernel.astype(dtype, copy=False)


# Each of the following reads two of its first three operands; to y it writes, to the other two it adds.


def _dense(x: Array, kernel: Array, y: Array, rows: Axis, columns: Axis) -> None:
    stacked = _stack(x, rows)
    weights = _stacked_weights(kernel)
    products = _flat(y, 0)
    if _at_once(kernel, products, columns):
        multiply_shared(_stack(stacked[:, :, None], columns)[:, 0], _flat(weights, 0), _flat(products, 0))
        return
    for output in range(columns.count):
        taps, places = columns.taps_of(output)
        multiply_shared(_flat(stacked[:, places], 1), _flat(weights[taps], 0), products[:, output])


def _dense_input(x: Array, kernel: Array, t: Array, rows: Axis, columns: Axis) -> None:
    products = _flat(np.ascontiguousarray(t), 0)  # a group of channels is a view with gaps
    if _at_once(kernel, products, columns):
        stacked = shared_product(_flat(products, 0), _flat(_stacked_weights(kernel), 0).T)
        if not columns.trivial:
            windows = stacked
            stacked = zeros((products.shape[0], columns.size, 1, rows.window * x.shape[3]), t.dtype)
            _unstack(windows, columns, stacked)
    else:
        # Taps backwards: the windows that reach one place lie in ascending order, side by side.
        weights = _flat(np.ascontiguousarray(kernel[:, ::-1].transpose(0, 2, 1, 3)), 0)
        stacked = empty((products.shape[0], columns.size, weights.shape[0]), t.dtype)
        for place in range(columns.size):
            taps, outputs = columns.taps_on(place)
            multiply_shared(_flat(products[:, outputs], 1), _flat(weights[:, taps], 1).T, stacked[:, place])
    _unstack(stacked, rows, x)


def _dense_kernel(x: Array, kernel: Array, t: Array, rows: Axis, columns: Axis) -> None:
    stacked = _stack(x, rows)
    products = _flat(t, 0)
    if _at_once(kernel, products, columns):
        weights = shared_product(_stack(stacked[:, :, None], columns)[:, 0].T, _flat(products, 0))
    else:
        weights = zeros((columns.window, stacked.shape[2], t.shape[3]), t.dtype)
        for output in range(columns.count):
            taps, places = columns.taps_of(output)
            _flat(weights[taps], 0)[...] += shared_product(_flat(stacked[:, places], 1).T, products[:, output])
    kernel += weights.reshape(kernel.swapaxes(0, 1).shape).swapaxes(0, 1)


def _depthwise(x: Array, kernel: Array, y: Array, rows: Axis, columns: Axis) -> None:
    y[...] = 0
    for (i, j), outputs, places in positions(rows, columns):
        y[outputs] += x[places] * _repeated(kernel[i, j], x[places])


def _depthwise_input(x: Array, kernel: Array, t: Array, rows: Axis, columns: Axis) -> None:
    for (i, j), outputs, places in positions(rows, columns):
        x[places] += t[outputs] * _repeated(kernel[i, j], t[outputs])


def _repeated(weights: Array, x: Array) -> Array:
    """Repeat weights, shape (1, C), for each column of x: NumPy's inner loops then run over W * C."""
    return np.ascontiguousarray(np.broadcast_to(weights, x.shape[2:]))


def _depthwise_kernel(x: Array, kernel: Array, t: Array, rows: Axis, columns: Axis) -> None:
    for (i, j), outputs, places in positions(rows, columns):
        kernel[i, j] += np.einsum("nhwc,nhwc->c", x[places], t[outputs])


def _placewise(x: Array, kernel: Array, y: Array, rows: Axis, columns: Axis) -> None:
    y[...] = 0

    def work(part: slice) -> None:
        for (oh, ow), window, weights in _windows(kernel[..., part], rows, columns):
            y[:, oh, ow, part] += product(x[:, *window].reshape(len(x), -1), _flat(weights, 0))

    share(work, kernel.shape[3], kernel.nbytes)


def _placewise_input(x: Array, kernel: Array, t: Array, rows: Axis, columns: Axis) -> None:
    def work(part: slice) -> None:
        for (oh, ow), window, weights in _windows(kernel[:, :, part], rows, columns):
            # The kernel goes first: BLAS is slow where the second of two matrices is the larger and transposed.
            found = product(_flat(weights, 0), t[:, oh, ow].T)
            x[:, *window, part] += found.reshape(*weights.shape[:2], len(t)).transpose(2, 0, 1)

    share(work, kernel.shape[2], kernel.nbytes)


def _placewise_kernel(x: Array, kernel: Array, t: Array, rows: Axis, columns: Axis) -> None:
    def work(part: slice) -> None:
        for tap, outputs, places in positions(rows, columns):
            channels = x[places][..., part]
            kernel[tap][part] += product(channels.reshape(-1, channels.shape[3]).T, t[outputs].reshape(-1, t.shape[3]))

    share(work, kernel.shape[2], kernel.nbytes)


def _windows(kernel: Array, rows: Axis, columns: Axis) -> Iterator[tuple[Pair, Any, Array]]:
    """Yield, for each output and each row of its window, the output, the places in that row, and their weights."""
    for oh, ow in np.ndindex(rows.count, columns.count):
        row_taps, row_places = rows.taps_of(oh)
        column_taps, column_places = columns.taps_of(ow)
        for tap, place in zip(_range(row_taps), _range(row_places), strict=True):
            yield (oh, ow), (place, column_places), kernel[tap, column_taps]


def _range(part: slice) -> range:
    return range(part.start, part.stop, part.step or 1)


@attrs.frozen
class _Algorithm:
    """How to compute the three kernels, on parts that are independent of each other."""

    forward: Callable[[Array, Array, Array, Axis, Axis], None]
    input: Callable[[Array, Array, Array, Axis, Axis], None]
    kernel: Callable[[Array, Array, Array, Axis, Axis], None]


DENSE = _Algorithm(_dense, _dense_input, _dense_kernel)
DEPTHWISE = _Algorithm(_depthwise, _depthwise_input, _depthwise_kernel)
PLACEWISE = _Algorithm(_placewise, _placewise_input, _placewise_kernel)


def _algorithm(kernel: Array, groups: int, rows: Axis, columns: Axis) -> _Algorithm:
    """Choose the fastest algorithm.

    Place by place no multiplication with padding is made, and no copy of the kernel. That wins where the kernel is
    large and there are few places, most of which look at padding.
    """
    if _is_depthwise(kernel, groups):
        return DEPTHWISE
    few = rows.count * columns.count <= FEW_PLACES and (rows.padded or columns.padded)
    return PLACEWISE if few and kernel.nbytes >= LARGE_KERNEL_SIZE else DENSE


def _work_size(x: Array, kernel: Array, y: Array) -> int:
    """Estimate the bytes that a convolution reads and writes, if the images are many for the kernel; else 0.

    With few images each thread would read the whole kernel for little: threads then share each product.
    """
    if x.nbytes + y.nbytes < 2 * kernel.nbytes:
        return 0
    size: int = (x.nbytes + y.nbytes) * kernel.shape[0]
    return size


def _is_plain(stride: Pair, dilation: Pair, groups: int) -> bool:
    return stride == dilation == (1, 1) and groups == 1


def _parts(x: Array, kernel: Array, y: Array, groups: int) -> Iterator[tuple[Array, Array, Array]]:
    """Cut the operands into independent convolutions: by images, and by groups."""
    if _is_depthwise(kernel, groups):
        # A depthwise kernel has one channel; with several features to each, these are that many convolutions.
        multiple = kernel.shape[3] // groups
        for images in cache_sized(x, DEPTHWISE_SIZE):
            for feature in range(multiple):
                yield x[images], kernel[..., feature::multiple], y[images, ..., feature::multiple]
    else:
        for images in cache_sized(x, STACK_SIZE // kernel.shape[0]):
            yield from zip(*(np.split(a, groups, axis=3) for a in (x[images], kernel, y[images])))


def _is_depthwise(kernel: Array, groups: int) -> bool:
    return groups > 1 and kernel.shape[2] == 1


def _at_once(kernel: Array, products: Array, columns: Axis) -> bool:
    """Decide whether to multiply all windows at once rather than by columns, given y as (N * OH, OW, O).

    Measured: columns of less than O windows spend their time on reading the kernel, small ones on the calls.
    """
    windows_bytes = products.shape[0] * products.shape[1] * kernel[..., :1].nbytes
    return columns.window == 1 or products.shape[0] < products.shape[2] or windows_bytes < AT_ONCE_SIZE


def _stack(x: Array, axis: Axis) -> Array:
    """Stack the places that each window looks at along the second axis.

    Args:
        x: array, shape (batch, size, inner, features).
        axis: how the windows lie along the second axis.

    Returns:
        Array, shape (batch * count, inner, window * features).
    """
    batch, _, inner, features = x.shape
    shape = (batch * axis.count, inner, axis.window * features)
    if axis.trivial:
        return x.reshape(shape)
    stacked = empty((batch, axis.count, inner, axis.window, features), x.dtype)
    loops = loops_for(x)
    if loops is not None:
        loops.stack(x, stacked, axis.stride, axis.dilation, axis.before)
        return stacked.reshape(shape)
    for tap, outputs, places in axis.taps():
        stacked[:, outputs, :, tap] = x[:, places]
        # Padding alone is cleared, and not all of the array first.
        stacked[:, : outputs.start, :, tap] = 0
        stacked[:, outputs.stop :, :, tap] = 0
    return stacked.reshape(shape)


def _unstack(stacked: Array, axis: Axis, x: Array) -> None:
    """Transpose `_stack`: add to x, shape (batch, size, inner, features), what was stacked of it."""
    batch, _, inner, features = x.shape
    stacked = stacked.reshape(batch, axis.count, inner, axis.window, features)
    loops = loops_for(stacked, x)
    if loops is not None:
        loops.unstack(stacked, x, axis.stride, axis.dilation, axis.before)
        return
    for tap, outputs, places in axis.taps():
        x[:, places] += stacked[:, outputs, :, tap]


def _stacked_weights(kernel: Array) -> Array:
    """Return the kernel in the order of stacked rows, shape (kw, kh * C, O)."""
    return _flat(np.ascontiguousarray(kernel.swapaxes(0, 1)), 1)


def _flat(x: Array, axis: int) -> Array:
    """Join an axis with the next."""
    return x.reshape(*x.shape[:axis], x.shape[axis] * x.shape[axis + 1], *x.shape[axis + 2 :])


def _axes(images: tuple[int, ...], window: Pair, stride: Pair, padding: Padding, dilation: Pair) -> tuple[Axis, Axis]:
    """Lay the windows along the height and the width of images of shape (N, H, W, C)."""
    return (
        lay(images[1], window[0], stride[0], padding[0], dilation[0]),
        lay(images[2], window[1], stride[1], padding[1], dilation[1]),
    )


def _operand(x: Array, dtype: np.dtype[Any]) -> Array:
    """Return x in C order and in the dtype to compute in."""
    return np.ascontiguousarray(x, dtype=computing_dtype(dtype))
