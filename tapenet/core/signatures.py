"""Signatures of elementwise functions, which share one compiled function that has none of its own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

_UFUNC_KEYWORDS = {"out": None, "where": True, "casting": "same_kind", "order": "K", "dtype": None, "subok": True}


def elementwise_signature(forward: Callable[..., Any], operands: tuple[str, ...] = ()) -> inspect.Signature:
    """Make the signature of an elementwise function: for a ufunc NumPy's, else that of its operands by position."""
    if not isinstance(forward, np.ufunc):
        return _signature(operands, False)
    return _signature(("x",) if forward.nin == 1 else tuple(f"x{i}" for i in range(1, forward.nin + 1)), True)


@functools.cache
def _signature(operands: tuple[str, ...], takes_keywords: bool) -> inspect.Signature:
    by_position, by_keyword = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.KEYWORD_ONLY
    keywords = _UFUNC_KEYWORDS if takes_keywords else {}
    return inspect.Signature(
        [
            *(inspect.Parameter(name, by_position) for name in operands),
            *(inspect.Parameter(name, by_keyword, default=default) for name, default in keywords.items()),
        ]
    )
