"""Strategies for numbers, shapes and arrays."""

from __future__ import annotations

import functools
import math
import numbers as numbers_of_python
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.strategies import DrawFn, SearchStrategy

from tapenet.core.argument_checks import (
    checked_count,
    checked_dtype,
    checked_flag,
    checked_number,
    checked_shape,
    shown,
)
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.testing.strategies.grid import grid, real_grid

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
ShapeLike = int | Shape | SearchStrategy[Any] | None  # None for small shapes of all kinds
DTypeLike = Any  # a dtype, or a strategy for dtypes

MOST_DIMS = 32  # that Hypothesis draws


def numbers(
    low: float = -2.0, high: float = 2.0, *, away_from: Sequence[float] = (), margin: float = 0.1
) -> SearchStrategy[float]:
    """Simple numbers in an interval, at least `margin` away from each of some kinks.

    Args:
        low, high: the ends of the interval, which are drawn too unless they are near kinks.
        away_from: points to keep away from, such as the 0 of abs.
        margin: how far, in absolute terms; more than the step of finite differences.

    Raises:
        ArgumentError: an interval that is empty, or has no number away from the kinks.

    >>> from hypothesis import find
    >>> find(numbers(-2, 2, away_from=[0.0]), lambda x: x < 0)
    -1.0
    """
    low, high = checked_number("numbers", "low", low), checked_number("numbers", "high", high)
    margin, points = checked_number("numbers", "margin", margin, "[0, inf)"), checked_points("numbers", away_from)
    return st.sampled_from(real_grid("numbers", low, high, points, margin))


def shapes(min_dims: int = 0, max_dims: int = 3, *, min_side: int = 1, max_side: int = 3) -> SearchStrategy[Shape]:
    """Shapes of small arrays, that of a scalar among them; with `min_side=0` of empty ones too.

    >>> from hypothesis import find
    >>> find(shapes(max_dims=2), lambda shape: len(shape) == 2)
    (1, 1)
    """
    check_sides("shapes", max_dims, min_side, max_side)
    if checked_count("shapes", "min_dims", min_dims, 0) > max_dims:
        raise ArgumentError(f"shapes: min_dims must be at most max_dims, {max_dims}; got {min_dims}.")
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side)


def broadcastable_shapes(
    count: int = 2, *, max_dims: int = 3, min_side: int = 1, max_side: int = 3
) -> SearchStrategy[tuple[Shape, ...]]:
    """Tuples of shapes that broadcast with each other.

    >>> from hypothesis import find
    >>> find(broadcastable_shapes(), lambda pair: pair[0] == (2,))
    ((2,), ())
    """
    checked_count("broadcastable_shapes", "count", count)
    check_sides("broadcastable_shapes", max_dims, min_side, max_side)
    drawn = hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=max_dims, min_side=min_side, max_side=max_side)
    return drawn.map(lambda shapes: shapes.input_shapes)


def arrays(
    shape: ShapeLike = None,
    dtype: DTypeLike = np.float64,
    *,
    low: float = -2.0,
    high: float = 2.0,
    away_from: Sequence[complex] = (),
    margin: float = 0.1,
    distinct: bool = False,
    off_axes: bool = False,
) -> SearchStrategy[Array]:
    """Float or complex arrays of simple numbers.

    Args:
        shape: a shape, a length, or a strategy for them; by default up to 3 dimensions of up to 3.
        dtype: a float or complex dtype, or a strategy for them.
        low, high: the interval of the numbers; for complex ones, of both parts.
        away_from: points that every element keeps away from by `margin`: 0 for abs, say.
        distinct: whether elements keep `margin` away from each other, for functions with kinks at ties.
        off_axes: whether complex numbers keep `margin` away from both axes, where branch cuts lie.

    Raises:
        ArgumentError: a dtype that is not floating; an interval without numbers away from the kinks, or, when
            drawing, with fewer than there are distinct elements.

    >>> from hypothesis import find
    >>> find(arrays((2,), away_from=[0.0], distinct=True), lambda x: True)
    array([ 1., -1.])
    """
    low, high = checked_number("arrays", "low", low), checked_number("arrays", "high", high)
    margin, points = checked_number("arrays", "margin", margin, "[0, inf)"), checked_points("arrays", away_from)
    distinct, off_axes = checked_flag("arrays", "distinct", distinct), checked_flag("arrays", "off_axes", off_axes)
    options = {"off_axes": off_axes, "gap": margin if distinct else 0.0}
    numbers = functools.partial(grid, "arrays", low=low, high=high, away_from=points, margin=margin, **options)
    dtypes = dtype_strategy("arrays", dtype)
    if not isinstance(dtype, st.SearchStrategy):
        numbers(np.dtype(dtype))  # for its errors, before a test begins
    return _arrays(shape_strategy("arrays", "shape", shape), dtypes, numbers, distinct)


@st.composite
def _arrays(
    draw: DrawFn,
    shape: SearchStrategy[Shape],
    dtype: SearchStrategy[Any],
    numbers: Callable[..., Sequence[Any]],
    distinct: bool,
) -> Array:
    dtype_drawn, shape_drawn = np.dtype(draw(dtype)), draw(shape)
    size, pool = math.prod(shape_drawn), numbers(dtype_drawn)
    if distinct and size > len(pool):
        raise ArgumentError(
            f"arrays: there must be {size} numbers away from each other, for distinct elements of shape "
            f"{shape_drawn}; got {len(pool)}. Choose a smaller margin or a wider interval."
        )
    elements = draw(st.lists(st.sampled_from(pool), min_size=size, max_size=size, unique=distinct))
    return np.array(elements, dtype_drawn).reshape(shape_drawn)


def broadcastable_arrays(
    count: int = 2, dtype: DTypeLike = np.float64, *, max_dims: int = 3, min_side: int = 1, max_side: int = 3, **of: Any
) -> SearchStrategy[tuple[Array, ...]]:
    """Tuples of arrays that broadcast with each other; further options are those of `arrays`.

    >>> from hypothesis import find
    >>> find(broadcastable_arrays(), lambda pair: pair[1].ndim == 1)
    (array(0.), array([0.]))
    """
    checked_count("broadcastable_arrays", "count", count)
    check_sides("broadcastable_arrays", max_dims, min_side, max_side)
    dtype_strategy("broadcastable_arrays", dtype)
    drawn = broadcastable_shapes(count, max_dims=max_dims, min_side=min_side, max_side=max_side)
    return drawn.flatmap(lambda shapes: st.tuples(*(arrays(shape, dtype, **of) for shape in shapes)))


def as_strategy(x: Any) -> SearchStrategy[Any]:
    """Return a strategy as it is; anything else as the strategy that always gives it."""
    return x if isinstance(x, st.SearchStrategy) else st.just(x)


def dtype_strategy(function: str, dtype: DTypeLike) -> SearchStrategy[Any]:
    """Return a strategy for float or complex dtypes from any description of them."""
    if isinstance(dtype, st.SearchStrategy):
        return dtype
    return st.just(checked_dtype(function, "dtype", dtype, "fc", "a float or complex dtype, or a strategy for them"))


def check_sides(function: str, max_dims: int, min_side: int, max_side: int) -> None:
    """Raise for limits of shapes that leave none."""
    checked_count(function, "max_dims", max_dims, 0, MOST_DIMS)
    if checked_count(function, "min_side", min_side, 0) > checked_count(function, "max_side", max_side):
        raise ArgumentError(f"{function}: min_side must be at most max_side, {max_side}; got {min_side}.")


def checked_points(function: str, points: Sequence[complex]) -> tuple[complex, ...]:
    """Check the points that numbers keep away from."""
    if isinstance(points, str) or not isinstance(points, Iterable):
        raise ArgumentTypeError(f"{function}: away_from must hold numbers; got {shown(points)}.")
    found = tuple(points)
    if not all(isinstance(x, numbers_of_python.Complex) and not isinstance(x, bool) and x == x for x in found):
        raise ArgumentTypeError(f"{function}: away_from must hold numbers; got {shown(points)}.")
    return found


def shape_strategy(function: str, name: str, shape: ShapeLike) -> SearchStrategy[Shape]:
    """Return a strategy for shapes from any description of them."""
    if shape is None:
        return shapes()
    if not isinstance(shape, st.SearchStrategy):
        return st.just(checked_shape(function, name, shape))
    return as_strategy(shape).map(lambda drawn: (drawn,) if isinstance(drawn, int) else tuple(drawn))
