"""Integers and truths as floats, in which nothing wraps around."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.ops.elementwise.casting import astype


def as_floating(x: Any) -> Any:
    """Return integers and truths, such as pixels, as floats: float32 up to 16 bits, else float64.

    In their own dtype 1 - 2 is 255 for uint8, and NumPy computes exponentials of it in float16.
    """
    dtype = getattr(x, "dtype", None)
    return astype(x, np.result_type(dtype, np.float32)) if dtype is not None and dtype.kind in "biu" else x
