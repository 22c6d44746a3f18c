"""Arguments of NumPy's functions: axes normalized, and keywords that a Tensor cannot take refused."""

from __future__ import annotations

import functools
import inspect
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

import attrs
import numpy as np

from tapenet.core.foreign import Kind, kind_of, plain_array, refusal
from tapenet.core.primitive import CONSTANTS, Array
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
    left = {name: value for name, value in keywords.items() if value is not None}
    if left.get("out") is not None:
        raise ArgumentTypeError(
            f"{function}: out= must not be given with a Tensor, which is a value and never changes. "
            f"Write y = {function}(...)."
        )
    if left:
        raise ArgumentTypeError(f"{function}: a Tensor takes no keyword {', '.join(sorted(left))}.")


def check_is_count(function: str, name: str, x: Any) -> None:
    """Raise for a Tensor in the place of a count or of places."""
    if holds_tensor(x):
        raise ArgumentTypeError(
            f"{function}: {name} must not be a Tensor, as there is no derivative by it. "
            "Write int(x.value), or x.value, for the number alone."
        )


def check_device(function: str, device: Any) -> None:
    """Raise for a device other than the only one."""
    if device not in (None, "cpu"):
        raise ArgumentError(f"{function}: device must be 'cpu' or None; got {device!r}.")


def axis_of(function: str, axis: Any, ndim: int, name: str = "axis") -> int:
    """Return one axis as a number in [0, ndim)."""
    try:
        index = operator.index(axis)
    except TypeError:
        raise ArgumentTypeError(f"{function}: {name} must be an integer; got {axis!r}.") from None
    if not -ndim <= index < ndim:
        raise AxisError(f"{function}: {name} must be in [{-ndim}, {ndim}) for an array of {ndim} axes; got {axis}.")
    return index % ndim


def axes_of(function: str, axes: Any, ndim: int, name: str = "axis") -> tuple[int, ...]:
    """Return axes, one or several, as distinct numbers in [0, ndim)."""
    if type(axes) is int:
        return (axis_of(function, axes, ndim, name),)
    several = axes if isinstance(axes, (tuple, list, np.ndarray, Sequence)) else (axes,)
    numbers = tuple(axis_of(function, axis, ndim, name) for axis in several)
    if len(set(numbers)) != len(numbers):
        raise ArgumentError(f"{function}: {name} must name each axis once; got {axes!r}.")
    return numbers


# ---- which function answers: NumPy's, off the tape, or ours ----

_PLAIN = CONSTANTS | {str, type}  # types that are not Tensors and hold none, as most arguments are

_SHARED_KEYWORDS = frozenset({"axis", "dtype", "keepdims"})  # of functions and methods; none is an array


def holds_tensor(x: Any) -> bool:
    """Return whether x is a Tensor, or a list or tuple with one somewhere in it."""
    if type(x) is Tensor:
        return True
    if not isinstance(x, (list, tuple)):
        return False
    for part in x:
        if type(part) not in _PLAIN and holds_tensor(part):
            return True
    return False


def collected(x: Any) -> Array:
    """Return a list or tuple that holds Tensors as one Tensor; anything else as it is."""
    return provided.array(x) if isinstance(x, (list, tuple)) and holds_tensor(x) else x


def _from_list(x: Any) -> Array:
    """Return a list or tuple as an array, or as one Tensor where it holds Tensors; anything else as it is."""
    if not isinstance(x, (list, tuple)):
        return x
    return provided.array(x) if holds_tensor(x) else np.asarray(x)


def as_array(x: Any) -> Array:
    """Return a list as an array, or as a Tensor where it holds one; a constant as its array; else `x` as it is."""
    if type(x) is np.ndarray or type(x) is Tensor:
        return x
    kind = kind_of(type(x))
    if kind is Kind.CONSTANT:
        return plain_array(x)
    if kind is Kind.REFUSED or (kind is Kind.CONTAINER and not hasattr(x, "dtype")):
        raise ArgumentTypeError(refusal("tapenet.numpy", "operands", x))
    return x if hasattr(x, "dtype") else collected(x) if holds_tensor(x) else np.asarray(x)


def given(**arguments: Any) -> dict[str, Any]:
    """Return the arguments that were given, of those whose default is ABSENT."""
    return {name: value for name, value in arguments.items() if value is not ABSENT}


def numpy_function(
    theirs: Function | None, *, method: Function | None = None, shares: int = sys.maxsize
) -> Callable[[F], F]:
    """Declare a function of Tensors as the counterpart of one of NumPy's, with the same parameters.

    Where no argument is a Tensor, or a list with one in it, NumPy's function answers, with the arguments as they were
    given. Else `out=` and keywords that ours lacks are refused, and lists come as arrays, or as Tensors, where a
    parameter is annotated as an `Array`. `past_numpy` gives ours, to callers that know their operands.

    Args:
        theirs: NumPy's function, or one that gives the same bit for bit; None where this version of NumPy lacks it,
            then ours serves both.
        method: what gives the same for a first argument that is an ndarray, with less overhead: a method of ndarray.
        shares: how many positional parameters the method has in common with the function.
    """

    def declare(ours: F) -> F:
        signature = _Signature.of(ours)
        plain = ours if theirs is None else theirs
        of_array = plain if method is None else method
        # How many arguments there may be of which only the first needs to be looked at; a method never dispatches.
        alone = min(signature.alone, 1 if method is None else shares)
        shared = _SHARED_KEYWORDS & signature.names.keys()
        arrays, out, quick, collect = signature.arrays, signature.out, signature.quick, signature.collect

        @functools.wraps(ours)
        def function(*arguments: Any, **keywords: Any) -> Any:
            count = len(arguments)
            if 0 < count <= alone:
                kind = type(arguments[0])
                if (kind is np.ndarray or kind is Tensor) and (not keywords or shared.issuperset(keywords)):
                    return ours(*arguments, **keywords) if kind is Tensor else of_array(*arguments, **keywords)
            is_on_tape = has_lists = False
            for x in arguments:
                kind = type(x)
                if kind is Tensor:
                    is_on_tape = True
                elif kind not in _PLAIN and isinstance(x, (list, tuple)):
                    has_lists = True
                    is_on_tape = is_on_tape or holds_tensor(x)
            if keywords:
                is_on_tape = is_on_tape or any(map(holds_tensor, keywords.values()))
            if not is_on_tape:
                return plain(*arguments, **keywords)
            if count > out or (keywords and not quick.issuperset(keywords)):
                return ours(*collect(arguments), **signature.accepted(keywords))
            if has_lists:
                for i in arrays:
                    if i < count and isinstance(arguments[i], (list, tuple)):
                        return ours(*collect(arguments), **keywords)
            return ours(*arguments, **keywords) if keywords else ours(*arguments)

        function.of_tensors = ours  # type: ignore[attr-defined]  # functions take attributes
        return cast("F", function)

    return declare


def past_numpy(function: Any) -> Any:
    """Return what a function calls where one argument at least is a Tensor and none is a list; see `numpy_function`."""
    return getattr(function, "of_tensors", function)


@attrs.frozen
class _Signature:
    """What a function of Tensors takes.

    Attributes:
        function: its name, for errors.
        names: of its parameters, but for the variadic ones; for each whether it is an array.
        arrays: the places of positional parameters that are arrays.
        further: the place from which on all are arrays, where it takes any number of them.
        out: the place of the parameter `out`, or of the first of any number of arrays.
        alone: how many arguments there are at most of which the first alone is an array.
        quick: keywords that it takes as they are.
        takes_all: whether it takes keywords by other names.
    """

    function: str
    names: Mapping[str, bool]
    arrays: tuple[int, ...]
    further: int
    out: int
    alone: int
    quick: frozenset[str]
    takes_all: bool

    @classmethod
    def of(cls, function: Function) -> _Signature:
        """Read it from a function's own."""
        # From the code: `inspect.signature` takes ten times as long, and there are two hundred functions to declare.
        code, annotations = function.__code__, function.__annotations__
        positional = code.co_varnames[: code.co_argcount]
        by_name = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        names = {name: annotations.get(name) == "Array" for name in by_name}
        arrays = tuple(i for i, name in enumerate(positional) if names[name])
        further = len(positional) if code.co_flags & inspect.CO_VARARGS else sys.maxsize
        out = positional.index("out") if "out" in positional else further
        alone = min([i for i in (*arrays[1:], out, len(positional)) if i > 0]) if arrays[:1] == (0,) else 0
        takes_all = bool(code.co_flags & inspect.CO_VARKEYWORDS)
        quick = frozenset(name for name, is_array in names.items() if not is_array and name != "out")
        return cls(function.__name__, names, arrays, further, out, alone, quick, takes_all)

    def collect(self, arguments: tuple[Any, ...]) -> list[Any]:
        """Positional arguments, lists of them as arrays or Tensors where they are arrays."""
        if self.out < min(len(arguments), self.further):
            refuse(self.function, {"out": arguments[self.out]})
        return [_from_list(x) if i in self.arrays or i >= self.further else x for i, x in enumerate(arguments)]

    def accepted(self, keywords: Mapping[str, Any]) -> Mapping[str, Any]:
        """Keyword arguments that the function takes, lists of them as arrays or Tensors; the others are refused."""
        known = {
            name: _from_list(x) if self.names.get(name) else collected(x)
            for name, x in keywords.items()
            if name != "out" and (self.takes_all or name in self.names)
        }
        refuse(self.function, {name: x for name, x in keywords.items() if name not in known})
        return known
