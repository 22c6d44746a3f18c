"""A step of Adam in one pass over memory, by code that LLVM compiles for this processor.

NumPy makes a dozen passes over each block, and meets the interpreter's lock after each. The code computes what they do
in their order, each operation rounded, so that both give the same bits: which of them a block takes does not matter.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.kernels import backends
from tapenet.kernels.memory import address
from tapenet.kernels.teams import Native, Step, done
from tapenet.kernels.threads import parts_of

Array = Any

# Elements of a block from which on the code is compiled and called.
FEWEST = 2**14

# Parts of a step of many parameters for each thread.
PARTS = 4

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
        return all(type(x) in (float, int, dtype.type) for x in attrs.astuple(self, recurse=False))


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
    given = [float(x) for x in attrs.astuple(numbers, recurse=False)]
    code.report(code.function(*map(address, several), outputs[0].size, *given))
    return True


def take_steps(leaves: Sequence[tuple[Sequence[Array], Sequence[Array]]], numbers: Numbers) -> list[bool]:
    """Do as `take_step` for many parameters in one call, which threads share; return for which there is code.

    Args:
        leaves: for each parameter the flat arrays to write to, and those that are read.
        numbers: of the step.
    """
    known = {dtype: code_for(dtype, numbers) for dtype in {outputs[0].dtype for outputs, _ in leaves}}
    codes = [known[outputs[0].dtype] if _fit((*arrays, *outputs)) else None for outputs, arrays in leaves]
    joined = [(code, leaf) for code, leaf in zip(codes, leaves, strict=True) if code is not None]
    if sum(outputs[0].size for _, (outputs, _) in joined) < FEWEST:
        return [False] * len(leaves)
    met = done(_parts(joined, numbers))
    for code in {code.dtype: code for code, _ in joined}.values():
        code.report(met)
    return [code is not None for code in codes]


def _parts(joined: Sequence[tuple[Code, Any]], numbers: Numbers) -> list[list[Step]]:
    """Cut all elements into parts of one size, more than there are threads: they are not all equally fast."""
    total = sum(outputs[0].size for _, (outputs, _) in joined)
    shared = len(parts_of(total, sum(7 * outputs[0].nbytes for _, (outputs, _) in joined)))
    length = -(-total // (PARTS * shared if shared > 1 else 1))
    given = [float(x) for x in attrs.astuple(numbers, recurse=False)]
    parts: list[list[Step]] = []
    room = 0
    for code, (outputs, arrays) in joined:
        addresses = [address(x) for x in (*arrays, *outputs)]
        start, size, step = 0, outputs[0].size, code.dtype.itemsize
        while start < size:
            if room == 0:
                parts.append([])
                room = length
            count = min(size - start, room)
            parts[-1].append((code.native, *(at + start * step for at in addresses), count, *given))
            room -= count
            start += count
    return parts


@attrs.frozen(eq=False)
class Code:
    """The code of one dtype.

    Attributes:
        dtype: of all arrays.
        function: takes the addresses of a parameter, its gradient and means, and of those that it writes; how many
            elements there are; and the numbers of the step. It returns the exceptions that it met.
        native: the function, as teams call it.
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
        kinds = [ctypes.c_void_p] * 7 + [ctypes.c_ssize_t] + [ctypes.c_double] * 8
        address = library.address("adam")
        function = ctypes.CFUNCTYPE(ctypes.c_int32, *kinds)(address)
        _compiled[dtype.char] = Code(dtype, function, Native(address, "q" * 8 + "d" * 8), library)
    return _compiled[dtype.char]


_NAMES = [field.name for field in attrs.fields(Numbers)]


def module_of(char: str, lanes: int) -> str:
    """Return LLVM's text of the function `adam`, which returns the floating-point exceptions that it met."""
    element, kind = ("float", "f32") if char == "f" else ("double", "f64")
    vector = f"<{lanes} x {element}>"
    common = {"element": element, "size": np.dtype(char).itemsize}
    wide = {"loop": "vectors", "before": "entry", "first": "0", "stop": "%whole", "after": "elements"}
    wide |= {"count": str(lanes), "type": vector, "prefix": "all", "root": f"@llvm.sqrt.v{lanes}{kind}"}
    narrow = {"loop": "elements", "before": "vectors", "first": "%whole", "stop": "%count", "after": "end"}
    narrow |= {"count": "1", "type": element, "prefix": "one", "root": f"@llvm.sqrt.{kind}"}
    return _MODULE.format(
        arguments=", ".join(f"double %n.{name}" for name in _NAMES),
        setup="\n  ".join(line for name in _NAMES for line in _number(name, element, lanes)),
        lanes=lanes,
        loops="".join(_LOOP.format(**loop, **common) for loop in (wide, narrow)),
        roots="\n".join("declare {type} {root}({type})".format(**loop) for loop in (wide, narrow)),
    )


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
{roots}
define i32 @adam(
  ptr %p, ptr %g, ptr %m, ptr %v, ptr %p.new, ptr %m.new, ptr %v.new, i64 %count, {arguments}
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
  %rest = srem i64 %count, {lanes}
  %whole = sub i64 %count, %rest
  br label %vectors
{loops}
end:
  call void @llvm.x86.sse.stmxcsr(ptr %control)
  %after = load i32, ptr %control
  %met = and i32 %after, 63
  ret i32 %met
}}
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
  store {type} %p.next.{loop}, ptr %p.to.{loop}, align {size}
  store {type} %m.next.{loop}, ptr %m.to.{loop}, align {size}
  store {type} %v.next.{loop}, ptr %v.to.{loop}, align {size}
  %next.{loop} = add i64 %i.{loop}, {count}
  br label %{loop}
"""
