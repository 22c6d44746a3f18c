"""`scipy.sparse` and its graphs, imported when they are first used: the functions are there without SciPy."""

from __future__ import annotations

from typing import Any

from tapenet.core.packages import import_package


class _Required:
    """A module that is imported when one of its names is first read."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        value = getattr(import_package(self._module, "sparse derivatives", extra="scipy"), name)
        setattr(self, name, value)
        return value


sparse: Any = _Required("scipy.sparse")
csgraph: Any = _Required("scipy.sparse.csgraph")
