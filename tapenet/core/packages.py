"""Optional packages, which are imported when a function that needs one is called."""

from __future__ import annotations

import importlib
from typing import Any

from tapenet.errors import MissingPackageError


def import_package(package: str, by: str, extra: str = "") -> Any:
    """Import a package, or raise an error that names the function that needs it and how to install it.

    Args:
        package: what to import.
        by: the function that needs it.
        extra: of tapenet's extras the one that installs it.

    Raises:
        MissingPackageError: it cannot be imported.
    """
    try:
        return importlib.import_module(package)
    except (ImportError, OSError) as error:  # OSError: of a library inside that the system cannot load
        name = package.partition(".")[0]
        what = f'"tapenet[{extra}]"' if extra else name
        raise MissingPackageError(
            f"{by}: {name} must be installed; got {error}. Install it: pip install {what}.", name=name
        ) from error
