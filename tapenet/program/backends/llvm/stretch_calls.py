"""The Python functions of stretches, and of transforms whose lines threads share."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Collection
from typing import Any

import attrs
import numpy as np

from tapenet.kernels.gemm import gemm_for
from tapenet.kernels.machine_code import Library, compile_module
from tapenet.kernels.memory import empty
from tapenet.kernels.threads import share
from tapenet.program.backends.llvm.fourier_code import Part, parts_of
from tapenet.program.backends.llvm.step_calls import Call
from tapenet.program.backends.llvm.stretch_code import StretchCode
from tapenet.program.backends.llvm.stretch_runner import FAR, runner_text
from tapenet.program.fusion.stretches import Stretch
from tapenet.program.fusion.transforms import Transform
from tapenet.program.instructions import Program

# Multiplications and elements beyond which a stretch runs without the interpreter's lock: as long as a lock's turn.
LONG = 2**22


@functools.cache
def _runner() -> Library:
    text = runner_text()
    return compile_module(lambda: text, text)


def stretch_function(
    code: StretchCode, stretch: Stretch, library: Library | None, program: Program, contiguous: Collection[int]
) -> Callable[..., Any]:
    """Return the Python function that runs a stretch; where an argument is out of a kernel's range, NumPy's."""
    gemms = {char: gemm for char in code.chars if (gemm := gemm_for(np.dtype(char))) is not None}
    known = {f"gemm {char}": gemm.address for char, gemm in gemms.items()}
    for word in code.words:
        if isinstance(word, str) and word not in known:
            assert library is not None
            known[word] = library.address(word)
    table = np.array([known[word] if isinstance(word, str) else word for word in code.words], np.int64)
    prototype = ctypes.CFUNCTYPE if code.work >= LONG else ctypes.PYFUNCTYPE
    address = ctypes.c_void_p
    kinds = (address, ctypes.py_object, address, address, address, address)
    run = prototype(ctypes.c_int32, *kinds)(_runner().address("run"))
    call = Call(stretch, program, {"run": run, "empty": empty, "bytes_": np.dtype(np.uint8)})
    call.names.update({"kept": (library, table), "table": table.ctypes.data})
    lines = call.beginning(code.operands, contiguous)
    lines += [f"    arena = empty(({code.size},), bytes_)"]
    for char, gemm in gemms.items():
        call.names.update({f"gemm_{char}": gemm, f"packed_{char}": gemm.packed})
        lines.append(f"    pack_{char}, other_{char} = packed_{char}.addresses")
    packs = ", ".join(f"pack_{char}, other_{char}" if char in gemms else "None, None" for char in "fd")
    lines += [f"    met = run(table, (arena, {call.values(code.operands, code.scalars)}), {packs})"]
    lines += [f"    again = met >= {FAR} and is_to_be_repeated(met // {FAR}, states)"]
    lines += ["    if met and not again:"] * bool(gemms)
    lines += [f"        gemm_{char}.report(met)" for char in gemms]
    return call.function([*lines, "    if again:"])


@attrs.frozen(eq=False)
class SharedTransform:
    """The Python function of a transform whose lines threads share.

    Attributes:
        transform: what it computes.
        library: holds its code.
    """

    transform: Transform
    library: Library

    @functools.cached_property
    def parts(self) -> list[tuple[Part, Callable[..., None]]]:
        """The transforms along one axis, and their functions."""
        made = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64, ctypes.c_int64)
        return [(part, made(self.library.address(part.name))) for part in parts_of(self.transform)]

    def __call__(self, x: Any) -> Any:
        shape, dtype = self.transform.made
        arrays = [empty(shape, dtype), np.ascontiguousarray(x)]
        arrays += [empty(shape, dtype)] * (len(self.parts) > 1)
        places = [array.ctypes.data for array in arrays]
        for part, run in self.parts:
            work = functools.partial(_run_blocks, run, places[part.target], places[part.source], part.scratch)
            share(work, part.blocks, 2 * self.transform.size)
        return arrays[0]


def _run_blocks(run: Callable[..., None], target: int, source: int, size: int, blocks: slice) -> None:
    scratch = np.empty(max(size, 1), np.uint8)
    run(target, source, scratch.ctypes.data, blocks.start, blocks.stop)
