"""Some of the leaves of a loop: which of them have derivatives, and others in their places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tapenet.core.leaf_checks import dtype_of


def is_float(x: Any) -> bool:
    """Return whether a leaf has a derivative."""
    dtype = dtype_of(x)
    return dtype is not None and dtype.kind in "fc"


def float_places(leaves: Sequence[Any]) -> tuple[int, ...]:
    """Return the places of floats and complex numbers."""
    return tuple([i for i, x in enumerate(leaves) if is_float(x)])


def leaves_at(leaves: Sequence[Any], places: Sequence[int]) -> tuple[Any, ...]:
    """Return the leaves in some places."""
    return tuple([leaves[i] for i in places])


def with_leaves(leaves: Sequence[Any], places: Sequence[int], values: Sequence[Any]) -> list[Any]:
    """Return leaves with other values in some places."""
    made = list(leaves)
    for place, value in zip(places, values, strict=True):
        made[place] = value
    return made
