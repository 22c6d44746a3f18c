"""Comparisons that tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tapenet as tn


def assert_same(actual: Any, expected: Any) -> None:
    """Assert that two computations of one value agree: bit for bit if real, to rounding if complex.

    NumPy's loops for complex numbers fuse products and sums or not, depending on where operands and output lie in
    memory, so that one call repeated may differ in the last bit.
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype
    if actual.dtype.kind == "c":
        scale = np.abs(expected).max(initial=0.0, where=np.isfinite(expected))
        np.testing.assert_allclose(actual, expected, rtol=0, atol=8 * np.finfo(expected.dtype).eps * scale)
    else:
        np.testing.assert_array_equal(actual, expected)


def nested_derivatives(f: Callable[[Any], Any], order: int) -> list[Any]:
    """Return the derivatives of a curve at 0, up to an order, by forward mode over itself."""
    found = []
    for _ in range(order):
        f = (lambda g: lambda t: tn.jvp(g, (t,), (1.0,))[1])(f)
        found.append(f(0.0))
    return found
