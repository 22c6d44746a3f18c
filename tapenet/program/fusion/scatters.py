"""Sums of pieces at places in zeros, the transpose of reading by an index: which ones machine code makes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import attrs

from tapenet.core.record import Shape
from tapenet.program.instructions import Instruction, Program, Space
from tapenet.program.ranges import lie_within
from tapenet.program.selections import broadcast_steps, distance, dummy, index_of, selection_of

NAMES = frozenset({"assemble", "scatter", "place"})

# Bytes of an array up to which one thread writes it.
LARGEST = 2**26


@attrs.frozen
class Piece:
    """Values that are added at places.

    Attributes:
        lengths: of the axes that the values are broadcast to.
        steps: of the values along them.
        start: the first place.
        strides: of the places along the axes; 0 for those that arrays name.
        indices: of each array the length of the axis that it is an index of, the distance between two of its places,
            its own steps, and its bits.
        is_inside: whether the indices are known to lie in bounds, and not to be negative.
    """

    lengths: Shape
    steps: tuple[int, ...]
    start: int
    strides: tuple[int, ...]
    indices: tuple[tuple[int, int, tuple[int, ...], int], ...] = ()
    is_inside: bool = False


@attrs.frozen
class Scatter:
    """A sum of pieces.

    Attributes:
        char: of the elements.
        size: how many elements the result has.
        pieces: in order.
        is_sum: whether elements are added up; else each is written once.
    """

    char: str
    size: int
    pieces: tuple[Piece, ...]
    is_sum: bool

    @property
    def name(self) -> str:
        """The name of its function."""
        return f"scatter_{hashlib.sha256(repr(self).encode()).hexdigest()[:24]}"

    @property
    def is_costly(self) -> bool:
        """Whether it is worth a call of its own: NumPy takes several for places that arrays name."""
        return any(piece.indices for piece in self.pieces)

    @property
    def is_alone(self) -> bool:
        """Whether it is a call of its own, which threads share."""
        return False

    @property
    def work(self) -> int:
        """How many elements it writes."""
        return self.size + sum(math.prod(piece.lengths) for piece in self.pieces)

    @property
    def arguments(self) -> int:
        """How many addresses its function takes: of the result, and of what it reads."""
        return 1 + sum(1 + len(piece.indices) for piece in self.pieces)


def scatter_of(program: Program, instruction: Instruction) -> Scatter | None:
    """Return the sum that an operation is; None for one that NumPy is left to do."""
    out = program.spaces[instruction.out]
    if instruction.name not in NAMES or out.shape is None or 0 in out.shape or out.dtype is None or not out.is_array:
        return None
    is_known = out.dtype.isnative and out.dtype.char in "fdFD" and out.shape != ()
    if not is_known or math.prod(out.shape) * out.dtype.itemsize > LARGEST:
        return None
    given = instruction.parameters
    count = len(instruction.operands) - 1
    remaining, pieces = iter(instruction.operands), []
    for index, arrays in given["indices"] if "indices" in given else ((given["index"], count),):
        values, *places = (next(remaining) for _ in range(1 + arrays))
        piece = _piece_of(index, program.spaces[values], [program.spaces[n] for n in places], out)
        if piece is None:
            return None
        is_inside = lie_within(program, places, [length for length, *_ in piece.indices])
        pieces.append(attrs.evolve(piece, is_inside=is_inside))
    return Scatter(out.dtype.char, math.prod(out.shape), tuple(pieces), instruction.name != "place")


def _piece_of(index: Sequence[Any], values: Space, places: Sequence[Space], out: Space) -> Piece | None:
    shape = out.shape or ()
    if not values.is_array or values.dtype != out.dtype or not values.shape:
        return None
    if not places:
        whole = dummy(shape)
        part = whole[index_of(index)]
        return Piece(part.shape, broadcast_steps(values.shape, part.shape), distance(whole, part), part.strides)
    if not all(x.dtype is not None and x.dtype.char in "ilq" and x.dtype.isnative and x.shape for x in places):
        return None
    selection = selection_of(index, [x.shape or () for x in places], shape)
    if selection is None:
        return None
    indices = tuple(
        [
            (length, step, selection.steps_of(x.shape or ()), 8 * x.dtype.itemsize)
            for x, (length, step) in zip(places, selection.arrays, strict=True)
            if x.dtype is not None
        ]
    )
    steps = broadcast_steps(values.shape, selection.shape)
    return Piece(selection.shape, steps, selection.start, selection.steps, indices)
