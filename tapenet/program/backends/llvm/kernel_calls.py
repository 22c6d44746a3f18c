"""The Python functions of steps that one kernel computes: regions, cells, and regions that close with reductions."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from tapenet.kernels.machine_code import Library
from tapenet.kernels.memory import LARGE, empty
from tapenet.kernels.teams import Native, shared
from tapenet.program.backends.llvm.kernel_code import (
    MET,
    Kernel,
)
from tapenet.program.backends.llvm.step_calls import Call
from tapenet.program.fusion.cells import Cells
from tapenet.program.fusion.reducing import CHUNK, Reduced, finisher, shape_of_chunks
from tapenet.program.fusion.regions import Region
from tapenet.program.instructions import Program

# Bytes read and written by a kernel beyond which it may be shared by threads, and lies in memory that is used again.
SHARED = 2**20


def touched_bytes(kernel: Kernel, step: Region | Cells, program: Program) -> int:
    """Return how many bytes a kernel reads and writes."""
    return sum(program.spaces[n].nbytes for n in (*kernel.operands, *step.outputs))


def _call_of_kernel(
    step: Region | Reduced | Cells, program: Program, library: Library, name: str, touched: int
) -> Call:
    """Begin the Python function of a step that one kernel computes, which touches so many bytes."""
    is_large = touched >= SHARED
    address = library.address(f"{name}.entry")
    # With the interpreter's lock where releasing it takes longer than the kernel.
    prototype = ctypes.CFUNCTYPE if is_large else ctypes.PYFUNCTYPE
    run = prototype(ctypes.c_int32, ctypes.py_object, *(ctypes.c_int64,) * 4)(address)
    # NumPy's own memory of such sizes is new each time, and its first touch takes longer than the kernel.
    is_kept = is_large or any(program.spaces[n].nbytes >= LARGE for n in step.outputs)
    names = {"run": run, "library": library, "empty": empty if is_kept else np.empty}
    shares = {"native": Native(address, "qqqqq"), "shared": shared} if is_large else {}
    return Call(step, program, names | shares)


def _run_of_kernel(kernel: Kernel, touched: int, part: str, count: int) -> list[str]:
    """Return the lines that run a kernel on `values`, and name what it returns `met`.

    Args:
        touched: bytes that it reads and writes.
        part: the bounds of a part of the rows, or of the columns of a single one, in terms of `part`.
        count: of what threads share.
    """
    if touched < SHARED:
        return [f"    met = run(values, 0, {kernel.rows}, 0, {kernel.columns})"]
    place = f"{part}, 0, {kernel.columns}" if kernel.rows > 1 else f"0, 1, {part}"
    return [
        f"    met = shared(lambda part: (native, id(values), {place}), lambda part: run(values, {place}),",
        f"        {count}, {touched})",
    ]


def called(
    kernel: Kernel, library: Library, name: str, step: Region | Cells, program: Program, contiguous: Collection[int]
) -> Callable[..., Any]:
    """Return the Python function that calls a kernel; where an argument is out of its range, NumPy's."""
    touched = touched_bytes(kernel, step, program)
    call = _call_of_kernel(step, program, library, name, touched)
    lines = call.beginning(kernel.operands, contiguous)
    lines.append(f"    values = ({call.values(kernel.operands, kernel.scalars)})")
    lines += _run_of_kernel(
        kernel, touched, "part.start, part.stop", kernel.rows if kernel.rows > 1 else kernel.columns
    )
    return call.function([*lines, f"    if met and is_to_be_repeated(met // {MET}, states):"])


def reducing(
    kernel: Kernel, library: Library, name: str, step: Reduced, program: Program, contiguous: Collection[int]
) -> Callable[..., Any]:
    """Return the Python function of a region that closes with reductions."""
    size = math.prod(program.shape_of(step.reduced[0][0]))
    touched = size * np.dtype(kernel.char).itemsize * (len(kernel.operands) + kernel.results)
    call = _call_of_kernel(step, program, library, name, touched)
    lines = call.beginning(kernel.operands, contiguous, step.region.outputs)
    call.names["char"] = np.dtype(kernel.char)
    parts = [f"c{i}" for i in range(len(step.reductions))]
    for part, reduction in zip(parts, step.reductions, strict=True):
        shape = shape_of_chunks(reduction, kernel.rows, kernel.columns, kernel.lanes, step.joined)
        lines.append(f"    {part} = empty({shape}, char)")
    arrays = [*(call.own[n] for n in (*kernel.operands, *step.region.outputs)), *parts]
    values = (*arrays, *(f"float({call.own[n]})" for n in kernel.scalars))
    lines.append(f"    values = ({', '.join(values)},)")
    # Threads take whole chunks.
    length, most = CHUNK * kernel.lanes, kernel.columns
    if kernel.rows > 1:
        length, most = step.height or 1, kernel.rows
        length = CHUNK if length == most else length
    part = f"part.start * {length}, min(part.stop * {length}, {most})"
    lines += _run_of_kernel(kernel, touched, part, -(-most // length))
    lines.append(f"    again = met and is_to_be_repeated(met // {MET}, states)")
    for i, reduction in enumerate(step.reductions):
        call.names[f"finished{i}"] = finisher(reduction, program)
        lines.append(f"    {call.own[reduction.instruction.out]} = again or finished{i}(c{i})")
    return call.function([*lines, "    if again:"])
