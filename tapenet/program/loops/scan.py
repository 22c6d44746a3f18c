"""`scan`: a loop whose body is recorded once, and the operation of a tape that it is.

Off the tape it is a Python loop. On Tensors the body is recorded once, on the values of the first step, as a program
of the carry, of one x and of what the body takes from around it; the tape gets one operation, whose forward function
runs the program step by step. Its derivatives are scans again: forward mode carries tangents along, reverse mode goes
through the steps backward from the carries that were saved, and computes what is inside a step again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.argument_checks import checked_count, checked_flag, checked_function
from tapenet.core.leaf_checks import dtype_of
from tapenet.core.primitive import NO_PATH, Array, Parts, Primitive, Shapes
from tapenet.core.pytrees import (
    Tree,
    leaf_paths,
    tree_flatten_with_static,
    tree_unflatten,
)
from tapenet.core.record import Kept, Parameters, Slots
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ReplayError
from tapenet.program.backends.llvm.recurrence_code import Recurrence, recurrence_of
from tapenet.program.compiling.functions import compile
from tapenet.program.evaluating import GuardFailedError, applied
from tapenet.program.instructions import Program
from tapenet.program.loops.leaf_places import float_places, is_float, leaves_at, with_leaves
from tapenet.program.loops.steps import Body, Loop, Step, arrays_in, recorded_step
from tapenet.program.passes import optimized
from tapenet.transforms.products import jvp, vjp


def scan(
    body: Body,
    carry: Tree,
    xs: Tree = None,
    *,
    length: int | None = None,
    reverse: bool = False,
    checkpoint: bool = False,
) -> tuple[Tree, Tree]:
    """Carry a value through the steps of a loop: `carry, y = body(carry, x)` for each x along axis 0 of xs.

        ys = []
        for x in xs:
            carry, y = body(carry, x)
            ys.append(y)
        return carry, stack(ys)

    On Tensors the body is recorded once, however many steps there are, where its Python code does the same in each
    step: a body that branches on values, draws random numbers or writes into what is around it is recorded step by
    step. A backward walk keeps the carry of each step and computes what is inside a step again.

    Args:
        body: `(carry, x) -> (carry, y)`, of pytrees; the carry that it returns has the structure, shapes and dtypes of
            the one that it is given.
        carry: a pytree of arrays and numbers, which the first step is given. Arrays in static fields, such as running
            statistics, are carried, too; the body is then recorded step by step.
        xs: a pytree of arrays of one length along axis 0; None for a body that needs no x.
        length: the number of steps; may be left out where xs tells.
        reverse: whether to go from the last x to the first; ys are in the order of xs in any case.
        checkpoint: whether a backward walk keeps the carries of about 2 sqrt(length) steps alone, and computes the
            others again.

    Returns:
        The carry of the last step, and the y of all steps, stacked along axis 0.

    Raises:
        ArgumentError: no step; xs of different lengths, or another length than `length`; a carry that changes its
            structure, shapes or dtypes.

    Derivative: that of the loop, in both modes and of any order.

    >>> total, sums = scan(lambda total, x: (total + x, total + x), 0.0, np.array([1.0, 2.0, 3.0]))
    >>> float(total), sums
    (6.0, array([1., 3., 6.]))
    """
    checked_function("scan", "body", body)
    reverse, checkpoint = checked_flag("scan", "reverse", reverse), checked_flag("scan", "checkpoint", checkpoint)
    stacks, spec = arrays_in("scan", "xs", xs, with_static=False)
    arrays, carry_spec = arrays_in("scan", "carry", carry, with_static=True)
    count = _count_of(xs, stacks, length)
    loop = Loop(body, carry_spec, spec, reverse, count)
    if checkpoint and count > 3:
        return _in_chunks(loop, arrays, stacks)
    return _run(loop, arrays, stacks)


def _count_of(xs: Tree, leaves: Sequence[Any], length: int | None) -> int:
    """Return the number of steps."""
    if length is not None:
        length = checked_count("scan", "length", length)
    lengths = {np.shape(x)[:1] for x in leaves}
    if () in lengths:
        path = next(path for path, x in zip(leaf_paths(xs, "xs"), leaves, strict=True) if np.shape(x) == ())
        raise ArgumentError(f"scan: {path} must have an axis of steps; got shape ().")
    counts = {count for (count,) in lengths} | ({length} if length is not None else set())
    if len(counts) != 1 or counts == {0}:
        got = f"lengths {', '.join(map(str, sorted(counts)))}" if counts else "neither xs nor length"
        raise ArgumentError(f"scan: xs and length must give one positive number of steps; got {got}.")
    return counts.pop()


def _run(loop: Loop, carry: Sequence[Array], xs: Sequence[Array]) -> tuple[Tree, Tree]:
    """Carry the leaves of a carry through all steps."""
    recorded = recorded_step(loop, carry, xs)
    if recorded is not None:
        step, around = recorded
        try:
            outs = SCAN(*carry, *xs, *around, step=step)
        except ReplayError:  # the body went another way in a later step
            pass
        else:
            following, ys = outs[: step.carries], outs[step.carries : step.carries + step.ys]
            return tree_unflatten(loop.carry_spec, list(following)), tree_unflatten(step.y_spec, list(ys))
    return _step_by_step(loop, carry, xs)


def _step_by_step(loop: Loop, carry: Sequence[Array], xs: Sequence[Array]) -> tuple[Tree, Tree]:
    rows: dict[int, list[Array]] = {}
    for i in loop.order:
        carry, rows[i], y_spec = loop.stepped(carry, [x[i] for x in xs])
    columns = zip(*(rows[i] for i in range(loop.count)), strict=True)
    return tree_unflatten(loop.carry_spec, list(carry)), tree_unflatten(y_spec, list(map(_stacked, columns)))


def _stacked(column: Sequence[Array]) -> Array:
    return tnp.stack(column) if any(type(x) is Tensor for x in column) else np.stack(column)


def _in_chunks(loop: Loop, carry: list[Array], xs: list[Array]) -> tuple[Tree, Tree]:
    """Scan over chunks of steps, each a scan: the carries inside a chunk are kept while it is walked alone."""
    size = math.isqrt(loop.count)
    whole = loop.count // size * size
    head, tail = [x[:whole] for x in xs], [x[whole:] for x in xs]
    if loop.reverse:
        head, tail = [x[loop.count - whole :] for x in xs], [x[: loop.count - whole] for x in xs]
    body, reverse = loop.body, loop.reverse

    def chunk(carry: Tree, x: Tree) -> tuple[Tree, Tree]:
        return scan(body, carry, x, length=size, reverse=reverse)

    chunks = [tnp.reshape(x, (whole // size, size, *x.shape[1:])) for x in head]
    start = tree_unflatten(loop.carry_spec, carry)
    end, ys = scan(chunk, start, tree_unflatten(loop.x_spec, chunks), length=whole // size, reverse=reverse)
    parts, spec = tree_flatten_with_static(ys)
    parts = [tnp.reshape(y, (whole, *y.shape[2:])) for y in parts]
    if whole < loop.count:
        rest = tree_unflatten(loop.x_spec, tail)
        end, others = scan(body, end, rest, length=loop.count - whole, reverse=reverse)
        pairs = zip(parts, tree_flatten_with_static(others)[0], strict=True)
        parts = [tnp.concatenate((b, a) if reverse else (a, b)) for a, b in pairs]
    return end, tree_unflatten(spec, parts)


# ---- the operation ----


def _scanned(*operands: Array, step: Step) -> tuple[Array, ...]:
    """Run the program of each step; give the last carry, the ys, and the carry before each step."""
    recurrence = recurrence_for(step)
    found = None if recurrence is None else recurrence.run(operands, step.count, step.reverse)
    if found is not None:
        return tuple([x for group in found for x in group])
    carry, xs, around = _split(step, operands)
    befores: list[Any] = [None] * step.count
    rows: list[Any] = [None] * step.count
    run, carries = step.run, step.carries
    try:
        for i in step.order:
            befores[i] = carry
            outs = run([*carry, *[x[i] for x in xs], *around])
            carry, rows[i] = outs[:carries], outs[carries:]
    except GuardFailedError as error:
        raise ReplayError(f"scan: the body must go the same way in each step; {error}.") from error
    columns = (*zip(*rows, strict=True), *zip(*befores, strict=True))
    return (*map(_own, carry), *map(np.stack, columns))


def recurrence_for(step: Step) -> Recurrence | None:
    """Return all steps as one kernel, compiled at the second run; None where the body has none.

    Outside of compiled functions a loop is recorded again at each call, and runs once: a kernel takes as long to write
    as a thousand steps.
    """
    if "recurrence" not in step.compiled:
        if not step.compiled.setdefault("has_run", False):
            step.compiled["has_run"] = True
            return None
        program = optimized(step.program)
        step.compiled["recurrence"] = recurrence_of(program, step.carries, step.xs, step.count)
    found: Recurrence | None = step.compiled["recurrence"]
    return found


def _own(x: Array) -> Array:
    return x.copy() if isinstance(x, np.ndarray) else x


def _split(step: Step, operands: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
    """Return the parts of operands: those of the carry, of xs, and of what is around."""
    ends = step.carries, step.carries + step.xs
    return operands[: ends[0]], operands[ends[0] : ends[1]], operands[ends[1] :]


def _zeros(x: Any) -> Array:
    return np.zeros(np.shape(x), dtype_of(x))


def _pullback(t: Parts, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> list[Any]:
    step: Step = parameters["step"]
    operands, outs = kept[: len(slots)], kept[len(slots)]
    carry, xs, around = _split(step, operands)
    bars = [t.parts.get(i) for i in range(len(outs))]
    bars = [_zeros(out) if bar is None else bar for bar, out in zip(bars, outs, strict=True)]
    ends, y_bars, before_bars = bars[: step.carries], bars[step.carries : -step.carries], bars[-step.carries :]
    befores = outs[-step.carries :]
    own = float_places(carry), float_places(xs), float_places(around)
    y_places = float_places(outs[step.carries : -step.carries])
    walk = _compiled(step, "back", lambda: _step_back(step.program, own, y_places))

    def back(bars: Any, given: Any) -> Any:
        return walk(around, bars, given)

    start = leaves_at(ends, own[0]), tuple([_zeros(x) for x in leaves_at(around, own[2])])
    given = tuple(befores), tuple(xs), leaves_at(y_bars, y_places), leaves_at(before_bars, own[0])
    (carry_bars, around_bars), x_bars = scan(back, start, given, reverse=not step.reverse)
    found: list[Any] = [NO_PATH] * len(slots)
    offset = step.carries + step.xs
    for places, first, values in (
        (own[0], 0, carry_bars),
        (own[1], step.carries, x_bars),
        (own[2], offset, around_bars),
    ):
        found = with_leaves(found, [first + place for place in places], values)
    return [bar if slot is not None else None for bar, slot in zip(found, slots, strict=True)]


def _step_back(program: Program, own: Any, y_places: Sequence[int]) -> Callable[..., Any]:
    """Return the function that pulls cotangents back through one step.

    It holds no step: compiled functions would watch all of its fields, at each call.
    """

    def walk(around: Any, bars: Any, given: Any) -> Any:
        (carry_bars, around_bars), (carry, x, y_bars, before_bars) = bars, given

        def outputs(carry_floats: Any, x_floats: Any, around_floats: Any) -> Any:
            outs = _applied(program, (carry, x, around), own, (carry_floats, x_floats, around_floats))
            return leaves_at(outs[: len(carry)], own[0]), leaves_at(outs[len(carry) :], y_places)

        floats = [leaves_at(part, places) for part, places in zip((carry, x, around), own, strict=True)]
        _, pull = vjp(outputs, *floats)
        pulled, x_pulled, around_pulled = pull((carry_bars, y_bars))
        carry_bars = tuple([a + b for a, b in zip(pulled, before_bars, strict=True)])
        return (carry_bars, tuple([a + b for a, b in zip(around_bars, around_pulled, strict=True)])), x_pulled

    return walk


def _applied(program: Program, parts: Sequence[Any], own: Sequence[Any], floats: Sequence[Any]) -> Sequence[Any]:
    """Return what a step gives where its carry, x and what is around have other floats in their places."""
    groups = zip(parts, own, floats, strict=True)
    return applied(program, [leaf for part, places, values in groups for leaf in with_leaves(part, places, values)])


def _compiled(step: Step, name: str, make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    """Return a function of one step, compiled once."""
    if name not in step.compiled:
        step.compiled[name] = compile(make())
    made: Callable[..., Any] = step.compiled[name]
    return made


def _pushforward(tangents: Sequence[Any], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> Any:
    step: Step = parameters["step"]
    operands, outs = kept[: len(slots)], kept[len(slots)]
    carry, xs, around = _split(step, operands)
    own = float_places(carry), float_places(xs), float_places(around)
    y_places = float_places(outs[step.carries : -step.carries])
    dots = [_zeros(x) if dot is None and is_float(x) else dot for dot, x in zip(tangents, operands, strict=True)]
    carry_dots, x_dots, around_dots = (
        leaves_at(part, places) for part, places in zip(_split(step, dots), own, strict=True)
    )
    walk = _compiled(step, "push", lambda: _step_pushed(step.program, own, y_places))

    def push(both: Any, given: Any) -> Any:
        return walk(around, around_dots, both, given)

    (_, ends), (y_dots, before_dots) = scan(
        push, (tuple(carry), carry_dots), (tuple(xs), x_dots), length=step.count, reverse=step.reverse
    )
    pushed: list[Any] = [None] * len(outs)
    pushed = with_leaves(pushed, own[0], ends)
    pushed = with_leaves(pushed, [step.carries + place for place in y_places], y_dots)
    return tuple(with_leaves(pushed, [len(outs) - step.carries + place for place in own[0]], before_dots))


def _step_pushed(program: Program, own: Any, y_places: Sequence[int]) -> Callable[..., Any]:
    """Return the function that pushes tangents through one step."""

    def walk(around: Any, around_dots: Any, both: Any, given: Any) -> Any:
        (carry, carry_dots), (x, x_dots) = both, given

        def outputs(carry_floats: Any, x_floats: Any, around_floats: Any) -> Any:
            return tuple(_applied(program, (carry, x, around), own, (carry_floats, x_floats, around_floats)))

        floats = tuple([leaves_at(part, places) for part, places in zip((carry, x, around), own, strict=True)])
        outs, dots = jvp(outputs, floats, (carry_dots, x_dots, around_dots))
        following = tuple(outs[: len(carry)]), leaves_at(dots[: len(carry)], own[0])
        return following, (leaves_at(dots[len(carry) :], y_places), carry_dots)

    return walk


SCAN = Primitive(
    "scan",
    "joint",
    _scanned,
    joint_pullback=_pullback,
    joint_pushforward=_pushforward,
    joint_reads="all",
    joint_reads_out=True,
    recomputes=True,
    module=__name__,
    flops=lambda shapes, out, parameters: parameters["step"].flops,
)
