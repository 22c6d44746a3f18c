"""`vmap`: a function of one example, evaluated over a batch at once."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import optree

from tapenet.core.argument_checks import check_transform
from tapenet.core.arguments import axis_of
from tapenet.core.batching import Map
from tapenet.core.leaf_checks import check_result, described, plain_leaf
from tapenet.core.primitive import Array
from tapenet.core.pytrees import (
    NAMESPACE,
    Tree,
    leaf_paths,
    leaf_paths_with_static,
    tree_flatten_with_none,
    tree_flatten_with_static,
)
from tapenet.core.tensor import Tensor, unwrap_closed
from tapenet.core.trace import next_level
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.transforms.transformed import transformed

if TYPE_CHECKING:
    from tapenet.transforms.signatures import Function

Axes = Any  # an int, None, or a pytree of them that is a prefix of what it is for


def vmap(f: Function, in_axes: Axes = 0, out_axes: Axes = 0) -> Function:
    """Make the function of a batch from a function of one example: `vmap(f)(xs)` stacks f(xs[0]), f(xs[1]), ...

    f runs once, on mapped values that look like one example and compute for all. It composes with every other
    transform in both orders: `vmap(grad(f))` gives gradients of each example, `grad` of a function that calls
    `vmap` differentiates through it, `vmap(vmap(f))` maps over two axes.

    Args:
        f: a function of pytrees of arrays. It must not branch in Python on mapped values, nor convert them.
        in_axes: which axis of the arguments holds the examples; an int for all, None for what is the same for all
            examples, or a tuple with one entry for each argument, each an int, None or a pytree of them that is
            a prefix of the argument. Keyword arguments are mapped over axis 0.
        out_axes: where the examples go in the results, in the same forms; None only for what does not depend on
            the example.

    Returns:
        The mapped function.

    Raises:
        ArgumentError: axes that do not fit their arguments; no mapped argument; batches of different sizes; a result
            whose static fields depend on the example, as running statistics of a batch do.
        MappedValueError: f branches on a mapped value; names the line.

    >>> vmap(lambda x, y: x @ y)(np.ones((3, 2)), np.ones((3, 2)))
    array([2., 2., 2.])
    """

    check_transform("vmap", f)

    @transformed(vmap, f, in_axes, out_axes)
    def mapped_function(*args: Any, **kwargs: Any) -> Any:
        inputs = (args, kwargs)
        axes = _axis_of_each_leaf((in_axes if isinstance(in_axes, tuple | list) else (in_axes,) * len(args), 0), inputs)
        leaves, spec = tree_flatten_with_none(inputs)
        batches, size = _batches(leaves, axes, inputs)
        mapping = Map(size, next_level())
        try:
            given: list[Any] = [x if axis is None else mapping.mapped(x) for x, axis in zip(batches, axes, strict=True)]
            positional, keywords = optree.tree_unflatten(spec, given)
            result = f(*positional, **keywords)
            check_result("vmap", result)
        finally:
            mapping.is_open = False  # also where f raises: a value that it stored must not seem usable
        return _collected(result, out_axes, mapping)

    return cast("Function", mapped_function)


def _axis_of_each_leaf(axes: Axes, tree: Tree) -> list[int | None]:
    """Return an axis, or None, for each leaf of a tree of which `axes` is a prefix."""
    try:
        prefix: list[int | None] = optree.broadcast_prefix(axes, tree, none_is_leaf=True, namespace=NAMESPACE)
    except ValueError as error:
        raise ArgumentError(
            f"vmap: axes must be an int, None, or a pytree of them that is a prefix of what they are for; got {axes!r}."
        ) from error
    return prefix


def _batches(leaves: Sequence[Any], axes: Sequence[int | None], inputs: Tree) -> tuple[list[Any], int]:
    """Return the leaves with their examples along axis 0, and the number of examples."""
    sizes: dict[int, int] = {}  # by the leaf's place
    batches = []
    for i, (leaf, axis) in enumerate(zip(leaves, axes, strict=True)):
        if leaf is None or axis is None:
            batches.append(leaf)
            continue
        leaf = plain_leaf("vmap", functools.partial(_path, inputs, i), leaf)
        x = leaf if hasattr(leaf, "shape") else np.asarray(leaf)
        if x.dtype.kind not in "biufc" or not x.shape:
            raise ArgumentTypeError(
                f"vmap: {_path(inputs, i)} must be an array with an axis {axis} to map over; got {described(leaf)}. "
                "Pass None for it in in_axes to give it to every example."
            )
        place = axis_of("vmap", axis, x.ndim, "in_axes")
        sizes[i] = x.shape[place]
        batches.append(np.moveaxis(x, place, 0) if place else x)
    if not sizes:
        raise ArgumentError("vmap: at least one argument must be mapped; got in_axes of None for all.")
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{size} in {_path(inputs, i)}" for i, size in sizes.items())
        raise ArgumentError(f"vmap: mapped axes must have one length; got {listed}.")
    return batches, next(iter(sizes.values()))


def _path(inputs: Tree, i: int) -> str:
    """Return the expression that reaches leaf `i` of the arguments."""
    args, kwargs = inputs
    return [*leaf_paths(args, "args", none_is_leaf=True), *leaf_paths(kwargs, "kwargs", none_is_leaf=True)][i]


def _collected(result: Tree, out_axes: Axes, mapping: Map) -> Tree:
    """Return what a mapped function returned, as arrays of all examples."""
    leaves, spec = tree_flatten_with_none(result)
    _check_static(result, len(leaves), mapping)
    axes = _axis_of_each_leaf(out_axes, result)
    return optree.tree_unflatten(spec, [_out(x, axis, mapping) for x, axis in zip(leaves, axes, strict=True)])


def _check_static(result: Tree, count: int, mapping: Map) -> None:
    """Raise where a static field of a result, which holds `count` leaves beside them, depends on the example."""
    leaves = tree_flatten_with_static(result, none_is_leaf=True)[0]
    if len(leaves) == count:
        return
    children = set(leaf_paths(result, "result", none_is_leaf=True))
    for path, x in zip(leaf_paths_with_static(result, "result", none_is_leaf=True), leaves, strict=True):
        x = unwrap_closed(mapping, x)
        if path not in children and type(x) is Tensor and x.owner is mapping:
            raise ArgumentError(
                f"vmap: {path} must be the same for every example, since it is in a static field; got a value for "
                f"each of {mapping.size} examples. Return what the field holds beside the outputs (after y, layer = "
                "layer.train(x, rng): return y, layer.running), or train on the whole batch outside of vmap."
            )


def _out(x: Any, axis: int | None, mapping: Map) -> Array:
    if x is None:
        return None
    x = unwrap_closed(mapping, x)
    is_mapped = type(x) is Tensor and x.owner is mapping
    if axis is None:
        if is_mapped:
            raise ArgumentError("vmap: out_axes must not be None for a result that depends on the example.")
        return x
    if is_mapped:
        array = mapping.inner(x)
    else:
        x = x if type(x) is Tensor else np.asarray(x)
        array = np.broadcast_to(x, (mapping.size, *x.shape))
        array = array.copy() if type(array) is np.ndarray else array  # a broadcast view is read-only
    place = axis_of("vmap", axis, array.ndim, "out_axes")
    return np.moveaxis(array, 0, place) if place else array
