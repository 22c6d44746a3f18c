"""`GradientTape`: records what is computed, and differentiates by walking the records, any number of times."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Hashable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_flag, checked_function, checked_number
from tapenet.core.array_types import Array, ArrayOrNumber
from tapenet.core.guards import Guard, as_picklable
from tapenet.core.leaf_checks import (
    check_chunk_size,
    check_differentiable,
    check_scalar,
    common_axis,
    dtype_of,
    matched,
    zeros_of,
)
from tapenet.core.pytrees import Tree, leaf_paths, tree_flatten, tree_leaves, tree_unflatten
from tapenet.core.record import SHAPE, Entry, Records
from tapenet.core.recorder import Recorder, new_recorder, renewed
from tapenet.core.tensor import Tensor, made_tensor, on_trace, unwrap_closed
from tapenet.core.trace import Trace
from tapenet.diagnostics.connections import (
    Unconnected,
    check_connected,
    check_sources,
    check_targets,
    check_unconnected,
)
from tapenet.errors import (
    ArgumentError,
    ArgumentTypeError,
    PicklingError,
    ReplayError,
    TapeStateError,
    UnconnectedError,
)
from tapenet.walks.inputs import Watch, inputs_by_slot
from tapenet.walks.products import jvp_walk, vjp_walk
from tapenet.walks.reachability import descendants
from tapenet.walks.replay import replay

if TYPE_CHECKING:
    from tapenet.views.derivation import Derivation
    from tapenet.views.dot import Picture
    from tapenet.views.explanation import Explanation
    from tapenet.views.profile import Profile
    from tapenet.views.summary import Summary

Same = TypeVar("Same")
# A pytree that is not a leaf: to type checkers an array is the one thing of these that is not hashable.
Container = TypeVar("Container", bound=Hashable | list[Any] | dict[Any, Any])
Found = Literal["error", "zero"]  # for `unconnected`, where there is a gradient in any case


@attrs.define(eq=False, repr=False)
class GradientTape:
    """Records operations on watched values while they run, and differentiates by walking what it recorded.

    A tape is open inside its `with` block, once. Operations record on the tape of their operands. There is not a
    current tape: tapes nest, and threads do not interfere. What is computed from watched values inside the block
    can be differentiated there and after it, any number of times. Inside the block the walk is recorded too, so
    that its result can be differentiated again. After the block its Tensors are plain values, and operations on
    them are not recorded.

    Args:
        replayable: whether to record guards of what is read off the tape (branches, masks, `x.value`), for
            `replay`. Reads cost a little more with it; operations do not.

    >>> with GradientTape() as tape:
    ...     x = tape.watch(3.0)
    ...     y = x * x
    >>> tape.gradient(y, x)
    np.float64(6.0)
    """

    _replayable: bool = attrs.field(default=True, kw_only=True)
    _trace: Recorder = attrs.field(init=False)

    @_trace.default
    def _new_trace(self) -> Recorder:
        return new_recorder(replayable=checked_flag("GradientTape", "replayable", self._replayable))

    def __enter__(self) -> GradientTape:
        if self._trace.level >= 0:
            raise TapeStateError(
                f"GradientTape: a tape must be entered once; got one that is {self._state}. Make a new GradientTape()."
            )
        self._trace = trace = renewed(self._trace)  # `checks` may have begun since
        trace.__enter__()
        trace.tape_reference = weakref.ref(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._trace.__exit__(kind, error, trace)

    def __copy__(self) -> GradientTape:
        return self

    def __deepcopy__(self, memo: Any) -> GradientTape:
        return self  # its Tensors are values on this tape, so that a copy of it would not know them

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self._state != "closed":
            raise PicklingError(
                f"pickle: a tape must be closed; got one that is {self._state}. Pickle values (x.value) and gradients "
                "instead, or leave the tape's block first."
            )
        trace = self._trace
        entries = [(*entry[:3], dict(entry[3]), *entry[4:]) for entry in trace.entries]
        state = (entries, trace.leaves, trace.spans, trace.watches, as_picklable(trace.guards))
        return _unpickled, (type(self), self._replayable, *state)

    @property
    def records(self) -> Records:
        """The records so far, in order; a record's index is its slot."""
        return Records(self._trace.entries, len(self._trace.entries))

    @property
    def is_open(self) -> bool:
        """Whether operations on its values are recorded: inside its `with` block."""
        return self._trace.is_open

    @property
    def _state(self) -> str:
        return "open" if self._trace.is_open else "closed" if self._trace.level >= 0 else "not entered"

    # ---- recording ----

    @overload
    def watch(self, x: ArrayOrNumber) -> Tensor: ...
    @overload
    def watch(self, x: Container) -> Container: ...
    def watch(self, x: Tree) -> Tree:
        """Put values on this tape, to be differentiated by.

        Args:
            x: a pytree of float or complex arrays and scalars; a leaf may be a Tensor of an outer tape.

        Returns:
            The same structure, of Tensors.

        Raises:
            ArgumentTypeError: a leaf that is integer, boolean or not a number; names its path.
            TapeStateError: outside the tape's block.
        """
        trace = self._trace
        trace.check_not_paused("GradientTape.watch")
        if not trace.is_open:
            state = "has closed" if trace.level >= 0 else "was not entered"
            raise TapeStateError(
                f"GradientTape.watch: the tape must be open; got one that {state}. "
                "Write `with GradientTape() as tape:` around it."
            )
        leaves, spec = tree_flatten(x)
        check_differentiable("GradientTape.watch", "x", x, leaves)
        before = trace.position()
        watched = [trace.watch(leaf) for leaf in leaves]
        if trace.guards is not None:
            slots = tuple([tensor.slot if tensor.slot >= before else None for tensor in watched])
            self._trace.watches.append(Watch(spec, slots, tuple(map(type, leaves))))
        return tree_unflatten(spec, watched)

    # ---- walking ----

    @overload
    def gradient(self, y: Tree, x: Tensor, output_gradients: Tree = None, unconnected: Found = "error") -> Array: ...
    @overload
    def gradient(
        self, y: Tree, x: tuple[Tensor, Tensor], output_gradients: Tree = None, unconnected: Found = "error"
    ) -> tuple[Array, Array]: ...
    @overload
    def gradient(self, y: Tree, x: Same, output_gradients: Tree = None, unconnected: Found = "error") -> Same: ...
    @overload
    def gradient(
        self, y: Tree, x: Tensor, output_gradients: Tree = None, *, unconnected: Unconnected
    ) -> Array | None: ...
    @overload
    def gradient(self, y: Tree, x: Tree, output_gradients: Tree = None, *, unconnected: Unconnected) -> Tree: ...
    def gradient(self, y: Tree, x: Tree, output_gradients: Tree = None, unconnected: Unconnected = "error") -> Tree:
        """Return the gradient of y by x: the cotangent of y, walked back to x.

        Args:
            y: the target, a Tensor of this tape; without `output_gradients` a real scalar. A pytree of
                targets takes a pytree of output gradients.
            x: the sources, a pytree of Tensors of this tape: watched values, or any computed from them.
            output_gradients: the cotangent of y, of its structure and shapes; 1 by default.
            unconnected: for a source that y does not depend on raise ("error"), or give zeros ("zero") or
                None ("none").

        Returns:
            A pytree of the structure of x, of writable arrays with the shapes and dtypes of its leaves. Inside
            the tape's block, of Tensors wherever they depend on watched values.

        Raises:
            ArgumentError: a target that is not a scalar, without `output_gradients`.
            ArgumentTypeError: a complex target, without `output_gradients`.
            UnconnectedError: says why y and x are not connected, and names the leaves of x.
        """
        check_unconnected("tape.gradient", unconnected)
        x, y = self._on_this_tape(x), self._on_this_tape(y)
        sources, spec = tree_flatten(x)
        check_sources(self._trace, "tape.gradient", x, sources)
        targets, cotangents = self._targets("tape.gradient", y, output_gradients, unconnected)
        pulled = vjp_walk(self._trace, targets, cotangents, sources)
        check = self._trace.gradient_check()
        if check is not None:
            check("tape.gradient", (("x", x),), targets, cotangents, sources, pulled)
        if unconnected == "error":
            check_connected("tape.gradient", x, pulled)
        elif unconnected == "zero":
            pulled = [zeros_of(s) if answer is None else answer for s, answer in zip(sources, pulled)]
        return tree_unflatten(spec, pulled)

    @overload
    def jvp(self, y: Tensor, x: Tree, tangents: Tree) -> Array: ...
    @overload
    def jvp(self, y: Same, x: Tree, tangents: Tree) -> Same: ...
    def jvp(self, y: Tree, x: Tree, tangents: Tree) -> Tree:
        """Compute the derivative of y along tangents of x, walked forward (Jacobian-vector product).

        Args:
            y: a pytree of Tensors of this tape.
            x: a pytree of Tensors of this tape.
            tangents: of the structure and shapes of x.

        Returns:
            A pytree of the structure of y; zeros for a leaf that does not depend on x.

        Raises:
            ArgumentError: tangents of another structure or of other shapes than x.
        """
        x, y = self._on_this_tape(x), self._on_this_tape(y)
        sources = tree_leaves(x)
        check_sources(self._trace, "tape.jvp", x, sources)
        directions = matched("tape.jvp", "tangents", tangents, "x", x)
        targets, spec = tree_flatten(y)
        pushed = jvp_walk(self._trace, sources, directions, targets)
        zeros = (zeros_of(target) if dot is None else dot for target, dot in zip(targets, pushed))
        return tree_unflatten(spec, list(zeros))

    @overload
    def jacobian(
        self,
        y: Tensor,
        x: Tensor,
        unconnected: Found = "error",
        *,
        batch_axis: int | None = None,
        chunk_size: int | None = None,
    ) -> Array: ...
    @overload
    def jacobian(
        self,
        y: Tree,
        x: Tree,
        unconnected: Unconnected = "error",
        *,
        batch_axis: int | None = None,
        chunk_size: int | None = None,
    ) -> Tree: ...
    def jacobian(
        self,
        y: Tree,
        x: Tree,
        unconnected: Unconnected = "error",
        *,
        batch_axis: int | None = None,
        chunk_size: int | None = None,
    ) -> Tree:
        """Compute the Jacobian of y by x, in backward walks that carry many rows each.

        Args:
            y: the targets, a pytree of Tensors of this tape.
            x: the sources, a pytree of Tensors of this tape: watched values, or any computed from them.
            unconnected: as for `gradient`; "none" gives None for each leaf of y and leaf of x without a path.
            batch_axis: an axis of y and x that holds examples, each y computed from its own x alone; then one
                Jacobian for each example is taken, as many times cheaper as there are examples.
            chunk_size: how many rows one walk carries, to bound memory; None for as many as are fastest.

        Returns:
            An array of shape y.shape + x.shape; for pytrees, the structure of y with the structure of x in place
            of each leaf. With `batch_axis`, of shape (examples, *other axes of y, *other axes of x).

        Raises:
            ArgumentError: leaves of different lengths along `batch_axis`, or an example of y that depends on
                another example of x; a chunk_size that is not positive.
            UnconnectedError: says why y and x are not connected, and names the leaves of x.

        >>> with GradientTape() as tape:
        ...     x = tape.watch(np.array([1.0, 2.0]))
        ...     y = x**2
        >>> tape.jacobian(y, x)
        array([[2., 0.],
               [0., 4.]])
        """
        from tapenet.walks.blocks import batched_blocks, completed, ends_of, in_structure, reverse_mode_blocks

        check_unconnected("tape.jacobian", unconnected)
        x, y = self._on_this_tape(x), self._on_this_tape(y)
        sources, targets = tree_leaves(x), tree_leaves(y)
        check_sources(self._trace, "tape.jacobian", x, sources)
        check_targets(self._trace, "tape.jacobian", y, targets, unconnected)
        check_chunk_size("tape.jacobian", chunk_size)

        def pulled(seeds: Sequence[Array]) -> Sequence[Array | None]:
            return vjp_walk(self._trace, targets, seeds, sources)

        axis = None if batch_axis is None else common_axis("tape.jacobian", batch_axis, [*targets, *sources])
        ends = ends_of(targets, axis)
        if axis is None:
            blocks = reverse_mode_blocks(pulled, ends, ends_of(sources), chunk_size, self._trace.entries)
        else:
            blocks = batched_blocks(pulled, ends, ends_of(sources), chunk_size)
        if unconnected == "none":
            blocks = [
                [block if self._is_path(source, target) else None for block, source in zip(row, sources, strict=True)]
                for row, target in zip(blocks, targets, strict=True)
            ]
        elif unconnected == "error":
            check_connected("tape.jacobian", x, blocks[0] if blocks else sources)
        return in_structure(y, x, blocks if unconnected == "none" else completed(blocks, ends, sources, "source"))

    def replay(self, inputs: Tree, y: Tree = None, *, otherwise: Callable[..., Tree] | None = None) -> Tree:
        """Run the recorded program again for other inputs, from its records alone.

        Each read of a value while the tape was open (a branch `if x > 0:`, a mask, `x.value`,
        `tn.stop_gradient(x)`, an index computed from values) is a guard. A replay repeats the reads in order, and
        raises where one gives another answer: it never takes the wrong branch. Captured arrays and random draws are
        those of the recording. Inputs may be Tensors of another tape: the replay is then recorded on it.

        Args:
            inputs: what takes the place of the watched values, of the same structure, shapes and dtypes; a tuple of
                such where `tape.watch` was called several times, in order.
            y: the values to compute, a pytree of Tensors of this tape; other leaves come back as they are. By
                default the last value that was recorded.
            otherwise: a function of the inputs (separately, where there are several), which is called and whose
                result is returned where a guard failed.

        Raises:
            ReplayError: a guard failed, and `otherwise` is not given; names what was read, and the line.
            ArgumentError, ArgumentTypeError: inputs of another structure, shape or dtype.
            TapeStateError: a tape made with `replayable=False`.

        >>> with GradientTape() as tape:
        ...     x = tape.watch(3.0)
        ...     y = x * x
        >>> tape.replay(4.0, y)
        np.float64(16.0)
        """
        values = self._inputs("tape.replay", inputs)
        if otherwise is not None:
            checked_function("tape.replay", "otherwise", otherwise)
        leaves, spec = tree_flatten(self._last("tape.replay") if y is None else y)
        trace = self._trace
        on_tape = [on_trace(trace, leaf) for leaf in leaves]
        trace.entries_to_walk()  # inside `checks` raises where an array has changed
        try:
            found = replay(trace.entries, trace.guards or (), values, {x.slot for x in on_tape if x is not None})
        except ReplayError:
            if otherwise is None:
                raise
            return otherwise(inputs) if len(self._trace.watches) == 1 else otherwise(*inputs)
        results = [leaf if x is None else found[x.slot] for leaf, x in zip(leaves, on_tape, strict=True)]
        return tree_unflatten(spec, results)

    def explain(
        self,
        y: Tree,
        x: Tree,
        output_gradients: Tree = None,
        *,
        exploding: float = 1e6,
        vanishing: float = 1e-6,
    ) -> Explanation:
        """Say why the gradient of y by x is zero, tiny, huge, NaN or not there; `print` it.

        The walk back from y to x is followed: it tells the norm of the cotangent at each record, where it becomes zero
        (piecewise constant, inactive, clipped, masked, a zero factor, cancelled), small (saturated) or huge, and the
        first record that gives NaN or infinity, and why. Where there is no path, it says what read the values off the
        tape. Nothing is recorded. The lines of the program are known to a tape that was recorded inside `tn.checks`.

        Args:
            y: the targets, a pytree of any shapes; values that are not on the tape are told of.
            x: the sources, a pytree; values that are not on the tape are told of.
            output_gradients: the cotangent of y, of its structure and shapes; ones by default.
            exploding: how many times the largest cotangent of y an element of a gradient must be to be called huge.
            vanishing: below how many times it all elements must be to be called tiny.

        Returns:
            An explanation with `verdict`, `sources` and `steps`; a table in notebooks. `draw` colours a picture by it.

        Raises:
            ArgumentError: output gradients of another structure or of other shapes than y; a limit out of range.

        >>> with GradientTape() as tape:
        ...     x = tape.watch(-3.0)
        ...     y = tn.nn.relu(x) * 2
        >>> print(str(tape.explain(y, x)).partition("\\n\\n")[0])
        The gradient by x is zero.
          relu (%1): inactive: its input is not positive.
        """
        from tapenet.diagnostics.explaining import Limits, find
        from tapenet.views.explanation import explanation

        limits = Limits(
            checked_number("tape.explain", "exploding", exploding, "(0, inf)"),
            checked_number("tape.explain", "vanishing", vanishing, "[0, inf)"),
        )
        x, y = self._on_this_tape(x), self._on_this_tape(y)
        targets = tree_leaves(y)
        if output_gradients is None:
            seeds: list[Any] = [np.ones(np.shape(target), _floating(target))[()] for target in targets]
        else:
            seeds = matched("tape.explain", "output_gradients", output_gradients, "y", y)
        found = find(
            self._trace,
            dict(zip(leaf_paths(y, "y"), targets, strict=True)),
            seeds,
            dict(zip(leaf_paths(x, "x"), tree_leaves(x), strict=True)),
            limits,
        )
        return explanation(self._trace, found)

    def derivation(self, y: Tree, x: Tree, output_gradients: Tree = None) -> Derivation:
        """Write the walk back from y to x as the source of a function of plain NumPy.

        The function takes one value for each watched leaf, in order, and returns the gradient by x: what `gradient`
        gives, for other values too. It computes what the gradient needs and nothing else, a line for each operation,
        and checks that what was read off the tape (branches, masks, `x.value`) is as it was. It runs without tapenet:
        for reports, for learners, to freeze a gradient.

        Args:
            y: the target, a real scalar, or a pytree of targets with `output_gradients`.
            x: the sources, a pytree of Tensors of this tape.
            output_gradients: the cotangent of y, of its structure and shapes; a constant of the source.

        Returns:
            A derivation: `str` gives its source, calling it runs it.

        Raises:
            MissingRuleError: an operation has no spelling in NumPy: a user's own, a recurrent layer's; names it.
            UnconnectedError: y does not depend on a value of x.
            TapeStateError: a tape made with `replayable=False`.
            ArgumentError, ArgumentTypeError: as for `gradient`.

        >>> with GradientTape() as tape:
        ...     x = tape.watch(np.ones(3))
        ...     y = tnp.sum(x * x)
        >>> print(str(tape.derivation(y, x)).partition("\\n\\n\\n")[2])
        def gradient(x):
            x_bar = x + x
            return x_bar
        """
        from tapenet.views.derivation import derive

        x, y = self._on_this_tape(x), self._on_this_tape(y)
        sources = tree_leaves(x)
        check_sources(self._trace, "tape.derivation", x, sources)
        targets, cotangents = self._targets("tape.derivation", y, output_gradients, "error")
        for source, path in zip(sources, leaf_paths(x, "x"), strict=True):
            if not any(self._is_path(source, target) for target in targets):
                raise UnconnectedError(f"tape.derivation: there is no differentiable path from {path} to y.")
        return derive(self._trace, targets, cotangents, sources)

    def _inputs(self, function: str, inputs: Tree) -> dict[int, Array]:
        """Return inputs for a replay, by slot."""
        if self._trace.guards is None:
            came = "whose reads could not be pickled" if self._replayable else "made with replayable=False"
            raise TapeStateError(f"{function}: the tape must be replayable; got one {came}.")
        return inputs_by_slot(function, self._trace.watches, inputs, self._trace.entries)

    def _last(self, function: str) -> Tensor:
        """Return a stand-in for the Tensor of the last record."""
        if not self._trace.entries:
            raise ArgumentError(f"{function}: there must be at least one record; got an empty tape.")
        return made_tensor(None, self._trace, len(self._trace.entries) - 1)

    def _on_this_tape(self, tree: Tree) -> Tree:
        """Return a pytree with its Tensors of inner tapes that have closed as values on this one."""
        leaves, spec = tree_flatten(tree)
        return tree_unflatten(spec, [unwrap_closed(self._trace, leaf) for leaf in leaves])

    # ---- views, which are imported at first use ----

    def __repr__(self) -> str:
        return f"<GradientTape, {self._state}, {len(self._trace.entries)} records>"

    def __str__(self) -> str:
        from tapenet.views.listing import listing

        return listing(repr(self), self._trace)

    def _repr_html_(self) -> str:
        from tapenet.views.html import html_listing

        return html_listing(repr(self), self._trace)

    def summary(self) -> Summary:
        """Count records, bytes and estimated operations on numbers, by operation; `print` it for a table."""
        from tapenet.views.summary import summarize

        return summarize(self._trace.entries)

    def to_dot(self, *, explanation: Explanation | None = None, collapse: bool | None = None) -> str:
        """Write the tape as a graph in Graphviz's language; the arguments are those of `draw`."""
        return self._picture("tape.to_dot", explanation, collapse).text()

    def draw(
        self,
        path: str | os.PathLike[str],
        *,
        explanation: Explanation | None = None,
        collapse: bool | None = None,
    ) -> None:
        """Draw the tape as a graph into a file, in the format of the path's ending: .svg, .png, .pdf.

        Args:
            path: of the file.
            explanation: what `explain` returned; each record that the walk comes by then has a colour, by what happens
                to the cotangent there, and the cotangent's norm.
            collapse: whether records that follow one another are joined in one node: by the layer whose parameters
                they read, and by function on a tape that was recorded inside `tn.checks`; else where one value is
                all that goes on. None does so for more than 150 records.

        Raises:
            DrawingError: Graphviz's program `dot` is not installed, or fails. No file is left behind.
            ArgumentError: an ending that is not a format of pictures.
            ArgumentTypeError: an explanation or a flag of another type.
        """
        from tapenet.views.dot import draw

        draw(self._picture("tape.draw", explanation, collapse), path)

    def _picture(self, function: str, explanation: Any, collapse: Any) -> Picture:
        from tapenet.views.dot import Picture
        from tapenet.views.explanation import Explanation

        if not isinstance(explanation, Explanation | None):
            raise ArgumentTypeError(
                f"{function}: explanation must be what tape.explain returned; got {type(explanation).__name__}."
            )
        flag = None if collapse is None else checked_flag(function, "collapse", collapse)
        return Picture(self._trace, explanation, flag)

    def profile(self, inputs: Tree, y: Tree = None, *, rounds: int = 3) -> Profile:
        """Measure time and bytes by operation, of a replay on inputs and of a walk back from y to all that was watched.

        Args:
            inputs, y: as for `replay`. The walk starts from a cotangent of ones.
            rounds: of which the fastest counts, for each operation.

        Raises:
            As for `replay`.

        >>> with GradientTape() as tape:
        ...     x = tape.watch(np.ones(3))
        ...     y = tnp.sum(tnp.sin(x))
        >>> sorted(operation.name for operation in tape.profile(np.ones(3)).operations)
        ['sin', 'sum', 'watch']
        """
        from tapenet.views.profile import profile

        values = self._inputs("tape.profile", inputs)
        targets = tree_leaves(self._last("tape.profile") if y is None else y)
        trace = self._trace
        on_tape = [x for x in (on_trace(trace, target) for target in targets) if x is not None]
        ones = {x.slot: np.ones(*trace.entries[x.slot][SHAPE:]) for x in on_tape}
        return profile(trace.entries, trace.guards or (), values, ones, trace.leaves, rounds)

    # ---- checks ----

    def _targets(
        self, function: str, y: Tree, output_gradients: Tree, unconnected: Unconnected
    ) -> tuple[list[Any], list[Array]]:
        """Return the targets and their cotangents, checked."""
        targets = tree_leaves(y)
        if output_gradients is None:
            check_scalar(function, targets)
            cotangents: list[Array] = [np.ones((), dtype_of(target))[()] for target in targets]
        else:
            cotangents = matched(function, "output_gradients", output_gradients, "y", y)
        check_targets(self._trace, function, y, targets, unconnected)
        return targets, cotangents

    def _is_path(self, source: Tensor, target: Any) -> bool:
        """Return whether a target depends on a source."""
        if type(target) is not Tensor or target.owner is not self._trace or target.slot < source.slot:
            return False
        return bool(descendants(self._trace.entries, {source.slot}, target.slot)[target.slot])


def _floating(x: Any) -> Any:
    """Return the dtype of a value's cotangent; float64 for one that has none."""
    dtype = dtype_of(x)
    return dtype if dtype is not None and np.dtype(dtype).kind in "fc" else np.float64


def _unpickled(
    kind: type[GradientTape],
    replayable: bool,
    entries: list[Entry],
    leaves: set[int],
    spans: list[tuple[int, int]],
    watches: list[Watch],
    guards: list[Guard] | None,
) -> GradientTape:
    """Return a tape as it was pickled: closed."""
    tape = kind(replayable=replayable)
    with tape:
        tape._trace.entries.extend(entries)
    trace = tape._trace
    trace.leaves, trace.spans, trace.watches, trace.guards = leaves, spans, watches, guards
    return tape


def tape_of(trace: Trace) -> GradientTape | None:
    """Return the tape of a trace; None for a trace that is not a tape's."""
    if not isinstance(trace, Recorder):
        return None
    tape: GradientTape | None = None if trace.tape_reference is None else trace.tape_reference()
    if tape is None:  # of a transform, or of a tape that was freed
        tape = GradientTape(replayable=trace.guards is not None)
        tape._trace = trace
        trace.tape_reference = weakref.ref(tape)
    return tape
