"""Helpers of rules that packages import from autograd's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from compat.autograd.boxes import getval


def unbroadcast(x: Any, target_meta: Any, broadcast_idx: int = 0) -> Any:
    """Add a cotangent up over the axes that an argument was broadcast along.

    Args:
        x: the cotangent.
        target_meta: `metadata` of the argument: its shape, number of axes, dtype, and whether it is complex.
        broadcast_idx: where axes were added, 0 for the front, -1 for the end.
    """
    shape, ndim, _, is_complex = target_meta
    while np.ndim(getval(x)) > ndim:
        x = tnp.sum(x, axis=broadcast_idx)
    for axis, length in enumerate(shape):
        if length == 1:
            x = tnp.sum(x, axis=axis, keepdims=True)
    return tnp.real(x) if np.iscomplexobj(getval(x)) and not is_complex else x


def unbroadcast_f(target: Any, f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a rule whose cotangent is added up to the shape of an argument."""
    value = getval(target)
    target_meta = np.shape(value), np.ndim(value), np.result_type(value), np.iscomplexobj(value)
    return lambda g: unbroadcast(f(g), target_meta)


def match_complex(target: Any, x: Any) -> Any:
    """Return x as a complex or real array, as the target is."""
    is_complex, of_complex = np.iscomplexobj(getval(x)), np.iscomplexobj(getval(target))
    if is_complex and not of_complex:
        return tnp.real(x)
    return x + 0j if of_complex and not is_complex else x


def replace_zero(x: Any, val: Any) -> Any:
    """Return x with another value in place of zeros."""
    return tnp.where(x, x, val)


def repeat_to_match_shape(g: Any, shape: Any, dtype: Any, axis: Any, keepdims: bool) -> tuple[Any, Any]:
    """Return the cotangent of a reduction, spread over the axes that were reduced, and the count of them."""
    if shape == ():
        return g, 1
    axes = range(len(shape)) if axis is None else [axis] if isinstance(axis, int) else list(axis)
    kept = [1 if i in {a % len(shape) for a in axes} else n for i, n in enumerate(shape)]
    count = np.prod([shape[a] for a in axes], dtype=int)
    return tnp.broadcast_to(tnp.reshape(g, kept), shape), count
