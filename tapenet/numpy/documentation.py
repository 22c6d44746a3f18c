"""Docstrings and names of the functions of the public namespaces, composed when a function is first used.

A function of `tapenet.ops` documents what it computes, its derivative and an example. What it takes, returns and raises
is documented by NumPy: these sections are cut out of the docstring of the function of the same name in the installed
NumPy, so that they are those of its version. A section that our docstring has itself is left out of NumPy's.
"""

from __future__ import annotations

import functools
import re
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from tapenet.core.signatures import elementwise_signature

_publications: dict[FunctionType, object] = {}
_OF_UFUNCS = (
    *("reduce", "accumulate", "reduceat", "outer", "at"),
    *("nin", "nout", "nargs", "ntypes", "types", "identity", "signature"),
)
_OURS = {"Parameters": "Args:", "Returns": "Returns:", "Raises": "Raises:"}  # our header for each of NumPy's
_TAKEN = frozenset([*_OURS, "Other Parameters", "Yields", "Warns"])
_MARKUP = re.compile(r":(?:ref|doc|term):`([^`<]*?)\s*(?:<[^`>]*>)?`|\s*\[\w+\]_")  # it leads out of the section

_OUT = "On a Tensor, `out` must be None: a value never changes."
_UFUNC_PARAMETERS = """Parameters
----------
{operands} : array_like
    {what}
out : None or ndarray, optional
    Where plain arrays put the result. On a Tensor it must be None: a value never changes.
where : array of bool, optional
    Where to compute. On a Tensor the result is 0 elsewhere, with derivative 0.
dtype, casting : optional
    The dtype that operands are cast to, and which casts are allowed.
order, subok : optional
    The memory layout and subclasses of plain arrays; no effect on a Tensor."""


def publish(namespace: str, value: Any, theirs: ModuleType) -> None:
    """Give a function of a namespace its name as their module, a complete docstring, and a ufunc's attributes.

    Args:
        namespace: its name.
        value: what is in it; nothing is done to what is not a function of tapenet's, or is published already.
        theirs: NumPy's module of the same functions.
    """
    if type(value) is not FunctionType or not str(value.__globals__.get("__name__")).startswith("tapenet."):
        return
    token = object()
    if _publications.setdefault(value, token) is not token:  # atomic: threads may use a function at the same time
        return
    original = getattr(theirs, value.__name__, None)
    value.__module__, value.__qualname__ = namespace, value.__name__
    if isinstance(original, np.ufunc):
        for name in _OF_UFUNCS:  # their methods dispatch, so that they take Tensors
            setattr(value, name, getattr(original, name))
        if original.signature is None:  # else it works on whole arrays
            value.__signature__ = elementwise_signature(original)  # type: ignore[attr-defined]
    if value.__doc__ is not None:  # python -OO leaves them out
        value.__doc__ = composed(value.__doc__, original)


def composed(own: str, theirs: Any) -> str:
    """Compose a docstring of our own one and of the sections that only NumPy's has; our example comes last."""
    head, _, example = _dedented(own).partition("\n>>> ")
    head = head.rstrip()
    if isinstance(theirs, np.ufunc):
        sections = ufunc_sections(theirs.nin, theirs.nout)
    else:
        sections = numpy_sections(theirs)
        if "\nout : " in sections.get("Parameters", ""):
            head = f"{head}\n\n{_OUT}"
    # Ours come first, as Sphinx takes what follows a section in NumPy's style for a part of it.
    beyond = [text for name, text in sections.items() if f"\n{_OURS.get(name)}\n" not in head]
    return "\n\n".join([head, *beyond, *([f"Examples\n--------\n>>> {example}"] if example else [])])


def numpy_sections(function: Any) -> dict[str, str]:
    """Cut the sections on parameters, results and errors out of the docstring of a function of NumPy's.

    They are consecutive, after the summary.
    """
    text = getattr(function, "__doc__", None) or ""
    start = text.find("Parameters\n")
    margin = text[text.rfind("\n", 0, start) + 1 : start]
    rule = text.find(f"\n{margin}---", start) if start >= 0 else -1
    sections = {}
    while rule >= 0 and (name := text[start:rule].strip()) in _TAKEN:
        next_rule = text.find(f"\n{margin}---", rule + 1)
        end = text.rfind("\n", 0, next_rule) if next_rule >= 0 else len(text)
        sections[name] = _without_markup(text[start:end].replace(f"\n{margin}", "\n").strip())
        start, rule = end, next_rule
    return sections


@functools.cache
def ufunc_sections(inputs: int, outputs: int) -> dict[str, str]:
    """Make the sections of a ufunc, which takes and returns what every ufunc does."""
    operands = "x" if inputs == 1 else ", ".join(f"x{i}" for i in range(1, inputs + 1))
    result = "y : array or scalar" if outputs == 1 else f"a tuple of {outputs} arrays or scalars"
    what = "An array or a number." if inputs == 1 else "Arrays and numbers, which broadcast against one another."
    return {
        "Parameters": _UFUNC_PARAMETERS.format(operands=operands, what=what),
        "Returns": f"Returns\n-------\n{result}\n    Of the shape that the operands broadcast to.",
    }


def _without_markup(section: str) -> str:
    return _MARKUP.sub(r"\1", section) if "]_" in section or ":ref:" in section else section


def _dedented(text: str) -> str:
    """Remove the indentation of a docstring, which is that of its last line."""
    margin = text[text.rfind("\n") + 1 :]
    return text.strip() if margin.strip() else text.replace(f"\n{margin}", "\n").strip()
