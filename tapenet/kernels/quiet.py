"""NumPy's functions without floating-point warnings, at a tenth of the cost of `numpy.errstate`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import Context
from typing import Any

import numpy as np


class _Quiet(threading.local):
    """A context for each thread in which NumPy does not warn, as one context cannot be entered twice at a time."""

    def __init__(self) -> None:
        context = Context()
        context.run(np.seterr, all="ignore")
        self.run = context.run


quiet = _Quiet()


def quietly(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function without NumPy's warnings; what overflows is infinite."""
    try:
        return quiet.run(function, *arguments)
    except RuntimeError:  # entered already: a signal's handler, in the middle of another call
        with np.errstate(all="ignore"):
            return function(*arguments)
