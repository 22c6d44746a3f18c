"""SciPy's linear algebra, on boxes and arrays alike."""

from __future__ import annotations

from typing import Any

import scipy.linalg

from compat.autograd.rules import without_rules
from tapenet.scipy import linalg

__all__ = list(linalg.__all__)


def __getattr__(name: str) -> Any:
    found = globals()[name] = without_rules(getattr(linalg, name), getattr(scipy.linalg, name, None))
    return found
