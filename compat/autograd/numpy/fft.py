"""NumPy's Fourier transforms, on boxes and arrays alike."""

from __future__ import annotations

import numpy as _np

import tapenet.numpy as _tnp

__all__ = sorted({*vars(_np.fft)["__all__"], *vars(_tnp.fft)["__all__"]})

globals().update({name: getattr(_tnp.fft, name, getattr(_np.fft, name)) for name in __all__})
