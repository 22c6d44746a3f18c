"""What tells calls apart: structure, shapes, dtypes and orders of arguments, and the values of what is not an array."""

from __future__ import annotations

import enum
import types
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.foreign import Kind, kind_of
from tapenet.core.leaf_checks import described
from tapenet.core.pytrees import is_node
from tapenet.core.tensor import NUMBERS
from tapenet.program.recording.orders import order_of
from tapenet.program.recording.recorder import UnsupportedError
from tapenet.transforms.transformed import Transformed

_STATIC = (bool, str, bytes, type(None), enum.Enum, np.dtype, type, slice, range)
_CALLABLE = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, np.ufunc)


@attrs.frozen(eq=False)
class Same:
    """A key that is equal to that of the same object alone, which it keeps alive."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return type(other) is Same and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def leaf_key(leaf: Any) -> Any:
    """Return what a signature knows of a leaf, hashable; of a Python number its type alone.

    `kernels.layouts` compares the same of many leaves: what is added here is added there.
    """
    of = type(leaf)
    if of is np.ndarray:
        if leaf.dtype.kind not in "biufc":
            raise UnsupportedError("an argument must be numeric")
        if leaf.ndim < 2 or leaf.flags.c_contiguous or (order := order_of(leaf)) is None:  # the usual ones first
            return leaf.shape, leaf.dtype
        return leaf.shape, leaf.dtype, order
    if of in NUMBERS:
        return of
    if isinstance(leaf, np.generic):
        return _of_array(leaf, of)
    if of is np.random.Generator:
        return of
    if isinstance(leaf, _STATIC):
        return (of, leaf)
    if of is types.MethodType:  # another object at each access
        return Same(leaf.__self__), Same(leaf.__func__)
    if of is Transformed:
        return (of, leaf)
    if isinstance(leaf, _CALLABLE) or (is_node(of) and callable(leaf)) or hasattr(of, "inlined"):
        return Same(leaf)
    if kind_of(of) is not Kind.OTHER:
        raise UnsupportedError(f"an argument is {described(leaf)}, which is not a plain NumPy array")
    raise UnsupportedError(
        f"an argument is of class {of.__name__}. Make it a pytree (an attrs class, a tuple, a dict) of arrays"
    )


def static_value(value: Any) -> Any:
    """Return a static argument, for NaN always the same one: NaN is not equal to itself."""
    return _NAN if type(value) is float and value != value else value


_NAN = float("nan")


def _of_array(leaf: Any, of: type) -> type:
    if leaf.dtype.kind not in "biufc":
        raise UnsupportedError(f"an argument is {described(leaf)}, which is not numeric")
    return of


def number_key(x: Any) -> Any:
    """Return what is equal for numbers that no computation tells apart."""
    if type(x) is int:
        return x
    return x.hex() if type(x) is float else (x.real.hex(), x.imag.hex())


def number_of(key: Any) -> Any:
    """Return the number of a key that `number_key` made."""
    if type(key) is int:
        return key
    return float.fromhex(key) if type(key) is str else complex(*map(float.fromhex, key))


def shared_places(leaves: Sequence[Any], places: Sequence[int]) -> tuple[int, ...]:
    """Return for each place the first that holds the same object: which generators are one."""
    first: dict[int, int] = {}
    return tuple([first.setdefault(id(leaves[i]), i) for i in places])
