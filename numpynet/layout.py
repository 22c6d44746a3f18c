"""How images lie in memory: (N, C, H, W) to whoever looks at them, and channels last underneath.

tapenet's kernels take images (N, H, W, C) in C order. A transpose is a view: between operations that compute on such
a view, and hand on a view back, the transposes cancel, and nothing is copied.
"""

from __future__ import annotations

from collections.abc import Callable

import tapenet.numpy as tnp
from numpynet.symbols import Array


def channels_last(x: Array, ndim: int) -> Array:
    """Return what broadcasts against (N, C, H, W) as a view that does against (N, H, W, C); all else with ndim axes.

    NumPy lays out what it computes from operands of different orders in the order of the axes: where images
    that lie channels last meet a gamma that does not, the axes must be in that order for them to stay so.
    """
    if x.ndim < ndim:
        x = tnp.reshape(x, (1,) * (ndim - x.ndim) + x.shape)
    return tnp.transpose(x, (0, 2, 3, 1)) if ndim == 4 else x


def channels_first(x: Array) -> Array:
    """Images (N, H, W, C) as a view (N, C, H, W); all else as it is."""
    return tnp.transpose(x, (0, 3, 1, 2)) if x.ndim == 4 else x


def elementwise(function: Callable[[Array], Array], x: Array) -> Array:
    """Make a function of each element, over images in the order in which they lie."""
    return channels_first(function(channels_last(x, x.ndim)))
