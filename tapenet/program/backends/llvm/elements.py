"""What the elements of values are, and what an elementwise operation computes in, for kernels.

A kernel has one floating precision. Beside its numbers of that precision it holds truth values, integers of 32 and 64
bits, and complex numbers of two parts.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core.record import Shape
from tapenet.ops.arrays.indices import ARRAY
from tapenet.program.fusion.regions import whole_reads
from tapenet.program.instructions import Instruction, Program

# Of a dtype that kernels hold, the character of its floating precision; empty where it has none.
_PRECISIONS = {"f": "f", "d": "d", "F": "f", "D": "d", "?": ""}
_NUMBERS: dict[Any, Any] = {"b": True, "i": 1, "f": 1.0, "c": 1j}
_PYTHON_S = frozenset({bool, int, float, complex})
_OF_COMPLEX = frozenset({"real", "imag"})


@functools.cache
def precision_of(dtype: np.dtype[Any]) -> str | None:
    """Return the character of a dtype's floating precision, empty for integers and truth values; None for others."""
    if not dtype.isnative:
        return None
    return "" if dtype.kind == "i" and dtype.itemsize in (4, 8) else _PRECISIONS.get(dtype.char)


def computed_in(program: Program, instruction: Instruction) -> np.dtype[Any] | None:
    """Return the dtype that an elementwise operation converts its operands to; None where NumPy raises."""
    out = program.spaces[instruction.out].dtype
    name = instruction.name
    if out is None or name in ("astype", "gather"):
        return out
    operands = instruction.operands[:1] if name == "subgradient" else instruction.operands
    if name in _OF_COMPLEX or out.kind == "b":
        try:
            return np.result_type(*(_sample(program, n) for n in operands))
        except (OverflowError, TypeError):
            return None
    return out


def _sample(program: Program, number: int) -> Any:
    """Return what stands for a value among operands: a dtype, or a Python number, which takes on that of arrays."""
    constant, space = program.constants.get(number), program.spaces[number]
    if type(constant) in _PYTHON_S:
        return constant
    if space.is_number and space.dtype is not None:
        return _NUMBERS[space.dtype.kind]
    return space.dtype


def elementwise_reads(instruction: Instruction) -> tuple[int, ...]:
    """Return the operands that an operation reads element by element."""
    return instruction.operands[len(whole_reads(instruction)) :]


def can_convert(program: Program, number: int, dtype: np.dtype[Any], is_cast: bool = False) -> bool:
    """Return whether a kernel can convert a value to a dtype.

    Args:
        is_cast: whether floats may become integers.
    """
    constant, space = program.constants.get(number), program.spaces[number]
    if space.dtype is dtype and space.shape:
        return True
    if type(constant) is int and dtype.kind == "i":
        return int(np.iinfo(dtype).min) <= constant <= int(np.iinfo(dtype).max)
    own = np.dtype(type(constant)) if type(constant) in _PYTHON_S else space.dtype
    if own is None or own.kind not in _RANKS or dtype.kind not in _RANKS:
        return False
    is_passed = constant is None and not space.shape  # as a float64
    if is_passed and (own.kind == "c" or dtype.kind == "i" or (own.kind == "i" and not space.is_number)):
        return False
    if is_cast and (own.kind, dtype.kind) == ("f", "i"):
        return True
    return _RANKS[own.kind] <= _RANKS[dtype.kind] and (dtype.kind != "i" or own.itemsize <= dtype.itemsize)


_RANKS = {"b": 0, "i": 1, "f": 2, "c": 3}


# Elements of an array of which others are read by index, and how many times as many as of the others.
_LARGE_SOURCE, _LARGER = 2**16, 4


def is_gather(program: Program, instruction: Instruction) -> bool:
    """Return whether an operation reads elements of an array, each at a place of its own, by arrays of integers."""
    if instruction.name != "gather":
        return False
    source, *arrays = (program.spaces[n] for n in instruction.operands)
    out, index = program.spaces[instruction.out], instruction.parameters["index"]
    shape: Shape = source.shape or ()
    is_plain = len(index) == len(shape) and all(part is ARRAY or type(part) is int for part in index)
    if not is_plain or not source.is_array or 0 in shape or source.dtype is None:
        return False
    if not all(-n <= part < n for part, n in zip(index, shape, strict=True) if type(part) is int):
        return False
    if math.prod(shape) > _LARGE_SOURCE + _LARGER * math.prod(out.shape or ()):
        return False  # it would be copied where it does not lie in C order
    integers = all(x.dtype is not None and x.dtype.kind == "i" and x.shape for x in arrays)
    return integers and source.dtype == out.dtype and bool(source.dtype.kind != "b")


def precisions(program: Program, instruction: Instruction) -> set[str | None]:
    """Return the floating precisions of what an operation reads, computes in and makes; None is one of no kernel."""
    spaces, constants = program.spaces, program.constants
    dtypes = {computed_in(program, instruction), spaces[instruction.out].dtype}
    for number in instruction.operands:
        if not spaces[number].is_number and type(constants.get(number)) not in _PYTHON_S:
            dtypes.add(spaces[number].dtype)
    return {None if dtype is None else precision_of(dtype) for dtype in dtypes} - {""}


def shapes_of(program: Program, numbers: Sequence[int]) -> list[Shape]:
    """Return the shapes of values."""
    return [program.shape_of(n) for n in numbers]
