"""The Euclidean norm of one leaf or of several together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.kernels.squares import square_sum
from tapenet.optim.leafwise import Array, as_dtype, is_plain


def norm_of(leaves: Sequence[Array]) -> Any:
    """Compute the root of the sum of the squares of all elements; as a Python float where all leaves are plain.

    It neither overflows nor underflows where the result can be held. Its derivative is 0 at 0.
    """
    if not all(map(is_plain, leaves)):
        wide = (abs(leaf) if np.iscomplexobj(leaf) else leaf for leaf in leaves)
        norms = [np.linalg.norm(as_dtype(x, np.dtype(float)).reshape(-1)) for x in wide]
        return np.linalg.norm(np.stack(norms))
    square = sum((square_sum(leaf, 1.0) for leaf in leaves), 0.0)
    if 1e-280 < square < np.inf or np.isnan(square):
        return float(np.sqrt(square))
    largest = max((float(np.abs(leaf).max()) for leaf in leaves if np.size(leaf)), default=0.0)
    if not 0 < largest < np.inf:
        return largest
    return largest * float(np.sqrt(sum(square_sum(leaf, largest) for leaf in leaves)))
