"""The text of normalization by mean and variance, for LLVM. Arrays are matrices in C order, of `rows` and `columns`.

Formulas are those of `kernels.normalization`. Sums over rows are made for each `piece` of rows by itself: their arrays
have a row for each, zero before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tapenet.kernels.loop_code import Function
from tapenet.kernels.vector_code import Value

_LENGTHS = ("rows", "columns", "piece")


def functions(char: str, lanes: int, name: str) -> list[Function]:
    """Return the functions for "rows", which are normalized each, or for "channels", which are columns."""
    kinds = {"rows": (_row, _row_backward), "channels": (_sums, _moments, _scaled, _bar_sums, _bar)}
    return [write(char, lanes) for write in kinds[name]]


@contextmanager
def _rows(f: Function) -> Iterator[tuple[Value, Value]]:
    """Write a loop over rows; give the number of each, and the place of its first element."""
    with f.loop("%rows") as row:
        yield row, f.whole("mul", row, "%columns")


@contextmanager
def _pieces(f: Function, *sums: str) -> Iterator[tuple[Value, Value, list[Value]]]:
    """Write a loop over the rows of each piece; give as `_rows` does, and the places of sums over the piece."""
    rounds = f.whole("sdiv", f.whole("add", "%rows", f.whole("sub", "%piece", 1)), "%piece")
    with f.loop(rounds) as i:
        begin, place = f.whole("mul", i, "%piece"), f.whole("mul", i, "%columns")
        totals = [f.at(f"%{x}", place) for x in sums]
        with f.loop(f.smaller("%piece", f.whole("sub", "%rows", begin))) as within:
            row = f.whole("add", begin, within)
            yield row, f.whole("mul", row, "%columns"), totals


def _add(f: Function, array: Value, at: Value, mask: Value, x: Value) -> None:
    f.store(f.code.two("fadd", f.load(array, at, mask), x), array, at, mask)


# ---- rows ----


def _row(char: str, lanes: int) -> Function:
    """Write y, and of each row the mean and 1 / sqrt(var + eps)."""
    f = Function("row", char, lanes, ["x", "scale", "offset", "y", "mean", "inverse"], _LENGTHS, ["features", "eps"])
    c = f.code
    features, eps = f.number("features"), f.number("eps")
    root = f"llvm.sqrt.f{c.bits}"
    c.intrinsics[f"declare {c.element} @{root}({c.element})"] = None
    with _rows(f) as (row, first):
        x, y = f.at("%x", first), f.at("%y", first)
        total = f.variable(c.type, c.number(0.0))
        with f.vectors("%columns") as (at, mask):
            f.set(c.type, total, c.two("fadd", f.get(c.type, total), f.load(x, at, mask)))
        mean = c.add(f"fdiv {c.element} {f.sum(f.get(c.type, total))}, {features}")
        center = f.spread(mean)
        squares = f.variable(c.type, c.number(0.0))
        with f.vectors("%columns") as (at, mask):
            deviation = f.kept(mask, c.two("fsub", f.load(x, at, mask), center))
            f.set(c.type, squares, c.fma(deviation, deviation, f.get(c.type, squares)))
        var = c.add(f"fdiv {c.element} {f.sum(f.get(c.type, squares))}, {features}")
        below = c.add(f"call {c.element} @{root}({c.element} {c.add(f'fadd {c.element} {var}, {eps}')})")
        inverse = c.add(f"fdiv {c.element} 1.0, {below}")
        f.store_one(mean, "%mean", row)
        f.store_one(inverse, "%inverse", row)
        factor = f.spread(inverse)
        with f.vectors("%columns") as (at, mask):
            normal = c.two("fmul", c.two("fsub", f.load(x, at, mask), center), factor)
            f.store(c.fma(normal, f.load("%scale", at, mask), f.load("%offset", at, mask)), y, at, mask)
    return f


def _row_backward(char: str, lanes: int) -> Function:
    """Write the cotangent of x, and add to those of scale and offset."""
    pointers = ["t", "x", "scale", "mean", "inverse", "x_bar", "scale_bar", "offset_bar"]
    f = Function("row_backward", char, lanes, pointers, _LENGTHS, ["features"])
    c = f.code
    features = f.number("features")
    with _pieces(f, "scale_bar", "offset_bar") as (row, first, (scale_bar, offset_bar)):
        t, x, x_bar = (f.at(f"%{array}", first) for array in ("t", "x", "x_bar"))
        center, factor = (f.spread(f.load_one(f"%{array}", row)) for array in ("mean", "inverse"))

        def normal(at: Value, mask: Value, x: Value = x, center: Value = center, factor: Value = factor) -> Value:
            return c.two("fmul", c.two("fsub", f.load(x, at, mask), center), factor)

        of_normal, of_one = (f.variable(c.type, c.number(0.0)) for _ in range(2))
        with f.vectors("%columns") as (at, mask):
            bar, own = f.load(t, at, mask), normal(at, mask)
            weighted = c.two("fmul", bar, f.load("%scale", at, mask))  # zero in the lanes that are masked out
            f.set(c.type, of_normal, c.fma(weighted, f.kept(mask, own), f.get(c.type, of_normal)))
            f.set(c.type, of_one, c.two("fadd", weighted, f.get(c.type, of_one)))
            f.store(c.fma(bar, own, f.load(scale_bar, at, mask)), scale_bar, at, mask)
            _add(f, offset_bar, at, mask, bar)
        along, shift = (
            f.spread(c.add(f"fdiv {c.element} {f.sum(f.get(c.type, total))}, {features}"))
            for total in (of_normal, of_one)
        )
        with f.vectors("%columns") as (at, mask):
            weighted = c.two("fmul", f.load(t, at, mask), f.load("%scale", at, mask))
            rest = c.fma(normal(at, mask), along, shift)
            f.store(c.two("fmul", c.two("fsub", weighted, rest), factor), x_bar, at, mask)
    return f


# ---- channels ----


def _sums(char: str, lanes: int) -> Function:
    """Add up the rows of x."""
    f = Function("sums", char, lanes, ["x", "total"], _LENGTHS, [])
    with _pieces(f, "total") as (_, first, (total,)):
        x = f.at("%x", first)
        with f.vectors("%columns") as (at, mask):
            _add(f, total, at, mask, f.load(x, at, mask))
    return f


def _moments(char: str, lanes: int) -> Function:
    """Add up the squares of x less the mean."""
    f = Function("moments", char, lanes, ["x", "mean", "total"], _LENGTHS, [])
    c = f.code
    with _pieces(f, "total") as (_, first, (total,)):
        x = f.at("%x", first)
        with f.vectors("%columns") as (at, mask):
            deviation = c.two("fsub", f.load(x, at, mask), f.load("%mean", at, mask))
            f.store(c.fma(deviation, deviation, f.load(total, at, mask)), total, at, mask)
    return f


def _scaled(char: str, lanes: int) -> Function:
    """Write (x - mean) slope + offset."""
    f = Function("scaled", char, lanes, ["x", "mean", "slope", "offset", "y"], _LENGTHS, [])
    c = f.code
    with _rows(f) as (_, first):
        x, y = f.at("%x", first), f.at("%y", first)
        with f.vectors("%columns") as (at, mask):
            deviation = c.two("fsub", f.load(x, at, mask), f.load("%mean", at, mask))
            f.store(c.fma(deviation, f.load("%slope", at, mask), f.load("%offset", at, mask)), y, at, mask)
    return f


def _bar_sums(char: str, lanes: int) -> Function:
    """Add up t, and t (x - mean)."""
    f = Function("bar_sums", char, lanes, ["t", "x", "mean", "total", "moment"], _LENGTHS, [])
    c = f.code
    with _pieces(f, "total", "moment") as (_, first, (total, moment)):
        t, x = f.at("%t", first), f.at("%x", first)
        with f.vectors("%columns") as (at, mask):
            bar = f.load(t, at, mask)
            deviation = c.two("fsub", f.load(x, at, mask), f.load("%mean", at, mask))
            _add(f, total, at, mask, bar)
            f.store(c.fma(bar, deviation, f.load(moment, at, mask)), moment, at, mask)
    return f


def _bar(char: str, lanes: int) -> Function:
    """Write t by_t + (x - mean) by_x + by_none."""
    f = Function("bar", char, lanes, ["t", "x", "mean", "by_t", "by_x", "by_none", "x_bar"], _LENGTHS, [])
    c = f.code
    with _rows(f) as (_, first):
        t, x, x_bar = (f.at(f"%{array}", first) for array in ("t", "x", "x_bar"))
        with f.vectors("%columns") as (at, mask):
            deviation = c.two("fsub", f.load(x, at, mask), f.load("%mean", at, mask))
            rest = c.fma(deviation, f.load("%by_x", at, mask), f.load("%by_none", at, mask))
            f.store(c.fma(f.load(t, at, mask), f.load("%by_t", at, mask), rest), x_bar, at, mask)
    return f
