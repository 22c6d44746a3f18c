"""Subjects of scipy.spatial and scipy.spatial.distance."""

from __future__ import annotations

from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tests.scipy.subjects import Strategy, between, subject

# Points that are apart, so that differences do not change sign.
APART = np.array([[0.0, 2.0, 1.0], [1.0, 0.5, 3.0], [2.5, 3.5, 0.0], [4.0, 1.0, 2.2], [5.0, 5.0, 4.0]])
POINTS, OTHERS = between(0.1, 0.3, 5, 3).map(lambda x: x + APART), between(0.5, 0.7, 2, 3)
FIRST, SECOND = between(0.1, 0.4, 3), between(0.6, 0.9, 3).map(lambda x: x * [1.0, 2.0, 3.0])
WEIGHTS = between(0.5, 1.5, 3)


def declare(module: str, name: str, call: Any, *arrays: Strategy, **settings: Any) -> None:
    subject(module, name, lambda xp, *given: tnp.asarray(call(xp, *given)), *arrays, **settings)


for each in ("braycurtis", "canberra", "chebyshev", "cityblock", "correlation", "cosine", "euclidean", "sqeuclidean"):
    declare(
        "spatial.distance",
        each,
        lambda xp, u, v, w, each=each: getattr(xp, each)(u.astype(float), v.astype(float), w.astype(float)),
        *(FIRST, SECOND, WEIGHTS),
    )
declare(
    "spatial.distance", "minkowski", lambda xp, u, v: xp.minkowski(u.astype(float), v.astype(float), 3), FIRST, SECOND
)
declare("spatial.distance", "seuclidean", lambda xp, u, v, w: xp.seuclidean(u, v, w), FIRST, SECOND, WEIGHTS)
declare(
    "spatial.distance",
    "mahalanobis",
    lambda xp, u, v, w: xp.mahalanobis(u.astype(float), v.astype(float), tnp.diag(w.astype(float)) + 0.1),
    *(FIRST, SECOND, WEIGHTS),
)
declare(
    "spatial.distance",
    "jensenshannon",
    lambda xp, u, v: xp.jensenshannon(u.astype(float), v.astype(float), 2.0),
    FIRST,
    SECOND,
    tolerance=1e-5,
)
for each in ("euclidean", "cityblock", "seuclidean", "mahalanobis"):
    declare(
        "spatial.distance",
        "pdist",
        lambda xp, x, each=each: xp.pdist(x.astype(float), each),
        POINTS,
        order=1,
        tolerance=1e-5,
    )
declare("spatial.distance", "cdist", lambda xp, a, b: xp.cdist(a.astype(float), b.astype(float)), POINTS, OTHERS)
declare("spatial.distance", "squareform", lambda xp, x: xp.squareform(x), between(0.5, 1, 6))
declare(
    "spatial.distance",
    "directed_hausdorff",
    lambda xp, a, b: xp.directed_hausdorff(a.astype(float), b.astype(float))[0],
    POINTS,
    OTHERS,
)
declare("spatial", "distance_matrix", lambda xp, a, b: xp.distance_matrix(a * 1.0, b * 1.0, 3), POINTS, OTHERS)
declare("spatial", "minkowski_distance", lambda xp, u, v: xp.minkowski_distance(u * 1.0, v * 1.0), FIRST, SECOND)
declare("spatial", "minkowski_distance_p", lambda xp, u, v: xp.minkowski_distance_p(u, v, 3), FIRST, SECOND)
declare(
    "spatial",
    "geometric_slerp",
    lambda xp, a, t: xp.geometric_slerp(
        tnp.stack([np.cos(a[0]), np.sin(a[0])]).astype(float), np.array([0.0, 1.0]), t.astype(float)
    ),
    between(0.1, 0.4, 1),
    between(0.2, 0.8, 3),
    in_single=False,
)
declare(
    "spatial",
    "procrustes",
    lambda xp, a: tnp.concatenate(xp.procrustes(a.astype(float), APART**2)[:2]),
    POINTS,
    order=1,
    tolerance=1e-5,
)
declare(
    "spatial.transform",
    "Rotation",
    lambda xp, q, v: xp.Rotation.from_quat(q.astype(float)).apply(v.astype(float)),
    between(0.3, 1, 4),
    between(-1, 1, 2, 3),
)
