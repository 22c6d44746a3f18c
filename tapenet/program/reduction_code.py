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

# Vectors, or rows, of a chunk.
CHUNK = 64

# Reductions, with the relation that an extremum is kept by.
REDUCTIONS = {"sum": "", "mean": "", "max": "uge", "min": "ule"}


@attrs.frozen
class Accumulator:
    """A value that is reduced.

    Attributes:
        value: the vector of a step.
        name: of the reduction.
        pointer: to where its chunks are written.
        is_down: whether it is reduced down the columns.
    """

    value: Value
    name: str
    pointer: str
    is_down: bool


def reducing_text(
    code: Code, accumulators: Sequence[Accumulator], arguments: str, body: Sequence[str], columns: int, far: str
) -> str:
    """Return the function of a kernel.

    Args:
        code: that the body was written with; its names go on.
        accumulators: what is reduced.
        arguments: of the function.
        body: the lines of a step, without those of reductions.
        columns: the length of a row.
        far: whether an argument was out of range, after the step.
    """
    step = Code(code.char, code.lanes, "r")
    mask = _mask_of_new_lanes(step) if columns % code.lanes else ""
    for x in accumulators:
        if x.is_down:
            _add_down(step, x, mask)
    across = [x for x in accumulators if not x.is_down]
    after = [_joined(step, x.name, f"%sum{i}", x.value, mask, f"%sum{i}") for i, x in enumerate(across)]
    end = Code(code.char, code.lanes, "e")
    for i, x in enumerate(across):
        found = _across(end, x.name, f"%sum{i}")
        place = end.add(f"getelementptr {code.element}, ptr {x.pointer}, i64 %place")
        end.lines.append(f"store {code.element} {found}, ptr {place}")
    sums = [
        f"%sum{i} = phi {code.type} [ {_start(code, x.name)}, %chunk.start ], [ {value}, %vector ]"
        for i, (x, value) in enumerate(zip(across, after, strict=True))
    ]
    size = CHUNK * code.lanes
    return _LOOPS.format(
        arguments=arguments,
        body="\n  ".join((*body, *step.lines)),
        sums="\n  ".join(sums),
        end="\n  ".join(end.lines),
        lanes=code.lanes,
        columns=columns,
        size=size,
        rows=CHUNK,
        chunks=-(-columns // size),
        far=far,
    )


def _start(code: Code, name: str) -> str:
    """Return what a reduction begins with: extrema at the infinity that any number replaces."""
    infinity = float("inf")
    return code.number({"max": -infinity, "min": infinity}.get(name, -0.0))


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
    """Return the sum of two vectors, or their extrema, NaN where either is."""
    relation = REDUCTIONS[name]
    if not relation:
        return code.add(f"fadd {kind} {x}, {y}")
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


_LOOPS = """
define internal i32 @KERNEL({arguments}i64 %row0, i64 %row1, i64 %column0, i64 %column1) {{
entry:
  br label %rows
rows:
  %row = phi i64 [ %row0, %entry ], [ %row.next, %row.end ]
  %seen.row = phi i1 [ false, %entry ], [ %seen.chunk, %row.end ]
  %is.row = icmp slt i64 %row, %row1
  br i1 %is.row, label %row.start, label %exit
row.start:
  %first = mul i64 %row, {columns}
  %block = sdiv i64 %row, {rows}
  %block.first = mul i64 %block, {columns}
  %in.block = srem i64 %row, {rows}
  %is.first = icmp eq i64 %in.block, 0
  br label %chunks
chunks:
  %begin = phi i64 [ %column0, %row.start ], [ %end, %chunk.end ]
  %seen.chunk = phi i1 [ %seen.row, %row.start ], [ %seen, %chunk.end ]
  %is.chunk = icmp slt i64 %begin, %column1
  br i1 %is.chunk, label %chunk.start, label %row.end
chunk.start:
  %whole = add i64 %begin, {size}
  %is.whole = icmp slt i64 %whole, %column1
  %end = select i1 %is.whole, i64 %whole, i64 %column1
  %last = sub i64 %end, {lanes}
  br label %vectors
vectors:
  %next = phi i64 [ %begin, %chunk.start ], [ %next.after, %vector ]
  %seen = phi i1 [ %seen.chunk, %chunk.start ], [ {far}, %vector ]
  {sums}
  %is.vector = icmp slt i64 %next, %end
  br i1 %is.vector, label %vector, label %chunk.end
vector:
  %is.last = icmp sgt i64 %next, %last
  %column = select i1 %is.last, i64 %last, i64 %next
  %at = add i64 %first, %column
  {body}
  %next.after = add i64 %next, {lanes}
  br label %vectors
chunk.end:
  %chunk = sdiv i64 %begin, {size}
  %row.place = mul i64 %row, {chunks}
  %place = add i64 %row.place, %chunk
  {end}
  br label %chunks
row.end:
  %row.next = add i64 %row, 1
  br label %rows
exit:
  %result = zext i1 %seen.row to i32
  ret i32 %result
}}
"""
