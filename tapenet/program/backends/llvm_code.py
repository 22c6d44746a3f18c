"""The back end that LLVM compiles: regions of elementwise operations, and stretches of them with small products.

Kernels are machine code for this processor, kept on disk. What is not elementwise, large products, and everything
around, is as in `numpy_code`.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.packages import import_package
from tapenet.kernels.gemm import gemm_for
from tapenet.kernels.machine_code import PASSES, Library, compile_module, processor
from tapenet.kernels.memory import LARGE, empty
from tapenet.kernels.objects import finds_data
from tapenet.kernels.teams import Native, shared
from tapenet.kernels.threads import share
from tapenet.program.backends import numpy_code
from tapenet.program.backends.llvm.closed_code import closed_code
from tapenet.program.backends.llvm.fourier_code import Part, parts_of
from tapenet.program.backends.llvm.kernel_code import (
    MET,
    Kernel,
    can_join,
    is_known_elementwise,
    is_worth,
    kernel_of,
    module_of,
    panel_name,
    shape_of,
)
from tapenet.program.backends.llvm.panel_calls import kernel_along, panels_function
from tapenet.program.backends.llvm.step_calls import AnyCompiled, Call, by_numpy
from tapenet.program.backends.llvm.stretch_code import StretchCode, code_of, texts_of
from tapenet.program.backends.llvm.stretch_runner import FAR, runner_text
from tapenet.program.backends.numpy_code import Run
from tapenet.program.fusion.cells import AnyStep, Cells, with_cells
from tapenet.program.fusion.closing import Closed, opened, with_closed_products
from tapenet.program.fusion.formulas import with_formulas
from tapenet.program.fusion.moments import with_sums_of_squares
from tapenet.program.fusion.panels import Panels, with_panels
from tapenet.program.fusion.reducing import CHUNK, Reduced, can_wait, finisher, shape_of_chunks, with_reductions
from tapenet.program.fusion.regions import Region, whole_reads
from tapenet.program.fusion.stretches import PRODUCTS, Stretch, in_stretches
from tapenet.program.fusion.transforms import Transform
from tapenet.program.instructions import Instruction, Program

# Bytes read and written by a kernel beyond which it may be shared by threads, and lies in memory that is used again.
SHARED = 2**20

# Multiplications and elements beyond which a stretch runs without the interpreter's lock: as long as a lock's turn.
LONG = 2**22


def compiled(program: Program, donated: frozenset[int] = frozenset()) -> Run:
    """Return the function of a program's inputs, with regions and stretches compiled by LLVM.

    Raises:
        MissingPackageError: llvmlite is not installed.
    """
    check_installed()
    if not finds_data():
        return numpy_code.compiled(program, donated)
    program = with_formulas(with_sums_of_squares(program))
    code = _Code.of(opened(program, functools.partial(can_join, program)))
    return numpy_code.code_of(code.program, code.steps, code.function, donated)


def check_installed() -> None:
    """Raise where the compiler is missing."""
    import_package("llvmlite.binding", "compile with backend='llvm'")


def steps_of(program: Program, can_compute: Callable[[Cells], bool] = lambda cells: False) -> list[AnyStep]:
    """Return the instructions of a program, with those that kernels compute in regions and cells.

    Args:
        can_compute: whether machine code computes cells.
    """
    joins, waits = functools.partial(can_join, program), functools.partial(can_wait, program=program)
    return with_cells(program, joins, waits, functools.partial(is_known_elementwise, program), can_compute)


@attrs.define(eq=False)
class _Code:
    """The machine code of a program.

    Attributes:
        program: what it computes.
        steps: its instructions, regions and stretches.
        kernels: by the identity of the region, of those that have one.
        names: of kernels, by their texts.
        stretches: by the identity of the stretch.
        library: the kernels; None without any.
        contiguous: the values that machine code makes, which lie in C order.
    """

    program: Program
    steps: Sequence[Instruction | AnyCompiled]
    kernels: Mapping[int, Kernel]
    names: dict[str, str] = attrs.field(factory=dict)
    stretches: dict[int, StretchCode] = attrs.field(factory=dict)
    library: Library | None = None
    contiguous: Collection[int] = frozenset()

    @classmethod
    def of(cls, program: Program) -> _Code:
        """Compile what can be compiled."""
        kernels: dict[int, Kernel] = {}

        def can_compute(cells: Cells) -> bool:
            kernel = kernel_of(cells.region, cells.program, sources=cells.sources, results=cells.results)
            if kernel is not None:
                kernels[id(cells.region)] = kernel
            return kernel is not None

        steps = steps_of(program, can_compute)
        found = ((id(step), kernel_of(step, program)) for step in steps if isinstance(step, Region))
        kernels |= {key: kernel for key, kernel in found if kernel is not None}

        cuts = _Cuts(program)

        def fits(region: Region) -> bool:
            kernel = kernels.get(id(region))
            return kernel is not None and _touched(kernel, region, program) < SHARED

        def can_close(product: Instruction, region: Region) -> bool:
            dtype = program.spaces[product.out].dtype
            is_ours = product.name != "matmul" or (dtype is not None and gemm_for(dtype) is not None)
            if not is_ours or not _reads_places(region, product.out, program):
                return False
            by_rows = kernel_of(region, program, keeps_rows=True)
            if by_rows is not None:
                kernels[id(region)] = by_rows
            return by_rows is not None

        def can_reduce(reduced: Reduced) -> bool:
            kernel = kernel_of(
                reduced.region, program, reduced=reduced.reduced, cut=reduced.split, joined=reduced.joined
            )
            if kernel is not None:
                kernels[id(reduced.region)] = kernel
            return kernel is not None

        joined = with_panels(steps, program, cuts.are_known) if processor().vector_size else steps
        stretched = in_stretches(joined, program, fits, _makes_products(steps, program))
        closed = with_closed_products(stretched, program, can_close)
        code = cls(program, with_reductions(closed, program, can_reduce), kernels)
        for panels in [step for step in code.steps if isinstance(step, Panels)]:
            kernels |= {id(region): cuts.of(region, panels.length) for region in panels.regions}
        code._compile(is_alone=lambda region: id(region) in kernels and is_worth(region, program))
        return code

    def _compile(self, is_alone: Callable[[Region], bool]) -> None:
        closed = [step.region for step in self.steps if isinstance(step, Closed | Reduced | Cells)]
        alone = [*closed, *(step for step in self.steps if isinstance(step, Region) and is_alone(step))]
        joined = [step for step in self.steps if isinstance(step, Stretch)]
        parts = [part for stretch in joined for part in stretch.steps if isinstance(part, Region)]
        panels = [step for step in self.steps if isinstance(step, Panels)]
        cut = [region for step in panels for region in step.regions]
        entries, steps, in_panels = ([self.kernels[id(region)] for region in own] for own in (alone, parts, cut))
        if not alone and not joined and not panels:
            return
        texts = dict.fromkeys(kernel.text for kernel in (*entries, *steps, *in_panels))
        self.names |= {text: f"kernel{i}" for i, text in enumerate(texts)}
        for stretch in joined:
            self.stretches[id(stretch)] = code_of(stretch, self.program, self.kernels, self.names)
        others, declared = texts_of([x for code in self.stretches.values() for x in code.functions])
        if texts or others:
            module = module_of(self.names, entries, steps, in_panels, others, declared)
            self.library = _library(module, PASSES if others else "")
        cells = [step for step in self.steps if isinstance(step, Cells)]
        made: list[Region | Stretch | Panels | Cells] = [*alone, *joined, *panels, *cells]
        self.contiguous = {n for step in made for n in step.outputs}
        self.kernels = {id(region): self.kernels[id(region)] for region in (*alone, *cut)}

    def function(self, step: AnyCompiled, program: Program) -> Callable[..., Any] | None:
        """Return the Python function of a step that is compiled."""
        if isinstance(step, Reduced):
            assert self.library is not None
            kernel = self.kernels[id(step.region)]
            return _reducing(kernel, self.library, self.names[kernel.text], step, program, self.contiguous)
        if isinstance(step, Closed):
            assert self.library is not None
            kernel = self.kernels[id(step.region)]
            name, reference = self.names[kernel.text], by_numpy(step, program)
            return closed_code(step, program, kernel, self.library, name, self.contiguous, reference)
        if isinstance(step, Panels):
            own = [self.kernels[id(region)] for region in step.regions]
            names = [panel_name(kernel, self.names[kernel.text]) for kernel in own]
            return panels_function(step, program, own, names, self.library, self.contiguous)
        if isinstance(step, Stretch):
            code = self.stretches[id(step)]
            first = code.functions[0] if code.functions else None
            if isinstance(first, Transform) and first.is_alone:
                assert self.library is not None
                return _SharedTransform(first, self.library)
            return _stretch_function(code, step, self.library, program, self.contiguous)
        region = step.region if isinstance(step, Cells) else step
        if id(region) not in self.kernels or self.library is None:
            return None
        kernel = self.kernels[id(region)]
        return _called(kernel, self.library, self.names[kernel.text], step, program, self.contiguous)


@attrs.frozen(eq=False)
class _Cuts:
    """Kernels of regions that are cut along an axis, of which each is written once.

    Attributes:
        program: that the regions are of.
        known: by what a region computes, and the length of the axis.
    """

    program: Program
    known: dict[Any, Kernel | None] = attrs.field(factory=dict)

    def of(self, region: Region, length: int) -> Kernel:
        """Return the kernel of a region that is known to have one."""
        found = self._found(region, length)
        assert found is not None
        return found

    def are_known(self, region: Region, length: int) -> bool:
        """Return whether there is a kernel of a region."""
        return self._found(region, length) is not None

    def _found(self, region: Region, length: int) -> Kernel | None:
        key = (tuple([x.out for x in region.instructions]), region.outputs, length)
        if key not in self.known:
            self.known[key] = kernel_along(region, self.program, length)
        return self.known[key]


def _reads_places(region: Region, number: int, program: Program) -> bool:
    """Return whether a region reads a value of its own shape element by element, and in no other way."""
    readers = [x for x in region.instructions if number in x.operands]
    is_whole = any(number in whole_reads(x) for x in readers)
    return bool(readers) and not is_whole and shape_of(program, number) == shape_of(program, region.outputs[0])


def _makes_products(steps: Sequence[AnyStep], program: Program) -> bool:
    """Return whether our own code makes the products among steps."""
    chars = {program.spaces[x.out].dtype for x in steps if isinstance(x, Instruction) and x.name in PRODUCTS}
    return bool(chars) and all(dtype is not None and gemm_for(dtype) is not None for dtype in chars)


@functools.lru_cache(maxsize=256)
def _library(module: str, passes: str) -> Library:
    return compile_module(lambda: module, module, passes=passes)


@functools.cache
def _runner() -> Library:
    text = runner_text()
    return compile_module(lambda: text, text)


# ---- calls from Python ----


def _touched(kernel: Kernel, step: Region | Cells, program: Program) -> int:
    """Return how many bytes a kernel reads and writes."""
    return sum(_bytes_of(program, n) for n in (*kernel.operands, *step.outputs))


def _bytes_of(program: Program, number: int) -> int:
    dtype = program.spaces[number].dtype
    return 0 if dtype is None else math.prod(shape_of(program, number)) * dtype.itemsize


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
    is_kept = is_large or any(_bytes_of(program, n) >= LARGE for n in step.outputs)
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


def _called(
    kernel: Kernel, library: Library, name: str, step: Region | Cells, program: Program, contiguous: Collection[int]
) -> Callable[..., Any]:
    """Return the Python function that calls a kernel; where an argument is out of its range, NumPy's."""
    touched = _touched(kernel, step, program)
    call = _call_of_kernel(step, program, library, name, touched)
    lines = call.beginning(kernel.operands, contiguous)
    lines.append(f"    values = ({call.values(kernel.operands, kernel.scalars)})")
    lines += _run_of_kernel(
        kernel, touched, "part.start, part.stop", kernel.rows if kernel.rows > 1 else kernel.columns
    )
    return call.function([*lines, f"    if met and is_to_be_repeated(met // {MET}, states):"])


def _reducing(
    kernel: Kernel, library: Library, name: str, step: Reduced, program: Program, contiguous: Collection[int]
) -> Callable[..., Any]:
    """Return the Python function of a region that closes with reductions."""
    size = math.prod(shape_of(program, step.reduced[0][0]))
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


def _stretch_function(
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
class _SharedTransform:
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
