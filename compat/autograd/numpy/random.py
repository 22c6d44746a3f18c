"""NumPy's random numbers, by parameters that may be boxes, whose plain values they take."""

from __future__ import annotations

import numpy as _np

from compat.autograd.rules import notrace_primitive as _notrace_primitive

__all__ = list(vars(_np.random)["__all__"])


def _found(name: str) -> object:
    x = getattr(_np.random, name)
    return x if isinstance(x, type) else _notrace_primitive(x)


globals().update({name: _found(name) for name in __all__})
