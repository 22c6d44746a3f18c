"""The C library's allocator, for users who want it to keep memory: nothing else in tapenet touches it."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from tapenet.core.argument_checks import checked_count

# Of mallopt(3), in GNU's C library, with the values to begin with, and the largest that it takes for the first.
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1
DEFAULT_THRESHOLD = 2**17
LARGEST_MMAP_THRESHOLD = 2**25


def keep_freed_memory(size: int = 2**28) -> bool:
    """Have the C library keep freed memory for the next arrays, in the whole process and from now on.

    GNU's C library gives large freed memory back to the system, and the system clears each page that it hands out
    again. Code that makes many large arrays, one elementwise operation after another, spends up to two thirds of its
    time on that. With this setting (mallopt's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD) memory stays in the process. It
    holds for all libraries in the process; tapenet never sets it by itself.

    Args:
        size: bytes of freed memory that stay at most, at the end of the heap; 0 for as little as the C library keeps at
            first. Arrays larger than 32 MiB go back in any case.

    Returns:
        Whether it was set: False where the C library is not GNU's.

    Raises:
        ArgumentTypeError: size is not an integer.
        ArgumentError: size is negative.

    >>> done = keep_freed_memory(0)
    """
    kept = checked_count("keep_freed_memory", "size", size, low=0)
    library = _gnu_library()
    if library is None:
        return False
    kept = max(DEFAULT_THRESHOLD, min(kept, 2**31 - 1))  # which an int holds
    is_trim_set = library.mallopt(M_TRIM_THRESHOLD, kept) == 1
    return is_trim_set and bool(library.mallopt(M_MMAP_THRESHOLD, min(kept, LARGEST_MMAP_THRESHOLD)) == 1)


def _gnu_library() -> Any:
    """Return GNU's C library; None where the process has another."""
    library = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    return library if hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt") else None
