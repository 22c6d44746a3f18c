"""`checkpoint`: a walk computes the values inside a function again, and the tape does not keep them.

The function runs once, with the open tapes of its values paused in this thread and task, on a recorder that keeps no
values: what it reads of paused tapes, argument or captured, is watched there. So its *program* is known as a function
of explicit operands; the paused tapes record one operation, whose rules run the program again on a tape of their
own. Random draws are constants of the program, and so the same each time.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import attrs
import numpy as np
import optree

from tapenet.core.argument_checks import check_transform
from tapenet.core.primitive import NO_PATH, Array, Parts, Primitive, Shapes
from tapenet.core.pytrees import NAMESPACE, tree_flatten_with_none, tree_leaves, tree_unflatten
from tapenet.core.record import Entry, Kept, Parameters, Slots
from tapenet.core.recorder import Recorder, compute, new_recorder, partition, put_group, record_output
from tapenet.core.tensor import Tensor, resolve, unwrap
from tapenet.core.trace import STAND_INS, Trace
from tapenet.errors import ArgumentError, TapeStateError
from tapenet.transforms.calls import name_of
from tapenet.transforms.mapping import vmap
from tapenet.transforms.programs import Program, program_of, without_values
from tapenet.transforms.transformed import Transformed, transformed
from tapenet.walks.products import jvp_walk, vjp_walk

if TYPE_CHECKING:
    from tapenet.transforms.signatures import Function


def checkpoint(f: Function) -> Function:
    """Make a function that computes what f does, and of which a tape keeps only arguments and results.

    A walk computes the values between them again, which trades time for memory. Derivatives, of any order and in
    both modes, are those of f, also by Tensors of the enclosing scope. f itself runs once, so that it draws from a
    random generator as it does without: dropout has one mask.

    Args:
        f: a function of anything, returning a pytree of anything. What it computes from plain arrays alone (a mask
            that was drawn) is kept.

    Returns:
        A function of f's arguments. Inside a function under `vmap` the tapes further out keep f's inside; write
        `checkpoint(vmap(f))`.

    Raises:
        ArgumentError: f takes from around it a Tensor of a tape further in than those of its arguments.

    >>> layer = checkpoint(lambda w, x: tnp.tanh(x @ w))
    >>> tn.grad(lambda w: layer(w, np.ones(2)))(np.zeros(2))
    array([1., 1.])
    """

    check_transform("checkpoint", f)

    @transformed(checkpoint, f)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        leaves, spec = tree_flatten_with_none((args, kwargs))
        leaves = [resolve(x) for x in leaves]
        traces = _to_pause([*leaves, *_captured(f, set())])
        if not traces:
            return f(*args, **kwargs)
        region = _Region(name_of(f), traces)
        with region.open():
            given = [region.read(x) if type(x) is Tensor and x.owner in traces else x for x in leaves]
            positional, keywords = tree_unflatten(spec, given)
            results, result_spec = tree_flatten_with_none(f(*positional, **keywords))
            results = [resolve(x) for x in results]
        return tree_unflatten(result_spec, region.recorded(results))

    return cast("Function", checkpointed)


def _to_pause(values: Sequence[Any]) -> list[Recorder]:
    """Return the open tapes of these values, but for those that lie under a map: their values hold whole batches."""
    found = {id(trace): trace for x in values for trace in _nest(x)}.values()
    innermost_map = max((trace.level for trace in found if trace.holds_batch), default=-1)
    return [trace for trace in found if isinstance(trace, Recorder) and trace.is_open and trace.level > innermost_map]


def _nest(x: Any) -> Iterator[Trace]:
    """Yield the traces that a value is on, one under the other."""
    while type(x) is Tensor:
        yield x.owner
        x = x.owner.inner(x)


def _captured(f: Any, seen: set[int]) -> Iterator[Tensor]:
    """Return the Tensors that a function visibly takes from around it.

    The others are found as they are read, but what was computed from them before is then on their tape.
    """
    if id(f) in seen:
        return
    seen.add(id(f))
    leaves: list[Any] = optree.tree_leaves(_visible_values(f), namespace=NAMESPACE)  # type: ignore[arg-type]  # of anything
    for leaf in leaves:
        if type(leaf) is Tensor:
            yield leaf
        elif callable(leaf):
            yield from _captured(leaf, seen)


def _visible_values(f: Any) -> list[Any]:
    """Return what a function visibly uses from around it: values of its closure, globals, defaults and object."""
    if isinstance(f, Transformed):
        return [f.function]
    if isinstance(f, functools.partial):
        return [f.func, f.args, f.keywords]
    names = f.__code__.co_names if hasattr(f, "__code__") else ()
    module = getattr(f, "__globals__", {})
    around = [module.get(name) for name in names if not callable(module.get(name))]  # other functions lead too far
    around += [cell.cell_contents for cell in getattr(f, "__closure__", None) or () if _is_filled(cell)]
    around += [getattr(f, "__defaults__", None), getattr(f, "__kwdefaults__", None)]
    return around + [tree_leaves(x) for x in (f, getattr(f, "__self__", None)) if attrs.has(type(x))]


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # a name that is not bound yet
        return False


# ---- the run of the function ----


@attrs.define(eq=False)
class RegionRecorder(Recorder):
    """The recorder of a checkpointed function's one run: keeps no values but constants.

    Attributes:
        name: the function's, for errors.
    """

    name: str

    def apply(self, primitive: Primitive, operands: Sequence[Array], parameters: Parameters) -> Any:
        """Compute an operation and record it."""
        slots, values = partition(self, primitive, operands)
        out, residual = compute(primitive, values, parameters)
        return record_output(self, primitive, operands, slots, values, parameters, out, residual)

    def write(self, entry: Entry, value: Array | None = None) -> int:
        """Append a record without its values, and return its slot."""
        return put_group(self.entries, lambda first: [without_values(entry)])

    def write_group(self, group: Callable[[int], list[Entry]]) -> int:
        """Append records that follow each other, without their values."""
        return put_group(self.entries, lambda first: [without_values(entry) for entry in group(first)])

    def entries_to_walk(self, targets: Collection[int] = (), sources: Collection[int] = ()) -> Sequence[Entry]:
        """Return the entries, which are not walked."""
        return self.entries

    def resolve(self, x: Tensor) -> Any:
        """Return the Tensor itself while the function runs."""
        if not self.is_open:
            raise TapeStateError(
                f"checkpoint: a value of {self.name} must leave it as a result; got one that was kept elsewhere (in a "
                "list, an attribute, a variable around it, or a generator that runs on). Return it."
            )
        return Recorder.resolve(self, x)


@attrs.define(eq=False)
class _Region:
    """The run of a checkpointed function: pauses tapes, and watches what is read of them on a recorder of its own."""

    name: str
    paused: list[Recorder]
    trace: RegionRecorder = attrs.field(init=False)
    operands: list[Tensor] = attrs.field(factory=list)
    inside: dict[tuple[int, int], Tensor] = attrs.field(factory=dict)  # what stands for a value, by level and slot

    @trace.default
    def _own_trace(self) -> RegionRecorder:
        is_replayable = any(trace.guards is not None for trace in self.paused)
        return RegionRecorder([] if is_replayable else None, self.name)

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Pause the tapes in this context, and no other: other threads and tasks go on recording on them."""
        token = STAND_INS.set({**STAND_INS.get(), **dict.fromkeys(self.paused, self.read)})
        try:
            for trace in self.paused:
                trace.pauses.add(self)
                trace.refresh()
            with self.trace:
                yield
        finally:
            STAND_INS.reset(token)
            for trace in self.paused:
                trace.pauses.discard(self)
                trace.refresh()

    def read(self, x: Tensor) -> Tensor:
        """Return what stands inside for a value on a paused tape."""
        key = (x.owner.level, x.slot)
        if key not in self.inside:
            value: Any = x
            while type(value) is Tensor and value.owner in self.paused:
                value = value.owner.inner(value)
            self._check(value)
            self.operands.append(x)
            self.inside[key] = self.trace.watch(value)
        return self.inside[key]

    def recorded(self, results: Sequence[Any]) -> list[Any]:
        """Return results as values on the tapes that were paused."""
        trace = self.trace
        made = [i for i, x in enumerate(results) if type(x) is Tensor and x.owner is trace]
        if not made:
            return list(results)
        inputs = sorted(trace.leaves)
        program, constants = program_of(trace.entries, inputs, [results[i].slot for i in made], trace.guards or ())
        for x in (*constants, *results):
            if type(x) is Tensor and x.owner is not trace:
                self._check(x)
        known = [unwrap(results[i]) for i in made]
        run = _Run(program, None if any(type(x) is Tensor for x in known) else tuple(map(_array, known)))
        outs = CHECKPOINT(*self.operands, *constants, run=run)
        final = list(results)
        for i, out in zip(made, outs, strict=True):
            final[i] = out
        return final

    def _check(self, x: Any) -> None:
        """Raise for a value on an open tape whose own values are on the tapes that this one pauses."""
        if any(trace is self.trace or trace in self.paused for trace in _nest(x)):
            raise ArgumentError(
                f"checkpoint: {self.name} must take as an argument every Tensor of a tape further in than those of its "
                "arguments; got one that it takes from around it. Pass it as an argument."
            )


def _array(x: Any) -> Array:
    return x if hasattr(x, "shape") else np.asarray(x)[()]


@attrs.define(eq=False)
class _Run:
    """A program as a function, with the outputs of its first run."""

    program: Program
    known: tuple[Array, ...] | None

    def __call__(self, *operands: Array) -> tuple[Array, ...]:
        # Once: the values of the first run are there already, and are not held for longer.
        known, self.known = self.known, None
        return self.program.run(*operands) if known is None else known


# ---- the operation ----


def _pullback(t: Parts, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> list[Array | None]:
    with new_recorder(replayable=False) as trace:
        operands = [x if slot is None else trace.watch(x) for x, slot in zip(kept, slots, strict=False)]
        outs = parameters["run"](*operands)
    sources = [x for x, slot in zip(operands, slots, strict=True) if slot is not None]
    pulled = iter(vjp_walk(trace, [outs[i] for i in t.parts], list(t.parts.values()), sources, is_last=True))
    found = [None if slot is None else next(pulled) for slot in slots]
    return [NO_PATH if bar is None and slot is not None else bar for bar, slot in zip(found, slots, strict=True)]


def _pushforward(
    tangents: Sequence[Array | None], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes
) -> list[Array | None]:
    with new_recorder(replayable=False) as trace:
        operands = [x if dot is None else trace.watch(x) for x, dot in zip(kept, tangents, strict=False)]
        outs = parameters["run"](*operands)
    pairs = [(x, dot) for x, dot in zip(operands, tangents, strict=True) if dot is not None]
    return jvp_walk(trace, [x for x, _ in pairs], [dot for _, dot in pairs], outs)


def _batched(primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Any) -> Any:
    run = vmap(parameters["run"], in_axes=tuple(0 if own else None for own in mapped))
    return primitive(*arrays, run=run)


CHECKPOINT = Primitive(
    "checkpoint",
    "checkpoint",
    lambda *operands, run: run(*operands),
    joint_pullback=_pullback,
    joint_pushforward=_pushforward,
    batch=_batched,
    is_users=True,
    recomputes=True,
    module=__name__,
)
