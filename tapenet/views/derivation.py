"""`Derivation`: a backward walk as the source of one function of plain NumPy.

The records are replayed on a tape of their own, and the walk back is recorded on it too. What the gradient needs of
these records is simplified, named and written down, a line for each operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.guards import ArraySnapshot, Guard, snapshot
from tapenet.core.nondifferentiable import NondifferentiableFunction
from tapenet.core.primitive import Array, Primitive
from tapenet.core.pytrees import leaf_paths, tree_unflatten
from tapenet.core.record import Entry
from tapenet.core.recorder import Recorder, new_recorder
from tapenet.core.tensor import Tensor, mapped_value_error, unwrap
from tapenet.diagnostics.forward_values import known_values
from tapenet.diagnostics.magnitudes import off_tapes
from tapenet.errors import ArgumentError, ReplayError, TapeStateError
from tapenet.views.numpy_source import Output, Recorded, source_of
from tapenet.walks.backward import backward
from tapenet.walks.lifting import lift_onto
from tapenet.walks.replay import replay
from tapenet.walks.results import as_kind_of
from tapenet.walks.substituted import SubstitutedEntries, with_rules


@attrs.frozen(repr=False)
class Derivation:
    """The backward walk of a tape as a function of plain NumPy; `str` gives its source.

    Attributes:
        source: of a module with the function `gradient`, which needs NumPy alone, or SciPy where it imports it.
        parameters: the names of its parameters: one for each watched leaf, in order.
        constants: arrays that the source names and does not hold, because they are large.
    """

    source: str
    parameters: tuple[str, ...]
    constants: Mapping[str, np.ndarray[Any, Any]]

    def __str__(self) -> str:
        return self.source

    def __repr__(self) -> str:
        return f"<Derivation, gradient({', '.join(self.parameters)}), {self.source.count(chr(10))} lines>"

    @property
    def function(self) -> Callable[..., Any]:
        """The function that the source defines, of arrays and NumPy's scalars."""
        namespace: dict[str, Any] = dict(self.constants)
        exec(compile(self.source, "<derivation>", "exec"), namespace)
        made: Callable[..., Any] = namespace["gradient"]
        return made

    def __call__(self, *leaves: Any) -> Any:
        """Run the source on one value for each watched leaf.

        Returns:
            The gradient by x; a tuple where x has several leaves.
        """
        if len(leaves) != len(self.parameters):
            raise ArgumentError(
                f"derivation: there must be one value for each of {', '.join(self.parameters)}; got {len(leaves)}."
            )
        return self.function(*(np.asarray(leaf)[()] for leaf in leaves))


def derive(
    trace: Recorder, targets: Sequence[Tensor], cotangents: Sequence[Array], sources: Sequence[Tensor]
) -> Derivation:
    """Return the walk from targets back to sources as source.

    Raises:
        TapeStateError: the tape does not hold what is read off it, or not the values that were read.
        MappedValueError: values are mapped by `vmap`.
        MissingRuleError: an operation is not written in NumPy.
    """
    guards = trace.guards
    if guards is None:
        raise TapeStateError("tape.derivation: the tape must be replayable; got one made with replayable=False.")
    last = max(target.slot for target in targets)
    entries = [(*entry[:2], tuple(map(off_tapes, entry[2])), *entry[3:]) for entry in trace.entries]
    given = {x.slot: unwrap(x) for x in (*targets, *sources)}
    values = known_values(entries, given, range(last + 1))
    if any(type(x) is Tensor for x in values.values()):
        raise mapped_value_error("tape.derivation")
    with np.errstate(all="ignore"), new_recorder(replayable=True) as own:
        watched = {slot: own.watch(_value(entries[slot], values.get(slot))) for slot in sorted(trace.leaves)}
        read = [_off_tapes(guard) for guard in guards if guard.position <= last]
        found = _replayed(entries, read, watched, {x.slot for x in (*targets, *sources)})
        seeds = [unwrap(t) for t in cotangents]
        outputs, bars = _walked(own, [found[x.slot] for x in targets], seeds, [found[x.slot] for x in sources])
    paths = _paths(trace)
    kept = tuple(own.guards or ())
    recorded = Recorded(own.entries, kept, paths, outputs, bars, _answers(own, kept, watched.values()))
    return Derivation(*source_of(recorded))


def _value(entry: Entry, value: Any) -> Any:
    """Return the value of a leaf; where the tape does not keep it, as no rule reads it, ones."""
    *_, shape, dtype = entry
    return np.ones(shape, dtype)[()] if value is None else value


def _off_tapes(guard: Guard) -> Guard:
    """Return a guard whose constants are on no tape further out."""
    keywords = {name: off_tapes(x) for name, x in guard.keywords.items()}
    return guard._replace(constants=tuple(map(off_tapes, guard.constants)), keywords=keywords)


def _replayed(
    entries: Sequence[Entry], guards: Sequence[Guard], watched: Mapping[int, Tensor], wanted: set[int]
) -> dict[int, Array]:
    try:
        return replay(entries, guards, watched, wanted)
    except ReplayError as error:
        raise TapeStateError(
            f"tape.derivation: the tape must keep the values that were read off it; got {error}. Give watched values "
            "that no derivative reads as a part of x."
        ) from error


def _answers(
    own: Recorder, guards: Sequence[Guard], watched: Iterable[Tensor]
) -> dict[ArraySnapshot, np.ndarray[Any, Any]]:
    """Return the arrays that reads gave: a guard keeps the hash of a large one."""
    slots = {slot for guard in guards for slot in guard.slots if slot is not None}
    values = known_values(own.entries, {x.slot: unwrap(x) for x in watched}, slots) if guards else {}
    found: dict[ArraySnapshot, np.ndarray[Any, Any]] = {}
    for guard in guards:
        function = guard.function
        if not isinstance(guard.answer, ArraySnapshot) or guard.keyword_slots:
            continue
        operands = [x if at is None else values.get(at) for at, x in zip(guard.slots, guard.constants, strict=True)]
        computes = function.forward if isinstance(function, NondifferentiableFunction) else function
        answer = computes(*operands, **guard.keywords)
        if snapshot(answer) == guard.answer:
            found[guard.answer] = answer
    return found


def _walked(
    own: Recorder, targets: Sequence[Any], cotangents: Sequence[Array], sources: Sequence[Any]
) -> tuple[tuple[Output, ...], dict[int, int]]:
    """Record the walk back; return its results, and of each cotangent on the tape the slot that it is of."""
    bars: dict[int, int] = {}

    def substitute(primitive: Primitive, slot: int) -> Primitive:
        def noting(rule: Any, place: int | None) -> Any:
            def noted(t: Any, *rest: Any) -> Any:
                if type(t) is Tensor and t.owner is own:
                    bars.setdefault(t.slot, slot)
                return rule(t, *rest)

            return noted

        return with_rules(primitive, pullback=noting)

    seeds: dict[int, Array] = {}
    for target, t in zip(targets, cotangents, strict=True):
        seeds[target.slot] = seeds[target.slot] + t if target.slot in seeds else t
    found = backward(SubstitutedEntries(own.entries, substitute), seeds, {x.slot for x in sources}, lift=lift_onto(own))
    pulled = [as_kind_of(x, found[x.slot]) if x.slot in found else None for x in sources]
    for x, answer in zip(sources, pulled, strict=True):
        if type(answer) is Tensor and answer.slot > x.slot:
            bars[answer.slot] = x.slot
    outputs = [
        answer.slot if type(answer) is Tensor else [np.zeros(x.shape, x.dtype)[()] if answer is None else answer]
        for x, answer in zip(sources, pulled, strict=True)
    ]
    return tuple(outputs), bars


def _paths(trace: Recorder) -> tuple[str, ...]:
    """Return for each watched leaf, in order, its path in what was watched."""
    from_paths: dict[int, str] = {}
    for watch in trace.watches:
        tree = tree_unflatten(watch.spec, [0.0] * len(watch.slots))
        for slot, path in zip(watch.slots, leaf_paths(tree, ""), strict=True):
            if slot is not None:
                from_paths[slot] = path
    return tuple([from_paths.get(slot, "") for slot in sorted(trace.leaves)])
