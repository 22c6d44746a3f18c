"""`install`: other people's packages that say `import autograd` get this one."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from compat.autograd.errors import InstallationError

_OURS, _THEIRS = "compat.autograd", "autograd"


def install() -> None:
    """Let `import autograd`, and `import autograd.numpy` and the like, find this package, in this process.

    Call it before the packages that import autograd are imported. Calling it again does nothing. The modules of
    `autograd.scipy` are there if SciPy is installed.

    Raises:
        InstallationError: the real autograd has been imported: what holds its functions would not see the change.
    """
    loaded = sys.modules.get(_THEIRS)
    if loaded is not None and loaded.__name__ != _OURS:
        raise InstallationError(
            "install: autograd must not be imported yet; got the real one in sys.modules. Call "
            "compat.autograd.install() before anything imports autograd."
        )
    for module in _modules():
        sys.modules[_THEIRS + module.__name__.removeprefix(_OURS)] = module


def uninstall() -> None:
    """Take back `install`: later imports of autograd find the real one, if it is installed.

    Packages that have imported this one keep it.
    """
    for name, module in list(sys.modules.items()):
        if (name == _THEIRS or name.startswith(_THEIRS + ".")) and module.__name__.startswith(_OURS):
            del sys.modules[name]


@contextmanager
def installed() -> Iterator[None]:
    """Install for the length of a block, `with installed(): import autograd`; for tests."""
    was_there = _THEIRS in sys.modules
    install()
    try:
        yield
    finally:
        if not was_there:
            uninstall()


def _modules() -> list[ModuleType]:
    """Return this package and its modules, imported."""
    package = importlib.import_module(_OURS)
    names = [info.name for info in pkgutil.walk_packages(package.__path__, _OURS + ".", onerror=_ignored)]
    has_scipy = importlib.util.find_spec("scipy") is not None
    wanted = [name for name in names if has_scipy or not name.startswith(f"{_OURS}.scipy")]
    return [package, *map(importlib.import_module, wanted)]


def _ignored(name: str) -> None:
    """Let the walk go on past packages that cannot be imported: those of SciPy, where it is not installed."""
