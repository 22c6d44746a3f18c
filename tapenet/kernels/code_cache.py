"""Machine code on disk: compiled once on each machine; damaged files are never run.

An entry is a file named by the hash of all that its code depends on; it begins with the hash of its content. An entry
that is cut short, foreign or changed is not used. Entries are written to a file beside and renamed, so that many
processes may write at once and one that is killed leaves no part of one. The folder is used only if nobody else can
write to it, for code from it is run.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import tempfile
from pathlib import Path

DIGEST_SIZE = hashlib.sha256().digest_size

# Bytes of all entries beyond which the ones not used for longest are removed.
CAPACITY = 2**28

# Writes of which one, on average, looks whether there are more: in a full folder that takes longer than to compile.
TURNS = 64


def folder() -> Path | None:
    """Name the folder of the cache: TAPENET_CACHE, or `tapenet` in the user's folder of caches; None to keep nothing.

    An empty TAPENET_CACHE keeps nothing.
    """
    named = os.environ.get("TAPENET_CACHE")
    if named is not None:
        return Path(named) if named else None
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home
        return None
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "tapenet"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "tapenet" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME", home / ".cache")) / "tapenet"


def key_of(*parts: str) -> str:
    """Return the name of an entry that depends on texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def read(key: str) -> bytes | None:
    """Return the content of an entry; None where there is not a whole one."""
    path = _private_folder(make=False)
    if path is None:
        return None
    try:
        data = (path / key).read_bytes()
        with contextlib.suppress(OSError):
            os.utime(path / key)
    except OSError:
        return None
    digest, content = data[:DIGEST_SIZE], data[DIGEST_SIZE:]
    return content if _digest(key, content) == digest else None


def write(key: str, content: bytes) -> None:
    """Write an entry; where writing fails, nothing is kept."""
    path = _private_folder(make=True)
    if path is None:
        return
    try:
        _write_whole(path, key, _digest(key, content) + content)
        if int(key[:8], 16) % TURNS == 0:
            _remove_oldest(path)
    except OSError:
        return


def _digest(key: str, content: bytes) -> bytes:
    """Return the hash of an entry with its name: a renamed entry is a foreign one."""
    return hashlib.sha256(key.encode() + content).digest()


def _private_folder(*, make: bool) -> Path | None:
    """Return the folder, if it is there and its owner alone, who is this user, can write to it."""
    path = folder()
    if path is None:
        return None
    try:
        if make:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError:
        return None
    if not stat.S_ISDIR(status.st_mode):
        return None
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        return None
    return path


def _write_whole(path: Path, key: str, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path, prefix=".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, path / key)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _remove_oldest(path: Path) -> None:
    """Remove the entries that were not used for longest, until the others fit."""
    entries = sorted(((e.stat().st_mtime, e.stat().st_size, e.path) for e in os.scandir(path)), reverse=True)
    total = 0
    for _, size, name in entries:
        total += size
        if total > CAPACITY:
            os.unlink(name)
