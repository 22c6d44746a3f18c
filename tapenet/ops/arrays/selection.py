"""Choices among elements, and among arrays, by conditions and by numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, numpy_function
from tapenet.core.nondifferentiable import constant
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError
from tapenet.ops.arrays.indexing import at, getitem, take
from tapenet.ops.arrays.searching import flatnonzero, nonzero
from tapenet.ops.arrays.shaping import broadcast_arrays, ravel, stack
from tapenet.ops.arrays.structure import result_type
from tapenet.ops.elementwise.arithmetic import where
from tapenet.ops.elementwise.casting import astype

# ---- elements ----


@numpy_function(np.extract)
def extract(condition: Array, arr: Array) -> Array:
    """Take the elements of arr where the condition holds, as one axis.

    Derivative: linear; elements that are not taken receive 0. None for the condition. `vmap` refuses it, as the length
    depends on values.

    >>> tnp.extract(np.array([True, False]), np.array([1.0, 2.0]))
    array([1.])
    """
    return take(ravel(as_array(arr)), flatnonzero(as_array(condition)))


@numpy_function(np.compress)
def compress(condition: Array, a: Array, axis: int | None = None, out: None = None) -> Array:
    """Take the slices along an axis where the condition holds; without axis, elements of the flat array.

    Derivative: linear; slices that are not taken receive 0. None for the condition. `vmap` refuses it, as the length
    depends on values.

    >>> tnp.compress([True, False], np.eye(2), 0)
    array([[1., 0.]])
    """
    condition = as_array(condition)
    if condition.ndim != 1:
        raise ArgumentError(f"compress: condition must have one axis; got shape {condition.shape}.")
    return take(as_array(a), flatnonzero(condition), axis)


# ---- arrays ----


@numpy_function(np.choose)
def choose(a: Array, choices: Sequence[Array], out: None = None, mode: str = "raise") -> Array:
    """Take at each place the element of the choice whose number is in a.

    Derivative: 1 for the choice that is taken and 0 for the others. None for a, which must be integers.

    >>> tnp.choose([1, 0], [[10.0, 20.0], [30.0, 40.0]])
    array([30., 20.])
    """
    number = as_array(a)
    if number.dtype.kind == "b":  # numbers, not a mask
        number = number.astype(np.intp)
    number, *arrays = broadcast_arrays(number, *(as_array(choice) for choice in choices))
    count = len(arrays)
    if mode == "wrap":
        number = number % count
    elif mode == "clip":
        number = np.clip(number, 0, count - 1)
    elif mode != "raise":
        raise ArgumentError(f"choose: mode must be 'raise', 'wrap' or 'clip'; got {mode!r}.")
    elif np.any((number < 0) | (number >= count)):
        raise ArgumentError(f"choose: a must name one of {count} choices, from 0; got {number}.")
    grid = np.ogrid[tuple(slice(length) for length in number.shape)]
    return getitem(stack(arrays), (number, *grid))


@numpy_function(np.select)
def select(condlist: Sequence[Array], choicelist: Sequence[Array], default: Array = 0) -> Array:
    """Take at each place the element of the first choice whose condition holds, else the default.

    Derivative: 1 for the choice that is taken and 0 for the others. None for the conditions. An infinite derivative of
    a choice that is not taken meets that 0 as 0 * inf = NaN; `where` says what to write.

    >>> tnp.select([np.array([True, False])], [np.array([1.0, 2.0])], 7.0)
    array([1., 7.])
    """
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ArgumentError(
            f"select: there must be one choice for each condition, and one at least; got {len(condlist)} "
            f"conditions and {len(choicelist)} choices."
        )
    arrays = [x if type(x) in (int, float, complex) else as_array(x) for x in (*choicelist, default)]
    conditions = [as_array(condition) for condition in condlist]
    for i, condition in enumerate(conditions):
        if condition.dtype != bool:
            raise ArgumentError(f"select: condlist[{i}] must be boolean; got {condition.dtype}.")
    dtype = result_type(*arrays)
    *choices, chosen = (astype(as_array(x), dtype) for x in arrays)
    chosen = broadcast_arrays(chosen, *conditions)[0]
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        chosen = where(condition, choice, chosen)
    return chosen


@numpy_function(np.piecewise)
def piecewise(x: Array, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Array:
    """Apply to the elements where a condition holds its function; of several conditions that hold, the last counts.

    Derivative: that of the function that is taken. A function is called with the elements where its condition holds
    alone, so that it never meets elements outside of its domain.

    >>> tnp.piecewise(np.array([-1.0, 2.0]), [np.array([True, False])], [lambda x: -x, lambda x: x])
    array([1., 2.])
    """
    x = as_array(x)
    conditions = [constant(as_array(c)) if type(c) is Tensor else np.asarray(c) for c in _conditions(condlist, x)]
    if len(funclist) == len(conditions) + 1:
        conditions.append(~np.logical_or.reduce(conditions))
    elif len(funclist) != len(conditions):
        raise ArgumentError(
            f"piecewise: there must be {len(conditions)} or {len(conditions) + 1} functions; got {len(funclist)}."
        )
    out = np.zeros(x.shape, x.dtype)
    for condition, function in zip(conditions, funclist, strict=True):
        if callable(function):
            here = nonzero(condition) if x.ndim else (condition[None].nonzero()[0],)
            part = getitem(x if x.ndim else x[None], here)
            out = _set(out, here, function(part, *args, **kw) if part.size else part)
        else:
            out = where(condition, astype(as_array(function), x.dtype), out)
    return out


def _conditions(condlist: Any, x: Array) -> Sequence[Any]:
    single = not isinstance(condlist, list | tuple) and np.ndim(condlist) == x.ndim
    bare = isinstance(condlist, list | tuple) and x.ndim and all(np.ndim(c) == 0 for c in condlist)
    return [condlist] if single or bare else list(condlist)


def _set(out: Array, here: tuple[Array, ...], part: Array) -> Array:
    if out.ndim:
        return at(out)[here].set(part)
    return at(out[None])[here].set(part)[0]
