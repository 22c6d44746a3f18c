"""`install`: other people's packages that say `import autograd` get this one."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import tapenet as tn
from compat.autograd.errors import InstallationError

_OURS, _THEIRS = "compat.autograd", "autograd"


class _Finder(MetaPathFinder, Loader):
    """Finds this package's module, imported at its first use, for each that is asked for under autograd's name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how a module is imported; None for those of other packages."""
        if not fullname.startswith(f"{_THEIRS}."):
            return None
        if importlib.util.find_spec(_OURS + fullname.removeprefix(_THEIRS)) is None:
            return None
        return ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module of this package."""
        module = importlib.import_module(_OURS + spec.name.removeprefix(_THEIRS))
        _alias_loaded()
        spec.loader_state = module.__spec__  # import puts the other name's in its place
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module as it is: it has run."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


def _alias_loaded() -> None:
    """Enter the modules that are loaded under autograd's names: import would set them on their packages a second time,
    in place of functions of the same names.
    """
    for name, module in list(sys.modules.items()):
        if name == _OURS or name.startswith(f"{_OURS}."):
            sys.modules.setdefault(_THEIRS + name.removeprefix(_OURS), module)


_FINDER = _Finder()


def install() -> None:
    """Let `import autograd`, and `import autograd.numpy` and the like, find this package, in this process.

    Call it before the packages that import autograd are imported. Calling it again does nothing. The modules of
    `autograd.scipy` are there if SciPy is installed. autoray, if it is installed, is told that functions of Tensors
    are in `autograd.numpy`.

    Raises:
        InstallationError: the real autograd has been imported: what holds its functions would not see the change.
    """
    loaded = sys.modules.get(_THEIRS)
    if loaded is not None and loaded.__name__ != _OURS:
        raise InstallationError(
            "install: autograd must not be imported yet; got the real one in sys.modules. Call "
            "compat.autograd.install() before anything imports autograd."
        )
    sys.modules[_THEIRS] = importlib.import_module(_OURS)
    _alias_loaded()
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    _register_with_autoray(_THEIRS)


def uninstall() -> None:
    """Take back `install`: later imports of autograd find the real one, if it is installed.

    Packages that have imported this one keep it.
    """
    if _FINDER in sys.meta_path:
        sys.meta_path.remove(_FINDER)
        _register_with_autoray(tn.__name__)
    for name, module in list(sys.modules.items()):
        if (name == _THEIRS or name.startswith(_THEIRS + ".")) and module.__name__.startswith(_OURS):
            del sys.modules[name]


def _register_with_autoray(backend: str) -> None:
    """Name the package in which autoray, if it is installed, looks for functions of Tensors; quimb calls them so."""
    if "autoray" in sys.modules or importlib.util.find_spec("autoray") is not None:
        importlib.import_module("autoray").register_backend(tn.Tensor, backend)


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
