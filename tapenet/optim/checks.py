"""Checks of the arguments of optimizers and schedules."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from tapenet.core.argument_checks import shown
from tapenet.core.foreign import Kind, kind_of, refusal
from tapenet.core.leaf_checks import check_differentiable, dtype_of
from tapenet.core.pytrees import Tree, TreeSpec, broadcast_prefix, leaf_paths, tree_flatten, tree_leaves
from tapenet.errors import ArgumentError, ArgumentTypeError

# ---- numbers ----


def as_number(value: Any) -> Any:
    """Turn a real number of any type into a float, which does not widen the arrays that it is combined with.

    Anything else, such as a Tensor, a schedule or a mistake, is returned unchanged.
    """
    if type(value) is float:
        return value
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    is_scalar_array = isinstance(value, np.ndarray) and value.shape == () and value.dtype.kind in "fiu"
    try:
        return float(value) if is_number or is_scalar_array else value
    except OverflowError:
        return value


# ---- trees ----


def parameter_leaves(function: str, params: Tree) -> tuple[list[Any], TreeSpec]:
    """Return the leaves of `params` and their structure.

    Raises:
        ArgumentTypeError: a leaf is neither floating nor complex.
    """
    leaves, spec = tree_flatten(params)
    if not all(map(_is_inexact, leaves)):
        check_differentiable(function, "params", params, leaves)
    return leaves, spec


def _is_inexact(leaf: Any) -> bool:
    """Return whether a leaf is a floating or complex array, of any type whose operators an update can use."""
    dtype = dtype_of(leaf)
    return isinstance(dtype, np.dtype) and dtype.kind in "fc" and kind_of(type(leaf)) is not Kind.REFUSED


def fitting_leaves(
    function: str,
    name: str,
    tree: Tree,
    parameters: list[Any],
    spec: TreeSpec,
    params: Tree,
    reference: str = ", as params",
) -> list[Any]:
    """Return the leaves of a tree that goes with `params`, leaf for leaf.

    Args:
        function, name: for errors.
        tree: to check.
        parameters: arrays of the shapes and dtypes that are wanted.
        spec, params: of the structure that is wanted.
        reference: what an error says of a shape that is wanted.

    Raises:
        ArgumentError: its structure or a shape differs from that of `params`.
        ArgumentTypeError: a leaf is not an array, or is complex where the parameter is real.
    """
    leaves, tree_spec = tree_flatten(tree)
    if tree_spec != spec:
        raise ArgumentError(
            f"{function}: {name} must have the structure of params; got "
            f"{_difference(name, tree, tree_spec, params, spec)}."
        )
    for index, (leaf, parameter) in enumerate(zip(leaves, parameters, strict=True)):
        if kind_of(type(leaf)) is Kind.REFUSED:
            raise ArgumentTypeError(refusal(function, leaf_paths(tree, name)[index], leaf))
        problem = _misfit(leaf, parameter, reference)
        if problem is not None:
            error, text = problem
            raise error(f"{function}: {leaf_paths(tree, name)[index]} must {text}.")
    return leaves


def _difference(name: str, tree: Tree, tree_spec: TreeSpec, params: Tree, spec: TreeSpec) -> str:
    """Describe where two structures differ: the first path that only one of them has, else both structures."""
    actual, expected = leaf_paths(tree, name), leaf_paths(params, name)
    for path in expected:
        if path not in actual:
            return f"no array at {path} (None is not an array)"
    for path in actual:
        if path not in expected:
            return f"{path}, which params lack"
    return f"{tree_spec}, not {spec}"


def _misfit(leaf: Any, parameter: Any, reference: str) -> tuple[type[ArgumentError | ArgumentTypeError], str] | None:
    """Why a leaf cannot go with a parameter, as an error class and the end of its text; None if it can."""
    if type(leaf) is type(parameter) is np.ndarray and leaf.dtype is parameter.dtype and leaf.shape == parameter.shape:
        return None
    dtype, wanted = dtype_of(leaf), dtype_of(parameter)
    if dtype is None:
        return ArgumentTypeError, f"be an array or a scalar; got {shown(leaf)}"
    shape, wanted_shape = getattr(leaf, "shape", ()), getattr(parameter, "shape", ())
    if shape != wanted_shape:
        return ArgumentError, f"have shape {wanted_shape}{reference}; got {shape}"
    if wanted is not None and not np.can_cast(dtype, wanted, "same_kind"):
        return ArgumentTypeError, f"have a dtype that fits params ({wanted}); got {dtype}"
    return None


def leaf_choices(function: str, name: str, choices: Any, params: Tree) -> list[tuple[str, Any]]:
    """Return for each leaf of `params` its path and what is chosen for it.

    Args:
        function, name: for errors.
        choices: a function from (path, leaf), or a pytree of the structure of `params` or of a prefix of it.
        params: a pytree.

    Raises:
        ArgumentError: the structures do not fit.
    """
    paths = leaf_paths(params, "params")
    if callable(choices) and not is_node(choices):
        return [(path, choices(path, leaf)) for path, leaf in zip(paths, tree_leaves(params), strict=True)]
    try:
        return list(zip(paths, broadcast_prefix(choices, params), strict=True))
    except ValueError as error:
        raise ArgumentError(
            f"{function}: {name} must have the structure of params, or of a prefix of it; "
            f"got {tree_flatten(choices)[1]} for {tree_flatten(params)[1]}."
        ) from error


def is_node(value: Any) -> bool:
    """Return whether a value is a container of the pytrees, such as a model, which may be called too."""
    leaves, _ = tree_flatten(value)
    return len(leaves) != 1 or leaves[0] is not value
