"""Checks of side effects: a derivative owns its arrays, and computing it changes nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.leaf_checks import dtype_of
from tapenet.core.pytrees import Tree, leaf_paths, tree_flatten, tree_leaves
from tapenet.errors import TapenetError
from tapenet.testing.accuracy import ACCURACY, Accuracy, lowest_precision
from tapenet.testing.pairing import copied, equal, largest


class GradientError(TapenetError, AssertionError):
    """A derivative that is not the derivative of the function."""


def check_values(f: Callable[..., Any], args: tuple[Tree, ...], y: Tree) -> None:
    """On plain arrays f must give what it gave on the tape, and write into none of them."""
    own = copied(args)
    plain = f(*own)
    check_unchanged("the arguments", "args", own, args, "f writes into its argument on plain arrays")
    leaves, spec = tree_flatten(y)
    if tree_flatten(plain)[1] != spec:
        raise GradientError(f"check_grads: f must return {spec} off the tape too; got {tree_flatten(plain)[1]}.")
    accuracy = ACCURACY[lowest_precision(args, y)]
    for path, recorded, leaf in zip(leaf_paths(y, "y"), leaves, tree_leaves(plain), strict=True):
        if np.shape(leaf) != np.shape(recorded) or not same_numbers(recorded, leaf, accuracy):
            again = tree_leaves(f(*copied(args)))
            repeatable = all(map(equal, again, tree_leaves(plain)))
            reason = "It branches on the type." if repeatable else "It is another one each time: random numbers?"
            raise GradientError(
                f"check_grads: f must give the same value on a tape as off it; at {path} got {recorded} on it and "
                f"{leaf} off it. {reason}"
            )


def same_numbers(a: Any, b: Any, accuracy: Accuracy) -> bool:
    """Return whether two leaves agree to rounding, relative to their largest number."""
    with np.errstate(invalid="ignore"):  # inf - inf
        close = np.abs(np.asarray(a) - np.asarray(b)) <= accuracy.identity * largest(a, b)
    same = np.asarray(a) == np.asarray(b)
    both_nan = np.isnan(a) & np.isnan(b)
    return bool(np.all(close | same | both_nan))


def check_unchanged(what: str, name: str, now: Tree, before: Tree, reason: str) -> None:
    """Raise where a leaf has other numbers than its copy from before."""
    for path, leaf, copy in zip(leaf_paths(before, name), tree_leaves(now), tree_leaves(before), strict=True):
        if not equal(leaf, copy):
            raise GradientError(f"check_grads: {what} must not change; got other numbers in {path}. {reason}.")


def check_kinds(what: str, name: str, derivative: Tree, like_name: str, like: Tree) -> None:
    """Raise unless a derivative has the shapes and dtypes of what it belongs to."""
    for path, leaf, own in zip(leaf_paths(like, like_name), tree_leaves(derivative), tree_leaves(like), strict=True):
        got, expected = (np.shape(leaf), dtype_of(leaf)), (np.shape(own), dtype_of(own))
        if got != expected:
            raise GradientError(
                f"check_grads: {what}: {name} of {path} must have shape {expected[0]} and dtype {expected[1]}; "
                f"got {got[0]}, {got[1]}."
            )


def check_ownership(gradients: tuple[Tree, ...], args: tuple[Tree, ...], y_bar: Tree) -> None:
    """Gradients must share no memory with each other, with the arguments, or with the cotangent."""
    paths = leaf_paths(args, "args")
    own = [(f"the gradient by {path}", x) for path, x in zip(paths, tree_leaves(gradients), strict=True)]
    given = [*zip(paths, tree_leaves(args), strict=True), *zip(leaf_paths(y_bar, "y_bar"), tree_leaves(y_bar))]
    for i, (name, gradient) in enumerate(own):
        for other_name, other in (*own[:i], *given):
            if type(gradient) is type(other) is np.ndarray and np.shares_memory(gradient, other):
                raise GradientError(
                    f"check_grads: gradients must share no memory with each other or with what was given; "
                    f"got {name} and {other_name} that do, of shape {gradient.shape}."
                )


def check_repeated(first: Tree, second: Tree) -> None:
    """Raise unless a pullback gives the same each time."""
    for path, one, other in zip(leaf_paths(first, "args"), tree_leaves(first), tree_leaves(second), strict=True):
        if not equal(one, other):
            raise GradientError(
                f"check_grads: a second pullback must give what the first gave; got other numbers for {path}. "
                "A rule keeps a state, or changes what it reads."
            )
