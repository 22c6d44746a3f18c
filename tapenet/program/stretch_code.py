"""The text of a stretch: one function that calls kernels and matrix products on places in one piece of memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import attrs
import numpy as np

from tapenet.program.instructions import Instruction, Program, last_uses
from tapenet.program.kernel_code import Kernel, address_of, function_text, shape_of
from tapenet.program.regions import Region
from tapenet.program.stretches import PRODUCTS, SUMS, Arena, Stretch, view_of

# Bits of what a stretch returns: the floating-point exceptions of products that are reported, and arguments that are
# out of the range of a kernel's functions.
REPORTED, FAR = 1 | 8 | 16, 64

_ELEMENTS = {"f": "float", "d": "double"}


@attrs.frozen(eq=False)
class StretchCode:
    """The text of a stretch, and how it is called.

    Its arguments are, for each dtype of its products, the addresses of the function of products and of both pieces of
    memory that it packs to; the array that values lie in; the arrays that it reads and writes; and numbers.

    Attributes:
        text: the function.
        chars: the dtypes of its products.
        operands: the numbers of the arrays that it reads, in order.
        scalars: those of numbers.
        size: bytes of the memory for values.
        work: multiplications and elements, about.
    """

    text: str
    chars: tuple[str, ...]
    operands: tuple[int, ...]
    scalars: tuple[int, ...]
    size: int
    work: int


@attrs.frozen
class _Matrix:
    """Where a matrix lies: its address and the distances of its rows and columns, in elements."""

    address: str
    row: int
    column: int

    @property
    def transposed(self) -> _Matrix:
        return _Matrix(self.address, self.column, self.row)


def code_of(
    stretch: Stretch, program: Program, kernels: Mapping[int, Kernel], names: Mapping[str, str], name: str
) -> StretchCode:
    """Return the code of a stretch.

    Args:
        kernels: by the identity of the region.
        names: of kernels, by their texts.
        name: of the function.
    """
    writer = _Writer(stretch, program, kernels, names)
    writer.write()
    return writer.code(name)


@attrs.define(eq=False)
class _Writer:
    """Writes the function of one stretch, step by step.

    Attributes:
        places: of values: addresses of elements in C order.
        views: of transposed matrices that were not copied: the value that each is a view of.
        owners: of each value in the arena, the one whose memory it lies in.
        taken: of values in the arena: where each begins.
        readers: of memory in the arena: how many values in it are still needed.
        reading: of values, the instructions of the stretch that read them.
    """

    stretch: Stretch
    program: Program
    kernels: Mapping[int, Kernel]
    names: Mapping[str, str]
    operands: tuple[int, ...] = ()
    scalars: tuple[int, ...] = ()
    lines: list[str] = attrs.field(factory=list)
    places: dict[int, str] = attrs.field(factory=dict)
    views: dict[int, int] = attrs.field(factory=dict)
    owners: dict[int, int] = attrs.field(factory=dict)
    taken: dict[int, int] = attrs.field(factory=dict)
    readers: dict[int, int] = attrs.field(factory=dict)
    reading: dict[int, list[Instruction]] = attrs.field(factory=dict)
    arena: Arena = attrs.field(factory=Arena)
    chars: dict[str, None] = attrs.field(factory=dict)
    work: int = 0

    def write(self) -> None:
        """Write all steps."""
        shapes = self.program.spaces
        self.operands = tuple([n for n in self.stretch.inputs if shapes[n].shape and not shapes[n].is_number])
        self.scalars = tuple([n for n in self.stretch.inputs if n not in self.operands])
        self.places = {n: f"%a{i}" for i, n in enumerate((*self.operands, *self.stretch.outputs))}
        for instruction in self.stretch.instructions:
            for n in set(instruction.reads):
                self.reading.setdefault(n, []).append(instruction)
        steps = [_StepReads.of(step) for step in self.stretch.steps]
        uses = last_uses([step.as_instruction for step in steps], self.stretch.outputs)
        for step, dead in zip(self.stretch.steps, uses, strict=True):
            if isinstance(step, Region):
                self.region(step)
            else:
                self.instruction(step)
            for n in dead:
                self.give(n)

    # ---- memory ----

    def place(self, number: int) -> str:
        """Return the address for a value that is about to be written."""
        if number not in self.places:
            size = self.bytes(number)
            self.taken[number] = self.arena.take(size)
            self.owners[number] = number
            self.readers[number] = 1
            self.places[number] = self.add(f"getelementptr i8, ptr %arena, i64 {self.taken[number]}")
        return self.places[number]

    def share(self, number: int, other: int, address: str) -> None:
        """Note that a value lies in the memory of another."""
        self.places[number] = address
        owner = self.owners.get(other)
        if owner is not None:
            self.owners[number] = owner
            self.readers[owner] += 1

    def give(self, number: int) -> None:
        """Let the memory of a value be used again, once nothing in it is needed."""
        owner = self.owners.pop(number, None)
        if owner is None:
            return
        self.readers[owner] -= 1
        if not self.readers[owner]:
            self.arena.give(self.taken[owner], self.bytes(owner))

    def bytes(self, number: int) -> int:
        dtype = self.program.spaces[number].dtype
        assert dtype is not None
        return math.prod(shape_of(self.program, number)) * dtype.itemsize

    def char(self, number: int) -> str:
        dtype = self.program.spaces[number].dtype
        assert dtype is not None
        return dtype.char

    # ---- lines ----

    def add(self, text: str) -> str:
        """Write a line that makes a value."""
        name = f"%t{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        return name

    def met(self, returned: str, mask: int | None = None) -> None:
        """Note what a function returned."""
        bits = self.add(f"and i32 {returned}, {mask}") if mask is not None else self.add(f"mul i32 {returned}, {FAR}")
        before = self.add("load i32, ptr %met")
        self.lines.append(f"store i32 {self.add(f'or i32 {before}, {bits}')}, ptr %met")

    def region(self, region: Region) -> None:
        """Write the call of a kernel."""
        kernel = self.kernels[id(region)]
        for n in region.outputs:
            self.place(n)
        arrays = [f"ptr {self.places[n]}" for n in (*kernel.operands, *region.outputs)]
        numbers = [f"double %s{self.scalars.index(n)}" for n in kernel.scalars]
        bounds = [f"i64 {bound}" for bound in (0, kernel.rows, 0, kernel.columns)]
        given = ", ".join((*arrays, *numbers, *bounds))
        self.met(self.add(f"call i32 @{self.names[kernel.text]}({given})"))
        self.work += kernel.rows * kernel.columns * len(region.instructions)

    def instruction(self, instruction: Instruction) -> None:
        """Write an operation that is not elementwise."""
        name = instruction.name
        if name in PRODUCTS:
            self.product(instruction)
        elif name in SUMS:
            self.column_sums(instruction)
        elif name == "stacked rows":
            self.stack(instruction)
        elif name == "transpose":
            self.transpose(instruction)
        else:
            self.view(instruction)

    def view(self, instruction: Instruction) -> None:
        """Write a part of an array, or all in another shape: no copy where it lies in C order."""
        out, source = instruction.out, instruction.operands[0]
        shape, char = shape_of(self.program, out), self.char(out)
        own = tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
        start, steps = (0, own)
        if instruction.name != "reshape":
            start, steps = view_of(instruction, shape_of(self.program, source))
        address = self.add(f"getelementptr {_ELEMENTS[char]}, ptr {self.places[source]}, i64 {start}")
        if all(length == 1 or step == like for length, step, like in zip(shape, steps, own, strict=True)):
            if out in self.places:
                self.copy(self.places[out], address, self.bytes(out))
            else:
                self.share(out, source, address)
            return
        (rows, columns), (row, column) = ((1,) * (2 - len(x)) + tuple(x) for x in (shape, steps))
        self.turn(out, _Matrix(address, row, column), rows, columns)

    def turn(self, out: int, matrix: _Matrix, rows: int, columns: int) -> None:
        """Write the copy of a matrix."""
        lengths = f"i64 {rows}, i64 {columns}, i64 {matrix.row}, i64 {matrix.column}"
        self.lines.append(f"call void @turn_{self.char(out)}(ptr {self.place(out)}, ptr {matrix.address}, {lengths})")

    def product(self, instruction: Instruction) -> None:
        """Write a matrix product; that of an affine map is added to the rows of its bias."""
        x, y = (self.matrix(n) for n in instruction.operands[:2])
        out, char = instruction.out, self.char(instruction.out)
        rows, depth = shape_of(self.program, instruction.operands[0])
        if instruction.name == "product of transposed":
            x, rows, depth = x.transposed, depth, rows
        columns = shape_of(self.program, out)[1]
        target = self.place(out)
        if instruction.name == "affine":
            bias = self.places[instruction.operands[2]]
            size = columns * np.dtype(char).itemsize
            self.lines.append(f"call void @repeat(ptr {target}, ptr {bias}, i64 {rows}, i64 {size})")
        self.chars[char] = None
        given = ["i64 1", "i64 0", "i64 0", "i64 0"]  # a stack of one
        for m in (x, y):
            given += [f"ptr {m.address}", f"i64 {m.row}", f"i64 {m.column}"]
        lengths = (columns, rows, columns, depth, int(instruction.name == "affine"))
        given += [f"ptr {target}", *(f"i64 {n}" for n in lengths), f"ptr %pack.{char}0", f"ptr %pack.{char}1"]
        self.met(self.add(f"call i32 %gemm.{char}({', '.join(given)})"), REPORTED)
        self.work += rows * columns * depth

    def matrix(self, number: int) -> _Matrix:
        """Return where a matrix lies."""
        if number in self.views:
            return self.matrix(self.views[number]).transposed
        return _Matrix(self.places[number], shape_of(self.program, number)[1], 1)

    def transpose(self, instruction: Instruction) -> None:
        """Write a transposed matrix; one that a product alone reads, and once, is read as it lies."""
        out, source = instruction.out, instruction.operands[0]
        readers = self.reading.get(out, [])
        is_read_once = len(readers) == 1 and readers[0].name in PRODUCTS and out not in readers[0].operands[2:]
        if is_read_once and out not in self.places:
            self.views[out] = source
            self.share(out, source, self.places.get(source, ""))
            return
        rows, columns = shape_of(self.program, source)
        self.turn(out, self.matrix(source).transposed, columns, rows)

    def column_sums(self, instruction: Instruction) -> None:
        rows, columns = shape_of(self.program, instruction.operands[0])
        given = f"ptr {self.place(instruction.out)}, ptr {self.places[instruction.operands[0]]}, i64 {rows}"
        self.lines.append(f"call void @sum_{self.char(instruction.out)}({given}, i64 {columns})")

    def stack(self, instruction: Instruction) -> None:
        """Write copies of rows below each other."""
        base, at = self.place(instruction.out), 0
        for n in instruction.operands:
            target = self.add(f"getelementptr i8, ptr {base}, i64 {at}")
            self.copy(target, self.places[n], self.bytes(n))
            at += self.bytes(n)

    def copy(self, target: str, source: str, size: int) -> None:
        self.lines.append(
            f"call void @llvm.memcpy.p0.p0.i64(ptr align 4 {target}, ptr align 4 {source}, i64 {size}, i1 false)"
        )

    # ---- the function ----

    def code(self, name: str) -> StretchCode:
        """Return what was written."""
        chars = tuple(self.chars)
        count = len(self.operands) + len(self.stretch.outputs)
        arguments = [f"ptr %{x}" for c in chars for x in (f"gemm.{c}", f"pack.{c}0", f"pack.{c}1")]
        arguments += ["ptr %object", *(f"ptr %o{i}" for i in range(count))]
        arguments += [f"double %s{i}" for i in range(len(self.scalars))]
        first = ["%met = alloca i32", "store i32 0, ptr %met", *address_of("%object", "%arena")]
        first += [line for i in range(count) for line in address_of(f"%o{i}", f"%a{i}")]
        last = ["%result = load i32, ptr %met", "ret i32 %result"]
        text = function_text(f"define i32 @{name}({', '.join(arguments)})", [*first, *self.lines, *last])
        return StretchCode(text, chars, self.operands, self.scalars, self.arena.size, self.work)


@attrs.frozen
class _StepReads:
    """What a step reads and makes."""

    reads: tuple[int, ...]
    outs: tuple[int, ...]

    @classmethod
    def of(cls, step: Instruction | Region) -> _StepReads:
        if isinstance(step, Region):
            return cls(step.inputs, step.outputs)
        return cls(step.reads, (step.out,))

    @property
    def as_instruction(self) -> Instruction:
        """An instruction that reads all of them."""
        return Instruction(None, (*self.reads, *self.outs), {}, -1)


def common_code(codes: Sequence[StretchCode]) -> list[str]:
    """Return the functions that stretches call."""
    if not codes:
        return []
    texts = ["declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)", _REPEAT]
    for char, element in _ELEMENTS.items():
        texts += [text.format(char=char, element=element) for text in (_TURN, _SUM)]
    return texts


# Writes a row of `size` bytes again and again.
_REPEAT = """
define internal void @repeat(ptr %out, ptr %row, i64 %rows, i64 %size) noinline {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %more = icmp slt i64 %i, %rows
  br i1 %more, label %body, label %end
body:
  %place = mul i64 %i, %size
  %to = getelementptr i8, ptr %out, i64 %place
  call void @llvm.memcpy.p0.p0.i64(ptr align 4 %to, ptr align 4 %row, i64 %size, i1 false)
  %next = add i64 %i, 1
  br label %loop
end:
  ret void
}"""

# Writes out[i, j] = x[i * row + j * column].
_TURN = """
define internal void @turn_{char}(
  ptr noalias %out, ptr noalias %x, i64 %rows, i64 %columns, i64 %row, i64 %column
) noinline {{
entry:
  br label %outer
outer:
  %i = phi i64 [ 0, %entry ], [ %i.next, %outer.end ]
  %i.more = icmp slt i64 %i, %rows
  br i1 %i.more, label %start, label %end
start:
  %first = mul i64 %i, %row
  %line = mul i64 %i, %columns
  br label %inner
inner:
  %j = phi i64 [ 0, %start ], [ %j.next, %body ]
  %j.more = icmp slt i64 %j, %columns
  br i1 %j.more, label %body, label %outer.end
body:
  %step = mul i64 %j, %column
  %at = add i64 %first, %step
  %from = getelementptr {element}, ptr %x, i64 %at
  %value = load {element}, ptr %from
  %place = add i64 %line, %j
  %to = getelementptr {element}, ptr %out, i64 %place
  store {element} %value, ptr %to
  %j.next = add i64 %j, 1
  br label %inner
outer.end:
  %i.next = add i64 %i, 1
  br label %outer
end:
  ret void
}}"""

# Writes the sums of the columns of a matrix: the first row, to which the others are added one after the other.
_SUM = """
define internal void @sum_{char}(ptr noalias %out, ptr noalias %x, i64 %rows, i64 %columns) noinline {{
entry:
  br label %outer
outer:
  %i = phi i64 [ 0, %entry ], [ %i.next, %outer.end ]
  %is.first = icmp eq i64 %i, 0
  %i.more = icmp slt i64 %i, %rows
  br i1 %i.more, label %start, label %end
start:
  %line = mul i64 %i, %columns
  br label %inner
inner:
  %j = phi i64 [ 0, %start ], [ %j.next, %body ]
  %j.more = icmp slt i64 %j, %columns
  br i1 %j.more, label %body, label %outer.end
body:
  %at = add i64 %line, %j
  %from = getelementptr {element}, ptr %x, i64 %at
  %value = load {element}, ptr %from
  %to = getelementptr {element}, ptr %out, i64 %j
  %before = load {element}, ptr %to
  %sum = fadd {element} %before, %value
  %total = select i1 %is.first, {element} %value, {element} %sum
  store {element} %total, ptr %to
  %j.next = add i64 %j, 1
  br label %inner
outer.end:
  %i.next = add i64 %i, 1
  br label %outer
end:
  ret void
}}"""
