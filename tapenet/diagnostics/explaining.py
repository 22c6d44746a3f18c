"""Why a gradient is zero, tiny, huge or not finite, or is not there: found by following a walk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from tapenet.core.leaf_checks import described
from tapenet.core.primitive import Array
from tapenet.core.record import SHAPE
from tapenet.core.recorder import Recorder
from tapenet.core.source_lines import line_of
from tapenet.core.tensor import Tensor, unwrap
from tapenet.diagnostics.connections import why_not_on
from tapenet.diagnostics.followed import Flow, Followed, follow
from tapenet.diagnostics.forward_values import first_nonfinite_record, known_values
from tapenet.diagnostics.magnitudes import Magnitude, magnitude
from tapenet.walks.reachability import descendants, needed_slots
from tapenet.walks.replay import read_slots

_SHOWN = 5  # reasons of one kind that are told


@attrs.frozen(eq=False)
class SourceFinding:
    """What was found of one source.

    Attributes:
        path: of the leaf in x.
        verdict: "nan", "infinite", "zero", "huge", "tiny", "finite", "empty" or "unconnected".
        reasons: why, a sentence each.
        magnitude: of the gradient; None where it is unconnected.
        slots: the records that the reasons are of.
    """

    path: str
    verdict: str
    reasons: tuple[str, ...]
    magnitude: Magnitude | None
    slots: tuple[int, ...] = ()


@attrs.frozen(eq=False)
class Limits:
    """From which factor on a gradient is huge, and below which it is tiny, against the cotangent of the target."""

    exploding: float
    vanishing: float


@attrs.frozen(eq=False)
class Found:
    """What was found: for each source, and what was seen on the way."""

    sources: tuple[SourceFinding, ...]
    followed: Followed


def find(
    trace: Recorder,
    targets: Mapping[str, Any],
    seeds: Sequence[Array],
    sources: Mapping[str, Any],
    limits: Limits,
) -> Found:
    """Follow the walk from targets back to sources, and say of each source why its gradient is as it is.

    Args:
        trace: of the tape.
        targets: by their paths; those that are not on the tape are told of.
        seeds: the cotangent of each target.
        sources: by their paths.
        limits: of what is called huge and tiny.
    """
    by_slot: dict[int, Array] = {}
    off_tape: list[str] = []
    for (path, target), seed in zip(targets.items(), seeds, strict=True):
        if type(target) is not Tensor or target.owner is not trace:
            off_tape.append(f"{path} {why_not_on(trace, target)}")
            continue
        by_slot[target.slot] = by_slot[target.slot] + seed if target.slot in by_slot else seed
    own = {path: x.slot for path, x in sources.items() if type(x) is Tensor and x.owner is trace}
    followed = follow(trace.entries, by_slot, set(own.values()))
    given = {x.slot: x for x in (*targets.values(), *sources.values()) if type(x) is Tensor and x.owner is trace}
    look = _Look(trace, followed, by_slot, limits, given)
    findings = [
        look.at(path, own[path], off_tape) if path in own else SourceFinding(path, "unconnected", (_off(x),), None)
        for path, x in sources.items()
    ]
    return Found(tuple(findings), followed)


def _off(x: Any) -> str:
    if type(x) is Tensor:
        return "It is a Tensor of another tape."
    return f"It was never watched: it is {described(x)}. Differentiate by what tape.watch returned: x = tape.watch(x0)."


@attrs.frozen(eq=False)
class _Look:
    """A look at a walk that was followed."""

    trace: Recorder
    followed: Followed
    seeds: Mapping[int, Array]
    limits: Limits
    given: Mapping[int, Tensor]

    def at(self, path: str, source: int, off_tape: Sequence[str]) -> SourceFinding:
        """Return what is found of a source."""
        own = self.followed.found.get(source)
        if own is None:
            return SourceFinding(path, "unconnected", (*off_tape, *self._cuts(source)), None)
        size = magnitude(own)
        below = self.followed.below(source)
        seed = max((magnitude(x).largest for x in self.seeds.values()), default=1.0) or 1.0
        if not size.size:
            return SourceFinding(path, "empty", ("It has no elements.",), size)
        if not size.is_finite:
            reasons, slots = self._nonfinite(below)
            return SourceFinding(path, "nan" if size.nans else "infinite", reasons, size, slots)
        if size.is_zero:
            reasons, slots = self._dead(below)
            return SourceFinding(path, "zero", reasons, size, slots)
        if size.largest > self.limits.exploding * seed:
            reasons, slots = self._steps(source, growing=True)
            return SourceFinding(path, "huge", reasons, size, slots)
        if size.largest < self.limits.vanishing * seed:
            reasons, slots = self._steps(source, growing=False)
            return SourceFinding(path, "tiny", reasons, size, slots)
        reasons, slots = self._partial(below)
        return SourceFinding(path, "finite", reasons, size, slots)

    # ---- reasons ----

    def _cuts(self, source: int) -> list[str]:
        """Return why no path leads from a source: where values that depend on it were read off the tape."""
        entries = self.trace.entries
        found: dict[str, None] = {}
        if self.trace.guards is not None:
            reached = descendants(entries, {source}, max(len(entries) - 1, source))
            for guard in self.trace.guards:
                if any(reached[slot] for slot in read_slots(guard)):
                    found[f"{guard.name} at {line_of(guard.location)}"] = None
        texts = ["y was computed without it, as far as operations were recorded."] if self.seeds else []
        if found:
            texts.append(f"Values that depend on it were read off the tape by {_some(list(found))}.")
        if self.seeds:
            others = sorted(self._leaves_of_targets() - {source})
            names = [f"%{slot} of shape {entries[slot][SHAPE]}" for slot in others]
            texts.append(
                f"y depends on {_some(names)}." if names else "y does not depend on anything that was watched."
            )
        return texts

    def _leaves_of_targets(self) -> set[int]:
        entries, leaves = self.trace.entries, self.trace.leaves
        return {slot for slot in needed_slots(entries, self.seeds) if slot in leaves}

    def _nonfinite(self, below: Sequence[int]) -> tuple[tuple[str, ...], tuple[int, ...]]:
        on_path = set(below)
        reasons: list[str] = []
        slots: list[int] = []
        values = known_values(self.trace.entries, {slot: unwrap(x) for slot, x in self.given.items()}, below)
        first = first_nonfinite_record(self.trace.entries, values)
        if first is not None:
            slot, text = first
            reasons.append(f"The value itself is not finite, from {self.name(slot)} on: {text}")
            slots.append(slot)
        if any(not magnitude(x).is_finite for x in self.seeds.values()):
            reasons.append("output_gradients is not finite.")
        flow = next((flow for flow in self._flows(below) if _starts_nonfinite(flow, on_path)), None)
        if flow is not None and flow.cause is not None:
            reasons.append(f"{self.name(flow.slot)}: {flow.cause}")
            slots.append(flow.slot)
        return tuple(reasons) or ("The sum of contributions overflows.",), tuple(slots)

    def _dead(self, below: Sequence[int]) -> tuple[tuple[str, ...], tuple[int, ...]]:
        if all(magnitude(x).is_zero for x in self.seeds.values()):
            return ("output_gradients is zero.",), ()
        on_path = set(below)
        found: dict[tuple[str, str], list[int]] = {}
        for flow in self._flows(below):
            if flow.operand not in on_path or flow.came.is_zero:
                continue
            if flow.went.is_zero:
                text = "its derivative is zero here" if flow.cause is None else flow.cause.text
            elif self._cancels(flow.operand):
                text = f"what it gives to %{flow.operand} cancels with what others give"
            else:
                continue
            found.setdefault((self.trace.entries[flow.slot][0].name, text), []).append(flow.slot)
        return self._told(found)

    def _cancels(self, slot: int) -> bool:
        own = self.followed.cotangents.get(slot)
        return own is not None and own.is_zero and own.size > 0

    def _steps(self, source: int, *, growing: bool) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Return the records that change the norm the most, on the path along which most of it comes."""
        path = self._main_path(source)
        steep = [flow for flow in path if (flow.factor > 1.01 if growing else flow.factor < 0.99)]
        steep.sort(key=lambda flow: -flow.factor if growing else flow.factor)
        groups: dict[tuple[str, str], list[Flow]] = {}
        for flow in steep:
            text = "" if flow.cause is None else flow.cause.text
            groups.setdefault((self.trace.entries[flow.slot][0].name, text), []).append(flow)
        word = "grows" if growing else "shrinks"
        reasons = [
            f"{self._names([flow.slot for flow in own])}: the norm {word} by a factor of {_factors(own)}"
            f"{f' ({text})' if text else ''}."
            for (_, text), own in list(groups.items())[:_SHOWN]
        ]
        return tuple(reasons), tuple(flow.slot for flow in steep)

    def _main_path(self, source: int) -> list[Flow]:
        """Return from a source on, to each value, the flow that gives the most."""
        into: dict[int, Flow] = {}
        for flows in self.followed.flows.values():
            for flow in flows:
                known = into.get(flow.operand)
                if known is None or flow.went.norm > known.went.norm:
                    into[flow.operand] = flow
        path = []
        while source in into:
            path.append(into[source])
            source = into[source].slot
        return path

    def _partial(self, below: Sequence[int]) -> tuple[tuple[str, ...], tuple[int, ...]]:
        on_path = set(below)
        found: dict[tuple[str, str], list[int]] = {}
        for flow in self._flows(below):
            if flow.operand in on_path and flow.cause is not None:
                found.setdefault((self.trace.entries[flow.slot][0].name, flow.cause.text), []).append(flow.slot)
        return self._told(found)

    def _told(self, found: Mapping[tuple[str, str], Sequence[int]]) -> tuple[tuple[str, ...], tuple[int, ...]]:
        reasons = [f"{self._names(slots)}: {text}." for (_, text), slots in found.items()]
        if len(reasons) > _SHOWN:
            reasons = [*reasons[:_SHOWN], f"{len(reasons) - _SHOWN} more, which the table tells."]
        return tuple(reasons), tuple(dict.fromkeys(slot for slots in found.values() for slot in slots))

    def _names(self, slots: Sequence[int]) -> str:
        """Return what records of one operation are called in a sentence."""
        slots = sorted(set(slots), reverse=True)
        if len(slots) == 1:
            return self.name(slots[0])
        return f"{self.trace.entries[slots[0]][0].name} ({_some([f'%{slot}' for slot in slots])})"

    def _flows(self, below: Sequence[int]) -> list[Flow]:
        return [flow for slot in below for flow in self.followed.flows.get(slot, ())]

    def name(self, slot: int) -> str:
        """Return what a record is called in a sentence."""
        return record_name(self.trace, slot)


def record_name(trace: Recorder, slot: int) -> str:
    """Return the name of a record, with its line where that is known."""
    line = line_at(trace, slot)
    return f"{trace.entries[slot][0].name} (%{slot}{f', {line}' if line else ''})"


def line_at(trace: Recorder, slot: int) -> str:
    """Return the user's line of a record; empty where it is not known, outside `checks`."""
    return line_of(trace.locations[slot]) if trace.locations is not None and slot in trace.locations else ""


def _starts_nonfinite(flow: Flow, on_path: set[int]) -> bool:
    return flow.operand in on_path and flow.came.is_finite and not flow.went.is_finite


def _factors(flows: Sequence[Flow]) -> str:
    low, high = min(flow.factor for flow in flows), max(flow.factor for flow in flows)
    return f"{low:.3g}" if high <= 1.01 * low else f"{low:.3g} to {high:.3g}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
