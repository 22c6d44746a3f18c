"""The order of an array's axes in memory: results of a program have that of the function's results."""

from __future__ import annotations

from typing import Any

import numpy as np

Order = tuple[int, ...] | None  # the axes from the outermost in memory to the innermost; None for C order


def order_of(x: Any) -> Order:
    """Return the order in which NumPy's functions make results of an array."""
    if x.ndim < 2 or x.flags.c_contiguous:
        return None
    steps = {axis: abs(x.strides[axis]) for axis in range(x.ndim) if x.shape[axis] > 1}
    order = sorted(steps, key=lambda axis: -steps[axis])
    if order == [*steps] or 0 in steps.values():  # of what is broadcast
        return None
    return (*(axis for axis in range(x.ndim) if axis not in steps), *order)


def has_order(x: Any, order: Order) -> bool:
    """Return whether the elements of an array lie one after the other in an order."""
    return bool((x if order is None else x.transpose(order)).flags.c_contiguous)


def copied(x: Any, order: Order) -> Any:
    """Return a copy of an array in an order, which owns its memory."""
    if order is None:
        return np.array(x, order="C")
    if order == tuple(range(x.ndim))[::-1]:
        return np.array(x, order="F")
    if not has_order(x, order):
        x = np.ascontiguousarray(x.transpose(order)).transpose(_back(order))
    return np.array(x, order="K")


def _back(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(range(len(order)), key=order.__getitem__))
