"""Vectors in the shape of pytrees: random directions, and the pairing <a, b> that pullbacks transpose."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.primitive import Array
from tapenet.core.pytrees import Tree, tree_flatten, tree_leaves, tree_map, tree_unflatten
from tapenet.core.tensor import unwrap


def direction(like: Tree, rng: np.random.Generator) -> Tree:
    """Random numbers of order 1 in the place of each element, real where it is real."""

    def drawn(leaf: Array) -> Array:
        plain = np.asarray(unwrap(leaf))
        numbers = rng.uniform(0.5, 1.5, plain.shape) * rng.choice([-1, 1], plain.shape)
        if plain.dtype.kind == "c":
            numbers = numbers + 1j * rng.uniform(-1, 1, plain.shape)
        return np.asarray(numbers).astype(plain.dtype)[()]

    return tree_map(drawn, like)


def inner(a: Tree, b: Tree) -> complex:
    """Sum products, without conjugation."""
    pairs = zip(tree_leaves(a), tree_leaves(b), strict=True)
    return complex(sum(np.sum(np.asarray(x) * np.asarray(y), dtype=np.clongdouble) for x, y in pairs))


def inner_of_magnitudes(a: Tree, b: Tree) -> float:
    """Sum the magnitudes of products, by which the rounding errors of `inner` are judged."""
    pairs = zip(tree_leaves(a), tree_leaves(b), strict=True)
    return float(sum(np.sum(np.abs(np.asarray(x) * np.asarray(y)), dtype=np.longdouble) for x, y in pairs))


def largest(*trees: Tree) -> float:
    """Find the largest magnitude among all elements."""
    return max((float(np.max(np.abs(leaf), initial=0.0)) for leaf in tree_leaves(trees)), default=0.0)


def total(tree: Tree) -> float:
    """Sum the magnitudes of all elements."""
    return float(sum(np.sum(np.abs(leaf), dtype=np.longdouble) for leaf in tree_leaves(tree)))


def only(tree: Tree, place: int, index: tuple[int, ...] | None = None) -> Tree:
    """Return the vector with zeros in place of all leaves but one, and of all its elements but that at `index`."""
    leaves, spec = tree_flatten(tree)

    def kept(i: int, leaf: Array) -> Array:
        if i == place and index is None:
            return leaf
        zeros = np.zeros_like(leaf)
        if i == place:
            zeros[index] = leaf[index]
        return zeros[()] if np.ndim(leaf) == 0 else zeros

    return tree_unflatten(spec, [kept(i, leaf) for i, leaf in enumerate(leaves)])


def unit(like: Tree, place: int, index: tuple[int, ...]) -> Tree:
    """Return the vector of zeros but for a 1 at one element of one leaf."""
    leaves, spec = tree_flatten(like)

    def made(i: int, leaf: Array) -> Array:
        zeros = np.zeros_like(np.asarray(unwrap(leaf)))
        if i == place:
            zeros[index] = 1
        return zeros[()] if np.ndim(leaf) == 0 else zeros

    return tree_unflatten(spec, [made(i, leaf) for i, leaf in enumerate(leaves)])


def copied(tree: Tree) -> Tree:
    """Copy the values into arrays of their own."""
    return tree_map(lambda x: x.copy() if type(x) is np.ndarray else x, tree)


def equal(a: Any, b: Any) -> bool:
    """Return whether two leaves hold the same numbers, bit by bit but for the sign of zero."""
    return np.array_equal(unwrap(a), unwrap(b), equal_nan=True)
