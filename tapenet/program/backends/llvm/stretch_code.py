"""The table of a stretch: its steps in numbers, for one function of machine code that does those of any stretch.

A function of its own for each stretch would take longer to compile than it takes to run a thousand times. The table
says for each step what it is, where the arrays lie that it reads and writes, and lengths; to do a step after it takes
some 10 ns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import attrs
import numpy as np

from tapenet.program.backends.llvm import fourier_code, scatter_code
from tapenet.program.backends.llvm.kernel_code import Kernel, function_text, step_name
from tapenet.program.backends.llvm.stretch_runner import Kind
from tapenet.program.fusion.regions import Region
from tapenet.program.fusion.scatters import Scatter
from tapenet.program.fusion.stretches import CALLED, PRODUCTS, SUMS, Arena, Stretch, view_of
from tapenet.program.fusion.transforms import Transform
from tapenet.program.instructions import Instruction, Program, last_uses
from tapenet.program.selections import steps_of

Word = int | str  # of a table; a text stands for the address of what it names


@attrs.frozen(eq=False)
class StretchCode:
    """The table of a stretch, and how it is run.

    Attributes:
        words: of the table; "gemm f" stands for the address of products of float32, another name for that of a kernel,
            a transform or a sum of pieces.
        chars: the dtypes of its products.
        operands: the numbers of the arrays that it reads, in order.
        scalars: those of numbers.
        size: bytes of the memory for values.
        work: multiplications and elements, about.
        functions: the transforms and sums of pieces.
    """

    words: tuple[Word, ...]
    chars: tuple[str, ...]
    operands: tuple[int, ...]
    scalars: tuple[int, ...]
    size: int
    work: int
    functions: tuple[Transform | Scatter, ...] = ()


@attrs.frozen
class _Address:
    """Where a value lies: in which array of those that are given, the first of which is the arena, from which byte."""

    array: int
    start: int = 0

    def after(self, size: int) -> _Address:
        """Return the address so many bytes further."""
        return _Address(self.array, self.start + size)


@attrs.frozen
class _Matrix:
    """Where a matrix lies: its address and the distances of its rows and columns, in elements."""

    address: _Address
    row: int
    column: int

    @property
    def transposed(self) -> _Matrix:
        return _Matrix(self.address, self.column, self.row)


def code_of(stretch: Stretch, program: Program, kernels: Mapping[int, Kernel], names: Mapping[str, str]) -> StretchCode:
    """Return the code of a stretch.

    Args:
        kernels: by the identity of the region.
        names: of kernels, by their texts.
    """
    writer = _Writer(stretch, program, kernels, names)
    writer.write()
    return writer.code()


@attrs.define(eq=False)
class _Writer:
    """Writes the table of one stretch, step by step.

    Attributes:
        most: addresses of one step.
        places: of values: where their elements lie, in C order.
        views: of transposed matrices that were not copied: the value that each is a view of.
        owners: of each value in the arena, the one whose memory it lies in.
        taken: of values in the arena: where each begins.
        readers: of memory in the arena: how many values in it are still needed.
        reading: of values, the instructions of the stretch that read them.
        functions: transforms and sums of pieces that were called.
    """

    stretch: Stretch
    program: Program
    kernels: Mapping[int, Kernel]
    names: Mapping[str, str]
    operands: tuple[int, ...] = ()
    scalars: tuple[int, ...] = ()
    words: list[Word] = attrs.field(factory=list)
    functions: dict[Transform | Scatter, None] = attrs.field(factory=dict)
    most: int = 0
    places: dict[int, _Address] = attrs.field(factory=dict)
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
        kernels = [self.kernels[id(step)] for step in self.stretch.steps if isinstance(step, Region)]
        self.scalars = tuple(dict.fromkeys(n for kernel in kernels for n in kernel.scalars))
        # Numbers come last: results are written into arrays.
        given = (*self.operands, *self.stretch.outputs, *self.scalars)
        self.places = {n: _Address(i + 1) for i, n in enumerate(given)}
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

    def place(self, number: int) -> _Address:
        """Return the address for a value that is about to be written."""
        if number not in self.places:
            size = self.bytes(number)
            self.taken[number] = self.arena.take(size)
            self.owners[number] = number
            self.readers[number] = 1
            self.places[number] = _Address(0, self.taken[number])
        return self.places[number]

    def share(self, number: int, other: int, address: _Address) -> None:
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
        return math.prod(self.program.shape_of(number)) * dtype.itemsize

    def char(self, number: int) -> str:
        dtype = self.program.spaces[number].dtype
        assert dtype is not None
        return dtype.char

    # ---- steps ----

    def step(self, kind: Kind, addresses: Sequence[_Address], *rest: Word) -> None:
        """Write a step: its kind, the addresses of what it reads and writes, and what else it needs."""
        self.words += [kind, len(addresses)]
        for address in addresses:
            self.words += [address.array, address.start]
        self.words += rest
        self.most = max(self.most, len(addresses))

    def region(self, region: Region) -> None:
        """Write the call of a kernel."""
        kernel = self.kernels[id(region)]
        for n in region.outputs:
            self.place(n)
        given = [self.places[n] for n in (*kernel.operands, *region.outputs, *kernel.scalars)]
        self.step(Kind.KERNEL, given, step_name(kernel, self.names[kernel.text]))
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
        elif name in CALLED:
            self.called(instruction)
        else:
            self.view(instruction)

    def called(self, instruction: Instruction) -> None:
        """Write the call of a transform, or of a sum of pieces."""
        made = CALLED[instruction.name](self.program, instruction)
        assert made is not None
        self.functions[made] = None
        self.work += made.work
        addresses = [self.place(instruction.out), *(self.places[n] for n in instruction.operands)]
        scratch = fourier_code.scratch_of(made) if isinstance(made, Transform) else 0
        place = self.arena.take(scratch)
        self.step(Kind.KERNEL, [*addresses, _Address(0, place)], f"{made.name}.step")
        self.arena.give(place, scratch)

    def view(self, instruction: Instruction) -> None:
        """Write a part of an array, or all in another shape: no copy where it lies in C order."""
        out, source = instruction.out, instruction.operands[0]
        shape, char = self.program.shape_of(out), self.char(out)
        own = steps_of(shape)
        start, steps = (0, own)
        if instruction.name != "reshape":
            start, steps = view_of(instruction, self.program.shape_of(source))
        address = self.places[source].after(start * np.dtype(char).itemsize)
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
        kind = {"f": Kind.TURN_F, "d": Kind.TURN_D}[self.char(out)]
        self.step(kind, (self.place(out), matrix.address), rows, columns, matrix.row, matrix.column)

    def product(self, instruction: Instruction) -> None:
        """Write a matrix product; that of an affine map is added to the rows of its bias."""
        x, y = (self.matrix(n) for n in instruction.operands[:2])
        out, char = instruction.out, self.char(instruction.out)
        rows, depth = self.program.shape_of(instruction.operands[0])
        if instruction.name == "product of transposed":
            x, rows, depth = x.transposed, depth, rows
        columns = self.program.shape_of(out)[1]
        target = self.place(out)
        if instruction.name == "affine":
            bias = self.places[instruction.operands[2]]
            size = columns * np.dtype(char).itemsize
            self.step(Kind.REPEAT, (target, bias), rows, size)
        self.chars[char] = None
        kind = {"f": Kind.PRODUCT_F, "d": Kind.PRODUCT_D}[char]
        adds = int(instruction.name == "affine")
        distances = (x.row, x.column, y.row, y.column)
        self.step(kind, (x.address, y.address, target), f"gemm {char}", *distances, rows, columns, depth, adds)
        self.work += rows * columns * depth

    def matrix(self, number: int) -> _Matrix:
        """Return where a matrix lies."""
        if number in self.views:
            return self.matrix(self.views[number]).transposed
        return _Matrix(self.places[number], self.program.shape_of(number)[1], 1)

    def transpose(self, instruction: Instruction) -> None:
        """Write a transposed matrix; one that a product alone reads, and once, is read as it lies."""
        out, source = instruction.out, instruction.operands[0]
        readers = self.reading.get(out, [])
        is_read_once = len(readers) == 1 and readers[0].name in PRODUCTS and out not in readers[0].operands[2:]
        if is_read_once and out not in self.places:
            self.views[out] = source
            self.share(out, source, self.places[source])
            return
        rows, columns = self.program.shape_of(source)
        self.turn(out, self.matrix(source).transposed, columns, rows)

    def column_sums(self, instruction: Instruction) -> None:
        rows, columns = self.program.shape_of(instruction.operands[0])
        kind = {"f": Kind.SUM_F, "d": Kind.SUM_D}[self.char(instruction.out)]
        self.step(kind, (self.place(instruction.out), self.places[instruction.operands[0]]), rows, columns)

    def stack(self, instruction: Instruction) -> None:
        """Write copies of rows below each other."""
        target = self.place(instruction.out)
        for n in instruction.operands:
            self.copy(target, self.places[n], self.bytes(n))
            target = target.after(self.bytes(n))

    def copy(self, target: _Address, source: _Address, size: int) -> None:
        self.step(Kind.REPEAT, (target, source), 1, size)

    # ---- the table ----

    def code(self) -> StretchCode:
        """Return what was written."""
        arrays = 1 + len(self.operands) + len(self.stretch.outputs)
        count = arrays + len(self.scalars)
        at = self.arena.size  # beyond the values
        head = (count, arrays, at, at + 8 * count)
        size = at + 8 * (count + self.most)
        words = (*head, *self.words, Kind.END, 0)
        functions = tuple(self.functions)
        return StretchCode(words, tuple(self.chars), self.operands, self.scalars, size, self.work, functions)


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


def texts_of(functions: Sequence[Transform | Scatter]) -> tuple[list[str], dict[str, None]]:
    """Return transforms and sums of pieces, each once, as functions that a step calls, and what they declare."""
    texts, declared = [], dict[str, None]()
    for function in dict.fromkeys(functions):
        writer = scatter_code if isinstance(function, Scatter) else fourier_code
        text, own = writer.text_of(function)
        texts += [text, _step_of(function)]
        declared |= own
    return texts, declared


def _step_of(function: Transform | Scatter) -> str:
    """Return the function `NAME.step`, which takes a row of addresses."""
    lines = []
    for i in range(function.arguments):
        lines += [f"%p{i} = getelementptr ptr, ptr %given, i64 {i}", f"%a{i} = load ptr, ptr %p{i}"]
    given = ", ".join(f"ptr %a{i}" for i in range(function.arguments))
    lines += [f"%r = call i32 @{function.name}({given})", "ret i32 %r"]
    return function_text(f"define i32 @{function.name}.step(ptr %given)", lines)
