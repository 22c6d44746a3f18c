"""Checked rules: they raise where NaN or infinity appears in what they return."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.families import constant_rule
from tapenet.core.pieces import Piece
from tapenet.core.primitive import Primitive
from tapenet.core.record import SHAPE, Entry
from tapenet.core.tensor import Tensor
from tapenet.diagnostics.advice import numerical_advice
from tapenet.diagnostics.checker import Checker, first_nonfinite
from tapenet.diagnostics.linearity import check_pushforward_linear, check_rule_linear, copied
from tapenet.errors import NumericalError, UnconnectedError
from tapenet.walks.substituted import SubstitutedEntries, with_rules


def checked_entries(entries: Sequence[Entry], checker: Checker) -> SubstitutedEntries:
    """Return a tape's entries with rules that are checked."""

    def substitute(primitive: Primitive, slot: int) -> Primitive:
        return with_rules(
            primitive,
            pullback=_Watched(primitive, slot, checker, "backward", "cotangent").rule,
            pushforward=_Watched(primitive, slot, checker, "forward", "tangent").rule,
        )

    def check_series(slot: int, operands: Sequence[Any], out: Sequence[Any]) -> None:
        primitive = entries[slot][0]
        for k, coefficient in enumerate(out[1:], 1):
            given = [c for x in operands for c in x[: k + 1] if c is not None]
            for part in coefficient if type(coefficient) is tuple else [coefficient]:
                bad = "" if part is None else first_nonfinite(part, given)
                if bad:
                    line = checker.line(slot)
                    recorded = "" if line is None else f", recorded at {line}"
                    raise NumericalError(
                        f"{primitive.name}: in the series walk the coefficient of order {k} must be finite for finite "
                        f"operands; got {bad}{recorded}. {numerical_advice(primitive.name)}"
                    )

    return SubstitutedEntries(entries, substitute, check_series)


@attrs.frozen(eq=False)
class _Watched:
    """The rules of one record in one mode."""

    primitive: Primitive
    slot: int
    checker: Checker
    mode: str
    what: str

    def rule(self, rule: Callable[..., Any], place: int | None) -> Callable[..., Any]:
        """Wrap a rule so that what it returns is checked; see `tapenet.core.primitive` for its arguments."""

        def watched(t: Any, *rest: Any) -> Any:
            kept = rest[0] if place is not None else rest[1]
            is_users = self.primitive.users_rules != "none"
            t_before, rest_before = (copied(t), copied(rest)) if is_users else (t, rest)  # a rule may write into them
            answer = self._run(lambda: rule(t, *rest))
            if is_users:
                self._run(lambda: self._check_linear(rule, t_before, rest_before, answer, place))
            given = (*(t if isinstance(t, list | tuple) else [t]), *kept)
            for part in answer if isinstance(answer, list | tuple) else [answer]:
                self._check(part, given, place)
            return answer

        return watched

    def _check_linear(
        self, rule: Callable[..., Any], t: Any, rest: Sequence[Any], answer: Any, place: int | None
    ) -> None:
        """Raise where a user's rule is not linear in t."""
        if self.primitive.users_rules == "pushforward" and self.mode == "backward":
            check_pushforward_linear(self.primitive, *rest)
        else:
            check_rule_linear(self.primitive, rule, t, rest, answer, place, self.what)

    def _run(self, rule: Callable[[], Any]) -> Any:
        """Run a rule; where an operation in it is checked and fails, its error is prefixed by this derivative."""
        try:
            with np.errstate(all="ignore"):  # what NumPy would warn of is checked here
                return rule()
        except NumericalError as error:
            raise NumericalError(f"{self._label()}: {error}") from error

    def _check(self, answer: Any, given: Sequence[Any], place: int | None) -> None:
        if type(answer) is Piece:
            answer = answer.values
        if type(answer) is not Tensor and not hasattr(answer, "dtype"):
            return  # None, or the cotangent of a tuple
        bad = first_nonfinite(answer, given)
        if bad:
            name = self.primitive.operands[place] if place is not None and self.primitive.operands else "an operand"
            line = self.checker.line(self.slot)
            recorded = "" if line is None else f", recorded at {line}"
            raise NumericalError(
                f"{self._label()} the {self.what} by {name} must be finite for finite operands; got {bad}{recorded}. "
                f"{numerical_advice(self.primitive.name)}"
            )

    def _label(self) -> str:
        return f"{self.primitive.name}: in the {self.mode} walk"


def check_not_constant(
    entries: Sequence[Entry], targets: Collection[int], sources: Collection[int], checker: Checker
) -> None:
    """Raise for a source from which every path to the targets goes through a piecewise constant operation."""
    last = max(targets, default=-1)
    reached = bytearray(last + 1)  # whether a target depends on it at all: 1; by a path that is not constant: 2
    for slot in targets:
        reached[slot] = 2
    steps: list[int] = []
    for slot in range(last, -1, -1):
        if not reached[slot]:
            continue
        primitive, slots, _, _, _, _ = entries[slot]
        for place, operand in enumerate(slots):
            if operand is None:
                continue
            constant = bool(primitive.pullbacks) and primitive.pullbacks[place] is constant_rule
            if constant and reached[slot] == 2:
                steps.append(slot)
            reached[operand] = max(reached[operand], 1 if constant else reached[slot])
    for source in sources:
        if source <= last and reached[source] == 1:
            names = ", ".join(_at(entries, slot, checker) for slot in reversed(steps))
            raise UnconnectedError(
                f"tape.gradient: y must depend on x by a path that is not piecewise constant; got {names} on every "
                f"path from %{source}, of shape {entries[source][SHAPE]}, so that its gradient is zero."
            )


def _at(entries: Sequence[Entry], slot: int, checker: Checker) -> str:
    line = checker.line(slot)
    name = entries[slot][0].name
    return name if line is None else f"{name} at {line}"
