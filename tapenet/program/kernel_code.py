"""The text of kernels: a region of elementwise operations as one loop over vectors, for LLVM.

A kernel reads each operand once and writes each result once, whatever lies between. Operands of fewer axes are
broadcast as they are read.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.record import Shape
from tapenet.kernels.machine_code import processor
from tapenet.program.instructions import Instruction, Program
from tapenet.program.regions import Region
from tapenet.program.vector_code import Code
from tapenet.program.vector_math import (
    EXPONENTS,
    FARTHEST,
    FUNCTIONS,
    LIMITED,
    SIMPLE,
    TRUTHS,
    definition,
    power,
)

# Calls of a function beyond which it is called rather than written out each time: machine code grows.
INLINED = 12

# Bytes from the start of an ndarray object to the address of its elements, in CPython.
DATA = 16

_LOGICAL = {"logical_and": "and", "bitwise_and": "and", "logical_or": "or", "bitwise_or": "or"}
_OF_TRUTHS = frozenset({*_LOGICAL, "logical_not", "invert"})


def can_join(program: Program, instruction: Instruction) -> bool:
    """Return whether an operation can be part of a kernel."""
    primitive, space = instruction.primitive, program.spaces.get(instruction.out)
    if primitive is None or space is None or not space.shape or space.dtype is None or 0 in space.shape:
        return False
    if not space.is_array or not space.dtype.isnative or not _has_known_parameters(program, instruction):
        return False
    char = _float_of(program, instruction)
    if char is None or not _is_known(instruction.name, space.dtype):
        return False
    return _split_of(space.shape, [shape_of(program, n) for n in instruction.operands]) is not None


def _has_known_parameters(program: Program, instruction: Instruction) -> bool:
    if instruction.name == "power":
        exponent = program.constants.get(instruction.operands[1])
        return type(exponent) in (int, float) and exponent in EXPONENTS and not instruction.parameters
    return not instruction.parameters or (instruction.name == "astype" and set(instruction.parameters) == {"dtype"})


def _is_known(name: str, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "b":
        return name in TRUTHS or name in _LOGICAL or name in ("logical_not", "invert")
    return name in SIMPLE or name in FUNCTIONS or name in ("where", "astype", "power")


def _float_of(program: Program, instruction: Instruction) -> str | None:
    """Return the character of the one floating dtype that an operation computes in; None where there is not one."""
    found: set[str] = set()
    for number in (*instruction.operands, instruction.out):
        space = program.spaces[number]
        constant = program.constants.get(number)
        if space.is_number or isinstance(constant, bool | int | float):
            continue
        if space.dtype is None or not space.dtype.isnative:
            return None
        if space.dtype.kind != "b":
            found.add(space.dtype.char)
    if not found:
        return ""  # of truth values alone
    return found.pop() if len(found) == 1 and found <= {"f", "d"} else None


def shape_of(program: Program, number: int) -> Shape:
    return program.spaces[number].shape or ()


def _split_of(shape: Shape, operands: Sequence[Shape]) -> int | None:
    """Return how many leading axes make the rows, such that each operand is broadcast along rows, columns or both."""
    for split in range(len(shape)):
        if all(_role(shape, own, split) for own in operands):
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


def kernel_of(region: Region, program: Program) -> Kernel | None:
    """Return the kernel of a region; None where its operations have two dtypes, or operands of other shapes."""
    shape = shape_of(program, region.instructions[0].out)
    chars = {char for x in region.instructions if (char := _float_of(program, x))}
    split = _split_of(shape, [shape_of(program, n) for n in region.inputs])
    if len(chars) != 1 or split is None:
        return None
    char = chars.pop()
    roles = {n: _role(shape, shape_of(program, n), split) for n in region.inputs}
    if not {"row", "column"} & set(roles.values()):
        split = 0
    rows, columns = math.prod(shape[:split]), math.prod(shape[split:])
    widest = max(processor().vector_size, 16) // np.dtype(char).itemsize
    lanes = min(widest, 1 << (columns.bit_length() - 1))
    return _Writer(region, program, char, lanes, roles, rows, columns).kernel()


def is_worth(region: Region, program: Program) -> bool:
    """Return whether a kernel is better than NumPy's function, if it is called by itself."""
    first = region.instructions[0]
    size = math.prod(shape_of(program, first.out))
    return len(region.instructions) > 1 or size >= 2**14 or first.name in FUNCTIONS


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

    def kernel(self) -> Kernel:
        """Return the kernel."""
        code = Code(self.char, self.lanes)
        numbers = [n for n in self.region.inputs if n not in self.program.constants or self.roles[n] != "one"]
        scalars = tuple([n for n in numbers if not shape_of(self.program, n)])
        operands = tuple([n for n in numbers if n not in scalars])
        pointers = {n: f"%p{i}" for i, n in enumerate((*operands, *self.region.outputs))}
        values: dict[int, str] = {}
        limits: list[str] = []
        for n in self.region.inputs:
            values[n] = self._read(code, n, pointers, scalars)
        for instruction in self.region.instructions:
            values[instruction.out] = self._computed(code, instruction, values, limits)
        for n in self.region.outputs:
            self._write(code, n, values[n], pointers[n])
        text = self._text(code, list(pointers.values()), limits, len(scalars))
        functions, intrinsics = tuple(code.needed), tuple(code.intrinsics)
        results = len(self.region.outputs)
        return Kernel(
            text, functions, intrinsics, self.char, self.lanes, operands, scalars, results, self.rows, self.columns
        )

    def _is_truth(self, number: int) -> bool:
        x = self.program.constants.get(number)
        dtype = self.program.spaces[number].dtype
        return isinstance(x, bool) or (dtype is not None and dtype.kind == "b")

    def _read(self, code: Code, number: int, pointers: dict[int, str], scalars: tuple[int, ...]) -> str:
        """Write the load of an input, and return its vector."""
        role, truth = self.roles[number], self._is_truth(number)
        if number in self.program.constants and role == "one":
            x = np.asarray(self.program.constants[number]).item()
            return f"splat (i1 {str(bool(x)).lower()})" if truth else code.number(float(x))
        element = "i8" if truth else code.element
        if number in scalars:
            one = f"%s{scalars.index(number)}"
            if truth:
                one = code.add(f"fcmp une double {one}, 0.0")
                return self._spread(code, one, "i1")
            return self._spread(code, one if self.char == "d" else code.add(f"fptrunc double {one} to float"), element)
        base = pointers[number]
        if role in ("one", "column"):
            place = code.add(f"getelementptr {element}, ptr {base}, i64 {'0' if role == 'one' else '%row'}")
            spread = self._spread(code, code.add(f"load {element}, ptr {place}"), element)
            return self._as_truth(code, spread) if truth else spread
        place = code.add(f"getelementptr {element}, ptr {base}, i64 {'%at' if role == 'all' else '%column'}")
        size = 1 if truth else code.bits // 8
        loaded = code.add(f"load <{self.lanes} x {element}>, ptr {place}, align {size}")
        return self._as_truth(code, loaded) if truth else loaded

    def _spread(self, code: Code, one: str, element: str) -> str:
        kind = f"<{self.lanes} x {element}>"
        first = code.add(f"insertelement {kind} poison, {element} {one}, i64 0")
        return code.add(f"shufflevector {kind} {first}, {kind} poison, <{self.lanes} x i32> zeroinitializer")

    def _as_truth(self, code: Code, bytes_: str) -> str:
        return code.add(f"icmp ne <{self.lanes} x i8> {bytes_}, zeroinitializer")

    def _write(self, code: Code, number: int, value: str, base: str) -> None:
        truth = self._is_truth(number)
        element = "i8" if truth else code.element
        place = code.add(f"getelementptr {element}, ptr {base}, i64 %at")
        if truth:
            value = code.add(f"zext {code.truth} {value} to <{self.lanes} x i8>")
        size = 1 if truth else code.bits // 8
        code.lines.append(f"store <{self.lanes} x {element}> {value}, ptr {place}, align {size}")

    def _computed(self, code: Code, instruction: Instruction, values: dict[int, str], limits: list[str]) -> str:
        name = instruction.name
        operands = [self._operand(code, name, i, n, values[n]) for i, n in enumerate(instruction.operands)]
        if name == "where":
            return code.select(*operands)
        if name in _LOGICAL:
            return code.add(f"{_LOGICAL[name]} {code.truth} {operands[0]}, {operands[1]}")
        if name in ("logical_not", "invert"):
            return code.add(f"xor {code.truth} {operands[0]}, splat (i1 true)")
        if name == "astype":
            return operands[0]
        if name == "power":
            return power(code, operands[0], int(self.program.constants[instruction.operands[1]]))
        if name in LIMITED:
            size = code.intrinsic("fabs", operands[0])
            limits.append(code.compare("ogt", size, code.number(FARTHEST[self.char])))
        if name in FUNCTIONS:
            return code.function(name, *operands)
        return (SIMPLE.get(name) or TRUTHS[name])(code, *operands)

    def _operand(self, code: Code, name: str, place: int, number: int, value: str) -> str:
        """Return an operand as a truth value, or as a number, as the operation takes it."""
        wants_truth = name in _OF_TRUTHS or (name, place) in (("where", 0), ("subgradient", 1))
        if self._is_truth(number) == wants_truth:
            return value
        if wants_truth:
            return code.compare("une", value, code.number(0.0))
        return code.add(f"uitofp {code.truth} {value} to {code.type}")

    def _text(self, code: Code, pointers: Sequence[str], limits: list[str], scalars: int) -> str:
        """Return the function."""
        body = list(code.lines)
        far = "%seen"
        if limits:
            joined = limits[0]
            for i, limit in enumerate(limits[1:]):
                body.append(f"%far{i} = or {code.truth} {joined}, {limit}")
                joined = f"%far{i}"
            body.append(f"%any = bitcast {code.truth} {joined} to i{self.lanes}")
            body.append(f"%some = icmp ne i{self.lanes} %any, 0")
            body.append("%now = or i1 %seen, %some")
            far = "%now"
        arguments = [f"ptr {pointer}" for pointer in pointers] + [f"double %s{i}" for i in range(scalars)]
        return _LOOPS.format(
            arguments="".join(f"{argument}, " for argument in arguments),
            body="\n  ".join(body),
            lanes=self.lanes,
            columns=self.columns,
            far=far,
        )


# The last vector of a row ends where the row does: it may overlap the one before, and writes the same again.
_LOOPS = """
define internal i32 @KERNEL({arguments}i64 %row0, i64 %row1, i64 %column0, i64 %column1) {{
entry:
  %last = sub i64 %column1, {lanes}
  br label %rows
rows:
  %row = phi i64 [ %row0, %entry ], [ %row.next, %row.end ]
  %seen.row = phi i1 [ false, %entry ], [ %seen, %row.end ]
  %is.row = icmp slt i64 %row, %row1
  br i1 %is.row, label %row.start, label %exit
row.start:
  %first = mul i64 %row, {columns}
  br label %vectors
vectors:
  %next = phi i64 [ %column0, %row.start ], [ %next.after, %vector ]
  %seen = phi i1 [ %seen.row, %row.start ], [ {far}, %vector ]
  %is.vector = icmp slt i64 %next, %column1
  br i1 %is.vector, label %vector, label %row.end
vector:
  %is.last = icmp sgt i64 %next, %last
  %column = select i1 %is.last, i64 %last, i64 %next
  %at = add i64 %first, %column
  {body}
  %next.after = add i64 %next, {lanes}
  br label %vectors
row.end:
  %row.next = add i64 %row, 1
  br label %rows
exit:
  %result = zext i1 %seen.row to i32
  ret i32 %result
}}
"""


def entry_of(kernel: Kernel, name: str) -> str:
    """Return the function `NAME.entry`, which takes array objects where the kernel of a name takes addresses."""
    count = len(kernel.operands) + kernel.results
    objects = [f"ptr %o{i}" for i in range(count)]
    numbers = [f"double %s{i}" for i in range(len(kernel.scalars))]
    bounds = [f"i64 %b{i}" for i in range(4)]
    given = [f"ptr %a{i}" for i in range(count)]
    lines = [line for i in range(count) for line in address_of(f"%o{i}", f"%a{i}")]
    lines += [f"%r = call i32 @{name}({', '.join((*given, *numbers, *bounds))})", "ret i32 %r"]
    return function_text(f"define i32 @{name}.entry({', '.join((*objects, *numbers, *bounds))})", lines)


def address_of(array: str, address: str) -> list[str]:
    """Return the lines that load the address of an array object's elements."""
    return [f"{address}.at = getelementptr i8, ptr {array}, i64 {DATA}", f"{address} = load ptr, ptr {address}.at"]


def function_text(head: str, lines: Sequence[str]) -> str:
    """Return the text of a function of one block."""
    body = "\n  ".join(lines)
    return f"{head} {{\n  {body}\n}}"


def module_of(kernels: Sequence[Kernel], entries: Collection[int], others: Sequence[str] = ()) -> str:
    """Return the module of kernels, named kernel0, kernel1 and so on, and of all that they call.

    Args:
        entries: the places of those that are called from Python.
        others: other functions, which may call kernels, and declarations.
    """
    functions: dict[tuple[str, str, int], str] = {}
    intrinsics: dict[str, None] = {}
    calls = sum(kernel.text.count(" call ") for kernel in kernels)
    pending = [(name, kernel.char, kernel.lanes) for kernel in kernels for name in kernel.functions]
    while pending:
        key = pending.pop()
        if key not in functions:
            functions[key], own = definition(*key, inline=calls <= INLINED)
            intrinsics |= own.intrinsics
            pending += [(name, key[1], key[2]) for name in own.needed]
    for kernel in kernels:
        intrinsics |= dict.fromkeys(kernel.intrinsics)
    texts = [kernel.text.replace("@KERNEL", f"@kernel{i}", 1) for i, kernel in enumerate(kernels)]
    if others:  # written out at each call in a stretch, they would take seconds to compile
        texts = [text.replace("%column1) {", "%column1) noinline {", 1) for text in texts]
    texts += [entry_of(kernel, f"kernel{i}") for i, kernel in enumerate(kernels) if i in entries]
    return "\n".join((*intrinsics, *functions.values(), *texts, *others))
