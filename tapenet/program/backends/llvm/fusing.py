"""The steps that a program becomes for machine code: one kind of fusion after the other, where there are kernels."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from tapenet.kernels.gemm import gemm_for
from tapenet.kernels.machine_code import processor
from tapenet.program.backends.llvm.kernel_calls import SHARED, touched_bytes
from tapenet.program.backends.llvm.kernel_code import (
    Kernel,
    can_join,
    is_known_elementwise,
    is_worth,
    kernel_of,
)
from tapenet.program.backends.llvm.panel_calls import kernel_along
from tapenet.program.backends.llvm.step_calls import AnyCompiled
from tapenet.program.fusion.cells import AnyStep, Cells, with_cells
from tapenet.program.fusion.closing import with_closed_products
from tapenet.program.fusion.panels import Panels, with_panels
from tapenet.program.fusion.reducing import Reduced, can_wait, with_reductions
from tapenet.program.fusion.regions import Region, whole_reads
from tapenet.program.fusion.stretches import PRODUCTS, in_stretches
from tapenet.program.instructions import Instruction, Program


def steps_of(program: Program, can_compute: Callable[[Cells], bool] = lambda cells: False) -> list[AnyStep]:
    """Return the instructions of a program, with those that kernels compute in regions and cells.

    Args:
        can_compute: whether machine code computes cells.
    """
    joins, waits = functools.partial(can_join, program), functools.partial(can_wait, program=program)
    return with_cells(program, joins, waits, functools.partial(is_known_elementwise, program), can_compute)


@attrs.define(eq=False)
class Kernels:
    """The kernels of a program's regions, which say what can be fused.

    Attributes:
        program: that the regions are of.
        found: by the identity of the region, the kernel of the step that it is in so far.
        cuts: those of regions that are cut along an axis, by what a region computes and the length of the axis.
    """

    program: Program
    found: dict[int, Kernel] = attrs.field(factory=dict)
    cuts: dict[Any, Kernel | None] = attrs.field(factory=dict)

    def add(self, region: Region, kernel: Kernel | None) -> bool:
        """Keep the kernel of a region; return whether there is one."""
        if kernel is not None:
            self.found[id(region)] = kernel
        return kernel is not None

    def is_worth(self, region: Region) -> bool:
        """Return whether a region has a kernel, which is better than NumPy."""
        return id(region) in self.found and is_worth(region, self.program)

    def fits(self, region: Region) -> bool:
        """Return whether a region has a kernel that one thread computes."""
        kernel = self.found.get(id(region))
        return kernel is not None and touched_bytes(kernel, region, self.program) < SHARED

    def can_compute(self, cells: Cells) -> bool:
        """Return whether machine code computes cells."""
        kernel = kernel_of(cells.region, cells.program, sources=cells.sources, results=cells.results)
        return self.add(cells.region, kernel)

    def can_cut(self, region: Region, length: int) -> bool:
        """Return whether machine code computes a region of values as long as an axis, cut along that."""
        return self.cut(region, length) is not None

    def cut(self, region: Region, length: int) -> Kernel | None:
        """Return the kernel of a region that is cut along an axis."""
        key = (tuple([x.out for x in region.instructions]), region.outputs, length)
        if key not in self.cuts:
            self.cuts[key] = kernel_along(region, self.program, length)
        return self.cuts[key]

    def can_close(self, product: Instruction, region: Region) -> bool:
        """Return whether machine code computes a product and the region after it, block by block."""
        dtype = self.program.spaces[product.out].dtype
        is_ours = product.name != "matmul" or (dtype is not None and gemm_for(dtype) is not None)
        if not is_ours or not _reads_places(region, product.out, self.program):
            return False
        return self.add(region, kernel_of(region, self.program, keeps_rows=True))

    def can_reduce(self, reduced: Reduced) -> bool:
        """Return whether machine code computes a region and the reductions that it closes with."""
        kernel = kernel_of(
            reduced.region, self.program, reduced=reduced.reduced, cut=reduced.split, joined=reduced.joined
        )
        return self.add(reduced.region, kernel)


def fused(program: Program, kernels: Kernels) -> Sequence[Instruction | AnyCompiled]:
    """Return the steps of a program: each kind takes what the kinds before it left, and the kernels of its regions."""
    steps = steps_of(program, kernels.can_compute)
    for step in steps:
        if isinstance(step, Region):
            kernels.add(step, kernel_of(step, program))
    joined = with_panels(steps, program, kernels.can_cut) if processor().vector_size else steps
    stretched = in_stretches(joined, program, kernels.fits, _makes_products(steps, program))
    closed = with_closed_products(stretched, program, kernels.can_close)
    found = with_reductions(closed, program, kernels.can_reduce)
    for panels in [step for step in found if isinstance(step, Panels)]:
        for region in panels.regions:
            kernels.add(region, kernels.cut(region, panels.length))
    return found


def _reads_places(region: Region, number: int, program: Program) -> bool:
    """Return whether a region reads a value of its own shape element by element, and in no other way."""
    readers = [x for x in region.instructions if number in x.operands]
    is_whole = any(number in whole_reads(x) for x in readers)
    return bool(readers) and not is_whole and program.shape_of(number) == program.shape_of(region.outputs[0])


def _makes_products(steps: Sequence[AnyStep], program: Program) -> bool:
    """Return whether our own code makes the products among steps."""
    chars = {program.spaces[x.out].dtype for x in steps if isinstance(x, Instruction) and x.name in PRODUCTS}
    return bool(chars) and all(dtype is not None and gemm_for(dtype) is not None for dtype in chars)
