"""NumPy's classes of results of linear algebra, which have no public names."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np


@functools.cache
def result_class(function: Callable[..., Any]) -> Any:
    """Return the named tuple that a function of `numpy.linalg` returns, at first use: an import calls no LAPACK."""
    return type(function(np.ones((1, 1))))
