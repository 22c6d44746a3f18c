"""Where CPython's and NumPy's objects hold what machine code reads of them: it takes a tuple in place of addresses.

Making a list of a thousand addresses in Python takes longer than what is done with small arrays.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
from typing import Any

import numpy as np

# Where the header of an array holds the number of its axes, the address of their lengths, its base, dtype and flags.
AXES, LENGTHS, BASE, DTYPE, FLAGS = 24, 32, 48, 56, 64

# Bytes from the start of an object, in CPython, to the address of an array's elements, a number's value and a tuple's
# first item.
DATA, NUMBER, ITEMS = 16, float.__basicsize__ - 8, tuple.__basicsize__


@functools.cache
def finds_data() -> bool:
    """Return whether the elements of arrays and tuples, and the values of numbers, are where machine code looks."""
    array, number = np.zeros(3), 0.1
    pair = (array, number)
    if int(ctypes.c_void_p.from_address(id(array) + DATA).value or 0) != array.ctypes.data:
        return False
    items = [ctypes.c_void_p.from_address(id(pair) + ITEMS + 8 * i).value for i in range(2)]
    return items == [id(array), id(number)] and ctypes.c_double.from_address(id(number) + NUMBER).value == number


@functools.cache
def finds_headers() -> bool:
    """Return whether the headers of arrays, and the classes of objects, are where machine code looks."""
    if not finds_data() or object.__basicsize__ != DATA:
        return False
    array = np.zeros((3, 5), np.float32)[:2]
    word, narrow = ctypes.c_size_t.from_address, ctypes.c_int32.from_address
    lengths = word(id(array) + LENGTHS).value
    found = (
        word(id(array) + 8).value,
        narrow(id(array) + AXES).value,
        word(id(array) + BASE).value,
        word(id(array) + DTYPE).value,
        narrow(id(array) + FLAGS).value & _KNOWN_FLAGS,
        word(id(np.zeros(2)) + BASE).value,
    )
    if found != (id(np.ndarray), 2, id(array.base), id(array.dtype), _KNOWN_FLAGS, 0):
        return False
    return [word(lengths + 8 * i).value for i in range(2)] == [2, 5]


# C order, aligned and writeable.
_KNOWN_FLAGS = 1 | 256 | 1024


def compile_reader(text: str) -> Any | None:
    """Compile functions that read headers; return the library, or None where machine code does not find them.

    Args:
        text: LLVM's, a template with the places in headers by name. It may call `class_of` an object, and ask whether
            an array `is_own`: in memory of its own, or in that of the pool, whose class of leases it gives.
    """
    # Imported here: it needs llvmlite, and modules that importing tapenet does not.
    machine_code = importlib.import_module("tapenet.kernels.machine_code")
    if not finds_headers() or not machine_code.processor().vector_size:
        return None
    text = (text + _FUNCTIONS).format(items=ITEMS, axes=AXES, lengths=LENGTHS, base=BASE, dtype=DTYPE, flags=FLAGS)
    return machine_code.compile_module(lambda: text, text)


# The class of an object lies behind 8 bytes.
_FUNCTIONS = """
define internal ptr @class_of(ptr %x) alwaysinline {{
  %at = getelementptr i8, ptr %x, i64 8
  %class = load ptr, ptr %at
  ret ptr %class
}}

define internal i1 @is_own(ptr %x, ptr %lease) alwaysinline {{
  %at = getelementptr i8, ptr %x, i64 {base}
  %base = load ptr, ptr %at
  %has.none = icmp eq ptr %base, null
  br i1 %has.none, label %own, label %based
own:
  ret i1 true
based:
  %class = call ptr @class_of(ptr %base)
  %is.lease = icmp eq ptr %class, %lease
  ret i1 %is.lease
}}
"""
