"""The text of kernels: a region of elementwise operations as one loop over vectors, for LLVM.

A kernel reads each operand once and writes each result once, whatever lies between. Operands of fewer axes are
broadcast as they are read.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.record import Shape
from tapenet.kernels.machine_code import processor
from tapenet.kernels.objects import DATA, ITEMS, NUMBER
from tapenet.kernels.vector_code import Code
from tapenet.kernels.vector_math import (
    EXPONENTS,
    FARTHEST,
    FUNCTIONS,
    LIMITED,
    SIMPLE,
    TRUTHS,
    definitions,
    multiplied_out,
)
from tapenet.ops.arrays.indices import ARRAY
from tapenet.program.backends.llvm import integer_code
from tapenet.program.backends.llvm.complex_code import OPERATIONS as COMPLEX, Pair, outside_of_exp
from tapenet.program.backends.llvm.elements import (
    can_convert,
    computed_in,
    elementwise_reads,
    is_gather,
    precision_of,
    precisions,
    shapes_of,
)
from tapenet.program.backends.llvm.exceptions import declarations, first_lines, last_lines
from tapenet.program.backends.llvm.integer_code import NAMES as INTEGERS, RELATIONS
from tapenet.program.backends.llvm.kernel_loops import BOUNDS, OPENING, Loops
from tapenet.program.backends.llvm.reduction_code import Accumulator, reducing
from tapenet.program.backends.llvm.stretch_runner import FAR
from tapenet.program.backends.llvm.transposing import components, write_cells
from tapenet.program.fusion.cell_rules import NO_COMPONENTS, Component
from tapenet.program.fusion.regions import Region
from tapenet.program.instructions import Instruction, Program
from tapenet.program.ranges import Range, full_range, ranges_of

# Calls of a function beyond which it is called rather than written out each time: machine code grows.
INLINED = 12

# Bytes of the vectors that NumPy computes powers with, by tables that it holds in them: a third of our time.
NUMPYS_POWERS = 64

_LOGICAL = {"logical_and": "and", "bitwise_and": "and", "logical_or": "or", "bitwise_or": "or"}
_OF_TRUTHS = frozenset({*_LOGICAL, "logical_not", "invert"})
_CONDITIONS = {"where": 0, "subgradient": 1}  # the places of operands that are truth values
_OPERATIONS: dict[str, Collection[str]] = {"b": SIMPLE, "i": INTEGERS, "f": SIMPLE, "c": COMPLEX}
_TRUTH = np.dtype(bool)
_INDEX = np.dtype(np.int64)


def can_join(program: Program, instruction: Instruction) -> bool:
    """Return whether an operation can be part of a kernel."""
    if not _is_of_kernels(program, instruction):
        return False
    shape, reads = program.shape_of(instruction.out), elementwise_reads(instruction)
    return _split_of(shape, shapes_of(program, reads)) is not None


def is_known_elementwise(program: Program, instruction: Instruction) -> bool:
    """Return whether a kernel can compute an elementwise operation, if it has its operands."""
    return instruction.name != "gather" and _is_of_kernels(program, instruction)


def _is_of_kernels(program: Program, instruction: Instruction) -> bool:
    primitive, space = instruction.primitive, program.spaces.get(instruction.out)
    if primitive is None or space is None or not space.shape or space.dtype is None or 0 in space.shape:
        return False
    if not space.is_array or not _has_known_parameters(program, instruction):
        return False
    found, dtype = precisions(program, instruction), computed_in(program, instruction)
    return None not in found and len(found) < 2 and dtype is not None and _is_known(program, instruction, dtype)


def _has_known_parameters(program: Program, instruction: Instruction) -> bool:
    name = instruction.name
    if name == "gather":
        return is_gather(program, instruction)
    if name == "remainder":
        divisor = program.constants.get(instruction.operands[1])
        return isinstance(divisor, int | np.integer) and bool(0 < divisor < 2**31) and not instruction.parameters
    if name == "power" and not _is_ours(program, instruction):
        return False
    return not instruction.parameters or (name == "astype" and set(instruction.parameters) == {"dtype"})


def _is_ours(program: Program, instruction: Instruction) -> bool:
    """Return whether a power takes no longer in a kernel: a product, one of a number, or one that NumPy calls C for."""
    base, exponent = (program.constants.get(n) for n in instruction.operands)
    return type(base) in (int, float) or _is_multiplied_out(exponent) or processor().vector_size < NUMPYS_POWERS


def _is_multiplied_out(exponent: Any) -> bool:
    return type(exponent) in (int, float) and exponent in EXPONENTS


def _is_known(program: Program, instruction: Instruction, dtype: np.dtype[Any]) -> bool:
    """Return whether an operation that computes in a dtype is known, and can convert its operands to it."""
    name, out = instruction.name, program.spaces[instruction.out].dtype
    if name == "gather":
        return True
    wanted = _converted_to(instruction, dtype)
    for number, own in zip(instruction.operands, wanted, strict=True):
        if own is _TRUTH and program.spaces[number].dtype == _TRUTH:
            continue
        if own is _TRUTH and dtype.kind not in "bf":
            return False
        if own is not _TRUTH and not can_convert(program, number, own, is_cast=name == "astype"):
            return False
    assert out is not None
    if out.kind == "b":
        names = TRUTHS if dtype.kind == "f" else RELATIONS if dtype.kind == "i" else ()
        return name in names or (dtype.kind in "bf" and (name in _OF_TRUTHS or name in TRUTHS))
    if name in ("where", "astype"):
        return True
    if name in ("real", "imag"):
        return dtype.kind == "c"
    return name in _OPERATIONS[dtype.kind] or (dtype.kind == "f" and name in FUNCTIONS)


def _converted_to(instruction: Instruction, dtype: np.dtype[Any]) -> list[np.dtype[Any]]:
    """Return the dtypes that an operation, which computes in a dtype, converts its operands to."""
    name, count = instruction.name, len(instruction.operands)
    if name in _OF_TRUTHS:
        return [_TRUTH] * count
    dtypes = [dtype] * count
    if name in _CONDITIONS:
        dtypes[_CONDITIONS[name]] = _TRUTH
    return dtypes


def _split_of(shape: Shape, operands: Sequence[Shape]) -> int | None:
    """Return how many leading axes make the rows, such that each operand is broadcast along rows, columns or both."""
    broadcast = {own for own in operands if own and own != shape}
    for split in range(len(shape)):
        if all(_role(shape, own, split) for own in broadcast):
            return split
    return None


def _role(shape: Shape, own: Shape, split: int) -> str:
    """Return how an operand is read: "all", or one number, one row or one column; empty where in none of these ways."""
    padded = (1,) * (len(shape) - len(own)) + tuple(own)
    if math.prod(own) == 1:
        return "one"
    if padded == tuple(shape):
        return "all"
    head, tail = padded[:split], padded[split:]
    if math.prod(head) == 1 and tail == tuple(shape[split:]):
        return "row"
    return "column" if math.prod(tail) == 1 and head == tuple(shape[:split]) else ""


# ---- kernels ----


@attrs.frozen(eq=False)
class Kernel:
    """The text of a kernel, and how it is called.

    Attributes:
        text: LLVM's intermediate representation of the function, named KERNEL, without what it calls.
        functions: of `vector_math` that it calls.
        intrinsics: declarations of LLVM's own functions that it calls.
        char, lanes: of its vectors.
        operands: the numbers of the arrays that it reads, in order.
        scalars: those of numbers.
        results: how many arrays it writes.
        rows, columns: the lengths of both loops.
        written_out: makes the kernel with all functions written out, in place of calls.
    """

    text: str
    functions: tuple[str, ...]
    intrinsics: tuple[str, ...]
    char: str
    lanes: int
    operands: tuple[int, ...]
    scalars: tuple[int, ...]
    results: int
    rows: int
    columns: int
    written_out: Callable[[], Kernel]


def kernel_of(
    region: Region,
    program: Program,
    *,
    keeps_rows: bool = False,
    reduced: Sequence[tuple[int, str, int]] = (),
    cut: int | None = None,
    joined: int = 1,
    sources: Mapping[int, Component] = NO_COMPONENTS,
    results: Sequence[tuple[int, Component]] = (),
) -> Kernel | None:
    """Return the kernel of a region; None where its operations have two precisions, or operands of other shapes.

    Args:
        region: what it computes.
        program: that the region is of.
        keeps_rows: whether its rows run along the last axis, whatever its operands; None where they cannot.
        reduced: values of floats that it reduces rather than writes, by what, and how many rows are reduced to
            one, 0 for none; results of their chunks come after its own.
        cut: how many first axes make the rows; None for any number.
        joined: how many of these rows are one.
        sources: where values that it reads lie as components of larger arrays.
        results: the values that it writes as components, and where.
    """
    shape = program.shape_of(region.instructions[0].out if region.instructions else region.inputs[0])
    chars = {char for x in region.instructions for char in precisions(program, x)}
    chars |= {precision_of(dtype) for n, *_ in reduced if (dtype := program.spaces[n].dtype) is not None}
    if not chars and any(_is_integer(program, x.out) for x in region.instructions):
        chars = {"d"}
    made = {x.out for x in region.instructions}
    read = [n for x in region.instructions for n in elementwise_reads(x)] + [n for n, *_ in reduced]
    reads = dict.fromkeys(n for n in read if n not in made)
    split = _split_of(shape, shapes_of(program, tuple(reads)))
    if len(chars) != 1 or split is None:
        return None
    char = chars.pop()
    assert char is not None
    roles = {n: _role(shape, program.shape_of(n), split) for n in reads}
    if not {"row", "column"} & set(roles.values()):
        split = len(shape) - 1 if keeps_rows else 0
        roles = {n: _role(shape, program.shape_of(n), split) for n in reads}
    if keeps_rows and (split != len(shape) - 1 or not all(roles.values())):
        return None
    if cut is not None:
        split = cut
        roles = {n: _role(shape, program.shape_of(n), split) for n in reads}
        if not all(roles.values()):
            return None
    rows, columns = math.prod(shape[:split]) // joined, math.prod(shape[split:]) * joined
    widest = max(processor().vector_size, 16) // np.dtype(char).itemsize
    lanes = min(widest, 1 << (columns.bit_length() - 1))
    if char == "f" and lanes == 2 and not reduced and any(x.name in _OF_PARTS for x in region.instructions):
        lanes = 1
    if reduced and (lanes < 2 or any(program.spaces[n].dtype != np.dtype(char) for n, *_ in reduced)):
        return None
    return _kernel(region, program, char, lanes, roles, rows, columns, tuple(reduced), sources, results)


def _kernel(*given: Any) -> Kernel:
    """Return the kernel that a writer writes."""
    return _Writer(*given).kernel(functools.partial(_written_out, given))


def _written_out(given: tuple[Any, ...]) -> Kernel:
    """Return the kernel that a writer writes, without calls of functions."""
    writer = _Writer(*given)
    writer.functions = FUNCTIONS
    return writer.kernel(functools.partial(_written_out, given))


def _is_integer(program: Program, number: int) -> bool:
    dtype = program.spaces[number].dtype
    return dtype is not None and dtype.kind == "i"


def is_worth(region: Region, program: Program) -> bool:
    """Return whether a kernel is better than NumPy's function, if it is called by itself."""
    first = region.instructions[0]
    size = math.prod(program.shape_of(first.out))
    return len(region.instructions) > 1 or size >= 2**14 or first.name in FUNCTIONS or first.name == "gather"


@attrs.define(eq=False)
class _Writer:
    """Writes the kernel of one region."""

    region: Region
    program: Program
    char: str
    lanes: int
    roles: dict[int, str]
    rows: int
    columns: int
    reduced: tuple[tuple[int, str, int], ...] = ()
    sources: Mapping[int, Component] = NO_COMPONENTS
    results: Sequence[tuple[int, Component]] = ()

    values: dict[int, Any] = attrs.field(factory=dict)  # vectors; of complex numbers pairs
    dtypes: dict[int, np.dtype[Any]] = attrs.field(factory=dict)
    cells: dict[int, list[str]] = attrs.field(factory=dict)  # the components of arrays that were read
    functions: Mapping[str, Any] = attrs.field(factory=dict)  # that are written out
    far: str = ""  # truth values: where an argument is out of range, of all so far

    @property
    def loops(self) -> Loops:
        """The loops that what is written here lies in."""
        return Loops(self.rows, self.columns, self.lanes)

    def kernel(self, written_out: Callable[[], Kernel]) -> Kernel:
        """Return the kernel."""
        code = Code(self.char, self.lanes, known={}, functions=self.functions)
        numbers = [n for n in self.region.inputs if not self._is_splat(n)]
        scalars = tuple([n for n in numbers if not self.program.shape_of(n)])
        operands = tuple(dict.fromkeys(self._source(n).array for n in numbers if n not in scalars))
        written = self.results or [(n, Component(n)) for n in self.region.outputs]
        arrays = (*operands, *dict.fromkeys(component.array for _, component in written))
        pointers = {n: f"%p{i}" for i, n in enumerate(arrays)}
        for n in self.roles:
            if not self._is_splat(n):
                self.dtypes[n] = self._dtype(n)
                self.values[n] = self._read(code, n, pointers, scalars)
        for instruction in self.region.instructions:
            self._compute(code, instruction, pointers)
        self._write_all(code, written, pointers)
        chunks = [f"%c{i}" for i in range(len(self.reduced))]
        text = self._text(code, [*pointers.values(), *chunks], len(scalars))
        functions, intrinsics = tuple(code.needed), tuple(code.intrinsics)
        results = len(arrays) - len(operands) + len(chunks)
        return Kernel(
            text,
            functions,
            intrinsics,
            self.char,
            self.lanes,
            operands,
            scalars,
            results,
            self.rows,
            self.columns,
            written_out,
        )

    def _source(self, number: int) -> Component:
        return self.sources.get(number) or Component(number)

    def _is_splat(self, number: int) -> bool:
        """Return whether an input is a constant number, repeated or not, which is written into the code."""
        if number not in self.program.constants:
            return False
        return self.roles.get(number) == "one" or _is_repeated(self.program.constants[number])

    def _dtype(self, number: int) -> np.dtype[Any]:
        """Return the dtype that an input is read in: Python's numbers in that of the kernel."""
        space = self.program.spaces[number]
        assert space.dtype is not None
        return np.dtype(self.char) if not space.shape and space.dtype.kind != "b" else space.dtype

    # ---- memory ----

    def _read(self, code: Code, number: int, pointers: dict[int, str], scalars: tuple[int, ...]) -> Any:
        """Write the load of an input, and return its vector; a pair of them where it is complex."""
        role, dtype = self.roles[number], self.dtypes[number]
        truth = dtype.kind == "b"
        element = _element_of(dtype)
        if number in scalars:
            one = f"%s{scalars.index(number)}"
            if truth:
                one = code.add(f"fcmp une double {one}, 0.0")
                return self._spread(code, one, "i1")
            return self._spread(code, one if self.char == "d" else code.add(f"fptrunc double {one} to float"), element)
        source, parts = self._source(number), 2 if dtype.kind == "c" else 1
        base = pointers[source.array]
        if role in ("one", "column"):
            place = self._place(code, base, "0" if role == "one" else self.loops.row, element, parts, source)
            places = [place, code.add(f"getelementptr {element}, ptr {place}, i64 1")][:parts]
            spread = [self._spread(code, code.add(f"load {element}, ptr {x}"), element) for x in places]
            return self._as_truth(code, spread[0]) if truth else tuple(spread) if parts == 2 else spread[0]
        place = self._place(code, base, self.loops.at if role == "all" else self.loops.column, element, parts, source)
        align = dtype.itemsize // parts
        if source.step > 1 and role == "all" and self._is_read_whole(source.array):
            if source.array not in self.cells:
                first = self._place(code, base, self.loops.at, element, 1, Component(source.array, 0, source.step))
                self.cells[source.array] = components(code, element, self.lanes, first, source.step, align)
            return self.cells[source.array][source.offset]
        if source.step > 1:
            apart = self._load_apart(code, place, element, source.step)
            return self._as_truth(code, apart) if truth else apart
        loaded = code.add(f"load <{self.lanes * parts} x {element}>, ptr {place}, align {align}")
        if parts == 2:
            return self._parts(code, loaded, element)
        return self._as_truth(code, loaded) if truth else loaded

    def _is_read_whole(self, array: int) -> bool:
        """Return whether most of the components of an array of floats are read, at the same places."""
        own = [(n, x) for n, x in self.sources.items() if x.array == array]
        read = {x.offset for n, x in own if self.roles.get(n) == "all" and self._dtype(n).kind == "f"}
        return 2 * len(read) > own[0][1].step

    def _place(self, code: Code, base: str, at: str, element: str, parts: int, own: Component | None = None) -> str:
        """Return the address of an element, which has one or two parts, of an array or of a component of one."""
        step, offset = (1, 0) if own is None else (own.step, own.offset)
        if parts * step > 1:
            at = code.add(f"mul i64 {at}, {parts * step}")
        if offset:
            at = code.add(f"add i64 {at}, {parts * offset}")
        return code.add(f"getelementptr {element}, ptr {base}, i64 {at}")

    def _load_apart(self, code: Code, place: str, element: str, step: int) -> str:
        """Write loads of elements that lie apart, lane by lane, and return their vector."""
        kind, found = f"<{self.lanes} x {element}>", "poison"
        for lane in range(self.lanes):
            at = code.add(f"getelementptr {element}, ptr {place}, i64 {lane * step}")
            one = code.add(f"load {element}, ptr {at}")
            found = code.add(f"insertelement {kind} {found}, {element} {one}, i64 {lane}")
        return found

    def _store_apart(self, code: Code, value: str, place: str, element: str, step: int) -> None:
        """Write stores of elements that lie apart, lane by lane."""
        for lane in range(self.lanes):
            at = code.add(f"getelementptr {element}, ptr {place}, i64 {lane * step}")
            one = code.add(f"extractelement <{self.lanes} x {element}> {value}, i64 {lane}")
            code.lines.append(f"store {element} {one}, ptr {at}")

    def _parts(self, code: Code, both: str, element: str) -> Pair:
        """Return the real and the imaginary parts of a vector of both in turns."""
        kind = f"<{2 * self.lanes} x {element}>"
        masks = (", ".join(f"i32 {2 * i + k}" for i in range(self.lanes)) for k in (0, 1))
        of = f"shufflevector {kind} {both}, {kind} poison, <{self.lanes} x i32>"
        real, imaginary = (code.add(f"{of} <{mask}>") for mask in masks)
        return real, imaginary

    def _spread(self, code: Code, one: str, element: str) -> str:
        kind = f"<{self.lanes} x {element}>"
        first = code.add(f"insertelement {kind} poison, {element} {one}, i64 0")
        return code.add(f"shufflevector {kind} {first}, {kind} poison, <{self.lanes} x i32> zeroinitializer")

    def _as_truth(self, code: Code, bytes_: str) -> str:
        return code.add(f"icmp ne <{self.lanes} x i8> {bytes_}, zeroinitializer")

    def _write_all(self, code: Code, written: Sequence[tuple[int, Component]], pointers: Mapping[int, str]) -> None:
        """Write the stores of results: of the components of an array of floats together."""
        cells: dict[int, list[int]] = {}
        for n, own in written:
            if own.step > 1 and self.dtypes[n].kind == "f":
                cells.setdefault(own.array, [0] * own.step)[own.offset] = n
            else:
                self._write(code, n, pointers[own.array], own)
        for array, numbers in cells.items():
            dtype = self.dtypes[numbers[0]]
            element, own = _element_of(dtype), Component(array, 0, len(numbers))
            place = self._place(code, pointers[array], self.loops.at, element, 1, own)
            write_cells(code, element, self.lanes, place, [self.values[n] for n in numbers], dtype.itemsize)

    def _write(self, code: Code, number: int, base: str, own: Component) -> None:
        """Write the store of a result."""
        dtype, value = self.dtypes[number], self.values[number]
        element, parts = _element_of(dtype), 2 if dtype.kind == "c" else 1
        place = self._place(code, base, self.loops.at, element, parts, own)
        if dtype.kind == "b":
            value = code.add(f"zext {code.truth} {value} to <{self.lanes} x i8>")
        if parts == 2:
            mask = ", ".join(f"i32 {i}, i32 {self.lanes + i}" for i in range(self.lanes))
            both = f"{code.type} {value[0]}, {code.type} {value[1]}"
            value = code.add(f"shufflevector {both}, <{2 * self.lanes} x i32> <{mask}>")
        if own.step > 1:
            self._store_apart(code, value, place, element, own.step)
            return
        kind, align = f"<{self.lanes * parts} x {element}>", dtype.itemsize // parts
        code.lines.append(f"store {kind} {value}, ptr {place}, align {align}")

    # ---- operations ----

    def _compute(self, code: Code, instruction: Instruction, pointers: dict[int, str]) -> None:
        """Write an operation, and note what it gives."""
        out, name = instruction.out, instruction.name
        dtype, made = computed_in(self.program, instruction), self.program.spaces[out].dtype
        assert dtype is not None
        assert made is not None
        self.dtypes[out] = made
        if dtype.kind == "b" and name in TRUTHS:
            dtype = np.dtype(self.char)
        if name == "gather":
            self.values[out] = self._gathered(code, instruction, pointers)
            return
        pairs = list(zip(instruction.operands, _converted_to(instruction, dtype), strict=True))
        operands = [self._operand(code, n, wanted) for n, wanted in pairs]
        if made.kind == "i":
            ranges = [self._range(n, wanted) for n, wanted in pairs]
            if name in INTEGERS:
                self.values[out] = integer_code.computed(code, name, made.itemsize * 8, operands, ranges)
                return
        if dtype.kind == "i" and name in RELATIONS:
            self.values[out] = integer_code.compare(code, dtype.itemsize * 8, RELATIONS[name], *operands)
        elif dtype.kind == "c" and name in COMPLEX:
            if name == "exp":
                self._limit(code, outside_of_exp(code, *operands))
            self.values[out] = COMPLEX[name](code, *operands)
        else:
            self.values[out] = self._computed(code, instruction, operands)

    def _computed(self, code: Code, instruction: Instruction, operands: list[Any]) -> Any:
        name = instruction.name
        if name == "where":
            return self._chosen(code, self.dtypes[instruction.out], *operands)
        if name in _LOGICAL:
            return code.add(f"{_LOGICAL[name]} {code.truth} {operands[0]}, {operands[1]}")
        if name in ("logical_not", "invert"):
            return code.add(f"xor {code.truth} {operands[0]}, splat (i1 true)")
        if name == "astype":
            return operands[0]
        if name in ("real", "imag"):
            return operands[0][name == "imag"]
        if name == "power":
            exponent = self.program.constants.get(instruction.operands[1])
            if exponent is not None and _is_multiplied_out(exponent):
                return multiplied_out(code, operands[0], int(exponent))
        if name in LIMITED:
            size = code.intrinsic("fabs", operands[0])
            self._limit(code, code.compare("ogt", size, code.number(FARTHEST[self.char])))
        if name in FUNCTIONS:
            return code.function(name, *operands)
        return (SIMPLE.get(name) or TRUTHS[name])(code, *operands)

    def _chosen(self, code: Code, dtype: np.dtype[Any], condition: str, x: Any, y: Any) -> Any:
        if dtype.kind == "c":
            return tuple([code.select(condition, a, b) for a, b in zip(x, y, strict=True)])
        if dtype.kind == "i":
            return integer_code.select(code, dtype.itemsize * 8, condition, x, y)
        return code.select(condition, x, y)

    def _operand(self, code: Code, number: int, wanted: np.dtype[Any]) -> Any:
        """Return an operand as the operation takes it."""
        if self._is_splat(number):
            return self._splat(code, np.asarray(self.program.constants[number]).flat[0].item(), wanted)
        value, own = self.values[number], self.dtypes[number]
        if own.kind == "c":
            return value
        if wanted.kind == "c":
            return self._converted(code, value, own, np.dtype(self.char)), code.number(0.0)
        return self._converted(code, value, own, wanted)

    def _splat(self, code: Code, x: Any, wanted: np.dtype[Any]) -> Any:
        if wanted.kind == "b":
            return f"splat (i1 {str(bool(x)).lower()})"
        if wanted.kind == "i":
            return integer_code.number(wanted.itemsize * 8, int(x))
        if wanted.kind == "c":
            return code.number(complex(x).real), code.number(complex(x).imag)
        return code.number(float(x))

    def _converted(self, code: Code, value: str, own: np.dtype[Any], wanted: np.dtype[Any]) -> str:
        """Return a vector of another kind of elements."""
        if own == wanted:
            return value
        kinds = f"<{self.lanes} x {_bits_of(own)}> {value} to <{self.lanes} x {_bits_of(wanted)}>"
        if wanted.kind == "b":
            if own.kind == "i":
                return integer_code.compare(code, own.itemsize * 8, "ne", value, "zeroinitializer")
            return code.compare("une", value, code.number(0.0))
        if wanted.kind == "i":
            if own.kind == "f":
                return self._as_integers(code, value, kinds, wanted)
            return code.add(f"{'zext' if own.kind == 'b' else 'sext'} {kinds}")
        return code.add(f"{'uitofp' if own.kind == 'b' else 'sitofp'} {kinds}")

    def _as_integers(self, code: Code, value: str, kinds: str, wanted: np.dtype[Any]) -> str:
        """Return floats cast to integers; those that are too large, and NaN, are left to NumPy, which warns."""
        limit = 2.0 ** (wanted.itemsize * 8 - 1)
        is_inside = code.compare("olt", code.intrinsic("fabs", value), code.number(limit))
        self._limit(code, code.add(f"xor {code.truth} {is_inside}, splat (i1 true)"))
        return code.add(f"fptosi {kinds}")

    def _range(self, number: int, wanted: np.dtype[Any]) -> Range:
        """Return the range of an operand as it is taken."""
        known = ranges_of(self.program).get(number)
        own = self.program.spaces[number].dtype
        return known or full_range(wanted if own is None or own.kind not in "bi" else own)

    # ---- gathers ----

    def _gathered(self, code: Code, instruction: Instruction, pointers: dict[int, str]) -> Any:
        """Write loads at places that arrays of integers name; places out of bounds are left to NumPy, which raises."""
        source, *arrays = instruction.operands
        dtype, shape = self.dtypes[instruction.out], self.program.shape_of(source)
        remaining = iter(arrays)
        place, offset, outside = "", 0, ""
        for axis, part in enumerate(instruction.parameters["index"]):
            step, length = math.prod(shape[axis + 1 :]), shape[axis]
            if part is not ARRAY:
                offset += (part % length) * step
                continue
            index, is_outside = self._index(code, next(remaining), length)
            if is_outside:
                outside = code.add(f"or {code.truth} {outside}, {is_outside}") if outside else is_outside
            if step > 1:
                index = code.add(f"mul {self._indices} {index}, {integer_code.number(64, step)}")
            place = code.add(f"add {self._indices} {place}, {index}") if place else index
        if offset:
            place = code.add(f"add {self._indices} {place}, {integer_code.number(64, offset)}")
        if outside:
            self._limit(code, outside)
            place = integer_code.select(code, 64, outside, integer_code.number(64, 0), place)
        return self._loaded(code, dtype, pointers[source], place)

    @property
    def _indices(self) -> str:
        return f"<{self.lanes} x i64>"

    def _index(self, code: Code, number: int, length: int) -> tuple[str, str]:
        """Return an index along an axis, from its start, and where it is out of bounds; empty where it cannot be."""
        index, (low, high) = self._operand(code, number, _INDEX), self._range(number, _INDEX)
        if low < 0:
            is_negative = integer_code.compare(code, 64, "slt", index, integer_code.number(64, 0))
            from_end = code.add(f"add {self._indices} {index}, {integer_code.number(64, length)}")
            index = integer_code.select(code, 64, is_negative, from_end, index)
        if low >= -length and high < length:
            return index, ""
        return index, integer_code.compare(code, 64, "uge", index, integer_code.number(64, length))

    def _loaded(self, code: Code, dtype: np.dtype[Any], base: str, places: str) -> Any:
        """Return the elements at places, lane by lane: LLVM's own gather has another signature by version."""
        element, parts = _element_of(dtype), 2 if dtype.kind == "c" else 1
        kind = f"<{self.lanes} x {element}>"
        found = ["poison"] * parts
        for lane in range(self.lanes):
            at = code.add(f"extractelement {self._indices} {places}, i64 {lane}")
            address = self._place(code, base, at, element, parts)
            for k in range(parts):
                own = code.add(f"getelementptr {element}, ptr {address}, i64 {k}")
                one = code.add(f"load {element}, ptr {own}")
                found[k] = code.add(f"insertelement {kind} {found[k]}, {element} {one}, i64 {lane}")
        return tuple(found) if parts == 2 else found[0]

    def _limit(self, code: Code, outside: str) -> None:
        """Note where an argument is out of range; at once, so that not all are held to the end."""
        self.far = code.add(f"or {code.truth} {self.far}, {outside}") if self.far else outside

    def _text(self, code: Code, pointers: Sequence[str], scalars: int) -> str:
        """Return the function."""
        body, some = list(code.lines), ""
        if self.far:
            some = "%some"
            body.append(f"%any = bitcast {code.truth} {self.far} to i{self.lanes}")
            body.append(f"%some = icmp ne i{self.lanes} %any, 0")
        own = [f"ptr {pointer}" for pointer in pointers] + [f"double %s{i}" for i in range(scalars)]
        arguments = "".join(f"{argument}, " for argument in own)
        if not self.reduced:
            return self.loops.function(arguments, self.loops.over_vectors(body, some))
        accumulators = [
            Accumulator(self.values[n], name, f"%c{i}", height) for i, (n, name, height) in enumerate(self.reduced)
        ]
        return self.loops.function(arguments, reducing(code, self.loops, accumulators, body, some))


def _is_repeated(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.size > 0 and not any(x.strides)


def _bits_of(dtype: np.dtype[Any]) -> str:
    """Return the type of an element that is computed with."""
    return "i1" if dtype.kind == "b" else _element_of(dtype)


def _element_of(dtype: np.dtype[Any]) -> str:
    """Return the type of an element in memory; of a complex number that of its parts."""
    if dtype.kind in "bi":
        return f"i{8 * dtype.itemsize}"
    return "float" if precision_of(dtype) == "f" else "double"


# What a kernel met, times this, is not among the flags of products.
MET = 2**8


# What may divide by zero in the half of a register of 16 bytes that two numbers of float32 leave empty: flags say so.
_OF_PARTS = frozenset(
    {"divide", "reciprocal", "log", "log1p", "power", "remainder", "floor_divide", "logaddexp", "over_one_more_square"}
)


def entry_of(kernel: Kernel, name: str) -> str:
    """Return the function `NAME.entry`, which takes a tuple of arrays and numbers, and bounds of rows and columns.

    It returns MET times what the kernel met.
    """

    def given(i: int, kind: str, value: str) -> list[str]:
        return [
            f"%item{i} = getelementptr i8, ptr %values, i64 {ITEMS + 8 * i}",
            f"%object{i} = load ptr, ptr %item{i}",
            f"%place{i} = getelementptr i8, ptr %object{i}, i64 {DATA if kind == 'ptr' else NUMBER}",
            f"{value} = load {kind}, ptr %place{i}",
        ]

    bounds = ", ".join(f"i64 {bound}" for bound in BOUNDS)
    return _as_function(kernel, f"define i32 @{name}.entry(ptr %values, {bounds})", given, factor=MET)


def step_name(kernel: Kernel, name: str) -> str:
    """Return what the function of `step_of` is called: kernels of several sizes may have one text."""
    return f"{name}.step.{kernel.rows}.{kernel.columns}"


def step_of(kernel: Kernel, name: str) -> str:
    """Return the function that a stretch calls, which takes a row of addresses: of arrays, then of numbers."""

    def given(i: int, kind: str, value: str) -> list[str]:
        return [f"%place{i} = getelementptr ptr, ptr %given, i64 {i}", *_loaded(i, kind, value)]

    bounds = ("0", str(kernel.rows), "0", str(kernel.columns))
    return _as_function(kernel, f"define i32 @{step_name(kernel, name)}(ptr %given)", given, bounds)


def panel_name(kernel: Kernel, name: str) -> str:
    """Return what the function of `panel_of` is called."""
    return f"{name}.panel.{kernel.rows}"


def panel_of(kernel: Kernel, name: str) -> str:
    """Return the function that panels call, which takes the addresses of all arrays and numbers, and which are its own.

    It computes some columns, and returns FAR times what the kernel met.
    """

    def given(i: int, kind: str, value: str) -> list[str]:
        return [
            f"%word{i} = getelementptr i64, ptr %words, i64 {i}",
            f"%index{i} = load i64, ptr %word{i}",
            f"%place{i} = getelementptr ptr, ptr %known, i64 %index{i}",
            *_loaded(i, kind, value),
        ]

    arguments = "ptr %known, ptr %words, i64 %begin, i64 %end, i64 %part"
    head = f"define i32 @{panel_name(kernel, name)}({arguments})"
    return _as_function(kernel, head, given, ("0", str(kernel.rows), "%begin", "%end"), factor=FAR)


def _loaded(i: int, kind: str, value: str) -> list[str]:
    """Return the lines that load an argument: an array's address, or the number at an address."""
    if kind == "ptr":
        return [f"{value} = load ptr, ptr %place{i}"]
    return [f"%number{i} = load ptr, ptr %place{i}", f"{value} = load {kind}, ptr %number{i}"]


def _as_function(
    kernel: Kernel,
    head: str,
    given: Callable[[int, str, str], list[str]],
    bounds: Sequence[str] = BOUNDS,
    factor: int = 0,
) -> str:
    """Return a function that does what a kernel does: as text, which takes less time than LLVM's inlining of a call.

    Args:
        kernel: what it does.
        head: its name and arguments.
        given: returns the lines that define an argument of the kernel, by its place, type and name.
        bounds: of rows and columns.
        factor: of what is returned, with the processor's flags; 0 to return what the kernel does, and leave them.
    """
    arguments, body = kernel.text.split(OPENING)
    own = [x.split() for x in arguments[arguments.index("(") + 1 : -1].split(", ")][: -len(BOUNDS)]
    lines = [line for i, (kind, value) in enumerate(own) for line in given(i, kind, value)]
    if bounds != BOUNDS:
        body = _BOUND.sub(lambda found: bounds[BOUNDS.index(found[0])], body)
    if factor:
        lines = [*first_lines(), *lines]
        body = _RETURN.sub(lambda found: "\n  ".join(last_lines(found[1], factor)), body)
    return "\n  ".join([f"{head} {{\nentry:", *lines]) + "\n" + body


_BOUND = re.compile(r"%(?:row|column)[01]\b")
_RETURN = re.compile(r"ret i32 (\S+)")


def function_text(head: str, lines: Sequence[str]) -> str:
    """Return the text of a function of one block."""
    body = "\n  ".join(lines)
    return f"{head} {{\n  {body}\n}}"


def module_of(
    names: Mapping[str, str],
    entries: Collection[Kernel],
    steps: Collection[Kernel] = (),
    panels: Collection[Kernel] = (),
    others: Sequence[str] = (),
    declared: Collection[str] = (),
) -> str:
    """Return the module of kernels and of all that they call.

    Args:
        names: of kernels, by their texts.
        entries: those that are called from Python.
        steps: those that stretches call.
        panels: those that panels call.
        others: other functions that stretches call.
        declared: declarations of what these call.
    """
    kernels = {kernel.text: kernel for kernel in (*entries, *steps, *panels)}
    functions: list[str] = []
    intrinsics = dict.fromkeys((*declared, *declarations()))
    written = kernels
    if sum(text.count(" call ") for text in kernels) <= INLINED:
        written = {text: kernel.written_out() for text, kernel in kernels.items()}
    else:
        keys = [(name, kernel.char, kernel.lanes) for kernel in kernels.values() for name in kernel.functions]
        functions, called = definitions(keys, inline=False)
        intrinsics |= called
    for kernel in written.values():
        intrinsics |= dict.fromkeys(kernel.intrinsics)
    writers = [(entry_of, entries), (step_of, steps), (panel_of, panels)]
    texts = dict.fromkeys(
        write(attrs.evolve(kernel, text=written[kernel.text].text), names[kernel.text])
        for write, own in writers
        for kernel in own
    )
    return "\n".join((*intrinsics, *functions, *texts, *others))
