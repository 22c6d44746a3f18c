"""Calling what a user may have written: operations, activators and losses, of any age.

Those without a `backward` are written in NumPy or tapenet functions, and the tape differentiates them. Those
with one become a single operation on the tape, whose derivative is what that `backward` says.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tapenet as tn
from compat.symbols import Array, Variable, flat, held, holding
from tapenet.errors import ArgumentTypeError, MissingRuleError, RuleError
from tapenet.primitive import Primitive


class NextOp:
    """What an old `backward(nextop)` reads: the gradient of the loss by the operation's own output.

    Attributes:
        D: that gradient, in memory of its own.
        X1: itself, for a `backward` that reads `nextop.X1.D`.
    """

    def __init__(self, gradient: Array) -> None:
        self.D = gradient
        self.X1 = self


def call_forward(operator: Any, inputs: Sequence[Any], if_train: bool) -> Array:
    """The value of `operator.forward(*inputs, if_train)`; without `if_train` where it does not take one."""
    signature = inspect.signature(operator.forward)
    if "if_train" in signature.parameters:
        result = operator.forward(*inputs, if_train=if_train)
    elif not _binds(signature, inputs) and _binds(signature, [*inputs, if_train]):
        result = operator.forward(*inputs, if_train)
    else:
        result = operator.forward(*inputs)
    return result.value if isinstance(result, Variable) else result


def _binds(signature: inspect.Signature, arguments: Sequence[Any]) -> bool:
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True


def has_backward(operator: Any) -> bool:
    """Whether an operation brings its own derivative."""
    return callable(getattr(operator, "backward", None))


def operate(where: str, operation: Any, inputs: Sequence[Any], if_train: bool) -> Array:
    """The value of an operation, whose own derivative reads `nextop.D` and sets `.D` on its inputs."""
    if not has_backward(operation):
        return call_forward(operation, inputs, if_train)
    inputs = _without_repetition(inputs)
    return _with_own_backward(
        where,
        operation,
        [variable for link in inputs for variable in flat(link)],
        lambda: call_forward(operation, inputs, if_train),
        lambda t, out: operation.backward(NextOp(t)),
    )


def activate(where: str, activator: Any, X: Variable, if_train: bool) -> Array:
    """The value of an activator, whose own derivative returns the slope at its output."""
    if not has_backward(activator):
        return call_forward(activator, [X], if_train)

    def pull(t: Array, out: Array) -> None:
        X.D = t * activator.backward(out.copy())  # old activators write into their argument

    return _with_own_backward(where, activator, [X], lambda: call_forward(activator, [X], if_train), pull)


def measure(where: str, loss: Any, output: Variable, Y: Variable) -> Array:
    """The value of a loss, whose own derivative returns the gradient by the output."""
    if not has_backward(loss):
        return call_forward(loss, [output, Y], True)

    def pull(t: Array, out: Array) -> None:
        output.D = t * loss.backward()

    return _with_own_backward(where, loss, [output], lambda: call_forward(loss, [output, Y], True), pull)


def _without_repetition(inputs: Sequence[Any]) -> list[Any]:
    """The inputs, with stand-ins for one that comes twice: each use needs a `.D` of its own."""
    seen: set[int] = set()

    def once(link: Any) -> Any:
        if isinstance(link, list):
            return [once(member) for member in link]
        if id(link) in seen:
            return Variable(link.value, link.lr)
        seen.add(id(link))
        return link

    return [once(link) for link in inputs]


def _with_own_backward(
    where: str,
    operator: Any,
    inputs: Sequence[Variable],
    compute: Callable[[], Array],
    pull: Callable[[Array, Array], Any],
) -> Array:
    """Record `compute`, a function of Variables, as one operation that `pull` differentiates.

    Args:
        where: names the operation in errors.
        operator: what computes; Variables that it holds are operands as well.
        inputs: the Variables that it reads.
        compute: gives the output, while these Variables hold plain arrays.
        pull: given the cotangent of the output and the output, sets `.D` on the Variables.
    """
    variables = [*inputs, *(v for v in held(operator) if v not in inputs and _is_on_open_tape(v.value))]
    operands = [variable.value for variable in variables]
    kept: dict[str, Any] = {}

    def forward(*values: Array) -> Array:
        with holding(variables, values):
            out = compute()
        if isinstance(out, tn.Tensor):
            raise ArgumentTypeError(
                f"{where}: an operation with a backward of its own must compute from the values of its inputs "
                "and of the Variables it holds as attributes; its output depends on some other Variable."
            )
        kept.update(values=values, out=np.asarray(out), state=dict(getattr(operator, "__dict__", {})))
        return kept["out"][()]

    def pullback(t: Array, record: tn.Record, shapes: Sequence[Any]) -> list[Array]:
        for variable in variables:
            variable.D = None
        # What forward left on the operation may be another call's by now.
        getattr(operator, "__dict__", {}).update(kept["state"])
        with holding(variables, kept["values"]):
            pull(np.array(t), kept["out"])
        return [
            None if slot is None else _answer(where, variable, np.shape(value))
            for variable, value, slot in zip(variables, kept["values"], record.slots, strict=True)
        ]

    def push(tangents: Sequence[Array], record: tn.Record, shapes: Sequence[Any]) -> Array:
        raise MissingRuleError(f"{where}: forward mode needs an operation without a backward of its own.")

    primitive = Primitive(where, "joint", forward, joint_pullback=pullback, joint_push=push, joint_reads="none")
    return primitive(*operands)


def _is_on_open_tape(value: Array) -> bool:
    return isinstance(value, tn.Tensor) and value.tape.is_open


def _answer(where: str, variable: Variable, shape: tuple[int, ...]) -> Array:
    """The `.D` that a backward has set, as a cotangent of a value of `shape`."""
    if variable.D is None:
        raise RuleError(
            f"{where}: backward must set .D on each input that the loss is differentiated by; "
            f"the one of shape {shape} has none."
        )
    gradient = np.asarray(variable.D)
    if gradient.ndim == 0:
        return np.broadcast_to(gradient, shape)
    if gradient.shape != shape and _core(gradient.shape) == _core(shape):
        return gradient.reshape(shape)
    return gradient  # where the operation broadcast its input, the walk sums over what was broadcast


def _core(shape: tuple[int, ...]) -> list[int]:
    return [length for length in shape if length != 1]
