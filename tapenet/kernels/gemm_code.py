"""The code of one matrix product: packing, blocks for the caches, and tiles that stay in registers.

The product is cut as Goto and van de Geijn cut it ("Anatomy of high-performance matrix multiplication", ACM TOMS 34,
2008), in the form of BLIS (Van Zee and van de Geijn, ACM TOMS 41, 2015): columns of the second factor, then the sum,
then rows of the first. A tile of the result is a few rows by a few vectors; it is summed up in registers over one block
of the sum, by fused multiply-adds. Each element is so summed in one order, whatever the cut into threads.

Unlike these, the first factor is packed only where its rows are not contiguous: a tile has few rows and broadcasts
their elements, which contiguous rows serve as well as packed ones.

Imported where code is generated only, as it needs llvmlite.
"""

from __future__ import annotations

from typing import Any

import attrs
from llvmlite import ir

from tapenet.kernels.blocking import Blocking
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
class Factors:
    """The arguments of the function that is generated: pointers, lengths and strides in elements.

    The result has rows of stride `out_row`, whose elements are side by side. Where `adds` is not 0 the product is added
    to it. `first_pack` and `second_pack` are memory to pack to, of `Blocking.packed_sizes`.
    """

    first: Any
    first_row: Any
    first_column: Any
    second: Any
    second_row: Any
    second_column: Any
    out: Any
    out_row: Any
    rows: Any
    columns: Any
    depth: Any
    adds: Any
    first_pack: Any
    second_pack: Any

    @classmethod
    def types(cls) -> list[Any]:
        """Return LLVM's types of the arguments."""
        pointers = ("first", "second", "out", "first_pack", "second_pack")
        return [POINTER if field.name in pointers else SIZE for field in attrs.fields(cls)]


def gemm_module(char: str, blocking: Blocking) -> str:
    """Return a module with the function `gemm_stack`, of a stack of products.

    Its arguments are the number of products, how many elements each first factor, second factor and result is behind
    the one before, and those of `Factors`. It returns the exceptions that it met.
    """
    module = ir.Module("gemm")
    product = ir.Function(module, ir.FunctionType(INT32, Factors.types()), "gemm")
    product.linkage = "internal"
    gemm = _Gemm(module, char, blocking)
    gemm.write(product)
    gemm.write_stack(ir.Function(module, ir.FunctionType(INT32, [SIZE] * 4 + Factors.types()), "gemm_stack"), product)
    return str(module)


class _Gemm:
    """Writes the code of one product."""

    def __init__(self, module: ir.Module, char: str, blocking: Blocking) -> None:
        self.module, self.cut = module, blocking
        self.vectors = Vectors(module, char, blocking.lanes)
        self.short = Vectors(module, char, blocking.rows)  # one element of each row of a tile
        heights = sorted({blocking.rows, max(1, blocking.rows // 2), 1}, reverse=True)
        self.tiles = {
            (rows, vectors): self.tile(rows, vectors) for vectors in range(1, blocking.vectors + 1) for rows in heights
        }

    # ---- a tile in registers ----

    def tile(self, rows: int, vectors: int) -> ir.Function:
        """Write a function of one tile: sums over a block of depth, then written or added to the result.

        Its arguments are the first factor with the strides of its rows and columns, the second with that of its rows,
        the result with that of its rows, the depth, the columns of the last vector, and whether to add.
        """
        kind = ir.FunctionType(VOID, [POINTER, SIZE, SIZE, POINTER, SIZE, POINTER, SIZE, SIZE, SIZE, SIZE])
        function = ir.Function(self.module, kind, f"tile_{rows}_{vectors}")
        function.linkage = "internal"
        function.attributes.add("noinline")
        x, x_row, x_step, y, y_step, out, out_row, depth, last, adds = function.args
        code, v = ir.IRBuilder(function.append_basic_block()), self.vectors
        masks = [None] * (vectors - 1) + [v.mask(code, last)]
        lines = [v.at(code, x, code.mul(x_row, size(i))) for i in range(rows)]
        sums = self.sums(code, lines, x_step, y, y_step, depth, masks)
        for adding in (True, False):
            with code.if_then(code.icmp_signed("!=" if adding else "==", adds, size(0))):
                for i, row in enumerate(sums):
                    line = v.at(code, out, code.mul(out_row, size(i)))
                    for j, (total, mask) in enumerate(zip(row, masks, strict=True)):
                        address = v.at(code, line, j * v.lanes)
                        v.store(code, code.fadd(total, v.load(code, address, mask)) if adding else total, address, mask)
        code.ret_void()
        return function

    def sums(
        self, code: ir.IRBuilder, lines: list[Any], x_step: Any, y: Any, y_step: Any, depth: Any, masks: list[Any]
    ) -> list[list[Any]]:
        """Write the loop over the depth, with all sums in registers, and return them."""
        v, entry = self.vectors, code.block
        head, body, end = (code.append_basic_block() for _ in range(3))
        code.branch(head)
        code.position_at_end(head)
        k, x_offset, y_offset = counters = [code.phi(SIZE) for _ in range(3)]
        totals = [[code.phi(v.type) for _ in masks] for _ in lines]
        for counter in counters:
            counter.add_incoming(size(0), entry)
        for total in (total for row in totals for total in row):
            total.add_incoming(v.zero, entry)
        code.cbranch(code.icmp_signed("<", k, depth), body, end)
        code.position_at_end(body)
        row = v.at(code, y, y_offset)
        loaded = [v.load(code, v.at(code, row, j * v.lanes), mask) for j, mask in enumerate(masks)]
        for line, of_row in zip(lines, totals, strict=True):
            element = spread(code, code.load(v.at(code, line, x_offset), typ=v.element), v.lanes)
            for vector, total in zip(loaded, of_row, strict=True):
                total.add_incoming(v.fma(code, element, vector, total), body)
        for counter, step in zip(counters, (size(1), x_step, y_step), strict=True):
            counter.add_incoming(code.add(counter, step), body)
        code.branch(head)
        code.position_at_end(end)
        return totals

    # ---- packing ----

    def pack_second(self, code: ir.IRBuilder, given: Factors, y: Any, out: Any, depth: Any, width: Any) -> None:
        """Copy a block of the second factor, tile by tile: (depth, columns of a tile) each, side by side."""
        v = self.vectors
        is_side_by_side = code.icmp_signed("==", given.second_column, size(1))
        with loop(code, size(0), width, self.cut.columns) as j:
            count = minimum(code, code.sub(width, j), size(self.cut.columns))
            source = v.at(code, y, code.mul(j, given.second_column))
            target = v.at(code, out, code.mul(j, depth))
            with code.if_else(is_side_by_side) as (rows, others):
                with rows:
                    self.copy_rows(code, source, given.second_row, target, depth, count)
                with others:
                    self.copy_columns(code, source, given, target, depth, count)

    def copy_rows(self, code: ir.IRBuilder, x: Any, x_row: Any, out: Any, depth: Any, count: Any) -> None:
        """Copy rows of contiguous elements."""
        v = self.vectors
        masks = [v.mask(code, code.sub(count, size(j * v.lanes))) for j in range(self.cut.vectors)]
        with loop(code, size(0), depth) as k:
            source = v.at(code, x, code.mul(k, x_row))
            target = v.at(code, out, code.mul(k, size(self.cut.columns)))
            for j, mask in enumerate(masks):
                v.store(code, v.load(code, v.at(code, source, j * v.lanes), mask), v.at(code, target, j * v.lanes))

    def copy_columns(self, code: ir.IRBuilder, x: Any, given: Factors, out: Any, depth: Any, count: Any) -> None:
        """Copy columns, whole squares of contiguous ones by transposing them in registers."""
        v, edge = self.short, self.cut.rows
        is_transposed = code.icmp_signed("==", given.second_row, size(1))
        whole_count, whole_depth = (
            code.select(is_transposed, code.and_(n, size(-edge)), size(0)) for n in (count, depth)
        )

        def copy(first: Any, last: Any, start: Any) -> None:
            with loop(code, first, last) as j, loop(code, start, depth) as k:
                source = code.add(code.mul(j, given.second_column), code.mul(k, given.second_row))
                element = code.load(v.at(code, x, source), typ=v.element)
                code.store(element, v.at(code, out, code.add(j, code.mul(k, size(self.cut.columns)))))

        with loop(code, size(0), whole_count, edge) as j, loop(code, size(0), whole_depth, edge) as k:
            corner = v.at(code, x, code.add(k, code.mul(j, given.second_column)))
            lines = [v.load(code, v.at(code, corner, code.mul(given.second_column, size(i)))) for i in range(edge)]
            target = v.at(code, out, code.add(j, code.mul(k, size(self.cut.columns))))
            for i, line in enumerate(v.transpose(code, lines)):
                v.store(code, line, v.at(code, target, i * self.cut.columns))
        copy(size(0), whole_count, whole_depth)
        copy(whole_count, count, size(0))

    def pack_first(self, code: ir.IRBuilder, given: Factors, x: Any, out: Any, depth: Any, height: Any) -> None:
        """Copy a block of the first factor, tile by tile: (depth, rows of a tile) each."""
        v, rows = self.short, self.cut.rows
        is_transposed = code.icmp_signed("==", given.first_row, size(1))
        with loop(code, size(0), height, rows) as i:
            count = minimum(code, code.sub(height, i), size(rows))
            mask = v.mask(code, count)
            source, target = v.at(code, x, code.mul(i, given.first_row)), v.at(code, out, code.mul(i, depth))
            with code.if_else(is_transposed) as (vectors, elements):
                with vectors, loop(code, size(0), depth) as k:
                    line = v.load(code, v.at(code, source, code.mul(k, given.first_column)), mask)
                    v.store(code, line, v.at(code, target, code.mul(k, size(rows))))
                with elements, loop(code, size(0), depth) as k, loop(code, size(0), count) as r:
                    place = code.add(code.mul(k, given.first_column), code.mul(r, given.first_row))
                    element = code.load(v.at(code, source, place), typ=v.element)
                    code.store(element, v.at(code, target, code.add(code.mul(k, size(rows)), r)))

    # ---- blocks ----

    def write(self, function: ir.Function) -> None:
        """Write the loops over blocks."""
        given, cut, v = Factors(*function.args), self.cut, self.vectors
        code = ir.IRBuilder(function.append_basic_block())
        control = code.alloca(INT32)
        clear_exceptions(self.module, code, control)
        # Packing the second factor takes as long as some multiplications with each of its elements.
        packs_second = code.or_(
            code.icmp_signed("!=", given.second_column, size(1)), code.icmp_signed(">", given.rows, size(4 * cut.rows))
        )
        packs_first = code.and_(
            code.icmp_signed("!=", given.first_column, size(1)), code.icmp_signed(">", given.columns, size(cut.columns))
        )
        with loop(code, size(0), given.columns, cut.width) as j, loop(code, size(0), given.depth, cut.depth) as k:
            width = minimum(code, code.sub(given.columns, j), size(cut.width))
            depth = minimum(code, code.sub(given.depth, k), size(cut.depth))
            adds = code.select(code.icmp_signed("==", k, size(0)), given.adds, size(1))
            y = v.at(code, given.second, code.add(code.mul(given.second_row, k), code.mul(given.second_column, j)))
            with code.if_then(packs_second):
                self.pack_second(code, given, y, given.second_pack, depth, width)
            with loop(code, size(0), given.rows, cut.height) as i:
                height = minimum(code, code.sub(given.rows, i), size(cut.height))
                x = v.at(code, given.first, code.add(code.mul(given.first_row, i), code.mul(given.first_column, k)))
                with code.if_then(packs_first):
                    self.pack_first(code, given, x, given.first_pack, depth, height)
                with loop(code, size(0), width, cut.columns) as column:
                    second = code.select(
                        packs_second,
                        v.at(code, given.second_pack, code.mul(column, depth)),
                        v.at(code, y, column),
                    )
                    out = v.at(code, given.out, code.add(code.mul(given.out_row, i), code.add(j, column)))
                    second_step = code.select(packs_second, size(cut.columns), given.second_row)
                    count = minimum(code, code.sub(width, column), size(cut.columns))
                    self.panel(code, given, x, packs_first, second, second_step, out, height, count, depth, adds)
        code.ret(exceptions(self.module, code, control))

    def write_stack(self, function: ir.Function, product: ir.Function) -> None:
        """Write the loop over a stack of products."""
        count, *steps = function.args[:4]
        given, v = Factors(*function.args[4:]), self.vectors
        code = ir.IRBuilder(function.append_basic_block())
        met = code.alloca(INT32)
        code.store(ir.Constant(INT32, 0), met)
        with loop(code, size(0), count) as i:
            moved = {
                name: v.at(code, getattr(given, name), code.mul(i, step))
                for name, step in zip(("first", "second", "out"), steps, strict=True)
            }
            arguments = attrs.asdict(given, recurse=False) | moved
            code.store(code.or_(code.load(met, typ=INT32), code.call(product, list(arguments.values()))), met)
        code.ret(code.load(met, typ=INT32))

    def panel(
        self,
        code: ir.IRBuilder,
        given: Factors,
        x: Any,
        is_packed: Any,
        second: Any,
        second_step: Any,
        out: Any,
        height: Any,
        count: Any,
        depth: Any,
        adds: Any,
    ) -> None:
        """Write the loops over the tiles of a few columns: tall ones, then what is left by shorter ones."""
        v, cut = self.vectors, self.cut
        vectors = code.sdiv(code.add(count, size(v.lanes - 1)), size(v.lanes))
        last = code.sub(count, code.mul(code.sub(vectors, size(1)), size(v.lanes)))
        row, step = (
            code.select(is_packed, size(1), given.first_row),
            code.select(is_packed, size(cut.rows), given.first_column),
        )
        end = code.append_basic_block()
        cases = code.switch(vectors, end)
        for number in range(1, cut.vectors + 1):
            block = code.append_basic_block()
            cases.add_case(size(number), block)
            code.position_at_end(block)
            start: Any = size(0)
            for rows in sorted({rows for rows, _ in self.tiles}, reverse=True):
                stop = code.sub(height, code.srem(code.sub(height, start), size(rows)))
                with loop(code, start, stop, rows) as i:
                    within = code.srem(i, size(cut.rows))  # of a packed tile
                    packed = code.add(code.mul(code.sub(i, within), depth), within)
                    first = code.select(
                        is_packed, v.at(code, given.first_pack, packed), v.at(code, x, code.mul(given.first_row, i))
                    )
                    target = v.at(code, out, code.mul(given.out_row, i))
                    arguments = [first, row, step, second, second_step, target, given.out_row, depth, last, adds]
                    code.call(self.tiles[rows, number], arguments)
                start = stop
            code.branch(end)
        code.position_at_end(end)
