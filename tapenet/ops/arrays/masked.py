"""The keywords of NumPy's ufuncs: `where=` and `dtype=`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, refuse
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor, read_value
from tapenet.errors import ArgumentTypeError
from tapenet.ops.arrays.indexing import at, getitem
from tapenet.ops.arrays.shaping import broadcast_to
from tapenet.ops.elementwise.arithmetic import where as choose
from tapenet.ops.elementwise.casting import astype

_WEAK = (int, float, complex)  # types of Python's numbers, which have no dtype of their own
_OF_LAYOUT = ("order", "subok")  # a value has no layout


def with_ufunc_keywords(
    name: str, function: Callable[..., Any], operands: Sequence[Array], keywords: Mapping[str, Any]
) -> Any:
    """Apply a function to operands as a ufunc with these keywords is applied.

    With `where=` the function is computed where the mask holds and nowhere else: it gives zeros there, with
    derivative zero, and never meets an operand outside its domain. (NumPy leaves those places uninitialized.)
    """
    rest = {key: value for key, value in keywords.items() if key not in _OF_LAYOUT}
    dtype, where, casting = rest.pop("dtype", None), rest.pop("where", True), rest.pop("casting", "same_kind")
    refuse(name, rest)
    if dtype is not None:
        operands = _cast(name, operands, np.dtype(dtype), casting)
    if where is True:
        return function(*operands)
    mask = read_value(as_array(where))
    if mask.dtype.kind != "b":
        raise ArgumentTypeError(f"{name}: where must be boolean; got {mask.dtype}.")
    if type(mask) is Tensor:
        return _under_map(function, operands, mask)
    # A Python scalar has no dtype of its own, and stays one.
    operands = [x if type(x) in _WEAK else as_array(x) for x in operands]
    shape = np.broadcast_shapes(mask.shape, *(np.shape(x) for x in operands))
    mask = np.array(np.broadcast_to(mask, shape))
    found = function(*(getitem(broadcast_to(x, shape), mask) if hasattr(x, "shape") else x for x in operands))
    if isinstance(found, tuple):
        return tuple(_placed(part, mask) for part in found)
    return _placed(found, mask)


def _under_map(function: Callable[..., Any], operands: Sequence[Array], mask: Array) -> Any:
    """Return the function with a mask for each example: computed of ones where the mask does not hold."""
    found = function(*(choose(mask, x, np.ones((), as_array(x).dtype)) for x in operands))
    if isinstance(found, tuple):
        return tuple(choose(mask, part, np.zeros((), part.dtype)) for part in found)
    return choose(mask, found, np.zeros((), found.dtype))


def _placed(part: Array, mask: Array) -> Array:
    return at(np.zeros(mask.shape, part.dtype))[mask].set(part)


def _cast(name: str, operands: Sequence[Array], dtype: np.dtype[Any], casting: str) -> list[Array]:
    """Cast operands to the dtypes of the loop whose results have a dtype, which need not be their own: |z| is real."""
    ufunc = getattr(np, name, None)
    given = [x if type(x) in _WEAK else as_array(x) for x in operands]
    kinds = tuple(type(x) if type(x) in _WEAK else x.dtype for x in given)
    try:
        if isinstance(ufunc, np.ufunc):
            results = (dtype,) * ufunc.nout
            kinds = ufunc.resolve_dtypes(
                (*kinds, *(None for _ in results)),
                signature=(*(None for _ in given), *results),
                casting=casting,  # type: ignore[arg-type]  # NumPy names literals
            )
        elif not all(np.can_cast(x.dtype, dtype, casting) for x in map(as_array, given)):  # type: ignore[arg-type]  # NumPy names literals
            raise TypeError(name)
    except TypeError:
        came = " and ".join(dict.fromkeys(str(as_array(x).dtype) for x in given))
        raise ArgumentTypeError(
            f"{name}: dtype must be one that {came} casts to by {casting!r}; got {dtype}."
        ) from None
    kinds = kinds if isinstance(ufunc, np.ufunc) else (dtype,) * len(given)
    return [astype(as_array(x), kind) for x, kind in zip(given, kinds, strict=False)]
