"""Writing functions of loops over vectors in LLVM's intermediate representation: rows, sums, ends that are masked.

Arrays are given as addresses, lengths and offsets count elements. Variables lie in memory as it is written, from where
LLVM takes them to registers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from tapenet.kernels.vector_code import Code, Value
from tapenet.kernels.vector_math import definitions


class Function:
    """A function that returns nothing, or a 32-bit integer, and is written line by line.

    Attributes:
        name: of the function.
        code: what vector operations are written with.
        counts: of arrays, lengths and numbers among the arguments.
        returns: the 32-bit integer that it gives; None for none.
    """

    def __init__(
        self, name: str, char: str, lanes: int, pointers: Sequence[str], lengths: Sequence[str], numbers: Sequence[str]
    ) -> None:
        """Begin a function of arrays, lengths and float64 numbers, which are %NAME each."""
        self.name, self.code = name, Code(char, lanes)
        self.counts = (len(pointers), len(lengths), len(numbers))
        self._arguments = [f"ptr %{x}" for x in pointers]
        self._arguments += [f"i64 %{x}" for x in lengths] + [f"double %{x}" for x in numbers]
        self.returns: Value | None = None
        self._variables: list[str] = []
        self._labels = 0
        places = ", ".join(f"i64 {i}" for i in range(lanes))
        self._places = f"<{places}>"

    def text(self) -> str:
        """Return the function."""
        kind, last = ("void", "ret void") if self.returns is None else ("i32", f"ret i32 {self.returns}")
        body = "\n  ".join([*self._variables, *self.code.lines, last])
        return f"define {kind} @{self.name}({', '.join(self._arguments)}) {{\nentry:\n  {body}\n}}"

    # ---- whole numbers, and loops ----

    def whole(self, operation: str, x: Value, y: Value | int) -> Value:
        """Apply an operation of two 64-bit integers."""
        return self.code.add(f"{operation} i64 {x}, {y}")

    def smaller(self, x: Value, y: Value) -> Value:
        """Return the smaller of two 64-bit integers."""
        is_less = self.code.add(f"icmp slt i64 {x}, {y}")
        return self.code.add(f"select i1 {is_less}, i64 {x}, i64 {y}")

    @contextmanager
    def loop(self, count: Value, step: int = 1) -> Iterator[Value]:
        """Write the body of a loop over 0, step, 2 step ... below `count`."""
        code, label = self.code, self._label()
        counter = self.variable("i64", "0")
        code.lines += [f"br label %head{label}", f"head{label}:"]
        i = self.get("i64", counter)
        more = code.add(f"icmp slt i64 {i}, {count}")
        code.lines += [f"br i1 {more}, label %body{label}, label %end{label}", f"body{label}:"]
        yield i
        self.set("i64", counter, self.whole("add nsw", i, step))
        code.lines += [f"br label %head{label}", f"end{label}:"]

    @contextmanager
    def vectors(self, count: Value) -> Iterator[tuple[Value, Value]]:
        """Write the body of a loop over vectors of `count` elements; give the place and the mask of its lanes."""
        code = self.code
        with self.loop(count, code.lanes) as i:
            left = self.whole("sub", count, i)
            first = code.add(f"insertelement <{code.lanes} x i64> poison, i64 {left}, i64 0")
            zeros = f"<{code.lanes} x i32> zeroinitializer"
            spread = code.add(f"shufflevector <{code.lanes} x i64> {first}, <{code.lanes} x i64> poison, {zeros}")
            yield i, code.add(f"icmp slt <{code.lanes} x i64> {self._places}, {spread}")

    @contextmanager
    def where(self, condition: Value) -> Iterator[None]:
        """Write what is done where a condition, an i1, holds."""
        label = self._label()
        self.code.lines += [f"br i1 {condition}, label %then{label}, label %after{label}", f"then{label}:"]
        yield
        self.code.lines += [f"br label %after{label}", f"after{label}:"]

    def _label(self) -> int:
        self._labels += 1
        return self._labels

    def is_given(self, pointer: Value) -> Value:
        """Return whether an address is not null."""
        return self.code.add(f"icmp ne ptr {pointer}, null")

    # ---- variables ----

    def variable(self, kind: str, first: Value) -> Value:
        """Return a variable of a type, with a first value from here on."""
        name = f"%v{len(self._variables)}"
        self._variables.append(f"{name} = alloca {kind}")
        self.set(kind, name, first)
        return name

    def get(self, kind: str, variable: Value) -> Value:
        return self.code.add(f"load {kind}, ptr {variable}")

    def set(self, kind: str, variable: Value, x: Value) -> None:
        self.code.lines.append(f"store {kind} {x}, ptr {variable}")

    # ---- arrays ----

    def at(self, base: Value, offset: Value, element: str | None = None) -> Value:
        """Return the address of the element that is `offset` elements after `base`."""
        return self.code.add(f"getelementptr {element or self.code.element}, ptr {base}, i64 {offset}")

    def load(self, base: Value, offset: Value, mask: Value) -> Value:
        """Load a vector; lanes that are masked out are zero."""
        c = self.code
        name, size = f"llvm.masked.load.{c.suffix}.p0", np.dtype(c.char).itemsize
        c.intrinsics[f"declare {c.type} @{name}(ptr, i32, {c.truth}, {c.type})"] = None
        given = f"ptr {self.at(base, offset)}, i32 {size}, {c.truth} {mask}, {c.type} zeroinitializer"
        return c.add(f"call {c.type} @{name}({given})")

    def store(self, x: Value, base: Value, offset: Value, mask: Value) -> None:
        """Store a vector, without the lanes that are masked out."""
        c = self.code
        name, size = f"llvm.masked.store.{c.suffix}.p0", np.dtype(c.char).itemsize
        c.intrinsics[f"declare void @{name}({c.type}, ptr, i32, {c.truth})"] = None
        given = f"{c.type} {x}, ptr {self.at(base, offset)}, i32 {size}, {c.truth} {mask}"
        c.lines.append(f"call void @{name}({given})")

    def load_one(self, base: Value, offset: Value) -> Value:
        """Load an element."""
        return self.get(self.code.element, self.at(base, offset))

    def store_one(self, x: Value, base: Value, offset: Value) -> None:
        """Store an element."""
        self.set(self.code.element, self.at(base, offset), x)

    def number(self, name: str) -> Value:
        """Return an argument that is a number as an element."""
        return f"%{name}" if self.code.char == "d" else self.code.add(f"fptrunc double %{name} to float")

    def spread(self, x: Value) -> Value:
        """Return a vector with an element in each lane."""
        c = self.code
        first = c.add(f"insertelement {c.type} poison, {c.element} {x}, i64 0")
        return c.add(f"shufflevector {c.type} {first}, {c.type} poison, <{c.lanes} x i32> zeroinitializer")

    def first(self, x: Value) -> Value:
        """Return the first element of a vector."""
        return self.code.add(f"extractelement {self.code.type} {x}, i64 0")

    def kept(self, mask: Value, x: Value) -> Value:
        """Return a vector with zero in the lanes that are masked out."""
        return self.code.select(mask, x, self.code.number(0.0))

    def sum(self, x: Value) -> Value:
        """Return the sum of a vector's elements, in pairs."""
        c = self.code
        name = f"llvm.vector.reduce.fadd.{c.suffix}"
        c.intrinsics[f"declare {c.element} @{name}({c.element}, {c.type})"] = None
        return c.add(f"call reassoc {c.element} @{name}({c.element} -0.0, {c.type} {x})")

    def largest(self, x: Value) -> Value:
        """Return the largest of a vector's elements that are numbers."""
        c = self.code
        name = f"llvm.vector.reduce.fmax.{c.suffix}"
        c.intrinsics[f"declare {c.element} @{name}({c.type})"] = None
        return c.add(f"call {c.element} @{name}({c.type} {x})")


def module_of(functions: Sequence[Function], *, inline: bool = True) -> str:
    """Return the module of functions, and of the elementary functions that they call."""
    keys = {(name, f.code.char, f.code.lanes): None for f in functions for name in f.code.needed}
    needed, intrinsics = definitions(list(keys), inline=inline)
    for f in functions:
        intrinsics |= f.code.intrinsics
    return "\n".join((*intrinsics, *needed, *(f.text() for f in functions)))
