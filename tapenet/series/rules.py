"""The table of series rules: for each operation how the series of its operands give that of its output.

    @rule("exp")
    def exp(x: Series) -> Series:
        return exponential(ops.exp(x[0]), x)

A rule takes the series of the operands and the operation's parameters as keywords. An operation without a rule is
differentiated by its pushforward: see `tapenet.series.walk`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from tapenet.core.primitive import REGISTRY, Array, Primitive, bind
from tapenet.series.arithmetic import Series

SeriesRule = Callable[..., Series | None]  # None where it does not serve these operands
Rule = TypeVar("Rule", bound=SeriesRule)
Edge = Callable[..., Array | None]  # of the operands' series; answers by a mask, or None for nowhere


@attrs.frozen(eq=False)
class Entry:
    """A rule of the table.

    Attributes:
        rule: of the operands' series.
        edge: where the rule divides by zero, from the operands' series: there the pushforward decides, as its
            conventions are those of nested forward mode.
        inside: an operand's value at which the rule is evaluated there instead.
        of_real: whether it holds for real operands alone.
    """

    rule: SeriesRule
    edge: Edge | None = None
    inside: float = 1.0
    of_real: bool = False


RULES: dict[str, Entry] = {}


def rule(*names: str, edge: Edge | None = None, inside: float = 1.0, of_real: bool = False) -> Callable[[Rule], Rule]:
    """Enter a function into the table, for each of these operations."""

    def enter(function: Rule) -> Rule:
        for name in names:
            RULES[name] = Entry(function, edge, inside, of_real)
        return function

    return enter


def entry_of(primitive: Primitive) -> Entry | None:
    """Return an operation's rule; None where its pushforward serves."""
    return None if primitive.is_users else RULES.get(primitive.name)


def apply(name: str, *operands: Array, **parameters: Any) -> Array:
    """Apply the operation of a name."""
    return bind(REGISTRY[name], operands, parameters)
