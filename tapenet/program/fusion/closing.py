"""Closing: a large product or convolution takes the elementwise operations that follow it into its own step.

The bias and the activation of a layer, and in its gradient the derivative of the activation times a cotangent, are done
on one block of the product after the other, while it is in the cache, by the thread that made it. So is the sum over
rows that the gradient of a bias is: the blocks are columns then, of which each holds all rows. The blocks of a
convolution are rows of images.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from tapenet.core.primitive import REGISTRY
from tapenet.ops.linalg.products import matrix_product
from tapenet.program.fusion import vector_products
from tapenet.program.fusion.cells import Cells
from tapenet.program.fusion.panels import Panels
from tapenet.program.fusion.regions import Region, inputs_of, made_by, read_by
from tapenet.program.fusion.stretches import LARGEST_PRODUCT, Stretch
from tapenet.program.instructions import Instruction, Program, readers_of
from tapenet.program.passes.rewriting import Rewriter

# Bytes of a block of a product: it stays in the second cache until its region is done.
BLOCK_BYTES = 2**18

# Rows for each column up to which the columns of a product are cut for the sake of a sum over rows.
MOST_ROWS = 8

AnyStep = Instruction | Region | Cells | Stretch | Panels


@attrs.frozen(eq=False)
class Closed:
    """A product, the region that follows it, and sums over the rows of what the region computes.

    Attributes:
        product: of two matrices, or a convolution or its transpose.
        region: reads the product element by element.
        sums: of results of the region.
        instructions: of all, in order.
        inputs: the numbers of the values that they read from elsewhere.
        outputs: the numbers of the values that are needed elsewhere.
    """

    product: Instruction
    region: Region
    sums: tuple[Instruction, ...]
    instructions: tuple[Instruction, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def opened(program: Program, can_join: Callable[[Instruction], bool]) -> Program:
    """Return a program in which the biases of large products and convolutions are added by operations of their own.

    Those of convolutions are where elementwise operations follow, which add them in the same pass.

    Args:
        program: to change.
        can_join: whether an operation can be part of a region.
    """
    rewriter = Rewriter.of(program)
    made: list[Instruction] = []
    readers = readers_of(x.reads for x in program.instructions)
    for instruction in program.instructions:
        of = [program.instructions[i] for i in readers.get(instruction.out, [])]
        is_product = instruction.name == "affine" and (is_large(instruction, program) or _is_thin(instruction, program))
        is_convolution = instruction.name == "conv_bias" and is_large_convolution(instruction, program)
        if not is_product and not (is_convolution and of and all(map(can_join, of))):
            made.append(instruction)
            continue
        x, kernel, bias = instruction.operands
        primitive = matrix_product if is_product else REGISTRY["conv"]
        space = program.spaces[instruction.out]
        plain = rewriter.new(instruction, primitive, (x, kernel), space, instruction.parameters)
        added = attrs.evolve(instruction, primitive=REGISTRY["add"], operands=(plain.out, bias), parameters={})
        made += [plain, added]
    return program if len(made) == len(program.instructions) else rewriter.after(made)


def _is_thin(instruction: Instruction, program: Program) -> bool:
    """Return whether an operation is a product with a matrix of one column, which panels may read with others."""
    x, kernel, _ = (program.shape_of(n) for n in instruction.operands)
    return len(x) == len(kernel) == 2 and kernel[1] == 1 and math.prod(x) >= vector_products.SMALLEST_IN_STRETCH


def is_large_convolution(instruction: Instruction, program: Program) -> bool:
    """Return whether an operation is a convolution, or its transpose, of one dtype with a large result."""
    if instruction.name not in ("conv", "conv_bias", "conv_input"):
        return False
    own = [program.spaces[n] for n in (*instruction.operands, instruction.out)]
    if any(not x.is_array or x.shape is None or x.dtype is None for x in own) or len({x.dtype for x in own}) != 1:
        return False
    dtype, shape = own[-1].dtype, own[-1].shape or ()
    return dtype is not None and dtype.char in "fd" and math.prod(shape) * dtype.itemsize > BLOCK_BYTES


def is_large(instruction: Instruction, program: Program) -> bool:
    """Return whether an operation is a product of two matrices of one dtype, too large for a stretch."""
    if instruction.name not in ("matmul", "affine") or instruction.parameters:
        return False
    own = [program.spaces[n] for n in (*instruction.operands, instruction.out)]
    if any(not x.is_array or x.shape is None or x.dtype is None for x in own):
        return False
    shapes = [x.shape or () for x in own]
    if any(len(shape) != 2 for shape in (*shapes[:2], shapes[-1])) or len({x.dtype for x in own}) != 1:
        return False
    return math.prod(shapes[0]) * shapes[-1][1] > LARGEST_PRODUCT


def with_closed_products(
    steps: Sequence[AnyStep], program: Program, can_close: Callable[[Instruction, Region], bool]
) -> list[AnyStep | Closed]:
    """Return the steps of a program with products closed, where the regions after them can be done at once.

    Args:
        can_close: whether machine code computes the product and the region, block by block.
    """
    makers = {n: i for i, step in enumerate(steps) for n in made_by(step)}
    readers = readers_of(map(read_by, steps))
    taken: set[int] = set()
    found: dict[int, Closed] = {}
    for i, step in enumerate(steps):
        if not isinstance(step, Instruction) or not _can_begin(step, program):
            continue
        for j in readers.get(step.out, []):
            region = steps[j]
            if isinstance(region, Region) and j not in taken and _are_before(region.inputs, step, i, makers):
                if can_close(step, region):
                    sums = [k for k in _sums_of(region, steps, readers, program) if k not in taken]
                    taken |= {j, *sums}
                    members = (i, j, *sums)
                    found[i] = _closed(steps, members, readers, set(program.outputs))
                break
    return [found.get(i, step) for i, step in enumerate(steps) if i not in taken]


def _can_begin(instruction: Instruction, program: Program) -> bool:
    if instruction.name == "conv_bias":
        return False
    return is_large_convolution(instruction, program) or (
        instruction.name == "matmul" and is_large(instruction, program)
    )


def _are_before(numbers: Sequence[int], product: Instruction, place: int, makers: dict[int, int]) -> bool:
    """Return whether values are there when a product is."""
    return all(n == product.out or makers.get(n, -1) < place for n in numbers)


def _sums_of(
    region: Region, steps: Sequence[AnyStep], readers: dict[int, list[int]], program: Program
) -> Iterator[int]:
    """Return the places of the sums over rows of what a region computes."""
    shape = program.shape_of(region.outputs[0])
    if len(shape) != 2 or shape[0] > MOST_ROWS * shape[1]:
        return
    for n, k in itertools.chain.from_iterable(((n, k) for k in readers.get(n, [])) for n in region.outputs):
        step = steps[k]
        if not isinstance(step, Instruction) or step.name != "sum" or step.operands != (n,):
            continue
        axis = step.parameters.get("axis")
        dtypes = program.spaces[n].dtype, program.spaces[step.out].dtype
        if axis in (0, (0,)) and set(step.parameters) <= {"axis", "keepdims"} and dtypes[0] == dtypes[1]:
            yield k


def _closed(
    steps: Sequence[AnyStep], members: Sequence[int], readers: dict[int, list[int]], outputs: set[int]
) -> Closed:
    product, region, *sums = (steps[i] for i in members)
    assert isinstance(product, Instruction)
    assert isinstance(region, Region)
    added = tuple([x for x in sums if isinstance(x, Instruction)])
    instructions = (product, *region.instructions, *added)
    made_last = (product.out, *region.outputs, *(x.out for x in added))
    kept = [n for n in made_last if n in outputs or set(readers.get(n, [])) - set(members)]
    return Closed(product, region, added, instructions, inputs_of(instructions), tuple(kept))


# ---- blocks ----


def blocks_of(rows: int, columns: int, itemsize: int, parts: int, tile: tuple[int, int], by_columns: bool) -> Any:
    """Return for each part of a product its blocks.

    Args:
        rows, columns: of the product.
        itemsize: bytes of an element.
        parts: how many threads there are.
        tile: rows and columns that blocks are made of; the last one of a part may have more.
        by_columns: whether each block holds all rows, rather than all columns.
    """
    length, across = (columns, rows) if by_columns else (rows, columns)
    unit = tile[1] if by_columns else tile[0]
    least = max(1, BLOCK_BYTES // (across * itemsize * unit)) * unit
    cut = []
    for k in range(parts):
        begin, end = (_rounded(length * i // parts, unit, length) for i in (k, k + 1))
        starts = [*range(begin, end, least)]
        if len(starts) > 1 and end - starts[-1] < unit:
            starts.pop()
        pairs = itertools.pairwise([*starts, end])
        cut.append([(0, rows, a, b) if by_columns else (a, b, 0, columns) for a, b in pairs if b > a])
    return [part for part in cut if part]


def _rounded(place: int, unit: int, length: int) -> int:
    """Round a place down to whole units, of which the last one is longer than the others and not shorter."""
    whole = place // unit * unit
    return length if (whole and length - whole < unit) or place == length else whole
