"""The text of an elementary function of arrays, for LLVM."""

from __future__ import annotations

from tapenet.kernels.loop_code import Function
from tapenet.kernels.vector_math import FUNCTIONS


def functions(char: str, lanes: int, name: str) -> list[Function]:
    """Return the function of a name: of arrays, the one for the result, and their size."""
    places = [f"x{i}" for i in range(FUNCTIONS[name][1])]
    f = Function(name, char, lanes, [*places, "out"], ["count"], [])
    with f.vectors("%count") as (at, mask):
        f.store(f.code.function(name, *(f.load(f"%{x}", at, mask) for x in places)), "%out", at, mask)
    return [f]
