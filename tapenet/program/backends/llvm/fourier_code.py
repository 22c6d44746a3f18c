"""Discrete Fourier transforms in LLVM's intermediate representation.

A vector holds one element of as many lines as it has lanes: all of them are transformed at once, as one would be by
scalar code. That goes in passes of small factors r, each of which takes r elements to their transform by a formula, and
multiplies by roots of one. They read and write in such an order that none is needed for reordering (Stockham's).

Source: Swarztrauber, Vectorizing the FFTs, 1982; Temperton, Self-sorting mixed-radix fast Fourier transforms, 1983.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import attrs
import numpy as np

from tapenet.kernels.machine_code import processor
from tapenet.kernels.vector_code import Code
from tapenet.program.backends.llvm.complex_code import Pair
from tapenet.program.fusion.transforms import Transform, factors_of

# Bytes at a multiple of which vectors lie.
ALIGNMENT = 64


def text_of(transform: Transform) -> tuple[str, dict[str, None]]:
    """Return the function of a transform, and what it declares.

    The function takes the addresses of the result, of the array, and of the memory that it works in. It returns 0.
    """
    texts, declared, calls = [], dict[str, None](), []
    arrays = ("%out", "%x", "%other")
    for line, part in zip(_lines_of(transform), parts_of(transform), strict=True):
        texts.append(line.text(part.name, "" if transform.is_alone else "internal "))
        declared |= line.code.intrinsics
        given = f"ptr {arrays[part.target]}, ptr {arrays[part.source]}, ptr %scratch, i64 0, i64 {part.blocks}"
        calls.append(f"call void @{part.name}({given})")
    calls.insert(0, f"%scratch = getelementptr i8, ptr %other, i64 {transform.between}")
    body = "\n  ".join(calls)
    head = f"define internal i32 @{transform.name}(ptr %out, ptr %x, ptr %other) noinline"
    return "\n".join((*texts, f"{head} {{\n  {body}\n  ret i32 0\n}}")), declared


@attrs.frozen
class Part:
    """The transform along one axis.

    Attributes:
        name: of the function, which takes the addresses of two arrays and of scratch memory, and from which to which
            block it goes.
        target, source: the arrays that it writes and reads: 0 is the result, 1 the array, 2 memory in between.
        blocks: how many there are.
        scratch: bytes of the scratch memory.
    """

    name: str
    target: int
    source: int
    blocks: int
    scratch: int


def parts_of(transform: Transform) -> list[Part]:
    """Return the parts of a transform, each of which goes from one array to another."""
    count = len(transform.axes)
    targets = [0 if (count - i) % 2 else 2 for i in range(count)]  # the last one to the result
    pairs = zip(targets, (1, *targets), _lines_of(transform), strict=False)
    return [Part(f"{transform.name}.{i}", to, of, line.blocks, line.scratch) for i, (to, of, line) in enumerate(pairs)]


def scratch_of(transform: Transform) -> int:
    """Return the bytes of memory that a transform works in."""
    return transform.between + max(line.scratch for line in _lines_of(transform))


def _lines_of(transform: Transform) -> list[_Lines]:
    last = len(transform.axes) - 1
    return [_Lines.of(transform, axis, i == 0, i == last) for i, axis in enumerate(transform.axes)]


@attrs.define(eq=False)
class _Lines:
    """Writes the function that transforms the lines along one axis.

    Attributes:
        n: the length of a line.
        outer, inner: how many elements the axes before and after it have.
        is_real: whether the array is real.
        half: as of the transform.
        is_swapped: whether real and imaginary parts change places: so the inverse transform is the other.
        scale: that the result is multiplied by.
        code: its lines.
    """

    n: int
    outer: int
    inner: int
    is_real: bool
    half: str
    is_swapped: bool
    scale: float
    code: Code
    name: str = ""
    label: str = "entry"
    starts: list[tuple[str, str]] = attrs.field(
        factory=list
    )  # of the lines that lie apart: which of outer, and of inner
    tables: list[str] = attrs.field(factory=list)

    @classmethod
    def of(cls, transform: Transform, axis: int, is_first: bool, is_last: bool) -> _Lines:
        """Return the writer for one axis of a transform."""
        shape = transform.shape
        n, outer, inner = shape[axis], math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
        widest = max(processor().vector_size, 16) // np.dtype(transform.char).itemsize
        lanes = min(widest, 1 << ((outer * inner).bit_length() - 1))
        scale = transform.scale if is_last else 1.0
        is_real = transform.is_real and is_first
        code = Code(transform.char, lanes)
        return cls(n, outer, inner, is_real, transform.half, transform.is_inverse, scale, code)

    @property
    def lanes(self) -> int:
        return self.code.lanes

    @property
    def has_neighbours(self) -> bool:
        """Whether the lanes of a vector lie next to each other in memory."""
        return self.inner >= self.lanes

    @property
    def blocks(self) -> int:
        """How many vectors of lines there are; the last one may overlap the one before."""
        return (
            self.outer * -(-self.inner // self.lanes)
            if self.has_neighbours
            else -(-self.outer * self.inner // self.lanes)
        )

    @property
    def kept_lines(self) -> int:
        """How many times all elements of a vector's lines are kept between passes."""
        return min(2, len(factors_of(self.n)) - 1)

    @property
    def scratch(self) -> int:
        """The bytes of memory for what is kept, which begins at a multiple of the alignment."""
        size = self.kept_lines * 2 * self.n * self.lanes * self.code.bits // 8
        return size + ALIGNMENT if size else 0

    def text(self, name: str, linkage: str) -> str:
        """Return the function."""
        self.name = name
        factors = factors_of(self.n)
        scratch = ["%begin = ptrtoint ptr %scratch to i64", f"%up = add i64 %begin, {ALIGNMENT - 1}"]
        scratch += [f"%down = and i64 %up, {-ALIGNMENT}", "%s0 = inttoptr i64 %down to ptr"]
        scratch += [f"%s1 = getelementptr {self.code.type}, ptr %s0, i64 {2 * self.n}"]
        with self.loop("%first.block", "%last.block", "block") as block:
            self.start(block)
            done = 1
            for i, factor in enumerate(factors):
                source = f"%s{(i - 1) % 2}" if i else ""
                target = f"%s{i % 2}" if i < len(factors) - 1 else ""
                self.radix_pass(i, factor, done, source, target)
                done *= factor
        head = f"define {linkage}void @{name}(ptr %out, ptr %x, ptr %scratch, i64 %first.block, i64 %last.block)"
        body = "\n  ".join((*(scratch if self.kept_lines else ()), *self.code.lines))
        return "\n".join((*self.tables, f"{head} {{\nentry:\n  {body}\n  ret void\n}}"))

    # ---- lines of code ----

    def add(self, text: str) -> str:
        return self.code.add(text)

    def multiple(self, x: str, factor: int) -> str:
        return x if factor == 1 else self.add(f"mul i64 {x}, {factor}")

    def sum(self, x: str, y: str | int) -> str:
        return x if y == 0 else self.add(f"add i64 {x}, {y}")

    @contextmanager
    def loop(self, start: str, stop: str, name: str) -> Iterator[str]:
        """Write a loop around what is written inside; give its counter."""
        lines, counter, before = self.code.lines, f"%{name}", self.label
        lines.append(f"br label %{name}.head\n{name}.head:")
        lines.append(f"{counter} = phi i64 [ {start}, %{before} ], [ {counter}.next, %{name}.latch ]")
        lines.append(f"{counter}.more = icmp slt i64 {counter}, {stop}")
        lines.append(f"br i1 {counter}.more, label %{name}.body, label %{name}.end\n{name}.body:")
        self.label = f"{name}.body"
        yield counter
        lines.append(f"br label %{name}.latch\n{name}.latch:")
        lines.append(f"{counter}.next = add i64 {counter}, 1")
        lines.append(f"br label %{name}.head\n{name}.end:")
        self.label = f"{name}.end"

    # ---- memory ----

    def start(self, block: str) -> None:
        """Write where the lines of a block begin."""
        if self.has_neighbours:
            each = -(-self.inner // self.lanes)
            outer, place = self.add(f"udiv i64 {block}, {each}"), self.add(f"urem i64 {block}, {each}")
            column = self.limited(self.multiple(place, self.lanes), self.inner - self.lanes)
            self.starts = [(outer, column)]
            return
        first = self.limited(self.multiple(block, self.lanes), self.outer * self.inner - self.lanes)
        lines = [self.sum(first, lane) for lane in range(self.lanes)]
        if self.inner == 1:
            self.starts = [(line, "0") for line in lines]
        else:
            outers = [self.add(f"udiv i64 {line}, {self.inner}") for line in lines]
            self.starts = [
                (outer, self.add(f"urem i64 {line}, {self.inner}")) for outer, line in zip(outers, lines, strict=True)
            ]

    def limited(self, x: str, limit: int) -> str:
        is_beyond = self.add(f"icmp sgt i64 {x}, {limit}")
        return self.add(f"select i1 {is_beyond}, i64 {limit}, i64 {x}")

    def address(self, array: str, start: tuple[str, str], length: int, index: str, parts: int) -> str:
        """Return the address of an element of a line of a length."""
        outer, inner = start
        place = self.sum(self.multiple(outer, length * self.inner), self.multiple(index, self.inner))
        place = self.multiple(place if inner == "0" else self.sum(place, inner), parts)
        return self.add(f"getelementptr {self.code.element}, ptr {array}, i64 {place}")

    def load(self, index: str) -> Pair:
        """Return one element of all lines."""
        parts, length, is_later = 1 if self.is_real else 2, self.n, ""
        if self.half == "read":
            length = self.n // 2 + 1
            is_later = self.add(f"icmp uge i64 {index}, {length}")
            mirrored = self.add(f"sub i64 {self.n}, {index}")
            index = self.add(f"select i1 {is_later}, i64 {mirrored}, i64 {index}")
        places = [self.address("%x", start, length, index, parts) for start in self.starts]
        own = parts * (self.lanes if self.has_neighbours else 1)
        align = self.code.bits // 8
        loaded = [self.add(f"load <{own} x {self.code.element}>, ptr {place}, align {align}") for place in places]
        while len(loaded) > 1:
            loaded = [self.shuffled(own, x, y, range(2 * own)) for x, y in zip(loaded[::2], loaded[1::2], strict=True)]
            own *= 2
        if self.is_real:
            pair = loaded[0], self.code.number(0.0)
        else:
            pair = (
                self.shuffled(own, loaded[0], "poison", range(0, own, 2)),
                self.shuffled(own, loaded[0], "poison", range(1, own, 2)),
            )
        if is_later:
            kind = self.code.type
            flipped = self.code.negative(pair[1])
            pair = pair[0], self.add(f"select i1 {is_later}, {kind} {flipped}, {kind} {pair[1]}")
        return pair[::-1] if self.is_swapped else pair

    def store(self, index: str, value: Pair) -> None:
        """Write one element of all lines."""
        value = value[::-1] if self.is_swapped else value
        if self.scale != 1.0:
            value = tuple([self.code.two("fmul", x, self.code.number(self.scale)) for x in value])  # type: ignore[assignment]
        if self.half == "read":
            self.write(index, value[0], self.n, 1)
            return
        order = [i for lane in range(self.lanes) for i in (lane, self.lanes + lane)]
        both = self.shuffled(self.lanes, *value, order)
        if self.half != "written":
            self.write(index, both, self.n, 2)
            return
        length, label = self.n // 2 + 1, f"store{len(self.code.lines)}"
        is_kept = self.add(f"icmp ult i64 {index}, {length}")
        self.code.lines.append(f"br i1 {is_kept}, label %{label}.kept, label %{label}.end\n{label}.kept:")
        self.write(index, both, length, 2)
        self.code.lines.append(f"br label %{label}.end\n{label}.end:")

    def write(self, index: str, values: str, length: int, parts: int) -> None:
        """Write a vector to one element of all lines."""
        own = parts * self.lanes // len(self.starts)
        for lane, start in enumerate(self.starts):
            places = range(own * lane, own * (lane + 1))
            part = values if len(self.starts) == 1 else self.shuffled(parts * self.lanes, values, "poison", places)
            kind, place = f"<{own} x {self.code.element}>", self.address("%out", start, length, index, parts)
            self.code.lines.append(f"store {kind} {part}, ptr {place}, align {self.code.bits // 8}")

    def shuffled(self, count: int, x: str, y: str, order: Sequence[int]) -> str:
        kind, mask = f"<{count} x {self.code.element}>", ", ".join(f"i32 {i}" for i in order)
        return self.add(f"shufflevector {kind} {x}, {kind} {y}, <{len(order)} x i32> <{mask}>")

    def kept(self, array: str, index: str) -> tuple[str, str]:
        """Return the addresses of an element in memory of the function's own."""
        places = self.multiple(index, 2), self.sum(self.multiple(index, 2), 1)
        first, second = (self.add(f"getelementptr {self.code.type}, ptr {array}, i64 {place}") for place in places)
        return first, second

    # ---- passes ----

    def radix_pass(self, number: int, factor: int, done: int, source: str, target: str) -> None:
        """Write a pass: x[i + m (j + r k)] for all j become y[i + m (k + l j)], of m = n / (l r), l factors done."""
        m = self.n // (done * factor)
        if m > 1:
            self.table(number, factor, done, m)
        with self.loop("0", str(done), f"k{number}") as k, self.loop("0", str(m), f"i{number}") as i:
            first = self.sum(i, self.multiple(k, m * factor))
            values = [self.read(source, self.sum(first, m * j)) for j in range(factor)]
            made = self.transformed(values)
            if m > 1:
                made[1:] = [self.turned(x, number, factor, j, i) for j, x in enumerate(made[1:])]
            to = self.sum(i, self.multiple(k, m))
            for j, x in enumerate(made):
                self.put(target, self.sum(to, m * done * j), x)

    def read(self, source: str, index: str) -> Pair:
        if not source:
            return self.load(index)
        real, imaginary = (self.add(f"load {self.code.type}, ptr {x}") for x in self.kept(source, index))
        return real, imaginary

    def put(self, target: str, index: str, value: Pair) -> None:
        if not target:
            self.store(index, value)
            return
        for x, place in zip(value, self.kept(target, index), strict=True):
            self.code.lines.append(f"store {self.code.type} {x}, ptr {place}")

    def table(self, number: int, factor: int, done: int, m: int) -> None:
        """Write the roots of one that a pass multiplies by."""
        roots = [cmath.exp(-2j * math.pi * _turn(j * i * done, self.n)) for i in range(m) for j in range(1, factor)]
        numbers = [x for root in roots for x in (root.real, root.imag)]
        values = ", ".join(self.code.number(x).removeprefix("splat (").removesuffix(")") for x in numbers)
        self.tables.append(
            f"@{self.name}.w{number} = internal constant [{len(numbers)} x {self.code.element}] [{values}], align 64"
        )

    def turned(self, x: Pair, number: int, factor: int, j: int, i: str) -> Pair:
        """Return an element times its root of one."""
        c = self.code
        place = self.sum(self.multiple(i, 2 * (factor - 1)), 2 * j)
        cosine, sine = (self.spread(f"@{self.name}.w{number}", self.sum(place, k)) for k in (0, 1))
        real = c.fma(x[0], cosine, c.negative(c.two("fmul", x[1], sine)))
        return real, c.fma(x[0], sine, c.two("fmul", x[1], cosine))

    def spread(self, table: str, place: str) -> str:
        c = self.code
        one = c.add(f"load {c.element}, ptr {c.add(f'getelementptr {c.element}, ptr {table}, i64 {place}')}")
        first = c.add(f"insertelement {c.type} poison, {c.element} {one}, i64 0")
        return c.add(f"shufflevector {c.type} {first}, {c.type} poison, <{c.lanes} x i32> zeroinitializer")

    def both(self, operation: str, x: Pair, y: Pair) -> Pair:
        return self.code.two(operation, x[0], y[0]), self.code.two(operation, x[1], y[1])

    def transformed(self, x: list[Pair]) -> list[Pair]:
        """Return the transform of a few elements."""
        if len(x) == 2:
            return [self.both("fadd", *x), self.both("fsub", *x)]
        if len(x) == 4:
            a, b = self.both("fadd", x[0], x[2]), self.both("fsub", x[0], x[2])
            c, d = self.both("fadd", x[1], x[3]), self.both("fsub", x[1], x[3])
            below, above = self.around(b, d)
            return [self.both("fadd", a, c), below, self.both("fsub", a, c), above]
        return self.odd(x)

    def around(self, x: Pair, y: Pair) -> tuple[Pair, Pair]:
        """Return x - i y and x + i y."""
        c = self.code
        return (
            (c.two("fadd", x[0], y[1]), c.two("fsub", x[1], y[0])),
            (c.two("fsub", x[0], y[1]), c.two("fadd", x[1], y[0])),
        )

    def odd(self, x: list[Pair]) -> list[Pair]:
        """Return the transform of an odd number of elements, by the sums and differences of x_j and x_(r - j)."""
        r, c = len(x), self.code
        half = range(1, r // 2 + 1)
        sums = [self.both("fadd", x[j], x[r - j]) for j in half]
        differences = [self.both("fsub", x[j], x[r - j]) for j in half]
        total = x[0]
        for part in sums:
            total = self.both("fadd", total, part)
        made = [total, *[total] * (r - 1)]
        for k in half:
            even, uneven = x[0], None
            for j, up, down in zip(half, sums, differences, strict=True):
                angle = 2 * math.pi * _turn(j * k, r)
                cosine, sine = c.number(math.cos(angle)), c.number(math.sin(angle))
                even = c.fma(up[0], cosine, even[0]), c.fma(up[1], cosine, even[1])
                if uneven is None:
                    uneven = c.two("fmul", down[0], sine), c.two("fmul", down[1], sine)
                else:
                    uneven = c.fma(down[0], sine, uneven[0]), c.fma(down[1], sine, uneven[1])
            assert uneven is not None
            made[k], made[r - k] = self.around(even, uneven)
        return made


def _turn(x: int, n: int) -> float:
    """Return the part of x / n beyond a whole number, between -1/2 and 1/2: angles stay exact to rounding."""
    return ((x % n + n // 2) % n - n // 2) / n
