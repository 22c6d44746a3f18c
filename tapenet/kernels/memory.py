"""Memory for the large arrays of kernels, which is used again once nothing refers to it.

The system clears each page of new memory at its first use: in a training step that took a third of the time. So blocks
stay here. Each array that `empty` makes lies in a block and refers to a lease of it, and so do all views of the array.
When the last of them goes, the lease goes, and the block is free. Steps of training ask for the same sizes again and
again, so a block serves requests of about its own size only, and the one that was freed last comes first: its data may
still be in a cache. Finding one takes the same time however many arrays are alive.

When a new block is made, those longest out of use are released until no more than `IDLE_BYTES` are free, or a part of
the bytes in use: with less, a training step maps again what it has just released. Blocks are mapped from the system,
and a block that is released goes back there: the C library's allocator is not used, and its settings are not changed.
Arrays that NumPy's functions return are NumPy's.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import math
import mmap
import sys
import weakref
from collections import deque
from collections.abc import Iterator
from typing import Any

import attrs
import numpy as np

from tapenet.core.array_types import Array

# Bytes from which on memory comes from the system; less is quick to get anyway.
LARGE = 2**18

# Bytes of free blocks that are kept while other sizes are requested: so many, or so large a part of the bytes in use.
# Measured: a half makes steps of VGG16 and ResNet18 a fifth faster than none, and their peaks a twentieth higher.
IDLE_BYTES = 2**24
IDLE_PART = 0.5

# Bytes from which on the system is asked for huge pages, as NumPy asks: each takes one fault in place of 512.
HUGE = 2**22


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return `np.empty` in C order; the `base` of a large array is the lease of the block that it lies in."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE or dtype.kind not in "biufc":
        return np.empty(shape, dtype)
    return _pool.array(shape, dtype, size)


def zeros(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return `np.zeros`, as `empty` does `np.empty`."""
    array = empty(shape, dtype)
    array.fill(0)
    return array


def is_own(x: Array) -> bool:
    """Return whether x owns its memory or has the lease of a block, and is not a view of another array."""
    base: Any = x.base
    return base is None or type(base) is _Lease


def address(x: Array) -> int:
    """Return where an array begins; in a tenth of the time that `__array_interface__` and `ctypes.data` take."""
    if _HAS_KNOWN_LAYOUT and isinstance(x, np.ndarray):
        return _pointer_at(id(x) + _HEAD).value
    return int(x.__array_interface__["data"][0])


# NumPy's binary interface, which does not change, has the pointer to an array's data behind the head of the object.
_pointer_at, _HEAD = ctypes.c_size_t.from_address, object.__basicsize__


def _has_known_layout(x: Array) -> bool:
    """Return whether the pointer to an array's data is where CPython and NumPy have it."""
    if sys.implementation.name != "cpython":  # elsewhere `id` is not an address
        return False
    found: int = x.__array_interface__["data"][0]
    return _pointer_at(id(x) + _HEAD).value == found


_HAS_KNOWN_LAYOUT = _has_known_layout(np.empty(1))


def empty_cache() -> None:
    """Release the memory that tapenet keeps for the next large arrays of its kernels.

    A training step needs memory of the same sizes as the one before, so blocks that nothing refers to are kept: as many
    as were once in use at the same time. This function gives all of them back to the system at once. Arrays in use are
    not touched: their blocks are kept when they go, until the function is called again. Memory that NumPy's own results
    took is the C library's, and stays there or goes as without tapenet.

    >>> empty_cache()
    """
    _pool.release(0)


def cached_bytes() -> int:
    """Count the bytes that `empty_cache` would release."""
    return _pool.free_bytes()


@contextlib.contextmanager
def sparing() -> Iterator[None]:
    """Keep no free memory meanwhile, nor what is free at the end: for work that is done once, in sizes of its own."""
    _pool.sparing += 1
    try:
        yield
    finally:
        _pool.sparing -= 1
        _pool.release(0)


@attrs.frozen(eq=False)
class _Block:
    """Memory from the system.

    Attributes:
        memory: keeps it mapped.
        address: where it begins.
        size: in bytes.
    """

    memory: Any
    address: int
    size: int

    @classmethod
    def of(cls, size: int) -> _Block:
        memory = _mapped(size)
        return cls(memory, np.frombuffer(memory, np.uint8).__array_interface__["data"][0], size)


def _mapped(size: int) -> Any:
    """Map new memory, which a forked child does not share; the C library's where a system does not map any."""
    try:
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (AttributeError, OSError):
        return np.empty(size, np.uint8)
    if size >= HUGE and hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


class _Lease:
    """One use of a block, for as long as an array lies in it."""

    __slots__ = ("__array_interface__", "__weakref__", "end")
    __array_interface__: dict[str, Any]
    end: _End


# The class of what the base of an array of this pool is.
LEASE: type = _Lease


class _End(weakref.ref[_Lease]):
    """Tells of the end of a lease, and which block is free then."""

    __slots__ = ("block",)
    block: _Block


class _Pool:
    """Free blocks by their size, as the ends of leases.

    There is no lock. A lease may end at any time, within these methods too: its end is a weak reference whose callback
    is the method of a deque, so that no code of Python's runs that a signal could interrupt.
    """

    def __init__(self) -> None:
        self.sizes: dict[int, int] = {}  # of all blocks, by their addresses
        self.free: dict[int, deque[_End]] = {}
        self.last_requests: dict[int, int] = {}  # the number of the last request for each size
        self.requests = itertools.count()
        self.sparing = 0  # how many threads ask for the least memory, whatever the time

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any], size: int) -> Array:
        """Return an array in a free block, or in a new one."""
        size = _rounded(size)
        self.last_requests[size] = next(self.requests)
        ends = self.free.get(size)
        if ends is None:
            ends = self.free.setdefault(size, deque())
        try:
            block = ends.pop().block  # without a look before: another thread may take the last one meanwhile
        except IndexError:
            self.release(0 if self.sparing else max(IDLE_BYTES, int(IDLE_PART * self.bytes_in_use())))
            block = _Block.of(size)
            self.sizes[block.address] = size
        lease = _Lease()
        lease.end = end = _End(lease, ends.append)
        end.block = block
        lease.__array_interface__ = {
            "shape": shape,
            "typestr": dtype.str,
            "data": (block.address, False),
            "version": 3,
        }
        return np.asarray(lease)

    def bytes_in_use(self) -> int:
        """Count the bytes of blocks that have a lease."""
        return sum(self.sizes.copy().values()) - self.free_bytes()

    def free_bytes(self) -> int:
        """Count the bytes of blocks that have none."""
        return sum(size * len(ends) for size, ends in self.free.copy().items())

    def release(self, keep: int) -> None:
        """Drop free blocks, those longest out of use first, until there are no more than `keep` bytes of them."""
        free = self.free.copy()
        excess = self.free_bytes() - keep
        for size in sorted(free, key=lambda size: self.last_requests.get(size, 0)):
            while free[size] and excess > 0:
                with contextlib.suppress(IndexError):  # another thread has taken it
                    self.sizes.pop(free[size].popleft().block.address, None)
                excess -= size


def _rounded(size: int) -> int:
    """Round to a size of blocks, of which there are eight to each doubling, so that there are few sizes."""
    step = 1 << max(12, size.bit_length() - 4)
    return -(-size // step) * step


_pool = _Pool()
