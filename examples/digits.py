"""Read and fetch the MNIST database of handwritten digits.

The database is four files in the IDX format, gzipped or not:

    train-images-idx3-ubyte   train-labels-idx1-ubyte
    t10k-images-idx3-ubyte    t10k-labels-idx1-ubyte

An IDX file is a magic number (two zero bytes, one byte for the element type, one for the number of axes), the
length of each axis as a big-endian 32-bit integer, and the elements in C order.
"""

import glob
import gzip
import hashlib
import http.client
import io
import math
import os
import secrets
import signal
import threading
import urllib.request
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import attrs
import numpy as np

IMAGE_SHAPE = (28, 28)
NUM_CLASSES = 10

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"
FILE_NAMES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

# Of the unpacked content: mirrors may compress again.
CHECKSUMS: Mapping[str, str] = {
    TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

MOST_UNPACKED = 1032  # bytes that one byte of gzip data can stand for
MOST_AXES = 32  # of an array, in every version of NumPy
MOST_FETCHED = 2**26  # bytes of a file, packed; MNIST's largest has 10 million, and 47 million unpacked

_GZIP_START = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08


class IdxError(ValueError):
    """A file that is not what it should be; the message says what was expected and what was found."""


class DownloadError(OSError):
    """A file that could not be fetched: the message names the file, each URL tried, and why it failed."""


@attrs.frozen(eq=False)
class Digits:
    """Handwritten digits to train on and to test with.

    Attributes:
        train_images, test_images: float32 array, shape (N, 28, 28, 1); ink from 0 (none) to 1.
        train_labels, test_labels: int64 array, shape (N,); the digit, 0 to 9.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


# Reading


def load(directory: str | os.PathLike[str]) -> Digits:
    """Read the four files of MNIST, or of a database in its form, from a directory.

    Each file may be there unpacked or with `.gz` at the end of its name; of both, the unpacked one is read.

    Args:
        directory: the folder that holds the four files.

    Returns:
        The digits, images scaled to [0, 1].

    Raises:
        FileNotFoundError: the directory, or one of the files, is not there.
        IdxError: a file is damaged, or images and labels do not belong together.
    """
    directory = Path(directory)
    absent = missing(directory)
    if absent:
        raise FileNotFoundError(_missing_message(directory, absent))
    return Digits(
        *_read_pair(directory, TRAIN_IMAGES, TRAIN_LABELS),
        *_read_pair(directory, TEST_IMAGES, TEST_LABELS),
    )


def missing(directory: str | os.PathLike[str]) -> list[str]:
    """List the names, without `.gz`, of those of the four files that a directory lacks in either form."""
    directory = Path(directory)
    return [name for name in FILE_NAMES if not any(path.is_file() for path in _candidates(directory, name))]


def find(directory: str | os.PathLike[str], name: str) -> Path:
    """Find one of the four files by its name without `.gz`: unpacked or, where that is not there, gzipped.

    Raises:
        FileNotFoundError: it is there in neither form.
    """
    directory = Path(directory)
    for path in _candidates(directory, name):
        if path.is_file():
            return path
    raise FileNotFoundError(_missing_message(directory, [name]))


def read_idx(path: str | os.PathLike[str], *, ndim: int | None = None) -> np.ndarray:
    """Read one IDX file of unsigned bytes.

    The content decides whether the file is unpacked first; but one named `*.gz` has to be gzip data.

    Args:
        path: the file.
        ndim: the number of axes it must have; None for any.

    Returns:
        uint8 array, of the shape that the file states.

    Raises:
        IdxError: damaged gzip data, a wrong magic number, or bytes missing or left over.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "labels"
    ...     write_idx(path, np.array([3, 1, 4], np.uint8))
    ...     read_idx(path)
    array([3, 1, 4], dtype=uint8)
    """
    path = Path(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        if not _is_packed(path, file):
            return _read_array(path.name, file, ndim, size)
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _read_array(path.name, unpacked, ndim, size, is_packed=True)
        except (EOFError, OSError, zlib.error) as error:
            raise IdxError(
                f"{path.name}: expected whole gzip data, found {size} bytes that do not unpack"
                f" ({str(error).rstrip('.')})."
            ) from error


def _read_array(name: str, file: IO[bytes], ndim: int | None, size: int, *, is_packed: bool = False) -> np.ndarray:
    """Read the header, and then as many bytes as it states, if a file of this size can hold them."""
    shape, header_size = _read_header(name, file, ndim)
    expected_size = header_size + math.prod(shape)
    expected = f"expected {expected_size} bytes (a header of {header_size}, then {_times(shape)})"
    if is_packed and expected_size > MOST_UNPACKED * size:
        raise IdxError(f"{name}: {expected}, which {size} bytes of gzip data cannot hold.")
    if not is_packed and size != expected_size:
        raise IdxError(f"{name}: {expected}, found {size} ({_verdict(size - expected_size)}).")
    content = file.read(expected_size - header_size)
    found = header_size + len(content)
    if found < expected_size:
        raise IdxError(f"{name}: {expected}, found {found} ({_verdict(found - expected_size)}).")
    if file.read(1):  # which checks the checksum too, where there is nothing more
        raise IdxError(f"{name}: {expected}, found more (trailing).")
    # A copy, because an array over `bytes` cannot be written to.
    return np.frombuffer(content, np.uint8).reshape(shape).copy()


def _verdict(difference: int) -> str:
    return f"{difference} trailing" if difference > 0 else f"truncated, {-difference} missing"


def _read_pair(directory: Path, images_name: str, labels_name: str) -> tuple[np.ndarray, np.ndarray]:
    images_path = find(directory, images_name)
    labels_path = find(directory, labels_name)
    images = read_idx(images_path, ndim=3)
    labels = read_idx(labels_path, ndim=1)
    _check_images(images_path.name, images)
    _check_labels(labels_path.name, labels, count=len(images))
    scaled = images[..., np.newaxis].astype(np.float32) / np.float32(255)
    return scaled, labels.astype(np.int64)


def _check_images(name: str, images: np.ndarray) -> None:
    if images.shape[1:] != IMAGE_SHAPE:
        raise IdxError(f"{name}: expected images of {_times(IMAGE_SHAPE)} pixels, found {_times(images.shape[1:])}.")
    if len(images) == 0:
        raise IdxError(f"{name}: expected at least 1 image, found 0.")


def _check_labels(name: str, labels: np.ndarray, *, count: int) -> None:
    if len(labels) != count:
        raise IdxError(f"{name}: expected {count} labels (one per image), found {len(labels)}.")
    wrong = np.flatnonzero(labels >= NUM_CLASSES)
    if len(wrong):
        first = wrong[0]
        raise IdxError(
            f"{name}: expected labels from 0 to {NUM_CLASSES - 1}, found {labels[first]} at index {first} "
            f"({len(wrong)} out of range)."
        )


def _read_header(name: str, file: IO[bytes], ndim: int | None) -> tuple[tuple[int, ...], int]:
    """The shape that a header states, and the header's size."""
    start = file.read(4)
    if len(start) < 4:
        raise IdxError(f"{name}: expected a magic number of 4 bytes, found {len(start)} bytes (truncated).")
    magic = int.from_bytes(start, "big")
    axes = magic & 0xFF
    if ndim is None:
        expected = f"0x{_UNSIGNED_BYTE << 8:08x} plus the number of axes (unsigned bytes)"
        fits = magic >> 8 == _UNSIGNED_BYTE and 0 < axes <= MOST_AXES
    else:
        expected = f"0x{(_UNSIGNED_BYTE << 8) + ndim:08x} (unsigned bytes, {ndim} {'axes' if ndim > 1 else 'axis'})"
        fits = magic == (_UNSIGNED_BYTE << 8) + ndim
    if not fits:
        raise IdxError(f"{name}: expected magic number {expected}, found 0x{magic:08x}.")
    header_size, counts = 4 + 4 * axes, file.read(4 * axes)
    if len(counts) < 4 * axes:
        raise IdxError(f"{name}: expected a header of {header_size} bytes, found {4 + len(counts)} in all (truncated).")
    return tuple(np.frombuffer(counts, ">u4").tolist()), header_size


def _is_packed(path: Path, file: IO[bytes]) -> bool:
    """Whether a file holds gzip data, which one named `*.gz` has to."""
    start = file.read(4)
    file.seek(0)
    if start.startswith(_GZIP_START):
        return True
    if path.suffix == ".gz":
        found = f"a file that starts with {start.hex(' ')}" if start else "an empty file"
        raise IdxError(
            f"{path.name}: expected gzip data, which starts with {_GZIP_START.hex(' ')}, found {found}. "
            f"If it is unpacked already, rename it to {path.stem}."
        )
    return False


def _candidates(directory: Path, name: str) -> tuple[Path, Path]:
    return directory / name, directory / f"{name}.gz"


def _missing_message(directory: Path, absent: Sequence[str]) -> str:
    wanted = f"four files are looked for, each with or without .gz: {', '.join(FILE_NAMES)}"
    if not directory.exists():
        return f"{directory}: no such directory; {wanted}."
    if not directory.is_dir():
        return f"{directory}: expected a directory, found a file; {wanted}."
    return f"{directory}: missing {', '.join(absent)}; {wanted}."


def _times(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


# Writing


def write_idx(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write an array as an IDX file, gzipped where the name ends in `.gz`.

    Nothing but the array decides the bytes: no name and no time goes into the gzip header.

    Args:
        path: the file; it is written whole or not at all.
        array: uint8 array, of at least one axis.

    Raises:
        TypeError: another dtype than uint8.
    """
    path = Path(path)
    if array.dtype != np.uint8:
        raise TypeError(f"write_idx: array must have dtype uint8; got {array.dtype}.")
    header = bytes([0, 0, _UNSIGNED_BYTE, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    content = header + array.tobytes()
    with written_whole(path) as file:
        if path.suffix == ".gz":
            with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=file, mtime=0) as packed:
                packed.write(content)
        else:
            file.write(content)


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears under its name only when the block ends well.

    Until then it lies beside its place under another name; an error or an interrupt in the block removes it. What a
    process that was killed has left of the same file is removed first.
    """
    remove_parts(path.parent, path.name)
    part = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield file
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def remove_parts(directory: Path, name: str) -> None:
    """Remove the parts of a file that processes which run no more have left in a directory."""
    for part in directory.glob(f".{glob.escape(name)}.*.*.part"):
        writer = part.name.removeprefix(f".{name}.").partition(".")[0]
        if writer.isdecimal() and not _is_running(int(writer)):
            with suppress(OSError):  # another process may have removed it; Windows keeps what is open
                part.unlink()


def _is_running(process: int) -> bool:
    if os.name == "nt":
        return process == os.getpid()  # a file that another process has open cannot be removed there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def unwound_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as an exception does, so that it removes what it has begun to write.

    For programs, which own their process; in another thread than the main one nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# Fetching


def download(
    directory: str | os.PathLike[str],
    *,
    mirrors: Sequence[str] = MIRRORS,
    checksums: Mapping[str, str] = CHECKSUMS,
    timeout: float = 30.0,
) -> None:
    """Fetch those of the four files of MNIST that a directory lacks, gzipped.

    The mirrors are tried in turn. A file is put in place when its checksum is right, whole or not at all.

    Args:
        directory: the folder to fetch into; it is made where it is not there.
        mirrors: URLs of folders that hold the four files with `.gz` at the end of their names.
        checksums: SHA-256 of the unpacked content by name without `.gz`, in hexadecimal digits.
        timeout: seconds that a mirror may stay silent.

    Raises:
        DownloadError: no mirror gave the file with the right content.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for name in FILE_NAMES:
        remove_parts(directory, f"{name}.gz")
    for name in missing(directory):
        packed = _fetch(name, mirrors, checksums[name], timeout)
        with written_whole(directory / f"{name}.gz") as file:
            file.write(packed)


def _fetch(name: str, mirrors: Sequence[str], checksum: str, timeout: float) -> bytes:
    failures = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{name}.gz"
        try:
            with urllib.request.urlopen(url, timeout=timeout) as response:
                packed: bytes = response.read(MOST_FETCHED + 1)
                if response.length and len(packed) <= MOST_FETCHED:
                    raise http.client.IncompleteRead(packed, response.length)
        # A connection that breaks off is an HTTPException, and no OSError.
        except (OSError, http.client.HTTPException) as error:
            failures.append(f"{url}: {error}")
            continue
        problem = _content_problem(packed, checksum)
        if problem is None:
            return packed
        failures.append(f"{url}: {problem}")
    raise DownloadError(f"{name}.gz: cannot be fetched. {'; '.join(failures)}.")


def _content_problem(packed: bytes, checksum: str) -> str | None:
    if len(packed) > MOST_FETCHED:
        return f"expected at most {MOST_FETCHED} bytes, found more"
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as unpacked:
            content = unpacked.read(MOST_FETCHED + 1)
    except (EOFError, OSError, zlib.error) as error:
        return f"expected gzip data, found {len(packed)} bytes that do not unpack ({str(error).rstrip('.')})"
    if len(content) > MOST_FETCHED:
        return f"expected at most {MOST_FETCHED} bytes of content, found more"
    found = hashlib.sha256(content).hexdigest()
    if found != checksum:
        return f"expected content with SHA-256 {checksum}, found {found}"
    return None
