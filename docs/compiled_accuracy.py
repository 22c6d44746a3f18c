"""The section of docs/guides/accuracy.md on compiled functions: what LLVM computes, in units of the last place.

    python docs/compiled_accuracy.py

writes the section; `docs/generate_accuracy.py` writes the page with it.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import tapenet as tn
from tapenet.kernels.vector_math import FARTHEST, LIMITED

PAGE = Path(__file__).parent / "guides" / "accuracy.md"
TITLE = "## Compiled functions"
AFTER = "## scipy.special"

# Those of `generate_accuracy` that compiled code computes by functions of its own.
NAMES = (
    "exp",
    "expm1",
    "log",
    "log1p",
    "sin",
    "cos",
    "tan",
    "arctan",
    "tanh",
    "logaddexp(x, 0.5)",
    "erf",
    "nn.sigmoid",
    "nn.softplus",
)


def found(function: Any, order: int, x: Any) -> Any:
    """Compute a derivative by a compiled function."""
    f = function.ours
    for _ in range(order):
        f = tn.elementwise_grad(f)
    made: Any = tn.compile(f, backend="llvm", fullgraph=True)
    with np.errstate(all="ignore"):
        for _ in range(2):  # which are recorded: the function itself computes them
            made(x)
        return np.asarray(made(x))


def errors(accuracy: ModuleType, name: str, dtype: Any, order: int, every: int = 1) -> Any:
    """Return the errors at the points of a function, in units of the last place."""
    function = accuracy.FUNCTIONS[name]
    x = accuracy.points(function, dtype, every)
    if name in LIMITED:
        x = x[np.abs(x) <= FARTHEST[x.dtype.char]]
    return accuracy.errors(function.formulas[order], x, found(function, order, x))


def row(accuracy: ModuleType, name: str) -> str:
    """Write the line of a function."""
    cells = [errors(accuracy, name, dtype, order) for dtype in accuracy.DTYPES for order in range(3)]
    texts = [f"{np.ceil(cell.max() * 10) / 10:.1f} ({np.ceil(cell.mean() * 10) / 10:.1f})" for cell in cells]
    return f"| `{name}` | " + " | ".join(texts) + " |"


INTRODUCTION = """
What `tn.compile(f, backend="llvm")` gives, at the same points: these functions are its own, values to 2 ulp in float32
and 3 in float64. Sines, cosines and tangents are held up to 10,000 in float32 and a million in float64; where one of an
array is beyond, NumPy computes all. Compositions, such as `nn.silu` and `nn.gelu`, have the errors above.

| function | float64, value | first | second | float32, value | first | second |
|---|---|---|---|---|---|---|
"""


def section(accuracy: ModuleType) -> str:
    """Write the section."""
    return "\n".join([TITLE, INTRODUCTION + "\n".join(row(accuracy, name) for name in NAMES), ""])


def spliced(page: str, text: str) -> str:
    """Return the page with the section in place of its own, or before the one that it stands before."""
    before, _, after = page.partition(AFTER)
    return before.partition(TITLE)[0].rstrip("\n") + "\n\n" + text + "\n" + AFTER + after


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    text = section(importlib.import_module("generate_accuracy"))
    PAGE.write_text(spliced(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
