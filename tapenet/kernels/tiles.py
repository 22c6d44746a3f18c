"""Winograd's transforms by generated code, which LLVM compiles for this processor.

NumPy takes a pass over memory for each addition; this code reads and writes each tile once. It is for float32 and
float64, on processors with AVX2 or AVX-512.
"""

from __future__ import annotations

import ctypes
import importlib
from typing import Any

import attrs
import numpy as np

from tapenet.core.array_types import Array
from tapenet.kernels import backends

# Imported where code is generated only: it needs llvmlite's builder.
_GENERATOR = "tapenet.kernels.winograd_code"


@attrs.frozen(eq=False)
class Transforms:
    """The transforms of one dtype, on arrays in C order; those of columns, on arrays whose last axis is contiguous.

    Attributes:
        functions: the compiled ones, by name.
        library: what holds their code.
    """

    functions: dict[str, Any]
    library: Any

    def inputs(self, x: Array, before: tuple[int, int], planes: Array) -> None:
        """Write B^T d B of each tile of x (N, H, W, C), padded by `before`, to planes (4, 4, N, rows, columns, C)."""
        self._call("inputs", x, before, planes, np.zeros(x.shape[3], x.dtype))

    def cotangents(self, t: Array, planes: Array) -> None:
        """Write A t A^T of each tile of t (N, OH, OW, O) to planes."""
        self._call("cotangents", t, (0, 0), planes, np.zeros(t.shape[3], t.dtype))

    def outputs(self, planes: Array, y: Array) -> None:
        """Write A^T p A of each tile of planes to y (N, OH, OW, O)."""
        self._call("outputs", y, (0, 0), planes, np.empty(y.shape[3], y.dtype))

    def columns(self, name: str, x: Array, out: Array, part: slice) -> None:
        """Map rows of kernels (9, rows, columns), by `kernel` or `turned`, or of cotangents (16, rows, columns)."""
        (x_plane, x_row, _), (plane, row, _) = ([s // a.itemsize for s in a.strides] for a in (x, out))
        distances = x_plane, plane, x_row, row
        self.functions[name](x.ctypes.data, out.ctypes.data, *distances, x.shape[2], part.start, part.stop)

    def _call(self, name: str, images: Array, before: tuple[int, int], planes: Array, spare: Array) -> None:
        count, height, width, channels = images.shape
        rows, columns = planes.shape[3:5]
        plane = planes.strides[1] // planes.itemsize
        self.functions[name](
            *(x.ctypes.data for x in (images, planes, spare)),
            *(height, width, channels, *before, rows, columns, plane, 0, count),
        )


_compiled: dict[str, Transforms | None] = {}


def transforms_for(*arrays: Array) -> Transforms | None:
    """Return the transforms for arrays of one dtype in C order; None where NumPy computes them.

    They are compiled, or loaded from the disk, at their first use.
    """
    char = arrays[0].dtype.char
    if not backends.has_machine_code() or char not in "fd":
        return None
    if not all(x.dtype.char == char and x.dtype.isnative and x.flags.c_contiguous for x in arrays):
        return None
    if char not in _compiled:
        # Imported at the first large convolution: it needs llvmlite.
        machine_code = importlib.import_module("tapenet.kernels.machine_code")
        vector_size = machine_code.processor().vector_size
        _compiled[char] = _transforms(machine_code, char, vector_size) if vector_size else None
    return _compiled[char]


def _transforms(machine_code: Any, char: str, vector_size: int) -> Transforms:
    lanes = vector_size // np.dtype(char).itemsize
    library = machine_code.compile_module(
        lambda: importlib.import_module(_GENERATOR).winograd_module(char, lanes),
        machine_code.source_of(_GENERATOR, "tapenet.kernels.ir_code"),
        char,
        str(lanes),
    )
    pointer, length = ctypes.c_void_p, ctypes.c_ssize_t
    of_tiles = ctypes.CFUNCTYPE(None, *[pointer] * 3, *[length] * 10)
    of_columns = ctypes.CFUNCTYPE(None, *[pointer] * 2, *[length] * 7)
    functions = {name: of_tiles(library.address(name)) for name in ("inputs", "cotangents", "outputs")}
    functions |= {name: of_columns(library.address(name)) for name in ("kernel", "turned", "kernel_cotangent")}
    return Transforms(functions, library)
