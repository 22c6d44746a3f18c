"""SciPy's special functions, on boxes and arrays alike."""

from __future__ import annotations

from typing import Any

import scipy.special

from compat.autograd.rules import without_rules
from tapenet.scipy import special

__all__ = list(special.__all__)


def __getattr__(name: str) -> Any:
    found = globals()[name] = without_rules(getattr(special, name), getattr(scipy.special, name, None))
    return found
