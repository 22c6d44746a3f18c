"""Sums of pieces at places in zeros, the transpose of reading by an index, in LLVM's intermediate representation.

The pieces are added one after the other, and the elements of each in C order, as NumPy does: the sums are the same to
the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import attrs
import numpy as np

from tapenet.kernels.machine_code import processor
from tapenet.program.fusion.scatters import Piece, Scatter


def text_of(scatter: Scatter) -> tuple[str, dict[str, None]]:
    """Return the function of a sum, and what it declares.

    The function takes the addresses of the result and of the arrays, piece by piece, the values before the indices. It
    returns 1 where an index was out of bounds.
    """
    writer = _Writer(scatter)
    arguments = ", ".join(["ptr noalias %out", *(f"ptr %x{i}" for i in range(scatter.arguments - 1))])
    size = scatter.size * np.dtype(scatter.char).itemsize
    writer.lines.append(f"call void @llvm.memset.p0.i64(ptr align 4 %out, i8 0, i64 {size}, i1 false)")
    for piece in scatter.pieces:
        writer.piece(piece)
    body = "\n  ".join((*writer.lines, f"%result = zext i1 {writer.outside} to i32", "ret i32 %result"))
    text = f"define internal i32 @{scatter.name}({arguments}) alwaysinline {{\nentry:\n  {body}\n}}"
    return text, {"declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)": None}


@attrs.define(eq=False)
class _Writer:
    """Writes the loops of the pieces.

    Attributes:
        label: of the block that is written.
        outside: the truth value of whether an index was out of bounds, so far.
        read: how many arrays have been read.
    """

    scatter: Scatter
    lines: list[str] = attrs.field(factory=list)
    label: str = "entry"
    outside: str = "false"
    read: int = 0
    loops: int = 0

    def add(self, text: str) -> str:
        name = f"%t{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        return name

    def piece(self, piece: Piece) -> None:
        """Write the loops of one piece."""
        merged = _merged(piece)
        self.nest(merged, [])
        self.read += 1 + len(piece.indices)

    def nest(self, piece: Piece, counters: list[str], base: str = "") -> None:
        """Write the loops from an axis on; `base` is the place that indices name, once all of them are known."""
        depth = len(counters)
        if not base and not any(step for _, _, steps, _ in piece.indices for step in steps[depth:]):
            base = self.base(piece, counters)
        if depth == len(piece.lengths):
            self.element(piece, counters, base)
            return
        length, parts = piece.lengths[depth], 2 if self.scatter.char in "FD" else 1
        is_row = depth == len(piece.lengths) - 1 and base and piece.steps[-1] == piece.strides[-1] == 1
        if is_row and length * parts >= self.lanes:
            self.row(piece, counters, base, length * parts)
            return
        with self.loop(length) as counter:
            self.nest(piece, [*counters, counter], base)

    def row(self, piece: Piece, counters: list[str], base: str, length: int) -> None:
        """Write the sum of neighbouring elements, as many at once as a vector has lanes."""
        size = 1 if self.scatter.char in "fd" else 2
        to = self.place(base, counters, piece.strides[:-1])
        of = self.place("0", counters, piece.steps[:-1])
        places = [self.add(f"mul i64 {x}, {size}") for x in (to, of)]
        whole = length // self.lanes
        kind = f"<{self.lanes} x {self.part}>"
        with self.loop(whole) as counter:
            step = self.add(f"mul i64 {counter}, {self.lanes}")
            self.sum(kind, *[self.add(f"add i64 {place}, {step}") for place in places])
        if whole * self.lanes < length:
            with self.loop(length - whole * self.lanes) as counter:
                step = self.add(f"add i64 {counter}, {whole * self.lanes}")
                self.sum(self.part, *[self.add(f"add i64 {place}, {step}") for place in places])

    @contextmanager
    def loop(self, length: int) -> Iterator[str]:
        """Write a loop around what is written inside; give its counter."""
        name, before, outside = f"i{self.loops}", self.label, self.outside
        self.loops += 1
        self.lines.append(f"br label %{name}.head\n{name}.head:")
        head = len(self.lines)
        self.lines += ["", ""]  # the counter, and whether an index was out of bounds; known at the end
        self.lines.append(f"%{name}.more = icmp slt i64 %{name}, {length}")
        self.lines.append(f"br i1 %{name}.more, label %{name}.body, label %{name}.end\n{name}.body:")
        self.label, self.outside = f"{name}.body", f"%{name}.outside"
        yield f"%{name}"
        self.lines.append(f"br label %{name}.latch\n{name}.latch:")
        self.lines.append(f"%{name}.next = add i64 %{name}, 1")
        self.lines.append(f"br label %{name}.head\n{name}.end:")
        self.lines[head] = f"%{name} = phi i64 [ 0, %{before} ], [ %{name}.next, %{name}.latch ]"
        inside = f"[ {outside}, %{before} ], [ {self.outside}, %{name}.latch ]"
        self.lines[head + 1] = f"%{name}.outside = phi i1 {inside}"
        self.label, self.outside = f"{name}.end", f"%{name}.outside"

    def place(self, start: str, counters: Sequence[str], steps: Sequence[int]) -> str:
        """Return a place so many steps after another."""
        total = start
        for counter, step in zip(counters, steps, strict=True):
            if step:
                term = counter if step == 1 else self.add(f"mul i64 {counter}, {step}")
                total = term if total == "0" else self.add(f"add i64 {total}, {term}")
        return total

    def base(self, piece: Piece, counters: list[str]) -> str:
        """Write the indices of one element, and return the place that they name."""
        at = str(piece.start)
        for i, (length, step, steps, bits) in enumerate(piece.indices):
            place = self.place("0", counters, steps[: len(counters)])
            index = self.add(f"getelementptr i{bits}, ptr %x{self.read + 1 + i}, i64 {place}")
            index = self.add(f"load i{bits}, ptr {index}")
            index = index if bits == 64 else self.add(f"sext i{bits} {index} to i64")
            if not piece.is_inside:
                from_end = self.add(f"add i64 {index}, {length}")
                is_negative = self.add(f"icmp slt i64 {index}, 0")
                index = self.add(f"select i1 {is_negative}, i64 {from_end}, i64 {index}")
                is_outside = self.add(f"icmp uge i64 {index}, {length}")
                # NumPy raises, and what is added to the first element is lost.
                self.outside = self.add(f"or i1 {self.outside}, {is_outside}")
                index = self.add(f"select i1 {is_outside}, i64 0, i64 {index}")
            index = index if step == 1 else self.add(f"mul i64 {index}, {step}")
            at = index if at == "0" else self.add(f"add i64 {at}, {index}")
        return at

    def element(self, piece: Piece, counters: list[str], base: str) -> None:
        """Write the sum of one element."""
        to, of = self.place(base, counters, piece.strides), self.place("0", counters, piece.steps)
        if self.scatter.char in "fd":
            self.sum(self.part, to, of)
            return
        places = [self.add(f"mul i64 {x}, 2") for x in (to, of)]
        self.sum(self.part, *places)
        self.sum(self.part, *[self.add(f"add i64 {place}, 1") for place in places])

    @property
    def part(self) -> str:
        """The type of an element; of a complex number that of its parts."""
        return "float" if self.scatter.char in "fF" else "double"

    @property
    def lanes(self) -> int:
        return max(processor().vector_size, 16) // np.dtype(self.scatter.char.lower()).itemsize

    def sum(self, kind: str, to: str, of: str) -> None:
        """Write the sum of what lies at two places, or a copy where each element is written once."""
        align = np.dtype(self.scatter.char.lower()).itemsize
        first = self.add(f"getelementptr {self.part}, ptr %out, i64 {to}")
        second = self.add(f"getelementptr {self.part}, ptr %x{self.read}, i64 {of}")
        value = self.add(f"load {kind}, ptr {second}, align {align}")
        if self.scatter.is_sum:
            before = self.add(f"load {kind}, ptr {first}, align {align}")
            value = self.add(f"fadd {kind} {before}, {value}")
        self.lines.append(f"store {kind} {value}, ptr {first}, align {align}")


def _merged(piece: Piece) -> Piece:
    """Return a piece with axes joined where a step along one is the next one's whole length, for all arrays."""
    rows = [piece.steps, piece.strides, *(steps for _, _, steps, _ in piece.indices)]
    lengths: list[int] = []
    kept: list[list[int]] = [[] for _ in rows]
    for axis, length in enumerate(piece.lengths):
        own = [row[axis] for row in rows]
        if lengths and all(row[-1] == step * length for row, step in zip(kept, own, strict=True)):
            lengths[-1] *= length
            for row, step in zip(kept, own, strict=True):
                row[-1] = step
        elif length > 1 or not lengths:
            lengths.append(length)
            for row, step in zip(kept, own, strict=True):
                row.append(step)
    steps, strides, *others = (tuple(row) for row in kept)
    indices = tuple([(a, b, new, bits) for (a, b, _, bits), new in zip(piece.indices, others, strict=True)])
    return Piece(tuple(lengths), steps, piece.start, strides, indices, piece.is_inside)
