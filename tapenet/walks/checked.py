"""Rules for a walk that is watched: they raise where NaN or infinity appears in what they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.checking import Checker, appeared
from tapenet.errors import NumericalError
from tapenet.primitive import Primitive
from tapenet.recipes import recipe
from tapenet.record import Entry
from tapenet.tensor import Tensor
from tapenet.walks.substituted import SubstitutedEntries, with_rules


def checked_entries(entries: Sequence[Entry], checker: Checker) -> SubstitutedEntries:
    """A tape's entries, with rules that are watched."""

    def substitute(primitive: Primitive, slot: int) -> Primitive:
        return with_rules(
            primitive,
            pull=_Watched(primitive, slot, checker, "backward", "cotangent").rule,
            push=_Watched(primitive, slot, checker, "forward", "tangent").rule,
        )

    return SubstitutedEntries(entries, substitute)


@attrs.frozen(eq=False)
class _Watched:
    """The rules of one record in one mode."""

    primitive: Primitive
    slot: int
    checker: Checker
    mode: str
    what: str

    def rule(self, rule: Callable[..., Any], place: int | None) -> Callable[..., Any]:
        """A rule that looks at what it gives; see `tapenet.primitive` for its arguments."""

        def watched(t: Any, *rest: Any) -> Any:
            kept = rest[0] if place is not None else rest[1]
            answer = self._run(lambda: rule(t, *rest))
            given = (*(t if isinstance(t, list | tuple) else [t]), *kept)
            for part in answer if isinstance(answer, list | tuple) else [answer]:
                self._check(part, given, place)
            return answer

        return watched

    def _run(self, rule: Callable[[], Any]) -> Any:
        """What a rule gives; where its own operations are watched, their error says whose derivative it is."""
        try:
            with np.errstate(all="ignore"):  # what NumPy would warn of is what is watched for
                return rule()
        except NumericalError as error:
            raise NumericalError(f"{self._here()}: {error}") from error

    def _check(self, answer: Any, given: Sequence[Any], place: int | None) -> None:
        if type(answer) is not Tensor and not hasattr(answer, "dtype"):
            return  # None, or the cotangent of a tuple
        bad = appeared(answer, given)
        if bad:
            name = self.primitive.operands[place] if place is not None and self.primitive.operands else "an operand"
            line = self.checker.line(self.slot)
            recorded = "" if line is None else f", recorded at {line}"
            raise NumericalError(
                f"{self._here()} the {self.what} by {name} must be finite for finite operands; got {bad}{recorded}. "
                f"{recipe(self.primitive.name, bad)}"
            )

    def _here(self) -> str:
        return f"{self.primitive.name}: in the {self.mode} walk"
