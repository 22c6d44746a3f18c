"""SciPy's special functions, on boxes and arrays alike."""

from __future__ import annotations

from typing import Any

from tapenet.scipy import special

__all__ = list(special.__all__)


def __getattr__(name: str) -> Any:
    return getattr(special, name)
