"""Calls of users' functions as operations: pytrees split into operands, and checks of the rules' answers."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.batching import Map, stacked
from tapenet.core.leaf_checks import described, dtype_of, own_copy
from tapenet.core.primitive import Array
from tapenet.core.pytrees import Tree, TreeSpec, leaf_paths, tree_flatten_with_none, tree_unflatten
from tapenet.core.record import Shape
from tapenet.core.tensor import Tensor, innermost, resolve
from tapenet.errors import ArgumentError, ArgumentTypeError, RuleError
from tapenet.ops.elementwise.complex import real

# ---- pytrees of arrays and other things ----


@attrs.frozen(eq=False)
class Structure:
    """A pytree without its arrays."""

    spec: TreeSpec
    leaves: tuple[Any, ...]  # None in the places of arrays
    places: tuple[int, ...]  # of the arrays among the leaves

    def filled(self, arrays: Sequence[Any]) -> Tree:
        """Return the pytree with these arrays."""
        leaves = list(self.leaves)
        for place, array in zip(self.places, arrays, strict=True):
            leaves[place] = array
        return tree_unflatten(self.spec, leaves)

    def filled_alone(self, arrays: Sequence[Any]) -> Tree:
        """Return the pytree with these arrays, and None for everything else."""
        leaves: list[Any] = [None] * len(self.leaves)
        for place, array in zip(self.places, arrays, strict=True):
            leaves[place] = array
        return tree_unflatten(self.spec, leaves)


def split_arrays(tree: Tree) -> tuple[list[Array], Structure]:
    """Split a pytree into its arrays and floating scalars, and the rest; Python integers belong to the rest."""
    leaves, spec = tree_flatten_with_none(tree)
    places = tuple(i for i, leaf in enumerate(leaves) if is_array(leaf))
    arrays = [leaves[place] for place in places]
    rest = tuple(None if is_array(leaf) else leaf for leaf in leaves)
    return arrays, Structure(spec, rest, places)


def is_array(x: Any) -> bool:
    """Return whether a leaf is an array, a Tensor, or a scalar that is differentiable by."""
    if type(x) is Tensor or type(x) in (float, complex):
        return True
    known = isinstance(x, np.ndarray | np.generic) or hasattr(type(x), "__array_function__")
    return known and dtype_of(x).kind in "biufc"


def is_differentiable(x: Any) -> bool:
    """Return whether an array is float or complex."""
    return np.dtype(dtype_of(x)).kind in "fc"


# ---- calls ----


@attrs.define(eq=False)
class Call:
    """One call of a user's function.

    Attributes:
        arguments: the arguments without the operands.
        result: the result without its arrays, the parts; set once evaluated.
        parts: shape and dtype of each part.
    """

    arguments: Structure
    result: Structure | None = None
    parts: tuple[tuple[Shape, Any], ...] = ()

    def evaluated(self, name: str, y: Tree) -> tuple[Array, ...]:
        """Return the parts of a result, after keeping its structure."""
        arrays, structure = split_arrays(resolve_leaves(y))
        check_no_capture(name, arrays)
        parts = tuple(array if hasattr(array, "shape") else np.asarray(array)[()] for array in arrays)
        self.result, self.parts = structure, tuple((part.shape, part.dtype) for part in parts)
        return parts

    def cotangents(self, parts: Mapping[int, Array]) -> list[Array | None]:
        """Return for each part its cotangent, zero where there is none, and None where it has no derivative."""
        return [
            None if dtype.kind not in "fc" else parts[i] if i in parts else np.zeros(shape, dtype)[()]
            for i, (shape, dtype) in enumerate(self.parts)
        ]


def resolve_leaves(tree: Tree) -> Tree:
    """Return a pytree with its Tensors as operations see them now: those of closed tapes are their values."""
    leaves, spec = tree_flatten_with_none(tree)
    return tree_unflatten(spec, [resolve(leaf) for leaf in leaves])


def check_no_capture(name: str, arrays: Sequence[Array]) -> None:
    """Raise where a function of plain arrays gave a Tensor: its derivative by what it captured would be lost."""
    if any(type(x) is Tensor for x in arrays):
        raise ArgumentError(
            f"{name}: a function with rules of its own must take every Tensor that it uses as an argument; "
            "got a result that depends on one from outside. Pass that as an argument, or tn.stop_gradient of it."
        )


def positional(function: str, f: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return all arguments by position."""
    if not kwargs:
        return args
    bound = inspect.signature(f).bind(*args, **kwargs)
    if bound.kwargs:
        raise ArgumentTypeError(
            f"{function}: arguments must be such that they can be given by position; "
            f"got keyword-only {', '.join(bound.kwargs)}."
        )
    return bound.args


def name_of(f: Callable[..., Any]) -> str:
    """Return what a function is called in errors."""
    while isinstance(f, functools.partial):
        f = f.func
    return getattr(f, "__name__", type(f).__name__)


def by_example(name: str, function: Callable[[list[Any]], list[Any]], arrays: Sequence[Any]) -> list[Any]:
    """Apply a function of arrays; to mapped values one example after the other, stacked.

    A user's rule may call what cannot be mapped, or branch on values.
    """
    given = [resolve(x) for x in arrays]
    mapping = innermost(given)
    if not isinstance(mapping, Map):
        return function(given)
    own = [type(x) is Tensor and x.owner is mapping for x in given]
    if mapping.size == 0:
        raise ArgumentError(f"vmap: {name} must be mapped over at least one example; got 0.")
    outs = [
        by_example(name, function, [mapping.inner(x)[i] if mapped else x for x, mapped in zip(given, own, strict=True)])
        for i in range(mapping.size)
    ]
    return [
        mapping.mapped(stacked(name, parts)) if is_array(parts[0]) else parts[0] for parts in zip(*outs, strict=True)
    ]


# ---- checks of a rule's answer ----


def as_pair(name: str, function: str, answer: Any, names: str) -> tuple[Any, Any]:
    """Return an answer that must be a pair, as a tuple."""
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        came = f"{len(answer)} values" if isinstance(answer, tuple | list) else type(answer).__name__
        raise RuleError(f"{name}: {function} must return a pair {names}; got {came}.")
    return answer[0], answer[1]


def checked(
    name: str, what: str, answer: Tree, like: Tree, like_name: str, spaces: Sequence[tuple[Shape, Any] | None]
) -> list[Any]:
    """Check the structure, shapes and dtypes of a rule's answer, and return its leaves.

    Args:
        name: the operation's.
        what: the answer's, such as "backward must return".
        answer: a pytree of the structure of `like`; None for a whole part of it stands for None at each leaf.
        like: what it belongs to, called `like_name` in errors.
        spaces: for each leaf the shape and dtype that it must have, None where it must be None. A complex answer for
            a real one is projected onto the reals.
    """
    leaves = _leaves_like(name, what, answer, like, like_name)

    def path(i: int) -> str:
        return leaf_paths(like, like_name, none_is_leaf=True)[i]

    pairs = enumerate(zip(leaves, spaces, strict=True))
    return [_checked_leaf(f"{name}: {what}", leaf, space, functools.partial(path, i)) for i, (leaf, space) in pairs]


def _leaves_like(name: str, what: str, answer: Tree, like: Tree, like_name: str) -> list[Any]:
    if type(like) is tuple and type(answer) in (tuple, list) and len(answer) == len(like):
        pairs = enumerate(zip(answer, like, strict=True))
        parts = [_leaves_like(name, what, own, other, f"{like_name}[{i}]") for i, (own, other) in pairs]
        return [leaf for part in parts for leaf in part]
    leaves, spec = tree_flatten_with_none(answer)
    expected, expected_spec = tree_flatten_with_none(like)
    if answer is None:
        return [None] * len(expected)
    if spec != expected_spec:
        raise RuleError(
            f"{name}: {what} for {like_name} must have its structure, {shown(expected_spec)}; got {shown(spec)}."
        )
    return leaves


def shown(spec: TreeSpec) -> str:
    """Format a structure for errors."""
    return str(spec).replace(", NoneIsLeaf", "")


def _checked_leaf(what: str, leaf: Any, space: tuple[Shape, Any] | None, path: Callable[[], str]) -> Any:
    if space is None or leaf is None:
        if leaf is not None:
            raise RuleError(f"{what} for {path()} must be None, for it has no derivative; got {described(leaf)}.")
        return None
    shape, dtype = space
    array = leaf if hasattr(leaf, "dtype") and hasattr(leaf, "shape") else _as_array(leaf)
    if array.dtype.kind not in "fc":
        raise RuleError(f"{what} for {path()} must be float or complex; got {described(leaf)}.")
    if array.shape != shape:
        raise RuleError(f"{what} for {path()} must have shape {shape}; got {array.shape}.")
    array = own_copy(array)
    return real(array) if array.dtype.kind == "c" and dtype.kind == "f" else array


def _as_array(leaf: Any) -> Array:
    return np.asarray(leaf if type(leaf) in (float, complex, int, bool) else str(leaf))[()]
