"""Convolution by 3x3 kernels with 16 multiplications where the definition has 36: Winograd's minimal filtering.

Outputs are computed in tiles of 2x2. With the constant matrices B, G and A of F(2x2, 3x3) the outputs y of a tile
are, from the 4x4 places d of the images that they look at and the kernel g,

    y = A^T [(G g G^T) * (B^T d B)] A

    B^T = 1  0 -1  0        G =  1    0    0        A^T = 1  1  1  0
          0  1  1  0            1/2  1/2  1/2             0  1 -1 -1
          0 -1  1  0            1/2 -1/2  1/2
          0  1  0 -1             0    0    1

The elementwise product, added up over channels, is one matrix product over all tiles for each of the 16 places. The
three maps are linear, so the cotangent of the kernel is G^T [(B^T d B) * (A t A^T)] G, and that of the images a
convolution of t by the kernel turned around. They add and halve only: rounding is as the definition's. (Tiles of 4x4
take another 1.8 times fewer multiplications, but by matrices that cost a digit, and with longer transforms.)

Transforms run over long contiguous stretches: images are first split by the parity of their rows and columns, so
that neighbouring tiles are neighbours in memory.

Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", arXiv:1509.09308, section 4.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tapenet.kernels.memory import empty, zeros
from tapenet.kernels.products import multiply, multiply_stack
from tapenet.kernels.threads import share
from tapenet.kernels.tiles import transforms_for
from tapenet.kernels.windows import Array, Pair

# Bytes of transformed images that are made at a time: with what comes of them they stay in cache.
BLOCK_SIZE = 2**21

# Bytes of a transformed kernel that are made at a time, for some of the outputs, where all images are one block: each
# thread reads its own while it is in cache.
KERNEL_SIZE = 2**21

# Fewest channels and outputs with which the products outweigh the transforms.
FEWEST_CHANNELS = 48

# What transforming a kernel and reading it again costs, in rows of the matrix products.
KERNEL_COST = 40

# Tiles from which on each thread works on its own images. With fewer they share the reading of the kernel.
MANY_TILES = 512

_G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])

# The maps of flattened kernels, of kernels turned around, and of cotangents of kernels.
_MATRICES = {
    "kernel": np.kron(_G, _G),
    "turned": np.kron(_G[:, ::-1], _G[:, ::-1]),
    "kernel_cotangent": np.kron(_G, _G).T,
}


def suits(kernel_shape: tuple[int, ...], outputs: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Decide whether an undilated convolution of stride 1, in one group, is faster so than directly.

    Args:
        kernel_shape: (kh, kw, C, O).
        outputs: (N, OH, OW, O).
        dtype: to compute in.
    """
    if kernel_shape[:2] != (3, 3) or min(kernel_shape[2:]) < FEWEST_CHANNELS or dtype.char not in "fd":
        return False
    count, height, width, _ = outputs
    rows, columns = _tiles(outputs)
    # A direct convolution leaves out multiplications with padding: two columns of kernel, if padded by one place.
    return min(height, width) > 2 and 16 * (count * rows * columns + KERNEL_COST) < 9 * count * height * width


def convolve(x: Array, kernel: Array, before: Pair, y: Array, *, turned: bool = False) -> None:
    """Write to y, shape (N, OH, OW, O), the convolution of x (N, H, W, C) with a kernel (3, 3, C, O).

    Args:
        before: zeros above and to the left of x; below and to the right there are as many as y asks for.
        turned: whether the kernel is given as (3, 3, O, C), to be turned around: then this is the transpose of
            a convolution.
    """
    kernel = np.ascontiguousarray(kernel)
    tiles, channels = _tiles(y.shape), max(x.shape[3], y.shape[3])
    slabs = _slabs(x.shape[3], y.shape, channels * x.itemsize)
    if len(slabs) > 1:
        _convolve_slabs(x, kernel, before, y, slabs, turned)
        return
    weights = _transformed_kernel(kernel, turned, slice(None))

    def work(mine: slice) -> None:
        for images in _blocks(mine, tiles, channels * x.itemsize):
            _convolve_block(x[images], weights, before, y[images])

    _share_images(work, y.shape, channels * x.itemsize)


def _convolve_block(x: Array, weights: Array, before: Pair, y: Array) -> None:
    """Write the convolution of some images; what it works in is free before the next block takes as much."""
    tiles = _tiles(y.shape)
    products = _product(_transformed_images(x, before, tiles).reshape(16, -1, x.shape[3]), weights)
    _write_outputs(products.reshape(4, 4, -1, *tiles, y.shape[3]), y)


def convolve_kernel(x: Array, t: Array, before: Pair) -> Array:
    """Compute the cotangent (3, 3, C, O) of the kernel in `convolve`, of t (N, OH, OW, O)."""
    channels, outputs = x.shape[3], t.shape[3]
    if not len(x):
        return np.zeros((3, 3, channels, outputs), x.dtype)
    tiles, width = _tiles(t.shape), max(channels, outputs) * x.itemsize
    slabs = _slabs(channels, t.shape, width)
    if len(slabs) > 1:
        return _convolve_kernel_slabs(x, t, before, slabs)
    totals: dict[int, Array] = {}

    def work(mine: slice) -> None:
        total: Array | None = None
        for images in _blocks(mine, tiles, width):
            total = _kernel_products(x[images], t[images], before, total)
        assert total is not None  # slices are not empty
        totals[mine.start] = total

    _share_images(work, t.shape, width)
    first, *others = (totals[start] for start in sorted(totals))  # in the order of the parts: rounded alike in each run
    for other in others:
        first += other
    kernel = empty((3, 3, channels, outputs), first.dtype)
    _map_columns("kernel_cotangent", first, kernel.reshape(9, channels, outputs))
    return kernel


def _kernel_products(x: Array, t: Array, before: Pair, total: Array | None) -> Array:
    """Compute the cotangent of a transformed kernel from some images, shape (16, C, O), added to that of others."""
    tiles = _tiles(t.shape)
    transformed = _transformed_images(x, before, tiles).reshape(16, -1, x.shape[3])
    cotangents = _transformed_cotangents(t, tiles).reshape(16, -1, t.shape[3])
    return _product(transformed.swapaxes(1, 2), cotangents, total)


def _slabs(channels: int, outputs: tuple[int, ...], width: int) -> list[slice]:
    """Cut outputs (N, OH, OW, O) into slices of O whose transformed kernels are made at a time.

    Only where all images are one block, whose transform is made once; `width` is the bytes of their channels.
    """
    rows, columns = _tiles(outputs)
    whole = slice(0, outputs[3])
    if 16 * outputs[0] * rows * columns * width > BLOCK_SIZE:
        return [whole]
    itemsize = width // max(channels, outputs[3])
    step = max(FEWEST_CHANNELS, KERNEL_SIZE // (16 * channels * itemsize))
    bounds = [*range(0, max(1, outputs[3] - step + 1), step), outputs[3]]
    return [slice(begin, end) for begin, end in itertools.pairwise(bounds)]


def _convolve_slabs(x: Array, kernel: Array, before: Pair, y: Array, slabs: Sequence[slice], turned: bool) -> None:
    """Do as `convolve`, with some of the outputs at a time."""
    tiles = _tiles(y.shape)
    transformed = _transformed_images(x, before, tiles).reshape(16, -1, x.shape[3])
    products = empty((16, transformed.shape[1], y.shape[3]), y.dtype)

    def work(mine: slice) -> None:
        for slab in slabs[mine]:
            multiply_stack(transformed, _transformed_kernel(kernel, turned, slab), products[:, :, slab])

    share(work, len(slabs), 16 * kernel.nbytes)
    _write_outputs(products.reshape(4, 4, -1, *tiles, y.shape[3]), y)


def _convolve_kernel_slabs(x: Array, t: Array, before: Pair, slabs: Sequence[slice]) -> Array:
    """Do as `convolve_kernel`, with some of the outputs at a time."""
    channels, outputs = x.shape[3], t.shape[3]
    tiles = _tiles(t.shape)
    transformed = _transformed_images(x, before, tiles).reshape(16, -1, channels).swapaxes(1, 2)
    cotangents = _transformed_cotangents(t, tiles).reshape(16, -1, outputs)
    kernel = empty((3, 3, channels, outputs), x.dtype)

    def work(mine: slice) -> None:
        for slab in slabs[mine]:
            products = empty((16, channels, slab.stop - slab.start), x.dtype)
            multiply_stack(transformed, cotangents[:, :, slab], products)
            _map_columns("kernel_cotangent", products, kernel.reshape(9, channels, outputs)[:, :, slab])

    share(work, len(slabs), 16 * kernel.nbytes)
    return kernel


def _tiles(outputs: tuple[int, ...]) -> Pair:
    """Count the tiles that cover outputs (N, OH, OW, O), along each axis."""
    return -(-outputs[1] // 2), -(-outputs[2] // 2)


def _blocks(images: slice, tiles: Pair, width: int) -> Iterator[slice]:
    """Cut images into slices that are worked on at a time; `width` is the bytes of their channels."""
    step = max(1, BLOCK_SIZE // (16 * tiles[0] * tiles[1] * width))
    for begin in range(images.start, images.stop, step):
        yield slice(begin, min(begin + step, images.stop))


def _share_images(work: Callable[[slice], None], outputs: tuple[int, ...], width: int) -> None:
    """Share the images among threads if each gets enough of them; else threads meet at every step of the work."""
    rows, columns = _tiles(outputs)
    if outputs[0] * rows * columns < MANY_TILES:
        work(slice(0, outputs[0]))
    else:
        share(work, outputs[0], 16 * outputs[0] * rows * columns * width)


def _product(a: Array, b: Array, total: Array | None = None) -> Array:
    """Multiply two stacks of 16 matrices; where there is a total, add to it and return it."""
    out = empty((16, a.shape[1], b.shape[2]), a.dtype) if total is None else total

    def work(part: slice) -> None:
        multiply_stack(a[part], b[part], out[part], adds=total is not None)

    share(work, 16, a.nbytes + b.nbytes + out.nbytes)
    return out


# ---- the transforms, of all tiles; each axis of 4, and of 2, is one of a tile's ----


def _transformed_kernel(kernel: Array, turned: bool, outputs: slice) -> Array:
    """Compute G g G^T of each channel and some of the outputs, or of g turned around: shape (16, C, outputs)."""
    flat = kernel.reshape(9, *kernel.shape[2:])
    own = flat[:, outputs] if turned else flat[:, :, outputs]
    transformed = empty((16, *own.shape[1:]), kernel.dtype)
    _map_columns("turned" if turned else "kernel", own, transformed)
    return transformed.swapaxes(1, 2) if turned else transformed


def _map_columns(name: str, x: Array, out: Array) -> None:
    """Write the product of a small matrix with x (edge^2, rows, columns) to `out`; both may be parts of arrays."""
    transforms = transforms_for(x[0, :1], out[0, :1])
    matrix = _MATRICES[name].astype(x.dtype)

    def work(mine: slice) -> None:
        if transforms is not None:
            transforms.columns(name, x, out, mine)
            return
        target = out[:, mine]
        flat = target.reshape(len(out), -1)  # a copy where rows are parts of rows
        multiply(matrix, x[:, mine].reshape(len(x), -1), flat)
        if not np.may_share_memory(flat, target):
            target[...] = flat.reshape(target.shape)

    share(work, x.shape[1], x.nbytes + out.nbytes)


def _transformed_images(x: Array, before: Pair, tiles: Pair) -> Array:
    """Compute B^T d B of each tile of images (N, H, W, C): shape (4, 4, N, *tiles, C)."""
    (rows, columns), channels = tiles, x.shape[3]
    transformed = empty((4, 4, len(x), rows, columns, channels), x.dtype)
    transforms = transforms_for(x)
    if transforms is not None:
        share(
            lambda images: transforms.inputs(x[images], before, transformed[:, :, images]),
            len(x),
            2 * transformed.nbytes,
        )
        return transformed
    planes = zeros((2, 2, len(x), rows + 1, columns + 1, channels), x.dtype)
    halfway = empty((4, 2, len(x), rows, columns + 1, channels), x.dtype)

    def work(images: slice) -> None:
        _split(x[images], before, planes[:, :, images])
        even, odd = planes[0, :, images], planes[1, :, images]
        _combine(even[:, :, :-1], odd[:, :, :-1], even[:, :, 1:], odd[:, :, 1:], halfway[:, :, images])
        even, odd = halfway[:, 0, images], halfway[:, 1, images]
        by_columns = transformed[:, :, images].swapaxes(0, 1)
        _combine(even[..., :-1, :], odd[..., :-1, :], even[..., 1:, :], odd[..., 1:, :], by_columns)

    share(work, len(x), 2 * transformed.nbytes)
    return transformed


def _split(x: Array, before: Pair, planes: Array) -> None:
    """Write padded images to planes (2, 2, N, rows, columns, C), by the parity of their rows and columns."""
    for i, j in np.ndindex(2, 2):
        first_row, first_column = (i - before[0]) % 2, (j - before[1]) % 2
        found = x[:, first_row::2, first_column::2]
        places = planes[i, j, :, (first_row + before[0]) // 2 :, (first_column + before[1]) // 2 :]
        found = found[:, : places.shape[1], : places.shape[2]]
        places[:, : found.shape[1], : found.shape[2]] = found


def _transformed_cotangents(t: Array, tiles: Pair) -> Array:
    """Compute A t A^T of each tile of t (N, OH, OW, O): shape (4, 4, N, *tiles, O)."""
    (rows, columns), outputs = tiles, t.shape[3]
    transformed = empty((4, 4, len(t), rows, columns, outputs), t.dtype)
    transforms = transforms_for(t)
    if transforms is not None:
        share(
            lambda images: transforms.cotangents(t[images], transformed[:, :, images]), len(t), 2 * transformed.nbytes
        )
        return transformed
    if (2 * rows, 2 * columns) != t.shape[1:3]:
        whole = zeros((len(t), 2 * rows, 2 * columns, outputs), t.dtype)
        whole[:, : t.shape[1], : t.shape[2]] = t
        t = whole
    halfway = empty((4, len(t), 2 * rows, columns, outputs), t.dtype)

    def work(images: slice) -> None:
        _transform_cotangents(t[images, :, 0::2], t[images, :, 1::2], halfway[:, images])
        _transform_cotangents(halfway[:, images, 0::2], halfway[:, images, 1::2], transformed[:, :, images])

    share(work, len(t), 2 * transformed.nbytes)
    return transformed


def _write_outputs(products: Array, y: Array) -> None:
    """Write A^T p A of each tile of products p (4, 4, N, rows, columns, O) to y (N, OH, OW, O)."""
    transforms = transforms_for(products, y)
    if transforms is not None:
        share(lambda images: transforms.outputs(products[:, :, images], y[images]), len(y), 2 * products.nbytes)
        return
    halfway = empty((2, *products.shape[1:]), y.dtype)

    def work(images: slice) -> None:
        by_rows = halfway[:, :, images]
        _gather(products[:, :, images], list(by_rows))
        for i in (0, 1):
            row = y[images, i::2]
            _gather(by_rows[i][:, :, : row.shape[1]], [row[:, :, 0::2], row[:, :, 1::2]])

    share(work, len(y), 2 * products.nbytes)


# ---- the maps along one axis ----


def _combine(d0: Array, d1: Array, d2: Array, d3: Array, out: Array) -> None:
    """Write B^T d."""
    np.subtract(d0, d2, out=out[0])
    np.add(d1, d2, out=out[1])
    np.subtract(d2, d1, out=out[2])
    np.subtract(d1, d3, out=out[3])


def _transform_cotangents(t0: Array, t1: Array, out: Array) -> None:
    """Write A t."""
    out[0] = t0
    np.add(t0, t1, out=out[1])
    np.subtract(t0, t1, out=out[2])
    np.negative(t1, out=out[3])


def _gather(products: Array, y: Sequence[Array]) -> None:
    """Write A^T p; y[1] may lack the last column."""
    p0, p1, p2, p3 = products
    np.add(p0 + p1, p2, out=y[0])
    columns = y[1].shape[-2]
    p1, p2, p3 = (p[..., :columns, :] for p in (p1, p2, p3))
    np.subtract(p1 - p2, p3, out=y[1])
