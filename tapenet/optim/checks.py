"""What optimizers and schedules ask of their arguments, and what they say when they do not get it."""

from __future__ import annotations

import math
import numbers
import operator
from typing import Any

import numpy as np

from tapenet.core.pytrees import Tree, TreeSpec, leaf_paths, tree_flatten
from tapenet.errors import ArgumentError, ArgumentTypeError

# ---- numbers ----


def as_number(value: Any) -> Any:
    """Turn a real number of any type into a float, which takes on the precision of the arrays it meets.

    Anything else, such as a Tensor, a schedule or a mistake, comes back as it is.
    """
    is_scalar_array = isinstance(value, np.ndarray) and _is_real_scalar(value)
    return float(value) if isinstance(value, numbers.Real) or is_scalar_array else value


def check_number(
    function: str,
    argument: str,
    value: Any,
    high: float = math.inf,
    *,
    closed: bool = False,
    wanted: str = "a real number",
) -> None:
    """Raise unless the value is a real number in [0, high), or in [0, high] where `closed`."""
    if not (isinstance(value, numbers.Real) or _is_real_scalar(value)):
        raise ArgumentTypeError(f"{function}: {argument} must be {wanted}; got {_described(value)}.")
    if not (0 <= value < high or (closed and value == high)):
        interval = f"[0, {high:g}{']' if closed else ')'}"
        raise ArgumentError(f"{function}: {argument} must be in {interval}; got {value}.")


def check_count(function: str, argument: str, value: Any, low: int) -> None:
    """Raise unless the value is an integer of at least `low`."""
    try:
        count = operator.index(value)
    except TypeError:
        raise ArgumentTypeError(f"{function}: {argument} must be an integer; got {_described(value)}.") from None
    if count < low:
        raise ArgumentError(f"{function}: {argument} must be at least {low}; got {count}.")


def _is_real_scalar(value: Any) -> bool:
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return kind in ("f", "i", "u") and value.shape == ()


def _described(value: Any) -> str:
    """A mistaken value's type, with its shape where it has one."""
    shape = f" of shape {value.shape}" if hasattr(value, "shape") else ""
    return f"{type(value).__name__}{shape}"


# ---- trees ----


def shape_of(leaf: Any) -> tuple[int, ...]:
    """The shape of an array, a Tensor or a scalar."""
    return tuple(getattr(leaf, "shape", ()))


def dtype_of(leaf: Any) -> np.dtype[Any] | None:
    """The dtype of an array, a Tensor or a scalar; None for what is none of these."""
    dtype = getattr(leaf, "dtype", None)
    if isinstance(dtype, np.dtype):
        return dtype
    return np.asarray(leaf).dtype if isinstance(leaf, numbers.Number) else None


def parameter_leaves(function: str, params: Tree) -> tuple[list[Any], TreeSpec]:
    """The leaves of `params` and their structure.

    Raises:
        ArgumentTypeError: a leaf is neither floating nor complex.
    """
    leaves, spec = tree_flatten(params)
    for index, leaf in enumerate(leaves):
        dtype = dtype_of(leaf)
        if dtype is None or dtype.kind not in "fc":
            raise ArgumentTypeError(
                f"{function}: {leaf_paths(params, 'params')[index]} must be a floating or complex array or "
                f"scalar; got {dtype or _described(leaf)}. Cast it, or keep it out of params."
            )
    return leaves, spec


def fitting_leaves(
    function: str, name: str, tree: Tree, parameters: list[Any], spec: TreeSpec, params: Tree
) -> list[Any]:
    """The leaves of a tree that goes with `params`, leaf for leaf.

    Raises:
        ArgumentError: its structure or a shape differs from that of `params`.
        ArgumentTypeError: a leaf is no array, or is complex where the parameter is real.
    """
    leaves, tree_spec = tree_flatten(tree)
    if tree_spec != spec:
        raise ArgumentError(
            f"{function}: {name} must have the structure of params; got "
            f"{_difference(name, tree, tree_spec, params, spec)}."
        )
    for index, (leaf, parameter) in enumerate(zip(leaves, parameters, strict=True)):
        problem = _misfit(leaf, parameter)
        if problem is not None:
            error, text = problem
            raise error(f"{function}: {leaf_paths(tree, name)[index]} must {text}.")
    return leaves


def _difference(name: str, tree: Tree, tree_spec: TreeSpec, params: Tree, spec: TreeSpec) -> str:
    """Where two structures part: the first path that only one of them has, else both structures."""
    actual, expected = leaf_paths(tree, name), leaf_paths(params, name)
    for path in expected:
        if path not in actual:
            return f"no array at {path} (None is no array)"
    for path in actual:
        if path not in expected:
            return f"{path}, which params lack"
    return f"{tree_spec}, not {spec}"


def _misfit(leaf: Any, parameter: Any) -> tuple[type[ArgumentError | ArgumentTypeError], str] | None:
    """Why a leaf cannot go with a parameter, as an error class and the end of its text; None if it can."""
    if type(leaf) is type(parameter) is np.ndarray and leaf.dtype is parameter.dtype and leaf.shape == parameter.shape:
        return None
    dtype, wanted = dtype_of(leaf), dtype_of(parameter)
    if dtype is None:
        return ArgumentTypeError, f"be an array or a scalar; got {_described(leaf)}"
    if shape_of(leaf) != shape_of(parameter):
        return ArgumentError, f"have shape {shape_of(parameter)}, as params; got {shape_of(leaf)}"
    if wanted is not None and not np.can_cast(dtype, wanted, "same_kind"):
        return ArgumentTypeError, f"have a dtype that fits params ({wanted}); got {dtype}"
    return None
