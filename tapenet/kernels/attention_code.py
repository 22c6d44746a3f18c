"""The text of attention, for LLVM: head by head, and some queries at a time.

Formulas are those of `kernels.attention`. Arrays have axes for examples, heads, places and features, and are read as
they lie: of each the distances of examples, heads and places are given, in elements; features are side by side. The
weights of a block of queries are computed, used while they are in cache, and dropped. What causal queries do not look
at is not computed, but for the rest of a block.

Functions compute the heads `first` up to `first + count` of all examples, and return the floating-point exceptions of
the products. `mask` may be null.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tapenet.kernels.loop_code import Function
from tapenet.kernels.vector_code import Value

_GEMM = ("gemm", "pack0", "pack1")
_LENGTHS = ("first", "count", "heads", "queries", "keys", "features", "outputs", "causal", "block")
_DISTANCES = ("example", "head", "place")


def functions(char: str, lanes: int, name: str) -> list[Function]:
    """Return the functions forward and backward."""
    return [_forward(char, lanes), _backward(char, lanes)]


class _Attention:
    """Writes a function of all heads.

    Attributes:
        f: the function.
        bases: addresses of the arrays' parts for one head.
        begin, count: of the block of queries.
        limit: how many keys the block looks at.
        scale: by what products of queries and keys are multiplied; an element.
    """

    def __init__(self, name: str, char: str, lanes: int, strided: Sequence[str], others: Sequence[str]) -> None:
        lengths = [f"{x}.{kind}" for x in (*strided, "mask") for kind in _DISTANCES]
        self.f = Function(name, char, lanes, [*strided, "mask", *others, *_GEMM], [*_LENGTHS, *lengths], ["scale"])
        self.strided = strided
        self.met = self.f.variable("i32", "0")
        self.scale = self.f.spread(self.f.number("scale"))
        self.bases: dict[str, Value] = {}
        self.begin = self.count = self.limit = self.head = ""

    @contextmanager
    def each_head(self) -> Iterator[None]:
        f = self.f
        with f.loop("%count") as n:
            self.head = f.whole("add", "%first", n)
            example, head = f.whole("sdiv", self.head, "%heads"), f.whole("srem", self.head, "%heads")
            for x in (*self.strided, "mask"):
                place = f.whole("add", f.whole("mul", example, f"%{x}.example"), f.whole("mul", head, f"%{x}.head"))
                self.bases[x] = f.at(f"%{x}", place, "i8" if x == "mask" else None)
            yield
        f.returns = f.get("i32", self.met)

    @contextmanager
    def blocks(self) -> Iterator[None]:
        f = self.f
        is_causal = f.code.add("icmp ne i64 %causal, 0")
        rounds = f.whole("sdiv", f.whole("add", "%queries", f.whole("sub", "%block", 1)), "%block")
        with f.loop(rounds) as i:
            self.begin = f.whole("mul", i, "%block")
            self.count = f.smaller("%block", f.whole("sub", "%queries", self.begin))
            seen = f.smaller("%keys", f.whole("add", self.begin, self.count))
            self.limit = f.code.add(f"select i1 {is_causal}, i64 {seen}, i64 %keys")
            yield

    def rows(self, array: str, begin: Value | None = None) -> Value:
        """Return the address of an array's rows for the head, from a place on."""
        base = self.bases[array]
        return base if begin is None else self.f.at(base, self.f.whole("mul", begin, f"%{array}.place"))

    def product(
        self,
        x: tuple[Value, Value, Value],
        y: tuple[Value, Value, Value],
        out: tuple[Value, Value],
        lengths: tuple[Value, Value, Value],
        *,
        adds: bool = False,
    ) -> None:
        """Write a product of matrices: addresses and distances of rows and columns; rows, columns and terms."""
        f = self.f
        given = ["i64 1", "i64 0", "i64 0", "i64 0"]
        for address, row, column in (x, y):
            given += [f"ptr {address}", f"i64 {row}", f"i64 {column}"]
        given += [f"ptr {out[0]}", f"i64 {out[1]}", *(f"i64 {n}" for n in lengths), f"i64 {int(adds)}"]
        met = f.code.add(f"call i32 %gemm({', '.join([*given, 'ptr %pack0', 'ptr %pack1'])})")
        f.set("i32", self.met, f.code.add(f"or i32 {f.get('i32', self.met)}, {met}"))

    def scores(self) -> None:
        """Write the products of the block's queries and keys to the memory for weights."""
        queries = (self.rows("q", self.begin), "%q.place", "1")
        keys = (self.rows("k"), "1", "%k.place")
        self.product(queries, keys, ("%weights", "%keys"), (self.count, self.limit, "%features"))

    @contextmanager
    def each_query(self) -> Iterator[tuple[Value, Value, Value, Value]]:
        """Write a loop over the block's queries.

        Gives the place of a query among those of all heads, and among the block's; the address of its weights; and how
        many of these may be other than 0.
        """
        f = self.f
        is_causal = f.code.add("icmp ne i64 %causal, 0")
        with f.loop(self.count) as i:
            query = f.whole("add", self.begin, i)
            own = f.smaller(self.limit, f.whole("add", query, 1))
            seen = f.code.add(f"select i1 {is_causal}, i64 {own}, i64 {self.limit}")
            place = f.whole("add", f.whole("mul", self.head, "%queries"), query)
            yield place, i, f.at("%weights", f.whole("mul", i, "%keys")), seen

    def allowed(self, query: Value, at: Value, mask: Value) -> Value:
        """Return the lanes of keys that a query may look at, of those in `mask`."""
        f, c = self.f, self.f.code
        found = f.variable(c.truth, mask)
        with f.where(f.is_given("%mask")):
            place = f.whole("add", f.whole("mul", f.whole("add", self.begin, query), "%mask.place"), at)
            kind = f"<{c.lanes} x i8>"
            name = f"llvm.masked.load.v{c.lanes}i8.p0"
            c.intrinsics[f"declare {kind} @{name}(ptr, i32, {c.truth}, {kind})"] = None
            address = f.at(self.bases["mask"], place, "i8")
            given = f"ptr {address}, i32 1, {c.truth} {mask}, {kind} zeroinitializer"
            bytes_ = c.add(f"call {kind} @{name}({given})")
            shown = c.add(f"icmp ne {kind} {bytes_}, zeroinitializer")
            f.set(c.truth, found, c.add(f"and {c.truth} {mask}, {shown}"))
        return f.get(c.truth, found)

    def clear(self, row: Value, seen: Value) -> None:
        """Write zeros for the keys that the block looks at and a query does not."""
        f = self.f
        rest = f.at(row, seen)
        with f.vectors(f.whole("sub", self.limit, seen)) as (at, mask):
            f.store(f.code.number(0.0), rest, at, mask)


def _forward(char: str, lanes: int) -> Function:
    a = _Attention("attention", char, lanes, ["q", "k", "v", "out"], ["weights", "sums"])
    f, c = a.f, a.f.code
    with a.each_head(), a.blocks():
        a.scores()
        with a.each_query() as (place, i, row, seen):
            largest = _largest_score(a, i, row, seen)
            total = f.variable(c.type, c.number(0.0))
            with f.vectors(seen) as (at, mask):
                shown = a.allowed(i, at, mask)
                score = c.two("fmul", f.load(row, at, mask), a.scale)
                weight = f.kept(shown, c.function("exp", c.two("fsub", score, largest)))
                f.set(c.type, total, c.two("fadd", f.get(c.type, total), weight))
                f.store(weight, row, at, mask)
            a.clear(row, seen)
            whole = f.spread(f.sum(f.get(c.type, total)))
            # A query that may look at no key.
            whole = c.select(c.compare("oeq", whole, c.number(0.0)), c.number(1.0), whole)
            inverse = c.two("fdiv", c.number(1.0), whole)
            with f.vectors(seen) as (at, mask):
                f.store(c.two("fmul", f.load(row, at, mask), inverse), row, at, mask)
            f.store_one(f.first(c.two("fadd", largest, c.function("log", whole))), "%sums", place)
        values = (a.rows("v"), "%v.place", "1")
        out = (a.rows("out", a.begin), "%out.place")
        a.product(("%weights", "%keys", "1"), values, out, (a.count, "%outputs", a.limit))
    return f


def _largest_score(a: _Attention, query: Value, row: Value, seen: Value) -> Value:
    """Return a vector with the largest score of a query in each lane, or 0 where it may look at no key."""
    f, c = a.f, a.f.code
    lowest = c.number(float("-inf"))
    largest = f.variable(c.type, lowest)
    with f.vectors(seen) as (at, mask):
        score = c.select(a.allowed(query, at, mask), c.two("fmul", f.load(row, at, mask), a.scale), lowest)
        before = f.get(c.type, largest)
        f.set(c.type, largest, c.select(c.compare("ogt", score, before), score, before))
    found = f.spread(f.largest(f.get(c.type, largest)))
    return c.select(c.compare("oeq", found, lowest), c.number(0.0), found)


def _backward(char: str, lanes: int) -> Function:
    strided = ["q", "k", "v", "out", "t", "q_bar", "k_bar", "v_bar"]
    a = _Attention("attention_backward", char, lanes, strided, ["weights", "slopes", "sums"])
    f = a.f
    with a.each_head():
        _clear_rows(f, a.rows("k_bar"), "%k_bar.place", "%features")
        _clear_rows(f, a.rows("v_bar"), "%v_bar.place", "%outputs")
        with a.blocks():
            a.scores()
            _weights_again(a)
            bars, queries = (a.rows(x, a.begin) for x in ("t", "q"))
            turned = ("%weights", "1", "%keys")
            a.product(
                turned,
                (bars, "%t.place", "1"),
                (a.rows("v_bar"), "%v_bar.place"),
                (a.limit, "%outputs", a.count),
                adds=True,
            )
            a.product(
                (bars, "%t.place", "1"),
                (a.rows("v"), "1", "%v.place"),
                ("%slopes", "%keys"),
                (a.count, a.limit, "%outputs"),
            )
            _slopes(a)
            a.product(
                ("%slopes", "%keys", "1"),
                (a.rows("k"), "%k.place", "1"),
                (a.rows("q_bar", a.begin), "%q_bar.place"),
                (a.count, "%features", a.limit),
            )
            a.product(
                ("%slopes", "1", "%keys"),
                (queries, "%q.place", "1"),
                (a.rows("k_bar"), "%k_bar.place"),
                (a.limit, "%features", a.count),
                adds=True,
            )
    return f


def _clear_rows(f: Function, base: Value, distance: Value, length: Value) -> None:
    with f.loop("%keys") as i:
        row = f.at(base, f.whole("mul", i, distance))
        with f.vectors(length) as (at, mask):
            f.store(f.code.number(0.0), row, at, mask)


def _weights_again(a: _Attention) -> None:
    """Turn scores into weights: less the logarithm of the sum, none of the exponentials overflows."""
    f, c = a.f, a.f.code
    with a.each_query() as (place, i, row, seen):
        less = f.spread(f.load_one("%sums", place))
        with f.vectors(seen) as (at, mask):
            score = c.two("fmul", f.load(row, at, mask), a.scale)
            weight = c.function("exp", c.two("fsub", score, less))
            f.store(f.kept(a.allowed(i, at, mask), weight), row, at, mask)
        a.clear(row, seen)


def _slopes(a: _Attention) -> None:
    """Turn products of cotangents and values into cotangents of the products of queries and keys."""
    f, c = a.f, a.f.code
    with a.each_query() as (_, i, row, _):
        # The sum over keys of weights times products, from the output, as in appendix B.2 of the paper.
        t, out = (a.rows(x, f.whole("add", a.begin, i)) for x in ("t", "out"))
        total = f.variable(c.type, c.number(0.0))
        with f.vectors("%outputs") as (at, mask):
            f.set(c.type, total, c.fma(f.load(t, at, mask), f.load(out, at, mask), f.get(c.type, total)))
        less = f.spread(f.sum(f.get(c.type, total)))
        slopes = f.at("%slopes", f.whole("mul", i, "%keys"))
        with f.vectors(a.limit) as (at, mask):
            weight = c.two("fmul", f.load(row, at, mask), a.scale)
            f.store(c.two("fmul", c.two("fsub", f.load(slopes, at, mask), less), weight), slopes, at, mask)
