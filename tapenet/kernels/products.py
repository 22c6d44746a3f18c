"""Matrix products on threads of our own, and in the order of factors that is faster."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.kernels.memory import empty
from tapenet.kernels.threads import share_products

# Most rows of a first matrix, and fewest elements of a second, for which the order of factors matters.
FEW_ROWS = 64
LARGE_MATRIX = 2**17

# Multiplications below which OpenBLAS starts no threads, and those that are worth a thread of our own.
SMALL_PRODUCT = 2**18
WORTH_SHARING = 2**21


def matmul(x: Any, y: Any) -> Any:
    """`np.matmul`; each thread computes some rows of the product of large matrices, or columns if they are more."""
    if not (type(x) is type(y) is np.ndarray and x.ndim == y.ndim == 2 and x.size * y.shape[1] > SMALL_PRODUCT):
        return np.matmul(x, y)
    if x.dtype != y.dtype or x.dtype.char not in "fdFD" or x.shape[1] != len(y):
        return np.matmul(x, y)
    if len(x) <= FEW_ROWS and y.size >= LARGE_MATRIX and y.flags.f_contiguous:
        # BLAS packs the second matrix, which takes as long as the product if the first has few rows, and twice that
        # if it is transposed in memory: then (y^T x^T)^T is faster, copy of the result and all.
        return np.array(_in_parts(y.T, x.T).T, order="C")
    return _in_parts(x, y)


def _in_parts(x: Any, y: Any) -> Any:
    out = empty((len(x), y.shape[1]), x.dtype)
    by_rows = len(x) >= y.shape[1]

    def work(part: slice) -> None:
        if by_rows:
            np.matmul(x[part], y, out=out[part])
        else:
            np.matmul(x, y[:, part], out=out[:, part])

    share_products(work, max(out.shape), x.size * y.shape[1], WORTH_SHARING)
    return out
