"""Writing a C function line by line: its values, the memory that they lie in, and loop nests."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import numpy as np

from tapenet.core.record import Shape
from tapenet.errors import ArgumentError
from tapenet.program.backends.c.expressions import TYPES, literal, place_of, times
from tapenet.program.fusion.stretches import Arena
from tapenet.program.instructions import Instruction, Program, Space
from tapenet.program.passes.rewriting import new_numbers
from tapenet.program.selections import steps_of


def space_of(program: Program, number: int) -> Space:
    """Return what is known of a value; of a constant Python number its kind."""
    x = program.constants.get(number)
    if type(x) in (bool, int, float, complex):
        return Space((), np.dtype(type(x)), type(x) is not bool, False)
    return program.spaces[number]


@attrs.define(eq=False)
class Writer:
    """Writes the function of one program.

    Attributes:
        lines: of its body.
        names: of arrays the pointer, of numbers the variable.
        tables: arrays that are constants, and functions, by name.
        owners: of values in the arena, the one whose memory each lies in.
        bodies: of loops, by the number of what the loop gives.
        parts: of tuples, by index the number of each part that is read.
    """

    program: Program
    name: str
    lines: list[str] = attrs.field(factory=list)
    names: dict[int, str] = attrs.field(factory=dict)
    tables: dict[str, str] = attrs.field(factory=dict)
    arena: Arena = attrs.field(factory=Arena)
    places: dict[int, int] = attrs.field(factory=dict)
    owners: dict[int, int] = attrs.field(factory=dict)
    readers: dict[int, int] = attrs.field(factory=dict)
    bodies: dict[int, Program] = attrs.field(factory=dict)
    parts: dict[int, dict[int, int]] = attrs.field(factory=dict)
    level: int = 1

    # ---- values ----

    def shape(self, number: int) -> Shape:
        return self.program.shape_of(number)

    def is_complex(self, number: int) -> bool:
        return self.type(number).endswith(" complex")

    def is_number(self, number: int) -> bool:
        return self.shape(number) == ()

    def type(self, number: int) -> str:
        """Return the C type of an element."""
        space = space_of(self.program, number)
        if space.dtype is None or space.dtype.char not in TYPES or not space.dtype.isnative:
            raise ArgumentError(
                f"to_c: arrays must be of float32, float64, complex64, complex128, integers or booleans; got {space}. "
                "Cast the arguments, and what the function makes, to one of these."
            )
        return TYPES[space.dtype.char]

    def value(self, number: int) -> str:
        """Return the name of a value; a constant is a number, or a table that is written at its first use."""
        if number not in self.names:
            x: Any = self.program.constants.get(number)
            is_number = isinstance(x, np.ndarray | np.generic | bool | int | float | complex)
            if not is_number or np.asarray(x).dtype.char not in TYPES:
                raise ArgumentError(f"to_c: values must be numbers and arrays; got {self.program.spaces[number]}.")
            self.names[number] = self.table(np.asarray(x)) if np.shape(x) else literal(np.asarray(x)[()])
        return self.names[number]

    def new_value(self, shape: Shape, dtype: Any) -> int:
        """Return the number of a further array."""
        number = next(new_numbers(self.program))
        self.program = attrs.evolve(self.program, spaces={**self.program.spaces, number: Space(shape, dtype)})
        return number

    def table(self, x: Any, kind: str = "") -> str:
        """Write an array that is a constant, and return its name."""
        name = f"{self.name}_c{len(self.tables)}"
        values = ", ".join(map(literal, np.ravel(x))) or "0"
        self.tables[name] = f"static const {kind or TYPES[x.dtype.char]} {name}[{max(1, x.size)}] = {{{values}}};"
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

    @contextmanager
    def scratch(self, count: int, dtype: Any) -> Iterator[str]:
        """Write a block with memory for elements; give the name of the memory."""
        kind, size = TYPES[dtype.char], count * dtype.itemsize
        place = self.arena.take(size)
        with self.block():
            name = f"w{self.level}"
            self.add(f"{kind} *const {name} = ({kind} *)(void *)(work + {place});")
            yield name
        self.arena.give(place, size)

    def function(self, name: str, kind: str, text: str) -> str:
        """Return the name of a function of the file's own, for elements of a type; it is written at its first use."""
        own = f"{self.name}_{name}_{kind.replace(' ', '_')}"
        f, is_complex = "f" * kind.startswith("float"), kind.endswith(" complex")
        words = {"mag": f"fabs{f}", "conj": "", "re": "", "im": "0 * "}
        if is_complex:
            words = {"mag": f"cabs{f}", "conj": f"conj{f}", "re": f"creal{f}", "im": f"cimag{f}"}
        real = kind.removesuffix(" complex")
        self.tables[own] = text.format(name=own, kind=kind, real=real, f=f, F="FLT" if f else "DBL", **words)
        return own

    def used_tables(self) -> list[str]:
        """Return the texts of the tables and functions that the lines use: loops of nothing use none."""
        used = set(re.findall(r"\w+", "\n".join(self.lines)))
        return [text for name, text in self.tables.items() if name in used]

    # ---- lines and loops ----

    def add(self, line: str) -> None:
        self.lines.append("  " * self.level + line)

    @contextmanager
    def block(self, head: str = "") -> Iterator[None]:
        """Write a block, after what it belongs to, around what is added meanwhile."""
        self.add(f"{head} {{".lstrip())
        self.level += 1
        yield
        self.level -= 1
        self.add("}")

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

    def sums(self, out: str, lengths: Sequence[int], term: Callable[[list[str]], str], start: str = "0") -> None:
        """Write the sum of terms over a loop nest."""
        self.add(f"{out} = {start};")
        self.loops(lengths, lambda counters: self.add(f"{out} += {term(counters)};"))

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


Step = Callable[[Writer, Instruction], None]  # writes an instruction
