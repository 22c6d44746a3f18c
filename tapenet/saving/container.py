"""Safetensors files: written in a few large pieces, and read after all that they say was checked.

Eight bytes that say how long the header is, the header (JSON: dtype, shape and offsets of each tensor, and texts), and
the tensors' bytes without gaps. The package reads headers and checks them; it writes files too, but through mapped
memory, which took two to ten times as long as writing does.

Source: https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import contextlib
import json
import math
import mmap
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import attrs
import numpy as np

from tapenet.core.packages import import_package
from tapenet.errors import ArgumentError, FileError, FileFormatError, MissingFileError

Dtype = np.dtype[Any]

_DTYPES: Mapping[str, Dtype] = {
    **{f"F{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
    **{f"I{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
    "BOOL": np.dtype(bool),
    "C64": np.dtype("<c8"),
    "BF16": np.dtype("<u2"),  # which NumPy lacks: widened to float32 as it is read
}
_NAMES = {dtype.str: name for name, dtype in _DTYPES.items() if name not in ("BF16", "C64")}
_LENGTH = 8  # bytes before the header, that say how long it is
_MOST_HEADER = 100_000_000  # safetensors' own limit
_MOST_AXES = 63  # NumPy's limit, less the axis of complex pairs
_ATTEMPTS = 10


@attrs.frozen(eq=False)
class Entry:
    """One tensor of a file.

    Attributes:
        written: its dtype as safetensors calls it.
        shape: of the tensor.
        start: its first byte in the file.
    """

    written: str
    shape: tuple[int, ...]
    start: int

    @property
    def stored(self) -> Dtype:
        """The dtype of what lies in the file."""
        return _DTYPES[self.written]

    @property
    def dtype(self) -> Dtype:
        """The dtype of what is read."""
        return np.dtype("<f4") if self.written == "BF16" else self.stored


@attrs.frozen(eq=False)
class Container:
    """An open file.

    Attributes:
        name: for errors.
        file: open at the bytes.
        entries: its tensors by name, in the order of their bytes.
        metadata: its texts by name.
    """

    name: str
    file: IO[bytes]
    entries: Mapping[str, Entry]
    metadata: Mapping[str, str]

    def reader(self, is_mapped: bool) -> Reader:
        """Make what reads tensors: into arrays of their own, or as read-only views of the mapped file."""
        is_empty = os.fstat(self.file.fileno()).st_size == 0
        mapped = mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ) if is_mapped and not is_empty else None
        return Reader(self, mapped)


@attrs.frozen(eq=False)
class Reader:
    """Reads tensors; see `Container.reader`."""

    container: Container
    mapped: mmap.mmap | None

    def read(self, entry: Entry) -> np.ndarray[Any, Any]:
        """Read a tensor."""
        count = math.prod(entry.shape)
        if self.mapped is not None and count:
            array = np.frombuffer(self.mapped, entry.stored, count, entry.start).reshape(entry.shape)
        else:
            array = np.empty(entry.shape, entry.stored)
            self._fill(array, entry.start)
        return array if entry.written != "BF16" else (array.astype("<u4") << 16).view("<f4")

    def _fill(self, array: np.ndarray[Any, Any], start: int) -> None:
        if not array.size:
            return
        file = self.container.file
        file.seek(start)
        left = _bytes_of(array)
        while left:
            count = file.readinto(left)  # type: ignore[attr-defined]  # a raw file has it
            if not count:
                raise FileFormatError(f"load: {self.container.name} must stay as it is while it is read; got its end.")
            left = left[count:]


# ---- writing ----


def write_container(
    function: str, handle: int, tensors: Mapping[str, np.ndarray[Any, Any]], texts: Mapping[str, str]
) -> None:
    """Write tensors, which lie in memory without gaps, in little-endian byte order, and texts to an empty file."""
    order = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))  # so each begins at a multiple of it
    header: dict[str, Any] = {"__metadata__": dict(texts)} if texts else {}
    end = 0
    for name in order:
        tensor = tensors[name]
        start, end = end, end + tensor.nbytes
        header[name] = {"dtype": _NAMES[tensor.dtype.str], "shape": tensor.shape, "data_offsets": (start, end)}
    written = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    written += b" " * (-len(written) % _LENGTH)
    if len(written) > _MOST_HEADER:
        raise ArgumentError(
            f"{function}: tree must have a description of at most {_MOST_HEADER} bytes; got {len(written)}."
        )
    _write(handle, memoryview(len(written).to_bytes(_LENGTH, "little") + written))
    for name in order:
        if tensors[name].size:
            _write(handle, _bytes_of(tensors[name]))


def check_container(function: str, path: Path) -> None:
    """Raise unless safetensors reads the header of a file that was just written."""
    with opened(function, path):
        pass


def _write(handle: int, left: memoryview) -> None:
    while left:
        left = left[os.write(handle, left) :]


def _bytes_of(array: np.ndarray[Any, Any]) -> memoryview:
    flat: Any = array.reshape(-1).view(np.uint8)
    return memoryview(flat)


# ---- reading ----


@contextlib.contextmanager
def opened(function: str, path: Path) -> Iterator[Container]:
    """Open a safetensors file, after checking all that its header says against its length."""
    safetensors = import_package("safetensors", function, "files")
    name = repr(str(path))
    for _ in range(_ATTEMPTS):
        with _regular_file(function, path) as file:
            own = os.fstat(file.fileno())
            length = _header_length(function, name, file, own.st_size)
            try:
                entries, metadata = _described(safetensors, path, _LENGTH + length)
            except (safetensors.SafetensorError, ValueError, OverflowError) as error:
                raise _damaged(function, name, str(error)) from error
            now = os.stat(path)
            if (now.st_dev, now.st_ino, now.st_size) == (own.st_dev, own.st_ino, own.st_size):
                yield Container(name, file, entries, metadata)
                return
    raise FileError(f"{function}: {name} must not be replaced while it is read; it was, {_ATTEMPTS} times.")


def _regular_file(function: str, path: Path) -> IO[bytes]:
    if not path.exists():
        raise MissingFileError(f"{function}: path must be that of a file; got {str(path)!r}, where there is none.")
    if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait
        raise FileError(f"{function}: path must be that of a file; got {str(path)!r}, which is not one.")
    return open(path, "rb", buffering=0)


def _header_length(function: str, name: str, file: IO[bytes], size: int) -> int:
    """Return the length of the header, after checking it before anything reads so much."""
    length = int.from_bytes(file.read(_LENGTH), "little")
    if size < _LENGTH or not 2 <= length <= min(size - _LENGTH, _MOST_HEADER):
        raise _damaged(function, name, f"a header of {length} bytes in a file of {size}")
    return length


def _described(safetensors: Any, path: Path, start: int) -> tuple[dict[str, Entry], dict[str, str]]:
    """Return the tensors and texts of a file as safetensors reads them, which checks sizes and offsets."""
    entries = {}
    with safetensors.safe_open(path, "np") as header:
        for name in header.offset_keys():
            tensor = header.get_slice(name)
            written, shape = str(tensor.get_dtype()), tuple(tensor.get_shape())
            if written not in _DTYPES:
                raise ValueError(f"tensor {name!r} of dtype {written}, which NumPy does not have")
            if len(shape) > _MOST_AXES or math.prod(max(size, 1) for size in shape) > sys.maxsize // 16:
                raise ValueError(f"tensor {name!r} of a shape that NumPy cannot have")
            entries[name] = Entry(written, shape, start)
            start += math.prod(shape) * _DTYPES[written].itemsize
        return entries, dict(header.metadata() or {})


def _damaged(function: str, name: str, what: str) -> FileFormatError:
    return FileFormatError(f"{function}: {name} must be a whole safetensors file; got {what}.")
