"""A step of Adam in one pass over memory, by code that LLVM compiles for this processor.

NumPy makes a dozen passes over each block, and meets the interpreter's lock after each. The code computes what they do
in their order, each operation rounded, so that both give the same bits: which of them a block takes does not matter.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import attrs
import numpy as np

from tapenet.kernels import backends
from tapenet.kernels.memory import address
from tapenet.kernels.objects import DATA, ITEMS, finds_data
from tapenet.kernels.teams import At, Native, Plan, Step, free_team
from tapenet.kernels.threads import parts_of

Array = Any
Leaf = tuple[Sequence[Array], Sequence[Array]]  # what is written of a parameter, and what is read

# Elements of a block from which on the code is compiled and called.
FEWEST = 2**14

# Parts of a step of many parameters for each thread, more than one: threads are not all equally fast.
PARTS = 4

# How many plans of such steps are kept.
PLANS = 64

# Bytes of new arrays from which on they are written past the caches. A processor reads what it is about to write in the
# ordinary way: ten streams in place of seven.
STREAMED = 2**25

# Bytes by which reading is ahead. The processor's own prefetching ends with each page, and there are four streams.
AHEAD = 2**11

# Bits of the exceptions that NumPy reports, and operations that meet each.
_MET: tuple[tuple[int, Callable[[Any], Any]], ...] = (
    (1, lambda x: np.subtract(x(np.inf), x(np.inf))),
    (4, lambda x: np.divide(x(1), x(0))),
    (8, lambda x: np.multiply(x(np.finfo(x).max), x(2))),
    (16, lambda x: np.multiply(x(np.finfo(x).tiny), x(np.finfo(x).tiny))),
)
_REPORTED = sum(bit for bit, _ in _MET)


@attrs.frozen
class Numbers:
    """What a step of Adam is computed with: of a block's dtype, or Python's.

    g = gradient + decay * parameter
    mean <- b1 mean + c1 g
    square_mean <- b2 square_mean + c2 g^2
    parameter <- shrink * parameter - rate * mean / (sqrt(square_mean) + eps)
    """

    decay: Any
    shrink: Any
    b1: float
    c1: float
    b2: float
    c2: float
    eps: Any
    rate: Any

    def fit(self, dtype: np.dtype[Any]) -> bool:
        """Return whether NumPy computes with these in a dtype."""
        # A float64 scalar of NumPy would widen float32 arrays (NEP 50), and the code computes in their own dtype.
        return all(type(x) in (float, int, dtype.type) for x in self.values)

    @property
    def values(self) -> tuple[Any, ...]:
        """All of them, in order."""
        return self.decay, self.shrink, self.b1, self.c1, self.b2, self.c2, self.eps, self.rate


def take_step(outputs: Sequence[Array], arrays: Sequence[Array], numbers: Numbers) -> bool:
    """Write a parameter, its mean and its mean of squares after a step; return whether there is code for it.

    Args:
        outputs: flat arrays to write to, which may be those that are read.
        arrays: the parameter, its gradient, its mean and its mean of squares, flat.
        numbers: of the step.
    """
    several = (*arrays, *outputs)
    code = code_for(outputs[0].dtype, numbers) if outputs[0].size >= FEWEST and _fit(several) else None
    if code is None:
        return False
    given = map(float, numbers.values)
    code.report(code.function(*map(address, several), outputs[0].size, 0, *given))
    return True


def take_steps(leaves: Sequence[Leaf], numbers: Numbers) -> list[bool]:
    """Do as `take_step` for many parameters in one call, which threads share; return for which there is code.

    Args:
        leaves: for each parameter the arrays to write to, and those that are read, all in C order and of one dtype.
        numbers: of the step.
    """
    groups: dict[np.dtype[Any], list[Leaf]] = {}
    for leaf in leaves:
        groups.setdefault(leaf[0][0].dtype, []).append(leaf)
    taken = {dtype: _take_joined(dtype, own, numbers) for dtype, own in groups.items()}
    return [taken[outputs[0].dtype] for outputs, _ in leaves]


def _take_joined(dtype: np.dtype[Any], leaves: Sequence[Leaf], numbers: Numbers) -> bool:
    sizes = tuple([outputs[0].size for outputs, _ in leaves])
    total = sum(sizes)
    code = code_for(dtype, numbers) if total >= FEWEST and finds_data() else None
    if code is None:
        return False
    objects = tuple([x for outputs, arrays in leaves for x in (*arrays, *outputs)])
    given = np.array(numbers.values, np.float64)
    addresses = [id(objects), address(given)]
    parts = PARTS * len(parts_of(total, 7 * total * dtype.itemsize))
    with free_team() if parts > PARTS else nullcontext() as team:
        plan = _plan(code, sizes, parts if team is not None else 1)
        code.report(plan.run(addresses) if team is None else team.run_plan(plan, addresses))
    return True


@functools.lru_cache(PLANS)
def _plan(code: Code, sizes: tuple[int, ...], count: int) -> Plan:
    """Return the plan of a step: all elements, cut into parts of one length.

    Its addresses are those of a tuple of arrays, of each parameter the four that are read and the three that are
    written, and of the numbers of the step.
    """
    table = np.array(sizes, np.int64)
    ends = np.cumsum(table)
    total = int(ends[-1])
    streams = int(3 * total * code.dtype.itemsize >= STREAMED)
    parts: list[list[Step]] = []
    for start in range(0, total, -(-total // count)):
        leaf = int(np.searchsorted(ends, start, side="right"))
        place = leaf, start - int(ends[leaf] - table[leaf]), min(-(-total // count), total - start)
        parts.append([(code.native, At(0, 0), address(table), *place, streams, At(1, 0))])
    return Plan.of(parts, kept=table)


@attrs.frozen(eq=False)
class Code:
    """The code of one dtype.

    Attributes:
        dtype: of all arrays.
        function: takes the addresses of a parameter, its gradient and means, and of those that it writes; how many
            elements there are; whether new arrays are written past the caches; and the numbers of the step. It returns
            the exceptions that it met.
        native: takes a tuple of the arrays of all parameters, their sizes, which parameter is the first, how many
            elements of it are skipped, how many elements follow, whether new arrays are written past the caches, and
            the address of the numbers of the step.
        library: what holds it.
    """

    dtype: np.dtype[Any]
    function: Any
    native: Native
    library: Any

    def report(self, met: int) -> None:
        """Meet exceptions again in NumPy, which warns, raises or ignores them as `numpy.errstate` says."""
        for bit, meet in _MET if met & _REPORTED else ():
            if met & bit:
                meet(self.dtype.type)


def _fit(arrays: Sequence[Array]) -> bool:
    """Return whether flat arrays can be read and written as they are."""
    dtype = arrays[0].dtype
    for x in arrays:
        if x.dtype is not dtype or not x.flags.c_contiguous:
            return False
    return True


def code_for(dtype: np.dtype[Any], numbers: Numbers) -> Code | None:
    """Return the code of a step by these numbers on arrays of a dtype; None where there is none."""
    has_code = backends.has_machine_code() and dtype.char in "fd" and dtype.isnative and numbers.fit(dtype)
    return _code_for(dtype) if has_code else None


_compiled: dict[str, Code | None] = {}


def _code_for(dtype: np.dtype[Any]) -> Code | None:
    """Return the code of a dtype, compiled or loaded at its first use; None on a processor that it is not for."""
    if dtype.char not in _compiled:
        # Imported here: it needs llvmlite, and modules that importing tapenet does not.
        machine_code = importlib.import_module("tapenet.kernels.machine_code")
        size = machine_code.processor().vector_size
        if not size:
            _compiled[dtype.char] = None
            return None
        text = module_of(dtype.char, size // dtype.itemsize)
        library = machine_code.compile_module(lambda: text, text)
        kinds = [ctypes.c_void_p] * 7 + [ctypes.c_ssize_t] * 2 + [ctypes.c_double] * 8
        function = ctypes.CFUNCTYPE(ctypes.c_int32, *kinds)(library.address("adam"))
        native = Native(library.address("leaves"), "q" * 7)
        _compiled[dtype.char] = Code(dtype, function, native, library)
    return _compiled[dtype.char]


_NAMES = [field.name for field in attrs.fields(Numbers)]


def module_of(char: str, lanes: int) -> str:
    """Return LLVM's text of `adam` and `leaves`, which return the floating-point exceptions that they met.

    Single elements are taken until a vector that is written to the parameter begins where vectors begin in memory, then
    vectors, and single elements at the end.
    """
    element, kind = ("float", "f32") if char == "f" else ("double", "f64")
    vector = f"<{lanes} x {element}>"
    size = np.dtype(char).itemsize
    common = {"element": element, "size": size, "aligned": size, "hint": "", "ahead": ""}
    wide: dict[str, Any] = {"first": "%head", "stop": "%whole", "before": "choose", "after": "rest", "loop": "vectors"}
    wide |= {"count": lanes, "type": vector, "prefix": "all", "root": f"@llvm.sqrt.v{lanes}{kind}"}
    streamed = {**wide, "loop": "streamed", "after": "fence", "aligned": size * lanes, "hint": ", !nontemporal !0"}
    narrow: dict[str, Any] = {"count": 1, "type": element, "prefix": "one", "root": f"@llvm.sqrt.{kind}"}
    begun = {**narrow, "first": 0, "stop": "%head", "before": "entry", "after": "choose", "loop": "begun"}
    ended = {**narrow, "first": "%whole", "stop": "%count", "before": "rest", "after": "end", "loop": "ended"}
    loops: list[dict[str, Any]] = [{**common, **own} for own in (begun, wide, streamed, ended)]
    for loop in loops[1:3]:
        loop["ahead"] = "\n  ".join(line for name in "pgmv" for line in _ahead(name, loop["loop"]))
    numbers = [f"double %n.{name}" for name in _NAMES]
    return _MODULE.format(
        arguments=", ".join(numbers),
        setup="\n  ".join(line for name in _NAMES for line in _number(name, element, lanes)),
        lanes=lanes,
        mask=size * lanes - 1,
        shift=size.bit_length() - 1,
        loops="".join(_LOOP.format(**loop) for loop in loops),
        roots="\n".join("declare {type} {root}({type})".format(**loop) for loop in (wide, narrow)),
        element=element,
        items=ITEMS,
        reads="\n  ".join(line for i in range(7) for line in _read(i, element)),
        loads="\n  ".join(line for i, name in enumerate(_NAMES) for line in _load(i, name)),
        given=", ".join(numbers),
    )


def _load(i: int, name: str) -> list[str]:
    """Return the lines that read a number of the step."""
    return [
        f"%at.{name} = getelementptr double, ptr %numbers, i64 {i}",
        f"%n.{name} = load double, ptr %at.{name}, align 8",
    ]


def _ahead(name: str, loop: str) -> list[str]:
    """Return the lines that have an array's elements fetched before they are read."""
    return [
        f"%{name}.ahead.{loop} = getelementptr i8, ptr %{name}.at.{loop}, i64 {AHEAD}",
        f"call void @llvm.prefetch.p0(ptr %{name}.ahead.{loop}, i32 0, i32 3, i32 1)",
    ]


def _read(i: int, element: str) -> list[str]:
    """Return the lines that find where an array of a parameter begins, behind the elements that are skipped."""
    return [
        f"%item{i} = getelementptr ptr, ptr %own, i64 {i}",
        f"%object{i} = load ptr, ptr %item{i}",
        f"%data{i} = getelementptr i8, ptr %object{i}, i64 {DATA}",
        f"%start{i} = load ptr, ptr %data{i}",
        f"%x{i} = getelementptr {element}, ptr %start{i}, i64 %skipped",
    ]


def _number(name: str, element: str, lanes: int) -> list[str]:
    """Return the lines that make an element and a vector of a number."""
    # LLVM lacks a copy: x + -0.0 is x for every x, where x + 0.0 makes 0.0 of -0.0.
    cast = f"fptrunc double %n.{name} to float" if element == "float" else f"fadd double %n.{name}, -0.0"
    vector = f"<{lanes} x {element}>"
    return [
        f"%one.{name} = {cast}",
        f"%put.{name} = insertelement {vector} poison, {element} %one.{name}, i64 0",
        f"%all.{name} = shufflevector {vector} %put.{name}, {vector} poison, <{lanes} x i32> zeroinitializer",
    ]


# The exceptions are the six lowest bits of the register MXCSR.
_MODULE = """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
declare void @llvm.x86.sse.sfence()
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
{roots}
define i32 @leaves(ptr %tuple, ptr %sizes, i64 %first, i64 %skip, i64 %count, i64 %streams, ptr %numbers) {{
entry:
  {loads}
  %items = getelementptr i8, ptr %tuple, i64 {items}
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
  %place = mul i64 %leaf, 7
  %own = getelementptr ptr, ptr %items, i64 %place
  {reads}
  %met.own = call i32 @adam(
    ptr %x0, ptr %x1, ptr %x2, ptr %x3, ptr %x4, ptr %x5, ptr %x6, i64 %now, i64 %streams, {given}
  )
  %met.next = or i32 %met, %met.own
  %left.next = sub i64 %left, %now
  %leaf.next = add i64 %leaf, 1
  br label %look
end:
  ret i32 %met
}}

define i32 @adam(
  ptr %p, ptr %g, ptr %m, ptr %v, ptr %p.new, ptr %m.new, ptr %v.new, i64 %count, i64 %streams, {arguments}
) {{
entry:
  %control = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %control)
  %before = load i32, ptr %control
  %cleared = and i32 %before, -64
  store i32 %cleared, ptr %control
  call void @llvm.x86.sse.ldmxcsr(ptr %control)
  {setup}
  %decays = fcmp une double %n.decay, 0.0
  %shrinks = fcmp une double %n.shrink, 1.0
  %place = ptrtoint ptr %p.new to i64
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
  %place.m = ptrtoint ptr %m.new to i64
  %place.v = ptrtoint ptr %v.new to i64
  %apart.m = xor i64 %place, %place.m
  %apart.v = xor i64 %place, %place.v
  %apart = or i64 %apart.m, %apart.v
  %head.bytes = shl i64 %head, {shift}
  %begin = add i64 %place, %head.bytes
  %either = or i64 %apart, %begin
  %low = and i64 %either, {mask}
  %is.aligned = icmp eq i64 %low, 0
  %is.new.p = icmp ne ptr %p, %p.new
  %is.new.m = icmp ne ptr %m, %m.new
  %is.new.v = icmp ne ptr %v, %v.new
  %is.wanted = icmp ne i64 %streams, 0
  %both.a = and i1 %is.new.p, %is.new.m
  %both.b = and i1 %is.new.v, %is.wanted
  %both = and i1 %both.a, %both.b
  %is.streamed = and i1 %both, %is.aligned
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
  %i.{loop} = phi i64 [ {first}, %{before} ], [ %next.{loop}, %join.{loop} ]
  %more.{loop} = icmp slt i64 %i.{loop}, {stop}
  br i1 %more.{loop}, label %body.{loop}, label %{after}
body.{loop}:
  %p.at.{loop} = getelementptr {element}, ptr %p, i64 %i.{loop}
  %g.at.{loop} = getelementptr {element}, ptr %g, i64 %i.{loop}
  %m.at.{loop} = getelementptr {element}, ptr %m, i64 %i.{loop}
  %v.at.{loop} = getelementptr {element}, ptr %v, i64 %i.{loop}
  {ahead}
  %p.{loop} = load {type}, ptr %p.at.{loop}, align {size}
  %g.given.{loop} = load {type}, ptr %g.at.{loop}, align {size}
  %m.{loop} = load {type}, ptr %m.at.{loop}, align {size}
  %v.{loop} = load {type}, ptr %v.at.{loop}, align {size}
  br i1 %decays, label %decay.{loop}, label %step.{loop}
decay.{loop}:
  %d.{loop} = fmul {type} %p.{loop}, %{prefix}.decay
  %g.decayed.{loop} = fadd {type} %g.given.{loop}, %d.{loop}
  br label %step.{loop}
step.{loop}:
  %g.{loop} = phi {type} [ %g.given.{loop}, %body.{loop} ], [ %g.decayed.{loop}, %decay.{loop} ]
  %cg.{loop} = fmul {type} %g.{loop}, %{prefix}.c1
  %bm.{loop} = fmul {type} %m.{loop}, %{prefix}.b1
  %m.next.{loop} = fadd {type} %bm.{loop}, %cg.{loop}
  %gg.{loop} = fmul {type} %g.{loop}, %g.{loop}
  %cgg.{loop} = fmul {type} %gg.{loop}, %{prefix}.c2
  %bv.{loop} = fmul {type} %v.{loop}, %{prefix}.b2
  %v.next.{loop} = fadd {type} %bv.{loop}, %cgg.{loop}
  %root.{loop} = call {type} {root}({type} %v.next.{loop})
  %below.{loop} = fadd {type} %root.{loop}, %{prefix}.eps
  %ratio.{loop} = fdiv {type} %m.next.{loop}, %below.{loop}
  %change.{loop} = fmul {type} %ratio.{loop}, %{prefix}.rate
  br i1 %shrinks, label %shrink.{loop}, label %join.{loop}
shrink.{loop}:
  %p.shrunk.{loop} = fmul {type} %p.{loop}, %{prefix}.shrink
  br label %join.{loop}
join.{loop}:
  %p.old.{loop} = phi {type} [ %p.{loop}, %step.{loop} ], [ %p.shrunk.{loop}, %shrink.{loop} ]
  %p.next.{loop} = fsub {type} %p.old.{loop}, %change.{loop}
  %p.to.{loop} = getelementptr {element}, ptr %p.new, i64 %i.{loop}
  %m.to.{loop} = getelementptr {element}, ptr %m.new, i64 %i.{loop}
  %v.to.{loop} = getelementptr {element}, ptr %v.new, i64 %i.{loop}
  store {type} %p.next.{loop}, ptr %p.to.{loop}, align {aligned}{hint}
  store {type} %m.next.{loop}, ptr %m.to.{loop}, align {aligned}{hint}
  store {type} %v.next.{loop}, ptr %v.to.{loop}, align {aligned}{hint}
  %next.{loop} = add i64 %i.{loop}, {count}
  br label %{loop}
"""
