"""One, the cotangent of a scalar that is differentiated, and arrays of it: constants that nothing writes into."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tapenet.core.record import Shape


@functools.cache
def one(dtype: np.dtype[Any]) -> Any:
    """Return the scalar of a dtype, always the same object."""
    return np.ones((), dtype)[()]


@functools.cache
def _array(dtype: np.dtype[Any]) -> Any:
    array = np.ones((), dtype)
    array.flags.writeable = False
    return array


def repeated(t: Any, shape: Shape) -> Any:
    """Return `one` broadcast to a shape; None where t is another value."""
    return _repeated(t.dtype, shape) if isinstance(t, np.inexact) and t is one(t.dtype) else None


@functools.lru_cache(maxsize=256)
def _repeated(dtype: np.dtype[Any], shape: Shape) -> Any:
    return np.broadcast_to(_array(dtype), shape)


def is_repeated_one(x: Any) -> bool:
    """Return whether an array is one that `repeated` gave."""
    if type(x) is not np.ndarray or x.base is None or x.flags.writeable:
        return False
    while x.base is not None:
        x = x.base
    return type(x) is np.ndarray and x is _array(x.dtype)
