"""The source of a right-hand side's machine code, as LLVM's intermediate representation: see `machine`."""

from __future__ import annotations

import enum
import functools
import itertools
import math
from collections.abc import Callable, Sequence

import attrs

from tapenet.scipy.straight import Steps, StraightField
from tapenet.scipy.straight_code import DECLARED, Code, Node, Value, number

HEAD = object.__basicsize__  # bytes of an object of CPython's before a float's value, or the address of an array's data
ITERATIONS = 8  # of the equations of stages
_TURNS = 60  # of those of cotangents, which are found to rounding
_ROUNDING = 2.0**-50
# How near to an output time a step may end: beside one it would make an interval of rounding errors.
_APART = 1e-9


class Box(enum.IntEnum):
    """The places of what the function that CPython calls finds in its array, addresses and counts."""

    OUT = 0  # the array that it gives
    ELEMENTS = 1  # of that
    PARAMETERS = 2
    TABLE = 3  # of C's functions
    SEEN = 4  # rows of time and y of each call
    COUNT = 5  # of these
    MOST = 6  # that there is room for
    OTHERWISE = 7  # the function of Python's for other calls
    CALL = 8  # CPython's function that calls one
    KEEP = 9  # CPython's function that counts a reference
    FLOAT = 10  # the class of times
    ARRAY = 11  # the class of y


At = Callable[..., tuple[list[Value], Value]]


@attrs.frozen(eq=False)
class Source:
    """The functions of a module.

    Attributes:
        field: the right-hand side.
        codes: of it, its Jacobian by y and the cotangents of its arrays.
        functions: the operations that are functions of C, in the order of the table.
        nodes, weights: the coefficients of the collocation.
    """

    field: StraightField
    codes: Sequence[Steps]
    functions: Sequence[str]
    nodes: list[float]
    weights: list[list[float]]

    def module(self) -> str:
        """Return all functions."""
        return DECLARED + self.called() + _arrange(self.field.size) + self.find_stages() + self.pull()

    def _begun(self, code: Code, table: Value, parameters: Value) -> At:
        """Read what all points share; return a function that computes one of the codes at a point."""
        callees = {name: code.load(table, i, "ptr") for i, name in enumerate(self.functions)}
        shared = {node: code.load(parameters, i) for i, node in enumerate(self.field.parameters)}

        def at(which: int, t: Value, y: Sequence[Value], bars: Sequence[Value] = ()) -> tuple[list[Value], Value]:
            inputs: dict[Node, Value] = {("t", ()): t}
            inputs |= {("y", (i,)): x for i, x in enumerate(y)}
            inputs |= {("bar", (i,)): x for i, x in enumerate(bars)}
            return code.straight(self.codes[which], inputs | shared, callees)

        return at

    def _kept_nodes(self, code: Code) -> Value:
        """Return the address of the nodes."""
        nodes = code.variable(f"[{len(self.nodes)} x double]")
        for j, node in enumerate(self.nodes):
            code.store(number(node), nodes, j)
        return nodes

    # ---- the function that CPython calls ----

    def called(self) -> str:
        """Return the function of a time and an array: it gives the same array each time, and notes its arguments.

        It leaves other arguments, and points where an operation gives inf or NaN, to a function of Python's.
        """
        code = Code()
        box = code.load(code.address("%self", HEAD, "i8"), kind="ptr")
        t, y = (code.load("%args", i, "ptr") for i in range(2))
        fast, noted, itself = (code.label() for _ in range(3))
        count = code.load(box, Box.COUNT, "i64")
        fits = [code.value(f"icmp ult i64 {count}, {code.load(box, Box.MOST, 'i64')}")]
        for x, kind in ((t, Box.FLOAT), (y, Box.ARRAY)):
            own = code.load(code.address(x, HEAD - 8, "i8"), kind="ptr")
            fits.append(code.value(f"icmp eq ptr {own}, {code.load(box, kind, 'ptr')}"))
        code.branch(code.all(fits), fast, itself)
        code.do(f"{fast}:")
        at = self._begun(code, code.load(box, Box.TABLE, "ptr"), code.load(box, Box.PARAMETERS, "ptr"))
        time = code.load(code.address(t, HEAD, "i8"))
        elements = code.loads(code.load(code.address(y, HEAD, "i8"), kind="ptr"), self.field.size)
        found, trouble = at(0, time, elements)
        code.branch(code.value(f"fcmp oeq double {trouble}, {number(0.0)}"), noted, itself)
        code.do(f"{noted}:")
        code.stores((time, *elements), code.place(count, 1 + len(elements), code.load(box, Box.SEEN, "ptr")))
        code.stores(found, code.load(box, Box.ELEMENTS, "ptr"))
        code.store(code.value(f"add i64 {count}, 1"), box, Box.COUNT, "i64")
        given = code.load(box, Box.OUT, "ptr")
        code.do(f"call void {code.load(box, Box.KEEP, 'ptr')}(ptr {given})")
        code.do(f"ret ptr {given}")
        code.do(f"{itself}:")
        f, call = code.load(box, Box.OTHERWISE, "ptr"), code.load(box, Box.CALL, "ptr")
        code.do(f"ret ptr {code.value(f'call ptr (ptr, ...) {call}(ptr {f}, ptr {t}, ptr {y}, ptr null)')}")
        return code.written("define ptr @called(ptr %self, ptr %args, i64 %count)")

    # ---- stages ----

    def find_stages(self) -> str:
        """Return the loop that finds stages: from the cubic polynomials through y and f at both ends of a step."""
        code, size, count = Code(), self.field.size, len(self.nodes)
        at, nodes = self._begun(code, "%table", "%parameters"), self._kept_nodes(code)
        slopes, most = (code.variable(f"[{count * size} x double]") for _ in range(2))
        before, turns = [code.variable() for _ in range(size)], code.variable("i64")
        errors = code.loads("%errors", 2 * size)
        for x, variable in zip(at(0, code.load("%mesh"), code.loads("%y", size))[0], before, strict=True):
            code.store(x, variable)
        with code.loop("%count") as n:
            t, next_t = code.loads(code.address("%mesh", n), 2)
            ends = code.loads(code.place(n, size, "%y"), 2 * size)
            h, stages = code.subtract(next_t, t), code.place(n, count * size, "%stages")
            after = at(0, next_t, ends[size:])[0]
            for i, own in enumerate(before):
                given = (ends[i], ends[size + i], *(code.multiply(h, x) for x in (code.load(own), after[i])))
                code.store(after[i], own)
                for k, guess in enumerate(self._guesses(code, *given)):
                    code.store(guess, stages, k * size + i)
                    relative = code.multiply(errors[i], code.size(guess))
                    code.store(code.add(relative, errors[size + i]), most, k * size + i)
            again = code.begin_turns(turns)
            with code.loop(count) as j:
                time = code.add(t, code.multiply(h, code.load(nodes, j)))
                found, _ = at(0, time, code.loads(code.place(j, size, stages), size))
                code.stores(found, code.place(j, size, slopes))
            near, all_slopes = [], code.loads(slopes, count * size)
            for place, (k, i) in enumerate(itertools.product(range(count), range(size))):
                moved = code.weighted(self.weights[k], all_slopes[i::size])
                x = code.add(ends[i], code.multiply(h, moved))
                error = code.size(code.subtract(x, code.load(stages, place)))
                near.append(code.value(f"fcmp ole double {error}, {code.load(most, place)}"))
                code.store(x, stages, place)
            code.end_turns(turns, again, code.all(near), ITERATIONS)
        code.do("ret i64 1")
        return code.written(f"define i64 @find_stages({_POINTERS} %y, ptr %errors, ptr %stages, i64 %count)")

    def _guesses(self, code: Code, first: Value, last: Value, before: Value, after: Value) -> list[Value]:
        """Return the cubic polynomial at the nodes, through an element at both ends, and h times its slopes there."""
        across = code.subtract(last, first)
        return [
            code.weighted([1.0, 3 * c**2 - 2 * c**3, c - 2 * c**2 + c**3, c**3 - c**2], [first, across, before, after])
            for c in self.nodes
        ]

    # ---- cotangents ----

    def pull(self) -> str:
        """Return the loop that pulls cotangents back, as `collocation.pulled`; it solves the systems by iteration."""
        code, size, whole = Code(), self.field.size, len(self.nodes) * self.field.size
        at, nodes = self._begun(code, "%table", "%parameters"), self._kept_nodes(code)
        moved, weighted = (code.variable(f"[{k} x double]") for k in (whole * size, whole))
        ends, bars, sums = ([code.variable() for _ in range(k)] for k in (size, whole, len(self.field.parameters)))
        for x in sums:
            code.store(number(0.0), x)
        for i, x in enumerate(ends):
            code.store(code.load(code.place("%count", size, "%bar"), i), x)
        with code.loop("%count", down=True) as n:
            t, next_t = code.loads(code.address("%mesh", n), 2)
            h, stages = code.subtract(next_t, t), code.place(n, whole, "%stages")

            def point(j: Value, t: Value = t, h: Value = h, stages: Value = stages) -> tuple[Value, list[Value]]:
                time = code.add(t, code.multiply(h, code.load(nodes, j)))
                return time, code.loads(code.place(j, size, stages), size)

            with code.loop(len(self.nodes)) as j:
                slopes = [code.multiply(h, x) for x in at(1, *point(j))[0]]
                code.stores(slopes, code.place(j, size * size, moved))
            self._solve(code, moved, bars, [code.load(x) for x in ends])
            now = [code.load(x) for x in bars]
            code.stores([code.multiply(h, x) for x in self._spread(code, now)], weighted)
            with code.loop(len(self.nodes)) as j:
                found, _ = at(2, *point(j), code.loads(code.place(j, size, weighted), size))
                for x, total in zip(found, sums, strict=True):
                    code.store(code.add(code.load(total), x), total)
            bar = code.place(n, size, "%bar")
            for i, end in enumerate(ends):
                code.store(functools.reduce(code.add, now[i::size], code.load(bar, i)), end)
        code.stores([code.load(x) for x in (*ends, *sums)], "%out")
        code.do("ret i64 1")
        return code.written(f"define i64 @pull({_POINTERS} %stages, ptr %bar, ptr %out, i64 %count)")

    def _solve(self, code: Code, moved: Value, bars: Sequence[Value], last: Sequence[Value]) -> None:
        """Find the cotangents of stages: z_j = J_j^T h sum_i a_ij z_i, and for the last stage that of the end more.

        Args:
            code: of the function.
            moved: the address of the matrices h J.
            bars: the addresses of the cotangents z.
            last: the cotangent of the end.
        """
        size, count, jacobian = self.field.size, len(self.nodes), self.codes[1].outputs
        enough = code.multiply(number(_ROUNDING), code.largest([code.size(x) for x in last]))
        for place, x in enumerate(bars):
            code.store(last[place % size] if place >= (count - 1) * size else number(0.0), x)
        turns = code.variable("i64")
        again = code.begin_turns(turns)
        now = [code.load(x) for x in bars]
        spread, near = self._spread(code, now), []
        for place, (j, b) in enumerate(itertools.product(range(count), range(size))):
            terms = [last[b]] if j == count - 1 else []
            for a in (a for a in range(size) if jacobian[a * size + b] != "0.0"):
                entry = code.load(moved, (j * size + a) * size + b)
                terms.append(code.multiply(entry, spread[j * size + a]))
            x = functools.reduce(code.add, terms) if terms else number(0.0)
            code.store(x, bars[place])
            near.append(code.value(f"fcmp ole double {code.size(code.subtract(x, now[place]))}, {enough}"))
        code.end_turns(turns, again, code.all(near), _TURNS)

    def _spread(self, code: Code, bars: Sequence[Value]) -> list[Value]:
        """Return for each stage the sum of all stages' cotangents, with the weights of its slope in them."""
        size, columns = self.field.size, zip(*self.weights, strict=True)
        return [code.weighted(column, bars[i::size]) for column in columns for i in range(size)]


_POINTERS = "ptr %table, ptr %parameters, ptr %mesh, ptr"


# ---- meshes ----


def _arrange(size: int) -> str:
    """Return the loops that make a mesh of calls and output times: see `Machine.mesh`.

    `%places` has room for the intervals of `%most` points, the places of the output times among them, and the numbers
    of calls.
    """
    code = Code()
    calls = code.address("%places", code.value("add i64 %most, %outputs"), "i64")
    kept, point = code.variable("i64"), code.variable("i64")
    _keep_last(code, size, calls, kept)
    code.store("0", point, kind="i64")

    def add(time: Value, y: Sequence[Value], interval: Value, fraction: Value) -> Value:
        at = code.load(point, kind="i64")
        code.store(time, "%mesh", at)
        code.store(fraction, "%fraction", at)
        code.store(interval, "%places", at, "i64")
        code.stores(y, code.place(at, size, "%values"))
        code.store(code.value(f"add i64 {at}, 1"), point, kind="i64")
        return at

    def end(n: Value, interval: Value, fraction: float) -> Value:
        time = code.load("%times", n)
        at = add(time, code.loads(code.place(n, size, "%y"), size), interval, number(fraction))
        code.store(at, "%places", code.value(f"add i64 %most, {n}"), "i64")
        return time

    intervals = code.value("sub i64 %outputs, 1")
    with code.loop(intervals) as n:
        begin = end(n, n, 0.0)
        across = code.subtract(code.load("%times", code.value(f"add i64 {n}, 1")), begin)
        head, read, body, inside, skip, passed = (code.label() for _ in range(6))
        code.begin(head)
        at = code.load(kept, kind="i64")
        code.branch(code.value(f"icmp slt i64 {at}, %count"), read, passed)
        code.do(f"{read}:")
        row = code.place(code.load(calls, at, "i64"), 1 + size, "%seen")
        part = code.value(f"fdiv double {code.subtract(code.load(row), begin)}, {across}")
        code.branch(code.value(f"fcmp olt double {part}, {number(1.0)}"), body, passed)
        code.do(f"{body}:")
        code.store(code.value(f"add i64 {at}, 2"), kept, kind="i64")
        bounds = (f"fcmp ogt double {part}, {number(_APART)}", f"fcmp olt double {part}, {number(1 - _APART)}")
        code.branch(code.all([code.value(x) for x in bounds]), inside, skip)
        code.do(f"{inside}:")
        add(code.add(begin, code.multiply(part, across)), code.loads(row, 1 + size)[1:], n, part)
        code.begin(skip)
        code.do(f"br label %{head}")
        code.do(f"{passed}:")
    end(intervals, code.value(f"sub i64 {intervals}, 1"), 1.0)
    code.do(f"ret i64 {code.load(point, kind='i64')}")
    given = "ptr %seen, i64 %count, ptr %times, i64 %outputs, ptr %y, i64 %most"
    return code.written(f"define i64 @arrange({given}, ptr %mesh, ptr %values, ptr %fraction, ptr %places)")


def _keep_last(code: Code, size: int, calls: Value, kept: Value) -> None:
    """Note the numbers of the calls that are the last at their times, in order, at the end of the room for them.

    Args:
        code: of the function.
        size: of y.
        calls: the address of the room.
        kept: the address of the place in it that they begin at.
    """
    earliest = code.variable()
    first, last = code.load("%times"), code.load("%times", code.value("sub i64 %outputs, 1"))
    is_back = code.value(f"fcmp olt double {last}, {first}")
    sign = code.value(f"select i1 {is_back}, double {number(-1.0)}, double {number(1.0)}")
    code.store("%count", kept, kind="i64")
    code.store(number(math.inf), earliest)
    with code.loop("%count", down=True) as n:
        time = code.multiply(sign, code.load(code.place(n, 1 + size, "%seen")))
        is_last, other = code.label(), code.label()
        code.branch(code.value(f"fcmp olt double {time}, {code.load(earliest)}"), is_last, other)
        code.do(f"{is_last}:")
        code.store(time, earliest)
        at = code.value(f"sub i64 {code.load(kept, kind='i64')}, 1")
        code.store(at, kept, kind="i64")
        code.store(n, calls, at, "i64")
        code.begin(other)
