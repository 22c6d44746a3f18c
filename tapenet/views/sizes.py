"""Sizes of records: bytes that they keep, and operations on numbers that they stand for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tapenet.core.record import Entry, Kept, Shape, operand_shapes
from tapenet.core.tensor import unwrap_batches

# ---- bytes ----


def kept_arrays(kept: Kept) -> list[Any]:
    """Return the arrays and NumPy scalars that a record keeps."""
    parts = [part for x in kept for part in (x if type(x) is tuple else (x,))]
    return [array for part in parts if isinstance(array := unwrap_batches(part), np.ndarray | np.generic)]


def bytes_of(arrays: Iterable[Any]) -> int:
    """Return the bytes of arrays, each counted once."""
    return sum(array.nbytes for array in {id(array): array for array in arrays}.values())


def output_bytes(entry: Entry) -> int:
    """Return the bytes of what a record computed; 0 for a tuple, whose parts are records."""
    *_, shape, dtype = entry
    return 0 if shape is None else math.prod(shape) * np.dtype(dtype).itemsize


def readable(count: float, unit: str = "B") -> str:
    """Format a number of bytes, or of something else, in three digits and a unit."""
    thousands = 0
    while count >= 999.5 and thousands < 4:
        count /= 1000
        thousands += 1
    return f"{count:.3g} {('', 'k', 'M', 'G', 'T')[thousands]}{unit}".rstrip()


# ---- operations on numbers ----

_Shapes = Sequence[Shape | None]
_Flops = Callable[[_Shapes, Shape, Any], int]

# Operations that only move numbers.
_COSTLESS = frozenset(
    ("watch", "part", "reshape", "transpose", "broadcast_to", "astype", "getitem", "place", "gather", "real", "imag")
    + ("concatenate", "roll", "pad_zeros", "set", "pool_gather", "positive")
)


def _matrix_product(shapes: _Shapes, out: Shape, parameters: Any) -> int:
    return 2 * math.prod(out) * (shapes[0] or (1,))[-1]


def _einsum(shapes: _Shapes, out: Shape, parameters: Any) -> int:
    lengths: dict[str, int] = {
        label: length
        for labels, shape in zip(parameters["labels"], shapes, strict=True)
        for label, length in zip(labels, shape or (), strict=True)
    }
    each: int = math.prod(lengths.values())
    return len(shapes) * each


def _convolution(shapes: _Shapes, out: Shape, parameters: Any) -> int:
    return _sums_of_products(out, shapes[1])


def _convolution_input(shapes: _Shapes, out: Shape, parameters: Any) -> int:
    return _sums_of_products(shapes[0], shapes[1])


def _convolution_kernel(shapes: _Shapes, out: Shape, parameters: Any) -> int:
    return _sums_of_products(shapes[1], out)


def _sums_of_products(image: Shape | None, kernel: Shape | None) -> int:
    """Count one product for each output of a convolution and each weight that leads to it."""
    return 2 * math.prod(image or ()) * math.prod((kernel or ())[:-1])


_BY_NAME: dict[str, _Flops] = {
    "matmul": _matrix_product,
    "einsum": _einsum,
    "conv": _convolution,
    "conv_input": _convolution_input,
    "conv_kernel": _convolution_kernel,
}


def flops(entries: Sequence[Entry], entry: Entry) -> int:
    """About how many additions, multiplications and evaluations of a function a record stands for.

    Matrix products and convolutions are counted exactly, two for each product that is added; for the rest it is the
    number of elements of the output, or of the largest operand where there are more of those.
    """
    primitive, slots, kept, parameters, shape, _ = entry
    if primitive.name in _COSTLESS or shape is None:
        return 0
    shapes = operand_shapes(entries, slots, kept)
    if primitive.name in _BY_NAME:
        return _BY_NAME[primitive.name](shapes, shape, parameters)
    sizes: list[int] = [math.prod(x) for x in (shape, *shapes) if x is not None]
    return max(sizes)
