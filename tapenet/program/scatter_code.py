"""Sums of pieces at places in zeros, the transpose of reading by an index, in LLVM's intermediate representation.

The pieces are added one after the other, and the elements of each in C order, as NumPy does: the sums are the same to
the last bit.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.record import Shape
from tapenet.ops.arrays.indices import ARRAY
from tapenet.program.instructions import Instruction, Program, Space
from tapenet.program.ranges import lie_within

NAMES = frozenset({"assemble", "scatter", "place"})

# Bytes of an array up to which one thread writes it.
LARGEST = 2**26


@attrs.frozen
class Piece:
    """Values that are added at places.

    Attributes:
        lengths: of the axes that the values are broadcast to.
        steps: of the values along them.
        start: the first place.
        strides: of the places along the axes; 0 for those that arrays name.
        indices: of each array the length of the axis that it is an index of, the distance between two of its places,
            its own steps, and its bits.
        is_inside: whether the indices are known to lie in bounds, and not to be negative.
    """

    lengths: Shape
    steps: tuple[int, ...]
    start: int
    strides: tuple[int, ...]
    indices: tuple[tuple[int, int, tuple[int, ...], int], ...] = ()
    is_inside: bool = False


@attrs.frozen
class Scatter:
    """A sum of pieces.

    Attributes:
        char: of the elements.
        size: how many elements the result has.
        pieces: in order.
        is_sum: whether elements are added up; else each is written once.
    """

    char: str
    size: int
    pieces: tuple[Piece, ...]
    is_sum: bool

    @property
    def name(self) -> str:
        """The name of its function."""
        return f"scatter_{hashlib.sha256(repr(self).encode()).hexdigest()[:24]}"

    @property
    def is_costly(self) -> bool:
        """Whether it is worth a call of its own: NumPy takes several for places that arrays name."""
        return any(piece.indices for piece in self.pieces)

    @property
    def is_alone(self) -> bool:
        """Whether it is a call of its own, which threads share."""
        return False

    @property
    def work(self) -> int:
        """How many elements it writes."""
        return self.size + sum(math.prod(piece.lengths) for piece in self.pieces)

    @property
    def arguments(self) -> int:
        """How many addresses its function takes: of the result, and of what it reads."""
        return 1 + sum(1 + len(piece.indices) for piece in self.pieces)

    @property
    def scratch(self) -> int:
        """The bytes of memory that it works in."""
        return 0


def scatter_of(program: Program, instruction: Instruction) -> Scatter | None:
    """Return the sum that an operation is; None for one that NumPy is left to do."""
    out = program.spaces[instruction.out]
    if instruction.name not in NAMES or out.shape is None or 0 in out.shape or out.dtype is None or not out.is_array:
        return None
    is_known = out.dtype.isnative and out.dtype.char in "fdFD" and out.shape != ()
    if not is_known or math.prod(out.shape) * out.dtype.itemsize > LARGEST:
        return None
    given = instruction.parameters
    count = len(instruction.operands) - 1
    remaining, pieces = iter(instruction.operands), []
    for index, arrays in given["indices"] if "indices" in given else ((given["index"], count),):
        values, *places = (next(remaining) for _ in range(1 + arrays))
        piece = _piece_of(index, program.spaces[values], [program.spaces[n] for n in places], out)
        if piece is None:
            return None
        is_inside = lie_within(program, places, [length for length, *_ in piece.indices])
        pieces.append(attrs.evolve(piece, is_inside=is_inside))
    return Scatter(out.dtype.char, math.prod(out.shape), tuple(pieces), instruction.name != "place")


def _piece_of(index: Sequence[Any], values: Space, places: Sequence[Space], out: Space) -> Piece | None:
    shape = out.shape or ()
    if not values.is_array or values.dtype != out.dtype or not values.shape:
        return None
    own = _steps_of(shape)
    if not places:
        whole = _dummy(shape)
        part = whole[tuple(slice(x.start, x.stop, x.step) if hasattr(x, "start") else x for x in index) or ...]
        if not isinstance(part, np.ndarray):
            return None
        start = part.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
        return Piece(part.shape, _broadcast(values.shape, part.shape), start, part.strides)
    is_plain = len(index) == len(shape) and all(x is ARRAY or type(x) is int for x in index)
    integers = all(x.dtype is not None and x.dtype.char in "ilq" and x.dtype.isnative and x.shape for x in places)
    if not is_plain or not integers:
        return None
    lengths = np.broadcast_shapes(*(x.shape or () for x in places))
    if 0 in lengths or not all(-n <= x < n for x, n in zip(index, shape, strict=True) if type(x) is int):
        return None
    remaining, start, indices = iter(places), 0, []
    for part, length, step in zip(index, shape, own, strict=True):
        if part is ARRAY:
            array = next(remaining)
            assert array.dtype is not None
            indices.append((length, step, _broadcast(array.shape or (), lengths), 8 * array.dtype.itemsize))
        else:
            start += part % length * step
    steps = _broadcast(values.shape, lengths)
    return Piece(lengths, steps, start, (0,) * len(lengths), tuple(indices))


def _steps_of(shape: Shape) -> tuple[int, ...]:
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


def _dummy(shape: Shape) -> np.ndarray[Any, Any]:
    """Return an array of a shape that takes no memory, whose strides count elements."""
    return np.lib.stride_tricks.as_strided(np.zeros(1, np.int8), shape, _steps_of(shape))


def _broadcast(shape: Shape, to: Shape) -> tuple[int, ...]:
    """Return the steps of an array in C order that is broadcast."""
    return tuple(np.broadcast_to(_dummy(shape), to).strides)


# ---- the text ----


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
    text = f"define internal i32 @{scatter.name}({arguments}) noinline {{\nentry:\n  {body}\n}}"
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

    def nest(self, piece: Piece, counters: list[str]) -> None:
        depth = len(counters)
        if depth == len(piece.lengths):
            self.element(piece, counters)
            return
        name, before, outside = f"i{self.loops}", self.label, self.outside
        self.loops += 1
        self.lines.append(f"br label %{name}.head\n{name}.head:")
        head = len(self.lines)
        self.lines += ["", ""]  # the counter, and whether an index was out of bounds; known at the end
        self.lines.append(f"%{name}.more = icmp slt i64 %{name}, {piece.lengths[depth]}")
        self.lines.append(f"br i1 %{name}.more, label %{name}.body, label %{name}.end\n{name}.body:")
        self.label, self.outside = f"{name}.body", f"%{name}.outside"
        self.nest(piece, [*counters, f"%{name}"])
        self.lines.append(f"br label %{name}.latch\n{name}.latch:")
        self.lines.append(f"%{name}.next = add i64 %{name}, 1")
        self.lines.append(f"br label %{name}.head\n{name}.end:")
        self.lines[head] = f"%{name} = phi i64 [ 0, %{before} ], [ %{name}.next, %{name}.latch ]"
        inside = f"[ {outside}, %{before} ], [ {self.outside}, %{name}.latch ]"
        self.lines[head + 1] = f"%{name}.outside = phi i1 {inside}"
        self.label, self.outside = f"{name}.end", f"%{name}.outside"

    def place(self, start: int, counters: Sequence[str], steps: Sequence[int]) -> str:
        total = str(start)
        for counter, step in zip(counters, steps, strict=True):
            if step:
                term = counter if step == 1 else self.add(f"mul i64 {counter}, {step}")
                total = term if total == "0" else self.add(f"add i64 {total}, {term}")
        return total

    def element(self, piece: Piece, counters: list[str]) -> None:
        """Write the sum of one element."""
        at = self.place(piece.start, counters, piece.strides)
        is_outside = ""
        for i, (length, distance, steps, bits) in enumerate(piece.indices):
            place = self.place(0, counters, steps)
            index = self.add(f"getelementptr i{bits}, ptr %x{self.read + 1 + i}, i64 {place}")
            index = self.add(f"load i{bits}, ptr {index}")
            index = index if bits == 64 else self.add(f"sext i{bits} {index} to i64")
            if not piece.is_inside:
                from_end = self.add(f"add i64 {index}, {length}")
                is_negative = self.add(f"icmp slt i64 {index}, 0")
                index = self.add(f"select i1 {is_negative}, i64 {from_end}, i64 {index}")
                beyond = self.add(f"icmp uge i64 {index}, {length}")
                is_outside = self.add(f"or i1 {is_outside}, {beyond}") if is_outside else beyond
            index = index if distance == 1 else self.add(f"mul i64 {index}, {distance}")
            at = index if at == "0" else self.add(f"add i64 {at}, {index}")
        if is_outside:  # NumPy raises, and what is added to the first element is lost
            self.outside = self.add(f"or i1 {self.outside}, {is_outside}")
            at = self.add(f"select i1 {is_outside}, i64 0, i64 {at}")
        self.sums(at, self.place(0, counters, piece.steps))

    def sums(self, to: str, of: str) -> None:
        char = self.scatter.char
        element, parts = ("float" if char in "fF" else "double"), 2 if char in "FD" else 1
        if parts == 2:
            to, of = (self.add(f"mul i64 {x}, 2") for x in (to, of))
        target, source = (
            f"getelementptr {element}, ptr %out, i64 {to}",
            f"getelementptr {element}, ptr %x{self.read}, i64 {of}",
        )
        bases = self.add(target), self.add(source)
        for k in range(parts):
            first, second = (self.add(f"getelementptr {element}, ptr {base}, i64 {k}") if k else base for base in bases)
            value = self.add(f"load {element}, ptr {second}")
            if self.scatter.is_sum:
                value = self.add(f"fadd {element} {self.add(f'load {element}, ptr {first}')}, {value}")
            self.lines.append(f"store {element} {value}, ptr {first}")


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
