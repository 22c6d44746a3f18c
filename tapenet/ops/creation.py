"""Arrays from values: those that may hold Tensors stay on the tape."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.ops.casting import astype
from tapenet.ops.comparison import empty_like
from tapenet.ops.shaping import broadcast_to, stack
from tapenet.primitive import Array
from tapenet.tensor import Tensor


def _holds_tensor(x: Any) -> bool:
    if isinstance(x, list | tuple):
        return any(map(_holds_tensor, x))
    return type(x) is Tensor


def _collected(x: Any) -> Array:
    return stack([_collected(part) for part in x]) if isinstance(x, list | tuple) else x


def array(object: Any, dtype: Any = None, **keywords: Any) -> Array:
    """An array of values; nested lists that hold Tensors are stacked on their tape.

    >>> array([1.0, 2.0])
    array([1., 2.])
    """
    if not _holds_tensor(object):
        return np.array(object, dtype, **keywords)
    x = _collected(object)
    return x if dtype is None else astype(x, dtype)


def asarray(a: Any, dtype: Any = None, order: Any = None, **keywords: Any) -> Array:
    """An array of values, not copied if it is one; nested lists that hold Tensors are stacked on their tape.

    >>> asarray([1.0, 2.0])
    array([1., 2.])
    """
    return array(a, dtype) if _holds_tensor(a) else np.asarray(a, dtype, order, **keywords)


def copy(a: Array, order: str = "K", subok: bool = False) -> Array:
    """A copy of an array. A Tensor is a value and is its own copy.

    >>> copy(np.ones(2))
    array([1., 1.])
    """
    return a if type(a) is Tensor else np.copy(a, order, subok)


def full_like(a: Array, fill_value: Array, dtype: Any = None, order: str = "K", **keywords: Any) -> Array:
    """An array of the shape of `a` filled with a value, which may be a Tensor.

    Derivative: 0 for `a`; for the value the sum over all places.

    >>> full_like(np.zeros(2), 3.0)
    array([3., 3.])
    """
    like = empty_like(a, dtype, order, **keywords)
    if type(fill_value) is not Tensor:
        return np.full_like(like, fill_value, dtype, order, **keywords)
    return broadcast_to(astype(fill_value, like.dtype), like.shape)


def full(shape: Any, fill_value: Array, dtype: Any = None, order: str = "C", **keywords: Any) -> Array:
    """An array of a shape filled with a value, which may be a Tensor.

    >>> full(2, 3.0)
    array([3., 3.])
    """
    if type(fill_value) is not Tensor:
        return np.full(shape, fill_value, dtype, order, **keywords)
    return broadcast_to(fill_value if dtype is None else astype(fill_value, dtype), shape)
