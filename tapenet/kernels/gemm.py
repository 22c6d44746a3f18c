"""Products of large matrices by generated code, which LLVM compiles for this processor.

BLAS makes a large product in threads of its own, or else in pieces so small that it packs each factor many times (see
`products`). This code makes a product of any size in the thread that asks, without the interpreter's lock, and with the
processor's widest vectors. It is for float32 and float64, on processors with AVX2 or AVX-512 and fused multiply-add.
"""

from __future__ import annotations

import ctypes
import importlib
import threading
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.kernels import backends
from tapenet.kernels.blocking import Blocking
from tapenet.kernels.memory import address
from tapenet.kernels.teams import At, Native, Step

Array = Any
Strides = tuple[tuple[int, ...], ...]
Block = tuple[int, int, int, int]  # the first and last row, and the first and last column

# Imported where code is generated only: it needs llvmlite's builder.
_GENERATOR = "tapenet.kernels.gemm_code"

# Bits of the exceptions, and factors whose product meets each.
INVALID, _OVERFLOW, _UNDERFLOW = 1, 8, 16


class _Pack:
    """Memory to pack blocks of two factors to."""

    def __init__(self, sizes: tuple[int, int], dtype: np.dtype[Any]) -> None:
        self.sizes = sizes
        self.arrays = [np.empty(n, dtype) for n in sizes]
        self.addresses = [address(x) for x in self.arrays]


class _Packed(_Pack, threading.local):
    """Memory of each thread's own."""


@attrs.frozen(eq=False)
class Gemm:
    """Products of matrices of one dtype.

    Attributes:
        dtype: of both factors and of the result.
        function: the compiled one, of stacks of products.
        address: of the function.
        packed: memory that it packs the factors to, each thread's own.
        library: what holds its code.
        native: the function, as teams call it.
        packs: memory for each part of a team's call, made at its first use.
    """

    dtype: np.dtype[Any]
    function: Any
    address: int
    packed: _Packed
    library: Any
    native: Native
    packs: list[_Pack] = attrs.field(factory=list)

    def fits(self, x: Array, y: Array, out: Array) -> bool:
        """Return whether the memory of matrices, or of stacks of them, can be used as it is."""
        size = self.dtype.itemsize
        return out.strides[-1] == size and not any(s % size for a in (x, y, out) for s in a.strides) and x.shape[-1] > 0

    def __call__(self, x: Array, y: Array, out: Array) -> None:
        """Write the product of x (rows, inner) and y (inner, columns) to `out`, and report exceptions as NumPy does."""
        self.stack(x[None], y[None], out[None])

    def stack(self, x: Array, y: Array, out: Array, *, adds: bool = False) -> None:
        """Write the products of x (count, rows, inner) and y (count, inner, columns) to `out`, or add them to it."""
        self.report(self.function(*self.arguments(x, y, out, self.packed.addresses, adds)))

    def arguments(self, x: Array, y: Array, out: Array, packs: Sequence[int], adds: bool = False) -> tuple[int, ...]:
        """Return what the function takes for stacks of matrices, and for memory to pack the factors to."""
        size = self.dtype.itemsize
        first, first_row, first_column = (s // size for s in x.strides)
        second, second_row, second_column = (s // size for s in y.strides)
        return (
            len(x),
            first,
            second,
            out.strides[0] // size,
            address(x),
            first_row,
            first_column,
            address(y),
            second_row,
            second_column,
            address(out),
            out.strides[1] // size,
            x.shape[1],
            y.shape[2],
            y.shape[1],
            int(adds),
            *packs,
        )

    def step(self, x: Array, y: Array, out: Array) -> Step:
        """Return the step of this thread alone that writes a product of matrices."""
        return (self.native, *self.arguments(x[None], y[None], out[None], self.packed.addresses))

    def planned(self, strides: Strides, inner: int, block: Block, part: int) -> Step:
        """Return the step of a part of a plan that writes a block of a product.

        The first addresses of the plan are those of both factors and of the product.

        Args:
            strides: in bytes, of these three.
            inner: columns of the first factor.
            block: the first and last row, and the first and last column.
            part: its number; the parts have memory of their own to pack the factors to.
        """
        while len(self.packs) <= part:
            self.packs.append(_Pack(self.packed.sizes, self.dtype))
        (first_row, first_column), (second_row, second_column), (row, column) = strides
        top, bottom, left, right = block
        size = self.dtype.itemsize
        return (
            self.native,
            *(1, 0, 0, 0),
            *(At(0, top * first_row), first_row // size, first_column // size),
            *(At(1, left * second_column), second_row // size, second_column // size),
            *(At(2, top * row + left * column), row // size),
            *(bottom - top, right - left, inner, 0),
            *self.packs[part].addresses,
        )

    def report(self, met: int) -> None:
        """Raise the same floating-point exceptions in NumPy: see `report_exceptions`."""
        report_exceptions(self.dtype, met)


def report_exceptions(dtype: np.dtype[Any], met: int) -> None:
    """Raise the floating-point exceptions of sums of products in NumPy, which warns, raises or calls as it is set to.

    Args:
        dtype: of the products.
        met: the flags of the exceptions.
    """
    if not met & (INVALID | _OVERFLOW | _UNDERFLOW):
        return
    largest, least = np.finfo(dtype).max, np.finfo(dtype).tiny
    for bit, x, y in ((INVALID, np.inf, 0.0), (_OVERFLOW, largest, largest), (_UNDERFLOW, least, least)):
        if met & bit:
            np.matmul(np.full((1, 1), x, dtype), np.full((1, 1), y, dtype))


_compiled: dict[str, Gemm | None] = {}


def gemm_for(dtype: np.dtype[Any]) -> Gemm | None:
    """Return the code for products of a dtype; None where NumPy and BLAS make them.

    It is compiled, or loaded from the disk, at its first use.
    """
    if not backends.has_machine_code() or dtype.char not in "fd" or not dtype.isnative:
        return None
    if dtype.char not in _compiled:
        vector_size = _machine_code().processor().vector_size
        cut = Blocking.of(dtype.char, vector_size) if vector_size else None
        _compiled[dtype.char] = None if cut is None else compiled(dtype, cut)
    return _compiled[dtype.char]


def compiled(dtype: np.dtype[Any], cut: Blocking) -> Gemm:
    """Compile the code for products of a dtype, with this blocking."""
    machine_code = _machine_code()
    library = machine_code.compile_module(
        lambda: importlib.import_module(_GENERATOR).gemm_module(dtype.char, cut),
        machine_code.source_of(_GENERATOR, "tapenet.kernels.ir_code"),
        dtype.char,
        repr(cut),
    )
    pointer, length = ctypes.c_void_p, ctypes.c_ssize_t
    kinds = [length] * 4 + [pointer, length, length] * 2 + [pointer] + [length] * 5 + [pointer] * 2
    entry = library.address("gemm_stack")
    function = ctypes.CFUNCTYPE(ctypes.c_int32, *kinds)(entry)
    packed = _Packed(cut.packed_sizes, dtype)
    return Gemm(dtype, function, entry, packed, library, Native(entry, "q" * len(kinds)))


def _machine_code() -> Any:
    # Imported at the first large product: it needs llvmlite, and modules that importing tapenet does not.
    return importlib.import_module("tapenet.kernels.machine_code")
