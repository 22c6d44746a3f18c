"""The sum of the squares of an array, without BLAS."""

from __future__ import annotations

from typing import Any

import numpy as np

CHUNK = 1 << 16  # elements, whose squares stay in the processor's cache


def square_sum(leaf: Any, unit: float) -> float:
    """Sum |x|^2 over a plain array or number, in units of `unit` and in double precision.

    By chunks and not by BLAS, whose threads wait for each other where processors are busy: 30 ms for 500,000 elements
    in place of 0.2.
    """
    flat = np.asarray(leaf).reshape(-1)
    if flat.dtype.kind == "c":
        return square_sum(flat.real, unit) + square_sum(flat.imag, unit)
    total, dtype = 0.0, np.result_type(flat.dtype, np.float64)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for start in range(0, flat.size, CHUNK):
            part = flat[start : start + CHUNK]
            total += float(np.sum(np.square(part if unit == 1 else part / unit, dtype=dtype)))
    return total
