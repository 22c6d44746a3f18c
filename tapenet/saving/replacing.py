"""Files that are replaced whole: written beside the old one, flushed to the disk, renamed.

Whenever the process or the machine stops, the path names the old file or the new one. What a killed process leaves
beside it is removed by the next that writes there: a writer holds a lock on its file, which ends with the process.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from tapenet.errors import FileError, MissingFileError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed by others
    fcntl = None

_ENDING = ".part"


@contextlib.contextmanager
def replaced(function: str, path: Path) -> Iterator[tuple[int, Path]]:
    """Yield an empty file to write, open and by its path; it replaces `path` at the end, but for an exception."""
    target = Path(os.path.realpath(path))  # a link stays, and leads to the new file
    if target.is_dir():
        raise FileError(f"{function}: path must be that of a file; got the folder {str(path)!r}.")
    if target.exists() and not target.is_file():  # renaming onto /dev/null would take it from the whole machine
        raise FileError(f"{function}: path must be that of a regular file; got the device or pipe {str(path)!r}.")
    if not target.parent.is_dir():
        raise MissingFileError(f"{function}: path must be in a folder that exists; got {str(path)!r}.")
    _remove_leftovers(target)
    handle, beside = _locked_file(target)
    try:
        if target.exists():
            os.chmod(beside, stat.S_IMODE(target.stat().st_mode))
        yield handle, beside
        os.fsync(handle)
        os.replace(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)
    _flush_folder(target.parent)


def _locked_file(target: Path) -> tuple[int, Path]:
    """Create a file beside the target, and lock it."""
    while True:
        beside = target.parent / f".{target.name}.{os.urandom(6).hex()}{_ENDING}"
        handle = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        if _is_locked(handle) and beside.exists():  # else another writer took it for left over, before the lock
            return handle, beside
        os.close(handle)


def _is_locked(handle: int) -> bool:
    """Lock an open file, unless another process has; where there are no locks, say that it is."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _remove_leftovers(target: Path) -> None:
    """Remove what writers of the target left beside it that are no more."""
    if fcntl is None:
        return
    names: list[str] = []
    with contextlib.suppress(OSError):  # a folder that is not to be listed
        names = [name for name in os.listdir(target.parent) if name.startswith(f".{target.name}.")]
    for name in names:
        random = name.removeprefix(f".{target.name}.").removesuffix(_ENDING)
        if name.endswith(_ENDING) and len(random) == 12:
            with contextlib.suppress(OSError):
                _remove_if_unlocked(target.parent / name)


def _remove_if_unlocked(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # type: ignore[union-attr]  # not called without it
        path.unlink()
    finally:
        os.close(handle)


def _flush_folder(folder: Path) -> None:
    """Have the new name reach the disk, where folders can be flushed."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
