"""Straight code as machine code: what LLVM's intermediate representation of functions of numbers is written with."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import struct
from collections.abc import Iterator, Mapping, Sequence

import attrs
import numpy as np

from tapenet.core.primitive import Array
from tapenet.scipy.straight import FUNCTIONS, Steps

Value = str  # the name of LLVM's for a number, or a constant
Node = tuple[str, tuple[int | str, ...]]  # as a graph holds it
_INFIX = {"add": "fadd", "subtract": "fsub", "multiply": "fmul", "divide": "fdiv"}
_INTRINSIC = {"sqrt": "llvm.sqrt.f64"}
_IN_C = {"power": "pow", "arctan": "atan"}
# What Python raises for, or NumPy warns of, where the result is not finite.
_MAY_RAISE = frozenset({"divide", "power", "sqrt", "exp", "log", "sin", "cos", "tan", "sinh", "cosh", "log1p", "expm1"})

DECLARED = "declare double @llvm.sqrt.f64(double)\ndeclare double @llvm.fabs.f64(double)\n"


def number(x: float) -> Value:
    """Return a constant as LLVM writes it, to the last bit."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', x))[0]:016X}"


@attrs.define(eq=False)
class Code:
    """The body of a function. Variables lie in memory; LLVM keeps them in registers.

    Attributes:
        variables: their allocations, which begin the body.
        lines: of the body after them.
        names: how many there are.
    """

    variables: list[str] = attrs.field(factory=list)
    lines: list[str] = attrs.field(factory=list)
    names: int = 0

    def name(self) -> Value:
        self.names += 1
        return f"%v{self.names}"

    def do(self, line: str) -> None:
        self.lines.append(line)

    def value(self, instruction: str) -> Value:
        """Add an instruction, and return the name of its result."""
        name = self.name()
        self.lines.append(f"{name} = {instruction}")
        return name

    def variable(self, kind: str = "double") -> Value:
        """Return the address of new memory: of a number, or an array of a kind such as `[4 x double]`."""
        name = self.name()
        self.variables.append(f"{name} = alloca {kind}")
        return name

    # ---- memory ----

    def address(self, base: Value, index: int | Value, kind: str = "double") -> Value:
        if index == 0:
            return base
        return self.value(f"getelementptr {kind}, ptr {base}, i64 {index}")

    def load(self, base: Value, index: int | Value = 0, kind: str = "double") -> Value:
        return self.value(f"load {kind}, ptr {self.address(base, index, kind)}")

    def store(self, x: Value, base: Value, index: int | Value = 0, kind: str = "double") -> None:
        self.do(f"store {kind} {x}, ptr {self.address(base, index, kind)}")

    def loads(self, base: Value, count: int) -> list[Value]:
        return [self.load(base, i) for i in range(count)]

    def stores(self, values: Sequence[Value], base: Value) -> None:
        for i, x in enumerate(values):
            self.store(x, base, i)

    # ---- numbers ----

    def add(self, x: Value, y: Value) -> Value:
        return self.value(f"fadd double {x}, {y}")

    def subtract(self, x: Value, y: Value) -> Value:
        return self.value(f"fsub double {x}, {y}")

    def multiply(self, x: Value, y: Value) -> Value:
        return self.value(f"fmul double {x}, {y}")

    def size(self, x: Value) -> Value:
        return self.value(f"call double @llvm.fabs.f64(double {x})")

    def largest(self, values: Sequence[Value]) -> Value:
        """Return the largest; NaN only if the last that is compared is."""
        found = values[0]
        for x in values[1:]:
            found = self.value(f"select i1 {self.value(f'fcmp ogt double {found}, {x}')}, double {found}, double {x}")
        return found

    def weighted(self, weights: Sequence[float], values: Sequence[Value]) -> Value:
        """Return the sum of values times constants."""
        terms = [self.multiply(number(w), x) for w, x in zip(weights, values, strict=True)]
        return functools.reduce(self.add, terms)

    def place(self, index: Value, step: int, base: Value) -> Value:
        """Return the address of the row of an index, in an array of rows of `step` numbers."""
        return self.address(base, self.value(f"mul i64 {index}, {step}"))

    # ---- control ----

    def all(self, conditions: Sequence[Value]) -> Value:
        """Return whether all hold."""
        return functools.reduce(lambda x, y: self.value(f"and i1 {x}, {y}"), conditions)

    def label(self) -> str:
        return f"l{self.name()[1:]}"

    def begin(self, label: str) -> None:
        self.do(f"br label %{label}")
        self.do(f"{label}:")

    def branch(self, condition: Value, yes: str, no: str) -> None:
        self.do(f"br i1 {condition}, label %{yes}, label %{no}")

    @contextlib.contextmanager
    def loop(self, count: int | Value, *, down: bool = False) -> Iterator[Value]:
        """Run the body for each index, from 0 on or down to it."""
        turn, body, last = self.variable("i64"), self.label(), self.label()
        head = self.label()
        self.store("0", turn, kind="i64")
        self.begin(head)
        done = self.load(turn, kind="i64")
        self.branch(self.value(f"icmp slt i64 {done}, {count}"), body, last)
        self.do(f"{body}:")
        yield self.value(f"sub i64 {self.value(f'sub i64 {count}, 1')}, {done}") if down else done
        self.store(self.value(f"add i64 {done}, 1"), turn, kind="i64")
        self.do(f"br label %{head}")
        self.do(f"{last}:")

    def begin_turns(self, turns: Value) -> str:
        """Begin what is done again until `end_turns`; return its label. `turns` is the address of their count."""
        again = self.label()
        self.store("0", turns, kind="i64")
        self.begin(again)
        return again

    def end_turns(self, turns: Value, again: str, is_done: Value, most: int) -> None:
        """Go on where a condition holds, return 0 after so many turns, and else take another."""
        turn = self.value(f"add i64 {self.load(turns, kind='i64')}, 1")
        self.store(turn, turns, kind="i64")
        done, check, failed = (self.label() for _ in range(3))
        self.branch(is_done, done, check)
        self.do(f"{check}:")
        self.branch(self.value(f"icmp slt i64 {turn}, {most}"), again, failed)
        self.do(f"{failed}:")
        self.do("ret i64 0")
        self.do(f"{done}:")

    # ---- fields ----

    def straight(
        self, steps: Steps, inputs: Mapping[Node, Value], functions: Mapping[str, Value]
    ) -> tuple[list[Value], Value]:
        """Compute straight code.

        Args:
            steps: the code.
            inputs: the numbers that it reads, by their nodes.
            functions: the addresses of C's functions, by the operation.

        Returns:
            The outputs, and a number that is 0 unless an operation for which Python raises gave inf or NaN.
        """
        known: dict[int, Value] = {}
        trouble = number(0.0)

        def of(x: int | str) -> Value:
            return known[x] if type(x) is int else number(float(x))

        for at, operation, operands in steps.operations:
            if (operation, operands) in inputs:
                known[at] = inputs[operation, operands]
                continue
            known[at] = self.value(_instruction(operation, [of(x) for x in operands], functions))
            if operation in _MAY_RAISE:
                trouble = self.add(trouble, self.subtract(known[at], known[at]))
        return [of(x) for x in steps.outputs], trouble

    def written(self, head: str) -> str:
        """Return the function."""
        body = "\n".join(f"  {line}" for line in (*self.variables, *self.lines))
        return f"{head} {{\n{body}\n}}\n"


def _instruction(operation: str, operands: Sequence[Value], functions: Mapping[str, Value]) -> str:
    if operation in _INFIX:
        return f"{_INFIX[operation]} double {operands[0]}, {operands[1]}"
    if operation == "negative":
        return f"fneg double {operands[0]}"
    callee = f"@{_INTRINSIC[operation]}" if operation in _INTRINSIC else functions[operation]
    return f"call double {callee}({', '.join(f'double {x}' for x in operands)})"


def functions_of_c(steps: Sequence[Steps]) -> list[str]:
    """Return the operations of straight code that are functions of the C library, in order."""
    found = {operation for one in steps for _, operation, _ in one.operations}
    return sorted(found.intersection(FUNCTIONS).difference(_INTRINSIC))


def table_of(operations: Sequence[str]) -> Array | None:
    """Return the addresses of C's functions, those that Python calls; None where they cannot be found."""
    found = [_address_in_c(_IN_C.get(name, name)) for name in operations]
    return None if None in found else np.array([*found, 0], np.int64)


@functools.cache
def _address_in_c(name: str) -> int | None:
    for library in (None, "ucrtbase"):
        with contextlib.suppress(OSError, AttributeError, TypeError):
            return ctypes.cast(getattr(ctypes.CDLL(library), name), ctypes.c_void_p).value
    return None
