"""The symbols of a graph: values, the place of the input, and the nodes that link them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

import tapenet as tn
from tapenet.errors import ArgumentTypeError

Array = Any  # an array or a scalar; on the tape, while a graph is evaluated, a tapenet Tensor
Link = Any  # what a node reads: a Node, Variable or Placeholder, None for the input, or a list of these


class Variable:
    """A named place for an array, which a graph reads and an optimizer moves.

    The original kept whatever it was given. So do we, but for lists, which become arrays. Its `D` was 0 before
    the first `backward`; ours is None, so that what has no gradient yet cannot be mistaken for a zero one.

    Attributes:
        value: the array, of the dtype it was given with.
        lr: the learning rate; 0 for what is not trained.
        D: the gradient of the loss, of the shape and dtype of `value`; None before `Graph.backward`.
        m, V: what an optimizer keeps: running means of the gradient and of its square.

    >>> Variable([[1.0, 2.0]], lr=0.1)
    Variable(shape (1, 2), float64, lr=0.1)
    """

    def __init__(self, initial: Array, lr: float = 0) -> None:
        self.value = _as_value(initial)
        self.lr = lr
        self.D: Array = None
        self.m: Array = 0
        self.V: Array = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of `value`."""
        return tuple(getattr(self.value, "shape", ()))

    def update(self, optimizer: Any) -> None:
        """Let an optimizer take one step, by `optimizer.update(self)`."""
        optimizer.update(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.value, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        return f"Variable(shape {self.shape}, {getattr(self.value, 'dtype', 'float')}, lr={self.lr})"


def _as_value(initial: Any) -> Array:
    if isinstance(initial, Variable):
        return initial.value
    if (hasattr(initial, "shape") and hasattr(initial, "dtype")) or isinstance(initial, float | complex):
        return initial
    array = np.asarray(initial)
    if array.dtype.kind not in "biufc":
        raise ArgumentTypeError(
            f"Variable: initial must be an array or a number; got {type(initial).__name__} {initial!r}."
        )
    return array


class Placeholder:
    """The place of a graph's input, for which `Graph.forward` and `Graph.predict` put what they are given.

    As in the original a graph has one input; the same Placeholder may be read by several nodes.
    """

    def __repr__(self) -> str:
        return "Placeholder()"


class Node:
    """What operations, layers and blocks have in common: what they read, and what came out last.

    Attributes:
        name: of the operation.
        X1, X2: the inputs; X2 is None where the operation takes one.
        output: after an evaluation, a Variable of the result; the original's was one too.
        operator: the operation or activator, which computes.
    """

    def __init__(self, operator: Any, X1: Link = None, X2: Link = None) -> None:
        self.operator = operator
        self.name: str = getattr(operator, "name", type(operator).__name__)
        self.X1, self.X2 = X1, X2
        self.output: Variable | None = None
        self._input_gradient: Callable[[], Array] | None = None

    @property
    def value(self) -> Array:
        """The result of the last evaluation, off the tape and read-only; None before the first."""
        return None if self.output is None else self.output.value

    @property
    def D(self) -> Array:
        """The gradient of the loss by `X1`, as in the original; computed when it is asked for.

        None before `Graph.backward`, and where X1 is the input or does not depend on any trainable Variable.
        """
        return None if self._input_gradient is None else self._input_gradient()

    @property
    def links(self) -> list[Link]:
        """Everything that the node reads, X1 first, without nesting."""
        return [self.X1, *([] if self.X2 is None else flat(self.X2))]

    @property
    def variables(self) -> list[Variable]:
        """The Variables that the node reads: among its inputs, and held by its operation."""
        return unique([*(link for link in self.links if isinstance(link, Variable)), *held(self.operator)])

    def __repr__(self) -> str:
        return self.name


class Op(Node):
    """An operation applied to one or two inputs.

    Args:
        operation: such as `Dot()`; anything with `forward(X1[, X2][, if_train])`.
        X1: a node, Variable or Placeholder; None for the input of the graph.
        X2: the same, or a list such as [W, b]; None where the operation takes one input.

    >>> Op(operation=None, X1=Placeholder()).X2 is None
    True
    """

    def __init__(self, operation: Any, X1: Link = None, X2: Link = None) -> None:
        super().__init__(operation, X1, X2)


class Layer(Node):
    """An activator applied to one input.

    Args:
        activator: such as `ReluActivator()`; anything with `forward(X[, if_train])`.
        X: a node, Variable or Placeholder.
    """

    def __init__(self, activator: Any, X: Link = None) -> None:
        super().__init__(activator, X)
        self.activator = activator

    @property
    def a(self) -> Link:
        """The original's name of `X1`."""
        return self.X1


# ---- helpers over symbols ----


def flat(link: Link) -> list[Link]:
    """A link as a list: itself, or its members."""
    return list(link) if isinstance(link, list | tuple) else [link]


def unique(variables: Sequence[Variable]) -> list[Variable]:
    """Without repetitions, in order; Variables are themselves, whatever they hold."""
    return list(dict.fromkeys(variables))


def held(operator: Any) -> list[Variable]:
    """The Variables among the attributes of an operation, as `BatchNorm(gamma, beta)` holds two."""
    found: list[Any] = []
    for attribute in getattr(operator, "__dict__", {}).values():
        members = attribute.values() if isinstance(attribute, dict) else flat(attribute)
        found.extend(member for member in members if isinstance(member, Variable))
    return unique(found)


@contextmanager
def holding(variables: Sequence[Variable], values: Sequence[Array]) -> Iterator[None]:
    """Let Variables hold other values for a while, so that whatever reads them computes with these."""
    before = [variable.value for variable in variables]
    for variable, value in zip(variables, values, strict=True):
        variable.value = value
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.value = value


def plain(value: Array) -> Array:
    """The array under a Tensor, read-only; anything else as it is."""
    return value.value if isinstance(value, tn.Tensor) else value


def shape_of(link: Link) -> Any:
    """The shape of what a link holds, or the shapes of its members."""
    if isinstance(link, list | tuple):
        return [shape_of(member) for member in link]
    return getattr(link, "shape", ())
