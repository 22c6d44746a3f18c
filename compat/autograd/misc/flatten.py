"""Containers of arrays as one vector, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tapenet as tn
import tapenet.numpy as tnp
from compat.autograd.core import floating


def flatten(value: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return one vector of the numbers in nested lists, tuples and dicts, and the function back.

    Dicts are in the order of their sorted keys. The function back takes vectors on tapes, too.
    """
    value = floating(value)
    leaves = [leaf if hasattr(leaf, "dtype") else np.asarray(leaf)[()] for leaf in tn.tree.leaves(value)]
    if not leaves:
        return np.zeros(0), lambda vector: value
    ends = np.cumsum([leaf.size for leaf in leaves]).tolist()
    numbers = iter(range(len(leaves)))
    positions = tn.tree.map(lambda _: next(numbers), value)

    def unflatten(vector: Any) -> Any:
        def part(i: int) -> Any:
            leaf, end = leaves[i], ends[i]
            piece = tnp.reshape(vector[end - leaf.size : end], leaf.shape) if leaf.shape else vector[end - 1]
            return piece if piece.dtype.kind == "c" != leaf.dtype.kind else piece.astype(leaf.dtype)

        return tn.tree.map(part, positions)

    return tnp.concatenate([tnp.ravel(leaf) for leaf in leaves]), unflatten


def flatten_func(func: Callable[..., Any], example: Any) -> tuple[Callable[..., Any], Callable[[Any], Any], Any]:
    """Return a function of vectors for one of containers, the function back, and the example's vector."""
    vector, unflatten = flatten(example)
    return lambda x, *args: flatten(func(unflatten(x), *args))[0], unflatten, vector
