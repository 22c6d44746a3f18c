"""A tape as a graph: Graphviz text, and a picture where Graphviz is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tapenet.core.record import Entry
from tapenet.errors import ArgumentError, DrawingError
from tapenet.views.listing import constant

_FORMATS = ("svg", "png", "pdf", "ps", "eps", "jpg", "gif", "dot")


def dot_text(entries: Sequence[Entry]) -> str:
    """Write the records as a graph in Graphviz's language: an arrow from each value to what is computed from it."""
    lines = ["digraph tape {", "  rankdir=TB;", '  node [shape=box, fontname="monospace"];']
    for slot, (primitive, slots, kept, _, shape, dtype) in enumerate(entries):
        kind = "tuple" if shape is None else f"{shape} {dtype}"
        style = ", style=filled, fillcolor=lightgray" if primitive.family == "leaf" else ""
        lines.append(f'  n{slot} [label="{_escaped(f"%{slot} {primitive.name}")}\\n{_escaped(kind)}"{style}];')
        for place, operand in enumerate(slots):
            if operand is None:
                name = f"c{slot}_{place}"
                lines.append(f'  {name} [label="{_escaped(constant(kept[place]))}", shape=plaintext];')
                lines.append(f"  {name} -> n{slot} [style=dashed];")
            else:
                lines.append(f"  n{operand} -> n{slot};")
    return "\n".join([*lines, "}", ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def draw(entries: Sequence[Entry], path: str | os.PathLike[str]) -> None:
    """Write a picture, in the format of the path's ending; whole, or not at all."""
    target = Path(path)
    ending = target.suffix[1:].lower()
    if ending not in _FORMATS:
        raise ArgumentError(
            f"tape.draw: path must end in one of {', '.join('.' + name for name in _FORMATS)}; got {str(path)!r}."
        )
    text = dot_text(entries)
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
