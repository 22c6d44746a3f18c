"""Arrays from values: those that may hold Tensors stay on the tape."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, collected, holds_tensor, numpy_function, refuse
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError
from tapenet.ops.arrays.joining import atleast_1d
from tapenet.ops.arrays.searching import all
from tapenet.ops.arrays.shaping import broadcast_to, reshape, stack
from tapenet.ops.arrays.structure import empty_like
from tapenet.ops.elementwise.casting import astype
from tapenet.ops.elementwise.comparison import isfinite


def _stacked(x: Any) -> Array:
    return stack([_stacked(part) for part in x]) if isinstance(x, list | tuple) else x


def array(object: Any, dtype: Any = None, *, ndmin: int = 0, **keywords: Any) -> Array:
    """An array of values; nested lists that hold Tensors are stacked on their tape.

    Args:
        ndmin: how many axes there are at least; axes of length 1 are added in front.

    >>> array([1.0, 2.0])
    array([1., 2.])
    """
    if not holds_tensor(object):
        return np.array(object, dtype, ndmin=ndmin, **keywords)
    refuse("array", {name: value for name, value in keywords.items() if name not in _OF_LAYOUT})
    x = _stacked(object)
    x = x if dtype is None else astype(x, dtype)
    return reshape(x, (1,) * (ndmin - x.ndim) + x.shape) if x.ndim < ndmin else x


_OF_LAYOUT = ("copy", "order", "subok", "device", "ndmax")  # a value has none, and may be shared


@numpy_function(np.asarray, collects=False)
def asarray(a: Any, dtype: Any = None, order: Any = None, **keywords: Any) -> Array:
    """An array of values, not copied if it is one; nested lists that hold Tensors are stacked on their tape.

    >>> asarray([1.0, 2.0])
    array([1., 2.])
    """
    return array(a, dtype, **keywords)


@numpy_function(np.asanyarray, collects=False)
def asanyarray(a: Any, dtype: Any = None, order: Any = None, **keywords: Any) -> Array:
    """`asarray`, letting subclasses of ndarray pass.

    >>> asanyarray([1.0, 2.0])
    array([1., 2.])
    """
    return array(a, dtype, **keywords)


@numpy_function(np.asarray_chkfinite, collects=False)
def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Array:
    """`asarray`, but NaN and infinity raise.

    >>> asarray_chkfinite([1.0, 2.0])
    array([1., 2.])
    """
    x = array(a, dtype)
    if not all(isfinite(x)):
        raise ArgumentError("asarray_chkfinite: a must hold finite numbers; got NaN or infinity.")
    return x


@numpy_function(np.ascontiguousarray, collects=False)
def ascontiguousarray(a: Any, dtype: Any = None, **keywords: Any) -> Array:
    """An array of at least one axis, contiguous in memory; a Tensor has no layout of its own.

    >>> ascontiguousarray(1.0)
    array([1.])
    """
    return atleast_1d(array(a, dtype, **keywords))


@numpy_function(np.asfortranarray, collects=False)
def asfortranarray(a: Any, dtype: Any = None, **keywords: Any) -> Array:
    """An array of at least one axis, in Fortran's order in memory; a Tensor has no layout of its own.

    >>> asfortranarray(1.0)
    array([1.])
    """
    return atleast_1d(array(a, dtype, **keywords))


def copy(a: Array, order: str = "K", subok: bool = False) -> Array:
    """A copy of an array. A Tensor is a value and is its own copy.

    >>> copy(np.ones(2))
    array([1., 1.])
    """
    a = collected(a)
    return a if type(a) is Tensor else np.copy(a, order, subok)


@numpy_function(np.full_like)
def full_like(
    a: Array,
    fill_value: Array,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: str | None = None,
) -> Array:
    """An array of the shape of `a` filled with a value, which may be a Tensor.

    Derivative: 0 for `a`; for the value the sum over all places.

    >>> full_like(np.zeros(2), 3.0)
    array([3., 3.])
    """
    like = empty_like(a, dtype, order, subok, shape)
    return broadcast_to(astype(as_array(fill_value), like.dtype), like.shape)


@numpy_function(np.full)
def full(shape: Any, fill_value: Array, dtype: Any = None, order: str = "C", *, device: str | None = None) -> Array:
    """An array of a shape filled with a value, which may be a Tensor.

    >>> full(2, 3.0)
    array([3., 3.])
    """
    return broadcast_to(fill_value if dtype is None else astype(fill_value, dtype), shape)
