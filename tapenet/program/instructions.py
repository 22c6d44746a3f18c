"""`Program`: instructions over numbered values, immutable and printable.

Values are numbered: inputs, constants and what instructions compute. Each instruction names the numbers that it reads
and the one that it writes, once. A gradient is just more instructions: the walks of a function that is compiled are
recorded like everything else.
"""

from __future__ import annotations

import math
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.guards import Guard
from tapenet.core.primitive import Primitive
from tapenet.core.record import Parameters, Shape
from tapenet.core.source_lines import CodeLocation, line_of
from tapenet.program.listing import listing


@attrs.frozen(eq=False)
class Space:
    """What is known of a value before a program runs.

    Attributes:
        shape: of the array; None for what is not an array: a tuple, a generator of random numbers.
        dtype: of the array; None as for the shape.
        is_number: whether it is a Python number, which takes on the precision of arrays.
        is_array: whether it is an array, and not a scalar of NumPy's or Python's.
        parts: the shapes and dtypes of the arrays of a tuple.
    """

    shape: Shape | None
    dtype: np.dtype[Any] | None
    is_number: bool = False
    is_array: bool = True
    parts: tuple[tuple[Any, Any], ...] = ()

    @classmethod
    def of_constant(cls, x: Any) -> Space:
        """Return what is known of a constant."""
        if hasattr(x, "dtype") and hasattr(x, "shape"):
            return cls(x.shape, x.dtype, False, x.shape != () or not hasattr(x, "__float__"))
        return cls(None, None, False, False)

    @property
    def nbytes(self) -> int:
        """The bytes of the array; 0 for what is not one."""
        return 0 if self.shape is None or self.dtype is None else math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        if self.dtype is None:
            return "object"
        if self.is_number:
            return {"b": "bool", "i": "int", "f": "float", "c": "complex"}[self.dtype.kind]
        return f"{self.dtype}[{', '.join(map(str, self.shape or ()))}]"


NO_KEYWORDS: Mapping[str, int] = types.MappingProxyType({})


@attrs.frozen(eq=False)
class Instruction:
    """One operation, or one guard.

    Attributes:
        primitive: the operation; None for a guard.
        operands: the numbers of the values that it reads.
        parameters: of the operation, by keyword.
        out: the number of its value; -1 for a guard.
        guard: what is read and compared; None for an operation.
        keywords: a guard's keyword arguments that are values, by name.
        location: of the operation in the code that was recorded.
        errors: keywords of `numpy.errstate`, where the function sets it for the operation.
    """

    primitive: Primitive | None
    operands: tuple[int, ...]
    parameters: Parameters
    out: int
    guard: Guard | None = None
    keywords: Mapping[str, int] = NO_KEYWORDS
    location: CodeLocation | None = None
    errors: tuple[tuple[str, str], ...] = ()

    def __reduce__(self) -> Any:
        # Code does not travel: of the location its line does.
        location = None if self.location is None else line_of(self.location)
        parameters, keywords = dict(self.parameters), dict(self.keywords)
        rest = (self.out, self.guard, keywords, location, self.errors)
        return Instruction, (self.primitive, self.operands, parameters, *rest)

    @property
    def reads(self) -> tuple[int, ...]:
        """The numbers of all values that it reads."""
        return (*self.operands, *self.keywords.values()) if self.keywords else self.operands

    def reading(self, operands: tuple[int, ...], keywords: Mapping[str, int]) -> Instruction:
        """Return the same with other operands; itself where they are its own."""
        if operands == self.operands and keywords == self.keywords:
            return self
        rest = (self.out, self.guard, keywords, self.location, self.errors)
        return Instruction(self.primitive, operands, self.parameters, *rest)

    @property
    def name(self) -> str:
        """What it is called in listings."""
        if self.primitive is not None:
            return self.primitive.name
        assert self.guard is not None
        return f"guard {self.guard.name}"

    @property
    def line(self) -> str:
        """The line of the user's code that it comes from."""
        return "an unknown line" if self.location is None else line_of(self.location)


@attrs.frozen(eq=False, repr=False)
class Program:
    """Instructions from inputs to outputs.

    Attributes:
        instructions: in order.
        inputs: the numbers of the inputs.
        constants: by number.
        outputs: the numbers of the outputs.
        spaces: what is known of each value, by number.
    """

    instructions: tuple[Instruction, ...]
    inputs: tuple[int, ...]
    constants: Mapping[int, Any]
    outputs: tuple[int, ...]
    spaces: Mapping[int, Space]

    def __len__(self) -> int:
        return len(self.instructions)

    def __iter__(self) -> Iterator[Instruction]:
        return iter(self.instructions)

    def __repr__(self) -> str:
        return f"<Program of {len(self.instructions)} instructions>"

    def __str__(self) -> str:
        return listing(self)

    def shape_of(self, number: int) -> Shape:
        """Return the shape of a value; () also of what is not an array."""
        return self.spaces[number].shape or ()


def is_pure(instruction: Instruction) -> bool:
    """Return whether an operation depends on its operands alone and does nothing else: no guard, draw or user's own."""
    primitive = instruction.primitive
    return primitive is not None and not primitive.has_effects and not primitive.is_users


def must_run(instruction: Instruction, program: Program) -> bool:
    """Return whether an instruction stays in a program though nothing needs its value.

    A draw moves its generator on. Of an operation whose shape depends on values (places where a mask holds, distinct
    elements) the function may have used the shape alone, which is checked at each run.
    """
    primitive = instruction.primitive
    if primitive is None or primitive.has_effects:
        return True
    return primitive.may_vary_in_shape(
        [program.spaces[n].dtype for n in instruction.operands if n not in program.constants]
    )


def readers_of(reads: Iterable[Iterable[int]]) -> dict[int, list[int]]:
    """Return for each value the places of what reads it, from what is read at each place."""
    found: dict[int, list[int]] = {}
    for place, numbers in enumerate(reads):
        for number in dict.fromkeys(numbers):
            found.setdefault(number, []).append(place)
    return found


def last_uses(instructions: Sequence[Instruction], kept: Sequence[int]) -> list[tuple[int, ...]]:
    """Return for each instruction the numbers of values that no later one reads; those kept are never among them."""
    seen = set(kept)
    found: list[tuple[int, ...]] = []
    for instruction in reversed(instructions):
        uses = {n for n in (*instruction.reads, instruction.out) if n >= 0}
        found.append(tuple(uses - seen))
        seen |= uses
    return found[::-1]
