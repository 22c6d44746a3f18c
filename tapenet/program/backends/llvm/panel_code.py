"""The machine code of panels: products of vectors with some rows of a matrix, and what does all panels in order.

Each function takes the addresses of all arrays, a row of words that say which of these it reads and writes, and the
bounds of a panel. A matrix whose rows lie in order is multiplied by vectors as dot products of some rows at a time, and
its transpose as a sum of multiples of rows, of some columns at a time; for one whose columns lie in order both are the
other way round. Each sum is made in one order, whatever the number of threads.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.kernels.loop_code import Function, module_of
from tapenet.kernels.machine_code import Library, compile_module, processor, source_of
from tapenet.kernels.objects import DATA, ITEMS, NUMBER
from tapenet.kernels.vector_code import Code, Value
from tapenet.program.backends.llvm.stretch_runner import REPORTED

# Vectors that a panel is multiplied by at a time: of more, several times.
AT_ONCE = 2

# Rows of a panel are a multiple of this, as are those that threads share.
UNIT = 16

# Words of a product before those of its vectors, and those of each: see `_product`.
_HEAD, _EACH = 4, 5

# Words of the table before those of the functions that are called: see `_driver`.
_TABLE = 7


def product_address(char: str, count: int, *, is_forward: bool, by_rows: bool) -> int:
    """Return the address of a function: of so many vectors, and of a matrix whose rows or columns lie in order."""
    return _product_library(char, count, is_forward, by_rows).address("product")


@functools.cache
def _product_library(char: str, count: int, is_forward: bool, by_rows: bool) -> Library:
    return _library(lambda size: [_product(char, size, count, is_forward, by_rows)], char, count, is_forward, by_rows)


@functools.cache
def driver_library() -> Library:
    """Return the function `panels`, which calls others for one panel after the other, and `total_f` and `total_d`."""
    return _library(lambda size: [_driver(), *(_total(char, size) for char in "fd")], "panels")


def _library(functions: Callable[[int], list[Function]], *depends: Any) -> Library:
    """Return compiled functions, which are made for vectors of some bytes, and what these depend on."""
    size = processor().vector_size
    source = source_of(__name__, "tapenet.kernels.loop_code", "tapenet.kernels.vector_code")
    return compile_module(lambda: module_of(functions(size)), source, str(size), *map(str, depends))


# ---- products with a panel ----


@attrs.frozen(eq=False)
class _Panel:
    """Where a panel lies, and what it is multiplied by.

    Attributes:
        matrix: the address of its first element.
        stride: elements from one row to the next, of those that lie in order.
        rows, columns: how many there are.
        vectors: the addresses of vectors.
        outs: the addresses of products.
        adds: whether the products are added to what is there.
    """

    matrix: Value
    stride: Value
    rows: Value
    columns: Value
    vectors: Sequence[Value]
    outs: Sequence[Value]
    adds: bool

    def row(self, f: Function, i: Value) -> Value:
        """Return the address of a row."""
        return f.at(self.matrix, f.whole("mul", i, self.stride))


def _product(char: str, size: int, count: int, is_forward: bool, by_rows: bool) -> Function:
    """Return the function of products of `count` vectors with a panel, by vectors of `size` bytes.

    Its words are the place of the matrix, the distance of rows or columns that do not lie in order, the length of the
    other axis, which exceptions it reports, and for each vector its place and its offset, and of its result the place,
    the offset, and how far that is from one part of the panels to the next.
    """
    f = _of_panel("product", char, size)
    height = f.whole("sub", "%end", "%begin")
    matrix, stride, length = _known(f, 0), _word(f, 1), _word(f, 2)
    vectors, outs = [], []
    for i in range(_HEAD, _HEAD + count * _EACH, _EACH):
        vectors.append(f.at(_known(f, i), _word(f, i + 1)))
        part = f.whole("mul", "%chunk", _word(f, i + 4))
        outs.append(f.at(f.at(_known(f, i + 2), _word(f, i + 3)), part))
    along = outs if is_forward else vectors
    along[:] = [f.at(x, "%begin") for x in along]
    matrix = f.at(matrix, f.whole("mul", "%begin", stride) if by_rows else "%begin")
    rows, columns = (height, length) if by_rows else (length, height)
    control = _clear_exceptions(f)
    write = _dots if by_rows == is_forward else _multiples
    write(f, _Panel(matrix, stride, rows, columns, vectors, outs, not is_forward))
    f.returns = _exceptions(f, control, _word(f, 3))
    return f


def _of_panel(name: str, char: str, size: int) -> Function:
    """Begin a function that is called for each panel, with vectors of `size` bytes."""
    return Function(name, char, size // np.dtype(char).itemsize, ("known", "words"), ("begin", "end", "chunk"), ())


def _word(f: Function, i: int) -> Value:
    return f.get("i64", f.at("%words", str(i), "i64"))


def _known(f: Function, i: int) -> Value:
    """Return the address of the array whose place a word says."""
    return f.get("ptr", f.at("%known", _word(f, i), "ptr"))


def _total(char: str, size: int) -> Function:
    """Return the function that adds the elements of a vector to an element for the part; words are their places."""
    f = _of_panel(f"total_{char}", char, size)
    vector, out = f.at(_known(f, 0), "%begin"), f.at(_known(f, 1), "%chunk")
    total = f.variable(f.code.type, f.code.number(0.0))
    with f.vectors(f.whole("sub", "%end", "%begin")) as (i, mask):
        f.set(f.code.type, total, f.code.two("fadd", f.get(f.code.type, total), f.load(vector, i, mask)))
    own = f.sum(f.get(f.code.type, total))
    f.store_one(f.code.add(f"fadd {f.code.element} {f.load_one(out, '0')}, {own}"), out, "0")
    f.returns = "0"
    return f


def _dots(f: Function, panel: _Panel) -> None:
    """Write the products of each row with each vector, some rows at a time, and then the others one by one."""
    lanes = f.code.lanes
    most = min(lanes, 8 if _has_many_registers(f.code) else 4)
    rest = f.whole("and", panel.columns, lanes - 1)
    whole, mask = f.whole("sub", panel.columns, rest), _mask(f, rest)
    has_rest = f.code.add(f"icmp ne i64 {rest}, 0")
    first, of_tiles = f.variable("i64", "0"), f.whole("and", panel.rows, -most)
    for height, count in ((most, of_tiles), (1, f.whole("sub", panel.rows, of_tiles))):
        start = f.get("i64", first)
        with f.loop(count, height) as i:
            row = f.whole("add", start, i)
            lines = [panel.row(f, f.whole("add", row, k)) for k in range(height)]
            sums = [[f.variable(f.code.type, f.code.number(0.0)) for _ in panel.vectors] for _ in lines]
            with f.loop(whole, lanes) as j:
                _add_products(f, sums, lines, panel.vectors, j, None)
            with f.where(has_rest):
                _add_products(f, sums, lines, panel.vectors, whole, mask)
            for k, out in enumerate(panel.outs):
                _write_sums(f, [f.get(f.code.type, own[k]) for own in sums], f.at(out, row), adds=panel.adds)
        f.set("i64", first, of_tiles)


def _add_products(
    f: Function,
    sums: Sequence[Sequence[Value]],
    lines: Sequence[Value],
    vectors: Sequence[Value],
    offset: Value,
    mask: Value | None,
) -> None:
    """Add the products of a vector of each row and of each of the vectors."""
    loaded = [_loaded(f, x, offset, mask) for x in vectors]
    for line, own in zip(lines, sums, strict=True):
        x = _loaded(f, line, offset, mask)
        for total, y in zip(own, loaded, strict=True):
            f.set(f.code.type, total, f.code.fma(x, y, f.get(f.code.type, total)))


def _write_sums(f: Function, vectors: list[Value], out: Value, *, adds: bool) -> None:
    """Write the sum of the elements of each vector, or add it to what is there."""
    code, count, lanes = f.code, len(vectors), f.code.lanes
    while len(vectors) > 1:
        vectors = [_in_pairs(code, x, y, lanes) for x, y in zip(vectors[::2], vectors[1::2], strict=True)]
    value = vectors[0]
    while lanes > count:
        value = _in_pairs(code, value, None, lanes)
        lanes //= 2
    kind, align = f"<{count} x {code.element}>", code.bits // 8
    if adds:
        value = code.add(f"fadd {kind} {code.add(f'load {kind}, ptr {out}, align {align}')}, {value}")
    code.lines.append(f"store {kind} {value}, ptr {out}, align {align}")


def _in_pairs(code: Code, x: Value, y: Value | None, lanes: int) -> Value:
    """Return the sums of neighbours in one vector or two, first those of the first."""
    kind = f"<{lanes} x {code.element}>"
    count = lanes if y is not None else lanes // 2
    other = "poison" if y is None else y
    masks = (", ".join(f"i32 {2 * i + k}" for i in range(count)) for k in (0, 1))
    one, two = (code.add(f"shufflevector {kind} {x}, {kind} {other}, <{count} x i32> <{mask}>") for mask in masks)
    return code.add(f"fadd <{count} x {code.element}> {one}, {two}")


def _multiples(f: Function, panel: _Panel) -> None:
    """Write the sums of multiples of rows, as many columns at a time as stay in registers."""
    lanes = f.code.lanes
    most = 8 if _has_many_registers(f.code) else 8 // len(panel.vectors)
    with f.loop(panel.columns, most * lanes) as j:
        left = f.whole("sub", panel.columns, j)
        needed = f.whole("sdiv", f.whole("add", left, lanes - 1), lanes)
        count = f.smaller(needed, str(most))
        for width in range(1, most + 1):
            with f.where(f.code.add(f"icmp eq i64 {count}, {width}")):
                mask = _mask(f, f.whole("sub", left, (width - 1) * lanes))
                places = [f.whole("add", j, i * lanes) for i in range(width)]
                masks = [None] * (width - 1) + [mask]
                _add_multiples(f, panel, places, masks)


def _add_multiples(f: Function, panel: _Panel, places: Sequence[Value], masks: Sequence[Value | None]) -> None:
    """Write some columns of the sums of multiples of rows."""
    code = f.code
    pairs = list(zip(places, masks, strict=True))
    starts = [[_loaded(f, out, *pair) if panel.adds else code.number(0.0) for pair in pairs] for out in panel.outs]
    sums = [[f.variable(code.type, x) for x in own] for own in starts]
    with f.loop(panel.rows) as i:
        line = panel.row(f, i)
        factors = [f.spread(f.load_one(x, i)) for x in panel.vectors]
        for k, pair in enumerate(pairs):
            x = _loaded(f, line, *pair)
            for own, factor in zip(sums, factors, strict=True):
                f.set(code.type, own[k], code.fma(x, factor, f.get(code.type, own[k])))
    for own, out in zip(sums, panel.outs, strict=True):
        for total, (place, mask) in zip(own, pairs, strict=True):
            value = f.get(code.type, total)
            if mask is None:
                code.lines.append(f"store {code.type} {value}, ptr {f.at(out, place)}, align {code.bits // 8}")
            else:
                f.store(value, out, place, mask)


def _has_many_registers(code: Code) -> bool:
    """Return whether there are 32 vector registers rather than 16."""
    return code.lanes * code.bits == 512


def _loaded(f: Function, base: Value, offset: Value, mask: Value | None) -> Value:
    if mask is not None:
        return f.load(base, offset, mask)
    return f.code.add(f"load {f.code.type}, ptr {f.at(base, offset)}, align {f.code.bits // 8}")


def _mask(f: Function, count: Value) -> Value:
    """Return the mask of the first lanes, so many of them."""
    lanes = f.code.lanes
    kind = f"<{lanes} x i64>"
    first = f.code.add(f"insertelement {kind} poison, i64 {count}, i64 0")
    spread = f.code.add(f"shufflevector {kind} {first}, {kind} poison, <{lanes} x i32> zeroinitializer")
    places = ", ".join(f"i64 {i}" for i in range(lanes))
    return f.code.add(f"icmp slt {kind} <{places}>, {spread}")


# ---- floating-point exceptions: products report theirs, as NumPy's do, and the regions between them do not ----

_STORE, _LOAD = "llvm.x86.sse.stmxcsr", "llvm.x86.sse.ldmxcsr"


def _clear_exceptions(f: Function) -> Value:
    """Clear the flags that are reported, where one is set; return the memory for the register that they are in."""
    for name in (_STORE, _LOAD):
        f.code.intrinsics[f"declare void @{name}(ptr)"] = None
    control = f.variable("i32", "0")
    f.code.lines.append(f"call void @{_STORE}(ptr {control})")
    before = f.get("i32", control)
    found = f.code.add(f"and i32 {before}, {REPORTED}")
    with f.where(f.code.add(f"icmp ne i32 {found}, 0")):
        f.set("i32", control, f.code.add(f"and i32 {before}, {~REPORTED}"))
        f.code.lines.append(f"call void @{_LOAD}(ptr {control})")
    return control


def _exceptions(f: Function, control: Value, reported: Value) -> Value:
    """Return the flags that were set since, of those that are reported."""
    f.code.lines.append(f"call void @{_STORE}(ptr {control})")
    return f.code.add(f"and i32 {f.get('i32', control)}, {f.code.add(f'trunc i64 {reported} to i32')}")


# ---- all panels ----


def _driver() -> Function:
    """Return the function `panels` of a table, a tuple of arrays and numbers, and the first and the last part.

    The table has how many arrays and numbers there are, how many arrays, the length of the axis, the rows of a part and
    of a panel, the number of parts and of calls; then for each call its function, how many words follow, and these.
    """
    f = Function("panels", "d", 2, ("table", "values"), ("first", "last"), ())
    code = f.code
    count, arrays, length, of_part, of_panel, parts, calls = (
        f.get("i64", f.at("%table", str(i), "i64")) for i in range(_TABLE)
    )
    known = code.add(f"alloca ptr, i64 {count}")
    items = f.at("%values", str(ITEMS), "i8")
    with f.loop(count) as i:
        item = f.get("ptr", f.at(items, i, "ptr"))
        is_array = code.add(f"icmp slt i64 {i}, {arrays}")
        data = f.at(item, code.add(f"select i1 {is_array}, i64 {DATA}, i64 {NUMBER}"), "i8")
        target = f.at(known, i, "ptr")
        f.set("ptr", target, data)
        with f.where(is_array):
            f.set("ptr", target, f.get("ptr", data))
    met = f.variable("i32", "0")
    with f.loop(f.whole("sub", "%last", "%first")) as i:
        part = f.whole("add", "%first", i)
        begin = f.whole("mul", part, of_part)
        is_last = code.add(f"icmp eq i64 {f.whole('add', part, 1)}, {parts}")
        end = code.add(f"select i1 {is_last}, i64 {length}, i64 {f.whole('add', begin, of_part)}")
        # The last panel is not shorter than a vector: one that is belongs to the panel before.
        rounded = f.whole("add", f.whole("sub", end, begin), f.whole("sub", of_panel, UNIT))
        panels = f.whole("sdiv", rounded, of_panel)
        panels = code.add(f"call i64 @llvm.smax.i64(i64 {panels}, i64 1)")
        code.intrinsics["declare i64 @llvm.smax.i64(i64, i64)"] = None
        with f.loop(panels) as j:
            start = f.whole("add", begin, f.whole("mul", j, of_panel))
            is_end = code.add(f"icmp eq i64 {f.whole('add', j, 1)}, {panels}")
            stop = code.add(f"select i1 {is_end}, i64 {end}, i64 {f.whole('add', start, of_panel)}")
            at = f.variable("i64", str(_TABLE))
            with f.loop(calls):
                row = f.at("%table", f.get("i64", at), "i64")
                function = code.add(f"inttoptr i64 {f.get('i64', row)} to ptr")
                words = f.at(row, "2", "i64")
                given = f"ptr {known}, ptr {words}, i64 {start}, i64 {stop}, i64 {part}"
                own = code.add(f"call i32 {function}({given})")
                f.set("i32", met, code.add(f"or i32 {f.get('i32', met)}, {own}"))
                size = f.whole("add", f.get("i64", f.at(row, "1", "i64")), 2)
                f.set("i64", at, f.whole("add", f.get("i64", at), size))
    f.returns = f.get("i32", met)
    return f
