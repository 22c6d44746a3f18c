"""Operations written out: one that has no text in C becomes the operations that its function is made of.

The function is recorded as a compiled one is, on arrays of the same shapes. What it does must not depend on their
values: where it branches on them, the operation stays as it is, and `to_c` refuses it by name.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
import numpy as np

from tapenet.core.pytrees import tree_flatten_with_none
from tapenet.program.backends.c.loops import parts_of, renumbered
from tapenet.program.backends.c_code import CanWrite
from tapenet.program.instructions import Instruction, Program, Space
from tapenet.program.passes import tidied
from tapenet.program.passes.dead_code import without_dead_code
from tapenet.program.passes.rewriting import new_numbers, with_values_replaced
from tapenet.program.recording.environment import Environment
from tapenet.program.recording.generators import SharedStreams
from tapenet.program.recording.tracing import Recorded, record

# Guards of how many steps a loop takes: a stand-in would take as many by chance alone.
_COUNTED = frozenset({"while_loop"})

# Functions of functions: deeper ones are taken for those that call themselves.
_DEEPEST = 8


def expanded(program: Program, can_write: CanWrite) -> Program:
    """Return a program in which operations that cannot be written are written out, where that is possible.

    Args:
        can_write: whether C has an operation, or a guard.
    """
    above: dict[int, tuple[str, ...]] = {}
    numbers = new_numbers(program)
    for _ in range(_DEEPEST):
        wanted = [i for i, x in enumerate(program.instructions) if _may_change(x) and not can_write(program, x)]
        found = ((i, _written_out(program, program.instructions[i], above)) for i in wanted)
        made = {i: own for i, own in found if own is not None}
        if not made:
            break
        program = _with_expansions(program, made, numbers, above)
    return program


def _may_change(instruction: Instruction) -> bool:
    primitive, guard = instruction.primitive, instruction.guard
    if guard is not None:
        return guard.name not in _COUNTED
    return primitive is not None and not (primitive.has_effects or primitive.name == "scan")


def _written_out(program: Program, instruction: Instruction, above: Mapping[int, tuple[str, ...]]) -> Program | None:
    """Return the program of the operands of an operation or a guard; None where it is not made of others."""
    if instruction.name in above.get(instruction.out, ()) or instruction.keywords:
        return None
    guard, primitive = instruction.guard, instruction.primitive
    if guard is not None:
        attempts = (_attempt(program, instruction, guard.function, start) for start in _STARTS)
        return next((made.program for made in attempts if made is not None and _answers(made, guard.answer)), None)
    assert primitive is not None
    made = _attempt(program, instruction, primitive.written_out or primitive.forward, _STARTS[0])
    if made is None or len(made.places) != len(made.leaves):
        return None
    if any(x.primitive is None or x.name == instruction.name for x in made.program.instructions):
        return None
    return made.program if _fits(program, instruction, made.program) else None


def _attempt(
    program: Program, instruction: Instruction, function: Callable[..., Any], start: Callable[[int], Any]
) -> Recorded | None:
    """Return what a function of an instruction's operands does, recorded on arrays that begin with some numbers."""
    varying = [i for i, n in enumerate(instruction.operands) if n not in program.constants]
    operands = [program.constants.get(n) for n in instruction.operands]

    def called(*own: Any) -> Any:
        for i, x in zip(varying, own, strict=True):
            operands[i] = x
        return function(*operands, **instruction.parameters)

    given = [_stand_in(program.spaces[instruction.operands[i]], start) for i in varying]
    if any(x is None for x in given):
        return None
    made = _recorded(called, given)
    if made is None or len(made.inputs) != len(given):
        return None
    return attrs.evolve(made, program=tidied(made.program))


def _answers(made: Recorded, answer: Any) -> bool:
    """Return whether a guard that was recorded gives the answer, wherever the guards in it hold."""
    if made.places or len(made.leaves) != 1:
        return False
    # Of a branch there are two answers. A number that is read is that of the stand-in, which tells nothing.
    if not all(x.guard is not None and x.guard.function is bool for x in made.program if x.primitive is None):
        return False
    own = made.leaves[0]
    return isinstance(own, bool | int | float | np.generic) and bool(own == answer)


# What stands for values where a guard is recorded: it is to go the way that it went.
_STARTS: tuple[Callable[[int], Any], ...] = (
    lambda n: 1 / (2.0 + np.arange(n)),
    lambda n: 1.0 + np.arange(n),
    np.zeros,
    lambda n: np.where(np.arange(n) % 2, 3.0, -2.0),
    lambda n: np.full(n, np.nan),
    lambda n: np.full(n, np.inf),
)


def _recorded(function: Callable[..., Any], given: list[Any]) -> Recorded | None:
    leaves, spec = tree_flatten_with_none((tuple(given), {}, ()))
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return record(function, Environment(), leaves, spec, SharedStreams.now(), frozenset(range(len(leaves))))
    except Exception:  # whatever kernels and users' functions raise of Tensors: they are not made of operations
        return None


def _stand_in(space: Space, start: Callable[[int], Any]) -> Any:
    """Return an array of a shape and dtype, regular where it is a matrix; None of what is not an array."""
    if space.shape is None or space.dtype is None:
        return None
    shape, kind = space.shape, space.dtype.kind
    if kind in "biu":  # indices within bounds
        x = np.full(shape, kind == "b", space.dtype)
    else:
        x = np.reshape(start(math.prod(shape)), shape)
        if len(shape) > 1 and shape[-1] == shape[-2]:
            x = x + 4.0 * np.eye(shape[-1])
        x = x.astype(space.dtype)
    if space.is_number:
        return x.item()
    return x if space.is_array else x[()]


def _fits(program: Program, instruction: Instruction, made: Program) -> bool:
    """Return whether what was written out gives what the operation does: at least the parts that are read."""
    found = [(made.spaces[n].shape, made.spaces[n].dtype) for n in made.outputs]
    space = program.spaces[instruction.out]
    if space.shape is not None:
        return found == [(space.shape, space.dtype)]
    return found == list(space.parts)[: len(found)] if space.parts else bool(found)


def _with_expansions(
    program: Program, made: dict[int, Program], numbers: Iterator[int], above: dict[int, tuple[str, ...]]
) -> Program:
    """Return a program with others in the place of some operations."""
    instructions: list[Instruction] = []
    replaced: dict[int, int] = {}
    constants, spaces = dict(program.constants), dict(program.spaces)
    parts = parts_of(program)
    outputs: dict[int, tuple[int, ...]] = {}
    for i, instruction in enumerate(program.instructions):
        source = instruction.operands[0] if instruction.name == "part" else -1
        if source in outputs and instruction.parameters["index"] < len(outputs[source]):
            replaced[instruction.out] = outputs[source][instruction.parameters["index"]]
            continue
        if i not in made:
            instructions.append(instruction)
            continue
        own = renumbered(made[i], numbers)
        varying = [n for n in instruction.operands if n not in program.constants]
        replaced |= dict(zip(own.inputs, varying, strict=True))
        names = (*above.get(instruction.out, ()), instruction.name)
        above |= {x.out: names for x in own.instructions}
        instructions += [attrs.evolve(x, location=instruction.location) for x in own.instructions]
        constants |= own.constants
        spaces |= own.spaces
        if instruction.guard is not None:
            continue
        outputs[instruction.out] = own.outputs
        if instruction.out not in parts:
            replaced[instruction.out] = own.outputs[0]
    program = attrs.evolve(program, constants=constants, spaces=spaces)
    return without_dead_code(with_values_replaced(program, instructions, replaced))
