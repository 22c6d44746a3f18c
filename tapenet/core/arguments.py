"""Arguments of NumPy's functions: axes normalized, and keywords that a Tensor cannot take refused."""

from __future__ import annotations

import functools
import inspect
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from tapenet.core.foreign import Kind, kind_of, plain_array, refusal
from tapenet.core.primitive import Array
from tapenet.core.provided import provided
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError, AxisError


class _Absent:
    def __repr__(self) -> str:
        return "<no value>"  # as NumPy writes it in signatures


ABSENT: Any = _Absent()  # the default of an argument for which None means something

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)


def refuse(function: str, keywords: Mapping[str, Any]) -> None:
    """Raise for any keyword argument that is left over."""
    given = {name: value for name, value in keywords.items() if value is not None}
    if given.get("out") is not None:
        raise ArgumentTypeError(
            f"{function}: out= must not be given with a Tensor, which is a value and never changes. "
            f"Write y = {function}(...)."
        )
    if given:
        raise ArgumentTypeError(f"{function}: a Tensor takes no keyword {', '.join(sorted(given))}.")


def check_device(function: str, device: Any) -> None:
    """Raise for a device other than the only one."""
    if device not in (None, "cpu"):
        raise ArgumentError(f"{function}: device must be 'cpu' or None; got {device!r}.")


def axis_of(function: str, axis: Any, ndim: int, name: str = "axis") -> int:
    """One axis, as a number in [0, ndim)."""
    try:
        place = operator.index(axis)
    except TypeError:
        raise ArgumentTypeError(f"{function}: {name} must be an integer; got {axis!r}.") from None
    if not -ndim <= place < ndim:
        raise AxisError(f"{function}: {name} must be in [{-ndim}, {ndim}) for an array of {ndim} axes; got {axis}.")
    return place % ndim


def axes_of(function: str, axes: Any, ndim: int, name: str = "axis") -> tuple[int, ...]:
    """Axes, one or several, as distinct numbers in [0, ndim)."""
    several = axes if isinstance(axes, Sequence | np.ndarray) else (axes,)
    places = tuple(axis_of(function, axis, ndim, name) for axis in several)
    if len(set(places)) != len(places):
        raise ArgumentError(f"{function}: {name} must name each axis once; got {axes!r}.")
    return places


# ---- which function answers: NumPy's, off the tape, or ours ----


def holds_tensor(x: Any) -> bool:
    """Whether x is a Tensor, or a list or tuple with one somewhere in it."""
    return type(x) is Tensor or (isinstance(x, list | tuple) and any(map(holds_tensor, x)))


def collected(x: Any) -> Array:
    """A list or tuple that holds Tensors as one Tensor; anything else as it is."""
    if isinstance(x, list | tuple) and holds_tensor(x):
        return provided.array(x)
    return x


def as_array(x: Any) -> Array:
    """A list as an array, or as a Tensor where it holds one; an array or a Tensor as it is, of a constant its array."""
    if type(x) is np.ndarray or type(x) is Tensor:
        return x
    kind = kind_of(type(x))
    if kind is Kind.CONSTANT:
        return plain_array(x)
    if kind is Kind.REFUSED or (kind is Kind.CONTAINER and not hasattr(x, "dtype")):
        raise ArgumentTypeError(refusal("tapenet.numpy", "operands", x))
    return x if hasattr(x, "dtype") else collected(x) if holds_tensor(x) else np.asarray(x)


def off_tape(ours: Function, theirs: Function, a: Any, *arguments: Any, **keywords: Any) -> Any:
    """NumPy's function on what is not a Tensor; ours where that is a list that holds Tensors."""
    if isinstance(a, list | tuple) and holds_tensor(a):
        return ours(collected(a), *arguments, **keywords)
    return theirs(a, *arguments, **keywords)


def given(**arguments: Any) -> dict[str, Any]:
    """The arguments that were given, of those whose default is ABSENT."""
    return {name: value for name, value in arguments.items() if value is not ABSENT}


def numpy_function(theirs: Function | None, *, collects: bool = True) -> Callable[[F], F]:
    """Declare a function of Tensors as the counterpart of one of NumPy's, with the same parameters.

    Where no argument is a Tensor, or a list with one in it, NumPy's function answers, whatever its keywords. Else
    `out=` and keywords that ours lacks are refused.

    Args:
        theirs: NumPy's function; None where this version of NumPy lacks it, then ours serves both.
        collects: whether lists that hold Tensors come as one Tensor; not for functions of several arrays.
    """

    def declare(ours: F) -> F:
        name = ours.__name__
        parameters = inspect.signature(ours).parameters
        takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
        out_place = list(parameters).index("out") if "out" in parameters else sys.maxsize

        @functools.wraps(ours)
        def function(*arguments: Any, **keywords: Any) -> Any:
            if theirs is not None and not any(map(holds_tensor, (*arguments, *keywords.values()))):
                return theirs(*arguments, **keywords)
            if keywords:
                refuse(
                    name,
                    {key: v for key, v in keywords.items() if key == "out" or not (takes_all or key in parameters)},
                )
                keywords = {key: v for key, v in keywords.items() if takes_all or key in parameters}
            if len(arguments) > out_place:
                refuse(name, {"out": arguments[out_place]})
            if collects:
                arguments = tuple(map(collected, arguments))
                keywords = {key: collected(v) for key, v in keywords.items()}
            return ours(*arguments, **keywords)

        return cast("F", function)

    return declare
