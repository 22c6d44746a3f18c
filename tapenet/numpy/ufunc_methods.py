"""The methods of NumPy's ufuncs on Tensors: reduce, accumulate, outer and reduceat of any function of two operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.arguments import ABSENT, as_array, axes_of, axis_of, refuse
from tapenet.core.nondifferentiable import constant
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError, AssignmentError

Binary = Callable[..., Array]

# The functions that a ufunc's method is, by name.
_REDUCE: dict[np.ufunc, str] = {
    np.add: "sum",
    np.multiply: "prod",
    np.maximum: "max",
    np.minimum: "min",
    np.fmax: "nanmax",
    np.fmin: "nanmin",
    np.logical_and: "all",
    np.logical_or: "any",
}
_ACCUMULATE: dict[np.ufunc, str] = {np.add: "cumsum", np.multiply: "cumprod"}


def call_method(ufunc: np.ufunc, ours: Binary, method: str, *operands: Any, **keywords: Any) -> Array:
    """Compute `ufunc.method(*operands, **keywords)`, in terms of our counterpart of the ufunc."""
    name = f"{ufunc.__name__}.{method}"
    if method == "at":
        raise AssignmentError(
            f"{name}: it writes into an array, and a Tensor is a value and never changes. "
            "Write a = a.at[indices].add(b), or .multiply(b)."
        )
    if ufunc.nin != 2 or ufunc.nout != 1 or ufunc.signature is not None:
        raise ArgumentTypeError(f"{name}: only a ufunc of two operands has it.")
    if not _is_differentiable(ufunc, ours):
        return getattr(ufunc, method)(*(constant(x) if type(x) is Tensor else x for x in operands), **keywords)
    answer = _METHODS[method]
    return answer(ufunc, ours, *operands, **keywords)


def _is_differentiable(ufunc: np.ufunc, ours: Binary) -> bool:
    return ufunc in _REDUCE or hasattr(ours, "primitive")


def _reduce(
    ufunc: np.ufunc,
    ours: Binary,
    array: Array,
    axis: Any = 0,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Array = ABSENT,
    where: Array = ABSENT,
) -> Array:
    refuse(f"{ufunc.__name__}.reduce", {"out": out})
    x = array if dtype is None else tnp.astype(array, dtype)
    more = {key: value for key, value in (("initial", initial), ("where", where)) if value is not ABSENT}
    if ufunc in _REDUCE:
        return getattr(tnp, _REDUCE[ufunc])(x, axis=axis, keepdims=keepdims, **more)
    return _folded(ufunc, ours, x, axis, keepdims, initial, where)


def _folded(ufunc: np.ufunc, ours: Binary, x: Array, axis: Any, keepdims: bool, initial: Array, where: Array) -> Array:
    """Apply the function to one slice after the other."""
    name = f"{ufunc.__name__}.reduce"
    axes = tuple(range(x.ndim)) if axis is None else axes_of(name, axis, x.ndim)
    if len(axes) != 1 and ufunc.identity is None:
        raise ArgumentError(f"{name}: axis must be one axis, as the order matters; got {axis!r}.")
    if where is not ABSENT:
        raise ArgumentTypeError(
            f"{name}: where= is not supported for a Tensor. Apply it to tnp.where(mask, x, neutral)."
        )
    rest = tuple(length for i, length in enumerate(x.shape) if i not in axes)
    rows = tnp.reshape(tnp.moveaxis(x, axes, range(len(axes))), (-1, *rest)) if x.size else np.zeros((0, *rest))
    if len(rows) == 0 and initial is ABSENT and ufunc.identity is None:
        raise ArgumentError(f"{name}: x must hold an element along axis; got shape {x.shape}.")
    start = [] if initial is ABSENT else [initial]
    terms = [*start, *(rows[i] for i in range(len(rows)))] or [np.full(rest, ufunc.identity, x.dtype)]
    total = terms[0]
    for term in terms[1:]:
        total = ours(total, term)
    kept = [1 if i in axes else length for i, length in enumerate(x.shape)]
    return tnp.reshape(total, kept) if keepdims else total


def _accumulate(
    ufunc: np.ufunc, ours: Binary, array: Array, axis: int = 0, dtype: Any = None, out: None = None
) -> Array:
    refuse(f"{ufunc.__name__}.accumulate", {"out": out})
    x = array if dtype is None else tnp.astype(array, dtype)
    if ufunc in _ACCUMULATE:
        return getattr(tnp, _ACCUMULATE[ufunc])(x, axis)
    axis = axis_of(f"{ufunc.__name__}.accumulate", axis, x.ndim)
    rows = tnp.moveaxis(x, axis, 0)
    if len(rows) == 0:
        return x
    totals = [rows[0]]
    for i in range(1, len(rows)):
        totals.append(ours(totals[-1], rows[i]))
    return tnp.stack(totals, axis)


def _outer(ufunc: np.ufunc, ours: Binary, a: Array, b: Array, /, **keywords: Any) -> Array:
    x, y = as_array(a), as_array(b)
    return ours(tnp.reshape(x, x.shape + (1,) * y.ndim), y, **keywords)


def _reduceat(
    ufunc: np.ufunc, ours: Binary, array: Array, indices: Any, axis: int = 0, dtype: Any = None, out: None = None
) -> Array:
    """Reduce each stretch from one index to the next; one element where the next is not larger."""
    name = f"{ufunc.__name__}.reduceat"
    refuse(name, {"out": out})
    axis = axis_of(name, axis, array.ndim)
    n = array.shape[axis]
    starts = [int(i) for i in np.asarray(indices)]
    wrong = [i for i in starts if not 0 <= i < n]
    if wrong:
        raise ArgumentError(f"{name}: indices must be in [0, {n}); got {wrong[0]}.")
    parts = []
    for start, stop in zip(starts, [*starts[1:], n], strict=True):
        stretch = (slice(None),) * axis + (slice(start, max(stop, start + 1)),)
        parts.append(_reduce(ufunc, ours, array[stretch], axis, dtype))
    return tnp.stack(parts, axis)


_METHODS: dict[str, Callable[..., Array]] = {
    "reduce": _reduce,
    "accumulate": _accumulate,
    "outer": _outer,
    "reduceat": _reduceat,
}
