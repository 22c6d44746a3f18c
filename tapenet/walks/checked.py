"""Entries for a walk that watches: each primitive stands in with rules that look at what they give.

So the walks themselves know nothing of checked mode, and pay nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

import attrs
import numpy as np

from tapenet.checking import Checker, appeared
from tapenet.errors import NumericalError
from tapenet.primitive import CompiledRule, Primitive, Shapes
from tapenet.recipes import recipe
from tapenet.record import Entry, Kept, Parameters, Shape, Slots
from tapenet.tensor import Tensor


@attrs.frozen(eq=False)
class CheckedEntries(Sequence[Entry]):
    """A tape's entries, with rules that raise where NaN or infinity appears in what they give."""

    _entries: Sequence[Entry]
    _checker: Checker

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | Sequence[Entry]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        primitive, slots, kept, parameters, shape, dtype = self._entries[index]
        return _stand_in(primitive, index, self._checker), slots, kept, parameters, shape, dtype


def _stand_in(primitive: Primitive, slot: int, checker: Checker) -> Primitive:
    """The primitive with rules that look at what they give."""

    def each(rules: Sequence[CompiledRule | None], mode: str, what: str) -> tuple[CompiledRule | None, ...]:
        return tuple(
            rule and _watching(rule, primitive, slot, checker, mode, what.format(name))
            for rule, name in zip(rules, primitive.operands, strict=False)
        )

    return attrs.evolve(
        primitive,
        pullbacks=each(primitive.pullbacks, "backward", "the cotangent of {}"),
        pushes=each(primitive.pushes, "forward", "the tangent by {}"),
        joint_pullback=primitive.joint_pullback
        and _watching_all(primitive.joint_pullback, primitive, slot, checker, "backward", "a cotangent"),
        joint_push=primitive.joint_push
        and _watching_all(primitive.joint_push, primitive, slot, checker, "forward", "the tangent"),
    )


def _watching(
    rule: CompiledRule, primitive: Primitive, slot: int, checker: Checker, mode: str, what: str
) -> CompiledRule:
    def watched(t: Any, kept: Kept, parameters: Parameters, shape: Shape) -> Any:
        answer = _run(lambda: rule(t, kept, parameters, shape), primitive, slot, checker, mode)
        _check(answer, (t, *kept), primitive, slot, checker, mode, what)
        return answer

    return watched


def _watching_all(
    rule: Callable[..., Any], primitive: Primitive, slot: int, checker: Checker, mode: str, what: str
) -> Callable[..., Any]:
    def watched(t: Any, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> Any:
        answer = _run(lambda: rule(t, slots, kept, parameters, shapes), primitive, slot, checker, mode)
        given = (*(t if isinstance(t, list | tuple) else [t]), *kept)
        for part in answer if isinstance(answer, list | tuple) else [answer]:
            _check(part, given, primitive, slot, checker, mode, what)
        return answer

    return watched


def _run(rule: Callable[[], Any], primitive: Primitive, slot: int, checker: Checker, mode: str) -> Any:
    """What a rule gives; of an operation that it is recorded with, the error says whose derivative it is."""
    try:
        with np.errstate(all="ignore"):  # what NumPy would warn of is what is watched for
            return rule()
    except NumericalError as error:
        raise NumericalError(f"{_here(primitive, slot, checker, mode)}: {error}") from error


def _check(
    answer: Any, given: Sequence[Any], primitive: Primitive, slot: int, checker: Checker, mode: str, what: str
) -> None:
    if type(answer) is not Tensor and not hasattr(answer, "dtype"):
        return  # None, or the cotangent of a tuple
    bad = appeared(answer, given)
    if bad:
        raise NumericalError(
            f"{_here(primitive, slot, checker, mode)} {what} must be finite for finite operands; "
            f"got {bad}{_recorded(slot, checker)}. {recipe(primitive.name, bad)}"
        )


def _here(primitive: Primitive, slot: int, checker: Checker, mode: str) -> str:
    return f"{primitive.name}: in the {mode} walk"


def _recorded(slot: int, checker: Checker) -> str:
    line = checker.line(slot)
    return "" if line is None else f", recorded at {line}"
