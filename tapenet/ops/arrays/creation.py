"""Arrays from values: those that may hold Tensors stay on the tape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, check_device, numpy_function, refuse
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError
from tapenet.ops.arrays.joining import atleast_1d
from tapenet.ops.arrays.searching import all
from tapenet.ops.arrays.shaping import broadcast_to, in_an_array, reshape, stack
from tapenet.ops.arrays.structure import empty_like
from tapenet.ops.elementwise.casting import astype
from tapenet.ops.elementwise.comparison import isfinite


def _stacked(x: Any) -> Array:
    return stack([_stacked(part) for part in x]) if isinstance(x, list | tuple) else x


@numpy_function(np.array)
def array(object: Any, dtype: Any = None, *, ndmin: int = 0, **keywords: Any) -> Array:
    """Make an array of values; stack nested lists that hold Tensors on their tape.

    Derivative: linear; each cotangent goes back to the value in its place.

    On a Tensor `copy`, `order`, `subok`, `device` and `ndmax` have no effect, and `like` is refused.

    >>> tnp.array([1.0, 2.0])
    array([1., 2.])
    >>> float(tn.grad(lambda x: tnp.array([x, 2 * x]).sum())(1.0))
    3.0
    """
    check_device("array", keywords.get("device"))
    refuse("array", {name: value for name, value in keywords.items() if name not in _OF_LAYOUT})
    x = _stacked(object)
    x = x if dtype is None else astype(x, dtype)
    return reshape(x, (1,) * (ndmin - x.ndim) + x.shape) if x.ndim < ndmin else in_an_array(x)


_OF_LAYOUT = ("copy", "order", "subok", "device", "ndmax")  # a value has no layout, and may be shared


@numpy_function(np.asarray)
def asarray(a: Any, dtype: Any = None, order: Any = None, **keywords: Any) -> Array:
    """Make an array of values, without a copy if it is one; stack nested lists that hold Tensors on their tape.

    Derivative: linear; each cotangent goes back to the value in its place. A Tensor is returned as it is, or cast to
    `dtype`.

    On a Tensor `order`, `device` and `copy` have no effect, and `like` is refused.

    >>> tnp.asarray([1.0, 2.0])
    array([1., 2.])
    """
    return array(a, dtype, **keywords)


@numpy_function(np.asanyarray)
def asanyarray(a: Any, dtype: Any = None, order: Any = None, **keywords: Any) -> Array:
    """Make an array of values as `asarray` does, but let subclasses of ndarray pass.

    Derivative: as for `asarray`.

    On a Tensor `order`, `device` and `copy` have no effect, and `like` is refused.

    >>> tnp.asanyarray([1.0, 2.0])
    array([1., 2.])
    """
    return array(a, dtype, **keywords)


@numpy_function(np.asarray_chkfinite)
def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Array:
    """Make an array of values as `asarray` does, but raise where one is NaN or infinite.

    Derivative: as for `asarray`.

    On a Tensor `order` has no effect.

    Raises:
        ArgumentError: NaN or infinity among the values of a Tensor; a ValueError, as NumPy's.

    >>> tnp.asarray_chkfinite([1.0, 2.0])
    array([1., 2.])
    """
    x = array(a, dtype)
    if not all(isfinite(x)):
        raise ArgumentError("asarray_chkfinite: a must hold finite numbers; got NaN or infinity.")
    return x


@numpy_function(np.ascontiguousarray)
def ascontiguousarray(a: Any, dtype: Any = None, **keywords: Any) -> Array:
    """Make an array of at least one axis that is contiguous in memory. A Tensor has no layout.

    Derivative: as for `asarray`.

    On a Tensor `like` is refused.

    >>> tnp.ascontiguousarray(1.0)
    array([1.])
    """
    return atleast_1d(array(a, dtype, **keywords))


@numpy_function(np.asfortranarray)
def asfortranarray(a: Any, dtype: Any = None, **keywords: Any) -> Array:
    """Make an array of at least one axis in Fortran's order in memory. A Tensor has no layout.

    Derivative: as for `asarray`.

    On a Tensor `like` is refused.

    >>> tnp.asfortranarray(1.0)
    array([1.])
    """
    return atleast_1d(array(a, dtype, **keywords))


@numpy_function(np.copy)
def copy(a: Array, order: str = "K", subok: bool = False) -> Array:
    """Copy an array. A Tensor is a value, and is returned as it is.

    Derivative: 1.

    On a Tensor `order` and `subok` have no effect.

    >>> tnp.copy(np.ones(2))
    array([1., 1.])
    """
    return in_an_array(a)


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
    """Make an array of the shape and dtype of another, filled with a value, which may be a Tensor.

    Derivatives: 0 for a; for the value, the sum of the cotangents of all places.

    On a Tensor `order`, `subok` and `device` have no effect.

    >>> tnp.full_like(np.zeros(2), 3.0)
    array([3., 3.])
    """
    check_device("full_like", device)
    like = empty_like(a, dtype, order, subok, shape)
    value = _without_spare_axes(astype(as_array(fill_value), like.dtype), like.ndim)
    if type(value) is Tensor:
        return broadcast_to(value, like.shape)
    like[...] = value
    return like


@numpy_function(np.full)
def full(shape: Any, fill_value: Array, dtype: Any = None, order: str = "C", *, device: str | None = None) -> Array:
    """Make an array of a shape, filled with a value, which may be a Tensor.

    Derivative: for the value, the sum of the cotangents of all places.

    On a Tensor `order` and `device` have no effect, and `like` is refused.

    >>> tnp.full(2, 3.0)
    array([3., 3.])
    >>> float(tn.grad(lambda v: tnp.full(2, v).sum())(3.0))
    2.0
    """
    check_device("full", device)
    fill = as_array(fill_value) if dtype is None else astype(as_array(fill_value), dtype)
    return broadcast_to(_without_spare_axes(fill, len(shape) if isinstance(shape, Sequence) else 1), shape)


def _without_spare_axes(x: Array, ndim: int) -> Array:
    """Drop axes of length 1 in front that an array of so many axes does not have, as where NumPy writes into one."""
    spare = x.ndim - ndim
    return reshape(x, x.shape[spare:]) if spare > 0 and set(x.shape[:spare]) == {1} else x
