"""Docstrings and names of the public namespace, composed when it is imported.

A function of `tapenet.ops` documents what it computes, its derivative and an example. What it takes, returns and raises
is documented by NumPy: these sections are cut out of the docstring of the function of the same name in the installed
NumPy, so that they are those of its version. A section that our docstring has itself is left out of NumPy's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

_PUBLISHED = ("tapenet.numpy", "tapenet.numpy.linalg", "tapenet.numpy.fft")
_OURS = {"Parameters": "Args:", "Returns": "Returns:", "Raises": "Raises:"}  # our header for each of NumPy's
_AFTERWARDS = ("See Also", "See also", "Notes", "References", "Examples", "Warnings", "Attributes")
_HEADER = re.compile(r"\n+(?=[A-Z][\w ]*\n-{3,}\n)")
_MARKUP = re.compile(r":(?:ref|doc|term):`([^`<]*?)\s*(?:<[^`>]*>)?`|\s*\[\w+\]_")  # it leads out of the section

_RETURNS = "\n\nReturns\n---"

_OUT = "On a Tensor, `out` must be None: a value never changes."
_UFUNC_KEYWORDS = """out : None or ndarray, optional
    Where plain arrays put the result. On a Tensor it must be None: a value never changes.
where : array of bool, optional
    Where to compute. On a Tensor the result is 0 elsewhere, with derivative 0.
dtype, casting : optional
    The dtype that operands are cast to, and which casts are allowed.
order, subok : optional
    The memory layout and subclasses of plain arrays; no effect on a Tensor."""


def publish(module: str, names: Mapping[str, Any], theirs: ModuleType) -> None:
    """Give the functions of a namespace its name as their module, and complete docstrings.

    Args:
        module: the name of the namespace.
        names: what is in it.
        theirs: NumPy's module of the same functions.
    """
    for name, function in names.items():
        if name.startswith("_") or type(function) is not FunctionType or function.__module__ in _PUBLISHED:
            continue
        if function.__globals__["__name__"].startswith("tapenet."):  # else it is NumPy's own
            function.__module__, function.__qualname__ = module, function.__name__
            if function.__doc__ is not None:  # with python -OO there are none
                function.__doc__ = composed(function.__doc__, getattr(theirs, function.__name__, None))


def composed(own: str, theirs: Any) -> str:
    """Compose a docstring of our own one, with its example last, and what NumPy's has beyond it."""
    head, _, example = _dedented(own).partition("\n>>> ")
    head, sections = head.rstrip(), numpy_sections(theirs)
    if "\nout : " in sections and not isinstance(theirs, np.ufunc):
        head = f"{head}\n\n{_OUT}"
    for name, ours in _OURS.items():
        if f"\n{ours}\n" in head:
            sections = _without(sections, name)
    parts = [head, sections, f"Examples\n--------\n>>> {example}" if example else ""]
    return "\n\n".join([part for part in parts if part])


def numpy_sections(function: Any) -> str:
    """Cut the sections on parameters, results and errors out of the docstring of a function of NumPy's.

    They stand together. Only `find` and slices are used, as it is done for each function when tapenet is imported.
    """
    text = getattr(function, "__doc__", None) or ""
    start = text.find("Parameters\n")
    if start < 0:
        return ""
    margin = text[text.rfind("\n", 0, start) + 1 : start]
    text = text[start:]
    for name in _AFTERWARDS:
        end = text.find(f"\n{margin}{name}\n{margin}---")
        text = text[:end] if end >= 0 else text
    if margin:
        text = text.replace(f"\n{margin}", "\n")
    if isinstance(function, np.ufunc):
        operands, _, rest = text.partition("\nout : ")
        text = f"{operands}\n{_UFUNC_KEYWORDS}{rest[rest.find(_RETURNS) :]}"
    if "]_" in text or ":ref:" in text:
        text = _MARKUP.sub(r"\1", text)
    return text.rstrip()


def _without(sections: str, name: str) -> str:
    """Leave out one section."""
    parts = _HEADER.split(sections)
    return "\n\n".join([part for part in parts if not part.startswith(f"{name}\n")])


def _dedented(text: str) -> str:
    """Remove the indentation of a docstring, which is that of its last line."""
    margin = text[text.rfind("\n") + 1 :]
    return text.strip() if margin.strip() else text.replace(f"\n{margin}", "\n").strip()
