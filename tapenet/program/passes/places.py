"""Places: several arrays of indices that are known to lie in bounds become one, of places in C order.

Fields that are read at the same indices share it, and so does what their gradients add there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.primitive import REGISTRY
from tapenet.core.record import Shape
from tapenet.ops.arrays.indices import ARRAY
from tapenet.program.instructions import Instruction, Program, Space
from tapenet.program.passes.rewriting import Rewriter
from tapenet.program.ranges import lie_within, size_fits

# How many times as many elements as are read an array has at most: along one axis it may be a copy.
_LARGER = 4


def with_places(program: Program) -> Program:
    """Return a program in which elements are read, and added, at places rather than at indices along several axes."""
    writer = _Writer(program, Rewriter.of(program))
    made = [x for instruction in program.instructions for x in writer.rewritten(instruction)]
    if len(made) == len(program.instructions):
        return program
    return writer.rewriter.after(made)


@attrs.define(eq=False)
class _Writer:
    """Writes the instructions of the new program.

    Attributes:
        program: as it was.
        rewriter: of it.
        known: places by the numbers of indices and the shape that they are of; constants by what they are.
        flat: by the number of an array, that of its elements along one axis.
    """

    program: Program
    rewriter: Rewriter
    known: dict[Any, int] = attrs.field(factory=dict)
    flat: dict[int, int] = attrs.field(factory=dict)

    @property
    def spaces(self) -> dict[int, Space]:
        """What is known of each value."""
        return self.rewriter.spaces

    def rewritten(self, instruction: Instruction) -> list[Instruction]:
        """Return the instructions that stand for one."""
        name, given = instruction.name, instruction.parameters
        if name == "gather":
            source, *arrays = instruction.operands
            shape = self.spaces[source].shape or ()
            is_small = math.prod(shape) <= _LARGER * math.prod(self.spaces[instruction.out].shape or ())
            if is_small and self.is_known(given["index"], arrays, shape) and self.spaces[source].is_array:
                return self.gathered(instruction, source, arrays, shape)
        elif name in ("scatter", "assemble"):
            count = len(instruction.operands) - 1
            indices = given["indices"] if name == "assemble" else ((given["index"], count),)
            pieces = list(_pieces(instruction.operands, indices))
            if all(self.is_known(index, arrays, given["shape"]) for _, arrays, index in pieces):
                return self.scattered(instruction, pieces, given["shape"])
        return [instruction]

    def is_known(self, index: Sequence[Any], arrays: Sequence[int], shape: Shape) -> bool:
        """Return whether an index is one of several arrays, not all of them constants, that lie in bounds."""
        is_plain = len(index) == len(shape) > 1 and all(part is ARRAY for part in index)
        if not is_plain or all(n in self.program.constants for n in arrays):
            return False
        dtypes = {self.spaces[n].dtype for n in arrays}
        if dtypes not in ({np.dtype(np.int32)}, {np.dtype(np.int64)}) or not all(self.spaces[n].shape for n in arrays):
            return False
        (dtype,) = dtypes
        return dtype is not None and size_fits(dtype, shape) and lie_within(self.program, arrays, shape)

    def gathered(self, instruction: Instruction, source: int, arrays: Sequence[int], shape: Shape) -> list[Instruction]:
        made, places = self.places(instruction, arrays, shape)
        if source not in self.flat:
            flat = attrs.evolve(self.spaces[source], shape=(math.prod(shape),))
            made.append(self.new(instruction, "reshape", (source,), flat, shape=flat.shape))
            self.flat[source] = made[-1].out
        operands = (self.flat[source], places)
        return [*made, attrs.evolve(instruction, operands=operands, parameters={"index": (ARRAY,)})]

    def scattered(self, instruction: Instruction, pieces: Sequence[Any], shape: Shape) -> list[Instruction]:
        made, operands = [], []
        for values, arrays, _ in pieces:
            steps, places = self.places(instruction, arrays, shape)
            made += steps
            operands += [values, places]
        given: dict[str, Any] = {"shape": (math.prod(shape),)}
        if instruction.name == "scatter":
            given["index"] = (ARRAY,)
        else:
            given["indices"] = (((ARRAY,), 1),) * len(pieces)
        space = attrs.evolve(self.spaces[instruction.out], shape=given["shape"])
        assert instruction.primitive is not None
        flat = self.rewriter.new(instruction, instruction.primitive, tuple(operands), space, given)
        back = attrs.evolve(
            instruction, primitive=REGISTRY["reshape"], operands=(flat.out,), parameters={"shape": shape}
        )
        return [*made, flat, back]

    def places(self, origin: Instruction, arrays: Sequence[int], shape: Shape) -> tuple[list[Instruction], int]:
        """Return the instructions that compute places, unless they are known, and their number: Horner's rule."""
        made: list[Instruction] = []
        total = arrays[0]
        for i in range(1, len(shape)):
            key = (*arrays[: i + 1], *shape[1 : i + 1])
            if key not in self.known:
                scaled = self.new(origin, "multiply", (total, self.constant(shape[i])), self.spaces[total])
                joint = np.broadcast_shapes(*(self.spaces[n].shape or () for n in (total, arrays[i])))
                space = attrs.evolve(self.spaces[total], shape=joint)
                made += [scaled, self.new(origin, "add", (scaled.out, arrays[i]), space)]
                self.known[key] = made[-1].out
            total = self.known[key]
        return made, total

    def new(
        self, origin: Instruction, name: str, operands: tuple[int, ...], space: Space, **parameters: Any
    ) -> Instruction:
        """Return an operation of the registry with a value of its own."""
        return self.rewriter.new(origin, REGISTRY[name], operands, space, parameters)

    def constant(self, x: int) -> int:
        """Return the number of a Python number."""
        if x not in self.known:
            self.known[x] = self.rewriter.constant(x)
        return self.known[x]


def _pieces(
    operands: Sequence[int], indices: Sequence[tuple[Sequence[Any], int]]
) -> Iterator[tuple[int, list[int], Sequence[Any]]]:
    """Return of each piece its values, the arrays of its index, and the structure of that."""
    remaining = iter(operands)
    for index, count in indices:
        yield next(remaining), [next(remaining) for _ in range(count)], index
