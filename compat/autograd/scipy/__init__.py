"""SciPy's functions on boxes and arrays alike: `tapenet.scipy`'s, under autograd's names."""

from __future__ import annotations

from compat.autograd.scipy import (
    integrate as integrate,
    linalg as linalg,
    signal as signal,
    special as special,
    stats as stats,
)
