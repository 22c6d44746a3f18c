"""Stretches: products, transforms, regions and what moves rows between them, which follow each other, in one call.

A recurrence takes a hundred small products with a small region after each; a call of each from Python takes longer than
its arithmetic. One function of machine code does all of a stretch: the values inside it lie in one piece of memory,
each in a place that is used again once nothing in the stretch reads it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs

from tapenet.core.record import Shape
from tapenet.program.fusion import scatters, transforms
from tapenet.program.fusion.cells import AnyStep, Cells
from tapenet.program.fusion.panels import Panels
from tapenet.program.fusion.regions import Region, Step, inputs_of, read_by
from tapenet.program.fusion.scatters import Scatter
from tapenet.program.fusion.transforms import Transform
from tapenet.program.instructions import Instruction, Program, is_pure
from tapenet.program.selections import distance, dummy

# Multiplications of a product up to which one thread does it.
LARGEST_PRODUCT = 2**22

# Elements of an array up to which its rows, or its transpose, are copied.
LARGEST_MOVE = 2**16

# Steps that are worth a function of their own, of which one is a product.
FEWEST_STEPS = 3

# Steps of one call, which Ctrl-C waits for.
MOST_STEPS = 2048

# Bytes from which on a place in memory begins at a multiple of them.
ALIGNMENT = 64

PRODUCTS = frozenset({"matmul", "affine", "product of transposed"})
MOVES = frozenset({"rows", "stacked rows", "transpose", "reshape", "getitem"})
VIEWS = frozenset({"rows", "transpose", "reshape", "getitem"})
SUMS = frozenset({"sum", "sum of rows"})
CALLED: dict[str, Callable[[Program, Instruction], Transform | Scatter | None]] = {
    **dict.fromkeys(transforms.NAMES, transforms.transform_of),
    **dict.fromkeys(scatters.NAMES, scatters.scatter_of),
}


@attrs.frozen(eq=False)
class Stretch:
    """Steps that are done in one call.

    Attributes:
        steps: in order.
        instructions: of all steps, in order.
        inputs: the numbers of the values that they read from elsewhere.
        outputs: the numbers of the values that are needed elsewhere.
    """

    steps: tuple[Step, ...]
    instructions: tuple[Instruction, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def in_stretches(
    steps: Sequence[AnyStep | Panels], program: Program, fits: Callable[[Region], bool], makes_products: bool = True
) -> list[AnyStep | Panels | Stretch]:
    """Return the steps of a program, with those that can be done in one call in stretches.

    Views of the program's inputs come first: taken one by one, they would cut stretches apart.

    Args:
        fits: whether machine code computes a region, and in one thread.
        makes_products: whether our own code makes the products.
    """
    early = [step for step in steps if isinstance(step, Instruction) and _is_view_of_input(step, program)]
    groups: list[list[AnyStep | Panels]] = [[step] for step in early]
    done = {step.out for step in early}
    is_open = False

    def joins_others(step: AnyStep | Panels) -> bool:
        if not isinstance(step, Instruction):
            return isinstance(step, Region) and fits(step)
        return can_join(step, program) and (makes_products or step.name not in PRODUCTS)

    others = [step for step in steps if not isinstance(step, Instruction) or step.out not in done]
    for step, joins in _with_numbers_late([(step, joins_others(step)) for step in others], program):
        if joins and is_open and len(groups[-1]) < MOST_STEPS and not is_alone(step, program):
            groups[-1].append(step)
        else:
            groups.append([step])
        is_open = joins and not is_alone(step, program)
    last: dict[int, int] = dict.fromkeys(program.outputs, len(groups))
    for i, group in enumerate(groups):
        for step in group:
            for n in read_by(step):
                last[n] = max(i, last.get(n, 0))
    found: list[AnyStep | Panels | Stretch] = []
    for i, group in enumerate(groups):
        if _is_worth([x for x in group if isinstance(x, Instruction)], len(group), program):
            found.append(_stretch([x for x in group if not isinstance(x, Panels | Cells)], i, last))
        else:
            found += group
    return found


def _with_numbers_late(
    steps: Sequence[tuple[AnyStep | Panels, bool]], program: Program
) -> Iterator[tuple[AnyStep | Panels, bool]]:
    """Return steps and whether they join others, those that do not and compute a number where it is first needed.

    The value of a loss, say, which nothing but the caller reads, does not cut its gradient's stretch apart.
    """
    waiting: list[Instruction] = []
    for step, joins in steps:
        reads = read_by(step)
        is_number = isinstance(step, Instruction) and is_pure(step) and program.spaces[step.out].shape == ()
        is_needed = not {x.out for x in waiting}.isdisjoint(reads)
        if isinstance(step, Instruction) and is_number and not joins and not is_needed:
            waiting.append(step)
            continue
        if is_needed or not (joins or is_number):
            yield from ((x, False) for x in waiting)
            waiting = []
        yield step, joins
    yield from ((x, False) for x in waiting)


def is_alone(step: AnyStep | Panels, program: Program) -> bool:
    """Return whether a step that could be part of a stretch is one by itself."""
    if not isinstance(step, Instruction) or step.name not in CALLED:
        return False
    called = CALLED[step.name](program, step)
    return called is not None and called.is_alone


def _is_worth(instructions: Sequence[Instruction], steps: int, program: Program) -> bool:
    """Return whether steps are better done in one call."""
    if steps >= FEWEST_STEPS and any(x.name in PRODUCTS for x in instructions):
        return True
    called = (CALLED[x.name](program, x) for x in instructions if x.name in CALLED)
    return any(x is not None and x.is_costly for x in called)


def _is_view_of_input(instruction: Instruction, program: Program) -> bool:
    return instruction.name in VIEWS and instruction.out >= 0 and instruction.operands[0] in program.inputs


def _stretch(group: Sequence[Step], place: int, last: Mapping[int, int]) -> Stretch:
    instructions = tuple([x for step in group for x in (step.instructions if isinstance(step, Region) else (step,))])
    outputs = tuple([x.out for x in instructions if last.get(x.out, 0) > place])
    return Stretch(tuple(group), instructions, inputs_of(instructions), outputs)


def can_join(instruction: Instruction, program: Program) -> bool:
    """Return whether an operation that is not elementwise can be part of a stretch."""
    out = program.spaces.get(instruction.out)
    if instruction.name in CALLED:
        return CALLED[instruction.name](program, instruction) is not None
    if instruction.primitive is None or out is None or not out.is_array or out.dtype is None or not out.shape:
        return False
    own = [program.spaces[n] for n in instruction.operands]
    if out.dtype.char not in "fd" or not out.dtype.isnative or 0 in out.shape:
        return False
    if not all(x.is_array and x.dtype == out.dtype and x.shape and 0 not in x.shape for x in own):
        return False
    shapes = [x.shape or () for x in own]
    return _can_join(instruction, shapes, out.shape)


def _can_join(instruction: Instruction, shapes: Sequence[Shape], out: Shape) -> bool:
    name, parameters = instruction.name, instruction.parameters
    if name in PRODUCTS:
        is_plain = not parameters and all(len(shape) == 2 for shape in shapes[:2])
        return is_plain and math.prod(shapes[0]) * out[-1] <= LARGEST_PRODUCT
    if name in SUMS:
        return (
            len(shapes[0]) == 2 and parameters.get("axis", 0) in (0, (0,)) and set(parameters) <= {"axis", "keepdims"}
        )
    if name == "transpose" and (len(out) != 2 or tuple(parameters["axes"]) != (1, 0)):
        return False
    if name == "getitem":
        return len(out) < 3 and math.prod(out) <= LARGEST_MOVE
    # A large one is a view, which costs nothing where it is left to NumPy.
    return name in ("stacked rows", "reshape") or (name in MOVES and math.prod(out) <= LARGEST_MOVE)


def view_of(instruction: Instruction, shape: Shape) -> tuple[int, tuple[int, ...]]:
    """Return where rows or an item of an array in C order begin, and the distances along each axis, in elements."""
    whole = dummy(shape)
    if instruction.name == "rows":
        part = whole[instruction.parameters["start"] : instruction.parameters["stop"]]
    else:
        part = instruction.primitive.forward(whole, **instruction.parameters)  # type: ignore[union-attr]  # an operation
    return distance(whole, part), part.strides


# ---- places in memory ----


@attrs.define(eq=False)
class Arena:
    """Places in one piece of memory, which are used again.

    Attributes:
        size: in bytes.
    """

    size: int = 0
    _free: dict[int, list[int]] = attrs.field(factory=dict)

    def take(self, size: int) -> int:
        """Return where a place of so many bytes begins."""
        size = _rounded(size)
        free = self._free.get(size)
        if free:
            return free.pop()
        self.size += size
        return self.size - size

    def give(self, place: int, size: int) -> None:
        """Let a place be used again."""
        self._free.setdefault(_rounded(size), []).append(place)


def _rounded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
