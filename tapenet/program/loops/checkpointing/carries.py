"""Carries of a long loop that are kept for its backward walk, in memory and in files.

A file is written beside its name and renamed, so that it is there whole or not at all. The files of one loop are in a
folder of their own, which is removed with the loop, on errors, and when the process ends; what a killed process left is
removed by the next loop that keeps carries there: a loop holds a lock on its folder, which ends with the process.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import numpy as np

from tapenet.core.primitive import Array
from tapenet.errors import ArgumentTypeError, FileError
from tapenet.program.recording.generators import Generator, own_state, put_back
from tapenet.views.sizes import readable

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

Generators = Sequence[Generator]
_PREFIX = "tapenet-loop-"
_LOCK = "lock"
_ARRAY_BYTES = 128  # of an array without its elements, about


def copied(x: Array) -> Array:
    """Return an array that nothing else holds; a NumPy scalar never changes."""
    return x if isinstance(x, np.generic) else x.copy()


def bytes_of_leaves(leaves: Sequence[Array]) -> int:
    """Return the bytes of a carry, with what Python needs for each array."""
    return sum(math.prod(x.shape) * x.dtype.itemsize + _ARRAY_BYTES for x in leaves)


# ---- generators ----


def states_of(generators: Generators) -> list[Any]:
    """Return the states of generators."""
    return [own_state(g) for g in generators]


def set_states(generators: Generators, states: Sequence[Any]) -> None:
    """Put generators back into states."""
    for g, state in zip(generators, states, strict=True):
        put_back(g, state)


# ---- files ----


@attrs.define(eq=False)
class Folder:
    """The files of one loop.

    Attributes:
        path: of the folder.
        remove: removes it, once.
    """

    path: Path
    remove: weakref.finalize[Any, Any] = attrs.field(init=False)

    @classmethod
    def inside(cls, parent: Path) -> Folder:
        """Make a folder inside another, after removing what killed processes left there."""
        _remove_leftovers(parent)
        while True:
            path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            handle = _locked(path / _LOCK)
            if handle is not None:  # else another loop took the folder for left over, before the lock
                break
        folder = cls(path)
        folder.remove = weakref.finalize(folder, _remove, path, handle, os.getpid())
        return folder

    def write(self, name: int, leaves: Sequence[Array]) -> None:
        """Write the leaves of a carry into a file, which is there whole or not at all."""
        beside = self.path / f"{name}.part"
        try:
            with open(beside, "wb") as file:
                for x in leaves:
                    np.lib.format.write_array(file, np.asarray(x), allow_pickle=False)
            os.replace(beside, self.path / f"{name}.npy")
        except OSError as error:
            raise FileError(
                f"checkpointed_loop: disk must have room for a carry of {readable(bytes_of_leaves(leaves))}; "
                f"got {error}. Pass a smaller number of carries, disk=(folder, number), or another folder."
            ) from error

    def read(self, name: int, scalars: Sequence[bool]) -> list[Array]:
        """Read the leaves of a carry; of those that `scalars` marks NumPy scalars."""
        path = self.path / f"{name}.npy"
        try:
            with open(path, "rb") as file:
                return [_read_leaf(file, scalar) for scalar in scalars]
        except (OSError, ValueError) as error:
            raise FileError(
                f"checkpointed_loop: the loop's files must stay as they were written; got {error} in {str(path)!r}."
            ) from error

    def discard(self, name: int) -> None:
        """Remove the file of a carry."""
        with contextlib.suppress(OSError):
            os.unlink(self.path / f"{name}.npy")


def _locked(path: Path) -> int | None:
    """Create a file and lock it; return None where the folder was removed meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.exists():
            return handle
        os.close(handle)
    return None


def _read_leaf(file: Any, scalar: bool) -> Array:
    array = np.lib.format.read_array(file, allow_pickle=False)
    return array[()] if scalar else array


def _remove(path: Path, handle: int, process: int) -> None:
    """Remove a folder and unlock it, in the process that made it: a forked child leaves it alone."""
    with contextlib.suppress(OSError):
        os.close(handle)
    if os.getpid() == process:
        shutil.rmtree(path, ignore_errors=True)


def _remove_leftovers(parent: Path) -> None:
    """Remove the folders of loops whose processes are no more."""
    if fcntl is None:
        return
    for path in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # locked, or of another user
            handle = os.open(path / _LOCK, os.O_RDWR)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(handle)


# ---- carries ----


@attrs.frozen(eq=False)
class _Kept:
    """A carry that is kept: in memory, or in a file."""

    leaves: list[Array] | None
    scalars: list[bool]
    states: list[Any]


@attrs.define(eq=False)
class Carries:
    """The carries that are kept, by the number of the step that they are given to.

    Attributes:
        slots: how many are kept in memory at most.
        folder: where others are written; None without files.
        generators: whose states are kept with each.
    """

    slots: int
    folder: Folder | None
    generators: Generators
    kept: dict[int, _Kept] = attrs.field(factory=dict)

    def __contains__(self, step: int) -> bool:
        return step in self.kept

    @property
    def in_memory(self) -> list[int]:
        """The steps whose carries are in memory."""
        return [step for step, kept in self.kept.items() if kept.leaves is not None]

    def begin(self, leaves: Sequence[Array]) -> None:
        """Keep the first carry, which is an argument and so in memory anyway."""
        self.kept[0] = _Kept(list(leaves), [], states_of(self.generators))

    def save(self, step: int, leaves: Sequence[Array], on_disk: bool) -> None:
        """Keep a copy of a carry, unless it is kept already: in memory where there is room, and else in a file."""
        if step in self.kept:
            return
        states = states_of(self.generators)
        on_disk = self.folder is not None and (on_disk or len(self.in_memory) >= self.slots)
        self.kept[step] = _Kept(None if on_disk else [copied(x) for x in leaves], _scalars(leaves), states)
        if on_disk:
            self._write(step, leaves)

    def _write(self, step: int, leaves: Sequence[Array]) -> None:
        for x in leaves:
            if not isinstance(x, np.ndarray | np.generic):
                raise ArgumentTypeError(
                    f"checkpointed_loop: carry must hold NumPy arrays to be kept on disk; got {type(x).__name__}. "
                    "Leave disk out."
                )
        assert self.folder is not None
        self.folder.write(step, leaves)

    def load(self, step: int, drop: bool) -> list[Array]:
        """Return a carry that the loop may write into, and put the generators back into their states of then."""
        kept = self.kept[step]
        set_states(self.generators, kept.states)
        if kept.leaves is None:
            assert self.folder is not None
            leaves = self.folder.read(step, kept.scalars)
        else:
            leaves = kept.leaves if drop and step else [copied(x) for x in kept.leaves]
        if drop:
            self.discard(step)
        return leaves

    def discard(self, step: int) -> None:
        """Keep a carry no longer."""
        kept = self.kept.pop(step)
        if kept.leaves is None and self.folder is not None:
            self.folder.discard(step)

    def spill(self, step: int) -> None:
        """Move a carry from memory into a file."""
        kept = self.kept[step]
        assert kept.leaves is not None
        self._write(step, kept.leaves)
        self.kept[step] = attrs.evolve(kept, leaves=None, scalars=_scalars(kept.leaves))

    def close(self) -> None:
        """Keep nothing any longer, and remove the files."""
        self.kept.clear()
        if self.folder is not None:
            self.folder.remove()


def _scalars(leaves: Sequence[Array]) -> list[bool]:
    return [isinstance(x, np.generic) for x in leaves]
