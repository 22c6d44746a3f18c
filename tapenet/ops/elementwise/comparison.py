"""Comparisons and tests, element by element, and functions of integers. They give plain arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.batching import elementwise_rule
from tapenet.core.nondifferentiable import plain


def _elementwise(function: Callable[..., Any]) -> Callable[..., Any]:
    return plain(function, batch=elementwise_rule)


# ---- truths ----

equal = _elementwise(np.equal)
not_equal = _elementwise(np.not_equal)
less = _elementwise(np.less)
less_equal = _elementwise(np.less_equal)
greater = _elementwise(np.greater)
greater_equal = _elementwise(np.greater_equal)
isclose = _elementwise(np.isclose)

isnan = _elementwise(np.isnan)
isinf = _elementwise(np.isinf)
isfinite = _elementwise(np.isfinite)
isposinf = _elementwise(np.isposinf)
isneginf = _elementwise(np.isneginf)
isreal = _elementwise(np.isreal)
iscomplex = _elementwise(np.iscomplex)
signbit = _elementwise(np.signbit)

logical_and = _elementwise(np.logical_and)
logical_or = _elementwise(np.logical_or)
logical_xor = _elementwise(np.logical_xor)
logical_not = _elementwise(np.logical_not)

# ---- integers and their bits ----

gcd = _elementwise(np.gcd)
lcm = _elementwise(np.lcm)
bitwise_and = _elementwise(np.bitwise_and)
bitwise_or = _elementwise(np.bitwise_or)
bitwise_xor = _elementwise(np.bitwise_xor)
invert = bitwise_not = bitwise_invert = _elementwise(np.invert)
left_shift = bitwise_left_shift = _elementwise(np.left_shift)
right_shift = bitwise_right_shift = _elementwise(np.right_shift)
bitwise_count = _elementwise(np.bitwise_count)
