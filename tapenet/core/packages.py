"""Packages that single functions need: imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from tapenet.errors import MissingPackageError


def needed(package: str, by: str) -> Any:
    """Import a package, or say what needs it and how to install it.

    Raises:
        MissingPackageError: it cannot be imported.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        name = package.partition(".")[0]
        raise MissingPackageError(
            f"{by}: {name} must be installed; got {error}. Install it: pip install {name}."
        ) from error
