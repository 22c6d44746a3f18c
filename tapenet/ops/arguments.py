"""Arguments of NumPy's functions: axes normalized, and keywords that a Tensor cannot take refused."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tapenet.errors import ArgumentError, ArgumentTypeError, AxisError

ABSENT: Any = object()  # the default of an argument for which None means something


def refuse(function: str, keywords: Mapping[str, Any]) -> None:
    """Raise for any keyword argument that is left over."""
    given = {name: value for name, value in keywords.items() if value is not None}
    if given.get("out") is not None:
        raise ArgumentTypeError(
            f"{function}: out= must not be given with a Tensor, which is a value and never changes. "
            f"Write y = {function}(...)."
        )
    if given:
        raise ArgumentTypeError(f"{function}: a Tensor takes no keyword {', '.join(sorted(given))}.")


def axis_of(function: str, axis: Any, ndim: int, name: str = "axis") -> int:
    """One axis, as a number in [0, ndim)."""
    try:
        place = operator.index(axis)
    except TypeError:
        raise ArgumentTypeError(f"{function}: {name} must be an integer; got {axis!r}.") from None
    if not -ndim <= place < ndim:
        raise AxisError(f"{function}: {name} must be in [{-ndim}, {ndim}) for an array of {ndim} axes; got {axis}.")
    return place % ndim


def axes_of(function: str, axes: Any, ndim: int, name: str = "axis") -> tuple[int, ...]:
    """Axes, one or several, as distinct numbers in [0, ndim)."""
    several = axes if isinstance(axes, Sequence | np.ndarray) else (axes,)
    places = tuple(axis_of(function, axis, ndim, name) for axis in several)
    if len(set(places)) != len(places):
        raise ArgumentError(f"{function}: {name} must name each axis once; got {axes!r}.")
    return places
