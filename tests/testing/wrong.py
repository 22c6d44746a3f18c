"""Functions whose derivative is made wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tapenet as tn


def function(
    forward: Callable[[Any], Any], pullback: Callable[[Any, Any], Any], push: Callable[[Any, Any], Any] | None = None
) -> Callable[[Any], Any]:
    """A function of one array with rules `(t, x) -> ...`, for both modes unless a push is given too."""
    return tn.primitive(forward, pullback, family="general", pushes=[push or pullback], name="wrong", operands=["x"])
