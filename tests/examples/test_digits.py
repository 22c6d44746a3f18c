"""Reading, writing and fetching MNIST: each kind of bad input has an error that names it."""

import functools
import gzip
import hashlib
import http.server
import math
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import digits
import numpy as np
import pytest

SAMPLE = Path(digits.__file__).parent / "data" / "mnist"
TRAIN_COUNT = 12
TEST_COUNT = 5


def idx_bytes(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(np.uint8).tobytes()


def contents() -> dict[str, bytes]:
    """The unpacked content of a small database, by file name."""
    rng = np.random.default_rng(0)
    return {
        digits.TRAIN_IMAGES: idx_bytes(rng.integers(0, 256, (TRAIN_COUNT, 28, 28))),
        digits.TRAIN_LABELS: idx_bytes(np.arange(TRAIN_COUNT) % 10),
        digits.TEST_IMAGES: idx_bytes(rng.integers(0, 256, (TEST_COUNT, 28, 28))),
        digits.TEST_LABELS: idx_bytes(np.arange(TEST_COUNT)),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the small database, unpacked."""
    target = tmp_path / "small"
    target.mkdir()
    for name, content in contents().items():
        (target / name).write_bytes(content)
    return target


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def assert_load_fails(folder: Path, message: str) -> None:
    with pytest.raises(digits.IdxError, match=f"^{re.escape(message)}$"):
        digits.load(folder)


# Good files


def test_load_scales_the_images_and_widens_the_labels(folder: Path) -> None:
    data = digits.load(folder)
    raw = np.frombuffer(contents()[digits.TRAIN_IMAGES], np.uint8, offset=16).reshape(TRAIN_COUNT, 28, 28, 1)
    assert data.train_images.dtype == np.float32
    assert data.train_images.shape == (TRAIN_COUNT, 28, 28, 1)
    np.testing.assert_array_equal(data.train_images, (raw / np.float32(255)).astype(np.float32))
    assert data.train_labels.dtype == np.int64
    np.testing.assert_array_equal(data.train_labels, np.arange(TRAIN_COUNT) % 10)
    assert data.test_images.shape == (TEST_COUNT, 28, 28, 1)
    np.testing.assert_array_equal(data.test_labels, np.arange(TEST_COUNT))


def test_load_reads_gzipped_and_unpacked_files_alike(folder: Path) -> None:
    unpacked = digits.load(folder)
    for path in list(folder.iterdir())[:3]:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    mixed = digits.load(folder)
    np.testing.assert_array_equal(mixed.train_images, unpacked.train_images)
    np.testing.assert_array_equal(mixed.train_labels, unpacked.train_labels)
    np.testing.assert_array_equal(mixed.test_images, unpacked.test_images)
    np.testing.assert_array_equal(mixed.test_labels, unpacked.test_labels)


def test_load_takes_a_path_as_text(folder: Path) -> None:
    assert len(digits.load(str(folder)).test_labels) == TEST_COUNT


def test_load_prefers_the_unpacked_file(folder: Path) -> None:
    (folder / f"{digits.TRAIN_LABELS}.gz").write_bytes(b"never read")
    assert len(digits.load(folder).train_labels) == TRAIN_COUNT


def test_gzip_data_without_gz_in_the_name_is_unpacked(folder: Path) -> None:
    rewrite(folder / digits.TEST_IMAGES, gzip.compress)
    assert len(digits.load(folder).test_images) == TEST_COUNT


@pytest.mark.parametrize("name", ["array", "array.gz"])
@pytest.mark.parametrize("shape", [(0,), (7,), (2, 3), (2, 3, 4)])
def test_written_arrays_read_back(tmp_path: Path, name: str, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    array = rng.integers(0, 256, shape, dtype=np.uint8)
    digits.write_idx(tmp_path / name, array)
    back = digits.read_idx(tmp_path / name)
    np.testing.assert_array_equal(back, array)
    assert back.dtype == np.uint8
    assert back.flags.writeable


def test_written_gzip_files_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    array = np.arange(60, dtype=np.uint8).reshape(3, 20)
    digits.write_idx(tmp_path / "first.gz", array)
    digits.write_idx(tmp_path / "second.gz", array)
    packed = (tmp_path / "first.gz").read_bytes()
    assert packed == (tmp_path / "second.gz").read_bytes()
    assert packed[4:8] == bytes(4)  # the time in the header


def test_write_idx_takes_bytes_only(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="array must have dtype uint8; got float32"):
        digits.write_idx(tmp_path / "array", np.zeros(3, np.float32))


# Bad files


def test_truncated_data(folder: Path) -> None:
    rewrite(folder / digits.TRAIN_IMAGES, lambda content: content[:-100])
    assert_load_fails(
        folder,
        "train-images-idx3-ubyte: expected 9424 bytes (a header of 16, then 12 x 28 x 28), "
        "found 9324 (truncated, 100 missing).",
    )


def test_truncated_header(folder: Path) -> None:
    rewrite(folder / digits.TRAIN_IMAGES, lambda content: content[:10])
    assert_load_fails(folder, "train-images-idx3-ubyte: expected a header of 16 bytes, found 10 in all (truncated).")


def test_truncated_magic_number(folder: Path) -> None:
    rewrite(folder / digits.TEST_LABELS, lambda content: content[:3])
    assert_load_fails(folder, "t10k-labels-idx1-ubyte: expected a magic number of 4 bytes, found 3 bytes (truncated).")


def test_trailing_bytes(folder: Path) -> None:
    rewrite(folder / digits.TEST_LABELS, lambda content: content + b"xyz")
    assert_load_fails(
        folder,
        "t10k-labels-idx1-ubyte: expected 13 bytes (a header of 8, then 5), found 16 (3 trailing).",
    )


def test_images_where_labels_belong(folder: Path) -> None:
    rewrite(folder / digits.TRAIN_LABELS, lambda content: contents()[digits.TRAIN_IMAGES])
    assert_load_fails(
        folder,
        "train-labels-idx1-ubyte: expected magic number 0x00000801 (unsigned bytes, 1 axis), found 0x00000803.",
    )


def test_labels_where_images_belong(folder: Path) -> None:
    rewrite(folder / digits.TEST_IMAGES, lambda content: contents()[digits.TEST_LABELS])
    assert_load_fails(
        folder,
        "t10k-images-idx3-ubyte: expected magic number 0x00000803 (unsigned bytes, 3 axes), found 0x00000801.",
    )


def test_another_element_type(tmp_path: Path) -> None:
    (tmp_path / "floats").write_bytes(bytes([0, 0, 0x0D, 1, 0, 0, 0, 1]) + bytes(4))
    message = "floats: expected magic number 0x00000800 plus the number of axes (unsigned bytes), found 0x00000d01."
    with pytest.raises(digits.IdxError, match=f"^{re.escape(message)}$"):
        digits.read_idx(tmp_path / "floats")


def test_fewer_labels_than_images(folder: Path) -> None:
    rewrite(folder / digits.TRAIN_LABELS, lambda content: idx_bytes(np.zeros(TRAIN_COUNT - 1)))
    assert_load_fails(folder, "train-labels-idx1-ubyte: expected 12 labels (one per image), found 11.")


def test_more_labels_than_images(folder: Path) -> None:
    rewrite(folder / digits.TEST_LABELS, lambda content: idx_bytes(np.zeros(9)))
    assert_load_fails(folder, "t10k-labels-idx1-ubyte: expected 5 labels (one per image), found 9.")


def test_labels_out_of_range(folder: Path) -> None:
    labels = np.arange(TRAIN_COUNT) % 10
    labels[[4, 7]] = [23, 10]
    rewrite(folder / digits.TRAIN_LABELS, lambda content: idx_bytes(labels))
    assert_load_fails(
        folder,
        "train-labels-idx1-ubyte: expected labels from 0 to 9, found 23 at index 4 (2 out of range).",
    )


def test_images_of_another_size(folder: Path) -> None:
    rewrite(folder / digits.TEST_IMAGES, lambda content: idx_bytes(np.zeros((TEST_COUNT, 32, 30))))
    assert_load_fails(folder, "t10k-images-idx3-ubyte: expected images of 28 x 28 pixels, found 32 x 30.")


def test_no_images(folder: Path) -> None:
    rewrite(folder / digits.TEST_IMAGES, lambda content: idx_bytes(np.zeros((0, 28, 28))))
    rewrite(folder / digits.TEST_LABELS, lambda content: idx_bytes(np.zeros(0)))
    assert_load_fails(folder, "t10k-images-idx3-ubyte: expected at least 1 image, found 0.")


def test_gz_in_the_name_of_an_unpacked_file(folder: Path) -> None:
    (folder / digits.TRAIN_LABELS).rename(folder / f"{digits.TRAIN_LABELS}.gz")
    assert_load_fails(
        folder,
        "train-labels-idx1-ubyte.gz: expected gzip data, which starts with 1f 8b, found a file that starts "
        "with 00 00 08 01. If it is unpacked already, rename it to train-labels-idx1-ubyte.",
    )


def test_empty_gz_file(folder: Path) -> None:
    (folder / digits.TRAIN_LABELS).unlink()
    (folder / f"{digits.TRAIN_LABELS}.gz").write_bytes(b"")
    with pytest.raises(digits.IdxError, match="found an empty file"):
        digits.load(folder)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda packed: packed[:-20], "ended before the end-of-stream marker"),
        (lambda packed: packed[:2], "ended before the end-of-stream marker"),
        (lambda packed: packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:], "CRC check failed"),
        (lambda packed: packed + b"left over", "Not a gzipped file"),
        (lambda packed: packed[:10] + b"\xff" * 20, "Error -3 while decompressing"),
    ],
    ids=["truncated", "start only", "checksum", "left over", "nonsense"],
)
def test_damaged_gzip_data(folder: Path, damage: Callable[[bytes], bytes], reason: str) -> None:
    packed = damage(gzip.compress(contents()[digits.TRAIN_IMAGES]))
    (folder / digits.TRAIN_IMAGES).unlink()
    (folder / f"{digits.TRAIN_IMAGES}.gz").write_bytes(packed)
    start = f"train-images-idx3-ubyte.gz: expected whole gzip data, found {len(packed)} bytes that do not"
    with pytest.raises(digits.IdxError, match=f"^{re.escape(start)} unpack \\(.*{re.escape(reason)}"):
        digits.load(folder)


# More than there is


def peak_of(read: Callable[[], object]) -> tuple[str, int]:
    """What is wrong with a file, and the most memory that was in use to find out."""
    tracemalloc.start()
    try:
        with pytest.raises(digits.IdxError) as caught:
            read()
        return str(caught.value), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("counts", [(2**32 - 1,) * 3, (2**31, 28, 28), (2**32 - 1, 1, 0xFFFF)])
def test_enormous_counts_are_refused_before_anything_is_read(
    tmp_path: Path, packed: bool, counts: tuple[int, ...]
) -> None:
    content = bytes([0, 0, 8, 3]) + np.array(counts, ">u4").tobytes() + bytes(2**22)
    path = tmp_path / ("images.gz" if packed else "images")
    path.write_bytes(gzip.compress(content) if packed else content)
    text, peak = peak_of(lambda: digits.read_idx(path, ndim=3))
    times = " x ".join(map(str, counts))
    assert text.startswith(f"{path.name}: expected {16 + math.prod(counts)} bytes (a header of 16, then {times})")
    assert ("gzip data cannot hold" in text) == packed
    assert peak < 2**19


def test_a_gzip_bomb_is_read_as_far_as_its_header_says(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros((60, 28, 28))) + bytes(2**26)))
    text, peak = peak_of(lambda: digits.read_idx(path))
    assert text == "images.gz: expected 47056 bytes (a header of 16, then 60 x 28 x 28), found more (trailing)."
    assert peak < 2**20


def test_more_axes_than_an_array_has(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(bytes([0, 0, 8, 255]) + bytes(4 * 255))
    with pytest.raises(digits.IdxError, match=r"expected magic number .*, found 0x000008ff\."):
        digits.read_idx(path)


# Missing files

WANTED = (
    "four files are looked for, each with or without .gz: train-images-idx3-ubyte, train-labels-idx1-ubyte, "
    "t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte."
)


def test_missing_directory(tmp_path: Path) -> None:
    message = f"{tmp_path / 'nowhere'}: no such directory; {WANTED}"
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
        digits.load(tmp_path / "nowhere")


def test_file_in_place_of_a_directory(folder: Path) -> None:
    path = folder / digits.TEST_LABELS
    message = f"{path}: expected a directory, found a file; {WANTED}"
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
        digits.load(path)


def test_missing_files(folder: Path) -> None:
    (folder / digits.TRAIN_LABELS).unlink()
    (folder / digits.TEST_IMAGES).unlink()
    message = f"{folder}: missing train-labels-idx1-ubyte, t10k-images-idx3-ubyte; {WANTED}"
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
        digits.load(folder)


def test_find_names_the_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing t10k-labels-idx1-ubyte; four files"):
        digits.find(tmp_path, digits.TEST_LABELS)


# Fetching

CHECKSUMS: Mapping[str, str] = {name: hashlib.sha256(content).hexdigest() for name, content in contents().items()}


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class StoppingHandler(QuietHandler):
    """Promises more bytes than it sends."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"a start")


def serving(handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """The folder that the mirror serves: the small database, gzipped."""
    target = tmp_path / "served"
    target.mkdir()
    for name, content in contents().items():
        (target / f"{name}.gz").write_bytes(gzip.compress(content))
    return target


@pytest.fixture
def mirror(served: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield from serving(functools.partial(QuietHandler, directory=str(served)))


@pytest.fixture
def closed_mirror(monkeypatch: pytest.MonkeyPatch) -> str:
    """A mirror at a port that nothing listens at."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}/"


def test_download_puts_the_four_files_in_place(mirror: str, served: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "digits"
    digits.download(target, mirrors=[mirror], checksums=CHECKSUMS)
    assert sorted(path.name for path in target.iterdir()) == sorted(f"{name}.gz" for name in digits.FILE_NAMES)
    for path in target.iterdir():
        assert path.read_bytes() == (served / path.name).read_bytes()
    assert len(digits.load(target).train_labels) == TRAIN_COUNT


def test_download_leaves_alone_what_is_there(mirror: str, folder: Path) -> None:
    (folder / digits.TEST_LABELS).unlink()
    digits.download(folder, mirrors=[mirror], checksums=CHECKSUMS)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [digits.TRAIN_IMAGES, digits.TRAIN_LABELS, digits.TEST_IMAGES, f"{digits.TEST_LABELS}.gz"]
    )


def test_download_goes_on_to_the_next_mirror(mirror: str, closed_mirror: str, tmp_path: Path) -> None:
    digits.download(tmp_path / "digits", mirrors=[closed_mirror, mirror], checksums=CHECKSUMS)
    assert len(digits.load(tmp_path / "digits").test_labels) == TEST_COUNT


def test_download_of_a_wrong_content_leaves_nothing(mirror: str, served: Path, tmp_path: Path) -> None:
    wrong = idx_bytes(np.zeros((1, 28, 28)))
    (served / f"{digits.TRAIN_IMAGES}.gz").write_bytes(gzip.compress(wrong))
    message = (
        f"train-images-idx3-ubyte.gz: cannot be fetched. {mirror}train-images-idx3-ubyte.gz: "
        f"expected content with SHA-256 {CHECKSUMS[digits.TRAIN_IMAGES]}, "
        f"found {hashlib.sha256(wrong).hexdigest()}."
    )
    with pytest.raises(digits.DownloadError, match=f"^{re.escape(message)}$"):
        digits.download(tmp_path / "digits", mirrors=[mirror], checksums=CHECKSUMS)
    assert list((tmp_path / "digits").iterdir()) == []


def test_download_of_something_else_leaves_nothing(mirror: str, served: Path, tmp_path: Path) -> None:
    (served / f"{digits.TRAIN_IMAGES}.gz").write_bytes(b"<html>please log in</html>")
    reason = f"{mirror}train-images-idx3-ubyte.gz: expected gzip data, found 26 bytes that do not unpack"
    with pytest.raises(digits.DownloadError, match=re.escape(reason)):
        digits.download(tmp_path / "digits", mirrors=[mirror], checksums=CHECKSUMS)
    assert list((tmp_path / "digits").iterdir()) == []


def test_download_keeps_the_files_before_the_one_that_failed(mirror: str, served: Path, tmp_path: Path) -> None:
    (served / f"{digits.TEST_IMAGES}.gz").unlink()
    message = f"t10k-images-idx3-ubyte.gz: cannot be fetched. {mirror}t10k-images-idx3-ubyte.gz: HTTP Error 404: "
    with pytest.raises(digits.DownloadError, match=f"^{re.escape(message)}"):
        digits.download(tmp_path / "digits", mirrors=[mirror], checksums=CHECKSUMS)
    names = sorted(path.name for path in (tmp_path / "digits").iterdir())
    assert names == [f"{digits.TRAIN_IMAGES}.gz", f"{digits.TRAIN_LABELS}.gz"]


def test_download_with_the_connection_refused(closed_mirror: str, tmp_path: Path) -> None:
    message = f"train-images-idx3-ubyte.gz: cannot be fetched. {closed_mirror}train-images-idx3-ubyte.gz: "
    with pytest.raises(digits.DownloadError, match=f"^{re.escape(message)}.*refused"):
        digits.download(tmp_path / "digits", mirrors=[closed_mirror], checksums=CHECKSUMS)
    assert list((tmp_path / "digits").iterdir()) == []


def test_download_with_the_connection_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for mirror in serving(StoppingHandler):
        with pytest.raises(digits.DownloadError, match="IncompleteRead"):
            digits.download(tmp_path / "digits", mirrors=[mirror], checksums=CHECKSUMS)
    assert list((tmp_path / "digits").iterdir()) == []


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def write_half() -> None:
        with digits.written_whole(path) as file:
            file.write(b"half of")
            raise failure

    with pytest.raises(failure):
        write_half()
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"before"
    with digits.written_whole(path) as file:
        file.write(b"after")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"after"


WRITER = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import digits
with digits.unwound_by_sigterm(), digits.written_whole(pathlib.Path(sys.argv[2])) as file:
    file.write(b"half of")
    print("begun", flush=True)
    sys.stdin.read()
"""


def ended_by(number: int, path: Path) -> int:
    """The exit status of a process that a signal ends while it writes a file."""
    command = [sys.executable, "-c", WRITER, str(Path(digits.__file__).parent), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(number)
        return process.wait(timeout=60)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a process can catch")
def test_sigterm_removes_what_was_begun(tmp_path: Path) -> None:
    assert ended_by(signal.SIGTERM, tmp_path / "file") == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_what_a_killed_process_left_is_removed_at_the_next_start(tmp_path: Path, mirror: str) -> None:
    folder = tmp_path / "digits"
    folder.mkdir()
    name = f"{digits.TRAIN_LABELS}.gz"
    assert ended_by(signal.SIGKILL, folder / name) == -signal.SIGKILL
    (left,) = folder.iterdir()
    assert left.name.endswith(".part")
    of_this_process = folder / f".{name}.{os.getpid()}.00000000.part"
    others = [of_this_process, folder / ".another.1.part", folder / "my.part"]
    for path in others:
        path.write_bytes(b"")
    digits.download(folder, mirrors=[mirror], checksums=CHECKSUMS)
    assert sorted(folder.iterdir()) == sorted([*others, *(folder / f"{name}.gz" for name in digits.FILE_NAMES)])


def test_the_handler_of_sigterm_is_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with digits.unwound_by_sigterm():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


# The sample


def test_sample_is_balanced_and_as_its_readme_says() -> None:
    data = digits.load(SAMPLE)
    np.testing.assert_array_equal(np.bincount(data.train_labels), [1000] * 10)
    np.testing.assert_array_equal(np.bincount(data.test_labels), [200] * 10)
    assert data.train_images.min() == 0
    assert data.train_images.max() == 1
    readme = (SAMPLE / "README.md").read_text(encoding="utf-8")
    for name in digits.FILE_NAMES:
        packed = (SAMPLE / f"{name}.gz").read_bytes()
        assert f"| `{name}.gz` | `{hashlib.sha256(packed).hexdigest()}` |" in readme
        assert f"| `{name}` | `{hashlib.sha256(gzip.decompress(packed)).hexdigest()}` |" in readme
