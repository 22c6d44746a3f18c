"""The code of Winograd's transforms: each tile is read, mapped along both axes in registers, and written.

Images are of shape (N, height, width, channels), planes of (edge, edge, N, rows, columns, channels) for tiles of
edge x edge places. A tile is two places from the next. Vectors run over channels. A place outside of the image is read
from a line of zeros, and written to a line that nothing reads, so that the loops over channels have no branch.

See `winograd` for the matrices. Imported where code is generated only, as it needs llvmlite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from llvmlite import ir

from tapenet.kernels.ir_code import POINTER, SIZE, VOID, Vectors, loop, size

# The rows of B^T, A and A^T.
INPUTS = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
COTANGENTS = ((1, 0), (1, 1), (1, -1), (0, -1))
OUTPUTS = ((1, 1, 1, 0), (0, 1, -1, -1))

Matrix = Sequence[Sequence[int]]


@attrs.frozen
class Tiles:
    """The arguments of each function: pointers, then lengths in elements or places.

    `spare` is a line of zeros, or one to write to. The first tile begins `top` and `left` places before the image.
    `plane` is the length of one plane. Images `first` to `last` are mapped.
    """

    images: Any
    planes: Any
    spare: Any
    height: Any
    width: Any
    channels: Any
    top: Any
    left: Any
    rows: Any
    columns: Any
    plane: Any
    first: Any
    last: Any

    @classmethod
    def types(cls) -> list[Any]:
        """Return LLVM's types of the arguments."""
        return [POINTER if field.name in ("images", "planes", "spare") else SIZE for field in attrs.fields(cls)]


def winograd_module(char: str, lanes: int) -> str:
    """Return a module with the functions `inputs`, `cotangents` and `outputs`."""
    module = ir.Module("winograd")
    vectors = Vectors(module, char, lanes)
    for name, matrix, reads_images in (
        ("inputs", INPUTS, True),
        ("cotangents", COTANGENTS, True),
        ("outputs", OUTPUTS, False),
    ):
        function = ir.Function(module, ir.FunctionType(VOID, Tiles.types()), name)
        _write(function, vectors, matrix, reads_images=reads_images)
    return str(module)


def _write(function: ir.Function, v: Vectors, matrix: Matrix, *, reads_images: bool) -> None:
    """Write the loops over tiles and channels."""
    given = Tiles(*function.args)
    code = ir.IRBuilder(function.append_basic_block())
    whole = code.and_(given.channels, size(-v.lanes))
    tail = v.mask(code, code.sub(given.channels, whole))
    with (
        loop(code, given.first, given.last) as n,
        loop(code, size(0), given.rows) as row,
        loop(code, size(0), given.columns) as column,
    ):
        read, written = (_in_image, _in_planes) if reads_images else (_in_planes, _in_image)
        sources = read(code, v, given, (n, row, column), len(matrix[0]))
        targets = written(code, v, given, (n, row, column), len(matrix))

        def move(channel: Any, mask: Any = None) -> None:
            tile = [[v.load(code, v.at(code, x, channel), mask) for x in line] for line in sources]
            by_rows = zip(*(_mapped(code, matrix, line) for line in zip(*tile, strict=True)), strict=True)
            for target_line, line in zip(targets, by_rows, strict=True):
                for target, x in zip(target_line, _mapped(code, matrix, line), strict=True):
                    v.store(code, x, v.at(code, target, channel), mask)

        with loop(code, size(0), whole, v.lanes) as channel:
            move(channel)
        with code.if_then(code.icmp_signed("<", whole, given.channels)):
            move(whole, tail)
    code.ret_void()


def _in_planes(code: ir.IRBuilder, v: Vectors, given: Tiles, tile: Sequence[Any], edge: int) -> list[list[Any]]:
    """Return the addresses of a tile's places in the planes."""
    n, row, column = tile
    place = code.add(code.mul(code.add(code.mul(n, given.rows), row), given.columns), column)
    address = v.at(code, given.planes, code.mul(place, given.channels))
    return [[v.at(code, address, code.mul(given.plane, size(edge * i + j))) for j in range(edge)] for i in range(edge)]


def _in_image(code: ir.IRBuilder, v: Vectors, given: Tiles, tile: Sequence[Any], edge: int) -> list[list[Any]]:
    """Return the addresses of a tile's places in its image, the spare line for those outside of it."""
    n, row, column = tile
    lines, places = (
        [code.sub(code.add(code.mul(number, size(2)), size(i)), before) for i in range(edge)]
        for number, before in ((row, given.top), (column, given.left))
    )
    # Unsigned: a place before the image is a large number.
    line_is_inside, is_inside = (
        [code.icmp_unsigned("<", place, count) for place in found]
        for found, count in ((lines, given.height), (places, given.width))
    )

    def address(i: int, j: int) -> Any:
        place = code.add(code.mul(code.add(code.mul(n, given.height), lines[i]), given.width), places[j])
        found = v.at(code, given.images, code.mul(place, given.channels))
        return code.select(code.and_(line_is_inside[i], is_inside[j]), found, given.spare)

    return [[address(i, j) for j in range(edge)] for i in range(edge)]


def _mapped(code: ir.IRBuilder, matrix: Matrix, vectors: Sequence[Any]) -> list[Any]:
    """Multiply a matrix of 1, 0 and -1 with vectors."""
    return [_sum(code, row, vectors) for row in matrix]


def _sum(code: ir.IRBuilder, signs: Sequence[int], vectors: Sequence[Any]) -> Any:
    terms = sorted(((sign, x) for sign, x in zip(signs, vectors, strict=True) if sign), key=lambda term: -term[0])
    (first_sign, total), *others = terms
    total = total if first_sign > 0 else code.fneg(total)
    for sign, x in others:
        total = code.fadd(total, x) if sign > 0 else code.fsub(total, x)
    return total
