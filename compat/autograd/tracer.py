"""Graphs of nodes, and boxes on tapes that stay open."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import attrs

import tapenet as tn
from compat.autograd.basics import toposort as toposort
from compat.autograd.boxes import Box as Box, getval as getval, isbox as isbox
from compat.autograd.rules import (
    notrace_primitive as notrace_primitive,
    notrace_primitives as notrace_primitives,
    primitive as primitive,
    register_notrace as register_notrace,
)
from tapenet.errors import ArgumentTypeError


class Node:
    """What a graph consists of. A class of users' own defines autograd's two methods."""

    __slots__ = ("__weakref__",)

    def __init__(
        self, value: Any, fun: Callable[..., Any], args: Any, kwargs: Any, parent_argnums: Any, parents: Any
    ) -> None:
        raise NotImplementedError

    def initialize_root(self, *args: Any, **kwargs: Any) -> None:
        """Fill in a node that has no parents."""
        raise NotImplementedError

    @classmethod
    def new_root(cls, *args: Any, **kwargs: Any) -> Any:
        """Return a node that has no parents."""
        root = cls.__new__(cls)
        root.initialize_root(*args, **kwargs)
        return root


def trace(start_node: Node, fun: Callable[..., Any], x: Any) -> tuple[Any, Any]:
    """Run a function of x, and build the graph of its operations, of nodes of `start_node`'s class.

    Returns:
        The function's value, and its node; None if it does not depend on x.
    """
    with tn.GradientTape(replayable=False) as tape:
        end = fun(tape.watch(x))
    if type(end) is not tn.Tensor or end.tape is not tape:
        return end, None
    values, nodes = [x], [start_node]
    for record in tape.records[1:]:
        parents = [(i, slot) for i, slot in enumerate(record.slots) if slot is not None]
        # What is kept beyond the operands is for rules.
        operands = zip(record.slots, record.kept[: len(record.slots)], strict=True)
        args = tuple([kept if slot is None else values[slot] for slot, kept in operands])
        kwargs = dict(record.parameters)
        values.append(record.primitive(*args, **kwargs))
        argnums, above = tuple(i for i, _ in parents), tuple(nodes[slot] for _, slot in parents)
        nodes.append(type(start_node)(values[-1], _named(record.primitive), args, kwargs, argnums, above))
    return values[end.slot], nodes[end.slot]


@functools.cache
def _named(primitive: Any) -> Callable[..., Any]:
    """Return a primitive as a function, which has a name as autograd's have."""

    def function(*args: Any, **kwargs: Any) -> Any:
        return primitive(*args, **kwargs)

    function.__name__ = primitive.name.rpartition(".")[2]
    return function


# ---- boxes on tapes that stay open ----


class EndNode:
    """The node of a box, at which `backward_pass` begins.

    Attributes:
        box: whose node it is.
    """

    __slots__ = ("box",)

    def __init__(self, box: Any) -> None:
        self.box = box


@attrs.define(eq=False, repr=False)
class _OpenTape(tn.GradientTape):
    """A tape that stays open.

    Attributes:
        start: the box that `new_box` made on it; None on a tape of cotangents.
        cotangents: the tape of the boxes that were cotangents of this one's walks.
    """

    start: Any = attrs.field(init=False, default=None)
    cotangents: _OpenTape | None = attrs.field(init=False, default=None)

    def as_cotangent(self, start: Any) -> Any:
        """Put the value of a box of `new_box` on the tape of cotangents, so that results of several walks combine."""
        start.tape.__exit__(None, None, None)
        if self.cotangents is None:
            self.cotangents = _OpenTape(replayable=False)
            self.cotangents.__enter__()
        return self.cotangents.watch(start.value)


def new_box(value: Any, trace: int, node: Node) -> Any:
    """Return a box of a value, with a node as its root.

    Operations on it are recorded until `backward_pass` of one of their results.
    """
    tape = _OpenTape(replayable=False)
    tape.__enter__()
    tape.start = box = tape.watch(value)
    # Every box computed from this one holds the trace, and nobody else need hold the root or the tape.
    box.owner.tape_reference = lambda: tape
    return box


def root_of(box: Any) -> tuple[Any, Any]:
    """Return the tape and the box of `new_box` that a box was computed from.

    Raises:
        ArgumentTypeError: it was not computed from one.
    """
    tape = box.tape
    if isinstance(tape, _OpenTape) and tape.start is not None:
        return tape, tape.start
    raise ArgumentTypeError("backward_pass: end_node must be that of a box computed from one of new_box.")


def is_start(box: Any) -> bool:
    """Return whether a box is that of `new_box` itself, on a tape that is still open."""
    tape = box.tape
    return isinstance(tape, _OpenTape) and tape.is_open and tape.start is box


# autograd's name of what it walks from; a Tensor's class is sealed for its instances alone.
setattr(tn.Tensor, "_node", property(EndNode))  # noqa: B010  mypy knows no such attribute
