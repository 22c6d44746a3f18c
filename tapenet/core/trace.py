"""Traces: the owners of Tensors, which decide what an operation on a Tensor does.

The trace of a tape records the operation, the trace of `vmap` evaluates it for a whole batch, the trace of a
checkpointed function records it without values. `bind` finds the innermost trace among the operands and calls its
`apply`; the core does not test which kind of trace it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tapenet.core.guards import Guard
    from tapenet.core.primitive import Primitive
    from tapenet.core.tensor import Tensor

_LEVELS = itertools.count()  # `next` of a count is atomic, so that threads never share a level


def next_level() -> int:
    """Return the level of a trace that is opened now: higher than that of every trace opened before."""
    return next(_LEVELS)


class Trace(Protocol):
    """The owner of a Tensor.

    Attributes:
        holds_batch: whether a Tensor of it stands for one value of many, so that its value cannot be read.
        level: a number that grows in the order of opening, so that an inner trace has a higher one.
        is_open: whether it handles operations on its Tensors; once it has closed they are plain values.
        is_fast: whether `fast_path` may record on it without calling `apply`: it is open, and only records.
        guards: the reads of its values, for replays; None where it is not replayable.
        keeps_choices: whether results without a derivative stay on it, as values that a program computes again. What
            is read off it in any other way is guarded.
    """

    @property
    def keeps_choices(self) -> bool: ...
    @property
    def holds_batch(self) -> bool: ...
    @property
    def level(self) -> int: ...
    @property
    def is_open(self) -> bool: ...
    @property
    def is_fast(self) -> bool: ...
    @property
    def guards(self) -> list[Guard] | None: ...

    def apply(self, primitive: Primitive, operands: Sequence[Any], parameters: Mapping[str, Any]) -> Any:
        """Apply an operation; at least one operand is a Tensor of this trace, and none is of one further in."""

    def resolve(self, x: Tensor) -> Any:
        """Return what a Tensor of this trace is for an operation now: itself, its value, or its stand-in."""

    def inner(self, x: Tensor) -> Any:
        """Return what is under a Tensor of this trace, one trace further out; for a batch all examples."""

    def position(self) -> int:
        """Return how many records there are."""

    def refuse_write(self, x: Tensor, written: str) -> None:
        """Raise for a Tensor of this trace that is written into in place, where it stands for an array of the user."""


# For each trace that is paused in this context, the function from its Tensors to their stand-ins.
STAND_INS: ContextVar[Mapping[Trace, Callable[[Tensor], Any]]] = ContextVar(
    "tapenet.stand_ins", default=MappingProxyType({})
)
