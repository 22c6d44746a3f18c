"""The text of recurrent networks over whole sequences, for LLVM: a product and one pass over the gates at each step.

Arrays and formulas are those of `kernels.recurrent`. Functions take the arrays of all steps, and the code of products
(see `gemm`) with the memory that it packs to; they compute the examples `first` up to `first + count`, and return the
floating-point exceptions of the products. `mask` and `cs_bar` may be null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tapenet.kernels.loop_code import Function
from tapenet.kernels.vector_code import Value

_GEMM = ("gemm", "pack0", "pack1")
_LENGTHS = ("steps", "examples", "first", "count", "width")


def functions(char: str, lanes: int, name: str) -> list[Function]:
    """Return the functions of a kind of network: forward and backward."""
    kinds = {"rnn": (_rnn, _rnn_backward), "lstm": (_lstm, _lstm_backward), "gru": (_gru, _gru_backward)}
    return [write(char, lanes) for write in kinds[name]]


class _Sequence:
    """Writes a function of all steps.

    Attributes:
        f: the function.
        step: the number of the step.
        base: the number of its first row among those of all steps.
    """

    def __init__(self, name: str, char: str, lanes: int, pointers: Sequence[str]) -> None:
        self.f = Function(name, char, lanes, [*pointers, "mask", *_GEMM], _LENGTHS, [])
        self.met = self.f.variable("i32", "0")
        self.step = self.base = ""

    @contextmanager
    def steps(self, *, backward: bool = False) -> Iterator[None]:
        f = self.f
        with f.loop("%steps") as i:
            self.step = f.whole("sub", f.whole("sub", "%steps", 1), i) if backward else i
            self.base = f.whole("add", f.whole("mul", self.step, "%examples"), "%first")
            yield
        f.returns = f.get("i32", self.met)

    def width(self, factor: int) -> Value:
        """Return so many times the width of a state."""
        return self.f.whole("mul", "%width", factor)

    def row(self, array: str, number: Value, factor: int = 1, part: int = 0) -> Value:
        """Return the address of a row of an array, of `factor` times the width, from its `part`-th width on."""
        f = self.f
        place = f.whole("mul", number, self.width(factor))
        return f.at(f"%{array}", f.whole("add", place, self.width(part)) if part else place)

    def product(self, x: Value, y: Value, out: Value, factors: tuple[int, int, int], parts: int, *, adds: bool) -> None:
        """Write the product of rows and a matrix.

        Args:
            factors: how many widths a row of x, of y and of out is away from the next.
            parts: how many widths of columns there are; x has its whole rows.
            adds: whether it is added to what there is.
        """
        f = self.f
        inner, y_row, out_row = (self.width(factor) for factor in factors)
        given = ["i64 1", "i64 0", "i64 0", "i64 0", f"ptr {x}", f"i64 {inner}", "i64 1", f"ptr {y}", f"i64 {y_row}"]
        given += ["i64 1", f"ptr {out}", f"i64 {out_row}", "i64 %count", f"i64 {self.width(parts)}", f"i64 {inner}"]
        given += [f"i64 {int(adds)}", "ptr %pack0", "ptr %pack1"]
        met = f.code.add(f"call i32 %gemm({', '.join(given)})")
        f.set("i32", self.met, f.code.add(f"or i32 {f.get('i32', self.met)}, {met}"))

    @contextmanager
    def rows(self) -> Iterator[tuple[Value, Value, Value]]:
        """Write the loop over the rows of a step; give the number of each, that among the examples, and if it moves."""
        f, c = self.f, self.f.code
        with f.loop("%count") as r:
            row = f.whole("add", self.base, r)
            moves = f.variable("i1", "true")
            with f.where(f.is_given("%mask")):
                f.set("i1", moves, c.add(f"trunc i8 {f.get('i8', f.at('%mask', row, 'i8'))} to i1"))
            yield row, f.whole("add", "%first", r), f.get("i1", moves)

    def next(self, row: Value) -> Value:
        """Return the number of the row that holds the state after a step."""
        return self.f.whole("add", row, "%examples")

    def chosen(self, moves: Value, x: Value, y: Value) -> Value:
        """Return a vector x where an example moves, else y."""
        kind = self.f.code.type
        return self.f.code.add(f"select i1 {moves}, {kind} {x}, {kind} {y}")

    def parted(self, moves: Value, bar: Value) -> tuple[Value, Value]:
        """Return a cotangent where the example moves, and where it does not, else zero."""
        zero = self.f.code.number(0.0)
        return self.chosen(moves, bar, zero), self.chosen(moves, zero, bar)

    def bar_of_state(self, total: str, bars: str, row: Value, example: Value) -> tuple[Value, Value]:
        """Return where a cotangent of a state lies, and where what is added to it at this step does."""
        return self.row(total, example), self.row(bars, row)


def _times(f: Function) -> Callable[..., Value]:
    def times(*factors: Value) -> Value:
        first, *others = factors
        for other in others:
            first = f.code.two("fmul", first, other)
        return first

    return times


def _one_less_square(f: Function, x: Value) -> Value:
    return f.code.fma(f.code.negative(x), x, f.code.number(1.0))


def _slope_of_sigmoid(f: Function, y: Value) -> Value:
    return f.code.two("fmul", y, f.code.two("fsub", f.code.number(1.0), y))


# ---- simple ----


def _rnn(char: str, lanes: int) -> Function:
    s = _Sequence("rnn", char, lanes, ["z", "hs", "recurrent", "bias"])
    f, c = s.f, s.f.code
    with s.steps():
        s.product(s.row("hs", s.base), "%recurrent", s.row("z", s.base), (1, 1, 1), 1, adds=True)
        with s.rows() as (row, _, moves):
            z, before, after = s.row("z", row), s.row("hs", row), s.row("hs", s.next(row))
            with f.vectors("%width") as (at, mask):
                new = c.function("tanh", c.two("fadd", f.load(z, at, mask), f.load("%bias", at, mask)))
                f.store(s.chosen(moves, new, f.load(before, at, mask)), after, at, mask)
    return f


def _rnn_backward(char: str, lanes: int) -> Function:
    s = _Sequence("rnn_backward", char, lanes, ["hs", "slopes", "hs_bar", "turned", "h_bar"])
    f, c, times = s.f, s.f.code, _times(s.f)
    with s.steps(backward=True):
        with s.rows() as (row, example, moves):
            slope, after = s.row("slopes", row), s.row("hs", s.next(row))
            total, own = s.bar_of_state("h_bar", "hs_bar", row, example)
            with f.vectors("%width") as (at, mask):
                bar = c.two("fadd", f.load(total, at, mask), f.load(own, at, mask))
                moving, still = s.parted(moves, bar)
                f.store(times(_one_less_square(f, f.load(after, at, mask)), moving), slope, at, mask)
                f.store(still, total, at, mask)
        s.product(s.row("slopes", s.base), "%turned", s.row("h_bar", "%first"), (1, 1, 1), 1, adds=True)
    return f


# ---- long short-term memory: gates i, f, g, o ----


def _lstm(char: str, lanes: int) -> Function:
    s = _Sequence("lstm", char, lanes, ["gates", "hs", "cs", "shown", "recurrent", "bias"])
    f, c, times = s.f, s.f.code, _times(s.f)
    with s.steps():
        s.product(s.row("hs", s.base), "%recurrent", s.row("gates", s.base, 4), (1, 4, 4), 4, adds=True)
        biases = [f.at("%bias", s.width(k)) for k in range(4)]
        with s.rows() as (row, _, moves):
            places = [s.row("gates", row, 4, k) for k in range(4)]
            after = s.next(row)
            h, c_before, h_next, c_next = s.row("hs", row), s.row("cs", row), s.row("hs", after), s.row("cs", after)
            shown = s.row("shown", row)
            with f.vectors("%width") as (at, mask):
                gates = [
                    c.function(
                        "tanh" if k == 2 else "sigmoid",
                        c.two("fadd", f.load(place, at, mask), f.load(bias, at, mask)),
                    )
                    for k, (place, bias) in enumerate(zip(places, biases, strict=True))
                ]
                before = f.load(c_before, at, mask)
                memory = c.fma(gates[1], before, times(gates[0], gates[2]))
                tanh = c.function("tanh", memory)
                for gate, place in zip(gates, places, strict=True):
                    f.store(gate, place, at, mask)
                f.store(tanh, shown, at, mask)
                f.store(s.chosen(moves, memory, before), c_next, at, mask)
                f.store(s.chosen(moves, times(gates[3], tanh), f.load(h, at, mask)), h_next, at, mask)
    return f


def _lstm_backward(char: str, lanes: int) -> Function:
    s = _Sequence(
        "lstm_backward",
        char,
        lanes,
        ["gates", "cs", "shown", "slopes", "hs_bar", "cs_bar", "turned", "h_bar", "c_bar"],
    )
    f, c, times = s.f, s.f.code, _times(s.f)
    with s.steps(backward=True):
        with s.rows() as (row, example, moves):
            gates, slopes = ([s.row(array, row, 4, k) for k in range(4)] for array in ("gates", "slopes"))
            shown, before = s.row("shown", row), s.row("cs", row)
            h_total, h_own = s.bar_of_state("h_bar", "hs_bar", row, example)
            c_total, c_own = s.bar_of_state("c_bar", "cs_bar", row, example)
            with f.vectors("%width") as (at, mask):
                bar, still = s.parted(moves, c.two("fadd", f.load(h_total, at, mask), f.load(h_own, at, mask)))
                given = f.variable(c.type, f.load(c_total, at, mask))
                with f.where(f.is_given("%cs_bar")):
                    f.set(c.type, given, c.two("fadd", f.get(c.type, given), f.load(c_own, at, mask)))
                memory, kept = s.parted(moves, f.get(c.type, given))
                i, forget, g, o = (f.load(gate, at, mask) for gate in gates)
                tanh = f.load(shown, at, mask)
                # The cotangent of the memory after the step.
                of_c = c.fma(times(bar, o), _one_less_square(f, tanh), memory)
                found = (
                    times(of_c, g, _slope_of_sigmoid(f, i)),
                    times(of_c, f.load(before, at, mask), _slope_of_sigmoid(f, forget)),
                    times(of_c, i, _one_less_square(f, g)),
                    times(bar, tanh, _slope_of_sigmoid(f, o)),
                )
                for slope, place in zip(found, slopes, strict=True):
                    f.store(slope, place, at, mask)
                f.store(c.fma(of_c, forget, kept), c_total, at, mask)
                f.store(still, h_total, at, mask)
        s.product(s.row("slopes", s.base, 4), "%turned", s.row("h_bar", "%first"), (4, 1, 1), 1, adds=True)
    return f


# ---- gated recurrent unit: gates r, u, n ----


def _gru(char: str, lanes: int) -> Function:
    s = _Sequence("gru", char, lanes, ["gates", "inner", "hs", "recurrent", "bias", "recurrent_bias"])
    f, c = s.f, s.f.code
    with s.steps():
        before = s.row("hs", s.base)
        s.product(before, "%recurrent", s.row("gates", s.base, 3), (1, 3, 3), 2, adds=True)
        of_state = f.at("%recurrent", s.width(2))
        s.product(before, of_state, s.row("inner", s.base), (1, 3, 1), 1, adds=False)
        biases = [f.at("%bias", s.width(k)) for k in range(3)]
        with s.rows() as (row, _, moves):
            places, inner = [s.row("gates", row, 3, k) for k in range(3)], s.row("inner", row)
            h, h_next = s.row("hs", row), s.row("hs", s.next(row))
            with f.vectors("%width") as (at, mask):
                r, u, z = (
                    c.two("fadd", f.load(place, at, mask), f.load(bias, at, mask))
                    for place, bias in zip(places, biases, strict=True)
                )
                r, u = c.function("sigmoid", r), c.function("sigmoid", u)
                hidden = c.two("fadd", f.load(inner, at, mask), f.load("%recurrent_bias", at, mask))
                n = c.function("tanh", c.fma(r, hidden, z))
                state = f.load(h, at, mask)
                for x, place in zip((r, u, n, hidden), (*places, inner), strict=True):
                    f.store(x, place, at, mask)
                new = c.fma(u, c.two("fsub", state, n), n)
                f.store(s.chosen(moves, new, state), h_next, at, mask)
    return f


def _gru_backward(char: str, lanes: int) -> Function:
    s = _Sequence("gru_backward", char, lanes, ["gates", "inner", "hs", "slopes", "own", "hs_bar", "turned", "h_bar"])
    f, c, times = s.f, s.f.code, _times(s.f)
    with s.steps(backward=True):
        with s.rows() as (row, example, moves):
            gates, slopes, own = ([s.row(array, row, 3, k) for k in range(3)] for array in ("gates", "slopes", "own"))
            inner, before = s.row("inner", row), s.row("hs", row)
            total, given = s.bar_of_state("h_bar", "hs_bar", row, example)
            with f.vectors("%width") as (at, mask):
                bar, still = s.parted(moves, c.two("fadd", f.load(total, at, mask), f.load(given, at, mask)))
                r, u, n = (f.load(gate, at, mask) for gate in gates)
                of_n = times(bar, c.two("fsub", c.number(1.0), u), _one_less_square(f, n))
                of_r = times(of_n, f.load(inner, at, mask), _slope_of_sigmoid(f, r))
                of_u = times(bar, c.two("fsub", f.load(before, at, mask), n), _slope_of_sigmoid(f, u))
                of_input, of_state = (of_r, of_u, of_n), (of_r, of_u, times(of_n, r))
                for x, place in zip((*of_input, *of_state), (*slopes, *own), strict=True):
                    f.store(x, place, at, mask)
                f.store(c.fma(bar, u, still), total, at, mask)
        s.product(s.row("own", s.base, 3), "%turned", s.row("h_bar", "%first"), (3, 1, 1), 1, adds=True)
    return f
