"""Operations written out: one that has no text in C becomes the operations that its function is made of.

The function is recorded as a compiled one is, on arrays of the same shapes. What it does must not depend on their
values: where it branches on them, the operation stays as it is, and `to_c` refuses it by name.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
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
from tapenet.program.recording.tracing import Recorded, record

# Functions of functions: deeper ones are taken for those that call themselves.
_DEEPEST = 8


def expanded(program: Program, can_write: CanWrite) -> Program:
    """Return a program in which operations that cannot be written are written out, where that is possible.

    Args:
        can_write: whether C has an operation.
    """
    above: dict[int, tuple[str, ...]] = {}
    numbers = new_numbers(program)
    for _ in range(_DEEPEST):
        wanted = [
            x
            for x in program.instructions
            if x.primitive is not None
            and not x.primitive.has_effects
            and x.name != "scan"
            and not can_write(program, x)
        ]
        found = ((x.out, _written_out(program, x, above.get(x.out, ()))) for x in wanted)
        made = {n: own for n, own in found if own is not None}
        if not made:
            break
        program = _with_expansions(program, made, numbers, above)
    return program


def _written_out(program: Program, instruction: Instruction, above: tuple[str, ...]) -> Program | None:
    """Return the program of one operation's operands; None where it is not made of others."""
    primitive = instruction.primitive
    assert primitive is not None
    if instruction.name in above:
        return None
    function = primitive.written_out or primitive.forward
    varying = [i for i, n in enumerate(instruction.operands) if n not in program.constants]
    operands = [program.constants.get(n) for n in instruction.operands]

    def called(*own: Any) -> Any:
        for i, x in zip(varying, own, strict=True):
            operands[i] = x
        return function(*operands, **instruction.parameters)

    given = [_stand_in(program.spaces[instruction.operands[i]]) for i in varying]
    if any(x is None for x in given):
        return None
    recorded = _recorded(called, given)
    if recorded is None or len(recorded.inputs) != len(given) or len(recorded.places) != len(recorded.leaves):
        return None
    made = tidied(recorded.program)
    if any(x.primitive is None or x.name == instruction.name for x in made.instructions):
        return None
    return made if _fits(program, instruction, made) else None


def _recorded(function: Callable[..., Any], given: list[Any]) -> Recorded | None:
    leaves, spec = tree_flatten_with_none((tuple(given), {}, ()))
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return record(function, Environment(), leaves, spec, frozenset(range(len(leaves))))
    except Exception:  # whatever kernels and users' functions raise of Tensors: they are not made of operations
        return None


def _stand_in(space: Space) -> Any:
    """Return an array of a shape and dtype, regular where it is a matrix; None of what is not an array."""
    if space.shape is None or space.dtype is None:
        return None
    shape, kind = space.shape, space.dtype.kind
    if kind in "biu":
        x = np.full(shape, kind == "b", space.dtype)
    else:
        x = np.reshape(1 / (2.0 + np.arange(np.prod(shape, dtype=int))), shape)
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
    for instruction in program.instructions:
        source = instruction.operands[0] if instruction.name == "part" else -1
        if source in outputs and instruction.parameters["index"] < len(outputs[source]):
            replaced[instruction.out] = outputs[source][instruction.parameters["index"]]
            continue
        if instruction.out not in made:
            instructions.append(instruction)
            continue
        own = renumbered(made[instruction.out], numbers)
        varying = [n for n in instruction.operands if n not in program.constants]
        replaced |= dict(zip(own.inputs, varying, strict=True))
        names = (*above.get(instruction.out, ()), instruction.name)
        above |= {x.out: names for x in own.instructions}
        instructions += [attrs.evolve(x, location=instruction.location) for x in own.instructions]
        constants |= own.constants
        spaces |= own.spaces
        outputs[instruction.out] = own.outputs
        if instruction.out not in parts:
            replaced[instruction.out] = own.outputs[0]
    program = attrs.evolve(program, constants=constants, spaces=spaces)
    return without_dead_code(with_values_replaced(program, instructions, replaced))
