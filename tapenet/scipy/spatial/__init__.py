"""scipy.spatial on Tensors and arrays alike: distances (`distance`) and rotations (`transform`).

>>> from tapenet.scipy import spatial
>>> tn.grad(lambda x: spatial.distance_matrix(x, np.zeros((1, 2))).sum())(np.array([[3.0, 4.0]]))
array([[0.6, 0.8]])
"""

from tapenet.scipy.spatial import distance as distance, transform as transform
from tapenet.scipy.spatial.curves import geometric_slerp as geometric_slerp, procrustes as procrustes
from tapenet.scipy.spatial.matrices import (
    distance_matrix as distance_matrix,
    minkowski_distance as minkowski_distance,
    minkowski_distance_p as minkowski_distance_p,
)
from tapenet.scipy.spatial.placed import PLACED

globals().update(PLACED)

__all__ = sorted(
    ["distance", "transform", *(name for name, value in vars().items() if name[0] != "_" and callable(value))]
)


def __dir__() -> list[str]:
    return __all__
