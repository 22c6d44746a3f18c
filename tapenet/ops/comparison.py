"""Functions of arrays without a derivative: comparisons, tests, and the places of elements. They give plain arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.batch_rules import along_axis, over_operand, refused
from tapenet.batching import elementwise_rule
from tapenet.plain import plain
from tapenet.primitive import Array
from tapenet.tensor import Tensor


def _elementwise(function: Callable[..., Any]) -> Callable[..., Any]:
    return plain(function, batch=elementwise_rule)


equal = _elementwise(np.equal)
not_equal = _elementwise(np.not_equal)
less = _elementwise(np.less)
less_equal = _elementwise(np.less_equal)
greater = _elementwise(np.greater)
greater_equal = _elementwise(np.greater_equal)
isclose = _elementwise(np.isclose)
allclose = plain(np.allclose)
array_equal = plain(np.array_equal)
array_equiv = plain(np.array_equiv)

isnan = _elementwise(np.isnan)
isinf = _elementwise(np.isinf)
isfinite = _elementwise(np.isfinite)
isposinf = _elementwise(np.isposinf)
isneginf = _elementwise(np.isneginf)
isreal = _elementwise(np.isreal)
iscomplex = _elementwise(np.iscomplex)
signbit = _elementwise(np.signbit)

logical_and = _elementwise(np.logical_and)
logical_or = _elementwise(np.logical_or)
logical_xor = _elementwise(np.logical_xor)
logical_not = _elementwise(np.logical_not)
bitwise_and = _elementwise(np.bitwise_and)
bitwise_or = _elementwise(np.bitwise_or)
bitwise_xor = _elementwise(np.bitwise_xor)
invert = bitwise_not = bitwise_invert = _elementwise(np.invert)
all = plain(np.all, batch=along_axis)
any = plain(np.any, batch=along_axis)

argmax = plain(np.argmax, batch=along_axis)
argmin = plain(np.argmin, batch=along_axis)
argsort = plain(np.argsort, batch=along_axis)
argpartition = plain(np.argpartition, batch=along_axis)
argwhere = plain(np.argwhere, batch=refused)
nonzero = plain(np.nonzero, batch=refused)
flatnonzero = plain(np.flatnonzero, batch=refused)
count_nonzero = plain(np.count_nonzero, batch=along_axis)
searchsorted = plain(np.searchsorted, batch=over_operand(1))
digitize = plain(np.digitize, batch=over_operand(0))

# ---- what is known without the values ----


def _of_structure(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of an array's shape and dtype alone."""

    @functools.wraps(function, updated=())
    def of_stand_in(a: Array, *arguments: Any, **keywords: Any) -> Any:
        if type(a) is Tensor:
            a = np.broadcast_to(np.zeros((), a.dtype), a.shape)
        return function(a, *arguments, **keywords)

    return of_stand_in


shape = _of_structure(np.shape)
ndim = _of_structure(np.ndim)
size = _of_structure(np.size)
isrealobj = _of_structure(np.isrealobj)
iscomplexobj = _of_structure(np.iscomplexobj)
zeros_like = _of_structure(np.zeros_like)
ones_like = _of_structure(np.ones_like)
empty_like = _of_structure(np.empty_like)
