"""Time `tn.save` and `tn.load` beside a plain copy of the file; a ratio of 1 is as fast as the copy.

    python benchmarks/files.py
    python benchmarks/files.py --megabytes 8 --rounds 2

The copy reads the file and writes over another (`shutil.copyfile`), in two ways: flushed to the disk, as `save` does
before it replaces the old file, and not, beside which `load` stands. Rounds are interleaved; the fastest counts. Files
lie in the system's folder for temporary ones, or in `--folder`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tapenet as tn

ARRAYS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=500.0)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        report(Path(folder), given.megabytes, given.rounds)


def report(folder: Path, megabytes: float, rounds: int) -> None:
    """Print the fastest round of each, and its ratio to the copy that it stands beside."""
    count = max(1, int(megabytes * 1e6 / 4 / ARRAYS))
    tree = {f"layer{i}": np.full(count, i, np.float32) for i in range(ARRAYS)}
    saved, copied = folder / "saved.safetensors", folder / "copied.safetensors"
    tn.save(saved, tree)
    shutil.copyfile(saved, copied)  # so that each round replaces an old file
    jobs: dict[str, Callable[[], Any]] = {
        "copy, flushed": lambda: flushed_copy(saved, copied),
        "save": lambda: tn.save(saved, tree),
        "copy": lambda: shutil.copyfile(saved, copied),
        "load": lambda: tn.load(saved, like=tree),
        "load, mapped": lambda: tn.load(saved, like=tree, mmap=True),
    }
    seconds = {name: float("inf") for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            os.sync()
            start = time.perf_counter()
            kept = job()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
            del kept
    beside = {"save": "copy, flushed", "load": "copy", "load, mapped": "copy"}
    print(f"{saved.stat().st_size / 1e6:.0f} MB in {ARRAYS} arrays, the fastest of {rounds} rounds")
    for name, least in seconds.items():
        ratio = f"   {least / seconds[beside[name]]:.2f} of the {beside[name]}" if name in beside else ""
        print(f"{name:15s} {least:8.3f} s{ratio}")


def flushed_copy(source: Path, target: Path) -> None:
    """Copy a file, and flush it to the disk."""
    shutil.copyfile(source, target)
    handle = os.open(target, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


if __name__ == "__main__":
    main()
