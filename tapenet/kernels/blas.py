"""The number of threads inside OpenBLAS, which NumPy's wheels come with.

Where work is shared among threads of our own, each with its own matrix products, BLAS must not start threads too. Nor
before it: for some twenty milliseconds after a product, OpenBLAS's threads keep their processors busy waiting for the
next, and ours would share theirs with them. The library and its functions are found by name; with another BLAS there
are none, and products are left to its threads.
"""

from __future__ import annotations

import ctypes
import itertools
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import numpy as np

_lock = threading.Lock()


@attrs.define
class _Limit:
    """How many threads are in a `single_threaded` context, and the setting to go back to."""

    users: int = 0
    before: int = 1


_limit = _Limit()


def is_controllable() -> bool:
    """Whether the number of threads can be set."""
    return _functions() is not None


class SingleThreaded:
    """A context in which BLAS computes in the threads that call it, for as long as any thread is in one."""

    def __enter__(self) -> None:
        functions = _functions()
        if functions is None:
            return
        get, set_ = functions
        with _lock:
            if _limit.users == 0:
                _limit.before = get()
                set_(1)
            _limit.users += 1

    def __exit__(self, *error: object) -> None:
        functions = _functions()
        if functions is None:
            return
        with _lock:
            _limit.users -= 1
            if _limit.users == 0:
                functions[1](_limit.before)


single_threaded = SingleThreaded()  # it has no state of its own, so one serves all


@cache
def _functions() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """OpenBLAS's functions that get and set the number of threads; None where there are none."""
    for path in _libraries():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for prefix, suffix in itertools.product(("scipy_", ""), ("64_", "_64", "")):
            get: Any = getattr(library, f"{prefix}openblas_get_num_threads{suffix}", None)
            set_: Any = getattr(library, f"{prefix}openblas_set_num_threads{suffix}", None)
            if get is not None and set_ is not None:
                get.restype, set_.argtypes, set_.restype = ctypes.c_int, [ctypes.c_int], None
                return get, set_
    return None


def _libraries() -> list[str]:
    """Paths of OpenBLAS libraries: those beside NumPy, or else those that the process has loaded.

    SciPy's wheels bring another, whose threads are not those of NumPy's products.
    """
    beside = Path(np.__file__).parent
    folders = (beside.parent / "numpy.libs", beside / ".dylibs")
    found = [str(path) for folder in folders for path in sorted(folder.glob("*openblas*"))]
    maps = Path("/proc/self/maps")
    if found or not maps.exists():
        return found
    loaded = (line.split(maxsplit=5)[-1].strip() for line in maps.read_text().splitlines() if "openblas" in line)
    return list(dict.fromkeys(loaded))
