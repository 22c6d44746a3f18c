"""Blocks: several operations as one node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compat.activators import ReluActivator
from compat.operations import Add, BatchNorm, Conv2d
from compat.symbols import Link, Node, Variable
from tapenet.errors import ArgumentError

MAIN = ("w1", "b1", "gamma1", "beta1", "w2", "b2", "gamma2", "beta2")
SHORTCUT = ("w", "b", "gamma", "beta")


class ResBlock(Node):
    """A residual block: conv, batch norm, relu, conv, batch norm, plus the shortcut.

        X1 --> conv --> BN --> relu --> conv --> BN --> + -->
         |                                              |
         +---------> itself, or conv --> BN ------------+

    All convolutions are 'same' at stride 1. The original did not differentiate through the plain shortcut, but
    added 1 to the gradient.

    Args:
        X1: a node, Variable or Placeholder.
        X2s: the Variables of the main path, by w1 b1 gamma1 beta1 w2 b2 gamma2 beta2.
        scps: the Variables of a convolution and batch norm in the shortcut, by w b gamma beta; None for neither.
    """

    def __init__(
        self, X1: Link = None, X2s: Mapping[str, Any] | None = None, scps: Mapping[str, Any] | None = None
    ) -> None:
        main = _checked("X2s", X2s or {}, MAIN)
        shortcut = None if scps is None else _checked("scps", scps, SHORTCUT)
        super().__init__(_Residual(main, shortcut), X1)


class _Residual:
    """The operation of a `ResBlock`."""

    name = "ResBlock"

    def __init__(self, main: dict[str, Variable], shortcut: dict[str, Variable] | None) -> None:
        self.main = main
        self.shortcut = shortcut or {}
        self.first = BatchNorm(main["gamma1"], main["beta1"])
        self.second = BatchNorm(main["gamma2"], main["beta2"])
        self.third = BatchNorm(shortcut["gamma"], shortcut["beta"]) if shortcut else None

    def forward(self, X1: Variable, if_train: bool = True) -> Variable:
        conv, relu, main = Conv2d(), ReluActivator(), self.main
        y = self.first.forward(conv.forward(X1, [main["w1"], main["b1"]]), if_train)
        y = conv.forward(relu.forward(y), [main["w2"], main["b2"]])
        y = self.second.forward(y, if_train)
        if self.third is not None:
            X1 = conv.forward(X1, [self.shortcut["w"], self.shortcut["b"]])
            X1 = self.third.forward(X1, if_train)
        return Add().forward(y, X1)


def _checked(name: str, given: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Variable]:
    absent = [key for key in keys if not isinstance(given.get(key), Variable)]
    if absent:
        raise ArgumentError(
            f"ResBlock: {name} must hold Variables under {', '.join(keys)}; got none under {', '.join(absent)}."
        )
    return {key: given[key] for key in keys}
