"""`Explanation`: why a gradient is zero, tiny, huge or not finite, as text, as a table, and as colours of a picture."""

from __future__ import annotations

import html
import math
from collections.abc import Collection, Sequence

import attrs

from tapenet.core.recorder import Recorder
from tapenet.diagnostics.explaining import Found, SourceFinding, line_at
from tapenet.diagnostics.followed import Flow
from tapenet.diagnostics.magnitudes import Magnitude
from tapenet.views.html import html_table
from tapenet.views.tables import aligned

_ENDS = 10  # steps that are listed at each end of a long walk
_REMARKED = 30  # steps with a remark between them

_HEAD = ("slot", "operation", "shape", "norm", "zeros", "factor", "what happens")
_WORDS = {
    "nan": "is NaN",
    "infinite": "is infinite",
    "zero": "is zero",
    "huge": "is huge",
    "tiny": "is tiny",
    "finite": "is finite",
    "empty": "is empty",
    "unconnected": "is not there: y does not depend on it",
}


@attrs.frozen
class Step:
    """One record of the walk from y to x.

    Attributes:
        slot: of the record.
        operation: its name.
        shape: of its value; None for a tuple.
        norm: of its cotangent, of the finite elements; None where none came.
        zeros: the part of its cotangent that is zero.
        factor: the norm of what it gives to its operands, in its own norm.
        status: "not finite", "dead" (nothing goes on), "partly dead", "saturated", "unreached" (where no
            cotangent comes, or one of zeros) or "".
        remark: what happens there.
        line: the user's, where the tape was recorded inside `checks`.
    """

    slot: int
    operation: str
    shape: tuple[int, ...] | None
    norm: float | None
    zeros: float | None
    factor: float | None
    status: str
    remark: str
    line: str


@attrs.frozen(repr=False)
class Explanation:
    """What `tape.explain` found; `print` it.

    Attributes:
        sources: for each leaf of x its verdict ("nan", "infinite", "zero", "huge", "tiny", "finite", "empty" or
            "unconnected"), the reasons, and the magnitude of its gradient.
        steps: the records between y and x, from y on.
    """

    sources: tuple[SourceFinding, ...]
    steps: tuple[Step, ...]

    @property
    def verdict(self) -> str:
        """The gravest verdict of all sources."""
        found = {source.verdict for source in self.sources}
        return next((verdict for verdict in ("unconnected", *_WORDS) if verdict in found), "finite")

    def __repr__(self) -> str:
        return f"<Explanation, {self.verdict}, {len(self.steps)} records>"

    def __str__(self) -> str:
        text = "\n".join(line for source in self.sources for line in _sentences(source))
        if not self.steps:
            return text
        rows, left_out = self._listed()
        lines = aligned([self._head, *rows], _RIGHT[: len(self._head)]).split("\n")
        more = [f"... {left_out} more records ..."] if left_out else []
        return "\n".join([text, "", *lines, *more, *self._advice])

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{html.escape(line)}</p>" for source in self.sources for line in _sentences(source))
        if not self.steps:
            return lines
        rows, left_out = self._listed()
        more = f"<p>... {left_out} more records ...</p>" if left_out else ""
        return f"{lines}{html_table(self._head, rows)}{more}"

    @property
    def _head(self) -> tuple[str, ...]:
        return (*_HEAD, "line") if any(step.line for step in self.steps) else _HEAD

    @property
    def _advice(self) -> list[str]:
        known = any(step.line for step in self.steps)
        return [] if known else ["For the lines of your program, record inside `with tn.checks(nan=False):`."]

    def _listed(self) -> tuple[list[tuple[str, ...]], int]:
        """Return the rows that are listed, and how many are left out."""
        steps = self.steps
        if len(steps) > 2 * _ENDS + _REMARKED:
            between = [step for step in steps[_ENDS:-_ENDS] if step.status not in ("", "unreached")][:_REMARKED]
            steps = (*steps[:_ENDS], *between, *steps[-_ENDS:])
        width = len(self._head)
        return [_cells(step)[:width] for step in steps], len(self.steps) - len(steps)


_RIGHT = [True, False, False, True, True, True, False, False]
_COLORS = {
    "not finite": "#b07aa1",
    "dead": "#e15759",
    "partly dead": "#f6c6a3",
    "saturated": "#f1ce63",
    "": "#c7e3c4",
    "unreached": "#e0e0e0",
}


def color(steps: Sequence[Step]) -> str:
    """Return the fill of a node of these records in a picture; "" where there are none."""
    statuses = {step.status for step in steps}
    return next((_COLORS[status] for status in _COLORS if status in statuses), "")


def _cells(step: Step) -> tuple[str, ...]:
    return (
        f"%{step.slot}",
        step.operation,
        "tuple" if step.shape is None else str(step.shape),
        "" if step.norm is None else f"{step.norm:.3g}",
        "" if step.zeros is None else f"{step.zeros:.0%}",
        "" if step.factor is None else f"{step.factor:.3g}",
        step.remark,
        step.line,
    )


def _sentences(source: SourceFinding) -> list[str]:
    first = f"The gradient by {source.path} {_WORDS[source.verdict]}{_numbers(source.magnitude)}."
    return [first, *(f"  {reason}" for reason in source.reasons)]


def _numbers(size: Magnitude | None) -> str:
    if size is None or not size.size or size.is_zero:
        return ""
    if not size.is_finite:
        return f" ({_nonfinite(size)} of {size.size})"
    zeros = f"; {size.zeros / size.size:.0%} of it is zero" if size.zeros else ""
    return f" (norm {size.norm:.3g}, largest {size.largest:.3g}){zeros}"


def _nonfinite(size: Magnitude) -> str:
    counts = [f"{size.nans} NaN"] * bool(size.nans) + [f"{size.infinities} infinite"] * bool(size.infinities)
    return ", ".join(counts)


def explanation(trace: Recorder, found: Found) -> Explanation:
    """Return what was found as an explanation."""
    followed = found.followed
    steps = [_step(trace, slot, followed.cotangents.get(slot), followed.flows.get(slot, ())) for slot in followed.slots]
    return Explanation(found.sources, tuple(steps))


def _step(trace: Recorder, slot: int, came: Magnitude | None, flows: Sequence[Flow]) -> Step:
    primitive, *_, shape, _ = trace.entries[slot]
    causes = [flow.cause for flow in flows if flow.cause is not None]
    remark = "; ".join(dict.fromkeys(cause.text for cause in causes))
    if came is not None and not came.is_finite:
        remark = remark or _nonfinite(came)
    went = math.hypot(*(flow.went.norm for flow in flows))
    is_told = came is not None and came.norm > 0 and all(flow.went.is_finite for flow in flows) and bool(flows)
    return Step(
        slot,
        primitive.name,
        shape,
        None if came is None else came.norm,
        came.zeros / came.size if came is not None and came.size else None,
        went / came.norm if is_told and came is not None else None,
        _status(came, flows, {cause.kind for cause in causes}),
        remark,
        line_at(trace, slot),
    )


def _status(came: Magnitude | None, flows: Sequence[Flow], kinds: Collection[str]) -> str:
    if "not finite" in kinds or (came is not None and not came.is_finite):
        return "not finite"
    if came is None or came.is_zero:
        return "unreached"
    if flows and all(flow.went.is_zero for flow in flows):
        return "dead"
    if "dead" in kinds or "partly dead" in kinds:
        return "partly dead"
    return "saturated" if "saturated" in kinds else ""
