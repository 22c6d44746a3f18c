"""Traces: what Tensors are values on, and what this thread and task sees of them.

A trace decides what an operation on its Tensors does. A tape's trace records it, the trace of `vmap` evaluates it for
a whole batch, the trace of a checkpointed function records it without values. `bind` finds the innermost trace among
the operands and asks it; nothing in the core asks which kind of trace it is.
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
    """Return the place, in the order of opening, of a trace that is opened now."""
    return next(_LEVELS)


class Trace(Protocol):
    """What a Tensor is a value on.

    Attributes:
        holds_batch: whether a Tensor of it stands for one value of many, so that its value cannot be read.
        level: its place among all traces in the order of opening; an inner one comes after an outer one.
        is_open: whether operations on its Tensors are its business; afterwards they are plain values.
        is_fast: whether `fast_path` may record on it without asking: it is open and records, and does nothing else.
        guards: what was read off it, for replays; None where nobody will replay it.
    """

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
        """Do what an operation does here; at least one operand is a Tensor of this trace, none of one further in."""

    def resolve(self, x: Tensor) -> Any:
        """Return what a Tensor of this trace is for an operation now: itself, its value, or what stands in for it."""

    def inner(self, x: Tensor) -> Any:
        """Return what is under a Tensor of this trace, one trace further out; for a batch all examples."""

    def position(self) -> int:
        """Return how many records there are."""


# For each trace that is paused in this context, what stands in for its Tensors there.
STAND_INS: ContextVar[Mapping[Trace, Callable[[Tensor], Any]]] = ContextVar(
    "tapenet.stand_ins", default=MappingProxyType({})
)
