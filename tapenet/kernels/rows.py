"""Rows of arrays that go together, such as a parameter, its gradient and what an optimizer remembers of it.

Whether they fit is read off the objects by machine code: asking Python for the class, dtype, shape and flags of each of
some hundred arrays takes longer than computing with them, if they are small.
"""

from __future__ import annotations

import ctypes
import functools
from array import array
from typing import Any

import attrs
import numpy as np

from tapenet.kernels import backends
from tapenet.kernels.memory import LEASE
from tapenet.kernels.objects import compile_reader

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


@attrs.frozen(eq=False)
class Rows:
    """Rows of plain arrays in C order: all of one dtype, and each row of one shape.

    Attributes:
        arrays: of all rows, one after the other.
        width: how many make a row.
        dtype: float32 or float64.
        sizes: of the arrays of each row.
        total: the sum of the sizes.
        is_own: whether each is in memory of its own, and all but the gradients, the second of each row, may be written.
    """

    arrays: tuple[Any, ...]
    width: int
    dtype: np.dtype[Any]
    sizes: array[int]
    total: int
    is_own: bool


def rows_of(arrays: tuple[Any, ...], width: int) -> Rows | None:
    """Return arrays as rows; None where they are not such, or nothing reads it off them quickly."""
    if not arrays or type(arrays[0]) is not np.ndarray or not backends.has_machine_code():
        return None
    dtype = arrays[0].dtype
    survey = _survey() if dtype is SINGLE or dtype is DOUBLE else None
    if survey is None:
        return None
    count = len(arrays) // width
    sizes = array("q", bytes(8 * count))
    read, _ = survey
    found = read(id(arrays), count, width, sizes.buffer_info()[0], id(np.ndarray), id(dtype), id(LEASE))
    if not found & _ALIKE:
        return None
    is_own = bool(found & _OWN) and len({*map(id, arrays)}) == len(arrays)
    return Rows(arrays, width, dtype, sizes, sum(sizes), is_own)


_ALIKE, _OWN = 1, 2


@functools.cache
def _survey() -> tuple[Any, Any] | None:
    """Return the compiled function and what holds it; None where objects are not laid out as it takes them."""
    library = compile_reader(_MODULE)
    if library is None:
        return None
    length, pointer = ctypes.c_int64, ctypes.c_void_p
    # PYFUNCTYPE keeps the interpreter's lock: no other thread changes an array meanwhile.
    kind = ctypes.PYFUNCTYPE(ctypes.c_int32, pointer, length, length, pointer, pointer, pointer, pointer)
    return kind(library.address("survey")), library


# Of the flags 1 is C order, 256 aligned, and 1024 writeable.
_MODULE = """
define i32 @survey(
  ptr %tuple, i64 %rows, i64 %width, ptr %sizes, ptr %class, ptr %dtype, ptr %lease
) {{
entry:
  %items = getelementptr i8, ptr %tuple, i64 {items}
  br label %row
row:
  %r = phi i64 [ 0, %entry ], [ %r.next, %row.done ]
  %own = phi i32 [ 2, %entry ], [ %own.row, %row.done ]
  %more.rows = icmp slt i64 %r, %rows
  br i1 %more.rows, label %first, label %end
first:
  %place = mul i64 %r, %width
  %line = getelementptr ptr, ptr %items, i64 %place
  %model = load ptr, ptr %line
  %model.nd.at = getelementptr i8, ptr %model, i64 {axes}
  %model.dims.at = getelementptr i8, ptr %model, i64 {lengths}
  br label %column
column:
  %c = phi i64 [ 0, %first ], [ %c.next, %column.done ]
  %own.row = phi i32 [ %own, %first ], [ %own.next, %column.done ]
  %more.columns = icmp slt i64 %c, %width
  br i1 %more.columns, label %object, label %row.done
object:
  %x.at = getelementptr ptr, ptr %line, i64 %c
  %x = load ptr, ptr %x.at
  %x.class = call ptr @class_of(ptr %x)
  %is.array = icmp eq ptr %x.class, %class
  br i1 %is.array, label %plain, label %differ
plain:
  %x.dtype.at = getelementptr i8, ptr %x, i64 {dtype}
  %x.dtype = load ptr, ptr %x.dtype.at
  %is.dtype = icmp eq ptr %x.dtype, %dtype
  %x.flags.at = getelementptr i8, ptr %x, i64 {flags}
  %x.flags = load i32, ptr %x.flags.at
  %x.order = and i32 %x.flags, 257
  %is.ordered = icmp eq i32 %x.order, 257
  %model.nd = load i32, ptr %model.nd.at
  %x.nd.at = getelementptr i8, ptr %x, i64 {axes}
  %x.nd = load i32, ptr %x.nd.at
  %is.nd = icmp eq i32 %x.nd, %model.nd
  %fits.a = and i1 %is.dtype, %is.ordered
  %fits = and i1 %fits.a, %is.nd
  br i1 %fits, label %may, label %differ
may:
  %is.own = call i1 @is_own(ptr %x, ptr %lease)
  %x.writes = and i32 %x.flags, 1024
  %may.write = icmp ne i32 %x.writes, 0
  %is.gradient = icmp eq i64 %c, 1
  %is.written = or i1 %may.write, %is.gradient
  %is.kept = and i1 %is.own, %is.written
  %own.next = select i1 %is.kept, i32 %own.row, i32 0
  %model.dims = load ptr, ptr %model.dims.at
  %x.dims.at = getelementptr i8, ptr %x, i64 {lengths}
  %x.dims = load ptr, ptr %x.dims.at
  %axes = zext i32 %model.nd to i64
  br label %axis
axis:
  %a = phi i64 [ 0, %may ], [ %a.next, %length ]
  %size = phi i64 [ 1, %may ], [ %size.next, %length ]
  %more.axes = icmp slt i64 %a, %axes
  br i1 %more.axes, label %length, label %column.done
length:
  %model.length.at = getelementptr i64, ptr %model.dims, i64 %a
  %model.length = load i64, ptr %model.length.at
  %x.length.at = getelementptr i64, ptr %x.dims, i64 %a
  %x.length = load i64, ptr %x.length.at
  %size.next = mul i64 %size, %x.length
  %a.next = add i64 %a, 1
  %is.length = icmp eq i64 %x.length, %model.length
  br i1 %is.length, label %axis, label %differ
column.done:
  %size.at = getelementptr i64, ptr %sizes, i64 %r
  store i64 %size, ptr %size.at
  %c.next = add i64 %c, 1
  br label %column
row.done:
  %r.next = add i64 %r, 1
  br label %row
end:
  %found = or i32 %own, 1
  ret i32 %found
differ:
  ret i32 0
}}
"""
