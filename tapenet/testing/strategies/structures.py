"""Strategies for what goes with arrays: pytrees of them, axes, index expressions."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.strategies import SearchStrategy

from tapenet.core.argument_checks import checked_count, checked_flag, checked_shape, shown
from tapenet.core.pytrees import Tree
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.testing.strategies.arrays import MOST_DIMS, Shape, arrays

Axes = int | tuple[int, ...] | None


def pytrees(leaves: SearchStrategy[Any] | None = None, *, max_leaves: int = 4) -> SearchStrategy[Tree]:
    """Nested tuples, lists and dicts with such leaves, by default of small arrays; a single leaf is one too.

    >>> from hypothesis import find
    >>> from tapenet.testing.strategies import numbers
    >>> find(pytrees(numbers(), max_leaves=3), lambda tree: isinstance(tree, dict) and tree)
    {'a': 0.0}
    """

    def nested(children: SearchStrategy[Tree]) -> SearchStrategy[Tree]:
        several = st.lists(children, max_size=3)
        named = st.dictionaries(st.sampled_from("abc"), children, max_size=3)
        return several.map(tuple) | several | named

    max_leaves = checked_count("pytrees", "max_leaves", max_leaves)
    if leaves is not None and not isinstance(leaves, SearchStrategy):
        raise ArgumentTypeError(f"pytrees: leaves must be a strategy; got {shown(leaves)}.")
    leaves = arrays(_leaf_shapes()) if leaves is None else leaves
    return st.recursive(leaves, nested, max_leaves=max_leaves)


def _leaf_shapes() -> SearchStrategy[Shape]:
    """Shapes of the leaves of pytrees."""
    return hnp.array_shapes(min_dims=0, max_dims=2, max_side=2)


def axes(ndim: int | Shape, *, none: bool = True, several: bool = True) -> SearchStrategy[Axes]:
    """Draw what reductions take as `axis`: None, an axis counted from either end, or a tuple of different ones.

    Args:
        ndim: the number of dimensions, or the shape.
        none: whether None is drawn.
        several: whether tuples are drawn.

    >>> from hypothesis import find
    >>> find(axes(2), lambda axis: isinstance(axis, tuple) and len(axis) == 2)
    (0, 1)
    """
    none, several = checked_flag("axes", "none", none), checked_flag("axes", "several", several)
    sizes = checked_shape("axes", "ndim", ndim)
    ndim = len(sizes) if np.iterable(ndim) else sizes[0]
    if ndim > MOST_DIMS:
        raise ArgumentError(f"axes: ndim must be at most {MOST_DIMS}; got {ndim}.")
    options: list[SearchStrategy[Axes]] = [st.none()] if none or not (ndim or several) else []
    if ndim:
        options.append(st.sampled_from([*range(ndim), *range(-ndim, 0)]))
    if several:
        options.append(hnp.valid_tuple_axes(ndim))
    return st.one_of(options)


def indices(shape: Shape, *, fancy: bool = True) -> SearchStrategy[Any]:
    """Index expressions that fit a shape: integers, slices, Ellipsis, None, and with `fancy` arrays and masks.

    >>> from hypothesis import find
    >>> find(indices((3, 2)), lambda index: np.zeros((3, 2))[index].shape == ())
    (0, 0)
    """
    shape, fancy = checked_shape("indices", "shape", shape), checked_flag("indices", "fancy", fancy)
    basic: SearchStrategy[Any] = hnp.basic_indices(shape, allow_newaxis=True, max_dims=len(shape) + 2)
    if not fancy or not shape or 0 in shape:
        return basic
    rows = hnp.integer_array_indices((shape[0],), result_shape=hnp.array_shapes(max_dims=2, max_side=3))
    everywhere = hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3))
    masks = hnp.arrays(np.bool_, shape[:1]) | hnp.arrays(np.bool_, shape)
    return basic | rows.map(lambda index: index[0]) | everywhere | masks
