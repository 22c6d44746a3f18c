"""LLVM's text of an update of many arrays by an elementwise formula, in one pass over memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.kernels.formulas import Formula
from tapenet.kernels.objects import DATA, ITEMS
from tapenet.kernels.vector_code import Code, Value

# Bytes by which reading is ahead. The processor's own prefetching ends with each page, and there are several streams.
AHEAD = 2**11


def module_of(formula: Formula, places: Sequence[int], char: str, lanes: int) -> str:
    """Return LLVM's text of `leaves`, which returns the floating-point exceptions that it met.

    Single elements are taken until a vector of the first output begins where vectors begin in memory, then vectors, and
    single elements at the end.

    Args:
        formula: of each element.
        places: for each output the input that it overwrites where it is in place.
        char: NumPy's character of the dtype.
        lanes: of vectors.
    """
    size = np.dtype(char).itemsize
    wide = _Loop("vectors", lanes, "%head", "%whole", "choose", "rest", size)
    loops = (
        _Loop("begun", 1, "0", "%head", "entry", "choose", size),
        wide,
        attrs.evolve(wide, name="streamed", after="fence", aligned=size * lanes),
        _Loop("ended", 1, "%whole", "%count", "rest", "end", size),
    )
    texts, declared = [], dict[str, None]()
    for loop in loops:
        code = Code(char, loop.lanes, f"{loop.name}.")
        texts.append(_loop(loop, code, formula))
        declared |= code.intrinsics
    reads, writes = range(formula.inputs), range(len(formula.outputs))
    count = 1 + max((~i for _, own in formula.steps for i in own if i < 0), default=-1)
    element = "float" if char == "f" else "double"
    return _MODULE.format(
        declared="\n".join(declared),
        arguments=", ".join([*(f"ptr %in{i}" for i in reads), *(f"ptr %out{i}" for i in writes)]),
        given=", ".join([*(f"ptr %x{i}" for i in reads), *(f"ptr %y{i}" for i in writes)]),
        numbers=_lines(_number(i, element, lanes) for i in range(count)),
        lanes=lanes,
        mask=size * lanes - 1,
        shift=size.bit_length() - 1,
        apart=_lines(_apart(i, place) for i, place in enumerate(places)),
        last=len(places) - 1,
        loops="".join(texts),
        items=ITEMS,
        inputs=formula.inputs,
        outputs=len(formula.outputs),
        found=_lines([*map(_found_input, reads), *(_found_output(i, places[i]) for i in writes)]),
        starts=_lines([_start(f"%in.item{i}", f"%x{i}", element) for i in reads]),
        targets=_lines([_start(f"%out.item{i}", f"%y{i}", element) for i in writes]),
    )


@attrs.frozen
class _Loop:
    """A loop over elements from `first` to `stop`, between two other blocks."""

    name: str
    lanes: int
    first: str
    stop: str
    before: str
    after: str
    aligned: int

    @property
    def is_streamed(self) -> bool:
        """Whether results are written past the caches."""
        return self.name == "streamed"


def _loop(loop: _Loop, code: Code, formula: Formula) -> str:
    """Return the text of a loop."""
    counter, element = f"%i.{loop.name}", code.element
    values = []
    for i in range(formula.inputs):
        at = code.add(f"getelementptr {element}, ptr %in{i}, i64 {counter}")
        if loop.lanes > 1:
            ahead = code.add(f"getelementptr i8, ptr {at}, i64 {AHEAD}")
            code.lines.append(f"call void @llvm.prefetch.p0(ptr {ahead}, i32 0, i32 3, i32 1)")
        values.append(code.add(f"load {code.type}, ptr {at}, align {np.dtype(code.char).itemsize}"))
    for name, operands in formula.steps:
        given = [values[i] if i >= 0 else f"%n{loop.lanes}.{~i}" for i in operands]
        values.append(_WRITTEN[name](code, *given))
    hint = ", !nontemporal !0" if loop.is_streamed else ""
    for i, value in enumerate(formula.outputs):
        at = code.add(f"getelementptr {element}, ptr %out{i}, i64 {counter}")
        code.lines.append(f"store {code.type} {values[value]}, ptr {at}, align {loop.aligned}{hint}")
    return _LOOP.format(
        loop=loop.name,
        first=loop.first,
        before=loop.before,
        stop=loop.stop,
        after=loop.after,
        body="\n  ".join(code.lines),
        count=loop.lanes,
    )


# ---- operations ----


def _two(operation: str) -> Callable[[Code, Value, Value], Value]:
    return lambda code, x, y: code.two(operation, x, y)


# Comparisons of numbers would meet exceptions where one is NaN, and NumPy reports none there: bits are compared.


def _magnitude(code: Code, x: Value) -> Value:
    return code.integers("and", code.to_bits(x), code.whole((1 << (code.bits - 1)) - 1))


def _is_nan(code: Code, x: Value) -> Value:
    infinity = (2 * code.bias + 1) << code.mantissa
    return code.add(f"icmp ugt {code.integer} {_magnitude(code, x)}, {code.whole(infinity)}")


def _sign(code: Code, x: Value) -> Value:
    bit = code.integers("and", code.to_bits(x), code.whole(-(1 << (code.bits - 1))))
    one = code.to_numbers(code.integers("or", bit, code.whole(code.bias << code.mantissa)))
    is_zero = code.add(f"icmp eq {code.integer} {_magnitude(code, x)}, {code.whole(0)}")
    return code.select(is_zero, code.number(0.0), code.select(_is_nan(code, x), x, one))


def _ordered(code: Code, x: Value) -> Value:
    """Return integers in the order of numbers."""
    bits = code.to_bits(x)
    is_negative = code.integers("ashr", bits, code.whole(code.bits - 1))
    return code.integers("xor", bits, code.integers("lshr", is_negative, code.whole(1)))


def _extreme(relation: str) -> Callable[[Code, Value, Value], Value]:
    """Return what writes the larger or the smaller of two numbers; NaN where one is."""

    def write(code: Code, x: Value, y: Value) -> Value:
        is_first = code.add(f"icmp {relation} {code.integer} {_ordered(code, x)}, {_ordered(code, y)}")
        chosen = code.select(_is_nan(code, y), y, code.select(is_first, x, y))
        return code.select(_is_nan(code, x), x, chosen)

    return write


_WRITTEN: dict[str, Callable[..., Value]] = {
    "add": _two("fadd"),
    "subtract": _two("fsub"),
    "multiply": _two("fmul"),
    "divide": _two("fdiv"),
    "sqrt": lambda code, x: code.intrinsic("sqrt", x),
    "negative": lambda code, x: code.negative(x),
    "absolute": lambda code, x: code.intrinsic("fabs", x),
    "sign": _sign,
    "maximum": _extreme("sge"),
    "minimum": _extreme("sle"),
}


# ---- around the loops ----


def _lines(parts: Any) -> str:
    return "\n  ".join(line for part in parts for line in part)


def _number(i: int, element: str, lanes: int) -> list[str]:
    """Return the lines that read a number, and repeat it in vectors."""
    # LLVM lacks a copy: x + -0.0 is x for every x, where x + 0.0 makes 0.0 of -0.0.
    cast = f"fptrunc double %n.{i} to float" if element == "float" else f"fadd double %n.{i}, -0.0"
    lines = [
        f"%n.at.{i} = getelementptr double, ptr %numbers, i64 {i}",
        f"%n.{i} = load double, ptr %n.at.{i}, align 8",
        f"%n.own.{i} = {cast}",
    ]
    for count in (1, lanes):
        vector = f"<{count} x {element}>"
        lines.append(f"%n.put{count}.{i} = insertelement {vector} poison, {element} %n.own.{i}, i64 0")
        mask = f"<{count} x i32> zeroinitializer"
        lines.append(f"%n{count}.{i} = shufflevector {vector} %n.put{count}.{i}, {vector} poison, {mask}")
    return lines


def _apart(i: int, place: int) -> list[str]:
    """Return the lines that find whether an output is new, and how far it is from where the first one begins."""
    before = i - 1
    return [
        f"%is.new.own{i} = icmp ne ptr %in{place}, %out{i}",
        f"%is.new{i} = and i1 %is.new.own{i}, {f'%is.new{before}' if i else '%is.wanted'}",
        f"%place{i} = ptrtoint ptr %out{i} to i64",
        f"%apart.own{i} = xor i64 %place, %place{i}",
        f"%apart{i} = or i64 %apart.own{i}, {f'%apart{before}' if i else '%begin'}",
    ]


def _found_input(i: int) -> list[str]:
    return [f"%in.item{i} = getelementptr ptr, ptr %own, i64 {i}"]


def _found_output(i: int, place: int) -> list[str]:
    """Return the lines that find an output: among the outputs, or in place of an input where there are none."""
    return [
        f"%out.new{i} = getelementptr ptr, ptr %own.out, i64 {i}",
        f"%out.item{i} = select i1 %is.in.place, ptr %in.item{place}, ptr %out.new{i}",
    ]


def _start(item: str, name: str, element: str) -> list[str]:
    """Return the lines that find where an array begins, behind the elements that are skipped."""
    return [
        f"{name}.object = load ptr, ptr {item}",
        f"{name}.data = getelementptr i8, ptr {name}.object, i64 {DATA}",
        f"{name}.start = load ptr, ptr {name}.data",
        f"{name} = getelementptr {element}, ptr {name}.start, i64 %skipped",
    ]


# The exceptions are the six lowest bits of the register MXCSR.
_MODULE = """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
declare void @llvm.x86.sse.sfence()
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
{declared}
define i32 @leaves(
  ptr %tuple, ptr %tuple.out, ptr %sizes, i64 %first, i64 %skip, i64 %count, i64 %streams, ptr %numbers
) {{
entry:
  %items = getelementptr i8, ptr %tuple, i64 {items}
  %items.out = getelementptr i8, ptr %tuple.out, i64 {items}
  %is.in.place = icmp eq ptr %tuple.out, null
  br label %look
look:
  %leaf = phi i64 [ %first, %entry ], [ %leaf.next, %step ]
  %skipped = phi i64 [ %skip, %entry ], [ 0, %step ]
  %left = phi i64 [ %count, %entry ], [ %left.next, %step ]
  %met = phi i32 [ 0, %entry ], [ %met.next, %step ]
  %more = icmp sgt i64 %left, 0
  br i1 %more, label %step, label %end
step:
  %size.at = getelementptr i64, ptr %sizes, i64 %leaf
  %size = load i64, ptr %size.at
  %there = sub i64 %size, %skipped
  %is.last = icmp slt i64 %left, %there
  %now = select i1 %is.last, i64 %left, i64 %there
  %place = mul i64 %leaf, {inputs}
  %own = getelementptr ptr, ptr %items, i64 %place
  %place.out = mul i64 %leaf, {outputs}
  %own.out = getelementptr ptr, ptr %items.out, i64 %place.out
  {found}
  {starts}
  {targets}
  %met.own = call i32 @update({given}, i64 %now, i64 %streams, ptr %numbers)
  %met.next = or i32 %met, %met.own
  %left.next = sub i64 %left, %now
  %leaf.next = add i64 %leaf, 1
  br label %look
end:
  ret i32 %met
}}

define i32 @update({arguments}, i64 %count, i64 %streams, ptr %numbers) {{
entry:
  %control = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %control)
  %before = load i32, ptr %control
  %cleared = and i32 %before, -64
  store i32 %cleared, ptr %control
  call void @llvm.x86.sse.ldmxcsr(ptr %control)
  {numbers}
  %place = ptrtoint ptr %out0 to i64
  %back = sub i64 0, %place
  %bytes = and i64 %back, {mask}
  %odd = lshr i64 %bytes, {shift}
  %has.more = icmp slt i64 %odd, %count
  %head = select i1 %has.more, i64 %odd, i64 %count
  %behind = sub i64 %count, %head
  %tail = srem i64 %behind, {lanes}
  %whole = sub i64 %count, %tail
  br label %begun
choose:
  %head.bytes = shl i64 %head, {shift}
  %begin = add i64 %place, %head.bytes
  %is.wanted = icmp ne i64 %streams, 0
  {apart}
  %low = and i64 %apart{last}, {mask}
  %is.aligned = icmp eq i64 %low, 0
  %is.streamed = and i1 %is.new{last}, %is.aligned
  br i1 %is.streamed, label %streamed, label %vectors
fence:
  call void @llvm.x86.sse.sfence()
  br label %rest
rest:
  br label %ended
{loops}
end:
  call void @llvm.x86.sse.stmxcsr(ptr %control)
  %after = load i32, ptr %control
  %met = and i32 %after, 63
  ret i32 %met
}}

!0 = !{{i32 1}}
"""

_LOOP = """
{loop}:
  %i.{loop} = phi i64 [ {first}, %{before} ], [ %next.{loop}, %body.{loop} ]
  %more.{loop} = icmp slt i64 %i.{loop}, {stop}
  br i1 %more.{loop}, label %body.{loop}, label %{after}
body.{loop}:
  {body}
  %next.{loop} = add i64 %i.{loop}, {count}
  br label %{loop}
"""
