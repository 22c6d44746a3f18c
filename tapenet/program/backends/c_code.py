"""A program as a function in C, for where there is no Python: C99 and its mathematics, without any allocation.

Elementwise operations of one shape are one loop nest, as in `regions`; everything else is a loop nest of its own.
Values between them lie in memory that the caller gives, each place of which is used again.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

from tapenet.core.guards import ArraySnapshot
from tapenet.core.tensor import value_itself
from tapenet.errors import ArgumentError
from tapenet.program.backends.c.decompositions import DECOMPOSITIONS
from tapenet.program.backends.c.expressions import (
    COMPLEX,
    EXPRESSIONS,
    FROM_COMPLEX,
    RESERVED,
    TYPES,
    in_comment,
    literal,
)
from tapenet.program.backends.c.fourier import FOURIER
from tapenet.program.backends.c.functions import FUNCTIONS
from tapenet.program.backends.c.indexing import INDEXING
from tapenet.program.backends.c.linalg import LINALG
from tapenet.program.backends.c.loops import parts_of, scan, with_bodies
from tapenet.program.backends.c.operations import OPERATIONS
from tapenet.program.backends.c.ordering import ORDERING
from tapenet.program.backends.c.windows import WINDOWS
from tapenet.program.backends.c.writer import Writer, space_of
from tapenet.program.fusion.regions import Region, Step, in_regions, made_by, read_by, whole_reads
from tapenet.program.instructions import Instruction, Program, Space, last_uses
from tapenet.program.passes import optimized

CanWrite = Callable[[Program, Instruction], bool]

NO_ORIGINS: Mapping[int, str] = types.MappingProxyType({})


@attrs.frozen
class CFiles:
    """A function in C.

    Attributes:
        source: the text of the file that defines it.
        header: of the file that declares it, for C and for C++.
    """

    source: str
    header: str


def to_c(
    program: Program,
    name: str = "program",
    *,
    origins: Mapping[int, str] = NO_ORIGINS,
    expanded: Callable[[Program, CanWrite], Program] = lambda program, _: program,
) -> CFiles:
    """Return a C function that computes a program; see `Lowered.to_c`.

    Args:
        name: of the function.
        origins: what inputs are, by number.
        expanded: writes operations out as others, but those that C has.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name in RESERVED or re.fullmatch(r"[ceivwxy][0-9]+", name):
        raise ArgumentError(
            f"to_c: name must be a name in C that is not a keyword, and none that the text uses; got {name!r}. "
            "Name it after what it computes, as in 'force'."
        )
    whole, bodies = with_bodies(expanded(program, can_write), lambda body: expanded(optimized(body), can_write))
    return _files(Writer(whole, name, bodies=bodies, parts=parts_of(whole, *bodies.values())), origins)


def can_join(program: Program, instruction: Instruction) -> bool:
    """Return whether an operation is one of elements."""
    spelled = _spelled(program, instruction)
    known = {"dtype"} if isinstance(spelled, str) else {"dtype", *spelled[0]} if spelled else set()
    if spelled is None or set(instruction.parameters) - known:
        return False
    return not whole_reads(instruction) and all(
        x.dtype is not None and x.dtype.char in TYPES for x in _spaces(program, instruction)
    )


def _spelled(program: Program, instruction: Instruction) -> str | tuple[tuple[str, ...], str] | None:
    """Return an operation of elements as a template, or as a function of its own and its parameters."""
    if _has_complex(program, instruction):
        return COMPLEX.get(instruction.name)
    dtype = space_of(program, instruction.out).dtype
    keys = f"{instruction.name} of {dtype.kind if dtype is not None else ''}", instruction.name
    return next((table[key] for key in keys for table in (EXPRESSIONS, FUNCTIONS) if key in table), None)


def can_write(program: Program, instruction: Instruction) -> bool:
    """Return whether an operation, or a guard, has a text in C of its own."""
    guard = instruction.guard
    if guard is not None:
        is_read = guard.function in (bool, float, int) or (guard.function is value_itself and _is_small(guard.answer))
        return is_read and len(instruction.operands) == 1 and not instruction.keywords
    if can_join(program, instruction):
        return True
    return instruction.name in (_OF_COMPLEX if _has_complex(program, instruction) else _STEPS)


def _spaces(program: Program, instruction: Instruction) -> list[Space]:
    """Return what is known of the result of an operation, and of its operands."""
    return [space_of(program, n) for n in (instruction.out, *instruction.operands)]


def _has_complex(program: Program, instruction: Instruction) -> bool:
    return any(x.dtype is not None and x.dtype.kind == "c" for x in _spaces(program, instruction))


def _files(w: Writer, origins: Mapping[int, str]) -> CFiles:
    """Return the texts of both files."""
    program, arguments, notes = w.program, [], []
    for i, n in enumerate(program.inputs):
        if program.spaces[n].dtype is None:
            raise ArgumentError(
                f"to_c: arguments must be arrays and numbers; got {origins.get(n, f'input {i}')}, which draws random "
                "numbers. Draw them outside of the function, and pass them as an argument."
            )
        w.names[n] = f"x{i}"
        arguments.append(f"{w.type(n)} x{i}" if w.is_number(n) else f"const {w.type(n)} *x{i}")
        notes.append(f"   x{i}: {program.spaces[n]}" + (f", {in_comment(origins[n])}" if n in origins else ""))
    for i, n in enumerate(program.outputs):
        arguments.append(f"{w.type(n)} *y{i}")
        notes.append(f"   y{i}: {program.spaces[n]}, a result")
    _body(w, program)
    for i, n in enumerate(program.outputs):
        _output(w, i, n)
    size = f"{w.name.upper()}_WORK_BYTES"
    texts = {
        "about": _ABOUT.format(notes="\n".join(notes), size=size),
        "define": f"#define {size} {max(1, w.arena.size)}",
        "name": w.name,
        "arguments": "".join(f"{argument}, " for argument in arguments),
    }
    names = [argument.split("*")[-1].split()[-1] for argument in (*arguments, "work")]
    text = "\n".join((*arguments, *(tables := w.used_tables()), *w.lines))
    source = _SOURCE.format(
        includes="".join(f"#include <{header}.h>\n" for header in sorted(_headers_of(text))),
        tables="".join(f"\n{table}\n" for table in tables),
        unused=" ".join(f"(void){name};" for name in names),
        body="\n".join(w.lines),
        **texts,
    )
    return CFiles(source, _header(texts))


def _header(texts: Mapping[str, str]) -> str:
    """Return the file that declares the function; C++ has a class of its own for complex numbers."""
    arguments, kinds = texts["arguments"], []
    for real in ("float", "double"):
        if f"{real} complex" in arguments:
            own = f"{texts['name']}_{real}_complex"
            arguments = arguments.replace(f"{real} complex", own)
            kinds.append((own, real))
    of_complex = ""
    if kinds:
        for_cpp, for_c = (
            "".join(f"typedef {of.format(real)} {own};\n" for own, real in kinds)
            for of in ("std::complex<{}>", "{} complex")
        )
        of_complex = _COMPLEX_TYPES.format(for_cpp=for_cpp, for_c=for_c)
    texts = {**texts, "arguments": arguments, "guard": f"{texts['name'].upper()}_H", "of_complex": of_complex}
    return _HEADER.format(**texts)


def _body(w: Writer, program: Program) -> None:
    """Write the operations of a program, or of the body of a loop."""
    steps: list[Step] = in_regions(program, lambda x: can_join(w.program, x))
    pseudo = [Instruction(None, (*read_by(step), *made_by(step)), {}, -1) for step in steps]
    for step, dead in zip(steps, last_uses(pseudo, program.outputs), strict=True):
        if isinstance(step, Region):
            _region(w, step)
        else:
            _step(w, step)
        for n in dead:
            w.give(n)


# Operations whose C gives another number than 0 or 1 for truth values.
_NUMBERS = frozenset({"add", "astype", "python.add"})


def _region(w: Writer, region: Region) -> None:
    """Write the loop nest of elementwise operations."""
    shape = w.shape(region.instructions[0].out)
    outs = {n: w.make(n) for n in region.outputs}

    def body(counters: list[str]) -> None:
        values = {n: w.element(n, counters) for n in region.inputs}
        for instruction in region.instructions:
            n = instruction.out
            text = _expression(w, instruction, [values[x] for x in instruction.operands])
            if n in outs and not shape:
                w.add(f"{outs[n]} = {text};")
                values[n] = outs[n]
                continue
            w.add(f"const {w.type(n)} e{n} = {text};")
            values[n] = f"e{n}"
            if n in outs:
                w.add(f"{w.element(n, counters)} = e{n};")

    w.loops(shape, body)


def _expression(w: Writer, instruction: Instruction, operands: list[str]) -> str:
    """Return an operation of elements, in the precision of its result; comparisons in that of their operands."""
    spaces = [space_of(w.program, n) for n in instruction.operands]
    out = w.program.spaces[instruction.out].dtype
    arrays = [x for x in spaces if not x.is_number] or spaces
    common = np.result_type(*(x.dtype for x in arrays if x.dtype is not None))
    if common.kind not in "fc" and any(x.is_number and x.dtype is not None and x.dtype.kind == "f" for x in spaces):
        common = np.dtype(float)
    name = instruction.name
    assert out is not None
    is_relation = out.kind == "b" or name in FROM_COMPLEX
    kind = TYPES[(common if is_relation else out).char]
    first = 1 if name == "where" else 0
    last = 1 if name == "subgradient" else len(operands)
    if name != "astype":
        operands = [f"({kind}){x}" if first <= i < last else x for i, x in enumerate(operands)]
    spelled = _spelled(w.program, instruction)
    assert spelled is not None
    if not isinstance(spelled, str):
        function = w.function(name.replace(".", "_"), kind, spelled[1])
        given = [*operands, *(literal(instruction.parameters[key]) for key in spelled[0])]
        return f"({TYPES[out.char]}){function}({', '.join(given)})"
    text = f"({spelled.format(*(f'({x})' for x in operands), f='f' * kind.startswith('float'))})"
    # Truth values are 0 or 1: the sum of two is not 2, and 0.5 is true.
    return f"({TYPES[out.char]})({text} != 0)" if out.kind == "b" and name in _NUMBERS else f"({TYPES[out.char]}){text}"


# ---- other operations ----


def _step(w: Writer, instruction: Instruction) -> None:
    """Write an operation that is not elementwise, or a guard."""
    if instruction.guard is not None:
        _guard(w, instruction)
        return
    if not can_write(w.program, instruction):
        of = " of complex numbers" * _has_complex(w.program, instruction)
        raise ArgumentError(
            f"to_c: operations must be some that C is written for, or made of those; got {instruction.name}{of}, at "
            f"{instruction.line}. Lower the part of the function without it, and pass what it gives as an argument."
        )
    write = _STEPS[instruction.name]
    write(w, instruction)


def _guard(w: Writer, instruction: Instruction) -> None:
    guard = instruction.guard
    assert guard is not None
    if not can_write(w.program, instruction):
        raise ArgumentError(
            f"to_c: guards must be of branches, of conversions to numbers and of short arrays; got {instruction.name}, "
            f"at {instruction.line}. Write tnp.where for a branch, and tn.scan for a loop."
        )
    (n,) = instruction.operands
    if isinstance(guard.answer, ArraySnapshot):
        table = w.table(np.frombuffer(guard.answer.elements, guard.answer.dtype))  # type: ignore[arg-type]  # bytes
        w.add(f"if (memcmp({w.value(n)}, {table}, {w.bytes(n)}) != 0) return 1; /* {in_comment(instruction.name)} */")
        return
    x = w.element(n, ["0"] * len(w.shape(n)))
    wanted = f"({x} != 0) != {int(guard.answer)}" if guard.function is bool else f"{x} != {literal(guard.answer)}"
    w.add(f"if ({wanted}) return 1; /* {in_comment(instruction.name)} */")


def _is_small(answer: Any) -> bool:
    """Return whether what a guard read is known: of a long array the hash is kept alone."""
    if isinstance(answer, ArraySnapshot):
        return isinstance(answer.elements, bytes) and answer.dtype.char in TYPES
    return isinstance(answer, bool | int | float | np.generic) and np.asarray(answer).dtype.char in TYPES


def part(w: Writer, instruction: Instruction) -> None:
    """Write a part of what an operation gives: nothing, as the operation wrote it itself."""
    first = w.parts[instruction.operands[0]][instruction.parameters["index"]]
    if first != instruction.out:
        w.share(instruction.out, first)


def _output(w: Writer, place: int, number: int) -> None:
    """Write a result to where the caller wants it."""
    if not w.shape(number):
        w.add(f"*y{place} = {w.value(number)};")
        return
    x = w.value(number)
    w.add(f"memcpy(y{place}, {x}, {w.bytes(number)});")


_STEPS: dict[str, Callable[[Writer, Instruction], None]] = {
    **OPERATIONS,
    **INDEXING,
    **WINDOWS,
    **LINALG,
    **DECOMPOSITIONS,
    **ORDERING,
    **FOURIER,
    "scan": lambda w, instruction: scan(w, instruction, _body),
    "part": part,
}


_OF_COMPLEX = frozenset(
    {"matmul", "matvec", "sum", "sum of rows", "mean", "prod", "cumsum", "cumprod", "einsum", "scan", "part", "norm"}
    | {"var", "std", "recurrence", "convolve", "slide", "all", "any", "count_nonzero"}
).union(INDEXING, FOURIER, LINALG, DECOMPOSITIONS)


# Headers, with what in the text needs them; none where every file has them.
_HEADERS = {"complex": " complex", "float": r"(DBL|FLT)_", "stdlib": r"\babs\("}
_HEADERS |= dict.fromkeys(("math", "stddef", "stdint", "string"), "")


def _headers_of(text: str) -> list[str]:
    return [header for header, sign in _HEADERS.items() if re.search(sign, text)]


_ABOUT = """/* Generated by tapenet. C99; link with the library of mathematics (-lm).

{notes}

   Arrays are in C order and must not overlap. `work` has {size} bytes, aligned as for any
   type, which need not be kept or cleared between calls. The function writes to nothing but results and `work`, so that
   threads may call it at once.
   It returns 0; 1 where it would go another way than when it was recorded: a branch, a converted number, a mask that
   holds more or less often; 2 where an index is out of bounds; 3 where a matrix is singular, not positive definite or
   not finite. Results are not complete then. */"""

_SOURCE = """{about}

{includes}
{define}
{tables}
int {name}({arguments}unsigned char *work) {{
  {unused}
{body}
  return 0;
}}
"""

_HEADER = """{about}

#ifndef {guard}
#define {guard}

#include <stdint.h>
{of_complex}
{define}

#ifdef __cplusplus
extern "C" {{
#endif

int {name}({arguments}unsigned char *work);

#ifdef __cplusplus
}}
#endif

#endif
"""

_COMPLEX_TYPES = """
#ifdef __cplusplus
#include <complex>
{for_cpp}#else
#include <complex.h>
{for_c}#endif
"""
