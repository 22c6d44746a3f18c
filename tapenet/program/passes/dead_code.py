"""Dead code: operations whose values nothing needs."""

from __future__ import annotations

import attrs

from tapenet.program.instructions import Program, must_run


def without_dead_code(program: Program) -> Program:
    """Return a program without operations and constants that neither outputs nor guards need."""
    needed = set(program.outputs)
    kept = []
    for instruction in reversed(program.instructions):
        if instruction.out in needed or instruction.primitive is None or must_run(instruction, program):
            kept.append(instruction)
            needed.update(instruction.reads)
    constants = {number: x for number, x in program.constants.items() if number in needed}
    return attrs.evolve(program, instructions=tuple(reversed(kept)), constants=constants)
