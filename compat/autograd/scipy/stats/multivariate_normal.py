"""The distribution `multivariate_normal`, on boxes and arrays alike."""

from __future__ import annotations

from typing import Any

from tapenet.scipy.stats import multivariate_normal as distribution


def __getattr__(name: str) -> Any:
    return getattr(distribution, name)
