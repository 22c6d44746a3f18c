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
from numpynet.symbols import Array, Symbol, Variable, flat, holding, mapped, plain


def call(symbol: Symbol, where: str, inputs: list[Any], if_train: bool) -> Array:
    """Compute the value of a symbol.

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
    """Decide how `forward`, given `count` inputs, takes `if_train`."""
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
    """Call an operator as one operation on the tape, whose cotangents are the `.D` that its `backward` sets.

    The operator gets stand-ins, with arrays as values, for `backward` to set `.D` on: one for each place, so
    that an input which comes twice has two. Variables that it holds as attributes serve as inputs as well.
    """
    state = vars(symbol.operator)
    given = mapped(lambda variable: Variable(plain(variable.value), variable.lr), inputs)
    pairs = [*zip(flat(given), flat(inputs), strict=True), *((variable, variable) for variable in _held(state))]
    pairs = [(variable, source) for variable, source in pairs if isinstance(source.value, tn.Tensor)]
    variables = [variable for variable, _ in pairs]
    kept: dict[str, Any] = {}

    def compute(*values: Array) -> Array:
        with holding(variables, values):
            return _forward(symbol.operator, given, if_train)

    def forward(*values: Array) -> tuple[Array, Any]:
        out = compute(*values)
        kept.update(state)
        return out, (values, out)

    def backward(residuals: Any, D: Array) -> list[Array]:
        values, out = residuals
        state.update(kept)  # another call of the same operator may have come since
        for variable in variables:
            variable.D = None
        with holding(variables, values):
            symbol.pull(np.array(D), given, out)
            return [_cotangent(where, variable) for variable in variables]

    compute.__qualname__ = compute.__name__ = symbol.name
    return tn.custom_vjp(compute, forward, backward)(*(source.value for _, source in pairs))


def _held(attributes: dict[str, Any]) -> list[Variable]:
    """Return the Variables that an operator holds, as `BatchNorm(gamma, beta)` holds two."""
    members = flat([list(x.values()) if isinstance(x, dict) else x for x in attributes.values()])
    return list(dict.fromkeys(member for member in members if isinstance(member, Variable)))


def _cotangent(where: str, variable: Variable) -> Array:
    """Return the `.D` that a backward has set: a number for all elements, or an array that broadcasts."""
    shape = variable.shape
    if variable.D is None:
        raise tn.ArgumentError(
            f"{where}: backward must set .D of every input that the loss is differentiated by; "
            f"the one of shape {shape} has none."
        )
    D = np.asarray(variable.D, variable.value.dtype)
    if D.ndim == 0:
        return np.broadcast_to(D, shape)
    full = (1,) * (D.ndim - len(shape)) + shape
    if D.ndim == len(full):
        D = D.sum(axis=tuple(axis for axis, length in enumerate(full) if length == 1), keepdims=True)
    if D.shape != full:
        raise tn.ArgumentError(
            f"{where}: backward must set .D of the shape of its input, {shape}, or of one that this broadcasts to; "
            f"got {np.shape(variable.D)}."
        )
    return D.reshape(shape)
