"""What interpolators check of their arguments, and how they find the interval of a point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, axis_of, collected, holds_tensor
from tapenet.core.nondifferentiable import branch_condition, choice
from tapenet.core.primitive import Array
from tapenet.core.pytrees import tree_leaves
from tapenet.errors import ArgumentError


@attrs.frozen
class Theirs:
    """SciPy's interpolator of plain data, which does not count for the structure of a pytree.

    Attributes:
        made: SciPy's object; None where there is a Tensor among the data.
        of: the data, as long as which are the interpolator's it is the same.
    """

    made: Any = attrs.field(eq=False)
    of: Any = attrs.field(eq=False)

    def stands_for(self, data: Any, points: Any) -> bool:
        """Return whether SciPy's object gives the values: the data are still its own, and the points are plain."""
        return self.made is not None and data is self.of and not on_tape(points)


def on_tape(*arguments: Any) -> bool:
    """Return whether there is a Tensor among arguments or in them."""
    return any(map(holds_tensor, arguments)) or any(map(holds_tensor, tree_leaves(arguments)))


def double(x: Any) -> Array:
    """Return an argument in the precision that SciPy interpolates in."""
    x = as_array(collected(x))
    return x.astype(complex if x.dtype.kind == "c" else float)


@branch_condition
def is_increasing(x: Array) -> bool:
    return bool(np.all(np.diff(np.asarray(x), axis=-1) > 0))


@branch_condition
def is_sorted(x: Array) -> bool:
    return bool(np.all(np.diff(np.asarray(x), axis=-1) >= 0))


@branch_condition
def is_zero(x: Array) -> bool:
    return bool(np.all(np.asarray(x) == 0))


@branch_condition
def is_negative(x: Array) -> bool:
    return bool(np.any(np.asarray(x) < 0))


@branch_condition
def is_finite(x: Array) -> bool:
    return bool(np.all(np.isfinite(x)))


def samples(function: str, x: Any, y: Any, axis: int) -> tuple[Array, Array, int]:
    """Return checked places and values, these with the axis of the places in front, and that axis."""
    x, y = double(x), double(y)
    if x.dtype.kind == "c":
        raise ArgumentError(f"{function}: `x` must contain real values; got dtype {x.dtype}.")
    if x.ndim != 1 or x.shape[0] < 2:
        raise ArgumentError(f"{function}: `x` must be 1-dimensional with at least 2 elements; got shape {x.shape}.")
    axis = axis_of(function, axis, y.ndim)
    if x.shape[0] != y.shape[axis]:
        raise ArgumentError(
            f"{function}: the length of `y` along axis {axis} must match the length of `x`; got shapes {y.shape} and "
            f"{x.shape}."
        )
    if not is_finite(x) or not is_finite(y):
        raise ArgumentError(f"{function}: `x` and `y` must contain only finite values; got NaN or infinity.")
    if not is_increasing(x):
        raise ArgumentError(f"{function}: `x` must be strictly increasing sequence. Sort x, and y with it.")
    return x, tnp.moveaxis(y, axis, 0), axis


# ---- intervals ----


def _found(knots: Array, at: Array, *, low: int, high: int, side: str) -> Array:
    return np.clip(np.searchsorted(knots, at, side=side) - 1, low, high)  # type: ignore[call-overload]  # sides


_interval = choice(_found, name="interpolate.interval")


def interval(knots: Array, at: Array, low: int, high: int, side: str = "right") -> Array:
    """Return the number of the interval of increasing knots that each point is in, in [low, high]."""
    return _interval(knots, at, low=low, high=high, side=side)


@branch_condition
def leaves(at: Array, knots: Array) -> bool:
    """Return whether one of the points, a vector, is outside of increasing knots."""
    at, knots = np.asarray(at), np.asarray(knots)
    # Under `vmap` examples are in front, of one of the two or of both: a last axis of length 1 is the points'.
    return bool(np.any(at < knots[..., :1]) or np.any(at > knots[..., -1:]))


_outside = choice(lambda at, low, high: (at < low) | (at > high), name="interpolate.outside")


_is_nan = choice(np.isnan, name="interpolate.is_nan")


def nan_at_nan(out: Array, at: Array) -> Array:
    """Return results for points with NaN at those that are NaN, where the formula does not depend on them."""
    return nan_where(_is_nan(at), out)


def nan_outside(out: Array, at: Array, low: Array, high: Array) -> Array:
    """Return results for points, along the axes in front, with NaN for the points that are outside."""
    return nan_where(_outside(at, low, high), out)


def outside_of(at: Sequence[Array], ends: Sequence[tuple[Array, Array]]) -> Array:
    """Return which points, given by their coordinates, are outside of a box."""
    outside: Array = False
    for x, (low, high) in zip(at, ends, strict=True):
        outside = outside | _outside(x, low, high)
    return outside


def nan_where(chosen: Array, out: Array) -> Array:
    """Return results for points with NaN at the chosen ones."""
    return tnp.where(across(chosen, out.ndim), np.nan, out)


def periodic(at: Array, low: Array, high: Array) -> Array:
    """Return points moved by whole periods into the interval."""
    return low + tnp.mod(at - low, high - low)


def across(x: Array, ndim: int) -> Array:
    """Return a vector with axes of length 1 behind it, up to `ndim` axes."""
    return tnp.reshape(x, (*x.shape, *(1,) * (ndim - x.ndim)))


def in_place(out: Array, points: int, axis: int) -> Array:
    """Return results, whose first `points` axes are the points', with these where the axis was."""
    if axis == 0:
        return out
    return tnp.moveaxis(out, tuple(range(points)), tuple(range(axis, axis + points)))
