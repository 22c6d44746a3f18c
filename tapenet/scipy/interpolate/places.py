"""Points of several dimensions, and values at places of grids."""

from __future__ import annotations

from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.primitive import Array
from tapenet.scipy.interpolate.checks import double


def points_of(xi: Any, ndim: int) -> Array:
    """Return points, given as a tuple of coordinates or with the coordinates along the last axis, as an array."""
    if isinstance(xi, tuple) and len(xi) == 1:
        xi = xi[0]
    if isinstance(xi, tuple):
        parts = [double(x) for x in xi]
        shape = np.broadcast_shapes(*(x.shape for x in parts))
        return tnp.stack([tnp.broadcast_to(x, shape) for x in parts], -1)
    xi = double(xi)
    if xi.ndim == 1:
        return xi[:, None] if ndim == 1 else tnp.reshape(xi, (-1, ndim)) if xi.shape[0] == ndim else xi[:, None]
    return xi


def at_places(values: Array, places: list[Array]) -> Array:
    """Gather values at places of several dimensions."""
    shape = values.shape[: len(places)]
    flat = sum((place * int(np.prod(shape[i + 1 :])) for i, place in enumerate(places)), start=0)
    return tnp.take(tnp.reshape(values, (-1, *values.shape[len(places) :])), flat, 0)
