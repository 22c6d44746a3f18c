"""The symbols of a graph: values, the place of the input, and the nodes that link them."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

import tapenet as tn
from tapenet.core.argument_checks import checked_array, checked_number, shown

Array = Any  # an array; while a graph is evaluated, a Tensor
Link = Any  # what a node reads: a Node, Variable or Placeholder, None for the input, or a list of these


class Variable:
    """A place for an array, which a graph reads and an optimizer moves.

    Args:
        initial: an array, or what becomes one; it is neither copied nor written to.
        lr: the learning rate; 0 for what is not trained.

    Attributes:
        value: the array. While a graph is evaluated, a Tensor: what reads it then is recorded.
        D: the gradient of the loss, of the shape and dtype of `value`. None before `Graph.backward`, where the
            original had 0.
        m, V: what an optimizer keeps, running means of D and of its square; 0 before the first step.

    >>> Variable([[1.0, 2.0]], lr=0.1)
    Variable(shape (1, 2), float64, lr=0.1)
    """

    def __init__(self, initial: Any, lr: float = 0) -> None:
        self.value: Array = _as_array(initial)
        self.lr = checked_number("Variable", "lr", lr, "[0, inf)")
        self.D: Array = None
        self.m: Array = 0
        self.V: Array = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of `value`."""
        return tuple(self.value.shape)

    def update(self, optimizer: Any) -> None:
        """Take one step, by `optimizer.update(self)`."""
        optimizer.update(self)

    def __repr__(self) -> str:
        return f"Variable(shape {self.shape}, {self.value.dtype}, lr={self.lr})"


def _as_array(initial: Any) -> Array:
    if isinstance(initial, Variable):
        return initial.value
    return checked_array("Variable", "initial", initial)


def floating(value: Array) -> Array:
    """Integers and booleans, which have no derivative, as float64; anything else as it is."""
    return value.astype(np.float64) if value.dtype.kind in "biu" else value


def checked_variable(function: str, name: str, value: Any) -> Variable:
    """Check a Variable."""
    if not isinstance(value, Variable):
        raise tn.ArgumentTypeError(f"{function}: {name} must be a Variable; got {shown(value)}. Write Variable(array).")
    return value


def checked_data(function: str, name: str, value: Any) -> Array:
    """Return the array of what is a Variable or an array."""
    return value.value if isinstance(value, Variable) else checked_array(function, name, value)


class Placeholder:
    """The place of a graph's input: `Graph.forward` and `Graph.predict` put there what they are given.

    A graph has one input, as in the original; any number of nodes may read it.
    """

    def __repr__(self) -> str:
        return "Placeholder()"


class Symbol(abc.ABC):
    """A function of Variables that stands for its call: what nodes and losses have in common.

    Attributes:
        operator: what computes, with `forward(X1[, X2][, if_train])`.
        name: of the operator, in errors.
    """

    given_as: ClassVar[str] = "operator"

    def __init__(self, operator: Any) -> None:
        kind = type(self).__name__
        if isinstance(operator, type):
            name = operator.__name__
            raise tn.ArgumentTypeError(
                f"{kind}: {self.given_as} must be an instance; got the class {name}. Write {name}()."
            )
        if not callable(getattr(operator, "forward", None)):
            raise tn.ArgumentTypeError(
                f"{kind}: {self.given_as} must have a method forward; got {type(operator).__name__}."
            )
        self.operator = operator
        self.name = str(getattr(operator, "name", type(operator).__name__))

    @abc.abstractmethod
    def pull(self, D: Array, inputs: list[Any], output: Array) -> None:
        """Set `.D` of the inputs, given that of the output, by the `backward` that the operator brings."""


class Node(Symbol):
    """A symbol with links to what it reads.

    Attributes:
        X1, X2: what it reads; X2 is None where it reads one thing.
        output: a Variable of the result of the last evaluation; None before the first.
    """

    places: ClassVar[tuple[str, ...]] = ("X1", "X2")

    def __init__(self, operator: Any, X1: Link = None, X2: Link = None) -> None:
        super().__init__(operator)
        self.X1, self.X2 = X1, X2
        self.output: Variable | None = None
        for name, given in zip(self.places, (X1, X2), strict=False):
            for link in flat(given):
                if not (link is None or isinstance(link, Node | Variable | Placeholder)):
                    raise tn.ArgumentTypeError(
                        f"{type(self).__name__}: {name} of {self.name} must be a node, a Variable or a Placeholder; "
                        f"got {type(link).__name__}. Write Variable(array)."
                    )

    @property
    def value(self) -> Array:
        """The array in `output`; None before the first evaluation."""
        return None if self.output is None else self.output.value

    @property
    def links(self) -> list[Link]:
        """Everything that the node reads, X1 first."""
        return [self.X1, *([] if self.X2 is None else flat(self.X2))]

    def pull(self, D: Array, inputs: list[Any], output: Array) -> None:
        """Call `backward(nextop)`, which for an operation reads `nextop.D` and sets `.D` itself."""
        self.operator.backward(NextOp(D))

    def __repr__(self) -> str:
        return self.name


class Op(Node):
    """An operation applied to one or two inputs.

    Args:
        operation: such as `Dot()`; anything with `forward(X1[, X2][, if_train])`.
        X1: a node, Variable or Placeholder; None for the input of the graph.
        X2: the same, or a list such as [W, b]; None where the operation takes one input.
    """

    given_as = "operation"

    def __init__(self, operation: Any, X1: Link = None, X2: Link = None) -> None:
        super().__init__(operation, X1, X2)


class Layer(Node):
    """An activator applied to one input.

    Args:
        activator: such as `ReluActivator()`; anything with `forward(X[, if_train])`.
        X: a node, Variable or Placeholder.
    """

    given_as = "activator"
    places = ("X",)

    def __init__(self, activator: Any, X: Link = None) -> None:
        super().__init__(activator, X)

    def pull(self, D: Array, inputs: list[Any], output: Array) -> None:
        """Call `backward(output)`, which for an activator returns the slope and may write into its argument."""
        inputs[0].D = D * self.operator.backward(output.copy())


class NextOp:
    """What `backward(nextop)` of an old operation reads: `nextop.D`, or after a layer `nextop.X1.D`."""

    def __init__(self, D: Array) -> None:
        self.D = D
        self.X1 = self


# ---- helpers ----


def flat(link: Link) -> list[Link]:
    """Return the members of a list, of its lists, and so on, in order; a list of one for anything else."""
    return [leaf for member in link for leaf in flat(member)] if isinstance(link, list | tuple) else [link]


def mapped(function: Callable[[Link], Any], link: Link) -> Any:
    """Replace every member of the lists by `function` of it."""
    return [mapped(function, member) for member in link] if isinstance(link, list | tuple) else function(link)


def plain(value: Array) -> Array:
    """Return the array under a Tensor; anything else as it is."""
    return value.value if isinstance(value, tn.Tensor) else value


def as_variable(function: str, name: str, value: Variable | Array) -> Variable:
    """Return a Variable as it is, and an array as one that is not trained."""
    return value if isinstance(value, Variable) else Variable(checked_array(function, name, value))


@contextmanager
def holding(variables: Sequence[Variable], values: Sequence[Array]) -> Iterator[None]:
    """Let Variables hold other values for a while."""
    before = [variable.value for variable in variables]
    try:
        for variable, value in zip(variables, values, strict=True):
            variable.value = value
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.value = value
