"""The calls of closed products: blocks of a product, of the region after it and of sums, one after the other."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.kernels.gemm import Gemm, gemm_for
from tapenet.kernels.machine_code import Library, compile_module
from tapenet.kernels.memory import empty
from tapenet.kernels.products import WORTH_SHARING
from tapenet.kernels.teams import Native, Parts, Step, done, free_team
from tapenet.kernels.threads import parts_of
from tapenet.program.closing import Block, Closed, blocks_of
from tapenet.program.instructions import Program
from tapenet.program.kernel_code import Kernel, shape_of

# What kernels return, moved so far, is not among the flags of products.
FAR = 2**8


@attrs.frozen(eq=False)
class ClosedCode:
    """The function of a closed product.

    Attributes:
        step: what it computes.
        program: that the step is of.
        gemm: makes the product.
        kernel: computes the region.
        native: calls the kernel.
        library: what holds it.
        contiguous: the values that machine code makes.
        reference: computes the step by NumPy.
    """

    step: Closed
    program: Program
    gemm: Gemm
    kernel: Kernel
    native: Native
    library: Library
    contiguous: Collection[int]
    reference: Callable[[Sequence[Any]], Any]

    @functools.cached_property
    def shape(self) -> tuple[int, int]:
        """The rows and columns of the product."""
        rows, columns = shape_of(self.program, self.step.product.out)
        return rows, columns

    def blocks(self) -> Any:
        """Return for each thread's part its blocks."""
        rows, columns = self.shape
        work = rows * columns * shape_of(self.program, self.step.product.operands[0])[1]
        tile = 8, max(48, self.kernel.lanes)
        by_columns = bool(self.step.sums) or rows < columns
        parts = len(parts_of(columns if by_columns else rows, work, WORTH_SHARING))
        return blocks_of(rows, columns, self.gemm.dtype.itemsize, parts, tile, by_columns)

    def __call__(self, *given: Any) -> Any:
        values = dict(zip(self.step.inputs, given, strict=True))
        product = self.step.product
        x, y = (values[n] for n in product.operands)
        made = {n: empty(shape_of(self.program, n), self.program.spaces[n].dtype) for n in self._made()}
        if not self.gemm.fits(x, y, made[product.out]):
            return self.reference(given)
        values |= made
        for n in self.kernel.operands:
            if n not in made and n not in self.contiguous and not values[n].flags.c_contiguous:
                values[n] = np.ascontiguousarray(values[n])
        arrays = tuple(
            [values[n] for n in (*self.kernel.operands, *self.step.region.outputs)]
            + [float(values[n]) for n in self.kernel.scalars]
        )
        met = self._run(x, y, values, arrays)
        self.gemm.report(met)
        if met & FAR:
            return self.reference(given)
        outs = [values[n] for n in self.step.outputs]
        return outs[0] if len(outs) == 1 else outs

    def _made(self) -> list[int]:
        return [self.step.product.out, *self.step.region.outputs, *(x.out for x in self.step.sums)]

    def _run(self, x: Any, y: Any, values: dict[int, Any], arrays: tuple[Any, ...]) -> int:
        """Do all blocks, and return the exceptions that products met, and FAR where a kernel's range was left."""
        blocks = self.blocks()
        with free_team() as team:
            parts: Parts = [
                [one for block in own for one in self._steps(x, y, values, arrays, block, None if team is None else i)]
                for i, own in enumerate(blocks)
            ]
            return done(parts) if team is None else team.run(parts)

    def _steps(
        self, x: Any, y: Any, values: dict[int, Any], arrays: tuple[Any, ...], block: Block, part: int | None
    ) -> list[Step]:
        top, bottom, left, right = block
        product = values[self.step.product.out]
        steps = [
            self.gemm.step(x[top:bottom], y[:, left:right], product[top:bottom, left:right], part),
            (self.native, id(arrays), *block),
        ]
        for added in self.step.sums:
            source, target = (values[n].__array_interface__["data"][0] for n in (added.operands[0], added.out))
            steps.append((_sum(self.gemm.dtype.char), source, target, self.shape[0], left, right, self.shape[1]))
        return steps


def closed_code(
    step: Closed,
    program: Program,
    kernel: Kernel,
    library: Library,
    name: str,
    contiguous: Collection[int],
    reference: Callable[[Sequence[Any]], Any],
) -> ClosedCode | None:
    """Return the function of a closed product; None where products of its dtype are left to NumPy."""
    dtype = program.spaces[step.product.out].dtype
    gemm = None if dtype is None else gemm_for(dtype)
    if gemm is None:
        return None
    native = Native(library.address(f"{name}.entry"), "qqqqq", flag=FAR)
    return ClosedCode(step, program, gemm, kernel, native, library, contiguous, reference)


@functools.cache
def _sum(char: str) -> Native:
    """Return the function that adds up the rows of some columns."""
    text = _SUM.format(element={"f": "float", "d": "double"}[char], size=np.dtype(char).itemsize)
    library = compile_module(lambda: text, text)
    return Native(library.address("sum_rows"), "qqqqqq", kept=library)


_SUM = """
define i32 @sum_rows(ptr noalias %x, ptr noalias %out, i64 %rows, i64 %left, i64 %right, i64 %columns) {{
entry:
  br label %clear
clear:
  %c = phi i64 [ %left, %entry ], [ %c.next, %clear.body ]
  %more.c = icmp slt i64 %c, %right
  br i1 %more.c, label %clear.body, label %rows.head
clear.body:
  %c.at = getelementptr {element}, ptr %out, i64 %c
  store {element} 0.0, ptr %c.at, align {size}
  %c.next = add nsw i64 %c, 1
  br label %clear
rows.head:
  %r = phi i64 [ 0, %clear ], [ %r.next, %row.end ]
  %more.r = icmp slt i64 %r, %rows
  br i1 %more.r, label %row, label %end
row:
  %start = mul nsw i64 %r, %columns
  br label %columns.head
columns.head:
  %j = phi i64 [ %left, %row ], [ %j.next, %add ]
  %more.j = icmp slt i64 %j, %right
  br i1 %more.j, label %add, label %row.end
add:
  %place = add nsw i64 %start, %j
  %x.at = getelementptr {element}, ptr %x, i64 %place
  %out.at = getelementptr {element}, ptr %out, i64 %j
  %one = load {element}, ptr %x.at, align {size}
  %sum = load {element}, ptr %out.at, align {size}
  %new = fadd {element} %sum, %one
  store {element} %new, ptr %out.at, align {size}
  %j.next = add nsw i64 %j, 1
  br label %columns.head
row.end:
  %r.next = add nsw i64 %r, 1
  br label %rows.head
end:
  ret i32 0
}}
"""
