"""SciPy's integrals and differential equations, on boxes and arrays alike."""

from __future__ import annotations

from typing import Any

from tapenet.scipy import integrate

__all__ = list(integrate.__all__)


def __getattr__(name: str) -> Any:
    return getattr(integrate, name)
