"""Distances of pairs of vectors, along the last axis: one formula each, for single pairs, `cdist` and `pdist`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.arguments import holds_tensor
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.special import rel_entr

Function = Callable[..., Any]


def _weighted(x: Array, w: Any) -> Array:
    return x if w is None else w * x


def _length(d: Array) -> Array:
    """Return the Euclidean length; its derivative is 0 at 0."""
    return tnp.linalg.norm(d, axis=-1)


def euclidean(u: Array, v: Array, w: Any = None) -> Array:
    return _length(u - v if w is None else np.sqrt(w) * (u - v))


def sqeuclidean(u: Array, v: Array, w: Any = None) -> Array:
    return tnp.sum(_weighted((u - v) ** 2, w), -1)


def cityblock(u: Array, v: Array, w: Any = None) -> Array:
    return tnp.sum(_weighted(tnp.abs(u - v), w), -1)


def chebyshev(u: Array, v: Array, w: Any = None) -> Array:
    d = tnp.abs(u - v)
    return tnp.max(d if w is None else (tnp.asarray(w) > 0) * d, axis=-1)


def minkowski(u: Array, v: Array, p: Any = 2, w: Any = None) -> Array:
    if not p > 0:
        raise ArgumentError(f"spatial.distance.minkowski: p must be greater than 0; got {p!r}.")
    if p == np.inf:
        return chebyshev(u, v, w)
    if holds_tensor(p):  # the norm has no derivative by its order
        total = tnp.sum(_weighted(tnp.abs(u - v) ** p, w), -1)
        is_zero = total == 0
        return tnp.where(is_zero, 0.0, tnp.where(is_zero, 1.0, total) ** (1.0 / p))
    d = u - v if w is None else tnp.asarray(w) ** (1.0 / p) * (u - v)
    return tnp.linalg.norm(d, p, axis=-1)


def _similarity(u: Array, v: Array, w: Any) -> Array:
    products = (tnp.sum(_weighted(x * y, w), -1) for x, y in ((u, v), (u, u), (v, v)))
    both, first, second = products
    return both / np.sqrt(first * second)


def cosine(u: Array, v: Array, w: Any = None) -> Array:
    return 1.0 - _similarity(u, v, w)


def correlation(u: Array, v: Array, w: Any = None, centered: bool = True) -> Array:
    if centered:
        weights = np.full(u.shape[-1], 1.0 / u.shape[-1]) if w is None else w / tnp.sum(w)
        u, v = (x - tnp.sum(weights * x, -1, keepdims=True) for x in (u, v))
    return 1.0 - _similarity(u, v, w)


def canberra(u: Array, v: Array, w: Any = None) -> Array:
    size = tnp.abs(u) + tnp.abs(v)
    is_left_out = (size == 0) | tnp.isnan(size)  # SciPy's sum leaves out NaN
    return tnp.sum(_weighted(tnp.where(is_left_out, 0.0, tnp.abs(u - v) / tnp.where(is_left_out, 1.0, size)), w), -1)


def braycurtis(u: Array, v: Array, w: Any = None) -> Array:
    return cityblock(u, v, w) / tnp.sum(_weighted(tnp.abs(u + v), w), -1)


def mahalanobis(u: Array, v: Array, VI: Any) -> Array:
    d = u - v
    return np.sqrt(tnp.sum(d * (d @ tnp.asarray(VI).T), -1))


def seuclidean(u: Array, v: Array, V: Any) -> Array:
    return _length((u - v) / np.sqrt(V))


def divergence(p: Array, q: Array, base: Any = None, axis: int = -1, keepdims: bool = False) -> Array:
    p, q = (x / tnp.sum(x, axis, keepdims=True) for x in (p, q))
    middle = (p + q) / 2.0
    both = tnp.sum(rel_entr(p, middle) + rel_entr(q, middle), axis, keepdims=keepdims)
    return np.sqrt((both if base is None else both / np.log(base)) / 2.0)


def jensenshannon(u: Array, v: Array, base: Any = None) -> Array:
    return divergence(u, v, base)


METRICS: dict[str, Function] = {
    f.__name__: f
    for f in (
        *(braycurtis, canberra, chebyshev, cityblock, correlation, cosine, euclidean),
        *(jensenshannon, mahalanobis, minkowski, seuclidean, sqeuclidean),
    )
}
