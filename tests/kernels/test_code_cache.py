"""The cache of machine code: what is read is what was written whole, by this user."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tapenet.kernels import code_cache


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("TAPENET_CACHE", str(folder))
    return folder


KEY = code_cache.key_of("one", "two")


def test_what_is_written_is_read(cache: Path) -> None:
    assert code_cache.read(KEY) is None
    code_cache.write(KEY, b"code")
    assert code_cache.read(KEY) == b"code"
    assert code_cache.read(code_cache.key_of("onetwo")) is None
    assert [path.name for path in cache.iterdir()] == [KEY]


def test_keys_tell_parts_apart() -> None:
    assert len({code_cache.key_of(*parts) for parts in (["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""])}) == 4


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b"", lambda b: b + b"x", lambda b: b[::-1]])
def test_damaged_entries_are_not_used_and_replaced(cache: Path, damage) -> None:
    code_cache.write(KEY, b"code")
    (cache / KEY).write_bytes(damage((cache / KEY).read_bytes()))
    assert code_cache.read(KEY) is None
    code_cache.write(KEY, b"code")
    assert code_cache.read(KEY) == b"code"


def test_entries_under_another_name_are_foreign(cache: Path) -> None:
    code_cache.write(KEY, b"code")
    other = code_cache.key_of("other")
    (cache / KEY).rename(cache / other)
    assert code_cache.read(other) is None


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_folders_that_others_can_write_to_are_not_used(cache: Path) -> None:
    code_cache.write(KEY, b"code")
    cache.chmod(0o777)
    assert code_cache.read(KEY) is None
    cache.chmod(0o700)
    assert code_cache.read(KEY) == b"code"


def test_nothing_is_kept_where_no_folder_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for name in (str(tmp_path / "file"), str(tmp_path / "file" / "below"), ""):
        monkeypatch.setenv("TAPENET_CACHE", name)
        code_cache.write(KEY, b"code")
        assert code_cache.read(KEY) is None
    assert (tmp_path / "file").read_text() == ""


def test_the_default_folder_is_the_user_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAPENET_CACHE")
    folder = code_cache.folder()
    assert folder is not None
    assert folder.is_absolute()


def test_entries_not_used_for_longest_go_first(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_cache, "CAPACITY", 1000)
    monkeypatch.setattr(code_cache, "TURNS", 1)
    keys = [code_cache.key_of(str(i)) for i in range(4)]
    for i, key in enumerate(keys):
        code_cache.write(key, bytes(300))
        os.utime(cache / key, (i, i))
    assert [code_cache.read(key) is not None for key in keys] == [False, True, True, True]


def test_few_writes_look_at_all_entries(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Path] = []
    monkeypatch.setattr(code_cache, "_remove_oldest", looks.append)
    for i in range(1000):
        code_cache.write(code_cache.key_of(str(i)), b"code")
    assert 1 <= len(looks) <= 50


def write_often(_: int) -> None:
    for _ in range(100):
        code_cache.write(KEY, bytes(10000))
        assert code_cache.read(KEY) == bytes(10000)


def test_many_processes_may_write_at_once(cache: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        pool.map(write_often, range(4))
    assert [path.name for path in cache.iterdir()] == [KEY]


def test_a_kill_leaves_a_whole_entry_or_none(cache: Path) -> None:
    lines = f"""
from tapenet.kernels import code_cache
print(flush=True)
while True:
    code_cache.write({KEY!r}, bytes(10**6))
"""
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", lines], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
        assert code_cache.read(KEY) in (None, bytes(10**6))
