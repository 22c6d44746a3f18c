"""NumPy's integer types, which convert the plain value of a box."""

from __future__ import annotations

from typing import Any

import numpy as np

from compat.autograd.boxes import getval


def of_values(kind: type) -> type:
    """Return a type that `numpy.dtype` takes for `kind`, and that converts boxes."""
    if kind in (np.integer, np.signedinteger, np.unsignedinteger):
        return kind

    def convert(cls: type, *args: Any, **kwargs: Any) -> Any:
        return kind(*map(getval, args), **kwargs)

    return type(kind.__name__, (kind,), {"__new__": convert, "__doc__": kind.__doc__})
