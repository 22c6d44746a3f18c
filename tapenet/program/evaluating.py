"""The evaluator of programs: one instruction after the other, as the reference for every back end."""

from __future__ import annotations

import builtins
import functools
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tapenet.core.guards import Guard, bitwise_equal
from tapenet.core.nondifferentiable import NondifferentiableFunction
from tapenet.core.primitive import Primitive, as_numpy_number
from tapenet.core.tensor import PYTHONS, unwrap
from tapenet.errors import TapenetError
from tapenet.program.instructions import Instruction, Program, last_uses
from tapenet.walks.replay import guard_failed, read_again


class GuardFailedError(TapenetError):
    """A guard of a program failed: the function goes another way for these inputs."""


def evaluator(program: Program) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Return the function from inputs to outputs."""
    freed = last_uses(program.instructions, program.outputs)
    steps = list(zip(program.instructions, freed, strict=True))
    constants = dict(program.constants)

    def run(inputs: Sequence[Any]) -> tuple[Any, ...]:
        values = {**constants, **dict(zip(program.inputs, inputs, strict=True))}
        for instruction, numbers in steps:
            if instruction.guard is not None:
                check_guard(instruction, values)
            else:
                values[instruction.out] = computed(program, instruction, values)
            for number in numbers:
                del values[number]
        return tuple([values[number] for number in program.outputs])

    return run


def computed(program: Program, instruction: Instruction, values: Mapping[int, Any]) -> Any:
    """Evaluate an instruction that is an operation."""
    primitive = instruction.primitive
    assert primitive is not None
    operands = [values[n] for n in instruction.operands]
    if not primitive.takes_numbers:
        operands = [
            as_numpy_number(x) if type(x) in PYTHONS and program.spaces[n].is_number else x
            for n, x in zip(instruction.operands, operands, strict=True)
        ]
    out = computed_at(instruction, primitive, operands)
    space = program.spaces[instruction.out]
    if space.shape is not None and (np.shape(out) != space.shape or getattr(out, "dtype", space.dtype) != space.dtype):
        raise shape_changed(instruction)
    if space.parts and tuple([(x.shape, x.dtype) for x in out]) != space.parts:
        raise shape_changed(instruction)
    return out


def computed_at(instruction: Instruction, primitive: Primitive, operands: Sequence[Any]) -> Any:
    """Evaluate an operation; an error names the line that it was recorded in."""
    try:
        with np.errstate(**dict(instruction.errors)):  # type: ignore[arg-type]  # NumPy names literals
            return _calling_at(instruction.line)(primitive.forward, operands, instruction.parameters)
    except Exception as error:
        error.add_note(f"In a compiled function, at {instruction.line}: {instruction.name}.")
        raise


@functools.lru_cache(maxsize=1024)
def _calling_at(line: str) -> Callable[[Callable[..., Any], Sequence[Any], Any], Any]:
    """Return a function that calls one in a line of the user's code, where Python reports warnings then."""
    file, _, number = line.rpartition(":")
    if not number.isdecimal():
        return _calling
    code = _calling.__code__.replace(co_filename=file, co_firstlineno=int(number) - 1)
    return types.FunctionType(code, {"__builtins__": builtins})


def _calling(function: Callable[..., Any], operands: Sequence[Any], parameters: Any) -> Any:
    return function(*operands, **parameters)


def check_guard(instruction: Instruction, values: Mapping[int, Any]) -> None:
    """Read again what a guard read, and raise where it differs."""
    guard = instruction.guard
    assert guard is not None
    arguments = [values[n] for n in instruction.operands]
    keywords = {name: values[n] for name, n in instruction.keywords.items()}
    check_read(guard, arguments, keywords)


def check_read(guard: Any, arguments: Sequence[Any], keywords: dict[str, Any]) -> None:
    """Evaluate what a guard reads of these arguments, and raise where it gives another answer."""
    function = guard.function
    if isinstance(function, NondifferentiableFunction):
        function = function.forward
        if not isinstance(function, np.ufunc):
            arguments = [as_numpy_number(x) for x in arguments]
    if not bitwise_equal(guard.answer, function(*arguments, **keywords)):
        raise GuardFailedError(f"{guard.name} gave another answer")


def shape_changed(instruction: Instruction) -> GuardFailedError:
    """Return the error for a value of another shape or dtype than when it was recorded."""
    return GuardFailedError(f"{instruction.name} gave another shape or dtype")


def applied(program: Program, inputs: Sequence[Any]) -> list[Any]:
    """Apply a program to values that may be Tensors: its operations are recorded where these are on tapes."""
    values = {**program.constants, **dict(zip(program.inputs, inputs, strict=True))}
    for instruction, numbers in zip(program, last_uses(program.instructions, program.outputs), strict=True):
        operands = [values[n] for n in instruction.operands]
        if instruction.guard is not None:
            _read_on_tapes(instruction.guard, operands, {name: values[n] for name, n in instruction.keywords.items()})
        else:
            assert instruction.primitive is not None
            values[instruction.out] = instruction.primitive(*operands, **instruction.parameters)
        for number in numbers:
            del values[number]
    return [values[number] for number in program.outputs]


def _read_on_tapes(guard: Guard, arguments: Sequence[Any], keywords: dict[str, Any]) -> None:
    """Read again what a guard read, as a guard of the tapes that these arguments are on."""
    answer = read_again(guard, arguments, keywords)
    if not bitwise_equal(guard.answer, unwrap(answer)):
        raise guard_failed(guard, answer)
