"""Functions applied along axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, axis_of, numpy_function
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.ops.arrays.shaping import expand_dims, moveaxis, reshape, stack


@numpy_function(np.apply_along_axis)
def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Array, *args: Any, **kwargs: Any) -> Array:
    """Apply a function of vectors to each vector along an axis; its result takes the place of that axis.

    Derivative: that of the function. The function is called once for each vector; `tn.vmap` calls it once for all.

    >>> tnp.apply_along_axis(tnp.sum, 1, np.ones((2, 3)))
    array([3., 3.])
    """
    x = as_array(arr)
    axis = axis_of("apply_along_axis", axis, x.ndim)
    rest = x.shape[:axis] + x.shape[axis + 1 :]
    rows = reshape(moveaxis(x, axis, -1), (int(np.prod(rest)), x.shape[axis]))
    if len(rows) == 0:
        raise ArgumentError(f"apply_along_axis: arr must hold a vector to call func1d with; got shape {x.shape}.")
    found = stack([as_array(func1d(rows[i], *args, **kwargs)) for i in range(len(rows))])
    shape = found.shape[1:]
    found = reshape(found, rest + shape)
    return moveaxis(found, range(len(rest), found.ndim), range(axis, axis + len(shape)))


@numpy_function(np.apply_over_axes)
def apply_over_axes(func: Callable[..., Array], a: Array, axes: int | Sequence[int]) -> Array:
    """Apply a function of an array and an axis over each axis in turn; reduced axes stay, with length 1.

    Derivative: that of the function.

    >>> tnp.apply_over_axes(tnp.sum, np.ones((2, 3)), (0, 1))
    array([[6.]])
    """
    x = as_array(a)
    ndim = x.ndim
    for axis in np.atleast_1d(axes).tolist():
        axis = axis + ndim if axis < 0 else axis
        found = func(x, axis)
        x = found if found.ndim == ndim else expand_dims(found, axis)
        if x.ndim != ndim:
            raise ArgumentError(f"apply_over_axes: func must reduce its axis or keep it; got shape {found.shape}.")
    return x
