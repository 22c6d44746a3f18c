"""Sorting, and the functions of sets: elements picked from where they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, axis_of, numpy_function, off_tape
from tapenet.core.batch_rules import along_axis, refused
from tapenet.core.nondifferentiable import plain
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor
from tapenet.ops.arrays.indexing import getitem, take, take_along_axis
from tapenet.ops.arrays.searching import argpartition, argsort as places_in_order
from tapenet.ops.arrays.shaping import concatenate, flip, ravel
from tapenet.ops.elementwise.casting import astype

# ---- orders ----

_order = plain(np.argsort, hidden=True, batch=along_axis)


def sort(
    a: Array,
    axis: int | None = -1,
    kind: str | None = None,
    order: None = None,
    *,
    stable: bool | None = None,
    descending: bool = False,
) -> Array:
    """Sort along an axis; with axis None, all elements. Derivative: that of the stable permutation.

    Args:
        descending: largest first, as in the array API standard; NumPy's `sort` lacks it.

    >>> sort(np.array([3.0, 1.0, 2.0]))
    array([1., 2., 3.])
    """
    if type(a) is not Tensor and not descending:
        return off_tape(sort, np.sort, a, axis, kind, order, stable=stable)
    x, axis = (ravel(a), 0) if axis is None else (as_array(a), axis)
    axis = axis_of("sort", axis, x.ndim)
    order = argsort(x, axis, descending=True) if descending else _order(x, axis=axis, kind="stable")
    return take_along_axis(x, order, axis)


def argsort(
    a: Array,
    axis: int | None = -1,
    kind: str | None = None,
    order: None = None,
    *,
    stable: bool | None = None,
    descending: bool = False,
) -> Array:
    """The places of the elements in order, as a plain array: `take_along_axis(a, argsort(a))` is sorted.

    Args:
        descending: largest first, equal ones in the order they come.

    >>> argsort(np.array([3.0, 1.0, 2.0]))
    array([1, 2, 0])
    """
    if descending:
        x, axis = (ravel(a), 0) if axis is None else (as_array(a), axis)
        backwards = places_in_order(flip(x, axis), axis=axis, kind="stable")
        return x.shape[axis] - 1 - flip(backwards, axis)
    if type(a) is Tensor:
        return places_in_order(a, axis=axis, kind="stable")
    return off_tape(argsort, np.argsort, a, axis, kind, order, stable=stable)


@numpy_function(np.partition)
def partition(
    a: Array, kth: int | Sequence[int], axis: int | None = -1, kind: str = "introselect", order: None = None
) -> Array:
    """Reorder such that the element at each place kth is the one that sorting puts there, smaller ones before it.

    Derivative: that of the permutation.

    >>> float(partition(np.array([3.0, 1.0, 2.0]), 1)[1])
    2.0
    """
    x, axis = (ravel(a), 0) if axis is None else (as_array(a), axis)
    return take_along_axis(x, argpartition(x, kth, axis=axis, kind=kind), axis_of("partition", axis, x.ndim))


@numpy_function(np.sort_complex)
def sort_complex(a: Array) -> Array:
    """Sort along the last axis, by real part and then by imaginary part; complex also for real a.

    >>> sort_complex(np.array([2.0, 1.0]))
    array([1.+0.j, 2.+0.j])
    """
    return astype(sort(a), np.result_type(a.dtype, np.complex128) if a.dtype.kind != "c" else a.dtype)


# ---- sets ----


@plain
def _places_of(x: Array, found: Array) -> Array:
    """For each of the values found among the elements of the flat x, the first place where it stands."""
    order = np.argsort(x, kind="stable")
    return order[np.searchsorted(x[order], found)]


def _picked(x: Array, found: Array) -> Array:
    return getitem(x, _places_of(x, found)) if x.size else x


_unique_places = plain(np.unique, batch=refused)


@numpy_function(np.unique)
def unique(
    ar: Array,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """The values that occur, each once, in order. Derivative: 1 for the first place where each stands.

    Args:
        return_index, return_inverse, return_counts: also give, as plain arrays, the first place of each, the
            places that rebuild ar, how often each occurs.
        sorted: the values come in order in any case.

    >>> unique(np.array([2.0, 1.0, 2.0]))
    array([1., 2.])
    """
    x = as_array(ar)
    parts = _unique_places(x, True, return_inverse, return_counts, axis, equal_nan=equal_nan)
    values = take(ravel(x) if axis is None else x, parts[1], 0 if axis is None else axis)
    rest = parts[1:] if return_index else parts[2:]
    return (values, *rest) if rest else values


_all_unique, _counts_of_unique = plain(np.unique_all, batch=refused), plain(np.unique_counts, batch=refused)
_inverse_of_unique, _unique = plain(np.unique_inverse, batch=refused), plain(np.unique_values, batch=refused)


@numpy_function(np.unique_all)
def unique_all(x: Array) -> Any:
    """The values that occur, and as plain arrays their places, the inverse and the counts: a named tuple.

    >>> unique_all(np.array([2.0, 1.0, 2.0])).counts
    array([1, 2])
    """
    found = _all_unique(x)
    return found._replace(values=_picked(ravel(x), found.values))


@numpy_function(np.unique_counts)
def unique_counts(x: Array) -> Any:
    """The values that occur, and how often, as a plain array: a named tuple.

    >>> unique_counts(np.array([2.0, 1.0, 2.0])).counts
    array([1, 2])
    """
    found = _counts_of_unique(x)
    return found._replace(values=_picked(ravel(x), found.values))


@numpy_function(np.unique_inverse)
def unique_inverse(x: Array) -> Any:
    """The values that occur, and as a plain array the places that rebuild x from them: a named tuple.

    >>> unique_inverse(np.array([2.0, 1.0, 2.0])).inverse_indices
    array([1, 0, 1])
    """
    found = _inverse_of_unique(x)
    return found._replace(values=_picked(ravel(x), found.values))


@numpy_function(np.unique_values)
def unique_values(x: Array) -> Array:
    """The values that occur, each once. Derivative: as of `unique`.

    >>> np.sort(unique_values(np.array([2.0, 1.0, 2.0])))
    array([1., 2.])
    """
    return _picked(ravel(x), _unique(x))


_common = plain(np.intersect1d, batch=refused)
_only_first = plain(np.setdiff1d, batch=refused)
_in_one = plain(np.setxor1d, batch=refused)


@numpy_function(np.union1d)
def union1d(ar1: Array, ar2: Array) -> Array:
    """The values in either array, each once, in order. Derivative: as of `unique`, first array first.

    >>> union1d([1.0], [0.0, 1.0])
    array([0., 1.])
    """
    return unique(concatenate([ravel(as_array(ar1)), ravel(as_array(ar2))]))


@numpy_function(np.intersect1d)
def intersect1d(ar1: Array, ar2: Array, assume_unique: bool = False, return_indices: bool = False) -> Any:
    """The values in both arrays, each once, in order. Derivative: 1 for the first place in the first array.

    >>> intersect1d([1.0, 2.0], [0.0, 1.0])
    array([1.])
    """
    x, y = ravel(as_array(ar1)), ravel(as_array(ar2))
    if not return_indices:
        return _picked(x, _common(x, y, assume_unique))
    found, first, second = _common(x, y, assume_unique, True)
    return _picked(x, found), first, second


@numpy_function(np.setdiff1d)
def setdiff1d(ar1: Array, ar2: Array, assume_unique: bool = False) -> Array:
    """The values in the first array and not in the second. Derivative: 1 for the first place of each.

    >>> setdiff1d([1.0, 2.0], [0.0, 1.0])
    array([2.])
    """
    x, y = ravel(as_array(ar1)), ravel(as_array(ar2))
    return _picked(x, _only_first(x, y, assume_unique))


@numpy_function(np.setxor1d)
def setxor1d(ar1: Array, ar2: Array, assume_unique: bool = False) -> Array:
    """The values in one array only, each once, in order. Derivative: 1 for the first place of each.

    >>> setxor1d([1.0, 2.0], [0.0, 1.0])
    array([0., 2.])
    """
    x, y = ravel(as_array(ar1)), ravel(as_array(ar2))
    return _picked(concatenate([x, y]), _in_one(x, y, assume_unique))
