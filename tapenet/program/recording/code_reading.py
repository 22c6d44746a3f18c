"""What the code of a function reads and writes around it, seen from its bytecode."""

from __future__ import annotations

import dis
import functools
import itertools
import types
from collections.abc import Iterator, Sequence

_NEAR = 12  # instructions from a test of a class to its name

EVERY = "*"  # in the place of names of attributes, where code computes them

_DYNAMIC = frozenset({"vars", "dir", "eval", "exec", "__dict__", "attrgetter"})
_BY_NAME = frozenset({"getattr", "hasattr"})
_NAMESPACES = frozenset({"globals", "eval", "exec"})
_TYPE_TESTS = frozenset({"isinstance", "issubclass", "type", "__class__"})
_CLASSES_OF_NUMBERS = frozenset({"int", "float", "complex", "Number", "Real", "Integral", "Complex", "Rational"})
_ATTRIBUTE_TESTS = _BY_NAME | {"callable"}
# Methods that statements call, by instructions, where they may write; those that only read are watched in any case.
_WRITING_METHODS = {
    "STORE_SUBSCR": ("__setitem__",),
    "DELETE_SUBSCR": ("__delitem__",),
    "BEFORE_WITH": ("__enter__", "__exit__"),
    "LOAD_SPECIAL": ("__enter__", "__exit__"),  # Python 3.14
}


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Return a function's code and that of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def _instructions(code: types.CodeType) -> Iterator[dis.Instruction]:
    return (instruction for part in codes(code) for instruction in _own_instructions(part))


@functools.lru_cache(maxsize=64)  # what follows asks one question after the other of the same code
def _own_instructions(code: types.CodeType) -> tuple[dis.Instruction, ...]:
    """Return the instructions of code, without those of the functions inside it."""
    return tuple(dis.get_instructions(code))


@functools.lru_cache(maxsize=4096)
def globals_of(code: types.CodeType) -> tuple[str, ...]:
    """Return the names of globals that code reads."""
    names = [str(x.argval) for x in _instructions(code) if x.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
    return tuple(dict.fromkeys(names))


@functools.lru_cache(maxsize=4096)
def imports_of(code: types.CodeType) -> tuple[str, ...]:
    """Return the names of modules that code imports."""
    return tuple(dict.fromkeys(str(x.argval) for x in _instructions(code) if x.opname == "IMPORT_NAME"))


@functools.lru_cache(maxsize=4096)
def attributes_of(code: types.CodeType) -> tuple[str, ...]:
    """Return the names of attributes that code reads, `EVERY` among them where it computes names."""
    names: list[str] = []
    for part in codes(code):
        names += _named(_own_instructions(part))
    for x in _instructions(code):
        if x.opname in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM"):
            names.append(str(x.argval))
        names += _WRITING_METHODS.get(x.opname, ())
    if not _DYNAMIC.isdisjoint((*names, *globals_of(code))):
        names.append(EVERY)
    return tuple(dict.fromkeys(names))


def _named(instructions: Sequence[dis.Instruction]) -> list[str]:
    """Return the names that `getattr` and `hasattr` are called with; `EVERY` where they are computed."""
    found = []
    for i, x in enumerate(instructions):
        if x.opname == "LOAD_GLOBAL" and x.argval in _BY_NAME:
            name, following = _name_after(instructions[i + 1 : i + 12])
            found.append(name if following.startswith(("CALL", "PRECALL", "LOAD_CONST")) else EVERY)
    return found


def _name_after(instructions: Sequence[dis.Instruction]) -> tuple[str, str]:
    """Return the first text among constants, and the name of the instruction after it."""
    for x, following in itertools.pairwise(instructions):
        if x.opname == "LOAD_CONST" and isinstance(x.argval, str):
            return x.argval, following.opname
    return EVERY, ""


def reads_namespace(code: types.CodeType) -> bool:
    """Return whether code reads globals by names that it computes."""
    return not _NAMESPACES.isdisjoint(globals_of(code))


@functools.lru_cache(maxsize=4096)
def tests_numbers(code: types.CodeType) -> bool:
    """Return whether code may go by whether a value is a number of Python's."""
    return any(_tests_numbers(_own_instructions(part)) for part in codes(code))


def _tests_numbers(instructions: Sequence[dis.Instruction]) -> bool:
    classes = [i for i, x in enumerate(instructions) if x.argval in _CLASSES_OF_NUMBERS or x.argval == "isscalar"]
    tests = [i for i, x in enumerate(instructions) if x.argval in _TYPE_TESTS or x.opname == "MATCH_CLASS"]
    return any(abs(i - k) <= _NEAR for i in classes for k in tests) or any(
        instructions[i].argval == "isscalar" for i in classes
    )


@functools.lru_cache(maxsize=4096)
def tests_classes(code: types.CodeType) -> bool:
    """Return whether code may go by the class of some value: it asks for it, or for attributes, or catches errors."""
    names = {str(x.argval) for x in _instructions(code) if x.opname.startswith("LOAD_")}
    opnames = [x.opname for x in _instructions(code)]
    matches = not {"MATCH_CLASS", "MATCH_MAPPING", "MATCH_SEQUENCE"}.isdisjoint(opnames)
    catches = opnames.count("PUSH_EXC_INFO") > opnames.count("WITH_EXCEPT_START")  # each with statement has one of both
    return matches or catches or not names.isdisjoint(_TYPE_TESTS | _ATTRIBUTE_TESTS)


@functools.lru_cache(maxsize=4096)
def literals_of(code: types.CodeType) -> frozenset[tuple[type, object]]:
    """Return the numbers that are written in code, each with its class."""
    constants = (x for part in codes(code) for x in part.co_consts)
    return frozenset((type(x), x) for x in constants if isinstance(x, int | float | complex))


@functools.lru_cache(maxsize=4096)
def writes_of(code: types.CodeType, free: frozenset[str]) -> tuple[str, ...]:
    """Return what code writes into around it: globals, variables of an enclosing function, attributes."""
    found = []
    for part in codes(code):
        own = set(part.co_cellvars)
        for x in _own_instructions(part):
            if x.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                found.append(f"assigns to the global {x.argval}")
            elif x.opname in ("STORE_DEREF", "DELETE_DEREF") and x.argval in free and x.argval not in own:
                found.append(f"assigns to {x.argval} of the function around it")
            elif x.opname in ("STORE_ATTR", "DELETE_ATTR"):
                found.append(f"assigns to the attribute {x.argval}")
    return tuple(dict.fromkeys(found))
