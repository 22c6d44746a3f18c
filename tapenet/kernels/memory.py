"""Memory for large arrays, which is used again once nothing refers to it.

The C library hands large freed blocks back to the system and gets them anew, and the system clears each page of them at
its first use: in a training step that took a third of the time, and two thirds in elementwise code on large arrays.

For what kernels make, blocks stay here. A block is free when no array lies in it any more, which its reference count
tells: every view of an array refers to the block that the array lies in. Steps of training ask for the same sizes again
and again, so a block serves requests of its own size only. When a new one is made, those longest out of use are let go
until no more than `IDLE_BYTES` are free.

Other arrays, NumPy's results, are left to the C library.
"""

from __future__ import annotations

import math
import os
import sys
import threading
from typing import Any

import attrs
import numpy as np

from tapenet.kernels.windows import Array

# Bytes from which on the C library asks the system; less is quick to get anyway.
LARGE = 2**18

# Bytes that stay free while other sizes are asked for.
IDLE_BYTES = 2**24


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """`np.empty` in C order; a large array's `base` is the block of memory that it lies in."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE or dtype.hasobject:
        return np.empty(shape, dtype)
    array: Array = _pool.take(size).view(dtype).reshape(shape)
    return array


def zeros(shape: tuple[int, ...], dtype: Any) -> Array:
    """`np.zeros`, as `empty` is `np.empty`."""
    array = empty(shape, dtype)
    array.fill(0)
    return array


def is_own(x: Array) -> bool:
    """Whether x owns its memory, or is the only array in a block and in C order, as `empty` makes arrays."""
    if x.base is None:
        return True
    is_whole = x.flags.c_contiguous and any(x.base is block for block in _pool.blocks.get(x.nbytes, ()))
    return is_whole and sys.getrefcount(x.base) == _UNUSED + 1


def empty_cache() -> None:
    """Hand the free blocks back to the system: what tapenet keeps of memory once used, for the next step of the like.

    Up to as much stays as steps so far have used at once; arrays in use are not touched.

    >>> empty_cache()
    """
    with _pool.lock:
        _pool.let_go(0)


@attrs.define
class _Pool:
    """Blocks by their size, the sizes asked for last at the end."""

    blocks: dict[int, list[Array]] = attrs.field(factory=dict)
    lock: threading.Lock = attrs.field(factory=threading.Lock)

    def take(self, size: int) -> Array:
        """All bytes of a free block, as a view of it."""
        with self.lock:
            blocks = self.blocks[size] = self.blocks.pop(size, [])
            for i in range(len(blocks)):
                if _is_free(blocks, i):
                    return blocks[i][:]
            self.let_go(IDLE_BYTES)
            blocks = self.blocks.setdefault(size, [])
            blocks.append(np.empty(size, np.uint8))
            return blocks[-1][:]

    def let_go(self, keep: int) -> None:
        """Drop free blocks, those longest out of use first, until there are no more than `keep` bytes of them."""
        free = {size: [i for i in range(len(blocks)) if _is_free(blocks, i)] for size, blocks in self.blocks.items()}
        excess = sum(size * len(indices) for size, indices in free.items()) - keep
        for size, indices in free.items():
            while indices and excess > 0:
                del self.blocks[size][indices.pop()]
                excess -= size
        self.blocks = {size: blocks for size, blocks in self.blocks.items() if blocks}


def _is_free(blocks: list[Array], i: int) -> bool:
    return sys.getrefcount(blocks[i]) == _UNUSED


_probe = [np.empty(1)]
_UNUSED = sys.getrefcount(_probe[0])  # of an object that is in one list and nowhere else; interpreters differ
_pool = _Pool()

if hasattr(os, "register_at_fork"):
    # Another thread may have held the lock when the process was copied.
    os.register_at_fork(after_in_child=lambda: setattr(_pool, "lock", threading.Lock()))
