"""The loops of kernels: over the rows of an array, and over the vectors of each row.

There is no loop where there is one row, or one vector to a row: to compile a loop takes LLVM as long as a hundred
operations, and code without the number of columns serves arrays of all sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

BOUNDS = ("%row0", "%row1", "%column0", "%column1")
OPENING = " {\nentry:\n"  # of a function's body


@attrs.frozen
class Carried:
    """A value that a loop carries from step to step.

    Attributes:
        name: of the value in a step.
        kind: its type.
        first: before the loop.
        after: at the end of a step.
    """

    name: str
    kind: str
    first: str
    after: str

    def line(self, before: str, last: str) -> str:
        """Return its definition, where a loop is entered from one block and begins again after another."""
        return f"{self.name} = phi {self.kind} [ {self.first}, %{before} ], [ {self.after}, %{last} ]"


@attrs.frozen
class Span:
    """Columns of a row: one at least.

    Attributes:
        before: the block that they are reached from.
        first: the first of them.
        end: the one after the last.
    """

    before: str
    first: str
    end: str


@attrs.frozen
class Inner:
    """What is done in each row.

    Attributes:
        lines: of text; the first belong to the block that the row starts in.
        end: the block that they end in.
        seen: whether an argument was out of range in this row or before; empty where none can be.
    """

    lines: Sequence[str]
    end: str
    seen: str


@attrs.frozen
class Loops:
    """The loops of a kernel, which is called for some of the rows, or for some of the columns, of a vector or more.

    Attributes:
        rows, columns: how many there are.
        lanes: columns of a vector.
    """

    rows: int
    columns: int
    lanes: int

    @property
    def row(self) -> str:
        """The number of the row."""
        return "%row" if self.rows > 1 else "0"

    @property
    def column(self) -> str:
        """The first column of the vector."""
        return "%column" if self.columns > self.lanes else "0"

    @property
    def at(self) -> str:
        """The place of the vector's first element in the array."""
        if self.rows == 1:
            return self.column
        return "%at" if self.columns > self.lanes else "%first"

    @property
    def span(self) -> Span:
        """The columns of a row."""
        return Span("row.start" if self.rows > 1 else "entry", "%column0", "%column1")

    @property
    def seen(self) -> str:
        """Whether an argument was out of range in rows before."""
        return "%seen.row" if self.rows > 1 else "false"

    def over_vectors(self, body: Sequence[str], some: str) -> Inner:
        """Return the loop over the vectors of a row.

        Args:
            body: what is done with a vector.
            some: whether an argument in it is out of range; empty where none can be.
        """
        seen = "%now" if some else ""
        if self.columns > self.lanes:
            return Inner(self.loop(body, some, self.span, self.seen), "vector.end", seen)
        return Inner([*body, *([f"%now = or i1 {self.seen}, {some}"] if some else [])], self.span.before, seen)

    def loop(self, body: Sequence[str], some: str, span: Span, seen: str, carried: Sequence[Carried] = ()) -> list[str]:
        """Return the loop over the vectors of some columns, after which `vector.end` begins.

        The last vector ends where the columns do: it may overlap the one before, and writes the same again.

        Args:
            body, some: as for `over_vectors`.
            span: the columns.
            seen: whether an argument was out of range before.
            carried: what else the loop carries.
        """
        own = [Carried("%next", "i64", span.first, "%next.after")]
        own += [Carried("%seen", "i1", seen, "%now")] if some else []
        return [
            f"%last = sub i64 {span.end}, {self.lanes}",
            "br label %vector",
            "vector:",
            *(x.line(span.before, "vector") for x in (*own, *carried)),
            "%is.last = icmp sgt i64 %next, %last",
            "%column = select i1 %is.last, i64 %last, i64 %next",
            *(["%at = add i64 %first, %column"] if self.rows > 1 else []),
            *body,
            *([f"%now = or i1 %seen, {some}"] if some else []),
            f"%next.after = add i64 %next, {self.lanes}",
            f"%is.vector = icmp slt i64 %next.after, {span.end}",
            "br i1 %is.vector, label %vector, label %vector.end",
            "vector.end:",
        ]

    def function(self, arguments: str, inner: Inner) -> str:
        """Return the function KERNEL, which is written into what calls it: functions take LLVM's time, too."""
        lines, seen = inner.lines, inner.seen
        if self.rows > 1:
            lines, seen = self._over_rows(inner), self.seen if inner.seen else ""
        lines = [*lines, *([f"%result = zext i1 {seen} to i32", "ret i32 %result"] if seen else ["ret i32 0"])]
        text = "\n".join(line if line.endswith(":") else f"  {line}" for line in lines)
        bounds = ", ".join(f"i64 {bound}" for bound in BOUNDS)
        return f"define internal i32 @KERNEL({arguments}{bounds}){OPENING}{text}\n}}\n"

    def _over_rows(self, inner: Inner) -> list[str]:
        own = [Carried("%row", "i64", "%row0", "%row.next")]
        own += [Carried(self.seen, "i1", "false", inner.seen)] if inner.seen else []
        return [
            "br label %rows",
            "rows:",
            *(x.line("entry", inner.end) for x in own),
            "%is.row = icmp slt i64 %row, %row1",
            "br i1 %is.row, label %row.start, label %exit",
            "row.start:",
            f"%first = mul i64 %row, {self.columns}",
            *inner.lines,
            "%row.next = add i64 %row, 1",
            "br label %rows",
            "exit:",
        ]
