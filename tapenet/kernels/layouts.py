"""Layouts of many arrays in C order, which machine code compares with those of an earlier call, object by object.

Python takes longer to ask some hundred arrays for their shapes and dtypes, and to look a key of these up, than a step
on small arrays takes.
"""

from __future__ import annotations

import ctypes
import functools
from array import array
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.kernels import backends
from tapenet.kernels.memory import LEASE
from tapenet.kernels.objects import compile_reader

# Objects from which on machine code looks at them.
MANY = 16


@attrs.frozen(eq=False)
class Layout:
    """The shapes and dtypes of arrays in C order, and the classes of numbers among them.

    Attributes:
        count: of objects.
        table: for each object the address of its class; 0, or for an array the address of its dtype, the number of its
            axes and their lengths.
        kept: the classes and dtypes, so that nothing else comes to lie at their addresses.
    """

    count: int
    table: array[int]
    kept: tuple[Any, ...]

    @classmethod
    def of(cls, objects: Sequence[Any]) -> Layout | None:
        """Return the layout of arrays and numbers; None where something else is among them, or there are few.

        Vectors need not be contiguous.
        """
        if len(objects) < MANY or _code() is None:
            return None
        table, kept = array("q"), []
        for x in objects:
            kind = type(x)
            kept.append(kind)
            if kind is np.ndarray and (x.ndim < 2 or x.flags.c_contiguous):
                kept.append(x.dtype)
                table.extend((id(kind), id(x.dtype), x.ndim, *x.shape))
            elif kind in (int, float, complex) or issubclass(kind, np.generic):
                table.extend((id(kind), 0))
            else:
                return None
        return cls(len(objects), table, tuple(kept))

    def fits(self, objects: Sequence[Any]) -> bool:
        """Return whether objects have this layout; False also where an equal dtype is another object."""
        code = _code()
        if code is None or len(objects) != self.count:
            return False
        given = tuple(objects)
        return bool(code.same(id(given), self.count, self.table.buffer_info()[0]))


def are_whole(objects: Sequence[Any]) -> bool:
    """Return whether all arrays among many objects are in C order, own their memory, and may be written."""
    code = _code() if len(objects) >= MANY else None
    if code is None:
        return False
    given = tuple(objects)
    return bool(code.whole(id(given), len(given), id(np.ndarray), id(LEASE)))


@attrs.frozen(eq=False)
class _Code:
    same: Any
    whole: Any
    library: Any


def _code() -> _Code | None:
    return _compiled() if backends.has_machine_code() else None


@functools.cache
def _compiled() -> _Code | None:
    """Return the compiled functions; None where objects are not laid out as they take them."""
    library = compile_reader(_MODULE)
    if library is None:
        return None
    length, pointer = ctypes.c_int64, ctypes.c_void_p
    # PYFUNCTYPE keeps the interpreter's lock: no other thread changes an array meanwhile.
    same = ctypes.PYFUNCTYPE(ctypes.c_int32, pointer, length, pointer)(library.address("same"))
    whole = ctypes.PYFUNCTYPE(ctypes.c_int32, pointer, length, pointer, pointer)(library.address("whole"))
    return _Code(same, whole, library)


# Of the flags 1 is C order, and 1024 writeable.
_MODULE = """
define i32 @same(ptr %tuple, i64 %count, ptr %table) {{
entry:
  %items = getelementptr i8, ptr %tuple, i64 {items}
  br label %look
look:
  %i = phi i64 [ 0, %entry ], [ %i.next, %next ]
  %at = phi ptr [ %table, %entry ], [ %at.next, %next ]
  %more = icmp slt i64 %i, %count
  br i1 %more, label %object, label %fit
object:
  %x.at = getelementptr ptr, ptr %items, i64 %i
  %x = load ptr, ptr %x.at
  %class = call ptr @class_of(ptr %x)
  %class.wanted = load ptr, ptr %at
  %is.class = icmp eq ptr %class, %class.wanted
  br i1 %is.class, label %known, label %differ
known:
  %dtype.wanted.at = getelementptr i64, ptr %at, i64 1
  %dtype.wanted = load ptr, ptr %dtype.wanted.at
  %behind = getelementptr i64, ptr %at, i64 2
  %is.number = icmp eq ptr %dtype.wanted, null
  br i1 %is.number, label %next, label %array
array:
  %dtype.at = getelementptr i8, ptr %x, i64 {dtype}
  %dtype = load ptr, ptr %dtype.at
  %is.dtype = icmp eq ptr %dtype, %dtype.wanted
  %axes.at = getelementptr i8, ptr %x, i64 {axes}
  %axes.narrow = load i32, ptr %axes.at
  %axes = zext i32 %axes.narrow to i64
  %axes.wanted = load i64, ptr %behind
  %is.axes = icmp eq i64 %axes, %axes.wanted
  %is.alike.a = and i1 %is.dtype, %is.axes
  %flags.at = getelementptr i8, ptr %x, i64 {flags}
  %flags = load i32, ptr %flags.at
  %order = and i32 %flags, 1
  %is.ordered = icmp ne i32 %order, 0
  %is.short = icmp ult i64 %axes, 2
  %has.order = or i1 %is.ordered, %is.short
  %is.alike = and i1 %is.alike.a, %has.order
  %lengths.at = getelementptr i8, ptr %x, i64 {lengths}
  %lengths = load ptr, ptr %lengths.at
  %wanted = getelementptr i64, ptr %at, i64 3
  br i1 %is.alike, label %axis, label %differ
axis:
  %a = phi i64 [ 0, %array ], [ %a.next, %length ]
  %more.axes = icmp slt i64 %a, %axes
  br i1 %more.axes, label %length, label %passed
length:
  %length.at = getelementptr i64, ptr %lengths, i64 %a
  %length.own = load i64, ptr %length.at
  %length.wanted.at = getelementptr i64, ptr %wanted, i64 %a
  %length.wanted = load i64, ptr %length.wanted.at
  %is.length = icmp eq i64 %length.own, %length.wanted
  %a.next = add i64 %a, 1
  br i1 %is.length, label %axis, label %differ
passed:
  %after = getelementptr i64, ptr %wanted, i64 %axes
  br label %next
next:
  %at.next = phi ptr [ %behind, %known ], [ %after, %passed ]
  %i.next = add i64 %i, 1
  br label %look
fit:
  ret i32 1
differ:
  ret i32 0
}}

define i32 @whole(ptr %tuple, i64 %count, ptr %class, ptr %lease) {{
entry:
  %items = getelementptr i8, ptr %tuple, i64 {items}
  br label %look
look:
  %i = phi i64 [ 0, %entry ], [ %i.next, %next ]
  %more = icmp slt i64 %i, %count
  br i1 %more, label %object, label %fit
object:
  %x.at = getelementptr ptr, ptr %items, i64 %i
  %x = load ptr, ptr %x.at
  %x.class = call ptr @class_of(ptr %x)
  %is.array = icmp eq ptr %x.class, %class
  br i1 %is.array, label %array, label %next
array:
  %flags.at = getelementptr i8, ptr %x, i64 {flags}
  %flags = load i32, ptr %flags.at
  %writes = and i32 %flags, 1025
  %may.write = icmp eq i32 %writes, 1025
  br i1 %may.write, label %owner, label %differ
owner:
  %is.own = call i1 @is_own(ptr %x, ptr %lease)
  br i1 %is.own, label %next, label %differ
next:
  %i.next = add i64 %i, 1
  br label %look
fit:
  ret i32 1
differ:
  ret i32 0
}}
"""
