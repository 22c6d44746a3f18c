"""The series walk: from Taylor series of sources to those of targets, over a tape's records in order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array, Primitive, as_numpy_number, bind
from tapenet.core.record import SLOTS, Entry, Parameters
from tapenet.core.recorder import new_recorder
from tapenet.core.tensor import Tensor
from tapenet.ops.elementwise.arithmetic import where
from tapenet.series import elementwise, linalg, networks, products, special  # noqa: F401  # each enters its rules
from tapenet.series.arithmetic import Coefficient, Series, constant, derivative, integral, is_complex, is_constant
from tapenet.series.linear import kind_of_family, of_family
from tapenet.series.rules import Entry as RuleEntry, entry_of
from tapenet.walks.forward import leads_through
from tapenet.walks.products import jvp_walk
from tapenet.walks.projection import project_tangent
from tapenet.walks.reachability import ancestors
from tapenet.walks.substituted import SubstitutedEntries


def series_walk(
    entries: Sequence[Entry],
    sources: Mapping[int, Series],
    targets: Collection[int],
    order: int,
    *,
    spans: Sequence[tuple[int, int]] = (),
) -> dict[int, Series]:
    """Walk from sources to targets.

    Args:
        entries: the tape's records; one's place is its slot.
        sources: the series of every watched value, by slot.
        targets: the slots whose series are wanted.
        order: that of the series.
        spans: the records that recorded backward walks made; see `forward`.

    Returns:
        The series of each target, by slot.
    """
    check = None
    if isinstance(entries, SubstitutedEntries):
        check, entries = entries.check_series, entries.entries
    found: dict[int, Series] = dict(sources)
    needed = ancestors(entries, targets)
    last_use = _last_uses(entries, needed)
    kept = set(targets)
    for slot, is_needed in enumerate(needed):
        if not is_needed:
            continue
        primitive, slots, held, parameters, shape, dtype = entries[slot]
        if slot not in found:
            if primitive.joint_pushforward_over_reverse is not None and leads_through(spans, slot, needed, 0):
                primitive = attrs.evolve(primitive, joint_pushforward=primitive.joint_pushforward_over_reverse)
            operands = [
                [value, *[None] * order] if operand is None else found[operand]
                for operand, value in zip(slots, held, strict=False)
            ]
            if check is None:
                out = series_of(primitive, operands, parameters)
            else:
                with np.errstate(all="ignore"):  # what NumPy would warn of is checked
                    out = series_of(primitive, operands, parameters)
                    check(slot, operands, out)
            found[slot] = out if shape is None else [out[0], *(_projected(c, shape, dtype, primitive) for c in out[1:])]
        for operand in slots:
            if operand is not None and last_use[operand] == slot and operand not in kept:
                del found[operand]  # so that memory holds only the series still needed
                last_use[operand] = -1
    return {slot: found[slot] for slot in targets}


def _last_uses(entries: Sequence[Entry], needed: bytearray) -> dict[int, int]:
    """Return for each slot the last record that needs its value."""
    return {
        operand: slot
        for slot, is_needed in enumerate(needed)
        if is_needed
        for operand in entries[slot][SLOTS]
        if operand is not None
    }


def _projected(c: Coefficient, shape: Any, dtype: Any, primitive: Primitive) -> Coefficient:
    c = as_numpy_number(c)
    if c is None or (c.shape == shape and c.dtype is dtype):
        return c
    return project_tangent(c, shape, dtype, primitive.name)


# ---- one operation ----


def series_of(primitive: Primitive, operands: Sequence[Series], parameters: Parameters) -> Series:
    """Return the series of an operation's output."""
    values = [x[0] if primitive.takes_numbers else as_numpy_number(x[0]) for x in operands]
    if primitive.is_discrete or all(map(is_constant, operands)):
        return constant(bind(primitive, values, parameters), operands[0] if operands else [None])
    operands = [[value, *x[1:]] for value, x in zip(values, operands, strict=True)]
    entry = entry_of(primitive)
    if entry is not None and not (entry.of_real and any(map(is_complex, values))):
        return _by_rule(entry, primitive, operands, parameters)
    out = of_family(primitive, operands, parameters)
    return by_pushforward(primitive, operands, parameters) if out is None else out


def _by_rule(entry: RuleEntry, primitive: Primitive, operands: Sequence[Series], parameters: Parameters) -> Series:
    """Apply a rule; where it would divide by zero, the pushforward."""
    mask = None if entry.edge is None else entry.edge(*operands)
    if mask is None or not _holds_anywhere(mask):
        out = entry.rule(*operands, **parameters)
        return by_pushforward(primitive, operands, parameters) if out is None else out
    inside = [[where(mask, entry.inside, x[0]), *x[1:]] for x in operands]
    by_rule = entry.rule(*inside, **parameters)
    by_convention = by_pushforward(primitive, operands, parameters)
    if by_rule is None:
        return by_convention
    return [_chosen(mask, one, other) for one, other in zip(by_convention, by_rule, strict=True)]


@branch_condition
def _holds_anywhere(mask: Array) -> bool:
    return bool(np.any(mask))


def _chosen(mask: Array, one: Coefficient, other: Coefficient) -> Coefficient:
    if one is None and other is None:
        return None
    return where(mask, 0.0 if one is None else one, 0.0 if other is None else other)


def by_pushforward(primitive: Primitive, operands: Sequence[Series], parameters: Parameters) -> Series:
    """Return the series of y = f(x) from y' = J(x, y) x', with f's own pushforward.

    What the pushforward computes is recorded, and walked itself: k coefficients of y give k of y', and so k + 1 of y.
    An operation without a series rule costs a walk for each order, where nested forward mode doubles its work; only a
    pushforward that applies several operations without one does so too.
    """
    order = len(operands[0]) - 1
    active = [i for i, x in enumerate(operands) if not is_constant(x)]
    with new_recorder(replayable=False) as trace:
        xs = {i: trace.watch(operands[i][0]) for i in active}
        dots = {i: trace.watch(_tangent(operands[i])) for i in active}
        start = trace.position()
        out = bind(primitive, [xs.get(i, x[0]) for i, x in enumerate(operands)], parameters)
        outs = out if type(out) is tuple else (out,)
        pushed = jvp_walk(trace, list(xs.values()), list(dots.values()), outs)
    values = [trace.inner(y) if type(y) is Tensor and y.owner is trace else y for y in outs]
    targets = {place: dot for place, dot in enumerate(pushed) if type(dot) is Tensor and dot.owner is trace}
    entries = trace.entries_to_walk()
    sources = {xs[i].slot: operands[i] for i in active}
    sources |= {dots[i].slot: [trace.inner(dots[i]), *derivative(operands[i])[1:]] for i in active}
    reads_out = targets and any(ancestors(trace.entries, {dot.slot for dot in targets.values()}, start)[:1])
    found = [[value, *[None] * order] for value in values]
    for place, dot in enumerate(pushed):
        if dot is not None and place not in targets:
            found[place][1] = dot
    for known in range(1 if reads_out else order, order + 1) if targets else ():
        whole = [tuple(c) for c in zip(*found, strict=True)] if type(out) is tuple else found[0]
        given = {slot: x[:known] for slot, x in sources.items()} | {start: whole[:known]}
        slopes = series_walk(entries, given, {dot.slot for dot in targets.values()}, known - 1, spans=trace.spans)
        for place, dot in targets.items():
            found[place] = integral(values[place], slopes[dot.slot]) + [None] * (order - known)
    return [tuple(c) for c in zip(*found, strict=True)] if type(out) is tuple else found[0]


def _tangent(x: Series) -> Array:
    """Return the first derivative of a series, an array also where it is zero."""
    if x[1] is not None:
        return x[1]
    value = x[0]
    return np.zeros(getattr(value, "shape", ()), getattr(value, "dtype", type(value)))[()]


def kind_of_rule(primitive: Primitive) -> str:
    """Return in a word how an operation's series is computed, for tables."""
    if entry_of(primitive) is not None:
        return "rule"
    return kind_of_family(primitive) or "by jvp"
