"""A program as a function in C, for where there is no Python: C99 and its mathematics, without any allocation.

Elementwise operations of one shape are one loop nest, as in `regions`; everything else is a loop nest of its own.
Values between them lie in memory that the caller gives, each place of which is used again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.record import Shape
from tapenet.errors import ArgumentError
from tapenet.program.c_expressions import (
    EXPRESSIONS,
    RESERVED,
    TYPES,
    broadcast_steps,
    distance,
    dummy,
    index_of,
    literal,
    place_of,
    steps_of,
    times,
)
from tapenet.program.instructions import Instruction, Program, Space, last_uses
from tapenet.program.regions import Region, Step, in_regions
from tapenet.program.stretches import Arena


def to_c(program: Program, name: str = "program") -> str:
    """Return the text of a C function that computes a program; see `Lowered.to_c`."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name in RESERVED or re.fullmatch(r"[ceivxy][0-9]+", name):
        raise ArgumentError(
            f"to_c: name must be a name in C that is not a keyword, and none that the text uses; got {name!r}. "
            "Name it after what it computes, as in 'force'."
        )
    return _Writer(program, name).text()


def can_join(program: Program, instruction: Instruction) -> bool:
    """Return whether an operation is one of elements."""
    if instruction.name not in EXPRESSIONS or set(instruction.parameters) - {"dtype"}:
        return False
    spaces = [space_of(program, n) for n in (instruction.out, *instruction.operands)]
    return all(x.dtype is not None and x.dtype.char in TYPES for x in spaces)


def space_of(program: Program, number: int) -> Space:
    """Return what is known of a value; of a constant Python number its kind."""
    x = program.constants.get(number)
    if type(x) in (bool, int, float):
        return Space((), np.dtype(type(x)), type(x) is not bool, False)
    return program.spaces[number]


@attrs.define(eq=False)
class _Writer:
    """Writes the function of one program.

    Attributes:
        lines: of its body.
        names: of arrays the pointer, of numbers the variable.
        tables: arrays that are constants.
        owners: of values in the arena, the one whose memory each lies in.
    """

    program: Program
    name: str
    lines: list[str] = attrs.field(factory=list)
    names: dict[int, str] = attrs.field(factory=dict)
    tables: list[str] = attrs.field(factory=list)
    arena: Arena = attrs.field(factory=Arena)
    places: dict[int, int] = attrs.field(factory=dict)
    owners: dict[int, int] = attrs.field(factory=dict)
    readers: dict[int, int] = attrs.field(factory=dict)
    level: int = 1

    def text(self) -> str:
        """Return the whole file."""
        program, arguments, notes = self.program, [], []
        for i, n in enumerate(program.inputs):
            space = program.spaces[n]
            self.names[n] = f"x{i}"
            arguments.append(f"{self.type(n)} x{i}" if self.is_number(n) else f"const {self.type(n)} *x{i}")
            notes.append(f"x{i}: {space}")
        for i, n in enumerate(program.outputs):
            arguments.append(f"{self.type(n)} *y{i}")
            notes.append(f"y{i}: {program.spaces[n]}")
        steps: list[Step] = in_regions(program, lambda x: can_join(program, x))
        pseudo = [_reads_of(step) for step in steps]
        for step, dead in zip(steps, last_uses(pseudo, program.outputs), strict=True):
            if isinstance(step, Region):
                self.region(step)
            else:
                self.step(step)
            for n in dead:
                self.give(n)
        for i, n in enumerate(program.outputs):
            self.output(i, n)
        return _FILE.format(
            notes="\n".join(f"   {note}" for note in notes),
            name=self.name,
            size=f"{self.name.upper()}_WORK_BYTES",
            bytes=max(1, self.arena.size),
            tables="\n".join(self.tables),
            arguments="".join(f"{argument}, " for argument in arguments),
            unused=" ".join(f"(void){argument.split('*')[-1].split()[-1]};" for argument in (*arguments, "work")),
            body="\n".join(self.lines),
        )

    # ---- values ----

    def shape(self, number: int) -> Shape:
        return self.program.spaces[number].shape or ()

    def is_number(self, number: int) -> bool:
        return self.shape(number) == ()

    def type(self, number: int) -> str:
        """Return the C type of an element."""
        space = space_of(self.program, number)
        if space.dtype is None or space.dtype.char not in TYPES or not space.dtype.isnative:
            raise ArgumentError(
                f"to_c: arrays must be of float32, float64, integers or booleans; got {space}. Give f other arguments."
            )
        return TYPES[space.dtype.char]

    def value(self, number: int) -> str:
        """Return the name of a value; a constant is a number, or a table that is written at its first use."""
        if number not in self.names:
            x: Any = self.program.constants.get(number)
            is_number = isinstance(x, np.ndarray | np.generic | bool | int | float)
            if not is_number or np.asarray(x).dtype.char not in TYPES:
                raise ArgumentError(f"to_c: values must be numbers and arrays; got {self.program.spaces[number]}.")
            self.names[number] = literal(x) if np.shape(x) == () else self.table(np.asarray(x))
        return self.names[number]

    def table(self, x: Any) -> str:
        """Write an array that is a constant, and return its name."""
        name = f"c{len(self.tables)}"
        values = ", ".join(map(literal, np.ravel(x))) or "0"
        self.tables.append(f"static const {TYPES[x.dtype.char]} {name}[{max(1, x.size)}] = {{{values}}};")
        return name

    def make(self, number: int) -> str:
        """Return the name for a value that is about to be written: an array's memory is taken for it."""
        kind = self.type(number)
        if self.is_number(number):
            self.names[number] = f"v{number}"
            self.add(f"{kind} v{number};")
            return f"v{number}"
        if number not in self.names:
            self.places[number] = self.arena.take(self.bytes(number))
            self.owners[number], self.readers[number] = number, 1
            self.names[number] = f"v{number}"
            unused = f" (void)v{number};" * (0 in self.shape(number))
            self.add(f"{kind} *const v{number} = ({kind} *)(void *)(work + {self.places[number]});{unused}")
        return self.names[number]

    def share(self, number: int, source: int) -> None:
        """Let a value lie in the memory of another."""
        self.names[number] = self.value(source)
        if source in self.owners:
            self.owners[number] = self.owners[source]
            self.readers[self.owners[source]] += 1

    def give(self, number: int) -> None:
        owner = self.owners.pop(number, None)
        if owner is not None:
            self.readers[owner] -= 1
            if not self.readers[owner]:
                self.arena.give(self.places[owner], self.bytes(owner))

    def bytes(self, number: int) -> int:
        dtype = self.program.spaces[number].dtype
        assert dtype is not None
        return math.prod(self.shape(number)) * dtype.itemsize

    # ---- lines and loops ----

    def add(self, line: str) -> None:
        self.lines.append("  " * self.level + line)

    def loops(self, lengths: Sequence[int], write: Callable[[list[str]], None]) -> None:
        """Write a loop nest, unless it is of nothing; `write` is given the names of the counters."""
        if 0 in lengths:
            return
        counters = [f"i{self.level + k}" for k in range(len(lengths))]
        for counter, length in zip(counters, lengths, strict=True):
            self.add(f"for (size_t {counter} = 0; {counter} < {length}; {counter}++) {{")
            self.level += 1
        write(counters)
        for _ in lengths:
            self.level -= 1
            self.add("}")

    def element(self, number: int, counters: Sequence[str]) -> str:
        """Return the element of a value that is broadcast over a loop nest."""
        shape = self.shape(number)
        if not shape:
            return self.value(number)
        own = counters[len(counters) - len(shape) :]
        steps = steps_of(shape)
        terms = [times(i, step) for i, step, n in zip(own, steps, shape, strict=True) if n > 1]
        return f"{self.value(number)}[{' + '.join(terms) or '0'}]"

    def region(self, region: Region) -> None:
        """Write the loop nest of elementwise operations."""
        shape = self.shape(region.instructions[0].out)
        outs = {n: self.make(n) for n in region.outputs}

        def body(counters: list[str]) -> None:
            values = {n: self.element(n, counters) for n in region.inputs}
            for instruction in region.instructions:
                n = instruction.out
                text = self.expression(instruction, [values[x] for x in instruction.operands])
                if n in outs and not shape:
                    self.add(f"{outs[n]} = {text};")
                    values[n] = outs[n]
                    continue
                self.add(f"const {self.type(n)} e{n} = {text};")
                values[n] = f"e{n}"
                if n in outs:
                    self.add(f"{self.element(n, counters)} = e{n};")

        self.loops(shape, body)

    def expression(self, instruction: Instruction, operands: list[str]) -> str:
        """Return an operation of elements, in the precision of its result; comparisons in that of their operands."""
        spaces = [space_of(self.program, n) for n in instruction.operands]
        out = self.program.spaces[instruction.out].dtype
        arrays = [x for x in spaces if not x.is_number] or spaces
        common = np.result_type(*(x.dtype for x in arrays if x.dtype is not None))
        if not common.kind == "f" and any(x.is_number and x.dtype is not None and x.dtype.kind == "f" for x in spaces):
            common = np.dtype(float)
        name = instruction.name
        assert out is not None
        is_relation = out.kind == "b"
        kind = TYPES[(common if is_relation else out).char]
        first = 1 if name in ("where",) else 0
        last = 1 if name == "subgradient" else len(operands)
        if name != "astype":
            operands = [f"({kind}){x}" if first <= i < last else x for i, x in enumerate(operands)]
        single = kind == "float"
        return f"({TYPES[out.char]})({EXPRESSIONS[name].format(*(f'({x})' for x in operands), f='f' * single)})"

    # ---- other operations ----

    def step(self, instruction: Instruction) -> None:
        """Write an operation that is not elementwise, or a guard."""
        if instruction.guard is not None:
            self.guard(instruction)
            return
        write = _STEPS.get(instruction.name)
        if write is None:
            known = ", ".join(sorted(_STEPS))
            raise ArgumentError(
                f"to_c: operations must be elementwise, or one of {known}; got {instruction.name}, at "
                f"{instruction.line}. Lower the part of the function that is to run without Python."
            )
        write(self, instruction)

    def guard(self, instruction: Instruction) -> None:
        guard = instruction.guard
        assert guard is not None
        if guard.function not in (bool, float, int) or len(instruction.operands) != 1 or instruction.keywords:
            raise ArgumentError(
                f"to_c: guards must be of branches and of conversions to numbers; got {instruction.name}, at "
                f"{instruction.line}. Write tnp.where for a branch."
            )
        (n,) = instruction.operands
        x = self.element(n, ["0"] * len(self.shape(n)))
        wanted = f"({x} != 0) != {int(guard.answer)}" if guard.function is bool else f"{x} != {literal(guard.answer)}"
        self.add(f"if ({wanted}) return 1; /* {instruction.name} */")

    def sums(self, out: str, lengths: Sequence[int], term: Callable[[list[str]], str], start: str = "0") -> None:
        """Write the sum of terms over a loop nest."""
        self.add(f"{out} = {start};")
        self.loops(lengths, lambda counters: self.add(f"{out} += {term(counters)};"))

    def product(self, instruction: Instruction) -> None:
        x, y, *rest = instruction.operands
        out = instruction.out
        self.make(out)
        x_shape, y_shape = self.shape(x), self.shape(y)
        if max(len(x_shape), len(y_shape)) > 2:
            raise ArgumentError(f"to_c: matrix products must be of at most two axes; got shapes {x_shape}, {y_shape}.")
        is_turned = instruction.name == "product of transposed"
        rows, depth = (x_shape[::-1] if is_turned else x_shape) if len(x_shape) == 2 else (1, x_shape[0])
        columns = y_shape[1] if len(y_shape) == 2 else 1

        def write(counters: list[str]) -> None:
            i, j = counters
            place = f"{self.names[out]}[{times(i, columns)} + {j}]" if self.shape(out) else self.names[out]

            def term(inner: list[str]) -> str:
                (k,) = inner
                at = f"{times(k, rows)} + {i}" if is_turned else f"{times(i, depth)} + {k}"
                return f"{self.value(x)}[{at}] * {self.value(y)}[{times(k, columns)} + {j}]"

            self.sums(place, [depth], term, f"{self.value(rest[0])}[{j}]" if rest else "0")

        self.loops([rows, columns], write)

    def copy(self, out: int, source: int, start: int, steps: Sequence[int]) -> None:
        """Write all of an array, in order, from places of another."""
        self.make(out)
        own = steps_of(self.shape(out))
        self.move((out, 0, own), (source, start, steps), self.shape(out), "=")

    def move(
        self,
        to: tuple[int, int, Sequence[int]],
        of: tuple[int, int, Sequence[int]],
        lengths: Shape,
        sign: str,
    ) -> None:
        """Write a copy, or a sum, between places of two arrays: of each its number, the first place and the steps."""

        def place(number: int, start: int, steps: Sequence[int], counters: list[str]) -> str:
            name = self.value(number)
            return f"{name}[{place_of(start, counters, steps)}]" if self.shape(number) else name

        self.loops(lengths, lambda counters: self.add(f"{place(*to, counters)} {sign} {place(*of, counters)};"))

    def view(self, instruction: Instruction) -> None:
        """Write a part of an array, its transpose, or its broadcast."""
        (source, *_), out, shape = instruction.operands, instruction.out, self.shape(instruction.operands[0])
        whole = dummy(shape)
        given = instruction.parameters
        parts: dict[str, Callable[[], Any]] = {
            "getitem": lambda: whole[index_of(given["index"])],
            "rows": lambda: whole[given["start"] : given["stop"]],
            "transpose": lambda: whole.transpose(given["axes"]),
            "broadcast_to": lambda: np.broadcast_to(whole, self.shape(out)),
        }
        part = parts[instruction.name]()
        self.copy(out, source, distance(whole, part), part.strides)

    def reshape(self, instruction: Instruction) -> None:
        source, out = instruction.operands[0], instruction.out
        if self.shape(source) and self.shape(out):
            self.share(out, source)
        else:
            self.copy(out, source, 0, (0,) * len(self.shape(out)))

    def concatenate(self, instruction: Instruction) -> None:
        out, axis = instruction.out, instruction.parameters.get("axis", 0)
        steps, start = steps_of(self.shape(out)), 0
        self.make(out)
        for n in instruction.operands:
            shape = self.shape(n)
            self.move((out, start * steps[axis], steps), (n, 0, steps_of(shape)), shape, "=")
            start += shape[axis]

    def assemble(self, instruction: Instruction) -> None:
        """Write zeros, and add pieces to parts of them."""
        out, shape = instruction.out, self.shape(instruction.out)
        given = instruction.parameters
        indices = given["indices"] if "indices" in given else ((given["index"], 0),)
        if any(count for _, count in indices):
            raise ArgumentError(f"to_c: indices must be slices and integers; got arrays, at {instruction.line}.")
        self.make(out)
        self.loops(shape, lambda counters: self.add(f"{self.element(out, counters)} = 0;"))
        whole = dummy(shape)
        for n, (index, _) in zip(instruction.operands, indices, strict=True):
            part = whole[index_of(index)]
            own = (out, distance(whole, part), part.strides)
            self.move(own, (n, 0, broadcast_steps(self.shape(n), part.shape)), part.shape, "+=")

    def reduction(self, instruction: Instruction) -> None:
        """Write sums, means and extrema over axes."""
        (source, *_), out, name = instruction.operands, instruction.out, instruction.name
        shape, kept, over = self.cut(instruction)
        target = self.make(out)
        count = math.prod(shape[i] for i in over)

        def write(counters: list[str]) -> None:
            own = dict(zip(kept, counters, strict=True))
            place = (
                f"{target}[{place_of(0, counters, steps_of([shape[i] for i in kept]))}]" if self.shape(out) else target
            )

            def element(inner: list[str]) -> str:
                every = own | dict(zip(over, inner, strict=True))
                return f"{self.value(source)}[{place_of(0, [every[i] for i in range(len(shape))], steps_of(shape))}]"

            lengths = [shape[i] for i in over]
            if name in _EXTREMA:
                self.add(f"{place} = {element(['0'] * len(over))};")
                self.loops(lengths, lambda inner: self.add(_EXTREMA[name].format(best=place, x=element(inner))))
                return
            power = 2 if name == "norm" else 1
            self.sums(place, lengths, lambda inner: " * ".join([element(inner)] * power))
            if name == "mean":
                self.add(f"{place} /= {count};")
            elif name == "norm":
                self.add(f"{place} = sqrt{'f' * (self.type(out) == 'float')}({place});")

        self.loops([shape[i] for i in kept], write)

    def cut(self, instruction: Instruction) -> tuple[Shape, list[int], list[int]]:
        """Return the shape of what is reduced, the axes that stay, and those that go."""
        shape, axis = self.shape(instruction.operands[0]), instruction.parameters.get("axis", 0)
        axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
        over = sorted({i % len(shape) for i in axes})
        return shape, [i for i in range(len(shape)) if i not in over], over

    def softmax(self, instruction: Instruction) -> None:
        """Write softmax or log_softmax over axes."""
        (source, *_), out = instruction.operands, instruction.out
        shape, kept, over = self.cut(instruction)
        target, kind = self.make(out), self.type(out)
        suffix, is_log = "f" * (kind == "float"), instruction.name == "log_softmax"

        def write(counters: list[str]) -> None:
            own = dict(zip(kept, counters, strict=True))
            steps, lengths = steps_of(shape), [shape[i] for i in over]

            def at(inner: list[str]) -> str:
                every = own | dict(zip(over, inner, strict=True))
                return place_of(0, [every[i] for i in range(len(shape))], steps)

            x = self.value(source)
            self.add(f"{kind} top = {x}[{at(['0'] * len(over))}], total = 0;")
            self.loops(lengths, lambda inner: self.add(f"if ({x}[{at(inner)}] > top) top = {x}[{at(inner)}];"))
            above = f"exp{suffix}({x}[{{}}] - top)"
            self.loops(lengths, lambda inner: self.add(f"total += {above.format(at(inner))};"))
            last = f"{x}[{{}}] - top - log{suffix}(total)" if is_log else f"{above} / total"
            self.loops(lengths, lambda inner: self.add(f"{target}[{at(inner)}] = {last.format(at(inner))};"))

        self.add("{")
        self.level += 1
        self.loops([shape[i] for i in kept], write)
        self.level -= 1
        self.add("}")

    def einsum(self, instruction: Instruction) -> None:
        """Write a sum of products over letters."""
        labels, out_label = instruction.parameters["labels"], instruction.parameters["out"]
        sizes: dict[str, int] = {}
        for label, n in zip(labels, instruction.operands, strict=True):
            sizes |= dict(zip(label, self.shape(n), strict=True))
        summed = [letter for letter in sizes if letter not in out_label]
        target = self.make(instruction.out)

        def write(counters: list[str]) -> None:
            own = dict(zip(out_label, counters, strict=True))
            place = f"{target}[{place_of(0, counters, steps_of(self.shape(instruction.out)))}]" if out_label else target

            def term(inner: list[str]) -> str:
                every = own | dict(zip(summed, inner, strict=True))
                pairs = zip(labels, instruction.operands, strict=True)
                return " * ".join(self.element(n, [every[letter] for letter in label]) for label, n in pairs)

            self.sums(place, [sizes[letter] for letter in summed], term)

        self.loops([sizes[letter] for letter in out_label], write)

    def output(self, place: int, number: int) -> None:
        """Write a result to where the caller wants it."""
        if not self.shape(number):
            self.add(f"*y{place} = {self.value(number)};")
            return
        x = self.value(number)
        self.add(f"memcpy(y{place}, {x}, {self.bytes(number)});")


# NaN is the largest and the smallest.
_EXTREMA = {
    "max": "if ({best} == {best} && !({x} <= {best})) {best} = {x};",
    "min": "if ({best} == {best} && !({x} >= {best})) {best} = {x};",
}

_STEPS: dict[str, Callable[[_Writer, Instruction], None]] = {
    **dict.fromkeys(("matmul", "matvec", "affine", "product of transposed"), _Writer.product),
    **dict.fromkeys(("getitem", "rows", "transpose", "broadcast_to"), _Writer.view),
    **dict.fromkeys(("concatenate", "stacked rows"), _Writer.concatenate),
    **dict.fromkeys(("sum", "sum of rows", "mean", "max", "min", "norm"), _Writer.reduction),
    **dict.fromkeys(("assemble", "place"), _Writer.assemble),
    **dict.fromkeys(("softmax", "log_softmax"), _Writer.softmax),
    "reshape": _Writer.reshape,
    "einsum": _Writer.einsum,
}


def _reads_of(step: Step) -> Instruction:
    """Return an instruction that reads what a step reads and makes."""
    reads = (*step.inputs, *step.outputs) if isinstance(step, Region) else (*step.reads, step.out)
    return Instruction(None, tuple([n for n in reads if n >= 0]), {}, -1)


_FILE = """/* Generated by tapenet. C99; link with the library of mathematics (-lm).

{notes}

   Arrays are in C order and must not overlap. `work` has {size} bytes, aligned as for any type.
   The function returns 0; 1 where it went another way when it was recorded: a branch, a converted number. */

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define {size} {bytes}

{tables}

int {name}({arguments}unsigned char *work) {{
  {unused}
{body}
  return 0;
}}
"""
