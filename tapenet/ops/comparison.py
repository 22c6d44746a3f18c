"""Functions without a derivative: they take values off their tapes and give plain arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.primitive import Array
from tapenet.tensor import Tensor, off_every_tape


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """The NumPy function on plain values; a Tensor among the arguments is taken off its tapes first."""

    @functools.wraps(function, updated=())
    def without_tape(*arguments: Array, **keywords: Any) -> Any:
        arguments = tuple([off_every_tape(x) if type(x) is Tensor else x for x in arguments])
        if keywords:
            keywords = {name: off_every_tape(x) for name, x in keywords.items()}
        return function(*arguments, **keywords)

    return without_tape


equal = plain(np.equal)
not_equal = plain(np.not_equal)
less = plain(np.less)
less_equal = plain(np.less_equal)
greater = plain(np.greater)
greater_equal = plain(np.greater_equal)
isclose = plain(np.isclose)
allclose = plain(np.allclose)
array_equal = plain(np.array_equal)
array_equiv = plain(np.array_equiv)

isnan = plain(np.isnan)
isinf = plain(np.isinf)
isfinite = plain(np.isfinite)
isposinf = plain(np.isposinf)
isneginf = plain(np.isneginf)
isreal = plain(np.isreal)
iscomplex = plain(np.iscomplex)
isrealobj = plain(np.isrealobj)
iscomplexobj = plain(np.iscomplexobj)
signbit = plain(np.signbit)

logical_and = plain(np.logical_and)
logical_or = plain(np.logical_or)
logical_xor = plain(np.logical_xor)
logical_not = plain(np.logical_not)
all = plain(np.all)
any = plain(np.any)

argmax = plain(np.argmax)
argmin = plain(np.argmin)
argsort = plain(np.argsort)
argpartition = plain(np.argpartition)
argwhere = plain(np.argwhere)
nonzero = plain(np.nonzero)
flatnonzero = plain(np.flatnonzero)
count_nonzero = plain(np.count_nonzero)
searchsorted = plain(np.searchsorted)
digitize = plain(np.digitize)

shape = plain(np.shape)
ndim = plain(np.ndim)
size = plain(np.size)
zeros_like = plain(np.zeros_like)
ones_like = plain(np.ones_like)
empty_like = plain(np.empty_like)
