"""Where CPython's and NumPy's objects hold what machine code reads of them: it takes a tuple in place of addresses.

Making a list of a thousand addresses in Python takes longer than what is done with small arrays.
"""

from __future__ import annotations

import ctypes
import functools

import numpy as np

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
