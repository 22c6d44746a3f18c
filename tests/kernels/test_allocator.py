"""Freed memory stays in the process only where the user asks for it."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tapenet as tn
from tapenet.kernels import allocator

FAULTS = """
import resource, sys
import numpy as np
import tapenet as tn

for setting in sys.argv[1:]:
    assert tn.keep_freed_memory(int(setting))
x = np.ones(2**18)
faults = []
for _ in range(8):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [x + i for i in range(8)]
    del arrays
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(max(faults[3:]))
"""


def faults(*settings):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", FAULTS, *map(str, settings)]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=60, env=environment, cwd=Path(__file__).parents[2]
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of GNU's C library")
def test_memory_is_used_again_where_the_user_says_so():
    pages = 8 * 2**21 // os.sysconf("SC_PAGESIZE")
    kept = faults(2**28)
    assert kept < pages / 10
    # What is kept otherwise is the C library's affair, and depends on its version and on what else was freed.
    assert kept <= min(faults(), faults(2**28, 0))


def test_other_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: object())
    assert tn.keep_freed_memory() is False


@pytest.mark.parametrize("size", [-1, 1.5, "2", None, True, np.array([1, 2])])
def test_other_sizes_are_refused(size):
    with pytest.raises(
        (tn.ArgumentError, tn.ArgumentTypeError),
        match=r"keep_freed_memory: size must be an int of at least 0; got .*\.",
    ):
        tn.keep_freed_memory(size)
