"""Curves between directions, and matches of shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.spatial

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.placing import counterpart


@branch_condition
def _is_small(x: Array, bound: float) -> bool:
    return bool(np.all(np.abs(x) < bound))


@counterpart(scipy.spatial, "Derivatives: those of the formula, by both ends and t; the ends must differ.")
def geometric_slerp(start: Any, end: Any, t: Any, tol: float = 1e-07) -> Array:
    start, end, t = tnp.asarray(start) * 1.0, tnp.asarray(end) * 1.0, tnp.asarray(t) * 1.0
    name = "spatial.geometric_slerp"
    if start.ndim != 1 or start.shape != end.shape or start.size < 2:
        raise ArgumentError(f"{name}: start and end must be vectors of one length; got {start.shape} and {end.shape}.")
    for x in (start, end):
        if not _is_small(tnp.linalg.norm(x) - 1.0, 1e-9):
            raise ArgumentError(f"{name}: start and end must be on the unit n-sphere.")
    cosine = start @ end
    across = end - cosine * start
    sine = tnp.linalg.norm(across)
    if _is_small(sine, tol):
        raise ArgumentError(f"{name}: start and end must be neither equal nor opposite on a tape, where no arc leads.")
    angle = t * tnp.arctan2(sine, cosine)
    return np.cos(angle)[..., None] * start + np.sin(angle)[..., None] * (across / sine)


@counterpart(scipy.spatial, "Derivatives: those of the formula, where the singular values of the product differ.")
def procrustes(data1: Any, data2: Any) -> tuple[Array, Array, Array]:
    shapes = []
    for x in (data1, data2):
        x = tnp.asarray(x) * 1.0
        if x.ndim != 2 or not x.size:
            raise ArgumentError(f"spatial.procrustes: Input matrices must be two-dimensional; got shape {x.shape}.")
        x = x - tnp.mean(x, 0)
        shapes.append(x / tnp.linalg.norm(x))
    first, second = shapes
    if first.shape != second.shape:
        raise ArgumentError("spatial.procrustes: Input matrices must be of same shape.")
    u, sizes, v = tnp.linalg.svd(first.T @ second)
    second = tnp.sum(sizes) * second @ (u @ v).T
    return first, second, tnp.sum((first - second) ** 2)
