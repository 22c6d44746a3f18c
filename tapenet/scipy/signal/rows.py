"""Coefficients of polynomials as rows, of the highest power first."""

from __future__ import annotations

import numpy as np

from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array


@branch_condition
def _is_zero(x: Array) -> bool:
    return bool(np.all(np.asarray(x) == 0))


def without_zeros_in_front(c: Array) -> Array:
    """Leave out the zeros in front of coefficients."""
    count = 0
    while count < c.shape[0] and _is_zero(c[count]):
        count += 1
    return c[count:]
