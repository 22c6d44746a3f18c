"""The distribution `chi2`, on boxes and arrays alike."""

from __future__ import annotations

from typing import Any

from tapenet.scipy.stats import chi2 as distribution


def __getattr__(name: str) -> Any:
    return getattr(distribution, name)
