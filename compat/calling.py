"""Calling operators of any age: those of this package, and those that users have written.

An operator's `forward` takes one or two inputs, with `if_train` or without. One that has no `backward` is made
of functions of tapenet or NumPy, and the tape differentiates it. One that has becomes a single operation on the
tape, with that `backward` as its rule.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

import tapenet as tn
from compat.symbols import Array, Symbol, Variable, flat, holding, mapped, plain
from tapenet.primitive import Primitive


def call(symbol: Symbol, where: str, inputs: list[Any], if_train: bool) -> Array:
    """The value of a symbol.

    Args:
        symbol: a node or a loss.
        where: names it in errors.
        inputs: as many as it reads, each a Variable or a list of them.
        if_train: whether the graph trains or predicts.
    """
    if hasattr(symbol.operator, "backward"):
        return _with_own_backward(symbol, where, inputs, if_train)
    return _forward(symbol.operator, inputs, if_train)


# ---- forward, of any signature ----


def _forward(operator: Any, inputs: Sequence[Any], if_train: bool) -> Array:
    forward = operator.forward
    style = _style(getattr(forward, "__func__", forward), len(inputs) + hasattr(forward, "__self__"))
    if style == "without":
        result = forward(*inputs)
    elif style == "by name":
        result = forward(*inputs, if_train=if_train)
    else:
        result = forward(*inputs, if_train)
    return Variable(result).value


@functools.cache
def _style(forward: Callable[..., Any], count: int) -> Literal["without", "by name", "in place"]:
    """How `forward`, given `count` inputs, takes `if_train`."""
    signature = inspect.signature(forward)
    if "if_train" in signature.parameters:
        return "by name"
    return "in place" if not _takes(signature, count) and _takes(signature, count + 1) else "without"


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


# ---- operators with a backward of their own ----


def _with_own_backward(symbol: Symbol, where: str, inputs: list[Any], if_train: bool) -> Array:
    """Compute off the tape, and record that as one operation on what it read.

    The operator gets stand-ins, with arrays as values, for `backward` to set `.D` on: one for each place, so
    that an input which comes twice has two. Variables that it holds as attributes serve as inputs as well.
    """
    operator = symbol.operator
    given = mapped(lambda variable: Variable(plain(variable.value), variable.lr), inputs)
    held = [variable for variable in _attributes(operator) if isinstance(variable.value, tn.Tensor)]
    arrays = [plain(variable.value) for variable in held]
    with holding(held, arrays):
        out = _forward(operator, given, if_train)
    if isinstance(out, tn.Tensor):
        raise tn.ArgumentTypeError(
            "an operation with a backward must compute from its inputs and from Variables that are its attributes; "
            "its output depends on another trained Variable."
        )
    linked = [(stand_in, variable.value) for stand_in, variable in zip(flat(given), flat(inputs), strict=True)]
    linked = [(stand_in, value) for stand_in, value in linked if isinstance(value, tn.Tensor)]
    left_by_forward = dict(vars(operator))

    def pull(D: Array) -> list[Array]:
        vars(operator).update(left_by_forward)  # another call of the same operator may have come since
        for variable in (*flat(given), *held):
            variable.D = None
        with holding(held, arrays):
            symbol.pull(np.array(D), given, out)
        for stand_in, _ in linked:
            if stand_in.D is None:
                raise tn.ArgumentError(
                    f"{where}: backward must set .D of every input that the loss is differentiated by; "
                    f"the one of shape {stand_in.shape} has none."
                )
        return [*(_cotangent(stand_in) for stand_in, _ in linked), *map(_cotangent, held)]

    return _recorded(where, out, [*(tensor for _, tensor in linked), *(variable.value for variable in held)], pull)


def _attributes(operator: Any) -> list[Variable]:
    """The Variables that an operator holds, as `BatchNorm(gamma, beta)` holds two."""
    members = flat([list(x.values()) if isinstance(x, dict) else x for x in vars(operator).values()])
    return list(dict.fromkeys(member for member in members if isinstance(member, Variable)))


def _cotangent(variable: Variable) -> Array:
    """The `.D` that a backward has set, which may be a number; None for none."""
    if variable.D is None or np.ndim(variable.D) > 0:
        return variable.D
    return np.broadcast_to(variable.D, variable.shape)


def _recorded(where: str, out: Array, operands: Sequence[tn.Tensor], pull: Callable[[Array], list[Array]]) -> Array:
    """`out` as the value of an operation on the operands; `pull` gives their cotangents for that of `out`.

    A primitive made for this one call, as its rule needs what this call left on the operator.
    """

    def missing(*_: Any) -> Array:
        raise tn.MissingRuleError(f"{where}: an operation with a backward of its own has no forward mode.")

    primitive = Primitive(
        where,
        "joint",
        lambda *values: out,
        joint_pullback=lambda D, *_: pull(D),
        joint_push=missing,
        joint_reads="none",
    )
    return primitive(*operands)
