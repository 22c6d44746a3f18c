"""Optional packages, which are imported when a function that needs one is called."""

from __future__ import annotations

import importlib
from typing import Any

from tapenet.errors import MissingPackageError


def import_package(package: str, by: str) -> Any:
    """Import a package, or raise an error that names the function that needs it and how to install it.

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
