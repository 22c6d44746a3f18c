"""The loops of kernels that close with reductions: what a region computes is added up, or its extremum kept, unwritten.

A row is cut into chunks of `CHUNK` vectors. Inside a chunk each lane goes on by itself; at its end the lanes are joined
by halves, and the result is written: NumPy joins those of the chunks, a sum by pairs. Down the columns a chunk is of
`CHUNK` rows, which are added to one row in memory. So the order is the same for any number of threads, and no more than
`CHUNK` numbers are added one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from tapenet.kernels.vector_code import Code, Value
from tapenet.program.backends.llvm.kernel_loops import Carried, Inner, Loops, Span
from tapenet.program.fusion.reducing import CHUNK, REDUCTIONS


@attrs.frozen
class Accumulator:
    """A value that is reduced.

    Attributes:
        value: the vector of a step.
        name: of the reduction.
        pointer: to where its chunks are written.
        height: how many rows are reduced to one, down the columns; 0 where it is along the row.
    """

    value: Value
    name: str
    pointer: str
    height: int


def reducing(code: Code, loops: Loops, accumulators: Sequence[Accumulator], body: Sequence[str], some: str) -> Inner:
    """Return what is done in each row: a loop over its chunks where there are several, and over the vectors of each.

    Args:
        code: that the body was written with; its names go on.
        loops: of the kernel.
        accumulators: what is reduced.
        body: the lines of a step, without those of reductions.
        some: whether an argument is out of range in a step; empty where none can be.
    """
    step = Code(code.char, code.lanes, "r")
    mask = _mask_of_new_lanes(step) if loops.columns % code.lanes else ""
    down = [x for x in accumulators if x.height]
    for x in down:
        _add_down(step, x, mask)
    across = [x for x in accumulators if not x.height]
    sums = [_joined(step, x.name, f"%sum{i}", x.value, mask, f"%sum{i}") for i, x in enumerate(across)]
    carried = [
        Carried(f"%sum{i}", code.type, _start(code, x.name), after)
        for i, (x, after) in enumerate(zip(across, sums, strict=True))
    ]
    lines, seen = _places_down(loops, down[0].height) if down else [], "%now" if some else ""
    body, size = [*body, *step.lines], CHUNK * code.lanes
    if loops.columns <= size:
        loop = loops.loop(body, some, loops.span, loops.seen, carried)
        return Inner([*lines, *loop, *_stores(code, across, sums, loops.row)], "vector.end", seen)
    own = [Carried("%begin", "i64", loops.span.first, "%end")]
    own += [Carried("%seen.chunk", "i1", loops.seen, "%now")] if some else []
    lines += [
        "br label %chunk",
        "chunk:",
        *(x.line(loops.span.before, "vector.end") for x in own),
        f"%whole = add i64 %begin, {size}",
        "%is.whole = icmp slt i64 %whole, %column1",
        "%end = select i1 %is.whole, i64 %whole, i64 %column1",
        *loops.loop(body, some, Span("chunk", "%begin", "%end"), "%seen.chunk", carried),
        f"%chunk.number = udiv i64 %begin, {size}",
        f"%row.place = mul i64 {loops.row}, {-(-loops.columns // size)}",
        "%place = add i64 %row.place, %chunk.number",
        *_stores(code, across, sums, "%place"),
        "%is.chunk = icmp slt i64 %end, %column1",
        "br i1 %is.chunk, label %chunk, label %chunk.end",
        "chunk.end:",
    ]
    return Inner(lines, "chunk.end", seen)


def _places_down(loops: Loops, height: int) -> list[str]:
    """Return the lines that find the row in memory which rows are added to, and whether this one is its first."""
    return [
        f"%group = udiv i64 {loops.row}, {height}",
        f"%in.group = urem i64 {loops.row}, {height}",
        f"%group.first = mul i64 %group, {-(-height // CHUNK)}",
        f"%group.block = udiv i64 %in.group, {CHUNK}",
        "%block = add i64 %group.first, %group.block",
        f"%block.first = mul i64 %block, {loops.columns}",
        f"%in.block = urem i64 %in.group, {CHUNK}",
        "%is.first = icmp eq i64 %in.block, 0",
    ]


def _stores(code: Code, across: Sequence[Accumulator], sums: Sequence[Value], place: str) -> list[str]:
    """Return the lines that write what a chunk was reduced to along its row."""
    end = Code(code.char, code.lanes, "e")
    for x, value in zip(across, sums, strict=True):
        found = _across(end, x.name, value)
        at = end.add(f"getelementptr {code.element}, ptr {x.pointer}, i64 {place}")
        end.lines.append(f"store {code.element} {found}, ptr {at}")
    return end.lines


def _start(code: Code, name: str) -> str:
    """Return what a reduction begins with: extrema at the infinity that any number replaces."""
    infinity = float("inf")
    return code.number({"max": -infinity, "min": infinity, "prod": 1.0}.get(name, -0.0))


def _mask_of_new_lanes(code: Code) -> Value:
    """Return which lanes the vector before did not hold: the last one of a row may overlap it."""
    kind = f"<{code.lanes} x i64>"
    old = code.add("sub i64 %next, %column")
    first = code.add(f"insertelement {kind} poison, i64 {old}, i64 0")
    spread = code.add(f"shufflevector {kind} {first}, {kind} poison, <{code.lanes} x i32> zeroinitializer")
    places = ", ".join(f"i64 {i}" for i in range(code.lanes))
    return code.add(f"icmp sge {kind} <{places}>, {spread}")


def _joined(code: Code, name: str, total: Value, value: Value, mask: Value, before: Value) -> Value:
    """Return what was reduced with one more vector; in lanes that are not new what was there before."""
    after = _two(code, code.type, code.truth, name, total, value)
    return code.select(mask, after, before) if mask else after


def _add_down(code: Code, x: Accumulator, mask: Value) -> None:
    """Write the reduction of a vector with those above it in its chunk, in memory."""
    at = code.add("add i64 %block.first, %column")
    place = code.add(f"getelementptr {code.element}, ptr {x.pointer}, i64 {at}")
    before = code.add(f"load {code.type}, ptr {place}, align {code.bits // 8}")
    start = code.add(f"select i1 %is.first, {code.type} {_start(code, x.name)}, {code.type} {before}")
    after = _joined(code, x.name, start, x.value, mask, before)
    code.lines.append(f"store {code.type} {after}, ptr {place}, align {code.bits // 8}")


def _two(code: Code, kind: str, truth: str, name: str, x: Value, y: Value) -> Value:
    """Return the sum or the product of two vectors, or their extrema, NaN where either is."""
    relation = REDUCTIONS[name]
    if not relation:
        return code.add(f"{'fmul' if name == 'prod' else 'fadd'} {kind} {x}, {y}")
    chosen = code.add(f"fcmp {relation} {kind} {x}, {y}")
    found = code.add(f"select {truth} {chosen}, {kind} {x}, {kind} {y}")
    is_nan = code.add(f"fcmp uno {kind} {y}, {y}")
    return code.add(f"select {truth} {is_nan}, {kind} {y}, {kind} {found}")


def _across(code: Code, name: str, value: Value) -> Value:
    """Return the reduction of the lanes of a vector, by halves."""
    lanes = code.lanes
    while lanes > 1:
        kind, half = f"<{lanes} x {code.element}>", lanes // 2
        masks = (", ".join(f"i32 {first + i}" for i in range(half)) for first in (0, half))
        x, y = (code.add(f"shufflevector {kind} {value}, {kind} poison, <{half} x i32> <{mask}>") for mask in masks)
        value = _two(code, f"<{half} x {code.element}>", f"<{half} x i1>", name, x, y)
        lanes = half
    return code.add(f"extractelement <1 x {code.element}> {value}, i64 0")
