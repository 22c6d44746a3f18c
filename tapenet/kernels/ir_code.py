"""Writing functions in LLVM's intermediate representation: loops, vectors and masks over llvmlite's builder.

Offsets and lengths are 64-bit integers and count elements. Imported where code is generated only, as it needs llvmlite.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from llvmlite import ir

POINTER = ir.PointerType()
SIZE = ir.IntType(64)
INT32 = ir.IntType(32)
BIT = ir.IntType(1)
VOID = ir.VoidType()

FLOATS = {"f": ir.FloatType(), "d": ir.DoubleType()}
SUFFIXES = {"f": "f32", "d": "f64"}


def size(n: int) -> ir.Constant:
    """Return a constant length or offset."""
    return ir.Constant(SIZE, n)


class Vectors:
    """Vectors of one type and length, in one module.

    Attributes:
        char: NumPy's character of the elements' dtype, "f" or "d".
        lanes: how many elements a vector has.
        element: LLVM's type of an element.
        type: LLVM's type of a vector.
        zero: the vector of zeros.
    """

    def __init__(self, module: ir.Module, char: str, lanes: int) -> None:
        self.char, self.lanes, self.element = char, lanes, FLOATS[char]
        self.type = ir.VectorType(self.element, lanes)
        self.zero = ir.Constant(self.type, [0.0] * lanes)
        self._alignment = ir.Constant(INT32, np.dtype(char).itemsize)
        self._masks = ir.VectorType(BIT, lanes)
        name = f"v{lanes}{SUFFIXES[char]}"
        load_type = ir.FunctionType(self.type, [POINTER, INT32, self._masks, self.type])
        store_type = ir.FunctionType(VOID, [self.type, POINTER, INT32, self._masks])
        self._load = declared(module, f"llvm.masked.load.{name}.p0", load_type)
        self._store = declared(module, f"llvm.masked.store.{name}.p0", store_type)
        self._fma = declared(module, f"llvm.fma.{name}", ir.FunctionType(self.type, [self.type] * 3))

    def mask(self, code: ir.IRBuilder, count: Any) -> Any:
        """Return the mask of the first `count` lanes."""
        places = ir.Constant(ir.VectorType(INT32, self.lanes), list(range(self.lanes)))
        return code.icmp_signed("<", places, spread(code, code.trunc(count, INT32), self.lanes))

    def load(self, code: ir.IRBuilder, address: Any, mask: Any = None) -> Any:
        """Load a vector; lanes that are masked out are zero, and their memory is not touched."""
        if mask is not None:
            return code.call(self._load, [address, self._alignment, mask, self.zero])
        loaded = code.load(address, typ=self.type)
        loaded.align = self._alignment.constant
        return loaded

    def store(self, code: ir.IRBuilder, x: Any, address: Any, mask: Any = None) -> None:
        """Store a vector; the memory of lanes that are masked out is not touched."""
        if mask is not None:
            code.call(self._store, [x, address, self._alignment, mask])
        else:
            code.store(x, address).align = self._alignment.constant

    def fma(self, code: ir.IRBuilder, x: Any, y: Any, z: Any) -> Any:
        """Return x * y + z, rounded once."""
        return code.call(self._fma, [x, y, z])

    def at(self, code: ir.IRBuilder, base: Any, offset: Any) -> Any:
        """Return the address of the element that is `offset` elements after `base`."""
        return code.gep(base, [size(offset) if isinstance(offset, int) else offset], source_etype=self.element)

    def transpose(self, code: ir.IRBuilder, rows: Sequence[Any]) -> Sequence[Any]:
        """Transpose as many vectors as a vector has lanes, a power of two, by perfect shuffles of the halves."""
        half, count = len(rows) // 2, self.lanes
        low = [place for i in range(count // 2) for place in (i, count + i)]
        for _ in range(count.bit_length() - 1):
            rows = [
                code.shuffle_vector(rows[i], rows[i + half], indices(places))
                for i in range(half)
                for places in (low, [place + count // 2 for place in low])
            ]
        return rows


def declared(module: ir.Module, name: str, kind: ir.FunctionType) -> ir.Function:
    """Return the function of a name in a module, which is declared at its first use."""
    return module.globals.get(name) or ir.Function(module, kind, name)


def indices(places: Sequence[int]) -> ir.Constant:
    """Return the constant vector that `shuffle_vector` takes."""
    return ir.Constant(ir.VectorType(INT32, len(places)), list(places))


def spread(code: ir.IRBuilder, x: Any, lanes: int) -> Any:
    """Return a vector with a scalar in every lane."""
    undefined = ir.Constant(ir.VectorType(x.type, lanes), ir.Undefined)
    return code.shuffle_vector(
        code.insert_element(undefined, x, ir.Constant(INT32, 0)), undefined, indices([0] * lanes)
    )


def minimum(code: ir.IRBuilder, x: Any, y: Any) -> Any:
    """Return the smaller of two signed integers."""
    return code.select(code.icmp_signed("<", x, y), x, y)


@contextmanager
def loop(code: ir.IRBuilder, start: Any, stop: Any, step: int = 1) -> Iterator[Any]:
    """Write the body of `for i in range(start, stop, step)`, and give i."""
    before, head = code.block, code.append_basic_block()
    body, end = code.append_basic_block(), code.append_basic_block()
    code.branch(head)
    code.position_at_end(head)
    i = code.phi(SIZE)
    i.add_incoming(start, before)
    code.cbranch(code.icmp_signed("<", i, stop), body, end)
    code.position_at_end(body)
    yield i
    i.add_incoming(code.add(i, size(step), flags=("nsw",)), code.block)
    code.branch(head)
    code.position_at_end(end)


# ---- floating-point exceptions ----


# Flags of floating-point exceptions: the six lowest bits of x86's register MXCSR.
EXCEPTIONS = 0x3F


def clear_exceptions(module: ir.Module, code: ir.IRBuilder, control: Any) -> None:
    """Clear the flags of floating-point exceptions that earlier code has set; `control` is memory for the register."""
    kind = ir.FunctionType(VOID, [POINTER])
    code.call(declared(module, "llvm.x86.sse.stmxcsr", kind), [control])
    code.store(code.and_(code.load(control, typ=INT32), ir.Constant(INT32, ~EXCEPTIONS)), control)
    code.call(declared(module, "llvm.x86.sse.ldmxcsr", kind), [control])


def exceptions(module: ir.Module, code: ir.IRBuilder, control: Any) -> Any:
    """Return the flags of floating-point exceptions that were set since."""
    kind = ir.FunctionType(VOID, [POINTER])
    code.call(declared(module, "llvm.x86.sse.stmxcsr", kind), [control])
    return code.and_(code.load(control, typ=INT32), ir.Constant(INT32, EXCEPTIONS))
