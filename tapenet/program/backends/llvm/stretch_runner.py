"""The function of machine code that does the steps of any stretch, one after the other, as a table says."""

from __future__ import annotations

import enum

import numpy as np

from tapenet.kernels.objects import DATA, ITEMS, NUMBER
from tapenet.program.backends.llvm.exceptions import declarations, first_lines, has_flags, read

# Bits of what a stretch returns: the floating-point exceptions of products that are reported, and from where on those
# are that a kernel returns.
REPORTED, FAR = 1 | 8 | 16, 64

# Bytes of what columns are summed in.
_WIDTH = 64


class Kind(enum.IntEnum):
    """What a step is, with the addresses that it takes, and what follows them in the table."""

    END = 0
    KERNEL = 1  # arrays and numbers; the function
    PRODUCT_F = (
        2  # x, y, out; the function, distances of rows and columns of both, rows, columns, depth, whether to add
    )
    PRODUCT_D = 3
    REPEAT = 4  # out, row; how often, its bytes
    TURN_F = 5  # out, x; rows, columns, distances of rows and columns
    TURN_D = 6
    SUM_F = 7  # out, x; rows, columns
    SUM_D = 8


def runner_text() -> str:
    """Return the module of `run`, which returns bits of what it met.

    It takes the table, a tuple of arrays and numbers, of which the first is the arena, and the memory that products of
    both dtypes pack to. The table begins with how many arrays and numbers there are, how many arrays, and where in the
    arena the addresses of all, and those of a step, are written.
    """
    cases = [
        _case(Kind.KERNEL, 1, _KERNEL),
        _case(Kind.PRODUCT_F, 9, _product("f")),
        _case(Kind.PRODUCT_D, 9, _product("d")),
        _case(Kind.REPEAT, 2, _REPEAT_CALL),
        _case(Kind.TURN_F, 4, _TURN_CALL.format(char="f")),
        _case(Kind.TURN_D, 4, _TURN_CALL.format(char="d")),
        _case(Kind.SUM_F, 2, _SUM_CALL.format(char="f")),
        _case(Kind.SUM_D, 2, _SUM_CALL.format(char="d")),
    ]
    kinds = [kind for kind in Kind if kind is not Kind.END]
    run = _RUN.format(
        first="\n  ".join(first_lines()),
        last="\n  ".join(_read("last", "%met", "%met.all") if has_flags() else ["%met.all = add i32 %met, 0"]),
        data=DATA,
        items=ITEMS,
        number=NUMBER,
        targets=" ".join(f"i64 {kind:d}, label %kind{kind:d}" for kind in kinds),
        nexts=", ".join(f"[ %next{kind:d}, %kind{kind:d} ]" for kind in kinds),
        mets=", ".join(f"[ %met{kind:d}, %kind{kind:d} ]" for kind in kinds),
        cases="\n".join(cases),
    )
    texts = ["declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)", *declarations(), _REPEAT]
    for char, element in (("f", "float"), ("d", "double")):
        texts += [_TURN.format(char=char, element=element, size=np.dtype(char).itemsize), _sum_text(char, element)]
    return "\n".join((*texts, run))


def _read(name: str, met: str, joined: str) -> list[str]:
    """Return the lines that join the flags that were set to what was met."""
    return [
        *read(name),
        f"%{name}.met = mul i32 %{name}, {FAR}",
        f"{joined} = or i32 {met}, %{name}.met",
    ]


def _product(kind: str) -> str:
    """Return what is done of a product, whose flags are its own."""
    if not has_flags():
        return _PRODUCT.format(kind=kind, before="", after="%MET = add i32 %OWN5, 0")
    return _PRODUCT.format(
        kind=kind,
        before="\n  ".join(read(f"before.{kind}")),
        after="\n  ".join(
            [
                "store i32 %control.cleared, ptr %control",
                "call void @llvm.x86.sse.ldmxcsr(ptr %control)",
                f"%met.{kind} = mul i32 %before.{kind}, {FAR}",
                f"%MET = or i32 %OWN5, %met.{kind}",
            ]
        ),
    )


def _case(kind: Kind, count: int, body: str) -> str:
    """Return the block of a kind of steps, with the words that follow its addresses as w0, w1 and so on."""
    lines = [f"kind{kind:d}:"]
    for i in range(count):
        lines += [
            f"  %at{kind:d}.{i} = getelementptr i64, ptr %rest, i64 {i}",
            f"  %W{i} = load i64, ptr %at{kind:d}.{i}",
        ]
    for i in range(3):
        lines += [f"  %place{kind:d}.{i} = getelementptr ptr, ptr %given, i64 {i}"]
    lines += [body.strip("\n"), f"  %next{kind:d} = add i64 %after, {count}", "  br label %step.end"]
    text = "\n".join(lines)
    return (
        text.replace("%W", f"%w{kind:d}.")
        .replace("%PLACE", f"%place{kind:d}.")
        .replace("%OWN", f"%own{kind:d}.")
        .replace("%MET", f"%met{kind:d}")
    )


_RUN = """
define i32 @run(ptr %table, ptr %values, ptr %pack.f0, ptr %pack.f1, ptr %pack.d0, ptr %pack.d1) {{
entry:
  {first}
  %count = load i64, ptr %table
  %arrays.at = getelementptr i64, ptr %table, i64 1
  %arrays = load i64, ptr %arrays.at
  %known.at = getelementptr i64, ptr %table, i64 2
  %known.start = load i64, ptr %known.at
  %given.at = getelementptr i64, ptr %table, i64 3
  %given.start = load i64, ptr %given.at
  %items = getelementptr i8, ptr %values, i64 {items}
  %arena.object = load ptr, ptr %items
  %arena.at = getelementptr i8, ptr %arena.object, i64 {data}
  %arena = load ptr, ptr %arena.at
  %known = getelementptr i8, ptr %arena, i64 %known.start
  %given = getelementptr i8, ptr %arena, i64 %given.start
  br label %objects
objects:
  %i = phi i64 [ 0, %entry ], [ %i.next, %object.end ]
  %i.more = icmp slt i64 %i, %count
  br i1 %i.more, label %object, label %steps
object:
  %item.at = getelementptr ptr, ptr %items, i64 %i
  %item = load ptr, ptr %item.at
  %is.array = icmp slt i64 %i, %arrays
  br i1 %is.array, label %array, label %number
array:
  %data.at = getelementptr i8, ptr %item, i64 {data}
  %data = load ptr, ptr %data.at
  br label %object.end
number:
  %number.at = getelementptr i8, ptr %item, i64 {number}
  br label %object.end
object.end:
  %known.address = phi ptr [ %data, %array ], [ %number.at, %number ]
  %known.i = getelementptr ptr, ptr %known, i64 %i
  store ptr %known.address, ptr %known.i
  %i.next = add i64 %i, 1
  br label %objects
steps:
  %at = phi i64 [ 4, %objects ], [ %next, %step.end ]
  %met = phi i32 [ 0, %objects ], [ %met.next, %step.end ]
  %row = getelementptr i64, ptr %table, i64 %at
  %kind = load i64, ptr %row
  %length.at = getelementptr i64, ptr %row, i64 1
  %length = load i64, ptr %length.at
  %pairs = getelementptr i64, ptr %row, i64 2
  %rest = getelementptr {{ i64, i64 }}, ptr %pairs, i64 %length
  %length.double = mul i64 %length, 2
  %after.pairs = add i64 %length.double, 2
  %after = add i64 %at, %after.pairs
  br label %addresses
addresses:
  %j = phi i64 [ 0, %steps ], [ %j.next, %address ]
  %j.more = icmp slt i64 %j, %length
  br i1 %j.more, label %address, label %step
address:
  %pair = getelementptr {{ i64, i64 }}, ptr %pairs, i64 %j
  %array.index = load i64, ptr %pair
  %start.at = getelementptr i64, ptr %pair, i64 1
  %start = load i64, ptr %start.at
  %base.at = getelementptr ptr, ptr %known, i64 %array.index
  %base = load ptr, ptr %base.at
  %target = getelementptr i8, ptr %base, i64 %start
  %given.j = getelementptr ptr, ptr %given, i64 %j
  store ptr %target, ptr %given.j
  %j.next = add i64 %j, 1
  br label %addresses
step:
  switch i64 %kind, label %end [ {targets} ]
{cases}
step.end:
  %next = phi i64 {nexts}
  %met.step = phi i32 {mets}
  %met.next = or i32 %met, %met.step
  br label %steps
end:
  {last}
  ret i32 %met.all
}}"""

_KERNEL = f"""
  %OWN0 = inttoptr i64 %W0 to ptr
  %OWN1 = call i32 %OWN0(ptr %given)
  %MET = mul i32 %OWN1, {FAR}
"""

_PRODUCT = f"""
  {{before}}
  %OWN0 = inttoptr i64 %W0 to ptr
  %OWN1 = load ptr, ptr %PLACE0
  %OWN2 = load ptr, ptr %PLACE1
  %OWN3 = load ptr, ptr %PLACE2
  %OWN4 = call i32 %OWN0(
    i64 1, i64 0, i64 0, i64 0, ptr %OWN1, i64 %W1, i64 %W2, ptr %OWN2, i64 %W3, i64 %W4, ptr %OWN3,
    i64 %W6, i64 %W5, i64 %W6, i64 %W7, i64 %W8, ptr %pack.{{kind}}0, ptr %pack.{{kind}}1)
  %OWN5 = and i32 %OWN4, {REPORTED}
  {{after}}
"""

_REPEAT_CALL = """
  %OWN0 = load ptr, ptr %PLACE0
  %OWN1 = load ptr, ptr %PLACE1
  call void @repeat(ptr %OWN0, ptr %OWN1, i64 %W0, i64 %W1)
  %MET = add i32 0, 0
"""

_TURN_CALL = """
  %OWN0 = load ptr, ptr %PLACE0
  %OWN1 = load ptr, ptr %PLACE1
  call void @turn_{char}(ptr %OWN0, ptr %OWN1, i64 %W0, i64 %W1, i64 %W2, i64 %W3)
  %MET = add i32 0, 0
"""

_SUM_CALL = """
  %OWN0 = load ptr, ptr %PLACE0
  %OWN1 = load ptr, ptr %PLACE1
  call void @sum_{char}(ptr %OWN0, ptr %OWN1, i64 %W0, i64 %W1)
  %MET = add i32 0, 0
"""

# Writes a row of `size` bytes again and again.
_REPEAT = """
define internal void @repeat(ptr %out, ptr %row, i64 %rows, i64 %size) {
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
) {{
entry:
  %is.line = icmp eq i64 %column, 1
  %bytes = mul i64 %columns, {size}
  br label %outer
outer:
  %i = phi i64 [ 0, %entry ], [ %i.next, %outer.end ]
  %i.more = icmp slt i64 %i, %rows
  br i1 %i.more, label %start, label %end
start:
  %first = mul i64 %i, %row
  %line = mul i64 %i, %columns
  br i1 %is.line, label %copy, label %inner
copy:
  %copy.from = getelementptr {element}, ptr %x, i64 %first
  %copy.to = getelementptr {element}, ptr %out, i64 %line
  call void @llvm.memcpy.p0.p0.i64(ptr align {size} %copy.to, ptr align {size} %copy.from, i64 %bytes, i1 false)
  br label %outer.end
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

# Writes the sums of the columns of a matrix, to the first row of which the others are added one after the other.
_SUM = """
define internal void @sum_{char}(ptr %out, ptr %x, i64 %rows, i64 %columns) {{
entry:
  %rest = srem i64 %columns, {lanes}
  %whole = sub i64 %columns, %rest
  br label %wide
{loops}
end:
  ret void
}}"""

_SUM_LOOP = """
{loop}:
  %c.{loop} = phi i64 [ {first}, %{before} ], [ %c.next.{loop}, %store.{loop} ]
  %c.more.{loop} = icmp slt i64 %c.{loop}, {stop}
  br i1 %c.more.{loop}, label %first.{loop}, label %{after}
first.{loop}:
  %at.{loop} = getelementptr {element}, ptr %x, i64 %c.{loop}
  %value.{loop} = load {type}, ptr %at.{loop}, align {size}
  br label %row.{loop}
row.{loop}:
  %i.{loop} = phi i64 [ 1, %first.{loop} ], [ %i.next.{loop}, %add.{loop} ]
  %sum.{loop} = phi {type} [ %value.{loop}, %first.{loop} ], [ %sum.next.{loop}, %add.{loop} ]
  %i.more.{loop} = icmp slt i64 %i.{loop}, %rows
  br i1 %i.more.{loop}, label %add.{loop}, label %store.{loop}
add.{loop}:
  %line.{loop} = mul i64 %i.{loop}, %columns
  %from.{loop} = getelementptr {element}, ptr %at.{loop}, i64 %line.{loop}
  %next.{loop} = load {type}, ptr %from.{loop}, align {size}
  %sum.next.{loop} = fadd {type} %sum.{loop}, %next.{loop}
  %i.next.{loop} = add i64 %i.{loop}, 1
  br label %row.{loop}
store.{loop}:
  %to.{loop} = getelementptr {element}, ptr %out, i64 %c.{loop}
  store {type} %sum.{loop}, ptr %to.{loop}, align {size}
  %c.next.{loop} = add i64 %c.{loop}, {count}
  br label %{loop}
"""


def _sum_text(char: str, element: str) -> str:
    """Return the function that sums columns, many at once and the rest one by one."""
    size = np.dtype(char).itemsize
    lanes = _WIDTH // size
    wide = {"loop": "wide", "first": "0", "before": "entry", "stop": "%whole", "after": "narrow", "count": lanes}
    narrow = {"loop": "narrow", "first": "%whole", "before": "wide", "stop": "%columns", "after": "end", "count": 1}
    kinds = (f"<{lanes} x {element}>", element)
    loops = [
        _SUM_LOOP.format(**own, type=kind, element=element, size=size)
        for own, kind in zip((wide, narrow), kinds, strict=True)
    ]
    return _SUM.format(char=char, lanes=lanes, loops="".join(loops))
