"""Checks of arguments that describe: a number, a count, a pair, a shape, a dtype, a choice, a function, a generator.

Each takes the name of the public function, the name of its parameter and what came, and returns the value in one form
or raises the error that says what was wanted. Axes are checked by `tapenet.core.arguments`, leaves of pytrees by
`tapenet.core.leaf_checks`.
"""

from __future__ import annotations

import functools
import math
import numbers
import operator
import sys
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from tapenet.core.arguments import as_array
from tapenet.core.foreign import Kind, kind_of
from tapenet.core.leaf_checks import described, plain_leaf
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError, TapenetError

Pair = tuple[int, int]

EVERY_NUMBER = "(-inf, inf)"
MOST_SHOWN = 80  # characters of a value in an error

# ---- numbers ----


def checked_number(function: str, name: str, value: Any, interval: str = EVERY_NUMBER, wanted: str = "") -> Any:
    """Check a real number of an interval, and return it as a float, which takes on the precision of arrays.

    A Tensor of shape (), or another array type's scalar, is given as it is, so that a derivative by it exists; its
    value is checked.

    Args:
        function, name: of the parameter.
        value: what came.
        interval: written as in mathematics, such as "[0, 1)".
        wanted: what else may come, in the words of the error: "a real number" by default.
    """
    number = value if type(value) is float else _as_number(function, name, value, wanted)
    if not _membership(interval)(number):
        bound = "finite" if interval == EVERY_NUMBER else f"in {interval}"
        raise ArgumentError(f"{function}: {name} must be {bound}; got {value}.")
    return number


def _as_number(function: str, name: str, value: Any, wanted: str) -> Any:
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (is_real or _is_real_scalar(value)):
        raise ArgumentTypeError(f"{function}: {name} must be {wanted or 'a real number'}; got {shown(value)}.")
    try:
        return float(value) if is_real or isinstance(value, np.ndarray) else value
    except OverflowError:
        raise ArgumentError(f"{function}: {name} must be a number that a float can hold; got {value}.") from None


def _is_real_scalar(value: Any) -> bool:
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return kind in ("f", "i", "u") and value.shape == ()


@functools.cache
def _membership(interval: str) -> Callable[[Any], bool]:
    """Return whether a number lies in an interval; NaN lies in none."""
    low, high = map(float, interval[1:-1].split(","))
    above = operator.le if interval[0] == "[" else operator.lt
    below = operator.le if interval[-1] == "]" else operator.lt
    return lambda value: bool(above(low, value)) and bool(below(value, high))


def checked_count(function: str, name: str, value: Any, low: int = 1, high: int = sys.maxsize) -> int:
    """Check an integer of at least `low`, and return it as an int; True is not one."""
    wanted = "a positive int" if low == 1 else f"an int of at least {low}"
    count = _as_int(value)
    if count is None:
        raise ArgumentTypeError(f"{function}: {name} must be {wanted}; got {shown(value)}.")
    if not low <= count <= high:
        bound = wanted if count < low else f"an int of at most {high}"
        raise ArgumentError(f"{function}: {name} must be {bound}; got {count}.")
    return count


def _as_int(value: Any) -> int | None:
    """Return an integer of any type as an int; None for anything else."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def checked_pair(function: str, name: str, value: Any, low: int = 1, high: int = sys.maxsize) -> Pair:
    """Check one integer for both axes of images, or one for each, of at least `low` and at most `high`."""
    first, second = checked_sizes(function, name, value, 2, low, high)
    return first, second


_SEVERAL = {1: "an int", 2: "an int or a pair of ints", 3: "an int or three ints"}


def checked_sizes(
    function: str, name: str, value: Any, count: int, low: int = 1, high: int = sys.maxsize
) -> tuple[int, ...]:
    """Check one integer for `count` axes, or one for each, of at least `low` and at most `high`."""
    several = value if isinstance(value, Sequence | np.ndarray) and np.ndim(value) else (value,) * count
    found = [_as_int(x) for x in several] if not isinstance(value, str) else []
    if len(found) != count or None in found:
        raise ArgumentTypeError(f"{function}: {name} must be {_SEVERAL[count]}; got {shown(value)}.")
    sizes = tuple(n for n in found if n is not None)
    if not low <= min(sizes) <= max(sizes) <= high:
        wanted = f"at most {high}" if low <= min(sizes) else "positive" if low == 1 else f"at least {low}"
        raise ArgumentError(f"{function}: {name} must be {wanted}; got {value!r}.")
    return sizes


def checked_shape(function: str, name: str, value: Any, itemsize: int = 1) -> tuple[int, ...]:
    """Check an integer or a sequence of integers: the shape of an array that memory can address."""
    several = value if np.iterable(value) and not isinstance(value, str | dict) else (value,)
    found = [_as_int(x) for x in several]
    if None in found:
        raise ArgumentTypeError(f"{function}: {name} must be an integer or a sequence of integers; got {shown(value)}.")
    sizes = tuple(n for n in found if n is not None)
    if any(size < 0 for size in sizes):
        raise ArgumentError(f"{function}: {name} must have sizes of at least 0; got {sizes}.")
    if math.prod(sizes) * itemsize > sys.maxsize or len(sizes) > 64:
        raise ArgumentError(f"{function}: {name} must be of an array that memory can hold; got {sizes}.")
    return sizes


# ---- other kinds ----


def checked_dtype(function: str, name: str, value: Any, kinds: str = "f", wanted: str = "a real floating dtype") -> Any:
    """Check a dtype, which must be of one of the kinds; None is not one."""
    try:
        dtype = None if value is None else np.dtype(value)
    except Exception:  # of several classes, by what NumPy makes of the value
        dtype = None
    if dtype is None or dtype.kind not in kinds:
        raise ArgumentTypeError(f"{function}: {name} must be {wanted}; got {dtype or shown(value)}.")
    return dtype


def checked_choice(function: str, name: str, value: Any, choices: Collection[str]) -> Any:
    """Check a word, which must be one of a few."""
    if isinstance(value, str) and value in choices:
        return value
    *first, last = map(repr, choices)
    raise ArgumentError(f"{function}: {name} must be {', '.join(first)} or {last}; got {shown(value)}.")


def checked_flag(function: str, name: str, value: Any) -> bool:
    """Check a flag, which must be True or False."""
    if value is True or value is False or isinstance(value, np.bool_):
        return bool(value)
    raise ArgumentTypeError(f"{function}: {name} must be True or False; got {shown(value)}.")


def check_transform(function: str, f: Any, has_aux: Any = False) -> None:
    """Raise unless a transform is given a function, and has_aux is True or False."""
    if not callable(f):
        checked_function(function, "f", f, f"Write {function}(f)(x), not {function}(f(x)).")
    if has_aux is not False:
        checked_flag(function, "has_aux", has_aux)


def checked_function(function: str, name: str, value: Any, advice: str = "") -> Any:
    """Check a function, or anything else that can be called."""
    if not callable(value):
        raise ArgumentTypeError(f"{function}: {name} must be a function; got {shown(value)}.{advice and ' '}{advice}")
    return value


def checked_rng(function: str, value: Any, name: str = "rng") -> np.random.Generator:
    """Check a generator of random numbers."""
    if not isinstance(value, np.random.Generator):
        raise ArgumentTypeError(
            f"{function}: {name} must be a numpy.random.Generator; got {type(value).__name__}. "
            "Write rng = numpy.random.default_rng(seed)."
        )
    return value


def checked_array(function: str, name: str, value: Any) -> Array:
    """Check an array of numbers; return a list of them as an array, and a Tensor as it is."""
    array = value
    if type(value) is not Tensor and type(value) is not np.ndarray:
        array = _as_array(function, name, value)
    if array.dtype.kind not in "biufc":
        raise ArgumentTypeError(f"{function}: {name} must be an array of numbers; got {shown(value)}.")
    return array


def checked_operand(function: str, name: str, value: Any) -> Array:
    """Check an operand as `checked_array` does, but return a scalar as it is."""
    if type(value) is float or type(value) is int or isinstance(value, np.number):
        return value
    return checked_array(function, name, value)


def _as_array(function: str, name: str, value: Any) -> Array:
    value = check_array_class(function, name, value)
    if kind_of(type(value)) is Kind.VALUE and hasattr(value, "dtype"):
        return np.asarray(value) if isinstance(value, np.generic) else value
    try:
        array = as_array(value)
        return array if type(array) is Tensor else np.asarray(array)
    except TapenetError:
        raise
    except Exception as error:  # of several classes: ragged lists, objects that refuse
        raise ArgumentError(f"{function}: {name} must be an array of numbers; got {shown(value)} ({error}).") from error


def check_real(function: str, name: str, value: Any, advice: str = "") -> Any:
    """Raise for complex numbers: a function that compares them would drop what they mean."""
    kind = value.dtype.kind if hasattr(value, "dtype") else "f"
    if kind == "c" or isinstance(value, complex):
        raise ArgumentTypeError(
            f"{function}: {name} must be real; got {getattr(value, 'dtype', 'complex')}. "
            f"{advice or f'Apply it to {name}.real and {name}.imag, or to abs({name}).'}"
        )
    return value


def check_array_class(function: str, name: str, value: Any) -> Any:
    """Raise for arrays of a type whose meaning would be lost, such as masked ones; pandas' come back as arrays."""
    return plain_leaf(function, lambda: name, value)


def shown(value: Any) -> str:
    """Return a value as errors show it: arrays by shape and dtype, anything else by its repr, cut where it is long."""
    if hasattr(value, "dtype") and hasattr(value, "shape") and not isinstance(value, np.generic):
        return described(value)
    written = repr(value)
    return written if len(written) <= MOST_SHOWN else f"{written[:MOST_SHOWN]}..."
