"""NumPy's Fourier transforms, on boxes and arrays alike."""

from __future__ import annotations

from typing import Any

import numpy as _np

import tapenet.numpy as _tnp

__all__ = sorted({*vars(_np.fft)["__all__"], *vars(_tnp.fft)["__all__"]})


def __getattr__(name: str) -> Any:
    found = globals()[name] = getattr(_tnp.fft, name) if hasattr(_tnp.fft, name) else getattr(_np.fft, name)
    return found


def __dir__() -> list[str]:
    return [*globals(), *__all__]
