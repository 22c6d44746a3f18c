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

# The rows of B^T, A and A^T, and those of kernels: G, G of a kernel turned around, and G^T.
INPUTS = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
COTANGENTS = ((1, 0), (1, 1), (1, -1), (0, -1))
OUTPUTS = ((1, 1, 1, 0), (0, 1, -1, -1))
KERNEL = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
TURNED = tuple(row[::-1] for row in KERNEL)
KERNEL_COTANGENT = tuple(zip(*KERNEL, strict=True))

Matrix = Sequence[Sequence[float]]

_OF_TILES: dict[str, Matrix] = {"inputs": INPUTS, "cotangents": COTANGENTS, "outputs": OUTPUTS}
_OF_COLUMNS: dict[str, Matrix] = {"kernel": KERNEL, "turned": TURNED, "kernel_cotangent": KERNEL_COTANGENT}


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


@attrs.frozen
class Columns:
    """The arguments of a function that maps rows `first` to `last` of columns.

    Each column of x is a tile of edge x edge elements, and so is each of `out`. From one element of a tile to the next
    it is `x_plane` and `out_plane`, and from one row of `width` columns to the next `x_row` and `out_row`.
    """

    x: Any
    out: Any
    x_plane: Any
    out_plane: Any
    x_row: Any
    out_row: Any
    width: Any
    first: Any
    last: Any

    @classmethod
    def types(cls) -> list[Any]:
        """Return LLVM's types of the arguments."""
        return [POINTER if field.name in ("x", "out") else SIZE for field in attrs.fields(cls)]


def winograd_module(char: str, lanes: int) -> str:
    """Return a module with functions of `Tiles` and of `Columns`.

    The former are `inputs`, `cotangents` and `outputs`, the latter `kernel`, `turned` and `kernel_cotangent`.
    """
    module = ir.Module("winograd")
    vectors = Vectors(module, char, lanes)
    for name, matrix in _OF_TILES.items():
        function = ir.Function(module, ir.FunctionType(VOID, Tiles.types()), name)
        _write(function, vectors, matrix, reads_images=matrix is not OUTPUTS)
    for name, matrix in _OF_COLUMNS.items():
        function = ir.Function(module, ir.FunctionType(VOID, Columns.types()), name)
        _write_columns(function, vectors, matrix)
    return str(module)


def _write(function: ir.Function, v: Vectors, matrix: Matrix, *, reads_images: bool) -> None:
    """Write the loops over tiles and channels."""
    given = Tiles(*function.args)
    code = ir.IRBuilder(function.append_basic_block())
    with (
        loop(code, given.first, given.last) as n,
        loop(code, size(0), given.rows) as row,
        loop(code, size(0), given.columns) as column,
    ):
        read, written = (_in_image, _in_planes) if reads_images else (_in_planes, _in_image)
        sources = read(code, v, given, (n, row, column), len(matrix[0]))
        targets = written(code, v, given, (n, row, column), len(matrix))

        _map_stretch(code, v, matrix, sources, targets, size(0), given.channels)
    code.ret_void()


def _write_columns(function: ir.Function, v: Vectors, matrix: Matrix) -> None:
    """Write the loops over rows and columns."""
    given = Columns(*function.args)
    code = ir.IRBuilder(function.append_basic_block())
    read = given.x, given.x_plane, given.x_row, len(matrix[0])
    written = given.out, given.out_plane, given.out_row, len(matrix)
    with loop(code, given.first, given.last) as row:

        def places(base: Any, plane: Any, length: Any, edge: int) -> list[list[Any]]:
            begin = v.at(code, base, code.mul(length, row))
            return [[v.at(code, begin, code.mul(plane, size(edge * i + j))) for j in range(edge)] for i in range(edge)]

        _map_stretch(code, v, matrix, places(*read), places(*written), size(0), given.width)
    code.ret_void()


def _map_stretch(
    code: ir.IRBuilder,
    v: Vectors,
    matrix: Matrix,
    sources: Sequence[Sequence[Any]],
    targets: Sequence[Sequence[Any]],
    first: Any,
    last: Any,
) -> None:
    """Map tiles whose places are stretches of memory, along both axes, from one element of them to another."""
    whole = code.add(first, code.and_(code.sub(last, first), size(-v.lanes)))
    tail = v.mask(code, code.sub(last, whole))

    def move(at: Any, mask: Any = None) -> None:
        tile = [[v.load(code, v.at(code, x, at), mask) for x in line] for line in sources]
        by_rows = zip(*(_mapped(code, matrix, line) for line in zip(*tile, strict=True)), strict=True)
        for target_line, line in zip(targets, by_rows, strict=True):
            for target, x in zip(target_line, _mapped(code, matrix, line), strict=True):
                v.store(code, x, v.at(code, target, at), mask)

    with loop(code, first, whole, v.lanes) as at:
        move(at)
    with code.if_then(code.icmp_signed("<", whole, last)):
        move(whole, tail)


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
    """Multiply a small constant matrix with vectors."""
    return [_sum(code, row, vectors) for row in matrix]


def _sum(code: ir.IRBuilder, factors: Sequence[float], vectors: Sequence[Any]) -> Any:
    terms = [(factor, x) for factor, x in zip(factors, vectors, strict=True) if factor]
    (factor, x), *others = sorted(terms, key=lambda term: -term[0])
    total = _times(code, abs(factor), x) if factor > 0 else code.fneg(_times(code, abs(factor), x))
    for factor, x in others:
        total = (code.fadd if factor > 0 else code.fsub)(total, _times(code, abs(factor), x))
    return total


def _times(code: ir.IRBuilder, factor: float, x: Any) -> Any:
    return x if factor == 1 else code.fmul(x, ir.Constant(x.type, [factor] * x.type.count))
