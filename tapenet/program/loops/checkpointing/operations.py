"""A long loop as an operation of a tape, and its pullback as another.

The derivatives of both are those of a loop that carries tangents along:

    the pushforward of the loop F is the loop of (F, F' u);
    the pullback B(b) = F'^T b is linear in b, with the transpose F' u, and <u, B(b)> = <b, F' u>,

so that second and higher derivatives are loops of the same kind, and go by the same schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

import tapenet.numpy as tnp
from tapenet.core.leaf_checks import zeros_of
from tapenet.core.primitive import NO_PATH, Array, Parts, Primitive, Shapes
from tapenet.core.record import Kept, Parameters, Slots
from tapenet.core.recorder import new_recorder
from tapenet.core.tensor import Tensor, resolve
from tapenet.errors import MappedValueError
from tapenet.program.loops.checkpointing.leaves import Loop, Run
from tapenet.program.loops.checkpointing.sweeps import Sweep
from tapenet.program.loops.leaf_places import float_places, is_float, leaves_at, with_leaves
from tapenet.transforms.mapping import vmap
from tapenet.transforms.products import jvp
from tapenet.walks.products import vjp_walk

# ---- loops made of loops ----


def _pushed(loop: Loop, floats: Sequence[int], xs: Sequence[int], around: Sequence[int]) -> Loop:
    """Return the loop that carries tangents along: of these leaves of the carry, of xs and of what is around."""
    ends = loop.carries, loop.xs

    def bound(values: Sequence[Array]) -> Run:
        held, held_dots = values[: len(values) - len(around)], values[len(values) - len(around) :]

        def run(carry: Sequence[Array], i: int, x: Sequence[Array]) -> list[Array]:
            own, own_dots = carry[: ends[0]], carry[ends[0] :]
            given, given_dots = x[: ends[1]], x[ends[1] :]

            def outputs(own_floats: Any, x_floats: Any, held_floats: Any) -> tuple[Array, ...]:
                step = loop.bound(with_leaves(held, around, held_floats))
                return tuple(step(with_leaves(own, floats, own_floats), i, with_leaves(given, xs, x_floats)))

            primals = leaves_at(own, floats), leaves_at(given, xs), leaves_at(held, around)
            outs, dots = jvp(outputs, primals, (tuple(own_dots), tuple(given_dots), tuple(held_dots)))
            return [*outs, *leaves_at(dots, floats)]

        return run

    def goes_on(i: int, carry: Sequence[Array], values: Sequence[Array]) -> bool:
        return loop.goes_on(i, carry[: ends[0]], values[: len(values) - len(around)])

    return attrs.evolve(loop, bound=bound, goes_on=goes_on, carries=loop.carries + len(floats), xs=loop.xs + len(xs))


def _mapped(loop: Loop, xs: Sequence[bool], around: Sequence[bool]) -> Loop:
    """Return the loop of a batch: of all leaves of the carry, and of those of xs and of what is around that are."""

    axes = (0, tuple([0 if own else None for own in xs]), tuple([0 if own else None for own in around]))

    def bound(values: Sequence[Array]) -> Run:
        def run(carry: Sequence[Array], i: int, x: Sequence[Array]) -> list[Array]:
            stepped: Any = vmap(lambda carry, x, values: tuple(loop.bound(values)(carry, i, x)), in_axes=axes)
            return list(stepped(tuple(carry), tuple(x), tuple(values)))

        return run

    return attrs.evolve(loop, bound=bound)


@attrs.frozen(eq=False)
class _Tangents:
    """A loop that carries tangents along, its operands, and where those of the loop itself are among them."""

    loop: Loop
    operands: list[Array]
    places: list[int]

    @classmethod
    def of(cls, loop: Loop, operands: Sequence[Array], dots: Sequence[Array | None]) -> _Tangents:
        """Return it for tangents of some operands; the leaves of the carry have zeros."""
        carry, xs, around = loop.split(operands)
        carry_dots, x_dots, around_dots = loop.split(dots)
        floats = float_places(carry)
        x_places, around_places = (
            [i for i, dot in enumerate(part) if dot is not None] for part in (x_dots, around_dots)
        )
        given = [*carry, *[zeros_of(carry[i]) if carry_dots[i] is None else carry_dots[i] for i in floats]]
        first = [*range(len(carry))]
        first += range(len(given), len(given) + len(xs))
        given += [*xs, *leaves_at(x_dots, x_places)]
        first += range(len(given), len(given) + len(around))
        given += [*around, *leaves_at(around_dots, around_places)]
        return cls(_pushed(loop, floats, x_places, around_places), given, first)

    def pulled(
        self, wanted: Sequence[int], bars: Callable[[int], Sequence[Array]]
    ) -> tuple[list[Array], list[Array | None]]:
        """Return the last tangents, and the cotangents of operands of the loop itself.

        Args:
            wanted: the places of those operands.
            bars: of the number of float leaves, the cotangents of the last carry and of its tangents.
        """
        given = list(self.operands)
        with new_recorder(replayable=False) as trace:
            watched = {place: trace.watch(given[self.places[place]]) for place in wanted}
            for place, x in watched.items():
                given[self.places[place]] = x
            outs = LOOP(*given, loop=self.loop)
        carries = self.loop.carries
        floats = [i for i in range(carries) if is_float(self.operands[i])]
        half = len(floats) // 2
        targets = leaves_at(outs, floats)
        found = vjp_walk(trace, targets, bars(half), [watched[place] for place in wanted], is_last=True)
        return [resolve(x) for x in targets[half:]], found


# ---- the loop as an operation ----


def _with_sweep(*operands: Array, loop: Loop) -> tuple[tuple[Array, ...], Sweep]:
    sweep = Sweep.of(loop, operands)
    outs, sweep.outs = tuple(sweep.outs), []
    return outs, sweep


def _pullback(t: Parts, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> list[Any]:
    loop: Loop = parameters["loop"]
    operands = kept[: len(slots)]
    sweep = kept[-1] if isinstance(kept[-1], Sweep) else None
    wanted = tuple([i for i, slot in enumerate(slots) if slot is not None and is_float(operands[i])])
    bars = [t.parts[i] if i in t.parts else zeros_of(operands[i]) for i in float_places(operands[: loop.carries])]
    found: list[Any] = [None if slot is None else NO_PATH for slot in slots]
    if not bars or not wanted:
        return found
    return with_leaves(found, wanted, LOOP_BACK(*operands, *bars, loop=loop, wanted=wanted, sweep=sweep))


def _pushforward(tangents: Sequence[Any], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> Any:
    loop: Loop = parameters["loop"]
    operands = kept[: len(slots)]
    tangent = _Tangents.of(loop, operands, tangents)
    outs = LOOP(*tangent.operands, loop=tangent.loop)
    floats = float_places(operands[: loop.carries])
    return tuple(with_leaves([None] * loop.carries, floats, outs[loop.carries :]))


def _check_mapped(loop: Loop) -> None:
    if loop.steps is None:
        raise MappedValueError(
            "vmap: checkpointed_loop needs one number of steps; got a condition or an iterator, which would have each "
            "example take its own. Pass the number of steps, and hold what has ended by tnp.where."
        )


def _batched(primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Any) -> Any:
    loop: Loop = parameters["loop"]
    _check_mapped(loop)
    carry, xs, around = loop.split(arrays)
    own, x_own, around_own = loop.split(mapped)
    given = [*_broadcast(carry, own, size), *_steps_first(xs, x_own), *around]
    return LOOP(*given, loop=_mapped(loop, x_own, around_own))


def _broadcast(arrays: Sequence[Array], mapped: Sequence[bool], size: int) -> list[Array]:
    """Return arrays with the examples along axis 0."""
    return [x if own else tnp.broadcast_to(x, (size, *np.shape(x))) for x, own in zip(arrays, mapped, strict=True)]


def _steps_first(arrays: Sequence[Array], mapped: Sequence[bool]) -> list[Array]:
    """Return arrays of xs with the steps along axis 0, and the examples along axis 1."""
    return [tnp.moveaxis(x, 1, 0) if own else x for x, own in zip(arrays, mapped, strict=True)]


LOOP = Primitive(
    "checkpointed_loop",
    "joint",
    lambda *operands, loop: loop.value(operands),
    joint_pullback=_pullback,
    joint_pushforward=_pushforward,
    joint_reads="all",
    with_residual=_with_sweep,
    batch=_batched,
    is_users=True,
    recomputes=True,
    module=__name__,
)


# ---- its pullback as an operation ----


def _back(*arrays: Array, loop: Loop, wanted: tuple[int, ...], sweep: Sweep | None) -> tuple[Array, ...]:
    return tuple(_swept(arrays, loop, wanted, sweep, None))


def _swept(
    arrays: Sequence[Array], loop: Loop, wanted: Sequence[int], sweep: Sweep | None, rows: int | None
) -> list[Array]:
    """Do a backward sweep, after another sweep forward where the carries of the first are used up."""
    operands, bars = _parted(loop, arrays)
    if sweep is None or not all(x is y for x, y in zip(operands, sweep.operands, strict=True)) or not sweep.take():
        loop.check()
        sweep = Sweep.of(loop, operands)
    return sweep.reverse(bars, wanted, rows)


def _parted(loop: Loop, arrays: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Return the operands of the loop, and the cotangents of its float leaves."""
    count = len(arrays) - sum(map(is_float, arrays[: loop.carries]))
    return list(arrays[:count]), list(arrays[count:])


def _back_pullback(t: Parts, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> list[Any]:
    loop: Loop = parameters["loop"]
    operands, bars = _parted(loop, kept[: len(slots)])
    dots: list[Any] = [None] * len(operands)
    for i, place in enumerate(parameters["wanted"]):
        dots[place] = t.parts[i] if i in t.parts else None
    sources = [i for i, slot in enumerate(slots[: len(operands)]) if slot is not None and is_float(operands[i])]
    tangent = _Tangents.of(loop, operands, dots)
    last, pulled = tangent.pulled(sources, lambda half: [*map(zeros_of, bars), *bars])
    found: list[Any] = [None if slot is None else NO_PATH for slot in slots]
    found = with_leaves(found, sources, [NO_PATH if bar is None else bar for bar in pulled])
    own = [i for i, slot in enumerate(slots) if i >= len(operands) and slot is not None]
    return with_leaves(found, own, [last[i - len(operands)] for i in own])


def _back_pushforward(tangents: Sequence[Any], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> Any:
    loop: Loop = parameters["loop"]
    operands, bars = _parted(loop, kept[: len(slots)])
    dots, bar_dots = list(tangents[: len(operands)]), tangents[len(operands) :]
    moved = [zeros_of(bar) if dot is None else dot for bar, dot in zip(bars, bar_dots, strict=True)]
    tangent = _Tangents.of(loop, operands, dots)
    _, pulled = tangent.pulled(parameters["wanted"], lambda half: [*moved, *bars])
    return tuple(
        zeros_of(operands[place]) if dot is None else dot
        for place, dot in zip(parameters["wanted"], pulled, strict=True)
    )


def _back_batched(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Any
) -> Any:
    loop: Loop = parameters["loop"]
    count = len(_parted(loop, arrays)[0])
    if not any(mapped[:count]) and not any(type(x) is Tensor for x in arrays):
        rows = [*arrays[:count], *_broadcast(arrays[count:], mapped[count:], size)]
        return tuple(_swept(rows, loop, parameters["wanted"], parameters["sweep"], size))
    _check_mapped(loop)
    whole = _broadcast(arrays, mapped, size)
    operands, bars = _parted(loop, whole)
    carry, xs, around = loop.split(operands)
    everything = [True] * len(operands)
    given = [*carry, *_steps_first(xs, everything[: len(xs)]), *around]
    mapped_loop = _mapped(loop, everything[: len(xs)], everything[: len(around)])
    found = LOOP_BACK(*given, *bars, loop=mapped_loop, wanted=parameters["wanted"], sweep=None)
    is_x = [loop.carries <= place < loop.carries + loop.xs for place in parameters["wanted"]]
    return tuple(_steps_first(found, is_x))


LOOP_BACK = Primitive(
    "checkpointed_loop backward",
    "joint",
    _back,
    joint_pullback=_back_pullback,
    joint_pushforward=_back_pushforward,
    joint_reads="all",
    batch=_back_batched,
    is_users=True,
    recomputes=True,
    module=__name__,
)
