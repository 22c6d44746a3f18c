"""Distances of all pairs by Minkowski's norms, with the signatures of scipy.spatial."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.spatial

import tapenet.numpy as tnp
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.placing import counterpart

_NOTE = "Derivatives: those of the norm of the differences, by both; 0 where points are equal. p is a number."


@counterpart(scipy.spatial, _NOTE)
def minkowski_distance(x: Any, y: Any, p: float = 2.0) -> Array:
    return tnp.linalg.norm(tnp.asarray(x) * 1.0 - y, p, axis=-1)


@counterpart(scipy.spatial, _NOTE)
def minkowski_distance_p(x: Any, y: Any, p: float = 2.0) -> Array:
    d = tnp.abs(tnp.asarray(x) * 1.0 - y)
    return tnp.max(d, axis=-1) if p == np.inf else tnp.sum(d if p == 1 else d**p, axis=-1)


@counterpart(scipy.spatial, _NOTE)
def distance_matrix(x: Any, y: Any, p: float = 2.0, threshold: int = 1000000) -> Array:
    x, y = tnp.asarray(x), tnp.asarray(y)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ArgumentError(
            f"spatial.distance_matrix: x and y must be matrices with points of one dimension; got shapes {x.shape} and "
            f"{y.shape}."
        )
    return minkowski_distance(x[:, None, :], y[None, :, :], p)
