"""SciPy's functions on boxes and arrays alike: `tapenet.scipy`'s, under autograd's names."""

from __future__ import annotations

import importlib
from typing import Any

_MODULES = ("integrate", "linalg", "signal", "special", "stats")


def __getattr__(name: str) -> Any:
    """Import a module at its first use: those of SciPy take a second together."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return [*globals(), *_MODULES]
