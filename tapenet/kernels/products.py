"""Matrix products on tapenet's threads, in pieces so small that BLAS starts no threads of its own.

BLAS shares one large product among its threads, and these wait for each other without sleeping. Where another process
wants a processor, or our own threads do, a product then takes ten to a hundred times as long; and for some twenty
milliseconds after it, BLAS's threads keep processors busy, waiting for the next. Telling BLAS how many threads to use
would change it for the whole process. So products are cut: OpenBLAS, which NumPy's wheels come with, makes a product of
up to `SMALL_PRODUCT` multiplications in the thread that asks for it. Two threads so reach 60 to 85 percent of what
BLAS's own reach on an idle machine, and they reach it on a busy one, too. Where LLVM compiles code for products (see
`gemm`), that makes the large ones, each in one piece for each thread.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from tapenet.core.array_types import Array
from tapenet.kernels.forks import this_thread
from tapenet.kernels.gemm import Gemm, Strides, gemm_for
from tapenet.kernels.memory import address, empty
from tapenet.kernels.teams import Plan, free_team
from tapenet.kernels.threads import parts_of, share

# Multiplications up to which OpenBLAS starts no threads: of matrices, of which it gives each thread 2^18 at least, and
# with a vector; and those that are worth a thread of our own.
SMALL_PRODUCT, SMALL_VECTOR = 2**19 - 1, 2**13
WORTH_SHARING = 2**21

# The longest rows and the most columns of a piece of a large product. Measured: these leave the packing of both factors
# at a fifth of the time.
INNER, COLUMNS = 128, 64

# How many plans of products are kept.
PLANS = 256

# Bytes of partial sums that are made at a time.
SUMS_SIZE = 2**18

# Most rows of a first matrix, and fewest elements of a second, for which the order of factors matters.
FEW_ROWS = 64
LARGE_MATRIX = 2**17


def matmul(x: Any, y: Any) -> Any:
    """Compute `np.matmul`; threads share large products, by rows or by columns, and stacks of them."""
    are_arrays = type(x) is ndarray and type(y) is ndarray
    if are_arrays and x.ndim == 2 and y.ndim == 2:
        (rows, inner), (length, columns) = x.shape, y.shape
        if rows * inner * columns <= (SMALL_PRODUCT if rows > 1 and columns > 1 else SMALL_VECTOR):
            if inner == 1 == length:  # which NumPy makes by itself, in four times the time
                return x * y
            lock = this_thread.lock  # hot: `with` takes a tenth of a microsecond, and a small product two
            lock.acquire()
            try:
                return x @ y
            finally:
                lock.release()
    if not (are_arrays and 0 < x.ndim < 3 and 0 < y.ndim < 3):
        return _stacked(x, y) if _is_large_stack(x, y) else _small(x, y)
    inner = len(y)
    rows, columns = x.size // max(1, inner), y.size // max(1, inner)
    is_small = rows * inner * columns <= (SMALL_PRODUCT if min(rows, columns) > 1 else SMALL_VECTOR)
    if is_small or x.dtype != y.dtype or x.dtype.char not in "fdFD" or x.shape[-1] != inner:
        return _small(x, y)
    if x.ndim == y.ndim == 2:
        return _matrix_product(x, y)
    product = _matrix_product(x.reshape(rows, inner), y.reshape(inner, columns))
    return product.reshape(x.shape[:-1] + y.shape[1:])[()]


def _small(x: Any, y: Any) -> Any:
    with this_thread.lock:
        return np.matmul(x, y)


def _matrix_product(x: Array, y: Array) -> Array:
    if len(x) <= FEW_ROWS and y.size >= LARGE_MATRIX and y.flags.f_contiguous:
        # BLAS packs the second matrix, which takes as long as the product if the first has few rows, and twice that
        # if it is transposed in memory: then (y^T x^T)^T is faster, copy of the result and all.
        return np.array(shared_product(y.T, x.T).T, order="C")
    return shared_product(x, y)


def _is_large_stack(x: Any, y: Any) -> bool:
    return (
        type(x) is type(y) is np.ndarray
        and min(x.ndim, y.ndim) > 1
        and x.dtype == y.dtype
        and x.dtype.char in "fdFD"
        and x.shape[-1] == y.shape[-2]
        and x.shape[-2] * y.shape[-2] * y.shape[-1] > SMALL_PRODUCT
    )


def _stacked(x: Array, y: Array) -> Array:
    """Multiply stacks of large matrices."""
    stack = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    x, y = (np.broadcast_to(a, (*stack, *a.shape[-2:])) for a in (x, y))
    out = empty((*stack, x.shape[-2], y.shape[-1]), x.dtype)
    places = list(np.ndindex(stack))

    def work(part: slice) -> None:
        for place in places[part]:
            multiply(x[place], y[place], out[place])

    share(work, len(places), x.size * y.shape[-1], WORTH_SHARING)
    return out


def shared_product(x: Array, y: Array) -> Array:
    """Multiply two matrices on several threads."""
    out = empty((len(x), y.shape[1]), x.dtype)
    multiply_shared(x, y, out)
    return out


def multiply_shared(x: Array, y: Array, out: Array) -> None:
    """Write the product of two matrices of one dtype to `out`; threads share its rows or its columns."""
    by_rows = len(x) >= y.shape[1]

    def factors(part: slice) -> tuple[Array, Array, Array]:
        return (x[part], y, out[part]) if by_rows else (x, y[:, part], out[:, part])

    count, size = max(out.shape), x.size * y.shape[1]
    parts = parts_of(count, size, WORTH_SHARING)
    if len(parts) == 1:
        multiply(x, y, out)
        return
    gemm = gemm_for(out.dtype)
    if gemm is not None and gemm.fits(x, y, out):
        with free_team() as team:
            if team is not None:
                plan = _plan(gemm, (x.strides, y.strides, out.strides), (*x.shape, y.shape[1]), len(parts))
                gemm.report(team.run_plan(plan, [address(x), address(y), address(out)]))
                return
    share(lambda part: multiply(*factors(part)), count, size, WORTH_SHARING)


@functools.lru_cache(PLANS)
def _plan(gemm: Gemm, strides: Strides, shape: tuple[int, int, int], count: int) -> Plan:
    """Return the plan of a product of rows, inner and columns, in so many parts."""
    rows, inner, columns = shape
    length = max(rows, columns)
    bounds = itertools.pairwise([length * i // count for i in range(count + 1)])
    blocks = [(a, b, 0, columns) if rows >= columns else (0, rows, a, b) for a, b in bounds]
    return Plan.of([[gemm.planned(strides, inner, block, i)] for i, block in enumerate(blocks)])


def share_with_products(gemm: Gemm, work: Callable[[slice], int], count: int, size: int) -> None:
    """Share calls of machine code that makes products among threads, as `share` does; report what they met.

    Args:
        gemm: whose code is called.
        work: calls it for a slice of range(count), and returns the exceptions that it met.
        size: multiplications of all of them.
    """
    met: list[int] = []
    share(lambda part: met.append(work(part)), count, size, WORTH_SHARING)
    for bits in met:
        gemm.report(bits)


def product(x: Array, y: Array) -> Array:
    """Multiply two matrices in this thread."""
    out = empty((len(x), y.shape[1]), x.dtype)
    multiply(x, y, out)
    return out


def multiply(x: Array, y: Array, out: Array) -> None:
    """Write the product of two matrices of one dtype to `out`, all in this thread.

    Sums over many elements are made from partial sums over as many as fit into one piece.
    """
    rows, inner = x.shape
    columns = y.shape[1]
    longest, most = (INNER, SMALL_PRODUCT) if min(rows, columns) > 1 else (SMALL_VECTOR, SMALL_VECTOR)
    if rows * inner * columns <= most or x.dtype.char not in "fdFD":
        with this_thread.lock:
            np.matmul(x, y, out=out)
        return
    gemm = gemm_for(out.dtype)
    if gemm is not None and gemm.fits(x, y, out):
        gemm(x, y, out)
        return
    step = _even(inner, max(longest, most // (rows * columns)))
    if step == inner:
        _multiply_tiles(x[None], y[None], out[None], most)
        return
    at_once = max(1, SUMS_SIZE // (rows * columns * out.itemsize))
    sums = empty((at_once, rows, columns), out.dtype)
    whole = inner // step
    for first in range(0, whole, at_once):
        count = min(at_once, whole - first)
        part = slice(first * step, (first + count) * step)
        stacked = x[:, part].reshape(rows, count, step).swapaxes(0, 1)
        _multiply_tiles(stacked, y[part].reshape(count, step, columns), sums[:count], most)
        _add_sums(sums[:count], out, is_first=first == 0)
    if whole * step < inner:
        _multiply_tiles(x[None, :, whole * step :], y[None, whole * step :], sums[:1], most)
        _add_sums(sums[:1], out, is_first=False)


def multiply_stack(x: Array, y: Array, out: Array, *, adds: bool = False) -> None:
    """Write or add the products of two stacks of matrices to `out`, all in this thread, in as few calls as can be."""
    count, rows, inner = x.shape
    columns = y.shape[2]
    gemm = gemm_for(out.dtype) if x.size * columns > SMALL_PRODUCT else None
    if gemm is not None and gemm.fits(x, y, out):
        gemm.stack(x, y, out, adds=adds)
    elif adds:
        step = max(1, SUMS_SIZE // (rows * columns * out.itemsize))
        for some in (slice(first, first + step) for first in range(0, count, step)):
            terms = empty(out[some].shape, out.dtype)
            multiply_stack(x[some], y[some], terms)
            np.add(out[some], terms, out=out[some])
    elif min(rows, columns) > 1 and inner <= max(INNER, SMALL_PRODUCT // (rows * columns)) and x.dtype.char in "fdFD":
        _multiply_tiles(x, y, out, SMALL_PRODUCT)
    else:
        for x_matrix, y_matrix, product_matrix in zip(x, y, out, strict=True):
            multiply(x_matrix, y_matrix, product_matrix)


def _add_sums(sums: Array, out: Array, *, is_first: bool) -> None:
    """Add partial sums to `out`, or write them."""
    total = sums[0] if len(sums) == 1 else np.add.reduce(sums, axis=0)
    if is_first:
        out[...] = total
    else:
        np.add(out, total, out=out)


def _multiply_tiles(x: Array, y: Array, out: Array, most: int) -> None:
    """Write the products of stacks of matrices to `out`, in tiles of at most `most` multiplications each.

    Shapes are (count, rows, inner), (count, inner, columns) and (count, rows, columns). One call of `np.matmul` loops
    over all whole tiles; what is left at the lower and at the right edge takes one more each.
    """
    count, rows, inner = x.shape
    columns = y.shape[2]
    width = _even(columns, COLUMNS)
    height = max(1, min(rows, most // (inner * width)))
    if height == rows:
        width = max(1, min(columns, most // (inner * rows)))
    bottom, right = rows - rows % height, columns - columns % width
    for top, lower, tall in ((0, bottom, height), (bottom, rows, rows - bottom)):
        for left, outer, wide in ((0, right, width), (right, columns, columns - right)):
            if lower > top and outer > left:
                tiles = (
                    x[:, top:lower].reshape(count, -1, 1, tall, inner),
                    y[:, :, left:outer].reshape(count, inner, 1, -1, wide).transpose(0, 2, 3, 1, 4),
                )
                parts = out[:, top:lower, left:outer].reshape(count, -1, tall, (outer - left) // wide, wide)
                with this_thread.lock:
                    np.matmul(*tiles, out=parts.swapaxes(2, 3))


def _even(total: int, most: int) -> int:
    """Return the length of equal pieces of `total`, each at most `most`; the last one may be shorter."""
    return -(-total // -(-total // most))
