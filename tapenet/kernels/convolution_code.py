"""The code of sums over windows: tiles that stay in registers, of images that are read where they lie.

A row of a tile is a place and its columns are features: `out[row, column]` is the sum of `first[row + a + b + c] *
second[a + b + c, column]` over three nested loops, of taps and channels, or of images and places. Each factor has a
step of its own for each loop, so that windows that overlap need no copies: they are rows that begin less than their
length apart. The sum of an element is made in one order, whatever the cut into threads.

Imported where code is generated only, as it needs llvmlite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from llvmlite import ir

from tapenet.kernels.ir_code import (
    INT32,
    POINTER,
    SIZE,
    VOID,
    Vectors,
    clear_exceptions,
    exceptions,
    loop,
    minimum,
    size,
    spread,
)


@attrs.frozen
class Sums:
    """The arguments of the function that is generated: addresses, and lengths and steps in elements.

    Attributes:
        first, second, out: the factors and the result.
        start: the row that sums begin with, as many elements as there are columns; 0 for zeros.
        rows, columns: of a block of the result.
        first_row, out_row: from one row to the next. Those of `out` may overlap: they are added one after the other.
        a, b, c: how often each loop of the sum runs, from the outer one to the inner.
        first_a, first_b, first_c, second_a, second_b, second_c: how far each takes the factors.
        begin, end: the blocks, of which `inner` lie at `first_inner` and `out_inner` from each other, and groups of
            these at `first_outer` and `out_outer`.
        taps: how many times each block is done, with `second` and `out` at `second_tap` and `out_tap` from the last.
        chunks: how many times all of it is done, with both factors further on; sums are added from the second time on.
        adds: whether they are added the first time, too.
    """

    first: Any
    second: Any
    out: Any
    start: Any
    rows: Any
    columns: Any
    first_row: Any
    out_row: Any
    a: Any
    first_a: Any
    second_a: Any
    b: Any
    first_b: Any
    second_b: Any
    c: Any
    first_c: Any
    second_c: Any
    begin: Any
    end: Any
    inner: Any
    first_outer: Any
    first_inner: Any
    out_outer: Any
    out_inner: Any
    taps: Any
    second_tap: Any
    out_tap: Any
    chunks: Any
    first_chunk: Any
    second_chunk: Any
    adds: Any

    @classmethod
    def types(cls) -> list[Any]:
        """Return LLVM's types of the arguments."""
        pointers = ("first", "second", "out", "start")
        return [POINTER if field.name in pointers else SIZE for field in attrs.fields(cls)]


def sums_module(char: str, lanes: int, rows: int, vectors: int) -> str:
    """Return a module with the function `window_sums`, which returns the floating-point exceptions that it met.

    Args:
        char: of the dtype.
        lanes: elements of a vector.
        rows, vectors: of a tile.
    """
    module = ir.Module("convolution")
    writer = _Writer(module, char, lanes, rows, vectors)
    writer.write(ir.Function(module, ir.FunctionType(INT32, Sums.types()), "window_sums"))
    return str(module)


class _Writer:
    """Writes the code for one dtype."""

    def __init__(self, module: ir.Module, char: str, lanes: int, rows: int, vectors: int) -> None:
        self.module, self.vectors, self.height, self.width = module, Vectors(module, char, lanes), rows, vectors
        self.zeros = ir.GlobalVariable(module, ir.ArrayType(self.vectors.element, lanes * vectors), "zeros")
        self.zeros.initializer = ir.Constant(self.zeros.value_type, None)
        self.zeros.linkage, self.zeros.global_constant = "internal", True
        heights = sorted({rows, max(1, rows // 2), 1}, reverse=True)
        self.heights = heights
        self.tiles = {(h, v): self.tile(h, v) for h in heights for v in range(1, vectors + 1)}

    # ---- a tile in registers ----

    def tile(self, rows: int, vectors: int) -> ir.Function:
        """Write a function of one tile.

        Its arguments are the first factor with its step from row to row, the second, the result with its step, the row
        that sums begin with, the columns of the last vector, whether to add, and for each loop how often it runs and
        its steps.
        """
        kind = ir.FunctionType(VOID, [POINTER, SIZE, POINTER, POINTER, SIZE, POINTER, SIZE, SIZE, *[SIZE] * 9])
        function = ir.Function(self.module, kind, f"tile_{rows}_{vectors}")
        function.linkage = "internal"
        function.attributes.add("noinline")
        x, x_row, y, out, out_row, start, last, adds, *loops = function.args
        code, v = ir.IRBuilder(function.append_basic_block()), self.vectors
        masks = [None] * (vectors - 1) + [v.mask(code, last)]
        lines = [v.at(code, x, code.mul(x_row, size(i))) for i in range(rows)]
        firsts = [v.load(code, v.at(code, start, j * v.lanes), mask) for j, mask in enumerate(masks)]
        totals = [total for _ in range(rows) for total in firsts]
        nested = [tuple(loops[i : i + 3]) for i in range(0, 9, 3)]
        sums = self.sums(code, nested, lines, y, size(0), size(0), totals, masks)
        for adding in (True, False):
            with code.if_then(code.icmp_signed("!=" if adding else "==", adds, size(0))):
                for i in range(rows):
                    line = v.at(code, out, code.mul(out_row, size(i)))
                    for j, (total, mask) in enumerate(zip(sums[i * vectors : (i + 1) * vectors], masks, strict=True)):
                        at = v.at(code, line, j * v.lanes)
                        v.store(code, code.fadd(total, v.load(code, at, mask)) if adding else total, at, mask)
        code.ret_void()
        return function

    def sums(
        self,
        code: ir.IRBuilder,
        loops: Sequence[tuple[Any, Any, Any]],
        lines: Sequence[Any],
        y: Any,
        x_offset: Any,
        y_offset: Any,
        totals: Sequence[Any],
        masks: Sequence[Any],
    ) -> list[Any]:
        """Write nested loops, with all sums in registers, and return them."""
        if not loops:
            return self.added(code, lines, v_at=(y, x_offset, y_offset), totals=totals, masks=masks)
        count, x_step, y_step = loops[0]
        entry = code.block
        head, body, end = (code.append_basic_block() for _ in range(3))
        code.branch(head)
        code.position_at_end(head)
        counters = [code.phi(SIZE) for _ in range(3)]
        now = [code.phi(self.vectors.type) for _ in totals]
        for phi, first in zip((*counters, *now), (size(0), x_offset, y_offset, *totals), strict=True):
            phi.add_incoming(first, entry)
        code.cbranch(code.icmp_signed("<", counters[0], count), body, end)
        code.position_at_end(body)
        made = self.sums(code, loops[1:], lines, y, counters[1], counters[2], now, masks)
        nexts = [code.add(counter, step) for counter, step in zip(counters, (size(1), x_step, y_step), strict=True)]
        for phi, value in zip((*counters, *now), (*nexts, *made), strict=True):
            phi.add_incoming(value, code.block)
        code.branch(head)
        code.position_at_end(end)
        return now

    def added(
        self,
        code: ir.IRBuilder,
        lines: Sequence[Any],
        *,
        v_at: tuple[Any, Any, Any],
        totals: Sequence[Any],
        masks: Sequence[Any],
    ) -> list[Any]:
        """Write one term of each sum."""
        v, (y, x_offset, y_offset) = self.vectors, v_at
        row = v.at(code, y, y_offset)
        loaded = [v.load(code, v.at(code, row, j * v.lanes), mask) for j, mask in enumerate(masks)]
        made = []
        remaining = iter(totals)
        for line in lines:
            element = spread(code, code.load(v.at(code, line, x_offset), typ=v.element), v.lanes)
            made += [v.fma(code, element, vector, next(remaining)) for vector in loaded]
        return made

    # ---- blocks ----

    def write(self, function: ir.Function) -> None:
        """Write the loops over blocks."""
        given, v = Sums(*function.args), self.vectors
        code = ir.IRBuilder(function.append_basic_block())
        control = code.alloca(INT32)
        clear_exceptions(self.module, code, control)
        has_start = code.icmp_unsigned("!=", given.start, ir.Constant(POINTER, None))
        with loop(code, size(0), given.chunks) as chunk, loop(code, given.begin, given.end) as block:
            outer, inner = code.sdiv(block, given.inner), code.srem(block, given.inner)
            moved = code.mul(chunk, given.first_chunk)
            for index, step in ((outer, given.first_outer), (inner, given.first_inner)):
                moved = code.add(moved, code.mul(index, step))
            first = v.at(code, given.first, moved)
            placed = code.add(code.mul(outer, given.out_outer), code.mul(inner, given.out_inner))
            adds = code.select(code.icmp_signed("==", chunk, size(0)), given.adds, size(1))
            with loop(code, size(0), given.taps) as tap:
                offset = code.add(code.mul(chunk, given.second_chunk), code.mul(tap, given.second_tap))
                second = v.at(code, given.second, offset)
                out = v.at(code, given.out, code.add(placed, code.mul(tap, given.out_tap)))
                self.panels(code, given, first, second, out, has_start, adds)
        code.ret(exceptions(self.module, code, control))

    def panels(
        self, code: ir.IRBuilder, given: Sums, first: Any, second: Any, out: Any, has_start: Any, adds: Any
    ) -> None:
        """Write the loop over columns, in panels as equal as can be."""
        v = self.vectors
        whole = code.sdiv(code.add(given.columns, size(v.lanes - 1)), size(v.lanes))
        count = code.sdiv(code.add(whole, size(self.width - 1)), size(self.width))
        most = code.sdiv(code.add(whole, code.sub(count, size(1))), count)
        with loop(code, size(0), count) as panel:
            column = code.mul(code.mul(panel, most), size(v.lanes))
            width = minimum(code, code.sub(given.columns, column), code.mul(most, size(v.lanes)))
            with code.if_then(code.icmp_signed(">", width, size(0))):
                start = code.select(has_start, v.at(code, given.start, column), code.bitcast(self.zeros, POINTER))
                starts = code.select(code.icmp_signed("==", adds, size(0)), start, code.bitcast(self.zeros, POINTER))
                places = (v.at(code, second, column), v.at(code, out, column), starts)
                self.panel(code, given, first, *places, width, adds)

    def panel(
        self, code: ir.IRBuilder, given: Sums, first: Any, second: Any, out: Any, start: Any, width: Any, adds: Any
    ) -> None:
        """Write the loops over the tiles of a panel: tall ones, then what is left by shorter ones."""
        v = self.vectors
        vectors = code.sdiv(code.add(width, size(v.lanes - 1)), size(v.lanes))
        last = code.sub(width, code.mul(code.sub(vectors, size(1)), size(v.lanes)))
        outer = (given.a, given.first_a, given.second_a, given.b, given.first_b, given.second_b)
        nested = (*outer, given.c, given.first_c, given.second_c)
        end = code.append_basic_block()
        cases = code.switch(vectors, end)
        for number in range(1, self.width + 1):
            block = code.append_basic_block()
            cases.add_case(size(number), block)
            code.position_at_end(block)
            begin: Any = size(0)
            for rows in self.heights:
                stop = code.sub(given.rows, code.srem(code.sub(given.rows, begin), size(rows)))
                with loop(code, begin, stop, rows) as i:
                    x = v.at(code, first, code.mul(i, given.first_row))
                    target = v.at(code, out, code.mul(i, given.out_row))
                    arguments = [x, given.first_row, second, target, given.out_row, start, last, adds, *nested]
                    code.call(self.tiles[rows, number], arguments)
                begin = stop
            code.branch(end)
        code.position_at_end(end)
