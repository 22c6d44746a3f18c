"""The parts of the Python array API standard that NumPy's functions do not cover.

Standard: https://data-apis.org/array-api/2024.12/
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from tapenet.core.arguments import check_device
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError

_DTYPES = {
    "bool": (np.bool_,),
    "signed integer": (np.int8, np.int16, np.int32, np.int64),
    "unsigned integer": (np.uint8, np.uint16, np.uint32, np.uint64),
    "real floating": (np.float32, np.float64),
    "complex floating": (np.complex64, np.complex128),
}
_UNIONS = {
    "integral": ("signed integer", "unsigned integer"),
    "numeric": ("signed integer", "unsigned integer", "real floating", "complex floating"),
}


@attrs.frozen
class NamespaceInfo:
    """What the namespace can do, in the standard's terms."""

    def capabilities(self) -> dict[str, Any]:
        """Tell what is possible: boolean indexing, shapes that depend on values, and 64 axes as in NumPy."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """Name the only device: "cpu"."""
        return "cpu"

    def devices(self) -> list[str]:
        """List the only device: "cpu"."""
        return ["cpu"]

    def default_dtypes(self, *, device: str | None = None) -> dict[str, np.dtype[Any]]:
        """Give the dtypes of numbers and indices that are made without one."""
        check_device("default_dtypes", device)
        kinds = {
            "real floating": np.float64,
            "complex floating": np.complex128,
            "integral": np.intp,
            "indexing": np.intp,
        }
        return {kind: np.dtype(dtype) for kind, dtype in kinds.items()}

    def dtypes(
        self, *, device: str | None = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, np.dtype[Any]]:
        """List the standard's dtypes of a kind, or of several, by name; a Tensor has a floating one."""
        check_device("dtypes", device)
        kinds = tuple(_DTYPES) if kind is None else (kind,) if isinstance(kind, str) else kind
        unknown = [name for name in kinds if name not in _DTYPES and name not in _UNIONS]
        if unknown:
            raise ArgumentError(f"dtypes: kind must be one of the standard's; got {unknown[0]!r}.")
        single = [name for kind in kinds for name in _UNIONS.get(kind, (kind,))]
        return {np.dtype(dtype).name: np.dtype(dtype) for name in single for dtype in _DTYPES[name]}


def finfo(dtype: Any, /) -> Any:
    """Give the limits of a floating dtype, or of that of an array or a Tensor.

    No derivative: the result is numpy.finfo.

    Returns:
        A numpy.finfo.

    >>> float(tnp.finfo("float32").eps)
    1.1920928955078125e-07
    """
    return np.finfo(dtype.dtype if type(dtype) is Tensor else dtype)
