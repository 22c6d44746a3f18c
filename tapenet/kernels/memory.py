"""Memory for the large arrays of kernels, which is used again once nothing refers to it.

The system clears each page of new memory at its first use: in a training step that took a third of the time. So blocks
stay here. Each array that `empty` makes lies in a block and refers to a lease of it, and so do all views of the array.
When the last of them goes, the lease goes, and the block is free. Steps of training ask for the same sizes again and
again, so a request takes a free block of its own size, the one that was freed last: its data may still be in a cache.
Finding one takes the same time however many arrays are alive.

Where none is free, new memory is mapped as long as little more is mapped than was in use at the same time: a step needs
as much again at its peak. Else free blocks that are neighbours are joined and cut, and where none fit, those longest
out of use are released for new ones. So what a program needs at its peak is about all that it takes. Blocks are mapped
from the system, and a block that is released goes back there: the C library's allocator is not used, and its settings
are not changed. Arrays that NumPy's functions return are NumPy's.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import math
import mmap
import operator
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.array_types import Array

# Bytes from which on memory comes from the system; less is quick to get anyway.
LARGE = 2**18

# What may be mapped beside the most bytes that were in use at the same time: a part of them, or `SLACK` bytes where
# both make no more than `FEW`, among which seldom any can be cut. Measured: with half of it a step of ResNet18 maps a
# sixth of its memory again, with this a tenth.
SLACK_PART = 1 / 32
SLACK = 2**22
FEW = 2**25

# Requests after which a peak counts half.
PEAK_LASTS = 10_000

# How many times as large as a request the free blocks may be that are cut for it: where a large block was cut for a
# small one, another is mapped for the next large one.
MOST_CUT = 8

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

    A training step needs as much memory as the one before, so blocks that nothing refers to are kept: about as many
    bytes as were in use at the same time. This function gives all of them back to the system at once. Arrays in use are
    not touched: their blocks are kept when they go, until the function is called again. Memory that NumPy's own results
    took is the C library's, and stays there or goes as without tapenet.

    >>> empty_cache()
    """
    _pool.forget()


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
        _pool.forget()


@attrs.frozen(eq=False)
class _Mapping:
    """Memory that came from the system in one piece.

    Attributes:
        memory: keeps it mapped.
        address: where it begins.
        size: in bytes.
    """

    memory: Any
    address: int
    size: int

    @classmethod
    def of(cls, size: int) -> _Mapping:
        memory = _mapped(size)
        return cls(memory, np.frombuffer(memory, np.uint8).__array_interface__["data"][0], size)

    def clear(self, address: int, size: int) -> None:
        """Give the pages of a part back to the system, where it can have them while others stay."""
        if hasattr(mmap, "MADV_DONTNEED") and isinstance(self.memory, mmap.mmap):
            self.memory.madvise(mmap.MADV_DONTNEED, address - self.address, size)


@attrs.frozen(eq=False)
class _Block:
    """A part of a mapping, or all of it.

    Attributes:
        mapping: which it keeps.
        address: where it begins.
        size: in bytes.
    """

    mapping: _Mapping
    address: int
    size: int


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
    is the method of a deque, so that no code of Python's runs that a signal could interrupt. A block belongs to whoever
    has taken it out of its deque. So no two leases have the same bytes, whatever interrupts a method; blocks that are
    lost then go back to the system with the rest of their mapping.

    Attributes:
        sizes: of all blocks.
        free: the ends of leases, by the sizes of their blocks.
        last_requests: the number of the last request for each size.
        requests: numbers them.
        sparing: how many threads ask for the least memory, whatever the time.
        peak: the most bytes in use at the same time, when a block was asked for of which none was free.
        peak_at: the number of that request.
    """

    def __init__(self) -> None:
        self.sizes: dict[weakref.ref[_Block], int] = {}
        self.free: dict[int, deque[_End]] = {}
        self.last_requests: dict[int, int] = {}
        self.requests = itertools.count()
        self.sparing = 0
        self.peak = self.peak_at = 0

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any], size: int) -> Array:
        """Return an array in a free block, or in a new one."""
        size = _rounded(size)
        self.last_requests[size] = request = next(self.requests)
        try:
            block = self.free[size].pop().block  # without a look before: another thread may take the last one meanwhile
        except (KeyError, IndexError, AttributeError):  # the last: an interrupt came before its end had a block
            block = self._found(size, request)
        lease = self._leased(block)
        lease.__array_interface__ = {
            "shape": shape,
            "typestr": dtype.str,
            "data": (block.address, False),
            "version": 3,
        }
        return np.asarray(lease)

    def _leased(self, block: _Block) -> _Lease:
        """Return a lease of a block, which is free when that goes."""
        ends = self.free.get(block.size)
        if ends is None:
            ends = self.free.setdefault(block.size, deque())
        lease = _Lease()
        lease.end = end = _End(lease, ends.append)
        end.block = block
        return lease

    def _found(self, size: int, request: int) -> _Block:
        """Return a block of a size of which none is free: cut from others, or a new one."""
        mapped = self.mapped_bytes()
        needed = mapped - self.free_bytes() + size
        most = self._most(needed, request)
        if mapped + size > most:
            block = self._cut(size)
            if block is not None:
                return block
            self.release(most - needed)
        mapping = _Mapping.of(size)
        return self._block(mapping, mapping.address, size)

    def _most(self, needed: int, request: int) -> int:
        """Return how many bytes may be mapped, where so many are needed now."""
        if self.sparing:
            return needed
        if needed >= self.peak or request - self.peak_at > PEAK_LASTS:
            self.peak, self.peak_at = max(needed, self.peak // 2), request
        return max(int(self.peak * (1 + SLACK_PART)), min(self.peak + SLACK, FEW))

    def _block(self, mapping: _Mapping, address: int, size: int) -> _Block:
        block = _Block(mapping, address, size)
        self.sizes[weakref.ref(block, self.sizes.pop)] = size
        return block

    def _cut(self, size: int) -> _Block | None:
        """Return a block cut from free ones side by side that exceed its size least; None where none fit."""
        ends = self._fitting(size)
        if not ends or not self._take(ends):
            return None
        first, length = ends[0].block, sum(end.block.size for end in ends)
        if length > size:
            self._leased(self._block(first.mapping, first.address + size, length - size))  # which ends at once
        return self._block(first.mapping, first.address, size)

    def _fitting(self, size: int) -> list[_End]:
        """Return the free blocks, side by side in one mapping, that exceed a size least; empty where none fit."""
        least, found = MOST_CUT * size + 1, list[_End]()
        for run in self._runs():
            first = total = 0
            for last, end in enumerate(run):
                total += end.block.size
                if total < size:
                    continue
                while total - run[first].block.size >= size:
                    total -= run[first].block.size
                    first += 1
                if total < least:
                    least, found = total, run[first : last + 1]
                    if total == size:
                        return found
        return found

    def _by_address(self) -> list[_End]:
        try:
            return sorted(itertools.chain.from_iterable(self.free.copy().values()), key=_address_of)
        except AttributeError:  # an interrupt came before an end had a block
            self._drop_blockless()
            return self._by_address()

    def _drop_blockless(self) -> None:
        for ends in self.free.copy().values():
            for end in ends.copy():
                if not hasattr(end, "block"):
                    with contextlib.suppress(ValueError, IndexError):  # another thread has dropped it
                        ends.remove(end)

    def _take(self, ends: Sequence[_End]) -> bool:
        """Take free blocks, if all of them are still free."""
        for i, end in enumerate(ends):
            try:
                self.free[end.block.size].remove(end)
            except (ValueError, IndexError):  # another thread has taken it, or changes the deque
                for taken in ends[:i]:
                    self.free[taken.block.size].append(taken)
                return False
        return True

    def mapped_bytes(self) -> int:
        """Count the bytes of all blocks."""
        return sum(self.sizes.copy().values())

    def free_bytes(self) -> int:
        """Count the bytes of blocks that have no lease."""
        return sum(size * len(ends) for size, ends in self.free.copy().items())

    def release(self, keep: int) -> None:
        """Give free blocks back, those longest out of use first, until there are no more than `keep` bytes of them."""
        excess = self.free_bytes() - keep
        if excess <= 0:
            return
        for run in sorted(self._runs(), key=self._last_request):
            if excess > 0 and self._take(run):
                first, size = run[0].block, sum(end.block.size for end in run)
                excess -= size
                if size < first.mapping.size:  # which other blocks keep
                    first.mapping.clear(first.address, size)

    def _runs(self) -> list[list[_End]]:
        """Return the free blocks, those side by side in one mapping together."""
        runs: list[list[_End]] = []
        stop, mapping = 0, None
        for end in self._by_address():
            block = end.block
            if block.address != stop or block.mapping is not mapping:
                runs.append([])
                mapping = block.mapping
            runs[-1].append(end)
            stop = block.address + block.size
        return runs

    def _last_request(self, run: list[_End]) -> int:
        return max(self.last_requests.get(end.block.size, 0) for end in run)

    def forget(self) -> None:
        """Give all free blocks back, and count from 0 how much is needed at the same time."""
        self.release(0)
        self.peak = 0


_address_of: Callable[[_End], int] = operator.attrgetter("block.address")


def _rounded(size: int) -> int:
    """Round to a size of blocks, of which there are eight to each doubling, so that there are few sizes."""
    step = max(mmap.PAGESIZE, 1 << max(12, size.bit_length() - 4))
    return -(-size // step) * step


_pool = _Pool()
