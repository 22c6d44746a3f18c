"""Writes docs/guides/coverage.md: what becomes of each of NumPy's functions on a Tensor.

    python docs/generate_coverage.py

Functions are placed by what they are in `tapenet.numpy`: NumPy's own, without derivative, refused, or differentiated.
That the last ones are differentiated rightly is for the tests to say, which have a subject for each of them. Below them
are the operations that they are made of, with what is known of each beside its derivative: see `COLUMNS`.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np

import tapenet.nn
import tapenet.numpy
from tapenet.core.primitive import REGISTRY, Primitive
from tapenet.numpy import reexports
from tapenet.ops.arrays.refusals import REFUSED
from tapenet.series.walk import kind_of_rule
from tapenet.transforms.sparse import rules as sparse_rules

BOTH = "both modes"
CONSTANT = "piecewise constant"
PLAIN = "no derivative"
REFUSAL = "refused"
OWN = "NumPy's own"

PIECEWISE_CONSTANT = frozenset("around ceil fix floor floor_divide rint round sign spacing trunc".split())
WITHOUT_DERIVATIVE = frozenset(["argsort", "linalg.matrix_rank"])  # more than NumPy's functions on plain values

NAMESPACES = ("", ".linalg", ".fft")
PAGE = Path(__file__).parent / "guides" / "coverage.md"

INTRODUCTION = """# What is differentiated

What becomes of each public function of NumPy's on a Tensor, as `tapenet.numpy` or as plain `numpy`:

- **both modes**: differentiable forward and in reverse, to any order. The note says what the derivative is, and at
  its edges what it is taken to be.
- **piecewise constant**: the derivative is zero wherever there is one, and zero is the answer.
- **no derivative**: gives plain arrays, of truths, places, counts or text.
- **refused**: raises, and says what to write instead.
- **NumPy's own**: not about arrays of numbers, and passed on as it is.

Written by `python docs/generate_coverage.py`, with NumPy {version}.
"""

OPERATIONS = """## Operations

The operations that functions are made of, as tapes record them; `scipy.special` and your own have more.

- **family**: how the derivative is declared; see [Extending](extending.md).
- **series rule**: how `tn.jet` computes its Taylor series. *rule*: by a recurrence for it. *linear*, *multilinear*: the
  operation itself on each coefficient, or on each pair of them. *pieces*: linear on the piece that the value chooses.
  *by jvp*: by the series of its pushforward, a walk for each order.
- **sparse rule**: which elements `tn.sparsity` takes an element of the result to depend on. *element*: that in its
  place. *moved*: that which was moved there. *window*, *axes*, *matrix*: those of the same window, along the axes, of
  the same matrix. *earlier*: those up to its place. *factors*: those that are multiplied and added for it, but for
  those beside a constant factor of zero. *none*: none, as its derivative is zero. *all*: all of them.
"""
COLUMNS: dict[str, Callable[[Primitive], str]] = {
    "family": lambda p: p.family,
    "series rule": kind_of_rule,
    "sparse rule": sparse_rules.kind_of_rule,
}


@attrs.frozen
class Row:
    """A function's place in the table."""

    name: str
    kind: str
    note: str

    def __str__(self) -> str:
        note = self.note.replace("|", "\\|")
        return f"| `{self.name}` | {self.kind} | {note} |"


def public_functions(module: Any) -> list[str]:
    """The public functions of a module, ufuncs among them; no classes, no modules, no numbers."""
    names = [name for name in dir(module) if not name.startswith("_") and name != "test"]  # which runs NumPy's tests
    return [name for name in names if callable(getattr(module, name)) and not inspect.isclass(getattr(module, name))]


def row(part: str, name: str) -> Row | None:
    """Where a function has its place; None where nothing says so."""
    theirs = getattr(importlib.import_module(f"numpy{part}"), name)
    ours = getattr(importlib.import_module(f"tapenet.numpy{part}"), name, None)
    full_name = f"{part[1:]}.{name}" if part else name
    if ours is None:
        return None
    if not part and name in reexports.GROUP_OF:
        return Row(full_name, OWN, " ".join(reexports.GROUP_OF[name].split()))
    if not part and name in REFUSED:
        return Row(full_name, REFUSAL, f"Write `{REFUSED[name]}`.")
    if ours is theirs:
        return Row(full_name, OWN, "")
    if getattr(ours, "__wrapped__", None) is theirs or full_name in WITHOUT_DERIVATIVE:
        return Row(full_name, PLAIN, note_of(ours))
    return Row(full_name, CONSTANT if name in PIECEWISE_CONSTANT else BOTH, note_of(ours))


def note_of(function: Callable[..., Any]) -> str:
    """Find what a docstring says of the derivative, in a paragraph that begins with the word."""
    text = inspect.getdoc(function) or ""
    found = re.search(r"^(?:No derivative: |(?=Derivatives?: ))(.*?)(?=\n\n|\Z)", text, re.DOTALL | re.MULTILINE)
    return " ".join(found[1].split()) if found else ""


def unplaced(part: str) -> list[str]:
    """The functions of this NumPy that have no place."""
    names = public_functions(importlib.import_module(f"numpy{part}"))
    return [f"numpy{part}.{name}" for name in names if row(part, name) is None]


def rows(part: str, *, strict: bool = True) -> Iterator[Row]:
    """The table of a namespace; where `strict`, a function without a place is an error."""
    if strict and unplaced(part):
        raise LookupError(f"without a place, in tapenet.numpy or its table of NumPy's own: {unplaced(part)}")
    placed = (row(part, name) for name in public_functions(importlib.import_module(f"numpy{part}")))
    return (found for found in placed if found is not None)


def operations() -> Iterator[str]:
    """The table of operations."""
    for namespace in (tapenet.numpy, tapenet.numpy.linalg, tapenet.numpy.fft, tapenet.nn):
        for name in namespace.__all__:
            getattr(namespace, name)  # functions are imported, and their operations registered, at their first use
    yield f"| operation | {' | '.join(COLUMNS)} |"
    yield "|---" * (1 + len(COLUMNS)) + "|"
    for name, primitive in sorted(REGISTRY.items()):
        if primitive.family != "leaf":
            yield f"| `{name}` | {' | '.join(kind(primitive) for kind in COLUMNS.values())} |"


def page() -> str:
    sections = [INTRODUCTION.format(version=np.__version__)]
    for part in NAMESPACES:
        table = list(rows(part))
        counts = {kind: sum(r.kind == kind for r in table) for kind in (BOTH, CONSTANT, PLAIN, REFUSAL, OWN)}
        total = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        lines = [f"## numpy{part}", "", f"{len(table)} functions: {total}.", ""]
        sections.append("\n".join([*lines, "| function | kind | note |", "|---|---|---|", *map(str, table), ""]))
    sections.append("\n".join([OPERATIONS, *operations(), ""]))
    return "\n".join(sections)


if __name__ == "__main__":
    PAGE.write_text(page())
