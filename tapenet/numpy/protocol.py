"""NumPy's dispatch protocols: what plain `np.*` calls on a Tensor, found by name in `tapenet.numpy`."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from types import FrameType, ModuleType
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.arguments import holds_tensor, past_numpy
from tapenet.core.foreign import USUAL, Kind, is_container, kind_of
from tapenet.core.provided import provided
from tapenet.core.source_lines import module_of, user_text
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentTypeError
from tapenet.numpy.reexports import GROUP_OF
from tapenet.numpy.ufunc_methods import call_method

_found: dict[Any, Callable[..., Any]] = {}  # our functions for those of NumPy's that have been asked for
_of_tensors: dict[Any, Callable[..., Any]] = {}  # and what these call where an operand is a Tensor


def counterpart(theirs: Any) -> Callable[..., Any] | None:
    """Find our function for one of NumPy's: of the same name, in its namespace or in those below it."""
    ours = _found.get(theirs)
    if ours is None:
        if theirs in import_module("tapenet.numpy.in_scipy").QUESTIONS:
            ours = import_module("tapenet.numpy.in_scipy").QUESTIONS[theirs]
        elif theirs in _places():
            ours = getattr(*_places()[theirs])
        else:
            ours = import_module("tapenet.numpy.outside").OUTSIDE.get(theirs) or _found_in_scipy(theirs)
        if ours is not None:
            _found[theirs], _of_tensors[theirs] = ours, past_numpy(ours)
    return ours


def _found_in_scipy(theirs: Any) -> Callable[..., Any] | None:
    """Find our function for a ufunc of scipy.special; none can be in use before SciPy is imported."""
    if not isinstance(theirs, np.ufunc) or "scipy.special" not in sys.modules:
        return None
    ours: Callable[..., Any] | None = provided.scipy().special.declaring.COUNTERPARTS.get(theirs)
    return ours


@functools.cache
def _places() -> dict[Any, tuple[ModuleType, str]]:
    """Find for each of NumPy's functions the namespace and the name of ours."""
    table: dict[Any, tuple[ModuleType, str]] = {}
    for here, there in ((tnp, np), (tnp.linalg, np.linalg), (tnp.fft, np.fft)):
        for name in here.__all__:
            theirs = getattr(there, name, None)
            if callable(theirs) and not isinstance(theirs, type) and name not in GROUP_OF:
                table[theirs] = here, name
    return table


def array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *operands: Any, **keywords: Any) -> Any:
    """`__array_ufunc__`: NumPy's ufuncs and their methods on Tensors; a container of another library's takes over."""
    if method == "__call__" and not keywords and USUAL.issuperset(map(type, operands)) and ufunc in _of_tensors:
        return _of_tensors[ufunc](*operands)
    ours = counterpart(ufunc)
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    outs = keywords.pop("out", ())
    if any(map(is_container, (*operands, *outs))):
        return NotImplemented
    if any(out is not None for out in outs):
        raise ArgumentTypeError(
            f"{name}: out= must not be given with a Tensor, which is a value and never changes. "
            + (_advice_in_scipy(sys._getframe(1)) or _instead_of_out(name, operands, outs))
        )
    if ours is None:
        is_users = name.endswith(" (vectorized)")
        raise ArgumentTypeError(
            f"{name}: not supported for a Tensor. {'Write tn.vmap(f)(x) for it.' if is_users else _ADVICE}"
        )
    if method == "__call__":
        if not any(map(holds_tensor, operands)):  # a mask alone is one
            return provided.with_ufunc_keywords(name, ours, operands, keywords)
        return ours(*operands, **keywords)
    of_method = functools.partial(call_method, ufunc, ours, method)
    return _answered(getattr(ufunc, method), of_method, operands, keywords)


def _advice_in_scipy(asking: FrameType) -> str:
    if not module_of(asking).startswith("scipy."):
        return ""
    advice: str = import_module("tapenet.numpy.in_scipy").advice_in_scipy(asking)
    return advice


_IN_PLACE = re.compile(r"\s*(?P<target>[^=]+?)\s*(?P<operator>\*\*|//|<<|>>|[-+*/%@&|^])=\s*(?P<value>.+?)\s*(#.*)?$")


def _instead_of_out(name: str, operands: tuple[Any, ...], outs: tuple[Any, ...]) -> str:
    """Say what to write instead of `a += x`: the line that makes a new value, from the user's file."""
    found = _IN_PLACE.match(user_text()) if operands and outs[0] is operands[0] else None
    if found is None:
        return f"Write y = {name}(...), and a = a + x in place of a += x."
    target, operator, value = found["target"], found["operator"], found["value"]
    made = f"{target} {operator} {value if value.isidentifier() else f'({value})'}"
    base, bracket, index = target.partition("[")
    return f"Write {base} = tn.at({base})[{index}.set({made})." if bracket else f"Write {target} = {made}."


def array_function(self: Tensor, function: Any, types: Any, operands: Any, keywords: Any) -> Any:
    """`__array_function__`: NumPy's other functions on Tensors; a container of another library's takes over."""
    if any(kind_of(of) is Kind.CONTAINER for of in types):
        return NotImplemented
    ours = counterpart(function)
    if ours is None:
        raise ArgumentTypeError(f"{function.__module__}.{function.__name__}: not supported for a Tensor. {_ADVICE}")
    return _answered(function, ours, operands, keywords)


def _answered(function: Any, ours: Callable[..., Any], operands: Any, keywords: Any) -> Any:
    """Call ours; raise where it passes the same Tensors back to NumPy, as they are not operands for it."""
    call = (function, *map(id, filter(_is_tensor, (*operands, *keywords.values()))))
    if call in _dispatches.open:
        raise ArgumentTypeError(_not_an_operand(function, operands, keywords))
    _dispatches.open.append(call)
    try:
        return ours(*operands, **keywords)
    finally:
        _dispatches.open.pop()


class _Dispatches(threading.local):
    """The calls of NumPy's functions that this thread is in the middle of answering."""

    def __init__(self) -> None:
        self.open: list[tuple[Any, ...]] = []


_dispatches = _Dispatches()


def _is_tensor(x: Any) -> bool:
    return type(x) is Tensor


def _not_an_operand(function: Any, operands: Any, keywords: Any) -> str:
    """Return the text of the error for a Tensor in the place of a count, an axis or an array to write into."""
    of_ufunc = getattr(function, "__self__", None)
    name = f"{of_ufunc.__name__}.{function.__name__}" if isinstance(of_ufunc, np.ufunc) else function.__name__
    try:
        given = inspect.signature(function).bind(*operands, **keywords).arguments
    except (TypeError, ValueError):  # a builtin without a signature
        given = {**{f"argument {i}": x for i, x in enumerate(operands)}, **keywords}
    parameter = next((key for key, x in given.items() if holds_tensor(x)), "an argument")
    if parameter == "out":
        return (
            f"{name}: out= must not be given with a Tensor, which is a value and never changes. Write y = {name}(...)."
        )
    return (
        f"{name}: {parameter} must not be a Tensor, as there is no derivative by it. "
        "Write int(x.value), or x.value, for the number alone."
    )


_ADVICE = (
    "Compose it from functions of tapenet.numpy or tapenet.scipy, or give it a derivative by tn.primitive or "
    "tn.custom_vjp; for a constant in the computation, apply it to tn.stop_gradient(x)."
)
