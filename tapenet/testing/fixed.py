"""Partition of a function's arguments into those that are differentiated by and those held fixed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tapenet.core.argument_checks import check_array_class, checked_number, shown
from tapenet.core.leaf_checks import check_differentiable, dtype_of
from tapenet.core.pytrees import (
    Tree,
    leaf_paths,
    tree_flatten_with_none,
    tree_leaves,
    tree_map,
    tree_unflatten,
)
from tapenet.errors import ArgumentError, ArgumentTypeError

Argnums = int | Sequence[int] | None


def differentiated_part(
    function: str, f: Callable[..., Any], args: Sequence[Tree], argnums: Argnums = None
) -> tuple[Callable[..., Any], tuple[Tree, ...]]:
    """Return the function of the leaves that are differentiated by, and the arguments with None at all other leaves.

    None is an empty subtree, so that every leaf keeps its path. Where nothing is held fixed both are unchanged.

    Raises:
        ArgumentTypeError: args that are not a tuple or list; no leaf to differentiate by; a leaf of an argument that
            argnums names which is not float or complex.
    """
    args = checked_args(function, args)
    places = range(len(args)) if argnums is None else _checked_argnums(function, argnums, len(args))
    if argnums is not None:
        for i in places:
            check_differentiable(function, f"args[{i}]", args[i], tree_leaves(args[i]))
    moving = tuple(
        tree_map(lambda leaf: leaf if _moves(leaf) else None, arg) if i in places else None
        for i, arg in enumerate(args)
    )
    count = len(tree_leaves(moving))
    if count == len(tree_leaves(args)):
        return f, args
    if count == 0:
        paths = ", ".join(path for i, arg in enumerate(args) for path in leaf_paths(arg, f"args[{i}]"))
        raise ArgumentTypeError(
            f"{function}: args must have a float or complex leaf to differentiate by; got none among {paths or args}."
        )

    def of_moving(*moved: Tree) -> Any:
        return f(*(_filled(own, part) for own, part in zip(args, moved, strict=True)))

    return of_moving, moving


def _filled(whole: Tree, part: Tree) -> Tree:
    """Fill a pytree with the leaves that a part of it has, and its own where that has None."""
    if part is None:
        return whole
    leaves, spec = tree_flatten_with_none(whole)
    given = tree_flatten_with_none(part)[0]
    return tree_unflatten(spec, [own if new is None else new for own, new in zip(leaves, given, strict=True)])


def _moves(leaf: Any) -> bool:
    dtype = dtype_of(leaf)
    return isinstance(dtype, np.dtype) and dtype.kind in "fc"


def checked_args(function: str, args: Any) -> tuple[Tree, ...]:
    """Arguments in a tuple or list, as a tuple; masked arrays and matrices among them are refused."""
    if not isinstance(args, tuple | list):
        raise ArgumentTypeError(
            f"{function}: args must be a tuple or list, one entry for each argument of f; got {shown(args)}. "
            "Write (x,) for one."
        )
    for i, arg in enumerate(args):
        for leaf, path in zip(tree_leaves(arg), leaf_paths(arg, f"args[{i}]"), strict=True):
            check_array_class(function, path, leaf)
    return tuple(args)


def _checked_argnums(function: str, argnums: Any, count: int) -> list[int]:
    places = list(argnums) if isinstance(argnums, tuple | list) else [argnums]
    if not all(isinstance(i, int) and not isinstance(i, bool) and -count <= i < count for i in places):
        raise ArgumentError(
            f"{function}: argnums must be positions of arguments, of which there are {count}; got {shown(argnums)}."
        )
    return [i % count for i in places]


def checked_bound(function: str, name: str, value: Any) -> float | None:
    """Check a bound: a positive number, or None for the default."""
    return None if value is None else checked_number(function, name, value, "(0, inf)")
