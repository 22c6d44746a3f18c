"""Functions of SciPy's that have no derivative, declared so that each has its place."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from tapenet.core.arguments import holds_tensor, numpy_function
from tapenet.core.pytrees import tree_leaves
from tapenet.errors import ArgumentTypeError, MissingPackageError

Function = Callable[..., Any]


def of_module(module: ModuleType, name: str) -> Any:
    """Return SciPy's function, or for an older SciPy one that raises."""
    found = getattr(module, name, None)
    return absent(f"{module.__name__}.{name}") if found is None else found


def absent(name: str) -> Function:
    """Return a function that says that the installed SciPy lacks it."""

    def raising(*arguments: Any, **keywords: Any) -> Any:
        raise MissingPackageError(f"{name}: a newer SciPy must be installed. Install it: pip install --upgrade scipy.")

    raising.__name__ = raising.__qualname__ = name.rpartition(".")[2]
    return raising


def summary_of(function: Any) -> str:
    """Return the first sentence of SciPy's own documentation of a function."""
    paragraphs = [text.strip() for text in (getattr(function, "__doc__", None) or "").split("\n\n")]
    prose = (text for text in paragraphs if text and "(" not in text.split("\n")[0].split(" ")[0])
    found = " ".join(next(prose, "").split()).partition(". ")[0].rstrip(".")
    return f"{found}." if found else "A function of SciPy's."


def refused(module: ModuleType, name: str, instead: str, *, reason: str = "") -> Function:
    """Declare a function that is not differentiated: plain arrays go to SciPy, a Tensor raises.

    Args:
        module: SciPy's.
        name: of the function.
        instead: what to write instead, a sentence.
        reason: why, a sentence.
    """
    return _without_tensors(module, name, instead, f"Refused: {reason} {instead}".replace("  ", " "))


def passed_on(module: ModuleType, name: str, reason: str) -> Function:
    """Declare a function of numbers that nothing is differentiated by, such as counts: SciPy's own.

    Args:
        module: SciPy's.
        name: of the function.
        reason: why it has no derivative, a sentence.
    """
    instead = "Write int(x.value), or x.value, for the number alone."
    return _without_tensors(module, name, instead, f"No derivative: {reason}")


def _without_tensors(module: ModuleType, name: str, instead: str, note: str) -> Function:
    theirs = of_module(module, name)
    short = f"{module.__name__.removeprefix('scipy.')}.{name}"

    def function(*arguments: Any, **keywords: Any) -> Any:
        if any(map(holds_tensor, (*arguments, *keywords.values()))) or any(
            map(holds_tensor, tree_leaves((arguments, keywords)))
        ):
            raise ArgumentTypeError(f"{short}: not supported for a Tensor. {instead}")
        return theirs(*arguments, **keywords)

    if callable(theirs) and not isinstance(theirs, type):
        functools.update_wrapper(function, theirs, ("__name__",), ())
    function.__name__ = function.__qualname__ = name
    function.__module__ = f"tapenet.{module.__name__}"
    function.instead = instead  # type: ignore[attr-defined]  # read where SciPy's own function is called
    function.__doc__ = (
        f"{summary_of(theirs)}\n\n{note}\n\nParameters and results are those of {module.__name__}.{name}."
    )
    return function


def published(function: Function, module: ModuleType, name: str, note: str, summary: str = "") -> Function:
    """Give a function its name, module and docstring.

    Args:
        function: the function.
        module: SciPy's module of its counterpart.
        name: of the function.
        note: the paragraph on its derivative.
        summary: the first one; by default the first sentence of SciPy's.
    """
    function.__name__ = function.__qualname__ = name
    function.__module__ = f"tapenet.{module.__name__}"
    summary = summary or summary_of(getattr(module, name, None))
    function.__doc__ = f"{summary}\n\n{note}\n\nParameters and results are those of {module.__name__}.{name}."
    return function


def counterpart(module: ModuleType, note: str, summary: str = "") -> Callable[[Function], Function]:
    """Declare a function of Tensors as the counterpart of SciPy's of that name, which plain arrays go to.

    Args:
        module: SciPy's.
        note: the paragraph on its derivative.
        summary: the first sentence; by default that of SciPy's.
    """

    def declare(function: Function) -> Function:
        name = function.__name__
        return published(numpy_function(of_module(module, name))(function), module, name, note, summary)

    return declare
