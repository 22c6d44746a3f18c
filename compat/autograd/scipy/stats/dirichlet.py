"""The distribution `dirichlet`, on boxes and arrays alike."""

from __future__ import annotations

from typing import Any

from tapenet.scipy.stats import dirichlet as distribution


def __getattr__(name: str) -> Any:
    return getattr(distribution, name)
