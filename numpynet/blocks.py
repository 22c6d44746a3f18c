"""Blocks: several operations as one node."""

from __future__ import annotations

from collections.abc import Mapping

import tapenet as tn
from numpynet.activators import ReluActivator
from numpynet.operations import Add, BatchNorm, Conv2d
from numpynet.symbols import Link, Node, Variable


class ResBlock(Node):
    """A residual block: conv, batch norm, relu, conv, batch norm, plus the shortcut.

        X1 --> conv --> BN --> relu --> conv --> BN --> + -->
         |                                              |
         +---------> itself, or conv --> BN ------------+

    All convolutions are 'same' at stride 1. The original did not differentiate through the shortcut, but added
    1 to the gradient.

    Args:
        X1: a node, Variable or Placeholder.
        X2s: the Variables of the main path, by w1 b1 gamma1 beta1 w2 b2 gamma2 beta2.
        scps: the Variables of a convolution and batch norm in the shortcut, by w b gamma beta; None for neither.
    """

    def __init__(self, X1: Link, X2s: Mapping[str, Variable], scps: Mapping[str, Variable] | None = None) -> None:
        first = _ConvNorm("X2s", X2s, ("w1", "b1", "gamma1", "beta1"))
        second = _ConvNorm("X2s", X2s, ("w2", "b2", "gamma2", "beta2"))
        shortcut = None if scps is None else _ConvNorm("scps", scps, ("w", "b", "gamma", "beta"))
        super().__init__(_Residual(first, second, shortcut), X1)


class _Residual:
    """The operation of a `ResBlock`."""

    name = "ResBlock"

    def __init__(self, first: _ConvNorm, second: _ConvNorm, shortcut: _ConvNorm | None) -> None:
        self.first, self.second, self.shortcut = first, second, shortcut

    def forward(self, X1: Variable, if_train: bool) -> Variable:
        y = ReluActivator().forward(self.first.forward(X1, if_train))
        y = self.second.forward(y, if_train)
        return Add().forward(y, X1 if self.shortcut is None else self.shortcut.forward(X1, if_train))


class _ConvNorm:
    """A convolution and a batch norm, with the Variables that a dict has under these keys."""

    def __init__(self, name: str, given: Mapping[str, Variable], keys: tuple[str, str, str, str]) -> None:
        if not isinstance(given, Mapping):
            raise tn.ArgumentTypeError(f"ResBlock: {name} must be a dict of Variables; got {type(given).__name__}.")
        absent = [key for key in keys if not isinstance(given.get(key), Variable)]
        if absent:
            raise tn.ArgumentError(
                f"ResBlock: {name} must hold Variables under {', '.join(keys)}; got none under {', '.join(absent)}."
            )
        self.w, self.b, gamma, beta = (given[key] for key in keys)
        self.norm = BatchNorm(gamma, beta)

    def forward(self, X1: Variable, if_train: bool) -> Variable:
        return self.norm.forward(Conv2d().forward(X1, [self.w, self.b]), if_train)
