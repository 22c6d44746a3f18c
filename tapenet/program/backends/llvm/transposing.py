"""Moves between cells in memory and vectors of their components: transposes of small blocks.

A cell of k numbers lies in memory as a row of k; the vector of a component has one number of each row. Read and written
number by number, that takes LLVM most of its time. Blocks of b x b are transposed by b log2(b) shuffles instead: each
stage swaps the parts off the diagonal of blocks twice as large.
"""

from __future__ import annotations

from collections.abc import Sequence

from tapenet.kernels.vector_code import Code, Value


def components(code: Code, element: str, lanes: int, place: Value, count: int, align: int) -> list[Value]:
    """Write loads of cells that follow each other, and return the vectors of their components.

    Args:
        code: that is written to.
        element: the type of a number.
        lanes: how many cells there are.
        place: the address of the first.
        count: how many numbers a cell has, two at least.
        align: bytes of a number.
    """
    width = _width(count, lanes)
    found: list[Value] = [""] * count
    for first in _blocks(count, width):
        parts = []
        for row in range(0, lanes, width):
            places = [_at(code, element, place, (row + i) * count + first) for i in range(width)]
            rows = [code.add(f"load <{width} x {element}>, ptr {x}, align {align}") for x in places]
            parts.append(_transposed(code, element, rows))
        for i in range(width):
            found[first + i] = _joined(code, element, [part[i] for part in parts], width)
    return found


def write_cells(code: Code, element: str, lanes: int, place: Value, values: Sequence[Value], align: int) -> None:
    """Write stores of cells, one after the other, from the vectors of their components.

    Args:
        values: of the components.
        code, element, lanes, place, align: as for `components`.
    """
    count = len(values)
    width = _width(count, lanes)
    for first in _blocks(count, width):
        for row in range(0, lanes, width):
            parts = [_part(code, element, lanes, x, row, width) for x in values[first : first + width]]
            for i, x in enumerate(_transposed(code, element, parts)):
                at = _at(code, element, place, (row + i) * count + first)
                code.lines.append(f"store <{width} x {element}> {x}, ptr {at}, align {align}")


def _width(count: int, lanes: int) -> int:
    """Return the width of a block: a power of two that neither cells nor vectors are shorter than."""
    return 1 << (min(count, lanes).bit_length() - 1)


def _blocks(count: int, width: int) -> list[int]:
    """Return the first components of blocks; the last may overlap the one before."""
    return [min(first, count - width) for first in range(0, count, width)]


def _at(code: Code, element: str, place: Value, offset: int) -> Value:
    return code.add(f"getelementptr {element}, ptr {place}, i64 {offset}")


def _transposed(code: Code, element: str, rows: list[Value]) -> list[Value]:
    """Return the columns of a square block, from its rows."""
    width = len(rows)
    step = 1
    while step < width:
        swapped = [j & step for j in range(width)]
        upper = _mask([width + j - step if swap else j for j, swap in enumerate(swapped)])
        lower = _mask([width + j if swap else j + step for j, swap in enumerate(swapped)])
        for i in [i for i in range(width) if not i & step]:
            both = f"<{width} x {element}> {rows[i]}, <{width} x {element}> {rows[i + step]}"
            rows[i], rows[i + step] = (code.add(f"shufflevector {both}, {mask}") for mask in (upper, lower))
        step *= 2
    return rows


def _mask(places: Sequence[int]) -> str:
    return f"<{len(places)} x i32> <{', '.join(f'i32 {j}' for j in places)}>"


def _joined(code: Code, element: str, parts: list[Value], width: int) -> Value:
    """Return vectors one after the other, as one."""
    while len(parts) > 1:
        mask = _mask(range(2 * width))
        pairs = zip(parts[::2], parts[1::2], strict=True)
        kind = f"<{width} x {element}>"
        parts = [code.add(f"shufflevector {kind} {a}, {kind} {b}, {mask}") for a, b in pairs]
        width *= 2
    return parts[0]


def _part(code: Code, element: str, lanes: int, value: Value, first: int, width: int) -> Value:
    """Return some lanes of a vector."""
    if width == lanes:
        return value
    kind, mask = f"<{lanes} x {element}>", _mask(range(first, first + width))
    return code.add(f"shufflevector {kind} {value}, {kind} poison, {mask}")
