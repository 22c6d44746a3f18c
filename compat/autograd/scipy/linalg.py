"""SciPy's linear algebra, on boxes and arrays alike."""

from __future__ import annotations

from typing import Any

from tapenet.scipy import linalg

__all__ = list(linalg.__all__)


def __getattr__(name: str) -> Any:
    return getattr(linalg, name)
