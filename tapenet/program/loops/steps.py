"""The steps of loops: the body on the leaves of a carry and of one x, and as a program that is recorded once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.leaf_checks import described, dtype_of, plain_leaf
from tapenet.core.primitive import Array, as_numpy_number
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
from tapenet.core.tensor import Tensor, resolve, unwrap
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.program.backends import numpy_code
from tapenet.program.compiling.costs import cost_of
from tapenet.program.instructions import Program
from tapenet.program.passes import optimized, tidied
from tapenet.program.recording.environment import Environment, environment_of
from tapenet.program.recording.generators import SharedStreams
from tapenet.program.recording.recorder import UnsupportedError
from tapenet.program.recording.tracing import Recorded, record, same_constants

Body = Callable[[Any, Any], tuple[Any, Any]]


def arrays_in(function: str, name: str, tree: Tree, with_static: bool) -> tuple[list[Array], TreeSpec]:
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


@attrs.frozen(eq=False)
class Loop:
    """A loop without its arrays.

    Attributes:
        body: `(carry, x) -> (carry, y)`, of pytrees.
        carry_spec, x_spec: the structures of carry and x.
        reverse: whether the last step is done first.
        count: of steps.
        function: that users called, for errors.
    """

    body: Body
    carry_spec: TreeSpec
    x_spec: TreeSpec
    reverse: bool
    count: int
    function: str = "scan"

    @property
    def order(self) -> range:
        """The steps, in the order in which they are done."""
        return range(self.count - 1, -1, -1) if self.reverse else range(self.count)

    def stepped(self, carry: Sequence[Array], x: Sequence[Array]) -> tuple[list[Array], list[Array], TreeSpec]:
        """Do one step on leaves: return those of the next carry and of y, and the structure of y."""
        answer = self.body(tree_unflatten(self.carry_spec, list(carry)), tree_unflatten(self.x_spec, list(x)))
        if type(answer) is not tuple or len(answer) != 2:
            raise ArgumentError(f"{self.function}: body must return a pair (carry, y); got {type(answer).__name__}.")
        following, spec = tree_flatten_with_static(answer[0])
        if spec != self.carry_spec:
            raise ArgumentError(
                f"{self.function}: body must return a carry of the structure that it is given, {self.carry_spec}; "
                f"got {spec}."
            )
        following = [as_array(x) for x in following]
        for i, (new, old) in enumerate(zip(following, carry, strict=True)):
            # Of a Python number the shape is (). np.shape of a Tensor takes ten times as long.
            if new.shape != getattr(old, "shape", ()) or dtype_of(new) != dtype_of(old):
                path = leaf_paths_with_static(answer[0], "carry")[i]
                raise ArgumentError(
                    f"{self.function}: body must return {path} with the shape and dtype that it is given, "
                    f"{np.shape(old)} and {dtype_of(old)}; got {described(new)}."
                )
        ys, y_spec = tree_flatten_with_static(answer[1])
        return following, [as_array(y) for y in ys], y_spec


def as_array(x: Any) -> Array:
    """Return what a body gave as an array."""
    return x if hasattr(x, "dtype") else np.asarray(x)[()]


# ---- recording the body ----


@attrs.frozen(eq=False)
class Step:
    """The body as a program.

    Attributes:
        program: of the leaves of the carry, of x and of what is around; gives those of the carry and of y. Walks
            differentiate it.
        run: computes it on plain arrays.
        carries, xs, ys: how many leaves there are.
        y_spec: the structure of y.
        reverse, count: of the loop.
        compiled: one step of the walks, as compiled functions, and all steps as one kernel, by name.
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


def _step_again(program: Program, carries: int, xs: int, like: Tree, reverse: bool, count: int) -> Step:
    """Return a step as it was pickled, from its program and a tree of the structure of y."""
    leaves, spec = tree_flatten_with_static(like)
    run = numpy_code.compiled(optimized(program))
    return Step(program, run, carries, xs, len(leaves), spec, reverse, count)


RecordedStep = tuple[Step, tuple[Array, ...]]


def recorded_step(loop: Loop, carry: Sequence[Array], xs: Sequence[Array]) -> RecordedStep | None:
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
    loop: Loop, around: Environment, spec: TreeSpec, plain: list[Any], carries: int, values: list[Any]
) -> RecordedStep | None:
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
    streams = SharedStreams.now()
    restore = around.saved(streams)
    try:
        made, again = (record(step, around, leaves, whole, streams, frozenset()) for _ in range(2))
    except Exception:  # step by step it raises the same, or works
        restore()
        return None
    if same_constants(made, again) or made.reads_order:
        restore()
        return None
    return _as_step(loop, made, values, carries, y_specs[0])


def _as_step(loop: Loop, made: Recorded, values: Sequence[Any], carries: int, y_spec: TreeSpec) -> RecordedStep | None:
    xs = loop.x_spec.num_leaves
    held = [place for place in made.inputs if place >= carries + xs]
    if len(made.inputs) - len(held) != carries + xs or len(made.places) != len(made.leaves):
        return None
    ys = len(made.places) - carries
    program = tidied(made.program)
    step = Step(program, numpy_code.compiled(optimized(program)), carries, xs, ys, y_spec, loop.reverse, loop.count)
    return step, (*(values[place - carries - xs] for place in held), *made.live)
