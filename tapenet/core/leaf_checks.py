"""Leaves of pytrees, as users pass them: what they are, and checks that name the one that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tapenet.core.arguments import axis_of
from tapenet.core.foreign import Kind, as_registered, is_registered, kind_of, plain_array, refusal
from tapenet.core.primitive import Array
from tapenet.core.pytrees import Tree, leaf_paths, tree_flatten, tree_leaves
from tapenet.core.tensor import Tensor, resolve, type_under, unwrap
from tapenet.errors import ArgumentError, ArgumentTypeError


def dtype_of(x: Any) -> Any:
    """Return the dtype of an array, Tensor or Python scalar; None for anything else."""
    if hasattr(x, "dtype"):
        return x.dtype
    return np.dtype(type(x)) if type(x) in (bool, int, float, complex) else None


def check_differentiable(function: str, name: str, tree: Tree, leaves: Sequence[Any]) -> None:
    """Raise for a leaf that is not a float or complex array or scalar, naming its path and what to write."""
    for i, leaf in enumerate(leaves):
        dtype = dtype_of(leaf)
        kind = kind_of(type(leaf))
        known = kind is Kind.VALUE or (kind is Kind.CONSTANT and isinstance(leaf, np.ndarray))
        if known and dtype is not None and dtype.kind in "fc":
            continue
        path = leaf_paths(tree, name)[i]
        if kind is not Kind.VALUE and kind is not Kind.OTHER and not known:
            raise ArgumentTypeError(refusal(function, path, leaf))
        raise ArgumentTypeError(
            f"{function}: {path} must be float or complex; got {described(leaf)}. {_advice(path, leaf, dtype)}"
        )


def _advice(path: str, leaf: Any, dtype: Any) -> str:
    """Return what to write in place of a leaf that is not float or complex."""
    is_field = "." in path
    if dtype is None and (is_field or hasattr(leaf, "train")) and advice_on_object(leaf):
        return advice_on_object(leaf)
    if dtype is None or dtype.kind not in "biu":
        advice = "Pass arrays and scalars, in tuples, lists, dicts, named tuples or attrs classes."
    else:
        advice = f"Cast it: {path}.astype(float)." if hasattr(leaf, "astype") else f"Write float({path})."
    return f"{advice} Or declare the field by tn.static_field(), if it is not to be trained." if is_field else advice


def advice_on_object(leaf: Any) -> str:
    """Return what to write in place of a layer without fields, or a function, among leaves; "" for anything else."""
    if not callable(leaf) or isinstance(leaf, type):
        return ""
    if hasattr(leaf, "train"):
        return advice_on_fields(type(leaf))
    return "Write tn.nn.Function(f) for a function f among layers, or pass layers and functions to tn.nn.Sequential."


def advice_on_fields(kind: type) -> str:
    """Return how to write a class so that its objects are pytrees."""
    return (
        f"Write @attrs.frozen(eq=False) above class {kind.__name__}, and declare its arrays and layers as fields, "
        "such as kernel: Array."
    )


def plain_leaf(function: str, path: Callable[[], str], x: Any) -> Any:
    """Return a leaf as an operand: of a constant its plain array. Raise for an array type that is not supported."""
    kind = kind_of(type(x))
    if kind in (Kind.VALUE, Kind.OTHER):
        return x
    if kind is Kind.CONSTANT:
        return plain_array(x)
    raise ArgumentTypeError(refusal(function, path(), x))


def check_result(function: str, y: Tree) -> None:
    """Raise for a leaf of a function's result that is not an array or a number, as it would pass for a constant."""
    if type(y) is Tensor:
        return
    for i, leaf in enumerate(tree_leaves(y)):
        if dtype_of(leaf) is None or kind_of(type(leaf)) not in (Kind.VALUE, Kind.CONSTANT):
            path = leaf_paths(y, "y")[i]
            raise ArgumentTypeError(
                f"{function}: {path} must be an array or a number; got {described(leaf)}. Return arrays, in tuples, "
                "lists, dicts, named tuples or attrs classes; has_aux=True is for anything else."
            )


def advice_on_aux(y: Tree) -> str:
    """Return what to write where a function returned more than one array, and that was not meant; "" for one array."""
    return (
        ""
        if hasattr(y, "dtype") or len(tree_leaves(y)) < 2
        else " For a function that returns (y, aux) pass has_aux=True."
    )


def check_scalar(function: str, targets: Sequence[Any], advice: str = "") -> None:
    """Raise unless there is one target, and it is a real floating scalar of shape ()."""
    if len(targets) != 1:
        got = f"a pytree of {len(targets)} leaves" if targets else "None or an empty pytree"
        raise ArgumentError(f"{function}: y must be one scalar; got {got}.{advice_on_aux(list(targets))}")
    target = targets[0]
    dtype, shape = dtype_of(target), getattr(target, "shape", ())
    advice = advice or "Pass output_gradients=, or take tape.jacobian(y, x), or sum it first: y.sum()."
    if dtype is None:
        raise ArgumentTypeError(f"{function}: y must be a scalar; got {described(target)}.")
    if shape != ():
        element = f" Or take its element: y[{', '.join('0' * len(shape))}]." if set(shape) == {1} else ""
        raise ArgumentError(f"{function}: y must be a scalar, of shape (); got shape {shape}. {advice}{element}")
    if dtype.kind == "c":
        raise ArgumentTypeError(
            f"{function}: y must be real; got {dtype}. Differentiate y.real or y.imag, or pass a cotangent to vjp."
        )
    if dtype.kind != "f" and (type(target) is Tensor or function != "tape.gradient"):
        raise ArgumentTypeError(f"{function}: y must be floating; got {dtype}.")


def check_chunk_size(function: str, chunk_size: int | None) -> None:
    """Raise for a number of rows that a walk cannot carry."""
    is_count = isinstance(chunk_size, int | np.integer) and not isinstance(chunk_size, bool) and chunk_size >= 1
    if chunk_size is not None and not is_count:
        raise ArgumentError(f"{function}: chunk_size must be a positive integer, or None for all; got {chunk_size!r}.")


def common_axis(function: str, axis: int, leaves: Sequence[Any]) -> int:
    """Return the index of the examples' axis, after checking that all leaves have equally many."""
    places = {axis_of(function, axis, len(leaf.shape), "batch_axis") for leaf in leaves}
    lengths = sorted({leaf.shape[axis] for leaf in leaves})
    if len(lengths) > 1 or len(places) > 1:
        raise ArgumentError(
            f"{function}: batch_axis must be one axis, of one length, of all y and x; "
            f"got {axis} for shapes {', '.join(str(leaf.shape) for leaf in leaves)}."
        )
    return places.pop() if places else 0


def matched(function: str, name: str, tree: Tree, like_name: str, like: Tree, advice: str = "") -> list[Array]:
    """Return the leaves of `tree` as arrays, after checking its structure and shapes against those of `like`."""
    likes, spec = tree_flatten(like)
    leaves, own_spec = tree_flatten(tree)
    if own_spec != spec:
        raise ArgumentError(
            f"{function}: {name} must have the structure of {like_name}, {spec}; got {own_spec}.{advice}"
        )
    arrays = []
    for i, (leaf, expected) in enumerate(zip(leaves, likes, strict=True)):
        if kind_of(type(leaf)) is not Kind.VALUE:
            leaf = plain_leaf(function, partial(_path, tree, name, i), leaf)
        array = leaf if hasattr(leaf, "dtype") else _as_scalar(leaf)
        dtype, shape = dtype_of(expected), getattr(expected, "shape", ())
        if array.shape != shape:
            raise ArgumentError(
                f"{function}: {leaf_paths(tree, name)[i]} must have shape {shape}, as {like_name}; got {array.shape}."
            )
        if array.dtype.kind not in "biufc":
            raise ArgumentTypeError(f"{function}: {leaf_paths(tree, name)[i]} must be numeric; got {array.dtype}.")
        if dtype.kind == "f" and array.dtype.kind == "c":
            raise ArgumentTypeError(
                f"{function}: {leaf_paths(tree, name)[i]} must be real, as {like_name}; got {array.dtype}."
            )
        if dtype.kind in "fc" and array.dtype != dtype:
            array = array.astype(dtype)
        arrays.append(array)
    return arrays


def _path(tree: Tree, name: str, i: int) -> str:
    return leaf_paths(tree, name)[i]


def _as_scalar(leaf: Any) -> Any:
    """Return a leaf without a dtype as NumPy's scalar; an object as an array of it."""
    array = np.asarray(leaf)
    return array if array.dtype == object else array[()]


def own_copy(answer: Any) -> Any:
    """Return what a user's rule gave as an array that nothing else holds.

    The rule may hold what it returns, write into it at its next call, or return an operand: so a gradient, or a sum
    that a walk is about to make, must not be that array. The library's own rules return arrays of their own, or
    their cotangent, and pay nothing.
    """
    answer = resolve(answer)
    if is_registered(type(answer)):
        return answer.copy()
    return np.array(answer, order="K") if isinstance(answer, np.ndarray) else answer


def unshared(answer: Any, given: Iterable[Any]) -> Any:
    """Return a Tensor that a user's rule gave, as a copy where it shares memory with what the rule was given."""
    if type(answer) is Tensor:
        value = unwrap(answer)
        arrays = [x for x in map(unwrap, given) if type(x) is np.ndarray]
        if type(value) is np.ndarray and any(np.may_share_memory(value, x) for x in arrays):
            return +answer
    return answer


def zeros_of(x: Any) -> Array:
    """Zeros of the shape, dtype and kind of `x`: an array or a NumPy scalar."""
    zeros = np.zeros(getattr(x, "shape", ()), dtype_of(x))
    of = type_under(x)
    if of is np.ndarray:
        return zeros
    return as_registered(of, zeros) if is_registered(of) else zeros[()]


def filled_like(x: Array, number: float) -> Array:
    """Return a constant of the shape and dtype of `x`; a NumPy scalar where the shape is ()."""
    return np.full(np.shape(x), number, dtype_of(x))[()]


def described(x: Any) -> str:
    """Describe a value in a few words, for errors."""
    if hasattr(x, "dtype") and hasattr(x, "shape"):
        kind = "a Tensor" if type(x) is Tensor else f"a {type(x).__name__}"
        return f"{kind} of shape {x.shape}, {x.dtype}"
    return f"{type(x).__name__} {x!r}"
