"""Sorting, and the functions of sets: elements read at the places where they occur."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, axis_of, numpy_function
from tapenet.core.batch_rules import leading, refused, shifted
from tapenet.core.nondifferentiable import choice, nondifferentiable, numpys_of_integers
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.ops.arrays.indexing import getitem, take, take_along_axis
from tapenet.ops.arrays.searching import argsort as places_in_order
from tapenet.ops.arrays.shaping import concatenate, flip, ravel
from tapenet.ops.elementwise.casting import astype

# ---- orders ----

_order = choice(np.argsort, name="order", batch=leading(axis=shifted))
_partial_order = choice(np.argpartition, name="partial_order", batch=leading(axis=shifted))


def _sorted(a: Array, axis: int | None = -1, *arguments: Any, descending: bool = False, **keywords: Any) -> Array:
    """Return `np.sort`, or the largest first."""
    return _along(a, axis, True) if descending else np.sort(a, axis, *arguments, **keywords)


@numpy_function(_sorted)
def sort(
    a: Array,
    axis: int | None = -1,
    kind: str | None = None,
    order: None = None,
    *,
    stable: bool | None = None,
    descending: bool = False,
) -> Array:
    """Sort along an axis, or all elements with axis None.

    `descending` puts the largest first, as in the array API standard; NumPy's function lacks it.

    Derivative: that of the permutation; equal elements keep their order.

    On a Tensor `kind` and `stable` have no effect: sorting is stable. `order` is refused, as in NumPy without fields.

    >>> tnp.sort(np.array([3.0, 1.0, 2.0]))
    array([1., 2., 3.])
    >>> tn.grad(lambda x: tnp.sort(x)[0])(np.array([3.0, 1.0, 2.0]))
    array([0., 1., 0.])
    """
    _check_no_fields("sort", order)
    return _along(a, axis, descending)


def _check_no_fields(function: str, order: Any) -> None:
    if order is not None:
        raise ArgumentError(f"{function}: order must be None, as a Tensor has no fields; got {order!r}.")


def _along(a: Array, axis: int | None, descending: bool) -> Array:
    """Return the elements in stable order."""
    x, axis = (ravel(as_array(a)), 0) if axis is None else (as_array(a), axis)
    axis = axis_of("sort", axis, x.ndim)
    places = _backwards(x, axis, _order) if descending else _order(x, axis=axis, kind="stable")
    return take_along_axis(x, places, axis)


def _backwards(a: Array, axis: int | None, order: Callable[..., Array]) -> Array:
    """Return the places of the elements, the largest first, equal ones in the order they come."""
    x, axis = (ravel(as_array(a)), 0) if axis is None else (as_array(a), axis)
    # Flipped before and behind, so that equal elements keep their order in the descending sort, too.
    return x.shape[axis] - 1 - flip(order(flip(x, axis), axis=axis, kind="stable"), axis)


def _arg_sorted(a: Array, axis: int | None = -1, *arguments: Any, descending: bool = False, **keywords: Any) -> Array:
    """Return `np.argsort`, or the largest first."""
    return _backwards(a, axis, places_in_order) if descending else np.argsort(a, axis, *arguments, **keywords)


@numpy_function(_arg_sorted)
def argsort(
    a: Array,
    axis: int | None = -1,
    kind: str | None = None,
    order: None = None,
    *,
    stable: bool | None = None,
    descending: bool = False,
) -> Array:
    """Find the places of the elements in order.

    `descending` puts the largest first, as in the array API standard; NumPy's function lacks it.

    No derivative: the result is plain integers. `sort` and `take_along_axis` give the elements with their derivative.

    On a Tensor `kind` and `stable` have no effect: the order is stable. `order` is refused, as in NumPy without fields.

    >>> tnp.argsort(np.array([3.0, 1.0, 2.0]))
    array([1, 2, 0])
    """
    _check_no_fields("argsort", order)
    return _backwards(a, axis, places_in_order) if descending else places_in_order(a, axis=axis, kind="stable")


@numpy_function(np.partition)
def partition(
    a: Array, kth: int | Sequence[int], axis: int | None = -1, kind: str = "introselect", order: None = None
) -> Array:
    """Reorder along an axis: place kth gets the element that sorting puts there, smaller ones before it.

    Derivative: that of the permutation.

    On a Tensor `order` is refused, as in NumPy without fields.

    >>> float(tnp.partition(np.array([3.0, 1.0, 2.0]), 1)[1])
    2.0
    """
    _check_no_fields("partition", order)
    x, axis = (ravel(a), 0) if axis is None else (as_array(a), axis)
    return take_along_axis(x, _partial_order(x, kth=kth, axis=axis, kind=kind), axis_of("partition", axis, x.ndim))


@numpy_function(np.sort_complex)
@numpys_of_integers(np.sort_complex)
def sort_complex(a: Array) -> Array:
    """Sort along the last axis, by real part and then by imaginary part; the result is complex.

    Derivative: that of the permutation.

    >>> tnp.sort_complex(np.array([2.0, 1.0]))
    array([1.+0.j, 2.+0.j])
    """
    return astype(sort(a), np.result_type(a.dtype, np.complex128) if a.dtype.kind != "c" else a.dtype)


# ---- sets ----


# The number of values that are found depends on the elements. So a replay must find them at the same places, which a
# guard tells of places; it would never hold of values.


def _places_of(x: Array, found: Array) -> Array:
    """Find for each of the values found the first place where it occurs in the flat x."""
    order = np.argsort(x, kind="stable")
    return order[np.searchsorted(x[order], found)]


def _placing(function: Callable[..., Any], *, takes_from_all: bool = False) -> Callable[..., Any]:
    """Make a function that returns the indices of the values that `function` finds, in its first argument or in all."""

    def places(*arrays: Array, **keywords: Any) -> Any:
        found = function(*arrays, **keywords)
        flat = np.concatenate(arrays) if takes_from_all else arrays[0].ravel()
        if isinstance(found, np.ndarray):
            return _places_of(flat, found)
        first = _places_of(flat, found[0])
        return found._replace(values=first) if hasattr(found, "_replace") else (first, *found[1:])

    return nondifferentiable(places, name=function.__name__, batch=refused)


def _with_values(found: Any, x: Array) -> Any:
    """Return a named tuple with values in place of their places in x."""
    return found._replace(values=getitem(ravel(x), found.values))


_unique_places = nondifferentiable(
    lambda x, *rest, **keywords: np.unique(x, *rest, **keywords)[1:], name="unique", batch=refused
)


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
    """Find the values that occur, each once, in order.

    Derivative: 1 for the first element of each value, 0 for the others. The places and counts are plain arrays. `vmap`
    refuses it, as the length depends on values. On a Tensor the values are in order whatever `sorted` is.

    >>> tnp.unique(np.array([2.0, 1.0, 2.0]))
    array([1., 2.])
    """
    x = as_array(ar)
    parts = _unique_places(x, True, return_inverse, return_counts, axis, equal_nan=equal_nan)
    values = take(ravel(x) if axis is None else x, parts[0], 0 if axis is None else axis)
    rest = parts if return_index else parts[1:]
    return (values, *rest) if rest else values


_all_unique, _counts_of_unique = _placing(np.unique_all), _placing(np.unique_counts)
_inverse_of_unique, _unique = _placing(np.unique_inverse), _placing(np.unique_values)


@numpy_function(np.unique_all)
def unique_all(x: Array) -> Any:
    """Find the values that occur, each once, with their first places, the places that rebuild x, and their counts.

    Derivative: that of `unique` for the values; the other parts of the named tuple are plain arrays.

    >>> tnp.unique_all(np.array([2.0, 1.0, 2.0])).counts
    array([1, 2])
    """
    return _with_values(_all_unique(x), x)


@numpy_function(np.unique_counts)
def unique_counts(x: Array) -> Any:
    """Find the values that occur, each once, and how often each does.

    Derivative: that of `unique` for the values; the counts are a plain array.

    >>> tnp.unique_counts(np.array([2.0, 1.0, 2.0])).counts
    array([1, 2])
    """
    return _with_values(_counts_of_unique(x), x)


@numpy_function(np.unique_inverse)
def unique_inverse(x: Array) -> Any:
    """Find the values that occur, each once, and the places that rebuild x from them.

    Derivative: that of `unique` for the values; the places are a plain array.

    >>> tnp.unique_inverse(np.array([2.0, 1.0, 2.0])).inverse_indices
    array([1, 0, 1])
    """
    return _with_values(_inverse_of_unique(x), x)


@numpy_function(np.unique_values)
def unique_values(x: Array) -> Array:
    """Find the values that occur, each once.

    Derivative: that of `unique`.

    >>> np.sort(tnp.unique_values(np.array([2.0, 1.0, 2.0])))
    array([1., 2.])
    """
    return getitem(ravel(x), _unique(x))


_common, _only_first = _placing(np.intersect1d), _placing(np.setdiff1d)
_in_one = _placing(np.setxor1d, takes_from_all=True)


@numpy_function(np.union1d)
def union1d(ar1: Array, ar2: Array) -> Array:
    """Find the values that occur in one of two arrays, each once, in order.

    Derivative: 1 for the first element of each value, in ar1 where it is there; 0 for the others.

    >>> tnp.union1d([1.0], [0.0, 1.0])
    array([0., 1.])
    """
    return unique(concatenate([ar1, ar2], None))


@numpy_function(np.intersect1d)
def intersect1d(ar1: Array, ar2: Array, assume_unique: bool = False, return_indices: bool = False) -> Any:
    """Find the values that occur in both of two arrays, each once, in order.

    Derivatives: 1 for the first element of each value in ar1, 0 for the others and for ar2. The places are plain
    arrays.

    >>> tnp.intersect1d([1.0, 2.0], [0.0, 1.0])
    array([1.])
    """
    x, y = ravel(as_array(ar1)), ravel(as_array(ar2))
    dtype = np.result_type(x.dtype, y.dtype)
    if not return_indices:
        return astype(getitem(x, _common(x, y, assume_unique=assume_unique)), dtype)
    found, first, second = _common(x, y, assume_unique=assume_unique, return_indices=True)
    return astype(getitem(x, found), dtype), first, second


@numpy_function(np.setdiff1d)
def setdiff1d(ar1: Array, ar2: Array, assume_unique: bool = False) -> Array:
    """Find the values that occur in the first array and not in the second.

    Derivatives: 1 for the first element of each value, 0 for the others and for ar2.

    >>> tnp.setdiff1d([1.0, 2.0], [0.0, 1.0])
    array([2.])
    """
    x, y = ravel(as_array(ar1)), ravel(as_array(ar2))
    return getitem(x, _only_first(x, y, assume_unique=assume_unique))


@numpy_function(np.setxor1d)
def setxor1d(ar1: Array, ar2: Array, assume_unique: bool = False) -> Array:
    """Find the values that occur in exactly one of two arrays, each once, in order.

    Derivatives: 1 for the first element of each value, 0 for the others.

    >>> tnp.setxor1d([1.0, 2.0], [0.0, 1.0])
    array([0., 2.])
    """
    x, y = ravel(as_array(ar1)), ravel(as_array(ar2))
    return getitem(concatenate([x, y]), _in_one(x, y, assume_unique=assume_unique))
