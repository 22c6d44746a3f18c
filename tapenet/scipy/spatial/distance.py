"""scipy.spatial.distance on Tensors and arrays alike: distances by both vectors, weights and parameters.

>>> from tapenet.scipy.spatial import distance
>>> tn.grad(lambda x: distance.pdist(x).sum())(np.array([[0.0], [1.0], [3.0]]))
array([[-2.],
       [ 0.],
       [ 2.]])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.spatial.distance

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import nondifferentiable
from tapenet.core.primitive import Array
from tapenet.core.pytrees import tree_leaves
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError
from tapenet.scipy.placing import passed_on, published, refused
from tapenet.scipy.spatial import metrics
from tapenet.scipy.spatial.metrics import METRICS

Function = Callable[..., Any]

_BY_BOTH = "Derivatives: those of the formula, by both vectors and by weights and parameters that are not orders"
_AT_EDGES = {
    "euclidean": "0 where the vectors are equal.",
    "minkowski": "0 where the vectors are equal.",
    "seuclidean": "0 where the vectors are equal.",
    "cityblock": "0 for equal elements.",
    "canberra": "0 for equal elements.",
    "chebyshev": "split evenly among the largest.",
    "mahalanobis": "infinite where the vectors are equal.",
    "jensenshannon": "infinite where the vectors are equal.",
}


def _on_tape(*values: Any) -> bool:
    return any(type(x) is Tensor for x in tree_leaves(values))


def _floats(x: Any) -> Array:
    x = tnp.asarray(x)
    return x if x.dtype == np.float64 else x.astype(float)


def _of_pair(name: str) -> Function:
    theirs, formula = getattr(scipy.spatial.distance, name), METRICS[name]

    def distance(u: Any, v: Any, *args: Any, **settings: Any) -> Any:
        if not _on_tape(u, v, args, settings):
            return theirs(u, v, *args, **settings)
        u, v = (tnp.atleast_1d(_floats(x)) for x in (u, v))
        if u.ndim != 1 or u.shape != v.shape:
            raise ArgumentError(
                f"spatial.distance.{name}: u and v must be vectors of one length; got shapes {u.shape} and {v.shape}."
            )
        return formula(u, v, *args, **settings)

    note = f"{_BY_BOTH}; {_AT_EDGES[name]}" if name in _AT_EDGES else f"{_BY_BOTH}."
    return published(distance, scipy.spatial.distance, name, note)


braycurtis = _of_pair("braycurtis")
canberra = _of_pair("canberra")
chebyshev = _of_pair("chebyshev")
cityblock = _of_pair("cityblock")
correlation = _of_pair("correlation")
cosine = _of_pair("cosine")
euclidean = _of_pair("euclidean")
mahalanobis = _of_pair("mahalanobis")
minkowski = _of_pair("minkowski")
seuclidean = _of_pair("seuclidean")
sqeuclidean = _of_pair("sqeuclidean")


def jensenshannon(p: Any, q: Any, base: Any = None, *, axis: int = 0, keepdims: bool = False) -> Any:
    if not _on_tape(p, q, base):
        return scipy.spatial.distance.jensenshannon(p, q, base, axis=axis, keepdims=keepdims)
    return metrics.divergence(_floats(p), _floats(q), base, axis, keepdims)


published(
    jensenshannon, scipy.spatial.distance, "jensenshannon", f"{_BY_BOTH}; infinite where the distributions are equal."
)

# ---- all pairs ----


def _metric(function: str, metric: Any, settings: dict[str, Any], points: Function) -> Function:
    """Return the distance of pairs along the last axis."""
    if settings.pop("out", None) is not None:
        raise ArgumentError(f"{function}: out must be left out on a tape. Write y = {function}(...).")
    if callable(metric):
        return lambda u, v: _one_by_one(lambda u, v: metric(u, v, **settings), u, v)
    name = str(metric).lower()
    if name not in METRICS:
        raise ArgumentError(
            f"{function}: metric must be one of {', '.join(METRICS)}, or a function, on a tape; got {metric!r}."
        )
    if name == "seuclidean" and settings.get("V") is None:
        settings["V"] = tnp.var(points(), axis=0, ddof=1)
    if name == "mahalanobis" and settings.get("VI") is None:
        settings["VI"] = tnp.linalg.inv(tnp.cov(points().T))
    if settings.get("w") is not None:
        settings["w"] = _floats(settings["w"])
    return lambda u, v: METRICS[name](u, v, **settings)


def _one_by_one(metric: Function, u: Array, v: Array) -> Array:
    shape = np.broadcast_shapes(u.shape, v.shape)
    pairs = (tnp.reshape(tnp.broadcast_to(x, shape), (-1, shape[-1])) for x in (u, v))
    first, second = pairs
    found = [tnp.asarray(metric(first[i], second[i])) for i in range(first.shape[0])]
    return tnp.reshape(tnp.stack(found), shape[:-1])


def _points(function: str, name: str, x: Any) -> Array:
    x = _floats(x)
    if x.ndim != 2:
        raise ArgumentError(f"{function}: {name} must be a matrix, a point in each row; got shape {x.shape}.")
    return x


def cdist(XA: Any, XB: Any, metric: Any = "euclidean", **settings: Any) -> Any:
    if not _on_tape(XA, XB, settings):
        return scipy.spatial.distance.cdist(XA, XB, metric, **settings)
    name = "spatial.distance.cdist"
    a, b = _points(name, "XA", XA), _points(name, "XB", XB)
    if a.shape[1] != b.shape[1]:
        raise ArgumentError(f"{name}: XA and XB must have points of one dimension; got {a.shape[1]} and {b.shape[1]}.")
    return _metric(name, metric, settings, lambda: tnp.concatenate([a, b]))(a[:, None, :], b[None, :, :])


def pdist(X: Any, metric: Any = "euclidean", **settings: Any) -> Any:
    if not _on_tape(X, settings):
        return scipy.spatial.distance.pdist(X, metric, **settings)
    name = "spatial.distance.pdist"
    x = _points(name, "X", X)
    first, second = np.triu_indices(x.shape[0], 1)
    return _metric(name, metric, settings, lambda: x)(tnp.take(x, first, 0), tnp.take(x, second, 0))


_OF_PAIRS = (
    f"Derivatives: those of the formula of the metric, by points, weights and parameters; V and VI that are left out "
    f"are functions of the points too. Metrics on a tape: {', '.join(METRICS)}, and functions of two vectors."
)
published(cdist, scipy.spatial.distance, "cdist", _OF_PAIRS)
published(pdist, scipy.spatial.distance, "pdist", _OF_PAIRS)


def squareform(X: Any, force: str = "no", checks: bool = True) -> Any:
    if not _on_tape(X):
        return scipy.spatial.distance.squareform(X, force, checks)
    name = "spatial.distance.squareform"
    x = tnp.asarray(X)
    if x.ndim == 2 and x.shape[0] == x.shape[1] and force != "tomatrix":
        return x[np.triu_indices(x.shape[0], 1)]
    n = round((1 + np.sqrt(1 + 8 * x.size)) / 2)
    if x.ndim != 1 or n * (n - 1) // 2 != x.size or force == "tovector":
        raise ArgumentError(f"{name}: X must be the distances of all pairs, or a square matrix; got shape {x.shape}.")
    if x.size == 0:
        return np.zeros((1, 1), x.dtype)
    places = np.zeros((n, n), int)
    places[np.triu_indices(n, 1)] = np.arange(x.size)
    return tnp.where(np.eye(n, dtype=bool), 0.0, tnp.take(x, places + places.T))


published(
    squareform,
    scipy.spatial.distance,
    "squareform",
    "Derivative: that of the elements; of a matrix those above the diagonal are read, and its symmetry is not checked.",
)

_farthest = nondifferentiable(
    lambda u, v, seed: np.array(scipy.spatial.distance.directed_hausdorff(u, v, seed)[1:]), name="farthest"
)


def directed_hausdorff(u: Any, v: Any, rng: Any = 0) -> Any:
    if not _on_tape(u, v):
        return scipy.spatial.distance.directed_hausdorff(u, v, rng)
    name = "spatial.distance.directed_hausdorff"
    u, v = _points(name, "u", u), _points(name, "v", v)
    places = _farthest(u, v, rng)
    i, j = places[0], places[1]
    return metrics.euclidean(tnp.take(u, i, 0), tnp.take(v, j, 0)), i, j


published(
    directed_hausdorff,
    scipy.spatial.distance,
    "directed_hausdorff",
    "Derivative: that of the distance of the two points that it is taken between.",
)

_CONSTANT = "It is piecewise constant. Pass plain values."
_REFUSED = dict.fromkeys("dice hamming jaccard rogerstanimoto russellrao sokalsneath yule".split(), _CONSTANT)
_PASSED = {
    "is_valid_dm": "a truth value.",
    "is_valid_y": "a truth value.",
    "num_obs_dm": "a count.",
    "num_obs_y": "a count.",
}
PLACED: dict[str, Any] = {
    **{name: refused(scipy.spatial.distance, name, instead) for name, instead in _REFUSED.items()},
    **{name: passed_on(scipy.spatial.distance, name, reason) for name, reason in _PASSED.items()},
}
globals().update(PLACED)

__all__ = sorted(
    [
        *METRICS,
        *PLACED,
        *("cdist", "directed_hausdorff", "pdist", "squareform"),
    ]
)


def __dir__() -> list[str]:
    return __all__
