"""Accuracy of derivatives by dtype: the one table of steps and tolerances."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from tapenet.core.leaf_checks import dtype_of
from tapenet.core.pytrees import Tree, tree_leaves


@attrs.frozen
class Accuracy:
    """What can be expected of a dtype. Tolerances are relative to the larger of two numbers.

    Attributes:
        step: of finite differences, for arguments of order 1.
        difference: tolerance against central differences.
        complex_step: tolerance against a complex step, which is free of cancellation.
        identity: tolerance of the dot-product identity between modes, and of values that must be the same,
            relative to the norms that go into it.
        eps: the distance from 1 to the next number.
    """

    step: float
    difference: float
    complex_step: float
    identity: float
    eps: float


def _row(
    dtype: Any, step: float, difference: float, complex_step: float, identity: float
) -> tuple[np.dtype[Any], Accuracy]:
    return np.dtype(dtype), Accuracy(step, difference, complex_step, identity, float(np.finfo(dtype).eps))


# Fourth-order central differences are best at a step of about eps^(1/5), and then good to about eps^(4/5).
# longdouble is no more than float64 on some machines, and is held to what float64 reaches.
ACCURACY: dict[np.dtype[Any], Accuracy] = dict(
    [
        _row(np.float16, step=2.0**-2, difference=1e-1, complex_step=2e-2, identity=1e-2),
        _row(np.float32, step=2.0**-5, difference=2e-3, complex_step=2e-4, identity=1e-4),
        _row(np.float64, step=2.0**-10, difference=1e-6, complex_step=1e-9, identity=1e-10),
        _row(np.longdouble, step=2.0**-10, difference=1e-6, complex_step=1e-9, identity=1e-10),
    ]
)


def lowest_precision(*trees: Tree) -> np.dtype[Any]:
    """Return the real dtype of the lowest precision among the floating leaves; float64 where there is none."""
    dtypes = [np.dtype(dtype_of(leaf)) for leaf in tree_leaves(trees)]
    real = [np.zeros((), dtype).real.dtype for dtype in dtypes if dtype.kind in "fc"]
    return min(real, key=lambda dtype: np.finfo(dtype).precision, default=np.dtype(np.float64))
