"""Results of walks as arrays that a user may keep and write into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core.foreign import as_registered, is_registered
from tapenet.core.primitive import Array
from tapenet.core.tensor import NUMBERS, Tensor, type_under
from tapenet.errors import ArgumentTypeError
from tapenet.kernels.memory import is_own
from tapenet.ops.arrays.indexing import getitem
from tapenet.ops.arrays.shaping import broadcast_to
from tapenet.ops.elementwise.casting import astype


def copy_shared(results: Sequence[Array | None], given: Sequence[Array]) -> list[Array | None]:
    """Copy results that share memory with each other or with what was given.

    A rule may return its cotangent as it came, or a view of it; nothing else of a tape's is ever returned, and what a
    user's rule returns is copied at once (`own_copy`). So an array that owns its memory, was not given and comes once
    is the walk's own.
    """
    seen = {id(x) for x in given}
    copied = []
    for x in results:
        if type(x) is np.ndarray:
            # A read-only array may be a constant that calls share.
            x = x.copy() if id(x) in seen or not is_own(x) or not x.flags.writeable else x
        elif x is not None and is_registered(type(x)):  # nothing tells whose its memory is
            x = x.copy()
        seen.add(id(x))
        copied.append(x)
    return copied


def as_kind_of(source: Any, result: Array | None) -> Array | None:
    """Return a result of shape () as an array where its source is one, and as a NumPy scalar where it is not.

    A source of another byte order than the processor's has a result of its own, and one of a registered array type has
    one of its type.
    """
    of = type_under(source)
    if is_registered(of):
        return as_registered(of, result)
    array = of is np.ndarray
    if type(result) is Tensor:
        return _recorded_as_kind(source, array, result) if result.owner.keeps_choices else result
    if array and type(result) is np.ndarray and not source.dtype.isnative:
        return result.astype(source.dtype)
    if array and isinstance(result, np.generic):
        return np.asarray(result, None if source.dtype.isnative else source.dtype)
    if not array and type(result) is np.ndarray and result.ndim == 0:
        return result[()]
    return result


def _recorded_as_kind(source: Any, array: bool, result: Tensor) -> Array:
    """Return a value of a program as an array or as a NumPy scalar, in its source's byte order, by operations."""
    of = type_under(result)
    if of is Tensor:
        return result
    if of in NUMBERS:  # the call is then recorded again, with numbers as constants
        raise ArgumentTypeError(f"a walk: a derivative must be an array or a NumPy scalar; got {of.__name__}.")
    if result.shape == () and not issubclass(of, np.ndarray if array else np.generic):
        result = broadcast_to(result, ()) if array else getitem(result, ())
    return astype(result, source.dtype) if array and not source.dtype.isnative else result
