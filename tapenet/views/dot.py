"""A tape as a graph: Graphviz text, and a picture where Graphviz is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import attrs

from tapenet.core.record import SLOTS
from tapenet.core.recorder import Recorder
from tapenet.errors import ArgumentError, DrawingError
from tapenet.views.explanation import Explanation, Step, color
from tapenet.views.grouping import LONG, grouped
from tapenet.views.listing import constant

_FORMATS = ("svg", "png", "pdf", "ps", "eps", "jpg", "gif", "dot")


@attrs.frozen(eq=False)
class Picture:
    """What a picture shows of a tape.

    Attributes:
        trace: of the tape.
        explanation: whose statuses are colours, and whose norms are told; None for a picture without.
        collapse: whether records are joined in groups; None for long tapes alone.
    """

    trace: Recorder
    explanation: Explanation | None
    collapse: bool | None
    steps: dict[int, Step] = attrs.field(init=False)

    @steps.default
    def _steps(self) -> dict[int, Step]:
        return {} if self.explanation is None else {step.slot: step for step in self.explanation.steps}

    def text(self) -> str:
        """Write the records as a graph in Graphviz's language: an arrow from each value to what is computed from it."""
        lines = ["digraph tape {", "  rankdir=TB;", '  node [shape=box, fontname="monospace"];']
        if self.explanation is not None:
            lines.append(f'  label="{_LEGEND}"; fontname="monospace";')
        is_long = len(self.trace.entries) > LONG
        lines += self._of_groups() if self.collapse or (self.collapse is None and is_long) else self._of_records()
        return "\n".join([*lines, "}", ""])

    def _of_records(self) -> list[str]:
        lines = []
        entries = self.trace.entries
        for slot, (primitive, slots, kept, _, shape, dtype) in enumerate(entries):
            label = [f"%{slot} {primitive.name}", "tuple" if shape is None else f"{shape} {dtype}"]
            lines.append(self._node(f"n{slot}", label, [slot], is_leaf=primitive.family == "leaf"))
            for place, operand in enumerate(slots):
                if operand is None:
                    name = f"c{slot}_{place}"
                    lines.append(f'  {name} [label="{_escaped(constant(kept[place]))}", shape=plaintext];')
                    lines.append(f"  {name} -> n{slot} [style=dashed];")
                else:
                    lines.append(f"  n{operand} -> n{slot};")
        return lines

    def _of_groups(self) -> list[str]:
        entries = self.trace.entries
        groups = grouped(self.trace)
        group_of = {slot: i for i, group in enumerate(groups) for slot in group.slots}
        lines, arrows = [], dict[tuple[int, int], None]()
        for i, group in enumerate(groups):
            first, last = group.slots[0], group.slots[-1]
            *_, shape, dtype = entries[last]
            kind = "tuple" if shape is None else f"{shape} {dtype}"
            if not group.operations:
                lines.append(self._node(f"g{i}", [f"%{last} watch", kind], group.slots, is_leaf=True))
                continue
            computed = [slot for slot in group.slots if entries[slot][0].family != "leaf"]
            commonest = ", ".join(f"{count} {name}" for name, count in group.operations.most_common(3))
            others = len(group.operations) - 3
            label = [
                *([group.name] if group.name else []),
                f"%{computed[0]}" if len(computed) == 1 else f"%{computed[0]} to %{last}",
                f"{commonest} and {others} more" if others > 0 else commonest,
                *([f"{len(group.slots) - len(computed)} watched"] if first != computed[0] else []),
                kind,
            ]
            lines.append(self._node(f"g{i}", label, group.slots, is_leaf=False))
            operands = (operand for slot in computed for operand in entries[slot][SLOTS] if operand is not None)
            arrows |= {(group_of[operand], i): None for operand in operands if group_of[operand] != i}
        return [*lines, *(f"  g{start} -> g{end};" for start, end in arrows)]

    def _node(self, name: str, label: list[str], slots: Sequence[int], *, is_leaf: bool) -> str:
        fill = "lightgray" if is_leaf else ""
        steps = [self.steps[slot] for slot in slots if slot in self.steps]
        if steps:
            fill, norm = color(steps), steps[-1].norm
            label = label if norm is None else [*label, f"norm {norm:.3g}"]
        style = f", style=filled, fillcolor={_quoted(fill)}" if fill else ""
        return f'  {name} [label="{_LINE.join(map(_escaped, label))}"{style}];'


_LINE = "\\n"
_LEGEND = (
    "The cotangent goes on (green), is made small (yellow), dies in part (orange), dies (red),"
    f"{_LINE}is NaN or infinite (purple), or does not come (grey)."
)


def _quoted(fill: str) -> str:
    return f'"{fill}"' if fill.startswith("#") else fill


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def draw(picture: Picture, path: str | os.PathLike[str]) -> None:
    """Write a picture, in the format of the path's ending; whole, or not at all."""
    target = Path(path)
    ending = target.suffix[1:].lower()
    if ending not in _FORMATS:
        raise ArgumentError(
            f"tape.draw: path must end in one of {', '.join('.' + name for name in _FORMATS)}; got {str(path)!r}."
        )
    text = picture.text()
    _write_whole(target, text.encode() if ending == "dot" else _picture(text, ending))


def _picture(text: str, ending: str) -> bytes:
    program = shutil.which("dot")
    if program is None:
        raise DrawingError(
            "tape.draw: Graphviz's program `dot` must be installed; found none on the path. Install it "
            "(`apt install graphviz`, `brew install graphviz`, `conda install graphviz`), or write tape.to_dot() "
            "to a file and draw it elsewhere."
        )
    done = subprocess.run([program, f"-T{ending}"], input=text.encode(), capture_output=True, check=False)
    if done.returncode or not done.stdout:
        raise DrawingError(f"tape.draw: `dot` must draw the graph; it said: {done.stderr.decode().strip()}")
    return done.stdout


def _write_whole(target: Path, data: bytes) -> None:
    """Write a file beside the target, then put it in its place."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
