"""Changes of dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.arguments import check_device, numpy_function
from tapenet.core.batching import elementwise_rule
from tapenet.core.families import linear
from tapenet.core.primitive import Array


@linear(lambda t: t, name="astype", batch=elementwise_rule)  # the walk casts the cotangent back
def _astype(x: Array, *, dtype: np.dtype[Any]) -> Array:
    return (x if hasattr(x, "astype") else np.asarray(x)).astype(dtype)


def _numpy_astype(x: Array, dtype: Any, /, **keywords: Any) -> Array:
    """Cast as `np.astype` does, NumPy's scalars too, which it refuses before NumPy 2.1."""
    return x.astype(dtype) if isinstance(x, np.generic) else np.astype(x, dtype, **keywords)


@numpy_function(_numpy_astype)
def astype(x: Array, dtype: Any, /, *, copy: bool = True, device: str | None = None) -> Array:
    """Cast to a dtype.

    Derivative: 1; the cotangent is cast back. A cast to an integer or boolean dtype has no derivative and gives a plain
    array.

    On a Tensor `copy` and `device` have no effect.

    >>> tnp.astype(np.array([1.5, 2.0]), "float32").dtype
    dtype('float32')
    """
    check_device("astype", device)
    dtype = np.dtype(dtype)
    return x if x.dtype == dtype else _astype(x, dtype=dtype)


def as_scalar(x: Array) -> Array:
    """Give an array of no axes as NumPy's reductions do: as a scalar."""
    return x if x.shape else x[()]
