"""`chain`, which puts parts and an optimizer in a row, `partition`, which gives groups their own, and `freeze`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, NoReturn, overload

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_count, checked_flag, shown
from tapenet.core.leaf_checks import dtype_of
from tapenet.core.pytrees import Tree, TreeSpec, static_field, tree_map, tree_unflatten
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.optim.checks import fitting_leaves, leaf_choices, parameter_leaves
from tapenet.optim.in_programs import updated_in_program
from tapenet.optim.lbfgs import Lbfgs
from tapenet.optim.leafwise import as_dtype
from tapenet.optim.optimizer import Leaves, Optimizer, Params, ValueAndGrad
from tapenet.optim.parts import SKIPPED, Part

Labels = Any  # a pytree of strings, or a function (path, leaf) -> string


class ChainState(NamedTuple):
    """The number of calls of `update`, and the states of the parts and the optimizer, in their order."""

    step: int
    parts: tuple[Any, ...]


class PartitionState(NamedTuple):
    """The number of steps taken, and the state of each group's optimizer by its label; of lists of their leaves."""

    step: int
    groups: dict[str, Any]


class FreezeState(NamedTuple):
    """The number of steps that were not taken."""

    step: int


@attrs.frozen
class PartsInARow(Part):
    """See `chain`: parts without an optimizer, which are a part."""

    name: ClassVar[str] = "chain"

    parts: tuple[Part, ...]

    def of_leaves(self, params: Tree) -> PartsInARow | None:
        """See `Part`."""
        found = [part.of_leaves(params) for part in self.parts]
        own = tuple([part for part in found if part is not None])
        return PartsInARow(own) if len(own) == len(found) else None

    def init(self, params: Tree) -> Any:
        """Make the state of each part."""
        return tuple(part.init(params) for part in self.parts)

    def apply(self, updates: Tree, state: Any, params: Tree, value: Any) -> tuple[Tree, Any]:
        """Apply one part after the other, until one skips."""
        states = list(state)
        for i, part in enumerate(self.parts):
            if updates is SKIPPED:
                break
            updates, states[i] = part.apply(updates, states[i], params, value)
        return updates, tuple(states)

    def update(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise: only an optimizer updates parameters."""
        raise ArgumentTypeError(
            f"chain.update: parts must hold an optimizer; got {', '.join(part.name for part in self.parts) or 'none'}. "
            "Write optim.chain(..., optim.adam(1e-3))."
        )


@attrs.frozen
class Chain(Optimizer):
    """See `chain`: parts, an optimizer, and parts."""

    name: ClassVar[str] = "chain"

    before: PartsInARow
    optimizer: Optimizer
    after: PartsInARow

    @property
    def reads_gradients_alone(self) -> bool:
        """See `Optimizer`: as its own one."""
        return type(self).update is Chain.update and self.optimizer.reads_gradients_alone

    def of_leaves(self, params: Tree) -> Optimizer | None:
        """See `Optimizer`."""
        before, own, after = (
            self.before.of_leaves(params),
            self.optimizer.of_leaves(params),
            self.after.of_leaves(params),
        )
        return None if before is None or own is None or after is None else Chain(before, own, after)

    def init(self, params: Tree) -> Any:
        """Make the state of each part and of the optimizer."""
        parameter_leaves("chain.init", params)
        return ChainState(0, (*self.before.init(params), self.optimizer.init(params), *self.after.init(params)))

    def update(
        self,
        gradients: Params,
        state: Any,
        params: Params,
        *,
        value: Any = None,
        value_and_grad: ValueAndGrad | None = None,
        donate: bool = False,
    ) -> tuple[Params, Any]:
        """Take one step: see `Optimizer.update`. A step that was skipped leaves the old state."""
        first, own, last = self._states(state)
        donate = checked_flag("chain.update", "donate", donate)
        parameters, spec = parameter_leaves("chain.update", params)
        fitting_leaves("chain.update", "gradients", gradients, parameters, spec, params)
        recorded = updated_in_program(self, gradients, state, params, value)
        if recorded is not None:
            return recorded[:2]
        step = checked_count("chain.update", "state.step", state.step, 0) + 1
        updates, first = self.before.apply(gradients, first, params, value)
        if updates is SKIPPED:
            return params, ChainState(step, (*first, own, *last))
        keeps = bool(self.after.parts)  # the old parameters, to tell the step
        options: dict[str, Any] = {"value": value, "value_and_grad": value_and_grad, "donate": donate and not keeps}
        updated, own = self.optimizer.update(updates, own, params, **options)
        if keeps:
            steps: Any = tree_map(lambda new, old: new - old, updated, params)
            steps, last = self.after.apply(steps, last, params, value)
            updated = tree_map(_added, params, steps)
        return updated, ChainState(step, (*first, own, *last))

    def _states(self, state: Any) -> tuple[tuple[Any, ...], Any, tuple[Any, ...]]:
        """Split a state into those of the parts before, of the optimizer and of the parts after."""
        place = len(self.before.parts)
        length = place + 1 + len(self.after.parts)
        if not isinstance(state, ChainState) or len(state.parts) != length:
            raise ArgumentTypeError(
                f"chain.update: state must be ChainState of {length} parts, from chain.init or update; got "
                f"{shown(state)}. The order is update(gradients, state, params)."
            )
        return tuple(state.parts[:place]), state.parts[place], tuple(state.parts[place + 1 :])


def _added(parameter: Any, step: Any) -> Any:
    """Add a step to a parameter, whose dtype stays; a scalar stays one."""
    new = as_dtype(parameter + step, dtype_of(parameter))
    return new if isinstance(parameter, np.ndarray) or not isinstance(new, np.ndarray) else new[()]


@attrs.frozen
class Partition(Optimizer):
    """See `partition`."""

    name: ClassVar[str] = "partition"

    optimizers: tuple[Optimizer, ...]
    names: tuple[str, ...] = static_field()
    labels: Labels = static_field()

    def of_leaves(self, params: Tree) -> Optimizer | None:
        """See `Optimizer`; groups are lists in any case."""
        labels = tuple([label for _, label in leaf_choices("partition", "labels", self.labels, params)])
        return attrs.evolve(self, labels=Leaves(labels))

    @property
    def reads_gradients_alone(self) -> bool:
        """See `Optimizer`: as those of all groups."""
        return type(self).update is Partition.update and all(own.reads_gradients_alone for own in self.optimizers)

    def init(self, params: Tree) -> Any:
        """Make the state of each group's optimizer."""
        leaves, _ = parameter_leaves("partition.init", params)
        groups = self._groups(params)
        pairs = zip(self.names, self.optimizers, strict=True)
        return PartitionState(0, {name: own.init([leaves[i] for i in groups[name]]) for name, own in pairs})

    def update(
        self,
        gradients: Params,
        state: Any,
        params: Params,
        *,
        value: Any = None,
        value_and_grad: ValueAndGrad | None = None,
        donate: bool = False,
    ) -> tuple[Params, Any]:
        """Take one step of each group: see `Optimizer.update`."""
        function = "partition.update"
        if not isinstance(state, PartitionState) or set(state.groups) != set(self.names):
            raise ArgumentTypeError(
                f"{function}: state must be PartitionState of {', '.join(self.names)}, from partition.init or update; "
                f"got {shown(state)}. The order is update(gradients, state, params)."
            )
        leaves, spec = parameter_leaves(function, params)
        donate = checked_flag(function, "donate", donate)
        slopes = fitting_leaves(function, "gradients", gradients, leaves, spec, params)
        recorded = updated_in_program(self, gradients, state, params, value)
        if recorded is not None:
            return recorded[:2]
        step = checked_count(function, "state.step", state.step, 0) + 1
        updated, states, groups = list(leaves), dict(state.groups), self._groups(params)
        # What evaluates the loss comes first: a donated group's old parameters are gone once it has moved.
        for name, own in sorted(zip(self.names, self.optimizers, strict=True), key=lambda pair: not _searches(pair[1])):
            places = groups[name]
            mine, theirs = [leaves[i] for i in places], [slopes[i] for i in places]
            options: dict[str, Any] = {"value": value, "donate": donate}
            if value_and_grad is not None:
                options["value_and_grad"] = _of_group(value_and_grad, leaves, spec, places)
            new, states[name] = own.update(theirs, state.groups[name], mine, **options)
            for i, leaf in zip(places, new, strict=True):
                updated[i] = leaf
        return tree_unflatten(spec, updated), PartitionState(step, states)

    def _groups(self, params: Tree) -> dict[str, list[int]]:
        """Return the places of the leaves of each group."""
        groups: dict[str, list[int]] = {name: [] for name in self.names}
        for place, (path, label) in enumerate(leaf_choices("partition", "labels", self.labels, params)):
            if label not in groups:
                raise ArgumentError(
                    f"partition: labels must be among {', '.join(map(repr, self.names))}; got {label!r} for {path}."
                )
            groups[label].append(place)
        return groups


def _of_group(value_and_grad: ValueAndGrad, leaves: list[Any], spec: TreeSpec, places: list[int]) -> ValueAndGrad:
    """Return the loss and its gradients as a function of one group, with the others where the step begins."""

    def restricted(group: list[Any]) -> tuple[Any, list[Any]]:
        moved = list(leaves)
        for i, leaf in zip(places, group, strict=True):
            moved[i] = leaf
        params = tree_unflatten(spec, moved)
        value, gradients = value_and_grad(params)
        slopes = fitting_leaves("partition.update", "gradients", gradients, moved, spec, params)
        return value, [slopes[i] for i in places]

    return restricted


@attrs.frozen
class Freeze(Optimizer):
    """See `freeze`."""

    name: ClassVar[str] = "freeze"

    def of_leaves(self, params: Tree) -> Optimizer | None:
        """See `Optimizer`."""
        return self

    @property
    def reads_gradients_alone(self) -> bool:
        """See `Optimizer`; not of a class with an `update` of its own."""
        return type(self).update is Freeze.update

    def init(self, params: Tree) -> Any:
        """Make a state of step 0."""
        parameter_leaves("freeze.init", params)
        return FreezeState(0)

    def update(
        self,
        gradients: Params,
        state: Any,
        params: Params,
        *,
        value: Any = None,
        value_and_grad: ValueAndGrad | None = None,
        donate: bool = False,
    ) -> tuple[Params, Any]:
        """Return the parameters as they are."""
        if not isinstance(state, FreezeState):
            raise ArgumentTypeError(
                f"freeze.update: state must be FreezeState, from freeze.init or update; got {type(state).__name__}. "
                "The order is update(gradients, state, params)."
            )
        leaves, spec = parameter_leaves("freeze.update", params)
        fitting_leaves("freeze.update", "gradients", gradients, leaves, spec, params)
        checked_flag("freeze.update", "donate", donate)
        recorded = updated_in_program(self, gradients, state, params, value)
        if recorded is not None:
            return recorded[:2]
        return params, FreezeState(checked_count("freeze.update", "state.step", state.step, 0) + 1)


@overload
def chain(*parts: Part) -> Part: ...  # type: ignore[overload-overlap]  # of parts alone the first holds
@overload
def chain(*parts: Part | Optimizer) -> Optimizer: ...
def chain(*parts: Part | Optimizer) -> Part | Optimizer:
    """Put parts and an optimizer in a row.

    Parts before the optimizer transform the gradients, in their order; parts after it transform its steps, which are
    what it adds to the parameters.

        optimizer = optim.chain(
            optim.skip_nonfinite(), optim.clip_by_global_norm(1.0), optim.adamw(1e-3), optim.average_params(0.999)
        )

    Args:
        parts: `Part`s, and at most one `Optimizer`.

    Returns:
        An `Optimizer`, whose state is `ChainState(step, parts)`; without an optimizer among the parts, a `Part`.

    Raises:
        ArgumentError: two optimizers, or a part where it cannot stand.
        ArgumentTypeError: an argument is neither a part nor an optimizer.

    >>> from tapenet import optim
    >>> optimizer = chain(optim.clip_by_value(1.0), optim.sgd(0.5))
    >>> optimizer.update(8.0, optimizer.init(1.0), 1.0)
    (np.float64(0.5), ChainState(step=1, parts=(None, SgdState(step=1))))
    """
    for i, part in enumerate(parts):
        if not isinstance(part, Part | Optimizer):
            raise ArgumentTypeError(f"chain: parts[{i}] must be a part or an optimizer; got {shown(part)}.")
    places = [i for i, part in enumerate(parts) if isinstance(part, Optimizer)]
    if len(places) > 1:
        raise ArgumentError(
            f"chain: parts must hold at most one optimizer; got {', '.join(parts[i].name for i in places)}. "
            "For groups of parameters write optim.partition."
        )
    if not places:
        return PartsInARow(tuple(part for part in parts if isinstance(part, Part)))
    before = PartsInARow(tuple(part for part in parts[: places[0]] if isinstance(part, Part)))
    after = PartsInARow(tuple(part for part in parts[places[0] + 1 :] if isinstance(part, Part)))
    _check_places(before, "before")
    _check_places(after, "after")
    optimizer = parts[places[0]]
    assert isinstance(optimizer, Optimizer)
    return Chain(before, optimizer, after)


def _check_places(row: PartsInARow, place: str) -> None:
    """Raise for a part on the wrong side of the optimizer."""
    for part in row.parts:
        if isinstance(part, PartsInARow):
            _check_places(part, place)
        elif part.place not in ("anywhere", place):
            raise ArgumentError(f"chain: {part.name} must be {part.place} the optimizer; got it {place} the optimizer.")


def partition(labels: Labels, optimizers: Mapping[str, Optimizer]) -> Optimizer:
    """Make the optimizer that updates groups of parameters by optimizers of their own.

    So parameters are frozen, and have learning rates or a weight decay by groups:

        optim.partition(
            lambda path, leaf: "decayed" if leaf.ndim > 1 else "plain",
            {"decayed": optim.adamw(1e-3, weight_decay=0.1), "plain": optim.adam(1e-3)},
        )

    Where `lbfgs` has a group, its line search evaluates the loss along that group alone, with the others where the step
    begins; then all groups move. Beside `freeze` that is L-BFGS for a part of the parameters.

    Args:
        labels: a pytree of strings, of the structure of the parameters or a prefix of it; or a function from
            `(path, leaf)` to one, with a path such as `params.conv1.kernel`.
        optimizers: an optimizer for each label.

    Returns:
        An `Optimizer`; its state is `PartitionState(step, groups)`, with `groups[label]` of a list of the leaves.

    Raises:
        ArgumentTypeError: `optimizers` is not a mapping of optimizers. When it is used: labels that do not fit.

    >>> from tapenet import optim
    >>> optimizer = partition({"body": "frozen", "head": "trained"}, {"frozen": freeze(), "trained": optim.sgd(0.5)})
    >>> params = {"body": [1.0, 1.0], "head": 1.0}
    >>> optimizer.update({"body": [1.0, 1.0], "head": 1.0}, optimizer.init(params), params)[0]
    {'body': [1.0, 1.0], 'head': np.float64(0.5)}
    """
    if not isinstance(optimizers, Mapping) or not optimizers:
        raise ArgumentTypeError(
            f"partition: optimizers must be a dict of optimizers by label; got {shown(optimizers)}."
        )
    for label, optimizer in optimizers.items():
        if not isinstance(label, str) or not isinstance(optimizer, Optimizer):
            raise ArgumentTypeError(
                f"partition: optimizers[{label!r}] must be an optimizer, under a string; got {shown(optimizer)}."
            )
    return Partition(tuple(optimizers.values()), tuple(optimizers), labels)


def _searches(optimizer: Optimizer) -> bool:
    """Return whether an optimizer evaluates the loss at parameters of its own."""
    if isinstance(optimizer, Partition):
        return any(map(_searches, optimizer.optimizers))
    return _searches(optimizer.optimizer) if isinstance(optimizer, Chain) else isinstance(optimizer, Lbfgs)


def freeze() -> Optimizer:
    """Make the optimizer that leaves parameters as they are, for a group of `partition`.

    >>> optimizer = freeze()
    >>> optimizer.update(2.0, optimizer.init(1.0), 1.0)
    (1.0, FreezeState(step=1))
    """
    return Freeze()
