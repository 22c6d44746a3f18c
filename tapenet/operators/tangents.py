"""Tangents and cotangents of pytrees with leaves of any kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tapenet.core.primitive import Array
from tapenet.core.pytrees import Tree
from tapenet.transforms.calls import Structure, is_differentiable, split_arrays
from tapenet.transforms.products import jvp, vjp

Function = Callable[[Any], Tree]  # of a pytree


def cotangent_of(function: Function, tree: Tree, bars: Tree) -> Tree:
    """Return the cotangent of a pytree from that of function(tree); None for leaves that have none."""
    arrays, structure = split_arrays(tree)
    places = [i for i, x in enumerate(arrays) if is_differentiable(x)]
    found: list[Any] = [None] * len(arrays)
    if places:
        _, pullback = vjp(_of_values(function, arrays, structure, places), *(arrays[i] for i in places))
        for i, bar in zip(places, pullback(bars), strict=True):
            found[i] = bar
    return structure.filled_alone(found)


def tangent_of(function: Function, tree: Tree, dots: Tree) -> Array:
    """Return the tangent of function(tree), an array, along a tangent of the pytree."""
    arrays, structure = split_arrays(tree)
    places = [i for i, x in enumerate(arrays) if is_differentiable(x)]
    if not places:
        return np.zeros_like(function(tree))
    along, _ = split_arrays(dots)
    return jvp(_of_values(function, arrays, structure, places), [arrays[i] for i in places], along)[1]


def _of_values(
    function: Function, arrays: Sequence[Array], structure: Structure, places: Sequence[int]
) -> Callable[..., Tree]:
    """Return a function of the pytree as one of its differentiable leaves."""

    def of(*values: Array) -> Tree:
        given = list(arrays)
        for place, value in zip(places, values, strict=True):
            given[place] = value
        return function(structure.filled(given))

    return of
