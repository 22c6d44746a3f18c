"""Loops whose body is recorded once: `scan` and `while_loop`.

Off the tape they are Python loops. On Tensors the body is recorded once, on the values of the first step, as a program
of the carry, of one x and of what the body takes from around it; the tape gets one operation, whose forward function
runs the program step by step. Its derivatives are scans again: forward mode carries tangents along, reverse mode goes
through the steps backward from the carries that were saved, and computes what is inside a step again.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

import tapenet.numpy as tnp
from tapenet.core.argument_checks import checked_count, checked_flag, checked_function
from tapenet.core.leaf_checks import described, dtype_of, plain_leaf
from tapenet.core.primitive import NO_PATH, Array, Parts, Primitive, Shapes, as_numpy_number
from tapenet.core.pytrees import (
    Tree,
    TreeSpec,
    leaf_paths,
    leaf_paths_with_static,
    tree_flatten,
    tree_flatten_with_none,
    tree_flatten_with_static,
    tree_unflatten,
)
from tapenet.core.record import Kept, Parameters, Slots
from tapenet.core.tensor import Tensor, read_single_value, record_guard, resolve, unwrap
from tapenet.errors import ArgumentError, ArgumentTypeError, ReplayError
from tapenet.program.backends import numpy_code
from tapenet.program.compiling.costs import cost_of
from tapenet.program.compiling.functions import compile
from tapenet.program.evaluating import GuardFailedError, applied
from tapenet.program.instructions import Program
from tapenet.program.passes import optimized, tidied
from tapenet.program.recording.environment import Environment, environment_of, with_values
from tapenet.program.recording.recorder import UnsupportedError
from tapenet.program.recording.tracing import Recorded, record, same_constants
from tapenet.transforms.products import jvp, vjp

Body = Callable[[Any, Any], tuple[Any, Any]]


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
    stacks, spec = _arrays_in("scan", "xs", xs, with_static=False)
    arrays, carry_spec = _arrays_in("scan", "carry", carry, with_static=True)
    count = _count_of(xs, stacks, length)
    loop = _Loop(body, carry_spec, spec, reverse, count)
    if checkpoint and count > 3:
        return _in_chunks(loop, arrays, stacks)
    return loop.run(arrays, stacks)


def _arrays_in(function: str, name: str, tree: Tree, with_static: bool) -> tuple[list[Array], TreeSpec]:
    """Return the leaves of a pytree as arrays, NumPy's scalars and Tensors, and its structure."""
    leaves, spec = tree_flatten_with_static(tree) if with_static else tree_flatten(tree)
    path = functools.partial(_path, tree, name, with_static)
    arrays = []
    for i, leaf in enumerate(leaves):
        leaf = plain_leaf(function, functools.partial(path, i), leaf)
        dtype = dtype_of(leaf)
        if dtype is None or dtype.kind not in "biufc":
            raise ArgumentTypeError(f"{function}: {path(i)} must be an array or a number; got {described(leaf)}.")
        arrays.append(as_numpy_number(resolve(leaf)) if type(leaf) is not bool else np.bool_(leaf))
    return arrays, spec


def _path(tree: Tree, name: str, with_static: bool, i: int) -> str:
    return (leaf_paths_with_static if with_static else leaf_paths)(tree, name)[i]


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


@attrs.frozen(eq=False)
class _Loop:
    """A loop without its arrays."""

    body: Body
    carry_spec: TreeSpec
    x_spec: TreeSpec
    reverse: bool
    count: int

    @property
    def order(self) -> range:
        """The steps, in the order in which they are done."""
        return range(self.count - 1, -1, -1) if self.reverse else range(self.count)

    def run(self, carry: Sequence[Array], xs: Sequence[Array]) -> tuple[Tree, Tree]:
        """Carry the leaves of a carry through all steps."""
        recorded = _recorded_step(self, carry, xs)
        if recorded is not None:
            try:
                return self._by(recorded[0], (*carry, *xs, *recorded[1]))
            except ReplayError:  # the body went another way in a later step
                pass
        return self._step_by_step(carry, xs)

    def stepped(self, carry: Sequence[Array], x: Sequence[Array]) -> tuple[list[Array], list[Array], TreeSpec]:
        """Do one step on leaves: return those of the next carry and of y, and the structure of y."""
        answer = self.body(tree_unflatten(self.carry_spec, list(carry)), tree_unflatten(self.x_spec, list(x)))
        if type(answer) is not tuple or len(answer) != 2:
            raise ArgumentError(f"scan: body must return a pair (carry, y); got {type(answer).__name__}.")
        following, spec = tree_flatten_with_static(answer[0])
        if spec != self.carry_spec:
            raise ArgumentError(
                f"scan: body must return a carry of the structure that it is given, {self.carry_spec}; got {spec}."
            )
        following = [_as_array(x) for x in following]
        for i, (new, old) in enumerate(zip(following, carry, strict=True)):
            if np.shape(new) != np.shape(old) or dtype_of(new) != dtype_of(old):
                path = leaf_paths_with_static(answer[0], "carry")[i]
                raise ArgumentError(
                    f"scan: body must return {path} with the shape and dtype that it is given, {np.shape(old)} and "
                    f"{dtype_of(old)}; got {described(new)}."
                )
        ys, y_spec = tree_flatten_with_static(answer[1])
        return following, [_as_array(y) for y in ys], y_spec

    def _step_by_step(self, carry: Sequence[Array], xs: Sequence[Array]) -> tuple[Tree, Tree]:
        rows: dict[int, list[Array]] = {}
        for i in self.order:
            carry, rows[i], y_spec = self.stepped(carry, [x[i] for x in xs])
        columns = zip(*(rows[i] for i in range(self.count)), strict=True)
        return tree_unflatten(self.carry_spec, list(carry)), tree_unflatten(y_spec, list(map(_stacked, columns)))

    def _by(self, step: _Step, operands: Sequence[Array]) -> tuple[Tree, Tree]:
        """Do all steps as one operation."""
        outs = SCAN(*operands, step=step)
        carry, ys = outs[: step.carries], outs[step.carries : step.carries + step.ys]
        return tree_unflatten(self.carry_spec, list(carry)), tree_unflatten(step.y_spec, list(ys))


def _as_array(x: Any) -> Array:
    return x if hasattr(x, "dtype") else np.asarray(x)[()]


def _stacked(column: Sequence[Array]) -> Array:
    return tnp.stack(column) if any(type(x) is Tensor for x in column) else np.stack(column)


def _in_chunks(loop: _Loop, carry: list[Array], xs: list[Array]) -> tuple[Tree, Tree]:
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


# ---- recording the body ----


@attrs.frozen(eq=False)
class _Step:
    """The body as a program.

    Attributes:
        program: of the leaves of the carry, of x and of what is around; gives those of the carry and of y. Walks
            differentiate it.
        run: computes it on plain arrays.
        carries, xs, ys: how many leaves there are.
        y_spec: the structure of y.
        reverse, count: of the loop.
        back, push: one step of the walks, compiled; by which leaves are differentiable.
    """

    program: Program
    run: Callable[[Sequence[Any]], tuple[Any, ...]]
    carries: int
    xs: int
    ys: int
    y_spec: TreeSpec
    reverse: bool
    count: int
    compiled: dict[Any, Any] = attrs.field(factory=dict)

    def __reduce__(self) -> Any:
        # A structure is pickled as a tree that has it; what is compiled of the program is compiled again.
        like = tree_unflatten(self.y_spec, [0.0] * self.ys)
        return _step_again, (self.program, self.carries, self.xs, like, self.reverse, self.count)

    @property
    def order(self) -> range:
        """The steps, in the order in which they are done."""
        return range(self.count - 1, -1, -1) if self.reverse else range(self.count)

    @property
    def flops(self) -> int:
        """How many operations on numbers all steps do, estimated."""
        return self.count * cost_of(self.program, 0.0).flops


def _step_again(program: Program, carries: int, xs: int, like: Tree, reverse: bool, count: int) -> _Step:
    """Return a step as it was pickled, from its program and a tree of the structure of y."""
    leaves, spec = tree_flatten_with_static(like)
    run = numpy_code.compiled(optimized(program))
    return _Step(program, run, carries, xs, len(leaves), spec, reverse, count)


_Recorded = tuple[_Step, tuple[Array, ...]]


def _recorded_step(loop: _Loop, carry: Sequence[Array], xs: Sequence[Array]) -> _Recorded | None:
    """Return the body as a program, and what is around it; None where it is to run step by step."""
    if _holds_static(loop.carry_spec, carry):  # which the body takes off the tape, as an operation would not
        return None
    around = environment_of(loop.body)
    values, spec = tree_flatten_with_none(around.values())
    values = [resolve(x) if type(x) is Tensor else x for x in values]
    given = [*carry, *xs, *values]
    if around.writes or not any(type(x) is Tensor for x in given):
        return None
    plain = [unwrap(x) for x in given]
    if any(type(x) is Tensor for x in plain):  # of a batch, which has not one value
        return None
    return _step_of(loop, around, spec, plain, len(carry), [*values])


def _holds_static(spec: TreeSpec, leaves: Sequence[Any]) -> bool:
    """Return whether some of these leaves are in static fields."""
    return len(tree_flatten(tree_unflatten(spec, list(leaves)))[0]) < len(leaves)


def _step_of(
    loop: _Loop, around: Environment, spec: TreeSpec, plain: list[Any], carries: int, values: list[Any]
) -> _Recorded | None:
    first = loop.order[0]
    count = len(plain) - len(values)
    xs = [x[first] for x in plain[carries:count]]
    y_specs: list[TreeSpec] = []

    def step(carry: list[Array], x: list[Array]) -> list[Array]:
        following, ys, y_spec = loop.stepped(carry, x)
        if _holds_static(y_spec, ys):
            raise UnsupportedError("arrays in static fields of y, which the body takes off the tape")
        y_specs.append(y_spec)
        return [np.asarray(out) if isinstance(out, np.generic) else out for out in (*following, *ys)]

    leaves, whole = tree_flatten_with_none((([*plain[:carries]], xs), {}, tree_unflatten(spec, plain[count:])))
    restore = around.saved()
    try:
        made, again = (record(step, around, leaves, whole, frozenset()) for _ in range(2))
    except Exception:  # step by step it raises the same, or works
        restore()
        return None
    if same_constants(made, again):
        restore()
        return None
    return _as_step(loop, made, values, carries, y_specs[0])


def _as_step(loop: _Loop, made: Recorded, values: Sequence[Any], carries: int, y_spec: TreeSpec) -> _Recorded | None:
    xs = loop.x_spec.num_leaves
    held = [place for place in made.inputs if place >= carries + xs]
    if len(made.inputs) - len(held) != carries + xs or len(made.places) != len(made.leaves):
        return None
    ys = len(made.places) - carries
    program = tidied(made.program)
    step = _Step(program, numpy_code.compiled(optimized(program)), carries, xs, ys, y_spec, loop.reverse, loop.count)
    return step, (*(values[place - carries - xs] for place in held), *made.live)


# ---- the operation ----


def _scanned(*operands: Array, step: _Step) -> tuple[Array, ...]:
    """Run the program of each step; give the last carry, the ys, and the carry before each step."""
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


def _own(x: Array) -> Array:
    return x.copy() if isinstance(x, np.ndarray) else x


def _split(step: _Step, operands: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
    """Return the parts of operands: those of the carry, of xs, and of what is around."""
    ends = step.carries, step.carries + step.xs
    return operands[: ends[0]], operands[ends[0] : ends[1]], operands[ends[1] :]


def _is_float(x: Any) -> bool:
    dtype = dtype_of(x)
    return dtype is not None and dtype.kind in "fc"


def _places(arrays: Sequence[Any]) -> tuple[int, ...]:
    """Return the places of floats and complex numbers."""
    return tuple([i for i, x in enumerate(arrays) if _is_float(x)])


def _at(arrays: Sequence[Any], places: Sequence[int]) -> tuple[Any, ...]:
    return tuple([arrays[i] for i in places])


def _with(arrays: Sequence[Any], places: Sequence[int], values: Sequence[Any]) -> list[Any]:
    made = list(arrays)
    for place, value in zip(places, values, strict=True):
        made[place] = value
    return made


def _zeros(x: Any) -> Array:
    return np.zeros(np.shape(x), dtype_of(x))


def _pullback(t: Parts, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> list[Any]:
    step: _Step = parameters["step"]
    operands, outs = kept[: len(slots)], kept[len(slots)]
    carry, xs, around = _split(step, operands)
    bars = [t.parts.get(i) for i in range(len(outs))]
    bars = [_zeros(out) if bar is None else bar for bar, out in zip(bars, outs, strict=True)]
    ends, y_bars, before_bars = bars[: step.carries], bars[step.carries : -step.carries], bars[-step.carries :]
    befores = outs[-step.carries :]
    own = _places(carry), _places(xs), _places(around)
    y_places = _places(outs[step.carries : -step.carries])
    walk = _compiled(step, "back", lambda: _step_back(step, own, y_places))

    def back(bars: Any, given: Any) -> Any:
        return walk(around, bars, given)

    start = _at(ends, own[0]), tuple([_zeros(x) for x in _at(around, own[2])])
    given = tuple(befores), tuple(xs), _at(y_bars, y_places), _at(before_bars, own[0])
    (carry_bars, around_bars), x_bars = scan(back, start, given, reverse=not step.reverse)
    found: list[Any] = [NO_PATH] * len(slots)
    offset = step.carries + step.xs
    for places, first, values in (
        (own[0], 0, carry_bars),
        (own[1], step.carries, x_bars),
        (own[2], offset, around_bars),
    ):
        found = _with(found, [first + place for place in places], values)
    return [bar if slot is not None else None for bar, slot in zip(found, slots, strict=True)]


def _step_back(step: _Step, own: Any, y_places: Sequence[int]) -> Callable[..., Any]:
    """Return the function that pulls cotangents back through one step."""

    def walk(around: Any, bars: Any, given: Any) -> Any:
        (carry_bars, around_bars), (carry, x, y_bars, before_bars) = bars, given

        def outputs(carry_floats: Any, x_floats: Any, around_floats: Any) -> Any:
            parts = zip((carry, x, around), own, (carry_floats, x_floats, around_floats), strict=True)
            outs = applied(
                step.program, [leaf for part, places, floats in parts for leaf in _with(part, places, floats)]
            )
            return _at(outs[: step.carries], own[0]), _at(outs[step.carries :], y_places)

        floats = [_at(part, places) for part, places in zip((carry, x, around), own, strict=True)]
        _, pull = vjp(outputs, *floats)
        pulled, x_pulled, around_pulled = pull((carry_bars, y_bars))
        carry_bars = tuple([a + b for a, b in zip(pulled, before_bars, strict=True)])
        return (carry_bars, tuple([a + b for a, b in zip(around_bars, around_pulled, strict=True)])), x_pulled

    return walk


def _compiled(step: _Step, name: str, make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    """Return a function of one step, compiled once."""
    if name not in step.compiled:
        step.compiled[name] = compile(make())
    made: Callable[..., Any] = step.compiled[name]
    return made


def _pushforward(tangents: Sequence[Any], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> Any:
    step: _Step = parameters["step"]
    operands, outs = kept[: len(slots)], kept[len(slots)]
    carry, xs, around = _split(step, operands)
    own = _places(carry), _places(xs), _places(around)
    y_places = _places(outs[step.carries : -step.carries])
    dots = [_zeros(x) if dot is None and _is_float(x) else dot for dot, x in zip(tangents, operands, strict=True)]
    carry_dots, x_dots, around_dots = (_at(part, places) for part, places in zip(_split(step, dots), own, strict=True))
    walk = _compiled(step, "push", lambda: _step_pushed(step, own, y_places))

    def push(both: Any, given: Any) -> Any:
        return walk(around, around_dots, both, given)

    (_, ends), (y_dots, before_dots) = scan(
        push, (tuple(carry), carry_dots), (tuple(xs), x_dots), length=step.count, reverse=step.reverse
    )
    pushed: list[Any] = [None] * len(outs)
    pushed = _with(pushed, own[0], ends)
    pushed = _with(pushed, [step.carries + place for place in y_places], y_dots)
    return tuple(_with(pushed, [len(outs) - step.carries + place for place in own[0]], before_dots))


def _step_pushed(step: _Step, own: Any, y_places: Sequence[int]) -> Callable[..., Any]:
    """Return the function that pushes tangents through one step."""

    def walk(around: Any, around_dots: Any, both: Any, given: Any) -> Any:
        (carry, carry_dots), (x, x_dots) = both, given

        def outputs(carry_floats: Any, x_floats: Any, around_floats: Any) -> Any:
            parts = zip((carry, x, around), own, (carry_floats, x_floats, around_floats), strict=True)
            outs = applied(
                step.program, [leaf for part, places, floats in parts for leaf in _with(part, places, floats)]
            )
            return tuple(outs)

        floats = tuple([_at(part, places) for part, places in zip((carry, x, around), own, strict=True)])
        outs, dots = jvp(outputs, floats, (carry_dots, x_dots, around_dots))
        following = tuple(outs[: step.carries]), _at(dots[: step.carries], own[0])
        return following, (_at(dots[step.carries :], y_places), carry_dots)

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


# ---- loops that end by a condition ----


def while_loop(cond: Callable[[Any], Any], body: Callable[[Any], Any], carry: Tree) -> Tree:
    """Carry a value through a loop: `while cond(carry): carry = body(carry)`.

    On Tensors the steps are counted first, on values alone, and then scanned: the body is recorded once, and the
    derivative is that of as many steps. The number of steps is a guard of a tape and of a compiled program.

    Args:
        cond: of the carry, whether to go on.
        body: `carry -> carry`, of the structure, shapes and dtypes that it is given.
        carry: a pytree of arrays and numbers.

    Returns:
        The first carry for which `cond` is false.

    Raises:
        ArgumentError: a carry that changes its structure, shapes or dtypes.
        MappedValueError: under `vmap`, where each example would take its own number of steps.

    Derivative: that of the steps that were done, in both modes and of any order; cond has none.

    >>> float(while_loop(lambda x: x < 100.0, lambda x: x * 3.0, 1.0))
    243.0
    """
    checked_function("while_loop", "cond", cond)
    checked_function("while_loop", "body", body)
    start, spec = _arrays_in("while_loop", "carry", carry, with_static=True)
    around = [environment_of(f) for f in (cond, body)]
    values = [tree_flatten_with_none(own.values()) for own in around]
    read = [resolve(x) if type(x) is Tensor else x for x in (*start, *(x for own, _ in values for x in own))]
    if not any(type(x) is Tensor for x in read):
        return tree_unflatten(spec, _looped(cond, body, spec, start)[0])
    ends = len(start), len(start) + len(values[0][0])

    def count(*plain: Any) -> int:
        parts = plain[: ends[0]], plain[ends[0] : ends[1]], plain[ends[1] :]
        pairs = zip((cond, body), around, values, parts[1:], strict=True)
        own = [with_values(f, env.places, tree_unflatten(held[1], list(part))) for f, env, held, part in pairs]
        return _looped(own[0], own[1], spec, parts[0])[1]

    steps = count(*[_single(x) for x in read])
    record_guard("while_loop", count, read, {}, steps)
    if steps == 0:
        return tree_unflatten(spec, start)
    return scan(lambda carry, _: (body(carry), None), tree_unflatten(spec, start), length=steps)[0]


def _single(x: Any) -> Any:
    """Return the plain value under a Tensor; under `vmap`, where there is not one value, raise."""
    value = unwrap(x)
    return read_single_value(x, "while_loop") if type(value) is Tensor else value


def _looped(cond: Any, body: Any, spec: TreeSpec, leaves: Sequence[Any]) -> tuple[list[Any], int]:
    """Return the leaves of the last carry, and the number of steps."""
    loop = _Loop(lambda carry, _: (body(carry), None), spec, _EMPTY, False, 1)
    carried, steps = list(leaves), 0
    while bool(cond(tree_unflatten(spec, carried))):
        carried, _, _ = loop.stepped(carried, [])
        steps += 1
    return carried, steps


_EMPTY = tree_flatten(())[1]
