"""What initial value problems ask of their arguments on a tape."""

from __future__ import annotations

from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array
from tapenet.core.pytrees import tree_leaves
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError


@branch_condition
def are_in_order(times: Array) -> bool:
    steps = np.diff(np.asarray(times), axis=-1)
    return bool(np.all(steps > 0) or np.all(steps < 0))


@branch_condition
def are_within(times: Array, span: Array) -> bool:
    low, high = np.min(span), np.max(span)
    return bool(np.all((np.asarray(times) >= low) & (np.asarray(times) <= high)))


@branch_condition
def is_finite(x: Array) -> bool:
    return bool(np.all(np.isfinite(np.asarray(x))))


@branch_condition
def is_zero(x: Array) -> bool:
    return bool(np.any(np.asarray(x) == 0))


def initial(function: str, y0: Any) -> Array:
    y0 = tnp.asarray(y0)
    if y0.ndim > 1 or y0.dtype.kind == "c":
        raise ArgumentTypeError(f"{function}: y0 must be a real vector on a tape; got shape {y0.shape}, {y0.dtype}.")
    if not is_finite(y0):
        raise ArgumentError(f"{function}: y0 must be finite, in all components; got inf or NaN.")
    return tnp.ravel(y0).astype(float)


def times_in_order(function: str, name: str, times: Any) -> Array:
    times = tnp.asarray(times)
    if times.ndim != 1 or not are_in_order(times):
        raise ArgumentError(
            f"{function}: {name} must be a vector of times that increase or decrease strictly; got shape {times.shape} "
            "with times out of order, repeated or NaN. Sort them, and begin at that of y0."
        )
    return times.astype(float)


def is_on_tape(*values: Any) -> bool:
    return any(type(x) is Tensor for x in tree_leaves(values))


def checked_args(function: str, args: Any) -> tuple[Any, ...]:
    if args is None:
        return ()
    if not isinstance(args, tuple | list):
        raise ArgumentTypeError(f"{function}: args must be a tuple; got {type(args).__name__}. Write args=(args,).")
    return tuple(args)
