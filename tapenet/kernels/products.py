"""Matrix products, where NumPy's choice among BLAS's ways is not the fastest."""

from __future__ import annotations

from typing import Any

import numpy as np

# Most rows of a first matrix, and fewest elements of a second, for which the order of factors matters.
FEW_ROWS = 64
LARGE_MATRIX = 2**17


def matmul(x: Any, y: Any) -> Any:
    """`np.matmul`.

    BLAS packs the second matrix, which takes as long as the product if the first has few rows, and twice that if it
    is transposed in memory: then (y^T x^T)^T is faster, copy of the result and all.
    """
    if (
        type(x) is type(y) is np.ndarray
        and y.size >= LARGE_MATRIX
        and x.ndim == y.ndim == 2
        and len(x) <= FEW_ROWS
        and y.flags.f_contiguous
        and y.dtype.char in "fdFD"
        and x.dtype == y.dtype
    ):
        return np.ascontiguousarray(np.matmul(y.T, x.T).T)
    return np.matmul(x, y)
