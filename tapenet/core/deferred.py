"""`Deferred`, an array that is computed once it is read, of which shape and dtype are known before."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.record import Shape


@attrs.define(eq=False)
class Deferred:
    """An array that is computed once it is read.

    Attributes:
        shape, dtype: of the array.
        operands: what it is computed of, deferred values among them; let go once it is computed.
        function: computes it of the operands' values; None once that is done.
        value: the array; None before.
    """

    shape: Shape
    dtype: np.dtype[Any]
    operands: Sequence[Any]
    function: Callable[[list[Any]], Any] | None
    value: Any = None

    @property
    def nbytes(self) -> int:
        """The bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize

    def read(self) -> Any:
        """Return the array, and compute it before where that is not done."""
        pending = [self]  # chains are longer than Python's stack
        while pending:
            last = pending[-1]
            before = [x for x in last.operands if type(x) is Deferred and x.function is not None]
            if before:
                pending += before
                continue
            pending.pop()
            if last.function is not None:
                last.value = last.function([as_read(x) for x in last.operands])
                last.function, last.operands = None, ()
        return self.value


def as_read(x: Any) -> Any:
    """Return a value, computed where it is deferred."""
    return x.read() if type(x) is Deferred else x
